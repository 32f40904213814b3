/* tleg probe: what features are worth, by their neighbours and by a linear function of them. */
#include "base/context.h"
#include "base/options.h"
#include "base/place.h"
#include "base/report.h"
#include "data/features.h"
#include "data/probing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *test;
    int32_t neighbours, val_every;
    double tau, ridge;
};

/* What tleg features wrote. */
struct table {
    struct features features;
    tleg_tensor *labels;
    struct rows rows;
    char *classes; /* the names, as JSON; NULL: the file does not say */
};

/* ---- reading ---- */

static int check(const struct invocation *call, const char *path, const tleg_tensor_info *labels, struct table *table) {
    const struct features *features = &table->features;
    struct rows *rows = &table->rows;
    if (labels->dtype != TLEG_I64 || labels->rank != 1 || labels->shape[0] != (int64_t)features->count)
        return tool_fail(call,
                         "%s: expected \"features\", f32 [N,D], and \"labels\", i64 [N], as tleg features writes them of a "
                         "folder of classes",
                         path);
    *rows = (struct rows){.features = features->rows, .labels = labels->data, .count = features->count, .dim = features->dim};
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->labels[i] < 0 || rows->labels[i] >= 1 << 20)
            return tool_fail(call, "%s: \"labels\"[%zu]: expected 0 to %d, found %" PRId64, path, i, (1 << 20) - 1,
                             rows->labels[i]);
        if (rows->labels[i] >= rows->classes)
            rows->classes = (int32_t)rows->labels[i] + 1;
    }
    return EXIT_DONE;
}

static int read_labels(const struct invocation *call, tleg_context *context, const char *path, const tleg_file *file,
                       struct table *table) {
    tleg_tensor_info labels = {.struct_size = sizeof labels};
    const char *classes = tleg_file_get_metadata(file, "classes");
    if (tleg_file_read_tensor(context, file, "labels", &table->labels) != TLEG_OK ||
        tleg_tensor_get_info(context, table->labels, &labels) != TLEG_OK)
        return tool_fail_context(call, context);
    if (classes && !(table->classes = strdup(classes)))
        return tool_fail_memory(call);
    return check(call, path, &labels, table);
}

static int read_table(const struct invocation *call, tleg_context *context, const char *path, struct table *table) {
    tleg_file *file = NULL;
    if (tleg_file_open(context, path, NULL, &file) != TLEG_OK)
        return tool_fail_context(call, context);
    int code = features_read(call, context, path, file, &table->features);
    if (code == EXIT_DONE)
        code = read_labels(call, context, path, file, table);
    tleg_file_free(file);
    return code;
}

static void free_table(struct table *table) {
    features_free(&table->features);
    tleg_tensor_free(table->labels);
    free(table->classes);
}

/* ---- what judges ---- */

/* Every N-th row of each class, from its first on, judges; the others teach. Both in memory of their own. */
struct split {
    float *features;
    int64_t *labels;
    struct rows learned, judged;
};

static int split_rows(const struct invocation *call, const struct rows *all, int32_t every, struct split *split) {
    size_t *seen = calloc((size_t)all->classes, sizeof *seen), judged = 0, learned = 0;
    split->features = malloc(all->count * all->dim * sizeof *split->features);
    split->labels = malloc(all->count * sizeof *split->labels);
    bool room = seen && split->features && split->labels;
    for (size_t i = 0; room && i < all->count; i++) {
        const bool judges = seen[all->labels[i]]++ % (size_t)every == 0; /* from the front, the others from the back */
        const size_t at = judges ? judged++ : all->count - ++learned;
        memcpy(split->features + at * all->dim, all->features + i * all->dim, all->dim * sizeof(float));
        split->labels[at] = all->labels[i];
    }
    free(seen);
    split->judged = split->learned = *all;
    split->judged.features = split->features;
    split->judged.labels = split->labels;
    split->judged.count = judged;
    split->learned.count = learned;
    split->learned.features = room ? split->features + judged * all->dim : NULL;
    split->learned.labels = room ? split->labels + judged : NULL;
    if (room && (learned == 0 || judged == 0))
        return tool_fail(call, "%zu rows leave none to learn from, or none to judge by: give --test", all->count);
    return room ? EXIT_DONE : tool_fail_memory(call);
}

static int match(const struct invocation *call, const struct options *options, const struct table *own,
                 const struct table *test) {
    if (own->rows.dim != test->rows.dim)
        return tool_fail(call, "%s: features of %zu numbers; those of %s have %zu", options->test, test->rows.dim,
                         call->operands[0], own->rows.dim);
    if (own->classes && test->classes && strcmp(own->classes, test->classes) != 0)
        return tool_fail(call, "%s: other classes than those of %s", options->test, call->operands[0]);
    const char *one = own->features.model, *other = test->features.model;
    if (*one && *other && strcmp(one, other) != 0)
        return tool_fail(call, "%s: features of another model, depth or size of pictures than those of %s", options->test,
                         call->operands[0]);
    return EXIT_DONE;
}

