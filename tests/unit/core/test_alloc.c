/* The library's own allocator, and what it does with large blocks. */
#include "core/core.h"
#include "support/support.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Whether the mapping that holds an address has a flag, such as "hg": huge pages advised. False where nobody tells. */
static bool mapping_has(const void *address, const char *flag) {
    char line[512];
    bool inside = false, found = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long long from, to;
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
            inside = (uintptr_t)address >= from && (uintptr_t)address < to;
        if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    if (maps)
        fclose(maps);
    return found;
}

/* Usable to the last byte. */
static char *take(size_t size) {
    char *memory = tleg_alloc(&tleg_default_allocator, size);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % TLEG_ALIGN, 0);
    memset(memory, 1, size);
    return memory;
}

/* From the size of a huge page on. */
static const size_t large[] = {2097152, 2097153, 4194303, 4194305, 9999999};
enum { LARGE = sizeof large / sizeof large[0] };

static void large_memory_is_given_back_when_released(void **state) {
    (void)state;
    if (access("/proc/self/smaps", R_OK) != 0)
        SKIP("the system does not say what is mapped");
    for (size_t i = 0; i < LARGE; i++) {
        char *memory = take(large[i]);
        assert_true(mapping_has(memory, " rd") && mapping_has(memory + large[i] - 1, " rd"));
        tleg_release(&tleg_default_allocator, memory, large[i]);
        assert_false(mapping_has(memory, " rd") || mapping_has(memory + large[i] - 1, " rd"));
    }
}

static void huge_pages_are_asked_for_from_a_size_on(void **state) {
    (void)state;
    if (access("/proc/self/smaps", R_OK) != 0 || access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) != 0)
        SKIP("the system has no transparent huge pages, or does not say so");
    const size_t below = large[0] - 1;
    char *memory = take(below);
    assert_false(mapping_has(memory, " hg"));
    tleg_release(&tleg_default_allocator, memory, below);
    for (size_t i = 0; i < LARGE; i++) {
        memory = take(large[i]);
        assert_true(mapping_has(memory, " hg"));
        tleg_release(&tleg_default_allocator, memory, large[i]);
    }
}

/* The bytes from an address to the end of the mapping that holds it; 0 where nobody tells. */
static size_t mapped_from(const void *address) {
    char line[512];
    size_t left = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long long from, to;
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2 && (uintptr_t)address >= from && (uintptr_t)address < to)
            left = (size_t)(to - (uintptr_t)address);
    }
    if (maps)
        fclose(maps);
    return left;
}

/* What the library says of its memory is what a process holds: huge pages where one is filled, no more than a page besides. */
static void a_large_block_takes_no_more_than_its_size(void **state) {
    (void)state;
    if (access("/proc/self/maps", R_OK) != 0 || access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) != 0)
        SKIP("the system has no transparent huge pages, or does not say what is mapped");
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), huge = 2 << 20;
    for (size_t i = 0; i < LARGE; i++) {
        char *memory = take(large[i]), *last = memory + large[i] - 1;
        assert_true(mapped_from(last) <= page);
        if (large[i] % huge != 0)
            assert_false(mapping_has(last, " hg"));
        tleg_release(&tleg_default_allocator, memory, large[i]);
    }
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(large_memory_is_given_back_when_released),
                                       cmocka_unit_test(huge_pages_are_asked_for_from_a_size_on),
                                       cmocka_unit_test(a_large_block_takes_no_more_than_its_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
