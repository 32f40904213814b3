/* Functions of mathematics from +, -, *, / and floor alone: libm's differ between systems in the last bit. */
#include "core/core.h"

#include <math.h>
#include <string.h>

/* x = m 2^e with m in [3/4, 3/2), and log m = 2 artanh(f) = 2 (f + f^3/3 + f^5/5 + ...) with f = (m-1)/(m+1), |f| <= 1/5. */
double tleg_portable_log(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & 0x000FFFFFFFFFFFFFu) | 0x3FF0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof(m));
    if (m >= 1.5) {
        m *= 0.5;
        exponent++;
    }
    const double f = (m - 1) / (m + 1), f2 = f * f;
    double sum = 0;
    for (int n = 23; n >= 1; n -= 2)
        sum = sum * f2 + 1.0 / n;
    return exponent * 0x1.62e42fefa39efp-1 + 2 * f * sum; /* ln 2 */
}

/* x = k ln 2 + r with |r| <= ln(2)/2; ln 2 in two parts, of which k times the first is exact. e^r by Taylor. */
double tleg_portable_exp(double x) {
    if (x < -708)
        return 0;
    if (x > 709)
        return INFINITY;
    const double k = floor(x * 0x1.71547652b82fep+0 + 0.5);
    const double r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33;
    double sum = 1, power;
    for (int n = 14; n >= 1; n--)
        sum = 1 + r / n * sum;
    const uint64_t bits = (uint64_t)((int64_t)k + 1023) << 52;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

/* sin(x + quarters pi/2): x = k pi/2 + r with |r| <= pi/4; pi/2 in three parts, of which k times the first two is exact.
 * sin r = r (1 - r^2/(2*3) (1 - r^2/(4*5) ...)), cos r = 1 - r^2/(2*1) (1 - r^2/(4*3) ...). */
static double sine(double x, int64_t quarters) {
    const double k = floor(x * 0x1.45f306dc9c883p-1 + 0.5);
    const double r = ((x - k * 0x1.921fb54400000p+0) - k * 0x1.0b4611a600000p-34) - k * 0x1.3198a2e037073p-69;
    const int64_t quadrant = ((int64_t)k + quarters) & 3;
    const bool even = quadrant % 2 == 0;
    double sum = 1;
    for (int n = 20; n >= 2; n -= 2)
        sum = 1 - r * r / (n * (even ? n + 1 : n - 1)) * sum;
    if (even)
        sum *= r;
    return quadrant >= 2 ? -sum : sum;
}

double tleg_portable_sin(double x) {
    return sine(x, 0);
}

double tleg_portable_cos(double x) {
    return sine(x, 1);
}
