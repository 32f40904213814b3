/* Reading safetensors: what is right opens whatever its order and alignment, what is wrong is named. */
#include "format/private.h"
#include "support/containers.h"
#include "tensor/tensor.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

static tleg_status parse(const char *json, size_t data, tleg_file **file, unsigned char **bytes) {
    size_t size;
    *bytes = container(json, data, &size);
    return tleg_file_parse(context, *bytes, size, file);
}

/* Opens JSON and data as a file; removes nothing: the scratch directory is cleaned at the end. */
static tleg_file *open_scratch(const char *json, size_t data, uint32_t flags) {
    size_t size;
    tleg_file *file;
    unsigned char *bytes = container(json, data, &size);
    const char *path = write_scratch("x.safetensors", bytes, size);
    free(bytes);
    OK(tleg_file_open(context, path, OPEN_WITH(flags, 0), &file));
    return file;
}

/* Byte for byte what Python's safetensors.numpy.save gives for {"b": float32 [[1, 2]], "a": int32 [7]} and a metadata entry. */
static const char python_json[] =
    "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
    "\"a\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[8,12]}}  ";

static unsigned char *python_file(size_t *size) {
    static const unsigned char data[12] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 7, 0, 0, 0};
    unsigned char *bytes = container(python_json, sizeof data, size);
    memcpy(bytes + *size - sizeof data, data, sizeof data);
    return bytes;
}

static void check_python_file(tleg_file *file) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    tleg_tensor *tensor;
    assert_int_equal(tleg_file_get_tensor_count(file), 2);
    assert_string_equal(tleg_file_get_tensor_name(file, 0), "b");
    assert_string_equal(tleg_file_get_tensor_name(file, 1), "a");
    assert_null(tleg_file_get_tensor_name(file, 2));
    assert_null(tleg_file_get_tensor_name(file, -1));
    assert_string_equal(tleg_file_get_metadata(file, "format"), "pt");
    assert_null(tleg_file_get_metadata(file, "tleg.kind"));
    OK(tleg_file_get_tensor_info(context, file, "b", &info));
    assert_true(info.dtype == TLEG_F32 && info.rank == 2 && info.shape[0] == 1 && info.shape[1] == 2 && info.bytes == 8);
    assert_null(info.data);
    OK(tleg_file_read_tensor(context, file, "b", &tensor));
    assert_true(((float *)tensor->data)[0] == 1 && ((float *)tensor->data)[1] == 2);
    tleg_tensor_free(tensor);
    OK(tleg_file_read_tensor(context, file, "a", &tensor));
    assert_true(tensor->dtype == TLEG_I32 && ((int32_t *)tensor->data)[0] == 7);
    tleg_tensor_free(tensor);
    tleg_file_free(file);
}

static void a_file_written_by_python_is_read_mapped_and_parsed_alike(void **state) {
    (void)state;
    size_t size;
    tleg_file *file;
    unsigned char *bytes = python_file(&size);
    const char *path = write_scratch("python.safetensors", bytes, size);
    for (uint32_t flags = 0; flags <= TLEG_OPEN_MAP; flags++) {
        OK(tleg_file_open(context, path, OPEN_WITH(flags, 0), &file));
        assert_string_equal(tleg_file_label(file), path);
        check_python_file(file);
    }
    OK(tleg_file_parse(context, bytes, size, &file));
    check_python_file(file);
    free(bytes);
}

