/* What augmentation draws at random has the rates, ranges and moments that torchvision and timm promise; batches are mixed as
 * timm mixes them (tests/fixtures/augment/make.py). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "augment/private.h"
#include "support/support.h"

enum { CHANNELS = 3, DRAWS = 40000 };

static struct tleg_random seeded(uint64_t seed) {
    struct tleg_random random;
    tleg_random_seed(&random, seed, 77);
    return random;
}

/* A mean of `count` draws of this deviation, five deviations around what is expected. */
static void near(const char *what, double found, double expected, double deviation, int32_t count) {
    if (!(fabs(found - expected) <= 5 * deviation / sqrt(count)))
        fail_msg("%s: expected about %g, found %g", what, expected, found);
}

static void near_rate(const char *what, int32_t found, double rate, int32_t count) {
    near(what, (double)found / count, rate, sqrt(rate * (1 - rate)), count);
}

/* ---- Beta ---- */

static void beta_numbers_have_betas_moments(void **state) {
    (void)state;
    static const double alphas[] = {0.05, 0.2, 0.8, 1, 2, 7.5, 1000};
    struct tleg_random random = seeded(1);
    for (size_t a = 0; a < sizeof alphas / sizeof *alphas; a++) {
        const double alpha = alphas[a];
        double sum = 0, square = 0, fourth = 0;
        for (int32_t i = 0; i < DRAWS; i++) {
            const double x = tleg_draw_beta(&random, alpha) - 0.5;
            assert_true(x >= -0.5 && x <= 0.5);
            sum += x;
            square += x * x;
            fourth += x * x * x * x;
        }
        const double variance = 1 / (4 * (2 * alpha + 1)), m4 = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3));
        const double m8 = m4 * 35 / (16 * (2 * alpha + 5) * (2 * alpha + 7));
        near("the mean", sum / DRAWS, 0, sqrt(variance), DRAWS);
        near("the variance", square / DRAWS, variance, sqrt(m4 - variance * variance), DRAWS);
        near("the fourth moment", fourth / DRAWS, m4, sqrt(m8 - m4 * m4), DRAWS);
    }
}

/* Where the distribution function is simple: uniform, arcsine, parabola. */
static void beta_numbers_follow_betas_distribution(void **state) {
    (void)state;
    static const struct {
        double alpha, below[3]; /* chances of less than 0.1, 0.25, 0.75 */
    } known[] = {
        {0.5, {0.204832764699133, 1.0 / 3.0, 2.0 / 3.0}},
        {1, {0.1, 0.25, 0.75}},
        {2, {0.028, 0.15625, 0.84375}},
    };
    static const double limits[] = {0.1, 0.25, 0.75};
    struct tleg_random random = seeded(2);
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        int32_t below[3] = {0};
        for (int32_t i = 0; i < DRAWS; i++) {
            const double x = tleg_draw_beta(&random, known[k].alpha);
            for (int j = 0; j < 3; j++)
                below[j] += x < limits[j];
        }
        for (int j = 0; j < 3; j++)
            near_rate("a share of small numbers", below[j], known[k].below[j], DRAWS);
    }
}

static void beta_numbers_at_the_ends_of_alpha(void **state) {
    (void)state;
    struct tleg_random random = seeded(3);
    int32_t high = 0;
    for (int32_t i = 0; i < 10000; i++) {
        const double x = tleg_draw_beta(&random, 1e-6);
        assert_true(x >= 0 && x <= 1 && (x < 1e-3 || x > 1 - 1e-3));
        high += x > 0.5;
        assert_true(fabs(tleg_draw_beta(&random, 1e6) - 0.5) < 0.005);
    }
    near_rate("ones", high, 0.5, 10000);
}

static void beta_numbers_are_the_same_bits_everywhere(void **state) {
    (void)state;
    static const double expected[] = {0x1.ae4f905743e48p-3, 0x1.0e34791004d43p-1, 0x1.c59ccec16ca28p-22, 0x1.d08f3deabe80dp-2};
    static const double alphas[] = {0.8, 1, 0.1, 7.5};
    struct tleg_random random = seeded(4);
    for (int i = 0; i < 4; i++) {
        const double x = tleg_draw_beta(&random, alphas[i]);
        if (memcmp(&x, &expected[i], sizeof x) != 0)
            fail_msg("number %d: expected %a, found %a", i, expected[i], x);
    }
}

