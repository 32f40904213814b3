/* tleg tune: train a descendant, or any model. */
#include "training/retarget.h"
#include "training/training.h"

struct wishes {
    struct training_wishes training;
    struct form form;
};

/* A learngene becomes a model of the depth; from then on that is all there is. */
static int expand(const struct call *call, tleg_context *context, struct source *source, const struct form *form) {
    int code = source_take_form(call, context, form, source);
    if (code != EXIT_DONE || source->model)
        return code;
    if (tleg_expander_expand(context, source->expander, form->depth, &source->model) != TLEG_OK)
        return tool_fail_context(call, context);
    tleg_expander_free(source->expander);
    tleg_learngene_free(source->gene);
    source->expander = NULL;
    source->gene = NULL;
    source->config = (tleg_config){.struct_size = sizeof source->config};
    return tleg_model_get_info(source->model, &source->config) == TLEG_OK ? EXIT_DONE : EXIT_FAILED;
}

static int begin(const struct call *call, tleg_context *context, struct dataset *set, struct source *source, const void *verb) {
    const struct wishes *wishes = verb;
    int code = source_open(call, context, call->operands[0], source);
    if (code == EXIT_DONE)
        code = expand(call, context, source, &wishes->form);
    return code == EXIT_DONE ? retarget(call, context, source, set, wishes->training.seed) : code;
}

static int run(const struct verb *verb, int argc, char **argv) {
    struct wishes wishes = {.training = TRAINING_DEFAULTS};
    const struct training_target target = {.drop_path = 0.1};
    const struct option options[] = {
        TRAINING_OPTIONS(wishes.training),
        {"--depth", OPTION_COUNT, &wishes.form.depth, 1, 1024, NULL},
        {"--norm", OPTION_CHOICE, &wishes.form.norm, 0, 0, option_norms},
        {"--timm", OPTION_FLAG, &wishes.form.timm, 0, 0, NULL},
        {"--image", OPTION_COUNT, &wishes.form.image, 1, INT32_MAX, NULL},
        OPTIONS_END,
    };
    struct call call;
    int code;
    if (!options_parse(verb, argc, argv, options, 1, 1, &call, &code) || !form_settle(&call, &wishes.form, &code) ||
        !training_settle(&call, &wishes.training, &code))
        return code;
    if (wishes.training.val_depths)
        return tool_misuse(&call, "--val-depths is for a learngene; what tune makes has one depth");
    return training_run(&call, &wishes.training, &target, begin, &wishes);
}

const struct verb verb_tune = {
    .name = "tune",
    .summary = "fine-tune a descendant of a learngene, or a model",
    .usage = "tleg tune GENE|MODEL [--depth N] [--norm P | --timm] [--image I] --data DIR --epochs E [--batch B]\n"
             "                 [--val DIR | --val-every N] [--log FILE] [--resume] ... -o MODEL",
    .details =
        "Expands the learngene, as tleg expand does, and trains all weights of the model. The names of the data's classes\n"
        "become the model's labels; where the classes are others, the head starts fresh.\n"
        "\n"
        "What is trained\n"
        "  --depth N           layers, 1 to 1024; a learngene needs it\n"
        "  --norm P            place of the final norm: as-learned (default), before-pool, after-pool; --timm: the last\n"
        "  --image I           side of the input in pixels, if not as learned: the position embedding is resampled\n",
    .more = training_help,
    .run = run,
};
