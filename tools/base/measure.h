/* Clocks, and the median of what they measured. Nothing of the library is used, so that its benchmarks share this file. */
#ifndef TLEG_TOOLS_MEASURE_H
#define TLEG_TOOLS_MEASURE_H

double measure_seconds(void);                     /* wall time, monotonic */
double measure_ms(void);                          /* the same in milliseconds */
double measure_thread_seconds(void);              /* of this thread on a core: what else the machine does counts little */
double measure_median(double *values, int count); /* sorts them */

#endif
