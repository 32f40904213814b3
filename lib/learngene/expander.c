/* The expander's life: options, packing, release. */
#include "learngene/expander.h"
#include "image/picture.h"
#include "learngene/gene.h"

/* ---- options: what the models will look like ---- */

static tleg_status check_options(tleg_context *context, const tleg_expander_options *o, const tleg_config *gene) {
    if (o->dtype && !tleg_dtype_is_of_weights(o->dtype))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "expander: dtype is %d, expected F32, F16 or BF16", o->dtype);
    if (o->norm && o->norm != TLEG_NORM_BEFORE_POOL && o->norm != TLEG_NORM_AFTER_POOL)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "expander: norm is %d, expected BEFORE_POOL or AFTER_POOL", o->norm);
    if (o->classes < 0 || o->classes > TLEG_MAX_CLASSES)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "expander: classes is %d, expected 1 to %d", o->classes,
                         TLEG_MAX_CLASSES);
    if (tleg_config_draws(gene) && (o->norm || (o->classes && o->classes != gene->classes)))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "expander: norm and classes are for classifiers: a generator has %d labels of its own", gene->classes);
    if (o->compute != 0)
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "tleg_expander_options.compute: expected 0, found %d", o->compute);
    return tleg_position_filter_check(context, "tleg_expander_options.position_filter", o->position_filter);
}

/* The published descendants take the mean first and use eps 1e-6; a class token's norm stays where it is. */
static void apply_options(const tleg_expander_options *o, tleg_config *config) {
    config->dtype = o->dtype ? o->dtype : TLEG_F32;
    config->schedule = "";
    config->depth = 0;
    if (o->norm && tleg_config_reduces(config))
        config->norm = o->norm;
    if (o->norm == TLEG_NORM_AFTER_POOL)
        config->eps = 1e-6;
    if (o->classes && o->classes != config->classes) {
        config->classes = o->classes;
        config->labels = NULL;
        config->label_count = 0;
    }
}

tleg_status tleg_expander_config(tleg_context *context, const tleg_expander_options *options, const tleg_config *gene,
                                 tleg_config *config) {
    tleg_status status = check_options(context, options, gene);
    if (status != TLEG_OK)
        return status;
    *config = *gene;
    config->ignored = NULL;
    config->ignored_count = 0;
    apply_options(options, config);
    status = tleg_config_resize(context, "expander: image_size", options->image_size, options->image_width, config);
    if (status != TLEG_OK)
        return status;
    config->parameters += tleg_outer_numbers(config) - tleg_outer_numbers(gene);
    if (config->norm != gene->norm || config->eps != gene->eps ||
        !tleg_extent_same(tleg_config_pixels(config), tleg_config_pixels(gene)) || config->classes != gene->classes)
        config->scores = NULL; /* they were measured of something else */
    return TLEG_OK;
}

/* ---- outer weights: inherited, resampled or fresh ---- */

struct outer_source {
    const tleg_learngene *gene;
    const tleg_config *config; /* of the models */
    tleg_position_filter filter;
    uint64_t seed;
    struct tleg_random random; /* of the fresh matrix under way */
};

/* Normal(0, 0.02) cut at +-2; biases 0. */
static void fresh_head(struct outer_source *from, enum tleg_slot slot, size_t first, size_t count, float *out) {
    bool weight = slot == TLEG_SLOT_HEAD_WEIGHT || slot == TLEG_SLOT_HEAD_DIST_WEIGHT;
    if (first == 0)
        tleg_random_seed(&from->random, from->seed, tleg_slot_stream(slot));
    for (size_t i = 0; i < count; i++)
        out[i] = weight ? (float)(0.02 * tleg_random_normal(&from->random, 100)) : 0.0f;
}

static tleg_status resample(tleg_context *context, const struct outer_source *from, float *out) {
    const tleg_config *old = &from->gene->config.c;
    const struct tleg_gene_tensor *tensor = from->gene->outer[TLEG_SLOT_POS_EMBED];
    const size_t bytes = tensor->count * sizeof(float);
    float *room = tensor->data ? NULL : tleg_alloc(&context->allocator, bytes);
    const float *table;
    if (!tensor->data && !room)
        return tleg_fail_memory(context, "position embedding", bytes);
    tleg_status status = tleg_gene_numbers(context, from->gene, tensor, 0, tensor->count, room, &table);
    const struct tleg_resampling resampling = tleg_config_resampling(old, from->config, from->filter);
    if (status == TLEG_OK)
        tleg_resample_grid(&resampling, table, out);
    tleg_release(&context->allocator, room, bytes);
    return status;
}

