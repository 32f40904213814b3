/* Files whose bytes a host's function gives: the same learngenes, models and expanders as from a path, and what a host gets
 * from a source that fails or lies. */
#include "support/support.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file in memory as a host's source sees it. */
struct store {
    const unsigned char *data;
    size_t size;
    atomic_llong reads;
    atomic_int released, outside, large; /* calls of release; reads beyond the size; pieces above 1 MiB */
    long long fail_at;                   /* the read that fails, from 1; 0: none */
    tleg_status failure;
};

static tleg_status TLEG_CALL store_read(void *host, uint64_t offset, size_t bytes, void *out) {
    struct store *store = host;
    if (atomic_fetch_add(&store->reads, 1) + 1 == store->fail_at) {
        return store->failure;
    }
    if (bytes == 0 || offset > store->size || bytes > store->size - offset) {
        atomic_fetch_add(&store->outside, 1);
        return TLEG_ERROR_IO;
    }
    atomic_fetch_add(&store->large, bytes > 1 << 20);
    memcpy(out, store->data + offset, bytes);
    return TLEG_OK;
}

static void TLEG_CALL store_release(void *host) {
    struct store *store = host;
    atomic_fetch_add(&store->released, 1);
}

static tleg_source source_of(struct store *store) {
    return (tleg_source){.struct_size = sizeof(tleg_source),
                         .size = store->size,
                         .read = store_read,
                         .release = store_release,
                         .host = store,
                         .name = "assets/gene"};
}

/* ---- what they are opened from: a learngene, the same under a wrapper's names, a model ---- */

static struct {
    tleg_context *context;
    unsigned char *gene, *wrapped, *model;
    size_t gene_bytes, wrapped_bytes, model_bytes;
} my;

/* The tensors of a file under other names. */
static void save_wrapped(const char *from, const char *to) {
    tleg_file *file = NULL;
    char names[64][96];
    const char *list[64], *pairs[64], *key;
    int64_t keys = 0;
    tleg_tensor *tensors[64] = {NULL};
    OK(my.context, tleg_file_open(my.context, from, NULL, &file));
    const int64_t count = tleg_file_get_tensor_count(file);
    for (; (key = tleg_file_get_metadata_key(file, keys)) != NULL; keys++) {
        assert_true(keys < 32);
        pairs[2 * keys] = key;
        pairs[2 * keys + 1] = tleg_file_get_metadata(file, key);
    }
    assert_true(count <= 64);
    for (int64_t i = 0; i < count; i++) {
        const char *name = tleg_file_get_tensor_name(file, i);
        snprintf(names[i], sizeof names[i], "module.%s", name);
        list[i] = names[i];
        OK(my.context, tleg_file_read_tensor(my.context, file, name, &tensors[i]));
    }
    OK(my.context, tleg_file_save(my.context, to, count, list, (const tleg_tensor *const *)tensors, SAVE_WITH(keys, pairs)));
    for (int64_t i = 0; i < count; i++) {
        tleg_tensor_free(tensors[i]);
    }
    tleg_file_free(file);
}

static int prepare(void **state) {
    (void)state;
    assert_int_equal(tleg_context_create(NULL, &my.context), TLEG_OK);
    const char *path = support_path("combo", ".gene.safetensors");
    tleg_learngene *gene = support_gene(my.context, "combo");
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    OK(my.context, tleg_expander_create(my.context, gene, NULL, &expander));
    OK(my.context, tleg_expander_expand(my.context, expander, 5, &model));
    OK(my.context, tleg_model_save(my.context, model, support_scratch("model"), NULL));
    save_wrapped(path, support_scratch("wrapped"));
    my.gene = support_read_file(path, &my.gene_bytes);
    my.wrapped = support_read_file(support_scratch("wrapped"), &my.wrapped_bytes);
    my.model = support_read_file(support_scratch("model"), &my.model_bytes);
    tleg_model_free(model);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    return 0;
}

static int clean(void **state) {
    (void)state;
    free(my.gene);
    free(my.wrapped);
    free(my.model);
    tleg_context_free(my.context);
    support_clean(NULL);
    return 0;
}

