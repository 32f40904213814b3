/* tleg linearize: the gene whose layers come closest to a model's, and how much of those it explains. */
#include "base/context.h"
#include "base/options.h"
#include "base/place.h"
#include "base/report.h"
#include "drawing/component.h"
#include "drawing/plot.h"
#include "source/curve.h"
#include "source/source.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/linearize.h>

enum { SITES = 16 }; /* the most, of all that the library knows */

struct options {
    const char *out, *plot;
    struct curve_options curves;
    bool features; /* what its head tells */
};

/* What was found of the sites that the model has: R^2 for 1, 2, ... tensors, and what unrelated layers would give there. */
struct shares {
    int32_t sites, site[SITES];                                 /* their numbers, of which the rows below are */
    int32_t tensors;                                            /* the most of any segment */
    double r2[SITES][CURVE_MOST], unrelated[SITES][CURVE_MOST]; /* with all tensors r2 is what the file gives back */
    double exact[SITES];                                        /* R^2 with all tensors, were they not rounded */
    double component[SITES];                                    /* the first component's share of the variance */
};

static bool has_tensor(const tleg_model *model, int32_t site, const char *part) {
    char tensor[64];
    const char *name;
    snprintf(tensor, sizeof tensor, "blocks.0.%s.%s", tleg_site_name(site), part);
    for (int64_t i = 0; (name = tleg_model_get_tensor_name(model, i)) != NULL; i++)
        if (strcmp(name, tensor) == 0)
            return true;
    return false;
}

/* What a site's tensors are called; NULL ends the list. LayerScale's factors are its gamma. */
static const char *const parts[] = {"weight", "gamma", "bias", NULL};

static void find_sites(const tleg_model *model, struct shares *shares) {
    for (int32_t site = 0; shares->sites < SITES && tleg_site_key(site); site++)
        if (has_tensor(model, site, "weight") || has_tensor(model, site, "gamma"))
            shares->site[shares->sites++] = site;
}

/* ---- what unrelated layers would give ----
 * A site's tensors span as many directions of the L that its layers could differ in, one of them the mean. Layers that have
 * nothing to do with each other lie as much along one direction as along another: of their distance from the mean,
 * (tensors - 1) / (L - 1) is explained. */

/* Which tensor of its segment a weight's name says; -1: not a weight of the site. */
static int32_t find_tensor(const char *name, int32_t site) {
    char start[64];
    snprintf(start, sizeof start, "blocks.block.%s.instances.", tleg_site_name(site));
    if (strncmp(name, start, strlen(start)) != 0)
        return -1;
    const char *which = strstr(name, ".weight"), *of_basis = strstr(name, "_basis");
    if (!which && !strstr(name, ".gamma"))
        return -1;
    return of_basis ? (int32_t)strtol(of_basis + strlen("_basis"), NULL, 10) : strstr(name, "_ilayer") != NULL;
}

static void find_unrelated(const tleg_learngene *gene, int32_t depth, struct shares *shares) {
    shares->tensors = 1;
    for (int32_t s = 0; s < shares->sites; s++) {
        int32_t directions[CURVE_MOST] = {0};
        for (int64_t i = 0; i < tleg_learngene_get_tensor_count(gene); i++) {
            const int32_t tensor = find_tensor(tleg_learngene_get_tensor_name(gene, i), shares->site[s]);
            shares->tensors = tensor >= shares->tensors ? tensor + 1 : shares->tensors;
            for (int32_t k = tensor; tensor >= 0 && k < CURVE_MOST; k++)
                directions[k]++;
        }
        for (int32_t k = 0; k < CURVE_MOST; k++)
            shares->unrelated[s][k] = depth > 1 ? (directions[k] - 1.0) / (depth - 1) : 0;
    }
}

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

/* ---- what the file gives back ----
 * The least squares tell R^2 of exact tensors. The file's are f32, and so is their sum, in which they may cancel each other. */

/* A site's sums of squares: of its layers' distances from their mean, and from the gene's layers. */
struct distances {
    double mean, gene;
};

/* One layer; `first` is layer 0, `sum` of all distances from it (count). */
static void add_layer(int64_t count, const float *first, const float *was, const float *is, double *sum, struct distances *d) {
    for (int64_t i = 0; i < count; i++) {
        const double change = (double)was[i] - (double)first[i], off = (double)was[i] - (double)is[i];
        sum[i] += change;
        d->mean += change * change;
        d->gene += off * off;
    }
}

