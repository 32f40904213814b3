/* Pictures that were drawn: as bytes, side by side in a grid, and as PNG. */
#ifndef TLEG_TOOLS_GRID_H
#define TLEG_TOOLS_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GRID_GAP = 2 }; /* pixels of white between two pictures */

struct grid {
    const float *images; /* (count, channels, side, side) */
    const double *mean;  /* of each channel: a level of 0..1 is number * std + mean */
    const double *std;
    int64_t count;
    int32_t channels; /* 1, grey, or 3 */
    int32_t side;
    int32_t scale;         /* a pixel becomes so many by so many */
    int32_t columns, rows; /* the last row may have room left, which is white */
};

/* Columns for pictures in no order: as square as it gets, without room left where a shape at most two and a half times as
 * wide as high does it. */
int32_t grid_columns(int64_t count);
/* The size of the whole; false where it is more than a picture may have. */
bool grid_size(const struct grid *grid, int32_t *width, int32_t *height);
/* (height, width, channels), of malloc; NULL without memory. Levels beyond 0..1 are cut; what is not a number is black. */
uint8_t *grid_pixels(const struct grid *grid);
/* A PNG of 8 bits, grey for 1 channel and RGB for 3, of malloc; NULL without memory. */
uint8_t *picture_encode_png(int32_t width, int32_t height, int32_t channels, const uint8_t *pixels, size_t *size);

#endif
