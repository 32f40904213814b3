/* A file whose tensors are made of another's: joined, sliced, transposed, permuted, zeros, under other names. */
#include "support/support.h"
#include "support/vit_file.h"

#include "format/format.h"

static tleg_context *context;

static int setup(void **state) {
    (void)state;
    return tleg_context_create(NULL, &context);
}

static int teardown(void **state) {
    (void)state;
    tleg_context_free(context);
    return 0;
}

/* What a suite derives from: a file of a few tensors, in memory of malloc until it ends. */
struct below {
    unsigned char *bytes;
    tleg_file *file;
};

static struct below open_below(const char *type) {
    struct vit_file made = {0};
    size_t size;
    vit_add(&made, "q", "2,3");
    vit_add(&made, "k", "1,3");
    vit_add(&made, "wide", "5,7");
    vit_add(&made, "pixels", "4,12");
    vit_type(&made, type);
    struct below below = {.bytes = vit_bytes(&made, &size)};
    OK(context, tleg_file_parse(context, below.bytes, size, &below.file));
    return below;
}

static void close_below(struct below *below) {
    tleg_file_free(below->file);
    free(below->bytes);
}

static struct tleg_piece whole(const struct below *below, const char *name) {
    return tleg_piece_whole(tleg_file_find(below->file, name));
}

static tleg_file *derive_one(const struct below *below, int32_t rank, int64_t rows, int64_t columns,
                             const struct tleg_piece *pieces, size_t count) {
    const struct tleg_made made = {"made", rank, {rows, columns}, pieces, count};
    const struct tleg_pair pair = {"tleg.eps", "1e-12"};
    const struct tleg_derivation from = {&made, 1, &pair, 1};
    tleg_file *file = NULL;
    OK(context, tleg_file_derive(context, below->file, &from, &file));
    return file;
}

/* Every range of the tensor "made", and the whole as it is stored, is what expected[0..count) says. */
static void assert_made(tleg_file *file, const char *type, const float *expected, size_t count) {
    const struct tleg_entry *entry = tleg_file_find(file, "made");
    float part[64];
    unsigned char element[8];
    tleg_tensor *tensor;
    for (size_t first = 0; first < count; first++)
        for (size_t end = first + 1; end <= count; end++) {
            OK(context, tleg_file_read_part(context, file, entry, first, end - first, part));
            assert_memory_equal(part, expected + first, (end - first) * sizeof *part);
        }
    OK(context, tleg_file_read_tensor(context, file, "made", &tensor));
    for (size_t i = 0; i < count; i++) {
        vit_element(type, expected[i], element);
        assert_memory_equal((unsigned char *)tensor->data + i * vit_width(type), element, vit_width(type));
    }
    assert_int_equal(entry->bytes, count * vit_width(type));
    tleg_tensor_free(tensor);
}

static const char *const types[] = {"F32", "F16", "BF16", "F64"};

static void pieces_stand_end_to_end(void **state) {
    (void)state;
    for (size_t t = 0; t < 4; t++) {
        struct below below = open_below(types[t]);
        const struct tleg_piece pieces[] = {whole(&below, "q"), {.count = 3}, whole(&below, "k")};
        float expected[12] = {0};
        for (size_t i = 0; i < 6; i++)
            expected[i] = vit_value("q", i);
        for (size_t i = 0; i < 3; i++)
            expected[9 + i] = vit_value("k", i);
        tleg_file *file = derive_one(&below, 2, 4, 3, pieces, 3);
        assert_made(file, types[t], expected, 12);
        assert_string_equal(tleg_file_get_metadata(file, "tleg.eps"), "1e-12");
        tleg_file_free(file);
        close_below(&below);
    }
}

static void a_slice_is_a_part_of_a_tensor(void **state) {
    (void)state;
    struct below below = open_below("F32");
    const struct tleg_piece piece = {.source = tleg_file_find(below.file, "wide"), .first = 7, .count = 14};
    float expected[14];
    for (size_t i = 0; i < 14; i++)
        expected[i] = vit_value("wide", 7 + i);
    tleg_file *file = derive_one(&below, 2, 2, 7, &piece, 1);
    assert_made(file, "F32", expected, 14);
    tleg_file_free(file);
    close_below(&below);
}

