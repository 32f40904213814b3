/* One block in training: what the forward pass keeps, and the way back. */
#ifndef TLEG_LIB_VIT_BACKWARD_H
#define TLEG_LIB_VIT_BACKWARD_H

#include "vit/pass/pass.h"

/* What the forward of a block keeps: M = B * N rows. */
struct tleg_kept {
    float *x;      /* (M, D): the block's input; the caller fills it */
    float *qkv;    /* (M, 3D) */
    float *mixed;  /* (M, D): attention's output */
    float *middle; /* (M, D): between the halves */
    float *hidden; /* (M, H): before GELU */
};
size_t tleg_kept_floats(const struct tleg_block_shape *shape); /* SIZE_MAX when it does not fit */
void tleg_kept_place(const struct tleg_block_shape *shape, float *memory, struct tleg_kept *kept);

struct tleg_layer_gradient {
    struct tleg_gradient weight[TLEG_SITES], bias[TLEG_SITES];
};

/* Floats of scratch, and the kernels' scratch, for both directions. */
size_t tleg_backward_activations(const struct tleg_block_shape *shape);
struct tleg_scratch tleg_backward_scratch(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape);

/* y (M, D) = block(kept->x), and fills the rest of kept. scale[0] and scale[1] multiply the attention's and the MLP's branch of
 * each image (stochastic depth); each may be NULL. y is not kept's memory; NULL: the block's output is not wanted. */
void tleg_block_keep(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     const float *const scale[2], const struct tleg_kept *kept, float *y);
/* d (M, D): the loss's gradient by the block's output, which becomes that by its input. Gradients are added. */
void tleg_block_backward_pass(const struct tleg_exec *exec, const struct tleg_block_shape *shape,
                              const struct tleg_layer *layer, const struct tleg_weight turned[TLEG_SITES],
                              const float *const scale[2], const struct tleg_kept *kept,
                              const struct tleg_layer_gradient *gradient, float *d, float *activations);

#endif
