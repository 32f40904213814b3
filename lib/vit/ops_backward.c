/* The public operations backward. */
#include "vit/ops_check.h"

#include <tleg/ops.h>

static struct tleg_gradient gradient_of(const tleg_tensor *tensor) {
    return (struct tleg_gradient){.base = tleg_ops_data(tensor)};
}

static struct tleg_rows plain_rows(const float *x, int64_t stride) {
    return (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = x, .stride = stride};
}

/* dx: NULL, or an output like x. */
static tleg_status check_dx(tleg_context *context, const char *op, const char *name, const tleg_tensor *dx,
                            const tleg_tensor *x) {
    return tleg_ops_gradient(context, op, name, dx, x->rank, x->shape);
}

/* ---- LayerNorm ---- */

static tleg_status check_layernorm(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight, double eps,
                                   const tleg_tensor *dy, const tleg_tensor *dx, const tleg_tensor *dweight,
                                   const tleg_tensor *dbias, int64_t *rows, int64_t *dim) {
    const char *op = "layernorm backward";
    tleg_status status = tleg_ops_rows(context, op, x, rows, dim);
    if (!status)
        status = tleg_ops_vector(context, op, "weight", weight, *dim);
    if (!status)
        status = tleg_ops_shape(context, op, "dy", dy, x->rank, x->shape);
    if (!status)
        status = check_dx(context, op, "dx", dx, x);
    if (!status)
        status = tleg_ops_gradient(context, op, "dweight", dweight, 1, dim);
    if (!status)
        status = tleg_ops_gradient(context, op, "dbias", dbias, 1, dim);
    if (!status && !(eps >= 0))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: eps must be 0 or more", op);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_layernorm_backward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight,
                                                       double eps, const tleg_tensor *dy, tleg_tensor *dx, tleg_tensor *dweight,
                                                       tleg_tensor *dbias) {
    if (!context || !x || !weight || !dy)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_layernorm_backward: a pointer is NULL");
    int64_t rows = 0, dim = 0;
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = check_layernorm(context, x, weight, eps, dy, dx, dweight, dbias, &rows, &dim);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (status || rows == 0 || (!dx && !dweight && !dbias))
        return status;
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, "layernorm backward", tleg_layernorm_backward_scratch(kernels, rows, dim),
                                 dx ? 0 : x->bytes, &space);
    if (!status)
        tleg_k_layernorm_backward(&space.exec,
                                  &(struct tleg_layernorm_backward){.rows = rows,
                                                                    .dim = dim,
                                                                    .x = x->data,
                                                                    .weight = weight->data,
                                                                    .dy = dy->data,
                                                                    .eps = (float)eps,
                                                                    .dx = dx ? dx->data : (float *)(void *)space.extra,
                                                                    .dweight = gradient_of(dweight),
                                                                    .dbias = gradient_of(dbias)});
    tleg_ops_space_free(context, &space);
    return status;
}

/* ---- GELU ---- */

TLEG_API tleg_status TLEG_CALL tleg_gelu_backward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *dy,
                                                  tleg_tensor *dx) {
    if (!context || !x || !dy || !dx)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_gelu_backward: a pointer is NULL");
    const char *op = "gelu backward";
    const struct tleg_kernels *kernels;
    tleg_status status = tleg_ops_shape(context, op, "x", x, x->rank, x->shape); /* the type */
    if (!status)
        status = tleg_ops_shape(context, op, "dy", dy, x->rank, x->shape);
    if (!status)
        status = check_dx(context, op, "dx", dx, x);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (!status)
        tleg_activate_backward(kernels, TLEG_ACTIVATION_GELU, x->count, x->data, dy->data, dx->data);
    return status;
}

/* ---- linear ---- */

static tleg_status check_linear(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight, const tleg_tensor *dy,
                                const tleg_tensor *dx, const tleg_tensor *dweight, const tleg_tensor *dbias, int64_t *rows) {
    const char *op = "linear backward";
    int64_t dim = 0;
    tleg_status status = tleg_ops_rows(context, op, x, rows, &dim);
    if (!status)
        status = tleg_ops_weight(context, op, "weight", weight, dim);
    if (!status)
        status = tleg_ops_like(context, op, "dy", dy, x, weight->shape[0]);
    if (!status)
        status = check_dx(context, op, "dx", dx, x);
    if (!status)
        status = check_dx(context, op, "dweight", dweight, weight);
    if (!status)
        status = tleg_ops_gradient(context, op, "dbias", dbias, 1, weight->shape);
    return status;
}

