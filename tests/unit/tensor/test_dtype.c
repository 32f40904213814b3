/* Element types and their conversions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* A small binary float, as IEEE 754 defines it: `fraction` bits behind the point, exponents from `least` on. */
struct small_float {
    int fraction, least;
    double infinite_from; /* half-way beyond the largest */
};
static const struct small_float half = {10, -14, 65520.0}, brain = {7, -126, 0x1.FFp127};

/* The value's nearest neighbour in the small type, ties to even, computed in double: every step but rint is exact. */
static double nearest(const struct small_float *type, double value) {
    int exponent;
    if (value == 0 || isinf(value))
        return value;
    if (fabs(value) >= type->infinite_from)
        return copysign(INFINITY, value);
    frexp(value, &exponent); /* value = [1/2, 1) * 2^exponent */
    const int least = type->least;
    const int place = (exponent - 1 > least ? exponent - 1 : least) - type->fraction;
    return ldexp(rint(ldexp(value, -place)), place);
}

static double value_of_half(uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 0x3FF;
    const double size = exponent == 31  ? (fraction ? NAN : INFINITY)
                        : exponent == 0 ? ldexp(fraction, -24)
                                        : ldexp(1024 + fraction, exponent - 25);
    return bits & 0x8000 ? -size : size;
}

static void types_have_sizes_and_the_names_of_safetensors(void **state) {
    (void)state;
    static const struct {
        int32_t dtype;
        size_t size;
        const char *name;
    } types[] = {{TLEG_F32, 4, "F32"}, {TLEG_F16, 2, "F16"}, {TLEG_BF16, 2, "BF16"}, {TLEG_F64, 8, "F64"},
                 {TLEG_I64, 8, "I64"}, {TLEG_I32, 4, "I32"}, {TLEG_U8, 1, "U8"}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        assert_int_equal(tleg_dtype_size(types[i].dtype), types[i].size);
        assert_string_equal(tleg_dtype_name(types[i].dtype), types[i].name);
    }
    static const int32_t unknown[] = {0, -1, 8, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_int_equal(tleg_dtype_size(unknown[i]), 0);
        assert_null(tleg_dtype_name(unknown[i]));
    }
}

static void every_f16_has_its_value_and_comes_back(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const float value = tleg_f32_from_f16((uint16_t)bits);
        const double expected = value_of_half((uint16_t)bits);
        if (isnan(expected)) {
            assert_true(isnan(value));
            assert_int_equal(tleg_f16_from_f32(value), bits | 0x200); /* quiet; sign and payload kept */
        } else {
            assert_true(value == expected && !signbit(value) == !signbit(expected));
            assert_int_equal(tleg_f16_from_f32(value), bits);
        }
    }
}

static void every_bf16_has_its_value_and_comes_back(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const float value = tleg_f32_from_bf16((uint16_t)bits);
        assert_int_equal(bits_of(value), bits << 16);
        assert_int_equal(tleg_bf16_from_f32(value), isnan(value) ? bits | 0x40 : bits);
    }
}

static void check_half(uint32_t bits) {
    const float value = from_bits(bits);
    const double rounded = value_of_half(tleg_f16_from_f32(value));
    if (isnan(value))
        assert_true(isnan(rounded) && tleg_f16_from_f32(value) >> 15 == bits >> 31);
    else
        assert_true(rounded == nearest(&half, (double)value) && !signbit(rounded) == !signbit(value));
}

static void check_brain(uint32_t bits) {
    const float value = from_bits(bits);
    const float rounded = from_bits((uint32_t)tleg_bf16_from_f32(value) << 16);
    if (isnan(value))
        assert_true(isnan(rounded) && bits_of(rounded) >> 31 == bits >> 31);
    else
        assert_true((double)rounded == nearest(&brain, (double)value) && !signbit(rounded) == !signbit(value));
}

static void values_of_every_size_round_to_the_nearest(void **state) {
    (void)state;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 3989) {
        check_half((uint32_t)bits);
        check_brain((uint32_t)bits);
    }
}

/* Each value of the small type, the half-way point behind it, and the floats on both sides. */
static void ties_go_to_the_even_neighbour(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 0x7C00; bits++) {
        const double low = value_of_half((uint16_t)bits);
        const double high = bits == 0x7BFF ? 65536.0 : value_of_half((uint16_t)(bits + 1));
        const uint32_t around[] = {bits_of((float)low), bits_of((float)((low + high) / 2))};
        for (int i = 0; i < 2; i++)
            for (uint32_t beside = 0; beside < 3; beside++) {
                check_half(around[i] + beside - (around[i] > 0));
                check_half(0x80000000 | (around[i] + beside - (around[i] > 0)));
            }
    }
    for (uint32_t bits = 0; bits < 0x7F80; bits++)
        for (uint32_t low = 0x7FFE; low <= 0x8002; low++) {
            check_brain(bits << 16 | low);
            check_brain(0x80000000 | bits << 16 | low);
        }
}

