/* The worker team: every lane once, whoever calls, and a good guest in the host's process. */
#define _GNU_SOURCE /* pthread_setattr_default_np */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core.h"
#include "support/counter.h"
#include "support/skip.h"

#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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

enum { MOST_LANES = 8 };

/* The number of this process as the library hears it: a test may say another. */
static pid_t pretended;

pid_t getpid(void) {
    return pretended ? pretended : (pid_t)syscall(SYS_getpid);
}

static struct tleg_team *make(int32_t workers) {
    const tleg_context_options options = {.struct_size = sizeof(options), .workers = workers};
    struct tleg_team *team;
    assert_int_equal(tleg_team_create(NULL, &tleg_default_allocator, &options, &team), TLEG_OK);
    return team;
}

struct tally {
    int64_t calls[MOST_LANES];
    pthread_t who[MOST_LANES];
    int32_t order[MOST_LANES];
    atomic_int ended;
};

static void count(void *arg, int32_t lane) {
    struct tally *tally = arg;
    tally->calls[lane]++;
    tally->who[lane] = pthread_self();
    tally->order[atomic_fetch_add(&tally->ended, 1) % MOST_LANES] = lane;
}

/* Whether one run of `lanes` lanes was all on the calling thread in rising order. */
static bool ran_on_caller(const struct tally *tally, int32_t lanes) {
    for (int32_t lane = 0; lane < lanes; lane++)
        if (tally->calls[lane] != 1 || tally->order[lane] != lane || !pthread_equal(tally->who[lane], pthread_self()))
            return false;
    return true;
}

static void pause_for(long milliseconds) {
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000}, NULL);
}

static void each_lane_runs_once_and_its_work_is_visible(void **state) {
    (void)state;
    for (int32_t workers = 1; workers <= 5; workers++) {
        struct tleg_team *team = make(workers);
        struct tally tally = {0};
        int64_t expected[MOST_LANES] = {0};
        assert_int_equal(tleg_team_lanes(team), workers);
        for (int32_t i = 0; i < 3000; i++) {
            const int32_t lanes = 1 + i % workers;
            tleg_team_run(team, lanes, count, &tally);
            for (int32_t lane = 0; lane < lanes; lane++)
                assert_int_equal(tally.calls[lane], ++expected[lane]);
        }
        tleg_team_free(team);
    }
}

static void no_worker_asked_for_is_the_caller_alone(void **state) {
    (void)state;
    struct tleg_team *team = make(0);
    struct tally tally = {0};
    assert_int_equal(tleg_team_lanes(team), 1);
    tleg_team_run(team, 1, count, &tally);
    assert_true(ran_on_caller(&tally, 1));
    tleg_team_run(team, 0, count, &tally);
    assert_int_equal(tally.calls[0], 1);
    tleg_team_free(team);
}

static void lanes_run_on_threads_of_their_own(void **state) {
    (void)state;
    struct tleg_team *team = make(3);
    struct tally tally = {0};
    tleg_team_run(team, 3, count, &tally);
    assert_true(pthread_equal(tally.who[0], pthread_self()));
    assert_false(pthread_equal(tally.who[1], pthread_self()));
    assert_false(pthread_equal(tally.who[2], tally.who[1]));
    tleg_team_free(team);
}

static void workers_that_fell_asleep_wake_up(void **state) {
    (void)state;
    struct tleg_team *team = make(3);
    struct tally tally = {0};
    for (int i = 1; i <= 30; i++) {
        pause_for(i % 3 ? 2 : 0);
        tleg_team_run(team, 3, count, &tally);
        for (int32_t lane = 0; lane < 3; lane++)
            assert_int_equal(tally.calls[lane], i);
    }
    tleg_team_free(team);
}

static void be_late(void *arg, int32_t lane) {
    if (lane > 0)
        pause_for(5);
    count(arg, lane);
}

