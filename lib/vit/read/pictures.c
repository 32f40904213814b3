/* What a host knows of pictures, in place of what a file says. */
#include <string.h>

#include "config/limits.h"
#include "image/picture.h"
#include "vit/read/read.h"

static tleg_status take_size(tleg_context *context, const tleg_preparation_options *pictures, tleg_config *c) {
    const uint64_t before = tleg_outer_numbers(c);
    const tleg_status status =
        tleg_config_resize(context, "pictures.image_size", pictures->image_size, pictures->image_width, c);
    if (status == TLEG_OK)
        c->parameters += tleg_outer_numbers(c) - before;
    return status;
}

static bool is_prepared_alike(const tleg_config *a, const tleg_config *b) {
    return tleg_extent_same(tleg_config_pixels(a), tleg_config_pixels(b)) && memcmp(a->mean, b->mean, sizeof a->mean) == 0 &&
           memcmp(a->std, b->std, sizeof a->std) == 0 && a->crop == b->crop && a->interpolation == b->interpolation &&
           a->fit == b->fit;
}

static void take_members(const tleg_preparation_options *pictures, tleg_config *c) {
    const bool others = c->channels != 1 && (pictures->std[1] != 0 || pictures->std[2] != 0);
    const bool coloured = pictures->std[0] != 0 || others;
    if (coloured) {
        memcpy(c->mean, pictures->mean, sizeof c->mean);
        memcpy(c->std, pictures->std, sizeof c->std);
        tleg_fill_colours(c->channels, c->mean, c->std);
        c->assumed &= ~TLEG_ASSUMED_COLOURS;
    }
    if (pictures->crop != 0) {
        c->crop = pictures->crop;
        c->assumed &= ~TLEG_ASSUMED_CROP;
    }
    if (pictures->interpolation != 0) {
        c->interpolation = pictures->interpolation;
        c->assumed &= ~TLEG_ASSUMED_FILTER;
    }
    if (pictures->fit != 0)
        c->fit = pictures->fit;
}

tleg_status tleg_config_take_pictures(tleg_context *context, const struct tleg_preparation_options *host,
                                      struct tleg_vit_config *config) {
    if (host == NULL)
        return TLEG_OK;
    tleg_preparation_options pictures;
    tleg_preparation *whole = NULL;
    const tleg_config former = config->c;
    tleg_status status = tleg_options_read(context, "tleg_preparation_options", host, &pictures, sizeof pictures,
                                           TLEG_LEAST_PREPARATION_OPTIONS);
    if (status == TLEG_OK)
        status = tleg_check_reserved(context, "pictures.channels", pictures.channels == 0);
    if (status == TLEG_OK)
        status = take_size(context, &pictures, &config->c);
    if (status != TLEG_OK)
        return status;
    take_members(&pictures, &config->c);
    if (!is_prepared_alike(&former, &config->c))
        config->c.scores = NULL; /* they were measured of something else */
    tleg_config checked = config->c;
    if (checked.channels != 1) /* of latents no picture is prepared, yet these must make sense */
        checked.channels = 3;
    status = tleg_preparation_of(context, &checked, &whole);
    tleg_preparation_free(whole);
    return status;
}

tleg_status tleg_read_resampled(tleg_context *context, const tleg_file *file, struct tleg_extent pixels,
                                tleg_position_filter filter, const tleg_config *config, float *out) {
    tleg_config old = *config;
    tleg_config_set_pixels(&old, pixels);
    struct tleg_spec spec;
    tleg_outer_spec(&old, TLEG_SLOT_POS_EMBED, &spec);
    const size_t bytes = tleg_spec_count(&spec) * sizeof(float);
    float *table = tleg_alloc(&context->allocator, bytes);
    if (!table)
        return tleg_fail_memory(context, "position embedding", bytes);
    const struct tleg_resampling resampling = tleg_config_resampling(&old, config, filter);
    const tleg_status status = tleg_file_read_f32(context, file, tleg_file_find(file, spec.name), table);
    if (status == TLEG_OK)
        tleg_resample_grid(&resampling, table, out);
    tleg_release(&context->allocator, table, bytes);
    return status;
}
