/* A team of worker threads. The caller hands each worker its lane through that worker's own atomic word, so that a run takes no
 * lock while the workers are awake; one that has had nothing to do for SPIN_NANOSECONDS sleeps on a condition variable. */
#include "core/core.h"
#include "core/os.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

enum {
    SPIN_NANOSECONDS = 50000,
    SPINS_A_LOOK = 64 /* pauses between two looks at the clock */
};

enum worker_state { WORKER_IDLE, WORKER_ASLEEP, WORKER_WORK, WORKER_STOP };

/* Set in `unfinished` beside the count by a caller that sleeps until it is 0. */
#define CALLER_ASLEEP 0x10000u

struct worker {
    _Alignas(TLEG_ALIGN) atomic_int state; /* enum worker_state */
    int32_t lane;
    struct tleg_team *team;
    struct tleg_os_lock lock; /* state becomes WORKER_ASLEEP under it */
    tleg_os_thread thread;
};

struct tleg_team {
    atomic_int references;
    int32_t lanes;
    struct tleg_allocator allocator;
    size_t bytes;
    tleg_parallel_fn parallel;
    void *parallel_host;
    struct tleg_os_origin origin; /* of the threads: they do not live on in a fork */
    int32_t started;
    atomic_bool busy;
    /* the run in progress; written by its caller, read by the workers that take part */
    void (*fn)(void *arg, int32_t lane);
    void *arg;
    uint64_t float_mode;
    atomic_uint unfinished;   /* workers that take part and have not ended */
    struct tleg_os_lock lock; /* of a caller that sleeps until all have ended */
    struct worker workers[];  /* of lanes 1, 2, ... */
};

/* ---- the floating-point unit ----
 * A host may have set its thread to flush subnormals or to round otherwise. The workers take the mode over for the run: results
 * would depend on the number of threads if they did not. */

