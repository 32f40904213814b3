/* Memory: the host's allocator, or the C library's. */
#include "core/core.h"

#include <stdlib.h>
#include <string.h>

static void *TLEG_CALL default_alloc(void *host, size_t size, size_t align) {
    void *memory = NULL;
    (void)host;
    return posix_memalign(&memory, align, size) == 0 ? memory : NULL;
}

static void TLEG_CALL default_release(void *host, void *memory, size_t size, size_t align) {
    (void)host, (void)size, (void)align;
    free(memory);
}

const struct tleg_allocator tleg_default_allocator = {default_alloc, default_release, NULL};

void *tleg_alloc(const struct tleg_allocator *allocator, size_t size) {
    if (size > PTRDIFF_MAX) /* no object may be larger: pointer differences would not fit */
        return NULL;
    return allocator->alloc(allocator->host, size > 0 ? size : 1, TLEG_ALIGN);
}

void *tleg_alloc_zero(const struct tleg_allocator *allocator, size_t size) {
    void *memory = tleg_alloc(allocator, size);
    if (memory)
        memset(memory, 0, size);
    return memory;
}

void tleg_release(const struct tleg_allocator *allocator, void *memory, size_t size) {
    if (memory)
        allocator->release(allocator->host, memory, size > 0 ? size : 1, TLEG_ALIGN);
}
