/* Rules applied to a file: a derived one, whose tensors have the new names. */
#include "names/private.h"

#include <stdio.h>
#include <string.h>

struct made {
    const char *kept; /* the name that it keeps; NULL: `name` */
    char name[TLEG_NAMES_TEXT];
    int32_t rank;
    int64_t shape[TLEG_MAX_RANK];
    size_t first, count; /* its pieces */
};

/* A list that grows. */
struct list {
    void *items;
    size_t count, room, width;
};

/* Keys and values, which take less than the rules that they are of. */
struct arena {
    char *texts;
    size_t bytes, length;
};

enum { LEFT_OUT = 2 };
struct work {
    const struct tleg_naming *naming;
    const struct tleg_entry *entries;
    size_t entry_count;
    unsigned char *used; /* one for each entry: 1, or LEFT_OUT */
    struct list made, pieces, pairs;
    struct arena arenas[2]; /* of the rules, and of the config's */
    struct tleg_fold fold;
};

static tleg_status fail_memory(const struct work *work, size_t bytes) {
    return tleg_fail_memory(work->naming->context, "names", bytes);
}

/* Room for one more item; *item is it, zeroed. */
static tleg_status add(const struct work *work, struct list *list, void **item) {
    const struct tleg_allocator *allocator = &work->naming->context->allocator;
    if (list->count == list->room) {
        const size_t room = list->room > 0 ? list->room * 2 : 64;
        size_t bytes;
        void *items = tleg_size_mul(room, list->width, &bytes) ? tleg_alloc_zero(allocator, bytes) : NULL;
        if (!items)
            return fail_memory(work, list->width * list->room);
        if (list->count > 0)
            memcpy(items, list->items, list->count * list->width);
        tleg_release(allocator, list->items, list->room * list->width);
        list->items = items;
        list->room = room;
    }
    *item = (char *)list->items + list->count++ * list->width;
    return TLEG_OK;
}

/* ---- prefixes ---- */

/* The prefix of a pattern, which loses its "../"; a host's own rules have none. */
static struct tleg_rule_text prefix_of(const struct tleg_naming *naming, struct tleg_rule_text *pattern) {
    return naming->family ? tleg_pattern_prefix(naming->prefix, pattern) : naming->prefix;
}

/* `name` without the prefix, or NULL when it has another. */
static const char *strip(const char *name, struct tleg_rule_text prefix) {
    return prefix.length == 0 || strncmp(name, prefix.text, prefix.length) == 0 ? name + prefix.length : NULL;
}

/* ---- shapes ---- */

/* A tensor as rows of numbers: (rows) or (rows, width). */
static void as_rows(const struct tleg_entry *entry, int64_t *rows, int64_t *width) {
    *rows = 1;
    *width = entry->rank > 1 ? entry->shape[entry->rank - 1] : 1;
    for (int32_t k = 0; k < (entry->rank > 1 ? entry->rank - 1 : entry->rank); k++)
        *rows *= entry->shape[k];
}

bool tleg_names_is_square(int64_t number, int64_t *side) {
    for (*side = 1; *side * *side < number && *side < 65536;)
        ++*side;
    return *side * *side == number;
}

/* 3*P*P or P*P, never both. */
bool tleg_names_patch(int64_t numbers, int32_t *channels, int64_t *side) {
    *channels = numbers % 3 == 0 && tleg_names_is_square(numbers / 3, side) ? 3 : tleg_names_is_square(numbers, side) ? 1 : 0;
    return *channels != 0 && numbers != 0;
}

/* (D, n) as a convolution (D, C, P, P). */
static bool as_convolution(struct made *made, int32_t *channels) {
    int64_t side;
    if (!tleg_names_patch(made->shape[1], channels, &side))
        return false;
    made->rank = 4;
    made->shape[1] = *channels;
    made->shape[2] = made->shape[3] = side;
    return true;
}

