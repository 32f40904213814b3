/* The memory of a generator beside its session's: what a step's images, noise, times and labels lie in. */
#ifndef TLEG_LIB_DIT_DRAWING_H
#define TLEG_LIB_DIT_DRAWING_H

#include "config/spec.h"

enum {
    TLEG_DRAWING_HANDLE = sizeof(struct tleg_error) + 256
}; /* in front: struct tleg_generator, which a later room defines */

struct tleg_drawing_layout {
    int64_t rows;                               /* images that there is room for: the batch, and 2 at least */
    size_t images, noise, times, labels, bytes; /* SIZE_MAX: more than there can be */
};
void tleg_drawing_lay_out(const tleg_config *config, int32_t batch, struct tleg_drawing_layout *layout);

#endif