static void same_files(const char *a, const char *b) {
    size_t a_bytes, b_bytes;
    unsigned char *first = support_read_file(a, &a_bytes), *second = support_read_file(b, &b_bytes);
    assert_int_equal(a_bytes, b_bytes);
    assert_memory_equal(first, second, a_bytes);
    free(first);
    free(second);
}

/* ---- the same as from a path ---- */

static void a_learngene_from_a_source_is_that_of_the_path(void **state) {
    (void)state;
    struct store store = {.data = my.gene, .size = my.gene_bytes};
    const tleg_source source = source_of(&store);
    tleg_file *file = NULL;
    tleg_learngene *from_path = support_gene(my.context, "combo"), *gene = NULL;
    OK(my.context, tleg_file_open_source(my.context, &source, &file));
    OK(my.context, tleg_learngene_read(my.context, file, NULL, &gene));
    tleg_file_free(file); /* the learngene needs it no more */
    assert_int_equal(atomic_load(&store.released), 1);
    OK(my.context, tleg_learngene_save(my.context, gene, support_scratch("a"), NULL));
    OK(my.context, tleg_learngene_save(my.context, from_path, support_scratch("b"), NULL));
    same_files(support_scratch("a"), support_scratch("b"));
    assert_int_equal(atomic_load(&store.outside) + atomic_load(&store.large), 0);
    tleg_learngene_free(gene);
    tleg_learngene_free(from_path);
}

static void a_model_from_a_source_is_that_of_the_path(void **state) {
    (void)state;
    struct store store = {.data = my.model, .size = my.model_bytes};
    const tleg_source source = source_of(&store);
    tleg_file *file = NULL;
    tleg_model *model = NULL;
    OK(my.context, tleg_file_open_source(my.context, &source, &file));
    OK(my.context, tleg_model_read(my.context, file, NULL, &model));
    tleg_file_free(file);
    OK(my.context, tleg_model_save(my.context, model, support_scratch("a"), NULL));
    same_files(support_scratch("a"), support_scratch("model"));
    assert_int_equal(atomic_load(&store.outside) + atomic_load(&store.large), 0);
    tleg_model_free(model);
}

/* From memory, and from a source under a wrapper's names: both give the models that the path's expander gives. */
static void an_expander_from_memory_or_a_source_is_that_of_the_path(void **state) {
    (void)state;
    struct store store = {.data = my.wrapped, .size = my.wrapped_bytes};
    const tleg_source source = source_of(&store);
    tleg_file *file = NULL;
    tleg_expander *expanders[2] = {NULL};
    OK(my.context, tleg_file_open_source(my.context, &source, &file));
    OK(my.context, tleg_expander_parse(my.context, my.gene, my.gene_bytes, NULL, NULL, &expanders[0]));
    OK(my.context, tleg_expander_read(my.context, file, NULL, NULL, &expanders[1]));
    for (int k = 0; k < 2; k++) {
        tleg_model *model = NULL;
        OK(my.context, tleg_expander_expand(my.context, expanders[k], 5, &model));
        OK(my.context, tleg_model_save(my.context, model, support_scratch("a"), NULL));
        same_files(support_scratch("a"), support_scratch("model"));
        tleg_model_free(model);
        tleg_expander_free(expanders[k]);
    }
    assert_non_null(strstr(tleg_file_get_tensor_name(file, 0), "module.")); /* the handle's names stay as they are */
    tleg_file_free(file);
    assert_int_equal(atomic_load(&store.released), 1);
}

struct reader {
    pthread_t thread;
    const tleg_file *file;
    bool good;
};

