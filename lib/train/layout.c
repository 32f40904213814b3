/* A trainer's memory, in one place: the query and the allocation both come here. */
#include "train/private.h"

#include <math.h>

/* ---- what runs ---- */

static tleg_status gene_network(tleg_context *context, const tleg_learngene *gene, const tleg_trainer_options *options,
                                struct tleg_trainer_layout *layout) {
    const tleg_expander_options expand = {.norm = options->norm,
                                          .image_size = options->image_size,
                                          .image_width = options->image_width,
                                          .position_filter = options->position_filter};
    tleg_status status = tleg_expander_config(context, &expand, &gene->config.c, &layout->net);
    if (status != TLEG_OK)
        return status;
    bool one = options->depth_mode == TLEG_DEPTH_FIXED;
    layout->least_depth = tleg_schedule_least(gene);
    layout->depth_most = one ? options->depth_least : options->depth_most;
    if (options->depth_least < layout->least_depth || options->depth_least > TLEG_MAX_DEPTH)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "trainer: depth_least is %d, expected %d to %d", options->depth_least,
                         layout->least_depth, TLEG_MAX_DEPTH);
    if (layout->depth_most < options->depth_least || layout->depth_most > TLEG_MAX_DEPTH)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "trainer: depth_most is %d, expected %d to %d", layout->depth_most,
                         options->depth_least, TLEG_MAX_DEPTH);
    return TLEG_OK;
}

/* What one layer has is not its own in a learngene. */
static tleg_status check_layers(tleg_context *context, const tleg_trainer_options *options, bool is_gene, int32_t depth) {
    if (is_gene && (options->frozen_layers > 0 || options->layer_decay < 1))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "trainer: frozen_layers and layer_decay are for a model: all layers of a learngene share its tensors; "
                         "freeze parts instead");
    if (options->frozen_layers > depth)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "trainer: frozen_layers is %d, expected 0 to the model's depth, %d",
                         options->frozen_layers, depth);
    return TLEG_OK;
}

static tleg_status check_class_weights(tleg_context *context, const double *weights, int32_t classes) {
    double most = 0;
    for (int32_t c = 0; weights && c < classes; c++) {
        if (!(weights[c] >= 0) || !isfinite(weights[c]))
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "trainer: class_weights[%d]: expected a finite number of 0 or more",
                             c);
        most = weights[c] > most ? weights[c] : most;
    }
    return !weights || most > 0 ? TLEG_OK
                                : tleg_fail(context, TLEG_ERROR_ARGUMENT, "trainer: class_weights: all %d are 0", classes);
}

/* What one family of networks alone learns by. */
static tleg_status check_drawing(tleg_context *context, const tleg_trainer_options *o, const tleg_config *net) {
    const bool draws = tleg_config_draws(net);
    if (draws && (o->teacher || o->smoothing != 0 || o->class_weights || o->teacher_loss != TLEG_TEACHER_LOSS_DIVERGENCE))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "trainer: teacher, teacher_loss, smoothing and class_weights are for classifiers, and this is a "
                         "generator: its teacher is noise_teacher");
    if (!draws && (o->noise_teacher || o->label_drop > 0))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "trainer: noise_teacher and label_drop are for generators, and this is a classifier");
    if (draws && o->label_drop > 0 && net->no_null_label)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "trainer: label_drop: expected 0: this generator has no null label to stand for a dropped one");
    if (draws && o->alpha > 0 && !o->noise_teacher)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "trainer: alpha is more than 0, and there is no noise_teacher");
    return TLEG_OK;
}

static tleg_status model_network(tleg_context *context, const tleg_model *model, const tleg_trainer_options *options,
                                 struct tleg_trainer_layout *layout) {
    layout->net = model->config.c;
    layout->least_depth = layout->depth_most = model->config.c.depth;
    if (options->norm || options->image_size || options->image_width || options->depth_mode != TLEG_DEPTH_FIXED ||
        (options->depth_least && options->depth_least != model->config.c.depth))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "trainer: depths, norm and image size are for a learngene; this is a model of depth %d",
                         model->config.c.depth);
    if (model->config.c.dtype != TLEG_F32)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "trainer: the model's weights are not f32");
    return TLEG_OK;
}

/* ---- sizes ---- */

/* A layer's matrices row-major. */
static size_t layer_floats(const tleg_config *config) {
    size_t floats = 0;
    for (int site = 0; site < TLEG_SITES; site++) {
        struct tleg_spec spec;
        tleg_site_spec(config, site, false, &spec);
        floats += tleg_site_is_vector(site) ? 0 : tleg_size_align(tleg_spec_count(&spec) * sizeof(float)) / sizeof(float);
    }
    return floats;
}

