/* One block backward, and what its forward pass keeps for that. */
#include "vit/pass/pass.h"

size_t tleg_kept_floats(const struct tleg_block_shape *shape) {
    size_t rows, count;
    if (!tleg_size_mul((size_t)shape->batch, (size_t)shape->tokens, &rows) ||
        !tleg_size_mul(rows, 6 * (size_t)shape->dim + (size_t)shape->hidden, &count))
        return SIZE_MAX;
    return count;
}

void tleg_kept_place(const struct tleg_block_shape *shape, float *memory, struct tleg_kept *kept) {
    int64_t rows = shape->batch * shape->tokens, dim = shape->dim;
    kept->x = memory;
    kept->qkv = kept->x + rows * dim;
    kept->mixed = kept->qkv + rows * 3 * dim;
    kept->middle = kept->mixed + rows * dim;
    kept->hidden = kept->middle + rows * dim;
}

/* u (M, max(H, 3D)), t (M, D), and s (M, D) for branches that are scaled */
static int64_t widest(const struct tleg_block_shape *shape) {
    return shape->hidden > 3 * shape->dim ? shape->hidden : 3 * shape->dim;
}

size_t tleg_backward_activations(const struct tleg_block_shape *shape) {
    size_t rows, count;
    if (!tleg_size_mul((size_t)shape->batch, (size_t)shape->tokens, &rows) ||
        !tleg_size_mul(rows, (size_t)(widest(shape) + 2 * shape->dim), &count))
        return SIZE_MAX;
    return count;
}

struct tleg_scratch tleg_backward_scratch(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape) {
    int64_t m = shape->batch * shape->tokens, d = shape->dim, h = shape->hidden;
    const int64_t products[4][2] = {{3 * d, d}, {d, d}, {h, d}, {d, h}};
    struct tleg_scratch most = tleg_block_scratch(kernels, shape);
    for (int i = 0; i < 4; i++) {
        tleg_scratch_join(&most, tleg_weight_backward_scratch(kernels, shape->dtype, m, products[i][0], products[i][1]));
        tleg_scratch_join(&most, tleg_gemm_scratch(kernels, shape->dtype, m, products[i][1], products[i][0]));
    }
    tleg_scratch_join(&most, tleg_layernorm_backward_scratch(kernels, m, d));
    tleg_scratch_join(&most, tleg_attention_backward_scratch(kernels, shape->tokens, d, shape->heads));
    return most;
}

