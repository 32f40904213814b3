/* The position embedding at another image size. */
#include "kernels/table.h"
#include <math.h>
#include <string.h>

enum { TAPS = 4 };

/* Which products are fused with their sums is torch's choice (1.13, on a processor with FMA): halves of a float's last bit are
 * frequent here, and a double's last bit decides them. */

/* Keys' cubic convolution kernel with a = -0.75 at a distance up to 1, and from 1 to 2. */
static double inner(double d) {
    const double a = -0.75;
    return fma(a + 2, d, -(a + 3)) * d * d + 1;
}
static double outer(double d) {
    const double a = -0.75;
    return fma(fma(a, d, -5 * a), d, 8 * a) * d - 4 * a;
}

/* The four source places and their weights for place `to` of `size`, half-pixel centres, edges repeated. */
static void taps(int64_t to, int64_t size, int64_t old, int64_t from[TAPS], double weight[TAPS]) {
    double at = fma((double)old / (double)size, (double)to + 0.5, -0.5);
    double whole = floor((double)(float)at); /* of the float, as torch does */
    double t = at - whole;
    weight[0] = outer(t + 1);
    weight[1] = inner(t);
    weight[2] = inner(1 - t);
    weight[3] = outer(1 - t + 1);
    for (int i = 0; i < TAPS; i++) {
        int64_t place = (int64_t)whole - 1 + i;
        from[i] = place < 0 ? 0 : place >= old ? old - 1 : place;
    }
}

static double weighted(const double weight[TAPS], const double value[TAPS]) {
    return fma(weight[3], value[3], fma(weight[2], value[2], fma(weight[0], value[0], weight[1] * value[1])));
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
                double line[TAPS], value[TAPS];
                for (int i = 0; i < TAPS; i++) {
                    for (int j = 0; j < TAPS; j++)
                        value[j] = (double)in[(row[i] * old + column[j]) * dim + d];
                    line[i] = weighted(across, value);
                }
                out[d] = (float)weighted(down, line);
            }
        }
}

void tleg_resample_grid_backward(int64_t prefix, int64_t old, int64_t grid, int64_t dim, const float *dout, float *din) {
    for (int64_t i = 0; i < prefix * dim; i++)
        din[i] += dout[i];
    dout += prefix * dim;
    din += prefix * dim;
    for (int64_t y = 0; y < grid; y++)
        for (int64_t x = 0; x < grid; x++, dout += dim) {
            int64_t row[TAPS], column[TAPS];
            double across[TAPS], down[TAPS];
            taps(y, grid, old, row, down);
            taps(x, grid, old, column, across);
            for (int i = 0; i < TAPS; i++)
                for (int j = 0; j < TAPS; j++) {
                    float *to = din + (row[i] * old + column[j]) * dim;
                    for (int64_t d = 0; d < dim; d++)
                        to[d] += (float)(down[i] * across[j] * (double)dout[d]);
                }
        }
}