static void a_caller_that_fell_asleep_wakes_up(void **state) {
    (void)state;
    struct tleg_team *team = make(3);
    struct tally tally = {0};
    for (int i = 1; i <= 20; i++) {
        tleg_team_run(team, 3, be_late, &tally);
        assert_int_equal(tally.calls[1] + tally.calls[2], 2 * i);
    }
    tleg_team_free(team);
}

struct nested {
    struct tleg_team *team;
    struct tally inner[2];
    bool on_caller[2];
};

static void run_again(void *arg, int32_t lane) {
    struct nested *nested = arg;
    tleg_team_run(nested->team, 3, count, &nested->inner[lane]);
    nested->on_caller[lane] = ran_on_caller(&nested->inner[lane], 3);
}

static void a_busy_team_runs_on_the_caller_in_rising_order(void **state) {
    (void)state;
    struct nested nested = {.team = make(3)};
    tleg_team_run(nested.team, 2, run_again, &nested);
    assert_true(nested.on_caller[0] && nested.on_caller[1]);
    tleg_team_free(nested.team);
}

static void more_lanes_than_workers_run_on_the_caller(void **state) {
    (void)state;
    struct tleg_team *team = make(2);
    struct tally tally = {0};
    tleg_team_run(team, 4, count, &tally);
    assert_true(ran_on_caller(&tally, 4));
    tleg_team_free(team);
}

static void *call_often(void *arg) {
    struct tally tally = {0};
    for (int i = 0; i < 2000; i++)
        tleg_team_run(arg, 3, count, &tally);
    const int64_t calls = tally.calls[0] + tally.calls[1] + tally.calls[2];
    tleg_team_free(arg);
    return calls == 6000 ? arg : NULL;
}

static void many_callers_share_a_team_and_free_it_in_any_order(void **state) {
    (void)state;
    struct tleg_team *team = make(3);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, tleg_team_share(team)), 0);
    tleg_team_free(team);
    for (int i = 0; i < 4; i++) {
        void *good;
        pthread_join(threads[i], &good);
        assert_non_null(good);
    }
}

static void a_team_freed_at_once_or_after_sleep_leaves_nothing(void **state) {
    (void)state;
    for (int i = 0; i < 40; i++) {
        struct counter counter = {0};
        tleg_context_options options = support_counted(&counter);
        options.workers = 4;
        tleg_context *context;
        assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
        pause_for(i % 2);
        tleg_context_free(context);
        assert_int_equal(counter.live, 0);
        assert_int_equal(counter.wrong, 0);
    }
}

/* ---- the host's own pool ---- */

struct pool {
    int32_t calls, tasks;
};

static tleg_status TLEG_CALL run_backwards(void *host, int32_t tasks, void(TLEG_CALL *fn)(void *arg, int32_t task), void *arg) {
    struct pool *pool = host;
    pool->calls++;
    pool->tasks += tasks;
    for (int32_t task = tasks - 1; task >= 0; task--)
        fn(arg, task);
    return TLEG_OK;
}

static void a_hosts_pool_gets_the_tasks(void **state) {
    (void)state;
    struct pool pool = {0};
    struct tally tally = {0};
    const tleg_context_options options = {
        .struct_size = sizeof(options), .workers = 6, .parallel = run_backwards, .parallel_host = &pool};
    tleg_context *context;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    assert_int_equal(tleg_team_lanes(context->team), 6);
    tleg_team_run(context->team, 6, count, &tally);
    assert_int_equal(pool.calls, 1);
    assert_int_equal(pool.tasks, 6);
    assert_int_equal(tally.order[0], 5);
    for (int32_t lane = 0; lane < 6; lane++)
        assert_true(tally.calls[lane] == 1 && pthread_equal(tally.who[lane], pthread_self()));
    tleg_context_free(context);
}

/* ---- a good guest ---- */