static tleg_status read_outer(tleg_context *context, void *source, enum tleg_slot slot, size_t first, size_t count, float *room,
                              const float **numbers) {
    struct outer_source *from = source;
    const tleg_config *old = &from->gene->config.c;
    *numbers = room;
    if (slot == TLEG_SLOT_POS_EMBED && !tleg_extent_same(tleg_config_pixels(from->config), tleg_config_pixels(old)))
        return resample(context, from, room);
    if (slot < TLEG_SLOT_HEAD_WEIGHT || from->config->classes == old->classes)
        return tleg_gene_numbers(context, from->gene, from->gene->outer[slot], first, count, room, numbers);
    fresh_head(from, slot, first, count, room);
    return TLEG_OK;
}

/* ---- packing ---- */

struct layout {
    size_t outer, segments[TLEG_SITES], lengths[TLEG_SITES], values;
    size_t bytes;
};

static void measure_sites(tleg_expander *e) {
    const tleg_config *config = &e->config.c;
    for (int site = 0; site < TLEG_SITES; site++) {
        struct tleg_spec spec;
        tleg_site_spec(config, site, true, &spec);
        e->biases[site] = tleg_spec_count(&spec);
        tleg_site_spec(config, site, false, &spec);
        e->packed[site] = tleg_site_is_vector(site)
                              ? tleg_spec_count(&spec)
                              : tleg_packed_count(e->kernels, config->dtype, spec.shape[0], spec.shape[1]);
        e->weight_step[site] = tleg_size_align(e->packed[site] * sizeof(float)) / sizeof(float);
        e->bias_step[site] = tleg_size_align(e->biases[site] * sizeof(float)) / sizeof(float);
    }
}

static void place_segment(const tleg_expander *e, enum tleg_site site, int32_t tensors, size_t *end) {
    tleg_place(end, (size_t)tensors, e->weight_step[site] * sizeof(float));
    tleg_place(end, (size_t)tensors, e->bias_step[site] * sizeof(float));
}

static void make_layout(const tleg_expander *e, const tleg_learngene *gene, struct layout *layout) {
    size_t end = 0;
    layout->outer = tleg_place(&end, tleg_outer_bytes(e->kernels, &e->config.c, e->config.c.dtype), 1);
    for (int site = 0; site < TLEG_SITES; site++) {
        size_t count = (size_t)gene->segment_count[site];
        layout->segments[site] = tleg_place(&end, count, sizeof(struct tleg_packed_segment));
        layout->lengths[site] = tleg_place(&end, count, sizeof(int32_t));
    }
    layout->values = end;
    for (int site = 0; site < TLEG_SITES; site++)
        for (int32_t k = 0; k < gene->segment_count[site]; k++)
            place_segment(e, site, gene->segments[site][k].tensors, &end);
    layout->bytes = end;
}

/* What packing the sites works with. */
struct packing {
    tleg_context *context;
    const tleg_expander *expander;
    const tleg_learngene *gene;
    float *scratch;
    float *at; /* where the next tensor goes */
    bool may_exceed_f16;
};

struct tensor_source {
    const tleg_learngene *gene;
    const struct tleg_gene_tensor *tensor;
    float *largest; /* of its numbers; NULL: not wanted */
};

static tleg_status read_tensor(tleg_context *context, void *source, size_t first, size_t count, float *room,
                               const float **numbers) {
    const struct tensor_source *from = source;
    const tleg_status status = tleg_gene_numbers(context, from->gene, from->tensor, first, count, room, numbers);
    if (status == TLEG_OK && from->largest) {
        const float part = tleg_largest(*numbers, count);
        *from->largest = part > *from->largest ? part : *from->largest;
    }
    return status;
}

