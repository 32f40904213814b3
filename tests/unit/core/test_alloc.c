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

/* Of 1.6 MiB on: usable to the last byte, huge pages asked for where the system has them, given back when released. */
static void large_memory_is_a_mapping_of_its_own(void **state) {
    (void)state;
    const size_t sizes[] = {1677721, 1677722, 2097152, 2097153, 4194305, 9999999};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *memory = tleg_alloc(&tleg_default_allocator, sizes[i]);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % TLEG_ALIGN, 0);
        memset(memory, 1, sizes[i]);
        if (sizes[i] > 1677721 && access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) == 0) {
            assert_true(mapping_has(memory, " hg"));
            assert_true(mapping_has(memory + sizes[i] - 1, " rd"));
            tleg_release(&tleg_default_allocator, memory, sizes[i]);
            assert_false(mapping_has(memory, " hg"));
        } else {
            tleg_release(&tleg_default_allocator, memory, sizes[i]);
        }
    }
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(large_memory_is_a_mapping_of_its_own)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
