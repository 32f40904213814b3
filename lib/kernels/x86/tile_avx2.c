/* The AVX2 register tile: 6 x 16 sums in 12 of the 16 registers, two loads of b and one broadcast of a at a time.
 * Rows are written out by EACH_ROW and not as loops: sums then have constant places and stay in registers with any compiler. */
#include "kernels/x86/avx2.h"

#if defined(__x86_64__)

enum { MR = TLEG_AVX2_MR, NR = TLEG_AVX2_NR };
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)

/* The rest of the epilogue for a tile with an activation, its slope, factors, or columns left over. `alone`: the activation
 * alone. */
TLEG_AVX2_INLINE void store_rest(const struct tleg_tile *tile, float sum[MR][NR], const enum tleg_activation activation,
                                 const bool alone) {
    for (int32_t r = 0; r < tile->rows; r++)
        for (int32_t j = 0; j < tile->cols; j += 8) {
            __m256i lanes = tleg_avx2_lanes(tile->cols - j);
            __m256 y = _mm256_load_ps(sum[r] + j);
            if (alone || !tleg_tile_hidden(tile))
                y = tleg_avx2_activated(activation, y);
            if (!alone && tile->column_scale)
                y = _mm256_mul_ps(y, _mm256_maskload_ps(tile->column_scale + j, lanes));
            if (!alone && tile->residual)
                y = _mm256_add_ps(_mm256_maskload_ps(tile->residual + r * tile->residual_stride + j, lanes), y);
            if (!alone && tleg_tile_hidden(tile)) {
                __m256 hidden = _mm256_maskload_ps(tleg_tile_hidden(tile) + r * tile->hidden_stride + j, lanes);
                y = _mm256_mul_ps(y, tleg_avx2_slope(activation, hidden));
            }
            _mm256_maskstore_ps(tile->out + r * tile->out_stride + j, lanes, y);
        }
}

/* Out of line, one copy for each activation. */
#define REST(level, NAME, name)                                                                                                \
    TLEG_AVX2 static __attribute__((noinline)) void rest_##name(const struct tleg_tile *tile, float sum[MR][NR]) {             \
        if (!tile->column_scale && !tile->residual && !tleg_tile_hidden(tile))                                                 \
            store_rest(tile, sum, TLEG_ACTIVATION_##NAME, true);                                                               \
        else                                                                                                                   \
            store_rest(tile, sum, TLEG_ACTIVATION_##NAME, false);                                                              \
    }
REST(avx2, NONE, none)
TLEG_EACH_ACTIVATION(REST, avx2)
#define REST_ROW(level, NAME, name) [TLEG_ACTIVATION_##NAME] = rest_##name,
static void (*const rest[TLEG_ACTIVATIONS])(const struct tleg_tile *tile, float sum[MR][NR]) = {
    REST_ROW(avx2, NONE, none) TLEG_EACH_ACTIVATION(REST_ROW, avx2)};

/* Half a row of a whole tile without activation and factors. */
TLEG_AVX2_INLINE void store_half(const struct tleg_tile *tile, int r, int j, __m256 y) {
    if (tile->residual)
        y = _mm256_add_ps(_mm256_loadu_ps(tile->residual + r * tile->residual_stride + j), y);
    _mm256_storeu_ps(tile->out + r * tile->out_stride + j, y);
}

/* A tile of `rows` rows; `wide`: of more than 8 columns. */
TLEG_AVX2_INLINE void run(const struct tleg_tile *tile, const int rows, const bool wide) {
    __m256 low[MR], high[MR];
#define ZERO(r) low[r] = high[r] = _mm256_setzero_ps();
    EACH_ROW(ZERO)
    const float *a = tile->a, *b = tile->b;
    const int64_t step = tile->a_step;
    const char *prefetch = tile->prefetch ? tile->prefetch : (const char *)b;
    const int64_t line = tile->prefetch ? 64 : 0;
    for (int64_t i = tile->k; i > 0; i--, a += step, b += NR, prefetch += line) {
        _mm_prefetch(prefetch, _MM_HINT_T1);
        const __m256 b_low = _mm256_loadu_ps(b), b_high = wide ? _mm256_loadu_ps(b + 8) : b_low;
#define ADD(r)                                                                                                                 \
    if (r < rows) {                                                                                                            \
        const __m256 x = _mm256_broadcast_ss(a + r);                                                                           \
        low[r] = _mm256_fmadd_ps(x, b_low, low[r]);                                                                            \
        if (wide)                                                                                                              \
            high[r] = _mm256_fmadd_ps(x, b_high, high[r]);                                                                     \
    }
        EACH_ROW(ADD)
    }
    __m256 low_bias = _mm256_setzero_ps(), high_bias = low_bias;
    if (tile->bias) {
        low_bias = _mm256_maskload_ps(tile->bias, tleg_avx2_lanes(tile->cols));
        if (wide)
            high_bias = _mm256_maskload_ps(tile->bias + 8, tleg_avx2_lanes(tile->cols - 8));
    }
#define FINISH(r)                                                                                                              \
    if (r < rows) {                                                                                                            \
        const __m256 scale = _mm256_set1_ps(tile->scale ? tile->scale[r] : 1.0F);                                              \
        low[r] = _mm256_fmadd_ps(low[r], scale, low_bias);                                                                     \
        high[r] = _mm256_fmadd_ps(high[r], scale, high_bias);                                                                  \
    }
    EACH_ROW(FINISH)
    if (tile->activation != TLEG_ACTIVATION_NONE || tile->column_scale || tile->cols != (wide ? 16 : 8)) {
        _Alignas(32) float sum[MR][NR];
#define KEEP(r)                                                                                                                \
    if (r < rows) {                                                                                                            \
        _mm256_store_ps(sum[r], low[r]);                                                                                       \
        _mm256_store_ps(sum[r] + 8, high[r]);                                                                                  \
    }
        EACH_ROW(KEEP)
        rest[tile->activation](tile, sum);
        return;
    }
#define STORE(r)                                                                                                               \
    if (r < rows) {                                                                                                            \
        store_half(tile, r, 0, low[r]);                                                                                        \
        if (wide)                                                                                                              \
            store_half(tile, r, 8, high[r]);                                                                                   \
    }
    EACH_ROW(STORE)
}

#define TILES(rows)                                                                                                            \
    TLEG_AVX2 static void wide_##rows(const struct tleg_tile *tile) {                                                          \
        run(tile, rows, true);                                                                                                 \
    }                                                                                                                          \
    TLEG_AVX2 static void narrow_##rows(const struct tleg_tile *tile) {                                                        \
        run(tile, rows, false);                                                                                                \
    }
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)

void tleg_avx2_tile(const struct tleg_tile *tile) {
    static void (*const wide[])(const struct tleg_tile *) = {wide_1, wide_2, wide_3, wide_4, wide_5, wide_6};
    static void (*const narrow[])(const struct tleg_tile *) = {narrow_1, narrow_2, narrow_3, narrow_4, narrow_5, narrow_6};
    (tile->cols > 8 ? wide : narrow)[tile->rows - 1](tile);
}

#endif
