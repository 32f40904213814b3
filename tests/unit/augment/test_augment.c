/* Pictures are augmented as PIL and timm would (tests/fixtures/augment/make.py), the same from the same seed, whatever the host
 * gives. What is drawn at random is in test_augment_draw.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "augment/private.h"
#include "support/support.h"

enum { CHANNELS = 3 };

/* make.py's pattern(). */
static void pattern(int32_t width, int32_t height, int32_t kind, uint8_t *pixels) {
    const uint32_t count = (uint32_t)width * (uint32_t)height * CHANNELS;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t mixed = i * 2654435761u, c = i % 3, x = i / 3 % (uint32_t)width, y = i / (3 * (uint32_t)width);
        const uint32_t soft = 30 + (x * 9 + y * 5 + c * 31) % 170 + (mixed >> 28);
        pixels[i] = (uint8_t)(kind == 0 ? mixed >> 24 : kind == 1 ? soft : 77 + c * 20);
    }
}

static tleg_context *context_of(struct counter *counter) {
    tleg_context_options options = support_counted(counter);
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    return context;
}

/* ---- operations ---- */

struct operation { /* the head of a record of operations.bin */
    char name[16];
    double argument;
    uint8_t fill[3], bilinear;
    int32_t width, height, kind;
};

static enum tleg_operation named(const char *name) {
    enum tleg_operation operation = 0;
    while (operation < TLEG_OPERATIONS && strcmp(tleg_operation_names[operation], name) != 0)
        operation++;
    assert_true(operation < TLEG_OPERATIONS);
    return operation;
}

/* Bilinear pictures are what RandAugment may draw; the public function is bicubic. */
static void operate(tleg_context *context, const struct operation *head, uint8_t *rgb) {
    if (!head->bilinear) {
        OK(context, tleg_augment_operation(context, head->name, head->argument, head->fill, head->width, head->height, rgb));
        return;
    }
    struct tleg_canvas canvas = {.width = head->width, .height = head->height, .rgb = rgb, .filter = TLEG_BILINEAR};
    memcpy(canvas.fill, head->fill, sizeof canvas.fill);
    canvas.spare = malloc(tleg_canvas_bytes(&canvas));
    assert_non_null(canvas.spare);
    tleg_operation_apply(named(head->name), head->argument, &canvas);
    free(canvas.spare);
}

static void every_operation_is_pils_within_one_grey_level(void **state) {
    (void)state;
    size_t bytes, records = 0, exact = 0, seen = 0;
    bool done[TLEG_OPERATIONS] = {false};
    uint8_t *file = support_read_file(TLEG_FIXTURES "/augment/operations.bin", &bytes);
    struct counter counter;
    support_counter(&counter);
    tleg_context *context = context_of(&counter);
    for (size_t at = 0; at < bytes; records++) {
        struct operation head;
        memcpy(&head, file + at, sizeof head);
        at += sizeof head;
        const size_t count = (size_t)head.width * (size_t)head.height * CHANNELS;
        uint8_t *rgb = malloc(count);
        assert_non_null(rgb);
        pattern(head.width, head.height, head.kind, rgb);
        operate(context, &head, rgb);
        for (size_t i = 0; i < count; i++)
            if (abs(rgb[i] - file[at + i]) > 1)
                fail_msg("record %zu, %s %g, %d x %d: value %zu is %d, PIL's %d", records, head.name, head.argument, head.width,
                         head.height, i, rgb[i], file[at + i]);
        exact += memcmp(rgb, file + at, count) == 0;
        seen += !done[named(head.name)];
        done[named(head.name)] = true;
        at += count;
        free(rgb);
    }
    assert_int_equal(seen, TLEG_OPERATIONS);
    assert_true(records > 200);
#if defined(__x86_64__) /* where PIL was compiled as we are, without contraction: every value */
    assert_int_equal(exact, records);
#endif
    tleg_context_free(context);
    assert_int_equal(atomic_load(&counter.live), 0);
    assert_int_equal(atomic_load(&counter.wrong), 0);
    free(file);
}

