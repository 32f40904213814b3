/* What configurations of all kinds say of the weights: names of classes, sizes that must be theirs, words for activations and
 * filters. */
#include "config/limits.h"
#include "names/beside.h"

#include <string.h>

/* ---- labels ---- */

/* The tokens of the names in {"0": "cat", ...}, in whatever order; 0: there is none of that number. */
static void find_labels(const struct tleg_beside *reader, size_t object, size_t *names, int64_t count) {
    size_t token = object + 1;
    for (int64_t k = 0; k < count; k++, token = tleg_json_next(reader->json, token + 1)) {
        size_t length, at = 0;
        const char *source = tleg_json_source(reader->json, token, &length);
        int64_t number = 0;
        while (at < length && number < count && source[at] >= '0' && source[at] <= '9')
            number = 10 * number + (source[at++] - '0');
        if (length > 0 && at == length && number < count && (length == 1 || *source != '0'))
            names[number] = token + 1;
    }
}

/* A name without the quotes around it, as JSON writes it. */
static void put_label(struct tleg_beside *reader, size_t token, bool first) {
    size_t length;
    const char *source = tleg_json_source(reader->json, token, &length);
    tleg_text_put(&reader->text, first ? "[\"" : ", \"");
    for (size_t k = 0; k < length; k++)
        tleg_text_byte(&reader->text, source[k]);
    tleg_text_byte(&reader->text, '"');
}

static bool is_generic(const struct tleg_beside *reader, size_t token) {
    size_t length;
    const char *source = tleg_json_source(reader->json, token, &length);
    return length > 6 && memcmp(source, "LABEL_", 6) == 0;
}

static tleg_status put_labels(struct tleg_beside *reader, const char *key, const size_t *names, int64_t count) {
    if (is_generic(reader, names[0]))
        return TLEG_OK;
    tleg_text_put(&reader->text, "tleg.labels = ");
    for (int64_t k = 0; k < count; k++) {
        if (names[k] == 0 || tleg_json_kind(reader->json, names[k]) != TLEG_JSON_STRING)
            return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s: expected a name for class %lld of %lld",
                             reader->label, reader->name, key, (long long)k, (long long)count);
        put_label(reader, names[k], k == 0);
    }
    tleg_text_put(&reader->text, "]\n");
    return TLEG_OK;
}

tleg_status tleg_beside_pass_labels(struct tleg_beside *reader, size_t object, const char *key, bool all) {
    const size_t labels = tleg_beside_member(reader, object, key);
    const enum tleg_json_kind kind = tleg_json_kind(reader->json, labels);
    const bool list = kind == TLEG_JSON_ARRAY;
    const int64_t classes = reader->facts->classes;
    const int64_t count = list || kind == TLEG_JSON_OBJECT ? (int64_t)tleg_json_size(reader->json, labels) : 0;
    if (count == 0 || classes == 0 || (count != classes && !all))
        return TLEG_OK;
    if (count != classes)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s are %lld, but the weights have %lld classes",
                         reader->label, reader->name, key, (long long)count, (long long)classes);
    const size_t bytes = (size_t)count * sizeof(size_t);
    size_t *names = tleg_alloc_zero(&reader->context->allocator, bytes);
    if (!names)
        return tleg_fail_memory(reader->context, "names of classes", bytes);
    for (int64_t k = 0; k < count && list; k++) /* up to the first that is no name each is one token */
        names[k] = labels + 1 + (size_t)k;
    if (!list)
        find_labels(reader, labels, names, count);
    const tleg_status status = put_labels(reader, key, names, count);
    tleg_release(&reader->context->allocator, names, bytes);
    return status;
}

/* ---- what a number of the weights must be ---- */

tleg_status tleg_beside_hold(const struct tleg_beside *reader, size_t object, const char *key, int64_t weights) {
    int64_t value = 0;
    const tleg_status status = tleg_beside_integer(reader, object, key, &value);
    if (status != TLEG_OK || value == 0 || weights == 0 || value == weights)
        return status;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s is %lld, but the weights have %lld", reader->label,
                     reader->name, key, (long long)value, (long long)weights);
}

/* ---- pictures and patches, which need not be square ---- */

bool tleg_beside_fits_rows(const struct tleg_names_facts *facts, int64_t height, int64_t width) {
    if (facts->patch < 1 || facts->patch_width < 1)
        return false;
    const int64_t rows = height / facts->patch, columns = width / facts->patch_width;
    const int64_t patches = rows <= TLEG_MAX_GRID && columns <= TLEG_MAX_GRID ? rows * columns : 0,
                  more = facts->rows - patches;
    return patches > 0 && (more == facts->prefix || more == facts->prefix - facts->registers || more == 0);
}

void tleg_beside_put_image(struct tleg_beside *reader, int64_t height, int64_t width) {
    const struct tleg_names_facts *facts = reader->facts;
    if (!facts->placeless && !tleg_beside_fits_rows(facts, height, width))
        return;
    tleg_beside_put_extent(reader, "tleg.image_size", height, width);
}

/* ---- words ---- */

const char *const tleg_beside_activations[][2] = {{"gelu", "gelu"},
                                                  {"gelu_python", "gelu"},
                                                  {"quick_gelu", "quick_gelu"},
                                                  {"quickgelu", "quick_gelu"},
                                                  {"gelu_tanh", "gelu_tanh"},
                                                  {"gelu_pytorch_tanh", "gelu_tanh"},
                                                  {"gelu_new", "gelu_tanh"},
                                                  {"gelu_fast", "gelu_tanh"},
                                                  {"silu", "silu"},
                                                  {"swish", "silu"},
                                                  {"relu", "relu"},
                                                  {NULL, NULL}};

const char *const tleg_beside_filters[][2] = {{"bicubic", "bicubic"}, {"bilinear", "bilinear"}, {"box", "box"}, {"", NULL},
                                              {"random", NULL},       TLEG_BESIDE_ANY};
