/* The public losses. */
#include "ops/private.h"

#include <math.h>
#include <string.h>
#include <tleg/ops.h>

/* logits (B, C), both 1 or more, and where the gradient goes */
static tleg_status check_logits(tleg_context *context, const char *op, const tleg_tensor *logits, const tleg_tensor *dlogits) {
    char have[TLEG_SHAPE_TEXT];
    if (logits->dtype != TLEG_F32 || logits->rank != 2 || logits->shape[0] < 1 || logits->shape[1] < 1)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: logits is %s %s, expected F32 [B, C] with neither 0", op,
                         tleg_dtype_name(logits->dtype), tleg_shape_text(logits->rank, logits->shape, have));
    return TLEG_OPS_CHECK(context, op, tleg_operand_like("dlogits", dlogits, true, logits));
}

static tleg_status check_labels(tleg_context *context, const char *op, const tleg_tensor *labels, int64_t rows,
                                int64_t classes) {
    char have[TLEG_SHAPE_TEXT];
    if (labels->rank != 1 || labels->shape[0] != rows)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: targets is I64 %s, expected [%lld]", op,
                         tleg_shape_text(labels->rank, labels->shape, have), (long long)rows);
    const int64_t *label = labels->data;
    for (int64_t r = 0; r < rows; r++)
        if (label[r] < 0 || label[r] >= classes)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: class %lld in row %lld, expected 0 to %lld", op,
                             (long long)label[r], (long long)r, (long long)classes - 1);
    return TLEG_OK;
}

static tleg_status check_targets(tleg_context *context, const char *op, const tleg_tensor *logits, const tleg_tensor *targets,
                                 double smoothing) {
    if (!(smoothing >= 0 && smoothing <= 1))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: smoothing must lie between 0 and 1", op);
    if (targets->dtype == TLEG_I64)
        return check_labels(context, op, targets, logits->shape[0], logits->shape[1]);
    tleg_status status = TLEG_OPS_CHECK(context, op, tleg_operand_like("targets", targets, false, logits));
    if (status == TLEG_OK && smoothing > 0)
        status =
            tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: smoothing is for class numbers; these targets are F32, q itself", op);
    return status;
}

/* Where a gradient is added to, all zero; NULL when it is not wanted. */
static float *zeroed(const tleg_tensor *dlogits) {
    return dlogits ? memset(dlogits->data, 0, dlogits->bytes) : NULL;
}

/* Checks logits and targets, and what the loss of that kind is of them; `call` has the loss' own numbers. */
static tleg_status judge(tleg_context *context, enum tleg_loss_kind kind, const tleg_tensor *logits, const tleg_tensor *targets,
                         struct tleg_loss_call call, double *loss, tleg_tensor *dlogits) {
    const struct tleg_loss_row *row = tleg_loss_get(kind);
    const bool classes = row->targets == TLEG_TARGETS_CLASSES;
    tleg_status status = check_logits(context, row->name, logits, dlogits);
    if (status == TLEG_OK)
        status = classes ? check_targets(context, row->name, logits, targets, call.smoothing)
                         : TLEG_OPS_CHECK(context, row->name, tleg_operand_like("teacher", targets, false, logits));
    if (status == TLEG_OK && !classes && !(call.tau > 0 && isfinite(call.tau)))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: tau must be more than 0 and finite", row->name);
    if (status != TLEG_OK)
        return status;
    call.rows = logits->shape[0];
    call.classes = logits->shape[1];
    call.logits = logits->data;
    call.scale = 1;
    call.dlogits = zeroed(dlogits);
    if (targets->dtype == TLEG_I64)
        call.labels = targets->data;
    else
        call.targets = targets->data;
    *loss = tleg_loss(kind, &call);
    return TLEG_OK;
}

TLEG_API tleg_status TLEG_CALL tleg_cross_entropy(tleg_context *context, const tleg_tensor *logits, const tleg_tensor *targets,
                                                  double smoothing, double *loss, tleg_tensor *dlogits) {
    if (loss)
        *loss = 0;
    if (!context || !logits || !targets || !loss)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_cross_entropy: a pointer is NULL");
    return judge(context, TLEG_LOSS_CROSS_ENTROPY, logits, targets, (struct tleg_loss_call){.smoothing = smoothing}, loss,
                 dlogits);
}

TLEG_API tleg_status TLEG_CALL tleg_distillation(tleg_context *context, const tleg_tensor *logits, const tleg_tensor *teacher,
                                                 double tau, double *loss, tleg_tensor *dlogits) {
    if (loss)
        *loss = 0;
    if (!context || !logits || !teacher || !loss)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_distillation: a pointer is NULL");
    return judge(context, TLEG_LOSS_DISTILLATION, logits, teacher, (struct tleg_loss_call){.tau = tau}, loss, dlogits);
}
