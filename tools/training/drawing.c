/* Generators: what is theirs alone in a training, and how they are judged. */
#include "private.h"

#include <stdlib.h>

/* ---- options ---- */

int training_check_drawing(const struct state *state) {
    const struct training_options *o = state->options;
    const struct invocation *call = state->call;
    const char *path = state->source.path;
    if (!training_draws(state))
        return o->label_drop >= 0 ? tool_misuse(call, "--label-drop is for generators, and %s is a classifier", path)
                                  : EXIT_DONE;
    if (o->teacher_command || o->teacher_logits || o->record || o->recorded)
        return tool_misuse(call,
                           "%s is a generator, which learns to tell noise: of a teacher's answers it takes --teacher MODEL's "
                           "alone, another generator's",
                           path);
    if (state->recipe.mixed || state->recipe.smoothing > 0 || o->class_weights || o->tau != 1)
        return tool_misuse(
            call, "--mixup, --cutmix, --smoothing, --tau and --class-weights are for classifiers, and %s is a generator", path);
    if (o->teacher_mean)
        return tool_misuse(call, "--teacher-mean is for classifiers, and %s is a generator", path);
    if (o->label_drop >= 1)
        return tool_misuse(call, "--label-drop takes a share from 0 to less than 1; found %g", o->label_drop);
    if (o->label_drop > 0 && state->source.config.no_null_label)
        return tool_misuse(call, "--label-drop %g: %s has no null label to stand for a dropped one", o->label_drop, path);
    return EXIT_DONE;
}

void training_fill_drawing(struct training_options *o) {
    if (o->augment < 0)
        o->augment = AUGMENT_NONE;
    if (o->drop_path < 0)
        o->drop_path = 0;
    if (o->weight_decay < 0)
        o->weight_decay = 0;
    if (o->ema < 0)
        o->ema = 0.999;
    if (o->lr == 0)
        o->lr = 1e-3;
    o->lr_absolute = true;
}

double training_label_drop(const struct state *state) {
    if (!training_draws(state))
        return 0;
    const double usual = state->source.config.no_null_label ? 0 : 0.1;
    return state->options->label_drop >= 0 ? state->options->label_drop : usual;
}

/* ---- a teacher ---- */

tleg_status TLEG_CALL training_teach_noise(void *host, int64_t batch, const float *noised, size_t image_floats,
                                           const int64_t *times, const int64_t *labels, float *noise) {
    struct state *state = host;
    tleg_generator *generator = state->teacher.generator;
    tleg_generator_info info = {.struct_size = sizeof info};
    tleg_status status = tleg_generator_get_info(NULL, generator, &info);
    const size_t image = (size_t)info.image_floats, told = (size_t)info.noise_floats;
    float *all = told > image ? malloc((size_t)batch * told * sizeof *all) : noise; /* beside a learned sigma */
    if (!all)
        return TLEG_ERROR_MEMORY;
    if (status == TLEG_OK)
        status = tleg_generator_run(generator, batch, noised, image_floats, times, labels, all, (size_t)batch * told);
    for (size_t i = 0; all != noise && i < (size_t)batch * image; i++)
        noise[i] = all[i / image * told + i % image];
    if (all != noise)
        free(all);
    if (status != TLEG_OK)
        snprintf(state->teacher.error, sizeof state->teacher.error, "%s", tleg_generator_get_error(generator));
    return status;
}

/* ---- validation ---- */

enum { NOISE_SEED = 20230611 };

/* What a unit's images are judged with. */
struct judging {
    struct state *state;
    tleg_generator *generator;
    size_t image, told;             /* floats of an image, and of what is told of one */
    float *noise, *noised, *answer; /* (batch, image), (batch, image), (batch, told) */
    int64_t *times;
    int64_t steps; /* times there are */
    int64_t seen;  /* images so far */
};

static void free_judging(struct judging *judging) {
    tleg_generator_free(judging->generator);
    free(judging->noise);
    free(judging->noised);
    free(judging->answer);
    free(judging->times);
}

static int open_judging(struct judging *j, struct source *learned, int32_t batch) {
    struct state *state = j->state;
    const int code = source_generator(state->call, state->context, learned, batch, &j->generator);
    if (code != EXIT_DONE)
        return code;
    tleg_generator_info info = {.struct_size = sizeof info};
    tleg_generator_get_info(NULL, j->generator, &info);
    const size_t count = (size_t)batch;
    j->image = (size_t)info.image_floats;
    j->told = (size_t)info.noise_floats;
    j->steps = info.times;
    j->noise = calloc(count * j->image, sizeof *j->noise);
    j->noised = calloc(count * j->image, sizeof *j->noised);
    j->answer = calloc(count * j->told, sizeof *j->answer);
    j->times = calloc(count, sizeof *j->times);
    return j->noise && j->noised && j->answer && j->times ? EXIT_DONE : tool_fail_memory(state->call);
}

static int judge_depth(struct judging *j, const struct feed_unit *unit, struct score *score, bool elastic) {
    struct state *state = j->state;
    const int64_t count = (int64_t)unit->count;
    if ((elastic && tleg_generator_set_depth(j->generator, score->depth) != TLEG_OK) ||
        tleg_generator_run(j->generator, count, j->noised, unit->count * j->image, j->times, unit->labels, j->answer,
                           unit->count * j->told) != TLEG_OK)
        return tool_fail(state->call, "validation: %s", tleg_generator_get_error(j->generator));
    return training_score_told(state, unit->count, j->image, j->noise, j->answer, j->told, score);
}

/* Multiples of the golden ratio, modulo 1: times of any number of images are spread evenly over all. */
static int64_t time_of(int64_t image, int64_t steps) {
    const uint64_t share = (uint64_t)image * UINT64_C(0x9E3779B97F4A7C15) >> 32; /* of 2^32 */
    return (int64_t)(share * (uint64_t)steps >> 32);
}

static int judge_unit(struct judging *j, const struct feed_unit *unit, bool elastic) {
    struct state *state = j->state;
    const int64_t count = (int64_t)unit->count;
    int code = EXIT_DONE;
    for (int64_t i = 0; i < count; i++)
        j->times[i] = time_of(j->seen + i, j->steps);
    if (tleg_generator_make_noise(state->context, NOISE_SEED, j->seen, count, j->image, j->noise) != TLEG_OK ||
        tleg_generator_add_noise(state->context, count, j->image, unit->images, j->noise, j->times, j->noised) != TLEG_OK)
        return tool_fail_context(state->call, state->context);
    for (int32_t d = 0; d < state->depth_count && code == EXIT_DONE; d++)
        code = judge_depth(j, unit, &state->scores[d], elastic);
    j->seen += count;
    return code;
}

int training_judge_noise(struct state *state, struct source *learned, struct feed *feed) {
    struct judging judging = {.state = state};
    const struct feed_unit *unit;
    int code = open_judging(&judging, learned, TRAINING_JUDGED_BATCH);
    while (code == EXIT_DONE && (code = training_next_judged(state, feed, &unit)) == EXIT_DONE && unit)
        code = judge_unit(&judging, unit, learned->gene != NULL);
    free_judging(&judging);
    return code;
}
