/* What AVX512-BF16's tile takes, and what makes numbers bf16: rows, pairs down columns, exponentials, expansion. */
#include "kernels/x86/avx512bf16.h"

#if defined(__x86_64__)
#include <math.h>
#include <string.h>

/* 32 numbers of a row, or `left` and zeros. Numbers too small for a normal float become 0, as the products take them. */
TLEG_AVX512BF16_INLINE __m512i halves_of(const float *in, int64_t left) {
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(tleg_avx512_lanes(left - 16), in + 16),
                                        _mm512_maskz_loadu_ps(tleg_avx512_lanes(left), in));
}

TLEG_AVX512BF16 void tleg_avx512bf16_pack(int64_t rows, int64_t k, const float *in, int64_t in_stride, int64_t steps,
                                          void *out) {
    float *to = out;
    for (int64_t r = 0; r < rows; r++, in += in_stride, to += steps)
        for (int64_t p = 0; p < steps; p += 16)
            _mm512_mask_storeu_epi32(to + p, tleg_avx512_lanes(steps - p), halves_of(in + 2 * p, k - 2 * p));
}

/* Zeros in the steps from `first` on, where `out` points. */
static void fill_up(int64_t first, int64_t steps, int64_t wide, float *out) {
    if (first < steps)
        memset(out, 0, (size_t)((steps - first) * wide) * sizeof *out);
}

/* 16 pairs of one row's numbers and the next row's; no next row: zeros. */
TLEG_AVX512BF16_INLINE __m512i interleave_some(const float *in, const float *next, __mmask16 lanes) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5,
                                           20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m512 first = _mm512_maskz_loadu_ps(lanes, in), second = next ? _mm512_maskz_loadu_ps(lanes, next) : _mm512_setzero_ps();
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

TLEG_AVX512BF16 void tleg_avx512bf16_interleave_f32(int64_t rows, int64_t cols, const float *in, int64_t in_stride,
                                                    int64_t steps, void *out, int64_t wide) {
    float *to = out;
    for (int64_t r = 0; r < rows; r += 2, in += 2 * in_stride, to += wide)
        for (int64_t c = 0; c < wide; c += 16)
            _mm512_mask_storeu_epi32(
                to + c, tleg_avx512_lanes(wide - c),
                interleave_some(in + c, r + 1 < rows ? in + in_stride + c : NULL, tleg_avx512_lanes(cols - c)));
    fill_up((rows + 1) / 2, steps, wide, to);
}

TLEG_AVX512BF16 void tleg_avx512bf16_interleave_narrow(int64_t rows, int64_t cols, const void *from, int64_t in_stride,
                                                       int64_t steps, void *out, int64_t wide) {
    float *to = out;
    const uint16_t *in = from;
    for (int64_t r = 0; r < rows; r += 2, in += 2 * in_stride, to += wide)
        for (int64_t c = 0; c < wide; c += 16) {
            __mmask16 lanes = tleg_avx512_lanes(cols - c);
            __m512i first = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, in + c)), second = _mm512_setzero_si512();
            if (r + 1 < rows)
                second = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, in + in_stride + c));
            _mm512_mask_storeu_epi32(to + c, tleg_avx512_lanes(wide - c),
                                     _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
        }
    fill_up((rows + 1) / 2, steps, wide, to);
}

void tleg_avx512bf16_transpose_steps(int64_t rows, int64_t cols, const void *in, int64_t in_stride, void *out,
                                     int64_t out_stride) {
    tleg_avx512_transpose(rows, cols, in, in_stride, 1.0F, out, out_stride);
}

/* ---- softmax ---- */

/* 2^x to 8e-5 of itself, for what is rounded to bf16: 2^(x - floor x) by a polynomial of degree 3, which scalef multiplies with
 * 2^(floor x). NaN stays NaN. */
TLEG_AVX512_INLINE __m512 power_roughly(__m512 x) {
    __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0.0780245591F), f, _mm512_set1_ps(0.226067456F));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.695833236F));
    return _mm512_scalef_ps(_mm512_fmadd_ps(p, f, _mm512_set1_ps(0.99992527F)), x);
}

