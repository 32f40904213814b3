/* The weights of a pass: each layer formed at the depth that runs, packed for both directions; and what is outside the blocks.
 * They are the same for every slice of the batch; with checkpointing a layer is formed again whenever it is wanted, in one
 * layer's memory. */
#include "train/private.h"
#include <string.h>

/* ---- layers: matrices of the type that is multiplied, vectors as they are ---- */

struct layer_at { /* of one site in one layer */
    const struct tleg_train_segment *segment;
    float c[TLEG_MAX_BASIS];
};

static void find_layer(const tleg_trainer *t, enum tleg_site site, int32_t layer, struct layer_at *at) {
    const int32_t *now = t->now;
    for (int s = 0; s < (int)site; s++)
        now += t->layout.params.segments[s];
    const struct tleg_layer_place place = tleg_schedule_at(t->layout.params.segments[site], now, layer);
    at->segment = &t->segments[site][place.segment];
    tleg_coefficients(at->segment->curve, place.layer, place.layers, at->segment->tensors, at->c);
}

static bool keeps_layers(const tleg_trainer *t) {
    return !t->options.checkpoint;
}

static char *layer_memory(const tleg_trainer *t, int32_t layer) {
    size_t place = keeps_layers(t) ? (size_t)layer : 0;
    return (char *)tleg_trainer_at(t, t->layout.layers + place * t->layout.packed.bytes);
}

static char *turned_memory(const tleg_trainer *t, int32_t layer) {
    size_t place = keeps_layers(t) ? (size_t)layer : 0;
    return (char *)tleg_trainer_at(t, t->layout.turned_layers + place * t->layout.turned.bytes);
}

struct forming {
    const tleg_trainer *trainer;
    int32_t layer;
    float *matrix[TLEG_SITES]; /* row-major; of norms none */
};

static int64_t count_of(const tleg_trainer *t, int site, bool bias) {
    struct tleg_spec spec;
    tleg_site_spec(&t->layout.net, site, bias, &spec);
    return (int64_t)tleg_spec_count(&spec);
}

static void place_matrices(struct forming *forming) {
    const tleg_trainer *t = forming->trainer;
    float *at = tleg_trainer_at(t, t->layout.formed);
    for (int site = 0; site < TLEG_SITES; site++) {
        if (tleg_site_is_vector(site))
            continue;
        forming->matrix[site] = at;
        at += tleg_size_align((size_t)count_of(t, site, false) * sizeof(float)) / sizeof(float);
    }
}

/* The basis of a segment's tensors, `count` numbers each, from offset `first` on. */
static struct tleg_basis basis_at(const tleg_trainer *t, const struct layer_at *at, int64_t first, size_t count) {
    struct tleg_basis basis = {.count = at->segment->tensors};
    for (int32_t k = 0; k < basis.count; k++) {
        basis.tensor[k] = t->values + first + (size_t)k * tleg_param_floats(count);
        basis.c[k] = at->c[k];
    }
    return basis;
}

/* Where their gradients go, if they learn. */
static struct tleg_gradient gradient_at(const tleg_trainer *t, const struct layer_at *at, bool learns, int64_t first,
                                        size_t count) {
    struct tleg_gradient gradient = {.count = first < 0 || !learns ? 0 : at->segment->tensors};
    for (int32_t k = 0; k < gradient.count; k++) {
        gradient.tensor[k] = t->gradient + first + (size_t)k * tleg_param_floats(count);
        gradient.c[k] = at->c[k];
    }
    return gradient;
}

/* The sum of a segment's tensors: a matrix row-major, a vector where the layer has it */
static void form_site(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct forming *forming = arg;
    const tleg_trainer *t = forming->trainer;
    int site = (int)item;
    struct layer_at at;
    find_layer(t, site, forming->layer, &at);
    char *memory = layer_memory(t, forming->layer);
    const int64_t from[2] = {at.segment->weight, at.segment->bias};
    const size_t place[2] = {t->layout.packed.weight[site], t->layout.packed.bias[site]};
    for (int bias = 0; bias < 2; bias++) {
        size_t count = (size_t)count_of(t, site, bias);
        void *out = bias || tleg_site_is_vector(site) ? memory + place[bias] : (void *)forming->matrix[site];
        if (count) {
            const struct tleg_basis basis = basis_at(t, &at, from[bias], count);
            tleg_expand(t->exec.kernels, &basis, 0, count, TLEG_F32, out);
        }
    }
}

struct packing {
    const tleg_trainer *trainer;
    int64_t n, k, rows; /* rows: of a task */
    const float *w;
    char *packed;
};

