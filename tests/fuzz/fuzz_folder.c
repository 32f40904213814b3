/* Any bytes as class folders: a line for each entry of the tree, "NAME" a file, "NAME/" a folder, "NAME>OTHER" a link to
 * another place of the tree; after '%' the labels of a model, a line each. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "base/label.h"
#include "base/text.h"
#include "data/folder.h"
#include "fuzz/target.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_ENTRIES = 48, MOST_LABELS = 8, LONGEST = 200, PATH = 600 };
static char root[64];

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)kind;
    return walk->level > 0 ? remove(path) : 0;
}

static void clear(void) {
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_root(void) {
    clear();
    rmdir(root);
}

static void prepare(void) {
    if (root[0])
        return;
    snprintf(root, sizeof root, "%s/tleg-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    fuzz_need(mkdtemp(root) != NULL);
    atexit(remove_root);
}

/* A place of the tree and nowhere else. */
static void place(const char *name, char path[PATH]) {
    snprintf(path, PATH, "%s/%s", root, name);
    for (char *at = path + strlen(root); (at = strstr(at, "..")) != NULL;)
        at[1] = '_';
}

/* The folders above the last name. */
static void make_above(char *path) {
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

static void plant(char *line) {
    char path[PATH], target[PATH];
    char *link = strchr(line, '>');
    if (link)
        *link = '\0';
    place(line, path);
    make_above(path);
    if (link) {
        place(link + 1, target);
        if (symlink(target, path) != 0)
            return;
    } else if (line[0] && line[strlen(line) - 1] != '/') {
        FILE *file = fopen(path, "wb");
        if (file)
            fclose(file);
    }
}

/* The next line of *text, NUL-terminated in `line`, which moves past it; false at the end. */
static bool next_line(const uint8_t **text, const uint8_t *end, char line[LONGEST + 1]) {
    if (*text >= end)
        return false;
    size_t length = 0;
    while (*text < end && **text != '\n') {
        if (length < LONGEST && **text != '\0')
            line[length++] = (char)**text;
        ++*text;
    }
    *text += *text < end;
    line[length] = '\0';
    return true;
}

static void check(const struct folder *folder, int32_t labels) {
    size_t images = 0;
    const size_t most = MOST_ENTRIES * folder->class_count;
    for (size_t i = 0; i < folder->class_count; i++) {
        const struct folder_class *class = &folder->classes[i];
        images += class->images;
        fuzz_need(text_is_utf8(class->name) && class->label >= 0);
        fuzz_need(labels ? class->label < labels : class->label == (int32_t)i);
        for (size_t k = 0; k < i; k++)
            fuzz_need(!label_is_same(class->name, folder->classes[k].name));
    }
    fuzz_need(images == folder->image_count && images > 0 && images <= most);
    for (size_t i = 0; i < images; i++)
        fuzz_need(strncmp(folder->images[i].path, root, strlen(root)) == 0);
}

static void read_folder(const char *const *labels, int32_t count) {
    struct folder folder;
    char error[FOLDER_ERROR] = "";
    if (folder_read(root, labels, count, &folder, error, sizeof error) == 0)
        check(&folder, labels ? count : 0);
    else
        fuzz_need(error[0] != '\0' && folder.classes == NULL && folder.images == NULL);
    folder_free(&folder);
}

int fuzz_input(const uint8_t *data, size_t size) {
    const uint8_t *split = size > 0 ? memchr(data, '%', size) : NULL, *end = data + size, *at = data;
    char line[LONGEST + 1], labels[MOST_LABELS][LONGEST + 1];
    const char *names[MOST_LABELS];
    int32_t count = 0;
    prepare();
    for (int i = 0; i < MOST_ENTRIES && next_line(&at, split ? split : end, line); i++)
        plant(line);
    for (at = split ? split + 1 : end; count < MOST_LABELS && next_line(&at, end, labels[count]);)
        if (text_is_utf8(labels[count])) { /* as those of files are */
            names[count] = labels[count];
            count++;
        }
    read_folder(NULL, 0);
    if (count > 0)
        read_folder(names, count);
    clear();
    return 0;
}
