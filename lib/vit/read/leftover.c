/* What of a file is not read: whether the answers may depend on it, and what is said of it. Names are those of the file that
 * was opened, which rules for names are about. */
#include "names/names.h"
#include "vit/read/private.h"

#include <stdio.h>
#include <string.h>

/* The name in the file that was opened; of what is made of several tensors, the first one's. */
static const char *origin(const struct tleg_entry *entry) {
    while (entry->piece_count > 0 && entry->pieces[0].source)
        entry = entry->pieces[0].source;
    return entry->name;
}

/* What is left over, and what is known of the network beside it. */
struct left {
    const struct tleg_config_reader *reader;
    const struct tleg_entry *entries;
    const unsigned char *used;
    int64_t count;
    const char *own; /* a name of the network's own; NULL: it has none in the file */
    size_t prefix;   /* bytes that all of those begin with, to a dot */
    bool text;       /* a text's tower is there */
};

/* ---- parts: all tensors under the shortest name that none which is read has ---- */

/* Bytes of `name` up to the end of the word that begins at `from`. */
static size_t word_end(const char *name, size_t from) {
    return from + strcspn(name + from, ".");
}

/* Whether the first `length` bytes of `name` are the whole of, or end at a dot in, `other`. */
static bool is_under(const char *other, const char *name, size_t length) {
    return strncmp(other, name, length) == 0 && (other[length] == '\0' || other[length] == '.');
}

static bool is_read_under(const struct left *left, const char *name, size_t length) {
    for (int64_t k = 0; k < left->count; k++)
        for (size_t piece = 0; left->used[k] && (piece == 0 || piece < left->entries[k].piece_count); piece++) {
            const struct tleg_entry *entry = &left->entries[k];
            const struct tleg_entry *source = entry->piece_count > 0 ? entry->pieces[piece].source : entry;
            if (source && is_under(origin(source), name, length))
                return true;
        }
    return false;
}

struct part {
    const char *name;
    size_t length;        /* of what all its tensors' names begin with */
    const char *word;     /* the last one of that */
    bool pictures, small; /* a tensor is shaped as if it reads pictures; or has as many numbers as they have channels, or one */
    bool tokens;          /* or as tokens and their places are */
    int matrices;
    const struct tleg_entry *reader; /* a matrix that may read what the network gives; NULL: there is none */
};

static void look_at(struct part *part, const struct tleg_entry *entry, const tleg_config *c) {
    const int64_t *shape = entry->shape, width = tleg_config_pooled(c), channels = c->channels;
    if (entry->rank == 2 && (shape[1] == c->dim || shape[1] == width) && !part->reader)
        part->reader = entry;
    part->matrices += entry->rank == 2;
    part->pictures = part->pictures || (entry->rank == 4 && (shape[1] == channels || (shape[0] == channels && shape[1] == 1)));
    part->tokens = part->tokens || (entry->rank == 3 && (shape[2] == c->dim || shape[0] == channels));
    part->small = part->small || entry->rank == 0 || (entry->rank == 1 && (shape[0] == 1 || shape[0] == channels)) ||
                  (entry->rank == 2 && (shape[0] == channels || shape[1] == channels));
}

/* Whether a name begins as all of the network's own do. */
static bool is_inside(const struct left *left, const char *name) {
    return left->prefix == 0 || strncmp(name, left->own, left->prefix) == 0;
}

/* The part that an entry which is not read is of. Of what all names of the network begin with, each word is read under. */
static struct part part_of(const struct left *left, const struct tleg_entry *entry) {
    struct part part = {.name = origin(entry)};
    part.word = part.name + (is_inside(left, part.name) ? left->prefix : 0);
    part.length = word_end(part.word, 0) + (size_t)(part.word - part.name);
    while (part.name[part.length] && is_read_under(left, part.name, part.length)) {
        part.word = part.name + part.length + 1;
        part.length = word_end(part.name, part.length + 1);
    }
    for (int64_t k = 0; k < left->count; k++)
        if (!left->used[k] && tleg_dtype_is_real(left->entries[k].dtype) &&
            is_under(origin(&left->entries[k]), part.name, part.length))
            look_at(&part, &left->entries[k], left->reader->c);
    return part;
}

/* ---- whether it matters ---- */

/* Where a part stands: beside a network that has a prefix, beside the network's own parts, or within one of them. */
enum place { OUTSIDE, BESIDE, WITHIN };
static enum place place_of(const struct left *left, const struct part *part) {
    if (!is_inside(left, part->name))
        return OUTSIDE;
    return part->word == part->name + left->prefix ? BESIDE : WITHIN;
}

