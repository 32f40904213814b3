/* One learngene in memory, its depth changed between runs: what a device does whose battery or deadline changes. Prints the
 * time of a run and the strongest class at each depth; weight memory stays the same.
 *
 *     cc elastic.c $(pkg-config --cflags --libs tleg) -o elastic
 *     ./elastic gene.safetensors */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <tleg/tleg.h>

static void check(tleg_status status, const char *text) {
    if (status != TLEG_OK) {
        fprintf(stderr, "%s: %s\n", tleg_status_name(status), text);
        exit(1);
    }
}

static double cpu_ms(void) {
    return (double)clock() * 1e3 / CLOCKS_PER_SEC;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: elastic GENE\n");
        return 2;
    }
    tleg_context *context;
    tleg_learngene *gene;
    tleg_expander *expander;
    tleg_session *session;
    tleg_config config = {.struct_size = sizeof config};
    tleg_cost cost = {.struct_size = sizeof cost};
    tleg_session_info info = {.struct_size = sizeof info};

    check(tleg_context_create(NULL, &context), "no context");
    check(tleg_learngene_open(context, argv[1], NULL, &gene), tleg_context_get_error(context));
    check(tleg_learngene_get_info(context, gene, &config), "no configuration");
    check(tleg_expander_create(context, gene, NULL, &expander), tleg_context_get_error(context));
    tleg_learngene_free(gene); /* the expander has packed what it needs */
    check(tleg_expander_get_cost(context, expander, 0, 1, 0, &cost), tleg_context_get_error(context));
    check(tleg_session_create_elastic(context, expander, cost.least_depth, NULL, &session), tleg_context_get_error(context));

    check(tleg_session_get_info(context, session, &info), "no session");
    size_t side = (size_t)config.image_size, pixels = (size_t)info.image_floats;
    float *image = malloc(pixels * sizeof *image), *logits = malloc((size_t)config.classes * sizeof *logits);
    if (!image || !logits)
        check(TLEG_ERROR_MEMORY, "no memory for the picture");
    for (size_t i = 0; i < pixels; i++)
        image[i] = (float)(i % side) / (float)side - 0.5f; /* a grey ramp */

    for (int32_t depth = cost.least_depth; depth < cost.least_depth + 12; depth++) {
        check(tleg_session_set_depth(session, depth), tleg_session_get_error(session));
        double start = cpu_ms();
        check(tleg_session_run(session, 1, image, pixels, logits, (size_t)config.classes, NULL, 0),
              tleg_session_get_error(session));
        double ms = cpu_ms() - start;
        int best = 0;
        for (int c = 1; c < config.classes; c++)
            if (logits[c] > logits[best])
                best = c;
        printf("depth %2d: %7.2f ms, class %d\n", (int)depth, ms, best);
    }

    free(logits);
    free(image);
    tleg_session_free(session);
    tleg_expander_free(expander);
    tleg_context_free(context);
    return 0;
}
