/* Lists that grow by one. */
#ifndef TLEG_TOOLS_GROW_H
#define TLEG_TOOLS_GROW_H

#include <stdint.h>
#include <stdlib.h>

/* Room for one more item of `size` bytes; NULL, with the old items kept, when there is no memory. It doubles, since an
 * allocator may copy all items each time. */
static inline void *grow(void *items, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity)
        return items;
    const size_t more = *capacity == 0 ? 16 : 2 * *capacity;
    void *grown = more > SIZE_MAX / size ? NULL : realloc(items, more * size);
    if (grown != NULL)
        *capacity = more;
    return grown;
}

#endif
