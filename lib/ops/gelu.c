/* GELU. */
#include "ops/private.h"
#include <tleg/ops.h>

TLEG_API tleg_status TLEG_CALL tleg_gelu_forward(tleg_context *context, const tleg_tensor *x, tleg_tensor *y) {
    if (!context || !x || !y)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_gelu_forward: a pointer is NULL");
    const struct tleg_kernels *kernels;
    tleg_status status =
        TLEG_OPS_CHECK(context, "gelu", tleg_operand_like("x", x, false, x), tleg_operand_like("y", y, true, x));
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status == TLEG_OK)
        tleg_activate(kernels, TLEG_ACTIVATION_GELU, x->count, x->data, y->data);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_gelu_backward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *dy,
                                                  tleg_tensor *dx) {
    if (!context || !x || !dy || !dx)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_gelu_backward: a pointer is NULL");
    const char *op = "gelu backward";
    const struct tleg_kernels *kernels;
    tleg_status status = TLEG_OPS_CHECK(context, op, tleg_operand_like("x", x, false, x), tleg_operand_like("dy", dy, false, x),
                                        tleg_operand_like("dx", dx, true, x));
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status == TLEG_OK)
        tleg_activate_backward(kernels, TLEG_ACTIVATION_GELU, x->count, x->data, dy->data, dx->data);
    return status;
}
