/* The data of a training: opened, split, with the stored logits that belong to them. */
#include "private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int training_open_data(struct state *state) {
    const struct training_options *options = state->options;
    struct dataset_options how = {.dir = options->data,
                                  .latents = true,
                                  .cache = options->cache,
                                  .skip_bad = options->skip_bad,
                                  .exif = options->exif,
                                  .unlabelled = options->teacher_features};
    return dataset_open(state->call, &how, &state->set);
}

/* Bare numbers count the classes in --data's own order. */
static void number_other(struct state *state) {
    for (size_t i = 0; i < state->other.count; i++)
        state->other.samples[i].label = state->set.label_of[state->other.samples[i].label];
}

/* Other data to validate with must have the same classes: by name where both have names, else by number. */
static int open_other(struct state *state) {
    const struct training_options *options = state->options;
    struct dataset_options how = {.dir = options->val,
                                  .role = DATASET_JUDGE,
                                  .latents = true,
                                  .classes = options->teacher_features ? NULL : (const char *const *)state->set.classes,
                                  .class_count = state->set.class_count,
                                  .numbered = !state->set.named,
                                  .unlabelled = options->teacher_features,
                                  .cache = options->cache - state->set.held,
                                  .skip_bad = options->skip_bad,
                                  .exif = options->exif};
    int code = dataset_open(state->call, &how, &state->other);
    if (code == EXIT_DONE && !options->teacher_features && !state->other.named)
        number_other(state);
    if (code == EXIT_DONE)
        code = training_check_other_latents(state);
    if (code == EXIT_DONE && options->teacher_features)
        code = dataset_take_features(state->call, &state->other, state->set.class_count);
    return code == EXIT_DONE ? dataset_hold(state->call, &state->other, &state->source.config, true) : code;
}

static int check_count(const struct state *state) {
    size_t step = (size_t)state->options->batch * (size_t)state->options->accumulate;
    if (state->options->batch % state->ranks.count)
        return tool_fail(state->call, "--batch %d: %d ranks share each batch, and must divide it", (int)state->options->batch,
                         (int)state->ranks.count);
    if (state->learned.count < step)
        return tool_fail(
            state->call, "%s: %zu images to learn from are fewer than one step takes (--batch %d, --accumulate %d)",
            state->options->data, state->learned.count, (int)state->options->batch, (int)state->options->accumulate);
    return EXIT_DONE;
}

/* A validation that nobody asked for takes nothing away from classes that have next to nothing. */
static int spare_small_classes(struct state *state) {
    enum { FEW = 5 };
    const struct dataset *set = &state->set;
    size_t *counts = calloc((size_t)set->class_count, sizeof *counts);
    if (!counts)
        return tool_fail_memory(state->call);
    for (size_t i = 0; i < set->count; i++)
        counts[set->samples[i].label]++;
    int32_t least = 0;
    for (int32_t i = 1; i < set->class_count; i++)
        if (counts[i] < counts[least])
            least = i;
    if (counts[least] < FEW) {
        state->settled.val_every = 0;
        if (training_first(state))
            tool_note(state->call, "nothing is validated: the class \"%s\" has %zu picture%s; --val DIR validates with others",
                      set->classes[least], counts[least], tool_plural((int64_t)counts[least]));
    } else if (training_first(state)) {
        tool_note(state->call, "one in %d pictures of each class validates and is not learned from; --val DIR: others do",
                  (int)state->options->val_every);
    }
    free(counts);
    return EXIT_DONE;
}

int training_split_data(struct state *state) {
    struct part all = {0};
    if (dataset_hold(state->call, &state->set, &state->source.config, state->options->augment == AUGMENT_NONE) != EXIT_DONE)
        return EXIT_FAILED;
    if (state->options->val_default && !state->set.features && spare_small_classes(state) != EXIT_DONE)
        return EXIT_FAILED;
    int code = part_split(state->call, &state->set, state->options->val_every, &state->learned, &state->judged);
    if (code == EXIT_DONE && state->set.features && state->options->recorded)
        part_free(&state->judged); /* nobody is there to say what their features are */
    if (code == EXIT_DONE && state->options->val) {
        part_free(&state->judged);
        code = open_other(state);
        if (code == EXIT_DONE)
            code = part_split(state->call, &state->other, 0, &state->judged, &all);
        part_free(&all);
    }
    if (code == EXIT_DONE)
        code = training_note_spread(state);
    if (code != EXIT_DONE)
        return code;
    training_choose_recipe(state);
    return check_count(state);
}

/* ---- stored logits ---- */

struct row {
    const char *name;
    size_t row;
};

