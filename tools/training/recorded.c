/* Recorded teachers: what a recording and a run must agree in, and what a run takes from one. */
#include "private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
    char text[24];
    report_text(report, "teacher", training_teacher_name(options));
    if (options->teacher_depth)
        report_integer(report, "teacher_depth", options->teacher_depth);
    snprintf(text, sizeof text, "%016" PRIx64, state->origin.teacher);
    report_text(report, "teacher_contents", text);
}

int32_t training_recorded_epochs(const struct state *state) {
    return state->recipe.views ? state->recipe.views : state->options->epochs;
}

/* Everything that the pictures of each epoch, their order and the places of their logits follow from; and who is asked. */
json_t *training_describe_recording(const struct state *state) {
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
    if (options->val_every)
        report_integer(&report, "val_every", options->val_every);
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
    report_integer(&report, "epochs", training_recorded_epochs(state));
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

static bool is_of_pictures(const struct state *state, const char *key) {
    struct report pictures = report_start();
    add_pictures(&pictures, &state->recipe);
    const bool is = json_object_get(pictures.object, key) != NULL;
    json_decref(pictures.object);
    return is;
}

/* What else to say of some settings. */
static const char *advice(const struct state *state, const char *key) {
    if (state->options->recorded && is_of_pictures(state, key))
        return "; without --augment and other options of pictures they are as recorded";
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
    int code = was && is
                   ? tool_fail(state->call, "%s: recorded with %s %s; here it is %s%s", path, key, was, is, advice(state, key))
                   : tool_fail_memory(state->call);
    free(was);
    free(is);
    return code;
}

static bool is_one_of(const char *key, const char *const *words) {
    while (*words && strcmp(key, *words) != 0)
        words++;
    return *words != NULL;
}

/* What a run may differ in that learns from a recording: it is checked by how much there is of it, and batches as they were
 * recorded are needed only where pictures are mixed in them. */
static bool is_free(const struct state *state, const char *key) {
    static const char *const words[] = {"places", "teacher", "teacher_depth", "teacher_contents", "val_every", NULL};
    return is_one_of(key, words) || (strcmp(key, "batch") == 0 && !state->recipe.mixed);
}

/* What older recordings do not say; a teacher's name, which is for people where its contents are told; and the length, which
 * may grow. */
static bool is_unsaid(const json_t *settings, const char *key) {
    static const char *const words[] = {"contents", "teacher_contents", "teacher_depth", "val_every", NULL};
    if (strcmp(key, "teacher") == 0)
        return json_object_get(settings, "teacher_contents") != NULL;
    if (strcmp(key, "epochs") == 0)
        return true;
    return is_one_of(key, words) && !json_object_get(settings, key);
}

/* What stands in some settings alone: pictures are square, in colour, and so on where it is absent. */
static const char *const words_of_some[] = {"image_width", "interpolation", "fit", "channels", NULL};

int training_compare_recording(const struct state *state, const char *path, const json_t *settings, bool exactly) {
    json_t *all = training_describe_recording(state), *expected;
    const char *key;
    int code = all ? EXIT_DONE : tool_fail_memory(state->call);
    json_object_foreach(all, key, expected) {
        const json_t *found = json_object_get(settings, key);
        if (code == EXIT_DONE && !is_unsaid(settings, key) && (exactly || !is_free(state, key)) && !is_same(found, expected))
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
    code = training_compare_recording(state, state->options->recorded, settings, false);
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

/* Which pictures were left out of it, and validate. */
static void take_validation(struct state *state, const json_t *settings) {
    struct training_options *options = &state->settled;
    if (options->val)
        return;
    take_count(settings, "val_every", 1, INT32_MAX, &options->val_every);
    if (options->val_depths && !options->val_every && training_first(state))
        tool_note(state->call, "nothing is validated: %s is of all pictures, or does not say which it leaves out (--val-every)",
                  options->recorded);
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
    take_validation(state, settings);
    if (!crop || options->augment >= 0)
        return EXIT_DONE;
    take_shapes(settings, crop, options);
    take_amount(settings, "flip", 1, &options->flip);
    take_amount(settings, "mixup", 1e6, &options->mixup);
    take_amount(settings, "cutmix", 1e6, &options->cutmix);
    take_count(settings, "repeats", 1, 1000, &options->repeats);
    return EXIT_DONE;
}
