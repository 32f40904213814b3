/* Tries a place by making a file there and removing it again: permissions, quotas and read-only disks all have their say. What
 * only a rename would show is asked beforehand. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* statx */
#endif
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_LINKS = 40 };

/* ---- paths ---- */

size_t place_name_at(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* /dev/stdout and the like lead through these to a file that another program holds open. */
static bool is_descriptor(const char *path) {
    return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/fd/", 8) == 0;
}

/* Follows links by hand: realpath knows no file that is not there yet. */
char *place_resolve(const char *path) {
    char *at = strdup(path), link[PATH_MAX];
    for (int links = 0; at; links++) {
        ssize_t length = readlink(at, link, sizeof link);
        if (length < 0 || links == MOST_LINKS || is_descriptor(at))
            break;
        size_t before = length > 0 && link[0] == '/' ? 0 : place_name_at(at);
        char *next = malloc(before + (size_t)length + 1);
        if (next) {
            memcpy(next, at, before);
            memcpy(next + before, link, (size_t)length);
            next[before + (size_t)length] = '\0';
        }
        free(at);
        at = next;
    }
    return at;
}

char *place_folder(const char *resolved) {
    size_t length = place_name_at(resolved);
    return length ? strndup(resolved, length) : strdup("./");
}

char *place_full(const char *path) {
    char *resolved = place_resolve(path), *folder = resolved ? place_folder(resolved) : NULL;
    char *root = folder ? realpath(folder, NULL) : NULL, *full = NULL;
    if (root) {
        const char *name = resolved + place_name_at(resolved);
        size_t size = strlen(root) + strlen(name) + 2;
        full = malloc(size);
        if (full)
            snprintf(full, size, "%s/%s", strcmp(root, "/") == 0 ? "" : root, name);
    }
    free(root);
    free(folder);
    free(resolved);
    return full;
}

/* The steps from one path, from the root on, to the other: up to the last folder that both are in, and down. */
static char *steps_between(const char *from, const char *to) {
    size_t common = 0, up = 0;
    for (size_t i = 0; from[i] && from[i] == to[i]; i++)
        if (from[i] == '/')
            common = i + 1;
    for (const char *c = from + common; *c; c++)
        up += *c == '/';
    char *steps = malloc(3 * up + strlen(to + common) + 1);
    for (size_t i = 0; steps && i < up; i++)
        memcpy(steps + 3 * i, "../", 3);
    if (steps)
        strcpy(steps + 3 * up, to + common);
    return steps;
}

char *place_from(const char *holder, const char *path) {
    char *from = place_full(holder), *to = place_full(path), *steps = from && to ? steps_between(from, to) : NULL;
    free(from);
    free(to);
    return steps;
}

bool place_same(const char *a, const char *b) {
    struct stat one, other;
    char *full_a = place_full(a), *full_b = place_full(b);
    bool same = strcmp(a, b) == 0 || (full_a && full_b && strcmp(full_a, full_b) == 0);
    free(full_a);
    free(full_b);
    return same || (stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino);
}

int place_apart(const struct invocation *call, const char *what, const char *path, const char *read) {
    return read && place_same(read, path) ? tool_misuse(call, "%s names %s, which is read: give another name", what, read)
                                          : EXIT_DONE;
}

int place_take_apart(const struct invocation *call, const char *out, const char *model) {
    const int code = place_apart(call, "-o", out, model);
    return code == EXIT_DONE ? place_take(call, "-o", out) : code;
}

char *place_beside(const char *path, const char *word) {
    size_t length = strlen(path), name = place_name_at(path), size = length + strlen(word) + 2;
    const char *dot = strrchr(path + name, '.');
    size_t stem = dot && dot > path + name ? (size_t)(dot - path) : length;
    char *beside = malloc(size);
    if (beside)
        snprintf(beside, size, "%.*s.%s%s", (int)stem, path, word, path + stem);
    return beside;
}

/* ---- the folder ---- */

/* Makes a file there and removes it: 0, or errno; *made tells which of the two failed. */
static int try_folder(const char *folder, bool *made) {
    size_t size = strlen(folder) + PART_NAME;
    char *trial = malloc(size);
    int fd = -1, error = ENOMEM;
    for (int i = 0; trial && fd < 0 && i < MOST_NAMES; i++) {
        snprintf(trial, size, "%s.tleg-%ld-%d.tmp", folder, (long)getpid(), i);
        fd = open(trial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        error = fd < 0 ? errno : 0;
        if (error != EEXIST)
            break;
    }
    *made = fd >= 0;
    if (fd >= 0) {
        close(fd);
        error = unlink(trial) != 0 && errno != ENOENT ? errno : 0;
    }
    free(trial);
    return error;
}

static int check_folder(const struct invocation *call, const char *what, const char *path, const char *resolved) {
    char *folder = place_folder(resolved);
    bool made = false;
    int error = folder ? try_folder(folder, &made) : ENOMEM, code = EXIT_DONE;
    if (error == ENOENT)
        code = tool_fail(call, "%s %s: there is no folder %s", what, path, folder);
    else if (error)
        code =
            tool_fail(call, "%s %s: %s: %s", what, path,
                      made ? "files in its folder cannot be renamed or removed" : "no file can be made there", strerror(error));
    free(folder);
    return code;
}

/* ---- what is there ---- */

/* Another file system's file in this place, or one of this one, as containers have them: no rename replaces it. */
static bool is_mount(const char *resolved) {
#ifdef STATX_ATTR_MOUNT_ROOT
    struct statx found;
    return statx(AT_FDCWD, resolved, 0, STATX_TYPE, &found) == 0 && (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
#else
    (void)resolved;
    return false;
#endif
}

/* In a folder such as /tmp only its owner, the file's owner and root may put another file in a file's place. */
static bool is_anothers_in_sticky(const char *resolved, const struct stat *found) {
    struct stat holder = {0};
    char *folder = place_folder(resolved);
    uid_t user = geteuid();
    bool anothers = folder && stat(folder, &holder) == 0 && (holder.st_mode & S_ISVTX) && user != 0 && user != found->st_uid &&
                    user != holder.st_uid;
    free(folder);
    return anothers;
}

static bool is_of_group(gid_t group) {
    gid_t groups[256];
    int count = getgroups(256, groups);
    bool in = group == getegid();
    for (int i = 0; i < count && !in; i++)
        in = groups[i] == group;
    return in;
}

/* What a new file in the former one's place does not have. */
static void note_losses(const struct invocation *call, const char *what, const char *path, const struct stat *found) {
    uid_t user = geteuid();
    if (found->st_nlink > 1)
        tool_note(call, "%s %s: has other names (hard links), which keep the former version", what, path);
    if (user != 0 && user != found->st_uid)
        tool_note(call, "%s %s: user %lu's; the new version will be user %lu's", what, path, (unsigned long)found->st_uid,
                  (unsigned long)user);
    else if (user != 0 && !is_of_group(found->st_gid))
        tool_note(call, "%s %s: group %lu's; the new version will be group %lu's", what, path, (unsigned long)found->st_gid,
                  (unsigned long)getegid());
}

static int check_former(const struct invocation *call, const char *what, const char *path, const char *resolved,
                        const struct stat *found) {
    if (is_descriptor(resolved))
        return tool_fail(call, "%s %s: an open descriptor; expected the name of a file", what, path);
    if (!S_ISREG(found->st_mode))
        return tool_fail(call, "%s %s: a pipe or device; expected the name of a file", what, path);
    if (faccessat(AT_FDCWD, resolved, W_OK, AT_EACCESS) != 0)
        return tool_fail(call, "%s %s: may not be overwritten: %s", what, path, strerror(errno));
    if (is_mount(resolved))
        return tool_fail(call, "%s %s: a mount point, which cannot be replaced; expected a file in a folder that is mounted",
                         what, path);
    if (is_anothers_in_sticky(resolved, found))
        return tool_fail(call, "%s %s: user %lu's, and in its folder nobody else may replace it", what, path,
                         (unsigned long)found->st_uid);
    note_losses(call, what, path, found);
    return EXIT_DONE;
}

/* ---- both ---- */

/* *there: whether anything is at `path`. */
static int look(const struct invocation *call, const char *what, const char *path, struct stat *found, bool *there) {
    if (strcmp(path, "-") == 0)
        return tool_fail(call, "%s -: standard output takes no file; expected the name of one (./- is a file of that name)",
                         what);
    *there = stat(path, found) == 0;
    if (!*there && errno != ENOENT)
        return tool_fail(call, "%s %s: %s", what, path, strerror(errno));
    if (!path[place_name_at(path)] || (*there && S_ISDIR(found->st_mode)))
        return tool_fail(call, "%s %s: a folder; expected the name of a file", what, path);
    return EXIT_DONE;
}

int place_try(const struct invocation *call, const char *what, const char *path) {
    struct stat found;
    bool there;
    int code = look(call, what, path, &found, &there);
    if (code != EXIT_DONE)
        return code;
    char *resolved = place_resolve(path);
    if (!resolved)
        return tool_fail_memory(call);
    if (there)
        code = check_former(call, what, path, resolved, &found);
    if (code == EXIT_DONE)
        code = check_folder(call, what, path, resolved);
    free(resolved);
    return code;
}

int place_try_in_place(const struct invocation *call, const char *what, const char *path) {
    struct stat found;
    bool there;
    int code = look(call, what, path, &found, &there);
    if (code != EXIT_DONE)
        return code;
    if (there && S_ISFIFO(found.st_mode)) /* opening it would wait for a reader */
        return tool_fail(call, "%s %s: a pipe; expected the name of a file", what, path);
    if (there)
        return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0
                   ? EXIT_DONE
                   : tool_fail(call, "%s %s: may not be written: %s", what, path, strerror(errno));
    char *resolved = place_resolve(path);
    code = resolved ? check_folder(call, what, path, resolved) : tool_fail_memory(call);
    free(resolved);
    return code;
}
