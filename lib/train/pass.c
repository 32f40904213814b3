/* One forward and backward pass over the whole network. A batch goes through it in slices of a few images, forward and back, so
 * that what is kept for the way back stays in the cache; gradients and losses add up over the slices, in order. */
#include "train/private.h"

#include <math.h>
#include <string.h>

static int heads_of(const tleg_trainer *t) {
    return tleg_config_readouts(&t->layout.net);
}

/* ---- slices ---- */

struct slice {
    tleg_train_batch batch; /* its images alone */
    int64_t first;          /* of them, in the whole batch */
    double part;            /* of the whole batch */
    double weight;          /* of the whole batch's labels; without class weights nobody asks */
    const struct tleg_pass *pass;
    struct tleg_block_shape shape;
};

/* `size` images of the batch from `first` on. */
static struct slice slice_of(const tleg_trainer *t, const tleg_train_batch *batch, int64_t first, int64_t size,
                             const struct tleg_pass *pass, double weight) {
    int64_t classes = t->layout.net.classes;
    struct slice slice = {.batch = *batch,
                          .first = first,
                          .part = (double)size / batch->size,
                          .weight = weight,
                          .pass = pass,
                          .shape = t->layout.shape};
    slice.shape.batch = size;
    slice.batch.size = (int32_t)size;
    slice.batch.images += first * tleg_config_image(&t->layout.net);
    if (batch->labels)
        slice.batch.labels += first;
    if (batch->targets)
        slice.batch.targets += first * classes;
    if (batch->teacher_logits)
        slice.batch.teacher_logits += first * classes;
    return slice;
}

/* ---- stochastic depth ---- */

/* The scales of a layer, for the batch's images from `first` on: 0 with the layer's rate, else 1 / (1 - rate). */
static struct tleg_branch_scales layer_scales(const tleg_trainer *t, int32_t layer, int64_t first) {
    if (t->options.drop_path == 0)
        return (struct tleg_branch_scales){0};
    const float *all = tleg_trainer_at(t, t->layout.scales) + 2 * (int64_t)layer * t->options.batch + first;
    return (struct tleg_branch_scales){.attention = all, .mlp = all + t->options.batch};
}

/* Ranks draw the same depths, so their random numbers are the same: for its paths each goes on from one of them by itself. */
static void draw_scales(tleg_trainer *t, int64_t batch, int32_t depth) {
    float *all = tleg_trainer_at(t, t->layout.scales);
    struct tleg_random own, *random = &t->random;
    if (t->options.drop_path > 0 && t->options.ranks > 1) {
        tleg_random_seed(&own, tleg_random_next(&t->random), (uint64_t)t->options.rank + 1);
        random = &own;
    }
    for (int32_t layer = 0; t->options.drop_path > 0 && layer < depth; layer++) {
        double rate = depth > 1 ? t->options.drop_path * layer / (depth - 1) : 0;
        for (int branch = 0; branch < 2; branch++)
            for (int64_t b = 0; b < batch; b++)
                all[(2 * layer + branch) * t->options.batch + b] =
                    tleg_random_uniform(random) < rate ? 0.0f : (float)(1 / (1 - rate));
    }
}

/* ---- blocks ---- */

static float *condition_of(const tleg_trainer *t) {
    return tleg_trainer_at(t, t->layout.condition);
}

/* A layer's weights; with a condition, its norms and gates for the slice's images. */
static void take_layer(const tleg_trainer *t, const struct slice *slice, int32_t l, struct tleg_train_layer *layer) {
    tleg_train_layer(t, l, layer);
    if (t->ends->conditions)
        t->ends->conditions->modulate(&t->exec, &t->layout.net, slice->batch.size, condition_of(t), &layer->layer);
}

/* Where a block's activations are kept; with checkpointing only its input has a place of its own. */
static void kept_of(const tleg_trainer *t, int32_t layer, struct tleg_kept *kept) {
    const struct tleg_block_shape *shape = &t->layout.shape;
    bool one = t->options.checkpoint != 0;
    tleg_kept_place(shape, tleg_trainer_at(t, t->layout.kept) + (one ? 0 : (size_t)layer * tleg_kept_floats(shape)), kept);
    if (one)
        kept->x = tleg_trainer_at(t, t->layout.inputs) + layer * shape->batch * shape->tokens * shape->dim;
}

