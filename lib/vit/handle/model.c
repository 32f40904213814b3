/* The model handle: one memory for outer weights and all layers. */
#include "image/picture.h"
#include "vit/handle/handle.h"

#include <string.h>

void tleg_model_bytes(const struct tleg_kernels *kernels, const struct tleg_vit_config *config, size_t *fixed, size_t *layer) {
    struct tleg_layer_layout layout;
    tleg_layer_layout(kernels, &config->c, config->c.dtype, &layout);
    *layer = layout.bytes;
    *fixed = sizeof(struct tleg_model) + config->text_bytes + tleg_outer_bytes(kernels, &config->c, config->c.dtype);
}

char *tleg_model_layer(const tleg_model *model, int32_t layer) {
    return model->memory + model->layers_at + (size_t)layer * model->layout.bytes;
}

static void name_tensors(tleg_model *model) {
    for (int slot = 0; slot < TLEG_SLOTS; slot++) {
        struct tleg_spec spec;
        tleg_outer_spec(&model->config.c, slot, &spec);
        memcpy(model->outer_names[slot], spec.name, TLEG_LAYER_NAME - 1);
    }
    for (int32_t layer = 0; layer < model->config.c.depth; layer++) {
        char *at = tleg_model_layer(model, layer) + model->layout.names;
        for (int32_t i = 0; i < model->layout.tensors; i++, at += TLEG_LAYER_NAME) {
            char name[TLEG_NAME_TEXT];
            tleg_layer_name(layer, model->layout.tensor[i].site, model->layout.tensor[i].bias, name);
            memcpy(at, name, TLEG_LAYER_NAME);
        }
    }
}

static tleg_status make_memory(tleg_context *context, tleg_model *model) {
    const tleg_config *config = &model->config.c;
    size_t end = 0;
    tleg_layer_layout(model->kernels, config, config->dtype, &model->layout);
    tleg_place(&end, tleg_outer_bytes(model->kernels, config, config->dtype), 1);
    model->layers_at = tleg_place(&end, model->layout.bytes, (size_t)config->depth);
    model->memory = end == SIZE_MAX ? NULL : tleg_alloc(&context->allocator, end);
    if (!model->memory)
        return tleg_fail_memory(context, "weights", end);
    model->bytes = end;
    return TLEG_OK;
}

tleg_status tleg_model_make(tleg_context *context, const struct tleg_kernels *kernels, const struct tleg_blas *blas,
                            struct tleg_vit_config *config, tleg_model **out) {
    tleg_model *model = tleg_alloc_zero(&context->allocator, sizeof *model);
    if (!model) {
        tleg_config_free(config);
        return tleg_fail_memory(context, "model", sizeof *model);
    }
    atomic_init(&model->references, 1);
    model->allocator = context->allocator;
    model->config = *config;
    model->kernels = kernels;
    model->blas = *blas;
    tleg_status status = make_memory(context, model);
    if (status != TLEG_OK) {
        tleg_model_free(model);
        return status;
    }
    name_tensors(model);
    *out = model;
    return TLEG_OK;
}

tleg_model *tleg_model_share(const tleg_model *model) {
    tleg_model *shared = (tleg_model *)(uintptr_t)model; /* the count is all that changes */
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

TLEG_API void TLEG_CALL tleg_model_free(tleg_model *model) {
    if (!model || atomic_fetch_sub_explicit(&model->references, 1, memory_order_acq_rel) != 1)
        return;
    struct tleg_allocator allocator = model->allocator;
    tleg_release(&allocator, model->memory, model->bytes);
    tleg_config_free(&model->config);
    tleg_release(&allocator, model, sizeof *model);
}

static void get_layer(const void *owner, const void *state, int32_t layer, float *vectors, struct tleg_layer *out) {
    (void)state;
    (void)vectors;
    const tleg_model *model = owner;
    tleg_layer_view(&model->layout, &model->config.c, tleg_model_layer(model, layer), out);
}

void tleg_model_network(const tleg_model *model, struct tleg_network *network) {
    *network = (struct tleg_network){.kernels = model->kernels,
                                     .blas = model->blas,
                                     .config = &model->config.c,
                                     .outer = &model->outer,
                                     .ends = tleg_ends_of(&model->config.c),
                                     .owner = model,
                                     .least_depth = model->config.c.depth,
                                     .most_depth = model->config.c.depth,
                                     .get = get_layer};
}

TLEG_API tleg_status TLEG_CALL tleg_model_copy_preparation(tleg_context *context, const tleg_model *model,
                                                           tleg_preparation **preparation) {
    if (preparation)
        *preparation = NULL;
    if (!context || !model || !preparation)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_copy_preparation: a pointer is NULL");
    return tleg_preparation_of(context, &model->config.c, preparation);
}

TLEG_API tleg_status TLEG_CALL tleg_model_get_info(tleg_context *context, const tleg_model *model, tleg_config *config) {
    if (!model)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_get_info: model is NULL");
    return tleg_info_write(context, "tleg_config", &model->config.c, sizeof model->config.c, config, TLEG_LEAST_CONFIG);
}
