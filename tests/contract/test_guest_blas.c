/* A host that uses a BLAS itself and hands it to the library: its number of threads is its own, before, while and after
 * sessions run, and our calls come one at a time. guest_blas.sh runs this with each of Debian's builds of OpenBLAS and BLIS.
 *     test_guest_blas LIBRARY */
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "contract/guest.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { SIDE = 32, CLASSES = 10, PIXELS = 3 * SIDE * SIDE, BATCH = 4, CALLERS = 4 };

/* ---- the BLAS ---- */

static tleg_sgemm_fn real_sgemm;
static int (*openmp_threads)(void), (*openblas_threads)(void), (*openblas_kind)(void);
static void (*openblas_set_threads)(int count);
static long (*blis_threads)(void);
static void (*blis_set_threads)(long count);

/* The number of threads as the host sees it. In an OpenMP build of OpenBLAS that is OpenMP's, each thread has its own, and
 * OpenBLAS's question for it writes to what all share. */
static int host_count(void) {
    if (openmp_threads)
        return openmp_threads();
    return openblas_threads ? openblas_threads() : (int)blis_threads();
}

static void set_host_count(int count) {
    if (openblas_set_threads)
        openblas_set_threads(count);
    else
        blis_set_threads(count);
}

static void look_up(void *library, const char *name, void *function) {
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found);
}

static bool load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
        print_error("%s\n", dlerror());
        return false;
    }
    look_up(library, "cblas_sgemm", &real_sgemm);
    look_up(library, "openblas_get_num_threads", &openblas_threads);
    look_up(library, "openblas_set_num_threads", &openblas_set_threads);
    look_up(library, "openblas_get_parallel", &openblas_kind);
    look_up(library, "bli_thread_get_num_threads", &blis_threads);
    look_up(library, "bli_thread_set_num_threads", &blis_set_threads);
    if (openblas_kind && openblas_kind() == 2)
        look_up(RTLD_DEFAULT, "omp_get_max_threads", &openmp_threads);
    return real_sgemm && (openblas_threads || blis_threads);
}

/* ---- a look at each of the library's calls, on its way there ---- */

static atomic_int calls, inside, most_inside, odd_counts;
static _Thread_local int count_here; /* of this thread of the host's; 0: not looked at */

static void TLEG_CALL watched_sgemm(int32_t order, int32_t ta, int32_t tb, int32_t m, int32_t n, int32_t k, float alpha,
                                    const float *a, int32_t lda, const float *b, int32_t ldb, float beta, float *c,
                                    int32_t ldc) {
    const int now = atomic_fetch_add(&inside, 1) + 1;
    atomic_fetch_add(&calls, 1);
    if (now > atomic_load(&most_inside))
        atomic_store(&most_inside, now);
    if (count_here && host_count() != count_here)
        atomic_fetch_add(&odd_counts, 1);
    real_sgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    atomic_fetch_sub(&inside, 1);
}

/* ---- a model whose products are large enough to be split among its threads ---- */

static tleg_context *context;
static tleg_expander *expander;
static float images[BATCH * PIXELS], right[BATCH * CLASSES];

static int prepare(void **state) {
    (void)state;
    static const tleg_config config = {
        .struct_size = sizeof(config), .image_size = SIDE, .patch_size = 4, .dim = 192, .heads = 3, .classes = CLASSES};
    const tleg_context_options options = {.struct_size = sizeof(options), .gemm = TLEG_GEMM_OWN};
    tleg_learngene *gene = NULL;
    tleg_session *session = NULL;
    for (int i = 0; i < BATCH * PIXELS; i++)
        images[i] = (float)(i * 31 % 97) / 48 - 1;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    OK(context, tleg_learngene_create(context, &config, 3, &gene));
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    OK(context, tleg_session_create_elastic(context, expander, 3, NULL, &session));
    OK_SESSION(session, support_run(session, images, BATCH, right, NULL));
    tleg_session_free(session);
    tleg_expander_free(expander);
    tleg_context_free(context);
    const tleg_context_options blas = {
        .struct_size = sizeof(blas), .gemm = TLEG_GEMM_BLAS, .sgemm = watched_sgemm, .workers = 2};
    assert_int_equal(tleg_context_create(&blas, &context), TLEG_OK);
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    tleg_learngene_free(gene);
    return 0;
}

static int clean(void **state) {
    (void)state;
    tleg_expander_free(expander);
    tleg_context_free(context);
    return 0;
}

