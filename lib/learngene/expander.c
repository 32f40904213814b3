/* The expander's life: options, packing, release. */
#include "learngene/expander.h"

#include <string.h>

/* ---- options: what the models will look like ---- */

static tleg_status check_options(tleg_context *context, const tleg_expander_options *o, const tleg_config *gene) {
    if (o->dtype && o->dtype != TLEG_F32 && o->dtype != TLEG_F16 && o->dtype != TLEG_BF16)
        return tleg_fail(context, TLEG_ARGUMENT, "expander: dtype is %d, expected F32, F16 or BF16", o->dtype);
    if (o->norm && o->norm != TLEG_NORM_BEFORE_POOL && o->norm != TLEG_NORM_AFTER_POOL)
        return tleg_fail(context, TLEG_ARGUMENT, "expander: norm is %d, expected BEFORE_POOL or AFTER_POOL", o->norm);
    if (o->image_size < 0 || o->image_size > TLEG_MAX_IMAGE || o->image_size % gene->patch_size ||
        o->image_size / gene->patch_size > TLEG_MAX_GRID)
        return tleg_fail(
            context, TLEG_ARGUMENT,
            "expander: image size is %d, expected a multiple of the patch, %d, at most %d pixels and %d patches a side",
            o->image_size, gene->patch_size, TLEG_MAX_IMAGE, TLEG_MAX_GRID);
    if (o->classes < 0 || o->classes > TLEG_MAX_CLASSES)
        return tleg_fail(context, TLEG_ARGUMENT, "expander: classes is %d, expected 1 to %d", o->classes, TLEG_MAX_CLASSES);
    return TLEG_OK;
}

/* The published descendants take the mean first and use eps 1e-6; a class token's norm stays where it is. */
static void apply_options(const tleg_expander_options *o, tleg_config *config) {
    config->dtype = o->dtype ? o->dtype : TLEG_F32;
    config->schedule = "";
    config->depth = 0;
    if (o->norm && config->pool == TLEG_POOL_MEAN)
        config->norm = o->norm;
    if (o->norm == TLEG_NORM_AFTER_POOL)
        config->eps = 1e-6;
    if (o->image_size)
        config->image_size = o->image_size;
    if (o->classes && o->classes != config->classes) {
        config->classes = o->classes;
        config->labels = NULL;
        config->label_count = 0;
    }
}

tleg_status tleg_expander_config(tleg_context *context, const tleg_expander_options *options, const tleg_config *gene,
                                 tleg_config *config) {
    tleg_status status = check_options(context, options, gene);
    if (status)
        return status;
    *config = *gene;
    config->ignored = NULL;
    config->ignored_count = 0;
    apply_options(options, config);
    return TLEG_OK;
}

/* ---- outer weights: inherited, resampled or fresh ---- */

struct outer_source {
    const tleg_learngene *gene;
    const tleg_config *config; /* of the models */
    uint64_t seed;
};

static void fresh_head(const struct outer_source *from, enum tleg_outer_slot slot, size_t count, float *out) {
    struct tleg_random random;
    tleg_random_seed(&random, from->seed, (uint64_t)slot);
    bool weight = slot == TLEG_HEAD_WEIGHT || slot == TLEG_HEAD_DIST_WEIGHT;
    for (size_t i = 0; i < count; i++) /* normal(0, 0.02) cut at +-2 */
        out[i] = weight ? (float)(0.02 * tleg_random_normal(&random, 100)) : 0.0f;
}

static tleg_status read_outer(tleg_context *context, void *source, enum tleg_outer_slot slot, float *out) {
    (void)context;
    const struct outer_source *from = source;
    const tleg_config *old = &from->gene->config.c;
    struct tleg_spec spec;
    tleg_outer_spec(from->config, slot, &spec);
    if (slot >= TLEG_HEAD_WEIGHT && from->config->classes != old->classes)
        fresh_head(from, slot, tleg_spec_count(&spec), out);
    else if (slot == TLEG_POS_EMBED && from->config->image_size != old->image_size)
        tleg_resample_grid(old->prefix, old->image_size / old->patch_size, from->config->image_size / old->patch_size, old->dim,
                           from->gene->outer[slot], out);
    else
        memcpy(out, from->gene->outer[slot], tleg_spec_count(&spec) * sizeof(float));
    return TLEG_OK;
}

/* ---- packing ---- */

struct layout {
    size_t segments[TLEG_SITES], lengths[TLEG_SITES], values;
    size_t bytes;
};

static size_t segment_floats(const tleg_expander *e, enum tleg_site site, const struct tleg_segment *segment) {
    size_t weight = tleg_size_align(e->packed[site] * sizeof(float)), bias = tleg_size_align(e->biases[site] * sizeof(float));
    size_t parts = segment->weight_ilayer ? 2 : 1;
    return parts * (weight + bias);
}

static void measure_sites(tleg_expander *e) {
    const tleg_config *config = &e->config.c;
    for (int site = 0; site < TLEG_SITES; site++) {
        struct tleg_spec spec;
        tleg_site_spec(config, site, true, &spec);
        e->biases[site] = tleg_spec_count(&spec);
        tleg_site_spec(config, site, false, &spec);
        e->packed[site] = tleg_site_is_norm(site) ? tleg_spec_count(&spec)
                                                  : tleg_packed_count(e->kernels, config->dtype, spec.shape[0], spec.shape[1]);
    }
}

