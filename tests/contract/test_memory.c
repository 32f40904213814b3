/* What a host that counts its bytes relies on: exact queries, no allocation inside a run, clean failures, nothing left behind.
 */
#include "support/support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct golden cases[MAX_GOLDEN];
static int32_t case_count;
static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;

static tleg_context *counted_context(struct counter *counter, const struct backend *backend, int32_t workers) {
    support_counter(counter);
    tleg_context_options options = support_counted(counter);
    options.level = backend->level;
    options.gemm = backend->gemm;
    options.workers = workers;
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    return context;
}

static void assert_nothing_left(struct counter *counter) {
    assert_int_equal(atomic_load(&counter->live), 0);
    assert_int_equal(atomic_load(&counter->live_bytes), 0);
    assert_int_equal(atomic_load(&counter->wrong), 0);
}

static void session_memory_is_exact(void **state) {
    (void)state;
    static const int32_t batches[] = {0, 1, 5, 32};
    for (int32_t b = 0; b < backend_count; b++) {
        for (int32_t workers = 1; workers <= 3; workers += 2) {
            struct counter counter;
            tleg_context *context = counted_context(&counter, &backends[b], workers);
            for (int32_t i = 0; i < case_count; i++) {
                tleg_expander *expander = support_expander(context, &cases[i], cases[i].half ? TLEG_BF16 : TLEG_F32);
                tleg_model *model = NULL;
                OK(context, tleg_expander_expand(context, expander, cases[i].depth, &model));
                for (size_t k = 0; k < sizeof batches / sizeof batches[0]; k++) {
                    tleg_session_options options = {.struct_size = sizeof options, .batch = batches[k]};
                    for (int elastic = 0; elastic < 2; elastic++) {
                        uint64_t told = 0;
                        tleg_session *session = NULL;
                        OK(context, elastic ? tleg_session_get_elastic_memory(context, expander, &options, &told)
                                            : tleg_session_get_memory(context, model, &options, &told));
                        long long before = atomic_load(&counter.live_bytes);
                        if (elastic) {
                            OK(context, tleg_session_create_elastic(context, expander, cases[i].depth, &options, &session));
                        } else {
                            OK(context, tleg_session_create(context, model, &options, &session));
                        }
                        assert_int_equal(atomic_load(&counter.live_bytes) - before, told);
                        tleg_session_free(session);
                        assert_int_equal(atomic_load(&counter.live_bytes), before);
                    }
                }
                tleg_model_free(model);
                tleg_expander_free(expander);
            }
            tleg_context_free(context);
            assert_nothing_left(&counter);
        }
    }
}

/* `without` are the bytes that are held but for the expander. */
static void elastic_bytes_are_exact(tleg_context *context, struct counter *counter, const tleg_expander *expander,
                                    long long without) {
    const tleg_session_options options = {.struct_size = sizeof options, .batch = 3};
    tleg_cost cost = {.struct_size = sizeof cost};
    OK(context, tleg_expander_get_cost(context, expander, 0, 3, 0, &cost));
    for (int32_t more = 0; more < 10; more += 9) {
        tleg_session *session = NULL;
        OK(context, tleg_session_create_elastic(context, expander, cost.least_depth + more, &options, &session));
        assert_int_equal(atomic_load(&counter->live_bytes) - without, cost.bytes_elastic);
        tleg_session_free(session);
    }
    tleg_budget budget = {
        .struct_size = sizeof budget, .batch = 3, .bytes = cost.bytes_elastic, .holding = TLEG_HOLDING_ELASTIC};
    int32_t depth = 0;
    OK(context, tleg_expander_get_deepest(context, expander, &budget, &depth));
    assert_int_equal(depth, TLEG_MAX_DEPTH);
    budget.bytes--;
    assert_int_equal(tleg_expander_get_deepest(context, expander, &budget, &depth), TLEG_ERROR_UNSUPPORTED);
}

