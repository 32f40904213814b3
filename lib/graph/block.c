/* Blocks of a Transformer: norms, matrices, attention, and the branches that are added to the stream. */
#include "graph/private.h"

#include <math.h>
#include <string.h>

static const int32_t features[] = {AXIS_FEATURE, -1};

/* ---- norms ---- */

bool tleg_is_normed(const struct walk *walk, const struct value *value) {
    const uint8_t before = value->what == LINEAR ? walk->values[value->of].what : NOTHING;
    return tleg_is_stream(value) || tleg_is_heads(walk, value) || value->what == MIXED || value->what == FUNCTION ||
           value->what == GATED || before == MIXED || before == FUNCTION || before == GATED || before == INNER_NORM ||
           before == POOL_MIXED;
}

/* A constant of as many numbers as there are features in the last dimension; 0 where there is none; false when it is another.
 */
static bool as_vector(struct walk *walk, const struct value *value, int64_t width, uint32_t *out) {
    struct constant made;
    *out = 0;
    if (!value)
        return true;
    if (!tleg_is_constant(value) || !tleg_constant_reshape(walk, tleg_constant_get(walk, value->weight), 1, &width, &made))
        return false;
    *out = tleg_constant_add(walk, &made);
    return *out != 0;
}

const char *tleg_norm_heads(struct walk *walk, const struct value *in, bool rms, double eps, struct value *out) {
    struct value *norm = tleg_walk_keep(walk, sizeof *norm);
    if (!norm)
        return NULL;
    *norm = (struct value){.what = INNER_NORM, .rms = rms, .layout = in->layout, .eps = eps};
    *out = *in;
    out->id = 0;
    out->part_of = 0;
    out->norm = norm;
    return NULL;
}

/* The norm of queries or keys, of each head or of whole tokens, with a weight, a bias, or none of them. */
static const char *complete(struct walk *walk, const struct value *weight, const struct value *bias, struct value *out) {
    struct value *norm = tleg_walk_keep(walk, sizeof *norm);
    const int64_t width = tleg_layout_size(&out->norm->layout, out->norm->layout.rank - 1);
    uint32_t vectors[2];
    if (!norm || !as_vector(walk, weight, width, &vectors[0]) || !as_vector(walk, bias, width, &vectors[1]))
        return "a constant weight and bias";
    *norm = *out->norm;
    norm->weight = weight ? vectors[0] : norm->weight;
    norm->bias = bias ? vectors[1] : norm->bias;
    out->norm = norm;
    out->id = 0;
    return NULL;
}

const char *tleg_value_norm(struct walk *walk, const struct value *in, const struct value *weight, const struct value *bias,
                            bool rms, struct value *out) {
    const bool pixels = tleg_is_pixels(in);
    if (!pixels && (!tleg_is_normed(walk, in) || !tleg_is_feature(in)))
        return "the sum of a block's branches, with the features last";
    const int32_t last = in->layout.rank - 1;
    const double usual = memcmp(tleg_walk_text(walk, walk->node->type), "Skip", 4) == 0 ? 1e-12 : 1e-5, /* as ONNX Runtime */
        eps = tleg_short_number(tleg_walk_real(walk, "epsilon", usual));
    if (tleg_walk_dimension(tleg_walk_integer(walk, "axis", -1), in->layout.rank) != last)
        return "a norm over the features";
    if (pixels || tleg_is_heads(walk, in)) {
        tleg_norm_heads(walk, in, rms, eps, out);
        return walk->status == TLEG_OK ? complete(walk, weight, bias, out) : NULL;
    }
    *out = (struct value){.what = tleg_norm_of(in),
                          .of = tleg_value_number(walk, in),
                          .first = in->first,
                          .count = in->count,
                          .factor = 1,
                          .mean_before = in->mean,
                          .rms = rms,
                          .layout = in->layout,
                          .eps = eps};
    if (!tleg_is_constant(weight) || !tleg_constant_align(walk, weight->weight, &in->layout, features, &out->weight) ||
        (bias && (!tleg_is_constant(bias) || !tleg_constant_align(walk, bias->weight, &in->layout, features, &out->bias))))
        return "a constant weight and bias";
    return NULL;
}

