/* Opening a file of tensors, of whichever format, and the handle that holds what its header says. */
#include "format/private.h"

#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors files are little-endian, and this reader copies their numbers as they are"
#endif

enum { LENGTH_BYTES = 8, SNIFFED = 4096 };
enum { OPEN_ALONE = 2 }; /* beside the public flags: what is read is one file, and no index of several */

/* ---- the header ---- */

static uint64_t header_length(const unsigned char start[LENGTH_BYTES]) {
    uint64_t length = 0;
    for (int i = LENGTH_BYTES; i-- > 0;)
        length = length << 8 | start[i];
    return length;
}

/* Why start[0..length), the beginning of the file, cannot begin a safetensors file; OK when it can. */
static tleg_status check_start(tleg_context *context, const struct tleg_file *file, const unsigned char *start, size_t length) {
    unsigned long long size = file->size;
    if (size == 0)
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s is empty (0 bytes), no safetensors file", file->label);
    uint64_t header = length < LENGTH_BYTES ? UINT64_MAX : header_length(start);
    bool fits = header <= TLEG_FILE_HEADER_LIMIT && header <= size - LENGTH_BYTES;
    bool alike = header <= TLEG_FILE_HEADER_LIMIT && (length == LENGTH_BYTES || start[LENGTH_BYTES] == '{');
    if (fits && alike)
        return TLEG_OK;
    const char *words = alike ? NULL : tleg_sniff(start, length);
    if (words)
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s is %s", file->label, words);
    if (length < LENGTH_BYTES)
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s is too short for a safetensors file: %llu bytes, no header",
                         file->label, size);
    if (header > TLEG_FILE_HEADER_LIMIT)
        return tleg_fail(context, TLEG_ERROR_FORMAT,
                         "%s is not a safetensors file, or damaged: its header would be %llu bytes long, the limit is %d",
                         file->label, (unsigned long long)header, TLEG_FILE_HEADER_LIMIT);
    if (!fits)
        return tleg_fail(context, TLEG_ERROR_FORMAT,
                         "%s is truncated, or no safetensors file: its header would be %llu bytes long, the file has %llu",
                         file->label, (unsigned long long)header, size);
    return tleg_fail(context, TLEG_ERROR_FORMAT, "%s is not a safetensors file: its header does not begin with '{'",
                     file->label);
}

/* The file's first `bytes`, which must be there. */
static tleg_status read_text(tleg_context *context, const struct tleg_file *file, char *text, size_t bytes) {
    size_t got;
    tleg_status status = tleg_source_read(context, file, 0, bytes, text, &got);
    if (status == TLEG_OK && got < bytes)
        return tleg_fail(context, TLEG_ERROR_IO, "%s was truncated while its header was read", file->label);
    return status;
}

/* Whether its bytes stay as they are while they are looked at twice: those of a mapped file are whoever's may write to it. */
static bool is_still(const struct tleg_file *file) {
    return file->memory && !file->mapped;
}

/* Calls `take` with the file's first `bytes`, through a buffer that lives only as long as they are read. */
static tleg_status with_text(tleg_context *context, struct tleg_file *file, size_t bytes, uint32_t flags,
                             tleg_status (*take)(tleg_context *context, struct tleg_file *file, const char *text, size_t bytes,
                                                 uint32_t flags)) {
    if (is_still(file))
        return take(context, file, (const char *)file->memory, bytes, flags);
    char *text = tleg_alloc(&file->allocator, bytes);
    if (!text)
        return tleg_fail_memory(context, file->label, bytes);
    tleg_status status = read_text(context, file, text, bytes);
    if (status == TLEG_OK)
        status = take(context, file, text, bytes, flags);
    tleg_release(&file->allocator, text, bytes);
    return status;
}

static tleg_status take_header(tleg_context *context, struct tleg_file *file, const char *text, size_t bytes, uint32_t flags) {
    (void)flags;
    return tleg_header_read(context, file, text + LENGTH_BYTES, bytes - LENGTH_BYTES);
}

/* Whether start[0..length) begins an index, and no header whose length happens to begin with '{'. */
static bool is_index(const unsigned char *start, size_t length) {
    return length >= LENGTH_BYTES && header_length(start) > TLEG_FILE_HEADER_LIMIT && tleg_sniff_index(start, length);
}

