/* The metadata keys of a file, read strictly. */
#include "names/names.h"
#include "vit/read/private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <tleg/image.h>

void tleg_read_note_keys(const struct tleg_config_reader *reader) {
    static const char known[] =
        "needs kind image_size patch_size heads norm eps pool schedule mean std crop labels depths "
        "scores interpolation fit activation branch_norm rotary rotary_base rotary_pairs rotary_order "
        "rotary_grid rotary_offset pool_heads null_label pixel_norm positions head_bias patch_bias rms rules_of_a_part";
    const struct tleg_pair *pairs;
    const int64_t count = tleg_file_pairs(reader->file, &pairs);
    for (int64_t i = 0; i < count; i++) {
        const char *key = pairs[i].key;
        if (strncmp(key, "tleg.", 5) == 0 && !tleg_list_has(known, key + 5, strlen(key + 5)))
            tleg_log(reader->context, "%s: the metadata key \"%s\" is unknown and not used", reader->label, key);
    }
}

void tleg_read_what(const struct tleg_config_reader *reader, const char *key, char text[TLEG_WHAT_TEXT]) {
    snprintf(text, TLEG_WHAT_TEXT, "%s: %s", reader->label, key);
}

/* ---- tleg.needs: what a reader must know to compute what the file means ---- */

const char *const tleg_need_words[TLEG_NEEDS] = {[TLEG_NEED_ACTIVATION] = "activation",
                                                 [TLEG_NEED_BRANCH_NORM] = "branch_norm",
                                                 [TLEG_NEED_ROTARY] = "rotary",
                                                 [TLEG_NEED_POOL_HEADS] = "pool_heads",
                                                 [TLEG_NEED_PIXEL_NORM] = "pixel_norm"};

static bool is_met(const char *word) {
    int k = 0;
    while (k < TLEG_NEEDS && strcmp(tleg_need_words[k], word) != 0)
        k++;
    return k < TLEG_NEEDS;
}

/* The first word that this version does not know is refused by name. */
static tleg_status check_words(const struct tleg_config_reader *reader, const struct tleg_json *json) {
    if (tleg_json_kind(json, 0) != TLEG_JSON_ARRAY)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: tleg.needs: expected a JSON array of words, found something else", reader->label);
    size_t token = 1;
    for (size_t k = 0; k < tleg_json_size(json, 0); k++, token = tleg_json_next(json, token)) {
        char word[64];
        if (tleg_json_kind(json, token) != TLEG_JSON_STRING)
            return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tleg.needs: expected words alone", reader->label);
        if (tleg_json_string(json, token, word, sizeof word) == SIZE_MAX)
            memcpy(word, "(a long word)", sizeof("(a long word)"));
        if (!is_met(word))
            return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED, "%s: made by a newer libtleg: needs \"%s\"",
                             reader->label, word);
    }
    return TLEG_OK;
}

tleg_status tleg_read_needs(struct tleg_config_reader *reader) {
    const char *text = tleg_file_get_metadata(reader->file, "tleg.needs");
    if (!text)
        return TLEG_OK;
    char what[TLEG_WHAT_TEXT];
    tleg_read_what(reader, "tleg.needs", what);
    struct tleg_json json;
    tleg_status status = tleg_json_parse(reader->context, what, text, strlen(text), &json);
    if (status != TLEG_OK)
        return status;
    status = check_words(reader, &json);
    tleg_json_free(&json);
    return status;
}

bool tleg_read_asks(const struct tleg_config_reader *reader, const char *key) {
    const char *text = tleg_file_get_metadata(reader->file, key);
    return text && strcmp(text, "?") == 0;
}

/* Digits alone, without a leading zero. */
static bool parse_integer(const char *text, int32_t most, int32_t *value) {
    int64_t number = 0;
    if (*text < '1' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9' && number <= most; text++)
        number = number * 10 + (*text - '0');
    if (*text != '\0' || number > most)
        return false;
    *value = (int32_t)number;
    return true;
}

tleg_status tleg_read_integer(const struct tleg_config_reader *reader, const char *key, int32_t most, bool *found,
                              int32_t *value) {
    const char *text = tleg_file_get_metadata(reader->file, key);
    *found = text != NULL;
    if (!text || parse_integer(text, most, value))
        return TLEG_OK;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: expected a whole number from 1 to %d, found \"%s\"",
                     reader->label, key, (int)most, text);
}

