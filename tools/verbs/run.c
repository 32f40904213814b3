/* tleg run: prepared images from a file through a learngene or a model; of a generator, noised ones. */
#include "base/context.h"
#include "base/measure.h"
#include "base/place.h"
#include "base/report.h"
#include "data/images.h"
#include "data/noised.h"
#include "source/source.h"

#include <inttypes.h>
#include <math.h>
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
        tool_line("%s: %sfeatures [%" PRId64 ",%" PRId64 "], depth %d, %.1f ms", out, logits, batch, source_features(config),
                  (int)config->depth, ms);
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", out);
    report_integer(&report, "images", batch);
    report_integer(&report, "classes", config->classes);
    report_integer(&report, "dim", source_features(config));
    report_integer(&report, "depth", config->depth);
    report_real(&report, "ms", ms);
    return report_print(call, &report);
}

/* What is written is what was computed, and may be looked at for that. */
static void note_numbers(const struct invocation *call, const char *name, const tleg_tensor_info *info) {
    const float *numbers = info->data;
    const int64_t width = info->shape[1];
    for (int64_t i = 0; i < info->shape[0] * width; i++)
        if (!isfinite(numbers[i])) {
            tool_note(call, "\"%s\" of image %" PRId64 " is not finite", name, i / width);
            return;
        }
}

static int run_images(const struct invocation *call, tleg_context *context, tleg_session *session, const char *out,
                      const tleg_config *config, const tleg_tensor_info *images) {
    static const char *const names[] = {"logits", "features"};
    int64_t batch = images->shape[0], shapes[2][2] = {{batch, config->classes}, {batch, source_features(config)}};
    tleg_tensor *results[2] = {NULL, NULL};
    tleg_tensor_info info[2] = {{.struct_size = sizeof *info}, {.struct_size = sizeof *info}};
    const int first = config->classes > 0 ? 0 : 1; /* a model without a head has features alone */
    int code = EXIT_DONE;
    for (int i = first; i < 2 && code == EXIT_DONE; i++)
        if (tleg_tensor_create(context, TLEG_F32, 2, shapes[i], &results[i]) != TLEG_OK ||
            tleg_tensor_get_info(context, results[i], &info[i]) != TLEG_OK)
            code = tool_fail_context(call, context);
    if (code == EXIT_DONE)
        code = place_out_room(call, out, (first ? 0 : info[0].bytes) + info[1].bytes);
    double start = measure_ms(), ms = 0;
    if (code == EXIT_DONE && source_run(session, images->data, batch, info[0].data, info[1].data) != TLEG_OK)
        code = tool_fail(call, "%s", tleg_session_get_error(session));
    ms = measure_ms() - start;
    const tleg_tensor *const tensors[] = {results[0], results[1]};
    if (code == EXIT_DONE && tleg_file_save(context, out, 2 - first, names + first, tensors + first, NULL) != TLEG_OK)
        code = tool_fail_context(call, context);
    if (code == EXIT_DONE)
        code = say_written(call, out, batch, config, ms);
    for (int i = first; i < 2 && code == EXIT_DONE; i++)
        note_numbers(call, names[i], &info[i]);
    tleg_tensor_free(results[0]);
    tleg_tensor_free(results[1]);
    return code;
}

static int32_t batch_of(int64_t images) {
    return images < LARGEST_BATCH ? (int32_t)images : LARGEST_BATCH;
}

static int classify(const struct invocation *call, tleg_context *context, const struct options *options,
                    struct source *source) {
    tleg_tensor *images = NULL;
    tleg_tensor_info info;
    tleg_session *session = NULL;
    int code = read_images(call, context, options->input, &source->config, &images, &info);
    if (code == EXIT_DONE)
        code = source_session(call, context, source, batch_of(info.shape[0]), &session);
    if (code == EXIT_DONE)
        code = run_images(call, context, session, options->out, &source->config, &info);
    tleg_session_free(session);
    tleg_tensor_free(images);
    return code;
}

/* ---- a generator: the noise that it finds in images ---- */

static int say_noise(const struct invocation *call, const char *out, const int64_t shape[4], const tleg_config *config,
                     double ms) {
    if (!call->json) {
        tool_line("%s: output [%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "], depth %d, %.1f ms", out, shape[0], shape[1],
                  shape[2], shape[3], (int)config->depth, ms);
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", out);
    report_integer(&report, "images", shape[0]);
    report_integer(&report, "channels", shape[1]);
    report_integer(&report, "depth", config->depth);
    report_real(&report, "ms", ms);
    return report_print(call, &report);
}

