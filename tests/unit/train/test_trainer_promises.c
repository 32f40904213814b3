/* What a trainer promises around its arithmetic: memory that is said beforehand and may run out, results, and what is refused.
 */
#include "support/trainer.h"

/* ---- memory ---- */

static tleg_context *counted(struct counter *counter, int32_t workers) {
    support_counter(counter);
    tleg_context_options options = support_counted(counter);
    options.workers = workers;
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    return context;
}

static void memory_is_said_exactly_and_no_step_allocates(void **state) {
    (void)state;
    const double weights[TRAINER_CLASSES] = {1, 2, 3, 4, 5};
    for (int32_t i = 0; i < case_count; i++) {
        for (int variant = 0; variant < 5; variant++) {
            const struct grad_case *c = &cases[i];
            struct counter counter;
            tleg_context *context = counted(&counter, variant + 1);
            tleg_learngene *gene = c->model ? NULL : support_gene(context, c->gene);
            tleg_model *model = c->model ? trainer_model(context, c) : NULL;
            tleg_trainer_options options = variant ? trainer_busy_options(c) : trainer_options(c);
            options.checkpoint = variant == 2;
            options.dtype = i % 2 ? TLEG_BF16 : 0;
            options.optimiser = variant == 3 ? TLEG_OPTIMISER_MUON : variant == 4 ? TLEG_OPTIMISER_SGD : 0;
            options.class_weights = variant == 4 ? weights : NULL;
            uint64_t bytes = 0;
            OK(context, gene ? tleg_trainer_get_memory(context, gene, &options, &bytes)
                             : tleg_trainer_get_memory_for_model(context, model, &options, &bytes));
            long long before = atomic_load(&counter.live_bytes);
            tleg_trainer *trainer = NULL;
            OK(context, gene ? tleg_trainer_create(context, gene, &options, &trainer)
                             : tleg_trainer_create_for_model(context, model, &options, &trainer));
            assert_int_equal(atomic_load(&counter.live_bytes) - before, bytes);
            tleg_learngene_free(gene); /* not needed any more */
            tleg_model_free(model);
            struct trainer_data data;
            trainer_data_open(context, c->images, &data);
            long long calls = atomic_load(&counter.calls);
            trainer_steps(trainer, &data.batch, 2);
            tleg_trainer_forget(trainer);
            assert_int_equal(atomic_load(&counter.calls), calls);
            trainer_data_close(&data);
            tleg_context_free(context);
            tleg_trainer_free(trainer);
            assert_int_equal(atomic_load(&counter.live), 0);
            assert_int_equal(atomic_load(&counter.wrong), 0);
        }
    }
}

/* A model keeps one score of its learngene's in a memory that was made for all of them; a trainer's copy has room for one. */
static void memory_counts_texts_as_the_trainer_holds_them(void **state) {
    (void)state;
    static const int32_t depths[] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const double shares[] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8};
    const tleg_scores scores = {.struct_size = sizeof scores, .count = 8, .depths = depths, .scores = shares, .on = "val"};
    const tleg_save_options scored = {.struct_size = sizeof scored, .scores = &scores};
    const tleg_trainer_options options = {.struct_size = sizeof options, .batch = 1};
    struct counter counter;
    tleg_context *context = counted(&counter, 1);
    tleg_learngene *gene = support_gene(context, "mean");
    OK(context, tleg_learngene_save(context, gene, support_scratch("scored"), &scored));
    tleg_expander *expander = NULL;
    OK(context, tleg_expander_open(context, support_scratch("scored"), NULL, NULL, &expander));
    for (int32_t depth = 8; depth < 10; depth++) { /* with a score of its own, and without */
        tleg_model *model = NULL;
        tleg_trainer *trainer = NULL;
        uint64_t bytes = 0;
        OK(context, tleg_expander_expand(context, expander, depth, &model));
        OK(context, tleg_trainer_get_memory_for_model(context, model, &options, &bytes));
        const long long before = atomic_load(&counter.live_bytes);
        OK(context, tleg_trainer_create_for_model(context, model, &options, &trainer));
        assert_int_equal(atomic_load(&counter.live_bytes) - before, bytes);
        tleg_trainer_free(trainer);
        tleg_model_free(model);
    }
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    tleg_context_free(context);
}

