/* How much memory this process may still take. */
#ifndef TLEG_TOOLS_MEMORY_LEFT_H
#define TLEG_TOOLS_MEMORY_LEFT_H

#include <stdint.h>

/* Bytes: the least that the container (cgroups, version 1 and 2, with those above it), the process' own limits (address space,
 * data) and the machine leave; UINT64_MAX where none of them says. */
uint64_t memory_left(void);

#endif
