/* The operations of RandAugment on 8-bit RGB, as PIL's ImageOps and timm's auto_augment compute them. */
#include "augment/private.h"

#include <string.h>

#include "image/picture.h"

const char *const tleg_operation_names[TLEG_OPERATIONS] = {
    [TLEG_AUTO_CONTRAST] = "AutoContrast",
    [TLEG_EQUALIZE] = "Equalize",
    [TLEG_INVERT] = "Invert",
    [TLEG_ROTATE] = "Rotate",
    [TLEG_POSTERIZE] = "Posterize",
    [TLEG_SOLARIZE] = "Solarize",
    [TLEG_SOLARIZE_ADD] = "SolarizeAdd",
    [TLEG_COLOR] = "Color",
    [TLEG_CONTRAST] = "Contrast",
    [TLEG_BRIGHTNESS] = "Brightness",
    [TLEG_SHARPNESS] = "Sharpness",
    [TLEG_SHEAR_X] = "ShearX",
    [TLEG_SHEAR_Y] = "ShearY",
    [TLEG_TRANSLATE_X] = "TranslateX",
    [TLEG_TRANSLATE_Y] = "TranslateY",
};

bool tleg_operation_moves(enum tleg_operation operation) {
    return operation == TLEG_ROTATE || operation >= TLEG_SHEAR_X;
}

/* What each value of one channel becomes. */
static void look_up(const struct tleg_canvas *canvas, size_t channel, const uint8_t table[256]) {
    const size_t bytes = tleg_canvas_bytes(canvas);
    for (size_t i = channel; i < bytes; i += 3)
        canvas->rgb[i] = table[canvas->rgb[i]];
}

static void look_up_all(const struct tleg_canvas *canvas, const uint8_t table[256]) {
    for (size_t channel = 0; channel < 3; channel++)
        look_up(canvas, channel, table);
}

struct histogram { /* of one channel: pixels with each value, the lowest and the highest value that occur */
    uint64_t count[256];
    int low, high;
};

static struct histogram histogram_of(const struct tleg_canvas *canvas, size_t channel) {
    struct histogram histogram = {.low = 0, .high = 255};
    const size_t bytes = tleg_canvas_bytes(canvas);
    for (size_t i = channel; i < bytes; i += 3)
        histogram.count[canvas->rgb[i]]++;
    while (histogram.count[histogram.low] == 0)
        histogram.low++;
    while (histogram.count[histogram.high] == 0)
        histogram.high--;
    return histogram;
}

static uint8_t clip(double value) {
    return (uint8_t)(value <= 0 ? 0 : value >= 255 ? 255 : value);
}

/* Each channel's lowest value becomes 0, its highest 255. */
static void auto_contrast(const struct tleg_canvas *canvas) {
    for (size_t channel = 0; channel < 3; channel++) {
        const struct histogram histogram = histogram_of(canvas, channel);
        if (histogram.high <= histogram.low)
            continue;
        const double scale = 255.0 / (histogram.high - histogram.low), offset = -histogram.low * scale;
        uint8_t table[256];
        for (int value = 0; value < 256; value++)
            table[value] = clip(value * scale + offset);
        look_up(canvas, channel, table);
    }
}

/* A channel's values are spread so that each is about as frequent as any other: step pixels to a value, where the pixels
 * of the highest value do not count. */
static void equalize(const struct tleg_canvas *canvas) {
    const uint64_t pixels = (uint64_t)canvas->width * (uint64_t)canvas->height;
    for (size_t channel = 0; channel < 3; channel++) {
        const struct histogram histogram = histogram_of(canvas, channel);
        const uint64_t step = (pixels - histogram.count[histogram.high]) / 255;
        if (step == 0)
            continue;
        uint8_t table[256];
        uint64_t sum = step / 2;
        for (int value = 0; value < 256; sum += histogram.count[value++])
            table[value] = (uint8_t)(sum / step > 255 ? 255 : sum / step);
        look_up(canvas, channel, table);
    }
}

/* Values from the threshold on are inverted. */
static void solarize(const struct tleg_canvas *canvas, double threshold) {
    uint8_t table[256];
    for (int value = 0; value < 256; value++)
        table[value] = (uint8_t)(value < threshold ? value : 255 - value);
    look_up_all(canvas, table);
}

