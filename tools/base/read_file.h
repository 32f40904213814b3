/* Whole files in memory. */
#ifndef TLEG_TOOLS_READ_FILE_H
#define TLEG_TOOLS_READ_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { READ_START = 64 * 1024, READ_REASON = 192 };

/* A file, read in two steps by whoever wants to see its start before reading gigabytes. */
struct file_reader {
    FILE *stream;
    uint8_t *bytes; /* with a NUL after the last */
    size_t size;
};

/* Opens a file and reads READ_START bytes of it, or all of a shorter one. False with the reason, which does not name the file.
 * read_end is right after a failure too. */
bool read_begin(const char *path, struct file_reader *reader, char reason[READ_REASON]);
/* Reads on to the end of the file, which may have `limit` bytes. False with the reason. */
bool read_rest(struct file_reader *reader, size_t limit, char reason[READ_REASON]);
/* Closes the file and frees the bytes. */
void read_end(struct file_reader *reader);

/* A whole file of at most `limit` bytes, for the caller to free, with a NUL after the last; NULL with the reason. */
uint8_t *read_file(const char *path, size_t limit, size_t *size, char reason[READ_REASON]);

#endif
