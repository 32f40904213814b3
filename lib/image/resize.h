/* Pillow's antialiased bicubic resampling, bit for bit, of that part of the resized picture which a crop keeps. */
#ifndef TLEG_LIB_IMAGE_RESIZE_H
#define TLEG_LIB_IMAGE_RESIZE_H

#include "core/core.h"

/* One axis: `in` pixels (at most 2^24) are resized to `resized` (at most 2^52), of which [offset, offset + out) is kept. */
struct tleg_axis {
    int32_t in, out;
    int64_t resized, offset;
};

/* A host's pixels: channel c of pixel (y, x) is pixels[y * stride + x * step + channel[c]]. */
struct tleg_pixels {
    const uint8_t *pixels;
    ptrdiff_t stride;
    size_t step;
    size_t channel[3];
};

struct tleg_resize {
    struct tleg_axis x, y;
    int32_t first_row, rows;                        /* of the source: those that the crop depends on */
    size_t x_taps, y_taps;                          /* the most weights that an output pixel has */
    size_t x_weights, y_weights, sums, row, middle; /* where each part of the scratch begins, in bytes */
    size_t bytes;                                   /* of the scratch */
};

/* Lays out the scratch; false when its size does not fit in memory. */
bool tleg_resize_plan(const struct tleg_axis *x, const struct tleg_axis *y, struct tleg_resize *plan);

/* Resizes. Calls emit(arg, row, values) for the rows of the crop in rising order, values (3, x.out). scratch: plan->bytes,
 * aligned to TLEG_ALIGN. */
void tleg_resize_run(const struct tleg_resize *plan, const struct tleg_pixels *source, char *scratch,
                      void (*emit)(void *arg, int32_t row, const uint8_t *values), void *arg);

#endif
