/* A derived file in the making: its tensors, one after the other. */
#include "names/making.h"

#include <stdio.h>
#include <string.h>

tleg_status tleg_making_begin(const struct tleg_naming *naming, struct tleg_making *making) {
    *making = (struct tleg_making){.naming = naming,
                                   .made.width = sizeof(struct tleg_tensor_made),
                                   .pieces.width = sizeof(struct tleg_piece),
                                   .pairs.width = sizeof(struct tleg_pair)};
    making->entry_count = (size_t)tleg_file_entries(naming->file, &making->entries);
    making->used = tleg_alloc_zero(&naming->context->allocator, making->entry_count + 1);
    return making->used ? TLEG_OK : tleg_making_fail_memory(making, making->entry_count + 1);
}

static void release(const struct tleg_making *making, const struct tleg_list *list) {
    tleg_release(&making->naming->context->allocator, list->items, list->room * list->width);
}

void tleg_making_end(const struct tleg_making *making) {
    release(making, &making->made);
    release(making, &making->pieces);
    release(making, &making->pairs);
    tleg_release(&making->naming->context->allocator, making->used, making->entry_count + 1);
}

tleg_status tleg_making_fail_memory(const struct tleg_making *making, size_t bytes) {
    return tleg_fail_memory(making->naming->context, "names", bytes);
}

struct tleg_rule_text tleg_making_prefix(const struct tleg_making *making, struct tleg_rule_text *pattern) {
    const struct tleg_rule_text prefix = making->naming->prefix;
    return making->naming->family ? tleg_pattern_prefix(prefix, pattern) : prefix;
}

/* Room for one more item; *item is it, zeroed. */
static tleg_status add(const struct tleg_making *making, struct tleg_list *list, void **item) {
    const struct tleg_allocator *allocator = &making->naming->context->allocator;
    if (list->count == list->room) {
        const size_t room = list->room > 0 ? list->room * 2 : 64;
        size_t bytes = SIZE_MAX;
        void *items = tleg_size_mul(room, list->width, &bytes) ? tleg_alloc_zero(allocator, bytes) : NULL;
        if (!items)
            return tleg_making_fail_memory(making, bytes);
        if (list->count > 0)
            memcpy(items, list->items, list->count * list->width);
        tleg_release(allocator, list->items, list->room * list->width);
        list->items = items;
        list->room = room;
    }
    *item = (char *)list->items + list->count++ * list->width;
    return TLEG_OK;
}

/* ---- shapes ---- */

/* A tensor as rows of numbers: (rows) or (rows, width). */
static void as_rows(const struct tleg_entry *entry, int64_t *rows, int64_t *width) {
    *rows = 1;
    *width = entry->rank > 1 ? entry->shape[entry->rank - 1] : 1;
    for (int32_t k = 0; k < (entry->rank > 1 ? entry->rank - 1 : entry->rank); k++)
        *rows *= entry->shape[k];
}

/* (D, n) as a convolution (D, C, P, P). */
static bool as_convolution(struct tleg_tensor_made *made, int32_t *channels) {
    int64_t side;
    if (!tleg_names_patch(made->shape[1], channels, &side))
        return false;
    made->rank = 4;
    made->shape[1] = *channels;
    made->shape[2] = made->shape[3] = side;
    return true;
}

