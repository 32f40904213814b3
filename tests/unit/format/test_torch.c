/* PyTorch's zip files: the tensors of every way of saving them, bit for bit; whatever else is in a file is passed over, and
 * nothing in it is run. tests/fixtures/pth/make.py wrote the files. */
#include "support/containers.h"
#include "support/zip_file.h"

#include <tleg/model.h>

static const char *fixture(const char *name) {
    static char paths[4][400];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/pth/%s", TLEG_FIXTURES, name);
    return path;
}

static unsigned char *load(const char *name, size_t *size) {
    FILE *file = fopen(fixture(name), "rb");
    assert_non_null(file);
    unsigned char *bytes = malloc(1 << 16);
    *size = fread(bytes, 1, 1 << 16, file);
    assert_true(*size > 0 && *size < 1 << 16);
    fclose(file);
    return bytes;
}

static tleg_file *open_key(const char *path, uint32_t flags, const char *key) {
    const tleg_open_options options = {.struct_size = sizeof options, .flags = flags, .key = key};
    tleg_file *file;
    OK(tleg_file_open(context, path, &options, &file));
    return file;
}

/* ---- the same tensors, however they were saved ---- */

/* The name in a file whose dictionaries are named by the first letter. */
static const char *name_of(const char *start, const char *name, bool tree) {
    static char text[100];
    snprintf(text, sizeof text, tree ? "%s%c.%s" : "%s%c%s", start, name[0], name + 1);
    return text;
}

static void check_numbers(const tleg_file *file, const struct tleg_entry *entry, const tleg_file *truth,
                          const struct tleg_entry *true_entry) {
    float expected[120], found[120];
    const size_t count = (size_t)(entry->bytes / (entry->dtype ? tleg_dtype_size(entry->dtype) : 1));
    if (entry->dtype == 0 || !tleg_dtype_is_real(entry->dtype))
        return;
    OK(tleg_file_read_f32(context, truth, true_entry, expected));
    for (size_t first = 0; first <= count; first++)
        for (size_t part = 0; part <= count - first; part += 1 + part / 3) {
            OK(tleg_file_read_part(context, file, entry, first, part, found));
            assert_memory_equal(found, expected + first, part * sizeof *found);
        }
}

static void check_tensor(const tleg_file *file, const struct tleg_entry *entry, const tleg_file *truth,
                         const struct tleg_entry *true_entry) {
    unsigned char expected[600], found[600];
    assert_string_equal(entry->type_name, true_entry->type_name);
    assert_int_equal(entry->dtype, true_entry->dtype);
    assert_int_equal(entry->rank, true_entry->rank);
    assert_memory_equal(entry->shape, true_entry->shape, sizeof entry->shape);
    assert_int_equal(entry->bytes, true_entry->bytes);
    OK(tleg_file_read_bytes(context, truth, true_entry, 0, (size_t)entry->bytes, expected));
    OK(tleg_file_read_bytes(context, file, entry, 0, (size_t)entry->bytes, found));
    assert_memory_equal(found, expected, (size_t)entry->bytes);
    check_numbers(file, entry, truth, true_entry);
}

/* The file's tensors are those of NAME.safetensors under names that begin with `start`. */
static void check_file(const tleg_file *file, const char *name, const char *start, bool tree) {
    tleg_file *truth;
    const struct tleg_entry *entries;
    OK(tleg_file_open(context, fixture(name), NULL, &truth));
    const int64_t count = tleg_file_entries(truth, &entries);
    assert_int_equal(tleg_file_get_tensor_count(file), count);
    assert_null(tleg_file_get_metadata_key(file, 0));
    for (int64_t i = 0; i < count; i++) {
        const char *wanted = name_of(start, entries[i].name, tree);
        const struct tleg_entry *entry = tleg_file_find(file, wanted);
        if (!entry)
            fail_msg("no tensor %s", wanted);
        check_tensor(file, entry, truth, &entries[i]);
    }
    tleg_file_free(truth);
}

static const struct {
    const char *file, *truth, *start, *key;
} ways[] = {
    {"protocol2.pth", "tensors", "", NULL},
    {"protocol3.pth", "tensors", "", NULL},
    {"protocol4.pth", "tensors", "", NULL},
    {"protocol5.pth", "tensors", "", NULL},
    {"training.pth", "tensors", "", NULL},
    {"averaged.pth", "tensors", "", NULL},
    {"averaged.pth", "tensors", "", "model"},
    {"averaged.pth", "others", "", "model_ema"},
    {"dino.pth", "tensors", "", NULL},
    {"dino.pth", "others", "", "student"},
    {"deeper.pth", "tensors", "", NULL},
    {"deeper.pth", "tensors", "", "run.state_dict"},
    {"deeper.pth", "tensors", "state_dict.", "run"},
    {"alone.pth", "tensors", "", NULL},
    {"tree.pth", "tensors", "", NULL},
    {"lightning.pth", "tensors", "", NULL},
    {"parameters.pth", "tensors", "", NULL},
    {"whole.pth", "tensors", "inner.", NULL},
    {"script.pt", "tensors", "inner.", NULL},
};

static void every_way_of_saving_gives_the_same_bits(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        for (uint32_t flags = 0; flags <= TLEG_OPEN_MAP; flags++) {
            char truth[40];
            snprintf(truth, sizeof truth, "%s.safetensors", ways[i].truth);
            tleg_file *file = open_key(fixture(ways[i].file), flags, ways[i].key);
            check_file(file, truth, ways[i].start, strcmp(ways[i].file, "tree.pth") == 0);
            tleg_file_free(file);
        }
}