/* LayerNormalization, RMSNormalization, SimplifiedLayerNormalization */
const char *tleg_node_norm(struct walk *walk, struct value *out) {
    const bool rms = strcmp(tleg_walk_text(walk, walk->node->type), "LayerNormalization") != 0;
    return tleg_value_norm(walk, tleg_walk_in(walk, 0), tleg_walk_in(walk, 1), tleg_walk_in(walk, 2), rms, out);
}

/* The means of a stream or of squares over the features, or of what is read out over the tokens; or the largest of those. */
const char *tleg_node_mean(struct walk *walk, struct value *out) {
    const struct value *in = tleg_walk_in(walk, 0);
    const bool largest = strcmp(tleg_walk_text(walk, walk->node->type), "ReduceMax") == 0;
    int64_t axes[MOST_INTEGERS];
    const int count = tleg_walk_integers(walk, "axes", 1, axes);
    const int32_t dim = count == 1 ? tleg_walk_dimension(axes[0], in->layout.rank) : -1;
    if (in->what == CONSTANT || dim < 0)
        return "a mean over one dimension of tokens or features";
    const bool drop = tleg_walk_integer(walk, "keepdims", 1) == 0;
    *out = *in;
    tleg_layout_replace(&in->layout, dim, NULL, 0, drop, &out->layout);
    if (tleg_layout_is(&in->layout, dim, AXIS_FEATURE, 0) && dim == in->layout.rank - 1 && !largest) {
        const bool squares = in->what == SQUARES, function = in->what == FUNCTION && in->third;
        const struct value *x = function ? &walk->values[in->third] : in;
        if (!squares && !tleg_is_normed(walk, x))
            return "the features of a stream, or their squares";
        *out = (struct value){.what = squares || function ? VARIANCE : MEANS,
                              .of = squares ? in->of : tleg_value_number(walk, x),
                              .factor = 1,
                              .first = x->first,
                              .count = x->count,
                              .mean_before = squares ? in->mean_before : x->mean,
                              .rms = function || in->rms,
                              .layout = out->layout};
        return NULL;
    }
    if (in->what == POOLED && tleg_layout_size(&in->layout, dim) == 1)
        return NULL;
    if (!tleg_layout_is(&in->layout, dim, AXIS_TOKEN, 0) || (in->what != STREAM && in->what != NORM) || in->mean)
        return "the mean, or the largest, of the patches";
    out->mean = largest ? BY_MAX : BY_MEAN;
    return NULL;
}

/* ---- matrices ---- */

/* All tokens of a stream, for a branch. */
static bool is_whole(const struct value *value) {
    return tleg_is_stream(value) && value->count == 0 && !value->mean && !value->mean_before;
}

/* Whether a value is what a matrix of the network multiplies. */
static bool is_multiplied(const struct walk *walk, const struct value *value) {
    return tleg_is_stream(value) || value->what == MIXED || value->what == INNER_NORM || value->what == GATED ||
           value->what == POOL_MIXED || value->what == POOLED ||
           (value->what == FUNCTION && tleg_samples_activation(walk, value)) || tleg_is_represented(walk, value);
}

/* x times a constant (in, out), or (out, in) where it is turned already. */
static const char *multiply(struct walk *walk, const struct value *x, uint32_t constant, bool turned, struct value *out) {
    struct constant own = *tleg_constant_get(walk, constant);
    if (x->what == LINEAR || (x->what == FUNCTION && !is_multiplied(walk, x)))
        return "GELU, quick GELU, SiLU or ReLU between two matrices";
    if (!is_multiplied(walk, x) && x->what != IMAGES && x->what != CONSTANT)
        return "a LayerNorm before the matrix";
    if (own.rank != 2)
        return "a matrix";
    if (x->what != CONSTANT && (x->layout.rank < 1 || own.shape[turned] != tleg_layout_size(&x->layout, x->layout.rank - 1) ||
                                (x->what != IMAGES && !tleg_is_feature(x))))
        return "a matrix for all features, which lie last";
    if (!turned) {
        const struct constant from = own;
        for (int k = 0; k < 2; k++) {
            own.shape[k] = from.shape[1 - k];
            own.strides[k] = from.strides[1 - k];
        }
    }
    if (own.shape[0] < 1 || own.shape[0] > MOST_SIDE)
        return "a matrix of some columns";
    if (x->what == CONSTANT)
        return tleg_query_linear(walk, x, &own, out);
    if (x->what == IMAGES)
        return tleg_embed_pixels(walk, x, &own, out);
    const struct atom atom = {AXIS_FEATURE, (int32_t)own.shape[0], 1};
    *out =
        (struct value){.what = LINEAR, .of = tleg_value_number(walk, x), .weight = tleg_constant_add(walk, &own), .factor = 1};
    tleg_layout_replace(&x->layout, x->layout.rank - 1, &atom, 1, false, &out->layout);
    return NULL;
}

