/* JSON: what is accepted is what RFC 8259 and Python's json.loads accept, and what is read is what they read. */
#include "support/containers.h"

#include <time.h>

static tleg_status parse(const char *text, size_t length) {
    struct tleg_json json;
    tleg_status status = tleg_json_parse(context, "the text", text, length, &json);
    if (status == TLEG_OK)
        tleg_json_free(&json);
    return status;
}

static void every_json_value_is_accepted(void **state) {
    (void)state;
    static const char *const good[] = {
        "0",
        "-0",
        "12",
        "-1.5",
        "1e5",
        "1E+05",
        "0.0e-0",
        "true",
        "false",
        "null",
        "\"\"",
        "[]",
        "{}",
        " [ 1 , 2 ] \r\n\t",
        "{\"a\":{\"b\":[null,{}]},\"a\":1}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\x7f\"",
        "\"\xc2\x80\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
        "[[[[[[[[[[]]]]]]]]]]",
        "123456789012345678901234567890",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        OK(parse(good[i], strlen(good[i])));
}

static void what_is_no_json_is_refused_with_the_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "a value is expected at byte 0"},
        {"   ", "byte 3"},
        {"nul", "a value is expected"},
        {"NaN", "a value is expected"},
        {"Infinity", "a value is expected"},
        {"-Infinity", "a digit is missing"},
        {"True", "a value is expected"},
        {"01", "text after the end at byte 1"},
        {"-", "a digit is missing"},
        {"+1", "a value is expected"},
        {".5", "a value is expected"},
        {"1.", "after the point"},
        {"1.e3", "after the point"},
        {"1e", "exponent"},
        {"1e+", "exponent"},
        {"0x10", "text after the end"},
        {"'a'", "a value is expected"},
        {"\"a", "does not end"},
        {"\"\\", "unknown escape"},
        {"\"\\x41\"", "unknown escape"},
        {"\"\\u12g4\"", "four hexadecimal digits"},
        {"\"\\u123\"", "four hexadecimal digits"},
        {"\"\t\"", "control character"},
        {"\"\\ud800\"", "surrogate"},
        {"\"\\udc00\"", "surrogate"},
        {"\"\\ud800\\ud800\"", "surrogate"},
        {"\"\\ud800x\"", "surrogate"},
        {"\"\\ud800\\n\"", "surrogate"},
        {"\"\xff\"", "UTF-8"},
        {"\"\x80\"", "UTF-8"},
        {"\"\xc0\x80\"", "UTF-8"},
        {"\"\xc1\xbf\"", "UTF-8"},
        {"\"\xe0\x9f\xbf\"", "UTF-8"},
        {"\"\xed\xa0\x80\"", "UTF-8"},
        {"\"\xf0\x8f\xbf\xbf\"", "UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "UTF-8"},
        {"\"\xf5\x80\x80\x80\"", "UTF-8"},
        {"\"\xe2\x82", "UTF-8"},
        {"[1,]", "a value is expected"},
        {"[1 2]", "',' or ']'"},
        {"[1", "',' or ']'"},
        {"[,1]", "a value is expected"},
        {"[1}", "',' or ']'"},
        {"{\"a\":1,}", "a string is expected"},
        {"{\"a\" 1}", "':'"},
        {"{\"a\":}", "a value is expected"},
        {"{a:1}", "a string is expected"},
        {"{1:1}", "a string is expected"},
        {"{\"a\":1", "',' or '}'"},
        {"{\"a\":1]", "',' or '}'"},
        {"[] []", "text after the end at byte 3"},
        {"[]x", "text after the end"},
        {"\xef\xbb\xbf[]", "a value is expected"},
        {"[1] // no comments", "text after the end"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_error(parse(bad[i].text, strlen(bad[i].text)), TLEG_ERROR_FORMAT, bad[i].says);
        assert_contains(tleg_context_get_error(context), "the text is no JSON");
    }
    assert_error(parse("[1]\0", 4), TLEG_ERROR_FORMAT, "after the end");
    assert_error(parse("\"a\0b\"", 5), TLEG_ERROR_FORMAT, "control character");
}

