/* tleg eval: how many pictures of a folder are classified right. */
#include "base/context.h"
#include "base/measure.h"
#include "base/progress.h"
#include "base/report.h"
#include "data/feed.h"
#include "source/source.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct options {
    struct expansion expansion;
    const char *data;
    int32_t batch;
    bool skip_bad, exif;
};

struct score {
    int64_t images, correct, skipped;
    double ms;              /* spent in the model */
    int64_t *class_images;  /* (classes of the folder): scored */
    int64_t *class_correct; /* likewise */
};

/* All that a run over the folder works with. */
struct state {
    tleg_context *context;
    const struct options *options;
    struct source source;
    struct dataset set;
    struct part part; /* all of it */
    struct feed *feed;
    tleg_session *session;
    float *logits; /* (batch, classes) */
    int32_t *row;  /* (classes): where a label stands among the folder's classes */
    struct score score;
    struct progress progress;
};

/* A picture that cannot be used ends the run, or is named and counted. */
static int take_bad(const struct invocation *call, struct state *state, const char *error) {
    progress_clear(&state->progress);
    if (!state->options->skip_bad)
        return tool_fail(call, "%s (--skip-bad continues without such files)", error);
    tool_note(call, "skipped %s", error);
    state->score.skipped++;
    return EXIT_DONE;
}

static int score_one(const struct invocation *call, struct state *state, const struct sample *image, const float *logits) {
    int32_t guess = source_guess(logits, state->source.config.classes), row = state->row[image->label];
    if (guess < 0) {
        progress_clear(&state->progress);
        return tool_fail(call, "%s: the model's answer is not a finite number", image->file);
    }
    state->score.images++;
    state->score.class_images[row]++;
    state->score.correct += guess == image->label;
    state->score.class_correct[row] += guess == image->label;
    return EXIT_DONE;
}

/* first: the place of the batch's first picture among all. */
static int score_batch(const struct invocation *call, struct state *state, const struct feed_unit *batch, size_t first) {
    double start = measure_ms();
    if (source_run(state->session, batch->images, (int64_t)batch->count, state->logits, NULL) != TLEG_OK) {
        progress_clear(&state->progress);
        return tool_fail(call, "%s", tleg_session_get_error(state->session));
    }
    state->score.ms += measure_ms() - start;
    int code = EXIT_DONE;
    for (size_t i = 0; i < batch->count && code == EXIT_DONE; i++)
        code = batch->errors[i] ? take_bad(call, state, batch->errors[i])
                                : score_one(call, state, &state->set.samples[first + i],
                                            state->logits + i * (size_t)state->source.config.classes);
    return code;
}

static int score_all(const struct invocation *call, struct state *state) {
    const struct feed_unit *batch;
    size_t done = 0;
    char text[40];
    int code = EXIT_DONE;
    progress_start(&state->progress, "eval", (int64_t)state->set.count);
    while (code == EXIT_DONE && (batch = feed_next(state->feed)) != NULL) {
        code = score_batch(call, state, batch, done);
        double share = state->score.images ? 100.0 * (double)state->score.correct / (double)state->score.images : 0;
        snprintf(text, sizeof text, "top-1 %.2f %%", share);
        done += batch->count;
        progress_step(&state->progress, (int64_t)done, text);
    }
    progress_clear(&state->progress);
    if (code == EXIT_DONE && state->score.images == 0)
        return tool_fail(call, "%s: none of its %zu images could be used", state->options->data, state->set.count);
    return code;
}

static void print_text(const struct state *state) {
    const struct score *score = &state->score;
    printf("  images  correct  class\n");
    for (size_t i = 0; i < state->set.folder.class_count; i++)
        tool_line("%8" PRId64 " %8" PRId64 "  %s", score->class_images[i], score->class_correct[i],
                  state->set.folder.classes[i].name);
    printf("top-1 %.2f %%: %" PRId64 " of %" PRId64 " images, %" PRId64 " skipped, depth %d, %.3f ms an image\n",
           100.0 * (double)score->correct / (double)score->images, score->correct, score->images, score->skipped,
           (int)state->source.config.depth, score->ms / (double)score->images);
}

static int print_json(const struct invocation *call, const struct state *state) {
    const struct score *score = &state->score;
    struct report report = report_start();
    json_t *classes = json_array();
    report_real(&report, "top1", (double)score->correct / (double)score->images);
    report_integer(&report, "images", score->images);
    report_integer(&report, "correct", score->correct);
    report_integer(&report, "skipped", score->skipped);
    report_integer(&report, "depth", state->source.config.depth);
    report_real(&report, "ms_per_image", score->ms / (double)score->images);
    for (size_t i = 0; i < state->set.folder.class_count; i++) {
        struct report one = report_start();
        report_text(&one, "name", state->set.folder.classes[i].name);
        report_integer(&one, "index", state->set.folder.classes[i].label);
        report_integer(&one, "images", score->class_images[i]);
        report_integer(&one, "correct", score->class_correct[i]);
        report.whole &= json_array_append_new(classes, report_member(&one)) == 0;
    }
    report_add(&report, "classes", classes);
    return report_print(call, &report);
}

