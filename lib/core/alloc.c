/* Memory: the host's allocator, or our own: the C library's for small blocks, the system's for large ones. */
#include "core/core.h"
#include "core/os.h"

#include <string.h>

/* ---- large blocks ----
 * Touching fresh memory costs more than expanding a model into it, unless it comes in huge pages. A block of its own mapping
 * can ask for them, and leaves the C library's heap, which the host shares, as it was. */

static bool is_large(size_t size) {
    return TLEG_HUGE_PAGES && size >= TLEG_HUGE_PAGE;
}

/* What is left over when whole huge pages are filled lies in small ones, so that a process holds what a size says. */
static void *map_large(size_t size) {
    return tleg_os_map_memory(size, size / TLEG_HUGE_PAGE * TLEG_HUGE_PAGE);
}

/* ---- the default allocator ---- */

static void *TLEG_CALL default_alloc(void *host, size_t size, size_t align) {
    (void)host;
    return is_large(size) ? map_large(size) : tleg_os_allocate(size, align);
}

static void TLEG_CALL default_release(void *host, void *memory, size_t size, size_t align) {
    (void)host, (void)align;
    if (is_large(size))
        tleg_os_unmap(memory, size);
    else
        tleg_os_release(memory);
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
