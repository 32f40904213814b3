/* A picture file, decoded, resized, cropped and normalised. */
#include "prepare.h"

#include <stdio.h>

bool prepare_picture(tleg_context *context, const tleg_config *config, const char *path, bool exif, float *out,
                     char error[PICTURE_ERROR]) {
    struct picture picture;
    if (picture_read(path, exif, &picture, error, PICTURE_ERROR) != 0)
        return false;
    tleg_image image = {.struct_size = sizeof image,
                        .layout = TLEG_PIXELS_RGB,
                        .width = picture.width,
                        .height = picture.height,
                        .pixels = picture.pixels};
    bool done = tleg_image_prepare(context, &image, config, out) == TLEG_OK;
    if (!done)
        snprintf(error, PICTURE_ERROR, "%s: %s", path, tleg_context_get_error(context));
    picture_free(&picture);
    return done;
}

size_t prepare_numbers(const tleg_config *config) {
    return 3 * (size_t)config->image_size * (size_t)config->image_size;
}
