/* Pictures become exactly the numbers that PIL, torchvision and torch make of them (tests/fixtures/image/make.py). */
#include "support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 3 };

static tleg_context *context_of(struct counter *counter) {
    tleg_context_options options = support_counted(counter);
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    return context;
}

static tleg_image image_of(const uint8_t *pixels, int32_t width, int32_t height) {
    return (tleg_image){
        .struct_size = sizeof(tleg_image), .layout = TLEG_PIXELS_RGB, .width = width, .height = height, .pixels = pixels};
}

static tleg_config config_of(int32_t size, double crop) {
    return (tleg_config){.struct_size = sizeof(tleg_config), .image_size = size, .crop = crop};
}

/* make.py's pattern(). */
static uint8_t *pattern(int32_t width, int32_t height, int32_t kind) {
    const size_t count = (size_t)width * (size_t)height * CHANNELS;
    uint8_t *pixels = malloc(count);
    assert_non_null(pixels);
    for (size_t i = 0; i < count; i++) {
        const uint32_t mixed = (uint32_t)i * 2654435761u;
        pixels[i] = (uint8_t)(kind == 0 ? mixed >> 24 : kind == 1 ? (mixed >> 31) * 255 : i * 7);
    }
    return pixels;
}

static float *outputs(int32_t size) {
    const size_t count = CHANNELS * (size_t)size * (size_t)size;
    float *out = malloc(count * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++)
        out[i] = NAN; /* so that an element that nobody writes is seen */
    return out;
}

struct colours { /* a record of colours.bin */
    double mean[CHANNELS], std[CHANNELS];
    float value[CHANNELS][256];
};

static struct colours *read_colours(size_t *count) {
    size_t bytes;
    struct colours *colours = (void *)support_read_file(TLEG_FIXTURES "/image/colours.bin", &bytes);
    assert_int_equal(bytes % sizeof *colours, 0);
    *count = bytes / sizeof *colours;
    assert_true(*count >= 4);
    return colours;
}

/* Compares (channels, pixels) with PIL's crop (pixels, channels) through torch's table. */
static void check_prepared(const float *out, const uint8_t *crop, int32_t channels, int32_t pixels,
                           const struct colours *colours) {
    for (int32_t c = 0; c < channels; c++)
        for (int32_t i = 0; i < pixels; i++) {
            const float expected = colours->value[c][crop[i * channels + c]], found = out[c * pixels + i];
            if (memcmp(&expected, &found, sizeof found) != 0)
                fail_msg("channel %d, pixel %d of %d: expected %.9g, found %.9g", c, i, pixels, (double)expected,
                         (double)found);
        }
}

struct prepared {                                                                 /* the head of a record of prepare.bin */
    int32_t width, height, kind, size, interpolation, fit, channels, size_across; /* 0: size */
    double crop;
};

static void every_geometry_is_pils_to_the_bit(void **state) {
    (void)state;
    size_t bytes, tables, cases = 0;
    struct colours *colours = read_colours(&tables);
    uint8_t *file = support_read_file(TLEG_FIXTURES "/image/prepare.bin", &bytes);
    struct counter counter;
    support_counter(&counter);
    tleg_context *context = context_of(&counter);
    for (size_t at = 0; at < bytes; cases++) {
        struct prepared head;
        memcpy(&head, file + at, sizeof head);
        at += sizeof head;
        const struct colours *table = &colours[cases % tables];
        uint8_t *pixels = pattern(head.width, head.height, head.kind);
        const int32_t across = head.size_across ? head.size_across : head.size;
        float *out = outputs(head.size > across ? head.size : across);
        const tleg_image image = image_of(pixels, head.width, head.height);
        tleg_config config = config_of(head.size, head.crop);
        config.interpolation = head.interpolation;
        config.fit = head.fit;
        config.channels = head.channels;
        config.image_width = head.size_across;
        memcpy(config.mean, table->mean, sizeof config.mean);
        memcpy(config.std, table->std, sizeof config.std);
        OK(context, support_prepare(context, &image, &config, out));
        check_prepared(out, file + at, head.channels, head.size * across, table);
        at += (size_t)head.size * (size_t)across * (size_t)head.channels;
        free(out);
        free(pixels);
    }
    assert_true(cases > 250);
    tleg_context_free(context);
    assert_int_equal(atomic_load(&counter.live), 0);
    assert_int_equal(atomic_load(&counter.wrong), 0);
    free(file);
    free(colours);
}

