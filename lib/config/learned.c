/* tleg.depths and tleg.scores as JSON, for example [[3,12],16] and
 *     {"on":"validation","images":5000,"depths":[4,8,12],"scores":[0.812,0.853,0.861]}
 * read strictly, written in one form. Members of a table that this version does not know are passed over. */
#include "config/learned.h"
#include "format/format.h"
#include <string.h>

static const int64_t most_images = (int64_t)1 << 53; /* whole numbers that every reader of JSON keeps */

int32_t tleg_depth_find(const int32_t *depths, int32_t count, int32_t depth) {
    for (int32_t k = 0; k < count; k++)
        if (depths[k] == depth)
            return k;
    return -1;
}

/* ---- what a table may hold ---- */

/* Rising, within 1 to TLEG_MAX_DEPTH. */
static tleg_status check_depths(tleg_context *context, tleg_status status, const char *what, const int32_t *depths,
                                int32_t count) {
    for (int32_t k = 0; k < count; k++)
        if (depths[k] < 1 || depths[k] > TLEG_MAX_DEPTH || (k > 0 && depths[k] <= depths[k - 1]))
            return tleg_fail(context, status, "%s: expected depths from 1 to %d, rising, each once; found %d as number %d",
                             what, TLEG_MAX_DEPTH, (int)depths[k], (int)k + 1);
    return TLEG_OK;
}

static tleg_status check_scores(tleg_context *context, tleg_status status, const char *what, const tleg_scores *scores) {
    if (scores->images < 0 || scores->images > most_images)
        return tleg_fail(context, status, "%s: images: expected 0 to 2^53, found %lld", what, (long long)scores->images);
    for (int32_t k = 0; k < scores->count; k++)
        if (!(scores->scores[k] >= 0 && scores->scores[k] <= 1))
            return tleg_fail(context, status,
                             "%s: scores: expected shares of images from 0 to 1, found another number at depth %d", what,
                             (int)scores->depths[k]);
    return TLEG_OK;
}

/* ---- a host's ---- */

tleg_status tleg_depths_check(tleg_context *context, const char *what, const int32_t *depths, int32_t count) {
    if (count < 0 || count > TLEG_MAX_DEPTH)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: expected 0 to %d depths, found %d", what, TLEG_MAX_DEPTH,
                         (int)count);
    if (count > 0 && !depths)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: expected %d depths, found NULL", what, (int)count);
    return check_depths(context, TLEG_ERROR_ARGUMENT, what, depths, count);
}

tleg_status tleg_scores_read(tleg_context *context, const char *what, const tleg_scores *host, tleg_scores *own) {
    *own = (tleg_scores){0};
    if (!host)
        return TLEG_OK;
    tleg_status status = tleg_options_read(context, what, host, own, sizeof *own, TLEG_LEAST_SCORES);
    if (status == TLEG_OK)
        status = tleg_check_reserved(context, "tleg_scores.reserved", own->reserved == NULL);
    if (status == TLEG_OK)
        status = tleg_depths_check(context, what, own->depths, own->count);
    if (status != TLEG_OK)
        return status;
    if (own->count > 0 && !own->scores)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: expected %d scores, found NULL", what, (int)own->count);
    if (!own->on)
        own->on = "";
    if (!tleg_utf8_valid(own->on) || strlen(own->on) >= TLEG_SCORES_ON)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: on: expected UTF-8 of at most %d bytes, found another text", what,
                         TLEG_SCORES_ON - 1);
    return check_scores(context, TLEG_ERROR_ARGUMENT, what, own);
}

/* ---- depths from JSON ---- */

/* A depth, or two of them in an array: the ends of a range. */
static bool read_range(const struct tleg_json *json, size_t token, int64_t ends[2]) {
    if (tleg_json_integer(json, token, &ends[0])) {
        ends[1] = ends[0];
        return true;
    }
    return tleg_json_kind(json, token) == TLEG_JSON_ARRAY && tleg_json_size(json, token) == 2 &&
           tleg_json_integer(json, token + 1, &ends[0]) && tleg_json_integer(json, token + 2, &ends[1]);
}

