/* Shared by the benchmarks: a clock, medians, and lanes for the kernels. */
#ifndef TLEG_BENCH_H
#define TLEG_BENCH_H

#include "kernels/kernels.h"

double bench_seconds(void);                     /* of this thread on a core: what else the machine does counts little */
double bench_now(void);                         /* wall time, seconds */
double bench_median(double *values, int count); /* sorts them */
float *bench_floats(size_t count, double size); /* normal numbers times `size`, aligned; ends the program when out of memory */
struct tleg_exec bench_exec(const struct tleg_kernels *kernels, struct tleg_scratch need);
/* A level's number by its name; the best one for NULL. 0 when unknown or not on this machine. */
int32_t bench_level(const char *name);

#endif
