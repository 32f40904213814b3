/* A suite that needs one context, whose notes are kept. */
#ifndef TLEG_TESTS_NOTED_CONTEXT_H
#define TLEG_TESTS_NOTED_CONTEXT_H

#include "support/notes.h"
#include "support/support.h"

static tleg_context *context;

static inline int setup(void **state) {
    (void)state;
    const tleg_context_options options = {.struct_size = sizeof options, .log = take_note};
    return tleg_context_create(&options, &context);
}

static inline int teardown(void **state) {
    (void)state;
    tleg_context_free(context);
    return 0;
}

#endif
