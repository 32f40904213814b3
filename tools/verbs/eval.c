/* tleg eval: how many pictures of a folder are classified right, at one depth or several. */
#include "base/context.h"
#include "base/report.h"
#include "data/scoring.h"
#include "source/scores.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct options {
    struct expansion expansion; /* its depth is the first of these */
    const char *depths;
    struct scoring_options scoring;
    bool write_scores;
};

/* What is scored, and what came of it. */
struct state {
    tleg_context *context;
    const struct options *options;
    int32_t depths[TLEG_MAX_DEPTH], depth_count;
    struct source source;
    uint64_t file; /* the digest of its file, where scores will be written into that */
    struct scoring scoring;
    struct scoring_table table;
};

/* ---- one depth ---- */

static void print_one(const struct scoring *scoring) {
    const struct depth_score *score = &scoring->depths[0];
    printf("  images  correct  class\n");
    for (size_t i = 0; i < scoring->set.folder.class_count; i++)
        tool_line("%8" PRId64 " %8" PRId64 "  %s", scoring->class_images[i], score->class_correct[i],
                  scoring->set.folder.classes[i].name);
    printf("top-1 %.2f %%: %" PRId64 " of %" PRId64 " images, %" PRId64 " skipped, depth %d, %.3f ms an image\n",
           100.0 * scoring_share(scoring, 0), score->correct, scoring->images, scoring->skipped, (int)score->depth,
           scoring_ms(scoring, 0));
}

static int print_one_object(const struct invocation *call, const struct scoring *scoring) {
    const struct depth_score *score = &scoring->depths[0];
    struct report report = report_start();
    json_t *classes = json_array();
    report_real(&report, "top1", scoring_share(scoring, 0));
    report_integer(&report, "images", scoring->images);
    report_integer(&report, "correct", score->correct);
    report_integer(&report, "skipped", scoring->skipped);
    report_integer(&report, "depth", score->depth);
    report_real(&report, "ms_per_image", scoring_ms(scoring, 0));
    for (size_t i = 0; i < scoring->set.folder.class_count; i++) {
        struct report one = report_start();
        report_text(&one, "name", scoring->set.folder.classes[i].name);
        report_integer(&one, "index", scoring->set.folder.classes[i].label);
        report_integer(&one, "images", scoring->class_images[i]);
        report_integer(&one, "correct", score->class_correct[i]);
        report.whole &= json_array_append_new(classes, report_member(&one)) == 0;
    }
    report_add(&report, "classes", classes);
    return report_print(call, &report);
}

/* ---- several ---- */

static void print_table(const struct scoring *scoring, const tleg_config *config, const tleg_best *best) {
    printf("depth  correct    top-1  ms an image\n");
    for (int32_t k = 0; k < scoring->depth_count; k++) {
        const struct depth_score *score = &scoring->depths[k];
        printf("%5d %8" PRId64 "  %5.2f %%  %11.3f%s\n", (int)score->depth, score->correct, 100 * scoring_share(scoring, k),
               scoring_ms(scoring, k), source_learned(config, score->depth) ? "" : "  not learned");
    }
    printf("of %" PRId64 " images, %" PRId64 " skipped\n", scoring->images, scoring->skipped);
    printf("best: depth %d, %.2f %%; within one standard error, %.2f points: depth %d, %.2f %%\n", (int)best->depth,
           100 * best->score, 100 * best->standard_error, (int)best->cheapest, 100 * best->cheapest_score);
}

