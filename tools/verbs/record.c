/* tleg record: keep what a teacher says of the pictures of some epochs. */
#include "training/retarget.h"
#include "training/training.h"
#include <string.h>

struct options {
    struct training_options training;
    const char *from;
    struct extent image;
};

/* What was not given is as a fresh learngene has it. */
static int take_images(const struct invocation *call, tleg_context *context, const struct options *options,
                       tleg_config *config) {
    const tleg_preparation_options asked = pictures_say(call->pictures, options->image);
    tleg_preparation_info info = {.struct_size = sizeof info};
    tleg_preparation *preparation = NULL;
    if (tleg_preparation_create(context, &asked, &preparation) != TLEG_OK ||
        tleg_preparation_get_info(context, preparation, &info) != TLEG_OK) {
        tleg_preparation_free(preparation);
        return tool_fail_context(call, context);
    }
    config->image_size = info.image_size;
    config->image_width = info.image_width;
    config->crop = info.crop;
    config->interpolation = info.interpolation;
    config->fit = info.fit;
    config->channels = info.channels;
    memcpy(config->mean, info.mean, sizeof config->mean);
    memcpy(config->std, info.std, sizeof config->std);
    tleg_preparation_free(preparation);
    return EXIT_DONE;
}

/* Pictures are made for what will learn from them. */
static int begin(const struct invocation *call, tleg_context *context, struct dataset *set, struct source *source,
                 const void *verb) {
    const struct options *options = verb;
    if (options->from) {
        int code = retarget_open(call, context, options->from, &(struct expansion){0}, source);
        if (code == EXIT_DONE && source_draws(&source->config))
            return tool_misuse(call,
                               "%s is a generator, which learns from noise that each step draws: there is nothing to record",
                               options->from);
        return code == EXIT_DONE ? retarget_pictures(call, source, set) : code;
    }
    *source = (struct source){.config = {.struct_size = sizeof source->config}};
    source->config.classes = set->class_count;
    return take_images(call, context, options, &source->config);
}

static int settle(const struct invocation *call, const struct options *options) {
    if (!options->training.teacher && !options->training.teacher_command)
        return tool_misuse(call, "needs --teacher or --teacher-command");
    if (options->from && options->image.height)
        return tool_misuse(call, "--from says what images there are: leave out --image");
    if (!options->from && !options->image.height)
        return tool_misuse(call, "needs --from or --image: for whom pictures are made");
    return EXIT_DONE;
}

static int run_record(const struct verb *verb, int argc, char **argv) {
    struct options options = {.training = TRAINING_DEFAULTS};
    const struct option table[] = {
        RECORDING_OPTIONS(options.training),
        {"--from", OPTION_TEXT, &options.from, 0, 0, NULL},
        {"--image", OPTION_EXTENT, &options.image, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 0, 0, &call, &code) || !training_settle(&call, &options.training, &code))
        return code;
    code = settle(&call, &options);
    options.training.only_teacher = !options.from;
    if (code == EXIT_DONE)
        code = pictures_settle(&call, &options.training.pictures);
    return code == EXIT_DONE ? training_record(&call, &options.training, begin, &options) : code;
}

const struct verb verb_record = {
    .name = "record",
    .summary = "keep a teacher's logits, for trainings without it",
    .usage = "tleg record --data DIR --teacher MODEL|--teacher-command C (--from GENE|MODEL | --image I) --epochs E\n"
             "                   [--batch B] [--seed S] [--augment A] [--resume] ... -o FILE",
    .details =
        "Makes the pictures that distill or tune would make, asks the teacher about them, and keeps its logits: with\n"
        "--recorded FILE they learn from those without the teacher, and as they would with it, but for rounding to f16.\n"
        "One recording serves any depth, gene and --seed, where --data-seed, data, pictures and batch are the same.\n"
        "\n"
        "For whom\n"
        "  --from GENE|MODEL   what will learn: its image size, colours and classes\n"
        "  --image I           or the side of its images in pixels, or height and width (224x128)\n"
        "  --recipe R          auto, deit or short: how pictures are made where no option says it, as in distill and tune\n",
    .more = recording_help,
    .run = run_record,
};
