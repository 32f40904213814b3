/* JPEG through libjpeg's own interface: unlike TurboJPEG's it reads every sampling of the colours, gives each warning a
 * number, and is what PIL uses. Default settings (accurate DCT, smooth upsampling) are PIL's too. */
#include "private.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* Of a progressive picture: encoders make some ten. Each goes through all pixels, though it may take a few bytes of the file:
 * large pictures may have fewer (46 at the limit of pixels). */
enum { MOST_SCANS = 500, LARGE = 1 << 24 /* pixels from which on the product counts */ };
/* Blocks of 8 x 8 numbers that a file of any size may have. Beyond them each takes a bit of the file at least: the first scan
 * gives each block a Huffman code. (Arithmetic coding could do with less, and is not used for such pictures.) */
enum { FREE_BLOCKS = 1 << 18 };

struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    char *reason;
    struct picture *out;
    uint8_t *cmyk;         /* one row, for pictures of four colours */
    int scan;              /* the one that is read, from 1 */
    const JOCTET *started; /* where its numbers begin */
};

_Noreturn static void fail(j_common_ptr common) {
    struct reader *reader = common->client_data;
    longjmp(reader->failed, 1);
}

_Noreturn static void on_error(j_common_ptr common) {
    struct reader *reader = common->client_data;
    char text[JMSG_LENGTH_MAX];
    common->err->format_message(common, text);
    snprintf(reader->reason, PICTURE_REASON, "cannot decode this JPEG: %s", text);
    fail(common);
}

/* Whether the scan ended, at a marker, before it began: nothing of it was there. */
static int is_empty_scan(const struct reader *reader) {
    enum { MARKER = 2 };
    return reader->started != NULL && reader->jpeg.src->next_input_byte <= reader->started + MARKER;
}

/* Level -1 is a warning. A file that ends too early would be padded with grey: that is an error, as in PIL, and so are scans
 * without a byte, each of which would go through all pixels. libjpeg repairs all other damage as far as it can, as in PIL. */
static void on_message(j_common_ptr common, int level) {
    struct reader *reader = common->client_data;
    const int code = common->err->msg_code;
    const int empty = code == JWRN_HIT_MARKER && is_empty_scan(reader);
    if (level >= 0 || (code != JWRN_JPEG_EOF && !empty))
        return;
    snprintf(reader->reason, PICTURE_REASON,
             empty ? "damaged JPEG: a scan holds nothing" : "truncated JPEG: the file ends before the picture does");
    fail(common);
}

static void no_output(j_common_ptr common) {
    (void)common;
}

/* Called between rows and scans. */
static void on_progress(j_common_ptr common) {
    struct reader *reader = common->client_data;
    const struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    const uint64_t pixels = (uint64_t)jpeg->image_width * jpeg->image_height;
    if (reader->scan != jpeg->input_scan_number) {
        reader->scan = jpeg->input_scan_number;
        reader->started = jpeg->src->next_input_byte;
    }
    if (reader->scan <= MOST_SCANS && (uint64_t)reader->scan * pixels <= (uint64_t)MOST_SCANS * LARGE)
        return;
    if (reader->scan > MOST_SCANS)
        snprintf(reader->reason, PICTURE_REASON, "this JPEG has more than %d scans", MOST_SCANS);
    else
        snprintf(reader->reason, PICTURE_REASON, "this JPEG has more than %d scans of %llu pixels", reader->scan - 1,
                 (unsigned long long)pixels);
    fail(common);
}

/* Refuses a picture of more blocks than its bytes can be: memory follows the file, and not what it claims. */
static void check_size(struct reader *reader, const struct picture_source *source) {
    const struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    uint64_t blocks = 0;
    if (picture_check(jpeg->image_width, jpeg->image_height, reader->reason) != 0)
        fail((j_common_ptr)jpeg);
    for (int i = 0; i < jpeg->num_components; i++)
        blocks += (uint64_t)jpeg->comp_info[i].width_in_blocks * jpeg->comp_info[i].height_in_blocks;
    if (blocks <= FREE_BLOCKS || blocks <= 8 * (uint64_t)source->size)
        return;
    snprintf(reader->reason, PICTURE_REASON, "this JPEG claims %u x %u pixels; its %zu bytes cannot be so many",
             jpeg->image_width, jpeg->image_height, source->size);
    fail((j_common_ptr)jpeg);
}