static void pack_rows(void *arg, int64_t item, char *lane) {
    const struct packing *p = arg;
    const struct tleg_kernels *kernels = p->trainer->exec.kernels;
    int32_t dtype = p->trainer->layout.packed.dtype;
    int64_t first = item * p->rows, left = p->n - first;
    char *at = p->packed + tleg_packed_count(kernels, dtype, first, p->k) * tleg_dtype_size(dtype);
    tleg_pack_as(kernels, dtype, left < p->rows ? left : p->rows, p->k, p->w + first * p->k, (float *)(void *)lane, at);
}

static void form_layer(const tleg_trainer *t, int32_t layer) {
    struct forming forming = {.trainer = t, .layer = layer};
    place_matrices(&forming);
    tleg_for_each(&t->exec, TLEG_SITES, form_site, &forming);
    for (int site = 0; site < TLEG_SITES; site++) {
        int64_t n, k;
        if (!tleg_site_matrix(&t->layout.net, site, &n, &k))
            continue;
        struct packing packing = {.trainer = t,
                                  .n = n,
                                  .k = k,
                                  .rows = tleg_pack_unit(t->exec.kernels, t->layout.packed.dtype),
                                  .w = forming.matrix[site],
                                  .packed = layer_memory(t, layer) + t->layout.packed.weight[site]};
        tleg_for_each(&t->exec, (packing.n + packing.rows - 1) / packing.rows, pack_rows, &packing);
        tleg_turned_put(&t->exec, &t->layout.net, &t->layout.turned, turned_memory(t, layer), site, packing.w);
    }
}

void tleg_train_layer(const tleg_trainer *t, int32_t layer, struct tleg_train_layer *out) {
    if (!keeps_layers(t))
        form_layer(t, layer);
    tleg_layer_view(&t->layout.packed, &t->layout.net, layer_memory(t, layer), &out->layer);
    tleg_turned_view(&t->layout.turned, &t->layout.net, turned_memory(t, layer), out->turned);
    for (int site = 0; site < TLEG_SITES; site++) {
        struct layer_at at;
        find_layer(t, site, layer, &at);
        const bool learns = !tleg_is_frozen(t, site, TLEG_SLOT_NONE, layer);
        out->gradient.weight[site] = gradient_at(t, &at, learns, at.segment->weight, (size_t)count_of(t, site, false));
        out->gradient.bias[site] = gradient_at(t, &at, learns, at.segment->bias, (size_t)count_of(t, site, true));
    }
}

/* ---- outside the blocks: f32 ---- */

enum tleg_slot tleg_train_slot(int which) {
    static const enum tleg_slot slots[TLEG_TRAIN_POOL] = {[TLEG_TRAIN_PATCH] = TLEG_SLOT_PATCH_WEIGHT,
                                                          [TLEG_TRAIN_HEAD] = TLEG_SLOT_HEAD_WEIGHT,
                                                          [TLEG_TRAIN_DIST] = TLEG_SLOT_HEAD_DIST_WEIGHT,
                                                          [TLEG_TRAIN_REPRESENTATION] = TLEG_SLOT_REPRESENTATION_WEIGHT,
                                                          [TLEG_TRAIN_TIME_IN] = TLEG_SLOT_TIME_IN_WEIGHT,
                                                          [TLEG_TRAIN_TIME_OUT] = TLEG_SLOT_TIME_OUT_WEIGHT,
                                                          [TLEG_TRAIN_LAST_MODULATION] = TLEG_SLOT_LAST_MODULATION_WEIGHT,
                                                          [TLEG_TRAIN_LAST] = TLEG_SLOT_LAST_WEIGHT};
    return which < TLEG_TRAIN_POOL ? slots[which] : tleg_pool_slot((enum tleg_pool_matrix)(which - TLEG_TRAIN_POOL), false);
}

static enum tleg_slot bias_slot(int which) { /* a bias comes after its weight */
    return (enum tleg_slot)(tleg_train_slot(which) + 1);
}

/* Its packed weight (n, k), of one that is there; `turned`: (k, n). */
static struct tleg_weight outer_weight(const tleg_trainer *t, int which, bool turned) {
    int64_t n = 0, k = 0;
    tleg_slot_matrix(&t->layout.net, tleg_train_slot(which), &n, &k);
    return (struct tleg_weight){
        .n = turned ? k : n,
        .k = turned ? n : k,
        .basis = tleg_basis_one(tleg_trainer_at(t, turned ? t->layout.outer_turned[which] : t->layout.outer[which])),
        .stored = TLEG_F32,
        .rounded = TLEG_F32};
}

static void pack_outer(tleg_trainer *t, int which) {
    struct tleg_weight weight = outer_weight(t, which, false);
    const float *values = tleg_train_value(t, tleg_train_slot(which));
    tleg_pack(t->exec.kernels, TLEG_F32, weight.n, weight.k, values, tleg_trainer_at(t, t->layout.outer[which]));
    if (tleg_train_turns(which))
        tleg_pack_transposed(&t->exec, TLEG_F32, weight.n, weight.k, values, tleg_trainer_at(t, t->layout.outer_turned[which]));
}

