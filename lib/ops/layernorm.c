/* LayerNorm. */
#include "ops/private.h"
#include <tleg/ops.h>

TLEG_API tleg_status TLEG_CALL tleg_layernorm_forward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight,
                                                      const tleg_tensor *bias, double eps, tleg_tensor *y) {
    if (!context || !x || !weight || !bias || !y)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_layernorm_forward: a pointer is NULL");
    int64_t rows = 0, dim = 0;
    const struct tleg_kernels *kernels;
    tleg_status status = tleg_ops_rows(context, "layernorm", x, &rows, &dim);
    if (status == TLEG_OK)
        status = TLEG_OPS_CHECK(context, "layernorm", {"weight", weight, false, 1, {dim}}, {"bias", bias, false, 1, {dim}},
                                tleg_operand_like("y", y, true, x));
    if (status == TLEG_OK)
        status = tleg_ops_eps(context, "layernorm", eps);
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status == TLEG_OK)
        tleg_layernorm(kernels, rows, dim, x->data, weight->data, bias->data, (float)eps, y->data);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_layernorm_backward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight,
                                                       double eps, const tleg_tensor *dy, tleg_tensor *dx, tleg_tensor *dweight,
                                                       tleg_tensor *dbias) {
    if (!context || !x || !weight || !dy)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_layernorm_backward: a pointer is NULL");
    const char *op = "layernorm backward";
    int64_t rows = 0, dim = 0;
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = tleg_ops_rows(context, op, x, &rows, &dim);
    if (status == TLEG_OK)
        status = TLEG_OPS_CHECK(context, op, {"weight", weight, false, 1, {dim}}, tleg_operand_like("dy", dy, false, x),
                                tleg_operand_like("dx", dx, true, x), {"dweight", dweight, true, 1, {dim}},
                                {"dbias", dbias, true, 1, {dim}});
    if (status == TLEG_OK)
        status = tleg_ops_eps(context, op, eps);
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK || rows == 0 || (!dx && !dweight && !dbias))
        return status;
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, op, tleg_layernorm_backward_scratch(kernels, rows, dim), dx ? 0 : x->bytes, &space);
    if (status == TLEG_OK)
        tleg_k_layernorm_backward(&space.exec,
                                  &(struct tleg_layernorm_backward){.rows = rows,
                                                                    .dim = dim,
                                                                    .x = x->data,
                                                                    .weight = weight->data,
                                                                    .dy = dy->data,
                                                                    .eps = (float)eps,
                                                                    .dx = dx ? dx->data : (float *)(void *)space.extra,
                                                                    .dweight = tleg_ops_gradient_at(dweight),
                                                                    .dbias = tleg_ops_gradient_at(dbias)});
    return tleg_ops_space_end(context, &space, status);
}
