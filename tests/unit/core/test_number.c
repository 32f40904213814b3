/* Numbers as text: as Python's repr writes them, correctly rounded when read, in every locale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core.h"
#include "support/skip.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static bool same_bits(double a, double b) {
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static bool parse(const char *text, double *value) {
    return tleg_number_parse(text, strlen(text), value);
}

/* ---- writing ---- */

static const struct {
    double value;
    const char *text;
} written[] = {
    /* all as Python's repr gives them */
    {0.0, "0.0"},
    {-0.0, "-0.0"},
    {1.0, "1.0"},
    {-1.5, "-1.5"},
    {0.875, "0.875"},
    {0.1, "0.1"},
    {0.485, "0.485"},
    {1e-5, "1e-05"},
    {1e-6, "1e-06"},
    {0.0001, "0.0001"},
    {0.00012345678901234567, "0.00012345678901234567"},
    {123456.789, "123456.789"},
    {1e15, "1000000000000000.0"},
    {9999999999999998.0, "9999999999999998.0"},
    {1e16, "1e+16"},
    {1.5e16, "1.5e+16"},
    {123456789012345680.0, "1.2345678901234568e+17"},
    {1e22, "1e+22"},
    {1e23, "1e+23"},
    {9.007199254740993e15, "9007199254740992.0"},
    {2.0 / 3, "0.6666666666666666"},
    {0x1p-44, "5.684341886080802e-14"}, /* the nearest of 16 digits, ...801, does not read back */
    {5e-324, "5e-324"},
    {2.225073858507201e-308, "2.225073858507201e-308"},
    {DBL_MIN, "2.2250738585072014e-308"},
    {DBL_MAX, "1.7976931348623157e+308"},
    {-DBL_MAX, "-1.7976931348623157e+308"},
    {1e100, "1e+100"},
    {1e-100, "1e-100"},
    {INFINITY, "inf"},
    {-INFINITY, "-inf"},
    {NAN, "nan"},
};

static void check_written(void) {
    for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
        char text[TLEG_NUMBER_TEXT];
        assert_int_equal(tleg_number_format(written[i].value, text), strlen(written[i].text));
        assert_string_equal(text, written[i].text);
    }
}

static void numbers_are_written_as_python_writes_them(void **state) {
    (void)state;
    check_written();
}

/* How many digits the C library needs, trying one more until the text reads back. */
static int digits_needed(double value) {
    char text[64];
    for (int digits = 1; digits < 17; digits++) {
        snprintf(text, sizeof(text), "%.*e", digits - 1, value);
        if (same_bits(strtod(text, NULL), value))
            return digits;
    }
    return 17;
}

static int digits_in(const char *text) {
    int digits = 0, trailing = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (digits > 0 || *text != '0')) {
            digits++;
            trailing = *text == '0' ? trailing + 1 : 0;
        }
    return digits - trailing;
}

static void check_written_value(double value) {
    char text[TLEG_NUMBER_TEXT];
    double back = 0;
    const size_t length = tleg_number_format(value, text);
    assert_true(length < sizeof(text) && strlen(text) == length);
    assert_true(same_bits(strtod(text, NULL), value));
    assert_true(tleg_number_parse(text, length, &back) && same_bits(back, value));
    assert_true(digits_in(text) <= digits_needed(value));
}

static void whatever_is_written_reads_back_and_is_shortest(void **state) {
    (void)state;
    struct tleg_random random;
    tleg_random_seed(&random, 1, 0);
    for (int i = 0; i < 20000; i++) {
        const double value = from_bits(tleg_random_next(&random));
        if (isfinite(value) && value != 0)
            check_written_value(value);
        check_written_value((double)(float)tleg_random_normal(&random, 4));
        check_written_value((double)(tleg_random_next(&random) % 100000 + 1) / 1000);
    }
}

static void every_power_of_two_and_its_neighbours_read_back(void **state) {
    (void)state;
    for (int exponent = -1074; exponent < 1024; exponent++) {
        const double power = ldexp(1, exponent);
        check_written_value(power);
        check_written_value(nextafter(power, INFINITY));
        if (exponent > -1074)
            check_written_value(nextafter(power, 0));
    }
}

/* ---- reading ---- */

static void numbers_are_read_correctly_rounded(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } read[] = {
        {"0", 0.0},
        {"-0", -0.0},
        {"1", 1.0},
        {"+1.5", 1.5},
        {".5", 0.5},
        {"5.", 5.0},
        {"0.485", 0.485},
        {"1E5", 1e5},
        {"1e+05", 1e5},
        {"12e-1", 1.2},
        {"0000000000000000000000000000000000000001.5", 1.5},
        {"9007199254740993", 9007199254740992.0},                     /* a tie: to even */
        {"9007199254740995", 9007199254740996.0},                     /* a tie: to even, upwards */
        {"9007199254740993.0000000000000000001", 9007199254740994.0}, /* just above a tie */
        {"1e23", 1e23},
        {"8.442911973260991817129021e-309", 8.442911973260991817129021e-309},
        {"2.2250738585072011e-308", 2.2250738585072011e-308}, /* once an endless loop in PHP and Java */
        {"2.4703282292062327208e-324", 0.0},                  /* just below half the smallest */
        {"2.4703282292062328e-324", 5e-324},
        {"1e-400", 0.0},
        {"-1e-99999999999999999999", -0.0},
        {"0e99999999999999999999", 0.0},
        {"1.7976931348623157e308", DBL_MAX},
        {"1.7976931348623158079e308", DBL_MAX}, /* nearer to it than to the next, which is infinity */
    };
    for (size_t i = 0; i < sizeof(read) / sizeof(read[0]); i++) {
        double value = -1;
        assert_true(parse(read[i].text, &value));
        assert_true(same_bits(value, read[i].value));
    }
}