static void checkpointing_needs_less_memory(void **state) {
    (void)state;
    tleg_learngene *gene = support_gene(plain, "mean");
    tleg_trainer_options options = {.struct_size = sizeof options, .batch = 8, .depth_least = 12};
    uint64_t whole = 0, less = 0;
    OK(plain, tleg_trainer_get_memory(plain, gene, &options, &whole));
    options.checkpoint = 1;
    OK(plain, tleg_trainer_get_memory(plain, gene, &options, &less));
    assert_true(less < whole / 2);
    options.batch = 1 << 20;
    options.depth_least = 1024;
    options.image_size = 4096; /* inputs of 1024 blocks, 2^20 tokens each: an answer or an error, no crash */
    tleg_status status = tleg_trainer_get_memory(plain, gene, &options, &whole);
    assert_true(status == TLEG_ERROR_MEMORY || (status == TLEG_OK && whole > (uint64_t)1 << 36));
    tleg_learngene_free(gene);
}

struct life {
    tleg_trainer *trainer;
    tleg_learngene *gene;
    tleg_model *model;
    tleg_tensor *tensor;
};

static tleg_status live(tleg_context *context, const tleg_learngene *gene, const tleg_model *model,
                        const tleg_trainer_options *options, struct life *life) {
    const char *path = support_scratch("life.safetensors"), *const pairs[] = {"a", "b"};
    tleg_status status;
    if ((status = gene ? tleg_trainer_create(context, gene, options, &life->trainer)
                       : tleg_trainer_create_for_model(context, model, options, &life->trainer)) != 0 ||
        (status = tleg_trainer_save(context, life->trainer, path, 1, pairs)) != 0 ||
        (status = tleg_trainer_load(context, life->trainer, path)) != 0 ||
        (status = tleg_trainer_copy_gradient(context, life->trainer, "head.weight", &life->tensor)) != 0) {
        return status;
    }
    return gene != NULL ? tleg_trainer_copy_learngene(context, life->trainer, 1, &life->gene)
                        : tleg_trainer_copy_model(context, life->trainer, 1, &life->model);
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    static const char *const names[] = {"schedule-9", "cls-2-model"};
    for (int n = 0; n < 2; n++) {
        const struct grad_case *c = find(names[n]);
        struct counter counter;
        tleg_context *context = counted(&counter, 2);
        tleg_learngene *gene = c->model ? NULL : support_gene(context, c->gene);
        tleg_model *model = c->model ? trainer_model(context, c) : NULL;
        tleg_trainer_options options = trainer_busy_options(c);
        bool done = false;
        for (long long k = 1; !done; k++) {
            long long start = atomic_load(&counter.calls), left = atomic_load(&counter.live);
            atomic_store(&counter.fail_at, start + k);
            struct life life = {0};
            tleg_status status = live(context, gene, model, &options, &life);
            done = atomic_load(&counter.calls) < start + k;
            if (status != (done ? TLEG_OK : TLEG_ERROR_MEMORY)) {
                fail_msg("%s: allocation %lld failed, and the status is %s: %s", c->name, k, tleg_status_name(status),
                         tleg_context_get_error(context));
            }
            assert_true(done || strlen(tleg_context_get_error(context)) > 0);
            tleg_trainer_free(life.trainer);
            tleg_learngene_free(life.gene);
            tleg_model_free(life.model);
            tleg_tensor_free(life.tensor);
            assert_int_equal(atomic_load(&counter.live), left);
        }
        tleg_learngene_free(gene);
        tleg_model_free(model);
        tleg_context_free(context);
        assert_int_equal(atomic_load(&counter.live), 0);
        assert_int_equal(atomic_load(&counter.wrong), 0);
    }
}

/* ---- results ---- */

