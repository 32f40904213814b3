/* From a segment's tensors to layers: a whole model at once, or one layer at a time for an elastic session. */
#include "learngene/expander.h"

/* ---- where a layer lies ---- */

/* The lengths of all segments at a depth: `total` numbers, site after site. */
static void share_depth(const tleg_expander *e, int32_t depth, int32_t *lengths) {
    for (int site = 0; site < TLEG_SITES; lengths += e->count[site++])
        tleg_schedule_share(e->count[site], e->lengths[site], depth, lengths);
}

/* The basis of tensors that lie `step` floats apart. */
static void set_basis(struct tleg_basis *basis, int32_t tensors, const float *first, size_t step, const float *c) {
    basis->count = first ? tensors : 0;
    for (int32_t k = 0; k < basis->count; k++) {
        basis->tensor[k] = first + (size_t)k * step;
        basis->c[k] = c[k];
    }
}

struct layer_bases {
    struct tleg_basis weight, bias; /* of no tensors: none */
};

/* What a site's weight and bias are in layer 0..depth-1. */
static void find_bases(const tleg_expander *e, const int32_t *lengths, enum tleg_site site, int32_t layer,
                       struct layer_bases *bases) {
    for (int s = 0; s < (int)site; s++)
        lengths += e->count[s];
    const struct tleg_layer_place place = tleg_schedule_at(e->count[site], lengths, layer);
    const struct tleg_packed_segment *segment = &e->segments[site][place.segment];
    float c[TLEG_MAX_BASIS];
    tleg_coefficients(segment->curve, place.layer, place.layers, segment->tensors, c);
    set_basis(&bases->weight, segment->tensors, segment->weight, e->weight_step[site], c);
    set_basis(&bases->bias, segment->tensors, segment->bias, e->bias_step[site], c);
}

/* out = the sum, rounded to the expander's element type, as f32. */
static void expand_vector(const tleg_expander *e, const struct tleg_basis *basis, size_t count, float *out) {
    tleg_expand(e->kernels, basis, 0, count, TLEG_F32, out);
    tleg_round_vector(e->kernels, e->config.c.dtype, count, out, out);
}

/* ---- F16, which does not hold every number ---- */

static bool exceeds_f16(const tleg_expander *e, const struct tleg_basis *basis, size_t count) {
    enum { PIECE = 256 };
    float sums[PIECE];
    for (size_t at = 0; basis->count && at < count; at += PIECE) {
        const size_t part = count - at < PIECE ? count - at : PIECE;
        tleg_expand(e->kernels, basis, at, part, TLEG_F32, sums);
        if (tleg_largest(sums, part) >= TLEG_F16_END)
            return true;
    }
    return false;
}

static tleg_status fail_range(struct tleg_error *error, int32_t depth, int32_t layer, enum tleg_site site, bool bias) {
    char name[TLEG_NAME_TEXT];
    tleg_layer_name(layer, site, bias, name);
    return tleg_error_set(error, TLEG_ERROR_NUMERIC,
                          "tensor \"%s\" of depth %d: a number is too large for F16, at most 65504: take F32 or BF16", name,
                          (int)depth);
}

/* NUMERIC where a finite number of some layer would become an infinity. It takes as long as forming all layers: the expander
 * knows whether anybody has to look. */
static tleg_status check_range(struct tleg_error *error, const tleg_expander *e, int32_t depth, const int32_t *lengths) {
    for (int32_t l = 0; e->may_exceed_f16 && l < depth; l++)
        for (int site = 0; site < TLEG_SITES; site++) {
            struct layer_bases bases = {0};
            if (!tleg_site_is_present(&e->config.c, site))
                continue;
            find_bases(e, lengths, site, l, &bases);
            const bool weight = exceeds_f16(e, &bases.weight, e->packed[site]);
            if (weight || exceeds_f16(e, &bases.bias, e->biases[site]))
                return fail_range(error, depth, l, site, !weight);
        }
    return TLEG_OK;
}

/* ---- a whole model ----
 * Stretches of the sites' matrices are independent: the lanes share them out, and each gives its stretch of every layer. */
enum { STRETCH = 32768 }; /* elements: enough that an item of a few microseconds hides what handing it out costs */

