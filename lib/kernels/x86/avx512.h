/* What the AVX-512 files share. */
#ifndef TLEG_LIB_KERNELS_X86_AVX512_H
#define TLEG_LIB_KERNELS_X86_AVX512_H

#include "kernels/op/sigmoid.h"
#include "kernels/table.h"

#if defined(__x86_64__)
#include <immintrin.h>
/* At -O0 gcc's intrinsics are macros, whose masks of ones change their sign where they are used. */
#if defined(__GNUC__) && !defined(__clang__) && !defined(__OPTIMIZE__)
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif

#define TLEG_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))
#define TLEG_AVX512_INLINE                                                                                                     \
    static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))

enum { TLEG_AVX512_MR = 14, TLEG_AVX512_NR = 32 };

/* The lowest min(count, 16) lanes; none when count <= 0. */
TLEG_AVX512_INLINE __mmask16 tleg_avx512_lanes(int64_t count) {
    return (__mmask16)(count >= 16 ? 0xFFFFU : count > 0 ? (1U << count) - 1 : 0U);
}

/* 16 rows become 16 columns, in four rounds of exchanging neighbours: of 1, 2, 4 and 8 elements. */
TLEG_AVX512_INLINE void tleg_avx512_square(__m512 x[16]) {
    __m512 y[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) { /* x[i + c] holds column c of each quarter, for rows i..i+3 */
        x[i] = _mm512_shuffle_ps(y[i], y[i + 2], 0x44);
        x[i + 1] = _mm512_shuffle_ps(y[i], y[i + 2], 0xEE);
        x[i + 2] = _mm512_shuffle_ps(y[i + 1], y[i + 3], 0x44);
        x[i + 3] = _mm512_shuffle_ps(y[i + 1], y[i + 3], 0xEE);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        __m512 low0 = _mm512_shuffle_f32x4(x[c], x[c + 4], 0x88), low1 = _mm512_shuffle_f32x4(x[c], x[c + 4], 0xDD);
        __m512 high0 = _mm512_shuffle_f32x4(x[c + 8], x[c + 12], 0x88), high1 = _mm512_shuffle_f32x4(x[c + 8], x[c + 12], 0xDD);
        y[c] = _mm512_shuffle_f32x4(low0, high0, 0x88);
        y[c + 4] = _mm512_shuffle_f32x4(low1, high1, 0x88);
        y[c + 8] = _mm512_shuffle_f32x4(low0, high0, 0xDD);
        y[c + 12] = _mm512_shuffle_f32x4(low1, high1, 0xDD);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        x[i] = y[i];
}

TLEG_EACH_OP(TLEG_OP_DECLARE, TLEG_OP_DECLARE, TLEG_OP_DECLARE, TLEG_OP_DECLARE, avx512)
TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_DECLARE, avx512)

/* GELU(x) = x * Phi(x). The tail Phi(-a), a = |x|, is a polynomial of degree 5 on each of 16 segments of width 0.4, whose
 * coefficients one permutation looks up; the last segment is 0. Error of a * Phi(-a): below 4e-8. Adding 2^23 to a / 0.4
 * rounds it to the segment's number and leaves that in the low bits. -inf gives NaN, as in PyTorch: -inf * 0. */
