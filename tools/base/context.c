/* The library's context, made as a verb was called. */
#include "context.h"
#include "blas.h"

#include <stdio.h>

static void TLEG_CALL on_log(void *host, const char *text) {
    tool_note((const struct invocation *)host, "%s", text);
}

int tool_refuse_level(const struct invocation *call) {
    char has[128] = "";
    const char *name;
    size_t length = 0;
    for (int32_t i = 0; length < sizeof has && tleg_cpu_level(i, &name) != 0; i++)
        length += (size_t)snprintf(has + length, sizeof has - length, "%s%s", i ? ", " : "", name);
    return tool_fail(call, "--level %s: this build and machine have %s", tleg_level_name(call->level), has);
}

/* Where only that can be faster. */
static bool has_portable_kernels_alone(void) {
    return tleg_cpu_level(1, NULL) == 0;
}

/* The BLAS that the call asks for; or one that would serve better than what is there, if it can be had. */
static bool choose_gemm(const struct invocation *call, tleg_context_options *options) {
    char why[BLAS_TEXT];
    options->gemm = call->gemm;
    if (call->gemm == TLEG_GEMM_BLAS && !blas_offer(options, why)) {
        tool_fail(call, "--gemm blas: %s", why);
        return false;
    }
    if (call->gemm == TLEG_GEMM_AUTO && call->level == TLEG_LEVEL_BEST && has_portable_kernels_alone())
        blas_offer(options, why);
    return true;
}

tleg_context *tool_context(const struct invocation *call) {
    return tool_context_with(call, &(tleg_context_options){0});
}

tleg_context *tool_context_with(const struct invocation *call, const tleg_context_options *own) {
    tleg_context *context = NULL;
    tleg_context_options options = *own;
    options.struct_size = sizeof options;
    options.level = call->level;
    options.workers = call->threads;
    options.log = on_log;
    options.log_host = (void *)(uintptr_t)call;
    if (!choose_gemm(call, &options))
        return NULL;
    char text[256];
    options.error_text = text;
    options.error_text_bytes = sizeof text;
    tleg_status status = tleg_context_create(&options, &context);
    if (status == TLEG_ERROR_UNSUPPORTED && call->level != TLEG_LEVEL_BEST)
        tool_refuse_level(call);
    else if (status != TLEG_OK)
        tool_fail(call, "%s", text);
    return context;
}