/* A zip archive, and no header whose length happens to begin so. */
static bool is_zip(const unsigned char *start, size_t length) {
    return length > LENGTH_BYTES && memcmp(start, "PK\3\4", 4) == 0 && start[LENGTH_BYTES] != '{';
}

/* An ONNX file, and no header of a length that its first bytes happen to spell. */
static bool is_onnx(const unsigned char *start, size_t length) {
    return tleg_onnx_begins(start, length) && header_length(start) > TLEG_FILE_HEADER_LIMIT;
}

/* They are read where they are written: in a build with training. */
static tleg_status read_onnx(tleg_context *context, struct tleg_file *file, uint32_t flags) {
    if (TLEG_TRAIN)
        return tleg_onnx_read(context, file, flags & OPEN_ALONE);
    return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "%s is an ONNX file: this build of the library reads none", file->label);
}

static tleg_status read_index(tleg_context *context, struct tleg_file *file, uint32_t flags) {
    if (file->size > TLEG_FILE_HEADER_LIMIT)
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: this index is %llu bytes long, the limit is %d", file->label,
                         (unsigned long long)file->size, TLEG_FILE_HEADER_LIMIT);
    tleg_status status = with_text(context, file, (size_t)file->size, flags, tleg_shards_read);
    tleg_source_close(file);
    return status;
}

static tleg_status read_header(tleg_context *context, struct tleg_file *file, uint32_t flags, const char *key) {
    unsigned char buffer[SNIFFED];
    const unsigned char *start = file->memory;
    size_t length = file->size < SNIFFED ? (size_t)file->size : SNIFFED;
    if (!is_still(file)) {
        tleg_status status = tleg_source_read(context, file, 0, length, buffer, &length);
        if (status != TLEG_OK)
            return status;
        start = buffer;
    }
    if (is_zip(start, length))
        return tleg_torch_read(context, file, key);
    if (key)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "%s: the key \"%s\" chooses among the sets of weights of a PyTorch file, which this is not",
                         file->label, key);
    if (is_onnx(start, length))
        return read_onnx(context, file, flags);
    if (!(flags & OPEN_ALONE) && is_index(start, length))
        return read_index(context, file, flags);
    tleg_status status = check_start(context, file, start, length);
    if (status != TLEG_OK)
        return status;
    size_t header = (size_t)header_length(start);
    file->data_start = file->header_bytes = LENGTH_BYTES + header;
    return with_text(context, file, LENGTH_BYTES + header, flags, take_header);
}

/* ---- opening ---- */

tleg_status tleg_file_make(tleg_context *context, const char *label, struct tleg_file **out) {
    size_t label_bytes = strlen(label) + 1;
    *out = NULL;
    struct tleg_file *file = tleg_alloc_zero(&context->allocator, sizeof *file);
    if (!file)
        return tleg_fail_memory(context, label, sizeof *file);
    atomic_init(&file->references, 1);
    file->allocator = context->allocator;
    file->handle = TLEG_OS_NO_FILE;
    file->label = tleg_alloc(&file->allocator, label_bytes);
    if (!file->label) {
        tleg_file_free(file);
        return tleg_fail_memory(context, label, label_bytes);
    }
    file->label_bytes = label_bytes;
    memcpy(file->label, label, label_bytes);
    *out = file;
    return TLEG_OK;
}

/* Hands the file out when its header is right. */
static tleg_status finish(tleg_context *context, tleg_status status, struct tleg_file *file, uint32_t flags, const char *key,
                          tleg_file **out) {
    if (status == TLEG_OK)
        status = read_header(context, file, flags, key);
    if (status == TLEG_OK)
        *out = file;
    else
        tleg_file_free(file);
    return status;
}

tleg_status tleg_position_filter_check(tleg_context *context, const char *what, tleg_position_filter filter) {
    if (filter >= 0 && filter <= TLEG_POSITION_FILTER_ANTIALIAS)
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: expected 0 or one of TLEG_POSITION_FILTER_*, found %d", what,
                     (int)filter);
}

