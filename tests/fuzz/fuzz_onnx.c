/* Any bytes as an ONNX file, or as a list of a graph's parts: a model, from memory and from a file alike, and once more with
 * one allocation refused. */
#include "format/format.h"
#include "fuzz/graph_listing.h"
#include "fuzz/target.h"

#include <stdlib.h>
#include <string.h>
#include <tleg/model.h>

static void read_tensors(tleg_context *context, const tleg_file *file) {
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(file, &entries);
    for (int64_t i = 0; i < count; i++) {
        unsigned char *bytes = malloc((size_t)entries[i].bytes + 1);
        fuzz_need(bytes != NULL && tleg_file_find(file, entries[i].name) == &entries[i]);
        fuzz_need_error(context, tleg_file_read_bytes(context, file, &entries[i], 0, (size_t)entries[i].bytes, bytes));
        free(bytes);
    }
}

static tleg_status open_model(tleg_context *context, const uint8_t *data, size_t size) {
    tleg_file *file;
    tleg_model *model = NULL;
    tleg_status status = tleg_file_parse(context, data, size, &file);
    if (status == TLEG_OK) {
        read_tensors(context, file);
        status = tleg_model_read(context, file, NULL, &model);
    }
    fuzz_need_error(context, status);
    fuzz_need((status == TLEG_OK) == (model != NULL));
    tleg_model_free(model);
    tleg_file_free(file);
    return status;
}

/* A path leads to files beside it that are not there. */
static void through_path(tleg_context *context, const uint8_t *data, size_t size, tleg_status expected) {
    tleg_model *model;
    const tleg_status status = tleg_model_open(context, fuzz_path(data, size), NULL, &model);
    fuzz_need_error(context, status);
    fuzz_need(status == expected || expected != TLEG_OK);
    tleg_model_free(model);
}

int fuzz_input(const uint8_t *data, size_t size) {
    struct fuzz_host host = {0};
    tleg_context *context = fuzz_begin(&host);
    uint8_t *made = NULL;
    if (data && fuzz_is_graph(data, size))
        data = made = fuzz_graph(data, size, &size);
    if (data && size > 0) {
        const size_t before = host.calls;
        const tleg_status status = open_model(context, data, size);
        const size_t calls = host.calls - before;
        through_path(context, data, size, status);
        host.refused = host.calls + 1 + (calls ? data[size / 2] * calls / 256 : 0);
        open_model(context, data, size);
    }
    free(made);
    fuzz_end(context, &host);
    return 0;
}
