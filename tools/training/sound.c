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

/* At the shallowest and the deepest that is learned. */
static int probe(struct state *state, const struct source *learned, tleg_session *session) {
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

static int probe_drawing(struct state *state, struct source *learned) {
    const int32_t depths[] = {state->target->depth_least, state->target->depth_most};
    for (int i = 0; i < (learned->gene ? 2 : 1); i++)
        if (!training_tells_finite(state, learned, depths[i]))
            return refuse(state, learned->gene ? depths[i] : learned->config.depth);
    return EXIT_DONE;
}

int training_check_sound(struct state *state, bool average) {
    const int64_t step = tleg_trainer_get_steps(state->trainer);
    struct source learned = {0};
    tleg_session *session = NULL;
    if (!training_first(state) || state->sound[average] == step)
        return EXIT_DONE;
    int code = training_take_learned(state, average, &learned);
    if (code == EXIT_DONE && training_draws(state))
        code = probe_drawing(state, &learned);
    tleg_session_options options = {.struct_size = sizeof options, .batch = PROBES};
    tleg_expander_options expander = {.struct_size = sizeof expander};
    if (training_draws(state))
        session = NULL;
    else if (learned.gene && tleg_expander_create(state->context, learned.gene, &expander, &learned.expander) == TLEG_OK)
        tleg_session_create_elastic(state->context, learned.expander, state->target->depth_most, &options, &session);
    else if (learned.model)
        tleg_session_create(state->context, learned.model, &options, &session);
    if (session) /* without memory for it, what was learned is worth more than this look at it */
        code = probe(state, &learned, session);
    if (code == EXIT_DONE)
        state->sound[average] = step;
    tleg_session_free(session);
    source_close(&learned);
    return code;
}
