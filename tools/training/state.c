/* Checkpoints: the trainer's state, and beside it what the command needs to go on bit for bit. */
#include "private.h"

#include "base/interrupt.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAIRS = 40, VALUE = RECIPE_TEXT };

struct pairs {
    int64_t count;
    const char *keys[PAIRS];
    char values[PAIRS][VALUE];
};

__attribute__((format(printf, 3, 4))) static void add(struct pairs *pairs, const char *key, const char *format, ...) {
    va_list values;
    va_start(values, format);
    pairs->keys[pairs->count] = key;
    vsnprintf(pairs->values[pairs->count++], VALUE, format, values);
    va_end(values);
}

/* What decides the bits of a run, and is not the trainer's own: a checkpoint must agree with all of it. */
static void add_settings(const struct state *state, struct pairs *pairs) {
    const struct training_options *options = state->options;
    char recipe[RECIPE_TEXT], warmup[RATE_TEXT], schedule[RATE_TEXT];
    training_describe(&state->recipe, recipe);
    training_describe_warmup(state, warmup);
    training_describe_schedule(state, schedule);
    add(pairs, "run.verb", "%s", state->call->verb->name);
    if (state->recipe.seed == options->seed)
        add(pairs, "run.seed", "%" PRIu64, options->seed);
    else
        add(pairs, "run.seed", "%" PRIu64 ", of the data %" PRIu64, options->seed, state->recipe.seed);
    add(pairs, "run.batch", "%d", (int)options->batch);
    add(pairs, "run.accumulate", "%d", (int)options->accumulate);
    add(pairs, "run.ranks", "%d", (int)state->ranks.count);
    add(pairs, "run.peak_learning_rate", "%.17g", state->rate.peak);
    add(pairs, "run.warmup", "%s", warmup);
    add(pairs, "run.schedule", "%s", schedule);
    add(pairs, "run.pictures", "%s", recipe);
    add(pairs, "run.images", "%zu", state->learned.count);
    add(pairs, "run.data", "%016" PRIx64, part_fingerprint(&state->learned));
    add(pairs, "run.teacher", "%s", training_teacher_kind(options));
}

static void add_state(struct state *state, struct pairs *pairs) {
    char digest[LOG_DIGEST];
    add(pairs, "run.steps", "%" PRId64, tleg_trainer_get_steps(state->trainer));
    add(pairs, "run.total", "%" PRId64, state->total);
    add(pairs, "run.epochs", "%d", (int)state->options->epochs);
    add(pairs, "run.decay_epochs", "%d", (int)state->rate.decay);
    add(pairs, "run.planned_epochs", "%d", (int)state->planned);
    add(pairs, "run.validated", "%d", (int)state->validated);
    add(pairs, "run.improved", "%d", (int)state->improved);
    add(pairs, "run.improved_share", "%.17g", state->improved_share);
    add(pairs, "run.best", "%.17g", state->best.share);
    add(pairs, "run.best_step", "%" PRId64, state->best.step);
    add(pairs, "run.epoch_loss", "%.17g", state->epoch.loss);
    add(pairs, "run.epoch_correct", "%.17g", state->epoch.correct);
    add(pairs, "run.epoch_images", "%.17g", state->epoch.images);
    add(pairs, "run.log_bytes", "%" PRId64, state->log.bytes);
    add(pairs, "run.log_digest", "%s", training_log_digest(state->log.digest, digest));
}

int training_save(struct state *state) {
    struct pairs *pairs = calloc(1, sizeof *pairs);
    const char *texts[2 * PAIRS];
    int code = training_check_sound(state, false);
    if (code == EXIT_DONE)
        code = training_keep_recording(state);
    if (code == EXIT_DONE)
        code = training_keep_log(state);
    if (code != EXIT_DONE || !training_first(state) || !pairs) {
        free(pairs);
        return code != EXIT_DONE ? code : training_first(state) ? tool_fail_memory(state->call) : EXIT_DONE;
    }
    add_settings(state, pairs);
    add_state(state, pairs);
    for (int64_t i = 0; i < pairs->count; i++) {
        texts[2 * i] = pairs->keys[i];
        texts[2 * i + 1] = pairs->values[i];
    }
    progress_clear(&state->progress);
    interrupt_hold();
    if (tleg_trainer_save(state->context, state->trainer, state->checkpoint, pairs->count, texts) != TLEG_OK)
        code = tool_fail_context(state->call, state->context);
    else
        state->saved = tleg_trainer_get_steps(state->trainer);
    interrupt_release();
    free(pairs);
    return code;
}

