/* tleg_image_prepare: checks, torchvision's geometry, and torch's normalisation around the resampler. */
#include <tleg/image.h>

#include "image/bicubic.h"
#include "vit/parts.h"

#include <float.h>
#include <math.h>

enum { MAX_SIDE = 1 << 24 };    /* of a picture */
enum { MAX_RESIZED = 1 << 28 }; /* of the resized shorter side: with MAX_SIDE, the longer stays within 2^52 */

struct recipe { /* what a configuration says about images */
    int32_t size;
    int64_t resized; /* the shorter side after resizing */
    float mean[3], std[3];
};

/* How each layout lies in memory; grey is read three times. */
static const struct {
    size_t step, channel[3];
} layouts[] = {
    [TLEG_PIXELS_RGB] = {3, {0, 1, 2}},  [TLEG_PIXELS_BGR] = {3, {2, 1, 0}},  [TLEG_PIXELS_RGBA] = {4, {0, 1, 2}},
    [TLEG_PIXELS_BGRA] = {4, {2, 1, 0}}, [TLEG_PIXELS_GREY] = {1, {0, 0, 0}},
};

static tleg_status check_sides(tleg_context *context, const tleg_image *image) {
    if (image->width < 1 || image->width > MAX_SIDE)
        return tleg_fail(context, TLEG_ARGUMENT, "image.width: expected 1 to %d, found %d", MAX_SIDE, image->width);
    if (image->height < 1 || image->height > MAX_SIDE)
        return tleg_fail(context, TLEG_ARGUMENT, "image.height: expected 1 to %d, found %d", MAX_SIDE, image->height);
    return TLEG_OK;
}

static tleg_status check_stride(tleg_context *context, int64_t stride, int64_t row, int32_t height) {
    if (stride > -row && stride < row)
        return tleg_fail(context, TLEG_ARGUMENT, "image.stride: expected 0, or at least the %lld bytes of a row, found %lld",
                         (long long)row, (long long)stride);
    const int64_t most = PTRDIFF_MAX / height;
    if (stride > most || stride < -most)
        return tleg_fail(context, TLEG_ARGUMENT, "image.stride: %lld bytes by %d rows do not fit in memory", (long long)stride,
                         height);
    return TLEG_OK;
}

static tleg_status read_image(tleg_context *context, const tleg_image *host, tleg_image *image, struct tleg_pixels *pixels) {
    tleg_status status = tleg_options_read(context, "tleg_image", host, image, sizeof *image, sizeof *image);
    if (status != TLEG_OK)
        return status;
    if (image->layout < TLEG_PIXELS_RGB || image->layout > TLEG_PIXELS_GREY)
        return tleg_fail(context, TLEG_ARGUMENT, "image.layout: expected one of TLEG_PIXELS_* (%d to %d), found %d",
                         TLEG_PIXELS_RGB, TLEG_PIXELS_GREY, image->layout);
    if (image->pixels == NULL)
        return tleg_fail(context, TLEG_ARGUMENT, "image.pixels is NULL");
    status = check_sides(context, image);
    if (status != TLEG_OK)
        return status;
    const size_t step = layouts[image->layout].step;
    const int64_t row = (int64_t)step * image->width, stride = image->stride == 0 ? row : image->stride;
    status = check_stride(context, stride, row, image->height);
    if (status != TLEG_OK)
        return status;
    *pixels = (struct tleg_pixels){.pixels = image->pixels, .stride = (ptrdiff_t)stride, .step = step};
    for (int c = 0; c < 3; c++)
        pixels->channel[c] = layouts[image->layout].channel[c];
    return TLEG_OK;
}

static tleg_status fail_number(tleg_context *context, const char *member, const char *expected, double found) {
    char text[TLEG_NUMBER_TEXT] = "no finite number";
    if (isfinite(found))
        tleg_number_format(found, text);
    return tleg_fail(context, TLEG_ARGUMENT, "config.%s: expected %s, found %s", member, expected, text);
}

static bool all_zero(const double values[3]) {
    return values[0] == 0 && values[1] == 0 && values[2] == 0;
}

/* Without a std the defaults hold; with one, a mean of 0 is meant. */
static tleg_status read_colours(tleg_context *context, const tleg_config *config, struct recipe *recipe) {
    double mean[3], std[3];
    tleg_default_colours(mean, std);
    for (int c = 0; c < 3; c++) {
        if (!all_zero(config->std))
            std[c] = config->std[c];
        if (!all_zero(config->std) || !all_zero(config->mean))
            mean[c] = config->mean[c];
        if (!(std[c] >= (double)FLT_MIN && std[c] <= (double)FLT_MAX))
            return fail_number(context, "std", "three numbers above 0", std[c]);
        if (!(mean[c] >= -(double)FLT_MAX && mean[c] <= (double)FLT_MAX))
            return fail_number(context, "mean", "three finite numbers", mean[c]);
        recipe->mean[c] = (float)mean[c];
        recipe->std[c] = (float)std[c];
    }
    return TLEG_OK;
}

