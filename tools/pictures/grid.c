/* A grid of pictures, pixel by pixel. */
#include "grid.h"

#include "picture.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int32_t grid_columns(int64_t count) {
    int64_t square = 1;
    while (square * square < count)
        square++;
    for (int64_t columns = square; 2 * columns * columns <= 5 * count; columns++)
        if (count % columns == 0)
            return (int32_t)columns;
    return (int32_t)square;
}

static int64_t length_of(const struct grid *grid, int32_t pictures) {
    return (int64_t)pictures * grid->side * grid->scale + (int64_t)(pictures - 1) * GRID_GAP;
}

bool grid_size(const struct grid *grid, int32_t *width, int32_t *height) {
    const int64_t across = length_of(grid, grid->columns), down = length_of(grid, grid->rows);
    if (across > PICTURE_MAX_PIXELS || down > PICTURE_MAX_PIXELS / across)
        return false;
    *width = (int32_t)across;
    *height = (int32_t)down;
    return true;
}

static uint8_t level_of(double value) {
    if (!(value > 0)) /* also what is not a number */
        return 0;
    return value < 1 ? (uint8_t)lround(255 * value) : 255;
}

/* A picture at its place: `out` is its first byte, and the next row follows `stride` bytes later. */
static void put(const struct grid *grid, const float *image, size_t stride, uint8_t *out) {
    const int32_t side = grid->side, scale = grid->scale;
    for (int32_t row = 0; row < side * scale; row++, out += stride)
        for (int32_t column = 0; column < side * scale; column++)
            for (int32_t c = 0; c < grid->channels; c++) {
                const float number =
                    image[((size_t)c * (size_t)side + (size_t)(row / scale)) * (size_t)side + (size_t)(column / scale)];
                out[column * grid->channels + c] = level_of((double)number * grid->std[c] + grid->mean[c]);
            }
}

uint8_t *grid_pixels(const struct grid *grid) {
    int32_t width, height;
    if (!grid_size(grid, &width, &height))
        return NULL;
    const size_t pixel = (size_t)grid->channels, stride = (size_t)width * pixel, step = (size_t)(grid->side * grid->scale);
    const size_t image = pixel * (size_t)grid->side * (size_t)grid->side;
    uint8_t *pixels = malloc((size_t)height * stride);
    if (!pixels)
        return NULL;
    memset(pixels, 255, (size_t)height * stride);
    for (int64_t i = 0; i < grid->count; i++) {
        const size_t row = (size_t)(i / grid->columns), column = (size_t)(i % grid->columns);
        put(grid, grid->images + (size_t)i * image, stride,
            pixels + row * (step + GRID_GAP) * stride + column * (step + GRID_GAP) * pixel);
    }
    return pixels;
}
