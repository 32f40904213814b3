/* How a generator learns: its loss and gradients are the reference's (tests/golden/draw-*.grad), at every level; what is drawn
 * at random follows from the seed alone; a teacher's noise; and what is refused. */
#include "support/counter.h"
#include "support/drawn.h"
#include "support/trainer.h"

static struct drawn drawn[MAX_DRAWN];
static int32_t drawn_count;

/* A case's batch, whose times and noise are given. */
static tleg_train_batch batch_of(const struct drawn *d, const struct drawn_input *in) {
    return (tleg_train_batch){.struct_size = sizeof(tleg_train_batch),
                              .size = d->batch,
                              .images = in->images,
                              .labels = in->labels,
                              .times = in->times,
                              .noise = in->noise};
}

static tleg_trainer_options options_of(const struct drawn *d) {
    return (tleg_trainer_options){.struct_size = sizeof(tleg_trainer_options), .batch = d->batch, .depth_least = d->depth};
}

/* What a state must carry: depths, noise and labels drawn at random, moments, an average. */
static tleg_trainer_options busy(const struct drawn *d) {
    tleg_trainer_options options = options_of(d);
    options.depth_mode = TLEG_DEPTH_SANDWICH;
    options.depth_least = 2;
    options.depth_most = 4;
    options.in_place = 0.5;
    options.label_drop = 0.5;
    options.drop_path = 0.2;
    options.ema = 0.9;
    options.clip = 1;
    options.optimiser = TLEG_OPTIMISER_MUON;
    options.seed = 7;
    return options;
}

static tleg_trainer *open_trainer(tleg_context *context, const struct drawn *d, const tleg_trainer_options *options) {
    tleg_learngene *gene = support_gene(context, d->name);
    tleg_trainer *trainer = NULL;
    OK(context, tleg_trainer_create(context, gene, options, &trainer));
    tleg_learngene_free(gene);
    return trainer;
}

static const float *gradient(tleg_context *context, const tleg_trainer *trainer, const char *name, tleg_tensor **tensor) {
    OK(context, tleg_trainer_copy_gradient(context, trainer, name, tensor));
    return support_data(*tensor);
}

/* ---- the reference ---- */

static void must_match(tleg_context *context, const struct drawn *d, const tleg_trainer *trainer, const char *backend) {
    const char *name, *path = support_path(d->name, ".grad.safetensors");
    for (int64_t i = 0; (name = tleg_trainer_get_parameter_name(trainer, i)) != NULL; i++) {
        const float *wanted;
        size_t count;
        tleg_tensor *own = NULL, *reference = support_tensor(context, path, name, &wanted, &count);
        const double off = support_relative(gradient(context, trainer, name, &own), wanted, count);
        if (!(off < 2e-5))
            fail_msg("%s, %s: the gradient by %s is off by %.1e", d->name, backend, name, off);
        tleg_tensor_free(own);
        tleg_tensor_free(reference);
    }
}

static void loss_and_gradients_are_the_references(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++)
        for (int32_t i = 0; i < 2 * drawn_count; i++) {
            const struct drawn *d = &drawn[i / 2];
            tleg_context *context = support_context(&backends[b], 2);
            struct drawn_input in = drawn_read(context, d);
            tleg_trainer_options options = options_of(d);
            options.checkpoint = i % 2;
            tleg_trainer *trainer = open_trainer(context, d, &options);
            const tleg_train_batch batch = batch_of(d, &in);
            tleg_train_loss loss = {.struct_size = sizeof loss};
            const float *wanted;
            size_t count;
            tleg_tensor *reference =
                support_tensor(context, support_path(d->name, ".grad.safetensors"), "loss", &wanted, &count);
            OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, &loss));
            assert_true(fabs(loss.total / (double)*wanted - 1) < 1e-5);
            assert_true(loss.labels == loss.total && loss.teacher == 0 && loss.correct == 0);
            must_match(context, d, trainer, backends[b].name);
            tleg_tensor_free(reference);
            tleg_trainer_free(trainer);
            drawn_free(&in);
            tleg_context_free(context);
        }
}

