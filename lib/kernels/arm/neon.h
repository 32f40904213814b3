/* What the NEON files share. Level neon means AArch64, every one of which has it; 32-bit ARM runs the portable kernels. */
#ifndef TLEG_LIB_KERNELS_ARM_NEON_H
#define TLEG_LIB_KERNELS_ARM_NEON_H

#include "kernels/op/sigmoid.h"
#include "kernels/table.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define TLEG_NEON_INLINE static inline __attribute__((always_inline))

enum { TLEG_NEON_MR = 8, TLEG_NEON_NR = 12 };

/* The first `count` of four, zeros behind; NEON has no masked loads. */
TLEG_NEON_INLINE float32x4_t tleg_neon_load_first(const float *x, int64_t count) {
    float32x4_t y = vdupq_n_f32(0);
    if (count >= 4)
        return vld1q_f32(x);
    if (count == 1)
        return vld1q_lane_f32(x, y, 0);
    if (count >= 2)
        y = vcombine_f32(vld1_f32(x), vdup_n_f32(0));
    return count == 3 ? vld1q_lane_f32(x + 2, y, 2) : y;
}

TLEG_NEON_INLINE void tleg_neon_store_first(float *x, float32x4_t y, int64_t count) {
    if (count >= 4)
        vst1q_f32(x, y);
    else if (count == 1)
        vst1q_lane_f32(x, y, 0);
    else if (count >= 2)
        vst1_f32(x, vget_low_f32(y));
    if (count == 3)
        vst1q_lane_f32(x + 2, y, 2);
}

TLEG_EACH_OP(TLEG_OP_DECLARE, TLEG_OP_DECLARE, TLEG_OP_NONE, TLEG_OP_DECLARE, neon)
TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_DECLARE, neon)

/* e^x within 3.1 units in the last place for x <= 0, 0 below the smallest normal result; NaN stays NaN: x = n ln2 + r,
 * e^x = 2^n e^r. */
TLEG_NEON_INLINE float32x4_t tleg_neon_exp_low(float32x4_t x) {
    const float32x4_t lowest = vdupq_n_f32(-87.3365F), one = vdupq_n_f32(1.0F);
    uint32x4_t under = vcltq_f32(x, lowest);
    float32x4_t in = vmaxq_f32(lowest, x); /* NaN where either is */
    float32x4_t n = vrndnq_f32(vmulq_f32(in, vdupq_n_f32(1.44269504F)));
    float32x4_t r = vfmsq_f32(in, n, vdupq_n_f32(0.693147182F));
    r = vfmsq_f32(r, n, vdupq_n_f32(-1.90465421e-9F));
    float32x4_t p = vdupq_n_f32(1.38888889e-3F);
    p = vfmaq_f32(vdupq_n_f32(8.33333333e-3F), p, r);
    p = vfmaq_f32(vdupq_n_f32(4.16666667e-2F), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.66666667e-1F), p, r);
    p = vfmaq_f32(vdupq_n_f32(0.5F), p, r);
    p = vfmaq_f32(one, p, r);
    p = vfmaq_f32(one, p, r);
    int32x4_t power = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23);
    uint32x4_t y = vreinterpretq_u32_f32(vmulq_f32(p, vreinterpretq_f32_s32(power)));
    return vreinterpretq_f32_u32(vbicq_u32(y, under));
}

/* The normal distribution's tail, less its first factor e^(-a^2/2): four.h has the formula. */
TLEG_NEON_INLINE float32x4_t tleg_neon_tail_part(float32x4_t a) {
    const float32x4_t one = vdupq_n_f32(1.0F);
    float32x4_t v = vdivq_f32(one, vfmaq_f32(one, a, vdupq_n_f32(0.33F)));
    float32x4_t p = vdupq_n_f32(0.04594772F);
    p = vfmaq_f32(vdupq_n_f32(-0.22233151F), p, v);
    p = vfmaq_f32(vdupq_n_f32(0.3343522F), p, v);
    p = vfmaq_f32(vdupq_n_f32(-0.092216365F), p, v);
    p = vfmaq_f32(vdupq_n_f32(0.18254511F), p, v);
    p = vfmaq_f32(vdupq_n_f32(0.11903907F), p, v);
    p = vfmaq_f32(vdupq_n_f32(0.13266377F), p, v);
    return vmulq_f32(p, v);
}

/* tail left of 0, 1 - tail right of it, for tail = part * e^(-x^2/2) */
TLEG_NEON_INLINE float32x4_t tleg_neon_two_sides(float32x4_t x, float32x4_t part) {
    float32x4_t tail = vmulq_f32(part, tleg_neon_exp_low(vmulq_f32(vdupq_n_f32(-0.5F), vmulq_f32(x, x))));
    return vbslq_f32(vcgezq_f32(x), vsubq_f32(vdupq_n_f32(1.0F), tail), tail);
}

/* x * Phi(x) */
TLEG_NEON_INLINE float32x4_t tleg_neon_gelu_of(float32x4_t x) {
    return vmulq_f32(x, tleg_neon_two_sides(x, tleg_neon_tail_part(vabsq_f32(x))));
}

/* Phi(x) + x * phi(x) */
TLEG_NEON_INLINE float32x4_t tleg_neon_gelu_slope(float32x4_t x) {
    float32x4_t a = vabsq_f32(x);
    return tleg_neon_two_sides(x, vfmsq_f32(tleg_neon_tail_part(a), a, vdupq_n_f32(0.398942280F)));
}

#define tleg_neon_splat(x) vdupq_n_f32(x)

TLEG_NEON_INLINE float32x4_t tleg_neon_choose(float32x4_t x, float32x4_t right, float32x4_t left) {
    return vbslq_f32(vcgezq_f32(x), right, left);
}

TLEG_NEON_INLINE float32x4_t tleg_neon_within(float32x4_t x, float most) { /* NaN where x is */
    return vminq_f32(vdupq_n_f32(most), vmaxq_f32(vdupq_n_f32(-most), x));
}

TLEG_SIGMOIDS(TLEG_NEON_INLINE, float32x4_t, tleg_neon)

/* The activation, and its slope; `activation` is constant where these stand. */
TLEG_NEON_INLINE float32x4_t tleg_neon_activated(const enum tleg_activation activation, float32x4_t x) {
    switch (activation) {
        TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_CASE, neon)
    default:
        return x;
    }
}

TLEG_NEON_INLINE float32x4_t tleg_neon_slope(const enum tleg_activation activation, float32x4_t x) {
    switch (activation) {
        TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_SLOPE_CASE, neon)
    default:
        return vdupq_n_f32(1.0F);
    }
}

#endif
#endif
