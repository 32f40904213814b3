/* Losses of logits, each with its gradient. A row is C numbers: doubles cost nothing here. */
#include "kernels/kernels.h"

#include <errno.h>
#include <math.h>

/* log sum_c exp(z_c / tau), from the largest, so that nothing overflows */
static double log_sum(int64_t classes, const float *z, double tau) {
    double largest = z[0], sum = 0;
    for (int64_t c = 1; c < classes; c++)
        if (z[c] > largest) /* no fmax: gcc 12 for aarch64 falls over it */
            largest = z[c];
    for (int64_t c = 0; c < classes; c++)
        sum += exp((z[c] - largest) / tau);
    return largest / tau + log(sum);
}

/* q of class c in row r, times the class' weight */
static double chance_of(const struct tleg_loss_call *call, int64_t r, int64_t c) {
    const double weight = call->class_weights ? call->class_weights[c] : 1;
    if (call->targets)
        return weight * call->targets[r * call->classes + c];
    return weight * (call->smoothing / (double)call->classes + (c == call->labels[r] ? 1 - call->smoothing : 0));
}

/* d/dz of -sum q log softmax(z) = (sum q) softmax(z) - q */
static double cross_entropy(const struct tleg_loss_call *call) {
    const int64_t rows = call->rows, classes = call->classes;
    const double divisor = call->class_weights ? call->weight : (double)rows;
    double loss = 0;
    if (divisor == 0) /* no image weighs anything; what is no number goes on, to be seen in the loss */
        return 0;
    for (int64_t r = 0; r < rows; r++) {
        const float *z = call->logits + r * classes;
        double total = log_sum(classes, z, 1), mass = 0;
        for (int64_t c = 0; c < classes; c++) {
            double q = chance_of(call, r, c);
            mass += q;
            if (q != 0)
                loss -= q * (z[c] - total);
        }
        for (int64_t c = 0; call->dlogits && c < classes; c++)
            call->dlogits[r * classes + c] +=
                (float)(call->scale / divisor * (mass * exp(z[c] - total) - chance_of(call, r, c)));
    }
    return loss / divisor;
}

/* With p = softmax(./tau): d/dz_s of tau^2 KL(p_t || p_s) = tau (p_s - p_t) */
static double distillation(const struct tleg_loss_call *call) {
    const int64_t rows = call->rows, classes = call->classes;
    const double tau = call->tau, count = (double)rows * (double)classes;
    double loss = 0;
    for (int64_t r = 0; r < rows; r++) {
        const float *s = call->logits + r * classes, *t = call->targets + r * classes;
        double s_total = log_sum(classes, s, tau), t_total = log_sum(classes, t, tau);
        for (int64_t c = 0; c < classes; c++) {
            double log_s = s[c] / tau - s_total, log_t = t[c] / tau - t_total, p = exp(log_t);
            if (p != 0) /* 0 log 0 = 0 */
                loss += p * (log_t - log_s);
            if (call->dlogits)
                call->dlogits[r * classes + c] += (float)(call->scale * tau / count * (exp(log_s) - p));
        }
    }
    return tau * tau * loss / count;
}

static double squares(const struct tleg_loss_call *call) {
    const int64_t all = call->rows * call->classes;
    double loss = 0;
    for (int64_t i = 0; i < all; i++) {
        const double off = (double)call->logits[i] - (double)call->targets[i];
        loss += off * off;
        if (call->dlogits)
            call->dlogits[i] += (float)(call->scale * 2 * off / (double)all);
    }
    return loss / (double)all;
}

static const struct tleg_loss_row losses[TLEG_LOSSES] = {
    [TLEG_LOSS_CROSS_ENTROPY] = {"cross-entropy", TLEG_TARGETS_CLASSES, cross_entropy},
    [TLEG_LOSS_DISTILLATION] = {"distillation", TLEG_TARGETS_LOGITS, distillation},
    [TLEG_LOSS_SQUARES] = {"squares", TLEG_TARGETS_LOGITS, squares},
};

const struct tleg_loss_row *tleg_loss_get(enum tleg_loss_kind kind) {
    return &losses[kind];
}

double tleg_loss(enum tleg_loss_kind kind, const struct tleg_loss_call *call) {
    const int former = errno; /* exp() may set it on underflow */
    double loss = losses[kind].run(call);
    errno = former;
    return loss;
}