/* A layer is base + c ilayer, so that base's gradient is the sum of the layers'. */
static void a_models_gradients_sum_to_its_learngenes(void **state) {
    (void)state;
    const struct drawn *d = &drawn[0];
    struct drawn_input in = drawn_read(plain, d);
    const tleg_train_batch batch = batch_of(d, &in);
    tleg_trainer_options options = options_of(d);
    tleg_trainer *of_gene = open_trainer(plain, d, &options), *of_model = NULL;
    tleg_model *model = drawn_model(plain, d, TLEG_F32);
    options.depth_least = 0;
    OK(plain, tleg_trainer_create_for_model(plain, model, &options, &of_model));
    OK_TRAINER(of_gene, tleg_trainer_backward(of_gene, &batch, NULL));
    OK_TRAINER(of_model, tleg_trainer_backward(of_model, &batch, NULL));
    tleg_tensor *base = NULL, *first = NULL;
    tleg_tensor_info info = {.struct_size = sizeof info};
    const float *wanted = gradient(plain, of_gene, "blocks.block.adaLN_modulation.1.instances.0.weight_base", &base);
    OK(plain, tleg_tensor_get_info(plain, base, &info));
    const size_t count = (size_t)info.bytes / sizeof(float);
    gradient(plain, of_model, "blocks.0.adaLN_modulation.1.weight", &first);
    float *sum = support_data(first);
    for (int32_t l = 1; l < d->depth; l++) {
        char name[64];
        tleg_tensor *tensor = NULL;
        snprintf(name, sizeof name, "blocks.%d.adaLN_modulation.1.weight", l);
        const float *layer = gradient(plain, of_model, name, &tensor);
        for (size_t i = 0; i < count; i++)
            sum[i] += layer[i];
        tleg_tensor_free(tensor);
    }
    assert_true(support_relative(sum, wanted, count) < 1e-5);
    tleg_tensor_free(base);
    tleg_tensor_free(first);
    tleg_trainer_free(of_gene);
    tleg_trainer_free(of_model);
    tleg_model_free(model);
    drawn_free(&in);
}

/* ---- the seed ---- */

static struct flat learned_with(int32_t workers, uint64_t seed, int32_t steps) {
    const struct drawn *d = &drawn[0];
    tleg_context *context = support_context(&backends[backend_count - 1], workers);
    struct drawn_input in = drawn_read(context, d);
    tleg_train_batch batch = batch_of(d, &in);
    tleg_trainer_options options = busy(d);
    batch.times = NULL;
    batch.noise = NULL;
    options.seed = seed;
    tleg_trainer *trainer = open_trainer(context, d, &options);
    for (int32_t s = 0; s < steps; s++) {
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, NULL));
        OK_TRAINER(trainer, tleg_trainer_update(trainer, 1e-2));
    }
    struct flat values = trainer_values(context, trainer, 1);
    tleg_trainer_free(trainer);
    drawn_free(&in);
    tleg_context_free(context);
    return values;
}

static void bits_follow_from_the_seed_at_any_number_of_threads(void **state) {
    (void)state;
    struct flat one = learned_with(1, 3, 3), three = learned_with(3, 3, 3), other = learned_with(1, 4, 3);
    assert_true(flat_same(&one, &three));
    assert_false(flat_same(&one, &other));
    free(one.values);
    free(three.values);
    free(other.values);
}

