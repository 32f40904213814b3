/* PIL's ImageEnhance: a picture blended with a degenerate one, beyond it too. */
#include "augment/private.h"

/* ImagingBlend: in float, and cut rather than rounded. */
static uint8_t blend(int degenerate, int value, float factor) {
    const float blended = (float)degenerate + factor * (float)(value - degenerate);
    return (uint8_t)(blended <= 0 ? 0 : blended >= 255 ? 255 : blended);
}

/* PIL's grey of a pixel: the weights of ITU-R 601 in 16 bits, rounded. */
static int grey(const uint8_t *pixel) {
    return (int)((pixel[0] * 19595u + pixel[1] * 38470u + pixel[2] * 7471u + 0x8000u) >> 16);
}

/* Blends all pixels with one grey. */
static void blend_all(const struct tleg_canvas *canvas, int degenerate, float factor) {
    uint8_t table[256];
    const size_t bytes = tleg_canvas_bytes(canvas);
    for (int value = 0; value < 256; value++)
        table[value] = blend(degenerate, value, factor);
    for (size_t i = 0; i < bytes; i++)
        canvas->rgb[i] = table[canvas->rgb[i]];
}

void tleg_enhance_brightness(const struct tleg_canvas *canvas, float factor) {
    blend_all(canvas, 0, factor);
}

/* The degenerate picture is the mean of the grey picture, rounded. */
void tleg_enhance_contrast(const struct tleg_canvas *canvas, float factor) {
    const size_t bytes = tleg_canvas_bytes(canvas);
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes; i += 3)
        sum += (uint64_t)grey(canvas->rgb + i);
    blend_all(canvas, (int)((double)sum / (double)(bytes / 3) + 0.5), factor);
}

void tleg_enhance_color(const struct tleg_canvas *canvas, float factor) {
    const size_t bytes = tleg_canvas_bytes(canvas);
    for (size_t i = 0; i < bytes; i += 3) {
        uint8_t *pixel = canvas->rgb + i;
        const int degenerate = grey(pixel);
        for (int c = 0; c < 3; c++)
            pixel[c] = blend(degenerate, pixel[c], factor);
    }
}

/* ImageFilter.SMOOTH of one value, `stride` bytes a row: neighbours weigh 1/13, the value itself 5/13; in float, in PIL's
 * order (the row below first), and rounded. */
static int smooth(const uint8_t *value, ptrdiff_t stride) {
    const float side = 1.0f / 13.0f, centre = 5.0f / 13.0f;
    float sum = 0.5f;
    for (int row = 1; row >= -1; row--) {
        const uint8_t *at = value + row * stride;
        sum += (float)at[-3] * side + (float)at[0] * (row == 0 ? centre : side) + (float)at[3] * side;
    }
    return sum <= 0 ? 0 : sum >= 255 ? 255 : (int)sum;
}

/* The degenerate picture is smooth, except along the border, where it is the picture itself. */
void tleg_enhance_sharpness(const struct tleg_canvas *canvas, float factor) {
    const ptrdiff_t stride = (ptrdiff_t)canvas->width * 3;
    tleg_canvas_keep(canvas);
    for (int32_t y = 1; y < canvas->height - 1; y++)
        for (ptrdiff_t i = y * stride + 3; i < (y + 1) * stride - 3; i++)
            canvas->rgb[i] = blend(smooth(canvas->spare + i, stride), canvas->spare[i], factor);
}
