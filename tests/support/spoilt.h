/* A file of the library's with a number of the test's own in a tensor. */
#ifndef TLEG_TESTS_SPOILT_H
#define TLEG_TESTS_SPOILT_H

#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file in memory, to be spoilt. */
struct spoilt {
    unsigned char *bytes;
    size_t size;
};

static inline struct spoilt spoilt_file(const char *path) {
    struct spoilt file;
    file.bytes = support_read_file(path, &file.size);
    return file;
}

/* Number 1 of a tensor of f32. */
static inline void spoilt_put(const struct spoilt *file, const char *name, float number) {
    uint64_t length;
    char key[96];
    memcpy(&length, file->bytes, sizeof length);
    char *header = calloc(1, (size_t)length + 1);
    assert_non_null(header);
    memcpy(header, file->bytes + sizeof length, (size_t)length);
    snprintf(key, sizeof key, "\"%s\"", name);
    const char *at = strstr(header, key);
    assert_non_null(at);
    at = strstr(at, "data_offsets\":[");
    assert_non_null(at);
    const size_t offset = strtoul(strchr(at, '[') + 1, NULL, 10) + sizeof number;
    memcpy(file->bytes + sizeof length + length + offset, &number, sizeof number);
    free(header);
}

#endif
