/* The tables of level neon. */
#include "kernels/arm/neon.h"

#if defined(__aarch64__)

#define NEON_OPS                                                                                                               \
    .level = TLEG_LEVEL_NEON, .name = "neon", .mr = TLEG_NEON_MR, .nr = TLEG_NEON_NR, .tile = tleg_neon_tile,                  \
    .transpose = tleg_neon_transpose, .softmax = tleg_neon_softmax, .layernorm = tleg_neon_layernorm,                          \
    .expand = tleg_neon_expand, .widen = tleg_neon_widen

#define NEON_BACKWARD                                                                                                          \
    .copy = tleg_neon_copy, .sum_rows = tleg_neon_sum_rows, .accumulate = tleg_neon_accumulate,                                \
    .activate = {TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_ROW, neon)}, .softmax_backward = tleg_neon_softmax_backward,               \
    .layernorm_backward = tleg_neon_layernorm_backward

const struct tleg_kernels tleg_table_neon = {NEON_OPS, NEON_BACKWARD, TLEG_PANELS};
#if TLEG_HAVE_BLAS
const struct tleg_kernels tleg_table_neon_blas = {NEON_OPS, NEON_BACKWARD, TLEG_CBLAS};
#endif

#endif
