/* Runs a suite where there is no cmocka. A test that fails or is skipped jumps back to the one who runs it. */
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* after the headers that it needs */
#include <cmocka.h>

enum outcome { PASSED, FAILED, SKIPPED, OUTCOMES };

static const char *filter;
static jmp_buf runner;
static int running; /* a failure outside of a test ends the program */

void cmocka_set_test_filter(const char *pattern) {
    filter = pattern;
}

void print_message(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}

void print_error(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
}

void _fail(const char *file, int line) {
    print_error("%s:%d: failed\n", file, line);
    if (!running)
        exit(EXIT_FAILURE);
    longjmp(runner, FAILED);
}

void cross_skip(void) {
    longjmp(runner, SKIPPED);
}

void cross_true(int is_true, const char *text, const char *file, int line) {
    if (is_true)
        return;
    print_error("%s\n", text);
    _fail(file, line);
}

void cross_int_equal(uintmax_t a, uintmax_t b, const char *file, int line) {
    if (a == b)
        return;
    print_error("%#jx != %#jx\n", a, b);
    _fail(file, line);
}

void cross_in_range(uintmax_t x, uintmax_t least, uintmax_t most, const char *file, int line) {
    if (x >= least && x <= most)
        return;
    print_error("%#jx is not from %#jx to %#jx\n", x, least, most);
    _fail(file, line);
}

void cross_string_equal(const char *a, const char *b, const char *file, int line) {
    if (strcmp(a, b) == 0)
        return;
    print_error("\"%s\" != \"%s\"\n", a, b);
    _fail(file, line);
}

static enum outcome run_one(const struct CMUnitTest *test, void **state) {
    running = 1;
    enum outcome outcome = PASSED;
    switch (setjmp(runner)) {
    case 0:
        test->test(state);
        break;
    case SKIPPED:
        outcome = SKIPPED;
        break;
    default:
        outcome = FAILED;
    }
    running = 0;
    return outcome;
}

int cross_run(const char *group, const struct CMUnitTest *tests, size_t count, int (*setup)(void **),
              int (*teardown)(void **)) {
    static const char *const words[] = {"       OK", "   FAILED", "  SKIPPED"};
    void *state = NULL;
    int outcomes[OUTCOMES] = {0};
    int prepared = !setup || setup(&state) == 0;
    for (size_t i = 0; prepared && i < count; i++) {
        if (filter && fnmatch(filter, tests[i].name, 0) != 0)
            continue;
        print_message("[ RUN      ] %s\n", tests[i].name);
        fflush(stdout);
        enum outcome outcome = run_one(&tests[i], &state);
        outcomes[outcome]++;
        print_message("[ %s ] %s\n", words[outcome], tests[i].name);
    }
    int cleaned = prepared && (!teardown || teardown(&state) == 0);
    if (outcomes[PASSED] + outcomes[FAILED] + outcomes[SKIPPED] == 0) /* a pattern that matches none has tested nothing */
        outcomes[FAILED] = 1;
    print_message("%s: %d passed, %d failed, %d skipped\n", group, outcomes[PASSED], outcomes[FAILED], outcomes[SKIPPED]);
    return cleaned ? outcomes[FAILED] : 1;
}
