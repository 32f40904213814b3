/* Included before each file of lib/ that clang-tidy reads: it looks at one file at a time, and does not see in another that the
 * status that goes into these comes out of them. */
#include "core/core.h"

void tleg_analysed_text(const char *format, ...);
#define tleg_error_set(error, status, ...) ((void)(error), tleg_analysed_text(__VA_ARGS__), (tleg_status)(status))
#define tleg_fail(context, status, ...) ((void)(context), tleg_analysed_text(__VA_ARGS__), (tleg_status)(status))
#define tleg_fail_memory(context, what, bytes)                                                                                 \
    ((void)(context), (void)(bytes), tleg_analysed_text(what), (tleg_status)TLEG_ERROR_MEMORY)
