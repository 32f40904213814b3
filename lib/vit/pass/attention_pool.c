/* Attention pooling (SigLIP; timm's AttentionPoolLatent), and back: one query, made of a learned latent, attends to all normed
 * tokens of an image, or to its patches; o = proj of that, and what the head reads is o + mlp(norm(o)). */
#include "vit/pass/pass.h"

/* What the way back needs, and where it works. */
struct room {
    float *q;      /* (D): of every image */
    float *kv;     /* (B, N, 2D) */
    float *shares; /* (B, heads, N) */
    float *mixed;  /* (B, D): attention's output */
    float *o;      /* (B, D) */
    float *hidden; /* (B, H): before the activation */
    float *dkv, *dhidden, *dmixed, *dq;
};

struct pool {
    const struct tleg_exec *exec;
    const tleg_config *config;
    const struct tleg_attention_pool *weights;
    const struct tleg_norm *norm; /* the final one, before the pool */
    int64_t batch, tokens, dim, hidden;
    struct room room;
};

size_t tleg_attention_pool_room(const tleg_config *config, int64_t batch, bool backward) {
    const int64_t tokens = tleg_config_tokens(config), dim = config->dim, times = backward ? 2 : 1;
    const int64_t image =
        times * (tokens * 2 * dim + 2 * dim + tleg_config_pool_hidden(config)) + tokens * tleg_config_pool_heads(config);
    size_t count;
    if (!tleg_config_has_attention_pool(config))
        return 0;
    if (!tleg_size_mul((size_t)batch, (size_t)image, &count) || !tleg_size_add(count, (size_t)dim, &count))
        return SIZE_MAX;
    return count;
}

static struct pool pool_of(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                           int64_t batch, float *memory) {
    const int64_t tokens = tleg_config_tokens(config), dim = config->dim, hidden = tleg_config_pool_hidden(config);
    struct room room = {.q = memory};
    room.kv = room.q + dim;
    room.shares = room.kv + batch * tokens * 2 * dim;
    room.mixed = room.shares + batch * tleg_config_pool_heads(config) * tokens;
    room.o = room.mixed + batch * dim;
    room.hidden = room.o + batch * dim;
    room.dkv = room.hidden + batch * hidden; /* these four on the way back alone */
    room.dhidden = room.dkv + batch * tokens * 2 * dim;
    room.dmixed = room.dhidden + batch * hidden;
    room.dq = room.dmixed + batch * dim;
    return (struct pool){.exec = exec,
                         .config = config,
                         .weights = &outer->pool,
                         .norm = &outer->norm,
                         .batch = batch,
                         .tokens = tokens,
                         .dim = dim,
                         .hidden = hidden,
                         .room = room};
}

struct tleg_scratch tleg_attention_pool_scratch(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                                                int64_t batch, bool backward) {
    const int64_t rows = batch * tleg_config_tokens(config), dim = config->dim, hidden = tleg_config_pool_hidden(config);
    const int64_t products[][3] = {
        {1, dim, dim}, {rows, 2 * dim, dim}, {batch, dim, dim}, {batch, hidden, dim}, {batch, dim, hidden}};
    struct tleg_scratch most = {0};
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        const int64_t m = products[i][0], n = products[i][1], k = products[i][2];
        tleg_scratch_join(&most, tleg_gemm_scratch(kernels, dtype, m, n, k));
        if (!backward)
            continue;
        tleg_scratch_join(&most, tleg_gemm_scratch(kernels, dtype, m, k, n));
        tleg_scratch_join(&most, tleg_weight_backward_scratch(kernels, dtype, m, n, k));
    }
    if (backward)
        tleg_scratch_join(&most, tleg_layernorm_backward_scratch(kernels, rows, dim));
    return most;
}

/* ---- rows ---- */

static struct tleg_rows plain(const float *x, int64_t width) {
    return (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(x, width)};
}

