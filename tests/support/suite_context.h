/* A suite that needs one context, made before its tests and freed after them. */
#ifndef TLEG_TESTS_SUITE_CONTEXT_H
#define TLEG_TESTS_SUITE_CONTEXT_H

#include "support/support.h"

static tleg_context *context;

static inline int prepare(void **state) {
    (void)state;
    return tleg_context_create(NULL, &context);
}

static inline int clean(void **state) {
    (void)state;
    tleg_context_free(context);
    support_clean(NULL);
    return 0;
}

#endif
