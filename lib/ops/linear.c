/* Linear maps, y = x W^T + bias; the MLP is two of them. */
#include "ops/private.h"
#include <tleg/ops.h>

void tleg_ops_run_linear(const struct tleg_exec *exec, int64_t m, const float *x, const tleg_tensor *weight,
                         const tleg_tensor *bias, enum tleg_activation activation, float *packed, float *out) {
    int64_t n = weight->shape[0], k = weight->shape[1];
    tleg_ops_multiply(exec, &(struct tleg_ops_product){.m = m,
                                                       .n = n,
                                                       .k = k,
                                                       .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(x, k)},
                                                       .w = weight->data,
                                                       .bias = tleg_ops_data(bias),
                                                       .activation = activation,
                                                       .packed = packed,
                                                       .out = out});
}

TLEG_API tleg_status TLEG_CALL tleg_linear_forward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight,
                                                   const tleg_tensor *bias, tleg_tensor *y) {
    if (!context || !x || !weight || !y)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_linear_forward: a pointer is NULL");
    int64_t rows = 0, dim = 0;
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = tleg_ops_rows(context, "linear", x, &rows, &dim);
    if (status == TLEG_OK)
        status = tleg_ops_weight(context, "linear", "weight", weight, dim);
    if (status == TLEG_OK)
        status = TLEG_OPS_CHECK(context, "linear", {"bias", bias, false, 1, {weight->shape[0]}},
                                tleg_operand_last("y", y, true, x, weight->shape[0]));
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK || rows == 0)
        return status;
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, "linear", tleg_gemm_scratch(kernels, TLEG_F32, rows, weight->shape[0], dim),
                                 tleg_ops_packed_bytes(kernels, weight->shape[0], dim), &space);
    if (status == TLEG_OK)
        tleg_ops_run_linear(&space.exec, rows, x->data, weight, bias, TLEG_ACTIVATION_NONE, (float *)(void *)space.extra,
                            y->data);
    return tleg_ops_space_end(context, &space, status);
}

/* ---- backward ---- */

struct tleg_scratch tleg_ops_linear_scratch(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k) {
    struct tleg_scratch scratch = tleg_weight_backward_scratch(kernels, TLEG_F32, m, n, k);
    tleg_scratch_join(&scratch, tleg_input_backward_scratch(kernels, m, n, k));
    return scratch;
}

void tleg_ops_weight_step(const struct tleg_exec *exec, const struct tleg_ops_linear *l, const tleg_tensor *dweight,
                          const tleg_tensor *dbias) {
    if (dweight || dbias)
        tleg_weight_backward(exec, &(struct tleg_weight_backward){.m = l->m,
                                                                  .n = l->n,
                                                                  .k = l->k,
                                                                  .dy = l->dy,
                                                                  .dy_stride = l->n,
                                                                  .rows = l->rows,
                                                                  .weight = tleg_ops_gradient_at(dweight),
                                                                  .bias = tleg_ops_gradient_at(dbias)});
}

void tleg_ops_input_step(const struct tleg_exec *exec, const struct tleg_ops_linear *l, const float *hidden, float *dx) {
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
    const char *op = "linear backward";
    int64_t rows = 0, dim = 0;
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = tleg_ops_rows(context, op, x, &rows, &dim);
    if (status == TLEG_OK)
        status = tleg_ops_weight(context, op, "weight", weight, dim);
    if (status == TLEG_OK)
        status = TLEG_OPS_CHECK(context, op, tleg_operand_last("dy", dy, false, x, weight->shape[0]),
                                tleg_operand_like("dx", dx, true, x), tleg_operand_like("dweight", dweight, true, weight),
                                {"dbias", dbias, true, 1, {weight->shape[0]}});
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK || rows == 0 || (!dx && !dweight && !dbias))
        return status;
    struct tleg_ops_linear linear = {.m = rows,
                                     .n = weight->shape[0],
                                     .k = weight->shape[1],
                                     .rows = tleg_ops_plain_rows(x->data, weight->shape[1]),
                                     .w = weight->data,
                                     .dy = dy->data};
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, op, tleg_ops_linear_scratch(kernels, rows, linear.n, linear.k), 0, &space);
    if (status == TLEG_OK) {
        tleg_ops_weight_step(&space.exec, &linear, dweight, dbias);
        if (dx)
            tleg_ops_input_step(&space.exec, &linear, NULL, dx->data);
    }
    return tleg_ops_space_end(context, &space, status);
}
