/* Softmax down the columns of a panel of scores (keys, nr): the queries lie side by side, so that nothing is summed across a
 * register, and a NaN stays in its query. The division is left to the product that follows. */
#include "kernels/op/four.h"
#include "kernels/table.h"

enum { NR = TLEG_PORTABLE_NR };

static void softmax_four(int64_t keys, float *s, float *inverse) {
    four most = four_load(s), sum = {0};
    for (int64_t i = 1; i < keys; i++) {
        four x = four_load(s + i * NR);
        most = four_select(x > most, x, most);
    }
    for (int64_t i = 0; i < keys; i++) {
        four e = four_exp_low(four_load(s + i * NR) - most);
        four_store(s + i * NR, e);
        sum += e;
    }
    four_store(inverse, 1.0F / sum);
}

void tleg_portable_softmax(int64_t keys, int64_t cols, float *s, float *inverse) {
    for (int64_t j = 0; j < cols; j += 4)
        softmax_four(keys, s + j, inverse + j);
}

void tleg_portable_softmax_backward(int64_t keys, int64_t cols, const float *inverse, float *p, float *dp) {
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
