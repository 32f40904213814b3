/* PNG row by row through libpng with every transform named. Its simplified interface would composite alpha and apply gamma,
 * which PIL does not. */
#include "private.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRUNCATED "truncated PNG: the file ends before the picture does"

struct reader {
    png_structp png;
    png_infop info;
    struct picture_source *source;
    size_t position;
    int complete; /* every pixel is there: whatever is wrong after them does not matter */
    int passes;
    char *reason;
    struct picture *out;
};

static void on_error(png_structp png, png_const_charp text) {
    struct reader *reader = png_get_error_ptr(png);
    if (reader->reason[0] == '\0')
        snprintf(reader->reason, PICTURE_REASON, "cannot decode this PNG: %s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void read_bytes(png_structp png, png_bytep out, size_t count) {
    struct reader *reader = png_get_io_ptr(png);
    if (count > reader->source->size - reader->position) {
        snprintf(reader->reason, PICTURE_REASON, TRUNCATED);
        png_error(png, "truncated");
    }
    memcpy(out, reader->source->bytes + reader->position, count);
    reader->position += count;
}

/* To 8 bits of R, G, B: palettes and low bits expanded, 16 bits cut to the high byte, alpha and transparency dropped. */
static void set_transforms(png_structp png) {
    png_set_strip_16(png);
    png_set_palette_to_rgb(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_alpha(png);
    png_set_gray_to_rgb(png);
}

/* An index past the palette's end is a level of grey, as in PIL; libpng would make it black. */
static void fill_palette(struct reader *reader) {
    enum { LARGEST = 256 };
    png_colorp given;
    png_color palette[LARGEST];
    int count;
    if (png_get_color_type(reader->png, reader->info) != PNG_COLOR_TYPE_PALETTE ||
        png_get_PLTE(reader->png, reader->info, &given, &count) == 0)
        return;
    const int all = 1 << png_get_bit_depth(reader->png, reader->info);
    for (int i = 0; i < all; i++)
        palette[i] = i < count ? given[i] : (png_color){(png_byte)i, (png_byte)i, (png_byte)i};
    png_set_PLTE(reader->png, reader->info, palette, all);
}

/* A chunk of the file: 4 bytes of length, 4 of name, its bytes, 4 of checksum. */
struct chunk {
    const uint8_t *name, *bytes;
    size_t length;
};

/* The chunk at *at, which moves past it. False at the end, and where a chunk is longer than what is left of the file. */
static int next_chunk(const struct picture_source *source, size_t *at, struct chunk *chunk) {
    enum { AROUND = 12 };
    if (source->size - *at < AROUND)
        return 0;
    const uint8_t *start = source->bytes + *at;
    *chunk = (struct chunk){start + 4, start + 8, png_get_uint_32(start)};
    if (chunk->length > source->size - *at - AROUND)
        return 0;
    *at += AROUND + chunk->length;
    return 1;
}

enum { SIGNATURE = 8 }; /* bytes before the first chunk */

/* The orientation in the EXIF chunks before or after the pixels; the last one counts, as in PIL. libpng would take memory for
 * as many bytes as a chunk says it has. */
static int find_orientation(const struct picture_source *source) {
    struct chunk chunk;
    int orientation = 1;
    for (size_t at = SIGNATURE; next_chunk(source, &at, &chunk) && memcmp(chunk.name, "IEND", 4) != 0;)
        if (memcmp(chunk.name, "eXIf", 4) == 0)
            orientation = picture_exif_orientation(chunk.bytes, chunk.length);
    return orientation;
}

/* ---- what the file must hold ---- */

enum {
    MOST_WIDE = 1 << 23, /* pixels: libpng takes two rows of up to 8 bytes a pixel, and writes to them, before any arrives */
    MOST_PACKED = 1032   /* bytes that one of deflate can stand for */
};

/* The bytes of the file in which its pixels are packed. *whole: the file has an end. */
static uint64_t count_packed(const struct picture_source *source, int *whole) {
    struct chunk chunk;
    uint64_t packed = 0;
    size_t at = SIGNATURE;
    *whole = 0;
    while (!*whole && next_chunk(source, &at, &chunk)) {
        *whole = memcmp(chunk.name, "IEND", 4) == 0;
        packed += memcmp(chunk.name, "IDAT", 4) == 0 ? chunk.length : 0;
    }
    return *whole ? packed : packed + (source->size - at);
}

/* Refuses a picture of more pixels than its bytes can unpack to: memory follows the file, and not what it claims. */
static void check_size(struct reader *reader, png_uint_32 width, png_uint_32 height) {
    const unsigned bits = png_get_bit_depth(reader->png, reader->info) * (unsigned)png_get_channels(reader->png, reader->info);
    int whole;
    const uint64_t packed = count_packed(reader->source, &whole);
    if (picture_check(width, height, reader->reason) != 0)
        png_error(reader->png, "size");
    if (width <= MOST_WIDE && (uint64_t)width * height <= packed * MOST_PACKED * 8 / bits)
        return;
    if (width > MOST_WIDE)
        snprintf(reader->reason, PICTURE_REASON, "this PNG is %lu pixels wide; the limit is %d", (unsigned long)width,
                 MOST_WIDE);
    else if (whole)
        snprintf(reader->reason, PICTURE_REASON, "this PNG claims %lu x %lu pixels; its %llu bytes of them cannot be so many",
                 (unsigned long)width, (unsigned long)height, (unsigned long long)packed);
    else
        snprintf(reader->reason, PICTURE_REASON, TRUNCATED);
    png_error(reader->png, "size");
}

static void decode(struct reader *reader) {
    png_structp png = reader->png;
    png_set_read_fn(png, reader, read_bytes);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* the limits are check_size's */
    /* What the pixels do not need is not read: texts and profiles could unpack to gigabytes. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, reader->info);
    const png_uint_32 width = png_get_image_width(png, reader->info), height = png_get_image_height(png, reader->info);
    check_size(reader, width, height);
    if (picture_create(width, height, reader->out, reader->reason) != 0)
        png_error(png, "size");
    fill_palette(reader);
    set_transforms(png);
    reader->passes = png_set_interlace_handling(png);
    png_read_update_info(png, reader->info);
    if (png_get_rowbytes(png, reader->info) != (size_t)width * 3)
        png_error(png, "unexpected kind of pixel");
    for (int pass = 0; pass < reader->passes; pass++)
        for (png_uint_32 y = 0; y < height; y++)
            png_read_row(png, reader->out->pixels + (size_t)y * width * 3, NULL);
    reader->complete = 1;
}

/* What changes after setjmp is reached through the pointer: the jump loses no local variable. */
static void attempt(struct reader *reader) {
    if (setjmp(png_jmpbuf(reader->png)) == 0)
        decode(reader);
}

int picture_decode_png(struct picture_source *source, struct picture *out, char reason[PICTURE_REASON]) {
    struct reader reader = {.source = source, .reason = reason, .out = out};
    reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
    if (reader.png != NULL)
        reader.info = png_create_info_struct(reader.png);
    if (reader.info != NULL)
        attempt(&reader);
    else
        snprintf(reason, PICTURE_REASON, "no memory to decode this PNG");
    png_destroy_read_struct(&reader.png, &reader.info, NULL);
    if (reader.complete) {
        source->orientation = find_orientation(source);
        return 0;
    }
    picture_free(out);
    return -1;
}
