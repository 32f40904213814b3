/* The forward pass of one block. */
#include "vit/pass/pass.h"

struct tleg_block_shape tleg_block_shape_make(const tleg_config *config, int64_t batch, int64_t tokens, int32_t dtype) {
    int64_t modulated, dim;
    if (!tleg_site_matrix(config, TLEG_SITE_MODULATION, &modulated, &dim))
        modulated = 0;
    return (struct tleg_block_shape){.batch = batch,
                                     .tokens = tokens,
                                     .dim = config->dim,
                                     .heads = config->heads,
                                     .attention = tleg_config_attention_dim(config),
                                     .hidden = config->hidden,
                                     .fc1 = tleg_config_fc1(config),
                                     .activation = tleg_config_activation(config),
                                     .norm_after = config->norm_after,
                                     .gated = config->gated,
                                     .attention_norm = config->attention_norm,
                                     .mlp_norm = config->mlp_norm,
                                     .qk_width = tleg_config_qk_width(config),
                                     .rotary = config->rotary != 0,
                                     .rotary_halves = config->rotary_halves,
                                     .rotary_x_first = config->rotary_x_first,
                                     .grid = config->rotary ? tleg_config_grid(config) : (struct tleg_extent){0},
                                     .prefix = tleg_config_prefix(config),
                                     .eps = (float)config->eps,
                                     .modulated = modulated,
                                     .dtype = dtype};
}

/* ---- where activations lie ---- */

/* Rows of n elements between two products: narrow, if that is what the second multiplies, and nothing comes in between. */
static struct tleg_target between_at(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape, bool direct,
                                     int64_t n, float *memory) {
    if (!direct || !tleg_multiplies_narrow(kernels, shape->dtype))
        return tleg_target_f32(memory, n);
    return (struct tleg_target){.data = memory, .dtype = shape->dtype, .stride = tleg_narrow_stride(kernels, shape->dtype, n)};
}

/* Floats that one such row takes. */
static int64_t row_floats(const struct tleg_target *row) {
    return row->stride * (int64_t)tleg_dtype_size(row->dtype) / (int64_t)sizeof(float);
}

/* Where they would lie from `memory` on; the floats of a row of all of them. */
static int64_t place(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape, float *memory,
                     struct tleg_block_places *places) {
    const int64_t m = shape->batch * shape->tokens, dim = shape->dim;
    places->qkv = between_at(kernels, shape, !shape->rotary && !shape->qk_width, 3 * shape->attention, memory);
    const int64_t qkv = row_floats(&places->qkv);
    places->mixed = between_at(kernels, shape, !shape->attention_norm, shape->attention, memory ? memory + m * qkv : NULL);
    places->hidden = between_at(kernels, shape, !shape->gated && !shape->mlp_norm, shape->fc1, memory);
    const int64_t attention = qkv + row_floats(&places->mixed), hidden = row_floats(&places->hidden);
    const int64_t most = hidden > attention ? hidden : attention;
    places->branch = memory && shape->norm_after ? memory + m * most : NULL;
    return shape->norm_after ? most + dim : most;
}

/* x (B,N,D) -> qkv (B,N,3A), mixed (B,N,A) for attention; then hidden (B,N,fc1) in the same place; a branch after them. */
size_t tleg_block_activations(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape) {
    struct tleg_block_places places;
    size_t rows, count;
    if (!tleg_size_mul((size_t)shape->batch, (size_t)shape->tokens, &rows) ||
        !tleg_size_mul(rows, (size_t)place(kernels, shape, NULL, &places), &count))
        return SIZE_MAX;
    return count;
}

void tleg_block_place(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape, float *memory, float *y,
                      struct tleg_block_places *places) {
    *places = (struct tleg_block_places){.middle = y};
    place(kernels, shape, memory, places);
}

struct tleg_scratch tleg_block_scratch(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape) {
    int64_t m = shape->batch * shape->tokens, dim = shape->dim, attention = shape->attention;
    const bool narrow = tleg_multiplies_narrow(kernels, shape->dtype); /* such rows are used where they lie */
    const int64_t mixed = narrow && !shape->attention_norm ? 0 : m,
                  hidden = narrow && !shape->gated && !shape->mlp_norm ? 0 : m;
    struct tleg_scratch most = tleg_gemm_scratch(kernels, shape->dtype, m, 3 * attention, dim);
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, mixed, dim, attention));
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, m, shape->fc1, dim));
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, hidden, dim, shape->hidden));
    if (shape->norm_after)
        tleg_scratch_join(&most, tleg_add_normed_scratch(dim));
    tleg_scratch_join(&most, tleg_attention_scratch(kernels, shape->dtype, shape->tokens, attention, shape->heads));
    return most;
}

