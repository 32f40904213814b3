/* What a host may ask for when it saves: through a function of its own, in half the bytes, with its own metadata; and that what
 * a file said of itself is not lost on the way from file to file. */
#include "support/suite_context.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/onnx.h>

/* ---- a host's function that takes bytes ---- */

struct sink {
    unsigned char *bytes; /* of malloc */
    size_t size, largest;
    long long calls, fail_at; /* the call that fails, from 1; 0: none */
    tleg_status failure;
};

static tleg_status TLEG_CALL take(void *host, const void *data, size_t bytes) {
    struct sink *sink = host;
    if (++sink->calls == sink->fail_at) {
        return sink->failure;
    }
    assert_true(bytes > 0);
    sink->bytes = realloc(sink->bytes, sink->size + bytes);
    assert_non_null(sink->bytes);
    memcpy(sink->bytes + sink->size, data, bytes);
    sink->size += bytes;
    sink->largest = bytes > sink->largest ? bytes : sink->largest;
    return TLEG_OK;
}

static void is_file(const struct sink *sink, const char *path) {
    size_t size;
    unsigned char *bytes = support_read_file(path, &size);
    assert_int_equal(sink->size, size);
    assert_memory_equal(sink->bytes, bytes, size);
    free(bytes);
}

static tleg_save_options options_of(tleg_dtype dtype, int64_t pairs, const char *const *texts) {
    return (tleg_save_options){
        .struct_size = sizeof(tleg_save_options), .dtype = dtype, .pairs = pairs, .keys_and_values = texts};
}

static tleg_model *model_of(const tleg_learngene *gene, tleg_dtype dtype) {
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    const tleg_expander_options options = {.struct_size = sizeof options, .dtype = dtype};
    OK(context, tleg_expander_create(context, gene, &options, &expander));
    OK(context, tleg_expander_expand(context, expander, 7, &model));
    tleg_expander_free(expander);
    return model;
}

/* ---- the same bytes ---- */

static void a_function_takes_the_bytes_of_the_file(void **state) {
    (void)state;
    static const char *const pairs[] = {"author", "\xc3\xa9", "license", "MIT"};
    static const tleg_dtype types[] = {0, TLEG_F16, TLEG_BF16};
    tleg_learngene *gene = support_gene(context, "combo");
    for (int k = 0; k < 3; k++) {
        struct sink sink = {0}, second = {0};
        const tleg_save_options options = options_of(types[k], 2, pairs);
        OK(context, tleg_learngene_save(context, gene, support_scratch("gene"), &options));
        OK(context, tleg_learngene_write(context, gene, take, &sink, &options));
        is_file(&sink, support_scratch("gene"));
        tleg_model *model = model_of(gene, types[k]);
        OK(context, tleg_model_save(context, model, support_scratch("model"), NULL));
        OK(context, tleg_model_write(context, model, take, &second, NULL));
        is_file(&second, support_scratch("model"));
        assert_true(sink.largest <= 1 << 20 && second.largest <= 1 << 20);
        tleg_model_free(model);
        free(sink.bytes);
        free(second.bytes);
    }
    tleg_learngene_free(gene);
}

/* In the order of the file, whatever the sizes: those of a multiple of 64 bytes lie first. */
static void tensors_of_any_sizes_go_through_in_order(void **state) {
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    static const int64_t sizes[] = {3, 64, 0, 1, 3 << 19};
    tleg_tensor *tensors[5];
    struct sink sink = {0};
    for (int k = 0; k < 5; k++) {
        OK(context, tleg_tensor_create(context, k == 3 ? TLEG_U8 : TLEG_F32, 1, &sizes[k], &tensors[k]));
    }
    OK(context, tleg_file_save(context, support_scratch("five"), 5, names, (const tleg_tensor *const *)tensors, NULL));
    OK(context, tleg_file_write(context, take, &sink, 5, names, (const tleg_tensor *const *)tensors, NULL));
    is_file(&sink, support_scratch("five"));
    tleg_file *file = NULL;
    OK(context, tleg_file_parse(context, sink.bytes, sink.size, &file));
    assert_int_equal(tleg_file_get_tensor_count(file), 5);
    tleg_file_free(file);
    free(sink.bytes);
    for (int k = 0; k < 5; k++) {
        tleg_tensor_free(tensors[k]);
    }
}

