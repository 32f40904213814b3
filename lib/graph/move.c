/* Nodes that move numbers and compute none: of constants they give views, of values other layouts. */
#include "graph/private.h"

#include <string.h>

/* Gives the input as it is: Identity, Dropout. */
const char *tleg_node_pass(struct walk *walk, struct value *out) {
    *out = *tleg_walk_in(walk, 0);
    return NULL;
}

static int32_t rank_of(const struct walk *walk, const struct value *value) {
    return value->what == CONSTANT ? tleg_constant_get(walk, value->weight)->rank : value->layout.rank;
}

static int64_t size_of(const struct walk *walk, const struct value *value, int32_t dim) {
    return value->what == CONSTANT ? tleg_constant_get(walk, value->weight)->shape[dim] : tleg_layout_size(&value->layout, dim);
}

/* ---- other dimensions ---- */

const char *tleg_value_reshape(struct walk *walk, const struct value *in, int32_t rank, const int64_t *shape,
                               struct value *out) {
    *out = *in;
    if (in->what == CONSTANT) {
        const struct constant from = *tleg_constant_get(walk, in->weight);
        struct constant made;
        if (!tleg_constant_reshape(walk, &from, rank, shape, &made))
            return "a shape of as many numbers";
        tleg_value_constant(walk, &made, out);
        return NULL;
    }
    return tleg_layout_reshape(&in->layout, rank, shape, &out->layout) ? NULL : "a shape that keeps tokens and heads apart";
}

/* 0 is the size that was, -1 what is left. */
static const char *fill_shape(struct walk *walk, const struct value *in, int rank, int64_t *shape) {
    const bool keep = tleg_walk_integer(walk, "allowzero", 0) == 0;
    int64_t sizes[TLEG_MAX_RANK], known = 1;
    size_t all;
    int open = -1;
    for (int32_t k = 0; k < rank_of(walk, in); k++)
        sizes[k] = size_of(walk, in, k);
    if (!tleg_size_product(sizes, rank_of(walk, in), &all) || all > INT64_MAX)
        return "fewer numbers";
    for (int k = 0; k < rank; k++) {
        if (shape[k] == 0 && keep && k < rank_of(walk, in))
            shape[k] = size_of(walk, in, k);
        if (shape[k] < 0)
            open = k;
        else if (shape[k] > 0 && shape[k] <= (int64_t)all / known)
            known *= shape[k];
        else
            return "a shape of as many numbers";
    }
    if (open >= 0)
        shape[open] = (int64_t)all / known;
    return NULL;
}

/* Dimensions taken out or put in, those of size 1. */
static const char *squeeze(struct walk *walk, const struct value *in, bool in_out, int64_t *shape, int *rank) {
    int64_t axes[MOST_INTEGERS];
    bool at[2 * TLEG_MAX_RANK] = {false};
    const int count = tleg_walk_integers(walk, "axes", 1, axes), before = rank_of(walk, in);
    const int after = in_out ? before + count : before;
    if ((in_out && count < 0) || after > TLEG_MAX_RANK)
        return "constant dimensions";
    for (int k = 0; k < count; k++) {
        const int32_t dim = tleg_walk_dimension(axes[k], after);
        if (dim < 0 || at[dim])
            return "dimensions that there are";
        at[dim] = true;
    }
    *rank = 0;
    for (int k = 0, from = 0; k < after; k++) {
        if (in_out) {
            shape[(*rank)++] = at[k] ? 1 : size_of(walk, in, from++);
        } else if (!(at[k] || (count < 0 && size_of(walk, in, k) == 1))) {
            shape[(*rank)++] = size_of(walk, in, k);
        }
    }
    return NULL;
}

const char *tleg_node_reshape(struct walk *walk, struct value *out) {
    const struct value *in = tleg_walk_in(walk, 0);
    const char *type = tleg_walk_text(walk, walk->node->type), *expected = NULL;
    int64_t shape[MOST_INTEGERS];
    int rank = 0;
    if (strcmp(type, "Reshape") == 0) {
        rank = tleg_walk_integers(walk, "shape", 1, shape);
        expected = rank < 0 || rank > TLEG_MAX_RANK ? "a constant shape" : fill_shape(walk, in, rank, shape);
    } else if (strcmp(type, "Flatten") == 0) {
        const int64_t axis = tleg_walk_integer(walk, "axis", 1), at = axis < 0 ? axis + rank_of(walk, in) : axis;
        shape[0] = 1;
        shape[1] = -1;
        rank = 2;
        for (int32_t k = 0; k < rank_of(walk, in) && k < at; k++)
            shape[0] = shape[0] > INT64_MAX / (size_of(walk, in, k) + 1) ? 0 : shape[0] * size_of(walk, in, k);
        expected = fill_shape(walk, in, rank, shape);
    } else {
        expected = squeeze(walk, in, strcmp(type, "Unsqueeze") == 0, shape, &rank);
    }
    return expected ? expected : tleg_value_reshape(walk, in, rank, shape, out);
}

