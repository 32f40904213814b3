/* Half precision, as recordings hold it. Compiled with tools/base/half.c. */
#include "support/support.h"

#include "base/half.h"

#include <math.h>

static int is_number(uint16_t half) {
    return (half & 0x7C00) != 0x7C00;
}

/* A half's value, from its definition: sign, exponent and fraction. */
static double value_of(uint16_t half) {
    int exponent = half >> 10 & 31;
    double fraction = half & 0x3FF;
    double magnitude = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return half & 0x8000 ? -magnitude : magnitude;
}

static void every_half_has_its_value_and_comes_back(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t half = (uint16_t)i;
        float value = half_value(half);
        if (is_number(half)) {
            assert_true((double)value == value_of(half));
            assert_int_equal(!!signbit(value), half >> 15);
            assert_int_equal(half_of(value), half);
        } else if (half & 0x3FF) {
            assert_true(isnan(value));
            assert_true(isnan(half_value(half_of(value))));
        } else {
            assert_true(isinf(value));
            assert_int_equal(half_of(value), half);
        }
    }
}

/* Between two neighbours: below the middle the lower, above it the higher, and in the middle the one whose last bit is 0. */
static void numbers_between_are_rounded_to_the_nearest_and_ties_to_even(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 0x7C00; i++) {
        uint16_t low = (uint16_t)i, high = (uint16_t)(i + 1);
        double above = is_number(high) ? value_of(high) : 65536; /* where the next half would be */
        float middle = (float)((value_of(low) + above) / 2);
        uint16_t even = low & 1 ? high : low;
        assert_int_equal(half_of(middle), even);
        assert_int_equal(half_of(-middle), even | 0x8000);
        assert_int_equal(half_of(nextafterf(middle, 0)), low);
        assert_int_equal(half_of(nextafterf(middle, INFINITY)), high);
    }
}

static void what_is_too_large_becomes_an_infinity_and_what_is_too_small_zero(void **state) {
    (void)state;
    assert_int_equal(half_of(65519.996f), 0x7BFF);
    assert_int_equal(half_of(65520), 0x7C00);
    assert_int_equal(half_of(-3e38f), 0xFC00);
    assert_int_equal(half_of(INFINITY), 0x7C00);
    assert_int_equal(half_of(0x1p-25f), 0);
    assert_int_equal(half_of(-0x1p-149f), 0x8000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_has_its_value_and_comes_back),
        cmocka_unit_test(numbers_between_are_rounded_to_the_nearest_and_ties_to_even),
        cmocka_unit_test(what_is_too_large_becomes_an_infinity_and_what_is_too_small_zero),
    };
    return cmocka_run_group_tests_name("half", tests, NULL, NULL);
}
