/* What a server relies on: handles shared by any number of threads, a pool of its own, fork, cancelling. */
#include "support/support.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 16, ROUNDS = 3, LOGITS = GOLDEN_BATCH * GOLDEN_CLASSES };

static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;
static const struct golden golden = {
    .name = "mean-4", .gene = "mean", .images = 16, .depth = 4, .timm = 0, .image = 0, .half = 1};

/* What the threads share, and the answer that each must give. */
struct scene {
    const struct backend *backend;
    tleg_context *context;
    tleg_learngene *gene;
    tleg_expander *expander;
    tleg_model *model;
    tleg_tensor *images;
    const float *data;
    float logits[LOGITS];
    atomic_int wrong;
};

static void scene_open(struct scene *scene, const struct backend *backend, int32_t workers) {
    memset(scene, 0, sizeof *scene);
    scene->backend = backend;
    scene->context = support_context(backend, workers);
    scene->gene = support_gene(scene->context, golden.gene);
    scene->expander = support_expander(scene->context, &golden, TLEG_F32);
    OK(scene->context, tleg_expander_expand(scene->context, scene->expander, golden.depth, &scene->model));
    scene->images = support_images(scene->context, golden.images, &scene->data);
    tleg_session_options options = {.struct_size = sizeof options, .batch = GOLDEN_BATCH};
    tleg_session *session = NULL;
    OK(scene->context, tleg_session_create(scene->context, scene->model, &options, &session));
    OK_SESSION(session, support_run(session, scene->data, GOLDEN_BATCH, scene->logits, NULL));
    tleg_session_free(session);
}

static void scene_close(struct scene *scene) {
    assert_int_equal(atomic_load(&scene->wrong), 0);
    tleg_tensor_free(scene->images);
    tleg_model_free(scene->model);
    tleg_expander_free(scene->expander);
    tleg_learngene_free(scene->gene);
    tleg_context_free(scene->context);
}

static bool gives_the_answer(struct scene *scene, tleg_session *session) {
    float logits[LOGITS];
    memset(logits, 0xff, sizeof logits);
    return support_run(session, scene->data, GOLDEN_BATCH, logits, NULL) == TLEG_OK &&
           memcmp(logits, scene->logits, sizeof logits) == 0;
}

/* A thread of a server: its own context and sessions over the shared model and expander. */
static bool serve(struct scene *scene) {
    tleg_context_options own = {
        .struct_size = sizeof own, .level = scene->backend->level, .gemm = scene->backend->gemm, .sgemm = support_sgemm};
    tleg_session_options options = {.struct_size = sizeof options, .batch = GOLDEN_BATCH};
    tleg_context *context = NULL;
    tleg_session *session = NULL, *elastic = NULL;
    tleg_model *model = NULL;
    bool right = tleg_context_create(&own, &context) == TLEG_OK &&
                 tleg_session_create(context, scene->model, &options, &session) == TLEG_OK &&
                 tleg_session_create_elastic(context, scene->expander, 9, &options, &elastic) == TLEG_OK &&
                 tleg_expander_expand(context, scene->expander, 2, &model) == TLEG_OK;
    tleg_context_free(context);
    for (int i = 0; right && i < ROUNDS; i++) {
        float other[LOGITS];
        right = gives_the_answer(scene, session) && tleg_session_set_depth(elastic, 4 + i + 1) == TLEG_OK &&
                support_run(elastic, scene->data, GOLDEN_BATCH, other, NULL) == TLEG_OK &&
                tleg_session_set_depth(elastic, golden.depth) == TLEG_OK && gives_the_answer(scene, elastic);
    }
    tleg_model_free(model);
    tleg_session_free(session);
    tleg_session_free(elastic);
    return right;
}

static void *serve_thread(void *argument) {
    struct scene *scene = argument;
    if (!serve(scene)) {
        atomic_fetch_add(&scene->wrong, 1);
    }
    return NULL;
}

static void start_all(struct scene *scene, void *(*body)(void *), pthread_t threads[THREADS]) {
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, body, scene), 0);
    }
}

static void join_all(pthread_t threads[THREADS]) {
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void many_threads_share_a_model_and_an_expander(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        struct scene scene;
        pthread_t threads[THREADS];
        scene_open(&scene, &backends[b], 1);
        start_all(&scene, serve_thread, threads);
        join_all(threads);
        scene_close(&scene);
    }
}

