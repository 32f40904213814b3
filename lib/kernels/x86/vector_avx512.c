/* The row-wise and element-wise operations with AVX-512. */
#include "kernels/x86/avx512.h"

#if defined(__x86_64__)
#include <math.h>

/* ---- softmax ---- */

/* e^x within 2 units in the last place for x <= 0; NaN stays NaN: x = n ln2 + r, e^x = 2^n e^r. */
TLEG_AVX512_INLINE __m512 exp_of(__m512 x) {
    __m512 n =
        _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504F)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    /* Below -104 the result is 0 whatever r is; holding n keeps r = x - n ln2 a number for -inf. */
    n = _mm512_max_ps(_mm512_set1_ps(-160.0F), n);
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

enum { AHEAD = 512 }; /* floats between what is read and what is prefetched: the time of a memory access */
enum { WAYS = 4 };    /* independent chains, so that latency does not set the pace */

TLEG_AVX512_INLINE void softmax_column(int64_t keys, float *s, float *inverse) {
    enum { NR = TLEG_AVX512_NR };
    __m512 most[WAYS], sum[WAYS];
    int64_t i = 0;
    for (int w = 0; w < WAYS; w++) {
        most[w] = _mm512_loadu_ps(s);
        sum[w] = _mm512_setzero_ps();
    }
    for (; i + WAYS <= keys; i += WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++)
            most[w] = _mm512_max_ps(_mm512_loadu_ps(s + (i + w) * NR), most[w]);
    for (; i < keys; i++)
        most[0] = _mm512_max_ps(_mm512_loadu_ps(s + i * NR), most[0]);
    __m512 top = _mm512_max_ps(_mm512_max_ps(most[0], most[1]), _mm512_max_ps(most[2], most[3]));
    for (i = 0; i + WAYS <= keys; i += WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++) {
            __m512 e = exp_of(_mm512_sub_ps(_mm512_loadu_ps(s + (i + w) * NR), top));
            _mm512_storeu_ps(s + (i + w) * NR, e);
            sum[w] = _mm512_add_ps(sum[w], e);
        }
    for (; i < keys; i++) {
        __m512 e = exp_of(_mm512_sub_ps(_mm512_loadu_ps(s + i * NR), top));
        _mm512_storeu_ps(s + i * NR, e);
        sum[0] = _mm512_add_ps(sum[0], e);
    }
    __m512 all = _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3]));
    _mm512_storeu_ps(inverse, _mm512_div_ps(_mm512_set1_ps(1.0F), all));
}

TLEG_AVX512 void tleg_avx512_softmax(int64_t keys, int64_t cols, float *s, float *inverse) {
    for (int64_t j = 0; j < cols; j += 16)
        softmax_column(keys, s + j, inverse + j);
}

TLEG_AVX512_INLINE void softmax_column_backward(int64_t keys, const float *inverse, float *p, float *dp) {
    enum { NR = TLEG_AVX512_NR };
    __m512 scale = _mm512_loadu_ps(inverse), part[WAYS];
    for (int w = 0; w < WAYS; w++)
        part[w] = _mm512_setzero_ps();
    for (int64_t i = 0; i < keys; i += WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++) {
            if (i + w >= keys)
                break;
            __m512 y = _mm512_mul_ps(_mm512_loadu_ps(p + (i + w) * NR), scale);
            _mm512_storeu_ps(p + (i + w) * NR, y);
            part[w] = _mm512_fmadd_ps(y, _mm512_loadu_ps(dp + (i + w) * NR), part[w]);
        }
    __m512 mean = _mm512_add_ps(_mm512_add_ps(part[0], part[1]), _mm512_add_ps(part[2], part[3]));
    for (int64_t i = 0; i < keys; i++) {
        __m512 d = _mm512_sub_ps(_mm512_loadu_ps(dp + i * NR), mean);
        _mm512_storeu_ps(dp + i * NR, _mm512_mul_ps(d, _mm512_loadu_ps(p + i * NR)));
    }
}

TLEG_AVX512 void tleg_avx512_softmax_backward(int64_t keys, int64_t cols, const float *inverse, float *p, float *dp) {
    for (int64_t j = 0; j < cols; j += 16)
        softmax_column_backward(keys, inverse + j, p + j, dp + j);
}

/* ---- LayerNorm ---- */

