/* From images to tokens: the patch embedding, tokens before the patches, positions. What is added to tokens and patches is
 * summed here, so that a sequence is known by its constants. */
#include "graph/private.h"

#include <string.h>

static const int32_t rows_and_features[] = {AXIS_TOKEN, AXIS_FEATURE, -1};

/* ---- patches ---- */

/* Attributes of a Conv whose patches lie side by side. */
static const char *check_conv(struct walk *walk, const int64_t *patch) {
    static const struct {
        const char *name;
        int count;
        int64_t value; /* -1: the patch's sides */
    } lists[] = {{"strides", 2, -1}, {"kernel_shape", 2, -1}, {"pads", 4, 0}, {"dilations", 2, 1}};
    const struct tleg_graph_attribute *pad = tleg_walk_attribute(walk, "auto_pad");
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        int64_t values[MOST_INTEGERS];
        const int count = tleg_walk_integers(walk, lists[k].name, 0, values);
        for (int i = 0; i < count; i++)
            if (count != lists[k].count || values[i] != (lists[k].value < 0 ? patch[i] : lists[k].value))
                return "a patch embedding: strides as large as the kernel, no padding";
        if (count < 1 && k == 0)
            return "a patch embedding: strides as large as the kernel";
    }
    const bool none =
        !pad || strcmp(tleg_walk_text(walk, pad->text), "NOTSET") == 0 || strcmp(tleg_walk_text(walk, pad->text), "VALID") == 0;
    return none && tleg_walk_integer(walk, "group", 1) == 1 ? NULL : "a patch embedding: one group, no padding";
}

const char *tleg_node_conv(struct walk *walk, struct value *out) {
    const struct value *images = tleg_walk_in(walk, 0), *weight = tleg_walk_in(walk, 1), *bias = tleg_walk_in(walk, 2);
    if (images->what != IMAGES)
        return images->what == EMBED ? "one convolution of the images alone" : "the images";
    if (images->norm)
        return "images without a norm of their pixels, or a matrix of the pixels of patches";
    if (!tleg_is_constant(weight) || (bias && !tleg_is_constant(bias)))
        return "constant weights";
    const struct constant *w = tleg_constant_get(walk, weight->weight);
    const struct layout *from = &images->layout;
    if (from->rank != 4 || !tleg_layout_is(from, 2, AXIS_Y, walk->sides[0]) || !tleg_layout_is(from, 3, AXIS_X, walk->sides[1]))
        return "images (batch, channels, height, width)";
    if (w->rank != 4 || w->shape[1] != tleg_layout_size(from, 1) || w->shape[2] < 1 || w->shape[2] > walk->sides[0] ||
        w->shape[3] < 1 || w->shape[3] > walk->sides[1] || w->shape[0] < 1 || w->shape[0] > MOST_SIDE)
        return "a kernel (dim, channels, height, width) no larger than the images";
    const int64_t dim = w->shape[0], rows = walk->sides[0] / w->shape[2], columns = walk->sides[1] / w->shape[3];
    const char *expected = check_conv(walk, &w->shape[2]);
    if (expected)
        return expected;
    if (bias && tleg_constant_count(tleg_constant_get(walk, bias->weight)) != dim)
        return "a bias for each channel";
    *out =
        (struct value){.what = EMBED, .patches = true, .weight = weight->weight, .bias = bias ? bias->weight : 0, .factor = 1};
    tleg_unprepare(walk, images, &out->weight, &out->bias);
    const struct atom atoms[] = {
        {AXIS_FEATURE, (int32_t)dim, 1}, {AXIS_TOKEN, (int32_t)rows, (int32_t)columns}, {AXIS_TOKEN, (int32_t)columns, 1}};
    out->layout = images->layout;
    for (int32_t k = 0; k < 3; k++)
        tleg_layout_replace(&out->layout, k + 1, &atoms[k], 1, false, &out->layout);
    return NULL;
}

/* The atoms of a patch's pixels, the last dimension's: which is a channel, a row and a column; false when they are others. */
static bool find_pixels(const struct layout *layout, const struct atom *found[3], int64_t sizes[3]) {
    const int32_t last = layout->rank - 1;
    const struct atom *atoms = tleg_layout_atoms(layout, last);
    for (int k = 0; k < 3; k++) {
        found[k] = NULL;
        sizes[k] = 1;
    }
    for (int32_t k = 0; k < layout->counts[last]; k++) {
        const int32_t which = atoms[k].axis - AXIS_CHANNEL;
        if (which < 0 || which > 2 || found[which] || atoms[k].stride != 1)
            return false;
        found[which] = &atoms[k];
        sizes[which] = atoms[k].size;
    }
    return true;
}