static bool part_matters(const struct left *left, const struct part *part) {
    static const char rotary[] = "rope rope_embed rope_embeddings rotary_emb"; /* computed again */
    const enum tleg_other other = tleg_names_other(part->word);
    const enum place place = place_of(left, part);
    const tleg_config *c = left->reader->c;
    if (other == TLEG_OTHER_APART ||
        (other == TLEG_OTHER_TEXT && (left->text || (c->classes == 0 && strncmp(part->word, "logit_", 6) == 0))) ||
        (other == TLEG_OTHER_LEARNING && (place == OUTSIDE || !part->matrices)) ||
        (c->rotary != 0 && tleg_list_has(rotary, part->word, strcspn(part->word, "."))))
        return false;
    if (c->classes != 0 || part->pictures || part->tokens || (part->small && !part->reader))
        return true;
    return place == WITHIN || (place == BESIDE && !(other == TLEG_OTHER_BEHIND && part->reader));
}

/* The library's own files say themselves what must not be passed over (tleg.needs); integers count, and a tensor without
 * numbers is nothing. */
static bool may_matter(const struct left *left, int64_t index) {
    const struct tleg_entry *entry = &left->entries[index];
    if (left->used[index] || left->reader->gene || tleg_file_get_metadata(left->reader->file, "tleg.kind") ||
        strncmp(entry->name, "blocks.", 7) == 0 || !tleg_dtype_is_real(entry->dtype))
        return false;
    for (int32_t k = 0; k < entry->rank; k++)
        if (entry->shape[k] == 0)
            return false;
    return true;
}

/* The next part of which something may matter, from *at on, other than *part. Parts whose tensors do not lie together come
 * again. */
static bool next_part(const struct left *left, int64_t *at, struct part *part) {
    for (; *at < left->count; ++*at) {
        const struct tleg_entry *entry = &left->entries[*at];
        if (!may_matter(left, *at) || (part->name && is_under(origin(entry), part->name, part->length)))
            continue;
        *part = part_of(left, entry);
        return true;
    }
    return false;
}

/* ---- what is said ---- */

enum { NAMED = 3, NAME_SHOWN = 100, ADVICE = 2 * NAME_SHOWN + 80 }; /* names in a text, and bytes of each */
enum { MOST = 250 };                                                /* parts that are looked at, each among all tensors */

/* A rule for a part that is one matrix and reads features: of a head alone in its module, or in an nn.Sequential; of what
 * stands before a head one that gives what the head reads. A part under a head's name comes before another. */
static void advise(const struct left *left, const struct part *part, char text[ADVICE]) {
    const bool head = left->reader->c->classes == 0,
               named = tleg_list_has("head fc classifier clf", part->word, strcspn(part->word, "."));
    if (!part->reader || part->length == 0 || part->matrices != 1 || strlen(part->name) > NAME_SHOWN || (*text && !named) ||
        (!head && part->reader->shape[0] != tleg_config_pooled(left->reader->c)))
        return;
    const char *name = origin(part->reader), *dot = strrchr(name, '.');
    const size_t digits = strspn(name + part->length, ".0123456789");
    const size_t length = head ? part->length + digits : dot ? (size_t)(dot + 1 - name) : 0;
    if (strcmp(name + length, "weight") == 0 && strncmp(part->word, "lm_", 3) != 0)
        snprintf(text, ADVICE, "%s\"%.*s* -> %s.*\"%s", head ? "" : "such as ", (int)length, name, head ? "head" : "pre_logits",
                 head ? " if it is the head" : " where tanh stands between it and the head");
}

static tleg_status fail_parts(const struct left *left, const struct part *part) {
    return tleg_fail(
        left->reader->context, TLEG_ERROR_UNSUPPORTED,
        "%s: there are more than %d parts beside a Vision Transformer, such as \"%.*s\": leave out by rules for names "
        "(-> nothing) what the answers do not depend on",
        left->reader->label, MOST, NAME_SHOWN, part->name);
}

/* The network that is read is a teacher or an average of another one that is there as well. */
static tleg_status fail_teacher(const struct left *left, const struct part *part) {
    const int own = (int)left->prefix - 1;
    return tleg_fail(left->reader->context, TLEG_ERROR_UNSUPPORTED,
                     "%s: the network that was found is under \"%.*s.\", and there is \"%.*s\": leave out by rules for names "
                     "which is not meant, \"%.*s -> nothing\" or \"%.*s -> nothing\"",
                     left->reader->label, own, left->own, NAME_SHOWN, part->name, own, left->own, (int)part->length,
                     part->name);
}