static void what_was_not_trained_comes_back_as_it_was(void **state) {
    (void)state;
    static const char *const names[] = {"schedule-9", "dist-5", "combo-7-timm-image24", "shared-5"};
    for (size_t i = 0; i < 4; i++) {
        const struct grad_case *c = find(names[i]);
        tleg_trainer_options options = trainer_options(c);
        options.ema = 0.9;
        tleg_trainer *trainer = trainer_open(plain, c, &options);
        for (int32_t average = 0; average < 2; average++) {
            tleg_learngene *back = NULL;
            OK(plain, tleg_trainer_copy_learngene(plain, trainer, average, &back));
            OK(plain, tleg_learngene_save(plain, back, support_scratch("back.safetensors"), NULL));
            size_t size[2];
            unsigned char *bytes[2] = {support_read_file(support_path(c->gene, ".gene.safetensors"), &size[0]),
                                       support_read_file(support_scratch("back.safetensors"), &size[1])};
            tleg_learngene *source = support_gene(plain, c->gene);
            OK(plain, tleg_learngene_save(plain, source, support_scratch("source.safetensors"), NULL));
            free(bytes[0]);
            bytes[0] = support_read_file(support_scratch("source.safetensors"), &size[0]);
            assert_int_equal(size[0], size[1]);
            assert_memory_equal(bytes[0], bytes[1], size[0]);
            free(bytes[0]);
            free(bytes[1]);
            tleg_learngene_free(source);
            tleg_learngene_free(back);
        }
        tleg_model *wrong = NULL;
        assert_int_equal(tleg_trainer_copy_model(plain, trainer, 0, &wrong), TLEG_ERROR_STATE);
        tleg_trainer_free(trainer);
    }
}

static void a_model_comes_back_as_it_was(void **state) {
    (void)state;
    const char *genes[] = {"dist", "nobias", "clsmean"};
    for (size_t i = 0; i < 3; i++) {
        struct grad_case c = {.images = 16, .depth = 3, .model = 1, .timm = i == 2};
        strcpy(c.gene, genes[i]);
        tleg_trainer_options options = trainer_options(&c);
        tleg_trainer *trainer = trainer_open(plain, &c, &options);
        tleg_model *source = trainer_model(plain, &c), *back = NULL;
        OK(plain, tleg_trainer_copy_model(plain, trainer, 0, &back));
        OK(plain, tleg_model_save(plain, source, support_scratch("source.safetensors"), NULL));
        OK(plain, tleg_model_save(plain, back, support_scratch("back.safetensors"), NULL));
        size_t size[2];
        unsigned char *bytes[2] = {support_read_file(support_scratch("source.safetensors"), &size[0]),
                                   support_read_file(support_scratch("back.safetensors"), &size[1])};
        assert_int_equal(size[0], size[1]);
        assert_memory_equal(bytes[0], bytes[1], size[0]);
        free(bytes[0]);
        free(bytes[1]);
        tleg_learngene *wrong = NULL;
        assert_int_equal(tleg_trainer_copy_learngene(plain, trainer, 0, &wrong), TLEG_ERROR_STATE);
        tleg_model *average = NULL;
        assert_int_equal(tleg_trainer_copy_model(plain, trainer, 1, &average), TLEG_ERROR_STATE);
        trainer_says(tleg_context_get_error(plain), "average");
        tleg_model_free(source);
        tleg_model_free(back);
        tleg_trainer_free(trainer);
    }
}

/* ---- what is refused ---- */

