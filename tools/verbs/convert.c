/* tleg convert: a model or a learngene from any file that opens, as a safetensors file. */
#include "base/context.h"
#include "base/label.h"
#include "base/memory_file.h"
#include "base/place.h"
#include "base/report.h"
#include "source/depths.h"
#include "source/draft.h"
#include "source/labels.h"
#include "source/pictures.h"
#include "source/source.h"
#include "training/retarget.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct expansion expansion; /* dtype and image */
    struct pictures pictures;
    const char *out, *labels, *schedule, *depths;
    int32_t classes; /* of a fresh head; 0: its own */
    uint64_t seed;
};

/* ---- the same tensors with other metadata ---- */

enum { PAIRS = 3 }; /* within DRAFT_MORE */
struct pairs {      /* each takes the place of one of its key */
    int64_t count;
    const char *keys_and_values[2 * PAIRS];
};

static void put(struct pairs *pairs, const char *key, const char *value) {
    if (!value)
        return;
    pairs->keys_and_values[2 * pairs->count] = key;
    pairs->keys_and_values[2 * pairs->count++ + 1] = value;
}

static bool has(const struct pairs *pairs, const char *key) {
    for (int64_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->keys_and_values[2 * i], key) == 0)
            return true;
    return false;
}

static void put_pairs(const tleg_file *file, const struct pairs *pairs, struct draft *draft) {
    const char *key;
    for (int64_t i = 0; (key = tleg_file_get_metadata_key(file, i)) != NULL; i++)
        if (!has(pairs, key))
            draft_put_pair(draft, key, tleg_file_get_metadata(file, key));
    for (int64_t i = 0; i < pairs->count; i++)
        draft_put_pair(draft, pairs->keys_and_values[2 * i], pairs->keys_and_values[2 * i + 1]);
}

/* A tensor of a type that the library does not read belongs to no network. */
static tleg_status put_tensors(tleg_context *context, const tleg_file *file, struct draft *draft) {
    tleg_status status = TLEG_OK;
    const char *name;
    for (int64_t i = 0; status == TLEG_OK && (name = tleg_file_get_tensor_name(file, i)) != NULL; i++) {
        status = draft_put_tensor(context, draft, file, name);
        if (status == TLEG_ERROR_UNSUPPORTED)
            status = TLEG_OK;
    }
    return status;
}

/* The file again, with `pairs`, in memory. */
static int write_again(const struct invocation *call, tleg_context *context, const tleg_file *file, const struct pairs *pairs,
                       struct memory_file *bytes) {
    struct draft draft;
    int code = draft_make(file, &draft) ? EXIT_DONE : tool_fail_memory(call);
    if (code == EXIT_DONE && put_tensors(context, file, &draft) != TLEG_OK)
        code = tool_fail_context(call, context);
    if (code == EXIT_DONE) {
        put_pairs(file, pairs, &draft);
        const tleg_save_options options = draft_options(&draft);
        if (tleg_file_write(context, memory_file_append, bytes, draft.count, draft.names,
                            (const tleg_tensor *const *)draft.tensors, &options) != TLEG_OK)
            code = tool_fail_context(call, context);
    }
    draft_free(&draft);
    return code;
}

/* NULL after saying why not. */
static tleg_file *open_bytes(const struct invocation *call, tleg_context *context, struct memory_file *bytes,
                             const char *path) {
    tleg_file *file = NULL;
    if (memory_file_open(context, bytes, path, &file) != TLEG_OK)
        tool_fail_context(call, context);
    return file;
}

/* What an open file is with `pairs`. */
static int read_with(const struct invocation *call, tleg_context *context, const char *path, const tleg_file *file,
                     const struct expansion *expansion, const struct pairs *pairs, struct source *source) {
    struct memory_file bytes = {0};
    if (pairs->count == 0)
        return source_read(call, context, path, file, expansion, source);
    int code = write_again(call, context, file, pairs, &bytes);
    tleg_file *again = code == EXIT_DONE ? open_bytes(call, context, &bytes, path) : NULL;
    code = again ? source_read(call, context, path, again, expansion, source) : EXIT_FAILED;
    tleg_file_free(again);
    free(bytes.data);
    return code;
}

/* ---- what the call says of it ---- */