static tleg_status read_depths(tleg_context *context, const char *what, const struct tleg_json *json,
                               struct tleg_learned *learned) {
    if (tleg_json_kind(json, 0) != TLEG_JSON_ARRAY)
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: expected a JSON array of depths and of ranges [least,most]", what);
    int64_t last = 0, ends[2];
    size_t token = 1;
    for (size_t k = 0; k < tleg_json_size(json, 0); k++, token = tleg_json_next(json, token)) {
        if (!read_range(json, token, ends) || ends[0] <= last || ends[1] < ends[0] || ends[1] > TLEG_MAX_DEPTH) {
            size_t length;
            const char *found = tleg_json_source(json, token, &length);
            return tleg_fail(context, TLEG_ERROR_FORMAT,
                             "%s: expected depths from 1 to %d and ranges [least,most], rising, each depth once, as in "
                             "[[3,12],16]; found %.*s",
                             what, TLEG_MAX_DEPTH, length < 80 ? (int)length : 13, length < 80 ? found : "a longer text");
        }
        for (int64_t depth = ends[0]; depth <= ends[1]; depth++)
            learned->depths[learned->depth_count++] = (int32_t)depth;
        last = ends[1];
    }
    return TLEG_OK;
}

tleg_status tleg_depths_parse(tleg_context *context, const char *what, const char *text, struct tleg_learned *learned) {
    struct tleg_json json;
    learned->depth_count = 0;
    if (!text)
        return TLEG_OK;
    tleg_status status = tleg_json_parse(context, what, text, strlen(text), &json);
    if (status != TLEG_OK)
        return status;
    status = read_depths(context, what, &json, learned);
    tleg_json_free(&json);
    return status;
}

/* ---- scores from JSON ---- */

enum member { ON, IMAGES, DEPTHS, SCORES, MEMBERS };
static const char *const member_keys[MEMBERS] = {"on", "images", "depths", "scores"};

/* The value of each member that is known; 0: it is not there. */
static tleg_status find_members(tleg_context *context, const char *what, const struct tleg_json *json,
                                size_t members[MEMBERS]) {
    if (tleg_json_kind(json, 0) != TLEG_JSON_OBJECT)
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: expected a JSON object with \"depths\" and \"scores\"", what);
    size_t key = 1;
    for (size_t k = 0; k < tleg_json_size(json, 0); k++, key = tleg_json_next(json, key + 1)) {
        char name[16]; /* more than any that is known needs */
        if (tleg_json_string(json, key, name, sizeof name) == SIZE_MAX)
            continue;
        int m = 0;
        while (m < MEMBERS && strcmp(name, member_keys[m]) != 0)
            m++;
        if (m < MEMBERS && members[m])
            return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: \"%s\" is there twice", what, name);
        if (m < MEMBERS)
            members[m] = key + 1;
    }
    return TLEG_OK;
}

/* Into the arrays of `learned`; false where an element is not a number. */
static bool read_arrays(const struct tleg_json *json, const size_t members[MEMBERS], struct tleg_learned *learned) {
    for (int32_t k = 0; k < learned->scores.count; k++) { /* numbers alone are one token each, or this fails */
        const size_t depth = members[DEPTHS] + 1 + (size_t)k, score = members[SCORES] + 1 + (size_t)k;
        int64_t value;
        size_t length;
        const char *source = tleg_json_source(json, score, &length);
        if (!tleg_json_integer(json, depth, &value) || tleg_json_kind(json, score) != TLEG_JSON_NUMBER ||
            !tleg_number_parse(source, length, &learned->score_values[k]))
            return false;
        learned->score_depths[k] = value < 0 || value > TLEG_MAX_DEPTH ? 0 : (int32_t)value; /* 0 is refused below */
    }
    return true;
}

