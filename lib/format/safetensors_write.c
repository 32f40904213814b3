/* The writer: everything goes into a temporary file beside the target, which then takes the target's name. A crash, a full
 * disk or an error leaves the former file whole and nothing beside it (a crash: the temporary file). */
#define _FILE_OFFSET_BITS 64
#include "format/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_AT_ONCE = 1 << 30, MOST_LINKS = 40, MOST_NAMES = 1000, TEMPORARY_NAME = 48 };

struct slot { /* of one tensor */
    const char *name;
    uint64_t begin, bytes; /* in the data section */
    bool written;
};

struct tleg_writer {
    struct tleg_allocator allocator;
    char *target; /* where the path leads after symbolic links */
    size_t target_bytes;
    char *temporary; /* its directory, and a name of our own */
    size_t temporary_bytes;
    int fd; /* -1: closed */
    bool made;
    uint64_t data_start;
    struct slot *slots; /* then their names */
    size_t count, slot_bytes;
};

static tleg_status io_error(tleg_context *context, const char *path, const char *what, int number) {
    char system[TLEG_SYSTEM_TEXT];
    return tleg_fail(context, TLEG_ERROR_IO, "%s: %s: %s", path, what, tleg_system_text(number, system));
}

/* ---- arguments ---- */

static tleg_status check_text(tleg_context *context, const char *what, const char *text) {
    if (!text)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s must not be NULL", what);
    if (!tleg_utf8_valid(text))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s is no UTF-8", what);
    return TLEG_OK;
}

/* No name twice. `texts` is room for all of them, and comes back sorted. */
static tleg_status check_unique(tleg_context *context, const char *what, const char **texts, size_t count) {
    tleg_sort(texts, count, sizeof *texts, tleg_compare_texts);
    for (size_t i = 1; i < count; i++)
        if (strcmp(texts[i - 1], texts[i]) == 0)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "duplicate %s '%s'", what, texts[i]);
    return TLEG_OK;
}

static tleg_status check_entries(tleg_context *context, const struct tleg_write_entry *entries, size_t count,
                                 const char **texts, size_t *text_bytes) {
    for (size_t i = 0; i < count; i++) {
        const struct tleg_write_entry *entry = &entries[i];
        tleg_status status = check_text(context, "the name of a tensor", entry->name);
        if (status != TLEG_OK)
            return status;
        if (strcmp(entry->name, TLEG_FILE_META) == 0)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "a tensor cannot have the name " TLEG_FILE_META);
        size_t elements, bytes;
        if (tleg_dtype_size(entry->dtype) == 0 || entry->rank < 0 || entry->rank > TLEG_MAX_RANK)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tensor '%s': dtype %d or rank %d does not exist", entry->name,
                             (int)entry->dtype, (int)entry->rank);
        if (!tleg_size_product(entry->shape, entry->rank, &elements) ||
            !tleg_size_mul(elements, tleg_dtype_size(entry->dtype), &bytes) || bytes > INT64_MAX)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tensor '%s': its size is negative or does not fit in memory",
                             entry->name);
        texts[i] = entry->name;
        if (!tleg_size_add(*text_bytes, strlen(entry->name) + 1, text_bytes))
            return tleg_fail_memory(context, "the names of tensors", SIZE_MAX);
    }
    return check_unique(context, "tensor", texts, count);
}

static tleg_status check_pairs(tleg_context *context, const struct tleg_pair *pairs, size_t count, const char **texts) {
    for (size_t i = 0; i < count; i++) {
        tleg_status status = check_text(context, "a metadata key", pairs[i].key);
        if (status == TLEG_OK)
            status = check_text(context, "a metadata value", pairs[i].value);
        if (status != TLEG_OK)
            return status;
        texts[i] = pairs[i].key;
    }
    return check_unique(context, "metadata key", texts, count);
}

