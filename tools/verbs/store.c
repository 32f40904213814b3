/* tleg store: a learngene again, in another element type. */
#include "base/context.h"
#include "base/place.h"
#include "base/report.h"
#include "source/source.h"

#include <inttypes.h>
#include <stdio.h>

struct options {
    int32_t dtype;
    const char *out;
};

/* former: the bytes of what was stored again, before -o may have taken its place */
static int say_stored(const struct invocation *call, const struct options *options, uint64_t former) {
    const char *dtype = tool_dtype_name(options->dtype);
    uint64_t bytes;
    char text[2][24];
    if (!report_file_bytes(options->out, &bytes))
        return tool_fail(call, "%s: written, but it cannot be read back", options->out);
    if (!call->json) {
        tool_line("%s: a learngene, %s, %s; %s was %s", options->out, dtype, report_bytes(bytes, text[0]), call->operands[0],
                  report_bytes(former, text[1]));
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", options->out);
    report_text(&report, "dtype", dtype);
    report_size(&report, "bytes", bytes);
    return report_print(call, &report);
}

static int store(const struct invocation *call, tleg_context *context, const struct options *options) {
    const tleg_save_options how = {.struct_size = sizeof how, .dtype = options->dtype};
    struct source source = {0};
    uint64_t former = 0;
    tleg_file *file = source_file(call, context, call->operands[0]);
    if (!file)
        return EXIT_FAILED;
    int code = source_read(call, context, call->operands[0], file, &(struct expansion){0}, &source);
    if (code == EXIT_DONE && source.model)
        code = tool_fail(call, "%s: a model; expected a learngene (tleg convert --dtype chooses the type of a model)",
                         call->operands[0]);
    if (code == EXIT_DONE && !source_bytes(context, file, call->operands[0], &former))
        code = tool_fail(call, "%s: cannot tell its size", call->operands[0]);
    tleg_file_free(file);
    if (code == EXIT_DONE && tleg_learngene_save(context, source.gene, options->out, &how) != TLEG_OK)
        code = tool_fail_context(call, context);
    source_close(&source);
    return code == EXIT_DONE ? say_stored(call, options, former) : code;
}

static int run_store(const struct verb *verb, int argc, char **argv) {
    struct options options = {.dtype = TLEG_BF16};
    const struct option table[] = {
        {"--dtype", OPTION_CHOICE, &options.dtype, 0, 0, option_dtypes},
        {"-o", OPTION_TEXT, &options.out, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code))
        return code;
    if (!options.out)
        return tool_misuse(&call, "needs -o");
    if ((code = place_take(&call, "-o", options.out)) != EXIT_DONE)
        return code;
    tleg_context *context = tool_context(&call);
    code = context ? store(&call, context, &options) : EXIT_FAILED;
    tleg_context_free(context);
    return code;
}

const struct verb verb_store = {
    .name = "store",
    .summary = "write a learngene in half the bytes",
    .usage = "tleg store GENE [--dtype bf16|f16|f32] -o OUT",
    .details =
        "The same learngene, its numbers rounded to another type: for shipping, since what is learned is f32. Depths and\n"
        "scores stay as they were; tleg eval --write-scores says what the rounded numbers score.\n"
        "\n"
        "Options\n"
        "  --dtype T     bf16 (default), f16, f32\n"
        "  -o OUT        the file to write; it may be GENE itself\n"
        "\n"
        "--json: {\"file\", \"dtype\", \"bytes\"}\n",
    .run = run_store,
};
