/* What is read from a host's picture and from a configuration, before anything is computed. */
#ifndef TLEG_LIB_IMAGE_PICTURE_H
#define TLEG_LIB_IMAGE_PICTURE_H

#include <tleg/image.h>

#include "core/core.h"
#include "image/bicubic.h"

enum { TLEG_MAX_SIDE = 1 << 24 }; /* of a picture */
/* Checks a host's picture and says where its pixels lie. `image` is the library's copy. */
tleg_status tleg_picture_read(tleg_context *context, const tleg_image *host, tleg_image *image, struct tleg_pixels *pixels);

struct tleg_recipe { /* what a configuration says about images */
    int32_t size;
    double crop;         /* as given: not checked */
    double mean[3];      /* of the images, 0..1 scale */
    float table[3][256]; /* what a value of each channel becomes: ToTensor and Normalize, in float as torch computes them */
};
tleg_status tleg_recipe_read(tleg_context *context, const tleg_config *host, struct tleg_recipe *recipe);
/* "MEMBER: expected EXPECTED, found FOUND" as an error of an argument. */
tleg_status tleg_fail_number(tleg_context *context, const char *member, const char *expected, double found);

#endif
