/* tleg_image_prepare: torchvision's geometry and torch's normalisation around the resampler. */
#include "image/picture.h"

#include <math.h>

#include "config/limits.h"

/* Of a resized side that the crop must lie within: with a side's 2^24, the longer stays within 2^52. */
static const double most_resized = 1 << 28;

/* What the resized picture must cover: each side of the crop over its share. */
static tleg_status read_covered(tleg_context *context, const tleg_preparation *preparation, struct tleg_extent *covered) {
    const double height = floor(preparation->size.height / preparation->crop),
                 width = floor(preparation->size.width / preparation->crop);
    if (height > most_resized || width > most_resized)
        return tleg_fail_number(context, "preparation.crop", "at least image_size / 2^28", preparation->crop);
    *covered = (struct tleg_extent){(int32_t)height, (int32_t)width};
    return TLEG_OK;
}

/* Resize and CenterCrop along one side: (resized - size) / 2, rounded half to even as torchvision does it, or down. It is never
 * negative, since the crop is at most 1: CenterCrop's padding with black has no case here. */
static struct tleg_axis centre(int32_t in, int64_t resized, int32_t size, bool down) {
    const int64_t rest = resized - size, half = rest / 2;
    const bool up = !down && rest % 2 != 0 && half % 2 != 0;
    return (struct tleg_axis){.in = in, .out = size, .resized = resized, .offset = half + up};
}

/* torchvision's Resize to the shorter side: the longer becomes int(side * long / short), where Python divides in double. */
static int64_t grown(int64_t side, int32_t longer, int32_t shorter) {
    return (int64_t)((double)(side * longer) / (double)shorter);
}

/* timm's ResizeKeepRatio, for what is not square: both sides over the smaller of the two ratios, as Python rounds. */
static int64_t kept(int32_t side, double ratio) {
    const double exact = side / ratio, below = floor(exact), rest = exact - below;
    const int64_t whole = (int64_t)below;
    return whole + (rest > 0.5 || (rest == 0.5 && whole % 2 != 0));
}

static void lay_axes(const tleg_preparation *preparation, const tleg_image *image, struct tleg_extent covered,
                     struct tleg_axis *x, struct tleg_axis *y) {
    const bool down = preparation->fit == TLEG_FIT_CROP_FLOOR || preparation->fit == TLEG_FIT_SQUASH_FLOOR;
    const bool whole = preparation->fit == TLEG_FIT_SQUASH || preparation->fit == TLEG_FIT_SQUASH_FLOOR;
    int64_t width = covered.width, height = covered.height;
    if (!whole && covered.width != covered.height) {
        const double rows = (double)image->height / covered.height, columns = (double)image->width / covered.width;
        const double ratio = rows < columns ? rows : columns;
        height = kept(image->height, ratio);
        width = kept(image->width, ratio);
    } else if (!whole && image->width > image->height) {
        width = grown(covered.height, image->width, image->height);
    } else if (!whole) {
        height = grown(covered.width, image->height, image->width);
    }
    *x = centre(image->width, width, preparation->size.width, down);
    *y = centre(image->height, height, preparation->size.height, down);
}

struct sink { /* what a value of each channel becomes, and where it goes */
    const tleg_preparation *preparation;
    float *out;
};

static void emit(void *arg, int32_t row, const uint8_t *values) {
    const struct sink *sink = arg;
    const size_t height = (size_t)sink->preparation->size.height, width = (size_t)sink->preparation->size.width;
    for (size_t c = 0; c < (size_t)sink->preparation->channels; c++, values += width) {
        float *out = sink->out + (c * height + (size_t)row) * width;
        for (size_t i = 0; i < width; i++)
            out[i] = sink->preparation->table[c][values[i]];
    }
}

TLEG_API tleg_status TLEG_CALL tleg_image_prepare(tleg_context *context, const tleg_preparation *preparation,
                                                  const tleg_image *host, float *out, size_t out_floats) {
    tleg_image image;
    struct tleg_pixels pixels = {0};
    struct tleg_extent covered = {0};
    struct tleg_resize plan;

    if (context == NULL)
        return TLEG_ERROR_ARGUMENT;
    tleg_status status = tleg_check_image_floats(context, "tleg_image_prepare", preparation, out, out_floats);
    if (status == TLEG_OK)
        status = tleg_picture_read(context, host, &image, &pixels);
    if (status == TLEG_OK)
        status = read_covered(context, preparation, &covered);
    if (status != TLEG_OK)
        return status;
    struct tleg_resizing how = {.interpolation = preparation->interpolation, .channels = preparation->channels};
    lay_axes(preparation, &image, covered, &how.x, &how.y);
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
