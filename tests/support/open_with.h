/* Options of an opening call, written where they are used. */
#ifndef TLEG_TESTS_OPEN_WITH_H
#define TLEG_TESTS_OPEN_WITH_H

#include <tleg/file.h>

#define OPEN_WITH(flag_bits, head_count)                                                                                       \
    (&(tleg_open_options){.struct_size = sizeof(tleg_open_options), .flags = (flag_bits), .heads = (head_count)})

#endif
