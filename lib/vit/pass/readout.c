/* After the blocks: what the heads read, and their logits; and back. */
#include "vit/pass/pass.h"
#include <string.h>

struct view {
    int64_t dim, tokens, prefix, patches;
    const struct tleg_norm *norm;
    float eps;
    bool cls;   /* a head reads its token, else the mean over the patches */
    bool after; /* of a mean, the norm comes after it */
    int heads;
};

static struct view look(const tleg_config *config, const struct tleg_outer_weights *outer) {
    const int64_t tokens = tleg_config_tokens(config), prefix = tleg_config_prefix(config);
    return (struct view){.dim = config->dim,
                         .tokens = tokens,
                         .prefix = prefix,
                         .patches = tokens - prefix,
                         .norm = &outer->norm,
                         .eps = (float)config->eps,
                         .cls = config->pool == TLEG_POOL_CLS,
                         .after = config->norm == TLEG_NORM_AFTER_POOL,
                         .heads = tleg_config_readouts(config)};
}

/* A model may have no final norm. */
static void norm(const struct tleg_exec *exec, const struct view *v, int64_t rows, const float *x, float *y) {
    if (!v->norm->weight) {
        if (y != x)
            memcpy(y, x, (size_t)(rows * v->dim) * sizeof *y);
        return;
    }
    tleg_layernorm(exec->kernels, rows, v->dim, x, v->norm->weight, v->norm->bias, v->eps, y);
}

/* One token or mean, `seen` (D), through the norm to out (D). */
static void pool_one(const struct tleg_exec *exec, const struct view *v, const float *token, const float *patches, float *seen,
                     float *out) {
    if (v->cls && seen)
        memcpy(seen, token, (size_t)v->dim * sizeof(float));
    if (v->cls) {
        norm(exec, v, 1, token, out);
        return;
    }
    float *mean = seen ? seen : out;
    tleg_mean_rows(exec->kernels, v->patches, v->dim, patches, mean);
    norm(exec, v, 1, mean, out);
}

static void pool(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer, int64_t batch,
                 float *x, const struct tleg_pooled *pooled) {
    if (tleg_config_has_attention_pool(config)) {
        tleg_attention_pool(exec, config, outer, batch, x, pooled->room, pooled->out);
        return;
    }
    const struct view v = look(config, outer);
    for (int h = 0; h < v.heads; h++)
        for (int64_t b = 0; b < batch; b++) {
            float *image = x + b * v.tokens * v.dim, *patches = image + v.prefix * v.dim;
            const int64_t at = (h * batch + b) * v.dim;
            if (v.cls || v.after) {
                pool_one(exec, &v, image + h * v.dim, patches, pooled->seen ? pooled->seen + at : NULL, pooled->out + at);
                continue;
            }
            float *rows = pooled->rows ? pooled->rows : patches;
            norm(exec, &v, v.patches, patches, rows);
            tleg_mean_rows(exec->kernels, v.patches, v.dim, rows, pooled->out + at);
        }
}

static void norm_backward(const struct tleg_exec *exec, const struct view *v, int64_t rows, const float *x, float *d,
                          const struct tleg_outer_gradient *gradient) {
    if (!v->norm->weight)
        return;
    tleg_k_layernorm_backward(exec, &(struct tleg_layernorm_backward){.rows = rows,
                                                                      .dim = v->dim,
                                                                      .x = x,
                                                                      .weight = v->norm->weight,
                                                                      .rms = !v->norm->bias,
                                                                      .dy = d,
                                                                      .eps = v->eps,
                                                                      .dx = d,
                                                                      .dweight = gradient->norm_weight,
                                                                      .dbias = gradient->norm_bias});
}

/* Every patch row of an image gets dmean / patches. */
static void spread(const struct view *v, const float *dmean, float *rows) {
    for (int64_t r = 0; r < v->patches; r++)
        for (int64_t i = 0; i < v->dim; i++)
            rows[r * v->dim + i] = dmean[i] / (float)v->patches;
}

