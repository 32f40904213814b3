/* The forward pass of one block; backward.c holds the one that training keeps and walks back. */
#include "vit/pass/pass.h"

/* Rows between two products: of f32, or of bf16 where the second product rounds them to it in any case. */
struct rows {
    float *x;
    uint16_t *halves;
    int64_t stride;
};

/* Floats that a row of n elements takes. */
static int64_t row_floats(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape, int64_t n) {
    return tleg_multiplies_halves(kernels, shape->dtype) ? tleg_halves_stride(kernels, n) / 2 : n;
}

static struct rows rows_at(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape, int64_t n, float *memory) {
    if (tleg_multiplies_halves(kernels, shape->dtype))
        return (struct rows){.halves = (uint16_t *)memory, .stride = tleg_halves_stride(kernels, n)};
    return (struct rows){.x = memory, .stride = n};
}

/* x (B,N,D) -> qkv (B,N,3D), mixed (B,N,D) for attention; then hidden (B,N,H) in the same place. */
size_t tleg_block_activations(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape) {
    int64_t attention = row_floats(kernels, shape, 3 * shape->dim) + row_floats(kernels, shape, shape->dim);
    int64_t hidden = row_floats(kernels, shape, shape->hidden);
    size_t rows, count;
    if (!tleg_size_mul((size_t)shape->batch, (size_t)shape->tokens, &rows) ||
        !tleg_size_mul(rows, (size_t)(hidden > attention ? hidden : attention), &count))
        return SIZE_MAX;
    return count;
}

struct tleg_scratch tleg_block_scratch(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape) {
    int64_t m = shape->batch * shape->tokens, dim = shape->dim;
    int64_t packed = tleg_multiplies_halves(kernels, shape->dtype) ? 0 : m; /* rows of bf16 are used where they lie */
    struct tleg_scratch most = tleg_gemm_scratch(kernels, shape->dtype, m, 3 * dim, dim);
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, packed, dim, dim));
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, m, shape->hidden, dim));
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, packed, dim, shape->hidden));
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

/* out (M, n) = norm(x) W^T + bias, maybe through GELU */
static void spread(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_norm *norm,
                   const float *x, const struct tleg_linear *linear, enum tleg_activation activation, struct rows out) {
    tleg_gemm(exec, &(struct tleg_gemm){.m = shape->batch * shape->tokens,
                                        .rows = tleg_rows_norm(shape, norm, x),
                                        .weight = &linear->weight,
                                        .epilogue = {.bias = linear->bias, .activation = activation},
                                        .out = out.x,
                                        .halves = out.halves,
                                        .out_stride = out.stride});
}

/* y (M, D) = x + rows W^T + bias */
static void join(const struct tleg_exec *exec, const struct tleg_block_shape *shape, struct rows rows,
                 const struct tleg_linear *linear, const float *x, float *y) {
    tleg_gemm(exec, &(struct tleg_gemm){.m = shape->batch * shape->tokens,
                                        .rows = {.kind = rows.halves ? TLEG_ROWS_HALVES : TLEG_ROWS_PLAIN,
                                                 .x = rows.x,
                                                 .halves = rows.halves,
                                                 .stride = rows.stride},
                                        .weight = &linear->weight,
                                        .epilogue = {.bias = linear->bias, .residual = x, .residual_stride = shape->dim},
                                        .out = y,
                                        .out_stride = shape->dim});
}

/* y = x + proj(attention(qkv(norm1(x)))) */
static void attention_half(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                           const float *x, float *y, float *activations) {
    int64_t m = shape->batch * shape->tokens, dim = shape->dim;
    struct rows qkv = rows_at(exec->kernels, shape, 3 * dim, activations);
    struct rows mixed = rows_at(exec->kernels, shape, dim, activations + m * row_floats(exec->kernels, shape, 3 * dim));
    spread(exec, shape, &layer->norm1, x, &layer->qkv, TLEG_ACTIVATION_NONE, qkv);
    tleg_attention(exec, &(struct tleg_attention){.batch = shape->batch,
                                                  .tokens = shape->tokens,
                                                  .dim = dim,
                                                  .heads = shape->heads,
                                                  .qkv = qkv.x,
                                                  .out = mixed.x,
                                                  .dtype = shape->dtype,
                                                  .qkv_halves = qkv.halves,
                                                  .out_halves = mixed.halves});
    join(exec, shape, mixed, &layer->proj, x, y);
}

/* y = y + fc2(gelu(fc1(norm2(y)))) */
static void mlp_half(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     float *y, float *activations) {
    struct rows hidden = rows_at(exec->kernels, shape, shape->hidden, activations);
    spread(exec, shape, &layer->norm2, y, &layer->fc1, TLEG_ACTIVATION_GELU, hidden);
    join(exec, shape, hidden, &layer->fc2, y, y);
}

void tleg_block_pass(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     const float *x, float *y, float *activations) {
    attention_half(exec, shape, layer, x, y, activations);
    mlp_half(exec, shape, layer, y, activations);
}
