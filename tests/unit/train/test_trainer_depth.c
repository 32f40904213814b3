/* Depths: the sandwich of three, a random one a step, and branches that are dropped. */
#include "support/trainer.h"

static double backward(tleg_trainer *trainer, const tleg_train_batch *batch) {
    tleg_train_loss loss = {.struct_size = sizeof loss};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, batch, &loss));
    return loss.total;
}

/* ---- depths ---- */

static tleg_trainer *open_at(const struct grad_case *c, int32_t mode, int32_t least, int32_t most, uint64_t seed) {
    tleg_trainer_options options = trainer_options(c);
    options.depth_mode = mode;
    options.depth_least = least;
    options.depth_most = most;
    options.seed = seed;
    return trainer_open(plain, c, &options);
}

static struct flat gradients_at(const struct grad_case *c, const tleg_train_batch *batch, int32_t depth,
                                tleg_train_loss *loss) {
    tleg_trainer *trainer = open_at(c, TLEG_DEPTH_FIXED, depth, 0, 0);
    *loss = (tleg_train_loss){.struct_size = sizeof *loss};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, batch, loss));
    struct flat found = trainer_gradients(plain, trainer);
    tleg_trainer_free(trainer);
    return found;
}

static void expect_near(double found, double wanted) {
    if (!(fabs(found - wanted) < 1e-9 * fabs(wanted)))
        fail_msg("%.17g, expected %.17g", found, wanted);
}

/* With a teacher beside the labels. What is counted right is of the random depth alone. */
static void a_sandwich_is_the_mean_of_its_three_depths(void **state) {
    (void)state;
    const struct grad_case *c = find("schedule-9");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_trainer *trainer = open_at(c, TLEG_DEPTH_SANDWICH, 4, 9, 3);
    tleg_train_loss loss = {.struct_size = sizeof loss};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &data.batch, &loss));
    assert_in_range(loss.depth, 4, 9);
    struct flat found = trainer_gradients(plain, trainer), mean = {0};
    const int32_t depths[] = {4, 9, loss.depth};
    tleg_train_loss wanted = {0}, one;
    int64_t correct = 0;
    for (int i = 0; i < 3; i++) {
        struct flat part = gradients_at(c, &data.batch, depths[i], &one);
        wanted.total += one.total / 3;
        wanted.labels += one.labels / 3;
        wanted.teacher += one.teacher / 3;
        correct += one.correct;
        if (i == 0) {
            mean = (struct flat){calloc(part.count, sizeof(float)), part.count};
            assert_non_null(mean.values);
        }
        for (size_t k = 0; k < part.count; k++) {
            mean.values[k] += part.values[k] / 3;
        }
        free(part.values);
    }
    expect_near(loss.total, wanted.total);
    expect_near(loss.labels, wanted.labels);
    expect_near(loss.teacher, wanted.teacher);
    assert_int_equal(loss.correct, one.correct);
    assert_true(correct > one.correct);
    assert_true(wanted.labels > 0 && wanted.teacher > 0);
    assert_true(flat_distance(&found, &mean) < 1e-6);
    free(found.values);
    free(mean.values);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
}

/* ---- in-place distillation ---- */

/* Log-probabilities (5, C) of one head at a depth, read off the losses: against class k alone, a loss is -log p_k. */
static void log_chances(const struct grad_case *c, const tleg_train_batch *batch, int32_t depth, bool last_head, float *out) {
    tleg_trainer_options options = trainer_options(c);
    options.depth_least = depth;
    options.alpha = last_head ? 1 : 0;
    options.tau = 1;
    options.smoothing = 0;
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    for (int32_t i = 0; i < TRAINER_BATCH; i++) {
        for (int64_t k = 0; k < TRAINER_CLASSES; k++) {
            float certain[TRAINER_CLASSES] = {0};
            tleg_train_loss loss = {.struct_size = sizeof loss};
            tleg_train_batch one = trainer_part(batch, c->images, i, 1);
            certain[k] = 1000;
            one.labels = &k;
            one.teacher_logits = certain;
            OK_TRAINER(trainer, tleg_trainer_backward(trainer, &one, &loss));
            out[i * TRAINER_CLASSES + k] = (float)(last_head ? -loss.teacher * TRAINER_CLASSES : -loss.labels);
        }
    }
    tleg_trainer_free(trainer);
}