bool tleg_is_pixels(const struct value *images) {
    const struct atom *found[3];
    int64_t sizes[3];
    return images->what == IMAGES && !images->norm && !images->weight && !images->bias && images->layout.rank > 1 &&
           find_pixels(&images->layout, found, sizes);
}

static bool are_ones(struct walk *walk, uint32_t constant) {
    struct constant own = *tleg_constant_get(walk, constant);
    const int64_t count = tleg_constant_count(&own);
    bool ones = tleg_walk_spend(walk, (uint64_t)count) && tleg_constant_load(walk, &own);
    for (int64_t k = 0; ones && k < count; k++)
        ones = tleg_constant_at(&own, k) == 1;
    return ones;
}

/* W beta, of W (dim, pixels) and what a norm adds to its pixels; 0 where it failed. */
static uint32_t shift_of(struct walk *walk, struct constant matrix, uint32_t shifts) {
    struct constant made, own = *tleg_constant_get(walk, shifts);
    const int64_t pixels = matrix.shape[1];
    double *sums = tleg_walk_spend(walk, (uint64_t)tleg_constant_count(&matrix)) && tleg_constant_load(walk, &matrix) &&
                           tleg_constant_load(walk, &own)
                       ? tleg_constant_make(walk, false, 1, matrix.shape, &made)
                       : NULL;
    if (!sums)
        return 0;
    for (int64_t k = 0; k < matrix.shape[0] * pixels; k++)
        sums[k / pixels] += tleg_constant_at(&matrix, k) * tleg_constant_at(&own, k % pixels);
    return tleg_constant_add(walk, &made);
}

/* The factors and shifts of a norm of pixels, taken into the matrix after it: W (gamma z + beta) = (W gamma) z + W beta. */
static bool take_norm(struct walk *walk, const struct value *norm, struct constant *matrix, uint32_t *bias) {
    const uint32_t number = tleg_constant_add(walk, matrix);
    uint32_t scaled = number;
    if (number && norm->bias)
        *bias = shift_of(walk, *matrix, norm->bias);
    if (number && norm->weight && !are_ones(walk, norm->weight))
        scaled = tleg_fold_pair(walk, "Mul", number, 1, norm->weight);
    if (scaled)
        *matrix = *tleg_constant_get(walk, scaled);
    return scaled && (!norm->bias || *bias);
}

/* A matrix (dim, pixels) as a kernel (dim, channels, height, width), whichever order its pixels are in. */
static bool as_kernel(struct walk *walk, const struct constant *matrix, const struct layout *layout, uint32_t *kernel) {
    const struct atom *found[3], *atoms = tleg_layout_atoms(layout, layout->rank - 1);
    int64_t sizes[3], shape[4] = {matrix->shape[0], 1, 1, 1};
    struct constant cut, made;
    if (!find_pixels(layout, found, sizes))
        return false;
    for (int32_t k = 0; k < layout->counts[layout->rank - 1]; k++)
        shape[k + 1] = atoms[k].size;
    if (!tleg_constant_reshape(walk, matrix, 4, shape, &cut))
        return false;
    made = cut;
    for (int k = 0; k < 3; k++) {
        made.shape[k + 1] = sizes[k];
        made.strides[k + 1] = found[k] ? cut.strides[1 + (found[k] - atoms)] : 0;
    }
    *kernel = tleg_constant_add(walk, &made);
    return *kernel != 0;
}

