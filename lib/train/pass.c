/* One forward and backward pass over the whole network. */
#include "train/trainer.h"

#include <math.h>
#include <string.h>

static int heads_of(const tleg_trainer *t) {
    return tleg_config_readouts(&t->layout.net);
}

/* ---- a layer's weights, formed for this step ---- */

struct layer_at { /* of one site in one layer */
    const struct tleg_train_segment *segment;
    float c;
};

static struct layer_at find_layer(const tleg_trainer *t, enum tleg_site site, int32_t layer) {
    const int32_t *now = t->now;
    for (int s = 0; s < (int)site; s++)
        now += t->layout.params.segments[s];
    struct layer_at at;
    int32_t segment;
    tleg_schedule_at(t->layout.params.segments[site], now, layer, &segment, &at.c);
    at.segment = &t->segments[site][segment];
    return at;
}

struct forming {
    tleg_trainer *trainer;
    int32_t layer;
    struct tleg_layer_values values;
    float *at[TLEG_SITES][2];
};

/* Where each tensor of a formed layer goes; bias NULL: none. */
static void place_formed(tleg_trainer *t, struct forming *forming) {
    float *at = tleg_trainer_at(t, t->layout.formed);
    for (int site = 0; site < TLEG_SITES; site++)
        for (int bias = 0; bias < 2; bias++) {
            struct tleg_spec spec;
            tleg_site_spec(&t->layout.net, site, bias, &spec);
            size_t count = tleg_spec_count(&spec);
            forming->at[site][bias] = count ? at : NULL;
            at += tleg_size_align(count * sizeof(float)) / sizeof(float);
        }
}

/* value = base + c * ilayer, row-major */
static void form_site(void *arg, int64_t item, char *lane) {
    (void)lane;
    struct forming *forming = arg;
    tleg_trainer *t = forming->trainer;
    int site = (int)item;
    struct layer_at at = find_layer(t, site, forming->layer);
    const int64_t from[2][2] = {{at.segment->weight, at.segment->weight_ilayer}, {at.segment->bias, at.segment->bias_ilayer}};
    for (int bias = 0; bias < 2; bias++) {
        float *out = forming->at[site][bias];
        if (!out)
            continue;
        struct tleg_spec spec;
        tleg_site_spec(&t->layout.net, site, bias, &spec);
        const float *ilayer = from[bias][1] < 0 ? NULL : t->values + from[bias][1];
        tleg_expand(t->exec.kernels, t->values + from[bias][0], ilayer, at.c, tleg_spec_count(&spec), TLEG_F32, out);
    }
}

static void form_layer(tleg_trainer *t, int32_t layer, struct tleg_layer_values *values) {
    struct forming forming = {.trainer = t, .layer = layer};
    place_formed(t, &forming);
    tleg_for_each(&t->exec, TLEG_SITES, form_site, &forming);
    for (int site = 0; site < TLEG_SITES; site++) {
        values->weight[site] = forming.at[site][0];
        values->bias[site] = forming.at[site][1];
    }
}

struct packing {
    tleg_trainer *trainer;
    const struct tleg_layer_values *values;
};

static void pack_site(void *arg, int64_t site, char *lane) {
    (void)lane;
    const struct packing *packing = arg;
    tleg_trainer *t = packing->trainer;
    char *memory = (char *)tleg_trainer_at(t, t->layout.layer);
    for (int bias = 0; bias < 2; bias++) {
        const float *from = bias ? packing->values->bias[site] : packing->values->weight[site];
        if (from)
            tleg_layer_put(t->exec.kernels, &t->layout.net, &t->layout.packed, memory, (int)site, bias, from, NULL);
    }
}

static void pack_layer(tleg_trainer *t, const struct tleg_layer_values *values, struct tleg_layer *layer) {
    struct packing packing = {t, values};
    tleg_for_each(&t->exec, TLEG_SITES, pack_site, &packing);
    tleg_layer_view(&t->layout.packed, &t->layout.net, (char *)tleg_trainer_at(t, t->layout.layer), layer);
}

