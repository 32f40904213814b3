/* The row-wise and element-wise operations of a level, written once: x86/vector_avx2.c, x86/vector_avx512.c and
 * arm/vector_neon.c each include this file after they have defined their level's vectors. Every level has the same sums in the
 * same order but for its width, and rounds alike; op/ has the formulas.
 *
 * What a level defines, as macros or inline functions:
 *     LEVEL                     its name, as in tleg_LEVEL_softmax
 *     KERNEL, INLINE            what goes before a function, and before one that must be inlined
 *     WIDTH, NR                 floats in a vector, and in a row of a panel
 *     UNROLL                    vectors a turn where a loop does little with each
 *     vec, v_set1(f)            a vector, and one of equal numbers; v_zero()
 *     v_load(p), v_store(p, y)  whole vectors, at any address
 *     some, v_some(count)       the first lanes of a vector: all for count >= WIDTH, none for count <= 0
 *     v_load_some(p, some)      those, zeros after them; no more is read
 *     v_store_some(p, some, y)  those; no more is written
 *     v_keep(some, x)           those, zeros after them
 *     v_add, v_sub, v_mul, v_div, v_fma(a, b, c) = a * b + c, v_fnma(a, b, c) = c - a * b, each rounded once
 *     v_max(a, b)               b where one is NaN, or NaN
 *     v_sum(x)                  the sum of the lanes
 *     v_exp_low(x)              e^x for x <= 0
 *     v_activated(activation, x), v_slope(activation, x)
 *     v_prefetch(p, offset)     prefetches what will be read so many floats after p; maybe nothing
 *     halves                    WIDTH numbers of a half type: h_load(p), h_store(p, h)
 *     h_of_f16(x), h_of_bf16(x) rounded to nearest, ties to even; NaN stays NaN
 *     v_of_f16(h), v_of_bf16(h)
 * and, where stores can go past the caches, STREAMS:
 *     v_stream(p, y)            to an address that is a multiple of the vector's size
 *     h_stream(p, low, high)    2 * WIDTH halves to such an address
 *
 * Activations stay in each level's header (avx2.h, avx512.h, neon.h), since its register tiles end with them too, and since
 * AVX-512 looks their coefficients up in registers. */
#include <math.h>

#define NAMED(level, name) tleg_##level##_##name
#define NAME_OF(level, name) NAMED(level, name)
#define NAME(name) NAME_OF(LEVEL, name)

enum { AHEAD = 512 }; /* floats between what is read and what is prefetched: the time of a memory access */
enum { WAYS = 4 };    /* independent chains, so that latency does not set the pace */

INLINE vec sum_ways(const vec part[WAYS]) {
    return v_add(v_add(part[0], part[1]), v_add(part[2], part[3]));
}

/* ---- softmax ---- */

INLINE void softmax_column(int64_t keys, float *s, float *inverse) {
    vec most[WAYS], sum[WAYS];
    int64_t i = 0;
    for (int w = 0; w < WAYS; w++) {
        most[w] = v_load(s);
        sum[w] = v_zero();
    }
    for (; i + WAYS <= keys; i += WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++)
            most[w] = v_max(v_load(s + (i + w) * NR), most[w]);
    for (; i < keys; i++)
        most[0] = v_max(v_load(s + i * NR), most[0]);
    vec top = v_max(v_max(most[0], most[1]), v_max(most[2], most[3]));
    for (i = 0; i + WAYS <= keys; i += WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++) {
            vec e = v_exp_low(v_sub(v_load(s + (i + w) * NR), top));
            v_store(s + (i + w) * NR, e);
            sum[w] = v_add(sum[w], e);
        }
    for (; i < keys; i++) {
        vec e = v_exp_low(v_sub(v_load(s + i * NR), top));
        v_store(s + i * NR, e);
        sum[0] = v_add(sum[0], e);
    }
    v_store(inverse, v_div(v_set1(1.0F), sum_ways(sum)));
}

KERNEL void NAME(softmax)(int64_t keys, int64_t cols, float *s, float *inverse) {
    for (int64_t j = 0; j < cols; j += WIDTH)
        softmax_column(keys, s + j, inverse + j);
}

