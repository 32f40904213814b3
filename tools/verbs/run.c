/* tleg run: prepared images from a file through a learngene or a model. */
#include "base/context.h"
#include "base/measure.h"
#include "base/place.h"
#include "base/report.h"
#include "data/images.h"
#include "source/source.h"

#include <inttypes.h>
#include <stdio.h>

enum { LARGEST_BATCH = 8 }; /* images computed at once */

struct options {
    struct expansion expansion;
    const char *input, *out;
};

static int read_images(const struct invocation *call, tleg_context *context, const char *path, const tleg_config *config,
                       tleg_tensor **images, tleg_tensor_info *info) {
    char error[IMAGES_ERROR];
    return images_read(context, path, config, images, info, error) ? EXIT_DONE : tool_fail(call, "%s", error);
}

static int say_written(const struct invocation *call, const char *out, int64_t batch, const tleg_config *config, double ms) {
    if (!call->json) {
        char logits[64] = "";
        if (config->classes > 0)
            snprintf(logits, sizeof logits, "logits [%" PRId64 ",%d], ", batch, (int)config->classes);
        printf("%s: %sfeatures [%" PRId64 ",%d], depth %d, %.1f ms\n", out, logits, batch, (int)config->dim, (int)config->depth,
               ms);
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", out);
    report_integer(&report, "images", batch);
    report_integer(&report, "classes", config->classes);
    report_integer(&report, "dim", config->dim);
    report_integer(&report, "depth", config->depth);
    report_real(&report, "ms", ms);
    return report_print(call, &report);
}

static int run_images(const struct invocation *call, tleg_context *context, tleg_session *session, const char *out,
                      const tleg_config *config, const tleg_tensor_info *images) {
    static const char *const names[] = {"logits", "features"};
    int64_t batch = images->shape[0], shapes[2][2] = {{batch, config->classes}, {batch, config->dim}};
    tleg_tensor *results[2] = {NULL, NULL};
    tleg_tensor_info info[2] = {{.struct_size = sizeof *info}, {.struct_size = sizeof *info}};
    const int first = config->classes > 0 ? 0 : 1; /* a model without a head has features alone */
    int code = EXIT_DONE;
    for (int i = first; i < 2 && code == EXIT_DONE; i++)
        if (tleg_tensor_create(context, TLEG_F32, 2, shapes[i], &results[i]) != TLEG_OK ||
            tleg_tensor_get_info(context, results[i], &info[i]) != TLEG_OK)
            code = tool_fail_context(call, context);
    double start = measure_ms(), ms = 0;
    if (code == EXIT_DONE && source_run(session, images->data, batch, info[0].data, info[1].data) != TLEG_OK)
        code = tool_fail(call, "%s", tleg_session_get_error(session));
    ms = measure_ms() - start;
    const tleg_tensor *const tensors[] = {results[0], results[1]};
    if (code == EXIT_DONE && tleg_file_save(context, out, 2 - first, names + first, tensors + first, NULL) != TLEG_OK)
        code = tool_fail_context(call, context);
    if (code == EXIT_DONE)
        code = say_written(call, out, batch, config, ms);
    tleg_tensor_free(results[0]);
    tleg_tensor_free(results[1]);
    return code;
}

static int work(const struct invocation *call, tleg_context *context, const struct options *options) {
    struct source source;
    tleg_tensor *images = NULL;
    tleg_tensor_info info;
    tleg_session *session = NULL;
    int code = source_open_expanded(call, context, call->operands[0], &options->expansion, &source);
    if (code == EXIT_DONE && !source.model)
        source_note_depth(call, source.path, &source.config, source.config.depth);
    if (code == EXIT_DONE)
        code = read_images(call, context, options->input, &source.config, &images, &info);
    if (code == EXIT_DONE)
        code = source_session(call, context, &source, info.shape[0] < LARGEST_BATCH ? (int32_t)info.shape[0] : LARGEST_BATCH,
                              &session);
    if (code == EXIT_DONE)
        code = run_images(call, context, session, options->out, &source.config, &info);
    tleg_session_free(session);
    tleg_tensor_free(images);
    source_close(&source);
    return code;
}

static int run_run(const struct verb *verb, int argc, char **argv) {
    struct options options = {0};
    const struct option table[] = {
        EXPANSION_OPTIONS(options.expansion),
        {"--input", OPTION_TEXT, &options.input, 0, 0, NULL},
        {"-o", OPTION_TEXT, &options.out, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code) || !expansion_settle(&call, &options.expansion, &code))
        return code;
    if (!options.input || !options.out)
        return tool_misuse(&call, "needs --input and -o");
    if ((code = place_take(&call, "-o", options.out)) != EXIT_DONE)
        return code;
    tleg_context *context = tool_context(&call);
    code = context ? work(&call, context, &options) : EXIT_FAILED;
    tleg_context_free(context);
    return code;
}

const struct verb verb_run = {
    .name = "run",
    .summary = "run prepared images through a learngene or a model",
    .usage = "tleg run GENE|MODEL [--depth N] [--dtype f32|bf16|f16] [--norm P | --timm] [--image I] --input IN -o OUT",
    .details =
        "A learngene runs elastically: its layers are formed from base and ilayer as they run.\n"
        "\n"
        "Options\n" EXPANSION_HELP
        "  --input IN    safetensors file with \"images\", f32 [B,C,I,I], R G B or grey, normalised; others are ignored\n"
        "  -o OUT        safetensors file to write: \"logits\" [B,C], if there is a head, and \"features\" [B,D], f32\n"
        "\n"
        "--json: {\"file\", \"images\", \"classes\", \"dim\", \"depth\", \"ms\"}\n",
    .run = run_run,
};
