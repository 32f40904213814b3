/* The library's handles never change, so another file is made in memory, and read. */
#include "retarget.h"

#include "base/memory_file.h"
#include "base/report.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file in the making: tensors and metadata, as tleg_file_write takes them. */
struct draft {
    int64_t count, pairs;
    const char **names; /* the handles' own */
    tleg_tensor **tensors;
    char **keys_and_values;
};
enum { MOST_KEYS = 32 }; /* of the library; those of the source come beside them */
enum { MOST_HEADS = 4 }; /* tensors of both heads */

/* ---- what learngenes and models have in common ---- */

static tleg_status copy_tensor(tleg_context *context, const struct source *source, const char *name, tleg_tensor **tensor) {
    return source->gene ? tleg_learngene_copy_tensor(context, source->gene, name, tensor)
                        : tleg_model_copy_tensor(context, source->model, name, tensor);
}

static const char *name_at(const struct source *source, int64_t index) {
    return source->gene ? tleg_learngene_get_tensor_name(source->gene, index)
                        : tleg_model_get_tensor_name(source->model, index);
}

static const char *key_at(const struct source *source, int64_t index) {
    return source->gene ? tleg_learngene_get_metadata_key(source->gene, index)
                        : tleg_model_get_metadata_key(source->model, index);
}

static const char *value_of(const struct source *source, const char *key) {
    return source->gene ? tleg_learngene_get_metadata(source->gene, key) : tleg_model_get_metadata(source->model, key);
}

/* ---- one tensor, in f32 ---- */

