/* The public operations: shapes checked, scratch made, kernels called. */
#include "vit/vit.h"

#include <tleg/ops.h>

/* ---- checks ---- */

static tleg_status check_shape(tleg_context *context, const char *op, const char *name, const tleg_tensor *tensor, int32_t rank,
                               const int64_t *shape) {
    bool same = tensor->dtype == TLEG_F32 && tensor->rank == rank;
    for (int32_t axis = 0; same && axis < rank; axis++)
        same = tensor->shape[axis] == shape[axis];
    if (same)
        return TLEG_OK;
    char want[TLEG_SHAPE_TEXT], have[TLEG_SHAPE_TEXT];
    return tleg_fail(context, TLEG_ARGUMENT, "%s: %s is %s %s, expected F32 %s", op, name, tleg_dtype_name(tensor->dtype),
                     tleg_shape_text(tensor->rank, tensor->shape, have), tleg_shape_text(rank, shape, want));
}

static tleg_status check_vector(tleg_context *context, const char *op, const char *name, const tleg_tensor *tensor,
                                int64_t size) {
    return check_shape(context, op, name, tensor, 1, &size);
}

/* x (..., D) of f32, D >= 1: its rows and D. */
static tleg_status check_rows(tleg_context *context, const char *op, const tleg_tensor *x, int64_t *rows, int64_t *dim) {
    char have[TLEG_SHAPE_TEXT];
    if (x->dtype != TLEG_F32 || x->rank < 1 || x->shape[x->rank - 1] < 1)
        return tleg_fail(context, TLEG_ARGUMENT, "%s: x is %s %s, expected F32 [..., D]", op, tleg_dtype_name(x->dtype),
                         tleg_shape_text(x->rank, x->shape, have));
    *dim = x->shape[x->rank - 1];
    *rows = (int64_t)x->count / *dim;
    return TLEG_OK;
}

static tleg_status check_writable(tleg_context *context, const char *op, const tleg_tensor *y) {
    return y->read_only ? tleg_fail(context, TLEG_ARGUMENT, "%s: y was lent to us read-only", op) : TLEG_OK;
}

/* y has x's shape with another last axis. */
static tleg_status check_output(tleg_context *context, const char *op, const tleg_tensor *x, const tleg_tensor *y,
                                int64_t last) {
    int64_t shape[TLEG_MAX_RANK];
    for (int32_t axis = 0; axis < x->rank; axis++)
        shape[axis] = axis == x->rank - 1 ? last : x->shape[axis];
    tleg_status status = check_shape(context, op, "y", y, x->rank, shape);
    return status ? status : check_writable(context, op, y);
}

static tleg_status check_weight(tleg_context *context, const char *op, const char *name, const tleg_tensor *weight,
                                int64_t in) {
    char have[TLEG_SHAPE_TEXT];
    if (weight->dtype == TLEG_F32 && weight->rank == 2 && weight->shape[0] >= 1 && weight->shape[1] == in)
        return TLEG_OK;
    return tleg_fail(context, TLEG_ARGUMENT, "%s: %s is %s %s, expected F32 [out, %lld]", op, name,
                     tleg_dtype_name(weight->dtype), tleg_shape_text(weight->rank, weight->shape, have), (long long)in);
}

/* ---- scratch of one call ---- */

struct workspace {
    struct tleg_exec exec;
    char *memory, *extra;
    size_t bytes;
};

static tleg_status make_workspace(tleg_context *context, const char *op, struct tleg_scratch scratch, size_t extra,
                                  struct workspace *space) {
    size_t end = 0, lanes = (size_t)tleg_team_lanes(context->team);
    size_t shared = tleg_place(&end, scratch.shared, 1), lane = tleg_place(&end, scratch.lane, lanes);
    size_t extra_at = tleg_place(&end, extra, 1);
    *space =
        (struct workspace){.exec = {.team = context->team, .lanes = (int32_t)lanes, .lane_bytes = scratch.lane}, .bytes = end};
    tleg_status status = tleg_kernels_of(context, &space->exec.kernels);
    if (status)
        return status;
    space->memory = end == SIZE_MAX ? NULL : tleg_alloc(&context->allocator, end);
    if (!space->memory)
        return tleg_fail_memory(context, op, end);
    space->exec.shared = space->memory + shared;
    space->exec.lane = space->memory + lane;
    space->extra = space->memory + extra_at;
    return TLEG_OK;
}

