/* The learngene container from inside, and its schedule. */
#ifndef TLEG_LIB_LEARNGENE_H
#define TLEG_LIB_LEARNGENE_H

#include "vit/config.h"
#include <tleg/learngene.h>

/* Consecutive layers of a site that lie on one line, or share one value. */
struct tleg_segment {
    int32_t layers;                           /* as learned; 1 where the schedule does not name the site */
    const float *weight, *bias;               /* base, or the shared value; bias NULL: none */
    const float *weight_ilayer, *bias_ilayer; /* NULL: shared */
};

struct tleg_learngene {
    atomic_int references;
    struct tleg_allocator allocator;
    struct tleg_vit_config config;
    struct tleg_segment *segments[TLEG_SITES]; /* row-major f32 */
    int32_t segment_count[TLEG_SITES];
    const float *outer[TLEG_OUTER]; /* row-major f32; NULL: none */
    /* the rest is learngene.c's own: names, and the memory behind all of these */
    struct tleg_gene_tensor *tensors;
    int64_t tensor_count;
    void *memory;
    size_t bytes;
};

tleg_learngene *tleg_learngene_share(const tleg_learngene *gene);

/* ---- schedule (schedule.c) ---- */
/* The lengths of a site's segments at another depth: one layer each, then one at a time to the segment with the largest
 * n_k * depth - now_k * sum (ties: the earlier). `lengths` and `now` may not overlap. depth >= count. */
void tleg_schedule_share(int32_t count, const int32_t *lengths, int32_t depth, int32_t *now);
/* Where layer 0..depth-1 lies: its segment and its coefficient (float)((double)i / n). */
void tleg_schedule_at(int32_t count, const int32_t *now, int32_t layer, int32_t *segment, float *c);
/* The most segments of any site: the least depth. */
int32_t tleg_schedule_least(const struct tleg_learngene *gene);

#endif
