/* Weights that are packed as their file is read: the bits of those that were in memory whole, and little more memory than they
 * take in the end. */
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct golden cases[MAX_GOLDEN];
static int32_t case_count;
static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;
static const int32_t dtypes[] = {TLEG_F32, TLEG_BF16, TLEG_F16};
enum { DTYPES = 3, WIDE = 200 };

/* A model as a file's bytes. */
static unsigned char *bytes_of(tleg_context *context, const tleg_model *model, size_t *bytes) {
    OK(context, tleg_model_save(context, model, support_scratch("compared.safetensors"), NULL));
    return support_read_file(support_scratch("compared.safetensors"), bytes);
}

static void assert_same_model(tleg_context *context, const tleg_model *a, const tleg_model *b, const char *what) {
    size_t a_bytes, b_bytes;
    unsigned char *a_file = bytes_of(context, a, &a_bytes), *b_file = bytes_of(context, b, &b_bytes);
    if (a_bytes != b_bytes || memcmp(a_file, b_file, a_bytes) != 0)
        fail_msg("%s: the models differ", what);
    free(a_file);
    free(b_file);
}

/* Both ways from a file to an expander give the same models. */
static void assert_same_expanders(tleg_context *context, const char *path, uint32_t flags, const tleg_expander_options *options,
                                  int32_t depth) {
    tleg_learngene *gene = NULL;
    tleg_expander *whole = NULL, *pieces = NULL;
    tleg_model *a = NULL, *b = NULL;
    OK(context, tleg_learngene_open(context, path, NULL, &gene));
    OK(context, tleg_expander_create(context, gene, options, &whole));
    OK(context, tleg_expander_open(context, path, OPEN_WITH(flags, 0), options, &pieces));
    OK(context, tleg_expander_expand(context, whole, depth, &a));
    OK(context, tleg_expander_expand(context, pieces, depth, &b));
    assert_same_model(context, a, b, path);
    tleg_model_free(a);
    tleg_model_free(b);
    tleg_expander_free(whole);
    tleg_expander_free(pieces);
    tleg_learngene_free(gene);
}

static void an_expander_from_a_file_is_one_from_a_learngene(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 2);
        for (int32_t i = 0; i < case_count; i++) {
            const tleg_expander_options options = {.struct_size = sizeof options,
                                                   .dtype = dtypes[i % DTYPES],
                                                   .norm = cases[i].timm ? TLEG_NORM_AFTER_POOL : 0,
                                                   .image_size = cases[i].image,
                                                   .classes = i % 4 == 3 ? 9 : 0,
                                                   .seed = 5};
            assert_same_expanders(context, support_path(cases[i].gene, ".gene.safetensors"), i % 2 ? TLEG_OPEN_MAP : 0,
                                  &options, cases[i].depth);
        }
        tleg_context_free(context);
    }
}

/* Matrices of several pieces, the last of which is no whole one. */
static tleg_learngene *wide_gene(tleg_context *context, int32_t dim) {
    const tleg_config config = {
        .struct_size = sizeof config, .image_size = 32, .patch_size = 8, .dim = dim, .heads = 4, .classes = 333};
    tleg_learngene *gene = NULL;
    OK(context, tleg_learngene_create(context, &config, 11, &gene));
    return gene;
}

static void a_wide_learngene_and_its_models_survive_the_way_through_files(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 1);
        tleg_learngene *gene = wide_gene(context, WIDE);
        char path[512];
        snprintf(path, sizeof path, "%s", support_scratch("wide.safetensors"));
        OK(context, tleg_learngene_save(context, gene, path, NULL));
        for (int y = 0; y < DTYPES; y++) {
            const tleg_expander_options options = {.struct_size = sizeof options, .dtype = dtypes[y]};
            assert_same_expanders(context, path, 0, &options, 3);
            tleg_expander *expander = NULL;
            tleg_model *model = NULL, *opened = NULL;
            OK(context, tleg_expander_create(context, gene, &options, &expander));
            OK(context, tleg_expander_expand(context, expander, 3, &model));
            OK(context, tleg_model_save(context, model, support_scratch("model.safetensors"), NULL));
            OK(context, tleg_model_open(context, support_scratch("model.safetensors"), NULL, &opened));
            assert_same_model(context, model, opened, "opened");
            tleg_model_free(opened);
            tleg_model_free(model);
            tleg_expander_free(expander);
        }
        tleg_learngene_free(gene);
        tleg_context_free(context);
    }
}

