/* A host that is told how far long work is, and that stops it: at every question in turn, with nothing left behind. */
#include "support/support.h"
#include <stdlib.h>
#include <string.h>

struct host {
    long long asked, stop_at; /* the question that is answered with stop, from 1; 0: none */
    uint64_t done, total;
    const char *what;
    bool backwards, changed; /* it went back; another kind of work, or another total, began before the last one's end */
};

static int32_t TLEG_CALL progress(void *arg, const char *what, uint64_t done, uint64_t total) {
    struct host *host = arg;
    const bool fresh = host->asked == 0 || host->done == host->total;
    host->asked++;
    host->changed |= !fresh && (host->what != what || host->total != total);
    host->backwards |= done > total || (!fresh && done < host->done) || (fresh && done != 0 && total != 0);
    host->what = what;
    host->done = done;
    host->total = total;
    return host->asked == host->stop_at;
}

/* ---- what takes long ---- */

struct work {
    const char *what;
    tleg_status (*call)(tleg_context *context);
};

static struct {
    tleg_context *context; /* another, without progress */
    tleg_learngene *gene;
    tleg_expander *expander;
    tleg_model *model;
    tleg_trainer *trainer;
} my;

static tleg_status open_gene(tleg_context *context) {
    tleg_learngene *gene = NULL;
    const tleg_status status = tleg_learngene_open(context, support_path("mean", ".gene.safetensors"), NULL, &gene);
    assert_true(!gene == (status != TLEG_OK));
    tleg_learngene_free(gene);
    return status;
}

static tleg_status open_model(tleg_context *context) {
    tleg_model *model = NULL;
    const tleg_status status = tleg_model_open(context, support_scratch("model"), OPEN_WITH(TLEG_OPEN_MAP, 0), &model);
    assert_true(!model == (status != TLEG_OK));
    tleg_model_free(model);
    return status;
}

static tleg_status open_expander(tleg_context *context) {
    tleg_expander *expander = NULL;
    const tleg_status status = tleg_expander_open(context, support_path("mean", ".gene.safetensors"), NULL, NULL, &expander);
    assert_true(!expander == (status != TLEG_OK));
    tleg_expander_free(expander);
    return status;
}

static tleg_status pack(tleg_context *context) {
    tleg_expander *expander = NULL;
    const tleg_status status = tleg_expander_create(context, my.gene, NULL, &expander);
    assert_true(!expander == (status != TLEG_OK));
    tleg_expander_free(expander);
    return status;
}

static tleg_status expand(tleg_context *context) {
    tleg_model *model = NULL;
    const tleg_status status = tleg_expander_expand(context, my.expander, 24, &model);
    assert_true(!model == (status != TLEG_OK));
    tleg_model_free(model);
    return status;
}

static tleg_status save_model(tleg_context *context, const char *path) {
    return tleg_model_save(context, my.model, path, NULL);
}

static tleg_status export_model(tleg_context *context, const char *path) {
    return tleg_model_export_onnx(context, my.model, path, NULL);
}

static tleg_status save_trainer(tleg_context *context, const char *path) {
    return tleg_trainer_save(context, my.trainer, path, 0, NULL);
}

/* A save that is stopped leaves the former file as it was. */
static tleg_status save_over(tleg_context *context, tleg_status (*write)(tleg_context *context, const char *path)) {
    const char *path = support_scratch("saved");
    size_t before_bytes, after_bytes;
    OK(my.context, tleg_learngene_save(my.context, my.gene, path, NULL));
    unsigned char *before = support_read_file(path, &before_bytes);
    const tleg_status status = write(context, path);
    unsigned char *after = support_read_file(path, &after_bytes);
    if (status != TLEG_OK) {
        assert_int_equal(before_bytes, after_bytes);
        assert_memory_equal(before, after, before_bytes);
    }
    free(before);
    free(after);
    return status;
}

static tleg_status save(tleg_context *context) {
    return save_over(context, save_model);
}

static tleg_status export(tleg_context *context) {
    return save_over(context, export_model);
}

static tleg_status save_state(tleg_context *context) {
    return save_over(context, save_trainer);
}

static tleg_status load_state(tleg_context *context) {
    return tleg_trainer_load(context, my.trainer, support_scratch("state"));
}

static tleg_status read_tensor(tleg_context *context) {
    tleg_file *file = NULL;
    tleg_tensor *tensor = NULL;
    OK(my.context, tleg_file_open(my.context, support_scratch("model"), NULL, &file));
    const tleg_status status = tleg_file_read_tensor(context, file, "head.weight", &tensor);
    assert_true(!tensor == (status != TLEG_OK));
    tleg_tensor_free(tensor);
    tleg_file_free(file);
    return status;
}

static tleg_status measure(tleg_context *context) {
    tleg_cost cost = {.struct_size = sizeof cost};
    return tleg_expander_get_cost(context, my.expander, 0, 1, 1, &cost);
}

static tleg_status linearize(tleg_context *context) {
    tleg_learngene *gene = NULL;
    const tleg_status status = tleg_learngene_linearize(context, my.model, NULL, 0, &gene);
    assert_true(!gene == (status != TLEG_OK));
    tleg_learngene_free(gene);
    return status;
}

