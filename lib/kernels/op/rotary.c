/* Rotary positions: pairs of a head's numbers, (a, b), become (a cos - b sin, b cos + a sin). */
#include "kernels/table.h"

enum { ROWS = 16 }; /* of a task */

/* `pairs` of them, the numbers of a pair `apart` and a pair `step` from the next. */
static inline void turn(int64_t pairs, int64_t apart, int64_t step, const float *cosine, const float *sine, float sign,
                        float *x) {
    for (int64_t i = 0; i < pairs; i++) {
        float *pair = x + i * step;
        const float a = pair[0], b = pair[apart], s = sign * sine[i];
        pair[0] = a * cosine[i] - b * s;
        pair[apart] = b * cosine[i] + a * s;
    }
}

/* Every head of queries and keys x (2D), by the angles of a row and a column of patches. */
static void turn_heads(const struct tleg_turning *t, const float *row, const float *column, float *x) {
    const int64_t quarter = t->dim / t->heads / 4, pairs = 2 * quarter, step = t->halves ? 1 : 2, apart = t->halves ? pairs : 1;
    const float *first = t->column_first ? column : row, *second = t->column_first ? row : column;
    const float sign = t->backwards ? -1.0F : 1.0F;
    for (int64_t head = 0; head < 2 * t->heads; head++, x += 2 * pairs) {
        turn(quarter, apart, step, first, first + quarter, sign, x);
        turn(quarter, apart, step, second, second + quarter, sign, x + quarter * step);
    }
}

static void turn_rows(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct tleg_turning *t = arg;
    const int64_t end = tleg_min64(t->rows, (item + 1) * ROWS), width = t->dim / t->heads / 2, columns = t->grid.width;
    const float *of_columns = t->angles + t->grid.height * width;
    for (int64_t r = item * ROWS; r < end; r++) {
        const int64_t patch = r % t->tokens - t->first;
        if (patch >= 0)
            turn_heads(t, t->angles + patch / columns * width, of_columns + patch % columns * width, t->qkv + r * 3 * t->dim);
    }
}

void tleg_turn(const struct tleg_exec *exec, const struct tleg_turning *turning) {
    struct tleg_turning own = *turning;
    tleg_for_each(exec, tleg_ceil_div(own.rows, ROWS), turn_rows, &own);
}
