/* What sizes are sane, and the defaults that do not depend on a file (limits.c). */
#ifndef TLEG_LIB_CONFIG_LIMITS_H
#define TLEG_LIB_CONFIG_LIMITS_H

#include "core/core.h"

/* What is sane: every product of these sizes fits in 63 bits with room for the batch. */
enum {
    TLEG_MAX_IMAGE = 16384,
    TLEG_MAX_DIM = 65536,
    TLEG_MAX_HIDDEN = 262144,
    TLEG_MAX_CLASSES = 1048576,
    TLEG_MAX_GRID = 1024, /* patches along a side */
    TLEG_MAX_REGISTERS = 1024
};
#define TLEG_MAX_CHANNELS 64 /* of what generators draw */
#define TLEG_MOST_ROTARY_BASE 1e12
#define TLEG_MOST_COLOUR 1e30 /* of a mean and a std */
/* One of these three as a text. */
#define TLEG_LIMIT_TEXT(limit) TLEG_LIMIT_WORDS(limit)
#define TLEG_LIMIT_WORDS(words) #words
/* As files have TLEG_INTERPOLATION_* and the like, in their order from 1, with NULL at the end. */
extern const char *const tleg_interpolation_words[],
    *const tleg_fit_words[], *const tleg_mlp_words[], *const tleg_pool_words[], *const tleg_branch_norm_words[],
                                                                                    *const tleg_rotary_words[];
double tleg_default_rotary_base(int32_t rotary);
double tleg_default_crop(struct tleg_extent pixels);
/* What generators' images are: numbers in -1..1. */
void tleg_fill_plain_colours(double mean[3], double std[3]);
/* Fills in ImageNet's colours where a configuration has none: a std of zeros. Beside a std that is given, a mean of 0 is meant.
 * Of one channel the first numbers alone count, and the others become the same. */
void tleg_fill_colours(int32_t channels, double mean[3], double std[3]);

#endif
