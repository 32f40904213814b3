/* What long runs and short ones, many classes and many ranks ask of a trainer: an average that begins at once, a teacher's loss
 * as large as the labels', paths dropped by each rank for itself. */
#include "support/trainer.h"

static const struct grad_case *open_case(const char *name, struct trainer_data *data) {
    const struct grad_case *c = find(name);
    trainer_data_open(plain, c->images, data);
    return c;
}

/* ---- the average ---- */

/* Against the formula, in double, from the weights after each step. */
static void check_average(double decay, int32_t warmup) {
    struct trainer_data data;
    const struct grad_case *c = open_case("mean-4", &data);
    tleg_trainer_options options = trainer_options(c);
    options.ema = decay;
    options.ema_warmup = warmup;
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    struct flat first = trainer_values(plain, trainer, 0);
    double *want = malloc(first.count * sizeof *want);
    assert_non_null(want);
    for (size_t i = 0; i < first.count; i++)
        want[i] = first.values[i];
    for (int step = 1; step <= 12; step++) {
        trainer_steps(trainer, &data.batch, 1);
        struct flat now = trainer_values(plain, trainer, 0), found = trainer_values(plain, trainer, 1);
        double most = (1.0 + step) / (10.0 + step), d = warmup && most < decay ? most : decay;
        for (size_t i = 0; i < now.count; i++) {
            want[i] = d * want[i] + (1 - d) * now.values[i];
            if (!(fabs(found.values[i] - want[i]) <= 4e-7 * (1 + fabs(want[i]))))
                fail_msg("decay %g, step %d: %.9g, expected %.9g", decay, step, (double)found.values[i], want[i]);
        }
        free(now.values);
        free(found.values);
    }
    free(first.values);
    free(want);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
}

static void an_average_spans_a_ninth_of_the_steps_until_its_decay_is_reached(void **state) {
    (void)state;
    check_average(0.99996, 1); /* never reached in 12 steps */
    check_average(0.4, 1);     /* in the fifth */
    check_average(0.4, 0);
}

static void an_average_that_begins_otherwise_is_refused(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    const char *path = support_scratch("average.safetensors");
    tleg_trainer_options options = trainer_options(c);
    options.ema = 0.9;
    for (int32_t warmup = 0; warmup < 2; warmup++) {
        options.ema_warmup = warmup;
        tleg_trainer *trainer = trainer_open(plain, c, &options);
        OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
        OK(plain, tleg_trainer_load(plain, trainer, path));
        tleg_trainer_free(trainer);
        options.ema_warmup = !warmup;
        trainer = trainer_open(plain, c, &options);
        assert_int_equal(tleg_trainer_load(plain, trainer, path), TLEG_ERROR_FORMAT);
        trainer_says(tleg_context_get_error(plain), "ema_warmup=1");
        tleg_trainer_free(trainer);
    }
}

/* ---- the teacher's loss ---- */

static tleg_train_loss learn(const struct grad_case *c, const tleg_trainer_options *options, const tleg_train_batch *batch,
                             struct flat *gradient) {
    tleg_train_loss loss = {.struct_size = sizeof loss};
    tleg_trainer *trainer = trainer_open(plain, c, options);
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, batch, &loss));
    *gradient = trainer_gradients(plain, trainer);
    tleg_trainer_free(trainer);
    return loss;
}

/* The mean over images is that over images and classes, times the classes. */
static void a_mean_over_images_weighs_a_teacher_as_the_labels(void **state) {
    (void)state;
    struct trainer_data data;
    const struct grad_case *c = open_case("mean-4", &data);
    for (int part = 0; part < 2; part++) {
        tleg_trainer_options options = trainer_options(c);
        struct flat logits, images, labels;
        options.alpha = part ? 0.4 : 1;
        tleg_train_loss a = learn(c, &options, &data.batch, &logits);
        options.teacher_mean = TLEG_TEACHER_MEAN_OVER_IMAGES;
        tleg_train_loss b = learn(c, &options, &data.batch, &images);
        const double classes = TRAINER_CLASSES;
        assert_true(fabs(b.teacher - classes * a.teacher) <= 1e-12 * b.teacher);
        assert_true(a.labels == b.labels);
        assert_true(fabs(b.total - (options.alpha * b.teacher + (1 - options.alpha) * (part ? b.labels : 0))) <= 1e-12);
        options.alpha = 0;
        learn(c, &options, &data.batch, &labels); /* of the labels alone: what is left of it is the teacher's */
        for (size_t i = 0; i < logits.count; i++) {
            float own = part ? 0.6F * labels.values[i] : 0;
            logits.values[i] = own + TRAINER_CLASSES * (logits.values[i] - own);
        }
        assert_true(flat_distance(&logits, &images) <= 1e-5);
        free(logits.values);
        free(images.values);
        free(labels.values);
    }
    trainer_data_close(&data);
}