static void each_call_of_the_function_may_fail(void **state) {
    (void)state;
    struct counter counter;
    support_counter(&counter);
    tleg_context_options counted = support_counted(&counter);
    tleg_context *other = NULL;
    assert_int_equal(tleg_context_create(&counted, &other), TLEG_OK);
    tleg_learngene *gene = support_gene(context, "cls");
    const tleg_save_options half = options_of(TLEG_BF16, 0, NULL);
    const long long live = atomic_load(&counter.live);
    for (long long n = 1;; n++) {
        struct sink sink = {.fail_at = n, .failure = n % 2 ? TLEG_ERROR_CANCELLED : 99};
        const tleg_status status = tleg_learngene_write(other, gene, take, &sink, &half);
        free(sink.bytes);
        assert_int_equal(atomic_load(&counter.live), live);
        if (sink.calls < n) {
            assert_int_equal(status, TLEG_OK);
            assert_true(n > 2);
            break;
        }
        assert_int_equal(status, n % 2 ? TLEG_ERROR_CANCELLED : TLEG_ERROR_IO);
        assert_non_null(strstr(tleg_context_get_error(other), "the host's function gave "));
    }
    tleg_learngene_free(gene);
    tleg_context_free(other);
    assert_int_equal(atomic_load(&counter.wrong), 0);
}

/* ---- half the bytes ---- */

/* The numbers are those of a conversion by the library's own tensors, and reading widens them again. */
static void a_learngene_in_half_is_rounded_once(void **state) {
    (void)state;
    static const tleg_dtype types[] = {TLEG_F16, TLEG_BF16};
    tleg_learngene *gene = support_gene(context, "mean");
    for (int k = 0; k < 2; k++) {
        tleg_learngene *back = NULL;
        tleg_file *file = NULL;
        const tleg_save_options options = options_of(types[k], 0, NULL);
        OK(context, tleg_learngene_save(context, gene, support_scratch("half"), &options));
        OK(context, tleg_file_open(context, support_scratch("half"), NULL, &file));
        OK(context, tleg_learngene_open(context, support_scratch("half"), NULL, &back));
        const char *name;
        for (int64_t i = 0; (name = tleg_learngene_get_tensor_name(gene, i)) != NULL; i++) {
            tleg_tensor *before = NULL, *after = NULL;
            tleg_tensor_info a = {.struct_size = sizeof a}, b = a, stored = a;
            OK(context, tleg_learngene_copy_tensor(context, gene, name, &before));
            OK(context, tleg_learngene_copy_tensor(context, back, name, &after));
            OK(context, tleg_tensor_get_info(context, before, &a));
            OK(context, tleg_tensor_get_info(context, after, &b));
            OK(context, tleg_file_get_tensor_info(context, file, name, &stored));
            assert_int_equal(stored.dtype, types[k]);
            assert_int_equal(stored.bytes * 2, a.bytes);
            const double most = types[k] == TLEG_F16 ? 1.0 / 2048 : 1.0 / 256; /* half a unit of the last of 11 or 8 bits */
            for (size_t j = 0; j < (size_t)a.bytes / 4; j++) {
                const double x = ((const float *)a.data)[j], y = ((const float *)b.data)[j];
                assert_true(fabs(x - y) <= most * fabs(x) + 6e-8 / 2); /* subnormal f16 are 6e-8 apart */
            }
            tleg_tensor_free(before);
            tleg_tensor_free(after);
        }
        /* what is rounded is rounded for good */
        OK(context, tleg_learngene_save(context, back, support_scratch("again"), &options));
        size_t sizes[2];
        unsigned char *first = support_read_file(support_scratch("half"), &sizes[0]);
        unsigned char *second = support_read_file(support_scratch("again"), &sizes[1]);
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(first, second, sizes[0]);
        free(first);
        free(second);
        tleg_file_free(file);
        tleg_learngene_free(back);
    }
    tleg_learngene_free(gene);
}

static void a_number_too_large_for_f16_is_named(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = support_read_file(support_path("cls", ".gene.safetensors"), &size);
    uint64_t header;
    memcpy(&header, bytes, sizeof header);
    const float large = 70000;
    memcpy(bytes + 8 + header, &large, sizeof large); /* the first number of the data */
    tleg_learngene *gene = NULL;
    OK(context, tleg_learngene_parse(context, bytes, size, NULL, &gene));
    tleg_save_options options = options_of(TLEG_F16, 0, NULL);
    assert_int_equal(tleg_learngene_save(context, gene, support_scratch("large"), &options), TLEG_ERROR_NUMERIC);
    assert_non_null(strstr(tleg_context_get_error(context), "number 0 is too large for F16"));
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    OK(context, tleg_expander_expand(context, expander, 3, &model));
    assert_int_equal(tleg_model_save(context, model, support_scratch("large"), &options), TLEG_ERROR_NUMERIC);
    assert_int_equal(tleg_model_export_onnx(context, model, support_scratch("large"), &options), TLEG_ERROR_NUMERIC);
    assert_non_null(strstr(tleg_context_get_error(context), "is too large for F16"));
    tleg_model_free(model);
    tleg_expander_free(expander);
    options.dtype = TLEG_BF16;
    OK(context, tleg_learngene_save(context, gene, support_scratch("large"), &options));
    tleg_learngene_free(gene);
    free(bytes);
}