/* "[4,8,12]" for "4,8,12" or "4-12"; *text is freed by the caller. */
static int depths_json(const struct invocation *call, const char *depths, char **text) {
    int32_t list[TLEG_MAX_DEPTH], count;
    if (!depths)
        return EXIT_DONE;
    if (!depths_list(depths, list, TLEG_MAX_DEPTH, &count))
        return tool_misuse(call, "--depths takes depths from 1 to %d, such as 3-12 or 4,8,12; found \"%s\"", TLEG_MAX_DEPTH,
                           depths);
    char *at = *text = malloc(8 * (size_t)count + 3);
    if (!at)
        return tool_fail_memory(call);
    for (int32_t i = 0; i < count; i++)
        at += sprintf(at, "%c%d", i ? ',' : '[', (int)list[i]);
    strcpy(at, "]");
    return EXIT_DONE;
}

static int labels_json(const struct invocation *call, const char *path, int32_t classes, char **text) {
    struct labels labels = {0};
    if (!path)
        return EXIT_DONE;
    int code = labels_read(call, path, classes, &labels);
    if (code == EXIT_DONE)
        code = label_note_twins(call, path, labels.names, labels.count);
    if (code == EXIT_DONE) {
        json_t *array = report_texts(labels.names, labels.count);
        *text = json_dumps(array, JSON_COMPACT);
        json_decref(array);
    }
    labels_free(&labels);
    return code != EXIT_DONE || *text ? code : tool_fail_memory(call);
}

static bool are_labels(const tleg_config *a, const tleg_config *b) {
    bool same = a->label_count == b->label_count;
    for (int32_t i = 0; same && i < a->label_count; i++)
        same = strcmp(a->labels[i], b->labels[i]) == 0;
    return same;
}

/* The source again, whose every key is written out, with labels and depths; *renamed: it had other labels. */
static int say_more(const struct invocation *call, tleg_context *context, const struct options *options, struct source *source,
                    bool *renamed) {
    struct pairs pairs = {0};
    struct memory_file bytes = {0};
    char *depths = NULL, *labels = NULL;
    struct source more = {0};
    const struct expansion none = {0};
    const struct invocation plain = {.verb = call->verb, .json = call->json}; /* what else the call says is in it by now */
    int code = depths_json(call, options->depths, &depths);
    if (code == EXIT_DONE)
        code = labels_json(call, options->labels, source->config.classes, &labels);
    put(&pairs, "tleg.depths", depths);
    put(&pairs, "tleg.labels", labels);
    if (code == EXIT_DONE && pairs.count > 0) {
        const tleg_status status = source->gene ? tleg_learngene_write(context, source->gene, memory_file_append, &bytes, NULL)
                                                : tleg_model_write(context, source->model, memory_file_append, &bytes, NULL);
        tleg_file *file = status == TLEG_OK ? open_bytes(call, context, &bytes, source->path) : NULL;
        if (status != TLEG_OK)
            tool_fail_context(call, context);
        code = file ? read_with(&plain, context, source->path, file, &none, &pairs, &more) : EXIT_FAILED;
        tleg_file_free(file);
        *renamed = code == EXIT_DONE && source->config.labels && !are_labels(&source->config, &more.config);
        source_close(source);
        *source = more;
    }
    free(bytes.data);
    free(depths);
    free(labels);
    return code;
}

/* ---- the whole ---- */

