/* The trainer's arithmetic: gradients against the reference's, what a step does against torch.optim.AdamW, accumulation,
 * teachers, ranks, and the same bits whoever computes. */
#include "support/spoilt.h"
#include "support/trainer.h"

static int32_t image_size(const struct grad_case *c) {
    return c->images;
}

static double backward(tleg_trainer *trainer, const tleg_train_batch *batch) {
    tleg_train_loss loss = {.struct_size = sizeof loss};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, batch, &loss));
    return loss.total;
}

/* ---- gradients ---- */

/* Where the reference has none (the ilayer of a single layer), the trainer has none either. */
static void compare_gradient(tleg_context *context, const struct grad_case *c, const struct backend *backend,
                             const tleg_trainer *trainer, const char *name) {
    const float *wanted, *found;
    size_t count;
    char path[64];
    snprintf(path, sizeof path, "%s.grad", c->name);
    tleg_tensor *reference = support_tensor(context, support_path(path, ".safetensors"), name, &wanted, &count), *own = NULL;
    OK(context, tleg_trainer_copy_gradient(context, trainer, name, &own));
    tleg_tensor_info info = {.struct_size = sizeof info}, ours = {.struct_size = sizeof ours};
    OK(context, tleg_tensor_get_info(context, reference, &info));
    OK(context, tleg_tensor_get_info(context, own, &ours));
    assert_int_equal(info.rank, ours.rank);
    assert_memory_equal(info.shape, ours.shape, sizeof info.shape);
    found = ours.data;
    double norm = 0, far = 0;
    for (size_t i = 0; i < count; i++) {
        norm += (double)wanted[i] * (double)wanted[i];
        far += ((double)found[i] - (double)wanted[i]) * ((double)found[i] - (double)wanted[i]);
    }
    if (!(sqrt(far) <= 2e-4 * sqrt(norm))) {
        fail_msg("%s at %s: the gradient of %s is %.1e off a norm of %.1e", c->name, backend->name, name, sqrt(far),
                 sqrt(norm));
    }
    tleg_tensor_free(reference);
    tleg_tensor_free(own);
}

static void compare_gradients(const struct grad_case *c, const struct backend *backend) {
    tleg_context *context = support_context(backend, 2);
    tleg_trainer_options options = trainer_options(c);
    tleg_trainer *trainer = trainer_open(context, c, &options);
    struct trainer_data data;
    trainer_data_open(context, c->images, &data);
    char path[64];
    const float *loss;
    size_t count;
    snprintf(path, sizeof path, "%s.grad", c->name);
    tleg_tensor *reference = support_tensor(context, support_path(path, ".safetensors"), "loss", &loss, &count);
    double found = backward(trainer, &data.batch);
    if (!(fabs(found - (double)loss[0]) <= 2e-6 * fabs((double)loss[0]))) {
        fail_msg("%s at %s: the loss is %.9g, expected %.9g", c->name, backend->name, found, (double)loss[0]);
    }
    tleg_tensor_free(reference);
    const char *name;
    for (int64_t i = 0; (name = tleg_trainer_get_parameter_name(trainer, i)) != NULL; i++) {
        compare_gradient(context, c, backend, trainer, name);
    }
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
    tleg_context_free(context);
}

static void gradients_are_the_references_at_every_level(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        for (int32_t i = 0; i < case_count; i++) {
            compare_gradients(&cases[i], &backends[b]);
        }
    }
}

static void checkpointing_gives_the_same_bits(void **state) {
    (void)state;
    for (int32_t i = 0; i < case_count; i++) {
        struct trainer_data data;
        struct flat found[2];
        trainer_data_open(plain, cases[i].images, &data);
        for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
            tleg_trainer_options options = trainer_options(&cases[i]);
            options.checkpoint = checkpoint;
            options.drop_path = 0.3;
            tleg_trainer *trainer = trainer_open(plain, &cases[i], &options);
            backward(trainer, &data.batch);
            backward(trainer, &data.batch);
            found[checkpoint] = trainer_gradients(plain, trainer);
            tleg_trainer_free(trainer);
        }
        if (!flat_same(&found[0], &found[1])) {
            fail_msg("%s: other bits with checkpointing", cases[i].name);
        }
        free(found[0].values);
        free(found[1].values);
        trainer_data_close(&data);
    }
}

static void parts_of_a_batch_accumulate_to_its_gradient(void **state) {
    (void)state;
    static const char *const names[] = {"mean-4", "dist-5", "cls-2-model"};
    for (size_t i = 0; i < 3; i++) {
        const struct grad_case *c = find(names[i]);
        tleg_trainer_options options = trainer_options(c);
        struct trainer_data data;
        trainer_data_open(plain, c->images, &data);
        tleg_trainer *whole = trainer_open(plain, c, &options), *parts = trainer_open(plain, c, &options);
        double loss = backward(whole, &data.batch), sum = 0;
        for (int p = 0; p < 2; p++) {
            tleg_train_batch part = trainer_part(&data.batch, image_size(c), p ? 2 : 0, p ? 3 : 2);
            part.share = (double)part.size / TRAINER_BATCH;
            sum += part.share * backward(parts, &part);
        }
        assert_true(fabs(sum - loss) < 1e-6 * fabs(loss));
        struct flat a = trainer_gradients(plain, whole), b = trainer_gradients(plain, parts);
        assert_true(flat_distance(&a, &b) < 1e-6);
        free(a.values);
        free(b.values);
        trainer_data_close(&data);
        tleg_trainer_free(whole);
        tleg_trainer_free(parts);
    }
}

/* ---- the same bits ---- */

/* Four steps with everything that draws or sums switched on: parameters, average and losses. */
static struct flat long_run(const struct backend *backend, int32_t workers, const struct grad_case *c, tleg_optimiser optimiser,
                            tleg_dtype dtype, uint64_t seed) {
    tleg_context *context = support_context(backend, workers);
    tleg_trainer_options options = trainer_options(c);
    options.optimiser = optimiser;
    options.dtype = dtype;
    options.drop_path = 0.3;
    options.ema = 0.9;
    options.clip = 1;
    options.seed = seed;
    if (!c->model) {
        options.depth_mode = TLEG_DEPTH_RANDOM;
        options.depth_most = options.depth_least + 3;
    }
    tleg_trainer *trainer = trainer_open(context, c, &options);
    struct trainer_data data;
    trainer_data_open(context, c->images, &data);
    struct flat found = {.values = calloc(4, sizeof(float)), .count = 4};
    assert_non_null(found.values);
    for (int step = 0; step < 4; step++) {
        found.values[step] = (float)backward(trainer, &data.batch);
        OK_TRAINER(trainer, tleg_trainer_update(trainer, 0.01));
    }
    for (int32_t average = 0; average < 2; average++) {
        struct flat values = trainer_values(context, trainer, average);
        found.values = realloc(found.values, (found.count + values.count) * sizeof(float));
        assert_non_null(found.values);
        memcpy(found.values + found.count, values.values, values.count * sizeof(float));
        found.count += values.count;
        free(values.values);
    }
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
    tleg_context_free(context);
    return found;
}

