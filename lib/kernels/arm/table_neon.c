/* The tables of level neon. */
#include "kernels/arm/neon.h"

#if defined(__aarch64__)

#define NEON                                                                                                                   \
    .level = TLEG_LEVEL_NEON, .name = "neon", .mr = TLEG_NEON_MR, .nr = TLEG_NEON_NR,                                          \
    TLEG_EACH_OP(TLEG_OP_ROW, TLEG_OP_ROW, TLEG_OP_NONE, TLEG_OP_BACK_ROW, neon).activate = {                                  \
        TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_ROW, neon)}

const struct tleg_kernels tleg_table_neon = {NEON, TLEG_PANELS};
const struct tleg_kernels tleg_table_neon_blas = {NEON, TLEG_CBLAS};

#endif