/* Every tensor, then the learngene and its expander, in a context of its own. */
static void *read_everything(void *arg) {
    struct reader *reader = arg;
    tleg_context *context = NULL;
    tleg_learngene *gene = NULL;
    tleg_expander *expander = NULL;
    bool good = tleg_context_create(NULL, &context) == TLEG_OK;
    for (int64_t i = 0; good && i < tleg_file_get_tensor_count(reader->file); i++) {
        tleg_tensor *tensor = NULL;
        good = tleg_file_read_tensor(context, reader->file, tleg_file_get_tensor_name(reader->file, i), &tensor) == TLEG_OK;
        tleg_tensor_free(tensor);
    }
    reader->good = good && tleg_learngene_read(context, reader->file, NULL, &gene) == TLEG_OK &&
                   tleg_expander_read(context, reader->file, NULL, NULL, &expander) == TLEG_OK;
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    tleg_context_free(context);
    return NULL;
}

static void threads_read_one_source_at_the_same_time(void **state) {
    (void)state;
    struct store store = {.data = my.wrapped, .size = my.wrapped_bytes};
    const tleg_source source = source_of(&store);
    tleg_file *file = NULL;
    struct reader readers[4];
    OK(my.context, tleg_file_open_source(my.context, &source, &file));
    for (int k = 0; k < 4; k++) {
        readers[k] = (struct reader){.file = file};
        assert_int_equal(pthread_create(&readers[k].thread, NULL, read_everything, &readers[k]), 0);
    }
    for (int k = 0; k < 4; k++) {
        pthread_join(readers[k].thread, NULL);
        assert_true(readers[k].good);
    }
    assert_int_equal(atomic_load(&store.released), 0);
    tleg_file_free(file);
    assert_int_equal(atomic_load(&store.released), 1);
}

/* ---- sources that fail ---- */

enum { FILE_ALONE, LEARNGENE, MODEL, EXPANDER, KINDS };

/* Opens the store, and what it holds; the file is closed again. */
static tleg_status open_all(tleg_context *context, struct store *store, int kind) {
    const tleg_source source = source_of(store);
    tleg_file *file = NULL;
    tleg_learngene *gene = NULL;
    tleg_model *model = NULL;
    tleg_expander *expander = NULL;
    tleg_status status = tleg_file_open_source(context, &source, &file);
    if (status == TLEG_OK) {
        status = kind == LEARNGENE  ? tleg_learngene_read(context, file, NULL, &gene)
                 : kind == MODEL    ? tleg_model_read(context, file, NULL, &model)
                 : kind == EXPANDER ? tleg_expander_read(context, file, NULL, NULL, &expander)
                                    : TLEG_OK;
    } else {
        assert_null(file);
        assert_int_equal(atomic_load(&store->released), 0); /* on failure the host keeps it */
        store_release(store);
    }
    if (status != TLEG_OK) {
        assert_true(gene == NULL && model == NULL && expander == NULL);
    }
    tleg_expander_free(expander);
    tleg_model_free(model);
    tleg_learngene_free(gene);
    tleg_file_free(file);
    return status;
}

/* Whichever read fails, the call fails as the host said, and nothing is left. */
static void each_read_may_fail(void **state) {
    (void)state;
    static const tleg_status failures[][2] = {{TLEG_ERROR_IO, TLEG_ERROR_IO},
                                              {TLEG_ERROR_CANCELLED, TLEG_ERROR_CANCELLED},
                                              {4711, TLEG_ERROR_IO},
                                              {-1, TLEG_ERROR_IO}};
    for (int kind = 0; kind < KINDS; kind++) {
        struct counter counter;
        support_counter(&counter);
        tleg_context_options options = support_counted(&counter);
        tleg_context *context = NULL;
        assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
        const long long live = atomic_load(&counter.live);
        tleg_status status = TLEG_ERROR_IO;
        for (long long n = 1; status != TLEG_OK; n++) {
            const tleg_status *failure = failures[n % 4];
            struct store store = {.data = kind == MODEL ? my.model : my.gene,
                                  .size = kind == MODEL ? my.model_bytes : my.gene_bytes,
                                  .fail_at = n,
                                  .failure = failure[0]};
            status = open_all(context, &store, kind);
            assert_int_equal(atomic_load(&store.released), 1);
            assert_int_equal(atomic_load(&counter.live), live);
            if (n > atomic_load(&store.reads)) {
                assert_int_equal(status, TLEG_OK);
                assert_true(n > 2); /* some did fail */
                break;
            }
            assert_int_equal(status, failure[1]);
            assert_non_null(strstr(tleg_context_get_error(context), "assets/gene: the host's source gave "));
        }
        tleg_context_free(context);
        assert_int_equal(atomic_load(&counter.live) + atomic_load(&counter.wrong), 0);
    }
}

