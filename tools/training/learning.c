/* How a training learns, besides its rate: the optimiser, and what stays frozen. */
#include "private.h"

#include "base/options.h"
#include <string.h>

/* ---- the optimiser ---- */

int training_check_optimiser(const struct invocation *call, const struct training_options *options) {
    const bool sgd = options->optimiser == TLEG_OPTIMISER_SGD, muon = options->optimiser == TLEG_OPTIMISER_MUON;
    if (options->momentum >= 0 && !sgd && !muon)
        return tool_misuse(call, "--momentum is of --optimiser muon and sgd");
    if (options->nesterov && !sgd)
        return tool_misuse(call, "--nesterov is of --optimiser sgd; Muon has it in any case");
    return EXIT_DONE;
}

static const char *optimiser_text(const struct training_options *options, char text[RATE_TEXT]) {
    if (options->optimiser == TLEG_OPTIMISER_MUON)
        return "Muon for the blocks' matrices, AdamW for the rest";
    if (options->optimiser != TLEG_OPTIMISER_SGD)
        return "AdamW";
    snprintf(text, RATE_TEXT, "SGD with momentum %g%s", options->momentum >= 0 ? options->momentum : 0.9,
             options->nesterov ? ", Nesterov's" : "");
    return text;
}

void training_describe_learning(const struct state *state, char text[RECIPE_TEXT]) {
    const struct training_options *options = state->options;
    char optimiser[RATE_TEXT];
    int at = snprintf(text, RECIPE_TEXT, "%s", optimiser_text(options, optimiser));
    if (options->layer_decay > 0 && options->layer_decay < 1)
        at += snprintf(text + at, (size_t)(RECIPE_TEXT - at), "; each block at %g times the rate of the next",
                       options->layer_decay);
    if (options->freeze_layers)
        at += snprintf(text + at, (size_t)(RECIPE_TEXT - at), "; frozen: the embedding and the first %d blocks",
                       (int)options->freeze_layers);
    if (options->freeze)
        snprintf(text + at, (size_t)(RECIPE_TEXT - at), "; frozen: %.*s", RECIPE_TEXT / 2, options->freeze);
}

/* ---- frozen parts ---- */

static const struct choice parts[] = {{"embedding", TLEG_PART_EMBEDDING},
                                      {"blocks", TLEG_PART_BLOCKS},
                                      {"norm1", TLEG_PART_NORM1},
                                      {"norm2", TLEG_PART_NORM2},
                                      {"qkv", TLEG_PART_QKV},
                                      {"proj", TLEG_PART_PROJ},
                                      {"fc1", TLEG_PART_FC1},
                                      {"fc2", TLEG_PART_FC2},
                                      {"ls1", TLEG_PART_LS1},
                                      {"ls2", TLEG_PART_LS2},
                                      {"modulation", TLEG_PART_MODULATION},
                                      {"norm", TLEG_PART_NORM},
                                      {"head", TLEG_PART_HEAD},
                                      {"backbone", TLEG_PART_BACKBONE},
                                      {NULL, 0}};

static int32_t part_of(const char *word, size_t length) {
    for (const struct choice *part = parts; part->name; part++)
        if (strlen(part->name) == length && !memcmp(part->name, word, length))
            return part->value;
    return 0;
}

int training_read_freeze(const struct invocation *call, const char *text, int32_t *freeze) {
    *freeze = 0;
    for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        const int32_t part = part_of(at, strcspn(at, ","));
        if (!part)
            return tool_misuse(
                call,
                "--freeze takes backbone, embedding, blocks, norm1, norm2, qkv, proj, fc1, fc2, ls1, ls2, modulation, norm, "
                "head, or several of them with commas; found \"%s\"",
                text);
        *freeze |= part;
    }
    if (*freeze == (TLEG_PART_BACKBONE | TLEG_PART_HEAD))
        return tool_misuse(call, "--freeze %s leaves nothing to learn", text);
    return EXIT_DONE;
}

/* Labels judge the first head alone and a teacher the second, as in DeiT: one that nobody judges stays as it began. */
void training_warn_of_heads(const struct state *state) {
    const double alpha = state->recipe.alpha;
    if (state->source.config.distillation_token && (alpha == 0 || alpha == 1) && training_first(state))
        tool_note(state->call,
                  "the network has a distillation token: labels teach its first head and a teacher the second, so that with "
                  "--alpha %g nobody teaches the %s, and answers are the mean of both; a teacher with --alpha 0.5 teaches both",
                  alpha, alpha == 0 ? "second" : "first");
}

/* Parts that --freeze names and the network has none of. */
static int32_t lacking(const tleg_config *config) {
    const int32_t scales = config->layer_scale ? 0 : TLEG_PART_LS1 | TLEG_PART_LS2;
    if (source_draws(config)) /* whose norms have no weights */
        return scales | TLEG_PART_NORM1 | TLEG_PART_NORM2 | TLEG_PART_NORM;
    const bool pools = config->pool == TLEG_POOL_ATTENTION || config->pool == TLEG_POOL_PATCH_ATTENTION;
    return scales | TLEG_PART_MODULATION | (config->no_norm && !pools ? TLEG_PART_NORM : 0);
}

/* What is given and would be without effect. */
int training_check_effect(const struct state *state) {
    const struct training_options *options = state->options;
    const bool draws = training_draws(state);
    int32_t freeze = 0;
    if (options->freeze && training_read_freeze(state->call, options->freeze, &freeze) == EXIT_DONE &&
        (freeze & ~lacking(&state->source.config)) == 0)
        return tool_misuse(state->call, "--freeze %s: %s has no such part%s", options->freeze, state->source.path,
                           draws ? ": its norms have no weights" : "");
    if (options->ema_fixed && options->ema == 0)
        return tool_misuse(state->call, "--ema-fixed is of an average: give --ema too");
    if (!draws && !training_has_teacher(options) && (options->tau != 1 || options->teacher_mean))
        return tool_misuse(state->call, "--tau and --teacher-mean are of a teacher, and there is none");
    if (!draws && options->smoothing > 0 && state->recipe.alpha == 1)
        return tool_misuse(state->call, "--smoothing is of the labels, which --alpha 1 leaves out");
    return EXIT_DONE;
}

int training_check_layers(const struct state *state) {
    const struct training_options *options = state->options;
    if (state->source.gene && (options->freeze_layers || options->layer_decay > 0))
        return tool_misuse(state->call,
                           "--freeze-layers and --layer-decay are for a model (tleg tune): all layers of a learngene "
                           "share its tensors; --freeze takes parts of it");
    if (state->source.model && options->freeze_layers > state->source.config.depth)
        return tool_misuse(state->call, "--freeze-layers %d: the model has %d", (int)options->freeze_layers,
                           (int)state->source.config.depth);
    return EXIT_DONE;
}
