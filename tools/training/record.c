/* Recording what a teacher says, beside learning or without. */
#include "private.h"

#include "base/digest.h"
#include "base/interrupt.h"
#include "base/place.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- where it lies ---- */

static char *with_suffix(const char *path, const char *suffix) {
    size_t length = strlen(path) + strlen(suffix) + 1;
    char *name = malloc(length);
    if (name)
        snprintf(name, length, "%s%s", path, suffix);
    return name;
}

/* An empty file is what a process leaves that was killed before it wrote. */
static bool is_there(const char *path, const char *suffix) {
    struct stat found;
    char *name = with_suffix(path, suffix);
    if (!name)
        return true;
    bool there = stat(name, &found) == 0 && found.st_size > 0;
    free(name);
    return there;
}

int training_spare_recording(const struct state *state, const char *path) {
    if (state->ranks.count > 1)
        return tool_misuse(state->call, "a recording is made by one process");
    if (state->options->resume)
        return EXIT_DONE;
    if (is_there(path, ".part"))
        return tool_fail(state->call, "%s.part: a recording in progress: --resume continues it; to start again, remove it",
                         path);
    if (is_there(path, ""))
        return tool_fail(state->call, "%s: there is a file already: learn from it with --recorded, or remove it", path);
    return EXIT_DONE;
}

static int start(struct state *state, const char *path, struct recording **recording) {
    json_t *settings = training_describe_recording(state);
    if (!settings)
        return tool_fail_memory(state->call);
    *recording = recording_create(path, settings, state->teacher.error);
    json_decref(settings);
    return *recording ? EXIT_DONE : tool_fail(state->call, "%s", state->teacher.error);
}

/* A whole recording becomes the beginning of a longer one, PATH.part, which appears at once: a kill leaves neither half made.
 */
static int lengthen(struct state *state, const char *path) {
    struct teacher *teacher = &state->teacher;
    struct recording *longer = NULL;
    char *name = with_suffix(path, ".longer"), *made = with_suffix(path, ".longer.part"), *part = with_suffix(path, ".part");
    int code = name && made && part ? start(state, name, &longer) : tool_fail_memory(state->call);
    if (code == EXIT_DONE && !recording_copy(longer, teacher->recording, teacher->error))
        code = tool_fail(state->call, "%s", teacher->error);
    if (code == EXIT_DONE && rename(made, part) != 0)
        code = tool_fail(state->call, "%s: cannot be named %s: %s", made, part, strerror(errno));
    recording_close(longer);
    recording_close(teacher->recording);
    teacher->recording = code == EXIT_DONE ? recording_continue(path, teacher->error) : NULL;
    free(name);
    free(made);
    free(part);
    return code != EXIT_DONE || teacher->recording ? code : tool_fail(state->call, "%s", teacher->error);
}

/* A run that is made longer records more, and one that is made shorter has more than it needs. */
static int settle_length(struct state *state, const char *path, bool part) {
    const int64_t epochs = (int64_t)recording_epochs(state->teacher.recording), wanted = training_recorded_epochs(state);
    if (epochs < wanted && !part)
        return lengthen(state, path);
    if (epochs < wanted || (epochs > wanted && !state->options->record))
        return tool_fail(state->call, "%s: of %" PRId64 " epochs, and here are %" PRId64 ": %s", path, epochs, wanted,
                         part ? "end it with as many as it began with; then more may follow"
                              : "a recording stays as long as it is");
    return EXIT_DONE;
}

int training_take_up_recording(struct state *state, const char *path) {
    struct teacher *teacher = &state->teacher;
    const bool part = is_there(path, ".part");
    if (!state->options->resume || !(part || is_there(path, "")))
        return EXIT_DONE;
    teacher->recording = part ? recording_continue(path, teacher->error) : recording_open(path, teacher->error);
    return teacher->recording ? training_compare_recording(state, path, recording_settings(teacher->recording), true)
                              : tool_fail(state->call, "%s", teacher->error);
}

int training_need_recorded(const struct state *state, const char *path, int64_t batches) {
    const struct recording *recording = state->teacher.recording;
    const uint64_t done = recording ? recording_done(recording) : 0, wanted = (uint64_t)batches;
    return done >= wanted || (recording && done == recording_blocks(recording))
               ? EXIT_DONE
               : tool_fail(state->call,
                           "%s: holds %" PRIu64 " batches; the checkpoint stands after %" PRIu64
                           ": the recording of that run is needed",
                           path, done, wanted);
}

/* For all of it, which a new one that finds none leaves no part of. */
static int find_room(const struct state *state, const char *path) {
    char *part = with_suffix(path, ".part");
    const struct place_need need = {.what = state->options->record ? "--record" : "-o",
                                    .path = part,
                                    .bytes = recording_bytes(state->teacher.recording),
                                    .in_place = true};
    int code = !part ? tool_fail_memory(state->call) : place_room(state->call, &need, 1);
    if (code != EXIT_DONE && part && !state->options->resume)
        unlink(part);
    free(part);
    return code;
}

