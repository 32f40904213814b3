/* A guess under way, between guess.c and guess_block.c. */
#ifndef TLEG_LIB_NAMES_GUESS_H
#define TLEG_LIB_NAMES_GUESS_H

#include "names/private.h"

enum {
    TLEG_GUESS_TEXT = 3 * TLEG_NAMES_TEXT,
    TLEG_GUESS_OTHERS = 16 /* tensors without a place that are named, outside the blocks and in one */
};
struct tleg_guess {
    tleg_context *context;
    const tleg_file *file;
    const struct tleg_entry *entries;
    int64_t count, dim;
    int64_t first;               /* the entry of the first layer that comes first */
    char layer[TLEG_NAMES_TEXT]; /* what stands before a layer's number */
};

/* Logs a line of the rules text. */
void tleg_guess_say(const struct tleg_guess *guess, const char *format, ...) TLEG_PRINTF(2, 3);

/* "PREFIX0.REST": the rest, when `name` is of the first layer; else NULL. */
const char *tleg_guess_rest(const struct tleg_guess *guess, const char *name);

/* Whether a name holds one of the words, with capitals as small letters; one with a mark where a word of the name begins,
 * "<pre", or where it is all of that word, "=m". */
bool tleg_guess_holds(const char *name, const char *words);
/* Whether it is a norm of queries or keys. */
bool tleg_guess_is_of_queries(const char *name);
/* Whether an entry is a bias whose weight is there, and needs no line of its own. */
bool tleg_guess_is_bias(const struct tleg_guess *guess, const struct tleg_entry *entry);
/* The entry's fellow: its name with `weight` replaced by `bias`, or NULL. */
const struct tleg_entry *tleg_guess_bias_of(const struct tleg_guess *guess, const struct tleg_entry *entry);

/* The lines for a block, by its first layer; whether it is PyTorch's nn.TransformerEncoderLayer, whose norms and activation are
 * settings. */
bool tleg_guess_block(const struct tleg_guess *guess);

#endif
