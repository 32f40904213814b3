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

static void turn_rows(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct tleg_turning *t = arg;
    const int64_t end = tleg_min64(t->rows, (item + 1) * ROWS), pairs = t->dim / t->heads / 2;
    const float sign = t->backwards ? -1.0F : 1.0F;
    for (int64_t row = item * ROWS; row < end; row++) {
        const int64_t token = row % t->tokens - t->first;
        float *x = t->qkv + row * 3 * t->dim;
        const float *cosine = t->angles + token * 2 * pairs, *sine = cosine + pairs;
        for (int64_t head = 0; head < 2 * t->heads && token >= 0; head++, x += 2 * pairs) { /* of queries, then of keys */
            if (t->halves)
                turn(pairs, pairs, 1, cosine, sine, sign, x);
            else
                turn(pairs, 1, 2, cosine, sine, sign, x);
        }
    }
}

void tleg_turn(const struct tleg_exec *exec, const struct tleg_turning *turning) {
    struct tleg_turning own = *turning;
    tleg_for_each(exec, tleg_ceil_div(own.rows, ROWS), turn_rows, &own);
}