/* Tokens and positions have three axes in the library's files. */
static void lead_axes(struct made *made) {
    const bool leads = tleg_list_has("cls_token dist_token reg_token pos_embed", made->name, strlen(made->name));
    while (leads && made->rank > 0 && made->rank < 3) {
        memmove(made->shape + 1, made->shape, (size_t)made->rank * sizeof *made->shape);
        made->shape[0] = 1;
        made->rank++;
    }
    if (strcmp(made->name, "pos_embed") != 0)
        return;
    if (made->rank == 3 && made->shape[1] == 1) { /* of tokens that come first */
        made->shape[1] = made->shape[0];
        made->shape[0] = 1;
    }
    if (made->rank == 4 && made->shape[1] == made->shape[2]) { /* (1, G, G, D) */
        made->rank = 3;
        made->shape[1] *= made->shape[2];
        made->shape[2] = made->shape[3];
    }
}

/* ---- one tensor ---- */

static tleg_status fail_piece(const struct work *work, const struct tleg_rule *rule, const struct tleg_entry *entry,
                              const char *expected) {
    char shape[TLEG_SHAPE_TEXT];
    return tleg_fail(work->naming->context, TLEG_ERROR_FORMAT, "%s: tensor \"%s\", for '%.*s': expected %s, found %s of %s",
                     tleg_file_label(work->naming->file), entry->name, (int)rule->target.length, rule->target.text, expected,
                     tleg_shape_text(entry->rank, entry->shape, shape), entry->type_name);
}

/* Finds the piece's tensor. */
static tleg_status find_piece(const struct work *work, const struct tleg_rule *rule, const struct tleg_rule_piece *asked,
                              const struct tleg_capture *capture, const struct tleg_entry **entry) {
    const struct tleg_naming *naming = work->naming;
    struct tleg_rule_text pattern = asked->name;
    const struct tleg_rule_text prefix = prefix_of(naming, &pattern);
    char name[TLEG_NAMES_TEXT];
    if (!tleg_pattern_fill(pattern, prefix, capture, name))
        return tleg_fail(naming->context, TLEG_ERROR_FORMAT, "%s: names: line %lld: a name is too long",
                         tleg_file_label(naming->file), (long long)rule->line);
    *entry = tleg_file_find(naming->file, name);
    if (*entry)
        return TLEG_OK;
    return tleg_fail(naming->context, TLEG_ERROR_FORMAT, "%s: missing tensor \"%s\", a part of '%.*s'%s%s",
                     tleg_file_label(naming->file), name, (int)rule->target.length, rule->target.text,
                     naming->family ? ": the file is read as " : "", naming->family ? naming->family->name : "");
}

/* Adds a piece of the joined shape (rows) or (rows, width), which grows. */
static tleg_status join(struct work *work, const struct tleg_rule *rule, const struct tleg_rule_piece *asked,
                        const struct tleg_entry *entry, struct made *made) {
    int64_t rows, width;
    as_rows(entry, &rows, &width);
    const int64_t each = asked->parts > 0 ? rows / asked->parts : 1, begin = asked->first * each;
    const int64_t end = asked->end < 0 ? rows : asked->end * each;
    if (asked->parts > 0 && rows % asked->parts != 0)
        return fail_piece(work, rule, entry, "rows that can be shared out");
    if (begin > end || end > rows)
        return fail_piece(work, rule, entry, "more rows");
    const bool first = made->count == 0;
    const int32_t rank = entry->rank > 1 ? 2 : 1;
    if (first) {
        made->rank = rank;
        made->shape[0] = 0;
        made->shape[1] = rank > 1 ? width : 0;
    }
    if (made->rank != rank || (rank > 1 && made->shape[1] != width) || !tleg_dtype_is_real(entry->dtype))
        return fail_piece(work, rule, entry, "floating-point numbers in rows as long as those before them");
    struct tleg_piece *piece;
    const tleg_status status = add(work, &work->pieces, (void **)&piece);
    if (status != TLEG_OK)
        return status;
    *piece = (struct tleg_piece){
        .source = asked->zeros ? NULL : entry, .first = (uint64_t)(begin * width), .count = (uint64_t)((end - begin) * width)};
    made->shape[0] += end - begin;
    made->count++;
    return TLEG_OK;
}

