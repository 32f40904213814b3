/* tleg_augment_image: DeiT's chain from a host's picture to a training image. */
#include "augment/private.h"

#include <math.h>
#include <string.h>

#include "config/spec.h"
#include "image/picture.h"

struct task { /* one picture on its way */
    tleg_augment_options options;
    const tleg_preparation *preparation;
    tleg_image image;
    struct tleg_pixels pixels;
    struct tleg_random random;
    struct tleg_canvas canvas; /* the crop */
};

/* ---- what a host asks for ---- */

static tleg_status check_options(tleg_context *context, const tleg_augment_options *options) {
    const struct {
        const char *member, *expected;
        double most, found;
    } checks[] = {
        {"augment.padding", "0 to 2^24", TLEG_MAX_SIDE, options->padding},
        {"augment.crop_least", "0 to 1", 1, options->crop_least},
        {"augment.flip", "0 to 1", 1, options->flip},
        {"augment.rand_ops", "0 to 1000", 1000, options->rand_ops},
        {"augment.rand_increasing", "0 or 1", 1, options->rand_increasing},
        {"augment.rand_magnitude", "0 to 10", 10, options->rand_magnitude},
        {"augment.rand_std", "0 to 100", 100, options->rand_std},
        {"augment.jitter", "0 to 1000", 1000, options->jitter},
        {"augment.erase", "0 to 1", 1, options->erase},
        {"augment.rand_filter", "0 or 1", 1, options->rand_filter},
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        if (!(checks[i].found >= 0 && checks[i].found <= checks[i].most))
            return tleg_fail_number(context, checks[i].member, checks[i].expected, checks[i].found);
    return tleg_check_reserved(context, "augment.reserved", options->reserved == 0);
}

static tleg_status read_options(tleg_context *context, const tleg_augment_options *host, tleg_augment_options *options) {
    tleg_status status =
        tleg_options_read(context, "tleg_augment_options", host, options, sizeof *options, TLEG_LEAST_AUGMENT_OPTIONS);
    if (status == TLEG_OK)
        status = check_options(context, options);
    if (options->crop_least == 0)
        options->crop_least = 0.08;
    if (options->rand_magnitude == 0)
        options->rand_magnitude = 9;
    return status;
}

/* A padded picture must hold a crop. */
static tleg_status check_padding(tleg_context *context, const struct task *task) {
    const struct tleg_extent size = task->preparation->size;
    const int32_t more = 2 * task->options.padding;
    char crop[TLEG_EXTENT_TEXT];
    if (more == 0 || (size.width - task->image.width <= more && size.height - task->image.height <= more))
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_ARGUMENT, "image: %d by %d pixels, padded by %d, do not hold a crop of %s pixels",
                     task->image.width, task->image.height, task->options.padding, tleg_extent_text(size, crop));
}

/* ---- the crop ---- */

/* A row of the resized crop, planes (channels, width), to pixels; grey gives all three colours. */
static void emit(void *arg, int32_t row, const uint8_t *values) {
    const struct task *task = arg;
    const size_t width = (size_t)task->canvas.width, plane = task->preparation->channels == 1 ? 0 : width;
    uint8_t *out = task->canvas.rgb + (size_t)row * width * 3;
    for (size_t i = 0; i < width; i++)
        for (size_t c = 0; c < 3; c++)
            out[i * 3 + c] = values[c * plane + i];
}

/* The box is cut out first: what lies outside has no weight along its border, as in torchvision. */
static tleg_status crop_resized(tleg_context *context, struct task *task) {
    const struct tleg_box box = tleg_draw_crop(&task->random, task->image.width, task->image.height, task->options.crop_least);
    const struct tleg_extent size = task->preparation->size;
    const struct tleg_resizing how = {.x = {.in = box.width, .out = size.width, .resized = size.width},
                                      .y = {.in = box.height, .out = size.height, .resized = size.height},
                                      .interpolation = task->preparation->interpolation,
                                      .channels = task->preparation->channels};
    struct tleg_pixels pixels = task->pixels;
    struct tleg_resize plan;
    pixels.pixels += box.top * pixels.stride + (ptrdiff_t)((size_t)box.left * pixels.step);
    if (!tleg_resize_plan(&how, &plan))
        return tleg_fail_memory(context, "the resized crop", SIZE_MAX);
    char *scratch = tleg_alloc(&context->allocator, plan.bytes);
    if (scratch == NULL)
        return tleg_fail_memory(context, "the resized crop", plan.bytes);
    tleg_resize_run(&plan, &pixels, scratch, emit, task);
    tleg_release(&context->allocator, scratch, plan.bytes);
    return TLEG_OK;
}

