/* The session handle: its memory, its depth, and a run in chunks. */
#include "vit/handle/private.h"

static tleg_status read_options(tleg_context *context, const tleg_session_options *host, int32_t *batch) {
    tleg_session_options own = {0};
    *batch = 1;
    if (!host)
        return TLEG_OK;
    tleg_status status = tleg_options_read(context, "tleg_session_options", host, &own, sizeof own, TLEG_LEAST_SESSION_OPTIONS);
    if (status == TLEG_OK && own.batch < 0)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "session: batch is %d, expected 1 or more", own.batch);
    if (status == TLEG_OK && own.batch)
        *batch = own.batch;
    return status;
}

tleg_status tleg_session_plan(tleg_context *context, const struct tleg_network *network, const tleg_session_options *options,
                              struct tleg_plan *plan) {
    int32_t batch;
    tleg_status status = read_options(context, options, &batch);
    return status != TLEG_OK ? status : tleg_plan_make(context, network, batch, tleg_team_lanes(context->team), plan);
}

tleg_status tleg_session_count(tleg_context *context, const struct tleg_network *network, const tleg_session_options *options,
                               uint64_t *bytes) {
    struct tleg_plan plan;
    const tleg_status status = tleg_session_plan(context, network, options, &plan);
    if (status == TLEG_OK)
        *bytes = plan.bytes;
    return status;
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
    session->condition = (float *)(void *)(memory + plan->condition);
    session->vectors = (float *)(void *)(memory + plan->vectors);
    session->state = memory + plan->state;
    session->exec.shared = memory + plan->shared;
    session->exec.lane = memory + plan->lane;
    session->exec.lane_bytes = plan->lane_bytes;
}

/* On failure what the session keeps for a depth is undefined. */
static tleg_status use_depth(struct tleg_error *error, struct tleg_session *session, int32_t depth) {
    const struct tleg_network *network = &session->network;
    const tleg_status status = network->set_depth ? network->set_depth(error, network->owner, depth, session->state) : TLEG_OK;
    if (status == TLEG_OK)
        session->depth = depth;
    return status;
}

/* All but the owner. */
static void free_session(tleg_session *session) {
    const struct tleg_allocator allocator = session->allocator;
    const size_t bytes = session->plan.bytes;
    tleg_team_free(session->exec.team);
    tleg_release(&allocator, session, bytes);
}

tleg_status tleg_session_make(tleg_context *context, const struct tleg_network *network, int32_t depth,
                              const tleg_session_options *options, void *owner, void (*release)(void *owner),
                              tleg_session **out) {
    struct tleg_plan plan;
    tleg_status status = check_depth(&context->error, network, depth);
    if (status == TLEG_OK)
        status = tleg_session_plan(context, network, options, &plan);
    if (status != TLEG_OK)
        return status;
    tleg_session *session = tleg_alloc(&context->allocator, plan.bytes);
    if (!session)
        return tleg_fail_memory(context, "session", plan.bytes);
    *session = (struct tleg_session){.allocator = context->allocator,
                                     .network = *network,
                                     .owner = owner,
                                     .release = release,
                                     .plan = plan,
                                     .exec = {.kernels = network->kernels,
                                              .blas = network->blas,
                                              .team = tleg_team_share(context->team),
                                              .lanes = tleg_team_lanes(context->team)}};
    session->exec.outcome = &session->outcome;
    place_buffers(session);
    status = use_depth(&context->error, session, depth);
    if (status == TLEG_OK)
        *out = session;
    else
        free_session(session);
    return status;
}

/* A session tells classes apart; what draws is run by generate.h's calls. */
tleg_status tleg_session_check_kind(struct tleg_error *error, const tleg_config *config) {
    if (!tleg_config_draws(config))
        return TLEG_OK;
    return tleg_error_set(error, TLEG_ERROR_ARGUMENT,
                          "session: expected a classifier, found a generator (a Diffusion Transformer): tleg_generator_create "
                          "runs it");
}

static void release_model(void *owner) {
    tleg_model_free(owner);
}

tleg_status tleg_session_over_first(tleg_context *context, const tleg_model *model, int32_t depth,
                                    const tleg_session_options *options, tleg_session **session) {
    struct tleg_network network;
    tleg_model_network(model, &network);
    network.least_depth = depth;
    tleg_model *owner = tleg_model_share(model);
    tleg_status status = tleg_session_make(context, &network, depth, options, owner, release_model, session);
    if (status != TLEG_OK)
        tleg_model_free(owner);
    return status;
}

tleg_status tleg_session_over(tleg_context *context, const tleg_model *model, const tleg_session_options *options,
                              tleg_session **session) {
    return tleg_session_over_first(context, model, model->config.c.depth, options, session);
}

TLEG_API tleg_status TLEG_CALL tleg_session_create(tleg_context *context, const tleg_model *model,
                                                   const tleg_session_options *options, tleg_session **session) {
    if (session)
        *session = NULL;
    if (!context || !model || !session)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_session_create: a pointer is NULL");
    const tleg_status status = tleg_session_check_kind(&context->error, &model->config.c);
    return status != TLEG_OK ? status : tleg_session_over(context, model, options, session);
}

