/* The layout of packed weights: panels [ceil(n/nr)][k][nr], element (j, i) of W at panel j / nr, row i, column j % nr; where a
 * narrow type is multiplied, panels [ceil(n/nr)][steps][nr][per step], the element at step i / per_step, column j % nr, place
 * i % per_step. */
#include "kernels/table.h"
#include <string.h>

/* ---- narrow panels ---- */

/* A few columns of W at a time pass through the stack: transposed first, then joined or parted by steps. */
enum { COLUMNS = 32 }; /* a multiple of any per_step */

static void pack_narrow(const struct tleg_kernels *kernels, int64_t cols, int64_t k, const float *w, float *panel) {
    const struct tleg_narrow *narrow = kernels->narrow;
    int64_t nr = narrow->nr, per = narrow->per_step, padded = per * tleg_narrow_steps(narrow, k);
    for (int64_t i = 0; i < padded; i += COLUMNS, panel += COLUMNS * nr) {
        float turned[COLUMNS][TLEG_NARROW_NR] = {{0}};
        int64_t left = tleg_min64(k - i, COLUMNS), end = tleg_min64(padded - i, COLUMNS);
        if (left > 0)
            kernels->transpose(cols, left, w + i, k, 1.0F, turned[0], TLEG_NARROW_NR);
        for (int64_t p = 0; p < end; p += per)
            for (int64_t j = 0; j < nr; j++)
                for (int64_t e = 0; e < per; e++)
                    panel[p * nr + per * j + e] = turned[p + e][j];
    }
}

static void unpack_narrow(const struct tleg_kernels *kernels, int64_t cols, int64_t k, const float *panel, float *w) {
    int64_t nr = kernels->narrow->nr, per = kernels->narrow->per_step;
    for (int64_t i = 0; i < k; i += COLUMNS, panel += COLUMNS * nr) {
        float turned[COLUMNS][TLEG_NARROW_NR];
        int64_t left = tleg_min64(k - i, COLUMNS);
        for (int64_t p = 0; p < left; p += per)
            for (int64_t j = 0; j < nr; j++)
                for (int64_t e = 0; e < per; e++)
                    turned[p + e][j] = panel[p * nr + per * j + e];
        kernels->transpose(left, cols, turned[0], TLEG_NARROW_NR, 1.0F, w + i, k);
    }
}

/* ---- panels ---- */

/* A panel's columns, and the length of each in elements. */
static int64_t panel_shape(const struct tleg_kernels *kernels, int32_t rounded, int64_t k, int64_t *length) {
    const struct tleg_narrow *narrow = tleg_narrow_of(kernels, rounded);
    *length = narrow ? narrow->per_step * tleg_narrow_steps(narrow, k) : k;
    return narrow ? narrow->nr : kernels->nr;
}

size_t tleg_panels_count(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k) {
    int64_t length;
    size_t nr = (size_t)panel_shape(kernels, rounded, k, &length), count;
    return tleg_size_mul(((size_t)n + nr - 1) / nr * nr, (size_t)length, &count) ? count : SIZE_MAX;
}

void tleg_panels_pack(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *w,
                      float *packed) {
    int64_t length, nr = panel_shape(kernels, rounded, k, &length);
    for (int64_t j = 0; j < n; j += nr) {
        int64_t cols = tleg_min64(n - j, nr);
        float *panel = packed + j * length;
        if (tleg_narrow_of(kernels, rounded)) {
            pack_narrow(kernels, cols, k, w + j * k, panel);
            continue;
        }
        if (cols < nr)
            memset(panel, 0, (size_t)(k * nr) * sizeof *panel);
        kernels->transpose(cols, k, w + j * k, k, 1.0F, panel, nr);
    }
}

void tleg_panels_unpack(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *packed,
                        float *w) {
    int64_t length, nr = panel_shape(kernels, rounded, k, &length);
    for (int64_t j = 0; j < n; j += nr) {
        int64_t cols = tleg_min64(n - j, nr);
        if (tleg_narrow_of(kernels, rounded))
            unpack_narrow(kernels, cols, k, packed + j * length, w + j * k);
        else
            kernels->transpose(k, cols, packed + j * k, nr, 1.0F, w + j * k, k);
    }
}

struct transposing {
    const struct tleg_kernels *kernels;
    int64_t n, k;
    const float *w;
    float *packed; /* a narrow step takes a float's place */
    const struct tleg_narrow *narrow;
    int64_t nr, steps; /* of a panel */
};

static void transpose_panel(void *arg, int64_t panel, char *lane) {
    (void)lane;
    const struct transposing *t = arg;
    int64_t nr = t->nr, column = panel * nr, left = t->k - column, cols = tleg_min64(left, nr);
    if (t->narrow)
        t->narrow->interleave_f32(t->n, cols, t->w + column, t->k, t->steps, t->packed + column * t->steps, nr);
    else
        t->kernels->copy(t->n, cols, t->w + column, t->k, 1.0F, t->packed + column * t->steps, nr);
}

void tleg_panels_pack_transposed(const struct tleg_exec *exec, int32_t rounded, int64_t n, int64_t k, const float *w,
                                 void *packed) {
    int64_t length, nr = panel_shape(exec->kernels, rounded, n, &length);
    const struct tleg_narrow *narrow = tleg_narrow_of(exec->kernels, rounded);
    struct transposing transposing = {exec->kernels, n, k, w, packed, narrow, nr, narrow ? tleg_narrow_steps(narrow, n) : n};
    tleg_for_each(exec, tleg_ceil_div(k, nr), transpose_panel, &transposing);
}

size_t tleg_packed_count(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k) {
    return kernels->packed_count(kernels, rounded, n, k);
}

int64_t tleg_pack_unit(const struct tleg_kernels *kernels, int32_t rounded) {
    int64_t length;
    return panel_shape(kernels, rounded, 1, &length);
}

void tleg_pack(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *w, float *packed) {
    kernels->pack(kernels, rounded, n, k, w, packed);
}

void tleg_unpack(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *packed, float *w) {
    kernels->unpack(kernels, rounded, n, k, packed, w);
}

void tleg_pack_transposed(const struct tleg_exec *exec, int32_t rounded, int64_t n, int64_t k, const float *w, void *packed) {
    exec->kernels->pack_transposed(exec, rounded, n, k, w, packed);
}

void tleg_portable_transpose(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out,
                             int64_t out_stride) {
    /* Squares of 16, so that both sides stay in the nearest cache. */
    enum { SIDE = 16 };
    for (int64_t c0 = 0; c0 < cols; c0 += SIDE) {
        int64_t c1 = cols < c0 + SIDE ? cols : c0 + SIDE;
        for (int64_t r0 = 0; r0 < rows; r0 += SIDE) {
            int64_t r1 = rows < r0 + SIDE ? rows : r0 + SIDE;
            for (int64_t c = c0; c < c1; c++)
                for (int64_t r = r0; r < r1; r++)
                    out[c * out_stride + r] = in[r * in_stride + c] * scale;
        }
    }
}

void tleg_portable_copy(int64_t rows, int64_t cols, const float *in, int64_t in_stride, float scale, float *out, int64_t wide) {
    for (int64_t r = 0; r < rows; r++, in += in_stride, out += wide) {
        for (int64_t c = 0; c < cols; c++)
            out[c] = in[c] * scale;
        for (int64_t c = cols; c < wide; c++)
            out[c] = 0;
    }
}
