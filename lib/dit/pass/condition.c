/* The condition c = time's embedding + label's embedding, for each image of a batch, and back:
 * [cos(t f) | sin(t f)], f_i = 10000^(-i/128), i < 128; Linear, SiLU, Linear; plus a row of the table of labels. All that is
 * modulated is a product of SiLU(c), which is made once a pass. */
#include "dit/pass/private.h"
#include <string.h>

enum { WAVES = 2 * TLEG_TIME_WAVES };

size_t tleg_condition_floats(const tleg_config *config, int64_t batch, bool backward) {
    const int64_t modulated = TLEG_MODULATED + TLEG_MODULATED_LAST, dims = 3 + modulated + (backward ? 1 + modulated : 0);
    size_t row, count;
    if (!tleg_size_mul((size_t)dims, (size_t)config->dim, &row) || !tleg_size_mul(row + WAVES, (size_t)batch, &count))
        return SIZE_MAX;
    return count;
}

struct tleg_condition tleg_condition_place(const tleg_config *config, int64_t batch, float *memory) {
    const int64_t rows = batch * config->dim;
    struct tleg_condition condition = {.waves = memory};
    condition.middle = memory + batch * WAVES;
    condition.sum = condition.middle + rows;
    condition.active = condition.sum + rows;
    condition.block = condition.active + rows;
    condition.last = condition.block + TLEG_MODULATED * rows;
    condition.dactive = condition.last + TLEG_MODULATED_LAST * rows;
    condition.dblock = condition.dactive + rows;
    condition.dlast = condition.dblock + TLEG_MODULATED * rows;
    return condition;
}

/* The row of the table of labels. */
static int64_t row_of(const tleg_config *config, const struct tleg_asked *asked, int64_t image) {
    return asked->labels ? asked->labels[image] : tleg_config_label_rows(config) - 1;
}

static void fill_waves(const struct tleg_asked *asked, int64_t batch, float *waves) {
    static const double log_longest = 9.21034037197618273608; /* log 10000 */
    for (int64_t b = 0; b < batch; b++, waves += WAVES) {
        const double time = asked->times ? (double)asked->times[b] : 0;
        for (int i = 0; i < TLEG_TIME_WAVES; i++) {
            const double turn = time * tleg_portable_exp(-log_longest * i / (double)TLEG_TIME_WAVES);
            waves[i] = (float)tleg_portable_cos(turn);
            waves[TLEG_TIME_WAVES + i] = (float)tleg_portable_sin(turn);
        }
    }
}

/* Of (B, D): the row of each image's label. */
static void fill_labels(const tleg_config *config, const float *table, const struct tleg_asked *asked, int64_t batch,
                        float *rows) {
    const int64_t dim = config->dim;
    for (int64_t b = 0; b < batch; b++)
        memcpy(rows + b * dim, table + row_of(config, asked, b) * dim, (size_t)dim * sizeof(float));
}

static struct tleg_rows time_rows(const struct tleg_condition *condition, int64_t dim) {
    return (struct tleg_rows){
        .kind = TLEG_ROWS_ACTIVATION, .x = tleg_view_f32(condition->middle, dim), .activation = TLEG_ACTIVATION_SILU};
}

void tleg_condition_form(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                         const struct tleg_asked *asked, int64_t batch, float *memory) {
    const struct tleg_condition c = tleg_condition_place(config, batch, memory);
    const struct tleg_generator_weights *draw = &outer->draw;
    const int64_t dim = config->dim;
    fill_waves(asked, batch, c.waves);
    tleg_gemm(exec, &(struct tleg_gemm){.m = batch,
                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(c.waves, WAVES)},
                                        .weight = &draw->time_in.weight,
                                        .epilogue = {.bias = draw->time_in.bias},
                                        .out = tleg_target_f32(c.middle, dim)});
    fill_labels(config, draw->labels, asked, batch, c.sum);
    tleg_gemm(exec, &(struct tleg_gemm){.m = batch,
                                        .rows = time_rows(&c, dim),
                                        .weight = &draw->time_out.weight,
                                        .epilogue = {.bias = draw->time_out.bias, .residual = c.sum, .residual_stride = dim},
                                        .out = tleg_target_f32(c.sum, dim)});
    tleg_activate(exec->kernels, TLEG_ACTIVATION_SILU, (size_t)(batch * dim), c.sum, c.active);
}