static int find_orientation(const struct jpeg_decompress_struct *jpeg) {
    enum { NAME = 6 }; /* "Exif", 0, 0 */
    for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker != NULL; marker = marker->next)
        if (marker->marker == JPEG_APP0 + 1 && marker->data_length >= NAME && memcmp(marker->data, "Exif", 5) == 0)
            return picture_exif_orientation(marker->data + NAME, marker->data_length - NAME);
    return 1;
}

/* The colours as PIL converts them: grey and YCbCr by libjpeg, CMYK and YCCK (stored inverted, as Adobe does) below. */
static void choose_colours(struct reader *reader) {
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    if (jpeg->num_components == 4) {
        jpeg->out_color_space = JCS_CMYK;
    } else if (jpeg->num_components == 1 || jpeg->num_components == 3) {
        jpeg->out_color_space = JCS_RGB;
    } else {
        snprintf(reader->reason, PICTURE_REASON, "this JPEG has %d colour components; expected 1, 3 or 4",
                 jpeg->num_components);
        fail((j_common_ptr)jpeg);
    }
}

static void rgb_of_cmyk(const uint8_t *cmyk, size_t width, uint8_t *rgb) {
    for (size_t i = 0; i < width; i++, cmyk += 4, rgb += 3)
        for (size_t c = 0; c < 3; c++)
            rgb[c] = (uint8_t)((cmyk[c] * cmyk[3] + 127) / 255);
}

static void read_rows(struct reader *reader) {
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    const size_t width = jpeg->output_width;
    if (jpeg->out_color_space == JCS_CMYK)
        reader->cmyk = jpeg->mem->alloc_large((j_common_ptr)jpeg, JPOOL_IMAGE, 4 * width);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *rgb = reader->out->pixels + 3 * width * jpeg->output_scanline;
        JSAMPROW row = reader->cmyk != NULL ? reader->cmyk : rgb;
        jpeg_read_scanlines(jpeg, &row, 1);
        if (reader->cmyk != NULL)
            rgb_of_cmyk(reader->cmyk, width, rgb);
    }
}

static void decode(struct reader *reader, struct picture_source *source) {
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->progress = &reader->progress;
    jpeg_mem_src(jpeg, source->bytes, (unsigned long)source->size);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(jpeg, TRUE);
    source->orientation = find_orientation(jpeg);
    choose_colours(reader);
    check_size(reader, source);
    if (picture_create(jpeg->image_width, jpeg->image_height, reader->out, reader->reason) != 0)
        fail((j_common_ptr)jpeg);
    jpeg_start_decompress(jpeg);
    read_rows(reader); /* what follows the last row does not matter: jpeg_finish_decompress would look for the end marker */
}

/* What changes after setjmp is reached through the pointers: the jump loses no local variable. */
static int attempt(struct reader *reader, struct picture_source *source) {
    if (setjmp(reader->failed) != 0)
        return -1;
    decode(reader, source);
    return 0;
}

int picture_decode_jpeg(struct picture_source *source, struct picture *out, char reason[PICTURE_REASON]) {
    struct reader reader = {.reason = reason, .out = out};
    reader.jpeg.err = jpeg_std_error(&reader.errors);
    reader.jpeg.client_data = &reader;
    reader.errors.error_exit = on_error;
    reader.errors.emit_message = on_message;
    reader.errors.output_message = no_output;
    reader.progress.progress_monitor = on_progress;
    const int result = attempt(&reader, source);
    jpeg_destroy_decompress(&reader.jpeg);
    if (result != 0)
        picture_free(out);
    return result;
}
