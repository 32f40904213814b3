/* The portable register tile: MR x NR sums in variables that the compiler keeps in vector registers. */
#include "kernels/table.h"
#include <string.h>

enum { MR = TLEG_PORTABLE_MR, NR = TLEG_PORTABLE_NR };

/* out[j] = (residual[j] + act(scale * sum[j] + bias[j])) * gelu'(hidden[j]) for row r of the tile. */
static void store_row(const struct tleg_tile *tile, int32_t r, float sum[NR]) {
    float scale = tile->scale ? tile->scale[r] : 1.0F;
    for (int32_t j = 0; j < tile->cols; j++)
        sum[j] = sum[j] * scale + (tile->bias ? tile->bias[j] : 0.0F);
    if (tile->gelu)
        tleg_portable_gelu(NR, sum, sum);
    float *out = tile->out + r * tile->out_stride;
    const float *residual = tile->residual ? tile->residual + r * tile->residual_stride : NULL;
    for (int32_t j = 0; j < tile->cols; j++)
        sum[j] = residual ? residual[j] + sum[j] : sum[j];
    if (tile->hidden)
        tleg_portable_gelu_backward((size_t)tile->cols, tile->hidden + r * tile->hidden_stride, sum, out);
    else
        memcpy(out, sum, (size_t)tile->cols * sizeof *out);
}

void tleg_portable_tile(const struct tleg_tile *tile) {
    float sum[MR][NR] = {{0}};
    const float *a = tile->a, *b = tile->b;
    if (tile->rows == MR) {
        for (int64_t i = 0; i < tile->k; i++, a += tile->a_step, b += NR)
            for (int r = 0; r < MR; r++)
                for (int j = 0; j < NR; j++)
                    sum[r][j] += a[r] * b[j];
    } else {
        for (int64_t i = 0; i < tile->k; i++, a += tile->a_step, b += NR)
            for (int32_t r = 0; r < tile->rows; r++)
                for (int j = 0; j < NR; j++)
                    sum[r][j] += a[r] * b[j];
    }
    for (int32_t r = 0; r < tile->rows; r++)
        store_row(tile, r, sum[r]);
}
