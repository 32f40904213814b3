/* The library's context, made as a verb was called. */
#include "context.h"

static void TLEG_CALL on_log(void *host, const char *text) {
    tool_note((const struct invocation *)host, "%s", text);
}

static const char *level_name(int32_t level) {
    const char *name;
    int32_t found;
    for (int32_t i = 0; (found = tleg_cpu_level(i, &name)) != 0; i++)
        if (found == level)
            return name;
    return "best";
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
    tleg_status status = tleg_context_create(&options, &context);
    if (status == TLEG_ERROR_UNSUPPORTED && call->level != TLEG_LEVEL_BEST)
        tool_fail(call, "--level %s: the system does not let this process use it", level_name(call->level));
    else if (status == TLEG_ERROR_MEMORY)
        tool_fail(call, "%d thread%s: out of memory, or the system refuses to start that many", (int)call->threads,
                  call->threads == 1 ? "" : "s");
    else if (status != TLEG_OK)
        tool_fail(call, "cannot start the library: %s", tleg_status_name(status));
    return context;
}
