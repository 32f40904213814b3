/* Lists of words. */
#include "core/core.h"

#include <string.h>

/* The length of the list's first word, and what follows it. */
static size_t next_word(const char *list, const char **rest) {
    const size_t length = strcspn(list, " ");
    *rest = list + length + (list[length] == ' ');
    return length;
}

bool tleg_list_has(const char *list, const char *word, size_t length) {
    for (const char *rest; *list && length > 0; list = rest)
        if (next_word(list, &rest) == length && memcmp(list, word, length) == 0)
            return true;
    return false;
}

bool tleg_list_begins(const char *list, const char *text) {
    for (const char *rest; *list; list = rest) {
        const size_t length = next_word(list, &rest);
        if (length > 0 && strncmp(list, text, length) == 0)
            return true;
    }
    return false;
}
