/* The library's handles never change, so another file is made in memory, and read. */
#include "retarget.h"

#include "base/memory_file.h"
#include "base/report.h"
#include "source/draft.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the source as a file: the library knows by which keys and tensors it is told ---- */

/* In memory, and in f32. */
static int write_source(const struct invocation *call, tleg_context *context, const struct source *source,
                        struct memory_file *bytes, tleg_file **file) {
    const tleg_save_options options = {.struct_size = sizeof options, .dtype = TLEG_F32};
    tleg_status status = source->gene ? tleg_learngene_write(context, source->gene, memory_file_append, bytes, &options)
                                      : tleg_model_write(context, source->model, memory_file_append, bytes, &options);
    if (status == TLEG_OK)
        status = memory_file_open(context, bytes, source->path, file);
    return status == TLEG_OK ? EXIT_DONE : tool_fail_context(call, context);
}

/* ---- metadata ---- */

/* What the file says, but for what is to be learned anew; `labels` in place of its own, unless they are NULL. */
static void put_metadata(struct draft *draft, const tleg_file *file, bool fresh, const char *labels) {
    const char *key;
    for (int64_t i = 0; (key = tleg_file_get_metadata_key(file, i)) != NULL; i++) {
        const bool learned = strcmp(key, "tleg.depths") == 0 || strcmp(key, "tleg.scores") == 0 || strcmp(key, HEAD_TELLS) == 0;
        if (!learned && !((fresh || labels) && strcmp(key, "tleg.labels") == 0))
            draft_put_pair(draft, key, tleg_file_get_metadata(file, key));
    }
    if (labels)
        draft_put_pair(draft, "tleg.labels", labels);
}

/* The names of the data's classes as a JSON array, to be freed. */
static char *labels_text(const struct dataset *set) {
    json_t *array = report_texts((const char *const *)set->classes, set->class_count);
    char *text = json_dumps(array, JSON_COMPACT);
    json_decref(array);
    return text;
}

/* ---- the file with another head ---- */

static bool is_head(const char *name) {
    return strncmp(name, "head.", 5) == 0 || strncmp(name, "head_dist.", 10) == 0;
}

/* A learngene of the same shape, with a head for so many classes. */
static int make_fresh(const struct invocation *call, tleg_context *context, const struct source *source, int32_t classes,
                      uint64_t seed, tleg_learngene **fresh) {
    tleg_config config = source->config;
    config.struct_size = sizeof config;
    config.classes = classes;
    config.depth = config.label_count = 0;
    config.labels = NULL;
    config.schedule = NULL;
    config.dtype = TLEG_F32; /* what is learned, whatever runs */
    extent_set(&config, extent_of_patches(&source->config), extent_of_patch(&source->config));
    if (tleg_learngene_create(context, &config, seed, fresh) != TLEG_OK)
        return tool_fail_context(call, context);
    return EXIT_DONE;
}

/* All of the file, but for a head that starts fresh. */
static int put_tensors(const struct invocation *call, tleg_context *context, struct draft *draft, const tleg_file *file,
                       bool fresh) {
    const char *name;
    for (int64_t i = 0; (name = tleg_file_get_tensor_name(file, i)) != NULL; i++) {
        if (!(fresh && is_head(name)) && draft_put_tensor(context, draft, file, name) != TLEG_OK)
            return tool_fail_context(call, context);
    }
    return EXIT_DONE;
}

/* Its tensors, of which there are DRAFT_MORE at most: those of both heads. */
static int put_head(const struct invocation *call, tleg_context *context, struct draft *draft, const tleg_learngene *head) {
    const char *name;
    for (int64_t i = 0; (name = tleg_learngene_get_tensor_name(head, i)) != NULL; i++) {
        if (!is_head(name))
            continue;
        if (tleg_learngene_copy_tensor(context, head, name, &draft->tensors[draft->count]) != TLEG_OK)
            return tool_fail_context(call, context);
        draft->names[draft->count++] = name;
    }
    return EXIT_DONE;
}

