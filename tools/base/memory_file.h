/* A file in memory: written by the library's calls that write through a host's function, and opened again. */
#ifndef TLEG_TOOLS_MEMORY_FILE_H
#define TLEG_TOOLS_MEMORY_FILE_H

#include <stddef.h>
#include <tleg/file.h>

struct memory_file { /* zeroed: empty; data is freed with free() */
    unsigned char *data;
    size_t size, room;
};
/* A tleg_write_fn whose host is a struct memory_file. */
tleg_status TLEG_CALL memory_file_append(void *host, const void *data, size_t size);
/* Opens it under a name, for errors; it must stay until the file is freed. */
tleg_status memory_file_open(tleg_context *context, struct memory_file *memory, const char *name, tleg_file **file);

#endif
