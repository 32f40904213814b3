/* tleg tune: train a descendant, or any model. */
#include "training/retarget.h"
#include "training/training.h"

struct options {
    struct training_options training;
    struct expansion expansion;
};

/* A learngene becomes a model of the depth; from then on that is all there is. */
static int expand(const struct invocation *call, tleg_context *context, struct source *source,
                  const struct expansion *expansion) {
    int code = source_take_expansion(call, context, expansion, source);
    if (code != EXIT_DONE || source->model)
        return code;
    if (tleg_expander_expand(context, source->expander, expansion->depth, &source->model) != TLEG_OK)
        return tool_fail_context(call, context);
    tleg_expander_free(source->expander);
    tleg_learngene_free(source->gene);
    source->expander = NULL;
    source->gene = NULL;
    source->config = (tleg_config){.struct_size = sizeof source->config};
    return tleg_model_get_info(context, source->model, &source->config) == TLEG_OK ? EXIT_DONE : EXIT_FAILED;
}

static int begin(const struct invocation *call, tleg_context *context, struct dataset *set, struct source *source,
                 const void *verb) {
    const struct options *options = verb;
    int code = retarget_open(call, context, call->operands[0], &options->expansion, source);
    if (code == EXIT_DONE)
        code = expand(call, context, source, &options->expansion);
    return code == EXIT_DONE ? retarget(call, context, source, set, options->training.seed) : code;
}

static int run_tune(const struct verb *verb, int argc, char **argv) {
    struct options options = {.training = TRAINING_DEFAULTS};
    const struct training_target target = {.drop_path = 0.1};
    const struct option table[] = {
        TRAINING_OPTIONS(options.training),
        {"--depth", OPTION_COUNT, &options.expansion.depth, 1, TLEG_MAX_DEPTH, NULL},
        {"--norm", OPTION_CHOICE, &options.expansion.norm, 0, 0, option_norms},
        {"--timm", OPTION_FLAG, &options.expansion.timm, 0, 0, NULL},
        IMAGE_OPTIONS(options.expansion),
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code))
        return code;
    if (options.training.val_depths)
        return tool_misuse(&call, "--val-depths is for a learngene; tune makes a model of one depth");
    if (!expansion_settle(&call, &options.expansion, &code) || !training_settle(&call, &options.training, &code))
        return code;
    if ((code = pictures_settle(&call, &options.training.pictures)) != EXIT_DONE)
        return code;
    return training_run(&call, &options.training, &target, begin, &options);
}

const struct verb verb_tune = {
    .name = "tune",
    .summary = "fine-tune a descendant of a learngene, or a model",
    .usage = "tleg tune GENE|MODEL [--depth N] [--norm P | --timm] [--image I] --data DIR --epochs E [--batch B]\n"
             "                 [--val DIR | --val-every N] [--log FILE] [--resume] ... -o MODEL",
    .details =
        "Expands the learngene, as tleg expand does, and trains all weights of the model. The names of the data's classes\n"
        "become the model's labels; if they differ from its own, the head starts fresh.\n"
        "\n"
        "What is trained\n"
        "  --depth N           layers, 1 to 1024; a learngene needs it\n"
        "  --norm P            place of the final norm: as-learned (default), before-pool, after-pool; --timm: the last\n"
        "  --image I           side of the input in pixels, or height and width (224x128), if not as learned: the position\n"
        "                      embedding is resampled; --positions-filter F: bicubic (default), or antialias, as timm today\n",
    .more = tuning_help,
    .run = run_tune,
};