/* The first user drops its handles while the threads still make theirs: references keep what is used. */
static void handles_are_freed_on_another_thread_than_they_were_made(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        struct scene scene;
        scene_open(&scene, &backends[b], 2);
        tleg_session_options options = {.struct_size = sizeof options, .batch = GOLDEN_BATCH};
        tleg_session *session = NULL;
        OK(scene.context, tleg_session_create_elastic(scene.context, scene.expander, golden.depth, &options, &session));
        tleg_expander_free(scene.expander);
        tleg_context_free(scene.context);
        scene.expander = NULL;
        scene.context = NULL;
        assert_true(gives_the_answer(&scene, session));
        tleg_session_free(session);
        scene_close(&scene);
    }
}

/* Sessions of one context share its team; whoever finds it busy works alone, with the same bits. */
struct shared_team {
    struct scene *scene;
    tleg_session *session;
};

static void *run_thread(void *argument) {
    struct shared_team *shared = argument;
    for (int i = 0; i < ROUNDS; i++) {
        if (!gives_the_answer(shared->scene, shared->session)) {
            atomic_fetch_add(&shared->scene->wrong, 1);
        }
    }
    return NULL;
}

static void sessions_of_one_context_run_at_once(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        struct scene scene;
        struct shared_team shared[4];
        pthread_t threads[4];
        scene_open(&scene, &backends[b], 3);
        tleg_session_options options = {.struct_size = sizeof options, .batch = GOLDEN_BATCH};
        for (int i = 0; i < 4; i++) {
            shared[i].scene = &scene;
            OK(scene.context, tleg_session_create(scene.context, scene.model, &options, &shared[i].session));
        }
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, run_thread, &shared[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
            tleg_session_free(shared[i].session);
        }
        scene_close(&scene);
    }
}

/* A host's pool: tasks may run in any order, in turn or at once. */
struct pool {
    atomic_int calls, most;
    bool threaded;
};
struct pool_task {
    void(TLEG_CALL *fn)(void *arg, int32_t task);
    void *arg;
    int32_t task;
};

static void *pool_thread(void *argument) {
    struct pool_task *task = argument;
    task->fn(task->arg, task->task);
    return NULL;
}

static tleg_status TLEG_CALL pool_run(void *host, int32_t tasks, tleg_task_fn fn, void *arg) {
    struct pool *pool = host;
    atomic_fetch_add(&pool->calls, 1);
    if (tasks > atomic_load(&pool->most)) {
        atomic_store(&pool->most, tasks);
    }
    if (!pool->threaded) {
        for (int32_t task = tasks - 1; task >= 0; task--) {
            fn(arg, task);
        }
        return TLEG_OK;
    }
    pthread_t threads[8];
    struct pool_task all[8];
    for (int32_t task = 0; task < tasks; task++) {
        all[task] = (struct pool_task){fn, arg, task};
        if (pthread_create(&threads[task], NULL, pool_thread, &all[task]) != 0) {
            abort();
        }
    }
    for (int32_t task = 0; task < tasks; task++) {
        pthread_join(threads[task], NULL);
    }
    return TLEG_OK;
}

static void a_hosts_pool_does_the_work(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        for (int threaded = 0; threaded < 2; threaded++) {
            struct scene scene;
            scene_open(&scene, &backends[b], 1);
            struct pool pool = {.threaded = threaded};
            tleg_context_options options = {.struct_size = sizeof options,
                                            .level = backends[b].level,
                                            .gemm = backends[b].gemm,
                                            .sgemm = support_sgemm,
                                            .workers = 3,
                                            .parallel = pool_run,
                                            .parallel_host = &pool};
            tleg_session_options session_options = {.struct_size = sizeof session_options, .batch = GOLDEN_BATCH};
            tleg_context *context = NULL;
            tleg_session *session = NULL, *elastic = NULL;
            assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
            OK(context, tleg_session_create(context, scene.model, &session_options, &session));
            OK(context, tleg_session_create_elastic(context, scene.expander, golden.depth, &session_options, &elastic));
            tleg_context_free(context);
            assert_true(gives_the_answer(&scene, session));
            assert_true(gives_the_answer(&scene, elastic));
            assert_true(atomic_load(&pool.calls) > 0);
            assert_in_range(atomic_load(&pool.most), 2, 3);
            tleg_session_free(session);
            tleg_session_free(elastic);
            scene_close(&scene);
        }
    }
}

struct lazy { /* a pool that leaves tasks out, or says so */
    int32_t ran;
    tleg_status status;
};

