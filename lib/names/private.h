/* What the files of this room share among themselves. */
#ifndef TLEG_LIB_NAMES_PRIVATE_H
#define TLEG_LIB_NAMES_PRIVATE_H

#include "names/names.h"

/* ---- rule.c: one line of a rules text ---- */
enum { TLEG_RULE_PIECES = 8, TLEG_NAMES_TEXT = 256 };
struct tleg_rule_text { /* part of the rules, without a NUL */
    const char *text;
    size_t length;
};
struct tleg_rule_piece {
    struct tleg_rule_text name;
    bool zeros, turned, patches;
    int64_t first, end; /* rows; end -1: to the last */
    int64_t parts;      /* first and end count parts of so many alike; 0: rows */
};
struct tleg_rule {
    int64_t line;       /* from 1; 0: there is none left */
    size_t piece_count; /* 0: a key and its value */
    bool nothing;       /* what the one piece names, and all whose names go on with a dot, are left out */
    struct tleg_rule_piece pieces[TLEG_RULE_PIECES];
    struct tleg_rule_text target, value;
};
/* The next rule of *text, which moves past it. FORMAT names the line. */
tleg_status tleg_rule_next(tleg_context *context, const char **text, int64_t *line, struct tleg_rule *rule);
bool tleg_rule_is_whole(const struct tleg_rule *rule); /* it has one tensor, all of it */
struct tleg_rule_cursor {                              /* how far several texts are read */
    size_t index;
    const char *text;
    int64_t line;
};
/* The next rule of the texts, TLEG_RULE_TEXTS of them or up to a NULL; its line is 0 where there is none left. */
tleg_status tleg_rules_next(tleg_context *context, const char *const rules[], struct tleg_rule_cursor *at,
                            struct tleg_rule *rule);

/* What the one {} and the one * of a pattern stand for. */
struct tleg_capture {
    struct tleg_rule_text layer, word;
};
bool tleg_pattern_match(struct tleg_rule_text pattern, const char *name, struct tleg_capture *capture);
bool tleg_pattern_covers(struct tleg_rule_text pattern, const char *name); /* or the name goes on with a dot */
/* The prefix without its last word, for a pattern that begins with "../", which it loses; else the prefix. */
struct tleg_rule_text tleg_pattern_prefix(struct tleg_rule_text prefix, struct tleg_rule_text *pattern);
/* `name` without the prefix, or NULL when it has another. */
const char *tleg_prefix_strip(const char *name, struct tleg_rule_text prefix);
/* The pattern with what it stands for, after `prefix`; false when it is too long. */
bool tleg_pattern_fill(struct tleg_rule_text pattern, struct tleg_rule_text prefix, const struct tleg_capture *capture,
                       char out[TLEG_NAMES_TEXT]);

/* ---- names.c ---- */
bool tleg_names_ends(const char *name, const char *end);
/* The tensor called as `name` is but for its end, or NULL. */
const struct tleg_entry *tleg_names_fellow(const tleg_file *file, const char *name, const char *end, const char *other);
/* Whether names end as the library's do, for patches and for attention: whoever reads them knows better what is missing. */
bool tleg_names_are_ours(const tleg_file *file);

/* The channels and the side of a square patch of so many numbers, 3 P P or P P; false when there is none. */
bool tleg_names_patch(int64_t numbers, int32_t *channels, int64_t *side);

/* ---- unwrap.c ---- */
/* The file with names without the words of wrappers (torch.compile's, DataParallel's); NULL where none stands in the middle of
 * one. FORMAT where two would be the same. */
tleg_status tleg_names_unwrap(tleg_context *context, const tleg_file *file, tleg_file **unwrapped);

/* ---- recognise.c ---- */
/* Whether PREFIX + name is there, for one of the names, which stand between bars; {} is 0. */
bool tleg_names_has(const tleg_file *file, struct tleg_rule_text prefix, const char *names);
/* The family of the file, or NULL, and what stands before its names. UNSUPPORTED when it is refused; FORMAT when there are
 * several of it and nothing says which is meant. */
tleg_status tleg_names_recognise(tleg_context *context, const tleg_file *file, const struct tleg_family **family,
                                 struct tleg_rule_text *prefix);

/* ---- guess.c ---- */
/* Logs a first guess of rules for a layout that is not known. */
void tleg_names_guess(tleg_context *context, const tleg_file *file);

/* ---- config.c ---- */
struct tleg_names_facts { /* of the weights, under the library's names; 0: unknown */
    int64_t dim, depth, hidden, channels, image, classes;
    int64_t attention; /* the width of all heads together */
    int64_t patch, patch_width;
    int64_t rows, prefix, registers; /* of the position embedding, and of the tokens before the patches */
    bool placeless;                  /* there is no position embedding */
    bool gated;                      /* fc1 has other rows than fc2 has columns */
    const char *family;              /* by whose names they are known; NULL: none */
};
/* Whether a metadata key is a text that tleg_names_config reads. */
bool tleg_names_is_config(const char *key);
/* The texts beside the weights as rules, in *bytes of the context's memory. FORMAT names the text and the member that is wrong
 * or contradicts the weights. */
tleg_status tleg_names_config(tleg_context *context, const tleg_file *file, const struct tleg_names_facts *facts, char **rules,
                              size_t *bytes);

/* ---- fold.c ---- */
struct tleg_fold {                       /* a patch embedding with the factors of the norm before it */
    const struct tleg_entry *entries[4]; /* of what it is made */
    int64_t dim, pixels;
    int32_t channels;
    int64_t side;         /* of a patch */
    float *matrix, *bias; /* (dim, C, P, P), (dim), in `bytes` of the context's memory */
    size_t bytes;
};
tleg_status tleg_names_fold(tleg_context *context, const tleg_file *file, struct tleg_rule_text prefix, struct tleg_fold *fold);

/* ---- apply.c ---- */
struct tleg_naming {
    tleg_context *context;
    const tleg_file *file;
    const struct tleg_family *family;   /* NULL: the host's own rules */
    const char *after;                  /* the host's rules, applied before: what they named and said stays; NULL: none were */
    const char *rules[TLEG_RULE_TEXTS]; /* up to a NULL */
    struct tleg_rule_text prefix;
    bool first; /* the texts beside the weights are left for a second time, which knows more of the weights */
};
tleg_status tleg_names_apply(const struct tleg_naming *naming, tleg_file **named);

#endif
