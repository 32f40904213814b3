/* The BLAS that a build links (TLEG_BLAS=link), behind the type of one that a host hands over. */
#include "core/core.h"

#if TLEG_HAVE_BLAS
#include <cblas.h>

static void TLEG_CALL linked_sgemm(int32_t order, int32_t transpose_a, int32_t transpose_b, int32_t m, int32_t n, int32_t k,
                                   float alpha, const float *a, int32_t lda, const float *b, int32_t ldb, float beta, float *c,
                                   int32_t ldc) {
    cblas_sgemm((enum CBLAS_ORDER)order, (enum CBLAS_TRANSPOSE)transpose_a, (enum CBLAS_TRANSPOSE)transpose_b, m, n, k, alpha,
                a, lda, b, ldb, beta, c, ldc);
}

const struct tleg_blas tleg_blas_linked = {.sgemm = linked_sgemm};
#else
const struct tleg_blas tleg_blas_linked = {NULL, NULL};
#endif
