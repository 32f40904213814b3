/* The tile of pairs by AMX: 32 x 32 sums in four tile registers of 16 x 16, two of a's rows and two of b's columns beside them.
 * Written after Intel's manual (volume 2, TDPBF16PS; volume 1, chapter 18): a register of a is up to 16 rows of 16 pairs, one
 * of b 16 steps of 16 columns of pairs, and for each step the products of the pair are added to the sum, in f32. */
#include "kernels/x86/avx512bf16.h"
#include "kernels/x86/tile_avx512.h"

#if defined(__x86_64__)

#define TLEG_AMX __attribute__((target("amx-tile,amx-bf16,avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))

enum { SIDE = 16, LINE = 64, REGISTERS = 8 };

/* What LDTILECFG reads: palette 1, and of each register its rows and bytes of a row. */
struct shape {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* Registers 0 to 3: sums, above left and right, below left and right. 4, 5: a, above and below. 6, 7: b, left and right. A sum
 * and its rows of a have only the rows that there are. */
static struct shape shape_of(int32_t rows) {
    const uint8_t above = (uint8_t)(rows < SIDE ? rows : SIDE), below = (uint8_t)(rows - above);
    struct shape shape = {.palette = 1, .rows = {above, above, below, below, above, below, SIDE, SIDE}};
    for (int i = 0; i < REGISTERS; i++)
        shape.row_bytes[i] = shape.rows[i] ? LINE : 0;
    return shape;
}

/* Before an instruction that reads memory: gcc 12's intrinsics do not say that they read it, so that stores to it could come
 * later or not at all. */
static inline void written(const void *memory) {
    __asm__ volatile("" : : "r"(memory) : "memory");
}

/* 16 pairs of each row from step i on: in place where a row's pairs lie side by side, else transposed into `room`. */
TLEG_AMX static const float *rows_at(const struct tleg_tile *tile, int64_t i, float *room, int64_t *stride) {
    *stride = tile->a_row;
    if (tile->a_step == 1)
        return tile->a + i;
    *stride = SIDE;
    tleg_avx512bf16_transpose_steps(SIDE, tile->rows, tile->a + i * tile->a_step, tile->a_step, room, SIDE);
    written(room);
    return room;
}

TLEG_AMX static void prefetch_lines(const char *from) {
    for (int i = 0; i < SIDE; i++)
        _mm_prefetch(from + i * LINE, _MM_HINT_T1);
}

TLEG_AMX void tleg_amx_tile(const struct tleg_tile *tile) {
    _Alignas(64) float sum[TLEG_AMX_MR][NR], room[TLEG_AMX_MR * SIDE];
    const struct shape shape = shape_of(tile->rows);
    const bool below = tile->rows > SIDE, right = tile->cols > SIDE;
    int64_t stride;
    written(&shape);
    _tile_loadconfig(&shape);
    _tile_zero(0);
    _tile_zero(1);
    if (below) {
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t i = 0; i < tile->k; i += SIDE) {
        const float *a = rows_at(tile, i, room, &stride), *b = tile->b + i * NR;
        if (tile->prefetch)
            prefetch_lines(tile->prefetch + i * LINE);
        _tile_loadd(4, a, stride * (int64_t)sizeof *a);
        _tile_loadd(6, b, NR * sizeof *b);
        _tile_dpbf16ps(0, 4, 6);
        if (right) {
            _tile_loadd(7, b + SIDE, NR * sizeof *b);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (below) {
            _tile_loadd(5, a + SIDE * stride, stride * (int64_t)sizeof *a);
            _tile_dpbf16ps(2, 5, 6);
            if (right)
                _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, sum[0], sizeof sum[0]);
    _tile_stored(1, sum[0] + SIDE, sizeof sum[0]);
    if (below) {
        _tile_stored(2, sum[SIDE], sizeof sum[0]);
        _tile_stored(3, sum[SIDE] + SIDE, sizeof sum[0]);
    }
    _tile_release(); /* what holds tiles costs the system at each switch of threads */
    tleg_avx512bf16_store(tile, sum);
}

#endif
