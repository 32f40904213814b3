/* Any text as the index of a model in several files, and any two lists of tensors (target.h) as the files a.safetensors and
 * b.safetensors beside it. '%' stands between the three. */
#include "format/format.h"
#include "fuzz/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/model.h>
#include <unistd.h>

enum { INDEX, FIRST, SECOND, FILES };
static char folder[64], paths[FILES][96];

static void remove_files(void) {
    for (int i = 0; i < FILES; i++)
        unlink(paths[i]);
    rmdir(folder);
}

static void make_paths(void) {
    static const char *const names[FILES] = {"model.safetensors.index.json", "a.safetensors", "b.safetensors"};
    if (folder[0])
        return;
    snprintf(folder, sizeof folder, "%s/tleg-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    fuzz_need(mkdtemp(folder) != NULL);
    for (int i = 0; i < FILES; i++)
        snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
    atexit(remove_files);
}

static void write_file(const char *path, const uint8_t *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    fuzz_need(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* Splits the input and writes the files. */
static void write_files(const uint8_t *data, size_t size) {
    const uint8_t *end = data + size;
    for (int i = 0; i < FILES; i++) {
        const uint8_t *stop = i < SECOND && data < end ? memchr(data, '%', (size_t)(end - data)) : NULL;
        const size_t length = (size_t)((stop ? stop : end) - data);
        size_t bytes = length;
        uint8_t *list = i != INDEX && length > 0 ? fuzz_listing(data, length, &bytes) : NULL;
        write_file(paths[i], list ? list : data, bytes);
        free(list);
        data += length + (stop != NULL);
    }
}

/* A tensor of the whole is the one of that name in the part it is said to be in. */
static void check_entry(tleg_context *context, const tleg_file *whole, const tleg_file *const parts[2],
                        const struct tleg_entry *entry) {
    tleg_tensor *tensor, *expected = NULL;
    fuzz_need(tleg_file_find(whole, entry->name) == entry);
    const tleg_status status = tleg_file_read_tensor(context, whole, entry->name, &tensor);
    fuzz_need(status == TLEG_OK || status == TLEG_ERROR_UNSUPPORTED || status == TLEG_ERROR_MEMORY);
    bool found = status != TLEG_OK;
    for (int i = 0; i < 2 && !found; i++) {
        found = parts[i] && tleg_file_read_tensor(context, parts[i], entry->name, &expected) == TLEG_OK &&
                expected->count == tensor->count && expected->dtype == tensor->dtype &&
                memcmp(expected->data, tensor->data, (size_t)entry->bytes) == 0;
        tleg_tensor_free(expected);
    }
    fuzz_need(found);
    tleg_tensor_free(tensor);
}

static void check_whole(tleg_context *context, const tleg_file *whole) {
    tleg_file *parts[2] = {NULL, NULL};
    const struct tleg_entry *entries;
    const struct tleg_pair *pairs;
    const int64_t count = tleg_file_entries(whole, &entries), pair_count = tleg_file_pairs(whole, &pairs);
    for (int i = 0; i < 2; i++)
        tleg_file_open(context, paths[FIRST + i], NULL, &parts[i]);
    for (int64_t i = 0; i < count; i++)
        check_entry(context, whole, (const tleg_file *const *)parts, &entries[i]);
    for (int64_t i = 0; i < pair_count; i++)
        fuzz_need(tleg_file_get_metadata(whole, pairs[i].key) == pairs[i].value);
    tleg_file_free(parts[0]);
    tleg_file_free(parts[1]);
}

static void open_index(size_t refused) {
    struct fuzz_host host = {.refused = refused};
    tleg_context *context = fuzz_begin(&host);
    tleg_file *whole;
    tleg_model *model;
    const tleg_status status = tleg_file_open(context, paths[INDEX], NULL, &whole);
    fuzz_need((status == TLEG_OK) == (whole != NULL) && (whole || tleg_context_get_error(context)[0] != '\0'));
    if (whole && refused == 0)
        check_whole(context, whole);
    tleg_file_free(whole);
    tleg_model_open(context, paths[INDEX], NULL, &model);
    tleg_model_free(model);
    fuzz_end(context, &host);
}

int fuzz_input(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    make_paths();
    write_files(data, size);
    open_index(0);
    open_index(size % 61 + 1);
    return 0;
}
