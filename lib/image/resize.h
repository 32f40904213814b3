/* Pillow's antialiased resampling, bit for bit, of that part of the resized picture which a crop keeps. */
#ifndef TLEG_LIB_IMAGE_RESIZE_H
#define TLEG_LIB_IMAGE_RESIZE_H

#include <tleg/config.h>

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

/* What convert("L") of PIL makes of a pixel. */
static inline uint8_t tleg_pixels_grey(const struct tleg_pixels *source, const uint8_t *pixel) {
    const uint32_t red = pixel[source->channel[0]], green = pixel[source->channel[1]], blue = pixel[source->channel[2]];
    return (uint8_t)((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);
}

/* How a picture becomes the crop. */
struct tleg_resizing {
    struct tleg_axis x, y;
    tleg_interpolation interpolation;
    int32_t channels; /* of the result: 3, or 1 for grey */
};

struct tleg_resize {
    struct tleg_resizing how;
    int32_t first_row, rows;                        /* of the source: those that the crop depends on */
    size_t x_taps, y_taps;                          /* the most weights that an output pixel has */
    size_t x_weights, y_weights, sums, row, middle; /* where each part of the scratch begins, in bytes */
    size_t bytes;                                   /* of the scratch */
};

/* Lays out the scratch; false when its size does not fit in memory. */
bool tleg_resize_plan(const struct tleg_resizing *how, struct tleg_resize *plan);

/* Resizes. Calls emit(arg, row, values) for the rows of the crop in rising order, values (channels, x.out). scratch:
 * plan->bytes, aligned to TLEG_ALIGN. */
void tleg_resize_run(const struct tleg_resize *plan, const struct tleg_pixels *source, char *scratch,
                     void (*emit)(void *arg, int32_t row, const uint8_t *values), void *arg);

#endif
