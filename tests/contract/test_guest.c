/* The library is a guest: what a host's process looks like before a walk through every call, during it and after it. */
#define _GNU_SOURCE /* feenableexcept, pipe2, F_GETFD on what a directory lists */
#include "contract/guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;

/* Walks with every backend, each with threads of its own: 0 when all goes well. */
static int walk_all(void) {
    for (int32_t b = 0; b < backend_count; b++) {
        const tleg_context_options options = guest_options(&backends[b], 3);
        uint64_t digest;
        if (guest_walk(&options, &digest) != TLEG_OK)
            return 1;
    }
    return 0;
}

/* Whether body() is 0 in a child, which may do to its process what would disturb the suite. */
static bool in_child(int (*body)(void)) {
    int status = -1;
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(100);
        _exit(body());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        print_message("the child was ended by signal %d\n", WTERMSIG(status));
    else if (WEXITSTATUS(status))
        print_message("the child ended with %d\n", WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- errno ---- */

static void errno_stays_what_it_was(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        struct visit visit = {.in_a_hurry = true};
        const tleg_context_options options = guest_options(&backends[b], 3);
        support_clean(NULL); /* so that no file is there yet */
        guest_scratch(&visit);
        errno = ENOTTY;
        assert_int_equal(tleg_context_create(&options, &visit.context), TLEG_OK);
        for (int32_t part = 0; part < VISIT_PARTS; part++) {
            OK(visit.context, visit_part(&visit, part));
            if (errno != ENOTTY)
                fail_msg("%s: '%s' left errno %d", backends[b].name, visit.at, errno);
        }
        visit_close(&visit);
        tleg_context_free(visit.context);
        assert_int_equal(errno, ENOTTY);
    }
}

/* Chances too small for a number, about which exp complains to errno. */
static void errno_does_not_hear_of_underflow(void **state) {
    (void)state;
    static const int64_t shape[] = {1, 2}, one[] = {1};
    static float far[] = {0, -1e5F}, back[] = {-1e5F, 0};
    static int64_t class[] = {0};
    tleg_context *context = NULL;
    tleg_tensor *logits = NULL, *teacher = NULL, *labels = NULL, *gradient = NULL;
    double loss = 0;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    OK(context, tleg_tensor_wrap(context, TLEG_F32, 2, shape, far, NULL, NULL, &logits));
    OK(context, tleg_tensor_wrap(context, TLEG_F32, 2, shape, back, NULL, NULL, &teacher));
    OK(context, tleg_tensor_wrap(context, TLEG_I64, 1, one, class, NULL, NULL, &labels));
    OK(context, tleg_tensor_create(context, TLEG_F32, 2, shape, &gradient));
    errno = ENOTTY;
    OK(context, tleg_cross_entropy(context, logits, labels, 0, &loss, gradient));
    OK(context, tleg_distillation(context, logits, teacher, 1, &loss, gradient));
    assert_int_equal(errno, ENOTTY);
    tleg_tensor_free(logits);
    tleg_tensor_free(teacher);
    tleg_tensor_free(labels);
    tleg_tensor_free(gradient);
    tleg_context_free(context);
}

/* ---- signals ---- */

enum { SIGNALS = 65 };
struct signals {
    struct sigaction actions[SIGNALS];
    sigset_t mask;
};

static void read_signals(struct signals *signals) {
    memset(signals, 0, sizeof(*signals));
    for (int number = 1; number < SIGNALS; number++)
        sigaction(number, NULL, &signals->actions[number]);
    pthread_sigmask(SIG_SETMASK, NULL, &signals->mask);
}

static void handlers_and_masks_stay_what_they_were(void **state) {
    (void)state;
    struct signals before, after;
    read_signals(&before);
    assert_int_equal(walk_all(), 0);
    read_signals(&after);
    for (int number = 1; number < SIGNALS; number++) {
        assert_true(before.actions[number].sa_handler == after.actions[number].sa_handler);
        assert_int_equal(before.actions[number].sa_flags, after.actions[number].sa_flags);
        assert_int_equal(sigismember(&before.mask, number), sigismember(&after.mask, number));
    }
}

static volatile sig_atomic_t ticks;

static void tick(int number) {
    (void)number;
    ticks++;
}

/* A host's timer whose handler interrupts every call of the system: no SA_RESTART. */
static int walk_under_a_timer(void) {
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = tick;
    const struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    const uint64_t expected = guest_digest(&backends[0], 1);
    uint64_t digest = 0;
    if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &often, NULL) != 0)
        return 2;
    int failures = 0;
    for (int i = 0; i < 20; i++) {
        const tleg_context_options options = guest_options(&backends[0], 1 + i % 3);
        failures += guest_walk(&options, &digest) != TLEG_OK || digest != expected;
    }
    setitimer(ITIMER_REAL, &never, NULL);
    return failures ? 1 : ticks > 10 ? 0 : 3;
}

static void a_timer_that_interrupts_is_no_failure(void **state) {
    (void)state;
    assert_true(in_child(walk_under_a_timer));
}