/* ---- metadata ---- */

/* Author and license go from file to learngene to file, and through the expander and a distillation's end to models. */
static void what_a_file_says_of_itself_is_kept(void **state) {
    (void)state;
    static const char *const pairs[] = {"author", "Ada", "license", "MIT", "format", "np"};
    static const char *const other[] = {"license", "BSD", "note", "x"};
    tleg_learngene *gene = support_gene(context, "schedule"), *kept = NULL, *fitted = NULL;
    const tleg_save_options options = options_of(0, 3, pairs), more = options_of(0, 2, other);
    assert_null(tleg_learngene_get_metadata_key(gene, 0));
    OK(context, tleg_learngene_save(context, gene, support_scratch("gene"), &options));
    OK(context, tleg_learngene_open(context, support_scratch("gene"), NULL, &kept));
    assert_string_equal(tleg_learngene_get_metadata(kept, "author"), "Ada");
    assert_null(tleg_learngene_get_metadata(kept, "tleg.heads"));
    assert_null(tleg_learngene_get_metadata(kept, "format"));
    assert_string_equal(tleg_learngene_get_metadata_key(kept, 1), "license");
    assert_null(tleg_learngene_get_metadata_key(kept, 2));
    tleg_model *model = model_of(kept, 0), *opened = NULL;
    tleg_learngene_free(kept);
    assert_string_equal(tleg_model_get_metadata(model, "author"), "Ada");
    OK(context, tleg_model_save(context, model, support_scratch("model"), &more));
    OK(context, tleg_model_open(context, support_scratch("model"), NULL, &opened));
    assert_string_equal(tleg_model_get_metadata(opened, "author"), "Ada");
    assert_string_equal(tleg_model_get_metadata(opened, "license"), "BSD"); /* the pair that was given */
    assert_string_equal(tleg_model_get_metadata(opened, "note"), "x");
    assert_null(tleg_model_get_metadata_key(opened, 3));
    double r2[6];
    OK(context, tleg_learngene_linearize(context, opened, r2, 6, &fitted));
    assert_string_equal(tleg_learngene_get_metadata(fitted, "note"), "x");
    tleg_file *file = NULL;
    OK(context, tleg_file_open(context, support_scratch("gene"), NULL, &file));
    assert_string_equal(tleg_file_get_metadata(file, "format"), "np"); /* a host may replace this one too */
    tleg_file_free(file);
    tleg_learngene_free(fitted);
    tleg_model_free(model);
    tleg_model_free(opened);
    tleg_learngene_free(gene);
}

/* ---- what is refused ---- */

