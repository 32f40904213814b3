/* UTF-8, and what of a text may be shown on a terminal. */
#ifndef TLEG_TOOLS_TEXT_H
#define TLEG_TOOLS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the well-formed UTF-8 character at `text`, which ends with a NUL; 0 where there is none (Unicode 15, table
 * 3-7). */
size_t text_character(const char *text);
bool text_is_utf8(const char *text);

/* The code point of a well-formed character of `length` bytes. */
unsigned text_code(const char *character, size_t length);
/* Whether the character of `length` bytes would move a cursor, begin a line, or change the direction in which others are
 * shown: C0 and C1 controls, separators of lines and paragraphs, marks of direction. */
bool text_is_control(const char *character, size_t length);

/* The text with `?` in place of such characters and \xNN in place of bytes that are not UTF-8; cut where `room` ends. */
void text_show(const char *text, char *shown, size_t room);

/* The length of the longest start of the text that has at most so many bytes and ends with a whole character. */
size_t text_cut(const char *text, size_t most);
/* The text with U+FFFD in place of bytes that are not UTF-8; cut at a character where `room` ends. */
void text_repair(const char *text, char *repaired, size_t room);
/* All of it, in memory of malloc; NULL where there is none. */
char *text_repaired(const char *text);
/* As a shell takes it for one word, in quotes where it needs them; likewise. */
char *text_for_shell(const char *text);

#endif