static void free_workspace(tleg_context *context, struct workspace *space) {
    if (space->memory)
        tleg_release(&context->allocator, space->memory, space->bytes);
}

/* ---- operations ---- */

TLEG_API tleg_status TLEG_CALL tleg_layernorm_forward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight,
                                                      const tleg_tensor *bias, double eps, tleg_tensor *y) {
    if (!context || !x || !weight || !bias || !y)
        return tleg_fail(context, TLEG_ARGUMENT, "tleg_layernorm_forward: a pointer is NULL");
    int64_t rows = 0, dim = 0;
    const struct tleg_kernels *kernels;
    tleg_status status = check_rows(context, "layernorm", x, &rows, &dim);
    if (!status)
        status = check_vector(context, "layernorm", "weight", weight, dim);
    if (!status)
        status = check_vector(context, "layernorm", "bias", bias, dim);
    if (!status)
        status = check_output(context, "layernorm", x, y, dim);
    if (!status && !(eps >= 0))
        status = tleg_fail(context, TLEG_ARGUMENT, "layernorm: eps must be 0 or more");
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (!status)
        tleg_layernorm(kernels, rows, dim, x->data, weight->data, bias->data, (float)eps, y->data);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_gelu_forward(tleg_context *context, const tleg_tensor *x, tleg_tensor *y) {
    if (!context || !x || !y)
        return tleg_fail(context, TLEG_ARGUMENT, "tleg_gelu_forward: a pointer is NULL");
    const struct tleg_kernels *kernels;
    tleg_status status = check_shape(context, "gelu", "x", x, x->rank, x->shape);
    if (!status)
        status = check_output(context, "gelu", x, y, x->rank ? x->shape[x->rank - 1] : 1);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (!status)
        tleg_gelu(kernels, x->count, x->data, y->data);
    return status;
}

/* A product of one call: the weight (N, K) is packed first, into `packed`. */
static void run_linear(const struct tleg_exec *exec, int64_t m, const float *x, const tleg_tensor *weight,
                       const tleg_tensor *bias, bool gelu, float *packed, float *out) {
    int64_t n = weight->shape[0], k = weight->shape[1];
    tleg_pack(exec->kernels, n, k, weight->data, packed);
    struct tleg_weight w = {.n = n, .k = k, .base = packed, .stored = TLEG_F32, .rounded = TLEG_F32};
    tleg_gemm(exec, &(struct tleg_gemm){.m = m,
                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = x, .stride = k},
                                        .weight = &w,
                                        .epilogue = {.bias = bias ? bias->data : NULL, .gelu = gelu},
                                        .out = out,
                                        .out_stride = n});
}

static size_t packed_bytes(const struct tleg_kernels *kernels, const tleg_tensor *weight) {
    size_t bytes, count = tleg_packed_count(kernels, weight->shape[0], weight->shape[1]);
    return tleg_size_mul(count, sizeof(float), &bytes) ? tleg_size_align(bytes) : SIZE_MAX;
}

TLEG_API tleg_status TLEG_CALL tleg_linear_forward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *weight,
                                                   const tleg_tensor *bias, tleg_tensor *y) {
    if (!context || !x || !weight || !y)
        return tleg_fail(context, TLEG_ARGUMENT, "tleg_linear_forward: a pointer is NULL");
    int64_t rows = 0, dim = 0;
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = check_rows(context, "linear", x, &rows, &dim);
    if (!status)
        status = check_weight(context, "linear", "weight", weight, dim);
    if (!status && bias)
        status = check_vector(context, "linear", "bias", bias, weight->shape[0]);
    if (!status)
        status = check_output(context, "linear", x, y, weight->shape[0]);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (status || rows == 0)
        return status;
    struct workspace space;
    status = make_workspace(context, "linear", tleg_gemm_scratch(kernels, rows, weight->shape[0], dim),
                            packed_bytes(kernels, weight), &space);
    if (!status)
        run_linear(&space.exec, rows, x->data, weight, bias, false, (float *)(void *)space.extra, y->data);
    free_workspace(context, &space);
    return status;
}

