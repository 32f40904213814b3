/* Any bytes as a safetensors file and as JSON: whatever they are, an answer and no fault. */
#include "format/format.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool good) {
    if (!good)
        abort();
}

/* Reads all of a tensor in every way. */
static void read_tensor(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry) {
    need(tleg_file_find(file, entry->name) == entry);
    tleg_file_nearest(file, entry->name);
    tleg_tensor *tensor;
    if (tleg_file_tensor(context, file, entry->name, &tensor) != TLEG_OK)
        return;
    float *values = malloc(tensor->count * sizeof *values + 1);
    need(values != NULL);
    tleg_file_read_f32(context, file, entry, values);
    free(values);
    tleg_tensor_free(tensor);
}

static void as_file(tleg_context *context, const uint8_t *data, size_t size) {
    tleg_file *file;
    if (tleg_file_parse(context, data, size, &file) != TLEG_OK) {
        need(file == NULL && tleg_context_error(context)[0] != '\0');
        return;
    }
    const struct tleg_entry *entries;
    const struct tleg_pair *pairs;
    int64_t count = tleg_file_entries(file, &entries), pair_count = tleg_file_pairs(file, &pairs);
    for (int64_t i = 0; i < count; i++)
        read_tensor(context, file, &entries[i]);
    for (int64_t i = 0; i < pair_count; i++)
        need(tleg_file_metadata(file, pairs[i].key) == pairs[i].value);
    tleg_file_nearest(file, "blocks.block.attn.qkv.instances.0.weight_base");
    tleg_file_free(file);
}

static void as_json(tleg_context *context, const char *text, size_t size) {
    struct tleg_json json;
    if (tleg_json_parse(context, "the input", text, size, &json) != TLEG_OK)
        return;
    char *out = malloc(size + 1); /* an unescaped text is never longer than the escaped one */
    need(out != NULL && tleg_json_next(&json, 0) == json.count);
    for (size_t token = 0; token < json.count; token++) {
        int64_t value;
        tleg_json_integer(&json, token, &value);
        size_t length = tleg_json_string(&json, token, out, size + 1);
        need(length == SIZE_MAX || length == strlen(out));
        need(tleg_json_next(&json, token) > token && tleg_json_size(&json, token) < json.count);
    }
    free(out);
    tleg_json_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tleg_context *context;
    need(tleg_context_create(NULL, &context) == TLEG_OK);
    if (data)
        as_file(context, data, size);
    as_json(context, data ? (const char *)data : "", size);
    tleg_context_free(context);
    return 0;
}
