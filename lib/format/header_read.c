/* The header of a safetensors file:
 *   {"__metadata__": {"key": "value", ...}, "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
 * Strict: whatever the format does not allow is an error that names the tensor or key. */
#include "format/private.h"

#include <stdio.h>
#include <string.h>

struct header {
    tleg_context *context;
    struct tleg_file *file;
    const struct tleg_json *json;
    char *texts; /* where the next unescaped text goes */
    size_t room; /* bytes left there; a text with its NUL needs less than its JSON with quotes */
};

/* ---- helpers ---- */

static const char *kind_name(enum tleg_json_kind kind) {
    static const char *const names[] = {"nothing", "an object", "an array", "a string", "a number", "true", "false", "null"};
    return names[kind];
}

/* Whether a key of the header is the metadata's. */
static bool is_metadata(const struct tleg_json *json, size_t token) {
    char name[sizeof TLEG_FILE_META];
    return tleg_json_string(json, token, name, sizeof name) != SIZE_MAX && strcmp(name, TLEG_FILE_META) == 0;
}

/* Unescapes a string token into the file's block. `what` says where it stands. */
static tleg_status keep_text(struct header *header, size_t token, const char *what, const char **text) {
    size_t length = tleg_json_string(header->json, token, header->texts, header->room);
    if (length == SIZE_MAX)
        return tleg_fail(header->context, TLEG_ERROR_FORMAT, "%s: %s holds a NUL character", header->file->label, what);
    *text = header->texts;
    header->texts += length + 1;
    header->room -= length + 1;
    return TLEG_OK;
}

static tleg_status bad_tensor(const struct header *header, const char *name, const char *what, const char *expected,
                              size_t token) {
    return tleg_fail(header->context, TLEG_ERROR_FORMAT, "%s: tensor '%s': %s must be %s, found %s", header->file->label, name,
                     what, expected, kind_name(tleg_json_kind(header->json, token)));
}

/* ---- one tensor ---- */

/* A whole number >= 0. */
static bool size_value(const struct tleg_json *json, size_t token, int64_t *value) {
    return tleg_json_integer(json, token, value) && *value >= 0;
}

static tleg_status read_dtype(const struct header *header, size_t token, struct tleg_entry *entry) {
    char name[24];
    size_t length = tleg_json_string(header->json, token, name, sizeof name);
    if (tleg_json_kind(header->json, token) != TLEG_JSON_STRING)
        return bad_tensor(header, entry->name, "dtype", "a string", token);
    const struct tleg_stored_type *type = length == SIZE_MAX ? NULL : tleg_stored_type_find(name);
    if (!type)
        return tleg_fail(header->context, TLEG_ERROR_FORMAT, "%s: tensor '%s': '%s' is not a dtype of the safetensors format",
                         header->file->label, entry->name, length == SIZE_MAX ? "(long text)" : name);
    entry->type_name = type->name;
    entry->dtype = type->dtype;
    return TLEG_OK;
}

static tleg_status read_shape(const struct header *header, size_t token, struct tleg_entry *entry) {
    const struct tleg_json *json = header->json;
    if (tleg_json_kind(json, token) != TLEG_JSON_ARRAY)
        return bad_tensor(header, entry->name, "shape", "an array", token);
    size_t rank = tleg_json_size(json, token);
    if (rank > TLEG_MAX_RANK)
        return tleg_fail(header->context, TLEG_ERROR_UNSUPPORTED,
                         "%s: tensor '%s' has %llu dimensions; at most %d are supported", header->file->label, entry->name,
                         (unsigned long long)rank, TLEG_MAX_RANK);
    entry->rank = (int32_t)rank;
    size_t element = token + 1;
    for (size_t i = 0; i < rank; i++, element = tleg_json_next(json, element))
        if (!size_value(json, element, &entry->shape[i]))
            return tleg_fail(header->context, TLEG_ERROR_FORMAT,
                             "%s: tensor '%s': shape: entry %llu must be a whole number from 0 to 2^63 - 1",
                             header->file->label, entry->name, (unsigned long long)i);
    return TLEG_OK;
}

