/* Replacing a file as a whole: everything goes into a temporary file beside the target, which then takes the target's name. A
 * crash, a full disk or an error leaves the former file whole and nothing beside it (a crash: the temporary file). */
#include "core/os.h"
#include "format/private.h"

#if TLEG_FILES
#include <stdio.h>
#include <string.h>

enum { MOST_LINKS = 40, MOST_NAMES = 1000, TEMPORARY_NAME = 48 };

struct tleg_replacement {
    struct tleg_allocator allocator;
    char *target; /* where the path leads after symbolic links */
    size_t target_bytes;
    char *temporary; /* its directory, and a name of our own */
    size_t temporary_bytes;
    tleg_os_file file; /* TLEG_OS_NO_FILE: closed */
    bool made;
    struct tleg_os_state replaced; /* the former file, if there is one */
};

static tleg_status io_error(tleg_context *context, const char *path, const char *what, int number) {
    char system[TLEG_OS_TEXT];
    return tleg_fail_system(context, number, "%s: %s: %s", path, what, tleg_os_text(number, system));
}

static size_t directory_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

static char *keep_text(const struct tleg_allocator *allocator, const char *a, size_t a_length, const char *b, size_t b_length,
                       size_t *bytes) {
    *bytes = a_length + b_length + 1;
    char *text = tleg_alloc(allocator, *bytes);
    if (text) {
        memcpy(text, a, a_length);
        memcpy(text + a_length, b, b_length);
        text[a_length + b_length] = '\0';
    }
    return text;
}

/* ---- the target ---- */

/* One step along a symbolic link: its text, relative to the directory that holds it. */
static tleg_status follow_link(tleg_context *context, struct tleg_replacement *r, size_t length) {
    size_t bytes = length + 1, got = 0, next_bytes;
    char *link = tleg_alloc(&r->allocator, bytes);
    if (!link)
        return tleg_fail_memory(context, r->target, bytes);
    const int number = tleg_os_read_link(r->target, link, bytes, &got);
    if (number != 0 || got == 0 || got > length) {
        tleg_release(&r->allocator, link, bytes);
        if (number != 0)
            return io_error(context, r->target, "the symbolic link cannot be followed", number);
        return tleg_fail(context, TLEG_ERROR_IO, "%s: the symbolic link changed while it was followed", r->target);
    }
    size_t before = link[0] == '/' ? 0 : directory_length(r->target);
    char *next = keep_text(&r->allocator, r->target, before, link, got, &next_bytes);
    tleg_release(&r->allocator, link, bytes);
    if (!next)
        return tleg_fail_memory(context, r->target, next_bytes);
    tleg_release(&r->allocator, r->target, r->target_bytes);
    r->target = next;
    r->target_bytes = next_bytes;
    return TLEG_OK;
}

/* /dev/stdout and the like lead through these to a file that another program holds open: replaced, its later output is lost. */
static bool is_descriptor(const char *path) {
    return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/fd/", 8) == 0;
}

/* Follows symbolic links by hand: realpath allocates, and knows no target that does not exist yet. */
static tleg_status follow_links(tleg_context *context, struct tleg_replacement *r, const char *path) {
    struct tleg_os_state state;
    for (int links = 0; tleg_os_look(r->target, false, &state) == 0 && state.kind == TLEG_OS_LINK; links++) {
        if (is_descriptor(r->target))
            return tleg_fail(context, TLEG_ERROR_IO, "%s is an open descriptor: give the name of a file", path);
        if (links == MOST_LINKS)
            return tleg_fail(context, TLEG_ERROR_IO, "%s leads through more than %d symbolic links", path, MOST_LINKS);
        size_t length = state.size > 0 ? (size_t)state.size : 4095; /* /proc gives links no size */
        tleg_status status = follow_link(context, r, length);
        if (status != TLEG_OK)
            return status;
    }
    return TLEG_OK;
}

/* Finds the target, and what is there. A target that cannot be is refused before the work. */
static tleg_status find_target(tleg_context *context, struct tleg_replacement *r, const char *path) {
    if (path[0] == '\0')
        return tleg_fail(context, TLEG_ERROR_IO, "the name of a file is needed, found an empty one");
    r->target = keep_text(&r->allocator, path, strlen(path), "", 0, &r->target_bytes);
    if (!r->target)
        return tleg_fail_memory(context, path, strlen(path) + 1);
    int number = tleg_os_look(path, true, &r->replaced);
    if (number != 0)
        return io_error(context, path, "cannot be made", number);
    const enum tleg_os_kind kind = r->replaced.kind;
    if (kind == TLEG_OS_DIRECTORY)
        return tleg_fail(context, TLEG_ERROR_IO, "%s is a directory: the name of a file is needed", path);
    if (kind != TLEG_OS_NOTHING && kind != TLEG_OS_REGULAR)
        return tleg_fail(context, TLEG_ERROR_IO, "%s is a pipe or device: only a regular file can be written", path);
    if (kind == TLEG_OS_REGULAR)
        number = tleg_os_may_write(path);
    if (number != 0)
        return io_error(context, path, "may not be overwritten", number);
    return follow_links(context, r, path);
}