static void forward_blocks(tleg_trainer *t, const struct slice *slice) {
    const int32_t depth = slice->pass->depth;
    for (int32_t l = 0; l < depth; l++) {
        struct tleg_train_layer layer;
        struct tleg_kept kept, next = {.x = tleg_trainer_at(t, t->layout.last)};
        const struct tleg_branch_scales scales = layer_scales(t, l, slice->first);
        take_layer(t, slice, l, &layer);
        kept_of(t, l, &kept);
        if (l + 1 < depth)
            kept_of(t, l + 1, &next);
        tleg_block_keep(&t->exec, &slice->shape, &layer.layer, scales, &kept, next.x);
    }
}

static void backward_blocks(tleg_trainer *t, const struct slice *slice, float *d) {
    const struct tleg_conditions *conditions = t->ends->conditions;
    float *activations = tleg_trainer_at(t, t->layout.activations);
    for (int32_t l = slice->pass->depth - 1; l >= t->first_layer; l--) {
        struct tleg_train_layer layer;
        struct tleg_kept kept;
        const struct tleg_branch_scales scales = layer_scales(t, l, slice->first);
        take_layer(t, slice, l, &layer);
        kept_of(t, l, &kept);
        if (t->options.checkpoint)
            tleg_block_keep(&t->exec, &slice->shape, &layer.layer, scales, &kept, NULL);
        if (conditions)
            conditions->aim(&t->layout.net, slice->batch.size, condition_of(t), &layer.gradient);
        tleg_block_backward_pass(&t->exec, &slice->shape, &layer.layer, layer.turned, scales, &kept, &layer.gradient, d,
                                 activations);
        if (conditions)
            conditions->modulate_backward(&t->exec, &t->layout.net, layer.turned, slice->batch.size, condition_of(t),
                                          &layer.gradient);
    }
}

/* ---- heads and loss ---- */

/* (B, D) and (B, C) of one head */
static float *head_rows(const tleg_trainer *t, size_t offset, int head, int64_t batch, int64_t width) {
    return tleg_trainer_at(t, offset) + head * batch * width;
}

static void forward_heads(const tleg_trainer *t, const struct tleg_train_outer *outer, int64_t batch) {
    const tleg_config *net = &t->layout.net;
    const int64_t features = tleg_config_features(net);
    for (int h = 0; h < heads_of(t); h++)
        t->ends->read_out(&t->exec, &outer->weights, h, batch, head_rows(t, t->layout.pooled, h, batch, features),
                          head_rows(t, t->layout.logits, h, batch, net->classes));
}

static void backward_heads(const tleg_trainer *t, const struct tleg_train_outer *outer, int64_t batch) {
    const tleg_config *net = &t->layout.net;
    const int64_t features = tleg_config_features(net);
    for (int h = 0; h < heads_of(t); h++)
        t->ends->read_out_backward(&t->exec, &outer->turned.head[h], h, batch,
                                   head_rows(t, t->layout.pooled, h, batch, features),
                                   head_rows(t, t->layout.dlogits, h, batch, net->classes),
                                   head_rows(t, t->layout.dpooled, h, batch, features), &outer->gradient);
}

/* Images whose largest logit (the mean of both heads') is the label, or the largest target. */
static int64_t count_correct(const tleg_trainer *t, const tleg_train_batch *batch) {
    int64_t classes = t->layout.net.classes, correct = 0;
    const float *a = tleg_trainer_at(t, t->layout.logits), *b = a + (heads_of(t) - 1) * batch->size * classes;
    for (int64_t r = 0; r < batch->size && (batch->labels || batch->targets); r++) {
        int64_t best = 0, wanted = batch->labels ? batch->labels[r] : 0;
        for (int64_t c = 1; c < classes; c++) {
            best = a[r * classes + c] + b[r * classes + c] > a[r * classes + best] + b[r * classes + best] ? c : best;
            if (!batch->labels && batch->targets[r * classes + c] > batch->targets[r * classes + wanted])
                wanted = c;
        }
        correct += best == wanted;
    }
    return correct;
}

