/* What decides the bits of a run, as its checkpoints keep it: a run that goes on must agree with all of it. */
#include "private.h"

#include "base/digest.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What differs is told in the caller's words. Of a digest that are its name, which is kept too, and another text where the same
 * name stands for something else. */
struct setting {
    const char *key, *words;
    bool first; /* kept by every version */
    const char *name, *other;
};

/* In the order in which they are compared: what follows from others by default comes after them. */
static const struct setting settings[] = {
    {"run.verb", "the verb", true, NULL, NULL},
    {"run.images", "the number of pictures to learn from (--data, --val-every)", true, NULL, NULL},
    {"run.data", NULL, true, NULL, "the pictures of --data have other names or classes than there"},
    {"run.latent_scale", "--latent-scale", false, NULL, NULL},
    {"run.contents_of_pictures", NULL, false, NULL, "the pictures of --data hold other bytes than there"},
    {"run.exif", "--exif", false, NULL, NULL},
    {"run.start", "what is begun with", false, "run.start.name", "what is begun with holds other numbers than there"},
    {"run.network", "what learns", false, NULL, NULL},
    {"run.depths", "the depth (--depth, --depths)", false, NULL, NULL},
    {"run.in_place", "--in-place", false, NULL, NULL},
    {"run.seed", "--seed", true, NULL, NULL},
    {"run.teacher", "the kind of teacher", true, NULL, NULL},
    {"run.teacher_depth", "--teacher-depth", false, NULL, NULL},
    {"run.teacher_contents", "the teacher", false, "run.teacher.name", "the teacher is another than there"},
    {"run.batch", "--batch", true, NULL, NULL},
    {"run.ranks", "the number of processes", true, NULL, NULL},
    {"run.recording", NULL, false, NULL, "the recording holds other logits than there"},
    {"run.mean", "--mean", false, NULL, NULL},
    {"run.std", "--std", false, NULL, NULL},
    {"run.crop", "--crop", false, NULL, NULL},
    {"run.interpolation", "--interpolation", false, NULL, NULL},
    {"run.fit", "--fit", false, NULL, NULL},
    {"run.accumulate", "--accumulate", true, NULL, NULL},
    {"run.pictures", "the making of pictures (--augment and what changes it)", true, NULL, NULL},
    {"run.optimiser", "--optimiser", false, NULL, NULL},
    {"run.momentum", "--momentum", false, NULL, NULL},
    {"run.nesterov", "--nesterov", false, NULL, NULL},
    {"run.weight_decay", "--weight-decay", false, NULL, NULL},
    {"run.class_weights", "--class-weights", false, "run.class_weights.name", "--class-weights has other numbers than there"},
    {"run.freeze", "--freeze", false, "run.freeze.name", "--freeze is another than there"},
    {"run.freeze_layers", "--freeze-layers", false, NULL, NULL},
    {"run.layer_decay", "--layer-decay", false, NULL, NULL},
    {"run.alpha", "--alpha", false, NULL, NULL},
    {"run.tau", "--tau", false, NULL, NULL},
    {"run.teacher_mean", "--teacher-mean", false, NULL, NULL},
    {"run.label_drop", "--label-drop", false, NULL, NULL},
    {"run.clip", "--clip", false, NULL, NULL},
    {"run.drop_path", "--drop-path", false, NULL, NULL},
    {"run.ema", "--ema", false, NULL, NULL},
    {"run.ema_fixed", "--ema-fixed", false, NULL, NULL},
    {"run.peak_learning_rate", "the peak learning rate (--lr)", true, NULL, NULL},
    {"run.warmup", "the warm-up (--warmup, --warmup-steps)", true, NULL, NULL},
    {"run.schedule", "the course of the learning rate (--decay-epochs, --lr-end)", true, NULL, NULL},
    {"run.computed", "what computes", false, NULL, NULL},
};

/* Metadata are UTF-8, which a path need not be. */
void training_add_pair(struct pairs *pairs, const char *key, const char *format, ...) {
    char text[PAIR_TEXT + 8]; /* where it ends within a character, that is beyond what is kept */
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    pairs->keys[pairs->count] = key;
    text_repair(text, pairs->values[pairs->count++], PAIR_TEXT);
}

/* In place of a number that is not known here: it is not compared. */
static const char unknown[] = "?";

static void add_digest(struct pairs *pairs, const char *key, bool known, uint64_t digest) {
    if (known)
        training_add_pair(pairs, key, "%016" PRIx64, digest);
    else
        training_add_pair(pairs, key, "%s", unknown);
}