static void bits_depend_on_the_seed_and_not_on_the_threads(void **state) {
    (void)state;
    static const struct {
        const char *name;
        tleg_optimiser optimiser;
        tleg_dtype dtype;
    } runs[] = {{"mean-4", TLEG_OPTIMISER_ADAMW, 0},     {"dist-5", TLEG_OPTIMISER_ADAMW, 0},
                {"schedule-9", TLEG_OPTIMISER_ADAMW, 0}, {"cls-2-model", TLEG_OPTIMISER_ADAMW, 0},
                {"curves-9", TLEG_OPTIMISER_MUON, 0},    {"nobias-2-timm-image28", TLEG_OPTIMISER_MUON, TLEG_BF16},
                {"cls-2-model", TLEG_OPTIMISER_MUON, 0}};
    for (int32_t b = 0; b < backend_count; b++) {
        for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
            const struct grad_case *c = find(runs[i].name);
            struct flat first = long_run(&backends[b], 1, c, runs[i].optimiser, runs[i].dtype, 7);
            for (int32_t workers = 1; workers < 4; workers++) {
                struct flat again = long_run(&backends[b], workers, c, runs[i].optimiser, runs[i].dtype, 7);
                if (!flat_same(&first, &again)) {
                    fail_msg("%s at %s: other bits with %d threads", c->name, backends[b].name, workers);
                }
                free(again.values);
            }
            struct flat other = long_run(&backends[b], 1, c, runs[i].optimiser, runs[i].dtype, 8);
            assert_false(flat_same(&first, &other));
            free(first.values);
            free(other.values);
        }
    }
}

/* ---- the step ---- */

/* Compares parameters and their moving averages with those that a fixture wrote; names there begin with `prefix`. */
static void compare_with_torch(const tleg_trainer *trainer, const char *fixture, const char *prefix) {
    const char *name;
    for (int64_t i = 0; (name = tleg_trainer_get_parameter_name(trainer, i)) != NULL; i++) {
        for (int32_t average = 0; average < 2; average++) {
            char key[160];
            const float *wanted;
            size_t count;
            snprintf(key, sizeof key, "%s%s%s", prefix, average ? "average." : "", name);
            tleg_tensor *reference = support_tensor(plain, support_path(fixture, ".safetensors"), key, &wanted, &count);
            struct flat found = {0};
            flat_add(&found, plain, trainer_value(plain, trainer, average, name));
            double far = support_relative(found.values, wanted, count);
            if (!(far < 2e-4)) {
                fail_msg("%s: %s is %.1e from torch's", fixture, key, far);
            }
            free(found.values);
            tleg_tensor_free(reference);
        }
    }
}

/* What the fixtures' scripts do. */
static void five_steps(tleg_trainer_options options, const char *fixture, const char *prefix) {
    const struct grad_case c = {.gene = "nobias", .images = 16, .depth = 2, .model = options.depth_least == 0};
    options.weight_decay = 0.3;
    options.clip = 0.5;
    options.ema = 0.9;
    struct trainer_data data;
    trainer_data_open(plain, c.images, &data);
    tleg_trainer *trainer = trainer_open(plain, &c, &options);
    for (int step = 0; step < 5; step++) {
        backward(trainer, &data.batch);
        OK_TRAINER(trainer, tleg_trainer_update(trainer, 0.01 * (step + 1)));
        assert_int_equal(tleg_trainer_get_steps(trainer), step + 1);
    }
    compare_with_torch(trainer, fixture, prefix);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
}

static void five_steps_are_those_of_torch(void **state) {
    (void)state;
    const struct grad_case c = {.gene = "nobias", .images = 16, .depth = 2};
    tleg_trainer_options options = trainer_options(&c);
    five_steps(options, "nobias.adamw", "");
    options.optimiser = TLEG_OPTIMISER_MUON;
    five_steps(options, "nobias.muon", "");
    options.momentum = 0.8;
    options.nesterov = -1;
    five_steps(options, "nobias.muon", "plain.");
    options = trainer_options(&c);
    options.optimiser = TLEG_OPTIMISER_SGD;
    five_steps(options, "nobias.sgd", "");
    options.momentum = 0.8;
    options.nesterov = 1;
    five_steps(options, "nobias.nesterov", "");
}

static void what_else_changes_a_step_is_as_torch_has_it(void **state) {
    (void)state;
    const struct grad_case gene = {.gene = "nobias", .images = 16, .depth = 2},
                           model = {.gene = "nobias", .images = 16, .depth = 2, .model = 1};
    const double weights[TRAINER_CLASSES] = {3, 0.5, 0, 1, 2};
    tleg_trainer_options options = trainer_options(&gene);
    options.class_weights = weights;
    five_steps(options, "nobias.weights", "");
    options = trainer_options(&gene);
    options.freeze = TLEG_PART_QKV | TLEG_PART_NORM2 | TLEG_PART_HEAD;
    five_steps(options, "nobias.frozen", "");
    options = trainer_options(&model);
    options.layer_decay = 0.5;
    five_steps(options, "nobias.layers", "");
    options = trainer_options(&model);
    options.frozen_layers = 1;
    five_steps(options, "nobias.upper", "");
}

