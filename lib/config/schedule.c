/* tleg.schedule as JSON, for example {"qkv":[[4,true],[2,false]],"fc1":[[6,"cosine",3]]}: read strictly, written in one form.
 */
#include "config/schedule.h"
#include "config/text.h"
#include "format/format.h"
#include <string.h>

static const char *const form = "its segments [layers, true or false], as in {\"qkv\":[[4,true],[2,false]]}";
static const char *const curves[TLEG_CURVES] = {"power", "chebyshev", "cosine"};

void tleg_schedule_free(struct tleg_schedule *schedule) {
    tleg_release(&schedule->allocator, schedule->memory, schedule->bytes);
    memset(schedule, 0, sizeof *schedule);
}

/* The segment of a site that the schedule leaves out. */
static const struct tleg_span left_out = {0, TLEG_CURVE_POWER, 2};

void tleg_schedule_drop_absent(struct tleg_schedule *schedule, const tleg_config *config) {
    for (int site = 0; site < TLEG_SITES; site++) {
        if (tleg_site_is_present(config, (enum tleg_site)site))
            continue;
        schedule->spans[site][0] = left_out;
        schedule->count[site] = 1;
    }
}

tleg_status tleg_schedule_check(tleg_context *context, const char *what, const struct tleg_schedule *schedule,
                                const tleg_config *config) {
    for (int site = 0; site < TLEG_SITES; site++)
        if (schedule->spans[site][0].layers > 0 && !tleg_site_is_present(config, (enum tleg_site)site))
            return tleg_fail(context, TLEG_ERROR_FORMAT,
                             "%s: expected sites of the blocks, found \"%s\", which these do not have", what,
                             tleg_site_key(site));
    return TLEG_OK;
}

void tleg_schedule_set_shared(struct tleg_schedule *schedule, enum tleg_site site) {
    if (schedule->depth == 0)
        schedule->depth = 1;
    schedule->spans[site][0] = (struct tleg_span){schedule->depth, TLEG_CURVE_POWER, 1};
}

enum { SITE_KEY = 16 }; /* bytes: more than any key and a comma need */

static enum tleg_site find_site(const struct tleg_json *json, size_t token) {
    char key[SITE_KEY];
    if (tleg_json_string(json, token, key, sizeof key) == SIZE_MAX)
        return TLEG_SITES;
    int site = 0;
    while (site < TLEG_SITES && strcmp(key, tleg_site_key((enum tleg_site)site)) != 0)
        site++;
    return (enum tleg_site)site;
}

static bool find_curve(const struct tleg_json *json, size_t token, enum tleg_curve *curve) {
    char name[16]; /* more than any needs */
    if (tleg_json_string(json, token, name, sizeof name) == SIZE_MAX)
        return false;
    for (int k = 0; k < TLEG_CURVES; k++)
        if (strcmp(name, curves[k]) == 0) {
            *curve = (enum tleg_curve)k;
            return true;
        }
    return false;
}

/* [layers, true or false] or [layers, curve, count]. FORMAT, or UNSUPPORTED of another curve, without a text yet. */
static tleg_status read_span(const struct tleg_json *json, size_t token, struct tleg_span *span) {
    const size_t size = tleg_json_kind(json, token) == TLEG_JSON_ARRAY ? tleg_json_size(json, token) : 0;
    int64_t layers, count = 0;
    enum tleg_curve curve = TLEG_CURVE_POWER;
    if (size < 2 || size > 3 || !tleg_json_integer(json, token + 1, &layers) || layers < 1 || layers > TLEG_MAX_DEPTH)
        return TLEG_ERROR_FORMAT;
    const enum tleg_json_kind kind = tleg_json_kind(json, token + 2);
    if (size == 2)
        count = kind == TLEG_JSON_TRUE ? 2 : kind == TLEG_JSON_FALSE ? 1 : 0;
    else if (kind == TLEG_JSON_STRING && !find_curve(json, token + 2, &curve))
        return TLEG_ERROR_UNSUPPORTED;
    else if (kind != TLEG_JSON_STRING || !tleg_json_integer(json, token + 3, &count) || count == 1)
        return TLEG_ERROR_FORMAT;
    if (count < 1 || count > TLEG_MAX_BASIS)
        return TLEG_ERROR_FORMAT;
    *span = (struct tleg_span){(int32_t)layers, curve, (int32_t)count};
    return TLEG_OK;
}