/* Tokens and positions have three axes in the library's files. */
static void lead_axes(struct tleg_tensor_made *made) {
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

static tleg_status fail_piece(const struct tleg_making *making, const struct tleg_rule *rule, const struct tleg_entry *entry,
                              const char *expected) {
    char shape[TLEG_SHAPE_TEXT];
    return tleg_fail(making->naming->context, TLEG_ERROR_FORMAT, "%s: tensor \"%s\", for '%.*s': expected %s, found %s of %s",
                     tleg_file_label(making->naming->file), entry->name, (int)rule->target.length, rule->target.text, expected,
                     tleg_shape_text(entry->rank, entry->shape, shape), entry->type_name);
}

/* Finds the piece's tensor. */
static tleg_status find_piece(const struct tleg_making *making, const struct tleg_rule *rule,
                              const struct tleg_rule_piece *asked, const struct tleg_capture *capture,
                              const struct tleg_entry **entry) {
    const struct tleg_naming *naming = making->naming;
    struct tleg_rule_text pattern = asked->name;
    const struct tleg_rule_text prefix = tleg_making_prefix(making, &pattern);
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
static tleg_status join(struct tleg_making *making, const struct tleg_rule *rule, const struct tleg_rule_piece *asked,
                        const struct tleg_entry *entry, struct tleg_tensor_made *made) {
    int64_t rows, width;
    if (!tleg_size_countable(entry->shape, entry->rank))
        return fail_piece(making, rule, entry, "sizes whose product is at most 2^40");
    as_rows(entry, &rows, &width);
    const int64_t each = asked->parts > 0 ? rows / asked->parts : 1, begin = asked->first * each;
    const int64_t end = asked->end < 0 ? rows : asked->end * each;
    if (asked->parts > 0 && rows % asked->parts != 0)
        return fail_piece(making, rule, entry, "rows that can be shared out");
    if (begin > end || end > rows)
        return fail_piece(making, rule, entry, "more rows");
    const bool first = made->count == 0;
    const int32_t rank = entry->rank > 1 ? 2 : 1;
    if (first) {
        made->rank = rank;
        made->shape[0] = 0;
        made->shape[1] = rank > 1 ? width : 0;
    }
    if (made->rank != rank || (rank > 1 && made->shape[1] != width) || !tleg_dtype_is_real(entry->dtype))
        return fail_piece(making, rule, entry, "floating-point numbers in rows as long as those before them");
    struct tleg_piece *piece = NULL;
    const tleg_status status = add(making, &making->pieces, (void **)&piece);
    if (status != TLEG_OK)
        return status;
    *piece = (struct tleg_piece){
        .source = asked->zeros ? NULL : entry, .first = (uint64_t)(begin * width), .count = (uint64_t)((end - begin) * width)};
    made->shape[0] += end - begin;
    made->count++;
    return TLEG_OK;
}

/* One tensor as a whole: as it is, transposed, or over patches. */
static tleg_status take_whole(struct tleg_making *making, const struct tleg_rule *rule, const struct tleg_rule_piece *asked,
                              const struct tleg_entry *entry, struct tleg_tensor_made *made) {
    struct tleg_piece *piece = NULL;
    int32_t channels = 0;
    const tleg_status status = add(making, &making->pieces, (void **)&piece);
    if (status != TLEG_OK)
        return status;
    *piece = tleg_piece_whole(entry);
    made->count = 1;
    made->rank = entry->rank;
    memcpy(made->shape, entry->shape, sizeof made->shape);
    const bool convolution = asked->patches || (entry->rank == 2 && strcmp(made->name, "patch_embed.proj.weight") == 0);
    if ((asked->turned || asked->patches) && (entry->rank != 2 || !tleg_dtype_is_real(entry->dtype)))
        return fail_piece(making, rule, entry, "a matrix of floating-point numbers");
    if (asked->turned) { /* first: its rows are those of the new matrix */
        piece->order = TLEG_PIECE_TURNED;
        made->shape[0] = entry->shape[1];
        made->shape[1] = entry->shape[0];
    }
    if (convolution && !as_convolution(made, &channels))
        return fail_piece(making, rule, entry, "rows of 3 or 1 times the pixels of a square patch");
    if (asked->patches) {
        piece->order = TLEG_PIECE_PATCHES;
        piece->channels = channels;
    }
    return TLEG_OK;
}

tleg_status tleg_making_add(struct tleg_making *making, const struct tleg_rule *rule, const struct tleg_capture *capture) {
    static const struct tleg_rule_text no_prefix;
    struct tleg_tensor_made *made = NULL;
    tleg_status status = add(making, &making->made, (void **)&made);
    if (status != TLEG_OK)
        return status;
    made->first = making->pieces.count;
    if (!tleg_pattern_fill(rule->target, no_prefix, capture, made->name) || making->made.count > 4 * making->entry_count + 16)
        return tleg_fail(making->naming->context, TLEG_ERROR_FORMAT,
                         "%s: names: line %lld: expected fewer and shorter new names", tleg_file_label(making->naming->file),
                         (long long)rule->line);
    for (size_t k = 0; k < rule->piece_count && status == TLEG_OK; k++) {
        const struct tleg_entry *entry;
        status = find_piece(making, rule, &rule->pieces[k], capture, &entry);
        if (status != TLEG_OK)
            return status;
        if (!rule->pieces[k].zeros) /* which are as many as it has, and leave it where it is */
            making->used[entry - making->entries] = 1;
        status = tleg_rule_is_whole(rule) ? take_whole(making, rule, &rule->pieces[k], entry, made)
                                          : join(making, rule, &rule->pieces[k], entry, made);
    }
    lead_axes(made);
    return status;
}

/* ---- others ---- */

/* A tensor of one piece. */
static tleg_status add_one(struct tleg_making *making, struct tleg_piece piece, int32_t rank, const int64_t shape[],
                           struct tleg_tensor_made **made) {
    struct tleg_piece *own = NULL;
    tleg_status status = add(making, &making->made, (void **)made);
    if (status == TLEG_OK)
        status = add(making, &making->pieces, (void **)&own);
    if (status != TLEG_OK)
        return status;
    (*made)->rank = rank;
    memcpy((*made)->shape, shape, (size_t)rank * sizeof *shape);
    (*made)->first = making->pieces.count - 1;
    (*made)->count = 1;
    *own = piece;
    return TLEG_OK;
}

tleg_status tleg_making_keep(struct tleg_making *making, const struct tleg_entry *entry, const char *name) {
    struct tleg_tensor_made *made = NULL;
    const tleg_status status = add_one(making, tleg_piece_whole(entry), entry->rank, entry->shape, &made);
    if (status == TLEG_OK)
        made->kept = name;
    return status;
}

tleg_status tleg_making_compute(struct tleg_making *making, const char *name, const float *numbers, int32_t rank,
                                const int64_t shape[]) {
    struct tleg_piece piece = {.numbers = numbers, .count = 1};
    for (int32_t k = 0; k < rank; k++)
        piece.count *= (uint64_t)shape[k];
    struct tleg_tensor_made *made = NULL;
    const tleg_status status = add_one(making, piece, rank, shape, &made);
    if (status == TLEG_OK)
        snprintf(made->name, sizeof made->name, "%s", name);
    return status;
}

tleg_status tleg_making_say(struct tleg_making *making, struct tleg_pair pair) {
    struct tleg_pair *own = NULL;
    const tleg_status status = add(making, &making->pairs, (void **)&own);
    if (status == TLEG_OK)
        *own = pair;
    return status;
}

/* ---- the file ---- */

const char *tleg_made_name(const struct tleg_tensor_made *made) {
    return made->kept ? made->kept : made->name;
}

const struct tleg_entry *tleg_made_source(const struct tleg_making *making, const struct tleg_tensor_made *made) {
    return ((const struct tleg_piece *)making->pieces.items)[made->first].source;
}

/* What the first tensor is called that a new one is made of. */
static const char *source_of(const struct tleg_making *making, const struct tleg_tensor_made *made) {
    const struct tleg_entry *source = tleg_made_source(making, made);
    return source ? source->name : tleg_made_name(made);
}

static tleg_status fail_twice(const struct tleg_making *making, const char *name) {
    const struct tleg_tensor_made *made = making->made.items, *found[2] = {NULL, NULL};
    for (size_t k = 0; k < making->made.count; k++)
        if (strcmp(tleg_made_name(&made[k]), name) == 0)
            found[found[0] != NULL] = &made[k];
    return tleg_fail(
        making->naming->context, TLEG_ERROR_FORMAT,
        "%s: names: expected each new name once, found \"%s\" and \"%s\", which would both be \"%s\": say by rules "
        "for names what each is, or leave out (-> nothing) what the answers do not depend on",
        tleg_file_label(making->naming->file), source_of(making, found[0]), source_of(making, found[1]), name);
}

/* `names`: room for a pointer to each. */
static tleg_status check_twice(const struct tleg_making *making, const char **names) {
    const struct tleg_tensor_made *made = making->made.items;
    const size_t count = making->made.count;
    for (size_t k = 0; k < count; k++)
        names[k] = tleg_made_name(&made[k]);
    tleg_sort(names, count, sizeof *names, tleg_compare_texts);
    for (size_t k = 1; k < count; k++)
        if (strcmp(names[k - 1], names[k]) == 0)
            return fail_twice(making, names[k]);
    return TLEG_OK;
}

tleg_status tleg_making_file(const struct tleg_making *making, tleg_file **named) {
    const struct tleg_allocator *allocator = &making->naming->context->allocator;
    const struct tleg_tensor_made *made = making->made.items;
    const struct tleg_piece *pieces = making->pieces.items;
    const size_t count = making->made.count, bytes = (count + 1) * sizeof(struct tleg_made);
    struct tleg_made *list = tleg_alloc(allocator, bytes);
    if (!list)
        return tleg_making_fail_memory(making, bytes);
    tleg_status status = check_twice(making, (const char **)list);
    for (size_t k = 0; k < count; k++) {
        list[k] = (struct tleg_made){tleg_made_name(&made[k]), made[k].rank, {0}, pieces + made[k].first, made[k].count};
        memcpy(list[k].shape, made[k].shape, sizeof list[k].shape);
    }
    const struct tleg_derivation from = {list, count, making->pairs.items, making->pairs.count};
    if (status == TLEG_OK)
        status = tleg_file_derive(making->naming->context, making->naming->file, &from, named);
    tleg_release(allocator, list, bytes);
    return status;
}
