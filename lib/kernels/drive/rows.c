/* Where the left side of a product comes from. */
#include "kernels/table.h"
#include <string.h>

/* Patch `row` of an image (3, side, side): channel, then y, then x, as a convolution's weight (D, 3, P, P) wants it. */
static void patch_get(const struct tleg_rows *rows, int64_t row, float *out) {
    int64_t side = rows->image_size, patch = rows->patch_size, grid = side / patch;
    const float *corner = rows->x + row / grid * patch * side + row % grid * patch;
    for (int64_t channel = 0; channel < 3; channel++)
        for (int64_t y = 0; y < patch; y++, out += patch)
            memcpy(out, corner + (channel * side + y) * side, (size_t)patch * sizeof *out);
}

const float *tleg_rows_get(const struct tleg_kernels *kernels, const struct tleg_rows *rows, int64_t first, int64_t count,
                           int64_t k, float *scratch, int64_t *stride) {
    *stride = k;
    switch (rows->kind) {
    case TLEG_ROWS_LAYERNORM:
        kernels->layernorm(count, k, rows->x + first * rows->stride, rows->stride, rows->norm_weight, rows->norm_bias,
                           rows->eps, scratch);
        return scratch;
    case TLEG_ROWS_ACTIVATION:
        for (int64_t r = 0; r < count; r++)
            tleg_activate(kernels, rows->activation, (size_t)k, rows->x + (first + r) * rows->stride, scratch + r * k);
        return scratch;
    case TLEG_ROWS_PATCHES:
        for (int64_t r = 0; r < count; r++)
            patch_get(rows, first + r, scratch + r * k);
        return scratch;
    case TLEG_ROWS_HALVES: /* used in place by who multiplies them */
    case TLEG_ROWS_PLAIN:
        break;
    }
    *stride = rows->stride;
    return rows->x + first * rows->stride;
}
