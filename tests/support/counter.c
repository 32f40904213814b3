#include "support/counter.h"
#include "support/sgemm.h"
#include <stdlib.h>
#include <string.h>

/* Before each block stands what it was asked with, so that a wrong release is seen. */
struct mark {
    void *memory; /* what malloc gave */
    size_t size, align;
    uint64_t magic;
};
static const uint64_t MAGIC = UINT64_C(0x746c65672d746573);

static void *TLEG_CALL counted_alloc(void *host, size_t size, size_t align) {
    struct counter *counter = host;
    if (atomic_fetch_add(&counter->calls, 1) + 1 == atomic_load(&counter->fail_at)) {
        return NULL;
    }
    if (align == 0 || (align & (align - 1)) != 0 || size == 0 || size > SIZE_MAX / 4) {
        atomic_fetch_add(&counter->wrong, size <= SIZE_MAX / 4 ? 1 : 0);
        return NULL;
    }
    size_t step = align > sizeof(void *) ? align : sizeof(void *), lead = sizeof(struct mark) + step;
    char *memory = malloc(lead + size);
    if (memory == NULL) {
        return NULL;
    }
    char *block = memory + lead - ((uintptr_t)(memory + lead) & (step - 1));
    memset(block, 0xa5, size); /* garbage: what is read before it is written is seen */
    struct mark mark = {memory, size, align, MAGIC};
    memcpy(block - sizeof mark, &mark, sizeof mark);
    atomic_fetch_add(&counter->live, 1);
    atomic_fetch_add(&counter->total_bytes, (long long)size);
    long long now = atomic_fetch_add(&counter->live_bytes, (long long)size) + (long long)size;
    long long peak = atomic_load(&counter->peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&counter->peak_bytes, &peak, now)) {
    }
    return block;
}

static void TLEG_CALL counted_release(void *host, void *memory, size_t size, size_t align) {
    struct counter *counter = host;
    struct mark mark;
    if (memory == NULL) {
        atomic_fetch_add(&counter->wrong, 1);
        return;
    }
    memcpy(&mark, (char *)memory - sizeof mark, sizeof mark);
    if (mark.magic != MAGIC || mark.size != size || mark.align != align) {
        atomic_fetch_add(&counter->wrong, 1);
        return;
    }
    memset((char *)memory - sizeof mark, 0, sizeof mark);
    atomic_fetch_sub(&counter->live, 1);
    atomic_fetch_sub(&counter->live_bytes, (long long)size);
    free(mark.memory);
}

void support_counter(struct counter *counter) {
    memset(counter, 0, sizeof *counter);
}

tleg_context_options support_counted(struct counter *counter) {
    return (tleg_context_options){.struct_size = sizeof(tleg_context_options),
                                  .alloc = counted_alloc,
                                  .release = counted_release,
                                  .alloc_host = counter,
                                  .sgemm = support_sgemm};
}
