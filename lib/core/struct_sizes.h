/* The bytes of each public struct in version 0.2: no smaller struct_size is taken, whatever later versions append. A line never
 * changes once its version is out; a new struct gets a new line. Every struct is a multiple of 8 bytes, and grows by such. */
#ifndef TLEG_LIB_STRUCT_SIZES_H
#define TLEG_LIB_STRUCT_SIZES_H

/* Members of 4 bytes, members of 8 bytes, pointers. */
#define TLEG_LEAST(fours, eights, pointers) (int)(4 * (fours) + 8 * (eights) + sizeof(void *) * (pointers))

enum {
    TLEG_LEAST_CONTEXT_OPTIONS = TLEG_LEAST(4, 1, 10),
    TLEG_LEAST_TENSOR_INFO = TLEG_LEAST(4, 9, 2),
    TLEG_LEAST_OPEN_OPTIONS = TLEG_LEAST(4, 0, 0),
    TLEG_LEAST_SAVE_OPTIONS = TLEG_LEAST(4, 1, 2),
    TLEG_LEAST_SOURCE = TLEG_LEAST(2, 1, 4),
    TLEG_LEAST_SCORES = TLEG_LEAST(2, 1, 4),
    TLEG_LEAST_CONFIG = TLEG_LEAST(18, 10, 4),
    TLEG_LEAST_EXPANDER_OPTIONS = TLEG_LEAST(6, 1, 0),
    TLEG_LEAST_COST = TLEG_LEAST(2, 6, 0),
    TLEG_LEAST_BUDGET = TLEG_LEAST(2, 2, 0),
    TLEG_LEAST_BEST = TLEG_LEAST(4, 3, 0),
    TLEG_LEAST_SESSION_OPTIONS = TLEG_LEAST(2, 0, 0),
    TLEG_LEAST_SESSION_INFO = TLEG_LEAST(6, 4, 0),
    TLEG_LEAST_IMAGE = TLEG_LEAST(4, 1, 2),
    TLEG_LEAST_PREPARATION_OPTIONS = TLEG_LEAST(2, 7, 0),
    TLEG_LEAST_PREPARATION_INFO = TLEG_LEAST(2, 8, 0),
    TLEG_LEAST_BLOCK_OPTIONS = TLEG_LEAST(2, 1, 12),
    TLEG_LEAST_BLOCK_GRADIENTS = TLEG_LEAST(2, 0, 12),
    TLEG_LEAST_GENERATOR_OPTIONS = TLEG_LEAST(2, 0, 0),
    TLEG_LEAST_GENERATOR_INFO = TLEG_LEAST(10, 3, 0),
    TLEG_LEAST_SAMPLE_OPTIONS = TLEG_LEAST(2, 3, 6),
    TLEG_LEAST_TRAINER_OPTIONS = TLEG_LEAST(10, 11, 4),
    TLEG_LEAST_TRAIN_BATCH = TLEG_LEAST(2, 1, 4),
    TLEG_LEAST_TRAIN_LOSS = TLEG_LEAST(2, 4, 0),
    TLEG_LEAST_TRAIN_RATE = TLEG_LEAST(4, 3, 0),
    TLEG_LEAST_AUGMENT_OPTIONS = TLEG_LEAST(6, 6, 0),
    TLEG_LEAST_MIX_OPTIONS = TLEG_LEAST(2, 3, 0)
};

#endif
