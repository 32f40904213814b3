/* Names that are there twice: where each stands for a class, neither says which. */
#include "label.h"

#include "tool.h"

#include <stddef.h>

struct twins {
    bool there;
    int32_t places[2];
};

static int find(const struct invocation *call, const char *const *names, int32_t count, struct twins *twins) {
    struct label_table table;
    const bool whole = label_table_make(names, count, &table);
    twins->there = whole && label_table_twins(&table, twins->places);
    label_table_free(&table);
    return whole ? EXIT_DONE : tool_fail_memory(call);
}

int label_need_unique(const struct invocation *call, const char *of, const char *const *names, int32_t count) {
    struct twins twins;
    const int code = find(call, names, count, &twins);
    if (code != EXIT_DONE || !twins.there)
        return code;
    return tool_fail(call, "%s: \"%s\" is the name of class %d and of class %d: expected a name of its own for each", of,
                     names[twins.places[0]], (int)twins.places[0], (int)twins.places[1]);
}

int label_note_twins(const struct invocation *call, const char *of, const char *const *names, int32_t count) {
    struct twins twins;
    const int code = find(call, names, count, &twins);
    if (code == EXIT_DONE && twins.there)
        tool_note(call, "%s: \"%s\" is the name of class %d and of class %d: only their numbers tell them apart", of,
                  names[twins.places[0]], (int)twins.places[0], (int)twins.places[1]);
    return code;
}
