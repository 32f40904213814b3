/* The portable register tile: 4 x 8 sums. Multiply, round, add, round: the same bits on every machine. */
#include "kernels/op/four.h"
#include "kernels/table.h"

enum { MR = TLEG_PORTABLE_MR, NR = TLEG_PORTABLE_NR };
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3)

static const struct tleg_activate activate[TLEG_ACTIVATIONS] = {TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_ROW, portable)};

/* Row r of the tile: out[j] = residual[j] + column_scale[j] * act(scale * sum[j] + bias[j]), or what hidden asks for. */
static void store_row(const struct tleg_tile *tile, int32_t r, float sum[NR]) {
    float scale = tile->scale ? tile->scale[r] : 1.0F;
    for (int32_t j = 0; j < tile->cols; j++)
        sum[j] = sum[j] * scale + (tile->bias ? tile->bias[j] : 0.0F);
    if (tile->activation != TLEG_ACTIVATION_NONE && !tleg_tile_hidden(tile))
        activate[tile->activation].forward(NR, sum, sum);
    for (int32_t j = 0; tile->column_scale && j < tile->cols; j++)
        sum[j] *= tile->column_scale[j];
    float *out = tile->out + r * tile->out_stride;
    const float *residual = tile->residual ? tile->residual + r * tile->residual_stride : NULL;
    for (int32_t j = 0; j < tile->cols; j++)
        sum[j] = residual ? residual[j] + sum[j] : sum[j];
    if (tleg_tile_hidden(tile))
        activate[tile->activation].backward((size_t)tile->cols, tleg_tile_hidden(tile) + r * tile->hidden_stride, sum, out);
    else
        memcpy(out, sum, (size_t)tile->cols * sizeof *out);
}

static inline __attribute__((always_inline)) void run(const struct tleg_tile *tile, const int rows) {
    four low[MR] = {{0}}, high[MR] = {{0}};
    const float *a = tile->a, *b = tile->b;
    const int64_t step = tile->a_step;
    for (int64_t i = tile->k; i > 0; i--, a += step, b += NR) {
        const four b_low = four_load(b), b_high = four_load(b + 4);
#define ADD(r)                                                                                                                 \
    if (r < rows) {                                                                                                            \
        low[r] += a[r] * b_low;                                                                                                \
        high[r] += a[r] * b_high;                                                                                              \
    }
        EACH_ROW(ADD)
    }
    float sum[MR][NR];
#define KEEP(r)                                                                                                                \
    if (r < rows) {                                                                                                            \
        four_store(sum[r], low[r]);                                                                                            \
        four_store(sum[r] + 4, high[r]);                                                                                       \
    }
    EACH_ROW(KEEP)
    for (int32_t r = 0; r < rows; r++)
        store_row(tile, r, sum[r]);
}

static void tile_1(const struct tleg_tile *tile) {
    run(tile, 1);
}
static void tile_2(const struct tleg_tile *tile) {
    run(tile, 2);
}
static void tile_3(const struct tleg_tile *tile) {
    run(tile, 3);
}
static void tile_4(const struct tleg_tile *tile) {
    run(tile, 4);
}

void tleg_portable_tile(const struct tleg_tile *tile) {
    static void (*const tiles[])(const struct tleg_tile *) = {tile_1, tile_2, tile_3, tile_4};
    tiles[tile->rows - 1](tile);
}
