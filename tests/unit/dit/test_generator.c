/* Generators against the reference arithmetic in float64 (tests/golden/draw-*), at every level of this machine, and what a host
 * relies on: the same bits in every form, depths that change, drawing that stops, memory that is told exactly. */
#include "support/drawn.h"
#include "support/spoilt.h"
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static struct drawn cases[MAX_DRAWN];
static int32_t case_count;
static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;

static size_t run_floats(const struct drawn *drawn) {
    return (size_t)(drawn->batch * drawn->channels * drawn->image * drawn->image) * (drawn->sigma ? 2 : 1);
}

static size_t image_floats(const struct drawn *drawn) {
    return (size_t)(drawn->batch * drawn->channels * drawn->image * drawn->image);
}

static void assert_same(const float *a, const float *b, size_t count, const char *what, const struct drawn *drawn,
                        const struct backend *backend) {
    if (memcmp(a, b, count * sizeof *a) != 0)
        fail_msg("%s, %s: %s changes the bits", drawn->name, backend->name, what);
}

/* ---- as the reference has it ---- */

static void assert_near(tleg_context *context, const float *values, size_t count, const struct drawn *drawn, const char *ending,
                        const char *name, double limit, const char *backend) {
    const float *wanted;
    size_t wanted_count;
    tleg_tensor *tensor = support_tensor(context, support_path(drawn->name, ending), name, &wanted, &wanted_count);
    assert_int_equal(count, wanted_count);
    const double far = support_relative(values, wanted, count);
    if (!(far < limit))
        fail_msg("%s, %s: %s are %.1e from the reference", drawn->name, backend, name, far);
    tleg_tensor_free(tensor);
}

static void noise_matches_the_reference(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 1);
        for (int32_t i = 0; i < case_count; i++) {
            struct drawn_input in = drawn_read(context, &cases[i]);
            tleg_generator *generator = drawn_generator(context, &cases[i], TLEG_F32, false, 2);
            float *noise = drawn_run(generator, &cases[i], &in);
            assert_near(context, noise, run_floats(&cases[i]), &cases[i], ".out.safetensors", "output", 1e-4, backends[b].name);
            free(noise);
            tleg_generator_free(generator);
            drawn_free(&in);
        }
        tleg_context_free(context);
    }
}

static void pictures_match_the_reference(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 1);
        for (int32_t i = 0; i < case_count; i++) {
            struct drawn_input in = drawn_read(context, &cases[i]);
            const tleg_sample_options options = drawn_options(&cases[i], &in);
            tleg_generator *generator = drawn_generator(context, &cases[i], TLEG_F32, false, 4);
            float *images = drawn_sample(generator, &options);
            assert_near(context, images, image_floats(&cases[i]), &cases[i], ".sample.safetensors", "images", 1e-3,
                        backends[b].name);
            free(images);
            tleg_generator_free(generator);
            drawn_free(&in);
        }
        tleg_context_free(context);
    }
}

/* Checks a model's tensors against a column of NAME.expanded. */
static void check_bits(tleg_context *context, const tleg_model *model, const struct drawn *drawn, int column,
                       const char *backend) {
    FILE *file = fopen(support_path(drawn->name, ".expanded"), "r");
    assert_non_null(file);
    char line[256], name[128];
    unsigned long long hash[3];
    int64_t count = 0;
    for (; fgets(line, sizeof line, file) != NULL; count++) {
        assert_true(sscanf(line, "%127s %llx %llx %llx", name, &hash[0], &hash[1], &hash[2]) > 1 + column);
        tleg_tensor *tensor = NULL;
        tleg_tensor_info info = {.struct_size = sizeof info};
        OK(context, tleg_model_copy_tensor(context, model, name, &tensor));
        OK(context, tleg_tensor_get_info(context, tensor, &info));
        if (support_fnv(info.data, (size_t)info.bytes) != hash[column])
            fail_msg("%s, %s: %s differs from PyTorch's", drawn->name, backend, name);
        tleg_tensor_free(tensor);
    }
    fclose(file);
    assert_null(tleg_model_get_tensor_name(model, count)); /* no tensor more than the reference has */
    assert_non_null(tleg_model_get_tensor_name(model, count - 1));
}

static void expanded_tensors_equal_pytorch_to_the_bit(void **state) {
    (void)state;
    static const int32_t dtypes[] = {TLEG_F32, TLEG_F16, TLEG_BF16};
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 1);
        for (int32_t i = 0; i < case_count; i++)
            for (int column = 0; column < (cases[i].half ? 3 : 1); column++) {
                tleg_model *model = drawn_model(context, &cases[i], dtypes[column]), *opened = NULL;
                check_bits(context, model, &cases[i], column, backends[b].name);
                OK(context, tleg_model_save(context, model, support_scratch("model.safetensors"), NULL));
                OK(context, tleg_model_open(context, support_scratch("model.safetensors"), NULL, &opened));
                check_bits(context, opened, &cases[i], column, backends[b].name);
                tleg_model_free(model);
                tleg_model_free(opened);
            }
        tleg_context_free(context);
    }
}

/* ---- files ---- */

static void assert_described(const tleg_config *config, const struct drawn *drawn, int32_t depth) {
    assert_int_equal(config->kind, TLEG_KIND_DIT);
    assert_int_equal(config->image_size, drawn->image);
    assert_int_equal(config->patch_size, drawn->patch);
    assert_int_equal(config->channels, drawn->channels);
    assert_int_equal(config->classes, drawn->labels);
    assert_int_equal(config->learned_sigma, drawn->sigma);
    assert_int_equal(config->no_null_label, 0);
    assert_int_equal(config->depth, depth);
    assert_int_equal(config->mlp, TLEG_MLP_GELU_TANH);
    assert_true(config->eps == 1e-6);
}

