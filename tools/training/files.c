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

int training_try_files(const struct state *state) {
    const struct training_options *options = state->options;
    const struct {
        const char *what, *path;
    } files[] = {{"-o", options->out},
                 {"--checkpoint", state->checkpoint},
                 {"--log", options->log},
                 {"--record", options->record},
                 {"the best epoch's", state->best.path}};
    size_t count = sizeof files / sizeof *files;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (files[i].path && files[j].path && strcmp(files[i].path, files[j].path) == 0)
                return tool_misuse(state->call, "%s and %s name the same file, %s", files[j].what, files[i].what,
                                   files[i].path);
    int code = EXIT_DONE;
    for (size_t i = 0; i < count && code == EXIT_DONE && training_first(state); i++)
        if (files[i].path)
            code = place_try(state->call, files[i].what, files[i].path);
    return code;
}