static void memory_gives_them_too(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = load("protocol2.pth", &size);
    tleg_file *file;
    OK(tleg_file_parse(context, bytes, size, &file));
    check_file(file, "tensors.safetensors", "", false);
    tleg_file_free(file);
    free(bytes);
}

/* An index of several PyTorch files, as Hugging Face wrote them before safetensors. */
static void an_index_may_name_them(void **state) {
    (void)state;
    static const char index[] = "{\"weight_map\": {\"turned\": \"a.bin\", \"bf16_turned\": \"b.bin\", \"f16\": \"b.bin\"}}";
    size_t size;
    tleg_file *file, *truth;
    const struct tleg_entry *entries;
    unsigned char *bytes = load("protocol2.pth", &size);
    write_scratch("a.bin", bytes, size);
    free(bytes);
    bytes = load("training.pth", &size);
    write_scratch("b.bin", bytes, size);
    free(bytes);
    OK(tleg_file_open(context, write_scratch("x.bin.index.json", index, sizeof index - 1), NULL, &file));
    OK(tleg_file_open(context, fixture("tensors.safetensors"), NULL, &truth));
    assert_int_equal(tleg_file_entries(file, &entries), 3);
    for (int i = 0; i < 3; i++)
        check_tensor(file, &entries[i], truth, tleg_file_find(truth, entries[i].name));
    tleg_file_free(truth);
    tleg_file_free(file);
}

struct store {
    const unsigned char *bytes;
    size_t size;
};

static tleg_status TLEG_CALL read_store(void *host, uint64_t at, size_t bytes, void *out) {
    const struct store *store = host;
    assert_true(bytes > 0 && at <= store->size && bytes <= store->size - at);
    memcpy(out, store->bytes + at, bytes);
    return TLEG_OK;
}

static void a_source_gives_them_too(void **state) {
    (void)state;
    struct store store;
    unsigned char *bytes = load("protocol4.pth", &store.size);
    store.bytes = bytes;
    const tleg_source source = {.struct_size = sizeof source, .size = store.size, .read = read_store, .host = &store};
    tleg_file *file;
    OK(tleg_file_open_source(context, &source, &file));
    check_file(file, "tensors.safetensors", "", false);
    tleg_file_free(file);
    free(bytes);
}

static void what_does_not_lie_in_rows_is_read_by_whole_elements(void **state) {
    (void)state;
    unsigned char part[8];
    tleg_file *file = open_key(fixture("protocol2.pth"), 0, NULL);
    const struct tleg_entry *turned = tleg_file_find(file, "turned");
    assert_non_null(turned->strides);
    OK(tleg_file_read_bytes(context, file, turned, 4, 8, part));
    assert_error(tleg_file_read_bytes(context, file, turned, 2, 8, part), TLEG_ERROR_ARGUMENT, "whole elements");
    assert_error(tleg_file_read_bytes(context, file, turned, 92, 8, part), TLEG_ERROR_ARGUMENT, "96 bytes");
    tleg_file_free(file);
}

/* ---- which set of weights ---- */

static char said[600];

static void TLEG_CALL on_log(void *host, const char *text) {
    (void)host;
    snprintf(said, sizeof said, "%s", text);
}

static void a_choice_among_several_sets_is_said(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"averaged.pth", "the weights are those under \"model\"; others are under \"model_ema\""},
        {"dino.pth", "the weights are those under \"teacher\"; others are under \"student\""},
        {"training.pth", ""},
        {"lightning.pth", ""}};
    const tleg_context_options options = {.struct_size = sizeof options, .log = on_log};
    tleg_context *own;
    assert_int_equal(tleg_context_create(&options, &own), TLEG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tleg_file *file;
        said[0] = '\0';
        assert_int_equal(tleg_file_open(own, fixture(cases[i][0]), NULL, &file), TLEG_OK);
        tleg_file_free(file);
        assert_contains(said, cases[i][1]);
        assert_true(cases[i][1][0] || !said[0]);
    }
    tleg_context_free(own);
}

static void a_key_must_be_there_and_mean_something(void **state) {
    (void)state;
    tleg_open_options options = {.struct_size = sizeof options, .key = "ema"};
    tleg_file *file;
    tleg_model *model;
    assert_error(tleg_file_open(context, fixture("dino.pth"), &options, &file), TLEG_ERROR_NOT_FOUND,
                 "no set of weights under \"ema\"; there are some under \"student\", \"teacher\"");
    options.key = "epoch";
    assert_error(tleg_file_open(context, fixture("dino.pth"), &options, &file), TLEG_ERROR_NOT_FOUND, "under \"epoch\"");
    options.key = "teacher.f32";
    assert_error(tleg_file_open(context, fixture("dino.pth"), &options, &file), TLEG_ERROR_NOT_FOUND, "\"teacher.f32\"");
    assert_error(tleg_file_open(context, fixture("tensors.safetensors"), &options, &file), TLEG_ERROR_ARGUMENT,
                 "chooses among the sets of weights of a PyTorch file");
    OK(tleg_file_open(context, fixture("dino.pth"), NULL, &file));
    assert_error(tleg_model_read(context, file, &options, &model), TLEG_ERROR_ARGUMENT, "open already");
    tleg_file_free(file);
}