/* Of 15 x 15 pixels 12 x 12 are kept: torchvision's from (15 - 12) / 2 rounded to the even 2, those of transformers from 1. */
static void an_odd_margin_is_halved_to_even_or_down(void **state) {
    (void)state;
    enum { LARGE = 15, SMALL = 12 };
    static const struct {
        int32_t fit, offset;
    } cases[] = {{TLEG_FIT_CROP, 2}, {TLEG_FIT_SQUASH, 2}, {TLEG_FIT_CROP_FLOOR, 1}, {TLEG_FIT_SQUASH_FLOOR, 1}};
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    uint8_t *pixels = pattern(LARGE, LARGE, 0);
    float *out = outputs(SMALL);
    const tleg_image image = image_of(pixels, LARGE, LARGE);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        tleg_config config = config_of(SMALL, (double)SMALL / LARGE);
        config.fit = cases[k].fit;
        config.std[0] = config.std[1] = config.std[2] = 1;
        OK(context, support_prepare(context, &image, &config, out));
        for (int32_t y = 0; y < SMALL; y++)
            for (int32_t x = 0; x < SMALL; x++)
                assert_true(out[y * SMALL + x] ==
                            (float)pixels[((y + cases[k].offset) * LARGE + x + cases[k].offset) * CHANNELS] / 255.0f);
    }
    free(out);
    free(pixels);
    tleg_context_free(context);
}

/* A copy of RGB pixels in another layout, with `gap` bytes behind each row, upside down in memory if wanted. */
struct copy {
    uint8_t *memory;
    tleg_image image;
};

static struct copy copy_as(const tleg_image *rgb, int32_t layout, int64_t gap, bool bottom_up) {
    const int64_t step = layout == TLEG_PIXELS_GREY ? 1 : layout == TLEG_PIXELS_RGBA || layout == TLEG_PIXELS_BGRA ? 4 : 3;
    const bool blue_first = layout == TLEG_PIXELS_BGR || layout == TLEG_PIXELS_BGRA;
    const int64_t stride = step * rgb->width + gap;
    struct copy copy = {malloc((size_t)(stride * rgb->height)), *rgb};
    assert_non_null(copy.memory);
    memset(copy.memory, 0xa5, (size_t)(stride * rgb->height)); /* alpha and gaps: never looked at */
    for (int64_t y = 0; y < rgb->height; y++)
        for (int64_t x = 0; x < rgb->width; x++)
            for (int64_t c = 0; c < (step == 1 ? 1 : CHANNELS); c++)
                copy.memory[(bottom_up ? rgb->height - 1 - y : y) * stride + x * step + (blue_first ? 2 - c : c)] =
                    rgb->pixels[(y * rgb->width + x) * CHANNELS + c];
    copy.image.layout = layout;
    copy.image.stride = bottom_up ? -stride : gap == 0 ? 0 : stride;
    copy.image.pixels = copy.memory + (bottom_up ? (rgb->height - 1) * stride : 0);
    return copy;
}

static void layouts_and_strides_say_how_pixels_lie_and_change_nothing(void **state) {
    (void)state;
    enum { SIZE = 20 };
    static const int64_t gaps[] = {0, 1, 13};
    struct counter counter;
    support_counter(&counter);
    tleg_context *context = context_of(&counter);
    uint8_t *pixels = pattern(31, 23, 0);
    const tleg_image rgb = image_of(pixels, 31, 23);
    const tleg_config config = config_of(SIZE, 0);
    float *expected = outputs(SIZE), *found = outputs(SIZE);
    for (int32_t layout = TLEG_PIXELS_RGB; layout <= TLEG_PIXELS_GREY; layout++) {
        if (layout == TLEG_PIXELS_GREY) /* as RGB with three equal channels, to begin with */
            for (size_t i = 0; i < 31 * 23 * CHANNELS; i++)
                pixels[i] = pixels[i - i % CHANNELS];
        OK(context, support_prepare(context, &rgb, &config, expected));
        for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++)
            for (int bottom_up = 0; bottom_up < 2; bottom_up++) {
                struct copy copy = copy_as(&rgb, layout, gaps[g], bottom_up);
                OK(context, support_prepare(context, &copy.image, &config, found));
                assert_memory_equal(found, expected, CHANNELS * SIZE * SIZE * sizeof *found);
                free(copy.memory);
            }
    }
    free(expected);
    free(found);
    free(pixels);
    tleg_context_free(context);
}

