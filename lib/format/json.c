/* JSON of small texts: checked by json_check.c, cut into tokens by jsmn, read here. */
#define JSMN_STATIC
#define JSMN_PARENT_LINKS /* without them jsmn takes quadratic time on a large object */
#include <jsmn.h>

#include "format/private.h"

#include <limits.h>
#include <string.h>

/* Tokens that a text of any length may have. Beyond them there is one for each 4 bytes at most, in a header with the shortest
 * names too: tokens take 20 bytes each, and memory is to follow the file. */
enum { FREE_TOKENS = 65536, TOKEN_BYTES = 4 };

static const jsmntok_t *token_at(const struct tleg_json *json, size_t token) {
    return token < json->count ? (const jsmntok_t *)json->tokens + token : NULL;
}

tleg_status tleg_json_scan(const struct tleg_allocator *allocator, const char *text, size_t length, struct tleg_json *json,
                           struct tleg_json_fault *fault) {
    memset(json, 0, sizeof *json);
    *fault = (struct tleg_json_fault){0, "too long"};
    if (length > INT_MAX)
        return TLEG_ERROR_FORMAT;
    size_t count;
    if (!tleg_json_check(text, length, &count, fault))
        return TLEG_ERROR_FORMAT;
    *fault = (struct tleg_json_fault){length, "more values than one in 4 bytes"};
    if (count > FREE_TOKENS && count > length / TOKEN_BYTES)
        return TLEG_ERROR_FORMAT;
    size_t bytes;
    if (!tleg_size_mul(count, sizeof(jsmntok_t), &bytes))
        return TLEG_ERROR_MEMORY;
    jsmntok_t *tokens = tleg_alloc(allocator, bytes);
    if (!tokens)
        return TLEG_ERROR_MEMORY;
    jsmn_parser parser;
    jsmn_init(&parser);
    int found = jsmn_parse(&parser, text, length, tokens, (unsigned)count);
    *json = (struct tleg_json){text, length, tokens, count, bytes, *allocator};
    if (found < 0 || (size_t)found != count) {
        tleg_json_free(json);
        *fault = (struct tleg_json_fault){0, "cannot be cut into tokens"};
        return TLEG_ERROR_FORMAT;
    }
    return TLEG_OK;
}

tleg_status tleg_json_parse(tleg_context *context, const char *what, const char *text, size_t length, struct tleg_json *json) {
    struct tleg_json_fault fault;
    tleg_status status = tleg_json_scan(&context->allocator, text, length, json, &fault);
    if (status == TLEG_ERROR_FORMAT)
        return tleg_fail(context, status, "%s is no JSON: %s at byte %llu of %llu", what, fault.reason,
                         (unsigned long long)fault.at, (unsigned long long)length);
    if (status != TLEG_OK)
        return tleg_fail_memory(context, what, length);
    return TLEG_OK;
}

void tleg_json_free(struct tleg_json *json) {
    tleg_release(&json->allocator, json->tokens, json->token_bytes);
    memset(json, 0, sizeof *json);
}

enum tleg_json_kind tleg_json_kind(const struct tleg_json *json, size_t token) {
    const jsmntok_t *found = token_at(json, token);
    if (!found)
        return TLEG_JSON_NONE;
    switch (found->type) {
    case JSMN_OBJECT:
        return TLEG_JSON_OBJECT;
    case JSMN_ARRAY:
        return TLEG_JSON_ARRAY;
    case JSMN_STRING:
        return TLEG_JSON_STRING;
    default:
        break;
    }
    char first = json->text[found->start];
    return first == 't' ? TLEG_JSON_TRUE : first == 'f' ? TLEG_JSON_FALSE : first == 'n' ? TLEG_JSON_NULL : TLEG_JSON_NUMBER;
}

const char *tleg_json_source(const struct tleg_json *json, size_t token, size_t *length) {
    const jsmntok_t *found = token_at(json, token);
    *length = found ? (size_t)(found->end - found->start) : 0;
    return found ? json->text + found->start : "";
}

size_t tleg_json_size(const struct tleg_json *json, size_t token) {
    const jsmntok_t *found = token_at(json, token);
    return found && (found->type == JSMN_OBJECT || found->type == JSMN_ARRAY) ? (size_t)found->size : 0;
}

size_t tleg_json_next(const struct tleg_json *json, size_t token) {
    const jsmntok_t *tokens = json->tokens;
    size_t next = token + 1;
    while (token < json->count && next < json->count && tokens[next].start < tokens[token].end)
        next++;
    return next;
}

static uint32_t hex4(const char *digits) {
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        char c = digits[i];
        unit = unit * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return unit;
}

static size_t put_utf8(uint32_t code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint32_t lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[length] | code);
    return length;
}

/* Reads the escape after a backslash (its grammar is checked already) to at most 4 bytes; moves *at past it. */
static size_t unescape(const char **at, char out[4]) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = *(*at)++;
    if (c != 'u') {
        out[0] = to[strchr(from, c) - from];
        return 1;
    }
    uint32_t code = hex4(*at);
    *at += 4;
    if (code >= 0xd800 && code < 0xdc00) {
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(*at + 2) - 0xdc00);
        *at += 6;
    }
    return put_utf8(code, out);
}

size_t tleg_json_string(const struct tleg_json *json, size_t token, char *out, size_t capacity) {
    const jsmntok_t *found = token_at(json, token);
    if (!found || found->type != JSMN_STRING || capacity == 0)
        return SIZE_MAX;
    size_t length = 0;
    for (const char *at = json->text + found->start, *end = json->text + found->end; at < end;) {
        char bytes[4];
        size_t step = 1;
        bytes[0] = *at++;
        if (bytes[0] == '\\')
            step = unescape(&at, bytes);
        if (bytes[0] == '\0' || step >= capacity - length)
            return SIZE_MAX;
        memcpy(out + length, bytes, step);
        length += step;
    }
    out[length] = '\0';
    return length;
}

bool tleg_json_integer(const struct tleg_json *json, size_t token, int64_t *value) {
    if (tleg_json_kind(json, token) != TLEG_JSON_NUMBER)
        return false;
    const jsmntok_t *found = token_at(json, token);
    const char *at = json->text + found->start, *end = json->text + found->end;
    bool negative = *at == '-';
    int64_t sum = 0; /* counted downwards: the negative side reaches one further */
    for (at += negative; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        int64_t digit = *at - '0';
        if (sum < (INT64_MIN + digit) / 10)
            return false;
        sum = sum * 10 - digit;
    }
    if (negative ? sum == 0 : sum == INT64_MIN) /* -0 is not an integer: others read it as a floating-point number */
        return false;
    *value = negative ? sum : -sum;
    return true;
}
