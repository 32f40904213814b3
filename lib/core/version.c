/* Who we are, what this build consists of, and what the statuses are called. */
#include "core/core.h"
#include "core/os.h"

#define TEXT_OF(x) #x
#define NUMBER(x) TEXT_OF(x)

#if defined(__x86_64__)
#define LEVELS " avx2 avx512 avx512bf16 amx"
#elif defined(__aarch64__)
#define LEVELS " neon"
#else
#define LEVELS ""
#endif

#ifndef TLEG_BLAS_NAME
#define TLEG_BLAS_NAME "none"
#endif

const char *TLEG_CALL tleg_build_info(void) {
    return "libtleg " NUMBER(TLEG_VERSION_MAJOR) "." NUMBER(TLEG_VERSION_MINOR) "." NUMBER(
        TLEG_VERSION_PATCH) "; levels portable" LEVELS "; blas " TLEG_BLAS_NAME
#if TLEG_THREADS
                            "; threads"
#endif
#if TLEG_FILES
                            "; files"
#endif
#if TLEG_MAPPINGS
                            "; mappings"
#endif
#if TLEG_TRAIN
                            "; train"
#endif
        ;
}

uint32_t TLEG_CALL tleg_version(void) {
    return TLEG_VERSION;
}

const char *TLEG_CALL tleg_status_name(tleg_status status) {
    static const char *const names[] = {"OK",          "ARGUMENT",  "MEMORY",  "IO",    "FORMAT",
                                        "UNSUPPORTED", "CANCELLED", "NUMERIC", "STATE", "NOT_FOUND"};
    const int32_t count = sizeof(names) / sizeof(names[0]);
    return status >= 0 && status < count ? names[status] : "UNKNOWN";
}
