/* A file, its format, and the decoder for it. */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SNIFFED = 512,           /* bytes that the format is told from */
    MAX_FILE = 1 << 30,      /* bytes of a file that is read */
    FIRST_BUFFER = 64 * 1024 /* of a file, doubled as it grows */
};

enum format { JPEG, PNG, OTHER };

/* Formats that begin with fixed bytes. */
static const struct {
    size_t at, length;
    const char *bytes, *name;
} signatures[] = {
    {8, 4, "WEBP", "WebP"},
    {0, 4, "GIF8", "GIF"},
    {0, 4, "II*\0", "TIFF"},
    {0, 4, "MM\0*", "TIFF"},
    {0, 4, "II+\0", "TIFF"},
    {0, 4, "MM\0+", "TIFF"},
    {128, 4, "DICM", "DICOM"},
    {0, 4, "\x76\x2f\x31\x01", "OpenEXR"},
    {0, 4, "\x1a\x45\xdf\xa3", "a film (Matroska or WebM)"},
    {0, 4, "\x89HDF", "HDF5"},
    {0, 6, "\x93NUMPY", "a NumPy array"},
    {4, 8, "ftypavif", "AVIF"},
    {4, 8, "ftypavis", "AVIF"},
    {4, 7, "ftyphei", "HEIC"},
    {4, 7, "ftyphev", "HEIC"},
    {4, 8, "ftypmif1", "HEIC or AVIF"},
    {4, 8, "ftypmsf1", "HEIC or AVIF"},
    {4, 4, "ftyp", "a film (MP4 or MOV)"},
    {0, 4, "%PDF", "PDF"},
    {0, 12, "\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"},
    {0, 4, "\xff\x4f\xff\x51", "JPEG 2000"},
    {0, 12, "\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"},
    {0, 2, "\xff\x0a", "JPEG XL"},
    {0, 4, "8BPS", "a Photoshop file (PSD)"},
    {0, 4, "\0\0\1\0", "an icon (ICO)"},
    {0, 4, "qoif", "QOI"},
    {0, 4, "PK\3\4", "a ZIP archive"},
    {0, 2, "\x1f\x8b", "gzip"},
    {0, 23, "version https://git-lfs", "a Git LFS pointer, not the picture itself"},
};

static int starts_with(const uint8_t *bytes, size_t size, size_t at, const char *with, size_t length) {
    return size >= at + length && memcmp(bytes + at, with, length) == 0;
}

/* Whether the text begins with `tag`, in letters of any case. */
static int starts_with_tag(const uint8_t *text, size_t size, const char *tag) {
    for (size_t i = 0; tag[i] != '\0'; i++) {
        if (i >= size)
            return 0;
        const uint8_t small = text[i] >= 'A' && text[i] <= 'Z' ? (uint8_t)(text[i] + 32) : text[i];
        if (small != (uint8_t)tag[i])
            return 0;
    }
    return 1;
}

static int is_text(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i] == 0x7f || (bytes[i] < 0x20 && (bytes[i] < '\t' || bytes[i] > '\r')))
            return 0;
    return 1;
}

static const char *text_name(const uint8_t *bytes, size_t size) {
    while (size > 0 && (*bytes <= ' ' || *bytes == 0xef || *bytes == 0xbb || *bytes == 0xbf)) /* blanks, byte order mark */
        bytes++, size--;
    if (starts_with_tag(bytes, size, "<!doctype html") || starts_with_tag(bytes, size, "<html"))
        return "an HTML page";
    if (starts_with_tag(bytes, size, "<svg"))
        return "SVG";
    if (starts_with_tag(bytes, size, "<?xml"))
        return "XML or SVG";
    return "text";
}

/* "BM", or a portable map's "P1" to "P7" and white space: too short to be told without a look at what follows. */
static const char *short_name(const uint8_t *bytes, size_t size) {
    if (starts_with(bytes, size, 0, "BM", 2) && size >= 14 && memcmp(bytes + 6, "\0\0\0\0", 4) == 0)
        return "BMP";
    if (size >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' && (bytes[2] <= ' ' || bytes[2] == '#'))
        return "a portable map (PPM, PGM or PBM)";
    return NULL;
}

/* *name says what a file of neither format is. */
static enum format sniff(const uint8_t *bytes, size_t size, const char **name) {
    if (starts_with(bytes, size, 0, "\xff\xd8", 2))
        return JPEG;
    if (starts_with(bytes, size, 0, "\x89PNG", 4))
        return PNG;
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        *name = signatures[i].name;
        if (starts_with(bytes, size, signatures[i].at, signatures[i].bytes, signatures[i].length))
            return OTHER;
    }
    *name = short_name(bytes, size);
    if (*name == NULL)
        *name = is_text(bytes, size) ? text_name(bytes, size) : "no format that tleg knows";
    return OTHER;
}

