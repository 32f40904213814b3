/* Rotary positions: queries and keys times a table of cosines, and the numbers that they are turned with times a table of
 * sines. For that exporters cut tokens and heads apart, negate, stack and join: what comes of it is known by which of a head's
 * numbers it holds (TURN), until the whole is queries or keys again (ROTATED). */
#include "graph/private.h"

#include <math.h>
#include <string.h>

static const int32_t tokens_and_numbers[] = {AXIS_TOKEN, AXIS_NUMBER, -1};

static int32_t atom_count(const struct layout *layout) {
    int32_t count = 0;
    for (int32_t k = 0; k < layout->rank; k++)
        count += layout->counts[k];
    return count;
}

/* ---- from a matrix ---- */

/* Whether samples are those of a factor times the points, which it gives. */
static bool is_multiple(const struct value *function, double *factor) {
    const double *points = tleg_sample_points(LINEAR);
    bool same = function->uses == 0;
    *factor = function->samples[0] / points[0];
    for (int k = 0; k < SAMPLES; k++)
        same = same && fabs(function->samples[k] - *factor * points[k]) <= 1e-9 * fabs(*factor * points[k]);
    return same && *factor != 0;
}

/* Its layout with the numbers of a head, `size` of which are left, as an axis of their own. */
static bool relabel(const struct layout *from, int32_t head, int32_t *size, struct layout *out) {
    *out = *from;
    *size = 0;
    for (int32_t k = 0; k < atom_count(out); k++)
        if (out->atoms[k].axis == AXIS_FEATURE && out->atoms[k].stride == 1)
            *size = out->atoms[k].size;
    for (int32_t k = 0; k < atom_count(out) && *size; k++) {
        struct atom *atom = &out->atoms[k];
        const int64_t stride = (int64_t)atom->stride / *size * (head ? head : *size);
        if (atom->axis != AXIS_FEATURE)
            continue;
        if (atom->stride == 1)
            atom->axis = AXIS_NUMBER;
        else if (stride > MOST_SIDE)
            return false;
        else
            atom->stride = (int32_t)stride;
    }
    return *size > 0;
}

/* Room for a term's numbers, which count among those that the file justifies. */
static int32_t *list(struct walk *walk, int32_t size) {
    return tleg_walk_spend(walk, (uint64_t)size) ? tleg_walk_keep(walk, (size_t)size * sizeof(int32_t)) : NULL;
}

/* A LINEAR, or its negative, as a TURN: whole heads, or, `as_part`, what was cut out of them. */
static bool as_turn(struct walk *walk, const struct value *in, bool as_part, struct value *out) {
    const struct value *base = in->what == FUNCTION ? &walk->values[in->of] : in;
    double factor = in->factor;
    int32_t size;
    *out = *in;
    if (in->what == TURN)
        return true;
    if (base->what != LINEAR || base->gate || !base->id || (in->what == FUNCTION && !is_multiple(in, &factor)))
        return false;
    const bool part = as_part && base->part_of;
    if (!relabel(&in->layout, part ? base->part_head : 0, &size, &out->layout))
        return false;
    struct turn *turn = tleg_walk_keep(walk, sizeof *turn);
    int32_t *from = list(walk, size);
    if (!turn || !from)
        return false;
    for (int32_t k = 0; k < size; k++)
        from[k] = ((part ? base->part_first : 0) + k + 1) * (factor < 0 ? -1 : 1);
    *turn = (struct turn){.size = size, .head = part ? base->part_head : size, .count = 1, .terms = {{.from = from}}};
    const struct layout layout = out->layout;
    *out = (struct value){.what = TURN, .factor = fabs(factor), .turn = turn, .layout = layout};
    out->of = part ? base->part_of : base->id;
    return true;
}

/* A TURN of its own whose one term is of `size` numbers, which are to be filled in, times `table` (0: none). */
static int32_t *begin(struct walk *walk, const struct value *like, int32_t size, uint32_t table, struct value *out) {
    struct turn *turn = tleg_walk_keep(walk, sizeof *turn);
    int32_t *from = list(walk, size);
    if (!turn || !from)
        return NULL;
    *turn = (struct turn){.size = size, .head = like->turn->head, .count = 1, .terms = {{from, table}}};
    *out = *like;
    out->id = 0;
    out->turn = turn;
    return from;
}

static bool is_plain(const struct value *value) {
    return value->turn->count == 1 && !value->turn->terms[0].table;
}

/* ---- parts ---- */

const char *tleg_turn_tokens(struct walk *walk, const struct value *in, int32_t dim, int64_t first, int64_t count,
                             struct value *out) {
    struct value own;
    if (count == 0) {
        *out = (struct value){.what = EMPTY, .factor = 1, .layout = in->layout};
        return NULL;
    }
    if (!as_turn(walk, in, false, &own) || own.count || !is_plain(&own))
        return "tokens of queries or keys";
    const struct atom part = {AXIS_TOKEN, (int32_t)count, 1};
    *out = own;
    out->id = 0;
    out->first = first;
    out->count = count;
    tleg_layout_replace(&own.layout, dim, &part, 1, false, &out->layout);
    return NULL;
}

