/* Attention. */
#include "ops/private.h"
#include <tleg/ops.h>

TLEG_API tleg_status TLEG_CALL tleg_attention_forward(tleg_context *context, const tleg_tensor *qkv, int32_t heads,
                                                      tleg_tensor *y) {
    if (!context || !qkv || !y)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_attention_forward: a pointer is NULL");
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = tleg_ops_qkv(context, "attention", qkv, heads);
    if (status == TLEG_OK)
        status = TLEG_OPS_CHECK(context, "attention", tleg_operand_last("y", y, true, qkv, qkv->shape[2] / 3));
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK || qkv->count == 0)
        return status;
    struct tleg_attention attention = {.batch = qkv->shape[0],
                                       .tokens = qkv->shape[1],
                                       .dim = qkv->shape[2] / 3,
                                       .heads = heads,
                                       .qkv = tleg_view_f32(qkv->data, qkv->shape[2]),
                                       .out = tleg_target_f32(y->data, qkv->shape[2] / 3),
                                       .dtype = TLEG_F32};
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, "attention",
                                 tleg_attention_scratch(kernels, TLEG_F32, attention.tokens, attention.dim, attention.heads), 0,
                                 &space);
    if (status == TLEG_OK)
        tleg_attention(&space.exec, &attention);
    return tleg_ops_space_end(context, &space, status);
}

TLEG_API tleg_status TLEG_CALL tleg_attention_backward(tleg_context *context, const tleg_tensor *qkv, int32_t heads,
                                                       const tleg_tensor *dy, tleg_tensor *dqkv) {
    if (!context || !qkv || !dy || !dqkv)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_attention_backward: a pointer is NULL");
    const char *op = "attention backward";
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = tleg_ops_qkv(context, op, qkv, heads);
    if (status == TLEG_OK)
        status = TLEG_OPS_CHECK(context, op, tleg_operand_last("dy", dy, false, qkv, qkv->shape[2] / 3),
                                tleg_operand_like("dqkv", dqkv, true, qkv));
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK || qkv->count == 0)
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
    if (status == TLEG_OK)
        tleg_k_attention_backward(&space.exec, &backward);
    return tleg_ops_space_end(context, &space, status);
}