static int print_table_object(const struct invocation *call, const struct scoring *scoring, const tleg_config *config,
                              const tleg_best *best) {
    struct report report = report_start();
    json_t *depths = json_array();
    report_integer(&report, "images", scoring->images);
    report_integer(&report, "skipped", scoring->skipped);
    report_integer(&report, "best", best->depth);
    report_integer(&report, "cheapest", best->cheapest);
    report_real(&report, "standard_error", best->standard_error);
    for (int32_t k = 0; k < scoring->depth_count; k++) {
        struct report one = report_start();
        report_integer(&one, "depth", scoring->depths[k].depth);
        report_real(&one, "top1", scoring_share(scoring, k));
        report_integer(&one, "correct", scoring->depths[k].correct);
        report_real(&one, "ms_per_image", scoring_ms(scoring, k));
        const bool learned = source_learned(config, scoring->depths[k].depth);
        report_add(&one, "learned", config->depth_count ? json_boolean(learned) : json_null());
        report.whole &= json_array_append_new(depths, report_member(&one)) == 0;
    }
    report_add(&report, "depths", depths);
    return report_print(call, &report);
}

static int say_table(const struct invocation *call, struct state *state) {
    tleg_best best = {.struct_size = sizeof best};
    const tleg_budget budget = {.struct_size = sizeof budget, .scores = &state->table.scores}; /* without a limit */
    if (tleg_expander_get_best(state->context, state->source.expander, &budget, &best) != TLEG_OK)
        return tool_fail_context(call, state->context);
    if (call->json)
        return print_table_object(call, &state->scoring, &state->source.config, &best);
    print_table(&state->scoring, &state->source.config, &best);
    return EXIT_DONE;
}

/* ---- the call ---- */

static int say(const struct invocation *call, struct state *state) {
    if (state->scoring.depth_count > 1)
        return say_table(call, state);
    if (call->json)
        return print_one_object(call, &state->scoring);
    print_one(&state->scoring);
    return EXIT_DONE;
}

static int open_source(const struct invocation *call, struct state *state) {
    tleg_file *file;
    int code = source_open_kept(call, state->context, call->operands[0], &state->options->expansion, &state->source, &file);
    if (code == EXIT_DONE && state->options->write_scores)
        code = scores_prepare(call, state->context, state->source.path, file);
    if (code == EXIT_DONE && state->options->write_scores && scores_digest(state->context, file, &state->file) != TLEG_OK)
        code = tool_fail_context(call, state->context);
    tleg_file_free(file);
    return code;
}

static int write_scores(const struct invocation *call, const struct state *state) {
    const struct scored scored = {.path = state->source.path,
                                  .file = state->file,
                                  .data = state->scoring.data,
                                  .former = state->source.config.scores,
                                  .scores = &state->table.scores};
    return scores_write(call, state->context, &scored);
}

static int evaluate(const struct invocation *call, struct state *state) {
    struct source *source = &state->source;
    int code = open_source(call, state);
    if (code == EXIT_DONE)
        pictures_note(call, source->path, &source->config);
    if (code == EXIT_DONE && source->model && state->depth_count > 1)
        code = tool_misuse(call, "%s is a model of depth %d; several depths are for a learngene", source->path,
                           (int)source->config.depth);
    if (code == EXIT_DONE && state->depth_count == 1 && !source->model) /* a table says it in its lines */
        source_note_depth(call, source->path, &source->config, state->depths[0]);
    if (code == EXIT_DONE)
        code = scoring_run(call, state->context, &state->options->scoring, source, state->depths, state->depth_count,
                           &state->scoring);
    if (code != EXIT_DONE)
        return code;
    scoring_table(&state->scoring, &state->options->scoring, &state->table);
    code = say(call, state);
    if (code == EXIT_DONE && state->options->write_scores)
        code = write_scores(call, state);
    return code;
}