/* Packs one tensor, as f32 in the order that the expanded type has; *largest as in tensor_source. */
static tleg_status put(struct packing *p, enum tleg_site site, bool bias, const struct tleg_gene_tensor *tensor,
                       float *largest) {
    const tleg_expander *e = p->expander;
    struct tensor_source from = {p->gene, tensor, e->config.c.dtype == TLEG_F16 ? largest : NULL};
    float *to = p->at;
    p->at += bias ? e->bias_step[site] : e->weight_step[site];
    if (bias || tleg_site_is_vector(site))
        return tleg_round_from(p->context, e->kernels, TLEG_F32, tensor->count, read_tensor, &from, to);
    return tleg_pack_from(p->context,
                          &(struct tleg_pack_job){.kernels = e->kernels,
                                                  .rounded = e->config.c.dtype,
                                                  .stored = TLEG_F32,
                                                  .n = tensor->spec.shape[0],
                                                  .k = tensor->spec.shape[1],
                                                  .numbers = read_tensor,
                                                  .source = &from,
                                                  .scratch = p->scratch},
                          to);
}

/* Packs the tensors of a segment's weights or biases, and returns where. No coefficient is larger than 1, so that no layer has
 * a number above the sum of their largest ones, roundings aside. */
static tleg_status put_tensors(struct packing *p, enum tleg_site site, bool bias, int32_t tensors,
                               const struct tleg_gene_tensor *from, const float **to) {
    tleg_status status = TLEG_OK;
    float most = 0;
    *to = from ? p->at : NULL;
    for (int32_t k = 0; from && k < tensors && status == TLEG_OK; k++) {
        float largest = 0;
        status = put(p, site, bias, from + k, &largest);
        most += largest;
    }
    p->may_exceed_f16 = p->may_exceed_f16 || most >= 0.999f * TLEG_F16_END;
    return status;
}

static tleg_status put_segment(struct packing *p, enum tleg_site site, const struct tleg_segment *from,
                               struct tleg_packed_segment *to) {
    *to = (struct tleg_packed_segment){.curve = from->curve, .tensors = from->tensors};
    const tleg_status status = put_tensors(p, site, false, from->tensors, from->weight, &to->weight);
    return status == TLEG_OK ? put_tensors(p, site, true, from->tensors, from->bias, &to->bias) : status;
}

static tleg_status pack_sites(struct packing *p, tleg_expander *e, const struct layout *layout) {
    char *memory = e->memory;
    tleg_status status = TLEG_OK;
    p->at = (float *)(void *)(memory + layout->values);
    for (int site = 0; site < TLEG_SITES; site++) {
        e->count[site] = p->gene->segment_count[site];
        e->total += e->count[site];
        e->segments[site] = (struct tleg_packed_segment *)(void *)(memory + layout->segments[site]);
        e->lengths[site] = (int32_t *)(void *)(memory + layout->lengths[site]);
        for (int32_t k = 0; k < e->count[site] && status == TLEG_OK; k++) {
            e->lengths[site][k] = p->gene->segments[site][k].layers;
            status = put_segment(p, site, &p->gene->segments[site][k], &e->segments[site][k]);
        }
    }
    return status;
}

static tleg_status fill(tleg_context *context, tleg_expander *e, const tleg_learngene *gene,
                        const tleg_expander_options *options) {
    struct outer_source source = {
        .gene = gene, .config = &e->config.c, .filter = options->position_filter, .seed = options->seed};
    struct layout layout;
    measure_sites(e);
    make_layout(e, gene, &layout);
    e->memory = layout.bytes == SIZE_MAX ? NULL : tleg_alloc(&context->allocator, layout.bytes);
    if (!e->memory)
        return tleg_fail_memory(context, "expander", layout.bytes);
    e->bytes = layout.bytes;
    e->least_depth = tleg_schedule_least(gene);
    const size_t bytes = tleg_layer_scratch(e->kernels, &e->config.c, e->config.c.dtype) * sizeof(float);
    struct packing packing = {context, e, gene, tleg_alloc(&context->allocator, bytes), NULL, false};
    tleg_status status = packing.scratch ? pack_sites(&packing, e, &layout) : tleg_fail_memory(context, "expander", bytes);
    tleg_release(&context->allocator, packing.scratch, bytes);
    e->may_exceed_f16 = packing.may_exceed_f16;
    if (status == TLEG_OK)
        status = tleg_outer_fill(context, e->kernels, &e->config.c, read_outer, &source, (char *)e->memory + layout.outer,
                                 &e->outer);
    return status;
}

