/* tleg new: a fresh learngene. */
#include "base/context.h"
#include "base/label.h"
#include "base/place.h"
#include "base/report.h"
#include "source/arch.h"
#include "source/curve.h"
#include "source/labels.h"
#include "source/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct options {
    tleg_config config;
    struct extent image, patch;
    int32_t arch;
    struct curve_options curves;
    bool cls, dist;
    uint64_t seed;
    struct pictures pictures;
    const char *labels, *like, *out;
};

static const struct choice kind_choices[] = {{"vit", TLEG_KIND_VIT}, {"dit", TLEG_KIND_DIT}, {NULL, 0}};
static const struct choice positions_choices[] = {
    {"sincos", TLEG_POSITIONS_SINCOS}, {"normal", TLEG_POSITIONS_NORMAL}, {NULL, 0}};

/* What the command line leaves out is as the model has it; its labels, if it has as many classes. */
static void be_like(tleg_config *own, const tleg_config *model) {
    const struct {
        int32_t *own;
        int32_t model;
    } members[] = {{&own->kind, model->kind},
                   {&own->learned_sigma, model->learned_sigma},
                   {&own->no_null_label, model->no_null_label},
                   {&own->dim, model->dim},
                   {&own->hidden, model->hidden},
                   {&own->classes, model->classes},
                   {&own->class_token, model->class_token},
                   {&own->distillation_token, model->distillation_token},
                   {&own->registers, model->registers},
                   {&own->unplaced, model->unplaced},
                   {&own->pool, model->pool},
                   {&own->norm, model->norm},
                   {&own->channels, model->channels},
                   {&own->mlp, model->mlp},
                   {&own->interpolation, model->interpolation},
                   {&own->fit, model->fit},
                   {&own->no_qkv_bias, model->no_qkv_bias},
                   {&own->layer_scale, model->layer_scale},
                   {&own->norm_before, model->norm_before},
                   {&own->no_patch_bias, model->no_patch_bias},
                   {&own->no_head_bias, model->no_head_bias},
                   {&own->norm_after, model->norm_after},
                   {&own->gated, model->gated},
                   {&own->attention_norm, model->attention_norm},
                   {&own->mlp_norm, model->mlp_norm},
                   {&own->qk_norm, model->qk_norm},
                   {&own->pixel_norm, model->pixel_norm},
                   {&own->no_positions, model->no_positions},
                   {&own->rotary, model->rotary},
                   {&own->rotary_halves, model->rotary_halves},
                   {&own->rotary_x_first, model->rotary_x_first},
                   {&own->rotary_grid, model->rotary_grid},
                   {&own->rotary_offset, model->rotary_offset},
                   {&own->pool_heads, model->pool_heads},
                   {&own->pool_hidden, model->pool_hidden},
                   {&own->rms, model->rms},
                   {&own->no_norm, model->no_norm},
                   {&own->patch_norm, model->patch_norm},
                   {&own->no_proj_bias, model->no_proj_bias},
                   {&own->no_mlp_bias, model->no_mlp_bias},
                   {&own->representation, model->representation},
                   {&own->attention_dim, model->attention_dim}};
    for (size_t k = 0; k < sizeof members / sizeof *members; k++)
        if (!*members[k].own)
            *members[k].own = members[k].model;
    extent_set(own, own->image_size ? (struct extent){own->image_size, own->image_width} : extent_of_patches(model),
               own->patch_size ? (struct extent){own->patch_size, own->patch_width} : extent_of_patch(model));
    own->eps = own->eps == 0 ? model->eps : own->eps;
    own->rotary_base = model->rotary_base;
    own->crop = own->crop == 0 ? model->crop : own->crop;
    memcpy(own->mean, model->mean, sizeof own->mean);
    memcpy(own->std, model->std, sizeof own->std);
    if (model->label_count == own->classes) {
        own->labels = model->labels;
        own->label_count = model->label_count;
    }
}

/* With other registers than the model's: none without a place, all registers, or all tokens before the patches, as there. */
static int32_t unplaced(const struct options *options, const tleg_config *model) {
    const tleg_config *own = &options->config;
    const bool dist = options->dist || own->distillation_token, cls = options->cls || dist || own->class_token;
    if (model->unplaced == 0)
        return 0;
    return own->registers + (model->unplaced > model->registers ? cls + dist : 0);
}

/* Opens the model of --like, whose texts the configuration borrows. */
static int take_like(struct invocation *call, tleg_context *context, struct options *options, struct source *model) {
    const int code = source_open(call, context, options->like, model);
    if (code != EXIT_DONE)
        return code;
    if (options->arch || options->config.dim || call->heads)
        return tool_misuse(call, "--like gives the width: leave out --arch, --dim and --heads");
    if (options->config.kind && options->config.kind != model->config.kind)
        return tool_misuse(call, "--like %s is a %s: leave out --kind", options->like,
                           source_draws(&model->config) ? "generator (dit)" : "classifier (vit)");
    if ((options->cls || options->dist) && !options->config.pool && !model->config.class_token)
        options->config.pool = TLEG_POOL_CLS; /* as where there is no model */
    const int32_t registers = options->config.registers;
    be_like(&options->config, &model->config);
    if (registers)
        options->config.unplaced = unplaced(options, &model->config);
    call->heads = model->config.heads;
    return EXIT_DONE;
}