static void a_saved_trainer_of_a_generator_goes_on_bit_for_bit(void **state) {
    (void)state;
    const struct drawn *d = &drawn[1];
    struct drawn_input in = drawn_read(plain, d);
    tleg_train_batch batch = batch_of(d, &in);
    const tleg_trainer_options options = busy(d);
    const char *path = support_scratch("drawing.safetensors");
    tleg_trainer *whole = open_trainer(plain, d, &options), *later = open_trainer(plain, d, &options);
    batch.times = NULL;
    batch.noise = NULL;
    trainer_steps(whole, &batch, 3);
    OK(plain, tleg_trainer_save(plain, whole, path, 0, NULL));
    OK(plain, tleg_trainer_load(plain, later, path));
    trainer_steps(whole, &batch, 3);
    trainer_steps(later, &batch, 3);
    struct flat a = trainer_values(plain, whole, 1), b = trainer_values(plain, later, 1);
    assert_true(flat_same(&a, &b));
    free(a.values);
    free(b.values);
    tleg_trainer_options other = options;
    other.label_drop = 0.25;
    tleg_trainer *stranger = open_trainer(plain, d, &other);
    assert_int_equal(tleg_trainer_load(plain, stranger, path), TLEG_ERROR_FORMAT);
    trainer_says(tleg_context_get_error(plain), "label_drop");
    tleg_trainer_free(stranger);
    tleg_trainer_free(whole);
    tleg_trainer_free(later);
    drawn_free(&in);
}

/* ---- what learns ---- */

static void positions_stay_and_the_loss_falls(void **state) {
    (void)state;
    const struct drawn *d = &drawn[0];
    struct drawn_input in = drawn_read(plain, d);
    const tleg_train_batch batch = batch_of(d, &in);
    const tleg_trainer_options options = options_of(d);
    tleg_trainer *trainer = open_trainer(plain, d, &options);
    tleg_tensor *before = trainer_value(plain, trainer, 0, "pos_embed"), *of_positions = NULL;
    tleg_train_loss first = {.struct_size = sizeof first}, last = {.struct_size = sizeof last};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, &first));
    assert_true(gradient(plain, trainer, "pos_embed", &of_positions)[0] != 0);
    OK_TRAINER(trainer, tleg_trainer_update(trainer, 1e-3));
    trainer_steps(trainer, &batch, 60);
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, &last));
    assert_true(last.total < first.total / 2);
    tleg_tensor *after = trainer_value(plain, trainer, 0, "pos_embed");
    tleg_tensor_info info = {.struct_size = sizeof info};
    OK(plain, tleg_tensor_get_info(plain, after, &info));
    assert_memory_equal(support_data(before), support_data(after), (size_t)info.bytes);
    tleg_tensor_free(before);
    tleg_tensor_free(after);
    tleg_tensor_free(of_positions);
    tleg_trainer_free(trainer);
    drawn_free(&in);
}

/* ---- a teacher ---- */

struct taught {
    const struct drawn_input *in;
    const struct drawn *drawn;
    int32_t calls, dropped, told; /* told: numbers that are written, in images */
    bool given;                   /* times and labels are those of the batch */
    tleg_status answer;
};

static tleg_status TLEG_CALL teach(void *host, int64_t batch, const float *noised, size_t floats, const int64_t *times,
                                   const int64_t *labels, float *noise) {
    struct taught *t = host;
    t->calls++;
    assert_int_equal(batch, t->drawn->batch);
    assert_int_equal(floats, (size_t)batch * t->in->floats);
    for (int64_t i = 0; i < batch; i++)
        t->dropped += labels[i] == t->drawn->labels;
    if (t->given) {
        assert_memory_equal(times, t->in->times, (size_t)batch * sizeof *times);
        assert_memory_equal(labels, t->in->labels, (size_t)batch * sizeof *labels);
        assert_true(support_relative(noised, t->in->noised, floats) < 1e-6);
    }
    for (size_t i = 0; i < (size_t)t->told * t->in->floats; i++)
        noise[i] = t->in->noise[i];
    return t->answer;
}

