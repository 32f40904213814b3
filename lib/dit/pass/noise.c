/* The variances of noise that DiT's authors took over from DDPM (Ho et al., 2020): b from 1e-4 to 2e-2 in a straight line. */
#include "dit/pass/noise.h"
#include <math.h>

double tleg_noise_kept(int64_t time) {
    static const double first = 1e-4, last = 2e-2;
    double kept = 1;
    for (int64_t s = 0; s <= time; s++)
        kept *= 1 - (first + (last - first) / (TLEG_TIMES - 1) * (double)s);
    return kept;
}

void tleg_noise_add(int64_t time, size_t count, const float *image, const float *noise, float *noised) {
    const double kept = tleg_noise_kept(time), of_image = sqrt(kept), of_noise = sqrt(1 - kept);
    for (size_t i = 0; i < count; i++)
        noised[i] = (float)(of_image * (double)image[i] + of_noise * (double)noise[i]);
}

void tleg_noise_draw(struct tleg_random *random, size_t count, float *out) {
    for (size_t i = 0; i < count; i++)
        out[i] = (float)tleg_random_normal(random, 100);
}

void tleg_noise_begin(uint64_t seed, int64_t index, size_t count, float *out) {
    struct tleg_random random;
    tleg_random_seed(&random, seed, (uint64_t)index);
    tleg_noise_draw(&random, count, out);
}
