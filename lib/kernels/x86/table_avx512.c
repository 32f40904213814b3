/* The tables of level avx512, and of those that multiply bf16 besides. */
#include "kernels/x86/avx512bf16.h"

#if defined(__x86_64__)

/* All but what the levels after it have of their own. */
#define SHARED                                                                                                                 \
    .mr = TLEG_AVX512_MR, .nr = TLEG_AVX512_NR,                                                                                \
    TLEG_EACH_OP(TLEG_OP_ROW, TLEG_OP_NONE, TLEG_OP_ROW, TLEG_OP_BACK_ROW, avx512).activate = {                                \
        TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_ROW, avx512)}
#define AVX512                                                                                                                 \
    .level = TLEG_LEVEL_AVX512, .name = "avx512",                                                                              \
    TLEG_EACH_OP(TLEG_OP_NONE, TLEG_OP_ROW, TLEG_OP_NONE, TLEG_OP_NONE, avx512) SHARED
#define AVX512BF16                                                                                                             \
    .level = TLEG_LEVEL_AVX512BF16, .name = "avx512bf16",                                                                      \
    TLEG_EACH_OP(TLEG_OP_NONE, TLEG_OP_ROW, TLEG_OP_NONE, TLEG_OP_NONE, avx512bf16) SHARED
#define AMX                                                                                                                    \
    .level = TLEG_LEVEL_AMX, .name = "amx",                                                                                    \
    TLEG_EACH_OP(TLEG_OP_NONE, TLEG_OP_ROW, TLEG_OP_NONE, TLEG_OP_NONE, avx512bf16) SHARED

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
const struct tleg_kernels tleg_table_avx512_blas = {AVX512, TLEG_CBLAS};
const struct tleg_kernels tleg_table_avx512bf16_blas = {AVX512BF16, TLEG_CBLAS};
const struct tleg_kernels tleg_table_amx_blas = {AMX, TLEG_CBLAS};

#endif
