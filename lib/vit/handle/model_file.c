/* Models from and to files. */
#include "names/names.h"
#include "vit/handle/handle.h"
#include "vit/read/read.h"

/* ---- reading ---- */

/* A tensor of the file, for tleg_pack_from. */
struct file_source {
    const tleg_file *file;
    const struct tleg_entry *entry; /* there, but for positions that are computed: tleg_config_read has looked */
    int32_t dtype;                  /* whose range is checked here; 0: no range */
};

static tleg_status read_numbers(tleg_context *context, void *source, size_t first, size_t count, float *room,
                                const float **numbers) {
    const struct file_source *from = source;
    *numbers = room;
    const tleg_status status = tleg_file_read_part(context, from->file, from->entry, first, count, room);
    return status == TLEG_OK ? tleg_check_range(context, from->dtype, from->entry->name, first, room, count) : status;
}

struct outer_source {
    const tleg_file *file;
    const tleg_config *config;
    struct tleg_extent pixels; /* of the file, whose position embedding is resampled if they are not the configuration's */
    tleg_position_filter filter;
};

static tleg_status read_outer(tleg_context *context, void *source, enum tleg_slot slot, size_t first, size_t count, float *room,
                              const float **numbers) {
    const struct outer_source *from = source;
    struct tleg_spec spec;
    tleg_outer_spec(from->config, slot, &spec);
    struct file_source tensor = {from->file, tleg_file_find(from->file, spec.name), 0};
    if (slot == TLEG_SLOT_POS_EMBED && !tensor.entry) { /* tokens before them have none */
        *numbers = room;
        tleg_places_fill(from->config, room);
        return TLEG_OK;
    }
    if (slot != TLEG_SLOT_POS_EMBED || tleg_extent_same(from->pixels, tleg_config_pixels(from->config)))
        return read_numbers(context, &tensor, first, count, room, numbers);
    *numbers = room;
    return tleg_read_resampled(context, from->file, from->pixels, from->filter, from->config, room);
}

static tleg_status read_site(tleg_context *context, const tleg_file *file, tleg_model *model, int32_t layer,
                             enum tleg_site site, bool bias, float *scratch) {
    char name[TLEG_NAME_TEXT];
    tleg_layer_name(layer, site, bias, name);
    struct file_source tensor = {file, tleg_file_find(file, name), model->layout.dtype};
    const struct tleg_layer_at at = {model->kernels, &model->config.c, &model->layout, tleg_model_layer(model, layer)};
    return tleg_layer_read(context, &at, site, bias, read_numbers, &tensor, scratch);
}

static tleg_status read_layers(tleg_context *context, const tleg_file *file, tleg_model *model) {
    size_t bytes = tleg_layer_scratch(model->kernels, &model->config.c, model->layout.dtype) * sizeof(float);
    float *scratch = tleg_alloc(&context->allocator, bytes);
    if (!scratch)
        return tleg_fail_memory(context, "layers", bytes);
    tleg_status status = TLEG_OK;
    for (int32_t layer = 0; layer < model->config.c.depth && status == TLEG_OK; layer++)
        for (int32_t i = 0; i < model->layout.tensors && status == TLEG_OK; i++)
            status =
                read_site(context, file, model, layer, model->layout.tensor[i].site, model->layout.tensor[i].bias, scratch);
    tleg_release(&context->allocator, scratch, bytes);
    return status;
}

static tleg_status read_bare(tleg_context *context, const tleg_file *file, const tleg_open_options *asked, tleg_model **out) {
    const struct tleg_kernels *kernels;
    tleg_status status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK)
        return status;
    struct tleg_vit_config config = {0};
    status = tleg_config_read(context, file, asked, false, &config);
    const struct tleg_extent pixels = tleg_config_pixels(&config.c);
    if (status == TLEG_OK)
        status = tleg_config_take_pictures(context, asked->pictures, &config);
    if (status != TLEG_OK) {
        tleg_config_free(&config);
        return status;
    }
    if (asked->dtype != 0)
        config.c.dtype = asked->dtype;
    tleg_model *model = NULL;
    status = tleg_model_make(context, kernels, &context->blas, &config, &model);
    if (status == TLEG_OK)
        status = tleg_work_begin(context, "open", tleg_file_bytes(file));
    if (status == TLEG_OK)
        status = tleg_outer_fill(context, kernels, &model->config.c, read_outer,
                                 &(struct outer_source){file, &model->config.c, pixels, asked->position_filter}, model->memory,
                                 &model->outer);
    if (status == TLEG_OK)
        status = read_layers(context, file, model);
    status = tleg_work_end(context, status);
    if (status != TLEG_OK) {
        tleg_model_free(model);
        return status;
    }
    *out = model;
    return TLEG_OK;
}

