/* A small option parser: each verb has a table of its options; those that all verbs take are here. */
#ifndef TLEG_TOOLS_OPTIONS_H
#define TLEG_TOOLS_OPTIONS_H

#include "extent.h"
#include "tool.h"

enum { MOST_BATCH = 65536 }; /* images at once, wherever a call chooses */

enum option_kind {
    OPTION_FLAG,   /* bool; takes no value */
    OPTION_COUNT,  /* int32_t, a whole number within [least, most] */
    OPTION_SEED,   /* uint64_t, any */
    OPTION_SIZE,   /* uint64_t bytes, at least `least`, with K, M, G or T for powers of 1024 */
    OPTION_REAL,   /* double > 0 */
    OPTION_AMOUNT, /* double >= 0 */
    OPTION_TRIPLE, /* double[3], "0.5,0.5,0.5" */
    OPTION_EXTENT, /* struct extent, "224" or, height first, "224x128" */
    OPTION_TEXT,   /* const char * */
    OPTION_CHOICE, /* int32_t, one of `choices` */
    OPTION_LEVEL   /* int32_t, "best" or a level that this machine has, by name */
};

struct choice {
    const char *name; /* NULL ends the list */
    int32_t value;
};

/* An option that was not given leaves its value as it was: start it at what "not given" means. */
struct option {
    const char *name; /* "--depth", "-o"; NULL ends the table */
    enum option_kind kind;
    void *value;
    int32_t least, most;
    const struct choice *choices;
};

bool options_read_seed(const char *text, uint64_t *seed); /* a whole number, all of the text */
/* A finite decimal number of 0 or more, from *text on, which then is after it. False: there is none. */
bool options_read_number(const char **text, double *value);

extern const struct choice option_dtypes[], option_norms[], option_pools[], option_interpolations[], option_fits[],
    option_position_filters[], option_activations[];
const char *option_choice_name(const struct choice *choices, int32_t value); /* NULL if none has it */

/* Options stand anywhere, as `--name value` or `--name=value`; after `--` all arguments are operands; the last of the same
 * name counts. Fills the call and the values that the table points at. Returns true to go on; else *code is the exit code, with
 * all said: help was asked for, or the use is wrong (also fewer than `least` or more than `most` operands). */
bool options_parse(const struct verb *verb, int argc, char **argv, const struct option *own, int least, int most,
                   struct invocation *call, int *code);

/* The options that all verbs take, as help shows them. */
extern const char options_shared_help[];

#endif