/* One tensor as a whole: as it is, transposed, or over patches. */
static tleg_status take_whole(struct work *work, const struct tleg_rule *rule, const struct tleg_rule_piece *asked,
                              const struct tleg_entry *entry, struct made *made) {
    struct tleg_piece *piece;
    int32_t channels = 0;
    const tleg_status status = add(work, &work->pieces, (void **)&piece);
    if (status != TLEG_OK)
        return status;
    *piece = tleg_piece_whole(entry);
    made->count = 1;
    made->rank = entry->rank;
    memcpy(made->shape, entry->shape, sizeof made->shape);
    const bool convolution = asked->patches || (entry->rank == 2 && strcmp(made->name, "patch_embed.proj.weight") == 0);
    if ((asked->turned || asked->patches) && (entry->rank != 2 || !tleg_dtype_is_real(entry->dtype)))
        return fail_piece(work, rule, entry, "a matrix of floating-point numbers");
    if (convolution && !as_convolution(made, &channels))
        return fail_piece(work, rule, entry, "rows of 3 or 1 times the pixels of a square patch");
    if (asked->patches) {
        piece->order = TLEG_PIECE_PATCHES;
        piece->channels = channels;
    } else if (asked->turned) {
        piece->order = TLEG_PIECE_TURNED;
        made->shape[0] = entry->shape[1];
        made->shape[1] = entry->shape[0];
    }
    return TLEG_OK;
}

static bool is_empty(const struct tleg_entry *entry) {
    bool empty = false;
    for (int32_t k = 0; k < entry->rank; k++)
        empty = empty || entry->shape[k] == 0;
    return empty;
}

static tleg_status make(struct work *work, const struct tleg_rule *rule, const struct tleg_capture *capture) {
    static const struct tleg_rule_text no_prefix;
    struct made *made;
    tleg_status status = add(work, &work->made, (void **)&made);
    if (status != TLEG_OK)
        return status;
    made->first = work->pieces.count;
    if (!tleg_pattern_fill(rule->target, no_prefix, capture, made->name) || work->made.count > 4 * work->entry_count + 16)
        return tleg_fail(work->naming->context, TLEG_ERROR_FORMAT, "%s: names: line %lld: expected fewer and shorter new names",
                         tleg_file_label(work->naming->file), (long long)rule->line);
    for (size_t k = 0; k < rule->piece_count && status == TLEG_OK; k++) {
        const struct tleg_entry *entry;
        status = find_piece(work, rule, &rule->pieces[k], capture, &entry);
        if (status != TLEG_OK)
            return status;
        if (!rule->pieces[k].zeros) /* which are as many as it has, and leave it where it is */
            work->used[entry - work->entries] = 1;
        status = tleg_rule_is_whole(rule) ? take_whole(work, rule, &rule->pieces[k], entry, made)
                                          : join(work, rule, &rule->pieces[k], entry, made);
    }
    lead_axes(made);
    return status;
}

/* ---- all rules ---- */

static const char *keep(struct arena *arena, struct tleg_rule_text text) {
    char *copy = memcpy(arena->texts + arena->length, text.text, text.length);
    copy[text.length] = '\0';
    arena->length += text.length + 1;
    return copy;
}

/* A key that is there already keeps its value, unless `replace`; one of the host's rules, applied before, always. */
static tleg_status apply_key(struct work *work, const struct tleg_rule *rule, struct arena *arena, bool replace) {
    const struct tleg_pair found = {keep(arena, rule->target), keep(arena, rule->value)};
    struct tleg_pair *pairs = work->pairs.items, *pair;
    if (work->naming->after && tleg_file_get_metadata(work->naming->file, found.key))
        return TLEG_OK;
    for (size_t k = 0; k < work->pairs.count; k++)
        if (strcmp(pairs[k].key, found.key) == 0) {
            pairs[k] = replace ? found : pairs[k];
            return TLEG_OK;
        }
    const tleg_status status = add(work, &work->pairs, (void **)&pair);
    if (status == TLEG_OK)
        *pair = found;
    return status;
}