/* As the header says it: expand, free the expander, make a session. */
static void the_peak_is_exact(tleg_context *context, struct counter *counter, tleg_expander **expander, long long without,
                              int32_t depth) {
    const tleg_session_options options = {.struct_size = sizeof options, .batch = 3};
    tleg_cost cost = {.struct_size = sizeof cost};
    tleg_model *model = NULL;
    tleg_session *session = NULL;
    OK(context, tleg_expander_get_cost(context, *expander, depth, 3, 0, &cost));
    tleg_budget budget = {.struct_size = sizeof budget, .batch = 3, .bytes = cost.bytes_peak};
    int32_t found = 0;
    OK(context, tleg_expander_get_deepest(context, *expander, &budget, &found));
    assert_int_equal(found, depth);
    atomic_store(&counter->peak_bytes, atomic_load(&counter->live_bytes));
    OK(context, tleg_expander_expand(context, *expander, depth, &model));
    tleg_expander_free(*expander);
    *expander = NULL;
    OK(context, tleg_session_create(context, model, &options, &session));
    assert_int_equal(atomic_load(&counter->peak_bytes) - without, cost.bytes_peak);
    tleg_model_free(model);
    tleg_session_free(session);
}

/* tleg_cost's bytes are a materialised model and its session, those of the peak what a host holds on the way there, and those
 * of an elastic session what it holds with its expander: all as the allocator counts them. */
static void cost_of_a_depth_is_exact(void **state) {
    (void)state;
    for (int32_t i = 0; i < case_count; i++) {
        struct counter counter;
        tleg_context *context = counted_context(&counter, &backends[backend_count - 1], 1);
        tleg_expander *expander = support_expander(context, &cases[i], TLEG_F32);
        const long long without = atomic_load(&counter.live_bytes) - (long long)tleg_expander_get_memory(expander);
        tleg_cost cost = {.struct_size = sizeof cost};
        OK(context, tleg_expander_get_cost(context, expander, 0, 3, 0, &cost));
        elastic_bytes_are_exact(context, &counter, expander, without);
        for (int32_t depth = cost.least_depth; depth <= cost.least_depth + 9; depth += 3) {
            long long before = atomic_load(&counter.live_bytes);
            tleg_session_options options = {.struct_size = sizeof options, .batch = 3};
            tleg_model *model = NULL;
            tleg_session *session = NULL;
            OK(context, tleg_expander_expand(context, expander, depth, &model));
            OK(context, tleg_session_create(context, model, &options, &session));
            assert_int_equal(atomic_load(&counter.live_bytes) - before,
                             cost.bytes_fixed + (uint64_t)depth * cost.bytes_per_layer);
            tleg_model_free(model);
            tleg_session_free(session);
        }
        /* The deepest that fits: at its bytes it does, one byte less is one layer less. */
        tleg_budget budget = {.struct_size = sizeof budget,
                              .batch = 3,
                              .bytes = cost.bytes_fixed + 20 * cost.bytes_per_layer,
                              .holding = TLEG_HOLDING_STORED};
        int32_t depth = 0;
        OK(context, tleg_expander_get_deepest(context, expander, &budget, &depth));
        assert_int_equal(depth, 20);
        budget.bytes--;
        OK(context, tleg_expander_get_deepest(context, expander, &budget, &depth));
        assert_int_equal(depth, 19);
        budget.bytes = cost.bytes_fixed;
        assert_int_equal(tleg_expander_get_deepest(context, expander, &budget, &depth), TLEG_ERROR_UNSUPPORTED);
        assert_int_equal(depth, 0);
        assert_true(strlen(tleg_context_get_error(context)) > 0);
        the_peak_is_exact(context, &counter, &expander, without, cost.least_depth + 4);
        tleg_context_free(context);
        assert_nothing_left(&counter);
    }
}

static void a_run_allocates_nothing(void **state) {
    (void)state;
    float logits[GOLDEN_BATCH * GOLDEN_CLASSES], features[GOLDEN_BATCH * 64];
    for (int32_t b = 0; b < backend_count; b++) {
        struct counter counter;
        tleg_context *context = counted_context(&counter, &backends[b], 3);
        for (int32_t i = 0; i < case_count; i++) {
            tleg_expander *expander = support_expander(context, &cases[i], TLEG_F32);
            tleg_model *model = NULL;
            OK(context, tleg_expander_expand(context, expander, cases[i].depth, &model));
            const float *data;
            tleg_tensor *images = support_images(context, cases[i].images, &data);
            tleg_session_options options = {.struct_size = sizeof options, .batch = 2};
            tleg_session *sessions[2] = {NULL, NULL};
            OK(context, tleg_session_create(context, model, &options, &sessions[0]));
            OK(context, tleg_session_create_elastic(context, expander, cases[i].depth, &options, &sessions[1]));
            long long calls = atomic_load(&counter.calls);
            for (int s = 0; s < 2; s++) {
                OK_SESSION(sessions[s], support_run(sessions[s], data, GOLDEN_BATCH, logits, features));
                OK_SESSION(sessions[s], support_run(sessions[s], data, 1, logits, NULL));
            }
            OK_SESSION(sessions[1], tleg_session_set_depth(sessions[1], 200));
            OK_SESSION(sessions[1], support_run(sessions[1], data, 1, logits, features));
            assert_int_equal(atomic_load(&counter.calls), calls);
            tleg_session_free(sessions[0]);
            tleg_session_free(sessions[1]);
            tleg_tensor_free(images);
            tleg_model_free(model);
            tleg_expander_free(expander);
        }
        tleg_context_free(context);
        assert_nothing_left(&counter);
    }
}