/* ---- boxes ---- */

static void crops_have_the_areas_aspects_and_places_asked_for(void **state) {
    (void)state;
    enum { SIDE = 5000 };
    struct tleg_random random = seeded(5);
    double least = 1, most = 0, narrow = 9, wide = 0, aspects = 0, left = 0, top = 0;
    for (int32_t i = 0; i < DRAWS; i++) {
        const struct tleg_box box = tleg_draw_crop(&random, SIDE, SIDE, 0.08);
        const double area = (double)box.width * box.height / SIDE / SIDE, aspect = (double)box.width / box.height;
        assert_true(box.left >= 0 && box.top >= 0 && box.left + box.width <= SIDE && box.top + box.height <= SIDE);
        assert_true(area > 0.0798 && aspect > 0.749 && aspect < 1.335);
        least = fmin(least, area);
        most = fmax(most, area);
        narrow = fmin(narrow, aspect);
        wide = fmax(wide, aspect);
        aspects += log(aspect);
        left += box.left / (SIDE - box.width + 0.5);
        top += box.top / (SIDE - box.height + 0.5);
    }
    assert_true(least < 0.0805 && most > 0.98 && narrow < 0.752 && wide > 1.33);
    near("the mean logarithm of the aspects", aspects / DRAWS, 0, log(4.0 / 3.0) / sqrt(3), DRAWS);
    near("the mean left edge", left / DRAWS, 0.5, sqrt(1.0 / 12), DRAWS);
    near("the mean top edge", top / DRAWS, 0.5, sqrt(1.0 / 12), DRAWS);
}

/* Half the area at the recipe's aspects always fits a square of twice the area: nothing is rejected, and areas are uniform. */
static void areas_of_crops_are_uniform(void **state) {
    (void)state;
    struct tleg_random random = seeded(6);
    int32_t small = 0, total = 0;
    for (int32_t i = 0; i < DRAWS; i++) {
        const struct tleg_box box = tleg_draw_crop(&random, 8000, 8000, 0.1);
        const double area = (double)box.width * box.height / 8000 / 8000;
        total += area < 0.7;
        small += area < 0.4;
    }
    near_rate("crops below 0.4 among those below 0.7", small, 0.5, total);
}

static void a_picture_of_another_aspect_is_cropped_in_its_middle(void **state) {
    (void)state;
    struct tleg_random random = seeded(7);
    static const struct {
        int32_t width, height;
        struct tleg_box box;
    } strips[] = {
        {1000, 40, {.left = 473, .top = 0, .width = 53, .height = 40}},
        {30, 900, {.left = 0, .top = 430, .width = 30, .height = 40}},
        {1, 300, {.left = 0, .top = 149, .width = 1, .height = 1}},
        {1, 1, {.left = 0, .top = 0, .width = 1, .height = 1}},
    };
    for (size_t i = 0; i < sizeof strips / sizeof *strips; i++) {
        const struct tleg_box box = tleg_draw_crop(&random, strips[i].width, strips[i].height, 1);
        assert_memory_equal(&box, &strips[i].box, sizeof box);
    }
}

static void erased_boxes_have_timms_areas_and_aspects(void **state) {
    (void)state;
    enum { SIDE = 4000 };
    struct tleg_random random = seeded(8);
    double least = 1, most = 0, narrow = 9, wide = 0, areas = 0, aspects = 0;
    for (int32_t i = 0; i < DRAWS; i++) {
        const struct tleg_box box = tleg_draw_erased(&random, (struct tleg_extent){SIDE, SIDE});
        const double area = (double)box.width * box.height / SIDE / SIDE, aspect = (double)box.height / box.width;
        assert_true(box.left >= 0 && box.top >= 0 && box.left + box.width <= SIDE && box.top + box.height <= SIDE);
        assert_true(area > 0.0199 && area < 0.3335 && aspect > 0.2995 && aspect < 3.34);
        least = fmin(least, area);
        most = fmax(most, area);
        narrow = fmin(narrow, aspect);
        wide = fmax(wide, aspect);
        areas += area;
        aspects += log(aspect);
    }
    assert_true(least < 0.0205 && most > 0.33 && narrow < 0.302 && wide > 3.31);
    /* the widest of the largest do not fit: a little less than the middle of 0.02 and 1/3 */
    assert_true(areas / DRAWS > 0.170 && areas / DRAWS < 0.177);
    near("the mean logarithm of the aspects", aspects / DRAWS, 0, log(1 / 0.3) / sqrt(3), DRAWS);
}

