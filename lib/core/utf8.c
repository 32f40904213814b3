/* UTF-8: what is a character of it, and what is not. */
#include "core/core.h"

#include <string.h>

static bool continues(unsigned char byte) {
    return (byte & 0xc0) == 0x80;
}

/* Unicode table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. */
size_t tleg_utf8_step(const unsigned char *text, size_t length) {
    if (length == 0)
        return 0;
    unsigned char first = text[0];
    if (first < 0x80)
        return 1;
    size_t step = first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) == 0xe0 ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
    if (step == 0 || step > length)
        return 0;
    for (size_t i = 1; i < step; i++)
        if (!continues(text[i]))
            return 0;
    bool wrong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f) || (first == 0xf0 && text[1] < 0x90) ||
                 (first == 0xf4 && text[1] > 0x8f);
    return wrong ? 0 : step;
}

bool tleg_utf8_valid(const char *text) {
    size_t length = strlen(text);
    for (size_t at = 0, step; at < length; at += step) {
        step = tleg_utf8_step((const unsigned char *)text + at, length - at);
        if (step == 0)
            return false;
    }
    return true;
}