INLINE void softmax_column_backward(int64_t keys, const float *inverse, float *p, float *dp) {
    vec scale = v_load(inverse), part[WAYS];
    for (int w = 0; w < WAYS; w++)
        part[w] = v_zero();
    for (int64_t i = 0; i < keys; i += WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++) {
            if (i + w >= keys)
                break;
            vec y = v_mul(v_load(p + (i + w) * NR), scale);
            v_store(p + (i + w) * NR, y);
            part[w] = v_fma(y, v_load(dp + (i + w) * NR), part[w]);
        }
    vec mean = sum_ways(part);
    for (int64_t i = 0; i < keys; i++) {
        vec d = v_sub(v_load(dp + i * NR), mean);
        v_store(dp + i * NR, v_mul(d, v_load(p + i * NR)));
    }
}

KERNEL void NAME(softmax_backward)(int64_t keys, int64_t cols, const float *inverse, float *p, float *dp) {
    for (int64_t j = 0; j < cols; j += WIDTH)
        softmax_column_backward(keys, inverse + j, p + j, dp + j);
}

/* ---- LayerNorm ---- */

/* sum of (x - centre)^2, or of x - centre. Lanes after the row's end stay out. */
INLINE float sum_of(int64_t dim, const float *x, float centre, const bool squared) {
    vec middle = v_set1(centre), part[WAYS];
    for (int w = 0; w < WAYS; w++)
        part[w] = v_zero();
    int64_t i = 0;
    for (; i + WIDTH * WAYS <= dim; i += WIDTH * WAYS)
#pragma GCC unroll 4
        for (int w = 0; w < WAYS; w++) {
            vec d = v_sub(v_load(x + i + WIDTH * w), middle);
            part[w] = squared ? v_fma(d, d, part[w]) : v_add(part[w], d);
        }
    for (; i < dim; i += WIDTH) {
        some lanes = v_some(dim - i);
        vec d = v_keep(lanes, v_sub(v_load_some(x + i, lanes), middle));
        part[0] = squared ? v_fma(d, d, part[0]) : v_add(part[0], d);
    }
    return v_sum(sum_ways(part));
}

/* What takes a row's numbers to mean 0 and variance 1. */
struct norm {
    vec mean, scale;
};

INLINE struct norm norm_of(int64_t dim, const float *x, float eps) {
    float mean = sum_of(dim, x, 0, false) / (float)dim;
    float var = sum_of(dim, x, mean, true) / (float)dim;
    return (struct norm){v_set1(mean), v_set1(1.0F / sqrtf(var + eps))};
}

INLINE vec normed(const struct norm *norm, const float *x, some lanes) {
    return v_mul(v_sub(v_load_some(x, lanes), norm->mean), norm->scale);
}

INLINE void layernorm_part(const struct norm *norm, const float *x, const float *weight, const float *bias, float *y,
                           some lanes) {
    v_store_some(y, lanes, v_fma(normed(norm, x, lanes), v_load_some(weight, lanes), v_load_some(bias, lanes)));
}

KERNEL void NAME(layernorm)(int64_t rows, int64_t dim, const float *x, int64_t stride, const float *weight, const float *bias,
                            float eps, float *y) {
    for (int64_t r = 0; r < rows; r++, x += stride, y += dim) {
        const struct norm norm = norm_of(dim, x, eps);
        int64_t i = 0;
        for (; i + WIDTH <= dim; i += WIDTH) {
            v_prefetch(x + i, AHEAD);
            layernorm_part(&norm, x + i, weight + i, bias + i, y + i, v_some(WIDTH));
        }
        if (i < dim)
            layernorm_part(&norm, x + i, weight + i, bias + i, y + i, v_some(dim % WIDTH));
    }
}

/* Of one row, what its first pass finds: the sums over g and over g * z, and the row's share of dweight and dbias. */
struct row_sums {
    vec g, gz;
    float *dweight, *dbias;
};