static void a_key_reaches_models_in_memory(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = load("dino.pth", &size);
    const tleg_open_options options = {.struct_size = sizeof options, .key = "nobody"};
    tleg_model *model;
    assert_error(tleg_model_parse(context, bytes, size, &options, &model), TLEG_ERROR_NOT_FOUND, "nobody");
    free(bytes);
}

static void files_without_weights_say_what_they_are(void **state) {
    (void)state;
    static const struct {
        const char *file;
        tleg_status status;
        const char *says;
    } cases[] = {
        {"legacy.pth", TLEG_ERROR_FORMAT, "torch.save(torch.load(OLD"},
        {"quantized.pth", TLEG_ERROR_UNSUPPORTED, "tensor 'weight' is not a plain one (torch's _rebuild_qtensor"},
        {"list.pth", TLEG_ERROR_FORMAT, "a PyTorch file without weights"},
        {"tensor.pth", TLEG_ERROR_FORMAT, "a single PyTorch tensor"},
        {"frozen.pt", TLEG_ERROR_UNSUPPORTED, "a TorchScript archive without parameters"},
    };
    tleg_file *file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_error(tleg_file_open(context, fixture(cases[i].file), NULL, &file), cases[i].status, cases[i].says);
}

/* ---- pickles that lie ---- */

/* Opcodes, for pickles written here. */
#define TEXT(length, text) "\x8c" length text
#define GLOBAL(module, name) "c" module "\n" name "\n"
#define STORAGE(key, count)                                                                                                    \
    "(" TEXT("\7", "storage") GLOBAL("torch", "FloatStorage") TEXT("\1", key) TEXT("\3", "cpu") "K" count "tQ"
#define REBUILD GLOBAL("torch._utils", "_rebuild_tensor_v2")
/* Two numbers of the four in data/0. */
#define PAIR REBUILD "(" STORAGE("0", "\4") "K\1K\2\x85K\1\x85\x89)tR"
#define WEIGHTS "\x80\2}(" TEXT("\1", "w") PAIR

static struct zip_file zip;

/* An archive with this pickle and one storage of four floats; its first member is the pickle. */
static void make_zip(const void *pickle, size_t size) {
    static const float numbers[4] = {1, 2, 3, 4};
    memset(&zip, 0, sizeof zip);
    assert_true(zip_add(&zip, "x/data.pkl", pickle, size));
    assert_true(zip_add(&zip, "x/data/0", numbers, sizeof numbers));
}

static tleg_status open_pickle(const void *pickle, size_t size, tleg_file **file) {
    make_zip(pickle, size);
    zip_finish(&zip);
    return tleg_file_parse(context, zip.bytes, zip.size, file);
}

static void check_pair(const tleg_file *file, const char *name) {
    float numbers[2];
    const struct tleg_entry *entry = tleg_file_find(file, name);
    assert_non_null(entry);
    assert_int_equal(entry->bytes, sizeof numbers);
    OK(tleg_file_read_f32(context, file, entry, numbers));
    assert_true(numbers[0] == 2 && numbers[1] == 3);
}

/* A head beside a module that was saved without it. */
static void tensors_beside_the_chosen_set_are_said(void **state) {
    (void)state;
    static const char pickle[] =
        "\x80\2}(" TEXT("\5", "model") "}(" TEXT("\1", "w") PAIR "u" TEXT("\1", "h") PAIR TEXT("\1", "n") "K\1u.";
    const tleg_context_options options = {.struct_size = sizeof options, .log = on_log};
    tleg_context *own;
    tleg_file *file;
    assert_int_equal(tleg_context_create(&options, &own), TLEG_OK);
    make_zip(pickle, sizeof pickle - 1);
    zip_finish(&zip);
    said[0] = '\0';
    assert_int_equal(tleg_file_parse(own, zip.bytes, zip.size, &file), TLEG_OK);
    assert_contains(said, "the weights are those under \"model\"; others are under \"h\"");
    check_pair(file, "w");
    tleg_file_free(file);
    tleg_context_free(own);
}

struct pickle_case {
    const char *bytes;
    size_t size;
    const char *says; /* "" where the pair "w" is all that is read */
};
#define CASE(bytes, says)                                                                                                      \
    { bytes, sizeof(bytes) - 1, says }

static void check_pickles(const struct pickle_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        tleg_file *file;
        const tleg_status status = open_pickle(cases[i].bytes, cases[i].size, &file);
        if (cases[i].says[0]) {
            assert_true(status == TLEG_ERROR_FORMAT || status == TLEG_ERROR_UNSUPPORTED);
            assert_contains(tleg_context_get_error(context), cases[i].says);
            continue;
        }
        if (status != TLEG_OK)
            fail_msg("case %zu: %s", i, tleg_context_get_error(context));
        assert_int_equal(tleg_file_get_tensor_count(file), 1);
        check_pair(file, "w");
        tleg_file_free(file);
    }
}

