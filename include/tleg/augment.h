/* DeiT's augmentation: pictures as timm and PIL would make them, within one grey level, from a seed of the caller's.
 * Not part of <tleg/tleg.h>. EXPERIMENTAL: what this header declares may change in any version. */
#ifndef TLEG_AUGMENT_H
#define TLEG_AUGMENT_H

#include <tleg/image.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tleg_augment_options {
    uint32_t struct_size;    /* sizeof(tleg_augment_options) */
    int32_t padding;         /* > 0: the crop of small images: so many black pixels around, then a random crop; 0: a
                                random resized crop, aspect 3/4 to 4/3, by the preparation's interpolation */
    double crop_least;       /* of a random resized crop: the least share of the area (0.08); the largest is 1 */
    double flip;             /* chance of a mirrored picture (0: never; the recipe's 0.5) */
    int32_t rand_ops;        /* RandAugment: operations a picture (0: none; the recipe's 2), each done with chance 1/2 */
    int32_t rand_increasing; /* 1: timm's "inc1" set of operations, in which magnitude always means more */
    double rand_magnitude;   /* (9) of 10 */
    double rand_std;         /* deviation of the magnitude (0; the recipe's 0.5) */
    double jitter; /* brightness, contrast and saturation by factors of 1 - jitter to 1 + jitter, in random order; acts only
                      without RandAugment (0: none; the recipe's 0.4) */
    double erase;  /* chance that a random rectangle becomes normal noise, a pixel at a time (0; the recipe's 0.25) */
    int32_t rand_filter; /* how what is turned or moved is read: 0 bicubic, as the recipe does; 1 bilinear or bicubic, drawn
                            each time, as timm does where nobody chooses */
    int32_t reserved;
} tleg_augment_options;

/* Makes one training picture of `image` into out (channels, height, width), where out_floats floats lie, normalised as
 * `preparation` says: crop, flip, RandAugment or colour jitter, erasing. The same seed gives the same picture, on any machine.
 * Memory use follows the crop, not the picture. Errors: ARGUMENT (the text names the member; also an out that is too small),
 * UNSUPPORTED (an option that this library does not know), MEMORY. Any thread, with a context of its own. */
TLEG_API tleg_status TLEG_CALL tleg_augment_image(tleg_context *context, const tleg_preparation *preparation,
                                                  const tleg_image *image, const tleg_augment_options *options, uint64_t seed,
                                                  float *out, size_t out_floats);

/* One named operation on 8-bit RGB (height, width, 3), in place, as PIL and timm do it: "AutoContrast", "Equalize", "Invert",
 * "Rotate", "Posterize", "Solarize", "SolarizeAdd", "Color", "Contrast", "Brightness", "Sharpness", "ShearX", "ShearY",
 * "TranslateX", "TranslateY" (both as a share of the side). `argument` is the operation's own: degrees, bits kept (0 to 8),
 * threshold, number added below 128, factor, share; a million at most, either way. What is turned or moved is read bicubically.
 * fill: colour of what comes in from outside, R G B 0..255. Errors: ARGUMENT (also an unknown name), MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_augment_operation(tleg_context *context, const char *name, double argument,
                                                      const uint8_t fill[3], int32_t width, int32_t height, uint8_t *rgb);

typedef struct tleg_mix_options {
    uint32_t struct_size; /* sizeof(tleg_mix_options) */
    int32_t classes;      /* needed */
    double mixup;         /* alpha of the Beta distribution (0: never; the recipe's 0.8) */
    double cutmix;        /* likewise (0; the recipe's 1.0). With both, each batch takes one of them, half and half */
    double smoothing;     /* of the labels (0) */
    int32_t channels;     /* of the images: 1 or 3 (3) */
    int32_t image_width;  /* of images that are not square (0: image_size) */
} tleg_mix_options;

/* Mixes a batch with itself reversed, as timm's batch mode does (whose boxes of an odd side are shorter by one): images (batch,
 * channels, height, width) in place, image_size high; of an odd batch the middle image stays as it is. labels (batch); targets
 * (batch, classes) are made from them. Errors: ARGUMENT (also a label out of range, or counts that are too small: nothing is
 * changed), UNSUPPORTED (an option that this library does not know). */
TLEG_API tleg_status TLEG_CALL tleg_augment_mix(tleg_context *context, const tleg_mix_options *options, uint64_t seed,
                                                int64_t batch, int32_t image_size, float *images, size_t image_floats,
                                                const int64_t *labels, float *targets, size_t target_floats);

#ifdef __cplusplus
}
#endif

#endif