/* Everything about the arguments that could be wrong; *text_bytes is what the names need. */
static tleg_status check_arguments(tleg_context *context, const struct tleg_write_entry *entries, size_t count,
                                   const struct tleg_pair *pairs, size_t pair_count, size_t *text_bytes) {
    size_t most = count > pair_count ? count : pair_count, bytes;
    *text_bytes = 0;
    if (!tleg_size_mul(most, sizeof(char *), &bytes))
        return tleg_fail_memory(context, "the names of tensors", SIZE_MAX);
    const char **texts = tleg_alloc(&context->allocator, bytes);
    if (!texts)
        return tleg_fail_memory(context, "the names of tensors", bytes);
    tleg_status status = check_entries(context, entries, count, texts, text_bytes);
    if (status == TLEG_OK)
        status = check_pairs(context, pairs, pair_count, texts);
    tleg_release(&context->allocator, texts, bytes);
    return status;
}

/* ---- where the tensors lie ---- */

/* Lays the tensors of one kind (size a multiple of TLEG_ALIGN, or not) in the order given. */
static bool lay(struct tleg_writer *writer, bool aligned, uint64_t *begins, uint64_t *end) {
    for (size_t i = 0; i < writer->count; i++) {
        struct slot *slot = &writer->slots[i];
        if ((slot->bytes % TLEG_ALIGN == 0) != aligned)
            continue;
        slot->begin = begins[i] = *end;
        if (slot->bytes > INT64_MAX - *end)
            return false;
        *end += slot->bytes;
    }
    return true;
}

static tleg_status make_slots(tleg_context *context, struct tleg_writer *writer, const struct tleg_write_entry *entries,
                              size_t count, size_t text_bytes) {
    size_t bytes;
    if (!tleg_size_mul(count, sizeof *writer->slots, &bytes) || !tleg_size_add(bytes, text_bytes, &bytes))
        return tleg_fail_memory(context, writer->target, SIZE_MAX);
    writer->slots = tleg_alloc_zero(&writer->allocator, bytes);
    if (!writer->slots)
        return tleg_fail_memory(context, writer->target, bytes);
    writer->count = count;
    writer->slot_bytes = bytes;
    char *names = (char *)(writer->slots + count);
    for (size_t i = 0; i < count; i++) {
        size_t elements = 0, length = strlen(entries[i].name) + 1;
        tleg_size_product(entries[i].shape, entries[i].rank, &elements);
        writer->slots[i].bytes = (uint64_t)elements * tleg_dtype_size(entries[i].dtype);
        writer->slots[i].name = memcpy(names, entries[i].name, length);
        names += length;
    }
    return TLEG_OK;
}

/* ---- the file ---- */