static void options_are_refused_by_name(void **state) {
    (void)state;
    tleg_learngene *gene = support_gene(plain, "schedule"); /* its sites have 2 and 3 segments */
    struct grad_case c = {.gene = "mean", .images = 16, .depth = 2};
    tleg_model *model = trainer_model(plain, &c);
    const tleg_trainer_options good = {.struct_size = sizeof good, .batch = 2, .depth_least = 4};
    tleg_trainer_options o;
    tleg_trainer *trainer = (tleg_trainer *)&c;
    uint64_t bytes = 7;
#define BAD(change, word)                                                                                                      \
    o = good, change;                                                                                                          \
    assert_int_equal(tleg_trainer_create(plain, gene, &o, &trainer), TLEG_ERROR_ARGUMENT);                                     \
    assert_null(trainer);                                                                                                      \
    trainer_says(tleg_context_get_error(plain), word);                                                                         \
    assert_int_equal(tleg_trainer_get_memory(plain, gene, &o, &bytes), TLEG_ERROR_ARGUMENT);                                   \
    assert_int_equal(bytes, 0)
    BAD(o.batch = 0, "batch");
    BAD(o.batch = -1, "batch");
    BAD(o.depth_mode = 4, "depth_mode");
    BAD(o.depth_least = 0, "depth_least");
    BAD(o.depth_least = 2, "depth_least"); /* below the number of segments */
    BAD(o.depth_least = 1025, "depth_least");
    BAD((o.depth_mode = TLEG_DEPTH_RANDOM, o.depth_most = 3), "depth_most");
    BAD((o.depth_mode = TLEG_DEPTH_SANDWICH, o.depth_most = 1025), "depth_most");
    BAD(o.in_place = 1, "in_place: expected 0, or up to 1 with TLEG_DEPTH_SANDWICH");
    BAD((o.depth_mode = TLEG_DEPTH_SANDWICH, o.depth_most = 9, o.in_place = 1.01), "in_place");
    BAD((o.depth_mode = TLEG_DEPTH_SANDWICH, o.depth_most = 9, o.in_place = -1), "in_place");
    BAD((o.depth_mode = TLEG_DEPTH_SANDWICH, o.depth_most = 9, o.in_place = NAN), "in_place");
    BAD(o.image_size = 15, "image");
    BAD(o.norm = 3, "norm");
    BAD(o.position_filter = 99, "position_filter");
    BAD(o.position_filter = -1, "position_filter");
    BAD(o.alpha = -0.1, "alpha");
    BAD(o.alpha = NAN, "alpha");
    BAD(o.smoothing = 1.5, "smoothing");
    BAD(o.tau = -1, "tau");
    BAD(o.epsilon = -1, "epsilon");
    BAD(o.beta1 = 1, "beta1");
    BAD(o.beta2 = -INFINITY, "beta2");
    BAD(o.clip = -1, "clip");
    BAD(o.clip = INFINITY, "clip");
    BAD(o.weight_decay = NAN, "weight_decay");
    BAD(o.drop_path = 1, "drop_path");
    BAD(o.ema = 1, "ema");
    BAD(o.ranks = -1, "ranks");
    BAD(o.ranks = 2, "all_reduce");
    BAD(o.checkpoint = 2, "checkpoint");
    BAD(o.dtype = TLEG_F16, "dtype");
    BAD(o.dtype = -1, "dtype");
    BAD(o.optimiser = 4, "optimiser");
    BAD(o.optimiser = -1, "optimiser");
    BAD(o.momentum = 1, "momentum");
    BAD(o.momentum = NAN, "momentum");
    BAD(o.nesterov = 2, "nesterov");
    BAD(o.rank = 1, "rank");
    BAD(o.rank = -1, "rank");
    BAD(o.teacher_mean = 3, "teacher_mean");
    BAD(o.teacher_mean = -1, "teacher_mean");
    BAD(o.ema_warmup = 2, "ema_warmup");
    BAD(o.teacher_loss = 3, "teacher_loss");
    BAD(o.teacher_loss = -1, "teacher_loss");
    BAD(o.teacher_loss = TLEG_TEACHER_LOSS_SQUARES, "teacher_loss: TLEG_TEACHER_LOSS_SQUARES needs alpha 1");
    BAD(o.freeze = TLEG_PART_BACKBONE | TLEG_PART_HEAD, "freeze: expected TLEG_PART_* together, and not all of them");
    BAD(o.freeze = (TLEG_PART_BACKBONE & ~(TLEG_PART_LS1 | TLEG_PART_LS2 | TLEG_PART_MODULATION)) | TLEG_PART_HEAD,
        "leave nothing to learn");
    BAD(o.freeze = 4096, "freeze");
    BAD(o.freeze = -1, "freeze");
    BAD(o.frozen_layers = -1, "frozen_layers");
    BAD(o.frozen_layers = 1, "frozen_layers and layer_decay are for a model: all layers of a learngene share its tensors");
    BAD(o.layer_decay = 0.5, "frozen_layers and layer_decay are for a model");
    BAD(o.layer_decay = 1.5, "layer_decay: more than 0, at most 1");
    BAD(o.layer_decay = NAN, "layer_decay");
    const double zeros[TRAINER_CLASSES] = {0}, below[TRAINER_CLASSES] = {1, 1, -1}, endless[TRAINER_CLASSES] = {1, INFINITY};
    BAD(o.class_weights = zeros, "class_weights: all 5 are 0");
    BAD(o.class_weights = below, "class_weights[2]: expected a finite number of 0 or more");
    BAD(o.class_weights = endless, "class_weights[1]");
    o = good, o.reserved = &c;
    assert_int_equal(tleg_trainer_create(plain, gene, &o, &trainer), TLEG_ERROR_UNSUPPORTED);
    trainer_says(tleg_context_get_error(plain), "tleg_trainer_options.reserved");
    assert_int_equal(tleg_trainer_create(plain, NULL, &good, &trainer), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_trainer_create_for_model(plain, NULL, &good, &trainer), TLEG_ERROR_ARGUMENT);
    o = good;
    assert_int_equal(tleg_trainer_create_for_model(plain, model, &o, &trainer), TLEG_ERROR_ARGUMENT); /* depth 4 of 2 */
    trainer_says(tleg_context_get_error(plain), "depth 2");
    o.depth_least = 0, o.position_filter = 99;
    assert_int_equal(tleg_trainer_create_for_model(plain, model, &o, &trainer), TLEG_ERROR_ARGUMENT);
    trainer_says(tleg_context_get_error(plain), "position_filter");
    tleg_learngene_free(gene);
    tleg_model_free(model);
}