const char *tleg_node_transpose(struct walk *walk, struct value *out) {
    const struct value *in = tleg_walk_in(walk, 0);
    int64_t given[MOST_INTEGERS];
    int32_t order[TLEG_MAX_RANK];
    bool seen[TLEG_MAX_RANK] = {false};
    const int rank = rank_of(walk, in), count = tleg_walk_integers(walk, "perm", 0, given);
    if (count >= 0 && count != rank)
        return "as many dimensions as its input has";
    for (int k = 0; k < rank; k++) {
        order[k] = count < 0 ? rank - 1 - k : tleg_walk_dimension(given[k], rank);
        if (order[k] < 0 || seen[order[k]])
            return "each dimension once";
        seen[order[k]] = true;
    }
    *out = *in;
    if (in->what != CONSTANT) {
        tleg_layout_transpose(&in->layout, order, &out->layout);
        return NULL;
    }
    const struct constant from = *tleg_constant_get(walk, in->weight);
    struct constant made = from;
    for (int k = 0; k < rank; k++) {
        made.shape[k] = from.shape[order[k]];
        made.strides[k] = from.strides[order[k]];
    }
    tleg_value_constant(walk, &made, out);
    return NULL;
}

/* ---- parts of a value ---- */

/* Rows of a LINEAR's weight (rows, ..., in), or of its bias, digit (size, stride) of which is taken from `first` on. */
static bool take_rows(struct walk *walk, uint32_t *constant, int64_t rows, const struct atom *digit, int64_t first,
                      int64_t count, bool matrix) {
    struct constant own = *tleg_constant_get(walk, *constant), made;
    const int64_t inner = matrix ? own.shape[own.rank - 1] : 1;
    const int64_t shape[] = {rows / ((int64_t)digit->size * digit->stride), digit->size, digit->stride, inner};
    if (!tleg_constant_reshape(walk, &own, matrix ? 4 : 3, shape, &made))
        return false;
    made.offset += first * made.strides[1];
    made.shape[1] = count;
    *constant = tleg_constant_add(walk, &made);
    return *constant != 0;
}

static int64_t rows_of(const struct walk *walk, uint32_t constant) {
    const struct constant *own = tleg_constant_get(walk, constant);
    return tleg_constant_count(own) / own->shape[own->rank - 1];
}

/* Features of a LINEAR: the same of fewer rows. */
static const char *slice_features(struct walk *walk, const struct value *in, int32_t dim, const struct atom *digit,
                                  int64_t first, int64_t count, struct value *out) {
    if (in->what != LINEAR || in->gate || in->norm || in->weight == 0)
        return "a part of what a matrix gives";
    const int64_t rows = rows_of(walk, in->weight), block = (int64_t)digit->size * digit->stride;
    if (!take_rows(walk, &out->weight, rows, digit, first, count, true) ||
        (in->bias && !take_rows(walk, &out->bias, rows, digit, first, count, false)))
        return "a part of what a matrix gives";
    out->id = 0;
    out->part_of = digit->stride == 1 ? in->id : 0;
    out->part_first = (int32_t)first;
    out->part_head = digit->size;
    struct layout cut = in->layout;
    for (int32_t k = 0, at = 0; k < cut.rank; k++)
        for (int32_t i = 0; i < cut.counts[k]; i++, at++)
            if (cut.atoms[at].axis == AXIS_FEATURE && cut.atoms[at].stride >= block)
                cut.atoms[at].stride = (int32_t)(cut.atoms[at].stride / digit->size * count);
    const struct atom part = {AXIS_FEATURE, (int32_t)count, digit->stride};
    tleg_layout_replace(&cut, dim, &part, 1, false, &out->layout);
    return NULL;
}

static const char *slice_tokens(struct walk *walk, const struct value *in, int32_t dim, int64_t first, int64_t count,
                                struct value *out) {
    if (in->what == EMBED)
        return tleg_embed_slice(walk, in, dim, first, count, out);
    if (in->what == LINEAR || in->what == TURN)
        return tleg_turn_tokens(walk, in, dim, first, count, out);
    if (in->what != STREAM && in->what != NORM)
        return "all tokens";
    out->first = in->first + first;
    out->count = count;
    const struct atom part = {AXIS_TOKEN, (int32_t)count, 1};
    tleg_layout_replace(&in->layout, dim, &part, 1, false, &out->layout);
    return NULL;
}

