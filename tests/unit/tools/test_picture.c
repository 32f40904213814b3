/* Picture files, as the command reads them. Compiled with tools/pictures/; links libjpeg and libpng.
 * tests/fixtures/image/make.py wrote the files and what PIL makes of them. */
#include "support/support.h"

#include "pictures/picture.h"
#include "pictures/prepare.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* ---- pictures ---- */

static const char *fixture(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/image/%s", TLEG_FIXTURES, name);
    return path;
}

static const char *write_scratch(const char *name, const void *bytes, size_t count) {
    const char *path = support_scratch(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* Reads a file that must be refused with a text that names it and says `what`. */
static void refused(const char *path, const char *what) {
    struct picture picture;
    char error[PICTURE_ERROR] = "";
    if (picture_read(path, 1, &picture, error, sizeof error) == 0)
        fail_msg("%s was read; expected an error with \"%s\"", path, what);
    assert_null(picture.pixels);
    if (strstr(error, path) == NULL || strstr(error, what) == NULL)
        fail_msg("\"%s\" does not name %s and \"%s\"", error, path, what);
}

struct expected { /* the head of a record of pictures.bin */
    char name[28];
    int32_t exif, width, height;
};

/* JPEG may differ by one level, which other versions of libjpeg do; what mistakes give differs by more. */
static void compare(const struct expected *head, const uint8_t *expected) {
    struct picture picture;
    char error[PICTURE_ERROR] = "";
    const int tolerance = strstr(head->name, "jp") != NULL ? 1 : 0;
    if (picture_read(fixture(head->name), head->exif, &picture, error, sizeof error) != 0)
        fail_msg("%s", error);
    if (picture.width != head->width || picture.height != head->height)
        fail_msg("%s, exif %d: expected %d x %d, found %d x %d", head->name, head->exif, head->width, head->height,
                 picture.width, picture.height);
    for (int32_t i = 0; i < head->width * head->height * 3; i++)
        if (abs(picture.pixels[i] - expected[i]) > tolerance)
            fail_msg("%s, exif %d, value %d: expected %d, found %d", head->name, head->exif, i, expected[i], picture.pixels[i]);
    picture_free(&picture);
}

static void every_kind_of_file_gives_pils_pixels(void **state) {
    (void)state;
    size_t bytes, count = 0;
    uint8_t *file = support_read_file(fixture("pictures.bin"), &bytes);
    for (size_t at = 0; at < bytes; count++) {
        struct expected head;
        memcpy(&head, file + at, sizeof head);
        at += sizeof head;
        compare(&head, file + at);
        at += (size_t)head.width * (size_t)head.height * 3;
    }
    assert_true(count > 80);
    free(file);
}

struct whole { /* the head of a record of whole.bin */
    char name[32];
    int32_t exif, size;
    double crop, mean[3], std[3];
};

/* JPEG may differ by one level, as above. */
static void compare_prepared(tleg_context *context, const struct whole *head, const float *expected) {
    float found[3 * 8 * 8];
    char error[PICTURE_ERROR] = "";
    tleg_config config = {.struct_size = sizeof config, .image_size = head->size, .channels = 3, .crop = head->crop};
    memcpy(config.mean, head->mean, sizeof config.mean);
    memcpy(config.std, head->std, sizeof config.std);
    assert_true(head->size <= 8 && prepare_numbers(&config) == (size_t)(3 * head->size * head->size));
    tleg_preparation *preparation = NULL;
    OK(context, prepare_as(context, &config, &preparation));
    if (!prepare_picture(context, preparation, fixture(head->name), head->exif, found, prepare_numbers(&config), error))
        fail_msg("%s", error);
    tleg_preparation_free(preparation);
    for (int32_t i = 0; i < 3 * head->size * head->size; i++) {
        const double level = 1 / (255 * head->std[i / (head->size * head->size)]);
        const double tolerance = strstr(head->name, "jp") != NULL ? 1.01 * level : 1e-6;
        if (fabs((double)found[i] - (double)expected[i]) > tolerance)
            fail_msg("%s, exif %d, value %d: expected %g, found %g", head->name, head->exif, i, (double)expected[i],
                     (double)found[i]);
    }
}

/* From the file to the model's input: decoded, turned or not, resized, cropped, normalised as the configuration says. */
static void a_file_becomes_the_input_that_torchvision_makes_of_it(void **state) {
    (void)state;
    size_t bytes, count = 0;
    uint8_t *file = support_read_file(fixture("whole.bin"), &bytes);
    tleg_context *context;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    for (size_t at = 0; at < bytes; count++) {
        struct whole head;
        float expected[3 * 8 * 8];
        memcpy(&head, file + at, sizeof head);
        at += sizeof head;
        memcpy(expected, file + at, (size_t)(3 * head.size * head.size) * sizeof *expected);
        at += (size_t)(3 * head.size * head.size) * sizeof *expected;
        compare_prepared(context, &head, expected);
    }
    assert_int_equal(count, 10);
    tleg_context_free(context);
    free(file);
}

static void what_cannot_be_decoded_is_refused_with_the_reason(void **state) {
    (void)state;
    refused(fixture("bad-12-bit.jpg"), "precision 12");
    refused(fixture("bad-no-height.jpg"), "JPEG");
    refused(fixture("bad-two-components.jpg"), "2 colour components");
    refused(fixture("bad-palette.png"), "PNG");
    refused(fixture("bad-short.png"), "PNG");
    refused(fixture("bad-lossless.jpg"), "Unsupported JPEG process");
    refused(fixture("bad-sum.png"), "IDAT");
}

static void pictures_that_claim_too_much_are_refused_before_memory_is_asked_for(void **state) {
    (void)state;
    refused(fixture("bad-bomb.jpg"), "65000 x 65000 pixels; the limit is 178956970");
    refused(fixture("bad-bomb.png"), "60000 x 60000 pixels; the limit is 178956970");
    refused(fixture("bad-most.png"), "2147483647 x 2147483647 pixels");
}

/* progressive.jpg with its last scan so many times more. */
static const char *write_scans(int times) {
    size_t bytes, scan;
    uint8_t *file = support_read_file(fixture("progressive.jpg"), &bytes);
    for (scan = bytes - 2; file[scan] != 0xff || file[scan + 1] != 0xda; scan--)
        assert_true(scan > 0);
    const char *path = support_scratch("scans");
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    fwrite(file, 1, scan, out);
    for (int i = 0; i < times; i++)
        fwrite(file + scan, 1, bytes - 2 - scan, out);
    fwrite(file + scan, 1, bytes - scan, out);
    assert_int_equal(fclose(out), 0);
    free(file);
    return path;
}

/* A thousand scans of a few bytes each go through a large picture a thousand times. */
static void a_jpeg_of_more_scans_than_any_encoder_makes_is_refused(void **state) {
    (void)state;
    struct picture picture;
    char error[PICTURE_ERROR] = "";
    if (picture_read(write_scans(400), 0, &picture, error, sizeof error) != 0)
        fail_msg("%s", error);
    picture_free(&picture);
    const char *path = write_scans(600);
    refused(path, "more than 500 scans");
    unlink(path);
}

/* ---- whose fault it is ---- */

static void want_of_descriptors_is_not_a_bad_picture(void **state) {
    (void)state;
    struct rlimit former, none = {0};
    struct picture picture;
    char error[PICTURE_ERROR] = "";
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &former), 0);
    none.rlim_max = former.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const int wanting = picture_read(fixture("progressive.jpg"), 0, &picture, error, sizeof error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &former), 0);
    assert_int_equal(wanting, PICTURE_WANT);
    assert_non_null(strstr(error, "progressive.jpg"));
    assert_null(picture.pixels);
    assert_int_equal(picture_read("nowhere.jpg", 0, &picture, error, sizeof error), PICTURE_BAD);
    assert_int_equal(picture_read(fixture("progressive.jpg"), 0, &picture, error, sizeof error), 0);
    picture_free(&picture);
}

