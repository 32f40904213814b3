/* The AVX-512 register tile: 14 x 32 sums in 28 of the 32 registers, two loads of b and one broadcast of a at a time.
 * Rows are written out by EACH_ROW and not as loops: sums then have constant places and stay in registers with any compiler. */
#if defined(__x86_64__)
#include "kernels/x86/avx512.h"

enum { MR = TLEG_AVX512_MR, NR = TLEG_AVX512_NR };
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13)

/* A whole tile through GELU and no further, as the MLP's first half wants it. */
TLEG_AVX512 static __attribute__((noinline)) void store_gelu_whole(const struct tleg_tile *tile, float sum[MR][NR]) {
    for (int32_t r = 0; r < tile->rows; r++) {
        float *out = tile->out + r * tile->out_stride;
        _mm512_storeu_ps(out, tleg_avx512_gelu_of(_mm512_load_ps(sum[r])));
        _mm512_storeu_ps(out + 16, tleg_avx512_gelu_of(_mm512_load_ps(sum[r] + 16)));
    }
}

/* The rest of the epilogue for a tile with GELU or its slope, out of line: one copy instead of 28 in each tile. */
TLEG_AVX512 static __attribute__((noinline)) void store_gelu(const struct tleg_tile *tile, float sum[MR][NR]) {
    for (int32_t r = 0; r < tile->rows; r++)
        for (int32_t j = 0; j < tile->cols; j += 16) {
            __mmask16 lanes = tleg_avx512_lanes(tile->cols - j);
            __m512 y = _mm512_load_ps(sum[r] + j);
            if (tile->gelu)
                y = tleg_avx512_gelu_of(y);
            if (tile->residual)
                y = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, tile->residual + r * tile->residual_stride + j), y);
            if (tile->hidden)
                y = _mm512_mul_ps(
                    y, tleg_avx512_gelu_slope(_mm512_maskz_loadu_ps(lanes, tile->hidden + r * tile->hidden_stride + j)));
            _mm512_mask_storeu_ps(tile->out + r * tile->out_stride + j, lanes, y);
        }
}

/* Half a row of a tile without GELU. */
TLEG_AVX512_INLINE void store_half(const struct tleg_tile *tile, int r, int j, __mmask16 lanes, __m512 y) {
    if (tile->residual)
        y = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, tile->residual + r * tile->residual_stride + j), y);
    _mm512_mask_storeu_ps(tile->out + r * tile->out_stride + j, lanes, y);
}

/* A tile of `rows` rows; `wide`: of more than 16 columns. */
TLEG_AVX512_INLINE void run(const struct tleg_tile *tile, const int rows, const bool wide) {
    __m512 low[MR], high[MR];
#define ZERO(r) low[r] = high[r] = _mm512_setzero_ps();
    EACH_ROW(ZERO)
    const float *a = tile->a, *b = tile->b;
    const int64_t step = tile->a_step;
    const char *ahead = tile->ahead ? tile->ahead : (const char *)b;
    const int64_t line = tile->ahead ? 64 : 0;
    for (int64_t i = tile->k; i > 0; i--, a += step, b += NR, ahead += line) {
        _mm_prefetch(ahead, _MM_HINT_T1);
        const __m512 b_low = _mm512_loadu_ps(b), b_high = wide ? _mm512_loadu_ps(b + 16) : b_low;
#define ADD(r)                                                                                                                 \
    if (r < rows) {                                                                                                            \
        const __m512 x = _mm512_set1_ps(a[r]);                                                                                 \
        low[r] = _mm512_fmadd_ps(x, b_low, low[r]);                                                                            \
        if (wide)                                                                                                              \
            high[r] = _mm512_fmadd_ps(x, b_high, high[r]);                                                                     \
    }
        EACH_ROW(ADD)
    }
    const __mmask16 low_lanes = tleg_avx512_lanes(tile->cols), high_lanes = tleg_avx512_lanes(tile->cols - 16);
    __m512 low_bias = _mm512_setzero_ps(), high_bias = low_bias;
    if (tile->bias) {
        low_bias = _mm512_maskz_loadu_ps(low_lanes, tile->bias);
        if (wide)
            high_bias = _mm512_maskz_loadu_ps(high_lanes, tile->bias + 16);
    }
#define FINISH(r)                                                                                                              \
    if (r < rows) {                                                                                                            \
        const __m512 scale = _mm512_set1_ps(tile->scale ? tile->scale[r] : 1.0F);                                              \
        low[r] = _mm512_fmadd_ps(low[r], scale, low_bias);                                                                     \
        high[r] = _mm512_fmadd_ps(high[r], scale, high_bias);                                                                  \
    }
    EACH_ROW(FINISH)
    if (tile->gelu || tile->hidden) {
        _Alignas(64) float sum[MR][NR];
#define KEEP(r)                                                                                                                \
    if (r < rows) {                                                                                                            \
        _mm512_store_ps(sum[r], low[r]);                                                                                       \
        _mm512_store_ps(sum[r] + 16, high[r]);                                                                                 \
    }
        EACH_ROW(KEEP)
        if (tile->cols == NR && !tile->residual && !tile->hidden)
            store_gelu_whole(tile, sum);
        else
            store_gelu(tile, sum);
        return;
    }
#define STORE(r)                                                                                                               \
    if (r < rows) {                                                                                                            \
        store_half(tile, r, 0, low_lanes, low[r]);                                                                             \
        if (wide)                                                                                                              \
            store_half(tile, r, 16, high_lanes, high[r]);                                                                      \
    }
    EACH_ROW(STORE)
}

#define TILES(rows)                                                                                                            \
    TLEG_AVX512 static void wide_##rows(const struct tleg_tile *tile) {                                                        \
        run(tile, rows, true);                                                                                                 \
    }                                                                                                                          \
    TLEG_AVX512 static void narrow_##rows(const struct tleg_tile *tile) {                                                      \
        run(tile, rows, false);                                                                                                \
    }
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
TILES(7)
TILES(8)
TILES(9)
TILES(10)
TILES(11)
TILES(12)
TILES(13)
TILES(14)

void tleg_avx512_tile(const struct tleg_tile *tile) {
    static void (*const wide[])(const struct tleg_tile *) = {wide_1, wide_2, wide_3,  wide_4,  wide_5,  wide_6,  wide_7,
                                                             wide_8, wide_9, wide_10, wide_11, wide_12, wide_13, wide_14};
    static void (*const narrow[])(const struct tleg_tile *) = {narrow_1,  narrow_2,  narrow_3,  narrow_4, narrow_5,
                                                               narrow_6,  narrow_7,  narrow_8,  narrow_9, narrow_10,
                                                               narrow_11, narrow_12, narrow_13, narrow_14};
    if (tile->cols > 16)
        wide[tile->rows - 1](tile);
    else
        narrow[tile->rows - 1](tile);
}

#else
typedef int tleg_no_tile_avx512; /* a file with nothing in it is no C */
#endif
