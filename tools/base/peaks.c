/* What this machine reaches: products on registers, and copies of memory. */
#include "peaks.h"

#include "measure.h"
#include <stdlib.h>
#include <string.h>
#include <tleg/core.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* ---- products: independent chains of them on registers, enough to hide their latency; each returns its operations ---- */
enum { CHAINS = 24, SHORT_CHAINS = 12 /* of 16 registers */, ROUNDS = 400000 };
static volatile float sink, one = 1.0F, half = 0.5F; /* volatile: nothing is known before it runs */

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static double fma_avx512(void) {
    __m512 x[CHAINS], factor = _mm512_set1_ps(half);
    for (int i = 0; i < CHAINS; i++)
        x[i] = _mm512_set1_ps(one + (float)i);
    for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm512_fmadd_ps(x[i], factor, factor);
    for (int i = 1; i < CHAINS; i++)
        x[0] = _mm512_add_ps(x[0], x[i]);
    sink = _mm512_reduce_add_ps(x[0]);
    return 2.0 * 16 * CHAINS * ROUNDS;
}

__attribute__((target("avx512f,avx512bf16"))) static double dot_avx512(void) {
    __m512 x[CHAINS], start = _mm512_set1_ps(half);
    __m512bh factor = _mm512_cvtne2ps_pbh(start, start);
    for (int i = 0; i < CHAINS; i++)
        x[i] = _mm512_set1_ps(one + (float)i);
    for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm512_dpbf16_ps(x[i], factor, factor);
    for (int i = 1; i < CHAINS; i++)
        x[0] = _mm512_add_ps(x[0], x[i]);
    sink = _mm512_reduce_add_ps(x[0]);
    return 2.0 * 32 * CHAINS * ROUNDS;
}

/* Four tiles of sums, (16, 16) each, from tiles of (16, 32) factors: shapes as the manual's example of palette 1 sets them. */
__attribute__((target("amx-tile,amx-bf16"))) static double dot_amx(void) {
    enum { TILES = 8, SUMS = 4, ROWS = 16, ROW_BYTES = 64, TILE_ROUNDS = 100000 };
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1};
    for (int i = 0; i < TILES; i++) {
        shape.row_bytes[i] = ROW_BYTES;
        shape.rows[i] = ROWS;
    }
    __asm__ volatile("" : : "r"(&shape) : "memory"); /* gcc 12's intrinsic does not say that it reads all of it */
    _tile_loadconfig(&shape);
    static uint8_t zeros[ROWS * ROW_BYTES]; /* no value takes longer than another */
    _tile_loadd(4, zeros, ROW_BYTES);
    _tile_loadd(5, zeros, ROW_BYTES);
    _tile_loadd(6, zeros, ROW_BYTES);
    _tile_loadd(7, zeros, ROW_BYTES);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int r = 0; r < TILE_ROUNDS; r++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 5, 6);
        _tile_dpbf16ps(2, 4, 7);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, zeros, ROW_BYTES);
    _tile_release();
    return 2.0 * 16 * 16 * 32 * SUMS * TILE_ROUNDS;
}

__attribute__((target("avx2,fma"))) static double fma_avx2(void) {
    __m256 x[SHORT_CHAINS], factor = _mm256_set1_ps(half);
    for (int i = 0; i < SHORT_CHAINS; i++)
        x[i] = _mm256_set1_ps(one + (float)i);
    for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 12
        for (int i = 0; i < SHORT_CHAINS; i++)
            x[i] = _mm256_fmadd_ps(x[i], factor, factor);
    for (int i = 1; i < SHORT_CHAINS; i++)
        x[0] = _mm256_add_ps(x[0], x[i]);
    float out[8];
    _mm256_storeu_ps(out, x[0]);
    sink = out[0];
    return 2.0 * 8 * SHORT_CHAINS * ROUNDS;
}
#elif defined(__aarch64__)
static double fma_neon(void) {
    float32x4_t x[CHAINS], factor = vdupq_n_f32(half);
    for (int i = 0; i < CHAINS; i++)
        x[i] = vdupq_n_f32(one + (float)i);
    for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++)
            x[i] = vfmaq_f32(x[i], factor, factor);
    for (int i = 1; i < CHAINS; i++)
        x[0] = vaddq_f32(x[0], x[i]);
    sink = vaddvq_f32(x[0]);
    return 2.0 * 4 * CHAINS * ROUNDS;
}
#endif

