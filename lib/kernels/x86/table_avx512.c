/* The tables of level avx512, and of those that multiply bf16 besides. */
#include "kernels/x86/avx512bf16.h"

#if defined(__x86_64__)

#define AVX512_OPS                                                                                                             \
    .mr = TLEG_AVX512_MR, .nr = TLEG_AVX512_NR, .tile = tleg_avx512_tile, .transpose = tleg_avx512_transpose,                  \
    .softmax = tleg_avx512_softmax, .layernorm = tleg_avx512_layernorm, .stream = tleg_avx512_stream,                          \
    .widen = tleg_avx512_widen

#define AVX512_BACKWARD                                                                                                        \
    .copy = tleg_avx512_copy, .sum_rows = tleg_avx512_sum_rows, .accumulate = tleg_avx512_accumulate,                          \
    .activate = {TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_ROW, avx512)}, .softmax_backward = tleg_avx512_softmax_backward,           \
    .layernorm_backward = tleg_avx512_layernorm_backward

#define AVX512 .level = TLEG_LEVEL_AVX512, .name = "avx512", .expand = tleg_avx512_expand, AVX512_OPS, AVX512_BACKWARD
#define AVX512BF16                                                                                                             \
    .level = TLEG_LEVEL_AVX512BF16, .name = "avx512bf16", .expand = tleg_avx512bf16_expand, AVX512_OPS, AVX512_BACKWARD
#define AMX .level = TLEG_LEVEL_AMX, .name = "amx", .expand = tleg_avx512bf16_expand, AVX512_OPS, AVX512_BACKWARD

#define CONVERSIONS                                                                                                            \
    .dtype = TLEG_BF16, .per_step = 2, .pack = tleg_avx512bf16_pack, .interleave_f32 = tleg_avx512bf16_interleave_f32,         \
    .interleave_narrow = tleg_avx512bf16_interleave_narrow, .transpose_steps = tleg_avx512bf16_transpose_steps,                \
    .softmax = tleg_avx512bf16_softmax

static const struct tleg_narrow avx512bf16 = {
    .mr = TLEG_AVX512_MR, .nr = TLEG_AVX512_NR, .unit = 1, .tile = tleg_avx512bf16_tile, CONVERSIONS};
static const struct tleg_narrow amx = {
    .mr = TLEG_AMX_MR, .nr = TLEG_AVX512_NR, .unit = TLEG_AMX_UNIT, .tile = tleg_amx_tile, CONVERSIONS};

const struct tleg_kernels tleg_table_avx512 = {AVX512, TLEG_PANELS};
const struct tleg_kernels tleg_table_avx512bf16 = {AVX512BF16, .narrow = &avx512bf16, TLEG_PANELS};
const struct tleg_kernels tleg_table_amx = {AMX, .narrow = &amx, TLEG_PANELS};
#if TLEG_HAVE_BLAS
const struct tleg_kernels tleg_table_avx512_blas = {AVX512, TLEG_CBLAS};
const struct tleg_kernels tleg_table_avx512bf16_blas = {AVX512BF16, TLEG_CBLAS};
const struct tleg_kernels tleg_table_amx_blas = {AMX, TLEG_CBLAS};
#endif

#endif