static void solarize_add(const struct tleg_canvas *canvas, int32_t added) {
    uint8_t table[256];
    for (int value = 0; value < 256; value++)
        table[value] = value < 128 ? clip(value + added) : (uint8_t)value;
    look_up_all(canvas, table);
}

static void posterize(const struct tleg_canvas *canvas, int32_t bits) {
    uint8_t table[256];
    for (int value = 0; value < 256; value++)
        table[value] = (uint8_t)(value & ~((1 << (8 - bits)) - 1));
    look_up_all(canvas, table);
}

void tleg_operation_apply(enum tleg_operation operation, double argument, const struct tleg_canvas *canvas) {
    switch (operation) {
    case TLEG_AUTO_CONTRAST:
        auto_contrast(canvas);
        break;
    case TLEG_EQUALIZE:
        equalize(canvas);
        break;
    case TLEG_INVERT:
        solarize(canvas, 0);
        break;
    case TLEG_ROTATE:
        tleg_rotate(canvas, argument);
        break;
    case TLEG_POSTERIZE:
        posterize(canvas, (int32_t)argument);
        break;
    case TLEG_SOLARIZE:
        solarize(canvas, argument);
        break;
    case TLEG_SOLARIZE_ADD:
        solarize_add(canvas, (int32_t)argument);
        break;
    case TLEG_COLOR:
        tleg_enhance_color(canvas, (float)argument);
        break;
    case TLEG_CONTRAST:
        tleg_enhance_contrast(canvas, (float)argument);
        break;
    case TLEG_BRIGHTNESS:
        tleg_enhance_brightness(canvas, (float)argument);
        break;
    case TLEG_SHARPNESS:
        tleg_enhance_sharpness(canvas, (float)argument);
        break;
    case TLEG_SHEAR_X:
        tleg_affine(canvas, (const double[]){1, argument, 0, 0, 1, 0});
        break;
    case TLEG_SHEAR_Y:
        tleg_affine(canvas, (const double[]){1, 0, 0, argument, 1, 0});
        break;
    case TLEG_TRANSLATE_X:
        tleg_affine(canvas, (const double[]){1, 0, argument * canvas->width, 0, 1, 0});
        break;
    case TLEG_TRANSLATE_Y:
        tleg_affine(canvas, (const double[]){1, 0, 0, 0, 1, argument * canvas->height});
        break;
    case TLEG_OPERATIONS:
        break;
    }
}

static tleg_status find(tleg_context *context, const char *name, double argument, enum tleg_operation *operation) {
    for (*operation = 0; *operation < TLEG_OPERATIONS; ++*operation)
        if (strcmp(name, tleg_operation_names[*operation]) == 0)
            break;
    if (*operation == TLEG_OPERATIONS)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "there is no operation \"%s\"", name);
    if (!(argument >= -1e6 && argument <= 1e6))
        return tleg_fail_number(context, name, "an argument of -1000000 to 1000000", argument);
    if (*operation == TLEG_POSTERIZE && !(argument >= 0 && argument <= 8))
        return tleg_fail_number(context, name, "0 to 8 bits", argument);
    return TLEG_OK;
}

tleg_status tleg_augment_operation(tleg_context *context, const char *name, double argument, const uint8_t fill[3],
                                   int32_t width, int32_t height, uint8_t *rgb) {
    enum tleg_operation operation;
    size_t bytes;
    if (context == NULL)
        return TLEG_ERROR_ARGUMENT;
    if (name == NULL || fill == NULL || rgb == NULL)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_augment_operation: name, fill or rgb is NULL");
    const tleg_status status = find(context, name, argument, &operation);
    if (status != TLEG_OK)
        return status;
    const int64_t shape[] = {height, width, 3};
    if (width < 1 || height < 1 || width > TLEG_MAX_SIDE || height > TLEG_MAX_SIDE || !tleg_size_product(shape, 3, &bytes))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "a picture of %d by %d pixels: expected sides of 1 to 2^24", width,
                         height);
    struct tleg_canvas canvas = {.width = width, .height = height, .rgb = rgb, .filter = TLEG_BICUBIC};
    memcpy(canvas.fill, fill, sizeof canvas.fill);
    canvas.spare = tleg_alloc(&context->allocator, bytes);
    if (canvas.spare == NULL)
        return tleg_fail_memory(context, "a copy of the picture", bytes);
    tleg_operation_apply(operation, argument, &canvas);
    tleg_release(&context->allocator, canvas.spare, bytes);
    return TLEG_OK;
}
