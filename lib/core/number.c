/* Numbers as text, without the C library's conversions, which follow the locale. Both directions are exact: they compare whole
 * numbers of as many digits as it takes. */
#include "core/core.h"

#include <string.h>

/* ---- whole numbers of any size ---- */

/* Reading needs the most: 771 digits over 10^1101, times 2^64. */
enum { LIMBS = 128 };
struct big {
    int32_t used; /* limbs; the last of them is not 0 */
    uint32_t limb[LIMBS];
};

static void big_set(struct big *a, uint64_t value) {
    a->limb[0] = (uint32_t)value;
    a->limb[1] = (uint32_t)(value >> 32);
    a->used = a->limb[1] ? 2 : a->limb[0] ? 1 : 0;
}

/* a = a * factor + term */
static void big_mul_add(struct big *a, uint32_t factor, uint32_t term) {
    uint64_t carry = term;
    for (int32_t i = 0; i < a->used; i++) {
        carry += (uint64_t)a->limb[i] * factor;
        a->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry)
        a->limb[a->used++] = (uint32_t)carry;
}

static void big_mul_pow10(struct big *a, int32_t power) {
    for (; power >= 9; power -= 9)
        big_mul_add(a, 1000000000, 0);
    for (; power > 0; power--)
        big_mul_add(a, 10, 0);
}

static void big_shift(struct big *a, int32_t bits) {
    const int32_t limbs = bits / 32;
    if (a->used == 0)
        return;
    big_mul_add(a, UINT32_C(1) << bits % 32, 0);
    memmove(a->limb + limbs, a->limb, (size_t)a->used * sizeof(a->limb[0]));
    memset(a->limb, 0, (size_t)limbs * sizeof(a->limb[0]));
    a->used += limbs;
}

static int32_t big_bits(const struct big *a) {
    int32_t bits = a->used * 32;
    for (uint32_t top = a->used ? a->limb[a->used - 1] : 0; top && !(top & 0x80000000u); top <<= 1)
        bits--;
    return bits;
}