/* Makes a tensor of each that the pattern names; how many those are. */
static tleg_status make_all(struct work *work, const struct tleg_rule *rule, struct tleg_rule_text pattern,
                            struct tleg_rule_text prefix, size_t *found) {
    tleg_status status = TLEG_OK;
    for (size_t k = 0; k < work->entry_count && status == TLEG_OK; k++) {
        struct tleg_capture capture;
        const char *name = strip(work->entries[k].name, prefix);
        if (!name || work->used[k] == LEFT_OUT || !tleg_pattern_match(pattern, name, &capture))
            continue;
        if (tleg_rule_is_whole(rule) && is_empty(&work->entries[k])) { /* such as a class token that a model goes without */
            work->used[k] = 1;
            continue;
        }
        status = make(work, rule, &capture);
        ++*found;
    }
    return status;
}

static void leave_out(const struct work *work, struct tleg_rule_text pattern, struct tleg_rule_text prefix, size_t *found) {
    for (size_t k = 0; k < work->entry_count; k++) {
        const char *name = strip(work->entries[k].name, prefix);
        if (!name || !tleg_pattern_covers(pattern, name))
            continue;
        work->used[k] = LEFT_OUT;
        ++*found;
    }
}

static tleg_status apply_rule(struct work *work, const struct tleg_rule *rule) {
    tleg_status status = TLEG_OK;
    if (rule->piece_count == 0)
        return apply_key(work, rule, &work->arenas[0], true);
    struct tleg_rule_text pattern = rule->pieces[0].name;
    const struct tleg_rule_text prefix = prefix_of(work->naming, &pattern);
    size_t found = 0;
    if (rule->nothing)
        leave_out(work, pattern, prefix, &found);
    else
        status = make_all(work, rule, pattern, prefix, &found);
    if (status == TLEG_OK && found == 0 && !work->naming->family)
        return tleg_fail(work->naming->context, TLEG_ERROR_FORMAT, "%s: names: line %lld: no tensor '%.*s'",
                         tleg_file_label(work->naming->file), (long long)rule->line, (int)pattern.length, pattern.text);
    return status;
}

/* How far the texts are read. */
struct cursor {
    size_t index;
    const char *text;
    int64_t line;
};

/* The next rule of them all; its line is 0 where there is none left. */
static tleg_status next_rule(const struct tleg_naming *naming, struct cursor *at, struct tleg_rule *rule) {
    tleg_status status = TLEG_OK;
    rule->line = 0;
    while (status == TLEG_OK && rule->line == 0 && at->index < TLEG_RULE_TEXTS && naming->rules[at->index]) {
        if (!at->text)
            *at = (struct cursor){at->index, naming->rules[at->index], 0};
        status = tleg_rule_next(naming->context, &at->text, &at->line, rule);
        if (rule->line == 0)
            *at = (struct cursor){.index = at->index + 1};
    }
    return status;
}

/* The rules that leave tensors out, or the others. */
static tleg_status apply_some(struct work *work, bool nothing) {
    struct cursor at = {0};
    struct tleg_rule rule;
    tleg_status status = next_rule(work->naming, &at, &rule);
    while (status == TLEG_OK && rule.line > 0) {
        if (rule.nothing == nothing)
            status = apply_rule(work, &rule);
        if (status == TLEG_OK)
            status = next_rule(work->naming, &at, &rule);
    }
    return status;
}

/* What is left out is out, in whatever order the rules stand. */
static tleg_status apply_rules(struct work *work) {
    const tleg_status status = apply_some(work, true);
    return status == TLEG_OK ? apply_some(work, false) : status;
}

/* ---- what is computed ---- */

static tleg_status make_numbers(struct work *work, const char *name, const float *numbers, int32_t rank,
                                const int64_t shape[4]) {
    struct made *made = NULL;
    struct tleg_piece *piece = NULL;
    tleg_status status = add(work, &work->made, (void **)&made);
    if (status == TLEG_OK)
        status = add(work, &work->pieces, (void **)&piece);
    if (status != TLEG_OK)
        return status;
    made->kept = name;
    made->rank = rank;
    made->first = work->pieces.count - 1;
    made->count = 1;
    *piece = (struct tleg_piece){.numbers = numbers, .count = 1};
    for (int32_t k = 0; k < rank; k++) {
        made->shape[k] = shape[k];
        piece->count *= (uint64_t)shape[k];
    }
    return TLEG_OK;
}

