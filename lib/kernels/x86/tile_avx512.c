/* The AVX-512 register tile: 14 x 32 sums in 28 of the 32 registers, two loads of b and one broadcast of a at a time. */
#include "kernels/x86/tile_avx512.h"

#if defined(__x86_64__)

/* A whole tile through an activation and no further, as the MLP's first half wants it. */
TLEG_AVX512_INLINE void store_whole(const struct tleg_tile *tile, float sum[][NR], const enum tleg_activation activation) {
    for (int32_t r = 0; r < tile->rows; r++)
        for (int32_t j = 0; j < NR; j += 16) {
            __m512 bias = tile->bias ? _mm512_loadu_ps(tile->bias + j) : _mm512_setzero_ps();
            __m512 y = _mm512_add_ps(_mm512_load_ps(sum[r] + j), bias);
            _mm512_storeu_ps(tile->out + r * tile->out_stride + j, tleg_avx512_activated(activation, y));
        }
}

/* The whole epilogue, lane by lane. */
TLEG_AVX512_INLINE void store_any(const struct tleg_tile *tile, float sum[][NR], const enum tleg_activation activation) {
    for (int32_t r = 0; r < tile->rows; r++)
        for (int32_t j = 0; j < tile->cols; j += 16) {
            __mmask16 lanes = tleg_avx512_lanes(tile->cols - j);
            __m512 bias = tile->bias ? _mm512_maskz_loadu_ps(lanes, tile->bias + j) : _mm512_setzero_ps();
            __m512 y = _mm512_fmadd_ps(_mm512_load_ps(sum[r] + j), _mm512_set1_ps(tile->scale ? tile->scale[r] : 1.0F), bias);
            if (!tleg_tile_hidden(tile))
                y = tleg_avx512_activated(activation, y);
            if (tile->column_scale)
                y = _mm512_mul_ps(y, _mm512_maskz_loadu_ps(lanes, tile->column_scale + j));
            if (tile->residual)
                y = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, tile->residual + r * tile->residual_stride + j), y);
            if (tleg_tile_hidden(tile)) {
                __m512 hidden = _mm512_maskz_loadu_ps(lanes, tleg_tile_hidden(tile) + r * tile->hidden_stride + j);
                y = _mm512_mul_ps(y, tleg_avx512_slope(activation, hidden));
            }
            _mm512_mask_storeu_ps(tile->out + r * tile->out_stride + j, lanes, y);
        }
}

/* One copy for each activation. */
#define STORES(level, NAME, name)                                                                                              \
    TLEG_AVX512 static void store_##name(const struct tleg_tile *tile, float sum[][NR]) {                                      \
        if (TLEG_ACTIVATION_##NAME != TLEG_ACTIVATION_NONE && tile->cols == NR && !tile->scale && !tile->column_scale &&       \
            !tile->residual && !tleg_tile_hidden(tile))                                                                        \
            store_whole(tile, sum, TLEG_ACTIVATION_##NAME);                                                                    \
        else                                                                                                                   \
            store_any(tile, sum, TLEG_ACTIVATION_##NAME);                                                                      \
    }
STORES(avx512, NONE, none)
TLEG_EACH_ACTIVATION(STORES, avx512)

TLEG_AVX512 void tleg_avx512_store(const struct tleg_tile *tile, float sum[][NR]) {
#define STORES_ROW(level, NAME, name) [TLEG_ACTIVATION_##NAME] = store_##name,
    static void (*const stores[TLEG_ACTIVATIONS])(const struct tleg_tile *tile, float sum[][NR]) = {
        STORES_ROW(avx512, NONE, none) TLEG_EACH_ACTIVATION(STORES_ROW, avx512)};
    stores[tile->activation](tile, sum);
}

/* A tile of `rows` rows; `wide`: of more than 16 columns. */
TLEG_AVX512_INLINE void run(const struct tleg_tile *tile, const int rows, const bool wide) {
    __m512 low[MR], high[MR];
#define ZERO(r) low[r] = high[r] = _mm512_setzero_ps();
    EACH_ROW(ZERO)
    const float *a = tile->a, *b = tile->b;
    const int64_t step = tile->a_step;
    const char *prefetch = tile->prefetch ? tile->prefetch : (const char *)b;
    const int64_t line = tile->prefetch ? 64 : 0;
    for (int64_t i = tile->k; i > 0; i--, a += step, b += NR, prefetch += line) {
        _mm_prefetch(prefetch, _MM_HINT_T1);
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
    finish(tile, rows, wide, low, high, tleg_avx512_store);
}

TILES(TLEG_AVX512, tleg_avx512_tile)

#endif
