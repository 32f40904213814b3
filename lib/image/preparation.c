/* What is done to pictures before a model sees them: checked once, with the table of what each pixel value becomes. */
#include "image/picture.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "config/config.h"
#include "config/limits.h"

/* mean and std of one channel, in float as torch has them. */
static void fill_table(float mean, float std, float table[256]) {
    for (int value = 0; value < 256; value++)
        table[value] = ((float)value / 255.0f - mean) / std;
}

static tleg_status take_colours(tleg_context *context, const tleg_preparation_options *options, tleg_preparation *p) {
    memcpy(p->mean, options->mean, sizeof p->mean);
    memcpy(p->std, options->std, sizeof p->std);
    tleg_fill_colours(p->channels, p->mean, p->std);
    for (int c = 0; c < 3; c++) {
        if (!(p->std[c] >= (double)FLT_MIN && p->std[c] <= (double)FLT_MAX))
            return tleg_fail_number(context, "preparation.std", "three numbers above 0", p->std[c]);
        if (!(p->mean[c] >= -(double)FLT_MAX && p->mean[c] <= (double)FLT_MAX))
            return tleg_fail_number(context, "preparation.mean", "three finite numbers", p->mean[c]);
        fill_table((float)p->mean[c], (float)p->std[c], p->table[c]);
    }
    return TLEG_OK;
}

/* A member whose 0 means `usual`. */
static tleg_status take_choice(tleg_context *context, const char *member, int32_t found, int32_t usual, int32_t most,
                               int32_t *taken) {
    *taken = found == 0 ? usual : found;
    if (*taken >= 1 && *taken <= most)
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_ARGUMENT, "preparation.%s: expected 0 to %d, found %d", member, (int)most, (int)found);
}

static tleg_status take_shape(tleg_context *context, const tleg_preparation_options *options, tleg_preparation *p) {
    tleg_status status = take_choice(context, "interpolation", options->interpolation, TLEG_INTERPOLATION_BICUBIC,
                                     TLEG_INTERPOLATION_BOX, &p->interpolation);
    if (status == TLEG_OK)
        status = take_choice(context, "fit", options->fit, TLEG_FIT_CROP, TLEG_FIT_SQUASH_FLOOR, &p->fit);
    if (status != TLEG_OK)
        return status;
    p->channels = options->channels == 0 ? 3 : options->channels;
    if (p->channels != 1 && p->channels != 3)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "preparation.channels: expected 1 or 3, found %d", (int)p->channels);
    return TLEG_OK;
}

static tleg_status take(tleg_context *context, const tleg_preparation_options *options, tleg_preparation *p) {
    if (options->image_size < 1 || options->image_size > TLEG_MAX_IMAGE)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "preparation.image_size: expected 1 to %d, found %d", TLEG_MAX_IMAGE,
                         (int)options->image_size);
    if (options->image_width < 0 || options->image_width > TLEG_MAX_IMAGE)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "preparation.image_width: expected 0 to %d, found %d", TLEG_MAX_IMAGE,
                         (int)options->image_width);
    p->size.height = options->image_size;
    p->size.width = options->image_width ? options->image_width : options->image_size;
    p->crop = options->crop == 0 ? tleg_default_crop(p->size) : options->crop;
    if (!(p->crop > 0 && p->crop <= 1))
        return tleg_fail_number(context, "preparation.crop", "a number above 0 and at most 1", p->crop);
    const tleg_status status = take_shape(context, options, p);
    return status == TLEG_OK ? take_colours(context, options, p) : status;
}

static tleg_status make(tleg_context *context, const tleg_preparation_options *options, tleg_preparation **preparation) {
    tleg_preparation *made = tleg_alloc_zero(&context->allocator, sizeof *made);
    if (!made)
        return tleg_fail_memory(context, "preparation", sizeof *made);
    atomic_init(&made->references, 1);
    made->allocator = context->allocator;
    const tleg_status status = take(context, options, made);
    if (status == TLEG_OK)
        *preparation = made;
    else
        tleg_preparation_free(made);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_preparation_create(tleg_context *context, const tleg_preparation_options *options,
                                                       tleg_preparation **preparation) {
    if (preparation)
        *preparation = NULL;
    if (!context || !preparation)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_preparation_create: a pointer is NULL");
    tleg_preparation_options own;
    const tleg_status status =
        tleg_options_read(context, "tleg_preparation_options", options, &own, sizeof own, TLEG_LEAST_PREPARATION_OPTIONS);
    return status == TLEG_OK ? make(context, &own, preparation) : status;
}

tleg_status tleg_preparation_of(tleg_context *context, const tleg_config *config, tleg_preparation **preparation) {
    tleg_preparation_options options = {.struct_size = sizeof options,
                                        .image_size = config->image_size,
                                        .crop = config->crop,
                                        .interpolation = config->interpolation,
                                        .fit = config->fit,
                                        .channels = config->channels,
                                        .image_width = config->image_width};
    memcpy(options.mean, config->mean, sizeof options.mean);
    memcpy(options.std, config->std, sizeof options.std);
    return make(context, &options, preparation);
}

static uint64_t floats_of(const tleg_preparation *preparation) {
    return (uint64_t)preparation->channels * (uint64_t)tleg_extent_area(preparation->size);
}

TLEG_API tleg_status TLEG_CALL tleg_preparation_get_info(tleg_context *context, const tleg_preparation *preparation,
                                                         tleg_preparation_info *info) {
    if (!preparation)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_preparation_get_info: preparation is NULL");
    const struct tleg_extent size = preparation->size;
    tleg_preparation_info own = {.image_size = size.height,
                                 .floats = floats_of(preparation),
                                 .crop = preparation->crop,
                                 .interpolation = preparation->interpolation,
                                 .fit = preparation->fit,
                                 .channels = preparation->channels,
                                 .image_width = size.width == size.height ? 0 : size.width};
    memcpy(own.mean, preparation->mean, sizeof own.mean);
    memcpy(own.std, preparation->std, sizeof own.std);
    return tleg_info_write(context, "tleg_preparation_info", &own, sizeof own, info, TLEG_LEAST_PREPARATION_INFO);
}

tleg_status tleg_check_image_floats(tleg_context *context, const char *call, const tleg_preparation *preparation,
                                    const float *out, size_t floats) {
    if (!preparation || !out)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: %s is NULL", call, preparation ? "out" : "preparation");
    if ((uintptr_t)out % sizeof(float) != 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: out is not aligned to %zu", call, sizeof(float));
    if (floats < floats_of(preparation))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: out has %zu floats, expected %llu", call, floats,
                         (unsigned long long)floats_of(preparation));
    return TLEG_OK;
}

TLEG_API void TLEG_CALL tleg_preparation_free(tleg_preparation *preparation) {
    if (!preparation || atomic_fetch_sub_explicit(&preparation->references, 1, memory_order_acq_rel) != 1)
        return;
    const struct tleg_allocator allocator = preparation->allocator;
    tleg_release(&allocator, preparation, sizeof *preparation);
}