static void a_file_says_what_it_draws_and_is_saved_as_the_same(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 1);
    for (int32_t i = 0; i < case_count; i++) {
        tleg_config config = {.struct_size = sizeof config};
        tleg_learngene *gene = support_gene(context, cases[i].name), *opened = NULL;
        OK(context, tleg_learngene_get_info(context, gene, &config));
        assert_described(&config, &cases[i], 0);
        OK(context, tleg_learngene_save(context, gene, support_scratch("gene.safetensors"), NULL));
        OK(context, tleg_learngene_open(context, support_scratch("gene.safetensors"), NULL, &opened));
        OK(context, tleg_learngene_get_info(context, opened, &config));
        assert_described(&config, &cases[i], 0);
        OK(context, tleg_learngene_save(context, opened, support_scratch("again.safetensors"), NULL));
        size_t bytes, again;
        unsigned char *a = support_read_file(support_scratch("gene.safetensors"), &bytes);
        unsigned char *b = support_read_file(support_scratch("again.safetensors"), &again);
        assert_int_equal(bytes, again);
        assert_memory_equal(a, b, bytes);
        free(a);
        free(b);
        tleg_learngene_free(gene);
        tleg_learngene_free(opened);
        tleg_model *model = drawn_model(context, &cases[i], TLEG_F32);
        OK(context, tleg_model_get_info(context, model, &config));
        assert_described(&config, &cases[i], cases[i].depth);
        tleg_model_free(model);
    }
    tleg_context_free(context);
}

/* What a host says of pictures is taken for latents too, which have more channels than any picture. */
static void any_number_of_channels_is_opened_with_what_a_host_says(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 1);
    for (int32_t i = 0; i < case_count; i++) {
        const tleg_preparation_options pictures = {.struct_size = sizeof pictures, .mean = {0.25}, .std = {0.5, 0.5, 0.5}};
        const tleg_open_options options = {.struct_size = sizeof options, .pictures = &pictures};
        tleg_config config = {.struct_size = sizeof config};
        tleg_learngene *gene = NULL;
        OK(context, tleg_learngene_open(context, support_path(cases[i].name, ".gene.safetensors"), &options, &gene));
        OK(context, tleg_learngene_get_info(context, gene, &config));
        assert_int_equal(config.channels, cases[i].channels);
        assert_true(config.mean[0] == 0.25);
        tleg_learngene_free(gene);
    }
    tleg_context_free(context);
}

/* ---- the same bits ---- */

/* The noise that a generator of this batch finds: over the model, or elastic over the expander where there is no model. */
static float *run_with(tleg_context *context, const tleg_model *model, const tleg_expander *expander, const struct drawn *drawn,
                       const struct drawn_input *in, int32_t batch) {
    const tleg_generator_options options = {.struct_size = sizeof options, .batch = batch};
    tleg_generator *generator = NULL;
    if (model)
        OK(context, tleg_generator_create(context, model, &options, &generator));
    else
        OK(context, tleg_generator_create_elastic(context, expander, drawn->depth, &options, &generator));
    float *noise = drawn_run(generator, drawn, in);
    tleg_generator_free(generator);
    return noise;
}

static void noise_does_not_depend_on_threads_or_batch_or_form(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        float *first[MAX_DRAWN] = {NULL};
        for (int32_t workers = 1; workers <= 3; workers++) {
            tleg_context *context = support_context(&backends[b], workers);
            for (int32_t i = 0; i < case_count; i++) {
                const struct drawn *drawn = &cases[i];
                struct drawn_input in = drawn_read(context, drawn);
                tleg_expander *expander = drawn_expander(context, drawn, TLEG_F32);
                tleg_model *model = NULL;
                OK(context, tleg_expander_expand(context, expander, drawn->depth, &model));
                /* A BLAS may sum in another order at another number of rows. */
                const int32_t batches[] = {drawn->batch, 0, 2, drawn->batch + 1};
                const int ways = backends[b].gemm == TLEG_GEMM_BLAS ? 2 : 8;
                for (int way = 0; way < ways; way++) {
                    float *noise = run_with(context, way % 2 ? NULL : model, expander, drawn, &in, batches[way / 2]);
                    if (first[i])
                        assert_same(noise, first[i], run_floats(drawn), "threads, batch or form", drawn, &backends[b]);
                    free(first[i]);
                    first[i] = noise;
                }
                tleg_model_free(model);
                tleg_expander_free(expander);
                drawn_free(&in);
            }
            tleg_context_free(context);
        }
        for (int32_t i = 0; i < case_count; i++)
            free(first[i]);
    }
}

/* From a seed: fewer pictures at each number of threads, in other batches, stored and elastic, but the same. */
static void draw_in_company(const struct backend *backend, int32_t workers, double guidance, float *first[MAX_DRAWN]) {
    tleg_context *context = support_context(backend, workers);
    for (int32_t i = 0; i < case_count; i++) {
        const size_t each = (size_t)(cases[i].channels * cases[i].image * cases[i].image);
        const int64_t labels[5] = {0, 0, cases[i].labels - 1, 0, cases[i].labels};
        const tleg_sample_options options = {
            .struct_size = sizeof options, .steps = 3, .count = 6 - workers, .guidance = guidance, .seed = 7, .labels = labels};
        tleg_generator *generator = drawn_generator(context, &cases[i], TLEG_F32, workers == 2, workers);
        float *images = drawn_sample(generator, &options);
        if (first[i])
            assert_same(images, first[i], (size_t)options.count * each, "company", &cases[i], backend);
        assert_memory_not_equal(images, images + each, each * sizeof *images); /* the same label, other noise */
        free(first[i]);
        first[i] = images;
        tleg_generator_free(generator);
    }
    tleg_context_free(context);
}

