/* Antialiased resampling as Pillow and torch do it: which places of a source count for one place of the result. */
#ifndef TLEG_LIB_KERNELS_FILTER_H
#define TLEG_LIB_KERNELS_FILTER_H

#include <stdint.h>

/* The source places [first, first + count) of one place of the result whose centre falls on `centre`. */
struct tleg_reach {
    double centre, scale;
    int32_t first, count;
};

/* Source places to one of the result; at least 1, because a filter does not shrink when the source grows. */
static inline double tleg_filter_scale(int32_t in, int64_t resized) {
    const double scale = (double)in / (double)resized;
    return scale < 1.0 ? 1.0 : scale;
}

/* Of `place` among `resized`, by a filter that reaches as far as `support` at a scale of 1. */
static inline struct tleg_reach tleg_filter_reach(double support, int32_t in, int64_t resized, int64_t place) {
    const double scale = tleg_filter_scale(in, resized), wide = support * scale;
    const double centre = ((double)place + 0.5) * ((double)in / (double)resized);
    const double low = centre - wide + 0.5, high = centre + wide + 0.5;
    const int32_t first = low < 0.0 ? 0 : (int32_t)low;
    const int32_t end = high > (double)in ? in : (int32_t)high;
    return (struct tleg_reach){.centre = centre, .scale = scale, .first = first, .count = end - first};
}

/* How far a source place lies from the centre, in places of the coarser side. */
static inline double tleg_reach_distance(const struct tleg_reach *reach, int32_t tap) {
    return (tap + reach->first - reach->centre + 0.5) * (1.0 / reach->scale);
}

/* The cubic convolution with a = -0.5, which reaches as far as 2. */
static inline double tleg_filter_cubic(double x) {
    const double a = -0.5;
    x = x < 0.0 ? -x : x;
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

#endif
