/* Class names, one a line. */
#include "labels.h"

#include "base/read_file.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 64 << 20 }; /* bytes: more is not a list of names */

/* Ends each line with a NUL and notes where the first `most` begin; the number of lines. The last one needs no newline. */
static size_t cut_lines(char *text, size_t length, const char **names, size_t most) {
    size_t lines = 0;
    for (char *line = text; line < text + length; lines++) {
        char *end = memchr(line, '\n', (size_t)(text + length - line));
        char *next = end ? end + 1 : text + length;
        if (!end)
            end = next;
        *end = '\0';
        if (end > line && end[-1] == '\r')
            end[-1] = '\0';
        if (lines < most)
            names[lines] = line;
        line = next;
    }
    return lines;
}

int labels_read(const struct invocation *call, const char *path, int32_t classes, struct labels *labels) {
    char reason[READ_REASON];
    size_t length;
    *labels = (struct labels){0};
    char *text = labels->text = (char *)read_file(path, LARGEST, &length, reason);
    if (!text)
        return tool_fail(call, "%s: %s", path, reason);
    if (memchr(text, '\0', length))
        return tool_fail(call, "%s: holds a NUL byte; expected class names, one a line", path);
    const char **names = malloc((size_t)classes * sizeof *names);
    labels->names = names;
    if (!names)
        return tool_fail_memory(call);
    size_t mark = length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    size_t lines = cut_lines(text + mark, length - mark, names, (size_t)classes);
    if (lines != (size_t)classes)
        return tool_fail(call, "%s: %zu lines; expected the names of %d classes, one a line", path, lines, (int)classes);
    for (int32_t i = 0; i < classes; i++)
        if (!text_is_utf8(names[i]))
            return tool_fail(call, "%s: line %d, \"%s\", is not UTF-8", path, (int)i + 1, names[i]);
    labels->count = classes;
    return EXIT_DONE;
}

void labels_free(struct labels *labels) {
    free((void *)(uintptr_t)labels->names);
    free(labels->text);
    *labels = (struct labels){0};
}
