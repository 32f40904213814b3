/* Transposing in squares of 16 x 16. */
#include "kernels/x86/avx512.h"

#if defined(__x86_64__)

/* One square, of which `rows` and `cols` count. A scale of 1 leaves every bit as it is, of what is no float too. */
TLEG_AVX512 static void part(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out,
                             int64_t out_stride) {
    __m512 x[16], factor = _mm512_set1_ps(scale);
    const __mmask16 across = tleg_avx512_lanes(cols), down = tleg_avx512_lanes(rows), scaled = scale == 1.0F ? 0 : 0xFFFF;
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++)
        if (r < rows)
            tleg_prefetch(in, (r + (rows < 16 ? rows : 16)) * in_stride); /* the rows that follow */
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++) {
        x[r] = r < rows ? _mm512_maskz_loadu_ps(across, in + r * in_stride) : _mm512_setzero_ps();
        x[r] = _mm512_mask_mul_ps(x[r], scaled, x[r], factor);
    }
    tleg_avx512_square(x);
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

#endif
