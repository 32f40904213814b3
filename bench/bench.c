/* What the benchmarks share. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
