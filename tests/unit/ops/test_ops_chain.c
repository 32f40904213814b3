/* The operations one after the other are the network: a learngene's model of one block, forward and backward by public
 * operations alone, against the reference's loss and gradients. */
#include "support/reference_forward.h"

enum { BATCH = GOLDEN_BATCH, CLASSES = GOLDEN_CLASSES, DIM = 12, HIDDEN = 48, PATCHES = 16, PATCH = 4 };

struct param { /* one of the gene's tensors, the shape that its operation wants, and where its gradient goes */
    const char *name;
    int32_t rank;
    int64_t shape[4];
    tleg_tensor *value, *gradient;
};
enum {
    PATCH_WEIGHT,
    PATCH_BIAS,
    POS,
    NORM1_WEIGHT,
    NORM1_BIAS,
    QKV_WEIGHT,
    PROJ_WEIGHT,
    PROJ_BIAS,
    NORM2_WEIGHT,
    NORM2_BIAS,
    FC1_WEIGHT,
    FC1_BIAS,
    FC2_WEIGHT,
    FC2_BIAS,
    NORM_WEIGHT,
    NORM_BIAS,
    HEAD_WEIGHT,
    HEAD_BIAS,
    PARAMS
};
static struct param params[PARAMS] = {
    [PATCH_WEIGHT] = {.name = "patch_embed.proj.weight", .rank = 4, .shape = {DIM, 3, PATCH, PATCH}},
    [PATCH_BIAS] = {.name = "patch_embed.proj.bias", .rank = 1, .shape = {DIM}},
    [POS] = {.name = "pos_embed", .rank = 2, .shape = {PATCHES, DIM}},
    [NORM1_WEIGHT] = {.name = "blocks.block.norm1.instances.0.weight_base", .rank = 1, .shape = {DIM}},
    [NORM1_BIAS] = {.name = "blocks.block.norm1.instances.0.bias_base", .rank = 1, .shape = {DIM}},
    [QKV_WEIGHT] = {.name = "blocks.block.attn.qkv.instances.0.weight_base", .rank = 2, .shape = {3 * DIM, DIM}},
    [PROJ_WEIGHT] = {.name = "blocks.block.attn.proj.instances.0.weight_base", .rank = 2, .shape = {DIM, DIM}},
    [PROJ_BIAS] = {.name = "blocks.block.attn.proj.instances.0.bias_base", .rank = 1, .shape = {DIM}},
    [NORM2_WEIGHT] = {.name = "blocks.block.norm2.instances.0.weight_base", .rank = 1, .shape = {DIM}},
    [NORM2_BIAS] = {.name = "blocks.block.norm2.instances.0.bias_base", .rank = 1, .shape = {DIM}},
    [FC1_WEIGHT] = {.name = "blocks.block.mlp.fc1.instances.0.weight_base", .rank = 2, .shape = {HIDDEN, DIM}},
    [FC1_BIAS] = {.name = "blocks.block.mlp.fc1.instances.0.bias_base", .rank = 1, .shape = {HIDDEN}},
    [FC2_WEIGHT] = {.name = "blocks.block.mlp.fc2.instances.0.weight_base", .rank = 2, .shape = {DIM, HIDDEN}},
    [FC2_BIAS] = {.name = "blocks.block.mlp.fc2.instances.0.bias_base", .rank = 1, .shape = {DIM}},
    [NORM_WEIGHT] = {.name = "norm.weight", .rank = 1, .shape = {DIM}},
    [NORM_BIAS] = {.name = "norm.bias", .rank = 1, .shape = {DIM}},
    [HEAD_WEIGHT] = {.name = "head.weight", .rank = 2, .shape = {CLASSES, DIM}},
    [HEAD_BIAS] = {.name = "head.bias", .rank = 1, .shape = {CLASSES}},
};

static tleg_context *context;

static tleg_tensor *tensor_of(const float *values, int32_t rank, const int64_t *shape) {
    tleg_tensor *tensor = NULL;
    OK(context, tleg_tensor_create(context, TLEG_F32, rank, shape, &tensor));
    tleg_tensor_info info = {.struct_size = sizeof info};
    OK(context, tleg_tensor_get_info(context, tensor, &info));
    for (size_t i = 0; values != NULL && i < info.bytes / sizeof(float); i++) {
        support_data(tensor)[i] = values[i];
    }
    return tensor;
}

