/* Which versions a context runs. */
#include "kernels/table.h"

#define PORTABLE_OPS                                                                                                           \
    .level = TLEG_LEVEL_PORTABLE, .name = "portable", .mr = TLEG_PORTABLE_MR, .nr = TLEG_PORTABLE_NR,                          \
    .tile = tleg_portable_tile, .transpose = tleg_portable_transpose, .softmax = tleg_portable_softmax,                        \
    .layernorm = tleg_portable_layernorm, .expand = tleg_portable_expand, .widen = tleg_portable_widen
#define PORTABLE_BACKWARD                                                                                                      \
    .copy = tleg_portable_copy, .sum_rows = tleg_portable_sum_rows, .accumulate = tleg_portable_accumulate,                    \
    .activate = {TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_ROW, portable)}, .softmax_backward = tleg_portable_softmax_backward,       \
    .layernorm_backward = tleg_portable_layernorm_backward

const struct tleg_kernels tleg_table_portable = {PORTABLE_OPS, PORTABLE_BACKWARD, TLEG_PANELS};
#if TLEG_HAVE_BLAS
const struct tleg_kernels tleg_table_portable_blas = {PORTABLE_OPS, PORTABLE_BACKWARD, TLEG_CBLAS};
#endif

#if TLEG_HAVE_BLAS
#define TABLES_OF(level) &tleg_table_##level, &tleg_table_##level##_blas
#else
#define TABLES_OF(level) &tleg_table_##level
#endif
static const struct tleg_kernels *const tables[] = {
    TABLES_OF(portable),
#if TLEG_BUILD_AVX2
    TABLES_OF(avx2),
#endif
#if TLEG_BUILD_AVX512
    TABLES_OF(avx512),
#endif
#if TLEG_BUILD_AVX512BF16
    TABLES_OF(avx512bf16),
#endif
#if TLEG_BUILD_AMX
    TABLES_OF(amx),
#endif
#if TLEG_BUILD_NEON
    TABLES_OF(neon),
#endif
};
enum { TABLES = sizeof tables / sizeof *tables };

static const struct tleg_kernels *table_of(int32_t level, bool blas) {
    for (int i = 0; i < TABLES; i++)
        if (tables[i]->level == level && (tables[i]->gemm == TLEG_GEMM_BLAS) == blas)
            return tables[i];
    return NULL;
}

const struct tleg_kernels *tleg_kernels_find(int32_t level, int32_t gemm) {
    const bool best = level == TLEG_LEVEL_BEST;
    if (best)
        level = tleg_level_best();
    else if (!tleg_level_usable(level))
        return NULL;
    /* A machine for which we have no kernels of its own multiplies better with a BLAS that knows it. */
    const struct tleg_kernels *blas = table_of(level, true);
    if (gemm == TLEG_GEMM_BLAS || (gemm == TLEG_GEMM_AUTO && best && level == TLEG_LEVEL_PORTABLE && blas))
        return blas;
    return table_of(level, false);
}

tleg_status tleg_kernels_of(tleg_context *context, const struct tleg_kernels **kernels) {
    *kernels = tleg_kernels_find(context->level, context->gemm);
    if (*kernels)
        return TLEG_OK;
    if (context->gemm == TLEG_GEMM_BLAS && tleg_kernels_find(context->level, TLEG_GEMM_OWN))
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "matrix products by cblas: this library was built without a BLAS");
    const char *name = tleg_level_name(context->level);
    return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "processor level %s (%d): this build or this machine has no such kernels",
                     name ? name : "unknown", (int)context->level);
}

int32_t tleg_kernels_level(const struct tleg_kernels *kernels) {
    return kernels->level;
}
