/* A whole network put together from the public parts, blocks and operations, against PyTorch's logits (tests/golden): what a
 * host that has a network of its own relies on. */
#include "support/reference_forward.h"
#include <stdio.h>
#include <string.h>

static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;

/* For results: filled with garbage. */
static tleg_tensor *filled(tleg_context *context, int64_t a, int64_t b, int64_t c) {
    return support_wrap(context, support_values(1, (size_t)(a * b * c), 1, 0), 3, a, b, c, 0);
}

static tleg_tensor *model_tensor(tleg_context *context, const tleg_model *model, const char *name) {
    tleg_tensor *tensor = NULL;
    OK(context, tleg_model_copy_tensor(context, model, name, &tensor));
    return tensor;
}

/* Patches through the embedding, as rows of a linear layer, plus the position: x (batch, tokens, dim). */
static tleg_tensor *embed(tleg_context *context, const tleg_model *model, const tleg_config *config, const float *images) {
    int64_t patch = config->patch_size, size = config->image_size, grid = size / patch, tokens = grid * grid;
    int64_t columns = 3 * patch * patch, dim = config->dim;
    float *rows = malloc((size_t)(GOLDEN_BATCH * tokens * columns) * sizeof *rows), *at = rows;
    assert_non_null(rows);
    for (int64_t row = 0; row < GOLDEN_BATCH * tokens; row++) {
        int64_t image = row / tokens, top = row % tokens / grid * patch, left = row % grid * patch;
        for (int64_t i = 0; i < columns; i++) {
            int64_t channel = i / (patch * patch), y = top + i / patch % patch, x = left + i % patch;
            *at++ = images[((image * 3 + channel) * size + y) * size + x];
        }
    }
    tleg_tensor *patches = support_wrap(context, rows, 3, GOLDEN_BATCH, tokens, columns, 0), *weight = NULL;
    tleg_tensor *kernel = model_tensor(context, model, "patch_embed.proj.weight"); /* (D, 3, P, P) */
    OK(context, tleg_tensor_wrap(context, TLEG_F32, 2, (int64_t[]){dim, columns}, support_data(kernel), NULL, NULL, &weight));
    tleg_tensor *bias = model_tensor(context, model, "patch_embed.proj.bias"), *pos = model_tensor(context, model, "pos_embed");
    tleg_tensor *x = filled(context, GOLDEN_BATCH, tokens, dim);
    OK(context, tleg_linear_forward(context, patches, weight, bias, x));
    for (int64_t i = 0; i < GOLDEN_BATCH * tokens * dim; i++) {
        support_data(x)[i] += support_data(pos)[i % (tokens * dim)];
    }
    tleg_tensor *done[] = {patches, weight, kernel, bias, pos};
    for (size_t i = 0; i < sizeof done / sizeof done[0]; i++) {
        tleg_tensor_free(done[i]);
    }
    return x;
}

static void block_of_model(tleg_context *context, const tleg_model *model, const tleg_config *config, int layer,
                           tleg_block **block) {
    tleg_block_options options = {.struct_size = sizeof options, .heads = config->heads, .eps = config->eps};
    const struct {
        const char *name;
        const tleg_tensor **tensor;
    } parts[] = {{"norm1.weight", &options.norm1_weight},    {"norm1.bias", &options.norm1_bias},
                 {"attn.qkv.weight", &options.qkv_weight},   {"attn.qkv.bias", &options.qkv_bias},
                 {"attn.proj.weight", &options.proj_weight}, {"attn.proj.bias", &options.proj_bias},
                 {"norm2.weight", &options.norm2_weight},    {"norm2.bias", &options.norm2_bias},
                 {"mlp.fc1.weight", &options.fc1_weight},    {"mlp.fc1.bias", &options.fc1_bias},
                 {"mlp.fc2.weight", &options.fc2_weight},    {"mlp.fc2.bias", &options.fc2_bias}};
    enum { PARTS = sizeof parts / sizeof parts[0] };
    tleg_tensor *tensors[PARTS] = {NULL};
    for (int i = 0; i < PARTS; i++) {
        char name[64];
        snprintf(name, sizeof name, "blocks.%d.%s", layer, parts[i].name);
        if (!config->no_qkv_bias || strcmp(parts[i].name, "attn.qkv.bias") != 0) {
            *parts[i].tensor = tensors[i] = model_tensor(context, model, name);
        }
    }
    OK(context, tleg_block_create(context, &options, block));
    for (int i = 0; i < PARTS; i++) {
        tleg_tensor_free(tensors[i]); /* the block has its own copy */
    }
}

