/* One block backward, and what its forward pass keeps for that. */
#include "vit/pass/pass.h"
#include <string.h>

size_t tleg_kept_floats(const struct tleg_block_shape *shape) {
    size_t rows, count;
    if (!tleg_size_mul((size_t)shape->batch, (size_t)shape->tokens, &rows) ||
        !tleg_size_mul(rows, (size_t)(2 * shape->dim + (shape->qk_width ? 6 : 4) * shape->attention + shape->fc1), &count))
        return SIZE_MAX;
    return count;
}

void tleg_kept_place(const struct tleg_block_shape *shape, float *memory, struct tleg_kept *kept) {
    int64_t rows = shape->batch * shape->tokens, dim = shape->dim, attention = shape->attention;
    kept->x = memory;
    kept->qkv = kept->x + rows * dim;
    kept->mixed = kept->qkv + rows * 3 * attention;
    kept->middle = kept->mixed + rows * attention;
    kept->hidden = kept->middle + rows * dim;
    kept->unnormed = shape->qk_width ? kept->hidden + rows * shape->fc1 : NULL;
}

/* u (M, max(fc1, 3A)), t (M, max(D, A)), and s (M, D) for branches that are scaled; where something stands between the
 * activation and fc2, v (M, H), and w (M, H) where that is a norm */
static int64_t widest(const struct tleg_block_shape *shape) {
    return shape->fc1 > 3 * shape->attention ? shape->fc1 : 3 * shape->attention;
}

static int64_t wider(const struct tleg_block_shape *shape) {
    return shape->dim > shape->attention ? shape->dim : shape->attention;
}

static int64_t inner(const struct tleg_block_shape *shape) {
    return shape->mlp_norm ? 2 * shape->hidden : shape->gated ? shape->hidden : 0;
}

size_t tleg_backward_activations(const struct tleg_block_shape *shape) {
    size_t rows, count;
    if (!tleg_size_mul((size_t)shape->batch, (size_t)shape->tokens, &rows) ||
        !tleg_size_mul(rows, (size_t)(widest(shape) + wider(shape) + shape->dim + inner(shape)), &count))
        return SIZE_MAX;
    return count;
}

struct tleg_scratch tleg_backward_scratch(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape) {
    int64_t m = shape->batch * shape->tokens, d = shape->dim, h = shape->hidden, a = shape->attention;
    const int64_t products[4][2] = {{3 * a, d}, {d, a}, {shape->fc1, d}, {d, h}};
    struct tleg_scratch most = tleg_block_scratch(kernels, shape);
    for (int i = 0; i < 4; i++) {
        tleg_scratch_join(&most, tleg_weight_backward_scratch(kernels, shape->dtype, m, products[i][0], products[i][1]));
        tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, m, products[i][1], products[i][0]));
        tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, m, products[i][0], products[i][1])); /* of f32 rows */
    }
    tleg_scratch_join(&most, tleg_layernorm_backward_scratch(kernels, m, wider(shape)));
    if (shape->mlp_norm)
        tleg_scratch_join(&most, tleg_layernorm_backward_scratch(kernels, m, h));
    if (shape->qk_width)
        tleg_scratch_join(&most, tleg_layernorm_backward_scratch(kernels, m * a / shape->qk_width, shape->qk_width));
    tleg_scratch_join(&most, tleg_attention_backward_scratch(kernels, shape->tokens, a, shape->heads));
    return most;
}

void tleg_block_keep(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     struct tleg_branch_scales scales, const struct tleg_kept *kept, float *y) {
    const struct tleg_block_places places = {.qkv = tleg_target_f32(kept->qkv, 3 * shape->attention),
                                             .mixed = tleg_target_f32(kept->mixed, shape->attention),
                                             .hidden = tleg_target_f32(kept->hidden, shape->fc1),
                                             .middle = kept->middle,
                                             .unnormed = kept->unnormed,
                                             .keep = true};
    tleg_block_pass(exec, shape, layer, scales, kept->x, &places, y);
}

/* ---- backward ---- */

