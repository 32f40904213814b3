/* The trainer's life, and the calls of a step. */
#include "train/private.h"

#include <math.h>

/* ---- options ---- */

static bool share_of_one(double value) {
    return value >= 0 && value <= 1; /* false for NaN */
}

static const char *bad_option(const tleg_trainer_options *o) {
    if (o->batch < 1 || o->batch > 1 << 20)
        return "batch: expected 1 to 1048576";
    if (o->depth_mode < TLEG_DEPTH_FIXED || o->depth_mode > TLEG_DEPTH_SANDWICH)
        return "depth_mode: expected one of TLEG_DEPTH_*";
    if (!share_of_one(o->alpha) || !share_of_one(o->smoothing))
        return "alpha and smoothing: expected 0 to 1";
    if (!(o->tau > 0) || !(o->epsilon > 0) || !isfinite(o->tau) || !isfinite(o->epsilon))
        return "tau and epsilon: expected more than 0";
    if (!(o->beta1 >= 0 && o->beta1 < 1) || !(o->beta2 >= 0 && o->beta2 < 1))
        return "beta1 and beta2: expected 0 to less than 1";
    if (!(o->clip >= 0) || !isfinite(o->clip) || !isfinite(o->weight_decay))
        return "clip and weight_decay: expected finite numbers, clip not below 0";
    if (!(o->drop_path >= 0 && o->drop_path < 1) || !(o->ema >= 0 && o->ema < 1))
        return "drop_path and ema: expected 0 to less than 1";
    if (!share_of_one(o->in_place) || (o->in_place > 0 && o->depth_mode != TLEG_DEPTH_SANDWICH))
        return "in_place: expected 0, or up to 1 with TLEG_DEPTH_SANDWICH";
    if (o->dtype != TLEG_F32 && o->dtype != TLEG_BF16)
        return "dtype: expected TLEG_F32 or TLEG_BF16";
    if (o->optimiser < TLEG_OPTIMISER_ADAMW || o->optimiser > TLEG_OPTIMISER_SGD)
        return "optimiser: expected one of TLEG_OPTIMISER_*";
    if (!(o->momentum >= 0 && o->momentum < 1) || o->nesterov < -1 || o->nesterov > 1)
        return "momentum: expected 0 to less than 1; nesterov: -1, 0 or 1";
    if (o->freeze < 0 || o->freeze >= (TLEG_PART_BACKBONE | TLEG_PART_HEAD))
        return "freeze: expected TLEG_PART_* together, and not all of them";
    if (o->frozen_layers < 0 || !(o->layer_decay > 0 && o->layer_decay <= 1))
        return "frozen_layers: expected 0 or more; layer_decay: more than 0, at most 1";
    if (!(o->label_drop >= 0 && o->label_drop < 1))
        return "label_drop: expected 0 to less than 1";
    if (o->ranks < 1)
        return "ranks: expected 1 or more";
    if (o->ranks > 1 && !o->all_reduce)
        return "all_reduce: expected a function where there are several ranks";
    if (o->rank < 0 || o->rank >= o->ranks)
        return "rank: expected 0 to less than ranks";
    if (o->teacher_mean < TLEG_TEACHER_MEAN_OVER_LOGITS || o->teacher_mean > TLEG_TEACHER_MEAN_OVER_IMAGES)
        return "teacher_mean: expected one of TLEG_TEACHER_MEAN_*";
    if (o->teacher_loss < TLEG_TEACHER_LOSS_DIVERGENCE || o->teacher_loss > TLEG_TEACHER_LOSS_SQUARES)
        return "teacher_loss: expected one of TLEG_TEACHER_LOSS_*";
    if (o->teacher_loss == TLEG_TEACHER_LOSS_SQUARES && o->alpha != 1)
        return "teacher_loss: TLEG_TEACHER_LOSS_SQUARES needs alpha 1: no label judges such outputs";
    if (o->ema_warmup != 0 && o->ema_warmup != 1)
        return "ema_warmup: expected 0 or 1";
    if (o->checkpoint != 0 && o->checkpoint != 1)
        return "checkpoint: expected 0 or 1";
    return NULL;
}

