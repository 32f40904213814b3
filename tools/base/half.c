/* Half precision in plain arithmetic. */
#include "half.h"

#include <string.h>

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The magnitude of a half, from that of a float: 13 fewer bits of fraction, and an exponent that is counted from 15, not 127.
 */
static uint32_t round_magnitude(uint32_t bits) {
    if (bits > 0x7F800000) /* NaN */
        return 0x7E00;
    if (bits >= 0x47800000) /* 65536 and more; what rounds up to it carries into the exponent below */
        return 0x7C00;
    if (bits < 0x38800000) /* below 2^-14: multiples of 2^-24, which is the unit in the last place of 0.5f */
        return bits_of(float_of(bits) + 0.5f) - bits_of(0.5f);
    return (bits + 0xFFF + (bits >> 13 & 1) - 0x38000000) >> 13;
}

uint16_t half_of(float value) {
    uint32_t bits = bits_of(value);
    return (uint16_t)((bits >> 16 & 0x8000) | round_magnitude(bits & 0x7FFFFFFF));
}

float half_value(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = half & 0x7FFF;
    if (magnitude < 0x400)
        return float_of(bits_of((float)magnitude * 0x1p-24f) | sign);
    if (magnitude < 0x7C00)
        return float_of(sign | ((magnitude << 13) + 0x38000000));
    return float_of(sign | 0x7F800000 | (magnitude & 0x3FF) << 13);
}