INLINE void sums_part(const struct norm *norm, const float *x, const float *dy, const float *weight, int64_t i, some lanes,
                      struct row_sums *sums) {
    vec z = v_keep(lanes, normed(norm, x + i, lanes)), d = v_load_some(dy + i, lanes);
    vec g = v_mul(d, v_load_some(weight + i, lanes));
    v_store_some(sums->dweight + i, lanes, v_fma(d, z, v_load_some(sums->dweight + i, lanes)));
    v_store_some(sums->dbias + i, lanes, v_add(d, v_load_some(sums->dbias + i, lanes)));
    sums->g = v_add(g, sums->g);
    sums->gz = v_fma(g, z, sums->gz);
}

/* dx of some lanes, from the means of g and of g * z. */
INLINE void dx_part(const struct norm *norm, const float *x, const float *dy, const float *weight, vec mean_g, vec mean_gz,
                    bool add, float *dx, some lanes) {
    vec z = normed(norm, x, lanes), g = v_mul(v_load_some(dy, lanes), v_load_some(weight, lanes));
    vec t = v_mul(v_fnma(z, mean_gz, v_sub(g, mean_g)), norm->scale);
    v_store_some(dx, lanes, add ? v_add(t, v_load_some(dx, lanes)) : t);
}

/* One row; op/layernorm.c has the formula. */
INLINE void layernorm_row_backward(const struct tleg_layernorm_backward *backward, int64_t row, float *dweight, float *dbias) {
    int64_t dim = backward->dim, i = 0;
    const float *x = backward->x + row * dim, *dy = backward->dy + row * dim, *weight = backward->weight;
    float *dx = backward->dx + row * dim;
    const struct norm norm = norm_of(dim, x, backward->eps);
    struct row_sums sums = {v_zero(), v_zero(), dweight, dbias};
    for (; i + WIDTH <= dim; i += WIDTH) {
        v_prefetch(x + i, AHEAD);
        v_prefetch(dy + i, AHEAD);
        v_prefetch(dx + i, AHEAD);
        sums_part(&norm, x, dy, weight, i, v_some(WIDTH), &sums);
    }
    if (i < dim)
        sums_part(&norm, x, dy, weight, i, v_some(dim % WIDTH), &sums);
    vec mean_g = v_set1(v_sum(sums.g) / (float)dim), mean_gz = v_set1(v_sum(sums.gz) / (float)dim);
    for (i = 0; i + WIDTH <= dim; i += WIDTH)
        dx_part(&norm, x + i, dy + i, weight + i, mean_g, mean_gz, backward->add, dx + i, v_some(WIDTH));
    if (i < dim)
        dx_part(&norm, x + i, dy + i, weight + i, mean_g, mean_gz, backward->add, dx + i, v_some(dim % WIDTH));
}

KERNEL void NAME(layernorm_backward)(const struct tleg_layernorm_backward *backward, int64_t first, int64_t rows, float *sums) {
    for (int64_t r = 0; r < rows; r++)
        layernorm_row_backward(backward, first + r, sums, sums + backward->dim);
}

/* ---- activations ---- */

INLINE void forward(size_t count, const float *x, float *y, const enum tleg_activation activation) {
    size_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH) {
        v_prefetch(x + i, AHEAD);
        v_store(y + i, v_activated(activation, v_load(x + i)));
    }
    if (i < count) {
        some lanes = v_some((int64_t)(count % WIDTH));
        v_store_some(y + i, lanes, v_activated(activation, v_load_some(x + i, lanes)));
    }
}

INLINE void backward_part(const float *x, const float *dy, float *dx, const enum tleg_activation activation, some lanes) {
    v_store_some(dx, lanes, v_mul(v_load_some(dy, lanes), v_slope(activation, v_load_some(x, lanes))));
}

INLINE void backward(size_t count, const float *x, const float *dy, float *dx, const enum tleg_activation activation) {
    size_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH) {
        v_prefetch(x + i, AHEAD);
        v_prefetch(dy + i, AHEAD);
        backward_part(x + i, dy + i, dx + i, activation, v_some(WIDTH));
    }
    if (i < count)
        backward_part(x + i, dy + i, dx + i, activation, v_some((int64_t)(count % WIDTH)));
}