TLEG_API tleg_status TLEG_CALL tleg_session_get_memory(tleg_context *context, const tleg_model *model,
                                                       const tleg_session_options *options, uint64_t *bytes) {
    if (bytes)
        *bytes = 0;
    if (!context || !model || !bytes)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_session_get_memory: a pointer is NULL");
    struct tleg_network network;
    const tleg_status kind = tleg_session_check_kind(&context->error, &model->config.c);
    if (kind != TLEG_OK)
        return kind;
    tleg_model_network(model, &network);
    return tleg_session_count(context, &network, options, bytes);
}

TLEG_API tleg_status TLEG_CALL tleg_session_set_depth(tleg_session *session, int32_t depth) {
    if (!session)
        return TLEG_ERROR_ARGUMENT;
    if (!session->network.set_depth)
        return tleg_error_set(&session->error, TLEG_ERROR_STATE, "this session runs a model: its depth is %d for good",
                              session->depth);
    tleg_status status = check_depth(&session->error, &session->network, depth);
    if (status == TLEG_OK)
        status = use_depth(&session->error, session, depth);
    if (status == TLEG_ERROR_NUMERIC)
        (void)use_depth(NULL, session, session->depth);
    return status;
}

/* ---- what a session is ---- */

static tleg_session_info describe(const tleg_session *session) {
    const tleg_config *config = session->network.config;
    const bool elastic = session->network.set_depth != NULL;
    return (tleg_session_info){.elastic = elastic,
                               .depth = session->depth,
                               .least_depth = elastic ? session->network.least_depth : session->depth,
                               .most_depth = elastic ? session->network.most_depth : session->depth,
                               .batch = (int32_t)session->plan.shape.batch,
                               .image_floats = (uint64_t)tleg_config_image(config),
                               .logit_floats = (uint64_t)config->classes,
                               .feature_floats = (uint64_t)tleg_config_features(config),
                               .bytes = session->plan.bytes};
}

TLEG_API tleg_status TLEG_CALL tleg_session_get_info(tleg_context *context, const tleg_session *session,
                                                     tleg_session_info *info) {
    if (!session)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_session_get_info: session is NULL");
    const tleg_session_info own = describe(session);
    return tleg_info_write(context, "tleg_session_info", &own, sizeof own, info, TLEG_LEAST_SESSION_INFO);
}

/* ---- a run ---- */

/* One array of a run: `each` floats an image. */
static tleg_status check_floats(struct tleg_error *error, const char *name, const float *values, size_t floats, int64_t batch,
                                uint64_t each) {
    if (!values && floats > 0)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "run: %s is NULL, but %zu floats are said to be there", name, floats);
    if (!values)
        return TLEG_OK;
    if (each == 0)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "run: %s: expected NULL: this model has no head", name);
    if ((uintptr_t)values % sizeof(float) != 0)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "run: %s is not aligned to %zu", name, sizeof(float));
    if (floats / each < (uint64_t)batch)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "run: %s has %zu floats, expected %lld times %llu", name, floats,
                              (long long)batch, (unsigned long long)each);
    return TLEG_OK;
}

/* The images from `first` on, `count` of them. */
static struct tleg_run part_of(const tleg_config *config, const struct tleg_run *run, int64_t first, int64_t count) {
    struct tleg_run part = *run;
    part.batch = count;
    part.images += first * tleg_config_image(config);
    if (run->asked.times)
        part.asked.times += first;
    if (run->asked.labels)
        part.asked.labels += first;
    if (run->out)
        part.out += first * tleg_config_outputs(config);
    if (run->features)
        part.features += first * tleg_config_features(config);
    return part;
}

/* Part by part. */
tleg_status tleg_session_go(tleg_session *session, const struct tleg_run *run) {
    const int64_t most = session->plan.shape.batch;
    session->outcome = (struct tleg_team_outcome){.status = TLEG_OK};
    for (int64_t done = 0; done < run->batch; done += most) {
        const int64_t count = run->batch - done < most ? run->batch - done : most;
        const struct tleg_run part = part_of(session->network.config, run, done, count);
        const bool finished = tleg_session_run_chunk(session, &part);
        if (session->outcome.status != TLEG_OK)
            return tleg_team_report(&session->error, &session->outcome);
        if (!finished)
            return tleg_error_set(&session->error, TLEG_ERROR_CANCELLED, "run: cancelled");
    }
    return TLEG_OK;
}

void tleg_session_begin(tleg_session *session) {
    atomic_store(&session->cancel, 0);
}

TLEG_API tleg_status TLEG_CALL tleg_session_run(tleg_session *session, int64_t batch, const float *images, size_t image_floats,
                                                float *logits, size_t logit_floats, float *features, size_t feature_floats) {
    if (!session)
        return TLEG_ERROR_ARGUMENT;
    tleg_session_begin(session);
    if (!images || batch < 1)
        return tleg_error_set(&session->error, TLEG_ERROR_ARGUMENT, "run: %s",
                              images ? "batch is less than 1" : "images is NULL");
    const tleg_session_info info = describe(session);
    tleg_status status = check_floats(&session->error, "images", images, image_floats, batch, info.image_floats);
    if (status == TLEG_OK)
        status = check_floats(&session->error, "logits", logits, logit_floats, batch, info.logit_floats);
    if (status == TLEG_OK)
        status = check_floats(&session->error, "features", features, feature_floats, batch, info.feature_floats);
    return status != TLEG_OK
               ? status
               : tleg_session_go(session,
                                 &(struct tleg_run){.images = images, .out = logits, .features = features, .batch = batch});
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
    session->release(session->owner);
    free_session(session);
}
