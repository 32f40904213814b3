/* What a Diffusion Transformer has in place of a classifier's ends, and the scratch that it takes. */
#include "dit/pass/private.h"

/* A patch's numbers, for each token of a batch. */
static size_t room(const tleg_config *config, int64_t batch, bool backward) {
    const int64_t patch = config->patch_size,
                  shape[] = {batch, tleg_config_tokens(config), tleg_config_drawn(config) * patch * patch};
    size_t count;
    (void)backward;
    return tleg_size_product(shape, 3, &count) ? count : SIZE_MAX;
}

/* A product (m, k) by W (n, k), in one direction or both. */
static void join(struct tleg_scratch *most, const struct tleg_kernels *kernels, int32_t dtype, bool backward, int64_t m,
                 int64_t n, int64_t k) {
    tleg_scratch_join(most, tleg_gemm_scratch(kernels, dtype, m, n, k));
    if (!backward)
        return;
    tleg_scratch_join(most, tleg_gemm_scratch(kernels, dtype, m, k, n));
    tleg_scratch_join(most, tleg_weight_backward_scratch(kernels, dtype, m, n, k));
}

static struct tleg_scratch scratch(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype, int64_t batch,
                                   bool backward) {
    const int64_t tokens = tleg_config_tokens(config), dim = config->dim, patch = config->patch_size;
    struct tleg_scratch most = {0};
    join(&most, kernels, dtype, backward, tokens, dim, tleg_config_patch_numbers(config));
    join(&most, kernels, dtype, backward, batch, dim, 2 * TLEG_TIME_WAVES);
    join(&most, kernels, dtype, backward, batch, dim, dim);
    join(&most, kernels, dtype, backward, batch, TLEG_MODULATED * dim, dim);
    join(&most, kernels, dtype, backward, batch, TLEG_MODULATED_LAST * dim, dim);
    join(&most, kernels, dtype, backward, batch * tokens, tleg_config_drawn(config) * patch * patch, dim);
    if (backward)
        tleg_scratch_join(&most, tleg_layernorm_backward_scratch(kernels, batch * tokens, dim));
    return most;
}

static const struct tleg_conditions conditions = {.floats = tleg_condition_floats,
                                                  .form = tleg_condition_form,
                                                  .modulate = tleg_modulate,
                                                  .finish = tleg_finish,
                                                  .finish_backward = TLEG_BACKWARD(tleg_finish_backward),
                                                  .aim = TLEG_BACKWARD(tleg_modulate_aim),
                                                  .modulate_backward = TLEG_BACKWARD(tleg_modulate_backward),
                                                  .form_backward = TLEG_BACKWARD(tleg_condition_form_backward)};

const struct tleg_ends tleg_generator_ends = {.embed = tleg_embed,
                                              .embed_backward = TLEG_BACKWARD(tleg_embed_backward),
                                              .scratch = scratch,
                                              .room = room,
                                              .conditions = &conditions};