static tleg_status TLEG_CALL lazy_run(void *host, int32_t tasks, tleg_task_fn fn, void *arg) {
    const struct lazy *lazy = host;
    for (int32_t task = 0; task < tasks && task < lazy->ran; task++) {
        fn(arg, task);
    }
    return lazy->status;
}

/* Every call that computes on the pool fails with what is wrong, and is right again when the pool is. */
static void a_pool_that_leaves_tasks_out_fails_the_call(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, &backends[0], 1);
    struct lazy lazy = {.ran = 4};
    tleg_context_options options = {.struct_size = sizeof options, .workers = 4, .parallel = lazy_run, .parallel_host = &lazy};
    tleg_session_options session_options = {.struct_size = sizeof session_options, .batch = GOLDEN_BATCH};
    tleg_context *context = NULL;
    tleg_session *session = NULL;
    tleg_model *model = NULL;
    float logits[LOGITS];
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    OK(context, tleg_session_create(context, scene.model, &session_options, &session));
    assert_int_equal(support_run(session, scene.data, GOLDEN_BATCH, logits, NULL), TLEG_OK);
    const struct lazy kinds[] = {{0, TLEG_OK}, {1, TLEG_OK}, {0, TLEG_ERROR_MEMORY}, {4, TLEG_ERROR_CANCELLED}, {2, 77}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const tleg_status wanted = kinds[i].status == TLEG_OK ? TLEG_ERROR_STATE : kinds[i].status;
        lazy = kinds[i];
        assert_int_equal(support_run(session, scene.data, GOLDEN_BATCH, logits, NULL), wanted);
        assert_non_null(strstr(tleg_session_get_error(session), "parallel"));
        model = (tleg_model *)&model;
        assert_int_equal(tleg_expander_expand(context, scene.expander, 4, &model), wanted);
        assert_null(model);
        assert_non_null(strstr(tleg_context_get_error(context), "parallel"));
        tleg_cost cost = {.struct_size = sizeof cost};
        assert_int_equal(tleg_expander_get_cost(context, scene.expander, 4, 1, 1, &cost), wanted); /* which runs sessions */
        assert_non_null(strstr(tleg_context_get_error(context), "parallel"));
        lazy = (struct lazy){.ran = 4};
        assert_true(backends[0].gemm == TLEG_GEMM_BLAS || gives_the_answer(&scene, session));
        OK(context, tleg_expander_expand(context, scene.expander, 4, &model));
        tleg_model_free(model);
    }
    tleg_session_free(session);
    tleg_context_free(context);
    scene_close(&scene);
}

/* ---- fork ---- */

/* Runs in the child, which has this thread alone: 0 when right. */
static int after_fork(struct scene *scene, tleg_session *session) {
    alarm(60); /* a child that waits for workers it has not must not hang the suite */
    bool right = gives_the_answer(scene, session);
    tleg_session_free(session);
    return right ? 0 : 1;
}

static void a_forked_child_uses_what_its_parent_made(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        for (int32_t workers = 1; workers <= 3; workers += 2) {
            struct scene scene;
            scene_open(&scene, &backends[b], workers);
            tleg_session_options options = {.struct_size = sizeof options, .batch = GOLDEN_BATCH};
            tleg_session *session = NULL;
            OK(scene.context, tleg_session_create(scene.context, scene.model, &options, &session));
            assert_true(gives_the_answer(&scene, session));
            fflush(NULL);
            pid_t child = fork();
            assert_true(child >= 0);
            if (child == 0) {
                _exit(after_fork(&scene, session));
            }
            int status = -1;
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            assert_true(gives_the_answer(&scene, session)); /* and the parent goes on */
            tleg_session_free(session);
            scene_close(&scene);
        }
    }
}

/* ---- cancelling ---- */

struct watch {
    tleg_session *session;
    struct scene *scene;
    atomic_int started, ended;
    tleg_status status;
};