static int say(const struct invocation *call, const struct options *options, int32_t written, const struct source *source) {
    const char *dtype = tool_dtype_name(written ? written : source->config.dtype);
    uint64_t size;
    char text[24];
    if (!report_file_bytes(options->out, &size))
        return tool_fail(call, "%s: written, but it cannot be read back", options->out);
    if (!call->json) {
        tool_line("%s: a %s, %s, %" PRIu64 " parameters, %s", options->out, source->gene ? "learngene" : "model", dtype,
                  source->config.parameters, report_bytes(size, text));
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", options->out);
    report_text(&report, "kind", source_kind(source));
    report_text(&report, "dtype", dtype);
    report_size(&report, "parameters", source->config.parameters);
    report_size(&report, "bytes", size);
    return report_print(call, &report);
}

/* A fresh head; *dtype: the type to write, that of the source unless the call says it. */
static int change_classes(const struct invocation *call, tleg_context *context, const struct options *options,
                          struct source *source, int32_t *dtype) {
    const int32_t classes = source->config.classes;
    if (!*dtype)
        *dtype = source->config.dtype;
    const int code = retarget_head(call, context, source, options->classes, options->seed);
    if (code == EXIT_DONE)
        tool_note(call, "the head starts fresh: %d classes instead of %d (seed %" PRIu64 "): tleg tune teaches it",
                  (int)options->classes, (int)classes, options->seed);
    return code;
}

static int convert(const struct invocation *call, tleg_context *context, const struct options *options) {
    const char *path = call->operands[0];
    const tleg_scores no_scores = {.struct_size = sizeof no_scores};
    tleg_save_options how = {.struct_size = sizeof how, .dtype = options->expansion.dtype};
    struct source source = {0};
    struct pairs first = {0};
    put(&first, "tleg.schedule", options->schedule); /* without it, the tensors of its segments are strangers */
    tleg_file *file = source_file(call, context, path);
    int code = file ? read_with(call, context, path, file, &options->expansion, &first, &source) : EXIT_FAILED;
    if (code == EXIT_DONE && source.gene && !how.dtype)
        how.dtype = source_stored_dtype(context, file);
    tleg_file_free(file);
    if (code == EXIT_DONE && source.gene && options->expansion.image.height)
        code = tool_misuse(call, "%s is a learngene, which expands to any size of picture: --image is for a model", path);
    if (code == EXIT_DONE && !source.gene && (options->schedule || options->depths))
        code = tool_misuse(call, "%s is a model: --schedule and --depths are of a learngene", path);
    if (code == EXIT_DONE && options->classes && options->classes != source.config.classes)
        code = change_classes(call, context, options, &source, &how.dtype);
    bool renamed = false;
    if (code == EXIT_DONE)
        code = say_more(call, context, options, &source, &renamed);
    if (renamed && source.config.scores) { /* they may be in another order now */
        tool_note(call, "%s: its scores are left out: they were measured of classes with other names", path);
        how.scores = &no_scores;
    }
    if (code == EXIT_DONE && (source.gene ? tleg_learngene_save(context, source.gene, options->out, &how)
                                          : tleg_model_save(context, source.model, options->out, &how)) != TLEG_OK)
        code = tool_fail_context(call, context);
    if (code == EXIT_DONE)
        code = say(call, options, how.dtype, &source);
    source_close(&source);
    return code;
}

static int run_convert(const struct verb *verb, int argc, char **argv) {
    struct options options = {.pictures = PICTURES_NONE};
    const struct option table[] = {
        {"--dtype", OPTION_CHOICE, &options.expansion.dtype, 0, 0, option_dtypes},
        IMAGE_OPTIONS(options.expansion),
        {"--classes", OPTION_COUNT, &options.classes, 1, INT32_MAX, NULL},
        {"--seed", OPTION_SEED, &options.seed, 0, 0, NULL},
        {"--labels", OPTION_TEXT, &options.labels, 0, 0, NULL},
        PICTURES_OPTIONS(options.pictures),
        {"--schedule", OPTION_TEXT, &options.schedule, 0, 0, NULL},
        {"--depths", OPTION_TEXT, &options.depths, 0, 0, NULL},
        {"-o", OPTION_TEXT, &options.out, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code))
        return code;
    if (!options.out)
        return tool_misuse(&call, "needs -o");
    if ((code = pictures_settle(&call, &options.pictures)) != EXIT_DONE)
        return code;
    if ((code = place_apart(&call, "-o", options.out, options.labels)) != EXIT_DONE ||
        (code = place_take(&call, "-o", options.out)) != EXIT_DONE)
        return code;
    tleg_context *context = tool_context(&call);
    code = context ? convert(&call, context, &options) : EXIT_FAILED;
    tleg_context_free(context);
    return code;
}

const struct verb verb_convert = {
    .name = "convert",
    .summary = "write a model or a learngene of any file that opens as safetensors",
    .usage = "tleg convert FILE [--key K] [--dtype T] [--image I] [--classes C] [--labels FILE] [--mean R,G,B --std R,G,B ...] "
             "-o OUT",
    .details =
        "FILE is whatever the other verbs open: a PyTorch checkpoint (.pth, .pt, .bin), safetensors, an index of several\n"
        "files, a folder. OUT is a safetensors file under timm's names, and says all that FILE or the call says.\n"
        "\n"
        "Options\n"
        "  --dtype T     type of the numbers: f32, bf16, f16; as FILE has them otherwise\n"
        "  --image I     side of a model's input in pixels, or height and width (224x128): its position embedding is\n"
        "                resampled; --positions-filter F: bicubic (default), or antialias, as timm does it today\n"
        "  --classes C   where FILE has another number of classes: a fresh head for so many, without labels, to be tuned;\n"
        "                --seed S: its numbers (0)\n"
        "  --labels FILE class names, one a line\n" PICTURES_HELP
        "  --schedule J  segments of a learngene's sites as JSON, where they are not one a site\n"
        "  --depths L    at which a learngene was learned, such as 3-12 or 4,8,12\n"
        "  -o OUT        the file to write\n"
        "\n"
        "--json: {\"file\", \"kind\", \"dtype\", \"parameters\", \"bytes\"}\n",
    .run = run_convert,
};
