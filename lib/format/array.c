/* Arrays that grow as a reader finds more. */
#include "format/private.h"

#include <string.h>

void *tleg_array_add(const struct tleg_allocator *allocator, struct tleg_array *array, size_t width) {
    if (array->count == array->room) {
        const size_t room = array->room ? array->room + array->room / 2 : 64;
        void *grown = tleg_alloc(allocator, room * width);
        if (!grown)
            return NULL;
        if (array->count > 0)
            memcpy(grown, array->items, array->count * width);
        tleg_release(allocator, array->items, array->room * width);
        array->items = grown;
        array->room = room;
    }
    return (char *)array->items + array->count++ * width;
}

void tleg_array_free(const struct tleg_allocator *allocator, struct tleg_array *array, size_t width) {
    tleg_release(allocator, array->items, array->room * width);
    *array = (struct tleg_array){0};
}
