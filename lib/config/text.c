/* Numbers in texts that are measured first, then written. */
#include "config/text.h"

void tleg_text_integer(struct tleg_text *text, int32_t value) {
    char digits[12];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0)
        tleg_text_byte(text, digits[--count]);
}
