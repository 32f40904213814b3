/* The position embedding at another image size. */
#include "kernels/filter.h"
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

/* ---- without antialiasing ---- */

/* One place (dim) of the grid, at (y, x). */
static void bicubic(const struct tleg_resampling *r, int64_t y, int64_t x, const float *in, float *out) {
    int64_t row[TAPS], column[TAPS];
    double across[TAPS], down[TAPS];
    taps(y, r->to.height, r->from.height, row, down);
    taps(x, r->to.width, r->from.width, column, across);
    for (int64_t d = 0; d < r->dim; d++) {
        double line[TAPS], value[TAPS];
        for (int i = 0; i < TAPS; i++) {
            for (int j = 0; j < TAPS; j++)
                value[j] = (double)in[(row[i] * r->from.width + column[j]) * r->dim + d];
            line[i] = weighted(across, value);
        }
        out[d] = (float)weighted(down, line);
    }
}

static void bicubic_backward(const struct tleg_resampling *r, int64_t y, int64_t x, const float *dout, float *din) {
    int64_t row[TAPS], column[TAPS];
    double across[TAPS], down[TAPS];
    taps(y, r->to.height, r->from.height, row, down);
    taps(x, r->to.width, r->from.width, column, across);
    for (int i = 0; i < TAPS; i++)
        for (int j = 0; j < TAPS; j++) {
            float *to = din + (row[i] * r->from.width + column[j]) * r->dim;
            for (int64_t d = 0; d < r->dim; d++)
                to[d] += (float)(down[i] * across[j] * (double)dout[d]);
        }
}

/* ---- with it ---- */

static const double support = 2;

/* One side of the places that count, and what their weights sum to. */
struct side {
    struct tleg_reach reach;
    double sum;
};

static struct side side_of(int32_t old, int32_t size, int64_t to) {
    struct side side = {.reach = tleg_filter_reach(support, old, size, to)};
    for (int32_t tap = 0; tap < side.reach.count; tap++)
        side.sum += tleg_filter_cubic(tleg_reach_distance(&side.reach, tap));
    return side;
}

static double weight_of(const struct side *side, int32_t tap) {
    return tleg_filter_cubic(tleg_reach_distance(&side->reach, tap)) / side->sum;
}

/* to += weight * from (dim), for each place of the old grid that counts for (y, x): `from` and `to` are a step further from one
 * place to the next, which is 0 for the side of the new grid. */
static void antialiased(const struct tleg_resampling *r, int64_t y, int64_t x, const float *from, int64_t from_step, float *to,
                        int64_t to_step) {
    const struct side down = side_of(r->from.height, r->to.height, y), across = side_of(r->from.width, r->to.width, x);
    for (int32_t i = 0; i < down.reach.count; i++)
        for (int32_t j = 0; j < across.reach.count; j++) {
            const int64_t place = (int64_t)(down.reach.first + i) * r->from.width + across.reach.first + j;
            const float weight = (float)(weight_of(&down, i) * weight_of(&across, j));
            const float *in = from + place * from_step;
            float *out = to + place * to_step;
            for (int64_t d = 0; d < r->dim; d++)
                out[d] += weight * in[d];
        }
}

/* ---- all places ---- */

void tleg_resample_grid(const struct tleg_resampling *r, const float *in, float *out) {
    memcpy(out, in, (size_t)(r->prefix * r->dim) * sizeof *out);
    in += r->prefix * r->dim;
    out += r->prefix * r->dim;
    for (int64_t y = 0; y < r->to.height; y++)
        for (int64_t x = 0; x < r->to.width; x++, out += r->dim) {
            if (!r->antialias) {
                bicubic(r, y, x, in, out);
                continue;
            }
            memset(out, 0, (size_t)r->dim * sizeof *out);
            antialiased(r, y, x, in, r->dim, out, 0);
        }
}

void tleg_resample_grid_backward(const struct tleg_resampling *r, const float *dout, float *din) {
    for (int64_t i = 0; i < r->prefix * r->dim; i++)
        din[i] += dout[i];
    dout += r->prefix * r->dim;
    din += r->prefix * r->dim;
    for (int64_t y = 0; y < r->to.height; y++)
        for (int64_t x = 0; x < r->to.width; x++, dout += r->dim) {
            if (r->antialias)
                antialiased(r, y, x, dout, 0, din, r->dim);
            else
                bicubic_backward(r, y, x, dout, din);
        }
}
