/* From nothing to the first logits, once, as a program that starts does it: a context, the file of a learngene, its expansion
 * to 12 layers or an elastic session, and one image. Milliseconds by stage, and the most memory that the process had, as one
 * JSON object; a process measures once, for what it has touched is not new any more.
 *
 *     bench/bench_start GENE [threads] [expanded|elastic] */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <tleg/tleg.h>

enum { DEPTH = 12 };
enum stage { CONTEXT, READ, EXPAND, SESSION, RUN, STAGES };
static const char *const names[STAGES] = {"context", "read", "expand", "session", "run"};

static void check(tleg_status status, const char *text) {
    if (status) {
        fprintf(stderr, "bench_start: %s: %s\n", tleg_status_name(status), text);
        exit(1);
    }
}

/* What runs: an expander, and a model of it unless the session is elastic. */
struct runner {
    tleg_context *context;
    tleg_expander *expander;
    tleg_model *model;
    tleg_session *session;
    float *image, *logits;
    size_t pixels, classes; /* how many numbers they hold */
};

/* Both are the caller's affair, and not timed. */
static void make_picture(struct runner *runner) {
    tleg_config config = {.struct_size = sizeof config};
    check(runner->model ? tleg_model_get_info(runner->context, runner->model, &config)
                        : tleg_expander_get_info(runner->context, runner->expander, &config),
          "no shape");
    runner->pixels = 3 * (size_t)config.image_size * (size_t)config.image_size;
    runner->classes = (size_t)config.classes;
    runner->image = bench_floats(runner->pixels, 1);
    runner->logits = bench_floats(runner->classes, 0);
}

/* Fills `at`, seconds at which each stage began, and the last one ended. */
static void start(const char *path, int threads, bool elastic, struct runner *runner, double at[STAGES + 1]) {
    const tleg_context_options own = {.struct_size = sizeof own, .workers = threads};
    at[CONTEXT] = measure_seconds();
    check(tleg_context_create(&own, &runner->context), "no context");
    at[READ] = measure_seconds();
    check(tleg_expander_open(runner->context, path, NULL, NULL, &runner->expander), tleg_context_get_error(runner->context));
    at[EXPAND] = measure_seconds();
    if (!elastic) {
        check(tleg_expander_expand(runner->context, runner->expander, DEPTH, &runner->model),
              tleg_context_get_error(runner->context));
        tleg_expander_free(runner->expander);
        runner->expander = NULL;
    }
    at[SESSION] = measure_seconds();
    check(elastic ? tleg_session_create_elastic(runner->context, runner->expander, DEPTH, NULL, &runner->session)
                  : tleg_session_create(runner->context, runner->model, NULL, &runner->session),
          tleg_context_get_error(runner->context));
    double paused = measure_seconds();
    make_picture(runner);
    paused = measure_seconds() - paused;
    at[RUN] = measure_seconds();
    check(tleg_session_run(runner->session, 1, runner->image, runner->pixels, runner->logits, runner->classes, NULL, 0),
          tleg_session_get_error(runner->session));
    at[STAGES] = measure_seconds();
    for (int s = 0; s < RUN; s++)
        at[s] += paused;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_start GENE [threads] [expanded|elastic]\n");
        return 2;
    }
    const bool elastic = argc > 3 && strcmp(argv[3], "elastic") == 0;
    const int threads = argc > 2 ? atoi(argv[2]) : 1;
    struct runner runner = {0};
    double at[STAGES + 1];
    struct rusage usage;
    start(argv[1], threads, elastic, &runner, at);
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"kind\": \"%s\", \"batch\": 1, \"threads\": %d, \"ms\": %.3f, \"ms_open\": %.3f",
           elastic ? "elastic" : "expanded", threads, 1e3 * (at[STAGES] - at[CONTEXT]), 1e3 * (at[RUN] - at[CONTEXT]));
    for (int s = 0; s < STAGES; s++)
        printf(", \"ms_%s\": %.3f", names[s], 1e3 * (at[s + 1] - at[s]));
    printf(", \"process_bytes\": %lld}\n", 1024 * (long long)usage.ru_maxrss);
    tleg_session_free(runner.session);
    tleg_model_free(runner.model);
    tleg_expander_free(runner.expander);
    tleg_context_free(runner.context);
    free(runner.image);
    free(runner.logits);
    return 0;
}
