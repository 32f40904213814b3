/* Whether a text is JSON by the letter of RFC 8259: jsmn, which cuts it into tokens, lets much else pass. Stricter in what
 * the RFC leaves open: UTF-8 alone, surrogates in pairs alone, and a limit of depth. */
#include "format/private.h"

#include <string.h>

struct scan {
    const char *text;
    size_t length, at, tokens;
    const char *reason;
};

static bool fails(struct scan *scan, const char *reason) {
    scan->reason = reason;
    return false;
}

/* The character here; 0 at the end (a NUL inside is no JSON either). */
static char peek(const struct scan *scan) {
    return scan->at < scan->length ? scan->text[scan->at] : '\0';
}

static bool take(struct scan *scan, char wanted) {
    if (peek(scan) != wanted)
        return false;
    scan->at++;
    return true;
}

static void skip_blanks(struct scan *scan) {
    for (char c; (c = peek(scan)) == ' ' || c == '\t' || c == '\n' || c == '\r';)
        scan->at++;
}

static bool skip_digits(struct scan *scan) {
    size_t start = scan->at;
    while (peek(scan) >= '0' && peek(scan) <= '9')
        scan->at++;
    return scan->at > start;
}

static bool number(struct scan *scan) {
    take(scan, '-');
    if (!take(scan, '0') && !skip_digits(scan))
        return fails(scan, "a digit is missing");
    if (take(scan, '.') && !skip_digits(scan))
        return fails(scan, "a digit is missing after the point");
    if (take(scan, 'e') || take(scan, 'E')) {
        if (!take(scan, '+'))
            take(scan, '-');
        if (!skip_digits(scan))
            return fails(scan, "a digit is missing in the exponent");
    }
    return true;
}

static bool word(struct scan *scan, const char *wanted) {
    size_t length = strlen(wanted);
    if (scan->length - scan->at < length || memcmp(scan->text + scan->at, wanted, length) != 0)
        return fails(scan, "a value is expected");
    scan->at += length;
    return true;
}

/* Four hexadecimal digits; -1 when they are none. */
static int32_t hex4(struct scan *scan) {
    int32_t value = 0;
    for (int i = 0; i < 4; i++, scan->at++) {
        char c = peek(scan);
        int32_t digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool unicode_escape(struct scan *scan) {
    int32_t unit = hex4(scan);
    if (unit < 0)
        return fails(scan, "four hexadecimal digits are expected after \\u");
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    bool high = unit < 0xdc00;
    if (!high || !take(scan, '\\') || !take(scan, 'u'))
        return fails(scan, "half of a surrogate pair");
    int32_t low = hex4(scan);
    return (low >= 0xdc00 && low <= 0xdfff) || fails(scan, "half of a surrogate pair");
}

static bool escape(struct scan *scan) {
    char c = peek(scan);
    if (c == '\0' || !strchr("\"\\/bfnrtu", c))
        return fails(scan, "an unknown escape");
    scan->at++;
    return c != 'u' || unicode_escape(scan);
}

static bool string(struct scan *scan) {
    if (!take(scan, '"'))
        return fails(scan, "a string is expected");
    while (!take(scan, '"')) {
        if (scan->at == scan->length)
            return fails(scan, "a string does not end");
        if ((unsigned char)peek(scan) < 0x20)
            return fails(scan, "a control character in a string");
        if (take(scan, '\\')) {
            if (!escape(scan))
                return false;
            continue;
        }
        size_t step = tleg_utf8_step((const unsigned char *)scan->text + scan->at, scan->length - scan->at);
        if (step == 0)
            return fails(scan, "not valid UTF-8");
        scan->at += step;
    }
    return true;
}

static bool value(struct scan *scan, int depth);

static bool member(struct scan *scan, int depth) {
    skip_blanks(scan);
    if (!string(scan))
        return false;
    scan->tokens++;
    skip_blanks(scan);
    if (!take(scan, ':'))
        return fails(scan, "':' is expected");
    return value(scan, depth);
}

/* An object's members or an array's elements, after the opening bracket. */
static bool content(struct scan *scan, char close, int depth) {
    if (depth > TLEG_JSON_DEPTH)
        return fails(scan, "nested too deep");
    skip_blanks(scan);
    if (take(scan, close))
        return true;
    do {
        if (!(close == '}' ? member(scan, depth) : value(scan, depth)))
            return false;
    } while (take(scan, ','));
    return take(scan, close) || fails(scan, close == '}' ? "',' or '}' is expected" : "',' or ']' is expected");
}

/* A value and the blanks around it. */
static bool value(struct scan *scan, int depth) {
    skip_blanks(scan);
    scan->tokens++;
    char c = peek(scan);
    bool good;
    if (c == '{' || c == '[') {
        scan->at++;
        good = content(scan, c == '{' ? '}' : ']', depth + 1);
    } else if (c == '"') {
        good = string(scan);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        good = number(scan);
    } else {
        good = word(scan, c == 't' ? "true" : c == 'f' ? "false" : "null");
    }
    skip_blanks(scan);
    return good;
}

bool tleg_json_check(const char *text, size_t length, size_t *tokens, struct tleg_json_fault *fault) {
    struct scan scan = {.text = text, .length = length};
    bool good = value(&scan, 0);
    if (good && scan.at < length)
        good = fails(&scan, "text after the end");
    *tokens = scan.tokens;
    *fault = (struct tleg_json_fault){scan.at, scan.reason};
    return good;
}