static void nothing_in_a_pickle_is_run(void **state) {
    (void)state;
#define TOUCH TEXT("\x19", "touch /tmp/tleg-was-run-x")
    static const struct pickle_case cases[] = {
        CASE(WEIGHTS TEXT("\1", "x") GLOBAL("posix", "system") TOUCH "\x85R"
                                                                     "u.",
             ""),
        CASE(WEIGHTS TEXT("\1", "x") GLOBAL("builtins", "exec") TOUCH "\x85\x81"
                                                                      "u.",
             ""),
        CASE(WEIGHTS TEXT("\1", "x") TEXT("\2", "os") TEXT("\6", "system") "\x93" TOUCH "\x85}\x92"
                                                                           "u.",
             ""),
        CASE(WEIGHTS TEXT("\1", "x") "(" GLOBAL("posix", "system") TOUCH "o"
                                                                         "u.",
             ""),
        CASE(WEIGHTS TEXT("\1", "x") GLOBAL("a", "B") ")R}" TEXT("\14", "__setstate__") GLOBAL("posix", "system") "sb"
                                                                                                                  "u.",
             ""),
        CASE("\x80\2" GLOBAL("posix", "system") TOUCH "\x85R.", "a PyTorch file without weights"),
        CASE("\x80\2}(" TEXT("\1", "w") GLOBAL("torch._utils", "_rebuild_parameter") "(" GLOBAL("posix", "system") TOUCH
             "\x85R\x88)tRu.",
             "a PyTorch file without weights"),
        CASE("\x80\2}(" TEXT("\1", "v") PAIR TEXT("\1", "w") REBUILD "(" GLOBAL("posix", "system") TOUCH
             "\x85RK\1K\2\x85K\1\x85\x89)tRu.",
             "tensor 'w': its storage is described wrongly"),
    };
    check_pickles(cases, sizeof cases / sizeof *cases);
    assert_int_equal(access("/tmp/tleg-was-run-x", F_OK), -1);
}

static void tensors_that_lie_are_named(void **state) {
    (void)state;
#define W(rest) "\x80\2}(" TEXT("\1", "w") rest "u."
#define OF(storage, offset, shape, strides) REBUILD "(" storage offset shape strides "\x89)tR"
#define FOUR STORAGE("0", "\4")
    static const struct pickle_case cases[] = {
        CASE(W(OF(FOUR, "K\0", "K\5\x85", "K\1\x85")), "tensor 'w': it reaches beyond its storage"),
        CASE(W(OF(FOUR, "K\1", "K\4\x85", "K\1\x85")), "reaches beyond"),
        CASE(W(OF(FOUR, "K\5", "K\0\x85", "K\1\x85")), "reaches beyond"),
        CASE(W(OF(FOUR, "K\0", "K\5\x85", "K\0\x85")), "repeats"),
        CASE(W(OF(FOUR, "K\0", "K\2K\2\x86", "K\3K\1\x86")), "reaches beyond"),
        CASE(W(OF(FOUR, "K\0", "K\2\x85", "\x8a\x8\xff\xff\xff\xff\xff\xff\xff\x7f\x85")), "reaches beyond"),
        CASE(W(OF(FOUR, "K\0", "\x8a\x8\0\0\0\0\0\0\0\x40\x8a\x8\0\0\0\0\0\0\0\x40\x86", "K\0K\0\x86")), "reaches beyond"),
        CASE(W(OF(FOUR, "J\xff\xff\xff\xff", "K\2\x85", "K\1\x85")), "its shape is described wrongly"),
        CASE(W(OF(FOUR, "K\0", "J\xfe\xff\xff\xff\x85", "K\1\x85")), "its shape is described wrongly"),
        CASE(W(OF(FOUR, "K\0", "K\2\x85", "K\1K\1\x86")), "its shape is described wrongly"),
        CASE(W(OF(FOUR, "K\0", "K\2", "K\1")), "its shape is described wrongly"),
        CASE(W(OF(FOUR, "N", "K\2\x85", "K\1\x85")), "its shape is described wrongly"),
        CASE(W(OF(FOUR, "K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t")), "more than 8 dimensions"),
        CASE(W(OF(STORAGE("1", "\4"), "K\0", "K\2\x85", "K\1\x85")), "its storage is not in the archive"),
        CASE(W(OF(STORAGE("0", "\3"), "K\0", "K\2\x85", "K\1\x85")), "has 16 bytes; the pickle says 3 elements of F32"),
        CASE(W(OF("N", "K\0", "K\2\x85", "K\1\x85")), "its storage is described wrongly"),
        CASE(W(OF("NQ", "K\0", "K\2\x85", "K\1\x85")), "its storage is described wrongly"),
        CASE(W(REBUILD "NR"), "its shape is described wrongly"),
        CASE(W(OF("(" TEXT("\7", "storage") GLOBAL("torch", "ComplexDoubleStorage") TEXT("\1", "0") "NK\1tQ", "K\0", "K\1\x85",
                  "K\1\x85")),
             "an element type that is not read"),
    };
    check_pickles(cases, sizeof cases / sizeof *cases);
}

static void pickles_that_are_broken_say_where(void **state) {
    (void)state;
    static const struct pickle_case cases[] = {
        CASE("", "ends in the middle, at byte 0 of 0"),
        CASE("\x80\2", "ends in the middle, at byte 2"),
        CASE("\x80\1.", "protocol other than 2 to 5"),
        CASE("\x80\6N.", "protocol other than 2 to 5"),
        CASE("\x80\2.", "takes what is not there"),
        CASE("\x80\2(.", "takes what is not there"),
        CASE("\x80\2u.", "has no mark"),
        CASE("\x80\2}(Nu.", "puts values into what cannot hold them"),
        CASE("\x80\2N(NNu.", "puts values into what cannot hold them"),
        CASE("\x80\2)Na.", "puts values into what cannot hold them"),
        CASE("\x80\2h\0.", "takes what it has not kept"),
        CASE("\x80\2Nr\xff\xff\xff\x3f.", "under a number that no pickle of its length needs"),
        CASE("\x80\2Pabc\n.", "has an operation"),
        CASE("\x80\2X\xff\xff\xff\xff"
             "a.",
             "ends in the middle"),
        CASE("\x80\4\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
             "a.",
             "ends in the middle"),
        CASE("\x80\2\x8b\xff\xff\xff\xff"
             "a.",
             "ends in the middle"),
        CASE("\x80\2cposix\n", "ends in the middle"),
        CASE("\x80\2NN\x93.", "names a class by what is not a text"),
        CASE("\x80\2(o.", "makes an object of no class"),
    };
    check_pickles(cases, sizeof cases / sizeof *cases);
}