struct linear { /* y = rows W^T + bias */
    int64_t m, n, k;
    struct tleg_rows rows;
    const float *w, *dy;
};

static struct tleg_scratch linear_scratch(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k) {
    struct tleg_scratch scratch = tleg_weight_backward_scratch(kernels, TLEG_F32, m, n, k);
    tleg_scratch_join(&scratch, tleg_input_backward_scratch(kernels, m, n, k));
    return scratch;
}

static void weight_step(const struct tleg_exec *exec, const struct linear *l, const tleg_tensor *dweight,
                        const tleg_tensor *dbias) {
    if (dweight || dbias)
        tleg_weight_backward(exec, &(struct tleg_weight_backward){.m = l->m,
                                                                  .n = l->n,
                                                                  .k = l->k,
                                                                  .dy = l->dy,
                                                                  .dy_stride = l->n,
                                                                  .rows = l->rows,
                                                                  .weight = gradient_of(dweight),
                                                                  .bias = gradient_of(dbias)});
}

static void input_step(const struct tleg_exec *exec, const struct linear *l, const float *hidden, float *dx) {
    tleg_input_backward(exec, &(struct tleg_input_backward){.m = l->m,
                                                            .n = l->n,
                                                            .k = l->k,
                                                            .dy = l->dy,
                                                            .w = l->w,
                                                            .hidden = hidden,
                                                            .activation = TLEG_ACTIVATION_GELU,
                                                            .dx = dx});
}

TLEG_API tleg_status TLEG_CALL tleg_linear_backward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight,
                                                    const tleg_tensor *dy, tleg_tensor *dx, tleg_tensor *dweight,
                                                    tleg_tensor *dbias) {
    if (!context || !x || !weight || !dy)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_linear_backward: a pointer is NULL");
    int64_t rows = 0;
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = check_linear(context, x, weight, dy, dx, dweight, dbias, &rows);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (status || rows == 0 || (!dx && !dweight && !dbias))
        return status;
    struct linear linear = {.m = rows,
                            .n = weight->shape[0],
                            .k = weight->shape[1],
                            .rows = plain_rows(x->data, weight->shape[1]),
                            .w = weight->data,
                            .dy = dy->data};
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, "linear backward", linear_scratch(kernels, rows, linear.n, linear.k), 0, &space);
    if (!status) {
        weight_step(&space.exec, &linear, dweight, dbias);
        if (dx)
            input_step(&space.exec, &linear, NULL, dx->data);
    }
    tleg_ops_space_free(context, &space);
    return status;
}

/* ---- MLP ---- */

struct mlp {
    const tleg_tensor *x, *fc1, *fc1_bias, *fc2, *dy;
    tleg_tensor *dx, *dfc1, *dfc1_bias, *dfc2, *dfc2_bias;
    int64_t rows, dim, hidden;
};

static tleg_status check_mlp_inputs(tleg_context *context, struct mlp *a) {
    const char *op = "mlp backward";
    tleg_status status = tleg_ops_rows(context, op, a->x, &a->rows, &a->dim);
    if (!status)
        status = tleg_ops_weight(context, op, "fc1", a->fc1, a->dim);
    if (status)
        return status;
    a->hidden = a->fc1->shape[0];
    status = tleg_ops_shape(context, op, "fc2", a->fc2, 2, (const int64_t[]){a->dim, a->hidden});
    if (!status && a->fc1_bias)
        status = tleg_ops_vector(context, op, "fc1_bias", a->fc1_bias, a->hidden);
    return status ? status : tleg_ops_shape(context, op, "dy", a->dy, a->x->rank, a->x->shape);
}

static tleg_status check_mlp(tleg_context *context, struct mlp *a) {
    const char *op = "mlp backward";
    tleg_status status = check_mlp_inputs(context, a);
    if (!status)
        status = check_dx(context, op, "dx", a->dx, a->x);
    if (!status)
        status = check_dx(context, op, "dfc1", a->dfc1, a->fc1);
    if (!status)
        status = tleg_ops_gradient(context, op, "dfc1_bias", a->dfc1_bias, 1, &a->hidden);
    if (!status)
        status = check_dx(context, op, "dfc2", a->dfc2, a->fc2);
    return status ? status : tleg_ops_gradient(context, op, "dfc2_bias", a->dfc2_bias, 1, &a->dim);
}

