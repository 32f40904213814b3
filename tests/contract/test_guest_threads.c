/* A host with threads: two hundred of them, small stacks, forks while others compute, and nothing that spins when all is done.
 */
#define _GNU_SOURCE /* sched_setaffinity */
#include "contract/guest.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

enum { LOGITS = GOLDEN_BATCH * GOLDEN_CLASSES };
static const struct golden golden = {.name = "mean-4", .gene = "mean", .images = 16, .depth = 4};
static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;

/* ---- what all threads share, and the answer that each must give ---- */

struct scene {
    const struct backend *backend;
    struct counter counter;
    tleg_context *context;
    tleg_expander *expander;
    tleg_model *model;
    tleg_tensor *images;
    const float *data;
    float logits[LOGITS];
    pthread_barrier_t barrier;
    atomic_int wrong, stop;
};

static tleg_context_options scene_options(struct scene *scene, int32_t workers) {
    tleg_context_options options = support_counted(&scene->counter);
    options.level = scene->backend->level;
    options.gemm = scene->backend->gemm;
    options.workers = workers;
    return options;
}

static void scene_open(struct scene *scene, const struct backend *backend, int32_t workers) {
    memset(scene, 0, sizeof(*scene));
    support_counter(&scene->counter);
    scene->backend = backend;
    const tleg_context_options options = scene_options(scene, workers);
    assert_int_equal(tleg_context_create(&options, &scene->context), TLEG_OK);
    scene->expander = support_expander(scene->context, &golden, TLEG_F32);
    OK(scene->context, tleg_expander_expand(scene->context, scene->expander, golden.depth, &scene->model));
    scene->images = support_images(scene->context, golden.images, &scene->data);
    size_t count;
    const float *right;
    tleg_session *session = NULL;
    OK(scene->context, tleg_session_create(scene->context, scene->model, NULL, &session));
    OK_SESSION(session, support_run(session, scene->data, GOLDEN_BATCH, scene->logits, NULL));
    tleg_session_free(session);
    tleg_tensor *reference =
        support_tensor(scene->context, support_path(golden.name, ".out.safetensors"), "logits", &right, &count);
    assert_true(count == LOGITS && support_relative(scene->logits, right, LOGITS) < 1e-5);
    tleg_tensor_free(reference);
}

static void scene_close(struct scene *scene) {
    tleg_tensor_free(scene->images);
    tleg_model_free(scene->model);
    tleg_expander_free(scene->expander);
    tleg_context_free(scene->context);
    assert_int_equal(atomic_load(&scene->wrong), 0);
    assert_int_equal(atomic_load(&scene->counter.live), 0);
    assert_int_equal(atomic_load(&scene->counter.wrong), 0);
}

static bool gives_the_answer(const struct scene *scene, tleg_session *session) {
    float logits[LOGITS];
    memset(logits, 0xff, sizeof(logits));
    return support_run(session, scene->data, GOLDEN_BATCH, logits, NULL) == TLEG_OK &&
           memcmp(logits, scene->logits, sizeof(logits)) == 0;
}

/* ---- two hundred threads ---- */

enum { CROWD = 200 };

static void *be_one_of_many(void *argument) {
    struct scene *scene = argument;
    const tleg_context_options options = scene_options(scene, 1);
    tleg_context *context = NULL;
    tleg_session *session = NULL;
    bool right = tleg_context_create(&options, &context) == TLEG_OK &&
                 tleg_session_create(context, scene->model, NULL, &session) == TLEG_OK;
    tleg_context_free(context);
    pthread_barrier_wait(&scene->barrier); /* all sessions are there */
    pthread_barrier_wait(&scene->barrier); /* and were counted */
    for (int i = 0; right && i < 3; i++)
        right = gives_the_answer(scene, session);
    tleg_session_free(session);
    atomic_fetch_add(&scene->wrong, !right);
    return NULL;
}

static void two_hundred_threads_have_a_session_each(void **state) {
    (void)state;
    static pthread_t crowd[CROWD];
    for (int32_t b = 0; b < backend_count; b++) {
        struct scene scene;
        uint64_t one = 0;
        scene_open(&scene, &backends[b], 1);
        OK(scene.context, tleg_session_get_memory(scene.context, scene.model, NULL, &one));
        const long long before = atomic_load(&scene.counter.live_bytes);
        assert_int_equal(pthread_barrier_init(&scene.barrier, NULL, CROWD + 1), 0);
        for (int i = 0; i < CROWD; i++)
            assert_int_equal(pthread_create(&crowd[i], NULL, be_one_of_many, &scene), 0);
        pthread_barrier_wait(&scene.barrier);
        /* a session's bytes are what was told; its context lives on in what they share, the team of one */
        const long long each = (atomic_load(&scene.counter.live_bytes) - before) / CROWD;
        pthread_barrier_wait(&scene.barrier);
        for (int i = 0; i < CROWD; i++)
            pthread_join(crowd[i], NULL);
        pthread_barrier_destroy(&scene.barrier);
        assert_in_range(each, one, one + 1024);
        assert_int_equal(atomic_load(&scene.counter.live_bytes), before);
        scene_close(&scene);
    }
}

