/* tleg features: what a model makes of pictures before its head. */
#include "data/features.h"
#include "base/context.h"
#include "base/place.h"
#include "base/report.h"
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

/* All that a run works with. */
struct run {
    const struct options *options;
    tleg_context *context;
    struct source source;
    struct dataset set;
    struct part part;
    bool labelled;
    struct features features;
    char model[FEATURES_MODEL];
    int64_t *labels; /* (rows) */
    json_t *names;
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
    if (code == EXIT_DONE && options->test && (!run->labelled || run->set.folder.class_count > 0))
        code = tool_misuse(call, "--test is for a folder of binary files, which hold a test split");
    if (code == EXIT_DONE)
        code = part_split(call, &run->set, 0, &run->part, &none);
    part_free(&none);
    return code;
}

/* ---- the file ---- */

/* What each row is of. */
static int name_rows(const struct invocation *call, struct run *run) {
    const size_t count = run->features.count;
    char name[DATASET_NAME];
    bool whole = (run->names = json_array()) && (run->labels = calloc(count, sizeof *run->labels));
    for (size_t i = 0; whole && i < count; i++) {
        const size_t item = run->features.items[i];
        const struct sample *sample = &run->set.samples[item];
        dataset_name(&run->set, item, name);
        run->labels[i] = sample->label;
        whole = json_array_append_new(run->names, report_string(run->labelled ? name : sample->file)) == 0;
    }
    return whole ? EXIT_DONE : tool_fail_memory(call);
}

static int save(const struct invocation *call, struct run *run, const tleg_save_options *options) {
    static const char *const names[] = {"features", "labels"};
    const int64_t shape[] = {(int64_t)run->features.count, (int64_t)run->features.dim};
    tleg_tensor *features = NULL, *labels = NULL;
    tleg_status status = tleg_tensor_wrap(run->context, TLEG_F32, 2, shape, run->features.rows, NULL, NULL, &features);
    if (status == TLEG_OK)
        status = tleg_tensor_wrap(run->context, TLEG_I64, 1, shape, run->labels, NULL, NULL, &labels);
    const tleg_tensor *const values[] = {features, labels};
    if (status == TLEG_OK)
        status = tleg_file_save(run->context, run->options->out, run->labelled ? 2 : 1, names, values, options);
    tleg_tensor_free(features);
    tleg_tensor_free(labels);
    return status == TLEG_OK ? EXIT_DONE : tool_fail_context(call, run->context);
}

static int write_file(const struct invocation *call, struct run *run) {
    json_t *classes = report_texts((const char *const *)run->set.classes, run->set.class_count);
    char *names = report_dump(run->names), *labels = report_dump(classes), depth[16];
    snprintf(depth, sizeof depth, "%d", (int)run->source.config.depth);
    const char *pairs[] = {"names", names, "depth", depth, "model", run->model, "classes", labels};
    const tleg_save_options options = {.struct_size = sizeof options, .pairs = run->labelled ? 4 : 3, .keys_and_values = pairs};
    const int code = names && labels ? save(call, run, &options) : tool_fail_memory(call);
    free(names);
    free(labels);
    json_decref(classes);
    return code;
}

static int say_written(const struct invocation *call, const struct run *run) {
    const char *out = run->options->out;
    if (!call->json) {
        tool_line("%s: features [%zu,%zu] of %zu pictures, depth %d%s", out, run->features.count, run->features.dim,
                  run->features.count, (int)run->source.config.depth, run->labelled ? ", with labels" : "");
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", out);
    report_integer(&report, "images", (int64_t)run->features.count);
    report_integer(&report, "skipped", (int64_t)(run->part.count - run->features.count));
    report_integer(&report, "dim", (int64_t)run->features.dim);
    report_integer(&report, "depth", run->source.config.depth);
    report_integer(&report, "classes", run->set.class_count);
    return report_print(call, &report);
}

/* ---- the call ---- */

static int make_features(const struct invocation *call, struct run *run) {
    const struct options *options = run->options;
    const struct features_plan plan = {.context = run->context,
                                       .source = &run->source,
                                       .part = &run->part,
                                       .doing = "features",
                                       .batch = options->batch,
                                       .loaders = options->loaders,
                                       .skip_bad = options->skip_bad};
    return features_make(call, &plan, &run->features);
}

/* What is told beside the features is little. */
static int find_room(const struct invocation *call, const struct run *run) {
    const uint64_t dim = (uint64_t)source_features(&run->source.config), labels = run->labelled ? sizeof(int64_t) : 0;
    return place_out_room(call, run->options->out, run->part.count * (dim * sizeof(float) + labels));
}

static int work(const struct invocation *call, struct run *run) {
    const struct options *options = run->options;
    struct source *source = &run->source;
    int code =
        features_open_model(call, run->context, call->operands[0], &options->expansion, options->exif, source, run->model);
    if (code == EXIT_DONE)
        pictures_note(call, source->path, &source->config);
    if (code == EXIT_DONE && !source->model)
        source_note_depth(call, source->path, &source->config, source->config.depth);
    if (code == EXIT_DONE)
        code = open_pictures(call, run);
    if (code == EXIT_DONE)
        code = find_room(call, run);
    if (code == EXIT_DONE)
        code = make_features(call, run);
    if (code == EXIT_DONE)
        code = name_rows(call, run);
    if (code == EXIT_DONE)
        code = write_file(call, run);
    return code == EXIT_DONE ? say_written(call, run) : code;
}

static void clear(struct run *run) {
    features_free(&run->features);
    free(run->labels);
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
        {"--batch", OPTION_COUNT, &options.batch, 1, MOST_BATCH, NULL},
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
    for (int i = 1; i < call.operand_count; i++)
        if ((code = place_apart(&call, "-o", options.out, call.operands[i])) != EXIT_DONE)
            return code;
    if ((code = pictures_settle(&call, &options.pictures)) != EXIT_DONE ||
        (code = place_take_apart(&call, options.out, call.operands[0])) != EXIT_DONE)
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
        "its metadata \"names\", a JSON array with the picture of each row, \"classes\", another with the classes' names,\n"
        "\"depth\", and \"model\", a word that differs when what made them does. Features are held in memory until all are\n"
        "there, pictures are not. tleg probe says what they are worth, tleg distance how far two sets are apart.\n"
        "\n"
        "Options\n" EXPANSION_HELP PICTURES_HELP
        "  --batch B     pictures at once (32); --loaders N: threads that read them (1)\n"
        "  --test        of binary files those to judge by (named test or t10k)\n"
        "  --skip-bad    report and leave out files that cannot be read; without it the first is an error\n"
        "  --exif        apply the EXIF orientation\n"
        "  -o OUT        the safetensors file to write\n"
        "\n"
        "--json: {\"file\", \"images\", \"skipped\", \"dim\", \"depth\", \"classes\"}\n",
    .run = run_features,
};