static tleg_status check_mlp(tleg_context *context, const tleg_tensor *x, const tleg_tensor *fc1, const tleg_tensor *fc1_bias,
                             const tleg_tensor *fc2, const tleg_tensor *fc2_bias, const tleg_tensor *y, int64_t *rows) {
    int64_t dim = 0;
    tleg_status status = check_rows(context, "mlp", x, rows, &dim);
    if (!status)
        status = check_weight(context, "mlp", "fc1", fc1, dim);
    if (!status)
        status = check_shape(context, "mlp", "fc2", fc2, 2, (const int64_t[]){dim, fc1->shape[0]});
    if (!status && fc1_bias)
        status = check_vector(context, "mlp", "fc1_bias", fc1_bias, fc1->shape[0]);
    if (!status && fc2_bias)
        status = check_vector(context, "mlp", "fc2_bias", fc2_bias, dim);
    return status ? status : check_output(context, "mlp", x, y, dim);
}

TLEG_API tleg_status TLEG_CALL tleg_mlp_forward(tleg_context *context, const tleg_tensor *x, const tleg_tensor *fc1,
                                                const tleg_tensor *fc1_bias, const tleg_tensor *fc2,
                                                const tleg_tensor *fc2_bias, tleg_tensor *y) {
    if (!context || !x || !fc1 || !fc2 || !y)
        return tleg_fail(context, TLEG_ARGUMENT, "tleg_mlp_forward: a pointer is NULL");
    int64_t rows = 0;
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = check_mlp(context, x, fc1, fc1_bias, fc2, fc2_bias, y, &rows);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (status || rows == 0)
        return status;
    int64_t hidden = fc1->shape[0], dim = fc1->shape[1];
    struct tleg_scratch scratch = tleg_gemm_scratch(kernels, rows, hidden, dim);
    tleg_scratch_join(&scratch, tleg_gemm_scratch(kernels, rows, dim, hidden));
    size_t first = packed_bytes(kernels, fc1), second = packed_bytes(kernels, fc2), extra = 0;
    tleg_place(&extra, first > second ? first : second, 1); /* packed one after the other */
    size_t hidden_at = tleg_place(&extra, (size_t)rows, (size_t)hidden * sizeof(float));
    struct workspace space;
    status = make_workspace(context, "mlp", scratch, extra, &space);
    if (!status) {
        float *packed = (float *)(void *)space.extra, *middle = (float *)(void *)(space.extra + hidden_at);
        run_linear(&space.exec, rows, x->data, fc1, fc1_bias, true, packed, middle);
        run_linear(&space.exec, rows, middle, fc2, fc2_bias, false, packed, y->data);
    }
    free_workspace(context, &space);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_attention_forward(tleg_context *context, const tleg_tensor *qkv, int32_t heads,
                                                      tleg_tensor *y) {
    if (!context || !qkv || !y)
        return tleg_fail(context, TLEG_ARGUMENT, "tleg_attention_forward: a pointer is NULL");
    int64_t rows = 0, width = 0;
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = check_rows(context, "attention", qkv, &rows, &width);
    if (!status && (qkv->rank != 3 || width % 3 || heads < 1 || width / 3 % heads))
        status = tleg_fail(context, TLEG_ARGUMENT,
                           "attention: expected qkv [B, N, 3 * D] and heads that divide D; found rank %d, "
                           "last axis %lld, heads %d",
                           qkv->rank, (long long)width, heads);
    if (!status)
        status = check_output(context, "attention", qkv, y, width / 3);
    if (!status)
        status = tleg_kernels_of(context, &kernels);
    if (status || rows == 0)
        return status;
    struct tleg_attention attention = {
        .batch = qkv->shape[0], .tokens = qkv->shape[1], .dim = width / 3, .heads = heads, .qkv = qkv->data, .out = y->data};
    struct workspace space;
    status = make_workspace(context, "attention",
                            tleg_attention_scratch(kernels, attention.tokens, attention.dim, attention.heads), 0, &space);
    if (!status)
        tleg_attention(&space.exec, &attention);
    free_workspace(context, &space);
    return status;
}
