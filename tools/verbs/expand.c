/* tleg expand: from a learngene to a model of any depth. */
#include "base/context.h"
#include "base/measure.h"
#include "base/place.h"
#include "base/report.h"
#include "source/source.h"

#include <inttypes.h>
#include <stdio.h>

struct options {
    struct expansion expansion;
    int32_t classes;
    uint64_t seed;
    struct pictures pictures;
    const char *out;
};

/* Text: what was written, in one line, and in another that the head is not the learned one. */
static int say_written(const struct invocation *call, const struct options *options, const tleg_config *gene,
                       const tleg_model *model, double ms) {
    tleg_config config = {.struct_size = sizeof config};
    uint64_t bytes;
    char text[24];
    bool fresh = options->classes && options->classes != gene->classes;
    if (tleg_model_get_info(NULL, model, &config) != TLEG_OK || !report_file_bytes(options->out, &bytes))
        return tool_fail(call, "%s: written, but it cannot be read back", options->out);
    if (!call->json) {
        tool_line("%s: a model of depth %d, %s, %" PRIu64 " parameters, %s, expanded in %.1f ms", options->out,
                  (int)config.depth, tool_dtype_name(config.dtype), config.parameters, report_bytes(bytes, text), ms);
        if (fresh)
            printf("the head starts fresh: %d classes instead of %d (seed %" PRIu64 ")%s\n", (int)config.classes,
                   (int)gene->classes, options->seed, gene->label_count ? "; the labels are dropped" : "");
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", options->out);
    report_integer(&report, "depth", config.depth);
    report_text(&report, "dtype", tool_dtype_name(config.dtype));
    report_size(&report, "parameters", config.parameters);
    report_size(&report, "bytes", bytes);
    report_real(&report, "ms", ms);
    report_integer(&report, "classes", config.classes);
    report_add(&report, "fresh_head", json_boolean(fresh));
    return report_print(call, &report);
}

static bool tells_features(const struct invocation *call, tleg_context *context, const tleg_config *gene) {
    tleg_file *file = source_file(call, context, call->operands[0]);
    const bool features = file && source_tells_features(file, gene);
    tleg_file_free(file);
    return features;
}

static int write_model(const struct invocation *call, tleg_context *context, const struct options *options,
                       const tleg_learngene *gene, const tleg_expander *expander) {
    static const char *const classes[] = {HEAD_TELLS, "classes"};
    tleg_config config = {.struct_size = sizeof config};
    tleg_model *model = NULL;
    if (tleg_learngene_get_info(context, gene, &config) != TLEG_OK)
        return tool_fail_context(call, context);
    const bool fresh = options->classes && options->classes != config.classes; /* whatever the gene's head told */
    const tleg_save_options how = {
        .struct_size = sizeof how, .pairs = fresh && tells_features(call, context, &config), .keys_and_values = classes};
    double start = measure_ms();
    tleg_status status = tleg_expander_expand(context, expander, options->expansion.depth, &model);
    double ms = measure_ms() - start;
    if (status == TLEG_OK)
        status = tleg_model_save(context, model, options->out, &how);
    int code = EXIT_DONE;
    if (status != TLEG_OK)
        code = tool_fail_context(call, context);
    else {
        source_note_depth(call, call->operands[0], &config, options->expansion.depth);
        code = say_written(call, options, &config, model, ms);
    }
    tleg_model_free(model);
    return code;
}

static int expand(const struct invocation *call, tleg_context *context, const struct options *options) {
    tleg_learngene *gene = NULL;
    tleg_expander *expander = NULL;
    tleg_expander_options how = expansion_options(&options->expansion);
    how.classes = options->classes;
    how.seed = options->seed;
    const tleg_preparation_options pictures = pictures_say(call->pictures, (struct extent){0});
    tleg_open_options opening = source_opening(call);
    opening.pictures = &pictures;
    int code;
    if (tleg_learngene_open(context, call->operands[0], &opening, &gene) != TLEG_OK ||
        tleg_expander_create(context, gene, &how, &expander) != TLEG_OK)
        code = tool_fail_context(call, context);
    else
        code = write_model(call, context, options, gene, expander);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    return code;
}

static int run_expand(const struct verb *verb, int argc, char **argv) {
    struct options options = {.pictures = PICTURES_NONE};
    const struct option table[] = {
        EXPANSION_OPTIONS(options.expansion),
        {"--classes", OPTION_COUNT, &options.classes, 1, INT32_MAX, NULL},
        {"--seed", OPTION_SEED, &options.seed, 0, 0, NULL},
        PICTURES_OPTIONS(options.pictures),
        {"-o", OPTION_TEXT, &options.out, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code) || !expansion_settle(&call, &options.expansion, &code))
        return code;
    if ((code = pictures_settle(&call, &options.pictures)) != EXIT_DONE)
        return code;
    if (!options.expansion.depth || !options.out)
        return tool_misuse(&call, "needs --depth and -o");
    if ((code = place_take(&call, "-o", options.out)) != EXIT_DONE)
        return code;
    tleg_context *context = tool_context(&call);
    code = context ? expand(&call, context, &options) : EXIT_FAILED;
    tleg_context_free(context);
    return code;
}

const struct verb verb_expand = {
    .name = "expand",
    .summary = "expand a learngene into a model of a depth",
    .usage =
        "tleg expand GENE --depth N [--dtype f32|bf16|f16] [--norm P | --timm] [--image I] [--classes C] [--seed S] -o MODEL",
    .details =
        "Layer l of N becomes base + (l-1)/N * ilayer, or the sum of more tensors along the gene's curve; everything else\n"
        "is inherited. The model is written under timm's tensor names. An f32 model is the same, byte for byte, on every "
        "machine.\n"
        "\n"
        "Options\n" EXPANSION_HELP
        "  --classes C   change the number of classes: the head starts fresh, and the labels are dropped\n"
        "  --seed S      seed of a fresh head's random numbers (0)\n" PICTURES_HELP
        "  -o MODEL      the file to write; it may be GENE itself\n"
        "\n"
        "--json: {\"file\", \"depth\", \"dtype\", \"parameters\", \"bytes\" of the file, \"ms\" of the expansion, "
        "\"classes\",\n"
        "\"fresh_head\"}\n",
    .run = run_expand,
};
