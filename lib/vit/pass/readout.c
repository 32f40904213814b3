/* After the blocks: what the heads read, and their logits; and back. */
#include "vit/pass/pass.h"
#include <string.h>

/* What makes one row of an image's: a token of its own, and shares of the mean and of the largest numbers of many. */
static const struct pooling {
    bool cls;
    float mean, max;
} poolings[] = {[TLEG_POOL_MEAN] = {.mean = 1},
                [TLEG_POOL_MEAN_ALL] = {.mean = 1},
                [TLEG_POOL_CLS] = {.cls = true},
                [TLEG_POOL_MAX] = {.max = 1},
                [TLEG_POOL_MEAN_MAX] = {.mean = 0.5F, .max = 0.5F},
                [TLEG_POOL_CLS_MEAN] = {.cls = true, .mean = 1}};

struct view {
    int64_t dim, width, tokens; /* width: numbers that pooling gives */
    int64_t first, many;        /* the tokens of which many make one row: the patches, or all */
    const struct tleg_norm *norm;
    float eps;
    struct pooling pooling;
    bool alone; /* one row goes through the norm: a token, or what many were made; else all that are pooled */
    int heads;
};

static struct view look(const tleg_config *config, const struct tleg_outer_weights *outer) {
    const int64_t tokens = tleg_config_tokens(config), first = tleg_config_first_pooled(config);
    return (struct view){.dim = config->dim,
                         .width = tleg_config_pooled(config),
                         .tokens = tokens,
                         .first = first,
                         .many = tokens - first,
                         .norm = &outer->norm,
                         .eps = (float)config->eps,
                         .pooling = poolings[config->pool],
                         .alone = config->pool == TLEG_POOL_CLS || config->norm == TLEG_NORM_AFTER_POOL,
                         .heads = tleg_config_readouts(config)};
}