static void elastic_memory_does_not_grow_with_depth(void **state) {
    (void)state;
    struct counter counter;
    tleg_context *context = counted_context(&counter, &backends[backend_count - 1], 1);
    for (int32_t i = 0; i < case_count; i++) {
        tleg_expander *expander = support_expander(context, &cases[i], TLEG_F32);
        long long at[2];
        for (int k = 0; k < 2; k++) {
            tleg_session *session = NULL;
            OK(context, tleg_session_create_elastic(context, expander, k ? 1024 : 3, NULL, &session));
            at[k] = atomic_load(&counter.live_bytes);
            tleg_session_free(session);
        }
        assert_int_equal(at[0], at[1]);
        tleg_expander_free(expander);
    }
    tleg_context_free(context);
    assert_nothing_left(&counter);
}

/* The whole way from a file to logits, with every handle; returns the first failure. */
struct chain {
    tleg_context *context;
    tleg_learngene *gene;
    tleg_expander *expander;
    tleg_model *model, *opened;
    tleg_session *session, *elastic;
    tleg_file *file;
    tleg_tensor *images;
    uint64_t bytes;
    tleg_cost cost;
    float logits[GOLDEN_BATCH * GOLDEN_CLASSES];
};

static tleg_status chain_load(struct chain *c, const struct golden *golden, bool fresh_head) {
    tleg_expander_options options = {.struct_size = sizeof options,
                                     .norm = golden->timm ? TLEG_NORM_AFTER_POOL : 0,
                                     .image_size = golden->image,
                                     .classes = fresh_head ? 7 : 0};
    char images[32];
    snprintf(images, sizeof images, "images-%d", golden->images);
    tleg_status status;
    if ((status = tleg_learngene_open(c->context, support_path(golden->gene, ".gene.safetensors"), NULL, &c->gene)) != 0 ||
        (status = tleg_expander_create(c->context, c->gene, &options, &c->expander)) != 0 ||
        (status = tleg_expander_expand(c->context, c->expander, golden->depth, &c->model)) != 0 ||
        (status = tleg_model_save(c->context, c->model, support_scratch("chain.safetensors"), NULL)) != 0 ||
        (status = tleg_model_open(c->context, support_scratch("chain.safetensors"), NULL, &c->opened)) != 0 ||
        (status = tleg_file_open(c->context, support_path(images, ".safetensors"), NULL, &c->file)) != 0) {
        return status;
    }
    return tleg_file_read_tensor(c->context, c->file, "images", &c->images);
}

static tleg_status chain_run(struct chain *c, const struct golden *golden, bool fresh_head) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    tleg_status status;
    c->cost.struct_size = sizeof c->cost;
    if ((status = tleg_tensor_get_info(c->context, c->images, &info)) != 0 ||
        (status = tleg_session_get_memory(c->context, c->model, NULL, &c->bytes)) != 0 ||
        (status = tleg_session_create(c->context, c->opened, NULL, &c->session)) != 0 ||
        (status = tleg_session_create_elastic(c->context, c->expander, golden->depth, NULL, &c->elastic)) != 0 ||
        (status = tleg_expander_get_cost(c->context, c->expander, 0, 1, 1, &c->cost)) != 0) {
        return status;
    }
    float *logits = fresh_head ? NULL : c->logits; /* seven classes would not fit */
    if ((status = support_run(c->session, info.data, GOLDEN_BATCH, logits, NULL)) != 0) {
        return status;
    }
    return support_run(c->elastic, info.data, GOLDEN_BATCH, logits, NULL);
}