static double or_default(double value, double otherwise) {
    return value == 0 ? otherwise : value;
}

/* Where zero is a number that makes sense: negative means it. */
static double or_zero(double value, double otherwise) {
    return value < 0 && isfinite(value) ? 0 : or_default(value, otherwise);
}

static tleg_status read_options(tleg_context *context, const tleg_trainer_options *host, tleg_trainer_options *o) {
    *o = (tleg_trainer_options){0};
    tleg_status status = tleg_options_read(context, "tleg_trainer_options", host, o, sizeof *o, TLEG_LEAST_TRAINER_OPTIONS);
    if (status == TLEG_OK)
        status = tleg_check_reserved(context, "tleg_trainer_options.reserved", o->reserved == NULL);
    if (status != TLEG_OK)
        return status;
    o->depth_mode = o->depth_mode ? o->depth_mode : TLEG_DEPTH_FIXED;
    o->ranks = o->ranks ? o->ranks : 1;
    o->dtype = o->dtype ? o->dtype : TLEG_F32;
    o->tau = or_default(o->tau, 1);
    o->beta1 = or_zero(o->beta1, 0.9);
    o->beta2 = or_zero(o->beta2, 0.999);
    o->epsilon = or_default(o->epsilon, 1e-8);
    o->optimiser = o->optimiser ? o->optimiser : TLEG_OPTIMISER_ADAMW;
    o->weight_decay = or_zero(o->weight_decay, o->optimiser == TLEG_OPTIMISER_SGD ? 5e-4 : 0.05); /* SGD's is coupled */
    o->momentum = or_zero(o->momentum, o->optimiser == TLEG_OPTIMISER_SGD ? 0.9 : 0.95);
    o->nesterov = o->nesterov ? o->nesterov : o->optimiser == TLEG_OPTIMISER_SGD ? -1 : 1;
    o->layer_decay = or_default(o->layer_decay, 1);
    o->teacher_mean = o->teacher_mean ? o->teacher_mean : TLEG_TEACHER_MEAN_OVER_LOGITS;
    o->teacher_loss = o->teacher_loss ? o->teacher_loss : TLEG_TEACHER_LOSS_DIVERGENCE;
    const char *bad = bad_option(o);
    if (bad)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_trainer_options.%s", bad);
    return tleg_position_filter_check(context, "tleg_trainer_options.position_filter", o->position_filter);
}

static tleg_status lay_out(tleg_context *context, const tleg_learngene *gene, const tleg_model *model,
                           const tleg_trainer_options *host, tleg_trainer_options *own, struct tleg_trainer_layout *layout) {
    tleg_status status = read_options(context, host, own);
    if (status == TLEG_OK)
        status = tleg_trainer_lay_out(context, gene, model, own, layout);
    if (status == TLEG_OK && !tleg_params_learn(&layout->net, own))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_trainer_options.freeze, frozen_layers: they leave nothing to learn of what this network has");
    return status;
}

static const struct tleg_vit_config *config_of(const tleg_learngene *gene, const tleg_model *model) {
    return gene ? &gene->config : &model->config;
}

static tleg_status get_memory(tleg_context *context, const tleg_learngene *gene, const tleg_model *model,
                              const tleg_trainer_options *options, uint64_t *bytes) {
    if (bytes)
        *bytes = 0;
    if (!context || (!gene && !model) || !options || !bytes)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "the memory of a trainer: a pointer is NULL");
    tleg_trainer_options own;
    struct tleg_trainer_layout layout;
    tleg_status status = lay_out(context, gene, model, options, &own, &layout);
    if (status == TLEG_OK)
        *bytes = layout.bytes + tleg_config_copy_bytes(config_of(gene, model));
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_trainer_get_memory(tleg_context *context, const tleg_learngene *gene,
                                                       const tleg_trainer_options *options, uint64_t *bytes) {
    return get_memory(context, gene, NULL, options, bytes);
}