/* The loss of two images, again and again, between steps that change nothing. */
static void expect_the_same_loss_after_each_step(tleg_rotary rotary, tleg_optimiser optimiser, int32_t workers) {
    const tleg_config config = {
        .struct_size = sizeof config, .image_size = 8, .patch_size = 4, .dim = 64, .heads = 2, .classes = 2, .rotary = rotary};
    const tleg_trainer_options options = {.struct_size = sizeof options, .batch = 2, .depth_least = 2, .optimiser = optimiser};
    tleg_context *context = support_context(&backends[0], workers);
    tleg_learngene *gene = NULL;
    tleg_trainer *trainer = NULL;
    OK(context, tleg_learngene_create(context, &config, 1, &gene));
    OK(context, tleg_trainer_create(context, gene, &options, &trainer));
    float *images = support_values(1, 2 * 3 * 8 * 8, 1, 0);
    const int64_t labels[] = {0, 1};
    const tleg_train_batch batch = {.struct_size = sizeof batch, .size = 2, .images = images, .labels = labels};
    const double first = backward(trainer, &batch);
    for (int step = 1; step < 4; step++) {
        OK_TRAINER(trainer, tleg_trainer_update(trainer, 0));
        const double loss = backward(trainer, &batch);
        if (loss != first)
            fail_msg("rotary %d, %d threads: the loss is %.17g after step %d, and was %.17g", rotary, workers, loss, step,
                     first);
    }
    free(images);
    tleg_trainer_free(trainer);
    tleg_learngene_free(gene);
    tleg_context_free(context);
}

/* An optimiser may work where the passes did: what they do not make anew must lie elsewhere. */
static void a_step_leaves_what_the_next_pass_needs(void **state) {
    (void)state;
    for (tleg_rotary rotary = 0; rotary <= TLEG_ROTARY_CENTRED; rotary++)
        for (tleg_optimiser optimiser = TLEG_OPTIMISER_ADAMW; optimiser <= TLEG_OPTIMISER_SGD; optimiser++)
            for (int32_t workers = 1; workers < 6; workers += 2)
                expect_the_same_loss_after_each_step(rotary, optimiser, workers);
}

/* Which parameters two steps leave as they were, to the bit. */
static void expect_frozen(const struct grad_case *c, const tleg_trainer_options *options, bool (*is_frozen)(const char *name)) {
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_trainer *trainer = trainer_open(plain, c, options), *before = trainer_open(plain, c, options);
    trainer_steps(trainer, &data.batch, 2);
    backward(trainer, &data.batch);
    const char *name;
    for (int64_t i = 0; (name = tleg_trainer_get_parameter_name(trainer, i)) != NULL; i++) {
        tleg_tensor *tensor = NULL;
        struct flat a = {0}, b = {0}, g = {0};
        flat_add(&a, plain, trainer_value(plain, before, 0, name));
        flat_add(&b, plain, trainer_value(plain, trainer, 0, name));
        OK(plain, tleg_trainer_copy_gradient(plain, trainer, name, &tensor));
        flat_add(&g, plain, tensor);
        bool still = true;
        for (size_t k = 0; k < g.count; k++) {
            still = still && g.values[k] == 0;
        }
        if (flat_same(&a, &b) != is_frozen(name) || still != is_frozen(name)) {
            fail_msg("%s: %s", name, is_frozen(name) ? "it is frozen, and learned" : "it did not learn");
        }
        free(a.values);
        free(b.values);
        free(g.values);
    }
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
    tleg_trainer_free(before);
}

static bool is_backbone(const char *name) {
    return strncmp(name, "head", 4) != 0;
}

static bool is_no_block(const char *name) {
    return strncmp(name, "blocks.", 7) != 0;
}

static bool is_below_the_second_block(const char *name) {
    return is_no_block(name) ? strncmp(name, "norm.", 5) != 0 && strncmp(name, "head", 4) != 0
                             : strncmp(name, "blocks.1.", 9) != 0;
}

static bool is_embedding_or_blocks(const char *name) {
    return strncmp(name, "norm.", 5) != 0 && is_backbone(name);
}

static void frozen_parts_stay_to_the_bit(void **state) {
    (void)state;
    struct grad_case c = {.gene = "dist", .images = 16, .depth = 2};
    for (c.model = 0; c.model < 2; c.model++) {
        tleg_trainer_options options = trainer_options(&c);
        options.freeze = TLEG_PART_BACKBONE;
        expect_frozen(&c, &options, is_backbone);
        options.optimiser = TLEG_OPTIMISER_MUON;
        options.freeze = TLEG_PART_EMBEDDING | TLEG_PART_NORM | TLEG_PART_HEAD;
        expect_frozen(&c, &options, is_no_block);
        options.optimiser = TLEG_OPTIMISER_SGD;
        options.freeze = TLEG_PART_EMBEDDING | TLEG_PART_BLOCKS;
        expect_frozen(&c, &options, is_embedding_or_blocks);
    }
    c.model = 1;
    tleg_trainer_options options = trainer_options(&c);
    options.frozen_layers = 1;
    expect_frozen(&c, &options, is_below_the_second_block);
}

/* ---- class weights ---- */

/* The labels' loss of a batch, and its gradients. */
static double weighted(const struct grad_case *c, const double *weights, const tleg_train_batch *batch,
                       struct flat *gradients) {
    tleg_trainer_options options = trainer_options(c);
    options.batch = batch->size;
    options.alpha = 0;
    options.smoothing = 0;
    options.class_weights = weights;
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    tleg_train_loss loss = {.struct_size = sizeof loss};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, batch, &loss));
    *gradients = trainer_gradients(plain, trainer);
    tleg_trainer_free(trainer);
    return loss.labels;
}

static void expect_same_loss(const struct grad_case *c, const double *weights, const tleg_train_batch *batch,
                             const double *other_weights, const tleg_train_batch *other) {
    struct flat a, b;
    const double loss = weighted(c, weights, batch, &a), wanted = weighted(c, other_weights, other, &b);
    assert_true(fabs(loss / wanted - 1) < 1e-6);
    assert_true(flat_distance(&a, &b) < 1e-5);
    free(a.values);
    free(b.values);
}

