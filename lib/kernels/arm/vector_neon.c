/* The row-wise and element-wise operations with NEON. */
#include "kernels/arm/neon.h"

#if defined(__aarch64__)
#include <math.h>

enum { WAYS = 4 }; /* independent chains, so that latency does not set the pace */

TLEG_NEON_INLINE float32x4_t sum_ways(const float32x4_t part[WAYS]) {
    return vaddq_f32(vaddq_f32(part[0], part[1]), vaddq_f32(part[2], part[3]));
}

/* ---- softmax ---- */

TLEG_NEON_INLINE void softmax_column(int64_t keys, float *s, float *inverse) {
    enum { NR = TLEG_NEON_NR };
    float32x4_t most[WAYS], sum[WAYS];
    int64_t i = 0;
    for (int w = 0; w < WAYS; w++) {
        most[w] = vld1q_f32(s);
        sum[w] = vdupq_n_f32(0);
    }
    for (; i + WAYS <= keys; i += WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++)
            most[w] = vmaxq_f32(vld1q_f32(s + (i + w) * NR), most[w]);
    for (; i < keys; i++)
        most[0] = vmaxq_f32(vld1q_f32(s + i * NR), most[0]);
    float32x4_t top = vmaxq_f32(vmaxq_f32(most[0], most[1]), vmaxq_f32(most[2], most[3]));
    for (i = 0; i + WAYS <= keys; i += WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++) {
            float32x4_t e = tleg_neon_exp_low(vsubq_f32(vld1q_f32(s + (i + w) * NR), top));
            vst1q_f32(s + (i + w) * NR, e);
            sum[w] = vaddq_f32(sum[w], e);
        }
    for (; i < keys; i++) {
        float32x4_t e = tleg_neon_exp_low(vsubq_f32(vld1q_f32(s + i * NR), top));
        vst1q_f32(s + i * NR, e);
        sum[0] = vaddq_f32(sum[0], e);
    }
    vst1q_f32(inverse, vdivq_f32(vdupq_n_f32(1.0F), sum_ways(sum)));
}

void tleg_neon_softmax(int64_t keys, int64_t cols, float *s, float *inverse) {
    for (int64_t j = 0; j < cols; j += 4)
        softmax_column(keys, s + j, inverse + j);
}

TLEG_NEON_INLINE void softmax_column_backward(int64_t keys, const float *inverse, float *p, float *dp) {
    enum { NR = TLEG_NEON_NR };
    float32x4_t scale = vld1q_f32(inverse), part[WAYS];
    for (int w = 0; w < WAYS; w++)
        part[w] = vdupq_n_f32(0);
    for (int64_t i = 0; i < keys; i += WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++) {
            if (i + w >= keys)
                break;
            float32x4_t y = vmulq_f32(vld1q_f32(p + (i + w) * NR), scale);
            vst1q_f32(p + (i + w) * NR, y);
            part[w] = vfmaq_f32(part[w], y, vld1q_f32(dp + (i + w) * NR));
        }
    float32x4_t mean = sum_ways(part);
    for (int64_t i = 0; i < keys; i++) {
        float32x4_t d = vsubq_f32(vld1q_f32(dp + i * NR), mean);
        vst1q_f32(dp + i * NR, vmulq_f32(d, vld1q_f32(p + i * NR)));
    }
}

void tleg_neon_softmax_backward(int64_t keys, int64_t cols, const float *inverse, float *p, float *dp) {
    for (int64_t j = 0; j < cols; j += 4)
        softmax_column_backward(keys, inverse + j, p + j, dp + j);
}

/* ---- LayerNorm ---- */

/* All bits of the first `count` of four. */
TLEG_NEON_INLINE uint32x4_t lanes(int64_t count) {
    static const int32_t lane[] = {0, 1, 2, 3};
    return vcgtq_s32(vdupq_n_s32(count > 4 ? 4 : (int32_t)count), vld1q_s32(lane));
}

/* sum of (x - centre)^2, or of x - centre. Lanes behind the row's end stay out. */
TLEG_NEON_INLINE float sum_of(int64_t dim, const float *x, float centre, const bool squared) {
    float32x4_t middle = vdupq_n_f32(centre), part[WAYS];
    for (int w = 0; w < WAYS; w++)
        part[w] = vdupq_n_f32(0);
    int64_t i = 0;
    for (; i + 4 * WAYS <= dim; i += 4 * WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++) {
            float32x4_t d = vsubq_f32(vld1q_f32(x + i + 4 * w), middle);
            part[w] = squared ? vfmaq_f32(part[w], d, d) : vaddq_f32(part[w], d);
        }
    for (; i < dim; i += 4) {
        float32x4_t d = vsubq_f32(tleg_neon_load_first(x + i, dim - i), middle);
        d = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(d), lanes(dim - i)));
        part[0] = squared ? vfmaq_f32(part[0], d, d) : vaddq_f32(part[0], d);
    }
    return vaddvq_f32(sum_ways(part));
}