struct store {
    tleg_file *file;
    tleg_tensor *tensor;
    tleg_tensor_info info;
    json_t *names;
    struct row *rows; /* sorted by name */
    size_t count;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

static int check_tensor(struct state *state, struct store *store) {
    const char *path = state->options->teacher_logits;
    const tleg_tensor_info *info = &store->info;
    if (info->dtype != TLEG_F32 || info->rank != 2)
        return tool_fail(state->call, "%s: \"logits\": expected f32 [N,C], found %s with %d dimensions", path,
                         tool_dtype_name(info->dtype), (int)info->rank);
    if (info->shape[1] != state->set.class_count)
        return tool_fail(state->call, "%s: logits of %" PRId64 " classes; %s has %d", path, info->shape[1],
                         state->options->data, (int)state->set.class_count);
    return EXIT_DONE;
}

static int read_names(struct state *state, struct store *store) {
    const char *path = state->options->teacher_logits, *text = tleg_file_get_metadata(store->file, "names");
    if (!text)
        return tool_fail(state->call,
                         "%s: no \"names\" in the metadata; expected a JSON array with the image of each row, such as "
                         "[\"cat/0001.jpg\", ...]",
                         path);
    store->names = json_loads(text, 0, NULL);
    store->count = json_array_size(store->names);
    if (!json_is_array(store->names) || (int64_t)store->count != store->info.shape[0])
        return tool_fail(state->call,
                         "%s: \"names\": expected a JSON array of %" PRId64 " strings, as many as \"logits\" has rows", path,
                         store->info.shape[0]);
    store->rows = malloc((store->count + 1) * sizeof *store->rows);
    if (!store->rows)
        return tool_fail_memory(state->call);
    for (size_t i = 0; i < store->count; i++) {
        store->rows[i] = (struct row){json_string_value(json_array_get(store->names, i)), i};
        if (!store->rows[i].name)
            return tool_fail(state->call, "%s: \"names\"[%zu] is not a string", path, i);
    }
    qsort(store->rows, store->count, sizeof *store->rows, by_name);
    for (size_t i = 1; i < store->count; i++)
        if (strcmp(store->rows[i - 1].name, store->rows[i].name) == 0)
            return tool_fail(state->call, "%s: \"names\" holds \"%s\" twice", path, store->rows[i].name);
    return EXIT_DONE;
}

static int read_store(struct state *state, struct store *store) {
    const char *path = state->options->teacher_logits;
    if (tleg_file_open(state->context, path, NULL, &store->file) != TLEG_OK ||
        tleg_file_read_tensor(state->context, store->file, "logits", &store->tensor) != TLEG_OK ||
        tleg_tensor_get_info(state->context, store->tensor, &store->info) != TLEG_OK)
        return tool_fail_context(state->call, state->context);
    int code = check_tensor(state, store);
    return code == EXIT_DONE ? read_names(state, store) : code;
}

/* Columns stand in the data's own order of classes; the network's may be another. */
static void take_row(const struct dataset *set, const float *row, float *logits) {
    for (int32_t i = 0; i < set->class_count; i++)
        logits[set->label_of[i]] = row[i];
}

/* Puts each picture's row at the picture's place. */
static int place_rows(struct state *state, const struct store *store) {
    size_t classes = (size_t)state->set.class_count, missing = 0;
    char name[DATASET_NAME], first[DATASET_NAME] = "";
    state->logits = calloc(state->set.count * classes + 1, sizeof *state->logits);
    if (!state->logits)
        return tool_fail_memory(state->call);
    for (size_t i = 0; i < state->learned.count; i++) {
        size_t item = state->learned.items[i];
        dataset_name(&state->set, item, name);
        struct row wanted = {name, 0};
        const struct row *row = bsearch(&wanted, store->rows, store->count, sizeof wanted, by_name);
        if (row)
            take_row(&state->set, (const float *)store->info.data + row->row * classes, state->logits + item * classes);
        else if (missing++ == 0)
            memcpy(first, name, sizeof first);
    }
    if (missing)
        return tool_fail(state->call, "%s: %zu rows, but none for %zu of the %zu images to learn from, such as \"%s\"",
                         state->options->teacher_logits, store->count, missing, state->learned.count, first);
    return EXIT_DONE;
}

int training_read_logits(struct state *state) {
    struct store store = {.info = {.struct_size = sizeof store.info}};
    if (!state->options->teacher_logits)
        return EXIT_DONE;
    int code = read_store(state, &store);
    if (code == EXIT_DONE)
        code = place_rows(state, &store);
    free(store.rows);
    json_decref(store.names);
    tleg_tensor_free(store.tensor);
    tleg_file_free(store.file);
    return code;
}
