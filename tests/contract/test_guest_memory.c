/* A host that gives little memory, or counts it: every call of the library, and what is left afterwards. */
#include "contract/guest.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;

/* Hundreds of walks write files that nobody keeps: no disk need be waited for. */
int fsync(int fd) {
    (void)fd;
    return 0;
}

/* ---- the host's allocator fails ---- */

/* An allocator over another one: gives nothing from the fail_from-th call on, or what would bring the live bytes above `cap`.
 */
struct capped {
    struct counter counter;
    tleg_context_options inner;
    long long fail_from, cap; /* 0: none */
    bool refused;
};

static void *TLEG_CALL capped_alloc(void *host, size_t size, size_t align) {
    struct capped *capped = host;
    const bool late = capped->fail_from && atomic_load(&capped->counter.calls) + 1 >= capped->fail_from;
    const bool much = capped->cap && atomic_load(&capped->counter.live_bytes) + (long long)size > capped->cap;
    if (late || much) {
        capped->refused = true;
        return NULL;
    }
    return capped->inner.alloc(capped->inner.alloc_host, size, align);
}

static void TLEG_CALL capped_release(void *host, void *memory, size_t size, size_t align) {
    struct capped *capped = host;
    capped->inner.release(capped->inner.alloc_host, memory, size, align);
}

static tleg_context_options capped_options(struct capped *capped, const struct backend *backend) {
    tleg_context_options options = guest_options(backend, 1);
    support_counter(&capped->counter);
    capped->inner = support_counted(&capped->counter);
    options.alloc = capped_alloc;
    options.release = capped_release;
    options.alloc_host = capped;
    return options;
}

/* One walk in such a host: all goes well, or the first part that fails says MEMORY, with a text, and nothing is left.
 * Whether all went well. */
static bool walk(struct capped *capped, const tleg_context_options *options, const char *limit, long long number) {
    struct visit visit = {.in_a_hurry = true};
    guest_scratch(&visit);
    tleg_status status = tleg_context_create(options, &visit.context);
    if (status == TLEG_OK)
        status = visit_all(&visit);
    const char *text = visit.context ? tleg_context_get_error(visit.context) : "no context";
    const long long one = atomic_load(&capped->counter.fail_at);
    const bool failed = capped->refused || (one && atomic_load(&capped->counter.calls) >= one);
    if (status != (failed ? TLEG_ERROR_MEMORY : TLEG_OK))
        fail_msg("%s %lld: '%s' ended with %s: %s", limit, number, visit.at, tleg_status_name(status), text);
    const bool nowhere = visit.at && strcmp(visit.at, "clone") == 0; /* a clone's failure has no place for a text */
    if (status == TLEG_ERROR_MEMORY && text[0] == '\0' && !nowhere)
        fail_msg("%s %lld: '%s' ended without a text", limit, number, visit.at);
    visit_close(&visit);
    tleg_context_free(visit.context);
    if (atomic_load(&capped->counter.live) != 0 || atomic_load(&capped->counter.wrong) != 0)
        fail_msg("%s %lld: '%s' ended, and %lld blocks are left, %d came back wrong", limit, number, visit.at,
                 atomic_load(&capped->counter.live), atomic_load(&capped->counter.wrong));
    return status == TLEG_OK;
}

static void any_one_allocation_may_fail(void **state) {
    (void)state;
    bool whole = false;
    for (long long n = 1; !whole; n++) {
        struct capped capped = {0};
        const tleg_context_options options = capped_options(&capped, &backends[backend_count - 1]);
        atomic_store(&capped.counter.fail_at, n);
        whole = walk(&capped, &options, "without allocation", n);
        assert_true(n < 100000);
    }
}

static void all_allocations_from_some_on_may_fail(void **state) {
    (void)state;
    bool whole = false;
    for (long long n = 1; !whole; n += 1 + n / 16) {
        struct capped capped = {.fail_from = n};
        const tleg_context_options options = capped_options(&capped, &backends[0]);
        whole = walk(&capped, &options, "without allocations from", n);
    }
}

static void a_host_may_cap_the_bytes(void **state) {
    (void)state;
    struct capped free_hand = {0};
    tleg_context_options options = capped_options(&free_hand, &backends[backend_count - 1]);
    assert_true(walk(&free_hand, &options, "no cap", 0));
    const long long peak = atomic_load(&free_hand.counter.peak_bytes);
    for (int step = 1; step <= 60; step++) {
        struct capped capped = {.cap = peak * step / 60};
        options = capped_options(&capped, &backends[backend_count - 1]);
        assert_int_equal(walk(&capped, &options, "a cap of", capped.cap), step == 60);
        assert_true(atomic_load(&capped.counter.peak_bytes) <= capped.cap);
    }
}

/* ---- the system fails ---- */

enum { SIDE = 32, CLASSES = 10, PIXELS = 3 * SIDE * SIDE };