static void a_noise_teacher_is_asked_for_the_images_as_they_are_noised(void **state) {
    (void)state;
    const struct drawn *d = &drawn[1]; /* with a learned sigma */
    struct drawn_input in = drawn_read(plain, d);
    const tleg_train_batch batch = batch_of(d, &in);
    struct taught taught = {.in = &in, .drawn = d, .told = d->batch, .given = true};
    tleg_trainer_options options = options_of(d);
    options.alpha = 0.75;
    options.noise_teacher = teach;
    options.noise_teacher_host = &taught;
    tleg_trainer *trainer = open_trainer(plain, d, &options);
    tleg_train_loss loss = {.struct_size = sizeof loss};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, &loss));
    assert_int_equal(taught.calls, 1);
    assert_true(loss.teacher == loss.labels && fabs(loss.total / loss.labels - 1) < 1e-12); /* it tells the very noise */
    must_match(plain, d, trainer, "with a teacher that tells the noise");
    taught.told = 1;
    assert_int_equal(tleg_trainer_backward(trainer, &batch, NULL), TLEG_ERROR_NUMERIC);
    trainer_says(tleg_trainer_get_error(trainer), "teacher's noise");
    taught.answer = TLEG_ERROR_IO;
    assert_int_equal(tleg_trainer_backward(trainer, &batch, NULL), TLEG_ERROR_IO);
    trainer_says(tleg_trainer_get_error(trainer), "noise teacher");
    tleg_trainer_free(trainer);
    drawn_free(&in);
}

static void labels_are_dropped_as_often_as_asked(void **state) {
    (void)state;
    const struct drawn *d = &drawn[0];
    struct drawn_input in = drawn_read(plain, d);
    tleg_train_batch batch = batch_of(d, &in);
    struct taught taught = {.in = &in, .drawn = d, .told = d->batch};
    tleg_trainer_options options = options_of(d);
    options.alpha = 0.5;
    options.label_drop = 0.3;
    options.noise_teacher = teach;
    options.noise_teacher_host = &taught;
    tleg_trainer *trainer = open_trainer(plain, d, &options);
    const int64_t labels[DRAWN_BATCH] = {0};
    batch.labels = labels;
    for (int i = 0; i < 200; i++)
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, NULL));
    const double share = (double)taught.dropped / (200.0 * d->batch); /* of 600: a deviation of 0.019 */
    assert_true(share > 0.22 && share < 0.38);
    tleg_trainer_free(trainer);
    drawn_free(&in);
}

/* The loss of a sandwich of these depths, the deepest teaching the others. */
static tleg_train_loss sandwiched(const struct drawn *d, int32_t least, int32_t most) {
    struct drawn_input in = drawn_read(plain, d);
    const tleg_train_batch batch = batch_of(d, &in);
    tleg_trainer_options options = options_of(d);
    options.depth_mode = TLEG_DEPTH_SANDWICH;
    options.depth_least = least;
    options.depth_most = most;
    options.in_place = 0.5;
    tleg_trainer *trainer = open_trainer(plain, d, &options);
    tleg_train_loss loss = {.struct_size = sizeof loss};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, &loss));
    tleg_trainer_free(trainer);
    drawn_free(&in);
    return loss;
}

static void the_deepest_pass_teaches_what_it_tells_itself(void **state) {
    (void)state;
    for (int32_t i = 0; i < drawn_count; i++) {
        const tleg_train_loss alike = sandwiched(&drawn[i], 3, 3), apart = sandwiched(&drawn[i], 1, 4);
        assert_true(alike.in_place == 0 && alike.labels > 0); /* three networks of three layers tell the same */
        assert_true(apart.in_place > 0);
    }
}

struct seen {
    float noised[4096];
    size_t floats;
};

static tleg_status TLEG_CALL look(void *host, int64_t batch, const float *noised, size_t floats, const int64_t *times,
                                  const int64_t *labels, float *noise) {
    struct seen *seen = host;
    (void)batch, (void)times, (void)labels;
    assert_true(floats <= sizeof seen->noised / sizeof *seen->noised);
    memcpy(seen->noised, noised, floats * sizeof *noised);
    memcpy(noise, noised, floats * sizeof *noised);
    seen->floats = floats;
    return TLEG_OK;
}

