/* Checkpoints: the trainer's state, and beside it what the command needs to go on bit for bit. */
#include "private.h"

#include "base/interrupt.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add_state(struct state *state, struct pairs *pairs) {
    char digest[LOG_DIGEST];
    training_add_pair(pairs, "run.steps", "%" PRId64, tleg_trainer_get_steps(state->trainer));
    training_add_pair(pairs, "run.total", "%" PRId64, state->total);
    training_add_pair(pairs, "run.epochs", "%d", (int)state->options->epochs);
    training_add_pair(pairs, "run.decay_epochs", "%d", (int)state->rate.decay);
    training_add_pair(pairs, "run.planned_epochs", "%d", (int)state->planned);
    training_add_pair(pairs, "run.validated", "%d", (int)state->validated);
    training_add_pair(pairs, "run.improved", "%d", (int)state->improved);
    training_add_pair(pairs, "run.improved_share", "%.17g", state->improved_share);
    training_add_pair(pairs, "run.best", "%.17g", state->best.share);
    training_add_pair(pairs, "run.knows", "%d", state->source.knows);
    training_add_pair(pairs, "run.began", "%.17g", state->began);
    training_add_pair(pairs, "run.judged", "%016" PRIx64, state->origin.judged);
    training_add_pair(pairs, "run.best_step", "%" PRId64, state->best.step);
    training_add_pair(pairs, "run.best_file", "%016" PRIx64, state->best.file);
    training_add_pair(pairs, "run.epoch_loss", "%.17g", state->epoch.loss);
    training_add_pair(pairs, "run.epoch_correct", "%.17g", state->epoch.correct);
    training_add_pair(pairs, "run.epoch_images", "%.17g", state->epoch.images);
    training_add_pair(pairs, "run.log_bytes", "%" PRId64, state->log.bytes);
    training_add_pair(pairs, "run.log_digest", "%s", training_log_digest(state->log.digest, digest));
}

