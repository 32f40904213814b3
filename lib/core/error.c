/* Error texts, held in place by the handle that failed, and the log. */
#include "core/core.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = sizeof(((struct tleg_error *)0)->text) };

/* Shortens a text of `length` bytes whose end may lie inside a UTF-8 character to whole characters. */
static size_t whole_characters(const char *text, size_t length) {
    size_t start = length;
    while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return length;
    const unsigned char lead = (unsigned char)text[start - 1];
    const size_t needed = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return needed > length - start + 1 ? start - 1 : length;
}

void tleg_text_cut(const char *text, char *out, size_t bytes) {
    size_t length = strlen(text);
    if (length >= bytes)
        length = whole_characters(text, bytes - 1);
    memcpy(out, text, length);
    out[length] = '\0';
}

/* The raw text, in which each byte that is not UTF-8 stands as \xNN, cut at a whole character. */
static void escape(char text[TEXT_SIZE], const char *raw) {
    static const char digits[] = "0123456789abcdef";
    size_t at = 0, left = strlen(raw);
    while (left > 0) {
        const size_t step = tleg_utf8_step((const unsigned char *)raw, left), room = step ? step : 4;
        if (at + room >= TEXT_SIZE)
            break;
        const unsigned char byte = (unsigned char)*raw;
        if (step)
            memcpy(text + at, raw, step);
        else
            memcpy(text + at, (const char[4]){'\\', 'x', digits[byte >> 4], digits[byte & 15]}, 4);
        at += room;
        raw += step ? step : 1;
        left -= step ? step : 1;
    }
    text[at] = '\0';
}

static void format_text(char text[TEXT_SIZE], const char *format, va_list arguments) TLEG_PRINTF(2, 0);
static void format_text(char text[TEXT_SIZE], const char *format, va_list arguments) {
    char raw[TEXT_SIZE];
    const int written = vsnprintf(raw, TEXT_SIZE, format, arguments);
    if (written < 0)
        raw[0] = '\0';
    else if (written >= TEXT_SIZE)
        raw[whole_characters(raw, TEXT_SIZE - 1)] = '\0';
    escape(text, raw);
}

static void set_text(struct tleg_error *error, tleg_status status, const char *format, va_list arguments) TLEG_PRINTF(3, 0);
static void set_text(struct tleg_error *error, tleg_status status, const char *format, va_list arguments) {
    char text[TEXT_SIZE]; /* apart, because an argument may be the former text */
    format_text(text, format, arguments);
    error->status = status;
    error->os_error = 0;
    memcpy(error->text, text, sizeof(text));
}

tleg_status tleg_error_set(struct tleg_error *error, tleg_status status, const char *format, ...) {
    if (!error)
        return status;
    va_list arguments;
    va_start(arguments, format);
    set_text(error, status, format, arguments);
    va_end(arguments);
    return status;
}

tleg_status tleg_fail(tleg_context *context, tleg_status status, const char *format, ...) {
    if (!context)
        return status;
    va_list arguments;
    va_start(arguments, format);
    set_text(&context->error, status, format, arguments);
    va_end(arguments);
    return status;
}

tleg_status tleg_fail_system(tleg_context *context, int number, const char *format, ...) {
    const tleg_status status = number == ENOENT ? TLEG_ERROR_NOT_FOUND : TLEG_ERROR_IO;
    if (!context)
        return status;
    va_list arguments;
    va_start(arguments, format);
    set_text(&context->error, status, format, arguments);
    va_end(arguments);
    context->error.os_error = number;
    return status;
}

tleg_status tleg_fail_memory(tleg_context *context, const char *what, size_t bytes) {
    if (bytes == SIZE_MAX)
        return tleg_fail(context, TLEG_ERROR_MEMORY, "%s: its size does not fit in memory", what);
    return tleg_fail(context, TLEG_ERROR_MEMORY, "%s: out of memory (%zu bytes)", what, bytes);
}

tleg_status tleg_fail_number(tleg_context *context, const char *member, const char *expected, double found) {
    char text[TLEG_NUMBER_TEXT] = "a number that is not finite";
    if (isfinite(found))
        tleg_number_format(found, text);
    return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: expected %s, found %s", member, expected, text);
}

void tleg_log(const tleg_context *context, const char *format, ...) {
    if (!context || !context->log)
        return;
    char text[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    format_text(text, format, arguments);
    va_end(arguments);
    context->log(context->log_host, text);
}
