/* Checks of the operations' tensors, and the scratch of one call. */
#include "ops/private.h"
#include <string.h>

/* ---- checks ---- */

static tleg_status check_one(tleg_context *context, const char *op, const struct tleg_operand *operand) {
    const tleg_tensor *tensor = operand->tensor;
    bool same = tensor->dtype == TLEG_F32 && tensor->rank == operand->rank;
    for (int32_t axis = 0; same && axis < operand->rank; axis++)
        same = tensor->shape[axis] == operand->shape[axis];
    char want[TLEG_SHAPE_TEXT], have[TLEG_SHAPE_TEXT];
    if (!same)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: %s is %s %s, expected F32 %s", op, operand->name,
                         tleg_dtype_name(tensor->dtype), tleg_shape_text(tensor->rank, tensor->shape, have),
                         tleg_shape_text(operand->rank, operand->shape, want));
    if (operand->output && tensor->read_only)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: %s is read-only", op, operand->name);
    return TLEG_OK;
}

tleg_status tleg_ops_check(tleg_context *context, const char *op, size_t count, const struct tleg_operand *operands) {
    tleg_status status = TLEG_OK;
    for (size_t i = 0; i < count && status == TLEG_OK; i++)
        if (operands[i].tensor)
            status = check_one(context, op, &operands[i]);
    return status;
}

struct tleg_operand tleg_operand_like(const char *name, const tleg_tensor *tensor, bool output, const tleg_tensor *x) {
    struct tleg_operand operand = {.name = name, .tensor = tensor, .output = output, .rank = x->rank};
    memcpy(operand.shape, x->shape, (size_t)x->rank * sizeof *x->shape);
    return operand;
}

struct tleg_operand tleg_operand_last(const char *name, const tleg_tensor *tensor, bool output, const tleg_tensor *x,
                                      int64_t last) {
    struct tleg_operand operand = tleg_operand_like(name, tensor, output, x);
    operand.shape[x->rank - 1] = last;
    return operand;
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
    if (status == TLEG_OK && (qkv->rank != 3 || width % 3 || heads < 1 || width / 3 % heads))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT,
                           "%s: expected qkv [B, N, 3 * D] and heads that divide D; found rank %d, last axis %lld, heads %d",
                           op, qkv->rank, (long long)width, heads);
    return status;
}

tleg_status tleg_ops_eps(tleg_context *context, const char *op, double eps) {
    return eps >= 0 ? TLEG_OK : tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: eps must be 0 or more", op);
}

/* ---- scratch of one call ---- */

tleg_status tleg_ops_space_make(tleg_context *context, const char *op, struct tleg_scratch scratch, size_t extra,
                                struct tleg_ops_space *space) {
    size_t end = 0, lanes = (size_t)tleg_team_lanes(context->team);
    size_t shared = tleg_place(&end, scratch.shared, 1), lane = tleg_place(&end, scratch.lane, lanes);
    size_t extra_at = tleg_place(&end, extra, 1);
    *space = (struct tleg_ops_space){.exec = {.blas = context->blas,
                                              .team = context->team,
                                              .lanes = (int32_t)lanes,
                                              .lane_bytes = scratch.lane,
                                              .outcome = tleg_context_begin(context)},
                                     .bytes = end};
    tleg_status status = tleg_kernels_of(context, &space->exec.kernels);
    if (status != TLEG_OK)
        return status;
    space->memory = end == SIZE_MAX ? NULL : tleg_alloc(&context->allocator, end);
    if (!space->memory)
        return tleg_fail_memory(context, op, end);
    space->exec.shared = space->memory + shared;
    space->exec.lane = space->memory + lane;
    space->extra = space->memory + extra_at;
    return TLEG_OK;
}

tleg_status tleg_ops_space_end(tleg_context *context, struct tleg_ops_space *space, tleg_status status) {
    if (space->memory)
        tleg_release(&context->allocator, space->memory, space->bytes);
    return status != TLEG_OK ? status : tleg_team_report(&context->error, &context->outcome);
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
                                        .out = tleg_target_f32(p->out, p->n)});
}