/* The gradient that enters a branch: d itself, or in s what the branch was multiplied by times d. */
static const float *scaled(const struct tleg_block_shape *shape, const float *scale, const float *d, float *s) {
    if (!scale)
        return d;
    int64_t image = shape->tokens * shape->dim;
    for (int64_t b = 0; b < shape->batch; b++)
        for (int64_t i = b * image; i < (b + 1) * image; i++)
            s[i] = scale[b] * d[i];
    return s;
}

struct step { /* what the two halves share */
    const struct tleg_exec *exec;
    const struct tleg_block_shape *shape;
    const struct tleg_layer *layer;
    const struct tleg_weight *turned;
    const struct tleg_layer_gradient *gradient;
    int64_t m;
    float *u, *t, *s, *v, *w;
};

/* A branch, rows W^T + bias, once more into t: nobody kept it. */
static void branch_again(const struct step *step, enum tleg_site site, struct tleg_rows rows) {
    const struct tleg_linear *linear = &step->layer->linear[site];
    tleg_gemm(step->exec, &(struct tleg_gemm){.m = step->m,
                                              .rows = rows,
                                              .weight = &linear->weight,
                                              .epilogue = {.bias = linear->bias},
                                              .out = tleg_target_f32(step->t, step->shape->dim)});
}

/* Through a gate: s = gate * dy, and the gate's own gradient, the sum over all rows of dy * branch. */
static const float *gate_step(const struct step *step, enum tleg_site gate, enum tleg_site site, const float *dy,
                              struct tleg_rows rows) {
    const float *factors = step->layer->norm[gate].weight;
    if (!factors)
        return dy;
    const int64_t dim = step->shape->dim;
    if (step->gradient->weight[gate].count)
        branch_again(step, site, rows);
    struct tleg_gradient dgate = step->gradient->weight[gate];
    const int64_t stride = step->shape->modulated, rows_alike = stride ? step->shape->tokens : step->m;
    for (int64_t first = 0, image = 0; first < step->m; first += rows_alike, image++) {
        tleg_gate_backward(&(struct tleg_gate_backward){.rows = rows_alike,
                                                        .dim = dim,
                                                        .gate = factors + image * stride,
                                                        .branch = step->t + first * dim,
                                                        .dy = dy + first * dim,
                                                        .dbranch = step->s + first * dim,
                                                        .dgate = dgate});
        for (int32_t k = 0; k < dgate.count; k++)
            dgate.tensor[k] += stride;
    }
    return step->s;
}

static void weight_step(const struct step *step, enum tleg_site site, const float *dy, int64_t n, int64_t k,
                        struct tleg_rows rows) {
    tleg_weight_backward(step->exec, &(struct tleg_weight_backward){.m = step->m,
                                                                    .n = n,
                                                                    .k = k,
                                                                    .dy = dy,
                                                                    .dy_stride = n,
                                                                    .rows = rows,
                                                                    .weight = step->gradient->weight[site],
                                                                    .bias = step->gradient->bias[site],
                                                                    .rounded = step->shape->dtype});
}

/* dx (M, k) = dy W, times act'(hidden) where that is given */
static void input_step(const struct step *step, enum tleg_site site, const float *dy, const float *hidden, float *dx) {
    const struct tleg_weight *weight = &step->turned[site];
    tleg_gemm(step->exec,
              &(struct tleg_gemm){.m = step->m,
                                  .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(dy, weight->k)},
                                  .weight = weight,
                                  .epilogue = {.activation = hidden ? step->shape->activation : TLEG_ACTIVATION_NONE,
                                               .hidden = hidden,
                                               .hidden_stride = weight->n},
                                  .out = tleg_target_f32(dx, weight->n)});
}

/* dx = what comes back of dy through the norm of x (rows, dim), or that is added to dx */
static void norm_step(const struct step *step, enum tleg_site site, int64_t rows, int64_t dim, const float *x, const float *dy,
                      bool add, float *dx) {
    tleg_k_layernorm_backward(step->exec, &(struct tleg_layernorm_backward){.rows = rows,
                                                                            .dim = dim,
                                                                            .x = x,
                                                                            .weight = step->layer->norm[site].weight,
                                                                            .rms = !step->layer->norm[site].bias,
                                                                            .dy = dy,
                                                                            .eps = step->shape->eps,
                                                                            .add = add,
                                                                            .dx = dx,
                                                                            .dweight = step->gradient->weight[site],
                                                                            .dbias = step->gradient->bias[site],
                                                                            .image_rows = step->shape->tokens,
                                                                            .norm_stride = step->shape->modulated});
}

