/* A head is added in memory: the library reads whole models alone. */
#include "backbone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char patches[] = "patch_embed.proj.weight", head[] = "head.weight", labels[] = "tleg.labels";
enum { MOST_NEW = 4 }; /* weight and bias of head and head_dist */

/* A file in the making: everything of `file`, and its heads. */
struct whole {
    const tleg_file *file;
    const char *prefix; /* of all names, as wrappers write it; with `length` */
    size_t length;
    int64_t count, pairs;
    const char **names, **keys_and_values;
    tleg_tensor **tensors;
    char made[MOST_NEW][256];
    char *bytes;
    size_t size, room;
};

/* The name of the file that is `name` after any prefix, or NULL. */
static const char *find(const tleg_file *file, const char *name) {
    const size_t length = strlen(name);
    const char *found;
    for (int64_t i = 0; (found = tleg_file_get_tensor_name(file, i)) != NULL; i++) {
        const size_t all = strlen(found);
        if (all >= length && strcmp(found + all - length, name) == 0 && (all == length || found[all - length - 1] == '.'))
            return found;
    }
    return NULL;
}

static bool whole_make(struct whole *whole) {
    size_t tensors = (size_t)tleg_file_get_tensor_count(whole->file) + MOST_NEW, keys = 1;
    while (tleg_file_get_metadata_key(whole->file, (int64_t)keys - 1))
        keys++;
    whole->names = calloc(tensors, sizeof *whole->names);
    whole->tensors = calloc(tensors, sizeof *whole->tensors);
    whole->keys_and_values = calloc(2 * keys, sizeof *whole->keys_and_values);
    return whole->names && whole->tensors && whole->keys_and_values;
}

static void whole_free(struct whole *whole) {
    for (int64_t i = 0; i < whole->count; i++)
        tleg_tensor_free(whole->tensors[i]);
    free(whole->names);
    free(whole->tensors);
    free(whole->keys_and_values);
    free(whole->bytes);
}

/* A tensor of a type that the library does not read is no part of a network: what stands among the blocks is refused by
 * its name all the same. */
static tleg_status copy_tensors(tleg_context *context, struct whole *whole) {
    const char *name;
    tleg_status status = TLEG_OK;
    for (int64_t i = 0; status == TLEG_OK && (name = tleg_file_get_tensor_name(whole->file, i)) != NULL; i++) {
        status = tleg_file_read_tensor(context, whole->file, name, &whole->tensors[whole->count]);
        if (status == TLEG_OK)
            whole->names[whole->count++] = name;
        else if (status == TLEG_ERROR_UNSUPPORTED && !strstr(name, "blocks."))
            status = TLEG_OK;
    }
    return status;
}

/* Names of the classes that the head had mean nothing without it. */
static void copy_pairs(struct whole *whole) {
    const char *key;
    for (int64_t i = 0; (key = tleg_file_get_metadata_key(whole->file, i)) != NULL; i++)
        if (strcmp(key, labels) != 0) {
            whole->keys_and_values[2 * whole->pairs] = key;
            whole->keys_and_values[2 * whole->pairs++ + 1] = tleg_file_get_metadata(whole->file, key);
        }
}

/* NAME.weight (classes, dim) or NAME.bias (classes), zeros. */
static tleg_status add_zeros(tleg_context *context, struct whole *whole, int slot, const char *name, int32_t rank,
                             const int64_t *shape) {
    const tleg_status status = tleg_tensor_create(context, TLEG_F32, rank, shape, &whole->tensors[whole->count]);
    if (status != TLEG_OK)
        return status;
    tleg_tensor_info info = {.struct_size = sizeof info};
    tleg_tensor_get_info(context, whole->tensors[whole->count], &info);
    memset(info.data, 0, info.bytes);
    snprintf(whole->made[slot], sizeof whole->made[slot], "%.*s%s", (int)whole->length, whole->prefix, name);
    whole->names[whole->count++] = whole->made[slot];
    return TLEG_OK;
}

