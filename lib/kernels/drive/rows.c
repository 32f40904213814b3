/* Where the left side of a product comes from. */
#include "kernels/table.h"
#include <string.h>

/* Patch `row` of an image (C, height, width): channel, then y, then x, as a convolution's weight (D, C, P, Q) wants it; k is
 * C * P * Q. */
static void patch_get(const struct tleg_rows *rows, int64_t row, int64_t k, float *out) {
    const int64_t width = rows->image.width, plane = tleg_extent_area(rows->image), patch = rows->patch.width;
    const int64_t columns = width / patch, channels = k / tleg_extent_area(rows->patch);
    const float *corner = (const float *)rows->x.data + row / columns * rows->patch.height * width + row % columns * patch;
    for (int64_t channel = 0; channel < channels; channel++)
        for (int64_t y = 0; y < rows->patch.height; y++, out += patch)
            memcpy(out, corner + channel * plane + y * width, (size_t)patch * sizeof *out);
}

/* Rows through an activation or a gate, k numbers each, and through the norm that may follow. */
static void activate(const struct tleg_kernels *kernels, const struct tleg_rows *rows, int64_t first, int64_t count, int64_t k,
                     float *out) {
    const float *x = (const float *)rows->x.data + first * rows->x.stride;
    for (int64_t r = 0; r < count; r++, x += rows->x.stride) {
        if (rows->kind == TLEG_ROWS_GATED)
            tleg_gated_row(kernels, rows->activation, k, x, out + r * k);
        else
            tleg_activate(kernels, rows->activation, (size_t)k, x, out + r * k);
    }
    if (rows->norm_weight)
        tleg_norm_rows(kernels, count, k, out, k, rows->norm_weight, rows->norm_bias, rows->eps, out);
}

/* Rows [first, end) through LayerNorm, which may have other weights for each image. */
static void normalise(const struct tleg_kernels *kernels, const struct tleg_rows *rows, int64_t first, int64_t end, int64_t k,
                      float *out) {
    const float *x = rows->x.data;
    int64_t image, stride = rows->x.stride;
    for (int64_t next; first < end; out += (next - first) * k, first = next) {
        next = tleg_image_end(rows, rows->norm_stride, first, end, &image);
        tleg_norm_rows(kernels, next - first, k, x + first * stride, stride, rows->norm_weight + image * rows->norm_stride,
                       rows->norm_bias ? rows->norm_bias + image * rows->norm_stride : NULL, rows->eps, out);
    }
}

const float *tleg_rows_get(const struct tleg_kernels *kernels, const struct tleg_rows *rows, int64_t first, int64_t count,
                           int64_t k, float *scratch, int64_t *stride) {
    const float *x = rows->x.data;
    *stride = k;
    switch (rows->kind) {
    case TLEG_ROWS_LAYERNORM:
        normalise(kernels, rows, first, first + count, k, scratch);
        return scratch;
    case TLEG_ROWS_ACTIVATION:
    case TLEG_ROWS_GATED:
        activate(kernels, rows, first, count, k, scratch);
        return scratch;
    case TLEG_ROWS_PATCHES:
        for (int64_t r = 0; r < count; r++)
            patch_get(rows, first + r, k, scratch + r * k);
        if (rows->standard)
            tleg_standardise(count, k, rows->eps, scratch);
        return scratch;
    case TLEG_ROWS_PLAIN:
        break;
    }
    *stride = rows->x.stride;
    return x + first * rows->x.stride;
}
