/* Activations of arrays. */
#include "kernels/op/four.h"
#include "kernels/table.h"

#define INLINE static inline __attribute__((always_inline))

INLINE void forward(size_t count, const float *x, float *y, four (*act)(four)) {
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        four_store(y + i, act(four_load(x + i)));
    if (i < count)
        four_store_some(y + i, act(four_load_some(x + i, count - i)), count - i);
}

INLINE void backward(size_t count, const float *x, const float *dy, float *dx, four (*slope)(four)) {
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        four_store(dx + i, four_load(dy + i) * slope(four_load(x + i)));
    if (i < count)
        four_store_some(dx + i, four_load_some(dy + i, count - i) * slope(four_load_some(x + i, count - i)), count - i);
}

#define ACTIVATION(level, NAME, name)                                                                                          \
    void tleg_##level##_##name(size_t count, const float *x, float *y) {                                                       \
        forward(count, x, y, four_##name##_of);                                                                                \
    }                                                                                                                          \
    void tleg_##level##_##name##_backward(size_t count, const float *x, const float *dy, float *dx) {                          \
        backward(count, x, dy, dx, four_##name##_slope);                                                                       \
    }
TLEG_EACH_ACTIVATION(ACTIVATION, portable)

void tleg_activate(const struct tleg_kernels *kernels, enum tleg_activation activation, size_t count, const float *x,
                   float *y) {
    if (activation != TLEG_ACTIVATION_NONE)
        kernels->activate[activation].forward(count, x, y);
    else if (y != x)
        memcpy(y, x, count * sizeof *y);
}

void tleg_activate_backward(const struct tleg_kernels *kernels, enum tleg_activation activation, size_t count, const float *x,
                            const float *dy, float *dx) {
    if (activation != TLEG_ACTIVATION_NONE)
        kernels->activate[activation].backward(count, x, dy, dx);
    else if (dx != dy)
        memcpy(dx, dy, count * sizeof *dx);
}
