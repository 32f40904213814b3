/* The learngene container from inside, and its schedule. */
#ifndef TLEG_LIB_LEARNGENE_H
#define TLEG_LIB_LEARNGENE_H

#include "config/config.h"
#include <tleg/learngene.h>

struct tleg_gene_tensor;

/* Consecutive layers of a site that are sums of the same tensors, or share one. */
struct tleg_segment {
    int32_t layers; /* as learned; 1 where the schedule does not name the site */
    enum tleg_curve curve;
    int32_t tensors;                              /* of the weight, and of the bias */
    const struct tleg_gene_tensor *weight, *bias; /* the first of so many that stand side by side; NULL: none */
};

struct tleg_learngene {
    struct tleg_allocator allocator;
    struct tleg_vit_config config;
    struct tleg_segment *segments[TLEG_SITES];
    int32_t segment_count[TLEG_SITES];
    const struct tleg_gene_tensor *outer[TLEG_SLOTS]; /* NULL: none */
    const tleg_file *file; /* whose numbers are read when they are asked for; NULL: they are in memory. A host never sees one
                              with a file: it is what an expander is made of without a learngene in memory */
    /* the rest is learngene.c's own: the tensors, and the memory of all of these */
    struct tleg_gene_tensor *tensors;
    int64_t tensor_count;
    void *memory;
    size_t bytes;
};

/* ---- schedule (schedule.c) ---- */
/* The lengths of a site's segments at another depth: one layer each, then one at a time to the segment with the largest
 * n_k * depth - now_k * sum (ties: the earlier). `lengths` and `now` may not overlap. depth >= count. */
void tleg_schedule_share(int32_t count, const int32_t *lengths, int32_t depth, int32_t *now);
/* Where layer 0..depth-1 lies: which layer of which segment. */
struct tleg_layer_place {
    int32_t segment, layer, layers; /* the segment has so many at this depth */
};
struct tleg_layer_place tleg_schedule_at(int32_t count, const int32_t *now, int32_t layer);
/* The most segments of any site: the least depth. */
int32_t tleg_schedule_least(const struct tleg_learngene *gene);

/* ---- coefficients (coefficients.c) ---- */
/* What tensor k of `count` counts for in layer 0..layers-1 of a segment; the first is 1. tleg_factors: before it is rounded. */
void tleg_factors(enum tleg_curve curve, int32_t layer, int32_t layers, int32_t count, double f[]);
void tleg_coefficients(enum tleg_curve curve, int32_t layer, int32_t layers, int32_t count, float c[]);

#endif
