/* A learngene to a file, in f32 or rounded to half of that. */
#include "learngene/gene.h"

#include <string.h>

struct saved {
    const tleg_learngene *gene;
    tleg_dtype dtype;
    void *room; /* for the largest tensor in that type; NULL: as it lies in memory */
    size_t bytes;
};

static void describe(const struct saved *saved, struct tleg_write_entry *entries) {
    for (int64_t k = 0; k < saved->gene->tensor_count; k++) {
        const struct tleg_spec *spec = &saved->gene->tensors[k].spec;
        entries[k] = (struct tleg_write_entry){.name = spec->name, .dtype = saved->dtype, .rank = spec->rank};
        memcpy(entries[k].shape, spec->shape, sizeof spec->shape);
    }
}

static tleg_status gene_numbers(tleg_context *context, void *arg, int64_t index, const void **data) {
    const struct saved *saved = arg;
    const struct tleg_gene_tensor *tensor = &saved->gene->tensors[index];
    *data = tensor->data;
    if (!saved->room)
        return TLEG_OK;
    const tleg_status status = tleg_check_range(context, saved->dtype, tensor->spec.name, 0, tensor->data, tensor->count);
    tleg_convert_from_f32(saved->dtype, tensor->data, saved->room, tensor->count);
    *data = saved->room;
    return status;
}

static tleg_status make_room(tleg_context *context, struct saved *saved) {
    if (saved->dtype == TLEG_F32)
        return TLEG_OK;
    if (!tleg_dtype_is_of_weights(saved->dtype))
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED,
                         "tleg_save_options.dtype: a learngene is saved as F32, F16 or BF16, found %d", (int)saved->dtype);
    size_t most = 0;
    for (int64_t k = 0; k < saved->gene->tensor_count; k++)
        most = saved->gene->tensors[k].count > most ? saved->gene->tensors[k].count : most;
    saved->bytes = most * tleg_dtype_size(saved->dtype);
    saved->room = tleg_alloc(&context->allocator, saved->bytes);
    return saved->room ? TLEG_OK : tleg_fail_memory(context, "a learngene's numbers", saved->bytes);
}

/* `saving` says where to. */
static tleg_status save(tleg_context *context, const tleg_learngene *gene, struct tleg_saving *saving,
                        const tleg_save_options *own) {
    struct saved saved = {.gene = gene, .dtype = own->dtype ? own->dtype : TLEG_F32};
    struct tleg_metadata metadata = {0};
    const size_t bytes = (size_t)gene->tensor_count * sizeof(struct tleg_write_entry);
    struct tleg_write_entry *entries = NULL;
    tleg_status status = make_room(context, &saved);
    if (status == TLEG_OK && !(entries = tleg_alloc(&context->allocator, bytes)))
        status = tleg_fail_memory(context, "a learngene's names", bytes);
    if (status == TLEG_OK)
        status = tleg_config_metadata(context, &gene->config, true, own, &metadata);
    if (status == TLEG_OK) {
        describe(&saved, entries);
        saving->flags = own->flags;
        saving->entries = entries;
        saving->count = gene->tensor_count;
        saving->pairs = metadata.pairs;
        saving->pair_count = metadata.count;
        saving->numbers = gene_numbers;
        saving->arg = &saved;
        status = tleg_file_write_all(context, saving);
    }
    tleg_metadata_free(&metadata);
    tleg_release(&context->allocator, entries, bytes);
    tleg_release(&context->allocator, saved.room, saved.bytes);
    return status;
}

tleg_status TLEG_CALL tleg_learngene_save(tleg_context *context, const tleg_learngene *gene, const char *path,
                                          const tleg_save_options *options) {
    if (!context || !gene || !path)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_save: a pointer is NULL");
    tleg_save_options own;
    tleg_status status = tleg_save_options_read(context, options, true, &own);
    return status == TLEG_OK ? save(context, gene, &(struct tleg_saving){.path = path}, &own) : status;
}

tleg_status TLEG_CALL tleg_learngene_write(tleg_context *context, const tleg_learngene *gene, tleg_write_fn write, void *host,
                                           const tleg_save_options *options) {
    if (!context || !gene || !write)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_write: a pointer is NULL");
    tleg_save_options own;
    tleg_status status = tleg_save_options_read(context, options, false, &own);
    return status == TLEG_OK ? save(context, gene, &(struct tleg_saving){.write = write, .host = host}, &own) : status;
}