static bool add_distances(const struct invocation *call, tleg_context *context, const tleg_model *model,
                          const tleg_model *again, int32_t depth, const char *site, const char *part, struct distances *d) {
    float *first = NULL;
    double *sum = NULL;
    bool whole = true;
    int64_t count = 0;
    for (int32_t l = 0; whole && l < depth; l++) {
        char name[64];
        snprintf(name, sizeof name, "blocks.%d.%s.%s", (int)l, site, part);
        float *was = read_layer(call, context, model, name, &count);
        float *is = was ? read_layer(call, context, again, name, &count) : NULL;
        if (is && !sum && !(sum = calloc((size_t)count, sizeof *sum)))
            tool_fail_memory(call);
        whole = is && sum;
        if (whole)
            add_layer(count, first ? first : was, was, is, sum, d);
        free(is);
        if (l == 0)
            first = was;
        else
            free(was);
    }
    for (int64_t i = 0; whole && i < count; i++)
        d->mean -= sum[i] * sum[i] / depth;
    free(first);
    free(sum);
    return whole;
}

/* R^2 with all tensors becomes that of the gene expanded to the model's depth. */
static int find_given_back(const struct invocation *call, tleg_context *context, const tleg_learngene *gene,
                           const tleg_model *model, int32_t depth, struct shares *shares) {
    tleg_expander *expander = NULL;
    tleg_model *again = NULL;
    int code = EXIT_DONE;
    if (tleg_expander_create(context, gene, NULL, &expander) != TLEG_OK ||
        tleg_expander_expand(context, expander, depth, &again) != TLEG_OK)
        code = tool_fail_context(call, context);
    tleg_expander_free(expander);
    for (int32_t s = 0; code == EXIT_DONE && s < shares->sites; s++) {
        struct distances d = {0};
        for (int i = 0; code == EXIT_DONE && parts[i]; i++)
            if (has_tensor(model, shares->site[s], parts[i]) &&
                !add_distances(call, context, model, again, depth, tleg_site_name(shares->site[s]), parts[i], &d))
                code = EXIT_FAILED;
        double *all = &shares->r2[s][shares->tensors - 1];
        shares->exact[s] = *all;
        *all = d.mean > 0 ? 1 - d.gene / d.mean : 1;
    }
    tleg_model_free(again);
    return code;
}