/* False with the exit code. */
static bool settle(const struct invocation *call, struct state *state, struct options *options, int *code) {
    const struct expansion *expansion = &options->expansion;
    if (!expansion_settle(call, &options->expansion, code))
        return false;
    if (!options->scoring.data)
        *code = tool_misuse(call, "needs --data");
    else if (options->depths && !depths_list(options->depths, state->depths, TLEG_MAX_DEPTH, &state->depth_count))
        *code = tool_misuse(call, "--depth takes depths from 1 to %d, such as 8, 2-12 or 3,6,12; found \"%s\"", TLEG_MAX_DEPTH,
                            options->depths);
    else if (options->write_scores && (expansion->norm || expansion->image.height || expansion->dtype))
        *code = tool_misuse(call, "--write-scores is for what the file says: leave out --norm, --timm, --image and --dtype");
    else if (options->write_scores && pictures_given(&options->scoring.pictures))
        *code = tool_misuse(call, "--write-scores is for what the file says: leave out how pictures are prepared");
    else
        return true;
    return false;
}

static int run_eval(const struct verb *verb, int argc, char **argv) {
    struct options options = {.scoring = {.batch = 32, .pictures = PICTURES_NONE}};
    const struct option table[] = {
        {"--depth", OPTION_TEXT, &options.depths, 0, 0, NULL},
        EXPANSION_OPTIONS_BUT_DEPTH(options.expansion),
        SCORING_OPTIONS(options.scoring),
        {"--batch", OPTION_COUNT, &options.scoring.batch, 1, MOST_BATCH, NULL},
        {"--write-scores", OPTION_FLAG, &options.write_scores, 0, 0, NULL},
        OPTIONS_END,
    };
    struct invocation call;
    int code;
    if (!options_parse(verb, argc, argv, table, 1, 1, &call, &code))
        return code;
    if ((code = pictures_settle(&call, &options.scoring.pictures)) != EXIT_DONE)
        return code;
    struct state *state = calloc(1, sizeof *state);
    if (!state)
        return tool_fail_memory(&call);
    if (settle(&call, state, &options, &code)) {
        options.expansion.depth = state->depths[0];
        state->options = &options;
        state->context = tool_context(&call);
        code = state->context ? evaluate(&call, state) : EXIT_FAILED;
    }
    scoring_free(&state->scoring);
    source_close(&state->source);
    tleg_context_free(state->context);
    free(state);
    return code;
}

const struct verb verb_eval = {
    .name = "eval",
    .summary = "score a folder of labelled pictures, at one depth or several",
    .usage = "tleg eval GENE|MODEL [--depth N|A-B|LIST] [--write-scores] [--val-every N] [--batch B] [--skip-bad] [--exif]\n"
             "                 --data DIR",
    .details =
        "DIR holds a folder for each class, with JPEG and PNG files in it and below. Folders are matched with the\n"
        "file's labels by name, in any Unicode normal form; without labels there must be one for each class, and in\n"
        "byte order of their names they are the classes 0, 1, ... Names that begin with a dot, and files that are not\n"
        "named as images are, are skipped. Links are followed, to each folder once a class. Every image counts once, at\n"
        "any --batch. On a terminal a progress bar is shown.\n"
        "\n"
        "Options\n"
        "  --depth LIST  layers, 1 to 1024; a learngene needs it: 8, or several as 2-12 or 3,6,12, which are compared in a\n"
        "                table, each picture read once\n" EXPANSION_HELP_BUT_DEPTH SCORING_HELP
        "  --batch B     images at once (32); the score does not depend on it\n"
        "  --write-scores  keep the scores in the file, where tleg plan looks for them; nothing else in it changes. They are\n"
        "                called \"validation\" with --val-every, else as DIR is; other depths' scores of the same data stay\n"
        "\n"
        "--json: {\"top1\", \"images\", \"correct\", \"skipped\", \"depth\", \"ms_per_image\", \"classes\": [{\"name\", "
        "\"index\",\n"
        "\"images\", \"correct\"}, ...]}, the classes in their order. Several depths: {\"images\", \"skipped\", \"best\", "
        "\"cheapest\",\n"
        "\"standard_error\", \"depths\": [{\"depth\", \"top1\", \"correct\", \"ms_per_image\", \"learned\"}, ...]}, learned "
        "null\n"
        "where the file does not say\n",
    .run = run_eval,
};
