/* The operations of a Transformer block as plain loops in double, for tests that compare: each is its formula and nothing else.
 */
#ifndef TLEG_TESTS_REFERENCE_FORWARD_H
#define TLEG_TESTS_REFERENCE_FORWARD_H

#include "support/support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The largest distance of any element, as a share of the largest one. */
static inline double reference_distance(const float *a, const double *b, size_t count) {
    double far = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)a[i] - b[i]);
        far = difference > far || isnan(difference) ? difference : far;
        largest = fabs(b[i]) > largest ? fabs(b[i]) : largest;
    }
    return far / (largest > 0 ? largest : 1);
}

/* A tensor's f32 numbers in double; NULL of NULL. Free with free(). */
static inline double *reference_widen(const tleg_tensor *tensor) {
    if (tensor == NULL) {
        return NULL;
    }
    tleg_tensor_info info = {.struct_size = sizeof info};
    assert_int_equal(tleg_tensor_get_info(NULL, tensor, &info), TLEG_OK);
    size_t count = info.bytes / sizeof(float);
    double *wide = support_doubles(count);
    for (size_t i = 0; i < count; i++) {
        wide[i] = (double)((const float *)info.data)[i];
    }
    return wide;
}

/* y = (x - mean) / sqrt(var + eps) * weight + bias; x, y (rows, dim). y may be x. */
static inline void reference_layernorm(size_t rows, size_t dim, const double *x, const double *weight, const double *bias,
                                       double eps, double *y) {
    for (size_t r = 0; r < rows; r++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < dim; i++) {
            mean += x[r * dim + i] / (double)dim;
        }
        for (size_t i = 0; i < dim; i++) {
            variance += (x[r * dim + i] - mean) * (x[r * dim + i] - mean) / (double)dim;
        }
        for (size_t i = 0; i < dim; i++) {
            y[r * dim + i] = (x[r * dim + i] - mean) / sqrt(variance + eps) * weight[i] + bias[i];
        }
    }
}

/* y = x weight^T + bias; x (m, k), weight (n, k), bias (n) or NULL, y (m, n). */
static inline void reference_linear(size_t m, size_t n, size_t k, const double *x, const double *weight, const double *bias,
                                    double *y) {
    for (size_t r = 0; r < m; r++) {
        for (size_t j = 0; j < n; j++) {
            double sum = bias != NULL ? bias[j] : 0;
            for (size_t i = 0; i < k; i++) {
                sum += x[r * k + i] * weight[j * k + i];
            }
            y[r * n + j] = sum;
        }
    }
}

static inline void reference_gelu(size_t count, double *x) {
    for (size_t i = 0; i < count; i++) {
        x[i] *= erfc(-x[i] / sqrt(2.0)) / 2;
    }
}

/* One query's row of one head: softmax(q k^T / sqrt(size)) v, columns of qkv (tokens, 3 * dim). */
static inline void reference_attend(size_t tokens, size_t dim, size_t size, const double *qkv, size_t query, size_t head,
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
static inline void reference_attention(size_t batch, size_t tokens, size_t dim, size_t heads, const double *qkv, double *y) {
    size_t size = dim / heads;
    double *scores = support_doubles(tokens);
    for (size_t b = 0; b < batch; b++) {
        for (size_t query = 0; query < tokens; query++) {
            for (size_t head = 0; head < heads; head++) {
                reference_attend(tokens, dim, size, qkv + b * tokens * 3 * dim, query, head, scores,
                                 y + (b * tokens + query) * dim + head * size);
            }
        }
    }
    free(scores);
}

/* y = gelu(x fc1^T + bias1) fc2^T + bias2; x, y (rows, dim), fc1 (hidden, dim), fc2 (dim, hidden). */
static inline void reference_mlp(size_t rows, size_t dim, size_t hidden, const double *x, const double *fc1,
                                 const double *bias1, const double *fc2, const double *bias2, double *y) {
    double *middle = support_doubles(rows * hidden);
    reference_linear(rows, hidden, dim, x, fc1, bias1, middle);
    reference_gelu(rows * hidden, middle);
    reference_linear(rows, dim, hidden, middle, fc2, bias2, y);
    free(middle);
}

/* y = u + mlp(norm2(u)), u = x + proj(attention(qkv(norm1(x)))); x, y (batch, tokens, dim); all heads together have
 * `width` numbers. The weights w: of norm1, qkv, proj, norm2, fc1, fc2, each with its bias after it; qkv's bias may be NULL. */
static inline void reference_block(size_t batch, size_t tokens, size_t dim, size_t width, size_t heads, size_t hidden,
                                   const double *x, double *const *w, double eps, double *y) {
    size_t rows = batch * tokens;
    double *t = support_doubles(rows * dim), *qkv = support_doubles(rows * 3 * width), *u = support_doubles(rows * dim);
    double *mixed = support_doubles(rows * width);
    reference_layernorm(rows, dim, x, w[0], w[1], eps, t);
    reference_linear(rows, 3 * width, dim, t, w[2], w[3], qkv);
    reference_attention(batch, tokens, width, heads, qkv, mixed);
    reference_linear(rows, dim, width, mixed, w[4], w[5], u);
    for (size_t i = 0; i < rows * dim; i++) {
        u[i] += x[i];
    }
    reference_layernorm(rows, dim, u, w[6], w[7], eps, t);
    reference_mlp(rows, dim, hidden, t, w[8], w[9], w[10], w[11], y);
    for (size_t i = 0; i < rows * dim; i++) {
        y[i] += u[i];
    }
    free(t);
    free(qkv);
    free(mixed);
    free(u);
}

#endif