static void what_is_no_finite_decimal_number_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"",         " ",
                                        "1 ",       " 1",
                                        "-",        "+",
                                        ".",        "e5",
                                        "1e",       "1e+",
                                        "1e5x",     "0x10",
                                        "1,5",      "1.2.3",
                                        "--1",      "inf",
                                        "nan",      "1e309",
                                        "-1.8e308", "1_0",
                                        "1.5f",     "1e5.",
                                        "1e1e1",    "NaN",
                                        "∞",        "1e99999999999999999999"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        double value = 7;
        assert_false(parse(texts[i], &value));
        assert_true(value == 7);
    }
    double value;
    assert_false(tleg_number_parse("1\0", 2, &value));
    assert_true(tleg_number_parse("125", 2, &value) && value == 12); /* no further than its length */
}

static void random_texts_are_read_as_the_c_library_reads_them(void **state) {
    (void)state;
    struct tleg_random random;
    tleg_random_seed(&random, 2, 0);
    for (int i = 0; i < 30000; i++) {
        char text[64];
        const int exponent = (int)(tleg_random_next(&random) % 660) - 350;
        const uint64_t high = tleg_random_next(&random) % 1000000000, low = tleg_random_next(&random);
        if (i % 2)
            snprintf(text, sizeof(text), "%llu.%llue%d", (unsigned long long)high, (unsigned long long)low, exponent);
        else
            snprintf(text, sizeof(text), "-%llue%d", (unsigned long long)(low >> tleg_random_next(&random) % 60), exponent);
        double value = 0;
        const double expected = strtod(text, NULL);
        assert_int_equal(parse(text, &value), isfinite(expected) != 0);
        assert_true(!isfinite(expected) || same_bits(value, expected));
    }
}

enum { TIE_DIGITS = 1720 }; /* 309 before the point and 1410 behind */

/* The mean of two numbers of TIE_DIGITS characters, both "000ddd.ddd000". */
static void average(const char *a, const char *b, char *mean) {
    int sum[TIE_DIGITS] = {0}, carry = 0;
    for (int i = TIE_DIGITS - 1; i >= 0; i--)
        if (a[i] != '.') {
            sum[i] = a[i] - '0' + b[i] - '0' + carry;
            carry = sum[i] / 10;
            sum[i] %= 10;
        }
    for (int i = 0, rest = carry; i < TIE_DIGITS; i++)
        if (a[i] == '.') {
            mean[i] = '.';
        } else {
            mean[i] = (char)('0' + (10 * rest + sum[i]) / 2);
            rest = sum[i] % 2;
        }
    mean[TIE_DIGITS] = '\0';
}

/* Half-way points written out in full, up to 767 digits, and a hair beside them. */
static void ties_of_hundreds_of_digits_are_decided_by_the_last(void **state) {
    (void)state;
    struct tleg_random random;
    tleg_random_seed(&random, 3, 0);
    for (int exponent = -1074; exponent <= 970; exponent += 7) {
        char low[TIE_DIGITS + 1], high[TIE_DIGITS + 1], tie[TIE_DIGITS + 1];
        double value = 0;
        const double even = ldexp((double)((UINT64_C(1) << 52) + 2 * (tleg_random_next(&random) >> 13)), exponent);
        const double upper = nextafter(even, INFINITY);
        snprintf(low, sizeof(low), "%0*.1410f", TIE_DIGITS, even); /* exact: they have no more decimals */
        snprintf(high, sizeof(high), "%0*.1410f", TIE_DIGITS, upper);
        average(low, high, tie);
        assert_true(parse(tie, &value) && same_bits(value, even));
        tie[TIE_DIGITS - 1] = '1';
        assert_true(parse(tie, &value) && same_bits(value, upper));
    }
}

static void a_megabyte_of_digits_is_read(void **state) {
    (void)state;
    const size_t size = 1 << 20;
    char *text = malloc(size);
    double value;
    memset(text, '0', size);
    memcpy(text + size - 8, "1e-0005.", 7);
    text[size - 1] = '5';
    assert_true(tleg_number_parse(text, size, &value) && value == 1e-55);
    memset(text, '7', size);
    text[1] = '.';
    assert_true(tleg_number_parse(text, size, &value) && same_bits(value, 7.7777777777777777777777777));
    assert_false(tleg_number_parse(text + 2, size - 2, &value)); /* too large */
    free(text);
}

/* ---- locales ---- */

static void a_locale_with_another_decimal_point_changes_nothing(void **state) {
    (void)state;
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ps_AF.UTF-8", "fa_IR.UTF-8"};
    int tried = 0;
    for (size_t i = 0; i < sizeof(locales) / sizeof(locales[0]); i++) {
        if (!setlocale(LC_ALL, locales[i]))
            continue;
        tried++;
        double value = 0;
        check_written();
        assert_true(parse("0.485", &value) && value == 0.485);
        assert_false(parse("0,485", &value));
        setlocale(LC_ALL, "C");
    }
    if (tried == 0)
        SKIP("no locale with another decimal point is installed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_as_python_writes_them),
        cmocka_unit_test(whatever_is_written_reads_back_and_is_shortest),
        cmocka_unit_test(every_power_of_two_and_its_neighbours_read_back),
        cmocka_unit_test(numbers_are_read_correctly_rounded),
        cmocka_unit_test(what_is_no_finite_decimal_number_is_refused),
        cmocka_unit_test(random_texts_are_read_as_the_c_library_reads_them),
        cmocka_unit_test(ties_of_hundreds_of_digits_are_decided_by_the_last),
        cmocka_unit_test(a_megabyte_of_digits_is_read),
        cmocka_unit_test(a_locale_with_another_decimal_point_changes_nothing),
    };
    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
