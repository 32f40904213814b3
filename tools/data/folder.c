/* Walks DIR/class/.../image. */
#include "folder.h"

#include "base/grow.h"
#include "base/label.h"
#include "base/text.h"
#include "visits.h"
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LAYOUT "expected a folder for each class: DIR/class/image.jpg"

struct listing {
    struct folder *folder;
    struct stat top; /* DIR */
    struct visits visits;
    size_t class_capacity, image_capacity;
    const char *const *labels; /* NULL: the folders are the classes */
    int32_t label_count;
    struct label_table table; /* of the labels */
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

static int walk(struct listing *list, const char *path);

/* Walks a folder that was not walked for this class, and is not DIR: links to it may be many, and lead back. */
static int walk_once(struct listing *list, const char *path, const struct stat *status) {
    if (status->st_dev == list->top.st_dev && status->st_ino == list->top.st_ino)
        return 0;
    switch (visits_add(&list->visits, status, list->folder->class_count)) {
    case VISIT_NEW:
        return walk(list, path);
    case VISIT_AGAIN:
        return 0;
    case VISIT_TOO_OFTEN:
        return fail(list, "%s: links put this folder into more than %d classes; a picture belongs to one", path, VISITS_MOST);
    default:
        return fail_memory(list);
    }
}

/* Whether what could not be examined, for this errno, is a link to nothing, or to itself. */
static bool is_lost_link(const char *path, int error) {
    struct stat status;
    return (error == ENOENT || error == ELOOP) && lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

/* Takes `path` over. A link that points nowhere but has an image's name is listed: reading it will say what is wrong. */
static int visit(struct listing *list, char *path) {
    struct stat status;
    const int image = is_image_name(path);
    const int error = stat(path, &status) == 0 ? 0 : errno;
    int result = 0;
    if (image && (error != 0 || S_ISREG(status.st_mode)))
        return add_image(list, path);
    if (error != 0)
        result = is_lost_link(path, error) ? 0 : fail(list, "%s: cannot be examined: %s", path, strerror(error));
    else if (S_ISDIR(status.st_mode))
        result = walk_once(list, path, &status);
    free(path);
    return result;
}

/* Adds the images below `path` to the last class. */
static int walk(struct listing *list, const char *path) {
    struct names names = {0};
    int result = read_names(list, path, &names);
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        char *below = join(path, names.items[i]);
        result = below == NULL ? fail_memory(list) : visit(list, below);
    }
    free_names(&names);
    return result;
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

/* The class that a folder is by its name. */
static int find_label(const struct listing *list, const char *path, const char *name, int32_t *label) {
    int32_t places[2] = {(int32_t)list->folder->class_count, -1};
    if (!text_is_utf8(name))
        return fail(list, "%s: the name of this folder is not UTF-8: as a label it could not be kept; rename it", path);
    if (list->labels != NULL) {
        char *normal = label_normal(name);
        if (normal == NULL)
            return fail_memory(list);
        label_table_find(&list->table, normal, places);
        free(normal);
    }
    if (places[0] < 0)
        return fail_label(list, path);
    if (places[1] >= 0)
        return fail(list, "%s: the model has two classes of this name, %d and %d: which is meant?", path, (int)places[0],
                    (int)places[1]);
    *label = places[0];
    return 0;
}

static int add_class(struct listing *list, const char *path, const char *name, const struct stat *status) {
    struct folder *folder = list->folder;
    int32_t label = 0;
    if (find_label(list, path, name, &label) != 0)
        return -1;
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
    const int result = walk_once(list, path, status);
    if (folder->image_count > first)
        qsort(folder->images + first, folder->image_count - first, sizeof *folder->images, by_path);
    return result;
}

/* Refuses two folders whose names are one label, written with other bytes. */
static int check_twins(const struct listing *list, const char *dir) {
    const struct folder *folder = list->folder;
    const char **names = calloc(folder->class_count + 1, sizeof *names);
    struct label_table table = {0};
    int32_t twins[2];
    int result = 0;
    for (size_t i = 0; names != NULL && i < folder->class_count; i++)
        names[i] = folder->classes[i].name;
    if (names == NULL || !label_table_make(names, (int32_t)folder->class_count, &table))
        result = fail_memory(list);
    else if (label_table_twins(&table, twins))
        result = fail(list,
                      "%s: \"%s\" stands there twice, as class folders %d and %d: one name in two spellings of Unicode; "
                      "make them one folder",
                      dir, names[twins[0]], (int)twins[0], (int)twins[1]);
    label_table_free(&table);
    free(names);
    return result;
}

/* One entry of DIR itself; a link to nothing may have been a class. */
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
    int result = read_names(list, dir, &names);
    if (result == 0 && stat(dir, &list->top) != 0)
        result = fail(list, "%s: cannot be examined: %s", dir, strerror(errno));
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
    return result == 0 ? check_twins(list, dir) : result;
}

int folder_read(const char *dir, const char *const *labels, int32_t label_count, struct folder *out, char *error,
                size_t error_size) {
    struct listing list = {
        .folder = out, .labels = labels, .label_count = label_count, .error = error, .error_size = error_size};
    *out = (struct folder){0};
    int result = 0;
    if (labels != NULL && !label_table_make(labels, label_count, &list.table))
        result = fail_memory(&list);
    if (result == 0)
        result = walk_top(&list, dir);
    label_table_free(&list.table);
    visits_free(&list.visits);
    if (result != 0)
        folder_free(out);
    return result;
}

static int walk_all(struct listing *list, const char *dir) {
    struct folder *folder = list->folder;
    folder->classes = calloc(1, sizeof *folder->classes);
    if (folder->classes == NULL || (folder->classes[0].name = strdup("")) == NULL)
        return fail_memory(list);
    folder->class_count = 1;
    if (stat(dir, &list->top) != 0)
        return fail(list, "%s: cannot be examined: %s", dir, strerror(errno));
    if (walk(list, dir) != 0)
        return -1;
    if (folder->image_count == 0)
        return fail(list, "%s: there are no pictures in it, nor in folders below it", dir);
    qsort(folder->images, folder->image_count, sizeof *folder->images, by_path);
    return 0;
}

int folder_read_all(const char *dir, struct folder *out, char *error, size_t error_size) {
    struct listing list = {.folder = out, .error = error, .error_size = error_size};
    *out = (struct folder){0};
    const int result = walk_all(&list, dir);
    visits_free(&list.visits);
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