#define ACTIVATION(level, NAME, name)                                                                                          \
    KERNEL void tleg_##level##_##name(size_t count, const float *x, float *y) {                                                \
        forward(count, x, y, TLEG_ACTIVATION_##NAME);                                                                          \
    }                                                                                                                          \
    KERNEL void tleg_##level##_##name##_backward(size_t count, const float *x, const float *dy, float *dx) {                   \
        backward(count, x, dy, dx, TLEG_ACTIVATION_##NAME);                                                                    \
    }
#define ACTIVATIONS(level) TLEG_EACH_ACTIVATION(ACTIVATION, level)
ACTIVATIONS(LEVEL)

/* ---- copies and sums of rows ---- */

KERNEL void NAME(copy)(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out, int64_t wide) {
    vec factor = v_set1(scale);
    for (int64_t c = 0; c < wide; c += WIDTH) {
        some from = v_some(cols - c), to = v_some(wide - c);
        for (int64_t r = 0; r < rows; r++) {
            v_prefetch(in + r * in_stride + c, rows * in_stride);
            v_store_some(out + r * wide + c, to, v_mul(v_load_some(in + r * in_stride + c, from), factor));
        }
    }
}

KERNEL void NAME(sum_rows)(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float *out) {
    int64_t c = 0;
    for (; c + WIDTH * WAYS <= cols; c += WIDTH * WAYS) {
        vec sum[WAYS];
        for (int w = 0; w < WAYS; w++)
            sum[w] = v_zero();
        for (int64_t r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int w = 0; w < WAYS; w++)
                sum[w] = v_add(sum[w], v_load(in + r * in_stride + c + WIDTH * w));
        for (int w = 0; w < WAYS; w++)
            v_store(out + c + WIDTH * w, sum[w]);
    }
    for (; c < cols; c += WIDTH) {
        some lanes = v_some(cols - c);
        vec sum = v_zero();
        for (int64_t r = 0; r < rows; r++)
            sum = v_add(sum, v_load_some(in + r * in_stride + c, lanes));
        v_store_some(out + c, lanes, sum);
    }
}

INLINE void accumulate_part(vec c, const float *t, float *to, some lanes) {
    v_store_some(to, lanes, v_fma(c, v_load_some(t, lanes), v_load_some(to, lanes)));
}

KERNEL void NAME(accumulate)(int64_t rows, int64_t cols, const float *t, int64_t t_stride, float c, float *to, int64_t stride) {
    vec factor = v_set1(c);
    for (int64_t r = 0; r < rows; r++, t += t_stride, to += stride) {
        int64_t j = 0;
        for (; j + WIDTH <= cols; j += WIDTH)
            accumulate_part(factor, t + j, to + j, v_some(WIDTH));
        if (j < cols)
            accumulate_part(factor, t + j, to + j, v_some(cols % WIDTH));
    }
}

/* ---- expansion: multiply, round, add, round, convert; see op/expand.c ---- */

INLINE vec formed(const float *base, const float *ilayer, vec c, size_t i) {
    vec y = v_load(base + i);
    return ilayer ? v_add(y, v_mul(c, v_load(ilayer + i))) : y;
}

INLINE halves half_of(vec y, const int32_t dtype) {
    return dtype == TLEG_F16 ? h_of_f16(y) : h_of_bf16(y);
}

#ifdef STREAMS
/* Stores past the caches are of whole aligned vectors. How many elements it made. */
INLINE size_t stream_vectors(const float *base, const float *ilayer, vec c, size_t count, const int32_t dtype, void *out) {
    size_t i = 0;
    if ((uintptr_t)out % sizeof c != 0)
        return 0;
    if (dtype == TLEG_F32) {
        for (; i + WIDTH <= count; i += WIDTH)
            v_stream((float *)out + i, formed(base, ilayer, c, i));
        return i;
    }
    for (; i + 2 * WIDTH <= count; i += 2 * WIDTH) {
        halves low = half_of(formed(base, ilayer, c, i), dtype), high = half_of(formed(base, ilayer, c, i + WIDTH), dtype);
        h_stream((uint16_t *)out + i, low, high);
    }
    return i;
}
#endif

