/* One chunk of images through the whole network: what is before the blocks, the blocks, what is after them. */
#include "vit/handle/private.h"

#include <string.h>

static bool cancelled(struct tleg_session *session) {
    return atomic_load_explicit(&session->cancel, memory_order_relaxed) != 0;
}

static bool run_blocks(struct tleg_session *session, const struct tleg_block_shape *shape) {
    const struct tleg_network *network = &session->network;
    struct tleg_block_places places;
    tleg_block_place(network->kernels, shape, session->activations, session->x, &places);
    for (int32_t l = 0; l < session->depth; l++) {
        if (cancelled(session))
            return false;
        struct tleg_layer layer;
        network->get(network->owner, session->state, l, session->vectors, &layer);
        if (network->ends->conditions)
            network->ends->conditions->modulate(&session->exec, network->config, shape->batch, session->condition, &layer);
        tleg_block_pass(&session->exec, shape, &layer, (struct tleg_branch_scales){0}, session->x, &places, session->x);
    }
    return true;
}

static void average(size_t count, float *a, const float *b) {
    for (size_t i = 0; i < count; i++)
        a[i] = (a[i] + b[i]) / 2;
}

/* logits (B, C): of the one head, or the mean of both. */
static void read_out(const struct tleg_session *session, int64_t batch, float *logits) {
    const struct tleg_network *network = &session->network;
    const int64_t classes = network->config->classes, dim = tleg_config_features(network->config);
    network->ends->read_out(&session->exec, network->outer, 0, batch, session->pooled, logits);
    for (int h = 1; h < tleg_config_readouts(network->config); h++) {
        network->ends->read_out(&session->exec, network->outer, h, batch, session->pooled + h * batch * dim, session->logits);
        average((size_t)(batch * classes), logits, session->logits);
    }
}

/* Logits and features of the last block's output. */
static void tell(const struct tleg_session *session, int64_t batch, float *logits, float *features) {
    const struct tleg_network *network = &session->network;
    const size_t count = (size_t)(batch * tleg_config_features(network->config));
    network->ends->pool(&session->exec, network->config, network->outer, batch, session->x,
                        &(struct tleg_pooled){.out = session->pooled, .room = session->activations});
    if (logits)
        read_out(session, batch, logits);
    if (features) {
        for (int h = 1; h < tleg_config_readouts(network->config); h++)
            average(count, session->pooled, session->pooled + (size_t)h * count);
        memcpy(features, session->pooled, count * sizeof(float));
    }
}

bool tleg_session_run_chunk(struct tleg_session *session, const struct tleg_run *run) {
    const struct tleg_network *network = &session->network;
    const struct tleg_ends *ends = network->ends;
    struct tleg_block_shape shape = session->plan.shape;
    shape.batch = run->batch;
    shape.angles = network->outer ? network->outer->angles : NULL;
    if (ends->conditions)
        ends->conditions->form(&session->exec, network->config, network->outer, &run->asked, run->batch, session->condition);
    ends->embed(&session->exec, network->config, network->outer, run->images, run->batch, session->x);
    if (!run_blocks(session, &shape))
        return false;
    if (!ends->conditions)
        tell(session, run->batch, run->out, run->features);
    else if (run->out)
        ends->conditions->finish(&session->exec, network->config, network->outer, run->batch, session->condition, session->x,
                                 session->activations, run->out);
    return true;
}