static int read_folder(const struct invocation *call, struct state *state) {
    const tleg_config *config = &state->source.config;
    const char *data = state->options->data;
    const struct dataset_options from = {
        .dir = data, .classes = config->labels, .class_count = config->label_count, .exif = state->options->exif};
    int code = dataset_open_folder(call, &from, &state->set);
    if (code != EXIT_DONE)
        return code;
    if (!config->label_count && state->set.folder.class_count != (size_t)config->classes)
        return tool_fail(call,
                         "%s: %zu class folders; the model has %d classes, and no labels to match them by name: expected a "
                         "folder for each class",
                         data, state->set.folder.class_count, (int)config->classes);
    for (size_t i = 0; i < state->set.folder.class_count; i++)
        if (state->set.folder.classes[i].images == 0)
            tool_note(call, "%s/%s: no images of this class", data, state->set.folder.classes[i].name);
    struct part none;
    code = part_split(call, &state->set, 0, &state->part, &none);
    part_free(&none);
    return code;
}

static struct feed *start_feed(const struct invocation *call, struct state *state) {
    size_t count = state->part.count, batch = (size_t)state->options->batch < count ? (size_t)state->options->batch : count;
    const struct feed_plan plan = {.part = &state->part,
                                   .config = &state->source.config,
                                   .repeats = 1,
                                   .batch = batch,
                                   .ranks = 1,
                                   .end = (int64_t)((count + batch - 1) / batch),
                                   .loaders = 1};
    return feed_start(call, &plan);
}

static int make_room(const struct invocation *call, struct state *state) {
    size_t classes = (size_t)state->source.config.classes, folders = state->set.folder.class_count;
    state->logits = malloc((size_t)state->options->batch * classes * sizeof *state->logits);
    state->row = calloc(classes, sizeof *state->row);
    state->score.class_images = calloc(folders, sizeof *state->score.class_images);
    state->score.class_correct = calloc(folders, sizeof *state->score.class_correct);
    if (!state->logits || !state->row || !state->score.class_images || !state->score.class_correct)
        return tool_fail_memory(call);
    for (size_t i = 0; i < folders; i++)
        state->row[state->set.folder.classes[i].label] = (int32_t)i;
    state->feed = start_feed(call, state);
    return state->feed ? EXIT_DONE : EXIT_FAILED;
}

static int evaluate(const struct invocation *call, struct state *state) {
    int code = source_open_expanded(call, state->context, call->operands[0], &state->options->expansion, &state->source);
    if (code == EXIT_DONE)
        code = read_folder(call, state);
    if (code == EXIT_DONE)
        code = source_session(call, state->context, &state->source, state->options->batch, &state->session);
    if (code == EXIT_DONE)
        code = make_room(call, state);
    if (code == EXIT_DONE)
        code = score_all(call, state);
    if (code != EXIT_DONE)
        return code;
    if (call->json)
        return print_json(call, state);
    print_text(state);
    return EXIT_DONE;
}

static void clear(struct state *state) {
    feed_stop(state->feed);
    free(state->logits);
    free(state->row);
    free(state->score.class_images);
    free(state->score.class_correct);
    part_free(&state->part);
    dataset_close(&state->set);
    tleg_session_free(state->session);
    source_close(&state->source);
    tleg_context_free(state->context);
}

static int run_eval(const struct verb *verb, int argc, char **argv) {
    struct options options = {.batch = 32};
    const struct option table[] = {
        EXPANSION_OPTIONS(options.expansion),
        {"--data", OPTION_TEXT, &options.data, 0, 0, NULL},
        {"--batch", OPTION_COUNT, &options.batch, 1, 65536, NULL},
        {"--skip-bad", OPTION_FLAG, &options.skip_bad, 0, 0, NULL},
        {"--exif", OPTION_FLAG, &options.exif, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code) || !expansion_settle(&call, &options.expansion, &code))
        return code;
    if (!options.data)
        return tool_misuse(&call, "needs --data");
    struct state state = {.context = tool_context(&call), .options = &options};
    code = state.context ? evaluate(&call, &state) : EXIT_FAILED;
    clear(&state);
    return code;
}

const struct verb verb_eval = {
    .name = "eval",
    .summary = "score a folder of labelled pictures",
    .usage = "tleg eval GENE|MODEL [--depth N] [--batch B] [--skip-bad] [--exif] --data DIR",
    .details =
        "DIR holds a folder for each class, with JPEG and PNG files in it and below. Folders are matched with the\n"
        "file's labels by name; without labels there must be one for each class, and in byte order of their names\n"
        "they are the classes 0, 1, ... Names that begin with a dot, and files that are not named as images are, are\n"
        "skipped. Every image counts once, at any --batch. On a terminal a progress bar is shown.\n"
        "\n"
        "Options\n" EXPANSION_HELP "  --data DIR    the pictures\n"
        "  --batch B     images at once (32); the score does not depend on it\n"
        "  --skip-bad    report and count files that cannot be read, and score the rest; without it the first is an error\n"
        "  --exif        apply the EXIF orientation\n"
        "\n"
        "--json: {\"top1\", \"images\", \"correct\", \"skipped\", \"depth\", \"ms_per_image\", \"classes\": [{\"name\", "
        "\"index\",\n"
        "\"images\", \"correct\"}, ...]}, the classes in their order\n",
    .run = run_eval,
};
