/* PNG into memory, through libpng. */
#include "grid.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    uint8_t *bytes;
    size_t size, room;
};

static void append(png_structp png, png_bytep data, size_t count) {
    struct writer *writer = png_get_io_ptr(png);
    if (count > writer->room - writer->size) {
        const size_t room = 2 * writer->room + count;
        uint8_t *bytes = realloc(writer->bytes, room);
        if (!bytes)
            png_error(png, "memory");
        writer->bytes = bytes;
        writer->room = room;
    }
    memcpy(writer->bytes + writer->size, data, count);
    writer->size += count;
}

static void flush(png_structp png) {
    (void)png;
}

static void on_error(png_structp png, png_const_charp text) {
    (void)text;
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

/* False without memory: nothing else can fail here. */
static bool write_rows(png_structp png, png_infop info, int32_t width, int32_t height, int32_t channels,
                       const uint8_t *pixels) {
    if (setjmp(png_jmpbuf(png)))
        return false;
    const int colours = channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB;
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, colours, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int32_t row = 0; row < height; row++)
        png_write_row(png, pixels + (size_t)row * (size_t)width * (size_t)channels);
    png_write_end(png, info);
    return true;
}

uint8_t *picture_encode_png(int32_t width, int32_t height, int32_t channels, const uint8_t *pixels, size_t *size) {
    struct writer writer = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    bool whole = info != NULL;
    if (whole) {
        png_set_write_fn(png, &writer, append, flush);
        whole = write_rows(png, info, width, height, channels, pixels);
    }
    png_destroy_write_struct(&png, &info);
    if (!whole) {
        free(writer.bytes);
        return NULL;
    }
    *size = writer.size;
    return writer.bytes;
}
