/* A teacher's features: the head learns to tell them, in place of classes. */
#include "private.h"

#include "pictures/prepare.h"
#include <math.h>
#include <stdlib.h>

/* ---- what is learned ---- */

static int count_recorded(struct state *state, int64_t *count) {
    const int code = training_open_recording(state);
    if (code == EXIT_DONE)
        *count = (int64_t)json_array_size(json_object_get(recording_settings(state->teacher.recording), "classes"));
    return code;
}

static int count_told(struct state *state, int64_t *count) {
    tleg_session_info info = {.struct_size = sizeof info};
    const int code = training_open_model(state);
    if (code != EXIT_DONE)
        return code;
    if (tleg_session_get_info(state->teacher.context, state->teacher.session, &info) != TLEG_OK)
        return tool_fail_context(state->call, state->teacher.context);
    *count = (int64_t)info.feature_floats;
    return EXIT_DONE;
}

int training_open_features(struct state *state) {
    int64_t count = 0;
    if (!state->options->teacher_features)
        return EXIT_DONE;
    const int code = state->options->recorded ? count_recorded(state, &count) : count_told(state, &count);
    return code == EXIT_DONE ? dataset_take_features(state->call, &state->set, (int32_t)count) : code;
}

/* Each image's features to a mean of 0 and a variance of 1, as published distillation of features whitens them (arXiv
 * 2205.14141), so that networks whose features are of any size teach alike. */
void training_whiten(float *features, size_t images, size_t count) {
    for (size_t i = 0; i < images; i++, features += count) {
        double sum = 0, squares = 0;
        for (size_t k = 0; k < count; k++)
            sum += (double)features[k];
        const double mean = sum / (double)count;
        for (size_t k = 0; k < count; k++)
            squares += ((double)features[k] - mean) * ((double)features[k] - mean);
        const double spread = sqrt(squares / (double)count + 1e-6);
        for (size_t k = 0; k < count; k++)
            features[k] = (float)(((double)features[k] - mean) / spread);
    }
}

/* ---- validation ---- */

static int judge_depth(struct state *state, const struct source *learned, tleg_session *session, const struct feed_unit *unit,
                       const float *features, float *told, struct score *score) {
    const size_t count = (size_t)learned->config.classes;
    if ((learned->gene && tleg_session_set_depth(session, score->depth) != TLEG_OK) ||
        source_run(session, unit->images, (int64_t)unit->count, told, NULL) != TLEG_OK)
        return tool_fail(state->call, "validation: %s", tleg_session_get_error(session));
    return training_score_told(state, unit->count, count, features, told, count, score);
}

/* The teacher is asked once: what it says of a unit follows those before. */
static const float *features_of(struct state *state, const struct feed_unit *unit) {
    struct teacher *teacher = &state->teacher;
    const size_t count = (size_t)state->source.config.classes,
                 most = (size_t)state->options->batch / (size_t)state->ranks.count;
    float *kept = teacher->judged + unit->place * count;
    if (unit->place < teacher->judged_count)
        return kept;
    for (size_t i = 0; i < unit->count; i += most) {
        const size_t part = unit->count - i < most ? unit->count - i : most;
        if (!training_ask_features(state, unit->images + i * prepare_numbers(&state->source.config), part, kept + i * count))
            return NULL;
    }
    teacher->judged_count = unit->place + unit->count;
    return kept;
}

int training_judge_features(struct state *state, const struct source *learned, tleg_session *session, struct feed *feed,
                            float *told) {
    struct teacher *teacher = &state->teacher;
    const struct feed_unit *unit;
    int code = EXIT_DONE;
    if (!teacher->judged)
        teacher->judged = calloc(state->judged.count, (size_t)learned->config.classes * sizeof *teacher->judged);
    if (!teacher->judged)
        return tool_fail_memory(state->call);
    while (code == EXIT_DONE && (code = training_next_judged(state, feed, &unit)) == EXIT_DONE && unit) {
        const float *features = features_of(state, unit);
        if (!features)
            return tool_fail(state->call, "validation: %s", teacher->error);
        for (int32_t d = 0; d < state->depth_count && code == EXIT_DONE; d++)
            code = judge_depth(state, learned, session, unit, features, told, &state->scores[d]);
    }
    return code;
}
