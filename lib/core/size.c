/* Sizes that cannot wrap around. */
#include "core/core.h"

bool tleg_size_mul(size_t a, size_t b, size_t *out) {
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

bool tleg_size_add(size_t a, size_t b, size_t *out) {
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

size_t tleg_size_align(size_t size) {
    const size_t mask = TLEG_ALIGN - 1;
    return size > SIZE_MAX - mask ? SIZE_MAX : (size + mask) & ~mask;
}

bool tleg_size_product(const int64_t *shape, int32_t rank, size_t *out) {
    size_t product = 1;
    bool empty = false; /* a size of 0 makes the product 0 even if the others overflow, in any order */
    bool fits = true;
    for (int32_t i = 0; i < rank; i++) {
        if (shape[i] < 0)
            return false;
        empty = empty || shape[i] == 0;
        fits = fits && (uint64_t)shape[i] <= SIZE_MAX && tleg_size_mul(product, (size_t)shape[i], &product);
    }
    *out = empty ? 0 : product;
    return empty || fits;
}

bool tleg_size_countable(const int64_t *shape, int32_t rank) {
    int64_t left = (int64_t)1 << 40;
    for (int32_t i = 0; i < rank && left > 0; i++)
        left = shape[i] < 0 ? 0 : shape[i] > 0 ? left / shape[i] : left;
    return left > 0;
}

int64_t tleg_size_root(int64_t number) {
    int64_t root = 0;
    while (root < 65536 && (root + 1) * (root + 1) <= number)
        root++;
    return root;
}

bool tleg_size_is_square(int64_t number, int64_t *side) {
    *side = tleg_size_root(number);
    return *side > 0 && *side * *side == number;
}