/* x (M, D) through a norm. */
static struct tleg_rows rows_norm(const struct tleg_block_shape *shape, const struct tleg_norm *norm, const float *x) {
    return (struct tleg_rows){.kind = TLEG_ROWS_LAYERNORM,
                              .x = tleg_view_f32(x, shape->dim),
                              .norm_weight = norm->weight,
                              .image_rows = shape->tokens,
                              .norm_bias = norm->bias,
                              .norm_stride = shape->modulated,
                              .eps = shape->eps};
}

struct tleg_rows tleg_rows_input(const struct tleg_block_shape *shape, const struct tleg_norm *norm, const float *x) {
    if (shape->norm_after)
        return (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(x, shape->dim)};
    return rows_norm(shape, norm, x);
}

/* Plain rows, but for their kind, with the norm at a site that may be there. */
static struct tleg_rows rows_at(const struct tleg_block_shape *shape, const struct tleg_layer *layer, enum tleg_site site,
                                struct tleg_view x) {
    const struct tleg_norm *norm = &layer->norm[site];
    return (struct tleg_rows){.kind = norm->weight ? TLEG_ROWS_LAYERNORM : TLEG_ROWS_PLAIN,
                              .x = x,
                              .norm_weight = norm->weight,
                              .norm_bias = norm->bias,
                              .eps = shape->eps};
}

struct tleg_rows tleg_rows_mixed(const struct tleg_block_shape *shape, const struct tleg_layer *layer, struct tleg_view mixed) {
    return rows_at(shape, layer, TLEG_SITE_ATTENTION_NORM, mixed);
}

struct tleg_rows tleg_rows_hidden(const struct tleg_block_shape *shape, const struct tleg_layer *layer, struct tleg_view hidden,
                                  bool activated) {
    struct tleg_rows rows = rows_at(shape, layer, TLEG_SITE_MLP_NORM, hidden);
    if (shape->gated || !activated)
        rows.kind = shape->gated ? TLEG_ROWS_GATED : TLEG_ROWS_ACTIVATION;
    rows.activation = shape->activation;
    return rows;
}

void tleg_turn_block(const struct tleg_exec *exec, const struct tleg_block_shape *shape, bool backwards, float *qkv) {
    if (shape->rotary)
        tleg_turn(exec, &(struct tleg_turning){.rows = shape->batch * shape->tokens,
                                               .tokens = shape->tokens,
                                               .first = shape->prefix,
                                               .dim = shape->attention,
                                               .heads = shape->heads,
                                               .grid = shape->grid,
                                               .column_first = shape->rotary_x_first,
                                               .angles = shape->angles,
                                               .halves = shape->rotary_halves,
                                               .backwards = backwards,
                                               .qkv = qkv});
}

/* ---- the pass ---- */

