/* The writer: which tensors a safetensors file may hold, and where in it they lie. replace.c makes the file. */
#include "format/private.h"

#include <string.h>

struct slot { /* of one tensor */
    const char *name;
    uint64_t begin, bytes; /* in the data section */
    bool written;
};

struct tleg_writer {
    struct tleg_allocator allocator;
    struct tleg_replacement *file; /* NULL: through the host's function */
    tleg_write_fn write;
    void *host;
    uint64_t written; /* bytes that `write` took */
    uint64_t data_start;
    struct slot *slots; /* then their names */
    size_t count, slot_bytes;
};

/* The file's name, for errors. */
static const char *label(const struct tleg_writer *writer) {
    return writer->file ? tleg_replacement_label(writer->file) : "(written through the host)";
}

/* ---- arguments ---- */

static tleg_status check_text(tleg_context *context, const char *what, const char *text) {
    if (!text)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s must not be NULL", what);
    if (!tleg_utf8_valid(text))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s is not valid UTF-8", what);
    return TLEG_OK;
}

/* No name twice. `texts` is room for all of them, and comes back sorted. */
static tleg_status check_unique(tleg_context *context, const char *what, const char **texts, size_t count) {
    tleg_sort(texts, count, sizeof *texts, tleg_compare_texts);
    for (size_t i = 1; i < count; i++)
        if (strcmp(texts[i - 1], texts[i]) == 0)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "duplicate %s '%s'", what, texts[i]);
    return TLEG_OK;
}

static tleg_status check_entries(tleg_context *context, const struct tleg_write_entry *entries, size_t count,
                                 const char **texts, size_t *text_bytes) {
    for (size_t i = 0; i < count; i++) {
        const struct tleg_write_entry *entry = &entries[i];
        tleg_status status = check_text(context, "the name of a tensor", entry->name);
        if (status != TLEG_OK)
            return status;
        if (strcmp(entry->name, TLEG_FILE_META) == 0)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "a tensor cannot have the name " TLEG_FILE_META);
        size_t elements, bytes;
        if (tleg_dtype_size(entry->dtype) == 0 || entry->rank < 0 || entry->rank > TLEG_MAX_RANK)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tensor '%s': dtype %d or rank %d does not exist", entry->name,
                             (int)entry->dtype, (int)entry->rank);
        if (!tleg_size_product(entry->shape, entry->rank, &elements) ||
            !tleg_size_mul(elements, tleg_dtype_size(entry->dtype), &bytes) || bytes > INT64_MAX)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tensor '%s': its size is negative or does not fit in memory",
                             entry->name);
        texts[i] = entry->name;
        if (!tleg_size_add(*text_bytes, strlen(entry->name) + 1, text_bytes))
            return tleg_fail_memory(context, "the names of tensors", SIZE_MAX);
    }
    return check_unique(context, "tensor", texts, count);
}

static tleg_status check_pairs(tleg_context *context, const struct tleg_pair *pairs, size_t count, const char **texts) {
    for (size_t i = 0; i < count; i++) {
        tleg_status status = check_text(context, "a metadata key", pairs[i].key);
        if (status == TLEG_OK)
            status = check_text(context, "a metadata value", pairs[i].value);
        if (status != TLEG_OK)
            return status;
        texts[i] = pairs[i].key;
    }
    return check_unique(context, "metadata key", texts, count);
}

/* Room for so many texts; NULL, and the context's error, where there is none. */
static const char **make_texts(tleg_context *context, size_t count, size_t *bytes) {
    const char **texts = tleg_size_mul(count, sizeof *texts, bytes) ? tleg_alloc(&context->allocator, *bytes) : NULL;
    if (!texts)
        (void)tleg_fail_memory(context, "the names of tensors", *bytes);
    return texts;
}

tleg_status tleg_pairs_check(tleg_context *context, const struct tleg_pair *pairs, int64_t count) {
    size_t bytes = SIZE_MAX;
    const char **texts = make_texts(context, (size_t)count, &bytes);
    if (!texts)
        return TLEG_ERROR_MEMORY;
    const tleg_status status = check_pairs(context, pairs, (size_t)count, texts);
    tleg_release(&context->allocator, texts, bytes);
    return status;
}

/* Everything about the arguments that could be wrong; *text_bytes is what the names need. */
static tleg_status check_arguments(tleg_context *context, const struct tleg_saving *saving, size_t *text_bytes) {
    size_t bytes = SIZE_MAX;
    const char **texts = make_texts(context, (size_t)saving->count, &bytes);
    *text_bytes = 0;
    if (!texts)
        return TLEG_ERROR_MEMORY;
    const tleg_status status = check_entries(context, saving->entries, (size_t)saving->count, texts, text_bytes);
    tleg_release(&context->allocator, texts, bytes);
    return status == TLEG_OK ? tleg_pairs_check(context, saving->pairs, saving->pair_count) : status;
}