/* From a half's output to its branch, rows W^T + bias: through a gate, or through the norm that is after it. */
static const float *into_branch(const struct step *step, enum tleg_site gate, enum tleg_site norm, enum tleg_site site,
                                const float *dy, struct tleg_rows rows) {
    if (step->shape->norm_after != 1)
        return gate_step(step, gate, site, dy, rows);
    branch_again(step, site, rows);
    norm_step(step, norm, step->m, step->shape->dim, step->t, dy, false, step->s);
    return step->s;
}

/* d = what comes back of it through the norm of a half's sum, x + scale * (rows W^T + bias), if that is normed. */
static void into_sum(const struct step *step, enum tleg_site norm, enum tleg_site site, struct tleg_rows rows,
                     const float *scale, const float *x, float *d) {
    const int64_t image = step->shape->tokens * step->shape->dim;
    if (step->shape->norm_after != 2)
        return;
    branch_again(step, site, rows);
    for (int64_t i = 0; i < step->m * step->shape->dim; i++)
        step->t[i] = x[i] + (scale ? scale[i / image] : 1) * step->t[i];
    norm_step(step, norm, step->m, step->shape->dim, step->t, d, false, d);
}

/* d += what comes back of dy (M, n) through W and the norm that may be before it, to a half's input x. */
static void into_input(const struct step *step, enum tleg_site norm, enum tleg_site site, const float *dy, const float *x,
                       float *d) {
    const int64_t dim = step->shape->dim;
    input_step(step, site, dy, NULL, step->t);
    if (!step->shape->norm_after)
        norm_step(step, norm, step->m, dim, x, step->t, true, d);
    for (int64_t i = 0; step->shape->norm_after && i < step->m * dim; i++)
        d[i] += step->t[i];
}

/* u (M, fc1) = what comes back of dy (M, D) through fc2 to what fc1 gave, where a gate or a norm stands in between. */
static void inner_backward(const struct step *step, const float *dy, const struct tleg_kept *kept) {
    const struct tleg_block_shape *shape = step->shape;
    const struct tleg_gated gated = {.rows = step->m,
                                     .k = shape->hidden,
                                     .activation = shape->activation,
                                     .x = kept->hidden,
                                     .y = step->w,
                                     .dy = step->v,
                                     .dx = step->u};
    const size_t count = (size_t)(step->m * shape->hidden);
    input_step(step, TLEG_SITE_FC2, dy, NULL, step->v);
    if (shape->mlp_norm && shape->gated)
        tleg_gated(step->exec, &gated);
    else if (shape->mlp_norm)
        tleg_activate(step->exec->kernels, shape->activation, count, kept->hidden, step->w);
    if (shape->mlp_norm)
        norm_step(step, TLEG_SITE_MLP_NORM, step->m, shape->hidden, step->w, step->v, false, step->v);
    if (shape->gated)
        tleg_gated_backward(step->exec, &gated);
    else
        tleg_activate_backward(step->exec->kernels, shape->activation, count, kept->hidden, step->v, step->u);
}

static void mlp_backward(const struct step *step, const float *scale, const struct tleg_kept *kept, float *d) {
    const struct tleg_block_shape *shape = step->shape;
    const struct tleg_norm *norm2 = &step->layer->norm[TLEG_SITE_NORM2];
    const struct tleg_rows rows = tleg_rows_hidden(shape, step->layer, tleg_view_f32(kept->hidden, shape->fc1), false);
    into_sum(step, TLEG_SITE_NORM2, TLEG_SITE_FC2, rows, scale, kept->middle, d);
    const float *dy = scaled(shape, scale, d, step->s);
    dy = into_branch(step, TLEG_SITE_LS2, TLEG_SITE_NORM2, TLEG_SITE_FC2, dy, rows);
    weight_step(step, TLEG_SITE_FC2, dy, shape->dim, shape->hidden, rows);
    if (shape->gated || shape->mlp_norm)
        inner_backward(step, dy, kept);
    else
        input_step(step, TLEG_SITE_FC2, dy, kept->hidden, step->u);
    weight_step(step, TLEG_SITE_FC1, step->u, shape->fc1, shape->dim, tleg_rows_input(shape, norm2, kept->middle));
    into_input(step, TLEG_SITE_NORM2, TLEG_SITE_FC1, step->u, kept->middle, d);
}

