/* From base and ilayer to layers: a whole model at once, or one layer at a time for an elastic session. */
#include "learngene/expander.h"

/* ---- where a layer lies ---- */

void tleg_expander_share_depth(const tleg_expander *e, int32_t depth, int32_t *lengths) {
    for (int site = 0; site < TLEG_SITES; lengths += e->count[site++])
        tleg_schedule_share(e->count[site], e->lengths[site], depth, lengths);
}

const struct tleg_packed_segment *tleg_expander_at(const tleg_expander *e, const int32_t *lengths, enum tleg_site site,
                                                   int32_t layer, float *c) {
    for (int s = 0; s < (int)site; s++)
        lengths += e->count[s];
    int32_t segment;
    tleg_schedule_at(e->count[site], lengths, layer, &segment, c);
    return &e->segments[site][segment];
}

void tleg_expander_vector(const tleg_expander *e, const float *base, const float *ilayer, float c, size_t count, float *out) {
    tleg_expand(e->kernels, base, ilayer, c, count, TLEG_F32, out);
    tleg_round_vector(e->kernels, e->config.c.dtype, count, out, out);
}

/* ---- a whole model ----
 * A piece of base and ilayer is read once and gives that piece of every layer, so that it comes from the cache for all but the
 * first. Pieces are independent: the lanes share them out. */
enum { PIECE = 16384 }; /* elements: base and ilayer fill 128 KiB */

struct expansion {
    const tleg_expander *expander;
    tleg_model *model;
    const int32_t *lengths;
    int64_t first[TLEG_SITES + 1]; /* piece number where a site begins */
};

static void expand_piece(void *arg, int64_t piece, char *lane) {
    (void)lane;
    const struct expansion *x = arg;
    const tleg_expander *e = x->expander;
    const struct tleg_layer_layout *layout = &x->model->layout;
    int site = 0;
    while (piece >= x->first[site + 1])
        site++;
    size_t at = (size_t)(piece - x->first[site]) * PIECE, left = e->packed[site] - at, count = left < PIECE ? left : PIECE;
    for (int32_t l = 0; l < x->model->config.c.depth; l++) {
        float c;
        const struct tleg_packed_segment *s = tleg_expander_at(e, x->lengths, site, l, &c);
        const float *base = s->weight + at, *ilayer = s->weight_ilayer ? s->weight_ilayer + at : NULL;
        char *out = tleg_model_layer(x->model, l) + layout->weight[site];
        if (tleg_site_is_norm(site))
            tleg_expander_vector(e, base, ilayer, c, count, (float *)(void *)out + at);
        else
            tleg_expand(e->kernels, base, ilayer, c, count, layout->dtype, out + at * tleg_dtype_size(layout->dtype));
    }
}

static void expand_biases(const struct expansion *x) {
    const tleg_expander *e = x->expander;
    for (int32_t l = 0; l < x->model->config.c.depth; l++)
        for (int site = 0; site < TLEG_SITES; site++) {
            float c;
            const struct tleg_packed_segment *s = tleg_expander_at(e, x->lengths, site, l, &c);
            char *out = tleg_model_layer(x->model, l) + x->model->layout.bias[site];
            if (s->bias)
                tleg_expander_vector(e, s->bias, s->bias_ilayer, c, e->biases[site], (float *)(void *)out);
        }
}

static void expand_layers(tleg_context *context, const tleg_expander *e, const int32_t *lengths, tleg_model *model) {
    struct expansion x = {.expander = e, .model = model, .lengths = lengths};
    for (int site = 0; site < TLEG_SITES; site++)
        x.first[site + 1] = x.first[site] + (int64_t)((e->packed[site] + PIECE - 1) / PIECE);
    struct tleg_exec exec = {.kernels = e->kernels, .team = context->team, .lanes = tleg_team_lanes(context->team)};
    tleg_for_each(&exec, x.first[TLEG_SITES], expand_piece, &x);
    expand_biases(&x);
}

