/* What tables of cosines and sines say: by which angle each place turns each pair of a head's numbers, and which of the
 * library's rotary positions that are. */
#include "graph/private.h"

#include "config/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/config.h>

static const double turn = 6.283185307179586477;

struct tables {
    struct walk *walk;
    struct constant cosines, sines; /* (skipped + grid * grid, head) */
    const int32_t *partners;        /* of each number its partner, as in a term */
    double *known;                  /* (grid, quarter, 2): what is compared with them */
    int64_t skipped, grid;
    int32_t head, quarter;
    bool halves;
};

static bool is_second(const struct tables *t, int32_t number) {
    return t->halves ? number >= t->head / 2 : number % 2;
}

static int32_t pair_of(const struct tables *t, int32_t number) {
    return t->halves ? number % (t->head / 2) : number / 2;
}

static double cosine(const struct tables *t, int64_t row, int32_t number) {
    return tleg_constant_at(&t->cosines, row * t->head + number);
}

/* Of the second of a pair it is the sine, of the first its negative. */
static double sine(const struct tables *t, int64_t row, int32_t number) {
    const double found = tleg_constant_at(&t->sines, row * t->head + number);
    return (t->partners[number] < 0) == is_second(t, number) ? -found : found;
}

static bool open_tables(struct walk *walk, const struct value *rotated, int64_t prefix, int64_t grid, struct tables *t) {
    const struct turn *own = rotated->turn;
    *t = (struct tables){.walk = walk,
                         .cosines = *tleg_constant_get(walk, own->terms[0].table),
                         .sines = *tleg_constant_get(walk, own->terms[1].table),
                         .partners = own->terms[1].from,
                         .skipped = prefix - own->prefix,
                         .grid = grid,
                         .head = own->head,
                         .quarter = own->head / 4};
    t->halves = own->head > 1 && abs(t->partners[0]) != 2;
    const uint64_t side = (uint64_t)grid, count = side * side * (uint64_t)own->head;
    if (grid < 1 || grid > TLEG_MAX_GRID || !tleg_walk_spend(walk, count))
        return false;
    t->known = tleg_walk_keep(walk, side * (uint64_t)t->quarter * 2 * sizeof *t->known);
    bool good = t->known && own->head % 4 == 0 && t->sines.shape[0] == t->cosines.shape[0] &&
                t->cosines.shape[1] == own->head && t->sines.shape[1] == own->head && t->skipped >= 0 &&
                t->cosines.shape[0] == t->skipped + grid * grid;
    for (int32_t k = 0; k < own->head && good; k++)
        good = abs(t->partners[k]) - 1 == (t->halves ? (k + own->head / 2) % own->head : (k ^ 1));
    good = good && tleg_constant_load(walk, &t->cosines) && tleg_constant_load(walk, &t->sines);
    for (int64_t row = 0; good && row < t->skipped; row++)
        for (int32_t k = 0; k < own->head && good; k++)
            good = cosine(t, row, k) == 1 && sine(t, row, k) == 0;
    return good;
}

/* Where row or column `index` is. */
static double place_of(const struct tables *t, const struct tleg_angles *a, int64_t index) {
    if (a->rotary == TLEG_ROTARY_CENTRED)
        return turn * (2 * ((double)index + 0.5) / (double)t->grid - 1);
    return (double)(index + a->offset) * ((double)a->grid / (double)t->grid);
}

static bool matches(const struct tables *t, const struct tleg_angles *a) {
    const double tolerance = 5 * t->walk->tolerance;
    const size_t count = (size_t)t->grid * (size_t)t->quarter;
    for (size_t k = 0; k < count; k++) {
        const double index = (double)(k % (size_t)t->quarter);
        const double angle = place_of(t, a, (int64_t)(k / (size_t)t->quarter)) * pow(a->base, -index / t->quarter);
        if (!(fabs(angle) < 10000)) /* no table of any model; and more than the functions take */
            return false;
        t->known[2 * k] = tleg_portable_cos(angle);
        t->known[2 * k + 1] = tleg_portable_sin(angle);
    }
    for (int64_t patch = 0; patch < t->grid * t->grid; patch++)
        for (int32_t k = 0; k < t->head; k++) {
            const int32_t pair = pair_of(t, k);
            const bool column = (pair >= t->quarter) != a->x_first;
            const int64_t index = column ? patch % t->grid : patch / t->grid;
            const double *right = t->known + 2 * (index * t->quarter + pair % t->quarter);
            if (!(fabs(cosine(t, patch + t->skipped, k) - right[0]) <= tolerance) ||
                !(fabs(sine(t, patch + t->skipped, k) - right[1]) <= tolerance))
                return false;
        }
    return true;
}