static void pictures_do_not_depend_on_what_is_drawn_beside_them(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++)
        for (double guidance = 1; guidance < 4 && backends[b].gemm != TLEG_GEMM_BLAS; guidance += 1.5) {
            float *first[MAX_DRAWN] = {NULL};
            for (int32_t workers = 1; workers <= 3; workers++)
                draw_in_company(&backends[b], workers, guidance, first);
            for (int32_t i = 0; i < case_count; i++)
                free(first[i]);
        }
}

static void drawing_begins_with_the_same_normal_numbers_everywhere(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 1);
    tleg_config config = {.struct_size = sizeof config,
                          .kind = TLEG_KIND_DIT,
                          .image_size = 32,
                          .patch_size = 8,
                          .dim = 4,
                          .heads = 1,
                          .classes = 2};
    tleg_learngene *gene = NULL;
    tleg_expander *expander = NULL;
    tleg_generator *generator = NULL;
    OK(context, tleg_learngene_create(context, &config, 1, &gene));
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    OK(context, tleg_generator_create_elastic(context, expander, 2, NULL, &generator));
    /* a fresh gene finds no noise, so that one step gives the first noise back, larger by a factor that is known */
    enum { COUNT = 8, EACH = 3 * 32 * 32 };
    const tleg_sample_options options = {.struct_size = sizeof options, .steps = 1, .count = COUNT, .seed = 5};
    float *images = drawn_sample(generator, &options);
    double kept = 1, mean = 0, square = 0;
    for (int t = 0; t < 1000; t++)
        kept *= 1 - (1e-4 + (2e-2 - 1e-4) * t / 999);
    for (int k = 0; k < COUNT * EACH; k++) {
        const double value = (double)images[k] * sqrt(kept);
        mean += value / (COUNT * EACH);
        square += value * value / (COUNT * EACH);
    }
    assert_true(fabs(mean) < 0.02 && fabs(square - 1) < 0.03);
    /* what any machine begins with for seed 5: two numbers of the first image, one of the second */
    const double begun[] = {1.03049706, -0.898659511, 0.882578746};
    const float *const found[] = {images, images + 1, images + EACH};
    for (int k = 0; k < 3; k++)
        assert_true(fabs((double)*found[k] * sqrt(kept) - begun[k]) < 1e-6);
    /* which the host can have beforehand, also a part of them */
    float *made = support_values(1, COUNT * EACH, 1, 0);
    OK(context, tleg_generator_make_noise(NULL, 5, 0, 3, EACH, made));
    OK(context, tleg_generator_make_noise(context, 5, 3, COUNT - 3, EACH, made + 3 * EACH));
    assert_int_equal(tleg_generator_make_noise(context, 5, INT64_MAX, 2, EACH, made), TLEG_ERROR_ARGUMENT);
    tleg_sample_options given = options;
    given.noise = made;
    float *again = drawn_sample(generator, &given);
    assert_memory_equal(images, again, COUNT * EACH * sizeof *images);
    free(made);
    free(again);
    free(images);
    tleg_generator_free(generator);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    tleg_context_free(context);
}

static void half_precision_is_one_model_in_every_form(void **state) {
    (void)state;
    static const int32_t dtypes[] = {TLEG_F16, TLEG_BF16};
    static const double limits[] = {3e-2, 3e-1};
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 2);
        for (int32_t i = 0; i < case_count; i++) {
            struct drawn_input in = drawn_read(context, &cases[i]);
            const size_t floats = run_floats(&cases[i]);
            for (int d = 0; d < 2; d++) {
                float *noise[3];
                for (int form = 0; form < 3; form++) { /* f32; stored; elastic */
                    tleg_generator *generator =
                        drawn_generator(context, &cases[i], form ? dtypes[d] : TLEG_F32, form == 2, cases[i].batch);
                    noise[form] = drawn_run(generator, &cases[i], &in);
                    tleg_generator_free(generator);
                }
                const double far = support_relative(noise[1], noise[0], floats);
                if (!(far > 0 && far < limits[d]))
                    fail_msg("%s, %s, dtype %d: the noise is %.1e from f32's", cases[i].name, backends[b].name, dtypes[d], far);
                assert_same(noise[2], noise[1], floats, "forming half precision layers", &cases[i], &backends[b]);
                for (int form = 0; form < 3; form++)
                    free(noise[form]);
            }
            drawn_free(&in);
        }
        tleg_context_free(context);
    }
}

/* ---- depths ---- */

static void depth_changes_live(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[backend_count - 1], 2);
    for (int32_t i = 0; i < case_count; i++) {
        struct drawn_input in = drawn_read(context, &cases[i]);
        tleg_generator *live = drawn_generator(context, &cases[i], TLEG_F32, true, 2);
        const int32_t depths[] = {9, drawn_info(live).least_depth, cases[i].depth};
        for (size_t d = 0; d < sizeof depths / sizeof *depths; d++) {
            struct drawn other = cases[i];
            other.depth = depths[d];
            OK_GENERATOR(live, tleg_generator_set_depth(live, depths[d]));
            assert_int_equal(tleg_generator_set_depth(live, 0), TLEG_ERROR_ARGUMENT);
            assert_int_equal(tleg_generator_set_depth(live, drawn_info(live).most_depth + 1), TLEG_ERROR_ARGUMENT);
            assert_int_equal(drawn_info(live).depth, depths[d]); /* the former one stays */
            tleg_generator *stored = drawn_generator(context, &other, TLEG_F32, false, 2);
            float *a = drawn_run(live, &cases[i], &in), *b = drawn_run(stored, &cases[i], &in);
            assert_same(a, b, run_floats(&cases[i]), "a depth set live", &cases[i], &backends[backend_count - 1]);
            free(a);
            free(b);
            assert_int_equal(tleg_generator_set_depth(stored, depths[d]), TLEG_ERROR_STATE);
            tleg_generator_free(stored);
        }
        tleg_generator_free(live);
        drawn_free(&in);
    }
    tleg_context_free(context);
}