static tleg_status write_at(tleg_context *context, struct tleg_writer *writer, const void *data, uint64_t bytes, uint64_t at) {
    const char *from = data;
    while (bytes > 0) {
        ssize_t put = pwrite(writer->fd, from, bytes < MOST_AT_ONCE ? (size_t)bytes : MOST_AT_ONCE, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return io_error(context, writer->target, "cannot be written", put < 0 ? errno : ENOSPC);
        from += put;
        at += (uint64_t)put;
        bytes -= (uint64_t)put;
    }
    return TLEG_OK;
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

/* One step along a symbolic link: its text, relative to the directory that holds it. */
static tleg_status follow_link(tleg_context *context, struct tleg_writer *writer, size_t length) {
    size_t bytes = length + 1, next_bytes;
    char *link = tleg_alloc(&writer->allocator, bytes);
    if (!link)
        return tleg_fail_memory(context, writer->target, bytes);
    ssize_t got = readlink(writer->target, link, bytes);
    if (got <= 0 || (size_t)got > length) {
        int number = got < 0 ? errno : ELOOP;
        tleg_release(&writer->allocator, link, bytes);
        return io_error(context, writer->target, "the symbolic link cannot be followed", number);
    }
    size_t before = link[0] == '/' ? 0 : directory_length(writer->target);
    char *next = keep_text(&writer->allocator, writer->target, before, link, (size_t)got, &next_bytes);
    tleg_release(&writer->allocator, link, bytes);
    if (!next)
        return tleg_fail_memory(context, writer->target, next_bytes);
    tleg_release(&writer->allocator, writer->target, writer->target_bytes);
    writer->target = next;
    writer->target_bytes = next_bytes;
    return TLEG_OK;
}

/* /dev/stdout and the like lead through these to a file that another program holds open: replaced, its later output is lost. */
static bool is_descriptor(const char *path) {
    return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/fd/", 8) == 0;
}

/* Follows symbolic links by hand: realpath allocates, and knows no target that does not exist yet. */
static tleg_status follow_links(tleg_context *context, struct tleg_writer *writer, const char *path) {
    struct stat state;
    for (int links = 0; lstat(writer->target, &state) == 0 && S_ISLNK(state.st_mode); links++) {
        if (is_descriptor(writer->target))
            return tleg_fail(context, TLEG_ERROR_IO, "%s is an open descriptor: give the name of a file", path);
        if (links == MOST_LINKS)
            return io_error(context, writer->target, "cannot be written", ELOOP);
        size_t length = state.st_size > 0 ? (size_t)state.st_size : 4095; /* /proc gives links no size */
        tleg_status status = follow_link(context, writer, length);
        if (status != TLEG_OK)
            return status;
    }
    return TLEG_OK;
}

/* Finds the target and, when there is a file already, its mode. A target that cannot be is refused before the work. */
static tleg_status find_target(tleg_context *context, struct tleg_writer *writer, const char *path, mode_t *mode) {
    struct stat state;
    if (path[0] == '\0')
        return io_error(context, "(empty path)", "cannot be made", ENOENT);
    writer->target = keep_text(&writer->allocator, path, strlen(path), "", 0, &writer->target_bytes);
    if (!writer->target)
        return tleg_fail_memory(context, path, strlen(path) + 1);
    if (stat(path, &state) != 0) {
        if (errno != ENOENT)
            return io_error(context, path, "cannot be made", errno);
    } else {
        if (S_ISDIR(state.st_mode))
            return tleg_fail(context, TLEG_ERROR_IO, "%s is a directory: the name of a file is needed", path);
        if (!S_ISREG(state.st_mode))
            return tleg_fail(context, TLEG_ERROR_IO, "%s is a pipe or device: only a regular file can be written", path);
        if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
            return io_error(context, path, "may not be overwritten", errno);
        *mode = state.st_mode & 0777;
    }
    return follow_links(context, writer, path);
}

/* A new file beside the target, under a short name that nobody has. */
static tleg_status make_temporary(tleg_context *context, struct tleg_writer *writer, mode_t mode) {
    char name[TEMPORARY_NAME];
    size_t length = directory_length(writer->target);
    memset(name, ' ', sizeof name);
    writer->temporary = keep_text(&writer->allocator, writer->target, length, name, sizeof name, &writer->temporary_bytes);
    if (!writer->temporary)
        return tleg_fail_memory(context, writer->target, length + sizeof name);
    for (int i = 0; i < MOST_NAMES && writer->fd < 0; i++) {
        snprintf(writer->temporary + length, sizeof name, ".tleg-%lld-%d.tmp", (long long)getpid(), i);
        writer->fd = open(writer->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (writer->fd < 0 && errno != EEXIST && errno != EINTR)
            break;
    }
    if (writer->fd < 0)
        return io_error(context, writer->target, "cannot be made", errno);
    writer->made = true;
    if (mode != 0 && fchmod(writer->fd, mode) != 0)
        return io_error(context, writer->target, "its mode cannot be kept", errno);
    return TLEG_OK;
}

static tleg_status write_header(tleg_context *context, struct tleg_writer *writer, const struct tleg_write_entry *entries,
                                const struct tleg_pair *pairs, size_t pair_count) {
    size_t bytes;
    if (!tleg_size_mul(writer->count, sizeof(uint64_t), &bytes))
        return tleg_fail_memory(context, writer->target, SIZE_MAX);
    uint64_t *begins = tleg_alloc(&writer->allocator, bytes);
    if (!begins)
        return tleg_fail_memory(context, writer->target, bytes);
    struct tleg_header_text header = {NULL, 0};
    uint64_t end = 0;
    tleg_status status;
    if (lay(writer, true, begins, &end) && lay(writer, false, begins, &end))
        status = tleg_header_write(context, writer->target, entries, writer->count, begins, pairs, pair_count, &header);
    else
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: the tensors are larger than any file", writer->target);
    tleg_release(&writer->allocator, begins, bytes);
    if (status == TLEG_OK)
        status = write_at(context, writer, header.text, header.bytes, 0);
    writer->data_start = header.bytes;
    tleg_release(&writer->allocator, header.text, header.bytes);
    return status;
}

tleg_status tleg_writer_create(tleg_context *context, const char *path, const struct tleg_write_entry *entries, int64_t count,
                               const struct tleg_pair *pairs, int64_t pair_count, struct tleg_writer **out) {
    *out = NULL;
    size_t text_bytes;
    if (count < 0 || pair_count < 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: a negative number of tensors or metadata entries", path);
    tleg_status status = check_arguments(context, entries, (size_t)count, pairs, (size_t)pair_count, &text_bytes);
    if (status != TLEG_OK)
        return status;
    struct tleg_writer *writer = tleg_alloc_zero(&context->allocator, sizeof *writer);
    if (!writer)
        return tleg_fail_memory(context, path, sizeof *writer);
    const int former = errno; /* that there is no such file yet is no news to the host */
    writer->allocator = context->allocator;
    writer->fd = -1;
    mode_t mode = 0;
    status = find_target(context, writer, path, &mode);
    if (status == TLEG_OK)
        status = make_slots(context, writer, entries, (size_t)count, text_bytes);
    if (status == TLEG_OK)
        status = make_temporary(context, writer, mode);
    if (status == TLEG_OK)
        status = write_header(context, writer, entries, pairs, (size_t)pair_count);
    if (status != TLEG_OK) {
        tleg_writer_free(writer);
        return status;
    }
    errno = former;
    *out = writer;
    return TLEG_OK;
}

tleg_status tleg_writer_put(tleg_context *context, struct tleg_writer *writer, int64_t index, const void *data) {
    if (index < 0 || (uint64_t)index >= writer->count)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: tensor %lld of %llu", writer->target, (long long)index,
                         (unsigned long long)writer->count);
    struct slot *slot = &writer->slots[index];
    if (slot->written)
        return tleg_fail(context, TLEG_ERROR_STATE, "%s: tensor '%s' is written already", writer->target, slot->name);
    tleg_status status = write_at(context, writer, data, slot->bytes, writer->data_start + slot->begin);
    slot->written = status == TLEG_OK;
    return status;
}

/* ---- the end ---- */

/* Some file systems have nothing to flush and say so. */
static bool flush(int fd) {
    int result;
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result == 0 || errno == EINVAL || errno == ENOTSUP;
}

/* Makes the new name last. A directory that may not be read cannot be flushed; the file itself is safe then too. */
static bool flush_directory(struct tleg_writer *writer) {
    size_t length = directory_length(writer->temporary);
    memcpy(writer->temporary + length, ".", 2);
    int fd = open(writer->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return true;
    bool good = flush(fd);
    int number = errno;
    close(fd);
    errno = number;
    return good;
}

tleg_status tleg_writer_commit(tleg_context *context, struct tleg_writer *writer) {
    if (writer->fd < 0)
        return tleg_fail(context, TLEG_ERROR_STATE, "%s is finished already", writer->target);
    for (size_t i = 0; i < writer->count; i++)
        if (!writer->slots[i].written)
            return tleg_fail(context, TLEG_ERROR_STATE, "%s: tensor '%s' is not written yet", writer->target,
                             writer->slots[i].name);
    const int former = errno;
    if (!flush(writer->fd))
        return io_error(context, writer->target, "cannot be flushed to disk", errno);
    int closed = close(writer->fd);
    writer->fd = -1;
    if (closed != 0 && errno != EINTR)
        return io_error(context, writer->target, "cannot be written", errno);
    if (rename(writer->temporary, writer->target) != 0)
        return io_error(context, writer->target, "cannot be replaced", errno);
    writer->made = false;
    if (!flush_directory(writer))
        return io_error(context, writer->target, "its directory cannot be flushed to disk", errno);
    errno = former;
    return TLEG_OK;
}

void tleg_writer_free(struct tleg_writer *writer) {
    if (!writer)
        return;
    struct tleg_allocator allocator = writer->allocator;
    if (writer->fd >= 0)
        close(writer->fd);
    if (writer->made)
        unlink(writer->temporary);
    tleg_release(&allocator, writer->slots, writer->slot_bytes);
    tleg_release(&allocator, writer->temporary, writer->temporary_bytes);
    tleg_release(&allocator, writer->target, writer->target_bytes);
    tleg_release(&allocator, writer, sizeof *writer);
}
