#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

double bench_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* ---- the peak: independent chains of FMA on registers, enough to hide their latency ---- */
enum { CHAINS = 24, ROUNDS = 400000 };
static volatile float sink, one = 1.0F, half = 0.5F; /* volatile: nothing is known before it runs */

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static double peak_avx512(void) {
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

enum { SHORT_CHAINS = 12 }; /* of 16 registers */
__attribute__((target("avx2,fma"))) static double peak_avx2(void) {
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
#endif

/* Multiply, then add, as the portable kernels do. */
static double peak_portable(void) {
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

double bench_peak(int32_t level) {
    double start = bench_seconds(), work;
#if defined(__x86_64__)
    if (level >= TLEG_LEVEL_AVX512 && level < TLEG_LEVEL_NEON)
        work = peak_avx512();
    else if (level == TLEG_LEVEL_AVX2)
        work = peak_avx2();
    else
#endif
        work = peak_portable();
    (void)level;
    return work / (bench_seconds() - start) / 1e9;
}

float *bench_floats(size_t count, double size) {
    static struct tleg_random random;
    static bool seeded;
    if (!seeded)
        tleg_random_seed(&random, 1, 0);
    seeded = true;
    float *x = aligned_alloc(TLEG_ALIGN, tleg_size_align(count * sizeof *x));
    if (!x) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(size * tleg_random_normal(&random, 3));
    return x;
}

struct tleg_exec bench_exec(const struct tleg_kernels *kernels, struct tleg_scratch need) {
    struct tleg_exec exec = {.kernels = kernels, .lanes = 1, .lane_bytes = need.lane};
    exec.shared = (char *)bench_floats(need.shared / sizeof(float) + 1, 0);
    exec.lane = (char *)bench_floats(need.lane / sizeof(float) + 1, 0);
    return exec;
}

int32_t bench_level(const char *name) {
    int32_t best = 0;
    const char *found;
    for (int32_t i = 0, level; (level = tleg_cpu_level(i, &found)) != 0; i++) {
        best = level;
        if (name && strcmp(name, found) == 0)
            return level;
    }
    return name ? 0 : best;
}
