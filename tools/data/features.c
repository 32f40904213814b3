#include "features.h"

#include "base/digest.h"
#include "base/progress.h"
#include "feed.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what makes them ---- */

/* Whether positions go to another size by the filter that is not the usual one: the size as learned asks for neither. */
static int is_antialiased(const struct invocation *call, tleg_context *context, const tleg_file *file,
                          const struct source *source, const struct expansion *expansion, bool *antialiased) {
    struct source learned = {0};
    *antialiased = false;
    if (!expansion->image.height || expansion->filter != TLEG_POSITION_FILTER_ANTIALIAS)
        return EXIT_DONE;
    const int code = source_read(call, context, source->path, file, &(struct expansion){0}, &learned);
    const struct extent now = extent_of_image(&source->config), then = extent_of_image(&learned.config);
    *antialiased = now.height != then.height || now.width != then.width;
    source_close(&learned);
    return code;
}

static int name_model(const struct invocation *call, tleg_context *context, const tleg_file *file, const struct source *source,
                      const struct expansion *expansion, bool exif, char model[FEATURES_MODEL]) {
    const tleg_config *config = &source->config;
    const char *schedule = tleg_file_get_metadata(file, "tleg.schedule");
    uint64_t digest = DIGEST_START;
    bool antialiased;
    char text[160];
    if (source_digest(context, file, config, &digest) != TLEG_OK)
        return tool_fail_context(call, context);
    const int code = is_antialiased(call, context, file, source, expansion, &antialiased);
    if (code != EXIT_DONE)
        return code;
    if (schedule) /* of the same numbers it makes other layers */
        digest = digest_text(digest, schedule);
    snprintf(text, sizeof text, "%d %d %d %d %d %d %.17g", (int)config->depth, (int)config->dtype, (int)config->image_size,
             (int)config->mlp, (int)config->interpolation, (int)config->fit, config->crop);
    if (config->image_width)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %d", (int)config->image_width);
    if (antialiased)
        snprintf(text + strlen(text), sizeof text - strlen(text), " filter %d", (int)expansion->filter);
    if (exif)
        snprintf(text + strlen(text), sizeof text - strlen(text), " exif");
    snprintf(model, FEATURES_MODEL, "%016" PRIx64, digest_text(digest, text));
    return EXIT_DONE;
}

/* A training that goes on puts a new file at the path after each epoch. */
int features_open_model(const struct invocation *call, tleg_context *context, const char *path,
                        const struct expansion *expansion, bool exif, struct source *source, char model[FEATURES_MODEL]) {
    tleg_file *file;
    int code = source_open_kept(call, context, path, expansion, source, &file);
    if (code == EXIT_DONE)
        code = name_model(call, context, file, source, expansion, exif, model);
    tleg_file_free(file);
    return code;
}

/* ---- made ---- */

struct run {
    const struct features_plan *plan;
    int32_t batch; /* part_batch */
    struct features *features;
    struct feed *feed;
    tleg_session *session;
    float *logits; /* (batch, classes) */
    struct progress progress;
};

static int make_room(const struct invocation *call, struct run *run) {
    const struct features_plan *plan = run->plan;
    const tleg_config *config = &plan->source->config;
    struct features *features = run->features;
    features->dim = (size_t)source_features(config);
    features->rows = calloc(plan->part->count, features->dim * sizeof *features->rows);
    features->items = calloc(plan->part->count, sizeof *features->items);
    run->logits = calloc((size_t)run->batch, (size_t)(config->classes + 1) * sizeof *run->logits);
    if (!features->rows || !features->items || !run->logits)
        return tool_fail_memory(call);
    const struct feed_plan feed = {.part = plan->part,
                                   .config = config,
                                   .batch = (size_t)run->batch,
                                   .ranks = 1,
                                   .repeats = 1,
                                   .end = ((int64_t)plan->part->count - 1) / run->batch + 1,
                                   .loaders = plan->loaders};
    run->feed = feed_start(call, &feed);
    return run->feed ? EXIT_DONE : EXIT_FAILED;
}

