/* Who we are, and what the statuses are called. */
#include "core/core.h"

uint32_t TLEG_CALL tleg_version(void) {
    return TLEG_VERSION;
}

const char *TLEG_CALL tleg_status_name(tleg_status status) {
    static const char *const names[] = {"OK",          "ARGUMENT",  "MEMORY",  "IO",    "FORMAT",
                                        "UNSUPPORTED", "CANCELLED", "NUMERIC", "STATE", "NOT_FOUND"};
    const int32_t count = sizeof(names) / sizeof(names[0]);
    return status >= 0 && status < count ? names[status] : "UNKNOWN";
}
