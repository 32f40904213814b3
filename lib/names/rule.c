/* One line of a rules text: "old -> new", "a + b + c -> new", "old -> nothing", "tleg.key = value", or a comment. */
#include "names/private.h"

#include <string.h>

static struct tleg_rule_text trim(struct tleg_rule_text text) {
    while (text.length > 0 && (*text.text == ' ' || *text.text == '\t'))
        text.text++, text.length--;
    while (text.length > 0 && strchr(" \t\r", text.text[text.length - 1]))
        text.length--;
    return text;
}

/* Cuts `text` at `word`: what stands before it, and *rest after it; false when it is not there. */
static bool cut(struct tleg_rule_text text, const char *word, struct tleg_rule_text *before, struct tleg_rule_text *rest) {
    const size_t length = strlen(word);
    for (size_t at = 0; at + length <= text.length; at++)
        if (memcmp(text.text + at, word, length) == 0) {
            *before = trim((struct tleg_rule_text){text.text, at});
            *rest = trim((struct tleg_rule_text){text.text + at + length, text.length - at - length});
            return true;
        }
    return false;
}

static tleg_status fail(tleg_context *context, const struct tleg_rule *rule, const char *why, struct tleg_rule_text found) {
    return tleg_fail(context, TLEG_ERROR_FORMAT, "names: line %lld: %s, found '%.*s'", (long long)rule->line, why,
                     (int)(found.length < TLEG_NAMES_TEXT ? found.length : TLEG_NAMES_TEXT), found.text);
}

/* The digits of `text`, or `none` when it is empty; false when it is anything else. */
static bool read_row(struct tleg_rule_text text, int64_t none, int64_t *row) {
    int64_t value = 0;
    *row = none;
    if (text.length == 0)
        return true;
    for (size_t k = 0; k < text.length; k++) {
        if (text.text[k] < '0' || text.text[k] > '9' || k == 9)
            return false;
        value = value * 10 + (text.text[k] - '0');
    }
    *row = value;
    return true;
}

/* "1/3", a share of the rows, becomes "1", and *parts 3; 0 when it is a row. */
static bool take_parts(struct tleg_rule_text *row, int64_t *parts) {
    struct tleg_rule_text share, whole;
    *parts = 0;
    if (!cut(*row, "/", &share, &whole))
        return true;
    *row = share;
    return share.length > 0 && read_row(whole, 0, parts) && *parts > 0;
}

/* "NAME[first:end]" without the brackets; false when they hold no rows. */
static bool take_rows(struct tleg_rule_piece *piece) {
    struct tleg_rule_text whole = piece->name, name, rows, first, end;
    piece->end = -1;
    if (whole.length == 0 || whole.text[whole.length - 1] != ']' || !cut(whole, "[", &name, &rows))
        return true;
    rows.length--;
    piece->name = name;
    int64_t parts[2];
    if (!cut(rows, ":", &first, &end) || !take_parts(&first, &parts[0]) || !take_parts(&end, &parts[1]) ||
        (first.length > 0 && end.length > 0 && parts[0] != parts[1]))
        return false;
    piece->parts = parts[0] > 0 ? parts[0] : parts[1];
    return read_row(first, 0, &piece->first) && read_row(end, -1, &piece->end) &&
           (piece->end < 0 || piece->end > piece->first) && (piece->parts == 0 || piece->first < piece->parts);
}

struct tleg_rule_text tleg_pattern_prefix(struct tleg_rule_text prefix, struct tleg_rule_text *pattern) {
    if (pattern->length < 3 || memcmp(pattern->text, "../", 3) != 0)
        return prefix;
    pattern->text += 3;
    pattern->length -= 3;
    const size_t whole = prefix.length;
    while (prefix.length > 0 && (prefix.length == whole || prefix.text[prefix.length - 1] != '.'))
        prefix.length--;
    return prefix;
}

/* At most one {} and one *, no blanks, and short enough. */
static bool is_pattern(struct tleg_rule_text text) {
    int layers = 0, words = 0;
    for (size_t k = 0; k < text.length; k++) {
        layers += text.text[k] == '{';
        words += text.text[k] == '*';
        if (text.text[k] == ' ' || text.text[k] == '\t' || text.text[k] == '#' ||
            (text.text[k] == '{' && (k + 1 == text.length || text.text[k + 1] != '}')))
            return false;
    }
    return text.length > 0 && text.length < TLEG_NAMES_TEXT / 2 && layers <= 1 && words <= 1;
}

