/* From a host's pixels to a model's input, pixel for pixel as timm and torchvision prepare
 * them with PIL: the shorter side scaled to floor(image_size / crop) (antialiased bicubic),
 * centre crop, scale to 0..1, normalise. The library decodes no image files. */
#ifndef TLEG_IMAGE_H
#define TLEG_IMAGE_H

#include <tleg/config.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a host's pixels lie in memory, 8 bits a channel. There is no default: say which. Alpha is dropped, as PIL's
 * convert("RGB") does; grey is copied to three channels. An OpenCV Mat is TLEG_PIXELS_BGR with stride = mat.step. */
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

/* Prepares one image as `config` says (its image_size, crop, mean and std; get it from tleg_model_get_info or
 * tleg_learngene_get_info) into out (3, image_size, image_size), f32. Memory use follows the crop, not the picture.
 * Errors: ARGUMENT (the text names the member), MEMORY.
 *
 *     tleg_image_prepare(context, &image, &config, input); */
TLEG_API tleg_status TLEG_CALL tleg_image_prepare(tleg_context *context, const tleg_image *image, const tleg_config *config,
                                                  float *out);

#ifdef __cplusplus
}
#endif

#endif
