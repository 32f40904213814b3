/* What the AVX-512 files share. */
#ifndef TLEG_LIB_KERNELS_X86_AVX512_H
#define TLEG_LIB_KERNELS_X86_AVX512_H

#include "kernels/table.h"
#include <immintrin.h>

#define TLEG_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))
#define TLEG_AVX512_INLINE                                                                                                     \
    static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))

enum { TLEG_AVX512_MR = 14, TLEG_AVX512_NR = 32 };

/* The lowest min(count, 16) lanes; none when count <= 0. */
TLEG_AVX512_INLINE __mmask16 tleg_avx512_lanes(int64_t count) {
    return (__mmask16)(count >= 16 ? 0xFFFFU : count > 0 ? (1U << count) - 1 : 0U);
}

void tleg_avx512_tile(const struct tleg_tile *tile);
void tleg_avx512_transpose(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out,
                           int64_t out_stride);
void tleg_avx512_softmax(int64_t keys, int64_t cols, float *s, float *inverse);
void tleg_avx512_layernorm(int64_t rows, int64_t dim, const float *x, int64_t stride, const float *weight, const float *bias,
                           float eps, float *y);
void tleg_avx512_gelu(size_t count, const float *x, float *y);
void tleg_avx512_expand(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, void *out);
void tleg_avx512_widen(int32_t dtype, const void *in, size_t count, float *out);

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

#endif
