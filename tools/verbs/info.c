/* tleg info: what a learngene or model file holds. */
#include "base/context.h"
#include "base/latent_scale.h"
#include "base/report.h"
#include "base/text.h"
#include "source/depths.h"
#include "source/scores.h"
#include "source/source.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const char *reads(const tleg_config *config) {
    if (config->pool == TLEG_POOL_MEAN)
        return "the mean of the patch tokens";
    if (config->pool == TLEG_POOL_MEAN_ALL)
        return "the mean of all tokens";
    if (config->pool == TLEG_POOL_ATTENTION)
        return "all tokens through attention pooling";
    if (config->pool == TLEG_POOL_PATCH_ATTENTION)
        return "the patch tokens through attention pooling";
    if (config->pool == TLEG_POOL_MAX)
        return "the largest of the patch tokens";
    if (config->pool == TLEG_POOL_MEAN_MAX)
        return "the mean and the largest of the patch tokens, half of each";
    if (config->pool == TLEG_POOL_CLS_MEAN)
        return "the class token and the mean of the patch tokens";
    return config->distillation_token
               ? "the class token (head) and the distillation token (head_dist): the mean of both answers"
               : "the class token";
}

static void print_list(const char *title, const char *const *names, int64_t count) {
    if (count > 0)
        printf("%-14s%" PRId64 ":\n", title, count);
    for (int64_t i = 0; i < count; i++)
        tool_line("  %s", names[i]);
}

static void print_learned(const tleg_config *config) {
    const tleg_scores *scores = config->scores;
    char text[DEPTHS_TEXT];
    printf("learned at    %s\n",
           config->depth_count ? depths_text(config->depths, config->depth_count, text) : "depths that the file does not say");
    if (!scores)
        return;
    tool_line("scores        %s on %s, %" PRId64 " images", source_score_name(config, scores->on),
              *scores->on ? scores->on : "data without a name", scores->images);
    for (int32_t k = 0; k < scores->count; k++)
        printf("  depth %-5d %.2f %%\n", (int)scores->depths[k], 100 * scores->scores[k]);
}

/* One of a line's parts: the first begins it. */
__attribute__((format(printf, 2, 3))) static void print_part(int *count, const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs((*count)++ ? ", " : "parts         ", stdout);
    vprintf(format, values);
    va_end(values);
}

/* What it has that DeiT has not. */
static void print_parts(const tleg_config *config) {
    int count = 0;
    const struct {
        int32_t there;
        const char *what;
    } norms[] = {{config->gated, "a gated MLP"},
                 {config->norm_after == 1, "norms after the branches"},
                 {config->norm_after == 2, "norms of the sums"},
                 {config->attention_norm, "a norm before proj"},
                 {config->mlp_norm, "a norm before fc2"},
                 {config->qk_norm == TLEG_QK_NORM_HEAD, "norms of each head's queries and keys"},
                 {config->qk_norm == TLEG_QK_NORM_TOKEN, "norms of queries and keys"},
                 {config->pixel_norm, "a norm of each patch's pixels"},
                 {config->rotary == TLEG_ROTARY_INDEX, "rotary positions by index"},
                 {config->rotary == TLEG_ROTARY_CENTRED, "rotary positions from the centre"},
                 {config->no_positions, "no position embedding"},
                 {config->rms, "RMSNorm"},
                 {config->no_norm, "no final norm"},
                 {config->patch_norm, "a norm of the embedded patches"}};
    if (config->mlp != (source_draws(config) ? TLEG_MLP_GELU_TANH : TLEG_MLP_GELU))
        print_part(&count, "activation %s", option_choice_name(option_activations, config->mlp));
    for (size_t k = 0; k < sizeof norms / sizeof *norms; k++)
        if (norms[k].there)
            print_part(&count, "%s", norms[k].what);
    if (config->attention_dim)
        print_part(&count, "attention of %d numbers", (int)config->attention_dim);
    if (config->layer_scale)
        print_part(&count, "LayerScale");
    if (config->norm_before)
        print_part(&count, "a norm before the blocks");
    if (config->registers)
        print_part(&count, "%d registers", (int)config->registers);
    if (config->unplaced)
        print_part(&count, "%d token(s) without a place", (int)config->unplaced);
    if (config->channels == 1 && !source_draws(config))
        print_part(&count, "one channel");
    if (count)
        putchar('\n');
}