INLINE void expand_as(const float *base, const float *ilayer, float c, size_t count, const int32_t dtype, void *out) {
    vec factor = v_set1(c);
    size_t i = 0;
#pragma GCC unroll UNROLL
    for (; i + WIDTH <= count; i += WIDTH) {
        vec y = formed(base, ilayer, factor, i);
        if (dtype == TLEG_F32)
            v_store((float *)out + i, y);
        else
            h_store((uint16_t *)out + i, half_of(y, dtype));
    }
    size_t size = dtype == TLEG_F32 ? sizeof(float) : sizeof(uint16_t);
    if (i < count)
        tleg_portable_expand(base + i, ilayer ? ilayer + i : NULL, c, count - i, dtype, (char *)out + i * size);
}

KERNEL void NAME(expand)(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, void *out) {
    if (dtype == TLEG_F32)
        expand_as(base, ilayer, c, count, TLEG_F32, out);
    else if (dtype == TLEG_F16)
        expand_as(base, ilayer, c, count, TLEG_F16, out);
    else
        expand_as(base, ilayer, c, count, TLEG_BF16, out);
}

#ifdef STREAMS
INLINE void stream_as(const float *base, const float *ilayer, float c, size_t count, const int32_t dtype, void *out) {
    /* two loops, neither of which asks each time whether there is an ilayer */
    size_t i = ilayer ? stream_vectors(base, ilayer, v_set1(c), count, dtype, out)
                      : stream_vectors(base, NULL, v_set1(c), count, dtype, out);
    if (i < count)
        NAME(expand)(base + i, ilayer ? ilayer + i : NULL, c, count - i, dtype, (char *)out + i * (dtype == TLEG_F32 ? 4 : 2));
}

KERNEL void NAME(stream)(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, void *out) {
    if (dtype == TLEG_F32)
        stream_as(base, ilayer, c, count, TLEG_F32, out);
    else if (dtype == TLEG_F16)
        stream_as(base, ilayer, c, count, TLEG_F16, out);
    else
        stream_as(base, ilayer, c, count, TLEG_BF16, out);
}
#endif

/* One pass over all tensors: their sums stay in registers. */
KERNEL void NAME(sum)(const struct tleg_basis *basis, int32_t tensors, size_t first, size_t count, float *out) {
    enum { SUMS = 8 };
    size_t i = 0;
    for (; i + SUMS * WIDTH <= count; i += SUMS * WIDTH) {
        vec sum[SUMS], c = v_set1(basis->c[0]);
        const float *from = (const float *)basis->tensor[0] + first + i;
#pragma GCC unroll 8
        for (int w = 0; w < SUMS; w++)
            sum[w] = v_mul(c, v_load(from + WIDTH * w));
        for (int32_t j = 1; j < tensors; j++) {
            from = (const float *)basis->tensor[j] + first + i;
            c = v_set1(basis->c[j]);
#pragma GCC unroll 8
            for (int w = 0; w < SUMS; w++)
                sum[w] = v_add(sum[w], v_mul(c, v_load(from + WIDTH * w)));
        }
#pragma GCC unroll 8
        for (int w = 0; w < SUMS; w++)
            v_store(out + i + WIDTH * w, sum[w]);
    }
    if (i < count)
        tleg_portable_sum(basis, tensors, first + i, count - i, out + i);
}

KERNEL void NAME(widen)(int32_t dtype, const void *in, size_t count, float *out) {
    const uint16_t *from = in;
    size_t i = 0;
    if (dtype == TLEG_F16)
        for (; i + WIDTH <= count; i += WIDTH)
            v_store(out + i, v_of_f16(h_load(from + i)));
    else if (dtype == TLEG_BF16)
        for (; i + WIDTH <= count; i += WIDTH)
            v_store(out + i, v_of_bf16(h_load(from + i)));
    /* what is left over; F32 whole, where i is still 0 */
    tleg_portable_widen(dtype, from + i, count - i, out + i);
}
