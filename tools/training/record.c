/* Recorded teachers: what a recording and a run must agree in, and recording without learning. */
#include "private.h"

#include "base/digest.h"
#include "base/interrupt.h"
#include "base/place.h"
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what decides the pictures ---- */

static void add_pictures(struct report *report, const struct recipe *recipe) {
    const tleg_augment_options *a = &recipe->augment;
    report_text(report, "crop", !recipe->shaped ? "none" : a->padding ? "padded" : "random");
    report_real(report, "crop_scale", a->crop_least);
    report_real(report, "flip", recipe->flip);
    report_real(report, "rand_augment", recipe->shaped ? a->rand_magnitude : 0);
    report_real(report, "jitter", recipe->shaped ? a->jitter : 0);
    report_real(report, "erase", recipe->shaped ? a->erase : 0);
    report_real(report, "mixup", recipe->mix.mixup);
    report_real(report, "cutmix", recipe->mix.cutmix);
    report_integer(report, "repeats", recipe->repeats);
}

static void add_teacher(struct report *report, const struct state *state) {
    const struct training_options *options = state->options;
    char text[4096 + 32];
    snprintf(text, sizeof text, options->teacher_depth ? "%s at depth %d" : "%s", training_teacher_name(options),
             (int)options->teacher_depth);
    report_text(report, "teacher", text);
    snprintf(text, sizeof text, "%016" PRIx64, state->origin.teacher);
    report_text(report, "teacher_contents", text);
}

/* Everything that the pictures of each epoch, their order and the places of their logits follow from; and who is asked. */
static json_t *describe(const struct state *state) {
    const struct training_options *options = state->options;
    const tleg_config *config = &state->source.config;
    struct report report = report_start();
    char text[24];
    if (options->teacher_features)
        report_add(&report, "features", json_true());
    report_add(&report, "classes", report_texts((const char *const *)state->set.classes, state->set.class_count));
    report_integer(&report, "images", (int64_t)state->learned.count);
    snprintf(text, sizeof text, "%016" PRIx64, part_digest(&state->learned));
    report_text(&report, "data", text);
    snprintf(text, sizeof text, "%016" PRIx64, part_contents(&state->learned));
    report_text(&report, "contents", text);
    report_add(&report, "data_seed", report_seed(state->recipe.seed));
    report_integer(&report, "image_size", config->image_size);
    if (config->image_width)
        report_integer(&report, "image_width", config->image_width);
    report_real(&report, "centre_crop", config->crop);
    report_add(&report, "mean", report_triple(config->mean));
    report_add(&report, "std", report_triple(config->std));
    if (config->interpolation != TLEG_INTERPOLATION_BICUBIC) /* recordings of 0.2 have no word for it */
        report_text(&report, "interpolation", option_choice_name(option_interpolations, config->interpolation));
    if (config->fit != TLEG_FIT_CROP)
        report_text(&report, "fit", option_choice_name(option_fits, config->fit));
    if (config->channels != 3)
        report_integer(&report, "channels", config->channels);
    report_add(&report, "exif", json_boolean(options->exif));
    add_pictures(&report, &state->recipe);
    report_integer(&report, "batch", options->batch / state->ranks.count);
    report_integer(&report, "places", state->steps_an_epoch * options->accumulate * options->batch);
    report_integer(&report, "epochs", state->recipe.views ? state->recipe.views : options->epochs);
    add_teacher(&report, state);
    return report_member(&report);
}

/* ---- whether a recording is of them ---- */

static bool is_same(const json_t *found, const json_t *expected) {
    bool numbers = json_is_number(found) && json_is_number(expected);
    if (numbers && (json_is_real(found) || json_is_real(expected))) /* 1 and 1.0 are the same */
        return json_number_value(found) == json_number_value(expected);
    if (!json_is_array(found) || !json_is_array(expected))
        return json_equal(found, expected);
    size_t count = json_array_size(found);
    bool same = count == json_array_size(expected);
    for (size_t i = 0; i < count && same; i++)
        same = is_same(json_array_get(found, i), json_array_get(expected, i));
    return same;
}

static int refuse_classes(const struct state *state, const char *path, const json_t *found, const json_t *expected) {
    size_t count = json_array_size(expected), i = 0;
    if (json_array_size(found) != count)
        return tool_fail(state->call, "%s: recorded with %zu classes; here there are %zu", path, json_array_size(found), count);
    while (i + 1 < count && is_same(json_array_get(found, i), json_array_get(expected, i)))
        i++;
    const char *name = json_string_value(json_array_get(found, i));
    return tool_fail(state->call, "%s: recorded where class %zu is \"%s\"; here it is \"%s\"", path, i,
                     name ? name : "(not a name)", state->set.classes[i]);
}