void tleg_block_keep(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     struct tleg_branch_scales scales, const struct tleg_kept *kept, float *y) {
    const struct tleg_block_places places = {.qkv = tleg_target_f32(kept->qkv, 3 * shape->dim),
                                             .mixed = tleg_target_f32(kept->mixed, shape->dim),
                                             .hidden = tleg_target_f32(kept->hidden, shape->hidden),
                                             .middle = kept->middle,
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
    float *u, *t, *s;
};

/* Through a gate: s = gate * dy, and the gate's own gradient, the sum over all rows of dy * branch. The branch, rows W^T +
 * bias, is computed again into t: nobody kept it. */
static const float *gate_step(const struct step *step, enum tleg_site gate, enum tleg_site site, const float *dy,
                              struct tleg_rows rows) {
    const float *factors = step->layer->norm[gate].weight;
    if (!factors)
        return dy;
    const struct tleg_linear *linear = &step->layer->linear[site];
    const int64_t dim = step->shape->dim;
    if (step->gradient->weight[gate].count)
        tleg_gemm(step->exec, &(struct tleg_gemm){.m = step->m,
                                                  .rows = rows,
                                                  .weight = &linear->weight,
                                                  .epilogue = {.bias = linear->bias},
                                                  .out = tleg_target_f32(step->t, dim)});
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

/* d += the gradient that comes back through a norm at x */
static void norm_step(const struct step *step, enum tleg_site site, const float *x, const float *weight, float *d) {
    tleg_k_layernorm_backward(step->exec, &(struct tleg_layernorm_backward){.rows = step->m,
                                                                            .dim = step->shape->dim,
                                                                            .x = x,
                                                                            .weight = weight,
                                                                            .dy = step->t,
                                                                            .eps = step->shape->eps,
                                                                            .add = true,
                                                                            .dx = d,
                                                                            .dweight = step->gradient->weight[site],
                                                                            .dbias = step->gradient->bias[site],
                                                                            .image_rows = step->shape->tokens,
                                                                            .norm_stride = step->shape->modulated});
}

static void mlp_backward(const struct step *step, const float *scale, const struct tleg_kept *kept, float *d) {
    int64_t dim = step->shape->dim, hidden = step->shape->hidden;
    const struct tleg_norm *norm2 = &step->layer->norm[TLEG_SITE_NORM2];
    const struct tleg_rows rows = {
        .kind = TLEG_ROWS_ACTIVATION, .activation = step->shape->activation, .x = tleg_view_f32(kept->hidden, hidden)};
    const float *dy = scaled(step->shape, scale, d, step->s);
    dy = gate_step(step, TLEG_SITE_LS2, TLEG_SITE_FC2, dy, rows);
    weight_step(step, TLEG_SITE_FC2, dy, dim, hidden, rows);
    input_step(step, TLEG_SITE_FC2, dy, kept->hidden, step->u);
    weight_step(step, TLEG_SITE_FC1, step->u, hidden, dim, tleg_rows_norm(step->shape, norm2, kept->middle));
    input_step(step, TLEG_SITE_FC1, step->u, NULL, step->t);
    norm_step(step, TLEG_SITE_NORM2, kept->middle, norm2->weight, d);
}

static void attention_backward(const struct step *step, const float *scale, const struct tleg_kept *kept, float *d) {
    const struct tleg_block_shape *shape = step->shape;
    int64_t dim = shape->dim;
    const struct tleg_norm *norm1 = &step->layer->norm[TLEG_SITE_NORM1];
    const struct tleg_rows rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(kept->mixed, dim)};
    const float *dy = scaled(shape, scale, d, step->s);
    dy = gate_step(step, TLEG_SITE_LS1, TLEG_SITE_PROJ, dy, rows);
    weight_step(step, TLEG_SITE_PROJ, dy, dim, dim, rows);
    input_step(step, TLEG_SITE_PROJ, dy, NULL, step->t);
    tleg_k_attention_backward(step->exec, &(struct tleg_attention_backward){.batch = shape->batch,
                                                                            .tokens = shape->tokens,
                                                                            .dim = dim,
                                                                            .heads = shape->heads,
                                                                            .qkv = kept->qkv,
                                                                            .dout = step->t,
                                                                            .dqkv = step->u});
    weight_step(step, TLEG_SITE_QKV, step->u, 3 * dim, dim, tleg_rows_norm(shape, norm1, kept->x));
    input_step(step, TLEG_SITE_QKV, step->u, NULL, step->t);
    norm_step(step, TLEG_SITE_NORM1, kept->x, norm1->weight, d);
}

void tleg_block_backward_pass(const struct tleg_exec *exec, const struct tleg_block_shape *shape,
                              const struct tleg_layer *layer, const struct tleg_weight turned[TLEG_SITES],
                              struct tleg_branch_scales scales, const struct tleg_kept *kept,
                              const struct tleg_layer_gradient *gradient, float *d, float *activations) {
    int64_t m = shape->batch * shape->tokens;
    struct step step = {.exec = exec, .shape = shape, .layer = layer, .turned = turned, .gradient = gradient, .m = m};
    step.u = activations;
    step.t = step.u + m * widest(shape);
    step.s = step.t + m * shape->dim;
    mlp_backward(&step, scales.mlp, kept, d);
    attention_backward(&step, scales.attention, kept, d);
}
