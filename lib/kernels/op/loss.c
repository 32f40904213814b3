/* Losses on logits, each with its gradient. A row is C numbers: doubles cost nothing here. exp tells errno of a chance too
 * small for a number; the host's errno does not hear of it. */
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

/* d/dz of -sum q log softmax(z) = (sum q) softmax(z) - q */
double tleg_k_cross_entropy(int64_t rows, int64_t classes, const float *logits, const int64_t *labels, const float *targets,
                            double smoothing, double scale, float *dlogits) {
    const int former = errno;
    double loss = 0;
    for (int64_t r = 0; r < rows; r++) {
        const float *z = logits + r * classes;
        double total = log_sum(classes, z, 1), mass = 0;
        for (int64_t c = 0; c < classes; c++) {
            double q = targets ? targets[r * classes + c] : smoothing / (double)classes + (c == labels[r] ? 1 - smoothing : 0);
            mass += q;
            if (q != 0)
                loss -= q * (z[c] - total);
        }
        for (int64_t c = 0; dlogits && c < classes; c++) {
            double q = targets ? targets[r * classes + c] : smoothing / (double)classes + (c == labels[r] ? 1 - smoothing : 0);
            dlogits[r * classes + c] += (float)(scale / (double)rows * (mass * exp(z[c] - total) - q));
        }
    }
    errno = former;
    return loss / (double)rows;
}

/* With p = softmax(./tau): d/dz_s of tau^2 KL(p_t || p_s) = tau (p_s - p_t) */
double tleg_k_distillation(int64_t rows, int64_t classes, const float *student, const float *teacher, double tau, double scale,
                           float *dlogits) {
    const int former = errno;
    double loss = 0, count = (double)rows * (double)classes;
    for (int64_t r = 0; r < rows; r++) {
        const float *s = student + r * classes, *t = teacher + r * classes;
        double s_total = log_sum(classes, s, tau), t_total = log_sum(classes, t, tau);
        for (int64_t c = 0; c < classes; c++) {
            double log_s = s[c] / tau - s_total, log_t = t[c] / tau - t_total, p = exp(log_t);
            if (p != 0) /* 0 log 0 = 0 */
                loss += p * (log_t - log_s);
            if (dlogits)
                dlogits[r * classes + c] += (float)(scale * tau / count * (exp(log_s) - p));
        }
    }
    errno = former;
    return tau * tau * loss / count;
}
