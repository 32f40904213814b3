/* tleg_file_save and tleg_file_write: tensors of the host, and the options of saving. */
#include "format/private.h"

#include <string.h>

static tleg_status check_pairs(tleg_context *context, const tleg_save_options *own) {
    if (own->pairs < 0 || (own->pairs > 0 && !own->keys_and_values))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_save_options: pairs is %lld, keys_and_values is%s NULL",
                         (long long)own->pairs, own->keys_and_values ? " not" : "");
    for (int64_t i = 0; i < own->pairs; i++)
        if (!own->keys_and_values[2 * i] || !own->keys_and_values[2 * i + 1])
            return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                             "tleg_save_options.keys_and_values: the key or value of pair %lld is NULL", (long long)i);
    return TLEG_OK;
}

tleg_status tleg_save_options_read(tleg_context *context, const tleg_save_options *host, bool path, tleg_save_options *own) {
    *own = (tleg_save_options){0};
    if (!host)
        return TLEG_OK;
    tleg_status status = tleg_options_read(context, "tleg_save_options", host, own, sizeof *own, TLEG_LEAST_SAVE_OPTIONS);
    if (status == TLEG_OK)
        status = tleg_check_flags(context, "tleg_save_options.flags", own->flags, TLEG_SAVE_NO_SYNC);
    if (status == TLEG_OK)
        status = tleg_check_reserved(context, "tleg_save_options: reserved members",
                                     own->reserved == 0 && !own->reserved_pointer && own->reserved2 == 0);
    if (status == TLEG_OK && own->flags && !path)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_save_options.flags: TLEG_SAVE_NO_SYNC is for a path");
    return status == TLEG_OK ? check_pairs(context, own) : status;
}

static tleg_status fill(tleg_context *context, const struct tleg_saving *saving, const char *const *names,
                        const tleg_tensor *const *tensors, const tleg_save_options *own, struct tleg_write_entry *entries,
                        struct tleg_pair *pairs) {
    for (int64_t i = 0; i < saving->count; i++) {
        if (!names[i] || !tensors[i])
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_file_save: name or tensor %lld is NULL", (long long)i);
        entries[i] = (struct tleg_write_entry){.name = names[i], .dtype = tensors[i]->dtype, .rank = tensors[i]->rank};
        memcpy(entries[i].shape, tensors[i]->shape, sizeof entries[i].shape);
    }
    for (int64_t i = 0; i < own->pairs; i++)
        pairs[i] = (struct tleg_pair){own->keys_and_values[2 * i], own->keys_and_values[2 * i + 1]};
    return TLEG_OK;
}

static tleg_status tensor_numbers(tleg_context *context, void *arg, int64_t index, const void **data) {
    (void)context;
    const tleg_tensor *const *tensors = arg;
    *data = tensors[index]->data;
    return TLEG_OK;
}

/* `saving` says where to, and how many tensors. */
static tleg_status save(tleg_context *context, struct tleg_saving *saving, const char *const *names,
                        const tleg_tensor *const *tensors, const tleg_save_options *options) {
    tleg_save_options own;
    tleg_status status = tleg_save_options_read(context, options, !saving->write, &own);
    if (status == TLEG_OK && own.dtype != 0)
        status =
            tleg_fail(context, TLEG_ERROR_UNSUPPORTED,
                      "tleg_save_options.dtype: tensors are saved in their own types: expected 0, found %d", (int)own.dtype);
    if (status == TLEG_OK && (own.depth_count || own.depths || own.scores))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT,
                           "tleg_save_options: depths and scores are for a learngene or a model: expected 0 and NULL");
    if (status != TLEG_OK)
        return status;
    size_t entry_bytes, pair_bytes, bytes;
    if ((uint64_t)saving->count > SIZE_MAX || (uint64_t)own.pairs > SIZE_MAX ||
        !tleg_size_mul((size_t)saving->count, sizeof(struct tleg_write_entry), &entry_bytes) ||
        !tleg_size_mul((size_t)own.pairs, sizeof(struct tleg_pair), &pair_bytes) ||
        !tleg_size_add(entry_bytes, pair_bytes, &bytes))
        return tleg_fail_memory(context, "the names of tensors", SIZE_MAX);
    char *block = tleg_alloc(&context->allocator, bytes);
    if (!block)
        return tleg_fail_memory(context, "the names of tensors", bytes);
    struct tleg_write_entry *entries = (void *)block;
    struct tleg_pair *pairs = (void *)(block + entry_bytes);
    saving->flags = own.flags;
    saving->entries = entries;
    saving->pairs = pairs;
    saving->pair_count = own.pairs;
    saving->numbers = tensor_numbers;
    saving->arg = (void *)(uintptr_t)tensors;
    status = fill(context, saving, names, tensors, &own, entries, pairs);
    if (status == TLEG_OK)
        status = tleg_file_write_all(context, saving);
    tleg_release(&context->allocator, block, bytes);
    return status;
}

tleg_status TLEG_CALL tleg_file_save(tleg_context *context, const char *path, int64_t count, const char *const *names,
                                     const tleg_tensor *const *tensors, const tleg_save_options *options) {
    if (!context || !path || count < 0 || (count > 0 && (!names || !tensors)))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_file_save: context, path, names and tensors must not be NULL, count not negative");
    return save(context, &(struct tleg_saving){.path = path, .count = count}, names, tensors, options);
}

tleg_status TLEG_CALL tleg_file_write(tleg_context *context, tleg_write_fn write, void *host, int64_t count,
                                      const char *const *names, const tleg_tensor *const *tensors,
                                      const tleg_save_options *options) {
    if (!context || !write || count < 0 || (count > 0 && (!names || !tensors)))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_file_write: context, write, names and tensors must not be NULL, count not negative");
    return save(context, &(struct tleg_saving){.write = write, .host = host, .count = count}, names, tensors, options);
}