static void make_layout(const tleg_expander *e, const tleg_learngene *gene, struct layout *layout) {
    size_t end = 0;
    for (int site = 0; site < TLEG_SITES; site++) {
        size_t count = (size_t)gene->segment_count[site];
        layout->segments[site] = tleg_place(&end, count, sizeof(struct tleg_packed_segment));
        layout->lengths[site] = tleg_place(&end, count, sizeof(int32_t));
    }
    layout->values = end;
    for (int site = 0; site < TLEG_SITES; site++)
        for (int32_t k = 0; k < gene->segment_count[site]; k++)
            tleg_place(&end, segment_floats(e, site, &gene->segments[site][k]), 1);
    layout->bytes = end;
}

/* Packs one tensor at *at and moves *at behind it; NULL stays NULL. */
static const float *put(const tleg_expander *e, enum tleg_site site, bool bias, const float *values, char **at) {
    if (!values)
        return NULL;
    float *to = (float *)(void *)*at;
    size_t count = bias ? e->biases[site] : e->packed[site];
    if (bias || tleg_site_is_norm(site)) {
        memcpy(to, values, count * sizeof(float));
    } else {
        struct tleg_spec spec;
        tleg_site_spec(&e->config.c, site, false, &spec);
        tleg_pack(e->kernels, e->config.c.dtype, spec.shape[0], spec.shape[1], values, to);
    }
    *at += tleg_size_align(count * sizeof(float));
    return to;
}

static void pack_sites(tleg_expander *e, const tleg_learngene *gene, const struct layout *layout) {
    char *memory = e->memory, *at = memory + layout->values;
    for (int site = 0; site < TLEG_SITES; site++) {
        e->count[site] = gene->segment_count[site];
        e->total += e->count[site];
        e->segments[site] = (struct tleg_packed_segment *)(void *)(memory + layout->segments[site]);
        e->lengths[site] = (int32_t *)(void *)(memory + layout->lengths[site]);
        for (int32_t k = 0; k < e->count[site]; k++) {
            const struct tleg_segment *from = &gene->segments[site][k];
            struct tleg_packed_segment *to = &e->segments[site][k];
            e->lengths[site][k] = from->layers;
            to->weight = put(e, site, false, from->weight, &at);
            to->weight_ilayer = put(e, site, false, from->weight_ilayer, &at);
            to->bias = put(e, site, true, from->bias, &at);
            to->bias_ilayer = put(e, site, true, from->bias_ilayer, &at);
        }
    }
}

static tleg_status fill(tleg_context *context, tleg_expander *e, const tleg_learngene *gene, uint64_t seed) {
    struct outer_source source = {gene, &e->config.c, seed};
    tleg_status status =
        tleg_outer_create(context, e->kernels, &e->config.c, e->config.c.dtype, read_outer, &source, &e->outer);
    if (status)
        return status;
    struct layout layout;
    measure_sites(e);
    make_layout(e, gene, &layout);
    e->memory = layout.bytes == SIZE_MAX ? NULL : tleg_alloc(&context->allocator, layout.bytes);
    if (!e->memory)
        return tleg_fail_memory(context, "expander", layout.bytes);
    e->bytes = layout.bytes;
    e->least_depth = tleg_schedule_least(gene);
    pack_sites(e, gene, &layout);
    return TLEG_OK;
}

TLEG_API tleg_status TLEG_CALL tleg_expander_create(tleg_context *context, const tleg_learngene *gene,
                                                    const tleg_expander_options *options, tleg_expander **out) {
    if (out)
        *out = NULL;
    if (!context || !gene || !out)
        return tleg_fail(context, TLEG_ARGUMENT, "tleg_expander_create: a pointer is NULL");
    tleg_expander_options own = {0};
    tleg_status status = TLEG_OK;
    if (options)
        status = tleg_options_read(context, "tleg_expander_options", options, &own, sizeof own, TLEG_STRUCT_LEAST);
    struct tleg_vit_config shape = gene->config; /* its texts are copied, then belong to the copy */
    if (!status)
        status = tleg_expander_config(context, &own, &gene->config.c, &shape.c);
    if (status)
        return status;
    tleg_expander *expander = tleg_alloc_zero(&context->allocator, sizeof *expander);
    if (!expander)
        return tleg_fail_memory(context, "expander", sizeof *expander);
    atomic_init(&expander->references, 1);
    expander->allocator = context->allocator;
    status = tleg_kernels_of(context, &expander->kernels);
    if (!status)
        status = tleg_config_copy(context, &shape, &expander->config);
    if (!status)
        status = fill(context, expander, gene, own.seed);
    if (status)
        tleg_expander_free(expander);
    else
        *out = expander;
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_expander_get_info(const tleg_expander *expander, tleg_config *config) {
    if (!expander || !config)
        return TLEG_ARGUMENT;
    return tleg_info_write(&expander->config.c, sizeof expander->config.c, config, TLEG_STRUCT_LEAST);
}

tleg_expander *tleg_expander_share(const tleg_expander *expander) {
    tleg_expander *shared = (tleg_expander *)(uintptr_t)expander; /* the count is all that changes */
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

TLEG_API void TLEG_CALL tleg_expander_free(tleg_expander *expander) {
    if (!expander || atomic_fetch_sub_explicit(&expander->references, 1, memory_order_acq_rel) != 1)
        return;
    struct tleg_allocator allocator = expander->allocator;
    tleg_release(&allocator, expander->memory, expander->bytes);
    tleg_outer_free(&allocator, &expander->outer);
    tleg_config_free(&expander->config);
    tleg_release(&allocator, expander, sizeof *expander);
}
