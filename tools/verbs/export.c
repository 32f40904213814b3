/* tleg export: a model, or a learngene at a depth, as an ONNX file. */
#include "base/context.h"
#include "base/place.h"
#include "base/report.h"
#include "source/source.h"
#include <tleg/onnx.h>

#include <inttypes.h>
#include <stdio.h>

struct options {
    struct expansion expansion;
    const char *out;
};

static int say_written(const struct invocation *call, const struct options *options, const tleg_config *config) {
    uint64_t bytes;
    char text[24];
    if (!report_file_bytes(options->out, &bytes))
        return tool_fail(call, "%s: written, but it cannot be read back", options->out);
    const char *dtype = tool_dtype_name(options->expansion.dtype ? options->expansion.dtype : TLEG_F32);
    if (!call->json) {
        tool_line("%s: an ONNX file of depth %d, %s, %s", options->out, (int)config->depth, dtype, report_bytes(bytes, text));
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", options->out);
    report_integer(&report, "depth", config->depth);
    report_text(&report, "dtype", dtype);
    report_size(&report, "bytes", bytes);
    return report_print(call, &report);
}

static int work(const struct invocation *call, tleg_context *context, const struct options *options) {
    struct source source;
    tleg_model *expanded = NULL;
    struct expansion expansion = options->expansion;
    expansion.dtype = 0; /* the file's: what is expanded is exact */
    int code = source_open_expanded(call, context, call->operands[0], &expansion, &source);
    if (code == EXIT_DONE && source_draws(&source.config))
        code = tool_fail(call,
                         "%s: expected a Vision Transformer that tells classes apart, found a generator (a Diffusion "
                         "Transformer), which is not written as ONNX",
                         source.path);
    if (code == EXIT_DONE && !source.model &&
        tleg_expander_expand(context, source.expander, source.config.depth, &expanded) != TLEG_OK)
        code = tool_fail_context(call, context);
    const tleg_save_options saving = {.struct_size = sizeof saving, .dtype = options->expansion.dtype};
    if (code == EXIT_DONE &&
        tleg_model_export_onnx(context, expanded ? expanded : source.model, options->out, &saving) != TLEG_OK)
        code = tool_fail_context(call, context);
    if (code == EXIT_DONE)
        code = say_written(call, options, &source.config);
    tleg_model_free(expanded);
    source_close(&source);
    return code;
}

static int run_export(const struct verb *verb, int argc, char **argv) {
    struct options options = {0};
    const struct option table[] = {
        EXPANSION_OPTIONS(options.expansion),
        {"-o", OPTION_TEXT, &options.out, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code) || !expansion_settle(&call, &options.expansion, &code))
        return code;
    if (!options.out)
        return tool_misuse(&call, "needs -o");
    if (options.expansion.dtype == TLEG_BF16)
        return tool_misuse(&call, "--dtype: an ONNX file is of f32 or f16");
    if ((code = place_take_apart(&call, options.out, call.operands[0])) != EXIT_DONE)
        return code;
    tleg_context *context = tool_context(&call);
    code = context ? work(&call, context, &options) : EXIT_FAILED;
    tleg_context_free(context);
    return code;
}

const struct verb verb_export = {
    .name = "export",
    .summary = "write a model, or a learngene at a depth, as an ONNX file",
    .usage = "tleg export GENE|MODEL [--depth N] [--dtype f32|f16] [--norm P | --timm] [--image I] -o OUT.onnx",
    .details =
        "For ONNX Runtime, OpenVINO and the like: opset 17, input \"images\" (batch, channels, image, image) as tleg prepares\n"
        "them, outputs \"logits\" and \"features\", the batch dynamic; labels, mean, std and crop in the file's metadata.\n"
        "\n"
        "Options\n" DEPTH_HELP "  --dtype T     type of weights and arithmetic: f32 (default), f16\n" NORM_HELP IMAGE_HELP
        "  -o OUT.onnx   the file to write\n"
        "\n"
        "--json: {\"file\", \"depth\", \"dtype\", \"bytes\"}\n",
    .run = run_export,
};