static void nesting_ends_at_a_limit_long_before_the_stack_does(void **state) {
    (void)state;
    enum { DEEP = 200000 };
    static char text[2 * DEEP];
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    OK(parse(text + DEEP - 32, 64));
    assert_error(parse(text + DEEP - 33, 66), TLEG_ERROR_FORMAT, "nested too deep at byte 33");
    assert_error(parse(text, sizeof text), TLEG_ERROR_FORMAT, "nested too deep");
}

static void a_tree_is_walked_by_its_tokens(void **state) {
    (void)state;
    static const char text[] = " {\"qkv\": [[4, true], [2, false]], \"\": {}, \"n\": null, \"x\": -7.5}";
    struct tleg_json json;
    OK(tleg_json_parse(context, "t", text, strlen(text), &json));
    char name[8];
    assert_int_equal(tleg_json_kind(&json, 0), TLEG_JSON_OBJECT);
    assert_int_equal(tleg_json_size(&json, 0), 4);
    size_t key = 1;
    assert_int_equal(tleg_json_string(&json, key, name, sizeof name), 3);
    assert_string_equal(name, "qkv");
    assert_int_equal(tleg_json_kind(&json, key + 1), TLEG_JSON_ARRAY);
    assert_int_equal(tleg_json_size(&json, key + 1), 2);
    size_t pair = tleg_json_next(&json, key + 2); /* the second array in it */
    assert_int_equal(tleg_json_size(&json, pair), 2);
    int64_t value;
    assert_true(tleg_json_integer(&json, pair + 1, &value));
    assert_int_equal(value, 2);
    assert_int_equal(tleg_json_kind(&json, pair + 2), TLEG_JSON_FALSE);
    key = tleg_json_next(&json, key + 1);
    assert_int_equal(tleg_json_string(&json, key, name, sizeof name), 0);
    assert_int_equal(tleg_json_kind(&json, key + 1), TLEG_JSON_OBJECT);
    assert_int_equal(tleg_json_size(&json, key + 1), 0);
    key = tleg_json_next(&json, key + 1);
    assert_int_equal(tleg_json_kind(&json, key + 1), TLEG_JSON_NULL);
    key = tleg_json_next(&json, key + 1);
    assert_int_equal(tleg_json_kind(&json, key + 1), TLEG_JSON_NUMBER);
    assert_int_equal(tleg_json_size(&json, key + 1), 0);
    assert_int_equal(tleg_json_kind(&json, tleg_json_next(&json, key + 1)), TLEG_JSON_NONE);
    tleg_json_free(&json);
}

/* The string in `text`, or NULL when it is not given out. */
static const char *unescaped(const char *text, size_t capacity) {
    static char out[64];
    struct tleg_json json;
    OK(tleg_json_parse(context, "t", text, strlen(text), &json));
    size_t length = tleg_json_string(&json, 0, out, capacity);
    tleg_json_free(&json);
    assert_true(length == SIZE_MAX || length == strlen(out));
    return length == SIZE_MAX ? NULL : out;
}

static void strings_come_out_as_utf_8(void **state) {
    (void)state;
    assert_string_equal(unescaped("\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", 64), "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_string_equal(unescaped("\"\\uDBFF\\uDFFF\\uD800\\uDC00\\u07ff\\u0800\\uFFFF\"", 64),
                        "\xf4\x8f\xbf\xbf\xf0\x90\x80\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf");
    assert_string_equal(unescaped("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 64), "\"\\/\b\f\n\r\t");
    assert_string_equal(unescaped("\"\xe7\x8c\xab\"", 4), "\xe7\x8c\xab");
    assert_null(unescaped("\"\xe7\x8c\xab\"", 3));
    assert_null(unescaped("\"\\u20ac\"", 3));
    assert_null(unescaped("\"\"", 0));
    assert_string_equal(unescaped("\"\"", 1), "");
    assert_null(unescaped("\"a\\u0000b\"", 64)); /* a C text would end there */
    assert_null(unescaped("12", 64));
}