static tleg_status read_model(tleg_context *context, const tleg_file *file, const tleg_open_options *how, tleg_model **model) {
    tleg_file *named, *bare = NULL;
    tleg_status status = tleg_names_read(context, file, how->names, &named);
    if (status == TLEG_OK)
        status = tleg_config_unwrap(context, named, &bare);
    if (status == TLEG_OK)
        status = read_bare(context, bare, how, model);
    tleg_file_free(bare);
    tleg_file_free(named);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_model_read(tleg_context *context, const tleg_file *file, const tleg_open_options *options,
                                               tleg_model **model) {
    if (model)
        *model = NULL;
    if (!context || !file || !model)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_read: a pointer is NULL");
    tleg_open_options own;
    tleg_status status = tleg_open_options_read(context, options, TLEG_FROM_FILE, &own);
    return status == TLEG_OK ? read_model(context, file, &own, model) : status;
}

TLEG_API tleg_status TLEG_CALL tleg_model_open(tleg_context *context, const char *path, const tleg_open_options *options,
                                               tleg_model **model) {
    if (model)
        *model = NULL;
    if (!context || !path || !model)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_open: a pointer is NULL");
    tleg_open_options own;
    tleg_file *file = NULL;
    tleg_status status = tleg_open_options_read(context, options, TLEG_FROM_PATH, &own);
    if (status == TLEG_OK)
        status = tleg_file_open_path(context, path, &own, &file);
    if (status == TLEG_OK)
        status = read_model(context, file, &own, model);
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
    tleg_status status = tleg_open_options_read(context, options, TLEG_FROM_MEMORY, &own);
    if (status == TLEG_OK)
        status = tleg_file_open_memory(context, data, size, &own, &file);
    if (status == TLEG_OK)
        status = read_model(context, file, &own, model);
    tleg_file_free(file);
    return status;
}

/* ---- writing ---- */

struct saved {
    const tleg_model *model;
    int32_t dtype;  /* of the file */
    float *scratch; /* of `largest` floats, then as many for the numbers; free again once they are out */
    size_t largest;
};

static tleg_status model_numbers(tleg_context *context, void *arg, int64_t index, const void **data) {
    const struct saved *saved = arg;
    const float *numbers = saved->scratch + saved->largest;
    struct tleg_model_entry entry;
    tleg_model_entry(saved->model, index, &entry);
    const size_t count = tleg_spec_count(&entry.spec);
    tleg_model_get(saved->model, &entry, saved->scratch, saved->scratch + saved->largest);
    const tleg_status status = tleg_check_range(context, saved->dtype, entry.name, 0, numbers, count);
    tleg_convert_from_f32(saved->dtype, numbers, saved->scratch, count);
    *data = saved->scratch;
    return status;
}

static void describe(const tleg_model *model, int32_t dtype, struct tleg_write_entry *entries) {
    for (int64_t i = 0; i < tleg_model_count(model); i++) {
        struct tleg_model_entry entry;
        tleg_model_entry(model, i, &entry);
        entries[i] = (struct tleg_write_entry){.name = entry.name, .dtype = dtype, .rank = entry.spec.rank};
        for (int32_t axis = 0; axis < entry.spec.rank; axis++)
            entries[i].shape[axis] = entry.spec.shape[axis];
    }
}

/* `saving` says where to. */
static tleg_status save(tleg_context *context, const tleg_model *model, struct tleg_saving *saving,
                        const tleg_save_options *own) {
    const int32_t dtype = own->dtype ? own->dtype : model->config.c.dtype;
    if (!tleg_dtype_is_of_weights(dtype))
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED,
                         "tleg_save_options.dtype: a model is saved in f32, bf16 or f16: expected one of these or 0, found %d",
                         (int)dtype);
    const size_t count = (size_t)tleg_model_count(model), table = count * sizeof(struct tleg_write_entry);
    struct saved saved = {.model = model, .dtype = dtype, .largest = tleg_model_scratch(model)};
    const size_t bytes = saved.largest * 2 * sizeof(float);
    struct tleg_write_entry *entries = tleg_alloc(&context->allocator, table);
    struct tleg_metadata metadata = {0};
    saved.scratch = tleg_alloc(&context->allocator, bytes);
    tleg_status status = entries && saved.scratch ? TLEG_OK : tleg_fail_memory(context, "a model's numbers", table + bytes);
    if (status == TLEG_OK)
        status = tleg_config_metadata(context, &model->config, false, own, &metadata);
    if (status == TLEG_OK) {
        describe(model, dtype, entries);
        saving->flags = own->flags;
        saving->entries = entries;
        saving->count = (int64_t)count;
        saving->pairs = metadata.pairs;
        saving->pair_count = metadata.count;
        saving->numbers = model_numbers;
        saving->arg = &saved;
        status = tleg_file_write_all(context, saving);
    }
    tleg_metadata_free(&metadata);
    tleg_release(&context->allocator, saved.scratch, bytes);
    tleg_release(&context->allocator, entries, table);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_model_save(tleg_context *context, const tleg_model *model, const char *path,
                                               const tleg_save_options *options) {
    if (!context || !model || !path)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_save: a pointer is NULL");
    tleg_save_options own;
    tleg_status status = tleg_save_options_read(context, options, true, &own);
    return status != TLEG_OK ? status : save(context, model, &(struct tleg_saving){.path = path}, &own);
}

TLEG_API tleg_status TLEG_CALL tleg_model_write(tleg_context *context, const tleg_model *model, tleg_write_fn write, void *host,
                                                const tleg_save_options *options) {
    if (!context || !model || !write)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_write: a pointer is NULL");
    tleg_save_options own;
    tleg_status status = tleg_save_options_read(context, options, false, &own);
    return status != TLEG_OK ? status : save(context, model, &(struct tleg_saving){.write = write, .host = host}, &own);
}

TLEG_API const char *TLEG_CALL tleg_model_get_metadata(const tleg_model *model, const char *key) {
    return model && key ? tleg_config_pair(&model->config, key) : NULL;
}

TLEG_API const char *TLEG_CALL tleg_model_get_metadata_key(const tleg_model *model, int64_t index) {
    return model && index >= 0 && index < model->config.pair_count ? model->config.pairs[index].key : NULL;
}
