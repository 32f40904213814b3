/* The whole network: patches and tokens, blocks, pooling and norm, heads. */
#include "vit/handle/private.h"

#include <string.h>

/* x (N, D) of one image: tokens, then patches, plus the position embedding. */
static void embed(const struct tleg_session *session, const float *image, float *x) {
    const tleg_config *config = session->network.config;
    const struct tleg_outer_weights *outer = session->network.outer;
    int64_t dim = config->dim, prefix = config->prefix, grid = config->image_size / config->patch_size;
    const float *token[2] = {outer->cls, outer->dist};
    for (int64_t t = 0; t < prefix; t++)
        for (int64_t i = 0; i < dim; i++)
            x[t * dim + i] = token[t][i] + outer->pos[t * dim + i];
    tleg_gemm(
        &session->exec,
        &(struct tleg_gemm){
            .m = grid * grid,
            .rows = {.kind = TLEG_ROWS_PATCHES, .x = image, .image_size = config->image_size, .patch_size = config->patch_size},
            .weight = &outer->patch.weight,
            .epilogue = {.bias = outer->patch.bias, .residual = outer->pos + prefix * dim, .residual_stride = dim},
            .out = x + prefix * dim,
            .out_stride = dim});
}

static bool cancelled(struct tleg_session *session) {
    return atomic_load_explicit(&session->cancel, memory_order_relaxed) != 0;
}

static bool run_blocks(struct tleg_session *session, const struct tleg_block_shape *shape) {
    const struct tleg_network *network = &session->network;
    for (int32_t l = 0; l < session->depth; l++) {
        if (cancelled(session))
            return false;
        struct tleg_layer layer;
        network->get(network->owner, session->state, l, session->vectors, &layer);
        tleg_block_pass(&session->exec, shape, &layer, session->x, session->x, session->activations);
    }
    return true;
}

/* What head `which` reads of one image, into out (D): its token, or the mean over the patches; LayerNorm before or after. */
static void pool(const struct tleg_session *session, float *x, int which, float *out) {
    const tleg_config *config = session->network.config;
    const struct tleg_kernels *kernels = session->network.kernels;
    const struct tleg_norm *norm = &session->network.outer->norm;
    int64_t dim = config->dim, patches = session->plan.shape.tokens - config->prefix;
    float eps = (float)config->eps;
    if (config->pool == TLEG_POOL_CLS) {
        tleg_layernorm(kernels, 1, dim, x + which * dim, norm->weight, norm->bias, eps, out);
    } else if (config->norm == TLEG_NORM_AFTER_POOL) {
        tleg_mean_rows(kernels, patches, dim, x + config->prefix * dim, out);
        tleg_layernorm(kernels, 1, dim, out, norm->weight, norm->bias, eps, out);
    } else {
        float *rows = x + config->prefix * dim; /* x is not read again */
        tleg_layernorm(kernels, patches, dim, rows, norm->weight, norm->bias, eps, rows);
        tleg_mean_rows(kernels, patches, dim, rows, out);
    }
}

static void average(size_t count, float *a, const float *b) {
    for (size_t i = 0; i < count; i++)
        a[i] = (a[i] + b[i]) / 2;
}

/* out (B, C) = pooled (B, D) head^T + bias */
static void read_out(const struct tleg_session *session, int which, int64_t batch, const float *pooled, float *out) {
    const struct tleg_linear *head = &session->network.outer->head[which];
    tleg_gemm(&session->exec, &(struct tleg_gemm){.m = batch,
                                                  .rows = {.kind = TLEG_ROWS_PLAIN, .x = pooled, .stride = head->weight.k},
                                                  .weight = &head->weight,
                                                  .epilogue = {.bias = head->bias},
                                                  .out = out,
                                                  .out_stride = head->weight.n});
}

bool tleg_network_run(struct tleg_session *session, const float *images, int64_t batch, float *logits, float *features) {
    const tleg_config *config = session->network.config;
    int64_t image = 3 * (int64_t)config->image_size * config->image_size, dim = config->dim;
    int heads = tleg_config_readouts(config);
    struct tleg_block_shape shape = session->plan.shape;
    int64_t row = shape.tokens * dim;
    shape.batch = batch;
    for (int64_t b = 0; b < batch; b++)
        embed(session, images + b * image, session->x + b * row);
    if (!run_blocks(session, &shape))
        return false;
    for (int h = 0; h < heads; h++)
        for (int64_t b = 0; b < batch; b++)
            pool(session, session->x + b * row, h, session->pooled + (h * batch + b) * dim);
    if (logits) {
        read_out(session, 0, batch, session->pooled, logits);
        if (heads == 2) {
            read_out(session, 1, batch, session->pooled + batch * dim, session->logits);
            average((size_t)(batch * config->classes), logits, session->logits);
        }
    }
    if (features) {
        if (heads == 2)
            average((size_t)(batch * dim), session->pooled, session->pooled + batch * dim);
        memcpy(features, session->pooled, (size_t)(batch * dim) * sizeof(float));
    }
    return true;
}
