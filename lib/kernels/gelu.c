/* GELU, the exact form: y = x * Phi(x). */
#include "kernels/scalar.h"
#include "kernels/table.h"

void tleg_portable_gelu(size_t count, const float *x, float *y) {
    for (size_t i = 0; i < count; i++)
        y[i] = tleg_gelu_one(x[i]);
}

void tleg_gelu(const struct tleg_kernels *kernels, size_t count, const float *x, float *y) {
    kernels->gelu(count, x, y);
}