static void zero_members_are_the_documented_defaults(void **state) {
    (void)state;
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    uint8_t *pixels = pattern(90, 70, 2);
    const tleg_image image = image_of(pixels, 90, 70);
    for (int32_t size = 32; size <= 33; size++) { /* crop: 1 for images of 32 pixels or less, else 0.875 */
        float *expected = outputs(size), *found = outputs(size);
        tleg_config config = config_of(size, size == 32 ? 1.0 : 0.875);
        const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
        memcpy(config.mean, mean, sizeof mean);
        memcpy(config.std, std, sizeof std);
        OK(context, support_prepare(context, &image, &config, expected));
        config = config_of(size, 0);
        OK(context, support_prepare(context, &image, &config, found));
        assert_memory_equal(found, expected, CHANNELS * (size_t)(size * size) * sizeof *found);
        free(expected);
        free(found);
    }
    free(pixels);
    tleg_context_free(context);
}

/* A side that would be 1.3 million pixels long after resizing, and a picture of 16 million pixels: two megabytes are enough. */
static void memory_follows_the_crop_and_not_the_picture(void **state) {
    (void)state;
    static const int32_t sides[][2] = {{10000, 2}, {2, 10000}, {1, 300}, {1, 1}, {1 << 24, 1}, {1, 1 << 24}, {4096, 4096}};
    uint8_t *pixels = calloc(1 << 24, 1);
    assert_non_null(pixels);
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        struct counter counter;
        support_counter(&counter);
        tleg_context *context = context_of(&counter);
        tleg_image image = image_of(pixels, sides[i][0], sides[i][1]);
        image.layout = TLEG_PIXELS_GREY;
        const tleg_config config = config_of(64, 0);
        float *out = outputs(64);
        const long long before = atomic_load(&counter.total_bytes);
        OK(context, support_prepare(context, &image, &config, out));
        assert_true(atomic_load(&counter.total_bytes) - before < 2 << 20);
        for (int c = 0; c < CHANNELS; c++) /* black: -mean / std everywhere, and finite */
            for (int p = 1; p < 64 * 64; p++)
                assert_true(out[c * 64 * 64 + p] == out[c * 64 * 64] && isfinite(out[c * 64 * 64]));
        free(out);
        tleg_context_free(context);
    }
    free(pixels);
}

static void white_stays_white_at_any_size(void **state) {
    (void)state;
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    uint8_t pixels[50 * 40];
    memset(pixels, 255, sizeof pixels);
    for (int32_t size = 1; size < 80; size += 7) {
        tleg_image image = image_of(pixels, 50, 40);
        image.layout = TLEG_PIXELS_GREY;
        tleg_config config = config_of(size, 0.9);
        config.std[0] = config.std[1] = config.std[2] = 1;
        float *out = outputs(size);
        OK(context, support_prepare(context, &image, &config, out));
        for (int32_t i = 0; i < CHANNELS * size * size; i++)
            assert_true(out[i] == 1.0f);
        free(out);
    }
    tleg_context_free(context);
}

/* ---- what a host may get wrong ---- */
struct call {
    tleg_context *context;
    uint8_t pixels[6 * 4 * 4];
    tleg_image image;
    tleg_config config;
    float out[CHANNELS * 4 * 4];
};

static void fresh(struct call *call) {
    call->image = image_of(call->pixels, 6, 4);
    call->config = config_of(4, 1);
}

static void refused(struct call *call, tleg_status status, const char *text) {
    assert_int_equal(support_prepare(call->context, &call->image, &call->config, call->out), status);
    if (strstr(tleg_context_get_error(call->context), text) == NULL)
        fail_msg("\"%s\" does not name %s", tleg_context_get_error(call->context), text);
    fresh(call);
}

