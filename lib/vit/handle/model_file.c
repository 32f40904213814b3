/* Models from and to files. */
#include "vit/handle/handle.h"
#include "vit/read/read.h"

/* ---- reading ---- */

/* A tensor of the file, for tleg_pack_from. */
struct file_source {
    const tleg_file *file;
    const struct tleg_entry *entry; /* there: tleg_config_read has looked */
};

static tleg_status read_numbers(tleg_context *context, void *source, size_t first, size_t count, float *room,
                                const float **numbers) {
    const struct file_source *from = source;
    *numbers = room;
    return tleg_file_read_part(context, from->file, from->entry, first, count, room);
}

struct outer_source {
    const tleg_file *file;
    const tleg_config *config;
};

static tleg_status read_outer(tleg_context *context, void *source, enum tleg_slot slot, size_t first, size_t count, float *room,
                              const float **numbers) {
    const struct outer_source *from = source;
    struct tleg_spec spec;
    tleg_outer_spec(from->config, slot, &spec);
    struct file_source tensor = {from->file, tleg_file_find(from->file, spec.name)};
    return read_numbers(context, &tensor, first, count, room, numbers);
}

static tleg_status read_site(tleg_context *context, const tleg_file *file, tleg_model *model, int32_t layer,
                             enum tleg_site site, bool bias, float *scratch) {
    char name[TLEG_NAME_TEXT];
    tleg_layer_name(layer, site, bias, name);
    struct file_source tensor = {file, tleg_file_find(file, name)};
    const struct tleg_layer_at at = {model->kernels, &model->config.c, &model->layout, tleg_model_layer(model, layer)};
    return tleg_layer_read(context, &at, site, bias, read_numbers, &tensor, scratch);
}

static tleg_status read_layers(tleg_context *context, const tleg_file *file, tleg_model *model) {
    size_t bytes = tleg_layer_scratch(model->kernels, &model->config.c, model->layout.dtype) * sizeof(float);
    float *scratch = tleg_alloc(&context->allocator, bytes);
    if (!scratch)
        return tleg_fail_memory(context, "layers", bytes);
    tleg_status status = TLEG_OK;
    for (int32_t layer = 0; layer < model->config.c.depth && !status; layer++)
        for (int32_t i = 0; i < model->layout.tensors && !status; i++)
            status =
                read_site(context, file, model, layer, model->layout.tensor[i].site, model->layout.tensor[i].bias, scratch);
    tleg_release(&context->allocator, scratch, bytes);
    return status;
}

static tleg_status read_bare(tleg_context *context, const tleg_file *file, int32_t heads, tleg_model **out) {
    const struct tleg_kernels *kernels;
    tleg_status status = tleg_kernels_of(context, &kernels);
    if (status)
        return status;
    struct tleg_vit_config config = {0};
    status = tleg_config_read(context, file, heads, false, &config);
    if (status)
        return status;
    tleg_model *model = NULL;
    status = tleg_model_make(context, kernels, &config, &model);
    if (!status)
        status = tleg_work_begin(context, "open", tleg_file_bytes(file));
    if (!status)
        status = tleg_outer_fill(context, kernels, &model->config.c, read_outer, &(struct outer_source){file, &model->config.c},
                                 model->memory, &model->outer);
    if (!status)
        status = read_layers(context, file, model);
    status = tleg_work_end(context, status);
    if (status) {
        tleg_model_free(model);
        return status;
    }
    *out = model;
    return TLEG_OK;
}

