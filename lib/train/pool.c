/* From tokens to what the heads read, and back. LayerNorm before or after the mean, or of the class tokens alone. */
#include "train/private.h"

#include <string.h>

struct view {
    int64_t dim, tokens, prefix, patches;
    const float *weight, *bias;
    float eps;
    bool cls, after;
    int heads;
};

static struct view look(const tleg_trainer *t) {
    const tleg_config *net = &t->layout.net;
    return (struct view){.dim = net->dim,
                         .tokens = t->layout.shape.tokens,
                         .prefix = net->prefix,
                         .patches = t->layout.shape.tokens - net->prefix,
                         .weight = tleg_train_value(t, TLEG_SLOT_NORM_WEIGHT),
                         .bias = tleg_train_value(t, TLEG_SLOT_NORM_BIAS),
                         .eps = (float)net->eps,
                         .cls = net->pool == TLEG_POOL_CLS,
                         .after = net->norm == TLEG_NORM_AFTER_POOL,
                         .heads = tleg_config_readouts(net)};
}

void tleg_train_pool(tleg_trainer *t, int64_t batch, const float *x) {
    const struct view v = look(t);
    const struct tleg_kernels *kernels = t->exec.kernels;
    float *pooled = tleg_trainer_at(t, t->layout.pooled), *gathered = tleg_trainer_at(t, t->layout.gathered);
    float *rows = tleg_trainer_at(t, t->layout.activations); /* (patches, D): free between forward and backward */
    for (int h = 0; h < v.heads; h++)
        for (int64_t b = 0; b < batch; b++) {
            const float *image = x + b * v.tokens * v.dim, *patches = image + v.prefix * v.dim;
            float *out = pooled + (h * batch + b) * v.dim, *seen = gathered + (h * batch + b) * v.dim;
            if (v.cls || v.after) {
                if (v.cls)
                    memcpy(seen, image + h * v.dim, (size_t)v.dim * sizeof(float));
                else
                    tleg_mean_rows(kernels, v.patches, v.dim, patches, seen);
                tleg_layernorm(kernels, 1, v.dim, seen, v.weight, v.bias, v.eps, out);
            } else {
                tleg_layernorm(kernels, v.patches, v.dim, patches, v.weight, v.bias, v.eps, rows);
                tleg_mean_rows(kernels, v.patches, v.dim, rows, out);
            }
        }
}

static void norm_backward(tleg_trainer *t, const struct view *v, int64_t rows, const float *x, const float *dy, float *dx) {
    tleg_k_layernorm_backward(
        &t->exec,
        &(struct tleg_layernorm_backward){.rows = rows,
                                          .dim = v->dim,
                                          .x = x,
                                          .weight = v->weight,
                                          .dy = dy,
                                          .eps = v->eps,
                                          .dx = dx,
                                          .dweight = tleg_train_gradient(t, t->outer[TLEG_SLOT_NORM_WEIGHT], TLEG_NOT_THERE, 0),
                                          .dbias = tleg_train_gradient(t, t->outer[TLEG_SLOT_NORM_BIAS], TLEG_NOT_THERE, 0)});
}

/* Every patch row of an image gets dmean / patches. */
static void spread(const struct view *v, const float *dmean, float *rows) {
    for (int64_t r = 0; r < v->patches; r++)
        for (int64_t i = 0; i < v->dim; i++)
            rows[r * v->dim + i] = dmean[i] / (float)v->patches;
}

void tleg_train_pool_backward(tleg_trainer *t, int64_t batch, const float *x, float *d) {
    const struct view v = look(t);
    float *dpooled = tleg_trainer_at(t, t->layout.dpooled), *gathered = tleg_trainer_at(t, t->layout.gathered);
    memset(d, 0, (size_t)(batch * v.tokens * v.dim) * sizeof(float));
    if (v.cls || v.after)
        norm_backward(t, &v, v.heads * batch, gathered, dpooled, dpooled);
    for (int h = 0; h < v.heads; h++)
        for (int64_t b = 0; b < batch; b++) {
            int64_t image = b * v.tokens * v.dim, patches = image + v.prefix * v.dim;
            const float *dp = dpooled + (h * batch + b) * v.dim;
            if (v.cls) {
                memcpy(d + image + h * v.dim, dp, (size_t)v.dim * sizeof(float));
            } else {
                spread(&v, dp, d + patches);
                if (!v.after)
                    norm_backward(t, &v, v.patches, x + patches, d + patches, d + patches);
            }
        }
}