static tleg_status take_piece(tleg_context *context, struct tleg_rule *rule, struct tleg_rule_text text) {
    if (rule->piece_count == TLEG_RULE_PIECES)
        return fail(context, rule, "expected at most 8 tensors joined by +", text);
    struct tleg_rule_piece *piece = &rule->pieces[rule->piece_count++];
    *piece = (struct tleg_rule_piece){.name = text};
    if (text.length > 2 && memcmp(text.text, "0 ", 2) == 0) {
        piece->zeros = true;
        piece->name = trim((struct tleg_rule_text){text.text + 2, text.length - 2});
    }
    struct tleg_rule_text *name = &piece->name;
    if (name->length > 2 && name->text[name->length - 2] == '^') {
        piece->turned = name->text[name->length - 1] == 'T';
        piece->patches = name->text[name->length - 1] == 'P';
        if (!piece->turned && !piece->patches)
            return fail(context, rule, "expected ^T (transposed), ^P (patches with their channels last) or neither", text);
        name->length -= 2;
    }
    if (!take_rows(piece) || (piece->turned || piece->patches ? piece->first > 0 || piece->end >= 0 || piece->zeros : false))
        return fail(context, rule, "expected rows as in [0:1], [1:] or [1/3:] of a tensor that is neither ^T nor ^P", text);
    if (!is_pattern(*name))
        return fail(context, rule,
                    "expected the name of a tensor, with one {} for the layer's number and one * for a word at most", text);
    return TLEG_OK;
}

static tleg_status take_key(tleg_context *context, struct tleg_rule *rule, struct tleg_rule_text key,
                            struct tleg_rule_text value) {
    if (key.length < 6 || memcmp(key.text, "tleg.", 5) != 0 || value.length == 0)
        return fail(context, rule, "expected 'tleg.KEY = VALUE'", key);
    rule->target = key;
    rule->value = value;
    return TLEG_OK;
}

static bool holds(struct tleg_rule_text text, char mark) {
    return memchr(text.text, mark, text.length) != NULL;
}

/* The first tensor says what {} and * stand for: each new name has the same, and no tensor has another. */
static bool marks_fit(const struct tleg_rule *rule) {
    static const char marks[] = {'{', '*'};
    for (size_t m = 0; m < sizeof marks; m++) {
        const bool first = holds(rule->pieces[0].name, marks[m]);
        if (holds(rule->target, marks[m]) != first)
            return false;
        for (size_t k = 1; k < rule->piece_count; k++)
            if (holds(rule->pieces[k].name, marks[m]) && !first)
                return false;
    }
    return true;
}

/* Whether its numbers are taken in another order, which is done to a whole tensor alone. */
static bool is_reordered(const struct tleg_rule_piece *piece) {
    return piece->turned || piece->patches;
}

bool tleg_rule_is_whole(const struct tleg_rule *rule) {
    const struct tleg_rule_piece *piece = rule->pieces;
    return rule->piece_count == 1 && piece->first == 0 && piece->end < 0 && !piece->zeros;
}

/* What stands before a # that follows a blank; names have no blanks. */
static struct tleg_rule_text before_comment(struct tleg_rule_text line) {
    for (size_t k = 1; k < line.length; k++)
        if (line.text[k] == '#' && (line.text[k - 1] == ' ' || line.text[k - 1] == '\t'))
            line.length = k;
    return trim(line);
}

static tleg_status take_line(tleg_context *context, struct tleg_rule *rule, struct tleg_rule_text line) {
    static const char nothing[] = "nothing";
    struct tleg_rule_text old, new, next;
    if (line.length > 5 && memcmp(line.text, "tleg.", 5) == 0 && cut(line, " = ", &old, &new))
        return take_key(context, rule, old, new);
    line = before_comment(line);
    if (!cut(line, " -> ", &old, &new)) {
        if (cut(line, " = ", &old, &new))
            return take_key(context, rule, old, new);
        return fail(context, rule, "expected 'OLD -> NEW' or 'tleg.KEY = VALUE'", line);
    }
    if (!is_pattern(new) || holds(new, '?'))
        return fail(context, rule, "expected a new name after '->'", new);
    rule->target = new;
    tleg_status status = TLEG_OK;
    while (status == TLEG_OK && cut(old, " + ", &next, &old))
        status = take_piece(context, rule, next);
    if (status == TLEG_OK)
        status = take_piece(context, rule, old);
    for (size_t k = 0; k < rule->piece_count && rule->piece_count > 1 && status == TLEG_OK; k++)
        if (is_reordered(&rule->pieces[k]))
            status = fail(context, rule, "expected ^T, ^P of one tensor alone", line);
    rule->nothing = new.length == sizeof nothing - 1 && memcmp(new.text, nothing, new.length) == 0;
    if (status == TLEG_OK && rule->nothing && (!tleg_rule_is_whole(rule) || is_reordered(rule->pieces)))
        return fail(context, rule, "expected one whole tensor before '-> nothing'", old);
    if (status == TLEG_OK && !rule->nothing && !marks_fit(rule))
        return fail(context, rule, "expected {} and * in the new name as in the first one", line);
    return status;
}