static tleg_status fail_span(tleg_context *context, tleg_status status, const char *what, const struct tleg_json *json,
                             size_t token, int32_t segment, enum tleg_site site) {
    size_t length;
    const char *found = tleg_json_source(json, token, &length);
    return tleg_fail(
        context, status,
        "%s: segment %d of \"%s\": expected [layers 1 to %d, true or false] or [layers, \"power\", \"chebyshev\" or "
        "\"cosine\", tensors 2 to %d], found %.*s%s",
        what, (int)segment, tleg_site_key(site), TLEG_MAX_DEPTH, TLEG_MAX_BASIS, length < 80 ? (int)length : 13,
        length < 80 ? found : "a longer text", status == TLEG_ERROR_UNSUPPORTED ? ", which may be for a newer libtleg" : "");
}

/* The segments of a site into its spans; they are counted already. */
static tleg_status read_site(tleg_context *context, const char *what, const struct tleg_json *json, size_t array,
                             enum tleg_site site, struct tleg_schedule *schedule) {
    int32_t depth = 0;
    size_t token = array + 1;
    for (int32_t k = 0; k < schedule->count[site]; k++, token = tleg_json_next(json, token)) {
        struct tleg_span *span = &schedule->spans[site][k];
        const tleg_status status = read_span(json, token, span);
        if (status != TLEG_OK)
            return fail_span(context, status, what, json, token, k, site);
        depth += span->layers;
    }
    if (depth > TLEG_MAX_DEPTH)
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: \"%s\" covers %d layers, at most %d are possible", what,
                         tleg_site_key(site), (int)depth, TLEG_MAX_DEPTH);
    if (schedule->depth != 0 && schedule->depth != depth)
        return tleg_fail(context, TLEG_ERROR_FORMAT,
                         "%s: the sites cover different numbers of layers: \"%s\" %d, one before it %d", what,
                         tleg_site_key(site), (int)depth, (int)schedule->depth);
    schedule->depth = depth;
    return TLEG_OK;
}

static tleg_status fail_unknown(tleg_context *context, const char *what, const struct tleg_json *json, size_t key) {
    char keys[TLEG_SITES * SITE_KEY] = "";
    struct tleg_text text = {keys, 0};
    for (int site = 0; site < TLEG_SITES; site++) {
        tleg_text_put(&text, site ? ", " : "");
        tleg_text_put(&text, tleg_site_key(site));
    }
    tleg_text_byte(&text, '\0');
    size_t length;
    const char *found = tleg_json_source(json, key, &length);
    return tleg_fail(context, TLEG_ERROR_UNSUPPORTED,
                     "%s: the site \"%.*s\" is none of %s, and may be for a newer libtleg; expected those with %s", what,
                     length < 40 ? (int)length : 13, length < 40 ? found : "a longer text", keys, form);
}

/* Finds each named site's array and its number of segments. */
static tleg_status find_sites(tleg_context *context, const char *what, const struct tleg_json *json, size_t arrays[TLEG_SITES],
                              struct tleg_schedule *schedule) {
    if (tleg_json_kind(json, 0) != TLEG_JSON_OBJECT)
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: expected a JSON object of sites with %s", what, form);
    size_t key = 1;
    for (size_t k = 0; k < tleg_json_size(json, 0); k++, key = tleg_json_next(json, key + 1)) {
        const enum tleg_site site = find_site(json, key);
        if (site == TLEG_SITES)
            return fail_unknown(context, what, json, key);
        if (arrays[site])
            return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: the site \"%s\" is there twice", what, tleg_site_key(site));
        const size_t count = tleg_json_kind(json, key + 1) == TLEG_JSON_ARRAY ? tleg_json_size(json, key + 1) : 0;
        if (count < 1 || count > TLEG_MAX_DEPTH)
            return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: \"%s\": expected 1 to %d segments, %s", what, tleg_site_key(site),
                             TLEG_MAX_DEPTH, form);
        arrays[site] = key + 1;
        schedule->count[site] = (int32_t)count;
    }
    return TLEG_OK;
}

