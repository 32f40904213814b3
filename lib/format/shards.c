/* A model in several files: an index {"weight_map": {"tensor": "file beside it", ...}} as Hugging Face writes it, opened as one
 * file that holds the tensors it names. What else the shards hold does not belong to it. */
#include "format/private.h"

#include <string.h>

struct place { /* one line of the index */
    const char *tensor, *shard;
};

struct merge {
    tleg_context *context;
    struct tleg_file *file; /* of the index */
    uint32_t flags;
    struct place *places; /* sorted by shard */
    size_t count, bytes;  /* of places, and of the memory that holds them and their texts */
};

/* ---- the index ---- */

/* The value of the member "weight_map" when that is an object; else a token with no members. */
static size_t find_map(const struct tleg_json *json) {
    static const char wanted[] = "weight_map";
    size_t count = tleg_json_size(json, 0), key = 1;
    for (size_t i = 0; i < count; i++, key = tleg_json_next(json, key + 1)) {
        char name[sizeof wanted];
        if (tleg_json_string(json, key, name, sizeof name) != SIZE_MAX && strcmp(name, wanted) == 0)
            return tleg_json_kind(json, key + 1) == TLEG_JSON_OBJECT ? key + 1 : json->count;
    }
    return json->count;
}

/* A name of a file beside the index, and nowhere else. */
static bool is_plain_name(const char *name) {
    return *name && !strchr(name, '/') && !strchr(name, '\\') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static tleg_status read_place(const struct merge *merge, const struct tleg_json *json, size_t key, struct place *place,
                              char **texts, size_t *room) {
    const char **const fields[2] = {&place->tensor, &place->shard};
    const char *label = merge->file->label;
    for (size_t k = 0; k < 2; k++) {
        size_t length = tleg_json_string(json, key + k, *texts, *room);
        if (length == SIZE_MAX)
            return tleg_fail(merge->context, TLEG_ERROR_FORMAT,
                             "%s: weight_map must give each tensor the name of a file, without a NUL in it", label);
        *fields[k] = *texts;
        *texts += length + 1;
        *room -= length + 1;
    }
    if (!is_plain_name(place->shard))
        return tleg_fail(merge->context, TLEG_ERROR_FORMAT,
                         "%s: weight_map: tensor '%s': expected the name of a file beside it, found '%s'", label, place->tensor,
                         place->shard);
    return TLEG_OK;
}

static int compare_shards(const void *a, const void *b) {
    return strcmp(((const struct place *)a)->shard, ((const struct place *)b)->shard);
}

/* The places and, after them, their texts: a text with its NUL needs less than its JSON with quotes. */
static tleg_status read_places(struct merge *merge, const struct tleg_json *json) {
    const size_t map = find_map(json);
    if (tleg_json_size(json, map) == 0)
        return tleg_fail(merge->context, TLEG_ERROR_FORMAT, "%s: expected an index with an object \"weight_map\" of tensors",
                         merge->file->label);
    merge->count = tleg_json_size(json, map);
    size_t room = json->length, bytes;
    if (!tleg_size_mul(merge->count, sizeof *merge->places, &bytes) || !tleg_size_add(bytes, room, &bytes))
        return tleg_fail_memory(merge->context, merge->file->label, SIZE_MAX);
    merge->places = tleg_alloc(&merge->file->allocator, bytes);
    if (!merge->places)
        return tleg_fail_memory(merge->context, merge->file->label, bytes);
    merge->bytes = bytes;
    char *texts = (char *)(merge->places + merge->count);
    tleg_status status = TLEG_OK;
    size_t key = map + 1;
    for (size_t i = 0; i < merge->count && status == TLEG_OK; i++, key = tleg_json_next(json, key + 1))
        status = read_place(merge, json, key, &merge->places[i], &texts, &room);
    if (status == TLEG_OK)
        tleg_sort(merge->places, merge->count, sizeof *merge->places, compare_shards);
    return status;
}

/* ---- the shards ---- */

static bool begins_shard(const struct merge *merge, size_t i) {
    return i == 0 || compare_shards(&merge->places[i - 1], &merge->places[i]) != 0;
}

static tleg_status open_part(const struct merge *merge, const char *shard, struct tleg_file **part) {
    const char *label = merge->file->label, *slash = strrchr(label, '/');
    const size_t folder = slash ? (size_t)(slash + 1 - label) : 0, name = strlen(shard) + 1;
    char *path = tleg_alloc(&merge->file->allocator, folder + name);
    if (!path)
        return tleg_fail_memory(merge->context, label, folder + name);
    memcpy(path, label, folder);
    memcpy(path + folder, shard, name);
    tleg_status status = tleg_file_open_one(merge->context, path, merge->flags, part);
    tleg_release(&merge->file->allocator, path, folder + name);
    return status;
}

static tleg_status open_parts(const struct merge *merge) {
    struct tleg_file *file = merge->file;
    size_t parts = 0;
    for (size_t i = 0; i < merge->count; i++)
        parts += begins_shard(merge, i);
    file->part_bytes = parts * sizeof(struct tleg_file *); /* less than the places */
    file->parts = tleg_alloc_zero(&file->allocator, file->part_bytes);
    if (!file->parts)
        return tleg_fail_memory(merge->context, file->label, file->part_bytes);
    tleg_status status = TLEG_OK;
    uint64_t headers = 0; /* bytes of all: one header under many names would take its memory as often */
    for (size_t i = 0; i < merge->count && status == TLEG_OK; i++) {
        if (!begins_shard(merge, i))
            continue;
        status = open_part(merge, merge->places[i].shard, &file->parts[file->part_count]);
        if (status != TLEG_OK)
            return status;
        headers += file->parts[file->part_count++]->header_bytes;
        if (headers > TLEG_FILE_HEADER_LIMIT)
            return tleg_fail(merge->context, TLEG_ERROR_FORMAT,
                             "%s: the headers of its files are more than %d bytes together, up to '%s'", file->label,
                             TLEG_FILE_HEADER_LIMIT, merge->places[i].shard);
    }
    return TLEG_OK;
}

/* ---- what they hold together ---- */

static int compare_entries(const void *a, const void *b) {
    const struct tleg_entry *first = a, *second = b;
    if (first->part != second->part)
        return first->part < second->part ? -1 : 1;
    if (first->offset != second->offset)
        return first->offset < second->offset ? -1 : 1;
    return strcmp(first->name, second->name); /* of two, one is empty */
}

static tleg_status merge_entries(const struct merge *merge) {
    struct tleg_file *file = merge->file;
    size_t part = 0;
    for (size_t i = 0; i < merge->count; i++) {
        part += i > 0 && begins_shard(merge, i);
        const struct place *place = &merge->places[i];
        const struct tleg_entry *entry = tleg_file_find(file->parts[part], place->tensor);
        if (!entry)
            return tleg_fail(merge->context, TLEG_ERROR_FORMAT, "%s: weight_map: tensor '%s' is not in %s", file->label,
                             place->tensor, place->shard);
        file->entries[i] = *entry;
        file->entries[i].part = part;
    }
    tleg_sort(file->entries, file->entry_count, sizeof *file->entries, compare_entries);
    return TLEG_OK;
}

/* By key; of equal keys the first shard's comes first. */
static int compare_pairs(const void *a, const void *b) {
    const struct tleg_pair *first = *(const struct tleg_pair *const *)a, *second = *(const struct tleg_pair *const *)b;
    const int order = strcmp(first->key, second->key);
    return order ? order : first < second ? -1 : first > second;
}

/* A key that several shards have is that of the first. */
static void merge_pairs(struct tleg_file *file) {
    size_t all = 0, kept = 0;
    for (size_t part = 0; part < file->part_count; part++)
        for (size_t k = 0; k < file->parts[part]->pair_count; k++, all++) {
            file->pairs[all] = file->parts[part]->pairs[k];
            file->by_key[all] = &file->pairs[all];
        }
    tleg_sort(file->by_key, all, sizeof *file->by_key, compare_pairs);
    const char *last = NULL;
    for (size_t k = 0; k < all; k++) {
        struct tleg_pair *pair = &file->pairs[file->by_key[k] - file->pairs];
        if (last && strcmp(pair->key, last) == 0)
            pair->key = NULL;
        else
            last = pair->key;
    }
    for (size_t k = 0; k < all; k++)
        if (file->pairs[k].key)
            file->pairs[kept++] = file->pairs[k];
    for (size_t k = 0; k < kept; k++)
        file->by_key[k] = &file->pairs[k];
    file->pair_count = kept;
}

static tleg_status fill(const struct merge *merge) {
    struct tleg_file *file = merge->file;
    file->entry_count = merge->count;
    file->several = true;
    for (size_t part = 0; part < file->part_count; part++)
        file->pair_count += file->parts[part]->pair_count; /* each is in memory */
    tleg_status status = tleg_file_make_block(merge->context, file, 0, NULL);
    if (status == TLEG_OK)
        status = merge_entries(merge);
    if (status != TLEG_OK)
        return status;
    merge_pairs(file);
    return tleg_file_index_names(merge->context, file);
}

tleg_status tleg_shards_read(tleg_context *context, struct tleg_file *file, const char *text, size_t length, uint32_t flags) {
    struct merge merge = {.context = context, .file = file, .flags = flags};
    struct tleg_json json;
    tleg_status status = tleg_json_parse(context, file->label, text, length, &json);
    if (status != TLEG_OK)
        return status;
    status = read_places(&merge, &json);
    tleg_json_free(&json);
    if (status == TLEG_OK)
        status = open_parts(&merge);
    if (status == TLEG_OK)
        status = fill(&merge);
    tleg_release(&file->allocator, merge.places, merge.bytes);
    return status;
}

/* ---- one of them alone ---- */

/* The digits at *at, which moves past them: five or more, as they are padded; false when there are fewer. */
static bool skip_digits(const char **at) {
    const char *start = *at;
    while (**at >= '0' && **at <= '9')
        ++*at;
    return *at - start >= 5;
}

bool tleg_file_is_shard(const tleg_file *file) {
    static const char of[] = "-of-", one[] = "00001.";
    const char *at = NULL;
    for (const char *next = file->label; (next = strstr(next, of)) != NULL; next++)
        at = next;
    if (!at || file->several)
        return false;
    const char *number = at;
    while (number > file->label && number[-1] >= '0' && number[-1] <= '9')
        number--;
    const char *rest = at + sizeof of - 1;
    if (at - number < 5 || strncmp(rest, one, sizeof one - 1) == 0)
        return false;
    return skip_digits(&rest) && (strcmp(rest, ".safetensors") == 0 || strcmp(rest, ".bin") == 0);
}
