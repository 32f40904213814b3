/* Makes batches ahead of whoever learns from them or judges by them, in threads of its own. What a batch holds follows from the
 * seed, the epoch and the batch's place alone, not from the threads. */
#ifndef TLEG_TOOLS_FEED_H
#define TLEG_TOOLS_FEED_H

#include "dataset.h"
#include <tleg/augment.h>

struct feed_plan {
    const struct part *part;
    const tleg_config *config;
    const tleg_augment_options *augment; /* NULL: pictures are prepared as they are to be classified */
    double flip;                         /* without augment: the chance of a mirrored picture */
    const tleg_mix_options *mix;         /* NULL: batches are not mixed, and have no targets */
    const float *logits;                 /* (samples of the set, classes), or NULL */
    bool shuffle;
    int32_t repeats; /* times that a picture comes in a row, each time made anew: DeiT's repeated augmentation */
    uint64_t seed;
    int32_t epoch;
    size_t batch;        /* pictures of all ranks in one unit */
    int32_t rank, ranks; /* this one takes its share of each */
    int64_t first, end;  /* units first..end-1 of the epoch */
    int32_t loaders;     /* threads, at least 1 */
};

struct feed_unit {
    size_t count;      /* batch / ranks; fewer only in the last unit of a part that is not shuffled */
    size_t place;      /* of its first picture in the epoch's order, with repeats */
    int32_t epoch;     /* the plan's */
    float *images;     /* (count, channels, height, width) */
    int64_t *labels;   /* (count) */
    float *targets;    /* (count, classes), with a mix */
    float *logits;     /* (count, classes), with stored logits */
    char **errors;     /* (count): NULL, or why a picture cannot be used, naming it; the image is zeros then */
    const char *error; /* the first of them, or NULL */
    const char *want;  /* one that says nothing about the picture, as want of memory or of descriptors does; or NULL */
};

struct feed;

/* What the plan points at must outlive the feed. NULL after saying why. */
struct feed *feed_start(const struct invocation *call, const struct feed_plan *plan);
/* The next unit, good until the call after; NULL after the last. */
const struct feed_unit *feed_next(struct feed *feed);
void feed_stop(struct feed *feed); /* NULL is allowed */

#endif
