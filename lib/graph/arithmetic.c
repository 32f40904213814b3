/* Nodes that compute number by number: what they mean depends on what they compute from. */
#include "graph/private.h"

#include <math.h>
#include <string.h>

/* ---- functions of one number ---- */

static const char *function_of(struct walk *walk, const struct value *from, uint32_t base, uint8_t uses, double **samples,
                               struct value *out) {
    *samples = tleg_walk_keep(walk, SAMPLES * sizeof **samples);
    *out = (struct value){.what = FUNCTION, .of = base, .factor = 1, .layout = from->layout, .samples = *samples};
    out->uses = (uint8_t)(uses | (from->what == FUNCTION ? from->uses : 0));
    return NULL;
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}
static double negative(double x) {
    return -x;
}
static double reciprocal(double x) {
    return 1 / x;
}
static double positive(double x) {
    return fmax(x, 0);
}

static const struct function {
    const char *type;
    double (*function)(double);
    uint8_t uses;
} functions[] = {
    {"Erf", erf, USES_ERF}, {"Tanh", tanh, USES_TANH},     {"Sigmoid", sigmoid, USES_SIGMOID}, {"Sqrt", sqrt, 0},
    {"Neg", negative, 0},   {"Reciprocal", reciprocal, 0}, {"Relu", positive, USES_RELU},      {"Exp", exp, USES_OTHER}};

const char *tleg_node_unary(struct walk *walk, struct value *out) {
    const char *type = tleg_walk_text(walk, walk->node->type);
    const struct value *in = tleg_walk_in(walk, 0);
    uint32_t base;
    double *samples;
    if (in->what == TURN && strcmp(type, "Neg") == 0)
        return tleg_turn_negate(walk, in, out);
    if (tleg_is_constant(in))
        return tleg_fold_unary(walk, type, in, out);
    if (strcmp(type, "IsNaN") == 0 && in->what == SHARES) {
        *out = *in;
        out->what = NOT_NUMBERS;
        return NULL;
    }
    if (strcmp(type, "Sigmoid") == 0 && in->what != FUNCTION && tleg_is_answer(walk, in)) {
        tleg_make_answer(walk, in, "sigmoid", out);
        return NULL;
    }
    const double *from = tleg_samples_of(walk, in, &base);
    for (size_t k = 0; from && k < sizeof functions / sizeof *functions; k++)
        if (strcmp(functions[k].type, type) == 0) {
            function_of(walk, in, base, functions[k].uses, &samples, out);
            for (int i = 0; samples && i < SAMPLES; i++)
                samples[i] = functions[k].function(from[i]);
            return NULL;
        }
    return walk->status != TLEG_OK ? NULL : "part of an activation after a matrix, or of a norm";
}

static double gelu(double x, double curve) {
    const double inner = 0.79788456080286535588 * (x + 0.044715 * x * x * x);
    return 0.5 * x * (1 + (curve != 0 ? tanh(inner) : erf(x * 0.70710678118654752440)));
}

const char *tleg_value_gelu(struct walk *walk, const struct value *in, bool curve, struct value *out) {
    return tleg_value_activate(walk, in, gelu, curve, curve ? USES_TANH : USES_ERF, out);
}

const char *tleg_node_gelu(struct walk *walk, struct value *out) {
    const struct tleg_graph_attribute *way = tleg_walk_attribute(walk, "approximate");
    return tleg_value_gelu(walk, tleg_walk_in(walk, 0), way && strcmp(tleg_walk_text(walk, way->text), "tanh") == 0, out);
}

const char *tleg_value_activate(struct walk *walk, const struct value *in, double (*function)(double, double), double parameter,
                                uint8_t uses, struct value *out) {
    uint32_t base;
    double *samples;
    const double *from = in->what == LINEAR || in->what == FUNCTION ? tleg_samples_of(walk, in, &base) : NULL;
    if (!from)
        return walk->status != TLEG_OK ? NULL : "an activation after a matrix";
    function_of(walk, in, base, uses, &samples, out);
    for (int k = 0; samples && k < SAMPLES; k++)
        samples[k] = function(from[k], parameter);
    return NULL;
}

/* ---- with a number ---- */

enum sign { ADD, SUB, MUL, DIV, POW, OTHER };

static enum sign sign_of(const char *type) {
    static const char *const signs[] = {"Add", "Sub", "Mul", "Div", "Pow"};
    int k = 0;
    while (k < OTHER && strcmp(signs[k], type) != 0)
        k++;
    return (enum sign)k;
}

static double apply(enum sign sign, double a, double b) {
    switch (sign) {
    case ADD:
        return a + b;
    case SUB:
        return a - b;
    case MUL:
        return a * b;
    case DIV:
        return a / b;
    default:
        return pow(a, b);
    }
}