static void names_that_cannot_be_names_are_refused(void **state) {
    (void)state;
    static const struct pickle_case cases[] = {
        CASE("\x80\2}(" TEXT("\1", "\x80") PAIR "u.", "is not UTF-8"),
        CASE("\x80\2}(" TEXT("\3", "\xed\xa0\x80") PAIR "u.", "is not UTF-8"), /* half of a pair */
        CASE("\x80\2}(" TEXT("\2", "a\0") PAIR "u.", "NUL character"),
        CASE("\x80\2}(" TEXT("\1", "w") PAIR TEXT("\1", "w") PAIR "u.", "duplicate tensor 'w'"),
        CASE("\x80\2}(" TEXT("\3", "a.b") PAIR TEXT("\1", "a") "}" TEXT("\1", "b") PAIR "su.", "duplicate tensor 'a.b'"),
        CASE("\x80\2}(K\1" PAIR "u.", "a PyTorch file without weights"),
        CASE("\x80\2}(" TEXT("\1", "w") PAIR "K\1" PAIR "u.", ""),
    };
    check_pickles(cases, sizeof cases / sizeof *cases);
}

static void types_that_the_library_does_not_have_are_listed(void **state) {
    (void)state;
#define V3(type)                                                                                                               \
    "\x80\2}(" TEXT("\1", "w") GLOBAL("torch._utils", "_rebuild_tensor_v3") "((" TEXT("\7", "storage")                         \
        GLOBAL("torch.storage", "UntypedStorage") TEXT("\1", "0") "NK\20tQK\0K\3\x85K\1\x85\x89)" GLOBAL("torch", type) "tRu."
    static const char pickle[] = V3("uint16"), unknown[] = V3("quint4x2");
    tleg_file *file;
    tleg_tensor *tensor;
    OK(open_pickle(pickle, sizeof pickle - 1, &file));
    const struct tleg_entry *entry = tleg_file_find(file, "w");
    assert_string_equal(entry->type_name, "U16");
    assert_true(entry->dtype == 0 && entry->bytes == 6 && entry->shape[0] == 3);
    assert_error(tleg_file_read_tensor(context, file, "w", &tensor), TLEG_ERROR_UNSUPPORTED, "U16");
    tleg_file_free(file);
    assert_error(open_pickle(unknown, sizeof unknown - 1, &file), TLEG_ERROR_UNSUPPORTED, "an element type that is not read");
}

static void what_pytorch_has_put_off_is_not_passed_over(void **state) {
    (void)state;
#define V2(metadata) W(REBUILD "(" FOUR "K\1K\2\x85K\1\x85\x89)" metadata "tR")
#define TYPED(metadata)                                                                                                        \
    W(GLOBAL("torch._utils", "_rebuild_tensor_v3") "(" FOUR "K\1K\2\x85K\1\x85\x89)" GLOBAL("torch", "float32") metadata "tR")
#define BIT(name) "}(" name "\x88u"
    static const struct pickle_case cases[] = {
        CASE(V2("N"), ""),
        CASE(V2("}"), ""),
        CASE(V2(BIT(TEXT("\3", "neg"))), "tensor 'w': its numbers are stored before they are negated or conjugated"),
        CASE(V2(BIT(TEXT("\4", "conj"))), "tensor.resolve_neg().resolve_conj()"),
        CASE(TYPED("N"), ""),
        CASE(TYPED(BIT(TEXT("\3", "neg"))), "resolve_neg()"),
    };
    check_pickles(cases, sizeof cases / sizeof *cases);
}

/* ---- pickles that are bombs ---- */

static unsigned char bomb[400000];
static size_t bomb_size;

static void bomb_put(const void *bytes, size_t size) {
    assert_true(bomb_size + size < sizeof bomb);
    memcpy(bomb + bomb_size, bytes, size);
    bomb_size += size;
}
#define PUT(text) bomb_put(text, sizeof(text) - 1)

static void begin_bomb(void) {
    bomb_size = 0;
    PUT("\x80\4}(" TEXT("\1", "w") PAIR);
}

/* Opens the bomb, in less than a second and without more memory than a hundred times its bytes. */
static tleg_status explode(tleg_file **file) {
    PUT("u.");
    const long long before = counter.live_bytes;
    counter.peak_bytes = before;
    const tleg_status status = open_pickle(bomb, bomb_size, file);
    assert_true(counter.peak_bytes - before < 100 * (long long)bomb_size + 100000);
    return status;
}

static void values_that_double_cost_nothing(void **state) {
    (void)state;
    tleg_file *file;
    begin_bomb();
    PUT(TEXT("\1", "x") "}\x94");
    for (int i = 0; i < 200; i++) { /* {"a": former, "b": former}, 2^200 ways to the first */
        const unsigned char get[] = {'h', (unsigned char)i};
        PUT("}(" TEXT("\1", "a"));
        bomb_put(get, 2);
        PUT(TEXT("\1", "b"));
        bomb_put(get, 2);
        PUT("u\x94");
    }
    OK(explode(&file));
    check_pair(file, "w");
    tleg_file_free(file);
}