/* A schedule that is one depth throughout draws what that depth draws; one that changes draws as if the host had gone on with
 * what the first steps gave. */
struct stop_after {
    int32_t step;
    float *kept;
    size_t floats;
};

static int32_t TLEG_CALL keep_step(void *host, int32_t step, int32_t steps, int64_t count, const float *images) {
    struct stop_after *after = host;
    assert_true(step >= 1 && step <= steps && count > 0);
    if (step == after->step)
        memcpy(after->kept, images, after->floats * sizeof(float));
    return 0;
}

static void a_schedule_of_depths_is_followed(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[backend_count - 1], 1);
    for (int32_t i = 0; i < case_count; i++) {
        const size_t floats = image_floats(&cases[i]);
        struct drawn_input in = drawn_read(context, &cases[i]);
        struct stop_after after = {.step = 3, .floats = floats, .kept = malloc(floats * sizeof(float))};
        assert_non_null(after.kept);
        tleg_generator *generator = drawn_generator(context, &cases[i], TLEG_F32, true, 2);
        tleg_sample_options options = drawn_options(&cases[i], &in);
        options.progress = keep_step;
        options.host = &after;
        float *plain = drawn_sample(generator, &options);
        float *after_three = malloc(floats * sizeof(float));
        assert_non_null(after_three);
        memcpy(after_three, after.kept, floats * sizeof(float));
        int32_t depths[DRAWN_STEPS];
        for (int s = 0; s < DRAWN_STEPS; s++)
            depths[s] = cases[i].depth;
        options.depths = depths;
        OK_GENERATOR(generator, tleg_generator_set_depth(generator, 7));
        float *same = drawn_sample(generator, &options);
        assert_same(same, plain, floats, "a schedule of one depth", &cases[i], &backends[backend_count - 1]);
        assert_int_equal(drawn_info(generator).depth, 7); /* its own again */
        for (int s = 3; s < DRAWN_STEPS; s++)
            depths[s] = 11;
        float *mixed = drawn_sample(generator, &options);
        assert_same(after.kept, after_three, floats, "what comes later", &cases[i], &backends[backend_count - 1]);
        assert_memory_not_equal(mixed, plain, floats * sizeof(float));
        depths[5] = 1025;
        assert_int_equal(tleg_generator_sample(generator, &options, mixed, floats), TLEG_ERROR_ARGUMENT);
        assert_non_null(strstr(tleg_generator_get_error(generator), "depths[5]"));
        tleg_generator_free(generator);
        generator = drawn_generator(context, &cases[i], TLEG_F32, false, 2);
        assert_int_equal(tleg_generator_sample(generator, &options, mixed, floats), TLEG_ERROR_STATE);
        tleg_generator_free(generator);
        free(plain);
        free(same);
        free(mixed);
        free(after_three);
        free(after.kept);
        drawn_free(&in);
    }
    tleg_context_free(context);
}

/* Elastic, in f16: a number of layer l of n is base + ilayer l / n. */
static tleg_generator *spoilt_generator(tleg_context *context, float base, float ilayer, int32_t depth) {
    const struct spoilt file = spoilt_file(support_path(cases[0].name, ".gene.safetensors"));
    const tleg_expander_options options = {.struct_size = sizeof options, .dtype = TLEG_F16};
    tleg_expander *expander = NULL;
    tleg_generator *generator = NULL;
    spoilt_put(&file, "blocks.block.mlp.fc1.instances.0.weight_base", base);
    spoilt_put(&file, "blocks.block.mlp.fc1.instances.0.weight_ilayer", ilayer);
    OK(context, tleg_expander_parse(context, file.bytes, file.size, NULL, &options, &expander));
    OK(context, tleg_generator_create_elastic(context, expander, depth, NULL, &generator));
    tleg_expander_free(expander);
    free(file.bytes);
    return generator;
}

static void depths_that_f16_does_not_hold_are_refused_before_images_are_touched(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 1);
    tleg_generator *generator =
        spoilt_generator(context, 60000, 30000, 1); /* the second of two is too large, not a single one */
    const size_t floats = (size_t)drawn_info(generator).image_floats;
    float *images = support_values(1, floats, 1, 0), *before = support_values(1, floats, 1, 0);
    const int32_t depths[] = {1, 1, 2};
    const tleg_sample_options options = {.struct_size = sizeof options, .steps = 3, .count = 1, .depths = depths};
    assert_int_equal(tleg_generator_sample(generator, &options, images, floats), TLEG_ERROR_NUMERIC);
    assert_non_null(strstr(tleg_generator_get_error(generator), "too large for F16"));
    assert_memory_equal(images, before, floats * sizeof *images);
    assert_int_equal(drawn_info(generator).depth, 1);
    free(images);
    free(before);
    tleg_generator_free(generator);
    tleg_context_free(context);
}