/* `count` numbers of a head, those of `places`, or every `step`-th from `first` on. */
static const char *select(struct walk *walk, const struct value *in, int32_t dim, const struct constant *places, int64_t first,
                          int64_t step, int64_t count, struct value *out) {
    static const char expected[] = "a part of a head's numbers";
    struct value own;
    if (!as_turn(walk, in, false, &own) || !is_plain(&own) || count < 1 || count > MOST_SIDE ||
        !tleg_layout_is(&own.layout, dim, AXIS_NUMBER, own.turn->size))
        return expected;
    int32_t *from = begin(walk, &own, (int32_t)count, 0, out);
    if (!from)
        return expected;
    for (int64_t k = 0; k < count; k++) {
        const double place = places ? tleg_constant_at(places, k) : (double)(first + k * step);
        if (!(place >= 0) || !(place < own.turn->size))
            return expected;
        from[k] = own.turn->terms[0].from[(int64_t)place];
    }
    const struct atom part = {AXIS_NUMBER, (int32_t)count, 1};
    tleg_layout_replace(&own.layout, dim, &part, 1, false, &out->layout);
    return NULL;
}

const char *tleg_turn_slice(struct walk *walk, const struct value *in, int32_t dim, int64_t first, int64_t count, int64_t step,
                            struct value *out) {
    return select(walk, in, dim, NULL, first, step, count, out);
}

const char *tleg_turn_gather(struct walk *walk, const struct value *in, int32_t dim, uint32_t places, struct value *out) {
    struct constant own = *tleg_constant_get(walk, places);
    if (!own.whole || !tleg_constant_load(walk, &own))
        return "constant places";
    return select(walk, in, dim, &own, 0, 0, tleg_constant_count(&own), out);
}

/* ---- arithmetic ---- */

const char *tleg_turn_negate(struct walk *walk, const struct value *in, struct value *out) {
    int32_t *from = is_plain(in) ? begin(walk, in, in->turn->size, 0, out) : NULL;
    for (int32_t k = 0; from && k < in->turn->size; k++)
        from[k] = -in->turn->terms[0].from[k];
    return from ? NULL : "a part of a head's numbers";
}

const char *tleg_turn_scale(struct walk *walk, const struct value *in, uint32_t constant, struct value *out) {
    struct value own;
    uint32_t table;
    if (!as_turn(walk, in, false, &own) || !is_plain(&own) ||
        !tleg_constant_align(walk, constant, &own.layout, tokens_and_numbers, &table))
        return "a factor for each feature, or a table of rotary positions";
    int32_t *from = begin(walk, &own, own.turn->size, table, out);
    if (!from)
        return "fewer numbers";
    memcpy(from, own.turn->terms[0].from, (size_t)own.turn->size * sizeof *from);
    return NULL;
}

static bool is_identity(const struct turn *turn) {
    bool same = turn->size == turn->head;
    for (int32_t k = 0; k < turn->size && same; k++)
        same = turn->terms[0].from[k] == k + 1;
    return same;
}

/* Queries or keys again: the first term is of their own numbers, the second of their partners. */
static const char *finish(struct walk *walk, const struct value *in, int64_t prefix, struct value *out) {
    const struct value *whole = &walk->values[in->of];
    const int32_t last = in->layout.rank - 1, head = in->turn->head;
    struct turn *turn = tleg_walk_keep(walk, sizeof *turn);
    if (!turn)
        return NULL;
    *turn = *in->turn;
    turn->prefix = prefix;
    if (!is_identity(turn)) {
        turn->terms[0] = in->turn->terms[1];
        turn->terms[1] = in->turn->terms[0];
    }
    if (whole->what != LINEAR || last < 0 || !is_identity(turn) || !tleg_layout_is(&in->layout, last, AXIS_NUMBER, head))
        return "all numbers of a head, turned by a table of cosines and one of sines";
    *out = *whole;
    out->what = ROTATED;
    out->id = 0;
    out->factor = in->factor;
    out->turn = turn;
    const struct atom features = {AXIS_FEATURE, head, 1};
    tleg_layout_replace(&in->layout, last, &features, 1, false, &out->layout);
    return NULL;
}

const char *tleg_turn_add(struct walk *walk, const struct value *a, const struct value *b, bool minus, struct value *out) {
    const struct turn *first = a->turn, *second = b->turn;
    if (first->count != 1 || second->count != 1 || !first->terms[0].table || !second->terms[0].table ||
        first->size != second->size || a->of != b->of || a->first != b->first || a->count != b->count ||
        a->factor != b->factor || !tleg_layout_equal(&a->layout, &b->layout))
        return "numbers of a head by their cosines, and their partners by their sines";
    struct turn *turn = tleg_walk_keep(walk, sizeof *turn);
    int32_t *from = list(walk, second->size);
    if (!turn || !from)
        return "fewer numbers";
    for (int32_t k = 0; k < second->size; k++)
        from[k] = minus ? -second->terms[0].from[k] : second->terms[0].from[k];
    *turn = *first;
    turn->count = 2;
    turn->terms[1] = (struct term){from, second->terms[0].table};
    *out = *a;
    out->id = 0;
    out->turn = turn;
    const struct value sum = *out;
    return a->count ? NULL : finish(walk, &sum, 0, out);
}

