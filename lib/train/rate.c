/* The learning rate of DeiT's recipe, by epoch. */
#include "core/core.h"
#include <tleg/train.h>

#include <math.h>

static double rate_at(const tleg_train_rate *r, double t) {
    if (t < r->warmup)
        return r->start + t * (r->peak - r->start) / r->warmup;
    return r->end + (r->peak - r->end) * (1 + cos(3.14159265358979323846 * t / r->epochs)) / 2;
}

static bool good_rate(double rate) {
    return rate >= 0 && isfinite(rate);
}

TLEG_API tleg_status TLEG_CALL tleg_train_rate_of_epoch(const tleg_train_rate *rate, int32_t epoch, double *learning_rate) {
    if (learning_rate)
        *learning_rate = 0;
    tleg_train_rate own = {0};
    if (!rate || !learning_rate || epoch < 0)
        return TLEG_ERROR_ARGUMENT;
    tleg_status status = tleg_options_read(NULL, "tleg_train_rate", rate, &own, sizeof own, TLEG_LEAST_TRAIN_RATE);
    if (!status)
        status = tleg_check_reserved(NULL, "tleg_train_rate.reserved", own.reserved == 0);
    if (status)
        return status;
    if (own.epochs < 1 || own.warmup < 0 || !good_rate(own.peak) || !good_rate(own.start) || !good_rate(own.end))
        return TLEG_ERROR_ARGUMENT;
    own.start = own.start == 0 ? 1e-6 : own.start;
    own.end = own.end == 0 ? 1e-5 : own.end;
    *learning_rate = rate_at(&own, epoch > 0 ? epoch - 1 : 0);
    return TLEG_OK;
}
