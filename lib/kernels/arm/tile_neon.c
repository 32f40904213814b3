/* The NEON register tile: 8 x 12 sums in 24 of the 32 registers, with two registers of a, of which each multiply takes one
 * lane, and three of b.
 * Rows are written out by EACH_ROW and not as loops: sums then have constant places and stay in registers with any compiler. */
#include "kernels/arm/neon.h"

#if defined(__aarch64__)

enum { MR = TLEG_NEON_MR, NR = TLEG_NEON_NR, PARTS = NR / 4 };
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

/* sum + b * a[lane]. The instruction holds the lane's number, so that it must stand there as one. */
TLEG_NEON_INLINE float32x4_t add_lane(float32x4_t sum, float32x4_t b, float32x4_t a, const int lane) {
    switch (lane) {
    case 0:
        return vfmaq_laneq_f32(sum, b, a, 0);
    case 1:
        return vfmaq_laneq_f32(sum, b, a, 1);
    case 2:
        return vfmaq_laneq_f32(sum, b, a, 2);
    default:
        return vfmaq_laneq_f32(sum, b, a, 3);
    }
}

/* The rest of the epilogue for a tile with an activation, its slope, factors, or fewer columns than 12. */
TLEG_NEON_INLINE void store_rest(const struct tleg_tile *tile, float sum[MR][NR], const enum tleg_activation activation) {
    for (int32_t r = 0; r < tile->rows; r++)
        for (int32_t j = 0; j < tile->cols; j += 4) {
            int32_t left = tile->cols - j;
            float32x4_t y = vld1q_f32(sum[r] + j);
            if (!tleg_tile_hidden(tile))
                y = tleg_neon_activated(activation, y);
            if (tile->column_scale)
                y = vmulq_f32(y, tleg_neon_load_first(tile->column_scale + j, left));
            if (tile->residual)
                y = vaddq_f32(tleg_neon_load_first(tile->residual + r * tile->residual_stride + j, left), y);
            if (tleg_tile_hidden(tile)) {
                float32x4_t hidden = tleg_neon_load_first(tleg_tile_hidden(tile) + r * tile->hidden_stride + j, left);
                y = vmulq_f32(y, tleg_neon_slope(activation, hidden));
            }
            tleg_neon_store_first(tile->out + r * tile->out_stride + j, y, left);
        }
}

/* Out of line, one copy for each activation. */
#define REST(level, NAME, name)                                                                                                \
    static __attribute__((noinline)) void rest_##name(const struct tleg_tile *tile, float sum[MR][NR]) {                       \
        store_rest(tile, sum, TLEG_ACTIVATION_##NAME);                                                                         \
    }
REST(neon, NONE, none)
TLEG_EACH_ACTIVATION(REST, neon)
#define REST_ROW(level, NAME, name) [TLEG_ACTIVATION_##NAME] = rest_##name,
static void (*const rest[TLEG_ACTIVATIONS])(const struct tleg_tile *tile, float sum[MR][NR]) = {
    REST_ROW(neon, NONE, none) TLEG_EACH_ACTIVATION(REST_ROW, neon)};

/* A third of a row of a whole tile without activation and factors. */
TLEG_NEON_INLINE void store_part(const struct tleg_tile *tile, int r, int j, float32x4_t y) {
    if (tile->residual)
        y = vaddq_f32(vld1q_f32(tile->residual + r * tile->residual_stride + j), y);
    vst1q_f32(tile->out + r * tile->out_stride + j, y);
}

TLEG_NEON_INLINE float32x4_t bias_of(const struct tleg_tile *tile, int j) {
    return tile->bias ? tleg_neon_load_first(tile->bias + j, tile->cols - j) : vdupq_n_f32(0);
}

/* A tile of `rows` rows and `parts` registers of columns. A step's rows of a are the first `span` and the last `span`, which
 * overlap unless there are eight: nothing behind them is read. */