static void chain_free(struct chain *c) {
    tleg_session_free(c->session);
    tleg_session_free(c->elastic);
    tleg_tensor_free(c->images);
    tleg_file_free(c->file);
    tleg_model_free(c->model);
    tleg_model_free(c->opened);
    tleg_expander_free(c->expander);
    tleg_learngene_free(c->gene);
    tleg_context_free(c->context);
}

static void walk_failures(const struct golden *golden, const struct backend *backend, bool fresh_head) {
    bool done = false;
    for (long long k = 1; !done; k++) {
        struct counter counter;
        support_counter(&counter);
        atomic_store(&counter.fail_at, k);
        tleg_context_options options = support_counted(&counter);
        options.level = backend->level;
        options.gemm = backend->gemm;
        options.workers = 2;
        struct chain chain;
        memset(&chain, 0, sizeof chain);
        tleg_status status = tleg_context_create(&options, &chain.context);
        if (status == TLEG_OK && (status = chain_load(&chain, golden, fresh_head)) == TLEG_OK) {
            status = chain_run(&chain, golden, fresh_head);
        }
        done = atomic_load(&counter.calls) < k; /* no k-th allocation: nothing failed */
        if (status != (done ? TLEG_OK : TLEG_ERROR_MEMORY)) {
            fail_msg("%s: allocation %lld failed, and the status is %s: %s", golden->name, k, tleg_status_name(status),
                     tleg_context_get_error(chain.context));
        }
        if (!done && chain.context != NULL) {
            assert_true(strlen(tleg_context_get_error(chain.context)) > 0);
        }
        assert_true(k < 100000);
        chain_free(&chain);
        if (atomic_load(&counter.live) != 0) {
            fail_msg("%s: allocation %lld failed, and %lld blocks are left", golden->name, k, atomic_load(&counter.live));
        }
        assert_nothing_left(&counter);
    }
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    static const char *const names[] = {"mean-1", "cls-2-image8", "schedule-3", "combo-4", "powers-3"};
    for (int32_t i = 0; i < case_count; i++) {
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
            if (strcmp(cases[i].name, names[n]) == 0) {
                walk_failures(&cases[i], &backends[backend_count - 1], n == 0);
            }
        }
    }
}

/* A fresh learngene, files in memory, a tensor and an image: what the chain above does not call. */
static tleg_status small_calls(tleg_context *context, const unsigned char *data, size_t bytes, tleg_learngene **gene,
                               tleg_learngene **parsed, tleg_file **file, tleg_tensor **tensor) {
    tleg_config config = {
        .struct_size = sizeof config, .image_size = 8, .patch_size = 4, .dim = 6, .heads = 2, .classes = 3, .class_token = 1};
    static const char *const labels[] = {"a", "b", "c"};
    config.labels = labels;
    config.label_count = 3;
    tleg_status status;
    if ((status = tleg_learngene_create(context, &config, 1, gene)) != 0 ||
        (status = tleg_learngene_save(context, *gene, support_scratch("small.safetensors"), NULL)) != 0 ||
        (status = tleg_learngene_copy_tensor(context, *gene, "head.weight", tensor)) != 0 ||
        (status = tleg_learngene_parse(context, data, bytes, NULL, parsed)) != 0 ||
        (status = tleg_file_parse(context, data, bytes, file)) != 0) {
        return status;
    }
    static const uint8_t pixels[9 * 7 * 3];
    tleg_image image = {.struct_size = sizeof image, .layout = TLEG_PIXELS_RGB, .width = 9, .height = 7, .pixels = pixels};
    float prepared[3 * 8 * 8];
    return support_prepare(context, &image, &config, prepared);
}

static void every_allocation_of_small_calls_may_fail(void **state) {
    (void)state;
    size_t bytes;
    unsigned char *data = support_read_file(support_path("cls", ".gene.safetensors"), &bytes);
    bool done = false;
    for (long long k = 1; !done; k++) {
        struct counter counter;
        support_counter(&counter);
        tleg_context_options options = support_counted(&counter);
        tleg_context *context = NULL;
        assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
        long long start = atomic_load(&counter.calls);
        atomic_store(&counter.fail_at, start + k);
        tleg_learngene *gene = NULL, *parsed = NULL;
        tleg_file *file = NULL;
        tleg_tensor *tensor = NULL;
        tleg_status status = small_calls(context, data, bytes, &gene, &parsed, &file, &tensor);
        done = atomic_load(&counter.calls) < start + k;
        if (status != (done ? TLEG_OK : TLEG_ERROR_MEMORY)) {
            fail_msg("allocation %lld failed, and the status is %s: %s", k, tleg_status_name(status),
                     tleg_context_get_error(context));
        }
        assert_true(done || strlen(tleg_context_get_error(context)) > 0);
        tleg_learngene_free(gene);
        tleg_learngene_free(parsed);
        tleg_file_free(file);
        tleg_tensor_free(tensor);
        tleg_context_free(context);
        assert_nothing_left(&counter);
    }
    free(data);
}

