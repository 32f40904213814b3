/* Softmax down the columns of a panel of scores (keys, nr): the queries lie side by side, so that nothing is summed across a
 * register, and a NaN stays in its query. The division is left to the product that follows. */
#include "kernels/scalar.h"
#include "kernels/table.h"

void tleg_portable_softmax(int64_t keys, int64_t cols, float *s, float *inverse) {
    enum { NR = TLEG_PORTABLE_NR };
    float most[NR], sum[NR] = {0};
    for (int64_t i = 0; i < keys; i++) /* whole rows make better vectors */
        for (int64_t j = cols; j < NR; j++)
            s[i * NR + j] = 0;
    for (int j = 0; j < NR; j++)
        most[j] = s[j];
    for (int64_t i = 1; i < keys; i++)
        for (int j = 0; j < NR; j++)
            most[j] = s[i * NR + j] > most[j] ? s[i * NR + j] : most[j];
    for (int64_t i = 0; i < keys; i++)
        for (int j = 0; j < NR; j++) {
            float e = tleg_exp_low(s[i * NR + j] - most[j]);
            s[i * NR + j] = e;
            sum[j] += e;
        }
    for (int j = 0; j < NR; j++)
        inverse[j] = 1.0F / sum[j];
}

void tleg_portable_softmax_backward(int64_t keys, int64_t cols, const float *inverse, float *p, float *dp) {
    enum { NR = TLEG_PORTABLE_NR };
    float mean[NR] = {0}; /* of dp, weighed by p */
    for (int64_t i = 0; i < keys; i++)
        for (int64_t j = 0; j < cols; j++) {
            p[i * NR + j] *= inverse[j];
            mean[j] += p[i * NR + j] * dp[i * NR + j];
        }
    for (int64_t i = 0; i < keys; i++)
        for (int64_t j = 0; j < cols; j++)
            dp[i * NR + j] = p[i * NR + j] * (dp[i * NR + j] - mean[j]);
}
