/* A file's or a label's name may hold anything; a terminal obeys some of it. */
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t text_character(const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80)
        return 1;
    const size_t length = s[0] >= 0xC2 && s[0] <= 0xDF ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4 : 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF0 && s[1] < 0x90) ||
        (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return length;
}

bool text_is_utf8(const char *text) {
    size_t length = 1;
    for (; *text != '\0' && length > 0; text += length)
        length = text_character(text);
    return length > 0;
}

unsigned text_code(const char *character, size_t length) {
    static const unsigned char lead[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    unsigned code = (unsigned char)character[0] & lead[length];
    for (size_t i = 1; i < length; i++)
        code = code << 6 | ((unsigned char)character[i] & 0x3F);
    return code;
}

bool text_is_control(const char *character, size_t length) {
    static const struct {
        unsigned first, last;
    } ranges[] = {{0, 0x1F}, {0x7F, 0x9F}, {0x61C, 0x61C}, {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}};
    const unsigned code = text_code(character, length);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

void text_show(const char *text, char *shown, size_t room) {
    char part[8];
    size_t at = 0, length, step;
    for (; *text != '\0'; text += step, at += length) {
        const size_t character = text_character(text);
        step = character > 0 ? character : 1;
        if (character == 0)
            snprintf(part, sizeof part, "\\x%02X", (unsigned)(unsigned char)*text);
        else if (text_is_control(text, character))
            strcpy(part, "?");
        else
            snprintf(part, sizeof part, "%.*s", (int)character, text);
        length = strlen(part);
        if (length >= room - at)
            break;
        memcpy(shown + at, part, length);
    }
    shown[at] = '\0';
}

size_t text_cut(const char *text, size_t most) {
    size_t length = 0;
    while (text[length] != '\0') {
        const size_t character = text_character(text + length), step = character > 0 ? character : 1;
        if (step > most - length)
            break;
        length += step;
    }
    return length;
}

void text_repair(const char *text, char *repaired, size_t room) {
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t at = 0;
    while (*text != '\0') {
        const size_t character = text_character(text), length = character > 0 ? character : 3;
        if (length >= room - at)
            break;
        memcpy(repaired + at, character > 0 ? text : replacement, length);
        at += length;
        text += character > 0 ? character : 1;
    }
    repaired[at] = '\0';
}

char *text_repaired(const char *text) {
    const size_t room = 3 * strlen(text) + 1;
    char *repaired = malloc(room);
    if (repaired)
        text_repair(text, repaired, room);
    return repaired;
}

/* What no shell makes anything of, wherever in a word it stands. */
static bool is_plain(const char *text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-:,@%";
    const unsigned char *byte = (const unsigned char *)text;
    while (*byte >= 0x80 || (*byte != '\0' && strchr(plain, *byte)))
        byte++;
    return *byte == '\0' && *text != '\0';
}

char *text_for_shell(const char *text) {
    static const char quote[] = "'\\''";
    char *quoted = malloc(4 * strlen(text) + sizeof "''"), *at = quoted;
    if (!quoted || is_plain(text))
        return quoted ? strcpy(quoted, text) : NULL;
    *at++ = '\'';
    for (; *text != '\0'; text++)
        if (*text == '\'')
            at = stpcpy(at, quote);
        else
            *at++ = *text;
    strcpy(at, "'");
    return quoted;
}
