/* The input of a generator out of a safetensors file: images and noise, the times at which the one is mixed with the other, and
 * labels. */
#ifndef TLEG_TOOLS_NOISED_H
#define TLEG_TOOLS_NOISED_H

#include "base/tool.h"

enum noised_part { NOISED_NOISE, NOISED_LABELS, NOISED_IMAGES, NOISED_TIMES, NOISED_PARTS };

struct noised {
    tleg_tensor *tensors[NOISED_PARTS];
    int64_t count;               /* images */
    const float *noise, *images; /* (count, channels, image_size, image_size) */
    const int64_t *labels, *times;
};

/* Reads "noise" f32 [B,C,I,I] and "labels" i64 [B]; with `all` "images" and "times" as well. B is at least 1, and one number
 * for all. Returns an exit code; noised_free is right after a failure too. */
int noised_read(const struct invocation *call, tleg_context *context, const char *path, const tleg_config *config, bool all,
                struct noised *noised);
void noised_free(struct noised *noised);

#endif