static size_t elements(const struct tleg_json *json, size_t token) {
    return token && tleg_json_kind(json, token) == TLEG_JSON_ARRAY ? tleg_json_size(json, token) : SIZE_MAX;
}

static tleg_status read_table(tleg_context *context, const char *what, const struct tleg_json *json,
                              const size_t members[MEMBERS], struct tleg_learned *learned) {
    const size_t count = elements(json, members[DEPTHS]);
    if (count > TLEG_MAX_DEPTH || elements(json, members[SCORES]) != count)
        return tleg_fail(context, TLEG_ERROR_FORMAT,
                         "%s: expected arrays \"depths\" and \"scores\" of one length, at most %d, found others", what,
                         TLEG_MAX_DEPTH);
    learned->scores.count = (int32_t)count;
    if (!read_arrays(json, members, learned))
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: expected whole numbers in \"depths\" and numbers in \"scores\"",
                         what);
    if (members[IMAGES] && !tleg_json_integer(json, members[IMAGES], &learned->scores.images))
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: images: expected a whole number", what);
    if (members[ON] && tleg_json_string(json, members[ON], learned->on, sizeof learned->on) == SIZE_MAX)
        return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: on: expected a text of at most %d bytes", what, TLEG_SCORES_ON - 1);
    const tleg_status status = check_depths(context, TLEG_ERROR_FORMAT, what, learned->scores.depths, learned->scores.count);
    return status == TLEG_OK ? check_scores(context, TLEG_ERROR_FORMAT, what, &learned->scores) : status;
}

tleg_status tleg_scores_parse(tleg_context *context, const char *what, const char *text, struct tleg_learned *learned) {
    size_t members[MEMBERS] = {0};
    struct tleg_json json;
    learned->on[0] = '\0';
    learned->scores = (tleg_scores){.struct_size = sizeof learned->scores,
                                    .depths = learned->score_depths,
                                    .scores = learned->score_values,
                                    .on = learned->on};
    if (!text)
        return TLEG_OK;
    tleg_status status = tleg_json_parse(context, what, text, strlen(text), &json);
    if (status != TLEG_OK)
        return status;
    status = find_members(context, what, &json, members);
    if (status == TLEG_OK)
        status = read_table(context, what, &json, members, learned);
    tleg_json_free(&json);
    return status;
}

/* ---- and back ---- */

void tleg_depths_text(const int32_t *depths, int32_t count, struct tleg_text *text) {
    tleg_text_byte(text, '[');
    for (int32_t k = 0, end; k < count; k = end) {
        end = k + 1;
        while (end < count && depths[end] == depths[end - 1] + 1)
            end++;
        tleg_text_put(text, k ? "," : "");
        if (end - k > 1) {
            tleg_text_byte(text, '[');
            tleg_text_integer(text, depths[k]);
            tleg_text_byte(text, ',');
        }
        tleg_text_integer(text, depths[end - 1]);
        tleg_text_put(text, end - k > 1 ? "]" : "");
    }
    tleg_text_byte(text, ']');
}

void tleg_scores_text(const tleg_scores *scores, struct tleg_text *text) {
    char number[TLEG_NUMBER_TEXT];
    tleg_text_put(text, "{\"on\":");
    tleg_text_string(text, scores->on);
    tleg_text_put(text, ",\"images\":");
    tleg_text_integer(text, scores->images);
    tleg_text_put(text, ",\"depths\":[");
    for (int32_t k = 0; k < scores->count; k++) {
        tleg_text_put(text, k ? "," : "");
        tleg_text_integer(text, scores->depths[k]);
    }
    tleg_text_put(text, "],\"scores\":[");
    for (int32_t k = 0; k < scores->count; k++) {
        tleg_number_format(scores->scores[k], number);
        tleg_text_put(text, k ? "," : "");
        tleg_text_put(text, number);
    }
    tleg_text_put(text, "]}");
}