/* Two functions of the same number, or one and a constant: *first NULL is `number`. */
static const char *combine(struct walk *walk, enum sign sign, const struct value *a, const struct value *b, double number,
                           struct value *out) {
    uint32_t base = 0, other = 0;
    const double *first = a ? tleg_samples_of(walk, a, &base) : NULL, *second = b ? tleg_samples_of(walk, b, &other) : NULL;
    double *samples;
    if ((a && !first) || (b && !second) || (a && b && (base != other || !tleg_layout_equal(&a->layout, &b->layout))))
        return walk->status != TLEG_OK ? NULL : "two functions of the same value, or two branches that belong together";
    const uint8_t uses = b && b->what == FUNCTION ? b->uses : 0;
    function_of(walk, a ? a : b, a ? base : other, uses, &samples, out);
    for (int k = 0; samples && k < SAMPLES; k++)
        samples[k] = apply(sign, first ? first[k] : number, second ? second[k] : number);
    return NULL;
}

/* A value times a number. */
static const char *scale(struct walk *walk, const struct value *value, double number, struct value *out) {
    if (value->mean == BY_SUM && number == 0.5) {
        *out = *value;
        out->id = 0;
        out->mean = BY_MEAN_MAX;
        return NULL;
    }
    if (value->what == FUNCTION || value->what == VARIANCE)
        return combine(walk, MUL, value, NULL, number, out);
    if ((value->what != LINEAR && value->what != ROTATED && value->what != TURN && value->what != SCORES &&
         value->what != SUM) ||
        value->gate || (value->what == TURN && number <= 0))
        return "a factor of queries, keys, scores or an activation";
    *out = *value;
    out->factor *= number;
    return NULL;
}

/* The squares of what a norm reads: of numbers that an activation may square too, as a function that says so. */
static const char *square(struct walk *walk, const struct value *value, struct value *out) {
    const bool function = value->what == LINEAR || value->what == FUNCTION;
    const char *expected = function ? combine(walk, MUL, value, value, 0, out) : NULL;
    if (!function)
        *out = *value;
    out->id = 0;
    if (function)
        out->third = tleg_value_number(walk, value);
    else
        out->what = SQUARES;
    if (function || value->what == CENTRED)
        return expected;
    out->of = tleg_value_number(walk, value);
    out->mean_before = value->mean;
    out->rms = true;
    return tleg_is_normed(walk, value) ? NULL : "what a norm reads, or an activation";
}

static const char *with_number(struct walk *walk, enum sign sign, const struct value *value, double number, bool number_first,
                               struct value *out) {
    if (sign == POW && number == 2 && !number_first)
        return square(walk, value, out);
    if (sign == MUL)
        return scale(walk, value, number, out);
    if (sign == DIV && !number_first && value->what != FUNCTION)
        return scale(walk, value, 1 / number, out);
    return number_first ? combine(walk, sign, NULL, value, number, out) : combine(walk, sign, value, NULL, number, out);
}

/* A mask that leaves all keys in: zeros added to scores. */
static bool is_zero(struct walk *walk, uint32_t constant) {
    struct constant own = *tleg_constant_get(walk, constant);
    for (int32_t k = 0; k < own.rank; k++)
        own.shape[k] = own.strides[k] == 0 && own.shape[k] > 0 ? 1 : own.shape[k];
    const uint64_t count = (uint64_t)tleg_constant_count(&own);
    bool zero = tleg_constant_load(walk, &own) && tleg_walk_spend(walk, count);
    for (int64_t k = 0; zero && k < (int64_t)count; k++)
        zero = tleg_constant_at(&own, k) == 0;
    return zero;
}

static const char *with_constant(struct walk *walk, enum sign sign, const struct value *value, uint32_t constant,
                                 bool constant_first, struct value *out) {
    double number;
    if (value->what == IMAGES)
        return constant_first && (sign == SUB || sign == DIV)
                   ? "images minus a number, or divided by one"
                   : tleg_prepare(walk, tleg_walk_text(walk, walk->node->type), value, constant, out);
    if (value->what == LENGTH && sign == ADD) { /* against a division by zero */
        *out = *value;
        return NULL;
    }
    if (sign == ADD && tleg_takes_places(walk, value, constant))
        return tleg_add_places(walk, value, constant, out);
    if (sign == ADD && value->what == SCORES) {
        *out = *value;
        return is_zero(walk, constant) ? NULL : "scores without a mask or a bias of their own";
    }
    const bool norm = (value->what == NORM || value->what == INNER_NORM) && value->mean != BY_SUM;
    if (tleg_constant_is_number(walk, constant, &number) && (sign == POW || !norm))
        return with_number(walk, sign, value, number, constant_first, out);
    if (sign == ADD)
        return tleg_add_vector(walk, value, constant, out);
    if (sign == MUL)
        return tleg_scale_vector(walk, value, constant, out);
    return "a bias, positions, a factor or a gate";
}

/* ---- norms in parts ---- */

