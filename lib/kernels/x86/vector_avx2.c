/* The row-wise and element-wise operations with AVX2. */
#include "kernels/x86/avx2.h"

#if defined(__x86_64__)
#include <math.h>

enum { AHEAD = 512 }; /* floats between what is read and what is prefetched: the time of a memory access */
enum { WAYS = 4 };    /* independent chains, so that latency does not set the pace */

/* ---- softmax ---- */

TLEG_AVX2_INLINE void softmax_column(int64_t keys, float *s, float *inverse) {
    enum { NR = TLEG_AVX2_NR };
    __m256 most[WAYS], sum[WAYS];
    int64_t i = 0;
    for (int w = 0; w < WAYS; w++) {
        most[w] = _mm256_loadu_ps(s);
        sum[w] = _mm256_setzero_ps();
    }
    for (; i + WAYS <= keys; i += WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++)
            most[w] = _mm256_max_ps(_mm256_loadu_ps(s + (i + w) * NR), most[w]);
    for (; i < keys; i++)
        most[0] = _mm256_max_ps(_mm256_loadu_ps(s + i * NR), most[0]);
    __m256 top = _mm256_max_ps(_mm256_max_ps(most[0], most[1]), _mm256_max_ps(most[2], most[3]));
    for (i = 0; i + WAYS <= keys; i += WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++) {
            __m256 e = tleg_avx2_exp_low(_mm256_sub_ps(_mm256_loadu_ps(s + (i + w) * NR), top));
            _mm256_storeu_ps(s + (i + w) * NR, e);
            sum[w] = _mm256_add_ps(sum[w], e);
        }
    for (; i < keys; i++) {
        __m256 e = tleg_avx2_exp_low(_mm256_sub_ps(_mm256_loadu_ps(s + i * NR), top));
        _mm256_storeu_ps(s + i * NR, e);
        sum[0] = _mm256_add_ps(sum[0], e);
    }
    __m256 all = _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]));
    _mm256_storeu_ps(inverse, _mm256_div_ps(_mm256_set1_ps(1.0F), all));
}

TLEG_AVX2 void tleg_avx2_softmax(int64_t keys, int64_t cols, float *s, float *inverse) {
    for (int64_t j = 0; j < cols; j += 8)
        softmax_column(keys, s + j, inverse + j);
}

TLEG_AVX2_INLINE void softmax_column_backward(int64_t keys, const float *inverse, float *p, float *dp) {
    enum { NR = TLEG_AVX2_NR };
    __m256 scale = _mm256_loadu_ps(inverse), part[WAYS];
    for (int w = 0; w < WAYS; w++)
        part[w] = _mm256_setzero_ps();
    for (int64_t i = 0; i < keys; i += WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++) {
            if (i + w >= keys)
                break;
            __m256 y = _mm256_mul_ps(_mm256_loadu_ps(p + (i + w) * NR), scale);
            _mm256_storeu_ps(p + (i + w) * NR, y);
            part[w] = _mm256_fmadd_ps(y, _mm256_loadu_ps(dp + (i + w) * NR), part[w]);
        }
    __m256 mean = _mm256_add_ps(_mm256_add_ps(part[0], part[1]), _mm256_add_ps(part[2], part[3]));
    for (int64_t i = 0; i < keys; i++) {
        __m256 d = _mm256_sub_ps(_mm256_loadu_ps(dp + i * NR), mean);
        _mm256_storeu_ps(dp + i * NR, _mm256_mul_ps(d, _mm256_loadu_ps(p + i * NR)));
    }
}

TLEG_AVX2 void tleg_avx2_softmax_backward(int64_t keys, int64_t cols, const float *inverse, float *p, float *dp) {
    for (int64_t j = 0; j < cols; j += 8)
        softmax_column_backward(keys, inverse + j, p + j, dp + j);
}

/* ---- LayerNorm ---- */

/* The first `lanes` of 8; masked stores are slow on some processors. */
TLEG_AVX2_INLINE void store(float *out, __m256i lanes, bool all, __m256 y) {
    if (all)
        _mm256_storeu_ps(out, y);
    else
        _mm256_maskstore_ps(out, lanes, y);
}

TLEG_AVX2_INLINE float sum_lanes(__m256 x) {
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}

