/* What all texts beside the weights are read by, and the rules that are made of them. */
#include "names/beside.h"

#include <stdio.h>
#include <string.h>

tleg_status tleg_beside_parse(const struct tleg_beside *reader, const char *name, const char *text, struct tleg_json *json) {
    char what[TLEG_NAMES_TEXT];
    snprintf(what, sizeof what, "%.*s: %s", TLEG_NAMES_TEXT - 40, reader->label, name);
    text += strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0; /* which some editors put before UTF-8 */
    return tleg_json_parse(reader->context, what, text, strlen(text), json);
}

/* ---- members ---- */

size_t tleg_beside_member(const struct tleg_beside *reader, size_t object, const char *key) {
    const struct tleg_json *json = reader->json;
    const size_t length = strlen(key);
    if (tleg_json_kind(json, object) != TLEG_JSON_OBJECT)
        return json->count;
    size_t token = object + 1;
    for (size_t k = tleg_json_size(json, object); k > 0; k--, token = tleg_json_next(json, token + 1)) {
        size_t found;
        const char *source = tleg_json_source(json, token, &found);
        if (found == length && memcmp(source, key, length) == 0)
            return token + 1;
    }
    return json->count;
}

bool tleg_beside_has(const struct tleg_beside *reader, size_t token) {
    const enum tleg_json_kind kind = tleg_json_kind(reader->json, token);
    return kind != TLEG_JSON_NONE && kind != TLEG_JSON_NULL;
}

bool tleg_beside_has_member(const struct tleg_beside *reader, size_t object, const char *key) {
    return tleg_beside_has(reader, tleg_beside_member(reader, object, key));
}

tleg_status tleg_beside_number(const struct tleg_beside *reader, size_t object, const char *key, bool *found, double *value) {
    const size_t token = tleg_beside_member(reader, object, key);
    size_t length;
    *found = tleg_beside_has(reader, token);
    if (!*found)
        return TLEG_OK;
    const char *source = tleg_json_source(reader->json, token, &length);
    if (tleg_json_kind(reader->json, token) == TLEG_JSON_NUMBER && tleg_number_parse(source, length, value))
        return TLEG_OK;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s: expected a number", reader->label, reader->name, key);
}

tleg_status tleg_beside_integer(const struct tleg_beside *reader, size_t object, const char *key, int64_t *value) {
    const size_t token = tleg_beside_member(reader, object, key);
    if (!tleg_beside_has(reader, token) || tleg_json_kind(reader->json, token) == TLEG_JSON_ARRAY)
        return TLEG_OK;
    if (tleg_json_integer(reader->json, token, value) && *value >= 0)
        return TLEG_OK;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s: expected a whole number", reader->label, reader->name,
                     key);
}

const char *tleg_beside_word(const struct tleg_beside *reader, size_t object, const char *key, char out[TLEG_BESIDE_WORD]) {
    if (tleg_json_string(reader->json, tleg_beside_member(reader, object, key), out, TLEG_BESIDE_WORD) == SIZE_MAX)
        *out = '\0';
    return out;
}

bool tleg_beside_is(const struct tleg_beside *reader, size_t object, const char *key, enum tleg_json_kind kind) {
    return tleg_json_kind(reader->json, tleg_beside_member(reader, object, key)) == kind;
}

/* ---- rules ---- */

void tleg_beside_put(struct tleg_beside *reader, const char *key, const char *value) {
    tleg_text_put(&reader->text, key);
    tleg_text_put(&reader->text, " = ");
    tleg_text_put(&reader->text, value);
    tleg_text_byte(&reader->text, '\n');
}

void tleg_beside_put_number(struct tleg_beside *reader, const char *key, double value) {
    char text[TLEG_NUMBER_TEXT];
    tleg_number_format(value, text);
    tleg_beside_put(reader, key, text);
}

void tleg_beside_put_integer(struct tleg_beside *reader, const char *key, int64_t value) {
    tleg_beside_put_extent(reader, key, value, value); /* which one number says for both */
}

