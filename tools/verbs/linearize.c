/* tleg linearize: the gene whose lines come closest to a model's layers, and how straight those layers lie. */
#include "base/context.h"
#include "base/options.h"
#include "base/report.h"
#include "drawing/component.h"
#include "drawing/plot.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/linearize.h>

enum { SITES = 6 };

struct options {
    const char *out, *plot;
};

/* ---- a site's layers ---- */

static float widen_f16(uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = ldexp(exponent ? 1024 + fraction : fraction, (exponent ? exponent : 1) - 25);
    if (exponent == 31)
        value = fraction ? NAN : INFINITY;
    return (float)(bits >> 15 ? -value : value);
}

static float widen_bf16(uint16_t bits) {
    const uint32_t word = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* A layer's weight or bias as f32, for the caller to free; NULL after saying why. */
static float *read_layer(const struct invocation *call, tleg_context *context, const tleg_model *model, const char *name,
                         int64_t *count) {
    tleg_tensor *tensor = NULL;
    tleg_tensor_info info = {.struct_size = sizeof info};
    float *values = NULL;
    if (tleg_model_copy_tensor(context, model, name, &tensor) != TLEG_OK ||
        tleg_tensor_get_info(context, tensor, &info) != TLEG_OK) {
        tool_fail_context(call, context);
        return NULL;
    }
    *count = (int64_t)(info.bytes / (info.dtype == TLEG_F32 ? 4 : 2));
    values = malloc((size_t)*count * sizeof *values);
    if (!values)
        tool_fail_memory(call);
    else if (info.dtype == TLEG_F32)
        memcpy(values, info.data, info.bytes);
    else
        for (int64_t k = 0; k < *count; k++) {
            const uint16_t bits = ((const uint16_t *)info.data)[k];
            values[k] = info.dtype == TLEG_BF16 ? widen_bf16(bits) : widen_f16(bits);
        }
    tleg_tensor_free(tensor);
    return values;
}

/* gram (depth, depth) += the products of a site's weights, or biases, of all layers. */
static bool add_layers(const struct invocation *call, tleg_context *context, const tleg_model *model, int32_t depth,
                       const char *site, const char *part, double *gram) {
    float **layers = calloc((size_t)depth, sizeof *layers);
    if (!layers) {
        tool_fail_memory(call);
        return false;
    }
    bool whole = true;
    int64_t count = 0;
    for (int32_t l = 0; whole && l < depth; l++) {
        char name[64];
        snprintf(name, sizeof name, "blocks.%d.%s.%s", (int)l, site, part);
        layers[l] = read_layer(call, context, model, name, &count);
        whole = layers[l] != NULL;
    }
    if (whole)
        component_add(depth, count, (const float *const *)layers, gram);
    for (int32_t l = 0; l < depth; l++)
        free(layers[l]);
    free(layers);
    return whole;
}

/* ---- the picture ---- */

/* What is drawn of a site: depth numbers each. */
struct curve {
    double *layer, *score, *line;
    double share; /* of the layers' variance along the component */
    char title[64];
    struct plot_series series[2];
};

/* The least-squares line through the scores, at each layer: where the gene's own layers lie along the component. */
static void fit_line(int32_t depth, const double *score, double *line) {
    double mean = 0, slope = 0, squares = 0;
    for (int32_t l = 0; l < depth; l++) {
        const double x = l - (depth - 1) / 2.0;
        mean += score[l] / depth;
        slope += x * score[l];
        squares += x * x;
    }
    for (int32_t l = 0; l < depth; l++)
        line[l] = mean + slope / squares * (l - (depth - 1) / 2.0);
}

static bool make_curve(const struct invocation *call, tleg_context *context, const tleg_model *model, const tleg_config *config,
                       int site, double r2, double *gram, struct curve *curve) {
    const size_t depth = (size_t)config->depth;
    memset(gram, 0, depth * depth * sizeof *gram);
    if (!add_layers(call, context, model, config->depth, tleg_site_name(site), "weight", gram))
        return false;
    if (!(config->no_qkv_bias && strcmp(tleg_site_key(site), "qkv") == 0) &&
        !add_layers(call, context, model, config->depth, tleg_site_name(site), "bias", gram))
        return false;
    curve->share = component_find(config->depth, gram, curve->score, curve->line); /* line is still free: workspace */
    fit_line(config->depth, curve->score, curve->line);
    for (size_t l = 0; l < depth; l++)
        curve->layer[l] = (double)l + 1;
    snprintf(curve->title, sizeof curve->title, "%s: R\xC2\xB2 %.2f, PC1 %.0f %%", tleg_site_key(site), r2, 100 * curve->share);
    const int64_t count = config->depth;
    curve->series[0] = (struct plot_series){"the gene's line", PLOT_LINE, 1, curve->layer, curve->line, count};
    curve->series[1] = (struct plot_series){"a layer, along PC1", PLOT_POINTS, 0, curve->layer, curve->score, count};
    return true;
}

static int draw(const struct invocation *call, const char *path, const tleg_config *config, const struct curve curves[SITES]) {
    struct plot_chart charts[SITES];
    char title[96];
    snprintf(title, sizeof title, "%d layers along the first component (PC1)", (int)config->depth);
    for (int s = 0; s < SITES; s++)
        charts[s] = (struct plot_chart){.title = curves[s].title,
                                        .x_label = "layer",
                                        .y_label = "along PC1",
                                        .series = curves[s].series,
                                        .series_count = 2};
    return plot_lines(call, path, title, charts, SITES);
}

static int plot(const struct invocation *call, tleg_context *context, const tleg_model *model, const char *path,
                const double r2[SITES], double shares[SITES]) {
    tleg_config config = {.struct_size = sizeof config};
    struct curve curves[SITES] = {0};
    if (tleg_model_get_info(context, model, &config) != TLEG_OK)
        return tool_fail(call, "%s: not drawn: the model cannot be read", path);
    const size_t depth = (size_t)config.depth;
    double *memory = calloc(depth * (depth + 3 * SITES), sizeof *memory);
    if (!memory)
        return tool_fail_memory(call);
    bool whole = true;
    for (int s = 0; whole && s < SITES; s++) {
        double *at = memory + depth * depth + 3 * depth * (size_t)s;
        curves[s] = (struct curve){.layer = at, .score = at + depth, .line = at + 2 * depth};
        whole = make_curve(call, context, model, &config, s, r2[s], memory, &curves[s]);
        shares[s] = curves[s].share;
    }
    int code = whole ? draw(call, path, &config, curves) : EXIT_FAILED;
    free(memory);
    return code;
}

/* ---- what is said ---- */

static json_t *by_site(const double values[SITES]) {
    struct report report = report_start();
    for (int s = 0; s < SITES; s++)
        report_real(&report, tleg_site_key(s), values[s]);
    return report_member(&report);
}

static int say(const struct invocation *call, const struct options *options, const tleg_config *model, const tleg_config *gene,
               const double r2[SITES], const double shares[SITES]) {
    uint64_t bytes;
    char text[24];
    if (!report_file_bytes(options->out, &bytes))
        return tool_fail(call, "%s: written, but it cannot be read back", options->out);
    if (call->json) {
        struct report report = report_start();
        report_text(&report, "file", options->out);
        report_integer(&report, "depth", model->depth);
        report_size(&report, "parameters", gene->parameters);
        report_size(&report, "bytes", bytes);
        report_add(&report, "r2", by_site(r2));
        report_text(&report, "plot", options->plot);
        report_add(&report, "component", options->plot ? by_site(shares) : json_null());
        return report_print(call, &report);
    }
    printf("%s: a learngene, %" PRIu64 " parameters, %s, from %d layers\n", options->out, gene->parameters,
           report_bytes(bytes, text), (int)model->depth);
    printf("%-8s%8s%s\n", "site", "R2", options->plot ? "   first component's share" : "");
    for (int s = 0; s < SITES; s++) {
        printf("%-8s%8.4f", tleg_site_key(s), r2[s]);
        if (options->plot)
            printf("%26.4f", shares[s]);
        putchar('\n');
    }
    printf("unrelated layers would give an R2 of about %.4f\n", 1.0 / (model->depth - 1));
    return EXIT_DONE;
}

static int linearize(const struct invocation *call, tleg_context *context, const struct options *options,
                     const tleg_model *model, tleg_learngene **gene) {
    tleg_config of_model = {.struct_size = sizeof of_model}, of_gene = {.struct_size = sizeof of_gene};
    double r2[SITES], shares[SITES] = {0};
    if (tleg_learngene_linearize(context, model, r2, 6, gene) != TLEG_OK ||
        tleg_learngene_save(context, *gene, options->out, NULL) != TLEG_OK)
        return tool_fail_context(call, context);
    int code = options->plot ? plot(call, context, model, options->plot, r2, shares) : EXIT_DONE;
    if (code == EXIT_DONE && tleg_model_get_info(context, model, &of_model) == TLEG_OK &&
        tleg_learngene_get_info(context, *gene, &of_gene) == TLEG_OK)
        code = say(call, options, &of_model, &of_gene, r2, shares);
    return code;
}

static int run_linearize(const struct verb *verb, int argc, char **argv) {
    struct options options = {0};
    const struct option table[] = {
        {"-o", OPTION_TEXT, &options.out, 0, 0, NULL},
        {"--plot", OPTION_TEXT, &options.plot, 0, 0, NULL},
        {NULL, OPTION_FLAG, NULL, 0, 0, NULL},
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code))
        return code;
    if (!options.out)
        return tool_misuse(&call, "needs -o");
    if (options.plot && strcmp(options.plot, options.out) == 0)
        return tool_misuse(&call, "-o and --plot name the same file");
    tleg_context *context = tool_context(&call);
    if (!context)
        return EXIT_FAILED;
    tleg_model *model = NULL;
    tleg_learngene *gene = NULL;
    const tleg_open_options opening = {.struct_size = sizeof opening, .heads = call.heads};
    if (tleg_model_open(context, call.operands[0], &opening, &model) != TLEG_OK)
        code = tool_fail_context(&call, context);
    else
        code = linearize(&call, context, &options, model, &gene);
    tleg_learngene_free(gene);
    tleg_model_free(model);
    tleg_context_free(context);
    return code;
}

const struct verb verb_linearize = {
    .name = "linearize",
    .summary = "the learngene that comes closest to a model",
    .usage = "tleg linearize MODEL -o GENE [--plot FILE.svg]",
    .details = "For each weight of each site (norm1, norm2, qkv, proj, fc1, fc2) a least-squares line over depth through its\n"
               "values in all layers gives base and ilayer; everything else is inherited. R2 tells, site by site, how much of\n"
               "the layers' variance the lines explain: 1 means that expanding the learngene gives the model back. Unrelated\n"
               "layers give about 1/(layers-1).\n"
               "\n"
               "Options\n"
               "  -o GENE       the file to write\n"
               "  --plot FILE   an SVG that shows, for each site, the layers along the first principal component of their\n"
               "                weights, and the learngene's line\n"
               "\n"
               "--json: {\"file\", \"depth\" of the model, \"parameters\", \"bytes\" of the file, \"r2\": {\"norm1\", ...}, "
               "\"plot\",\n"
               "\"component\": {\"norm1\", ...}, the first component's share of the variance, null without --plot}\n",
    .run = run_linearize,
};