/* ---- small stacks ---- */

enum { PROMISED_STACK = 64 << 10, ROOM = 1 << 20, PAINT = 0x5A };

struct walker {
    tleg_context *context;
    tleg_status status;
};

static void *walk(void *argument) {
    struct walker *walker = argument;
    struct visit visit = {.context = walker->context};
    guest_scratch(&visit);
    walker->status = visit_all(&visit);
    visit_close(&visit);
    return NULL;
}

static void *nothing(void *argument) {
    return argument;
}

/* How many bytes of its stack a thread touched. */
static size_t stack_of(void *(*body)(void *), void *argument) {
    pthread_attr_t attributes;
    pthread_t thread;
    unsigned char *stack = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(stack != MAP_FAILED);
    memset(stack, PAINT, ROOM);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, ROOM), 0);
    assert_int_equal(pthread_create(&thread, &attributes, body, argument), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    size_t untouched = 0;
    while (untouched < ROOM && stack[untouched] == PAINT)
        untouched++;
    munmap(stack, ROOM);
    return ROOM - untouched;
}

static void no_call_needs_more_stack_than_is_promised(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        SKIP("a sanitizer's frames are larger");
    for (int32_t b = 0; b < backend_count; b++) {
        const tleg_context_options options = guest_options(&backends[b], 2);
        struct walker walker = {0};
        assert_int_equal(tleg_context_create(&options, &walker.context), TLEG_OK);
        const size_t empty = stack_of(nothing, NULL); /* what the C library keeps there, thread-local variables too */
        const size_t whole = stack_of(walk, &walker);
        assert_int_equal(walker.status, TLEG_OK);
        tleg_context_free(walker.context);
        if (whole - empty > PROMISED_STACK)
            fail_msg("%s: %zu bytes of stack, %d are promised", backends[b].name, whole - empty, PROMISED_STACK);
    }
}

/* ---- fork ---- */

