/* One process, or those of mpirun: sums in the order of the ranks, so that the bits do not depend on MPI. */
#include "ranks.h"

#include <stdlib.h>
#include <string.h>

#if !defined(TLEG_MPI)

int ranks_start(const struct invocation *call, struct ranks *ranks) {
    (void)call;
    *ranks = (struct ranks){.rank = 0, .count = 1};
    return EXIT_DONE;
}

void ranks_end(struct ranks *ranks, bool alone, int code) {
    (void)ranks;
    (void)alone;
    (void)code;
}

tleg_status TLEG_CALL ranks_sum(void *ranks, float *values, size_t count) {
    (void)ranks;
    (void)values;
    (void)count;
    return TLEG_OK;
}

void ranks_sum_few(const struct ranks *ranks, double *values, int count) {
    (void)ranks;
    (void)values;
    (void)count;
}

#else

#include <mpi.h>

enum { SLICE = 1 << 18 }; /* values */

/* Whether a launcher started us: alone, MPI would start a daemon of its own. */
static bool is_launched(void) {
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK") || getenv("PMI_SIZE");
}

int ranks_start(const struct invocation *call, struct ranks *ranks) {
    int rank, count;
    *ranks = (struct ranks){.rank = 0, .count = 1};
    if (!is_launched())
        return EXIT_DONE;
    if (MPI_Init(NULL, NULL) != MPI_SUCCESS)
        return tool_fail(call, "MPI does not start");
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &count);
    ranks->rank = rank;
    ranks->count = count;
    ranks->slice = SLICE;
    ranks->slices = malloc((size_t)count * 2 * SLICE * sizeof *ranks->slices);
    return ranks->slices ? EXIT_DONE : tool_fail_memory(call);
}

void ranks_end(struct ranks *ranks, bool alone, int code) {
    int started = 0;
    MPI_Initialized(&started);
    if (started && alone && ranks->count > 1)
        MPI_Abort(MPI_COMM_WORLD, code);
    if (started)
        MPI_Finalize();
    free(ranks->slices);
    *ranks = (struct ranks){0};
}

/* Up to count * slice values: each rank gets its own slice of everybody's values, sums them in the ranks' order, and gives the
 * sums to all. MPI_Allreduce leaves the order, and so the bits, to the implementation. */
static int sum_piece(struct ranks *ranks, float *values, size_t count) {
    size_t all = (size_t)ranks->count, each = (count + all - 1) / all;
    float *mine = ranks->slices, *theirs = ranks->slices + all * ranks->slice;
    memset(mine, 0, all * each * sizeof *mine);
    memcpy(mine, values, count * sizeof *mine);
    int result = MPI_Alltoall(mine, (int)each, MPI_FLOAT, theirs, (int)each, MPI_FLOAT, MPI_COMM_WORLD);
    for (size_t r = 1; r < all; r++)
        for (size_t i = 0; i < each; i++)
            theirs[i] += theirs[r * each + i];
    if (result == MPI_SUCCESS)
        result = MPI_Allgather(theirs, (int)each, MPI_FLOAT, mine, (int)each, MPI_FLOAT, MPI_COMM_WORLD);
    memcpy(values, mine, count * sizeof *mine);
    return result;
}

tleg_status TLEG_CALL ranks_sum(void *host, float *values, size_t count) {
    struct ranks *ranks = host;
    size_t most = (size_t)ranks->count * ranks->slice;
    while (ranks->count > 1 && count > 0) {
        size_t piece = count < most ? count : most;
        if (sum_piece(ranks, values, piece) != MPI_SUCCESS)
            return TLEG_ERROR_STATE;
        values += piece;
        count -= piece;
    }
    return TLEG_OK;
}

void ranks_sum_few(const struct ranks *ranks, double *values, int count) {
    if (ranks->count == 1)
        return;
    size_t all = (size_t)ranks->count;
    double *gathered = malloc(all * (size_t)count * sizeof *gathered);
    if (!gathered) {
        MPI_Abort(MPI_COMM_WORLD, EXIT_FAILED);
        return;
    }
    MPI_Allgather(values, count, MPI_DOUBLE, gathered, count, MPI_DOUBLE, MPI_COMM_WORLD);
    for (int i = 0; i < count; i++) {
        values[i] = 0;
        for (size_t r = 0; r < all; r++)
            values[i] += gathered[r * (size_t)count + (size_t)i];
    }
    free(gathered);
}

#endif