tleg_status tleg_read_extent(const struct tleg_config_reader *reader, const char *key, bool *found, struct tleg_extent *value) {
    const char *text = tleg_file_get_metadata(reader->file, key), *cross = text ? strchr(text, 'x') : NULL;
    char height[16];
    if (!cross) {
        const tleg_status status = tleg_read_integer(reader, key, TLEG_MAX_IMAGE, found, &value->height);
        value->width = value->height;
        return status;
    }
    *found = true;
    const size_t length = (size_t)(cross - text);
    if (length < sizeof height) {
        memcpy(height, text, length);
        height[length] = '\0';
        if (parse_integer(height, TLEG_MAX_IMAGE, &value->height) && parse_integer(cross + 1, TLEG_MAX_IMAGE, &value->width))
            return TLEG_OK;
    }
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                     "%s: %s: expected a whole number from 1 to %d, or height and width as \"24x40\", found \"%s\"",
                     reader->label, key, TLEG_MAX_IMAGE, text);
}

/* `"one", "two" or "three"`, as much of it as there is room for. */
static void list_words(const char *const *words, char *text, size_t room) {
    size_t length = 0;
    for (int32_t k = 0; words[k] && length < room; k++)
        length += (size_t)snprintf(text + length, room - length, "%s\"%s\"",
                                   k == 0         ? ""
                                   : words[k + 1] ? ", "
                                                  : " or ",
                                   words[k]);
}

/* As tleg_read_word. `otherwise` ends the error of a word that is not among them; NULL: it is no error, and -1. */
static tleg_status read_choice(const struct tleg_config_reader *reader, const char *key, const char *const *words,
                               const char *otherwise, int32_t *value) {
    const char *text = tleg_file_get_metadata(reader->file, key);
    *value = 0;
    if (!text)
        return TLEG_OK;
    for (int32_t k = 0; words[k] && !*value; k++)
        *value = strcmp(text, words[k]) == 0 ? k + 1 : 0;
    if (*value)
        return TLEG_OK;
    *value = -1;
    if (!otherwise)
        return TLEG_OK;
    char expected[160];
    list_words(words, expected, sizeof expected);
    if (tleg_read_asks(reader, key))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: %s: expected %s, found a question mark: its file does not say it", reader->label, key, expected);
    return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED, "%s: %s: expected %s, found \"%s\", which %s", reader->label, key,
                     expected, text, otherwise);
}

tleg_status tleg_read_word(const struct tleg_config_reader *reader, const char *key, const char *const *words, int32_t *value) {
    return read_choice(reader, key, words, "may be for a newer libtleg", value);
}

/* `count` numbers with commas, and blanks if they like, between them. */
static bool parse_numbers(const char *text, int count, double *values) {
    for (int k = 0; k < count; k++) {
        const char *end = strchr(text, ',');
        if ((end != NULL) != (k + 1 < count))
            return false;
        const char *next = end ? end + 1 : text;
        if (!end)
            end = text + strlen(text);
        while (*text == ' ')
            text++;
        while (end > text && end[-1] == ' ')
            end--;
        if (!tleg_number_parse(text, (size_t)(end - text), &values[k]))
            return false;
        text = next;
    }
    return true;
}

/* The numbers of a key, each above 0 if `positive` and at most `most`; untouched when it is absent. */
static tleg_status read_list(const struct tleg_config_reader *reader, const char *key, int count, bool positive, double most,
                             const char *expected, double *values) {
    const char *text = tleg_file_get_metadata(reader->file, key);
    if (!text)
        return TLEG_OK;
    double numbers[3];
    bool good = parse_numbers(text, count, numbers);
    for (int k = 0; good && k < count; k++)
        good = numbers[k] <= most && (positive ? numbers[k] > 0 : numbers[k] >= -most);
    if (!good)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: expected %s, found \"%s\"", reader->label, key, expected,
                         text);
    memcpy(values, numbers, (size_t)count * sizeof *values);
    return TLEG_OK;
}

