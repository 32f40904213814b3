/* tleg classify: the likeliest classes of pictures. */
#include "base/context.h"
#include "base/label.h"
#include "base/report.h"
#include "pictures/prepare.h"
#include "source/depths.h"
#include "source/labels.h"
#include "source/source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct options {
    struct expansion expansion; /* its depth is the first of these */
    const char *depth_list;
    int32_t depths[TLEG_MAX_DEPTH], depth_count; /* rising */
    double sure;                                 /* 0: not given */
    const char *labels;
    int32_t top;
    bool exif, sigmoid;
    struct pictures pictures;
};

struct guess {
    double p;
    int32_t index;
};

/* All that stays the same from picture to picture. */
struct state {
    tleg_context *context;
    const struct options *options;
    struct source source;
    struct labels labels; /* of --labels; else those of the file count */
    tleg_session *session;
    tleg_preparation *preparation;
    float *input, *logits;
    struct guess *guesses; /* (classes) */
    int32_t depth;         /* at which the last picture was answered */
    int32_t layers;        /* that were computed for it, at all its depths */
};

static const char *label_of(const struct state *state, int32_t index) {
    if (state->labels.count)
        return state->labels.names[index];
    return state->source.config.label_count ? state->source.config.labels[index] : NULL;
}

/* Likelier first; equals in the order of the classes. */
static int compare(const void *left, const void *right) {
    const struct guess *a = left, *b = right;
    if (a->p != b->p)
        return a->p > b->p ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* softmax or sigmoids in double. False when a logit is not finite. */
static bool rank(struct state *state) {
    int32_t classes = state->source.config.classes;
    double largest = -INFINITY, sum = 0;
    for (int32_t i = 0; i < classes; i++) {
        if (!isfinite(state->logits[i]))
            return false;
        largest = fmax(largest, state->logits[i]);
    }
    for (int32_t i = 0; i < classes; i++) {
        state->guesses[i] = (struct guess){exp(state->logits[i] - largest), i};
        sum += state->guesses[i].p;
    }
    for (int32_t i = 0; i < classes; i++)
        state->guesses[i].p = state->options->sigmoid ? 1 / (1 + exp(-(double)state->logits[i])) : state->guesses[i].p / sum;
    qsort(state->guesses, (size_t)classes, sizeof *state->guesses, compare);
    return true;
}

static void print_text(const struct state *state, const char *path, int32_t top) {
    if (state->options->depth_count > 1)
        tool_line("%s (depth %d)", path, (int)state->depth);
    else
        tool_line("%s", path);
    for (int32_t i = 0; i < top; i++) {
        const struct guess *guess = &state->guesses[i];
        const char *label = label_of(state, guess->index);
        tool_line("  %6.2f %%  %s%s%d%s", 100 * guess->p, label ? label : "class ", label ? " (" : "", (int)guess->index,
                  label ? ")" : "");
    }
    fflush(stdout);
}

static int print_json(const struct invocation *call, const struct state *state, const char *path, int32_t top) {
    struct report report = report_start();
    json_t *array = json_array();
    report_text(&report, "file", path);
    report_integer(&report, "depth", state->depth);
    report_integer(&report, "layers", state->layers);
    for (int32_t i = 0; i < top; i++) {
        struct report one = report_start();
        report_integer(&one, "index", state->guesses[i].index);
        report_text(&one, "label", label_of(state, state->guesses[i].index));
        report_real(&one, "p", state->guesses[i].p);
        report.whole &= json_array_append_new(array, report_member(&one)) == 0;
    }
    report_add(&report, "top", array);
    return report_print(call, &report);
}

/* Runs the prepared picture at one depth. */
static int answer(const struct invocation *call, struct state *state, const char *path, int32_t depth) {
    if ((state->options->depth_count > 1 && tleg_session_set_depth(state->session, depth) != TLEG_OK) ||
        source_run(state->session, state->input, 1, state->logits, NULL) != TLEG_OK)
        return tool_fail(call, "%s: %s", path, tleg_session_get_error(state->session));
    if (!rank(state))
        return tool_fail(call, "%s: the model's answer is not a finite number", path);
    state->depth = depth;
    state->layers += depth;
    return EXIT_DONE;
}

/* As deep as it takes to be sure. */
static int answer_surely(const struct invocation *call, struct state *state, const char *path) {
    const struct options *options = state->options;
    state->layers = 0;
    int code = answer(call, state, path, state->source.config.depth);
    for (int32_t k = 1; code == EXIT_DONE && k < options->depth_count && state->guesses[0].p < options->sure; k++)
        code = answer(call, state, path, options->depths[k]);
    return code;
}

static int classify(const struct invocation *call, struct state *state, const char *path) {
    char error[PICTURE_ERROR];
    int32_t classes = state->source.config.classes, top = state->options->top < classes ? state->options->top : classes;
    if (!prepare_picture(state->context, state->preparation, path, state->options->exif, state->input,
                         prepare_numbers(&state->source.config), error))
        return tool_fail(call, "%s", error);
    const int code = answer_surely(call, state, path);
    if (code != EXIT_DONE)
        return code;
    if (call->json)
        return print_json(call, state, path, top);
    print_text(state, path, top);
    return EXIT_DONE;
}

/* One picture that fails does not keep the others from being classified. */
static int classify_all(const struct invocation *call, struct state *state) {
    int code = EXIT_DONE;
    for (int i = 1; i < call->operand_count; i++)
        if (classify(call, state, call->operands[i]) != EXIT_DONE)
            code = EXIT_FAILED;
    return code;
}

static int set_up(const struct invocation *call, struct state *state) {
    struct source *source = &state->source;
    int code = source_open_expanded(call, state->context, call->operands[0], &state->options->expansion, source);
    if (code == EXIT_DONE && source->model && state->options->depth_count > 1)
        code = tool_misuse(call, "%s is a model of depth %d; several depths are for a learngene", source->path,
                           (int)source->config.depth);
    if (code == EXIT_DONE)
        pictures_note(call, source->path, &source->config);
    for (int32_t k = 0; code == EXIT_DONE && k < state->options->depth_count && !source->model; k++)
        source_note_depth(call, source->path, &source->config, state->options->depths[k]);
    if (code == EXIT_DONE)
        code = source_need_head(call, source);
    if (code == EXIT_DONE && state->options->labels)
        code = labels_read(call, state->options->labels, source->config.classes, &state->labels);
    if (code == EXIT_DONE && state->options->labels)
        code = label_note_twins(call, state->options->labels, state->labels.names, state->labels.count);
    if (code == EXIT_DONE)
        code = source_session(call, state->context, source, 1, &state->session);
    if (code == EXIT_DONE && prepare_as(state->context, &source->config, &state->preparation) != TLEG_OK)
        code = tool_fail_context(call, state->context);
    if (code != EXIT_DONE)
        return code;
    state->input = malloc(prepare_numbers(&source->config) * sizeof *state->input);
    state->logits = malloc((size_t)source->config.classes * sizeof *state->logits);
    state->guesses = malloc((size_t)source->config.classes * sizeof *state->guesses);
    return state->input && state->logits && state->guesses ? EXIT_DONE : tool_fail_memory(call);
}

static void clear(struct state *state) {
    free(state->input);
    free(state->logits);
    free(state->guesses);
    tleg_session_free(state->session);
    tleg_preparation_free(state->preparation);
    labels_free(&state->labels);
    source_close(&state->source);
    tleg_context_free(state->context);
}

/* False with the exit code. */
static bool settle(const struct invocation *call, struct options *options, int *code) {
    if (!expansion_settle(call, &options->expansion, code))
        return false;
    if (options->depth_list && !depths_list(options->depth_list, options->depths, TLEG_MAX_DEPTH, &options->depth_count))
        *code = tool_misuse(call, "--depth takes depths from 1 to %d, such as 8, or 3,6,12 with --sure; found \"%s\"",
                            TLEG_MAX_DEPTH, options->depth_list);
    else if (options->depth_count > 1 && options->sure == 0)
        *code = tool_misuse(call, "several depths need --sure, the probability from which no deeper one is asked");
    else if (options->sure != 0 && options->depth_count < 2)
        *code = tool_misuse(call, "--sure needs several depths, such as --depth 3,6,12");
    else if (options->sure < 0 || options->sure > 1)
        *code = tool_misuse(call, "--sure takes a probability, more than 0 and at most 1");
    else
        return true;
    return false;
}

static int run_classify(const struct verb *verb, int argc, char **argv) {
    struct options options = {.top = 5, .pictures = PICTURES_NONE};
    const struct option table[] = {
        {"--depth", OPTION_TEXT, &options.depth_list, 0, 0, NULL},
        EXPANSION_OPTIONS_BUT_DEPTH(options.expansion),
        {"--sure", OPTION_REAL, &options.sure, 0, 0, NULL},
        {"--labels", OPTION_TEXT, &options.labels, 0, 0, NULL},
        {"--top", OPTION_COUNT, &options.top, 1, INT32_MAX, NULL},
        {"--exif", OPTION_FLAG, &options.exif, 0, 0, NULL},
        {"--sigmoid", OPTION_FLAG, &options.sigmoid, 0, 0, NULL},
        PICTURES_OPTIONS(options.pictures),
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 2, INT32_MAX, &call, &code) || !settle(&call, &options, &code))
        return code;
    if ((code = pictures_settle(&call, &options.pictures)) != EXIT_DONE)
        return code;
    options.expansion.depth = options.depths[0];
    struct state state = {.context = tool_context(&call), .options = &options};
    if (!state.context)
        return EXIT_FAILED;
    code = set_up(&call, &state);
    if (code == EXIT_DONE)
        code = classify_all(&call, &state);
    clear(&state);
    return code;
}

