/* Where the bytes of a file come from: memory, a mapping, a file of the system's, or a host's source. */
#include "core/os.h"
#include "format/private.h"

#include <string.h>

enum { PIECE = 1 << 20 }; /* bytes between two questions to the host whether to go on */

#if TLEG_FILES
static tleg_status io_error(tleg_context *context, const struct tleg_file *file, const char *what, int number) {
    char system[TLEG_OS_TEXT];
    return tleg_fail_system(context, number, "%s: %s: %s", file->label, what, tleg_os_text(number, system));
}

static const char *kind_text(enum tleg_os_kind kind) {
    return kind == TLEG_OS_DIRECTORY ? "a directory"
           : kind == TLEG_OS_PIPE    ? "a pipe"
           : kind == TLEG_OS_SOCKET  ? "a socket"
                                     : "a device";
}

#if TLEG_MAPPINGS
static tleg_status map(tleg_context *context, struct tleg_file *file) {
    if (file->size == 0)
        return TLEG_OK; /* cannot be mapped; who reads the header says that it is empty */
    if (file->size > SIZE_MAX)
        return tleg_fail_memory(context, file->label, SIZE_MAX);
    const void *memory;
    const int number = tleg_os_map_file(file->handle, (size_t)file->size, &memory);
    if (number != 0)
        return io_error(context, file, "cannot be mapped", number);
    file->memory = memory;
    file->mapped = true;
    tleg_os_close(file->handle);
    file->handle = TLEG_OS_NO_FILE;
    return TLEG_OK;
}
#else
static tleg_status map(tleg_context *context, struct tleg_file *file) {
    return tleg_fail(context, TLEG_ERROR_UNSUPPORTED,
                     "%s: this build of the library maps no files: open it without TLEG_OPEN_MAP", file->label);
}
#endif

tleg_status tleg_source_open(tleg_context *context, struct tleg_file *file, bool mapped) {
    struct tleg_os_state state;
    if (!*file->label)
        return tleg_fail(context, TLEG_ERROR_IO, "the name of a file is needed, found an empty one");
    const int number = tleg_os_open(file->label, &file->handle, &state);
    if (number != 0)
        return io_error(context, file, "cannot be opened", number);
    if (state.kind != TLEG_OS_REGULAR)
        return tleg_fail(context, TLEG_ERROR_IO, "%s is %s, no file of tensors", file->label, kind_text(state.kind));
    file->size = state.size;
    return mapped ? map(context, file) : TLEG_OK;
}

/* [at, at + bytes) of the system's file, or what there is of it. */
static tleg_status read_handle(tleg_context *context, const struct tleg_file *file, uint64_t at, size_t bytes, void *out,
                               size_t *done) {
    const int number = tleg_os_read(file->handle, at, bytes, out, done);
    return number == 0 ? TLEG_OK : io_error(context, file, "cannot be read", number);
}

static void close_system(struct tleg_file *file) {
    if (file->mapped)
        tleg_os_unmap(file->memory, (size_t)file->size);
    tleg_os_close(file->handle);
    file->mapped = false;
    file->handle = TLEG_OS_NO_FILE;
}

#else
tleg_status tleg_source_open(tleg_context *context, struct tleg_file *file, bool mapped) {
    (void)mapped;
    return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "%s: this build of the library opens no files: hand it the bytes",
                     file->label);
}

static tleg_status read_handle(tleg_context *context, const struct tleg_file *file, uint64_t at, size_t bytes, void *out,
                               size_t *done) {
    (void)at, (void)bytes, (void)out;
    *done = 0;
    return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "%s: this build of the library reads no files", file->label);
}

static void close_system(struct tleg_file *file) {
    (void)file;
}
#endif

/* [at, at + bytes) of the host's source. */
static tleg_status read_host(tleg_context *context, const struct tleg_file *file, uint64_t at, size_t bytes, void *out) {
    const tleg_status status = tleg_host_status(file->host.read(file->host.host, at, bytes, out));
    if (status == TLEG_OK)
        return TLEG_OK;
    return tleg_fail(context, status, "%s: the host's source gave %s for %zu bytes from byte %llu on", file->label,
                     tleg_status_name(status), bytes, (unsigned long long)at);
}

static tleg_status read_piece(tleg_context *context, const struct tleg_file *file, uint64_t at, size_t bytes, void *out,
                              size_t *done) {
    *done = bytes;
    if (file->memory)
        memcpy(out, file->memory + at, bytes);
    else if (file->host.read)
        return read_host(context, file, at, bytes, out);
    else
        return read_handle(context, file, at, bytes, out, done);
    return TLEG_OK;
}

tleg_status tleg_source_read(tleg_context *context, const struct tleg_file *file, uint64_t at, size_t bytes, void *out,
                             size_t *done) {
    tleg_status status = TLEG_OK;
    size_t got = 1;
    for (*done = 0; status == TLEG_OK && *done < bytes && got > 0; *done += got) {
        const size_t left = bytes - *done;
        status = read_piece(context, file, at + *done, left < PIECE ? left : PIECE, (char *)out + *done, &got);
        if (status == TLEG_OK)
            status = tleg_work_step(context, got);
    }
    return status;
}

void tleg_source_close(struct tleg_file *file) {
    if (file->host.release)
        file->host.release(file->host.host);
    close_system(file);
    file->memory = NULL;
    file->host = (tleg_source){0};
}
