/* Picture files to pixels: JPEG and PNG, told apart by content. Pixels are those of PIL's convert("RGB"): alpha, gamma and
 * colour profiles are ignored, palettes and low bits are expanded, 16 bits are cut to the high byte. */
#ifndef TLEG_TOOLS_PICTURE_H
#define TLEG_TOOLS_PICTURE_H

#include <stddef.h>
#include <stdint.h>

/* The largest picture that is read, checked before memory is asked for: PIL refuses more as a decompression bomb. The fuzz
 * target is compiled with less. */
#ifndef PICTURE_MAX_PIXELS
#define PICTURE_MAX_PIXELS 178956970
#endif
enum { PICTURE_ERROR = 4096 + 512 }; /* room for any path and the reason */

struct picture {
    int32_t width, height;
    uint8_t *pixels; /* (height, width, 3), R G B, rows without gaps */
};

/* Why there is no picture: of the file, or of want of memory or descriptors, which says nothing about the file. */
enum { PICTURE_BAD = -1, PICTURE_WANT = -2 };

/* Reads a file. exif: not 0 turns the picture as its EXIF orientation says; 0 leaves it as stored. Returns 0, or PICTURE_* with
 * "PATH: what is wrong" in `error` and *out zeroed. */
int picture_read(const char *path, int exif, struct picture *out, char *error, size_t error_size);

/* NULL and zeroed are allowed; zeroes *picture. */
void picture_free(struct picture *picture);

#endif
