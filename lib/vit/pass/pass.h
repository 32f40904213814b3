/* The network as a session runs it, and the forward pass of a block. */
#ifndef TLEG_LIB_VIT_PASS_H
#define TLEG_LIB_VIT_PASS_H

#include "vit/weights/weights.h"

/* ---- the network: what a session runs, be it a model or an expander. Seam 2 ---- */
struct tleg_network {
    const struct tleg_kernels *kernels;
    const tleg_config *config;
    const struct tleg_outer_weights *outer;
    const void *owner;
    int32_t least_depth, most_depth;
    size_t vectors;     /* floats of scratch that `get` may fill */
    size_t state_bytes; /* what `set_depth` keeps for a depth */
    void (*set_depth)(const void *owner, int32_t depth, void *state);
    /* Layer 0..depth-1. The matrices of an expander come as base, ilayer and coefficient: the product forms them panel by
     * panel. */
    void (*get)(const void *owner, const void *state, int32_t layer, float *vectors, struct tleg_layer *out);
};

/* ---- the pass (forward.c) ---- */
struct tleg_block_shape {
    int64_t batch, tokens, dim, heads, hidden;
    float eps;
    int32_t dtype; /* what weights are rounded to */
};
/* What a block's pass needs besides x: activations (floats) and the kernels' scratch. */
size_t tleg_block_activations(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape);
struct tleg_scratch tleg_block_scratch(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape);
/* The rows of x (M, D) through a norm, for a product. */
struct tleg_rows tleg_rows_norm(const struct tleg_block_shape *shape, const struct tleg_norm *norm, const float *x);
/* y = block(x); x, y (B, N, D); y may be x. */
void tleg_block_pass(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     const float *x, float *y, float *activations);

#endif