/* Images of one class after those of another, so that the slices of a pass weigh differently. */
static void class_weights_count_over_the_whole_batch(void **state) {
    (void)state;
    enum { TIMES = 16, ALL = TIMES * TRAINER_BATCH };
    const struct grad_case *c = find("nobias-1");
    const double weights[TRAINER_CLASSES] = {3, 0.5, 0, 1, 2}, more[TRAINER_CLASSES] = {30, 5, 0, 10, 20},
                 equal[TRAINER_CLASSES] = {7, 7, 7, 7, 7};
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    const size_t numbers = (size_t)(3 * c->images * c->images);
    float *images = malloc(ALL * numbers * sizeof *images), targets[TRAINER_BATCH * TRAINER_CLASSES] = {0};
    int64_t labels[ALL];
    assert_non_null(images);
    for (int32_t i = 0; i < ALL; i++) {
        memcpy(images + (size_t)i * numbers, data.batch.images + (size_t)(i / TIMES) * numbers, numbers * sizeof *images);
        labels[i] = data.batch.labels[i / TIMES];
    }
    for (int32_t i = 0; i < TRAINER_BATCH; i++)
        targets[i * TRAINER_CLASSES + data.batch.labels[i]] = 1;
    tleg_train_batch large = data.batch, mixed = data.batch;
    large.size = ALL;
    large.images = images;
    large.labels = labels;
    mixed.targets = targets;
    expect_same_loss(c, weights, &large, weights, &data.batch);
    expect_same_loss(c, weights, &mixed, weights, &data.batch);
    expect_same_loss(c, more, &data.batch, weights, &data.batch);
    expect_same_loss(c, equal, &data.batch, NULL, &data.batch);
    for (int32_t i = 0; i < TRAINER_BATCH; i++)
        labels[i] = 2; /* which weighs nothing */
    large.size = TRAINER_BATCH;
    struct flat gradients;
    assert_true(weighted(c, weights, &large, &gradients) == 0);
    for (size_t i = 0; i < gradients.count; i++)
        assert_true(gradients.values[i] == 0);
    free(gradients.values);
    free(images);
    trainer_data_close(&data);
}

/* The sum of the batch's weights is not finite either, and must not pass for a batch that weighs nothing. */
static void targets_that_are_not_numbers_are_refused_where_classes_weigh(void **state) {
    (void)state;
    const struct grad_case *c = find("nobias-1");
    const double weights[TRAINER_CLASSES] = {3, 0.5, 0, 1, 2};
    const float odd[] = {NAN, INFINITY};
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    for (int weigh = 0; weigh < 2; weigh++)
        for (int k = 0; k < 2; k++) {
            float targets[TRAINER_BATCH * TRAINER_CLASSES] = {0};
            tleg_trainer_options options = trainer_options(c);
            tleg_train_batch batch = data.batch;
            options.class_weights = weigh ? weights : NULL;
            targets[3] = odd[k];
            batch.targets = targets;
            tleg_trainer *trainer = trainer_open(plain, c, &options);
            assert_int_equal(tleg_trainer_backward(trainer, &batch, NULL), TLEG_ERROR_NUMERIC);
            trainer_says(tleg_trainer_get_error(trainer), "the loss against the labels is not finite");
            tleg_trainer_free(trainer);
        }
    trainer_data_close(&data);
}

/* SGD's decay is a part of the gradient: AdamW's 0.05 would take from a weight a hundred times what it should. */
static void sgd_decays_less_unless_it_is_told(void **state) {
    (void)state;
    const struct grad_case source = {.gene = "dist", .images = 16, .depth = 2};
    tleg_trainer_options options = trainer_options(&source);
    options.optimiser = TLEG_OPTIMISER_SGD;
    options.weight_decay = 0;
    tleg_trainer *trainer = trainer_open(plain, &source, &options);
    struct flat before = trainer_values(plain, trainer, 0);
    OK_TRAINER(trainer, tleg_trainer_update(trainer, 100)); /* without a gradient */
    struct flat after = trainer_values(plain, trainer, 0);
    size_t moved = 0;
    for (size_t i = 0; i < before.count; i++)
        if (after.values[i] != before.values[i]) {
            const double share = (double)after.values[i] / (double)before.values[i];
            if (!(fabs(share - (1 - 100 * 5e-4)) < 1e-6))
                fail_msg("number %zu became %.9g times itself, expected 0.95", i, share);
            moved++;
        }
    assert_true(moved > before.count / 2);
    free(before.values);
    free(after.values);
    tleg_trainer_free(trainer);
}

/* With beta1 = beta2 = 0 and a large epsilon the step is the gradient times rate / epsilon, so that clipping is seen. How far
 * the parameters moved, as a norm. */
static double moved_by(double clip, double *gradient) {
    const struct grad_case *c = find("mean-4");
    tleg_trainer_options options = trainer_options(c);
    options.clip = clip;
    options.weight_decay = -1;
    options.epsilon = 1e4;
    options.beta1 = 1e-30;
    options.beta2 = 1e-30;
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    backward(trainer, &data.batch);
    struct flat g = trainer_gradients(plain, trainer), before = trainer_values(plain, trainer, 0);
    OK_TRAINER(trainer, tleg_trainer_update(trainer, 1e3));
    struct flat after = trainer_values(plain, trainer, 0);
    double sum = 0;
    *gradient = 0;
    for (size_t i = 0; i < g.count; i++) {
        sum += ((double)after.values[i] - (double)before.values[i]) * ((double)after.values[i] - (double)before.values[i]);
        *gradient += (double)g.values[i] * (double)g.values[i];
    }
    *gradient = sqrt(*gradient);
    free(g.values);
    free(before.values);
    free(after.values);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
    return sqrt(sum);
}

static void clipping_shortens_the_whole_gradient_to_its_limit(void **state) {
    (void)state;
    double norm, free_move = moved_by(0, &norm);
    assert_true(fabs(free_move / (norm / 10) - 1) < 1e-3);
    assert_true(fabs(moved_by(norm * 2, &norm) / free_move - 1) < 1e-12);
    assert_true(fabs(moved_by(norm / 4, &norm) / (free_move / 4) - 1) < 1e-3);
}

/* DESIGN: lr(t) = 1e-6 + t (lr - 1e-6) / W for t < W, else 1e-5 + (lr - 1e-5) (1 + cos(pi t / E)) / 2; epochs 0 and 1 use
 * lr(0), then e uses lr(e - 1). */