static void order_alignment_and_padding_are_free(void **state) {
    (void)state;
    tleg_file *file = open_scratch("{\"late\":{\"shape\":[3],\"data_offsets\":[1,13],\"dtype\":\"F32\"},"
                                   "\"note\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                                   "\"none\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[13,13]},"
                                   "\"step\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[13,21]}}              ",
                                   21, 0);
    static const char *const order[] = {"note", "late", "none", "step"};
    for (int i = 0; i < 4; i++)
        assert_string_equal(tleg_file_get_tensor_name(file, i), order[i]);
    float values[3];
    const unsigned char expected[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    OK(tleg_file_read_f32(context, file, tleg_file_find(file, "late"), values));
    assert_memory_equal(values, expected, sizeof values);
    tleg_tensor *tensor;
    OK(tleg_file_read_tensor(context, file, "step", &tensor));
    assert_int_equal(tensor->rank, 0);
    assert_int_equal(*(int64_t *)tensor->data, 0x14131211100f0e0d);
    tleg_tensor_free(tensor);
    OK(tleg_file_read_tensor(context, file, "none", &tensor));
    assert_int_equal(tensor->bytes, 0);
    tleg_tensor_free(tensor);
    tleg_file_free(file);
}

static void names_and_metadata_are_unescaped(void **state) {
    (void)state;
    tleg_file *file;
    unsigned char *bytes;
    OK(parse("{\"__metadata__\":{\"tleg.labels\":\"[\\\"\\u732b\\\", \\\"a\\\\\\\"b\\\\n\\\"]\",\"\":\"\"},"
             "\"a\\u002fb\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
             1, &file, &bytes));
    assert_string_equal(tleg_file_get_metadata(file, "tleg.labels"), "[\"\xe7\x8c\xab\", \"a\\\"b\\n\"]");
    assert_string_equal(tleg_file_get_metadata(file, ""), "");
    assert_non_null(tleg_file_find(file, "a/b"));
    const struct tleg_pair *pairs;
    assert_int_equal(tleg_file_pairs(file, &pairs), 2);
    assert_string_equal(pairs[0].key, "tleg.labels");
    tleg_file_free(file);
    free(bytes);
}

static void a_file_without_tensors_is_legal(void **state) {
    (void)state;
    tleg_file *file;
    unsigned char *bytes;
    OK(parse("{}", 0, &file, &bytes));
    assert_int_equal(tleg_file_get_tensor_count(file), 0);
    assert_null(tleg_file_find(file, ""));
    assert_null(tleg_file_nearest(file, "x"));
    tleg_file_free(file);
    free(bytes);
}

#define TENSOR(dtype, shape, offsets) "{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define GOOD TENSOR("\"F32\"", "[2]", "[0,8]")

static void every_broken_rule_is_an_error_that_names_the_tensor(void **state) {
    (void)state;
    static const struct {
        const char *json;
        size_t data;
        const char *says, *also;
    } cases[] = {
        {"{\"x\":" GOOD "}", 12, "4 bytes too many", "(memory)"},
        {"{\"x\":" GOOD "}", 7, "truncated", "'x'"},
        {"{\"x\":" GOOD "}", 0, "truncated", "'x'"},
        {"{}", 1, "1 bytes too many", ""},
        {"{\"x\":" GOOD ",\"y\":" TENSOR("\"U8\"", "[1]", "[9,10]") "}", 10, "hole of 1 bytes", "'y'"},
        {"{\"x\":" TENSOR("\"U8\"", "[1]", "[1,2]") "}", 2, "hole of 1 bytes", "'x'"},
        {"{\"x\":" GOOD ",\"y\":" TENSOR("\"U8\"", "[1]", "[7,8]") "}", 8, "overlaps", "'y'"},
        {"{\"x\":" GOOD ",\"y\":" GOOD "}", 8, "overlaps", "'x'"},
        {"{\"x\":" GOOD ",\"y\":" TENSOR("\"U8\"", "[0]", "[4,4]") "}", 8, "overlaps", "'y'"},
        {"{\"x\":" GOOD ",\"x\":" TENSOR("\"F32\"", "[2]", "[8,16]") "}", 16, "duplicate tensor 'x'", ""},
        {"{\"x\":" GOOD ",\"\\u0078\":" TENSOR("\"F32\"", "[2]", "[8,16]") "}", 16, "duplicate tensor 'x'", ""},
        {"{\"x\":" TENSOR("\"F32\"", "[2]", "[8,0]") "}", 8, "begin, 8, is past the end, 0", "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "[3]", "[0,8]") "}", 8, "shape [3] of F32 needs 12 bytes; data_offsets give 8 bytes",
         "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "[8589934592,2147483649]", "[0,8]") "}", 8, "larger than any memory", "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "[4611686018427387905]", "[0,4]") "}", 4, "larger than any memory", "'x'"},
        {"{\"x\":" TENSOR("\"F4\"", "[3]", "[0,1]") "}", 1, "whole bytes", "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "[-2]", "[0,8]") "}", 8, "shape: entry 0", "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "[-0]", "[0,0]") "}", 0, "shape: entry 0", "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "[2.0]", "[0,8]") "}", 8, "shape: entry 0", "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "[1,\"2\"]", "[0,8]") "}", 8, "shape: entry 1", "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "2", "[0,8]") "}", 8, "shape must be an array, found a number", "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "[9223372036854775808]", "[0,8]") "}", 8, "shape: entry 0", "'x'"},
        {"{\"x\":" TENSOR("\"F31\"", "[2]", "[0,8]") "}", 8, "'F31' is not a dtype", "'x'"},
        {"{\"x\":" TENSOR("\"f32\"", "[2]", "[0,8]") "}", 8, "'f32' is not a dtype", "'x'"},
        {"{\"x\":" TENSOR("\"a very long name of no element type\"", "[2]", "[0,8]") "}", 8, "is not a dtype", "'x'"},
        {"{\"x\":" TENSOR("32", "[2]", "[0,8]") "}", 8, "dtype must be a string, found a number", "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "[2]", "[0]") "}", 8, "data_offsets must be two whole numbers", "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "[2]", "[0,8,8]") "}", 8, "data_offsets must be two whole numbers", "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "[2]", "[-8,0]") "}", 8, "data_offsets must be two whole numbers", "'x'"},
        {"{\"x\":" TENSOR("\"F32\"", "[2]", "{\"0\":8}") "}", 8, "data_offsets must be two whole numbers", "'x'"},
        {"{\"x\":" TENSOR("\"U8\"", "[9223372036854775807]", "[0,9223372036854775807]") "}", 8, "", "'x'"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "data_offsets is missing", "'x'"},
        {"{\"x\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "shape is missing", "'x'"},
        {"{\"x\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "dtype is missing", "'x'"},
        {"{\"x\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "'dtype' appears twice",
         "'x'"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"strides\":[1]}}", 8, "'strides' is unknown", "'x'"},
        {"{\"x\":[0,8]}", 8, "must be an object", "'x'"},
        {"{\"x\":null}", 0, "must be an object", "'x'"},
        {"{\"x\\u0000\":" GOOD "}", 8, "NUL", ""},
        {"{\"__metadata__\":{\"tleg.heads\":2}}", 0, "must be a string, found a number", "'tleg.heads'"},
        {"{\"__metadata__\":{\"a\":null}}", 0, "must be a string, found null", "'a'"},
        {"{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "must be a string, found an object", "'a'"},
        {"{\"__metadata__\":{\"a\":\"1\",\"b\":\"\",\"a\":\"1\"}}", 0, "duplicate metadata key 'a'", ""},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "duplicate __metadata__", ""},
        {"{\"__metadata__\":[]}", 0, "__metadata__ must be an object, found an array", ""},
        {"{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0, "NUL", ""},
        {"{\"x\":" GOOD "", 8, "header is no JSON", "byte"},
        {"{\"x\":" GOOD "}x", 8, "header is no JSON: text after the end", ""},
        {"{\"\xff\":" GOOD "}", 8, "UTF-8", ""},
        {" {}", 0, "does not begin with '{'", ""},
        {"[]", 0, "does not begin with '{'", ""},
        {"", 0, "header is no JSON", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tleg_file *file = (tleg_file *)(uintptr_t)1;
        unsigned char *bytes;
        assert_error(parse(cases[i].json, cases[i].data, &file, &bytes), TLEG_ERROR_FORMAT, cases[i].says);
        assert_contains(tleg_context_get_error(context), cases[i].also);
        assert_null(file);
        free(bytes);
    }
}

static void more_dimensions_than_a_tensor_has_are_unsupported(void **state) {
    (void)state;
    tleg_file *file;
    unsigned char *bytes;
    assert_error(parse("{\"x\":" TENSOR("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, &file, &bytes),
                 TLEG_ERROR_UNSUPPORTED, "tensor 'x' has 9 dimensions");
    free(bytes);
    OK(parse("{\"x\":" TENSOR("\"U8\"", "[1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, &file, &bytes));
    tleg_file_free(file);
    free(bytes);
}

static void a_file_cut_anywhere_is_refused(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = python_file(&size);
    for (size_t cut = 0; cut < size; cut++) {
        tleg_file *file;
        unsigned char *exact = malloc(cut + 1); /* its own block: reading past the end is seen */
        memcpy(exact + 1, bytes, cut);
        assert_int_equal(tleg_file_parse(context, exact + 1, cut, &file), TLEG_ERROR_FORMAT);
        assert_null(file);
        free(exact);
    }
    free(bytes);
}

static void foreign_types_are_listed_but_not_read_as_numbers(void **state) {
    (void)state;
    tleg_file *file = open_scratch("{\"head.weight\":" TENSOR("\"F8_E4M3\"", "[3]", "[0,3]") ",\"mask\":" TENSOR(
                                       "\"BOOL\"", "[1]", "[3,4]") ",\"n\":" TENSOR("\"F4\"", "[2,3]", "[4,7]") "}",
                                   7, 0);
    const struct tleg_entry *entry = tleg_file_find(file, "head.weight");
    assert_int_equal(entry->dtype, 0);
    assert_string_equal(entry->type_name, "F8_E4M3");
    float values[3];
    assert_error(tleg_file_read_f32(context, file, entry, values), TLEG_ERROR_UNSUPPORTED, "F8_E4M3");
    assert_contains(tleg_context_get_error(context), "head.weight");
    tleg_tensor *tensor = (tleg_tensor *)(uintptr_t)1;
    assert_error(tleg_file_read_tensor(context, file, "mask", &tensor), TLEG_ERROR_UNSUPPORTED, "BOOL");
    assert_null(tensor);
    unsigned char raw[2];
    OK(tleg_file_read_bytes(context, file, entry, 1, 2, raw));
    assert_true(raw[0] == 1 && raw[1] == 2);
    assert_int_equal(tleg_file_read_bytes(context, file, entry, 2, 2, raw), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_read_bytes(context, file, entry, 4, 0, raw), TLEG_ERROR_ARGUMENT);
    tleg_file_free(file);
}

static void types_of_files_are_the_librarys_where_it_has_them(void **state) {
    (void)state;
    for (int32_t dtype = 1; tleg_dtype_name(dtype); dtype++) {
        const struct tleg_stored_type *stored = tleg_stored_type_find(tleg_dtype_name(dtype));
        assert_non_null(stored);
        assert_int_equal(stored->dtype, dtype);
        assert_int_equal(stored->bits, 8 * tleg_dtype_size(dtype));
    }
    static const char *const strange[] = {"F32x", "F3", "f32", ""};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        assert_null(tleg_stored_type_find(strange[i]));
}

static void integers_are_no_weights(void **state) {
    (void)state;
    tleg_file *file = open_scratch("{\"ids\":" TENSOR("\"I64\"", "[1]", "[0,8]") "}", 8, 0);
    float value;
    assert_error(tleg_file_read_f32(context, file, tleg_file_find(file, "ids"), &value), TLEG_ERROR_FORMAT,
                 "'ids' is of type I64");
    assert_error(tleg_file_read_floats(context, file, "ids", 0, 1, &value), TLEG_ERROR_FORMAT, "'ids' is of type I64");
    tleg_file_free(file);
}

static void numbers_that_a_tensor_has_not_are_refused(void **state) {
    (void)state;
    tleg_file *file = open_scratch("{\"a\":" TENSOR("\"BF16\"", "[2,3]", "[0,12]") "}", 12, 0);
    float values[6];
    OK(tleg_file_read_floats(context, file, "a", 4, 2, values));
    assert_error(tleg_file_read_floats(context, file, "a", 4, 3, values), TLEG_ERROR_ARGUMENT,
                 "'a' has 6 numbers; 3 from number 4 on");
    assert_int_equal(tleg_file_read_floats(context, file, "a", 7, 1, values), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_read_floats(context, file, "a", UINT64_MAX, 1, values), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_read_floats(context, file, "a", 1, SIZE_MAX, values), TLEG_ERROR_ARGUMENT);
    assert_error(tleg_file_read_floats(context, file, "A", 0, 1, values), TLEG_ERROR_NOT_FOUND, "did you mean 'a'?");
    tleg_file_free(file);
}

/* ---- conversion to f32 ---- */

enum { NUMBERS = 20011 }; /* more than a buffer's worth, and odd */

/* The number i % 2048 + 1, which every floating type holds exactly (BF16 for i % 2048 < 256). */
static void put_number(unsigned char *at, const char *type, uint32_t number) {
    float single = (float)number;
    double both = number;
    uint32_t bits, exponent = 0;
    memcpy(&bits, &single, 4);
    while (number >> (exponent + 1))
        exponent++;
    uint16_t half = (uint16_t)((exponent + 15) << 10 | (((uint64_t)number << 10 >> exponent) & 0x3ff)),
             top = (uint16_t)(bits >> 16);
    if (strcmp(type, "F16") == 0)
        memcpy(at, &half, 2);
    else if (strcmp(type, "BF16") == 0)
        memcpy(at, &top, 2);
    else if (strcmp(type, "F64") == 0)
        memcpy(at, &both, 8);
    else
        memcpy(at, &single, 4);
}

static uint32_t number_at(const char *type, uint32_t i) {
    return i % (strcmp(type, "BF16") == 0 ? 255 : 2047) + 1;
}

static void check_numbers(const char *type, size_t width, uint32_t flags) {
    char json[200];
    size_t size;
    snprintf(json, sizeof json, "{\"a\":" TENSOR("\"U8\"", "[1]", "[0,1]") ",\"x\":" TENSOR("\"%s\"", "[%d]", "[1,%zu]") "}",
             type, (int)NUMBERS, 1 + width * NUMBERS);
    unsigned char *bytes = container(json, 1 + width * NUMBERS, &size);
    for (uint32_t i = 0; i < NUMBERS; i++)
        put_number(bytes + size - width * (NUMBERS - i), type, number_at(type, i));
    tleg_file *file;
    if (flags == UINT32_MAX)
        OK(tleg_file_parse(context, bytes, size, &file));
    else
        OK(tleg_file_open(context, write_scratch("numbers", bytes, size), OPEN_WITH(flags, 0), &file));
    float *values = malloc(NUMBERS * sizeof *values);
    OK(tleg_file_read_f32(context, file, tleg_file_find(file, "x"), values));
    for (uint32_t i = 0; i < NUMBERS; i++)
        assert_true(values[i] == (float)number_at(type, i));
    for (uint32_t first = 0, count; first < NUMBERS;
         first += count) { /* in parts, which end within a buffer's worth and after it */
        count = first == 0 ? 4097 : NUMBERS - first < 9001 ? NUMBERS - first : 9001;
        OK(tleg_file_read_floats(context, file, "x", first, count, values));
        for (uint32_t i = 0; i < count; i++)
            assert_true(values[i] == (float)number_at(type, first + i));
    }
    tleg_file_free(file);
    free(values);
    free(bytes);
}

static void every_floating_type_becomes_f32_at_any_alignment(void **state) {
    (void)state;
    static const uint32_t ways[] = {0, TLEG_OPEN_MAP, UINT32_MAX};
    for (int i = 0; i < 3; i++) {
        check_numbers("F32", 4, ways[i]);
        check_numbers("F16", 2, ways[i]);
        check_numbers("BF16", 2, ways[i]);
        check_numbers("F64", 8, ways[i]);
    }
}

/* ---- files that are none ---- */

static void other_files_are_recognised(void **state) {
    (void)state;
#define BYTES(text) text, sizeof text - 1
    static const struct {
        const char *bytes;
        size_t size;
        const char *says, *also;
    } cases[] = {
        {BYTES("PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0archive/data.pkl"), "PyTorch", "no directory at its end"},
        {BYTES("\x80\2\x8a\12l\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."), "PyTorch before 1.6", "torch.save(torch.load("},
        {BYTES("\x80\4\x95\5\0\0\0\0\0\0\0]\x94."), "a Python pickle", "torch.save"},
        {BYTES("{\"dim\": 192, \"depth\": 12}"), "JSON", ""},
        {BYTES("<!DOCTYPE html><html><body>404</body></html>"), "web page", "download"},
        {BYTES("\n\n<html>"), "web page", ""},
        {BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a"), "Git LFS", "git lfs pull"},
        {BYTES("Hello, w\xc3\xb6rld, this is a text.\n"), "a text", ""},
        {BYTES("hi"), "a text", ""},
        {BYTES("\x89PNG\r\n\x1a\n\0\0\0\15IHDR"), "PNG", ""},
        {BYTES("\xff\xd8\xff\xe0\0\20JFIF\0"), "JPEG", ""},
        {BYTES("\x93NUMPY\1\0v\0"), "NumPy", ""},
        {BYTES("GGUF\3\0\0\0\0\0\0\0"), "GGUF", ""},
        {BYTES("\34\0\0\0TFL3\24\0\40\0"), "TFLite", "converted from"},
        {BYTES("\0"), "too short", "1 bytes"},
        {BYTES("\0\0\0\0\0\0\0"), "too short", "7 bytes"},
        {BYTES("\1\341\365\5\0\0\0\0{}"), "100000001 bytes", "limit"},
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff{}"), "18446744073709551615 bytes", "limit"},
        {BYTES("\xff\0\0\0\0\0\0\0{}"), "255 bytes long, the file has 10", "truncated"},
        {BYTES("\x80\2\0\0\0\0\0\0{\"a\""), "truncated", "640 bytes"}, /* no pickle, though it begins as one */
        {BYTES("\2\0\0\0\0\0\0\0\1\2\3\4"), "does not begin with '{'", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tleg_file *file;
        assert_error(tleg_file_open(context, write_scratch("model", cases[i].bytes, cases[i].size), NULL, &file),
                     TLEG_ERROR_FORMAT, cases[i].says);
        assert_contains(tleg_context_get_error(context), cases[i].also);
        assert_contains(tleg_context_get_error(context), in_scratch("model"));
        assert_int_equal(tleg_file_parse(context, cases[i].bytes, cases[i].size, &file), TLEG_ERROR_FORMAT);
    }
}

static void an_empty_file_says_so(void **state) {
    (void)state;
    tleg_file *file;
    const char *path = write_scratch("empty", "", 0);
    for (uint32_t flags = 0; flags <= TLEG_OPEN_MAP; flags++)
        assert_error(tleg_file_open(context, path, OPEN_WITH(flags, 0), &file), TLEG_ERROR_FORMAT, "is empty");
    assert_error(tleg_file_parse(context, "", 0, &file), TLEG_ERROR_FORMAT, "is empty");
}

static void what_is_no_regular_file_says_what_it_is(void **state) {
    (void)state;
    tleg_file *file;
    assert_error(tleg_file_open(context, in_scratch("absent"), NULL, &file), TLEG_ERROR_NOT_FOUND,
                 "absent: cannot be opened: ");
    assert_error(tleg_file_open(context, "", NULL, &file), TLEG_ERROR_IO, "the name of a file is needed");
    assert_error(tleg_file_open(context, scratch, NULL, &file), TLEG_ERROR_IO, "is a directory");
    assert_error(tleg_file_open(context, "/dev/null", NULL, &file), TLEG_ERROR_IO, "is a device");
    assert_int_equal(mkfifo(in_scratch("fifo"), 0600), 0);
    assert_error(tleg_file_open(context, in_scratch("fifo"), NULL, &file), TLEG_ERROR_IO, "is a pipe"); /* and does not wait */
    const char *path = write_scratch("locked", "", 0);
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid() != 0)
        assert_error(tleg_file_open(context, path, NULL, &file), TLEG_ERROR_IO, "locked: cannot be opened: ");
}

static void a_file_that_shrinks_is_an_error_not_zeros(void **state) {
    (void)state;
    tleg_file *file = open_scratch("{\"x\":" GOOD "}", 8, 0);
    assert_int_equal(truncate(tleg_file_label(file), 66), 0);
    float values[2];
    assert_error(tleg_file_read_f32(context, file, tleg_file_find(file, "x"), values), TLEG_ERROR_IO, "truncated");
    assert_contains(tleg_context_get_error(context), "'x'");
    assert_contains(tleg_context_get_error(context), tleg_file_label(file));
    tleg_tensor *tensor;
    assert_error(tleg_file_read_tensor(context, file, "x", &tensor), TLEG_ERROR_IO, "truncated");
    tleg_file_free(file);
}

/* A file that somebody writes to: a byte of it changes whenever memory is asked for. */
struct writer {
    int file;
    off_t at;
    char to[2];
    int turn;
};

static void *TLEG_CALL alloc_and_write(void *host, size_t bytes, size_t align) {
    struct writer *writer = host;
    void *memory = NULL;
    assert_int_equal(pwrite(writer->file, &writer->to[writer->turn++ % 2], 1, writer->at), 1);
    return posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, bytes) == 0 ? memory : NULL;
}

static void TLEG_CALL just_free(void *host, void *memory, size_t bytes, size_t align) {
    (void)host, (void)bytes, (void)align;
    free(memory);
}

/* Its byte at `at`, after a backslash, is 'n', then 'q', and so on. */
static void open_while_it_changes(const char *path, off_t at) {
    struct writer writer = {open(path, O_RDWR | O_CLOEXEC), at, {'n', 'q'}, 0};
    const tleg_context_options options = {
        .struct_size = sizeof options, .alloc = alloc_and_write, .release = just_free, .alloc_host = &writer};
    for (int turn = 0; turn < 2; turn++) {
        tleg_context *other;
        tleg_file *file;
        assert_int_equal(tleg_context_create(&options, &other), TLEG_OK);
        writer.turn += (writer.turn + turn) % 2;
        const tleg_status status = tleg_file_open(other, path, OPEN_WITH(TLEG_OPEN_MAP, 0), &file);
        if (status == TLEG_OK) {
            assert_string_equal(tleg_file_get_tensor_name(file, 0), "a\n");
            tleg_file_free(file);
        } else {
            assert_int_equal(status, TLEG_ERROR_FORMAT);
            assert_non_null(strstr(tleg_context_get_error(other), "an unknown escape"));
        }
        tleg_context_free(other);
    }
    close(writer.file);
}

/* A mapping shows what is written to its file: what was checked must be what is read. */
static void a_mapped_file_may_change_while_it_is_opened(void **state) {
    (void)state;
    static const char text[] = "{\"weight_map\":{\"a\\n\":\"x.safetensors\"}}", json[] = "{\"a\\n\":" GOOD "}";
    tleg_file_free(open_scratch(json, 8, 0));
    open_while_it_changes(in_scratch("x.safetensors"), 8 + strchr(json, '\\') + 1 - json);
    tleg_file_free(open_scratch(json, 8, 0)); /* as it was */
    open_while_it_changes(write_scratch("x.index.json", text, sizeof text - 1), strchr(text, '\\') + 1 - text);
}

/* ---- names ---- */

static void a_missing_name_suggests_the_likeliest(void **state) {
    (void)state;
    tleg_file *file;
    unsigned char *bytes;
    OK(parse("{\"images\":" TENSOR("\"U8\"", "[1]", "[0,1]") ",\"module.pos_embed\":" TENSOR(
                 "\"U8\"", "[1]",
                 "[1,2]") ",\"blocks.qkv.weigth_base\":" TENSOR("\"U8\"", "[1]",
                                                                "[2,3]") ",\"blocks.fc1.weight_base\":" TENSOR("\"U8\"", "[1]",
                                                                                                               "[3,4]") "}",
             4, &file, &bytes));
    assert_string_equal(tleg_file_nearest(file, "image"), "images");
    assert_string_equal(tleg_file_nearest(file, "imgaes"), "images");
    assert_string_equal(tleg_file_nearest(file, "pos_embed"), "module.pos_embed");
    assert_string_equal(tleg_file_nearest(file, "model.images"), "images");
    assert_string_equal(tleg_file_nearest(file, "blocks.qkv.weight_base"), "blocks.qkv.weigth_base");
    assert_null(tleg_file_nearest(file, "logits"));
    assert_null(tleg_file_nearest(file, ""));
    char huge[2000];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    assert_null(tleg_file_nearest(file, huge));
    tleg_tensor *tensor;
    assert_error(tleg_file_read_tensor(context, file, "image", &tensor), TLEG_ERROR_NOT_FOUND, "did you mean 'images'?");
    assert_error(tleg_file_read_tensor(context, file, "logits", &tensor), TLEG_ERROR_NOT_FOUND,
                 "no tensor 'logits'; the file holds 4, the first is 'images'");
    tleg_tensor_info info = {.struct_size = sizeof info};
    assert_error(tleg_file_get_tensor_info(context, file, "image", &info), TLEG_ERROR_NOT_FOUND, "did you mean 'images'?");
    info.struct_size = 8;
    assert_error(tleg_file_get_tensor_info(context, file, "images", &info), TLEG_ERROR_ARGUMENT, "struct_size");
    tleg_file_free(file);
    free(bytes);
    OK(parse("{}", 0, &file, &bytes));
    assert_error(tleg_file_read_tensor(context, file, "images", &tensor), TLEG_ERROR_NOT_FOUND,
                 "no tensor 'images'; the file holds none");
    tleg_file_free(file);
    free(bytes);
}

static void ten_thousand_tensors_are_found_at_once(void **state) {
    (void)state;
    enum { TENSORS = 10000, EACH = 100 };
    char *json = malloc(TENSORS * EACH + 2), name[32];
    size_t length = 0;
    for (int i = 0; i < TENSORS; i++) /* names and places in no order */
        length += (size_t)sprintf(json + length, "%c\"blocks.%d.w\":" TENSOR("\"U8\"", "[1]", "[%d,%d]"), i == 0 ? '{' : ',',
                                  i * 7919 % TENSORS, i * 7 % TENSORS, i * 7 % TENSORS + 1);
    strcpy(json + length, "}");
    tleg_file *file;
    unsigned char *bytes;
    clock_t start = clock();
    OK(parse(json, TENSORS, &file, &bytes));
    for (int i = 0; i < TENSORS; i++) {
        snprintf(name, sizeof name, "blocks.%d.w", i);
        const struct tleg_entry *entry = tleg_file_find(file, name);
        assert_non_null(entry);
        assert_string_equal(entry->name, name);
    }
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 5); /* some hundredths; quadratic time takes far longer */
    tleg_file_free(file);
    free(bytes);
    free(json);
}

/* ---- guests and threads ---- */

static void null_is_refused_not_followed(void **state) {
    (void)state;
    tleg_file *file = NULL, *good = open_scratch("{\"x\":" GOOD "}", 8, 0);
    tleg_tensor *tensor;
    tleg_tensor_info info = {.struct_size = sizeof info};
    assert_int_equal(tleg_file_open(NULL, "x", NULL, &file), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_open(context, NULL, NULL, &file), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_open(context, "x", NULL, NULL), TLEG_ERROR_ARGUMENT);
    assert_error(tleg_file_open(context, "x", OPEN_WITH(2, 0), &file), TLEG_ERROR_UNSUPPORTED, "flags 0x2");
    assert_int_equal(tleg_file_parse(NULL, "x", 1, &file), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_parse(context, NULL, 0, &file), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_parse(context, "x", 1, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_read_tensor(NULL, good, "x", &tensor), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_read_tensor(context, NULL, "x", &tensor), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_read_tensor(context, good, NULL, &tensor), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_read_tensor(context, good, "x", NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_get_tensor_info(NULL, good, "x", &info), TLEG_OK); /* no text, then */
    assert_int_equal(tleg_file_get_tensor_info(context, NULL, "x", &info), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_get_tensor_info(context, good, NULL, &info), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_get_tensor_info(context, good, "x", NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_get_tensor_count(NULL), 0);
    assert_null(tleg_file_get_tensor_name(NULL, 0));
    assert_null(tleg_file_get_metadata(NULL, "x"));
    assert_null(tleg_file_get_metadata(good, NULL));
    tleg_file_free(NULL);
    tleg_file_free(good);
}

static void *read_often(void *argument) {
    tleg_file *file = argument;
    tleg_context *own;
    intptr_t wrong = tleg_context_create(NULL, &own) != TLEG_OK;
    for (int i = 0; i < 200 && !wrong; i++) {
        tleg_tensor *tensor;
        wrong = tleg_file_read_tensor(own, file, i % 2 ? "a" : "b", &tensor) != TLEG_OK ||
                *(unsigned char *)tensor->data != (i % 2 ? 8 : 0);
        tleg_tensor_free(tensor);
    }
    tleg_context_free(own);
    return (void *)wrong;
}

static void many_threads_read_one_handle(void **state) {
    (void)state;
    tleg_file *file = open_scratch(python_json, 12, 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_often, file), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    tleg_file_free(file);
}

static void each_failing_allocation_is_an_error_without_a_leak(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = python_file(&size);
    const char *path = write_scratch("python.safetensors", bytes, size);
    int64_t before = counter.live;
    tleg_status status = TLEG_ERROR_MEMORY;
    int64_t failures = 0;
    for (; status != TLEG_OK; failures++) {
        tleg_file *file;
        tleg_tensor *tensor = NULL;
        counter.calls = 0;
        counter.fail_at = failures + 1;
        status = tleg_file_open(context, path, NULL, &file);
        assert_true((status == TLEG_OK) == (file != NULL));
        if (status == TLEG_OK)
            status = tleg_file_read_tensor(context, file, "a", &tensor);
        if (status != TLEG_OK)
            assert_error(status, TLEG_ERROR_MEMORY, "memory");
        tleg_tensor_free(tensor);
        tleg_file_free(file);
        assert_int_equal(counter.live, before);
    }
    counter.fail_at = 0;
    assert_true(failures > 6);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_written_by_python_is_read_mapped_and_parsed_alike),
        cmocka_unit_test(order_alignment_and_padding_are_free),
        cmocka_unit_test(names_and_metadata_are_unescaped),
        cmocka_unit_test(a_file_without_tensors_is_legal),
        cmocka_unit_test(every_broken_rule_is_an_error_that_names_the_tensor),
        cmocka_unit_test(more_dimensions_than_a_tensor_has_are_unsupported),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(foreign_types_are_listed_but_not_read_as_numbers),
        cmocka_unit_test(types_of_files_are_the_librarys_where_it_has_them),
        cmocka_unit_test(integers_are_no_weights),
        cmocka_unit_test(every_floating_type_becomes_f32_at_any_alignment),
        cmocka_unit_test(numbers_that_a_tensor_has_not_are_refused),
        cmocka_unit_test(other_files_are_recognised),
        cmocka_unit_test(an_empty_file_says_so),
        cmocka_unit_test(what_is_no_regular_file_says_what_it_is),
        cmocka_unit_test(a_file_that_shrinks_is_an_error_not_zeros),
        cmocka_unit_test(a_mapped_file_may_change_while_it_is_opened),
        cmocka_unit_test(a_missing_name_suggests_the_likeliest),
        cmocka_unit_test(ten_thousand_tensors_are_found_at_once),
        cmocka_unit_test(null_is_refused_not_followed),
        cmocka_unit_test(many_threads_read_one_handle),
        cmocka_unit_test(each_failing_allocation_is_an_error_without_a_leak),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
