/* What features are worth: nearest neighbours, and a linear probe. */
#ifndef TLEG_TOOLS_PROBING_H
#define TLEG_TOOLS_PROBING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of features (count, dim) with their classes, 0 to classes - 1. */
struct rows {
    const float *features;
    const int64_t *labels;
    size_t count, dim;
    int32_t classes;
};

/* How many of `test` the `k` nearest of `learned` name right, by the cosine, each with the weight exp(cosine / tau), as DINO's
 * evaluation does it; of equal classes the first. -1: out of memory. */
int64_t probing_neighbours(const struct rows *learned, const struct rows *test, int32_t k, double tau);

/* How many of `test` a linear function of the features names right, which is the ridge regression of the classes (1 or 0) on
 * the features of `learned`, standardised: (X'X / n + ridge I) W = X'Y / n, solved in double. -1: out of memory; -2: the
 * equations have no solution, as with features that are not finite. */
int64_t probing_linear(const struct rows *learned, const struct rows *test, double ridge);

#endif
