/* The AVX-512 register tile: 14 x 32 sums in 28 of the 32 registers, two loads of b and one broadcast of a at a time. */
#if defined(__x86_64__)
#include "kernels/x86/avx512.h"

enum { MR = TLEG_AVX512_MR, NR = TLEG_AVX512_NR, AHEAD_K = TLEG_AVX512_AHEAD_K };

/* The epilogue with GELU, out of line: one copy instead of 28 in each tile. */
TLEG_AVX512 static __attribute__((noinline)) void store_gelu(const struct tleg_tile *tile, float sum[MR][NR]) {
    for (int32_t r = 0; r < tile->rows; r++)
        for (int32_t j = 0; j < tile->cols; j += 16) {
            __mmask16 lanes = tleg_avx512_lanes(tile->cols - j);
            __m512 y = tleg_avx512_gelu_of(_mm512_load_ps(sum[r] + j));
            if (tile->residual)
                y = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, tile->residual + r * tile->residual_stride + j), y);
            _mm512_mask_storeu_ps(tile->out + r * tile->out_stride + j, lanes, y);
        }
}

/* One step of k. */
TLEG_AVX512_INLINE void add_products(__m512 sum[MR][2], const float *a, const float *b, const int rows, const int vectors) {
    __m512 b0 = _mm512_loadu_ps(b), b1 = b0;
    if (vectors == 2)
        b1 = _mm512_loadu_ps(b + 16);
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        __m512 x = _mm512_set1_ps(a[r]);
        sum[r][0] = _mm512_fmadd_ps(x, b0, sum[r][0]);
        if (vectors == 2)
            sum[r][1] = _mm512_fmadd_ps(x, b1, sum[r][1]);
    }
}

TLEG_AVX512_INLINE void run(const struct tleg_tile *tile, const int rows, const int vectors) {
    __m512 sum[MR][2];
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[r][v] = _mm512_setzero_ps();
    const float *a = tile->a, *b = tile->b;
    const int64_t step = tile->a_step;
    const char *ahead = tile->ahead ? tile->ahead : (const char *)b;
    const int64_t line = tile->ahead ? 64 : 0;
    int64_t i = tile->k;
    for (; i >= AHEAD_K; i -= AHEAD_K, ahead += line) {
        _mm_prefetch(ahead, _MM_HINT_T1);
#pragma GCC unroll 2
        for (int u = 0; u < AHEAD_K; u++, a += step, b += NR)
            add_products(sum, a, b, rows, vectors);
    }
    for (; i > 0; i--, a += step, b += NR)
        add_products(sum, a, b, rows, vectors);
    __m512 bias[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    __mmask16 lanes[2] = {tleg_avx512_lanes(tile->cols), tleg_avx512_lanes(tile->cols - 16)};
    if (tile->bias)
        for (int v = 0; v < vectors; v++)
            bias[v] = _mm512_maskz_loadu_ps(lanes[v], tile->bias + 16 * v);
    _Alignas(64) float local[MR][NR];
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        __m512 scale = _mm512_set1_ps(tile->scale ? tile->scale[r] : 1.0F);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            __m512 y = _mm512_fmadd_ps(sum[r][v], scale, bias[v]);
            if (tile->gelu) {
                _mm512_store_ps(local[r] + 16 * v, y);
                continue;
            }
            if (tile->residual)
                y = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes[v], tile->residual + r * tile->residual_stride + 16 * v), y);
            _mm512_mask_storeu_ps(tile->out + r * tile->out_stride + 16 * v, lanes[v], y);
        }
    }
    if (tile->gelu)
        store_gelu(tile, local);
}

#define ROWS(n)                                                                                                                \
    TLEG_AVX512 static void wide_##n(const struct tleg_tile *tile) {                                                           \
        run(tile, n, 2);                                                                                                       \
    }                                                                                                                          \
    TLEG_AVX512 static void narrow_##n(const struct tleg_tile *tile) {                                                         \
        run(tile, n, 1);                                                                                                       \
    }
ROWS(1)
ROWS(2)
ROWS(3)
ROWS(4)
ROWS(5)
ROWS(6)
ROWS(7)
ROWS(8)
ROWS(9)
ROWS(10)
ROWS(11)
ROWS(12)
ROWS(13)
ROWS(14)

void tleg_avx512_tile(const struct tleg_tile *tile) {
    static void (*const wide[])(const struct tleg_tile *) = {wide_1, wide_2, wide_3,  wide_4,  wide_5,  wide_6,  wide_7,
                                                             wide_8, wide_9, wide_10, wide_11, wide_12, wide_13, wide_14};
    static void (*const narrow[])(const struct tleg_tile *) = {narrow_1,  narrow_2,  narrow_3,  narrow_4, narrow_5,
                                                               narrow_6,  narrow_7,  narrow_8,  narrow_9, narrow_10,
                                                               narrow_11, narrow_12, narrow_13, narrow_14};
    (tile->cols > 16 ? wide : narrow)[tile->rows - 1](tile);
}

#else
typedef int tleg_no_tile_avx512; /* a file with nothing in it is no C */
#endif