TLEG_API tleg_status TLEG_CALL tleg_trainer_get_memory_for_model(tleg_context *context, const tleg_model *model,
                                                                 const tleg_trainer_options *options, uint64_t *bytes) {
    return get_memory(context, NULL, model, options, bytes);
}

/* ---- creation ---- */

static void point_at_memory(tleg_trainer *t) {
    const struct tleg_trainer_layout *l = &t->layout;
    t->list = (struct tleg_param *)(void *)tleg_trainer_at(t, l->list);
    t->now = (int32_t *)(void *)tleg_trainer_at(t, l->now);
    struct tleg_train_segment *segment = (struct tleg_train_segment *)(void *)tleg_trainer_at(t, l->segments);
    int32_t *length = (int32_t *)(void *)tleg_trainer_at(t, l->lengths);
    for (int site = 0; site < TLEG_SITES; site++) {
        t->segments[site] = segment;
        t->lengths[site] = length;
        segment += l->params.segments[site];
        length += l->params.segments[site];
    }
    t->values = tleg_trainer_at(t, l->values);
    t->gradient = tleg_trainer_at(t, l->gradient);
    t->moment1 = tleg_trainer_at(t, l->moment1);
    t->moment2 = t->options.optimiser == TLEG_OPTIMISER_SGD ? NULL : tleg_trainer_at(t, l->moment2);
    t->average = t->options.ema > 0 ? tleg_trainer_at(t, l->average) : NULL;
    t->exec.shared = (char *)tleg_trainer_at(t, l->shared);
    t->exec.lane = (char *)tleg_trainer_at(t, l->lane);
    t->exec.lane_bytes = l->lane_bytes;
}

/* The host's are not needed afterwards. */
static void take_class_weights(tleg_trainer *t) {
    double *own = (double *)(void *)tleg_trainer_at(t, t->layout.class_weights);
    for (int32_t c = 0; t->options.class_weights && c < t->layout.net.classes; c++)
        own[c] = t->options.class_weights[c];
    t->options.class_weights = t->options.class_weights ? own : NULL;
}

static void fill(tleg_trainer *t, const tleg_learngene *gene, const tleg_model *model) {
    point_at_memory(t);
    take_class_weights(t);
    tleg_params_place(t, gene, model, NULL);
    for (size_t i = 0; t->average && i < t->layout.params.floats; i++)
        t->average[i] = t->values[i];
    tleg_random_seed(&t->random, t->options.seed, 0);
    tleg_trainer_draw(t);
}

static tleg_status create(tleg_context *context, const tleg_learngene *gene, const tleg_model *model,
                          const tleg_trainer_options *options, tleg_trainer **out) {
    if (out)
        *out = NULL;
    if (!context || (!gene && !model) || !options || !out)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "trainer: a pointer is NULL");
    tleg_trainer_options own;
    struct tleg_trainer_layout layout;
    struct tleg_vit_config config = {0};
    const struct tleg_kernels *kernels;
    tleg_status status = lay_out(context, gene, model, options, &own, &layout);
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status == TLEG_OK)
        status = tleg_config_copy(context, config_of(gene, model), &config);
    if (status != TLEG_OK)
        return status;
    tleg_trainer *t = tleg_alloc_zero(&context->allocator, layout.bytes);
    if (!t) {
        tleg_config_free(&config);
        return tleg_fail_memory(context, "trainer", layout.bytes);
    }
    t->allocator = context->allocator;
    t->options = own;
    t->config = config;
    t->layout = layout;
    t->layout.shape.angles = tleg_trainer_at(t, layout.angles);
    tleg_rotary_fill(&layout.net, tleg_trainer_at(t, layout.angles));
    t->is_gene = gene != NULL;
    t->ends = tleg_ends_of(&layout.net);
    t->exec = (struct tleg_exec){.kernels = kernels,
                                 .blas = context->blas,
                                 .team = tleg_team_share(context->team),
                                 .lanes = tleg_team_lanes(context->team)};
    t->exec.outcome = &t->outcome;
    t->progress = context->progress;
    t->progress_host = context->progress_host;
    t->layout.net.labels = config.c.labels;
    t->layout.net.schedule = config.c.schedule;
    t->layout.net.ignored = config.c.ignored;
    fill(t, gene, model);
    *out = t;
    return TLEG_OK;
}

