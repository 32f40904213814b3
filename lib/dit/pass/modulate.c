/* A block's norms and gates from the condition: adaLN-Zero. LN(x) (1 + scale) + shift is a LayerNorm whose weight and bias are
 * the image's own. */
#include "dit/pass/private.h"
#include <string.h>

/* Shift, scale and gate of one half, in a row of 6D. */
struct half {
    enum tleg_site norm, gate;
    int64_t at; /* in D */
};
static const struct half halves[] = {{TLEG_SITE_NORM1, TLEG_SITE_LS1, 0}, {TLEG_SITE_NORM2, TLEG_SITE_LS2, 3}};
enum { HALVES = sizeof halves / sizeof *halves };

void tleg_modulate(const struct tleg_exec *exec, const tleg_config *config, int64_t batch, float *memory,
                   struct tleg_layer *layer) {
    const struct tleg_condition condition = tleg_condition_place(config, batch, memory);
    const int64_t dim = config->dim;
    tleg_condition_spread(exec, &condition, batch, &layer->linear[TLEG_SITE_MODULATION], condition.block);
    for (int h = 0; h < HALVES; h++) {
        const float *row = condition.block + halves[h].at * dim;
        layer->norm[halves[h].norm] = (struct tleg_norm){.weight = row + dim, .bias = row};
        layer->norm[halves[h].gate] = (struct tleg_norm){.weight = row + 2 * dim};
    }
}

void tleg_modulate_aim(const tleg_config *config, int64_t batch, float *memory, struct tleg_layer_gradient *gradient) {
    const struct tleg_condition condition = tleg_condition_place(config, batch, memory);
    const int64_t dim = config->dim;
    memset(condition.dblock, 0, (size_t)(batch * TLEG_MODULATED * dim) * sizeof(float));
    for (int h = 0; h < HALVES; h++) {
        float *row = condition.dblock + halves[h].at * dim;
        gradient->bias[halves[h].norm] = tleg_gradient_one(row);
        gradient->weight[halves[h].norm] = tleg_gradient_one(row + dim);
        gradient->weight[halves[h].gate] = tleg_gradient_one(row + 2 * dim);
    }
}

void tleg_modulate_backward(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_weight *turned,
                            int64_t batch, float *memory, const struct tleg_layer_gradient *gradient) {
    const struct tleg_condition condition = tleg_condition_place(config, batch, memory);
    tleg_condition_spread_backward(
        exec, &condition, batch, &turned[TLEG_SITE_MODULATION], condition.dblock, true,
        &(struct tleg_linear_gradient){gradient->weight[TLEG_SITE_MODULATION], gradient->bias[TLEG_SITE_MODULATION]});
}
