/* Random numbers that follow from a seed and a place alone, so that what is drawn for a picture does not depend on who draws
 * it, or when. */
#ifndef TLEG_TOOLS_SEEDS_H
#define TLEG_TOOLS_SEEDS_H

#include <stddef.h>
#include <stdint.h>

/* What a number is drawn for: the same places give other numbers for another purpose. */
enum seed_purpose { SEED_ORDER = 1, SEED_PICTURE, SEED_MIX };

uint64_t seed_of(uint64_t seed, enum seed_purpose purpose, uint64_t epoch, uint64_t place);
/* In [0, 1). */
double seed_uniform(uint64_t seed);
/* order becomes 0..count-1 in a random order. */
void seed_shuffle(uint64_t seed, size_t *order, size_t count);

#endif
