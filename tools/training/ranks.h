/* The processes of a data-parallel run: one, unless the command was built with TLEG_MPI and started by mpirun. */
#ifndef TLEG_TOOLS_RANKS_H
#define TLEG_TOOLS_RANKS_H

#include "base/tool.h"

struct ranks {
    int32_t rank, count;
    float *slices; /* count slices of values under way: of the ranks' values, then of the sums */
    size_t slice;  /* values in each */
};

/* One rank, count 1, where there is no mpirun. Returns an exit code. */
int ranks_start(const struct invocation *call, struct ranks *ranks);
/* Ends this process's part. After a failure of this rank alone, which the others do not know of, they are ended too, with this
 * exit code: they would wait for it for ever. */
void ranks_end(struct ranks *ranks, bool alone, int code);

/* Sums values over the ranks, in place, in the ranks' order: the same bits on each, and in each run. */
tleg_status TLEG_CALL ranks_sum(void *ranks, float *values, size_t count);
/* Likewise in double, for a few numbers. */
void ranks_sum_few(const struct ranks *ranks, double *values, int count);

#endif
