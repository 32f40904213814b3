/* What the suites of the format room share: a context whose allocations are counted, files built byte by byte, and a directory
 * of their own. */
#ifndef TLEG_TESTS_CONTAINERS_H
#define TLEG_TESTS_CONTAINERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after the headers that it needs */
#include <cmocka.h>

#include "format/format.h"
#include "support/counter.h"
#include "support/open_with.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct counter counter;
static tleg_context *context;
static char scratch[64];

static inline int set_up(void **state) {
    (void)state;
    support_counter(&counter);
    tleg_context_options options = support_counted(&counter);
    strcpy(scratch, "/tmp/tleg-format-XXXXXX");
    return tleg_context_create(&options, &context) != TLEG_OK || !mkdtemp(scratch);
}

/* Removes what a test wrote; the number of files that were there. */
static inline int clean_scratch(void) {
    int count = 0;
    DIR *directory = opendir(scratch);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", scratch, entry->d_name);
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
        if (unlink(path) != 0)
            rmdir(path);
    }
    closedir(directory);
    return count;
}

/* Every handle is freed by now: nothing may be left. */
static inline int tear_down(void **state) {
    (void)state;
    tleg_context_free(context);
    clean_scratch();
    return rmdir(scratch) != 0 || counter.live != 0 || counter.wrong != 0;
}

/* NAME in the scratch directory. */
static inline const char *in_scratch(const char *name) {
    static char paths[4][400];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

static inline const char *write_scratch(const char *name, const void *bytes, size_t size) {
    const char *path = in_scratch(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    return path;
}

/* A file: the length of the JSON, the JSON, then data bytes 0, 1, 2, ... (modulo 256). Free with free(). */
static inline unsigned char *container(const char *json, size_t data, size_t *size) {
    size_t length = strlen(json);
    *size = 8 + length + data;
    unsigned char *bytes = malloc(*size);
    assert_non_null(bytes);
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)length >> 8 * i);
    memcpy(bytes + 8, json, length);
    for (size_t i = 0; i < data; i++)
        bytes[8 + length + i] = (unsigned char)i;
    return bytes;
}

static inline void assert_contains(const char *text, const char *part) {
    if (part[0] != 0 && !strstr(text, part))
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

static inline void assert_error(tleg_status found, tleg_status expected, const char *part) {
    if (found != expected)
        fail_msg("%s, not %s: %s", tleg_status_name(found), tleg_status_name(expected), tleg_context_get_error(context));
    assert_contains(tleg_context_get_error(context), part);
}

#define OK(call) assert_error(call, TLEG_OK, "")

#endif