#if defined(__GLIBC__)
/* Stacks of 16 TiB: a few fit into an address space of 128, all together do not. */
static void a_thread_that_does_not_start_is_an_error_and_leaves_nothing(void **state) {
    (void)state;
    if (sizeof(size_t) < 8 || UNDER_TSAN)
        SKIP("thread stacks as large as an address space cannot be asked for here");
    struct counter counter = {0};
    tleg_context_options options = support_counted(&counter);
    options.workers = 64;
    pthread_attr_t former, large;
    assert_int_equal(pthread_getattr_default_np(&former), 0);
    assert_int_equal(pthread_attr_init(&large), 0);
    assert_int_equal(pthread_attr_setstacksize(&large, (size_t)(UINT64_C(1) << 44)), 0);
    assert_int_equal(pthread_setattr_default_np(&large), 0);
    tleg_context *context;
    const tleg_status status = tleg_context_create(&options, &context);
    assert_int_equal(pthread_setattr_default_np(&former), 0);
    assert_int_equal(status, TLEG_ERROR_MEMORY);
    assert_null(context);
    assert_int_equal(counter.live, 0);
    pthread_attr_destroy(&large);
    pthread_attr_destroy(&former);
}
#endif

static void after_fork_a_child_computes_and_frees(void **state) {
    (void)state;
    tleg_context_options options = {.struct_size = sizeof(options), .workers = 3};
    tleg_context *context;
    struct tally tally = {0};
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    tleg_team_run(context->team, 3, count, &tally);
    pause_for(2); /* the workers sleep: their condition variables have waiters, who are not in the child */
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        struct tally mine = {0};
        tleg_team_run(context->team, 3, count, &mine);
        bool good = ran_on_caller(&mine, 3);
        tleg_context_free(context);
        if (!UNDER_TSAN) { /* which forbids a child new threads */
            good = good && tleg_context_create(&options, &context) == TLEG_OK;
            tleg_team_run(context->team, 3, count, &tally);
            good = good && tally.calls[2] == 2 && !pthread_equal(tally.who[2], pthread_self());
            tleg_context_free(context);
        }
        _exit(good ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    tleg_team_run(context->team, 3, count, &tally);
    assert_int_equal(tally.calls[2], 2);
    tleg_context_free(context);
}

static bool system_wipes_at_a_fork(void) {
#if defined(MADV_WIPEONFORK)
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const bool can = page != MAP_FAILED && madvise(page, 4096, MADV_WIPEONFORK) == 0;
    if (page != MAP_FAILED)
        munmap(page, 4096);
    return can;
#else
    return false;
#endif
}

/* As the first process of a container has that makes another container, whose first process is number 1 too; or a process that
 * got the number of a forefather that has ended. */
static void a_fork_of_the_same_number_computes_and_frees(void **state) {
    (void)state;
    if (!system_wipes_at_a_fork())
        SKIP("this system wipes no memory at a fork (Linux 4.14 does)");
    pretended = 1;
    struct tleg_team *team = make(3);
    struct tally tally = {0};
    tleg_team_run(team, 3, count, &tally);
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        struct tally mine = {0};
        tleg_team_run(team, 3, count, &mine);
        bool good = ran_on_caller(&mine, 3);
        const pid_t grandchild = fork(); /* what was wiped once stays so */
        if (grandchild == 0) {
            alarm(20);
            struct tally its = {0};
            tleg_team_run(team, 3, count, &its);
            tleg_team_free(team);
            _exit(ran_on_caller(&its, 3) ? 0 : 1);
        }
        int status = -1;
        good = good && waitpid(grandchild, &status, 0) == grandchild && status == 0;
        tleg_team_free(team);
        _exit(good ? 0 : 1);
    }
    int status = -1;
    const pid_t ended = waitpid(child, &status, 0);
    tleg_team_run(team, 3, count, &tally);
    tleg_team_free(team);
    pretended = 0;
    assert_int_equal(ended, child);
    assert_int_equal(status, 0);
    assert_int_equal(tally.calls[2], 2);
    assert_false(pthread_equal(tally.who[2], pthread_self())); /* the parent still has its threads */
}

