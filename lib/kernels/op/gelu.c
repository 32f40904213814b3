/* GELU, the exact form: y = x * Phi(x), y' = Phi(x) + x * phi(x). */
#include "kernels/op/four.h"
#include "kernels/table.h"

void tleg_portable_gelu(size_t count, const float *x, float *y) {
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        four_store(y + i, four_gelu(four_load(x + i)));
    if (i < count)
        four_store_some(y + i, four_gelu(four_load_some(x + i, count - i)), count - i);
}

void tleg_gelu(const struct tleg_kernels *kernels, size_t count, const float *x, float *y) {
    kernels->gelu(count, x, y);
}

void tleg_portable_gelu_backward(size_t count, const float *x, const float *dy, float *dx) {
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        four_store(dx + i, four_load(dy + i) * four_gelu_slope(four_load(x + i)));
    if (i < count) {
        four slope = four_gelu_slope(four_load_some(x + i, count - i));
        four_store_some(dx + i, four_load_some(dy + i, count - i) * slope, count - i);
    }
}

void tleg_gelu_backward_array(const struct tleg_kernels *kernels, size_t count, const float *x, const float *dy, float *dx) {
    kernels->gelu_backward(count, x, dy, dx);
}
