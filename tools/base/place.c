/* Tries a place by making a file there and removing it again: permissions, quotas and read-only disks all have their say. */
#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the last part of the path begins. */
static size_t name_at(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* 0, or errno. */
static int try_folder(const char *path, size_t folder) {
    static const char pattern[] = ".tleg-try-XXXXXX";
    char *trial = malloc(folder + sizeof pattern);
    if (!trial)
        return ENOMEM;
    memcpy(trial, path, folder);
    memcpy(trial + folder, pattern, sizeof pattern);
    int fd = mkstemp(trial), error = fd < 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
        unlink(trial);
    }
    free(trial);
    return error;
}

int place_try(const struct invocation *call, const char *what, const char *path) {
    struct stat found;
    size_t folder = name_at(path);
    bool there = stat(path, &found) == 0;
    if (!there && errno != ENOENT)
        return tool_fail(call, "%s %s: %s", what, path, strerror(errno));
    if (!path[folder] || (there && S_ISDIR(found.st_mode)))
        return tool_fail(call, "%s %s: a folder; expected the name of a file", what, path);
    if (there && !S_ISREG(found.st_mode))
        return EXIT_DONE;
    int error = try_folder(path, folder);
    if (error == ENOENT)
        return tool_fail(call, "%s %s: there is no folder %.*s", what, path, (int)folder, path);
    if (error)
        return tool_fail(call, "%s %s: no file can be made there: %s", what, path, strerror(error));
    return EXIT_DONE;
}

char *place_beside(const char *path, const char *word) {
    size_t length = strlen(path), name = name_at(path), size = length + strlen(word) + 2;
    const char *dot = strrchr(path + name, '.');
    size_t stem = dot && dot > path + name ? (size_t)(dot - path) : length;
    char *beside = malloc(size);
    if (beside)
        snprintf(beside, size, "%.*s.%s%s", (int)stem, path, word, path + stem);
    return beside;
}
