/* LayerNorm over rows of dim: y = (x - mean) / sqrt(var + eps) * weight + bias, var the mean of (x - mean)^2. */
#include "kernels/table.h"
#include <math.h>

enum { PARTS = 16 }; /* sums side by side: faster, and more accurate than one long sum */

static float sum_parts(const float part[PARTS]) {
    float half[PARTS / 2];
    for (int j = 0; j < PARTS / 2; j++)
        half[j] = part[j] + part[j + PARTS / 2];
    return ((half[0] + half[4]) + (half[2] + half[6])) + ((half[1] + half[5]) + (half[3] + half[7]));
}

/* sum of (x - centre)^power, power 1 or 2. */
static float sum_of(int64_t dim, const float *x, float centre, bool squared) {
    float part[PARTS] = {0};
    int64_t i = 0;
    if (squared)
        for (; i + PARTS <= dim; i += PARTS)
            for (int j = 0; j < PARTS; j++)
                part[j] += (x[i + j] - centre) * (x[i + j] - centre);
    else
        for (; i + PARTS <= dim; i += PARTS)
            for (int j = 0; j < PARTS; j++)
                part[j] += x[i + j];
    for (int j = 0; i < dim; i++, j++)
        part[j] += squared ? (x[i] - centre) * (x[i] - centre) : x[i];
    return sum_parts(part);
}

void tleg_portable_layernorm(int64_t rows, int64_t dim, const float *x, int64_t stride, const float *weight, const float *bias,
                             float eps, float *y) {
    for (int64_t r = 0; r < rows; r++, x += stride, y += dim) {
        float mean = sum_of(dim, x, 0, false) / (float)dim;
        float var = sum_of(dim, x, mean, true) / (float)dim;
        float scale = 1.0F / sqrtf(var + eps);
        for (int64_t i = 0; i < dim; i++)
            y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
    }
}

void tleg_layernorm(const struct tleg_kernels *kernels, int64_t rows, int64_t dim, const float *x, const float *weight,
                    const float *bias, float eps, float *y) {
    kernels->layernorm(rows, dim, x, dim, weight, bias, eps, y);
}
