/* The operations of a Transformer block, one by one, on tensors of f32.
 *
 * Outputs are tensors that the caller made with the right shape; an output may not share
 * memory with an input unless said so. Each call uses the context's threads and processor
 * level and allocates its scratch from the context. B is batch, N tokens, D dim.
 * Errors of all: ARGUMENT (NULL, dtype, or a shape: the text says which, what was expected
 * and what was found), MEMORY. */
#ifndef TLEG_OPS_H
#define TLEG_OPS_H

#include <tleg/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* y = (x - mean) / sqrt(var + eps) * weight + bias over the last axis.
 * x, y (..., D), the same shape; weight, bias (D). y may be x. */
TLEG_API tleg_status TLEG_CALL tleg_layernorm_forward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight,
                                                      const tleg_tensor *bias, double eps, tleg_tensor *y);

/* y = x weight^T + bias. x (..., K), weight (M, K), bias (M) or NULL, y (..., M). */
TLEG_API tleg_status TLEG_CALL tleg_linear_forward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight,
                                                   const tleg_tensor *bias, tleg_tensor *y);

/* y = x * (1 + erf(x / sqrt 2)) / 2, the exact form. x, y the same shape; y may be x. */
TLEG_API tleg_status TLEG_CALL tleg_gelu_forward(tleg_context *context, const tleg_tensor *x, tleg_tensor *y);

/* y = gelu(x fc1^T + fc1_bias) fc2^T + fc2_bias. x, y (..., D), fc1 (H, D), fc2 (D, H); biases (H), (D) or NULL. */
TLEG_API tleg_status TLEG_CALL tleg_mlp_forward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *fc1,
                                                const tleg_tensor *fc1_bias, const tleg_tensor *fc2,
                                                const tleg_tensor *fc2_bias, tleg_tensor *y);

/* Scaled dot-product attention between the projections: for each head, softmax(q k^T / sqrt(D/heads)) v.
 * qkv (B, N, 3D): columns q, then k, then v, each cut into heads; y (B, N, D). */
TLEG_API tleg_status TLEG_CALL tleg_attention_forward(tleg_context *context, const tleg_tensor *qkv, int32_t heads,
                                                      tleg_tensor *y);

#ifdef __cplusplus
}
#endif

#endif
