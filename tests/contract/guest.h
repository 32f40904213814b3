/* What the suites of guests share: a walk with a context of its own, and what it gives in a plain host. */
#ifndef TLEG_TESTS_GUEST_H
#define TLEG_TESTS_GUEST_H

#include "contract/every_call.h"
#include "support/support.h"

#include <stdio.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

/* The directory in which a walk writes. */
static inline void guest_scratch(struct visit *v) {
    snprintf(v->scratch, sizeof(v->scratch), "%s", support_scratch("."));
}

/* A whole walk with these options: its status; its digest of all results in *digest. Never measures time. */
static inline tleg_status guest_walk(const tleg_context_options *options, uint64_t *digest) {
    struct visit visit = {.in_a_hurry = true};
    guest_scratch(&visit);
    tleg_status status = tleg_context_create(options, &visit.context);
    if (status == TLEG_OK)
        status = visit_all(&visit);
    if (status != TLEG_OK)
        print_message("the walk ended at '%s' with %s: %s\n", visit.at ? visit.at : "start", tleg_status_name(status),
                      tleg_context_get_error(visit.context));
    *digest = visit.digest;
    visit_close(&visit);
    tleg_context_free(visit.context);
    return status;
}

static inline tleg_context_options guest_options(const struct backend *backend, int32_t workers) {
    return (tleg_context_options){.struct_size = sizeof(tleg_context_options),
                                  .level = backend->level,
                                  .gemm = backend->gemm,
                                  .sgemm = support_sgemm,
                                  .workers = workers};
}

/* The digest of a walk that must go well. */
static inline uint64_t guest_digest(const struct backend *backend, int32_t workers) {
    const tleg_context_options options = guest_options(backend, workers);
    uint64_t digest = 0;
    assert_int_equal(guest_walk(&options, &digest), TLEG_OK);
    return digest;
}

#endif