TLEG_AVX512_INLINE __m512 tleg_avx512_gelu_of(__m512 x) {
    const __m512 c0 = _mm512_setr_ps(0.5F, 0.344578266F, 0.211855412F, 0.115069672F, 0.0547992885F, 0.0227501299F,
                                     0.00819753483F, 0.00255513028F, 0.000687138294F, 0.000159108909F, 3.16714068e-05F,
                                     5.41260442e-06F, 7.93345009e-07F, 9.96480196e-08F, 1.07182654e-08F, 0);
    const __m512 c1 = _mm512_setr_ps(-0.159576908F, -0.147308052F, -0.115876622F, -0.0776744261F, -0.0443683341F, -0.021596387F,
                                     -0.00895781163F, -0.0031661801F, -0.000953635201F, -0.000244760857F, -5.35321633e-05F,
                                     -9.97702318e-06F, -1.58453133e-06F, -2.14444427e-07F, -2.47310936e-08F, 0);
    const __m512 c2 = _mm512_setr_ps(0, 0.0117842518F, 0.0185398441F, 0.0186417364F, 0.0141980089F, 0.00863874797F,
                                     0.00429985113F, 0.00177307019F, 0.000610300223F, 0.000176204296F, 4.28137537e-05F,
                                     8.77541152e-06F, 1.51992492e-06F, 2.22749364e-07F, 2.76496799e-08F, 0);
    const __m512 c3 =
        _mm512_setr_ps(0.0042552785F, 0.00329964724F, 0.00111245597F, -0.000911305484F, -0.00184568588F, -0.0017277213F,
                       -0.00113706966F, -0.00057752576F, -0.000234978041F, -7.80599439e-05F, -2.14105548e-05F, -4.88362593e-06F,
                       -9.30899716e-07F, -1.48811637e-07F, -2.00022665e-08F, 0);
    const __m512 c4 = _mm512_setr_ps(0, -0.000442049262F, -0.000578964711F, -0.000386419328F, -8.48126583e-05F, 0.000113115719F,
                                     0.000157149887F, 0.000114326525F, 5.91988428e-05F, 2.36534397e-05F, 7.55015935e-06F,
                                     1.96134988e-06F, 4.19358827e-07F, 7.43500763e-08F, 1.0987721e-08F, 0);
    const __m512 c5 =
        _mm512_setr_ps(-0.000101282385F, -6.44861357e-05F, 1.03158936e-05F, 5.85012058e-05F, 5.46646552e-05F, 2.31192516e-05F,
                       -2.89352943e-06F, -1.16550027e-05F, -9.42491806e-06F, -4.88603564e-06F, -1.87975297e-06F,
                       -5.65755727e-07F, -1.36722306e-07F, -2.69335541e-08F, -4.3672701e-09F, 0);
    const __m512 shift = _mm512_set1_ps(8388608.0F);
    __m512 t = _mm512_min_ps(_mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(2.5F)), _mm512_set1_ps(15.0F));
    __m512 shifted = _mm512_add_ps(t, shift);
    __m512 u = _mm512_sub_ps(t, _mm512_sub_ps(shifted, shift));
    __m512i segment = _mm512_castps_si512(shifted);
    __m512 tail = _mm512_permutexvar_ps(segment, c5);
    tail = _mm512_fmadd_ps(tail, u, _mm512_permutexvar_ps(segment, c4));
    tail = _mm512_fmadd_ps(tail, u, _mm512_permutexvar_ps(segment, c3));
    tail = _mm512_fmadd_ps(tail, u, _mm512_permutexvar_ps(segment, c2));
    tail = _mm512_fmadd_ps(tail, u, _mm512_permutexvar_ps(segment, c1));
    tail = _mm512_fmadd_ps(tail, u, _mm512_permutexvar_ps(segment, c0));
    __mmask16 above = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GE_OQ);
    return _mm512_mul_ps(x, _mm512_mask_sub_ps(tail, above, _mm512_set1_ps(1.0F), tail));
}

/* GELU'(x) = Phi(x) + x phi(x), by the same segments: c0.. are of Phi(-a) - a phi(a), which is taken from 1 right of 0. Error
 * below 1.5e-7. NaN for NaN and both infinities, as the formula has it. */