/* sum of (x - centre)^2, or of x - centre. Lanes behind the row's end stay out. */
TLEG_AVX2_INLINE float sum_of(int64_t dim, const float *x, float centre, bool squared) {
    __m256 middle = _mm256_set1_ps(centre), part[WAYS];
    for (int w = 0; w < WAYS; w++)
        part[w] = _mm256_setzero_ps();
    int64_t i = 0;
    for (; i + 8 * WAYS <= dim; i += 8 * WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++) {
            __m256 d = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8 * w), middle);
            part[w] = squared ? _mm256_fmadd_ps(d, d, part[w]) : _mm256_add_ps(part[w], d);
        }
    for (; i < dim; i += 8) {
        __m256i lanes = tleg_avx2_lanes(dim - i);
        __m256 d = _mm256_sub_ps(_mm256_maskload_ps(x + i, lanes), middle);
        d = _mm256_and_ps(d, _mm256_castsi256_ps(lanes));
        part[0] = squared ? _mm256_fmadd_ps(d, d, part[0]) : _mm256_add_ps(part[0], d);
    }
    return sum_lanes(_mm256_add_ps(_mm256_add_ps(part[0], part[1]), _mm256_add_ps(part[2], part[3])));
}

TLEG_AVX2 void tleg_avx2_layernorm(int64_t rows, int64_t dim, const float *x, int64_t stride, const float *weight,
                                   const float *bias, float eps, float *y) {
    for (int64_t r = 0; r < rows; r++, x += stride, y += dim) {
        float mean = sum_of(dim, x, 0, false) / (float)dim;
        float var = sum_of(dim, x, mean, true) / (float)dim;
        __m256 middle = _mm256_set1_ps(mean), scale = _mm256_set1_ps(1.0F / sqrtf(var + eps));
        for (int64_t i = 0; i < dim; i += 8) {
            __m256i lanes = tleg_avx2_lanes(dim - i);
            tleg_prefetch(x + i, AHEAD);
            __m256 d = _mm256_mul_ps(_mm256_sub_ps(_mm256_maskload_ps(x + i, lanes), middle), scale);
            d = _mm256_fmadd_ps(d, _mm256_maskload_ps(weight + i, lanes), _mm256_maskload_ps(bias + i, lanes));
            store(y + i, lanes, dim - i >= 8, d);
        }
    }
}

/* One row; layernorm.c has the formula. */
TLEG_AVX2_INLINE void layernorm_row_backward(const struct tleg_layernorm_backward *backward, int64_t row, float *dweight,
                                             float *dbias) {
    int64_t dim = backward->dim;
    const float *x = backward->x + row * dim, *dy = backward->dy + row * dim;
    float *dx = backward->dx + row * dim, mean = sum_of(dim, x, 0, false) / (float)dim;
    float var = sum_of(dim, x, mean, true) / (float)dim;
    __m256 middle = _mm256_set1_ps(mean), scale = _mm256_set1_ps(1.0F / sqrtf(var + backward->eps));
    __m256 sum_g = _mm256_setzero_ps(), sum_gz = _mm256_setzero_ps();
    for (int64_t i = 0; i < dim; i += 8) {
        __m256i lanes = tleg_avx2_lanes(dim - i);
        bool all = dim - i >= 8;
        tleg_prefetch(x + i, AHEAD);
        tleg_prefetch(dy + i, AHEAD);
        tleg_prefetch(dx + i, AHEAD);
        __m256 z = _mm256_mul_ps(_mm256_sub_ps(_mm256_maskload_ps(x + i, lanes), middle), scale);
        __m256 d = _mm256_maskload_ps(dy + i, lanes), g = _mm256_mul_ps(d, _mm256_maskload_ps(backward->weight + i, lanes));
        store(dweight + i, lanes, all, _mm256_fmadd_ps(d, z, _mm256_maskload_ps(dweight + i, lanes)));
        store(dbias + i, lanes, all, _mm256_add_ps(d, _mm256_maskload_ps(dbias + i, lanes)));
        sum_g = _mm256_add_ps(g, sum_g);
        sum_gz = _mm256_fmadd_ps(g, z, sum_gz);
    }
    __m256 mean_g = _mm256_set1_ps(sum_lanes(sum_g) / (float)dim), mean_gz = _mm256_set1_ps(sum_lanes(sum_gz) / (float)dim);
    for (int64_t i = 0; i < dim; i += 8) {
        __m256i lanes = tleg_avx2_lanes(dim - i);
        __m256 z = _mm256_mul_ps(_mm256_sub_ps(_mm256_maskload_ps(x + i, lanes), middle), scale);
        __m256 g = _mm256_mul_ps(_mm256_maskload_ps(dy + i, lanes), _mm256_maskload_ps(backward->weight + i, lanes));
        __m256 t = _mm256_mul_ps(_mm256_fnmadd_ps(z, mean_gz, _mm256_sub_ps(g, mean_g)), scale);
        if (backward->add)
            t = _mm256_add_ps(t, _mm256_maskload_ps(dx + i, lanes));
        store(dx + i, lanes, dim - i >= 8, t);
    }
}