static tleg_status fold(struct work *work) {
    struct tleg_fold *f = &work->fold;
    if (!work->naming->family || !work->naming->family->folds)
        return TLEG_OK;
    tleg_status status = tleg_names_fold(work->naming->context, work->naming->file, work->naming->prefix, f);
    if (status != TLEG_OK)
        return status;
    for (size_t k = 0; k < sizeof f->entries / sizeof *f->entries; k++)
        work->used[f->entries[k] - work->entries] = 1;
    status =
        make_numbers(work, "patch_embed.proj.weight", f->matrix, 4, (const int64_t[]){f->dim, f->channels, f->side, f->side});
    return status == TLEG_OK ? make_numbers(work, "patch_embed.proj.bias", f->bias, 1, (const int64_t[4]){f->dim}) : status;
}

/* ---- what no rule names ---- */

/* Whether `name` lies in a block, as the rule's first tensor does. */
static bool is_in_block(const struct tleg_naming *naming, const struct tleg_rule *rule, const char *name) {
    struct tleg_rule_text pattern = rule->pieces[0].name;
    const char *rest = strip(name, prefix_of(naming, &pattern));
    size_t before = 0;
    while (before < pattern.length && pattern.text[before] != '{')
        before++;
    if (!rest || before == pattern.length || strncmp(rest, pattern.text, before) != 0)
        return false;
    rest += before;
    const size_t digits = strspn(rest, "0123456789");
    return digits > 0 && rest[digits] == '.';
}

/* Whether the library's readers would take the name for a part of theirs. */
static bool is_ours(const char *name) {
    return tleg_list_has(
        "blocks head head_dist norm fc_norm norm_pre cls_token dist_token reg_token pos_embed patch_embed attn_pool "
        "pre_logits",
        name, strcspn(name, "."));
}

static tleg_status fail_stranger(const struct work *work, const struct tleg_entry *entry) {
    const struct tleg_naming *naming = work->naming;
    if (naming->family)
        return tleg_fail(naming->context, TLEG_ERROR_UNSUPPORTED,
                         "%s: tensor \"%s\" among the blocks is not a part of %s that this library computes",
                         tleg_file_label(naming->file), entry->name, naming->family->name);
    return tleg_fail(naming->context, TLEG_ERROR_FORMAT,
                     "%s: names: tensor \"%s\" among the blocks is in no rule: without it the result would be another one",
                     tleg_file_label(naming->file), entry->name);
}

/* What stands among the blocks and is in no rule would change the result, but for integers and what is the library's already.
 */
static tleg_status check_blocks(const struct work *work) {
    const struct tleg_naming *naming = work->naming;
    struct cursor at = {0};
    struct tleg_rule rule;
    tleg_status status = next_rule(naming, &at, &rule);
    for (; status == TLEG_OK && rule.line > 0; status = next_rule(naming, &at, &rule))
        for (size_t k = 0; k < work->entry_count && rule.piece_count > 0 && !rule.nothing; k++) {
            const struct tleg_entry *entry = &work->entries[k];
            const bool may_stay = !naming->family && (is_ours(entry->name) || !tleg_dtype_is_real(entry->dtype));
            if (!work->used[k] && !may_stay && is_in_block(naming, &rule, entry->name))
                return fail_stranger(work, entry);
        }
    return status;
}

/* Whether a rule of the host's gave a tensor its name. */
static bool is_given(const struct tleg_naming *naming, const char *name) {
    const char *text = naming->after ? naming->after : "";
    int64_t line = 0;
    struct tleg_rule rule;
    struct tleg_capture capture;
    while (tleg_rule_next(naming->context, &text, &line, &rule) == TLEG_OK && rule.line > 0)
        if (rule.piece_count > 0 && tleg_pattern_match(rule.target, name, &capture))
            return true;
    return false;
}

/* A family's files have none of the library's names that no rule names. */
static tleg_status check_ours(const struct work *work) {
    const struct tleg_naming *naming = work->naming;
    for (size_t k = 0; k < work->entry_count; k++) {
        const char *name = work->entries[k].name;
        const int word = (int)strcspn(name, ".");
        const char *parts = name[word] ? ".*" : "";
        if (!work->used[k] && is_ours(name) && !is_given(naming, name))
            return tleg_fail(
                naming->context, TLEG_ERROR_FORMAT,
                "%s: tensor \"%s\" is not a part of %s: say by rules for names that it is this model's, \"%.*s%s -> "
                "%.*s%s\", or \"%.*s -> nothing\" if the answers do not depend on it",
                tleg_file_label(naming->file), name, naming->family->name, word, name, parts, word, name, parts, word, name);
    }
    return TLEG_OK;
}