/* A lane packs a few rows of such a matrix in f32 before it rounds them. */
static struct tleg_scratch packing_scratch(const struct tleg_kernels *kernels, int32_t dtype, int64_t k) {
    size_t count = tleg_packed_count(kernels, dtype, tleg_pack_unit(kernels, dtype), k);
    return (struct tleg_scratch){.lane = dtype == TLEG_F32 ? 0 : tleg_size_align(count * sizeof(float))};
}

static struct tleg_scratch scratch_of(const struct tleg_kernels *kernels, const tleg_config *net,
                                      const struct tleg_block_shape *shape) {
    struct tleg_scratch most = tleg_backward_scratch(kernels, shape);
    tleg_scratch_join(&most, packing_scratch(kernels, shape->dtype, net->dim));
    tleg_scratch_join(&most, packing_scratch(kernels, shape->dtype, tleg_config_fc1(net)));
    tleg_scratch_join(&most, tleg_ends_of(net)->scratch(kernels, net, TLEG_F32, shape->batch, true));
    tleg_scratch_join(&most, tleg_ends_of(net)->scratch(kernels, net, shape->dtype, shape->batch, true)); /* modulations' */
    return most;
}

/* Parameters, and what the optimiser keeps of each. */
static void place_params(const tleg_trainer_options *options, struct tleg_trainer_layout *l, size_t *end) {
    size_t floats = l->params.floats, total = (size_t)l->params.total;
    l->list = tleg_place(end, (size_t)l->params.count, sizeof(struct tleg_param));
    l->segments = tleg_place(end, total, sizeof(struct tleg_train_segment));
    l->lengths = tleg_place(end, total, sizeof(int32_t));
    l->now = tleg_place(end, total, sizeof(int32_t));
    l->values = tleg_place(end, floats, sizeof(float));
    l->gradient = tleg_place(end, floats, sizeof(float));
    l->moment1 = tleg_place(end, floats, sizeof(float));
    l->moment2 = tleg_place(end, options->optimiser == TLEG_OPTIMISER_SGD ? 0 : floats, sizeof(float));
    l->class_weights = tleg_place(end, options->class_weights ? (size_t)l->net.classes : 0, sizeof(double));
    l->average = tleg_place(end, options->ema > 0 ? floats : 0, sizeof(float));
}

/* Activations: each block's, or each block's input and one block's. All of it is made anew by each pass. */
static void place_pass(const tleg_trainer_options *options, struct tleg_trainer_layout *l, size_t *end) {
    size_t images = (size_t)l->shape.batch, dim = (size_t)l->net.dim, outputs = (size_t)tleg_config_outputs(&l->net);
    size_t depth = (size_t)l->depth_most, kept = tleg_kept_floats(&l->shape), heads = (size_t)tleg_config_readouts(&l->net);
    const size_t features = (size_t)tleg_config_features(&l->net);
    const size_t activations = tleg_backward_activations(&l->shape),
                 room = tleg_ends_of(&l->net)->room(&l->net, l->shape.batch, true);
    size_t tokens = (size_t)l->shape.tokens, x = images * tokens; /* a checked block shape: no overflow */
    if (!tleg_size_mul(x, dim, &x) || !tleg_size_mul(kept, options->checkpoint ? 1 : depth, &kept))
        *end = SIZE_MAX;
    l->inputs = tleg_place_rows(end, options->checkpoint ? depth : 0, x);
    l->kept = tleg_place(end, kept, sizeof(float));
    l->last = tleg_place(end, x, sizeof(float));
    l->d = tleg_place(end, x, sizeof(float));
    l->activations = tleg_place(end, activations > room ? activations : room, sizeof(float));
    const size_t pooled = tleg_config_draws(&l->net) ? 0 : images * heads;
    l->pooled = tleg_place_rows(end, pooled, features);
    l->gathered = tleg_place_rows(end, pooled, (size_t)tleg_config_pooled(&l->net));
    l->dpooled = tleg_place_rows(end, pooled, features);
    l->logits = tleg_place_rows(end, images * heads, outputs);
    l->dlogits = tleg_place_rows(end, images * heads, outputs);
    l->teacher = tleg_place_rows(end, options->teacher || options->noise_teacher ? (size_t)options->batch : 0, outputs);
    l->deepest = tleg_place_rows(end, options->in_place > 0 ? (size_t)options->batch * heads : 0, outputs);
    l->scales = tleg_place_rows(end, options->drop_path > 0 ? 2 * depth : 0, (size_t)options->batch);
    l->pos = tleg_place_rows(end, l->resampled ? tokens : 0, dim);
    l->dpos = tleg_place_rows(end, tokens, dim);
}