/* ---- RandAugment's arguments ---- */

static void arguments_are_timms(void **state) {
    (void)state;
    static const struct {
        enum tleg_operation operation;
        bool increasing, signs;
        double magnitude, centre, span; /* the argument is centre + span, or, with signs, - span in half the cases */
    } known[] = {
        {TLEG_ROTATE, true, true, 9, 0, 27},         {TLEG_ROTATE, false, true, 3.5, 0, 10.5},
        {TLEG_POSTERIZE, true, false, 9, 1, 0},      {TLEG_POSTERIZE, false, false, 9, 3, 0},
        {TLEG_POSTERIZE, true, false, 10, 1, 0},     {TLEG_POSTERIZE, false, false, 1, 1, 0},
        {TLEG_POSTERIZE, true, false, 2.4, 4, 0},    {TLEG_SOLARIZE, true, false, 9, 26, 0},
        {TLEG_SOLARIZE, false, false, 9, 230, 0},    {TLEG_SOLARIZE, false, false, 10, 256, 0},
        {TLEG_SOLARIZE_ADD, true, false, 9, 99, 0},  {TLEG_SOLARIZE_ADD, false, false, 10, 110, 0},
        {TLEG_COLOR, true, true, 9, 1, 0.81},        {TLEG_COLOR, false, false, 9, 1.72, 0},
        {TLEG_CONTRAST, true, true, 10, 1, 0.9},     {TLEG_CONTRAST, false, false, 0, 0.1, 0},
        {TLEG_BRIGHTNESS, true, true, 5, 1, 0.45},   {TLEG_SHARPNESS, true, true, 9, 1, 0.81},
        {TLEG_SHEAR_X, true, true, 9, 0, 0.27},      {TLEG_SHEAR_Y, false, true, 10, 0, 0.3},
        {TLEG_TRANSLATE_X, true, true, 9, 0, 0.405}, {TLEG_TRANSLATE_Y, false, true, 4, 0, 0.18},
        {TLEG_INVERT, true, false, 9, 0, 0},
    };
    struct tleg_random random = seeded(9);
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        int32_t above = 0;
        for (int32_t i = 0; i < 4000; i++) {
            const double found =
                tleg_draw_argument(&random, known[k].operation, known[k].magnitude, known[k].increasing) - known[k].centre;
            if (fabs(fabs(found) - known[k].span) > 1e-12)
                fail_msg("%s at %g: found %g from %g", tleg_operation_names[known[k].operation], known[k].magnitude, found,
                         known[k].centre);
            above += found > 0;
        }
        if (known[k].signs)
            near_rate("a positive sign", above, 0.5, 4000);
    }
}

/* ---- rates, seen in whole pictures ---- */

enum { SIZE = 8, COUNT = CHANNELS * SIZE * SIZE, PICTURES = 6000 };

struct studio {
    tleg_context *context;
    uint8_t pixels[SIZE * SIZE * CHANNELS];
    tleg_image image;
    tleg_config config;
    tleg_augment_options options;
    float out[COUNT], plain[COUNT];
};

/* A picture of muted colours with an edge, which every operation changes; 0..1 when it comes out. */
static void open_studio(struct studio *studio) {
    memset(studio, 0, sizeof *studio);
    assert_int_equal(tleg_context_create(NULL, &studio->context), TLEG_OK);
    for (int32_t i = 0; i < COUNT; i++)
        studio->pixels[i] = (uint8_t)(40 + (i * 37 + i / 24 * 11) % 170);
    studio->image = (tleg_image){
        .struct_size = sizeof(tleg_image), .layout = TLEG_PIXELS_RGB, .width = SIZE, .height = SIZE, .pixels = studio->pixels};
    studio->config = (tleg_config){.struct_size = sizeof(tleg_config), .image_size = SIZE, .std = {1, 1, 1}};
    studio->options = (tleg_augment_options){.struct_size = sizeof(tleg_augment_options)};
}