int training_save(struct state *state) {
    struct pairs *pairs = calloc(1, sizeof *pairs);
    const char *texts[2 * MOST_PAIRS];
    int code = training_check_sound(state, false);
    if (code == EXIT_DONE)
        code = training_keep_recording(state);
    if (code == EXIT_DONE)
        code = training_keep_log(state);
    if (code != EXIT_DONE || !training_first(state) || !pairs) {
        free(pairs);
        return code != EXIT_DONE ? code : training_first(state) ? tool_fail_memory(state->call) : EXIT_DONE;
    }
    training_add_settings(state, pairs);
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

/* Scores of other pictures say nothing about which epoch is the best. */
static bool is_judged_alike(const struct state *state, const tleg_file *file) {
    char here[24];
    const char *found = tleg_file_get_metadata(file, "run.judged");
    snprintf(here, sizeof here, "%016" PRIx64, state->origin.judged);
    bool alike = !found || strcmp(found, here) == 0;
    if (!alike && training_first(state))
        tool_note(state->call, "%s: was validated with other pictures or depths: which epoch is the best is found anew",
                  state->checkpoint);
    return alike;
}

/* Patience begins anew where nothing was validated yet, or other pictures, or by a version without it. */
static void take_up_improvement(struct state *state, const tleg_file *file, bool alike) {
    const bool known = alike && tleg_file_get_metadata(file, "run.improved");
    state->improved = known ? (int32_t)number(file, "run.improved") : state->validated;
    state->improved_share = known ? real(file, "run.improved_share") : -HUGE_VAL;
}

/* The former best epoch counts while its file is there, as it was written. */
static void take_up_best(struct state *state, const tleg_file *file) {
    const uint64_t lies = training_digest_best(state);
    char here[24];
    const char *found = tleg_file_get_metadata(file, "run.best_file");
    snprintf(here, sizeof here, "%016" PRIx64, lies);
    if (!lies || number(file, "run.best_step") < 0)
        return;
    if (found && strcmp(found, here) != 0) {
        if (training_first(state))
            tool_note(state->call,
                      "%s: the best epoch's file is not the one that the checkpoint knows: which is the best is found anew",
                      state->options->keep == KEEP_BEST ? state->options->out : state->best.path);
        return;
    }
    state->best.share = real(file, "run.best");
    state->best.step = number(file, "run.best_step");
    state->best.file = lies;
}

static bool is_checkpoint(const tleg_file *file) {
    const char *kind = tleg_file_get_metadata(file, "tleg.kind");
    return kind && strcmp(kind, "trainer") == 0 && number(file, "run.steps") >= 0;
}

static int check_kind(const struct state *state, const tleg_file *file) {
    return is_checkpoint(file) ? EXIT_DONE
                               : tool_fail(state->call,
                                           "%s: not a checkpoint of a training: expected what tleg %s wrote to --checkpoint, "
                                           "which is OUT.checkpoint where it is not given",
                                           state->checkpoint, state->call->verb->name);
}

static int resume(struct state *state, const tleg_file *file) {
    int code = check_kind(state, file);
    if (code == EXIT_DONE)
        code = training_compare_settings(state, file);
    if (code == EXIT_DONE)
        code = training_change_length(state, (int32_t)number(file, "run.epochs"), (int32_t)number(file, "run.decay_epochs"),
                                      number(file, "run.steps"));
    if (code != EXIT_DONE)
        return code;
    if (tleg_trainer_load(state->context, state->trainer, state->checkpoint) != TLEG_OK)
        return tool_fail_context(state->call, state->context);
    state->validated = (int32_t)number(file, "run.validated");
    state->saved = tleg_trainer_get_steps(state->trainer);
    if (state->options->record)
        code = training_need_recorded(state, state->options->record, state->saved * state->options->accumulate);
    if (code != EXIT_DONE)
        return code;
    const bool alike = is_judged_alike(state, file);
    take_up_improvement(state, file, alike);
    if (alike)
        take_up_best(state, file);
    if (alike && tleg_file_get_metadata(file, "run.began"))
        state->began = real(file, "run.began");
    state->epoch = (struct tally){.loss = real(file, "run.epoch_loss"),
                                  .correct = real(file, "run.epoch_correct"),
                                  .images = real(file, "run.epoch_images")};
    const struct log_mark log = {number(file, "run.log_bytes"), tleg_file_get_metadata(file, "run.log_digest")};
    return training_open_log(state, &log);
}

/* A checkpoint that a new run would write over: fine when it was finished. */
static int spare(struct state *state, const tleg_file *file) {
    int64_t steps = number(file, "run.steps"), total = number(file, "run.total");
    if (!is_checkpoint(file))
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

/* A run goes on with the average that it began with: an older checkpoint knew no other than a fixed decay. */
static void take_average(struct state *state, const tleg_file *file) {
    const char *setup = tleg_file_get_metadata(file, "tleg.trainer.setup");
    struct training_options *options = &state->settled;
    const bool averaged = setup && strstr(setup, " ema=") && !strstr(setup, " ema=0 ");
    const bool wanted = options->ema > 0 || (options->ema < 0 && averaged && strstr(setup, " draws="));
    if (!averaged || !wanted || options->ema_fixed || strstr(setup, "ema_warmup=1"))
        return;
    options->ema_fixed = true;
    if (training_first(state))
        tool_note(state->call, "%s: its average has a fixed decay, and goes on with it (--ema-fixed)", state->checkpoint);
}

int training_find_plan(struct state *state) {
    tleg_file *file = NULL;
    int code = state->checkpoint && state->options->resume ? open_checkpoint(state, &file) : EXIT_DONE;
    if (file)
        take_average(state, file);
    int64_t planned = number(file, "run.planned_epochs");
    state->planned = planned > 0 && planned <= INT32_MAX ? (int32_t)planned : state->options->epochs;
    state->knew = file ? number(file, "run.knows") > 0 : -1;
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
