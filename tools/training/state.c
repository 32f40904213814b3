/* Checkpoints: the trainer's state, and beside it what the command needs to go on bit for bit. */
#include "private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAIRS = 24, VALUE = RECIPE_TEXT };

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
static void add_settings(const struct desk *desk, struct pairs *pairs) {
    const struct training_wishes *w = desk->wishes;
    char recipe[RECIPE_TEXT];
    training_describe(&desk->recipe, recipe);
    add(pairs, "run.verb", "%s", desk->call->verb->name);
    add(pairs, "run.seed", "%" PRIu64, w->seed);
    add(pairs, "run.epochs", "%d", (int)w->epochs);
    add(pairs, "run.batch", "%d", (int)w->batch);
    add(pairs, "run.accumulate", "%d", (int)w->accumulate);
    add(pairs, "run.ranks", "%d", (int)desk->ranks.count);
    add(pairs, "run.peak_learning_rate", "%.17g", desk->peak);
    add(pairs, "run.warmup", "%d", (int)(w->warmup >= 0 ? w->warmup : desk->target->warmup));
    add(pairs, "run.pictures", "%s", recipe);
    add(pairs, "run.images", "%zu", desk->learned.count);
    add(pairs, "run.data", "%016" PRIx64, part_fingerprint(&desk->learned));
    add(pairs, "run.teacher", "%s", w->teacher ? "model" : w->teacher_logits ? "stored logits" : "none");
}

static void add_state(struct desk *desk, struct pairs *pairs) {
    add(pairs, "run.steps", "%" PRId64, tleg_trainer_get_steps(desk->trainer));
    add(pairs, "run.total", "%" PRId64, desk->total);
    add(pairs, "run.validated", "%d", (int)desk->validated);
    add(pairs, "run.log_bytes", "%" PRId64, training_log_bytes(desk));
}

int training_save(struct desk *desk) {
    struct pairs *pairs = calloc(1, sizeof *pairs);
    const char *texts[2 * PAIRS];
    if (!training_first(desk) || !pairs) {
        free(pairs);
        return training_first(desk) ? tool_fail_memory(desk->call) : EXIT_DONE;
    }
    add_settings(desk, pairs);
    add_state(desk, pairs);
    for (int64_t i = 0; i < pairs->count; i++) {
        texts[2 * i] = pairs->keys[i];
        texts[2 * i + 1] = pairs->values[i];
    }
    progress_clear(&desk->progress);
    int code = EXIT_DONE;
    if (tleg_trainer_save(desk->context, desk->trainer, desk->checkpoint, pairs->count, texts) != TLEG_OK)
        code = tool_fail_context(desk->call, desk->context);
    else
        desk->saved = tleg_trainer_get_steps(desk->trainer);
    free(pairs);
    return code;
}

/* ---- going on ---- */

static int64_t number(const tleg_file *file, const char *key) {
    const char *text = tleg_file_get_metadata(file, key);
    return text ? strtoll(text, NULL, 10) : -1;
}

static int compare(struct desk *desk, const tleg_file *file) {
    struct pairs *pairs = calloc(1, sizeof *pairs);
    int code = EXIT_DONE;
    if (!pairs)
        return tool_fail_memory(desk->call);
    add_settings(desk, pairs);
    for (int64_t i = 0; i < pairs->count && code == EXIT_DONE; i++) {
        const char *found = tleg_file_get_metadata(file, pairs->keys[i]);
        if (!found || strcmp(found, pairs->values[i]) != 0)
            code = tool_fail(desk->call, "%s: a checkpoint of another run: %s is \"%s\" there, \"%s\" here", desk->checkpoint,
                             pairs->keys[i] + strlen("run."), found ? found : "(absent)", pairs->values[i]);
    }
    free(pairs);
    return code;
}

static int resume(struct desk *desk, const tleg_file *file) {
    int code = compare(desk, file);
    if (code != EXIT_DONE)
        return code;
    if (tleg_trainer_load(desk->context, desk->trainer, desk->checkpoint) != TLEG_OK)
        return tool_fail_context(desk->call, desk->context);
    desk->validated = (int32_t)number(file, "run.validated");
    desk->saved = tleg_trainer_get_steps(desk->trainer);
    return training_open_log(desk, number(file, "run.log_bytes"));
}

/* A checkpoint that a new run would write over: fine when it was finished. */
static int spare(struct desk *desk, const tleg_file *file) {
    int64_t steps = number(file, "run.steps"), total = number(file, "run.total");
    if (steps < 0)
        return tool_fail(desk->call, "%s: this is no checkpoint of a training; it would be written over", desk->checkpoint);
    if (steps < total)
        return tool_fail(desk->call,
                         "%s: holds a run that was stopped at step %" PRId64 " of %" PRId64
                         ": --resume goes on with it; to start anew, remove it or give another --checkpoint",
                         desk->checkpoint, steps, total);
    return training_open_log(desk, 0);
}

int training_find_checkpoint(struct desk *desk) {
    tleg_file *file;
    if (access(desk->checkpoint, F_OK) != 0 && errno == ENOENT) {
        if (desk->wishes->resume && training_first(desk))
            tool_note(desk->call, "%s: no checkpoint yet; starting from the beginning", desk->checkpoint);
        return training_open_log(desk, 0);
    }
    if (tleg_file_open(desk->context, desk->checkpoint, NULL, &file) != TLEG_OK)
        return tool_fail_context(desk->call, desk->context);
    int code = desk->wishes->resume ? resume(desk, file) : spare(desk, file);
    tleg_file_free(file);
    return code;
}
