/* What a verb says, and how it fails. */
#include "tool.h"

#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE = 8192 };

/* What a terminal would obey is not shown as it is. */
static void shape(char shown[MESSAGE], const char *format, va_list arguments) {
    char text[MESSAGE];
    vsnprintf(text, MESSAGE, format, arguments);
    text_show(text, shown, MESSAGE);
}

static void say(const struct invocation *call, const char *kind, const char *format, va_list arguments) {
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

int tool_fail(const struct invocation *call, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(call, "", format, arguments);
    va_end(arguments);
    return EXIT_FAILED;
}

int tool_misuse(const struct invocation *call, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(call, "", format, arguments);
    va_end(arguments);
    fprintf(stderr, "usage: %s\n(tleg %s --help says more)\n", call->verb->usage, call->verb->name);
    return EXIT_MISUSE;
}

void tool_note(const struct invocation *call, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(call, "note: ", format, arguments);
    va_end(arguments);
}

int tool_fail_context(const struct invocation *call, const tleg_context *context) {
    const char *text = tleg_context_get_error(context);
    return tool_fail(call, "%s", *text ? text : "failed without a reason given");
}

int tool_fail_memory(const struct invocation *call) {
    return tool_fail(call, "out of memory");
}

const char *tool_dtype_name(int32_t dtype) {
    static const char *const names[] = {"unknown", "f32", "f16", "bf16", "f64", "i64", "i32", "u8"};
    return names[dtype >= TLEG_F32 && dtype <= TLEG_U8 ? dtype : 0];
}

void tool_shape(const tleg_tensor_info *info, char *text, size_t size) {
    size_t length = (size_t)snprintf(text, size, "%s [", tool_dtype_name(info->dtype));
    for (int32_t i = 0; i < info->rank && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%" PRId64, i ? "," : "", info->shape[i]);
    if (length < size)
        snprintf(text + length, size - length, "]");
}
