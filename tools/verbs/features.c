/* tleg features: what a model makes of pictures before its head. */
#include "base/context.h"
#include "base/place.h"
#include "base/progress.h"
#include "base/report.h"
#include "data/feed.h"
#include "source/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct options {
    struct expansion expansion;
    struct pictures pictures;
    int32_t batch, loaders;
    bool exif, skip_bad, test;
    const char *out;
};

/* All that a run over the pictures works with. Rows of pictures that cannot be used are left out. */
struct run {
    const struct options *options;
    tleg_context *context;
    struct source source;
    struct dataset set;
    struct part part;
    bool labelled;
    struct feed *feed;
    tleg_session *session;
    tleg_tensor *features, *labels; /* (count, dim), (count) */
    float *logits;                  /* (batch, classes) */
    json_t *names;
    size_t rows, dim;
    struct progress progress;
};

/* ---- pictures ---- */

/* Files that the call names, in its order. */
static int list_files(const struct invocation *call, struct dataset *set) {
    const size_t count = (size_t)call->operand_count - 1;
    set->options.dir = "";
    set->samples = calloc(count, sizeof *set->samples);
    if (!set->samples)
        return tool_fail_memory(call);
    for (size_t i = 0; i < count; i++)
        set->samples[i] = (struct sample){.file = call->operands[i + 1], .number = -1};
    set->count = count;
    return EXIT_DONE;
}

static int open_pictures(const struct invocation *call, struct run *run) {
    const struct options *options = run->options;
    const struct dataset_options from = {
        .dir = call->operands[1], .role = options->test ? DATASET_JUDGE : DATASET_LEARN, .exif = options->exif};
    struct stat what;
    struct part none = {0};
    run->labelled = stat(call->operands[1], &what) == 0 && S_ISDIR(what.st_mode);
    if (run->labelled && call->operand_count > 2)
        return tool_misuse(call, "takes one folder, or files");
    int code = run->labelled ? dataset_open(call, &from, &run->set) : list_files(call, &run->set);
    run->set.options.exif = options->exif;
    if (code == EXIT_DONE)
        code = part_split(call, &run->set, 0, &run->part, &none);
    part_free(&none);
    return code;
}

static int make_room(const struct invocation *call, struct run *run) {
    const tleg_config *config = &run->source.config;
    const int64_t shape[] = {(int64_t)run->part.count, config->dim};
    run->dim = (size_t)config->dim;
    run->names = json_array();
    run->logits = malloc((size_t)run->options->batch * (size_t)(config->classes + 1) * sizeof *run->logits);
    if (!run->names || !run->logits)
        return tool_fail_memory(call);
    if (tleg_tensor_create(run->context, TLEG_F32, 2, shape, &run->features) != TLEG_OK ||
        tleg_tensor_create(run->context, TLEG_I64, 1, shape, &run->labels) != TLEG_OK)
        return tool_fail_context(call, run->context);
    const struct feed_plan plan = {.part = &run->part,
                                   .config = config,
                                   .batch = (size_t)run->options->batch,
                                   .ranks = 1,
                                   .repeats = 1,
                                   .end = ((int64_t)run->part.count - 1) / run->options->batch + 1,
                                   .loaders = run->options->loaders};
    run->feed = feed_start(call, &plan);
    return run->feed ? EXIT_DONE : EXIT_FAILED;
}

/* ---- features ---- */

static void *data_of(const tleg_tensor *tensor) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    return tleg_tensor_get_info(NULL, tensor, &info) == TLEG_OK ? info.data : NULL;
}

/* The features of a good picture, which lie at `row`, go where the next row is. */
static int keep(const struct invocation *call, struct run *run, size_t place, const float *row) {
    const size_t item = run->part.items[place];
    char name[DATASET_NAME];
    float *features = data_of(run->features);
    memmove(features + run->rows * run->dim, row, run->dim * sizeof *row);
    ((int64_t *)data_of(run->labels))[run->rows++] = run->set.samples[item].label;
    dataset_name(&run->set, item, name);
    return json_array_append_new(run->names, report_string(run->labelled ? name : run->set.samples[item].file)) == 0
               ? EXIT_DONE
               : tool_fail_memory(call);
}

