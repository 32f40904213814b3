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

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_start GENE [threads] [expanded|elastic]\n");
        return 2;
    }
    const bool elastic = argc > 3 && strcmp(argv[3], "elastic") == 0;
    const tleg_context_options own = {.struct_size = sizeof own, .workers = argc > 2 ? atoi(argv[2]) : 1};
    tleg_context *context;
    tleg_expander *expander;
    tleg_model *model = NULL;
    tleg_session *session;
    tleg_config config = {.struct_size = sizeof config};
    double at[STAGES + 1];

    at[CONTEXT] = measure_seconds();
    check(tleg_context_create(&own, &context), "no context");
    at[READ] = measure_seconds();
    check(tleg_expander_open(context, argv[1], NULL, NULL, &expander), tleg_context_get_error(context));
    at[EXPAND] = measure_seconds();
    if (!elastic) {
        check(tleg_expander_expand(context, expander, DEPTH, &model), tleg_context_get_error(context));
        tleg_expander_free(expander);
    }
    at[SESSION] = measure_seconds();
    if (elastic)
        check(tleg_session_create_elastic(context, expander, DEPTH, NULL, &session), tleg_context_get_error(context));
    else
        check(tleg_session_create(context, model, NULL, &session), tleg_context_get_error(context));
    double paused = measure_seconds(); /* the picture is the caller's affair */
    check(elastic ? tleg_expander_get_info(context, expander, &config) : tleg_model_get_info(context, model, &config),
          "no shape");
    const size_t pixels = 3 * (size_t)config.image_size * (size_t)config.image_size;
    float *image = bench_floats(pixels, 1);
    float *logits = bench_floats((size_t)config.classes, 0);
    paused = measure_seconds() - paused;
    at[RUN] = measure_seconds();
    check(tleg_session_run(session, 1, image, pixels, logits, (size_t)config.classes, NULL, 0),
          tleg_session_get_error(session));
    at[STAGES] = measure_seconds();
    for (int s = 0; s < RUN; s++)
        at[s] += paused;

    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"kind\": \"%s\", \"batch\": 1, \"threads\": %d, \"ms\": %.3f, \"ms_open\": %.3f",
           elastic ? "elastic" : "expanded", (int)own.workers, 1e3 * (at[STAGES] - at[CONTEXT]), 1e3 * (at[RUN] - at[CONTEXT]));
    for (int s = 0; s < STAGES; s++)
        printf(", \"ms_%s\": %.3f", names[s], 1e3 * (at[s + 1] - at[s]));
    printf(", \"process_bytes\": %lld}\n", 1024 * (long long)usage.ru_maxrss);
    tleg_session_free(session);
    if (elastic)
        tleg_expander_free(expander);
    tleg_model_free(model);
    tleg_context_free(context);
    free(image);
    free(logits);
    return 0;
}