/* ---- going on ---- */

static int64_t number(const tleg_file *file, const char *key) {
    const char *text = tleg_file_get_metadata(file, key);
    return text ? strtoll(text, NULL, 10) : -1;
}

static double real(const tleg_file *file, const char *key) {
    const char *text = tleg_file_get_metadata(file, key);
    return text ? strtod(text, NULL) : 0;
}

static int compare(struct state *state, const tleg_file *file) {
    struct pairs *pairs = calloc(1, sizeof *pairs);
    int code = EXIT_DONE;
    if (!pairs)
        return tool_fail_memory(state->call);
    add_settings(state, pairs);
    for (int64_t i = 0; i < pairs->count && code == EXIT_DONE; i++) {
        const char *found = tleg_file_get_metadata(file, pairs->keys[i]);
        if (!found || strcmp(found, pairs->values[i]) != 0)
            code = tool_fail(state->call, "%s: a checkpoint of another run: %s is \"%s\" there, \"%s\" here", state->checkpoint,
                             pairs->keys[i] + strlen("run."), found ? found : "(absent)", pairs->values[i]);
    }
    free(pairs);
    return code;
}

static int resume(struct state *state, const tleg_file *file) {
    int code = compare(state, file);
    if (code == EXIT_DONE)
        code = training_change_length(state, (int32_t)number(file, "run.epochs"), (int32_t)number(file, "run.decay_epochs"),
                                      number(file, "run.steps"));
    if (code != EXIT_DONE)
        return code;
    if (tleg_trainer_load(state->context, state->trainer, state->checkpoint) != TLEG_OK)
        return tool_fail_context(state->call, state->context);
    state->validated = (int32_t)number(file, "run.validated");
    state->saved = tleg_trainer_get_steps(state->trainer);
    if (tleg_file_get_metadata(file, "run.improved")) { /* older checkpoints have none */
        state->improved = (int32_t)number(file, "run.improved");
        state->improved_share = real(file, "run.improved_share");
    }
    state->best.share = real(file, "run.best");
    state->best.step = training_keeps_best(state) ? number(file, "run.best_step") : -1;
    state->epoch = (struct tally){.loss = real(file, "run.epoch_loss"),
                                  .correct = real(file, "run.epoch_correct"),
                                  .images = real(file, "run.epoch_images")};
    const struct log_mark log = {number(file, "run.log_bytes"), tleg_file_get_metadata(file, "run.log_digest")};
    return training_open_log(state, &log);
}

/* A checkpoint that a new run would write over: fine when it was finished. */
static int spare(struct state *state, const tleg_file *file) {
    int64_t steps = number(file, "run.steps"), total = number(file, "run.total");
    if (steps < 0)
        return tool_fail(state->call,
                         "%s: not a checkpoint of a training, and it would be overwritten: give another --checkpoint",
                         state->checkpoint);
    if (steps < total)
        return tool_fail(state->call,
                         "%s: holds a run that was stopped at step %" PRId64 " of %" PRId64
                         ": --resume continues it; to start again, remove it or give another --checkpoint",
                         state->checkpoint, steps, total);
    return training_open_log(state, NULL);
}

/* NULL in *file where there is none yet. */
static int open_checkpoint(struct state *state, tleg_file **file) {
    *file = NULL;
    if (access(state->checkpoint, F_OK) != 0 && errno == ENOENT)
        return EXIT_DONE;
    return tleg_file_open(state->context, state->checkpoint, NULL, file) == TLEG_OK
               ? EXIT_DONE
               : tool_fail_context(state->call, state->context);
}

int training_find_plan(struct state *state) {
    tleg_file *file = NULL;
    int code = state->checkpoint && state->options->resume ? open_checkpoint(state, &file) : EXIT_DONE;
    int64_t planned = number(file, "run.planned_epochs");
    state->planned = planned > 0 && planned <= INT32_MAX ? (int32_t)planned : state->options->epochs;
    tleg_file_free(file);
    return code;
}

int training_find_checkpoint(struct state *state) {
    tleg_file *file;
    int code = open_checkpoint(state, &file);
    if (code != EXIT_DONE)
        return code;
    if (!file) {
        if (state->options->resume && training_first(state))
            tool_note(state->call, "%s: no checkpoint yet; starting from the beginning", state->checkpoint);
        return training_open_log(state, NULL);
    }
    code = state->options->resume ? resume(state, file) : spare(state, file);
    tleg_file_free(file);
    return code;
}