/* What a generator draws, and how it is asked. */
static void print_drawing(const struct source *source) {
    const tleg_config *config = &source->config;
    const bool latents = source_draws_latents(source);
    char channels[32], scale[LATENT_SCALE_TEXT];
    snprintf(channels, sizeof channels, "latents of %d channels", (int)config->channels);
    printf("draws         %s, in steps from noise: times 0 to 999\n", latents                 ? channels
                                                                      : config->channels == 1 ? "grey pictures"
                                                                                              : "pictures of 3 channels");
    if (source->latent_scale > 0)
        printf("latent scale  learned and drawn at %s times their own, by which tleg generate divides\n",
               latent_scale_text(source->latent_scale, scale));
    printf("tells         the noise%s\n",
           config->learned_sigma ? ", and as many channels for its variance (learned sigma)" : "");
    printf("asked by      %d label%s%s\n", (int)config->classes, config->classes == 1 ? "" : "s",
           config->no_null_label ? "; none of them stands for any: no guidance" : ", and the null label, which guidance needs");
}

/* What a classifier's head tells, and of what. */
static void print_telling(const struct source *source) {
    const tleg_config *config = &source->config;
    if (config->classes)
        printf("head          %d %s; it reads %s\n", (int)config->classes,
               source->features ? "features of a teacher" : "classes", reads(config));
    else
        printf("head          none: features of %s\n", reads(config));
    if (config->representation)
        printf("              through a layer of %d numbers with tanh (pre_logits)\n", (int)config->representation);
    printf("norm          %s, eps %g\n", config->no_norm ? "none" : option_choice_name(option_norms, config->norm),
           config->eps);
}

static void print_image(const tleg_config *config) {
    const struct extent image = extent_of_image(config);
    char patch[32];
    snprintf(patch, sizeof patch, config->patch_width ? "%d x %d" : "%d", (int)config->patch_size, (int)config->patch_width);
    printf("image         %d x %d pixels%s, patches of %s: %" PRId64 " tokens, %d before the patches\n", (int)image.height,
           (int)image.width, config->image_width ? " (height first)" : "", patch, source_tokens(config),
           (int)source_prefix(config));
}

static void print_pictures(const tleg_config *config) {
    printf("pictures      %s, %s %g, mean %g %g %g, std %g %g %g\n",
           option_choice_name(option_interpolations, config->interpolation), option_choice_name(option_fits, config->fit),
           config->crop, config->mean[0], config->mean[1], config->mean[2], config->std[0], config->std[1], config->std[2]);
}

static void print_text(const struct source *source, uint64_t bytes) {
    const tleg_config *config = &source->config;
    char text[24];
    tool_line("file          %s, %" PRIu64 " bytes (%s)", source->path, bytes, report_bytes(bytes, text));
    const char *what = source_draws(config) ? " of a generator (a Diffusion Transformer)" : "";
    if (source->gene)
        printf("kind          learngene%s: expands to any depth\n", what);
    else if (source_draws(config))
        printf("kind          generator (a Diffusion Transformer) of depth %d, in %s\n", (int)config->depth,
               tool_dtype_name(config->dtype));
    else
        printf("kind          model of depth %d, in %s\n", (int)config->depth, tool_dtype_name(config->dtype));
    printf("parameters    %" PRIu64 "\n", config->parameters);
    print_image(config);
    printf("width         dim %d, %d heads, %d inside the MLP%s\n", (int)config->dim, (int)config->heads, (int)config->hidden,
           config->no_qkv_bias ? ", qkv without bias" : "");
    print_parts(config);
    if (source_draws(config))
        print_drawing(source);
    else
        print_telling(source);
    if (!source_draws_latents(source))
        print_pictures(config);
    if (source->gene)
        printf("schedule      %s\n", *config->schedule ? config->schedule : "one linear segment per site");
    if (!config->label_count && source_draws(config))
        printf("labels        without names: numbers from 0\n");
    else if (!config->label_count)
        printf("labels        none: class folders are numbered in byte order of their names\n");
    print_learned(config);
    print_list("labels", config->labels, config->label_count);
    print_list("ignored", config->ignored, config->ignored_count);
}