tleg_status tleg_trainer_check_loss(tleg_trainer *t, double loss, const char *against, const char *why) {
    if (isfinite(loss))
        return TLEG_OK;
    return tleg_error_set(&t->error, TLEG_ERROR_NUMERIC, "step %lld: the loss against the %s is not finite (%s)%s",
                          (long long)(t->steps + 1), against, isnan(loss) ? "NaN" : "infinite", why);
}

static bool all_finite(const float *values, int64_t count) {
    int64_t i = 0;
    while (i < count && isfinite(values[i]))
        i++;
    return i == count;
}

/* Labels first: their loss depends on our logits alone, so that what fails after it is the teacher's. */
static tleg_status check_losses(tleg_trainer *t, int64_t rows, const float *teacher, double labels, double taught) {
    tleg_status status = t->options.alpha < 1 ? tleg_trainer_check_loss(t, labels, "labels", "") : TLEG_OK;
    if (status || !teacher)
        return status;
    bool good = all_finite(teacher, rows * t->layout.net.classes);
    return tleg_trainer_check_loss(t, taught, "teacher", good ? "" : ": the teacher's logits are not finite");
}

tleg_status tleg_trainer_ask(tleg_trainer *t, tleg_train_batch *batch) {
    if (t->options.alpha <= 0)
        batch->teacher_logits = NULL;
    if (t->options.alpha <= 0 || batch->teacher_logits)
        return TLEG_OK;
    float *own = tleg_trainer_at(t, t->layout.teacher);
    batch->teacher_logits = own;
    const int64_t classes = t->layout.net.classes;
    for (int64_t i = 0; i < batch->size * classes; i++)
        own[i] = NAN; /* what is not written is seen */
    tleg_status status = t->options.teacher(t->options.teacher_host, batch->size, batch->images,
                                            (size_t)(batch->size * tleg_config_image(&t->layout.net)), (int32_t)classes, own);
    return status
               ? tleg_error_set(&t->error, status, "step %lld: the teacher gave status %d", (long long)(t->steps + 1), status)
               : TLEG_OK;
}

/* Labels judge the first head. */
static double judge_by_labels(const tleg_trainer *t, const struct slice *slice, double share) {
    const tleg_train_batch *batch = &slice->batch;
    if (!batch->labels && !batch->targets)
        return 0;
    float *dlogits = tleg_trainer_at(t, t->layout.dlogits);
    return tleg_loss(TLEG_LOSS_CROSS_ENTROPY, &(struct tleg_loss_call){.rows = batch->size,
                                                                       .classes = t->layout.net.classes,
                                                                       .logits = tleg_trainer_at(t, t->layout.logits),
                                                                       .labels = batch->labels,
                                                                       .targets = batch->targets,
                                                                       .smoothing = t->options.smoothing,
                                                                       .class_weights = t->options.class_weights,
                                                                       .weight = slice->part * slice->weight,
                                                                       .scale = share,
                                                                       .dlogits = share > 0 ? dlogits : NULL});
}

static bool has_squares(const tleg_trainer *t) {
    return t->options.teacher_loss == TLEG_TEACHER_LOSS_SQUARES;
}

/* One head's: tau^2 * sum KL(teacher || student) / (B * C), or sum (student - teacher)^2 / (B * C) */
static double judge_by_logits(const tleg_trainer *t, int64_t rows, int head, const float *teacher, double tau, double share) {
    const int64_t classes = t->layout.net.classes;
    return tleg_loss(has_squares(t) ? TLEG_LOSS_SQUARES : TLEG_LOSS_DISTILLATION,
                     &(struct tleg_loss_call){.rows = rows,
                                              .classes = classes,
                                              .logits = head_rows(t, t->layout.logits, head, rows, classes),
                                              .targets = teacher,
                                              .tau = tau,
                                              .scale = share,
                                              .dlogits = head_rows(t, t->layout.dlogits, head, rows, classes)});
}

/* The deepest pass' logits of a head, for the slice's images; kept as (heads, batch, C). */
static float *deepest_rows(const tleg_trainer *t, const struct slice *slice, int head) {
    return head_rows(t, t->layout.deepest, head, t->options.batch, t->layout.net.classes) +
           slice->first * t->layout.net.classes;
}