static tleg_status create(tleg_context *context, const tleg_learngene *gene, const tleg_expander_options *options,
                          tleg_expander **out) {
    struct tleg_vit_config shape = gene->config; /* its texts are copied, then belong to the copy */
    tleg_status status = tleg_expander_config(context, options, &gene->config.c, &shape.c);
    if (status != TLEG_OK)
        return status;
    tleg_expander *expander = tleg_alloc_zero(&context->allocator, sizeof *expander);
    if (!expander)
        return tleg_fail_memory(context, "expander", sizeof *expander);
    atomic_init(&expander->references, 1);
    expander->allocator = context->allocator;
    expander->blas = context->blas;
    status = tleg_kernels_of(context, &expander->kernels);
    if (status == TLEG_OK)
        status = tleg_config_copy(context, &shape, &expander->config);
    if (status == TLEG_OK)
        status = fill(context, expander, gene, options);
    if (status != TLEG_OK)
        tleg_expander_free(expander);
    else
        *out = expander;
    return status;
}

/* The configuration becomes empty where they are refused. */
static tleg_status take_pictures(tleg_context *context, const tleg_preparation_options *host, struct tleg_vit_config *config) {
    const struct tleg_extent pixels = tleg_config_pixels(&config->c);
    tleg_status status = tleg_config_take_pictures(context, host, config);
    if (status == TLEG_OK && !tleg_extent_same(pixels, tleg_config_pixels(&config->c)))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT,
                           "tleg_open_options.pictures.image_size: an expander is asked by tleg_expander_options.image_size");
    if (status != TLEG_OK)
        tleg_config_free(config);
    return status;
}

/* The file's header alone becomes a learngene: its numbers are read as they are packed. */
static tleg_status create_from_bare(tleg_context *context, const tleg_file *file, const tleg_open_options *asked,
                                    const tleg_expander_options *options, tleg_expander **out) {
    struct tleg_vit_config config;
    tleg_learngene *gene = NULL;
    tleg_status status = tleg_gene_no_dtype(context, asked);
    if (status == TLEG_OK)
        status = tleg_config_read(context, file, asked, true, &config);
    if (status == TLEG_OK)
        status = take_pictures(context, asked->pictures, &config);
    if (status == TLEG_OK)
        status = tleg_learngene_make(context, &config, file, &gene);
    if (status == TLEG_OK)
        status = tleg_work_begin(context, "open", tleg_file_bytes(file));
    if (status == TLEG_OK)
        status = create(context, gene, options, out);
    status = tleg_work_end(context, status);
    tleg_learngene_free(gene);
    return status;
}

static tleg_status create_from_file(tleg_context *context, const tleg_file *file, const tleg_open_options *asked,
                                    const tleg_expander_options *options, tleg_expander **expander) {
    tleg_file *bare;
    tleg_status status = tleg_config_unwrap(context, file, &bare);
    if (status == TLEG_OK)
        status = create_from_bare(context, bare, asked, options, expander);
    tleg_file_free(bare);
    return status;
}

/* ---- public ---- */

static tleg_status take_options(tleg_context *context, const tleg_expander_options *options, tleg_expander_options *own) {
    *own = (tleg_expander_options){0};
    return options ? tleg_options_read(context, "tleg_expander_options", options, own, sizeof *own, TLEG_LEAST_EXPANDER_OPTIONS)
                   : TLEG_OK;
}

uint64_t tleg_expander_parameters(const tleg_expander *e, int32_t depth) {
    uint64_t layer = 0;
    struct tleg_parameter parameter = {0};
    while (tleg_each_parameter(&e->config.c, &parameter))
        layer += parameter.count;
    return tleg_outer_numbers(&e->config.c) + (uint64_t)depth * layer;
}

