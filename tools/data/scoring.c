#include "scoring.h"

#include "base/digest.h"
#include "base/measure.h"
#include "base/progress.h"
#include "base/text.h"
#include "feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All that a run over the folder works with. */
struct run {
    const struct scoring_options *options;
    struct source *source;
    struct scoring *scoring;
    struct part part;
    int32_t batch; /* part_batch */
    struct feed *feed;
    tleg_session *session;
    float *logits; /* (batch, classes) */
    int32_t *row;  /* (classes): where a label stands among the folder's classes */
    struct progress progress;
};

/* ---- pictures ---- */

/* A picture that cannot be used ends the run, or is named and counted. */
static int take_bad(const struct invocation *call, struct run *run, const char *error) {
    progress_clear(&run->progress);
    if (!run->options->skip_bad)
        return tool_fail(call, "%s (--skip-bad continues without such files)", error);
    tool_note(call, "skipped %s", error);
    run->scoring->skipped++;
    return EXIT_DONE;
}

static int score_one(const struct invocation *call, struct run *run, const struct sample *image, const float *logits,
                     struct depth_score *score) {
    int32_t guess = source_guess(logits, run->source->config.classes);
    if (guess < 0) {
        progress_clear(&run->progress);
        return tool_fail(call, "%s: the model's answer is not a finite number", image->file);
    }
    score->correct += guess == image->label;
    score->class_correct[run->row[image->label]] += guess == image->label;
    return EXIT_DONE;
}

static const struct sample *sample_at(const struct run *run, size_t place) {
    return &run->scoring->set.samples[run->part.items[place]];
}

/* first: the place of the batch's first picture. */
static int score_at_depth(const struct invocation *call, struct run *run, const struct feed_unit *batch, size_t first,
                          struct depth_score *score) {
    double start = measure_ms();
    if ((!run->source->model && tleg_session_set_depth(run->session, score->depth) != TLEG_OK) ||
        source_run(run->session, batch->images, (int64_t)batch->count, run->logits, NULL) != TLEG_OK) {
        progress_clear(&run->progress);
        return tool_fail(call, "%s", tleg_session_get_error(run->session));
    }
    score->ms += measure_ms() - start;
    int code = EXIT_DONE;
    for (size_t i = 0; i < batch->count && code == EXIT_DONE; i++)
        if (!batch->errors[i])
            code =
                score_one(call, run, sample_at(run, first + i), run->logits + i * (size_t)run->source->config.classes, score);
    return code;
}

static int score_batch(const struct invocation *call, struct run *run, const struct feed_unit *batch, size_t first) {
    struct scoring *scoring = run->scoring;
    int code = EXIT_DONE;
    if (batch->want) {
        progress_clear(&run->progress);
        return tool_fail(call, "%s", batch->want);
    }
    for (size_t i = 0; i < batch->count && code == EXIT_DONE; i++) {
        if (batch->errors[i]) {
            code = take_bad(call, run, batch->errors[i]);
            continue;
        }
        scoring->images++;
        scoring->class_images[run->row[sample_at(run, first + i)->label]]++;
    }
    for (int32_t k = 0; k < scoring->depth_count && code == EXIT_DONE; k++)
        code = score_at_depth(call, run, batch, first, &scoring->depths[k]);
    return code;
}

static int score_all(const struct invocation *call, struct run *run) {
    const struct feed_unit *batch;
    struct scoring *scoring = run->scoring;
    size_t done = 0;
    char text[40];
    int code = EXIT_DONE;
    progress_start(&run->progress, call->verb->name, (int64_t)run->part.count);
    while (code == EXIT_DONE && (batch = feed_next(run->feed)) != NULL) {
        code = score_batch(call, run, batch, done);
        snprintf(text, sizeof text, "top-1 %.2f %%", scoring->images ? 100 * scoring_share(scoring, 0) : 0);
        done += batch->count;
        progress_step(&run->progress, (int64_t)done, text);
    }
    progress_clear(&run->progress);
    if (code == EXIT_DONE && scoring->images == 0)
        return tool_fail(call, "%s: none of its %zu images could be used", run->options->data, run->part.count);
    return code;
}

/* ---- the folder ---- */

static int take_part(const struct invocation *call, struct run *run) {
    const struct dataset *set = &run->scoring->set;
    const size_t every = run->options->val_every > 0 ? (size_t)run->options->val_every : 1;
    size_t *seen = calloc((size_t)set->class_count + 1, sizeof *seen);
    run->part = (struct part){set, malloc((set->count + 1) * sizeof(size_t)), 0};
    if (!seen || !run->part.items) {
        free(seen);
        return tool_fail_memory(call);
    }
    for (size_t i = 0; i < set->count; i++)
        if (seen[set->samples[i].label]++ % every == 0)
            run->part.items[run->part.count++] = i;
    free(seen);
    run->batch = part_batch(&run->part, run->options->batch);
    return EXIT_DONE;
}

