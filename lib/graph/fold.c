/* Arithmetic of constants alone: what exporters compute of shapes, and of tokens and positions. */
#include "graph/private.h"

#include <math.h>
#include <string.h>

static const char no_constant[] = "constant numbers";

static bool load(struct walk *walk, const struct value *value, struct constant *out) {
    *out = *tleg_constant_get(walk, value->weight);
    return tleg_constant_load(walk, out);
}

/* ---- one number ---- */

static double unary(const char *type, double x) {
    static const struct {
        const char *type;
        double (*function)(double);
    } functions[] = {{"Sqrt", sqrt}, {"Floor", floor}, {"Ceil", ceil}, {"Round", nearbyint}, {"Abs", fabs},
                     {"Cos", cos},   {"Sin", sin},     {"Erf", erf},   {"Tanh", tanh},       {"Exp", exp}};
    for (size_t k = 0; k < sizeof functions / sizeof *functions; k++)
        if (strcmp(functions[k].type, type) == 0)
            return functions[k].function(x);
    if (strcmp(type, "Neg") == 0)
        return -x;
    if (strcmp(type, "Not") == 0 || strcmp(type, "IsNaN") == 0)
        return type[0] == 'N' ? x == 0 : x != x;
    return strcmp(type, "Reciprocal") == 0 ? 1 / x : strcmp(type, "Relu") == 0 ? fmax(x, 0) : NAN;
}

/* ---- two numbers ---- */

