/* From a file to pixels: the decoder is chosen by how the file begins. */
#include "private.h"

#include "base/read_file.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    SNIFFED = 512,     /* bytes that the format is told from */
    MAX_FILE = 1 << 30 /* bytes of a file that is read */
};

static const struct decoder {
    const char *start; /* what a file of the format begins with */
    int (*decode)(struct picture_source *source, struct picture *out, char reason[PICTURE_REASON]);
} decoders[] = {{"\xff\xd8", picture_decode_jpeg}, {"\x89PNG", picture_decode_png}};

/* Refuses after the first bytes what is not a picture, so that a film of gigabytes is not read. */
static const struct decoder *find_decoder(const struct file_reader *file, char reason[PICTURE_REASON]) {
    if (file->size == 0) {
        snprintf(reason, PICTURE_REASON, "empty file (0 bytes); expected a JPEG or PNG image");
        return NULL;
    }
    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) {
        const size_t length = strlen(decoders[i].start);
        if (file->size >= length && memcmp(file->bytes, decoders[i].start, length) == 0)
            return &decoders[i];
    }
    snprintf(reason, PICTURE_REASON, "this is %s; tleg reads JPEG and PNG",
             picture_sniff(file->bytes, file->size < SNIFFED ? file->size : SNIFFED));
    return NULL;
}

static int decode(const struct decoder *decoder, const struct file_reader *file, int exif, struct picture *out, char *reason) {
    struct picture_source source = {.bytes = file->bytes, .size = file->size, .orientation = 1};
    if (decoder->decode(&source, out, reason) != 0)
        return -1;
    if (!exif || picture_turn(out, source.orientation) == 0)
        return 0;
    snprintf(reason, PICTURE_REASON, "no memory to turn the picture");
    picture_free(out);
    return -1;
}

/* Every refusal of memory sets errno, also within the decoders. */
static bool is_want(int error) {
    return error == ENOMEM || error == EMFILE || error == ENFILE || error == ENOBUFS || error == EAGAIN;
}

int picture_read(const char *path, int exif, struct picture *out, char *error, size_t error_size) {
    char reason[PICTURE_REASON] = "";
    struct file_reader file;
    const struct decoder *decoder = NULL;
    int result = PICTURE_BAD;
    *out = (struct picture){0};
    errno = 0;
    if (read_begin(path, &file, reason))
        decoder = find_decoder(&file, reason);
    if (decoder != NULL && read_rest(&file, MAX_FILE, reason))
        result = decode(decoder, &file, exif, out, reason);
    if (result != 0)
        result = is_want(errno) ? PICTURE_WANT : PICTURE_BAD;
    read_end(&file);
    if (result != 0)
        snprintf(error, error_size, "%s: %s", path, reason);
    return result;
}