static void a_source_that_lies_about_its_size_is_refused(void **state) {
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct store store = {.data = my.gene, .size = more ? my.gene_bytes + 64 : my.gene_bytes - 64};
        const tleg_source source = source_of(&store);
        tleg_file *file = NULL;
        assert_int_equal(tleg_file_open_source(my.context, &source, &file), TLEG_ERROR_FORMAT);
        assert_non_null(strstr(tleg_context_get_error(my.context), more ? "64 bytes too many" : "is truncated"));
        assert_null(file);
        assert_int_equal(atomic_load(&store.released), 0);
    }
    struct store store = {.data = my.gene, .size = 5}; /* not even a length */
    const tleg_source source = source_of(&store);
    tleg_file *file = NULL;
    assert_int_equal(tleg_file_open_source(my.context, &source, &file), TLEG_ERROR_FORMAT);
}

static void an_index_of_several_files_is_refused(void **state) {
    (void)state;
    static const char index[] = "{\"weight_map\": {\"head.weight\": \"model-00001-of-00001.safetensors\"}}";
    struct store store = {.data = (const unsigned char *)index, .size = sizeof index - 1};
    const tleg_source source = source_of(&store);
    tleg_file *file = NULL;
    assert_int_equal(tleg_file_open_source(my.context, &source, &file), TLEG_ERROR_FORMAT);
    assert_non_null(strstr(tleg_context_get_error(my.context), "index"));
    assert_null(file);
}

static void what_a_source_must_be(void **state) {
    (void)state;
    struct store store = {.data = my.gene, .size = my.gene_bytes};
    const tleg_source good = source_of(&store);
    tleg_file *file = NULL;
    assert_int_equal(tleg_file_open_source(NULL, &good, &file), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_open_source(my.context, NULL, &file), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_file_open_source(my.context, &good, NULL), TLEG_ERROR_ARGUMENT);
    tleg_source wrong = good;
    wrong.read = NULL;
    assert_int_equal(tleg_file_open_source(my.context, &wrong, &file), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(my.context), "tleg_source.read"));
    wrong = good;
    wrong.flags = 1;
    assert_int_equal(tleg_file_open_source(my.context, &wrong, &file), TLEG_ERROR_UNSUPPORTED);
    assert_non_null(strstr(tleg_context_get_error(my.context), "tleg_source.flags"));
    wrong = good;
    wrong.struct_size = 0;
    assert_int_equal(tleg_file_open_source(my.context, &wrong, &file), TLEG_ERROR_ARGUMENT);
    assert_int_equal(atomic_load(&store.reads) + atomic_load(&store.released), 0);
    tleg_source bare = good; /* without a name and a release */
    bare.name = NULL;
    bare.release = NULL;
    OK(my.context, tleg_file_open_source(my.context, &bare, &file));
    tleg_tensor *tensor = NULL;
    assert_true(tleg_file_read_tensor(my.context, file, "nowhere", &tensor) != TLEG_OK);
    assert_non_null(strstr(tleg_context_get_error(my.context), "(source): no tensor 'nowhere'"));
    tleg_file_free(file);
}