/* Columns of dqkv (M, 3A), in u, to t (M, A), or from there. */
static void move_part(const struct step *step, int64_t part, bool back) {
    const int64_t width = step->shape->attention;
    for (int64_t row = 0; row < step->m; row++) {
        float *inside = step->u + (3 * row + part) * width, *apart = step->t + row * width;
        memcpy(back ? inside : apart, back ? apart : inside, (size_t)width * sizeof(float));
    }
}

/* Through the norms of queries and keys, where the block has them, from what they gave to what they were. */
static void heads_backward(const struct step *step, const float *unnormed) {
    const int64_t width = step->shape->qk_width, count = step->m * step->shape->attention;
    for (int64_t part = 0; part < 2 && width; part++) {
        move_part(step, part, false);
        norm_step(step, part == 0 ? TLEG_SITE_Q_NORM : TLEG_SITE_K_NORM, count / width, width, unnormed + part * count, step->t,
                  false, step->t);
        move_part(step, part, true);
    }
}

static void attention_backward(const struct step *step, const float *scale, const struct tleg_kept *kept, float *d) {
    const struct tleg_block_shape *shape = step->shape;
    const int64_t dim = shape->dim, width = shape->attention;
    const struct tleg_norm *norm1 = &step->layer->norm[TLEG_SITE_NORM1];
    const struct tleg_rows rows = tleg_rows_mixed(shape, step->layer, tleg_view_f32(kept->mixed, width));
    into_sum(step, TLEG_SITE_NORM1, TLEG_SITE_PROJ, rows, scale, kept->x, d);
    const float *dy = scaled(shape, scale, d, step->s);
    dy = into_branch(step, TLEG_SITE_LS1, TLEG_SITE_NORM1, TLEG_SITE_PROJ, dy, rows);
    weight_step(step, TLEG_SITE_PROJ, dy, dim, width, rows);
    input_step(step, TLEG_SITE_PROJ, dy, NULL, step->t);
    if (shape->attention_norm)
        norm_step(step, TLEG_SITE_ATTENTION_NORM, step->m, width, kept->mixed, step->t, false, step->t);
    tleg_k_attention_backward(step->exec, &(struct tleg_attention_backward){.batch = shape->batch,
                                                                            .tokens = shape->tokens,
                                                                            .dim = width,
                                                                            .heads = shape->heads,
                                                                            .qkv = kept->qkv,
                                                                            .dout = step->t,
                                                                            .dqkv = step->u});
    tleg_turn_block(step->exec, shape, true, step->u);
    heads_backward(step, kept->unnormed);
    weight_step(step, TLEG_SITE_QKV, step->u, 3 * width, dim, tleg_rows_input(shape, norm1, kept->x));
    into_input(step, TLEG_SITE_NORM1, TLEG_SITE_QKV, step->u, kept->x, d);
}

void tleg_block_backward_pass(const struct tleg_exec *exec, const struct tleg_block_shape *shape,
                              const struct tleg_layer *layer, const struct tleg_weight turned[TLEG_SITES],
                              struct tleg_branch_scales scales, const struct tleg_kept *kept,
                              const struct tleg_layer_gradient *gradient, float *d, float *activations) {
    int64_t m = shape->batch * shape->tokens;
    struct step step = {.exec = exec, .shape = shape, .layer = layer, .turned = turned, .gradient = gradient, .m = m};
    step.u = activations;
    step.t = step.u + m * widest(shape);
    step.s = step.t + m * wider(shape);
    step.v = step.s + m * shape->dim;
    step.w = step.v + m * shape->hidden;
    mlp_backward(&step, scales.mlp, kept, d);
    attention_backward(&step, scales.attention, kept, d);
}