void tleg_neon_layernorm(int64_t rows, int64_t dim, const float *x, int64_t stride, const float *weight, const float *bias,
                         float eps, float *y) {
    for (int64_t r = 0; r < rows; r++, x += stride, y += dim) {
        float mean = sum_of(dim, x, 0, false) / (float)dim;
        float scale = 1.0F / sqrtf(sum_of(dim, x, mean, true) / (float)dim + eps);
        for (int64_t i = 0; i < dim; i += 4) {
            int64_t left = dim - i;
            float32x4_t z = vmulq_n_f32(vsubq_f32(tleg_neon_load_first(x + i, left), vdupq_n_f32(mean)), scale);
            z = vfmaq_f32(tleg_neon_load_first(bias + i, left), z, tleg_neon_load_first(weight + i, left));
            tleg_neon_store_first(y + i, z, left);
        }
    }
}

/* One row; layernorm.c has the formula. */
TLEG_NEON_INLINE void layernorm_row_backward(const struct tleg_layernorm_backward *backward, int64_t row, float *dweight,
                                             float *dbias) {
    int64_t dim = backward->dim;
    const float *x = backward->x + row * dim, *dy = backward->dy + row * dim, *weight = backward->weight;
    float *dx = backward->dx + row * dim, mean = sum_of(dim, x, 0, false) / (float)dim;
    float scale = 1.0F / sqrtf(sum_of(dim, x, mean, true) / (float)dim + backward->eps);
    float32x4_t middle = vdupq_n_f32(mean), sum_g = vdupq_n_f32(0), sum_gz = vdupq_n_f32(0);
    for (int64_t i = 0; i < dim; i += 4) {
        int64_t left = dim - i;
        float32x4_t z = vmulq_n_f32(vsubq_f32(tleg_neon_load_first(x + i, left), middle), scale);
        float32x4_t d = tleg_neon_load_first(dy + i, left), g = vmulq_f32(d, tleg_neon_load_first(weight + i, left));
        tleg_neon_store_first(dweight + i, vfmaq_f32(tleg_neon_load_first(dweight + i, left), d, z), left);
        tleg_neon_store_first(dbias + i, vaddq_f32(d, tleg_neon_load_first(dbias + i, left)), left);
        sum_g = vaddq_f32(g, sum_g);
        sum_gz = vfmaq_f32(sum_gz, g, z);
    }
    float32x4_t mean_g = vdupq_n_f32(vaddvq_f32(sum_g) / (float)dim), mean_gz = vdupq_n_f32(vaddvq_f32(sum_gz) / (float)dim);
    for (int64_t i = 0; i < dim; i += 4) {
        int64_t left = dim - i;
        float32x4_t z = vmulq_n_f32(vsubq_f32(tleg_neon_load_first(x + i, left), middle), scale);
        float32x4_t g = vmulq_f32(tleg_neon_load_first(dy + i, left), tleg_neon_load_first(weight + i, left));
        float32x4_t t = vmulq_n_f32(vfmsq_f32(vsubq_f32(g, mean_g), z, mean_gz), scale);
        if (backward->add)
            t = vaddq_f32(t, tleg_neon_load_first(dx + i, left));
        tleg_neon_store_first(dx + i, t, left);
    }
}

void tleg_neon_layernorm_backward(const struct tleg_layernorm_backward *backward, int64_t first, int64_t rows, float *sums) {
    for (int64_t r = 0; r < rows; r++)
        layernorm_row_backward(backward, first + r, sums, sums + backward->dim);
}

/* ---- activations ---- */

TLEG_NEON_INLINE void forward(size_t count, const float *x, float *y, const enum tleg_activation activation) {
    for (size_t i = 0; i < count; i += 4) {
        int64_t left = (int64_t)(count - i);
        tleg_neon_store_first(y + i, tleg_neon_activated(activation, tleg_neon_load_first(x + i, left)), left);
    }
}

TLEG_NEON_INLINE void backward(size_t count, const float *x, const float *dy, float *dx,
                               const enum tleg_activation activation) {
    for (size_t i = 0; i < count; i += 4) {
        int64_t left = (int64_t)(count - i);
        float32x4_t slope = tleg_neon_slope(activation, tleg_neon_load_first(x + i, left));
        tleg_neon_store_first(dx + i, vmulq_f32(tleg_neon_load_first(dy + i, left), slope), left);
    }
}

#define ACTIVATION(level, NAME, name)                                                                                          \
    void tleg_##level##_##name(size_t count, const float *x, float *y) {                                                       \
        forward(count, x, y, TLEG_ACTIVATION_##NAME);                                                                          \
    }                                                                                                                          \
    void tleg_##level##_##name##_backward(size_t count, const float *x, const float *dy, float *dx) {                          \
        backward(count, x, dy, dx, TLEG_ACTIVATION_##NAME);                                                                    \
    }
