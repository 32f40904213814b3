/* Class names from a text file, one a line. */
#ifndef TLEG_TOOLS_LABELS_H
#define TLEG_TOOLS_LABELS_H

#include "base/tool.h"

struct labels {
    const char *const *names;
    int32_t count;
    char *text; /* holds the names */
};

/* Reads exactly `classes` names, as lines_cut has them, none of them empty. Returns an exit code; labels_free is right after a
 * failure too. */
int labels_read(const struct invocation *call, const char *path, int32_t classes, struct labels *labels);
void labels_free(struct labels *labels);

/* Labels as a user writes them, for what draws: "cat,dog" or "3,5", each a name of the configuration's or a number; "any", the
 * null label, if there is one; "all", each in turn. Names come before these two words, and before numbers. */
struct chosen_labels {
    int64_t *labels; /* of malloc */
    int32_t count;
};
/* Returns an exit code; free(chosen->labels) is right after a failure too. */
int labels_choose(const struct invocation *call, const char *path, const tleg_config *config, const char *text,
                  struct chosen_labels *chosen);
/* The name of a label, or its number; "any" for the null label. */
enum { LABEL_SHOWN = 64 };
const char *labels_show(const tleg_config *config, int64_t label, char text[LABEL_SHOWN]);

#endif
