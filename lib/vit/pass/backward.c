/* Training's pass of one block: a forward that keeps what the backward needs, and the backward. */
#include "vit/pass/backward.h"

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

/* ---- forward ---- */

/* out (M, n) = rows W^T + bias [+ residual] */
static void product(const struct tleg_exec *exec, int64_t m, struct tleg_rows rows, const struct tleg_linear *linear,
                    const float *residual, float *out) {
    int64_t n = linear->weight.n;
    tleg_gemm(exec, &(struct tleg_gemm){.m = m,
                                        .rows = rows,
                                        .weight = &linear->weight,
                                        .epilogue = {.bias = linear->bias, .residual = residual, .residual_stride = n},
                                        .out = out,
                                        .out_stride = n});
}

/* y = x + scale[image] * y, where y holds a branch */
static void add_scaled(const struct tleg_block_shape *shape, const float *scale, const float *x, float *y) {
    int64_t image = shape->tokens * shape->dim;
    for (int64_t b = 0; b < shape->batch; b++)
        for (int64_t i = b * image; i < (b + 1) * image; i++)
            y[i] = x[i] + scale[b] * y[i];
}

/* y = x + scale * branch; without scales the residual is added where the product ends */
static void branch(const struct tleg_exec *exec, const struct tleg_block_shape *shape, struct tleg_rows rows,
                   const struct tleg_linear *linear, const float *scale, const float *x, float *y) {
    product(exec, shape->batch * shape->tokens, rows, linear, scale ? NULL : x, y);
    if (scale)
        add_scaled(shape, scale, x, y);
}

void tleg_block_keep(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     const float *const scale[2], const struct tleg_kept *kept, float *y) {
    int64_t m = shape->batch * shape->tokens, dim = shape->dim;
    product(exec, m, tleg_rows_norm(shape, &layer->norm1, kept->x), &layer->qkv, NULL, kept->qkv);
    tleg_attention(exec, &(struct tleg_attention){.batch = shape->batch,
                                                  .tokens = shape->tokens,
                                                  .dim = dim,
                                                  .heads = shape->heads,
                                                  .qkv = kept->qkv,
                                                  .out = kept->mixed,
                                                  .dtype = shape->dtype});
    branch(exec, shape, (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = kept->mixed, .stride = dim}, &layer->proj, scale[0],
           kept->x, kept->middle);
    product(exec, m, tleg_rows_norm(shape, &layer->norm2, kept->middle), &layer->fc1, NULL, kept->hidden);
    if (!y)
        return;
    branch(exec, shape,
           (struct tleg_rows){
               .kind = TLEG_ROWS_ACTIVATION, .activation = TLEG_ACTIVATION_GELU, .x = kept->hidden, .stride = shape->hidden},
           &layer->fc2, scale[1], kept->middle, y);
}

/* ---- backward ---- */

/* The gradient that enters a branch: d itself, or d scaled for each image. */
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

/* dx (M, k) = dy W, times gelu'(hidden) where that is given */
static void input_step(const struct step *step, enum tleg_site site, const float *dy, const float *hidden, float *dx) {
    const struct tleg_weight *weight = &step->turned[site];
    tleg_gemm(step->exec, &(struct tleg_gemm){.m = step->m,
                                              .rows = {.kind = TLEG_ROWS_PLAIN, .x = dy, .stride = weight->k},
                                              .weight = weight,
                                              .epilogue = {.activation = hidden ? TLEG_ACTIVATION_GELU : TLEG_ACTIVATION_NONE,
                                                           .hidden = hidden,
                                                           .hidden_stride = weight->n},
                                              .out = dx,
                                              .out_stride = weight->n});
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
                                                                            .dbias = step->gradient->bias[site]});
}

static void mlp_backward(const struct step *step, const float *scale, const struct tleg_kept *kept, float *d) {
    int64_t dim = step->shape->dim, hidden = step->shape->hidden;
    const struct tleg_norm *norm2 = &step->layer->norm2;
    const float *dy = scaled(step->shape, scale, d, step->s);
    weight_step(step, TLEG_SITE_FC2, dy, dim, hidden,
                (struct tleg_rows){
                    .kind = TLEG_ROWS_ACTIVATION, .activation = TLEG_ACTIVATION_GELU, .x = kept->hidden, .stride = hidden});
    input_step(step, TLEG_SITE_FC2, dy, kept->hidden, step->u);
    weight_step(step, TLEG_SITE_FC1, step->u, hidden, dim, tleg_rows_norm(step->shape, norm2, kept->middle));
    input_step(step, TLEG_SITE_FC1, step->u, NULL, step->t);
    norm_step(step, TLEG_SITE_NORM2, kept->middle, norm2->weight, d);
}

static void attention_backward(const struct step *step, const float *scale, const struct tleg_kept *kept, float *d) {
    const struct tleg_block_shape *shape = step->shape;
    int64_t dim = shape->dim;
    const struct tleg_norm *norm1 = &step->layer->norm1;
    const float *dy = scaled(shape, scale, d, step->s);
    weight_step(step, TLEG_SITE_PROJ, dy, dim, dim,
                (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = kept->mixed, .stride = dim});
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
                              const float *const scale[2], const struct tleg_kept *kept,
                              const struct tleg_layer_gradient *gradient, float *d, float *activations) {
    int64_t m = shape->batch * shape->tokens;
    struct step step = {.exec = exec, .shape = shape, .layer = layer, .turned = turned, .gradient = gradient, .m = m};
    step.u = activations;
    step.t = step.u + m * widest(shape);
    step.s = step.t + m * shape->dim;
    mlp_backward(&step, scale[1], kept, d);
    attention_backward(&step, scale[0], kept, d);
}
