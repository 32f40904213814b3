#include "depths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_depth(const char **text, int32_t *depth) {
    char *end;
    if (**text < '1' || **text > '9')
        return false;
    long value = strtol(*text, &end, 10);
    if (value > TLEG_MAX_DEPTH)
        return false;
    *text = end;
    *depth = (int32_t)value;
    return true;
}

static bool read_range(const char **text, int32_t *least, int32_t *most) {
    if (!read_depth(text, least))
        return false;
    *most = *least;
    if (**text != '-')
        return true;
    ++*text;
    return read_depth(text, most) && *least <= *most;
}

bool depths_range(const char *text, int32_t *least, int32_t *most) {
    return read_range(&text, least, most) && !*text;
}

bool depths_list(const char *text, int32_t *depths, int32_t room, int32_t *count) {
    bool named[TLEG_MAX_DEPTH + 1] = {false};
    int32_t least, most;
    for (const char *at = text;; at++) {
        if (!read_range(&at, &least, &most))
            return false;
        while (least <= most)
            named[least++] = true;
        if (!*at)
            break;
        if (*at != ',')
            return false;
    }
    *count = 0;
    for (int32_t depth = 1; depth <= TLEG_MAX_DEPTH; depth++) {
        if (named[depth] && *count == room)
            return false;
        if (named[depth])
            depths[(*count)++] = depth;
    }
    return true;
}

const char *depths_text(const int32_t *depths, int32_t count, char text[DEPTHS_TEXT]) {
    size_t length = 0;
    text[0] = '\0';
    for (int32_t k = 0, end; k < count; k = end) {
        char part[16];
        end = k + 1;
        while (end < count && depths[end] == depths[end - 1] + 1)
            end++;
        snprintf(part, sizeof part, end - k > 1 ? "%s%d-%d" : "%s%d", k ? "," : "", (int)depths[k], (int)depths[end - 1]);
        if (length + strlen(part) + sizeof ",..." > DEPTHS_TEXT) {
            strcpy(text + length, ",...");
            break;
        }
        strcpy(text + length, part);
        length += strlen(part);
    }
    return text;
}

bool depths_schedule(const char *text, int32_t *depths, int32_t room, int32_t *count) {
    *count = 0;
    for (const char *at = text;; at++) {
        int32_t depth;
        long steps = 1;
        if (!read_depth(&at, &depth))
            return false;
        if (*at == 'x' && at[1] >= '1' && at[1] <= '9') {
            char *end;
            steps = strtol(at + 1, &end, 10);
            at = end;
        }
        if (steps > room - *count)
            return false;
        while (steps-- > 0)
            depths[(*count)++] = depth;
        if (!*at)
            return true;
        if (*at != ',')
            return false;
    }
}