static int take(const struct invocation *call, struct run *run, const struct feed_unit *unit, size_t first) {
    float *rows = (float *)data_of(run->features) + run->rows * run->dim;
    int code = EXIT_DONE;
    if (unit->want)
        return tool_fail(call, "%s", unit->want);
    if (source_run(run->session, unit->images, (int64_t)unit->count, run->logits, rows) != TLEG_OK)
        return tool_fail(call, "%s", tleg_session_get_error(run->session));
    for (size_t i = 0; i < unit->count && code == EXIT_DONE; i++) {
        if (!unit->errors[i]) {
            code = keep(call, run, first + i, rows + i * run->dim);
        } else if (run->options->skip_bad) {
            progress_clear(&run->progress);
            tool_note(call, "skipped %s", unit->errors[i]);
        } else {
            code = tool_fail(call, "%s (--skip-bad continues without such files)", unit->errors[i]);
        }
    }
    return code;
}

static int take_all(const struct invocation *call, struct run *run) {
    const struct feed_unit *unit;
    size_t done = 0;
    int code = EXIT_DONE;
    progress_start(&run->progress, "features", (int64_t)run->part.count);
    while (code == EXIT_DONE && (unit = feed_next(run->feed)) != NULL) {
        code = take(call, run, unit, done);
        done += unit->count;
        progress_step(&run->progress, (int64_t)done, "");
    }
    progress_clear(&run->progress);
    if (code == EXIT_DONE && run->rows == 0)
        return tool_fail(call, "none of the %zu pictures could be used", run->part.count);
    return code;
}

/* ---- the file ---- */

/* The first rows of a tensor, as one of its own. */
static tleg_status cut(tleg_context *context, tleg_tensor **tensor, int64_t rows) {
    tleg_tensor_info from = {.struct_size = sizeof from}, to = {.struct_size = sizeof to};
    tleg_tensor *less = NULL;
    tleg_status status = tleg_tensor_get_info(context, *tensor, &from);
    if (status != TLEG_OK || from.shape[0] == rows)
        return status;
    from.shape[0] = rows;
    status = tleg_tensor_create(context, from.dtype, from.rank, from.shape, &less);
    if (status == TLEG_OK)
        status = tleg_tensor_get_info(context, less, &to);
    if (status != TLEG_OK)
        return status;
    memcpy(to.data, from.data, to.bytes);
    tleg_tensor_free(*tensor);
    *tensor = less;
    return TLEG_OK;
}

static int write_file(const struct invocation *call, struct run *run) {
    static const char *const tensors[] = {"features", "labels"};
    json_t *classes = report_texts((const char *const *)run->set.classes, run->set.class_count);
    char *names = report_dump(run->names), *labels = report_dump(classes), depth[16];
    snprintf(depth, sizeof depth, "%d", (int)run->source.config.depth);
    const char *pairs[] = {"names", names, "depth", depth, "classes", labels};
    const tleg_save_options options = {.struct_size = sizeof options, .pairs = run->labelled ? 3 : 2, .keys_and_values = pairs};
    int code = names && labels ? EXIT_DONE : tool_fail_memory(call);
    if (code == EXIT_DONE && (cut(run->context, &run->features, (int64_t)run->rows) != TLEG_OK ||
                              cut(run->context, &run->labels, (int64_t)run->rows) != TLEG_OK))
        code = tool_fail_context(call, run->context);
    const tleg_tensor *const values[] = {run->features, run->labels};
    if (code == EXIT_DONE &&
        tleg_file_save(run->context, run->options->out, run->labelled ? 2 : 1, tensors, values, &options) != TLEG_OK)
        code = tool_fail_context(call, run->context);
    free(names);
    free(labels);
    json_decref(classes);
    return code;
}