static void a_turned_matrix_is_its_transpose(void **state) {
    (void)state;
    for (size_t t = 0; t < 4; t++) {
        struct below below = open_below(types[t]);
        struct tleg_piece piece = whole(&below, "wide");
        float expected[35];
        piece.order = TLEG_PIECE_TURNED;
        for (size_t row = 0; row < 7; row++)
            for (size_t column = 0; column < 5; column++)
                expected[row * 5 + column] = vit_value("wide", column * 7 + row);
        tleg_file *file = derive_one(&below, 2, 7, 5, &piece, 1);
        assert_made(file, types[t], expected, 35);
        tleg_file_free(file);
        close_below(&below);
    }
}

static void a_linear_layer_over_patches_is_a_convolution(void **state) {
    (void)state;
    for (size_t t = 0; t < 4; t++) {
        struct below below = open_below(types[t]);
        struct tleg_piece piece = whole(&below, "pixels");
        float expected[48];
        piece.order = TLEG_PIECE_PATCHES;
        piece.channels = 3;
        for (size_t d = 0; d < 4; d++)
            for (size_t c = 0; c < 3; c++)
                for (size_t p = 0; p < 4; p++)
                    expected[d * 12 + c * 4 + p] = vit_value("pixels", d * 12 + p * 3 + c);
        tleg_file *file = derive_one(&below, 2, 4, 12, &piece, 1);
        assert_made(file, types[t], expected, 48);
        tleg_file_free(file);
        close_below(&below);
    }
}

static void pieces_of_several_types_are_widened(void **state) {
    (void)state;
    struct vit_file made = {0};
    size_t size;
    vit_add(&made, "q", "3");
    vit_add(&made, "k", "3");
    vit_find(&made, "k")->type = "F16";
    struct below below = {.bytes = vit_bytes(&made, &size)};
    OK(context, tleg_file_parse(context, below.bytes, size, &below.file));
    const struct tleg_piece pieces[] = {whole(&below, "q"), whole(&below, "k")};
    float expected[6];
    for (size_t i = 0; i < 6; i++)
        expected[i] = vit_value(i < 3 ? "q" : "k", i % 3);
    tleg_file *file = derive_one(&below, 1, 6, 0, pieces, 2);
    assert_made(file, "F32", expected, 6);
    tleg_file_free(file);
    close_below(&below);
}

/* It holds what it is made of: the file below may be freed first, and another derived from it. */
static void it_outlives_the_callers_handle_and_may_be_derived_from(void **state) {
    (void)state;
    struct below below = open_below("F16");
    struct tleg_piece piece = whole(&below, "wide");
    float expected[35];
    for (size_t i = 0; i < 35; i++)
        expected[i] = vit_value("wide", i);
    piece.order = TLEG_PIECE_TURNED;
    tleg_file *turned = derive_one(&below, 2, 7, 5, &piece, 1);
    tleg_file_free(below.file);
    struct below middle = {.file = turned};
    struct tleg_piece back = whole(&middle, "made");
    back.order = TLEG_PIECE_TURNED;
    tleg_file *file = derive_one(&middle, 2, 5, 7, &back, 1);
    tleg_file_free(turned);
    assert_made(file, "F16", expected, 35);
    tleg_file_free(file);
    free(below.bytes);
}

static void a_name_twice_is_refused(void **state) {
    (void)state;
    struct below below = open_below("F32");
    const struct tleg_piece pieces[] = {whole(&below, "q"), whole(&below, "k")};
    const struct tleg_made made[] = {{"same", 2, {2, 3}, &pieces[0], 1}, {"same", 2, {1, 3}, &pieces[1], 1}};
    const struct tleg_derivation from = {.made = made, .count = 2};
    tleg_file *file;
    assert_int_equal(tleg_file_derive(context, below.file, &from, &file), TLEG_ERROR_FORMAT);
    assert_null(file);
    assert_non_null(strstr(tleg_context_get_error(context), "duplicate tensor 'same'"));
    close_below(&below);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_stand_end_to_end),
        cmocka_unit_test(a_slice_is_a_part_of_a_tensor),
        cmocka_unit_test(a_turned_matrix_is_its_transpose),
        cmocka_unit_test(a_linear_layer_over_patches_is_a_convolution),
        cmocka_unit_test(pieces_of_several_types_are_widened),
        cmocka_unit_test(it_outlives_the_callers_handle_and_may_be_derived_from),
        cmocka_unit_test(a_name_twice_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