static void a_wrong_operation_is_refused_and_changes_nothing(void **state) {
    (void)state;
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    const uint8_t fill[3] = {0};
    uint8_t rgb[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, before[12];
    memcpy(before, rgb, sizeof rgb);
    static const struct {
        const char *name;
        double argument;
        int32_t width, height;
        const char *says;
    } wrong[] = {
        {"Cutout", 0, 2, 2, "Cutout"},           {"", 0, 2, 2, "\"\""},
        {"rotate", 0, 2, 2, "rotate"},           {"Rotate", NAN, 2, 2, "Rotate"},
        {"Rotate", 1e7, 2, 2, "found 10000000"}, {"Color", -INFINITY, 2, 2, "Color"},
        {"Posterize", 9, 2, 2, "8 bits"},        {"Posterize", -1, 2, 2, "8 bits"},
        {"Invert", 0, 0, 2, "0 by 2"},           {"Invert", 0, 2, -1, "2 by -1"},
        {"Invert", 0, (1 << 24) + 1, 1, "2^24"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(
            tleg_augment_operation(context, wrong[i].name, wrong[i].argument, fill, wrong[i].width, wrong[i].height, rgb),
            TLEG_ERROR_ARGUMENT);
        if (strstr(tleg_context_get_error(context), wrong[i].says) == NULL)
            fail_msg("\"%s\" does not name %s", tleg_context_get_error(context), wrong[i].says);
        assert_memory_equal(rgb, before, sizeof rgb);
    }
    assert_int_equal(tleg_augment_operation(NULL, "Invert", 0, fill, 2, 2, rgb), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_augment_operation(context, NULL, 0, fill, 2, 2, rgb), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_augment_operation(context, "Invert", 0, NULL, 2, 2, rgb), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_augment_operation(context, "Invert", 0, fill, 2, 2, NULL), TLEG_ERROR_ARGUMENT);
    tleg_context_free(context);
}

/* ---- whole pictures ---- */

struct picture { /* the head of a record of pictures.bin */
    int32_t width, height, kind, size, padding, rand_ops, rand_increasing, rand_filter;
    double crop_least, flip, rand_magnitude, rand_std, jitter, erase, mean[3], std[3];
    uint64_t seed;
};

static tleg_augment_options options_of(const struct picture *head) {
    return (tleg_augment_options){.struct_size = sizeof(tleg_augment_options),
                                  .padding = head->padding,
                                  .crop_least = head->crop_least,
                                  .flip = head->flip,
                                  .rand_ops = head->rand_ops,
                                  .rand_increasing = head->rand_increasing,
                                  .rand_magnitude = head->rand_magnitude,
                                  .rand_std = head->rand_std,
                                  .jitter = head->jitter,
                                  .erase = head->erase,
                                  .rand_filter = head->rand_filter};
}

static tleg_config config_of(int32_t size) {
    return (tleg_config){.struct_size = sizeof(tleg_config), .image_size = size};
}

static tleg_image image_of(const uint8_t *pixels, int32_t width, int32_t height) {
    return (tleg_image){
        .struct_size = sizeof(tleg_image), .layout = TLEG_PIXELS_RGB, .width = width, .height = height, .pixels = pixels};
}

/* The recipe of DeiT. */
static tleg_augment_options recipe(void) {
    return (tleg_augment_options){.struct_size = sizeof(tleg_augment_options),
                                  .flip = 0.5,
                                  .rand_ops = 2,
                                  .rand_increasing = 1,
                                  .rand_std = 0.5,
                                  .jitter = 0.4,
                                  .erase = 0.25};
}

static void every_picture_is_timms_within_one_grey_level(void **state) {
    (void)state;
    size_t bytes, records = 0;
    uint8_t *file = support_read_file(TLEG_FIXTURES "/augment/pictures.bin", &bytes);
    struct counter counter;
    support_counter(&counter);
    tleg_context *context = context_of(&counter);
    for (size_t at = 0; at < bytes; records++) {
        struct picture head;
        memcpy(&head, file + at, sizeof head);
        at += sizeof head;
        const size_t plane = (size_t)head.size * (size_t)head.size;
        float *expected = malloc(CHANNELS * plane * sizeof *expected), *out = malloc(CHANNELS * plane * sizeof *out);
        uint8_t *pixels = malloc((size_t)head.width * (size_t)head.height * CHANNELS);
        assert_true(expected != NULL && out != NULL && pixels != NULL);
        memcpy(expected, file + at, CHANNELS * plane * sizeof *expected);
        at += CHANNELS * plane * sizeof *expected;
        pattern(head.width, head.height, head.kind, pixels);
        for (size_t i = 0; i < CHANNELS * plane; i++)
            out[i] = NAN;
        const tleg_image image = image_of(pixels, head.width, head.height);
        const tleg_augment_options options = options_of(&head);
        tleg_config config = config_of(head.size);
        memcpy(config.mean, head.mean, sizeof head.mean);
        memcpy(config.std, head.std, sizeof head.std);
        OK(context, support_augment(context, &image, &config, &options, head.seed, out));
        for (size_t i = 0; i < CHANNELS * plane; i++) {
            const double off = fabs((double)out[i] - (double)expected[i]) * head.std[i / plane] * 255;
            if (!(off <= 1.001))
                fail_msg("record %zu, seed %llu: value %zu is %g, timm's %g", records, (unsigned long long)head.seed, i,
                         (double)out[i], (double)expected[i]);
        }
        free(expected);
        free(out);
        free(pixels);
    }
    assert_true(records > 50);
    tleg_context_free(context);
    assert_int_equal(atomic_load(&counter.live), 0);
    assert_int_equal(atomic_load(&counter.wrong), 0);
    free(file);
}

static void a_seed_gives_one_picture_and_another_seed_another(void **state) {
    (void)state;
    enum { SIZE = 12, COUNT = CHANNELS * SIZE * SIZE };
    uint8_t pixels[50 * 40 * CHANNELS];
    float first[20][COUNT], again[COUNT];
    pattern(50, 40, 0, pixels);
    const tleg_image image = image_of(pixels, 50, 40);
    const tleg_config config = config_of(SIZE);
    const tleg_augment_options options = recipe();
    tleg_context *one = NULL, *other = NULL;
    assert_int_equal(tleg_context_create(NULL, &one), TLEG_OK);
    assert_int_equal(tleg_context_create(NULL, &other), TLEG_OK);
    for (uint64_t seed = 0; seed < 20; seed++)
        OK(one, support_augment(one, &image, &config, &options, seed, first[seed]));
    for (uint64_t seed = 20; seed-- > 0;) { /* in another order, on another context */
        OK(other, support_augment(other, &image, &config, &options, seed, again));
        assert_memory_equal(again, first[seed], sizeof again);
        for (uint64_t before = 0; before < seed; before++)
            assert_memory_not_equal(first[before], first[seed], sizeof again);
    }
    tleg_context_free(one);
    tleg_context_free(other);
}

/* Whatever the compiler and the processor: the numbers below were written once. */
static void pictures_are_the_same_bits_everywhere(void **state) {
    (void)state;
    enum { SIZE = 20 };
    static const uint64_t expected[] = {0xd90ab8c7080be643, 0xa0ae04d88f7b68fc, 0xb07a04e16c2f88e8};
    static float out[60][CHANNELS * SIZE * SIZE];
    uint8_t pixels[61 * 47 * CHANNELS];
    pattern(61, 47, 1, pixels);
    const tleg_image image = image_of(pixels, 61, 47);
    const tleg_config config = config_of(SIZE);
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    for (int kind = 0; kind < 3; kind++) { /* the recipe; colour jitter; padding and both filters */
        tleg_augment_options options = recipe();
        options.rand_ops = kind == 1 ? 0 : 4;
        options.padding = kind == 2 ? 4 : 0;
        options.rand_filter = kind == 2;
        for (uint64_t seed = 0; seed < 60; seed++)
            OK(context, support_augment(context, &image, &config, &options, seed, out[seed]));
        const uint64_t found = support_fnv(out, sizeof out);
        if (found != expected[kind])
            fail_msg("kind %d: expected 0x%016llx, found 0x%016llx", kind, (unsigned long long)expected[kind],
                     (unsigned long long)found);
    }
    tleg_context_free(context);
}

/* Without any option but the crop's, whose share is all of the picture, there is one result: what tleg_image_prepare makes of a
 * picture that has the right aspect; and with a flip that always happens, its mirror image. */
static void nothing_asked_for_is_the_prepared_picture(void **state) {
    (void)state;
    enum { SIZE = 15, COUNT = CHANNELS * SIZE * SIZE };
    uint8_t pixels[SIZE * SIZE * CHANNELS];
    float prepared[COUNT], plain[COUNT], mirrored[COUNT];
    pattern(SIZE, SIZE, 0, pixels);
    const tleg_image image = image_of(pixels, SIZE, SIZE);
    tleg_config config = config_of(SIZE);
    config.crop = 1;
    config.interpolation = TLEG_INTERPOLATION_BILINEAR; /* a random crop is resized by the same filter */
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    OK(context, support_prepare(context, &image, &config, prepared));
    int32_t whole = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        tleg_augment_options options = {.struct_size = sizeof options, .crop_least = 1};
        OK(context, support_augment(context, &image, &config, &options, seed, plain));
        options.flip = 1;
        OK(context, support_augment(context, &image, &config, &options, seed, mirrored));
        for (int32_t i = 0; i < COUNT; i++)
            assert_true(mirrored[i] == plain[i - i % SIZE + SIZE - 1 - i % SIZE]);
        whole += memcmp(plain, prepared, sizeof plain) == 0;
    }
    assert_true(whole > 0); /* an aspect of nearly 1 */
    tleg_context_free(context);
}

/* A crop of a padded picture is that picture, moved by at most the padding, with black around. */
static void small_pictures_move_within_their_padding(void **state) {
    (void)state;
    enum { HIGH = 8, WIDE = 11, PADDING = 3, AREA = HIGH * WIDE };
    uint8_t pixels[AREA * CHANNELS];
    float out[CHANNELS * AREA];
    pattern(WIDE, HIGH, 0, pixels);
    const tleg_image image = image_of(pixels, WIDE, HIGH);
    tleg_config config = config_of(HIGH);
    config.image_width = WIDE;
    config.std[0] = config.std[1] = config.std[2] = 1;
    const tleg_augment_options options = {.struct_size = sizeof options, .padding = PADDING};
    bool seen[2 * PADDING + 1][2 * PADDING + 1] = {{false}};
    int32_t places = 0;
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    for (uint64_t seed = 0; seed < 400; seed++) {
        OK(context, support_augment(context, &image, &config, &options, seed, out));
        int32_t found = 0;
        for (int32_t place = 0; place < (2 * PADDING + 1) * (2 * PADDING + 1); place++) {
            const int32_t dy = place / (2 * PADDING + 1) - PADDING, dx = place % (2 * PADDING + 1) - PADDING;
            bool same = true;
            for (int32_t i = 0; i < CHANNELS * AREA && same; i++) {
                const int32_t c = i / AREA, y = i / WIDE % HIGH + dy, x = i % WIDE + dx;
                const bool inside = y >= 0 && y < HIGH && x >= 0 && x < WIDE;
                same = out[i] == (inside ? (float)pixels[(y * WIDE + x) * CHANNELS + c] / 255.0f : 0);
            }
            if (same) {
                found++;
                places += !seen[dy + PADDING][dx + PADDING];
                seen[dy + PADDING][dx + PADDING] = true;
            }
        }
        assert_int_equal(found, 1);
    }
    assert_int_equal(places, (2 * PADDING + 1) * (2 * PADDING + 1));
    tleg_context_free(context);
}

/* What of an image (high, wide) differs from `plain`: how much, and the least rectangle around it. */
static int32_t changed(const float *image, const float *plain, int32_t high, int32_t wide, int32_t *area) {
    int32_t count = 0, top = high, left = wide, bottom = -1, right = -1;
    for (int32_t i = 0; i < high * wide; i++)
        if (image[i] != plain[i]) {
            const int32_t y = i / wide, x = i % wide;
            count++;
            top = y < top ? y : top;
            left = x < left ? x : left;
            bottom = y > bottom ? y : bottom;
            right = x > right ? x : right;
        }
    *area = count ? (bottom - top + 1) * (right - left + 1) : 0;
    return count;
}

/* Of images that are not square a rectangle is erased, and one is exchanged, in all of their width; targets say how much. */
static void boxes_lie_within_images_that_are_not_square(void **state) {
    (void)state;
    enum { HIGH = 6, WIDE = 20, AREA = HIGH * WIDE };
    static const float zeros[AREA];
    uint8_t pixels[AREA * CHANNELS] = {0};
    const tleg_image image = image_of(pixels, WIDE, HIGH);
    tleg_config config = config_of(HIGH);
    config.image_width = WIDE;
    config.channels = 1;
    config.std[0] = config.std[1] = config.std[2] = 1;
    const tleg_augment_options erase = {.struct_size = sizeof erase, .erase = 1};
    const tleg_mix_options mix = {.struct_size = sizeof mix, .classes = 2, .cutmix = 1, .channels = 1, .image_width = WIDE};
    const int64_t labels[2] = {0, 1};
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    int32_t area, erased = 0, wider = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        float out[AREA], images[2 * AREA], targets[4];
        OK(context, support_augment(context, &image, &config, &erase, seed, out));
        erased += changed(out, zeros, HIGH, WIDE, &area) > 0;
        assert_int_equal(changed(out, zeros, HIGH, WIDE, &area), area);
        for (int32_t i = 0; i < 2 * AREA; i++)
            images[i] = (float)(i / AREA);
        OK(context, tleg_augment_mix(context, &mix, seed, 2, HIGH, images, 2 * AREA, labels, targets, 4));
        const int32_t taken = changed(images, zeros, HIGH, WIDE, &area);
        assert_int_equal(taken, area);
        assert_true(fabsf(targets[1] - (float)taken / AREA) < 1e-6F);
        wider += images[HIGH] != 0 || images[WIDE - 1] != 0; /* beyond a square's width */
    }
    assert_true(erased > 80 && wider > 0);
    tleg_context_free(context);
}

