/* The forward pass of one block. */
#include "vit/pass/pass.h"

struct tleg_block_shape tleg_block_shape_make(const tleg_config *config, int64_t batch, int64_t tokens, int32_t dtype) {
    return (struct tleg_block_shape){.batch = batch,
                                     .tokens = tokens,
                                     .dim = config->dim,
                                     .heads = config->heads,
                                     .hidden = config->hidden,
                                     .activation = tleg_config_activation(config),
                                     .eps = (float)config->eps,
                                     .modulated = tleg_config_draws(config) ? 6 * (int64_t)config->dim : 0,
                                     .dtype = dtype};
}

/* ---- where activations lie ---- */

/* Rows of n elements between two products: narrow, if that is what the second multiplies. */
static struct tleg_target between_at(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape, int64_t n,
                                     float *memory) {
    if (!tleg_multiplies_narrow(kernels, shape->dtype))
        return tleg_target_f32(memory, n);
    return (struct tleg_target){.data = memory, .dtype = shape->dtype, .stride = tleg_narrow_stride(kernels, shape->dtype, n)};
}

/* Floats that one such row takes. */
static int64_t row_floats(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape, int64_t n) {
    struct tleg_target row = between_at(kernels, shape, n, NULL);
    return row.stride * (int64_t)tleg_dtype_size(row.dtype) / (int64_t)sizeof(float);
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

void tleg_block_place(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape, float *memory, float *y,
                      struct tleg_block_places *places) {
    int64_t m = shape->batch * shape->tokens, dim = shape->dim;
    *places =
        (struct tleg_block_places){.qkv = between_at(kernels, shape, 3 * dim, memory),
                                   .mixed = between_at(kernels, shape, dim, memory + m * row_floats(kernels, shape, 3 * dim)),
                                   .hidden = between_at(kernels, shape, shape->hidden, memory),
                                   .middle = y};
}

struct tleg_scratch tleg_block_scratch(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape) {
    int64_t m = shape->batch * shape->tokens, dim = shape->dim;
    int64_t packed = tleg_multiplies_narrow(kernels, shape->dtype) ? 0 : m; /* narrow rows are used where they lie */
    struct tleg_scratch most = tleg_gemm_scratch(kernels, shape->dtype, m, 3 * dim, dim);
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, packed, dim, dim));
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, m, shape->hidden, dim));
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, packed, dim, shape->hidden));
    tleg_scratch_join(&most, tleg_attention_scratch(kernels, shape->dtype, shape->tokens, dim, shape->heads));
    return most;
}

struct tleg_rows tleg_rows_norm(const struct tleg_block_shape *shape, const struct tleg_norm *norm, const float *x) {
    return (struct tleg_rows){.kind = TLEG_ROWS_LAYERNORM,
                              .x = tleg_view_f32(x, shape->dim),
                              .norm_weight = norm->weight,
                              .image_rows = shape->tokens,
                              .norm_bias = norm->bias,
                              .norm_stride = shape->modulated,
                              .eps = shape->eps};
}

/* ---- the pass ---- */

/* out (M, n) = act(norm(x) W^T + bias) */
static void spread(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_norm *norm,
                   const float *x, const struct tleg_linear *linear, enum tleg_activation activation,
                   const struct tleg_target *out) {
    tleg_gemm(exec, &(struct tleg_gemm){.m = shape->batch * shape->tokens,
                                        .rows = tleg_rows_norm(shape, norm, x),
                                        .weight = &linear->weight,
                                        .epilogue = {.bias = linear->bias, .activation = activation},
                                        .out = *out});
}

/* y = x + scale[image] * y, where y holds a branch */
static void add_scaled(const struct tleg_block_shape *shape, const float *scale, const float *x, float *y) {
    int64_t image = shape->tokens * shape->dim;
    for (int64_t b = 0; b < shape->batch; b++)
        for (int64_t i = b * image; i < (b + 1) * image; i++)
            y[i] = x[i] + scale[b] * y[i];
}

/* y (M, D) = x + scale * gate * (rows W^T + bias), a gate for each column (LayerScale, arXiv 2103.17239) or NULL; without
 * scales the residual is added where the product ends */
static void join(const struct tleg_exec *exec, const struct tleg_block_shape *shape, struct tleg_rows rows,
                 const struct tleg_linear *linear, const float *gate, const float *scale, const float *x, float *y) {
    rows.image_rows = shape->tokens;
    tleg_gemm(exec, &(struct tleg_gemm){.m = shape->batch * shape->tokens,
                                        .rows = rows,
                                        .weight = &linear->weight,
                                        .epilogue = {.bias = linear->bias,
                                                     .column_scale = gate,
                                                     .column_scale_stride = shape->modulated,
                                                     .residual = scale ? NULL : x,
                                                     .residual_stride = shape->dim},
                                        .out = tleg_target_f32(y, shape->dim)});
    if (scale)
        add_scaled(shape, scale, x, y);
}

/* y = x + scale * ls1 * proj(attention(qkv(norm1(x)))) */
static void attention_half(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                           const float *scale, const float *x, const struct tleg_block_places *places, float *y) {
    spread(exec, shape, &layer->norm[TLEG_SITE_NORM1], x, &layer->linear[TLEG_SITE_QKV], TLEG_ACTIVATION_NONE, &places->qkv);
    tleg_attention(exec, &(struct tleg_attention){.batch = shape->batch,
                                                  .tokens = shape->tokens,
                                                  .dim = shape->dim,
                                                  .heads = shape->heads,
                                                  .qkv = tleg_view_of(&places->qkv),
                                                  .out = places->mixed,
                                                  .dtype = shape->dtype});
    join(exec, shape, (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = tleg_view_of(&places->mixed)},
         &layer->linear[TLEG_SITE_PROJ], layer->norm[TLEG_SITE_LS1].weight, scale, x, y);
}

/* y = x + scale * ls2 * fc2(act(fc1(norm2(x)))); act comes after fc1, or, where hidden is kept without it, before fc2 */
static void mlp_half(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     const float *scale, const float *x, const struct tleg_block_places *places, float *y) {
    struct tleg_rows hidden = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_of(&places->hidden)};
    if (places->keep) {
        hidden.kind = TLEG_ROWS_ACTIVATION;
        hidden.activation = shape->activation;
    }
    spread(exec, shape, &layer->norm[TLEG_SITE_NORM2], x, &layer->linear[TLEG_SITE_FC1],
           places->keep ? TLEG_ACTIVATION_NONE : shape->activation, &places->hidden);
    if (y)
        join(exec, shape, hidden, &layer->linear[TLEG_SITE_FC2], layer->norm[TLEG_SITE_LS2].weight, scale, x, y);
}

void tleg_block_pass(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     struct tleg_branch_scales scales, const float *x, const struct tleg_block_places *places, float *y) {
    attention_half(exec, shape, layer, scales.attention, x, places, places->middle);
    mlp_half(exec, shape, layer, scales.mlp, places->middle, places, y);
}