static void nan_stays_nan_even_when_its_payload_is_cut_off(void **state) {
    (void)state;
    assert_int_equal(tleg_f16_from_f32(from_bits(0x7F800001)), 0x7E00);
    assert_int_equal(tleg_f16_from_f32(from_bits(0xFFC00000)), 0xFE00);
    assert_int_equal(tleg_bf16_from_f32(from_bits(0x7F800001)), 0x7FC0);
    assert_int_equal(tleg_bf16_from_f32(from_bits(0xFFFFFFFF)), 0xFFFF);
    assert_int_equal(tleg_bf16_from_f32(from_bits(0x7FFFFFFF)), 0x7FFF); /* adding would carry into the sign */
}

static void rows_convert_from_any_address(void **state) {
    (void)state;
    unsigned char bytes[64];
    float out[3];
    const double wide[3] = {1.5, -0x1.0000010000001p0, 1e300}; /* the second just above a tie of f32 */
    memcpy(bytes + 1, wide, sizeof(wide));
    assert_true(tleg_convert_to_f32(TLEG_F64, bytes + 1, out, 3));
    assert_true(out[0] == 1.5f && out[1] == -0x1.000002p0f && isinf(out[2]));
    const uint16_t halves[3] = {0x3C00, 0xC100, 0x0001};
    memcpy(bytes + 1, halves, sizeof(halves));
    assert_true(tleg_convert_to_f32(TLEG_F16, bytes + 1, out, 3));
    assert_true(out[0] == 1 && out[1] == -2.5f && out[2] == 0x1p-24f);
    const uint16_t brains[3] = {0x3F80, 0xC020, 0x0001};
    memcpy(bytes + 1, brains, sizeof(brains));
    assert_true(tleg_convert_to_f32(TLEG_BF16, bytes + 1, out, 3));
    assert_true(out[0] == 1 && out[1] == -2.5f && out[2] == 0x1p-133f);
    memcpy(bytes + 1, (float[]){3, 4, 5}, 12);
    assert_true(tleg_convert_to_f32(TLEG_F32, bytes + 1, out, 3));
    assert_true(out[0] == 3 && out[2] == 5);
    assert_true(tleg_convert_to_f32(TLEG_F32, NULL, NULL, 0));
    assert_false(tleg_convert_to_f32(TLEG_I32, bytes, out, 1));
    assert_false(tleg_convert_to_f32(0, bytes, out, 1));
}

static void rows_convert_to_each_stored_type(void **state) {
    (void)state;
    const float in[2] = {1, -2.5f};
    unsigned char bytes[16];
    uint16_t halves[2];
    float same[2];
    assert_true(tleg_convert_from_f32(TLEG_F16, in, bytes + 1, 2));
    memcpy(halves, bytes + 1, sizeof(halves));
    assert_true(halves[0] == 0x3C00 && halves[1] == 0xC100);
    assert_true(tleg_convert_from_f32(TLEG_BF16, in, bytes + 1, 2));
    memcpy(halves, bytes + 1, sizeof(halves));
    assert_true(halves[0] == 0x3F80 && halves[1] == 0xC020);
    assert_true(tleg_convert_from_f32(TLEG_F32, in, same, 2));
    assert_true(same[0] == 1 && same[1] == -2.5f);
    assert_false(tleg_convert_from_f32(TLEG_F64, in, bytes, 1));
    assert_false(tleg_convert_from_f32(TLEG_U8, in, bytes, 1));
}

/* What a file's tensors and a model's weights may be is asked of the type, and holds for the conversions. */
static void a_type_says_what_converts(void **state) {
    (void)state;
    unsigned char bytes[8] = {0};
    float number = 0;
    for (int32_t dtype = -1; dtype <= TLEG_U8 + 1; dtype++) {
        assert_int_equal(tleg_dtype_is_real(dtype), tleg_convert_to_f32(dtype, bytes, &number, 1));
        assert_int_equal(tleg_dtype_is_of_weights(dtype), tleg_convert_from_f32(dtype, &number, bytes, 1));
    }
    assert_true(tleg_dtype_is_of_weights(TLEG_BF16) && !tleg_dtype_is_of_weights(TLEG_F64) && tleg_dtype_is_real(TLEG_F64));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_sizes_and_the_names_of_safetensors),
        cmocka_unit_test(every_f16_has_its_value_and_comes_back),
        cmocka_unit_test(every_bf16_has_its_value_and_comes_back),
        cmocka_unit_test(values_of_every_size_round_to_the_nearest),
        cmocka_unit_test(ties_go_to_the_even_neighbour),
        cmocka_unit_test(nan_stays_nan_even_when_its_payload_is_cut_off),
        cmocka_unit_test(rows_convert_from_any_address),
        cmocka_unit_test(rows_convert_to_each_stored_type),
        cmocka_unit_test(a_type_says_what_converts),
    };
    return cmocka_run_group_tests_name("dtype", tests, NULL, NULL);
}
