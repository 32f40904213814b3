/* What the bits of a run follow from beside its options: who teaches, what the pictures hold, how it is computed. */
#include "private.h"

#include "base/digest.h"
#include "base/place.h"
#include <string.h>

/* ---- the teacher ---- */

static int digest_model(struct state *state, uint64_t *digest) {
    tleg_file *file;
    tleg_status status = tleg_file_open(state->context, state->options->teacher, NULL, &file);
    if (status == TLEG_OK)
        status = source_digest(state->context, file, &state->teacher.source.config, digest);
    tleg_file_free(file);
    return status == TLEG_OK ? EXIT_DONE : tool_fail_context(state->call, state->context);
}

static uint64_t digest_logits(const struct state *state) {
    const size_t classes = (size_t)state->set.class_count;
    uint64_t digest = DIGEST_START;
    for (size_t i = 0; i < state->learned.count; i++)
        digest = digest_bytes(digest, state->logits + state->learned.items[i] * classes, classes * sizeof *state->logits);
    return digest;
}

int training_find_teacher(struct state *state) {
    const struct training_options *options = state->options;
    struct origin *origin = &state->origin;
    origin->teacher = DIGEST_START;
    if (options->teacher)
        return digest_model(state, &origin->teacher);
    if (options->teacher_command)
        origin->teacher = digest_text(digest_text(origin->teacher, options->teacher_command),
                                      state->teacher.command ? teacher_command_name(state->teacher.command) : "");
    if (state->logits)
        origin->teacher = digest_logits(state);
    return EXIT_DONE;
}

/* ---- what is begun with ---- */

/* A file that this run writes over is another one when it goes on. */
static bool is_written_over(const struct state *state) {
    const char *path = state->source.path;
    return place_same(path, state->options->out) || place_same(path, state->best.path);
}

/* Its numbers alone: what the configuration says is compared by itself. */
static int digest_start(struct state *state) {
    const tleg_config nothing = {.struct_size = sizeof nothing};
    struct origin *origin = &state->origin;
    origin->start = DIGEST_START;
    origin->start_known = state->source.fresh || !is_written_over(state);
    if (state->source.fresh || !origin->start_known)
        return EXIT_DONE;
    tleg_file *file = source_file(state->call, state->context, state->source.path);
    if (!file)
        return EXIT_FAILED;
    const tleg_status status = source_digest(state->context, file, &nothing, &origin->start);
    tleg_file_free(file);
    return status == TLEG_OK ? EXIT_DONE : tool_fail_context(state->call, state->context);
}

int training_find_origin(struct state *state) {
    struct origin *origin = &state->origin;
    const int code = digest_start(state);
    if (code != EXIT_DONE)
        return code;
    origin->pictures = part_contents(&state->learned);
    origin->judged = part_identity(&state->judged);
    if (state->options->val_depths) /* the scores' mean is of these */
        origin->judged = digest_bytes(origin->judged, state->depths, (size_t)state->depth_count * sizeof *state->depths);
    return training_find_teacher(state);
}

/* ---- how it is computed ---- */

/* Levels that differ in bf16's products alone compute the same where there are none. */
void training_describe_computed(const struct state *state, char text[COMPUTED_TEXT]) {
    const char *name;
    tleg_level level = tleg_context_get_level(state->context, &name);
    const bool narrow = tleg_trainer_get_dtype(state->trainer) != TLEG_F32;
    if (!narrow && (level == TLEG_LEVEL_AVX512BF16 || level == TLEG_LEVEL_AMX))
        name = tleg_level_name(TLEG_LEVEL_AVX512);
    snprintf(text, COMPUTED_TEXT, "%s%s at level %s", narrow ? "bf16" : "f32",
             state->call->gemm == TLEG_GEMM_BLAS ? " by cblas" : "", name);
}

bool training_can_compute(const char *text) {
    const char *level = strrchr(text, ' '), *name;
    for (int32_t i = 0; level && tleg_cpu_level(i, &name) != 0; i++)
        if (strcmp(level + 1, name) == 0)
            return true;
    return false;
}
