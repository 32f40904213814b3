/* Handing work to lanes, and the sizes of scratch. */
#include "kernels/table.h"

void tleg_scratch_join(struct tleg_scratch *a, struct tleg_scratch b) {
    a->shared = a->shared > b.shared ? a->shared : b.shared;
    a->lane = a->lane > b.lane ? a->lane : b.lane;
}

size_t tleg_floats_size(int64_t rows, int64_t columns) {
    size_t count, bytes;
    if (!tleg_size_mul((size_t)rows, (size_t)columns, &count) || !tleg_size_mul(count, sizeof(float), &bytes))
        return SIZE_MAX;
    return tleg_size_align(bytes);
}

size_t tleg_floats_place(const size_t *sizes, int64_t *const *places, size_t count) {
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        *places[i] = (int64_t)(sum / sizeof(float));
        if (!tleg_size_add(sum, sizes[i], &sum))
            return SIZE_MAX;
    }
    return sum;
}

struct queue {
    const struct tleg_exec *exec;
    int64_t count;
    atomic_llong next; /* the first item that nobody has taken */
    void (*fn)(void *arg, int64_t item, char *lane);
    void *arg;
};

static void drain(void *arg, int32_t lane) {
    struct queue *queue = arg;
    char *scratch = queue->exec->lane;
    if (scratch)
        scratch += (size_t)lane * queue->exec->lane_bytes;
    for (;;) {
        int64_t item = atomic_fetch_add_explicit(&queue->next, 1, memory_order_relaxed);
        if (item >= queue->count)
            return;
        queue->fn(queue->arg, item, scratch);
    }
}

void tleg_for_each(const struct tleg_exec *exec, int64_t count, void (*fn)(void *arg, int64_t item, char *lane), void *arg) {
    int64_t lanes = tleg_min64(count, exec->lanes);
    if (lanes <= 1) {
        for (int64_t item = 0; item < count; item++)
            fn(arg, item, exec->lane);
        return;
    }
    struct queue queue = {.exec = exec, .count = count, .fn = fn, .arg = arg};
    atomic_init(&queue.next, 0);
    const struct tleg_team_outcome outcome = tleg_team_run(exec->team, (int32_t)lanes, drain, &queue);
    if (outcome.status != TLEG_OK && exec->outcome)
        *exec->outcome = outcome;
}