static void rates_are_those_of_the_recipe(void **state) {
    (void)state;
    static const struct {
        int32_t epochs, warmup, epoch;
        double peak, rate;
    } table[] = {
        {100, 5, 0, 1e-3, 1e-6},
        {100, 5, 1, 1e-3, 1e-6},
        {100, 5, 2, 1e-3, 2.008e-4},
        {100, 5, 5, 1e-3, 8.002e-4},
        {100, 5, 6, 1e-3, 9.939057285945933e-4}, /* the cosine at t = 5 */
        {100, 5, 51, 1e-3, 5.05e-4},
        {100, 5, 100, 1e-3, 1.0244252618962858e-5},
        {35, 0, 0, 2.5e-4, 2.5e-4},
        {35, 0, 1, 2.5e-4, 2.5e-4},
        {3, 0, 2, 4e-4, 3.025e-4}, /* cos(pi / 3) = 1/2 */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        tleg_train_rate rate = {
            .struct_size = sizeof rate, .epochs = table[i].epochs, .warmup = table[i].warmup, .peak = table[i].peak};
        double found = -1;
        assert_int_equal(tleg_train_rate_of_epoch(NULL, &rate, table[i].epoch, &found), TLEG_OK);
        if (!(fabs(found - table[i].rate) <= 1e-12 * table[i].rate)) {
            fail_msg("row %d: %.17g, expected %.17g", (int)i, found, table[i].rate);
        }
    }
    tleg_train_rate rate = {.struct_size = sizeof rate, .epochs = 10, .warmup = 2, .peak = 1, .start = 0.5, .end = 0.25};
    double found;
    assert_int_equal(tleg_train_rate_of_epoch(NULL, &rate, 2, &found), TLEG_OK);
    assert_true(found == 0.75);
    assert_int_equal(tleg_train_rate_of_epoch(NULL, &rate, 6, &found), TLEG_OK);
    assert_true(fabs(found - 0.625) < 1e-15);
    rate.start = rate.end = -1; /* zero itself, where 0 means the default */
    assert_int_equal(tleg_train_rate_of_epoch(NULL, &rate, 2, &found), TLEG_OK);
    assert_true(found == 0.5);
    const tleg_train_rate wrong[] = {
        {.epochs = 0, .peak = 1},   {.epochs = 5, .warmup = -1, .peak = 1},      {.epochs = 5, .peak = -1},
        {.epochs = 5, .peak = NAN}, {.epochs = 5, .peak = 1, .start = INFINITY}, {.epochs = 5, .peak = 1, .end = -INFINITY}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        tleg_train_rate bad = wrong[i];
        bad.struct_size = sizeof bad;
        found = 7;
        assert_int_equal(tleg_train_rate_of_epoch(NULL, &bad, 1, &found), TLEG_ERROR_ARGUMENT);
        assert_true(found == 0);
    }
    assert_int_equal(tleg_train_rate_of_epoch(NULL, &rate, -1, &found), TLEG_ERROR_ARGUMENT);
    rate.struct_size = 0;
    assert_int_equal(tleg_train_rate_of_epoch(NULL, &rate, 1, &found), TLEG_ERROR_ARGUMENT);
}

/* 4 epochs of 10 steps, from 0.2 to the peak 1 in 5 steps, and over the last epoch to 0.5. */
static void a_constant_rate_rises_by_steps_and_falls_at_the_end(void **state) {
    (void)state;
    const struct {
        int64_t step;
        double rate;
    } table[] = {{0, 0.2},  {1, 0.36}, {4, 0.84}, {5, 1},   {6, 1},   {29, 1},  {30, 1},
                 {31, .95}, {35, .75}, {39, .55}, {40, .5}, {41, .5}, {400, .5}};
    const tleg_train_rate rate = {.struct_size = sizeof rate,
                                  .epochs = 4,
                                  .curve = TLEG_RATE_CONSTANT,
                                  .peak = 1,
                                  .start = 0.2,
                                  .end = 0.5,
                                  .decay = 1,
                                  .warmup_steps = 5,
                                  .steps = 10};
    double found;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_int_equal(tleg_train_rate_of_step(NULL, &rate, table[i].step, &found), TLEG_OK);
        if (!(fabs(found - table[i].rate) <= 1e-15)) {
            fail_msg("step %d: %.17g, expected %.17g", (int)table[i].step, found, table[i].rate);
        }
        assert_true(found <= rate.peak);
    }
    assert_int_equal(tleg_train_rate_of_epoch(NULL, &rate, 4, &found), TLEG_OK);
    assert_true(found == 1); /* r(3): the fall begins */
    assert_int_equal(tleg_train_rate_of_epoch(NULL, &rate, 5, &found), TLEG_OK);
    assert_true(found == 0.5);
    /* a longer run has the same rates, bit for bit, up to where the shorter one fell */
    tleg_train_rate longer = rate;
    longer.epochs = 7;
    for (int64_t step = 0; step <= 30; step++) {
        double one, other;
        assert_int_equal(tleg_train_rate_of_step(NULL, &rate, step, &one), TLEG_OK);
        assert_int_equal(tleg_train_rate_of_step(NULL, &longer, step, &other), TLEG_OK);
        assert_true(one == other);
    }
    longer.decay = 0; /* no fall at all */
    assert_int_equal(tleg_train_rate_of_step(NULL, &longer, 69, &found), TLEG_OK);
    assert_true(found == 1);
}

/* The cosine by steps goes through the epochs' values, and lies between them in between. */
static void a_cosine_falls_by_steps(void **state) {
    (void)state;
    const tleg_train_rate rate = {.struct_size = sizeof rate, .epochs = 3, .warmup = 1, .peak = 4e-4, .steps = 8};
    double found;
    assert_int_equal(tleg_train_rate_of_step(NULL, &rate, 4, &found), TLEG_OK);
    assert_true(fabs(found - 2.005e-4) < 1e-18); /* half of the warm-up */
    assert_int_equal(tleg_train_rate_of_step(NULL, &rate, 8, &found), TLEG_OK);
    assert_true(fabs(found - 3.025e-4) < 1e-18); /* t = 1: cos(pi / 3) = 1/2 */
    assert_int_equal(tleg_train_rate_of_step(NULL, &rate, 12, &found), TLEG_OK);
    assert_true(fabs(found - 2.05e-4) < 1e-18); /* t = 1.5: cos(pi / 2) = 0 */
    for (int32_t epoch = 1; epoch <= 4; epoch++) {
        double of_epoch;
        assert_int_equal(tleg_train_rate_of_epoch(NULL, &rate, epoch, &of_epoch), TLEG_OK);
        assert_int_equal(tleg_train_rate_of_step(NULL, &rate, 8 * (epoch - 1), &found), TLEG_OK);
        assert_true(found == of_epoch);
    }
}

