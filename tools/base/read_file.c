/* Whole files in memory. */
#include "read_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool refuse(const char *what, char *reason) {
    snprintf(reason, READ_REASON, "%s: %s", what, strerror(errno));
    return false;
}

/* Room for `capacity` bytes and a NUL, and as many bytes as fill it. */
static bool fill_up(struct file_reader *reader, size_t capacity, char *reason) {
    uint8_t *grown = realloc(reader->bytes, capacity + 1);
    if (!grown) {
        snprintf(reason, READ_REASON, "no memory for %zu bytes of the file", capacity);
        return false;
    }
    reader->bytes = grown;
    reader->size += fread(grown + reader->size, 1, capacity - reader->size, reader->stream);
    grown[reader->size] = '\0';
    return !ferror(reader->stream) || refuse("cannot read", reason);
}

bool read_begin(const char *path, struct file_reader *reader, char reason[READ_REASON]) {
    *reader = (struct file_reader){.stream = fopen(path, "rb")};
    if (reader->stream)
        return fill_up(reader, READ_START, reason);
    return refuse(strcmp(path, "-") == 0 ? "cannot open a file of this name (standard input is /dev/stdin)" : "cannot open",
                  reason);
}

bool read_rest(struct file_reader *reader, size_t limit, char reason[READ_REASON]) {
    for (size_t capacity = READ_START; reader->size == capacity && capacity < limit;) {
        capacity = capacity < limit / 2 ? 2 * capacity : limit;
        if (!fill_up(reader, capacity, reason))
            return false;
    }
    if (reader->size <= limit && (feof(reader->stream) || getc(reader->stream) == EOF))
        return !ferror(reader->stream) || refuse("cannot read", reason);
    snprintf(reason, READ_REASON, "the file exceeds the limit of %zu bytes", limit);
    return false;
}

void read_end(struct file_reader *reader) {
    if (reader->stream)
        fclose(reader->stream);
    free(reader->bytes);
    *reader = (struct file_reader){0};
}

uint8_t *read_file(const char *path, size_t limit, size_t *size, char reason[READ_REASON]) {
    struct file_reader reader;
    uint8_t *bytes = NULL;
    if (read_begin(path, &reader, reason) && read_rest(&reader, limit, reason)) {
        bytes = reader.bytes;
        *size = reader.size;
        reader.bytes = NULL;
    }
    read_end(&reader);
    return bytes;
}
