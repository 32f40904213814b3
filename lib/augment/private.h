/* The parts of augmentation: operations on a picture, and what is drawn at random. */
#ifndef TLEG_LIB_AUGMENT_PRIVATE_H
#define TLEG_LIB_AUGMENT_PRIVATE_H

#include <tleg/augment.h>

#include "core/core.h"

enum tleg_filter { TLEG_BICUBIC, TLEG_BILINEAR };

/* 8-bit RGB (height, width, 3) and what operations need beside it. */
struct tleg_canvas {
    int32_t width, height;
    uint8_t *rgb, *spare; /* as large; operations that read around a pixel read from here */
    uint8_t fill[3];      /* what comes in from outside */
    enum tleg_filter filter;
};
static inline size_t tleg_canvas_bytes(const struct tleg_canvas *canvas) {
    return (size_t)canvas->width * (size_t)canvas->height * 3;
}
void tleg_canvas_keep(const struct tleg_canvas *canvas); /* copies rgb to spare */

/* ---- operations (operation.c), in the order of timm's list ---- */
enum tleg_operation {
    TLEG_AUTO_CONTRAST,
    TLEG_EQUALIZE,
    TLEG_INVERT,
    TLEG_ROTATE,
    TLEG_POSTERIZE,
    TLEG_SOLARIZE,
    TLEG_SOLARIZE_ADD,
    TLEG_COLOR,
    TLEG_CONTRAST,
    TLEG_BRIGHTNESS,
    TLEG_SHARPNESS,
    TLEG_SHEAR_X,
    TLEG_SHEAR_Y,
    TLEG_TRANSLATE_X,
    TLEG_TRANSLATE_Y,
    TLEG_OPERATIONS
};
extern const char *const tleg_operation_names[TLEG_OPERATIONS]; /* timm's */
bool tleg_operation_moves(enum tleg_operation operation);       /* reads between pixels, with the canvas' filter */
void tleg_operation_apply(enum tleg_operation operation, double argument, const struct tleg_canvas *canvas);

/* ---- PIL's ImageEnhance: factor 0 the degenerate picture, 1 the picture itself (enhance.c) ---- */
void tleg_enhance_color(const struct tleg_canvas *canvas, float factor);
void tleg_enhance_contrast(const struct tleg_canvas *canvas, float factor);
void tleg_enhance_brightness(const struct tleg_canvas *canvas, float factor);
void tleg_enhance_sharpness(const struct tleg_canvas *canvas, float factor);

/* ---- PIL's Image.transform(AFFINE) and Image.rotate (affine.c) ---- */
/* The picture at (x, y) is what was at (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]). */
void tleg_affine(const struct tleg_canvas *canvas, const double m[6]);
void tleg_rotate(const struct tleg_canvas *canvas, double degrees); /* counter-clockwise, about the centre */

/* ---- what is drawn (draw.c) ---- */
int32_t tleg_round_even(double x); /* as Python's round; |x| < 2^31 */
double tleg_draw_between(struct tleg_random *random, double low, double high);
int32_t tleg_draw_index(struct tleg_random *random, int32_t count); /* 0..count-1 */
/* X / (X + Y) for X, Y of the gamma distribution with this alpha, 1e-6 to 1e6. */
double tleg_draw_beta(struct tleg_random *random, double alpha);

struct tleg_box {
    int32_t left, top, width, height;
};
/* torchvision's RandomResizedCrop of a picture of this size. */
struct tleg_box tleg_draw_crop(struct tleg_random *random, int32_t width, int32_t height, double least);
/* timm's RandomErasing; an empty box when ten attempts found none. */
struct tleg_box tleg_draw_erased(struct tleg_random *random, struct tleg_extent size);
/* timm's cutmix: the box that a batch with this lambda gets, cut at the border; a side of an odd length is that long, where
 * timm's is shorter by one. */
struct tleg_box tleg_draw_cut(struct tleg_random *random, struct tleg_extent size, double lambda);
/* What timm makes of a magnitude, 0..10. */
double tleg_draw_argument(struct tleg_random *random, enum tleg_operation operation, double magnitude, bool increasing);

#endif