static void add_scaled(struct flat *sum, const struct flat *part, double factor) {
    if (sum->values == NULL) {
        *sum = (struct flat){calloc(part->count, sizeof(float)), part->count};
        assert_non_null(sum->values);
    }
    for (size_t k = 0; k < part->count; k++) {
        sum->values[k] += (float)factor * part->values[k];
    }
}

/* One pass at a fixed depth: adds factor * gradient to sum; its loss. */
static double add_pass(const struct grad_case *c, const tleg_train_batch *batch, int32_t depth, double alpha, double tau,
                       double factor, struct flat *sum) {
    tleg_trainer_options options = trainer_options(c);
    options.depth_least = depth;
    options.alpha = alpha;
    options.tau = tau;
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    double loss = backward(trainer, batch);
    struct flat part = trainer_gradients(plain, trainer);
    add_scaled(sum, &part, factor);
    free(part.values);
    tleg_trainer_free(trainer);
    return loss;
}

/* The gradient and the loss of the shallower pass, against the heads' log-probabilities at the deepest: the first head by
 * cross-entropy with them as targets (KL and their entropy), the last as by a teacher with them as logits. */
static double add_followed(const struct grad_case *c, const tleg_train_batch *data, int32_t depth, bool two_heads,
                           const float *first, const float *last, double factor, struct flat *sum) {
    float chances[TRAINER_BATCH * TRAINER_CLASSES];
    double entropy = 0, kl = 0;
    for (int i = 0; i < TRAINER_BATCH * TRAINER_CLASSES; i++) {
        chances[i] = expf(first[i]);
        entropy -= (double)chances[i] * first[i] / TRAINER_BATCH;
    }
    tleg_train_batch batch = *data;
    batch.teacher_logits = last;
    const double share = two_heads ? 0.5 : 1;
    kl += share * TRAINER_CLASSES * add_pass(c, &batch, depth, 1, 1, factor * share * TRAINER_CLASSES, sum);
    batch.targets = chances;
    if (two_heads) {
        kl += share * (add_pass(c, &batch, depth, 0, 1, factor * share, sum) - entropy);
    }
    return kl;
}

static void check_in_place(const struct grad_case *c, bool two_heads, double in_place) {
    enum { LEAST = 4, MOST = 9 };
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    float first[TRAINER_BATCH * TRAINER_CLASSES], last[TRAINER_BATCH * TRAINER_CLASSES];
    log_chances(c, &data.batch, MOST, false, first);
    log_chances(c, &data.batch, MOST, true, last);
    tleg_trainer_options options = trainer_options(c);
    options.depth_mode = TLEG_DEPTH_SANDWICH;
    options.depth_least = LEAST;
    options.depth_most = MOST;
    options.in_place = in_place;
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    tleg_train_loss loss = {.struct_size = sizeof loss};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &data.batch, &loss));
    struct flat found = trainer_gradients(plain, trainer), wanted = {0};
    const int32_t shallower[] = {LEAST, loss.depth};
    double total = add_pass(c, &data.batch, MOST, options.alpha, options.tau, 1.0 / 3, &wanted) / 3, followed = 0;
    for (int i = 0; i < 2; i++) {
        total += (1 - in_place) / 3 *
                 add_pass(c, &data.batch, shallower[i], options.alpha, options.tau, (1 - in_place) / 3, &wanted);
        followed += add_followed(c, &data.batch, shallower[i], two_heads, first, last, in_place / 3, &wanted) / 2;
    }
    total += in_place * 2 / 3 * followed;
    assert_true(followed > 1e-6);
    assert_true(fabs(loss.in_place - followed) < 1e-5 * followed + 1e-7);
    assert_true(fabs(loss.total - total) < 1e-5 * total);
    assert_true(flat_distance(&found, &wanted) < 1e-5);
    free(found.values);
    free(wanted.values);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
}