/* The angle of pair `pair` of the first half at the index-th row, or column. */
static double angle_at(const struct tables *t, bool x_first, int64_t index, int32_t pair) {
    const int64_t row = t->skipped + (x_first ? index : index * t->grid);
    const int32_t second = t->halves ? pair + t->head / 2 : 2 * pair + 1;
    return atan2(sine(t, row, second), cosine(t, row, second));
}

/* From 0 to a whole turn. */
static double wrapped(double angle) {
    return angle - turn * floor(angle / turn);
}

/* What the slowest pair says of the base; the number with the fewest digits with which all angles are right. */
static bool find_base(const struct tables *t, struct tleg_angles *a) {
    const int32_t slowest = t->quarter - 1;
    a->base = tleg_default_rotary_base(a->rotary);
    if (slowest == 0 || t->grid == 1) {
        const bool same = matches(t, a);
        a->base = slowest == 0 ? 0 : a->base;
        return same;
    }
    const double start = angle_at(t, a->x_first, 0, slowest), origin = place_of(t, a, 0);
    const double way = place_of(t, a, t->grid - 1) - origin;
    const double rough = wrapped(angle_at(t, a->x_first, 1, slowest) - start) / (place_of(t, a, 1) - origin);
    double whole = angle_at(t, a->x_first, t->grid - 1, slowest) - start;
    whole += turn * nearbyint((rough * way - whole) / turn);
    const double base = pow(whole / way, -(double)t->quarter / slowest);
    if (!(base > 1) || !(base < TLEG_MOST_ROTARY_BASE))
        return false;
    for (int digits = 0; digits < 9; digits++) {
        const double scale = pow(10, digits - floor(log10(base)));
        a->base = nearbyint(base * scale) / scale;
        if (a->base > 1 && matches(t, a))
            return true;
    }
    return false;
}

/* By which way of counting the first pair, which turns by the place itself, can be as it is. */
static bool find_places(const struct tables *t, struct tleg_angles *a) {
    const double start = wrapped(angle_at(t, a->x_first, 0, 0));
    const double step = t->grid > 1 ? wrapped(angle_at(t, a->x_first, 1, 0) - start) : 1;
    const double grid = nearbyint(step * (double)t->grid);
    a->grid = (int32_t)t->grid;
    if (a->rotary == TLEG_ROTARY_INDEX) {
        if (!(grid >= 1) || !(grid <= (double)TLEG_MAX_GRID))
            return false;
        a->grid = (int32_t)grid;
        a->offset = fabs(start - step) < 0.5 * step;
    }
    return find_base(t, a);
}

bool tleg_angles_find(struct walk *walk, const struct value *rotated, int64_t prefix, int64_t grid, struct tleg_angles *out) {
    struct tables t;
    if (!open_tables(walk, rotated, prefix, grid, &t))
        return false;
    for (int32_t way = 0; way < 4; way++) {
        *out = (struct tleg_angles){.rotary = way & 2 ? TLEG_ROTARY_CENTRED : TLEG_ROTARY_INDEX, .x_first = way & 1};
        out->halves = t.halves;
        if (find_places(&t, out))
            return true;
    }
    return false;
}

static bool same_constant(const struct walk *walk, uint32_t a, uint32_t b) {
    const struct constant *first = tleg_constant_get(walk, a), *second = tleg_constant_get(walk, b);
    bool same = first->tensor == second->tensor && first->numbers == second->numbers && first->offset == second->offset &&
                first->rank == second->rank;
    for (int32_t k = 0; k < first->rank && same; k++)
        same = first->shape[k] == second->shape[k] && first->strides[k] == second->strides[k];
    return same;
}

bool tleg_angles_same(struct walk *walk, const struct value *known, const struct value *other, int64_t prefix, int64_t grid,
                      const struct tleg_angles *angles) {
    struct tables t;
    const struct turn *a = known->turn, *b = other->turn;
    bool same = a->head == b->head && a->prefix == b->prefix;
    for (int k = 0; k < 2 && same; k++)
        same = same_constant(walk, a->terms[k].table, b->terms[k].table) &&
               memcmp(a->terms[k].from, b->terms[k].from, (size_t)a->head * sizeof(int32_t)) == 0;
    return same || (open_tables(walk, other, prefix, grid, &t) && t.head == a->head && t.halves == angles->halves &&
                    matches(&t, angles));
}