TLEG_API tleg_status TLEG_CALL tleg_trainer_create(tleg_context *context, const tleg_learngene *gene,
                                                   const tleg_trainer_options *options, tleg_trainer **trainer) {
    return create(context, gene, NULL, options, trainer);
}

TLEG_API tleg_status TLEG_CALL tleg_trainer_create_for_model(tleg_context *context, const tleg_model *model,
                                                             const tleg_trainer_options *options, tleg_trainer **trainer) {
    return create(context, NULL, model, options, trainer);
}

TLEG_API void TLEG_CALL tleg_trainer_free(tleg_trainer *trainer) {
    if (!trainer)
        return;
    struct tleg_allocator allocator = trainer->allocator;
    size_t bytes = trainer->layout.bytes;
    tleg_team_free(trainer->exec.team);
    tleg_config_free(&trainer->config);
    tleg_release(&allocator, trainer, bytes);
}

/* ---- a step ---- */

static tleg_status check_share(tleg_trainer *t, const tleg_train_batch *b) {
    return b->share >= 0 && isfinite(b->share)
               ? TLEG_OK
               : tleg_error_set(&t->error, TLEG_ERROR_ARGUMENT, "batch.share: expected a finite number >= 0");
}

static tleg_status check_drawn(tleg_trainer *t, const tleg_train_batch *b) {
    const int64_t rows = tleg_config_label_rows(&t->layout.net);
    if (b->targets || b->teacher_logits)
        return tleg_error_set(&t->error, TLEG_ERROR_ARGUMENT,
                              "batch: targets and teacher_logits are for classifiers, and this is a generator");
    if (!b->labels && t->layout.net.no_null_label)
        return tleg_error_set(&t->error, TLEG_ERROR_ARGUMENT, "batch: no labels, and this generator has no null label");
    for (int32_t i = 0; b->labels && i < b->size; i++)
        if (b->labels[i] < 0 || b->labels[i] >= rows)
            return tleg_error_set(&t->error, TLEG_ERROR_ARGUMENT, "batch: label %lld of image %d, expected 0 to %lld",
                                  (long long)b->labels[i], i, (long long)(rows - 1));
    for (int32_t i = 0; b->times && i < b->size; i++)
        if (b->times[i] < 0 || b->times[i] >= TLEG_TIMES)
            return tleg_error_set(&t->error, TLEG_ERROR_ARGUMENT, "batch: time %lld of image %d, expected 0 to %d",
                                  (long long)b->times[i], i, TLEG_TIMES - 1);
    return check_share(t, b);
}

static tleg_status check_batch(tleg_trainer *t, const tleg_train_batch *b) {
    double alpha = t->options.alpha;
    if (!b->images || b->size < 1 || b->size > t->options.batch)
        return tleg_error_set(&t->error, TLEG_ERROR_ARGUMENT, "batch: %d images, expected 1 to %d, and their pixels", b->size,
                              t->options.batch);
    if (tleg_config_draws(&t->layout.net))
        return check_drawn(t, b);
    if (b->times || b->noise)
        return tleg_error_set(&t->error, TLEG_ERROR_ARGUMENT, "batch: times and noise are for a generator");
    if (alpha < 1 && !b->labels && !b->targets)
        return tleg_error_set(&t->error, TLEG_ERROR_ARGUMENT, "batch: neither labels nor targets, and alpha is less than 1");
    if (alpha > 0 && !b->teacher_logits && !t->options.teacher)
        return tleg_error_set(&t->error, TLEG_ERROR_ARGUMENT, "batch: no teacher, and alpha is more than 0");
    for (int32_t i = 0; b->labels && i < b->size; i++)
        if (b->labels[i] < 0 || b->labels[i] >= t->layout.net.classes)
            return tleg_error_set(&t->error, TLEG_ERROR_ARGUMENT, "batch: label %lld of image %d, expected 0 to %d",
                                  (long long)b->labels[i], i, t->layout.net.classes - 1);
    return check_share(t, b);
}