/* ---- Concat ---- */

/* Tokens as they are, and those after them, turned. */
static const char *join_tokens(struct walk *walk, const struct value *plain, const struct value *turned, int32_t dim,
                               struct value *out) {
    struct layout first, second;
    struct value own = *turned;
    tleg_layout_replace(&plain->layout, dim, NULL, 0, false, &first);
    tleg_layout_replace(&turned->layout, dim, NULL, 0, false, &second);
    if (plain->what != TURN || turned->what != TURN || !is_plain(plain) || turned->turn->count != 2 ||
        !is_identity(plain->turn) || plain->of != turned->of || plain->factor != turned->factor || plain->first != 0 ||
        plain->count != turned->first || !tleg_layout_equal(&first, &second))
        return "tokens before the patches as they are, and the patches' turned by their places";
    const struct atom all = {AXIS_TOKEN, (int32_t)(plain->count + turned->count), 1};
    tleg_layout_replace(&turned->layout, dim, &all, 1, false, &own.layout);
    return finish(walk, &own, plain->count, out);
}

/* Where in the layout of numbers (n) those of k parts go that are stacked in dimension `dim`: before each other, or in turn. */
static void stack(const struct value *part, int32_t dim, int32_t parts, struct value *out, bool *in_turn) {
    const int32_t size = part->turn->size;
    int32_t at = 0;
    for (int32_t k = 0; k < part->layout.rank; k++)
        if (tleg_layout_is(&part->layout, k, AXIS_NUMBER, size))
            at = k;
    *in_turn = at < dim;
    struct layout own = part->layout;
    const struct atom inner = {AXIS_NUMBER, size, *in_turn ? parts : 1}, outer = {AXIS_NUMBER, parts, *in_turn ? 1 : size};
    tleg_layout_replace(&own, at, &inner, 1, false, &own);
    tleg_layout_replace(&own, dim, &outer, 1, false, &out->layout);
}

enum { MOST_PARTS = 4 };

static const char *join_numbers(struct walk *walk, const struct value *parts, int32_t count, int32_t dim, struct value *out) {
    static const char expected[] = "parts of a head's numbers";
    const bool along = tleg_layout_is(&parts[0].layout, dim, AXIS_NUMBER, parts[0].turn->size) && parts[0].turn->size > 1;
    int64_t size = 0;
    bool in_turn = false;
    for (int32_t k = 0; k < count; k++) {
        struct layout first, other;
        tleg_layout_replace(&parts[0].layout, dim, NULL, 0, false, &first);
        tleg_layout_replace(&parts[k].layout, dim, NULL, 0, false, &other);
        size += parts[k].turn->size;
        if (!is_plain(&parts[k]) || parts[k].of != parts[0].of || parts[k].factor != parts[0].factor ||
            parts[k].first != parts[0].first || parts[k].count != parts[0].count ||
            parts[k].turn->head != parts[0].turn->head || !tleg_layout_equal(&first, &other) ||
            (!along && (parts[0].layout.counts[dim] || parts[k].turn->size != parts[0].turn->size)))
            return expected;
    }
    if (size > MOST_SIDE)
        return expected;
    int32_t *from = begin(walk, &parts[0], (int32_t)size, 0, out);
    if (!from)
        return expected;
    const struct atom all = {AXIS_NUMBER, (int32_t)size, 1};
    if (along)
        tleg_layout_replace(&parts[0].layout, dim, &all, 1, false, &out->layout);
    else
        stack(&parts[0], dim, count, out, &in_turn);
    int32_t at = 0;
    for (int32_t k = 0; k < count; k++)
        for (int32_t i = 0; i < parts[k].turn->size; i++, at++)
            from[in_turn ? i * count + k : at] = parts[k].turn->terms[0].from[i];
    return NULL;
}

const char *tleg_turn_concat(struct walk *walk, struct value *out) {
    static const char expected[] = "tokens before the patches, or parts of queries and keys";
    const struct value *in[MOST_PARTS] = {0};
    struct value parts[MOST_PARTS];
    int32_t count = 0;
    for (uint32_t k = 0; k < walk->node->input_count; k++) {
        const struct value *part = tleg_walk_in(walk, k);
        if (part->what == EMPTY)
            continue;
        if (count == MOST_PARTS)
            return expected;
        in[count++] = part;
    }
    const int32_t dim = count ? tleg_walk_dimension(tleg_walk_integer(walk, "axis", 0), in[0]->layout.rank) : -1;
    if (dim < 0)
        return expected;
    if (count == 1) {
        *out = *in[0];
        return NULL;
    }
    if (count == 2 && in[1]->what == TURN && in[1]->turn->count == 2)
        return join_tokens(walk, in[0], in[1], dim, out);
    for (int32_t k = 0; k < count; k++)
        if (in[k]->layout.rank != in[0]->layout.rank || !as_turn(walk, in[k], true, &parts[k]))
            return expected;
    return join_numbers(walk, parts, count, dim, out);
}