const char *tleg_add_vector(struct walk *walk, const struct value *value, uint32_t constant, struct value *out) {
    if (value->norm && value->norm->weight && !value->norm->bias && !value->norm->rms && value->what == LINEAR &&
        value->factor == 1) {
        const struct value bias = {.what = CONSTANT, .weight = constant};
        *out = *value;
        return complete(walk, NULL, &bias, out);
    }
    if ((value->what != LINEAR && value->what != NORM && value->what != INNER_NORM) || value->bias || value->gate ||
        value->norm || value->factor != 1 || value->mean || value->rms)
        return "a matrix or a norm without a bias before it";
    *out = *value;
    out->id = 0;
    return tleg_constant_align(walk, constant, &value->layout, features, &out->bias) ? NULL : "a bias for each feature";
}

const char *tleg_scale_vector(struct walk *walk, const struct value *value, uint32_t constant, struct value *out) {
    if (value->norm && !value->norm->weight && !value->norm->bias && value->what == LINEAR && value->factor == 1) {
        const struct value weight = {.what = CONSTANT, .weight = constant};
        *out = *value;
        return complete(walk, &weight, NULL, out);
    }
    if (value->what == TURN || value->norm)
        return tleg_turn_scale(walk, value, constant, out);
    const bool norm = (value->what == NORM || value->what == INNER_NORM) && !value->weight && !value->bias && !value->mean;
    *out = *value;
    out->id = 0;
    if (!norm && (value->what != LINEAR || value->gate || value->factor != 1))
        return "a norm or a branch before it";
    if (tleg_constant_align(walk, constant, &value->layout, features, norm ? &out->weight : &out->gate))
        return NULL;
    return norm ? "a factor for each feature" : tleg_turn_scale(walk, value, constant, out);
}

const char *tleg_node_gemm(struct walk *walk, struct value *out) {
    const struct value *x = tleg_walk_in(walk, 0), *weight = tleg_walk_in(walk, 1), *bias = tleg_walk_in(walk, 2);
    if (!tleg_is_constant(weight) || (bias && !tleg_is_constant(bias)))
        return "a constant matrix and bias";
    if (tleg_walk_real(walk, "alpha", 1) != 1 || (bias && tleg_walk_real(walk, "beta", 1) != 1) ||
        tleg_walk_integer(walk, "transA", 0) != 0)
        return "alpha and beta 1, and transA 0";
    struct value product;
    const char *expected = multiply(walk, x, weight->weight, tleg_walk_integer(walk, "transB", 0) != 0, &product);
    if (expected || !bias) {
        *out = product;
        return expected;
    }
    if (product.what == EMBED)
        return tleg_add_places(walk, &product, bias->weight, out);
    return tleg_add_vector(walk, &product, bias->weight, out);
}

/* ---- attention ---- */

/* Whether all but the last two dimensions are the same: images and heads. */
static bool same_heads(const struct value *a, const struct value *b) {
    struct layout first = a->layout, second = b->layout;
    if (first.rank != second.rank || first.rank < 2)
        return false;
    for (int k = 0; k < 2; k++) {
        tleg_layout_replace(&first, first.rank - 1, NULL, 0, true, &first);
        tleg_layout_replace(&second, second.rank - 1, NULL, 0, true, &second);
    }
    return tleg_layout_equal(&first, &second);
}

