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

/* Zero is the default, a negative number zero. */
static double or_default(double value, double otherwise) {
    return value == 0 ? otherwise : value < 0 && isfinite(value) ? 0 : value;
}

static tleg_status read_rate(tleg_context *context, const tleg_train_rate *host, tleg_train_rate *own) {
    tleg_status status = tleg_options_read(context, "tleg_train_rate", host, own, sizeof *own, TLEG_LEAST_TRAIN_RATE);
    if (status == TLEG_OK)
        status = tleg_check_reserved(context, "tleg_train_rate.reserved", own->reserved == 0);
    if (status != TLEG_OK)
        return status;
    own->start = or_default(own->start, 1e-6);
    own->end = or_default(own->end, 1e-5);
    if (own->epochs < 1 || own->warmup < 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_train_rate: %d epochs and %d of warm-up, expected 1 or more and 0 or more", (int)own->epochs,
                         (int)own->warmup);
    if (!good_rate(own->peak) || !good_rate(own->start) || !good_rate(own->end))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_train_rate: peak, start and end: expected finite numbers");
    return TLEG_OK;
}

TLEG_API tleg_status TLEG_CALL tleg_train_rate_of_epoch(tleg_context *context, const tleg_train_rate *rate, int32_t epoch,
                                                        double *learning_rate) {
    if (learning_rate)
        *learning_rate = 0;
    if (!learning_rate || epoch < 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_train_rate_of_epoch: epoch %d, or no place for the rate",
                         (int)epoch);
    tleg_train_rate own = {0};
    const tleg_status status = read_rate(context, rate, &own);
    if (status != TLEG_OK)
        return status;
    *learning_rate = rate_at(&own, epoch > 0 ? epoch - 1 : 0);
    return TLEG_OK;
}