/* What the file says of colours, one number for all channels where there is but one. */
static tleg_status read_colours(const struct tleg_config_reader *reader, const char *key, bool positive, const char *expected,
                                double values[3]) {
    static const double any = TLEG_MOST_COLOUR;
    const char *text = tleg_file_get_metadata(reader->file, key);
    if (reader->c->channels != 1 || !text || strchr(text, ','))
        return read_list(reader, key, 3, positive, any, expected, values);
    const tleg_status status = read_list(reader, key, 1, positive, any, "a number", values);
    values[1] = values[2] = values[0];
    return status;
}

static bool says(const struct tleg_config_reader *reader, const char *key) {
    return tleg_file_get_metadata(reader->file, key) != NULL;
}

/* A way to prepare pictures that is not known here is the host's to replace, which is done afterwards. */
static tleg_status read_ways(const struct tleg_config_reader *reader) {
    static const char unless_told[] = "is not known here: say which to take, by tleg_open_options.pictures "
                                      "(--interpolation, --fit) or a rule for names";
    tleg_config *c = reader->c;
    const tleg_preparation_options asked = tleg_read_asked_pictures(reader);
    const tleg_status status = read_choice(reader, "tleg.interpolation", tleg_interpolation_words,
                                           asked.interpolation ? NULL : unless_told, &c->interpolation);
    return status == TLEG_OK ? read_choice(reader, "tleg.fit", tleg_fit_words, asked.fit ? NULL : unless_told, &c->fit)
                             : status;
}

static tleg_status read_pictures(const struct tleg_config_reader *reader) {
    tleg_config *c = reader->c;
    tleg_status status = read_list(reader, "tleg.crop", 1, true, 1, "a number above 0, at most 1", &c->crop);
    if (status == TLEG_OK)
        status = read_colours(reader, "tleg.mean", false, "three numbers as in 0.485,0.456,0.406", c->mean);
    if (status == TLEG_OK)
        status = read_colours(reader, "tleg.std", true, "three numbers above 0 as in 0.229,0.224,0.225", c->std);
    if (status == TLEG_OK)
        status = read_ways(reader);
    if (!says(reader, "tleg.mean") && !says(reader, "tleg.std"))
        c->assumed |= TLEG_ASSUMED_COLOURS;
    if (!says(reader, "tleg.crop"))
        c->assumed |= c->interpolation || c->fit ? TLEG_ASSUMED_CROP : TLEG_ASSUMED_CROP | TLEG_ASSUMED_FILTER;
    if (tleg_config_draws(c))
        c->assumed = 0; /* what it draws lies in -1..1 by its kind */
    if (c->interpolation == 0)
        c->interpolation = TLEG_INTERPOLATION_BICUBIC;
    if (c->fit == 0)
        c->fit = TLEG_FIT_CROP;
    return status;
}

static tleg_status read_eps(const struct tleg_config_reader *reader) {
    static const char key[] = "tleg.eps";
    const double asked = reader->asked->eps;
    double *eps = &reader->c->eps;
    const tleg_status status = read_list(reader, key, 1, true, 1, "a number above 0, at most 1", eps);
    if (status != TLEG_OK || asked == 0)
        return status;
    const bool known = tleg_file_get_metadata(reader->file, key) != NULL;
    if (asked > 0 && asked <= 1 && (!known || asked == *eps)) {
        *eps = asked;
        return TLEG_OK;
    }
    char expected[TLEG_NUMBER_TEXT] = "a number above 0, at most 1,", found[TLEG_NUMBER_TEXT] = "another";
    if (known)
        tleg_number_format(*eps, expected);
    if (isfinite(asked))
        tleg_number_format(asked, found);
    return tleg_fail(reader->context, TLEG_ERROR_ARGUMENT, "%s: eps argument: expected %s%s or 0, found %s", reader->label,
                     expected, known ? " as tleg.eps says," : "", found);
}

static tleg_status read_rotary_base(const struct tleg_config_reader *reader) {
    tleg_config *c = reader->c;
    c->rotary_base = tleg_default_rotary_base(c->rotary);
    const tleg_status status =
        read_list(reader, "tleg.rotary_base", 1, true, TLEG_MOST_ROTARY_BASE, "a number above 1", &c->rotary_base);
    if (status != TLEG_OK || c->rotary_base > 1)
        return status;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tleg.rotary_base: expected a number above 1", reader->label);
}

