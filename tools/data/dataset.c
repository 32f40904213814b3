/* Labelled pictures: opened, checked, held in memory, matched with classes. */
#include "private.h"

#include "base/label.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- class folders ---- */

static int take_folder(const struct invocation *call, struct dataset *set) {
    const struct folder *folder = &set->folder;
    struct sample *samples = dataset_add_samples(call, set, folder->image_count);
    struct names names = {calloc(folder->class_count + 1, sizeof(char *)), folder->class_count, folder->class_count + 1};
    bool whole = samples && names.items;
    for (size_t i = 0; whole && i < folder->class_count; i++)
        whole = (names.items[i] = strdup(folder->classes[i].name)) != NULL;
    for (size_t i = 0; whole && i < folder->image_count; i++)
        samples[i] = (struct sample){.file = folder->images[i].path, .number = -1, .label = folder->images[i].label};
    int code = whole ? dataset_name_classes(call, set, &names) : tool_fail_memory(call);
    if (!names.items)
        names.count = 0;
    names_free(&names);
    return code;
}

int dataset_open_folder(const struct invocation *call, const struct dataset_options *options, struct dataset *set) {
    char error[FOLDER_ERROR];
    *set = (struct dataset){.options = *options};
    if (folder_read(options->dir, options->classes, options->class_count, &set->folder, error, sizeof error) != 0)
        return tool_fail(call, "%s", error);
    return take_folder(call, set);
}

static int read_all(const struct invocation *call, struct dataset *set) {
    char error[FOLDER_ERROR];
    if (folder_read_all(set->options.dir, &set->folder, error, sizeof error) != 0)
        return tool_fail(call, "%s", error);
    return take_folder(call, set);
}

static int read_folder(const struct invocation *call, struct dataset *set) {
    const struct dataset_options options = set->options;
    if (options.unlabelled)
        return read_all(call, set);
    int code = dataset_open_folder(call, &options, set);
    for (size_t i = 0; i < set->folder.class_count && code == EXIT_DONE; i++)
        if (set->folder.classes[i].images == 0)
            code = tool_fail(call, "%s/%s: no images in this class folder; remove it, or fill it", options.dir,
                             set->folder.classes[i].name);
    return code;
}

/* ---- checks ---- */

/* Numbers the pictures of each class; later ones keep their numbers when a bad one is left out. Refuses a class without any. */
static int number_places(const struct invocation *call, struct dataset *set) {
    size_t *counts = calloc((size_t)set->class_count, sizeof *counts);
    if (!counts)
        return tool_fail_memory(call);
    for (size_t i = 0; i < set->count; i++)
        set->samples[i].place = counts[set->samples[i].label]++;
    int code = EXIT_DONE;
    for (int32_t i = 0; i < set->class_count && code == EXIT_DONE; i++)
        if (counts[i] == 0)
            code = tool_fail(call, "%s: no images of the class \"%s\"%s", set->options.dir, set->classes[i],
                             set->options.role == DATASET_JUDGE ? ", which the training data have" : "");
    free(counts);
    return code;
}

static int check_any(const struct invocation *call, const struct dataset *set) {
    return set->count ? EXIT_DONE : tool_fail(call, "%s: no pictures", set->options.dir);
}

/* ---- pixels ---- */

int dataset_picture(const struct dataset *set, size_t i, tleg_image *image, struct picture *own, char error[PICTURE_ERROR]) {
    const struct sample *sample = &set->samples[i];
    *own = (struct picture){0};
    *image = (tleg_image){.struct_size = sizeof *image,
                          .layout = sample->layout,
                          .width = sample->width,
                          .height = sample->height,
                          .pixels = sample->pixels};
    int result = sample->pixels ? 0 : picture_read(sample->file, set->options.exif, own, error, PICTURE_ERROR);
    if (sample->pixels || result != 0)
        return result;
    image->layout = TLEG_PIXELS_RGB;
    image->width = own->width;
    image->height = own->height;
    image->pixels = own->pixels;
    return 0;
}

/* ---- the data set ---- */

static bool is_file(const char *path) {
    struct stat what;
    return stat(path, &what) == 0 && S_ISREG(what.st_mode);
}

static int read_any(const struct invocation *call, struct dataset *set) {
    bool found = false;
    if (set->options.latents && is_file(set->options.dir))
        return dataset_read_latents(call, set);
    int code = dataset_read_cifar(call, set, &found);
    if (code == EXIT_DONE && !found)
        code = dataset_read_idx(call, set, &found);
    return code == EXIT_DONE && !found ? read_folder(call, set) : code;
}

int dataset_open(const struct invocation *call, const struct dataset_options *options, struct dataset *set) {
    *set = (struct dataset){.options = *options};
    int code = read_any(call, set);
    if (code != EXIT_DONE)
        return code;
    return options->unlabelled ? check_any(call, set) : number_places(call, set);
}

static void free_classes(struct dataset *set) {
    for (int32_t i = 0; i < set->class_count; i++)
        free(set->classes[i]);
    free(set->classes);
    free(set->label_of);
    set->classes = NULL;
    set->label_of = NULL;
    set->class_count = 0;
}

