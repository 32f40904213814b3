/* The block of `tleg check`: its weights, and each operation at a level against the reference. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

static const double eps = 1.0 / CHECK_EPS_INVERSE;

double check_difference(const float *found, const double *expected, size_t count) {
    double largest = 0, difference = 0;
    for (size_t i = 0; i < count; i++) {
        double one = fabs((double)found[i] - expected[i]);
        if (isnan(one))
            return INFINITY;
        largest = fmax(largest, fabs(expected[i]));
        difference = fmax(difference, one);
    }
    return largest > 0 ? difference / largest : difference;
}

void check_fill(float *out, size_t count, uint32_t seed, float scale, float shift) {
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525U + 1013904223U; /* Knuth's and Lewis' generator: the high bits are good enough here */
        out[i] = ((float)(int32_t)(seed >> 8) / 8388608.0F - 1.0F) * scale + shift;
    }
}

size_t check_result_count(const struct check_block *block, enum check_result result) {
    size_t count = (size_t)(block->batch * block->tokens * block->dim);
    return result == CHECK_LINEAR || result == CHECK_GELU ? 3 * count : count;
}

/* Weights are scaled so that numbers keep their size from op to op, as in a trained model. */
static tleg_status make_input(tleg_context *context, struct check_block *block, enum check_input input, int32_t rank,
                              const int64_t *shape, float scale, float shift) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    tleg_status status = tleg_tensor_create(context, TLEG_F32, rank, shape, &block->inputs[input]);
    if (status == TLEG_OK)
        status = tleg_tensor_get_info(context, block->inputs[input], &info);
    if (status == TLEG_OK) {
        block->data[input] = info.data;
        check_fill(info.data, info.bytes / sizeof(float), (uint32_t)input + 1, scale, shift);
    }
    return status;
}

static tleg_status make_inputs(tleg_context *context, struct check_block *block) {
    int64_t dim = block->dim, hidden = block->hidden;
    float of_dim = 1.7F / sqrtf((float)dim), of_hidden = 1.7F / sqrtf((float)hidden);
    const struct {
        enum check_input input;
        int32_t rank;
        int64_t shape[3];
        float scale, shift;
    } makes[] = {
        {CHECK_X, 3, {block->batch, block->tokens, dim}, 2, 0},
        {CHECK_NORM_WEIGHT, 1, {dim}, 0.5F, 1},
        {CHECK_NORM_BIAS, 1, {dim}, 0.5F, 0},
        {CHECK_QKV_WEIGHT, 2, {3 * dim, dim}, of_dim, 0},
        {CHECK_QKV_BIAS, 1, {3 * dim}, 0.5F, 0},
        {CHECK_PROJ_WEIGHT, 2, {dim, dim}, of_dim, 0},
        {CHECK_PROJ_BIAS, 1, {dim}, 0.5F, 0},
        {CHECK_FC1_WEIGHT, 2, {hidden, dim}, of_dim, 0},
        {CHECK_FC1_BIAS, 1, {hidden}, 0.5F, 0},
        {CHECK_FC2_WEIGHT, 2, {dim, hidden}, of_hidden, 0},
        {CHECK_FC2_BIAS, 1, {dim}, 0.5F, 0},
    };
    tleg_status status = TLEG_OK;
    for (size_t i = 0; i < sizeof makes / sizeof *makes && status == TLEG_OK; i++)
        status = make_input(context, block, makes[i].input, makes[i].rank, makes[i].shape, makes[i].scale, makes[i].shift);
    return status;
}

tleg_status check_block_create(tleg_context *context, struct check_block *block) {
    tleg_status status = make_inputs(context, block);
    for (enum check_result i = 0; i < CHECK_RESULTS && status == TLEG_OK; i++) {
        block->expected[i] = malloc(check_result_count(block, i) * sizeof(double));
        if (!block->expected[i])
            status = TLEG_ERROR_MEMORY;
    }
    return status == TLEG_OK && !check_reference(block) ? TLEG_ERROR_MEMORY : status;
}