static void what_is_under_two_names_is_refused_where_it_holds_weights(void **state) {
    (void)state;
    static const struct pickle_case cases[] = {
        CASE(WEIGHTS TEXT("\1", "a") "}q\0" TEXT("\1", "v") PAIR "s" TEXT("\1", "b") "h\0u.",
             "'b': what is under this name is under another"),
        CASE("\x80\2}q\0(" TEXT("\1", "w") PAIR TEXT("\1", "x") "h\0u.", "'x': what is under this name is under another"),
        CASE(WEIGHTS TEXT("\1", "a") "}q\0" TEXT("\1", "b") "h\0su.", ""),
        CASE(WEIGHTS TEXT("\1", "a") "}q\0(" TEXT("\1", "b") "h\0" TEXT("\1", "c") "h\0u" TEXT("\1", "d") "h\0u.", ""),
    };
    check_pickles(cases, sizeof cases / sizeof *cases);
}

static void depth_costs_no_stack(void **state) {
    (void)state;
    tleg_file *file;
    begin_bomb();
    PUT(TEXT("\1", "x"));
    for (int i = 0; i < 100000; i++)
        PUT("]");
    for (int i = 0; i < 99999; i++)
        PUT("a");
    OK(explode(&file));
    tleg_file_free(file);
    begin_bomb();
    PUT(TEXT("\1", "x"));
    for (int i = 0; i < 100; i++)
        PUT("}(" TEXT("\1", "x"));
    PUT("N");
    for (int i = 0; i < 100; i++)
        PUT(TEXT("\1", "y") "Nu");
    assert_error(explode(&file), TLEG_ERROR_UNSUPPORTED, "lies deeper than 64 dictionaries");
    begin_bomb();
    PUT(TEXT("\1", "x"));
    for (int i = 0; i < 10000; i++)
        PUT(GLOBAL("torch._utils", "_rebuild_parameter"));
    PUT("N");
    for (int i = 0; i < 10000; i++)
        PUT("\x85R");
    OK(explode(&file));
    tleg_file_free(file);
}

static void marks_values_and_long_names_are_bounded(void **state) {
    (void)state;
    tleg_file *file;
    begin_bomb();
    for (int i = 0; i < 100000; i++)
        PUT("(");
    assert_int_equal(explode(&file), TLEG_ERROR_FORMAT);
    begin_bomb();
    for (int i = 0; i < 100000; i++)
        PUT("]");
    assert_error(explode(&file), TLEG_ERROR_FORMAT, "holds more values than a pickle of its length");
    begin_bomb();
    PUT("X\xff\3\0\0");
    for (int i = 0; i < 1023; i++)
        PUT("n");
    PUT("}" TEXT("\1", "v") PAIR "s");
    assert_error(explode(&file), TLEG_ERROR_UNSUPPORTED, "too long");
}

static void tensors_that_repeat_each_other_are_no_more_than_sixteen_files(void **state) {
    (void)state;
    tleg_file *file;
    begin_bomb();
    PUT(TEXT("\1", "v") PAIR "\x94");
    for (int i = 0; i < 9000; i++) {
        char key[16];
        snprintf(key, sizeof key, "\x8c\4%04d", i);
        bomb_put(key, 6);
        PUT("h\0");
    }
    OK(explode(&file));
    assert_int_equal(tleg_file_get_tensor_count(file), 9002);
    tleg_file_free(file);
    memset(&zip, 0, sizeof zip);
    static float numbers[10000];
    static const char large[] = "\x80\4}(" TEXT("\1", "v") REBUILD "((" TEXT("\7", "storage") GLOBAL("torch", "FloatStorage")
        TEXT("\1", "0") "NM\x10\x27tQK\0M\x10\x27\x85K\1\x85\x89)tR\x94";
    bomb_size = 0;
    bomb_put(large, sizeof large - 1);
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "\x8c\2%02d", i);
        bomb_put(key, 4);
        PUT("h\0");
    }
    PUT("u.");
    zip_add(&zip, "x/data.pkl", bomb, bomb_size);
    zip_add(&zip, "x/data/0", numbers, sizeof numbers);
    zip_finish(&zip);
    assert_error(tleg_file_parse(context, zip.bytes, zip.size, &file), TLEG_ERROR_FORMAT, "they repeat each other");
}

/* ---- archives that lie ---- */

static const char good_pickle[] = WEIGHTS "u.";

/* Opens the good archive with `bytes` put at a place of it. */
static tleg_status open_patched(size_t at, uint64_t number, size_t bytes, tleg_file **file) {
    make_zip(good_pickle, sizeof good_pickle - 1);
    zip_finish(&zip);
    zip_put(zip.bytes + at, number, bytes);
    return tleg_file_parse(context, zip.bytes, zip.size, file);
}

