/* A host's BLAS: who calls it, with what, and one call at a time; and that nobody else is touched. */
#include "contract/guest.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

enum { SIDE = 16, CLASSES = 3, PIXELS = 3 * SIDE * SIDE, BATCH = 3, CALLERS = 4 };

static const tleg_config config = {
    .struct_size = sizeof(config), .image_size = SIDE, .patch_size = 4, .dim = 24, .heads = 2, .classes = CLASSES};
static float images[BATCH * PIXELS];

/* ---- BLASes that count ---- */

static atomic_int calls, other_calls, inside, most_inside;

static void TLEG_CALL counted_sgemm(int32_t order, int32_t ta, int32_t tb, int32_t m, int32_t n, int32_t k, float alpha,
                                    const float *a, int32_t lda, const float *b, int32_t ldb, float beta, float *c,
                                    int32_t ldc) {
    const int now = atomic_fetch_add(&inside, 1) + 1;
    if (now > atomic_load(&most_inside))
        atomic_store(&most_inside, now);
    atomic_fetch_add(&calls, 1);
    nanosleep(&(struct timespec){0, 20000}, NULL); /* long enough to meet another */
    support_sgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    atomic_fetch_sub(&inside, 1);
}

static void TLEG_CALL other_sgemm64(int32_t order, int32_t ta, int32_t tb, int64_t m, int64_t n, int64_t k, float alpha,
                                    const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                                    int64_t ldc) {
    const int now = atomic_fetch_add(&inside, 1) + 1;
    if (now > atomic_load(&most_inside))
        atomic_store(&most_inside, now);
    atomic_fetch_add(&other_calls, 1);
    support_sgemm64(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    atomic_fetch_sub(&inside, 1);
}

static void forget_calls(void) {
    atomic_store(&calls, 0);
    atomic_store(&other_calls, 0);
    atomic_store(&most_inside, 0);
}

static tleg_context *make_context(tleg_gemm_kind gemm, tleg_sgemm_fn sgemm, tleg_sgemm64_fn sgemm64) {
    const tleg_context_options options = {
        .struct_size = sizeof(options), .gemm = gemm, .workers = 2, .sgemm = sgemm, .sgemm64 = sgemm64};
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    return context;
}

static tleg_expander *make_expander(tleg_context *context) {
    tleg_learngene *gene = NULL;
    tleg_expander *expander = NULL;
    OK(context, tleg_learngene_create(context, &config, 5, &gene));
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    tleg_learngene_free(gene);
    return expander;
}

static void run(tleg_session *session, float logits[BATCH * CLASSES]) {
    OK_SESSION(session, support_run(session, images, BATCH, logits, NULL));
    tleg_session_free(session);
}

static void run_elastic(tleg_context *context, const tleg_expander *expander, float logits[BATCH * CLASSES]) {
    const tleg_session_options batch = {.struct_size = sizeof(batch), .batch = BATCH};
    tleg_session *session = NULL;
    OK(context, tleg_session_create_elastic(context, expander, 3, &batch, &session));
    run(session, logits);
}

static void run_model(tleg_context *context, const tleg_model *model, float logits[BATCH * CLASSES]) {
    const tleg_session_options batch = {.struct_size = sizeof(batch), .batch = BATCH};
    tleg_session *session = NULL;
    OK(context, tleg_session_create(context, model, &batch, &session));
    run(session, logits);
}

static void wide_integers_give_the_same_bits(void **state) {
    (void)state;
    float narrow[BATCH * CLASSES], wide[BATCH * CLASSES], own[BATCH * CLASSES];
    forget_calls();
    tleg_context *context = make_context(TLEG_GEMM_BLAS, counted_sgemm, NULL);
    tleg_expander *expander = make_expander(context);
    run_elastic(context, expander, narrow);
    tleg_expander_free(expander);
    tleg_context_free(context);
    context = make_context(TLEG_GEMM_BLAS, NULL, other_sgemm64);
    expander = make_expander(context);
    run_elastic(context, expander, wide);
    tleg_expander_free(expander);
    tleg_context_free(context);
    assert_true(atomic_load(&calls) > 0);
    assert_int_equal(atomic_load(&calls), atomic_load(&other_calls));
    assert_memory_equal(narrow, wide, sizeof(wide));
    context = make_context(TLEG_GEMM_OWN, counted_sgemm, NULL);
    expander = make_expander(context);
    const int before = atomic_load(&calls);
    run_elastic(context, expander, own);
    assert_int_equal(atomic_load(&calls), before); /* whoever asks for our kernels gets these alone */
    assert_true(support_relative(narrow, own, BATCH * CLASSES) < 1e-5);
    tleg_expander_free(expander);
    tleg_context_free(context);
}

/* Weights are packed for who multiplies them: what was made for a BLAS goes to that one, whatever context runs it. */
static void a_handle_keeps_the_blas_that_it_was_made_with(void **state) {
    (void)state;
    float right[BATCH * CLASSES], logits[BATCH * CLASSES];
    tleg_context *with = make_context(TLEG_GEMM_BLAS, counted_sgemm, NULL);
    tleg_context *without = make_context(TLEG_GEMM_OWN, NULL, NULL), *other = make_context(TLEG_GEMM_BLAS, NULL, other_sgemm64);
    tleg_context *clone = NULL, *contexts[] = {without, other, NULL};
    tleg_expander *expander = make_expander(with), *own = make_expander(without);
    tleg_model *model = NULL;
    OK(other, tleg_expander_expand(other, expander, 3, &model));
    OK(with, tleg_context_clone(with, &clone));
    contexts[2] = clone;
    tleg_context_free(with);
    run_elastic(without, own, right);
    forget_calls();
    for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++) {
        const int before = atomic_load(&calls);
        run_elastic(contexts[i], expander, logits);
        assert_true(support_relative(logits, right, BATCH * CLASSES) < 1e-5);
        run_model(contexts[i], model, logits);
        assert_true(support_relative(logits, right, BATCH * CLASSES) < 1e-5);
        assert_true(atomic_load(&calls) > before);
        run_elastic(contexts[i], own, logits);
        assert_memory_equal(logits, right, sizeof(right));
    }
    assert_int_equal(atomic_load(&other_calls), 0);
    tleg_model_free(model);
    tleg_expander_free(expander);
    tleg_expander_free(own);
    for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++)
        tleg_context_free(contexts[i]);
}