static void shoot(struct studio *studio, uint64_t seed, float *out) {
    OK(studio->context, support_augment(studio->context, &studio->image, &studio->config, &studio->options, seed, out));
}

static void flips_happen_at_their_rate(void **state) {
    (void)state;
    struct studio studio;
    int32_t flipped = 0;
    open_studio(&studio);
    for (uint64_t seed = 0; seed < PICTURES; seed++) {
        studio.options.flip = 0.3;
        shoot(&studio, seed, studio.out);
        studio.options.flip = 0;
        shoot(&studio, seed, studio.plain);
        flipped += memcmp(studio.out, studio.plain, sizeof studio.out) != 0;
    }
    near_rate("flips", flipped, 0.3, PICTURES);
    tleg_context_free(studio.context);
}

/* Each operation acts with chance 1/2; of the fifteen, equalize does nothing to a picture of fewer than 256 pixels. */
static void operations_act_half_the_time(void **state) {
    (void)state;
    struct studio studio;
    open_studio(&studio);
    studio.options.crop_least = 0.9;
    studio.options.rand_increasing = 1;
    for (int32_t ops = 1; ops <= 3; ops++) {
        int32_t changed = 0;
        for (uint64_t seed = 0; seed < PICTURES; seed++) {
            studio.options.rand_ops = ops;
            shoot(&studio, seed, studio.out);
            studio.options.rand_ops = 0;
            shoot(&studio, seed, studio.plain);
            changed += memcmp(studio.out, studio.plain, sizeof studio.out) != 0;
        }
        near_rate("changed pictures", changed, 1 - pow(1 - 14.0 / 30, ops), PICTURES);
    }
    tleg_context_free(studio.context);
}

static void erasing_happens_at_its_rate_and_is_normal_noise(void **state) {
    (void)state;
    struct studio studio;
    int32_t erased = 0, values = 0;
    double sum = 0, square = 0, fourth = 0;
    open_studio(&studio);
    for (uint64_t seed = 0; seed < PICTURES; seed++) {
        studio.options.erase = 0.25;
        shoot(&studio, seed, studio.out);
        studio.options.erase = 0;
        shoot(&studio, seed, studio.plain);
        int32_t here = 0;
        for (int32_t i = 0; i < COUNT; i++)
            if (studio.out[i] != studio.plain[i]) {
                const double x = (double)studio.out[i];
                here++;
                sum += x;
                square += x * x;
                fourth += x * x * x * x;
            }
        assert_int_equal(here % CHANNELS, 0);
        assert_true(here <= COUNT * 2 / 5); /* a third, rounded */
        erased += here > 0;
        values += here;
    }
    near_rate("erased pictures", erased, 0.25, PICTURES);
    near("the mean", sum / values, 0, 1, values);
    near("the variance", square / values, 1, sqrt(2), values);
    near("the fourth moment", fourth / values, 3, sqrt(96), values);
    tleg_context_free(studio.context);
}

/* A grey picture keeps its grey but for the brightness: a factor of 1 - jitter to 1 + jitter, all alike. */
static void jitter_draws_factors_evenly(void **state) {
    (void)state;
    struct studio studio;
    int32_t low = 0;
    double sum = 0;
    open_studio(&studio);
    memset(studio.pixels, 100, sizeof studio.pixels);
    studio.options.jitter = 0.4;
    for (uint64_t seed = 0; seed < PICTURES; seed++) {
        shoot(&studio, seed, studio.out);
        for (int32_t i = 1; i < COUNT; i++)
            assert_true(studio.out[i] == studio.out[0]);
        const double factor = (double)studio.out[0] * 255 / 100;
        assert_true(factor > 0.589 && factor < 1.401);
        sum += factor;
        low += factor < 0.8;
    }
    near("the mean factor", sum / PICTURES + 0.005, 1, 0.8 / sqrt(12),
         PICTURES); /* greys are cut, by half a level on average */
    assert_true(abs(low - PICTURES / 4) < PICTURES / 30);
    studio.options.rand_ops = 1; /* jitter acts without RandAugment alone */
    shoot(&studio, 3, studio.out);
    studio.options.jitter = 0;
    shoot(&studio, 3, studio.plain);
    assert_memory_equal(studio.out, studio.plain, sizeof studio.out);
    tleg_context_free(studio.context);
}

