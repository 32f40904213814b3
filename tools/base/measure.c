/* Two clocks, and a median. */
#include "measure.h"

#include <stdlib.h>
#include <time.h>

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double measure_seconds(void) {
    return seconds_of(CLOCK_MONOTONIC);
}

double measure_ms(void) {
    return 1e3 * measure_seconds();
}

double measure_thread_seconds(void) {
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double measure_median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