struct caller {
    tleg_session *session;
    bool good;
};

static void *call(void *argument) {
    struct caller *caller = argument;
    float logits[BATCH * CLASSES];
    caller->good = true;
    for (int i = 0; i < 3; i++)
        caller->good = caller->good && support_run(caller->session, images, BATCH, logits, NULL) == TLEG_OK;
    return NULL;
}

static void one_call_at_a_time_whichever_blas(void **state) {
    (void)state;
    const tleg_session_options batch = {.struct_size = sizeof(batch), .batch = BATCH};
    struct caller callers[CALLERS];
    pthread_t threads[CALLERS];
    forget_calls();
    for (int i = 0; i < CALLERS; i++) {
        tleg_context *context = make_context(TLEG_GEMM_BLAS, i % 2 ? NULL : counted_sgemm, i % 2 ? other_sgemm64 : NULL);
        tleg_expander *expander = make_expander(context);
        OK(context, tleg_session_create_elastic(context, expander, 3, &batch, &callers[i].session));
        tleg_expander_free(expander);
        tleg_context_free(context);
    }
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        tleg_session_free(callers[i].session);
        assert_true(callers[i].good);
    }
    assert_true(atomic_load(&calls) > 0 && atomic_load(&other_calls) > 0);
    assert_int_equal(atomic_load(&most_inside), 1);
}

/* Every call of the library, on our own kernels, with a BLAS at hand. */
static void our_own_kernels_leave_it_alone(void **state) {
    (void)state;
    struct backend backends[MAX_BACKENDS];
    const int32_t count = support_backends(backends);
    forget_calls();
    for (int32_t b = 0; b < count; b++) {
        tleg_context_options options = guest_options(&backends[b], 2);
        options.sgemm = counted_sgemm;
        uint64_t digest;
        if (backends[b].gemm != TLEG_GEMM_BLAS)
            assert_int_equal(guest_walk(&options, &digest), TLEG_OK);
    }
    assert_int_equal(atomic_load(&calls), 0);
    support_clean(NULL);
}

static void without_a_blas_asking_for_one_is_an_error_that_says_what_to_do(void **state) {
    (void)state;
    char text[200];
    const tleg_context_options options = {
        .struct_size = sizeof(options), .gemm = TLEG_GEMM_BLAS, .error_text = text, .error_text_bytes = sizeof(text)};
    tleg_context *context = NULL;
    if (strstr(tleg_build_info(), "blas none") == NULL)
        SKIP("this build links a BLAS");
    assert_int_equal(tleg_context_create(&options, &context), TLEG_ERROR_UNSUPPORTED);
    assert_non_null(strstr(text, "hand over its cblas_sgemm in sgemm"));
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    for (int i = 0; i < BATCH * PIXELS; i++)
        images[i] = (float)(i * 31 % 97) / 48 - 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_integers_give_the_same_bits),
        cmocka_unit_test(a_handle_keeps_the_blas_that_it_was_made_with),
        cmocka_unit_test(one_call_at_a_time_whichever_blas),
        cmocka_unit_test(our_own_kernels_leave_it_alone),
        cmocka_unit_test(without_a_blas_asking_for_one_is_an_error_that_says_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