/* out (M, n) = act(norm(x) W^T + bias) */
static void spread(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_norm *norm,
                   const float *x, const struct tleg_linear *linear, enum tleg_activation activation,
                   const struct tleg_target *out) {
    tleg_gemm(exec, &(struct tleg_gemm){.m = shape->batch * shape->tokens,
                                        .rows = tleg_rows_input(shape, norm, x),
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

/* y = x + scale * norm(rows W^T + bias): a branch, in memory of its own, whose norm is after it */
static void join_normed(const struct tleg_exec *exec, const struct tleg_block_shape *shape, struct tleg_rows rows,
                        const struct tleg_linear *linear, const struct tleg_norm *norm, const float *scale, const float *x,
                        float *branch, float *y) {
    const int64_t m = shape->batch * shape->tokens;
    tleg_gemm(exec, &(struct tleg_gemm){.m = m,
                                        .rows = rows,
                                        .weight = &linear->weight,
                                        .epilogue = {.bias = linear->bias},
                                        .out = tleg_target_f32(branch, shape->dim)});
    tleg_add_normed(exec, &(struct tleg_add_normed){.rows = m,
                                                    .dim = shape->dim,
                                                    .image_rows = shape->tokens,
                                                    .x = x,
                                                    .branch = branch,
                                                    .weight = norm->weight,
                                                    .bias = norm->bias,
                                                    .scale = scale,
                                                    .eps = shape->eps,
                                                    .y = y});
}

/* y = norm(x + scale * (rows W^T + bias)); the sum lies in `sum`, which may be y */
static void join_sum(const struct tleg_exec *exec, const struct tleg_block_shape *shape, struct tleg_rows rows,
                     const struct tleg_linear *linear, const struct tleg_norm *norm, const float *scale, const float *x,
                     float *sum, float *y) {
    join(exec, shape, rows, linear, NULL, scale, x, sum);
    tleg_add_normed(exec, &(struct tleg_add_normed){.rows = shape->batch * shape->tokens,
                                                    .dim = shape->dim,
                                                    .image_rows = shape->tokens,
                                                    .branch = sum,
                                                    .weight = norm->weight,
                                                    .bias = norm->bias,
                                                    .eps = shape->eps,
                                                    .y = y});
}

/* A half's end, by where its norm stands. */
static void end_half(const struct tleg_exec *exec, const struct tleg_block_shape *shape, struct tleg_rows rows,
                     const struct tleg_linear *linear, const struct tleg_norm *norm, const float *gate, const float *scale,
                     const float *x, float *branch, float *y) {
    if (shape->norm_after == 0)
        join(exec, shape, rows, linear, gate, scale, x, y);
    else if (shape->norm_after == 1)
        join_normed(exec, shape, rows, linear, norm, scale, x, branch ? branch : y, y);
    else
        join_sum(exec, shape, rows, linear, norm, scale, x, branch ? branch : y, y);
}

/* The norms of queries and keys, where the block has them; what they were before it goes to unnormed (2, M, A), unless NULL. */
static void norm_heads(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                       float *qkv, float *unnormed) {
    const int64_t m = shape->batch * shape->tokens, width = shape->attention;
    for (int64_t part = 0; part < 2 && shape->qk_width; part++) {
        const struct tleg_norm *norm = &layer->norm[part == 0 ? TLEG_SITE_Q_NORM : TLEG_SITE_K_NORM];
        tleg_norm_parts(exec, &(struct tleg_norm_parts){.rows = m,
                                                        .dim = width,
                                                        .width = shape->qk_width,
                                                        .stride = 3 * width,
                                                        .weight = norm->weight,
                                                        .bias = norm->bias,
                                                        .eps = shape->eps,
                                                        .x = qkv + part * width,
                                                        .before = unnormed ? unnormed + part * m * width : NULL});
    }
}

/* y = x + scale * ls1 * proj(attention(qkv(norm1(x)))), or x + scale * norm1(proj(attention(qkv(x)))), or
 * norm1(x + scale * proj(attention(qkv(x)))) */
static void attention_half(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                           const float *scale, const float *x, const struct tleg_block_places *places, float *y) {
    spread(exec, shape, &layer->norm[TLEG_SITE_NORM1], x, &layer->linear[TLEG_SITE_QKV], TLEG_ACTIVATION_NONE, &places->qkv);
    norm_heads(exec, shape, layer, places->qkv.data, places->unnormed);
    tleg_turn_block(exec, shape, false, places->qkv.data);
    tleg_attention(exec, &(struct tleg_attention){.batch = shape->batch,
                                                  .tokens = shape->tokens,
                                                  .dim = shape->attention,
                                                  .heads = shape->heads,
                                                  .qkv = tleg_view_of(&places->qkv),
                                                  .out = places->mixed,
                                                  .dtype = shape->dtype});
    const struct tleg_rows mixed = tleg_rows_mixed(shape, layer, tleg_view_of(&places->mixed));
    end_half(exec, shape, mixed, &layer->linear[TLEG_SITE_PROJ], &layer->norm[TLEG_SITE_NORM1],
             layer->norm[TLEG_SITE_LS1].weight, scale, x, places->branch, y);
}

/* y = x + scale * ls2 * fc2(act(fc1(norm2(x)))), or with norm2 after fc2 or after the sum; act comes after fc1, or, where
 * hidden is kept without it or gated, before fc2 */
static void mlp_half(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     const float *scale, const float *x, const struct tleg_block_places *places, float *y) {
    const bool activated = !places->keep && !shape->gated;
    const struct tleg_rows hidden = tleg_rows_hidden(shape, layer, tleg_view_of(&places->hidden), activated);
    spread(exec, shape, &layer->norm[TLEG_SITE_NORM2], x, &layer->linear[TLEG_SITE_FC1],
           activated ? shape->activation : TLEG_ACTIVATION_NONE, &places->hidden);
    if (y)
        end_half(exec, shape, hidden, &layer->linear[TLEG_SITE_FC2], &layer->norm[TLEG_SITE_NORM2],
                 layer->norm[TLEG_SITE_LS2].weight, scale, x, places->branch, y);
}

void tleg_block_pass(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     struct tleg_branch_scales scales, const float *x, const struct tleg_block_places *places, float *y) {
    attention_half(exec, shape, layer, scales.attention, x, places, places->middle);
    mlp_half(exec, shape, layer, scales.mlp, places->middle, places, y);
}
