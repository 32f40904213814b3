/* Transposing in squares of 4 x 4. */
#include "kernels/arm/neon.h"

#if defined(__aarch64__)

/* 4 rows become 4 columns, in two rounds of exchanging neighbours: of 1 and 2 elements. */
TLEG_NEON_INLINE void square(const float *in, int64_t in_stride, float scale, float *out, int64_t out_stride) {
    float32x4_t x[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++)
        x[r] = vmulq_n_f32(vld1q_f32(in + r * in_stride), scale);
    float64x2_t even = vreinterpretq_f64_f32(vtrn1q_f32(x[0], x[1])), odd = vreinterpretq_f64_f32(vtrn2q_f32(x[0], x[1]));
    float64x2_t even_below = vreinterpretq_f64_f32(vtrn1q_f32(x[2], x[3])),
                odd_below = vreinterpretq_f64_f32(vtrn2q_f32(x[2], x[3]));
    vst1q_f32(out, vreinterpretq_f32_f64(vtrn1q_f64(even, even_below)));
    vst1q_f32(out + out_stride, vreinterpretq_f32_f64(vtrn1q_f64(odd, odd_below)));
    vst1q_f32(out + 2 * out_stride, vreinterpretq_f32_f64(vtrn2q_f64(even, even_below)));
    vst1q_f32(out + 3 * out_stride, vreinterpretq_f32_f64(vtrn2q_f64(odd, odd_below)));
}

/* The last square of a side begins early enough to be whole, and writes some elements a second time. */
void tleg_neon_transpose(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out,
                         int64_t out_stride) {
    if (rows < 4 || cols < 4) {
        tleg_portable_transpose(rows, cols, in, in_stride, scale, out, out_stride);
        return;
    }
    for (int64_t c = 0; c < cols; c += 4) {
        int64_t column = c < cols - 4 ? c : cols - 4;
        for (int64_t r = 0; r < rows; r += 4) {
            int64_t row = r < rows - 4 ? r : rows - 4;
            square(in + row * in_stride + column, in_stride, scale, out + column * out_stride + row, out_stride);
        }
    }
}

#endif
