/* Class names from a text file, one a line. */
#ifndef TLEG_TOOLS_LABELS_H
#define TLEG_TOOLS_LABELS_H

#include "base/tool.h"

struct labels {
    const char *const *names;
    int32_t count;
    char *text; /* holds the names */
};

/* Reads exactly `classes` names: UTF-8, a byte order mark and carriage returns dropped. Returns an exit code; labels_free is
 * right after a failure too. */
int labels_read(const struct invocation *call, const char *path, int32_t classes, struct labels *labels);
void labels_free(struct labels *labels);

#endif
