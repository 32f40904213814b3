/* A host's allocator for tests: counts what is live, checks what comes back, and fails on request. */
#ifndef TLEG_TESTS_COUNTING_H
#define TLEG_TESTS_COUNTING_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/core.h>

struct counting {
    int64_t live_blocks;
    int64_t live_bytes;
    int64_t calls;
    int64_t fail_at;  /* this call fails, counted from 1; 0: none */
    int64_t mistakes; /* releases whose size or alignment is not what the block was allocated with */
};

/* In front of each block, as far as its alignment; what is handed out is filled so that nobody can rely on zeros. */
struct counting_block {
    size_t size, align;
};

static inline void *TLEG_CALL counting_alloc(void *host, size_t size, size_t align) {
    struct counting *counting = host;
    void *memory = NULL;
    if (++counting->calls == counting->fail_at || align < sizeof(struct counting_block) || size > SIZE_MAX - align ||
        posix_memalign(&memory, align, size + align) != 0)
        return NULL;
    *(struct counting_block *)memory = (struct counting_block){size, align};
    memset((char *)memory + align, 0xA5, size);
    counting->live_blocks++;
    counting->live_bytes += (int64_t)size;
    return (char *)memory + align;
}

static inline void TLEG_CALL counting_release(void *host, void *memory, size_t size, size_t align) {
    struct counting *counting = host;
    struct counting_block *block = (struct counting_block *)(void *)((char *)memory - align);
    counting->mistakes += block->size != size || block->align != align;
    counting->live_blocks--;
    counting->live_bytes -= (int64_t)block->size;
    free(block);
}

static inline tleg_context_options counting_options(struct counting *counting) {
    return (tleg_context_options){.struct_size = sizeof(tleg_context_options),
                                  .alloc = counting_alloc,
                                  .release = counting_release,
                                  .alloc_host = counting};
}

#endif