static tleg_status add_heads(tleg_context *context, struct whole *whole, int32_t classes) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    tleg_status status = tleg_file_get_tensor_info(context, whole->file, find(whole->file, patches), &info);
    const int64_t shape[2] = {classes, info.rank > 0 ? info.shape[0] : 1};
    const bool distilled = find(whole->file, "dist_token") != NULL;
    static const char *const names[MOST_NEW] = {"head.weight", "head.bias", "head_dist.weight", "head_dist.bias"};
    for (int slot = 0; status == TLEG_OK && slot < (distilled ? MOST_NEW : 2); slot++)
        if (!find(whole->file, names[slot]))
            status = add_zeros(context, whole, slot, names[slot], slot % 2 ? 1 : 2, shape);
    return status;
}

static tleg_status TLEG_CALL append(void *host, const void *data, size_t size) {
    struct whole *whole = host;
    if (size > whole->room - whole->size) {
        const size_t room = 2 * whole->room + size;
        char *larger = realloc(whole->bytes, room);
        if (!larger)
            return TLEG_ERROR_MEMORY;
        whole->bytes = larger;
        whole->room = room;
    }
    memcpy(whole->bytes + whole->size, data, size);
    whole->size += size;
    return TLEG_OK;
}

static tleg_status TLEG_CALL read_bytes(void *host, uint64_t at, size_t size, void *out) {
    memcpy(out, ((const struct whole *)host)->bytes + at, size);
    return TLEG_OK;
}

/* What was written is read as a file of the same name, for errors. */
static tleg_status read_whole(tleg_context *context, struct whole *whole, const tleg_open_options *opening,
                              struct source *source) {
    const tleg_source from = {
        .struct_size = sizeof from, .size = whole->size, .read = read_bytes, .host = whole, .name = source->path};
    tleg_file *file;
    const bool gene = source_is_gene(whole->file);
    tleg_status status = tleg_file_open_source(context, &from, &file);
    if (status != TLEG_OK)
        return status;
    status = gene ? tleg_learngene_read(context, file, opening, &source->gene)
                  : tleg_model_read(context, file, opening, &source->model);
    tleg_file_free(file);
    if (status == TLEG_OK)
        status = gene ? tleg_learngene_get_info(context, source->gene, &source->config)
                      : tleg_model_get_info(context, source->model, &source->config);
    return status;
}

static int add_head(const struct invocation *call, tleg_context *context, const tleg_file *file, int32_t classes,
                    const struct expansion *expansion, struct source *source) {
    const char *inner = find(file, patches);
    const tleg_preparation_options pictures = pictures_say(call->pictures, source_is_gene(file) ? 0 : expansion->image);
    const tleg_open_options opening = source_reading(call, &pictures);
    struct whole whole = {.file = file, .prefix = inner, .length = strlen(inner) - (sizeof patches - 1)};
    int code = whole_make(&whole) ? EXIT_DONE : tool_fail_memory(call);
    tleg_status status = code == EXIT_DONE ? copy_tensors(context, &whole) : TLEG_OK;
    if (code == EXIT_DONE && status == TLEG_OK)
        status = add_heads(context, &whole, classes == 1 ? 2 : 1);
    if (code == EXIT_DONE && status == TLEG_OK) {
        copy_pairs(&whole);
        const tleg_save_options options = {
            .struct_size = sizeof options, .pairs = whole.pairs, .keys_and_values = whole.keys_and_values};
        status = tleg_file_write(context, append, &whole, whole.count, whole.names, (const tleg_tensor *const *)whole.tensors,
                                 &options);
    }
    if (code == EXIT_DONE && status == TLEG_OK)
        status = read_whole(context, &whole, &opening, source);
    whole_free(&whole);
    return status == TLEG_OK ? code : tool_fail_context(call, context);
}

int backbone_open(const struct invocation *call, tleg_context *context, const char *path, int32_t classes,
                  const struct expansion *expansion, struct source *source) {
    *source = (struct source){.path = path, .config = {.struct_size = sizeof source->config}};
    tleg_file *file = source_file(call, context, path);
    if (!file)
        return EXIT_FAILED;
    const bool headless = !find(file, head) && find(file, patches);
    const int code = headless ? add_head(call, context, file, classes, expansion, source)
                              : source_read(call, context, path, file, expansion, source);
    tleg_file_free(file);
    source->headless = headless;
    if (code == EXIT_DONE)
        pictures_note(call, source->path, &source->config);
    return code;
}