static void *call(void *wrong) {
    tleg_session *session = NULL;
    const tleg_context_options options = {.struct_size = sizeof(options), .gemm = TLEG_GEMM_BLAS, .sgemm = watched_sgemm};
    tleg_context *own = NULL;
    const tleg_session_options batch = {.struct_size = sizeof(batch), .batch = BATCH};
    float logits[BATCH * CLASSES];
    count_here = host_count();
    bool good = tleg_context_create(&options, &own) == TLEG_OK &&
                tleg_session_create_elastic(own, expander, 3, &batch, &session) == TLEG_OK;
    for (int i = 0; good && i < 5; i++)
        good = support_run(session, images, BATCH, logits, NULL) == TLEG_OK &&
               support_relative(logits, right, BATCH * CLASSES) < 1e-5;
    tleg_session_free(session);
    tleg_context_free(own);
    good = good && host_count() == count_here;
    if (!good)
        atomic_fetch_add((atomic_int *)wrong, 1);
    return NULL;
}

static void watch_calls(void) {
    atomic_store(&calls, 0);
    atomic_store(&most_inside, 0);
    atomic_store(&odd_counts, 0);
}

static void the_hosts_count_is_its_own(void **state) {
    (void)state;
    for (int count = 1; count <= 3; count++) {
        atomic_int wrong = 0;
        pthread_t callers[CALLERS];
        set_host_count(count);
        const int set = host_count(); /* 1 in a serial build, whatever is asked for */
        watch_calls();
        for (int i = 0; i < CALLERS; i++)
            assert_int_equal(pthread_create(&callers[i], NULL, call, &wrong), 0);
        int others = 0;
        for (int i = 0; i < 50; i++) {
            others += host_count() != set;
            nanosleep(&(struct timespec){0, 500000}, NULL);
        }
        for (int i = 0; i < CALLERS; i++)
            pthread_join(callers[i], NULL);
        assert_int_equal(atomic_load(&wrong), 0);
        assert_true(atomic_load(&calls) > 0);
        assert_int_equal(atomic_load(&most_inside), 1); /* one lock around all of them */
        assert_int_equal(atomic_load(&odd_counts), 0);
        assert_int_equal(others, 0);
        assert_int_equal(host_count(), set);
    }
}

struct host_product {
    float a[96 * 96], b[96 * 96], c[96 * 96], expected[96 * 96];
    atomic_bool stop;
    int threads, wrong, done;
};

static void *multiply(void *argument) {
    struct host_product *host = argument;
    if (openmp_threads) /* a new thread has OpenMP's default, whatever the one that made it has set */
        set_host_count(host->threads);
    while (!atomic_load(&host->stop)) {
        real_sgemm(101, 111, 112, 96, 96, 96, 1, host->a, 96, host->b, 96, 0, host->c, 96);
        host->wrong += support_relative(host->c, host->expected, 96 * 96) > 1e-5;
        host->done++;
    }
    return NULL;
}

/* The host multiplies by itself meanwhile. The serial build allows no two callers, and our lock does not know of the host.
 * OpenBLAS's OpenMP build allows them with one number of threads alone: it plans a product with the number that a caller set
 * last and runs it with the caller's own, and waits for ever for a part that no thread takes. */
static void a_host_multiplies_at_the_same_time(void **state) {
    (void)state;
    static struct host_product host;
    if (openblas_kind && openblas_kind() == 0)
        SKIP("this OpenBLAS is the serial build, which allows no two callers");
    for (int i = 0; i < 96 * 96; i++) {
        host.a[i] = (float)(i * 7 % 13) - 6;
        host.b[i] = (float)(i * 5 % 11) - 5;
    }
    for (int i = 0; i < 96; i++)
        for (int j = 0; j < 96; j++)
            for (int k = 0; k < 96; k++)
                host.expected[i * 96 + j] += host.a[i * 96 + k] * host.b[j * 96 + k];
    pthread_t multiplier;
    atomic_int wrong = 0;
    host.threads = host_count();
    watch_calls();
    assert_int_equal(pthread_create(&multiplier, NULL, multiply, &host), 0);
    for (int i = 0; i < 10; i++)
        call(&wrong);
    atomic_store(&host.stop, true);
    pthread_join(multiplier, NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(host.done > 0);
    assert_int_equal(host.wrong, 0);
}

int main(int argc, char **argv) {
    if (argc != 2 || !load(argv[1]))
        return 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hosts_count_is_its_own),
        cmocka_unit_test(a_host_multiplies_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