/* Multiply, then add, as the portable kernels do. */
static double portable(void) {
    enum { WIDTH = 32 };
    float x[WIDTH], factor = half;
    for (int i = 0; i < WIDTH; i++)
        x[i] = one + (float)i;
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < WIDTH; i++)
            x[i] = x[i] * factor + factor;
    for (int i = 0; i < WIDTH; i++)
        sink = x[i];
    return 2.0 * WIDTH * ROUNDS;
}

#if defined(__x86_64__)
static int has_avx512(int32_t level) {
    return level == TLEG_LEVEL_AVX512 || level == TLEG_LEVEL_AVX512BF16 || level == TLEG_LEVEL_AMX;
}
#endif

static double multiply(int32_t level, int32_t dtype) {
#if defined(__x86_64__)
    if (level == TLEG_LEVEL_AMX && dtype == TLEG_BF16)
        return dot_amx();
    if (level == TLEG_LEVEL_AVX512BF16 && dtype == TLEG_BF16)
        return dot_avx512();
    if (has_avx512(level))
        return fma_avx512();
    if (level == TLEG_LEVEL_AVX2)
        return fma_avx2();
#elif defined(__aarch64__)
    if (level == TLEG_LEVEL_NEON)
        return fma_neon();
#endif
    (void)level;
    (void)dtype;
    return portable();
}

double peak_gflops(int32_t level, int32_t dtype) {
    double start = measure_thread_seconds(), operations = multiply(level, dtype);
    return operations / (measure_thread_seconds() - start) / 1e9;
}

/* ---- copying ---- */
static void copy_plain(float *out, const float *in, size_t count) {
    memcpy(out, in, count * sizeof *out);
}

#if defined(__x86_64__)
/* Streaming stores read no line that they fill. Four streams at once, each asked for half a page ahead of itself, reach a fifth
 * more than one, which processors foresee less well. */
enum { STREAMS = 4, AHEAD = 512 };

__attribute__((target("avx512f"))) static void copy_avx512(float *out, const float *in, size_t count) {
    size_t part = count / STREAMS;
    for (size_t i = 0; i < part; i += 16)
        for (size_t at = i; at < count; at += part) {
            __builtin_prefetch((const void *)((uintptr_t)(in + at) + AHEAD * sizeof *in));
            _mm512_stream_ps(out + at, _mm512_load_ps(in + at));
        }
    _mm_sfence();
}

__attribute__((target("avx2"))) static void copy_avx2(float *out, const float *in, size_t count) {
    size_t part = count / STREAMS;
    for (size_t i = 0; i < part; i += 16)
        for (size_t at = i; at < count; at += part) {
            __builtin_prefetch((const void *)((uintptr_t)(in + at) + AHEAD * sizeof *in));
            _mm256_stream_ps(out + at, _mm256_load_ps(in + at));
            _mm256_stream_ps(out + at + 8, _mm256_load_ps(in + at + 8));
        }
    _mm_sfence();
}
#endif

double peak_copy(int32_t level) {
    enum { COUNT = 1 << 24, REPEATS = 7 };
    void (*ways[])(float *, const float *, size_t) = {copy_plain, copy_plain};
#if defined(__x86_64__)
    if (has_avx512(level))
        ways[1] = copy_avx512;
    else if (level == TLEG_LEVEL_AVX2)
        ways[1] = copy_avx2;
#endif
    (void)level;
    size_t bytes = COUNT * sizeof(float);
    float *in = aligned_alloc(64, bytes), *out = aligned_alloc(64, bytes);
    double best = 0;
    if (in && out) {
        memset(in, 1, bytes);
        memset(out, 2, bytes);
        for (int i = 0; i < 2 * REPEATS; i++) {
            double start = measure_thread_seconds();
            ways[i % 2](out, in, COUNT);
            sink = out[i];
            double speed = 2 * (double)bytes / (measure_thread_seconds() - start) / 1e9;
            if (speed > best)
                best = speed;
        }
    }
    free(in);
    free(out);
    return best;
}
