/* tleg grad: the loss of a batch and its gradient by every parameter. */
#include "base/context.h"
#include "base/place.h"
#include "base/report.h"
#include "data/noised.h"
#include "pictures/prepare.h"
#include "source/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/train.h>

enum { LARGEST_BATCH = 32 }; /* images computed at once; the gradients of more are added up */

struct options {
    struct expansion expansion;
    const char *input, *out;
    double alpha, tau, smoothing;
    bool weighed; /* one of these was given */
};

/* What IN gives; NULL: absent. */
enum { TENSORS = 3 };
struct input {
    tleg_tensor *tensors[TENSORS];
    struct noised noised; /* of a generator */
    int64_t count;
    const float *images, *teacher;
    const int64_t *labels;
};

/* ---- IN ---- */

static bool is_there(const tleg_file *file, const char *name) {
    const char *found;
    for (int64_t i = 0; (found = tleg_file_get_tensor_name(file, i)) != NULL; i++)
        if (strcmp(found, name) == 0)
            return true;
    return false;
}

/* Reads a tensor and holds it against what it must be: `rank` sizes, of which a negative one may be any. */
static int read_tensor(const struct invocation *call, tleg_context *context, const tleg_file *file, const char *path,
                       const char *name, int32_t dtype, int32_t rank, const int64_t *shape, tleg_tensor **tensor,
                       tleg_tensor_info *info) {
    *info = (tleg_tensor_info){.struct_size = sizeof *info};
    if (tleg_file_read_tensor(context, file, name, tensor) != TLEG_OK ||
        tleg_tensor_get_info(context, *tensor, info) != TLEG_OK)
        return tool_fail_context(call, context);
    bool right = info->dtype == dtype && info->rank == rank;
    for (int32_t i = 0; right && i < rank; i++)
        right = shape[i] < 0 ? info->shape[i] >= 1 : info->shape[i] == shape[i];
    if (right)
        return EXIT_DONE;
    char wanted[240], found[240];
    tleg_tensor_info expected = {.dtype = dtype, .rank = rank};
    for (int32_t i = 0; i < rank; i++)
        expected.shape[i] = shape[i] < 0 ? 1 : shape[i];
    tool_shape(&expected, wanted, sizeof wanted);
    tool_shape(info, found, sizeof found);
    return tool_fail(call, "%s: \"%s\": expected %s%s, found %s", path, name, wanted,
                     rank > 0 && shape[0] < 0 ? " (the first size may be larger)" : "", found);
}

static int read_classified(const struct invocation *call, tleg_context *context, const struct options *options,
                           const tleg_config *config, struct input *input) {
    const char *path = options->input;
    const struct extent image = extent_of_image(config);
    const int64_t images[] = {-1, config->channels, image.height, image.width};
    tleg_tensor_info info;
    tleg_file *file;
    if (tleg_file_open(context, path, NULL, &file) != TLEG_OK)
        return tool_fail_context(call, context);
    int code = read_tensor(call, context, file, path, "images", TLEG_F32, 4, images, &input->tensors[0], &info);
    input->images = info.data;
    input->count = info.shape[0];
    int64_t both[] = {input->count, config->classes};
    if (code == EXIT_DONE && (options->alpha < 1 || is_there(file, "labels"))) {
        code = read_tensor(call, context, file, path, "labels", TLEG_I64, 1, both, &input->tensors[1], &info);
        input->labels = info.data;
    }
    if (code == EXIT_DONE && options->alpha > 0) {
        code = read_tensor(call, context, file, path, "teacher_logits", TLEG_F32, 2, both, &input->tensors[2], &info);
        input->teacher = info.data;
    }
    tleg_file_free(file);
    return code;
}

static int read_noised(const struct invocation *call, tleg_context *context, const struct options *options,
                       const tleg_config *config, struct input *input) {
    const int code = noised_read(call, context, options->input, config, true, &input->noised);
    input->count = input->noised.count;
    input->images = input->noised.images;
    input->labels = input->noised.labels;
    return code;
}

static void free_input(struct input *input) {
    for (int i = 0; i < TENSORS; i++)
        tleg_tensor_free(input->tensors[i]);
    noised_free(&input->noised);
}

/* ---- the pass ---- */

