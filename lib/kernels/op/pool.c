/* Sums and means down columns. */
#include "kernels/table.h"
#include <string.h>

void tleg_mean_rows(const struct tleg_kernels *kernels, int64_t rows, int64_t dim, const float *x, float *y) {
    (void)kernels; /* sums down columns: compilers make vectors of it, and memory sets the pace */
    memcpy(y, x, (size_t)dim * sizeof *y);
    for (int64_t r = 1; r < rows; r++)
        for (int64_t i = 0; i < dim; i++)
            y[i] += x[r * dim + i];
    for (int64_t i = 0; i < dim; i++)
        y[i] /= (float)rows;
}

void tleg_portable_sum_rows(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float *out) {
    memcpy(out, in, (size_t)cols * sizeof *out);
    for (int64_t r = 1; r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            out[c] += in[r * in_stride + c];
}
