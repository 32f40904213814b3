/* Shared by the benchmarks: clocks, medians, numbers, and lanes for the kernels. */
#ifndef TLEG_BENCH_H
#define TLEG_BENCH_H

#include "base/measure.h"
#include "kernels/kernels.h"

float *bench_floats(size_t count, double size); /* normal numbers times `size`, aligned; ends the program when out of memory */
struct tleg_exec bench_exec(const struct tleg_kernels *kernels, struct tleg_scratch need);
/* base + c * ilayer */
static inline struct tleg_basis bench_line(const float *base, const float *ilayer, float c) {
    return (struct tleg_basis){.count = 2, .tensor = {base, ilayer}, .c = {1, c}};
}
/* A level's number by its name; the best one for NULL. 0 when unknown or not on this machine. */
int32_t bench_level(const char *name);

#endif
