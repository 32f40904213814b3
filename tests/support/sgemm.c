#include "support/sgemm.h"

#include <stdbool.h>
#include <stdlib.h>

static float dot(int64_t count, const float *x, const float *y) {
    enum { SUMS = 4 };
    float sum[SUMS] = {0};
    int64_t i = 0;
    for (; i + SUMS <= count; i += SUMS)
        for (int s = 0; s < SUMS; s++)
            sum[s] += x[i + s] * y[i + s];
    for (; i < count; i++)
        sum[0] += x[i] * y[i];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

void TLEG_CALL support_sgemm64(int32_t order, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k,
                               float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                               int64_t ldc) {
    const bool asked = order == 101 && transpose_a == 111 && transpose_b == 112 && alpha == 1 && beta == 0;
    if (!asked || m < 1 || n < 1 || k < 1 || lda < k || ldb < k || ldc < n)
        abort();
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            c[i * ldc + j] = dot(k, a + i * lda, b + j * ldb);
}

void TLEG_CALL support_sgemm(int32_t order, int32_t transpose_a, int32_t transpose_b, int32_t m, int32_t n, int32_t k,
                             float alpha, const float *a, int32_t lda, const float *b, int32_t ldb, float beta, float *c,
                             int32_t ldc) {
    support_sgemm64(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
