/* Operators of ONNX Runtime (com.microsoft), which its optimiser makes of several of ONNX's: read as what they were made of.
 * What they compute on their way are values without a name. */
#include "graph/private.h"

#include <math.h>
#include <string.h>

enum { MOST_ON_THE_WAY = 8 };

size_t tleg_count_fused(const struct walk *walk) {
    size_t count = 0;
    for (size_t k = 0; k < walk->graph->node_count; k++)
        count += strcmp(tleg_walk_text(walk, walk->graph->nodes[k].domain), "com.microsoft") == 0;
    return count * MOST_ON_THE_WAY;
}

/* Keeps a value that no node gives. */
static const struct value *keep(struct walk *walk, const struct value *made) {
    struct value *place = &walk->values[walk->spare];
    *place = *made;
    if (!place->id)
        place->id = (uint32_t)walk->spare;
    walk->spare++;
    return place;
}

/* ---- activations ---- */

static double quick(double x, double alpha) {
    return x / (1 + exp(-alpha * x));
}

/* Gelu, BiasGelu, FastGelu, QuickGelu */
static const char *fused_gelu(struct walk *walk, struct value *out) {
    const char *type = tleg_walk_text(walk, walk->node->type), *expected = NULL;
    const struct value *in = tleg_walk_in(walk, 0), *bias = tleg_walk_in(walk, 1);
    struct value sum;
    if (bias)
        expected = tleg_is_constant(bias) ? tleg_add_vector(walk, in, bias->weight, &sum) : "a constant bias";
    if (expected)
        return expected;
    in = bias ? keep(walk, &sum) : in;
    if (*type == 'Q')
        return tleg_value_activate(walk, in, quick, tleg_walk_real(walk, "alpha", 1.702), USES_SIGMOID, out);
    return tleg_value_gelu(walk, in, *type == 'F', out);
}

/* ---- sums and norms ---- */

/* What two values and a constant, which belongs to a matrix, are together. */
static const char *add_all(struct walk *walk, const struct value *a, const struct value *b, const struct value *bias,
                           struct value *out) {
    struct value sum;
    if (bias) {
        const bool second = b->what == LINEAR && !b->bias;
        const char *expected =
            tleg_is_constant(bias) ? tleg_add_vector(walk, second ? b : a, bias->weight, &sum) : "a constant bias";
        if (expected)
            return expected;
        *(second ? &b : &a) = keep(walk, &sum);
    }
    if (!tleg_is_constant(a) && !tleg_is_constant(b))
        return tleg_add_branch(walk, a, b, out);
    const bool first = tleg_is_constant(a);
    const struct value *embed = first ? b : a, *places = first ? a : b;
    return tleg_takes_places(walk, embed, places->weight) ? tleg_add_places(walk, embed, places->weight, out)
                                                          : "positions added to tokens";
}

/* SkipLayerNormalization (input, skip, weight, bias, bias of the sum), SkipSimplifiedLayerNormalization (without the first
 * bias): the norm, and as their fourth output the sum. */
static const char *fused_norm(struct walk *walk, struct value *out) {
    const bool rms = strcmp(tleg_walk_text(walk, walk->node->type), "SkipLayerNormalization") != 0;
    const struct value *skip = tleg_walk_in(walk, 1);
    struct value sum = {0};
    const char *expected =
        skip ? add_all(walk, tleg_walk_in(walk, 0), skip, tleg_walk_in(walk, rms ? 3 : 4), &sum) : "what is added";
    if (expected)
        return expected;
    const uint32_t *outputs = &walk->graph->uses[walk->node->outputs];
    const uint32_t number = walk->node->output_count > 3 && outputs[3] != outputs[0] ? outputs[3] : 0;
    sum.id = number && !sum.id ? number : sum.id;
    if (number)
        walk->values[number] = sum;
    const struct value *in = number ? &walk->values[number] : keep(walk, &sum);
    return tleg_value_norm(walk, in, tleg_walk_in(walk, 2), rms ? NULL : tleg_walk_in(walk, 3), rms, out);
}

/* ---- products ---- */

/* FusedMatMul: alpha times one, whose second factor may be turned. */
static const char *fused_product(struct walk *walk, struct value *out) {
    const struct value *b = tleg_walk_in(walk, 1);
    if (!b || tleg_walk_integer(walk, "transA", 0) || tleg_walk_integer(walk, "transBatchA", 0) ||
        tleg_walk_integer(walk, "transBatchB", 0))
        return "two values, the first of which is not turned";
    const double alpha = tleg_walk_real(walk, "alpha", 1);
    const char *expected = tleg_value_product(walk, tleg_walk_in(walk, 0), b, tleg_walk_integer(walk, "transB", 0) != 0, out);
    if (expected)
        return expected;
    out->factor *= alpha;
    return alpha == 1 || out->what == LINEAR || out->what == SCORES ? NULL : "alpha 1, but of queries and keys";
}

/* ---- attention ---- */