/* The features of a good picture, which lie at `row`, go where the next row is. */
static void keep(struct run *run, size_t place, const float *row) {
    struct features *features = run->features;
    memmove(features->rows + features->count * features->dim, row, features->dim * sizeof *row);
    features->items[features->count++] = run->plan->part->items[place];
}

/* Rows of pictures that cannot be used are left out. first: the place of the unit's first picture. */
static int take(const struct invocation *call, struct run *run, const struct feed_unit *unit, size_t first) {
    const size_t dim = run->features->dim;
    float *rows = run->features->rows + run->features->count * dim;
    if (unit->want)
        return tool_fail(call, "%s", unit->want);
    if (source_run(run->session, unit->images, (int64_t)unit->count, run->logits, rows) != TLEG_OK)
        return tool_fail(call, "%s", tleg_session_get_error(run->session));
    for (size_t i = 0; i < unit->count; i++) {
        if (!unit->errors[i]) {
            keep(run, first + i, rows + i * dim);
            continue;
        }
        progress_clear(&run->progress);
        if (!run->plan->skip_bad)
            return tool_fail(call, "%s (--skip-bad continues without such files)", unit->errors[i]);
        tool_note(call, "skipped %s", unit->errors[i]);
    }
    return EXIT_DONE;
}

static int take_all(const struct invocation *call, struct run *run) {
    const struct feed_unit *unit;
    size_t done = 0;
    int code = EXIT_DONE;
    progress_start(&run->progress, run->plan->doing, (int64_t)run->plan->part->count);
    while (code == EXIT_DONE && (unit = feed_next(run->feed)) != NULL) {
        code = take(call, run, unit, done);
        done += unit->count;
        progress_step(&run->progress, (int64_t)done, "");
    }
    progress_clear(&run->progress);
    if (code == EXIT_DONE && run->features->count == 0)
        return tool_fail(call, "none of the %zu pictures could be used", run->plan->part->count);
    return code == EXIT_DONE ? features_check(call, run->plan->source->path, run->features) : code;
}

int features_make(const struct invocation *call, const struct features_plan *plan, struct features *features) {
    struct run run = {.plan = plan, .batch = part_batch(plan->part, plan->batch), .features = features};
    *features = (struct features){0};
    int code = source_session(call, plan->context, plan->source, run.batch, &run.session);
    if (code == EXIT_DONE)
        code = make_room(call, &run);
    if (code == EXIT_DONE)
        code = take_all(call, &run);
    feed_stop(run.feed);
    tleg_session_free(run.session);
    free(run.logits);
    return code;
}

/* ---- read ---- */

int features_read(const struct invocation *call, tleg_context *context, const char *path, const tleg_file *file,
                  struct features *features) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    char found[240];
    *features = (struct features){0};
    if (tleg_file_read_tensor(context, file, "features", &features->tensor) != TLEG_OK ||
        tleg_tensor_get_info(context, features->tensor, &info) != TLEG_OK)
        return tool_fail_context(call, context);
    if (info.dtype != TLEG_F32 || info.rank != 2 || info.shape[0] < 1 || info.shape[1] < 1) {
        tool_shape(&info, found, sizeof found);
        return tool_fail(call, "%s: expected \"features\", f32 [N,D], as tleg features writes them, found %s", path, found);
    }
    features->rows = info.data;
    features->count = (size_t)info.shape[0];
    features->dim = (size_t)info.shape[1];
    const char *model = tleg_file_get_metadata(file, "model");
    snprintf(features->model, sizeof features->model, "%s", model ? model : "");
    return features_check(call, path, features);
}

int features_check(const struct invocation *call, const char *of, const struct features *features) {
    for (size_t i = 0; i < features->count * features->dim; i++)
        if (!isfinite(features->rows[i]))
            return tool_fail(call, "%s: \"features\": row %zu is not finite", of, i / features->dim);
    return EXIT_DONE;
}

void features_free(struct features *features) {
    if (!features->tensor)
        free(features->rows);
    tleg_tensor_free(features->tensor);
    free(features->items);
    *features = (struct features){0};
}
