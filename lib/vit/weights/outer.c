/* Patch embedding, tokens, position embedding, final norm and heads: all that a learngene hands on unchanged. */
#include "vit/weights/weights.h"

#include <string.h>

struct outer_layout {
    size_t at[TLEG_SLOTS], angles;
    size_t scratch; /* floats, to pack the matrices */
    size_t bytes;
};

static void outer_layout(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                         struct outer_layout *layout) {
    size_t end = 0;
    layout->scratch = 0;
    for (int slot = 0; slot < TLEG_SLOTS; slot++) {
        struct tleg_spec spec;
        int64_t n, k;
        tleg_outer_spec(config, slot, &spec);
        size_t count = tleg_spec_count(&spec), element = sizeof(float);
        if (tleg_slot_matrix(config, slot, &n, &k)) {
            size_t scratch = tleg_pack_scratch(kernels, dtype, dtype, n, k);
            layout->scratch = layout->scratch > scratch ? layout->scratch : scratch;
            count = tleg_packed_count(kernels, dtype, n, k);
            element = tleg_dtype_size(dtype);
        }
        layout->at[slot] = tleg_place(&end, count, element);
    }
    layout->angles = tleg_place(&end, tleg_rotary_floats(config), sizeof(float));
    layout->bytes = end;
}

size_t tleg_outer_bytes(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype) {
    struct outer_layout layout;
    outer_layout(kernels, config, dtype, &layout);
    return layout.bytes;
}

/* One slot's numbers, for tleg_pack_from, checked against the type to which they are rounded. */
struct slot_source {
    tleg_outer_read *read;
    void *source;
    enum tleg_slot slot;
    int32_t dtype;
    const char *name;
};

static tleg_status read_slot(tleg_context *context, void *source, size_t first, size_t count, float *room,
                             const float **numbers) {
    const struct slot_source *from = source;
    const tleg_status status = from->read(context, from->source, from->slot, first, count, room, numbers);
    return status == TLEG_OK ? tleg_check_range(context, from->dtype, from->name, first, *numbers, count) : status;
}

static tleg_status outer_put(tleg_context *context, const struct tleg_kernels *kernels, const tleg_config *config,
                             const struct tleg_spec *spec, struct slot_source *from, float *scratch, char *at) {
    const int32_t dtype = config->dtype;
    int64_t n, k;
    if (tleg_slot_matrix(config, from->slot, &n, &k))
        return tleg_pack_from(context,
                              &(struct tleg_pack_job){.kernels = kernels,
                                                      .rounded = dtype,
                                                      .stored = dtype,
                                                      .n = n,
                                                      .k = k,
                                                      .numbers = read_slot,
                                                      .source = from,
                                                      .scratch = scratch},
                              at);
    return tleg_round_from(context, kernels, dtype, tleg_spec_count(spec), read_slot, from, (float *)(void *)at);
}

