/* The session handle: its memory, its depth, and a run in chunks. */
#include "vit/handle/private.h"

static tleg_status read_options(tleg_context *context, const tleg_session_options *host, int32_t *batch) {
    tleg_session_options own = {0};
    *batch = 1;
    if (!host)
        return TLEG_OK;
    tleg_status status = tleg_options_read(context, "tleg_session_options", host, &own, sizeof own, TLEG_STRUCT_LEAST);
    if (!status && own.batch < 0)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "session: batch is %d, expected 1 or more", own.batch);
    if (!status && own.batch)
        *batch = own.batch;
    return status;
}

tleg_status tleg_session_plan(tleg_context *context, const struct tleg_network *network, const tleg_session_options *options,
                              struct tleg_plan *plan) {
    int32_t batch;
    tleg_status status = read_options(context, options, &batch);
    return status ? status : tleg_plan_make(context, network, batch, tleg_team_lanes(context->team), plan);
}

static tleg_status check_depth(struct tleg_error *error, const struct tleg_network *network, int32_t depth) {
    if (depth >= network->least_depth && depth <= network->most_depth)
        return TLEG_OK;
    return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "depth is %d, expected %d to %d", depth, network->least_depth,
                          network->most_depth);
}

static void place_buffers(struct tleg_session *session) {
    char *memory = (char *)session;
    const struct tleg_plan *plan = &session->plan;
    session->x = (float *)(void *)(memory + plan->x);
    session->activations = (float *)(void *)(memory + plan->activations);
    session->pooled = (float *)(void *)(memory + plan->pooled);
    session->logits = (float *)(void *)(memory + plan->logits);
    session->vectors = (float *)(void *)(memory + plan->vectors);
    session->state = memory + plan->state;
    session->exec.shared = memory + plan->shared;
    session->exec.lane = memory + plan->lane;
    session->exec.lane_bytes = plan->lane_bytes;
}

static void use_depth(struct tleg_session *session, int32_t depth) {
    session->depth = depth;
    if (session->network.set_depth)
        session->network.set_depth(session->network.owner, depth, session->state);
}

tleg_status tleg_session_make(tleg_context *context, const struct tleg_network *network, int32_t depth,
                              const tleg_session_options *options, void *owner, void (*release)(void *owner),
                              tleg_session **out) {
    struct tleg_plan plan;
    tleg_status status = check_depth(&context->error, network, depth);
    if (!status)
        status = tleg_session_plan(context, network, options, &plan);
    if (status)
        return status;
    tleg_session *session = tleg_alloc(&context->allocator, plan.bytes);
    if (!session)
        return tleg_fail_memory(context, "session", plan.bytes);
    *session = (struct tleg_session){
        .allocator = context->allocator,
        .network = *network,
        .owner = owner,
        .release = release,
        .plan = plan,
        .exec = {.kernels = network->kernels, .team = tleg_team_share(context->team), .lanes = tleg_team_lanes(context->team)}};
    place_buffers(session);
    use_depth(session, depth);
    *out = session;
    return TLEG_OK;
}

static void release_model(void *owner) {
    tleg_model_free(owner);
}

TLEG_API tleg_status TLEG_CALL tleg_session_create(tleg_context *context, const tleg_model *model,
                                                   const tleg_session_options *options, tleg_session **session) {
    if (session)
        *session = NULL;
    if (!context || !model || !session)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_session_create: a pointer is NULL");
    struct tleg_network network;
    tleg_model_network(model, &network);
    tleg_model *owner = tleg_model_share(model);
    tleg_status status = tleg_session_make(context, &network, model->config.c.depth, options, owner, release_model, session);
    if (status)
        tleg_model_free(owner);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_session_set_depth(tleg_session *session, int32_t depth) {
    if (!session)
        return TLEG_ERROR_ARGUMENT;
    if (!session->network.set_depth)
        return tleg_error_set(&session->error, TLEG_ERROR_STATE, "this session runs a model: its depth is %d for good",
                              session->depth);
    tleg_status status = check_depth(&session->error, &session->network, depth);
    if (!status)
        use_depth(session, depth);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_session_run(tleg_session *session, const float *images, int64_t batch, float *logits,
                                                float *features) {
    if (!session)
        return TLEG_ERROR_ARGUMENT;
    if (!images || batch < 1)
        return tleg_error_set(&session->error, TLEG_ERROR_ARGUMENT, "run: %s",
                              images ? "batch is less than 1" : "images is NULL");
    const tleg_config *config = session->network.config;
    int64_t image = 3 * (int64_t)config->image_size * config->image_size, most = session->plan.shape.batch;
    for (int64_t done = 0; done < batch; done += most) {
        int64_t part = batch - done < most ? batch - done : most;
        if (!tleg_session_run_chunk(session, images + done * image, part, logits ? logits + done * config->classes : NULL,
                                    features ? features + done * config->dim : NULL)) {
            atomic_store(&session->cancel, 0);
            return tleg_error_set(&session->error, TLEG_ERROR_CANCELLED, "run: cancelled");
        }
    }
    return TLEG_OK;
}

TLEG_API const char *TLEG_CALL tleg_session_get_error(const tleg_session *session) {
    return session ? session->error.text : "the session is NULL";
}

TLEG_API void TLEG_CALL tleg_session_cancel(tleg_session *session) {
    if (session)
        atomic_store(&session->cancel, 1);
}

TLEG_API void TLEG_CALL tleg_session_free(tleg_session *session) {
    if (!session)
        return;
    struct tleg_allocator allocator = session->allocator;
    size_t bytes = session->plan.bytes;
    tleg_team_free(session->exec.team);
    session->release(session->owner);
    tleg_release(&allocator, session, bytes);
}
