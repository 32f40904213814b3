/* The gate of an MLP (SwiGLU and its like, arXiv 2002.05202), and back: with g and v the halves of a row, y = act(g) v, dv = dy
 * act(g), dg = dy v act'(g). */
#include "kernels/table.h"

enum { ROWS = 8 }; /* of a task */

void tleg_gated_row(const struct tleg_kernels *kernels, enum tleg_activation activation, int64_t k, const float *x, float *y) {
    const float *v = x + k;
    tleg_activate(kernels, activation, (size_t)k, x, y);
    for (int64_t i = 0; i < k; i++)
        y[i] *= v[i];
}

static void row_backward(const struct tleg_kernels *kernels, const struct tleg_gated *g, int64_t row) {
    const int64_t k = g->k;
    const float *x = g->x + row * 2 * k, *dy = g->dy + row * k;
    float *dg = g->dx + row * 2 * k, *dv = dg + k;
    tleg_activate(kernels, g->activation, (size_t)k, x, dv);
    for (int64_t i = 0; i < k; i++) {
        dv[i] *= dy[i];
        dg[i] = dy[i] * x[k + i];
    }
    tleg_activate_backward(kernels, g->activation, (size_t)k, x, dg, dg);
}

struct work {
    const struct tleg_kernels *kernels;
    const struct tleg_gated *gated;
};

static void forward_rows(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct work *work = arg;
    const struct tleg_gated *g = work->gated;
    const int64_t end = tleg_min64(g->rows, (item + 1) * ROWS);
    for (int64_t row = item * ROWS; row < end; row++)
        tleg_gated_row(work->kernels, g->activation, g->k, g->x + row * 2 * g->k, g->y + row * g->k);
}

static void backward_rows(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct work *work = arg;
    const int64_t end = tleg_min64(work->gated->rows, (item + 1) * ROWS);
    for (int64_t row = item * ROWS; row < end; row++)
        row_backward(work->kernels, work->gated, row);
}

void tleg_gated(const struct tleg_exec *exec, const struct tleg_gated *gated) {
    tleg_for_each(exec, tleg_ceil_div(gated->rows, ROWS), forward_rows, &(struct work){exec->kernels, gated});
}

void tleg_gated_backward(const struct tleg_exec *exec, const struct tleg_gated *gated) {
    tleg_for_each(exec, tleg_ceil_div(gated->rows, ROWS), backward_rows, &(struct work){exec->kernels, gated});
}