static void the_deepest_pass_teaches_the_shallower_ones(void **state) {
    (void)state;
    check_in_place(find("schedule-9"), false, 1);
    check_in_place(find("curves-9"), false, 0.25);
}

static void each_head_of_the_deepest_pass_teaches_its_own(void **state) {
    (void)state;
    check_in_place(find("dist-5"), true, 1);
    check_in_place(find("dist-5"), true, 0.6);
}

static void a_random_depth_is_drawn_for_each_step_from_the_seed(void **state) {
    (void)state;
    const struct grad_case *c = find("nobias-1");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    enum { STEPS = 60, LEAST = 2, MOST = 5 };
    int32_t seen[3][STEPS], times[MOST + 1] = {0};
    for (int run = 0; run < 3; run++) {
        tleg_trainer *trainer = open_at(c, TLEG_DEPTH_RANDOM, LEAST, MOST, run == 2 ? 12 : 11);
        for (int step = 0; step < STEPS; step++) {
            tleg_train_loss loss = {.struct_size = sizeof loss}, again = {.struct_size = sizeof again};
            OK_TRAINER(trainer, tleg_trainer_backward(trainer, &data.batch, &loss));
            OK_TRAINER(trainer, tleg_trainer_backward(trainer, &data.batch, &again));
            assert_int_equal(loss.depth, again.depth); /* one depth a step, whatever it accumulates */
            assert_in_range(loss.depth, LEAST, MOST);
            if (run == 0 && times[loss.depth] == 0) { /* and it is that depth which runs */
                tleg_train_loss fixed;
                struct flat g = gradients_at(c, &data.batch, loss.depth, &fixed);
                assert_true(fixed.total == loss.total);
                free(g.values);
            }
            times[loss.depth] += run == 0;
            seen[run][step] = loss.depth;
            OK_TRAINER(trainer, tleg_trainer_update(trainer, 0));
        }
        tleg_trainer_free(trainer);
    }
    for (int32_t depth = LEAST; depth <= MOST; depth++) {
        assert_true(times[depth] >= 5); /* uniform: 15 of 60 are expected, 3.4 is a standard deviation */
    }
    assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
    assert_memory_not_equal(seen[0], seen[2], sizeof seen[0]);
    trainer_data_close(&data);
}

/* ---- stochastic depth ---- */

/* The model whose block 1 has its branches scaled: what a pass with dropped or kept branches computes. */
static tleg_model *scaled_model(const tleg_model *model, float attention, float mlp) {
    enum { MOST = 64 };
    const char *names[MOST], *path = support_scratch("scaled.safetensors");
    tleg_tensor *tensors[MOST];
    int64_t count = 0;
    OK(plain, tleg_model_save(plain, model, path, NULL));
    for (const char *name; (name = tleg_model_get_tensor_name(model, count)) != NULL; count++) {
        assert_in_range(count, 0, MOST - 1);
        names[count] = name;
        OK(plain, tleg_model_copy_tensor(plain, model, name, &tensors[count]));
        tleg_tensor_info info = {.struct_size = sizeof info};
        OK(plain, tleg_tensor_get_info(plain, tensors[count], &info));
        float scale = strncmp(name, "blocks.1.attn.proj.", 19) == 0 ? attention
                      : strncmp(name, "blocks.1.mlp.fc2.", 17) == 0 ? mlp
                                                                    : 1;
        for (size_t i = 0; i < info.bytes / sizeof(float); i++) {
            ((float *)info.data)[i] *= scale;
        }
    }
    static const char *const keys[] = {"tleg.kind", "tleg.heads", "tleg.patch_size", "tleg.image_size",
                                       "tleg.eps",  "tleg.norm",  "tleg.pool"};
    const char *pairs[2 * 7];
    int64_t pair_count = 0;
    tleg_file *file = NULL;
    OK(plain, tleg_file_open(plain, path, NULL, &file));
    for (size_t i = 0; i < 7; i++) {
        const char *text = tleg_file_get_metadata(file, keys[i]);
        if (text != NULL) {
            pairs[2 * pair_count] = keys[i];
            pairs[2 * pair_count++ + 1] = text;
        }
    }
    OK(plain, tleg_file_save(plain, support_scratch("other.safetensors"), count, names, (const tleg_tensor *const *)tensors,
                             SAVE_WITH(pair_count, pairs)));
    tleg_file_free(file);
    for (int64_t i = 0; i < count; i++) {
        tleg_tensor_free(tensors[i]);
    }
    tleg_model *scaled = NULL;
    OK(plain, tleg_model_open(plain, support_scratch("other.safetensors"), NULL, &scaled));
    return scaled;
}

