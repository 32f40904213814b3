/* What has been learned so far: validated at each depth, and written. */
#include "private.h"

#include "base/digest.h"
#include "base/interrupt.h"
#include "base/latent_scale.h"
#include "source/source.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

int training_take_learned(struct state *state, bool average, struct source *learned) {
    *learned = (struct source){.path = state->options->out, .config = {.struct_size = sizeof learned->config}};
    tleg_status status = state->source.gene
                             ? tleg_trainer_copy_learngene(state->context, state->trainer, average, &learned->gene)
                             : tleg_trainer_copy_model(state->context, state->trainer, average, &learned->model);
    if (status == TLEG_OK)
        status = learned->gene ? tleg_learngene_get_info(state->context, learned->gene, &learned->config)
                               : tleg_model_get_info(state->context, learned->model, &learned->config);
    return status == TLEG_OK ? EXIT_DONE : tool_fail_context(state->call, state->context);
}

/* What is validated and written: the moving average where one is kept. */
static bool is_average(const struct state *state) {
    return state->options->ema > 0;
}

/* What the validation found, as files keep it. */
struct table {
    tleg_scores scores;
    int32_t depths[TRAINING_DEPTHS];
    double shares[TRAINING_DEPTHS];
};

static void take_scores(const struct state *state, struct table *table) {
    table->scores = (tleg_scores){.struct_size = sizeof table->scores,
                                  .count = state->depth_count,
                                  .images = state->scores[0].images,
                                  .depths = table->depths,
                                  .scores = table->shares,
                                  .on = state->options->teacher_features ? TLEG_SCORES_ON_FEATURES : "validation"};
    for (int32_t d = 0; d < state->depth_count; d++) {
        table->depths[d] = state->scores[d].depth;
        const double share = training_share(&state->scores[d]);
        table->shares[d] = share > 0 ? share : 0; /* of a generator that tells worse than nothing */
    }
}

/* The depths that were learned are known to the trainer; the scores go with the weights that were validated, and no others. */
static int save(struct state *state, const struct source *learned, const char *path) {
    struct table table;
    tleg_save_options options = {.struct_size = sizeof options};
    char scale[LATENT_SCALE_TEXT];
    const char *const latents[] = {LATENT_SCALE, latent_scale_text(state->set.latents.scale, scale)};
    const char *const features[] = {HEAD_TELLS, HEAD_FEATURES};
    options.pairs = training_has_latents(state) || state->set.features;
    options.keys_and_values = state->set.features ? features : latents;
    if (state->scored == tleg_trainer_get_steps(state->trainer)) {
        take_scores(state, &table);
        options.scores = &table.scores;
    }
    interrupt_hold();
    tleg_status status = learned->gene ? tleg_learngene_save(state->context, learned->gene, path, &options)
                                       : tleg_model_save(state->context, learned->model, path, &options);
    interrupt_release();
    return status == TLEG_OK ? EXIT_DONE : tool_fail_context(state->call, state->context);
}

double training_mean_share(const struct state *state) {
    double sum = 0;
    for (int32_t d = 0; d < state->depth_count; d++)
        sum += training_share(&state->scores[d]);
    return sum / state->depth_count;
}

static bool is_best(const struct state *state) {
    int64_t step = tleg_trainer_get_steps(state->trainer);
    return state->scored == step && (state->best.step < 0 || training_mean_share(state) >= state->best.share);
}

/* Strictly better: a run whose scores stay the same has stopped getting better. */
void training_note_improvement(struct state *state, int32_t epoch) {
    if (!state->judged.count || !training_first(state) || training_mean_share(state) <= state->improved_share)
        return;
    state->improved = epoch;
    state->improved_share = training_mean_share(state);
}

bool training_is_patient(struct state *state) {
    const int32_t patience = state->judged.count ? state->options->patience : 0;
    double lost = training_first(state) && patience && state->validated - state->improved >= patience;
    if (patience)
        ranks_sum_few(&state->ranks, &lost, 1);
    return lost == 0;
}

static const char *best_path(const struct state *state) {
    return state->options->keep == KEEP_BEST ? state->options->out : state->best.path;
}

uint64_t training_digest_best(const struct state *state) {
    const bool there = state->options->keep != KEEP_LAST && access(best_path(state), F_OK) == 0;
    return there ? digest_file(DIGEST_START, best_path(state), true) : 0;
}

int training_write(struct state *state) {
    struct source learned;
    if (!training_first(state))
        return EXIT_DONE;
    bool best = is_best(state);
    int32_t keep = state->options->keep;
    progress_clear(&state->progress);
    int code = training_check_sound(state, false);
    if (code == EXIT_DONE && is_average(state))
        code = training_check_sound(state, true);
    if (code != EXIT_DONE)
        return code;
    code = training_take_learned(state, is_average(state), &learned);
    if (code == EXIT_DONE && (keep != KEEP_BEST || best || state->best.step < 0))
        code = save(state, &learned, state->options->out);
    if (code == EXIT_DONE && keep == KEEP_BOTH && best)
        code = save(state, &learned, state->best.path);
    if (code == EXIT_DONE && best) {
        state->best.share = training_mean_share(state);
        state->best.step = state->scored;
        state->best.file = training_digest_best(state);
    }
    source_close(&learned);
    return code;
}