/* What a matrix makes of a norm, with or without rotary positions. */
static bool is_linear(const struct value *value) {
    return value->what == LINEAR || value->what == ROTATED;
}

/* Whether queries (.., tokens, head) and keys (.., tokens, head) are parts of what matrices make of one norm. */
static bool are_pair(const struct walk *walk, const struct value *q, const struct value *k) {
    const int32_t last = q->layout.rank - 1;
    return is_linear(q) && is_linear(k) && !q->gate && !k->gate && tleg_is_stream(&walk->values[q->of]) &&
           walk->values[k->of].id == walk->values[q->of].id && same_heads(q, k) &&
           tleg_layout_is(&q->layout, last - 1, AXIS_TOKEN, 0) &&
           tleg_layout_is(&q->layout, last, AXIS_FEATURE, tleg_layout_size(&q->layout, last)) &&
           tleg_layout_is(&k->layout, last - 1, AXIS_TOKEN, tleg_layout_size(&q->layout, last - 1)) &&
           tleg_layout_is(&k->layout, last, AXIS_FEATURE, tleg_layout_size(&q->layout, last));
}

static const char pair_expected[] = "queries and keys (.., tokens, head) of one norm";

static bool turn(const struct value *value, struct value *out) {
    int32_t order[TLEG_MAX_RANK];
    const int32_t last = value->layout.rank - 1;
    *out = *value;
    for (int32_t k = 0; k <= last; k++)
        order[k] = k < last - 1 ? k : k == last ? last - 1 : last;
    if (last >= 1)
        tleg_layout_transpose(&value->layout, order, &out->layout);
    return last >= 1;
}

/* Keys (.., tokens, head) are those of the value numbered `keys`. */
static const char *score(struct walk *walk, const struct value *q, const struct value *k, uint32_t keys, struct value *out) {
    const int32_t last = q->layout.rank - 1;
    if (!are_pair(walk, q, k) || q->what != k->what)
        return pair_expected;
    *out = (struct value){.what = SCORES, .of = tleg_value_number(walk, q), .other = keys, .factor = q->factor * k->factor};
    const struct atom tokens = {AXIS_KEY, (int32_t)tleg_layout_size(&q->layout, last - 1), 1};
    tleg_layout_replace(&q->layout, last, &tokens, 1, false, &out->layout);
    return NULL;
}

/* Whether `factor` is 1 over the square root of a head's width. */
static bool is_scale(const struct walk *walk, const struct value *q, double factor) {
    const double head = (double)tleg_layout_size(&q->layout, q->layout.rank - 1), off = factor * factor * head - 1;
    return factor > 0 && off < walk->tolerance && off > -walk->tolerance;
}

static const char scale_expected[] = "scores divided by the square root of a head's width";

/* Shares of values (.., tokens, head). */
static const char *mix(struct walk *walk, const struct value *q, uint32_t keys, const struct value *v, struct value *out) {
    if (!are_pair(walk, q, v) || v->factor != 1 || v->what != LINEAR || v->norm)
        return "values (.., tokens, head) of the same norm as queries and keys";
    *out = (struct value){.what = MIXED,
                          .of = tleg_value_number(walk, q),
                          .other = keys,
                          .third = tleg_value_number(walk, v),
                          .factor = 1,
                          .layout = v->layout};
    return NULL;
}

const char *tleg_value_product(struct walk *walk, const struct value *a, const struct value *b, bool turned,
                               struct value *out) {
    struct value other = {0};
    if (b->what == CONSTANT)
        return multiply(walk, a, b->weight, turned, out);
    const struct value *keys = turned ? b : turn(b, &other) ? &other : NULL;
    if ((tleg_is_query(walk, a) || is_linear(a)) && !keys)
        return pair_expected;
    if (tleg_is_query(walk, a))
        return tleg_pool_score(walk, a, keys, tleg_value_number(walk, b), out);
    if (is_linear(a))
        return score(walk, a, keys, tleg_value_number(walk, b), out);
    if (turned)
        return "values (.., tokens, head)";
    if (a->what == SHARES && tleg_is_query(walk, &walk->values[a->of]))
        return tleg_pool_mix(walk, a, b, out);
    return a->what == SHARES ? mix(walk, &walk->values[a->of], a->other, b, out)
                             : "queries and keys, or a softmax's shares and values";
}

