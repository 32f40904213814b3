/* IDX files, the form of MNIST: train-images-idx3-ubyte and train-labels-idx1-ubyte, likewise t10k-*, or others' such as
 * emnist-digits-test-images-idx3-ubyte. Numbers are big-endian; the magic number is 0 0, 8 (unsigned bytes), the number of
 * dimensions. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

enum { IMAGES_HEADER = 16, LABELS_HEADER = 8 };

static bool is_images(const char *name) {
    return name[0] != '.' && strstr(name, "images") && strstr(name, "idx3");
}

/* "test" begins the name, or is a word of it. */
static bool is_test(const char *name) {
    static const char between[] = "-_. ";
    if (strncmp(name, "test", 4) == 0 || strstr(name, "t10k"))
        return true;
    for (const char *at = name; (at = strstr(at + 1, "test")) != NULL;)
        if (strchr(between, at[-1]) && strchr(between, at[4])) /* the end of the name, too */
            return true;
    return false;
}

/* Whether it is NAME.gz and NAME is there, as gunzip -k leaves them. */
static bool is_unpacked(const struct names *names, const char *name) {
    const size_t length = strlen(name);
    if (length < 3 || strcmp(name + length - 3, ".gz") != 0)
        return false;
    for (size_t i = 0; i < names->count; i++)
        if (strlen(names->items[i]) == length - 3 && memcmp(names->items[i], name, length - 3) == 0)
            return true;
    return false;
}

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* images -> labels and idx3 -> idx1, in place: both are of one length. */
static void turn_to_labels(char *name) {
    memcpy(strstr(name, "images"), "labels", 6);
    memcpy(strstr(name, "idx3"), "idx1", 4);
}

static int check_images(const struct invocation *call, const char *path, const uint8_t *bytes, size_t size) {
    if (size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b)
        return tool_fail(call, "%s: compressed by gzip; gunzip it first", path);
    if (size < IMAGES_HEADER || big_endian(bytes) != 0x0803)
        return tool_fail(call,
                         "%s: not an IDX file of images (magic number 00 00 08 03), for which its name, with \"images\" and "
                         "\"idx3\" in it, is taken",
                         path);
    uint64_t count = big_endian(bytes + 4), rows = big_endian(bytes + 8), columns = big_endian(bytes + 12);
    if (rows == 0 || columns == 0 || rows > 65535 || columns > 65535)
        return tool_fail(call, "%s: images of %llu x %llu pixels", path, (unsigned long long)columns, (unsigned long long)rows);
    if (count != (size - IMAGES_HEADER) / (rows * columns) || (size - IMAGES_HEADER) % (rows * columns))
        return tool_fail(call, "%s: %llu images of %llu x %llu pixels said, %zu bytes found after the header", path,
                         (unsigned long long)count, (unsigned long long)columns, (unsigned long long)rows,
                         size - IMAGES_HEADER);
    return EXIT_DONE;
}

static int check_labels(const struct invocation *call, const char *path, const uint8_t *bytes, size_t size, size_t images) {
    if (size < LABELS_HEADER || big_endian(bytes) != 0x0801)
        return tool_fail(call, "%s: no IDX file of labels (magic number 00 00 08 01)", path);
    if (size - LABELS_HEADER != big_endian(bytes + 4) || size - LABELS_HEADER != images)
        return tool_fail(call, "%s: %zu labels for %zu images", path, size - LABELS_HEADER, images);
    return EXIT_DONE;
}

static int add_samples(const struct invocation *call, struct dataset *set, const struct dataset_file *file,
                       const uint8_t *labels) {
    size_t count = big_endian(file->bytes + 4);
    int32_t rows = (int32_t)big_endian(file->bytes + 8), columns = (int32_t)big_endian(file->bytes + 12);
    struct sample *samples = dataset_add_samples(call, set, count);
    if (!samples)
        return EXIT_FAILED;
    for (size_t i = 0; i < count; i++)
        samples[i] = (struct sample){.file = file->path,
                                     .number = (int64_t)i,
                                     .label = labels[i],
                                     .layout = TLEG_PIXELS_GREY,
                                     .width = columns,
                                     .height = rows,
                                     .pixels = file->bytes + IMAGES_HEADER + i * (size_t)rows * (size_t)columns};
    return EXIT_DONE;
}

static int read_labels(const struct invocation *call, struct dataset *set, const struct dataset_file *file, char *name) {
    size_t size, images = big_endian(file->bytes + 4);
    uint8_t *bytes = NULL;
    turn_to_labels(name);
    char *path = dataset_text(call, "%s/%s", set->options.dir, name);
    int code = path ? dataset_load(call, path, &bytes, &size) : EXIT_FAILED;
    if (code == EXIT_DONE)
        code = check_labels(call, path, bytes, size, images);
    if (code == EXIT_DONE)
        code = add_samples(call, set, file, bytes + LABELS_HEADER);
    free(bytes);
    free(path);
    return code;
}

static int read_pair(const struct invocation *call, struct dataset *set, char *name) {
    struct dataset_file *file = dataset_add_file(call, set);
    size_t size;
    if (!file || !(file->path = dataset_text(call, "%s/%s", set->options.dir, name)))
        return EXIT_FAILED;
    int code = dataset_load(call, file->path, &file->bytes, &size);
    if (code == EXIT_DONE)
        code = check_images(call, file->path, file->bytes, size);
    return code == EXIT_DONE ? read_labels(call, set, file, name) : code;
}

/* The images that are meant. What several pairs call by one number may be different classes, as EMNIST's digits and letters. */
static int find_pair(const struct invocation *call, const struct dataset *set, const struct names *names, char **found) {
    const bool test = set->options.role == DATASET_JUDGE;
    *found = NULL;
    for (size_t i = 0; i < names->count; i++) {
        char *name = names->items[i];
        if (is_test(name) != test || is_unpacked(names, name))
            continue;
        if (*found)
            return tool_fail(call, "%s: expected one set of IDX files to %s, found %s and %s: give each a folder of its own",
                             set->options.dir, test ? "judge by" : "learn from", *found, name);
        *found = name;
    }
    return *found
               ? EXIT_DONE
               : tool_fail(call, "%s: %s", set->options.dir, test ? "no t10k-images-idx3-ubyte" : "no train-images-idx3-ubyte");
}

static int read_pairs(const struct invocation *call, struct dataset *set, const struct names *names) {
    char *name;
    int code = find_pair(call, set, names, &name);
    if (code == EXIT_DONE)
        code = read_pair(call, set, name);
    struct names none = {0};
    if (code == EXIT_DONE)
        code = dataset_name_classes(call, set, &none);
    names_free(&none);
    return code;
}

int dataset_read_idx(const struct invocation *call, struct dataset *set, bool *found) {
    struct names names;
    int code = names_list(call, set->options.dir, is_images, &names);
    *found = code == EXIT_DONE && names.count > 0;
    if (*found)
        code = read_pairs(call, set, &names);
    names_free(&names);
    return code;
}