int training_begin_recording(struct state *state, const char *path) {
    struct teacher *teacher = &state->teacher;
    const bool former = teacher->recording != NULL;
    int code = former ? settle_length(state, path, is_there(path, ".part")) : start(state, path, &teacher->recording);
    const struct recording *recording = teacher->recording;
    if (code == EXIT_DONE && !state->options->limit_steps && recording_done(recording) < recording_blocks(recording))
        code = find_room(state, path);
    if (code == EXIT_DONE && former && !recording_finish(teacher->recording, teacher->error))
        code = tool_fail(state->call, "%s", teacher->error); /* killed between the last batch and the name */
    return code;
}

int training_keep_recording(struct state *state) {
    struct teacher *teacher = &state->teacher;
    if (!teacher->recording || state->options->recorded || recording_keep(teacher->recording, teacher->error))
        return EXIT_DONE;
    return tool_fail(state->call, "%s", teacher->error);
}

bool training_digest_recording(const struct state *state, uint64_t *digest) {
    struct recording *recording = state->teacher.recording;
    const size_t batch = (size_t)(state->options->batch / state->ranks.count), classes = (size_t)state->set.class_count;
    char error[RECORDING_ERROR];
    float *logits = recording ? malloc(batch * classes * sizeof *logits) : NULL;
    bool there = logits && recording_holds(recording, 0, 0, batch) && recording_read(recording, 0, 0, batch, logits, error);
    if (there)
        *digest = digest_bytes(DIGEST_START, logits, batch * classes * sizeof *logits);
    free(logits);
    return there;
}

void training_end_recording(const struct state *state) {
    const struct recording *recording = state->teacher.recording;
    if (state->options->record && recording_done(recording) < recording_blocks(recording))
        tool_note(state->call, "%s.part holds %" PRIu64 " of %" PRIu64 " batches: --resume with more steps records the rest",
                  state->options->record, recording_done(recording), recording_blocks(recording));
}

/* ---- recording without learning ---- */

static int stop(struct state *state) {
    int code = training_keep_recording(state);
    progress_clear(&state->progress);
    if (code != EXIT_DONE)
        return code;
    tool_fail(state->call, "stopped by %s after batch %" PRIu64 " of %" PRIu64 "; %s.part holds them, --resume continues",
              interrupt_name(), recording_done(state->teacher.recording), recording_blocks(state->teacher.recording),
              state->options->out);
    return EXIT_INTERRUPTED;
}

static int record_unit(struct state *state, const struct feed_unit *unit) {
    const float *logits;
    if (unit->error)
        return training_fail_picture(state, unit, false);
    if (training_ask_teacher(state, unit, &logits))
        return interrupt_signal() ? stop(state) : EXIT_DONE;
    if (state->teacher.stopped)
        return stop(state);
    progress_clear(&state->progress);
    return tool_fail(state->call, "%s; %s.part holds %" PRIu64 " batches, --resume continues", state->teacher.error,
                     state->options->out, recording_done(state->teacher.recording));
}

static int record_epoch(struct state *state, int32_t epoch, int64_t first) {
    struct feed *feed = training_start_feed(state, epoch, first);
    const struct feed_unit *unit;
    int code = feed ? EXIT_DONE : EXIT_FAILED;
    char text[48];
    snprintf(text, sizeof text, "epoch %d/%d", (int)epoch + 1, (int)state->options->epochs);
    while (code == EXIT_DONE && (unit = feed_next(feed)) != NULL) {
        code = record_unit(state, unit);
        if (code == EXIT_DONE)
            progress_step(&state->progress,
                          ((int64_t)recording_done(state->teacher.recording) - state->resumed) * state->options->batch, text);
    }
    feed_stop(feed);
    return code == EXIT_DONE ? training_keep_recording(state) : code;
}

static int record_epochs(struct state *state) {
    const struct recording *recording = state->teacher.recording;
    uint64_t blocks = recording_blocks(recording), each = blocks / (uint64_t)state->options->epochs;
    int code = EXIT_DONE;
    state->resumed = (int64_t)recording_done(recording);
    progress_start(&state->progress, state->call->verb->name, ((int64_t)blocks - state->resumed) * state->options->batch);
    for (uint64_t done; code == EXIT_DONE && (done = recording_done(recording)) < blocks;)
        code = record_epoch(state, (int32_t)(done / each), (int64_t)(done % each));
    progress_clear(&state->progress);
    return code;
}

static int say_end(const struct state *state) {
    char text[DATASET_COUNTS];
    interrupt_watch(""); /* nothing is left to be stopped */
    if (!state->call->json) {
        tool_line("%s: %d epoch%s of %" PRId64 " images, %s%s", state->options->out, (int)state->options->epochs,
                  tool_plural(state->options->epochs), state->steps_an_epoch * state->options->batch,
                  state->set.features ? "" : "logits of ", dataset_counts(&state->set, text));
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", state->options->out);
    report_integer(&report, "epochs", state->options->epochs);
    report_integer(&report, "images", state->steps_an_epoch * state->options->batch);
    report_integer(&report, state->set.features ? "features" : "classes", state->set.class_count);
    return report_print(state->call, &report);
}

int training_record_all(struct state *state) {
    int code = training_spare_recording(state, state->options->out);
    if (code == EXIT_DONE)
        code = training_find_teacher(state);
    if (code == EXIT_DONE)
        code = training_take_up_recording(state, state->options->out);
    if (code == EXIT_DONE)
        code = training_begin_recording(state, state->options->out);
    if (code == EXIT_DONE)
        code = record_epochs(state);
    return code == EXIT_DONE ? say_end(state) : code;
}