/* sum of (x - centre)^2, or of x - centre. Lanes behind the row's end stay out. */
TLEG_AVX512_INLINE float sum_of(int64_t dim, const float *x, float centre, bool squared) {
    __m512 middle = _mm512_set1_ps(centre), part[WAYS];
    for (int w = 0; w < WAYS; w++)
        part[w] = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + 16 * WAYS <= dim; i += 16 * WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++) {
            __m512 d = _mm512_sub_ps(_mm512_loadu_ps(x + i + 16 * w), middle);
            part[w] = squared ? _mm512_fmadd_ps(d, d, part[w]) : _mm512_add_ps(part[w], d);
        }
    for (; i < dim; i += 16) {
        __mmask16 lanes = tleg_avx512_lanes(dim - i);
        __m512 d = _mm512_maskz_sub_ps(lanes, _mm512_maskz_loadu_ps(lanes, x + i), middle);
        part[0] = squared ? _mm512_fmadd_ps(d, d, part[0]) : _mm512_add_ps(part[0], d);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(part[0], part[1]), _mm512_add_ps(part[2], part[3])));
}

TLEG_AVX512 void tleg_avx512_layernorm(int64_t rows, int64_t dim, const float *x, int64_t stride, const float *weight,
                                       const float *bias, float eps, float *y) {
    for (int64_t r = 0; r < rows; r++, x += stride, y += dim) {
        float mean = sum_of(dim, x, 0, false) / (float)dim;
        float var = sum_of(dim, x, mean, true) / (float)dim;
        __m512 middle = _mm512_set1_ps(mean), scale = _mm512_set1_ps(1.0F / sqrtf(var + eps));
        int64_t i = 0;
        for (; i + 16 <= dim; i += 16) {
            tleg_prefetch(x + i, AHEAD);
            __m512 d = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + i), middle), scale);
            _mm512_storeu_ps(y + i, _mm512_fmadd_ps(d, _mm512_loadu_ps(weight + i), _mm512_loadu_ps(bias + i)));
        }
        if (i < dim) {
            __mmask16 lanes = tleg_avx512_lanes(dim - i);
            __m512 d = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + i), middle), scale);
            d = _mm512_fmadd_ps(d, _mm512_maskz_loadu_ps(lanes, weight + i), _mm512_maskz_loadu_ps(lanes, bias + i));
            _mm512_mask_storeu_ps(y + i, lanes, d);
        }
    }
}

/* One row; layernorm.c has the formula. */
TLEG_AVX512_INLINE void layernorm_row_backward(const struct tleg_layernorm_backward *backward, int64_t row, float *dweight,
                                               float *dbias) {
    int64_t dim = backward->dim;
    const float *x = backward->x + row * dim, *dy = backward->dy + row * dim;
    float *dx = backward->dx + row * dim, mean = sum_of(dim, x, 0, false) / (float)dim;
    float var = sum_of(dim, x, mean, true) / (float)dim;
    __m512 middle = _mm512_set1_ps(mean), scale = _mm512_set1_ps(1.0F / sqrtf(var + backward->eps));
    __m512 sum_g = _mm512_setzero_ps(), sum_gz = _mm512_setzero_ps();
    for (int64_t i = 0; i < dim; i += 16) {
        __mmask16 lanes = tleg_avx512_lanes(dim - i);
        tleg_prefetch(x + i, AHEAD);
        tleg_prefetch(dy + i, AHEAD);
        tleg_prefetch(dx + i, AHEAD);
        __m512 z = _mm512_maskz_mul_ps(lanes, _mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + i), middle), scale);
        __m512 d = _mm512_maskz_loadu_ps(lanes, dy + i),
               g = _mm512_mul_ps(d, _mm512_maskz_loadu_ps(lanes, backward->weight + i));
        _mm512_mask_storeu_ps(dweight + i, lanes, _mm512_fmadd_ps(d, z, _mm512_maskz_loadu_ps(lanes, dweight + i)));
        _mm512_mask_storeu_ps(dbias + i, lanes, _mm512_add_ps(d, _mm512_maskz_loadu_ps(lanes, dbias + i)));
        sum_g = _mm512_add_ps(g, sum_g);
        sum_gz = _mm512_fmadd_ps(g, z, sum_gz);
    }
    __m512 mean_g = _mm512_set1_ps(_mm512_reduce_add_ps(sum_g) / (float)dim);
    __m512 mean_gz = _mm512_set1_ps(_mm512_reduce_add_ps(sum_gz) / (float)dim);
    for (int64_t i = 0; i < dim; i += 16) {
        __mmask16 lanes = tleg_avx512_lanes(dim - i);
        __m512 z = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + i), middle), scale);
        __m512 g = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, dy + i), _mm512_maskz_loadu_ps(lanes, backward->weight + i));
        __m512 t = _mm512_mul_ps(_mm512_fnmadd_ps(z, mean_gz, _mm512_sub_ps(g, mean_g)), scale);
        if (backward->add)
            t = _mm512_add_ps(t, _mm512_maskz_loadu_ps(lanes, dx + i));
        _mm512_mask_storeu_ps(dx + i, lanes, t);
    }
}