/* Queries, keys or values (images, tokens, dim), and their part of a bias, as (images, heads, tokens, head). */
static const char *as_heads(struct walk *walk, const struct value *in, const struct value *bias, int part, int64_t heads,
                            const struct value **out) {
    static const int32_t order[] = {0, 2, 1, 3};
    struct value made = *in, cut, laid;
    const char *expected = NULL;
    if (in->layout.rank != 3 || heads < 1 || tleg_layout_size(&in->layout, 2) % heads != 0)
        return "queries, keys and values (images, tokens, dim)";
    const int64_t dim = tleg_layout_size(&in->layout, 2);
    if (bias && !tleg_is_constant(bias))
        return "a constant bias";
    const struct constant *own = bias ? tleg_constant_get(walk, bias->weight) : NULL;
    if (own && (own->rank != 1 || own->shape[0] != 3 * dim))
        return "a bias for queries, keys and values";
    if (bias)
        expected = tleg_value_slice(walk, bias, 0, part * dim, dim, &cut);
    if (bias && !expected)
        expected = tleg_add_vector(walk, in, cut.weight, &made);
    const int64_t shape[] = {tleg_layout_size(&in->layout, 0), tleg_layout_size(&in->layout, 1), heads, dim / heads};
    if (!expected)
        expected = tleg_value_reshape(walk, &made, 4, shape, &laid);
    if (expected)
        return expected;
    made = laid;
    tleg_layout_transpose(&laid.layout, order, &made.layout);
    *out = keep(walk, &made);
    return NULL;
}

/* What attention gives of three of them, (images, tokens, dim) again. */
static const char *attend(struct walk *walk, const struct value *const parts[3], const struct value *bias, struct value *out) {
    static const int32_t order[] = {0, 2, 1, 3};
    const int64_t heads = tleg_walk_integer(walk, "num_heads", 0);
    const struct value *qkv[3];
    struct value mixed, turned;
    const char *expected = NULL;
    for (int k = 0; k < 3 && !expected; k++)
        expected = parts[k] ? as_heads(walk, parts[k], bias, k, heads, &qkv[k]) : "queries, keys and values";
    if (expected)
        return expected;
    const int64_t width = tleg_layout_size(&qkv[0]->layout, 3);
    const double given = tleg_walk_real(walk, "scale", 0);
    expected = tleg_value_attend(walk, qkv[0], qkv[1], qkv[2], given > 0 ? given : 1 / sqrt((double)width), &mixed);
    if (expected)
        return expected;
    turned = mixed;
    tleg_layout_transpose(&mixed.layout, order, &turned.layout);
    const int64_t shape[] = {tleg_layout_size(&turned.layout, 0), tleg_layout_size(&turned.layout, 1), heads * width};
    return tleg_value_reshape(walk, &turned, 3, shape, out);
}

static bool has_more(const struct walk *walk, uint32_t first) {
    while (first < walk->node->input_count && !tleg_walk_in(walk, first))
        first++;
    return first < walk->node->input_count || tleg_walk_integer(walk, "unidirectional", 0) != 0 ||
           tleg_walk_integer(walk, "do_rotary", 0) != 0;
}

/* MultiHeadAttention (queries, keys, values, bias) */
static const char *fused_heads(struct walk *walk, struct value *out) {
    const struct value *const parts[] = {tleg_walk_in(walk, 0), tleg_walk_in(walk, 1), tleg_walk_in(walk, 2)};
    return has_more(walk, 4) ? "attention without a mask or earlier keys" : attend(walk, parts, tleg_walk_in(walk, 3), out);
}

/* Attention (input, weight, bias): with the matrix before it */
static const char *fused_attention(struct walk *walk, struct value *out) {
    const struct value *weight = tleg_walk_in(walk, 1), *bias = tleg_walk_in(walk, 2), *parts[3];
    int64_t sizes[MOST_INTEGERS];
    struct value product, part;
    if (!tleg_is_constant(weight) || has_more(walk, 3) || tleg_walk_integers(walk, "qkv_hidden_sizes", 0, sizes) > 0)
        return "a constant matrix of queries, keys and values, no mask or earlier keys";
    const char *expected = tleg_value_product(walk, tleg_walk_in(walk, 0), weight, false, &product);
    if (expected || product.what != LINEAR || product.layout.rank != 3)
        return expected ? expected : "a norm (images, tokens, dim)";
    const struct value *all = keep(walk, &product);
    const int64_t width = tleg_layout_size(&all->layout, 2) / 3;
    for (int k = 0; k < 3 && !expected; k++) {
        expected = tleg_value_slice(walk, all, 2, k * width, width, &part);
        parts[k] = expected ? NULL : keep(walk, &part);
    }
    return expected ? expected : attend(walk, parts, bias, out);
}

handler *tleg_find_fused(const char *type) {
    static const struct known_operator operators[] = {{"Attention", fused_attention},
                                                      {"BiasGelu", fused_gelu},
                                                      {"FastGelu", fused_gelu},
                                                      {"FusedMatMul", fused_product},
                                                      {"Gelu", fused_gelu},
                                                      {"LayerNormalization", tleg_node_norm},
                                                      {"MultiHeadAttention", fused_heads},
                                                      {"QuickGelu", fused_gelu},
                                                      {"SimplifiedLayerNormalization", tleg_node_norm},
                                                      {"SkipLayerNormalization", fused_norm},
                                                      {"SkipSimplifiedLayerNormalization", fused_norm}};
    return tleg_find_operator(operators, sizeof operators / sizeof *operators, type);
}
