/* Small helpers: UTF-8, sorting without memory. */
#include "format/private.h"

#include <string.h>

static void swap(unsigned char *a, unsigned char *b, size_t width) {
    unsigned char kept[TLEG_SORT_WIDTH];
    memcpy(kept, a, width);
    memcpy(a, b, width);
    memcpy(b, kept, width);
}

/* Lets the item at `root` sink until neither child is larger. */
static void sink(unsigned char *items, size_t root, size_t count, size_t width, int (*compare)(const void *, const void *)) {
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare(items + child * width, items + (child + 1) * width) < 0)
            child++;
        if (compare(items + root * width, items + child * width) >= 0)
            return;
        swap(items + root * width, items + child * width, width);
    }
}

static bool is_sorted(const unsigned char *items, size_t count, size_t width, int (*compare)(const void *, const void *)) {
    for (size_t i = 1; i < count; i++)
        if (compare(items + (i - 1) * width, items + i * width) > 0)
            return false;
    return true;
}

/* qsort may allocate behind the allocator's back. Tensors mostly lie in the header's order: then there is nothing to do. */
void tleg_sort(void *items, size_t count, size_t width, int (*compare)(const void *a, const void *b)) {
    if (is_sorted(items, count, width, compare))
        return;
    for (size_t root = count / 2; root-- > 0;)
        sink(items, root, count, width, compare);
    for (size_t end = count; end > 1; end--) {
        swap(items, (unsigned char *)items + (end - 1) * width, width);
        sink(items, 0, end - 1, width, compare);
    }
}

int tleg_compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}
