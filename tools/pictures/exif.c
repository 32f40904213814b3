/* EXIF orientation: found in a TIFF directory, and applied. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

struct tiff {
    const uint8_t *bytes;
    size_t size;
    int big_endian;
};

/* The unsigned number of `width` bytes at `at`; 0 outside the block. */
static uint32_t number(const struct tiff *tiff, size_t at, size_t width) {
    uint32_t value = 0;
    if (at > tiff->size || width > tiff->size - at)
        return 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | tiff->bytes[tiff->big_endian ? at + i : at + width - 1 - i];
    return value;
}

int picture_exif_orientation(const uint8_t *bytes, size_t size) {
    enum { ORIENTATION = 0x0112, SHORT = 3, ENTRY = 12 };
    struct tiff tiff = {bytes, size, 0};
    if (size < 8 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0))
        return 1;
    tiff.big_endian = bytes[0] == 'M';
    const size_t directory = number(&tiff, 4, 4), entries = number(&tiff, directory, 2);
    for (size_t i = 0; i < entries; i++) {
        const size_t entry = directory + 2 + i * ENTRY;
        if (number(&tiff, entry, 2) != ORIENTATION || number(&tiff, entry + 2, 2) != SHORT)
            continue;
        const uint32_t value = number(&tiff, entry + 8, 2);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
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