static json_t *depths_array(const int32_t *depths, int32_t count) {
    json_t *array = json_array();
    for (int32_t i = 0; array && i < count; i++)
        if (json_array_append_new(array, json_integer(depths[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *shape_of(const tleg_tensor_info *info) {
    json_t *shape = json_array();
    for (int32_t i = 0; shape && i < info->rank; i++)
        if (json_array_append_new(shape, json_integer(info->shape[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    return shape;
}

static void add_config(struct report *report, const struct source *source, int32_t stored) {
    const tleg_config *config = &source->config;
    const bool draws = source_draws(config);
    report_text(report, "kind", source_kind(source));
    if (source->model)
        report_integer(report, "depth", config->depth);
    report_text(report, "dtype", tool_dtype_name(source->model ? config->dtype : stored));
    report_integer(report, "image_size", config->image_size);
    report_integer(report, "patch_size", config->patch_size);
    if (config->image_width)
        report_integer(report, "image_width", config->image_width);
    if (config->patch_width)
        report_integer(report, "patch_width", config->patch_width);
    report_integer(report, "tokens", source_tokens(config));
    report_integer(report, "prefix", source_prefix(config));
    report_integer(report, "dim", config->dim);
    report_integer(report, "heads", config->heads);
    report_integer(report, "hidden", config->hidden);
    report_integer(report, "classes", config->classes);
    report_text(report, "head_tells", draws || !config->classes ? NULL : source->features ? HEAD_FEATURES : "classes");
    report_integer(report, "channels", config->channels);
    report_integer(report, "registers", config->registers);
    report_integer(report, "unplaced", config->unplaced);
    report_text(report, "activation", option_choice_name(option_activations, config->mlp));
    report_add(report, "layer_scale", json_boolean(config->layer_scale));
    report_add(report, "norm_before", json_boolean(config->norm_before));
    report_text(report, "rotary",
                config->rotary == TLEG_ROTARY_INDEX     ? "index"
                : config->rotary == TLEG_ROTARY_CENTRED ? "centred"
                                                        : "none");
    report_add(report, "positions", json_boolean(!config->no_positions));
    report_add(report, "rms", json_boolean(config->rms));
    report_add(report, "patch_norm", json_boolean(config->patch_norm));
    report_add(report, "norm_after", json_boolean(config->norm_after == 1));
    report_add(report, "norm_of_sums", json_boolean(config->norm_after == 2));
    report_add(report, "gated", json_boolean(config->gated));
    report_add(report, "attention_norm", json_boolean(config->attention_norm));
    report_add(report, "mlp_norm", json_boolean(config->mlp_norm));
    report_integer(report, "representation", config->representation);
    report_integer(report, "attention_dim", config->attention_dim ? config->attention_dim : config->dim);
    report_text(report, "qk_norm",
                config->qk_norm == TLEG_QK_NORM_HEAD    ? "head"
                : config->qk_norm == TLEG_QK_NORM_TOKEN ? "token"
                                                        : "none");
    report_add(report, "pixel_norm", json_boolean(config->pixel_norm));
    if (draws)
        report_add(report, "latent_scale", source->latent_scale > 0 ? json_real(source->latent_scale) : json_null());
    report_add(report, "learned_sigma", draws ? json_boolean(config->learned_sigma) : json_null());
    report_add(report, "null_label", draws && !config->no_null_label ? json_integer(config->classes) : json_null());
    report_text(report, "pool", draws ? NULL : option_choice_name(option_pools, config->pool));
    report_text(report, "norm",
                draws                                  ? NULL
                : config->no_norm                      ? "none"
                : config->norm == TLEG_NORM_AFTER_POOL ? "after_pool"
                                                       : "before_pool");
    report_real(report, "eps", config->eps);
    report_add(report, "qkv_bias", json_boolean(!config->no_qkv_bias));
    report_add(report, "mean", report_triple(config->mean));
    report_add(report, "std", report_triple(config->std));
    report_real(report, "crop", config->crop);
    report_text(report, "interpolation", option_choice_name(option_interpolations, config->interpolation));
    report_text(report, "fit", option_choice_name(option_fits, config->fit));
    report_text(report, "schedule", source->gene ? config->schedule : NULL);
    report_add(report, "labels", config->label_count ? report_texts(config->labels, config->label_count) : json_null());
    report_add(report, "depths", config->depth_count ? depths_array(config->depths, config->depth_count) : json_null());
    report_add(report, "scores", scores_json(config->scores));
    report_add(report, "ignored", report_texts(config->ignored, config->ignored_count));
}

/* The tensors as the file stores them: one line each, or an array of {"name", "dtype", "shape"}. */
static bool list_tensors(tleg_context *context, const tleg_file *file, struct report *report) {
    json_t *array = report ? json_array() : NULL;
    for (int64_t i = 0; i < tleg_file_get_tensor_count(file); i++) {
        const char *name = tleg_file_get_tensor_name(file, i);
        tleg_tensor_info info = {.struct_size = sizeof info};
        if (tleg_file_get_tensor_info(context, file, name, &info) != TLEG_OK) {
            json_decref(array);
            return false;
        }
        if (report) {
            struct report one = report_start();
            report_text(&one, "name", name);
            report_text(&one, "dtype", tool_dtype_name(info.dtype));
            report_add(&one, "shape", shape_of(&info));
            report->whole &= json_array_append_new(array, report_member(&one)) == 0;
        } else {
            char shown[512];
            text_show(name, shown, sizeof shown);
            printf("  %-52s %-4s", shown, tool_dtype_name(info.dtype));
            for (int32_t k = 0; k < info.rank; k++)
                printf(" %" PRId64, info.shape[k]);
            putchar('\n');
        }
    }
    if (report)
        report_add(report, "tensors", array);
    return true;
}

static int say(const struct invocation *call, tleg_context *context, const tleg_file *file, const struct source *source,
               bool tensors) {
    uint64_t bytes;
    struct report report;
    if (!source_bytes(context, file, source->path, &bytes))
        return tool_fail(call, "%s: cannot tell its size", source->path);
    if (call->json) {
        report = report_start();
        report_text(&report, "file", source->path);
        report_size(&report, "bytes", bytes);
        report_size(&report, "parameters", source->config.parameters);
        add_config(&report, source, source_stored_dtype(context, file));
    } else {
        print_text(source, bytes);
        if (tensors)
            printf("tensors       %" PRId64 ":\n", tleg_file_get_tensor_count(file));
    }
    bool listed = !tensors || list_tensors(context, file, call->json ? &report : NULL);
    int code = call->json ? report_print(call, &report) : EXIT_DONE;
    return listed ? code : tool_fail_context(call, context);
}

static int run_info(const struct verb *verb, int argc, char **argv) {
    bool tensors = false;
    const struct option table[] = {{"--tensors", OPTION_FLAG, &tensors, 0, 0, NULL}, OPTIONS_END};
    struct invocation call;
    struct source source = {0};
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code))
        return code;
    tleg_context *context = tool_context(&call);
    if (!context)
        return EXIT_FAILED;
    tleg_file *file = source_file(&call, context, call.operands[0]);
    code = file ? source_read(&call, context, call.operands[0], file, &(struct expansion){0}, &source) : EXIT_FAILED;
    if (code == EXIT_DONE)
        code = say(&call, context, file, &source, tensors);
    tleg_file_free(file);
    source_close(&source);
    tleg_context_free(context);
    return code;
}

const struct verb verb_info = {
    .name = "info",
    .summary = "show what a learngene or a model file holds",
    .usage = "tleg info FILE [--tensors]",
    .details =
        "Shows the kind, sizes, tokens, what the head reads, the final norm (of a generator what it draws, by how many\n"
        "labels, and whether guidance can be had), how pictures are prepared, labels,\n"
        "schedule, the depths at which it was learned and what each scored, parameters, the size of the file in bytes, and\n"
        "tensors in it that are not used.\n"
        "\n"
        "Options\n"
        "  --tensors     list every tensor of the file, with element type and shape\n",
    .run = run_info,
};