static void archives_that_lie_are_refused(void **state) {
    (void)state;
    make_zip(good_pickle, sizeof good_pickle - 1);
    zip_finish(&zip);
    const size_t lines[2] = {zip.directory + zip.line[0], zip.directory + zip.line[1]}, second = zip.header[1], end = zip.end;
    const struct {
        size_t at;
        uint64_t number;
        size_t bytes;
        const char *says;
    } cases[] = {
        {lines[1] + 42, 0, 4, "does not lie where the directory says"},
        {lines[1] + 42, second + 1, 4, "does not lie where the directory says"},
        {lines[1] + 42, 0xfffffffe, 4, "overlaps what comes after it"},
        {lines[1] + 42, 0xffffffff, 4, "a line of its directory is broken"},
        {lines[1] + 24, 17, 4, "a line of its directory is broken"},
        {lines[0] + 20, UINT64_C(0x0000ffff0000ffff), 8, "sizes"},
        {second + 22, 15, 4, "its header and the directory give it different sizes"},
        {second + 26, 7, 2, "does not lie where the directory says"},
        {second + 28, 500, 2, "overlaps what comes after it"},
        {second, 0, 4, "does not lie where the directory says"},
        {lines[1], 0, 4, "a line of its directory is broken"},
        {lines[1] + 28, 60000, 2, "a line of its directory is broken"},
        {lines[1] + 10, 8, 2, "tensor 'w': its storage is compressed or encrypted"},
        {lines[1] + 8, 1, 2, "tensor 'w': its storage is compressed or encrypted"},
        {lines[0] + 10, 8, 2, "\"x/data.pkl\" is compressed or encrypted"},
        {lines[0] + 46, 'y', 1, "a zip archive that is not a PyTorch file"},
        {end + 10, 3, 2, "a part of an archive in several files"},
        {end + 8, 0x00030003, 4, "claims more than it holds"},
        {end + 8, 0x00010001, 4, "does not have the lines that it claims"},
        {end + 12, 47, 4, "its directory does not lie where it says"},
        {end + 16, 0x7fffffff, 4, "its directory does not lie where it says"},
        {end + 20, 1, 2, "no directory at its end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tleg_file *file;
        const tleg_status status = open_patched(cases[i].at, cases[i].number, cases[i].bytes, &file);
        if (status != TLEG_ERROR_FORMAT && status != TLEG_ERROR_UNSUPPORTED)
            fail_msg("case %zu: %s", i, tleg_status_name(status));
        if (i != 15) /* "y/data.pkl" with the storage in another folder */
            assert_contains(tleg_context_get_error(context), cases[i].says);
    }
}

/* Adds a member to the good archive and opens it. */
static tleg_status open_with(const char *name, const char *data, tleg_file **file) {
    make_zip(good_pickle, sizeof good_pickle - 1);
    assert_true(zip_add(&zip, name, data, strlen(data)));
    zip_finish(&zip);
    return tleg_file_parse(context, zip.bytes, zip.size, file);
}

static void members_say_what_a_file_is(void **state) {
    (void)state;
    tleg_file *file;
    OK(open_with("x/byteorder", "little", &file));
    check_pair(file, "w");
    tleg_file_free(file);
    assert_error(open_with("x/byteorder", "big", &file), TLEG_ERROR_UNSUPPORTED, "big-endian");
    assert_error(open_with("x/byteorder", "medium", &file), TLEG_ERROR_UNSUPPORTED, "big-endian");
    assert_error(open_with("x/data/0", "", &file), TLEG_ERROR_FORMAT, "\"x/data/0\": its name is there twice");
    assert_error(open_with("y/data.pkl", "", &file), TLEG_ERROR_FORMAT, "several PyTorch files");
    OK(open_with("x/deeper/data.pkl", "", &file));
    tleg_file_free(file);
    memset(&zip, 0, sizeof zip);
    zip_add(&zip, "embedding/kernel.npy", "x", 1);
    zip_finish(&zip);
    assert_error(tleg_file_parse(context, zip.bytes, zip.size, &file), TLEG_ERROR_FORMAT, "NumPy's arrays (.npz");
    memset(&zip, 0, sizeof zip);
    zip_add(&zip, "word/document.xml", "x", 1);
    zip_finish(&zip);
    assert_error(tleg_file_parse(context, zip.bytes, zip.size, &file), TLEG_ERROR_FORMAT, "no data.pkl");
}

static void a_folder_is_not_needed_and_a_comment_is_allowed(void **state) {
    (void)state;
    static const float numbers[4] = {1, 2, 3, 4};
    tleg_file *file;
    memset(&zip, 0, sizeof zip);
    zip_add(&zip, "data.pkl", good_pickle, sizeof good_pickle - 1);
    zip_add(&zip, "data/0", numbers, sizeof numbers);
    zip_finish(&zip);
    zip_put(zip.bytes + zip.end + 20, 5, 2);
    memcpy(zip.bytes + zip.size, "hello", 5);
    OK(tleg_file_parse(context, zip.bytes, zip.size + 5, &file));
    check_pair(file, "w");
    tleg_file_free(file);
}

/* The end's record with 64-bit numbers, as PyTorch writes it for files above 4 GiB. */
static void sizes_of_64_bits_are_read(void **state) {
    (void)state;
    tleg_file *file;
    make_zip(good_pickle, sizeof good_pickle - 1);
    const size_t line = zip.line[1], extra = 28;
    zip_put(zip.lines + line + 20, UINT32_MAX, 4);
    zip_put(zip.lines + line + 24, UINT32_MAX, 4);
    zip_put(zip.lines + line + 42, UINT32_MAX, 4);
    zip_put(zip.lines + line + 30, extra, 2);
    zip_put(zip.lines + zip.lines_size, 1, 2);
    zip_put(zip.lines + zip.lines_size + 2, 24, 2);
    zip_put(zip.lines + zip.lines_size + 4, 16, 8);
    zip_put(zip.lines + zip.lines_size + 12, 16, 8);
    zip_put(zip.lines + zip.lines_size + 20, zip.header[1], 8);
    zip.lines_size += extra;
    zip_finish(&zip);
    unsigned char *wide = zip.bytes + zip.end;
    memset(wide, 0, 98);
    memcpy(wide, "PK\6\6", 4);
    zip_put(wide + 32, 2, 8);
    zip_put(wide + 40, zip.lines_size, 8);
    zip_put(wide + 48, zip.directory, 8);
    memcpy(wide + 56, "PK\6\7", 4);
    zip_put(wide + 64, zip.end, 8);
    memcpy(wide + 76, "PK\5\6\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0", 22);
    OK(tleg_file_parse(context, zip.bytes, zip.end + 98, &file));
    check_pair(file, "w");
    tleg_file_free(file);
    zip_put(wide + 64, zip.end + 1, 8);
    assert_error(tleg_file_parse(context, zip.bytes, zip.end + 98, &file), TLEG_ERROR_FORMAT,
                 "its end does not lie where it says");
    zip_put(wide + 64, UINT64_MAX, 8);
    assert_error(tleg_file_parse(context, zip.bytes, zip.end + 98, &file), TLEG_ERROR_FORMAT,
                 "its end does not lie where it says");
}

/* ---- damage, and want of memory ---- */

static void a_file_cut_anywhere_is_refused(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = load("script.pt", &size);
    tleg_file *file;
    for (size_t cut = 1; cut < size; cut++) {
        unsigned char *exact = malloc(cut); /* a sanitizer sees what reads beyond */
        memcpy(exact, bytes, cut);
        assert_int_equal(tleg_file_parse(context, exact, cut, &file), TLEG_ERROR_FORMAT);
        free(exact);
    }
    free(bytes);
}

static void any_byte_may_be_wrong(void **state) {
    (void)state;
    static const unsigned char changes[] = {0x01, 0x80, 0xff};
    size_t size;
    unsigned char *bytes = load("protocol4.pth", &size), numbers[600];
    for (size_t at = 0; at < size; at++)
        for (size_t k = 0; k < sizeof changes; k++) {
            tleg_file *file;
            const struct tleg_entry *entries;
            bytes[at] ^= changes[k];
            const tleg_status status = tleg_file_parse(context, bytes, size, &file);
            assert_true(status == TLEG_OK || tleg_context_get_error(context)[0]);
            for (int64_t i = status == TLEG_OK ? tleg_file_entries(file, &entries) : 0; i-- > 0;)
                if (entries[i].bytes <= sizeof numbers)
                    OK(tleg_file_read_bytes(context, file, &entries[i], 0, (size_t)entries[i].bytes, numbers));
            tleg_file_free(file);
            bytes[at] ^= changes[k];
        }
    free(bytes);
}

static void want_of_memory_is_said_at_every_place(void **state) {
    (void)state;
    tleg_file *file;
    tleg_status status = TLEG_ERROR_MEMORY;
    for (long long call = 1; status != TLEG_OK; call++) {
        counter.calls = 0;
        counter.fail_at = call;
        status = tleg_file_open(context, fixture("lightning.pth"), NULL, &file);
        counter.fail_at = 0;
        assert_true(status == TLEG_OK || status == TLEG_ERROR_MEMORY);
        assert_true(call < 200);
    }
    float turned[24];
    const struct tleg_entry *entry = tleg_file_find(file, "turned");
    counter.calls = 0;
    counter.fail_at = 1;
    assert_error(tleg_file_read_f32(context, file, entry, turned), TLEG_ERROR_MEMORY, "");
    counter.fail_at = 0;
    OK(tleg_file_read_f32(context, file, entry, turned));
    tleg_file_free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_of_saving_gives_the_same_bits),
        cmocka_unit_test(memory_gives_them_too),
        cmocka_unit_test(a_source_gives_them_too),
        cmocka_unit_test(an_index_may_name_them),
        cmocka_unit_test(what_does_not_lie_in_rows_is_read_by_whole_elements),
        cmocka_unit_test(a_choice_among_several_sets_is_said),
        cmocka_unit_test(a_key_must_be_there_and_mean_something),
        cmocka_unit_test(a_key_reaches_models_in_memory),
        cmocka_unit_test(files_without_weights_say_what_they_are),
        cmocka_unit_test(tensors_beside_the_chosen_set_are_said),
        cmocka_unit_test(nothing_in_a_pickle_is_run),
        cmocka_unit_test(tensors_that_lie_are_named),
        cmocka_unit_test(pickles_that_are_broken_say_where),
        cmocka_unit_test(names_that_cannot_be_names_are_refused),
        cmocka_unit_test(types_that_the_library_does_not_have_are_listed),
        cmocka_unit_test(what_pytorch_has_put_off_is_not_passed_over),
        cmocka_unit_test(values_that_double_cost_nothing),
        cmocka_unit_test(what_is_under_two_names_is_refused_where_it_holds_weights),
        cmocka_unit_test(depth_costs_no_stack),
        cmocka_unit_test(marks_values_and_long_names_are_bounded),
        cmocka_unit_test(tensors_that_repeat_each_other_are_no_more_than_sixteen_files),
        cmocka_unit_test(archives_that_lie_are_refused),
        cmocka_unit_test(members_say_what_a_file_is),
        cmocka_unit_test(a_folder_is_not_needed_and_a_comment_is_allowed),
        cmocka_unit_test(sizes_of_64_bits_are_read),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(any_byte_may_be_wrong),
        cmocka_unit_test(want_of_memory_is_said_at_every_place),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
