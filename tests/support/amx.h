/* AMX's tile as the library compiles it, on tile registers in memory: for machines without AMX. Each instruction checks what
 * would be a fault (manual, volume 2: LDTILECFG, TILELOADD, TILESTORED, TDPBF16PS) and does what the manual says, sums in the
 * order given there. Needs AVX512-BF16 for what the tile does besides. */
#ifndef TLEG_TESTS_AMX_H
#define TLEG_TESTS_AMX_H

#include "support/support.h"
#include <immintrin.h>
#include <string.h>

struct emulated {
    bool configured;
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape;
    unsigned char tile[8][16][64];
};
static _Thread_local struct emulated emulated;

static void must(bool good, const char *what) {
    if (!good)
        fail_msg("AMX: %s", what);
}

static void must_be_there(int t) {
    must(emulated.configured && emulated.shape.rows[t] > 0, "a register that is not configured");
}

static void emulate_loadconfig(const void *shape) {
    memcpy(&emulated.shape, shape, sizeof emulated.shape);
    bool good = emulated.shape.palette == 1 && emulated.shape.start_row == 0;
    for (int i = 0; i < 14; i++)
        good = good && emulated.shape.reserved[i] == 0;
    for (int i = 0; i < 16; i++) {
        const int rows = emulated.shape.rows[i], bytes = emulated.shape.row_bytes[i];
        good = good && rows <= (i < 8 ? 16 : 0) && bytes <= (i < 8 ? 64 : 0) && (rows > 0) == (bytes > 0);
    }
    must(good, "a configuration that faults");
    memset(emulated.tile, 0, sizeof emulated.tile);
    emulated.configured = true;
}

static void emulate_release(void) {
    emulated.configured = false;
}

static void emulate_zero(int t) {
    must_be_there(t);
    memset(emulated.tile[t], 0, sizeof emulated.tile[t]);
}

static void emulate_load(int t, const void *base, int64_t stride) {
    emulate_zero(t);
    for (int r = 0; r < emulated.shape.rows[t]; r++)
        memcpy(emulated.tile[t][r], (const char *)base + r * stride, emulated.shape.row_bytes[t]);
}

static void emulate_store(int t, void *base, int64_t stride) {
    must_be_there(t);
    for (int r = 0; r < emulated.shape.rows[t]; r++)
        memcpy((char *)base + r * stride, emulated.tile[t][r], emulated.shape.row_bytes[t]);
}

/* A row of up to 32 numbers. */
static void widen_row(int t, int row, float out[32]) {
    for (int i = 0; i < emulated.shape.row_bytes[t] / 2; i++) {
        const unsigned char *at = emulated.tile[t][row] + 2 * i;
        uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 24;
        memcpy(out + i, &bits, sizeof bits);
    }
}

static void emulate_dot(int sums, int a, int b) {
    must_be_there(sums);
    must_be_there(a);
    must_be_there(b);
    const int steps = emulated.shape.row_bytes[a] / 4, cols = emulated.shape.row_bytes[b] / 4;
    must(emulated.shape.rows[b] == steps && emulated.shape.rows[sums] == emulated.shape.rows[a] &&
             emulated.shape.row_bytes[sums] == emulated.shape.row_bytes[b],
         "shapes that do not fit");
    float left[32], right[16][32], sum[16];
    for (int i = 0; i < steps; i++)
        widen_row(b, i, right[i]);
    for (int r = 0; r < emulated.shape.rows[a]; r++) {
        widen_row(a, r, left);
        memcpy(sum, emulated.tile[sums][r], sizeof sum);
        for (int i = 0; i < steps; i++)
            for (int c = 0; c < cols; c++) {
                sum[c] += left[2 * i] * right[i][2 * c];
                sum[c] += left[2 * i + 1] * right[i][2 * c + 1];
            }
        memcpy(emulated.tile[sums][r], sum, sizeof sum);
    }
}

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _tile_loadconfig emulate_loadconfig
#define _tile_release emulate_release
#define _tile_zero emulate_zero
#define _tile_loadd(t, base, stride) emulate_load(t, base, (int64_t)(stride))
#define _tile_stored(t, base, stride) emulate_store(t, base, (int64_t)(stride))
#define _tile_dpbf16ps emulate_dot
#define tleg_amx_tile emulated_amx_tile
#include "kernels/x86/tile_amx.c"

#endif