static tleg_status read_recipe(tleg_context *context, const tleg_config *host, struct recipe *recipe) {
    tleg_config config;
    const size_t least = offsetof(tleg_config, crop) + sizeof config.crop;
    const tleg_status status = tleg_options_read(context, "tleg_config", host, &config, sizeof config, least);
    if (status != TLEG_OK)
        return status;
    if (config.image_size < 1 || config.image_size > TLEG_MAX_IMAGE)
        return tleg_fail(context, TLEG_ARGUMENT, "config.image_size: expected 1 to %d, found %d", TLEG_MAX_IMAGE,
                         config.image_size);
    if (config.crop == 0)
        config.crop = tleg_default_crop(config.image_size);
    if (!(config.crop > 0 && config.crop <= 1))
        return fail_number(context, "crop", "a number above 0 and at most 1", config.crop);
    const double resized = floor(config.image_size / config.crop);
    if (resized > MAX_RESIZED)
        return fail_number(context, "crop", "at least image_size / 2^28", config.crop);
    recipe->size = config.image_size;
    recipe->resized = (int64_t)resized;
    return read_colours(context, &config, recipe);
}

/* torchvision's Resize and CenterCrop along one side: (resized - size) / 2 rounded half to even. It is never negative,
 * since the crop is at most 1: CenterCrop's padding with black has no case here. */
static struct tleg_axis centre(int32_t in, int64_t resized, int32_t size) {
    const int64_t rest = resized - size, half = rest / 2;
    return (struct tleg_axis){.in = in, .out = size, .resized = resized, .offset = half + (rest % 2 != 0 && half % 2 != 0)};
}

/* The longer side becomes int(resized * long / short), where Python divides in double. */
static void lay_axes(const tleg_image *image, const struct recipe *recipe, struct tleg_axis *x, struct tleg_axis *y) {
    const bool wide = image->width > image->height;
    const int32_t less = wide ? image->height : image->width, more = wide ? image->width : image->height;
    const int64_t grown = (int64_t)((double)(recipe->resized * more) / (double)less);
    *x = centre(image->width, wide ? grown : recipe->resized, recipe->size);
    *y = centre(image->height, wide ? recipe->resized : grown, recipe->size);
}

struct sink { /* what a value of each channel becomes, and where it goes */
    float table[3][256];
    int32_t size;
    float *out;
};

/* ToTensor and Normalize, in float as torch computes them. */
static void fill_table(const struct recipe *recipe, struct sink *sink) {
    for (int c = 0; c < 3; c++)
        for (int value = 0; value < 256; value++)
            sink->table[c][value] = ((float)value / 255.0f - recipe->mean[c]) / recipe->std[c];
}

static void emit(void *arg, int32_t row, const uint8_t *values) {
    struct sink *sink = arg;
    const size_t size = (size_t)sink->size;
    for (size_t c = 0; c < 3; c++, values += size) {
        float *out = sink->out + (c * size + (size_t)row) * size;
        for (size_t i = 0; i < size; i++)
            out[i] = sink->table[c][values[i]];
    }
}

tleg_status tleg_image_prepare(tleg_context *context, const tleg_image *host, const tleg_config *config, float *out) {
    tleg_image image;
    struct tleg_pixels pixels = {0};
    struct recipe recipe = {0};
    struct tleg_axis x, y;
    struct tleg_bicubic plan;

    if (context == NULL)
        return TLEG_ARGUMENT;
    if (out == NULL)
        return tleg_fail(context, TLEG_ARGUMENT, "tleg_image_prepare: out is NULL");
    tleg_status status = read_image(context, host, &image, &pixels);
    if (status == TLEG_OK)
        status = read_recipe(context, config, &recipe);
    if (status != TLEG_OK)
        return status;
    lay_axes(&image, &recipe, &x, &y);
    if (!tleg_bicubic_plan(&x, &y, &plan))
        return tleg_fail_memory(context, "the resized image", SIZE_MAX);
    char *scratch = tleg_alloc(&context->allocator, plan.bytes);
    if (scratch == NULL)
        return tleg_fail_memory(context, "the resized image", plan.bytes);

    struct sink sink = {.size = recipe.size, .out = out};
    fill_table(&recipe, &sink);
    tleg_bicubic_run(&plan, &pixels, scratch, emit, &sink);
    tleg_release(&context->allocator, scratch, plan.bytes);
    return TLEG_OK;
}