/* What else to say of some settings. */
static const char *advice(const char *key) {
    return strcmp(key, "data_seed") == 0 ? " (--data-seed)"
           : strcmp(key, "images") == 0  ? " (--val-every, --skip-bad)"
           : strcmp(key, "batch") == 0   ? ", in which pictures are mixed"
                                         : "";
}

static int refuse(const struct state *state, const char *path, const char *key, const json_t *found, const json_t *expected) {
    if (strcmp(key, "classes") == 0)
        return refuse_classes(state, path, found, expected);
    if (strcmp(key, "data") == 0 || strcmp(key, "contents") == 0)
        return tool_fail(state->call, "%s: recorded of other pictures than those of %s: names, classes or bytes differ", path,
                         state->options->data);
    if (strcmp(key, "teacher_contents") == 0)
        return tool_fail(state->call, "%s: recorded of another teacher than %s is now: to record this one, begin anew", path,
                         training_teacher_name(state->options));
    char *was = found ? report_dump(found) : strdup("(absent)"), *is = expected ? report_dump(expected) : strdup("(absent)");
    int code = was && is ? tool_fail(state->call, "%s: recorded with %s %s; here it is %s%s", path, key, was, is, advice(key))
                         : tool_fail_memory(state->call);
    free(was);
    free(is);
    return code;
}

/* What a run may differ in that learns from a recording: it is checked by how much there is of it, and batches as they were
 * recorded are needed only where pictures are mixed in them. */
static bool is_free(const struct state *state, const char *key) {
    return strcmp(key, "places") == 0 || strcmp(key, "epochs") == 0 || strcmp(key, "teacher") == 0 ||
           strcmp(key, "teacher_contents") == 0 || (strcmp(key, "batch") == 0 && !state->recipe.mixed);
}

/* What stands in some settings alone: pictures are square, in colour, and so on where it is absent. */
static const char *const words_of_some[] = {"image_width", "interpolation", "fit", "channels", NULL};

static int compare(const struct state *state, const char *path, const json_t *settings, bool exactly) {
    json_t *all = describe(state), *expected;
    const char *key;
    int code = all ? EXIT_DONE : tool_fail_memory(state->call);
    json_object_foreach(all, key, expected) {
        const json_t *found = json_object_get(settings, key);
        const bool unsaid = !found && (strcmp(key, "contents") == 0 ||
                                       strcmp(key, "teacher_contents") == 0); /* older recordings have neither */
        if (code == EXIT_DONE && !unsaid && (exactly || !is_free(state, key)) && !is_same(found, expected))
            code = refuse(state, path, key, found, expected);
    }
    for (const char *const *word = words_of_some; *word && code == EXIT_DONE; word++) {
        const json_t *found = json_object_get(settings, *word);
        if (found && !json_object_get(all, *word))
            code = refuse(state, path, *word, found, NULL);
    }
    json_decref(all);
    return code;
}

/* ---- learning from a recording ---- */

static int64_t held(const json_t *settings, const char *key) {
    return (int64_t)json_integer_value(json_object_get(settings, key));
}

static int check_amount(const struct state *state, const json_t *settings) {
    const struct training_options *options = state->options;
    int64_t epochs = held(settings, "epochs"), places = held(settings, "places");
    int64_t taken = state->steps_an_epoch * options->accumulate * options->batch;
    bool repeated = options->views && options->views < options->epochs;
    if (repeated && options->views > epochs)
        return tool_fail(state->call, "%s: holds %" PRId64 " epochs of pictures; --views %d asks for more", options->recorded,
                         epochs, (int)options->views);
    if (!repeated && options->epochs > epochs)
        return tool_fail(state->call,
                         "%s: holds %" PRId64 " epochs of pictures; here are %d: --views %" PRId64
                         " repeats those that there are",
                         options->recorded, epochs, (int)options->epochs, epochs);
    if (taken > places)
        return tool_fail(state->call, "%s: holds %" PRId64 " pictures of each epoch; here %" PRId64 " are taken (--batch %d)",
                         options->recorded, places, taken, (int)options->batch);
    return EXIT_DONE;
}

int training_open_recording(struct state *state) {
    struct teacher *teacher = &state->teacher;
    if (!teacher->recording)
        teacher->recording = recording_open(state->options->recorded, teacher->error);
    return teacher->recording ? EXIT_DONE : tool_fail(state->call, "%s", teacher->error);
}

int training_open_recorded(struct state *state) {
    int code = training_open_recording(state);
    if (code != EXIT_DONE)
        return code;
    const json_t *settings = recording_settings(state->teacher.recording);
    code = compare(state, state->options->recorded, settings, false);
    return code == EXIT_DONE ? check_amount(state, settings) : code;
}

/* ---- what no option says is as it was recorded ---- */

