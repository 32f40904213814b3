/* A folder as its authors share a model: weights under one of a few names, and texts beside them that say what shapes do not.
 * The texts become metadata of the file under their own names; who reads them is above this room. */
#include "format/private.h"

#include <string.h>

enum { BESIDE = 3 };
struct layout {
    const char *weights, *texts[BESIDE]; /* texts of that model, NULL where there is none */
};
#define HUGGING_FACE                                                                                                           \
    { "config.json", "processor_config.json", "preprocessor_config.json" }
/* In the order of choice: of two that hold the same weights, what runs nothing and is whole. */
static const struct layout layouts[] = {
    {"model.safetensors", HUGGING_FACE},
    {"model.safetensors.index.json", HUGGING_FACE},
    {"open_clip_model.safetensors", {"open_clip_config.json"}},
    {"pytorch_model.bin", HUGGING_FACE},
    {"pytorch_model.bin.index.json", HUGGING_FACE},
    {"open_clip_pytorch_model.bin", {"open_clip_config.json"}},
    {"model.onnx", HUGGING_FACE},
};
enum { LAYOUTS = sizeof layouts / sizeof *layouts, TEXT_LIMIT = 16 << 20 };

#if TLEG_FILES

/* "FOLDER/NAME" in memory of the context's, *bytes of it. */
static char *join(tleg_context *context, const char *folder, size_t length, const char *name, size_t *bytes) {
    const bool slash = length > 0 && folder[length - 1] != '/';
    *bytes = length + slash + strlen(name) + 1;
    char *path = tleg_alloc(&context->allocator, *bytes);
    if (!path)
        return NULL;
    memcpy(path, folder, length);
    if (slash)
        path[length] = '/';
    strcpy(path + length + slash, name);
    return path;
}

/* A link is there wherever it leads: opening it tells where that is nowhere, as of what was fetched in part. */
static tleg_status look(tleg_context *context, const char *folder, size_t length, const char *name, bool *there) {
    size_t bytes;
    char *path = join(context, folder, length, name, &bytes), system[TLEG_OS_TEXT];
    struct tleg_os_state state = {.kind = TLEG_OS_NOTHING};
    tleg_status status = TLEG_OK;
    if (!path)
        return tleg_fail_memory(context, name, bytes);
    const int number = tleg_os_look(path, false, &state);
    if (number != 0)
        status = tleg_fail_system(context, number, "%s: cannot be opened: %s", path, tleg_os_text(number, system));
    *there = state.kind != TLEG_OS_NOTHING;
    tleg_release(&context->allocator, path, bytes);
    return status;
}

/* ---- texts ---- */

struct text {
    char *text; /* NULL: there is no such file */
    size_t bytes;
};

static tleg_status read_open(tleg_context *context, const struct tleg_file *file, struct text *out) {
    if (file->size >= TEXT_LIMIT)
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: expected a text of at most %d bytes, found %llu", file->label,
                         TEXT_LIMIT, (unsigned long long)file->size);
    const size_t length = (size_t)file->size;
    out->text = tleg_alloc(&context->allocator, length + 1);
    if (!out->text)
        return tleg_fail_memory(context, file->label, length + 1);
    out->bytes = length + 1;
    size_t done = 0;
    const tleg_status status = length > 0 ? tleg_source_read(context, file, 0, length, out->text, &done) : TLEG_OK;
    if (status != TLEG_OK)
        return status;
    out->text[done] = '\0';
    return strlen(out->text) == length
               ? TLEG_OK
               : tleg_fail(context, TLEG_ERROR_FORMAT, "%s: expected a JSON text, found a NUL in it", file->label);
}

static tleg_status read_text(tleg_context *context, const char *folder, size_t length, const char *name, struct text *out) {
    bool there = false;
    tleg_status status = look(context, folder, length, name, &there);
    if (status != TLEG_OK || !there)
        return status;
    size_t bytes;
    char *path = join(context, folder, length, name, &bytes);
    struct tleg_file *file = NULL;
    status = path ? tleg_file_make(context, path, &file) : tleg_fail_memory(context, name, bytes);
    if (status == TLEG_OK)
        status = tleg_source_open(context, file, false);
    if (status == TLEG_OK)
        status = read_open(context, file, out);
    tleg_file_free(file);
    tleg_release(&context->allocator, path, bytes);
    return status;
}

/* The same file, with the texts as metadata, unless it has such keys. */
static tleg_status attach(tleg_context *context, const struct layout *layout, const struct text texts[BESIDE],
                          struct tleg_file *file, struct tleg_file **out) {
    const size_t each = file->pair_count + BESIDE, pair_bytes = each * sizeof(struct tleg_pair);
    struct tleg_pair *pairs = tleg_alloc(&context->allocator, pair_bytes);
    if (!pairs)
        return tleg_fail_memory(context, file->label, pair_bytes);
    size_t count = 0;
    for (; count < file->pair_count; count++)
        pairs[count] = file->pairs[count];
    for (int k = 0; k < BESIDE; k++)
        if (texts[k].text && !tleg_file_get_metadata(file, layout->texts[k]))
            pairs[count++] = (struct tleg_pair){layout->texts[k], texts[k].text};
    const tleg_status status = tleg_file_with_pairs(context, file, pairs, count, out);
    tleg_release(&context->allocator, pairs, pair_bytes);
    return status;
}

