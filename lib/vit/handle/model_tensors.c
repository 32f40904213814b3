/* A model's tensors by index and by name, in the order of its file: embedding, blocks, norm and head. */
#include "vit/handle/handle.h"

#include <string.h>

static bool slot_present(const tleg_model *model, int slot) {
    return model->outer_names[slot][0] != 0;
}

static int64_t slots_present(const tleg_model *model, int end) {
    int64_t count = 0;
    for (int slot = 0; slot < end; slot++)
        count += slot_present(model, slot);
    return count;
}

int64_t tleg_model_count(const tleg_model *model) {
    return slots_present(model, TLEG_SLOTS) + model->layout.tensors * model->config.c.depth;
}

static void outer_entry(const tleg_model *model, int first, int64_t index, struct tleg_model_entry *entry) {
    int slot = first;
    while (!slot_present(model, slot) || index-- > 0)
        slot++;
    *entry = (struct tleg_model_entry){.name = model->outer_names[slot], .layer = -1, .slot = slot};
    tleg_outer_spec(&model->config.c, slot, &entry->spec);
}

static void layer_entry(const tleg_model *model, int64_t index, struct tleg_model_entry *entry) {
    const struct tleg_layer_layout *layout = &model->layout;
    int64_t i = index % layout->tensors;
    int32_t layer = (int32_t)(index / layout->tensors);
    *entry = (struct tleg_model_entry){.layer = layer, .site = layout->tensor[i].site, .bias = layout->tensor[i].bias};
    entry->name = tleg_model_layer(model, layer) + layout->names + (size_t)i * TLEG_LAYER_NAME;
    tleg_site_spec(&model->config.c, entry->site, entry->bias, &entry->spec);
}

void tleg_model_entry(const tleg_model *model, int64_t index, struct tleg_model_entry *entry) {
    int64_t before = slots_present(model, TLEG_SLOT_NORM_WEIGHT), layers = model->layout.tensors * model->config.c.depth;
    if (index < before)
        outer_entry(model, 0, index, entry);
    else if (index < before + layers)
        layer_entry(model, index - before, entry);
    else
        outer_entry(model, TLEG_SLOT_NORM_WEIGHT, index - before - layers, entry);
}

size_t tleg_model_scratch(const tleg_model *model) {
    size_t most = 0;
    int64_t count = tleg_model_count(model), first_two_layers = TLEG_SLOTS + 2 * model->layout.tensors;
    for (int64_t i = 0; i < count; i++) {
        if (i > first_two_layers && i < count - TLEG_SLOTS)
            continue; /* every layer is alike */
        struct tleg_model_entry entry;
        tleg_model_entry(model, i, &entry);
        size_t elements = tleg_spec_count(&entry.spec);
        if (entry.spec.rank == 2 || entry.spec.rank == 4) /* those of rank 3 are tables */
            elements = tleg_packed_count(model->kernels, model->config.c.dtype, entry.spec.shape[0],
                                         (int64_t)(elements / (size_t)entry.spec.shape[0]));
        if (elements > most)
            most = elements;
    }
    return most;
}

void tleg_model_get(const tleg_model *model, const struct tleg_model_entry *entry, float *scratch, float *out) {
    if (entry->layer < 0) {
        tleg_outer_get(model->kernels, &model->config.c, &model->outer, entry->slot, scratch, out);
        return;
    }
    struct tleg_layer layer;
    tleg_layer_view(&model->layout, &model->config.c, tleg_model_layer(model, entry->layer), &layer);
    if (tleg_site_is_vector(entry->site)) {
        const struct tleg_norm *norm = &layer.norm[entry->site];
        memcpy(out, entry->bias ? norm->bias : norm->weight, tleg_spec_count(&entry->spec) * sizeof(float));
        return;
    }
    const struct tleg_linear *linear = &layer.linear[entry->site];
    if (entry->bias)
        memcpy(out, linear->bias, tleg_spec_count(&entry->spec) * sizeof(float));
    else
        tleg_unpack_from(model->kernels, &linear->weight, scratch, out);
}

TLEG_API const char *TLEG_CALL tleg_model_get_tensor_name(const tleg_model *model, int64_t index) {
    if (!model || index < 0 || index >= tleg_model_count(model))
        return NULL;
    struct tleg_model_entry entry;
    tleg_model_entry(model, index, &entry);
    return entry.name;
}

static bool find(const tleg_model *model, const char *name, struct tleg_model_entry *entry) {
    int64_t count = tleg_model_count(model);
    for (int64_t i = 0; i < count; i++) {
        tleg_model_entry(model, i, entry);
        if (!strcmp(entry->name, name))
            return true;
    }
    return false;
}

TLEG_API int64_t TLEG_CALL tleg_model_get_tensor_count(const tleg_model *model) {
    return model ? tleg_model_count(model) : 0;
}

TLEG_API tleg_status TLEG_CALL tleg_model_get_tensor_info(tleg_context *context, const tleg_model *model, const char *name,
                                                          tleg_tensor_info *info) {
    if (!model || !name || !info)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_get_tensor_info: a pointer is NULL");
    struct tleg_model_entry entry;
    if (!find(model, name, &entry))
        return tleg_fail(context, TLEG_ERROR_NOT_FOUND, "this model has no tensor \"%s\"", name);
    return tleg_spec_info(context, &entry.spec, model->config.c.dtype, info);
}

TLEG_API const char *TLEG_CALL tleg_model_get_label(const tleg_model *model, int32_t index) {
    return model ? tleg_config_label(&model->config.c, index) : NULL;
}

TLEG_API uint64_t TLEG_CALL tleg_model_get_memory(const tleg_model *model) {
    return model ? sizeof *model + model->config.text_bytes + model->bytes : 0;
}

TLEG_API tleg_status TLEG_CALL tleg_model_copy_tensor(tleg_context *context, const tleg_model *model, const char *name,
                                                      tleg_tensor **tensor) {
    if (tensor)
        *tensor = NULL;
    if (!context || !model || !name || !tensor)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_copy_tensor: a pointer is NULL");
    struct tleg_model_entry entry;
    if (!find(model, name, &entry))
        return tleg_fail(context, TLEG_ERROR_NOT_FOUND, "this model has no tensor \"%s\"", name);
    int32_t dtype = model->config.c.dtype;
    size_t largest = tleg_model_scratch(model), bytes = largest * 2 * sizeof(float);
    float *scratch = tleg_alloc(&context->allocator, bytes);
    if (!scratch)
        return tleg_fail_memory(context, name, bytes);
    tleg_status status = tleg_tensor_create(context, dtype, entry.spec.rank, entry.spec.shape, tensor);
    if (status == TLEG_OK) {
        tleg_model_get(model, &entry, scratch, scratch + largest);
        tleg_convert_from_f32(dtype, scratch + largest, (*tensor)->data, tleg_spec_count(&entry.spec));
    }
    tleg_release(&context->allocator, scratch, bytes);
    return status;
}