struct expansion {
    const tleg_expander *expander;
    tleg_model *model;
    const int32_t *lengths;
    struct tleg_formed *layers;    /* each site's matrices: (TLEG_SITES, depth) */
    int64_t first[TLEG_SITES + 1]; /* stretch number where a site begins */
    int64_t from;                  /* the first of those that are handed out now */
};

static void lay_out(struct expansion *x) {
    const int32_t depth = x->model->config.c.depth;
    for (int site = 0; site < TLEG_SITES; site++) {
        size_t count = tleg_site_is_vector(site) ? 0 : x->expander->packed[site];
        x->first[site + 1] = x->first[site] + (int64_t)((count + STRETCH - 1) / STRETCH);
        for (int32_t l = 0; count && l < depth; l++) {
            struct layer_bases bases = {0};
            find_bases(x->expander, x->lengths, site, l, &bases);
            x->layers[site * depth + l] =
                (struct tleg_formed){bases.weight, tleg_model_layer(x->model, l) + x->model->layout.weight[site]};
        }
    }
}

static void expand_stretch(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct expansion *x = arg;
    const int64_t stretch = x->from + item;
    const int32_t depth = x->model->config.c.depth;
    int site = 0;
    while (stretch >= x->first[site + 1])
        site++;
    size_t at = (size_t)(stretch - x->first[site]) * STRETCH, left = x->expander->packed[site] - at;
    tleg_expand_layers(x->expander->kernels, x->layers + site * depth, depth, at, left < STRETCH ? left : STRETCH,
                       x->model->layout.dtype);
}

/* Norms and biases, f32 whatever the element type. */
static void expand_vectors(const struct expansion *x) {
    const tleg_expander *e = x->expander;
    for (int32_t l = 0; l < x->model->config.c.depth; l++)
        for (int site = 0; site < TLEG_SITES; site++) {
            struct layer_bases bases;
            if (!tleg_site_is_present(&e->config.c, site))
                continue;
            find_bases(e, x->lengths, site, l, &bases);
            char *layer = tleg_model_layer(x->model, l);
            const struct tleg_layer_layout *layout = &x->model->layout;
            if (bases.weight.count && tleg_site_is_vector(site))
                expand_vector(e, &bases.weight, e->packed[site], (float *)(void *)(layer + layout->weight[site]));
            if (bases.bias.count)
                expand_vector(e, &bases.bias, e->biases[site], (float *)(void *)(layer + layout->bias[site]));
        }
}

/* All stretches at once; for a host that asks how far it is, a few for each lane at a time. */
static tleg_status expand_stretches(tleg_context *context, const struct tleg_exec *exec, struct expansion *x) {
    enum { FEW = 8 };
    const int64_t all = x->first[TLEG_SITES], most = context->progress ? (int64_t)FEW * exec->lanes : all;
    tleg_status status = tleg_work_begin(context, "expand", (uint64_t)all);
    for (x->from = 0; status == TLEG_OK && x->from < all; x->from += most) {
        const int64_t count = all - x->from < most ? all - x->from : most;
        tleg_for_each(exec, count, expand_stretch, x);
        status = tleg_work_step(context, (uint64_t)count);
    }
    return tleg_work_end(context, status);
}

static tleg_status expand_layers(tleg_context *context, struct expansion *x) {
    struct tleg_exec exec = {.kernels = x->expander->kernels,
                             .team = context->team,
                             .lanes = tleg_team_lanes(context->team),
                             .outcome = tleg_context_begin(context)};
    lay_out(x);
    const tleg_status status = expand_stretches(context, &exec, x);
    if (status != TLEG_OK)
        return status;
    expand_vectors(x);
    return tleg_team_report(&context->error, &context->outcome);
}

static tleg_status make_model(tleg_context *context, const tleg_expander *e, int32_t depth, tleg_model **model) {
    struct tleg_vit_config config = {0};
    tleg_status status = tleg_config_copy(context, &e->config, &config);
    if (status != TLEG_OK)
        return status;
    config.c.depth = depth;
    tleg_config_keep_score(&config, depth);
    config.c.parameters = tleg_expander_parameters(e, depth);
    status = tleg_model_make(context, e->kernels, &e->blas, &config, model);
    if (status == TLEG_OK)
        tleg_outer_copy(e->kernels, &(*model)->config.c, &e->outer, (*model)->memory, &(*model)->outer);
    return status;
}

