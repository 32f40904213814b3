/* Tests that a machine cannot run say so by name: run.sh collects and counts the lines that begin with SKIP. */
#ifndef TLEG_TESTS_SKIP_H
#define TLEG_TESTS_SKIP_H

/* After <setjmp.h>, <stdarg.h>, <stddef.h>, <stdint.h> and <cmocka.h>. */

/* Says why the test under way, or the part of it that `format` names, is left out. */
#define SKIP_PART(format, ...) print_message("SKIP %s: " format "\n", __func__, __VA_ARGS__)
/* Ends the test under way. */
#define SKIP(why)                                                                                                              \
    do {                                                                                                                       \
        SKIP_PART("%s", why);                                                                                                  \
        skip();                                                                                                                \
    } while (0)

#endif