/* ---- stochastic depth ---- */

/* scale[branch] (B) of a layer: 0 with the layer's rate, else 1 / (1 - rate); NULL without stochastic depth. */
static void layer_scales(const tleg_trainer *t, int32_t layer, const float *scale[2]) {
    const float *all = tleg_trainer_at(t, t->layout.scales);
    bool on = t->options.drop_path > 0;
    for (int branch = 0; branch < 2; branch++)
        scale[branch] = on ? all + (2 * layer + branch) * t->layout.shape.batch : NULL;
}

static void draw_scales(tleg_trainer *t, int64_t batch, int32_t depth) {
    float *all = tleg_trainer_at(t, t->layout.scales);
    for (int32_t layer = 0; t->options.drop_path > 0 && layer < depth; layer++) {
        double rate = depth > 1 ? t->options.drop_path * layer / (depth - 1) : 0;
        for (int branch = 0; branch < 2; branch++)
            for (int64_t b = 0; b < batch; b++)
                all[(2 * layer + branch) * t->layout.shape.batch + b] =
                    tleg_random_uniform(&t->random) < rate ? 0.0f : (float)(1 / (1 - rate));
    }
}

/* ---- embedding ---- */

static struct tleg_linear packed_outer(const tleg_trainer *t, int which, enum tleg_outer_slot weight,
                                       enum tleg_outer_slot bias) {
    struct tleg_spec spec;
    const tleg_config *net = &t->layout.net;
    size_t end = t->layout.outer_packed, at = end;
    int64_t patch = 3 * (int64_t)net->patch_size * net->patch_size;
    for (int i = 0; i <= which; i++) {
        int64_t n = i ? net->classes : net->dim, k = i ? net->dim : patch;
        at = tleg_place(&end, tleg_packed_count(t->exec.kernels, TLEG_F32, n, k), sizeof(float));
    }
    tleg_outer_spec(net, weight, &spec);
    float *packed = tleg_trainer_at(t, at);
    int64_t n = spec.shape[0], k = (int64_t)tleg_spec_count(&spec) / n;
    tleg_pack(t->exec.kernels, TLEG_F32, n, k, tleg_train_value(t, weight), packed);
    return (struct tleg_linear){.weight = {.n = n, .k = k, .base = packed, .stored = TLEG_F32, .rounded = TLEG_F32},
                                .bias = tleg_train_value(t, bias)};
}

static const float *position(const tleg_trainer *t) {
    const tleg_config *net = &t->layout.net, *own = &t->config.c;
    const float *pos = tleg_train_value(t, TLEG_POS_EMBED);
    if (!t->layout.resampled)
        return pos;
    float *out = tleg_trainer_at(t, t->layout.pos);
    tleg_resample_grid(own->prefix, own->image_size / own->patch_size, net->image_size / net->patch_size, net->dim, pos, out);
    return out;
}

static struct tleg_rows patch_rows(const tleg_config *net, const float *image) {
    return (struct tleg_rows){
        .kind = TLEG_ROWS_PATCHES, .x = image, .image_size = net->image_size, .patch_size = net->patch_size};
}

/* x (B, N, D) = tokens and patches, plus the position embedding */
static void embed(tleg_trainer *t, const float *images, int64_t batch, float *x) {
    const tleg_config *net = &t->layout.net;
    int64_t dim = net->dim, tokens = t->layout.shape.tokens, image = 3 * (int64_t)net->image_size * net->image_size;
    const float *pos = position(t), *token[2] = {tleg_train_value(t, TLEG_CLS_TOKEN), tleg_train_value(t, TLEG_DIST_TOKEN)};
    struct tleg_linear patch = packed_outer(t, 0, TLEG_PATCH_WEIGHT, TLEG_PATCH_BIAS);
    for (int64_t b = 0; b < batch; b++, x += tokens * dim) {
        for (int64_t k = 0; k < net->prefix; k++)
            for (int64_t i = 0; i < dim; i++)
                x[k * dim + i] = token[k][i] + pos[k * dim + i];
        tleg_gemm(&t->exec, &(struct tleg_gemm){
                                .m = tokens - net->prefix,
                                .rows = patch_rows(net, images + b * image),
                                .weight = &patch.weight,
                                .epilogue = {.bias = patch.bias, .residual = pos + net->prefix * dim, .residual_stride = dim},
                                .out = x + net->prefix * dim,
                                .out_stride = dim});
    }
}