static int say_written(const struct invocation *call, const struct run *run) {
    const char *out = run->options->out;
    if (!call->json) {
        tool_line("%s: features [%zu,%zu] of %zu pictures, depth %d%s", out, run->rows, run->dim, run->rows,
                  (int)run->source.config.depth, run->labelled ? ", with labels" : "");
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", out);
    report_integer(&report, "images", (int64_t)run->rows);
    report_integer(&report, "skipped", (int64_t)(run->part.count - run->rows));
    report_integer(&report, "dim", (int64_t)run->dim);
    report_integer(&report, "depth", run->source.config.depth);
    report_integer(&report, "classes", run->set.class_count);
    return report_print(call, &report);
}

/* ---- the call ---- */

static int work(const struct invocation *call, struct run *run) {
    struct source *source = &run->source;
    int code = source_open_expanded(call, run->context, call->operands[0], &run->options->expansion, source);
    if (code == EXIT_DONE)
        pictures_note(call, source->path, &source->config);
    if (code == EXIT_DONE && !source->model)
        source_note_depth(call, source->path, &source->config, source->config.depth);
    if (code == EXIT_DONE)
        code = open_pictures(call, run);
    if (code == EXIT_DONE)
        code = source_session(call, run->context, source, run->options->batch, &run->session);
    if (code == EXIT_DONE)
        code = make_room(call, run);
    if (code == EXIT_DONE)
        code = take_all(call, run);
    if (code == EXIT_DONE)
        code = write_file(call, run);
    return code == EXIT_DONE ? say_written(call, run) : code;
}

static void clear(struct run *run) {
    feed_stop(run->feed);
    tleg_session_free(run->session);
    tleg_tensor_free(run->features);
    tleg_tensor_free(run->labels);
    free(run->logits);
    json_decref(run->names);
    part_free(&run->part);
    dataset_close(&run->set);
    source_close(&run->source);
    tleg_context_free(run->context);
}

static int run_features(const struct verb *verb, int argc, char **argv) {
    struct options options = {.pictures = PICTURES_NONE, .batch = 32, .loaders = 1};
    const struct option table[] = {
        EXPANSION_OPTIONS(options.expansion),
        PICTURES_OPTIONS(options.pictures),
        {"--batch", OPTION_COUNT, &options.batch, 1, 65536, NULL},
        {"--loaders", OPTION_COUNT, &options.loaders, 1, 64, NULL},
        {"--exif", OPTION_FLAG, &options.exif, 0, 0, NULL},
        {"--skip-bad", OPTION_FLAG, &options.skip_bad, 0, 0, NULL},
        {"--test", OPTION_FLAG, &options.test, 0, 0, NULL},
        {"-o", OPTION_TEXT, &options.out, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 2, INT32_MAX, &call, &code) ||
        !expansion_settle(&call, &options.expansion, &code))
        return code;
    if (!options.out)
        return tool_misuse(&call, "needs -o");
    if ((code = pictures_settle(&call, &options.pictures)) != EXIT_DONE ||
        (code = place_take(&call, "-o", options.out)) != EXIT_DONE)
        return code;
    struct run run = {.options = &options, .context = tool_context(&call)};
    code = run.context ? work(&call, &run) : EXIT_FAILED;
    clear(&run);
    return code;
}

const struct verb verb_features = {
    .name = "features",
    .summary = "write what a model makes of pictures before its head",
    .usage = "tleg features GENE|MODEL [--depth N] [--batch B] [--skip-bad] ... -o OUT DIR|PICTURE...",
    .details =
        "DIR holds a folder of pictures for each class, CIFAR's binary files or IDX files. OUT gets \"features\", f32\n"
        "[N,D], a row for each picture: what the head reads, after the last norm; \"labels\", i64 [N], of a DIR alone; in\n"
        "its metadata \"names\", a JSON array with the picture of each row, \"classes\", another with the classes' names, and\n"
        "\"depth\". Features are held in memory until all are there, pictures are not. tleg probe says what they are worth.\n"
        "\n"
        "Options\n" EXPANSION_HELP PICTURES_HELP
        "  --batch B     pictures at once (32); --loaders N: threads that read them (1)\n"
        "  --test        of binary files those to judge by (test*, t10k*)\n"
        "  --skip-bad    report and leave out files that cannot be read; without it the first is an error\n"
        "  --exif        apply the EXIF orientation\n"
        "  -o OUT        the safetensors file to write\n"
        "\n"
        "--json: {\"file\", \"images\", \"skipped\", \"dim\", \"depth\", \"classes\"}\n",
    .run = run_features,
};
