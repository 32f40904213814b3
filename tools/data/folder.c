/* Walks DIR/class/.../image. */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LAYOUT "expected a folder for each class: DIR/class/image.jpg"

/* A folder and those above it: a link back to one of them is not followed. */
struct place {
    dev_t device;
    ino_t node;
    const struct place *above;
};

struct listing {
    struct folder *folder;
    struct place top; /* DIR */
    size_t class_capacity, image_capacity;
    const char *const *labels;
    int32_t label_count;
    char *error;
    size_t error_size;
};

struct names {
    char **items;
    size_t count, capacity;
};

static int fail(const struct listing *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(const struct listing *list, const char *format, ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(list->error, list->error_size, format, values);
    va_end(values);
    return -1;
}

static int fail_memory(const struct listing *list) {
    return fail(list, "no memory to list the images");
}

/* Room for one more item of `size` bytes; NULL, with the old items kept, when there is no memory. */
static void *grow(void *items, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity)
        return items;
    const size_t more = *capacity == 0 ? 16 : 2 * *capacity;
    void *grown = more > SIZE_MAX / size ? NULL : realloc(items, more * size);
    if (grown != NULL)
        *capacity = more;
    return grown;
}

static char *join(const char *dir, const char *name) {
    const size_t length = strlen(dir), room = length + strlen(name) + 2;
    char *path = malloc(room);
    if (path != NULL)
        snprintf(path, room, "%s%s%s", dir, length > 0 && dir[length - 1] == '/' ? "" : "/", name);
    return path;
}

/* Whatever the format: one that tleg cannot read is reported when it is read, and not passed over in silence. */
static int is_image_name(const char *name) {
    static const char *const endings[] = {".jpg",  ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".mpo", ".png", ".apng", ".webp",
                                          ".gif",  ".bmp",  ".dib", ".tif",  ".tiff",  ".ppm", ".pgm", ".pbm", ".pnm",  ".avif",
                                          ".heic", ".heif", ".hif", ".jp2",  ".j2k",   ".jxl", ".jxr", ".tga", ".psd",  ".qoi",
                                          ".exr",  ".dng",  ".cr2", ".cr3",  ".nef",   ".arw", ".orf", ".raf", ".rw2"};
    const char *dot = strrchr(name, '.');
    char ending[8] = "";
    if (dot == NULL || strlen(dot) >= sizeof ending)
        return 0;
    for (size_t i = 0; dot[i] != '\0'; i++)
        ending[i] = dot[i] >= 'A' && dot[i] <= 'Z' ? (char)(dot[i] - 'A' + 'a') : dot[i];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (strcmp(ending, endings[i]) == 0)
            return 1;
    return 0;
}

/* strcmp orders UTF-8 by code point, as Python sorts strings. */
static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct folder_image *)a)->path, ((const struct folder_image *)b)->path);
}

static void free_names(struct names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
}

static int add_name(struct names *names, const char *name) {
    char **items = grow(names->items, names->count, &names->capacity, sizeof *items);
    if (items == NULL)
        return -1;
    names->items = items;
    items[names->count] = strdup(name);
    return items[names->count] == NULL ? -1 : (names->count++, 0);
}

/* The names in a folder, sorted, without those that begin with a dot. */
static int read_names(const struct listing *list, const char *path, struct names *names) {
    DIR *stream = opendir(path);
    if (stream == NULL)
        return fail(list, "%s: cannot open this folder: %s", path, strerror(errno));
    int result = 0;
    struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(stream)) != NULL)
        if (entry->d_name[0] != '.' && add_name(names, entry->d_name) != 0)
            result = fail_memory(list);
    if (result == 0 && errno != 0)
        result = fail(list, "%s: cannot read this folder: %s", path, strerror(errno));
    closedir(stream);
    if (names->count > 0)
        qsort(names->items, names->count, sizeof *names->items, by_text);
    return result;
}

/* Takes `path` over. */
static int add_image(struct listing *list, char *path) {
    struct folder *folder = list->folder;
    struct folder_class *class = &folder->classes[folder->class_count - 1];
    struct folder_image *images = grow(folder->images, folder->image_count, &list->image_capacity, sizeof *images);
    if (images == NULL) {
        free(path);
        return fail_memory(list);
    }
    folder->images = images;
    images[folder->image_count++] = (struct folder_image){.path = path, .label = class->label};
    class->images++;
    return 0;
}

static int is_above(const struct place *place, const struct stat *status) {
    for (; place != NULL; place = place->above)
        if (place->device == status->st_dev && place->node == status->st_ino)
            return 1;
    return 0;
}

static int walk(struct listing *list, const char *path, const struct stat *status, const struct place *above);

/* Takes `path` over. A link that points nowhere but has an image's name is listed: reading it will say what is wrong. */
static int visit(struct listing *list, char *path, const struct place *place) {
    struct stat status;
    const int image = is_image_name(path);
    const int failed = stat(path, &status);
    int result = 0;
    if (image && (failed || S_ISREG(status.st_mode)))
        return add_image(list, path);
    if (failed)
        result = fail(list, "%s: cannot be examined: %s", path, strerror(errno));
    else if (S_ISDIR(status.st_mode) && !is_above(place, &status))
        result = walk(list, path, &status, place);
    free(path);
    return result;
}