static void pool_backward(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                          const struct tleg_outer_turned *turned, int64_t batch, const float *x,
                          const struct tleg_pooled *pooled, float *dpooled, float *d,
                          const struct tleg_outer_gradient *gradient) {
    if (tleg_config_has_attention_pool(config)) {
        tleg_attention_pool_backward(exec, config, outer, turned->pool, batch, x, pooled->room, dpooled, d, gradient);
        return;
    }
    const struct view v = look(config, outer);
    memset(d, 0, (size_t)(batch * v.tokens * v.dim) * sizeof(float));
    if (v.cls || v.after)
        norm_backward(exec, &v, v.heads * batch, pooled->seen, dpooled, gradient);
    for (int h = 0; h < v.heads; h++)
        for (int64_t b = 0; b < batch; b++) {
            int64_t image = b * v.tokens * v.dim, patches = image + v.prefix * v.dim;
            const float *dp = dpooled + (h * batch + b) * v.dim;
            if (v.cls) {
                memcpy(d + image + h * v.dim, dp, (size_t)v.dim * sizeof(float));
                continue;
            }
            spread(&v, dp, d + patches);
            if (!v.after)
                norm_backward(exec, &v, v.patches, x + patches, d + patches, gradient);
        }
}

/* ---- heads ---- */

static void read_out(const struct tleg_exec *exec, const struct tleg_outer_weights *outer, int which, int64_t batch,
                     const float *pooled, float *out) {
    const struct tleg_linear *head = &outer->head[which];
    tleg_gemm(exec, &(struct tleg_gemm){.m = batch,
                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(pooled, head->weight.k)},
                                        .weight = &head->weight,
                                        .epilogue = {.bias = head->bias},
                                        .out = tleg_target_f32(out, head->weight.n)});
}

static void read_out_backward(const struct tleg_exec *exec, const struct tleg_weight *turned, int which, int64_t batch,
                              const float *pooled, const float *dout, float *dpooled,
                              const struct tleg_outer_gradient *gradient) {
    const int64_t dim = turned->n, classes = turned->k;
    tleg_weight_backward(exec,
                         &(struct tleg_weight_backward){.m = batch,
                                                        .n = classes,
                                                        .k = dim,
                                                        .dy = dout,
                                                        .dy_stride = classes,
                                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(pooled, dim)},
                                                        .weight = gradient->head_weight[which],
                                                        .bias = gradient->head_bias[which]});
    tleg_gemm(exec, &(struct tleg_gemm){.m = batch,
                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(dout, classes)},
                                        .weight = turned,
                                        .out = tleg_target_f32(dpooled, dim)});
}

/* ---- both ends ---- */

const struct tleg_ends tleg_classifier_ends = {.embed = tleg_embed,
                                               .embed_backward = TLEG_BACKWARD(tleg_embed_backward),
                                               .pool = pool,
                                               .pool_backward = TLEG_BACKWARD(pool_backward),
                                               .read_out = read_out,
                                               .read_out_backward = TLEG_BACKWARD(read_out_backward),
                                               .scratch = tleg_ends_scratch,
                                               .room = tleg_ends_room};

struct tleg_scratch tleg_ends_scratch(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                                      int64_t batch, bool backward) {
    const int64_t patches = tleg_config_patches(config), patch = tleg_config_patch_numbers(config);
    const int64_t dim = config->dim, classes = config->classes ? config->classes : 1;
    struct tleg_scratch most = tleg_gemm_scratch(kernels, dtype, patches, dim, patch);
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, dtype, batch, classes, dim));
    if (config->patch_norm)
        tleg_scratch_join(&most, tleg_add_normed_scratch(dim));
    if (tleg_config_has_attention_pool(config))
        tleg_scratch_join(&most, tleg_attention_pool_scratch(kernels, config, dtype, batch, backward));
    if (!backward)
        return most;
    tleg_scratch_join(&most, tleg_weight_backward_scratch(kernels, dtype, patches, dim, patch));
    tleg_scratch_join(&most, tleg_weight_backward_scratch(kernels, dtype, batch, classes, dim));
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, dtype, batch, dim, classes));
    tleg_scratch_join(&most, tleg_layernorm_backward_scratch(kernels, batch * tleg_config_tokens(config), dim));
    tleg_scratch_join(&most, tleg_layernorm_backward_scratch(kernels, tleg_config_readouts(config) * batch, dim));
    return most;
}
