/* Attention pooling: one learned query attends to all tokens, or to the patches, and an MLP is added to what it reads. A query
 * that was computed before the graph was written is a constant; it is read as the bias of a matrix of zeros. */
#include "graph/private.h"

#include <math.h>
#include <string.h>

static const int32_t features[] = {AXIS_FEATURE, -1};

const char *tleg_query_linear(struct walk *walk, const struct value *query, const struct constant *matrix, struct value *out) {
    static const char expected[] = "one query, the same for all images, before its matrix";
    const struct constant own = *tleg_constant_get(walk, query->weight);
    const int32_t last = own.rank - 1;
    struct layout layout = {.rank = own.rank};
    bool batch = false;
    if (last < 0 || own.shape[last] != matrix->shape[1])
        return expected;
    for (int32_t k = 0; k < last; k++) {
        if (own.shape[k] == 1)
            continue;
        if (batch || own.shape[k] < 1 || own.shape[k] > MOST_SIDE || own.strides[k] != 0)
            return expected;
        const struct atom images = {AXIS_BATCH, (int32_t)own.shape[k], 1};
        batch = tleg_layout_replace(&layout, k, &images, 1, false, &layout);
    }
    const struct atom rows = {AXIS_FEATURE, (int32_t)matrix->shape[0], 1};
    tleg_layout_replace(&layout, last, &rows, 1, false, &layout);
    *out = (struct value){.what = LINEAR,
                          .of = tleg_value_number(walk, query),
                          .weight = tleg_constant_add(walk, matrix),
                          .factor = 1,
                          .layout = layout};
    return NULL;
}

bool tleg_is_query(const struct walk *walk, const struct value *value) {
    return value->what == CONSTANT || (value->what == LINEAR && walk->values[value->of].what == CONSTANT);
}

/* A layout without its last two dimensions. */
static struct layout outside(const struct layout *layout) {
    struct layout own = *layout;
    for (int k = 0; k < 2; k++)
        tleg_layout_replace(&own, own.rank - 1, NULL, 0, true, &own);
    return own;
}

/* Whether a query (.., 1, head) fits keys (.., tokens, head); a constant one as a vector of all features. */
static bool fits(struct walk *walk, const struct value *q, const struct value *k, uint32_t *vector) {
    const int32_t last = k->layout.rank - 1;
    *vector = 0;
    if (q->what == CONSTANT) {
        const struct constant *own = tleg_constant_get(walk, q->weight);
        return own->rank > 1 && own->shape[own->rank - 2] == 1 &&
               tleg_constant_align(walk, q->weight, &k->layout, features, vector);
    }
    if (q->layout.rank != last + 1 || q->gate || q->norm || q->layout.counts[last - 1] != 0 ||
        !tleg_layout_is(&q->layout, last, AXIS_FEATURE, tleg_layout_size(&k->layout, last)))
        return false;
    const struct layout keys = outside(&k->layout), query = outside(&q->layout);
    return tleg_layout_broadcasts(&keys, &query);
}

/* Keys or values (.., tokens, head) of a sequence that was not read out yet. */
static bool is_read(const struct walk *walk, const struct value *value) {
    const int32_t last = value->layout.rank - 1;
    const struct value *from = &walk->values[value->of];
    return value->what == LINEAR && !value->gate && !value->norm && last >= 1 && (from->what == NORM || from->what == STREAM) &&
           !from->mean && !from->mean_before && tleg_layout_is(&value->layout, last - 1, AXIS_TOKEN, 0) &&
           tleg_layout_is(&value->layout, last, AXIS_FEATURE, tleg_layout_size(&value->layout, last));
}

const char *tleg_pool_score(struct walk *walk, const struct value *q, const struct value *k, uint32_t keys, struct value *out) {
    const int32_t last = k->layout.rank - 1;
    uint32_t vector;
    if (!is_read(walk, k) || !fits(walk, q, k, &vector))
        return "a query (.., 1, head) and keys (.., tokens, head) of the sequence";
    *out = (struct value){
        .what = SCORES, .of = tleg_value_number(walk, q), .other = keys, .weight = vector, .factor = q->factor * k->factor};
    const struct atom tokens = {AXIS_KEY, (int32_t)tleg_layout_size(&k->layout, last - 1), 1};
    tleg_layout_replace(&k->layout, last - 1, NULL, 0, false, &out->layout);
    tleg_layout_replace(&out->layout, last, &tokens, 1, false, &out->layout);
    return NULL;
}

/* A constant query times what it lacks of 1 over the square root of a head's width. */
static uint32_t scaled(struct walk *walk, uint32_t vector, double factor) {
    struct constant own = *tleg_constant_get(walk, vector), made;
    const double off = factor - 1;
    if (off < walk->tolerance && off > -walk->tolerance)
        return vector;
    double *numbers = tleg_constant_load(walk, &own) ? tleg_constant_make(walk, false, own.rank, own.shape, &made) : NULL;
    for (int64_t k = 0; numbers && k < tleg_constant_count(&own); k++)
        numbers[k] = factor * tleg_constant_at(&own, k);
    return numbers ? tleg_constant_add(walk, &made) : 0;
}

const char *tleg_pool_mix(struct walk *walk, const struct value *shares, const struct value *v, struct value *out) {
    const struct value *k = &walk->values[shares->other];
    const int32_t last = v->layout.rank - 1;
    if (!is_read(walk, v) || v->factor != 1)
        return "values (.., tokens, head) of the sequence";
    const struct value *read = &walk->values[v->of], *keys = &walk->values[k->of];
    if (read->id != keys->id || read->first != keys->first || read->count != keys->count)
        return "values of what the keys are made of";
    *out = (struct value){
        .what = POOL_MIXED, .of = shares->of, .other = shares->other, .third = tleg_value_number(walk, v), .factor = 1};
    if (shares->weight)
        out->weight = scaled(walk, shares->weight, shares->factor * sqrt((double)tleg_layout_size(&v->layout, last)));
    tleg_layout_replace(&v->layout, last - 1, NULL, 0, false, &out->layout);
    return NULL;
}

bool tleg_pool_add(const struct walk *walk, const struct value *o, const struct value *mlp, struct value *out) {
    const struct value *values = walk->values, *function = mlp->what == LINEAR ? &values[mlp->of] : o;
    if (function->what != FUNCTION || !tleg_samples_activation(walk, function) || mlp->gate || mlp->norm || mlp->factor != 1)
        return false;
    const struct value *norm = &values[values[function->of].of], *normed = &values[norm->of];
    if (norm->what != INNER_NORM || normed->what != LINEAR || normed->id != o->id || values[o->of].what != POOL_MIXED ||
        o->gate || o->norm || o->factor != 1 || !tleg_layout_equal(&o->layout, &mlp->layout))
        return false;
    *out = (struct value){.what = POOLED,
                          .of = tleg_value_number(walk, o),
                          .other = tleg_value_number(walk, mlp),
                          .factor = 1,
                          .layout = o->layout};
    return true;
}
