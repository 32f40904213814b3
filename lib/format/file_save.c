/* tleg_file_save: tensors of the host through the writer. */
#include "format/private.h"

#include <string.h>

/* What the writer needs to know, taken from the host's arguments. */
struct plan {
    struct tleg_write_entry *entries;
    struct tleg_pair *pairs;
};

static tleg_status fill(tleg_context *context, const struct plan *plan, int64_t count, const char *const *names,
                        const tleg_tensor *const *tensors, int64_t pairs, const char *const *keys_and_values) {
    for (int64_t i = 0; i < count; i++) {
        if (!names[i] || !tensors[i])
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_file_save: name or tensor %lld is NULL", (long long)i);
        struct tleg_write_entry *entry = &plan->entries[i];
        *entry = (struct tleg_write_entry){.name = names[i], .dtype = tensors[i]->dtype, .rank = tensors[i]->rank};
        memcpy(entry->shape, tensors[i]->shape, sizeof entry->shape);
    }
    for (int64_t i = 0; i < pairs; i++)
        plan->pairs[i] = (struct tleg_pair){keys_and_values[2 * i], keys_and_values[2 * i + 1]};
    return TLEG_OK;
}

static tleg_status write_all(tleg_context *context, const char *path, const struct plan *plan, int64_t count,
                             const tleg_tensor *const *tensors, int64_t pairs) {
    struct tleg_writer *writer;
    tleg_status status = tleg_writer_create(context, path, plan->entries, count, plan->pairs, pairs, &writer);
    for (int64_t i = 0; i < count && status == TLEG_OK; i++)
        status = tleg_writer_put(context, writer, i, tensors[i]->data);
    if (status == TLEG_OK)
        status = tleg_writer_commit(context, writer);
    tleg_writer_free(writer);
    return status;
}

tleg_status TLEG_CALL tleg_file_save(tleg_context *context, const char *path, int64_t count, const char *const *names,
                                     const tleg_tensor *const *tensors, int64_t pairs, const char *const *keys_and_values) {
    if (!context || !path || count < 0 || pairs < 0 || (count > 0 && (!names || !tensors)) || (pairs > 0 && !keys_and_values))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_file_save: context, path, names, tensors and keys_and_values must not be "
                         "NULL, count and pairs not negative");
    size_t entry_bytes, pair_bytes, bytes;
    if ((uint64_t)count > SIZE_MAX || (uint64_t)pairs > SIZE_MAX ||
        !tleg_size_mul((size_t)count, sizeof(struct tleg_write_entry), &entry_bytes) ||
        !tleg_size_mul((size_t)pairs, sizeof(struct tleg_pair), &pair_bytes) || !tleg_size_add(entry_bytes, pair_bytes, &bytes))
        return tleg_fail_memory(context, path, SIZE_MAX);
    char *block = tleg_alloc(&context->allocator, bytes);
    if (!block)
        return tleg_fail_memory(context, path, bytes);
    struct plan plan = {(void *)block, (void *)(block + entry_bytes)};
    tleg_status status = fill(context, &plan, count, names, tensors, pairs, keys_and_values);
    if (status == TLEG_OK)
        status = write_all(context, path, &plan, count, tensors, pairs);
    tleg_release(&context->allocator, block, bytes);
    return status;
}