/* ---- where the tensors lie ---- */

/* Lays the tensors of one kind (size a multiple of TLEG_ALIGN, or not) in the order given. */
static bool lay(struct tleg_writer *writer, bool aligned, uint64_t *begins, uint64_t *end) {
    for (size_t i = 0; i < writer->count; i++) {
        struct slot *slot = &writer->slots[i];
        if ((slot->bytes % TLEG_ALIGN == 0) != aligned)
            continue;
        slot->begin = begins[i] = *end;
        if (slot->bytes > INT64_MAX - *end)
            return false;
        *end += slot->bytes;
    }
    return true;
}

static tleg_status make_slots(tleg_context *context, struct tleg_writer *writer, const struct tleg_write_entry *entries,
                              size_t count, size_t text_bytes) {
    size_t bytes;
    if (!tleg_size_mul(count, sizeof *writer->slots, &bytes) || !tleg_size_add(bytes, text_bytes, &bytes))
        return tleg_fail_memory(context, label(writer), SIZE_MAX);
    writer->slots = tleg_alloc_zero(&writer->allocator, bytes);
    if (!writer->slots)
        return tleg_fail_memory(context, label(writer), bytes);
    writer->count = count;
    writer->slot_bytes = bytes;
    char *names = (char *)(writer->slots + count);
    for (size_t i = 0; i < count; i++) {
        size_t elements = 0, length = strlen(entries[i].name) + 1;
        tleg_size_product(entries[i].shape, entries[i].rank, &elements);
        writer->slots[i].bytes = (uint64_t)elements * tleg_dtype_size(entries[i].dtype);
        writer->slots[i].name = memcpy(names, entries[i].name, length);
        names += length;
    }
    return TLEG_OK;
}

/* ---- the file ---- */

/* The host takes bytes in order alone. */
static tleg_status write_host(tleg_context *context, struct tleg_writer *writer, uint64_t at, size_t bytes, const void *data) {
    if (at != writer->written)
        return tleg_fail(context, TLEG_ERROR_STATE, "%s: byte %llu comes next, found %llu", label(writer),
                         (unsigned long long)writer->written, (unsigned long long)at);
    writer->written += bytes;
    const tleg_status status = tleg_host_status(writer->write(writer->host, data, bytes));
    if (status == TLEG_OK)
        return TLEG_OK;
    return tleg_fail(context, status, "%s: the host's function gave %s for %zu bytes from byte %llu on", label(writer),
                     tleg_status_name(status), bytes, (unsigned long long)at);
}

static tleg_status write_at(tleg_context *context, struct tleg_writer *writer, uint64_t at, uint64_t bytes, const void *data) {
    tleg_status status = TLEG_OK;
    for (uint64_t done = 0; status == TLEG_OK && done < bytes; done += TLEG_WRITE_PIECE) {
        const size_t piece = bytes - done < TLEG_WRITE_PIECE ? (size_t)(bytes - done) : TLEG_WRITE_PIECE;
        const char *from = (const char *)data + done;
        status = writer->file ? tleg_replacement_write(context, writer->file, at + done, piece, from)
                              : write_host(context, writer, at + done, piece, from);
        if (status == TLEG_OK)
            status = tleg_work_step(context, piece);
    }
    return status;
}

static tleg_status write_header(tleg_context *context, struct tleg_writer *writer, const struct tleg_write_entry *entries,
                                const struct tleg_pair *pairs, size_t pair_count) {
    size_t bytes;
    if (!tleg_size_mul(writer->count, sizeof(uint64_t), &bytes))
        return tleg_fail_memory(context, label(writer), SIZE_MAX);
    uint64_t *begins = tleg_alloc(&writer->allocator, bytes);
    if (!begins)
        return tleg_fail_memory(context, label(writer), bytes);
    struct tleg_header_text header = {NULL, 0};
    uint64_t end = 0;
    tleg_status status;
    if (lay(writer, true, begins, &end) && lay(writer, false, begins, &end))
        status = tleg_header_write(context, label(writer), entries, writer->count, begins, pairs, pair_count, &header);
    else
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: the tensors are larger than any file", label(writer));
    tleg_release(&writer->allocator, begins, bytes);
    if (status == TLEG_OK)
        status = tleg_work_begin(context, "save", header.bytes + end);
    if (status == TLEG_OK)
        status = write_at(context, writer, 0, header.bytes, header.text);
    writer->data_start = header.bytes;
    tleg_release(&writer->allocator, header.text, header.bytes);
    return status;
}