/* The last of eight layers is too large. The others are those of depth 8 already when it is found. */
static void a_depth_that_f16_does_not_hold_leaves_the_former_one(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 1);
    tleg_generator *generator = spoilt_generator(context, 40000, 34000, 2);
    const size_t floats = (size_t)drawn_info(generator).image_floats;
    const tleg_sample_options options = {.struct_size = sizeof options, .steps = 2, .count = 1};
    float *before = drawn_sample(generator, &options);
    assert_int_equal(tleg_generator_set_depth(generator, 8), TLEG_ERROR_NUMERIC);
    assert_non_null(strstr(tleg_generator_get_error(generator), "of depth 8: a number is too large for F16"));
    assert_int_equal(drawn_info(generator).depth, 2);
    float *after = drawn_sample(generator, &options);
    assert_memory_equal(before, after, floats * sizeof *before);
    assert_true(isfinite(before[0]));
    free(before);
    free(after);
    tleg_generator_free(generator);
    tleg_context_free(context);
}

/* ---- stopping ---- */

struct host {
    tleg_generator *generator;
    int32_t calls, stop_at, cancel_at;
    atomic_bool done;
};

static int32_t TLEG_CALL watch(void *arg, int32_t step, int32_t steps, int64_t count, const float *images) {
    struct host *host = arg;
    (void)steps;
    assert_non_null(images);
    assert_true(count > 0);
    assert_int_equal(step, ++host->calls);
    if (step == host->cancel_at)
        tleg_generator_cancel(host->generator);
    return step == host->stop_at;
}

static void drawing_stops_where_the_host_says(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 2);
    struct drawn_input in = drawn_read(context, &cases[0]);
    tleg_generator *generator = drawn_generator(context, &cases[0], TLEG_F32, true, 2);
    const size_t floats = image_floats(&cases[0]);
    struct host host = {.generator = generator};
    tleg_sample_options options = drawn_options(&cases[0], &in);
    options.progress = watch;
    options.host = &host;
    float *whole = drawn_sample(generator, &options),
          *images = drawn_sample(generator,
                                 &(tleg_sample_options){.struct_size = sizeof options, .steps = 1, .count = cases[0].batch});
    assert_int_equal(host.calls, DRAWN_STEPS);
    for (int32_t at = 1; at < DRAWN_STEPS; at++)
        for (int cancel = 0; cancel < 2; cancel++) {
            host = (struct host){.generator = generator, .stop_at = cancel ? 0 : at, .cancel_at = cancel ? at : 0};
            assert_int_equal(tleg_generator_sample(generator, &options, images, floats), TLEG_ERROR_CANCELLED);
            assert_int_equal(host.calls, at);
            assert_true(strlen(tleg_generator_get_error(generator)) > 0);
        }
    /* once it is drawn there is nothing to stop */
    host = (struct host){.generator = generator, .stop_at = DRAWN_STEPS};
    OK_GENERATOR(generator, tleg_generator_sample(generator, &options, images, floats));
    assert_same(images, whole, floats, "a stop at the end", &cases[0], &backends[0]);
    /* a generator that does not run is not cancelled */
    tleg_generator_cancel(generator);
    host = (struct host){.generator = generator};
    OK_GENERATOR(generator, tleg_generator_sample(generator, &options, images, floats));
    assert_same(images, whole, floats, "an earlier stop", &cases[0], &backends[0]);
    free(whole);
    free(images);
    tleg_generator_free(generator);
    drawn_free(&in);
    tleg_context_free(context);
}

/* ---- threads ---- */

static void *cancel_until_done(void *arg) {
    struct host *host = arg;
    while (!atomic_load(&host->done)) {
        tleg_generator_cancel(host->generator);
        sched_yield();
    }
    return NULL;
}

static void drawing_is_cancelled_from_another_thread(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 2);
    tleg_generator *generator = drawn_generator(context, &cases[0], TLEG_F32, true, 2);
    struct host host = {.generator = generator};
    const tleg_sample_options options = {.struct_size = sizeof options, .steps = 1000, .count = 64, .guidance = 2};
    const size_t floats = 64 * (size_t)drawn_info(generator).image_floats;
    float *images = support_values(1, floats, 1, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_until_done, &host), 0);
    assert_int_equal(tleg_generator_sample(generator, &options, images, floats), TLEG_ERROR_CANCELLED);
    atomic_store(&host.done, true);
    pthread_join(thread, NULL);
    free(images);
    tleg_generator_free(generator);
    tleg_context_free(context);
}

struct drawer {
    tleg_generator *generator;
    const tleg_sample_options *options;
    float *images;
};

static void *draw(void *arg) {
    struct drawer *drawer = arg;
    drawer->images = drawn_sample(drawer->generator, drawer->options);
    return NULL;
}

static void generators_in_threads_share_an_expander(void **state) {
    (void)state;
    enum { DRAWERS = 4 };
    tleg_context *context = support_context(&backends[backend_count - 1], 2);
    tleg_expander *expander = drawn_expander(context, &cases[0], TLEG_F32);
    const tleg_sample_options options = {.struct_size = sizeof options, .steps = 5, .count = 3, .guidance = 2, .seed = 4};
    struct drawer drawers[DRAWERS];
    pthread_t threads[DRAWERS];
    for (int k = 0; k < DRAWERS; k++) {
        drawers[k] = (struct drawer){.options = &options};
        OK(context, tleg_generator_create_elastic(context, expander, cases[0].depth, NULL, &drawers[k].generator));
    }
    tleg_expander_free(expander);
    for (int k = 0; k < DRAWERS; k++)
        assert_int_equal(pthread_create(&threads[k], NULL, draw, &drawers[k]), 0);
    for (int k = 0; k < DRAWERS; k++)
        pthread_join(threads[k], NULL);
    const size_t floats = 3 * (size_t)drawn_info(drawers[0].generator).image_floats;
    for (int k = 1; k < DRAWERS; k++)
        assert_same(drawers[k].images, drawers[0].images, floats, "company in other threads", &cases[0],
                    &backends[backend_count - 1]);
    for (int k = 0; k < DRAWERS; k++) {
        free(drawers[k].images);
        tleg_generator_free(drawers[k].generator);
    }
    tleg_context_free(context);
}