static void batches_are_refused_with_what_was_expected(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_trainer_options options = trainer_options(c);
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    int64_t labels[TRAINER_BATCH] = {0, 1, 2, 3, TRAINER_CLASSES};
    tleg_train_batch b;
    tleg_train_loss loss = {.struct_size = sizeof loss};
#define BAD_BATCH(change, word)                                                                                                \
    b = data.batch, change;                                                                                                    \
    assert_int_equal(tleg_trainer_backward(trainer, &b, &loss), TLEG_ERROR_ARGUMENT);                                          \
    trainer_says(tleg_trainer_get_error(trainer), word)
    BAD_BATCH(b.size = 0, "expected 1 to 5");
    BAD_BATCH(b.size = TRAINER_BATCH + 1, "6 images");
    BAD_BATCH(b.images = NULL, "pixels");
    BAD_BATCH(b.labels = NULL, "labels");
    BAD_BATCH(b.teacher_logits = NULL, "teacher");
    BAD_BATCH(b.labels = labels, "label 5 of image 4");
    BAD_BATCH((labels[4] = -1, b.labels = labels), "label -1 of image 4");
    BAD_BATCH(b.share = -1, "share");
    BAD_BATCH(b.share = NAN, "share");
    BAD_BATCH(b.struct_size = 0, "struct_size");
    BAD_BATCH((b = data.batch, loss.struct_size = 0), "tleg_train_loss");
    struct flat gradient = trainer_gradients(plain, trainer);
    for (size_t i = 0; i < gradient.count; i++) { /* none of these calls added anything */
        assert_true(gradient.values[i] == 0);
    }
    free(gradient.values);
    static const double rates[] = {-1, NAN, INFINITY};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tleg_trainer_update(trainer, rates[i]), TLEG_ERROR_ARGUMENT);
        trainer_says(tleg_trainer_get_error(trainer), "rate");
    }
    tleg_tensor *tensor = (tleg_tensor *)&b;
    assert_int_equal(tleg_trainer_copy_gradient(plain, trainer, "nowhere.weight", &tensor), TLEG_ERROR_NOT_FOUND);
    assert_null(tensor);
    trainer_says(tleg_context_get_error(plain), "nowhere.weight");
    assert_null(tleg_trainer_get_parameter_name(trainer, -1));
    struct {
        tleg_train_batch known;
        unsigned char tail[8];
    } later = {.known = data.batch};
    later.known.struct_size = sizeof later;
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &later.known, NULL));
    later.tail[7] = 1;
    assert_int_equal(tleg_trainer_backward(trainer, &later.known, NULL), TLEG_ERROR_UNSUPPORTED);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
}

