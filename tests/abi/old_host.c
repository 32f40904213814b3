/* A host compiled with today's headers, for a library of another version: walks through every public call and prints a digest
 * of all results.   old_host SCRATCH-DIRECTORY */
#include "contract/every_call.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    struct visit visit = {.in_a_hurry = true};
    if (argc != 2 || strlen(argv[1]) + 2 > sizeof(visit.scratch))
        return 2;
    snprintf(visit.scratch, sizeof(visit.scratch), "%s/", argv[1]);
    if (tleg_context_create(NULL, &visit.context) != TLEG_OK)
        return 2;
    const tleg_status status = visit_all(&visit);
    if (status == TLEG_OK)
        printf("%llx\n", (unsigned long long)visit.digest);
    else
        printf("'%s' ended with %s: %s\n", visit.at, tleg_status_name(status), tleg_context_get_error(visit.context));
    visit_close(&visit);
    tleg_context_free(visit.context);
    return status != TLEG_OK;
}