TLEG_API tleg_status TLEG_CALL tleg_expander_create(tleg_context *context, const tleg_learngene *gene,
                                                    const tleg_expander_options *options, tleg_expander **expander) {
    if (expander)
        *expander = NULL;
    if (!context || !gene || !expander)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_create: a pointer is NULL");
    tleg_expander_options own;
    tleg_status status = take_options(context, options, &own);
    if (status != TLEG_OK)
        return status;
    status = tleg_work_begin(context, "pack", gene->config.c.parameters * sizeof(float));
    if (status == TLEG_OK)
        status = create(context, gene, &own, expander);
    return tleg_work_end(context, status);
}

/* The options of what opens and of what becomes of it. */
static tleg_status take_both(tleg_context *context, const tleg_open_options *opening, enum tleg_opened_from from,
                             const tleg_expander_options *options, tleg_open_options *how, tleg_expander_options *own) {
    tleg_status status = take_options(context, options, own);
    return status != TLEG_OK ? status : tleg_own_options_read(context, opening, from, how);
}

TLEG_API tleg_status TLEG_CALL tleg_expander_read(tleg_context *context, const tleg_file *file,
                                                  const tleg_open_options *opening, const tleg_expander_options *options,
                                                  tleg_expander **expander) {
    if (expander)
        *expander = NULL;
    if (!context || !file || !expander)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_read: a pointer is NULL");
    tleg_expander_options own;
    tleg_open_options how;
    tleg_status status = take_both(context, opening, TLEG_FROM_FILE, options, &how, &own);
    return status != TLEG_OK ? status : create_from_file(context, file, &how, &own, expander);
}

TLEG_API tleg_status TLEG_CALL tleg_expander_open(tleg_context *context, const char *path, const tleg_open_options *opening,
                                                  const tleg_expander_options *options, tleg_expander **expander) {
    if (expander)
        *expander = NULL;
    if (!context || !path || !expander)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_open: a pointer is NULL");
    tleg_expander_options own;
    tleg_open_options how;
    tleg_file *file = NULL;
    tleg_status status = take_both(context, opening, TLEG_FROM_PATH, options, &how, &own);
    if (status == TLEG_OK)
        status = tleg_file_open_path(context, path, &how, &file);
    if (status == TLEG_OK)
        status = create_from_file(context, file, &how, &own, expander);
    tleg_file_free(file);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_expander_parse(tleg_context *context, const void *data, size_t size,
                                                   const tleg_open_options *opening, const tleg_expander_options *options,
                                                   tleg_expander **expander) {
    if (expander)
        *expander = NULL;
    if (!context || !data || !expander)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_parse: a pointer is NULL");
    tleg_expander_options own;
    tleg_open_options how;
    tleg_file *file = NULL;
    tleg_status status = take_both(context, opening, TLEG_FROM_MEMORY, options, &how, &own);
    if (status == TLEG_OK)
        status = tleg_file_open_memory(context, data, size, &how, &file);
    if (status == TLEG_OK)
        status = create_from_file(context, file, &how, &own, expander);
    tleg_file_free(file);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_expander_copy_preparation(tleg_context *context, const tleg_expander *expander,
                                                              tleg_preparation **preparation) {
    if (preparation)
        *preparation = NULL;
    if (!context || !expander || !preparation)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_copy_preparation: a pointer is NULL");
    return tleg_preparation_of(context, &expander->config.c, preparation);
}

TLEG_API tleg_status TLEG_CALL tleg_expander_get_info(tleg_context *context, const tleg_expander *expander,
                                                      tleg_config *config) {
    if (!expander)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_get_info: expander is NULL");
    return tleg_info_write(context, "tleg_config", &expander->config.c, sizeof expander->config.c, config, TLEG_LEAST_CONFIG);
}

TLEG_API const char *TLEG_CALL tleg_expander_get_label(const tleg_expander *expander, int32_t index) {
    return expander ? tleg_config_label(&expander->config.c, index) : NULL;
}

TLEG_API uint64_t TLEG_CALL tleg_expander_get_memory(const tleg_expander *expander) {
    return expander ? sizeof *expander + expander->config.text_bytes + expander->bytes : 0;
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
    tleg_config_free(&expander->config);
    tleg_release(&allocator, expander, sizeof *expander);
}