/* ---- mixed batches ---- */

struct mixed { /* the head of a record of mix.bin */
    int32_t classes, batch, size, reserved;
    double mixup, cutmix, smoothing;
    uint64_t seed;
};

/* make.py's batch_of(). */
static float *batch_of(size_t count) {
    float *images = malloc(count * sizeof *images);
    assert_non_null(images);
    for (uint32_t i = 0; i < count; i++)
        images[i] = (float)(i * 2654435761u >> 24) / 16 - 8;
    return images;
}

/* Takes the next `count` floats of a file and compares. */
static void compare(const char *what, const float *found, size_t count, const uint8_t **file) {
    for (size_t i = 0; i < count; i++, *file += sizeof(float)) {
        float expected;
        memcpy(&expected, *file, sizeof expected);
        if (!(fabs((double)found[i] - (double)expected) <= 2e-6))
            fail_msg("%s %zu: expected %.9g, found %.9g", what, i, (double)expected, (double)found[i]);
    }
}

static void every_mixed_batch_is_timms(void **state) {
    (void)state;
    size_t bytes, records = 0;
    uint8_t *file = support_read_file(TLEG_FIXTURES "/augment/mix.bin", &bytes);
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    for (const uint8_t *at = file; at < file + bytes; records++) {
        struct mixed head;
        int64_t labels[16];
        float targets[16 * 8];
        memcpy(&head, at, sizeof head);
        at += sizeof head;
        assert_true(head.batch <= 16 && head.classes <= 8);
        memcpy(labels, at, (size_t)head.batch * sizeof *labels);
        at += (size_t)head.batch * sizeof *labels;
        const size_t count = (size_t)head.batch * CHANNELS * (size_t)head.size * (size_t)head.size;
        float *images = batch_of(count);
        const tleg_mix_options options = {.struct_size = sizeof options,
                                          .classes = head.classes,
                                          .mixup = head.mixup,
                                          .cutmix = head.cutmix,
                                          .smoothing = head.smoothing};
        OK(context, support_mix(context, &options, head.seed, head.batch, head.size, images, labels, targets));
        compare("value", images, count, &at);
        compare("target", targets, (size_t)head.batch * (size_t)head.classes, &at);
        free(images);
    }
    assert_true(records > 15);
    tleg_context_free(context);
    free(file);
}

enum { BATCH = 7, CLASSES = 9, SIDE = 10, IMAGE = CHANNELS * SIDE * SIDE };

/* Image i is all i + 1, and its label i: what became of a batch can be read off it. */
struct lot {
    float images[BATCH * IMAGE], targets[BATCH * CLASSES];
    int64_t labels[BATCH];
};

static void fill(struct lot *lot) {
    for (int32_t i = 0; i < BATCH * IMAGE; i++)
        lot->images[i] = (float)(i / IMAGE + 1);
    for (int32_t i = 0; i < BATCH; i++)
        lot->labels[i] = i;
    memset(lot->targets, 0xff, sizeof lot->targets);
}

/* What image 0 kept of itself, by its pixels; and that every other target agrees with it. */
static double kept(const struct lot *lot, double smoothing, bool *cut) {
    double sum = 0;
    *cut = false;
    for (int32_t i = 0; i < IMAGE; i++) {
        sum += (double)lot->images[i];
        *cut = *cut || lot->images[i] != lot->images[0];
    }
    const double lambda = (BATCH - sum / IMAGE) / (BATCH - 1); /* 1 is itself, BATCH the other */
    const double off = smoothing / CLASSES, on = 1 - smoothing + off;
    for (int32_t i = 0; i < BATCH; i++)
        for (int32_t c = 0; c < CLASSES; c++) {
            const double expected = (c == i ? on : off) * lambda + (c == BATCH - 1 - i ? on : off) * (1 - lambda);
            assert_true(fabs((double)lot->targets[i * CLASSES + c] - expected) < 1e-5);
        }
    return lambda;
}

