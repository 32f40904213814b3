/* Options of calls that open and save, written where they are used. */
#ifndef TLEG_TESTS_OPEN_WITH_H
#define TLEG_TESTS_OPEN_WITH_H

#include <tleg/file.h>

#define OPEN_WITH(flag_bits, head_count)                                                                                       \
    (&(tleg_open_options){.struct_size = sizeof(tleg_open_options), .flags = (flag_bits), .heads = (head_count)})

/* Options of a saving call: metadata of the host's. */
#define SAVE_WITH(pair_count, texts)                                                                                           \
    (&(tleg_save_options){.struct_size = sizeof(tleg_save_options), .pairs = (pair_count), .keys_and_values = (texts)})

#endif