/* Copies a host's struct without a context: the trainer's own error is set. */
static tleg_status read_batch(tleg_trainer *t, const tleg_train_batch *host, tleg_train_batch *own) {
    *own = (tleg_train_batch){0};
    tleg_status status = tleg_struct_read(&t->error, "tleg_train_batch", host, own, sizeof *own, TLEG_LEAST_TRAIN_BATCH);
    if (status != TLEG_OK)
        return status;
    own->share = own->share == 0 ? 1 : own->share;
    if (own->targets)
        own->labels = NULL;
    return check_batch(t, own);
}

static int32_t random_depth(tleg_trainer *t) {
    uint64_t span = (uint64_t)(t->layout.depth_most - t->options.depth_least + 1);
    return t->options.depth_least + (int32_t)(tleg_random_next(&t->random) % span);
}

void tleg_trainer_draw(tleg_trainer *t) {
    t->depth = t->options.depth_mode == TLEG_DEPTH_FIXED ? t->layout.depth_most : random_depth(t);
}

tleg_status tleg_trainer_go_on(tleg_trainer *t) {
    if (!t->progress || t->progress(t->progress_host, "train", t->done, t->total) == 0 || t->done == t->total)
        return TLEG_OK;
    return tleg_error_set(&t->error, TLEG_ERROR_CANCELLED,
                          "step %lld: the host's progress function stopped it at %llu of %llu images",
                          (long long)(t->steps + 1), (unsigned long long)t->done, (unsigned long long)t->total);
}

/* The deepest first: with in-place distillation the others learn from its logits. */
static tleg_status run_sandwich(tleg_trainer *t, const tleg_train_batch *batch, tleg_train_loss *loss) {
    const int32_t depths[3] = {t->layout.depth_most, t->options.depth_least, t->depth};
    const bool teaches = t->options.in_place > 0;
    tleg_status status = TLEG_OK;
    for (int i = 0; i < 3 && status == TLEG_OK; i++) {
        const struct tleg_pass pass = {.depth = depths[i],
                                       .share = batch->share / 3,
                                       .part = !teaches ? TLEG_PASS_ALONE
                                               : i == 0 ? TLEG_PASS_TEACHES
                                                        : TLEG_PASS_FOLLOWS};
        tleg_train_loss one = {0};
        status = tleg_trainer_pass(t, batch, &pass, &one);
        loss->total += one.total / 3;
        loss->labels += one.labels / 3;
        loss->teacher += one.teacher / 3;
        loss->in_place += one.in_place / 2; /* the deepest has none */
        loss->correct = one.correct;        /* of the random depth */
    }
    return status;
}

static tleg_status run_passes(tleg_trainer *t, tleg_train_batch *batch, tleg_train_loss *loss) {
    t->done = 0;
    t->total = (uint64_t)batch->size * (t->options.depth_mode == TLEG_DEPTH_SANDWICH ? 3 : 1);
    tleg_status status = tleg_trainer_go_on(t);
    if (status == TLEG_OK)
        status = t->ends->conditions ? tleg_trainer_noise(t, batch) : tleg_trainer_ask(t, batch);
    if (status != TLEG_OK)
        return status;
    if (t->options.depth_mode != TLEG_DEPTH_SANDWICH)
        return tleg_trainer_pass(t, batch, &(struct tleg_pass){.depth = t->depth, .share = batch->share}, loss);
    return run_sandwich(t, batch, loss);
}

static tleg_status fill_loss(tleg_trainer *trainer, const tleg_train_loss *sum, tleg_train_loss *loss) {
    return tleg_struct_write(&trainer->error, "tleg_train_loss", sum, sizeof *sum, loss, TLEG_LEAST_TRAIN_LOSS);
}

static const char in_callback[] = "the trainer is used by its own callback";
static const char is_torn[] = "the context's parallel failed within a step, which only a part of the parameters made: call "
                              "tleg_trainer_load, or begin with another trainer";

tleg_status tleg_trainer_check_idle(tleg_context *context, const tleg_trainer *trainer) {
    return trainer->busy ? tleg_fail(context, TLEG_ERROR_STATE, in_callback) : TLEG_OK;
}