static void targets_say_what_the_images_became(void **state) {
    (void)state;
    static struct lot lot;
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    const tleg_mix_options options = {
        .struct_size = sizeof options, .classes = CLASSES, .mixup = 0.8, .cutmix = 1, .smoothing = 0.1};
    int32_t cuts = 0, blends = 0;
    double sum = 0;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        bool cut;
        fill(&lot);
        OK(context, support_mix(context, &options, seed, BATCH, SIDE, lot.images, lot.labels, lot.targets));
        const double lambda = kept(&lot, 0.1, &cut);
        for (int32_t i = 0; i < IMAGE; i++) {
            assert_true(lot.images[BATCH / 2 * IMAGE + i] == BATCH / 2 + 1); /* the middle image */
            assert_true(lot.images[i] >= 1 && lot.images[i] <= BATCH);
            assert_true(fabs((double)(lot.images[i] + lot.images[(BATCH - 1) * IMAGE + i]) - BATCH - 1) < 1e-5);
        }
        cuts += cut;
        blends += !cut && lambda < 1 && lambda > 0;
        sum += cut ? 0 : lambda;
    }
    /* of the cuts, those of no pixel and of all pixels look like blends, or like nothing */
    assert_true(cuts > 1500 && cuts < 2100 && blends > 1800 && blends < 2150);
    assert_true(fabs(sum / (4000 - cuts) - 0.53) < 0.05);
    tleg_context_free(context);
}

/* An image of one channel is mixed as each plane of one of three. */
static void one_channel_is_mixed_as_each_of_three(void **state) {
    (void)state;
    enum { PLANE = SIDE * SIDE };
    static struct lot lot;
    float grey[BATCH * PLANE], targets[BATCH * CLASSES];
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    tleg_mix_options options = {.struct_size = sizeof options, .classes = CLASSES, .mixup = 0.8, .cutmix = 1};
    for (uint64_t seed = 0; seed < 30; seed++) {
        fill(&lot);
        for (int32_t i = 0; i < BATCH; i++)
            memcpy(grey + i * PLANE, lot.images + i * IMAGE, sizeof(float[PLANE]));
        options.channels = 3;
        OK(context, support_mix(context, &options, seed, BATCH, SIDE, lot.images, lot.labels, lot.targets));
        options.channels = 1;
        OK(context, support_mix(context, &options, seed, BATCH, SIDE, grey, lot.labels, targets));
        for (int32_t i = 0; i < BATCH; i++)
            assert_memory_equal(grey + i * PLANE, lot.images + i * IMAGE, sizeof(float[PLANE]));
        assert_memory_equal(targets, lot.targets, sizeof targets);
    }
    tleg_context_free(context);
}

static void a_seed_gives_one_mix(void **state) {
    (void)state;
    static struct lot first, again;
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    const tleg_mix_options options = {.struct_size = sizeof options, .classes = CLASSES, .mixup = 0.8, .cutmix = 1};
    for (uint64_t seed = 0; seed < 20; seed++) {
        fill(&first);
        fill(&again);
        OK(context, support_mix(context, &options, seed, BATCH, SIDE, first.images, first.labels, first.targets));
        OK(context, support_mix(context, &options, seed, BATCH, SIDE, again.images, again.labels, again.targets));
        assert_memory_equal(&first, &again, sizeof first);
    }
    tleg_context_free(context);
}

static void one_image_is_not_mixed(void **state) {
    (void)state;
    float image[CHANNELS * 4] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, before[CHANNELS * 4], targets[4];
    const int64_t label = 2;
    memcpy(before, image, sizeof image);
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    const tleg_mix_options options = {.struct_size = sizeof options, .classes = 4, .mixup = 0.8, .cutmix = 1, .smoothing = 0.2};
    for (uint64_t seed = 0; seed < 20; seed++) {
        OK(context, support_mix(context, &options, seed, 1, 2, image, &label, targets));
        assert_memory_equal(image, before, sizeof image);
        for (int c = 0; c < 4; c++)
            assert_true(fabs((double)targets[c] - (c == 2 ? 0.85 : 0.05)) < 1e-6);
    }
    tleg_context_free(context);
}