static void a_rate_never_rises_above_its_peak(void **state) {
    (void)state;
    /* the defaults 1e-6 and 1e-5 give way to a lower peak */
    tleg_train_rate low = {.struct_size = sizeof low, .epochs = 10, .warmup = 5, .peak = 5e-7, .steps = 4};
    double found;
    for (int32_t curve = TLEG_RATE_COSINE; curve <= TLEG_RATE_CONSTANT; curve++) {
        low.curve = curve;
        for (int64_t step = 0; step <= 100; step++) {
            assert_int_equal(tleg_train_rate_of_step(NULL, &low, step, &found), TLEG_OK);
            assert_true(found == 5e-7);
        }
    }
    /* a cosine does not rise again after the last epoch */
    low.curve = TLEG_RATE_COSINE, low.peak = 1;
    assert_int_equal(tleg_train_rate_of_epoch(NULL, &low, 15, &found), TLEG_OK);
    assert_true(found == 1e-5);
    const tleg_train_rate wrong[] = {
        {.peak = 1, .end = 2},
        {.peak = 1, .start = 2},
        {.peak = 1, .warmup = 11},
        {.peak = 1, .warmup_steps = 41},
        {.peak = 1, .warmup = 1, .warmup_steps = 1},
        {.peak = 1, .decay = 1},
        {.peak = 1, .curve = TLEG_RATE_CONSTANT, .decay = -1},
        {.peak = 1, .curve = TLEG_RATE_CONSTANT, .decay = 11},
        {.peak = 1, .curve = TLEG_RATE_CONSTANT, .warmup = 6, .decay = 5},
        {.peak = 1, .curve = TLEG_RATE_CONSTANT, .warmup_steps = 21, .decay = 5},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        tleg_train_rate bad = wrong[i];
        bad.struct_size = sizeof bad, bad.epochs = 10, bad.steps = 4;
        found = 7;
        assert_int_equal(tleg_train_rate_of_step(NULL, &bad, 1, &found), TLEG_ERROR_ARGUMENT);
        assert_true(found == 0);
        assert_int_equal(tleg_train_rate_of_epoch(NULL, &bad, 1, &found), TLEG_ERROR_ARGUMENT);
    }
    low.curve = 3;
    assert_int_equal(tleg_train_rate_of_step(NULL, &low, 1, &found), TLEG_ERROR_UNSUPPORTED);
    low.curve = 0, low.steps = 0;
    assert_int_equal(tleg_train_rate_of_step(NULL, &low, 1, &found), TLEG_ERROR_ARGUMENT);
    low.steps = 4;
    assert_int_equal(tleg_train_rate_of_step(NULL, &low, -1, &found), TLEG_ERROR_ARGUMENT);
}

/* ---- a step in practice ---- */

static void training_brings_the_loss_down(void **state) {
    (void)state;
    static const char *const names[] = {"mean-4", "cls-3-timm", "dist-5", "combo-7-timm-image24", "cls-2-model"};
    for (size_t i = 0; i < 5; i++) {
        const struct grad_case *c = find(names[i]);
        tleg_trainer_options options = trainer_options(c);
        options.smoothing = 0;
        struct trainer_data data;
        trainer_data_open(plain, c->images, &data);
        tleg_trainer *trainer = trainer_open(plain, c, &options);
        tleg_train_loss first = {.struct_size = sizeof first}, last = {.struct_size = sizeof last};
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, &data.batch, &first));
        tleg_trainer_forget(trainer);
        for (int step = 0; step < 40; step++) {
            OK_TRAINER(trainer, tleg_trainer_backward(trainer, &data.batch, &last));
            OK_TRAINER(trainer, tleg_trainer_update(trainer, 3e-3));
        }
        assert_true(last.total < first.total / 3);
        assert_int_equal(last.correct, TRAINER_BATCH); /* five images by heart */
        trainer_data_close(&data);
        tleg_trainer_free(trainer);
    }
}

struct careless { /* a teacher that writes less than it should, or uses its trainer */
    tleg_trainer *trainer;
    const tleg_train_batch *batch;
    int64_t written;
    tleg_status found[6];
};

static tleg_status TLEG_CALL teach_carelessly(void *host, int64_t batch, const float *images, size_t image_floats,
                                              int32_t classes, float *logits) {
    struct careless *careless = host;
    (void)images, (void)image_floats, (void)batch, (void)classes;
    for (int64_t i = 0; i < careless->written; i++)
        logits[i] = 0;
    careless->found[0] = tleg_trainer_backward(careless->trainer, careless->batch, NULL);
    careless->found[1] = tleg_trainer_update(careless->trainer, 0.01);
    tleg_trainer_forget(careless->trainer);
    tleg_learngene *gene = NULL;
    tleg_tensor *gradient = NULL;
    const char *path = support_scratch("careless"), *first = tleg_trainer_get_parameter_name(careless->trainer, 0);
    careless->found[2] = tleg_trainer_save(plain, careless->trainer, path, 0, NULL);
    careless->found[3] = tleg_trainer_load(plain, careless->trainer, path);
    careless->found[4] = tleg_trainer_copy_learngene(plain, careless->trainer, 0, &gene);
    careless->found[5] = tleg_trainer_copy_gradient(plain, careless->trainer, first, &gradient);
    return TLEG_OK;
}

/* What a teacher leaves unwritten is found; its trainer is closed to it; a step that failed cannot be ended. */
static void a_careless_teacher_is_found_out(void **state) {
    (void)state;
    const struct grad_case *c = find("dist-5");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    data.batch.teacher_logits = NULL;
    struct careless careless = {.batch = &data.batch};
    tleg_trainer_options options = trainer_options(c);
    options.teacher = teach_carelessly;
    options.teacher_host = &careless;
    tleg_trainer *trainer = careless.trainer = trainer_open(plain, c, &options);
    const int64_t all = (int64_t)data.batch.size * TRAINER_CLASSES;
    for (careless.written = all; careless.written >= 0; careless.written -= all / 2) {
        const tleg_status wanted = careless.written == all ? TLEG_OK : TLEG_ERROR_NUMERIC;
        assert_int_equal(tleg_trainer_backward(trainer, &data.batch, NULL), wanted);
        for (int i = 0; i < 6; i++)
            assert_int_equal(careless.found[i], TLEG_ERROR_STATE);
        const int64_t steps = tleg_trainer_get_steps(trainer);
        assert_int_equal(tleg_trainer_update(trainer, 0.01), wanted == TLEG_OK ? TLEG_OK : TLEG_ERROR_STATE);
        assert_int_equal(tleg_trainer_get_steps(trainer), steps + (wanted == TLEG_OK));
        if (wanted != TLEG_OK)
            assert_non_null(strstr(tleg_trainer_get_error(trainer), "tleg_trainer_forget"));
        tleg_trainer_forget(trainer);
    }
    careless.written = all;
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &data.batch, NULL));
    OK_TRAINER(trainer, tleg_trainer_update(trainer, 0.01));
    OK(plain, tleg_trainer_save(plain, trainer, support_scratch("careless"), 0, NULL));
    careless.written = 0;
    assert_int_equal(tleg_trainer_backward(trainer, &data.batch, NULL), TLEG_ERROR_NUMERIC);
    OK(plain, tleg_trainer_load(plain, trainer, support_scratch("careless"))); /* gradients are zero, as between steps */
    OK_TRAINER(trainer, tleg_trainer_update(trainer, 0.01));
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
}