static tleg_tensor *zeros(int32_t rank, int64_t a, int64_t b, int64_t c) {
    return tensor_of(NULL, rank, (const int64_t[]){a, b, c});
}

static int prepare(void **state) {
    (void)state;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    for (int i = 0; i < PARAMS; i++) {
        struct param *p = &params[i];
        const float *values;
        size_t count;
        tleg_tensor *own = support_tensor(context, support_path("nobias", ".gene.safetensors"), p->name, &values, &count);
        p->value = tensor_of(values, p->rank, p->shape);
        p->gradient = tensor_of(NULL, p->rank, p->shape);
        tleg_tensor_free(own);
    }
    return 0;
}

static int clean(void **state) {
    (void)state;
    for (int i = 0; i < PARAMS; i++) {
        tleg_tensor_free(params[i].value);
        tleg_tensor_free(params[i].gradient);
    }
    tleg_context_free(context);
    return 0;
}

#define V(param) params[param].value
#define G(param) params[param].gradient

/* x becomes block(x), and keeps what the way back needs. */
struct kept {
    tleg_tensor *patches, *x, *y, *normed, *pooled, *logits;
    tleg_block *block;
    void *workspace;
    uint64_t bytes;
};

static void open_block(struct kept *k) {
    tleg_block_options options = {.struct_size = sizeof options,
                                  .heads = 1,
                                  .norm1_weight = V(NORM1_WEIGHT),
                                  .norm1_bias = V(NORM1_BIAS),
                                  .qkv_weight = V(QKV_WEIGHT),
                                  .proj_weight = V(PROJ_WEIGHT),
                                  .proj_bias = V(PROJ_BIAS),
                                  .norm2_weight = V(NORM2_WEIGHT),
                                  .norm2_bias = V(NORM2_BIAS),
                                  .fc1_weight = V(FC1_WEIGHT),
                                  .fc1_bias = V(FC1_BIAS),
                                  .fc2_weight = V(FC2_WEIGHT),
                                  .fc2_bias = V(FC2_BIAS)};
    uint64_t forward, backward;
    OK(context, tleg_block_create(context, &options, &k->block));
    OK(context, tleg_block_get_memory(context, k->block, BATCH, PATCHES, &forward));
    OK(context, tleg_block_get_backward_memory(context, k->block, BATCH, PATCHES, &backward));
    k->bytes = forward > backward ? forward : backward;
    k->workspace = malloc((size_t)k->bytes);
    assert_non_null(k->workspace);
}

static void forward(struct kept *k, const tleg_tensor *images) {
    open_block(k);
    k->patches = zeros(3, BATCH, PATCHES, DIM);
    k->x = zeros(3, BATCH, PATCHES, DIM);
    k->y = zeros(3, BATCH, PATCHES, DIM);
    k->normed = zeros(3, BATCH, PATCHES, DIM);
    k->pooled = zeros(2, BATCH, DIM, 0);
    k->logits = zeros(2, BATCH, CLASSES, 0);
    OK(context, tleg_patch_embed_forward(context, images, V(PATCH_WEIGHT), V(PATCH_BIAS), k->patches));
    OK(context, tleg_tokens_forward(context, k->patches, NULL, V(POS), k->x));
    OK(context, tleg_block_forward(context, k->block, k->x, k->y, k->workspace, k->bytes));
    OK(context, tleg_layernorm_forward(context, k->y, V(NORM_WEIGHT), V(NORM_BIAS), 1e-5, k->normed));
    OK(context, tleg_mean_pool_forward(context, k->normed, 0, k->pooled));
    OK(context, tleg_linear_forward(context, k->pooled, V(HEAD_WEIGHT), V(HEAD_BIAS), k->logits));
}

/* alpha 0.4, tau 2, smoothing 0.1: the gradient by the logits comes from both losses. */
static double losses(const struct kept *k, const tleg_tensor *labels, const tleg_tensor *teacher, tleg_tensor *dlogits) {
    tleg_tensor *other = zeros(2, BATCH, CLASSES, 0);
    double entropy, distillation;
    OK(context, tleg_cross_entropy(context, k->logits, labels, 0.1, &entropy, dlogits));
    OK(context, tleg_distillation(context, k->logits, teacher, 2, &distillation, other));
    for (int i = 0; i < BATCH * CLASSES; i++) {
        support_data(dlogits)[i] = 0.6F * support_data(dlogits)[i] + 0.4F * support_data(other)[i];
    }
    tleg_tensor_free(other);
    return 0.6 * entropy + 0.4 * distillation;
}