static void keep_deepest(const tleg_trainer *t, const struct slice *slice) {
    const int64_t rows = slice->batch.size, classes = t->layout.net.classes;
    for (int h = 0; h < heads_of(t); h++)
        memcpy(deepest_rows(t, slice, h), head_rows(t, t->layout.logits, h, rows, classes),
               (size_t)(rows * classes) * sizeof(float));
}

/* sum KL(deepest || shallower) / B, the mean of the heads': each follows its own. Its temperature is 1, and its size is that of
 * the labels' loss, as universally slimmable networks have it (arXiv 1903.05134). Squares are as large as the teacher's. */
static double judge_by_deepest(const tleg_trainer *t, const struct slice *slice, double share) {
    const double per = has_squares(t) ? 1 : t->layout.net.classes, heads = heads_of(t);
    double sum = 0;
    for (int h = 0; h < heads_of(t); h++)
        sum += judge_by_logits(t, slice->batch.size, h, deepest_rows(t, slice, h), 1, share * per / heads);
    return sum * per / heads;
}

/* Losses of a slice, and their gradients by the logits. Labels judge the first head, the teacher the last. */
static tleg_status losses(tleg_trainer *t, const struct slice *slice, tleg_train_loss *loss) {
    const tleg_train_batch *batch = &slice->batch;
    const double alpha = t->options.alpha, share = slice->pass->share * slice->part; /* of the step's gradient */
    const double in_place = slice->pass->part == TLEG_PASS_FOLLOWS ? t->options.in_place : 0, usual = 1 - in_place;
    const double per = t->options.teacher_mean == TLEG_TEACHER_MEAN_OVER_IMAGES ? t->layout.net.classes : 1;
    double taught = 0, followed = 0;
    memset(tleg_trainer_at(t, t->layout.dlogits), 0,
           (size_t)(heads_of(t) * batch->size * t->layout.net.classes) * sizeof(float));
    const double labels = judge_by_labels(t, slice, share * usual * (1 - alpha));
    if (batch->teacher_logits)
        taught = per * judge_by_logits(t, batch->size, heads_of(t) - 1, batch->teacher_logits, t->options.tau,
                                       share * usual * alpha * per);
    if (slice->pass->part == TLEG_PASS_TEACHES)
        keep_deepest(t, slice);
    if (slice->pass->part == TLEG_PASS_FOLLOWS)
        followed = judge_by_deepest(t, slice, share * in_place);
    loss->labels += slice->part * labels;
    loss->teacher += slice->part * taught;
    loss->in_place += slice->part * followed;
    loss->total += slice->part * (usual * ((alpha < 1 ? (1 - alpha) * labels : 0) + alpha * taught) + in_place * followed);
    loss->correct += count_correct(t, batch);
    const tleg_status status = check_losses(t, batch->size, batch->teacher_logits, labels, taught);
    return status != TLEG_OK ? status : tleg_trainer_check_loss(t, followed, "deepest pass", "");
}

/* What the class weights make of a batch's labels, or targets, together. */
static double weigh(const tleg_trainer *t, const tleg_train_batch *batch) {
    const double *weights = t->options.class_weights;
    const int64_t classes = t->layout.net.classes;
    double sum = 0;
    for (int64_t r = 0; weights && batch->labels && r < batch->size; r++)
        sum += weights[batch->labels[r]];
    for (int64_t i = 0; weights && batch->targets && i < batch->size * classes; i++)
        sum += weights[i % classes] * batch->targets[i];
    return sum;
}

/* ---- the pass ---- */

