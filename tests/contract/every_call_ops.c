/* The parts of the walk that need tensors alone: a block, operations, losses. */
#include "contract/every_call_private.h"

#include <stdlib.h>

enum { CLASSES = 5, DIM = 8, HEADS = 2, TOKENS = 3, HIDDEN = 12 };

tleg_status visit_block_calls(struct visit *v) {
    tleg_block_options options = {.struct_size = sizeof(options), .heads = HEADS};
    const tleg_tensor **vectors[] = {&options.norm1_weight, &options.norm1_bias, &options.proj_bias,
                                     &options.norm2_weight, &options.norm2_bias, &options.fc2_bias};
    tleg_tensor *made, *x, *y, *dx, *dfc1;
    uint64_t forward = 0, backward = 0;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        TRY(visit_tensor(v, 1, DIM, 0, 0, &made));
        *vectors[i] = made;
    }
    TRY(visit_tensor(v, 2, 3 * DIM, DIM, 0, &made));
    options.qkv_weight = made;
    TRY(visit_tensor(v, 2, DIM, DIM, 0, &made));
    options.proj_weight = made;
    TRY(visit_tensor(v, 2, HIDDEN, DIM, 0, &made));
    options.fc1_weight = made;
    TRY(visit_tensor(v, 1, HIDDEN, 0, 0, &made));
    options.fc1_bias = made;
    TRY(visit_tensor(v, 2, DIM, HIDDEN, 0, &made));
    options.fc2_weight = made;
    TRY(visit_tensor(v, 3, 2, TOKENS, DIM, &x));
    TRY(visit_tensor(v, 3, 2, TOKENS, DIM, &y));
    TRY(visit_tensor(v, 3, 2, TOKENS, DIM, &dx));
    TRY(visit_tensor(v, 2, HIDDEN, DIM, 0, &dfc1));
    TRY(tleg_block_create(v->context, &options, &v->block));
    TRY(tleg_block_get_memory(v->context, v->block, 2, TOKENS, &forward));
    TRY(tleg_block_get_backward_memory(v->context, v->block, 2, TOKENS, &backward));
    const uint64_t bytes = (forward > backward ? forward : backward) + 64;
    v->workspace = malloc((size_t)bytes);
    MUST(v->workspace);
    visit_spoil(v->workspace, (size_t)bytes / 64 * 64);
    TRY(tleg_block_forward(v->context, v->block, x, y, v->workspace, bytes));
    const tleg_block_gradients gradients = {.struct_size = sizeof(gradients), .fc1_weight = dfc1};
    TRY(tleg_block_backward(v->context, v->block, x, y, dx, &gradients, v->workspace, bytes));
    TRY(visit_digest_tensor(v, y));
    TRY(visit_digest_tensor(v, dx));
    return visit_digest_tensor(v, dfc1);
}

tleg_status visit_op_calls(struct visit *v) {
    tleg_tensor *x, *y, *dx, *vector, *dvector, *bias, *fc1, *dfc1, *fc2, *dfc2, *wide, *qkv, *dqkv, *square;
    visit_let_go(v);
    TRY(visit_tensor(v, 3, 2, TOKENS, DIM, &x));
    TRY(visit_tensor(v, 3, 2, TOKENS, DIM, &y));
    TRY(visit_tensor(v, 3, 2, TOKENS, DIM, &dx));
    TRY(visit_tensor(v, 1, DIM, 0, 0, &vector));
    TRY(visit_tensor(v, 1, DIM, 0, 0, &dvector));
    TRY(visit_tensor(v, 1, HIDDEN, 0, 0, &bias));
    TRY(visit_tensor(v, 2, HIDDEN, DIM, 0, &fc1));
    TRY(visit_tensor(v, 2, HIDDEN, DIM, 0, &dfc1));
    TRY(visit_tensor(v, 2, DIM, HIDDEN, 0, &fc2));
    TRY(visit_tensor(v, 2, DIM, HIDDEN, 0, &dfc2));
    TRY(visit_tensor(v, 3, 2, TOKENS, HIDDEN, &wide));
    TRY(visit_tensor(v, 3, 2, TOKENS, 3 * DIM, &qkv));
    TRY(visit_tensor(v, 3, 2, TOKENS, 3 * DIM, &dqkv));
    TRY(visit_tensor(v, 2, HIDDEN, DIM, 0, &square));
    TRY(tleg_layernorm_forward(v->context, x, vector, vector, 1e-5, y));
    TRY(tleg_layernorm_backward(v->context, x, vector, 1e-5, y, dx, dvector, NULL));
    TRY(visit_digest_tensor(v, dx));
    TRY(tleg_linear_forward(v->context, x, fc1, bias, wide));
    TRY(tleg_linear_backward(v->context, x, fc1, wide, dx, dfc1, NULL));
    TRY(visit_digest_tensor(v, dfc1));
    TRY(tleg_gelu_forward(v->context, x, y));
    TRY(tleg_gelu_backward(v->context, x, y, dx));
    TRY(visit_digest_tensor(v, dx));
    TRY(tleg_mlp_forward(v->context, x, fc1, bias, fc2, vector, y));
    TRY(tleg_mlp_backward(v->context, x, fc1, bias, fc2, y, dx, dfc1, NULL, dfc2, dvector));
    TRY(visit_digest_tensor(v, dfc2));
    TRY(tleg_attention_forward(v->context, qkv, HEADS, y));
    TRY(tleg_attention_backward(v->context, qkv, HEADS, y, dqkv));
    return visit_digest_tensor(v, dqkv);
}