static void slice_constant(struct walk *walk, const struct value *in, int32_t dim, int64_t first, int64_t count, int64_t step,
                           struct value *out) {
    struct constant made = *tleg_constant_get(walk, in->weight);
    made.offset += count > 0 ? first * made.strides[dim] : 0;
    made.strides[dim] *= step;
    made.shape[dim] = count;
    tleg_value_constant(walk, &made, out);
}

/* Elements [first, first + count) of a dimension, which it has. */
const char *tleg_value_slice(struct walk *walk, const struct value *in, int32_t dim, int64_t first, int64_t count,
                             struct value *out) {
    const struct value from = *in; /* may be `out` */
    *out = from;
    if (from.what == CONSTANT) {
        slice_constant(walk, &from, dim, first, count, 1, out);
        return NULL;
    }
    if (count == tleg_layout_size(&from.layout, dim))
        return NULL;
    const struct atom digit = *tleg_layout_atoms(&from.layout, dim);
    if (from.layout.counts[dim] != 1 || (count < 1 && from.what != LINEAR))
        return "a part of one axis";
    if (from.what == TURN && digit.axis == AXIS_NUMBER)
        return tleg_turn_slice(walk, &from, dim, first, count, 1, out);
    if (digit.axis == AXIS_TOKEN && digit.stride == 1)
        return slice_tokens(walk, &from, dim, first, count, out);
    if (digit.axis == AXIS_FEATURE && from.what == LINEAR && from.norm)
        return tleg_turn_slice(walk, &from, dim, first, count, 1, out);
    if (digit.axis == AXIS_FEATURE && count > 0)
        return slice_features(walk, &from, dim, &digit, first, count, out);
    return "all images, keys and channels";
}

/* A dimension of size 1 less. */
static const char *drop(struct walk *walk, int32_t dim, struct value *value) {
    if (value->what != CONSTANT)
        return tleg_layout_replace(&value->layout, dim, NULL, 0, true, &value->layout) ? NULL : "fewer dimensions";
    struct constant own = *tleg_constant_get(walk, value->weight);
    for (int32_t k = dim; k + 1 < own.rank; k++) {
        own.shape[k] = own.shape[k + 1];
        own.strides[k] = own.strides[k + 1];
    }
    own.rank--;
    tleg_value_constant(walk, &own, value);
    return NULL;
}

/* ---- Slice ---- */

static int64_t clip(int64_t at, int64_t size, int64_t least, int64_t most) {
    if (at < 0)
        at = at < -size ? -1 : at + size;
    return at < least ? least : at > most ? most : at;
}

static const char *slice_one(struct walk *walk, int32_t dim, int64_t start, int64_t end, int64_t step, struct value *out) {
    const int64_t size = size_of(walk, out, dim), most = size > 0 ? size : 1; /* a longer step takes one element as well */
    step = step > most ? most : step < -most ? -most : step;
    if (step < 0 && out->what == CONSTANT && size > 0) {
        const int64_t first = clip(start, size, 0, size - 1), last = end < -size ? -1 : clip(end, size, -1, size - 1);
        const int64_t count = first > last ? (first - last - step - 1) / -step : 0;
        const struct value from = *out;
        slice_constant(walk, &from, dim, first, count, step, out);
        return NULL;
    }
    const int64_t first = clip(start, size, 0, size), last = clip(end, size, 0, size);
    if (step < 1)
        return "steps forwards";
    if (step > 1 && out->what == CONSTANT) {
        const struct value from = *out;
        slice_constant(walk, &from, dim, first, last > first ? (last - first + step - 1) / step : 0, step, out);
        return NULL;
    }
    if (step > 1 && (out->what == LINEAR || out->what == TURN)) {
        const struct value from = *out;
        return tleg_turn_slice(walk, &from, dim, first, last > first ? (last - first + step - 1) / step : 0, step, out);
    }
    return step > 1 ? "steps of 1" : tleg_value_slice(walk, out, dim, first, last > first ? last - first : 0, out);
}

const char *tleg_node_slice(struct walk *walk, struct value *out) {
    const struct value *in = tleg_walk_in(walk, 0);
    int64_t starts[MOST_INTEGERS], ends[MOST_INTEGERS], axes[MOST_INTEGERS], steps[MOST_INTEGERS];
    const int count = tleg_walk_integers(walk, "starts", 1, starts), end_count = tleg_walk_integers(walk, "ends", 2, ends);
    const int axis_count = tleg_walk_integers(walk, "axes", 3, axes), step_count = tleg_walk_integers(walk, "steps", 4, steps);
    const char *expected = NULL;
    if (count < 0 || end_count != count || (axis_count >= 0 && axis_count != count) || (step_count >= 0 && step_count != count))
        return "constant places";
    *out = *in;
    for (int k = 0; k < count && !expected; k++) {
        const int32_t dim = tleg_walk_dimension(axis_count < 0 ? k : axes[k], rank_of(walk, out));
        expected = dim < 0 ? "a dimension that there is"
                           : slice_one(walk, dim, starts[k], ends[k], step_count < 0 ? 1 : steps[k], out);
    }
    return expected;
}

