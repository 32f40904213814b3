/* The tables of level avx2. */
#include "kernels/x86/avx2.h"

#if defined(__x86_64__)

#define AVX2_OPS                                                                                                               \
    .level = TLEG_LEVEL_AVX2, .name = "avx2", .mr = TLEG_AVX2_MR, .nr = TLEG_AVX2_NR, .tile = tleg_avx2_tile,                  \
    .transpose = tleg_avx2_transpose, .softmax = tleg_avx2_softmax, .layernorm = tleg_avx2_layernorm,                          \
    .expand = tleg_avx2_expand, .stream = tleg_avx2_stream, .widen = tleg_avx2_widen

#define AVX2_BACKWARD                                                                                                          \
    .copy = tleg_avx2_copy, .sum_rows = tleg_avx2_sum_rows, .accumulate = tleg_avx2_accumulate,                                \
    .activate = {TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_ROW, avx2)}, .softmax_backward = tleg_avx2_softmax_backward,               \
    .layernorm_backward = tleg_avx2_layernorm_backward

const struct tleg_kernels tleg_table_avx2 = {AVX2_OPS, AVX2_BACKWARD, TLEG_PANELS};
#if TLEG_HAVE_BLAS
const struct tleg_kernels tleg_table_avx2_blas = {AVX2_OPS, AVX2_BACKWARD, TLEG_CBLAS};
#endif

#endif