/* A pixel of the picture, in the colours that the model sees. */
static void copy_pixel(const struct task *task, const uint8_t *pixel, uint8_t *out) {
    for (size_t c = 0; c < 3; c++)
        out[c] = task->preparation->channels == 1 ? tleg_pixels_grey(&task->pixels, pixel) : pixel[task->pixels.channel[c]];
}

/* Position 0 along a side is the first of the black pixels. */
static void crop_padded(struct task *task) {
    const int32_t padding = task->options.padding;
    const struct tleg_extent size = task->preparation->size;
    const struct tleg_pixels *pixels = &task->pixels;
    const int32_t top = tleg_draw_index(&task->random, task->image.height + 2 * padding - size.height + 1) - padding;
    const int32_t left = tleg_draw_index(&task->random, task->image.width + 2 * padding - size.width + 1) - padding;
    uint8_t *out = task->canvas.rgb;
    for (int32_t y = top; y < top + size.height; y++)
        for (int32_t x = left; x < left + size.width; x++, out += 3) {
            const bool inside = y >= 0 && y < task->image.height && x >= 0 && x < task->image.width;
            if (inside)
                copy_pixel(task, pixels->pixels + y * pixels->stride + (ptrdiff_t)((size_t)x * pixels->step), out);
            else
                memset(out, 0, 3);
        }
}

/* ---- on the crop ---- */

static void mirror(const struct tleg_canvas *canvas) {
    const size_t width = (size_t)canvas->width;
    for (size_t y = 0; y < (size_t)canvas->height; y++)
        for (size_t i = 0, j = width - 1; i < j; i++, j--)
            for (size_t c = 0; c < 3; c++) {
                uint8_t *a = canvas->rgb + (y * width + i) * 3 + c, *b = canvas->rgb + (y * width + j) * 3 + c, kept = *a;
                *a = *b;
                *b = kept;
            }
}

static void rand_augment(struct task *task) {
    const tleg_augment_options *options = &task->options;
    struct tleg_random *random = &task->random;
    for (int32_t i = 0; i < options->rand_ops; i++) {
        const enum tleg_operation operation = (enum tleg_operation)tleg_draw_index(random, TLEG_OPERATIONS);
        if (tleg_random_uniform(random) > 0.5)
            continue;
        double magnitude = options->rand_magnitude;
        if (options->rand_std > 0)
            magnitude += options->rand_std * tleg_random_normal(random, INFINITY);
        magnitude = magnitude < 0 ? 0 : magnitude > 10 ? 10 : magnitude;
        const double argument = tleg_draw_argument(random, operation, magnitude, options->rand_increasing == 1);
        if (options->rand_filter == 1 && tleg_operation_moves(operation))
            task->canvas.filter = tleg_draw_index(random, 2) == 0 ? TLEG_BILINEAR : TLEG_BICUBIC;
        tleg_operation_apply(operation, argument, &task->canvas);
    }
}

/* torchvision's ColorJitter without a hue: the order, then the factors. */
static void jitter(struct task *task) {
    enum tleg_operation order[] = {TLEG_BRIGHTNESS, TLEG_CONTRAST, TLEG_COLOR};
    double factor[TLEG_OPERATIONS];
    const double span = task->options.jitter;
    for (int32_t last = 2; last > 0; last--) {
        const int32_t other = tleg_draw_index(&task->random, last + 1);
        const enum tleg_operation kept = order[last];
        order[last] = order[other];
        order[other] = kept;
    }
    factor[TLEG_BRIGHTNESS] = tleg_draw_between(&task->random, span < 1 ? 1 - span : 0, 1 + span);
    factor[TLEG_CONTRAST] = tleg_draw_between(&task->random, span < 1 ? 1 - span : 0, 1 + span);
    factor[TLEG_COLOR] = tleg_draw_between(&task->random, span < 1 ? 1 - span : 0, 1 + span);
    for (int i = 0; i < 3; i++)
        tleg_operation_apply(order[i], factor[order[i]], &task->canvas);
}

