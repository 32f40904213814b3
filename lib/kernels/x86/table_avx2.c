/* The tables of level avx2. */
#include "kernels/x86/avx2.h"

#if defined(__x86_64__)

#define AVX2                                                                                                                   \
    .level = TLEG_LEVEL_AVX2, .name = "avx2", .mr = TLEG_AVX2_MR, .nr = TLEG_AVX2_NR,                                          \
    TLEG_EACH_OP(TLEG_OP_ROW, TLEG_OP_ROW, TLEG_OP_ROW, TLEG_OP_BACK_ROW, avx2).activate = {                                   \
        TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_ROW, avx2)}

const struct tleg_kernels tleg_table_avx2 = {AVX2, TLEG_PANELS};
const struct tleg_kernels tleg_table_avx2_blas = {AVX2, TLEG_CBLAS};

#endif