/* ---- descriptors ---- */

/* Descriptors open now; those from 3 on that a program started by the host would get are counted in *leaking. */
static int open_descriptors(int *leaking) {
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    *leaking = 0;
    if (!directory)
        return -1;
    for (struct dirent *entry; (entry = readdir(directory));) {
        const int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(directory))
            continue;
        count++;
        *leaking += fd > 2 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    closedir(directory);
    return count;
}

/* Called by the library in the middle of writing a file, in place of the C library's: a look at what is open then. */
static int flushes, flushes_leaking, leaking_before;
int fsync(int fd) {
    int leaking;
    (void)fd;
    flushes++;
    (void)open_descriptors(&leaking);
    flushes_leaking += leaking > leaking_before;
    return 0;
}

static void descriptors_are_closed_and_never_inherited(void **state) {
    (void)state;
    const int before = open_descriptors(&leaking_before);
    if (before < 0)
        SKIP("no /proc here");
    struct visit visit = {.in_a_hurry = true};
    int leaking;
    flushes = flushes_leaking = 0;
    guest_scratch(&visit);
    assert_int_equal(tleg_context_create(NULL, &visit.context), TLEG_OK);
    OK(visit.context, visit_all(&visit));
    assert_true(open_descriptors(&leaking) > before); /* of the file handle */
    assert_int_equal(leaking, leaking_before);
    assert_true(flushes > 0);
    assert_int_equal(flushes_leaking, 0);
    visit_close(&visit);
    tleg_context_free(visit.context);
    assert_int_equal(open_descriptors(&leaking), before);
}

/* A daemon has closed its first three descriptors: files get their numbers. */
static int walk_without_standard_files(void) {
    close(0), close(1), close(2);
    return walk_all();
}

static void a_host_without_standard_files_is_served(void **state) {
    (void)state;
    assert_true(in_child(walk_without_standard_files));
}

/* No number is left for a descriptor: an error that says so, not a wait and not a crash. */
static int walk_without_descriptors(void) {
    const struct rlimit none = {3, 3};
    tleg_context *context = NULL;
    tleg_learngene *gene = NULL;
    tleg_file *file = NULL;
    if (setrlimit(RLIMIT_NOFILE, &none) != 0 || tleg_context_create(NULL, &context) != TLEG_OK)
        return 2;
    close(3), close(4);
    if (tleg_learngene_open(context, support_path("mean", ".gene.safetensors"), NULL, &gene) != TLEG_ERROR_IO ||
        !strstr(tleg_context_get_error(context), "Too many open files"))
        return 3;
    if (tleg_file_save(context, support_scratch("none.safetensors"), 0, NULL, NULL, NULL) != TLEG_ERROR_IO)
        return 4;
    return tleg_file_open(context, support_path("images-16", ".safetensors"), OPEN_WITH(TLEG_OPEN_MAP, 0), &file) ==
                   TLEG_ERROR_IO
               ? 0
               : 5;
}

static void a_host_without_descriptors_left_hears_so(void **state) {
    (void)state;
    assert_true(in_child(walk_without_descriptors));
}

/* ---- what is printed ---- */

static char said[VISIT_TEXT];

