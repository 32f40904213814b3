/* Functions of one number, known by what they give at some points: whichever way an exporter writes GELU or a norm's
 * 1 / sqrt(variance + eps), its samples are the same. */
#include "graph/private.h"

#include <float.h>
#include <math.h>
#include <tleg/config.h>

static const double variances[SAMPLES] = {0, 1e-3, 0.01, 0.05, 0.1, 0.3, 0.6, 1, 1.5, 2, 3, 5, 8, 12, 20, 40};
static const double numbers[SAMPLES] = {-7, -4.5, -3, -2.2, -1.5, -1, -0.6, -0.25, 0, 0.25, 0.6, 1, 1.5, 2.2, 3, 7};

const double *tleg_sample_points(enum what base) {
    return base == VARIANCE ? variances : numbers;
}

const double *tleg_samples_of(struct walk *walk, const struct value *value, uint32_t *base) {
    if (value->what == FUNCTION) {
        *base = value->of;
        return value->samples;
    }
    if ((value->what != LINEAR && value->what != VARIANCE) || value->gate || value->norm)
        return NULL;
    *base = value->id; /* which a factor leaves as it is */
    double *samples = tleg_walk_keep(walk, SAMPLES * sizeof *samples);
    for (int k = 0; samples && k < SAMPLES; k++)
        samples[k] = tleg_sample_points(value->what)[k] * (value->what == LINEAR ? value->factor : 1);
    return samples;
}

/* ---- activations ---- */

enum { TANH = 0 }; /* beside TLEG_MLP_*: of no MLP */

static double activation(int32_t kind, double x) {
    const double root = 0.79788456080286535588; /* sqrt(2 / pi) */
    switch (kind) {
    case TANH:
        return tanh(x);
    case TLEG_MLP_GELU:
        return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
    case TLEG_MLP_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case TLEG_MLP_GELU_TANH:
        return 0.5 * x * (1 + tanh(root * (x + 0.044715 * x * x * x)));
    case TLEG_MLP_SILU:
        return x / (1 + exp(-x));
    default:
        return fmax(x, 0);
    }
}

/* Whether a function is that one, written with those nodes. */
static bool is_function(const struct walk *walk, const struct value *function, int32_t kind, uint8_t uses) {
    double worst = 0;
    for (int i = 0; i < SAMPLES; i++) {
        const double off = fabs(function->samples[i] - activation(kind, numbers[i]));
        worst = off <= worst ? worst : off; /* and what is not a number */
    }
    return function->uses == uses && worst <= walk->tolerance;
}

bool tleg_samples_are_tanh(const struct walk *walk, const struct value *function) {
    return is_function(walk, function, TANH, USES_TANH);
}

int32_t tleg_samples_activation(const struct walk *walk, const struct value *function) {
    static const struct {
        int32_t kind;
        uint8_t uses;
    } known[] = {{TLEG_MLP_GELU, USES_ERF},
                 {TLEG_MLP_QUICK_GELU, USES_SIGMOID},
                 {TLEG_MLP_GELU_TANH, USES_TANH},
                 {TLEG_MLP_SILU, USES_SIGMOID},
                 {TLEG_MLP_RELU, USES_RELU}};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (is_function(walk, function, known[k].kind, known[k].uses))
            return known[k].kind;
    return 0;
}

/* ---- norms ---- */

double tleg_samples_eps(const double *samples, bool root) {
    const double first = root ? samples[0] : 1 / samples[0], eps = first * first;
    if (!(eps > 0) || !(eps <= 1))
        return -1;
    for (int k = 0; k < SAMPLES; k++) {
        const double right = sqrt(variances[k] + eps), found = root ? samples[k] : 1 / samples[k];
        if (!(fabs(found - right) <= 1e-4 * right))
            return -1;
    }
    return tleg_short_number(eps);
}

double tleg_short_number(double value) {
    const float wanted = (float)value;
    if (!(value > 1e-30) || !(value < 1e30))
        return value;
    const int exponent = (int)floor(log10(value));
    for (int digits = 0; digits < 8; digits++) {
        const double scale = pow(10, digits - exponent), rounded = nearbyint(value * scale);
        char text[TLEG_NUMBER_TEXT];
        double candidate = digits >= exponent ? rounded / scale : rounded * pow(10, exponent - digits);
        const size_t length = tleg_number_format(candidate, text);
        if (tleg_number_parse(text, length, &candidate) && (float)candidate == wanted)
            return candidate;
    }
    return value;
}