TLEG_AVX2 void tleg_avx2_layernorm_backward(const struct tleg_layernorm_backward *backward, int64_t first, int64_t rows,
                                            float *sums) {
    for (int64_t r = 0; r < rows; r++)
        layernorm_row_backward(backward, first + r, sums, sums + backward->dim);
}

/* ---- activations ---- */

TLEG_AVX2_INLINE void forward(size_t count, const float *x, float *y, const enum tleg_activation activation) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        tleg_prefetch(x + i, AHEAD);
        _mm256_storeu_ps(y + i, tleg_avx2_activated(activation, _mm256_loadu_ps(x + i)));
    }
    if (i < count) {
        __m256i lanes = tleg_avx2_lanes((int64_t)(count - i));
        _mm256_maskstore_ps(y + i, lanes, tleg_avx2_activated(activation, _mm256_maskload_ps(x + i, lanes)));
    }
}

TLEG_AVX2_INLINE void backward(size_t count, const float *x, const float *dy, float *dx,
                               const enum tleg_activation activation) {
    for (size_t i = 0; i < count; i += 8) {
        __m256i lanes = tleg_avx2_lanes((int64_t)(count - i));
        tleg_prefetch(x + i, AHEAD);
        tleg_prefetch(dy + i, AHEAD);
        __m256 slope = tleg_avx2_slope(activation, _mm256_maskload_ps(x + i, lanes));
        store(dx + i, lanes, count - i >= 8, _mm256_mul_ps(_mm256_maskload_ps(dy + i, lanes), slope));
    }
}

#define ACTIVATION(level, NAME, name)                                                                                          \
    TLEG_AVX2 void tleg_##level##_##name(size_t count, const float *x, float *y) {                                             \
        forward(count, x, y, TLEG_ACTIVATION_##NAME);                                                                          \
    }                                                                                                                          \
    TLEG_AVX2 void tleg_##level##_##name##_backward(size_t count, const float *x, const float *dy, float *dx) {                \
        backward(count, x, dy, dx, TLEG_ACTIVATION_##NAME);                                                                    \
    }
TLEG_EACH_ACTIVATION(ACTIVATION, avx2)

/* ---- copies and sums of rows ---- */

/* The first `count` of 8, in pieces: what packs a tile's rows may not wait for masked stores. */
TLEG_AVX2_INLINE void store_first(float *out, __m256 y, int64_t count) {
    if (count >= 8) {
        _mm256_storeu_ps(out, y);
        return;
    }
    __m128 part = _mm256_castps256_ps128(y);
    if (count & 4) {
        _mm_storeu_ps(out, part);
        out += 4;
        part = _mm256_extractf128_ps(y, 1);
    }
    if (count & 2) {
        _mm_storel_pi((__m64 *)(void *)out, part);
        out += 2;
        part = _mm_movehl_ps(part, part);
    }
    if (count & 1)
        _mm_store_ss(out, part);
}

TLEG_AVX2 void tleg_avx2_copy(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out,
                              int64_t wide) {
    __m256 factor = _mm256_set1_ps(scale);
    for (int64_t c = 0; c < wide; c += 8) {
        __m256i from = tleg_avx2_lanes(cols - c);
        for (int64_t r = 0; r < rows; r++) {
            tleg_prefetch(in + r * in_stride + c, rows * in_stride);
            store_first(out + r * wide + c, _mm256_mul_ps(_mm256_maskload_ps(in + r * in_stride + c, from), factor), wide - c);
        }
    }
}

TLEG_AVX2 void tleg_avx2_sum_rows(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float *out) {
    int64_t c = 0;
    for (; c + 8 * WAYS <= cols; c += 8 * WAYS) {
        __m256 sum[WAYS];
        for (int w = 0; w < WAYS; w++)
            sum[w] = _mm256_setzero_ps();
        for (int64_t r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int w = 0; w < WAYS; w++)
                sum[w] = _mm256_add_ps(sum[w], _mm256_loadu_ps(in + r * in_stride + c + 8 * w));
        for (int w = 0; w < WAYS; w++)
            _mm256_storeu_ps(out + c + 8 * w, sum[w]);
    }
    for (; c < cols; c += 8) {
        __m256i lanes = tleg_avx2_lanes(cols - c);
        __m256 sum = _mm256_setzero_ps();
        for (int64_t r = 0; r < rows; r++)
            sum = _mm256_add_ps(sum, _mm256_maskload_ps(in + r * in_stride + c, lanes));
        store_first(out + c, sum, cols - c);
    }
}