static tleg_status make_model(tleg_context *context, const tleg_expander *e, int32_t depth, tleg_model **model) {
    struct tleg_vit_config config = {0};
    struct tleg_outer_weights outer;
    tleg_status status = tleg_config_copy(context, &e->config, &config);
    if (status)
        return status;
    config.c.depth = depth;
    config.c.parameters = tleg_expander_parameters(e, depth);
    status = tleg_outer_copy(context, &config.c, &e->outer, e->kernels, &outer);
    if (!status)
        return tleg_model_make(context, e->kernels, &config, &outer, model);
    tleg_config_free(&config);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_expander_expand(tleg_context *context, const tleg_expander *expander, int32_t depth,
                                                    tleg_model **model) {
    if (model)
        *model = NULL;
    if (!context || !expander || !model)
        return tleg_fail(context, TLEG_ARGUMENT, "tleg_expander_expand: a pointer is NULL");
    if (depth < expander->least_depth || depth > TLEG_MAX_DEPTH)
        return tleg_fail(context, TLEG_ARGUMENT, "depth is %d, expected %d to %d", depth, expander->least_depth,
                         TLEG_MAX_DEPTH);
    size_t bytes = (size_t)expander->total * sizeof(int32_t);
    int32_t *lengths = tleg_alloc(&context->allocator, bytes);
    if (!lengths)
        return tleg_fail_memory(context, "model", bytes);
    tleg_status status = make_model(context, expander, depth, model);
    if (!status) {
        tleg_expander_share_depth(expander, depth, lengths);
        expand_layers(context, expander, lengths, *model);
    }
    tleg_release(&context->allocator, lengths, bytes);
    return status;
}

/* ---- one layer at a time ---- */

static void set_depth(const void *owner, int32_t depth, void *state) {
    tleg_expander_share_depth(owner, depth, state);
}

/* Forms a vector at *at and moves *at behind it. */
static const float *form(const tleg_expander *e, const float *base, const float *ilayer, float c, size_t count, float **at) {
    if (!base)
        return NULL;
    float *out = *at;
    tleg_expander_vector(e, base, ilayer, c, count, out);
    *at += tleg_size_align(count * sizeof(float)) / sizeof(float);
    return out;
}

static void get_layer(const void *owner, const void *state, int32_t layer, float *vectors, struct tleg_layer *out) {
    const tleg_expander *e = owner;
    for (int site = 0; site < TLEG_SITES; site++) {
        float c;
        const struct tleg_packed_segment *s = tleg_expander_at(e, state, site, layer, &c);
        const float *bias = form(e, s->bias, s->bias_ilayer, c, e->biases[site], &vectors);
        if (tleg_site_is_norm(site)) {
            *tleg_layer_norm(out, site) =
                (struct tleg_norm){.weight = form(e, s->weight, s->weight_ilayer, c, e->packed[site], &vectors), .bias = bias};
            continue;
        }
        struct tleg_spec spec;
        tleg_site_spec(&e->config.c, site, false, &spec);
        *tleg_layer_linear(out, site) = (struct tleg_linear){.weight = {.n = spec.shape[0],
                                                                        .k = spec.shape[1],
                                                                        .base = s->weight,
                                                                        .ilayer = s->weight_ilayer,
                                                                        .c = c,
                                                                        .stored = TLEG_F32,
                                                                        .rounded = e->config.c.dtype},
                                                             .bias = bias};
    }
}

static size_t vector_floats(const tleg_expander *e) {
    size_t end = 0;
    for (int site = 0; site < TLEG_SITES; site++) {
        tleg_place(&end, e->biases[site], sizeof(float));
        if (tleg_site_is_norm(site))
            tleg_place(&end, e->packed[site], sizeof(float));
    }
    return end / sizeof(float);
}

void tleg_expander_network(const tleg_expander *e, struct tleg_network *network) {
    *network = (struct tleg_network){.kernels = e->kernels,
                                     .config = &e->config.c,
                                     .outer = &e->outer,
                                     .owner = e,
                                     .least_depth = e->least_depth,
                                     .most_depth = TLEG_MAX_DEPTH,
                                     .vectors = vector_floats(e),
                                     .state_bytes = (size_t)e->total * sizeof(int32_t),
                                     .set_depth = set_depth,
                                     .get = get_layer};
}