/* What the head gives at a depth: (5, C). */
static void read_outputs(const struct grad_case *c, const tleg_train_batch *batch, int32_t depth, float *out) {
    struct grad_case at = *c;
    at.depth = depth;
    const size_t floats = (size_t)TRAINER_BATCH * 3 * (size_t)c->images * (size_t)c->images;
    tleg_model *model = trainer_model(plain, &at);
    tleg_session *session = NULL;
    OK(plain, tleg_session_create(plain, model, NULL, &session));
    assert_int_equal(
        tleg_session_run(session, TRAINER_BATCH, batch->images, floats, out, (size_t)TRAINER_BATCH * TRAINER_CLASSES, NULL, 0),
        TLEG_OK);
    tleg_session_free(session);
    tleg_model_free(model);
}

/* d/dz of the labels' loss is (p - q) / B, and of the squares' 2 (z - t) / (B C): with t = z - C (p - q) / 2 they are the same.
 */
static void squares_go_down_towards_the_teachers_numbers(void **state) {
    (void)state;
    struct trainer_data data;
    const struct grad_case *c = open_case("mean-4", &data);
    float z[TRAINER_BATCH * TRAINER_CLASSES], t[TRAINER_BATCH * TRAINER_CLASSES];
    double wanted = 0;
    read_outputs(c, &data.batch, c->depth, z);
    for (int r = 0; r < TRAINER_BATCH; r++) {
        double sum = 0;
        for (int k = 0; k < TRAINER_CLASSES; k++)
            sum += exp((double)z[r * TRAINER_CLASSES + k]);
        for (int k = 0; k < TRAINER_CLASSES; k++) {
            const int i = r * TRAINER_CLASSES + k;
            const double off = TRAINER_CLASSES / 2.0 * (exp((double)z[i]) / sum - (data.batch.labels[r] == k));
            t[i] = (float)((double)z[i] - off);
            wanted += off * off / (TRAINER_BATCH * TRAINER_CLASSES);
        }
    }
    struct flat by_labels, by_squares;
    tleg_trainer_options options = trainer_options(c);
    options.smoothing = options.alpha = 0;
    learn(c, &options, &data.batch, &by_labels);
    options.alpha = 1;
    options.teacher_loss = TLEG_TEACHER_LOSS_SQUARES;
    tleg_train_batch batch = data.batch;
    batch.labels = NULL;
    batch.teacher_logits = t;
    const tleg_train_loss loss = learn(c, &options, &batch, &by_squares);
    assert_true(fabs(loss.teacher - wanted) <= 1e-5 * wanted && loss.total == loss.teacher && loss.labels == 0);
    assert_true(flat_distance(&by_squares, &by_labels) <= 2e-5);
    free(by_squares.values);
    options.teacher_mean = TLEG_TEACHER_MEAN_OVER_IMAGES; /* of a divergence: squares are the mean over both ever */
    const tleg_train_loss same = learn(c, &options, &batch, &by_squares);
    assert_true(same.total == loss.total && flat_distance(&by_squares, &by_labels) <= 2e-5);
    free(by_labels.values);
    free(by_squares.values);
    trainer_data_close(&data);
}

