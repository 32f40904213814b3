/* Lists of names and whole files. */
#include "private.h"

#include "base/grow.h"
#include "base/lines.h"
#include "base/read_file.h"
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *dataset_text(const struct invocation *call, const char *format, ...) {
    va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    else
        tool_fail_memory(call);
    va_end(again);
    va_end(values);
    return text;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Takes the name over. */
static int add(const struct invocation *call, struct names *names, char *name) {
    char **items = name ? grow(names->items, names->count, &names->capacity, sizeof *items) : NULL;
    if (!items) {
        free(name);
        return tool_fail_memory(call);
    }
    names->items = items;
    items[names->count++] = name;
    return EXIT_DONE;
}

/* A folder may be called as a file that is looked for. What cannot be examined is listed: opening it says why. */
static bool is_other(DIR *folder, const char *name) {
    struct stat what;
    return fstatat(dirfd(folder), name, &what, 0) == 0 && !S_ISREG(what.st_mode);
}

int names_list(const struct invocation *call, const char *dir, bool (*wanted)(const char *name), struct names *names) {
    *names = (struct names){0};
    DIR *stream = opendir(dir);
    if (!stream)
        return tool_fail(call, "%s: cannot open this folder: %s", dir, strerror(errno));
    int code = EXIT_DONE;
    struct dirent *entry;
    while (code == EXIT_DONE && (errno = 0, entry = readdir(stream)) != NULL)
        if (wanted(entry->d_name) && !is_other(stream, entry->d_name))
            code = add(call, names, strdup(entry->d_name));
    if (code == EXIT_DONE && errno)
        code = tool_fail(call, "%s: cannot read this folder: %s", dir, strerror(errno));
    closedir(stream);
    if (names->count)
        qsort(names->items, names->count, sizeof *names->items, by_text);
    return code;
}

int names_read(const struct invocation *call, const char *path, struct names *names) {
    struct stat what;
    struct lines lines = {0};
    uint8_t *text = NULL;
    size_t size;
    *names = (struct names){0};
    if (lstat(path, &what) != 0 && errno == ENOENT)
        return EXIT_DONE;
    int code = dataset_load(call, path, &text, &size);
    if (code == EXIT_DONE)
        code = lines_cut(call, path, (char *)text, size, false, &lines);
    for (size_t i = 0; i < lines.count && code == EXIT_DONE; i++)
        code = add(call, names, strdup(lines.items[i]));
    free(lines.items);
    free(text);
    return code;
}

void names_free(struct names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct names){0};
}

int dataset_load(const struct invocation *call, const char *path, uint8_t **bytes, size_t *size) {
    char reason[READ_REASON];
    *bytes = read_file(path, SIZE_MAX / 4, size, reason);
    return *bytes ? EXIT_DONE : tool_fail(call, "%s: %s", path, reason);
}

struct dataset_file *dataset_add_file(const struct invocation *call, struct dataset *set) {
    struct dataset_file *files = realloc(set->files, (set->file_count + 1) * sizeof *files);
    if (!files) {
        tool_fail_memory(call);
        return NULL;
    }
    set->files = files;
    files[set->file_count] = (struct dataset_file){0};
    return &files[set->file_count++];
}

struct sample *dataset_add_samples(const struct invocation *call, struct dataset *set, size_t more) {
    struct sample *samples = realloc(set->samples, (set->count + more + 1) * sizeof *samples);
    if (!samples) {
        tool_fail_memory(call);
        return NULL;
    }
    set->samples = samples;
    samples += set->count;
    set->count += more;
    return samples;
}

static int32_t largest_label(const struct dataset *set) {
    int32_t largest = 0;
    for (size_t i = 0; i < set->count; i++)
        if (set->samples[i].label > largest)
            largest = set->samples[i].label;
    return largest;
}

static int fill_names(const struct invocation *call, const struct dataset *set, struct names *names) {
    int code = EXIT_DONE;
    if (set->options.classes) {
        names_free(names);
        for (int32_t i = 0; i < set->options.class_count && code == EXIT_DONE; i++)
            code = add(call, names, strdup(set->options.classes[i]));
    } else if (names->count == 0) {
        for (int32_t i = 0; i <= largest_label(set) && code == EXIT_DONE; i++)
            code = add(call, names, dataset_text(call, "%d", (int)i));
    }
    return code;
}

int dataset_name_classes(const struct invocation *call, struct dataset *set, struct names *names) {
    set->named = names->count > 0;
    int code = fill_names(call, set, names);
    set->classes = names->items;
    set->class_count = (int32_t)names->count;
    *names = (struct names){0};
    set->label_of = malloc(((size_t)set->class_count + 1) * sizeof *set->label_of);
    if (code == EXIT_DONE && !set->label_of)
        code = tool_fail_memory(call);
    for (int32_t i = 0; i < set->class_count && code == EXIT_DONE; i++)
        set->label_of[i] = i;
    for (size_t i = 0; i < set->count && code == EXIT_DONE; i++)
        if (set->samples[i].label >= set->class_count)
            code = tool_fail(call, "%s: image %lld has the label %d; there are %d classes, from 0", set->samples[i].file,
                             (long long)set->samples[i].number, (int)set->samples[i].label, (int)set->class_count);
    return code;
}