static int learn(const struct invocation *call, tleg_trainer *trainer, const char *path, const struct input *input,
                 const tleg_config *config, int32_t most, double *total) {
    const int64_t all = input->count, numbers = (int64_t)prepare_numbers(config);
    const float *teacher = input->teacher, *noise = input->noised.noise;
    const int64_t *labels = input->labels, *times = input->noised.times;
    for (int64_t first = 0; first < all; first += most) {
        int64_t count = all - first < most ? all - first : most;
        tleg_train_loss loss = {.struct_size = sizeof loss};
        const tleg_train_batch batch = {.struct_size = sizeof batch,
                                        .size = (int32_t)count,
                                        .images = input->images + first * numbers,
                                        .labels = labels ? labels + first : NULL,
                                        .teacher_logits = teacher ? teacher + first * config->classes : NULL,
                                        .noise = noise ? noise + first * numbers : NULL,
                                        .times = times ? times + first : NULL,
                                        .share = (double)count / (double)all};
        if (tleg_trainer_backward(trainer, &batch, &loss) != TLEG_OK)
            return tool_fail(call, "%s: of the images from %" PRId64 " on: %s", path, first, tleg_trainer_get_error(trainer));
        *total += loss.total * batch.share;
    }
    return EXIT_DONE;
}

static int64_t count_names(const tleg_trainer *trainer) {
    int64_t count = 0;
    while (tleg_trainer_get_parameter_name(trainer, count))
        count++;
    return count;
}

