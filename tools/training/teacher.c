/* The teacher, asked about each batch as it is learned from: a model, or a learngene at a depth, in the command's own process;
 * a program; what was recorded of either; or logits that came with the pictures. */
#include "private.h"

#include "base/context.h"
#include "base/extent.h"
#include "base/interrupt.h"
#include "base/label.h"
#include "base/text.h"
#include "pictures/prepare.h"
#include "source/source.h"
#include <stdlib.h>
#include <string.h>

static int check_labels(const struct state *state, const tleg_config *teacher) {
    char *const *classes = state->set.classes;
    if (!teacher->label_count || !state->set.named)
        return EXIT_DONE;
    for (int32_t i = 0; i < teacher->classes; i++)
        if (!label_is_same(teacher->labels[i], classes[i]))
            return tool_fail(state->call, "%s: its class %d is \"%s\"; of %s it is \"%s\"", state->options->teacher, (int)i,
                             teacher->labels[i], state->options->data, classes[i]);
    return EXIT_DONE;
}

/* Noised images go to it as they are: it has to have learned in the student's numbers. */
static int check_generator(const struct state *state, const tleg_config *teacher) {
    const tleg_config *student = &state->source.config;
    const char *path = state->options->teacher;
    const double own = training_has_latents(state) ? state->set.latents.scale : 1, learned = state->teacher.source.latent_scale;
    if (teacher->image_size != student->image_size)
        return tool_fail(state->call, "%s: a teacher for images of %d pixels; the student's have %d", path,
                         (int)teacher->image_size, (int)student->image_size);
    if (teacher->no_null_label && training_label_drop(state) > 0)
        return tool_fail(state->call,
                         "%s: has no null label to answer for a dropped one: expected another teacher, or --label-drop 0",
                         path);
    if (learned > 0 && learned != own)
        return tool_fail(state->call, "%s: has learned latents multiplied by %g; the student's are multiplied by %g", path,
                         learned, own);
    for (int32_t c = 0; c < teacher->channels && !training_has_latents(state); c++)
        if (teacher->mean[c % 3] != student->mean[c % 3] || teacher->std[c % 3] != student->std[c % 3])
            return tool_fail(state->call, "%s: a teacher for pictures of mean %g and std %g; the student's have %g and %g",
                             path, teacher->mean[c % 3], teacher->std[c % 3], student->mean[c % 3], student->std[c % 3]);
    return EXIT_DONE;
}

static int check(const struct state *state, const tleg_config *teacher) {
    const tleg_config *student = &state->source.config;
    const bool teacher_draws = source_draws(teacher), student_draws = source_draws(student);
    if (teacher_draws != student_draws)
        return tool_fail(state->call, "%s: a %s cannot teach a %s", state->options->teacher,
                         teacher_draws ? "generator" : "classifier", student_draws ? "generator" : "classifier");
    if (!state->set.features && teacher->classes != student->classes)
        return tool_fail(state->call, "%s: a teacher of %d classes; %s has %d", state->options->teacher, (int)teacher->classes,
                         state->options->data, (int)student->classes);
    if (teacher->channels != student->channels && (teacher_draws || student->channels != 1))
        return tool_fail(state->call, "%s: a teacher for images of %d channels; the student's have %d", state->options->teacher,
                         (int)teacher->channels, (int)student->channels);
    const int code = teacher_draws ? check_generator(state, teacher) : EXIT_DONE;
    return code == EXIT_DONE ? check_labels(state, teacher) : code;
}

/* Images come as the student sees them. The teacher wants its own size, its own mean and std, and grey three times where it
 * knows colours. */
static int match_pictures(struct state *state) {
    struct teacher *teacher = &state->teacher;
    const tleg_config *from = &state->source.config, *to = &teacher->source.config;
    const struct extent own_image = extent_of_image(from), image = extent_of_image(to);
    const bool sized = own_image.height == image.height && own_image.width == image.width;
    bool same = from->channels == to->channels && sized;
    for (int32_t c = 0; c < to->channels; c++) {
        const int32_t own = c % from->channels;
        teacher->scale[c % 3] = from->std[own % 3] / to->std[c % 3];
        teacher->shift[c % 3] = (from->mean[own % 3] - to->mean[c % 3]) / to->std[c % 3];
        same = same && from->std[own % 3] == to->std[c % 3] && from->mean[own % 3] == to->mean[c % 3];
    }
    if (same)
        return EXIT_DONE;
    teacher->images = calloc((size_t)(state->options->batch / state->ranks.count), prepare_numbers(to) * sizeof(float));
    if (!sized)
        teacher->resize = resize_start(own_image.height, own_image.width, image.height, image.width, to->interpolation);
    const bool whole = teacher->images && (teacher->resize || sized);
    return whole ? EXIT_DONE : tool_fail_memory(state->call);
}

