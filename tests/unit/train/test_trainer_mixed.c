/* Mixed precision: gradients near those of f32, on the same terms as theirs; and batches of several slices, in both. */
#include "core/core.h"
#include "support/trainer.h"

/* Levels that multiply bf16, with our own products. */
static bool multiplies_bf16(const struct backend *backend) {
    return tleg_level_includes(backend->level, TLEG_LEVEL_AVX512BF16) && backend->gemm != TLEG_GEMM_BLAS;
}

static struct flat gradients_of(const struct backend *backend, const struct grad_case *c, const tleg_trainer_options *options,
                                const tleg_train_batch *batch, double *loss) {
    tleg_context *context = support_context(backend, 2);
    tleg_trainer *trainer = trainer_open(context, c, options);
    tleg_train_loss found = {.struct_size = sizeof found};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, batch, &found));
    struct flat gradients = trainer_gradients(context, trainer);
    *loss = found.total;
    tleg_trainer_free(trainer);
    tleg_context_free(context);
    return gradients;
}

/* A factor is off by up to 2^-9 of itself, and these genes are deep for their width: within 5 % of the norm of all gradients,
 * and within 1 % of the loss. */
static void gradients_are_near_those_of_f32(void **state) {
    (void)state;
    bool some = false;
    for (int32_t b = 0; b < backend_count; b++)
        some = some || multiplies_bf16(&backends[b]);
    for (int32_t b = 0; b < backend_count; b++)
        for (int32_t i = 0; i < case_count; i++) {
            const struct grad_case *c = &cases[i];
            struct trainer_data data;
            trainer_data_open(plain, c->images, &data);
            tleg_trainer_options options = trainer_options(c);
            double loss[2];
            struct flat wide = gradients_of(&backends[b], c, &options, &data.batch, &loss[0]);
            options.dtype = TLEG_BF16;
            struct flat mixed = gradients_of(&backends[b], c, &options, &data.batch, &loss[1]);
            double far = flat_distance(&mixed, &wide);
            if (!multiplies_bf16(&backends[b]) && !flat_same(&mixed, &wide))
                fail_msg("%s at %s: not trained in f32", c->name, backends[b].name);
            if (multiplies_bf16(&backends[b]) && !(far > 1e-5 && far < 5e-2 && fabs(loss[1] / loss[0] - 1) < 1e-2))
                fail_msg("%s at %s: gradients %.1e from those of f32, losses %g and %g", c->name, backends[b].name, far,
                         loss[1], loss[0]);
            free(wide.values);
            free(mixed.values);
            trainer_data_close(&data);
        }
    if (!some)
        SKIP("no level here multiplies bf16 (that f32 is used instead was checked)");
}

/* Four steps: what was learned. */
static struct flat run(const struct backend *backend, int32_t workers, const struct grad_case *c, int32_t checkpoint) {
    tleg_context *context = support_context(backend, workers);
    tleg_trainer_options options = trainer_busy_options(c);
    options.dtype = TLEG_BF16;
    options.checkpoint = checkpoint;
    tleg_trainer *trainer = trainer_open(context, c, &options);
    struct trainer_data data;
    trainer_data_open(context, c->images, &data);
    trainer_steps(trainer, &data.batch, 4);
    struct flat values = trainer_values(context, trainer, 0);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
    tleg_context_free(context);
    return values;
}

static void bits_depend_on_neither_threads_nor_checkpointing(void **state) {
    (void)state;
    static const char *const names[] = {"mean-4", "dist-5", "schedule-9", "cls-2-model", "curves-9"};
    for (int32_t b = 0; b < backend_count; b++)
        for (size_t i = 0; i < 5; i++) {
            struct flat first = run(&backends[b], 1, find(names[i]), 0);
            for (int32_t other = 1; other < 6; other++) {
                struct flat again = run(&backends[b], other % 3 + 1, find(names[i]), other > 2);
                if (!flat_same(&first, &again))
                    fail_msg("%s at %s: other bits with %d threads, checkpoint %d", names[i], backends[b].name, other % 3 + 1,
                             other > 2);
                free(again.values);
            }
            free(first.values);
        }
}

static void five_images_are_learned_by_heart(void **state) {
    (void)state;
    const struct grad_case *c = find("dist-5");
    tleg_trainer_options options = trainer_options(c);
    options.dtype = TLEG_BF16;
    options.smoothing = 0;
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    trainer_steps(trainer, &data.batch, 40);
    tleg_train_loss last = {.struct_size = sizeof last};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &data.batch, &last));
    assert_int_equal(last.correct, TRAINER_BATCH);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
}

/* Many tokens: each image is a slice of its own. */
static void slices_add_up_to_the_batch(void **state) {
    (void)state;
    enum { SIDE = 128, IMAGES = 3, PIXELS = 3 * SIDE * SIDE };
    const struct grad_case c = {.gene = "mean", .images = 16, .depth = 3, .image = SIDE};
    float *images = malloc(IMAGES * PIXELS * sizeof *images), teacher[IMAGES * TRAINER_CLASSES];
    const int64_t labels[IMAGES] = {1, 0, 3};
    assert_non_null(images);
    for (int i = 0; i < IMAGES * PIXELS; i++)
        images[i] = sinf((float)i * 0.37F + (float)(i / PIXELS));
    for (int i = 0; i < IMAGES * TRAINER_CLASSES; i++)
        teacher[i] = cosf((float)i);
    const tleg_train_batch batch = {
        .struct_size = sizeof batch, .size = IMAGES, .images = images, .labels = labels, .teacher_logits = teacher};
    static const int32_t dtypes[] = {TLEG_F32, TLEG_BF16};
    for (int d = 0; d < 2; d++) {
        tleg_trainer_options options = trainer_options(&c);
        options.dtype = dtypes[d];
        tleg_trainer *whole = trainer_open(plain, &c, &options), *parts = trainer_open(plain, &c, &options);
        tleg_train_loss loss = {.struct_size = sizeof loss}, one = {.struct_size = sizeof one};
        OK_TRAINER(whole, tleg_trainer_backward(whole, &batch, &loss));
        double sum = 0;
        int64_t correct = 0;
        for (int i = 0; i < IMAGES; i++) {
            tleg_train_batch part = trainer_part(&batch, SIDE, i, 1);
            part.share = 1.0 / IMAGES;
            OK_TRAINER(parts, tleg_trainer_backward(parts, &part, &one));
            sum += part.share * one.total;
            correct += one.correct;
        }
        struct flat a = trainer_gradients(plain, whole), b = trainer_gradients(plain, parts);
        assert_true(fabs(loss.total - sum) < 1e-6 * fabs(sum));
        assert_int_equal(loss.correct, correct);
        assert_true(flat_distance(&a, &b) < 1e-6);
        free(a.values);
        free(b.values);
        tleg_trainer_free(whole);
        tleg_trainer_free(parts);
    }
    free(images);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_near_those_of_f32),
        cmocka_unit_test(bits_depend_on_neither_threads_nor_checkpointing),
        cmocka_unit_test(five_images_are_learned_by_heart),
        cmocka_unit_test(slices_add_up_to_the_batch),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