static int say_written(const struct invocation *call, const struct options *options, double total, int64_t tensors) {
    if (!call->json) {
        tool_line("%s: loss %.9g, gradients of %" PRId64 " tensors", options->out, total, tensors);
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", options->out);
    report_real(&report, "loss", total);
    report_integer(&report, "tensors", tensors);
    return report_print(call, &report);
}

/* "loss" [1], then each gradient under its parameter's name. */
static int write_gradients(const struct invocation *call, tleg_context *context, const struct options *options,
                           tleg_trainer *trainer, double total) {
    int64_t count = count_names(trainer) + 1, one = 1;
    const char **names = calloc((size_t)count, sizeof *names);
    tleg_tensor **tensors = calloc((size_t)count, sizeof *tensors);
    float loss = (float)total;
    int code = names && tensors ? EXIT_DONE : tool_fail_memory(call);
    if (code == EXIT_DONE && tleg_tensor_wrap(context, TLEG_F32, 1, &one, &loss, NULL, NULL, &tensors[0]) != TLEG_OK)
        code = tool_fail_context(call, context);
    for (int64_t i = 1; i < count && code == EXIT_DONE; i++) {
        names[i] = tleg_trainer_get_parameter_name(trainer, i - 1);
        if (tleg_trainer_copy_gradient(context, trainer, names[i], &tensors[i]) != TLEG_OK)
            code = tool_fail_context(call, context);
    }
    if (code == EXIT_DONE) {
        names[0] = "loss";
        if (tleg_file_save(context, options->out, count, names, (const tleg_tensor *const *)tensors, NULL) != TLEG_OK)
            code = tool_fail_context(call, context);
    }
    for (int64_t i = 0; tensors && i < count; i++)
        tleg_tensor_free(tensors[i]);
    free(tensors);
    free(names);
    return code == EXIT_DONE ? say_written(call, options, total, count - 1) : code;
}

static int compute(const struct invocation *call, tleg_context *context, const struct options *options,
                   const struct source *source, const struct input *input) {
    int32_t most = input->count < LARGEST_BATCH ? (int32_t)input->count : LARGEST_BATCH;
    const tleg_trainer_options how = {.struct_size = sizeof how,
                                      .batch = most,
                                      .depth_mode = source->gene ? TLEG_DEPTH_FIXED : 0,
                                      .depth_least = source->gene ? options->expansion.depth : 0,
                                      .norm = source->gene ? options->expansion.norm : 0,
                                      .image_size = source->gene ? options->expansion.image.height : 0,
                                      .image_width = source->gene ? options->expansion.image.width : 0,
                                      .position_filter = options->expansion.filter,
                                      .alpha = source_draws(&source->config) ? 0 : options->alpha, /* noise alone teaches */
                                      .tau = options->tau,
                                      .smoothing = options->smoothing};
    tleg_trainer *trainer = NULL;
    double total = 0;
    int code = EXIT_DONE;
    if ((source->gene ? tleg_trainer_create(context, source->gene, &how, &trainer)
                      : tleg_trainer_create_for_model(context, source->model, &how, &trainer)) != TLEG_OK)
        code = tool_fail_context(call, context);
    if (code == EXIT_DONE)
        code = learn(call, trainer, options->input, input, &source->config, most, &total);
    if (code == EXIT_DONE)
        code = write_gradients(call, context, options, trainer, total);
    tleg_trainer_free(trainer);
    return code;
}

/* A gradient for each number that is stored. */
static int find_room(const struct invocation *call, tleg_context *context, const struct options *options,
                     const struct source *source) {
    tleg_config config = {.struct_size = sizeof config};
    const tleg_status status = source->gene ? tleg_learngene_get_info(context, source->gene, &config)
                                            : tleg_model_get_info(context, source->model, &config);
    return status == TLEG_OK ? place_out_room(call, options->out, config.parameters * sizeof(float))
                             : tool_fail_context(call, context);
}

static int work(const struct invocation *call, tleg_context *context, const struct options *options) {
    struct source source;
    struct input input = {0};
    int code = source_open_as(call, context, call->operands[0], &options->expansion, &source);
    if (code == EXIT_DONE)
        code = source_take_expansion(call, context, &options->expansion, &source);
    if (code == EXIT_DONE && options->weighed && source_draws(&source.config))
        code = tool_misuse(
            call, "%s is a generator, whose loss is of the noise alone: leave out --alpha, --tau and --smoothing", source.path);
    if (code == EXIT_DONE)
        code = (source_draws(&source.config) ? read_noised : read_classified)(call, context, options, &source.config, &input);
    if (code == EXIT_DONE)
        code = find_room(call, context, options, &source);
    if (code == EXIT_DONE)
        code = compute(call, context, options, &source, &input);
    free_input(&input);
    source_close(&source);
    return code;
}

static void settle_loss(struct options *options) {
    options->weighed = options->alpha >= 0 || options->tau > 0 || options->smoothing >= 0;
    options->alpha = options->alpha >= 0 ? options->alpha : 1;
    options->tau = options->tau > 0 ? options->tau : 1;
    options->smoothing = options->smoothing >= 0 ? options->smoothing : 0;
}

static int run_grad(const struct verb *verb, int argc, char **argv) {
    struct options options = {.alpha = -1, .smoothing = -1};
    const struct option table[] = {
        {"--depth", OPTION_COUNT, &options.expansion.depth, 1, TLEG_MAX_DEPTH, NULL},
        {"--norm", OPTION_CHOICE, &options.expansion.norm, 0, 0, option_norms},
        {"--timm", OPTION_FLAG, &options.expansion.timm, 0, 0, NULL},
        IMAGE_OPTIONS(options.expansion),
        {"--input", OPTION_TEXT, &options.input, 0, 0, NULL},
        {"--alpha", OPTION_AMOUNT, &options.alpha, 0, 0, NULL},
        {"--tau", OPTION_REAL, &options.tau, 0, 0, NULL},
        {"--smoothing", OPTION_AMOUNT, &options.smoothing, 0, 0, NULL},
        {"-o", OPTION_TEXT, &options.out, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code) || !expansion_settle(&call, &options.expansion, &code))
        return code;
    if (!options.input || !options.out)
        return tool_misuse(&call, "needs --input and -o");
    settle_loss(&options);
    if (options.alpha > 1 || options.smoothing >= 1)
        return tool_misuse(&call, "--alpha takes a number from 0 to 1, and --smoothing one from 0 to below 1");
    if ((code = place_apart(&call, "-o", options.out, options.input)) != EXIT_DONE ||
        (code = place_take_apart(&call, options.out, call.operands[0])) != EXIT_DONE)
        return code;
    tleg_context *context = tool_context(&call);
    code = context ? work(&call, context, &options) : EXIT_FAILED;
    tleg_context_free(context);
    return code;
}

const struct verb verb_grad = {
    .name = "grad",
    .summary = "the loss of a batch and its gradients",
    .usage = "tleg grad GENE|MODEL [--depth N] [--norm P | --timm] [--image I] [--alpha A] [--tau T] [--smoothing S]\n"
             "                 --input IN -o OUT",
    .details =
        "The loss is A * T^2 * sum KL(teacher || student) / (B * C) + (1 - A) * cross-entropy. For a learngene the\n"
        "gradients are those of the tensors that layers are sums of, and of everything inherited. Of a generator (a\n"
        "Diffusion Transformer) the loss is the mean of (noise - told noise)^2.\n"
        "\n"
        "Options\n" DEPTH_HELP
        "  --norm P      place of the final norm: as-learned (default), before-pool, after-pool; --timm: the last\n" IMAGE_HELP
        "  --input IN    safetensors file with \"images\", f32 [B,C,I,I], normalised; \"labels\", i64 [B], where A is below\n"
        "                1; and \"teacher_logits\", f32 [B,C], where A is above 0. For a generator \"images\" and \"noise\",\n"
        "                f32 [B,channels,I,I], \"times\" and \"labels\", i64 [B]: the images are noised first\n"
        "  --alpha A     weight of the teacher's loss (1); like the next two not of a generator\n"
        "  --tau T       temperature of the teacher's loss (1)\n"
        "  --smoothing S label smoothing (0)\n"
        "  -o OUT        safetensors file to write: \"loss\" [1], and a gradient under each parameter's own name\n"
        "\n"
        "--json: {\"file\", \"loss\", \"tensors\"}\n",
    .run = run_grad,
};
