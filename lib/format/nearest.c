/* "Did you mean": the name in a file that is most like one that is not there. */
#include "format/private.h"

#include <string.h>

enum { LONGEST = 255, LIMIT = 8 }; /* longer names are not compared; more changes are not alike */

static size_t lesser(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Levenshtein's distance of a[0..m) and b[0..n), one row at a time; `limit` + 1 or more when it is above limit.
 * row[j] = distance(a[0..i), b[0..j)). */
static size_t distance(const char *a, size_t m, const char *b, size_t n, size_t limit) {
    uint16_t row[LONGEST + 1];
    for (size_t j = 0; j <= n; j++)
        row[j] = (uint16_t)j;
    for (size_t i = 1; i <= m; i++) {
        size_t diagonal = row[0], least = i;
        row[0] = (uint16_t)i;
        for (size_t j = 1; j <= n; j++) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = (uint16_t)lesser(changed, lesser(diagonal, row[j - 1]) + 1);
            least = lesser(least, row[j]);
        }
        if (least > limit)
            return least;
    }
    return row[n];
}

/* Whether `longer` is "prefix." and then `shorter`. */
static bool is_prefixed(const char *longer, size_t longer_length, const char *shorter, size_t shorter_length) {
    return shorter_length > 0 && longer_length > shorter_length && longer[longer_length - shorter_length - 1] == '.' &&
           memcmp(longer + (longer_length - shorter_length), shorter, shorter_length) == 0;
}

/* The distance; a prefix such as "module." counts as one change. */
static size_t unlikeness(const char *a, size_t m, const char *b, size_t n, size_t limit) {
    if (is_prefixed(a, m, b, n) || is_prefixed(b, n, a, m))
        return 1;
    if (m > LONGEST || n > LONGEST || (m > n ? m - n : n - m) > limit)
        return limit + 1;
    while (m > 0 && n > 0 && a[m - 1] == b[n - 1])
        m--, n--;
    for (; m > 0 && n > 0 && *a == *b; a++, b++)
        m--, n--;
    return distance(a, m, b, n, limit);
}

const char *tleg_file_nearest(const tleg_file *file, const char *name) {
    const char *best = NULL;
    size_t length = strlen(name), limit = lesser((length + 2) / 3, LIMIT);
    for (size_t i = 0; i < file->entry_count && limit > 0; i++) {
        const char *other = file->entries[i].name;
        size_t found = unlikeness(name, length, other, strlen(other), limit);
        if (found <= limit) {
            best = other;
            limit = found - (found > 0); /* the first of equals stays */
        }
    }
    return best;
}
