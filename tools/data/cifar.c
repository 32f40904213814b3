/* CIFAR's binary files: a record is one label byte (CIFAR-10), or the coarse and the fine label (CIFAR-100), and 32 x 32
 * pixels, all red, then all green, then all blue. */
#include "private.h"

#include "base/label.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, PIXELS = 3 * PLANE };

static bool is_bin(const char *name) {
    size_t length = strlen(name);
    return name[0] != '.' && length > 4 && strcmp(name + length - 4, ".bin") == 0;
}

static bool is_test(const char *name) {
    return strncmp(name, "test", 4) == 0;
}

/* Planes to R G B, in place. */
static void interleave(uint8_t *pixels) {
    uint8_t planes[PIXELS];
    memcpy(planes, pixels, PIXELS);
    for (int i = 0; i < PLANE; i++)
        for (int c = 0; c < 3; c++)
            pixels[3 * i + c] = planes[c * PLANE + i];
}

/* The label bytes of a record, by the file's name and size; 0 when neither fits. */
static size_t label_bytes(const char *name, size_t size) {
    bool ten = size > 0 && size % (PIXELS + 1) == 0, hundred = size > 0 && size % (PIXELS + 2) == 0;
    if (ten && hundred)
        return strncmp(name, "data_batch", 10) == 0 || strncmp(name, "test_batch", 10) == 0 ? 1 : 2;
    return ten ? 1 : hundred ? 2 : 0;
}

static int read_file(const struct invocation *call, struct dataset *set, const char *name, size_t *labels) {
    struct dataset_file *file = dataset_add_file(call, set);
    size_t size;
    if (!file || !(file->path = dataset_text(call, "%s/%s", set->options.dir, name)))
        return EXIT_FAILED;
    int code = dataset_load(call, file->path, &file->bytes, &size);
    if (code != EXIT_DONE)
        return code;
    *labels = label_bytes(name, size);
    if (!*labels)
        return tool_fail(call,
                         "%s: %zu bytes; expected a multiple of 3073 (CIFAR-10) or of 3074 (CIFAR-100), one or more: a "
                         "folder with *.bin in it is taken for CIFAR's binary files",
                         file->path, size);
    size_t record = *labels + PIXELS, count = size / record;
    struct sample *samples = dataset_add_samples(call, set, count);
    if (!samples)
        return EXIT_FAILED;
    for (size_t i = 0; i < count; i++) {
        uint8_t *pixels = file->bytes + i * record + *labels;
        interleave(pixels);
        samples[i] = (struct sample){.file = file->path,
                                     .number = (int64_t)i,
                                     .label = pixels[-1],
                                     .layout = TLEG_PIXELS_RGB,
                                     .width = SIDE,
                                     .height = SIDE,
                                     .pixels = pixels};
    }
    return EXIT_DONE;
}

static int read_classes(const struct invocation *call, struct dataset *set, size_t labels) {
    struct names names = {0};
    char *path = dataset_text(call, "%s/%s", set->options.dir, labels == 1 ? "batches.meta.txt" : "fine_label_names.txt");
    int code = path ? names_read(call, path, &names) : EXIT_FAILED;
    if (code == EXIT_DONE)
        code = label_need_unique(call, set->options.dir, (const char *const *)names.items, (int32_t)names.count);
    if (code == EXIT_DONE)
        code = dataset_name_as_asked(call, set, &names);
    names_free(&names);
    free(path);
    return code;
}

static int read_files(const struct invocation *call, struct dataset *set, const struct names *names) {
    int code = EXIT_DONE;
    size_t labels = 0, first = 0;
    for (size_t i = 0; i < names->count && code == EXIT_DONE; i++) {
        if (is_test(names->items[i]) != (set->options.role == DATASET_JUDGE))
            continue;
        code = read_file(call, set, names->items[i], &labels);
        first = first ? first : labels;
        if (code == EXIT_DONE && labels != first)
            code = tool_fail(call, "%s: CIFAR-10 and CIFAR-100 files in one folder", set->options.dir);
    }
    if (code == EXIT_DONE && !first)
        code = tool_fail(call, "%s: %s", set->options.dir,
                         set->options.role == DATASET_JUDGE ? "no test*.bin among its .bin files"
                                                            : "its .bin files are all named test*: none to learn from");
    return code == EXIT_DONE ? read_classes(call, set, first) : code;
}

int dataset_read_cifar(const struct invocation *call, struct dataset *set, bool *found) {
    struct names names;
    int code = names_list(call, set->options.dir, is_bin, &names);
    *found = code == EXIT_DONE && names.count > 0;
    if (*found)
        code = read_files(call, set, &names);
    names_free(&names);
    return code;
}