static int read_folder(const struct invocation *call, struct run *run) {
    const tleg_config *config = &run->source->config;
    const char *data = run->options->data;
    struct dataset *set = &run->scoring->set;
    const struct dataset_options from = {
        .dir = data, .classes = config->labels, .class_count = config->label_count, .exif = run->options->exif};
    int code = dataset_open_folder(call, &from, set);
    if (code != EXIT_DONE)
        return code;
    if (!config->label_count && set->folder.class_count != (size_t)config->classes)
        return tool_fail(call,
                         "%s: %zu class folders; the model has %d classes, and no labels to match them by name: expected a "
                         "folder for each class",
                         data, set->folder.class_count, (int)config->classes);
    for (size_t i = 0; i < set->folder.class_count; i++)
        if (set->folder.classes[i].images == 0)
            tool_note(call, "%s/%s: no images of this class", data, set->folder.classes[i].name);
    return take_part(call, run);
}

static struct feed *start_feed(const struct invocation *call, struct run *run) {
    const size_t count = run->part.count, batch = (size_t)run->batch;
    const struct feed_plan plan = {.part = &run->part,
                                   .config = &run->source->config,
                                   .repeats = 1,
                                   .batch = batch,
                                   .ranks = 1,
                                   .end = (int64_t)((count + batch - 1) / batch),
                                   .loaders = 1};
    return feed_start(call, &plan);
}

static bool make_counts(struct scoring *scoring) {
    size_t folders = scoring->set.folder.class_count + 1;
    bool whole = (scoring->class_images = calloc(folders, sizeof *scoring->class_images)) != NULL;
    for (int32_t k = 0; k < scoring->depth_count; k++)
        whole &= (scoring->depths[k].class_correct = calloc(folders, sizeof(int64_t))) != NULL;
    return whole;
}

static int make_room(const struct invocation *call, struct run *run) {
    size_t classes = (size_t)run->source->config.classes;
    const struct folder *folder = &run->scoring->set.folder;
    run->logits = malloc((size_t)run->batch * classes * sizeof *run->logits);
    run->row = calloc(classes, sizeof *run->row);
    if (!run->logits || !run->row || !make_counts(run->scoring))
        return tool_fail_memory(call);
    for (size_t i = 0; i < folder->class_count; i++)
        run->row[folder->classes[i].label] = (int32_t)i;
    run->feed = start_feed(call, run);
    return run->feed ? EXIT_DONE : EXIT_FAILED;
}

int scoring_run(const struct invocation *call, tleg_context *context, const struct scoring_options *options,
                struct source *source, const int32_t *depths, int32_t count, struct scoring *scoring) {
    struct run run = {.options = options, .source = source, .scoring = scoring};
    memset(scoring, 0, sizeof *scoring);
    scoring->depth_count = source->model ? 1 : count;
    for (int32_t k = 0; k < scoring->depth_count; k++)
        scoring->depths[k].depth = source->model ? source->config.depth : depths[k];
    source->config.depth = scoring->depths[0].depth;
    int code = source_need_head(call, source);
    if (code == EXIT_DONE)
        code = read_folder(call, &run);
    if (code == EXIT_DONE)
        code = source_session(call, context, source, run.batch, &run.session);
    if (code == EXIT_DONE)
        code = make_room(call, &run);
    if (code == EXIT_DONE)
        code = score_all(call, &run);
    if (code == EXIT_DONE)
        scoring->data = options->exif ? digest_text(part_identity(&run.part), "exif") : part_identity(&run.part);
    feed_stop(run.feed);
    tleg_session_free(run.session);
    part_free(&run.part);
    free(run.logits);
    free(run.row);
    return code;
}

void scoring_free(struct scoring *scoring) {
    for (int32_t k = 0; k < scoring->depth_count; k++)
        free(scoring->depths[k].class_correct);
    free(scoring->class_images);
    dataset_close(&scoring->set);
    memset(scoring, 0, sizeof *scoring);
}

/* ---- as the library keeps it ---- */

/* The last part of a path, for the caller to free; NULL if memory ran out. */
static char *last_part(const char *path) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return strndup(path + start, end - start);
}

/* As DIR is called; "." and ".." as the folder that they stand for. What is kept is UTF-8, as a name need not be. */
static void name_data(const char *path, char *out, size_t room) {
    char *name = last_part(path);
    if (name && (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)) {
        char *full = realpath(path, NULL);
        free(name);
        name = full ? last_part(full) : NULL;
        free(full);
    }
    text_show(name ? name : "", out, room);
    free(name);
}

void scoring_table(const struct scoring *scoring, const struct scoring_options *options, struct scoring_table *table) {
    table->scores = (tleg_scores){.struct_size = sizeof table->scores,
                                  .count = scoring->depth_count,
                                  .images = scoring->images,
                                  .depths = table->depths,
                                  .scores = table->shares,
                                  .on = table->on};
    if (options->val_every)
        strcpy(table->on, "validation");
    else
        name_data(options->data, table->on, sizeof table->on);
    for (int32_t k = 0; k < scoring->depth_count; k++) {
        table->depths[k] = scoring->depths[k].depth;
        table->shares[k] = scoring_share(scoring, k);
    }
}
