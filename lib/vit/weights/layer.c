/* One layer in memory: a fixed layout, filled from row-major tensors, seen through struct tleg_layer. */
#include "vit/weights/weights.h"

#include <string.h>

bool tleg_site_is_norm(enum tleg_site site) {
    return site == TLEG_SITE_NORM1 || site == TLEG_SITE_NORM2;
}

struct tleg_norm *tleg_layer_norm(struct tleg_layer *layer, enum tleg_site site) {
    return site == TLEG_SITE_NORM1 ? &layer->norm1 : &layer->norm2;
}

struct tleg_linear *tleg_layer_linear(struct tleg_layer *layer, enum tleg_site site) {
    switch (site) {
    case TLEG_SITE_QKV:
        return &layer->qkv;
    case TLEG_SITE_PROJ:
        return &layer->proj;
    case TLEG_SITE_FC1:
        return &layer->fc1;
    default:
        return &layer->fc2;
    }
}

void tleg_layer_layout(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                       struct tleg_layer_layout *layout) {
    size_t end = 0;
    layout->dtype = dtype;
    for (int site = 0; site < TLEG_SITES; site++) {
        struct tleg_spec spec;
        tleg_site_spec(config, site, false, &spec);
        if (tleg_site_is_norm(site)) {
            layout->packed[site] = tleg_spec_count(&spec);
            layout->weight[site] = tleg_place(&end, layout->packed[site], sizeof(float));
        } else {
            layout->packed[site] = tleg_packed_count(kernels, dtype, spec.shape[0], spec.shape[1]);
            layout->weight[site] = tleg_place(&end, layout->packed[site], tleg_dtype_size(dtype));
        }
        tleg_site_spec(config, site, true, &spec);
        layout->bias[site] = tleg_place(&end, tleg_spec_count(&spec), sizeof(float));
    }
    layout->names = tleg_place(&end, TLEG_SITES * 2, TLEG_LAYER_NAME);
    layout->bytes = end;
}

static const float *vector_at(const char *memory, size_t offset) {
    return (const float *)(const void *)(memory + offset);
}

void tleg_layer_view(const struct tleg_layer_layout *layout, const tleg_config *config, const char *memory,
                     struct tleg_layer *layer) {
    for (int site = 0; site < TLEG_SITES; site++) {
        if (tleg_site_is_norm(site)) {
            *tleg_layer_norm(layer, site) = (struct tleg_norm){.weight = vector_at(memory, layout->weight[site]),
                                                               .bias = vector_at(memory, layout->bias[site])};
            continue;
        }
        struct tleg_spec spec;
        tleg_site_spec(config, site, false, &spec);
        bool has_bias = site != TLEG_SITE_QKV || !config->no_qkv_bias;
        *tleg_layer_linear(layer, site) = (struct tleg_linear){
            .weight = {.n = spec.shape[0],
                       .k = spec.shape[1],
                       .basis = tleg_basis_one(memory + layout->weight[site]),
                       .stored = layout->dtype,
                       .rounded = layout->dtype},
            .bias = has_bias ? vector_at(memory, layout->bias[site]) : NULL,
        };
    }
}

tleg_status tleg_layer_read(tleg_context *context, const struct tleg_kernels *kernels, const tleg_config *config,
                            const struct tleg_layer_layout *layout, char *memory, enum tleg_site site, bool bias,
                            tleg_numbers *numbers, void *source, float *scratch) {
    struct tleg_spec spec;
    tleg_site_spec(config, site, bias, &spec);
    char *at = memory + (bias ? layout->bias[site] : layout->weight[site]);
    if (bias || tleg_site_is_norm(site))
        return tleg_round_from(context, kernels, layout->dtype, tleg_spec_count(&spec), numbers, source, (float *)(void *)at);
    return tleg_pack_from(context, kernels, layout->dtype, layout->dtype, spec.shape[0], spec.shape[1], numbers, source,
                          scratch, at);
}

size_t tleg_layer_scratch(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype) {
    size_t most = 0;
    for (int site = 0; site < TLEG_SITES; site++) {
        struct tleg_spec spec;
        tleg_site_spec(config, site, false, &spec);
        size_t floats = tleg_site_is_norm(site) ? 0 : tleg_pack_scratch(kernels, dtype, dtype, spec.shape[0], spec.shape[1]);
        most = most > floats ? most : floats;
    }
    return most;
}

void tleg_layer_put(const struct tleg_kernels *kernels, const tleg_config *config, const struct tleg_layer_layout *layout,
                    char *memory, enum tleg_site site, bool bias, const float *values, float *scratch) {
    struct tleg_spec spec;
    tleg_site_spec(config, site, bias, &spec);
    char *at = memory + (bias ? layout->bias[site] : layout->weight[site]);
    if (bias || tleg_site_is_norm(site))
        tleg_round_vector(kernels, layout->dtype, tleg_spec_count(&spec), values, (float *)(void *)at);
    else
        tleg_pack_as(kernels, layout->dtype, spec.shape[0], spec.shape[1], values, scratch, at);
}