tleg_status tleg_open_options_read(tleg_context *context, const tleg_open_options *host, enum tleg_opened_from from,
                                   tleg_open_options *own) {
    *own = (tleg_open_options){0};
    if (!host)
        return TLEG_OK;
    tleg_status status = tleg_options_read(context, "tleg_open_options", host, own, sizeof *own, TLEG_LEAST_OPEN_OPTIONS);
    if (status == TLEG_OK)
        status = tleg_check_flags(context, "tleg_open_options.flags", own->flags, TLEG_OPEN_MAP);
    if (status == TLEG_OK)
        status = tleg_check_reserved(context, "tleg_open_options.reserved_pointer", own->reserved_pointer == NULL);
    if (status == TLEG_OK && own->flags && from != TLEG_FROM_PATH)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_open_options.flags: TLEG_OPEN_MAP is for a path");
    if (status == TLEG_OK)
        status = tleg_position_filter_check(context, "tleg_open_options.position_filter", own->position_filter);
    if (status == TLEG_OK && own->dtype != 0 && !tleg_dtype_is_of_weights(own->dtype))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_open_options.dtype: expected 0, F32, F16 or BF16, found %d",
                           (int)own->dtype);
    if (status == TLEG_OK && own->key && from == TLEG_FROM_FILE)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT,
                           "tleg_open_options.key: expected NULL for a file that is open already, found \"%s\"", own->key);
    return status;
}

tleg_status tleg_own_options_read(tleg_context *context, const tleg_open_options *host, enum tleg_opened_from from,
                                  tleg_open_options *own) {
    tleg_status status = tleg_open_options_read(context, host, from, own);
    if (status == TLEG_OK && own->names)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT,
                           "tleg_open_options.names: expected NULL for a learngene or tensors, whose names are their own");
    return status;
}

static tleg_status open_path(tleg_context *context, const char *path, uint32_t flags, const char *key, tleg_file **out) {
    struct tleg_file *file;
    tleg_status status = tleg_file_make(context, path, &file);
    if (status != TLEG_OK)
        return status;
    status = tleg_source_open(context, file, flags & TLEG_OPEN_MAP);
    return finish(context, status, file, flags, key, out);
}

tleg_status tleg_file_open_plain(tleg_context *context, const char *path, uint32_t flags, const char *key,
                                 struct tleg_file **file) {
    return open_path(context, path, flags, key, file);
}

tleg_status tleg_file_open_path(tleg_context *context, const char *path, const tleg_open_options *own, tleg_file **file) {
    return tleg_folder_open(context, path, own->flags, own->key, file);
}

tleg_status tleg_file_open_one(tleg_context *context, const char *path, uint32_t flags, struct tleg_file **file) {
    return open_path(context, path, flags | OPEN_ALONE, NULL, file);
}

tleg_status tleg_file_open_memory(tleg_context *context, const void *data, size_t size, const tleg_open_options *own,
                                  tleg_file **out) {
    struct tleg_file *file;
    tleg_status status = tleg_file_make(context, "(memory)", &file);
    if (status != TLEG_OK)
        return status;
    file->memory = data;
    file->size = size;
    return finish(context, TLEG_OK, file, OPEN_ALONE, own->key, out);
}

tleg_status TLEG_CALL tleg_file_open(tleg_context *context, const char *path, const tleg_open_options *options,
                                     tleg_file **out) {
    if (out)
        *out = NULL;
    if (!context || !path || !out)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_file_open: context, path and file must not be NULL");
    tleg_open_options own;
    tleg_status status = tleg_own_options_read(context, options, TLEG_FROM_PATH, &own);
    if (status == TLEG_OK && own.heads != 0)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_open_options.heads: expected 0 for a file of tensors, found %d",
                           (int)own.heads);
    if (status == TLEG_OK && (own.activation != 0 || own.eps != 0))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT,
                           "tleg_open_options.activation, eps: expected 0 for a file of tensors, found another number");
    if (status == TLEG_OK && (own.pictures || own.dtype))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_open_options.%s: expected %s for a file of tensors",
                           own.dtype ? "dtype" : "pictures", own.dtype ? "0" : "NULL");
    return status == TLEG_OK ? tleg_file_open_path(context, path, &own, out) : status;
}

tleg_status TLEG_CALL tleg_file_parse(tleg_context *context, const void *data, size_t size, tleg_file **out) {
    if (out)
        *out = NULL;
    if (!context || !data || !out)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_file_parse: context, data and file must not be NULL");
    return tleg_file_open_memory(context, data, size, &(tleg_open_options){0}, out);
}

