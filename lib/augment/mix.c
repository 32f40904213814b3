/* Mixup (Zhang et al., 2018) and cutmix (Yun et al., 2019) of a batch with itself reversed: timm's batch mode. */
#include <math.h>

#include "augment/private.h"
#include "config/limits.h"
#include "image/picture.h"

struct mix {       /* what is done to the batch */
    double lambda; /* what an image keeps of itself */
    bool cut;
    struct tleg_box box;
};

static tleg_status check_alpha(tleg_context *context, const char *member, double alpha) {
    if (alpha == 0 || (alpha >= 1e-6 && alpha <= 1e6))
        return TLEG_OK;
    return tleg_fail_number(context, member, "0, or 1e-6 to 1e6", alpha);
}

static tleg_status check_options(tleg_context *context, const tleg_mix_options *options) {
    if (options->classes < 1 || options->classes > TLEG_MAX_CLASSES)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "mix.classes: expected 1 to %d, found %d", TLEG_MAX_CLASSES,
                         options->classes);
    if (!(options->smoothing >= 0 && options->smoothing <= 1))
        return tleg_fail_number(context, "mix.smoothing", "0 to 1", options->smoothing);
    if (options->channels != 1 && options->channels != 3)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "mix.channels: expected 1 or 3, found %d", options->channels);
    const tleg_status status = check_alpha(context, "mix.mixup", options->mixup);
    return status == TLEG_OK ? check_alpha(context, "mix.cutmix", options->cutmix) : status;
}

static tleg_status check_batch(tleg_context *context, const tleg_mix_options *options, int64_t batch, struct tleg_extent size,
                               const int64_t *labels) {
    size_t count;
    if (size.height < 1 || size.height > TLEG_MAX_IMAGE)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "image_size: expected 1 to %d, found %d", TLEG_MAX_IMAGE,
                         (int)size.height);
    if (size.width < 1 || size.width > TLEG_MAX_IMAGE)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "mix.image_width: expected 0 to %d, found %d", TLEG_MAX_IMAGE,
                         (int)size.width);
    if (batch < 1 || !tleg_size_product((const int64_t[]){batch, options->channels, size.height, size.width}, 4, &count) ||
        !tleg_size_product((const int64_t[]){batch, options->classes}, 2, &count))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "batch: expected images that fit in memory, found %lld",
                         (long long)batch);
    for (int64_t i = 0; i < batch; i++)
        if (labels[i] < 0 || labels[i] >= options->classes)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "label %lld: expected 0 to %d, found %lld", (long long)i,
                             options->classes - 1, (long long)labels[i]);
    return TLEG_OK;
}

static struct mix draw(struct tleg_random *random, const tleg_mix_options *options, struct tleg_extent size) {
    struct mix mix = {.lambda = 1, .cut = options->cutmix > 0};
    if (options->mixup == 0 && options->cutmix == 0)
        return mix;
    if (options->mixup > 0 && options->cutmix > 0)
        mix.cut = tleg_random_uniform(random) < 0.5;
    mix.lambda = tleg_draw_beta(random, mix.cut ? options->cutmix : options->mixup);
    if (mix.cut && mix.lambda != 1) {
        mix.box = tleg_draw_cut(random, size, mix.lambda);
        mix.lambda = 1 - (double)mix.box.width * mix.box.height / ((double)size.height * size.width);
    }
    return mix;
}

/* a, b (count) become what each keeps of itself and gets of the other. */
static void blend(float *a, float *b, size_t count, double lambda) {
    const float own = (float)lambda, other = (float)(1 - lambda);
    for (size_t i = 0; i < count; i++) {
        const float x = a[i], y = b[i];
        a[i] = x * own + y * other;
        b[i] = y * own + x * other;
    }
}

