/* From a host's pixels to a model's input, pixel for pixel as timm and torchvision prepare
 * them with PIL: resized (antialiased, by the filter and to the shape that the model was trained with), centre
 * crop, scale to 0..1, normalise. The library decodes no image files, and decoders of JPEG differ: "pixel for pixel"
 * holds for pixels as PIL has them, those of libjpeg-turbo with its defaults (islow DCT, fancy upsampling), and for Pillow up
 * to 12: 13 resizes some pictures in another order. */
#ifndef TLEG_IMAGE_H
#define TLEG_IMAGE_H

#include <tleg/expander.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a host's pixels lie in memory, 8 bits a channel. There is no default: say which. Alpha is dropped, as PIL's
 * convert("RGB") does; grey is copied to three channels, and colours become grey for a model of one, as convert("L") does. An
 * OpenCV Mat is TLEG_PIXELS_BGR with stride = mat.step. */
typedef int32_t tleg_pixel_layout;
enum {
    TLEG_PIXELS_SIGNED = -1,
    TLEG_PIXELS_RGB = 1,
    TLEG_PIXELS_BGR = 2,
    TLEG_PIXELS_RGBA = 3,
    TLEG_PIXELS_BGRA = 4,
    TLEG_PIXELS_GREY = 5
};

typedef struct tleg_image {
    uint32_t struct_size;     /* sizeof(tleg_image) */
    tleg_pixel_layout layout; /* TLEG_PIXELS_*, needed */
    int32_t width;            /* in pixels, 1 to 2^24 */
    int32_t height;           /* likewise */
    int64_t stride;           /* bytes from a row to the next; 0: rows without gaps; negative: pixels points at the top
                             row of a picture stored bottom-up */
    const uint8_t *pixels;
    const void *reserved; /* NULL */
} tleg_image;

/* What is done to pictures before a model sees them. It never changes: any number of threads may use it. Get it from the model,
 * which knows what it wants. */
typedef struct tleg_preparation tleg_preparation;

/* Options of tleg_preparation_create, for who prepares without a model. Zero the struct, set struct_size and image_size. */
typedef struct tleg_preparation_options {
    uint32_t struct_size; /* sizeof(tleg_preparation_options) */
    int32_t image_size;   /* needed: height of what is made, in pixels */
    double crop;          /* 0 < crop <= 1 (0.875; 1 for images of 32 pixels or less) */
    double mean[3];       /* as in tleg_config */
    double std[3];        /* likewise */

    tleg_interpolation interpolation; /* TLEG_INTERPOLATION_* (BICUBIC) */
    tleg_fit fit;                     /* TLEG_FIT_* (CROP) */
    int32_t channels;                 /* of what is made: 3, or 1 for grey (3) */
    int32_t image_width;              /* its width, where it is not square (0: image_size) */
} tleg_preparation_options;

/* What a preparation does, and how many floats it makes. */
typedef struct tleg_preparation_info {
    uint32_t struct_size; /* sizeof(tleg_preparation_info), set by the caller */
    int32_t image_size;
    uint64_t floats; /* of one prepared image: channels * height * width */
    double crop;
    double mean[3];
    double std[3];
    tleg_interpolation interpolation;
    tleg_fit fit;
    int32_t channels;
    int32_t image_width; /* 0 where it is square */
} tleg_preparation_info;

/* Errors: ARGUMENT (the text names the member), UNSUPPORTED (an option that this library does not know), MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_preparation_create(tleg_context *context, const tleg_preparation_options *options,
                                                       tleg_preparation **preparation);

/* The preparation that a learngene, an expander's models or a model were trained with. It needs nothing of its source
 * afterwards. Errors: ARGUMENT (also a mean or std beyond f32's range), MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_learngene_copy_preparation(tleg_context *context, const tleg_learngene *gene,
                                                               tleg_preparation **preparation);
TLEG_API tleg_status TLEG_CALL tleg_expander_copy_preparation(tleg_context *context, const tleg_expander *expander,
                                                              tleg_preparation **preparation);
TLEG_API tleg_status TLEG_CALL tleg_model_copy_preparation(tleg_context *context, const tleg_model *model,
                                                           tleg_preparation **preparation);

/* Fills *info up to info->struct_size. `context` may be NULL: there is no text then. Errors: ARGUMENT. */
TLEG_API tleg_status TLEG_CALL tleg_preparation_get_info(tleg_context *context, const tleg_preparation *preparation,
                                                         tleg_preparation_info *info);

/* Prepares one image into out (channels, height, width), f32, where out_floats floats lie, aligned to 4. Memory use
 * follows the crop, not the picture. Errors: ARGUMENT (the text names the member; also an out that is too small), MEMORY.
 *
 *     tleg_model_copy_preparation(context, model, &preparation);
 *     tleg_image_prepare(context, preparation, &image, input, floats); */
TLEG_API tleg_status TLEG_CALL tleg_image_prepare(tleg_context *context, const tleg_preparation *preparation,
                                                  const tleg_image *image, float *out, size_t out_floats);

/* Drops the caller's reference. NULL is allowed. */
TLEG_API void TLEG_CALL tleg_preparation_free(tleg_preparation *preparation);

#ifdef __cplusplus
}
#endif

#endif