static void a_wrong_picture_is_refused_by_the_name_of_its_member(void **state) {
    (void)state;
    struct call call = {0};
    assert_int_equal(tleg_context_create(NULL, &call.context), TLEG_OK);
    fresh(&call);
    static const int32_t layouts[] = {0, -1, 6, INT32_MAX}, sides[] = {0, -5, (1 << 24) + 1, INT32_MIN};
    for (int i = 0; i < 4; i++) {
        call.image.layout = layouts[i];
        refused(&call, TLEG_ERROR_ARGUMENT, "image.layout");
        call.image.width = sides[i];
        refused(&call, TLEG_ERROR_ARGUMENT, "image.width");
        call.image.height = sides[i];
        refused(&call, TLEG_ERROR_ARGUMENT, "image.height");
    }
    static const int64_t strides[] = {1, 17, -17, INT64_MAX, INT64_MIN};
    for (int i = 0; i < 5; i++) {
        call.image.stride = strides[i];
        refused(&call, TLEG_ERROR_ARGUMENT, "image.stride");
    }
    call.image.pixels = NULL;
    refused(&call, TLEG_ERROR_ARGUMENT, "image.pixels");
    call.image.struct_size = 8;
    refused(&call, TLEG_ERROR_ARGUMENT, "tleg_image");
    tleg_context_free(call.context);
}

static void a_wrong_configuration_is_refused_by_the_name_of_its_member(void **state) {
    (void)state;
    struct call call = {0};
    assert_int_equal(tleg_context_create(NULL, &call.context), TLEG_OK);
    fresh(&call);
    static const int32_t sizes[] = {0, -1, INT32_MAX};
    for (int i = 0; i < 3; i++) {
        call.config.image_size = sizes[i];
        refused(&call, TLEG_ERROR_ARGUMENT, "preparation.image_size");
    }
    static const int32_t others[] = {-1, 4, INT32_MAX};
    for (int i = 0; i < 3; i++) {
        call.config.interpolation = others[i];
        refused(&call, TLEG_ERROR_ARGUMENT, "preparation.interpolation");
        call.config.fit = others[i] == 4 ? 5 : others[i];
        refused(&call, TLEG_ERROR_ARGUMENT, "preparation.fit");
        call.config.channels = others[i];
        refused(&call, TLEG_ERROR_ARGUMENT, "preparation.channels");
    }
    const double crops[] = {-0.5, 1.0001, NAN, INFINITY, 1e-300};
    for (int i = 0; i < 5; i++) {
        call.config.crop = crops[i];
        refused(&call, TLEG_ERROR_ARGUMENT, "preparation.crop");
    }
    const double numbers[] = {NAN, INFINITY, 1e300};
    for (int i = 0; i < 3; i++) {
        call.config.mean[1] = numbers[i];
        refused(&call, TLEG_ERROR_ARGUMENT, "preparation.mean");
        call.config.std[0] = call.config.std[1] = 1;
        call.config.std[2] = i == 0 ? 0 : i == 1 ? -1 : 1e300;
        refused(&call, TLEG_ERROR_ARGUMENT, "preparation.std");
    }
    tleg_context_free(call.context);
}

/* A newer host's structs are longer, and may not ask for what is not known here. */
static void hosts_of_other_versions_are_served(void **state) {
    (void)state;
    struct call call = {0};
    assert_int_equal(tleg_context_create(NULL, &call.context), TLEG_OK);
    struct {
        tleg_preparation_options known;
        uint64_t later[2];
    } longer = {.known = {.struct_size = sizeof longer, .image_size = 4}};
    tleg_preparation *preparation = NULL;
    OK(call.context, tleg_preparation_create(call.context, &longer.known, &preparation));
    tleg_preparation_free(preparation);
    longer.later[1] = 1;
    assert_int_equal(tleg_preparation_create(call.context, &longer.known, &preparation), TLEG_ERROR_UNSUPPORTED);
    assert_null(preparation);
    longer.known.struct_size = 4;
    assert_int_equal(tleg_preparation_create(call.context, &longer.known, &preparation), TLEG_ERROR_ARGUMENT);
    tleg_context_free(call.context);
}