static tleg_status check_source(tleg_context *context, const tleg_source *host, tleg_source *own) {
    tleg_status status = tleg_options_read(context, "tleg_source", host, own, sizeof *own, TLEG_LEAST_SOURCE);
    if (status == TLEG_OK)
        status = tleg_check_flags(context, "tleg_source.flags", own->flags, 0);
    if (status == TLEG_OK && !own->read)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_source.read must not be NULL");
    return status;
}

tleg_status TLEG_CALL tleg_file_open_source(tleg_context *context, const tleg_source *source, tleg_file **out) {
    if (out)
        *out = NULL;
    if (!context || !source || !out)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_file_open_source: context, source and file must not be NULL");
    tleg_source own;
    struct tleg_file *file = NULL;
    tleg_status status = check_source(context, source, &own);
    if (status == TLEG_OK)
        status = tleg_file_make(context, own.name ? own.name : "(source)", &file);
    if (status != TLEG_OK)
        return status;
    file->host = own;
    file->host.release = NULL; /* the host's own until the file is open */
    file->size = own.size;
    status = finish(context, status, file, OPEN_ALONE, NULL, out);
    if (status == TLEG_OK)
        file->host.release = own.release;
    return status;
}

void TLEG_CALL tleg_file_free(tleg_file *file) {
    if (!file || atomic_fetch_sub_explicit(&file->references, 1, memory_order_acq_rel) != 1)
        return;
    struct tleg_allocator allocator = file->allocator;
    tleg_source_close(file);
    for (size_t i = 0; i < file->part_count; i++)
        tleg_file_free(file->parts[i]);
    tleg_release(&allocator, file->parts, file->part_bytes);
    tleg_release(&allocator, file->block, file->block_bytes);
    if (TLEG_TRAIN)
        tleg_onnx_free(&allocator, file->onnx);
    tleg_release(&allocator, file->label, file->label_bytes);
    tleg_release(&allocator, file, sizeof *file);
}

/* ---- what it holds ---- */

const char *tleg_file_label(const tleg_file *file) {
    return file->label;
}

const struct tleg_graph *tleg_file_graph(const tleg_file *file, const tleg_file **holder) {
    while (file->same)
        file = file->parts[0];
    *holder = file;
    return TLEG_TRAIN ? tleg_onnx_graph_of(file->onnx) : NULL;
}

int64_t tleg_file_entries(const tleg_file *file, const struct tleg_entry **entries) {
    *entries = file->entries;
    return (int64_t)file->entry_count;
}

int64_t tleg_file_pairs(const tleg_file *file, const struct tleg_pair **pairs) {
    *pairs = file->pairs;
    return (int64_t)file->pair_count;
}

/* The place of `name` among `count` pointers to structs whose first member is a name, sorted; NULL when it is not there. */
static const void *find_named(const void *sorted, size_t count, const char *name) {
    const char *const *const *items = sorted;
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, *items[middle]);
        if (order == 0)
            return items[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct tleg_entry *tleg_file_find(const tleg_file *file, const char *name) {
    return find_named(file->by_name, file->entry_count, name);
}

uint64_t tleg_file_bytes(const tleg_file *file) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < file->entry_count; i++)
        bytes += file->entries[i].bytes;
    return bytes;
}

int64_t TLEG_CALL tleg_file_get_tensor_count(const tleg_file *file) {
    return file ? (int64_t)file->entry_count : 0;
}

const char *TLEG_CALL tleg_file_get_tensor_name(const tleg_file *file, int64_t index) {
    return file && index >= 0 && (size_t)index < file->entry_count ? file->entries[index].name : NULL;
}

const char *TLEG_CALL tleg_file_get_metadata_key(const tleg_file *file, int64_t index) {
    return file && index >= 0 && (size_t)index < file->pair_count ? file->pairs[index].key : NULL;
}

const char *TLEG_CALL tleg_file_get_metadata(const tleg_file *file, const char *key) {
    const struct tleg_pair *pair = file && key ? find_named(file->by_key, file->pair_count, key) : NULL;
    return pair ? pair->value : NULL;
}