/* For one channel a picture is turned to grey first, and then goes the way that one whose colours are all that grey goes. */
static void one_channel_is_augmented_as_grey_colours(void **state) {
    (void)state;
    enum { SIZE = 12, W = 21, H = 17, PLANE = SIZE * SIZE };
    uint8_t rgb[W * H * CHANNELS], grey[W * H];
    float colours[CHANNELS * PLANE], found[PLANE];
    pattern(W, H, 0, rgb);
    for (int32_t i = 0; i < W * H; i++) /* ITU-R 601 in 16 bits, as PIL has it */
        grey[i] = (uint8_t)((rgb[3 * i] * 19595 + rgb[3 * i + 1] * 38470 + rgb[3 * i + 2] * 7471 + 32768) >> 16);
    const tleg_image colour = image_of(rgb, W, H);
    tleg_image equal = image_of(grey, W, H);
    equal.layout = TLEG_PIXELS_GREY;
    tleg_config three = config_of(SIZE);
    for (int c = 0; c < CHANNELS; c++) {
        three.mean[c] = 0.3;
        three.std[c] = 0.25;
    }
    tleg_config one = three;
    one.channels = 1;
    const tleg_augment_options recipes[] = {
        {.struct_size = sizeof *recipes, .rand_ops = 2, .flip = 0.5, .erase = 0.5},
        {.struct_size = sizeof *recipes, .jitter = 0.4},
        {.struct_size = sizeof *recipes, .padding = 4, .flip = 0.5},
    };
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    for (size_t k = 0; k < sizeof recipes / sizeof *recipes; k++)
        for (uint64_t seed = 0; seed < 60; seed++) {
            OK(context, support_augment(context, &equal, &three, &recipes[k], seed, colours));
            OK(context, support_augment(context, &colour, &one, &recipes[k], seed, found));
            assert_memory_equal(found, colours, sizeof found);
            OK(context, support_augment(context, &equal, &one, &recipes[k], seed, found));
            assert_memory_equal(found, colours, sizeof found);
        }
    tleg_context_free(context);
}