static void add(float *to, const float *from, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

static void embed_backward(tleg_trainer *t, const float *images, int64_t batch, const float *d) {
    const tleg_config *net = &t->layout.net, *own = &t->config.c;
    int64_t dim = net->dim, tokens = t->layout.shape.tokens, image = 3 * (int64_t)net->image_size * net->image_size;
    float *dpos = tleg_trainer_at(t, t->layout.dpos); /* (N, D): the sum over the images */
    memset(dpos, 0, (size_t)(tokens * dim) * sizeof(float));
    for (int64_t b = 0; b < batch; b++) {
        const float *rows = d + b * tokens * dim;
        add(dpos, rows, tokens * dim);
        tleg_weight_backward(&t->exec, &(struct tleg_weight_backward){
                                           .m = tokens - net->prefix,
                                           .n = dim,
                                           .k = 3 * (int64_t)net->patch_size * net->patch_size,
                                           .dy = rows + net->prefix * dim,
                                           .dy_stride = dim,
                                           .rows = patch_rows(net, images + b * image),
                                           .weight = tleg_train_gradient(t, t->outer[TLEG_PATCH_WEIGHT], TLEG_NOT_THERE, 0),
                                           .bias = tleg_train_gradient(t, t->outer[TLEG_PATCH_BIAS], TLEG_NOT_THERE, 0)});
    }
    const enum tleg_outer_slot token[2] = {TLEG_CLS_TOKEN, TLEG_DIST_TOKEN};
    for (int64_t k = 0; k < net->prefix; k++)
        add(t->gradient + t->outer[token[k]], dpos + k * dim, dim);
    float *to = t->gradient + t->outer[TLEG_POS_EMBED];
    if (t->layout.resampled)
        tleg_resample_grid_backward(own->prefix, own->image_size / own->patch_size, net->image_size / net->patch_size, dim,
                                    dpos, to);
    else
        add(to, dpos, tokens * dim);
}

/* ---- blocks ---- */

/* Where a block's activations are kept; with checkpointing only its input has a place of its own. */
static void kept_of(const tleg_trainer *t, int32_t layer, struct tleg_kept *kept) {
    const struct tleg_block_shape *shape = &t->layout.shape;
    bool one = t->options.checkpoint != 0;
    tleg_kept_place(shape, tleg_trainer_at(t, t->layout.kept) + (one ? 0 : (size_t)layer * tleg_kept_floats(shape)), kept);
    if (one)
        kept->x = tleg_trainer_at(t, t->layout.inputs) + layer * shape->batch * shape->tokens * shape->dim;
}

static void forward_blocks(tleg_trainer *t, const struct tleg_block_shape *shape, int32_t depth) {
    for (int32_t l = 0; l < depth; l++) {
        struct tleg_layer_values values;
        struct tleg_layer layer;
        struct tleg_kept kept, next = {.x = tleg_trainer_at(t, t->layout.last)};
        const float *scale[2];
        form_layer(t, l, &values);
        pack_layer(t, &values, &layer);
        layer_scales(t, l, scale);
        kept_of(t, l, &kept);
        if (l + 1 < depth)
            kept_of(t, l + 1, &next);
        tleg_block_keep(&t->exec, shape, &layer, scale, &kept, next.x);
    }
}

static void layer_gradient(const tleg_trainer *t, int32_t l, struct tleg_layer_gradient *gradient) {
    for (int site = 0; site < TLEG_SITES; site++) {
        struct layer_at at = find_layer(t, site, l);
        gradient->weight[site] = tleg_train_gradient(t, at.segment->weight, at.segment->weight_ilayer, at.c);
        gradient->bias[site] = tleg_train_gradient(t, at.segment->bias, at.segment->bias_ilayer, at.c);
    }
}

static void backward_blocks(tleg_trainer *t, const struct tleg_block_shape *shape, int32_t depth, float *d) {
    float *activations = tleg_trainer_at(t, t->layout.activations);
    for (int32_t l = depth - 1; l >= 0; l--) {
        struct tleg_layer_values values;
        struct tleg_layer_gradient gradient;
        struct tleg_kept kept;
        const float *scale[2];
        form_layer(t, l, &values);
        layer_scales(t, l, scale);
        kept_of(t, l, &kept);
        if (t->options.checkpoint) {
            struct tleg_layer layer;
            pack_layer(t, &values, &layer);
            tleg_block_keep(&t->exec, shape, &layer, scale, &kept, NULL);
        }
        layer_gradient(t, l, &gradient);
        tleg_block_backward_pass(&t->exec, shape, &values, scale, &kept, &gradient, d, activations);
    }
}

/* ---- heads and loss ---- */

static const enum tleg_outer_slot head_slots[2][2] = {{TLEG_HEAD_WEIGHT, TLEG_HEAD_BIAS},
                                                      {TLEG_HEAD_DIST_WEIGHT, TLEG_HEAD_DIST_BIAS}};

static void forward_heads(tleg_trainer *t, int64_t batch) {
    const tleg_config *net = &t->layout.net;
    for (int h = 0; h < heads_of(t); h++) {
        struct tleg_linear head = packed_outer(t, 1 + h, head_slots[h][0], head_slots[h][1]);
        tleg_gemm(&t->exec, &(struct tleg_gemm){.m = batch,
                                                .rows = {.kind = TLEG_ROWS_PLAIN,
                                                         .x = tleg_trainer_at(t, t->layout.pooled) + h * batch * net->dim,
                                                         .stride = net->dim},
                                                .weight = &head.weight,
                                                .epilogue = {.bias = head.bias},
                                                .out = tleg_trainer_at(t, t->layout.logits) + h * batch * net->classes,
                                                .out_stride = net->classes});
    }
}

static void backward_heads(tleg_trainer *t, int64_t batch) {
    const tleg_config *net = &t->layout.net;
    for (int h = 0; h < heads_of(t); h++) {
        const float *dlogits = tleg_trainer_at(t, t->layout.dlogits) + h * batch * net->classes;
        tleg_weight_backward(&t->exec, &(struct tleg_weight_backward){
                                           .m = batch,
                                           .n = net->classes,
                                           .k = net->dim,
                                           .dy = dlogits,
                                           .dy_stride = net->classes,
                                           .rows = {.kind = TLEG_ROWS_PLAIN,
                                                    .x = tleg_trainer_at(t, t->layout.pooled) + h * batch * net->dim,
                                                    .stride = net->dim},
                                           .weight = tleg_train_gradient(t, t->outer[head_slots[h][0]], TLEG_NOT_THERE, 0),
                                           .bias = tleg_train_gradient(t, t->outer[head_slots[h][1]], TLEG_NOT_THERE, 0)});
        tleg_input_backward(&t->exec,
                            &(struct tleg_input_backward){.m = batch,
                                                          .n = net->classes,
                                                          .k = net->dim,
                                                          .dy = dlogits,
                                                          .w = tleg_train_value(t, head_slots[h][0]),
                                                          .dx = tleg_trainer_at(t, t->layout.dpooled) + h * batch * net->dim});
    }
}

/* Images whose largest logit (the mean of both heads') is the label, or the largest target. */
static int64_t count_correct(const tleg_trainer *t, const tleg_batch *batch) {
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

static tleg_status check_finite(tleg_trainer *t, double value, const char *part, const char *why) {
    if (isfinite(value))
        return TLEG_OK;
    return tleg_error_set(&t->error, TLEG_NUMERIC, "step %lld: the loss against the %s is not finite (%s)%s",
                          (long long)(t->steps + 1), part, isnan(value) ? "NaN" : "infinite", why);
}

static bool all_finite(const float *values, int64_t count) {
    int64_t i = 0;
    while (i < count && isfinite(values[i]))
        i++;
    return i == count;
}

/* Labels first: their loss depends on our logits alone, so that what fails after it is the teacher's. */
static tleg_status check_losses(tleg_trainer *t, int64_t rows, const float *teacher, double labels, double taught) {
    tleg_status status = t->options.alpha < 1 ? check_finite(t, labels, "labels", "") : TLEG_OK;
    if (status || !teacher)
        return status;
    bool good = all_finite(teacher, rows * t->layout.net.classes);
    return check_finite(t, taught, "teacher", good ? "" : ": the teacher's logits are not finite");
}

tleg_status tleg_trainer_ask(tleg_trainer *t, tleg_batch *batch) {
    if (t->options.alpha <= 0)
        batch->teacher_logits = NULL;
    if (t->options.alpha <= 0 || batch->teacher_logits)
        return TLEG_OK;
    float *own = tleg_trainer_at(t, t->layout.teacher);
    batch->teacher_logits = own;
    tleg_status status = t->options.teacher(t->options.teacher_host, batch->images, batch->size, own);
    return status
               ? tleg_error_set(&t->error, status, "step %lld: the teacher gave status %d", (long long)(t->steps + 1), status)
               : TLEG_OK;
}

/* Labels judge the first head, the teacher the last. */
static tleg_status losses(tleg_trainer *t, const tleg_batch *batch, double share, tleg_loss *loss) {
    const float *teacher = batch->teacher_logits;
    int64_t classes = t->layout.net.classes, rows = batch->size;
    double alpha = t->options.alpha;
    float *logits = tleg_trainer_at(t, t->layout.logits), *dlogits = tleg_trainer_at(t, t->layout.dlogits);
    int64_t last = (heads_of(t) - 1) * rows * classes;
    memset(dlogits, 0, (size_t)(heads_of(t) * rows * classes) * sizeof(float));
    double labels = 0, taught = 0;
    if (batch->labels || batch->targets)
        labels = tleg_cross_entropy_rows(rows, classes, logits, batch->labels, batch->targets, t->options.smoothing,
                                         share * (1 - alpha), alpha < 1 ? dlogits : NULL);
    if (teacher)
        taught = tleg_distillation_rows(rows, classes, logits + last, teacher, t->options.tau, share * alpha, dlogits + last);
    loss->labels += labels;
    loss->teacher += taught;
    loss->total += (alpha < 1 ? (1 - alpha) * labels : 0) + alpha * taught;
    loss->correct += count_correct(t, batch);
    return check_losses(t, rows, teacher, labels, taught);
}

/* ---- the pass ---- */

tleg_status tleg_trainer_pass(tleg_trainer *t, const tleg_batch *batch, int32_t depth, double share, tleg_loss *loss) {
    struct tleg_block_shape shape = t->layout.shape;
    float *last = tleg_trainer_at(t, t->layout.last), *d = tleg_trainer_at(t, t->layout.d);
    shape.batch = batch->size;
    int32_t *now = t->now;
    for (int site = 0; site < TLEG_SITES; now += t->layout.params.segments[site++])
        tleg_schedule_share(t->layout.params.segments[site], t->lengths[site], depth, now);
    draw_scales(t, batch->size, depth);
    struct tleg_kept first;
    kept_of(t, 0, &first);
    embed(t, batch->images, batch->size, first.x);
    forward_blocks(t, &shape, depth);
    tleg_train_pool(t, batch->size, last);
    forward_heads(t, batch->size);
    tleg_status status = losses(t, batch, share, loss);
    if (status)
        return status;
    backward_heads(t, batch->size);
    tleg_train_pool_backward(t, batch->size, last, d);
    backward_blocks(t, &shape, depth, d);
    embed_backward(t, batch->images, batch->size, d);
    return TLEG_OK;
}