/* The entries that are left over keep their names, or lose the prefix. */
static tleg_status add_rest(struct work *work) {
    const struct tleg_naming *naming = work->naming;
    tleg_status status = TLEG_OK;
    for (size_t k = 0; k < work->entry_count && status == TLEG_OK; k++) {
        const struct tleg_entry *entry = &work->entries[k];
        const char *rest = naming->family && naming->family->rest ? strip(entry->name, naming->prefix) : NULL;
        struct made *made;
        struct tleg_piece *piece;
        if (work->used[k])
            continue;
        status = add(work, &work->made, (void **)&made);
        if (status == TLEG_OK)
            status = add(work, &work->pieces, (void **)&piece);
        if (status != TLEG_OK)
            break;
        made->kept = rest ? rest : entry->name;
        made->rank = entry->rank;
        memcpy(made->shape, entry->shape, sizeof made->shape);
        made->first = work->pieces.count - 1;
        made->count = 1;
        *piece = tleg_piece_whole(entry);
    }
    return status;
}

/* The file's own metadata, but what the rules say otherwise, and the texts that were read. */
static tleg_status add_pairs(struct work *work) {
    const struct tleg_pair *pairs;
    const int64_t count = tleg_file_pairs(work->naming->file, &pairs);
    const size_t own = work->pairs.count;
    tleg_status status = TLEG_OK;
    for (int64_t k = 0; k < count && status == TLEG_OK; k++) {
        size_t same = 0;
        while (same < own && strcmp(((const struct tleg_pair *)work->pairs.items)[same].key, pairs[k].key) != 0)
            same++;
        struct tleg_pair *pair;
        if (same == own && !tleg_names_is_config(pairs[k].key) && (status = add(work, &work->pairs, (void **)&pair)) == TLEG_OK)
            *pair = pairs[k];
    }
    return status;
}

/* ---- what stands beside the weights ---- */

static const char *name_of(const struct made *made) {
    return made->kept ? made->kept : made->name;
}

static const struct made *find_made(const struct work *work, const char *name, int32_t rank) {
    const struct made *made = work->made.items;
    for (size_t k = 0; k < work->made.count; k++)
        if (made[k].rank == rank && strcmp(name_of(&made[k]), name) == 0)
            return &made[k];
    return NULL;
}

static int64_t side_of(const struct work *work, const char *name, int32_t rank, int32_t axis) {
    const struct made *made = find_made(work, name, rank);
    return made ? made->shape[axis] : 0;
}

/* One more than the last N of "blocks.N.". */
static int64_t count_layers(const struct work *work) {
    const struct made *made = work->made.items;
    int64_t depth = 0;
    for (size_t k = 0; k < work->made.count; k++) {
        const char *name = name_of(&made[k]);
        int64_t layer = 0;
        if (strncmp(name, "blocks.", 7) != 0)
            continue;
        for (name += 7; *name >= '0' && *name <= '9' && layer < 100000; name++)
            layer = layer * 10 + (*name - '0');
        if (*name == '.' && layer >= depth)
            depth = layer + 1;
    }
    return depth;
}

static struct tleg_names_facts facts_of(const struct work *work) {
    static const char patches[] = "patch_embed.proj.weight";
    struct tleg_names_facts facts = {.dim = side_of(work, patches, 4, 0),
                                     .depth = count_layers(work),
                                     .hidden = side_of(work, "blocks.0.mlp.fc2.weight", 2, 1),
                                     .patch = side_of(work, patches, 4, 2),
                                     .patch_width = side_of(work, patches, 4, 3),
                                     .rows = side_of(work, "pos_embed", 3, 1),
                                     .registers = side_of(work, "reg_token", 3, 1),
                                     .channels = side_of(work, patches, 4, 1),
                                     .classes = side_of(work, "head.weight", 2, 0),
                                     .family = work->naming->family ? work->naming->family->name : NULL};
    int64_t side;
    facts.prefix = side_of(work, "cls_token", 3, 1) + side_of(work, "dist_token", 3, 1) + facts.registers;
    facts.placeless = facts.rows == 0;
    if (facts.patch == facts.patch_width && facts.rows > facts.prefix && tleg_names_is_square(facts.rows - facts.prefix, &side))
        facts.image = side * facts.patch;
    return facts;
}

