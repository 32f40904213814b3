/* What a file is that is not a JPEG or PNG picture. */
#include "private.h"

#include <string.h>

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

const char *picture_sniff(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (starts_with(bytes, size, signatures[i].at, signatures[i].bytes, signatures[i].length))
            return signatures[i].name;
    const char *name = short_name(bytes, size);
    if (name != NULL)
        return name;
    return is_text(bytes, size) ? text_name(bytes, size) : "no format that tleg knows";
}