static struct tleg_rows normed(const struct pool *p, const struct tleg_norm *norm, const float *x) {
    return (struct tleg_rows){.kind = norm->weight ? TLEG_ROWS_LAYERNORM : TLEG_ROWS_PLAIN,
                              .x = tleg_view_f32(x, p->dim),
                              .norm_weight = norm->weight,
                              .norm_bias = norm->bias,
                              .eps = (float)p->config->eps};
}

static struct tleg_rows activated(const struct pool *p) {
    return (struct tleg_rows){.kind = TLEG_ROWS_ACTIVATION,
                              .activation = tleg_config_activation(p->config),
                              .x = tleg_view_f32(p->room.hidden, p->hidden)};
}

/* ---- forward ---- */

/* out (m, n) = residual + rows W^T + bias */
static void multiply(const struct pool *p, enum tleg_pool_matrix matrix, int64_t m, struct tleg_rows rows,
                     const float *residual, float *out) {
    const struct tleg_linear *linear = &p->weights->linear[matrix];
    const int64_t n = linear->weight.n;
    tleg_gemm(p->exec, &(struct tleg_gemm){.m = m,
                                           .rows = rows,
                                           .weight = &linear->weight,
                                           .epilogue = {.bias = linear->bias, .residual = residual, .residual_stride = n},
                                           .out = tleg_target_f32(out, n)});
}

static struct tleg_query_attention attention_of(const struct pool *p) {
    return (struct tleg_query_attention){.batch = p->batch,
                                         .tokens = p->tokens,
                                         .dim = p->dim,
                                         .heads = tleg_config_pool_heads(p->config),
                                         .first = tleg_config_first_pooled(p->config),
                                         .q = p->room.q,
                                         .kv = p->room.kv,
                                         .shares = p->room.shares,
                                         .out = p->room.mixed};
}

void tleg_attention_pool(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                         int64_t batch, const float *x, float *memory, float *out) {
    const struct pool p = pool_of(exec, config, outer, batch, memory);
    const struct room *r = &p.room;
    const struct tleg_query_attention attention = attention_of(&p);
    multiply(&p, TLEG_POOL_Q, 1, plain(p.weights->latent, p.dim), NULL, r->q);
    multiply(&p, TLEG_POOL_KV, batch * p.tokens, normed(&p, p.norm, x), NULL, r->kv);
    tleg_query_attention(exec, &attention);
    multiply(&p, TLEG_POOL_PROJ, batch, plain(r->mixed, p.dim), NULL, r->o);
    multiply(&p, TLEG_POOL_FC1, batch, normed(&p, &p.weights->norm, r->o), NULL, r->hidden);
    multiply(&p, TLEG_POOL_FC2, batch, activated(&p), r->o, out);
}

/* ---- backward ---- */

/* The gradients of a matrix and its bias: dy (m, n), and the rows that it multiplied. */
static void weight_step(const struct pool *p, const struct tleg_outer_gradient *gradient, enum tleg_pool_matrix matrix,
                        int64_t m, const float *dy, struct tleg_rows rows) {
    const struct tleg_weight *weight = &p->weights->linear[matrix].weight;
    tleg_weight_backward(p->exec, &(struct tleg_weight_backward){.m = m,
                                                                 .n = weight->n,
                                                                 .k = weight->k,
                                                                 .dy = dy,
                                                                 .dy_stride = weight->n,
                                                                 .rows = rows,
                                                                 .weight = gradient->pool_weight[matrix],
                                                                 .bias = gradient->pool_bias[matrix]});
}

/* dx (m, k) = dy W, times act'(hidden) where that is given */
static void input_step(const struct pool *p, const struct tleg_weight *turned, int64_t m, const float *dy, const float *hidden,
                       float *dx) {
    const enum tleg_activation activation = hidden ? tleg_config_activation(p->config) : TLEG_ACTIVATION_NONE;
    tleg_gemm(p->exec, &(struct tleg_gemm){.m = m,
                                           .rows = plain(dy, turned->k),
                                           .weight = turned,
                                           .epilogue = {.activation = activation, .hidden = hidden, .hidden_stride = turned->n},
                                           .out = tleg_target_f32(dx, turned->n)});
}