/* ---- memory ---- */

static tleg_context *counted_context(struct counter *counter, int32_t workers) {
    support_counter(counter);
    tleg_context_options options = support_counted(counter);
    options.workers = workers;
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    return context;
}

static void assert_nothing_left(struct counter *counter) {
    assert_int_equal(atomic_load(&counter->live), 0);
    assert_int_equal(atomic_load(&counter->live_bytes), 0);
    assert_int_equal(atomic_load(&counter->wrong), 0);
}

/* The bytes are told before, and a run and a drawing allocate nothing. */
static void check_memory(tleg_context *context, struct counter *counter, const struct drawn *drawn, bool elastic,
                         int32_t batch) {
    const tleg_generator_options options = {.struct_size = sizeof options, .batch = batch};
    tleg_expander *expander = drawn_expander(context, drawn, TLEG_F32);
    tleg_model *model = NULL;
    tleg_generator *generator = NULL;
    uint64_t told = 0;
    OK(context, tleg_expander_expand(context, expander, drawn->depth, &model));
    const long long before = atomic_load(&counter->live_bytes);
    OK(context, elastic ? tleg_generator_get_elastic_memory(context, expander, &options, &told)
                        : tleg_generator_get_memory(context, model, &options, &told));
    OK(context, elastic ? tleg_generator_create_elastic(context, expander, drawn->depth, &options, &generator)
                        : tleg_generator_create(context, model, &options, &generator));
    assert_int_equal(atomic_load(&counter->live_bytes) - before, told);
    assert_int_equal(drawn_info(generator).bytes, told);
    tleg_cost cost = {.struct_size = sizeof cost};
    OK(context, tleg_expander_get_cost(context, expander, drawn->depth, batch, 0, &cost));
    assert_int_equal(elastic ? cost.bytes_elastic : cost.bytes,
                     told + (elastic ? tleg_expander_get_memory(expander) : tleg_model_get_memory(model)));
    struct drawn_input in = drawn_read(context, drawn);
    const tleg_sample_options sample = drawn_options(drawn, &in);
    const long long calls = atomic_load(&counter->calls);
    if (elastic)
        OK_GENERATOR(generator, tleg_generator_set_depth(generator, 40));
    free(drawn_run(generator, drawn, &in));
    free(drawn_sample(generator, &sample));
    assert_int_equal(atomic_load(&counter->calls), calls);
    drawn_free(&in);
    tleg_generator_free(generator);
    assert_int_equal(atomic_load(&counter->live_bytes), before);
    tleg_model_free(model);
    tleg_expander_free(expander);
}

static void memory_is_told_exactly(void **state) {
    (void)state;
    for (int32_t workers = 1; workers <= 3; workers += 2)
        for (int32_t i = 0; i < case_count; i++)
            for (int elastic = 0; elastic < 2; elastic++)
                for (int32_t batch = 0; batch <= 5; batch += batch ? 4 : 1) {
                    struct counter counter;
                    tleg_context *context = counted_context(&counter, workers);
                    check_memory(context, &counter, &cases[i], elastic, batch);
                    tleg_context_free(context);
                    assert_nothing_left(&counter);
                }
}

/* From a file to a picture. */
struct chain {
    tleg_context *context;
    tleg_learngene *gene;
    tleg_expander *expander, *opened;
    tleg_model *model;
    tleg_generator *generator, *elastic;
    float images[2 * 16 * 16 * 4];
};

static tleg_status go_through(struct chain *c, const struct drawn *drawn) {
    const char *path = support_path(drawn->name, ".gene.safetensors");
    const tleg_sample_options options = {.struct_size = sizeof options, .steps = 2, .count = 2, .guidance = 2};
    tleg_status status;
    if ((status = tleg_learngene_open(c->context, path, NULL, &c->gene)) != TLEG_OK ||
        (status = tleg_expander_create(c->context, c->gene, NULL, &c->expander)) != TLEG_OK ||
        (status = tleg_expander_open(c->context, path, NULL, NULL, &c->opened)) != TLEG_OK ||
        (status = tleg_expander_expand(c->context, c->expander, drawn->depth, &c->model)) != TLEG_OK ||
        (status = tleg_generator_create(c->context, c->model, NULL, &c->generator)) != TLEG_OK ||
        (status = tleg_generator_create_elastic(c->context, c->opened, drawn->depth, NULL, &c->elastic)) != TLEG_OK)
        return status;
    const size_t floats = 2 * (size_t)drawn_info(c->generator).image_floats;
    assert_true(floats <= sizeof c->images / sizeof *c->images);
    status = tleg_generator_sample(c->generator, &options, c->images, floats);
    return status == TLEG_OK ? tleg_generator_sample(c->elastic, &options, c->images, floats) : status;
}

static void free_chain(struct chain *c) {
    tleg_generator_free(c->generator);
    tleg_generator_free(c->elastic);
    tleg_model_free(c->model);
    tleg_expander_free(c->expander);
    tleg_expander_free(c->opened);
    tleg_learngene_free(c->gene);
    tleg_context_free(c->context);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    static struct chain chain;
    for (int32_t i = 0; i < case_count; i++) {
        bool done = false;
        for (long long k = 1; !done; k++) {
            struct counter counter;
            support_counter(&counter);
            atomic_store(&counter.fail_at, k);
            tleg_context_options options = support_counted(&counter);
            options.workers = 2;
            chain = (struct chain){0};
            tleg_status status = tleg_context_create(&options, &chain.context);
            if (status == TLEG_OK)
                status = go_through(&chain, &cases[i]);
            done = atomic_load(&counter.calls) < k; /* no k-th allocation: nothing failed */
            if (status != (done ? TLEG_OK : TLEG_ERROR_MEMORY))
                fail_msg("%s: allocation %lld failed, and the status is %s: %s", cases[i].name, k, tleg_status_name(status),
                         tleg_context_get_error(chain.context));
            free_chain(&chain);
            assert_nothing_left(&counter);
        }
    }
}

