/* Whether what was learned still computes: weights that blew up in the last step are found before they are written over good
 * ones, also where nothing is validated. */
#include "private.h"

#include "data/seeds.h"
#include "pictures/prepare.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { PROBES = 4 };

/* The mean colour, and noise about as wide as pictures are. */
static void fill_probes(float *images, size_t numbers) {
    for (size_t i = 0; i < PROBES * numbers; i++)
        images[i] = i < numbers ? 0 : (float)(4 * seed_uniform(i) - 2);
}

static bool is_finite(const float *logits, size_t count) {
    size_t i = 0;
    while (i < count && isfinite(logits[i]))
        i++;
    return i == count;
}

static int refuse(struct state *state, int32_t depth) {
    return training_fail(state,
                         "step %" PRId64 ": at depth %d the %s no longer answers with finite numbers: nothing is written",
                         tleg_trainer_get_steps(state->trainer), (int)depth, state->source.gene ? "learngene" : "model");
}

/* A learngene is looked at twice, at the shallowest and the deepest that is learned. */
static int probe_classes(struct state *state, const struct source *learned, tleg_session *session) {
    const size_t numbers = prepare_numbers(&learned->config);
    const size_t classes = (size_t)learned->config.classes;
    const int32_t depths[] = {state->target->depth_least, state->target->depth_most};
    float *images = malloc(PROBES * numbers * sizeof *images), *logits = malloc(PROBES * classes * sizeof *logits);
    int code = EXIT_DONE;
    if (images)
        fill_probes(images, numbers);
    for (int i = 0; images && logits && i < (learned->gene ? 2 : 1) && code == EXIT_DONE; i++) {
        bool set = !learned->gene || tleg_session_set_depth(session, depths[i]) == TLEG_OK;
        if (set && source_run(session, images, PROBES, logits, NULL) == TLEG_OK && !is_finite(logits, PROBES * classes))
            code = refuse(state, learned->gene ? depths[i] : learned->config.depth);
    }
    free(images);
    free(logits);
    return code;
}

static int probe_noise(struct state *state, const struct source *learned, tleg_generator *generator) {
    static const int64_t labels[PROBES] = {0};
    tleg_generator_info info = {.struct_size = sizeof info};
    tleg_generator_get_info(NULL, generator, &info);
    const size_t numbers = PROBES * (size_t)info.image_floats, told = PROBES * (size_t)info.noise_floats;
    const int64_t last = info.times - 1, times[PROBES] = {0, last / 3, 2 * last / 3, last};
    const int32_t depths[] = {state->target->depth_least, state->target->depth_most};
    float *noise = malloc(numbers * sizeof *noise), *answer = malloc(told * sizeof *answer);
    int code = EXIT_DONE;
    if (noise)
        fill_probes(noise, numbers / PROBES);
    for (int i = 0; noise && answer && i < (learned->gene ? 2 : 1) && code == EXIT_DONE; i++) {
        bool set = !learned->gene || tleg_generator_set_depth(generator, depths[i]) == TLEG_OK;
        if (set && tleg_generator_run(generator, PROBES, noise, numbers, times, labels, answer, told) == TLEG_OK &&
            !is_finite(answer, told))
            code = refuse(state, learned->gene ? depths[i] : learned->config.depth);
    }
    free(noise);
    free(answer);
    return code;
}

/* Without memory for it, what was learned is worth more than this look at it: nothing is said then. */
static int probe(struct state *state, struct source *learned) {
    const tleg_expander_options packing = {.struct_size = sizeof packing};
    const tleg_session_options runs = {.struct_size = sizeof runs, .batch = PROBES};
    const tleg_generator_options draws = {.struct_size = sizeof draws, .batch = PROBES};
    const int32_t deepest = state->target->depth_most;
    tleg_context *context = state->context;
    tleg_session *session = NULL;
    tleg_generator *generator = NULL;
    if (learned->gene && tleg_expander_create(context, learned->gene, &packing, &learned->expander) != TLEG_OK)
        return EXIT_DONE;
    if (training_draws(state) && learned->gene)
        tleg_generator_create_elastic(context, learned->expander, deepest, &draws, &generator);
    else if (training_draws(state))
        tleg_generator_create(context, learned->model, &draws, &generator);
    else if (learned->gene)
        tleg_session_create_elastic(context, learned->expander, deepest, &runs, &session);
    else
        tleg_session_create(context, learned->model, &runs, &session);
    const int code = session     ? probe_classes(state, learned, session)
                     : generator ? probe_noise(state, learned, generator)
                                 : EXIT_DONE;
    tleg_session_free(session);
    tleg_generator_free(generator);
    return code;
}

int training_check_sound(struct state *state, bool average) {
    const int64_t step = tleg_trainer_get_steps(state->trainer);
    struct source learned = {0};
    if (!training_first(state) || state->sound[average] == step)
        return EXIT_DONE;
    int code = training_take_learned(state, average, &learned);
    if (code == EXIT_DONE)
        code = probe(state, &learned);
    if (code == EXIT_DONE)
        state->sound[average] = step;
    source_close(&learned);
    return code;
}