static tleg_status run_block(tleg_context *context, const struct check_block *block, tleg_tensor *y) {
    tleg_tensor *const *in = block->inputs;
    tleg_block_options options = {.struct_size = sizeof options,
                                  .heads = (int32_t)block->heads,
                                  .eps = eps,
                                  .norm1_weight = in[CHECK_NORM_WEIGHT],
                                  .norm1_bias = in[CHECK_NORM_BIAS],
                                  .qkv_weight = in[CHECK_QKV_WEIGHT],
                                  .qkv_bias = in[CHECK_QKV_BIAS],
                                  .proj_weight = in[CHECK_PROJ_WEIGHT],
                                  .proj_bias = in[CHECK_PROJ_BIAS],
                                  .norm2_weight = in[CHECK_NORM_WEIGHT],
                                  .norm2_bias = in[CHECK_NORM_BIAS],
                                  .fc1_weight = in[CHECK_FC1_WEIGHT],
                                  .fc1_bias = in[CHECK_FC1_BIAS],
                                  .fc2_weight = in[CHECK_FC2_WEIGHT],
                                  .fc2_bias = in[CHECK_FC2_BIAS]};
    tleg_block *handle = NULL;
    void *workspace = NULL;
    uint64_t bytes = 0;
    tleg_status status = tleg_block_create(context, &options, &handle);
    if (status == TLEG_OK)
        status = tleg_block_get_memory(context, handle, block->batch, block->tokens, &bytes);
    if (status == TLEG_OK && posix_memalign(&workspace, 64, bytes + !bytes) != 0)
        status = TLEG_ERROR_MEMORY;
    if (status == TLEG_OK)
        status = tleg_block_forward(context, handle, in[CHECK_X], y, workspace, bytes);
    free(workspace);
    tleg_block_free(handle);
    return status;
}

static tleg_status run_result(tleg_context *context, const struct check_block *block, enum check_result result,
                              tleg_tensor *qkv, tleg_tensor *y) {
    tleg_tensor *const *in = block->inputs;
    switch (result) {
    case CHECK_LAYERNORM:
        return tleg_layernorm_forward(context, in[CHECK_X], in[CHECK_NORM_WEIGHT], in[CHECK_NORM_BIAS], eps, y);
    case CHECK_LINEAR:
        return tleg_linear_forward(context, in[CHECK_X], in[CHECK_QKV_WEIGHT], in[CHECK_QKV_BIAS], y);
    case CHECK_ATTENTION:
        return tleg_attention_forward(context, qkv, (int32_t)block->heads, y);
    case CHECK_GELU:
        return tleg_gelu_forward(context, qkv, y);
    case CHECK_MLP:
        return tleg_mlp_forward(context, in[CHECK_X], in[CHECK_FC1_WEIGHT], in[CHECK_FC1_BIAS], in[CHECK_FC2_WEIGHT],
                                in[CHECK_FC2_BIAS], y);
    default:
        return run_block(context, block, y);
    }
}

tleg_status check_block_compare(tleg_context *context, const struct check_block *block, double *difference) {
    tleg_tensor *outputs[CHECK_RESULTS] = {NULL};
    tleg_status status = TLEG_OK;
    for (enum check_result i = 0; i < CHECK_RESULTS && status == TLEG_OK; i++) {
        bool wide = i == CHECK_LINEAR || i == CHECK_GELU;
        int64_t shape[] = {block->batch, block->tokens, wide ? 3 * block->dim : block->dim};
        tleg_tensor_info info = {.struct_size = sizeof info};
        status = tleg_tensor_create(context, TLEG_F32, 3, shape, &outputs[i]);
        if (status == TLEG_OK)
            status = run_result(context, block, i, outputs[CHECK_LINEAR], outputs[i]);
        if (status == TLEG_OK)
            status = tleg_tensor_get_info(context, outputs[i], &info);
        if (status == TLEG_OK)
            *difference = fmax(*difference, check_difference(info.data, block->expected[i], check_result_count(block, i)));
    }
    for (enum check_result i = 0; i < CHECK_RESULTS; i++)
        tleg_tensor_free(outputs[i]);
    return status;
}

void check_block_free(struct check_block *block) {
    for (int i = 0; i < CHECK_INPUTS; i++)
        tleg_tensor_free(block->inputs[i]);
    for (enum check_result i = 0; i < CHECK_RESULTS; i++)
        free(block->expected[i]);
}