static int big_compare(const struct big *a, const struct big *b) {
    if (a->used != b->used)
        return a->used < b->used ? -1 : 1;
    for (int32_t i = a->used - 1; i >= 0; i--)
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

/* a -= b, where a >= b */
static void big_subtract(struct big *a, const struct big *b) {
    int64_t borrow = 0;
    for (int32_t i = 0; i < a->used; i++) {
        borrow += (int64_t)a->limb[i] - (i < b->used ? b->limb[i] : 0);
        a->limb[i] = (uint32_t)borrow;
        borrow = borrow < 0 ? -1 : 0;
    }
    while (a->used > 0 && a->limb[a->used - 1] == 0)
        a->used--;
}

/* sum = a + b */
static void big_add(struct big *sum, const struct big *a, const struct big *b) {
    const int32_t used = a->used > b->used ? a->used : b->used;
    uint64_t carry = 0;
    for (int32_t i = 0; i < used; i++) {
        carry += (uint64_t)(i < a->used ? a->limb[i] : 0) + (i < b->used ? b->limb[i] : 0);
        sum->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    sum->used = used;
    if (carry)
        sum->limb[sum->used++] = (uint32_t)carry;
}

/* ---- writing ---- */

enum { DIGITS_MAX = 17 }; /* no double needs more */

/* A value in (0, inf) as the fewest digits that read back as it, the nearest of those: 0.d1d2d3... * 10^point.
 * Steele and White, "How to print floating-point numbers accurately", 1990: the value is r/s; whatever lies less than `low`/s
 * below it or `high`/s above reads back as it (a bound itself too, when the significand is even). */
struct shortest {
    struct big r, s, low, high;
    bool inclusive;
};

static void shortest_start(struct shortest *it, uint64_t bits) {
    const int32_t biased = (int32_t)(bits >> 52);
    const uint64_t fraction = bits & 0x000FFFFFFFFFFFFFu;
    const int32_t exponent = biased ? biased - 1075 : -1074; /* the value is significand * 2^exponent */
    const int32_t narrow = fraction == 0 && biased > 1;      /* a power of two: the next lower double is half as far */
    big_set(&it->r, biased ? fraction | 0x0010000000000000u : fraction);
    big_set(&it->s, 1);
    big_set(&it->low, 1);
    it->inclusive = fraction % 2 == 0;
    if (exponent >= 0)
        big_shift(&it->low, exponent);
    it->high = it->low;
    big_shift(&it->high, narrow);
    big_shift(&it->r, (exponent >= 0 ? exponent : 0) + 1 + narrow);
    big_shift(&it->s, (exponent >= 0 ? 0 : -exponent) + 1 + narrow);
}

/* Whether the rest and all above it up to the next double reach the next power of ten. */
static bool reaches(const struct shortest *it) {
    struct big upper;
    big_add(&upper, &it->r, &it->high);
    const int order = big_compare(&upper, &it->s);
    return it->inclusive ? order >= 0 : order > 0;
}

static void shortest_times_ten(struct shortest *it) {
    big_mul_add(&it->r, 10, 0);
    big_mul_add(&it->low, 10, 0);
    big_mul_add(&it->high, 10, 0);
}

/* Scales so that the value is in [0.1, 1) * 10^point; returns point. */
static int32_t shortest_scale(struct shortest *it) {
    /* log10(r/s) to within 1 from the lengths in bits, log10(2) = 0.30103; a guess that is too low is put right below */
    int32_t point = (big_bits(&it->r) - big_bits(&it->s) - 1) * 30103 / 100000 - 1;
    if (point >= 0) {
        big_mul_pow10(&it->s, point);
    } else {
        big_mul_pow10(&it->r, -point);
        big_mul_pow10(&it->low, -point);
        big_mul_pow10(&it->high, -point);
    }
    for (; reaches(it); point++)
        big_mul_add(&it->s, 10, 0);
    return point;
}

/* The next digit, and what is left of r. */
static char shortest_digit(struct shortest *it) {
    char digit = '0';
    for (; big_compare(&it->r, &it->s) >= 0; digit++)
        big_subtract(&it->r, &it->s);
    return digit;
}

/* The last digit is rounded up when the value lies nearer to the next one; a tie goes to the even digit. */
static bool rounds_up(struct shortest *it, char digit) {
    big_shift(&it->r, 1);
    const int order = big_compare(&it->r, &it->s);
    return order > 0 || (order == 0 && (digit - '0') % 2 == 1);
}

static int32_t shortest_digits(uint64_t bits, char digits[DIGITS_MAX], int32_t *point) {
    struct shortest it;
    shortest_start(&it, bits);
    *point = shortest_scale(&it);
    int32_t count = 0;
    bool down, up;
    do {
        shortest_times_ten(&it);
        digits[count++] = shortest_digit(&it);
        const int order = big_compare(&it.r, &it.low);
        down = it.inclusive ? order <= 0 : order < 0;
        up = reaches(&it);
    } while (!down && !up && count < DIGITS_MAX);
    if (up && (!down || rounds_up(&it, digits[count - 1])))
        digits[count - 1]++; /* never past '9': the digit before would have ended the number */
    return count;
}

static size_t put(char *text, size_t at, const char *from, int32_t count) {
    memcpy(text + at, from, (size_t)count);
    return at + (size_t)count;
}

static size_t put_zeros(char *text, size_t at, int32_t count) {
    memset(text + at, '0', (size_t)count);
    return at + (size_t)count;
}

/* 0.000ddd, ddd.ddd or ddd00.0 */
static size_t put_fixed(char *text, size_t at, const char *digits, int32_t count, int32_t point) {
    const int32_t whole = point <= 0 ? 0 : point < count ? point : count;
    at = whole ? put(text, at, digits, whole) : put(text, at, "0", 1);
    at = put_zeros(text, at, point > count ? point - count : 0);
    at = put(text, at, ".", 1);
    at = put_zeros(text, at, point < 0 ? -point : 0);
    return whole < count ? put(text, at, digits + whole, count - whole) : put(text, at, "0", 1);
}

/* d.dde-05 */
static size_t put_scientific(char *text, size_t at, const char *digits, int32_t count, int32_t point) {
    at = put(text, at, digits, 1);
    if (count > 1) {
        at = put(text, at, ".", 1);
        at = put(text, at, digits + 1, count - 1);
    }
    const int32_t exponent = point - 1, size = exponent < 0 ? -exponent : exponent;
    at = put(text, at, exponent < 0 ? "e-" : "e+", 2);
    if (size >= 100)
        text[at++] = (char)('0' + size / 100);
    text[at++] = (char)('0' + size / 10 % 10);
    text[at++] = (char)('0' + size % 10);
    return at;
}

size_t tleg_number_format(double value, char text[TLEG_NUMBER_TEXT]) {
    const uint64_t infinity = 0x7FF0000000000000u;
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    const bool negative = bits >> 63;
    bits &= 0x7FFFFFFFFFFFFFFFu;
    size_t length = 0;
    if (negative && bits <= infinity)
        text[length++] = '-';
    if (bits >= infinity) {
        length = put(text, length, bits == infinity ? "inf" : "nan", 3);
    } else if (bits == 0) {
        length = put(text, length, "0.0", 3);
    } else {
        char digits[DIGITS_MAX];
        int32_t point;
        const int32_t count = shortest_digits(bits, digits, &point);
        const bool fixed = point > -4 && point <= 16; /* as Python's repr */
        length = fixed ? put_fixed(text, length, digits, count, point) : put_scientific(text, length, digits, count, point);
    }
    text[length] = '\0';
    return length;
}

/* ---- reading ---- */

/* A double's half-way points have at most 767 significant digits; of what follows it matters only whether it is 0. */
enum { SIGNIFICANT_MAX = 770 };

struct decimal { /* digits * 10^exponent */
    struct big digits;
    int32_t count; /* of significant digits taken */
    bool more;     /* a digit that is not 0 was left out */
    int64_t exponent;
};

static bool is_digit(const char *at, const char *end) {
    return at < end && *at >= '0' && *at <= '9';
}

static void take_digit(struct decimal *number, char digit, bool fraction) {
    if (number->count >= SIGNIFICANT_MAX) {
        number->more = number->more || digit != '0';
        number->exponent += !fraction;
        return;
    }
    if (number->count > 0 || digit != '0') {
        big_mul_add(&number->digits, 10, (uint32_t)(digit - '0'));
        number->count++;
    }
    number->exponent -= fraction;
}

/* The digits before and after the point; the end, or NULL when there is none. */
static const char *read_digits(const char *at, const char *end, struct decimal *number) {
    bool any = false;
    for (; is_digit(at, end); at++, any = true)
        take_digit(number, *at, false);
    if (at < end && *at == '.')
        for (at++; is_digit(at, end); at++, any = true)
            take_digit(number, *at, true);
    return any ? at : NULL;
}

static const char *read_exponent(const char *at, const char *end, struct decimal *number) {
    const int64_t enough = INT64_C(1) << 50; /* more than any text has digits: beyond it the answer stays the same */
    if (at == end || (*at != 'e' && *at != 'E'))
        return at;
    at++;
    const bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (!is_digit(at, end))
        return NULL;
    int64_t exponent = 0;
    for (; is_digit(at, end); at++)
        if (exponent < enough)
            exponent = exponent * 10 + (*at - '0');
    number->exponent += negative ? -exponent : exponent;
    return at;
}

/* 2^64 quotient bits at a time would be faster; one at a time is short, and numbers are few.
 * quotient = floor(n / d) in [2^63, 2^65), where n and d were scaled to have that; whether something is left. */
static bool divide(struct big *n, const struct big *d, uint64_t *quotient) {
    *quotient = 0;
    for (int i = 0; i < 64; i++) {
        *quotient <<= 1;
        if (big_compare(n, d) >= 0) {
            big_subtract(n, d);
            *quotient |= 1;
        }
        big_shift(n, 1);
    }
    return n->used > 0;
}

/* significand * 2^exponent, where significand has its top bit set and `more` says that the value is a little larger, rounded to
 * nearest, ties to even; the bits of a double, of infinity when it is too large. */
static uint64_t round_to_double(uint64_t significand, int32_t exponent, bool more) {
    const int32_t biased = exponent + 63 + 1023;
    if (biased >= 2047)
        return 0x7FF0000000000000u;
    const int32_t drop = biased > 0 ? 11 : 12 - biased; /* bits below the last place; a subnormal keeps fewer */
    if (drop > 64)
        return 0;
    const uint64_t kept = drop == 64 ? 0 : significand >> drop;
    const uint64_t half = UINT64_C(1) << (drop - 1);
    const uint64_t rest = significand & (half | (half - 1));
    const bool up = rest > half || (rest == half && (more || kept % 2 == 1));
    /* the implicit bit counts the exponent up by one, and so does a carry out of the fraction */
    return ((uint64_t)(biased > 0 ? biased - 1 : 0) << 52) + kept + up;
}

/* The bits of a double nearest to the number. */
static uint64_t nearest(struct decimal *number) {
    const int64_t point = number->exponent + number->count; /* the value is in [0.1, 1) * 10^point */
    if (number->count == 0 || point < -330)
        return 0;
    if (point > 310)
        return 0x7FF0000000000000u;
    struct big *n = &number->digits, d;
    big_set(&d, 1);
    if (number->exponent >= 0)
        big_mul_pow10(n, (int32_t)number->exponent);
    else
        big_mul_pow10(&d, (int32_t)-number->exponent);
    int32_t exponent = big_bits(n) - big_bits(&d); /* n/d is in (1/2, 2) * 2^exponent */
    big_shift(exponent < 0 ? n : &d, exponent < 0 ? -exponent : exponent);
    if (big_compare(n, &d) < 0) {
        big_shift(n, 1);
        exponent--;
    }
    uint64_t quotient;
    const bool rest = divide(n, &d, &quotient);
    return round_to_double(quotient, exponent - 63, rest || number->more);
}

bool tleg_number_parse(const char *text, size_t length, double *value) {
    const char *at = text, *end = text + length;
    struct decimal number = {.count = 0};
    const bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    at = read_digits(at, end, &number);
    if (at)
        at = read_exponent(at, end, &number);
    if (at != end)
        return false;
    uint64_t bits = nearest(&number);
    if (bits == 0x7FF0000000000000u)
        return false;
    bits |= (uint64_t)negative << 63;
    memcpy(value, &bits, sizeof(bits));
    return true;
}