/* The keys that config.json and its like give, which know more than a family's rules, and less than a host's. */
static tleg_status apply_config(struct work *work) {
    const struct tleg_naming *naming = work->naming;
    const struct tleg_names_facts facts = facts_of(work);
    struct arena *arena = &work->arenas[1];
    char *rules;
    size_t bytes;
    tleg_status status = tleg_names_config(naming->context, naming->file, &facts, &rules, &bytes);
    arena->texts = bytes > 0 ? tleg_alloc(&naming->context->allocator, bytes) : NULL;
    arena->bytes = arena->texts ? bytes : 0;
    if (status == TLEG_OK && !arena->texts)
        status = fail_memory(work, bytes);
    const char *text = rules;
    int64_t line = 0;
    struct tleg_rule rule = {.line = 1};
    while (status == TLEG_OK && rule.line > 0) {
        status = tleg_rule_next(naming->context, &text, &line, &rule);
        if (status == TLEG_OK && rule.line > 0)
            status = apply_key(work, &rule, arena, naming->family != NULL);
    }
    tleg_release(&naming->context->allocator, rules, bytes);
    return status;
}

/* ---- norms without biases ---- */

/* Whether a tensor is a norm's factors, and the file has no bias beside what it is made of. */
static bool lacks_bias(const struct work *work, const struct made *made) {
    const struct tleg_entry *source = ((const struct tleg_piece *)work->pieces.items)[made->first].source;
    const char *name = name_of(made);
    return made->rank == 1 && source && strstr(name, "norm") && tleg_names_ends(name, ".weight") &&
           tleg_names_ends(source->name, "weight") && !tleg_names_fellow(work->naming->file, source->name, "weight", "bias");
}

static bool says_layer_norms(const struct work *work) {
    const struct tleg_pair *pairs = work->pairs.items;
    size_t k = 0;
    while (k < work->pairs.count && (strcmp(pairs[k].key, "tleg.rms") != 0 || strcmp(pairs[k].value, "no") != 0))
        k++;
    return k < work->pairs.count;
}

/* Norms without biases are taken for RMSNorms, unless rules say that they are none: then their biases are zeros. */
static tleg_status add_biases(struct work *work) {
    const size_t count = says_layer_norms(work) ? work->made.count : 0;
    tleg_status status = TLEG_OK;
    for (size_t k = 0; k < count && status == TLEG_OK; k++) {
        const struct made norm = ((const struct made *)work->made.items)[k];
        const char *name = name_of(&norm);
        if (!lacks_bias(work, &norm))
            continue;
        status = make_numbers(work, NULL, NULL, 1, norm.shape);
        if (status == TLEG_OK)
            snprintf(((struct made *)work->made.items)[work->made.count - 1].name, TLEG_NAMES_TEXT, "%.*sbias",
                     (int)(strlen(name) - strlen("weight")), name);
    }
    return status;
}

/* ---- the derived file ---- */

/* What the first tensor is called that a new one is made of. */
static const char *source_of(const struct work *work, const struct made *made) {
    const struct tleg_entry *source = ((const struct tleg_piece *)work->pieces.items)[made->first].source;
    return source ? source->name : name_of(made);
}

static tleg_status fail_twice(const struct work *work, const char *name) {
    const struct made *made = work->made.items, *found[2] = {NULL, NULL};
    for (size_t k = 0; k < work->made.count; k++)
        if (strcmp(name_of(&made[k]), name) == 0)
            found[found[0] != NULL] = &made[k];
    return tleg_fail(
        work->naming->context, TLEG_ERROR_FORMAT,
        "%s: names: expected each new name once, found \"%s\" and \"%s\", which would both be \"%s\": say by rules "
        "for names what each is, or leave out (-> nothing) what the answers do not depend on",
        tleg_file_label(work->naming->file), source_of(work, found[0]), source_of(work, found[1]), name);
}