static void outer_view(const tleg_config *config, const struct outer_layout *layout, int32_t dtype, const char *memory,
                       struct tleg_outer_weights *outer) {
    const void *at[TLEG_SLOTS];
    struct tleg_weight matrix[TLEG_SLOTS] = {0};
    for (int slot = 0; slot < TLEG_SLOTS; slot++) {
        struct tleg_spec spec;
        tleg_outer_spec(config, slot, &spec);
        at[slot] = tleg_spec_count(&spec) ? memory + layout->at[slot] : NULL;
        int64_t n, k;
        if (tleg_slot_matrix(config, slot, &n, &k))
            matrix[slot] =
                (struct tleg_weight){.n = n, .k = k, .basis = tleg_basis_one(at[slot]), .stored = dtype, .rounded = dtype};
    }
    outer->memory = memory;
    outer->patch = (struct tleg_linear){.weight = matrix[TLEG_SLOT_PATCH_WEIGHT], .bias = at[TLEG_SLOT_PATCH_BIAS]};
    outer->pos = at[TLEG_SLOT_POS_EMBED];
    outer->angles = config->rotary ? (const float *)(const void *)(memory + layout->angles) : NULL;
    outer->cls = at[TLEG_SLOT_CLS_TOKEN];
    outer->dist = at[TLEG_SLOT_DIST_TOKEN];
    outer->registers = at[TLEG_SLOT_REG_TOKEN];
    outer->patch_norm = (struct tleg_norm){.weight = at[TLEG_SLOT_PATCH_NORM_WEIGHT], .bias = at[TLEG_SLOT_PATCH_NORM_BIAS]};
    outer->before = (struct tleg_norm){.weight = at[TLEG_SLOT_PRE_WEIGHT], .bias = at[TLEG_SLOT_PRE_BIAS]};
    outer->norm = (struct tleg_norm){.weight = at[TLEG_SLOT_NORM_WEIGHT], .bias = at[TLEG_SLOT_NORM_BIAS]};
    outer->pool = (struct tleg_attention_pool){.latent = at[TLEG_SLOT_POOL_LATENT],
                                               .norm = {at[TLEG_SLOT_POOL_NORM_WEIGHT], at[TLEG_SLOT_POOL_NORM_BIAS]}};
    for (int m = 0; m < TLEG_POOL_MATRICES; m++)
        outer->pool.linear[m] = (struct tleg_linear){matrix[tleg_pool_slot((enum tleg_pool_matrix)m, false)],
                                                     at[tleg_pool_slot((enum tleg_pool_matrix)m, true)]};
    outer->draw = (struct tleg_generator_weights){
        .time_in = {matrix[TLEG_SLOT_TIME_IN_WEIGHT], at[TLEG_SLOT_TIME_IN_BIAS]},
        .time_out = {matrix[TLEG_SLOT_TIME_OUT_WEIGHT], at[TLEG_SLOT_TIME_OUT_BIAS]},
        .labels = at[TLEG_SLOT_LABELS],
        .last_modulation = {matrix[TLEG_SLOT_LAST_MODULATION_WEIGHT], at[TLEG_SLOT_LAST_MODULATION_BIAS]},
        .last = {matrix[TLEG_SLOT_LAST_WEIGHT], at[TLEG_SLOT_LAST_BIAS]}};
    outer->representation =
        (struct tleg_linear){.weight = matrix[TLEG_SLOT_REPRESENTATION_WEIGHT], .bias = at[TLEG_SLOT_REPRESENTATION_BIAS]};
    outer->head[0] = (struct tleg_linear){.weight = matrix[TLEG_SLOT_HEAD_WEIGHT], .bias = at[TLEG_SLOT_HEAD_BIAS]};
    outer->head[1] = (struct tleg_linear){.weight = matrix[TLEG_SLOT_HEAD_DIST_WEIGHT], .bias = at[TLEG_SLOT_HEAD_DIST_BIAS]};
}

tleg_status tleg_outer_fill(tleg_context *context, const struct tleg_kernels *kernels, const tleg_config *config,
                            tleg_outer_read *read, void *source, char *memory, struct tleg_outer_weights *outer) {
    const int32_t dtype = config->dtype;
    struct outer_layout layout;
    outer_layout(kernels, config, dtype, &layout);
    size_t bytes = layout.scratch * sizeof(float); /* no more than two panels of what has been laid out */
    float *scratch = tleg_alloc(&context->allocator, bytes);
    tleg_status status = scratch ? TLEG_OK : tleg_fail_memory(context, "embedding and head", bytes);
    for (int slot = 0; slot < TLEG_SLOTS && status == TLEG_OK; slot++) {
        struct tleg_spec spec;
        tleg_outer_spec(config, slot, &spec);
        struct slot_source from = {read, source, slot, dtype, spec.name};
        if (tleg_spec_count(&spec))
            status = outer_put(context, kernels, config, &spec, &from, scratch, memory + layout.at[slot]);
    }
    tleg_release(&context->allocator, scratch, bytes);
    tleg_rotary_fill(config, (float *)(void *)(memory + layout.angles));
    if (status == TLEG_OK)
        outer_view(config, &layout, dtype, memory, outer);
    return status;
}

void tleg_outer_copy(const struct tleg_kernels *kernels, const tleg_config *config, const struct tleg_outer_weights *from,
                     char *memory, struct tleg_outer_weights *outer) {
    struct outer_layout layout;
    outer_layout(kernels, config, config->dtype, &layout);
    memcpy(memory, from->memory, layout.bytes);
    outer_view(config, &layout, config->dtype, memory, outer);
}