static const char *const comparisons[] = {"Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "And", "Or"};
enum { COMPARISONS = sizeof comparisons / sizeof *comparisons };

static int comparison_of(const char *type) {
    int k = 0;
    while (k < COMPARISONS && strcmp(comparisons[k], type) != 0)
        k++;
    return k;
}

static double compare(int which, double a, double b) {
    switch (which) {
    case 0:
        return a == b;
    case 1:
        return a < b;
    case 2:
        return a > b;
    case 3:
        return a <= b;
    case 4:
        return a >= b;
    case 5:
        return a != 0 && b != 0;
    default:
        return a != 0 || b != 0;
    }
}

static double binary(const char *type, bool whole, double a, double b) {
    if (strcmp(type, "Add") == 0)
        return a + b;
    if (strcmp(type, "Sub") == 0)
        return a - b;
    if (strcmp(type, "Mul") == 0)
        return a * b;
    if (strcmp(type, "Div") == 0)
        return whole ? (b != 0 ? trunc(a / b) : 0) : a / b;
    if (strcmp(type, "Mod") == 0)
        return b != 0 ? a - floor(a / b) * b : 0;
    if (strcmp(type, "Min") == 0 || strcmp(type, "Max") == 0)
        return type[1] == 'i' ? fmin(a, b) : fmax(a, b);
    return strcmp(type, "Pow") == 0 ? pow(a, b) : NAN;
}

/* The shape of both together; false when they do not fit. */
static bool broadcast(const struct constant *a, const struct constant *b, int32_t *rank, int64_t shape[TLEG_MAX_RANK]) {
    *rank = a->rank > b->rank ? a->rank : b->rank;
    for (int32_t k = 0; k < *rank; k++) {
        const int32_t i = k - (*rank - a->rank), j = k - (*rank - b->rank);
        const int64_t first = i >= 0 ? a->shape[i] : 1, second = j >= 0 ? b->shape[j] : 1;
        if (first != second && first != 1 && second != 1)
            return false;
        shape[k] = first == 1 ? second : first;
    }
    return true;
}

/* The same numbers in that shape. */
static struct constant spread(struct constant from, int32_t rank, const int64_t *shape) {
    struct constant out = from;
    out.rank = rank;
    for (int32_t k = 0; k < rank; k++) {
        const int32_t i = k - (rank - from.rank);
        out.shape[k] = shape[k];
        out.strides[k] = i >= 0 && from.shape[i] > 1 ? from.strides[i] : 0;
    }
    return out;
}

/* Results of `count` constants in the shape of them all; along a dimension in which none of them differs there is one. */
struct results {
    struct constant made, from[3];
    int64_t shape[TLEG_MAX_RANK], count;
    double *numbers; /* NULL: there is no room */
};

static const char *begin(struct walk *walk, const struct value *const *in, int count, bool whole, struct results *results) {
    struct constant all = {0};
    int32_t rank = 0;
    for (int k = 0; k < count; k++) {
        struct constant *from = &results->from[k];
        if (!load(walk, in[k], from))
            return no_constant;
        if (!broadcast(&all, from, &rank, results->shape))
            return "constants whose shapes fit each other";
        all.rank = rank;
        memcpy(all.shape, results->shape, sizeof all.shape);
        whole = whole && from->whole;
    }
    if (!tleg_size_countable(results->shape, rank))
        return "fewer constants";
    for (int k = 0; k < count; k++)
        results->from[k] = spread(results->from[k], rank, results->shape);
    for (int32_t dim = 0; dim < rank; dim++) {
        bool same = true;
        for (int k = 0; k < count; k++)
            same = same && results->from[k].strides[dim] == 0;
        for (int k = 0; k < count && same && results->shape[dim] > 0; k++)
            results->from[k].shape[dim] = 1;
    }
    results->numbers = tleg_constant_make(walk, whole, rank, results->from[0].shape, &results->made);
    results->count = results->numbers ? tleg_constant_count(&results->made) : 0;
    return NULL;
}

static void finish(struct walk *walk, struct results *results, struct value *out) {
    const struct constant made = spread(results->made, results->made.rank, results->shape);
    if (results->numbers)
        tleg_value_constant(walk, &made, out);
}

const char *tleg_fold_unary(struct walk *walk, const char *type, const struct value *a, struct value *out) {
    struct results results = {0};
    const char *expected = begin(walk, &a, 1, true, &results);
    for (int64_t k = 0; k < results.count; k++)
        results.numbers[k] = unary(type, tleg_constant_at(&results.from[0], k));
    results.made.whole = results.made.whole || strcmp(type, "IsNaN") == 0;
    finish(walk, &results, out);
    return expected;
}

const char *tleg_fold_binary(struct walk *walk, const char *type, const struct value *a, const struct value *b,
                             struct value *out) {
    struct results results = {0};
    const int which = comparison_of(type);
    const char *expected = begin(walk, (const struct value *const[]){a, b}, 2, true, &results);
    for (int64_t k = 0; k < results.count; k++) {
        const double x = tleg_constant_at(&results.from[0], k), y = tleg_constant_at(&results.from[1], k);
        results.numbers[k] = which < COMPARISONS ? compare(which, x, y) : binary(type, results.made.whole, x, y);
    }
    results.made.whole = results.made.whole || which < COMPARISONS;
    finish(walk, &results, out);
    return expected;
}

/* ---- nodes ---- */

const char *tleg_node_constant(struct walk *walk, struct value *out) {
    const struct tleg_graph_attribute *attribute = tleg_walk_attribute(walk, "value");
    struct constant made;
    if (attribute && attribute->tensor) {
        tleg_constant_of(&walk->graph->tensors[attribute->tensor - 1], &made);
        tleg_value_constant(walk, &made, out);
        return NULL;
    }
    const struct tleg_graph_attribute *integer = tleg_walk_attribute(walk, "value_int"),
                                      *list = tleg_walk_attribute(walk, "value_ints"),
                                      *real = tleg_walk_attribute(walk, "value_float");
    if (!integer && !list && !real)
        return "a tensor or a number";
    const int64_t count = list ? list->count : 1;
    double *numbers = tleg_constant_make(walk, !real, list ? 1 : 0, &count, &made);
    for (int64_t k = 0; numbers && k < count; k++)
        numbers[k] = list ? (double)walk->graph->integers[list->integers + k] : integer ? (double)integer->integer : real->real;
    if (numbers)
        tleg_value_constant(walk, &made, out);
    return NULL;
}

/* The sizes of a value's dimensions; how many. */
static int32_t sizes_of(const struct walk *walk, const struct value *value, int64_t sizes[TLEG_MAX_RANK]) {
    const struct constant *constant = value->what == CONSTANT ? tleg_constant_get(walk, value->weight) : NULL;
    const int32_t rank = constant ? constant->rank : value->layout.rank;
    for (int32_t k = 0; k < rank; k++)
        sizes[k] = constant ? constant->shape[k] : tleg_layout_size(&value->layout, k);
    return rank;
}

static int64_t clip(int64_t at, int64_t rank) {
    at += at < 0 ? rank : 0;
    return at < 0 ? 0 : at > rank ? rank : at;
}

const char *tleg_node_shape(struct walk *walk, struct value *out) {
    const struct value *from = tleg_walk_in(walk, 0);
    int64_t sizes[TLEG_MAX_RANK];
    const int32_t rank = sizes_of(walk, from, sizes);
    const bool size = strcmp(tleg_walk_text(walk, walk->node->type), "Size") == 0;
    const int64_t start = size ? 0 : clip(tleg_walk_integer(walk, "start", 0), rank);
    const int64_t end = size ? rank : clip(tleg_walk_integer(walk, "end", rank), rank);
    const int64_t count = size ? 1 : end > start ? end - start : 0;
    struct constant made;
    double *numbers = tleg_constant_make(walk, true, !size, &count, &made);
    if (!numbers)
        return NULL;
    numbers[0] = 1; /* there is one more than asked for */
    for (int64_t k = start; k < end; k++)
        if (size)
            numbers[0] *= (double)sizes[k];
        else
            numbers[k - start] = (double)sizes[k];
    tleg_value_constant(walk, &made, out);
    return NULL;
}

/* ConstantOfShape: one number, seen in that shape. */
const char *tleg_node_fill(struct walk *walk, struct value *out) {
    const struct tleg_graph_attribute *attribute = tleg_walk_attribute(walk, "value");
    struct constant made = {0};
    int64_t shape[MOST_INTEGERS];
    const int rank = tleg_walk_integers(walk, NULL, 0, shape);
    if (rank < 0 || rank > TLEG_MAX_RANK || !tleg_size_countable(shape, rank))
        return "a constant shape";
    if (attribute && attribute->tensor) {
        tleg_constant_of(&walk->graph->tensors[attribute->tensor - 1], &made);
        if (tleg_constant_count(&made) != 1)
            return "one number";
    } else if (!tleg_constant_make(walk, false, 0, NULL, &made)) {
        return NULL;
    }
    made.rank = 0;
    made = spread(made, rank, shape);
    tleg_value_constant(walk, &made, out);
    return NULL;
}

const char *tleg_node_range(struct walk *walk, struct value *out) {
    double part[3];
    struct constant made;
    bool whole = true;
    for (uint32_t k = 0; k < 3; k++) {
        const struct value *in = tleg_walk_in(walk, k);
        if (!tleg_is_constant(in) || !tleg_constant_is_number(walk, in->weight, &part[k]))
            return no_constant;
        whole = whole && tleg_constant_get(walk, in->weight)->whole;
    }
    const double steps = part[2] != 0 ? ceil((part[1] - part[0]) / part[2]) : 0;
    if (!(steps < 1e9))
        return "fewer numbers";
    const int64_t count = steps > 0 ? (int64_t)steps : 0;
    double *numbers = tleg_constant_make(walk, whole, 1, &count, &made);
    for (int64_t k = 0; numbers && k < count; k++)
        numbers[k] = part[0] + (double)k * part[2];
    if (numbers)
        tleg_value_constant(walk, &made, out);
    return NULL;
}

static const char *fold_where(struct walk *walk, const struct value *in[3], struct value *out) {
    struct results results = {0};
    const char *expected = begin(walk, in, 3, true, &results);
    for (int64_t k = 0; k < results.count; k++)
        results.numbers[k] = tleg_constant_at(&results.from[tleg_constant_at(&results.from[0], k) != 0 ? 1 : 2], k);
    finish(walk, &results, out);
    return expected;
}

/* Of constants; or a softmax whose shares are 0 in place of what is not a number: what a row without any key would have. */
const char *tleg_node_where(struct walk *walk, struct value *out) {
    const struct value *in[3];
    double zero;
    for (uint32_t k = 0; k < 3; k++)
        if (!(in[k] = tleg_walk_in(walk, k)))
            return "three inputs";
    if (tleg_is_constant(in[0]) && tleg_is_constant(in[1]) && tleg_is_constant(in[2]))
        return fold_where(walk, in, out);
    if (in[0]->what != NOT_NUMBERS || in[2]->what != SHARES || in[0]->id != in[2]->id || !tleg_is_constant(in[1]) ||
        !tleg_constant_is_number(walk, in[1]->weight, &zero) || zero != 0)
        return no_constant;
    *out = *in[2];
    return NULL;
}

/* Cast, or CastLike, to the type of its second input. */
const char *tleg_node_cast(struct walk *walk, struct value *out) {
    const struct value *in = tleg_walk_in(walk, 0), *like = tleg_walk_in(walk, 1);
    const bool integers = tleg_is_constant(like) && tleg_constant_get(walk, like->weight)->whole;
    const int64_t to = tleg_walk_integer(walk, "to", integers ? 7 : 1);
    const bool whole = (to >= 2 && to <= 7) || to == 9 || to == 12 || to == 13;
    if (in->what != CONSTANT) {
        *out = *in;
        return whole ? "a cast to floating-point numbers" : NULL;
    }
    const struct constant from = *tleg_constant_get(walk, in->weight);
    struct results results = {0};
    if (whole == from.whole && to != 9) {
        tleg_value_constant(walk, &from, out);
        return NULL;
    }
    const char *expected = begin(walk, &in, 1, true, &results);
    for (int64_t k = 0; k < results.count; k++) {
        const double x = tleg_constant_at(&results.from[0], k);
        results.numbers[k] = to == 9 ? x != 0 : whole ? trunc(x) : x;
    }
    results.made.whole = whole;
    finish(walk, &results, out);
    return expected;
}

/* Repeats along dimensions of size 1. */
static const char *repeat(struct walk *walk, const struct value *in, int32_t rank, const int64_t *shape, struct value *out) {
    struct constant from, made;
    if (in->what != CONSTANT) {
        int64_t sizes[TLEG_MAX_RANK];
        bool same = sizes_of(walk, in, sizes) == rank;
        for (int32_t k = 0; k < rank && same; k++)
            same = shape[k] == 1 || shape[k] == sizes[k];
        *out = *in;
        return same || in->what == LENGTH ? NULL : "constants to repeat";
    }
    from = *tleg_constant_get(walk, in->weight);
    made = (struct constant){.rank = rank};
    memcpy(made.shape, shape, (size_t)rank * sizeof *shape);
    int64_t all[TLEG_MAX_RANK];
    if (!tleg_size_countable(shape, rank) || !broadcast(&from, &made, &rank, all) || !tleg_size_countable(all, rank))
        return "a shape that the constant fits";
    made = spread(from, rank, all);
    tleg_value_constant(walk, &made, out);
    return NULL;
}

const char *tleg_node_expand(struct walk *walk, struct value *out) {
    int64_t shape[MOST_INTEGERS];
    const int rank = tleg_walk_integers(walk, NULL, 1, shape);
    if (rank < 0 || rank > TLEG_MAX_RANK)
        return "a constant shape";
    return repeat(walk, tleg_walk_in(walk, 0), rank, shape, out);
}

const char *tleg_node_tile(struct walk *walk, struct value *out) {
    const struct value *in = tleg_walk_in(walk, 0);
    int64_t times[MOST_INTEGERS] = {0}, sizes[TLEG_MAX_RANK] = {0};
    const int rank = tleg_walk_integers(walk, NULL, 1, times);
    if (rank < 0 || rank != sizes_of(walk, in, sizes))
        return "a constant number of repetitions";
    for (int k = 0; k < rank; k++) {
        if (times[k] != 1 && sizes[k] != 1)
            return "repetitions of a single token";
        times[k] = sizes[k] == 1 ? times[k] : sizes[k];
    }
    return repeat(walk, in, rank, times, out);
}

/* ---- Concat ---- */

static void copy_part(const struct constant *from, int64_t outer, int64_t inner, int64_t row, double *to) {
    for (int64_t k = 0; k < outer; k++)
        for (int64_t i = 0; i < inner; i++)
            to[k * row + i] = tleg_constant_at(from, k * inner + i);
}

const char *tleg_fold_concat(struct walk *walk, struct value *out) {
    const uint32_t count = walk->node->input_count;
    struct constant *parts = tleg_walk_keep(walk, count * sizeof *parts), made;
    int64_t shape[TLEG_MAX_RANK], along = 0, outer = 1, done = 0;
    bool whole = true;
    if (!parts)
        return NULL;
    for (uint32_t k = 0; k < count; k++)
        if (!load(walk, tleg_walk_in(walk, k), &parts[k]))
            return no_constant;
    const int32_t rank = parts[0].rank, axis = tleg_walk_dimension(tleg_walk_integer(walk, "axis", 0), rank);
    for (uint32_t k = 0; k < count && axis >= 0; k++) {
        for (int32_t i = 0; i < rank; i++)
            if (parts[k].rank != rank || (i != axis && parts[k].shape[i] != parts[0].shape[i]))
                return "constants whose shapes fit each other";
        along += parts[k].shape[axis];
        whole = whole && parts[k].whole;
    }
    if (axis < 0 || along < 0)
        return "a dimension that there is";
    memcpy(shape, parts[0].shape, sizeof shape);
    shape[axis] = along;
    double *numbers = tleg_constant_make(walk, whole, rank, shape, &made);
    for (int32_t i = 0; i < axis; i++)
        outer *= shape[i];
    const int64_t row = numbers && outer > 0 ? tleg_constant_count(&made) / outer : 0;
    for (uint32_t k = 0; k < count && row > 0; k++) {
        const int64_t inner = tleg_constant_count(&parts[k]) / outer;
        copy_part(&parts[k], outer, inner, row, numbers + done);
        done += inner;
    }
    if (numbers)
        tleg_value_constant(walk, &made, out);
    return NULL;
}
