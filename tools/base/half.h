/* IEEE half precision, as files hold it. */
#ifndef TLEG_TOOLS_HALF_H
#define TLEG_TOOLS_HALF_H

#include <stdint.h>

/* Rounded to nearest, ties to even; what is too large becomes an infinity, and NaN stays NaN. */
uint16_t half_of(float value);
float half_value(uint16_t half);

#endif