TLEG_NEON_INLINE void run(const struct tleg_tile *tile, const int rows, const int parts) {
    const int span = rows >= 4 ? 4 : rows >= 2 ? 2 : 1, last = rows - span;
    float32x4_t sum0[MR], sum1[MR], sum2[MR];
#define ZERO(r) sum0[r] = sum1[r] = sum2[r] = vdupq_n_f32(0);
    EACH_ROW(ZERO)
    const float *a = tile->a, *b = tile->b;
    const int64_t step = tile->a_step;
    const char *prefetch = tile->prefetch ? tile->prefetch : (const char *)b;
    const int64_t line = tile->prefetch ? 64 : 0;
    for (int64_t i = tile->k; i > 0; i--, a += step, b += NR, prefetch += line) {
        __builtin_prefetch(prefetch, 0, 2);
        const float32x4_t low = tleg_neon_load_first(a, span), high = tleg_neon_load_first(a + last, span);
        const float32x4_t b0 = vld1q_f32(b), b1 = parts > 1 ? vld1q_f32(b + 4) : b0, b2 = parts > 2 ? vld1q_f32(b + 8) : b0;
#define ADD(r)                                                                                                                 \
    if (r < rows) {                                                                                                            \
        const float32x4_t x = r < span ? low : high;                                                                           \
        const int lane = r < span ? r : r - last;                                                                              \
        sum0[r] = add_lane(sum0[r], b0, x, lane);                                                                              \
        if (parts > 1)                                                                                                         \
            sum1[r] = add_lane(sum1[r], b1, x, lane);                                                                          \
        if (parts > 2)                                                                                                         \
            sum2[r] = add_lane(sum2[r], b2, x, lane);                                                                          \
    }
        EACH_ROW(ADD)
    }
    const float32x4_t bias0 = bias_of(tile, 0), bias1 = bias_of(tile, 4), bias2 = bias_of(tile, 8);
#define FINISH(r)                                                                                                              \
    if (r < rows) {                                                                                                            \
        const float scale = tile->scale ? tile->scale[r] : 1.0F;                                                               \
        sum0[r] = vfmaq_n_f32(bias0, sum0[r], scale);                                                                          \
        sum1[r] = vfmaq_n_f32(bias1, sum1[r], scale);                                                                          \
        sum2[r] = vfmaq_n_f32(bias2, sum2[r], scale);                                                                          \
    }
    EACH_ROW(FINISH)
    if (parts < PARTS || tile->activation != TLEG_ACTIVATION_NONE || tile->column_scale || tile->cols != NR) {
        float kept[MR][NR];
#define KEEP(r)                                                                                                                \
    if (r < rows) {                                                                                                            \
        vst1q_f32(kept[r], sum0[r]);                                                                                           \
        vst1q_f32(kept[r] + 4, sum1[r]);                                                                                       \
        vst1q_f32(kept[r] + 8, sum2[r]);                                                                                       \
    }
        EACH_ROW(KEEP)
        rest[tile->activation](tile, kept);
        return;
    }
#define STORE(r)                                                                                                               \
    if (r < rows) {                                                                                                            \
        store_part(tile, r, 0, sum0[r]);                                                                                       \
        store_part(tile, r, 4, sum1[r]);                                                                                       \
        store_part(tile, r, 8, sum2[r]);                                                                                       \
    }
    EACH_ROW(STORE)
}

#define TILES(rows)                                                                                                            \
    static void tile_##rows##_4(const struct tleg_tile *tile) {                                                                \
        run(tile, rows, 1);                                                                                                    \
    }                                                                                                                          \
    static void tile_##rows##_8(const struct tleg_tile *tile) {                                                                \
        run(tile, rows, 2);                                                                                                    \
    }                                                                                                                          \
    static void tile_##rows##_12(const struct tleg_tile *tile) {                                                               \
        run(tile, rows, 3);                                                                                                    \
    }
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
TILES(7)
TILES(8)

void tleg_neon_tile(const struct tleg_tile *tile) {
#define WIDTHS(rows)                                                                                                           \
    { tile_##rows##_4, tile_##rows##_8, tile_##rows##_12 }
    static void (*const tiles[MR][PARTS])(const struct tleg_tile *) = {WIDTHS(1), WIDTHS(2), WIDTHS(3), WIDTHS(4),
                                                                       WIDTHS(5), WIDTHS(6), WIDTHS(7), WIDTHS(8)};
    tiles[tile->rows - 1][(tile->cols - 1) / 4](tile);
}

#endif