/* Rows and columns of patches become tokens; false when they are not in that order, or cut otherwise. */
static bool as_tokens(const struct layout *images, const int64_t *patch, const int64_t *grid, struct layout *out) {
    int next = 0;
    struct layout own = *images;
    for (int32_t k = 0, at = 0; k < own.rank - 1; k++)
        for (int32_t i = 0; i < own.counts[k]; i++, at++) {
            struct atom *atom = &own.atoms[at];
            if (atom->axis == AXIS_BATCH)
                continue;
            next += next == 0 && grid[0] == 1;
            if (next > 1 || atom->axis != AXIS_Y + next || atom->size != grid[next] || atom->stride != patch[next])
                return false;
            *atom = (struct atom){AXIS_TOKEN, (int32_t)grid[next], next == 0 ? (int32_t)grid[1] : 1};
            next++;
        }
    const int32_t order[TLEG_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    tleg_layout_transpose(&own, order, out); /* neighbours are put together */
    return (next > 0 || grid[0] == 1) && (next > 1 || grid[1] == 1);
}

const char *tleg_embed_pixels(struct walk *walk, const struct value *images, const struct constant *matrix, struct value *out) {
    const struct atom *found[3];
    int64_t sizes[3];
    struct constant own = *matrix;
    *out = (struct value){.what = EMBED, .patches = true, .factor = 1, .norm = images->norm};
    if (images->layout.rank < 2 || !find_pixels(&images->layout, found, sizes) || walk->sides[0] % sizes[1] != 0 ||
        walk->sides[1] % sizes[2] != 0)
        return "a matrix of the pixels of patches";
    const int64_t grid[] = {walk->sides[0] / sizes[1], walk->sides[1] / sizes[2]};
    if (images->norm && !take_norm(walk, images->norm, &own, &out->bias))
        return "a matrix of normed pixels";
    if (!as_tokens(&images->layout, &sizes[1], grid, &out->layout) || !as_kernel(walk, &own, &images->layout, &out->weight))
        return "a matrix of the pixels of patches, in the order of the patches";
    tleg_unprepare(walk, images, &out->weight, &out->bias);
    const struct atom features = {AXIS_FEATURE, (int32_t)matrix->shape[0], 1};
    tleg_layout_replace(&out->layout, out->layout.rank - 1, &features, 1, false, &out->layout);
    return NULL;
}

/* ---- constants by rows ---- */

static int64_t rows_of(const struct walk *walk, uint32_t constant) {
    return tleg_constant_get(walk, constant)->shape[0];
}

static int64_t prefix_rows(const struct walk *walk, const struct value *embed) {
    int64_t rows = 0;
    for (uint32_t k = 0; k < embed->prefix_count; k++)
        rows += rows_of(walk, embed->prefix[k]);
    return rows;
}

static uint32_t cut_rows(struct walk *walk, uint32_t constant, int64_t first, int64_t count) {
    struct constant own = *tleg_constant_get(walk, constant);
    own.offset += first * own.strides[0];
    own.shape[0] = count;
    return tleg_constant_add(walk, &own);
}

/* Rows [first, first + count) of `more` added to a constant (count, D), or alone where there is none. */
static uint32_t add_rows(struct walk *walk, uint32_t constant, uint32_t more, int64_t first, int64_t count) {
    struct value a = {.what = CONSTANT, .weight = constant}, b = {.what = CONSTANT}, sum = {0};
    b.weight = cut_rows(walk, more, first, count);
    if (!constant || !b.weight)
        return b.weight;
    tleg_fold_binary(walk, "Add", &a, &b, &sum);
    return sum.weight;
}

static const int32_t features[] = {AXIS_FEATURE, -1};

/* The patches, as they were embedded, of a norm of nothing else; or NULL. */
static const struct value *bare_patches(const struct walk *walk, const struct value *norm) {
    const struct value *of = norm->what == NORM ? &walk->values[norm->of] : NULL;
    const bool bare = of && of->what == EMBED && of->patches && !of->prefix_count && !of->places && !of->other;
    return bare && !norm->count && !norm->mean && !norm->mean_before ? of : NULL;
}

/* An EMBED, or the norm of bare patches as one. */
static void take_embed(struct walk *walk, const struct value *value, struct value *out) {
    const struct value *patches = bare_patches(walk, value);
    *out = patches ? *patches : *value;
    out->id = 0;
    out->layout = value->layout;
    out->other = patches ? tleg_value_number(walk, value) : value->other;
}

bool tleg_takes_places(struct walk *walk, const struct value *value, uint32_t constant) {
    uint32_t bias;
    return value->what == EMBED ||
           (bare_patches(walk, value) && !tleg_constant_align(walk, constant, &value->layout, features, &bias));
}

const char *tleg_add_places(struct walk *walk, const struct value *embed, uint32_t constant, struct value *out) {
    const bool vector = !embed->bias || tleg_constant_get(walk, constant)->rank == 1; /* places of one patch look alike */
    uint32_t rows;
    int64_t at = 0;
    take_embed(walk, embed, out);
    if (vector && !out->places && !out->other && out->prefix_count == 0 &&
        tleg_constant_align(walk, constant, &embed->layout, features, &rows)) {
        out->bias = out->bias ? tleg_fold_pair(walk, "Add", out->bias, 0, rows) : rows;
        return NULL;
    }
    if (!tleg_constant_align(walk, constant, &embed->layout, rows_and_features, &rows))
        return "positions that are the same for all images";
    embed = out;
    for (uint32_t k = 0; k < embed->prefix_count && walk->status == TLEG_OK; k++) {
        const int64_t count = rows_of(walk, embed->prefix[k]);
        out->prefix[k] = add_rows(walk, embed->prefix[k], rows, at, count);
        at += count;
    }
    out->places = add_rows(walk, embed->places, rows, at, rows_of(walk, rows) - at);
    return NULL;
}

/* ---- tokens before the patches ---- */

static bool are_equal(const struct constant *a, const struct constant *b, int64_t count) {
    int64_t k = 0;
    while (k < count && tleg_constant_at(a, k) == tleg_constant_at(b, k))
        k++;
    return k == count;
}

/* Of a constant that exporters repeat for each image of a fixed batch, the first image's part; any other as it is. */
static uint32_t of_one_image(struct walk *walk, uint32_t constant, const struct layout *sequence) {
    struct constant own = *tleg_constant_get(walk, constant);
    int32_t dim = 0;
    while (dim < sequence->rank && !tleg_layout_is(sequence, dim, AXIS_BATCH, 0))
        dim++;
    if (own.rank != sequence->rank || dim == own.rank || own.shape[dim] < 2 || own.strides[dim] == 0)
        return constant;
    const int64_t images = own.shape[dim];
    const uint64_t all = (uint64_t)tleg_constant_count(&own);
    if (all > walk->numbers_left || !tleg_constant_load(walk, &own))
        return constant;
    walk->numbers_left -= all; /* many nodes may ask for the same ones */
    own.shape[dim] = 1;
    struct constant other = own;
    for (int64_t k = 1; k < images; k++) {
        other.offset = own.offset + k * own.strides[dim];
        if (!are_equal(&own, &other, tleg_constant_count(&own)))
            return constant;
    }
    return tleg_constant_add(walk, &own);
}

/* A constant as rows (tokens, D) of the sequence. */
static bool as_rows(struct walk *walk, const struct value *constant, const struct layout *sequence, int32_t dim,
                    uint32_t *rows) {
    const uint32_t one = of_one_image(walk, constant->weight, sequence);
    const struct constant *own = tleg_constant_get(walk, one);
    struct layout layout;
    if (own->rank != sequence->rank || own->shape[dim] < 1 || own->shape[dim] > MOST_SIDE)
        return false;
    const struct atom tokens = {AXIS_TOKEN, (int32_t)own->shape[dim], 1};
    return tleg_layout_replace(sequence, dim, &tokens, 1, false, &layout) &&
           tleg_constant_align(walk, one, &layout, rows_and_features, rows);
}

static const char *join(struct walk *walk, const struct value *embed, int32_t dim, struct value *out) {
    const uint32_t count = walk->node->input_count;
    take_embed(walk, embed, out);
    out->prefix_count = 0;
    int64_t rows = tleg_layout_size(&embed->layout, dim);
    if (count - 1 + embed->prefix_count > PREFIXES || !tleg_layout_is(&embed->layout, dim, AXIS_TOKEN, 0))
        return "a class token, registers and patches";
    for (uint32_t k = 0; k + 1 < count; k++) {
        const struct value *part = tleg_walk_in(walk, k);
        if (part->what == CONSTANT && tleg_constant_count(tleg_constant_get(walk, part->weight)) == 0)
            continue; /* no registers */
        if (part->what != CONSTANT || !as_rows(walk, part, &embed->layout, dim, &out->prefix[out->prefix_count]))
            return "tokens of their own before the patches, the same for all images";
        rows += rows_of(walk, out->prefix[out->prefix_count++]);
    }
    for (uint32_t k = 0; k < embed->prefix_count; k++)
        out->prefix[out->prefix_count++] = embed->prefix[k];
    if (rows > INT32_MAX)
        return "fewer tokens";
    const struct atom tokens = {AXIS_TOKEN, (int32_t)rows, 1};
    tleg_layout_replace(&embed->layout, dim, &tokens, 1, false, &out->layout);
    return NULL;
}

/* The class token, and the mean of the patches after it. */
static bool join_pools(const struct value *cls, const struct value *mean, int32_t dim, struct value *out) {
    const int64_t width = dim >= 0 ? tleg_layout_size(&mean->layout, dim) : 0;
    if (!tleg_same_tokens(cls, mean) || cls->first != 0 || cls->count != 1 || cls->mean || mean->mean != BY_MEAN ||
        dim != mean->layout.rank - 1 || !tleg_is_feature(mean) || width > MOST_SIDE)
        return false;
    const struct atom both = {AXIS_FEATURE, 2 * (int32_t)width, 1};
    *out = *mean;
    out->id = 0;
    out->mean = BY_CLS_MEAN;
    tleg_layout_replace(&mean->layout, dim, &both, 1, false, &out->layout);
    return true;
}

const char *tleg_node_concat(struct walk *walk, struct value *out) {
    bool constants = true;
    for (uint32_t k = 0; k < walk->node->input_count; k++) {
        if (!tleg_walk_in(walk, k))
            return "inputs";
        constants = constants && tleg_is_constant(tleg_walk_in(walk, k));
    }
    if (walk->node->input_count == 0)
        return "inputs";
    if (constants)
        return tleg_fold_concat(walk, out);
    const struct value *first = tleg_walk_in(walk, 0), *last = tleg_walk_in(walk, walk->node->input_count - 1);
    if (last->what == TURN || last->what == LINEAR || last->what == FUNCTION || last->what == ROTATED)
        return tleg_turn_concat(walk, out);
    const int32_t dim = tleg_walk_dimension(tleg_walk_integer(walk, "axis", 0), last->layout.rank);
    if (walk->node->input_count == 2 && join_pools(first, last, dim, out))
        return NULL;
    if ((last->what != EMBED && !bare_patches(walk, last)) || dim < 0)
        return "tokens before the patches, or the class token and then the mean of the patches";
    return join(walk, last, dim, out);
}

/* ---- parts of the sequence ---- */

/* A constant (rows, D) as the layout has it, the same for all images. */
static const char *lay_out(struct walk *walk, uint32_t rows, const struct layout *layout, int32_t dim, struct value *out) {
    const struct constant *from = tleg_constant_get(walk, rows);
    struct constant made = *from;
    made.rank = layout->rank;
    for (int32_t k = 0; k < layout->rank; k++) {
        made.shape[k] = k == dim ? from->shape[0] : tleg_layout_size(layout, k);
        made.strides[k] = k == dim ? from->strides[0] : 0;
        if (layout->counts[k] > 1)
            return "tokens and features in dimensions of their own";
        if (tleg_layout_is(layout, k, AXIS_FEATURE, 0))
            made.strides[k] = from->strides[1];
    }
    tleg_value_constant(walk, &made, out);
    return NULL;
}

static const char *slice_prefix(struct walk *walk, const struct value *value, int32_t dim, int64_t first, int64_t count,
                                struct value *out) {
    for (uint32_t k = 0; k < value->prefix_count; first -= rows_of(walk, value->prefix[k++]))
        if (first >= 0 && first + count <= rows_of(walk, value->prefix[k])) {
            const uint32_t rows = cut_rows(walk, value->prefix[k], first, count);
            return rows ? lay_out(walk, rows, &value->layout, dim, out) : NULL;
        }
    return "one of the tokens before the patches";
}

const char *tleg_embed_slice(struct walk *walk, const struct value *value, int32_t dim, int64_t first, int64_t count,
                             struct value *out) {
    const int64_t rows = prefix_rows(walk, value), all = tleg_layout_size(&value->layout, dim);
    if (first + count <= rows)
        return slice_prefix(walk, value, dim, first, count, out);
    if (first > rows || first + count != all)
        return "all patches";
    const struct atom tokens = {AXIS_TOKEN, (int32_t)count, 1};
    struct value own = *value;
    own.id = 0;
    own.prefix_count = 0;
    for (uint32_t k = 0; k < value->prefix_count; k++) {
        const int64_t size = rows_of(walk, value->prefix[k]), cut = first < size ? first : size;
        if (cut < size)
            own.prefix[own.prefix_count++] = cut_rows(walk, value->prefix[k], cut, size - cut);
        first -= cut;
    }
    tleg_layout_replace(&value->layout, dim, &tokens, 1, false, &own.layout);
    *out = own;
    return NULL;
}