/* Where that is much less than exact tensors would give back: of the site that loses most. */
static void note_loss(const struct invocation *call, const struct shares *shares) {
    const int32_t last = shares->tensors - 1;
    int32_t most = 0;
    for (int32_t s = 1; s < shares->sites; s++)
        if (shares->exact[s] - shares->r2[s][last] > shares->exact[most] - shares->r2[most][last])
            most = s;
    if (shares->exact[most] - shares->r2[most][last] > 0.001)
        tool_note(call, "of %s the file gives back R2 %.4f, exact tensors %.4f: %s", tleg_site_key(shares->site[most]),
                  shares->r2[most][last], shares->exact[most],
                  last > 1 ? "those of this curve cancel each other, which f32 rounds away; --curve cosine loses least"
                           : "its layers differ by little more than f32 can tell");
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
    for (int i = 0; parts[i]; i++)
        if (has_tensor(model, site, parts[i]) &&
            !add_layers(call, context, model, config->depth, tleg_site_name(site), parts[i], gram))
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

static int draw(const struct invocation *call, const char *path, const tleg_config *config, const struct curve curves[SITES],
                int32_t sites) {
    struct plot_chart charts[SITES];
    char title[96];
    snprintf(title, sizeof title, "%d layers along the first component (PC1)", (int)config->depth);
    for (int s = 0; s < sites; s++)
        charts[s] = (struct plot_chart){.title = curves[s].title,
                                        .x_label = "layer",
                                        .y_label = "along PC1",
                                        .series = curves[s].series,
                                        .series_count = 2};
    return plot_lines(call, path, title, charts, sites);
}

static int plot_lines_of(const struct invocation *call, tleg_context *context, const tleg_model *model, const char *path,
                         struct shares *shares) {
    tleg_config config = {.struct_size = sizeof config};
    struct curve curves[SITES] = {0};
    if (tleg_model_get_info(context, model, &config) != TLEG_OK)
        return tool_fail(call, "%s: not drawn: the model cannot be read", path);
    const size_t depth = (size_t)config.depth;
    double *memory = calloc(depth * (depth + 3 * SITES), sizeof *memory);
    if (!memory)
        return tool_fail_memory(call);
    bool whole = true;
    for (int s = 0; whole && s < shares->sites; s++) {
        double *at = memory + depth * depth + 3 * depth * (size_t)s;
        curves[s] = (struct curve){.layer = at, .score = at + depth, .line = at + 2 * depth};
        whole = make_curve(call, context, model, &config, shares->site[s], shares->r2[s][1], memory, &curves[s]);
        shares->component[s] = curves[s].share;
    }
    int code = whole ? draw(call, path, &config, curves, shares->sites) : EXIT_FAILED;
    free(memory);
    return code;
}

/* R^2 as it grows with the tensors, of each site, and of unrelated layers. */
static int plot_growth(const struct invocation *call, const char *path, int32_t depth, const struct shares *shares) {
    struct plot_series series[SITES + 1];
    double tensors[CURVE_MOST], unrelated[CURVE_MOST] = {0};
    char title[96];
    snprintf(title, sizeof title, "%d layers: what tensors explain", (int)depth);
    for (int32_t k = 0; k < shares->tensors; k++)
        tensors[k] = k + 1;
    for (int s = 0; s < shares->sites; s++) {
        series[s] = (struct plot_series){tleg_site_key(shares->site[s]), PLOT_LINE, s, tensors, shares->r2[s], shares->tensors};
        for (int32_t k = 0; k < shares->tensors; k++)
            unrelated[k] = fmax(unrelated[k], shares->unrelated[s][k]);
    }
    series[shares->sites] =
        (struct plot_series){"unrelated layers", PLOT_DASHES, shares->sites, tensors, unrelated, shares->tensors};
    const struct plot_chart chart = {
        .title = "", .x_label = "tensors", .y_label = "R\xC2\xB2", .series = series, .series_count = shares->sites + 1};
    return plot_lines(call, path, title, &chart, 1);
}

/* ---- what is said ---- */

static json_t *by_site(const struct shares *shares, const double *values, size_t stride) {
    struct report report = report_start();
    for (int32_t s = 0; s < shares->sites; s++)
        report_real(&report, tleg_site_key(shares->site[s]), values[(size_t)s * stride]);
    return report_member(&report);
}

static json_t *by_tensors(const struct shares *shares) {
    struct report report = report_start();
    for (int s = 0; s < shares->sites; s++) {
        json_t *array = json_array();
        for (int32_t k = 0; k < shares->tensors; k++)
            json_array_append_new(array, json_real(shares->r2[s][k]));
        report_add(&report, tleg_site_key(shares->site[s]), array);
    }
    return report_member(&report);
}

static bool is_plain(const struct options *options) {
    return !options->curves.schedule;
}

static int say_json(const struct invocation *call, const struct options *options, const tleg_config *model,
                    const tleg_config *gene, uint64_t bytes, const struct shares *shares) {
    struct report report = report_start();
    report_text(&report, "file", options->out);
    report_integer(&report, "depth", model->depth);
    report_size(&report, "parameters", gene->parameters);
    report_size(&report, "bytes", bytes);
    report_add(&report, "r2", by_site(shares, &shares->r2[0][shares->tensors - 1], CURVE_MOST));
    report_text(&report, "plot", options->plot);
    report_add(&report, "component", options->plot && is_plain(options) ? by_site(shares, shares->component, 1) : json_null());
    report_add(&report, "unrelated", by_site(shares, &shares->unrelated[0][shares->tensors - 1], CURVE_MOST));
    report_add(&report, "r2_by_tensors", by_tensors(shares));
    report_add(&report, "r2_exact", by_site(shares, shares->exact, 1));
    return report_print(call, &report);
}

static void say_table(const struct options *options, const struct shares *shares) {
    const int32_t last = shares->tensors - 1;
    int width = 8;
    for (int s = 0; s < shares->sites; s++)
        width = (int)strlen(tleg_site_key(shares->site[s])) > width ? (int)strlen(tleg_site_key(shares->site[s])) : width;
    printf("%-*s ", width, "R2");
    for (int32_t k = 0; k < last; k++)
        printf("%8d", (int)k + 1);
    printf("%8d%s%s\n", (int)last + 1, "   of unrelated layers",
           options->plot && is_plain(options) ? "   first component's share" : "");
    for (int s = 0; s < shares->sites; s++) {
        printf("%-*s ", width, tleg_site_key(shares->site[s]));
        for (int32_t k = 0; k <= last; k++)
            printf("%8.4f", shares->r2[s][k]);
        printf("%22.4f", shares->unrelated[s][last]);
        if (options->plot && is_plain(options))
            printf("%26.4f", shares->component[s]);
        putchar('\n');
    }
}

/* Whether the file gives the model back, up to rounding. */
static bool gives_back(const struct shares *shares) {
    bool all = true;
    for (int32_t s = 0; s < shares->sites; s++)
        all = all && shares->r2[s][shares->tensors - 1] > 0.9999;
    return all;
}

static int say(const struct invocation *call, const struct options *options, const tleg_config *model, const tleg_config *gene,
               const struct shares *shares) {
    uint64_t bytes;
    char text[24];
    if (!report_file_bytes(options->out, &bytes))
        return tool_fail(call, "%s: written, but it cannot be read back", options->out);
    if (call->json)
        return say_json(call, options, model, gene, bytes, shares);
    tool_line("%s: a learngene, %" PRIu64 " parameters, %s, from %d layers", options->out, gene->parameters,
              report_bytes(bytes, text), (int)model->depth);
    say_table(options, shares);
    if (gives_back(shares)) {
        printf("At %d layers it gives the model back.\n", (int)model->depth);
        return EXIT_DONE;
    }
    printf("Unless R2 is close to 1, what is expanded from it %s: let it learn from the model first,\n",
           source_draws(model) ? "draws noise" : "answers by chance, or little better");
    const bool told = call->heads || call->activation || call->eps > 0 || call->key || call->names;
    if (told)
        tool_line("    tleg convert %s -o TEACHER, with what you said of it here; then", call->operands[0]);
    tool_line("    tleg distill --from %s --teacher %s%s --depth %d --data DIR --epochs 20 -o LEARNED", options->out,
              told ? "TEACHER" : call->operands[0], model->classes && !options->features ? "" : " --teacher-features",
              (int)model->depth);
    return EXIT_DONE;
}

static int linearize(const struct invocation *call, tleg_context *context, const struct options *options,
                     const tleg_model *model, tleg_learngene **gene) {
    tleg_config of_model = {.struct_size = sizeof of_model}, of_gene = {.struct_size = sizeof of_gene};
    double r2[SITES][CURVE_MOST]; /* of all sites that the library knows */
    struct shares shares = {0};
    if (tleg_model_get_info(context, model, &of_model) != TLEG_OK)
        return tool_fail_context(call, context);
    find_sites(model, &shares);
    if (tleg_learngene_fit(context, model, options->curves.schedule, CURVE_MOST, r2[0], SITES * CURVE_MOST, gene) != TLEG_OK ||
        tleg_learngene_save(context, *gene, options->out, NULL) != TLEG_OK ||
        tleg_learngene_get_info(context, *gene, &of_gene) != TLEG_OK)
        return tool_fail_context(call, context);
    for (int32_t s = 0; s < shares.sites; s++)
        memcpy(shares.r2[s], r2[shares.site[s]], sizeof *r2);
    find_unrelated(*gene, of_model.depth, &shares);
    int code = find_given_back(call, context, *gene, model, of_model.depth, &shares);
    if (code == EXIT_DONE)
        note_loss(call, &shares);
    if (code == EXIT_DONE && options->plot)
        code = is_plain(options) ? plot_lines_of(call, context, model, options->plot, &shares)
                                 : plot_growth(call, options->plot, of_model.depth, &shares);
    return code == EXIT_DONE ? say(call, options, &of_model, &of_gene, &shares) : code;
}

static int open_model(const struct invocation *call, tleg_context *context, struct options *options, tleg_model **model) {
    const tleg_open_options opening = source_opening(call);
    tleg_config config = {.struct_size = sizeof config};
    tleg_file *file = source_file(call, context, call->operands[0]);
    if (!file)
        return EXIT_FAILED;
    const bool open =
        tleg_model_read(context, file, &opening, model) == TLEG_OK && tleg_model_get_info(context, *model, &config) == TLEG_OK;
    options->features = open && source_tells_features(file, &config);
    tleg_file_free(file);
    return open ? EXIT_DONE : tool_fail_context(call, context);
}

static int run_linearize(const struct verb *verb, int argc, char **argv) {
    struct options options = {0};
    const struct option table[] = {
        {"-o", OPTION_TEXT, &options.out, 0, 0, NULL},
        {"--plot", OPTION_TEXT, &options.plot, 0, 0, NULL},
        CURVE_OPTIONS(options.curves),
        {NULL, OPTION_FLAG, NULL, 0, 0, NULL},
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code))
        return code;
    if (!options.out)
        return tool_misuse(&call, "needs -o");
    if (options.plot && place_same(options.plot, options.out))
        return tool_misuse(&call, "-o and --plot name the same file");
    if ((code = curve_settle(&call, &options.curves)) != EXIT_DONE)
        return code;
    if (options.plot && (code = place_apart(&call, "--plot", options.plot, call.operands[0])) != EXIT_DONE)
        return code;
    if ((code = place_take_apart(&call, options.out, call.operands[0])) != EXIT_DONE ||
        (options.plot && (code = place_take_or_device(&call, "--plot", options.plot)) != EXIT_DONE))
        return code;
    tleg_context *context = tool_context(&call);
    if (!context)
        return EXIT_FAILED;
    tleg_model *model = NULL;
    tleg_learngene *gene = NULL;
    code = open_model(&call, context, &options, &model);
    if (code == EXIT_DONE)
        code = linearize(&call, context, &options, model, &gene);
    tleg_learngene_free(gene);
    tleg_model_free(model);
    tleg_context_free(context);
    return code;
}