/* A new file beside the target, under a short name that nobody has. Who may not read the former file may not read it either,
 * not even while it is written. */
static tleg_status make_temporary(tleg_context *context, struct tleg_replacement *r) {
    char name[TEMPORARY_NAME];
    size_t length = directory_length(r->target);
    memset(name, ' ', sizeof name);
    r->temporary = keep_text(&r->allocator, r->target, length, name, sizeof name, &r->temporary_bytes);
    if (!r->temporary)
        return tleg_fail_memory(context, r->target, length + sizeof name);
    bool taken = true;
    int number = 0;
    for (int i = 0; i < MOST_NAMES && taken; i++) {
        snprintf(r->temporary + length, sizeof name, ".tleg-%lld-%d.tmp", (long long)tleg_os_process(), i);
        number = tleg_os_create(r->temporary, r->replaced.kind == TLEG_OS_REGULAR, &r->file, &taken);
    }
    if (number != 0)
        return io_error(context, r->target, "cannot be made", number);
    r->made = true;
    return TLEG_OK;
}

/* ---- what the room calls ---- */

tleg_status tleg_replacement_create(tleg_context *context, const char *path, struct tleg_replacement **out) {
    *out = NULL;
    struct tleg_replacement *r = tleg_alloc_zero(&context->allocator, sizeof *r);
    if (!r)
        return tleg_fail_memory(context, path, sizeof *r);
    r->allocator = context->allocator;
    r->file = TLEG_OS_NO_FILE;
    tleg_status status = find_target(context, r, path);
    if (status == TLEG_OK)
        status = make_temporary(context, r);
    if (status == TLEG_OK)
        *out = r;
    else
        tleg_replacement_free(r);
    return status;
}

const char *tleg_replacement_label(const struct tleg_replacement *r) {
    return r->target;
}

tleg_status tleg_replacement_write(tleg_context *context, struct tleg_replacement *r, uint64_t at, size_t bytes,
                                   const void *data) {
    const int number = tleg_os_write(r->file, at, bytes, data);
    return number == 0 ? TLEG_OK : io_error(context, r->target, "cannot be written", number);
}

/* Makes the new name last. A directory that may not be read cannot be flushed; the file itself is safe then too. */
static int flush_directory(struct tleg_replacement *r) {
    memcpy(r->temporary + directory_length(r->temporary), ".", 2);
    return tleg_os_flush_directory(r->temporary);
}

/* Closes the file, which may tell of a failure only then, and renames it, locked until it has its name. */
static tleg_status give_name(tleg_context *context, struct tleg_replacement *r) {
    const tleg_os_file lock = tleg_os_again(r->file);
    int number = tleg_os_finish(r->file);
    const char *what = "cannot be written";
    r->file = TLEG_OS_NO_FILE;
    if (number == 0) {
        number = tleg_os_rename(r->temporary, r->target);
        what = "cannot be replaced";
        r->made = number != 0;
    }
    tleg_os_close(lock);
    return number == 0 ? TLEG_OK : io_error(context, r->target, what, number);
}

tleg_status tleg_replacement_commit(tleg_context *context, struct tleg_replacement *r, bool sync) {
    if (r->file == TLEG_OS_NO_FILE)
        return tleg_fail(context, TLEG_ERROR_STATE, "%s is finished already", r->target);
    int number = r->replaced.kind == TLEG_OS_REGULAR ? tleg_os_set_access(r->file, r->target, &r->replaced) : 0;
    if (number != 0)
        return io_error(context, r->target, "its mode cannot be kept", number);
    number = sync ? tleg_os_flush(r->file) : 0;
    if (number != 0)
        return io_error(context, r->target, "cannot be flushed to disk", number);
    tleg_status status = give_name(context, r);
    if (status != TLEG_OK)
        return status;
    number = sync ? flush_directory(r) : 0;
    return number == 0 ? TLEG_OK : io_error(context, r->target, "its directory cannot be flushed to disk", number);
}

void tleg_replacement_free(struct tleg_replacement *r) {
    if (!r)
        return;
    struct tleg_allocator allocator = r->allocator;
    tleg_os_close(r->file);
    if (r->made)
        tleg_os_remove(r->temporary);
    tleg_release(&allocator, r->temporary, r->temporary_bytes);
    tleg_release(&allocator, r->target, r->target_bytes);
    tleg_release(&allocator, r, sizeof *r);
}

#else
tleg_status tleg_replacement_create(tleg_context *context, const char *path, struct tleg_replacement **out) {
    *out = NULL;
    return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "%s: this build of the library writes no files", path);
}

const char *tleg_replacement_label(const struct tleg_replacement *r) {
    (void)r;
    return "(no file)";
}

tleg_status tleg_replacement_write(tleg_context *context, struct tleg_replacement *r, uint64_t at, size_t bytes,
                                   const void *data) {
    (void)r, (void)at, (void)bytes, (void)data;
    return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "this build of the library writes no files");
}

tleg_status tleg_replacement_commit(tleg_context *context, struct tleg_replacement *r, bool sync) {
    (void)sync;
    return tleg_replacement_write(context, r, 0, 0, NULL);
}

void tleg_replacement_free(struct tleg_replacement *r) {
    (void)r;
}
#endif