tleg_status tleg_trainer_check_whole(tleg_context *context, const tleg_trainer *trainer) {
    const tleg_status status = tleg_trainer_check_idle(context, trainer);
    return status == TLEG_OK && trainer->torn ? tleg_fail(context, TLEG_ERROR_STATE, is_torn) : status;
}

bool tleg_trainer_pool_failed(const tleg_trainer *trainer) {
    return trainer->outcome.status != TLEG_OK;
}

/* Begins a call that computes: no callback of the trainer's is running, and nothing went wrong with the pool yet. */
static tleg_status begin(tleg_trainer *t) {
    if (t->busy || t->torn)
        return tleg_error_set(&t->error, TLEG_ERROR_STATE, t->busy ? in_callback : is_torn);
    t->busy = true;
    t->outcome = (struct tleg_team_outcome){.status = TLEG_OK};
    return TLEG_OK;
}

/* What the call came to: `status`, or what the pool did wrong. */
static tleg_status end(tleg_trainer *t, tleg_status status) {
    t->busy = false;
    return status != TLEG_OK ? status : tleg_team_report(&t->error, &t->outcome);
}

TLEG_API tleg_status TLEG_CALL tleg_trainer_backward(tleg_trainer *trainer, const tleg_train_batch *batch,
                                                     tleg_train_loss *loss) {
    if (!trainer)
        return TLEG_ERROR_ARGUMENT;
    if (!batch)
        return tleg_error_set(&trainer->error, TLEG_ERROR_ARGUMENT, "tleg_trainer_backward: batch is NULL");
    tleg_train_batch own;
    tleg_train_loss sum = {.struct_size = sizeof sum, .depth = trainer->depth};
    tleg_status status = loss ? fill_loss(trainer, &sum, loss) : TLEG_OK; /* before anything is added */
    if (status == TLEG_OK)
        status = read_batch(trainer, batch, &own);
    if (status == TLEG_OK)
        status = begin(trainer);
    if (status != TLEG_OK)
        return status;
    status = end(trainer, run_passes(trainer, &own, &sum));
    if (status != TLEG_OK)
        trainer->undefined = true;
    return status == TLEG_OK && loss ? fill_loss(trainer, &sum, loss) : status;
}

TLEG_API tleg_status TLEG_CALL tleg_trainer_update(tleg_trainer *trainer, double learning_rate) {
    if (!trainer)
        return TLEG_ERROR_ARGUMENT;
    if (!(learning_rate >= 0) || !isfinite(learning_rate))
        return tleg_error_set(&trainer->error, TLEG_ERROR_ARGUMENT, "the learning rate: expected a finite number of 0 or more");
    tleg_status status = begin(trainer);
    if (status != TLEG_OK)
        return status;
    if (trainer->undefined)
        return end(trainer, tleg_error_set(&trainer->error, TLEG_ERROR_STATE,
                                           "update: gradients are undefined since a call failed: call tleg_trainer_forget"));
    status = end(trainer, tleg_trainer_apply(trainer, learning_rate));
    if (status == TLEG_OK)
        tleg_trainer_forget(trainer);
    return status;
}

TLEG_API void TLEG_CALL tleg_trainer_forget(tleg_trainer *trainer) {
    if (!trainer || trainer->busy)
        return;
    for (size_t i = 0; i < trainer->layout.params.floats; i++)
        trainer->gradient[i] = 0;
    trainer->undefined = false;
    tleg_trainer_draw(trainer);
}

TLEG_API tleg_dtype TLEG_CALL tleg_trainer_get_dtype(const tleg_trainer *trainer) {
    return trainer ? trainer->layout.shape.dtype : 0;
}

TLEG_API int64_t TLEG_CALL tleg_trainer_get_steps(const tleg_trainer *trainer) {
    return trainer ? trainer->steps : 0;
}

TLEG_API const char *TLEG_CALL tleg_trainer_get_error(const tleg_trainer *trainer) {
    return trainer ? trainer->error.text : "the trainer is NULL";
}