static bool child_ends_well(pid_t child) {
    int status = -1;
    assert_true(child >= 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* From file to logits with a context of its own, threads and all. */
static bool starts_anew(const struct scene *scene) {
    tleg_context_options options = guest_options(scene->backend, 3);
    tleg_expander_options expanding = {.struct_size = sizeof(expanding)};
    tleg_context *context = NULL;
    tleg_expander *expander = NULL;
    tleg_session *session = NULL;
    const bool right =
        tleg_context_create(&options, &context) == TLEG_OK &&
        tleg_expander_open(context, support_path(golden.gene, ".gene.safetensors"), NULL, &expanding, &expander) == TLEG_OK &&
        tleg_session_create_elastic(context, expander, golden.depth, NULL, &session) == TLEG_OK &&
        gives_the_answer(scene, session);
    tleg_session_free(session);
    tleg_expander_free(expander);
    tleg_context_free(context);
    return right;
}

/* With the parent's own handles: its session, a new one of its context, and all of them freed. */
static bool goes_on(struct scene *scene, tleg_session *session) {
    tleg_session *second = NULL;
    const bool right = gives_the_answer(scene, session) &&
                       tleg_session_create_elastic(scene->context, scene->expander, golden.depth, NULL, &second) == TLEG_OK &&
                       gives_the_answer(scene, second);
    tleg_session_free(second);
    tleg_session_free(session);
    tleg_tensor_free(scene->images);
    tleg_model_free(scene->model);
    tleg_expander_free(scene->expander);
    tleg_context_free(scene->context);
    return right;
}

static void a_child_starts_anew_or_goes_on(void **state) {
    (void)state;
    if (UNDER_TSAN)
        SKIP("ThreadSanitizer forbids a child new threads");
    for (int32_t b = 0; b < backend_count; b++) {
        struct scene scene;
        tleg_session *session = NULL;
        scene_open(&scene, &backends[b], 3);
        OK(scene.context, tleg_session_create(scene.context, scene.model, NULL, &session));
        assert_true(gives_the_answer(&scene, session));
        fflush(NULL);
        for (int way = 0; way < 3; way++) {
            const pid_t child = fork();
            if (child == 0) {
                alarm(60);      /* a child that hangs must not hang the suite */
                if (way == 2) { /* a daemon forks twice */
                    const pid_t grandchild = fork();
                    if (grandchild != 0)
                        _exit(grandchild > 0 && child_ends_well(grandchild) ? 0 : 1);
                }
                _exit((way == 1 ? goes_on(&scene, session) : starts_anew(&scene)) ? 0 : 1);
            }
            if (!child_ends_well(child))
                fail_msg("%s: child %d did not end well", backends[b].name, way);
        }
        assert_true(gives_the_answer(&scene, session)); /* and the parent goes on */
        tleg_session_free(session);
        scene_close(&scene);
    }
}

static void *run_until_told(void *argument) {
    struct scene *scene = argument;
    tleg_session *session = NULL;
    const tleg_context_options options = guest_options(scene->backend, 2);
    tleg_context *context = NULL;
    bool right = tleg_context_create(&options, &context) == TLEG_OK &&
                 tleg_session_create(context, scene->model, NULL, &session) == TLEG_OK;
    while (right && !atomic_load(&scene->stop))
        right = gives_the_answer(scene, session);
    atomic_fetch_add(&scene->wrong, !right);
    tleg_session_free(session);
    tleg_context_free(context);
    return NULL;
}

static void a_fork_while_others_compute_leaves_a_child_that_can(void **state) {
    (void)state;
    if (UNDER_TSAN)
        SKIP("ThreadSanitizer forbids a child new threads");
    enum { OTHERS = 3 };
    for (int32_t b = 0; b < backend_count; b++) {
        struct scene scene;
        pthread_t others[OTHERS];
        if (backends[b].gemm == TLEG_GEMM_BLAS)
            continue; /* the lock around cblas may be held then: the README names this promise as one that lapses */
        scene_open(&scene, &backends[b], 2);
        for (int i = 0; i < OTHERS; i++)
            assert_int_equal(pthread_create(&others[i], NULL, run_until_told, &scene), 0);
        fflush(NULL);
        for (int i = 0; i < 10; i++) {
            const pid_t child = fork();
            if (child == 0) {
                alarm(60);
                _exit(starts_anew(&scene) ? 0 : 1);
            }
            if (!child_ends_well(child))
                fail_msg("%s: child %d did not end well", backends[b].name, i);
        }
        atomic_store(&scene.stop, 1);
        for (int i = 0; i < OTHERS; i++)
            pthread_join(others[i], NULL);
        scene_close(&scene);
    }
}

/* ---- afterwards ---- */

static double processor_seconds(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

static void no_processor_time_is_used_half_a_second_after_a_call(void **state) {
    (void)state;
    static struct scene scenes[MAX_BACKENDS];
    tleg_session *sessions[MAX_BACKENDS] = {NULL};
    const struct timespec half = {0, 500000000};
    for (int32_t b = 0; b < backend_count; b++) {
        scene_open(&scenes[b], &backends[b], 4);
        OK(scenes[b].context, tleg_session_create(scenes[b].context, scenes[b].model, NULL, &sessions[b]));
        for (int i = 0; i < 20; i++)
            assert_true(gives_the_answer(&scenes[b], sessions[b]));
    }
    nanosleep(&half, NULL);
    const double before = processor_seconds();
    nanosleep(&half, NULL);
    const double used = processor_seconds() - before;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_session_free(sessions[b]);
        scene_close(&scenes[b]);
    }
    if (!(used < 0.005)) /* 1 % */
        fail_msg("%g seconds of processor time in an idle half second", used);
}

/* Eight workers of which one at a time can run: whoever waits lets the others go on. */
static void more_workers_than_processors_are_no_trouble(void **state) {
    (void)state;
    cpu_set_t all, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof(all), &all) != 0)
        SKIP("the system does not say which processors there are");
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0); /* new threads inherit it */
    struct scene scene;
    tleg_session *session = NULL;
    scene_open(&scene, &backends[0], 8);
    OK(scene.context, tleg_session_create(scene.context, scene.model, NULL, &session));
    const double before = processor_seconds();
    for (int i = 0; i < 50; i++)
        assert_true(gives_the_answer(&scene, session));
    const double used = processor_seconds() - before;
    tleg_session_free(session);
    scene_close(&scene);
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
    assert_true(used < 20);
}

static int prepare(void **state) {
    (void)state;
    backend_count = support_backends(backends);
    return backend_count > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_hundred_threads_have_a_session_each),
        cmocka_unit_test(no_call_needs_more_stack_than_is_promised),
        cmocka_unit_test(a_child_starts_anew_or_goes_on),
        cmocka_unit_test(a_fork_while_others_compute_leaves_a_child_that_can),
        cmocka_unit_test(no_processor_time_is_used_half_a_second_after_a_call),
        cmocka_unit_test(more_workers_than_processors_are_no_trouble),
    };
    return cmocka_run_group_tests(tests, prepare, support_clean);
}