tleg_status tleg_rule_next(tleg_context *context, const char **text, int64_t *line, struct tleg_rule *rule) {
    if (*line == 0 && strncmp(*text, "\xEF\xBB\xBF", 3) == 0) /* the mark that some editors begin a file with */
        *text += 3;
    while (**text) {
        const size_t length = strcspn(*text, "\n");
        const struct tleg_rule_text found = trim((struct tleg_rule_text){*text, length});
        *text += length + ((*text)[length] == '\n');
        *rule = (struct tleg_rule){.line = ++*line};
        if (found.length > 0 && *found.text != '#')
            return take_line(context, rule, found);
    }
    *rule = (struct tleg_rule){0};
    return TLEG_OK;
}

tleg_status tleg_rules_next(tleg_context *context, const char *const rules[], struct tleg_rule_cursor *at,
                            struct tleg_rule *rule) {
    tleg_status status = TLEG_OK;
    rule->line = 0;
    while (status == TLEG_OK && rule->line == 0 && at->index < TLEG_RULE_TEXTS && rules[at->index]) {
        if (!at->text)
            *at = (struct tleg_rule_cursor){at->index, rules[at->index], 0};
        status = tleg_rule_next(context, &at->text, &at->line, rule);
        if (rule->line == 0)
            *at = (struct tleg_rule_cursor){.index = at->index + 1};
    }
    return status;
}

/* ---- patterns ---- */

/* The layer's number at the beginning of `name`: its digits; 0 when there is none. */
static size_t layer_length(const char *name) {
    size_t length = 0;
    while (name[length] >= '0' && name[length] <= '9')
        length++;
    return length > 1 && *name == '0' ? 0 : length;
}

const char *tleg_prefix_strip(const char *name, struct tleg_rule_text prefix) {
    return prefix.length == 0 || strncmp(name, prefix.text, prefix.length) == 0 ? name + prefix.length : NULL;
}

/* What follows in `name` after the pattern, or NULL when it does not begin so. */
static const char *match(struct tleg_rule_text pattern, const char *name, struct tleg_capture *capture) {
    *capture = (struct tleg_capture){0};
    for (size_t k = 0; k < pattern.length; k++) {
        const char mark = pattern.text[k];
        if (mark != '{' && mark != '*') {
            if (*name++ != mark)
                return NULL;
            continue;
        }
        const struct tleg_rule_text found = {name, mark == '{' ? layer_length(name) : strcspn(name, ".")};
        if (found.length == 0)
            return NULL;
        name += found.length;
        *(mark == '{' ? &capture->layer : &capture->word) = found;
        k += mark == '{';
    }
    return name;
}

bool tleg_pattern_match(struct tleg_rule_text pattern, const char *name, struct tleg_capture *capture) {
    const char *rest = match(pattern, name, capture);
    return rest && *rest == '\0';
}

bool tleg_pattern_covers(struct tleg_rule_text pattern, const char *name) {
    struct tleg_capture capture;
    const char *rest = match(pattern, name, &capture);
    return rest && (*rest == '\0' || *rest == '.');
}

static bool append(char out[TLEG_NAMES_TEXT], size_t *length, struct tleg_rule_text text) {
    if (text.length >= TLEG_NAMES_TEXT - *length)
        return false;
    if (text.length > 0)
        memcpy(out + *length, text.text, text.length);
    *length += text.length;
    out[*length] = '\0';
    return true;
}

bool tleg_pattern_fill(struct tleg_rule_text pattern, struct tleg_rule_text prefix, const struct tleg_capture *capture,
                       char out[TLEG_NAMES_TEXT]) {
    size_t length = 0;
    bool fits = append(out, &length, prefix);
    for (size_t k = 0; k < pattern.length && fits; k++) {
        const char mark = pattern.text[k];
        fits = append(out, &length,
                      mark == '{'   ? capture->layer
                      : mark == '*' ? capture->word
                                    : (struct tleg_rule_text){pattern.text + k, 1});
        k += mark == '{';
    }
    return fits;
}