TLEG_AVX512 void tleg_avx512_layernorm_backward(const struct tleg_layernorm_backward *backward, int64_t first, int64_t rows,
                                                float *sums) {
    for (int64_t r = 0; r < rows; r++)
        layernorm_row_backward(backward, first + r, sums, sums + backward->dim);
}

/* ---- activations ---- */

TLEG_AVX512_INLINE void forward(size_t count, const float *x, float *y, const enum tleg_activation activation) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        tleg_prefetch(x + i, AHEAD);
        _mm512_storeu_ps(y + i, tleg_avx512_activated(activation, _mm512_loadu_ps(x + i)));
    }
    if (i < count) {
        __mmask16 lanes = tleg_avx512_lanes((int64_t)(count - i));
        _mm512_mask_storeu_ps(y + i, lanes, tleg_avx512_activated(activation, _mm512_maskz_loadu_ps(lanes, x + i)));
    }
}

TLEG_AVX512_INLINE void backward(size_t count, const float *x, const float *dy, float *dx,
                                 const enum tleg_activation activation) {
    for (size_t i = 0; i < count; i += 16) {
        __mmask16 lanes = tleg_avx512_lanes((int64_t)(count - i));
        tleg_prefetch(x + i, AHEAD);
        tleg_prefetch(dy + i, AHEAD);
        __m512 slope = tleg_avx512_slope(activation, _mm512_maskz_loadu_ps(lanes, x + i));
        _mm512_mask_storeu_ps(dx + i, lanes, _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, dy + i), slope));
    }
}

#define ACTIVATION(level, NAME, name)                                                                                          \
    TLEG_AVX512 void tleg_##level##_##name(size_t count, const float *x, float *y) {                                           \
        forward(count, x, y, TLEG_ACTIVATION_##NAME);                                                                          \
    }                                                                                                                          \
    TLEG_AVX512 void tleg_##level##_##name##_backward(size_t count, const float *x, const float *dy, float *dx) {              \
        backward(count, x, dy, dx, TLEG_ACTIVATION_##NAME);                                                                    \
    }
TLEG_EACH_ACTIVATION(ACTIVATION, avx512)

/* ---- copies and sums of rows ---- */

TLEG_AVX512 void tleg_avx512_copy(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out,
                                  int64_t wide) {
    __m512 factor = _mm512_set1_ps(scale);
    for (int64_t c = 0; c < wide; c += 16) {
        __mmask16 from = tleg_avx512_lanes(cols - c), to = tleg_avx512_lanes(wide - c);
        for (int64_t r = 0; r < rows; r++) {
            tleg_prefetch(in + r * in_stride + c, rows * in_stride);
            _mm512_mask_storeu_ps(out + r * wide + c, to,
                                  _mm512_mul_ps(_mm512_maskz_loadu_ps(from, in + r * in_stride + c), factor));
        }
    }
}

TLEG_AVX512 void tleg_avx512_sum_rows(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float *out) {
    int64_t c = 0;
    for (; c + 16 * WAYS <= cols; c += 16 * WAYS) {
        __m512 sum[WAYS];
        for (int w = 0; w < WAYS; w++)
            sum[w] = _mm512_setzero_ps();
        for (int64_t r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int w = 0; w < WAYS; w++)
                sum[w] = _mm512_add_ps(sum[w], _mm512_loadu_ps(in + r * in_stride + c + 16 * w));
        for (int w = 0; w < WAYS; w++)
            _mm512_storeu_ps(out + c + 16 * w, sum[w]);
    }
    for (; c < cols; c += 16) {
        __mmask16 lanes = tleg_avx512_lanes(cols - c);
        __m512 sum = _mm512_setzero_ps();
        for (int64_t r = 0; r < rows; r++)
            sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(lanes, in + r * in_stride + c));
        _mm512_mask_storeu_ps(out + c, lanes, sum);
    }
}

TLEG_AVX512 void tleg_avx512_accumulate(int64_t rows, int64_t cols, const float *t, int64_t t_stride, float c, float *to,
                                        int64_t stride) {
    __m512 factor = _mm512_set1_ps(c);
    for (int64_t r = 0; r < rows; r++, t += t_stride, to += stride)
        for (int64_t j = 0; j < cols; j += 16) {
            __mmask16 lanes = tleg_avx512_lanes(cols - j);
            __m512 sum = _mm512_fmadd_ps(factor, _mm512_maskz_loadu_ps(lanes, t + j), _mm512_maskz_loadu_ps(lanes, to + j));
            _mm512_mask_storeu_ps(to + j, lanes, sum);
        }
}

/* ---- expansion: multiply, round, add, round, convert; see expand.c ---- */

