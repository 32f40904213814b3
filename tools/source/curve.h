/* --curve, --count and --schedule: the tensors that a learngene's layers are sums of. */
#ifndef TLEG_TOOLS_CURVE_H
#define TLEG_TOOLS_CURVE_H

#include "base/options.h"

struct curve_options {
    int32_t curve, count; /* 0: not given */
    const char *schedule; /* NULL: not given */
    char text[512];       /* of the schedule that curve and count make */
};

extern const struct choice curve_choices[];
enum { CURVE_MOST = 16 }; /* tensors */

/* The three, for a verb's table of options. */
#define CURVE_OPTIONS(curves)                                                                                                  \
    {"--curve", OPTION_CHOICE, &(curves).curve, 0, 0, curve_choices},                                                          \
        {"--count", OPTION_COUNT, &(curves).count, 1, CURVE_MOST, NULL}, {                                                     \
        "--schedule", OPTION_TEXT, &(curves).schedule, 0, 0, NULL                                                              \
    }

/* Sets the schedule, NULL for base and ilayer, from what was given. Returns an exit code. */
int curve_settle(const struct invocation *call, struct curve_options *curves);

#endif