static void backward(const struct kept *k, const tleg_tensor *images, const tleg_tensor *dlogits) {
    tleg_block_gradients gradients = {.struct_size = sizeof gradients,
                                      .norm1_weight = G(NORM1_WEIGHT),
                                      .norm1_bias = G(NORM1_BIAS),
                                      .qkv_weight = G(QKV_WEIGHT),
                                      .proj_weight = G(PROJ_WEIGHT),
                                      .proj_bias = G(PROJ_BIAS),
                                      .norm2_weight = G(NORM2_WEIGHT),
                                      .norm2_bias = G(NORM2_BIAS),
                                      .fc1_weight = G(FC1_WEIGHT),
                                      .fc1_bias = G(FC1_BIAS),
                                      .fc2_weight = G(FC2_WEIGHT),
                                      .fc2_bias = G(FC2_BIAS)};
    tleg_tensor *dpooled = zeros(2, BATCH, DIM, 0), *d = zeros(3, BATCH, PATCHES, DIM),
                *dpatches = zeros(3, BATCH, PATCHES, DIM);
    OK(context, tleg_linear_backward(context, k->pooled, V(HEAD_WEIGHT), dlogits, dpooled, G(HEAD_WEIGHT), G(HEAD_BIAS)));
    OK(context, tleg_mean_pool_backward(context, dpooled, 0, d));
    OK(context, tleg_layernorm_backward(context, k->y, V(NORM_WEIGHT), 1e-5, d, d, G(NORM_WEIGHT), G(NORM_BIAS)));
    OK(context, tleg_block_backward(context, k->block, k->x, d, d, &gradients, k->workspace, k->bytes));
    OK(context, tleg_tokens_backward(context, d, dpatches, NULL, G(POS)));
    OK(context, tleg_patch_embed_backward(context, images, V(PATCH_WEIGHT), dpatches, NULL, G(PATCH_WEIGHT), G(PATCH_BIAS)));
    tleg_tensor_free(dpooled);
    tleg_tensor_free(d);
    tleg_tensor_free(dpatches);
}

static void compare(const struct param *p) {
    const float *wanted;
    size_t count;
    tleg_tensor *reference = support_tensor(context, support_path("nobias-1.grad", ".safetensors"), p->name, &wanted, &count);
    double far = support_relative(support_data(p->gradient), wanted, count);
    if (!(far <= 2e-4)) {
        fail_msg("the gradient of %s is %.1e off", p->name, far);
    }
    tleg_tensor_free(reference);
}

static void the_operations_one_after_the_other_are_the_network(void **state) {
    (void)state;
    static const char *const names[] = {"images", "labels", "teacher_logits"};
    tleg_tensor *in[3] = {NULL}, *dlogits = zeros(2, BATCH, CLASSES, 0);
    tleg_file *file = NULL;
    OK(context, tleg_file_open(context, support_path("images-16", ".safetensors"), NULL, &file));
    for (int i = 0; i < 3; i++) {
        OK(context, tleg_file_read_tensor(context, file, names[i], &in[i]));
    }
    tleg_file_free(file);
    struct kept k;
    const float *wanted;
    size_t count;
    forward(&k, in[0]);
    double loss = losses(&k, in[1], in[2], dlogits);
    tleg_tensor *reference = support_tensor(context, support_path("nobias-1.grad", ".safetensors"), "loss", &wanted, &count);
    assert_true(fabs(loss - (double)*wanted) < 2e-6 * loss);
    tleg_tensor_free(reference);
    backward(&k, in[0], dlogits);
    for (int i = 0; i < PARAMS; i++) {
        compare(&params[i]);
    }
    tleg_tensor *all[] = {in[0], in[1], in[2], dlogits, k.patches, k.x, k.y, k.normed, k.pooled, k.logits};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        tleg_tensor_free(all[i]);
    }
    tleg_block_free(k.block);
    free(k.workspace);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_operations_one_after_the_other_are_the_network),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