static tleg_status read_model(tleg_context *context, const tleg_file *file, int32_t heads, tleg_model **model) {
    tleg_file *bare;
    tleg_status status = tleg_config_unwrap(context, file, &bare);
    if (status == TLEG_OK)
        status = read_bare(context, bare, heads, model);
    tleg_file_free(bare);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_model_read(tleg_context *context, const tleg_file *file, const tleg_open_options *options,
                                               tleg_model **model) {
    if (model)
        *model = NULL;
    if (!context || !file || !model)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_read: a pointer is NULL");
    tleg_open_options own;
    tleg_status status = tleg_open_options_read(context, options, false, &own);
    return status == TLEG_OK ? read_model(context, file, own.heads, model) : status;
}

TLEG_API tleg_status TLEG_CALL tleg_model_open(tleg_context *context, const char *path, const tleg_open_options *options,
                                               tleg_model **model) {
    if (model)
        *model = NULL;
    if (!context || !path || !model)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_open: a pointer is NULL");
    tleg_open_options own;
    tleg_file *file = NULL;
    tleg_status status = tleg_open_options_read(context, options, true, &own);
    if (status == TLEG_OK)
        status = tleg_file_open_path(context, path, own.flags, &file);
    if (status == TLEG_OK)
        status = read_model(context, file, own.heads, model);
    tleg_file_free(file);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_model_parse(tleg_context *context, const void *data, size_t size,
                                                const tleg_open_options *options, tleg_model **model) {
    if (model)
        *model = NULL;
    if (!context || !data || !model)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_parse: a pointer is NULL");
    tleg_open_options own;
    tleg_file *file = NULL;
    tleg_status status = tleg_open_options_read(context, options, false, &own);
    if (status == TLEG_OK)
        status = tleg_file_parse(context, data, size, &file);
    if (status == TLEG_OK)
        status = read_model(context, file, own.heads, model);
    tleg_file_free(file);
    return status;
}

/* ---- writing ---- */

static tleg_status put_tensors(tleg_context *context, const tleg_model *model, struct tleg_writer *writer, float *scratch,
                               size_t largest) {
    float *values = scratch + largest;
    void *stored = scratch; /* free again once the values are out */
    tleg_status status = TLEG_OK;
    for (int64_t i = 0; i < tleg_model_count(model) && !status; i++) {
        struct tleg_model_entry entry;
        tleg_model_entry(model, i, &entry);
        tleg_model_get(model, &entry, scratch, values);
        tleg_convert_from_f32(model->config.c.dtype, values, stored, tleg_spec_count(&entry.spec));
        status = tleg_writer_put(context, writer, i, stored);
    }
    return status;
}

static void describe(const tleg_model *model, struct tleg_write_entry *entries) {
    for (int64_t i = 0; i < tleg_model_count(model); i++) {
        struct tleg_model_entry entry;
        tleg_model_entry(model, i, &entry);
        entries[i] = (struct tleg_write_entry){.name = entry.name, .dtype = model->config.c.dtype, .rank = entry.spec.rank};
        for (int32_t axis = 0; axis < entry.spec.rank; axis++)
            entries[i].shape[axis] = entry.spec.shape[axis];
    }
}

TLEG_API tleg_status TLEG_CALL tleg_model_save(tleg_context *context, const tleg_model *model, const char *path) {
    if (!context || !model || !path)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_save: a pointer is NULL");
    size_t count = (size_t)tleg_model_count(model), table = count * sizeof(struct tleg_write_entry);
    size_t largest = tleg_model_scratch(model), bytes = largest * 2 * sizeof(float);
    struct tleg_write_entry *entries = tleg_alloc(&context->allocator, table);
    float *scratch = tleg_alloc(&context->allocator, bytes);
    struct tleg_metadata metadata = {0};
    struct tleg_writer *writer = NULL;
    tleg_status status = entries && scratch ? TLEG_OK : tleg_fail_memory(context, path, table + bytes);
    if (!status)
        status = tleg_config_metadata(context, &model->config.c, false, &metadata);
    if (!status) {
        describe(model, entries);
        status = tleg_writer_create(context, path, entries, (int64_t)count, metadata.pairs, metadata.count, &writer);
    }
    if (!status)
        status = put_tensors(context, model, writer, scratch, largest);
    if (!status)
        status = tleg_writer_commit(context, writer);
    tleg_writer_free(writer);
    tleg_metadata_free(&metadata);
    tleg_release(&context->allocator, scratch, bytes);
    tleg_release(&context->allocator, entries, table);
    return status;
}
