/* Who we are, what this build consists of, and what the statuses are called. */
#include "core/core.h"
#include "core/os.h"

#define TEXT_OF(x) #x
#define NUMBER(x) TEXT_OF(x)

/* " avx2" for each level that this build has */
#define NAME_IF_0(name) ""
#define NAME_IF_1(name) " " #name
#define NAME_IF(built, name) NAME_IF_BUILT(built, name)
#define NAME_IF_BUILT(built, name) NAME_IF_##built(name)
#define LEVEL(NAME, name, ...) NAME_IF(TLEG_BUILD_##NAME, name)

#ifndef TLEG_BLAS_NAME
#define TLEG_BLAS_NAME "none"
#endif

const char *TLEG_CALL tleg_build_info(void) {
    return "libtleg " NUMBER(TLEG_VERSION_MAJOR) "." NUMBER(TLEG_VERSION_MINOR) "." NUMBER(
        TLEG_VERSION_PATCH) "; levels"
#include "core/levels.def"
                            "; blas " TLEG_BLAS_NAME
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
