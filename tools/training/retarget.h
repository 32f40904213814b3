/* Gives a learngene or a model other classes. */
#ifndef TLEG_TOOLS_RETARGET_H
#define TLEG_TOOLS_RETARGET_H

#include "data/dataset.h"
#include "source/source.h"

/* Makes what is to be learned fit the classes of a data set. Where labels and class names are the same, the set takes over the
 * labels' numbers (dataset_match). Where they differ, or there is no head, it starts anew from the seed, as a fresh learngene's
 * would, and that is said; and the labels become the names of the data's classes. What comes out is f32. Returns an exit code.
 */
int retarget(const struct invocation *call, tleg_context *context, struct source *source, struct dataset *set, uint64_t seed);
/* The same of what only says how pictures are made: the set takes over the numbers, and nothing starts anew. */
int retarget_pictures(const struct invocation *call, struct source *source, struct dataset *set);
/* A fresh head of so many classes, without labels, whatever there was. What comes out is f32. */
int retarget_head(const struct invocation *call, tleg_context *context, struct source *source, int32_t classes, uint64_t seed);
/* Opens what it is done to; what nobody says of its pictures is said. */
int retarget_open(const struct invocation *call, tleg_context *context, const char *path, const struct expansion *expansion,
                  struct source *source);
/* Opens a learngene for it first; refuses a model. */
int retarget_gene(const struct invocation *call, tleg_context *context, const char *path, uint64_t seed, struct dataset *set,
                  struct source *source);

#endif
