/* The operations of a Transformer block as plain loops in double, for tests that compare: each is its formula and nothing else.
 */
#ifndef TLEG_TESTS_LOOPS_H
#define TLEG_TESTS_LOOPS_H

#include "unit/support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- numbers ---- */

/* Values in (-scale, scale) plus an offset, from a seed. Memory of malloc, exactly so many: one too far is seen by sanitizers.
 */
static inline float *loops_values(uint64_t seed, size_t count, double scale, double offset) {
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) {
        uint64_t x = (seed * UINT64_C(0x9e3779b97f4a7c15)) ^ ((i + 1) * UINT64_C(0xbf58476d1ce4e5b9));
        x = (x ^ (x >> 30)) * UINT64_C(0x94d049bb133111eb);
        x ^= x >> 29;
        values[i] = (float)(offset + scale * ((double)(x >> 11) / 4503599627370496.0 - 1));
    }
    return values;
}

static inline double *loops_doubles(size_t count) {
    double *values = calloc(count, sizeof *values);
    assert_non_null(values);
    return values;
}

/* The largest distance of any element, as a share of the largest one. */
static inline double loops_distance(const float *a, const double *b, size_t count) {
    double far = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)a[i] - b[i]);
        far = difference > far || isnan(difference) ? difference : far;
        largest = fabs(b[i]) > largest ? fabs(b[i]) : largest;
    }
    return far / (largest > 0 ? largest : 1);
}

/* ---- tensors ---- */

/* A tensor of f32 that owns `values`, which came from malloc. Four axes at most; the sizes behind `rank` are not looked at. */
static inline tleg_tensor *loops_tensor(tleg_context *context, float *values, int32_t rank, int64_t a, int64_t b, int64_t c,
                                        int64_t d) {
    int64_t shape[] = {a, b, c, d};
    tleg_tensor *tensor = NULL;
    OK(context, tleg_tensor_wrap(context, TLEG_F32, rank, shape, values, free, values, &tensor));
    return tensor;
}

static inline float *loops_data(const tleg_tensor *tensor) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    assert_int_equal(tleg_tensor_get_info(NULL, tensor, &info), TLEG_OK);
    return info.data;
}

/* ---- formulas ---- */

/* y = (x - mean) / sqrt(var + eps) * weight + bias; x, y (rows, dim). y may be x. */
static inline void loops_layernorm(size_t rows, size_t dim, const double *x, const float *weight, const float *bias, double eps,
                                   double *y) {
    for (size_t r = 0; r < rows; r++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < dim; i++) {
            mean += x[r * dim + i] / (double)dim;
        }
        for (size_t i = 0; i < dim; i++) {
            variance += (x[r * dim + i] - mean) * (x[r * dim + i] - mean) / (double)dim;
        }
        for (size_t i = 0; i < dim; i++) {
            y[r * dim + i] = (x[r * dim + i] - mean) / sqrt(variance + eps) * (double)weight[i] + (double)bias[i];
        }
    }
}

/* y = x weight^T + bias; x (m, k), weight (n, k), bias (n) or NULL, y (m, n). */
static inline void loops_linear(size_t m, size_t n, size_t k, const double *x, const float *weight, const float *bias,
                                double *y) {
    for (size_t r = 0; r < m; r++) {
        for (size_t j = 0; j < n; j++) {
            double sum = bias != NULL ? (double)bias[j] : 0;
            for (size_t i = 0; i < k; i++) {
                sum += x[r * k + i] * (double)weight[j * k + i];
            }
            y[r * n + j] = sum;
        }
    }
}

static inline void loops_gelu(size_t count, double *x) {
    for (size_t i = 0; i < count; i++) {
        x[i] *= erfc(-x[i] / sqrt(2.0)) / 2;
    }
}

/* One query's row of one head: softmax(q k^T / sqrt(size)) v, columns of qkv (tokens, 3 * dim). */
static inline void loops_attend(size_t tokens, size_t dim, size_t size, const double *qkv, size_t query, size_t head,
                                double *scores, double *y) {
    const double *q = qkv + query * 3 * dim + head * size;
    double largest = -INFINITY, sum = 0;
    for (size_t t = 0; t < tokens; t++) {
        const double *k = qkv + t * 3 * dim + dim + head * size;
        scores[t] = 0;
        for (size_t i = 0; i < size; i++) {
            scores[t] += q[i] * k[i] / sqrt((double)size);
        }
        largest = scores[t] > largest ? scores[t] : largest;
    }
    for (size_t t = 0; t < tokens; t++) {
        scores[t] = exp(scores[t] - largest);
        sum += scores[t];
    }
    for (size_t i = 0; i < size; i++) {
        y[i] = 0;
        for (size_t t = 0; t < tokens; t++) {
            y[i] += scores[t] / sum * qkv[t * 3 * dim + 2 * dim + head * size + i];
        }
    }
}

/* qkv (batch, tokens, 3 * dim) to y (batch, tokens, dim). */
static inline void loops_attention(size_t batch, size_t tokens, size_t dim, size_t heads, const double *qkv, double *y) {
    size_t size = dim / heads;
    double *scores = loops_doubles(tokens);
    for (size_t b = 0; b < batch; b++) {
        for (size_t query = 0; query < tokens; query++) {
            for (size_t head = 0; head < heads; head++) {
                loops_attend(tokens, dim, size, qkv + b * tokens * 3 * dim, query, head, scores,
                             y + (b * tokens + query) * dim + head * size);
            }
        }
    }
    free(scores);
}

/* y = gelu(x fc1^T + bias1) fc2^T + bias2; x, y (rows, dim), fc1 (hidden, dim), fc2 (dim, hidden). */
static inline void loops_mlp(size_t rows, size_t dim, size_t hidden, const double *x, const float *fc1, const float *bias1,
                             const float *fc2, const float *bias2, double *y) {
    double *middle = loops_doubles(rows * hidden);
    loops_linear(rows, hidden, dim, x, fc1, bias1, middle);
    loops_gelu(rows * hidden, middle);
    loops_linear(rows, dim, hidden, middle, fc2, bias2, y);
    free(middle);
}

#endif