/* ---- a pool that fails in an update ---- */

struct failing { /* serves so many regions, fails one, and is right again */
    int32_t good;
};

static tleg_status TLEG_CALL failing_run(void *host, int32_t tasks, tleg_task_fn fn, void *arg) {
    struct failing *pool = host;
    if (pool->good-- == 0)
        return TLEG_ERROR_MEMORY;
    for (int32_t task = 0; task < tasks; task++)
        fn(arg, task);
    return TLEG_OK;
}

enum { POOL_SIDE = 8, POOL_BATCH = 2 };

/* Large enough that the norm and the optimiser want the pool. */
static tleg_trainer *open_on_pool(struct failing *pool, tleg_all_reduce_fn all_reduce, tleg_context **context) {
    tleg_context_options options = {
        .struct_size = sizeof options, .workers = 2, .parallel = failing_run, .parallel_host = pool};
    tleg_config config = {
        .struct_size = sizeof config, .image_size = POOL_SIDE, .patch_size = 4, .dim = 64, .heads = 2, .classes = 5};
    tleg_trainer_options training = {
        .struct_size = sizeof training, .batch = POOL_BATCH, .depth_least = 2, .clip = 1, .all_reduce = all_reduce};
    tleg_learngene *gene = NULL;
    tleg_trainer *trainer = NULL;
    *pool = (struct failing){INT32_MAX};
    assert_int_equal(tleg_context_create(&options, context), TLEG_OK);
    OK(*context, tleg_learngene_create(*context, &config, 7, &gene));
    OK(*context, tleg_trainer_create(*context, gene, &training, &trainer));
    tleg_learngene_free(gene);
    return trainer;
}

static void pass_on_pool(tleg_trainer *trainer) {
    float images[POOL_BATCH * 3 * POOL_SIDE * POOL_SIDE];
    const int64_t labels[POOL_BATCH] = {3, 1};
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        images[i] = (float)(i % 17) / 8 - 1;
    const tleg_train_batch batch = {
        .struct_size = sizeof batch, .size = POOL_BATCH, .images = images, .labels = labels, .share = 1};
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, NULL));
}

static float *weights_on_pool(tleg_context *context, const tleg_trainer *trainer, size_t *bytes) {
    tleg_learngene *gene = NULL;
    tleg_tensor *tensor = NULL;
    tleg_tensor_info info = {.struct_size = sizeof info};
    OK(context, tleg_trainer_copy_learngene(context, trainer, 0, &gene));
    OK(context, tleg_learngene_copy_tensor(context, gene, "blocks.block.attn.qkv.instances.0.weight_base", &tensor));
    OK(context, tleg_tensor_get_info(context, tensor, &info));
    float *copy = malloc(info.bytes);
    assert_non_null(copy);
    memcpy(copy, info.data, info.bytes);
    *bytes = info.bytes;
    tleg_tensor_free(tensor);
    tleg_learngene_free(gene);
    return copy;
}

static tleg_status TLEG_CALL reduce_alone(void *host, float *values, size_t count) {
    (void)host;
    return values && count ? TLEG_OK : TLEG_ERROR_ARGUMENT;
}

/* Before anything is changed: the norm of the gradient is what the pool fails at. Gradients that were summed over the ranks by
 * then must not be a second time. */
static void fail_before_it_begins(struct failing *pool, tleg_trainer *trainer, bool reduced) {
    pool->good = 0;
    assert_int_equal(tleg_trainer_update(trainer, 1e-2), TLEG_ERROR_MEMORY);
    trainer_says(tleg_trainer_get_error(trainer), "parallel");
    if (reduced) {
        assert_int_equal(tleg_trainer_update(trainer, 1e-2), TLEG_ERROR_STATE);
        trainer_says(tleg_trainer_get_error(trainer), "tleg_trainer_forget");
        tleg_trainer_forget(trainer);
        pass_on_pool(trainer);
    }
    assert_int_equal(tleg_trainer_get_steps(trainer), 0);
}

