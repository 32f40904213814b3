/* Any numbers as a host's picture and the wish how to prepare it. The pixels lie in memory that holds exactly them. */
#include "fuzz/target.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/image.h>

enum { MOST_PIXELS = 1 << 14, MOST_SIDE = 64 };

struct wish { /* the input's first bytes; what follows are pixels */
    double crop, mean, std;
    int16_t width, height;
    uint8_t layout, gap, upside_down, image_size; /* upside_down's upper bits choose filter, fit and channels */
};

/* Where each layout has red, green and blue. */
static const struct {
    int64_t step;
    int channel[3];
} layouts[] = {{3, {0, 1, 2}}, {3, {0, 1, 2}}, {3, {2, 1, 0}}, {4, {0, 1, 2}}, {4, {2, 1, 0}}, {1, {0, 0, 0}}};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

/* A host's picture: `base` is its memory, image.pixels its top row. */
static uint8_t *lay_out(const struct wish *wish, const uint8_t *bytes, size_t count, tleg_image *image) {
    const int64_t row = layouts[image->layout % LAYOUTS].step * image->width, pitch = row + wish->gap;
    const size_t size = (size_t)(pitch * (image->height - 1) + row);
    uint8_t *base = malloc(size);
    fuzz_need(base != NULL);
    for (size_t i = 0; i < size; i++)
        base[i] = count > 0 ? bytes[i % count] : (uint8_t)i;
    image->stride = wish->upside_down % 2 ? -pitch : pitch;
    image->pixels = wish->upside_down % 2 ? base + pitch * (image->height - 1) : base;
    return base;
}

/* The same picture as plain R, G, B. */
static uint8_t *to_rgb(const tleg_image *image) {
    uint8_t *rgb = malloc((size_t)image->width * (size_t)image->height * 3), *out = rgb;
    fuzz_need(rgb != NULL);
    for (int64_t y = 0; y < image->height; y++)
        for (int64_t x = 0; x < image->width; x++)
            for (int c = 0; c < 3; c++)
                *out++ = image->pixels[y * image->stride + x * layouts[image->layout].step + layouts[image->layout].channel[c]];
    return rgb;
}

static size_t floats_of(const tleg_config *config) {
    return (size_t)config->channels * (size_t)config->image_size * (size_t)config->image_size;
}

static tleg_status prepare(tleg_context *context, const tleg_image *image, const tleg_config *config, float *out) {
    tleg_preparation_options options = {.struct_size = sizeof options,
                                        .image_size = config->image_size,
                                        .crop = config->crop,
                                        .interpolation = config->interpolation,
                                        .fit = config->fit,
                                        .channels = config->channels};
    tleg_preparation *preparation = NULL;
    memcpy(options.mean, config->mean, sizeof options.mean);
    memcpy(options.std, config->std, sizeof options.std);
    tleg_status status = tleg_preparation_create(context, &options, &preparation);
    if (status == TLEG_OK)
        status = tleg_image_prepare(context, preparation, image, out, floats_of(config));
    tleg_preparation_free(preparation);
    return status;
}

/* Whatever the layout, what comes out is what the plain picture gives, and lies between black and white. */
static void check(tleg_context *context, const tleg_image *image, const tleg_config *config, const float *out) {
    const size_t count = floats_of(config);
    uint8_t *rgb = to_rgb(image);
    float *expected = malloc(count * sizeof *expected);
    const tleg_image plain = {
        .struct_size = sizeof plain, .layout = TLEG_PIXELS_RGB, .width = image->width, .height = image->height, .pixels = rgb};
    fuzz_need(expected && prepare(context, &plain, config, expected) == TLEG_OK);
    const bool own = config->std[0] != 0;
    const float black = (0.0f - (float)config->mean[0]) / (float)config->std[0];
    const float white = (1.0f - (float)config->mean[0]) / (float)config->std[0];
    for (size_t i = 0; i < count; i++)
        fuzz_need(memcmp(out + i, expected + i, sizeof *out) == 0 && !(own && (out[i] < black || out[i] > white)));
    free(expected);
    free(rgb);
}

int fuzz_input(const uint8_t *data, size_t size) {
    struct wish wish;
    if (size < sizeof wish)
        return 0;
    memcpy(&wish, data, sizeof wish);
    tleg_image image = {
        .struct_size = sizeof image, .layout = wish.layout % (LAYOUTS + 1), .width = wish.width, .height = wish.height};
    const bool sides = wish.width > 0 && wish.height > 0;
    if (sides && wish.width * wish.height > MOST_PIXELS)
        return 0;
    const tleg_config config = {.struct_size = sizeof config,
                                .image_size = wish.image_size % (MOST_SIDE + 1),
                                .crop = wish.crop,
                                .interpolation = wish.upside_down >> 1 & 3,
                                .fit = (wish.upside_down >> 3 & 3) | (wish.upside_down >> 4 & 4),
                                .channels = wish.upside_down & 32 ? 1 : 3,
                                .mean = {wish.mean, wish.mean, wish.mean},
                                .std = {wish.std, wish.std, wish.std}};
    struct fuzz_host host = {0};
    tleg_context *context = fuzz_begin(&host);
    uint8_t none = 0, *base = NULL;
    image.pixels = &none;
    if (sides)
        base = lay_out(&wish, data + sizeof wish, size - sizeof wish, &image);
    float *out = malloc((floats_of(&config) + 1) * sizeof *out);
    fuzz_need(out != NULL);
    const tleg_status status = prepare(context, &image, &config, out);
    fuzz_need_error(context, status);
    const bool layout = image.layout >= TLEG_PIXELS_RGB && image.layout <= TLEG_PIXELS_GREY;
    fuzz_need(status != TLEG_OK || (sides && layout && config.image_size > 0));
    if (status == TLEG_OK)
        check(context, &image, &config, out);
    free(out);
    free(base);
    fuzz_end(context, &host);
    return 0;
}