static tleg_status create(tleg_context *context, const struct tleg_saving *saving, struct tleg_writer **out) {
    const char *path = saving->write ? "(written through the host)" : saving->path;
    *out = NULL;
    size_t text_bytes;
    if (saving->count < 0 || saving->pair_count < 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: a negative number of tensors or metadata entries", path);
    const size_t count = (size_t)saving->count, pair_count = (size_t)saving->pair_count;
    tleg_status status = check_arguments(context, saving, &text_bytes);
    if (status != TLEG_OK)
        return status;
    struct tleg_writer *writer = tleg_alloc_zero(&context->allocator, sizeof *writer);
    if (!writer)
        return tleg_fail_memory(context, path, sizeof *writer);
    writer->allocator = context->allocator;
    writer->write = saving->write;
    writer->host = saving->host;
    if (!saving->write)
        status = tleg_replacement_create(context, path, &writer->file);
    if (status == TLEG_OK)
        status = make_slots(context, writer, saving->entries, count, text_bytes);
    if (status == TLEG_OK)
        status = write_header(context, writer, saving->entries, saving->pairs, pair_count);
    if (status == TLEG_OK)
        *out = writer;
    else
        tleg_writer_free(writer);
    return status;
}

tleg_status tleg_writer_create(tleg_context *context, const char *path, const struct tleg_write_entry *entries, int64_t count,
                               const struct tleg_pair *pairs, int64_t pair_count, struct tleg_writer **out) {
    const struct tleg_saving saving = {
        .path = path, .entries = entries, .count = count, .pairs = pairs, .pair_count = pair_count};
    tleg_status status = create(context, &saving, out);
    return status == TLEG_OK ? status : tleg_work_end(context, status);
}

static tleg_status put(tleg_context *context, struct tleg_writer *writer, int64_t index, const void *data) {
    if (index < 0 || (uint64_t)index >= writer->count)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: tensor %lld of %llu", label(writer), (long long)index,
                         (unsigned long long)writer->count);
    struct slot *slot = &writer->slots[index];
    if (slot->written)
        return tleg_fail(context, TLEG_ERROR_STATE, "%s: tensor '%s' is written already", label(writer), slot->name);
    tleg_status status = write_at(context, writer, writer->data_start + slot->begin, slot->bytes, data);
    slot->written = status == TLEG_OK;
    return status;
}

tleg_status tleg_writer_put(tleg_context *context, struct tleg_writer *writer, int64_t index, const void *data) {
    const tleg_status status = put(context, writer, index, data);
    return status == TLEG_OK ? status : tleg_work_end(context, status);
}

static tleg_status commit(tleg_context *context, struct tleg_writer *writer, bool sync) {
    for (size_t i = 0; i < writer->count; i++)
        if (!writer->slots[i].written)
            return tleg_fail(context, TLEG_ERROR_STATE, "%s: tensor '%s' is not written yet", label(writer),
                             writer->slots[i].name);
    return writer->file ? tleg_replacement_commit(context, writer->file, sync) : TLEG_OK;
}

tleg_status tleg_writer_commit(tleg_context *context, struct tleg_writer *writer) {
    return tleg_work_end(context, commit(context, writer, true));
}

void tleg_writer_free(struct tleg_writer *writer) {
    if (!writer)
        return;
    struct tleg_allocator allocator = writer->allocator;
    tleg_replacement_free(writer->file);
    tleg_release(&allocator, writer->slots, writer->slot_bytes);
    tleg_release(&allocator, writer, sizeof *writer);
}

/* ---- a whole file ---- */

/* The tensors of one kind, in the order in which they lie. */
static tleg_status put_kind(tleg_context *context, const struct tleg_saving *saving, struct tleg_writer *writer, bool aligned) {
    tleg_status status = TLEG_OK;
    for (int64_t i = 0; status == TLEG_OK && i < saving->count; i++) {
        if ((writer->slots[i].bytes % TLEG_ALIGN == 0) != aligned)
            continue;
        const void *data;
        status = saving->numbers(context, saving->arg, i, &data);
        if (status == TLEG_OK)
            status = put(context, writer, i, data);
    }
    return status;
}

tleg_status tleg_file_write_all(tleg_context *context, const struct tleg_saving *saving) {
    struct tleg_writer *writer;
    tleg_status status = create(context, saving, &writer);
    if (status == TLEG_OK)
        status = put_kind(context, saving, writer, true);
    if (status == TLEG_OK)
        status = put_kind(context, saving, writer, false);
    if (status == TLEG_OK)
        status = commit(context, writer, !(saving->flags & TLEG_SAVE_NO_SYNC));
    tleg_writer_free(writer);
    return tleg_work_end(context, status);
}