/* ---- misuse ---- */

/* The call is refused and its text holds a part. */
#define REFUSES(generator, call, part)                                                                                         \
    do {                                                                                                                       \
        assert_int_equal(call, TLEG_ERROR_ARGUMENT);                                                                           \
        if (strstr(tleg_generator_get_error(generator), part) == NULL)                                                         \
            fail_msg("the text \"%s\" does not hold \"%s\"", tleg_generator_get_error(generator), part);                       \
    } while (0)

static void bad_input_is_named(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 1);
    struct drawn_input in = drawn_read(context, &cases[0]);
    tleg_generator *g = drawn_generator(context, &cases[0], TLEG_F32, true, 2);
    const tleg_generator_info info = drawn_info(g);
    const size_t floats = image_floats(&cases[0]);
    float *out = drawn_run(g, &cases[0], &in);
    const int32_t batch = cases[0].batch;
    assert_int_equal(info.times, 1000);
    assert_int_equal(info.labels, cases[0].labels);
    assert_int_equal(info.null_label, cases[0].labels);
    REFUSES(g, tleg_generator_run(g, batch, in.noised, floats - 1, in.times, in.labels, out, floats), "images has");
    REFUSES(g, tleg_generator_run(g, batch, in.noised, floats, in.times, in.labels, out, floats - 1), "noise has");
    REFUSES(g, tleg_generator_run(g, 0, in.noised, floats, in.times, in.labels, out, floats), "batch");
    REFUSES(g, tleg_generator_run(g, INT64_MAX, in.noised, floats, in.times, in.labels, out, floats), "images has");
    in.times[1] = 1000;
    REFUSES(g, tleg_generator_run(g, batch, in.noised, floats, in.times, in.labels, out, floats), "time 1000 of image 1");
    in.times[1] = -1;
    REFUSES(g, tleg_generator_run(g, batch, in.noised, floats, in.times, in.labels, out, floats), "time -1 of image 1");
    assert_int_equal(tleg_generator_add_noise(context, batch, in.floats, in.images, in.noise, in.times, out),
                     TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "time -1 of image 1"));
    in.times[1] = 0;
    in.labels[2] = cases[0].labels + 1;
    REFUSES(g, tleg_generator_run(g, batch, in.noised, floats, in.times, in.labels, out, floats), "label 6 of image 2");
    tleg_sample_options options = drawn_options(&cases[0], &in);
    REFUSES(g, tleg_generator_sample(g, &options, out, floats), "label 6 of image 2");
    in.labels[2] = -1;
    REFUSES(g, tleg_generator_sample(g, &options, out, floats), "label -1 of image 2");
    in.labels[2] = 0;
    REFUSES(g, tleg_generator_sample(g, &options, out, floats - 1), "images has");
    REFUSES(g, tleg_generator_sample(g, &options, (float *)(void *)((char *)out + 1), floats), "images is not aligned");
    REFUSES(g, tleg_generator_sample(g, &options, NULL, floats), "images is NULL");
    options.steps = 0;
    REFUSES(g, tleg_generator_sample(g, &options, out, floats), "steps");
    options.steps = 1001;
    REFUSES(g, tleg_generator_sample(g, &options, out, floats), "steps");
    options.steps = 2;
    options.guidance = NAN;
    REFUSES(g, tleg_generator_sample(g, &options, out, floats), "guidance");
    options.guidance = 0;
    options.count = 0;
    REFUSES(g, tleg_generator_sample(g, &options, out, floats), "count");
    options.count = INT64_MAX;
    REFUSES(g, tleg_generator_sample(g, &options, out, floats), "images has");
    options.count = batch;
    options.reserved = out;
    assert_int_equal(tleg_generator_sample(g, &options, out, floats), TLEG_ERROR_UNSUPPORTED);
    assert_non_null(strstr(tleg_generator_get_error(g), "reserved"));
    free(out);
    tleg_generator_free(g);
    drawn_free(&in);
    tleg_context_free(context);
}

static tleg_learngene *small_gene(tleg_context *context, int32_t image_size, int32_t no_null_label) {
    const tleg_config config = {.struct_size = sizeof config,
                                .kind = TLEG_KIND_DIT,
                                .image_size = image_size,
                                .patch_size = 2,
                                .dim = 8,
                                .heads = 2,
                                .classes = 3,
                                .channels = 1,
                                .no_null_label = no_null_label};
    tleg_learngene *gene = NULL;
    OK(context, tleg_learngene_create(context, &config, 1, &gene));
    return gene;
}