const char *tleg_node_matmul(struct walk *walk, struct value *out) {
    const struct value *b = tleg_walk_in(walk, 1);
    return b ? tleg_value_product(walk, tleg_walk_in(walk, 0), b, false, out) : "a value by a matrix";
}

const char *tleg_node_softmax(struct walk *walk, struct value *out) {
    const struct value *in = tleg_walk_in(walk, 0);
    const int32_t last = in->layout.rank - 1;
    const int64_t axis = tleg_walk_integer(walk, "axis", walk->graph->opset < 13 ? 1 : -1);
    const bool logarithm = strcmp(tleg_walk_text(walk, walk->node->type), "Softmax") != 0;
    if (tleg_is_answer(walk, in) && tleg_walk_dimension(axis, in->layout.rank) == last) {
        tleg_make_answer(walk, in, logarithm ? "logarithm of the softmax" : "softmax", out);
        return NULL;
    }
    if (in->what != SCORES || logarithm)
        return "scores of queries and keys";
    if (tleg_walk_dimension(axis, in->layout.rank) != last || !tleg_layout_is(&in->layout, last, AXIS_KEY, 0))
        return "a softmax over the keys";
    if (!in->weight && !is_scale(walk, &walk->values[in->of], in->factor))
        return scale_expected;
    *out = *in;
    out->what = SHARES;
    out->id = 0;
    return NULL;
}

/* All of it in one node (opset 23): queries, keys and values (images, heads, tokens, head). */
const char *tleg_node_attention(struct walk *walk, struct value *out) {
    const struct value *q = tleg_walk_in(walk, 0), *k = tleg_walk_in(walk, 1), *v = tleg_walk_in(walk, 2);
    for (uint32_t i = 3; i < walk->node->input_count; i++)
        if (tleg_walk_in(walk, i))
            return "attention without a mask or earlier keys";
    if (!k || !v || k->layout.rank != 4)
        return pair_expected;
    const struct tleg_graph_attribute *given = tleg_walk_attribute(walk, "scale");
    if (tleg_walk_integer(walk, "is_causal", 0) != 0 || tleg_walk_real(walk, "softcap", 0) != 0)
        return "attention of all tokens to all";
    return tleg_value_attend(walk, q, k, v, given ? given->real : 1 / sqrt((double)tleg_layout_size(&k->layout, 3)), out);
}

const char *tleg_value_attend(struct walk *walk, const struct value *q, const struct value *k, const struct value *v,
                              double own, struct value *out) {
    const double scale = q->factor * k->factor * own;
    if (tleg_is_query(walk, q)) {
        struct value scores;
        const char *expected = tleg_pool_score(walk, q, k, tleg_value_number(walk, k), &scores);
        scores.factor *= expected ? 1 : own;
        if (!expected && !scores.weight && !is_scale(walk, q, scores.factor))
            return scale_expected;
        return expected ? expected : tleg_pool_mix(walk, &scores, v, out);
    }
    if (q->layout.rank != 4 || !are_pair(walk, q, k) || q->what != k->what)
        return pair_expected;
    return is_scale(walk, q, scale) ? mix(walk, q, tleg_value_number(walk, k), v, out) : scale_expected;
}

/* ---- branches ---- */

/* What is before the last matrix of an MLP; false when it is something else. */
static bool take_hidden(const struct walk *walk, const struct value *hidden, struct branch *branch) {
    if (hidden->what == GATED) {
        branch->gate = &walk->values[hidden->other];
        hidden = &walk->values[hidden->of];
    }
    branch->function = hidden;
    branch->first = hidden->what == FUNCTION ? &walk->values[hidden->of] : NULL;
    return branch->first && branch->first->what == LINEAR;
}

