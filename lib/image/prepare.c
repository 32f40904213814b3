/* tleg_image_prepare: torchvision's geometry and torch's normalisation around the resampler. */
#include "image/picture.h"

#include <math.h>

#include "config/limits.h"

enum { MAX_RESIZED = 1 << 28 }; /* of the resized shorter side: with a side's 2^24, the longer stays within 2^52 */

/* The shorter side after resizing. */
static tleg_status read_resized(tleg_context *context, const struct tleg_recipe *recipe, int64_t *resized) {
    const double crop = recipe->crop == 0 ? tleg_default_crop(recipe->size) : recipe->crop;
    if (!(crop > 0 && crop <= 1))
        return tleg_fail_number(context, "config.crop", "a number above 0 and at most 1", crop);
    const double side = floor(recipe->size / crop);
    if (side > MAX_RESIZED)
        return tleg_fail_number(context, "config.crop", "at least image_size / 2^28", crop);
    *resized = (int64_t)side;
    return TLEG_OK;
}

/* torchvision's Resize and CenterCrop along one side: (resized - size) / 2 rounded half to even. It is never negative,
 * since the crop is at most 1: CenterCrop's padding with black has no case here. */
static struct tleg_axis centre(int32_t in, int64_t resized, int32_t size) {
    const int64_t rest = resized - size, half = rest / 2;
    return (struct tleg_axis){.in = in, .out = size, .resized = resized, .offset = half + (rest % 2 != 0 && half % 2 != 0)};
}

/* The longer side becomes int(resized * long / short), where Python divides in double. */
static void lay_axes(const tleg_image *image, int32_t size, int64_t resized, struct tleg_axis *x, struct tleg_axis *y) {
    const bool wide = image->width > image->height;
    const int32_t less = wide ? image->height : image->width, more = wide ? image->width : image->height;
    const int64_t grown = (int64_t)((double)(resized * more) / (double)less);
    *x = centre(image->width, wide ? grown : resized, size);
    *y = centre(image->height, wide ? resized : grown, size);
}

struct sink { /* what a value of each channel becomes, and where it goes */
    const struct tleg_recipe *recipe;
    float *out;
};

static void emit(void *arg, int32_t row, const uint8_t *values) {
    const struct sink *sink = arg;
    const size_t size = (size_t)sink->recipe->size;
    for (size_t c = 0; c < 3; c++, values += size) {
        float *out = sink->out + (c * size + (size_t)row) * size;
        for (size_t i = 0; i < size; i++)
            out[i] = sink->recipe->table[c][values[i]];
    }
}

tleg_status tleg_image_prepare(tleg_context *context, const tleg_image *host, const tleg_config *config, float *out) {
    tleg_image image;
    struct tleg_pixels pixels = {0};
    struct tleg_recipe recipe = {0};
    int64_t resized = 0;
    struct tleg_axis x, y;
    struct tleg_bicubic plan;

    if (context == NULL)
        return TLEG_ERROR_ARGUMENT;
    if (out == NULL)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_image_prepare: out is NULL");
    tleg_status status = tleg_picture_read(context, host, &image, &pixels);
    if (status == TLEG_OK)
        status = tleg_recipe_read(context, config, &recipe);
    if (status == TLEG_OK)
        status = read_resized(context, &recipe, &resized);
    if (status != TLEG_OK)
        return status;
    lay_axes(&image, recipe.size, resized, &x, &y);
    if (!tleg_bicubic_plan(&x, &y, &plan))
        return tleg_fail_memory(context, "the resized image", SIZE_MAX);
    char *scratch = tleg_alloc(&context->allocator, plan.bytes);
    if (scratch == NULL)
        return tleg_fail_memory(context, "the resized image", plan.bytes);

    struct sink sink = {.recipe = &recipe, .out = out};
    tleg_bicubic_run(&plan, &pixels, scratch, emit, &sink);
    tleg_release(&context->allocator, scratch, plan.bytes);
    return TLEG_OK;
}
