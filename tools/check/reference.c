/* A Transformer block in plain loops and double precision: short enough to be seen to be right. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double eps = 1.0 / CHECK_EPS_INVERSE;

/* y = (x - mean) / sqrt(var + eps) * weight + bias; x, y (rows, dim) */
static void layernorm(int64_t rows, int64_t dim, const double *x, const float *weight, const float *bias, double *y) {
    for (; rows > 0; rows--, x += dim, y += dim) {
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < dim; i++)
            mean += x[i] / (double)dim;
        for (int64_t i = 0; i < dim; i++)
            variance += (x[i] - mean) * (x[i] - mean) / (double)dim;
        for (int64_t i = 0; i < dim; i++)
            y[i] = (x[i] - mean) / sqrt(variance + eps) * (double)weight[i] + (double)bias[i];
    }
}

/* y = x weight^T + bias; x (rows, in), weight (out, in), y (rows, out) */
static void linear(int64_t rows, int64_t in, int64_t out, const double *x, const float *weight, const float *bias, double *y) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t o = 0; o < out; o++) {
            double sum = (double)bias[o];
            for (int64_t i = 0; i < in; i++)
                sum += x[r * in + i] * (double)weight[o * in + i];
            y[r * out + o] = sum;
        }
}

static void gelu(size_t count, const double *x, double *y) {
    for (size_t i = 0; i < count; i++)
        y[i] = x[i] * (1 + erf(x[i] / sqrt(2.0))) / 2;
}

/* One image, one head: y = softmax(q k^T / sqrt(width)) v. Rows of q, k, v are `row` apart, rows of y `dim`. */
static void attend(int64_t tokens, int64_t width, int64_t row, int64_t dim, const double *q, double *scores, double *y) {
    const double *k = q + dim, *v = k + dim;
    for (int64_t i = 0; i < tokens; i++) {
        double largest = -INFINITY, sum = 0;
        for (int64_t j = 0; j < tokens; j++) {
            scores[j] = 0;
            for (int64_t c = 0; c < width; c++)
                scores[j] += q[i * row + c] * k[j * row + c] / sqrt((double)width);
            largest = fmax(largest, scores[j]);
        }
        for (int64_t j = 0; j < tokens; j++)
            sum += scores[j] = exp(scores[j] - largest);
        for (int64_t c = 0; c < width; c++)
            y[i * dim + c] = 0;
        for (int64_t j = 0; j < tokens; j++)
            for (int64_t c = 0; c < width; c++)
                y[i * dim + c] += scores[j] / sum * v[j * row + c];
    }
}

/* qkv (B, N, 3D), y (B, N, D) */
static void attention(const struct check_block *block, const double *qkv, double *scores, double *y) {
    int64_t dim = block->dim, width = dim / block->heads;
    for (int64_t b = 0; b < block->batch; b++)
        for (int64_t h = 0; h < block->heads; h++)
            attend(block->tokens, width, 3 * dim, dim, qkv + b * block->tokens * 3 * dim + h * width, scores,
                   y + b * block->tokens * dim + h * width);
}

/* y = fc2(gelu(fc1(x))); inner (rows, hidden) is workspace */
static void mlp(const struct check_block *block, int64_t rows, const double *x, double *inner, double *y) {
    float *const *data = block->data;
    linear(rows, block->dim, block->hidden, x, data[CHECK_FC1_WEIGHT], data[CHECK_FC1_BIAS], inner);
    gelu((size_t)(rows * block->hidden), inner, inner);
    linear(rows, block->hidden, block->dim, inner, data[CHECK_FC2_WEIGHT], data[CHECK_FC2_BIAS], y);
}

/* y = x + proj(attention(qkv(norm(x)))); y += mlp(norm(y)). normed, mixed (rows, D), qkv (rows, 3D), inner (rows, H) */
static void whole_block(const struct check_block *block, int64_t rows, const double *x, double *scores, double *normed,
                        double *mixed, double *qkv, double *inner, double *y) {
    float *const *data = block->data;
    int64_t dim = block->dim;
    layernorm(rows, dim, x, data[CHECK_NORM_WEIGHT], data[CHECK_NORM_BIAS], normed);
    linear(rows, dim, 3 * dim, normed, data[CHECK_QKV_WEIGHT], data[CHECK_QKV_BIAS], qkv);
    attention(block, qkv, scores, mixed);
    linear(rows, dim, dim, mixed, data[CHECK_PROJ_WEIGHT], data[CHECK_PROJ_BIAS], y);
    for (int64_t i = 0; i < rows * dim; i++)
        y[i] += x[i];
    layernorm(rows, dim, y, data[CHECK_NORM_WEIGHT], data[CHECK_NORM_BIAS], normed);
    mlp(block, rows, normed, inner, mixed);
    for (int64_t i = 0; i < rows * dim; i++)
        y[i] += mixed[i];
}

bool check_reference(const struct check_block *block) {
    double *const *expected = block->expected;
    float *const *data = block->data;
    int64_t rows = block->batch * block->tokens, dim = block->dim;
    size_t count = (size_t)(rows * dim);
    double *memory = calloc(6 * count + (size_t)(rows * block->hidden + block->tokens), sizeof *memory);
    if (!memory)
        return false;
    double *x = memory, *normed = x + count, *mixed = normed + count, *qkv = mixed + count, *inner = qkv + 3 * count,
           *scores = inner + rows * block->hidden;
    for (size_t i = 0; i < count; i++)
        x[i] = (double)data[CHECK_X][i];
    layernorm(rows, dim, x, data[CHECK_NORM_WEIGHT], data[CHECK_NORM_BIAS], expected[CHECK_LAYERNORM]);
    linear(rows, dim, 3 * dim, x, data[CHECK_QKV_WEIGHT], data[CHECK_QKV_BIAS], expected[CHECK_LINEAR]);
    attention(block, expected[CHECK_LINEAR], scores, expected[CHECK_ATTENTION]);
    gelu(3 * count, expected[CHECK_LINEAR], expected[CHECK_GELU]);
    mlp(block, rows, x, inner, expected[CHECK_MLP]);
    whole_block(block, rows, x, scores, normed, mixed, qkv, inner, expected[CHECK_BLOCK]);
    free(memory);
    return true;
}
