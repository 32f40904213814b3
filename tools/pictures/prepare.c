/* A picture file, decoded, resized, cropped and normalised. */
#include "prepare.h"

#include "base/extent.h"

#include <stdio.h>
#include <string.h>

bool prepare_picture(tleg_context *context, const tleg_preparation *preparation, const char *path, bool exif, float *out,
                     size_t floats, char error[PICTURE_ERROR]) {
    struct picture picture;
    if (picture_read(path, exif, &picture, error, PICTURE_ERROR) != 0)
        return false;
    tleg_image image = {.struct_size = sizeof image,
                        .layout = TLEG_PIXELS_RGB,
                        .width = picture.width,
                        .height = picture.height,
                        .pixels = picture.pixels};
    bool done = tleg_image_prepare(context, preparation, &image, out, floats) == TLEG_OK;
    if (!done)
        snprintf(error, PICTURE_ERROR, "%s: %s", path, tleg_context_get_error(context));
    picture_free(&picture);
    return done;
}

tleg_status prepare_as(tleg_context *context, const tleg_config *config, tleg_preparation **preparation) {
    tleg_preparation_options options = {.struct_size = sizeof options,
                                        .image_size = config->image_size,
                                        .crop = config->crop,
                                        .interpolation = config->interpolation,
                                        .fit = config->fit,
                                        .channels = config->channels,
                                        .image_width = config->image_width};
    memcpy(options.mean, config->mean, sizeof options.mean);
    memcpy(options.std, config->std, sizeof options.std);
    return tleg_preparation_create(context, &options, preparation);
}

size_t prepare_numbers(const tleg_config *config) {
    const struct extent image = extent_of_image(config);
    return (size_t)config->channels * (size_t)image.height * (size_t)image.width;
}
