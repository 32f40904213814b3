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
    tleg_config config = {.struct_size = sizeof config, .image_size = head->size, .crop = head->crop};
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

static int clean(void **state) {
    (void)state;
    support_clean();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_gives_pils_pixels),
        cmocka_unit_test(a_file_becomes_the_input_that_torchvision_makes_of_it),
        cmocka_unit_test(what_cannot_be_decoded_is_refused_with_the_reason),
        cmocka_unit_test(pictures_that_claim_too_much_are_refused_before_memory_is_asked_for),
        cmocka_unit_test(a_jpeg_of_more_scans_than_any_encoder_makes_is_refused),
        cmocka_unit_test(texts_in_a_png_are_not_unpacked),
        cmocka_unit_test(a_bad_file_leaves_the_next_one_alone_and_prints_nothing),
        cmocka_unit_test(a_file_that_ends_early_is_refused_wherever_it_ends),
        cmocka_unit_test(damaged_bytes_never_crash),
        cmocka_unit_test(other_formats_are_named),
        cmocka_unit_test(what_cannot_be_opened_is_refused_with_the_systems_reason),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
