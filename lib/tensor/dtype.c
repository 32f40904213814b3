/* Element types and their conversions. Plain integer arithmetic: the same bits whatever the host set its floating-point unit
 * to. */
#include "tensor/tensor.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
    bool real, weights; /* what tleg_dtype_is_real and tleg_dtype_is_of_weights say */
} types[] = {[TLEG_F32] = {"F32", 4, true, true},  [TLEG_F16] = {"F16", 2, true, true},   [TLEG_BF16] = {"BF16", 2, true, true},
             [TLEG_F64] = {"F64", 8, true, false}, [TLEG_I64] = {"I64", 8, false, false}, [TLEG_I32] = {"I32", 4, false, false},
             [TLEG_U8] = {"U8", 1, false, false}};
enum { TYPES_END = sizeof(types) / sizeof(types[0]) };

size_t tleg_dtype_size(int32_t dtype) {
    return dtype > 0 && dtype < TYPES_END ? types[dtype].size : 0;
}

const char *tleg_dtype_name(int32_t dtype) {
    return dtype > 0 && dtype < TYPES_END ? types[dtype].name : NULL;
}

bool tleg_dtype_is_real(int32_t dtype) {
    return dtype > 0 && dtype < TYPES_END && types[dtype].real;
}

bool tleg_dtype_is_of_weights(int32_t dtype) {
    return dtype > 0 && dtype < TYPES_END && types[dtype].weights;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* value >> shift, rounded to nearest, ties to even; shift 1 to 31. */
static uint32_t shift_rounded(uint32_t value, uint32_t shift) {
    const uint32_t half = UINT32_C(1) << (shift - 1);
    return (value + (half - 1) + (value >> shift & 1)) >> shift;
}

uint16_t tleg_f16_from_f32(float value) {
    const uint32_t bits = bits_of(value), size = bits & 0x7FFFFFFF;
    const uint32_t sign = bits >> 16 & 0x8000;
    uint32_t half;
    if (size > 0x7F800000) /* NaN: made quiet */
        half = 0x7E00 | (size >> 13 & 0x3FF);
    else if (size >= 0x477FF000) /* 65520, half-way beyond the largest: infinity */
        half = 0x7C00;
    else if (size >= 0x38800000) /* 2^-14: normal, the exponent's bias goes from 127 to 15 */
        half = shift_rounded(size - (UINT32_C(112) << 23), 13);
    else if (size > 0x33000000) /* above 2^-25: subnormal, a multiple of 2^-24 */
        half = shift_rounded((size & 0x7FFFFF) | 0x800000, 126 - (size >> 23));
    else
        half = 0;
    return (uint16_t)(sign | half);
}

float tleg_f32_from_f16(uint16_t bits) {
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16, size = bits & 0x7FFF;
    if (size > 0x7C00) /* NaN: made quiet */
        return from_bits(sign | 0x7FC00000 | size << 13);
    if (size == 0x7C00)
        return from_bits(sign | 0x7F800000);
    if (size >= 0x400)
        return from_bits(sign | ((size << 13) + (UINT32_C(112) << 23)));
    return from_bits(sign | bits_of((float)size * 0x1p-24f));
}

uint16_t tleg_bf16_from_f32(float value) {
    const uint32_t bits = bits_of(value);
    if ((bits & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

float tleg_f32_from_bf16(uint16_t bits) {
    return from_bits((uint32_t)bits << 16);
}

static uint16_t load16(const unsigned char *at) {
    uint16_t bits;
    memcpy(&bits, at, sizeof(bits));
    return bits;
}

static void store16(unsigned char *at, uint16_t bits) {
    memcpy(at, &bits, sizeof(bits));
}

static float load64(const unsigned char *at) {
    double value;
    memcpy(&value, at, sizeof(value));
    return (float)value;
}

bool tleg_convert_to_f32(int32_t dtype, const void *in, float *out, size_t count) {
    const unsigned char *bytes = in;
    switch (dtype) {
    case TLEG_F32:
        if (count > 0)
            memmove(out, in, count * sizeof(*out));
        return true;
    case TLEG_F16:
        for (size_t i = 0; i < count; i++)
            out[i] = tleg_f32_from_f16(load16(bytes + 2 * i));
        return true;
    case TLEG_BF16:
        for (size_t i = 0; i < count; i++)
            out[i] = tleg_f32_from_bf16(load16(bytes + 2 * i));
        return true;
    case TLEG_F64:
        for (size_t i = 0; i < count; i++)
            out[i] = load64(bytes + 8 * i);
        return true;
    default:
        return false;
    }
}

bool tleg_convert_from_f32(int32_t dtype, const float *in, void *out, size_t count) {
    unsigned char *bytes = out;
    switch (dtype) {
    case TLEG_F32:
        if (count > 0)
            memmove(out, in, count * sizeof(*in));
        return true;
    case TLEG_F16:
        for (size_t i = 0; i < count; i++)
            store16(bytes + 2 * i, tleg_f16_from_f32(in[i]));
        return true;
    case TLEG_BF16:
        for (size_t i = 0; i < count; i++)
            store16(bytes + 2 * i, tleg_bf16_from_f32(in[i]));
        return true;
    default:
        return false;
    }
}

float tleg_largest(const float *values, size_t count) {
    int32_t most = 0; /* as bits, whose order is that of sizes */
    for (size_t i = 0; i < count; i++) {
        const int32_t size = (int32_t)(bits_of(values[i]) & 0x7FFFFFFF), finite = size < 0x7F800000 ? size : 0;
        most = finite > most ? finite : most;
    }
    return from_bits((uint32_t)most);
}

tleg_status tleg_check_range(tleg_context *context, int32_t dtype, const char *name, size_t first, const float *values,
                             size_t count) {
    if (dtype != TLEG_F16 || tleg_largest(values, count) < TLEG_F16_END)
        return TLEG_OK;
    size_t i = 0;
    while (tleg_largest(values + i, 1) < TLEG_F16_END)
        i++;
    return tleg_fail(context, TLEG_ERROR_NUMERIC,
                     "tensor \"%s\": number %zu is too large for F16, at most 65504: take F32 or BF16", name, first + i);
}