TLEG_EACH_ACTIVATION(ACTIVATION, neon)

/* ---- copies and sums of rows ---- */

void tleg_neon_copy(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out, int64_t wide) {
    for (int64_t r = 0; r < rows; r++, in += in_stride, out += wide)
        for (int64_t c = 0; c < wide; c += 4)
            tleg_neon_store_first(out + c, vmulq_n_f32(tleg_neon_load_first(in + c, cols - c), scale), wide - c);
}

void tleg_neon_sum_rows(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float *out) {
    int64_t c = 0;
    for (; c + 4 * WAYS <= cols; c += 4 * WAYS) {
        float32x4_t sum[WAYS];
        for (int w = 0; w < WAYS; w++)
            sum[w] = vdupq_n_f32(0);
        for (int64_t r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int w = 0; w < WAYS; w++)
                sum[w] = vaddq_f32(sum[w], vld1q_f32(in + r * in_stride + c + 4 * w));
        for (int w = 0; w < WAYS; w++)
            vst1q_f32(out + c + 4 * w, sum[w]);
    }
    for (; c < cols; c += 4) {
        float32x4_t sum = vdupq_n_f32(0);
        for (int64_t r = 0; r < rows; r++)
            sum = vaddq_f32(sum, tleg_neon_load_first(in + r * in_stride + c, cols - c));
        tleg_neon_store_first(out + c, sum, cols - c);
    }
}

void tleg_neon_accumulate(int64_t rows, int64_t cols, const float *t, int64_t t_stride, float c, float *to, int64_t stride) {
    for (int64_t r = 0; r < rows; r++, t += t_stride, to += stride)
        for (int64_t j = 0; j < cols; j += 4) {
            int64_t left = cols - j;
            float32x4_t y = tleg_neon_load_first(t + j, left);
            tleg_neon_store_first(to + j, vfmaq_n_f32(tleg_neon_load_first(to + j, left), y, c), left);
        }
}

/* ---- expansion: multiply, round, add, round, convert; see expand.c ---- */

/* Rounded to nearest, ties to even, as tleg_bf16_from_f32. */
TLEG_NEON_INLINE uint16x4_t bf16_of(float32x4_t x) {
    uint32x4_t bits = vreinterpretq_u32_f32(x), odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint16x4_t rounded = vaddhn_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7FFF)));
    uint16x4_t quiet = vorr_u16(vshrn_n_u32(bits, 16), vdup_n_u16(0x40));
    return vbsl_u16(vmovn_u32(vceqq_f32(x, x)), rounded, quiet);
}

TLEG_NEON_INLINE void expand_part(float32x4_t y, const int32_t dtype, size_t i, void *out) {
    if (dtype == TLEG_F32)
        vst1q_f32((float *)out + i, y);
    else if (dtype == TLEG_F16)
        vst1_u16((uint16_t *)out + i, vreinterpret_u16_f16(vcvt_f16_f32(y)));
    else
        vst1_u16((uint16_t *)out + i, bf16_of(y));
}

TLEG_NEON_INLINE void expand_as(const float *base, const float *ilayer, float c, size_t count, const int32_t dtype, size_t size,
                                void *out) {
    size_t i = 0;
#pragma GCC unroll 4
    for (; i + 4 <= count; i += 4) {
        float32x4_t y = vld1q_f32(base + i);
        if (ilayer)
            y = vaddq_f32(y, vmulq_n_f32(vld1q_f32(ilayer + i), c));
        expand_part(y, dtype, i, out);
    }
    tleg_portable_expand(base + i, ilayer ? ilayer + i : NULL, c, count - i, dtype, (char *)out + i * size);
}

void tleg_neon_expand(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, void *out) {
    if (dtype == TLEG_F32)
        expand_as(base, ilayer, c, count, TLEG_F32, 4, out);
    else if (dtype == TLEG_F16)
        expand_as(base, ilayer, c, count, TLEG_F16, 2, out);
    else
        expand_as(base, ilayer, c, count, TLEG_BF16, 2, out);
}

void tleg_neon_widen(int32_t dtype, const void *in, size_t count, float *out) {
    const uint16_t *halves = in;
    size_t i = 0;
    if (dtype == TLEG_F16)
        for (; i + 4 <= count; i += 4)
            vst1q_f32(out + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves + i))));
    else if (dtype == TLEG_BF16)
        for (; i + 4 <= count; i += 4)
            vst1q_f32(out + i, vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(halves + i)), 16)));
    /* what is left over; F32 whole, where i is still 0 */
    tleg_portable_widen(dtype, halves + i, count - i, out + i);
}

#endif