static struct tleg_linear outer_linear(const tleg_trainer *t, int which) {
    return (struct tleg_linear){.weight = outer_weight(t, which, false), .bias = tleg_train_value(t, bias_slot(which))};
}

static struct tleg_gradient outer_gradient(const tleg_trainer *t, enum tleg_slot slot) {
    const bool wanted = t->outer[slot] >= 0 && !tleg_is_frozen(t, TLEG_SITE_NONE, slot, 0);
    return tleg_gradient_one(wanted ? t->gradient + t->outer[slot] : NULL);
}

static void attention_pool(const tleg_trainer *t, struct tleg_train_outer *out) {
    struct tleg_attention_pool *pool = &out->weights.pool;
    pool->latent = tleg_train_value(t, TLEG_SLOT_POOL_LATENT);
    pool->norm =
        (struct tleg_norm){tleg_train_value(t, TLEG_SLOT_POOL_NORM_WEIGHT), tleg_train_value(t, TLEG_SLOT_POOL_NORM_BIAS)};
    out->gradient.latent = outer_gradient(t, TLEG_SLOT_POOL_LATENT);
    out->gradient.pool_norm_weight = outer_gradient(t, TLEG_SLOT_POOL_NORM_WEIGHT);
    out->gradient.pool_norm_bias = outer_gradient(t, TLEG_SLOT_POOL_NORM_BIAS);
    for (int m = 0; m < TLEG_POOL_MATRICES; m++) {
        pool->linear[m] = outer_linear(t, TLEG_TRAIN_POOL + m);
        out->turned.pool[m] = outer_weight(t, TLEG_TRAIN_POOL + m, true);
        out->gradient.pool_weight[m] = outer_gradient(t, tleg_train_slot(TLEG_TRAIN_POOL + m));
        out->gradient.pool_bias[m] = outer_gradient(t, bias_slot(TLEG_TRAIN_POOL + m));
    }
}

static struct tleg_linear_gradient linear_gradient(const tleg_trainer *t, int which) {
    return (struct tleg_linear_gradient){outer_gradient(t, tleg_train_slot(which)), outer_gradient(t, bias_slot(which))};
}

static void drawing(const tleg_trainer *t, struct tleg_train_outer *out) {
    out->weights.draw = (struct tleg_generator_weights){.time_in = outer_linear(t, TLEG_TRAIN_TIME_IN),
                                                        .time_out = outer_linear(t, TLEG_TRAIN_TIME_OUT),
                                                        .labels = tleg_train_value(t, TLEG_SLOT_LABELS),
                                                        .last_modulation = outer_linear(t, TLEG_TRAIN_LAST_MODULATION),
                                                        .last = outer_linear(t, TLEG_TRAIN_LAST)};
    out->turned.time_out = outer_weight(t, TLEG_TRAIN_TIME_OUT, true);
    out->turned.last_modulation = outer_weight(t, TLEG_TRAIN_LAST_MODULATION, true);
    out->turned.last = outer_weight(t, TLEG_TRAIN_LAST, true);
    out->gradient.time_in = linear_gradient(t, TLEG_TRAIN_TIME_IN);
    out->gradient.time_out = linear_gradient(t, TLEG_TRAIN_TIME_OUT);
    out->gradient.last_modulation = linear_gradient(t, TLEG_TRAIN_LAST_MODULATION);
    out->gradient.last = linear_gradient(t, TLEG_TRAIN_LAST);
    out->gradient.labels = outer_gradient(t, TLEG_SLOT_LABELS);
}

