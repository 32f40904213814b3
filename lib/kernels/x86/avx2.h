/* What the AVX2 files share. Level avx2 means AVX2, FMA and F16C. */
#ifndef TLEG_LIB_KERNELS_X86_AVX2_H
#define TLEG_LIB_KERNELS_X86_AVX2_H

#include "kernels/op/sigmoid.h"
#include "kernels/table.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TLEG_AVX2 __attribute__((target("avx2,fma,f16c")))
#define TLEG_AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma,f16c")))

enum { TLEG_AVX2_MR = 6, TLEG_AVX2_NR = 16 };

/* A mask of the lowest min(count, 8) lanes; none when count <= 0. */
TLEG_AVX2_INLINE __m256i tleg_avx2_lanes(int64_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count > 8 ? 8 : (int)count), lane);
}

TLEG_EACH_OP(TLEG_OP_DECLARE, TLEG_OP_DECLARE, TLEG_OP_DECLARE, TLEG_OP_DECLARE, avx2)
TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_DECLARE, avx2)

/* e^x within 3.1 units in the last place for x <= 0, 0 below the smallest normal result; NaN stays NaN: x = n ln2 + r,
 * e^x = 2^n e^r. */
TLEG_AVX2_INLINE __m256 tleg_avx2_exp_low(__m256 x) {
    const __m256 lowest = _mm256_set1_ps(-87.3365F);
    __m256 under = _mm256_cmp_ps(x, lowest, _CMP_LT_OQ);
    __m256 in = _mm256_max_ps(lowest, x); /* the second operand, where one is NaN */
    __m256 n = _mm256_round_ps(_mm256_mul_ps(in, _mm256_set1_ps(1.44269504F)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693147182F), in);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-1.90465421e-9F), r);
    __m256 p = _mm256_set1_ps(1.38888889e-3F);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.33333333e-3F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.16666667e-2F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.66666667e-1F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
    __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    return _mm256_andnot_ps(under, _mm256_mul_ps(p, _mm256_castsi256_ps(power)));
}

/* The normal distribution's tail, less its first factor e^(-a^2/2): four.h has the formula. */
TLEG_AVX2_INLINE __m256 tleg_avx2_tail_part(__m256 a) {
    const __m256 one = _mm256_set1_ps(1.0F);
    __m256 v = _mm256_div_ps(one, _mm256_fmadd_ps(a, _mm256_set1_ps(0.33F), one));
    __m256 p = _mm256_set1_ps(0.04594772F);
    p = _mm256_fmadd_ps(p, v, _mm256_set1_ps(-0.22233151F));
    p = _mm256_fmadd_ps(p, v, _mm256_set1_ps(0.3343522F));
    p = _mm256_fmadd_ps(p, v, _mm256_set1_ps(-0.092216365F));
    p = _mm256_fmadd_ps(p, v, _mm256_set1_ps(0.18254511F));
    p = _mm256_fmadd_ps(p, v, _mm256_set1_ps(0.11903907F));
    p = _mm256_fmadd_ps(p, v, _mm256_set1_ps(0.13266377F));
    return _mm256_mul_ps(p, v);
}

/* tail left of 0, 1 - tail right of it, for tail = part * e^(-x^2/2) */
TLEG_AVX2_INLINE __m256 tleg_avx2_two_sides(__m256 x, __m256 part) {
    __m256 tail = _mm256_mul_ps(part, tleg_avx2_exp_low(_mm256_mul_ps(_mm256_set1_ps(-0.5F), _mm256_mul_ps(x, x))));
    __m256 above = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GE_OQ);
    return _mm256_blendv_ps(tail, _mm256_sub_ps(_mm256_set1_ps(1.0F), tail), above);
}

/* x * Phi(x) */
TLEG_AVX2_INLINE __m256 tleg_avx2_gelu_of(__m256 x) {
    __m256 a = _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x);
    return _mm256_mul_ps(x, tleg_avx2_two_sides(x, tleg_avx2_tail_part(a)));
}

/* Phi(x) + x * phi(x) */
TLEG_AVX2_INLINE __m256 tleg_avx2_gelu_slope(__m256 x) {
    __m256 a = _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x);
    return tleg_avx2_two_sides(x, _mm256_fnmadd_ps(a, _mm256_set1_ps(0.398942280F), tleg_avx2_tail_part(a)));
}

#define tleg_avx2_splat(x) _mm256_set1_ps(x)

TLEG_AVX2_INLINE __m256 tleg_avx2_choose(__m256 x, __m256 right, __m256 left) {
    return _mm256_blendv_ps(left, right, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GE_OQ));
}

TLEG_AVX2_INLINE __m256 tleg_avx2_within(__m256 x, float most) { /* the second operand, where one is NaN */
    return _mm256_min_ps(_mm256_set1_ps(most), _mm256_max_ps(_mm256_set1_ps(-most), x));
}

TLEG_SIGMOIDS(TLEG_AVX2_INLINE, __m256, tleg_avx2)

/* The activation, and its slope; `activation` is constant where these stand. */
TLEG_AVX2_INLINE __m256 tleg_avx2_activated(const enum tleg_activation activation, __m256 x) {
    switch (activation) {
        TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_CASE, avx2)
    default:
        return x;
    }
}

TLEG_AVX2_INLINE __m256 tleg_avx2_slope(const enum tleg_activation activation, __m256 x) {
    switch (activation) {
        TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_SLOPE_CASE, avx2)
    default:
        return _mm256_set1_ps(1.0F);
    }
}

#endif
#endif