struct held {
    struct tleg_team *team;
    atomic_int inside;
    atomic_bool let_go;
};

static void hold(void *arg, int32_t lane) {
    struct held *held = arg;
    (void)lane;
    atomic_fetch_add(&held->inside, 1);
    while (!atomic_load(&held->let_go))
        pause_for(1);
}

static void *run_held(void *arg) {
    struct held *held = arg;
    tleg_team_run(held->team, 2, hold, held);
    return NULL;
}

static void a_fork_during_anothers_run_leaves_the_child_free_to_go(void **state) {
    (void)state;
    struct held held = {.team = make(2)};
    pthread_t caller;
    assert_int_equal(pthread_create(&caller, NULL, run_held, &held), 0);
    while (atomic_load(&held.inside) < 2)
        pause_for(1);
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        struct tally tally = {0};
        tleg_team_run(held.team, 2, count, &tally);
        tleg_team_free(held.team);
        _exit(ran_on_caller(&tally, 2) ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    atomic_store(&held.let_go, true);
    pthread_join(caller, NULL);
    tleg_team_free(held.team);
}

static atomic_int handled_by_others, handled;
static pthread_t host_thread;

static void handle(int signal_number) {
    (void)signal_number;
    atomic_fetch_add(pthread_equal(pthread_self(), host_thread) ? &handled : &handled_by_others, 1);
}

static void signals_stay_with_the_hosts_threads(void **state) {
    (void)state;
    struct sigaction action, former;
    sigset_t set, mask;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handle;
    host_thread = pthread_self();
    assert_int_equal(sigaction(SIGUSR1, &action, &former), 0);
    struct tleg_team *team = make(3);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &mask);
    assert_false(sigismember(&mask, SIGUSR1)); /* the creator's own mask is as it was */
    kill(getpid(), SIGUSR1);                   /* any thread that does not block it might take it */
    pause_for(20);
    assert_int_equal(atomic_load(&handled_by_others), 0);
    assert_int_equal(atomic_load(&handled), 0);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pause_for(1);
    assert_int_equal(atomic_load(&handled), 1);
    tleg_team_free(team);
    sigaction(SIGUSR1, &former, NULL);
}

static void set_flag(int signal_number) {
    (void)signal_number;
    atomic_fetch_add(&handled_by_others, 1);
}

static void raise_fault(void *arg, int32_t lane) {
    (void)arg;
    if (lane == 1)
        pthread_kill(pthread_self(), SIGBUS); /* as a mapped file does that was cut short */
}

static void a_fault_in_a_worker_reaches_the_hosts_handler(void **state) {
    (void)state;
    struct sigaction action, former;
    memset(&action, 0, sizeof(action));
    action.sa_handler = set_flag;
    assert_int_equal(sigaction(SIGBUS, &action, &former), 0);
    struct tleg_team *team = make(2);
    const int before = atomic_load(&handled_by_others);
    tleg_team_run(team, 2, raise_fault, NULL);
    tleg_team_free(team);
    sigaction(SIGBUS, &former, NULL);
    assert_int_equal(atomic_load(&handled_by_others), before + 1);
}

