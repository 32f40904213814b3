/* tleg distill: learn a gene. */
#include "source/arch.h"
#include "source/depths.h"
#include "training/retarget.h"
#include "training/training.h"

struct options {
    struct training_options training;
    struct training_target target;
    const char *from, *depths;
    tleg_config config; /* of a fresh learngene */
    struct extent image, patch;
    int32_t arch, depth;
    bool sandwich;
};

/* ---- what is learned ---- */

static int make_gene(const struct invocation *call, tleg_context *context, const struct dataset *set, struct source *source,
                     const struct options *options) {
    tleg_config config = options->config;
    config.classes = set->class_count;
    config.label_count = set->named ? set->class_count : 0;
    config.labels = set->named ? (const char *const *)set->classes : NULL;
    *source = (struct source){.path = options->training.out, .fresh = true, .config = {.struct_size = sizeof source->config}};
    if (tleg_learngene_create(context, &config, options->training.seed, &source->gene) != TLEG_OK ||
        tleg_learngene_get_info(context, source->gene, &source->config) != TLEG_OK)
        return arch_fail(call, context);
    return EXIT_DONE;
}

static int begin(const struct invocation *call, tleg_context *context, struct dataset *set, struct source *source,
                 const void *verb) {
    const struct options *options = verb;
    return options->from ? retarget_gene(call, context, options->from, options->training.seed, set, source)
                         : make_gene(call, context, set, source, options);
}

/* ---- the call ---- */

static int settle_depths(const struct invocation *call, struct options *options) {
    struct training_target *target = &options->target;
    if (!options->depth == !options->depths)
        return tool_misuse(call, "needs one of --depth and --depths");
    if (options->sandwich && !options->depths)
        return tool_misuse(call, "--sandwich is for a range, --depths A-B");
    if (target->in_place > 0 && !options->sandwich)
        return tool_misuse(call, "--in-place is for --sandwich: its deepest pass teaches the shallower ones");
    if (target->in_place > 1)
        return tool_misuse(call, "--in-place takes a number of at most 1");
    target->depth_least = target->depth_most = options->depth;
    target->depth_mode = TLEG_DEPTH_FIXED;
    if (!options->depths)
        return EXIT_DONE;
    if (!depths_range(options->depths, &target->depth_least, &target->depth_most))
        return tool_misuse(call, "--depths takes a range within 1 to %d, such as 3-8; found \"%s\"", TLEG_MAX_DEPTH,
                           options->depths);
    target->depth_mode = options->sandwich ? TLEG_DEPTH_SANDWICH : TLEG_DEPTH_RANDOM;
    return EXIT_DONE;
}

static int settle_shape(const struct invocation *call, struct options *options) {
    tleg_config *config = &options->config;
    bool shaped = options->arch || config->dim || config->hidden || options->image.height || options->patch.height;
    if (options->from)
        return shaped ? tool_misuse(call, "--from sets the shape: leave out --arch, --dim, --hidden, --image and --patch")
                      : EXIT_DONE;
    if (!options->image.height || !options->patch.height)
        return tool_misuse(call, "needs --from, or --image and --patch with --arch or --dim");
    extent_set(config, options->image, options->patch);
    pictures_apply(call->pictures, config);
    return arch_settle(call, options->arch, config);
}

static int run_distill(const struct verb *verb, int argc, char **argv) {
    struct options options = {
        .training = TRAINING_DEFAULTS, .target = {.warmup = 5}, .config = {.struct_size = sizeof(tleg_config)}};
    tleg_config *config = &options.config;
    const struct option table[] = {
        TRAINING_OPTIONS(options.training),
        {"--from", OPTION_TEXT, &options.from, 0, 0, NULL},
        {"--depth", OPTION_COUNT, &options.depth, 1, TLEG_MAX_DEPTH, NULL},
        {"--depths", OPTION_TEXT, &options.depths, 0, 0, NULL},
        {"--sandwich", OPTION_FLAG, &options.sandwich, 0, 0, NULL},
        {"--in-place", OPTION_AMOUNT, &options.target.in_place, 0, 0, NULL},
        {"--arch", OPTION_CHOICE, &options.arch, 0, 0, arch_choices},
        {"--dim", OPTION_COUNT, &config->dim, 1, INT32_MAX, NULL},
        {"--hidden", OPTION_COUNT, &config->hidden, 1, INT32_MAX, NULL},
        {"--image", OPTION_EXTENT, &options.image, 0, 0, NULL},
        {"--patch", OPTION_EXTENT, &options.patch, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 0, 0, &call, &code) || !training_settle(&call, &options.training, &code))
        return code;
    if ((code = pictures_settle(&call, &options.training.pictures)) != EXIT_DONE)
        return code;
    if ((code = settle_depths(&call, &options)) != EXIT_DONE || (code = settle_shape(&call, &options)) != EXIT_DONE)
        return code;
    return training_run(&call, &options.training, &options.target, begin, &options);
}

const struct verb verb_distill = {
    .name = "distill",
    .summary = "learn a gene from pictures and a teacher",
    .usage = "tleg distill --data DIR [--teacher MODEL] [--from GENE | --arch A --image I --patch P] --depth N|--depths A-B\n"
             "                    --epochs E [--batch B] [--val DIR | --val-every N] [--log FILE] [--resume] ... -o GENE",
    .details =
        "Learns the tensors that every layer is a sum of (base and ilayer, or those of a curve): each step trains the\n"
        "Transformer that the learngene expands to at a depth. Without a teacher it learns from the labels.\n"
        "\n"
        "What is learned\n"
        "  --depth N           train at this depth in each step, as the paper does\n"
        "  --depths A-B        or at a random depth in each step; --sandwich: at both ends and a random depth in each step\n"
        "  --in-place W        with --sandwich the deepest of the three teaches the other two: the share of their loss that\n"
        "                      compares them with it, 0 to 1; the rest, and the deepest, learn from labels and teacher (0)\n"
        "  --from GENE         continue from a learngene; if the data's classes differ, its head starts fresh\n"
        "  --arch A            or a fresh one: tiny (dim 192, 3 heads), small (384, 6), base (768, 12); or --dim D with\n"
        "                      --heads H, and --hidden H; with --image I and --patch P. tleg new makes all other kinds\n",
    .more = training_help,
    .run = run_distill,
};
