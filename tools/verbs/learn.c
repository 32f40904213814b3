/* tleg learn: own classes at any depth, from a gene. */
#include "base/context.h"
#include "base/text.h"
#include "source/depths.h"
#include "training/retarget.h"
#include "training/training.h"

#include <stdio.h>
#include <stdlib.h>

enum { USUAL_LEAST = 3, USUAL_MOST = 8, USUAL_EPOCHS = 20, USUAL_VAL_EVERY = 10 };

struct options {
    struct training_options training;
    struct training_target target;
    const char *from, *depths;
    char scored[24];    /* the depths, as --val-depths takes them */
    const char **drawn; /* becomes what a generator's pictures, or latents, may be written to; NULL: a classifier learns */
};

static int begin(const struct invocation *call, tleg_context *context, struct dataset *set, struct source *source,
                 const void *verb) {
    const struct options *options = verb;
    if (set->class_count < 2)
        return tool_fail(call, "%s: one class, \"%s\"; expected a folder for each of two or more", options->training.data,
                         set->classes[0]);
    const int code = retarget_gene(call, context, options->from, options->training.seed, set, source);
    if (source_draws(&source->config))
        *options->drawn = set->latents.file ? "drawn.safetensors" : "drawn.png";
    return code;
}

/* Where the call does not say: the depths at which the gene was learned, as far as it tells. */
static int find_depths(const struct invocation *call, struct training_target *target, const char *from) {
    tleg_context *context = tool_context(call);
    struct source source = {0};
    int code = context ? source_open(call, context, from, &source) : EXIT_FAILED;
    const tleg_config *config = &source.config;
    bool known = code == EXIT_DONE && config->depth_count > 0;
    target->depth_least = known ? config->depths[0] : USUAL_LEAST;
    target->depth_most = known ? config->depths[config->depth_count - 1] : USUAL_MOST;
    source_close(&source);
    tleg_context_free(context);
    return code;
}

/* Each depth of the range is scored, so that the file can say which is the best. */
static void score_all(struct options *options) {
    int32_t least = options->target.depth_least, most = options->target.depth_most;
    if (options->training.val_depths || most - least >= TRAINING_DEPTHS)
        return;
    snprintf(options->scored, sizeof options->scored, "%d-%d", (int)least, (int)most);
    options->training.val_depths = options->scored;
}

static int settle(const struct invocation *call, struct options *options) {
    struct training_options *training = &options->training;
    struct training_target *target = &options->target;
    if (!options->from)
        return tool_misuse(call, "needs --from: a learngene to begin with (tleg distill learns one from nothing)");
    if (target->in_place > 1)
        return tool_misuse(call, "--in-place takes a number of at most 1");
    if (options->depths && !depths_range(options->depths, &target->depth_least, &target->depth_most))
        return tool_misuse(call, "--depths takes a range within 1 to %d, such as 3-8; found \"%s\"", TLEG_MAX_DEPTH,
                           options->depths);
    int code = options->depths ? EXIT_DONE : find_depths(call, target, options->from);
    const bool range = target->depth_least < target->depth_most;
    if (code == EXIT_DONE && !range && target->in_place > 0)
        return tool_misuse(call, "--in-place is for a range of depths: the deepest teaches the shallower ones");
    target->depth_mode = range ? TLEG_DEPTH_SANDWICH : TLEG_DEPTH_FIXED;
    if (target->in_place < 0)
        target->in_place = range ? 1 : 0;
    if (!training->val && !training->val_every && !training->recorded) { /* a recording says whether */
        training->val_every = USUAL_VAL_EVERY;
        training->val_default = true;
    }
    if (code == EXIT_DONE)
        score_all(options);
    return code;
}

static int print_next(const struct invocation *call, const struct options *options) {
    char *out = text_for_shell(options->training.out);
    if (!out)
        return tool_fail_memory(call);
    int32_t least = options->target.depth_least, most = options->target.depth_most;
    printf("next:\n");
    if (*options->drawn)
        tool_line("  tleg generate %s --depth %d -o %s    any depth from %d to %d", out, (int)most, *options->drawn, (int)least,
                  (int)most);
    else if (options->training.teacher_features)
        tool_line("  tleg features %s --depth %d -o features.safetensors DIR    any depth from %d to %d", out, (int)most,
                  (int)least, (int)most);
    else
        tool_line("  tleg classify %s --depth %d PICTURE.jpg    any depth from %d to %d", out, (int)most, (int)least,
                  (int)most);
    tool_line("  tleg plan %s --ms 5    the best depth within 5 ms on this machine", out);
    tool_line("  tleg info %s    its classes, and what each depth scored", out);
    tool_line("  tleg store %s --dtype bf16 -o small.st    half the bytes, for shipping: what is learned is f32", out);
    free(out);
    return EXIT_DONE;
}

static int run_learn(const struct verb *verb, int argc, char **argv) {
    const char *drawn = NULL;
    struct options options = {.training = TRAINING_DEFAULTS, .target = {.warmup = 5, .in_place = -1}, .drawn = &drawn};
    options.training.epochs = USUAL_EPOCHS;
    options.training.keep = KEEP_BEST;
    const struct option table[] = {
        TRAINING_OPTIONS(options.training),
        {"--from", OPTION_TEXT, &options.from, 0, 0, NULL},
        {"--depths", OPTION_TEXT, &options.depths, 0, 0, NULL},
        {"--in-place", OPTION_AMOUNT, &options.target.in_place, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 0, 0, &call, &code))
        return code;
    if ((code = pictures_settle(&call, &options.training.pictures)) != EXIT_DONE)
        return code;
    if ((code = settle(&call, &options)) != EXIT_DONE || !training_settle(&call, &options.training, &code))
        return code;
    code = training_run(&call, &options.training, &options.target, begin, &options);
    return code == EXIT_DONE && !call.json ? print_next(&call, &options) : code;
}

const struct verb verb_learn = {
    .name = "learn",
    .summary = "learn your own classes, at any depth, from a gene",
    .usage = "tleg learn --from GENE --data DIR [--depths A-B] [--epochs E] [--val DIR] ... -o OWN",
    .details =
        "DIR holds a folder of pictures for each class; the folders' names become the labels. What comes out is a\n"
        "learngene of these classes, which serves every depth of the range untuned. It is what tleg distill makes with\n"
        "--sandwich, with other defaults: --epochs 20, --in-place 1, --keep best, --val-every 10 where there is no\n"
        "--val and no --recorded, and --val-depths all of a range of at most 32 depths.\n"
        "\n"
        "What is learned\n"
        "  --from GENE         the learngene to begin with; if the data's classes differ from its own, its head starts fresh\n"
        "  --depths A-B        the depths to serve (those at which the gene was learned; 3-8 if it does not say): each step\n"
        "                      learns both ends and a depth between them\n"
        "  --in-place W        share of the shallower depths' loss that compares them with the deepest, 0 to 1 (1)\n",
    .more = training_help,
    .run = run_learn,
};