/* Every call, and failures with long texts: whether anything came out of descriptors 1 and 2. */
static int walk_into_a_file(void) {
    struct stat out;
    const int fd = open(said, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        return 2;
    const int walked = walk_all();
    tleg_context *context = NULL;
    tleg_model *model = NULL;
    tleg_file *file = NULL;
    if (tleg_context_create(NULL, &context) != TLEG_OK ||
        tleg_model_open(context, support_path("mean", ".gene.safetensors"), NULL, &model) == TLEG_OK ||
        tleg_file_open(context, "/nowhere/at/all", NULL, &file) == TLEG_OK ||
        tleg_file_parse(context, "x", 1, &file) == TLEG_OK)
        return 3;
    tleg_context_free(context);
    fflush(NULL);
    return walked ? walked : fstat(fd, &out) == 0 && out.st_size == 0 ? 0 : 4;
}

static void nothing_is_printed(void **state) {
    (void)state;
    snprintf(said, sizeof(said), "%s", support_scratch("said"));
    assert_true(in_child(walk_into_a_file));
}

/* ---- environment, directory, masks ---- */

extern char **environ;

/* Whoever looks for a variable here dies. */
static int walk_without_environment(void) {
    char **page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return 2;
    environ = page;
    return walk_all();
}

static void the_environment_is_not_read(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        SKIP("a sanitizer reads it");
    support_scratch("."); /* which asks for TMPDIR, the first time */
    assert_true(in_child(walk_without_environment));
}

static void directory_and_umask_stay_what_they_were(void **state) {
    (void)state;
    char before[4096], after[4096];
    support_clean(NULL);
    assert_non_null(getcwd(before, sizeof(before)));
    const mode_t mask = umask(027);
    assert_int_equal(walk_all(), 0);
    assert_int_equal(umask(mask), 027);
    assert_non_null(getcwd(after, sizeof(after)));
    assert_string_equal(before, after);
    struct stat state_of;
    assert_int_equal(stat(support_scratch("model.safetensors"), &state_of), 0);
    assert_int_equal(state_of.st_mode & 0777, 0640); /* and a new file follows it */
}

/* A handle opened under a relative path outlives the host's change of directory. */
static int walk_away(void) {
    tleg_context *context = NULL;
    tleg_file *file = NULL;
    tleg_tensor *tensor = NULL;
    return chdir(TLEG_GOLDEN) == 0 && tleg_context_create(NULL, &context) == TLEG_OK &&
                   tleg_file_open(context, "images-16.safetensors", NULL, &file) == TLEG_OK && chdir("/") == 0 &&
                   tleg_file_read_tensor(context, file, "images", &tensor) == TLEG_OK
               ? 0
               : 1;
}

static void a_host_may_change_its_directory(void **state) {
    (void)state;
    assert_true(in_child(walk_away));
}

/* ---- calls of the system ---- */

enum { NO_JAIL = 77 };

/* In a process that may read, write and end, and dies of any other call: a run with one worker makes none, nor does a step of
 * training. */
static int run_in_a_jail(void) {
    static float images[GOLDEN_BATCH * 3 * 16 * 16], logits[GOLDEN_BATCH * GOLDEN_CLASSES];
    static const int64_t labels[GOLDEN_BATCH] = {0, 1, 2, 3, 4};
    const tleg_train_batch batch = {.struct_size = sizeof(batch), .size = GOLDEN_BATCH, .images = images, .labels = labels};
    const tleg_trainer_options options = {.struct_size = sizeof(options), .batch = GOLDEN_BATCH, .depth_least = 3};
    tleg_session *sessions[2 * MAX_BACKENDS];
    tleg_trainer *trainers[MAX_BACKENDS];
    int count = 0;
    for (int32_t b = 0; b < backend_count; b++) {
        if (backends[b].gemm == TLEG_GEMM_BLAS)
            continue; /* what a BLAS asks of the system is its own matter */
        static const struct golden golden = {.name = "mean-4", .gene = "mean", .images = 16, .depth = 4};
        tleg_context *context = support_context(&backends[b], 1);
        tleg_learngene *gene = support_gene(context, golden.gene);
        tleg_expander *expander = support_expander(context, &golden, TLEG_BF16);
        tleg_model *model = NULL;
        if (tleg_expander_expand(context, expander, 3, &model) != TLEG_OK ||
            tleg_session_create(context, model, NULL, &sessions[2 * count]) != TLEG_OK ||
            tleg_session_create_elastic(context, expander, 3, NULL, &sessions[2 * count + 1]) != TLEG_OK ||
            tleg_trainer_create(context, gene, &options, &trainers[count++]) != TLEG_OK)
            return 2;
    }
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        return NO_JAIL;
    int failures = 0;
    for (int i = 0; i < count; i++)
        failures += support_run(sessions[2 * i], images, GOLDEN_BATCH, logits, NULL) != TLEG_OK ||
                    tleg_session_set_depth(sessions[2 * i + 1], 9) != TLEG_OK ||
                    support_run(sessions[2 * i + 1], images, GOLDEN_BATCH, logits, NULL) != TLEG_OK ||
                    tleg_trainer_backward(trainers[i], &batch, NULL) != TLEG_OK ||
                    tleg_trainer_update(trainers[i], 1e-3) != TLEG_OK;
    syscall(SYS_exit, failures); /* exit() is more than a jailed process may call */
    return failures;
}

static void a_run_asks_nothing_of_the_system(void **state) {
    (void)state;
    int status = -1;
    if (UNDER_SANITIZER)
        SKIP("a sanitizer does");
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run_in_a_jail());
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_JAIL)
        SKIP("this system has no seccomp");
    if (status != 0)
        fail_msg("the child ended with %x: signal 9 means that it asked", (unsigned)status);
}

static int prepare(void **state) {
    (void)state;
    backend_count = support_backends(backends);
    return backend_count > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errno_stays_what_it_was),
        cmocka_unit_test(errno_does_not_hear_of_underflow),
        cmocka_unit_test(handlers_and_masks_stay_what_they_were),
        cmocka_unit_test(a_timer_that_interrupts_is_no_failure),
        cmocka_unit_test(descriptors_are_closed_and_never_inherited),
        cmocka_unit_test(a_host_without_standard_files_is_served),
        cmocka_unit_test(a_host_without_descriptors_left_hears_so),
        cmocka_unit_test(nothing_is_printed),
        cmocka_unit_test(the_environment_is_not_read),
        cmocka_unit_test(directory_and_umask_stay_what_they_were),
        cmocka_unit_test(a_host_may_change_its_directory),
        cmocka_unit_test(a_run_asks_nothing_of_the_system),
    };
    return cmocka_run_group_tests(tests, prepare, support_clean);
}