static void saving_options_are_checked(void **state) {
    (void)state;
    static const char *const ours[] = {"tleg.heads", "3"}, *const hole[] = {"a", NULL}, *const twice[] = {"a", "1", "a", "2"},
                             *const key[] = {"\xff", "1"}, *const value[] = {"a", "\xc3"};
    tleg_learngene *gene = support_gene(context, "cls");
    tleg_model *model = model_of(gene, TLEG_BF16);
    const char *path = support_scratch("never");
    struct {
        tleg_save_options options;
        tleg_status status;
        const char *says;
    } wrong[] = {{options_of(0, 1, ours), TLEG_ERROR_ARGUMENT, "\"tleg.heads\""},
                 {options_of(0, 1, hole), TLEG_ERROR_ARGUMENT, "pair 0 is NULL"},
                 {options_of(0, 2, twice), TLEG_ERROR_ARGUMENT, "duplicate metadata key 'a'"},
                 {options_of(0, 1, key), TLEG_ERROR_ARGUMENT, "a metadata key is not valid UTF-8"},
                 {options_of(0, 1, value), TLEG_ERROR_ARGUMENT, "a metadata value is not valid UTF-8"},
                 {options_of(0, 1, NULL), TLEG_ERROR_ARGUMENT, "keys_and_values is NULL"},
                 {options_of(0, -1, ours), TLEG_ERROR_ARGUMENT, "pairs is -1"},
                 {options_of(TLEG_F64, 0, NULL), TLEG_ERROR_UNSUPPORTED, "tleg_save_options.dtype"},
                 {options_of(77, 0, NULL), TLEG_ERROR_UNSUPPORTED, "found 77"},
                 {{.struct_size = sizeof(tleg_save_options), .flags = 2}, TLEG_ERROR_UNSUPPORTED, "flags 0x2"},
                 {{.struct_size = sizeof(tleg_save_options), .reserved = 1}, TLEG_ERROR_UNSUPPORTED, "reserved"},
                 {{.struct_size = sizeof(tleg_save_options), .reserved_pointer = path}, TLEG_ERROR_UNSUPPORTED, "reserved"},
                 {{.struct_size = 4}, TLEG_ERROR_ARGUMENT, "struct_size is 4"}};
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        struct sink sink = {0};
        assert_int_equal(tleg_learngene_save(context, gene, path, &wrong[k].options), wrong[k].status);
        assert_non_null(strstr(tleg_context_get_error(context), wrong[k].says));
        assert_int_equal(tleg_model_save(context, model, path, &wrong[k].options), wrong[k].status);
        assert_int_equal(tleg_model_export_onnx(context, model, path, &wrong[k].options), wrong[k].status);
        assert_non_null(strstr(tleg_context_get_error(context), wrong[k].says));
        assert_null(fopen(path, "rb"));
        assert_int_equal(tleg_learngene_write(context, gene, take, &sink, &wrong[k].options), wrong[k].status);
        assert_int_equal(sink.calls, 0);
    }
    struct sink sink = {0};
    const tleg_save_options unsynced = {.struct_size = sizeof unsynced, .flags = TLEG_SAVE_NO_SYNC};
    OK(context, tleg_learngene_save(context, gene, support_scratch("unsynced"), &unsynced));
    assert_int_equal(tleg_learngene_write(context, gene, take, &sink, &unsynced), TLEG_ERROR_ARGUMENT); /* for a path */
    tleg_save_options options = options_of(TLEG_BF16, 0, NULL);
    OK(context, tleg_model_save(context, model, support_scratch("own"), &options));
    assert_int_equal(tleg_file_save(context, path, 0, NULL, NULL, &options), TLEG_ERROR_UNSUPPORTED);
    assert_int_equal(tleg_learngene_write(context, gene, NULL, NULL, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_learngene_write(context, NULL, take, NULL, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_model_write(context, model, NULL, NULL, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_model_write(context, NULL, take, NULL, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_write(context, NULL, NULL, 0, NULL, NULL, NULL), TLEG_ERROR_ARGUMENT);
    tleg_model_free(model);
    tleg_learngene_free(gene);
}

/* What is created is saved, and what is saved is opened, as the same: the learngene and a model of it. */
static void must_come_back(const tleg_config *wanted) {
    const char *path = support_scratch("again.safetensors");
    tleg_config was = {.struct_size = sizeof was}, is = {.struct_size = sizeof is};
    tleg_learngene *gene = NULL, *again = NULL;
    tleg_expander *expander = NULL;
    tleg_model *model = NULL, *opened = NULL;
    OK(context, tleg_learngene_create(context, wanted, 1, &gene));
    OK(context, tleg_learngene_save(context, gene, path, NULL));
    OK(context, tleg_learngene_open(context, path, NULL, &again));
    OK(context, tleg_learngene_get_info(context, gene, &was));
    OK(context, tleg_learngene_get_info(context, again, &is));
    assert_int_equal(is.unplaced, was.unplaced);
    assert_int_equal(is.parameters, was.parameters);
    assert_true(is.rotary_base == was.rotary_base && is.mean[1] == was.mean[1] && is.std[1] == was.std[1]);
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    OK(context, tleg_expander_expand(context, expander, 3, &model));
    OK(context, tleg_model_save(context, model, path, NULL));
    OK(context, tleg_model_open(context, path, NULL, &opened));
    OK(context, tleg_model_get_info(context, model, &was));
    OK(context, tleg_model_get_info(context, opened, &is));
    assert_int_equal(is.unplaced, was.unplaced);
    assert_int_equal(is.parameters, was.parameters);
    tleg_model_free(opened);
    tleg_model_free(model);
    tleg_expander_free(expander);
    tleg_learngene_free(again);
    tleg_learngene_free(gene);
}

static void what_is_created_opens_again(void **state) {
    (void)state;
    const tleg_config small = {
        .struct_size = sizeof small, .image_size = 8, .patch_size = 4, .dim = 24, .heads = 3, .classes = 5, .std = {1, 1, 1}};
    tleg_config config = small;
    for (int32_t dist = 0; dist < 2; dist++) {
        config.class_token = 1;
        config.distillation_token = dist;
        config.registers = 4;
        for (config.unplaced = 0; config.unplaced <= 5 + dist; config.unplaced++)
            must_come_back(&config);
    }
    config = small;
    config.rotary = TLEG_ROTARY_INDEX;
    config.rotary_base = 1e12;
    must_come_back(&config);
    config.no_positions = 1;
    must_come_back(&config);
    config = small;
    config.mean[1] = -1e30;
    config.std[1] = 1e30;
    must_come_back(&config);
    config = small;
    config.pool = TLEG_POOL_ATTENTION;
    config.pool_heads = 8;
    must_come_back(&config);
    config.attention_dim = 36;
    config.pool_heads = 0;
    must_come_back(&config);
}

/* A learngene's numbers, those of models of another size and with other classes counted as they have them. */
static void an_expanders_options_count_in_its_numbers(void **state) {
    (void)state;
    const tleg_config config = {
        .struct_size = sizeof config, .image_size = 8, .patch_size = 4, .dim = 24, .heads = 3, .classes = 5};
    const tleg_expander_options other = {.struct_size = sizeof other, .image_size = 16, .classes = 7};
    tleg_config plain = {.struct_size = sizeof plain}, changed = {.struct_size = sizeof changed};
    tleg_learngene *gene = NULL;
    tleg_expander *expander = NULL;
    OK(context, tleg_learngene_create(context, &config, 1, &gene));
    OK(context, tleg_learngene_get_info(context, gene, &plain));
    OK(context, tleg_expander_create(context, gene, &other, &expander));
    OK(context, tleg_expander_get_info(context, expander, &changed));
    assert_int_equal(changed.parameters, plain.parameters + (16 - 4) * 24 + 2 * (24 + 1)); /* positions; rows of the head */
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
}

/* A file of the library's own says its activation, if only by saying nothing. */
static void another_activation_than_the_files_is_refused(void **state) {
    (void)state;
    const char *path = support_scratch("again.safetensors");
    const tleg_config config = {
        .struct_size = sizeof config, .image_size = 8, .patch_size = 4, .dim = 24, .heads = 3, .classes = 5};
    tleg_open_options asked = {.struct_size = sizeof asked, .activation = TLEG_MLP_RELU};
    tleg_learngene *gene = NULL, *again = NULL;
    OK(context, tleg_learngene_create(context, &config, 1, &gene));
    OK(context, tleg_learngene_save(context, gene, path, NULL));
    assert_int_equal(tleg_learngene_open(context, path, &asked, &again), TLEG_ERROR_ARGUMENT);
    assert_null(again);
    assert_non_null(strstr(tleg_context_get_error(context), "expected \"gelu\" as the file says, or none, found \"relu\""));
    asked.activation = TLEG_MLP_GELU;
    OK(context, tleg_learngene_open(context, path, &asked, &again));
    tleg_learngene_free(again);
    tleg_learngene_free(gene);
}

/* Of a model: another type in the file, as if it had been expanded to that. */
static void a_model_is_saved_in_any_type_of_weights(void **state) {
    (void)state;
    static const tleg_dtype types[] = {TLEG_F32, TLEG_BF16, TLEG_F16};
    tleg_learngene *gene = support_gene(context, "cls");
    tleg_model *model = model_of(gene, TLEG_F32);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const tleg_save_options options = options_of(types[i], 0, NULL);
        struct sink converted = {0}, expanded = {0};
        tleg_model *other = model_of(gene, types[i]);
        OK(context, tleg_model_write(context, model, take, &converted, &options));
        OK(context, tleg_model_write(context, other, take, &expanded, NULL));
        assert_int_equal(converted.size, expanded.size);
        assert_memory_equal(converted.bytes, expanded.bytes, converted.size);
        tleg_model_free(other);
        free(converted.bytes);
        free(expanded.bytes);
    }
    tleg_model_free(model);
    tleg_learngene_free(gene);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_takes_the_bytes_of_the_file),
        cmocka_unit_test(a_model_is_saved_in_any_type_of_weights),
        cmocka_unit_test(tensors_of_any_sizes_go_through_in_order),
        cmocka_unit_test(each_call_of_the_function_may_fail),
        cmocka_unit_test(what_is_created_opens_again),
        cmocka_unit_test(an_expanders_options_count_in_its_numbers),
        cmocka_unit_test(another_activation_than_the_files_is_refused),
        cmocka_unit_test(a_learngene_in_half_is_rounded_once),
        cmocka_unit_test(a_number_too_large_for_f16_is_named),
        cmocka_unit_test(what_a_file_says_of_itself_is_kept),
        cmocka_unit_test(saving_options_are_checked),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