/* Opens `bytes` in place of the source. */
static int read_back(const struct invocation *call, tleg_context *context, struct memory_file *bytes, struct source *source) {
    struct source made = {
        .path = source->path, .config = {.struct_size = sizeof made.config}, .latent_scale = source->latent_scale};
    tleg_file *file = NULL;
    tleg_status status = memory_file_open(context, bytes, source->path, &file);
    if (status == TLEG_OK)
        status = source->gene ? tleg_learngene_read(context, file, NULL, &made.gene)
                              : tleg_model_read(context, file, NULL, &made.model);
    tleg_file_free(file);
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

/* Writes `file` to `made`, with `head` in place of its own, unless that is NULL. */
static int write_again(const struct invocation *call, tleg_context *context, const tleg_file *file, const tleg_learngene *head,
                       const char *labels, struct memory_file *made) {
    struct draft draft;
    int code = draft_make(file, &draft) ? EXIT_DONE : tool_fail_memory(call);
    if (code == EXIT_DONE)
        code = put_tensors(call, context, &draft, file, head != NULL);
    if (code == EXIT_DONE && head)
        code = put_head(call, context, &draft, head);
    if (code == EXIT_DONE) {
        put_metadata(&draft, file, head != NULL, labels);
        const tleg_save_options options = draft_options(&draft);
        if (tleg_file_write(context, memory_file_append, made, draft.count, draft.names,
                            (const tleg_tensor *const *)draft.tensors, &options) != TLEG_OK)
            code = tool_fail_context(call, context);
    }
    draft_free(&draft);
    return code;
}

static int rebuild(const struct invocation *call, tleg_context *context, struct source *source, const struct dataset *set,
                   bool fresh, uint64_t seed) {
    struct memory_file bytes = {0}, made = {0};
    tleg_learngene *head = NULL;
    tleg_file *file = NULL;
    char *labels = set->named ? labels_text(set) : NULL;
    int code = labels || !set->named ? EXIT_DONE : tool_fail_memory(call);
    if (code == EXIT_DONE && fresh)
        code = make_fresh(call, context, source, set->class_count, seed, &head);
    if (code == EXIT_DONE)
        code = write_source(call, context, source, &bytes, &file);
    if (code == EXIT_DONE)
        code = write_again(call, context, file, head, labels, &made);
    tleg_file_free(file);
    free(bytes.data);
    if (code == EXIT_DONE)
        code = read_back(call, context, &made, source);
    tleg_learngene_free(head);
    free(made.data);
    free(labels);
    return code;
}

static void say_fresh(const struct invocation *call, const struct source *source, const struct dataset *set) {
    if (set->features)
        tool_note(call, "the head starts fresh, and learns to tell the teacher's %d features", (int)set->class_count);
    else if (source->features)
        tool_note(call, "the head starts fresh: that of %s tells a teacher's features, the data have %d classes", source->path,
                  (int)set->class_count);
    else if (source->config.classes == 0)
        tool_note(call, "the head starts fresh: %s has none, the data have %d classes", source->path, (int)set->class_count);
    else if (set->class_count != source->config.classes)
        tool_note(call, "the head starts fresh: %s has %d classes, the data %d", source->path, (int)source->config.classes,
                  (int)set->class_count);
    else
        tool_note(call, "the head starts fresh: the data's %d classes have other names than those of %s", (int)set->class_count,
                  source->path);
}

/* Whether it was learned to tell these very classes: a fresh learngene may have their names too, but no depths. */
static bool is_learned(const tleg_config *config, bool by_name) {
    return by_name && !source_draws(config) && (config->depth > 0 || config->depth_count > 0);
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
    bool fresh = set->class_count != config->classes || !same || source->features != set->features;
    const bool knows = is_learned(config, known && !fresh);
    bool labels_stay = !fresh && (known || !set->named), wide = source->gene || config->dtype == TLEG_F32;
    if (set->features && source_draws(config))
        return tool_misuse(call, "--teacher-features: %s is a generator, which learns to tell noise", source->path);
    if (fresh && source_draws(config))
        return fail_labels(call, source, set);
    if (fresh)
        say_fresh(call, source, set);
    const int code = labels_stay && wide ? EXIT_DONE : rebuild(call, context, source, set, fresh, seed);
    source->features = set->features;
    source->knows = knows;
    return code;
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

int retarget_head(const struct invocation *call, tleg_context *context, struct source *source, int32_t classes, uint64_t seed) {
    const struct dataset nameless = {.class_count = classes};
    if (source_draws(&source->config))
        return tool_fail(call, "%s: a generator has %d labels of its own, which it was learned with", source->path,
                         (int)source->config.classes);
    return rebuild(call, context, source, &nameless, true, seed);
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
