/* The learning rate: DeiT's recipe, or a constant one that falls at the end. */
#include "core/core.h"
#include <tleg/train.h>

#include <math.h>

/* A schedule with its defaults settled; times in epochs. */
struct schedule {
    double epochs, warmup, decay, peak, start, end;
    bool constant;
};

static double rate_at(const struct schedule *s, double t) {
    if (t >= s->epochs)
        return s->end;
    if (t < s->warmup)
        return s->start + t * (s->peak - s->start) / s->warmup;
    if (!s->constant)
        return s->end + (s->peak - s->end) * (1 + cos(3.14159265358979323846 * t / s->epochs)) / 2;
    return t < s->epochs - s->decay ? s->peak : s->end + (s->peak - s->end) * (s->epochs - t) / s->decay;
}

static bool good_rate(double rate) {
    return rate >= 0 && isfinite(rate);
}

/* Zero is the default, as far as the peak allows; a negative number zero. */
static double or_default(double value, double otherwise, double peak) {
    return value == 0 ? fmin(otherwise, peak) : value < 0 && isfinite(value) ? 0 : value;
}

static tleg_status check_times(tleg_context *context, const tleg_train_rate *r) {
    if (r->epochs < 1 || r->warmup < 0 || r->decay < 0 || r->warmup_steps < 0 || r->steps < 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_train_rate: %d epochs, %d of warm-up and %d of decay, expected 1 or more and 0 or more",
                         (int)r->epochs, (int)r->warmup, (int)r->decay);
    if (r->curve != 0 && r->curve != TLEG_RATE_COSINE && r->curve != TLEG_RATE_CONSTANT)
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "tleg_train_rate.curve: expected one of TLEG_RATE_*, found %d",
                         (int)r->curve);
    if (r->decay && r->curve != TLEG_RATE_CONSTANT)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_train_rate.decay: expected 0 but with TLEG_RATE_CONSTANT");
    if (r->warmup_steps && (r->warmup || !r->steps))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_train_rate.warmup_steps: expected the steps of an epoch, and no warm-up in epochs beside it");
    return TLEG_OK;
}

static tleg_status check_schedule(tleg_context *context, const struct schedule *s) {
    if (!good_rate(s->peak) || !good_rate(s->start) || !good_rate(s->end))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_train_rate: peak, start and end: expected finite numbers");
    if (s->start > s->peak)
        return tleg_fail_number(context, "tleg_train_rate.start", "no rate above the peak", s->start);
    if (s->end > s->peak)
        return tleg_fail_number(context, "tleg_train_rate.end", "no rate above the peak", s->end);
    if (s->warmup + s->decay > s->epochs)
        return tleg_fail_number(context, "tleg_train_rate: warm-up and decay", "no more epochs than the run has",
                                s->warmup + s->decay);
    return TLEG_OK;
}

static tleg_status read_rate(tleg_context *context, const tleg_train_rate *host, struct schedule *s, int64_t *steps) {
    tleg_train_rate r;
    tleg_status status = tleg_options_read(context, "tleg_train_rate", host, &r, sizeof r, TLEG_LEAST_TRAIN_RATE);
    if (status == TLEG_OK)
        status = check_times(context, &r);
    if (status != TLEG_OK)
        return status;
    *steps = r.steps;
    *s = (struct schedule){.epochs = r.epochs,
                           .warmup = r.warmup_steps ? (double)r.warmup_steps / (double)r.steps : r.warmup,
                           .decay = r.decay,
                           .peak = r.peak,
                           .start = or_default(r.start, 1e-6, r.peak),
                           .end = or_default(r.end, 1e-5, r.peak),
                           .constant = r.curve == TLEG_RATE_CONSTANT};
    return check_schedule(context, s);
}

TLEG_API tleg_status TLEG_CALL tleg_train_rate_of_epoch(tleg_context *context, const tleg_train_rate *rate, int32_t epoch,
                                                        double *learning_rate) {
    if (learning_rate)
        *learning_rate = 0;
    if (!learning_rate || epoch < 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_train_rate_of_epoch: epoch %d, or no place for the rate",
                         (int)epoch);
    struct schedule own;
    int64_t steps;
    const tleg_status status = read_rate(context, rate, &own, &steps);
    if (status != TLEG_OK)
        return status;
    *learning_rate = rate_at(&own, epoch > 0 ? epoch - 1 : 0);
    return TLEG_OK;
}

TLEG_API tleg_status TLEG_CALL tleg_train_rate_of_step(tleg_context *context, const tleg_train_rate *rate, int64_t step,
                                                       double *learning_rate) {
    if (learning_rate)
        *learning_rate = 0;
    if (!learning_rate || step < 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_train_rate_of_step: step %lld, or no place for the rate",
                         (long long)step);
    struct schedule own;
    int64_t steps;
    const tleg_status status = read_rate(context, rate, &own, &steps);
    if (status != TLEG_OK)
        return status;
    if (!steps)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_train_rate.steps: expected the steps of an epoch, found 0");
    *learning_rate = rate_at(&own, (double)step / (double)steps);
    return TLEG_OK;
}