void tleg_train_outer(const tleg_trainer *t, struct tleg_train_outer *out) {
    *out = (struct tleg_train_outer){0};
    out->weights = (struct tleg_outer_weights){
        .patch = outer_linear(t, TLEG_TRAIN_PATCH),
        .pos = t->layout.resampled ? tleg_trainer_at(t, t->layout.pos) : tleg_train_value(t, TLEG_SLOT_POS_EMBED),
        .cls = tleg_train_value(t, TLEG_SLOT_CLS_TOKEN),
        .dist = tleg_train_value(t, TLEG_SLOT_DIST_TOKEN),
        .registers = tleg_train_value(t, TLEG_SLOT_REG_TOKEN),
        .patch_norm = {tleg_train_value(t, TLEG_SLOT_PATCH_NORM_WEIGHT), tleg_train_value(t, TLEG_SLOT_PATCH_NORM_BIAS)},
        .before = {tleg_train_value(t, TLEG_SLOT_PRE_WEIGHT), tleg_train_value(t, TLEG_SLOT_PRE_BIAS)},
        .norm = {tleg_train_value(t, TLEG_SLOT_NORM_WEIGHT), tleg_train_value(t, TLEG_SLOT_NORM_BIAS)}};
    out->gradient = (struct tleg_outer_gradient){.patch_weight = outer_gradient(t, TLEG_SLOT_PATCH_WEIGHT),
                                                 .patch_bias = outer_gradient(t, TLEG_SLOT_PATCH_BIAS),
                                                 .pos = tleg_trainer_at(t, t->layout.dpos),
                                                 .patch_norm_weight = outer_gradient(t, TLEG_SLOT_PATCH_NORM_WEIGHT),
                                                 .patch_norm_bias = outer_gradient(t, TLEG_SLOT_PATCH_NORM_BIAS),
                                                 .before_weight = outer_gradient(t, TLEG_SLOT_PRE_WEIGHT),
                                                 .before_bias = outer_gradient(t, TLEG_SLOT_PRE_BIAS),
                                                 .norm_weight = outer_gradient(t, TLEG_SLOT_NORM_WEIGHT),
                                                 .norm_bias = outer_gradient(t, TLEG_SLOT_NORM_BIAS)};
    if (tleg_config_draws(&t->layout.net)) {
        drawing(t, out);
        return;
    }
    for (int h = 0; h < tleg_config_readouts(&t->layout.net); h++) {
        out->weights.head[h] = outer_linear(t, TLEG_TRAIN_HEAD + h);
        out->turned.head[h] = outer_weight(t, TLEG_TRAIN_HEAD + h, true);
        out->gradient.head_weight[h] = outer_gradient(t, tleg_train_slot(TLEG_TRAIN_HEAD + h));
        out->gradient.head_bias[h] = outer_gradient(t, bias_slot(TLEG_TRAIN_HEAD + h));
    }
    if (t->layout.net.representation) {
        out->weights.representation = outer_linear(t, TLEG_TRAIN_REPRESENTATION);
        out->turned.representation = outer_weight(t, TLEG_TRAIN_REPRESENTATION, true);
        out->gradient.representation = linear_gradient(t, TLEG_TRAIN_REPRESENTATION);
    }
    if (tleg_config_has_attention_pool(&t->layout.net))
        attention_pool(t, out);
}

/* ---- tokens and positions ---- */

static void add(float *to, const float *from, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

void tleg_train_places_start(tleg_trainer *t) {
    memset(tleg_trainer_at(t, t->layout.dpos), 0, (size_t)(t->layout.shape.tokens * t->layout.net.dim) * sizeof(float));
}

void tleg_train_places_end(tleg_trainer *t) {
    const tleg_config *net = &t->layout.net, *own = &t->config.c;
    const struct {
        enum tleg_slot slot;
        int32_t tokens;
    } kinds[] = {{TLEG_SLOT_CLS_TOKEN, net->class_token},
                 {TLEG_SLOT_DIST_TOKEN, net->distillation_token},
                 {TLEG_SLOT_REG_TOKEN, net->registers}};
    float *places = tleg_trainer_at(t, t->layout.dpos);
    const int64_t dim = net->dim, placed = tleg_config_placed(net) * dim, prefix = tleg_config_prefix(net) * dim;
    if (!t->embedding_learns)
        return;
    const float *at = places;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const int64_t count = kinds[k].tokens * dim;
        if (count)
            add(t->gradient + t->outer[kinds[k].slot], at, count);
        at += count;
    }
    if (net->no_positions)
        return;
    if (prefix > placed) /* tokens that have no place */
        memmove(places + placed, places + prefix, (size_t)(t->layout.shape.tokens * dim - prefix) * sizeof(float));
    float *to = t->gradient + t->outer[TLEG_SLOT_POS_EMBED];
    const struct tleg_resampling resampling = tleg_config_resampling(own, net, t->options.position_filter);
    if (t->layout.resampled)
        tleg_resample_grid_backward(&resampling, places, to);
    else
        add(to, places, t->layout.shape.tokens * dim - prefix + placed);
}

static void resample_position(tleg_trainer *t) {
    const struct tleg_resampling resampling = tleg_config_resampling(&t->config.c, &t->layout.net, t->options.position_filter);
    if (t->layout.resampled)
        tleg_resample_grid(&resampling, tleg_train_value(t, TLEG_SLOT_POS_EMBED), tleg_trainer_at(t, t->layout.pos));
}

void tleg_train_form(tleg_trainer *t, int32_t depth) {
    int32_t *now = t->now;
    for (int site = 0; site < TLEG_SITES; now += t->layout.params.segments[site++])
        tleg_schedule_share(t->layout.params.segments[site], t->lengths[site], depth, now);
    for (int32_t l = 0; l < depth && keeps_layers(t); l++)
        form_layer(t, l);
    for (int which = 0; which < TLEG_TRAIN_OUTER; which++)
        if (tleg_train_value(t, tleg_train_slot(which)))
            pack_outer(t, which);
    resample_position(t);
}
