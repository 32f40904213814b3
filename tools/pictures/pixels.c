/* The pixels of a picture: made, turned, freed. */
#include "private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int picture_check(uint64_t width, uint64_t height, char reason[PICTURE_REASON]) {
    if (width != 0 && height != 0 && width <= PICTURE_MAX_PIXELS / height)
        return 0;
    snprintf(reason, PICTURE_REASON, "the picture claims %llu x %llu pixels; the limit is %d in all", (unsigned long long)width,
             (unsigned long long)height, PICTURE_MAX_PIXELS);
    return -1;
}

int picture_create(uint64_t width, uint64_t height, struct picture *out, char reason[PICTURE_REASON]) {
    if (picture_check(width, height, reason) != 0)
        return -1;
    const size_t bytes = (size_t)(width * height * 3);
    *out = (struct picture){.width = (int32_t)width, .height = (int32_t)height, .pixels = malloc(bytes)};
    if (out->pixels != NULL)
        return 0;
    snprintf(reason, PICTURE_REASON, "no memory for %zu bytes of pixels", bytes);
    return -1;
}

void picture_free(struct picture *picture) {
    if (picture == NULL)
        return;
    free(picture->pixels);
    *picture = (struct picture){0};
}

/* Where the pixel (y, x) of the turned picture (height, width) lies in the stored one: the source is walked from `start`, by
 * `right` a column and by `down` a row, counted in pixels. */
struct walk {
    int64_t start, right, down;
};

static struct walk walk_of(int orientation, int64_t width, int64_t height) {
    const int64_t last_row = (height - 1) * width, last = height * width - 1;
    switch (orientation) {
    case 2: /* mirrored left to right */
        return (struct walk){width - 1, -1, width};
    case 3: /* upside down */
        return (struct walk){last, -1, -width};
    case 4: /* mirrored top to bottom */
        return (struct walk){last_row, 1, -width};
    case 5: /* mirrored at the diagonal from the top left */
        return (struct walk){0, width, 1};
    case 6: /* to be turned right */
        return (struct walk){last_row, -width, 1};
    case 7: /* mirrored at the other diagonal */
        return (struct walk){last, -width, -1};
    default: /* 8: to be turned left */
        return (struct walk){width - 1, width, -1};
    }
}

int picture_turn(struct picture *picture, int orientation) {
    if (orientation < 2 || orientation > 8)
        return 0;
    const struct walk walk = walk_of(orientation, picture->width, picture->height);
    const int32_t width = orientation < 5 ? picture->width : picture->height;
    const int32_t height = orientation < 5 ? picture->height : picture->width;
    uint8_t *turned = malloc((size_t)width * (size_t)height * 3), *out = turned;
    if (turned == NULL)
        return -1;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++, out += 3)
            memcpy(out, picture->pixels + 3 * (walk.start + y * walk.down + x * walk.right), 3);
    free(picture->pixels);
    *picture = (struct picture){.width = width, .height = height, .pixels = turned};
    return 0;
}
