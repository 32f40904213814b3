/* A file in memory. */
#include "memory_file.h"

#include <stdlib.h>
#include <string.h>

tleg_status TLEG_CALL memory_file_append(void *host, const void *data, size_t size) {
    struct memory_file *memory = host;
    if (size > memory->room - memory->size) {
        const size_t room = memory->room + memory->room / 2 + size;
        unsigned char *larger = realloc(memory->data, room);
        if (!larger)
            return TLEG_ERROR_MEMORY;
        memory->data = larger;
        memory->room = room;
    }
    memcpy(memory->data + memory->size, data, size);
    memory->size += size;
    return TLEG_OK;
}

static tleg_status TLEG_CALL read_bytes(void *host, uint64_t at, size_t size, void *out) {
    memcpy(out, ((const struct memory_file *)host)->data + at, size);
    return TLEG_OK;
}

tleg_status memory_file_open(tleg_context *context, struct memory_file *memory, const char *name, tleg_file **file) {
    const tleg_source from = {
        .struct_size = sizeof from, .size = memory->size, .read = read_bytes, .host = memory, .name = name};
    return tleg_file_open_source(context, &from, file);
}