/* What answers: a generator to a generator's questions. A model is asked about few images at once, since it may be large. */
static int open_runner(struct state *state) {
    enum { LARGEST_BATCH = 32 };
    struct teacher *teacher = &state->teacher;
    const int32_t share = state->options->batch / state->ranks.count,
                  batch = share > 0 && share < LARGEST_BATCH ? share : LARGEST_BATCH;
    if (source_draws(&teacher->source.config) && !state->options->teacher_features)
        return source_generator(state->call, teacher->context, &teacher->source, batch, &teacher->generator);
    return source_session(state->call, teacher->context, &teacher->source, batch, &teacher->session);
}

int training_open_model(struct state *state) {
    struct teacher *teacher = &state->teacher;
    const struct expansion expansion = {.depth = state->options->teacher_depth};
    teacher->context = tool_context(state->call);
    if (!teacher->context)
        return EXIT_FAILED;
    struct invocation call = *state->call;
    if (state->checkpoint) { /* who learns computes too, and these are its; where one is recorded nobody does */
        call.activation = 0;
        call.eps = 0;
    }
    call.pictures = NULL;
    if (!state->options->only_teacher) { /* these are of what learns */
        call.heads = 0;
        call.key = NULL;
        call.names = NULL;
    }
    int code = source_open(&call, teacher->context, state->options->teacher, &teacher->source);
    if (code == EXIT_DONE && teacher->source.config.assumed & TLEG_ASSUMED_COLOURS && training_first(state))
        tool_note(state->call, "%s does not say the mean and std of its pictures: the teacher gets them with ImageNet's",
                  state->options->teacher);
    if (code == EXIT_DONE && teacher->source.gene && !expansion.depth)
        code = tool_misuse(state->call, "%s is a learngene: as a teacher it needs --teacher-depth", state->options->teacher);
    if (code == EXIT_DONE)
        code = source_take_expansion(state->call, teacher->context, &expansion, &teacher->source);
    return code == EXIT_DONE ? open_runner(state) : code;
}

/* The model that teaches and what learns from it, brought together. */
static int join_model(struct state *state) {
    const bool opened = state->teacher.session != NULL;
    int code = opened ? EXIT_DONE : training_open_model(state);
    if (code == EXIT_DONE)
        code = check(state, &state->teacher.source.config);
    return code == EXIT_DONE && !training_draws(state) ? match_pictures(state) : code;
}

static int open_command(struct state *state) {
    struct teacher *teacher = &state->teacher;
    const struct teacher_command_options options = {.command = state->options->teacher_command,
                                                    .set = &state->set,
                                                    .config = &state->source.config,
                                                    .batch = state->options->batch / state->ranks.count,
                                                    .limit = state->options->teacher_timeout};
    teacher->command = teacher_command_start(&options, teacher->error, &teacher->stopped);
    if (teacher->command)
        return EXIT_DONE;
    tool_fail(state->call, "%s", teacher->error);
    return teacher->stopped ? EXIT_INTERRUPTED : EXIT_FAILED;
}

const char *training_teacher_kind(const struct training_options *options) {
    if (options->teacher_features)
        return options->record || options->recorded ? "recorded features" : "a model's features";
    return options->record || options->recorded ? "recorded logits"
           : options->teacher                   ? "model"
           : options->teacher_command           ? "program"
           : options->teacher_logits            ? "stored logits"
                                                : "none";
}

const char *training_teacher_name(const struct training_options *options) {
    return options->teacher           ? options->teacher
           : options->teacher_command ? options->teacher_command
           : options->recorded        ? options->recorded
                                      : options->teacher_logits;
}

void training_describe_teacher(const struct state *state, char text[TEACHER_ERROR]) {
    enum { MOST_OF_NAME = 400 };
    const char *name = training_teacher_name(state->options), *call = name ? name : "";
    const char *own = state->teacher.command ? teacher_command_name(state->teacher.command) : "";
    int length = snprintf(text, TEACHER_ERROR, "%.*s", (int)text_cut(call, MOST_OF_NAME), call);
    if (state->options->teacher_depth)
        length += snprintf(text + length, TEACHER_ERROR - (size_t)length, " at depth %d", (int)state->options->teacher_depth);
    if (*own)
        snprintf(text + length, TEACHER_ERROR - (size_t)length, ": %s", own);
}

