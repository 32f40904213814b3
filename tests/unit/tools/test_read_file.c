/* Whole files, as the command reads them. Compiled with tools/base/read_file.c. */
#include "support/support.h"

#include "base/read_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file of `size` bytes that count up from 1. */
static const char *write_counting(size_t size) {
    const char *path = support_scratch("counting");
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (size_t i = 0; i < size; i++)
        assert_int_not_equal(putc((int)(i % 255) + 1, file), EOF);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void reads(size_t file_size, size_t limit) {
    char reason[READ_REASON] = "";
    size_t size = 0;
    uint8_t *bytes = read_file(write_counting(file_size), limit, &size, reason);
    assert_non_null(bytes);
    assert_int_equal(size, file_size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], i % 255 + 1);
    assert_int_equal(bytes[size], 0);
    free(bytes);
}

static void refuses(const char *path, size_t limit, const char *why) {
    char reason[READ_REASON] = "";
    size_t size;
    assert_null(read_file(path, limit, &size, reason));
    assert_non_null(strstr(reason, why));
}

static void a_file_of_any_size_up_to_the_limit_is_read_whole(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, READ_START - 1, READ_START, READ_START + 1, 2 * READ_START, 300001};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        reads(sizes[i], SIZE_MAX / 4);
        reads(sizes[i], sizes[i]);
        reads(sizes[i], sizes[i] + 1);
    }
}

static void a_larger_file_is_refused(void **state) {
    (void)state;
    refuses(write_counting(1), 0, "exceeds the limit of 0 bytes");
    refuses(write_counting(READ_START), READ_START - 1, "exceeds the limit of 65535 bytes");
    refuses(write_counting(READ_START + 1), READ_START, "exceeds the limit of 65536 bytes");
    refuses(write_counting(300001), 300000, "exceeds the limit of 300000 bytes");
}

static void what_cannot_be_read_is_refused_with_the_systems_reason(void **state) {
    (void)state;
    refuses(support_scratch("not there"), 10, "cannot open: No such file");
    refuses(TLEG_FIXTURES, 10, "cannot read: Is a directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_any_size_up_to_the_limit_is_read_whole),
        cmocka_unit_test(a_larger_file_is_refused),
        cmocka_unit_test(what_cannot_be_read_is_refused_with_the_systems_reason),
    };
    return cmocka_run_group_tests_name("read_file", tests, NULL, support_clean);
}