TLEG_AVX512_INLINE __m512 tleg_avx512_gelu_slope(__m512 x) {
    const __m512 c0 = _mm512_setr_ps(0.5F, 0.197270244F, -0.0198978084F, -0.117953598F, -0.122674067F, -0.0852318166F,
                                     -0.0455493374F, -0.0196081287F, -0.00694194059F, -0.00204373744F, -0.000503649926F,
                                     -0.000104334669F, -1.82210709e-05F, -2.68814637e-06F, -3.35521577e-07F, 0);
    const __m512 c1 = _mm512_setr_ps(-0.319153798F, -0.271046813F, -0.157592219F, -0.043497694F, 0.0248462645F, 0.0431927809F,
                                     0.0336813793F, 0.0184904954F, 0.00785795315F, 0.00268257703F, 0.00074944904F,
                                     0.000173200595F, 3.33383721e-05F, 5.36964692e-06F, 7.26096665e-07F, 0);
    const __m512 c2 = _mm512_setr_ps(-5.96293118e-07F, 0.0452500525F, 0.0622927323F, 0.0477232932F, 0.0204465804F,
                                     1.11968059e-06F, -0.00756751562F, -0.00680894421F, -0.00380870537F, -0.00157906684F,
                                     -0.000513888922F, -0.000134832538F, -2.895072e-05F, -5.13460144e-06F, -7.56928635e-07F, 0);
    const __m512 c3 = _mm512_setr_ps(0.0170263123F, 0.0114134875F, -0.000217065764F, -0.00829796117F, -0.00871551809F,
                                     -0.00460747609F, -0.000750825477F, 0.000893742049F, 0.000945486573F, 0.000530293131F,
                                     0.00021128049F, 6.47255506e-05F, 1.57818926e-05F, 3.12050502e-06F, 5.06123397e-07F, 0);
    const __m512 c4 =
        _mm512_setr_ps(-1.63938377e-05F, -0.00252390597F, -0.00278347402F, -0.00105369069F, 0.000665043275F, 0.00113985512F,
                       0.000697961428F, 0.000164316407F, -8.02933727e-05F, -0.000101277892F, -5.61645713e-05F, -2.13145345e-05F,
                       -6.11665282e-06F, -1.38322117e-06F, -2.51930469e-07F, 0);
    const __m512 c5 = _mm512_setr_ps(-0.000590872064F, -0.000319300044F, 0.000202582616F, 0.000413836235F, 0.000231075439F,
                                     -2.56625938e-05F, -0.000120784374F, -8.07392222e-05F, -2.06924015e-05F, 6.64744734e-06F,
                                     9.05613694e-06F, 4.76284254e-06F, 1.67459704e-06F, 4.4020835e-07F, 9.05159625e-08F, 0);
    const __m512 shift = _mm512_set1_ps(8388608.0F);
    __m512 t = _mm512_min_ps(_mm512_set1_ps(15.0F), _mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(2.5F)));
    __m512 shifted = _mm512_add_ps(t, shift);
    __m512 u = _mm512_sub_ps(t, _mm512_sub_ps(shifted, shift));
    __m512i segment = _mm512_castps_si512(shifted);
    __m512 tail = _mm512_permutexvar_ps(segment, c5);
    tail = _mm512_fmadd_ps(tail, u, _mm512_permutexvar_ps(segment, c4));
    tail = _mm512_fmadd_ps(tail, u, _mm512_permutexvar_ps(segment, c3));
    tail = _mm512_fmadd_ps(tail, u, _mm512_permutexvar_ps(segment, c2));
    tail = _mm512_fmadd_ps(tail, u, _mm512_permutexvar_ps(segment, c1));
    tail = _mm512_fmadd_ps(tail, u, _mm512_permutexvar_ps(segment, c0));
    tail = _mm512_add_ps(tail, _mm512_sub_ps(x, x)); /* inf * phi(inf) is inf * 0, NaN */
    __mmask16 above = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GE_OQ);
    return _mm512_mask_sub_ps(tail, above, _mm512_set1_ps(1.0F), tail);
}

/* e^x for x <= 0 within 3.1 units in the last place; NaN stays NaN: x = n ln2 + r, e^x = 2^n e^r. */
TLEG_AVX512_INLINE __m512 tleg_avx512_exp_low(__m512 x) {
    /* Below -104 the result is 0; holding x there keeps r = x - n ln2, and its powers, small numbers. NaN stays NaN. */
    x = _mm512_max_ps(_mm512_set1_ps(-120.0F), x);
    __m512 n =
        _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504F)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693147182F), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-1.90465421e-9F), r);
    __m512 p = _mm512_set1_ps(1.38888889e-3F);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.33333333e-3F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.16666667e-2F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.66666667e-1F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F));
    return _mm512_scalef_ps(p, n);
}

#define tleg_avx512_splat(x) _mm512_set1_ps(x)

TLEG_AVX512_INLINE __m512 tleg_avx512_choose(__m512 x, __m512 right, __m512 left) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GE_OQ), left, right);
}

TLEG_AVX512_INLINE __m512 tleg_avx512_within(__m512 x, float most) { /* the second operand, where one is NaN */
    return _mm512_min_ps(_mm512_set1_ps(most), _mm512_max_ps(_mm512_set1_ps(-most), x));
}

TLEG_SIGMOIDS(TLEG_AVX512_INLINE, __m512, tleg_avx512)

/* The activation, and its slope; `activation` is constant where these stand. */
TLEG_AVX512_INLINE __m512 tleg_avx512_activated(const enum tleg_activation activation, __m512 x) {
    switch (activation) {
        TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_CASE, avx512)
    default:
        return x;
    }
}

TLEG_AVX512_INLINE __m512 tleg_avx512_slope(const enum tleg_activation activation, __m512 x) {
    switch (activation) {
        TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_SLOPE_CASE, avx512)
    default:
        return _mm512_set1_ps(1.0F);
    }
}

#endif
#endif