static bool is_ours(const struct tleg_file *file) {
    for (size_t k = 0; k < file->pair_count; k++)
        if (strncmp(file->pairs[k].key, "tleg.", 5) == 0)
            return true;
    return false;
}

/* With what stands beside it; the library's own files say everything themselves. Takes over `file`. */
static tleg_status with_texts(tleg_context *context, const char *folder, size_t length, const struct layout *layout,
                              struct tleg_file *file, struct tleg_file **out) {
    struct text texts[BESIDE] = {{0}};
    tleg_status status = TLEG_OK;
    bool any = false;
    *out = file;
    if (is_ours(file))
        return TLEG_OK;
    for (int k = 0; k < BESIDE && status == TLEG_OK; k++) {
        if (layout->texts[k])
            status = read_text(context, folder, length, layout->texts[k], &texts[k]);
        any = any || texts[k].text;
    }
    *out = NULL;
    if (status == TLEG_OK && any)
        status = attach(context, layout, texts, file, out);
    else if (status == TLEG_OK)
        *out = file;
    if (*out != file)
        tleg_file_free(file);
    for (int k = 0; k < BESIDE; k++)
        tleg_release(&context->allocator, texts[k].text, texts[k].bytes);
    return status;
}

/* ---- weights ---- */

static tleg_status find_weights(tleg_context *context, const char *folder, const struct layout **found) {
    const size_t length = strlen(folder);
    bool there[LAYOUTS];
    int first = LAYOUTS;
    tleg_status status = TLEG_OK;
    for (int k = LAYOUTS; k-- > 0 && status == TLEG_OK;) {
        status = look(context, folder, length, layouts[k].weights, &there[k]);
        first = status == TLEG_OK && there[k] ? k : first;
    }
    if (status != TLEG_OK)
        return status;
    if (first == LAYOUTS)
        return tleg_fail(context, TLEG_ERROR_IO,
                         "%s is a directory without a model: expected model.safetensors or its index, pytorch_model.bin, "
                         "open_clip_model.safetensors or model.onnx in it; give the file itself if it has another name",
                         folder);
    if (there[0] && there[1])
        return tleg_fail(context, TLEG_ERROR_FORMAT,
                         "%s is a directory with two models, model.safetensors and model.safetensors.index.json: give the file "
                         "that is meant",
                         folder);
    for (int k = first + 1; k < LAYOUTS; k++)
        if (there[k])
            tleg_log(context, "%s: %s is read, and not %s, which is there too", folder, layouts[first].weights,
                     layouts[k].weights);
    *found = &layouts[first];
    return TLEG_OK;
}

static tleg_status open_folder(tleg_context *context, const char *folder, uint32_t flags, const char *key,
                               struct tleg_file **out) {
    const struct layout *layout = NULL;
    tleg_status status = find_weights(context, folder, &layout);
    if (status != TLEG_OK)
        return status;
    size_t bytes;
    char *path = join(context, folder, strlen(folder), layout->weights, &bytes);
    struct tleg_file *file;
    if (!path)
        return tleg_fail_memory(context, folder, bytes);
    status = tleg_file_open_plain(context, path, flags, key, &file);
    tleg_release(&context->allocator, path, bytes);
    return status == TLEG_OK ? with_texts(context, folder, strlen(folder), layout, file, out) : status;
}

tleg_status tleg_folder_open(tleg_context *context, const char *path, uint32_t flags, const char *key, struct tleg_file **out) {
    struct tleg_os_state state = {.kind = TLEG_OS_NOTHING};
    *out = NULL;
    if (*path && tleg_os_look(path, true, &state) == 0 && state.kind == TLEG_OS_DIRECTORY)
        return open_folder(context, path, flags, key, out);
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct tleg_file *file;
    const tleg_status status = tleg_file_open_plain(context, path, flags, key, &file);
    if (status != TLEG_OK)
        return status;
    for (int k = 0; k < LAYOUTS; k++)
        if (strcmp(name, layouts[k].weights) == 0)
            return with_texts(context, path, (size_t)(name - path), &layouts[k], file, out);
    *out = file;
    return TLEG_OK;
}

#else

tleg_status tleg_folder_open(tleg_context *context, const char *path, uint32_t flags, const char *key, struct tleg_file **out) {
    (void)layouts;
    return tleg_file_open_plain(context, path, flags, key, out);
}

#endif
