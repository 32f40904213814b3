/* Reads a host's picture: every check that preparing and augmenting share. */
#include "image/picture.h"

#include <math.h>

#include "config/limits.h"

/* How each layout lies in memory; grey is read three times. */
static const struct {
    size_t step, channel[3];
} layouts[] = {
    [TLEG_PIXELS_RGB] = {3, {0, 1, 2}},  [TLEG_PIXELS_BGR] = {3, {2, 1, 0}},  [TLEG_PIXELS_RGBA] = {4, {0, 1, 2}},
    [TLEG_PIXELS_BGRA] = {4, {2, 1, 0}}, [TLEG_PIXELS_GREY] = {1, {0, 0, 0}},
};

static tleg_status check_sides(tleg_context *context, const tleg_image *image) {
    if (image->width < 1 || image->width > TLEG_MAX_SIDE)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "image.width: expected 1 to %d, found %d", TLEG_MAX_SIDE, image->width);
    if (image->height < 1 || image->height > TLEG_MAX_SIDE)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "image.height: expected 1 to %d, found %d", TLEG_MAX_SIDE,
                         image->height);
    return TLEG_OK;
}

static tleg_status check_stride(tleg_context *context, int64_t stride, int64_t row, int32_t height) {
    if (stride > -row && stride < row)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "image.stride: expected 0, or at least the %lld bytes of a row, found %lld", (long long)row,
                         (long long)stride);
    const int64_t most = PTRDIFF_MAX / height;
    if (stride > most || stride < -most)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "image.stride: %lld bytes by %d rows do not fit in memory",
                         (long long)stride, height);
    return TLEG_OK;
}

tleg_status tleg_picture_read(tleg_context *context, const tleg_image *host, tleg_image *image, struct tleg_pixels *pixels) {
    tleg_status status = tleg_options_read(context, "tleg_image", host, image, sizeof *image, TLEG_LEAST_IMAGE);
    if (status != TLEG_OK)
        return status;
    status = tleg_check_reserved(context, "image.reserved", image->reserved == NULL);
    if (status != TLEG_OK)
        return status;
    if (image->layout < TLEG_PIXELS_RGB || image->layout > TLEG_PIXELS_GREY)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "image.layout: expected one of TLEG_PIXELS_* (%d to %d), found %d",
                         TLEG_PIXELS_RGB, TLEG_PIXELS_GREY, image->layout);
    if (image->pixels == NULL)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "image.pixels is NULL");
    status = check_sides(context, image);
    if (status != TLEG_OK)
        return status;
    const size_t step = layouts[image->layout].step;
    const int64_t row = (int64_t)step * image->width, stride = image->stride == 0 ? row : image->stride;
    status = check_stride(context, stride, row, image->height);
    if (status != TLEG_OK)
        return status;
    *pixels = (struct tleg_pixels){.pixels = image->pixels, .stride = (ptrdiff_t)stride, .step = step};
    for (int c = 0; c < 3; c++)
        pixels->channel[c] = layouts[image->layout].channel[c];
    return TLEG_OK;
}
