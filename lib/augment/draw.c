/* What augmentation draws at random, in the order in which torchvision and timm draw it, from basic operations alone: the same
 * boxes and numbers on every machine. */
#include "augment/private.h"

#include <math.h>

enum { ATTEMPTS = 10 };

int32_t tleg_round_even(double x) {
    const double below = floor(x), rest = x - below;
    const int32_t whole = (int32_t)below;
    return whole + (rest > 0.5 || (rest == 0.5 && whole % 2 != 0));
}

double tleg_draw_between(struct tleg_random *random, double low, double high) {
    return low + (high - low) * tleg_random_uniform(random);
}

int32_t tleg_draw_index(struct tleg_random *random, int32_t count) {
    return (int32_t)(tleg_random_uniform(random) * count);
}

/* Evenly between the logarithms of low and high. */
static double between_logarithms(struct tleg_random *random, double low, double high) {
    return tleg_portable_exp(tleg_draw_between(random, tleg_portable_log(low), tleg_portable_log(high)));
}

/* Where a box lies within a picture, every place alike. */
static struct tleg_box place(struct tleg_random *random, int32_t width, int32_t height, int32_t box_width, int32_t box_height) {
    struct tleg_box box = {.width = box_width, .height = box_height};
    box.top = tleg_draw_index(random, height - box_height + 1);
    box.left = tleg_draw_index(random, width - box_width + 1);
    return box;
}

static const double narrow = 3.0 / 4.0, wide = 4.0 / 3.0; /* aspects of a crop: width to height */

/* The largest box in the middle whose aspect is neither too narrow nor too wide. */
static struct tleg_box centre(int32_t width, int32_t height) {
    struct tleg_box box = {.width = width, .height = height};
    const double aspect = (double)width / (double)height;
    if (aspect < narrow)
        box.height = tleg_round_even(width / narrow);
    else if (aspect > wide)
        box.width = tleg_round_even(height * wide);
    box.top = (height - box.height) / 2;
    box.left = (width - box.width) / 2;
    return box;
}

/* A box without pixels, which the smallest shares of the smallest pictures round to, counts as a failed attempt. */
struct tleg_box tleg_draw_crop(struct tleg_random *random, int32_t width, int32_t height, double least) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        const double area = tleg_draw_between(random, least, 1) * ((double)width * (double)height);
        const double aspect = between_logarithms(random, narrow, wide);
        const int32_t box_width = tleg_round_even(sqrt(area * aspect)), box_height = tleg_round_even(sqrt(area / aspect));
        if (box_width >= 1 && box_height >= 1 && box_width <= width && box_height <= height)
            return place(random, width, height, box_width, box_height);
    }
    return centre(width, height);
}

struct tleg_box tleg_draw_erased(struct tleg_random *random, struct tleg_extent size) {
    const double whole = (double)size.height * size.width;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        const double area = tleg_draw_between(random, 0.02, 1.0 / 3.0) * whole;
        const double aspect = between_logarithms(random, 0.3, 1 / 0.3); /* height to width */
        const int32_t height = tleg_round_even(sqrt(area * aspect)), width = tleg_round_even(sqrt(area / aspect));
        if (width < size.width && height < size.height)
            return place(random, size.width, size.height, width, height);
    }
    return (struct tleg_box){0};
}

/* [first, first + count) around `middle`, within 0..size. */
static void cut_axis(int32_t middle, int32_t count, int32_t size, int32_t *first, int32_t *length) {
    const int32_t low = middle - count / 2, high = middle + (count + 1) / 2;
    *first = low < 0 ? 0 : low;
    *length = (high > size ? size : high) - *first;
}

struct tleg_box tleg_draw_cut(struct tleg_random *random, struct tleg_extent size, double lambda) {
    const double share = sqrt(1 - lambda);
    struct tleg_box box;
    cut_axis(tleg_draw_index(random, size.height), (int32_t)(size.height * share), size.height, &box.top, &box.height);
    cut_axis(tleg_draw_index(random, size.width), (int32_t)(size.width * share), size.width, &box.left, &box.width);
    return box;
}

/* The logarithm of a number of the gamma distribution, alpha >= 1 (Marsaglia, Tsang, "A simple method for generating gamma
 * variables", 2000): d v with v = (1 + c x)^3, x normal, accepted with the chance that makes it exact. */
static double log_gamma_number(struct tleg_random *random, double alpha) {
    const double d = alpha - 1.0 / 3.0, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = tleg_random_normal(random, INFINITY), root = 1 + c * x, v = root * root * root;
        const double u = 1 - tleg_random_uniform(random); /* (0, 1] */
        if (root > 0 && tleg_portable_log(u) < x * x / 2 + d - d * v + d * tleg_portable_log(v))
            return tleg_portable_log(d * v);
    }
}

/* For alpha < 1: a number for alpha + 1, times u^(1/alpha). In logarithms, because for small alphas it is below every double.
 */
static double log_gamma_any(struct tleg_random *random, double alpha) {
    if (alpha >= 1)
        return log_gamma_number(random, alpha);
    const double log_number = log_gamma_number(random, alpha + 1);
    return log_number + tleg_portable_log(1 - tleg_random_uniform(random)) / alpha;
}

double tleg_draw_beta(struct tleg_random *random, double alpha) {
    const double log_x = log_gamma_any(random, alpha), log_y = log_gamma_any(random, alpha);
    return 1 / (1 + tleg_portable_exp(log_y - log_x));
}

static double either_sign(struct tleg_random *random, double value) {
    return tleg_random_uniform(random) > 0.5 ? -value : value;
}

/* A factor: of timm's plain set 0.1 to 1.9; of its increasing set, the farther from 1 the stronger. */
static double factor(struct tleg_random *random, double share, bool increasing) {
    if (!increasing)
        return share * 1.8 + 0.1;
    const double drawn = 1.0 + either_sign(random, share * 0.9);
    return drawn < 0.1 ? 0.1 : drawn;
}

double tleg_draw_argument(struct tleg_random *random, enum tleg_operation operation, double magnitude, bool increasing) {
    const double share = magnitude / 10;
    switch (operation) {
    case TLEG_ROTATE:
        return either_sign(random, share * 30);
    case TLEG_POSTERIZE:
        /* at least one bit: with none the picture is black, and PIL refuses it */
        return fmax(1, increasing ? 4 - (int32_t)(share * 4) : (int32_t)(share * 4));
    case TLEG_SOLARIZE:
        return increasing ? 256 - (int32_t)(share * 256) : (int32_t)(share * 256);
    case TLEG_SOLARIZE_ADD:
        return (int32_t)(share * 110);
    case TLEG_COLOR:
    case TLEG_CONTRAST:
    case TLEG_BRIGHTNESS:
    case TLEG_SHARPNESS:
        return factor(random, share, increasing);
    case TLEG_SHEAR_X:
    case TLEG_SHEAR_Y:
        return either_sign(random, share * 0.3);
    case TLEG_TRANSLATE_X:
    case TLEG_TRANSLATE_Y:
        return either_sign(random, share * 0.45);
    case TLEG_AUTO_CONTRAST:
    case TLEG_EQUALIZE:
    case TLEG_INVERT:
    case TLEG_OPERATIONS:
        break;
    }
    return 0;
}
