/* From images to the first block's input, and back. */
#include "vit/pass/pass.h"

/* The tokens before the patches. */
struct tokens {
    const float *rows; /* (count, D) */
    int32_t count;
};
enum { KINDS = 3 };

void tleg_embed_tokens(const tleg_config *config, const struct tleg_outer_weights *outer, float *x) {
    const struct tokens tokens[KINDS] = {
        {outer->cls, config->class_token}, {outer->dist, config->distillation_token}, {outer->registers, config->registers}};
    const int64_t placed = tleg_config_placed(config) * (int64_t)config->dim;
    int64_t at = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        const int64_t count = tokens[kind].count * (int64_t)config->dim;
        for (int64_t i = 0; i < count; i++, at++)
            x[at] = at < placed ? tokens[kind].rows[i] + outer->pos[at] : tokens[kind].rows[i];
    }
}

static struct tleg_rows patch_rows(const tleg_config *config, const float *image) {
    return (struct tleg_rows){.kind = TLEG_ROWS_PATCHES,
                              .x = tleg_view_f32(image, 0),
                              .standard = config->pixel_norm,
                              .eps = (float)config->eps,
                              .image = tleg_config_pixels(config),
                              .patch = tleg_config_patch(config)};
}

/* The patches of one image, embedded, to x (patches, D), with `residual` (likewise) added if there is one. */
static void embed_patches(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                          const float *image, const float *residual, float *x) {
    const int64_t dim = config->dim, patches = tleg_config_tokens(config) - tleg_config_prefix(config);
    tleg_gemm(exec, &(struct tleg_gemm){.m = patches,
                                        .rows = patch_rows(config, image),
                                        .weight = &outer->patch.weight,
                                        .epilogue = {.bias = outer->patch.bias, .residual = residual, .residual_stride = dim},
                                        .out = tleg_target_f32(x, dim)});
}

/* x (patches, D) = their norm, with their places added */
static void norm_patches(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                         const float *pos, float *x) {
    tleg_add_normed(exec, &(struct tleg_add_normed){.rows = tleg_config_tokens(config) - tleg_config_prefix(config),
                                                    .dim = config->dim,
                                                    .image_rows = 1,
                                                    .x = pos,
                                                    .branch = x,
                                                    .weight = outer->patch_norm.weight,
                                                    .bias = outer->patch_norm.bias,
                                                    .eps = (float)config->eps,
                                                    .y = x});
}

/* Before the norm. */
static void embed(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                  const float *images, int64_t batch, float *x) {
    const int64_t dim = config->dim, tokens = tleg_config_tokens(config), prefix = tleg_config_prefix(config);
    const int64_t image = tleg_config_image(config);
    const float *pos = outer->pos ? outer->pos + tleg_config_placed(config) * dim : NULL;
    for (int64_t b = 0; b < batch; b++, x += tokens * dim) {
        tleg_embed_tokens(config, outer, x);
        embed_patches(exec, config, outer, images + b * image, config->patch_norm ? NULL : pos, x + prefix * dim);
        if (config->patch_norm)
            norm_patches(exec, config, outer, pos, x + prefix * dim);
    }
}

void tleg_embed(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                const float *images, int64_t batch, float *x) {
    embed(exec, config, outer, images, batch, x);
    if (config->norm_before)
        tleg_layernorm(exec->kernels, batch * tleg_config_tokens(config), config->dim, x, outer->before.weight,
                       outer->before.bias, (float)config->eps, x);
}

/* d: from behind the norm to before it, whose input is computed again. */
static void norm_backward(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                          const float *images, int64_t batch, float *d, float *x, const struct tleg_outer_gradient *gradient) {
    embed(exec, config, outer, images, batch, x);
    tleg_k_layernorm_backward(exec, &(struct tleg_layernorm_backward){.rows = batch * tleg_config_tokens(config),
                                                                      .dim = config->dim,
                                                                      .x = x,
                                                                      .weight = outer->before.weight,
                                                                      .rms = config->rms,
                                                                      .dy = d,
                                                                      .eps = (float)config->eps,
                                                                      .dx = d,
                                                                      .dweight = gradient->before_weight,
                                                                      .dbias = gradient->before_bias});
}

/* d of one image's patches: from after their norm to before it; x: scratch. */
static void patches_backward(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                             const float *image, float *d, float *x, const struct tleg_outer_gradient *gradient) {
    embed_patches(exec, config, outer, image, NULL, x);
    tleg_k_layernorm_backward(exec,
                              &(struct tleg_layernorm_backward){.rows = tleg_config_tokens(config) - tleg_config_prefix(config),
                                                                .dim = config->dim,
                                                                .x = x,
                                                                .weight = outer->patch_norm.weight,
                                                                .rms = config->rms,
                                                                .dy = d,
                                                                .eps = (float)config->eps,
                                                                .dx = d,
                                                                .dweight = gradient->patch_norm_weight,
                                                                .dbias = gradient->patch_norm_bias});
}

static void add(float *to, const float *from, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

void tleg_embed_backward(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                         const float *images, int64_t batch, float *d, float *scratch,
                         const struct tleg_outer_gradient *gradient) {
    const int64_t dim = config->dim, tokens = tleg_config_tokens(config), prefix = tleg_config_prefix(config);
    const int64_t image = tleg_config_image(config);
    if (config->norm_before)
        norm_backward(exec, config, outer, images, batch, d, scratch, gradient);
    for (int64_t b = 0; b < batch; b++) {
        float *rows = d + b * tokens * dim;
        add(gradient->pos, rows, tokens * dim);
        if (config->patch_norm)
            patches_backward(exec, config, outer, images + b * image, rows + prefix * dim, scratch, gradient);
        tleg_weight_backward(exec, &(struct tleg_weight_backward){.m = tokens - prefix,
                                                                  .n = dim,
                                                                  .k = tleg_config_patch_numbers(config),
                                                                  .dy = rows + prefix * dim,
                                                                  .dy_stride = dim,
                                                                  .rows = patch_rows(config, images + b * image),
                                                                  .weight = gradient->patch_weight,
                                                                  .bias = gradient->patch_bias});
    }
}
