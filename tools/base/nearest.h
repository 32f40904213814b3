/* "Did you mean": the word that is most like one that is not known. */
#ifndef TLEG_TOOLS_NEAREST_H
#define TLEG_TOOLS_NEAREST_H

#include <stddef.h>

/* The best so far of words that are offered one after the other; .word NULL: none is like it. */
struct nearest {
    const char *word;
    size_t changes;
};

/* Takes `offered` where fewer characters of `wanted` have to be put in, left out or changed for it than for the best so far,
 * and a third of them at most. */
void nearest_offer(struct nearest *best, const char *wanted, size_t length, const char *offered);

#endif