static void layouts_say_how_pixels_lie_and_change_nothing(void **state) {
    (void)state;
    enum { SIZE = 9, W = 21, H = 17, STRIDE = 4 * W + 5 };
    uint8_t rgb[W * H * CHANNELS], bgra[STRIDE * H];
    float expected[CHANNELS * SIZE * SIZE], found[CHANNELS * SIZE * SIZE];
    pattern(W, H, 0, rgb);
    for (int32_t y = 0; y < H; y++) /* bottom-up, blue first */
        for (int32_t x = 0; x < W; x++)
            for (int32_t c = 0; c < CHANNELS; c++)
                bgra[(H - 1 - y) * STRIDE + 4 * x + 2 - c] = rgb[(y * W + x) * CHANNELS + c];
    const tleg_image plain = image_of(rgb, W, H);
    tleg_image turned = image_of(bgra + (H - 1) * STRIDE, W, H);
    turned.layout = TLEG_PIXELS_BGRA;
    turned.stride = -STRIDE;
    const tleg_config config = config_of(SIZE);
    tleg_augment_options options = recipe();
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    for (uint64_t seed = 0; seed < 20; seed++)
        for (options.padding = 0; options.padding <= 3; options.padding += 3) {
            OK(context, support_augment(context, &plain, &config, &options, seed, expected));
            OK(context, support_augment(context, &turned, &config, &options, seed, found));
            assert_memory_equal(found, expected, sizeof found);
        }
    tleg_context_free(context);
}

