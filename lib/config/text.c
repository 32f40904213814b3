/* Numbers and JSON strings in texts that are measured first, then written. */
#include "config/text.h"

void tleg_text_integer(struct tleg_text *text, int64_t value) {
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0)
        tleg_text_byte(text, digits[--count]);
}

void tleg_text_string(struct tleg_text *text, const char *string) {
    static const char digits[] = "0123456789abcdef";
    tleg_text_byte(text, '"');
    for (; *string; string++) {
        const unsigned char byte = (unsigned char)*string;
        if (byte == '"' || byte == '\\') {
            tleg_text_byte(text, '\\');
            tleg_text_byte(text, *string);
        } else if (byte < 0x20) {
            tleg_text_put(text, "\\u00");
            tleg_text_byte(text, digits[byte >> 4]);
            tleg_text_byte(text, digits[byte & 15]);
        } else {
            tleg_text_byte(text, *string);
        }
    }
    tleg_text_byte(text, '"');
}
