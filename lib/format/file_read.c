/* Reading tensors out of an open file. */
#include "format/private.h"

#include <string.h>

enum { CHUNK = 16384 }; /* bytes of the buffer in which narrow types wait for their conversion */

/* The file that holds its bytes. */
static const tleg_file *holder(const tleg_file *file, const struct tleg_entry *entry) {
    const tleg_file *part = file->part_count > 0 ? file->parts[entry->part] : NULL;
    return part ? part : file;
}

tleg_status tleg_file_read_bytes(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, uint64_t first,
                                 size_t bytes, void *out) {
    if (first > entry->bytes || bytes > entry->bytes - first)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: tensor '%s' has %llu bytes; %llu from byte %llu on are asked for",
                         file->label, entry->name, (unsigned long long)entry->bytes, (unsigned long long)bytes,
                         (unsigned long long)first);
    if (entry->pieces)
        return tleg_derived_read_bytes(context, file, entry, first, bytes, out);
    file = holder(file, entry);
    if (entry->strides)
        return tleg_gather_bytes(context, file, entry, first, bytes, out);
    size_t done;
    tleg_status status = tleg_source_read(context, file, file->data_start + entry->offset + first, bytes, out, &done);
    if (status == TLEG_OK && done < bytes)
        return tleg_fail(context, TLEG_ERROR_IO, "%s: tensor '%s': the file was truncated after it was opened", file->label,
                         entry->name);
    return status;
}

static tleg_status foreign_type(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry) {
    return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "%s: tensor '%s' is of the unsupported type %s", file->label, entry->name,
                     entry->type_name);
}

static tleg_status check_floating(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry) {
    if (entry->dtype == 0)
        return foreign_type(context, file, entry);
    if (!tleg_dtype_is_real(entry->dtype))
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: tensor '%s' is of type %s; floating-point numbers are expected",
                         file->label, entry->name, entry->type_name);
    return TLEG_OK;
}

tleg_status tleg_file_read_part(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, size_t first,
                                size_t count, float *out) {
    tleg_status status = check_floating(context, file, entry);
    if (status != TLEG_OK)
        return status;
    if (entry->pieces)
        return tleg_derived_read_f32(context, file, entry, first, count, out);
    file = holder(file, entry);
    if (entry->strides)
        return tleg_gather_part(context, file, entry, first, count, out);
    size_t width = tleg_dtype_size(entry->dtype);
    uint64_t at = (uint64_t)first * width, bytes = (uint64_t)count * width;
    if (entry->dtype == TLEG_F32)
        return tleg_file_read_bytes(context, file, entry, at, (size_t)bytes, out);
    if (file->memory) {
        tleg_convert_to_f32(entry->dtype, file->memory + file->data_start + entry->offset + at, out, count);
        return tleg_work_step(context, bytes);
    }
    _Alignas(TLEG_ALIGN) unsigned char chunk[CHUNK];
    for (uint64_t done = 0; done < bytes && status == TLEG_OK; done += CHUNK) {
        size_t part = bytes - done < CHUNK ? (size_t)(bytes - done) : CHUNK;
        status = tleg_file_read_bytes(context, file, entry, at + done, part, chunk);
        if (status == TLEG_OK)
            tleg_convert_to_f32(entry->dtype, chunk, out + done / width, part / width);
    }
    return status;
}

tleg_status tleg_file_read_f32(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, float *out) {
    size_t width = entry->dtype ? tleg_dtype_size(entry->dtype) : 1;
    return tleg_file_read_part(context, file, entry, 0, (size_t)entry->bytes / width, out);
}

/* The entry of `name`; NULL and an error that names the likeliest one. */
static const struct tleg_entry *need(tleg_context *context, const tleg_file *file, const char *name) {
    const struct tleg_entry *entry = tleg_file_find(file, name);
    if (entry)
        return entry;
    const char *nearest = tleg_file_nearest(file, name);
    if (nearest)
        tleg_fail(context, TLEG_ERROR_NOT_FOUND, "%s: no tensor '%s'; did you mean '%s'?", file->label, name, nearest);
    else if (file->entry_count > 0)
        tleg_fail(context, TLEG_ERROR_NOT_FOUND, "%s: no tensor '%s'; the file holds %zu, the first is '%s'", file->label, name,
                  file->entry_count, file->entries[0].name);
    else
        tleg_fail(context, TLEG_ERROR_NOT_FOUND, "%s: no tensor '%s'; the file holds none", file->label, name);
    return NULL;
}

tleg_status TLEG_CALL tleg_file_get_tensor_info(tleg_context *context, const tleg_file *file, const char *name,
                                                tleg_tensor_info *info) {
    if (!file || !name || !info)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_file_get_tensor_info: file, name and info must not be NULL");
    const struct tleg_entry *entry = need(context, file, name);
    if (!entry)
        return TLEG_ERROR_NOT_FOUND;
    tleg_tensor_info own = {.dtype = entry->dtype, .rank = entry->rank, .bytes = entry->bytes};
    memcpy(own.shape, entry->shape, sizeof own.shape);
    return tleg_info_write(context, "tleg_tensor_info", &own, sizeof own, info, TLEG_LEAST_TENSOR_INFO);
}

tleg_status TLEG_CALL tleg_file_read_tensor(tleg_context *context, const tleg_file *file, const char *name, tleg_tensor **out) {
    if (out)
        *out = NULL;
    if (!context || !file || !name || !out)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_file_read_tensor: context, file, name and tensor must not be NULL");
    const struct tleg_entry *entry = need(context, file, name);
    if (!entry)
        return TLEG_ERROR_NOT_FOUND;
    if (entry->dtype == 0)
        return foreign_type(context, file, entry);
    tleg_tensor *tensor;
    tleg_status status = tleg_tensor_create(context, entry->dtype, entry->rank, entry->shape, &tensor);
    if (status != TLEG_OK)
        return status;
    status = tleg_work_begin(context, "read", entry->bytes);
    if (status == TLEG_OK)
        status = tleg_file_read_bytes(context, file, entry, 0, (size_t)entry->bytes, tensor->data);
    status = tleg_work_end(context, status);
    if (status == TLEG_OK)
        *out = tensor;
    else
        tleg_tensor_free(tensor);
    return status;
}

tleg_status TLEG_CALL tleg_file_read_floats(tleg_context *context, const tleg_file *file, const char *name, uint64_t first,
                                            size_t count, float *floats) {
    if (!context || !file || !name || !floats || count == 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_file_read_floats: context, file, name and floats must not be NULL, nor count 0");
    const struct tleg_entry *entry = need(context, file, name);
    if (!entry)
        return TLEG_ERROR_NOT_FOUND;
    tleg_status status = check_floating(context, file, entry);
    if (status != TLEG_OK)
        return status;
    const uint64_t width = tleg_dtype_size(entry->dtype), all = entry->bytes / width;
    if (first > all || count > all - first)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "%s: tensor '%s' has %llu numbers; %llu from number %llu on are asked for", file->label, entry->name,
                         (unsigned long long)all, (unsigned long long)count, (unsigned long long)first);
    status = tleg_work_begin(context, "read", count * width);
    if (status == TLEG_OK)
        status = tleg_file_read_part(context, file, entry, (size_t)first, count, floats);
    return tleg_work_end(context, status);
}
