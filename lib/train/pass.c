/* One forward and backward pass over the whole network. A batch goes through it in slices of a few images, forward and back, so
 * that what is kept for the way back stays in the cache; gradients and losses add up over the slices, in order. */
#include "train/private.h"

#include <string.h>

/* ---- slices ---- */

/* `size` images of the batch from `first` on. */
static struct tleg_slice slice_of(const tleg_trainer *t, const tleg_train_batch *batch, int64_t first, int64_t size,
                                  const struct tleg_pass *pass, double weight) {
    int64_t classes = t->layout.net.classes;
    struct tleg_slice slice = {.batch = *batch,
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
static void take_layer(const tleg_trainer *t, const struct tleg_slice *slice, int32_t l, struct tleg_train_layer *layer) {
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

static void forward_blocks(tleg_trainer *t, const struct tleg_slice *slice) {
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

static void backward_blocks(tleg_trainer *t, const struct tleg_slice *slice, float *d) {
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

/* ---- heads ---- */

static void forward_heads(const tleg_trainer *t, const struct tleg_train_outer *outer, int64_t batch) {
    const tleg_config *net = &t->layout.net;
    const int64_t features = tleg_config_features(net);
    for (int h = 0; h < tleg_trainer_heads(t); h++)
        t->ends->read_out(&t->exec, &outer->weights, h, batch, tleg_trainer_head(t, t->layout.pooled, h, batch, features),
                          tleg_trainer_head(t, t->layout.logits, h, batch, net->classes));
}

static void backward_heads(const tleg_trainer *t, const struct tleg_train_outer *outer, int64_t batch) {
    const tleg_config *net = &t->layout.net;
    const int64_t features = tleg_config_features(net);
    for (int h = 0; h < tleg_trainer_heads(t); h++)
        t->ends->read_out_backward(&t->exec, &outer->turned.head[h], h, batch,
                                   tleg_trainer_head(t, t->layout.pooled, h, batch, features),
                                   tleg_trainer_head(t, t->layout.dlogits, h, batch, net->classes),
                                   tleg_trainer_head(t, t->layout.dpooled, h, batch, features), &outer->gradient);
}

/* ---- the pass ---- */

static tleg_status slice_pass(tleg_trainer *t, const struct tleg_slice *slice, tleg_train_loss *loss) {
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
    tleg_status status = tleg_trainer_judge_answers(t, slice, loss);
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
static tleg_status draw_pass(tleg_trainer *t, const struct tleg_slice *slice, tleg_train_loss *loss) {
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
    const tleg_status status = tleg_trainer_judge_noise(t, &drawing, slice, loss);
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
    const double weight = tleg_trainer_weigh(t, batch);
    tleg_status status = TLEG_OK;
    tleg_train_form(t, pass->depth);
    draw_scales(t, batch->size, pass->depth);
    tleg_train_places_start(t);
    for (int64_t s = 0; s < slices && status == TLEG_OK; s++) {
        int64_t first = s * batch->size / slices, end = (s + 1) * batch->size / slices;
        struct tleg_slice slice = slice_of(t, batch, first, end - first, pass, weight);
        status = t->ends->conditions ? draw_pass(t, &slice, loss) : slice_pass(t, &slice, loss);
        t->done += (uint64_t)(end - first);
        if (status == TLEG_OK)
            status = tleg_trainer_go_on(t);
    }
    if (status == TLEG_OK)
        tleg_train_places_end(t);
    return status;
}
