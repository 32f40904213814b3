/* What one core's units and the memory of this machine reach at most: what measured speeds are shares of. Nothing of the
 * library is used, so that its benchmarks share this file. */
#ifndef TLEG_TOOLS_PEAKS_H
#define TLEG_TOOLS_PEAKS_H

#include <stdint.h>

/* GFLOP/s of one core with the instructions of a level (TLEG_LEVEL_*, which this machine has; AMX: and the process may use),
 * sums in f32; factors are bfloat16 (TLEG_BF16) where the level multiplies that, else f32. A multiplication and an addition
 * count as two. Takes a few milliseconds of the calling thread; its own time counts, so that what else the machine does matters
 * little. */
double peak_gflops(int32_t level, int32_t dtype);

/* GB/s, bytes read plus bytes written, of one thread that copies memory far larger than the caches into memory that was written
 * before: the best of the C library's and of streaming stores. Takes some 100 milliseconds and 128 MiB; 0 without the memory.
 */
double peak_copy(int32_t level);

#endif
