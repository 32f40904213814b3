/* A text file's lines, as lists of names have them. */
#ifndef TLEG_TOOLS_LINES_H
#define TLEG_TOOLS_LINES_H

#include "tool.h"

struct lines {
    char **items;
    size_t count;
};

/* Cuts what read_file gave into lines of UTF-8, in place: without a byte order mark, ends of other systems, and empty lines
 * after the last. `gaps`: lines between may be empty; else the place of a line counts, and the first empty one is refused.
 * A NUL is, too. Returns an exit code; free(lines->items) is right after a failure too. */
int lines_cut(const struct invocation *call, const char *path, char *text, size_t length, bool gaps, struct lines *lines);

#endif