/* Writes the tensors of `from` to `to`, each name behind a prefix, and the first one again under the name `more`. */
static void write_wrapped(tleg_context *context, const char *from, const char *to, const char *prefix, const char *more) {
    enum { MOST = 64, NAME = 128 };
    static char names[MOST][NAME];
    const char *list[MOST + 1];
    tleg_tensor *tensors[MOST + 1];
    tleg_file *file = NULL;
    OK(context, tleg_file_open(context, from, NULL, &file));
    const int64_t count = tleg_file_get_tensor_count(file), all = count + (more != NULL);
    assert_in_range(count, 1, MOST);
    for (int64_t i = 0; i < count; i++) {
        snprintf(names[i], NAME, "%s%s", prefix, tleg_file_get_tensor_name(file, i));
        list[i] = names[i];
        OK(context, tleg_file_read_tensor(context, file, tleg_file_get_tensor_name(file, i), &tensors[i]));
    }
    list[count] = more;
    tensors[count] = tensors[0];
    OK(context, tleg_file_save(context, to, all, list, (const tleg_tensor *const *)tensors, NULL));
    for (int64_t i = 0; i < count; i++)
        tleg_tensor_free(tensors[i]);
    tleg_file_free(file);
}

static void what_a_wrapper_put_before_the_names_is_taken_off(void **state) {
    (void)state;
    const char *const prefixes[] = {"module.", "model.", "student.backbone."};
    tleg_context *context = support_context(&backends[0], 1);
    tleg_learngene *gene = wide_gene(context, 8), *opened = NULL;
    char plain[512], wrapped[512];
    snprintf(plain, sizeof plain, "%s", support_scratch("plain.safetensors"));
    snprintf(wrapped, sizeof wrapped, "%s", support_scratch("wrapped.safetensors"));
    OK(context, tleg_learngene_save(context, gene, plain, NULL));
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        tleg_expander *a = NULL, *b = NULL;
        tleg_model *from = NULL, *to = NULL;
        write_wrapped(context, plain, wrapped, prefixes[i], i == 0 ? "n_averaged" : NULL); /* as torch's averaged models have */
        OK(context, tleg_learngene_open(context, wrapped, OPEN_WITH(0, 4), &opened));
        OK(context, tleg_expander_create(context, gene, NULL, &a));
        OK(context, tleg_expander_open(context, wrapped, OPEN_WITH(0, 4), NULL, &b));
        OK(context, tleg_expander_expand(context, a, 3, &from));
        OK(context, tleg_expander_expand(context, b, 3, &to));
        assert_same_model(context, from, to, prefixes[i]);
        tleg_learngene_free(opened);
        tleg_expander_free(a);
        tleg_expander_free(b);
        tleg_model_free(from);
        tleg_model_free(to);
    }
    /* a name without it, or two wrappers: nothing says which is meant */
    static const char *const others[] = {"norm.weight", "model_ema.patch_embed.proj.weight"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        write_wrapped(context, plain, wrapped, "module.", others[i]);
        assert_int_equal(tleg_learngene_open(context, wrapped, OPEN_WITH(0, 4), &opened), TLEG_ERROR_FORMAT);
        assert_non_null(strstr(tleg_context_get_error(context), "missing tensor \"patch_embed.proj.weight\"; found \""));
    }
    tleg_learngene_free(gene);
    tleg_context_free(context);
}

static void what_is_no_learngene_is_refused(void **state) {
    (void)state;
    tleg_context *context = support_context(&backends[0], 1);
    tleg_expander *expander = (tleg_expander *)(void *)state;
    assert_int_equal(tleg_expander_open(context, support_scratch("nowhere"), NULL, NULL, &expander), TLEG_ERROR_NOT_FOUND);
    assert_null(expander);
    assert_non_null(strstr(tleg_context_get_error(context), "nowhere"));
    const tleg_expander_options options = {.struct_size = sizeof options, .dtype = TLEG_F64};
    assert_int_equal(tleg_expander_open(context, support_path(cases[0].gene, ".gene.safetensors"), NULL, &options, &expander),
                     TLEG_ERROR_ARGUMENT);
    assert_int_equal(
        tleg_expander_open(context, support_path(cases[0].gene, ".gene.safetensors"), OPEN_WITH(1U << 31, 0), NULL, &expander),
        TLEG_ERROR_UNSUPPORTED);
    /* a model */
    tleg_learngene *gene = wide_gene(context, 8);
    tleg_model *model = NULL;
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    OK(context, tleg_expander_expand(context, expander, 1, &model));
    OK(context, tleg_model_save(context, model, support_scratch("model.safetensors"), NULL));
    tleg_expander_free(expander);
    assert_int_equal(tleg_expander_open(context, support_scratch("model.safetensors"), NULL, NULL, &expander),
                     TLEG_ERROR_FORMAT);
    assert_null(expander);
    tleg_model_free(model);
    tleg_learngene_free(gene);
    tleg_context_free(context);
}

/* ---- memory ---- */

