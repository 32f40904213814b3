/* Texts that are measured first, then written. */
#ifndef TLEG_LIB_CONFIG_TEXT_H
#define TLEG_LIB_CONFIG_TEXT_H

#include "core/core.h"

struct tleg_text {
    char *out; /* NULL: measure only */
    size_t length;
};
static inline void tleg_text_byte(struct tleg_text *text, char byte) {
    if (text->out)
        text->out[text->length] = byte;
    text->length++;
}
static inline void tleg_text_put(struct tleg_text *text, const char *string) {
    while (*string)
        tleg_text_byte(text, *string++);
}
void tleg_text_integer(struct tleg_text *text, int64_t value);     /* value >= 0 */
void tleg_text_string(struct tleg_text *text, const char *string); /* as JSON; UTF-8 stays as it is */

#endif
