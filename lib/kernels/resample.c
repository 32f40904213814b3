/* The position embedding at another image size. */
#include "kernels/table.h"
#include <math.h>
#include <string.h>

enum { TAPS = 4 };

/* Keys' cubic convolution kernel with a = -0.75 at the distances 1 + t, t, 1 - t, 2 - t. */
static void cubic(double t, double weight[TAPS]) {
    const double a = -0.75;
    for (int i = 0; i < TAPS; i++) {
        double d = fabs(t + 1 - i);
        weight[i] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    }
}

/* The four source places and their weights for place `to` of `size`, half-pixel centres, edges repeated. */
static void taps(int64_t to, int64_t size, int64_t old, int64_t from[TAPS], double weight[TAPS]) {
    double at = ((double)to + 0.5) * ((double)old / (double)size) - 0.5;
    double whole = floor(at);
    cubic(at - whole, weight);
    for (int i = 0; i < TAPS; i++) {
        int64_t place = (int64_t)whole - 1 + i;
        from[i] = place < 0 ? 0 : place >= old ? old - 1 : place;
    }
}

void tleg_resample_grid(int64_t prefix, int64_t old, int64_t grid, int64_t dim, const float *in, float *out) {
    memcpy(out, in, (size_t)(prefix * dim) * sizeof *out);
    in += prefix * dim;
    out += prefix * dim;
    for (int64_t y = 0; y < grid; y++)
        for (int64_t x = 0; x < grid; x++, out += dim) {
            int64_t row[TAPS], column[TAPS];
            double across[TAPS], down[TAPS];
            taps(y, grid, old, row, down);
            taps(x, grid, old, column, across);
            for (int64_t d = 0; d < dim; d++) {
                double sum = 0;
                for (int i = 0; i < TAPS; i++) {
                    double line = 0;
                    for (int j = 0; j < TAPS; j++)
                        line += across[j] * (double)in[(row[i] * old + column[j]) * dim + d];
                    sum += down[i] * line;
                }
                out[d] = (float)sum;
            }
        }
}