/* What a generator's batch is made of, and a slice's condition. */
static void place_drawing(const tleg_trainer_options *options, struct tleg_trainer_layout *l, size_t *end) {
    const struct tleg_conditions *conditions = tleg_ends_of(&l->net)->conditions;
    const size_t images = conditions ? (size_t)options->batch : 0, image = (size_t)tleg_config_image(&l->net);
    l->condition = tleg_place(end, conditions ? conditions->floats(&l->net, l->shape.batch, true) : 0, sizeof(float));
    l->noise = tleg_place_rows(end, images, image);
    l->noised = tleg_place_rows(end, images, image);
    l->times = tleg_place(end, images, sizeof(int64_t));
    l->labels = tleg_place(end, images, sizeof(int64_t));
}

/* A matrix (n, k), packed for the way forward and, but for the patches', for the way back. */
static void place_outer(const struct tleg_kernels *kernels, struct tleg_trainer_layout *l, int which, int64_t n, int64_t k,
                        size_t *end) {
    const bool back = tleg_train_turns(which);
    l->outer[which] = tleg_place(end, tleg_packed_count(kernels, TLEG_F32, n, k), sizeof(float));
    l->outer_turned[which] = tleg_place(end, back ? tleg_packed_count(kernels, TLEG_F32, k, n) : 0, sizeof(float));
}

/* One layer row-major, and all of them packed; with checkpointing, one. */
static void place_weights(const struct tleg_kernels *kernels, const tleg_trainer_options *options,
                          struct tleg_trainer_layout *l, size_t *end) {
    size_t depth = options->checkpoint ? 1 : (size_t)l->depth_most;
    tleg_layer_layout(kernels, &l->net, l->shape.dtype, &l->packed);
    tleg_turned_layout(kernels, &l->net, l->shape.dtype, &l->turned);
    l->formed = tleg_place(end, layer_floats(&l->net), sizeof(float));
    l->layers = tleg_place(end, depth, l->packed.bytes);
    l->turned_layers = tleg_place(end, depth, l->turned.bytes);
    for (int which = 0; which < TLEG_TRAIN_OUTER; which++) {
        int64_t n, k;
        if (tleg_slot_matrix(&l->net, tleg_train_slot(which), &n, &k))
            place_outer(kernels, l, which, n, k, end);
    }
}

/* Images that go through the network at once: about ROWS tokens, in slices as even as they come. With so few, the activations
 * that are kept stay in the cache until the way back; with fewer, weights and gradients would be read too often. It follows
 * from the shape alone, since sums over images depend on it. */
static int64_t slice_images(int64_t batch, int64_t tokens) {
    enum { ROWS = 512 };
    int64_t most = (ROWS + tokens - 1) / tokens, slices = (batch + most - 1) / most;
    return (batch + slices - 1) / slices;
}

tleg_status tleg_trainer_lay_out(tleg_context *context, const tleg_learngene *gene, const tleg_model *model,
                                 const tleg_trainer_options *options, struct tleg_trainer_layout *l) {
    const struct tleg_kernels *kernels;
    *l = (struct tleg_trainer_layout){0};
    tleg_status status = gene ? gene_network(context, gene, options, l) : model_network(context, model, options, l);
    if (status == TLEG_OK)
        status = check_drawing(context, options, &l->net);
    if (status == TLEG_OK && l->net.classes == 0)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "trainer: expected a network with a head, found features alone");
    if (status == TLEG_OK)
        status = check_layers(context, options, gene != NULL, l->net.depth);
    if (status == TLEG_OK)
        status = check_class_weights(context, options->class_weights, l->net.classes);
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK)
        return status;
    tleg_params_measure(gene, model, &l->params);
    l->resampled =
        gene && !l->net.no_positions && !tleg_extent_same(tleg_config_pixels(&l->net), tleg_config_pixels(&gene->config.c));
    int64_t tokens = tleg_config_tokens(&l->net);
    l->shape = tleg_block_shape_make(&l->net, slice_images(options->batch, tokens), tokens,
                                     tleg_multiplies_narrow(kernels, options->dtype) ? TLEG_BF16 : TLEG_F32);
    struct tleg_scratch scratch = scratch_of(kernels, &l->net, &l->shape);
    size_t end = sizeof(struct tleg_trainer);
    place_params(options, l, &end);
    place_weights(kernels, options, l, &end);
    l->angles = tleg_place(&end, tleg_rotary_floats(&l->net), sizeof(float)); /* which no pass makes anew */
    size_t step = end; /* the optimiser works where the passes did: a step ends after them */
    place_pass(options, l, &end);
    place_drawing(options, l, &end);
    if (options->optimiser == TLEG_OPTIMISER_MUON)
        tleg_muon_place(kernels, &l->net, l->shape.dtype, tleg_team_lanes(context->team), &l->muon, &step);
    end = step > end ? step : end;
    l->shared = tleg_place(&end, scratch.shared, 1);
    l->lane = tleg_place(&end, scratch.lane, (size_t)tleg_team_lanes(context->team));
    l->lane_bytes = scratch.lane;
    l->bytes = end;
    return end == SIZE_MAX ? tleg_fail_memory(context, "trainer", SIZE_MAX) : TLEG_OK;
}