static const struct work works[] = {{"open", open_gene},   {"open", open_model}, {"open", open_expander},
                                    {"pack", pack},        {"expand", expand},   {"save", save},
                                    {"save", export},      {"save", save_state}, {"open", load_state},
                                    {"read", read_tensor}, {"measure", measure}, {"linearize", linearize}};
enum { WORKS = sizeof works / sizeof works[0] };

static int prepare(void **state) {
    (void)state;
    assert_int_equal(tleg_context_create(NULL, &my.context), TLEG_OK);
    my.gene = support_gene(my.context, "mean");
    OK(my.context, tleg_expander_create(my.context, my.gene, NULL, &my.expander));
    OK(my.context, tleg_expander_expand(my.context, my.expander, 3, &my.model));
    OK(my.context, tleg_model_save(my.context, my.model, support_scratch("model"), NULL));
    const tleg_trainer_options options = {.struct_size = sizeof options, .batch = 1};
    OK(my.context, tleg_trainer_create_for_model(my.context, my.model, &options, &my.trainer));
    OK(my.context, tleg_trainer_save(my.context, my.trainer, support_scratch("state"), 0, NULL));
    return 0;
}

static int clean(void **state) {
    (void)state;
    tleg_trainer_free(my.trainer);
    tleg_model_free(my.model);
    tleg_expander_free(my.expander);
    tleg_learngene_free(my.gene);
    tleg_context_free(my.context);
    support_clean(NULL);
    return 0;
}

/* ---- told ---- */

static void long_work_says_how_far_it_is(void **state) {
    (void)state;
    for (int k = 0; k < WORKS; k++) {
        struct host host = {0};
        const tleg_context_options options = {
            .struct_size = sizeof options, .workers = 2, .progress = progress, .progress_host = &host};
        tleg_context *context = NULL;
        assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
        OK(context, works[k].call(context));
        assert_true(host.asked >= 2);
        assert_string_equal(host.what, works[k].what);
        assert_true(host.total > 0 && host.done == host.total); /* the last word is that all is done */
        assert_false(host.backwards || host.changed);
        tleg_context_free(context);
    }
}

/* ---- stopped ---- */

/* A call that asks nothing by itself, after one that was stopped. */
static void expect_nothing_under_way(tleg_context *context, const struct host *host) {
    const long long asked = host->asked;
    tleg_file *file = NULL;
    OK(context, tleg_file_open(context, support_scratch("model"), NULL, &file));
    tleg_file_free(file);
    assert_int_equal(host->asked, asked);
}

static void work_stops_at_any_question_and_leaves_nothing(void **state) {
    (void)state;
    for (int k = 0; k < WORKS; k++) {
        struct counter counter;
        struct host host = {0};
        support_counter(&counter);
        tleg_context_options options = support_counted(&counter);
        options.progress = progress;
        options.progress_host = &host;
        tleg_context *context = NULL;
        assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
        const long long live = atomic_load(&counter.live);
        OK(context, works[k].call(context));
        const long long questions = host.asked;
        for (long long n = 1; n <= questions; n++) {
            host = (struct host){.stop_at = n};
            const tleg_status status = works[k].call(context);
            assert_int_equal(atomic_load(&counter.live), live);
            if (n == questions) { /* the work is done when it is asked for the last time */
                assert_int_equal(status, TLEG_OK);
                continue;
            }
            assert_int_equal(status, TLEG_ERROR_CANCELLED);
            assert_int_equal(host.asked, n); /* and is not asked again */
            assert_non_null(strstr(tleg_context_get_error(context), "progress"));
            assert_non_null(strstr(tleg_context_get_error(context), works[k].what));
            expect_nothing_under_way(context, &host);
        }
        tleg_context_free(context);
        assert_int_equal(atomic_load(&counter.live) + atomic_load(&counter.wrong), 0);
    }
}

/* Out of memory while progress is asked: the same as without. */
static void work_that_runs_out_of_memory_leaves_nothing(void **state) {
    (void)state;
    for (int k = 0; k < WORKS; k++) {
        struct counter counter;
        struct host host = {0};
        support_counter(&counter);
        tleg_context_options options = support_counted(&counter);
        options.progress = progress;
        options.progress_host = &host;
        tleg_context *context = NULL;
        assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
        const long long live = atomic_load(&counter.live);
        tleg_status status = TLEG_ERROR_MEMORY;
        for (long long n = 1; status == TLEG_ERROR_MEMORY; n++) {
            atomic_store(&counter.calls, 0);
            atomic_store(&counter.fail_at, n);
            status = works[k].call(context);
            assert_int_equal(atomic_load(&counter.live), live);
        }
        assert_int_equal(status, TLEG_OK);
        atomic_store(&counter.fail_at, 0);
        tleg_context_free(context);
        assert_int_equal(atomic_load(&counter.live) + atomic_load(&counter.wrong), 0);
    }
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_work_says_how_far_it_is),
        cmocka_unit_test(work_stops_at_any_question_and_leaves_nothing),
        cmocka_unit_test(work_that_runs_out_of_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
