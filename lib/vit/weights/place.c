/* Places in one block of memory, one after the other. */
#include "vit/weights/weights.h"

size_t tleg_place(size_t *end, size_t count, size_t element) {
    size_t bytes, at = tleg_size_align(*end);
    if (*end == SIZE_MAX || !tleg_size_mul(count, element, &bytes) || !tleg_size_add(at, bytes, end))
        *end = SIZE_MAX;
    *end = tleg_size_align(*end);
    return at;
}

size_t tleg_place_rows(size_t *end, size_t rows, size_t columns) {
    size_t count = 0;
    if (!tleg_size_mul(rows, columns, &count))
        *end = SIZE_MAX;
    return tleg_place(end, count, sizeof(float));
}