/* After a failure of memory the same context works. */
static void a_context_outlives_a_failed_allocation(void **state) {
    (void)state;
    struct counter counter;
    tleg_context *context = counted_context(&counter, &backends[0], 1);
    tleg_learngene *gene = (tleg_learngene *)&counter;
    atomic_store(&counter.fail_at, atomic_load(&counter.calls) + 2);
    assert_int_equal(tleg_learngene_open(context, support_path("mean", ".gene.safetensors"), NULL, &gene), TLEG_ERROR_MEMORY);
    assert_null(gene);
    assert_true(strlen(tleg_context_get_error(context)) > 0);
    OK(context, tleg_learngene_open(context, support_path("mean", ".gene.safetensors"), NULL, &gene));
    tleg_learngene_free(gene);
    tleg_context_free(context);
    assert_nothing_left(&counter);
}

static void loads_and_frees_leave_nothing(void **state) {
    (void)state;
    struct counter counter;
    tleg_context *context = counted_context(&counter, &backends[backend_count - 1], 2);
    long long flat = 0, peak = 0;
    for (int i = 0; i < 10; i++) {
        struct chain chain;
        memset(&chain, 0, sizeof chain);
        chain.context = context;
        OK(context, chain_load(&chain, &cases[0], false));
        OK(context, chain_run(&chain, &cases[0], false));
        chain.context = NULL; /* stays */
        chain_free(&chain);
        if (i == 0) {
            flat = atomic_load(&counter.live_bytes);
            peak = atomic_load(&counter.peak_bytes);
        }
        assert_int_equal(atomic_load(&counter.live_bytes), flat);
        assert_int_equal(atomic_load(&counter.peak_bytes), peak);
    }
    tleg_context_free(context);
    assert_nothing_left(&counter);
}

/* Sizes that no machine has are refused with a text, without a crash and without asking the allocator for them. */
static void absurd_sizes_are_refused(void **state) {
    (void)state;
    struct counter counter;
    tleg_context *context = counted_context(&counter, &backends[0], 1);
    tleg_expander *expander = support_expander(context, &cases[0], TLEG_F32);
    tleg_session_options options = {.struct_size = sizeof options, .batch = INT32_MAX};
    uint64_t bytes = 0;
    tleg_status status = tleg_session_get_elastic_memory(context, expander, &options, &bytes);
    assert_true(status == TLEG_OK ? bytes > INT32_MAX : status == TLEG_ERROR_MEMORY);
    options.batch = -1;
    assert_int_equal(tleg_session_get_elastic_memory(context, expander, &options, &bytes), TLEG_ERROR_ARGUMENT);
    tleg_config config = {
        .struct_size = sizeof config, .image_size = 1 << 30, .patch_size = 1, .dim = 1 << 30, .heads = 1, .classes = 1 << 30};
    tleg_learngene *gene = NULL;
    status = tleg_learngene_create(context, &config, 1, &gene);
    assert_true(status == TLEG_ERROR_MEMORY || status == TLEG_ERROR_ARGUMENT);
    assert_true(strlen(tleg_context_get_error(context)) > 0);
    tleg_expander_free(expander);
    tleg_context_free(context);
    assert_nothing_left(&counter);
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
        cmocka_unit_test(session_memory_is_exact),
        cmocka_unit_test(cost_of_a_depth_is_exact),
        cmocka_unit_test(a_run_allocates_nothing),
        cmocka_unit_test(elastic_memory_does_not_grow_with_depth),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(every_allocation_of_small_calls_may_fail),
        cmocka_unit_test(a_context_outlives_a_failed_allocation),
        cmocka_unit_test(loads_and_frees_leave_nothing),
        cmocka_unit_test(absurd_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, prepare, support_clean);
}