/* Two images (channels, height, columns) exchange the box. */
static void exchange(float *a, float *b, size_t channels, struct tleg_extent size, const struct tleg_box *box) {
    const size_t columns = (size_t)size.width;
    const size_t left = (size_t)box->left, width = (size_t)box->width, top = (size_t)box->top, height = (size_t)box->height;
    for (size_t c = 0; c < channels; c++)
        for (size_t y = top; y < top + height; y++)
            for (size_t i = (c * (size_t)size.height + y) * columns + left, end = i + width; i < end; i++) {
                const float x = a[i];
                a[i] = b[i];
                b[i] = x;
            }
}

static void mix_images(const struct mix *mix, int64_t batch, size_t channels, struct tleg_extent size, float *images) {
    const size_t count = channels * (size_t)tleg_extent_area(size);
    for (int64_t i = 0, j = batch - 1; i < j; i++, j--) {
        float *a = images + (size_t)i * count, *b = images + (size_t)j * count;
        if (mix->cut)
            exchange(a, b, channels, size, &mix->box);
        else
            blend(a, b, count, mix->lambda);
    }
}

/* targets (batch, classes): a row is lambda y_i + (1 - lambda) y_(batch-1-i), where y has `on` at its label, else `off`. */
static void fill_targets(double lambda, const tleg_mix_options *options, int64_t batch, const int64_t *labels, float *targets) {
    const float off = (float)(options->smoothing / options->classes), own = (float)lambda, other = (float)(1 - lambda);
    const float on = (float)(1 - options->smoothing + options->smoothing / options->classes);
    for (int64_t i = 0; i < batch; i++, targets += options->classes) {
        const int64_t a = labels[i], b = labels[batch - 1 - i];
        for (int32_t c = 0; c < options->classes; c++)
            targets[c] = (c == a ? on : off) * own + (c == b ? on : off) * other;
    }
}

/* Whether the host's arrays hold what a batch needs. */
static tleg_status check_counts(tleg_context *context, const tleg_mix_options *options, int64_t batch, struct tleg_extent size,
                                size_t image_floats, size_t target_floats) {
    const int32_t classes = options->classes;
    const size_t image = (size_t)options->channels * (size_t)tleg_extent_area(size), count = (size_t)batch;
    if (image_floats / image < count)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_augment_mix: images has %zu floats, expected %zu times %zu",
                         image_floats, count, image);
    if (target_floats / (size_t)classes < count)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_augment_mix: targets has %zu floats, expected %zu times %d",
                         target_floats, count, (int)classes);
    return TLEG_OK;
}

TLEG_API tleg_status TLEG_CALL tleg_augment_mix(tleg_context *context, const tleg_mix_options *host, uint64_t seed,
                                                int64_t batch, int32_t image_size, float *images, size_t image_floats,
                                                const int64_t *labels, float *targets, size_t target_floats) {
    tleg_mix_options options;
    struct tleg_random random;
    if (context == NULL)
        return TLEG_ERROR_ARGUMENT;
    if (images == NULL || labels == NULL || targets == NULL)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_augment_mix: images, labels or targets is NULL");
    tleg_status status = tleg_options_read(context, "tleg_mix_options", host, &options, sizeof options, TLEG_LEAST_MIX_OPTIONS);
    if (options.channels == 0)
        options.channels = 3;
    if (status == TLEG_OK)
        status = check_options(context, &options);
    const struct tleg_extent size = {image_size, options.image_width ? options.image_width : image_size};
    if (status == TLEG_OK)
        status = check_batch(context, &options, batch, size, labels);
    if (status == TLEG_OK)
        status = check_counts(context, &options, batch, size, image_floats, target_floats);
    if (status != TLEG_OK)
        return status;
    tleg_random_seed(&random, seed, 0);
    const struct mix mix = draw(&random, &options, size);
    if (mix.lambda != 1)
        mix_images(&mix, batch, (size_t)options.channels, size, images);
    fill_targets(mix.lambda, &options, batch, labels, targets);
    return TLEG_OK;
}