/* From pictures of one pixel and images of 4 to long strips: every value is written, and finite. */
static void any_size_works(void **state) {
    (void)state;
    static const int32_t sides[][2] = {{1, 1}, {1, 90}, {90, 1}, {4, 4}, {37, 5}, {200, 150}}, sizes[] = {4, 5, 16, 31};
    uint8_t pixels[200 * 150 * CHANNELS];
    float out[CHANNELS * 31 * 31];
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    for (size_t s = 0; s < sizeof sides / sizeof *sides; s++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (uint64_t seed = 0; seed < 60; seed++) {
                pattern(sides[s][0], sides[s][1], (int32_t)(seed % 3), pixels);
                const tleg_image image = image_of(pixels, sides[s][0], sides[s][1]);
                const tleg_config config = config_of(sizes[i]);
                tleg_augment_options options = recipe();
                options.rand_ops = seed % 2 == 0 ? 9 : 0;
                options.crop_least = seed % 4 == 0 ? 1e-6 : 0;
                for (int32_t k = 0; k < CHANNELS * sizes[i] * sizes[i]; k++)
                    out[k] = NAN;
                OK(context, support_augment(context, &image, &config, &options, seed, out));
                for (int32_t k = 0; k < CHANNELS * sizes[i] * sizes[i]; k++)
                    assert_true(isfinite(out[k]));
            }
    tleg_context_free(context);
}

static void memory_follows_the_crop_and_not_the_picture(void **state) {
    (void)state;
    enum { SIZE = 32 };
    static const int32_t sides[][2] = {{1 << 24, 1}, {1, 1 << 24}, {4096, 4096}};
    float out[CHANNELS * SIZE * SIZE];
    uint8_t *pixels = calloc(1 << 24, 1);
    assert_non_null(pixels);
    const tleg_config config = config_of(SIZE);
    const tleg_augment_options options = recipe();
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            struct counter counter;
            support_counter(&counter);
            tleg_context *context = context_of(&counter);
            tleg_image image = image_of(pixels, sides[i][0], sides[i][1]);
            image.layout = TLEG_PIXELS_GREY;
            const long long before = atomic_load(&counter.total_bytes);
            OK(context, support_augment(context, &image, &config, &options, seed, out));
            assert_true(atomic_load(&counter.total_bytes) - before < 2 << 20);
            tleg_context_free(context);
        }
    free(pixels);
}

