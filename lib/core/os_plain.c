/* The operating system where a build does without a part of it: what ISO C gives, or an answer that it is not there. */
#include "core/os.h"

#if !TLEG_POSIX
#include <stdlib.h>
#include <time.h>

int64_t tleg_os_nanoseconds(void) {
    struct timespec now = {0};
    timespec_get(&now, TIME_UTC);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t tleg_os_thread_nanoseconds(void) {
    return tleg_os_nanoseconds();
}

void *tleg_os_allocate(size_t size, size_t align) {
    const size_t rounded = (size + align - 1) / align * align;
    return rounded >= size ? aligned_alloc(align, rounded) : NULL;
}

void tleg_os_release(void *memory) {
    free(memory);
}

int64_t tleg_os_process(void) {
    return 0;
}

struct tleg_os_origin tleg_os_origin_make(void) {
    return (struct tleg_os_origin){0};
}

bool tleg_os_origin_is_here(const struct tleg_os_origin *origin) {
    (void)origin;
    return true;
}

void tleg_os_origin_free(struct tleg_os_origin *origin) {
    (void)origin;
}

bool tleg_os_grant_tiles(void) {
    return false;
}
#endif

#if !TLEG_MAPPINGS
void tleg_os_unmap(const void *memory, size_t bytes) {
    (void)memory, (void)bytes;
}
#endif

#if !TLEG_HUGE_PAGES
void *tleg_os_map_memory(size_t bytes, size_t huge) {
    (void)bytes, (void)huge;
    return NULL;
}
#endif

/* ---- one thread: a lock is always free, and nobody waits ---- */

#if !TLEG_THREADS
bool tleg_os_lock_create(struct tleg_os_lock *lock) {
    (void)lock;
    return true;
}

void tleg_os_lock_free(struct tleg_os_lock *lock) {
    (void)lock;
}

void tleg_os_lock_take(struct tleg_os_lock *lock) {
    (void)lock;
}

void tleg_os_lock_leave(struct tleg_os_lock *lock) {
    (void)lock;
}

void tleg_os_lock_wait(struct tleg_os_lock *lock) {
    (void)lock;
}

void tleg_os_lock_wake(struct tleg_os_lock *lock) {
    (void)lock;
}

bool tleg_os_thread_start(tleg_os_thread *thread, void *(*fn)(void *arg), void *arg) {
    (void)thread, (void)fn, (void)arg;
    return false;
}

void tleg_os_thread_join(tleg_os_thread thread) {
    (void)thread;
}

void tleg_os_yield(void) {}
#endif
