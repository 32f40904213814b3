/* What a build without threads, without files or without mappings still does, and how it says what it cannot. In a build that
 * has them all the same tests hold it to the other answers. */
#include "core/core.h"
#include "core/os.h"
#include "support/support.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static tleg_context *context;

/* ---- threads ---- */

static void count_lane(void *arg, int32_t lane) {
    atomic_int *calls = arg;
    atomic_fetch_add(&calls[lane], 1);
}

static void assert_each_lane_runs_once(struct tleg_team *team, int32_t lanes) {
    atomic_int calls[8] = {0};
    tleg_team_run(team, lanes, count_lane, calls);
    for (int32_t lane = 0; lane < lanes; lane++)
        assert_int_equal(atomic_load(&calls[lane]), 1);
}

static void a_team_has_one_lane_where_there_are_no_threads(void **state) {
    (void)state;
    tleg_context_options options = {.struct_size = sizeof options, .workers = 4};
    struct tleg_team *team;
    assert_int_equal(tleg_team_create(NULL, &tleg_default_allocator, &options, &team), TLEG_OK);
    assert_int_equal(tleg_team_lanes(team), TLEG_THREADS ? 4 : 1);
    assert_each_lane_runs_once(team, 1);
    assert_each_lane_runs_once(team, 4); /* on the caller, if it must be */
    tleg_team_free(team);
}

static tleg_status TLEG_CALL run_in_turn(void *host, int32_t tasks, tleg_task_fn fn, void *arg) {
    ++*(int *)host;
    for (int32_t task = tasks; task-- > 0;)
        fn(arg, task);
    return TLEG_OK;
}

static void a_hosts_pool_is_used_in_every_build(void **state) {
    (void)state;
    int calls = 0;
    tleg_context_options options = {
        .struct_size = sizeof options, .workers = 3, .parallel = run_in_turn, .parallel_host = &calls};
    struct tleg_team *team;
    assert_int_equal(tleg_team_create(NULL, &tleg_default_allocator, &options, &team), TLEG_OK);
    assert_int_equal(tleg_team_lanes(team), 3);
    assert_each_lane_runs_once(team, 3);
    assert_int_equal(calls, 1);
    tleg_team_free(team);
}

/* The tiles are refused where there are none, and callers go on without them: what succeeds leaves errno as it was. */
static void asking_for_tiles_leaves_errno_as_it_was(void **state) {
    (void)state;
    errno = ENOTTY;
    (void)tleg_os_grant_tiles();
    assert_int_equal(errno, ENOTTY);
}

static void the_clock_rises(void **state) {
    (void)state;
    const int64_t start = tleg_os_nanoseconds();
    assert_true(start > 0);
    while (tleg_os_nanoseconds() == start)
        ;
    assert_true(tleg_os_nanoseconds() > start);
}

static void a_threads_clock_stands_still_while_it_waits(void **state) {
    (void)state;
    const struct timespec pause = {.tv_nsec = 50000000};
    const int64_t start = tleg_os_nanoseconds(), spent = tleg_os_thread_nanoseconds();
    nanosleep(&pause, NULL);
    const int64_t asleep = tleg_os_thread_nanoseconds() - spent;
    assert_true(asleep >= 0 && (!TLEG_POSIX || asleep < (tleg_os_nanoseconds() - start) / 2));
    while (tleg_os_thread_nanoseconds() - spent < asleep + 1000000)
        ;
}

/* ---- files ---- */

static void assert_text(const char *part) {
    if (!strstr(tleg_context_get_error(context), part))
        fail_msg("\"%s\" does not contain \"%s\"", tleg_context_get_error(context), part);
}

static void a_path_is_refused_where_there_are_no_files(void **state) {
    (void)state;
    const char *path = support_path("mean", ".gene.safetensors");
    tleg_file *file = NULL;
    const tleg_status opened = tleg_file_open(context, path, NULL, &file);
    tleg_learngene *gene = NULL;
    const tleg_status opened_gene = tleg_learngene_open(context, path, NULL, &gene);
    if (TLEG_FILES) {
        assert_int_equal(opened, TLEG_OK);
        assert_int_equal(opened_gene, TLEG_OK);
    } else {
        assert_int_equal(opened, TLEG_ERROR_UNSUPPORTED);
        assert_int_equal(opened_gene, TLEG_ERROR_UNSUPPORTED);
        assert_text("mean.gene.safetensors: this build of the library opens no files");
        assert_int_equal(tleg_file_save(context, "never", 0, NULL, NULL, NULL), TLEG_ERROR_UNSUPPORTED);
        assert_text("never: this build of the library writes no files");
        assert_null(fopen("never", "rb"));
    }
    tleg_learngene_free(gene);
    tleg_file_free(file);
}