static int settle(const struct invocation *call, struct options *options) {
    tleg_config *config = &options->config;
    if (config->kind != TLEG_KIND_DIT && (config->learned_sigma || config->no_null_label))
        return tool_misuse(call, "--sigma and --no-null-label are for --kind dit");
    if (config->kind == TLEG_KIND_DIT && config->positions)
        return tool_misuse(call, "--positions is for --kind vit: where a patch lies a generator computes");
    if (!config->image_size || !config->patch_size || !config->classes || !options->out)
        return tool_misuse(call, options->like ? "needs -o, and --classes for a model without a head"
                                               : "needs --image, --patch, --classes and -o");
    pictures_apply(&options->pictures, config);
    config->class_token |= options->cls || options->dist;
    config->distillation_token |= options->dist;
    const int code = curve_settle(call, &options->curves);
    config->schedule = options->curves.schedule;
    return code == EXIT_DONE ? arch_settle(call, options->arch, config) : code;
}

static int say_written(const struct invocation *call, const struct options *options, const tleg_learngene *gene) {
    tleg_config config = {.struct_size = sizeof config};
    uint64_t bytes;
    char text[24];
    if (tleg_learngene_get_info(NULL, gene, &config) != TLEG_OK || !report_file_bytes(options->out, &bytes))
        return tool_fail(call, "%s: written, but it cannot be read back", options->out);
    if (!call->json) {
        tool_line("%s: a learngene%s, dim %d, %d heads, %" PRIu64 " parameters, %s", options->out,
                  config.kind == TLEG_KIND_DIT ? " of a generator" : "", (int)config.dim, (int)config.heads, config.parameters,
                  report_bytes(bytes, text));
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", options->out);
    report_integer(&report, "dim", config.dim);
    report_integer(&report, "heads", config.heads);
    report_size(&report, "parameters", config.parameters);
    report_size(&report, "bytes", bytes);
    return report_print(call, &report);
}

static int create(const struct invocation *call, tleg_context *context, struct options *options) {
    struct labels labels = {0};
    tleg_learngene *gene = NULL;
    int code = EXIT_DONE;
    if (options->labels) {
        code = labels_read(call, options->labels, options->config.classes, &labels);
        if (code == EXIT_DONE)
            code = label_need_unique(call, options->labels, labels.names, labels.count);
        options->config.labels = labels.names;
        options->config.label_count = labels.count;
    }
    if (code == EXIT_DONE && (tleg_learngene_create(context, &options->config, options->seed, &gene) != TLEG_OK ||
                              tleg_learngene_save(context, gene, options->out, NULL) != TLEG_OK))
        code = arch_fail(call, context);
    if (code == EXIT_DONE)
        code = say_written(call, options, gene);
    tleg_learngene_free(gene);
    labels_free(&labels);
    return code;
}

static int run_new(const struct verb *verb, int argc, char **argv) {
    struct options options = {.config = {.struct_size = sizeof(tleg_config)}, .pictures = PICTURES_NONE};
    tleg_config *config = &options.config;
    bool no_qkv_bias = false, layer_scale = false, norm_before = false, sigma = false, no_null_label = false;
    const struct option table[] = {
        {"--kind", OPTION_CHOICE, &config->kind, 0, 0, kind_choices},
        {"--sigma", OPTION_FLAG, &sigma, 0, 0, NULL},
        {"--no-null-label", OPTION_FLAG, &no_null_label, 0, 0, NULL},
        {"--arch", OPTION_CHOICE, &options.arch, 0, 0, arch_choices},
        {"--dim", OPTION_COUNT, &config->dim, 1, INT32_MAX, NULL},
        {"--hidden", OPTION_COUNT, &config->hidden, 1, INT32_MAX, NULL},
        {"--image", OPTION_EXTENT, &options.image, 0, 0, NULL},
        {"--patch", OPTION_EXTENT, &options.patch, 0, 0, NULL},
        {"--classes", OPTION_COUNT, &config->classes, 1, INT32_MAX, NULL},
        {"--cls", OPTION_FLAG, &options.cls, 0, 0, NULL},
        {"--dist", OPTION_FLAG, &options.dist, 0, 0, NULL},
        {"--pool", OPTION_CHOICE, &config->pool, 0, 0, option_pools},
        {"--norm", OPTION_CHOICE, &config->norm, 0, 0, option_norms},
        {"--positions", OPTION_CHOICE, &config->positions, 0, 0, positions_choices},
        {"--no-qkv-bias", OPTION_FLAG, &no_qkv_bias, 0, 0, NULL},
        {"--registers", OPTION_COUNT, &config->registers, 1, INT32_MAX, NULL},
        {"--layer-scale", OPTION_FLAG, &layer_scale, 0, 0, NULL},
        {"--norm-before", OPTION_FLAG, &norm_before, 0, 0, NULL},
        {"--channels", OPTION_COUNT, &config->channels, 1, 64, NULL},
        CURVE_OPTIONS(options.curves),
        PICTURES_OPTIONS(options.pictures),
        {"--labels", OPTION_TEXT, &options.labels, 0, 0, NULL},
        {"--like", OPTION_TEXT, &options.like, 0, 0, NULL},
        {"--seed", OPTION_SEED, &options.seed, 0, 0, NULL},
        {"-o", OPTION_TEXT, &options.out, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 0, 0, &call, &code))
        return code;
    extent_set(config, options.image, options.patch);
    config->no_qkv_bias = no_qkv_bias;
    config->layer_scale = layer_scale;
    config->norm_before = norm_before;
    config->learned_sigma = sigma;
    config->no_null_label = no_null_label;
    if ((code = pictures_settle(&call, &options.pictures)) != EXIT_DONE)
        return code;
    struct source model = {0};
    tleg_context *context = tool_context(&call);
    code = !context ? EXIT_FAILED : options.like ? take_like(&call, context, &options, &model) : EXIT_DONE;
    if (code == EXIT_DONE)
        code = settle(&call, &options);
    if (code == EXIT_DONE)
        code = place_apart(&call, "-o", options.out, options.labels);
    if (code == EXIT_DONE)
        code = place_take_apart(&call, options.out, options.like);
    if (code == EXIT_DONE)
        code = create(&call, context, &options);
    source_close(&model);
    tleg_context_free(context);
    return code;
}

const struct verb verb_new = {
    .name = "new",
    .summary = "make a fresh learngene",
    .usage = "tleg new [--arch tiny|small|base | --dim D --heads H] --image I --patch P --classes C [--seed S] -o GENE\n"
             "       tleg new --like MODEL [--classes C] -o GENE\n"
             "       tleg new --kind dit --dim D --heads H --image I --patch P [--channels C] --classes C [--sigma] -o GENE",
    .details =
        "Writes a learngene initialised for training: small random numbers, on every machine the same for the same\n"
        "seed.\n"
        "\n"
        "Options\n"
        "  --kind K      what it grows into: vit (default), which tells classes apart; dit, a Diffusion Transformer, which\n"
        "                draws (tleg generate)\n"
        "  --sigma       of dit: beside the noise it tells as many channels again, for the variance\n"
        "  --no-null-label  of dit: no label that stands for any, so that there is no guidance\n"
        "  --like MODEL  a learngene of blocks like this model's, for pictures prepared like its; other options come\n"
        "                before what it says\n"
        "  --arch A      DeiT's shapes: tiny (dim 192, 3 heads), small (384, 6), base (768, 12)\n"
        "  --dim D       width of a token, in place of --arch; --heads must divide it\n"
        "  --hidden H    width inside the MLP (4 * dim)\n"
        "  --image I     side of the input image in pixels, a multiple of the patch size; or height and width, as 224x128\n"
        "  --patch P     side of a patch in pixels, or its height and width, as 16x8\n"
        "  --classes C   number of classes; of dit, of labels to draw by\n"
        "  --cls         add a class token; --dist: add DeiT's distillation token as well\n"
        "  --pool P      what the head reads: mean (default), cls (default with --cls or --dist), attention: all tokens\n"
        "                through one learned query and an MLP, as in SigLIP; patch_attention: of the patches; max, mean_max:\n"
        "                the largest of the patches, half of it and half of their mean; cls_mean: the token and the mean;\n"
        "                mean_all: the mean of all tokens\n"
        "  --norm P      place of the final norm: before-pool (default), after-pool\n"
        "  --positions P how the position embedding begins: sincos, waves of the place in the image, from which\n"
        "                small images are learned in fewer steps; normal, small random numbers (default)\n"
        "  --no-qkv-bias qkv without a bias\n"
        "  --registers N register tokens between those tokens and the patches\n"
        "  --layer-scale a factor for each column of a block's two branches (LayerScale), 0.1 at first\n"
        "  --norm-before a LayerNorm before the first block\n"
        "  --channels C  of the images: 3 (default), or 1 for grey ones; of dit 1 to 64, for latents\n"
        "  --count K     tensors that every layer is a sum of, 1 to 16 (2: base and ilayer; 1: all layers alike)\n"
        "  --curve C     their factors by depth: power (default), chebyshev, cosine\n"
        "  --schedule J  in place of these two the segments of each site, as JSON:\n"
        "                {\"qkv\":[[4,true],[2,false]],\"fc1\":[[6,\"cosine\",3]]}\n"
        "  --mean R,G,B --std R,G,B --crop C\n"
        "                how images are prepared (ImageNet's mean and std, three numbers or one for all;\n"
        "                crop 0.875, or 1 for images up to 32 pixels)\n"
        "  --interpolation I  how they are resized: bicubic (default), bilinear, box\n"
        "  --fit F       how they get their shape: crop, the centre of what is resized (default); squash;\n"
        "                crop_floor or squash_floor, whose centre is that of Hugging Face's transformers\n"
        "  --labels FILE class names, one a line\n"
        "  --seed S      seed of the random numbers (0)\n"
        "  -o GENE       the file to write\n",
    .run = run_new,
};
