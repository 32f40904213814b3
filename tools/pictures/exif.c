/* EXIF orientation, found in a TIFF directory. */
#include "private.h"

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
    for (size_t i = 0, entry = directory + 2; i < entries && entry < size; i++, entry += ENTRY) {
        if (number(&tiff, entry, 2) != ORIENTATION || number(&tiff, entry + 2, 2) != SHORT)
            continue;
        const uint32_t value = number(&tiff, entry + 8, 2);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
