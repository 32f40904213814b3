/* What a model makes of pictures before its head: rows of features, made or read from a file that has them. */
#ifndef TLEG_TOOLS_FEATURES_H
#define TLEG_TOOLS_FEATURES_H

#include "dataset.h"
#include "source/source.h"

enum { FEATURES_MODEL = 24 };

struct features {
    float *rows;   /* (count, dim) */
    size_t *items; /* (count): the picture of each row, in the set; NULL: they were read from a file */
    size_t count, dim;
    char model[FEATURES_MODEL]; /* what made them, in one word that differs when it does; "": not known */
    tleg_tensor *tensor;        /* owns rows that were read from a file */
};

struct features_plan {
    tleg_context *context;
    struct source *source;
    const struct part *part; /* at least one picture */
    const char *doing;       /* in front of the progress bar */
    int32_t batch, loaders;
    bool skip_bad; /* a picture that cannot be read is named and left out */
};

/* Opens what makes features, as source_open_expanded does, and finds the word for it: the file's numbers, its depth, type and
 * size, and how pictures are prepared. Returns an exit code. */
int features_open_model(const struct invocation *call, tleg_context *context, const char *path,
                        const struct expansion *expansion, bool exif, struct source *source, char model[FEATURES_MODEL]);
/* Features of a part's pictures, in its order, all of them in memory. Returns an exit code; features_free is right after a
 * failure too. Likewise the next. */
int features_make(const struct invocation *call, const struct features_plan *plan, struct features *features);
/* "features", f32 [N,D], of a file that tleg features wrote. */
int features_read(const struct invocation *call, tleg_context *context, const char *path, const tleg_file *file,
                  struct features *features);
/* Refuses rows that are not finite. `of`: the file or folder. */
int features_check(const struct invocation *call, const char *of, const struct features *features);
void features_free(struct features *features);

#endif
