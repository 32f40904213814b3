/* Depths as a user writes them, and as a file tells them. */
#ifndef TLEG_TOOLS_DEPTHS_H
#define TLEG_TOOLS_DEPTHS_H

#include "base/tool.h"

enum { DEPTHS_TEXT = 64 };

/* A depth "6", or a range "3-8". */
bool depths_range(const char *text, int32_t *least, int32_t *most);
/* One or several of these, as in "2,4,8-12": rising, each once, whatever the order and number of times in the text. False where
 * it says something else, or more than `room` depths. */
bool depths_list(const char *text, int32_t *depths, int32_t room, int32_t *count);
/* A depth for each step, in the order written: "4x10,12x40" is ten steps of depth 4, then forty of depth 12; "x1" may be left
 * out. False where it says something else, or more than `room` steps. */
bool depths_schedule(const char *text, int32_t *depths, int32_t room, int32_t *count);
/* The way back from a list, "3-12,16"; cut with "..." where that is long. */
const char *depths_text(const int32_t *depths, int32_t count, char text[DEPTHS_TEXT]);

#endif