/* The largest of a row; NaN does not count. */
TLEG_AVX512_INLINE float most_of(int64_t keys, const float *s) {
    const __m512 least = _mm512_set1_ps(-INFINITY);
    __m512 most[2] = {least, least};
    for (int64_t j = 0; j < keys; j += 32)
        for (int64_t w = 0; w < 2; w++)
            most[w] = _mm512_max_ps(_mm512_mask_loadu_ps(least, tleg_avx512_lanes(keys - j - 16 * w), s + j + 16 * w), most[w]);
    return _mm512_reduce_max_ps(_mm512_max_ps(most[0], most[1]));
}

TLEG_AVX512BF16 void tleg_avx512bf16_softmax(int64_t rows, int64_t keys, float scale, const float *s, int64_t s_stride,
                                             int64_t steps, void *p, float *inverse) {
    const __m512 factor = _mm512_set1_ps(scale * 1.44269504F); /* e^x = 2^(x / ln 2) */
    float *to = p;
    for (int64_t r = 0; r < rows; r++, s += s_stride, to += steps) {
        const __m512 most = _mm512_set1_ps(most_of(keys, s));
        __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()}, e[2];
        for (int64_t j = 0; j < 2 * steps; j += 32) {
#pragma GCC unroll 2
            for (int64_t w = 0; w < 2; w++) {
                __mmask16 lanes = tleg_avx512_lanes(keys - j - 16 * w);
                __m512 x = _mm512_maskz_loadu_ps(lanes, s + j + 16 * w);
                e[w] = _mm512_maskz_mov_ps(lanes, power_roughly(_mm512_mul_ps(_mm512_sub_ps(x, most), factor)));
                sum[w] = _mm512_add_ps(sum[w], e[w]);
            }
            _mm512_mask_storeu_epi32(to + j / 2, tleg_avx512_lanes(steps - j / 2), (__m512i)_mm512_cvtne2ps_pbh(e[1], e[0]));
        }
        inverse[r] = 1 / _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1]));
    }
}

/* ---- expansion ---- */

/* 16 numbers of base + c * ilayer; an ilayer of NULL: of base. */
TLEG_AVX512_INLINE __m512 formed(const float *base, const float *ilayer, __m512 c, size_t i) {
    __m512 y = _mm512_loadu_ps(base + i);
    return ilayer ? _mm512_add_ps(y, _mm512_mul_ps(c, _mm512_loadu_ps(ilayer + i))) : y;
}

TLEG_AVX512BF16_INLINE void expand_bf16(const float *base, const float *ilayer, float c, size_t count, uint16_t *out) {
    enum { SUBNORMAL = 0x20 };
    const __m512 factor = _mm512_set1_ps(c);
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
        __m512 low = formed(base, ilayer, factor, i), high = formed(base, ilayer, factor, i + 16);
        /* The instruction takes subnormal numbers for 0; an expanded file has the same bits whoever wrote it. */
        if (_mm512_fpclass_ps_mask(low, SUBNORMAL) | _mm512_fpclass_ps_mask(high, SUBNORMAL))
            tleg_avx512_expand(base + i, ilayer ? ilayer + i : NULL, c, 32, TLEG_BF16, out + i);
        else
            _mm512_storeu_si512(out + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
    if (i < count)
        tleg_avx512_expand(base + i, ilayer ? ilayer + i : NULL, c, count - i, TLEG_BF16, out + i);
}

TLEG_AVX512BF16 void tleg_avx512bf16_expand(const float *base, const float *ilayer, float c, size_t count, int32_t dtype,
                                            void *out) {
    if (dtype != TLEG_BF16)
        tleg_avx512_expand(base, ilayer, c, count, dtype, out);
    else if (ilayer)
        expand_bf16(base, ilayer, c, count, out);
    else
        expand_bf16(base, NULL, 0, count, out);
}

#endif
