/* A host's allocator that counts what is live, checks what comes back and fails on request. */
#ifndef TLEG_TESTS_COUNTER_H
#define TLEG_TESTS_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>
#include <tleg/core.h>

struct counter {
    atomic_llong calls, live, live_bytes, peak_bytes, total_bytes;
    atomic_llong fail_at; /* the call that gives NULL, from 1; 0: none */
    atomic_int wrong;     /* blocks that came back with another size, align or address */
};
void support_counter(struct counter *counter);
/* Options of a context that allocates through the counter. */
tleg_context_options support_counted(struct counter *counter);

#endif
