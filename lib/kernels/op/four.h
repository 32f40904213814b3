/* Four floats side by side, for the portable kernels: what SSE, NEON and the like have in common. Compilers take them apart
 * where a machine has no such unit. Nothing is fused: the same bits on every machine. */
#ifndef TLEG_LIB_KERNELS_FOUR_H
#define TLEG_LIB_KERNELS_FOUR_H

#include "kernels/op/sigmoid.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef float four __attribute__((vector_size(16)));
typedef int32_t four_bits __attribute__((vector_size(16)));

static inline four four_load(const float *from) {
    four x;
    memcpy(&x, from, sizeof x);
    return x;
}

/* The first `count` of four, zeros behind. */
static inline four four_load_some(const float *from, size_t count) {
    four x = {0};
    memcpy(&x, from, count * sizeof *from);
    return x;
}

static inline void four_store(float *to, four x) {
    memcpy(to, &x, sizeof x);
}

static inline void four_store_some(float *to, four x, size_t count) {
    memcpy(to, &x, count * sizeof *to);
}

/* yes where the mask is set (-1), else no. */
static inline four four_select(four_bits mask, four yes, four no) {
    return (four)((mask & (four_bits)yes) | (~mask & (four_bits)no));
}

/* e^x for x <= 0, within 3.1 units in the last place; 0 below the smallest normal result; NaN stays NaN.
 * x = n ln2 + r, |r| <= ln2 / 2, e^x = 2^n e^r. Adding 1.5 * 2^23 rounds to whole and leaves n in the low bits. */
static inline four four_exp_low(four x) {
    const float lowest = -87.3365F, shift = 12582912.0F;
    four_bits under = x < lowest;
    four in = four_select(under, (four){0}, x);
    four shifted = in * 1.44269504F + shift;
    four n = shifted - shift;
    four r = in - n * 0.693359375F; /* ln2 in two parts: the first has 9 bits, so that n times it is exact */
    r = r + n * 2.12194440e-4F;
    four p = r * 1.38888889e-3F + 8.33333333e-3F;
    p = p * r + 4.16666667e-2F;
    p = p * r + 1.66666667e-1F;
    p = p * r + 0.5F;
    p = p * r + 1.0F;
    p = p * r + 1.0F;
    four_bits power = ((four_bits)shifted - 0x4B400000 + 127) << 23;
    return four_select(under, (four){0}, p * (four)power);
}

/* GELU(x) = x * Phi(x), Phi the normal distribution, exactly (the erf form): for a = |x| the tail Phi(-a) is
 * e^(-a^2/2) * v P(v), v = 1 / (1 + 0.33 a) (the form of Abramowitz and Stegun 7.1.26; P fitted here, error of a * Phi(-a)
 * below 1e-8 before rounding). Taking the tail and not erf keeps small results right where x is far below 0. */
static inline four four_tail_part(four a) { /* v P(v) */
    four v = 1.0F / (1.0F + 0.33F * a);
    four p = v * 0.04594772F - 0.22233151F;
    p = p * v + 0.3343522F;
    p = p * v - 0.092216365F;
    p = p * v + 0.18254511F;
    p = p * v + 0.11903907F;
    p = p * v + 0.13266377F;
    return p * v;
}

/* -inf gives NaN, as in PyTorch: -inf * 0. */
static inline four four_gelu_of(four x) {
    four_bits below = x < 0.0F;
    four a = four_select(below, -x, x);
    four tail = four_tail_part(a) * four_exp_low(-0.5F * (a * a));
    return x * four_select(below, tail, 1.0F - tail);
}

/* GELU'(x) = Phi(x) + x phi(x), phi(x) = e^(-x^2/2) / sqrt(2 pi). Left of 0 it is Phi(-a) - a phi(a), right of 0 it is 1 less
 * that. */
static inline four four_gelu_slope(four x) {
    four_bits below = x < 0.0F;
    four a = four_select(below, -x, x);
    four tail = (four_tail_part(a) - 0.398942280F * a) * four_exp_low(-0.5F * (a * a));
    return four_select(below, tail, 1.0F - tail);
}

static inline four four_splat(float x) {
    return (four){x, x, x, x};
}

static inline four four_choose(four x, four right, four left) {
    return four_select(x >= 0.0F, right, left);
}

static inline four four_within(four x, float most) {
    return four_select(x > most, four_splat(most), four_select(x < -most, four_splat(-most), x));
}

TLEG_SIGMOIDS(static inline, four, four)

#endif
