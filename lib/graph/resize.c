/* Resize of constants, such as a grid of positions for another picture size: linear or cubic, as ONNX defines it. */
#include "graph/private.h"

#include <math.h>
#include <string.h>

enum { GRID = 4096 }; /* the most of a side */
struct resizing {
    bool cubic, antialias, corners, outside_excluded;
    double a;     /* of the cubic */
    double scale; /* output pixels for each of the input */
    int64_t in, out;
};

static double weight(const struct resizing *r, double x) {
    x = fabs(x);
    if (!r->cubic)
        return x < 1 ? 1 - x : 0;
    if (x < 1)
        return ((r->a + 2) * x - (r->a + 3)) * x * x + 1;
    return x < 2 ? ((r->a * x - 5 * r->a) * x + 8 * r->a) * x - 4 * r->a : 0;
}

/* Row `at` of the matrix (in) that makes an output of the input; it is 0 outside of [*low, *high]. */
static void fill_row(const struct resizing *r, int64_t at, double *row, int64_t *low, int64_t *high) {
    const double wide = r->antialias && r->scale < 1 ? 1 / r->scale : 1, reach = (r->cubic ? 2 : 1) * wide;
    const double centre = r->corners ? (r->out > 1 ? (double)at * (double)(r->in - 1) / (double)(r->out - 1) : 0)
                                     : ((double)at + 0.5) / r->scale - 0.5;
    double sum = 0;
    memset(row, 0, (size_t)r->in * sizeof *row);
    *low = r->in;
    *high = -1;
    for (int64_t k = (int64_t)floor(centre - reach); (double)k <= centre + reach; k++) {
        const bool inside = k >= 0 && k < r->in;
        const double w = weight(r, ((double)k - centre) / wide);
        if (!inside && (r->outside_excluded || r->antialias))
            continue;
        const int64_t place = k < 0 ? 0 : k >= r->in ? r->in - 1 : k;
        *low = place < *low ? place : *low;
        *high = place > *high ? place : *high;
        row[place] += w;
        sum += w;
    }
    for (int64_t k = *low; k <= *high; k++)
        row[k] /= sum;
}

/* Along one dimension: `outer` times (in, inner) to (out, inner). */
static bool resize(struct walk *walk, const struct resizing *r, int32_t dim, const struct constant *from,
                   struct constant *out) {
    int64_t shape[TLEG_MAX_RANK], inner = 1;
    double *row = tleg_walk_keep(walk, (size_t)r->in * sizeof *row);
    memcpy(shape, from->shape, sizeof shape);
    shape[dim] = r->out;
    double *numbers = row ? tleg_constant_make(walk, false, from->rank, shape, out) : NULL;
    if (!numbers)
        return false;
    for (int32_t k = dim + 1; k < from->rank; k++)
        inner *= shape[k];
    const int64_t outer = tleg_constant_count(from) / (r->in * inner);
    for (int64_t at = 0; at < r->out; at++) {
        int64_t low, high;
        fill_row(r, at, row, &low, &high);
        for (int64_t o = 0; o < outer; o++)
            for (int64_t i = 0; i < inner; i++) {
                double sum = 0;
                for (int64_t k = low; k <= high; k++)
                    sum += row[k] * tleg_constant_at(from, (o * r->in + k) * inner + i);
                numbers[(o * r->out + at) * inner + i] = sum;
            }
    }
    return true;
}

static const char *read_mode(struct walk *walk, struct resizing *r) {
    const struct tleg_graph_attribute *mode = tleg_walk_attribute(walk, "mode"),
                                      *place = tleg_walk_attribute(walk, "coordinate_transformation_mode");
    const char *name = mode ? tleg_walk_text(walk, mode->text) : "nearest";
    const char *where = place ? tleg_walk_text(walk, place->text) : "half_pixel";
    r->cubic = strcmp(name, "cubic") == 0;
    r->corners = strcmp(where, "align_corners") == 0;
    r->antialias = tleg_walk_integer(walk, "antialias", 0) != 0;
    r->outside_excluded = tleg_walk_integer(walk, "exclude_outside", 0) != 0;
    r->a = tleg_walk_real(walk, "cubic_coeff_a", -0.75);
    if (!r->cubic && strcmp(name, "linear") != 0)
        return "a linear or cubic one";
    if (!r->corners && strcmp(where, "half_pixel") != 0 && strcmp(where, "pytorch_half_pixel") != 0)
        return "one of half pixels or aligned corners";
    return NULL;
}

/* The output's sides, by the fourth input or by the third, and how they are scaled. */
static const char *read_sizes(struct walk *walk, const struct constant *from, int64_t sides[TLEG_MAX_RANK],
                              double scales[TLEG_MAX_RANK]) {
    int64_t given[MOST_INTEGERS];
    if (tleg_walk_in(walk, 3)) {
        if (tleg_walk_integers(walk, NULL, 3, given) != from->rank)
            return "constant sizes";
        for (int32_t k = 0; k < from->rank; k++) {
            sides[k] = given[k];
            scales[k] = (double)given[k] / (double)from->shape[k];
        }
        return NULL;
    }
    const struct value *in = tleg_walk_in(walk, 2);
    struct constant factors = tleg_is_constant(in) ? *tleg_constant_get(walk, in->weight) : (struct constant){0};
    if (!tleg_is_constant(in) || tleg_constant_count(&factors) != from->rank || !tleg_constant_load(walk, &factors))
        return "constant scales";
    for (int32_t k = 0; k < from->rank; k++) {
        scales[k] = tleg_constant_at(&factors, k);
        const double side = floor((double)from->shape[k] * scales[k]);
        sides[k] = side > 0 && side <= (double)GRID ? (int64_t)side : side == (double)from->shape[k] ? from->shape[k] : 0;
    }
    return NULL;
}

const char *tleg_node_resize(struct walk *walk, struct value *out) {
    const struct value *in = tleg_walk_in(walk, 0);
    struct resizing r = {0};
    int64_t sides[TLEG_MAX_RANK];
    double scales[TLEG_MAX_RANK];
    if (!tleg_is_constant(in))
        return "a constant grid of positions";
    struct constant from = *tleg_constant_get(walk, in->weight);
    const char *expected = read_mode(walk, &r);
    if (!expected)
        expected = read_sizes(walk, &from, sides, scales);
    if (!expected && tleg_constant_count(&from) == 0)
        expected = "some numbers";
    if (expected || !tleg_constant_load(walk, &from))
        return expected;
    for (int32_t k = 0; k < from.rank; k++) {
        r.in = from.shape[k];
        r.out = sides[k];
        r.scale = scales[k];
        if (r.out == r.in && r.scale == 1)
            continue;
        if (r.out < 1 || r.out > GRID || r.in < 1 || r.in > GRID || !(r.scale > 1e-3) || !(r.scale < 1e3))
            return "a side of 1 to 4096";
        struct constant made;
        if (!resize(walk, &r, k, &from, &made))
            return NULL;
        from = made;
    }
    tleg_value_constant(walk, &from, out);
    return NULL;
}