/* A third of each pass: the deepest against the teacher, the others against it and the deepest. */
static void squares_of_the_deepest_pass_teach_the_shallower_ones(void **state) {
    (void)state;
    enum { LEAST = 4, MOST = 9 };
    struct trainer_data data;
    const struct grad_case *c = open_case("schedule-9", &data);
    float deepest[TRAINER_BATCH * TRAINER_CLASSES];
    read_outputs(c, &data.batch, MOST, deepest);
    tleg_trainer_options options = trainer_options(c);
    options.alpha = 1;
    options.teacher_loss = TLEG_TEACHER_LOSS_SQUARES;
    options.depth_mode = TLEG_DEPTH_SANDWICH;
    options.depth_least = LEAST;
    options.depth_most = MOST;
    options.in_place = 0.25;
    struct flat found, part, wanted;
    const tleg_train_loss loss = learn(c, &options, &data.batch, &found);
    wanted = (struct flat){calloc(found.count, sizeof(float)), found.count};
    assert_non_null(wanted.values);
    const int32_t depths[] = {MOST, LEAST, loss.depth};
    double total = 0;
    for (int i = 0; i < 5; i++) { /* the deepest; the others, by the teacher and then by the deepest */
        const bool follows = i > 2;
        const double share = (i == 0 ? 1 : follows ? 0.25 : 0.75) / 3;
        options.depth_mode = TLEG_DEPTH_FIXED;
        options.depth_least = depths[follows ? i - 2 : i];
        options.depth_most = 0;
        options.in_place = 0;
        tleg_train_batch batch = data.batch;
        if (follows)
            batch.teacher_logits = deepest;
        total += share * learn(c, &options, &batch, &part).teacher;
        for (size_t k = 0; k < part.count; k++)
            wanted.values[k] += (float)share * part.values[k];
        free(part.values);
    }
    assert_true(loss.in_place > 0 && fabs(loss.total - total) <= 1e-5 * total);
    assert_true(flat_distance(&found, &wanted) <= 1e-5);
    free(found.values);
    free(wanted.values);
    trainer_data_close(&data);
}

/* ---- ranks ---- */

/* The losses of six steps of the same batch, at the depths that were drawn. */
static void take_losses(const struct grad_case *c, const tleg_trainer_options *options, const tleg_train_batch *batch,
                        tleg_train_loss losses[6]) {
    tleg_trainer *trainer = trainer_open(plain, c, options);
    for (int i = 0; i < 6; i++) {
        losses[i] = (tleg_train_loss){.struct_size = sizeof losses[i]};
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, batch, &losses[i]));
        tleg_trainer_forget(trainer);
    }
    tleg_trainer_free(trainer);
}

static void ranks_drop_paths_of_their_own_at_the_same_depths(void **state) {
    (void)state;
    struct trainer_data data;
    const struct grad_case *c = open_case("mean-4", &data);
    tleg_trainer_options options = trainer_busy_options(c);
    options.ranks = 3;
    options.all_reduce = trainer_reduce_nothing;
    options.drop_path = 0.5;
    tleg_train_loss losses[4][6];
    for (int32_t rank = 0; rank < 4; rank++) {
        options.rank = rank % 3; /* the first once more */
        take_losses(c, &options, &data.batch, losses[rank]);
    }
    for (int i = 0; i < 6; i++) {
        for (int rank = 1; rank < 4; rank++)
            assert_int_equal(losses[rank][i].depth, losses[0][i].depth);
        assert_true(losses[0][i].total != losses[1][i].total && losses[1][i].total != losses[2][i].total);
        assert_true(losses[0][i].total == losses[3][i].total);
    }
    options.drop_path = 0;
    for (int32_t rank = 0; rank < 2; rank++) {
        options.rank = rank;
        take_losses(c, &options, &data.batch, losses[rank]);
    }
    for (int i = 0; i < 6; i++)
        assert_true(losses[0][i].total == losses[1][i].total);
    trainer_data_close(&data);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_average_spans_a_ninth_of_the_steps_until_its_decay_is_reached),
        cmocka_unit_test(an_average_that_begins_otherwise_is_refused),
        cmocka_unit_test(a_mean_over_images_weighs_a_teacher_as_the_labels),
        cmocka_unit_test(squares_go_down_towards_the_teachers_numbers),
        cmocka_unit_test(squares_of_the_deepest_pass_teach_the_shallower_ones),
        cmocka_unit_test(ranks_drop_paths_of_their_own_at_the_same_depths),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