/* `names`: room for a pointer to each. */
static tleg_status check_twice(const struct work *work, const char **names) {
    const struct made *made = work->made.items;
    const size_t count = work->made.count;
    for (size_t k = 0; k < count; k++)
        names[k] = name_of(&made[k]);
    tleg_sort(names, count, sizeof *names, tleg_compare_texts);
    for (size_t k = 1; k < count; k++)
        if (strcmp(names[k - 1], names[k]) == 0)
            return fail_twice(work, names[k]);
    return TLEG_OK;
}

static tleg_status derive(const struct work *work, tleg_file **named) {
    const struct tleg_allocator *allocator = &work->naming->context->allocator;
    const struct made *made = work->made.items;
    const struct tleg_piece *pieces = work->pieces.items;
    const size_t count = work->made.count, bytes = (count + 1) * sizeof(struct tleg_made);
    struct tleg_made *list = tleg_alloc(allocator, bytes);
    if (!list)
        return fail_memory(work, bytes);
    tleg_status status = check_twice(work, (const char **)list);
    for (size_t k = 0; k < count; k++) {
        list[k] = (struct tleg_made){name_of(&made[k]), made[k].rank, {0}, pieces + made[k].first, made[k].count};
        memcpy(list[k].shape, made[k].shape, sizeof list[k].shape);
    }
    const struct tleg_derivation from = {list, count, work->pairs.items, work->pairs.count};
    if (status == TLEG_OK)
        status = tleg_file_derive(work->naming->context, work->naming->file, &from, named);
    tleg_release(allocator, list, bytes);
    return status;
}

static tleg_status prepare(struct work *work) {
    const struct tleg_naming *naming = work->naming;
    const struct tleg_allocator *allocator = &naming->context->allocator;
    struct arena *arena = &work->arenas[0];
    work->made.width = sizeof(struct made);
    work->pieces.width = sizeof(struct tleg_piece);
    work->pairs.width = sizeof(struct tleg_pair);
    work->entry_count = (size_t)tleg_file_entries(naming->file, &work->entries);
    work->used = tleg_alloc_zero(allocator, work->entry_count + 1);
    arena->bytes = 1;
    for (size_t k = 0; k < TLEG_RULE_TEXTS && naming->rules[k]; k++)
        arena->bytes += strlen(naming->rules[k]);
    arena->texts = tleg_alloc(allocator, arena->bytes);
    return work->used && arena->texts ? TLEG_OK : fail_memory(work, work->entry_count + arena->bytes);
}

static void clean(const struct work *work) {
    const struct tleg_allocator *allocator = &work->naming->context->allocator;
    tleg_release(allocator, work->made.items, work->made.room * work->made.width);
    tleg_release(allocator, work->pieces.items, work->pieces.room * work->pieces.width);
    tleg_release(allocator, work->pairs.items, work->pairs.room * work->pairs.width);
    for (int k = 0; k < 2; k++)
        tleg_release(allocator, work->arenas[k].texts, work->arenas[k].bytes);
    tleg_release(allocator, work->fold.matrix, work->fold.bytes);
    tleg_release(allocator, work->used, work->entry_count + 1);
}

tleg_status tleg_names_apply(const struct tleg_naming *naming, tleg_file **named) {
    struct work work = {.naming = naming};
    tleg_status status = prepare(&work);
    if (status == TLEG_OK)
        status = apply_rules(&work);
    if (status == TLEG_OK)
        status = fold(&work);
    const bool rest = naming->family && naming->family->rest;
    if (status == TLEG_OK && !rest)
        status = check_blocks(&work);
    if (status == TLEG_OK && naming->family && !rest)
        status = check_ours(&work);
    if (status == TLEG_OK)
        status = add_rest(&work);
    if (status == TLEG_OK)
        status = add_biases(&work);
    if (status == TLEG_OK)
        status = apply_config(&work);
    if (status == TLEG_OK)
        status = add_pairs(&work);
    if (status == TLEG_OK)
        status = derive(&work, named);
    clean(&work);
    return status;
}
