/* How much of an image is left at a time, and the noise that comes in its place. */
#ifndef TLEG_LIB_DIT_NOISE_H
#define TLEG_LIB_DIT_NOISE_H

#include "config/spec.h"

/* a_t, the share of the image's variance that is left at time 0..TLEG_TIMES-1. */
double tleg_noise_kept(int64_t time);
/* noised = sqrt(a_t) image + sqrt(1 - a_t) noise; noised may be either. */
void tleg_noise_add(int64_t time, size_t count, const float *image, const float *noise, float *noised);
/* Normal numbers: the same on every machine. */
void tleg_noise_draw(struct tleg_random *random, size_t count, float *out);
/* Those that image `index` of a seed begins with. */
void tleg_noise_begin(uint64_t seed, int64_t index, size_t count, float *out);

#endif