/* hidden (rows, H), before GELU, becomes the gradient by itself once the second product's weights have had theirs. */
static void mlp_backward(const struct tleg_exec *exec, const struct mlp *a, float *packed, float *hidden) {
    struct linear second = {
        .m = a->rows,
        .n = a->dim,
        .k = a->hidden,
        .rows = {.kind = TLEG_ROWS_ACTIVATION, .activation = TLEG_ACTIVATION_GELU, .x = hidden, .stride = a->hidden},
        .w = a->fc2->data,
        .dy = a->dy->data};
    struct linear first = {
        .m = a->rows, .n = a->hidden, .k = a->dim, .rows = plain_rows(a->x->data, a->dim), .w = a->fc1->data, .dy = hidden};
    tleg_ops_multiply(exec, &(struct tleg_ops_product){.m = a->rows,
                                                       .n = a->hidden,
                                                       .k = a->dim,
                                                       .rows = first.rows,
                                                       .w = first.w,
                                                       .bias = tleg_ops_data(a->fc1_bias),
                                                       .packed = packed,
                                                       .out = hidden});
    weight_step(exec, &second, a->dfc2, a->dfc2_bias);
    if (!a->dx && !a->dfc1 && !a->dfc1_bias)
        return;
    input_step(exec, &second, hidden, hidden);
    weight_step(exec, &first, a->dfc1, a->dfc1_bias);
    if (a->dx)
        input_step(exec, &first, NULL, a->dx->data);
}

TLEG_API tleg_status TLEG_CALL tleg_mlp_backward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *fc1,
                                                 const tleg_tensor *fc1_bias, const tleg_tensor *fc2, const tleg_tensor *dy,
                                                 tleg_tensor *dx, tleg_tensor *dfc1, tleg_tensor *dfc1_bias, tleg_tensor *dfc2,
                                                 tleg_tensor *dfc2_bias) {
    if (!context || !x || !fc1 || !fc2 || !dy)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_mlp_backward: a pointer is NULL");
    struct mlp a = {.x = x,
                    .fc1 = fc1,
                    .fc1_bias = fc1_bias,
                    .fc2 = fc2,
                    .dy = dy,
                    .dx = dx,
                    .dfc1 = dfc1,
                    .dfc1_bias = dfc1_bias,
                    .dfc2 = dfc2,
                    .dfc2_bias = dfc2_bias};
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = check_mlp(context, &a);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (status || a.rows == 0)
        return status;
    struct tleg_scratch scratch = tleg_gemm_scratch(kernels, TLEG_F32, a.rows, a.hidden, a.dim);
    tleg_scratch_join(&scratch, linear_scratch(kernels, a.rows, a.hidden, a.dim));
    tleg_scratch_join(&scratch, linear_scratch(kernels, a.rows, a.dim, a.hidden));
    size_t extra = 0;
    tleg_place(&extra, tleg_ops_packed_bytes(kernels, a.hidden, a.dim), 1);
    size_t hidden_at = tleg_place(&extra, (size_t)a.rows, (size_t)a.hidden * sizeof(float));
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, "mlp backward", scratch, extra, &space);
    if (!status)
        mlp_backward(&space.exec, &a, (float *)(void *)space.extra, (float *)(void *)(space.extra + hidden_at));
    tleg_ops_space_free(context, &space);
    return status;
}

/* ---- attention ---- */

TLEG_API tleg_status TLEG_CALL tleg_attention_backward(tleg_context *context, const tleg_tensor *qkv, int32_t heads,
                                                       const tleg_tensor *dy, tleg_tensor *dqkv) {
    if (!context || !qkv || !dy || !dqkv)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_attention_backward: a pointer is NULL");
    const char *op = "attention backward";
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = tleg_ops_qkv(context, op, qkv, heads);
    if (!status)
        status = tleg_ops_like(context, op, "dy", dy, qkv, qkv->shape[2] / 3);
    if (!status)
        status = check_dx(context, op, "dqkv", dqkv, qkv);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (status || qkv->count == 0)
        return status;
    struct tleg_attention_backward backward = {.batch = qkv->shape[0],
                                               .tokens = qkv->shape[1],
                                               .dim = qkv->shape[2] / 3,
                                               .heads = heads,
                                               .qkv = qkv->data,
                                               .dout = dy->data,
                                               .dqkv = dqkv->data};
    struct tleg_ops_space space;
    status = tleg_ops_space_make(
        context, op, tleg_attention_backward_scratch(kernels, backward.tokens, backward.dim, backward.heads), 0, &space);
    if (!status)
        tleg_k_attention_backward(&space.exec, &backward);
    tleg_ops_space_free(context, &space);
    return status;
}