static void run(tleg_context *context, const tleg_block *block, int64_t tokens, const tleg_tensor *x, tleg_tensor *y) {
    uint64_t bytes = 0;
    void *memory = NULL;
    OK(context, tleg_block_get_memory(context, block, GOLDEN_BATCH, tokens, &bytes));
    assert_int_equal(posix_memalign(&memory, 64, bytes), 0);
    OK(context, tleg_block_forward(context, block, x, y, memory, bytes));
    free(memory);
}

/* Norm, mean over the tokens, head. */
static tleg_tensor *head(tleg_context *context, const tleg_model *model, const tleg_config *config, const tleg_tensor *x,
                         int64_t tokens) {
    int64_t dim = config->dim;
    tleg_tensor *weight = model_tensor(context, model, "norm.weight"), *bias = model_tensor(context, model, "norm.bias");
    tleg_tensor *normed = filled(context, GOLDEN_BATCH, tokens, dim), *mean = filled(context, 1, GOLDEN_BATCH, dim);
    OK(context, tleg_layernorm_forward(context, x, weight, bias, config->eps, normed));
    for (int64_t i = 0; i < GOLDEN_BATCH * dim; i++) {
        double sum = 0;
        for (int64_t t = 0; t < tokens; t++) {
            sum += (double)support_data(normed)[(i / dim * tokens + t) * dim + i % dim];
        }
        support_data(mean)[i] = (float)(sum / (double)tokens);
    }
    tleg_tensor_free(weight);
    tleg_tensor_free(bias);
    weight = model_tensor(context, model, "head.weight");
    bias = model_tensor(context, model, "head.bias");
    tleg_tensor *logits = filled(context, 1, GOLDEN_BATCH, GOLDEN_CLASSES);
    OK(context, tleg_linear_forward(context, mean, weight, bias, logits));
    tleg_tensor *done[] = {weight, bias, normed, mean};
    for (size_t i = 0; i < sizeof done / sizeof done[0]; i++) {
        tleg_tensor_free(done[i]);
    }
    return logits;
}

static void check_against_pytorch(tleg_context *context, const struct golden *golden, const char *backend) {
    tleg_expander *expander = support_expander(context, golden, TLEG_F32);
    tleg_model *model = NULL;
    tleg_config config = {.struct_size = sizeof config};
    const float *images, *wanted;
    size_t count;
    OK(context, tleg_expander_expand(context, expander, golden->depth, &model));
    OK(context, tleg_model_get_info(context, model, &config));
    tleg_tensor *batch = support_images(context, golden->images, &images);
    tleg_tensor *x = embed(context, model, &config, images);
    int64_t grid = config.image_size / config.patch_size;
    for (int layer = 0; layer < golden->depth; layer++) {
        tleg_tensor *y = filled(context, GOLDEN_BATCH, grid * grid, config.dim);
        tleg_block *block = NULL;
        block_of_model(context, model, &config, layer, &block);
        run(context, block, grid * grid, x, y);
        tleg_block_free(block);
        tleg_tensor_free(x);
        x = y;
    }
    tleg_tensor *logits = head(context, model, &config, x, grid * grid);
    tleg_tensor *answer = support_tensor(context, support_path(golden->name, ".out.safetensors"), "logits", &wanted, &count);
    double far = support_relative(support_data(logits), wanted, count);
    if (!(far < 1e-4)) {
        fail_msg("%s at %s: logits of blocks and ops are %.1e from PyTorch's", golden->name, backend, far);
    }
    tleg_tensor *done[] = {batch, x, logits, answer};
    for (size_t i = 0; i < sizeof done / sizeof done[0]; i++) {
        tleg_tensor_free(done[i]);
    }
    tleg_model_free(model);
    tleg_expander_free(expander);
}

static void a_network_of_blocks_and_operations_gives_pytorchs_logits(void **state) {
    (void)state;
    static const char *const names[] = {"mean-1", "mean-13", "nobias-2", "shared-5", "token-3", "wide-2", "patch1-2"};
    struct golden cases[MAX_GOLDEN];
    int32_t count = support_golden(cases), used = 0;
    for (int32_t i = 0; i < count; i++) {
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
            for (int32_t b = 0; b < backend_count && strcmp(cases[i].name, names[n]) == 0; b++, used++) {
                tleg_context *context = support_context(&backends[b], 2);
                check_against_pytorch(context, &cases[i], backends[b].name);
                tleg_context_free(context);
            }
        }
    }
    assert_int_equal(used, backend_count * (int)(sizeof names / sizeof names[0]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_of_blocks_and_operations_gives_pytorchs_logits),
    };
    backend_count = support_backends(backends);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