static tleg_status refuse(const struct left *left) {
    char rules[NAMED * (NAME_SHOWN + 20)] = "", advice[ADVICE] = "";
    struct part said[NAMED], part = {0};
    int64_t at = 0;
    int count = 0;
    for (int parts = 0; count < NAMED && next_part(left, &at, &part); parts++) {
        bool new = part_matters(left, &part);
        if (parts == MOST)
            return fail_parts(left, &part);
        for (int i = 0; i < count; i++)
            new = new && !is_under(part.name, said[i].name, said[i].length);
        if (!new)
            continue;
        said[count++] = part;
        advise(left, &part, advice);
        if (part.length > 0 && part.length < NAME_SHOWN)
            snprintf(rules + strlen(rules), sizeof rules - strlen(rules), "%s\"%.*s -> nothing\"", *rules ? ", " : ": ",
                     (int)part.length, part.name);
    }
    if (count == 0)
        return TLEG_OK;
    if (left->prefix > 0 && tleg_names_other(left->own) == TLEG_OTHER_APART)
        return fail_teacher(left, &said[0]);
    return tleg_fail(left->reader->context, TLEG_ERROR_UNSUPPORTED,
                     "%s: tensor \"%.*s\" has no place in a Vision Transformer that this library computes, and the answers may "
                     "depend on it: say what it is by rules for names%s%s, or leave it out%s",
                     left->reader->label, NAME_SHOWN, said[0].name, *advice ? ", " : "", advice, rules);
}

static void note(const struct left *left, int64_t rest) {
    char text[NAMED * (NAME_SHOWN + 8)] = "";
    size_t length = 0;
    int named = 0;
    for (int64_t k = 0; k < left->count && named < NAMED; k++)
        if (!left->used[k])
            length += (size_t)snprintf(text + length, sizeof text - length, "%s\"%.*s\"", named++ ? ", " : "", NAME_SHOWN,
                                       origin(&left->entries[k]));
    tleg_log(left->reader->context, "%s: not used: %lld tensor(s), which the answers must not depend on: %s%s",
             left->reader->label, (long long)rest, text, rest > NAMED ? ", ..." : "");
}

/* Of a model without a head, what may be one. */
static void note_head(const struct left *left) {
    char advice[ADVICE] = "";
    struct part part = {0};
    for (int64_t at = 0; left->reader->c->classes == 0 && next_part(left, &at, &part);)
        if (tleg_names_other(part.word) != TLEG_OTHER_APART)
            advise(left, &part, advice);
    if (*advice)
        tleg_log(left->reader->context, "%s: read without a head, for features; rules for names: %s", left->reader->label,
                 advice);
}

/* What the network's own names begin with, as far as they are the file's: a folded embedding is of no one tensor. */
static void find_prefix(struct left *left) {
    for (int64_t k = 0; k < left->count; k++) {
        const struct tleg_entry *entry = &left->entries[k];
        const char *name = origin(entry);
        left->text = left->text || (!left->used[k] && (strstr(name, "token_embedding") || strstr(name, "text_")));
        if (!left->used[k] || (entry->piece_count > 0 && !entry->pieces[0].source) ||
            (strncmp(entry->name, "blocks.", 7) != 0 && strncmp(entry->name, "patch_embed.", 12) != 0))
            continue;
        size_t shared = 0;
        for (size_t i = 0; left->own ? i < left->prefix && name[i] == left->own[i] : name[i] != '\0'; i++)
            shared = name[i] == '.' ? i + 1 : shared;
        left->own = left->own ? left->own : name;
        left->prefix = shared;
    }
}

tleg_status tleg_read_leftover(const struct tleg_config_reader *reader, const struct tleg_entry *entries,
                               const unsigned char *used, int64_t count, const char ***ignored, size_t *bytes) {
    struct left left = {.reader = reader, .entries = entries, .used = used, .count = count};
    int64_t rest = 0;
    for (int64_t k = 0; k < count; k++)
        rest += !used[k];
    if (rest == 0)
        return TLEG_OK;
    find_prefix(&left);
    const tleg_status status = refuse(&left);
    if (status != TLEG_OK)
        return status;
    const size_t size = (size_t)rest * sizeof(char *);
    const char **names = tleg_alloc(&reader->context->allocator, size);
    if (!names)
        return tleg_fail_memory(reader->context, "the names of unused tensors", size);
    int64_t at = 0;
    for (int64_t k = 0; k < count; k++)
        if (!used[k])
            names[at++] = entries[k].name;
    note(&left, rest);
    note_head(&left);
    reader->c->ignored_count = rest;
    *ignored = names;
    *bytes = size;
    return TLEG_OK;
}