/* A model's pictures are prepared as its file says, without the host's help, and after the model is gone. */
static void a_models_preparation_is_its_own(void **state) {
    (void)state;
    tleg_context *context = NULL;
    tleg_learngene *gene = NULL;
    tleg_preparation *preparation = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    const tleg_config config = {.struct_size = sizeof config,
                                .image_size = 8,
                                .patch_size = 4,
                                .dim = 4,
                                .heads = 1,
                                .classes = 2,
                                .crop = 0.5,
                                .mean = {0.1, 0.2, 0.3},
                                .std = {0.4, 0.5, 0.6}};
    OK(context, tleg_learngene_create(context, &config, 1, &gene));
    OK(context, tleg_learngene_copy_preparation(context, gene, &preparation));
    tleg_learngene_free(gene);
    tleg_preparation_info info = {.struct_size = sizeof info};
    OK(context, tleg_preparation_get_info(context, preparation, &info));
    assert_int_equal(info.image_size, 8);
    assert_int_equal(info.floats, 3 * 8 * 8);
    assert_true(info.crop == 0.5 && info.mean[1] == 0.2 && info.std[2] == 0.6);
    uint8_t pixels[6 * 4 * CHANNELS];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 11);
    const tleg_image image = image_of(pixels, 6, 4);
    float found[3 * 8 * 8 + 1], expected[3 * 8 * 8];
    found[3 * 8 * 8] = 7;
    assert_int_equal(tleg_image_prepare(context, preparation, &image, found, 3 * 8 * 8 - 1), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "191 floats, expected 192"));
    OK(context, tleg_image_prepare(context, preparation, &image, found, 3 * 8 * 8));
    OK(context, support_prepare(context, &image, &config, expected));
    assert_memory_equal(found, expected, sizeof expected);
    assert_true(found[3 * 8 * 8] == 7);
    assert_int_equal(tleg_image_prepare(context, preparation, &image, (float *)(void *)((char *)found + 1), 3 * 8 * 8),
                     TLEG_ERROR_ARGUMENT);
    tleg_preparation_free(preparation);
    tleg_context_free(context);
}

static void without_memory_there_is_an_error_and_no_leak(void **state) {
    (void)state;
    struct call call = {0};
    struct counter counter;
    support_counter(&counter);
    call.context = context_of(&counter);
    fresh(&call);
    const long long live = atomic_load(&counter.live), before = atomic_load(&counter.calls);
    OK(call.context, support_prepare(call.context, &call.image, &call.config, call.out));
    const long long calls = atomic_load(&counter.calls) - before;
    assert_true(calls >= 1);
    for (long long k = 1; k <= calls; k++) {
        atomic_store(&counter.fail_at, atomic_load(&counter.calls) + k);
        refused(&call, TLEG_ERROR_MEMORY, k == 1 ? "preparation" : "image");
        assert_int_equal(atomic_load(&counter.live), live);
    }
    atomic_store(&counter.fail_at, 0);
    OK(call.context, support_prepare(call.context, &call.image, &call.config, call.out));
    tleg_context_free(call.context);
    assert_int_equal(atomic_load(&counter.live), 0);
}

static void of_one_channel_the_first_colours_count(void **state) {
    (void)state;
    tleg_context *context;
    tleg_preparation *preparation;
    OK(NULL, tleg_context_create(NULL, &context));
    const tleg_preparation_options options = {
        .struct_size = sizeof options, .image_size = 1, .channels = 1, .mean = {0.25, NAN}, .std = {0.5}};
    OK(context, tleg_preparation_create(context, &options, &preparation));
    const uint8_t white = 255;
    const tleg_image image = {
        .struct_size = sizeof image, .layout = TLEG_PIXELS_GREY, .width = 1, .height = 1, .pixels = &white};
    float out;
    OK(context, tleg_image_prepare(context, preparation, &image, &out, 1));
    assert_true(out == 1.5f);
    tleg_preparation_free(preparation);
    tleg_context_free(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_channel_the_first_colours_count),
        cmocka_unit_test(every_geometry_is_pils_to_the_bit),
        cmocka_unit_test(an_odd_margin_is_halved_to_even_or_down),
        cmocka_unit_test(layouts_and_strides_say_how_pixels_lie_and_change_nothing),
        cmocka_unit_test(zero_members_are_the_documented_defaults),
        cmocka_unit_test(memory_follows_the_crop_and_not_the_picture),
        cmocka_unit_test(white_stays_white_at_any_size),
        cmocka_unit_test(a_wrong_picture_is_refused_by_the_name_of_its_member),
        cmocka_unit_test(a_wrong_configuration_is_refused_by_the_name_of_its_member),
        cmocka_unit_test(hosts_of_other_versions_are_served),
        cmocka_unit_test(a_models_preparation_is_its_own),
        cmocka_unit_test(without_memory_there_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