static void a_wrong_batch_is_refused_and_nothing_is_changed(void **state) {
    (void)state;
    static struct lot lot, before;
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    const tleg_mix_options right = {.struct_size = sizeof right, .classes = CLASSES, .mixup = 0.8, .cutmix = 1};
    tleg_mix_options options = right;
    int64_t batch = BATCH;
    int32_t size = SIDE;
    fill(&lot);
    before = lot;
#define WRONG(what, value, says)                                                                                               \
    do {                                                                                                                       \
        what = value;                                                                                                          \
        assert_int_equal(support_mix(context, &options, 1, batch, size, lot.images, lot.labels, lot.targets),                  \
                         TLEG_ERROR_ARGUMENT);                                                                                 \
        if (strstr(tleg_context_get_error(context), says) == NULL)                                                             \
            fail_msg("\"%s\" does not name %s", tleg_context_get_error(context), says);                                        \
        options = right;                                                                                                       \
        batch = BATCH;                                                                                                         \
        size = SIDE;                                                                                                           \
        lot.labels[BATCH - 1] = BATCH - 1;                                                                                     \
        assert_memory_equal(&lot, &before, sizeof lot);                                                                        \
    } while (0)
    WRONG(options.classes, 0, "mix.classes");
    WRONG(options.classes, INT32_MAX, "mix.classes");
    WRONG(options.mixup, -1, "mix.mixup");
    WRONG(options.mixup, NAN, "mix.mixup");
    WRONG(options.mixup, 1e-9, "mix.mixup");
    WRONG(options.cutmix, INFINITY, "mix.cutmix");
    WRONG(options.smoothing, -0.1, "mix.smoothing");
    WRONG(options.smoothing, 1.1, "mix.smoothing");
    WRONG(options.channels, 2, "mix.channels");
    WRONG(options.channels, -1, "mix.channels");
    WRONG(options.struct_size, 4, "tleg_mix_options");
    WRONG(batch, 0, "batch");
    WRONG(batch, INT64_MAX, "batch");
    WRONG(size, 0, "image_size");
    WRONG(size, INT32_MAX, "image_size");
    WRONG(lot.labels[BATCH - 1], CLASSES, "label 6");
    WRONG(lot.labels[BATCH - 1], -1, "label 6");
#undef WRONG
    assert_int_equal(support_mix(NULL, &right, 1, batch, size, lot.images, lot.labels, lot.targets), TLEG_ERROR_ARGUMENT);
    assert_int_equal(support_mix(context, NULL, 1, batch, size, lot.images, lot.labels, lot.targets), TLEG_ERROR_ARGUMENT);
    assert_int_equal(support_mix(context, &right, 1, batch, size, NULL, lot.labels, lot.targets), TLEG_ERROR_ARGUMENT);
    assert_int_equal(support_mix(context, &right, 1, batch, size, lot.images, NULL, lot.targets), TLEG_ERROR_ARGUMENT);
    assert_int_equal(support_mix(context, &right, 1, batch, size, lot.images, lot.labels, NULL), TLEG_ERROR_ARGUMENT);
    tleg_context_free(context);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beta_numbers_have_betas_moments),
        cmocka_unit_test(beta_numbers_follow_betas_distribution),
        cmocka_unit_test(beta_numbers_at_the_ends_of_alpha),
        cmocka_unit_test(beta_numbers_are_the_same_bits_everywhere),
        cmocka_unit_test(crops_have_the_areas_aspects_and_places_asked_for),
        cmocka_unit_test(areas_of_crops_are_uniform),
        cmocka_unit_test(a_picture_of_another_aspect_is_cropped_in_its_middle),
        cmocka_unit_test(erased_boxes_have_timms_areas_and_aspects),
        cmocka_unit_test(arguments_are_timms),
        cmocka_unit_test(flips_happen_at_their_rate),
        cmocka_unit_test(operations_act_half_the_time),
        cmocka_unit_test(erasing_happens_at_its_rate_and_is_normal_noise),
        cmocka_unit_test(jitter_draws_factors_evenly),
        cmocka_unit_test(every_mixed_batch_is_timms),
        cmocka_unit_test(targets_say_what_the_images_became),
        cmocka_unit_test(one_channel_is_mixed_as_each_of_three),
        cmocka_unit_test(a_seed_gives_one_mix),
        cmocka_unit_test(one_image_is_not_mixed),
        cmocka_unit_test(a_wrong_batch_is_refused_and_nothing_is_changed),
    };
    support_filter(argc, argv);
    return cmocka_run_group_tests_name("augment_draw", tests, NULL, NULL);
}
