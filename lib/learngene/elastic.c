/* Sessions over an expander, and what they would allocate. */
#include "learngene/expander.h"

static void release_expander(void *owner) {
    tleg_expander_free(owner);
}

tleg_status tleg_session_over_expander(tleg_context *context, const tleg_expander *expander, int32_t depth,
                                       const tleg_session_options *options, tleg_session **session) {
    struct tleg_network network;
    tleg_expander_network(expander, &network);
    tleg_expander *owner = tleg_expander_share(expander);
    tleg_status status = tleg_session_make(context, &network, depth, options, owner, release_expander, session);
    if (status != TLEG_OK)
        tleg_expander_free(owner);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_session_create_elastic(tleg_context *context, const tleg_expander *expander, int32_t depth,
                                                           const tleg_session_options *options, tleg_session **session) {
    if (session)
        *session = NULL;
    if (!context || !expander || !session)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_session_create_elastic: a pointer is NULL");
    const tleg_status status = tleg_session_check_kind(&context->error, &expander->config.c);
    return status != TLEG_OK ? status : tleg_session_over_expander(context, expander, depth, options, session);
}

TLEG_API tleg_status TLEG_CALL tleg_session_get_elastic_memory(tleg_context *context, const tleg_expander *expander,
                                                               const tleg_session_options *options, uint64_t *bytes) {
    if (bytes)
        *bytes = 0;
    if (!context || !expander || !bytes)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_session_get_elastic_memory: a pointer is NULL");
    struct tleg_network network;
    const tleg_status kind = tleg_session_check_kind(&context->error, &expander->config.c);
    if (kind != TLEG_OK)
        return kind;
    tleg_expander_network(expander, &network);
    return tleg_session_count(context, &network, options, bytes);
}
