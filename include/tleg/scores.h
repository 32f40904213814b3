/* What depths scored: how many images of one set of data are classified right at each of some depths, or how much of a target
 * is told there. */
#ifndef TLEG_SCORES_H
#define TLEG_SCORES_H

#include <tleg/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The `on` of scores that are shares of the variance of a teacher's features which is told, not of right answers. Those of
 * a generator (TLEG_KIND_DIT) are always such shares, of the noise. */
#define TLEG_SCORES_ON_FEATURES "a teacher's features"

/* A table of scores. One that a host gives is needed until the call returns, and is checked as a whole: ARGUMENT names the
 * member and the place in it. One that the library lends (tleg_config.scores) lives as long as its handle.
 *
 *     int32_t depths[] = {4, 8, 12};
 *     double right[] = {0.812, 0.853, 0.861};
 *     tleg_scores scores = {.struct_size = sizeof scores, .count = 3, .images = 5000, .depths = depths, .scores = right,
 *                           .on = "validation"}; */
typedef struct tleg_scores {
    uint32_t struct_size;  /* sizeof(tleg_scores) */
    int32_t count;         /* of depths, 0 to TLEG_MAX_DEPTH */
    int64_t images;        /* that each depth was tried on, at most 2^53; 0: unknown */
    const int32_t *depths; /* (count), rising, each 1 to TLEG_MAX_DEPTH */
    const double *scores; /* (count), the share of the images that is classified right, or of the target that is told, 0 to 1 */
    const char *on;       /* the data, such as "validation", or TLEG_SCORES_ON_FEATURES: UTF-8, at most 255 bytes; NULL: "" */
    const void *reserved; /* NULL */
} tleg_scores;

#ifdef __cplusplus
}
#endif

#endif