static tleg_status read_offsets(const struct header *header, size_t token, struct tleg_entry *entry) {
    const struct tleg_json *json = header->json;
    int64_t begin, end;
    if (tleg_json_kind(json, token) != TLEG_JSON_ARRAY || tleg_json_size(json, token) != 2 ||
        !size_value(json, token + 1, &begin) || !size_value(json, tleg_json_next(json, token + 1), &end))
        return tleg_fail(header->context, TLEG_ERROR_FORMAT,
                         "%s: tensor '%s': data_offsets must be two whole numbers, begin and end, from 0 to 2^63 - 1",
                         header->file->label, entry->name);
    if (begin > end)
        return tleg_fail(header->context, TLEG_ERROR_FORMAT,
                         "%s: tensor '%s': data_offsets: the begin, %lld, is past the end, %lld", header->file->label,
                         entry->name, (long long)begin, (long long)end);
    entry->offset = (uint64_t)begin;
    entry->bytes = (uint64_t)(end - begin);
    return TLEG_OK;
}

static tleg_status bad_bytes(const struct header *header, const struct tleg_entry *entry, const char *what) {
    char shape[TLEG_SHAPE_TEXT];
    return tleg_fail(header->context, TLEG_ERROR_FORMAT, "%s: tensor '%s': shape %s of %s %s; data_offsets give %llu bytes",
                     header->file->label, entry->name, tleg_shape_text(entry->rank, entry->shape, shape), entry->type_name,
                     what, (unsigned long long)entry->bytes);
}

/* The bytes that the shape and type need are those that the offsets give. */
static tleg_status check_bytes(const struct header *header, const struct tleg_entry *entry, uint32_t bits_each) {
    size_t elements, bits;
    if (!tleg_size_product(entry->shape, entry->rank, &elements) || !tleg_size_mul(elements, bits_each, &bits))
        return bad_bytes(header, entry, "is larger than any memory");
    if (bits % 8 != 0)
        return bad_bytes(header, entry, "does not fill whole bytes");
    if (bits / 8 == entry->bytes)
        return TLEG_OK;
    char needed[40];
    snprintf(needed, sizeof needed, "needs %llu bytes", (unsigned long long)(bits / 8));
    return bad_bytes(header, entry, needed);
}

static tleg_status read_tensor(struct header *header, size_t key, struct tleg_entry *entry) {
    static const struct {
        const char *name;
        tleg_status (*read)(const struct header *header, size_t token, struct tleg_entry *entry);
    } members[] = {{"dtype", read_dtype}, {"shape", read_shape}, {"data_offsets", read_offsets}};
    enum { MEMBERS = sizeof members / sizeof members[0] };
    const struct tleg_json *json = header->json;
    bool seen[MEMBERS] = {false};
    tleg_status status = keep_text(header, key, "the name of a tensor", &entry->name);
    if (status != TLEG_OK)
        return status;
    size_t token = key + 1, count = tleg_json_size(json, token);
    if (tleg_json_kind(json, token) != TLEG_JSON_OBJECT)
        return bad_tensor(header, entry->name, "its entry", "an object with dtype, shape and data_offsets", token);
    size_t name_token = token + 1;
    for (size_t i = 0; i < count; i++, name_token = tleg_json_next(json, name_token + 1)) {
        char name[64] = "(long text)";
        size_t member = 0;
        tleg_json_string(json, name_token, name, sizeof name);
        while (member < MEMBERS && strcmp(members[member].name, name) != 0)
            member++;
        if (member == MEMBERS || seen[member])
            return tleg_fail(header->context, TLEG_ERROR_FORMAT, "%s: tensor '%s': member '%s' %s", header->file->label,
                             entry->name, name, member == MEMBERS ? "is unknown" : "appears twice");
        seen[member] = true;
        status = members[member].read(header, name_token + 1, entry);
        if (status != TLEG_OK)
            return status;
    }
    for (size_t member = 0; member < MEMBERS; member++)
        if (!seen[member])
            return tleg_fail(header->context, TLEG_ERROR_FORMAT, "%s: tensor '%s': %s is missing", header->file->label,
                             entry->name, members[member].name);
    return check_bytes(header, entry, tleg_stored_type_find(entry->type_name)->bits);
}

/* ---- metadata ---- */