TLEG_AVX2 void tleg_avx2_accumulate(int64_t rows, int64_t cols, const float *t, int64_t t_stride, float c, float *to,
                                    int64_t stride) {
    __m256 factor = _mm256_set1_ps(c);
    for (int64_t r = 0; r < rows; r++, t += t_stride, to += stride)
        for (int64_t j = 0; j < cols; j += 8) {
            __m256i lanes = tleg_avx2_lanes(cols - j);
            __m256 sum = _mm256_fmadd_ps(factor, _mm256_maskload_ps(t + j, lanes), _mm256_maskload_ps(to + j, lanes));
            store(to + j, lanes, cols - j >= 8, sum);
        }
}

/* ---- expansion: multiply, round, add, round, convert; see expand.c ---- */

/* Rounded to nearest, ties to even, as tleg_bf16_from_f32; in the low halves of the lanes. */
TLEG_AVX2_INLINE __m256i bf16_of(__m256 x) {
    __m256i bits = _mm256_castps_si256(x), high = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF))), 16);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(rounded, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
}

TLEG_AVX2_INLINE __m256 formed(const float *base, const float *ilayer, __m256 c, size_t i) {
    __m256 y = _mm256_loadu_ps(base + i);
    return ilayer ? _mm256_add_ps(y, _mm256_mul_ps(c, _mm256_loadu_ps(ilayer + i))) : y;
}

TLEG_AVX2_INLINE __m128i half_of(__m256 y, int32_t dtype) {
    if (dtype == TLEG_F16)
        return _mm256_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256i words = bf16_of(y);
    return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

/* Stores past the caches are of whole aligned registers. How many elements it made. */
TLEG_AVX2_INLINE size_t stream_lines(const float *base, const float *ilayer, __m256 c, size_t count, int32_t dtype, void *out) {
    size_t i = 0;
    if ((uintptr_t)out % 32 != 0)
        return 0;
    if (dtype == TLEG_F32) {
        for (; i + 8 <= count; i += 8)
            _mm256_stream_ps((float *)out + i, formed(base, ilayer, c, i));
        return i;
    }
    for (; i + 16 <= count; i += 16) {
        __m128i low = half_of(formed(base, ilayer, c, i), dtype), high = half_of(formed(base, ilayer, c, i + 8), dtype);
        _mm256_stream_si256((__m256i *)(void *)((uint16_t *)out + i),
                            _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1));
    }
    return i;
}

TLEG_AVX2_INLINE void expand_as(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, bool stream,
                                void *out) {
    __m256 factor = _mm256_set1_ps(c);
    size_t i = 0;
    if (stream) /* two loops, neither of which asks each time whether there is an ilayer */
        i = ilayer ? stream_lines(base, ilayer, factor, count, dtype, out)
                   : stream_lines(base, NULL, factor, count, dtype, out);
    for (; i + 8 <= count; i += 8) {
        __m256 y = formed(base, ilayer, factor, i);
        if (dtype == TLEG_F32)
            _mm256_storeu_ps((float *)out + i, y);
        else
            _mm_storeu_si128((__m128i *)(void *)((uint16_t *)out + i), half_of(y, dtype));
    }
    size_t size = dtype == TLEG_F32 ? sizeof(float) : sizeof(uint16_t);
    if (i < count)
        tleg_portable_expand(base + i, ilayer ? ilayer + i : NULL, c, count - i, dtype, (char *)out + i * size);
}

TLEG_AVX2 void tleg_avx2_expand(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, void *out) {
    if (dtype == TLEG_F32)
        expand_as(base, ilayer, c, count, TLEG_F32, false, out);
    else if (dtype == TLEG_F16)
        expand_as(base, ilayer, c, count, TLEG_F16, false, out);
    else
        expand_as(base, ilayer, c, count, TLEG_BF16, false, out);
}

TLEG_AVX2 void tleg_avx2_stream(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, void *out) {
    if (dtype == TLEG_F32)
        expand_as(base, ilayer, c, count, TLEG_F32, true, out);
    else if (dtype == TLEG_F16)
        expand_as(base, ilayer, c, count, TLEG_F16, true, out);
    else
        expand_as(base, ilayer, c, count, TLEG_BF16, true, out);
}

TLEG_AVX2 void tleg_avx2_widen(int32_t dtype, const void *in, size_t count, float *out) {
    const uint16_t *halves = in;
    size_t i = 0;
    if (dtype == TLEG_F16)
        for (; i + 8 <= count; i += 8)
            _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(halves + i))));
    else if (dtype == TLEG_BF16)
        for (; i + 8 <= count; i += 8) {
            __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(halves + i)));
            _mm256_storeu_ps(out + i, _mm256_castsi256_ps(_mm256_slli_epi32(words, 16)));
        }
    /* what is left over; F32 whole, where i is still 0 */
    tleg_portable_widen(dtype, halves + i, count - i, out + i);
}

#endif