#if defined(__SSE2__)
static uint64_t float_mode(void) {
    return _mm_getcsr() & ~0x3Fu; /* without the sticky exception flags */
}
static void set_float_mode(uint64_t mode) {
    if (float_mode() != mode)
        _mm_setcsr((unsigned)mode);
}
#elif defined(__aarch64__)
static uint64_t float_mode(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static void set_float_mode(uint64_t mode) {
    if (float_mode() != mode)
        __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}
#else
static uint64_t float_mode(void) {
    return 0;
}
static void set_float_mode(uint64_t mode) {
    (void)mode;
}
#endif

/* ---- waiting ---- */

static void pause_briefly(void) {
#if defined(__SSE2__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Spins until done(arg), for SPIN_NANOSECONDS at most; whether it is done. */
static bool spin_until(bool (*done)(void *arg), void *arg) {
    const int64_t start = tleg_os_nanoseconds();
    do {
        for (int i = 0; i < SPINS_A_LOOK; i++) {
            if (done(arg))
                return true;
            pause_briefly();
        }
        tleg_os_yield(); /* where there are fewer processors than lanes, another lane may wait for this one */
    } while (tleg_os_nanoseconds() - start < SPIN_NANOSECONDS);
    return false;
}

static bool has_order(void *arg) {
    struct worker *worker = arg;
    return atomic_load_explicit(&worker->state, memory_order_acquire) >= WORKER_WORK;
}

static bool all_finished(void *arg) {
    struct tleg_team *team = arg;
    return (atomic_load_explicit(&team->unfinished, memory_order_acquire) & ~CALLER_ASLEEP) == 0;
}

/* ---- a worker's side ---- */

static enum worker_state await_order(struct worker *worker) {
    if (!spin_until(has_order, worker)) {
        tleg_os_lock_take(&worker->lock);
        int idle = WORKER_IDLE;
        atomic_compare_exchange_strong(&worker->state, &idle, WORKER_ASLEEP);
        while (!has_order(worker))
            tleg_os_lock_wait(&worker->lock);
        tleg_os_lock_leave(&worker->lock);
    }
    return (enum worker_state)atomic_load_explicit(&worker->state, memory_order_acquire);
}

/* The word goes back to idle first: from the last worker's decrement on, the caller may give the next order. */
static void report_finished(struct worker *worker) {
    struct tleg_team *team = worker->team;
    atomic_store_explicit(&worker->state, WORKER_IDLE, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(&team->unfinished, 1, memory_order_acq_rel) != (CALLER_ASLEEP | 1))
        return;
    tleg_os_lock_take(&team->lock);
    tleg_os_lock_wake(&team->lock);
    tleg_os_lock_leave(&team->lock);
}

static void *work(void *arg) {
    struct worker *worker = arg;
    struct tleg_team *team = worker->team;
    while (await_order(worker) == WORKER_WORK) {
        set_float_mode(team->float_mode);
        team->fn(team->arg, worker->lane);
        report_finished(worker);
    }
    return NULL;
}

/* ---- a caller's side ---- */

static void give_order(struct worker *worker, enum worker_state order) {
    if (atomic_exchange_explicit(&worker->state, (int)order, memory_order_acq_rel) != WORKER_ASLEEP)
        return;
    tleg_os_lock_take(&worker->lock); /* the worker holds it until it waits: no signal is lost */
    tleg_os_lock_wake(&worker->lock);
    tleg_os_lock_leave(&worker->lock);
}

static void await_workers(struct tleg_team *team) {
    if (spin_until(all_finished, team))
        return;
    tleg_os_lock_take(&team->lock);
    atomic_fetch_or_explicit(&team->unfinished, CALLER_ASLEEP, memory_order_acq_rel);
    while (!all_finished(team))
        tleg_os_lock_wait(&team->lock);
    tleg_os_lock_leave(&team->lock);
}

/* Whether the caller may use the team's threads now; give back with busy = false. */
static bool claim(struct tleg_team *team, int32_t lanes) {
    return lanes <= team->lanes && tleg_os_origin_is_here(&team->origin) &&
           !atomic_exchange_explicit(&team->busy, true, memory_order_acquire);
}

static void run_on_caller(int32_t lanes, void (*fn)(void *arg, int32_t lane), void *arg) {
    for (int32_t lane = 0; lane < lanes; lane++)
        fn(arg, lane);
}

struct counted { /* a host's pool is believed only as far as it is seen to have run */
    void (*fn)(void *arg, int32_t lane);
    void *arg;
    uint64_t float_mode;
    atomic_int ran;
};

static void TLEG_CALL run_counted(void *arg, int32_t lane) {
    struct counted *counted = arg;
    const uint64_t own = float_mode();
    set_float_mode(counted->float_mode);
    counted->fn(counted->arg, lane);
    set_float_mode(own);
    atomic_fetch_add_explicit(&counted->ran, 1, memory_order_acq_rel);
}

static struct tleg_team_outcome ask_pool(struct tleg_team *team, int32_t lanes, void (*fn)(void *arg, int32_t lane),
                                         void *arg) {
    struct counted counted = {.fn = fn, .arg = arg, .float_mode = float_mode()};
    atomic_init(&counted.ran, 0);
    struct tleg_team_outcome outcome = {.lanes = lanes};
    outcome.status = team->parallel(team->parallel_host, lanes, run_counted, &counted);
    outcome.ran = atomic_load_explicit(&counted.ran, memory_order_acquire);
    if (outcome.status == TLEG_OK && outcome.ran != lanes)
        outcome.status = TLEG_ERROR_STATE;
    return outcome;
}

tleg_status tleg_team_report(struct tleg_error *error, const struct tleg_team_outcome *outcome) {
    if (outcome->status == TLEG_OK)
        return TLEG_OK;
    return tleg_error_set(error, outcome->status, "the host's parallel ran %d of %d tasks: %s", (int)outcome->ran,
                          (int)outcome->lanes, tleg_status_name(outcome->status));
}

struct tleg_team_outcome tleg_team_run(struct tleg_team *team, int32_t lanes, void (*fn)(void *arg, int32_t lane), void *arg) {
    const struct tleg_team_outcome good = {.ran = lanes, .lanes = lanes};
    if (lanes > 1 && team->parallel)
        return ask_pool(team, lanes, fn, arg);
    if (lanes <= 1 || !claim(team, lanes)) {
        run_on_caller(lanes, fn, arg);
        return good;
    }
    team->fn = fn;
    team->arg = arg;
    team->float_mode = float_mode();
    atomic_store_explicit(&team->unfinished, (unsigned)lanes - 1, memory_order_relaxed);
    for (int32_t i = 0; i < lanes - 1; i++)
        give_order(&team->workers[i], WORKER_WORK);
    fn(arg, 0);
    await_workers(team);
    atomic_store_explicit(&team->busy, false, memory_order_release);
    return good;
}

/* ---- creation and end ---- */

static bool start_worker(struct worker *worker) {
    if (!tleg_os_lock_create(&worker->lock))
        return false;
    if (tleg_os_thread_start(&worker->thread, work, worker))
        return true;
    tleg_os_lock_free(&worker->lock);
    return false;
}

static void stop_workers(struct tleg_team *team) {
    for (int32_t i = 0; i < team->started; i++)
        give_order(&team->workers[i], WORKER_STOP);
    for (int32_t i = 0; i < team->started; i++) {
        struct worker *worker = &team->workers[i];
        tleg_os_thread_join(worker->thread);
        tleg_os_lock_free(&worker->lock);
    }
}

static bool start_workers(struct tleg_team *team) {
    bool good = true;
    while (good && team->started < team->lanes - 1) {
        struct worker *worker = &team->workers[team->started];
        worker->team = team;
        worker->lane = team->started + 1;
        atomic_init(&worker->state, WORKER_IDLE);
        good = start_worker(worker);
        team->started += good;
    }
    return good;
}

static bool start(struct tleg_team *team) {
    if (!tleg_os_lock_create(&team->lock))
        return false;
    if (team->parallel || start_workers(team))
        return true;
    stop_workers(team);
    tleg_os_lock_free(&team->lock);
    return false;
}

/* How many may compute at once: without threads only a host's pool makes more than one. */
static int32_t lanes_of(const tleg_context_options *options) {
    return options->workers > 1 && (options->parallel || TLEG_THREADS) ? options->workers : 1;
}

tleg_status tleg_team_create(struct tleg_error *error, const struct tleg_allocator *allocator,
                             const tleg_context_options *options, struct tleg_team **team) {
    *team = NULL;
    const int32_t lanes = lanes_of(options);
    const size_t bytes = sizeof(struct tleg_team) + (options->parallel ? 0 : (size_t)(lanes - 1) * sizeof(struct worker));
    struct tleg_team *made = tleg_alloc_zero(allocator, bytes);
    if (!made)
        return tleg_error_set(error, TLEG_ERROR_MEMORY, "worker threads: out of memory (%zu bytes)", bytes);
    atomic_init(&made->references, 1);
    made->lanes = lanes;
    made->allocator = *allocator;
    made->bytes = bytes;
    made->parallel = options->parallel;
    made->parallel_host = options->parallel_host;
    if (!start(made)) {
        tleg_release(allocator, made, bytes);
        return tleg_error_set(error, TLEG_ERROR_MEMORY, "the system started fewer than %d worker threads", (int)lanes - 1);
    }
    if (made->started > 0)
        made->origin = tleg_os_origin_make();
    *team = made;
    return TLEG_OK;
}

struct tleg_team *tleg_team_share(struct tleg_team *team) {
    atomic_fetch_add_explicit(&team->references, 1, memory_order_relaxed);
    return team;
}

void tleg_team_free(struct tleg_team *team) {
    if (!team || atomic_fetch_sub_explicit(&team->references, 1, memory_order_acq_rel) != 1)
        return;
    /* A fork has no thread to join, and destroying could wait for one. */
    if (team->started == 0 || tleg_os_origin_is_here(&team->origin)) {
        stop_workers(team);
        tleg_os_lock_free(&team->lock);
    }
    tleg_os_origin_free(&team->origin);
    const struct tleg_allocator allocator = team->allocator;
    tleg_release(&allocator, team, team->bytes);
}

int32_t tleg_team_lanes(const struct tleg_team *team) {
    return team->lanes;
}