static int read_failed(const char *what, char *reason) {
    snprintf(reason, PICTURE_REASON, "%s: %s", what, strerror(errno));
    return -1;
}

/* Refuses after the first bytes what is no picture, so that a film of gigabytes is not read. */
static int check_format(const uint8_t *bytes, size_t size, enum format *format, char *reason) {
    const char *name = NULL;
    if (size == 0) {
        snprintf(reason, PICTURE_REASON, "empty file (0 bytes); expected a JPEG or PNG image");
        return -1;
    }
    *format = sniff(bytes, size < SNIFFED ? size : SNIFFED, &name);
    if (*format != OTHER)
        return 0;
    snprintf(reason, PICTURE_REASON, "this is %s; tleg reads JPEG and PNG", name);
    return -1;
}

/* Reads on to the end of the file into a buffer that grows. */
static int read_rest(FILE *file, uint8_t **bytes, size_t *size, char *reason) {
    size_t capacity = FIRST_BUFFER;
    while (*size == capacity) {
        if (capacity >= MAX_FILE) {
            snprintf(reason, PICTURE_REASON, "the file exceeds the limit of %d bytes", MAX_FILE);
            return -1;
        }
        uint8_t *grown = realloc(*bytes, 2 * capacity);
        if (grown == NULL) {
            snprintf(reason, PICTURE_REASON, "no memory for %zu bytes of the file", 2 * capacity);
            return -1;
        }
        *bytes = grown;
        *size += fread(grown + capacity, 1, capacity, file);
        capacity *= 2;
        if (ferror(file))
            return read_failed("cannot read", reason);
    }
    return 0;
}

static int read_file(FILE *file, uint8_t **bytes, size_t *size, enum format *format, char *reason) {
    *bytes = malloc(FIRST_BUFFER);
    if (*bytes == NULL) {
        snprintf(reason, PICTURE_REASON, "no memory to read the file");
        return -1;
    }
    *size = fread(*bytes, 1, FIRST_BUFFER, file);
    if (ferror(file))
        return read_failed("cannot read", reason);
    if (check_format(*bytes, *size, format, reason) != 0)
        return -1;
    return read_rest(file, bytes, size, reason);
}

int picture_create(uint64_t width, uint64_t height, struct picture *out, char reason[PICTURE_REASON]) {
    if (width == 0 || height == 0 || width > PICTURE_MAX_PIXELS / height) {
        snprintf(reason, PICTURE_REASON, "the picture claims %llu x %llu pixels; the limit is %d in all",
                 (unsigned long long)width, (unsigned long long)height, PICTURE_MAX_PIXELS);
        return -1;
    }
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

static int decode(struct picture_source *source, enum format format, int exif, struct picture *out, char *reason) {
    const int result = format == JPEG ? picture_decode_jpeg(source, out, reason) : picture_decode_png(source, out, reason);
    if (result != 0 || !exif || picture_turn(out, source->orientation) == 0)
        return result;
    snprintf(reason, PICTURE_REASON, "no memory to turn the picture");
    picture_free(out);
    return -1;
}

int picture_read(const char *path, int exif, struct picture *out, char *error, size_t error_size) {
    char reason[PICTURE_REASON] = "";
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum format format = OTHER;
    int result = -1;
    *out = (struct picture){0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        read_failed("cannot open", reason);
    } else {
        result = read_file(file, &bytes, &size, &format, reason);
        fclose(file);
    }
    if (result == 0) {
        struct picture_source source = {.bytes = bytes, .size = size, .orientation = 1};
        result = decode(&source, format, exif, out, reason);
    }
    free(bytes);
    if (result != 0)
        snprintf(error, error_size, "%s: %s", path, reason);
    return result;
}