/* Without a null label there are labels alone. */
static void without_a_null_label_there_is_no_guidance(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 1);
    tleg_learngene *gene = small_gene(context, 4, 1), *opened = NULL;
    tleg_expander *expander = NULL;
    tleg_generator *g = NULL;
    OK(context, tleg_learngene_save(context, gene, support_scratch("none.safetensors"), NULL));
    tleg_learngene_free(gene);
    OK(context, tleg_learngene_open(context, support_scratch("none.safetensors"), NULL, &opened));
    OK(context, tleg_expander_create(context, opened, NULL, &expander));
    OK(context, tleg_generator_create_elastic(context, expander, 2, NULL, &g));
    assert_int_equal(drawn_info(g).null_label, -1);
    float images[2 * 16];
    int64_t labels[2] = {0, 2}, times[2] = {0, 999};
    tleg_sample_options options = {.struct_size = sizeof options, .steps = 2, .count = 2, .guidance = 1, .labels = labels};
    OK_GENERATOR(g, tleg_generator_sample(g, &options, images, 32));
    options.guidance = 2;
    REFUSES(g, tleg_generator_sample(g, &options, images, 32), "null label");
    options.guidance = 1;
    labels[1] = 3;
    REFUSES(g, tleg_generator_sample(g, &options, images, 32), "label 3 of image 1");
    options.labels = NULL;
    REFUSES(g, tleg_generator_sample(g, &options, images, 32), "no null label");
    REFUSES(g, tleg_generator_run(g, 2, images, 32, times, NULL, images, 32), "no null label");
    tleg_generator_free(g);
    tleg_expander_free(expander);
    tleg_learngene_free(opened);
    tleg_context_free(context);
}

/* Of its 16 patches a file could say that they are 2 x 8: what draws is square. */
static void what_draws_is_square(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 1);
    const tleg_expander_options wide = {.struct_size = sizeof wide, .image_size = 8, .image_width = 12};
    const tleg_open_options said = {.struct_size = sizeof said, .names = "tleg.image_size = 4x16\n"};
    tleg_learngene *gene = small_gene(context, 8, 0);
    tleg_expander *expander = NULL;
    tleg_model *model = NULL, *opened = NULL;
    assert_int_equal(tleg_expander_create(context, gene, &wide, &expander), TLEG_ERROR_UNSUPPORTED);
    assert_non_null(strstr(tleg_context_get_error(context), "a generator's images are square, found 8x12"));
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    OK(context, tleg_expander_expand(context, expander, 1, &model));
    OK(context, tleg_model_save(context, model, support_scratch("square.safetensors"), NULL));
    assert_int_equal(tleg_model_open(context, support_scratch("square.safetensors"), &said, &opened), TLEG_ERROR_UNSUPPORTED);
    assert_non_null(strstr(tleg_context_get_error(context), "square, found 2 x 8 patches"));
    tleg_model_free(model);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    tleg_context_free(context);
}

/* A generator's file where a classifier's is wanted, and the reverse: both are named. */
static void the_other_kind_is_refused_by_name(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 1);
    tleg_expander *draws = drawn_expander(context, &cases[0], TLEG_F32), *tells = NULL;
    tleg_model *drawing = drawn_model(context, &cases[0], TLEG_F32), *telling = NULL;
    tleg_learngene *gene = support_gene(context, "mean");
    OK(context, tleg_expander_create(context, gene, NULL, &tells));
    OK(context, tleg_expander_expand(context, tells, 2, &telling));
    tleg_session *session = NULL;
    tleg_generator *generator = NULL;
    uint64_t bytes;
    const tleg_status wrong[] = {tleg_session_create(context, drawing, NULL, &session),
                                 tleg_session_create_elastic(context, draws, 2, NULL, &session),
                                 tleg_session_get_memory(context, drawing, NULL, &bytes),
                                 tleg_session_get_elastic_memory(context, draws, NULL, &bytes),
                                 tleg_generator_create(context, telling, NULL, &generator),
                                 tleg_generator_create_elastic(context, tells, 2, NULL, &generator),
                                 tleg_generator_get_memory(context, telling, NULL, &bytes),
                                 tleg_generator_get_elastic_memory(context, tells, NULL, &bytes)};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
        assert_int_equal(wrong[k], TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "expected a generator"));
    assert_non_null(strstr(tleg_context_get_error(context), "found a classifier"));
    assert_int_equal(tleg_session_create(context, drawing, NULL, &session), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "expected a classifier"));
    assert_non_null(strstr(tleg_context_get_error(context), "found a generator"));
    assert_null(session);
    assert_null(generator);
    tleg_learngene_free(gene);
    tleg_model_free(drawing);
    tleg_model_free(telling);
    tleg_expander_free(draws);
    tleg_expander_free(tells);
    tleg_context_free(context);
}

static int prepare(void **state) {
    (void)state;
    case_count = drawn_cases(cases);
    backend_count = support_backends(backends);
    return backend_count > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_matches_the_reference),
        cmocka_unit_test(pictures_match_the_reference),
        cmocka_unit_test(expanded_tensors_equal_pytorch_to_the_bit),
        cmocka_unit_test(a_file_says_what_it_draws_and_is_saved_as_the_same),
        cmocka_unit_test(any_number_of_channels_is_opened_with_what_a_host_says),
        cmocka_unit_test(noise_does_not_depend_on_threads_or_batch_or_form),
        cmocka_unit_test(pictures_do_not_depend_on_what_is_drawn_beside_them),
        cmocka_unit_test(drawing_begins_with_the_same_normal_numbers_everywhere),
        cmocka_unit_test(half_precision_is_one_model_in_every_form),
        cmocka_unit_test(depth_changes_live),
        cmocka_unit_test(a_schedule_of_depths_is_followed),
        cmocka_unit_test(depths_that_f16_does_not_hold_are_refused_before_images_are_touched),
        cmocka_unit_test(a_depth_that_f16_does_not_hold_leaves_the_former_one),
        cmocka_unit_test(drawing_stops_where_the_host_says),
        cmocka_unit_test(drawing_is_cancelled_from_another_thread),
        cmocka_unit_test(generators_in_threads_share_an_expander),
        cmocka_unit_test(memory_is_told_exactly),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(bad_input_is_named),
        cmocka_unit_test(without_a_null_label_there_is_no_guidance),
        cmocka_unit_test(what_draws_is_square),
        cmocka_unit_test(the_other_kind_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, prepare, support_clean);
}