/* A gene of some megabytes on disk, which all loads below read. */
static const char *large_gene(void) {
    tleg_config config = {
        .struct_size = sizeof(config), .image_size = SIDE, .patch_size = 4, .dim = 192, .heads = 3, .classes = CLASSES};
    tleg_context *context = NULL;
    tleg_learngene *gene = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    OK(context, tleg_learngene_create(context, &config, 1, &gene));
    OK(context, tleg_learngene_save(context, gene, support_scratch("large.safetensors"), NULL));
    tleg_learngene_free(gene);
    tleg_context_free(context);
    return support_scratch("large.safetensors");
}

/* From the file to logits with every handle of its own, and all of it freed. */
static tleg_status load_once(const tleg_context_options *options, const char *path, int32_t depth) {
    static float images[PIXELS], logits[CLASSES];
    tleg_context *context = NULL;
    tleg_learngene *gene = NULL;
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    tleg_session *session = NULL;
    tleg_status status = tleg_context_create(options, &context);
    if (!status)
        status = tleg_learngene_open(context, path, NULL, &gene);
    if (!status)
        status = tleg_expander_create(context, gene, NULL, &expander);
    if (!status)
        status = tleg_expander_expand(context, expander, depth, &model);
    if (!status)
        status = tleg_session_create(context, model, NULL, &session);
    if (!status)
        status = support_run(session, images, 1, logits, NULL);
    tleg_session_free(session);
    tleg_model_free(model);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    tleg_context_free(context);
    return status;
}

/* What a process holds, in bytes: mapped, and resident. */
static bool process_bytes(long long *mapped, long long *resident) {
    FILE *file = fopen("/proc/self/statm", "r");
    const bool good = file && fscanf(file, "%lld %lld", mapped, resident) == 2;
    if (file)
        fclose(file);
    *mapped *= sysconf(_SC_PAGESIZE);
    *resident *= sysconf(_SC_PAGESIZE);
    return good;
}

static void a_hundred_loads_keep_the_process_as_large_as_ten(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        SKIP("a sanitizer keeps freed memory");
    enum { SLACK = 1 << 20 };
    const char *path = large_gene();
    for (int32_t b = 0; b < backend_count; b++) {
        const tleg_context_options options = guest_options(&backends[b], 3);
        long long mapped[2], resident[2];
        for (int i = 1; i <= 100; i++) {
            assert_int_equal(load_once(&options, path, 3), TLEG_OK);
            if (i % 90 == 10)
                assert_true(process_bytes(&mapped[i > 10], &resident[i > 10]));
        }
        if (mapped[1] > mapped[0] + SLACK || resident[1] > resident[0] + SLACK)
            fail_msg("%s: mapped %lld bytes after 10 loads, %lld after 100; resident %lld and %lld", backends[b].name,
                     mapped[0], mapped[1], resident[0], resident[1]);
    }
}

/* In a child that may map so many bytes more: 0 when a load ends with OK or MEMORY, and the next one, freed of the limit, well.
 */
static int load_under_limit(const tleg_context_options *options, const char *path, long long more) {
    struct rlimit limit, former;
    long long mapped = 0, resident = 0;
    if (!process_bytes(&mapped, &resident) || getrlimit(RLIMIT_AS, &former) != 0)
        return 2;
    limit = former;
    limit.rlim_cur = (rlim_t)(mapped + more);
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 2;
    const tleg_status status = load_once(options, path, 12);
    setrlimit(RLIMIT_AS, &former);
    if (status != TLEG_OK && status != TLEG_ERROR_MEMORY)
        return 3;
    if (load_once(options, path, 12) != TLEG_OK)
        return 4;
    return status == TLEG_OK ? 0 : 1;
}

static void a_system_that_gives_no_more_is_an_error(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        SKIP("a sanitizer maps memory of its own");
    const char *path = large_gene();
    const tleg_context_options options = guest_options(&backends[0], 2);
    int counts[2] = {0, 0}, status = -1;
    for (long long more = 0; more <= 128 << 20; more += 4 << 20) {
        fflush(NULL);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(load_under_limit(&options, path, more));
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
            fail_msg("with %lld bytes more, the child ended with %x", more, (unsigned)status);
        counts[WEXITSTATUS(status)]++;
    }
    assert_true(counts[0] > 0 && counts[1] > 0); /* both were seen: enough, and too little */
}

static int prepare(void **state) {
    (void)state;
    backend_count = support_backends(backends);
    return backend_count > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_one_allocation_may_fail),
        cmocka_unit_test(all_allocations_from_some_on_may_fail),
        cmocka_unit_test(a_host_may_cap_the_bytes),
        cmocka_unit_test(a_hundred_loads_keep_the_process_as_large_as_ten),
        cmocka_unit_test(a_system_that_gives_no_more_is_an_error),
    };
    return cmocka_run_group_tests(tests, prepare, support_clean);
}
