/* What the register tiles of 14 x 32 sums share: their epilogue, and their choice by size.
 * Rows are written out by EACH_ROW and not as loops: sums then have constant places and stay in registers with any compiler. */
#ifndef TLEG_LIB_KERNELS_X86_TILE_AVX512_H
#define TLEG_LIB_KERNELS_X86_TILE_AVX512_H

#include "kernels/x86/avx512.h"

#if defined(__x86_64__)
enum { MR = TLEG_AVX512_MR, NR = TLEG_AVX512_NR };
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13)

/* The whole epilogue, from sums in memory. Out of line: one copy instead of one in each tile of each file. */
void tleg_avx512_store(const struct tleg_tile *tile, float sum[][NR]);

/* The sums of a tile of `rows` rows, to memory. */
TLEG_AVX512_INLINE void keep(const int rows, __m512 low[MR], __m512 high[MR], float sum[MR][NR]) {
#define KEEP(r)                                                                                                                \
    if (r < rows) {                                                                                                            \
        _mm512_store_ps(sum[r], low[r]);                                                                                       \
        _mm512_store_ps(sum[r] + 16, high[r]);                                                                                 \
    }
    EACH_ROW(KEEP)
}

/* The epilogue of a tile of `rows` rows; `wide`: of more than 16 columns. Rows are shared out evenly among tiles, so that most
 * are wide and more than half full: the sums of those go from registers to their place. Activations and rounding hide a way
 * through memory, from where `store` takes them. */
TLEG_AVX512_INLINE void finish(const struct tleg_tile *tile, const int rows, const bool wide, __m512 low[MR], __m512 high[MR],
                               void (*store)(const struct tleg_tile *tile, float sum[][NR])) {
    if (rows <= MR / 2 || !wide || tile->activation != TLEG_ACTIVATION_NONE || tile->column_scale || tile->narrow_out) {
        _Alignas(64) float sum[MR][NR];
        keep(rows, low, high, sum);
        store(tile, sum);
        return;
    }
    const __mmask16 high_lanes = tleg_avx512_lanes(tile->cols - 16);
    __m512 low_bias = _mm512_setzero_ps(), high_bias = low_bias;
    if (tile->bias) {
        low_bias = _mm512_loadu_ps(tile->bias);
        high_bias = _mm512_maskz_loadu_ps(high_lanes, tile->bias + 16);
    }
#define FINISH(r)                                                                                                              \
    if (r < rows) {                                                                                                            \
        const __m512 scale = _mm512_set1_ps(tile->scale ? tile->scale[r] : 1.0F);                                              \
        low[r] = _mm512_fmadd_ps(low[r], scale, low_bias);                                                                     \
        high[r] = _mm512_fmadd_ps(high[r], scale, high_bias);                                                                  \
    }
    EACH_ROW(FINISH)
    if (tile->residual) {
        const float *residual = tile->residual;
        const int64_t residual_stride = tile->residual_stride;
#define JOIN(r)                                                                                                                \
    if (r < rows) {                                                                                                            \
        low[r] = _mm512_add_ps(_mm512_loadu_ps(residual + r * residual_stride), low[r]);                                       \
        high[r] = _mm512_add_ps(_mm512_maskz_loadu_ps(high_lanes, residual + r * residual_stride + 16), high[r]);              \
    }
        EACH_ROW(JOIN)
    }
    float *out = tile->out;
    const int64_t stride = tile->out_stride;
#define STORE(r)                                                                                                               \
    if (r < rows) {                                                                                                            \
        _mm512_storeu_ps(out + r * stride, low[r]);                                                                            \
        _mm512_mask_storeu_ps(out + r * stride + 16, high_lanes, high[r]);                                                     \
    }
    EACH_ROW(STORE)
}

/* `name` runs a tile by the run() of its file, compiled for each number of rows. */
#define SIZE(target, rows)                                                                                                     \
    target static void wide_##rows(const struct tleg_tile *tile) {                                                             \
        run(tile, rows, true);                                                                                                 \
    }                                                                                                                          \
    target static void narrow_##rows(const struct tleg_tile *tile) {                                                           \
        run(tile, rows, false);                                                                                                \
    }
#define TILES(target, name)                                                                                                    \
    SIZE(target, 1)                                                                                                            \
    SIZE(target, 2)                                                                                                            \
    SIZE(target, 3)                                                                                                            \
    SIZE(target, 4)                                                                                                            \
    SIZE(target, 5)                                                                                                            \
    SIZE(target, 6)                                                                                                            \
    SIZE(target, 7)                                                                                                            \
    SIZE(target, 8)                                                                                                            \
    SIZE(target, 9)                                                                                                            \
    SIZE(target, 10)                                                                                                           \
    SIZE(target, 11)                                                                                                           \
    SIZE(target, 12)                                                                                                           \
    SIZE(target, 13)                                                                                                           \
    SIZE(target, 14)                                                                                                           \
    void name(const struct tleg_tile *tile) {                                                                                  \
        static void (*const wide[])(const struct tleg_tile *) = {wide_1, wide_2, wide_3,  wide_4,  wide_5,  wide_6,  wide_7,   \
                                                                 wide_8, wide_9, wide_10, wide_11, wide_12, wide_13, wide_14}; \
        static void (*const narrow[])(const struct tleg_tile *) = {narrow_1,  narrow_2,  narrow_3,  narrow_4, narrow_5,        \
                                                                   narrow_6,  narrow_7,  narrow_8,  narrow_9, narrow_10,       \
                                                                   narrow_11, narrow_12, narrow_13, narrow_14};                \
        if (tile->cols > 16)                                                                                                   \
            wide[tile->rows - 1](tile);                                                                                        \
        else                                                                                                                   \
            narrow[tile->rows - 1](tile);                                                                                      \
    }

#endif
#endif