static double processor_seconds(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

static void an_idle_team_uses_no_processor_time(void **state) {
    (void)state;
    struct tleg_team *team = make(4);
    struct tally tally = {0};
    tleg_team_run(team, 4, count, &tally);
    pause_for(100);
    const double before = processor_seconds();
    pause_for(300);
    assert_true(processor_seconds() - before < 0.03);
    tleg_team_free(team);
}

struct rounded {
    volatile double one, three;
    double third[3];
};

static void divide(void *arg, int32_t lane) {
    struct rounded *rounded = arg;
    rounded->third[lane] = rounded->one / rounded->three;
}

/* A host's pool, whose threads have a mode of their own. */
static tleg_status TLEG_CALL run_to_nearest(void *host, int32_t tasks, tleg_task_fn fn, void *arg) {
    const int mode = fegetround();
    fesetround(FE_TONEAREST);
    for (int32_t task = 0; task < tasks; task++)
        fn(arg, task);
    *(bool *)host = fegetround() == FE_TONEAREST;
    fesetround(mode);
    return TLEG_OK;
}

static void workers_compute_in_the_callers_floating_point_mode(void **state) {
    (void)state;
    struct tleg_team *team = make(3);
    struct rounded up = {1, 3, {0}}, nearest = {1, 3, {0}};
    fesetround(FE_UPWARD);
    divide(&up, 0);
    if (up.third[0] == 1.0 / 3) { /* as under valgrind */
        fesetround(FE_TONEAREST);
        tleg_team_free(team);
        SKIP("this machine does not round upwards");
    }
    tleg_team_run(team, 3, divide, &up);
    fesetround(FE_TONEAREST);
    tleg_team_run(team, 3, divide, &nearest);
    for (int lane = 0; lane < 3; lane++) {
        assert_true(up.third[lane] == up.third[0]);
        assert_true(nearest.third[lane] == 1.0 / 3);
        assert_true(up.third[lane] > nearest.third[lane]);
    }
    tleg_team_free(team);
}

static void a_hosts_pool_computes_in_the_callers_floating_point_mode(void **state) {
    (void)state;
    bool kept = false;
    const tleg_context_options options = {
        .struct_size = sizeof(options), .workers = 3, .parallel = run_to_nearest, .parallel_host = &kept};
    struct tleg_team *team;
    struct rounded alone = {1, 3, {0}}, pool = {1, 3, {0}};
    assert_int_equal(tleg_team_create(NULL, &tleg_default_allocator, &options, &team), TLEG_OK);
    fesetround(FE_UPWARD);
    divide(&alone, 0);
    tleg_team_run(team, 3, divide, &pool);
    fesetround(FE_TONEAREST);
    assert_true(kept); /* its own, afterwards */
    for (int lane = 0; lane < 3; lane++)
        assert_true(pool.third[lane] == alone.third[0]);
    tleg_team_free(team);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lane_runs_once_and_its_work_is_visible),
        cmocka_unit_test(no_worker_asked_for_is_the_caller_alone),
        cmocka_unit_test(lanes_run_on_threads_of_their_own),
        cmocka_unit_test(workers_that_fell_asleep_wake_up),
        cmocka_unit_test(a_caller_that_fell_asleep_wakes_up),
        cmocka_unit_test(a_busy_team_runs_on_the_caller_in_rising_order),
        cmocka_unit_test(more_lanes_than_workers_run_on_the_caller),
        cmocka_unit_test(many_callers_share_a_team_and_free_it_in_any_order),
        cmocka_unit_test(a_team_freed_at_once_or_after_sleep_leaves_nothing),
        cmocka_unit_test(a_hosts_pool_gets_the_tasks),
#if defined(__GLIBC__)
        cmocka_unit_test(a_thread_that_does_not_start_is_an_error_and_leaves_nothing),
#endif
        cmocka_unit_test(after_fork_a_child_computes_and_frees),
        cmocka_unit_test(a_fork_of_the_same_number_computes_and_frees),
        cmocka_unit_test(a_fork_during_anothers_run_leaves_the_child_free_to_go),
        cmocka_unit_test(signals_stay_with_the_hosts_threads),
        cmocka_unit_test(a_fault_in_a_worker_reaches_the_hosts_handler),
        cmocka_unit_test(an_idle_team_uses_no_processor_time),
        cmocka_unit_test(workers_compute_in_the_callers_floating_point_mode),
        cmocka_unit_test(a_hosts_pool_computes_in_the_callers_floating_point_mode),
    };
    return cmocka_run_group_tests_name("team", tests, NULL, NULL);
}
