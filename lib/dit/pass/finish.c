/* From the last block's tokens to an image: LN(x) (1 + scale) + shift, a product that gives a patch's numbers, channel last,
 * and the patches at their places; and back. */
#include "dit/pass/private.h"
#include <string.h>

struct view {
    int64_t tokens, dim, rows; /* rows: numbers of a patch */
    struct tleg_rows norm;
    struct tleg_condition condition;
};

static struct view look(const tleg_config *config, int64_t batch, float *memory, const float *x) {
    const int64_t dim = config->dim, stride = TLEG_MODULATED_LAST * dim;
    const struct tleg_condition condition = tleg_condition_place(config, batch, memory);
    return (struct view){.tokens = tleg_config_tokens(config),
                         .dim = dim,
                         .rows = tleg_config_drawn(config) * config->patch_size * config->patch_size,
                         .norm = {.kind = TLEG_ROWS_LAYERNORM,
                                  .x = tleg_view_f32(x, dim),
                                  .image_rows = tleg_config_tokens(config),
                                  .norm_weight = condition.last + dim,
                                  .norm_bias = condition.last,
                                  .norm_stride = stride,
                                  .eps = (float)config->eps},
                         .condition = condition};
}

/* Where channel 0 of a pixel lies among the patches (grid, grid, P, P, channels) of its image. */
static int64_t place_of(const tleg_config *config, int64_t row, int64_t column) {
    const int64_t p = config->patch_size, patch = row / p * tleg_config_grid(config).width + column / p;
    return (patch * p * p + row % p * p + column % p) * tleg_config_drawn(config);
}

/* image (channels, I, I) from its patches */
static void join_patches(const tleg_config *config, const float *patches, float *image) {
    const int64_t side = config->image_size, channels = tleg_config_drawn(config);
    for (int64_t row = 0; row < side; row++)
        for (int64_t column = 0; column < side; column++)
            for (int64_t c = 0, at = place_of(config, row, column); c < channels; c++)
                image[(c * side + row) * side + column] = patches[at + c];
}

static void cut_patches(const tleg_config *config, const float *image, float *patches) {
    const int64_t side = config->image_size, channels = tleg_config_drawn(config);
    for (int64_t row = 0; row < side; row++)
        for (int64_t column = 0; column < side; column++)
            for (int64_t c = 0, at = place_of(config, row, column); c < channels; c++)
                patches[at + c] = image[(c * side + row) * side + column];
}

void tleg_finish(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer, int64_t batch,
                 float *memory, const float *x, float *room, float *out) {
    const struct view v = look(config, batch, memory, x);
    const int64_t image = v.tokens * v.rows;
    tleg_condition_spread(exec, &v.condition, batch, &outer->draw.last_modulation, v.condition.last);
    tleg_gemm(exec, &(struct tleg_gemm){.m = batch * v.tokens,
                                        .rows = v.norm,
                                        .weight = &outer->draw.last.weight,
                                        .epilogue = {.bias = outer->draw.last.bias},
                                        .out = tleg_target_f32(room, v.rows)});
    for (int64_t b = 0; b < batch; b++)
        join_patches(config, room + b * image, out + b * image);
}

void tleg_finish_backward(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_turned *turned,
                          int64_t batch, float *memory, const float *x, const float *dout, float *room, float *d,
                          const struct tleg_outer_gradient *gradient) {
    const struct view v = look(config, batch, memory, x);
    const int64_t image = v.tokens * v.rows, m = batch * v.tokens;
    float *dlast = v.condition.dlast;
    for (int64_t b = 0; b < batch; b++)
        cut_patches(config, dout + b * image, room + b * image);
    tleg_weight_backward(exec, &(struct tleg_weight_backward){.m = m,
                                                              .n = v.rows,
                                                              .k = v.dim,
                                                              .dy = room,
                                                              .dy_stride = v.rows,
                                                              .rows = v.norm,
                                                              .weight = gradient->last.weight,
                                                              .bias = gradient->last.bias});
    tleg_gemm(exec, &(struct tleg_gemm){.m = m,
                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(room, v.rows)},
                                        .weight = &turned->last,
                                        .out = tleg_target_f32(d, v.dim)});
    memset(dlast, 0, (size_t)(batch * TLEG_MODULATED_LAST * v.dim) * sizeof(float));
    tleg_k_layernorm_backward(exec, &(struct tleg_layernorm_backward){.rows = m,
                                                                      .dim = v.dim,
                                                                      .x = x,
                                                                      .weight = v.norm.norm_weight,
                                                                      .dy = d,
                                                                      .eps = v.norm.eps,
                                                                      .dx = d,
                                                                      .dweight = tleg_gradient_one(dlast + v.dim),
                                                                      .dbias = tleg_gradient_one(dlast),
                                                                      .image_rows = v.tokens,
                                                                      .norm_stride = v.norm.norm_stride});
    tleg_condition_spread_backward(exec, &v.condition, batch, &turned->last_modulation, dlast, false,
                                   &gradient->last_modulation);
}