void tleg_branch_of(const struct walk *walk, const struct value *value, struct branch *branch) {
    const bool after = value->what == INNER_NORM && walk->values[value->of].what == LINEAR;
    *branch = (struct branch){.norm = after ? value : NULL, .linear = after ? &walk->values[value->of] : value};
    value = branch->linear;
    if (value->what != LINEAR || value->norm || value->factor != 1)
        return;
    const struct value *inner = &walk->values[value->of];
    if (inner->what == INNER_NORM) {
        branch->inner = inner;
        inner = &walk->values[inner->of];
    }
    if (inner->what == MIXED)
        branch->mixed = inner;
    else if (!take_hidden(walk, inner, branch))
        return;
    branch->from = &walk->values[branch->mixed ? walk->values[inner->of].of : branch->first->of];
}

/* Where the norm stands of a branch that is added to `stream`; below 0: the branch does not read that. */
static int placement_of(const struct walk *walk, const struct branch *branch, const struct value *stream) {
    const struct value *from = branch->from;
    if (from->id == stream->id)
        return branch->norm ? NORM_AFTER : NORM_OF_SUM;
    return from->what == NORM && !branch->norm && walk->values[from->of].id == stream->id ? NORM_BEFORE : -1;
}

static const char *add_to(struct walk *walk, const struct value *stream, const struct value *branch, struct value *out) {
    struct branch parts;
    tleg_branch_of(walk, branch, &parts);
    if (!parts.from || !is_whole(parts.from) || !is_whole(stream))
        return "a branch of attention or an MLP, and what the branch reads";
    const int placed = placement_of(walk, &parts, stream);
    if (placed < 0 || !tleg_layout_equal(&stream->layout, &branch->layout))
        return "a branch added to what it reads";
    /* the sum before this one, or where blocks begin */
    const struct value *last = stream->what == NORM ? &walk->values[stream->of] : stream;
    if (last->what == STREAM ? last->placed != placed || (placed == NORM_OF_SUM) != (last != stream) : last->what != EMBED)
        return "a norm where the first block has its own: before a branch, after it, or of the sum";
    if ((parts.mixed != NULL) != (last->halves % 2 == 0))
        return "attention and MLP in turn";
    if (placed != NORM_BEFORE && parts.linear->gate)
        return "no LayerScale where norms do not stand before the branches";
    *out = (struct value){.what = STREAM,
                          .of = tleg_value_number(walk, stream),
                          .other = tleg_value_number(walk, branch),
                          .factor = 1,
                          .halves = last->halves + 1,
                          .placed = (uint8_t)placed,
                          .layout = stream->layout};
    return NULL;
}

bool tleg_same_tokens(const struct value *a, const struct value *b) {
    return a->what == b->what && (a->what == STREAM || a->what == NORM) && a->of == b->of && a->other == b->other &&
           a->weight == b->weight && a->bias == b->bias && tleg_layout_equal(&a->layout, &b->layout);
}

/* The mean and the largest of the same tokens. */
static bool add_pools(const struct value *a, const struct value *b, struct value *out) {
    if (!tleg_same_tokens(a, b) || !a->mean || !b->mean || a->mean + b->mean != BY_MEAN + BY_MAX || a->first != b->first ||
        a->count != b->count)
        return false;
    *out = *a;
    out->id = 0;
    out->mean = BY_SUM;
    return true;
}

const char *tleg_add_branch(struct walk *walk, const struct value *a, const struct value *b, struct value *out) {
    const bool heads =
        a->what == b->what && (tleg_is_read_out(a) || (a->what == LINEAR && tleg_is_read_out(&walk->values[a->of]) &&
                                                       tleg_is_read_out(&walk->values[b->of])));
    if (add_pools(a, b, out) || tleg_pool_add(walk, a, b, out) || tleg_pool_add(walk, b, a, out))
        return NULL;
    if (heads && tleg_layout_equal(&a->layout, &b->layout) && a->factor == 1 && b->factor == 1) {
        *out = (struct value){.what = SUM,
                              .of = tleg_value_number(walk, a),
                              .other = tleg_value_number(walk, b),
                              .factor = 1,
                              .layout = a->layout};
        return NULL;
    }
    const bool second = b->what == STREAM || b->what == EMBED || b->what == NORM;
    return second ? add_to(walk, b, a, out) : add_to(walk, a, b, out);
}