static void add_number(struct pairs *pairs, const char *key, double number) {
    training_add_pair(pairs, key, "%.9g", number);
}

/* As earlier versions kept it. */
static void add_all_digits(struct pairs *pairs, const char *key, double number) {
    training_add_pair(pairs, key, "%.17g", number);
}

static void add_triple(struct pairs *pairs, const char *key, const double triple[3]) {
    training_add_pair(pairs, key, "%.9g,%.9g,%.9g", triple[0], triple[1], triple[2]);
}

/* ---- what is kept ---- */

/* What was recorded of a teacher stands for it: a run may begin by asking and go on by what it recorded. */
static void add_teacher(const struct state *state, struct pairs *pairs) {
    const struct training_options *options = state->options;
    char name[TEACHER_ERROR];
    uint64_t recorded = 0;
    const bool known = training_digest_recording(state, &recorded);
    training_add_pair(pairs, "run.teacher", "%s", training_teacher_kind(options));
    if (options->recorded)
        training_add_pair(pairs, "run.teacher_depth", "%s", unknown);
    else
        training_add_pair(pairs, "run.teacher_depth", "%d", (int)options->teacher_depth);
    training_describe_teacher(state, name);
    add_digest(pairs, "run.teacher_contents", !options->recorded, state->origin.teacher);
    training_add_pair(pairs, "run.teacher.name", "%s", name);
    add_digest(pairs, "run.recording", known, recorded);
}

static void add_data(const struct state *state, struct pairs *pairs) {
    training_add_pair(pairs, "run.images", "%zu", state->learned.count);
    add_digest(pairs, "run.data", true, part_fingerprint(&state->learned));
    add_digest(pairs, "run.contents_of_pictures", true, state->origin.pictures);
    training_add_pair(pairs, "run.exif", "%s", state->options->exif ? "yes" : "no");
    if (training_has_latents(state))
        add_all_digits(pairs, "run.latent_scale", state->set.latents.scale);
}

static void add_preparation(const struct state *state, struct pairs *pairs) {
    const tleg_config *config = &state->source.config;
    char recipe[RECIPE_TEXT];
    training_describe(&state->recipe, true, recipe);
    add_triple(pairs, "run.mean", config->mean);
    add_triple(pairs, "run.std", config->std);
    add_all_digits(pairs, "run.crop", config->crop);
    training_add_pair(pairs, "run.interpolation", "%s", option_choice_name(option_interpolations, config->interpolation));
    training_add_pair(pairs, "run.fit", "%s", option_choice_name(option_fits, config->fit));
    training_add_pair(pairs, "run.pictures", "%s", recipe);
}

static void add_network(const struct state *state, struct pairs *pairs) {
    const struct source *source = &state->source;
    const struct training_target *target = state->target;
    const tleg_config *config = &source->config;
    static const char *const modes[] = {"", " at random", " with both ends"};
    add_digest(pairs, "run.start", state->origin.start_known, state->origin.start);
    training_add_pair(pairs, "run.start.name", "%s", source->fresh ? "a fresh learngene" : source->path);
    training_add_pair(pairs, "run.network", "a %s of dim %d, %d heads, hidden %d, for images of %d by patches of %d",
                      source->gene ? "learngene" : "model", (int)config->dim, (int)config->heads, (int)config->hidden,
                      (int)config->image_size, (int)config->patch_size);
    if (source->gene && target->depth_mode != TLEG_DEPTH_FIXED)
        training_add_pair(pairs, "run.depths", "%d-%d%s", (int)target->depth_least, (int)target->depth_most,
                          modes[target->depth_mode == TLEG_DEPTH_SANDWICH ? 2 : 1]);
    else
        training_add_pair(pairs, "run.depths", "%d", (int)(source->gene ? target->depth_most : config->depth));
    add_number(pairs, "run.in_place", source->gene ? target->in_place : 0);
}