/* What cannot be is left as it was: the recording is then refused by it. */
static void take_amount(const json_t *settings, const char *key, double most, double *option) {
    const json_t *said = json_object_get(settings, key);
    const double amount = json_is_number(said) ? json_number_value(said) : -1;
    if (*option < 0 && amount >= 0 && amount <= most)
        *option = amount;
}

static void take_count(const json_t *settings, const char *key, int32_t each, int32_t most, int32_t *option) {
    const int64_t count = held(settings, key);
    if (!*option && count > 0 && count <= most / each)
        *option = (int32_t)count * each;
}

static void take_seed(const json_t *settings, char text[SEED_TEXT], const char **option) {
    const json_t *said = json_object_get(settings, "data_seed");
    const char *seed = json_string_value(said); /* of more than 63 bits */
    if (json_is_integer(said)) {
        snprintf(text, SEED_TEXT, "%" JSON_INTEGER_FORMAT, json_integer_value(said));
        seed = text;
    }
    if (!*option && seed && options_read_seed(seed, &(uint64_t){0}))
        *option = seed;
}

/* Crop, RandAugment, jitter and erasing, which pictures that are shown whole do not have. */
static void take_shapes(const json_t *settings, const char *crop, struct training_options *options) {
    const bool shaped = options->crop_scale >= 0 || options->rand_augment >= 0 || options->jitter >= 0 || options->erase >= 0;
    if (strcmp(crop, "none") == 0 && !shaped) {
        options->augment = AUGMENT_NONE;
        return;
    }
    options->augment = AUGMENT_LIGHT;
    if (strcmp(crop, "random") == 0)
        take_amount(settings, "crop_scale", 1, &options->crop_scale);
    take_amount(settings, "rand_augment", 1e6, &options->rand_augment);
    take_amount(settings, "jitter", 1, &options->jitter);
    take_amount(settings, "erase", 1, &options->erase);
}

int training_take_recorded(struct state *state) {
    struct training_options *options = &state->settled;
    if (!options->recorded)
        return EXIT_DONE;
    const int code = training_open_recording(state);
    if (code != EXIT_DONE)
        return code;
    const json_t *settings = recording_settings(state->teacher.recording);
    const char *crop = json_string_value(json_object_get(settings, "crop"));
    take_seed(settings, state->recorded_seed, &options->data_seed);
    take_count(settings, "batch", state->ranks.count, MOST_BATCH, &options->batch);
    if (!crop || options->augment >= 0)
        return EXIT_DONE;
    take_shapes(settings, crop, options);
    take_amount(settings, "flip", 1, &options->flip);
    take_amount(settings, "mixup", 1e6, &options->mixup);
    take_amount(settings, "cutmix", 1e6, &options->cutmix);
    take_count(settings, "repeats", 1, 1000, &options->repeats);
    return EXIT_DONE;
}

/* ---- recording ---- */

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

/* What was recorded so far is learned from as it stands, so that a run that goes on has the same bits. */
static int take_up(struct state *state, const char *path) {
    struct teacher *teacher = &state->teacher;
    bool part = is_there(path, ".part");
    teacher->recording = part ? recording_continue(path, teacher->error) : recording_open(path, teacher->error);
    return teacher->recording ? compare(state, path, recording_settings(teacher->recording), true)
                              : tool_fail(state->call, "%s", teacher->error);
}

static int start(struct state *state, const char *path) {
    json_t *settings = describe(state);
    if (!settings)
        return tool_fail_memory(state->call);
    state->teacher.recording = recording_create(path, settings, state->teacher.error);
    json_decref(settings);
    return state->teacher.recording ? EXIT_DONE : tool_fail(state->call, "%s", state->teacher.error);
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

int training_begin_recording(struct state *state, const char *path, int64_t batches) {
    bool former = state->options->resume && (is_there(path, ".part") || is_there(path, ""));
    int code = former ? take_up(state, path) : start(state, path);
    const struct recording *recording = state->teacher.recording;
    if (code == EXIT_DONE && !state->options->limit_steps && recording_done(recording) < recording_blocks(recording))
        code = find_room(state, path);
    if (code == EXIT_DONE && former && !recording_finish(state->teacher.recording, state->teacher.error))
        code = tool_fail(state->call, "%s", state->teacher.error); /* killed between the last batch and the name */
    if (code != EXIT_DONE)
        return code;
    uint64_t done = recording_done(recording), all = recording_blocks(recording);
    uint64_t wanted = (uint64_t)batches < all ? (uint64_t)batches : all;
    return done >= wanted ? EXIT_DONE
                          : tool_fail(state->call,
                                      "%s: holds %" PRIu64 " batches; the checkpoint stands after %" PRIu64
                                      ": the recording of that run is needed",
                                      path, done, wanted);
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
        return training_fail_picture(state, unit);
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
        code = training_begin_recording(state, state->options->out, 0);
    if (code == EXIT_DONE)
        code = record_epochs(state);
    return code == EXIT_DONE ? say_end(state) : code;
}
