/* Any bytes as a folder of binary pictures: class names, the labels of a learngene to match them with, and CIFAR's files or IDX
 * files. '%' stands between the three; in the last the first byte says which files. */
#include "base/label.h"
#include "base/text.h"
#include "data/dataset.h"
#include "fuzz/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LABELS = 8, MOST_RECORDS = 12, CIFAR_PIXELS = 3072 };
enum { NAMES_10, NAMES_100, CIFAR, IDX_IMAGES, IDX_LABELS, FILES };
static const char *const file_names[FILES] = {"batches.meta.txt", "fine_label_names.txt", "data_batch_1.bin",
                                              "train-images-idx3-ubyte", "train-labels-idx1-ubyte"};
static char folder[64], paths[FILES][128];

struct piece {
    const uint8_t *bytes;
    size_t size;
};

static void remove_files(void) {
    for (int i = 0; i < FILES; i++)
        unlink(paths[i]);
    rmdir(folder);
}

/* The folder; and what the command would say goes nowhere, though a sanitizer's words still do. */
static void prepare(void) {
    if (folder[0])
        return;
    snprintf(folder, sizeof folder, "%s/tleg-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    fuzz_need(mkdtemp(folder) != NULL);
    for (int i = 0; i < FILES; i++)
        snprintf(paths[i], sizeof paths[i], "%s/%s", folder, file_names[i]);
    atexit(remove_files);
    stderr = fopen("/dev/null", "w");
    fuzz_need(stderr != NULL);
}

static struct piece cut(struct piece *rest, int at) {
    const uint8_t *stop = rest->size > 0 ? memchr(rest->bytes, at, rest->size) : NULL;
    const struct piece piece = {rest->bytes, stop ? (size_t)(stop - rest->bytes) : rest->size};
    const size_t gone = piece.size + (stop != NULL);
    *rest = (struct piece){rest->bytes + gone, rest->size - gone};
    return piece;
}

static void write_file(int which, struct piece piece) {
    FILE *file = fopen(paths[which], "wb");
    fuzz_need(file && fwrite(piece.bytes, 1, piece.size, file) == piece.size && fclose(file) == 0);
}

/* Each byte is the label of a record; one that is cut short may stand at the end. */
static void write_cifar(struct piece labels, size_t label_bytes, bool cut_short) {
    static uint8_t record[2 + CIFAR_PIXELS];
    FILE *file = fopen(paths[CIFAR], "wb");
    fuzz_need(file != NULL);
    for (size_t i = 0; i < labels.size && i < MOST_RECORDS; i++) {
        memset(record, labels.bytes[i], sizeof record);
        fwrite(record, 1, label_bytes + CIFAR_PIXELS - (cut_short && i + 1 == labels.size), file);
    }
    fuzz_need(fclose(file) == 0);
}

/* Images, '%', labels. */
static void write_idx(struct piece rest) {
    const uint8_t *last = rest.bytes + rest.size;
    while (last > rest.bytes && last[-1] != '%')
        last--;
    const size_t images = last > rest.bytes ? (size_t)(last - rest.bytes) - 1 : 0;
    write_file(IDX_IMAGES, (struct piece){rest.bytes, images});
    write_file(IDX_LABELS, (struct piece){last, (size_t)(rest.bytes + rest.size - last)});
}

static void write_files(struct piece names, struct piece data) {
    const uint8_t kind = data.size > 0 ? data.bytes[0] : 0;
    for (int i = 0; i < FILES; i++)
        unlink(paths[i]);
    if (data.size > 0)
        data = (struct piece){data.bytes + 1, data.size - 1};
    write_file(kind & 1 ? NAMES_100 : NAMES_10, names);
    if (kind & 2)
        write_idx(data);
    else
        write_cifar(data, kind & 1 ? 2 : 1, kind & 4);
}

static int32_t read_labels(struct piece text, char *labels[MOST_LABELS]) {
    int32_t count = 0;
    while (text.size > 0 && count < MOST_LABELS) {
        const struct piece line = cut(&text, '\n');
        char *label = calloc(line.size + 1, 1); /* strndup may look past a text that does not end */
        fuzz_need(label != NULL);
        if (line.size > 0)
            memcpy(label, line.bytes, line.size);
        if (text_is_utf8(label)) /* as those of any file that the library opens */
            labels[count++] = label;
        else
            free(label);
    }
    return count;
}

static void check(struct dataset *set) {
    for (size_t i = 0; i < set->count; i++) {
        tleg_image image;
        struct picture own;
        char error[PICTURE_ERROR], name[DATASET_NAME];
        unsigned sum = 0;
        fuzz_need(set->samples[i].label >= 0 && set->samples[i].label < set->class_count);
        fuzz_need(dataset_picture(set, i, &image, &own, error) == 0);
        const size_t bytes = (size_t)image.width * (size_t)image.height * (image.layout == TLEG_PIXELS_GREY ? 1 : 3);
        for (size_t k = 0; k < bytes; k++)
            sum += image.pixels[k];
        fuzz_need(sum <= 255 * bytes);
        dataset_name(set, i, name);
        picture_free(&own);
    }
    for (int32_t i = 0; i < set->class_count; i++)
        fuzz_need(set->classes[i] != NULL);
}

static void open_set(const struct dataset_options *options, const char *const *labels, int32_t count) {
    static const struct verb verb = {.name = "fuzz"};
    const struct invocation call = {.verb = &verb};
    struct dataset set;
    if (dataset_open(&call, options, &set) == EXIT_DONE) {
        bool same;
        check(&set);
        fuzz_need(dataset_match(&call, &set, labels, count, &same) == EXIT_DONE);
        for (int32_t i = 0; i < count && same; i++)
            fuzz_need(!set.named || label_is_same(set.classes[i], labels[i]));
        check(&set);
    }
    dataset_close(&set);
}

int fuzz_input(const uint8_t *data, size_t size) {
    prepare();
    struct piece rest = {data, size};
    const struct piece names = cut(&rest, '%'), text = cut(&rest, '%');
    char *labels[MOST_LABELS];
    const int32_t count = read_labels(text, labels);
    write_files(names, rest);
    struct dataset_options options = {.dir = folder};
    open_set(&options, (const char *const *)labels, count);
    options.classes = (const char *const *)labels;
    options.class_count = count;
    if (count > 0)
        open_set(&options, (const char *const *)labels, count);
    for (int32_t i = 0; i < count; i++)
        free(labels[i]);
    return 0;
}