/* As the trainer settles what was not given. */
static void add_optimiser(const struct state *state, struct pairs *pairs) {
    const struct training_options *options = state->options;
    const int32_t optimiser = options->optimiser ? options->optimiser : TLEG_OPTIMISER_ADAMW;
    const double usual = optimiser == TLEG_OPTIMISER_ADAMW ? 0 : optimiser == TLEG_OPTIMISER_SGD ? 0.9 : 0.95;
    training_add_pair(pairs, "run.optimiser", "%s", option_choice_name(training_optimisers, optimiser));
    add_number(pairs, "run.momentum", options->momentum >= 0 ? options->momentum : usual);
    training_add_pair(pairs, "run.nesterov", "%s", options->nesterov ? "yes" : "no");
    add_number(pairs, "run.weight_decay",
               options->weight_decay >= 0        ? options->weight_decay
               : optimiser == TLEG_OPTIMISER_SGD ? 5e-4
                                                 : 0.05);
    add_number(pairs, "run.clip", options->clip);
    add_number(pairs, "run.ema", options->ema);
    training_add_pair(pairs, "run.ema_fixed", "%s", options->ema_fixed ? "yes" : "no");
    add_number(pairs, "run.drop_path", options->drop_path >= 0 ? options->drop_path : state->target->drop_path);
}

static void add_parts(const struct state *state, struct pairs *pairs) {
    const struct training_options *options = state->options;
    const size_t classes = (size_t)state->set.class_count;
    char weights[RECIPE_TEXT] = "equal";
    int32_t freeze = 0;
    uint64_t digest = DIGEST_START;
    if (options->freeze)
        (void)training_read_freeze(state->call, options->freeze, &freeze); /* it was read before */
    training_add_pair(pairs, "run.freeze", "%d", (int)freeze);
    training_add_pair(pairs, "run.freeze.name", "%s", options->freeze ? options->freeze : "nothing");
    training_add_pair(pairs, "run.freeze_layers", "%d", (int)options->freeze_layers);
    add_number(pairs, "run.layer_decay", options->layer_decay > 0 ? options->layer_decay : 1);
    if (state->class_weights) {
        training_describe_class_weights(state, weights);
        digest = digest_bytes(digest, state->class_weights, classes * sizeof *state->class_weights);
    }
    add_digest(pairs, "run.class_weights", true, digest);
    training_add_pair(pairs, "run.class_weights.name", "%s", weights);
}

static void add_losses(const struct state *state, struct pairs *pairs) {
    const struct training_options *options = state->options;
    const int32_t mean = options->teacher_mean ? options->teacher_mean : TLEG_TEACHER_MEAN_OVER_LOGITS;
    add_number(pairs, "run.alpha", state->recipe.alpha);
    add_number(pairs, "run.tau", options->tau);
    training_add_pair(pairs, "run.teacher_mean", "%s", option_choice_name(training_teacher_means, mean));
    if (training_draws(state))
        add_number(pairs, "run.label_drop", training_label_drop(state));
}

static void add_rate(const struct state *state, struct pairs *pairs) {
    const struct training_options *options = state->options;
    char warmup[RATE_TEXT], schedule[RATE_TEXT];
    training_describe_warmup(state, warmup);
    training_describe_schedule(state, schedule);
    if (state->recipe.seed == options->seed)
        training_add_pair(pairs, "run.seed", "%" PRIu64, options->seed);
    else
        training_add_pair(pairs, "run.seed", "%" PRIu64 ", of the data %" PRIu64, options->seed, state->recipe.seed);
    training_add_pair(pairs, "run.batch", "%d", (int)options->batch);
    training_add_pair(pairs, "run.accumulate", "%d", (int)options->accumulate);
    training_add_pair(pairs, "run.ranks", "%d", (int)state->ranks.count);
    add_all_digits(pairs, "run.peak_learning_rate", state->rate.peak);
    training_add_pair(pairs, "run.warmup", "%s", warmup);
    training_add_pair(pairs, "run.schedule", "%s", schedule);
}

void training_add_settings(const struct state *state, struct pairs *pairs) {
    char computed[COMPUTED_TEXT];
    training_add_pair(pairs, "run.verb", "%s", state->call->verb->name);
    add_data(state, pairs);
    add_preparation(state, pairs);
    add_network(state, pairs);
    add_teacher(state, pairs);
    add_optimiser(state, pairs);
    add_parts(state, pairs);
    add_losses(state, pairs);
    add_rate(state, pairs);
    training_describe_computed(state, computed);
    training_add_pair(pairs, "run.computed", "%s", computed);
}

/* ---- what differs ---- */

/* The value of a key, NULL where there is none. */
static const char *value_of(const struct pairs *pairs, const char *key) {
    for (int64_t i = 0; key && i < pairs->count; i++)
        if (strcmp(pairs->keys[i], key) == 0)
            return pairs->values[i];
    return NULL;
}

