/* The files that a training writes: their names, and whether they can be written, asked before it begins. */
#include "private.h"

#include "base/place.h"
#include <stdlib.h>
#include <string.h>

int training_name_files(struct state *state) {
    const char *out = state->options->out;
    size_t length = strlen(out) + sizeof ".checkpoint";
    state->best.path = place_beside(out, "best");
    state->own_checkpoint = malloc(length);
    if (!state->best.path || !state->own_checkpoint)
        return tool_fail_memory(state->call);
    snprintf(state->own_checkpoint, length, "%s.checkpoint", out);
    state->checkpoint = state->options->checkpoint ? state->options->checkpoint : state->own_checkpoint;
    return EXIT_DONE;
}

struct output {
    const char *what, *path; /* NULL: not written */
    int (*try)(const struct invocation *call, const char *what, const char *path);
};

/* Two outputs in one file, or one in the place of what a resumed run reads again. */
static int check_apart(const struct state *state, const struct output *outputs, size_t count) {
    const struct training_options *options = state->options;
    const struct {
        const char *what, *path;
    } inputs[] = {{"--data", options->data},
                  {"--val", options->val},
                  {"--class-weights", options->class_weights},
                  {"--teacher", options->teacher},
                  {"--teacher-logits", options->teacher_logits},
                  {"--recorded", options->recorded}};
    for (size_t i = 0; i < count; i++) {
        const struct output *one = &outputs[i];
        for (size_t j = 0; one->path && j < i; j++)
            if (outputs[j].path && place_same(one->path, outputs[j].path))
                return tool_misuse(state->call, "%s and %s name the same file, %s", outputs[j].what, one->what, one->path);
        for (size_t j = 0; one->path && j < sizeof inputs / sizeof *inputs; j++)
            if (inputs[j].path && place_same(one->path, inputs[j].path))
                return tool_misuse(state->call, "%s and %s name the same file, %s", inputs[j].what, one->what, one->path);
    }
    return EXIT_DONE;
}

static bool keeps_best(const struct training_options *options) {
    return options->keep == KEEP_BOTH && (options->val || options->val_every || options->recorded);
}

int training_try_files(const struct state *state) {
    const struct training_options *options = state->options;
    bool best = keeps_best(options);
    const struct output outputs[] = {{"-o", options->out, place_take},
                                     {"--checkpoint", state->checkpoint, place_take},
                                     {"--log", options->log, place_try_in_place},
                                     {"--record", options->record, place_take},
                                     {"the best epoch's", best ? state->best.path : NULL, place_take}};
    size_t count = sizeof outputs / sizeof *outputs;
    int code = check_apart(state, outputs, count);
    for (size_t i = 0; i < count && code == EXIT_DONE && training_first(state); i++)
        if (outputs[i].path)
            code = outputs[i].try(state->call, outputs[i].what, outputs[i].path);
    return code;
}

/* What is begun with may be replaced by what it becomes, and by nothing else: a recording is the -o of a run without a
 * checkpoint. */
int training_spare_start(const struct state *state) {
    const struct training_options *options = state->options;
    const struct {
        const char *what, *path;
    } others[] = {
        {"--checkpoint", state->checkpoint},
        {"--record", options->record},
        {"-o", state->checkpoint ? NULL : options->out},
        {"the best epoch's", keeps_best(options) ? state->best.path : NULL},
    };
    int code = EXIT_DONE;
    for (size_t i = 0; i < sizeof others / sizeof *others && code == EXIT_DONE; i++)
        if (others[i].path)
            code = place_apart(state->call, others[i].what, others[i].path, state->source.path);
    return code;
}

/* The numbers that a checkpoint holds for each parameter: itself, its moments, and the average. */
static uint64_t numbers_of(const struct state *state) {
    return (state->options->optimiser == TLEG_OPTIMISER_SGD ? 2U : 3U) + (state->options->ema > 0 ? 1U : 0U);
}

int training_find_room(const struct state *state) {
    uint64_t bytes = state->source.config.parameters * sizeof(float);
    const struct place_need needs[] = {
        {.what = "-o", .path = state->options->out, .bytes = bytes, .again = true},
        {.what = "--checkpoint", .path = state->checkpoint, .bytes = bytes * numbers_of(state), .again = true},
        {.what = "the best epoch's", .path = state->best.path, .bytes = bytes, .again = true}};
    bool best = state->judged.count && state->options->keep == KEEP_BOTH;
    return training_first(state) ? place_room(state->call, needs, best ? 3 : 2) : EXIT_DONE;
}