static tleg_status read_metadata(struct header *header, size_t token) {
    const struct tleg_json *json = header->json;
    size_t count = tleg_json_size(json, token), key = token + 1;
    for (size_t i = 0; i < count; i++, key = tleg_json_next(json, key + 1)) {
        struct tleg_pair *pair = &header->file->pairs[i];
        tleg_status status = keep_text(header, key, "a metadata key", &pair->key);
        if (status != TLEG_OK)
            return status;
        enum tleg_json_kind kind = tleg_json_kind(json, key + 1);
        if (kind != TLEG_JSON_STRING)
            return tleg_fail(header->context, TLEG_ERROR_FORMAT, "%s: metadata key '%s': the value must be a string, found %s",
                             header->file->label, pair->key, kind_name(kind));
        status = keep_text(header, key + 1, "a metadata value", &pair->value);
        if (status != TLEG_OK)
            return status;
        header->file->by_key[i] = pair;
    }
    return TLEG_OK;
}

/* ---- the whole ---- */

/* For arrays of pointers to structs whose first member is the name. */
static int compare_named(const void *a, const void *b) {
    return strcmp(**(const char *const *const *)a, **(const char *const *const *)b);
}

static int compare_places(const void *a, const void *b) {
    const struct tleg_entry *first = a, *second = b;
    if (first->offset != second->offset)
        return first->offset < second->offset ? -1 : 1;
    if (first->bytes != second->bytes)
        return first->bytes < second->bytes ? -1 : 1;
    return first->name < second->name ? -1 : first->name > second->name; /* names lie in the header's order */
}

/* No hole, no overlap, and the data section ends where the file does. */
static tleg_status check_cover(const struct header *header) {
    const struct tleg_file *file = header->file;
    uint64_t covered = 0, section = file->size - file->data_start;
    for (size_t i = 0; i < file->entry_count; i++) {
        const struct tleg_entry *entry = &file->entries[i];
        if (entry->offset > covered)
            return tleg_fail(header->context, TLEG_ERROR_FORMAT,
                             "%s: a hole of %llu bytes in the data section before tensor '%s', which begins at byte %llu",
                             file->label, (unsigned long long)(entry->offset - covered), entry->name,
                             (unsigned long long)entry->offset);
        if (entry->offset < covered)
            return tleg_fail(header->context, TLEG_ERROR_FORMAT, "%s: tensor '%s' begins at byte %llu and overlaps tensor '%s'",
                             file->label, entry->name, (unsigned long long)entry->offset, file->entries[i - 1].name);
        covered += entry->bytes;
        if (covered > section)
            return tleg_fail(header->context, TLEG_ERROR_FORMAT,
                             "%s is truncated: tensor '%s' ends at byte %llu of the data section, which has %llu", file->label,
                             entry->name, (unsigned long long)covered, (unsigned long long)section);
    }
    if (covered < section)
        return tleg_fail(header->context, TLEG_ERROR_FORMAT, "%s: %llu bytes too many at the end, after the last tensor",
                         file->label, (unsigned long long)(section - covered));
    return TLEG_OK;
}

tleg_status tleg_file_index_names(tleg_context *context, const struct tleg_file *file) {
    for (size_t i = 0; i < file->entry_count; i++)
        file->by_name[i] = &file->entries[i];
    tleg_sort(file->by_name, file->entry_count, sizeof *file->by_name, compare_named);
    tleg_sort(file->by_key, file->pair_count, sizeof *file->by_key, compare_named);
    for (size_t i = 1; i < file->entry_count; i++)
        if (strcmp(file->by_name[i - 1]->name, file->by_name[i]->name) == 0)
            return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: duplicate tensor '%s' in the header", file->label,
                             file->by_name[i]->name);
    for (size_t i = 1; i < file->pair_count; i++)
        if (strcmp(file->by_key[i - 1]->key, file->by_key[i]->key) == 0)
            return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: duplicate metadata key '%s' in the header", file->label,
                             file->by_key[i]->key);
    return TLEG_OK;
}