/* Rounded to nearest, ties to even, as tleg_bf16_from_f32. */
TLEG_AVX512_INLINE __m256i bf16_of(__m512 x) {
    __m512i bits = _mm512_castps_si512(x), high = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF))), 16);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, nan, high, _mm512_set1_epi32(0x40)));
}

/* The layer's elements [i, i + 16), of which `lanes` are there. */
TLEG_AVX512_INLINE __m512 formed(const float *base, const float *ilayer, __m512 c, size_t i, __mmask16 lanes) {
    __m512 y = _mm512_maskz_loadu_ps(lanes, base + i);
    return ilayer ? _mm512_add_ps(y, _mm512_mul_ps(c, _mm512_maskz_loadu_ps(lanes, ilayer + i))) : y;
}

TLEG_AVX512_INLINE __m256i half_of(__m512 y, int32_t dtype) {
    return dtype == TLEG_F16 ? _mm512_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC) : bf16_of(y);
}

/* Stores past the caches are of whole aligned lines. How many elements it made. */
TLEG_AVX512_INLINE size_t stream_lines(const float *base, const float *ilayer, __m512 c, size_t count, int32_t dtype,
                                       void *out) {
    size_t i = 0;
    if ((uintptr_t)out % 64 != 0)
        return 0;
    if (dtype == TLEG_F32) {
        for (; i + 16 <= count; i += 16)
            _mm512_stream_ps((float *)out + i, formed(base, ilayer, c, i, 0xFFFF));
        return i;
    }
    for (; i + 32 <= count; i += 32) {
        __m256i low = half_of(formed(base, ilayer, c, i, 0xFFFF), dtype);
        __m256i high = half_of(formed(base, ilayer, c, i + 16, 0xFFFF), dtype);
        _mm512_stream_si512((__m512i *)(void *)((uint16_t *)out + i), _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
    }
    return i;
}

TLEG_AVX512_INLINE void expand_part(const float *base, const float *ilayer, __m512 c, int32_t dtype, size_t i, __mmask16 lanes,
                                    void *out) {
    __m512 y = formed(base, ilayer, c, i, lanes);
    if (dtype == TLEG_F32)
        _mm512_mask_storeu_ps((float *)out + i, lanes, y);
    else
        _mm256_mask_storeu_epi16((uint16_t *)out + i, lanes, half_of(y, dtype));
}

TLEG_AVX512_INLINE void expand_as(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, bool stream,
                                  void *out) {
    __m512 factor = _mm512_set1_ps(c);
    size_t i = 0;
    if (stream) /* two loops, neither of which asks each time whether there is an ilayer */
        i = ilayer ? stream_lines(base, ilayer, factor, count, dtype, out)
                   : stream_lines(base, NULL, factor, count, dtype, out);
    for (; i + 16 <= count; i += 16)
        expand_part(base, ilayer, factor, dtype, i, 0xFFFF, out);
    if (i < count)
        expand_part(base, ilayer, factor, dtype, i, tleg_avx512_lanes((int64_t)(count - i)), out);
}

TLEG_AVX512 void tleg_avx512_expand(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, void *out) {
    if (dtype == TLEG_F32)
        expand_as(base, ilayer, c, count, TLEG_F32, false, out);
    else if (dtype == TLEG_F16)
        expand_as(base, ilayer, c, count, TLEG_F16, false, out);
    else
        expand_as(base, ilayer, c, count, TLEG_BF16, false, out);
}

TLEG_AVX512 void tleg_avx512_stream(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, void *out) {
    if (dtype == TLEG_F32)
        expand_as(base, ilayer, c, count, TLEG_F32, true, out);
    else if (dtype == TLEG_F16)
        expand_as(base, ilayer, c, count, TLEG_F16, true, out);
    else
        expand_as(base, ilayer, c, count, TLEG_BF16, true, out);
}

TLEG_AVX512_INLINE void widen_part(int32_t dtype, const uint16_t *in, size_t i, __mmask16 lanes, float *out) {
    __m256i bits = _mm256_maskz_loadu_epi16(lanes, in + i);
    __m512 y =
        dtype == TLEG_F16 ? _mm512_cvtph_ps(bits) : _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
    _mm512_mask_storeu_ps(out + i, lanes, y);
}

TLEG_AVX512 void tleg_avx512_widen(int32_t dtype, const void *in, size_t count, float *out) {
    if (dtype == TLEG_F32) {
        tleg_portable_widen(dtype, in, count, out);
        return;
    }
    for (size_t i = 0; i < count; i += 16) {
        __mmask16 lanes = tleg_avx512_lanes((int64_t)(count - i));
        if (dtype == TLEG_F16)
            widen_part(TLEG_F16, in, i, lanes, out);
        else
            widen_part(TLEG_BF16, in, i, lanes, out);
    }
}

#endif
