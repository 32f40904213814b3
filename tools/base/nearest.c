#include "nearest.h"

#include <string.h>

enum { LONGEST = 63 }; /* longer words are not compared */

static size_t lesser(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Levenshtein's distance of a[0..m) and b[0..n), one row at a time: row[j] is that of a[0..i) and b[0..j). */
static size_t distance(const char *a, size_t m, const char *b, size_t n) {
    size_t row[LONGEST + 1];
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = lesser(changed, lesser(diagonal, row[j - 1]) + 1);
        }
    }
    return row[n];
}

void nearest_offer(struct nearest *best, const char *wanted, size_t length, const char *offered) {
    const size_t size = strlen(offered), most = best->word ? best->changes - 1 : length / 3;
    if (length > LONGEST || size > LONGEST || (best->word && best->changes == 0))
        return;
    const size_t changes = distance(wanted, length, offered, size);
    if (changes <= most)
        *best = (struct nearest){.word = offered, .changes = changes};
}
