/* Any bytes as a picture, read and prepared as `tleg classify` does. */
#include "fuzz/target.h"
#include "pictures/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/image.h>

enum { SIDE = 8 };

/* The CRC that ends a PNG chunk. */
static uint32_t crc_of(const uint8_t *bytes, size_t count) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static uint32_t big_endian(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Makes each chunk's CRC right: a changed chunk would not be looked into otherwise. */
static void mend_png(uint8_t *bytes, size_t size) {
    enum { SIGNATURE = 8, AROUND = 12 }; /* length, name and CRC */
    if (size < SIGNATURE || memcmp(bytes, "\x89PNG", 4) != 0)
        return;
    for (size_t at = SIGNATURE; size - at >= AROUND;) {
        const size_t length = big_endian(bytes + at);
        if (length > size - at - AROUND)
            return;
        const uint32_t crc = crc_of(bytes + at + 4, length + 4);
        for (size_t i = 0; i < 4; i++)
            bytes[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += length + AROUND;
    }
}

static void prepare(const struct picture *picture) {
    static const tleg_preparation_options options = {.struct_size = sizeof options, .image_size = SIDE};
    tleg_preparation *preparation;
    struct fuzz_host host = {0};
    tleg_context *context = fuzz_begin(&host);
    const tleg_image image = {.struct_size = sizeof image,
                              .layout = TLEG_PIXELS_RGB,
                              .width = picture->width,
                              .height = picture->height,
                              .pixels = picture->pixels};
    float out[3 * SIDE * SIDE];
    fuzz_need(tleg_preparation_create(context, &options, &preparation) == TLEG_OK);
    fuzz_need(tleg_image_prepare(context, preparation, &image, out, sizeof out / sizeof *out) == TLEG_OK);
    tleg_preparation_free(preparation);
    for (size_t i = 0; i < sizeof out / sizeof *out; i++)
        fuzz_need(isfinite(out[i]));
    fuzz_end(context, &host);
}

static bool read_once(const char *path, int exif, struct picture *picture) {
    char error[PICTURE_ERROR] = "";
    if (picture_read(path, exif, picture, error, sizeof error) != 0) {
        fuzz_need(picture->pixels == NULL && strstr(error, path) == error && strlen(error) > strlen(path) + 2);
        return false;
    }
    fuzz_need(picture->pixels && picture->width > 0 && picture->height > 0);
    fuzz_need((int64_t)picture->width * picture->height <= PICTURE_MAX_PIXELS);
    prepare(picture);
    return true;
}

int fuzz_input(const uint8_t *data, size_t size) {
    struct picture stored, turned;
    uint8_t *bytes = malloc(size + 1);
    fuzz_need(bytes != NULL);
    if (size > 0)
        memcpy(bytes, data, size);
    mend_png(bytes, size);
    const char *path = fuzz_path(bytes, size);
    const bool good = read_once(path, 0, &stored);
    fuzz_need(read_once(path, 1, &turned) == good); /* turning is no reason to refuse a picture */
    if (good)
        fuzz_need((stored.width == turned.width && stored.height == turned.height) ||
                  (stored.width == turned.height && stored.height == turned.width));
    picture_free(&stored);
    picture_free(&turned);
    free(bytes);
    return 0;
}
