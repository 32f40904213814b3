/* The forward pass of one block; backward.c holds the one that training keeps and walks back. */
#include "vit/vit.h"

/* x (B,N,D) -> qkv (B,N,3D), mixed (B,N,D) for attention; then hidden (B,N,H) in the same place. */
size_t tleg_block_activations(const struct tleg_block_shape *shape) {
    size_t rows, widest = (size_t)(shape->hidden > 4 * shape->dim ? shape->hidden : 4 * shape->dim), count;
    if (!tleg_size_mul((size_t)shape->batch, (size_t)shape->tokens, &rows) || !tleg_size_mul(rows, widest, &count))
        return SIZE_MAX;
    return count;
}

struct tleg_scratch tleg_block_scratch(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape) {
    int64_t m = shape->batch * shape->tokens, dim = shape->dim;
    struct tleg_scratch most = tleg_gemm_scratch(kernels, shape->dtype, m, 3 * dim, dim);
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, m, dim, dim));
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, m, shape->hidden, dim));
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, m, dim, shape->hidden));
    tleg_scratch_join(&most, tleg_attention_scratch(kernels, shape->dtype, shape->tokens, dim, shape->heads));
    return most;
}

struct tleg_rows tleg_rows_norm(const struct tleg_block_shape *shape, const struct tleg_norm *norm, const float *x) {
    return (struct tleg_rows){.kind = TLEG_ROWS_LAYERNORM,
                              .x = x,
                              .stride = shape->dim,
                              .norm_weight = norm->weight,
                              .norm_bias = norm->bias,
                              .eps = shape->eps};
}

/* y = x + proj(attention(qkv(norm1(x)))) */
static void attention_half(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                           const float *x, float *y, float *activations) {
    int64_t m = shape->batch * shape->tokens, dim = shape->dim;
    float *qkv = activations, *mixed = activations + m * 3 * dim;
    tleg_gemm(exec, &(struct tleg_gemm){.m = m,
                                        .rows = tleg_rows_norm(shape, &layer->norm1, x),
                                        .weight = &layer->qkv.weight,
                                        .epilogue = {.bias = layer->qkv.bias},
                                        .out = qkv,
                                        .out_stride = 3 * dim});
    tleg_attention(exec, &(struct tleg_attention){.batch = shape->batch,
                                                  .tokens = shape->tokens,
                                                  .dim = dim,
                                                  .heads = shape->heads,
                                                  .qkv = qkv,
                                                  .out = mixed,
                                                  .dtype = shape->dtype});
    tleg_gemm(exec, &(struct tleg_gemm){.m = m,
                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = mixed, .stride = dim},
                                        .weight = &layer->proj.weight,
                                        .epilogue = {.bias = layer->proj.bias, .residual = x, .residual_stride = dim},
                                        .out = y,
                                        .out_stride = dim});
}

/* y = y + fc2(gelu(fc1(norm2(y)))) */
static void mlp_half(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     float *y, float *hidden) {
    int64_t m = shape->batch * shape->tokens;
    tleg_gemm(exec, &(struct tleg_gemm){.m = m,
                                        .rows = tleg_rows_norm(shape, &layer->norm2, y),
                                        .weight = &layer->fc1.weight,
                                        .epilogue = {.bias = layer->fc1.bias, .gelu = true},
                                        .out = hidden,
                                        .out_stride = shape->hidden});
    tleg_gemm(exec, &(struct tleg_gemm){.m = m,
                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = hidden, .stride = shape->hidden},
                                        .weight = &layer->fc2.weight,
                                        .epilogue = {.bias = layer->fc2.bias, .residual = y, .residual_stride = shape->dim},
                                        .out = y,
                                        .out_stride = shape->dim});
}

void tleg_block_pass(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     const float *x, float *y, float *activations) {
    attention_half(exec, shape, layer, x, y, activations);
    mlp_half(exec, shape, layer, y, activations);
}
