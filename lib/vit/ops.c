/* The public operations forward: shapes checked, scratch made, kernels called. */
#include "vit/ops_check.h"

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

TLEG_API tleg_status TLEG_CALL tleg_gelu_forward(tleg_context *context, const tleg_tensor *x, tleg_tensor *y) {
    if (!context || !x || !y)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_gelu_forward: a pointer is NULL");
    const struct tleg_kernels *kernels;
    tleg_status status = tleg_ops_shape(context, "gelu", "x", x, x->rank, x->shape); /* the type */
    if (!status)
        status = tleg_ops_output(context, "gelu", "y", y, x->rank, x->shape);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (!status)
        tleg_activate(kernels, TLEG_ACTIVATION_GELU, x->count, x->data, y->data);
    return status;
}

/* out (m, n) = x W^T + bias */
static void run_linear(const struct tleg_exec *exec, int64_t m, const float *x, const tleg_tensor *weight,
                       const tleg_tensor *bias, enum tleg_activation activation, float *packed, float *out) {
    int64_t n = weight->shape[0], k = weight->shape[1];
    tleg_ops_multiply(exec, &(struct tleg_ops_product){.m = m,
                                                       .n = n,
                                                       .k = k,
                                                       .rows = {.kind = TLEG_ROWS_PLAIN, .x = x, .stride = k},
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
    if (!status)
        status = tleg_ops_weight(context, "linear", "weight", weight, dim);
    if (!status && bias)
        status = tleg_ops_vector(context, "linear", "bias", bias, weight->shape[0]);
    if (!status)
        status = tleg_ops_like_output(context, "linear", "y", y, x, weight->shape[0]);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (status || rows == 0)
        return status;
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, "linear", tleg_gemm_scratch(kernels, TLEG_F32, rows, weight->shape[0], dim),
                                 tleg_ops_packed_bytes(kernels, weight->shape[0], dim), &space);
    if (!status)
        run_linear(&space.exec, rows, x->data, weight, bias, TLEG_ACTIVATION_NONE, (float *)(void *)space.extra, y->data);
    tleg_ops_space_free(context, &space);
    return status;
}

static tleg_status check_mlp(tleg_context *context, const tleg_tensor *x, const tleg_tensor *fc1, const tleg_tensor *fc1_bias,
                             const tleg_tensor *fc2, const tleg_tensor *fc2_bias, const tleg_tensor *y, int64_t *rows) {
    int64_t dim = 0;
    tleg_status status = tleg_ops_rows(context, "mlp", x, rows, &dim);
    if (!status)
        status = tleg_ops_weight(context, "mlp", "fc1", fc1, dim);
    if (!status)
        status = tleg_ops_shape(context, "mlp", "fc2", fc2, 2, (const int64_t[]){dim, fc1->shape[0]});
    if (!status && fc1_bias)
        status = tleg_ops_vector(context, "mlp", "fc1_bias", fc1_bias, fc1->shape[0]);
    if (!status && fc2_bias)
        status = tleg_ops_vector(context, "mlp", "fc2_bias", fc2_bias, dim);
    return status ? status : tleg_ops_like_output(context, "mlp", "y", y, x, dim);
}

TLEG_API tleg_status TLEG_CALL tleg_mlp_forward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *fc1,
                                                const tleg_tensor *fc1_bias, const tleg_tensor *fc2,
                                                const tleg_tensor *fc2_bias, tleg_tensor *y) {
    if (!context || !x || !fc1 || !fc2 || !y)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_mlp_forward: a pointer is NULL");
    int64_t rows = 0;
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = check_mlp(context, x, fc1, fc1_bias, fc2, fc2_bias, y, &rows);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (status || rows == 0)
        return status;
    int64_t hidden = fc1->shape[0], dim = fc1->shape[1];
    struct tleg_scratch scratch = tleg_gemm_scratch(kernels, TLEG_F32, rows, hidden, dim);
    tleg_scratch_join(&scratch, tleg_gemm_scratch(kernels, TLEG_F32, rows, dim, hidden));
    size_t first = tleg_ops_packed_bytes(kernels, hidden, dim), second = tleg_ops_packed_bytes(kernels, dim, hidden), extra = 0;
    tleg_place(&extra, first > second ? first : second, 1); /* packed one after the other */
    size_t hidden_at = tleg_place(&extra, (size_t)rows, (size_t)hidden * sizeof(float));
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, "mlp", scratch, extra, &space);
    if (!status) {
        float *packed = (float *)(void *)space.extra, *middle = (float *)(void *)(space.extra + hidden_at);
        run_linear(&space.exec, rows, x->data, fc1, fc1_bias, TLEG_ACTIVATION_GELU, packed, middle);
        run_linear(&space.exec, rows, middle, fc2, fc2_bias, TLEG_ACTIVATION_NONE, packed, y->data);
    }
    tleg_ops_space_free(context, &space);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_attention_forward(tleg_context *context, const tleg_tensor *qkv, int32_t heads,
                                                      tleg_tensor *y) {
    if (!context || !qkv || !y)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_attention_forward: a pointer is NULL");
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = tleg_ops_qkv(context, "attention", qkv, heads);
    if (!status)
        status = tleg_ops_like_output(context, "attention", "y", y, qkv, qkv->shape[2] / 3);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (status || qkv->count == 0)
        return status;
    struct tleg_attention attention = {.batch = qkv->shape[0],
                                       .tokens = qkv->shape[1],
                                       .dim = qkv->shape[2] / 3,
                                       .heads = heads,
                                       .qkv = qkv->data,
                                       .out = y->data,
                                       .dtype = TLEG_F32};
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, "attention",
                                 tleg_attention_scratch(kernels, TLEG_F32, attention.tokens, attention.dim, attention.heads), 0,
                                 &space);
    if (!status)
        tleg_attention(&space.exec, &attention);
    tleg_ops_space_free(context, &space);
    return status;
}