/* ---- memory and time follow the file ---- */

static size_t put_bytes(uint8_t *out, size_t at, const void *bytes, size_t count) {
    memcpy(out + at, bytes, count);
    return at + count;
}

static size_t put_number(uint8_t *out, size_t at, uint32_t number) {
    const uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    return put_bytes(out, at, bytes, 4);
}

static size_t put_chunk(uint8_t *out, size_t at, const char *name, const uint8_t *bytes, size_t count) {
    uint32_t crc = UINT32_MAX;
    const size_t named = put_number(out, at, (uint32_t)count),
                 end = put_bytes(out, put_bytes(out, named, name, 4), bytes, count);
    for (size_t i = named; i < end; i++) {
        crc ^= out[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return put_number(out, end, ~crc);
}

/* A PNG of 16-bit RGBA with so many bytes of packed pixels, all of them zero but for the first. */
static size_t make_png(uint8_t *out, uint32_t width, uint32_t height, uint8_t interlaced, size_t packed) {
    uint8_t header[13] = {0}, *pixels = calloc(packed, 1);
    assert_non_null(pixels);
    put_number(header, put_number(header, 0, width), height);
    header[8] = 16;
    header[9] = 6;
    header[12] = interlaced;
    pixels[0] = 0x78;
    size_t at = put_bytes(out, 0, "\x89PNG\r\n\x1a\n", 8);
    at = put_chunk(out, at, "IHDR", header, sizeof header);
    at = put_chunk(out, at, "IDAT", pixels, packed);
    free(pixels);
    return put_chunk(out, at, "IEND", (const uint8_t *)"", 0);
}

/* Refuses, and the most memory that the process has held grows by less than `mib`. */
static void refused_within(const char *path, const char *what, long mib) {
    struct rusage before, after;
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    refused(path, what);
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    if (after.ru_maxrss - before.ru_maxrss > mib * 1024)
        fail_msg("%s took %ld MiB", path, (after.ru_maxrss - before.ru_maxrss) / 1024);
}

/* 65 bytes that claim a row of 1.4 GB, of which libpng would take two before it looks at the pixels. */
static void a_png_takes_no_memory_that_its_bytes_cannot_fill(void **state) {
    (void)state;
    enum { WIDE = 1 << 23, ROOM = 80000, CUT = 40 };
    static uint8_t file[ROOM];
    for (uint8_t interlaced = 0; interlaced < 2; interlaced++) {
        size_t size = make_png(file, 178956970, 1, interlaced, 8);
        assert_int_equal(size, 65);
        refused_within(write_scratch("wide.png", file, size), "pixels wide; the limit is 8388608", 20);
        refused_within(write_scratch("wide.png", file, CUT), "PNG", 20);
        size = make_png(file, WIDE, 21, interlaced, 1000);
        refused_within(write_scratch("few.png", file, size), "8388608 x 21 pixels; its 1000 bytes of them cannot be so many",
                       20);
        refused_within(write_scratch("few.png", file, size - 900), "truncated PNG", 20);
        size = make_png(file, 100, 129, interlaced, 100); /* as many as may be: what is wrong is seen when they are unpacked */
        refused(write_scratch("most.png", file, size), "cannot decode this PNG");
        size = make_png(file, 100, 130, interlaced, 100);
        refused(write_scratch("more.png", file, size), "cannot be so many");
    }
}

/* Where the frame of a JPEG begins, and its first scan's numbers. */
static size_t find_marker(const uint8_t *file, size_t bytes, uint8_t marker) {
    for (size_t at = 2; at + 4 < bytes; at += 2 + ((size_t)file[at + 2] << 8 | file[at + 3]))
        if (file[at + 1] == marker)
            return at;
    fail_msg("no marker %x", marker);
    return 0;
}

/* A flat picture has a bit at least for each block: a file of a kilobyte is not one of 178 million pixels. */
static void a_jpeg_takes_no_memory_that_its_bytes_cannot_fill(void **state) {
    (void)state;
    size_t bytes;
    uint8_t *file = support_read_file(fixture("progressive.jpg"), &bytes);
    const size_t frame = find_marker(file, bytes, 0xc2);
    for (size_t k = 0; k < 4; k += 2) { /* height, width: 13,377 */
        file[frame + 5 + k] = 0x34;
        file[frame + 6 + k] = 0x41;
    }
    refused_within(write_scratch("large.jpg", file, bytes), "13377 x 13377 pixels; its", 20);
    free(file);
}

/* Each scan of no bytes would go through all pixels. */
static void a_jpeg_with_an_empty_scan_is_damaged(void **state) {
    (void)state;
    size_t bytes;
    uint8_t *file = support_read_file(fixture("progressive.jpg"), &bytes);
    const size_t scan = find_marker(file, bytes, 0xda), length = 2 + ((size_t)file[scan + 2] << 8 | file[scan + 3]);
    memcpy(file + scan + length, "\xff\xd9", 2);
    refused(write_scratch("first.jpg", file, scan + length + 2), "a scan holds nothing");
    free(file);
    file = support_read_file(fixture("progressive.jpg"), &bytes);
    for (size_t last = bytes - 2;; last--) {
        if (file[last] != 0xff || file[last + 1] != 0xda)
            continue;
        const size_t end = last + 2 + ((size_t)file[last + 2] << 8 | file[last + 3]);
        memcpy(file + end, "\xff\xd9", 2);
        refused(write_scratch("last.jpg", file, end + 2), "a scan holds nothing");
        break;
    }
    free(file);
}

/* A progressive JPEG of one colour whose numbers are all zero bits: a scan of the blocks' means, and `scans` of their details,
 * of which 17 codes of 15 bits say that there are none. */
static size_t make_flat_jpeg(uint8_t *out, uint16_t side, int scans) {
    enum { DETAIL_BYTES = 33 };
    static const uint8_t start[] = {0xff, 0xd8, 0xff, 0xdb, 0, 67, 0}, frame[] = {0xff, 0xc2, 0, 11, 8},
                         one[] = {1, 1, 0x11, 0};
    static const uint8_t tables[] = {0xff, 0xc4, 0, 20, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                     0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xe0};
    static const uint8_t means[] = {0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0}, details[] = {0xff, 0xda, 0, 8, 1, 1, 0, 1, 63, 0};
    const uint8_t size[] = {(uint8_t)(side >> 8), (uint8_t)side, (uint8_t)(side >> 8), (uint8_t)side};
    const size_t blocks = (size_t)((side + 7) / 8) * (size_t)((side + 7) / 8);
    size_t at = put_bytes(out, 0, start, sizeof start);
    memset(out + at, 1, 64);
    at = put_bytes(out, put_bytes(out, put_bytes(out, at + 64, frame, sizeof frame), size, sizeof size), one, sizeof one);
    at = put_bytes(out, put_bytes(out, at, tables, sizeof tables), means, sizeof means);
    memset(out + at, 0, blocks / 8 + 1);
    at += blocks / 8 + 1;
    for (int i = 0; i < scans; i++) {
        at = put_bytes(out, at, details, sizeof details);
        memset(out + at, 0, DETAIL_BYTES);
        at += DETAIL_BYTES;
    }
    return put_bytes(out, at, "\xff\xd9", 2);
}

/* What 500 scans take of a large picture would be minutes of the processor. */
static void large_jpegs_may_have_fewer_scans(void **state) {
    (void)state;
    enum { ROOM = 100000, SIDE = 4200 };
    static uint8_t file[ROOM];
    struct picture picture;
    char error[PICTURE_ERROR] = "";
    if (picture_read(write_scratch("flat.jpg", file, make_flat_jpeg(file, SIDE, 9)), 0, &picture, error, sizeof error) != 0)
        fail_msg("%s", error);
    assert_int_equal(picture.pixels[3 * SIDE * SIDE - 1], 128);
    picture_free(&picture);
    refused(write_scratch("flat.jpg", file, make_flat_jpeg(file, SIDE, 499)), "more than 475 scans of 17640000 pixels");
}

/* Each of many small EXIF chunks claims 65,535 entries: those that are not there are not looked for. */
static void exif_entries_that_are_not_there_take_no_time(void **state) {
    (void)state;
    enum { CHUNKS = 100000, EACH = 12 + 10 };
    static const uint8_t tiff[10] = {'I', 'I', '*', 0, 8, 0, 0, 0, 0xff, 0xff};
    size_t bytes;
    uint8_t *file = support_read_file(fixture("rgb.png"), &bytes), *out = malloc(bytes + (size_t)CHUNKS * EACH);
    assert_non_null(out);
    size_t at = put_bytes(out, 0, file, bytes - 12);
    for (int i = 0; i < CHUNKS; i++)
        at = put_chunk(out, at, "eXIf", tiff, sizeof tiff);
    at = put_bytes(out, at, file + bytes - 12, 12);
    struct picture picture;
    char error[PICTURE_ERROR] = "";
    const char *path = write_scratch("exif.png", out, at);
    const clock_t begin = clock();
    if (picture_read(path, 1, &picture, error, sizeof error) != 0)
        fail_msg("%s", error);
    const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    picture_free(&picture);
    free(file);
    free(out);
    if (seconds > 2)
        fail_msg("reading took %.1f s of the processor", seconds); /* some hundredths; 13 s where all were looked for */
}

/* ---- texts, and files beside each other ---- */

/* text.png with its text, which unpacks to a megabyte, two thousand times: to unpack them would take seconds of the processor.
 */
static void texts_in_a_png_are_not_unpacked(void **state) {
    (void)state;
    enum { CHUNK_AT = 8 + 12 + 13, TIMES = 2000 };
    size_t bytes;
    uint8_t *file = support_read_file(fixture("text.png"), &bytes);
    const uint8_t *chunk = file + CHUNK_AT;
    const size_t length = 12 + ((size_t)chunk[2] << 8 | chunk[3]);
    assert_memory_equal(chunk + 4, "zTXt", 4);
    const char *path = support_scratch("texts");
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    fwrite(file, 1, CHUNK_AT, out);
    for (int i = 0; i < TIMES; i++)
        fwrite(chunk, 1, length, out);
    fwrite(chunk + length, 1, bytes - CHUNK_AT - length, out);
    assert_int_equal(fclose(out), 0);
    free(file);

    struct picture picture;
    char error[PICTURE_ERROR] = "";
    const clock_t begin = clock();
    if (picture_read(path, 0, &picture, error, sizeof error) != 0)
        fail_msg("%s", error);
    const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    picture_free(&picture);
    unlink(path);
    if (seconds > 0.5)
        fail_msg("reading took %.1f s of the processor", seconds);
}

/* A decoder that fails must not spoil the next file, and nothing of its own may reach the terminal. */
static void a_bad_file_leaves_the_next_one_alone_and_prints_nothing(void **state) {
    (void)state;
    static const char *const bad[] = {"bad-12-bit.jpg", "bad-no-height.jpg", "bad-bomb.jpg", "bad-palette.png",
                                      "bad-short.png"};
    static const char *const fine[] = {"420.jpg", "junk-before-end.jpg", "exif-broken.jpg", "gamma.png", "icc.jpg"};
    const char *captured = support_scratch("stderr");
    const int kept = dup(STDERR_FILENO), file = open(captured, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(kept >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0);
    int wrong = 0;
    for (int i = 0; i < 25; i++) {
        struct picture picture;
        char error[PICTURE_ERROR];
        wrong += picture_read(fixture(bad[i / 5]), 0, &picture, error, sizeof error) == 0;
        wrong += picture_read(fixture(fine[i % 5]), 0, &picture, error, sizeof error) != 0;
        picture_free(&picture);
    }
    fflush(stderr);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    assert_int_equal(lseek(file, 0, SEEK_END), 0);
    close(file);
    close(kept);
    unlink(captured);
    assert_int_equal(wrong, 0);
}

/* Cuts a file at every length below `needed` (0: all of it). */
static void check_cuts(const char *name, const char *format, size_t spare) {
    size_t bytes;
    uint8_t *file = support_read_file(fixture(name), &bytes);
    for (size_t length = 4; length < bytes - spare; length++) {
        const char *path = write_scratch("cut", file, length);
        refused(path, format);
    }
    free(file);
}

static void a_file_that_ends_early_is_refused_wherever_it_ends(void **state) {
    (void)state;
    check_cuts("420.jpg", "truncated JPEG", 0);
    check_cuts("progressive.jpg", "truncated JPEG", 0);
    check_cuts("ycck.jpg", "truncated JPEG", 0);
    enum { PNG_END = 12 + 4 + 4 }; /* IEND, and the checksums of the pixels before it: every pixel is there */
    check_cuts("rgb.png", "truncated PNG", PNG_END);
    check_cuts("interlaced.png", "truncated PNG", PNG_END);
}

static void damaged_bytes_never_crash(void **state) {
    (void)state;
    static const char *const names[] = {"420.jpg", "progressive.jpg", "exif-6.jpg", "ycck.jpg", "palette.png", "exif-late.png"};
    uint32_t random = 1;
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        size_t bytes;
        uint8_t *file = support_read_file(fixture(names[n]), &bytes);
        for (int i = 0; i < 300; i++) {
            random = random * 1664525u + 1013904223u;
            const size_t at = (random >> 8) % bytes;
            const uint8_t kept = file[at];
            file[at] = (uint8_t)(random >> 24);
            struct picture picture;
            char error[PICTURE_ERROR];
            const char *path = write_scratch("damaged", file, bytes);
            if (picture_read(path, 1, &picture, error, sizeof error) == 0)
                assert_true(picture.width > 0 && picture.height > 0 && picture.pixels != NULL);
            picture_free(&picture);
            file[at] = kept;
        }
        free(file);
    }
}

static void other_formats_are_named(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        const char *name;
    } cases[] = {
        {"RIFF\x24\0\0\0WEBPVP8 ", 16, "WebP"},
        {"GIF89a\1\0\1\0", 10, "GIF"},
        {"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", 18, "BMP"},
        {"II*\0\x08\0\0\0", 8, "TIFF"},
        {"MM\0*\0\0\0\x08", 8, "TIFF"},
        {"\0\0\0\x20"
         "ftypavif",
         12, "AVIF"},
        {"\0\0\0\x20"
         "ftypheic",
         12, "HEIC"},
        {"\0\0\0\x20"
         "ftypisom",
         12, "film"},
        {"II+\0\x08\0\0\0", 8, "TIFF"},
        {"\x76\x2f\x31\x01\2\0\0\0", 8, "OpenEXR"},
        {"\x93NUMPY\1\0", 8, "NumPy"},
        {"%PDF-1.7\n", 9, "PDF"},
        {"P6\n1 1\n255\nabc", 14, "portable map"},
        {"\xff\x0a\xfa\x7f", 4, "JPEG XL"},
        {"PK\3\4abcd", 8, "ZIP"},
        {"\xef\xbb\xbf\n<!DOCTYPE HTML><html>404</html>", 34, "HTML"},
        {"<html>", 6, "HTML"},
        {"<svg xmlns='x'/>", 16, "SVG"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, "Git LFS"},
        {"not a picture\n", 14, "this is text"},
        {"\1\2\3\0\0\xff", 6, "no format"},
        {"", 0, "empty file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = write_scratch("other.jpg", cases[i].bytes, cases[i].count);
        refused(path, cases[i].name);
        refused(path, "JPEG");
    }
}

static void what_cannot_be_opened_is_refused_with_the_systems_reason(void **state) {
    (void)state;
    refused(support_scratch("no such file.jpg"), "No such file");
    refused(TLEG_FIXTURES, "directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_gives_pils_pixels),
        cmocka_unit_test(a_file_becomes_the_input_that_torchvision_makes_of_it),
        cmocka_unit_test(what_cannot_be_decoded_is_refused_with_the_reason),
        cmocka_unit_test(pictures_that_claim_too_much_are_refused_before_memory_is_asked_for),
        cmocka_unit_test(a_jpeg_of_more_scans_than_any_encoder_makes_is_refused),
        cmocka_unit_test(want_of_descriptors_is_not_a_bad_picture),
        cmocka_unit_test(a_png_takes_no_memory_that_its_bytes_cannot_fill),
        cmocka_unit_test(a_jpeg_takes_no_memory_that_its_bytes_cannot_fill),
        cmocka_unit_test(a_jpeg_with_an_empty_scan_is_damaged),
        cmocka_unit_test(large_jpegs_may_have_fewer_scans),
        cmocka_unit_test(exif_entries_that_are_not_there_take_no_time),
        cmocka_unit_test(texts_in_a_png_are_not_unpacked),
        cmocka_unit_test(a_bad_file_leaves_the_next_one_alone_and_prints_nothing),
        cmocka_unit_test(a_file_that_ends_early_is_refused_wherever_it_ends),
        cmocka_unit_test(damaged_bytes_never_crash),
        cmocka_unit_test(other_formats_are_named),
        cmocka_unit_test(what_cannot_be_opened_is_refused_with_the_systems_reason),
    };
    return cmocka_run_group_tests(tests, NULL, support_clean);
}