/* A setting of the checkpoint and of this run. */
struct two {
    const struct state *state;
    const struct setting *setting;
    const char *found, *here;           /* NULL: not kept */
    const char *found_name, *here_name; /* for people, likewise */
};

static struct two take(const struct state *state, const tleg_file *file, const struct pairs *pairs,
                       const struct setting *setting) {
    const char *name = setting->name;
    struct two two = {.state = state,
                      .setting = setting,
                      .found = tleg_file_get_metadata(file, setting->key),
                      .here = value_of(pairs, setting->key)};
    two.found_name = name ? tleg_file_get_metadata(file, name) : setting->other ? NULL : two.found;
    two.here_name = name ? value_of(pairs, name) : setting->other ? NULL : two.here;
    return two;
}

static bool is_unknown(const char *value) {
    return value && strcmp(value, unknown) == 0;
}

/* What earlier versions did not keep is not compared, nor is what does not exist in this run and did not there. */
static bool is_same(const struct two *two) {
    if (is_unknown(two->found) || is_unknown(two->here) || (!two->found && (!two->setting->first || !two->here)))
        return true;
    return two->found && two->here && strcmp(two->found, two->here) == 0;
}

/* What --other-teacher may change. */
static bool is_teachers(const struct setting *setting) {
    return strcmp(setting->key, "run.teacher_depth") == 0 || strcmp(setting->key, "run.teacher_contents") == 0 ||
           strcmp(setting->key, "run.recording") == 0;
}

static bool has_names(const struct two *two) {
    return !two->setting->other || (two->found_name && two->here_name && strcmp(two->found_name, two->here_name) != 0);
}

static int refuse(const struct two *two) {
    const struct setting *setting = two->setting;
    const char *permit = is_teachers(setting) ? " (--other-teacher allows it)" : "";
    if (!has_names(two))
        return tool_fail(two->state->call, "%s: a checkpoint of another run: %s%s", two->state->checkpoint, setting->other,
                         permit);
    return tool_fail(two->state->call, "%s: a checkpoint of another run: %s is \"%s\" there, \"%s\" here%s",
                     two->state->checkpoint, setting->words, two->found_name ? two->found_name : "(absent)",
                     two->here_name ? two->here_name : "(absent)", permit);
}

static int allow(const struct two *two) {
    if (!training_first(two->state))
        return EXIT_DONE;
    if (has_names(two))
        tool_note(two->state->call, "%s: %s was \"%s\" until now, and is \"%s\" from here on", two->state->checkpoint,
                  two->setting->words, two->found_name, two->here_name);
    else
        tool_note(two->state->call, "%s: from here on %s", two->state->checkpoint, two->setting->other);
    return EXIT_DONE;
}

/* On another machine a run may go on, though not to the same bits; on one that can compute as before it does so. */
static int compare_computed(const struct two *two) {
    const struct state *state = two->state;
    if (training_can_compute(two->found))
        return tool_fail(state->call, "%s: computed in %s until now, here in %s: --dtype, --level and --gemm choose",
                         state->checkpoint, two->found, two->here);
    if (training_first(state))
        tool_note(state->call, "%s: computed in %s until now, which this machine does not; from here on in %s: other bits",
                  state->checkpoint, two->found, two->here);
    return EXIT_DONE;
}

static int compare_one(const struct two *two) {
    if (is_same(two))
        return EXIT_DONE;
    if (two->found && two->here && two->state->options->other_teacher && is_teachers(two->setting))
        return allow(two);
    return two->found && strcmp(two->setting->key, "run.computed") == 0 ? compare_computed(two) : refuse(two);
}

int training_compare_settings(const struct state *state, const tleg_file *file) {
    struct pairs *pairs = calloc(1, sizeof *pairs);
    int code = EXIT_DONE;
    if (!pairs)
        return tool_fail_memory(state->call);
    training_add_settings(state, pairs);
    for (size_t i = 0; i < sizeof settings / sizeof *settings && code == EXIT_DONE; i++) {
        const struct two two = take(state, file, pairs, &settings[i]);
        code = compare_one(&two);
    }
    if (code == EXIT_DONE && training_first(state) && !tleg_file_get_metadata(file, "run.computed"))
        tool_note(state->call,
                  "%s: of an earlier version, which kept less: that teacher, contents of pictures, EXIF, mean, std, crop and "
                  "processor level are those of the run cannot be checked",
                  state->checkpoint);
    free(pairs);
    return code;
}