/* "output" of images that become noised ones, in place of the noise that was read. */
static int find_noise(const struct invocation *call, tleg_context *context, tleg_generator *generator,
                      const struct options *options, const tleg_config *config, const struct noised *in) {
    static const char *const names[] = {"output"};
    tleg_generator_info info = {.struct_size = sizeof info};
    tleg_tensor_info noised = {.struct_size = sizeof noised}, output = {.struct_size = sizeof output};
    tleg_tensor *result = NULL;
    const int64_t side = config->image_size, shape[] = {in->count, config->channels * (1 + config->learned_sigma), side, side};
    if (tleg_generator_get_info(context, generator, &info) != TLEG_OK ||
        tleg_tensor_get_info(context, in->tensors[NOISED_NOISE], &noised) != TLEG_OK ||
        tleg_tensor_create(context, TLEG_F32, 4, shape, &result) != TLEG_OK ||
        tleg_tensor_get_info(context, result, &output) != TLEG_OK) {
        tleg_tensor_free(result);
        return tool_fail_context(call, context);
    }
    int code = EXIT_DONE;
    const double start = measure_ms();
    if (tleg_generator_add_noise(context, in->count, info.image_floats, in->images, in->noise, in->times, noised.data) !=
        TLEG_OK)
        code = tool_fail(call, "%s: %s", options->input, tleg_context_get_error(context));
    else if (tleg_generator_run(generator, in->count, noised.data, (size_t)in->count * info.image_floats, in->times, in->labels,
                                output.data, (size_t)in->count * info.noise_floats) != TLEG_OK)
        code = tool_fail(call, "%s: %s", options->input, tleg_generator_get_error(generator));
    const double ms = measure_ms() - start;
    const tleg_tensor *const tensors[] = {result};
    if (code == EXIT_DONE && tleg_file_save(context, options->out, 1, names, tensors, NULL) != TLEG_OK)
        code = tool_fail_context(call, context);
    if (code == EXIT_DONE)
        code = say_noise(call, options->out, shape, config, ms);
    tleg_tensor_free(result);
    return code;
}

static uint64_t noise_bytes(const tleg_config *config, int64_t count) {
    const uint64_t side = (uint64_t)config->image_size, channels = (uint64_t)config->channels;
    return (uint64_t)count * channels * (config->learned_sigma ? 2U : 1U) * side * side * sizeof(float);
}

static int generate(const struct invocation *call, tleg_context *context, const struct options *options,
                    struct source *source) {
    struct noised in;
    tleg_generator *generator = NULL;
    int code = noised_read(call, context, options->input, &source->config, true, &in);
    if (code == EXIT_DONE)
        code = place_out_room(call, options->out, noise_bytes(&source->config, in.count));
    if (code == EXIT_DONE)
        code = source_generator(call, context, source, batch_of(in.count), &generator);
    if (code == EXIT_DONE)
        code = find_noise(call, context, generator, options, &source->config, &in);
    tleg_generator_free(generator);
    noised_free(&in);
    return code;
}

/* ---- both ---- */

static int work(const struct invocation *call, tleg_context *context, const struct options *options) {
    struct source source;
    int code = source_open_expanded(call, context, call->operands[0], &options->expansion, &source);
    if (code == EXIT_DONE && !source.model)
        source_note_depth(call, source.path, &source.config, source.config.depth);
    if (code == EXIT_DONE)
        code = source_draws(&source.config) ? generate(call, context, options, &source)
                                            : classify(call, context, options, &source);
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
    if ((code = place_apart(&call, "-o", options.out, options.input)) != EXIT_DONE ||
        (code = place_take_apart(&call, options.out, call.operands[0])) != EXIT_DONE)
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
        "A learngene runs elastically: its layers are formed from its tensors as they run. Of a generator (a\n"
        "Diffusion Transformer) IN's images are noised first, and OUT is the noise that it finds in them.\n"
        "\n"
        "Options\n" EXPANSION_HELP
        "  --input IN    safetensors file with \"images\", f32 [B,C,I,I], R G B or grey, normalised; others are ignored\n"
        "                a generator reads \"images\" (-1..1), \"noise\" of the same shape, \"times\" (0 to 999) and\n"
        "                \"labels\", i64 [B]\n"
        "  -o OUT        safetensors file to write: \"logits\" [B,C], if there is a head, and \"features\" [B,D], f32;\n"
        "                of a generator \"output\" [B,C,I,I], or [B,2C,I,I] with a learned sigma, the noise first\n"
        "\n"
        "--json: {\"file\", \"images\", \"classes\", \"dim\", \"depth\", \"ms\"}; of a generator {\"file\", \"images\",\n"
        "\"channels\", \"depth\", \"ms\"}\n",
    .run = run_run,
};