static void every_allocation_may_fail_while_an_expander_is_opened(void **state) {
    (void)state;
    const tleg_expander_options options = {.struct_size = sizeof options, .image_size = 8, .classes = 7};
    const char *path = support_path("cls", ".gene.safetensors");
    bool done = false;
    for (long long k = 1; !done; k++) {
        struct counter counter;
        tleg_context *context = NULL;
        tleg_expander *expander = NULL;
        support_counter(&counter);
        tleg_context_options own = support_counted(&counter);
        assert_int_equal(tleg_context_create(&own, &context), TLEG_OK);
        const long long start = atomic_load(&counter.calls);
        atomic_store(&counter.fail_at, start + k);
        tleg_status status = tleg_expander_open(context, path, NULL, &options, &expander);
        done = atomic_load(&counter.calls) < start + k;
        assert_int_equal(status, done ? TLEG_OK : TLEG_ERROR_MEMORY);
        assert_true(done || (!expander && strlen(tleg_context_get_error(context)) > 0));
        tleg_expander_free(expander);
        tleg_context_free(context);
        assert_int_equal(atomic_load(&counter.live), 0);
        assert_int_equal(atomic_load(&counter.wrong), 0);
    }
}

/* Most bytes at any time since `counter` was set, over those that are left in the end: within the 15 % that the library
 * promises for weights on their way from a file to their first run. */
static void assert_little_more(const struct counter *counter, long long weights, const char *what) {
    const long long peak = atomic_load(&counter->peak_bytes);
    if ((double)peak > 1.15 * (double)weights)
        fail_msg("%s: %lld bytes at most, %lld of weights", what, peak, weights);
}

/* A small model: what does not grow with the weights, such as the activations of a run, would hide the rest of a tiny one. */
static void opening_and_running_takes_little_more_than_the_weights(void **state) {
    (void)state;
    enum { DIM = 384, DEPTH = 12 };
    static float image[3 * 32 * 32], logits[333];
    struct counter counter;
    support_counter(&counter);
    tleg_context *context = NULL;
    const tleg_context_options own = support_counted(&counter);
    assert_int_equal(tleg_context_create(&own, &context), TLEG_OK);
    char gene_path[512], model_path[512];
    snprintf(gene_path, sizeof gene_path, "%s", support_scratch("gene.safetensors"));
    snprintf(model_path, sizeof model_path, "%s", support_scratch("model.safetensors"));
    tleg_learngene *gene = wide_gene(context, DIM);
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    tleg_session *session = NULL;
    OK(context, tleg_learngene_save(context, gene, gene_path, NULL));
    for (int y = 0; y < DTYPES; y++) {
        const tleg_expander_options options = {.struct_size = sizeof options, .dtype = dtypes[y]};
        OK(context, tleg_expander_create(context, gene, &options, &expander));
        OK(context, tleg_expander_expand(context, expander, DEPTH, &model));
        OK(context, tleg_model_save(context, model, model_path, NULL));
        tleg_model_free(model);
        tleg_expander_free(expander);
        tleg_learngene_free(gene);

        const long long before = atomic_load(&counter.live_bytes);
        atomic_store(&counter.peak_bytes, before);
        OK(context, tleg_model_open(context, model_path, NULL, &model));
        long long weights = atomic_load(&counter.live_bytes);
        OK(context, tleg_session_create(context, model, NULL, &session));
        OK_SESSION(session, support_run(session, image, 1, logits, NULL));
        assert_little_more(&counter, weights, "a model, opened and run");
        tleg_session_free(session);
        tleg_model_free(model);

        atomic_store(&counter.peak_bytes, before);
        OK(context, tleg_expander_open(context, gene_path, NULL, &options, &expander));
        weights = atomic_load(&counter.live_bytes);
        OK(context, tleg_session_create_elastic(context, expander, DEPTH, NULL, &session));
        OK_SESSION(session, support_run(session, image, 1, logits, NULL));
        assert_little_more(&counter, weights, "an expander, opened and run");
        tleg_session_free(session);
        tleg_expander_free(expander);
        OK(context, tleg_learngene_open(context, gene_path, NULL, &gene));
    }
    tleg_learngene_free(gene);
    tleg_context_free(context);
}

static int prepare(void **state) {
    (void)state;
    case_count = support_golden(cases);
    backend_count = support_backends(backends);
    return backend_count > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expander_from_a_file_is_one_from_a_learngene),
        cmocka_unit_test(a_wide_learngene_and_its_models_survive_the_way_through_files),
        cmocka_unit_test(what_a_wrapper_put_before_the_names_is_taken_off),
        cmocka_unit_test(what_is_no_learngene_is_refused),
        cmocka_unit_test(every_allocation_may_fail_while_an_expander_is_opened),
        cmocka_unit_test(opening_and_running_takes_little_more_than_the_weights),
    };
    return cmocka_run_group_tests(tests, prepare, support_clean);
}
