/* From images to the first block's input, and back. */
#include "train/private.h"

#include <string.h>

static struct tleg_rows patch_rows(const tleg_config *net, const float *image) {
    return (struct tleg_rows){
        .kind = TLEG_ROWS_PATCHES, .x = image, .image_size = net->image_size, .patch_size = net->patch_size};
}

void tleg_train_embed(tleg_trainer *t, const float *images, int64_t batch, float *x) {
    const tleg_config *net = &t->layout.net;
    int64_t dim = net->dim, tokens = t->layout.shape.tokens, image = 3 * (int64_t)net->image_size * net->image_size;
    const float *pos = tleg_train_position(t);
    const float *token[2] = {tleg_train_value(t, TLEG_SLOT_CLS_TOKEN), tleg_train_value(t, TLEG_SLOT_DIST_TOKEN)};
    struct tleg_train_linear patch;
    tleg_train_linear(t, TLEG_TRAIN_PATCH, &patch);
    for (int64_t b = 0; b < batch; b++, x += tokens * dim) {
        for (int64_t k = 0; k < net->prefix; k++)
            for (int64_t i = 0; i < dim; i++)
                x[k * dim + i] = token[k][i] + pos[k * dim + i];
        tleg_gemm(&t->exec,
                  &(struct tleg_gemm){
                      .m = tokens - net->prefix,
                      .rows = patch_rows(net, images + b * image),
                      .weight = &patch.linear.weight,
                      .epilogue = {.bias = patch.linear.bias, .residual = pos + net->prefix * dim, .residual_stride = dim},
                      .out = x + net->prefix * dim,
                      .out_stride = dim});
    }
}

static void add(float *to, const float *from, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

void tleg_train_embed_backward(tleg_trainer *t, const float *images, int64_t batch, const float *d) {
    const tleg_config *net = &t->layout.net;
    int64_t dim = net->dim, tokens = t->layout.shape.tokens, image = 3 * (int64_t)net->image_size * net->image_size;
    float *dpos = tleg_trainer_at(t, t->layout.dpos);
    struct tleg_train_linear patch;
    tleg_train_linear(t, TLEG_TRAIN_PATCH, &patch);
    for (int64_t b = 0; b < batch; b++) {
        const float *rows = d + b * tokens * dim;
        add(dpos, rows, tokens * dim);
        tleg_weight_backward(&t->exec, &(struct tleg_weight_backward){.m = tokens - net->prefix,
                                                                      .n = dim,
                                                                      .k = patch.linear.weight.k,
                                                                      .dy = rows + net->prefix * dim,
                                                                      .dy_stride = dim,
                                                                      .rows = patch_rows(net, images + b * image),
                                                                      .weight = patch.weight,
                                                                      .bias = patch.bias});
    }
}

void tleg_train_embed_start(tleg_trainer *t) {
    memset(tleg_trainer_at(t, t->layout.dpos), 0, (size_t)(t->layout.shape.tokens * t->layout.net.dim) * sizeof(float));
}

void tleg_train_embed_end(tleg_trainer *t) {
    const tleg_config *net = &t->layout.net, *own = &t->config.c;
    const enum tleg_slot token[2] = {TLEG_SLOT_CLS_TOKEN, TLEG_SLOT_DIST_TOKEN};
    const float *dpos = tleg_trainer_at(t, t->layout.dpos);
    float *to = t->gradient + t->outer[TLEG_SLOT_POS_EMBED];
    for (int64_t k = 0; k < net->prefix; k++)
        add(t->gradient + t->outer[token[k]], dpos + k * net->dim, net->dim);
    if (t->layout.resampled)
        tleg_resample_grid_backward(own->prefix, own->image_size / own->patch_size, net->image_size / net->patch_size, net->dim,
                                    dpos, to);
    else
        add(to, dpos, t->layout.shape.tokens * net->dim);
}