void tleg_beside_put_extent(struct tleg_beside *reader, const char *key, int64_t height, int64_t width) {
    tleg_text_put(&reader->text, key);
    tleg_text_put(&reader->text, " = ");
    tleg_text_integer(&reader->text, height);
    if (width != height) {
        tleg_text_byte(&reader->text, 'x');
        tleg_text_integer(&reader->text, width);
    }
    tleg_text_byte(&reader->text, '\n');
}

tleg_status tleg_beside_pass_number(struct tleg_beside *reader, size_t object, const char *from, const char *key) {
    double value;
    bool found;
    const tleg_status status = tleg_beside_number(reader, object, from, &found, &value);
    if (status == TLEG_OK && found)
        tleg_beside_put_number(reader, key, value);
    return status;
}

tleg_status tleg_beside_pass_word(struct tleg_beside *reader, size_t object, const char *from, const char *key,
                                  const char *const (*words)[2]) {
    char text[TLEG_BESIDE_WORD];
    if (!tleg_beside_has(reader, tleg_beside_member(reader, object, from)))
        return TLEG_OK;
    tleg_beside_word(reader, object, from, text);
    for (; (*words)[0]; words++)
        if (strcmp((*words)[0], text) == 0) {
            if ((*words)[1])
                tleg_beside_put(reader, key, (*words)[1]);
            return TLEG_OK;
        }
    if ((*words)[1] && *text && !strchr(text, '\n')) {
        tleg_beside_put(reader, key, text);
        return TLEG_OK;
    }
    return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED, "%s: %s: %s is \"%s\", which this library does not compute",
                     reader->label, reader->name, from, text);
}

static tleg_status pass_three(struct tleg_beside *reader, size_t object, const char *from, const char *key, double factor) {
    const size_t list = tleg_beside_member(reader, object, from);
    const size_t count = tleg_json_kind(reader->json, list) == TLEG_JSON_ARRAY ? tleg_json_size(reader->json, list) : 0;
    if (!tleg_beside_has(reader, list))
        return TLEG_OK;
    if (count != 3 && count != 1)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s: expected a list of 3 numbers, found %zu",
                         reader->label, reader->name, from, count);
    tleg_text_put(&reader->text, key);
    tleg_text_put(&reader->text, " = ");
    for (size_t k = 0; k < 3; k++) {
        char text[TLEG_NUMBER_TEXT];
        double value = 0;
        size_t length;
        const char *source = tleg_json_source(reader->json, list + 1 + (count == 3 ? k : 0), &length);
        if (!tleg_number_parse(source, length, &value))
            return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s: expected numbers alone", reader->label,
                             reader->name, from);
        tleg_number_format(value / factor, text);
        tleg_text_put(&reader->text, k ? "," : "");
        tleg_text_put(&reader->text, text);
    }
    tleg_text_byte(&reader->text, '\n');
    return TLEG_OK;
}

tleg_status tleg_beside_pass_colours(struct tleg_beside *reader, size_t object, const char *mean, const char *std,
                                     double factor) {
    const tleg_status status = pass_three(reader, object, mean, "tleg.mean", factor);
    return status == TLEG_OK ? pass_three(reader, object, std, "tleg.std", factor) : status;
}

/* ---- pictures and patches, which need not be square ---- */

bool tleg_beside_pair(const struct tleg_beside *reader, size_t token, int64_t *height, int64_t *width) {
    const struct tleg_json *json = reader->json;
    if (tleg_json_kind(json, token) == TLEG_JSON_ARRAY && tleg_json_size(json, token) == 2)
        return tleg_json_integer(json, token + 1, height) && tleg_json_integer(json, token + 2, width) && *height > 0 &&
               *width > 0;
    *width = tleg_json_kind(json, token) == TLEG_JSON_NUMBER && tleg_json_integer(json, token, height) ? *height : 0;
    return *width > 0;
}
