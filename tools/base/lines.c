/* Lines of a text in memory. */
#include "lines.h"

#include "text.h"
#include <stdlib.h>
#include <string.h>

static size_t count_lines(const char *text, size_t length) {
    size_t count = length > 0;
    for (size_t i = 0; i < length; i++)
        count += text[i] == '\n';
    return count;
}

/* Ends the line with a NUL; where the next one begins. */
static char *end_line(char *line, char *end) {
    char *newline = memchr(line, '\n', (size_t)(end - line)), *stop = newline ? newline : end;
    *stop = '\0';
    if (stop > line && stop[-1] == '\r')
        stop[-1] = '\0';
    return newline ? newline + 1 : end;
}

static int check_line(const struct invocation *call, const char *path, const char *line, size_t number, bool gaps) {
    if (!*line && !gaps)
        return tool_fail(call, "%s: line %zu is empty, with others after it; expected a name in each", path, number);
    if (!text_is_utf8(line))
        return tool_fail(call, "%s: line %zu, \"%s\", is not UTF-8", path, number, line);
    return EXIT_DONE;
}

int lines_cut(const struct invocation *call, const char *path, char *text, size_t length, bool gaps, struct lines *lines) {
    const char *nul = memchr(text, '\0', length);
    const size_t mark = length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    *lines = (struct lines){0};
    if (nul)
        return tool_fail(call, "%s: line %zu holds a NUL byte; expected lines of UTF-8 text", path,
                         count_lines(text, (size_t)(nul - text) + 1));
    for (text += mark, length -= mark; length > 0 && strchr("\r\n", text[length - 1]);)
        length--;
    const size_t count = count_lines(text, length);
    lines->items = malloc((count + 1) * sizeof *lines->items);
    if (!lines->items)
        return tool_fail_memory(call);
    int code = EXIT_DONE;
    for (char *line = text, *end = text + length; lines->count < count && code == EXIT_DONE;) {
        char *next = end_line(line, end);
        lines->items[lines->count++] = line;
        code = check_line(call, path, line, lines->count, gaps);
        line = next;
    }
    return code;
}
