/* The AVX2 register tile: 6 x 16 sums in 12 of the 16 registers, two loads of b and one broadcast of a at a time. */
#if defined(__x86_64__)
#include "kernels/x86/avx2.h"

enum { MR = TLEG_AVX2_MR, NR = TLEG_AVX2_NR, AHEAD_K = TLEG_AVX2_AHEAD_K };

/* The rest of the epilogue for a tile with GELU or with columns left over: out of line, one copy. */
TLEG_AVX2 static __attribute__((noinline)) void store_rest(const struct tleg_tile *tile, float sum[MR][NR]) {
    for (int32_t r = 0; r < tile->rows; r++)
        for (int32_t j = 0; j < tile->cols; j += 8) {
            __m256i lanes = tleg_avx2_lanes(tile->cols - j);
            __m256 y = _mm256_load_ps(sum[r] + j);
            if (tile->gelu)
                y = tleg_avx2_gelu_of(y);
            if (tile->residual)
                y = _mm256_add_ps(_mm256_maskload_ps(tile->residual + r * tile->residual_stride + j, lanes), y);
            _mm256_maskstore_ps(tile->out + r * tile->out_stride + j, lanes, y);
        }
}

/* One step of k. */
TLEG_AVX2_INLINE void add_products(__m256 sum[MR][2], const float *a, const float *b, const int rows, const int vectors) {
    __m256 b0 = _mm256_loadu_ps(b), b1 = b0;
    if (vectors == 2)
        b1 = _mm256_loadu_ps(b + 8);
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
        __m256 x = _mm256_broadcast_ss(a + r);
        sum[r][0] = _mm256_fmadd_ps(x, b0, sum[r][0]);
        if (vectors == 2)
            sum[r][1] = _mm256_fmadd_ps(x, b1, sum[r][1]);
    }
}

TLEG_AVX2_INLINE void run(const struct tleg_tile *tile, const int rows, const int vectors) {
    __m256 sum[MR][2];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[r][v] = _mm256_setzero_ps();
    const float *a = tile->a, *b = tile->b;
    const int64_t step = tile->a_step;
    const char *ahead = tile->ahead ? tile->ahead : (const char *)b;
    const int64_t line = tile->ahead ? 64 : 0;
    int64_t i = tile->k;
    for (; i >= AHEAD_K; i -= AHEAD_K, ahead += line) {
        _mm_prefetch(ahead, _MM_HINT_T1);
#pragma GCC unroll 4
        for (int u = 0; u < AHEAD_K; u++, a += step, b += NR)
            add_products(sum, a, b, rows, vectors);
    }
    for (; i > 0; i--, a += step, b += NR)
        add_products(sum, a, b, rows, vectors);
    const bool direct = tile->cols == 8 * vectors && !tile->gelu;
    _Alignas(32) float local[MR][NR];
    __m256 bias[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    if (tile->bias)
        for (int v = 0; v < vectors; v++)
            bias[v] = _mm256_maskload_ps(tile->bias + 8 * v, tleg_avx2_lanes(tile->cols - 8 * v));
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
        __m256 scale = _mm256_set1_ps(tile->scale ? tile->scale[r] : 1.0F);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            __m256 y = _mm256_fmadd_ps(sum[r][v], scale, bias[v]);
            if (!direct) {
                _mm256_store_ps(local[r] + 8 * v, y);
                continue;
            }
            if (tile->residual)
                y = _mm256_add_ps(_mm256_loadu_ps(tile->residual + r * tile->residual_stride + 8 * v), y);
            _mm256_storeu_ps(tile->out + r * tile->out_stride + 8 * v, y);
        }
    }
    if (!direct)
        store_rest(tile, local);
}

#define ROWS(n)                                                                                                                \
    TLEG_AVX2 static void wide_##n(const struct tleg_tile *tile) {                                                             \
        run(tile, n, 2);                                                                                                       \
    }                                                                                                                          \
    TLEG_AVX2 static void narrow_##n(const struct tleg_tile *tile) {                                                           \
        run(tile, n, 1);                                                                                                       \
    }
ROWS(1)
ROWS(2)
ROWS(3)
ROWS(4)
ROWS(5)
ROWS(6)

void tleg_avx2_tile(const struct tleg_tile *tile) {
    static void (*const wide[])(const struct tleg_tile *) = {wide_1, wide_2, wide_3, wide_4, wide_5, wide_6};
    static void (*const narrow[])(const struct tleg_tile *) = {narrow_1, narrow_2, narrow_3, narrow_4, narrow_5, narrow_6};
    (tile->cols > 8 ? wide : narrow)[tile->rows - 1](tile);
}

#else
typedef int tleg_no_tile_avx2; /* a file with nothing in it is no C */
#endif
