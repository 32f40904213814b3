/* What each tensor of a segment counts for in each of its layers: the only place that knows how a layer's number becomes
 * coefficients. In double, products and sums in this order, then rounded. */
#include "learngene/learngene.h"
#include <math.h>

static double factor(enum tleg_curve curve, int32_t k, int32_t layer, int32_t layers, double last, double before) {
    static const double pi = 3.14159265358979323846;
    const double x = (double)layer / layers;
    switch (curve) {
    case TLEG_CURVE_CHEBYSHEV:
        return 2 * x * last - before;
    case TLEG_CURVE_COSINE:
        return cos(pi * k * (layer + 0.5) / layers);
    case TLEG_CURVE_POWER:
    case TLEG_CURVES:
    default:
        return last * x;
    }
}

void tleg_factors(enum tleg_curve curve, int32_t layer, int32_t layers, int32_t count, double f[]) {
    double last = 1, before = (double)layer / layers; /* T_0 and T_-1 */
    f[0] = 1;
    for (int32_t k = 1; k < count; k++) {
        f[k] = factor(curve, k, layer, layers, last, before);
        before = last;
        last = f[k];
    }
}

void tleg_coefficients(enum tleg_curve curve, int32_t layer, int32_t layers, int32_t count, float c[]) {
    double f[TLEG_MAX_BASIS];
    tleg_factors(curve, layer, layers, count, f);
    for (int32_t k = 0; k < count; k++)
        c[k] = (float)f[k];
}
