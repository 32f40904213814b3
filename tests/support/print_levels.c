/* Two lines for the summary of tests/run.sh: the ways of computing that the suites run here, and those that they cannot. */
#include "support/support.h"
#include <stdio.h>
#include <string.h>

int main(void) {
    static const char *const all[] = {
#define LEVEL(NAME, name, ...) #name,
#include "core/levels.def"
#undef LEVEL
        "blas"};
    struct backend backends[MAX_BACKENDS];
    int32_t count = support_backends(backends);
    printf("levels run:");
    for (int32_t i = 0; i < count; i++) {
        printf(" %s", backends[i].name);
    }
    printf("\nlevels skipped:");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        bool runs = false;
        for (int32_t j = 0; j < count; j++) {
            runs = runs || strcmp(all[i], backends[j].name) == 0;
        }
        if (!runs) {
            printf(" %s", all[i]);
        }
    }
    printf(" (this build or this machine has none)\n");
    return 0;
}
