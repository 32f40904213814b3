/* Factors for each column, as LayerScale has them, on the way back. */
#include "kernels/kernels.h"

enum { COLUMNS = 256 }; /* whose sums are held on the stack */

/* Columns [first, first + count). */
static void part(const struct tleg_gate_backward *b, int64_t first, int64_t count) {
    double sum[COLUMNS] = {0};
    for (int64_t r = 0; r < b->rows; r++) {
        const float *dy = b->dy + r * b->dim + first, *gate = b->gate + first;
        float *dbranch = b->dbranch + r * b->dim + first;
        if (b->dgate.count) {
            const float *branch = b->branch + r * b->dim + first;
            for (int64_t i = 0; i < count; i++)
                sum[i] += (double)dy[i] * (double)branch[i];
        }
        for (int64_t i = 0; i < count; i++)
            dbranch[i] = gate[i] * dy[i];
    }
    for (int32_t k = 0; k < b->dgate.count; k++)
        for (int64_t i = 0; i < count; i++)
            b->dgate.tensor[k][first + i] += b->dgate.c[k] * (float)sum[i];
}

void tleg_gate_backward(const struct tleg_gate_backward *b) {
    for (int64_t first = 0; first < b->dim; first += COLUMNS)
        part(b, first, b->dim - first < COLUMNS ? b->dim - first : COLUMNS);
}
