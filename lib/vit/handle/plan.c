/* Lays out a session's memory. The query and the allocation both come here, so that the query is exact. */
#include "vit/handle/private.h"

tleg_status tleg_plan_make(tleg_context *context, const struct tleg_network *network, int32_t batch, int32_t lanes,
                           struct tleg_plan *plan) {
    const tleg_config *config = network->config;
    struct tleg_block_shape *shape = &plan->shape;
    *shape = tleg_block_shape_make(config, batch, tleg_config_tokens(config), config->dtype);
    struct tleg_scratch scratch = tleg_block_scratch(network->kernels, shape);
    tleg_scratch_join(&scratch, network->ends->scratch(network->kernels, config, config->dtype, batch, false));
    const int64_t x_shape[] = {batch, shape->tokens, config->dim},
                  pooled_shape[] = {batch, tleg_config_readouts(config), tleg_config_features(config)},
                  logits_shape[] = {batch, config->classes};
    const struct tleg_conditions *conditions = network->ends->conditions;
    const size_t condition = conditions ? conditions->floats(config, batch, false) : 0;
    const size_t room = network->ends->room(config, batch, false),
                 activations = tleg_block_activations(network->kernels, shape);
    size_t x, pooled, logits;
    if (!tleg_size_product(x_shape, 3, &x) || !tleg_size_product(pooled_shape, 3, &pooled) ||
        !tleg_size_product(logits_shape, 2, &logits))
        return tleg_fail_memory(context, "session", SIZE_MAX);
    size_t end = sizeof(struct tleg_session);
    plan->x = tleg_place(&end, x, sizeof(float));
    plan->activations = tleg_place(&end, activations > room ? activations : room, sizeof(float));
    plan->pooled = tleg_place(&end, conditions ? 0 : pooled, sizeof(float));
    plan->logits = tleg_place(&end, config->distillation_token ? logits : 0, sizeof(float));
    plan->condition = tleg_place(&end, condition, sizeof(float));
    plan->vectors = tleg_place(&end, network->vectors, sizeof(float));
    plan->state = tleg_place(&end, network->state_bytes, 1);
    plan->shared = tleg_place(&end, scratch.shared, 1);
    plan->lane = tleg_place(&end, scratch.lane, (size_t)lanes);
    plan->lane_bytes = scratch.lane;
    plan->bytes = end;
    return end == SIZE_MAX ? tleg_fail_memory(context, "session", SIZE_MAX) : TLEG_OK;
}