static void noise_of(int32_t rank, struct seen *seen) {
    const struct drawn *d = &drawn[0];
    struct drawn_input in = drawn_read(plain, d);
    tleg_train_batch batch = batch_of(d, &in);
    tleg_trainer_options options = options_of(d);
    batch.times = NULL;
    batch.noise = NULL;
    options.alpha = 0.5;
    options.noise_teacher = look;
    options.noise_teacher_host = seen;
    options.rank = rank;
    options.ranks = 2;
    options.all_reduce = trainer_reduce_nothing;
    tleg_trainer *trainer = open_trainer(plain, d, &options);
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, NULL));
    tleg_trainer_free(trainer);
    drawn_free(&in);
}

static void ranks_noise_the_same_images_differently(void **state) {
    (void)state;
    static struct seen first, second, again;
    noise_of(0, &first);
    noise_of(1, &second);
    noise_of(1, &again);
    assert_memory_equal(second.noised, again.noised, first.floats * sizeof(float));
    for (size_t i = 0; i < first.floats; i++)
        assert_true(first.noised[i] != second.noised[i]);
}

static void what_is_frozen_of_a_generator_stays(void **state) {
    (void)state;
    const struct drawn *d = &drawn[0];
    struct drawn_input in = drawn_read(plain, d);
    const tleg_train_batch batch = batch_of(d, &in);
    tleg_trainer_options options = options_of(d);
    options.freeze = TLEG_PART_BLOCKS;
    tleg_trainer *frozen = open_trainer(plain, d, &options), *fresh = open_trainer(plain, d, &options);
    int32_t moved = 0;
    const char *name;
    trainer_steps(frozen, &batch, 2);
    for (int64_t i = 0; (name = tleg_trainer_get_parameter_name(frozen, i)) != NULL; i++) {
        tleg_tensor *before = trainer_value(plain, fresh, 0, name), *after = trainer_value(plain, frozen, 0, name);
        tleg_tensor_info info = {.struct_size = sizeof info};
        OK(plain, tleg_tensor_get_info(plain, after, &info));
        const bool stays = memcmp(support_data(before), support_data(after), (size_t)info.bytes) == 0;
        assert_true(stays || strncmp(name, "blocks.", 7) != 0);
        moved += !stays;
        tleg_tensor_free(before);
        tleg_tensor_free(after);
    }
    assert_true(moved > 0);
    tleg_trainer_free(frozen);
    tleg_trainer_free(fresh);
    drawn_free(&in);
}

/* ---- memory ---- */

static void memory_of_a_generators_trainer_is_said_exactly(void **state) {
    (void)state;
    for (int32_t i = 0; i < drawn_count; i++) {
        struct counter counter;
        support_counter(&counter);
        tleg_context_options own = support_counted(&counter);
        tleg_context *context = NULL;
        own.workers = 2;
        assert_int_equal(tleg_context_create(&own, &context), TLEG_OK);
        tleg_learngene *gene = support_gene(context, drawn[i].name);
        struct drawn_input in = drawn_read(context, &drawn[i]);
        const tleg_train_batch batch = batch_of(&drawn[i], &in);
        tleg_trainer_options options = busy(&drawn[i]);
        options.checkpoint = i % 2;
        uint64_t bytes = 0;
        OK(context, tleg_trainer_get_memory(context, gene, &options, &bytes));
        const long long before = atomic_load(&counter.live_bytes);
        tleg_trainer *trainer = NULL;
        OK(context, tleg_trainer_create(context, gene, &options, &trainer));
        assert_int_equal(atomic_load(&counter.live_bytes) - before, bytes);
        const long long calls = atomic_load(&counter.calls);
        trainer_steps(trainer, &batch, 2);
        assert_int_equal(atomic_load(&counter.calls), calls);
        drawn_free(&in);
        tleg_learngene_free(gene);
        tleg_trainer_free(trainer);
        tleg_context_free(context);
        assert_int_equal(atomic_load(&counter.live), 0);
    }
}

/* ---- refused ---- */

static tleg_status TLEG_CALL teach_classes(void *host, int64_t batch, const float *images, size_t floats, int32_t classes,
                                           float *logits) {
    (void)host, (void)batch, (void)images, (void)floats, (void)classes, (void)logits;
    return TLEG_ERROR_IO;
}