/* Memory for all spans; a site that is not named has one that takes any depth. */
static tleg_status make_spans(tleg_context *context, struct tleg_schedule *schedule) {
    size_t total = 0;
    for (int site = 0; site < TLEG_SITES; site++) {
        if (schedule->count[site] == 0)
            schedule->count[site] = 1;
        total += (size_t)schedule->count[site];
    }
    const size_t bytes = total * sizeof(struct tleg_span);
    struct tleg_span *span = tleg_alloc(&schedule->allocator, bytes);
    if (!span)
        return tleg_fail_memory(context, "a schedule", bytes);
    schedule->memory = span;
    schedule->bytes = bytes;
    for (int site = 0; site < TLEG_SITES; site++) {
        schedule->spans[site] = span;
        *span = left_out;
        span += schedule->count[site];
    }
    return TLEG_OK;
}

static tleg_status read_sites(tleg_context *context, const char *what, const struct tleg_json *json,
                              struct tleg_schedule *schedule) {
    size_t arrays[TLEG_SITES] = {0};
    tleg_status status = find_sites(context, what, json, arrays, schedule);
    if (status == TLEG_OK)
        status = make_spans(context, schedule);
    for (int site = 0; status == TLEG_OK && site < TLEG_SITES; site++)
        if (arrays[site])
            status = read_site(context, what, json, arrays[site], (enum tleg_site)site, schedule);
    return status;
}

tleg_status tleg_schedule_parse(tleg_context *context, const char *what, const char *text, struct tleg_schedule *schedule) {
    memset(schedule, 0, sizeof *schedule);
    schedule->allocator = context->allocator;
    if (!text || !*text)
        return make_spans(context, schedule);
    struct tleg_json json;
    tleg_status status = tleg_json_parse(context, what, text, strlen(text), &json);
    if (status != TLEG_OK)
        return status;
    status = read_sites(context, what, &json, schedule);
    tleg_json_free(&json);
    if (status != TLEG_OK)
        tleg_schedule_free(schedule);
    return status;
}

void tleg_span_text(const struct tleg_span *span, struct tleg_text *text) {
    tleg_text_byte(text, '[');
    tleg_text_integer(text, span->layers);
    if (span->count == 1) {
        tleg_text_put(text, ",false]");
    } else if (span->count == 2 && span->curve == TLEG_CURVE_POWER) {
        tleg_text_put(text, ",true]");
    } else {
        tleg_text_put(text, ",\"");
        tleg_text_put(text, curves[span->curve]);
        tleg_text_put(text, "\",");
        tleg_text_integer(text, span->count);
        tleg_text_byte(text, ']');
    }
}

size_t tleg_schedule_text(const struct tleg_schedule *schedule, char *out) {
    struct tleg_text text = {out, 0};
    for (int site = 0; site < TLEG_SITES; site++) {
        const struct tleg_span *spans = schedule->spans[site];
        if (spans[0].layers == 0)
            continue;
        tleg_text_put(&text, text.length ? ",\"" : "{\"");
        tleg_text_put(&text, tleg_site_key((enum tleg_site)site));
        tleg_text_put(&text, "\":[");
        for (int32_t k = 0; k < schedule->count[site]; k++) {
            tleg_text_put(&text, k ? "," : "");
            tleg_span_text(&spans[k], &text);
        }
        tleg_text_put(&text, "]");
    }
    if (text.length)
        tleg_text_put(&text, "}");
    if (out)
        out[text.length] = '\0';
    return text.length;
}

tleg_status tleg_schedule_write(tleg_context *context, const struct tleg_schedule *schedule, char **text, size_t *bytes) {
    *bytes = tleg_schedule_text(schedule, NULL) + 1;
    *text = tleg_alloc(&context->allocator, *bytes);
    if (!*text)
        return tleg_fail_memory(context, "a schedule", *bytes);
    tleg_schedule_text(schedule, *text);
    return TLEG_OK;
}
