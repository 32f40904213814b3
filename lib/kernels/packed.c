/* The layout of packed weights: panels [ceil(n/nr)][k][nr], element (j, i) of W at panel j / nr, row i, column j % nr. */
#include "kernels/table.h"
#include <string.h>

size_t tleg_panels_count(const struct tleg_kernels *kernels, int64_t n, int64_t k) {
    size_t padded = ((size_t)n + (size_t)kernels->nr - 1) / (size_t)kernels->nr * (size_t)kernels->nr;
    size_t count;
    return tleg_size_mul(padded, (size_t)k, &count) ? count : SIZE_MAX;
}

void tleg_panels_pack(const struct tleg_kernels *kernels, int64_t n, int64_t k, const float *w, float *packed) {
    int64_t nr = kernels->nr;
    for (int64_t j = 0; j < n; j += nr) {
        int64_t cols = n - j < nr ? n - j : nr;
        float *panel = packed + j * k;
        if (cols < nr)
            memset(panel, 0, (size_t)(k * nr) * sizeof *panel);
        kernels->transpose(cols, k, w + j * k, k, 1.0F, panel, nr);
    }
}

void tleg_panels_unpack(const struct tleg_kernels *kernels, int64_t n, int64_t k, const float *packed, float *w) {
    int64_t nr = kernels->nr;
    for (int64_t j = 0; j < n; j += nr) {
        int64_t cols = n - j < nr ? n - j : nr;
        kernels->transpose(k, cols, packed + j * k, nr, 1.0F, w + j * k, k);
    }
}

struct transposing {
    const struct tleg_kernels *kernels;
    int64_t n, k;
    const float *w;
    float *packed;
};

static void transpose_panel(void *arg, int64_t panel, char *lane) {
    (void)lane;
    const struct transposing *t = arg;
    int64_t nr = t->kernels->nr, column = panel * nr, left = t->k - column;
    t->kernels->copy(t->n, left < nr ? left : nr, t->w + column, t->k, 1.0F, t->packed + column * t->n, nr);
}

void tleg_panels_pack_transposed(const struct tleg_exec *exec, int64_t n, int64_t k, const float *w, float *packed) {
    struct transposing transposing = {exec->kernels, n, k, w, packed};
    tleg_for_each(exec, (k + exec->kernels->nr - 1) / exec->kernels->nr, transpose_panel, &transposing);
}

size_t tleg_packed_count(const struct tleg_kernels *kernels, int64_t n, int64_t k) {
    return kernels->packed_count(kernels, n, k);
}

void tleg_pack(const struct tleg_kernels *kernels, int64_t n, int64_t k, const float *w, float *packed) {
    kernels->pack(kernels, n, k, w, packed);
}

void tleg_unpack(const struct tleg_kernels *kernels, int64_t n, int64_t k, const float *packed, float *w) {
    kernels->unpack(kernels, n, k, packed, w);
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
