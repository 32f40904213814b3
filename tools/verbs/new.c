/* tleg new: a fresh learngene. */
#include "base/report.h"
#include "source/arch.h"
#include "source/labels.h"
#include "source/source.h"

#include <inttypes.h>
#include <stdio.h>

struct wishes {
    tleg_config config;
    int32_t arch;
    bool cls, dist;
    uint64_t seed;
    double mean[3], std[3]; /* first number negative: not given */
    const char *labels, *out;
};

static int settle(const struct call *call, struct wishes *wishes) {
    tleg_config *config = &wishes->config;
    if (!config->image_size || !config->patch_size || !config->classes || !wishes->out)
        return tool_misuse(call, "needs --image, --patch, --classes and -o");
    if ((wishes->mean[0] < 0) != (wishes->std[0] < 0))
        return tool_misuse(call, "--mean and --std go together");
    for (int i = 0; i < 3 && wishes->mean[0] >= 0; i++) {
        config->mean[i] = wishes->mean[i];
        config->std[i] = wishes->std[i];
    }
    config->prefix = wishes->dist ? 2 : wishes->cls ? 1 : 0;
    return arch_settle(call, wishes->arch, config);
}

static int say_written(const struct call *call, const struct wishes *wishes, const tleg_learngene *gene) {
    tleg_config config = {.struct_size = sizeof config};
    uint64_t bytes;
    char text[24];
    if (tleg_learngene_get_info(gene, &config) != TLEG_OK || !report_file_bytes(wishes->out, &bytes))
        return tool_fail(call, "%s: written, but it cannot be looked at", wishes->out);
    if (!call->json) {
        printf("%s: a learngene, dim %d, %d heads, %" PRIu64 " parameters, %s\n", wishes->out, (int)config.dim,
               (int)config.heads, config.parameters, report_bytes(bytes, text));
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", wishes->out);
    report_integer(&report, "dim", config.dim);
    report_integer(&report, "heads", config.heads);
    report_size(&report, "parameters", config.parameters);
    report_size(&report, "bytes", bytes);
    return report_print(call, &report);
}

static int create(const struct call *call, tleg_context *context, struct wishes *wishes) {
    struct labels labels = {0};
    tleg_learngene *gene = NULL;
    int code = EXIT_DONE;
    if (wishes->labels) {
        code = labels_read(call, wishes->labels, wishes->config.classes, &labels);
        wishes->config.labels = labels.names;
        wishes->config.label_count = labels.count;
    }
    if (code == EXIT_DONE && (tleg_learngene_create(context, &wishes->config, wishes->seed, &gene) != TLEG_OK ||
                              tleg_learngene_save(context, gene, wishes->out) != TLEG_OK))
        code = arch_fail(call, context);
    if (code == EXIT_DONE)
        code = say_written(call, wishes, gene);
    tleg_learngene_free(gene);
    labels_free(&labels);
    return code;
}

static int run(const struct verb *verb, int argc, char **argv) {
    struct wishes wishes = {.config = {.struct_size = sizeof(tleg_config)}, .mean = {-1}, .std = {-1}};
    tleg_config *config = &wishes.config;
    bool no_qkv_bias = false;
    const struct option options[] = {
        {"--arch", OPTION_CHOICE, &wishes.arch, 0, 0, arch_choices},
        {"--dim", OPTION_COUNT, &config->dim, 1, INT32_MAX, NULL},
        {"--hidden", OPTION_COUNT, &config->hidden, 1, INT32_MAX, NULL},
        {"--image", OPTION_COUNT, &config->image_size, 1, INT32_MAX, NULL},
        {"--patch", OPTION_COUNT, &config->patch_size, 1, INT32_MAX, NULL},
        {"--classes", OPTION_COUNT, &config->classes, 1, INT32_MAX, NULL},
        {"--cls", OPTION_FLAG, &wishes.cls, 0, 0, NULL},
        {"--dist", OPTION_FLAG, &wishes.dist, 0, 0, NULL},
        {"--pool", OPTION_CHOICE, &config->pool, 0, 0, option_pools},
        {"--norm", OPTION_CHOICE, &config->norm, 0, 0, option_norms},
        {"--no-qkv-bias", OPTION_FLAG, &no_qkv_bias, 0, 0, NULL},
        {"--schedule", OPTION_TEXT, &config->schedule, 0, 0, NULL},
        {"--mean", OPTION_TRIPLE, wishes.mean, 0, 0, NULL},
        {"--std", OPTION_TRIPLE, wishes.std, 0, 0, NULL},
        {"--crop", OPTION_REAL, &config->crop, 0, 0, NULL},
        {"--labels", OPTION_TEXT, &wishes.labels, 0, 0, NULL},
        {"--seed", OPTION_SEED, &wishes.seed, 0, 0, NULL},
        {"-o", OPTION_TEXT, &wishes.out, 0, 0, NULL},
        OPTIONS_END,
    };
    struct call call;
    int code;
    if (!options_parse(verb, argc, argv, options, 0, 0, &call, &code))
        return code;
    config->no_qkv_bias = no_qkv_bias;
    if ((code = settle(&call, &wishes)) != EXIT_DONE)
        return code;
    tleg_context *context = tool_context(&call);
    code = context ? create(&call, context, &wishes) : EXIT_FAILED;
    tleg_context_free(context);
    return code;
}

const struct verb verb_new = {
    .name = "new",
    .summary = "make a fresh learngene",
    .usage = "tleg new [--arch tiny|small|base | --dim D --heads H] --image I --patch P --classes C [--seed S] -o GENE",
    .details = "Writes a learngene initialised as for training: small random numbers, the same for the same seed on every\n"
               "machine.\n"
               "\n"
               "Options\n"
               "  --arch A      DeiT's shapes: tiny (dim 192, 3 heads), small (384, 6), base (768, 12)\n"
               "  --dim D       width of a token, if not by --arch; --heads must divide it\n"
               "  --hidden H    width inside the MLP (4 times dim)\n"
               "  --image I     side of the input in pixels, a multiple of the patch\n"
               "  --patch P     side of a patch in pixels\n"
               "  --classes C   number of classes\n"
               "  --cls         with a class token; --dist: with DeiT's distillation token too\n"
               "  --pool P      what the head reads: mean (default), cls (default with --cls or --dist)\n"
               "  --norm P      place of the final norm: before-pool (default), after-pool\n"
               "  --no-qkv-bias qkv without a bias\n"
               "  --schedule J  segments of the sites, as JSON: {\"qkv\":[[4,true],[2,false]]}\n"
               "  --mean R,G,B --std R,G,B --crop C\n"
               "                how images are prepared (ImageNet's; crop 0.875, or 1 up to 32 pixels)\n"
               "  --labels FILE class names, one a line\n"
               "  --seed S      of the random numbers (0)\n"
               "  -o GENE       the file to write\n",
    .run = run,
};