/* Counts tensors and metadata entries; *metadata is the token of the metadata object, or 0. */
static tleg_status count_members(const struct header *header, size_t *metadata) {
    const struct tleg_json *json = header->json;
    struct tleg_file *file = header->file;
    size_t members = tleg_json_size(json, 0), key = 1;
    *metadata = 0;
    for (size_t i = 0; i < members; i++, key = tleg_json_next(json, key + 1)) {
        if (!is_metadata(json, key))
            continue;
        if (*metadata)
            return tleg_fail(header->context, TLEG_ERROR_FORMAT, "%s: duplicate " TLEG_FILE_META " in the header", file->label);
        *metadata = key + 1;
    }
    if (*metadata && tleg_json_kind(json, *metadata) != TLEG_JSON_OBJECT)
        return tleg_fail(header->context, TLEG_ERROR_FORMAT, "%s: " TLEG_FILE_META " must be an object, found %s", file->label,
                         kind_name(tleg_json_kind(json, *metadata)));
    file->entry_count = members - (*metadata != 0);
    file->pair_count = *metadata ? tleg_json_size(json, *metadata) : 0;
    return TLEG_OK;
}

/* Both arrays and their indices, then the texts. */
tleg_status tleg_file_make_block(tleg_context *context, struct tleg_file *file, size_t room, char **texts) {
    size_t entry = sizeof *file->entries + sizeof *file->by_name, pair = sizeof *file->pairs + sizeof *file->by_key;
    size_t entries, pairs, bytes;
    if (!tleg_size_mul(file->entry_count, entry, &entries) || !tleg_size_mul(file->pair_count, pair, &pairs) ||
        !tleg_size_add(entries, pairs, &bytes) || !tleg_size_add(bytes, room, &bytes))
        return tleg_fail_memory(context, file->label, SIZE_MAX);
    char *at = tleg_alloc_zero(&file->allocator, bytes);
    if (!at)
        return tleg_fail_memory(context, file->label, bytes);
    file->block = at;
    file->block_bytes = bytes;
    file->entries = (void *)at;
    file->pairs = (void *)(at += file->entry_count * sizeof *file->entries);
    file->by_name = (void *)(at += file->pair_count * sizeof *file->pairs);
    file->by_key = (void *)(at += file->entry_count * sizeof *file->by_name);
    if (texts)
        *texts = at + file->pair_count * sizeof *file->by_key;
    return TLEG_OK;
}

static tleg_status read_members(struct header *header) {
    const struct tleg_json *json = header->json;
    struct tleg_file *file = header->file;
    if (tleg_json_kind(json, 0) != TLEG_JSON_OBJECT)
        return tleg_fail(header->context, TLEG_ERROR_FORMAT, "%s: the header must be an object, found %s", file->label,
                         kind_name(tleg_json_kind(json, 0)));
    size_t metadata, key = 1;
    tleg_status status = count_members(header, &metadata);
    if (status == TLEG_OK)
        status = tleg_file_make_block(header->context, file, header->room, &header->texts);
    if (status == TLEG_OK && metadata)
        status = read_metadata(header, metadata);
    for (size_t i = 0; i < file->entry_count && status == TLEG_OK; key = tleg_json_next(json, key + 1))
        if (key + 1 != metadata)
            status = read_tensor(header, key, &file->entries[i++]);
    if (status != TLEG_OK)
        return status;
    tleg_sort(file->entries, file->entry_count, sizeof *file->entries, compare_places);
    status = tleg_file_index_names(header->context, file);
    return status == TLEG_OK ? check_cover(header) : status;
}

tleg_status tleg_header_read(tleg_context *context, struct tleg_file *file, const char *text, size_t length) {
    struct tleg_json json;
    struct tleg_json_fault fault;
    tleg_status status = tleg_json_scan(&file->allocator, text, length, &json, &fault);
    if (status == TLEG_ERROR_FORMAT)
        return tleg_fail(context, status, "%s: the header is no JSON: %s at byte %llu of %llu", file->label, fault.reason,
                         (unsigned long long)fault.at, (unsigned long long)length);
    if (status != TLEG_OK)
        return tleg_fail_memory(context, file->label, length);
    struct header header = {.context = context, .file = file, .json = &json, .room = length};
    status = read_members(&header);
    tleg_json_free(&json);
    return status;
}
