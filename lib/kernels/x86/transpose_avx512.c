/* Transposing in squares of 16 x 16. */
#if defined(__x86_64__)
#include "kernels/x86/avx512.h"

/* 16 rows become 16 columns, in four rounds of exchanging neighbours: of 1, 2, 4 and 8 elements. */
TLEG_AVX512_INLINE void square(__m512 x[16]) {
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

/* One square, of which `rows` and `cols` count. */
TLEG_AVX512 static void part(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out,
                             int64_t out_stride) {
    __m512 x[16], factor = _mm512_set1_ps(scale);
    __mmask16 across = tleg_avx512_lanes(cols), down = tleg_avx512_lanes(rows);
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++)
        if (r < rows)
            tleg_ask(in, (r + (rows < 16 ? rows : 16)) * in_stride); /* the rows that follow */
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++)
        x[r] = r < rows ? _mm512_mul_ps(_mm512_maskz_loadu_ps(across, in + r * in_stride), factor) : _mm512_setzero_ps();
    square(x);
#pragma GCC unroll 16
    for (int c = 0; c < 16; c++)
        if (c < cols)
            _mm512_mask_storeu_ps(out + c * out_stride, down, x[c]);
}

void tleg_avx512_transpose(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out,
                           int64_t out_stride) {
    for (int64_t r = 0; r < rows; r += 16)
        for (int64_t c = 0; c < cols; c += 16)
            part(rows - r, cols - c, in + r * in_stride + c, in_stride, scale, out + c * out_stride + r, out_stride);
}

#else
typedef int tleg_no_transpose_avx512; /* a file with nothing in it is no C */
#endif
