/* Transposing in squares of 8 x 8. */
#include "kernels/x86/avx2.h"

#if defined(__x86_64__)

/* 8 rows become 8 columns, in three rounds of exchanging neighbours: of 1, 2 and 4 elements. */
TLEG_AVX2_INLINE void square(__m256 x[8]) {
    __m256 y[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) { /* x[i + c] holds column c of each half, for rows i..i+3 */
        x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44);
        x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xEE);
        x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44);
        x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xEE);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        y[c] = _mm256_permute2f128_ps(x[c], x[c + 4], 0x20);
        y[c + 4] = _mm256_permute2f128_ps(x[c], x[c + 4], 0x31);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        x[i] = y[i];
}

/* How many columns of fewer than eight rows may be stored as eight all the same: masked stores take tens of cycles on some
 * processors (Zen and Zen 2). What such a store writes past its column is overwritten by the next, if columns lie end to end;
 * the last ones would write past them all. */
TLEG_AVX2_INLINE int64_t whole_columns(int64_t rows, int64_t cols, int64_t out_stride) {
    static const int8_t last[8] = {0, 7, 3, 2, 1, 1, 1, 1}; /* 8 / rows, rounded up, less 1 */
    return out_stride == rows ? cols - last[rows] : 0;
}

/* One square, of which `rows` and `cols` count. */
TLEG_AVX2 static void part(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out,
                           int64_t out_stride) {
    __m256 x[8], factor = _mm256_set1_ps(scale);
    __m256i across = tleg_avx2_lanes(cols), down = tleg_avx2_lanes(rows);
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++)
        if (r < rows)
            tleg_prefetch(in, (r + (rows < 8 ? rows : 8)) * in_stride); /* the rows that follow */
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++)
        x[r] = r < rows ? _mm256_mul_ps(_mm256_maskload_ps(in + r * in_stride, across), factor) : _mm256_setzero_ps();
    square(x);
    const int64_t whole = rows >= 8 ? cols : whole_columns(rows, cols, out_stride);
    if (whole >= 8) { /* all of the square's */
#pragma GCC unroll 8
        for (int c = 0; c < 8; c++)
            _mm256_storeu_ps(out + c * out_stride, x[c]);
        return;
    }
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++)
        if (c >= cols)
            break;
        else if (c < whole)
            _mm256_storeu_ps(out + c * out_stride, x[c]);
        else
            _mm256_maskstore_ps(out + c * out_stride, down, x[c]);
}

void tleg_avx2_transpose(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out,
                         int64_t out_stride) {
    for (int64_t r = 0; r < rows; r += 8)
        for (int64_t c = 0; c < cols; c += 8)
            part(rows - r, cols - c, in + r * in_stride + c, in_stride, scale, out + c * out_stride + r, out_stride);
}

#endif
