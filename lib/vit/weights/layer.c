/* One layer in memory: a fixed layout, filled from row-major tensors, seen through struct tleg_layer. */
#include "vit/weights/weights.h"

#include <string.h>

void tleg_layer_layout(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                       struct tleg_layer_layout *layout) {
    size_t end = 0;
    *layout = (struct tleg_layer_layout){.dtype = dtype};
    struct tleg_parameter parameter = {0};
    while (tleg_each_parameter(config, &parameter)) {
        const enum tleg_site site = parameter.site;
        layout->tensor[layout->tensors].site = site;
        layout->tensor[layout->tensors++].bias = parameter.bias;
        int64_t n, k;
        if (parameter.bias) {
            layout->bias[site] = tleg_place(&end, parameter.count, sizeof(float));
        } else if (tleg_site_matrix(config, site, &n, &k)) {
            layout->packed[site] = tleg_packed_count(kernels, dtype, n, k);
            layout->weight[site] = tleg_place(&end, layout->packed[site], tleg_dtype_size(dtype));
        } else {
            layout->packed[site] = parameter.count;
            layout->weight[site] = tleg_place(&end, parameter.count, sizeof(float));
        }
    }
    layout->names = tleg_place(&end, (size_t)layout->tensors, TLEG_LAYER_NAME);
    layout->bytes = end;
}

static const float *vector_at(const char *memory, size_t offset) {
    return (const float *)(const void *)(memory + offset);
}

void tleg_layer_view(const struct tleg_layer_layout *layout, const tleg_config *config, const char *memory,
                     struct tleg_layer *layer) {
    *layer = (struct tleg_layer){0};
    for (int32_t i = 0; i < layout->tensors; i++) {
        const enum tleg_site site = layout->tensor[i].site;
        const bool bias = layout->tensor[i].bias;
        const float *vector = vector_at(memory, bias ? layout->bias[site] : layout->weight[site]);
        int64_t n, k;
        if (!tleg_site_matrix(config, site, &n, &k))
            *(bias ? &layer->norm[site].bias : &layer->norm[site].weight) = vector;
        else if (bias)
            layer->linear[site].bias = vector;
        else
            layer->linear[site].weight = (struct tleg_weight){
                .n = n, .k = k, .basis = tleg_basis_one(vector), .stored = layout->dtype, .rounded = layout->dtype};
    }
}

static char *place_of(const struct tleg_layer_at *at, enum tleg_site site, bool bias) {
    return at->memory + (bias ? at->layout->bias[site] : at->layout->weight[site]);
}

tleg_status tleg_layer_read(tleg_context *context, const struct tleg_layer_at *at, enum tleg_site site, bool bias,
                            tleg_numbers *numbers, void *source, float *scratch) {
    struct tleg_pack_job job = {.kernels = at->kernels,
                                .rounded = at->layout->dtype,
                                .stored = at->layout->dtype,
                                .numbers = numbers,
                                .source = source,
                                .scratch = scratch};
    if (!bias && tleg_site_matrix(at->config, site, &job.n, &job.k))
        return tleg_pack_from(context, &job, place_of(at, site, bias));
    struct tleg_spec spec;
    tleg_site_spec(at->config, site, bias, &spec);
    return tleg_round_from(context, at->kernels, at->layout->dtype, tleg_spec_count(&spec), numbers, source,
                           (float *)(void *)place_of(at, site, bias));
}

size_t tleg_layer_scratch(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype) {
    size_t most = 0;
    for (int site = 0; site < TLEG_SITES; site++) {
        int64_t n, k;
        size_t floats = tleg_site_matrix(config, site, &n, &k) ? tleg_pack_scratch(kernels, dtype, dtype, n, k) : 0;
        most = most > floats ? most : floats;
    }
    return most;
}

void tleg_layer_put(const struct tleg_layer_at *at, enum tleg_site site, bool bias, const float *values) {
    char *place = place_of(at, site, bias);
    int64_t n, k;
    if (!bias && tleg_site_matrix(at->config, site, &n, &k)) {
        tleg_pack_as(at->kernels, at->layout->dtype, n, k, values, NULL, place);
        return;
    }
    struct tleg_spec spec;
    tleg_site_spec(at->config, site, bias, &spec);
    tleg_round_vector(at->kernels, at->layout->dtype, tleg_spec_count(&spec), values, (float *)(void *)place);
}