const struct verb verb_linearize = {
    .name = "linearize",
    .summary = "measure how much of a model's layers a learngene explains",
    .usage = "tleg linearize MODEL -o GENE [--curve C --count K | --schedule J] [--plot FILE.svg]",
    .details =
        "For each weight of each site (norm1, norm2, qkv, proj, fc1, fc2; of a generator modulation too) a least-squares line "
        "over depth through its\n"
        "values in all layers gives base and ilayer, or a curve the tensors of --count; everything else is inherited.\n"
        "R2 tells, site by site, how much of the layers' squared distance from their mean that explains: with 1 the\n"
        "expanded learngene gives the model back. With all tensors it is measured on what the file gives back, which f32\n"
        "rounds; it may be below 0.\n"
        "\n"
        "This is a measurement, and a start for learning. Layers that were trained without a learngene lie on no line:\n"
        "of 12 a line explains some 0.09, as of unrelated ones, for which K tensors give about (K-1)/(layers-1), and\n"
        "what is expanded then answers by chance, or little better. To get a learngene that works, let this one learn from the "
        "model:\n"
        "    tleg distill --from GENE --teacher MODEL --depth 12 --data DIR --epochs 20 -o LEARNED\n"
        "As many tensors as layers give the model back; take the cosine curve then, which loses least to rounding.\n"
        "\n"
        "Options\n"
        "  -o GENE       the file to write\n"
        "  --count K     tensors that every layer is a sum of, 1 to 16 (2: base and ilayer), at most one a layer\n"
        "  --curve C     their factors by depth: power (default), chebyshev, cosine\n"
        "  --schedule J  in place of these two the segments of each site, as JSON: {\"qkv\":[[4,true],[2,false]]}\n"
        "  --plot FILE   an SVG that shows, for each site, the layers along the first principal component of their\n"
        "                weights, and the learngene's line; with --count or --schedule, R2 by the number of tensors\n"
        "\n"
        "--json: {\"file\", \"depth\" of the model, \"parameters\", \"bytes\" of the file, \"r2\": {\"norm1\", ...}, "
        "\"plot\",\n"
        "\"component\": {\"norm1\", ...}, the first component's share of the variance, null but for a line's --plot,\n"
        "\"unrelated\": {\"norm1\", ...}, the R2 of unrelated layers, \"r2_by_tensors\": {\"norm1\": [...], ...}, of 1, 2,\n"
        "... tensors, \"r2_exact\": {\"norm1\", ...}, of all tensors before they are rounded to f32}\n",
    .run = run_linearize,
};
