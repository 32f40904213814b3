/* What the files of the picture reader share. */
#ifndef TLEG_TOOLS_PICTURES_PRIVATE_H
#define TLEG_TOOLS_PICTURES_PRIVATE_H

#include "picture.h"

enum { PICTURE_REASON = 512 };

struct picture_source {
    const uint8_t *bytes; /* the whole file */
    size_t size;
    int orientation; /* found by the decoder in EXIF: 1 to 8; 1 when there is none */
};

/* Decoders: 0, or -1 with the reason, without the path, in `reason`. */
int picture_decode_jpeg(struct picture_source *source, struct picture *out, char reason[PICTURE_REASON]);
int picture_decode_png(struct picture_source *source, struct picture *out, char reason[PICTURE_REASON]);

/* What a file is that begins like this and has no decoder: "TIFF", "an HTML page". */
const char *picture_sniff(const uint8_t *bytes, size_t size);

/* Refuses more pixels than PICTURE_MAX_PIXELS, or none; 0, or -1 with the reason. */
int picture_check(uint64_t width, uint64_t height, char reason[PICTURE_REASON]);
/* Checks the size and takes memory for the pixels; 0, or -1 with the reason. */
int picture_create(uint64_t width, uint64_t height, struct picture *out, char reason[PICTURE_REASON]);

/* The orientation of an EXIF block (TIFF header first), 1 to 8; 1 when it is damaged or says nothing. */
int picture_exif_orientation(const uint8_t *tiff, size_t size);

/* Turns and mirrors as the orientation says; 0, or -1 when there is no memory. */
int picture_turn(struct picture *picture, int orientation);

#endif