/* At depth 2 and rate 1/2 the first block is always there, and each branch of the second counts twice or not at all. */
static void a_dropped_branch_is_as_if_it_were_not_there(void **state) {
    (void)state;
    const struct grad_case *c = find("cls-2-model");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_train_batch batch = trainer_part(&data.batch, 16, 0, 1);
    tleg_model *model = trainer_model(plain, c);
    tleg_trainer_options options = trainer_options(c);
    struct flat wanted[4];
    double loss[4];
    for (int i = 0; i < 4; i++) {
        tleg_model *scaled = scaled_model(model, i & 1 ? 2.0F : 0.0F, i & 2 ? 2.0F : 0.0F);
        tleg_trainer *trainer = NULL;
        tleg_train_loss one = {.struct_size = sizeof one};
        OK(plain, tleg_trainer_create_for_model(plain, scaled, &options, &trainer));
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, &one));
        loss[i] = one.total;
        wanted[i] = (struct flat){0};
        tleg_tensor *tensor = NULL;
        OK(plain, tleg_trainer_copy_gradient(plain, trainer, "blocks.0.mlp.fc1.weight", &tensor));
        flat_add(&wanted[i], plain, tensor);
        tleg_trainer_free(trainer);
        tleg_model_free(scaled);
    }
    options.drop_path = 0.5;
    tleg_trainer *trainer = NULL;
    OK(plain, tleg_trainer_create_for_model(plain, model, &options, &trainer));
    int seen[4] = {0};
    for (int step = 0; step < 64; step++) {
        tleg_train_loss one = {.struct_size = sizeof one};
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, &one));
        int which = 0;
        while (which < 4 && !(fabs(one.total - loss[which]) < 1e-6 * loss[which])) {
            which++;
        }
        assert_in_range(which, 0, 3);
        struct flat found = {0};
        tleg_tensor *tensor = NULL;
        OK(plain, tleg_trainer_copy_gradient(plain, trainer, "blocks.0.mlp.fc1.weight", &tensor));
        flat_add(&found, plain, tensor);
        assert_true(flat_distance(&found, &wanted[which]) < 1e-5);
        free(found.values);
        seen[which]++;
        tleg_trainer_forget(trainer);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(seen[i] >= 4); /* 16 of 64 are expected */
        free(wanted[i].values);
    }
    tleg_trainer_free(trainer);
    tleg_model_free(model);
    trainer_data_close(&data);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sandwich_is_the_mean_of_its_three_depths),
        cmocka_unit_test(the_deepest_pass_teaches_the_shallower_ones),
        cmocka_unit_test(each_head_of_the_deepest_pass_teaches_its_own),
        cmocka_unit_test(a_random_depth_is_drawn_for_each_step_from_the_seed),
        cmocka_unit_test(a_dropped_branch_is_as_if_it_were_not_there),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