struct stop { /* a host that stops the trainer at a question */
    int32_t asked, at;
    uint64_t done, total;
};

static int32_t TLEG_CALL stop_at(void *host, const char *what, uint64_t done, uint64_t total) {
    struct stop *stop = host;
    assert_string_equal(what, "train");
    stop->done = done;
    stop->total = total;
    return ++stop->asked == stop->at;
}

/* Asked before the first image, after each slice, and at the end, where it is too late. */
static void a_step_is_stopped_by_the_contexts_progress(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    struct trainer_data data;
    struct stop stop = {0};
    tleg_context *context = NULL;
    const tleg_context_options with = {
        .struct_size = sizeof with, .level = TLEG_LEVEL_PORTABLE, .progress = stop_at, .progress_host = &stop};
    assert_int_equal(tleg_context_create(&with, &context), TLEG_OK);
    trainer_data_open(plain, c->images, &data);
    const tleg_trainer_options options = trainer_options(c);
    tleg_learngene *gene = support_gene(plain, c->gene);
    tleg_trainer *trainer = NULL;
    OK(context, tleg_trainer_create(context, gene, &options, &trainer));
    stop.asked = 0;
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &data.batch, NULL));
    const int32_t questions = stop.asked;
    assert_true(questions >= 2 && stop.done == stop.total && stop.total == (uint64_t)data.batch.size);
    for (int32_t at = 1; at <= questions; at++) {
        tleg_trainer_forget(trainer);
        stop = (struct stop){.at = at};
        const tleg_status wanted = at < questions ? TLEG_ERROR_CANCELLED : TLEG_OK;
        assert_int_equal(tleg_trainer_backward(trainer, &data.batch, NULL), wanted);
        assert_int_equal(tleg_trainer_update(trainer, 0.01), wanted == TLEG_OK ? TLEG_OK : TLEG_ERROR_STATE);
    }
    tleg_learngene_free(gene);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
    tleg_context_free(context);
}

struct teacher {
    const float *logits, *images;
    int calls;
    tleg_status status;
};

static tleg_status TLEG_CALL teach(void *host, int64_t batch, const float *images, size_t image_floats, int32_t classes,
                                   float *logits) {
    struct teacher *teacher = host;
    teacher->calls++;
    assert_ptr_equal(images, teacher->images);
    assert_int_equal(image_floats, batch * 3 * 16 * 16);
    assert_int_equal(classes, TRAINER_CLASSES);
    memcpy(logits, teacher->logits, (size_t)(batch * TRAINER_CLASSES) * sizeof *logits);
    return teacher->status;
}

static void a_teacher_is_asked_about_the_very_batch(void **state) {
    (void)state;
    const struct grad_case *c = find("dist-5");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    struct teacher teacher = {.logits = data.batch.teacher_logits, .images = data.batch.images};
    tleg_trainer_options options = trainer_options(c);
    tleg_trainer *brought = trainer_open(plain, c, &options);
    options.teacher = teach;
    options.teacher_host = &teacher;
    tleg_trainer *asked = trainer_open(plain, c, &options);
    backward(brought, &data.batch);
    backward(asked, &data.batch);
    assert_int_equal(teacher.calls, 0); /* the batch brings its own */
    tleg_trainer_forget(asked);
    data.batch.teacher_logits = NULL;
    backward(asked, &data.batch);
    assert_int_equal(teacher.calls, 1);
    struct flat a = trainer_gradients(plain, brought), b = trainer_gradients(plain, asked);
    assert_true(flat_same(&a, &b));
    teacher.status = TLEG_ERROR_CANCELLED;
    assert_int_equal(tleg_trainer_backward(asked, &data.batch, NULL), TLEG_ERROR_CANCELLED);
    assert_non_null(strstr(tleg_trainer_get_error(asked), "step 1"));
    assert_non_null(strstr(tleg_trainer_get_error(asked), "teacher"));
    options.alpha = 0;
    tleg_trainer *alone = trainer_open(plain, c, &options);
    backward(alone, &data.batch);
    assert_int_equal(teacher.calls, 2);
    free(a.values);
    free(b.values);
    trainer_data_close(&data);
    tleg_trainer_free(brought);
    tleg_trainer_free(asked);
    tleg_trainer_free(alone);
}

/* Label k as a row of targets, smoothed by hand, is label k with smoothing. */
static void soft_targets_take_the_place_of_labels(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    struct trainer_data data;
    float targets[TRAINER_BATCH][TRAINER_CLASSES];
    trainer_data_open(plain, c->images, &data);
    for (int r = 0; r < TRAINER_BATCH; r++) {
        for (int k = 0; k < TRAINER_CLASSES; k++) {
            targets[r][k] = data.batch.labels[r] == k ? 0.92F : 0.02F;
        }
    }
    tleg_trainer_options options = trainer_options(c);
    tleg_trainer *hard = trainer_open(plain, c, &options), *soft = trainer_open(plain, c, &options);
    tleg_train_loss a = {.struct_size = sizeof a}, b = {.struct_size = sizeof b};
    OK_TRAINER(hard, tleg_trainer_backward(hard, &data.batch, &a));
    data.batch.labels = NULL;
    data.batch.targets = targets[0];
    OK_TRAINER(soft, tleg_trainer_backward(soft, &data.batch, &b));
    assert_true(fabs(a.labels - b.labels) < 1e-6 && a.teacher == b.teacher);
    assert_true(fabs(a.total - (0.4 * a.teacher + 0.6 * a.labels)) < 1e-12);
    assert_int_equal(a.correct, b.correct);
    struct flat g = trainer_gradients(plain, hard), h = trainer_gradients(plain, soft);
    assert_true(flat_distance(&h, &g) < 1e-5);
    free(g.values);
    free(h.values);
    trainer_data_close(&data);
    tleg_trainer_free(hard);
    tleg_trainer_free(soft);
}

