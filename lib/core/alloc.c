/* Memory: the host's allocator, or our own: the C library's for small blocks, the system's for large ones. */
#include "core/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- large blocks ----
 * Touching fresh memory costs more than expanding a model into it, unless it comes in huge pages. A block of its own mapping
 * can ask for them, and leaves the C library's heap, which the host shares, as it was. */
enum { HUGE_PAGE = 2 << 20 };

#if defined(MADV_HUGEPAGE)
/* A multiple of HUGE_PAGE, and so of every system's page. */
static size_t mapped_bytes(size_t size) {
    return (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

/* Whether huge pages alone hold a block without taking a quarter more than its size. */
static bool fits_huge_pages(size_t size) {
    return mapped_bytes(size) - size <= size / 4;
}

static bool is_large(size_t size) {
    return size >= HUGE_PAGE || fits_huge_pages(size);
}

static void *map_large(size_t size) {
    size_t bytes = mapped_bytes(size);
    char *all = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return NULL;
    size_t before = (HUGE_PAGE - (uintptr_t)all % HUGE_PAGE) % HUGE_PAGE;
    char *memory = all + before;
    if (before > 0)
        munmap(all, before);
    munmap(memory + bytes, HUGE_PAGE - before);
    const int former = errno; /* it is advice: a refusal changes nothing */
    (void)madvise(memory, fits_huge_pages(size) ? bytes : size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    errno = former;
    return memory;
}

static void unmap_large(void *memory, size_t size) {
    munmap(memory, mapped_bytes(size));
}
#else
static bool is_large(size_t size) {
    (void)size;
    return false;
}
static void *map_large(size_t size) {
    (void)size;
    return NULL;
}
static void unmap_large(void *memory, size_t size) {
    (void)memory, (void)size;
}
#endif

/* ---- the default allocator ---- */

static void *TLEG_CALL default_alloc(void *host, size_t size, size_t align) {
    void *memory = NULL;
    (void)host;
    if (is_large(size))
        return map_large(size);
    return posix_memalign(&memory, align, size) == 0 ? memory : NULL;
}

static void TLEG_CALL default_release(void *host, void *memory, size_t size, size_t align) {
    (void)host, (void)align;
    if (is_large(size))
        unmap_large(memory, size);
    else
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
