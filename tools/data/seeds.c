/* Seeds that follow from places, and what is drawn from them. */
#include "seeds.h"

/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). */
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t seed_of(uint64_t seed, enum seed_purpose purpose, uint64_t epoch, uint64_t place) {
    uint64_t state = seed;
    state = next(&state) + (uint64_t)purpose;
    state = next(&state) + epoch;
    state = next(&state) + place;
    return next(&state);
}

double seed_uniform(uint64_t seed) {
    return (double)(next(&seed) >> 11) * 0x1p-53;
}

/* Uniform in 0..limit-1: what would favour the small numbers is drawn again. */
static uint64_t below(uint64_t *state, uint64_t limit) {
    uint64_t drawn, most = UINT64_MAX - UINT64_MAX % limit;
    do
        drawn = next(state);
    while (drawn >= most);
    return drawn % limit;
}

void seed_shuffle(uint64_t seed, size_t *order, size_t count) {
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)below(&seed, i), last = order[i - 1];
        order[i - 1] = order[j];
        order[j] = last;
    }
}