/* ---- what a host may get wrong ---- */

struct call {
    tleg_context *context;
    uint8_t pixels[6 * 4 * CHANNELS];
    tleg_image image;
    tleg_config config;
    tleg_augment_options options;
    float out[CHANNELS * 4 * 4];
};

static void fresh(struct call *call) {
    pattern(6, 4, 0, call->pixels);
    call->image = image_of(call->pixels, 6, 4);
    call->config = config_of(4);
    call->options = recipe();
}

static void refused(struct call *call, tleg_status status, const char *text) {
    assert_int_equal(support_augment(call->context, &call->image, &call->config, &call->options, 1, call->out), status);
    if (strstr(tleg_context_get_error(call->context), text) == NULL)
        fail_msg("\"%s\" does not name %s", tleg_context_get_error(call->context), text);
    fresh(call);
}

static void a_wrong_option_is_refused_by_its_name(void **state) {
    (void)state;
    struct call call = {0};
    assert_int_equal(tleg_context_create(NULL, &call.context), TLEG_OK);
    fresh(&call);
#define WRONG(member, value)                                                                                                   \
    call.options.member = value;                                                                                               \
    refused(&call, TLEG_ERROR_ARGUMENT, "augment." #member)
    WRONG(padding, -1);
    WRONG(padding, (1 << 24) + 1);
    WRONG(crop_least, -0.1);
    WRONG(crop_least, 1.01);
    WRONG(crop_least, NAN);
    WRONG(flip, -0.1);
    WRONG(flip, 1.5);
    WRONG(flip, NAN);
    WRONG(rand_ops, -1);
    WRONG(rand_ops, INT32_MAX);
    WRONG(rand_increasing, 2);
    WRONG(rand_increasing, -1);
    WRONG(rand_magnitude, -1);
    WRONG(rand_magnitude, 10.5);
    WRONG(rand_magnitude, NAN);
    WRONG(rand_std, -1);
    WRONG(rand_std, INFINITY);
    WRONG(jitter, -0.5);
    WRONG(jitter, INFINITY);
    WRONG(erase, 1.1);
    WRONG(erase, NAN);
    WRONG(rand_filter, 2);
    call.options.reserved = 1;
    refused(&call, TLEG_ERROR_UNSUPPORTED, "reserved");
#undef WRONG
    call.config.image_size = 20;
    call.options.padding = 2;
    refused(&call, TLEG_ERROR_ARGUMENT, "6 by 4 pixels, padded by 2");
    call.config.image_size = 0;
    refused(&call, TLEG_ERROR_ARGUMENT, "preparation.image_size");
    call.config.std[0] = -1;
    refused(&call, TLEG_ERROR_ARGUMENT, "preparation.std");
    call.image.layout = 0;
    refused(&call, TLEG_ERROR_ARGUMENT, "image.layout");
    call.image.pixels = NULL;
    refused(&call, TLEG_ERROR_ARGUMENT, "image.pixels");
    call.options.struct_size = 4;
    refused(&call, TLEG_ERROR_ARGUMENT, "tleg_augment_options");
    tleg_context_free(call.context);
}

static void null_is_refused_everywhere(void **state) {
    (void)state;
    struct call call = {0};
    assert_int_equal(tleg_context_create(NULL, &call.context), TLEG_OK);
    fresh(&call);
    tleg_context_free(call.context);
}

/* A newer host's options may not ask for what is not known here. */
static void hosts_of_other_versions_are_served(void **state) {
    (void)state;
    struct call call = {0};
    float found[CHANNELS * 4 * 4];
    assert_int_equal(tleg_context_create(NULL, &call.context), TLEG_OK);
    fresh(&call);
    OK(call.context, support_augment(call.context, &call.image, &call.config, &call.options, 7, call.out));
    struct {
        tleg_augment_options known;
        uint64_t later;
    } longer = {.known = recipe(), .later = 1};
    longer.known.struct_size = sizeof longer;
    assert_int_equal(support_augment(call.context, &call.image, &call.config, &longer.known, 7, found), TLEG_ERROR_UNSUPPORTED);
    tleg_context_free(call.context);
}

static void without_memory_there_is_an_error_and_no_leak(void **state) {
    (void)state;
    struct call call = {0};
    struct counter counter;
    support_counter(&counter);
    call.context = context_of(&counter);
    fresh(&call);
    const long long live = atomic_load(&counter.live), before = atomic_load(&counter.calls);
    OK(call.context, support_augment(call.context, &call.image, &call.config, &call.options, 1, call.out));
    const long long calls = atomic_load(&counter.calls) - before;
    assert_true(calls >= 2);
    for (long long k = 1; k <= calls; k++) {
        atomic_store(&counter.fail_at, atomic_load(&counter.calls) + k);
        refused(&call, TLEG_ERROR_MEMORY, k == 1 ? "preparation" : "crop");
        assert_int_equal(atomic_load(&counter.live), live);
    }
    const uint8_t fill[3] = {0};
    atomic_store(&counter.fail_at, atomic_load(&counter.calls) + 1);
    assert_int_equal(tleg_augment_operation(call.context, "Invert", 0, fill, 6, 4, call.pixels), TLEG_ERROR_MEMORY);
    assert_int_equal(atomic_load(&counter.live), live);
    tleg_context_free(call.context);
    assert_int_equal(atomic_load(&counter.live), 0);
    assert_int_equal(atomic_load(&counter.wrong), 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_pils_within_one_grey_level),
        cmocka_unit_test(a_wrong_operation_is_refused_and_changes_nothing),
        cmocka_unit_test(every_picture_is_timms_within_one_grey_level),
        cmocka_unit_test(a_seed_gives_one_picture_and_another_seed_another),
        cmocka_unit_test(pictures_are_the_same_bits_everywhere),
        cmocka_unit_test(nothing_asked_for_is_the_prepared_picture),
        cmocka_unit_test(small_pictures_move_within_their_padding),
        cmocka_unit_test(boxes_lie_within_images_that_are_not_square),
        cmocka_unit_test(one_channel_is_augmented_as_grey_colours),
        cmocka_unit_test(layouts_say_how_pixels_lie_and_change_nothing),
        cmocka_unit_test(any_size_works),
        cmocka_unit_test(memory_follows_the_crop_and_not_the_picture),
        cmocka_unit_test(a_wrong_option_is_refused_by_its_name),
        cmocka_unit_test(null_is_refused_everywhere),
        cmocka_unit_test(hosts_of_other_versions_are_served),
        cmocka_unit_test(without_memory_there_is_an_error_and_no_leak),
    };
    support_filter(argc, argv);
    return cmocka_run_group_tests_name("augment", tests, NULL, NULL);
}
