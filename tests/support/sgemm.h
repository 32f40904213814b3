/* The plainest BLAS: what suites hand to the library, so that every build tests products by a BLAS. */
#ifndef TLEG_TEST_SGEMM_H
#define TLEG_TEST_SGEMM_H

#include <tleg/core.h>

/* cblas_sgemm; ends the program if it is asked for anything but what <tleg/core.h> says the library asks for. */
void TLEG_CALL support_sgemm(int32_t order, int32_t transpose_a, int32_t transpose_b, int32_t m, int32_t n, int32_t k,
                             float alpha, const float *a, int32_t lda, const float *b, int32_t ldb, float beta, float *c,
                             int32_t ldc);
/* The same with wide integers: the same bits. */
void TLEG_CALL support_sgemm64(int32_t order, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k,
                               float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                               int64_t ldc);

#endif
