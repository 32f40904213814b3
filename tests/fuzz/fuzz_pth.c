/* Any bytes as a PyTorch file: an archive as it is where they begin as one, else the pickle of an archive with three storages
 * that are right. Whatever they are, an answer and no fault, and the same from memory and from a file. */
#include "format/format.h"
#include "fuzz/target.h"
#include "support/zip_file.h"

#include <stdlib.h>

/* Every tensor, whole and its second half, which must say the same. */
static void read_tensor(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry) {
    fuzz_need(tleg_file_find(file, entry->name) == entry);
    const size_t bytes = (size_t)entry->bytes, width = entry->dtype ? tleg_dtype_size(entry->dtype) : bytes ? bytes : 1;
    const size_t first = bytes / width / 2 * width;
    unsigned char *whole = malloc(bytes + 1), *half = malloc(bytes - first + 1);
    fuzz_need(whole && half);
    const tleg_status status = tleg_file_read_bytes(context, file, entry, 0, bytes, whole);
    fuzz_need_error(context, status);
    if (status == TLEG_OK && tleg_file_read_bytes(context, file, entry, first, bytes - first, half) == TLEG_OK)
        fuzz_need(memcmp(whole + first, half, bytes - first) == 0);
    free(half);
    float *values = malloc(bytes / width * sizeof *values + 1);
    fuzz_need(values != NULL);
    if (status == TLEG_OK && entry->dtype)
        tleg_file_read_f32(context, file, entry, values);
    free(values);
    free(whole);
}

static void read_all(tleg_context *context, const tleg_file *file) {
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(file, &entries);
    for (int64_t i = 0; i < count; i++)
        read_tensor(context, file, &entries[i]);
}

static void compare(const tleg_file *one, const tleg_file *other) {
    const struct tleg_entry *a, *b;
    const int64_t count = tleg_file_entries(one, &a);
    fuzz_need(tleg_file_entries(other, &b) == count);
    for (int64_t i = 0; i < count; i++)
        fuzz_need(strcmp(a[i].name, b[i].name) == 0 && a[i].offset == b[i].offset && a[i].bytes == b[i].bytes);
}

static void through_path(tleg_context *context, const uint8_t *data, size_t size, const tleg_file *same) {
    tleg_file *file;
    const tleg_status status = tleg_file_open(context, fuzz_path(data, size), NULL, &file);
    fuzz_need_error(context, status);
    if (same) {
        fuzz_need(status == TLEG_OK);
        compare(same, file);
        read_all(context, file);
    }
    tleg_file_free(file);
}

/* A set of weights of its own choice, whatever comes of it. */
static void with_key(tleg_context *context, const uint8_t *data, size_t size) {
    const tleg_open_options options = {.struct_size = sizeof options, .key = "model.x"};
    tleg_file *file;
    fuzz_need_error(context, tleg_file_open(context, fuzz_path(data, size), &options, &file));
    tleg_file_free(file);
}

static void read_archive(tleg_context *context, const uint8_t *data, size_t size) {
    tleg_file *file;
    const tleg_status status = tleg_file_parse(context, data, size, &file);
    fuzz_need_error(context, status);
    fuzz_need((status == TLEG_OK) == (file != NULL));
    if (file)
        read_all(context, file);
    through_path(context, data, size, file);
    with_key(context, data, size);
    tleg_file_free(file);
}

static void read_pickle(tleg_context *context, const uint8_t *data, size_t size) {
    static struct zip_file zip;
    static uint8_t numbers[4096];
    fuzz_fill(numbers, sizeof numbers, data, size);
    zip = (struct zip_file){0};
    if (!zip_add(&zip, "archive/data.pkl", data, size))
        return;
    zip_add(&zip, "archive/data/0", numbers, 16);
    zip_add(&zip, "archive/data/1", numbers, 64);
    zip_add(&zip, "archive/data/2", numbers, sizeof numbers);
    zip_finish(&zip);
    read_archive(context, zip.bytes, zip.size);
}

int fuzz_input(const uint8_t *data, size_t size) {
    struct fuzz_host host = {0};
    tleg_context *context = fuzz_begin(&host);
    if (data && size >= 2 && data[0] == 'P' && data[1] == 'K')
        read_archive(context, data, size);
    else if (data && size > 0)
        read_pickle(context, data, size);
    fuzz_end(context, &host);
    return 0;
}
