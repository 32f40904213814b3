/* tleg distill: learn a gene. */
#include "source/arch.h"
#include "training/retarget.h"
#include "training/training.h"

struct wishes {
    struct training_wishes training;
    struct training_target target;
    const char *from, *depths;
    tleg_config config; /* of a fresh learngene */
    int32_t arch, depth;
    double mean[3], std[3]; /* first number negative: not given */
    bool sandwich;
};

/* ---- what is learned ---- */

static int take_gene(const struct call *call, tleg_context *context, struct dataset *set, struct source *source,
                     const struct wishes *wishes) {
    int code = source_open(call, context, wishes->from, source);
    if (code == EXIT_DONE && !source->gene)
        code = tool_fail(call, "%s: a model; distill goes on from a learngene (tleg tune takes models)", wishes->from);
    return code == EXIT_DONE ? retarget(call, context, source, set, wishes->training.seed) : code;
}

static int make_gene(const struct call *call, tleg_context *context, const struct dataset *set, struct source *source,
                     const struct wishes *wishes) {
    tleg_config config = wishes->config;
    config.classes = set->class_count;
    config.label_count = set->named ? set->class_count : 0;
    config.labels = set->named ? (const char *const *)set->classes : NULL;
    *source = (struct source){.path = wishes->training.out, .config = {.struct_size = sizeof source->config}};
    if (tleg_learngene_create(context, &config, wishes->training.seed, &source->gene) != TLEG_OK ||
        tleg_learngene_get_info(source->gene, &source->config) != TLEG_OK)
        return arch_fail(call, context);
    return EXIT_DONE;
}

static int begin(const struct call *call, tleg_context *context, struct dataset *set, struct source *source, const void *verb) {
    const struct wishes *wishes = verb;
    return wishes->from ? take_gene(call, context, set, source, wishes) : make_gene(call, context, set, source, wishes);
}

/* ---- the call ---- */

static int settle_depths(const struct call *call, struct wishes *wishes) {
    struct training_target *target = &wishes->target;
    if (!wishes->depth == !wishes->depths)
        return tool_misuse(call, "needs one of --depth and --depths");
    if (wishes->sandwich && !wishes->depths)
        return tool_misuse(call, "--sandwich is for a range, --depths A-B");
    target->depth_least = target->depth_most = wishes->depth;
    target->depth_mode = TLEG_DEPTH_FIXED;
    if (!wishes->depths)
        return EXIT_DONE;
    if (!training_read_depths(wishes->depths, &target->depth_least, &target->depth_most))
        return tool_misuse(call, "--depths takes a range within 1 to 1024, such as 3-8; found \"%s\"", wishes->depths);
    target->depth_mode = wishes->sandwich ? TLEG_DEPTH_SANDWICH : TLEG_DEPTH_RANDOM;
    return EXIT_DONE;
}

static int settle_shape(const struct call *call, struct wishes *wishes) {
    tleg_config *config = &wishes->config;
    bool shaped = wishes->arch || config->dim || config->hidden || config->image_size || config->patch_size ||
                  wishes->mean[0] >= 0 || wishes->std[0] >= 0;
    if (wishes->from)
        return shaped ? tool_misuse(call, "--from says the shape; leave --arch, --dim, --hidden, --image, --patch, --mean, "
                                          "--std out")
                      : EXIT_DONE;
    if (!config->image_size || !config->patch_size)
        return tool_misuse(call, "needs --from, or --image and --patch with --arch or --dim");
    if ((wishes->mean[0] < 0) != (wishes->std[0] < 0))
        return tool_misuse(call, "--mean and --std go together");
    for (int i = 0; i < 3 && wishes->mean[0] >= 0; i++) {
        config->mean[i] = wishes->mean[i];
        config->std[i] = wishes->std[i];
    }
    return arch_settle(call, wishes->arch, config);
}

static int run(const struct verb *verb, int argc, char **argv) {
    struct wishes wishes = {.training = TRAINING_DEFAULTS,
                            .target = {.warmup = 5},
                            .config = {.struct_size = sizeof(tleg_config)},
                            .mean = {-1},
                            .std = {-1}};
    tleg_config *config = &wishes.config;
    const struct option options[] = {
        TRAINING_OPTIONS(wishes.training),
        {"--from", OPTION_TEXT, &wishes.from, 0, 0, NULL},
        {"--depth", OPTION_COUNT, &wishes.depth, 1, 1024, NULL},
        {"--depths", OPTION_TEXT, &wishes.depths, 0, 0, NULL},
        {"--sandwich", OPTION_FLAG, &wishes.sandwich, 0, 0, NULL},
        {"--arch", OPTION_CHOICE, &wishes.arch, 0, 0, arch_choices},
        {"--dim", OPTION_COUNT, &config->dim, 1, INT32_MAX, NULL},
        {"--hidden", OPTION_COUNT, &config->hidden, 1, INT32_MAX, NULL},
        {"--image", OPTION_COUNT, &config->image_size, 1, INT32_MAX, NULL},
        {"--patch", OPTION_COUNT, &config->patch_size, 1, INT32_MAX, NULL},
        {"--mean", OPTION_TRIPLE, wishes.mean, 0, 0, NULL},
        {"--std", OPTION_TRIPLE, wishes.std, 0, 0, NULL},
        OPTIONS_END,
    };
    struct call call;
    int code;
    if (!options_parse(verb, argc, argv, options, 0, 0, &call, &code) || !training_settle(&call, &wishes.training, &code))
        return code;
    if ((code = settle_depths(&call, &wishes)) != EXIT_DONE || (code = settle_shape(&call, &wishes)) != EXIT_DONE)
        return code;
    return training_run(&call, &wishes.training, &wishes.target, begin, &wishes);
}

const struct verb verb_distill = {
    .name = "distill",
    .summary = "learn a gene from pictures and a teacher",
    .usage = "tleg distill --data DIR [--teacher MODEL] [--from GENE | --arch A --image I --patch P] --depth N|--depths A-B\n"
             "                    --epochs E [--batch B] [--val DIR | --val-every N] [--log FILE] [--resume] ... -o GENE",
    .details =
        "Learns base and ilayer: each step trains the Transformer that the learngene gives at a depth. Without a teacher\n"
        "it learns from the labels.\n"
        "\n"
        "What is learned\n"
        "  --depth N           at this depth in each step, as the paper does\n"
        "  --depths A-B        at a depth drawn anew each step; --sandwich: at both ends and a random depth in each step\n"
        "  --from GENE         go on from a learngene; where the classes are others, its head starts fresh\n"
        "  --arch A            or a fresh one: tiny (dim 192, 3 heads), small (384, 6), base (768, 12); or --dim D with\n"
        "                      --heads H, and --hidden H; with --image I and --patch P, and --mean R,G,B --std R,G,B\n"
        "                      as images are to be normalised (ImageNet's). tleg new makes all other kinds\n",
    .more = training_help,
    .run = run,
};