/* `value` times, or by, a function of its own variance. */
static const char *normalise(struct walk *walk, const struct value *value, const struct value *by, bool root,
                             struct value *out) {
    const struct value *variance = by->what == FUNCTION ? &walk->values[by->of] : NULL;
    if (!variance || variance->what != VARIANCE || by->uses || !tleg_layout_broadcasts(&value->layout, &by->layout) ||
        (variance->rms ? walk->values[variance->of].id != value->id : variance->of != value->of))
        return "a LayerNorm's own variance";
    const double eps = tleg_samples_eps(by->samples, root);
    const struct value *of = &walk->values[variance->of];
    if (tleg_is_heads(walk, of) && eps > 0) {
        const struct layout layout = value->layout;
        const char *expected = tleg_norm_heads(walk, of, variance->rms, eps, out);
        out->layout = layout;
        return expected;
    }
    *out = *variance;
    out->what = tleg_norm_of(&walk->values[variance->of]);
    out->layout = value->layout;
    out->id = 0;
    out->eps = eps;
    return eps > 0 ? NULL : "a LayerNorm: 1 / sqrt(variance + eps)";
}

/* Whether `by` is a function of the mean of a value's squares. */
static bool is_rms(const struct walk *walk, const struct value *value, const struct value *by) {
    const struct value *variance = by->what == FUNCTION ? &walk->values[by->of] : NULL;
    return variance && variance->what == VARIANCE && variance->rms && walk->values[variance->of].id == value->id;
}

static const char *in_parts(struct walk *walk, enum sign sign, const struct value *a, const struct value *b,
                            struct value *out) {
    if (sign == SUB && b->what == MEANS && tleg_is_normed(walk, a) && walk->values[b->of].id == a->id &&
        tleg_layout_broadcasts(&a->layout, &b->layout)) {
        *out = *b;
        out->what = CENTRED;
        out->layout = a->layout;
        return NULL;
    }
    if (sign == DIV && b->what == LENGTH && walk->values[b->of].id == a->id && walk->values[b->of].mean == a->mean &&
        tleg_layout_equal(&walk->values[b->of].layout, &a->layout)) {
        tleg_make_answer(walk, a, "direction", out);
        return NULL;
    }
    if (sign == MUL && (a == b || (a->what == CENTRED && b->what == CENTRED && a->of == b->of)) &&
        tleg_layout_equal(&a->layout, &b->layout))
        return square(walk, a, out);
    if (is_rms(walk, a, b) && (sign == MUL || sign == DIV))
        return normalise(walk, a, b, sign == DIV, out);
    if (is_rms(walk, b, a) && sign == MUL)
        return normalise(walk, b, a, false, out);
    if (a->what == CENTRED && (sign == MUL || sign == DIV))
        return normalise(walk, a, b, sign == DIV, out);
    return b->what == CENTRED && sign == MUL ? normalise(walk, b, a, false, out) : "";
}

/* A function of one matrix, and another matrix of the same norm beside it. */
static bool gate(const struct walk *walk, const struct value *function, const struct value *value, struct value *out) {
    if (function->what != FUNCTION || !tleg_is_matrix(value) || function->of == value->id ||
        !tleg_samples_activation(walk, function) || !tleg_layout_equal(&function->layout, &value->layout))
        return false;
    const struct value *first = &walk->values[function->of];
    if (first->what != LINEAR || walk->values[first->of].id != walk->values[value->of].id)
        return false;
    *out = (struct value){.what = GATED,
                          .of = (uint32_t)(function - walk->values),
                          .other = (uint32_t)(value - walk->values),
                          .factor = 1,
                          .layout = value->layout};
    return true;
}

/* ---- nodes ---- */

const char *tleg_node_binary(struct walk *walk, struct value *out) {
    const char *type = tleg_walk_text(walk, walk->node->type);
    const struct value *a = tleg_walk_in(walk, 0), *b = tleg_walk_in(walk, 1);
    const enum sign sign = sign_of(type);
    if (!b || walk->node->input_count > 2 || tleg_walk_integer(walk, "fmod", 0))
        return "two inputs, and a remainder of the divisor's sign";
    if (a->what == CONSTANT && b->what == CONSTANT)
        return tleg_fold_binary(walk, type, a, b, out);
    if (a->what == LENGTH && b->what == CONSTANT && strcmp(type, "Max") == 0) {
        *out = *a;
        return NULL;
    }
    if (sign == OTHER)
        return "constant numbers";
    if (b->what == CONSTANT)
        return with_constant(walk, sign, a, b->weight, false, out);
    if (a->what == CONSTANT)
        return with_constant(walk, sign, b, a->weight, true, out);
    if (a->what == TURN && b->what == TURN && (sign == ADD || sign == SUB))
        return tleg_turn_add(walk, a, b, sign == SUB, out);
    const char *expected = in_parts(walk, sign, a, b, out);
    if (!expected || *expected)
        return expected;
    if (sign == ADD && a->what != FUNCTION && b->what != FUNCTION)
        return tleg_add_branch(walk, a, b, out);
    if (sign == MUL && (gate(walk, a, b, out) || gate(walk, b, a, out)))
        return NULL;
    return combine(walk, sign, a, b, 0, out);
}