int training_open_teacher(struct state *state) {
    const struct training_options *options = state->options;
    size_t batch = (size_t)(options->batch / state->ranks.count), classes = (size_t)state->source.config.classes;
    if (!options->teacher && !options->teacher_command && !options->recorded)
        return EXIT_DONE;
    const bool asked_here = !training_draws(state); /* of noise the trainer asks */
    if (asked_here && !(state->teacher.logits = malloc(batch * classes * sizeof(float))))
        return tool_fail_memory(state->call);
    int code = options->record ? training_spare_recording(state, options->record) : EXIT_DONE;
    if (code != EXIT_DONE)
        return code;
    return options->recorded ? training_open_recorded(state) : options->teacher ? join_model(state) : open_command(state);
}

void training_close_teacher(const struct invocation *call, struct teacher *teacher) {
    teacher_command_end(call, teacher->command);
    recording_close(teacher->recording);
    tleg_session_free(teacher->session);
    tleg_generator_free(teacher->generator);
    source_close(&teacher->source);
    tleg_context_free(teacher->context);
    resize_end(teacher->resize);
    free(teacher->images);
    free(teacher->judged);
    free(teacher->logits);
    *teacher = (struct teacher){0};
}

/* A plane of an image as the teacher sees it. */
static void match_plane(struct teacher *teacher, const float *plane, size_t channel, size_t numbers, float *out) {
    const float scale = (float)teacher->scale[channel], shift = (float)teacher->shift[channel];
    if (teacher->resize)
        resize_plane(teacher->resize, plane, out);
    for (size_t i = 0; i < numbers; i++)
        out[i] = (teacher->resize ? out[i] : plane[i]) * scale + shift;
}

/* The images (batch, channels, height, width) of a unit, as the teacher sees them. */
static const float *match_images(struct state *state, const float *images, int64_t batch) {
    struct teacher *teacher = &state->teacher;
    const tleg_config *from = &state->source.config, *to = &teacher->source.config;
    const size_t own = (size_t)from->channels, channels = (size_t)to->channels;
    const size_t plane = prepare_numbers(from) / own, numbers = prepare_numbers(to) / channels;
    if (!teacher->images)
        return images;
    for (size_t p = 0; p < (size_t)batch * channels; p++)
        match_plane(teacher, images + (p / channels * own + p % channels % own) * plane, p % channels, numbers,
                    teacher->images + p * numbers);
    return teacher->images;
}

/* Its logits or its features, the other being NULL, for images as the student sees them. */
static bool run_model(struct state *state, const float *images, size_t count, float *logits, float *features) {
    struct teacher *teacher = &state->teacher;
    const int64_t batch = (int64_t)count;
    if (source_run(teacher->session, match_images(state, images, batch), batch, logits, features) == TLEG_OK)
        return true;
    snprintf(teacher->error, sizeof teacher->error, "the teacher: %s", tleg_session_get_error(teacher->session));
    return false;
}

bool training_ask_features(struct state *state, const float *images, size_t count, float *features) {
    if (!run_model(state, images, count, NULL, features))
        return false;
    training_whiten(features, count, (size_t)state->source.config.classes);
    return true;
}

static bool ask(struct state *state, const struct feed_unit *unit) {
    struct teacher *teacher = &state->teacher;
    if (teacher->session && state->options->teacher_features)
        return training_ask_features(state, unit->images, unit->count, teacher->logits);
    if (teacher->session)
        return run_model(state, unit->images, unit->count, teacher->logits, NULL);
    return !teacher->command ||
           teacher_command_ask(teacher->command, unit->count, unit->images, teacher->logits, teacher->error, &teacher->stopped);
}

/* What is recorded already is not asked again, so that a run that goes on learns what it had learned. */
static bool ask_and_record(struct state *state, const struct feed_unit *unit) {
    struct teacher *teacher = &state->teacher;
    struct recording *recording = teacher->recording;
    uint64_t epoch = (uint64_t)unit->epoch, place = unit->place;
    if (recording_holds(recording, epoch, place, unit->count))
        return recording_read(recording, epoch, place, unit->count, teacher->logits, teacher->error);
    return ask(state, unit) && recording_append(recording, epoch, place, teacher->logits, teacher->error);
}

bool training_ask_teacher(struct state *state, const struct feed_unit *unit, const float **logits) {
    struct teacher *teacher = &state->teacher;
    *logits = NULL;
    if (!(state->recipe.alpha > 0) || training_draws(state)) /* of noise the trainer asks */
        return true;
    *logits = teacher->logits ? teacher->logits : unit->logits;
    return teacher->recording ? ask_and_record(state, unit) : ask(state, unit);
}
