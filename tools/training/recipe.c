/* What a training does where neither its options nor a recording say: DeiT's recipe, which is made for long runs, or one for
 * short runs. */
#include "private.h"

#include <inttypes.h>
#include <math.h>

/* With fewer steps DeiT's augmentation and its rates leave much unlearned: docs/training.md has the measurements. */
static const double GENTLE_RATE = 1e-4;
enum { SHORT_STEPS = 10000, USUAL_BATCH = 128, SMALL_BATCH = 32, FEWEST_STEPS = 1000 };

/* Steps of the run as it was planned, with batches of so many pictures. */
static int64_t steps_of(const struct state *state, int32_t batch) {
    return (int64_t)state->learned.count / ((int64_t)batch * state->options->accumulate) * state->planned;
}

/* By the pictures that are seen, however many are in a batch. */
static bool is_short(const struct state *state) {
    return (int64_t)state->learned.count * state->planned / USUAL_BATCH < SHORT_STEPS;
}

static int32_t choose(const struct state *state) {
    if (state->options->recipe != RECIPE_AUTO)
        return state->options->recipe;
    return is_short(state) ? RECIPE_SHORT : RECIPE_DEIT;
}

/* The largest with which a run still has many steps; no larger than the data. */
static int32_t short_batch(const struct state *state) {
    int32_t batch = USUAL_BATCH;
    while (batch > SMALL_BATCH && steps_of(state, batch) < FEWEST_STEPS)
        batch /= 2;
    while (batch > 1 && state->learned.count < (size_t)batch * (size_t)state->options->accumulate)
        batch /= 2;
    return batch;
}

/* A tenth of the steps, and at most 500. */
static int32_t short_warmup(const struct state *state, int32_t batch) {
    int64_t steps = steps_of(state, batch) / 10;
    return steps < 500 ? (int32_t)steps : 500;
}

/* What has learned the classes already loses by a few steps at the usual rate more than it gains. */
static bool is_gentle(const struct state *state) {
    return state->source.knows && steps_of(state, state->options->batch) < FEWEST_STEPS;
}

static void fill_short(const struct state *state, struct training_options *options) {
    if (!options->batch)
        options->batch = short_batch(state);
    if (options->augment < 0)
        options->augment = AUGMENT_LIGHT;
    if (options->lr == 0)
        options->lr = is_gentle(state) ? GENTLE_RATE : 1e-3;
    options->lr_absolute = true;
    if (options->warmup < 0 && options->warmup_steps < 0)
        options->warmup_steps = short_warmup(state, options->batch);
    if (options->drop_path < 0)
        options->drop_path = 0;
}

static void fill_deit(struct training_options *options) {
    if (!options->batch)
        options->batch = USUAL_BATCH;
    if (options->augment < 0)
        options->augment = AUGMENT_DEIT;
    if (options->lr == 0)
        options->lr = options->lr_absolute ? 1e-3 : 5e-4;
}

/* With a decay that is the same from the first step on, what the run began with fades slowly. */
static void warn_of_average(const struct state *state) {
    enum { PERCENT = 100 };
    const int64_t steps = steps_of(state, state->options->batch);
    const double left = state->options->ema > 0 && state->options->ema_fixed ? pow(state->options->ema, (double)steps) : 0;
    if (training_first(state) && left > 0.01)
        tool_note(state->call,
                  "--ema %g with --ema-fixed: after %" PRId64 " steps %.3g %% of what is written is what the run began with",
                  state->options->ema, steps, PERCENT * left);
}

void training_choose_recipe(struct state *state) {
    struct training_options *options = &state->settled;
    options->recipe = choose(state);
    if (training_draws(state))
        training_fill_drawing(options);
    if (options->recipe == RECIPE_SHORT)
        fill_short(state, options);
    else
        fill_deit(options);
    if (options->ema < 0)
        options->ema = 0;
    warn_of_average(state);
}

static const char *name_of(const struct state *state) {
    const struct training_options *options = state->options;
    if (training_draws(state))
        return "for generators (whole pictures, a rate that does not shrink with the batch, an average)";
    if (options->recorded)
        return options->recipe == RECIPE_SHORT
                   ? "the recipe for short runs (a rate that does not shrink with the batch), with pictures as recorded"
                   : "DeiT's recipe, for long runs, with pictures as recorded";
    return options->recipe == RECIPE_SHORT
               ? "the recipe for short runs (small batches, light augmentation, a rate that does not shrink with the batch)"
               : "DeiT's recipe, for long runs";
}

void training_describe_choice(const struct state *state, char text[RECIPE_TEXT]) {
    const struct training_options *options = state->options;
    const int64_t steps = state->steps_an_epoch * options->epochs, images = (int64_t)options->batch * options->accumulate;
    const bool gently = options->recipe == RECIPE_SHORT && is_gentle(state) && options->lr == GENTLE_RATE;
    snprintf(text, RECIPE_TEXT, "%zu picture%s, %d epoch%s, %" PRId64 " step%s of %" PRId64 " picture%s: %s%s",
             state->learned.count, tool_plural((int64_t)state->learned.count), (int)options->epochs,
             tool_plural(options->epochs), steps, tool_plural(steps), images, tool_plural(images), name_of(state),
             gently ? "; --lr 1e-4, since these classes are known to it" : "");
}
