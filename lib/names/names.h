/* Other people's names for the parts of a Vision Transformer, brought to those that the library's readers know (timm's). */
#ifndef TLEG_LIB_NAMES_H
#define TLEG_LIB_NAMES_H

#include "format/format.h"

/* The same file under the library's names, with keys that say what its family means besides. `rules` is the host's text (see
 * include/tleg/file.h), or NULL: then the layout is recognised, and a file of none that is known stays as it is. FORMAT names
 * the tensor or the line; UNSUPPORTED names the family and the part that the library does not compute. */
tleg_status tleg_names_read(tleg_context *context, const tleg_file *file, const char *rules, tleg_file **named);

/* The key of a file without keys of its own of which a host's rules or the texts beside it say a part: what they do not say is
 * as in one without any. It is never written. */
#define TLEG_RULES_OF_A_PART "tleg.rules_of_a_part"
/* Whether a file has keys of its own, that begin with "tleg."; or is said the eps of, as a whole network's texts do. */
bool tleg_names_has_keys(const tleg_file *file);

/* What a part beside a network is, by the word that its name begins with. */
enum tleg_other {
    TLEG_OTHER_UNKNOWN,
    TLEG_OTHER_APART,    /* the network's answers do not depend on it */
    TLEG_OTHER_TEXT,     /* nor on this, where a text's tower is */
    TLEG_OTHER_LEARNING, /* nor on this, outside the network */
    TLEG_OTHER_BEHIND    /* it reads features */
};
enum tleg_other tleg_names_other(const char *name);

/* ---- the table of families (families.c) ---- */
enum { TLEG_FAMILY_SIGNS = 2, TLEG_RULE_TEXTS = 3 };
struct tleg_family {
    const char *name; /* "a Hugging Face ViT" */
    /* Tensors by which it is known, relative to what stands before the first of them; `lacks` is one that it does not have. {}
     * is 0 here. NULL: none. */
    const char *sign, *with[TLEG_FAMILY_SIGNS], *lacks;
    bool folds;          /* a norm of pixels stands before its patch embedding (fold.c) */
    bool gated;          /* fc1 gives twice what fc2 reads */
    bool flat;           /* `sign` is a matrix (D, P P C) where others have a convolution */
    int64_t dim;         /* the first size of `sign`, where names alone do not tell it; 0: any */
    const char *refused; /* the part that the library does not compute; NULL: it is read */
    bool other;          /* another network, which may stand beside a Vision Transformer */
    /* Texts as a host's rules are, up to a NULL, relative to the prefix as well; "../" is the prefix without its last word.
     * What families share is a text of its own, which lies in memory once. */
    const char *rules[TLEG_RULE_TEXTS];
    bool rest;           /* what no rule names keeps its name, without the prefix: most of it are the library's */
    const char *assumed; /* what its files do not say, and is taken for granted; NULL: nothing */
};
/* The rules of the projection that OpenCLIP has beside a tower of timm's, whichever family that is of. */
extern const char tleg_family_projection[];
/* The family at `index`, in the order in which they are looked for; NULL past the end. */
const struct tleg_family *tleg_family_at(size_t index);

#endif
