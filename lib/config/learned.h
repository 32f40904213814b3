/* What a file knows of depths: those that were learned (tleg.depths), and what each scored (tleg.scores). */
#ifndef TLEG_LIB_CONFIG_LEARNED_H
#define TLEG_LIB_CONFIG_LEARNED_H

#include "config/text.h"
#include <tleg/config.h>

enum { TLEG_SCORES_ON = 256 }; /* bytes of tleg_scores.on, its final 0 among them */

/* As read, with room for the most that there can be. */
struct tleg_learned {
    int32_t depth_count;
    int32_t depths[TLEG_MAX_DEPTH];
    tleg_scores scores; /* count 0: none; it points at the members below */
    int32_t score_depths[TLEG_MAX_DEPTH];
    double score_values[TLEG_MAX_DEPTH];
    char on[TLEG_SCORES_ON];
};
/* Read the JSON of the two keys; NULL is none. FORMAT names `what`, what was expected and what was found. */
tleg_status tleg_depths_parse(tleg_context *context, const char *what, const char *text, struct tleg_learned *learned);
tleg_status tleg_scores_parse(tleg_context *context, const char *what, const char *text, struct tleg_learned *learned);
/* A host's depths, and a host's scores into `own` (NULL: none): ARGUMENT names `what`, the member and the place in it. */
tleg_status tleg_depths_check(tleg_context *context, const char *what, const int32_t *depths, int32_t count);
tleg_status tleg_scores_read(tleg_context *context, const char *what, const tleg_scores *host, tleg_scores *own);
/* Write them in the form in which they are saved. */
void tleg_depths_text(const int32_t *depths, int32_t count, struct tleg_text *text);
void tleg_scores_text(const tleg_scores *scores, struct tleg_text *text);
/* The place of a depth among rising ones, or -1. */
int32_t tleg_depth_find(const int32_t *depths, int32_t count, int32_t depth);

#endif
