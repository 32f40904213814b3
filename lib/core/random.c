/* Random numbers, the same on every machine: xoshiro256** (Blackman, Vigna, "Scrambled linear pseudorandom number generators",
 * 2018), seeded by splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). */
#include "core/core.h"

#include <float.h>
#include <math.h>

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void tleg_random_seed(struct tleg_random *random, uint64_t seed, uint64_t stream) {
    uint64_t mixed = seed;
    mixed = splitmix(&mixed) + stream; /* mixed once more below, so that (1, 2) and (2, 1) part */
    mixed = splitmix(&mixed);
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix(&mixed);
}

static uint64_t rotate_left(uint64_t x, int bits) {
    return (x << bits) | (x >> (64 - bits));
}

uint64_t tleg_random_next(struct tleg_random *random) {
    uint64_t *s = random->state;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double tleg_random_uniform(struct tleg_random *random) {
    return (double)(tleg_random_next(random) >> 11) * 0x1p-53;
}

/* Marsaglia's polar method: (u, v) uniform in the unit disc, s = u^2 + v^2, u sqrt(-2 log(s) / s) is normal. */
static double normal(struct tleg_random *random) {
    double u, s;
    do {
        u = 2 * tleg_random_uniform(random) - 1;
        const double v = 2 * tleg_random_uniform(random) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s < DBL_MIN);
    return u * sqrt(-2 * tleg_portable_log(s) / s);
}

double tleg_random_normal(struct tleg_random *random, double limit) {
    if (!(limit > 0))
        return 0;
    double x;
    do
        x = normal(random);
    while (!(fabs(x) <= limit));
    return x;
}