static int fail_score(struct state *state, int32_t depth) {
    return training_fail(state,
                         "step %" PRId64 ": validation at depth %d: an answer is not a finite number: nothing is written",
                         tleg_trainer_get_steps(state->trainer), (int)depth);
}

/* 1 - mean (number - told)^2 of an image: numbers have a variance of 1, so that who tells nothing gets 0. */
static double share_told(const float *numbers, const float *told, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)(numbers[i] - told[i]) * (double)(numbers[i] - told[i]);
    return 1 - sum / (double)count;
}

int training_score_told(struct state *state, size_t images, size_t count, const float *numbers, const float *told,
                        size_t told_count, struct score *score) {
    for (size_t i = 0; i < images; i++) {
        const double share = share_told(numbers + i * count, told + i * told_count, count);
        if (!isfinite(share))
            return fail_score(state, score->depth);
        score->points += share;
    }
    score->images += (int64_t)images;
    return EXIT_DONE;
}

int training_next_judged(struct state *state, struct feed *feed, const struct feed_unit **unit) {
    *unit = feed_next(feed);
    if (!*unit)
        return EXIT_DONE;
    if (interrupt_signal())
        return EXIT_INTERRUPTED;
    if (!(*unit)->error)
        return EXIT_DONE;
    training_save_between(state);
    return training_fail_picture(state, *unit, true);
}

static int score_unit(struct state *state, const struct source *learned, tleg_session *session, const struct feed_unit *unit,
                      float *logits) {
    int32_t classes = learned->config.classes;
    for (int32_t d = 0; d < state->depth_count; d++) {
        if ((learned->gene && tleg_session_set_depth(session, state->depths[d]) != TLEG_OK) ||
            source_run(session, unit->images, (int64_t)unit->count, logits, NULL) != TLEG_OK)
            return tool_fail(state->call, "validation: %s", tleg_session_get_error(session));
        for (size_t i = 0; i < unit->count; i++) {
            int32_t guess = source_guess(logits + i * (size_t)classes, classes);
            if (guess < 0)
                return fail_score(state, state->depths[d]);
            state->scores[d].points += guess == unit->labels[i];
        }
        state->scores[d].images += (int64_t)unit->count;
    }
    return EXIT_DONE;
}

static int score_all(struct state *state, const struct source *learned, tleg_session *session, struct feed *feed,
                     float *logits) {
    const struct feed_unit *unit;
    int code = EXIT_DONE;
    while (code == EXIT_DONE && (code = training_next_judged(state, feed, &unit)) == EXIT_DONE && unit)
        code = score_unit(state, learned, session, unit, logits);
    return code;
}

static struct feed *start_feed(struct state *state) {
    size_t count = state->judged.count;
    const struct feed_plan plan = {.part = &state->judged,
                                   .config = &state->source.config,
                                   .repeats = 1,
                                   .batch = TRAINING_JUDGED_BATCH,
                                   .ranks = 1,
                                   .end = (int64_t)((count + TRAINING_JUDGED_BATCH - 1) / TRAINING_JUDGED_BATCH),
                                   .loaders = state->options->loaders};
    return feed_start(state->call, &plan);
}

static int judge_classes(struct state *state, struct source *learned, struct feed *feed) {
    tleg_session *session = NULL;
    float *logits = malloc(TRAINING_JUDGED_BATCH * (size_t)learned->config.classes * sizeof *logits);
    int code = logits ? source_session(state->call, state->context, learned, TRAINING_JUDGED_BATCH, &session)
                      : tool_fail_memory(state->call);
    if (code == EXIT_DONE)
        code = state->options->teacher_features ? training_judge_features(state, learned, session, feed, logits)
                                                : score_all(state, learned, session, feed, logits);
    tleg_session_free(session);
    free(logits);
    return code;
}

static int judge(struct state *state, struct source *learned) {
    const struct expansion expansion = {.depth = learned->gene ? state->depths[0] : 0};
    int code = source_take_expansion(state->call, state->context, &expansion, learned);
    if (code != EXIT_DONE)
        return code;
    struct feed *feed = start_feed(state);
    code = !feed                   ? EXIT_FAILED
           : training_draws(state) ? training_judge_noise(state, learned, feed)
                                   : judge_classes(state, learned, feed);
    feed_stop(feed);
    return code;
}

int training_judge(struct state *state) {
    struct source learned;
    if (!state->judged.count || !training_first(state))
        return EXIT_DONE;
    for (int32_t d = 0; d < state->depth_count; d++)
        state->scores[d] = (struct score){.depth = state->depths[d]};
    int code = training_take_learned(state, is_average(state), &learned);
    if (code == EXIT_DONE)
        code = judge(state, &learned);
    if (code == EXIT_DONE)
        state->scored = state->sound[is_average(state)] = tleg_trainer_get_steps(state->trainer);
    source_close(&learned);
    return code;
}

/* A signal that comes meanwhile ends the run as it would in a step, and --resume begins again here. */
int training_judge_start(struct state *state) {
    if (!state->source.knows || !state->judged.count || !training_first(state) || tleg_trainer_get_steps(state->trainer))
        return EXIT_DONE;
    const int code = training_judge(state);
    if (code != EXIT_DONE)
        return code == EXIT_INTERRUPTED ? EXIT_DONE : code;
    state->began = training_mean_share(state);
    return training_say_began(state);
}
