/* Checkpoints: the trainer's state, and beside it what the command needs to go on bit for bit. */
#include "private.h"

#include "base/interrupt.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAIRS = 48, VALUE = RECIPE_TEXT };

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

/* In place of a number that is not known here: it is not compared. */
static const char unknown[] = "?";

static void add_digest(struct pairs *pairs, const char *key, bool known, uint64_t digest) {
    if (known)
        add(pairs, key, "%016" PRIx64, digest);
    else
        add(pairs, key, "%s", unknown);
}

static void add_triple(struct pairs *pairs, const char *key, const double triple[3]) {
    add(pairs, key, "%.9g,%.9g,%.9g", triple[0], triple[1], triple[2]);
}

/* What was recorded of a teacher stands for it: a run may begin by asking and go on by what it recorded. */
static void add_teacher(const struct state *state, struct pairs *pairs) {
    const struct training_options *options = state->options;
    uint64_t recorded = 0;
    const bool known = training_digest_recording(state, &recorded);
    if (options->recorded)
        add(pairs, "run.teacher_depth", "%s", unknown);
    else
        add(pairs, "run.teacher_depth", "%d", (int)options->teacher_depth);
    add_digest(pairs, "run.teacher_contents", !options->recorded, state->origin.teacher);
    add_digest(pairs, "run.recording", known, recorded);
}

/* Checkpoints of earlier versions have none of these. */
static void add_origin(const struct state *state, struct pairs *pairs) {
    const tleg_config *config = &state->source.config;
    char computed[COMPUTED_TEXT];
    add_teacher(state, pairs);
    if (training_has_latents(state))
        add(pairs, "run.latent_scale", "%.17g", state->set.latents.scale);
    add_digest(pairs, "run.contents_of_pictures", true, state->origin.pictures);
    add(pairs, "run.exif", "%s", state->options->exif ? "yes" : "no");
    add_triple(pairs, "run.mean", config->mean);
    add_triple(pairs, "run.std", config->std);
    add(pairs, "run.crop", "%.17g", config->crop);
    add(pairs, "run.interpolation", "%s", option_choice_name(option_interpolations, config->interpolation));
    add(pairs, "run.fit", "%s", option_choice_name(option_fits, config->fit));
    training_describe_computed(state, computed);
    add(pairs, "run.computed", "%s", computed);
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
    add_origin(state, pairs);
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
    add_digest(pairs, "run.judged", true, state->origin.judged);
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

static int refuse(const struct state *state, const char *key, const char *found, const char *here) {
    return tool_fail(state->call, "%s: a checkpoint of another run: %s is \"%s\" there, \"%s\" here", state->checkpoint,
                     key + strlen("run."), found ? found : "(absent)", here);
}

/* On another machine a run may go on, though not to the same bits; on one that can compute as before it does so. */
static int compare_computed(const struct state *state, const char *found, const char *here) {
    if (training_can_compute(found))
        return tool_fail(state->call, "%s: computed in %s until now, here in %s: --dtype, --level and --gemm choose",
                         state->checkpoint, found, here);
    if (training_first(state))
        tool_note(state->call, "%s: computed in %s until now, which this machine does not; from here on in %s: other bits",
                  state->checkpoint, found, here);
    return EXIT_DONE;
}

/* Whether a setting is one that earlier versions did not keep. */
static bool is_new(const char *key) {
    static const char *const keys[] = {"run.teacher_depth", "run.teacher_contents",
                                       "run.recording",     "run.contents_of_pictures",
                                       "run.exif",          "run.mean",
                                       "run.std",           "run.crop",
                                       "run.interpolation", "run.fit",
                                       "run.computed"};
    size_t i = 0;
    while (i < sizeof keys / sizeof *keys && strcmp(keys[i], key) != 0)
        i++;
    return i < sizeof keys / sizeof *keys;
}

/* What --other-teacher may change. */
static bool is_teachers(const char *key) {
    return strncmp(key, "run.teacher_", strlen("run.teacher_")) == 0 || strcmp(key, "run.recording") == 0;
}

static int compare_one(const struct state *state, const char *key, const char *found, const char *here) {
    if ((!found && is_new(key)) || strcmp(here, unknown) == 0 || (found && strcmp(found, unknown) == 0))
        return EXIT_DONE;
    if (found && strcmp(found, here) == 0)
        return EXIT_DONE;
    if (found && state->options->other_teacher && is_teachers(key)) {
        if (training_first(state))
            tool_note(state->call, "%s: %s was \"%s\" until now, and is \"%s\" from here on", state->checkpoint,
                      key + strlen("run."), found, here);
        return EXIT_DONE;
    }
    return found && strcmp(key, "run.computed") == 0 ? compare_computed(state, found, here) : refuse(state, key, found, here);
}

static int compare(struct state *state, const tleg_file *file) {
    struct pairs *pairs = calloc(1, sizeof *pairs);
    int code = EXIT_DONE;
    if (!pairs)
        return tool_fail_memory(state->call);
    add_settings(state, pairs);
    for (int64_t i = 0; i < pairs->count && code == EXIT_DONE; i++)
        code = compare_one(state, pairs->keys[i], tleg_file_get_metadata(file, pairs->keys[i]), pairs->values[i]);
    if (code == EXIT_DONE && training_first(state) && !tleg_file_get_metadata(file, "run.computed"))
        tool_note(state->call,
                  "%s: of an earlier version, which kept less: that teacher, contents of pictures, EXIF, mean, std, crop and "
                  "processor level are those of the run cannot be checked",
                  state->checkpoint);
    free(pairs);
    return code;
}

/* Scores of other pictures say nothing about which epoch is the best. */
static bool is_judged_alike(const struct state *state, const tleg_file *file) {
    char here[24];
    const char *found = tleg_file_get_metadata(file, "run.judged");
    snprintf(here, sizeof here, "%016" PRIx64, state->origin.judged);
    bool alike = !found || strcmp(found, here) == 0;
    if (!alike && training_first(state))
        tool_note(state->call, "%s: was validated with other pictures: which epoch is the best is found anew",
                  state->checkpoint);
    return alike;
}

/* Patience begins anew where nothing was validated yet, or other pictures, or by a version without it. */
static void take_up_improvement(struct state *state, const tleg_file *file, bool alike) {
    const bool known = alike && tleg_file_get_metadata(file, "run.improved") && real(file, "run.improved_share") >= 0;
    state->improved = known ? (int32_t)number(file, "run.improved") : state->validated;
    state->improved_share = known ? real(file, "run.improved_share") : -1;
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
    const bool alike = is_judged_alike(state, file);
    take_up_improvement(state, file, alike);
    state->best.share = real(file, "run.best");
    state->best.step = alike && training_keeps_best(state) ? number(file, "run.best_step") : -1;
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

/* A run goes on with the average that it began with. */
static void take_average(struct state *state, const tleg_file *file) {
    const char *setup = tleg_file_get_metadata(file, "tleg.trainer.setup");
    struct training_options *options = &state->settled;
    if (!setup || options->ema <= 0 || options->ema_fixed || strstr(setup, "ema_warmup=1"))
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
