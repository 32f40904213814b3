/* One Transformer block with weights of its own: x + proj(attention(qkv(norm1(x)))), then x + mlp(norm2(x)).
 * A block never changes after creation: any number of threads may run it, each with a workspace of its own. */
#ifndef TLEG_BLOCK_H
#define TLEG_BLOCK_H

#include <tleg/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tleg_block tleg_block;

/* Weights are f32, row-major as PyTorch keeps them; they are copied into packed form. */
typedef struct tleg_block_options {
    uint32_t struct_size;                         /* sizeof(tleg_block_options) */
    int32_t heads;                                /* needed: divides A */
    double eps;                                   /* of both norms (1e-5) */
    const tleg_tensor *norm1_weight, *norm1_bias; /* (D) */
    const tleg_tensor *qkv_weight; /* (3A, D): rows q, then k, then v; A is the heads' numbers together, mostly D */
    const tleg_tensor *qkv_bias;   /* (3A), or NULL: none */
    const tleg_tensor *proj_weight, *proj_bias;   /* (D, A), (D) */
    const tleg_tensor *norm2_weight, *norm2_bias; /* (D) */
    const tleg_tensor *fc1_weight, *fc1_bias;     /* (H, D), (H) */
    const tleg_tensor *fc2_weight, *fc2_bias;     /* (D, H), (D) */
} tleg_block_options;

/* Packs a block. Errors: ARGUMENT (a missing tensor, dtype or shape: the text says which), UNSUPPORTED, MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_block_create(tleg_context *context, const tleg_block_options *options, tleg_block **block);

/* The bytes of workspace that tleg_block_forward needs for (batch, tokens) with this context. Errors: ARGUMENT, MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_block_get_memory(tleg_context *context, const tleg_block *block, int64_t batch,
                                                     int64_t tokens, uint64_t *bytes);

/* y = block(x). x, y (B, N, D) f32; y may be x. workspace: at least tleg_block_get_memory's bytes, at any address.
 * Allocates nothing. Errors: ARGUMENT (shape, dtype, workspace), and what the context's parallel returned. */
TLEG_API tleg_status TLEG_CALL tleg_block_forward(tleg_context *context, const tleg_block *block, const tleg_tensor *x,
                                                  tleg_tensor *y, void *workspace, uint64_t workspace_bytes);

/* Where the gradients of a block's weights go: tensors in the shapes of tleg_block_options, to which they are ADDED, so that
 * several calls sum up: zero them before the first. One that is NULL is not wanted. */
typedef struct tleg_block_gradients {
    uint32_t struct_size;                   /* sizeof(tleg_block_gradients) */
    int32_t reserved;                       /* 0 */
    tleg_tensor *norm1_weight, *norm1_bias; /* (D) */
    tleg_tensor *qkv_weight, *qkv_bias;     /* (3A, D), (3A) */
    tleg_tensor *proj_weight, *proj_bias;   /* (D, A), (D) */
    tleg_tensor *norm2_weight, *norm2_bias; /* (D) */
    tleg_tensor *fc1_weight, *fc1_bias;     /* (H, D), (H) */
    tleg_tensor *fc2_weight, *fc2_bias;     /* (D, H), (D) */
} tleg_block_gradients;

/* The bytes of workspace that tleg_block_backward needs for (batch, tokens) with this context. Errors: ARGUMENT, MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_block_get_backward_memory(tleg_context *context, const tleg_block *block, int64_t batch,
                                                              int64_t tokens, uint64_t *bytes);

/* With dy (B, N, D) the gradient of a loss by block(x): dx, written, that by x; it may be dy, not x, or NULL (not wanted).
 * gradients, or NULL, get those by the weights. The forward is computed again from x. workspace: at least
 * tleg_block_get_backward_memory's bytes, at any address. Allocates nothing. The same bits at any number of threads.
 * Errors: ARGUMENT (shape, dtype, workspace), UNSUPPORTED (a member that this library does not know), and what the context's
 * parallel returned. */
TLEG_API tleg_status TLEG_CALL tleg_block_backward(tleg_context *context, const tleg_block *block, const tleg_tensor *x,
                                                   const tleg_tensor *dy, tleg_tensor *dx,
                                                   const tleg_block_gradients *gradients, void *workspace,
                                                   uint64_t workspace_bytes);

/* Drops the caller's reference. NULL is allowed. Any thread. */
TLEG_API void TLEG_CALL tleg_block_free(tleg_block *block);

#ifdef __cplusplus
}
#endif

#endif
