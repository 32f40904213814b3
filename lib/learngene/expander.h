/* The expander from inside: the tensors of every site, packed once. */
#ifndef TLEG_LIB_EXPANDER_H
#define TLEG_LIB_EXPANDER_H

#include "learngene/learngene.h"
#include "vit/handle/handle.h"
#include <tleg/expander.h>

/* A segment's values, f32: matrices packed, vectors as they are. The tensors of its weight lie weight_step floats apart, those
 * of its bias bias_step. */
struct tleg_packed_segment {
    enum tleg_curve curve;
    int32_t tensors;
    const float *weight, *bias; /* the first of so many; NULL: none */
};

struct tleg_expander {
    atomic_int references;
    struct tleg_allocator allocator;
    struct tleg_vit_config config; /* of the models that it makes: depth 0, dtype the expanded one */
    const struct tleg_kernels *kernels;
    struct tleg_blas blas;
    struct tleg_outer_weights outer;
    int32_t count[TLEG_SITES]; /* of segments */
    struct tleg_packed_segment *segments[TLEG_SITES];
    int32_t *lengths[TLEG_SITES]; /* of segments, as learned */
    int32_t total;                /* segments of all sites */
    int32_t least_depth;
    size_t packed[TLEG_SITES];                             /* elements of a weight, padding included */
    size_t biases[TLEG_SITES];                             /* elements of a bias; 0: none */
    size_t weight_step[TLEG_SITES], bias_step[TLEG_SITES]; /* floats from one tensor of a segment to its next */
    bool may_exceed_f16; /* dtype is F16, and some depth may have a number that is too large for it */
    void *memory;
    size_t bytes;
};

/* What options make of a learngene's configuration, checked. Texts are shared, not copied. */
tleg_status tleg_expander_config(tleg_context *context, const tleg_expander_options *options, const tleg_config *gene,
                                 tleg_config *config);

tleg_expander *tleg_expander_share(const tleg_expander *expander);
uint64_t tleg_expander_parameters(const tleg_expander *expander, int32_t depth); /* of a model */
void tleg_expander_network(const tleg_expander *expander, struct tleg_network *network);

/* A session over an expander of any kind (elastic.c). */
tleg_status tleg_session_over_expander(tleg_context *context, const tleg_expander *expander, int32_t depth,
                                       const tleg_session_options *options, tleg_session **session);

/* The bytes that expanding to a depth needs beside the model; where its two arrays lie. */
struct tleg_expansion_layout {
    size_t layers, lengths, bytes;
};
struct tleg_expansion_layout tleg_expansion_layout(const tleg_expander *expander, int32_t depth);

#endif
