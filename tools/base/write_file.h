/* Whole files from memory. */
#ifndef TLEG_TOOLS_WRITE_FILE_H
#define TLEG_TOOLS_WRITE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Writes a file as a whole, or leaves what is there: a new one takes its place, with its mode. Devices and pipes are written
 * to. False with errno. */
bool write_file(const char *path, const char *text, size_t length);

#endif