void tleg_condition_spread(const struct tleg_exec *exec, const struct tleg_condition *condition, int64_t batch,
                           const struct tleg_linear *linear, float *out) {
    const int64_t n = linear->weight.n, dim = linear->weight.k;
    tleg_gemm(exec, &(struct tleg_gemm){.m = batch,
                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(condition->active, dim)},
                                        .weight = &linear->weight,
                                        .epilogue = {.bias = linear->bias},
                                        .out = tleg_target_f32(out, n)});
    for (int64_t b = 0; b < batch; b++)
        for (int64_t scale = dim; scale < n; scale += 3 * dim)
            for (int64_t i = 0; i < dim; i++)
                out[b * n + scale + i] += 1;
}

/* ---- back ---- */

static void weight_step(const struct tleg_exec *exec, int64_t batch, int64_t n, int64_t k, const float *dy,
                        struct tleg_rows rows, const struct tleg_linear_gradient *gradient) {
    tleg_weight_backward(exec, &(struct tleg_weight_backward){.m = batch,
                                                              .n = n,
                                                              .k = k,
                                                              .dy = dy,
                                                              .dy_stride = n,
                                                              .rows = rows,
                                                              .weight = gradient->weight,
                                                              .bias = gradient->bias});
}

void tleg_condition_spread_backward(const struct tleg_exec *exec, const struct tleg_condition *condition, int64_t batch,
                                    const struct tleg_weight *turned, const float *dout, bool add,
                                    const struct tleg_linear_gradient *gradient) {
    const int64_t n = turned->k, dim = turned->n;
    const struct tleg_rows active = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(condition->active, dim)};
    weight_step(exec, batch, n, dim, dout, active, gradient);
    tleg_gemm(exec, &(struct tleg_gemm){.m = batch,
                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(dout, n)},
                                        .weight = turned,
                                        .epilogue = {.residual = add ? condition->dactive : NULL, .residual_stride = dim},
                                        .out = tleg_target_f32(condition->dactive, dim)});
}

static void labels_backward(const tleg_config *config, const struct tleg_asked *asked, int64_t batch, const float *d,
                            const struct tleg_gradient *table) {
    const int64_t dim = config->dim;
    for (int64_t b = 0; table->count && b < batch; b++)
        for (int64_t i = 0; i < dim; i++)
            table->tensor[0][row_of(config, asked, b) * dim + i] += d[b * dim + i];
}

void tleg_condition_form_backward(const struct tleg_exec *exec, const tleg_config *config,
                                  const struct tleg_outer_turned *turned, const struct tleg_asked *asked, int64_t batch,
                                  float *memory, const struct tleg_outer_gradient *gradient) {
    const struct tleg_condition c = tleg_condition_place(config, batch, memory);
    const int64_t dim = config->dim;
    float *d = c.dactive, *dmiddle = c.dblock; /* the layers' gradients are out */
    tleg_activate_backward(exec->kernels, TLEG_ACTIVATION_SILU, (size_t)(batch * dim), c.sum, d, d);
    labels_backward(config, asked, batch, d, &gradient->labels);
    weight_step(exec, batch, dim, dim, d, time_rows(&c, dim), &gradient->time_out);
    tleg_gemm(exec,
              &(struct tleg_gemm){.m = batch,
                                  .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(d, dim)},
                                  .weight = &turned->time_out,
                                  .epilogue = {.activation = TLEG_ACTIVATION_SILU, .hidden = c.middle, .hidden_stride = dim},
                                  .out = tleg_target_f32(dmiddle, dim)});
    const struct tleg_rows waves = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(c.waves, WAVES)};
    weight_step(exec, batch, dim, WAVES, dmiddle, waves, &gradient->time_in);
}
