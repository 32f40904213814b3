/* Checks of the operations' tensors, and the scratch of one call. */
#include "ops/private.h"

/* ---- checks ---- */

tleg_status tleg_ops_shape(tleg_context *context, const char *op, const char *name, const tleg_tensor *tensor, int32_t rank,
                           const int64_t *shape) {
    bool same = tensor->dtype == TLEG_F32 && tensor->rank == rank;
    for (int32_t axis = 0; same && axis < rank; axis++)
        same = tensor->shape[axis] == shape[axis];
    if (same)
        return TLEG_OK;
    char want[TLEG_SHAPE_TEXT], have[TLEG_SHAPE_TEXT];
    return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: %s is %s %s, expected F32 %s", op, name, tleg_dtype_name(tensor->dtype),
                     tleg_shape_text(tensor->rank, tensor->shape, have), tleg_shape_text(rank, shape, want));
}

tleg_status tleg_ops_vector(tleg_context *context, const char *op, const char *name, const tleg_tensor *tensor, int64_t size) {
    return tleg_ops_shape(context, op, name, tensor, 1, &size);
}

tleg_status tleg_ops_rows(tleg_context *context, const char *op, const tleg_tensor *x, int64_t *rows, int64_t *dim) {
    char have[TLEG_SHAPE_TEXT];
    if (x->dtype != TLEG_F32 || x->rank < 1 || x->shape[x->rank - 1] < 1)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: x is %s %s, expected F32 [..., D]", op, tleg_dtype_name(x->dtype),
                         tleg_shape_text(x->rank, x->shape, have));
    *dim = x->shape[x->rank - 1];
    *rows = (int64_t)x->count / *dim;
    return TLEG_OK;
}

tleg_status tleg_ops_weight(tleg_context *context, const char *op, const char *name, const tleg_tensor *weight, int64_t in) {
    char have[TLEG_SHAPE_TEXT];
    if (weight->dtype == TLEG_F32 && weight->rank == 2 && weight->shape[0] >= 1 && weight->shape[1] == in)
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: %s is %s %s, expected F32 [out, %lld]", op, name,
                     tleg_dtype_name(weight->dtype), tleg_shape_text(weight->rank, weight->shape, have), (long long)in);
}

tleg_status tleg_ops_qkv(tleg_context *context, const char *op, const tleg_tensor *qkv, int32_t heads) {
    int64_t rows = 0, width = 0;
    tleg_status status = tleg_ops_rows(context, op, qkv, &rows, &width);
    if (!status && (qkv->rank != 3 || width % 3 || heads < 1 || width / 3 % heads))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT,
                           "%s: expected qkv [B, N, 3 * D] and heads that divide D; found rank %d, last axis %lld, heads %d",
                           op, qkv->rank, (long long)width, heads);
    return status;
}

tleg_status tleg_ops_output(tleg_context *context, const char *op, const char *name, const tleg_tensor *tensor, int32_t rank,
                            const int64_t *shape) {
    tleg_status status = tleg_ops_shape(context, op, name, tensor, rank, shape);
    if (!status && tensor->read_only)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: %s is read-only (imported through DLPack)", op, name);
    return status;
}

static void other_last(const tleg_tensor *x, int64_t last, int64_t shape[TLEG_MAX_RANK]) {
    for (int32_t axis = 0; axis < x->rank; axis++)
        shape[axis] = axis == x->rank - 1 ? last : x->shape[axis];
}

tleg_status tleg_ops_like(tleg_context *context, const char *op, const char *name, const tleg_tensor *tensor,
                          const tleg_tensor *x, int64_t last) {
    int64_t shape[TLEG_MAX_RANK];
    other_last(x, last, shape);
    return tleg_ops_shape(context, op, name, tensor, x->rank, shape);
}

tleg_status tleg_ops_like_output(tleg_context *context, const char *op, const char *name, const tleg_tensor *tensor,
                                 const tleg_tensor *x, int64_t last) {
    int64_t shape[TLEG_MAX_RANK];
    other_last(x, last, shape);
    return tleg_ops_output(context, op, name, tensor, x->rank, shape);
}

tleg_status tleg_ops_gradient(tleg_context *context, const char *op, const char *name, const tleg_tensor *tensor, int32_t rank,
                              const int64_t *shape) {
    return tensor ? tleg_ops_output(context, op, name, tensor, rank, shape) : TLEG_OK;
}

tleg_status tleg_ops_gradient_like(tleg_context *context, const char *op, const char *name, const tleg_tensor *dx,
                                   const tleg_tensor *x) {
    return tleg_ops_gradient(context, op, name, dx, x->rank, x->shape);
}

/* ---- scratch of one call ---- */

tleg_status tleg_ops_space_make(tleg_context *context, const char *op, struct tleg_scratch scratch, size_t extra,
                                struct tleg_ops_space *space) {
    size_t end = 0, lanes = (size_t)tleg_team_lanes(context->team);
    size_t shared = tleg_place(&end, scratch.shared, 1), lane = tleg_place(&end, scratch.lane, lanes);
    size_t extra_at = tleg_place(&end, extra, 1);
    *space = (struct tleg_ops_space){.exec = {.team = context->team, .lanes = (int32_t)lanes, .lane_bytes = scratch.lane},
                                     .bytes = end};
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

void tleg_ops_space_free(tleg_context *context, struct tleg_ops_space *space) {
    if (space->memory)
        tleg_release(&context->allocator, space->memory, space->bytes);
}

/* ---- a product of one call ---- */

size_t tleg_ops_packed_bytes(const struct tleg_kernels *kernels, int64_t n, int64_t k) {
    size_t bytes;
    return tleg_size_mul(tleg_packed_count(kernels, TLEG_F32, n, k), sizeof(float), &bytes) ? tleg_size_align(bytes) : SIZE_MAX;
}

void tleg_ops_multiply(const struct tleg_exec *exec, const struct tleg_ops_product *p) {
    tleg_pack(exec->kernels, TLEG_F32, p->n, p->k, p->w, p->packed);
    struct tleg_weight weight = {
        .n = p->n, .k = p->k, .basis = tleg_basis_one(p->packed), .stored = TLEG_F32, .rounded = TLEG_F32};
    tleg_gemm(exec, &(struct tleg_gemm){.m = p->m,
                                        .rows = p->rows,
                                        .weight = &weight,
                                        .epilogue = {.bias = p->bias, .activation = p->activation},
                                        .out = p->out,
                                        .out_stride = p->n});
}