/* A path is bytes; a text is UTF-8 whatever the path was. */
static void texts_are_utf8_whatever_a_name_is(void **state) {
    (void)state;
    char path[600];
    tleg_file *file = NULL;
    tleg_tensor *tensor = NULL;
    tleg_learngene *gene = support_gene(my.context, "cls"), *back = NULL;
    snprintf(path, sizeof path, "%s", support_scratch("g\xff\xc3\xa9\xe9ne"));
    assert_int_equal(tleg_learngene_open(my.context, path, NULL, &back), TLEG_ERROR_NOT_FOUND);
    assert_non_null(strstr(tleg_context_get_error(my.context), "g\\xff\xc3\xa9\\xe9ne: "));
    OK(my.context, tleg_learngene_save(my.context, gene, path, NULL));
    OK(my.context, tleg_learngene_open(my.context, path, NULL, &back));
    struct store store = {.data = my.gene, .size = my.gene_bytes};
    tleg_source source = source_of(&store);
    source.name = "\xe2\x82"; /* cut within a character */
    OK(my.context, tleg_file_open_source(my.context, &source, &file));
    assert_int_equal(tleg_file_read_tensor(my.context, file, "\xc0", &tensor), TLEG_ERROR_NOT_FOUND);
    assert_non_null(strstr(tleg_context_get_error(my.context), "\\xe2\\x82: no tensor '\\xc0'"));
    tleg_file_free(file);
    tleg_learngene_free(back);
    tleg_learngene_free(gene);
}

/* ---- how things are opened ---- */

static void opening_options_are_checked(void **state) {
    (void)state;
    const char *path = support_path("combo", ".gene.safetensors");
    tleg_open_options options = {.struct_size = sizeof options, .dtype = TLEG_I64};
    tleg_learngene *gene = NULL;
    tleg_expander *expander = NULL;
    tleg_file *file = NULL;
    assert_int_equal(tleg_learngene_open(my.context, path, &options, &gene), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(my.context), "tleg_open_options.dtype"));
    assert_int_equal(tleg_file_open(my.context, path, OPEN_WITH(0, 4), &file), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(my.context), "tleg_open_options.heads"));
    assert_int_equal(tleg_learngene_open(my.context, path, OPEN_WITH(2, 0), &gene), TLEG_ERROR_UNSUPPORTED);
    assert_non_null(strstr(tleg_context_get_error(my.context), "flags 0x2"));
    assert_int_equal(tleg_learngene_parse(my.context, my.gene, my.gene_bytes, OPEN_WITH(3, 0), &gene), TLEG_ERROR_UNSUPPORTED);
    assert_non_null(strstr(tleg_context_get_error(my.context), "flags 0x2"));
    const tleg_open_options newer = {.struct_size = sizeof newer, .reserved_pointer = path};
    assert_int_equal(tleg_learngene_open(my.context, path, &newer, &gene), TLEG_ERROR_UNSUPPORTED);
    assert_non_null(strstr(tleg_context_get_error(my.context), "tleg_open_options.reserved_pointer"));
    /* what is not a path is not mapped */
    assert_int_equal(tleg_learngene_parse(my.context, my.gene, my.gene_bytes, OPEN_WITH(TLEG_OPEN_MAP, 0), &gene),
                     TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(my.context), "TLEG_OPEN_MAP is for a path"));
    OK(my.context, tleg_file_parse(my.context, my.gene, my.gene_bytes, &file));
    assert_int_equal(tleg_expander_read(my.context, file, OPEN_WITH(TLEG_OPEN_MAP, 0), NULL, &expander), TLEG_ERROR_ARGUMENT);
    options = (tleg_open_options){.struct_size = 6};
    assert_int_equal(tleg_learngene_read(my.context, file, &options, &gene), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(my.context), "struct_size is 6"));
    tleg_file_free(file);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_learngene_from_a_source_is_that_of_the_path),
        cmocka_unit_test(a_model_from_a_source_is_that_of_the_path),
        cmocka_unit_test(an_expander_from_memory_or_a_source_is_that_of_the_path),
        cmocka_unit_test(threads_read_one_source_at_the_same_time),
        cmocka_unit_test(each_read_may_fail),
        cmocka_unit_test(a_source_that_lies_about_its_size_is_refused),
        cmocka_unit_test(an_index_of_several_files_is_refused),
        cmocka_unit_test(what_a_source_must_be),
        cmocka_unit_test(texts_are_utf8_whatever_a_name_is),
        cmocka_unit_test(opening_options_are_checked),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