static void a_mapping_is_refused_where_there_are_none(void **state) {
    (void)state;
    const tleg_open_options options = {.struct_size = sizeof options, .flags = TLEG_OPEN_MAP};
    tleg_file *file = NULL;
    const tleg_status opened = tleg_file_open(context, support_path("mean", ".gene.safetensors"), &options, &file);
    assert_int_equal(opened, TLEG_FILES && TLEG_MAPPINGS ? TLEG_OK : TLEG_ERROR_UNSUPPORTED);
    if (TLEG_FILES && !TLEG_MAPPINGS)
        assert_text("this build of the library maps no files");
    tleg_file_free(file);
}

/* A golden file's bytes, by the C library. */
static void *read_bytes(const char *name, const char *ending, size_t *bytes) {
    FILE *file = fopen(support_path(name, ending), "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(file);
    rewind(file);
    void *data = malloc(*bytes);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

static tleg_tensor *parse_tensor(const char *name, const char *ending, const char *tensor_name, size_t *count) {
    size_t bytes;
    void *data = read_bytes(name, ending, &bytes);
    tleg_file *file;
    tleg_tensor *tensor;
    OK(context, tleg_file_parse(context, data, bytes, &file));
    OK(context, tleg_file_read_tensor(context, file, tensor_name, &tensor));
    tleg_file_free(file);
    free(data);
    tleg_tensor_info info = {.struct_size = sizeof info};
    OK(context, tleg_tensor_get_info(context, tensor, &info));
    *count = (size_t)info.bytes / sizeof(float);
    return tensor;
}

static const float *values_of(const tleg_tensor *tensor) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    OK(context, tleg_tensor_get_info(context, tensor, &info));
    return info.data;
}

/* A host without files hands over bytes; the answers are those of the golden case mean-4. */
static void a_learngene_in_memory_is_expanded_and_run(void **state) {
    (void)state;
    size_t gene_bytes, pixels, count;
    void *bytes = read_bytes("mean", ".gene.safetensors", &gene_bytes);
    tleg_tensor *images = parse_tensor("images-16", ".safetensors", "images", &pixels);
    tleg_tensor *answers = parse_tensor("mean-4", ".out.safetensors", "logits", &count);
    tleg_learngene *gene;
    tleg_expander *expander;
    tleg_model *model;
    tleg_session *session;
    OK(context, tleg_learngene_parse(context, bytes, gene_bytes, NULL, &gene));
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    OK(context, tleg_expander_expand(context, expander, 4, &model));
    OK(context, tleg_session_create(context, model, NULL, &session));
    float *logits = malloc(count * sizeof *logits);
    OK_SESSION(session,
               tleg_session_run(session, (int64_t)(pixels / (3 * 16 * 16)), values_of(images), pixels, logits, count, NULL, 0));
    for (size_t i = 0; i < count; i++)
        assert_float_equal(logits[i], values_of(answers)[i], 1e-4);
    free(logits);
    tleg_session_free(session);
    tleg_model_free(model);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    tleg_tensor_free(answers);
    tleg_tensor_free(images);
    free(bytes);
}

static int make_context(void **state) {
    (void)state;
    return tleg_context_create(NULL, &context) != TLEG_OK;
}

static int drop_context(void **state) {
    (void)state;
    tleg_context_free(context);
    return 0;
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_team_has_one_lane_where_there_are_no_threads),
        cmocka_unit_test(a_hosts_pool_is_used_in_every_build),
        cmocka_unit_test(asking_for_tiles_leaves_errno_as_it_was),
        cmocka_unit_test(the_clock_rises),
        cmocka_unit_test(a_threads_clock_stands_still_while_it_waits),
        cmocka_unit_test(a_path_is_refused_where_there_are_no_files),
        cmocka_unit_test(a_mapping_is_refused_where_there_are_none),
        cmocka_unit_test(a_learngene_in_memory_is_expanded_and_run),
    };
    return cmocka_run_group_tests(tests, make_context, drop_context);
}
