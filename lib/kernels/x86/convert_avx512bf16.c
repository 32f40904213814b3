/* Rounding to bf16 by AVX512-BF16: rows for the tile, and expansion. */
#if defined(__x86_64__)
#include "kernels/x86/avx512bf16.h"

/* [pair][row]: 16 rows of 16 pairs become 16 columns. Numbers too small for a normal float become 0, as the products take them.
 */
static TLEG_AVX512BF16 void pack_square(int64_t rows, int64_t left, const float *in, int64_t in_stride, float *out,
                                        int64_t out_stride) {
    __m512 x[16];
    __mmask16 first = tleg_avx512_lanes(left), second = tleg_avx512_lanes(left - 16), down = tleg_avx512_lanes(rows);
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++) {
        x[r] = _mm512_setzero_ps();
        if (r < rows)
            x[r] = (__m512)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(second, in + r * in_stride + 16),
                                               _mm512_maskz_loadu_ps(first, in + r * in_stride));
    }
    tleg_avx512_square(x);
#pragma GCC unroll 16
    for (int p = 0; p < 16; p++)
        if (2 * p < left)
            _mm512_mask_storeu_ps(out + p * out_stride, down, x[p]);
}

void tleg_avx512bf16_pack(int64_t rows, int64_t k, const float *in, int64_t in_stride, void *out) {
    float *pairs = out;
    for (int64_t i = 0; i < k; i += 32)
        pack_square(rows, k - i, in + i, in_stride, pairs + i / 2 * rows, rows);
}

/* 16 pairs of one row's numbers and the next row's; no next row: zeros. */
TLEG_AVX512BF16_INLINE __m512i fold_some(const float *in, const float *next, __mmask16 lanes) {
    const __m512i zip = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20,
                                         4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m512 first = _mm512_maskz_loadu_ps(lanes, in), second = next ? _mm512_maskz_loadu_ps(lanes, next) : _mm512_setzero_ps();
    return _mm512_permutexvar_epi16(zip, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

TLEG_AVX512BF16 void tleg_avx512bf16_fold(int64_t rows, int64_t cols, const float *in, int64_t in_stride, void *out,
                                          int64_t wide) {
    float *pairs = out;
    for (int64_t r = 0; r < rows; r += 2, in += 2 * in_stride, pairs += wide)
        for (int64_t c = 0; c < wide; c += 16)
            _mm512_mask_storeu_epi32(pairs + c, tleg_avx512_lanes(wide - c),
                                     fold_some(in + c, r + 1 < rows ? in + in_stride + c : NULL, tleg_avx512_lanes(cols - c)));
}

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

#else
typedef int tleg_no_convert_avx512bf16; /* a file with nothing in it is no C */
#endif