/* ---- Gather ---- */

/* Rows of a constant by a list of numbers. */
static const char *gather_rows(struct walk *walk, const struct value *in, int32_t dim, const struct value *by,
                               struct value *out) {
    struct constant from = *tleg_constant_get(walk, in->weight), index = *tleg_constant_get(walk, by->weight), made;
    int64_t shape[TLEG_MAX_RANK], inner = 1, outer = 1;
    int32_t rank = 0;
    if (from.rank + index.rank - 1 > TLEG_MAX_RANK || !tleg_constant_load(walk, &from) || !tleg_constant_load(walk, &index))
        return "constant numbers";
    for (int32_t k = 0; k < from.rank; k++) {
        for (int32_t i = 0; k == dim && i < index.rank; i++)
            shape[rank++] = index.shape[i];
        if (k != dim)
            shape[rank++] = from.shape[k];
        outer *= k < dim ? from.shape[k] : 1;
        inner *= k > dim ? from.shape[k] : 1;
    }
    const int64_t rows = tleg_constant_count(&index), size = from.shape[dim];
    double *numbers = tleg_constant_make(walk, from.whole, rank, shape, &made);
    for (int64_t o = 0; numbers && o < outer; o++)
        for (int64_t r = 0; r < rows; r++) {
            const double place = tleg_constant_at(&index, r), at = place < 0 ? place + (double)size : place;
            if (!(at >= 0) || !(at < (double)size))
                return "rows that there are";
            for (int64_t i = 0; i < inner; i++)
                numbers[(o * rows + r) * inner + i] = tleg_constant_at(&from, (o * size + (int64_t)at) * inner + i);
        }
    if (numbers)
        tleg_value_constant(walk, &made, out);
    return NULL;
}

const char *tleg_node_gather(struct walk *walk, struct value *out) {
    const struct value *in = tleg_walk_in(walk, 0), *by = tleg_walk_in(walk, 1);
    int64_t index[MOST_INTEGERS];
    if (!tleg_is_constant(by))
        return "constant places";
    const int32_t rank = tleg_constant_get(walk, by->weight)->rank;
    const int32_t dim = tleg_walk_dimension(tleg_walk_integer(walk, "axis", 0), rank_of(walk, in));
    if (dim < 0)
        return "a dimension that there is";
    if (in->what == CONSTANT && rank > 0)
        return gather_rows(walk, in, dim, by, out);
    if ((in->what == LINEAR || in->what == TURN) && rank == 1 && tleg_constant_count(tleg_constant_get(walk, by->weight)) > 1)
        return tleg_turn_gather(walk, in, dim, by->weight, out);
    const int64_t size = size_of(walk, in, dim);
    if (tleg_constant_integers(walk, by->weight, index) != 1 || rank > 1 || index[0] < -size || index[0] >= size)
        return "one constant place";
    const char *expected = tleg_value_slice(walk, in, dim, index[0] < 0 ? index[0] + size : index[0], 1, out);
    return expected || rank == 1 ? expected : drop(walk, dim, out);
}

/* ---- Split ---- */

const char *tleg_node_split(struct walk *walk) {
    const struct value *in = tleg_walk_in(walk, 0);
    const uint32_t outputs = walk->node->output_count, *to = walk->graph->uses + walk->node->outputs;
    int64_t sizes[MOST_INTEGERS], at = 0;
    const int count = tleg_walk_integers(walk, "split", 1, sizes);
    const int32_t dim = tleg_walk_dimension(tleg_walk_integer(walk, "axis", 0), rank_of(walk, in));
    if (dim < 0 || outputs == 0 || outputs > MOST_INTEGERS || (count >= 0 && (uint32_t)count != outputs))
        return "as many parts as it gives";
    const int64_t size = size_of(walk, in, dim), each = (size + outputs - 1) / outputs;
    for (uint32_t k = 0; k < outputs; k++) {
        const int64_t left = size - at, part = count >= 0 ? sizes[k] : each < left ? each : left;
        if (part < 0 || part > left)
            return "parts of what there is";
        struct value made;
        const char *expected = tleg_value_slice(walk, in, dim, at, part, &made);
        if (expected)
            return expected;
        made.id = made.id ? made.id : to[k];
        if (to[k])
            walk->values[to[k]] = made;
        at += part;
    }
    return NULL;
}
