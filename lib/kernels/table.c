/* Which versions a context runs. */
#include "kernels/table.h"

#define PORTABLE                                                                                                               \
    .level = TLEG_LEVEL_PORTABLE, .name = "portable", .mr = TLEG_PORTABLE_MR, .nr = TLEG_PORTABLE_NR,                          \
    TLEG_EACH_OP(TLEG_OP_ROW, TLEG_OP_ROW, TLEG_OP_NONE, TLEG_OP_BACK_ROW, portable).activate = {                              \
        TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_ROW, portable)}

const struct tleg_kernels tleg_table_portable = {PORTABLE, TLEG_PANELS};
const struct tleg_kernels tleg_table_portable_blas = {PORTABLE, TLEG_CBLAS};

/* Of each level that the build has: the table, and that with a BLAS. */
#define TABLES_1(name) {&tleg_table_##name, &tleg_table_##name##_blas},
#define TABLES_0(name)
#define TABLES_IF(built, name) TABLES_##built(name)
#define TABLES_OF(built, name) TABLES_IF(built, name)
static const struct tleg_kernels *const tables[][2] = {
#define LEVEL(NAME, name, ...) TABLES_OF(TLEG_BUILD_##NAME, name)
#include "core/levels.def"
#undef LEVEL
};
enum { TABLES = sizeof tables / sizeof *tables };

static const struct tleg_kernels *table_of(int32_t level, bool blas) {
    for (int i = 0; i < TABLES; i++)
        if (tables[i][0]->level == level)
            return tables[i][blas];
    return NULL;
}

const struct tleg_kernels *tleg_kernels_find(int32_t level, int32_t gemm) {
    const bool best = level == TLEG_LEVEL_BEST;
    if (best)
        level = tleg_level_best();
    else if (!tleg_level_usable(level))
        return NULL;
    /* A machine for which we have no kernels of its own multiplies better with a BLAS that knows it. */
    return table_of(level, gemm == TLEG_GEMM_BLAS || (gemm == TLEG_GEMM_AUTO && best && level == TLEG_LEVEL_PORTABLE));
}

tleg_status tleg_kernels_of(tleg_context *context, const struct tleg_kernels **kernels) {
    if (!context->kernels) /* kept: to ask a processor what it can takes microseconds, more in a virtual machine */
        context->kernels =
            tleg_kernels_find(context->level, tleg_blas_is_there(&context->blas) ? context->gemm : TLEG_GEMM_OWN);
    *kernels = context->kernels;
    if (*kernels)
        return TLEG_OK;
    const char *name = tleg_level_name(context->level);
    return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "processor level %s (%d): this build or this machine has no such kernels",
                     name ? name : "unknown", (int)context->level);
}

int32_t tleg_kernels_level(const struct tleg_kernels *kernels) {
    return kernels->level;
}
