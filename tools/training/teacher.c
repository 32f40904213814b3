/* The teacher, asked about each batch as it is learned from: a model, or a learngene at a depth, in the command's own process;
 * a program; what was recorded of either; or logits that came with the pictures. */
#include "private.h"

#include "base/context.h"
#include "base/extent.h"
#include "base/interrupt.h"
#include "base/label.h"
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

static int check(const struct state *state, const tleg_config *teacher) {
    const tleg_config *student = &state->source.config;
    const bool teacher_draws = source_draws(teacher), student_draws = source_draws(student);
    if (teacher_draws != student_draws)
        return tool_fail(state->call, "%s: a %s cannot teach a %s", state->options->teacher,
                         teacher_draws ? "generator" : "classifier", student_draws ? "generator" : "classifier");
    if (teacher->classes != student->classes)
        return tool_fail(state->call, "%s: a teacher of %d classes; %s has %d", state->options->teacher, (int)teacher->classes,
                         state->options->data, (int)student->classes);
    const struct extent theirs = extent_of_image(teacher), own = extent_of_image(student);
    if (theirs.height != own.height || theirs.width != own.width)
        return tool_fail(state->call, "%s: a teacher for images of %d x %d pixels; the student's have %d x %d",
                         state->options->teacher, (int)theirs.height, (int)theirs.width, (int)own.height, (int)own.width);
    if (teacher->channels != student->channels)
        return tool_fail(state->call, "%s: a teacher for images of %d channels; the student's have %d", state->options->teacher,
                         (int)teacher->channels, (int)student->channels);
    return check_labels(state, teacher);
}

/* Images come normalised for the student: x = (p - mean) / std. The teacher wants its own mean and std. */
static int match_colours(struct state *state) {
    struct teacher *teacher = &state->teacher;
    const tleg_config *from = &state->source.config, *to = &teacher->source.config;
    bool same = true;
    for (int c = 0; c < 3; c++) {
        teacher->scale[c] = from->std[c] / to->std[c];
        teacher->shift[c] = (from->mean[c] - to->mean[c]) / to->std[c];
        same = same && from->std[c] == to->std[c] && from->mean[c] == to->mean[c];
    }
    teacher->numbers = prepare_numbers(to);
    teacher->channels = (size_t)to->channels;
    if (!same)
        teacher->images = malloc((size_t)(state->options->batch / state->ranks.count) * teacher->numbers * sizeof(float));
    return same || teacher->images ? EXIT_DONE : tool_fail_memory(state->call);
}

/* What answers: of a generator's student a generator. */
static int open_runner(struct state *state) {
    struct teacher *teacher = &state->teacher;
    const int32_t batch = state->options->batch / state->ranks.count;
    if (training_draws(state))
        return source_generator(state->call, teacher->context, &teacher->source, batch, &teacher->generator);
    return source_session(state->call, teacher->context, &teacher->source, batch, &teacher->session);
}

static int open_model(struct state *state) {
    struct teacher *teacher = &state->teacher;
    const struct expansion expansion = {.depth = state->options->teacher_depth};
    teacher->context = tool_context(state->call);
    if (!teacher->context)
        return EXIT_FAILED;
    struct invocation call = *state->call;
    call.heads = 0; /* those are the student's */
    call.pictures = NULL;
    call.key = NULL;
    call.names = NULL;
    int code = source_open(&call, teacher->context, state->options->teacher, &teacher->source);
    if (code == EXIT_DONE && teacher->source.config.assumed & TLEG_ASSUMED_COLOURS && training_first(state))
        tool_note(state->call, "%s does not say the mean and std of its pictures: the teacher gets them with ImageNet's",
                  state->options->teacher);
    if (code == EXIT_DONE && teacher->source.gene && !expansion.depth)
        code = tool_misuse(state->call, "%s is a learngene: as a teacher it needs --teacher-depth", state->options->teacher);
    if (code == EXIT_DONE)
        code = source_take_expansion(state->call, teacher->context, &expansion, &teacher->source);
    if (code == EXIT_DONE)
        code = check(state, &teacher->source.config);
    if (code == EXIT_DONE)
        code = match_colours(state);
    if (code == EXIT_DONE)
        code = open_runner(state);
    return code;
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
    const char *call = training_teacher_name(state->options);
    const char *own = state->teacher.command ? teacher_command_name(state->teacher.command) : "";
    int length = snprintf(text, TEACHER_ERROR, "%.400s", call ? call : "");
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
    state->teacher.logits = malloc(batch * classes * sizeof(float));
    if (!state->teacher.logits)
        return tool_fail_memory(state->call);
    int code = options->record ? training_spare_recording(state, options->record) : EXIT_DONE;
    if (code != EXIT_DONE)
        return code;
    return options->recorded ? training_open_recorded(state) : options->teacher ? open_model(state) : open_command(state);
}

void training_close_teacher(const struct invocation *call, struct teacher *teacher) {
    teacher_command_end(call, teacher->command);
    recording_close(teacher->recording);
    tleg_session_free(teacher->session);
    tleg_generator_free(teacher->generator);
    source_close(&teacher->source);
    tleg_context_free(teacher->context);
    free(teacher->images);
    free(teacher->logits);
    *teacher = (struct teacher){0};
}

static const float *recolour(struct teacher *teacher, const float *images, int64_t batch) {
    size_t channels = teacher->channels, plane = teacher->numbers / channels;
    if (!teacher->images)
        return images;
    for (size_t p = 0; p < channels * (size_t)batch; p++) {
        float scale = (float)teacher->scale[p % channels], shift = (float)teacher->shift[p % channels];
        for (size_t i = p * plane; i < (p + 1) * plane; i++)
            teacher->images[i] = images[i] * scale + shift;
    }
    return teacher->images;
}

static bool ask_model(struct teacher *teacher, const struct feed_unit *unit) {
    int64_t count = (int64_t)unit->count;
    if (source_run(teacher->session, recolour(teacher, unit->images, count), count, teacher->logits, NULL) == TLEG_OK)
        return true;
    snprintf(teacher->error, sizeof teacher->error, "the teacher: %s", tleg_session_get_error(teacher->session));
    return false;
}

static bool ask(struct teacher *teacher, const struct feed_unit *unit) {
    if (teacher->session)
        return ask_model(teacher, unit);
    return !teacher->command ||
           teacher_command_ask(teacher->command, unit->count, unit->images, teacher->logits, teacher->error, &teacher->stopped);
}

/* What is recorded already is not asked again, so that a run that goes on learns what it had learned. */
static bool ask_and_record(struct teacher *teacher, const struct feed_unit *unit) {
    struct recording *recording = teacher->recording;
    uint64_t epoch = (uint64_t)unit->epoch, place = unit->place;
    if (recording_holds(recording, epoch, place, unit->count))
        return recording_read(recording, epoch, place, unit->count, teacher->logits, teacher->error);
    return ask(teacher, unit) && recording_append(recording, epoch, place, teacher->logits, teacher->error);
}

bool training_ask_teacher(struct state *state, const struct feed_unit *unit, const float **logits) {
    struct teacher *teacher = &state->teacher;
    *logits = NULL;
    if (!(state->recipe.alpha > 0) || training_draws(state)) /* of noise the trainer asks */
        return true;
    *logits = teacher->logits ? teacher->logits : unit->logits;
    return teacher->recording ? ask_and_record(teacher, unit) : ask(teacher, unit);
}