/* A run that would take minutes: many images, one at a time. */
static void *long_run(void *argument) {
    struct watch *watch = argument;
    enum { IMAGES = 20000 };
    size_t pixels = 3 * 16 * 16;
    float *images = calloc(IMAGES * pixels, sizeof(float)), *logits = calloc(IMAGES * GOLDEN_CLASSES, sizeof(float));
    if (images != NULL && logits != NULL) {
        atomic_store(&watch->started, 1);
        watch->status = support_run(watch->session, images, IMAGES, logits, NULL);
    }
    free(images);
    free(logits);
    atomic_store(&watch->ended, 1);
    return NULL;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void a_run_is_cancelled_from_another_thread(void **state) {
    (void)state;
    for (int elastic = 0; elastic < 2; elastic++) {
        struct scene scene;
        scene_open(&scene, &backends[0], 2);
        struct watch watch = {.scene = &scene, .status = -1};
        tleg_session_options options = {.struct_size = sizeof options, .batch = 1};
        if (elastic) {
            OK(scene.context,
               tleg_session_create_elastic(scene.context, scene.expander, golden.depth, &options, &watch.session));
            OK_SESSION(watch.session, tleg_session_set_depth(watch.session, 1000));
        } else {
            tleg_model_free(scene.model);
            scene.model = NULL;
            OK(scene.context, tleg_expander_expand(scene.context, scene.expander, 300, &scene.model));
            OK(scene.context, tleg_session_create(scene.context, scene.model, &options, &watch.session));
        }
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, long_run, &watch), 0);
        while (atomic_load(&watch.started) == 0) {
            usleep(1000);
        }
        usleep(20000);
        assert_int_equal(atomic_load(&watch.ended), 0);
        double start = seconds_now();
        tleg_session_cancel(watch.session);
        pthread_join(thread, NULL);
        assert_true(seconds_now() - start < 20);
        assert_int_equal(watch.status, TLEG_ERROR_CANCELLED);
        assert_true(strlen(tleg_session_get_error(watch.session)) > 0);
        if (elastic) { /* one call stops one run: the next one is right */
            OK_SESSION(watch.session, tleg_session_set_depth(watch.session, golden.depth));
            assert_true(backends[0].gemm == TLEG_GEMM_BLAS || gives_the_answer(&scene, watch.session));
        }
        tleg_session_free(watch.session);
        scene_close(&scene);
    }
}

/* A deadline that passes when nothing runs hits nobody. */
static void cancelling_a_session_that_does_not_run_does_nothing(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, &backends[0], 1);
    tleg_session_options options = {.struct_size = sizeof options, .batch = GOLDEN_BATCH};
    tleg_session *session = NULL;
    OK(scene.context, tleg_session_create(scene.context, scene.model, &options, &session));
    for (int i = 0; i < 3; i++) { /* before the first run, and between runs */
        tleg_session_cancel(session);
        assert_true(gives_the_answer(&scene, session));
    }
    tleg_session_free(session);
    scene_close(&scene);
}

/* ---- what a guest leaves alone ---- */

static int32_t thread_count(void) {
    char line[256];
    int32_t count = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        sscanf(line, "Threads: %d", &count);
    }
    if (file != NULL) {
        fclose(file);
    }
    return count;
}

static void *idle_thread(void *argument) {
    return argument;
}

static void the_library_starts_only_the_threads_asked_for(void **state) {
    (void)state;
    pthread_t first; /* ThreadSanitizer starts a thread of its own beside the first */
    assert_int_equal(pthread_create(&first, NULL, idle_thread, NULL), 0);
    pthread_join(first, NULL);
    int32_t before = thread_count();
    if (before < 0) {
        SKIP("the system does not say how many threads there are");
    }
    struct scene scene;
    scene_open(&scene, &backends[0], 1);
    assert_int_equal(thread_count(), before);
    scene_close(&scene);
    scene_open(&scene, &backends[0], 3);
    assert_int_equal(thread_count(), before + 2);
    scene_close(&scene);
    for (int i = 0; i < 1000 && thread_count() != before; i++) {
        usleep(1000); /* a joined thread leaves the table a moment later */
    }
    assert_int_equal(thread_count(), before);
}

static int prepare(void **state) {
    (void)state;
    backend_count = support_backends(backends);
    return backend_count > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_starts_only_the_threads_asked_for),
        cmocka_unit_test(many_threads_share_a_model_and_an_expander),
        cmocka_unit_test(handles_are_freed_on_another_thread_than_they_were_made),
        cmocka_unit_test(sessions_of_one_context_run_at_once),
        cmocka_unit_test(a_hosts_pool_does_the_work),
        cmocka_unit_test(a_pool_that_leaves_tasks_out_fails_the_call),
        cmocka_unit_test(a_forked_child_uses_what_its_parent_made),
        cmocka_unit_test(a_run_is_cancelled_from_another_thread),
        cmocka_unit_test(cancelling_a_session_that_does_not_run_does_nothing),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