/* A step with a failure on the way and one without come to the same weights. */
static void failed_updates_change_nothing(tleg_all_reduce_fn reduce) {
    float *weights[2];
    size_t bytes = 0;
    for (int fails = 0; fails < 2; fails++) {
        struct failing pool;
        tleg_context *context = NULL;
        tleg_trainer *trainer = open_on_pool(&pool, reduce, &context);
        pass_on_pool(trainer);
        if (fails)
            fail_before_it_begins(&pool, trainer, reduce != NULL);
        OK_TRAINER(trainer, tleg_trainer_update(trainer, 1e-2));
        assert_int_equal(tleg_trainer_get_steps(trainer), 1);
        weights[fails] = weights_on_pool(context, trainer, &bytes);
        tleg_trainer_free(trainer);
        tleg_context_free(context);
    }
    assert_memory_equal(weights[0], weights[1], bytes);
    free(weights[0]);
    free(weights[1]);
}

static void an_update_that_failed_before_it_began_is_made_again(void **state) {
    (void)state;
    failed_updates_change_nothing(NULL);
}

static void an_update_that_failed_after_an_all_reduce_needs_its_gradients_anew(void **state) {
    (void)state;
    failed_updates_change_nothing(reduce_alone);
}

static void an_update_that_failed_within_leaves_a_trainer_that_only_loads(void **state) {
    (void)state;
    struct failing pool;
    tleg_context *context = NULL;
    tleg_trainer *trainer = open_on_pool(&pool, NULL, &context);
    tleg_learngene *gene = NULL;
    char folder[] = "/tmp/tleg-promises-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/state", folder);
    pass_on_pool(trainer);
    OK(context, tleg_trainer_save(context, trainer, path, 0, NULL));
    pool.good = 1; /* the first region of the optimiser */
    assert_int_equal(tleg_trainer_update(trainer, 1e-2), TLEG_ERROR_MEMORY);
    assert_int_equal(tleg_trainer_get_steps(trainer), 0);
    assert_int_equal(tleg_trainer_update(trainer, 1e-2), TLEG_ERROR_STATE);
    trainer_says(tleg_trainer_get_error(trainer), "tleg_trainer_load");
    tleg_trainer_forget(trainer); /* is no way out */
    assert_int_equal(tleg_trainer_update(trainer, 1e-2), TLEG_ERROR_STATE);
    assert_int_equal(tleg_trainer_copy_learngene(context, trainer, 0, &gene), TLEG_ERROR_STATE);
    assert_int_equal(tleg_trainer_save(context, trainer, path, 0, NULL), TLEG_ERROR_STATE);
    OK(context, tleg_trainer_load(context, trainer, path));
    pass_on_pool(trainer);
    OK_TRAINER(trainer, tleg_trainer_update(trainer, 1e-2));
    assert_int_equal(tleg_trainer_get_steps(trainer), 1);
    tleg_trainer_free(trainer);
    tleg_context_free(context);
    assert_int_equal(remove(path) | remove(folder), 0);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_said_exactly_and_no_step_allocates),
        cmocka_unit_test(memory_counts_texts_as_the_trainer_holds_them),
        cmocka_unit_test(checkpointing_needs_less_memory),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(what_was_not_trained_comes_back_as_it_was),
        cmocka_unit_test(a_model_comes_back_as_it_was),
        cmocka_unit_test(options_are_refused_by_name),
        cmocka_unit_test(batches_are_refused_with_what_was_expected),
        cmocka_unit_test(an_update_that_failed_before_it_began_is_made_again),
        cmocka_unit_test(an_update_that_failed_after_an_all_reduce_needs_its_gradients_anew),
        cmocka_unit_test(an_update_that_failed_within_leaves_a_trainer_that_only_loads),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