const struct verb verb_classify = {
    .name = "classify",
    .summary = "classify JPEG and PNG pictures",
    .usage =
        "tleg classify GENE|MODEL [--depth N | --depth LIST --sure P] [--labels FILE] [--top K] [--sigmoid] [--exif] IMAGE...",
    .details =
        "Pictures are prepared as in training, pixel for pixel as PIL and torchvision do: EXIF orientation, alpha and\n"
        "gamma are ignored, 16 bits are cut to the high byte, they are resized and cropped as the file says. A\n"
        "picture that cannot be read is named, the others are still classified, and the exit code is 1.\n"
        "\n"
        "Options\n"
        "  --depth N     layers, 1 to 1024; a learngene needs it\n"
        "  --depth LIST --sure P  as deep as each picture needs: the shallowest of these, as 3,6,12, answers, and the next\n"
        "                deeper one only where the likeliest class has less than the probability P, such as 0.9; in one\n"
        "                session, whose memory does not grow\n" EXPANSION_HELP_BUT_DEPTH
        "  --labels FILE class names, one a line, in place of the file's own\n"
        "  --top K       classes to show (5)\n"
        "  --sigmoid     each class by itself, for classes that do not exclude each other (multi_label_classification)\n"
        "  --exif        apply the EXIF orientation\n" PICTURES_HELP "\n"
        "--json, one object per picture: {\"file\", \"depth\" (which answered), \"layers\" (computed, at all depths asked),\n"
        "\"top\": [{\"index\", \"label\" (null without names), \"p\"}, ...]}\n",
    .run = run_classify,
};