static void refused(const tleg_learngene *gene, const tleg_trainer_options *options, const char *word) {
    tleg_trainer *trainer = NULL;
    assert_int_equal(tleg_trainer_create(plain, gene, options, &trainer), TLEG_ERROR_ARGUMENT);
    trainer_says(tleg_context_get_error(plain), word);
}

static void what_is_of_the_other_family_is_refused(void **state) {
    (void)state;
    static const double weights[] = {1, 2, 3, 4, 5};
    const struct drawn *d = &drawn[0];
    tleg_learngene *gene = support_gene(plain, d->name), *classifier = support_gene(plain, "mean");
    const tleg_trainer_options good = options_of(d);
    tleg_trainer_options bad[6] = {good, good, good, good, good, good};
    bad[0].teacher = teach_classes;
    bad[1].smoothing = 0.1;
    bad[2].class_weights = weights;
    bad[3].alpha = 0.5;
    bad[4].label_drop = 1;
    bad[5].label_drop = -0.1;
    static const char *const words[] = {"generator", "generator", "generator", "noise_teacher", "label_drop", "label_drop"};
    for (int i = 0; i < 6; i++)
        refused(gene, &bad[i], words[i]);
    tleg_trainer_options other = good;
    other.label_drop = 0.1;
    refused(classifier, &other, "classifier");
    other.label_drop = 0;
    other.noise_teacher = teach;
    refused(classifier, &other, "classifier");
    tleg_learngene_free(gene);
    tleg_learngene_free(classifier);
}

static void batches_of_a_generator_are_refused_with_what_was_expected(void **state) {
    (void)state;
    const struct drawn *d = &drawn[0];
    struct drawn_input in = drawn_read(plain, d);
    const tleg_train_batch good = batch_of(d, &in);
    const tleg_trainer_options options = options_of(d);
    tleg_trainer *trainer = open_trainer(plain, d, &options);
    const int64_t late[DRAWN_BATCH] = {0, 1000}, early[DRAWN_BATCH] = {-1}, strange[DRAWN_BATCH] = {0, d->labels + 1};
    tleg_train_batch bad[] = {good, good, good, good, good};
    bad[0].times = late;
    bad[1].times = early;
    bad[2].labels = strange;
    bad[3].targets = in.images;
    bad[4].teacher_logits = in.images;
    static const char *const words[] = {"time 1000 of image 1, expected 0 to 999", "time -1", "expected 0 to 5", "targets",
                                        "teacher_logits"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tleg_trainer_backward(trainer, &bad[i], NULL), TLEG_ERROR_ARGUMENT);
        trainer_says(tleg_trainer_get_error(trainer), words[i]);
    }
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &good, NULL)); /* none of them spoiled anything */
    must_match(plain, d, trainer, "after refusals");
    tleg_trainer_free(trainer);
    drawn_free(&in);
}

static int begin(void **state) {
    drawn_count = drawn_cases(drawn);
    return prepare(state);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_and_gradients_are_the_references),
        cmocka_unit_test(a_models_gradients_sum_to_its_learngenes),
        cmocka_unit_test(bits_follow_from_the_seed_at_any_number_of_threads),
        cmocka_unit_test(a_saved_trainer_of_a_generator_goes_on_bit_for_bit),
        cmocka_unit_test(positions_stay_and_the_loss_falls),
        cmocka_unit_test(a_noise_teacher_is_asked_for_the_images_as_they_are_noised),
        cmocka_unit_test(labels_are_dropped_as_often_as_asked),
        cmocka_unit_test(the_deepest_pass_teaches_what_it_tells_itself),
        cmocka_unit_test(ranks_noise_the_same_images_differently),
        cmocka_unit_test(what_is_frozen_of_a_generator_stays),
        cmocka_unit_test(memory_of_a_generators_trainer_is_said_exactly),
        cmocka_unit_test(what_is_of_the_other_family_is_refused),
        cmocka_unit_test(batches_of_a_generator_are_refused_with_what_was_expected),
    };
    return cmocka_run_group_tests(tests, begin, clean);
}
