/* The MLP of a block: two linear maps with GELU between them. */
#include "ops/private.h"
#include <tleg/ops.h>

static tleg_status check_forward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *fc1,
                                 const tleg_tensor *fc1_bias, const tleg_tensor *fc2, const tleg_tensor *fc2_bias,
                                 const tleg_tensor *y, int64_t *rows) {
    int64_t dim = 0;
    tleg_status status = tleg_ops_rows(context, "mlp", x, rows, &dim);
    if (status == TLEG_OK)
        status = tleg_ops_weight(context, "mlp", "fc1", fc1, dim);
    if (status == TLEG_OK)
        status = TLEG_OPS_CHECK(context, "mlp", {"fc2", fc2, false, 2, {dim, fc1->shape[0]}},
                                {"fc1_bias", fc1_bias, false, 1, {fc1->shape[0]}}, {"fc2_bias", fc2_bias, false, 1, {dim}},
                                tleg_operand_like("y", y, true, x));
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_mlp_forward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *fc1,
                                                const tleg_tensor *fc1_bias, const tleg_tensor *fc2,
                                                const tleg_tensor *fc2_bias, tleg_tensor *y) {
    if (!context || !x || !fc1 || !fc2 || !y)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_mlp_forward: a pointer is NULL");
    int64_t rows = 0;
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = check_forward(context, x, fc1, fc1_bias, fc2, fc2_bias, y, &rows);
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK || rows == 0)
        return status;
    int64_t hidden = fc1->shape[0], dim = fc1->shape[1];
    struct tleg_scratch scratch = tleg_gemm_scratch(kernels, TLEG_F32, rows, hidden, dim);
    tleg_scratch_join(&scratch, tleg_gemm_scratch(kernels, TLEG_F32, rows, dim, hidden));
    size_t first = tleg_ops_packed_bytes(kernels, hidden, dim), second = tleg_ops_packed_bytes(kernels, dim, hidden), extra = 0;
    tleg_place(&extra, first > second ? first : second, 1); /* packed one after the other */
    size_t hidden_at = tleg_place(&extra, (size_t)rows, (size_t)hidden * sizeof(float));
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, "mlp", scratch, extra, &space);
    if (status == TLEG_OK) {
        float *packed = (float *)(void *)space.extra, *middle = (float *)(void *)(space.extra + hidden_at);
        tleg_ops_run_linear(&space.exec, rows, x->data, fc1, fc1_bias, TLEG_ACTIVATION_GELU, packed, middle);
        tleg_ops_run_linear(&space.exec, rows, middle, fc2, fc2_bias, TLEG_ACTIVATION_NONE, packed, y->data);
    }
    return tleg_ops_space_end(context, &space, status);
}

/* ---- backward ---- */

struct mlp {
    const tleg_tensor *x, *fc1, *fc1_bias, *fc2, *dy;
    tleg_tensor *dx, *dfc1, *dfc1_bias, *dfc2, *dfc2_bias;
    int64_t rows, dim, hidden;
};

static tleg_status check_backward(tleg_context *context, const char *op, struct mlp *a) {
    tleg_status status = tleg_ops_rows(context, op, a->x, &a->rows, &a->dim);
    if (status == TLEG_OK)
        status = tleg_ops_weight(context, op, "fc1", a->fc1, a->dim);
    if (status != TLEG_OK)
        return status;
    a->hidden = a->fc1->shape[0];
    return TLEG_OPS_CHECK(context, op, {"fc2", a->fc2, false, 2, {a->dim, a->hidden}},
                          {"fc1_bias", a->fc1_bias, false, 1, {a->hidden}}, tleg_operand_like("dy", a->dy, false, a->x),
                          tleg_operand_like("dx", a->dx, true, a->x), tleg_operand_like("dfc1", a->dfc1, true, a->fc1),
                          {"dfc1_bias", a->dfc1_bias, true, 1, {a->hidden}}, tleg_operand_like("dfc2", a->dfc2, true, a->fc2),
                          {"dfc2_bias", a->dfc2_bias, true, 1, {a->dim}});
}

/* hidden (rows, H), before GELU, becomes the gradient by itself once the second product's weights have had theirs. */
static void mlp_backward(const struct tleg_exec *exec, const struct mlp *a, float *packed, float *hidden) {
    struct tleg_ops_linear second = {
        .m = a->rows,
        .n = a->dim,
        .k = a->hidden,
        .rows = {.kind = TLEG_ROWS_ACTIVATION, .activation = TLEG_ACTIVATION_GELU, .x = tleg_view_f32(hidden, a->hidden)},
        .w = a->fc2->data,
        .dy = a->dy->data};
    struct tleg_ops_linear first = {.m = a->rows,
                                    .n = a->hidden,
                                    .k = a->dim,
                                    .rows = tleg_ops_plain_rows(a->x->data, a->dim),
                                    .w = a->fc1->data,
                                    .dy = hidden};
    tleg_ops_multiply(exec, &(struct tleg_ops_product){.m = a->rows,
                                                       .n = a->hidden,
                                                       .k = a->dim,
                                                       .rows = first.rows,
                                                       .w = first.w,
                                                       .bias = tleg_ops_data(a->fc1_bias),
                                                       .packed = packed,
                                                       .out = hidden});
    tleg_ops_weight_step(exec, &second, a->dfc2, a->dfc2_bias);
    if (!a->dx && !a->dfc1 && !a->dfc1_bias)
        return;
    tleg_ops_input_step(exec, &second, hidden, hidden);
    tleg_ops_weight_step(exec, &first, a->dfc1, a->dfc1_bias);
    if (a->dx)
        tleg_ops_input_step(exec, &first, NULL, a->dx->data);
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
    const char *op = "mlp backward";
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = check_backward(context, op, &a);
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK || a.rows == 0)
        return status;
    struct tleg_scratch scratch = tleg_gemm_scratch(kernels, TLEG_F32, a.rows, a.hidden, a.dim);
    tleg_scratch_join(&scratch, tleg_ops_linear_scratch(kernels, a.rows, a.hidden, a.dim));
    tleg_scratch_join(&scratch, tleg_ops_linear_scratch(kernels, a.rows, a.dim, a.hidden));
    size_t extra = 0;
    tleg_place(&extra, tleg_ops_packed_bytes(kernels, a.hidden, a.dim), 1);
    size_t hidden_at = tleg_place(&extra, (size_t)a.rows, (size_t)a.hidden * sizeof(float));
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, op, scratch, extra, &space);
    if (status == TLEG_OK)
        mlp_backward(&space.exec, &a, (float *)(void *)space.extra, (float *)(void *)(space.extra + hidden_at));
    return tleg_ops_space_end(context, &space, status);
}
