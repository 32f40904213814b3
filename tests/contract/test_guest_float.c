/* A host that has set its floating-point unit otherwise: its modes stay, traps never fire, text stays right, and results are as
 * close as the mode allows and the same at any number of threads. */
#define _GNU_SOURCE /* feenableexcept */
#include "contract/guest.h"

#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;
static struct golden cases[MAX_GOLDEN];
static int32_t case_count;

/* ---- modes ---- */

enum mode { UPWARD, DOWNWARD, TOWARD_ZERO, FLUSHED, MODES };
static const char *const mode_names[MODES] = {"upward", "downward", "toward zero", "subnormals flushed"};

static void set_mode(enum mode mode) {
    static const int roundings[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    if (mode != FLUSHED) {
        fesetround(roundings[mode]);
        return;
    }
#if defined(__SSE2__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* FTZ, DAZ */
#elif defined(__aarch64__)
    uint64_t word;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word));
    __asm__ volatile("msr fpcr, %0" : : "r"(word | UINT64_C(1) << 24));
#endif
}

/* The unit's modes, without what sticks from past operations. */
static uint64_t read_mode(void) {
#if defined(__SSE2__)
    unsigned short x87;
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return (_mm_getcsr() & ~0x3Fu) | (uint64_t)x87 << 32;
#elif defined(__aarch64__)
    uint64_t word;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word));
    return word;
#else
    return (uint64_t)fegetround();
#endif
}

/* ---- what must hold ---- */

/* The logits of a golden case in the mode that is set, three workers or one. */
static void run(const struct backend *backend, int32_t workers, float logits[GOLDEN_BATCH * GOLDEN_CLASSES]) {
    static const struct golden golden = {.name = "mean-4", .gene = "mean", .images = 16, .depth = 4};
    tleg_context *context = support_context(backend, workers);
    tleg_expander *expander = support_expander(context, &golden, TLEG_F32);
    tleg_session *session = NULL;
    const float *images;
    tleg_tensor *tensor = support_images(context, golden.images, &images);
    OK(context, tleg_session_create_elastic(context, expander, golden.depth, NULL, &session));
    OK_SESSION(session, support_run(session, images, GOLDEN_BATCH, logits, NULL));
    tleg_session_free(session);
    tleg_tensor_free(tensor);
    tleg_expander_free(expander);
    tleg_context_free(context);
}

static void check_mode(const struct backend *backend, enum mode mode) {
    float plain[GOLDEN_BATCH * GOLDEN_CLASSES], alone[GOLDEN_BATCH * GOLDEN_CLASSES], together[GOLDEN_BATCH * GOLDEN_CLASSES];
    fenv_t former;
    uint64_t digest[2] = {0, 0};
    const tleg_context_options one = guest_options(backend, 1), three = guest_options(backend, 3);
    run(backend, 1, plain);
    fegetenv(&former);
    set_mode(mode);
    const uint64_t before = read_mode();
    run(backend, 1, alone);
    run(backend, 3, together);
    const bool walked = guest_walk(&one, &digest[0]) == TLEG_OK && guest_walk(&three, &digest[1]) == TLEG_OK;
    const uint64_t after = read_mode();
    fesetenv(&former);
    if (!walked || before != after || memcmp(alone, together, sizeof(alone)) != 0 || digest[0] != digest[1])
        fail_msg("%s, %s: the mode was %llx and is %llx, the walk went %s, threads %s", backend->name, mode_names[mode],
                 (unsigned long long)before, (unsigned long long)after, walked ? "well" : "wrong",
                 digest[0] == digest[1] ? "agree" : "differ");
    const double far = support_relative(alone, plain, GOLDEN_BATCH * GOLDEN_CLASSES);
    if (!(far < 1e-5))
        fail_msg("%s, %s: logits are %g away", backend->name, mode_names[mode], far);
}

static void results_in_another_mode_are_close_and_the_mode_stays(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++)
        for (int mode = 0; mode < MODES; mode++)
            check_mode(&backends[b], (enum mode)mode);
}

/* ---- traps ---- */

enum { NO_TRAPS = 77 };

static void trapped(int number) {
    (void)number;
    static const char text[] = "a floating-point trap fired\n";
    (void)!write(2, text, sizeof(text) - 1);
    _exit(9);
}

/* Memory in which every number that is read before it is written fires the trap. */
static void *TLEG_CALL spoiled_alloc(void *host, size_t size, size_t align) {
    void *memory = aligned_alloc(align, (size + align - 1) / align * align);
    (void)host;
    if (memory)
        visit_spoil(memory, size);
    return memory;
}

static void TLEG_CALL spoiled_release(void *host, void *memory, size_t size, size_t align) {
    (void)host, (void)size, (void)align;
    free(memory);
}

/* Shapes of all kinds: tokens and widths that fill no vector. */
static void run_case(tleg_context *context, const struct golden *golden, int32_t dtype) {
    float logits[GOLDEN_BATCH * GOLDEN_CLASSES];
    tleg_expander *expander = support_expander(context, golden, dtype);
    tleg_session *session = NULL;
    const float *images;
    tleg_tensor *tensor = support_images(context, golden->images, &images);
    OK(context, tleg_session_create_elastic(context, expander, golden->depth, NULL, &session));
    OK_SESSION(session, support_run(session, images, GOLDEN_BATCH, logits, NULL));
    tleg_session_free(session);
    tleg_tensor_free(tensor);
    tleg_expander_free(expander);
}

static int walk_with_traps(const struct backend *backend) {
    signal(SIGFPE, trapped);
    feclearexcept(FE_ALL_EXCEPT);
    if (feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW) < 0)
        return NO_TRAPS;
    for (int32_t workers = 1; workers <= 3; workers += 2) {
        tleg_context_options options = guest_options(backend, workers);
        options.alloc = spoiled_alloc;
        options.release = spoiled_release;
        uint64_t digest;
        if (guest_walk(&options, &digest) != TLEG_OK)
            return 1;
        tleg_context *context = NULL;
        if (tleg_context_create(&options, &context) != TLEG_OK)
            return 3;
        for (int32_t i = 0; i < case_count; i++)
            run_case(context, &cases[i], TLEG_F32 + i % 3); /* F32, F16, BF16 */
        tleg_context_free(context);
    }
    return 0;
}

/* A host that wants to hear of its own invalid operations (Fortran and debuggers do that) hears of none of ours. */
static void no_trap_fires(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        int status = -1;
        if (backends[b].gemm == TLEG_GEMM_BLAS)
            continue; /* what a BLAS does with traps is its own matter */
        fflush(NULL);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(100);
            _exit(walk_with_traps(&backends[b]));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == NO_TRAPS)
            SKIP("this processor has no floating-point traps");
        if (!WIFEXITED(status) || WEXITSTATUS(status))
            fail_msg("%s: the child ended with %x", backends[b].name, (unsigned)status);
    }
}

static int prepare(void **state) {
    (void)state;
    backend_count = support_backends(backends);
    case_count = support_golden(cases);
    return backend_count > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_in_another_mode_are_close_and_the_mode_stays),
        cmocka_unit_test(no_trap_fires),
    };
    return cmocka_run_group_tests(tests, prepare, support_clean);
}
