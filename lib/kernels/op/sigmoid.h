/* Activations made of the logistic function, x sigmoid(s(x)), and ReLU, written once for the vectors of every level: with e =
 * e^-|z| and q = 1 / (1 + e), sigmoid(z) is q right of 0 and e q left of it, and its slope e q^2 on both sides.
 *
 * TLEG_SIGMOIDS(INLINE, vec, p) makes p_NAME_of and p_NAME_slope, where INLINE goes before a function that must be inlined, vec
 * is a vector on which C's operators work, and the level has
 *     p_splat(f)           a vector of equal numbers
 *     p_exp_low(x)         e^x for x <= 0
 *     p_choose(x, a, b)    a where x >= 0, else b (also where x is NaN)
 *     p_within(x, most)    x from -most to most; NaN stays NaN
 * -inf gives NaN, as in PyTorch: -inf * 0. */
#ifndef TLEG_LIB_KERNELS_SIGMOID_H
#define TLEG_LIB_KERNELS_SIGMOID_H

#define TLEG_SIGMOIDS(INLINE, vec, p)                                                                                          \
    /* e^-|z| */                                                                                                               \
    INLINE vec p##_decay(vec z) {                                                                                              \
        return p##_exp_low(p##_choose(z, -z, z));                                                                              \
    }                                                                                                                          \
    /* x sigmoid(z) */                                                                                                         \
    INLINE vec p##_times_sigmoid(vec x, vec z) {                                                                               \
        vec e = p##_decay(z), q = p##_splat(1.0F) / (p##_splat(1.0F) + e);                                                     \
        return x * p##_choose(z, q, e * q);                                                                                    \
    }                                                                                                                          \
    /* its derivative, sigmoid(z) + x sigmoid'(z) dz */                                                                        \
    INLINE vec p##_times_sigmoid_slope(vec x, vec z, vec dz) {                                                                 \
        vec e = p##_decay(z), q = p##_splat(1.0F) / (p##_splat(1.0F) + e);                                                     \
        return p##_choose(z, q, e * q) + x * (e * q * q) * dz;                                                                 \
    }                                                                                                                          \
    /* GELU as CLIP's authors have it: x sigmoid(1.702 x) */                                                                   \
    INLINE vec p##_quick_gelu_of(vec x) {                                                                                      \
        return p##_times_sigmoid(x, p##_splat(1.702F) * x);                                                                    \
    }                                                                                                                          \
    INLINE vec p##_quick_gelu_slope(vec x) {                                                                                   \
        return p##_times_sigmoid_slope(x, p##_splat(1.702F) * x, p##_splat(1.702F));                                           \
    }                                                                                                                          \
    INLINE vec p##_silu_of(vec x) {                                                                                            \
        return p##_times_sigmoid(x, x);                                                                                        \
    }                                                                                                                          \
    INLINE vec p##_silu_slope(vec x) {                                                                                         \
        return p##_times_sigmoid_slope(x, x, p##_splat(1.0F));                                                                 \
    }                                                                                                                          \
    /* GELU's approximation (1 + tanh u) x / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3) */                        \
    INLINE vec p##_gelu_tanh_of(vec x) {                                                                                       \
        return p##_times_sigmoid(x, x * (p##_splat(1.59576912F) + p##_splat(0.0713548163F) * (x * x)));                        \
    }                                                                                                                          \
    /* Beyond 20 the slope is 1 or 0, and x^2 is kept from overflowing. */                                                     \
    INLINE vec p##_gelu_tanh_slope(vec x) {                                                                                    \
        vec in = p##_within(x, 20.0F), square = in * in;                                                                       \
        return p##_times_sigmoid_slope(in, in * (p##_splat(1.59576912F) + p##_splat(0.0713548163F) * square),                  \
                                       p##_splat(1.59576912F) + p##_splat(0.214064449F) * square);                             \
    }                                                                                                                          \
    /* max(x, 0); NaN stays NaN */                                                                                             \
    INLINE vec p##_relu_of(vec x) {                                                                                            \
        return p##_choose(-x, p##_splat(0.0F), x);                                                                             \
    }                                                                                                                          \
    INLINE vec p##_relu_slope(vec x) {                                                                                         \
        return p##_choose(-x, p##_splat(0.0F), p##_choose(x, p##_splat(1.0F), x));                                             \
    }

#endif
