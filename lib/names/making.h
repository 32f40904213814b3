/* A derived file in the making: which tensors it has, of which pieces of the file's, and its metadata. */
#ifndef TLEG_LIB_NAMES_MAKING_H
#define TLEG_LIB_NAMES_MAKING_H

#include "names/private.h"

/* A list that grows. */
struct tleg_list {
    void *items;
    size_t count, room, width;
};

struct tleg_tensor_made {
    const char *kept; /* the name that it keeps; NULL: `name` */
    char name[TLEG_NAMES_TEXT];
    int32_t rank;
    int64_t shape[TLEG_MAX_RANK];
    size_t first, count; /* its pieces */
};

enum { TLEG_LEFT_OUT = 2 };
struct tleg_making {
    const struct tleg_naming *naming;
    const struct tleg_entry *entries; /* of the file's tensors */
    size_t entry_count;
    unsigned char *used;                  /* one for each entry: 1, or TLEG_LEFT_OUT */
    struct tleg_list made, pieces, pairs; /* of tleg_tensor_made, tleg_piece, tleg_pair */
    struct tleg_rule_text prefix;         /* of what is made, which is taken off later */
};

tleg_status tleg_making_begin(const struct tleg_naming *naming, struct tleg_making *making);
void tleg_making_end(const struct tleg_making *making);
tleg_status tleg_making_fail_memory(const struct tleg_making *making, size_t bytes);

/* The prefix of a pattern, which loses its "../"; a host's own rules have none. */
struct tleg_rule_text tleg_making_prefix(const struct tleg_making *making, struct tleg_rule_text *pattern);
/* A tensor as the rule has it, of what the pattern of its first piece has captured. */
tleg_status tleg_making_add(struct tleg_making *making, const struct tleg_rule *rule, const struct tleg_capture *capture);
/* The entry as it is, under the name. The name lives until the file is made, as numbers do. */
tleg_status tleg_making_keep(struct tleg_making *making, const struct tleg_entry *entry, const char *name);
/* Numbers that were computed; NULL: zeros. The name is copied. */
tleg_status tleg_making_compute(struct tleg_making *making, const char *name, const float *numbers, int32_t rank,
                                const int64_t shape[]);
tleg_status tleg_making_say(struct tleg_making *making, struct tleg_pair pair);

const char *tleg_made_name(const struct tleg_tensor_made *made);
/* The first entry that it is made of; NULL: none. */
const struct tleg_entry *tleg_made_source(const struct tleg_making *making, const struct tleg_tensor_made *made);
/* FORMAT where two tensors would have one name. */
tleg_status tleg_making_file(const struct tleg_making *making, tleg_file **named);

/* ---- rest.c ---- */
/* UNSUPPORTED or FORMAT for a tensor of the file's that no rule names, and whose want would be another answer. */
tleg_status tleg_making_check_rest(const struct tleg_making *making);

#endif