static float from_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023, bits;
    float value;
    if (exponent == 0) { /* zero or subnormal: fraction 2^-24, exactly */
        value = (float)fraction * 0x1p-24f;
        memcpy(&bits, &value, sizeof bits);
    } else {
        bits = (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
    }
    bits |= sign;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float from_bf16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* *tensor, of a half type, becomes one of f32. */
static tleg_status widen(tleg_context *context, tleg_tensor **tensor) {
    tleg_tensor_info from = {.struct_size = sizeof from}, to = {.struct_size = sizeof to};
    tleg_tensor *wide = NULL;
    tleg_status status = tleg_tensor_get_info(context, *tensor, &from);
    if (status != TLEG_OK || from.dtype == TLEG_F32)
        return status;
    status = tleg_tensor_create(context, TLEG_F32, from.rank, from.shape, &wide);
    if (status != TLEG_OK)
        return status;
    tleg_tensor_get_info(context, wide, &to);
    const uint16_t *halves = from.data;
    float *values = to.data;
    for (size_t i = 0; i < to.bytes / sizeof *values; i++)
        values[i] = from.dtype == TLEG_F16 ? from_half(halves[i]) : from_bf16(halves[i]);
    tleg_tensor_free(*tensor);
    *tensor = wide;
    return TLEG_OK;
}

static int append_tensor(const struct invocation *call, tleg_context *context, struct draft *draft, const struct source *source,
                         const char *name) {
    tleg_tensor **tensor = &draft->tensors[draft->count];
    if (copy_tensor(context, source, name, tensor) != TLEG_OK)
        return tool_fail_context(call, context);
    draft->names[draft->count++] = name;
    return widen(context, tensor) == TLEG_OK ? EXIT_DONE : tool_fail_context(call, context);
}

/* ---- metadata ---- */

static void put_text(struct draft *draft, const char *key, const char *text) {
    char **pair = &draft->keys_and_values[2 * draft->pairs++];
    pair[0] = strdup(key);
    pair[1] = text ? strdup(text) : NULL;
}

static void put_integer(struct draft *draft, const char *key, int32_t value) {
    char text[16];
    snprintf(text, sizeof text, "%d", (int)value);
    put_text(draft, key, text);
}

/* A height and, where it is another, a width. */
static void put_extent(struct draft *draft, const char *key, int32_t height, int32_t width) {
    char text[32];
    snprintf(text, sizeof text, width ? "%dx%d" : "%d", (int)height, (int)width);
    put_text(draft, key, text);
}

static void put_reals(struct draft *draft, const char *key, const double *values, int count) {
    char text[128] = "";
    for (int i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.17g", i ? "," : "", values[i]);
    put_text(draft, key, text);
}

static void put_labels(struct draft *draft, char *const *labels, int32_t count) {
    json_t *array = report_texts((const char *const *)labels, count);
    char *text = json_dumps(array, JSON_COMPACT);
    put_text(draft, "tleg.labels", text);
    free(text);
    json_decref(array);
}

/* labels: NULL for none. False where memory ran out. */
static bool put_metadata(struct draft *draft, const struct source *source, char *const *labels, int32_t count) {
    const tleg_config *config = &source->config;
    const char *key;
    bool good = true;
    for (int64_t i = 0; (key = key_at(source, i)) != NULL; i++)
        put_text(draft, key, value_of(source, key));
    const bool draws = source_draws(config);
    put_text(draft, "tleg.kind", draws ? (source->gene ? "dit_learngene" : "dit") : source->gene ? "learngene" : "vit");
    put_extent(draft, "tleg.image_size", config->image_size, config->image_width);
    put_extent(draft, "tleg.patch_size", config->patch_size, config->patch_width);
    put_integer(draft, "tleg.heads", config->heads);
    if (!draws) {
        put_text(draft, "tleg.norm",
                 config->no_norm                        ? "none"
                 : config->norm == TLEG_NORM_AFTER_POOL ? "after_pool"
                                                        : "before_pool");
        put_text(draft, "tleg.pool", option_choice_name(option_pools, config->pool));
    }
    if (config->pixel_norm)
        put_text(draft, "tleg.pixel_norm", "yes");
    if (config->no_null_label)
        put_text(draft, "tleg.null_label", "no");
    put_reals(draft, "tleg.eps", &config->eps, 1);
    put_reals(draft, "tleg.mean", config->mean, 3);
    put_reals(draft, "tleg.std", config->std, 3);
    put_reals(draft, "tleg.crop", &config->crop, 1);
    put_text(draft, "tleg.interpolation", option_choice_name(option_interpolations, config->interpolation));
    put_text(draft, "tleg.fit", option_choice_name(option_fits, config->fit));
    if (config->mlp != (draws ? TLEG_MLP_GELU_TANH : TLEG_MLP_GELU)) {
        put_text(draft, "tleg.activation", option_choice_name(option_activations, config->mlp));
        put_text(draft, "tleg.needs", "[\"activation\"]");
    }
    if (labels)
        put_labels(draft, labels, count);
    if (source->gene && config->schedule && *config->schedule)
        put_text(draft, "tleg.schedule", config->schedule);
    for (int64_t i = 0; i < 2 * draft->pairs; i++)
        good = good && draft->keys_and_values[i];
    return good;
}

/* ---- the file ---- */

/* For every tensor and key of the source. */
static bool draft_make(const struct source *source, struct draft *draft) {
    int64_t tensors = 0, keys = MOST_KEYS;
    while (name_at(source, tensors))
        tensors++;
    while (key_at(source, keys - MOST_KEYS))
        keys++;
    tensors += MOST_HEADS; /* a source without a head gets one */
    *draft = (struct draft){.names = calloc((size_t)tensors, sizeof *draft->names),
                            .tensors = calloc((size_t)tensors, sizeof *draft->tensors),
                            .keys_and_values = calloc(2 * (size_t)keys, sizeof *draft->keys_and_values)};
    return draft->names && draft->tensors && draft->keys_and_values;
}

static void draft_free(struct draft *draft) {
    for (int64_t i = 0; i < draft->count; i++)
        tleg_tensor_free(draft->tensors[i]);
    for (int64_t i = 0; i < 2 * draft->pairs; i++)
        free(draft->keys_and_values[i]);
    free(draft->names);
    free(draft->tensors);
    free(draft->keys_and_values);
}

static int read_back(const struct invocation *call, tleg_context *context, const struct draft *draft, struct source *source) {
    tleg_save_options options = {
        .struct_size = sizeof options, .pairs = draft->pairs, .keys_and_values = (const char *const *)draft->keys_and_values};
    struct source made = {
        .path = source->path, .config = {.struct_size = sizeof made.config}, .latent_scale = source->latent_scale};
    struct memory_file bytes = {0};
    tleg_status status = tleg_file_write(context, memory_file_append, &bytes, draft->count, draft->names,
                                         (const tleg_tensor *const *)draft->tensors, &options);
    if (status == TLEG_OK)
        status = source->gene ? tleg_learngene_parse(context, bytes.data, bytes.size, NULL, &made.gene)
                              : tleg_model_parse(context, bytes.data, bytes.size, NULL, &made.model);
    free(bytes.data);
    if (status != TLEG_OK)
        return tool_fail_context(call, context);
    source_close(source);
    *source = made;
    if (made.gene)
        tleg_learngene_get_info(context, made.gene, &source->config);
    else
        tleg_model_get_info(context, made.model, &source->config);
    return EXIT_DONE;
}

static bool is_head(const char *name) {
    return strncmp(name, "head.", 5) == 0 || strncmp(name, "head_dist.", 10) == 0;
}

/* A learngene of the same shape, with a head for so many classes. */
static int make_fresh(const struct invocation *call, tleg_context *context, const struct source *source, int32_t classes,
                      uint64_t seed, struct source *fresh) {
    tleg_config config = source->config;
    config.struct_size = sizeof config;
    config.classes = classes;
    config.depth = config.label_count = 0;
    config.labels = NULL;
    config.schedule = NULL;
    config.dtype = TLEG_F32; /* what is learned, whatever runs */
    if (tleg_learngene_create(context, &config, seed, &fresh->gene) != TLEG_OK)
        return tool_fail_context(call, context);
    return EXIT_DONE;
}

static int rebuild(const struct invocation *call, tleg_context *context, struct source *source, const struct dataset *set,
                   bool fresh, uint64_t seed) {
    struct draft draft;
    struct source head = {0};
    const char *name;
    int code = draft_make(source, &draft) ? EXIT_DONE : tool_fail_memory(call);
    if (code == EXIT_DONE && fresh)
        code = make_fresh(call, context, source, set->class_count, seed, &head);
    if (code == EXIT_DONE && !put_metadata(&draft, source, set->named ? set->classes : NULL, set->class_count))
        code = tool_fail_memory(call);
    for (int64_t i = 0; code == EXIT_DONE && (name = name_at(source, i)) != NULL; i++)
        if (!fresh || !is_head(name))
            code = append_tensor(call, context, &draft, source, name);
    for (int64_t i = 0; code == EXIT_DONE && fresh && (name = name_at(&head, i)) != NULL; i++)
        if (is_head(name))
            code = append_tensor(call, context, &draft, &head, name);
    if (code == EXIT_DONE)
        code = read_back(call, context, &draft, source);
    tleg_learngene_free(head.gene);
    draft_free(&draft);
    return code;
}

static void say_fresh(const struct invocation *call, const struct source *source, const struct dataset *set) {
    if (set->features)
        tool_note(call, "the head starts fresh, and learns to tell the teacher's %d features", (int)set->class_count);
    else if (source->config.classes == 0)
        tool_note(call, "the head starts fresh: %s has none, the data have %d classes", source->path, (int)set->class_count);
    else if (set->class_count != source->config.classes)
        tool_note(call, "the head starts fresh: %s has %d classes, the data %d", source->path, (int)source->config.classes,
                  (int)set->class_count);
    else
        tool_note(call, "the head starts fresh: the data's %d classes have other names than those of %s", (int)set->class_count,
                  source->path);
}

/* What a label looks like is in the table of labels and in all that reads it: it does not start fresh. */
static int fail_labels(const struct invocation *call, const struct source *source, const struct dataset *set) {
    return tool_fail(call, "%s: a generator of %d labels%s; the data have %d classes%s: expected the same", source->path,
                     (int)source->config.classes, source->config.label_count ? ", with names" : "", (int)set->class_count,
                     set->class_count == source->config.classes ? " with other names" : "");
}

int retarget(const struct invocation *call, tleg_context *context, struct source *source, struct dataset *set, uint64_t seed) {
    const tleg_config *config = &source->config;
    bool known = config->label_count > 0, same = true;
    if (known && dataset_match(call, set, config->labels, config->label_count, &same) != EXIT_DONE)
        return EXIT_FAILED;
    bool fresh = set->class_count != config->classes || !same;
    bool labels_stay = !fresh && (known || !set->named), wide = source->gene || config->dtype == TLEG_F32;
    if (set->features && source_draws(config))
        return tool_misuse(call, "--teacher-features: %s is a generator, which learns to tell noise", source->path);
    if (fresh && source_draws(config))
        return fail_labels(call, source, set);
    if (labels_stay && wide)
        return EXIT_DONE;
    if (fresh)
        say_fresh(call, source, set);
    return rebuild(call, context, source, set, fresh, seed);
}

int retarget_pictures(const struct invocation *call, struct source *source, struct dataset *set) {
    tleg_config *config = &source->config;
    bool same = true;
    if (config->label_count && dataset_match(call, set, config->labels, config->label_count, &same) != EXIT_DONE)
        return EXIT_FAILED;
    if (source_draws(config))
        return set->class_count != config->classes || !same ? fail_labels(call, source, set) : EXIT_DONE;
    config->classes = set->class_count;
    return EXIT_DONE;
}

int retarget_open(const struct invocation *call, tleg_context *context, const char *path, const struct expansion *expansion,
                  struct source *source) {
    const int code = source_open_as(call, context, path, expansion, source);
    if (code == EXIT_DONE)
        pictures_note(call, source->path, &source->config);
    return code;
}

int retarget_gene(const struct invocation *call, tleg_context *context, const char *path, uint64_t seed, struct dataset *set,
                  struct source *source) {
    int code = retarget_open(call, context, path, &(struct expansion){0}, source);
    if (code == EXIT_DONE && !source->gene)
        code = tool_fail(call, "%s: a model; %s continues from a learngene (tleg tune takes models)", path, call->verb->name);
    return code == EXIT_DONE ? retarget(call, context, source, set, seed) : code;
}