/* Adds the images below `path` to the last class. */
static int walk(struct listing *list, const char *path, const struct stat *status, const struct place *above) {
    const struct place place = {status->st_dev, status->st_ino, above};
    struct names names = {0};
    int result = read_names(list, path, &names);
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        char *below = join(path, names.items[i]);
        result = below == NULL ? fail_memory(list) : visit(list, below, &place);
    }
    free_names(&names);
    return result;
}

/* The next label of this name after `after`, or -1. */
static int32_t next_label(const struct listing *list, int32_t after, const char *name) {
    for (int32_t i = after + 1; i < list->label_count; i++)
        if (strcmp(list->labels[i], name) == 0)
            return i;
    return -1;
}

/* A letter of any case, and whatever stands between words. */
static int plain(char c) {
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c == '_' || c == '-' ? ' ' : c;
}

static int is_alike(const char *a, const char *b) {
    for (; *a != '\0' && plain(*a) == plain(*b); a++)
        b++;
    return *a == '\0' && *b == '\0';
}

static int fail_label(const struct listing *list, const char *path) {
    enum { SHOWN = 10 };
    char shown[512] = "";
    size_t length = 0;
    const char *name = strrchr(path, '/');
    for (int32_t i = 0; name != NULL && i < list->label_count; i++)
        if (is_alike(name + 1, list->labels[i]))
            return fail(list, "%s: this folder is not a class of the model; did you mean its label \"%s\"?", path,
                        list->labels[i]);
    for (int32_t i = 0; i < list->label_count && i < SHOWN && length < sizeof shown; i++)
        length += (size_t)snprintf(shown + length, sizeof shown - length, "%s%s", i > 0 ? ", " : "", list->labels[i]);
    return fail(list, "%s: this folder is not a class of the model, whose %d labels are %s%s", path, (int)list->label_count,
                shown, list->label_count > SHOWN ? ", ..." : "");
}

static int add_class(struct listing *list, const char *path, const char *name, const struct stat *status) {
    struct folder *folder = list->folder;
    const int32_t label = list->labels == NULL ? (int32_t)folder->class_count : next_label(list, -1, name);
    if (label < 0)
        return fail_label(list, path);
    const int32_t twin = next_label(list, label, name);
    if (list->labels != NULL && twin >= 0)
        return fail(list, "%s: the model has two classes of this name, %d and %d: which is meant?", path, (int)label,
                    (int)twin);
    struct folder_class *classes = grow(folder->classes, folder->class_count, &list->class_capacity, sizeof *classes);
    char *copy = strdup(name);
    if (classes != NULL)
        folder->classes = classes;
    if (classes == NULL || copy == NULL) {
        free(copy);
        return fail_memory(list);
    }
    classes[folder->class_count++] = (struct folder_class){.name = copy, .label = label};
    const size_t first = folder->image_count;
    const int result = walk(list, path, status, &list->top);
    if (folder->image_count > first)
        qsort(folder->images + first, folder->image_count - first, sizeof *folder->images, by_path);
    return result;
}

/* One entry of DIR itself. */
static int visit_top(struct listing *list, const char *dir, const char *path, const char *name) {
    struct stat status;
    if (stat(path, &status) != 0)
        return fail(list, "%s: cannot be examined: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return add_class(list, path, name, &status);
    if (is_image_name(name))
        return fail(list, "%s: the image %s is in this folder itself; " LAYOUT, dir, name);
    return 0;
}

static int walk_top(struct listing *list, const char *dir) {
    struct names names = {0};
    struct stat status;
    int result = read_names(list, dir, &names);
    if (result == 0 && stat(dir, &status) == 0)
        list->top = (struct place){status.st_dev, status.st_ino, NULL};
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        char *path = join(dir, names.items[i]);
        result = path == NULL ? fail_memory(list) : visit_top(list, dir, path, names.items[i]);
        free(path);
    }
    free_names(&names);
    if (result == 0 && list->folder->class_count == 0)
        return fail(list, "%s: there are no class folders in it; " LAYOUT, dir);
    if (result == 0 && list->folder->image_count == 0)
        return fail(list, "%s: there are no images in its %zu folders; " LAYOUT, dir, list->folder->class_count);
    return result;
}

int folder_read(const char *dir, const char *const *labels, int32_t label_count, struct folder *out, char *error,
                size_t error_size) {
    struct listing list = {
        .folder = out, .labels = labels, .label_count = label_count, .error = error, .error_size = error_size};
    *out = (struct folder){0};
    const int result = walk_top(&list, dir);
    if (result != 0)
        folder_free(out);
    return result;
}

void folder_free(struct folder *folder) {
    if (folder == NULL)
        return;
    for (size_t i = 0; i < folder->class_count; i++)
        free(folder->classes[i].name);
    for (size_t i = 0; i < folder->image_count; i++)
        free(folder->images[i].path);
    free(folder->classes);
    free(folder->images);
    *folder = (struct folder){0};
}