static bool integer(const char *text, int64_t *value) {
    struct tleg_json json;
    OK(tleg_json_parse(context, "t", text, strlen(text), &json));
    bool good = tleg_json_integer(&json, 0, value);
    tleg_json_free(&json);
    return good;
}

static void integers_are_exact_or_refused(void **state) {
    (void)state;
    int64_t value;
    assert_true(integer("9223372036854775807", &value) && value == INT64_MAX);
    assert_true(integer("-9223372036854775808", &value) && value == INT64_MIN);
    assert_true(integer("0", &value) && value == 0);
    assert_false(integer("-0", &value));
    assert_false(integer("9223372036854775808", &value));
    assert_false(integer("-9223372036854775809", &value));
    assert_false(integer("18446744073709551617", &value));
    assert_false(integer("1.0", &value));
    assert_false(integer("1e3", &value));
    assert_false(integer("\"1\"", &value));
    assert_false(integer("true", &value));
}

static void a_large_object_takes_linear_time(void **state) {
    (void)state;
    enum { MEMBERS = 200000, EACH = 20 };
    char *text = malloc(MEMBERS * EACH + 2);
    size_t length = 0;
    for (int i = 0; i < MEMBERS; i++)
        length += (size_t)sprintf(text + length, "%c\"k%07d\":[%d]", i == 0 ? '{' : ',', i, i % 10);
    text[length++] = '}';
    struct tleg_json json;
    clock_t start = clock();
    OK(tleg_json_parse(context, "t", text, length, &json));
    assert_int_equal(tleg_json_size(&json, 0), MEMBERS);
    size_t token = 1;
    for (int i = 0; i < MEMBERS; i++)
        token = tleg_json_next(&json, token + 1);
    assert_int_equal(tleg_json_kind(&json, token), TLEG_JSON_NONE);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 20); /* a tenth of a second; quadratic time takes many minutes */
    tleg_json_free(&json);
    free(text);
}

/* `count` values of two bytes each in an array. */
static tleg_status parse_array(size_t count) {
    char *text = malloc(2 * count + 1);
    for (size_t i = 0; i < count; i++)
        memcpy(text + 2 * i, i ? ",0" : "[0", 2);
    text[2 * count] = ']';
    struct tleg_json json;
    const tleg_status status = tleg_json_parse(context, "t", text, 2 * count + 1, &json);
    if (status == TLEG_OK)
        tleg_json_free(&json);
    free(text);
    return status;
}

/* Each value takes memory, which a text of nothing but commas would make ten times the file's. */
static void memory_follows_the_length_of_a_text(void **state) {
    (void)state;
    OK(parse_array(65535));
    const long long before = counter.peak_bytes;
    assert_error(parse_array(1000000), TLEG_ERROR_FORMAT, "more values than one in 4 bytes");
    assert_true(counter.peak_bytes == before);
}

static void no_memory_is_an_error(void **state) {
    (void)state;
    counter.fail_at = counter.calls + 1;
    assert_error(parse("[1]", 3), TLEG_ERROR_MEMORY, "the text");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_json_value_is_accepted),
        cmocka_unit_test(what_is_no_json_is_refused_with_the_place),
        cmocka_unit_test(nesting_ends_at_a_limit_long_before_the_stack_does),
        cmocka_unit_test(a_tree_is_walked_by_its_tokens),
        cmocka_unit_test(strings_come_out_as_utf_8),
        cmocka_unit_test(integers_are_exact_or_refused),
        cmocka_unit_test(a_large_object_takes_linear_time),
        cmocka_unit_test(memory_follows_the_length_of_a_text),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