/* Every answer is class 1: the distillation head says so, louder than the first head denies it. */
static tleg_trainer *open_with_heads_that_disagree(void) {
    const struct spoilt file = spoilt_file(support_path("dist", ".gene.safetensors"));
    const tleg_trainer_options options = {
        .struct_size = sizeof options, .batch = TRAINER_BATCH, .depth_least = 2, .alpha = 0.5};
    tleg_learngene *gene = NULL;
    tleg_trainer *trainer = NULL;
    spoilt_put(&file, "head.bias", -100);
    spoilt_put(&file, "head_dist.bias", 200);
    OK(plain, tleg_learngene_parse(plain, file.bytes, file.size, NULL, &gene));
    OK(plain, tleg_trainer_create(plain, gene, &options, &trainer));
    tleg_learngene_free(gene);
    free(file.bytes);
    return trainer;
}

static int64_t correct_of(tleg_trainer *trainer, const tleg_train_batch *batch) {
    tleg_train_loss loss = {.struct_size = sizeof loss};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, batch, &loss));
    return loss.correct;
}

static void what_is_correct_is_the_answer_of_both_heads(void **state) {
    (void)state;
    const int64_t labels[TRAINER_BATCH] = {1, 0, 1, 1, 4};
    static const float targets[TRAINER_BATCH][TRAINER_CLASSES] = {
        {0.4F, 0.6F, 0, 0, 0}, {0, 0.7F, 0.1F, 0.1F, 0.1F}, {0.6F, 0.4F, 0, 0, 0}, {0, 0.3F, 0, 0, 0.7F}, {0, 1, 0, 0, 0}};
    struct trainer_data data;
    trainer_data_open(plain, 16, &data);
    tleg_trainer *trainer = open_with_heads_that_disagree();
    tleg_train_batch batch = data.batch;
    batch.labels = labels;
    assert_int_equal(correct_of(trainer, &batch), 3);
    batch.labels = NULL;
    batch.targets = targets[0]; /* the largest are those of classes 1, 1, 0, 4 and 1 */
    assert_int_equal(correct_of(trainer, &batch), 3);
    batch.size = 1;
    assert_int_equal(correct_of(trainer, &batch), 1);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
}

/* ---- ranks ---- */

static tleg_status TLEG_CALL add_a_twin(void *host, float *values, size_t count) {
    *(size_t *)host = count;
    for (size_t i = 0; i < count; i++) {
        values[i] += values[i];
    }
    return TLEG_OK;
}

static tleg_status TLEG_CALL lose_a_rank(void *host, float *values, size_t count) {
    (void)host, (void)values, (void)count;
    return TLEG_ERROR_IO;
}

static void two_equal_ranks_step_like_one(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_trainer_options options = trainer_options(c);
    options.clip = 0.5; /* of the mean gradient, not of the sum */
    struct flat found[2];
    size_t reduced = 0;
    for (int ranks = 1; ranks <= 2; ranks++) {
        options.ranks = ranks;
        options.all_reduce = ranks == 2 ? add_a_twin : NULL;
        options.all_reduce_host = &reduced;
        tleg_trainer *trainer = trainer_open(plain, c, &options);
        backward(trainer, &data.batch);
        OK_TRAINER(trainer, tleg_trainer_update(trainer, 0.01));
        found[ranks - 1] = trainer_values(plain, trainer, 0);
        tleg_trainer_free(trainer);
    }
    assert_true(reduced >= found[0].count);
    assert_true(flat_same(&found[0], &found[1]));
    options.all_reduce = lose_a_rank;
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    struct flat before = trainer_values(plain, trainer, 0);
    backward(trainer, &data.batch);
    assert_int_equal(tleg_trainer_update(trainer, 0.01), TLEG_ERROR_IO);
    assert_non_null(strstr(tleg_trainer_get_error(trainer), "step 1"));
    struct flat after = trainer_values(plain, trainer, 0);
    assert_true(flat_same(&before, &after));
    assert_int_equal(tleg_trainer_get_steps(trainer), 0);
    struct flat *all[] = {&found[0], &found[1], &before, &after};
    for (int i = 0; i < 4; i++) {
        free(all[i]->values);
    }
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_the_references_at_every_level),
        cmocka_unit_test(checkpointing_gives_the_same_bits),
        cmocka_unit_test(parts_of_a_batch_accumulate_to_its_gradient),
        cmocka_unit_test(bits_depend_on_the_seed_and_not_on_the_threads),
        cmocka_unit_test(five_steps_are_those_of_torch),
        cmocka_unit_test(what_else_changes_a_step_is_as_torch_has_it),
        cmocka_unit_test(a_step_leaves_what_the_next_pass_needs),
        cmocka_unit_test(frozen_parts_stay_to_the_bit),
        cmocka_unit_test(class_weights_count_over_the_whole_batch),
        cmocka_unit_test(targets_that_are_not_numbers_are_refused_where_classes_weigh),
        cmocka_unit_test(sgd_decays_less_unless_it_is_told),
        cmocka_unit_test(clipping_shortens_the_whole_gradient_to_its_limit),
        cmocka_unit_test(rates_are_those_of_the_recipe),
        cmocka_unit_test(a_constant_rate_rises_by_steps_and_falls_at_the_end),
        cmocka_unit_test(a_cosine_falls_by_steps),
        cmocka_unit_test(a_rate_never_rises_above_its_peak),
        cmocka_unit_test(training_brings_the_loss_down),
        cmocka_unit_test(a_teacher_is_asked_about_the_very_batch),
        cmocka_unit_test(a_careless_teacher_is_found_out),
        cmocka_unit_test(a_step_is_stopped_by_the_contexts_progress),
        cmocka_unit_test(soft_targets_take_the_place_of_labels),
        cmocka_unit_test(what_is_correct_is_the_answer_of_both_heads),
        cmocka_unit_test(two_equal_ranks_step_like_one),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