/* Through mlp(norm(o)) to o, whose gradient dout becomes. */
static void mlp_backward(const struct pool *p, const struct tleg_weight *turned, float *dout,
                         const struct tleg_outer_gradient *gradient) {
    const struct room *r = &p->room;
    const struct tleg_norm *norm = &p->weights->norm;
    float *dnormed = r->dmixed; /* which is not needed yet */
    weight_step(p, gradient, TLEG_POOL_FC2, p->batch, dout, activated(p));
    input_step(p, &turned[TLEG_POOL_FC2], p->batch, dout, r->hidden, r->dhidden);
    weight_step(p, gradient, TLEG_POOL_FC1, p->batch, r->dhidden, normed(p, norm, r->o));
    input_step(p, &turned[TLEG_POOL_FC1], p->batch, r->dhidden, NULL, dnormed);
    tleg_k_layernorm_backward(p->exec, &(struct tleg_layernorm_backward){.rows = p->batch,
                                                                         .dim = p->dim,
                                                                         .x = r->o,
                                                                         .weight = norm->weight,
                                                                         .rms = !norm->bias,
                                                                         .dy = dnormed,
                                                                         .eps = (float)p->config->eps,
                                                                         .add = true,
                                                                         .dx = dout,
                                                                         .dweight = gradient->pool_norm_weight,
                                                                         .dbias = gradient->pool_norm_bias});
}

/* The query is that of all images, made of the latent: the gradients by it add up, in order. */
static void query_backward(const struct pool *p, const struct tleg_weight *turned, const struct tleg_outer_gradient *gradient) {
    float *dq = p->room.dq, *dlatent = p->room.dmixed; /* which is not needed any more */
    for (int64_t b = 1; b < p->batch; b++)
        for (int64_t i = 0; i < p->dim; i++)
            dq[i] += dq[b * p->dim + i];
    weight_step(p, gradient, TLEG_POOL_Q, 1, dq, plain(p->weights->latent, p->dim));
    input_step(p, &turned[TLEG_POOL_Q], 1, dq, NULL, dlatent);
    for (int64_t i = 0; i < p->dim && gradient->latent.count; i++)
        gradient->latent.tensor[0][i] += dlatent[i];
}

void tleg_attention_pool_backward(const struct tleg_exec *exec, const tleg_config *config,
                                  const struct tleg_outer_weights *outer, const struct tleg_weight turned[TLEG_POOL_MATRICES],
                                  int64_t batch, const float *x, float *memory, float *dout, float *d,
                                  const struct tleg_outer_gradient *gradient) {
    const struct pool p = pool_of(exec, config, outer, batch, memory);
    const struct room *r = &p.room;
    const int64_t rows = batch * p.tokens;
    mlp_backward(&p, turned, dout, gradient);
    weight_step(&p, gradient, TLEG_POOL_PROJ, batch, dout, plain(r->mixed, p.dim));
    input_step(&p, &turned[TLEG_POOL_PROJ], batch, dout, NULL, r->dmixed);
    tleg_query_attention_backward(
        exec, &(struct tleg_query_attention_backward){attention_of(&p), .dout = r->dmixed, .dkv = r->dkv, .dq = r->dq});
    query_backward(&p, turned, gradient);
    weight_step(&p, gradient, TLEG_POOL_KV, rows, r->dkv, normed(&p, p.norm, x));
    input_step(&p, &turned[TLEG_POOL_KV], rows, r->dkv, NULL, d);
    if (!p.norm->weight)
        return;
    tleg_k_layernorm_backward(exec, &(struct tleg_layernorm_backward){.rows = rows,
                                                                      .dim = p.dim,
                                                                      .x = x,
                                                                      .weight = p.norm->weight,
                                                                      .rms = !p.norm->bias,
                                                                      .dy = d,
                                                                      .eps = (float)config->eps,
                                                                      .dx = d,
                                                                      .dweight = gradient->norm_weight,
                                                                      .dbias = gradient->norm_bias});
}
