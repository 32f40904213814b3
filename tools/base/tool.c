#include "tool.h"

#include "options.h"
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { MESSAGE = 8192 };

/* A file's or a label's name may hold anything: what would move a terminal's cursor or begin a line of its own is shown as `?`.
 */
static void shape(char text[MESSAGE], const char *format, va_list arguments) {
    vsnprintf(text, MESSAGE, format, arguments);
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            *text = '?';
}

static void say(const struct call *call, const char *kind, const char *format, va_list arguments) {
    char text[MESSAGE];
    shape(text, format, arguments);
    fflush(stdout);
    fprintf(stderr, "tleg: %s: %s%s\n", call->verb->name, kind, text);
}

void tool_line(const char *format, ...) {
    char text[MESSAGE];
    va_list arguments;
    va_start(arguments, format);
    shape(text, format, arguments);
    va_end(arguments);
    puts(text);
}

int tool_fail(const struct call *call, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(call, "", format, arguments);
    va_end(arguments);
    return EXIT_FAILED;
}

int tool_misuse(const struct call *call, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(call, "", format, arguments);
    va_end(arguments);
    fprintf(stderr, "usage: %s\n(tleg %s --help says more)\n", call->verb->usage, call->verb->name);
    return EXIT_MISUSE;
}

void tool_note(const struct call *call, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(call, "note: ", format, arguments);
    va_end(arguments);
}

int tool_fail_context(const struct call *call, const tleg_context *context) {
    const char *text = tleg_context_get_error(context);
    return tool_fail(call, "%s", *text ? text : "failed without a reason given");
}

int tool_fail_memory(const struct call *call) {
    return tool_fail(call, "out of memory");
}

static void TLEG_CALL on_log(void *host, const char *text) {
    tool_note((const struct call *)host, "%s", text);
}

static int say_levels(const struct call *call) {
    char found[128] = "";
    size_t length = 0;
    const char *name;
    for (int32_t i = 0; tleg_cpu_level(i, &name) != 0 && length < sizeof found; i++)
        length += (size_t)snprintf(found + length, sizeof found - length, "%s%s", i ? ", " : "", name);
    return tool_fail(call, "--level %s: not on this machine, which has %s", tool_level_name(call->level), found);
}

tleg_context *tool_context(const struct call *call) {
    return tool_context_with(call, &(tleg_context_options){0});
}

tleg_context *tool_context_with(const struct call *call, const tleg_context_options *own) {
    tleg_context *context = NULL;
    tleg_context_options options = *own;
    options.struct_size = sizeof options;
    options.level = call->level;
    options.workers = call->threads;
    options.log = on_log;
    options.log_host = (void *)(uintptr_t)call;
    tleg_status status = tleg_context_create(&options, &context);
    if (status == TLEG_ERROR_UNSUPPORTED && call->level != TLEG_LEVEL_BEST)
        say_levels(call);
    else if (status == TLEG_ERROR_MEMORY)
        tool_fail(call, "%d threads: out of memory, or the system starts no more", (int)call->threads);
    else if (status != TLEG_OK)
        tool_fail(call, "cannot start the library: %s", tleg_status_name(status));
    return context;
}

const char *tool_level_name(int32_t level) {
    const char *name = option_choice_name(option_levels, level);
    return name ? name : "unknown";
}

const char *tool_dtype_name(int32_t dtype) {
    static const char *const names[] = {"unknown", "f32", "f16", "bf16", "f64", "i64", "i32", "u8"};
    return names[dtype >= TLEG_F32 && dtype <= TLEG_U8 ? dtype : 0];
}

double tool_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}
