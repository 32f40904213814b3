/* Zip archives in memory, as PyTorch lays them out, to be spoilt in one place. */
#ifndef TLEG_TESTS_ZIP_FILE_H
#define TLEG_TESTS_ZIP_FILE_H

#include <stdint.h>
#include <string.h>

enum { ZIP_ROOM = 1 << 20, ZIP_LINES = 1 << 16, ZIP_MEMBERS = 64 };
struct zip_file {
    size_t size, lines_size, count;
    size_t header[ZIP_MEMBERS], line[ZIP_MEMBERS]; /* where each member's header begins; its line, after `directory` */
    size_t directory, end;                         /* where those begin, once it is finished */
    unsigned char lines[ZIP_LINES], bytes[ZIP_ROOM];
};

static inline void zip_put(unsigned char *at, uint64_t number, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(number >> 8 * i);
}

/* Adds a member; false where there is no room for it. */
static inline int zip_add(struct zip_file *zip, const char *name, const void *data, size_t size) {
    const size_t length = strlen(name);
    if (zip->count == ZIP_MEMBERS || size > ZIP_ROOM / 2 || zip->size + 30 + length + size > ZIP_ROOM / 2 ||
        zip->lines_size + 46 + length > ZIP_LINES)
        return 0;
    unsigned char *header = zip->bytes + zip->size, *line = zip->lines + zip->lines_size;
    memset(header, 0, 30);
    memset(line, 0, 46);
    memcpy(header, "PK\3\4", 4);
    memcpy(line, "PK\1\2", 4);
    zip_put(header + 18, size, 4);
    zip_put(header + 22, size, 4);
    zip_put(header + 26, length, 2);
    zip_put(line + 20, size, 4);
    zip_put(line + 24, size, 4);
    zip_put(line + 28, length, 2);
    zip_put(line + 42, zip->size, 4);
    memcpy(header + 30, name, length);
    memcpy(line + 46, name, length);
    if (size > 0)
        memcpy(header + 30 + length, data, size);
    zip->header[zip->count] = zip->size;
    zip->line[zip->count++] = zip->lines_size;
    zip->size += 30 + length + size;
    zip->lines_size += 46 + length;
    return 1;
}

/* Appends the directory and the end's record. */
static inline void zip_finish(struct zip_file *zip) {
    zip->directory = zip->size;
    memcpy(zip->bytes + zip->size, zip->lines, zip->lines_size);
    zip->end = zip->size + zip->lines_size;
    unsigned char *record = zip->bytes + zip->end;
    memset(record, 0, 22);
    memcpy(record, "PK\5\6", 4);
    zip_put(record + 8, zip->count, 2);
    zip_put(record + 10, zip->count, 2);
    zip_put(record + 12, zip->lines_size, 4);
    zip_put(record + 16, zip->directory, 4);
    zip->size = zip->end + 22;
}

#endif