struct tleg_expansion_layout tleg_expansion_layout(const tleg_expander *e, int32_t depth) {
    struct tleg_expansion_layout layout = {0}; /* both counts are small: at most 1024 layers, of a few segments each */
    layout.layers = tleg_place(&layout.bytes, TLEG_SITES * (size_t)depth, sizeof(struct tleg_formed));
    layout.lengths = tleg_place(&layout.bytes, (size_t)e->total, sizeof(int32_t));
    return layout;
}

TLEG_API tleg_status TLEG_CALL tleg_expander_expand(tleg_context *context, const tleg_expander *expander, int32_t depth,
                                                    tleg_model **model) {
    if (model)
        *model = NULL;
    if (!context || !expander || !model)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_expand: a pointer is NULL");
    if (depth < expander->least_depth || depth > TLEG_MAX_DEPTH)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "depth is %d, expected %d to %d", depth, expander->least_depth,
                         TLEG_MAX_DEPTH);
    const struct tleg_expansion_layout layout = tleg_expansion_layout(expander, depth);
    char *memory = tleg_alloc(&context->allocator, layout.bytes);
    if (!memory)
        return tleg_fail_memory(context, "model", layout.bytes);
    tleg_status status = make_model(context, expander, depth, model);
    if (status == TLEG_OK) {
        int32_t *shared = (int32_t *)(void *)(memory + layout.lengths);
        share_depth(expander, depth, shared);
        status = check_range(&context->error, expander, depth, shared);
        if (status == TLEG_OK)
            status =
                expand_layers(context, &(struct expansion){.expander = expander,
                                                           .model = *model,
                                                           .lengths = shared,
                                                           .layers = (struct tleg_formed *)(void *)(memory + layout.layers)});
    }
    if (status != TLEG_OK) {
        tleg_model_free(*model);
        *model = NULL;
    }
    tleg_release(&context->allocator, memory, layout.bytes);
    return status;
}

/* ---- one layer at a time ---- */

static tleg_status set_depth(struct tleg_error *error, const void *owner, int32_t depth, void *state) {
    share_depth(owner, depth, state);
    return check_range(error, owner, depth, state);
}

/* Forms a vector at *at and moves *at past it. */
static const float *form(const tleg_expander *e, const struct tleg_basis *basis, size_t count, float **at) {
    if (basis->count == 0)
        return NULL;
    float *out = *at;
    expand_vector(e, basis, count, out);
    *at += tleg_size_align(count * sizeof(float)) / sizeof(float);
    return out;
}

static void get_layer(const void *owner, const void *state, int32_t layer, float *vectors, struct tleg_layer *out) {
    const tleg_expander *e = owner;
    for (int site = 0; site < TLEG_SITES; site++) {
        struct layer_bases bases = {0};
        find_bases(e, state, site, layer, &bases);
        const float *bias = form(e, &bases.bias, e->biases[site], &vectors);
        if (tleg_site_is_vector(site)) {
            out->norm[site] = (struct tleg_norm){.weight = form(e, &bases.weight, e->packed[site], &vectors), .bias = bias};
            continue;
        }
        struct tleg_spec spec;
        tleg_site_spec(&e->config.c, site, false, &spec);
        out->linear[site] = (struct tleg_linear){.weight = {.n = spec.shape[0],
                                                            .k = spec.shape[1],
                                                            .basis = bases.weight,
                                                            .stored = TLEG_F32,
                                                            .rounded = e->config.c.dtype},
                                                 .bias = bias};
    }
}

static size_t vector_floats(const tleg_expander *e) {
    size_t end = 0;
    for (int site = 0; site < TLEG_SITES; site++) {
        tleg_place(&end, e->biases[site], sizeof(float));
        if (tleg_site_is_vector(site))
            tleg_place(&end, e->packed[site], sizeof(float));
    }
    return end / sizeof(float);
}

void tleg_expander_network(const tleg_expander *e, struct tleg_network *network) {
    *network = (struct tleg_network){.kernels = e->kernels,
                                     .blas = e->blas,
                                     .config = &e->config.c,
                                     .outer = &e->outer,
                                     .ends = tleg_ends_of(&e->config.c),
                                     .owner = e,
                                     .least_depth = e->least_depth,
                                     .most_depth = TLEG_MAX_DEPTH,
                                     .vectors = vector_floats(e),
                                     .state_bytes = (size_t)e->total * sizeof(int32_t),
                                     .set_depth = set_depth,
                                     .get = get_layer};
}
