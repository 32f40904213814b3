/* The operations of a Vision Transformer, one by one, on tensors of f32, each with its gradients.
 *
 * Outputs are tensors that the caller made with the right shape; an output may not share memory with an input unless said so.
 * Each call uses the context's processor level and allocates its scratch from the context. Products (linear, MLP, attention,
 * patch embedding) and the gradients by weights use the context's threads; what is done number by number does not. B is batch,
 * N tokens, D dim. NaN and infinity go through as in PyTorch: they are no error here;
 * in the losses a class of chance 0 adds nothing, whatever its logit.
 * Errors of all: ARGUMENT (NULL, dtype, or a shape: the text says which, what was expected
 * and what was found), MEMORY, and what the context's parallel returned.
 *
 * A function _backward takes dy, the gradient of some number (a loss) by the operation's output, and gives those by its
 * inputs, under the input's name with a d before it and in its shape. The gradient by the data (dx, dqkv, dimages, dpatches) is
 * WRITTEN; the gradients by weights, biases, tokens and positions are ADDED to what their tensors hold, so that several calls
 * sum up: zero them before the first. A gradient that is NULL is not wanted, and costs nothing. What the forward computed on
 * its way is computed again. The same bits at any number of threads. */
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

/* ---- and backwards ---- */

/* dx may be dy. */
TLEG_API tleg_status TLEG_CALL tleg_layernorm_backward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight,
                                                       double eps, const tleg_tensor *dy, tleg_tensor *dx, tleg_tensor *dweight,
                                                       tleg_tensor *dbias);

TLEG_API tleg_status TLEG_CALL tleg_linear_backward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight,
                                                    const tleg_tensor *dy, tleg_tensor *dx, tleg_tensor *dweight,
                                                    tleg_tensor *dbias);

/* dx is needed; it may be dy or x. */
TLEG_API tleg_status TLEG_CALL tleg_gelu_backward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *dy,
                                                  tleg_tensor *dx);

TLEG_API tleg_status TLEG_CALL tleg_mlp_backward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *fc1,
                                                 const tleg_tensor *fc1_bias, const tleg_tensor *fc2, const tleg_tensor *dy,
                                                 tleg_tensor *dx, tleg_tensor *dfc1, tleg_tensor *dfc1_bias, tleg_tensor *dfc2,
                                                 tleg_tensor *dfc2_bias);

/* dqkv is needed. */
TLEG_API tleg_status TLEG_CALL tleg_attention_backward(tleg_context *context, const tleg_tensor *qkv, int32_t heads,
                                                       const tleg_tensor *dy, tleg_tensor *dqkv);

/* ---- around the blocks ---- */

/* Patch embedding: a convolution whose stride is its size. images (B, 3, I, J), weight (D, 3, P, Q) where P divides I and Q
 * divides J, bias (D) or NULL, y (B, n, D), n = (I/P) (J/Q) patches, row by row. I and J at most 16384. */
TLEG_API tleg_status TLEG_CALL tleg_patch_embed_forward(tleg_context *context, const tleg_tensor *images,
                                                        const tleg_tensor *weight, const tleg_tensor *bias, tleg_tensor *y);
TLEG_API tleg_status TLEG_CALL tleg_patch_embed_backward(tleg_context *context, const tleg_tensor *images,
                                                         const tleg_tensor *weight, const tleg_tensor *dy, tleg_tensor *dimages,
                                                         tleg_tensor *dweight, tleg_tensor *dbias);

/* y (B, T + n, D) = the T tokens, then each image's n patches, plus the position embedding. patches (B, n, D), tokens (T, D) or
 * NULL (T = 0), pos (T + n, D). */
TLEG_API tleg_status TLEG_CALL tleg_tokens_forward(tleg_context *context, const tleg_tensor *patches, const tleg_tensor *tokens,
                                                   const tleg_tensor *pos, tleg_tensor *y);
/* T is what the gradients' shapes say. */
TLEG_API tleg_status TLEG_CALL tleg_tokens_backward(tleg_context *context, const tleg_tensor *dy, tleg_tensor *dpatches,
                                                    tleg_tensor *dtokens, tleg_tensor *dpos);

/* y (B, D) = the mean of x (B, N, D) over the tokens after the first `prefix`, 0 to N - 1. */
TLEG_API tleg_status TLEG_CALL tleg_mean_pool_forward(tleg_context *context, const tleg_tensor *x, int32_t prefix,
                                                      tleg_tensor *y);
/* dx is needed; the prefix tokens get 0. */
TLEG_API tleg_status TLEG_CALL tleg_mean_pool_backward(tleg_context *context, const tleg_tensor *dy, int32_t prefix,
                                                       tleg_tensor *dx);

/* ---- losses, summed in double ----
 * *loss is the loss, dlogits (may be NULL) its gradient, written. B is 1 or more. *loss is 0 on failure. */

/* The mean over the rows of -sum_c q_c log softmax(logits)_c. logits (B, C); targets: I64 (B), class numbers, where q is
 * 1 - smoothing at the class plus smoothing / C everywhere (smoothing 0 to 1); or F32 (B, C), q itself, and smoothing must be
 * 0. Errors: ARGUMENT, also a class number out of range. */
TLEG_API tleg_status TLEG_CALL tleg_cross_entropy(tleg_context *context, const tleg_tensor *logits, const tleg_tensor *targets,
                                                  double smoothing, double *loss, tleg_tensor *dlogits);

/* tau^2 * sum KL(softmax(teacher / tau) || softmax(logits / tau)) / (B * C). logits, teacher (B, C); tau more than 0. The
 * gradient is that by logits, the student's. */
TLEG_API tleg_status TLEG_CALL tleg_distillation(tleg_context *context, const tleg_tensor *logits, const tleg_tensor *teacher,
                                                 double tau, double *loss, tleg_tensor *dlogits);

#ifdef __cplusplus
}
#endif

#endif
