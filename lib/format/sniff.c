/* What a file is that is of none of the formats that are read. */
#include "format/private.h"

#include <string.h>

#define ANEW "write it anew with Python: torch.save(torch.load(OLD, map_location=\"cpu\", weights_only=True), NEW)"
#define LEGACY "a checkpoint in the form of PyTorch before 1.6, which is not a zip archive yet: " ANEW
#define PICKLE "a Python pickle that is not a PyTorch checkpoint: write its tensors with torch.save or as a safetensors file"
#define TAR "a tar archive: unpack it first; where it is a checkpoint in the form of PyTorch before 0.2, " ANEW

static bool begins(const unsigned char *start, size_t length, const char *magic, size_t magic_length) {
    return length >= magic_length && memcmp(start, magic, magic_length) == 0;
}

static bool holds(const unsigned char *start, size_t length, const char *word) {
    size_t word_length = strlen(word);
    for (size_t at = 0; at + word_length <= length; at++)
        if (memcmp(start + at, word, word_length) == 0)
            return true;
    return false;
}

/* Text without control characters; the last character may be cut. */
static bool is_text(const unsigned char *start, size_t length) {
    for (size_t at = 0, step; at < length; at += step) {
        unsigned char c = start[at];
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f')
            return false;
        step = tleg_utf8_step(start + at, length - at);
        if (step == 0)
            return length - at < 4;
    }
    return length > 0;
}

static size_t skip_blanks(const unsigned char *start, size_t length) {
    size_t at = 0;
    while (at < length && (start[at] == ' ' || start[at] == '\n' || start[at] == '\r' || start[at] == '\t'))
        at++;
    return at;
}

bool tleg_sniff_index(const unsigned char *start, size_t length) {
    size_t at = skip_blanks(start, length);
    return begins(start + at, length - at, "{", 1) && holds(start + at, length - at, "\"weight_map\"");
}

static const char *sniff_text(const unsigned char *start, size_t length) {
    size_t at = skip_blanks(start, length);
    start += at;
    length -= at;
    if (begins(start, length, "version https://git-lfs", 23))
        return "a Git LFS pointer, not the file itself: fetch it with git lfs pull";
    if (begins(start, length, "<", 1))
        return "a web page (HTML or XML), no safetensors file: the download went wrong";
    if (tleg_sniff_index(start, length))
        return "an index of several safetensors files (\"weight_map\"), no safetensors file: open it by its path, and the "
               "files "
               "beside it are found";
    if (begins(start, length, "{", 1) || begins(start, length, "[", 1))
        return "a JSON text, no safetensors file";
    return "a text, no safetensors file";
}

const char *tleg_sniff(const unsigned char *start, size_t length) {
    enum { TAR_AT = 257, TFLITE_AT = 4 };
    static const char tar[] = "ustar";
    static const struct {
        char magic[15]; /* here, and not by address, which takes three times the room in a shared library */
        unsigned char length;
        const char *words;
    } kinds[] = {
        {"PK\5\6", 4, "an empty zip archive, no safetensors file"},
        {"\x80\2\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14, LEGACY},
        {"\x80\2", 2, PICKLE},
        {"\x80\3", 2, PICKLE},
        {"\x80\4", 2, PICKLE},
        {"\x80\5", 2, PICKLE},
        {"\x89PNG", 4, "a PNG picture, no safetensors file"},
        {"\xff\xd8\xff", 3, "a JPEG picture, no safetensors file"},
        {"GIF8", 4, "a GIF picture, no safetensors file"},
        {"RIFF", 4, "a RIFF file (WebP, WAV), no safetensors file"},
        {"GGUF", 4, "a GGUF file, no safetensors file"},
        {"\x93NUMPY", 6, "a NumPy array, no safetensors file"},
        {"\x89HDF", 4, "an HDF5 file, no safetensors file"},
        {"\x1f\x8b", 2, "compressed with gzip: unpack it first"},
        {"\x28\xb5\x2f\xfd", 4, "compressed with zstd: unpack it first"},
        {"\x7f"
         "ELF",
         4, "a program, no safetensors file"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (begins(start, length, kinds[i].magic, kinds[i].length))
            return kinds[i].words;
    if (length > TFLITE_AT && begins(start + TFLITE_AT, length - TFLITE_AT, "TFL3", 4))
        return "a TFLite model, no safetensors file: its weights may be rounded; open the model that it was converted from";
    if (length >= TAR_AT + sizeof tar - 1 && memcmp(start + TAR_AT, tar, sizeof tar - 1) == 0)
        return TAR;
    return is_text(start, length) ? sniff_text(start, length) : NULL;
}
