/* tleg_image_prepare: torchvision's geometry and torch's normalisation around the resampler. */
#include "image/picture.h"

#include <math.h>

#include "config/limits.h"

/* Of the resized shorter side: with a side's 2^24, the longer stays within 2^52. */
static const double most_resized = 1 << 28;

/* The shorter side after resizing. */
static tleg_status read_resized(tleg_context *context, const tleg_preparation *preparation, int64_t *resized) {
    const double side = floor(preparation->size / preparation->crop);
    if (side > most_resized)
        return tleg_fail_number(context, "preparation.crop", "at least image_size / 2^28", preparation->crop);
    *resized = (int64_t)side;
    return TLEG_OK;
}

/* torchvision's Resize and CenterCrop along one side: (resized - size) / 2 rounded half to even. It is never negative,
 * since the crop is at most 1: CenterCrop's padding with black has no case here. */
static struct tleg_axis centre(int32_t in, int64_t resized, int32_t size) {
    const int64_t rest = resized - size, half = rest / 2;
    return (struct tleg_axis){.in = in, .out = size, .resized = resized, .offset = half + (rest % 2 != 0 && half % 2 != 0)};
}

/* Cropped, the longer side becomes int(resized * long / short), where Python divides in double. */
static void lay_axes(const tleg_preparation *preparation, const tleg_image *image, int64_t resized, struct tleg_axis *x,
                     struct tleg_axis *y) {
    const int32_t size = preparation->size;
    const bool squash = preparation->fit == TLEG_FIT_SQUASH;
    const bool wide = image->width > image->height;
    const int32_t less = wide ? image->height : image->width, more = wide ? image->width : image->height;
    const int64_t grown = squash ? resized : (int64_t)((double)(resized * more) / (double)less);
    *x = centre(image->width, wide ? grown : resized, size);
    *y = centre(image->height, wide ? resized : grown, size);
}

struct sink { /* what a value of each channel becomes, and where it goes */
    const tleg_preparation *preparation;
    float *out;
};

static void emit(void *arg, int32_t row, const uint8_t *values) {
    const struct sink *sink = arg;
    const size_t size = (size_t)sink->preparation->size;
    for (size_t c = 0; c < (size_t)sink->preparation->channels; c++, values += size) {
        float *out = sink->out + (c * size + (size_t)row) * size;
        for (size_t i = 0; i < size; i++)
            out[i] = sink->preparation->table[c][values[i]];
    }
}

TLEG_API tleg_status TLEG_CALL tleg_image_prepare(tleg_context *context, const tleg_preparation *preparation,
                                                  const tleg_image *host, float *out, size_t out_floats) {
    tleg_image image;
    struct tleg_pixels pixels = {0};
    int64_t resized = 0;
    struct tleg_resize plan;

    if (context == NULL)
        return TLEG_ERROR_ARGUMENT;
    tleg_status status = tleg_check_image_floats(context, "tleg_image_prepare", preparation, out, out_floats);
    if (status == TLEG_OK)
        status = tleg_picture_read(context, host, &image, &pixels);
    if (status == TLEG_OK)
        status = read_resized(context, preparation, &resized);
    if (status != TLEG_OK)
        return status;
    struct tleg_resizing how = {.interpolation = preparation->interpolation, .channels = preparation->channels};
    lay_axes(preparation, &image, resized, &how.x, &how.y);
    if (!tleg_resize_plan(&how, &plan))
        return tleg_fail_memory(context, "the resized image", SIZE_MAX);
    char *scratch = tleg_alloc(&context->allocator, plan.bytes);
    if (scratch == NULL)
        return tleg_fail_memory(context, "the resized image", plan.bytes);

    struct sink sink = {.preparation = preparation, .out = out};
    tleg_resize_run(&plan, &pixels, scratch, emit, &sink);
    tleg_release(&context->allocator, scratch, plan.bytes);
    return TLEG_OK;
}