static bool takes_many(const struct view *v) {
    return v->pooling.mean + v->pooling.max > 0;
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

/* The row of a column's largest number, the first where there are several. */
static int64_t largest(const struct view *v, const float *column) {
    int64_t best = 0;
    for (int64_t r = 1; r < v->many; r++)
        best = column[r * v->dim] > column[best * v->dim] ? r : best;
    return best;
}

/* out (D) of rows (many, D) */
static void reduce(const struct tleg_exec *exec, const struct view *v, const float *rows, float *out) {
    const float mean = v->pooling.mean, max = v->pooling.max;
    if (mean > 0)
        tleg_mean_rows(exec->kernels, v->many, v->dim, rows, out);
    for (int64_t i = 0; i < v->dim && max > 0; i++)
        out[i] = max * rows[largest(v, rows + i) * v->dim + i] + (mean > 0 ? mean * out[i] : 0);
}

/* What a head reads of one image, x (N, D), to out (width); `seen` (D) is what the norm saw, where that is one row. */
static void pool_image(const struct tleg_exec *exec, const struct view *v, int64_t token, float *x, float *scratch, float *seen,
                       float *out) {
    float *many = x + v->first * v->dim, *rows = v->alone || !scratch ? many : scratch;
    if (v->pooling.cls && v->alone)
        memcpy(seen, x + token * v->dim, (size_t)v->dim * sizeof *seen);
    else if (v->pooling.cls)
        norm(exec, v, 1, x + token * v->dim, out);
    if (takes_many(v) && !v->alone)
        norm(exec, v, v->many, many, rows);
    if (takes_many(v))
        reduce(exec, v, rows, v->alone ? seen : out + v->width - v->dim);
    if (v->alone)
        norm(exec, v, 1, seen, out);
}

/* Floats of pooling's own: of attention, or what it may use as tleg_pooled.rows at the same place. */
static size_t pool_room(const tleg_config *config, int64_t batch, bool backward) {
    if (tleg_config_has_attention_pool(config))
        return tleg_attention_pool_room(config, batch, backward);
    const int64_t many = tleg_config_tokens(config) - tleg_config_first_pooled(config);
    return config->representation && backward ? (size_t)(many * config->dim) : 0;
}

/* 0 but for attention pooling and a representation layer. */
static size_t room_of(const tleg_config *config, int64_t batch, bool backward) {
    size_t own = 0, room;
    const int64_t shape[] = {batch, tleg_config_pooled(config), backward ? 2 : 1};
    if (config->representation && !tleg_size_product(shape, 3, &own))
        return SIZE_MAX;
    return tleg_size_add(pool_room(config, batch, backward), own, &room) ? room : SIZE_MAX;
}

/* What is pooled, (heads, B, P): what the heads read, or a representation layer, which lies in between. */
static float *pooled_rows(const tleg_config *config, int64_t batch, bool backward, const struct tleg_pooled *pooled) {
    return config->representation ? pooled->room + pool_room(config, batch, backward) : pooled->out;
}

static void pool_all(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                     int64_t batch, float *x, const struct tleg_pooled *pooled, float *out) {
    if (tleg_config_has_attention_pool(config)) {
        tleg_attention_pool(exec, config, outer, batch, x, pooled->room, out);
        return;
    }
    const struct view v = look(config, outer);
    for (int h = 0; h < v.heads; h++)
        for (int64_t b = 0; b < batch; b++) {
            const int64_t at = (h * batch + b) * v.width;
            pool_image(exec, &v, h, x + b * v.tokens * v.dim, pooled->rows, (pooled->seen ? pooled->seen : out) + at, out + at);
        }
}

static void pool(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer, int64_t batch,
                 float *x, const struct tleg_pooled *pooled) {
    float *rows = pooled_rows(config, batch, pooled->seen != NULL, pooled);
    pool_all(exec, config, outer, batch, x, pooled, rows);
    if (config->representation)
        tleg_represent(exec, &outer->representation, batch, rows, pooled->out);
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

/* From d (D), of what many rows were made, to each of them; rows as reduce saw them. */
static void spread(const struct view *v, const float *rows, const float *d, float *drows) {
    const float mean = v->pooling.mean, max = v->pooling.max;
    for (int64_t r = 0; r < v->many; r++)
        for (int64_t i = 0; i < v->dim; i++)
            drows[r * v->dim + i] = mean * d[i] / (float)v->many;
    for (int64_t i = 0; i < v->dim && max > 0; i++)
        drows[largest(v, rows + i) * v->dim + i] += max * d[i];
}

/* From dp, of what a head reads of one image, to d (N, D), which is 0; x and d at its first token. */
static void image_backward(const struct tleg_exec *exec, const struct view *v, int64_t token, const float *x, float *scratch,
                           const float *dp, float *d, const struct tleg_outer_gradient *gradient) {
    const int64_t at = token * v->dim, many = v->first * v->dim;
    const float *rows = x + many;
    if (v->pooling.cls)
        memcpy(d + at, dp, (size_t)v->dim * sizeof *d);
    if (v->pooling.cls && !v->alone)
        norm_backward(exec, v, 1, x + at, d + at, gradient);
    if (!takes_many(v))
        return;
    if (v->pooling.max > 0 && !v->alone) {
        norm(exec, v, v->many, rows, scratch);
        rows = scratch;
    }
    spread(v, rows, dp + v->width - v->dim, d + many);
    if (!v->alone)
        norm_backward(exec, v, v->many, x + many, d + many, gradient);
}

static void pool_backward(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                          const struct tleg_outer_turned *turned, int64_t batch, const float *x,
                          const struct tleg_pooled *pooled, float *dpooled, float *d,
                          const struct tleg_outer_gradient *gradient) {
    if (config->representation) {
        const float *rows = pooled_rows(config, batch, true, pooled);
        float *drows = pooled_rows(config, batch, true, pooled) + batch * tleg_config_pooled(config);
        tleg_represent_backward(exec, &turned->representation, batch, rows, pooled->out, dpooled, drows,
                                &gradient->representation);
        dpooled = drows;
    }
    if (tleg_config_has_attention_pool(config)) {
        tleg_attention_pool_backward(exec, config, outer, turned->pool, batch, x, pooled->room, dpooled, d, gradient);
        return;
    }
    const struct view v = look(config, outer);
    const int64_t image = v.tokens * v.dim;
    memset(d, 0, (size_t)(batch * image) * sizeof(float));
    if (v.alone)
        norm_backward(exec, &v, v.heads * batch, pooled->seen, dpooled, gradient);
    for (int h = 0; h < v.heads; h++)
        for (int64_t b = 0; b < batch; b++)
            image_backward(exec, &v, h, x + b * image, pooled->rows, dpooled + (h * batch + b) * v.width, d + b * image,
                           gradient);
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
                                               .room = room_of};

struct tleg_scratch tleg_ends_scratch(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                                      int64_t batch, bool backward) {
    const int64_t patches = tleg_config_patches(config), patch = tleg_config_patch_numbers(config);
    const int64_t dim = config->dim, classes = config->classes ? config->classes : 1;
    const int64_t features = tleg_config_features(config), pooled = tleg_config_pooled(config);
    struct tleg_scratch most = tleg_gemm_scratch(kernels, dtype, patches, dim, patch);
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, dtype, batch, classes, features));
    if (config->representation)
        tleg_scratch_join(&most, tleg_gemm_scratch(kernels, dtype, batch, features, pooled));
    if (config->patch_norm)
        tleg_scratch_join(&most, tleg_add_normed_scratch(dim));
    if (tleg_config_has_attention_pool(config))
        tleg_scratch_join(&most, tleg_attention_pool_scratch(kernels, config, dtype, batch, backward));
    if (!backward)
        return most;
    tleg_scratch_join(&most, tleg_weight_backward_scratch(kernels, dtype, patches, dim, patch));
    tleg_scratch_join(&most, tleg_weight_backward_scratch(kernels, dtype, batch, classes, features));
    tleg_scratch_join(&most, tleg_gemm_scratch(kernels, dtype, batch, features, classes));
    if (config->representation) {
        tleg_scratch_join(&most, tleg_weight_backward_scratch(kernels, dtype, batch, features, pooled));
        tleg_scratch_join(&most, tleg_gemm_scratch(kernels, dtype, batch, pooled, features));
    }
    tleg_scratch_join(&most, tleg_layernorm_backward_scratch(kernels, batch * tleg_config_tokens(config), dim));
    tleg_scratch_join(&most, tleg_layernorm_backward_scratch(kernels, tleg_config_readouts(config) * batch, dim));
    return most;
}
