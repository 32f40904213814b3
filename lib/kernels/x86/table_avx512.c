/* The tables of level avx512. */
#if defined(__x86_64__)
#include "kernels/x86/avx512.h"

#define AVX512_OPS                                                                                                             \
    .level = TLEG_LEVEL_AVX512, .name = "avx512", .mr = TLEG_AVX512_MR, .nr = TLEG_AVX512_NR, .tile = tleg_avx512_tile,        \
    .transpose = tleg_avx512_transpose, .softmax = tleg_avx512_softmax, .layernorm = tleg_avx512_layernorm,                    \
    .gelu = tleg_avx512_gelu, .expand = tleg_avx512_expand, .widen = tleg_avx512_widen

#define AVX512_BACKWARD                                                                                                        \
    .copy = tleg_avx512_copy, .sum_rows = tleg_avx512_sum_rows, .accumulate = tleg_avx512_accumulate,                          \
    .gelu_backward = tleg_avx512_gelu_backward, .softmax_backward = tleg_avx512_softmax_backward,                              \
    .layernorm_backward = tleg_avx512_layernorm_backward

const struct tleg_kernels tleg_table_avx512 = {AVX512_OPS, AVX512_BACKWARD, TLEG_PANELS};
#if TLEG_HAVE_BLAS
const struct tleg_kernels tleg_table_avx512_blas = {AVX512_OPS, AVX512_BACKWARD, TLEG_CBLAS};
#endif

#else
typedef int tleg_no_table_avx512; /* a file with nothing in it is no C */
#endif