tleg_status tleg_read_numbers(const struct tleg_config_reader *reader) {
    tleg_config *c = reader->c;
    /* timm's models have 1e-6 throughout; the learngene's authors, 1e-5 until the mean comes first */
    const bool timm =
        tleg_config_draws(c) || c->norm == TLEG_NORM_AFTER_POOL || (!reader->gene && !tleg_names_has_keys(reader->file));
    c->eps = timm && !c->norm_before ? 1e-6 : 1e-5; /* CLIP's, too */
    c->crop = tleg_default_crop(tleg_config_pixels(c));
    memset(c->mean, 0, sizeof c->mean);
    memset(c->std, 0, sizeof c->std);
    if (tleg_config_draws(c))
        tleg_fill_plain_colours(c->mean, c->std);
    tleg_fill_colours(c->channels, c->mean, c->std);
    tleg_status status = read_eps(reader);
    if (status == TLEG_OK && c->rotary)
        status = read_rotary_base(reader);
    return status == TLEG_OK ? read_pictures(reader) : status;
}

/* ---- labels ---- */

/* The strings of a JSON array, to the memory after `pointers`; false when one of them is not a string. */
static bool decode_labels(const struct tleg_json *json, int32_t count, const char **pointers, size_t capacity) {
    char *at = (char *)(pointers + count);
    size_t token = 1;
    for (int32_t k = 0; k < count; k++, token = tleg_json_next(json, token)) {
        const size_t length = tleg_json_string(json, token, at, capacity);
        if (length == SIZE_MAX)
            return false;
        pointers[k] = at;
        at += length + 1;
        capacity -= length + 1;
    }
    return true;
}

static tleg_status take_labels(const struct tleg_config_reader *reader, const struct tleg_json *json, void **memory,
                               size_t *bytes) {
    const int32_t classes = reader->c->classes;
    if (tleg_json_kind(json, 0) != TLEG_JSON_ARRAY)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: tleg.labels: expected a JSON array of %d class names, found something else", reader->label,
                         (int)classes);
    if (tleg_json_size(json, 0) != (size_t)classes)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tleg.labels: expected as many names as %s, %d, found %zu",
                         reader->label,
                         tleg_config_draws(reader->c) ? "there are labels beside the null label" : "head.weight has classes",
                         (int)classes, tleg_json_size(json, 0));
    /* each name is no longer than its JSON, whose quotes make room for the NUL */
    const size_t list = (size_t)classes * sizeof(char *), size = list + json->length;
    void *labels = tleg_alloc(&reader->context->allocator, size);
    if (!labels)
        return tleg_fail_memory(reader->context, "class names", size);
    if (!decode_labels(json, classes, labels, json->length)) {
        tleg_release(&reader->context->allocator, labels, size);
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tleg.labels: expected names alone, without a NUL in them",
                         reader->label);
    }
    *memory = labels;
    *bytes = size;
    return TLEG_OK;
}

tleg_status tleg_read_labels(const struct tleg_config_reader *reader, void **memory, size_t *bytes) {
    const char *text = tleg_file_get_metadata(reader->file, "tleg.labels");
    *memory = NULL;
    *bytes = 0;
    if (!text || reader->c->classes == 0) /* the names of a head that was taken off */
        return TLEG_OK;
    char what[TLEG_WHAT_TEXT];
    tleg_read_what(reader, "tleg.labels", what);
    struct tleg_json json;
    tleg_status status = tleg_json_parse(reader->context, what, text, strlen(text), &json);
    if (status != TLEG_OK)
        return status;
    status = take_labels(reader, &json, memory, bytes);
    tleg_json_free(&json);
    return status;
}

/* ---- what is known of depths ---- */

tleg_status tleg_read_learned(const struct tleg_config_reader *reader, struct tleg_learned *learned) {
    char what[TLEG_WHAT_TEXT];
    tleg_read_what(reader, "tleg.depths", what);
    tleg_status status = tleg_depths_parse(reader->context, what, tleg_file_get_metadata(reader->file, "tleg.depths"), learned);
    if (status != TLEG_OK)
        return status;
    tleg_read_what(reader, "tleg.scores", what);
    return tleg_scores_parse(reader->context, what, tleg_file_get_metadata(reader->file, "tleg.scores"), learned);
}