/* A linear of a generator, or the representation layer, by its weight's slot or its bias'; NULL: another's. */
static const struct tleg_linear *linear_of(const struct tleg_outer_weights *outer, enum tleg_slot slot) {
    const struct tleg_generator_weights *draw = &outer->draw;
    switch (slot) {
    case TLEG_SLOT_TIME_IN_WEIGHT:
    case TLEG_SLOT_TIME_IN_BIAS:
        return &draw->time_in;
    case TLEG_SLOT_TIME_OUT_WEIGHT:
    case TLEG_SLOT_TIME_OUT_BIAS:
        return &draw->time_out;
    case TLEG_SLOT_LAST_MODULATION_WEIGHT:
    case TLEG_SLOT_LAST_MODULATION_BIAS:
        return &draw->last_modulation;
    case TLEG_SLOT_LAST_WEIGHT:
    case TLEG_SLOT_LAST_BIAS:
        return &draw->last;
    case TLEG_SLOT_REPRESENTATION_WEIGHT:
    case TLEG_SLOT_REPRESENTATION_BIAS:
        return &outer->representation;
    default:
        return NULL;
    }
}

static const struct tleg_weight *matrix_of(const struct tleg_outer_weights *outer, enum tleg_slot slot) {
    if (slot == TLEG_SLOT_PATCH_WEIGHT)
        return &outer->patch.weight;
    if (slot >= TLEG_SLOT_HEAD_WEIGHT)
        return &outer->head[slot == TLEG_SLOT_HEAD_DIST_WEIGHT].weight;
    const struct tleg_linear *const linear = linear_of(outer, slot);
    return linear ? &linear->weight : &outer->pool.linear[(slot - TLEG_SLOT_POOL_Q_WEIGHT) / 2].weight;
}

static const float *vector_of(const struct tleg_outer_weights *outer, enum tleg_slot slot) {
    const float *const vector[TLEG_SLOTS] = {
        [TLEG_SLOT_CLS_TOKEN] = outer->cls,
        [TLEG_SLOT_DIST_TOKEN] = outer->dist,
        [TLEG_SLOT_REG_TOKEN] = outer->registers,
        [TLEG_SLOT_PATCH_NORM_WEIGHT] = outer->patch_norm.weight,
        [TLEG_SLOT_PATCH_NORM_BIAS] = outer->patch_norm.bias,
        [TLEG_SLOT_PRE_WEIGHT] = outer->before.weight,
        [TLEG_SLOT_PRE_BIAS] = outer->before.bias,
        [TLEG_SLOT_POS_EMBED] = outer->pos,
        [TLEG_SLOT_PATCH_BIAS] = outer->patch.bias,
        [TLEG_SLOT_NORM_WEIGHT] = outer->norm.weight,
        [TLEG_SLOT_NORM_BIAS] = outer->norm.bias,
        [TLEG_SLOT_POOL_LATENT] = outer->pool.latent,
        [TLEG_SLOT_POOL_NORM_WEIGHT] = outer->pool.norm.weight,
        [TLEG_SLOT_POOL_NORM_BIAS] = outer->pool.norm.bias,
        [TLEG_SLOT_LABELS] = outer->draw.labels,
        [TLEG_SLOT_HEAD_BIAS] = outer->head[0].bias,
        [TLEG_SLOT_HEAD_DIST_BIAS] = outer->head[1].bias,
    };
    if (slot >= TLEG_SLOT_POOL_Q_WEIGHT && slot <= TLEG_SLOT_POOL_LAST)
        return outer->pool.linear[(slot - TLEG_SLOT_POOL_Q_WEIGHT) / 2].bias;
    const struct tleg_linear *const linear = linear_of(outer, slot);
    return linear ? linear->bias : vector[slot];
}

void tleg_outer_get(const struct tleg_kernels *kernels, const tleg_config *config, const struct tleg_outer_weights *outer,
                    enum tleg_slot slot, float *scratch, float *out) {
    struct tleg_spec spec;
    int64_t n, k;
    tleg_outer_spec(config, slot, &spec);
    if (tleg_slot_matrix(config, slot, &n, &k))
        tleg_unpack_from(kernels, matrix_of(outer, slot), scratch, out);
    else
        memcpy(out, vector_of(outer, slot), tleg_spec_count(&spec) * sizeof(float));
}
