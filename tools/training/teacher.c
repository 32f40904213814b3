/* Whoever teaches: a model, or a learngene at a depth, asked about each batch as it is learned from; or what was recorded of
 * one. */
#include "private.h"

#include "base/context.h"
#include "source/source.h"
#include <stdlib.h>
#include <string.h>

static int check_labels(const struct state *state, const tleg_config *teacher) {
    char *const *classes = state->set.classes;
    if (!teacher->label_count || !state->set.named)
        return EXIT_DONE;
    for (int32_t i = 0; i < teacher->classes; i++)
        if (strcmp(teacher->labels[i], classes[i]) != 0)
            return tool_fail(state->call, "%s: its class %d is \"%s\"; of %s it is \"%s\"", state->options->teacher, (int)i,
                             teacher->labels[i], state->options->data, classes[i]);
    return EXIT_DONE;
}

static int check(const struct state *state, const tleg_config *teacher) {
    const tleg_config *student = &state->source.config;
    if (teacher->classes != student->classes)
        return tool_fail(state->call, "%s: a teacher of %d classes; %s has %d", state->options->teacher, (int)teacher->classes,
                         state->options->data, (int)student->classes);
    if (teacher->image_size != student->image_size)
        return tool_fail(state->call, "%s: a teacher for images of %d pixels; the student's have %d", state->options->teacher,
                         (int)teacher->image_size, (int)student->image_size);
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
    teacher->numbers = 3 * (size_t)to->image_size * (size_t)to->image_size;
    if (!same)
        teacher->images = malloc((size_t)(state->options->batch / state->ranks.count) * teacher->numbers * sizeof(float));
    return same || teacher->images ? EXIT_DONE : tool_fail_memory(state->call);
}

const char *training_teacher_kind(const struct training_options *options) {
    return options->record || options->recorded ? "recorded logits"
           : options->teacher                   ? "model"
           : options->teacher_logits            ? "stored logits"
                                                : "none";
}

static int open_model(struct state *state) {
    struct teacher *teacher = &state->teacher;
    const struct expansion expansion = {.depth = state->options->teacher_depth};
    teacher->context = tool_context(state->call);
    if (!teacher->context)
        return EXIT_FAILED;
    struct invocation call = *state->call;
    call.heads = 0; /* those are the student's */
    int code = source_open(&call, teacher->context, state->options->teacher, &teacher->source);
    if (code == EXIT_DONE && teacher->source.gene && !expansion.depth)
        code = tool_misuse(state->call, "%s is a learngene: as a teacher it needs --teacher-depth", state->options->teacher);
    if (code == EXIT_DONE)
        code = source_take_expansion(state->call, teacher->context, &expansion, &teacher->source);
    if (code == EXIT_DONE)
        code = check(state, &teacher->source.config);
    if (code == EXIT_DONE)
        code = match_colours(state);
    if (code == EXIT_DONE)
        code = source_session(state->call, teacher->context, &teacher->source, state->options->batch / state->ranks.count,
                              &teacher->session);
    return code;
}

int training_open_teacher(struct state *state) {
    const struct training_options *options = state->options;
    int code = options->record ? training_spare_recording(state, options->record) : EXIT_DONE;
    if (code == EXIT_DONE && options->recorded)
        code = training_open_recorded(state);
    if (code == EXIT_DONE && options->teacher)
        code = open_model(state);
    return code;
}

void training_close_teacher(struct teacher *teacher) {
    recording_close(teacher->recording);
    tleg_session_free(teacher->session);
    source_close(&teacher->source);
    tleg_context_free(teacher->context);
    free(teacher->images);
    *teacher = (struct teacher){0};
}

static const float *recolour(struct teacher *teacher, const float *images, int64_t batch) {
    size_t plane = teacher->numbers / 3;
    if (!teacher->images)
        return images;
    for (size_t p = 0; p < 3 * (size_t)batch; p++) {
        float scale = (float)teacher->scale[p % 3], shift = (float)teacher->shift[p % 3];
        for (size_t i = p * plane; i < (p + 1) * plane; i++)
            teacher->images[i] = images[i] * scale + shift;
    }
    return teacher->images;
}

static tleg_status ask_model(struct teacher *teacher, int64_t batch, const float *images, float *logits) {
    tleg_status status = source_run(teacher->session, recolour(teacher, images, batch), batch, logits, NULL);
    if (status != TLEG_OK)
        snprintf(teacher->error, sizeof teacher->error, "%s", tleg_session_get_error(teacher->session));
    return status;
}

/* What is recorded is not asked again; what is asked is recorded, where there is a recording. */
tleg_status TLEG_CALL training_ask_teacher(void *host, int64_t batch, const float *images, size_t image_floats, int32_t classes,
                                           float *logits) {
    (void)image_floats, (void)classes; /* checked when the teacher was opened */
    struct teacher *teacher = host;
    const struct feed_unit *unit = teacher->unit;
    struct recording *recording = teacher->recording;
    if (recording && recording_holds(recording, (uint64_t)unit->epoch, unit->place, unit->count))
        return recording_read(recording, (uint64_t)unit->epoch, unit->place, unit->count, logits, teacher->error)
                   ? TLEG_OK
                   : TLEG_ERROR_IO;
    tleg_status status = ask_model(teacher, batch, images, logits);
    if (status != TLEG_OK || !recording)
        return status;
    return recording_append(recording, (uint64_t)unit->epoch, unit->place, logits, teacher->error) ? TLEG_OK : TLEG_ERROR_IO;
}
