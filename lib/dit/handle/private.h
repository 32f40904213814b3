/* The generator, between the files of this room. */
#ifndef TLEG_LIB_DIT_HANDLE_PRIVATE_H
#define TLEG_LIB_DIT_HANDLE_PRIVATE_H

#include "dit/pass/noise.h"
#include "learngene/expander.h"
#include <tleg/generate.h>

/* One block of memory, the handle at its start, beside its session's. */
struct tleg_generator {
    struct tleg_error error;
    struct tleg_allocator allocator;
    tleg_session *session;
    const tleg_config *config; /* the network's, which the session holds */
    bool elastic;
    size_t bytes;   /* of this memory */
    int64_t rows;   /* images that the buffers hold: the session's batch, and 2 at least */
    float *images;  /* (rows, image): of a step under way */
    float *noise;   /* (rows, noise) */
    int64_t *times; /* (rows) */
    int64_t *labels;
};

/* ARGUMENT names the first of `count` labels that the network has not. NULL stands for the null label, if there is one. */
tleg_status tleg_generator_check_labels(struct tleg_error *error, const tleg_config *config, const char *what,
                                        const int64_t *labels, int64_t count);
/* ARGUMENT where `values` is not aligned, or has fewer floats than `batch` times `each`. */
tleg_status tleg_generator_check_floats(struct tleg_error *error, const char *what, const float *values, size_t floats,
                                        int64_t batch, size_t each);
/* The session's run, whose error becomes the generator's. */
tleg_status tleg_generator_go(tleg_generator *generator, const struct tleg_run *run);

#endif