/* ---- to out (channels, height, width) ---- */

static void normalise(const struct task *task, float *out) {
    const size_t count = (size_t)tleg_extent_area(task->preparation->size);
    for (size_t c = 0; c < (size_t)task->preparation->channels; c++)
        for (size_t i = 0; i < count; i++)
            *out++ = task->preparation->table[c][task->canvas.rgb[i * 3 + c]];
}

static void erase(struct task *task, float *out) {
    const struct tleg_extent size = task->preparation->size;
    const struct tleg_box box = tleg_draw_erased(&task->random, size);
    for (int32_t c = 0; c < task->preparation->channels; c++)
        for (int32_t y = box.top; y < box.top + box.height; y++) {
            float *row = out + ((size_t)c * (size_t)size.height + (size_t)y) * (size_t)size.width;
            for (int32_t x = box.left; x < box.left + box.width; x++)
                row[x] = (float)tleg_random_normal(&task->random, INFINITY);
        }
}

static tleg_status run(tleg_context *context, struct task *task, float *out) {
    const tleg_augment_options *options = &task->options;
    if (options->padding > 0) {
        crop_padded(task);
    } else {
        const tleg_status status = crop_resized(context, task);
        if (status != TLEG_OK)
            return status;
    }
    if (tleg_random_uniform(&task->random) < options->flip)
        mirror(&task->canvas);
    if (options->rand_ops > 0)
        rand_augment(task);
    else if (options->jitter > 0)
        jitter(task);
    normalise(task, out);
    if (tleg_random_uniform(&task->random) < options->erase)
        erase(task, out);
    return TLEG_OK;
}

/* timm's fill: the mean colour, 0..255. */
static void set_fill(struct task *task) {
    for (int c = 0; c < 3; c++) {
        const double value = 255 * task->preparation->mean[task->preparation->channels == 1 ? 0 : c];
        task->canvas.fill[c] = (uint8_t)(value <= 0 ? 0 : value >= 255 ? 255 : tleg_round_even(value));
    }
}

TLEG_API tleg_status TLEG_CALL tleg_augment_image(tleg_context *context, const tleg_preparation *preparation,
                                                  const tleg_image *image, const tleg_augment_options *options, uint64_t seed,
                                                  float *out, size_t out_floats) {
    struct task task = {.preparation = preparation};
    if (context == NULL)
        return TLEG_ERROR_ARGUMENT;
    tleg_status status = tleg_check_image_floats(context, "tleg_augment_image", preparation, out, out_floats);
    if (status == TLEG_OK)
        status = tleg_picture_read(context, image, &task.image, &task.pixels);
    if (status == TLEG_OK)
        status = read_options(context, options, &task.options);
    if (status == TLEG_OK)
        status = check_padding(context, &task);
    if (status != TLEG_OK)
        return status;
    tleg_random_seed(&task.random, seed, 0);
    set_fill(&task);
    task.canvas.width = preparation->size.width;
    task.canvas.height = preparation->size.height;
    const size_t bytes = tleg_canvas_bytes(&task.canvas); /* TLEG_MAX_IMAGE^2 * 3 fits */
    task.canvas.rgb = tleg_alloc(&context->allocator, 2 * bytes);
    if (task.canvas.rgb == NULL)
        return tleg_fail_memory(context, "the crop", 2 * bytes);
    task.canvas.spare = task.canvas.rgb + bytes;
    status = run(context, &task, out);
    tleg_release(&context->allocator, task.canvas.rgb, 2 * bytes);
    return status;
}