/* One list of pictures, for --val-every. */
int dataset_take_features(const struct invocation *call, struct dataset *set, int32_t count) {
    struct names names = {calloc((size_t)count + 1, sizeof(char *)), (size_t)count, (size_t)count + 1};
    bool whole = names.items != NULL;
    for (int32_t i = 0; i < count && whole; i++)
        whole = (names.items[i] = dataset_text(call, "%d", (int)i)) != NULL;
    for (size_t i = 0; i < set->count; i++) {
        set->samples[i].label = 0;
        set->samples[i].place = i;
    }
    free_classes(set);
    const int code = !names.items ? tool_fail_memory(call) : whole ? dataset_name_classes(call, set, &names) : EXIT_FAILED;
    set->named = false;
    set->features = true;
    if (names.items)
        names_free(&names);
    return code;
}

const char *dataset_counts(const struct dataset *set, char text[DATASET_COUNTS]) {
    snprintf(text, DATASET_COUNTS, "%d %s", (int)set->class_count, set->features ? "features" : "classes");
    return text;
}

void dataset_close(struct dataset *set) {
    for (size_t i = 0; i < set->count; i++)
        if (set->samples[i].number < 0)
            free(set->samples[i].pixels);
    for (size_t i = 0; i < set->file_count; i++) {
        free(set->files[i].path);
        free(set->files[i].bytes);
    }
    free_classes(set);
    free(set->samples);
    free(set->files);
    folder_free(&set->folder);
    dataset_close_latents(&set->latents);
    *set = (struct dataset){0};
}

void dataset_name(const struct dataset *set, size_t i, char name[DATASET_NAME]) {
    const struct sample *sample = &set->samples[i];
    const char *below = sample->file + strlen(set->options.dir);
    below += strspn(below, "/");
    if (sample->number < 0)
        snprintf(name, DATASET_NAME, "%s", below);
    else
        snprintf(name, DATASET_NAME, "%s:%lld", below, (long long)sample->number);
}

/* ---- classes of a learngene or a model ---- */

/* The label of each of the set's classes in to[]. *same: each has one of its own. */
static int find_labels(const struct invocation *call, const struct dataset *set, const struct label_table *table, int32_t *to,
                       bool *same) {
    bool *taken = calloc((size_t)set->class_count + 1, sizeof *taken);
    int code = taken ? EXIT_DONE : tool_fail_memory(call);
    *same = true;
    for (int32_t i = 0; i < set->class_count && code == EXIT_DONE && *same; i++) {
        int32_t places[2] = {i, -1};
        char *normal = set->named ? label_normal(set->classes[i]) : NULL;
        if (set->named && !normal)
            code = tool_fail_memory(call);
        if (normal)
            label_table_find(table, normal, places);
        free(normal);
        *same = places[0] >= 0 && places[1] < 0 && !taken[places[0]]; /* a name of two numbers stands for neither */
        if (*same)
            taken[to[i] = places[0]] = true;
    }
    free(taken);
    return code;
}

static int renumber(const struct invocation *call, struct dataset *set, const int32_t *to) {
    char **classes = calloc((size_t)set->class_count + 1, sizeof *classes);
    if (!classes)
        return tool_fail_memory(call);
    for (int32_t i = 0; i < set->class_count; i++)
        classes[to[i]] = set->classes[i];
    for (size_t i = 0; i < set->count; i++)
        set->samples[i].label = to[set->samples[i].label];
    for (int32_t i = 0; i < set->class_count; i++)
        set->label_of[i] = to[set->label_of[i]];
    free(set->classes);
    set->classes = classes;
    return EXIT_DONE;
}

int dataset_match(const struct invocation *call, struct dataset *set, const char *const *labels, int32_t count, bool *same) {
    *same = false;
    if (count != set->class_count)
        return EXIT_DONE;
    struct label_table table;
    int32_t *to = malloc(((size_t)count + 1) * sizeof *to);
    int code = label_table_make(labels, count, &table) && to ? EXIT_DONE : tool_fail_memory(call);
    if (code == EXIT_DONE)
        code = find_labels(call, set, &table, to, same);
    if (code == EXIT_DONE && *same)
        code = renumber(call, set, to);
    label_table_free(&table);
    free(to);
    return code;
}

int dataset_name_as_asked(const struct invocation *call, struct dataset *set, struct names *names) {
    const struct dataset_options asked = set->options;
    bool same = true;
    if (names->count && !asked.numbered)
        set->options.classes = NULL;
    int code = dataset_name_classes(call, set, names);
    set->options = asked;
    if (code == EXIT_DONE && set->named && asked.classes && !asked.numbered)
        code = dataset_match(call, set, asked.classes, asked.class_count, &same);
    return code == EXIT_DONE && !same ? tool_fail(call, "%s: its %d labels have other names than the %d that are learned",
                                                  asked.dir, (int)set->class_count, (int)asked.class_count)
                                      : code;
}
