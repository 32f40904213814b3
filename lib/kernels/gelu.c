/* GELU, the exact form: y = x * Phi(x), y' = Phi(x) + x * phi(x). */
#include "kernels/scalar.h"
#include "kernels/table.h"

void tleg_portable_gelu(size_t count, const float *x, float *y) {
    for (size_t i = 0; i < count; i++)
        y[i] = tleg_gelu_one(x[i]);
}

void tleg_gelu(const struct tleg_kernels *kernels, size_t count, const float *x, float *y) {
    kernels->gelu(count, x, y);
}

void tleg_portable_gelu_backward(size_t count, const float *x, const float *dy, float *dx) {
    for (size_t i = 0; i < count; i++)
        dx[i] = dy[i] * tleg_gelu_slope_one(x[i]);
}

void tleg_gelu_backward_array(const struct tleg_kernels *kernels, size_t count, const float *x, const float *dy, float *dx) {
    kernels->gelu_backward(count, x, dy, dx);
}
