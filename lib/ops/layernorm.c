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
    if (!status)
        status = tleg_ops_vector(context, "layernorm", "weight", weight, dim);
    if (!status)
        status = tleg_ops_vector(context, "layernorm", "bias", bias, dim);
    if (!status)
        status = tleg_ops_like_output(context, "layernorm", "y", y, x, dim);
    if (!status && !(eps >= 0))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "layernorm: eps must be 0 or more");
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (!status)
        tleg_layernorm(kernels, rows, dim, x->data, weight->data, bias->data, (float)eps, y->data);
    return status;
}

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
        status = tleg_ops_gradient_like(context, op, "dx", dx, x);
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
                                                                    .dweight = tleg_ops_gradient_at(dweight),
                                                                    .dbias = tleg_ops_gradient_at(dbias)});
    return tleg_ops_space_end(context, &space, status);
}
