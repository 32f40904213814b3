/* exp and the normal distribution's tail for one value, in operations that a compiler turns into vectors. */
#ifndef TLEG_LIB_KERNELS_SCALAR_H
#define TLEG_LIB_KERNELS_SCALAR_H

#include <stdint.h>
#include <string.h>

/* e^x for x <= 0, within 2 units in the last place; 0 below the smallest normal result; NaN stays NaN.
 * x = n ln2 + r, |r| <= ln2 / 2, e^x = 2^n e^r. Adding 1.5 * 2^23 rounds to whole and leaves n in the low bits. */
static inline float tleg_exp_low(float x) {
    const float lowest = -87.3365F, shift = 12582912.0F;
    float in = x < lowest ? lowest : x;
    float shifted = in * 1.44269504F + shift;
    float n = shifted - shift;
    float r = in - n * 0.693359375F; /* ln2 in two parts: the first has 9 bits, so that n times it is exact */
    r = r + n * 2.12194440e-4F;
    float p = 1.38888889e-3F;
    p = p * r + 8.33333333e-3F;
    p = p * r + 4.16666667e-2F;
    p = p * r + 1.66666667e-1F;
    p = p * r + 0.5F;
    p = p * r + 1.0F;
    p = p * r + 1.0F;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits - 0x4B400000U + 127U) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    float y = p * power;
    return x < lowest ? 0.0F : y;
}

/* GELU(x) = x * Phi(x), Phi the normal distribution, exactly (the erf form): for a = |x| the tail Phi(-a) is
 * e^(-a^2/2) * P(v), v = 1 / (1 + 0.33 a) (the form of Abramowitz and Stegun 7.1.26; P fitted here, error of a * Phi(-a)
 * below 2e-9 before rounding). Taking the tail and not erf keeps small results right where x is far below 0. */
static inline float tleg_tail_part(float a) { /* P(v) v */
    float v = 1.0F / (1.0F + 0.33F * a);
    float p = 0.04594772F;
    p = p * v - 0.22233151F;
    p = p * v + 0.3343522F;
    p = p * v - 0.092216365F;
    p = p * v + 0.18254511F;
    p = p * v + 0.11903907F;
    p = p * v + 0.13266377F;
    return p * v;
}

static inline float tleg_gelu_one(float x) {
    float a = x < 0 ? -x : x;
    float tail = tleg_tail_part(a) * tleg_exp_low(-0.5F * (a * a));
    return x * (x < 0 ? tail : 1.0F - tail);
}

/* GELU'(x) = Phi(x) + x phi(x), phi(x) = e^(-x^2/2) / sqrt(2 pi). Left of 0 it is Phi(-a) - a phi(a), right of 0 it is 1 less
 * that. */
static inline float tleg_gelu_slope_one(float x) {
    float a = x < 0 ? -x : x;
    float tail = (tleg_tail_part(a) - 0.398942280F * a) * tleg_exp_low(-0.5F * (a * a));
    return x < 0 ? tail : 1.0F - tail;
}

#endif
