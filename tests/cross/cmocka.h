/* The part of cmocka that the suites use, for a processor other than this machine's: Debian has cmocka for it only as a second
 * architecture of the whole system. Same names, same meanings; cmocka.c. */
#ifndef TLEG_TESTS_CMOCKA_H
#define TLEG_TESTS_CMOCKA_H

#include <stdint.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
};
#define cmocka_unit_test(function)                                                                                             \
    { #function, function }
#define cmocka_run_group_tests(tests, setup, teardown) cmocka_run_group_tests_name(#tests, tests, setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown)                                                              \
    cross_run(name, tests, sizeof(tests) / sizeof(tests)[0], setup, teardown)
void cmocka_set_test_filter(const char *pattern);

#define fail() _fail(__FILE__, __LINE__)
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))
#define skip() cross_skip()

#define assert_true(x) cross_true((x) ? 1 : 0, #x, __FILE__, __LINE__)
#define assert_false(x) cross_true((x) ? 0 : 1, "not " #x, __FILE__, __LINE__)
#define assert_null(x) assert_true((x) == NULL)
#define assert_non_null(x) assert_true((x) != NULL)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_int_equal(a, b) cross_int_equal((uintmax_t)(a), (uintmax_t)(b), __FILE__, __LINE__)
#define assert_in_range(x, least, most)                                                                                        \
    cross_in_range((uintmax_t)(x), (uintmax_t)(least), (uintmax_t)(most), __FILE__, __LINE__)
#define assert_string_equal(a, b) cross_string_equal(a, b, __FILE__, __LINE__)
#define assert_memory_equal(a, b, size) assert_true(memcmp(a, b, size) == 0)
#define assert_memory_not_equal(a, b, size) assert_true(memcmp(a, b, size) != 0)

int cross_run(const char *group, const struct CMUnitTest *tests, size_t count, int (*setup)(void **), int (*teardown)(void **));
void cross_true(int is_true, const char *text, const char *file, int line);
void cross_int_equal(uintmax_t a, uintmax_t b, const char *file, int line);
void cross_in_range(uintmax_t x, uintmax_t least, uintmax_t most, const char *file, int line);
void cross_string_equal(const char *a, const char *b, const char *file, int line);
__attribute__((noreturn)) void cross_skip(void);
__attribute__((noreturn)) void _fail(const char *file, int line);
__attribute__((format(printf, 1, 2))) void print_message(const char *format, ...);
__attribute__((format(printf, 1, 2))) void print_error(const char *format, ...);

#endif