/* ---- scores ---- */

static int score(const struct invocation *call, const struct options *options, const struct rows *learned,
                 const struct rows *test) {
    const int64_t near = probing_neighbours(learned, test, options->neighbours, options->tau);
    const int64_t linear = near < 0 ? -1 : probing_linear(learned, test, options->ridge);
    const double n = (double)test->count;
    if (near < 0 || linear == -1)
        return tool_fail_memory(call);
    if (linear < 0)
        return tool_fail(call, "the linear probe has no solution: features are too large, or --ridge too small");
    if (!call->json) {
        printf("%zu rows of %zu features, %d classes, judged by %zu others\n", learned->count, learned->dim,
               (int)learned->classes, test->count);
        printf("nearest %d    top-1 %.2f %%: %" PRId64 " right (cosine, weights exp(cosine / %g))\n", (int)options->neighbours,
               100 * (double)near / n, near, options->tau);
        printf("linear probe  top-1 %.2f %%: %" PRId64 " right (ridge %g)\n", 100 * (double)linear / n, linear, options->ridge);
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_integer(&report, "learned", (int64_t)learned->count);
    report_integer(&report, "images", (int64_t)test->count);
    report_integer(&report, "neighbours", options->neighbours);
    report_integer(&report, "neighbours_correct", near);
    report_real(&report, "neighbours_top1", (double)near / n);
    report_integer(&report, "linear_correct", linear);
    report_real(&report, "linear_top1", (double)linear / n);
    return report_print(call, &report);
}

static int work(const struct invocation *call, tleg_context *context, const struct options *options) {
    struct table own = {0}, test = {0};
    struct split split = {0};
    int code = read_table(call, context, call->operands[0], &own);
    if (code == EXIT_DONE && options->test)
        code = read_table(call, context, options->test, &test);
    if (code == EXIT_DONE && options->test)
        code = match(call, options, &own, &test);
    else if (code == EXIT_DONE)
        code = split_rows(call, &own.rows, options->val_every ? options->val_every : 10, &split);
    if (code == EXIT_DONE)
        code = score(call, options, options->test ? &own.rows : &split.learned, options->test ? &test.rows : &split.judged);
    free(split.features);
    free(split.labels);
    free_table(&own);
    free_table(&test);
    return code;
}

static int run_probe(const struct verb *verb, int argc, char **argv) {
    struct options options = {.neighbours = 20, .tau = 0.07, .ridge = 0.01};
    const struct option table[] = {
        {"--test", OPTION_TEXT, &options.test, 0, 0, NULL},
        {"--val-every", OPTION_COUNT, &options.val_every, 2, INT32_MAX, NULL},
        {"--neighbours", OPTION_COUNT, &options.neighbours, 1, 100000, NULL},
        {"--tau", OPTION_REAL, &options.tau, 0, 0, NULL},
        {"--ridge", OPTION_REAL, &options.ridge, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code))
        return code;
    if (options.test && options.val_every)
        return tool_misuse(&call, "--test and --val-every each say what judges: give one");
    if (options.test && place_same(options.test, call.operands[0]))
        return tool_misuse(&call, "--test names %s, which is learned from: give others, or --val-every", options.test);
    tleg_context *context = tool_context(&call);
    code = context ? work(&call, context, &options) : EXIT_FAILED;
    tleg_context_free(context);
    return code;
}

const struct verb verb_probe = {
    .name = "probe",
    .summary = "score features by their neighbours and by a linear probe",
    .usage = "tleg probe FEATURES [--test OTHERS | --val-every N] [--neighbours K] [--tau T] [--ridge L]",
    .details =
        "FEATURES and OTHERS are what tleg features writes of folders of classes. Two scores are said: of the K nearest\n"
        "features by the cosine, each with the weight exp(cosine / T), as DINO's evaluation has it; and of a linear\n"
        "function of the standardised features, the ridge regression of the classes on them, which has one solution.\n"
        "\n"
        "Options\n"
        "  --test OTHERS    judge by these\n"
        "  --val-every N    or by every N-th row of each class, which is not learned from (10)\n"
        "  --neighbours K   (20)\n"
        "  --tau T          (0.07)\n"
        "  --ridge L        how much weights are held back: L is added to the features' correlations' diagonal (0.01)\n"
        "\n"
        "--json: {\"learned\", \"images\", \"neighbours\", \"neighbours_correct\", \"neighbours_top1\", \"linear_correct\",\n"
        "\"linear_top1\"}\n",
    .run = run_probe,
};
