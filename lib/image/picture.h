/* What is read from a host's picture, and what is to be done to it, before anything is computed. */
#ifndef TLEG_LIB_IMAGE_PICTURE_H
#define TLEG_LIB_IMAGE_PICTURE_H

#include <tleg/image.h>

#include "core/core.h"
#include "image/resize.h"

enum { TLEG_MAX_SIDE = 1 << 24 }; /* of a picture */
/* Checks a host's picture and says where its pixels lie. `image` is the library's copy. */
tleg_status tleg_picture_read(tleg_context *context, const tleg_image *host, tleg_image *image, struct tleg_pixels *pixels);

/* ---- what is done to pictures (preparation.c) ---- */
struct tleg_preparation {
    atomic_int references;
    struct tleg_allocator allocator;
    struct tleg_extent size;
    int32_t channels;
    tleg_interpolation interpolation;
    tleg_fit fit;
    double crop, mean[3], std[3]; /* of the images, 0..1 scale */
    float table[3][256]; /* what a value of each channel becomes: ToTensor and Normalize, in float as torch computes them */
};
/* As a configuration, whose defaults are filled in, says. */
tleg_status tleg_preparation_of(tleg_context *context, const tleg_config *config, tleg_preparation **preparation);
/* Whether `floats` floats at `out` hold an image of `preparation`; `call` begins the text. */
tleg_status tleg_check_image_floats(tleg_context *context, const char *call, const tleg_preparation *preparation,
                                    const float *out, size_t floats);

#endif
