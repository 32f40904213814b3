/* Any bytes as a safetensors file: whatever they are, an answer and no fault. */
#include "format/format.h"
#include "fuzz/target.h"

#include <stdlib.h>
#include <string.h>

/* Reads all of a tensor in every way. */
static void read_tensor(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry) {
    fuzz_need(tleg_file_find(file, entry->name) == entry);
    tleg_file_nearest(file, entry->name);
    tleg_tensor *tensor;
    const tleg_status status = tleg_file_read_tensor(context, file, entry->name, &tensor);
    fuzz_need_error(context, status);
    if (status != TLEG_OK)
        return;
    float *values = malloc(tensor->count * sizeof *values + 1);
    fuzz_need(values != NULL);
    tleg_file_read_f32(context, file, entry, values);
    free(values);
    tleg_tensor_free(tensor);
}

static void read_all(tleg_context *context, const tleg_file *file) {
    const struct tleg_entry *entries;
    const struct tleg_pair *pairs;
    const int64_t count = tleg_file_entries(file, &entries), pair_count = tleg_file_pairs(file, &pairs);
    for (int64_t i = 0; i < count; i++)
        read_tensor(context, file, &entries[i]);
    for (int64_t i = 0; i < pair_count; i++)
        fuzz_need(tleg_file_get_metadata(file, pairs[i].key) == pairs[i].value);
    tleg_file_nearest(file, "blocks.block.attn.qkv.instances.0.weight_base");
}

/* Memory and a file give the same answer, but for an index, whose path leads to files that are not there. */
static void through_path(tleg_context *context, const uint8_t *data, size_t size, tleg_status expected) {
    tleg_file *file;
    const tleg_status status = tleg_file_open(context, fuzz_path(data, size), NULL, &file);
    fuzz_need(status == expected ||
              (expected == TLEG_ERROR_FORMAT && (status == TLEG_ERROR_IO || status == TLEG_ERROR_NOT_FOUND)));
    if (file)
        read_all(context, file);
    tleg_file_free(file);
}

int fuzz_input(const uint8_t *data, size_t size) {
    struct fuzz_host host = {0};
    tleg_context *context = fuzz_begin(&host);
    tleg_file *file = NULL;
    if (data) {
        const tleg_status status = tleg_file_parse(context, data, size, &file);
        fuzz_need_error(context, status);
        fuzz_need((status == TLEG_OK) == (file != NULL));
        if (file)
            read_all(context, file);
        tleg_file_free(file);
        through_path(context, data, size, status);
    }
    fuzz_end(context, &host);
    return 0;
}