tleg_status visit_outer_op_calls(struct visit *v) {
    tleg_tensor *images, *weight, *bias, *dweight, *patches, *dpatches, *token, *dtoken, *pos, *dpos, *all, *pooled, *dall;
    static const int64_t shape[] = {2, 3, 8, 8}, kernel[] = {DIM, 3, 4, 4};
    tleg_tensor_info info = {.struct_size = sizeof(info)};
    visit_let_go(v);
    tleg_tensor **four[] = {visit_slot(v), visit_slot(v), visit_slot(v)};
    TRY(tleg_tensor_create(v->context, TLEG_F32, 4, shape, four[0]));
    TRY(tleg_tensor_create(v->context, TLEG_F32, 4, kernel, four[1]));
    TRY(tleg_tensor_create(v->context, TLEG_F32, 4, kernel, four[2]));
    images = *four[0], weight = *four[1], dweight = *four[2];
    TRY(tleg_tensor_get_info(v->context, images, &info));
    visit_fill(info.data, (size_t)(info.bytes / sizeof(float)), 11);
    TRY(tleg_tensor_get_info(v->context, weight, &info));
    visit_fill(info.data, (size_t)(info.bytes / sizeof(float)), 12);
    TRY(visit_tensor(v, 1, DIM, 0, 0, &bias));
    TRY(visit_tensor(v, 3, 2, 4, DIM, &patches));
    TRY(visit_tensor(v, 3, 2, 4, DIM, &dpatches));
    TRY(visit_tensor(v, 2, 1, DIM, 0, &token));
    TRY(visit_tensor(v, 2, 1, DIM, 0, &dtoken));
    TRY(visit_tensor(v, 2, 5, DIM, 0, &pos));
    TRY(visit_tensor(v, 2, 5, DIM, 0, &dpos));
    TRY(visit_tensor(v, 3, 2, 5, DIM, &all));
    TRY(visit_tensor(v, 3, 2, 5, DIM, &dall));
    TRY(visit_tensor(v, 2, 2, DIM, 0, &pooled));
    TRY(tleg_patch_embed_forward(v->context, images, weight, bias, patches));
    TRY(tleg_patch_embed_backward(v->context, images, weight, patches, NULL, dweight, NULL));
    TRY(tleg_tokens_forward(v->context, patches, token, pos, all));
    TRY(tleg_tokens_backward(v->context, all, dpatches, dtoken, dpos));
    TRY(tleg_mean_pool_forward(v->context, all, 1, pooled));
    TRY(tleg_mean_pool_backward(v->context, pooled, 1, dall));
    TRY(visit_digest_tensor(v, dweight));
    TRY(visit_digest_tensor(v, dpos));
    return visit_digest_tensor(v, dall);
}

tleg_status visit_loss_calls(struct visit *v) {
    static int64_t classes[] = {1, 0};
    static const int64_t shape[] = {2};
    tleg_tensor *logits, *teacher, *dlogits, **labels;
    double loss[2] = {0, 0};
    visit_let_go(v);
    labels = visit_slot(v);
    TRY(visit_tensor(v, 2, 2, CLASSES, 0, &logits));
    TRY(visit_tensor(v, 2, 2, CLASSES, 0, &teacher));
    TRY(visit_tensor(v, 2, 2, CLASSES, 0, &dlogits));
    TRY(tleg_tensor_wrap(v->context, TLEG_I64, 1, shape, classes, NULL, NULL, labels));
    TRY(tleg_cross_entropy(v->context, logits, *labels, 0.1, &loss[0], dlogits));
    TRY(visit_digest_tensor(v, dlogits));
    TRY(tleg_distillation(v->context, logits, teacher, 2, &loss[1], dlogits));
    visit_digest(v, loss, sizeof(loss));
    return visit_digest_tensor(v, dlogits);
}