static tleg_status slice_pass(tleg_trainer *t, const struct slice *slice, tleg_train_loss *loss) {
    const tleg_config *net = &t->layout.net;
    float *last = tleg_trainer_at(t, t->layout.last), *d = tleg_trainer_at(t, t->layout.d);
    /* the block's activations are free between forward and backward */
    const struct tleg_pooled pooled = {.out = tleg_trainer_at(t, t->layout.pooled),
                                       .seen = tleg_trainer_at(t, t->layout.gathered),
                                       .rows = tleg_trainer_at(t, t->layout.activations),
                                       .room = tleg_trainer_at(t, t->layout.activations)};
    const float *images = slice->batch.images;
    int64_t size = slice->batch.size;
    struct tleg_train_outer outer;
    struct tleg_kept first;
    tleg_train_outer(t, &outer);
    kept_of(t, 0, &first);
    t->ends->embed(&t->exec, net, &outer.weights, images, size, first.x);
    forward_blocks(t, slice);
    t->ends->pool(&t->exec, net, &outer.weights, size, last, &pooled);
    forward_heads(t, &outer, size);
    tleg_status status = losses(t, slice, loss);
    if (status != TLEG_OK)
        return status;
    backward_heads(t, &outer, size);
    t->ends->pool_backward(&t->exec, net, &outer.weights, &outer.turned, size, last, &pooled,
                           tleg_trainer_at(t, t->layout.dpooled), d, &outer.gradient);
    backward_blocks(t, slice, d);
    if (t->embedding_learns)
        t->ends->embed_backward(&t->exec, net, &outer.weights, images, size, d, tleg_trainer_at(t, t->layout.activations),
                                &outer.gradient);
    return TLEG_OK;
}

/* The same of a generator: images that are noised in, their noise out. */
static tleg_status draw_pass(tleg_trainer *t, const struct slice *slice, tleg_train_loss *loss) {
    const tleg_config *net = &t->layout.net;
    const struct tleg_conditions *conditions = t->ends->conditions;
    const struct tleg_drawing drawing = tleg_trainer_drawing(t, slice->first);
    float *last = tleg_trainer_at(t, t->layout.last), *d = tleg_trainer_at(t, t->layout.d), *condition = condition_of(t);
    float *room = tleg_trainer_at(t, t->layout.activations); /* free between forward and backward */
    const int64_t size = slice->batch.size;
    struct tleg_train_outer outer;
    struct tleg_kept first;
    tleg_train_outer(t, &outer);
    kept_of(t, 0, &first);
    conditions->form(&t->exec, net, &outer.weights, &drawing.asked, size, condition);
    t->ends->embed(&t->exec, net, &outer.weights, drawing.noised, size, first.x);
    forward_blocks(t, slice);
    conditions->finish(&t->exec, net, &outer.weights, size, condition, last, room, tleg_trainer_at(t, t->layout.logits));
    const tleg_status status = tleg_trainer_judge_noise(t, &drawing, size, slice->part, slice->pass, loss);
    if (status != TLEG_OK)
        return status;
    conditions->finish_backward(&t->exec, net, &outer.turned, size, condition, last, tleg_trainer_at(t, t->layout.dlogits),
                                room, d, &outer.gradient);
    backward_blocks(t, slice, d);
    if (!t->embedding_learns)
        return TLEG_OK;
    t->ends->embed_backward(&t->exec, net, &outer.weights, drawing.noised, size, d, room, &outer.gradient);
    conditions->form_backward(&t->exec, net, &outer.turned, &drawing.asked, size, condition, &outer.gradient);
    return TLEG_OK;
}

tleg_status tleg_trainer_pass(tleg_trainer *t, const tleg_train_batch *batch, const struct tleg_pass *pass,
                              tleg_train_loss *loss) {
    int64_t most = t->layout.shape.batch, slices = (batch->size + most - 1) / most;
    const double weight = weigh(t, batch);
    tleg_status status = TLEG_OK;
    tleg_train_form(t, pass->depth);
    draw_scales(t, batch->size, pass->depth);
    tleg_train_places_start(t);
    for (int64_t s = 0; s < slices && status == TLEG_OK; s++) {
        int64_t first = s * batch->size / slices, end = (s + 1) * batch->size / slices;
        struct slice slice = slice_of(t, batch, first, end - first, pass, weight);
        status = t->ends->conditions ? draw_pass(t, &slice, loss) : slice_pass(t, &slice, loss);
        t->done += (uint64_t)(end - first);
        if (status == TLEG_OK)
            status = tleg_trainer_go_on(t);
    }
    if (status == TLEG_OK)
        tleg_train_places_end(t);
    return status;
}
