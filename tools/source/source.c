/* A learngene or a model from a file, and what runs it. */
#include "source.h"

#include "base/digest.h"
#include "base/latent_scale.h"
#include "base/report.h"
#include "depths.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

bool expansion_settle(const struct invocation *call, struct expansion *expansion, int *code) {
    if (!expansion->timm)
        return true;
    if (expansion->norm == TLEG_NORM_BEFORE_POOL) {
        *code = tool_misuse(call, "--timm means --norm after-pool; --norm before-pool contradicts it");
        return false;
    }
    expansion->norm = TLEG_NORM_AFTER_POOL;
    return true;
}

/* A learngene says so under tleg.kind, or by the names of its tensors (an official checkpoint has no metadata). */
bool source_is_gene(const tleg_file *file) {
    const char *kind = tleg_file_get_metadata(file, "tleg.kind"), *name;
    if (kind)
        return strcmp(kind, "learngene") == 0 || strcmp(kind, "dit_learngene") == 0;
    for (int64_t i = 0; (name = tleg_file_get_tensor_name(file, i)) != NULL; i++)
        if (strstr(name, "blocks.block."))
            return true;
    return false;
}

tleg_open_options source_opening(const struct invocation *call) {
    return (tleg_open_options){.struct_size = sizeof(tleg_open_options),
                               .heads = call->heads,
                               .key = call->key,
                               .names = call->names,
                               .activation = call->activation,
                               .eps = call->eps};
}

tleg_open_options source_reading(const struct invocation *call, const tleg_preparation_options *pictures) {
    return (tleg_open_options){.struct_size = sizeof(tleg_open_options),
                               .heads = call->heads,
                               .names = call->names,
                               .activation = call->activation,
                               .eps = call->eps,
                               .pictures = pictures};
}

tleg_file *source_file(const struct invocation *call, tleg_context *context, const char *path) {
    const tleg_open_options opening = {.struct_size = sizeof opening, .key = call->key};
    tleg_file *file;
    if (tleg_file_open(context, path, &opening, &file) != TLEG_OK)
        tool_fail_context(call, context);
    return file;
}

static int read_model(const struct invocation *call, tleg_context *context, const tleg_file *file,
                      const struct expansion *expansion, struct source *source) {
    const tleg_preparation_options pictures = pictures_say(call->pictures, expansion->image);
    tleg_open_options reading = source_reading(call, &pictures);
    reading.dtype = expansion->dtype;
    reading.position_filter = expansion->filter;
    if (tleg_model_read(context, file, &reading, &source->model) != TLEG_OK)
        return tool_fail_context(call, context);
    tleg_status status = tleg_model_get_info(context, source->model, &source->config);
    return status == TLEG_OK ? EXIT_DONE : tool_fail(call, "%s: %s", source->path, tleg_status_name(status));
}

static int read_gene(const struct invocation *call, tleg_context *context, const tleg_file *file, struct source *source) {
    const tleg_preparation_options pictures = pictures_say(call->pictures, (struct extent){0});
    const tleg_open_options reading = source_reading(call, &pictures);
    if (tleg_learngene_read(context, file, &reading, &source->gene) != TLEG_OK)
        return tool_fail_context(call, context);
    tleg_status status = tleg_learngene_get_info(context, source->gene, &source->config);
    return status == TLEG_OK ? EXIT_DONE : tool_fail(call, "%s: %s", source->path, tleg_status_name(status));
}

/* Earlier versions said it by the scores alone. */
bool source_tells_features(const tleg_file *file, const tleg_config *config) {
    const char *tells = tleg_file_get_metadata(file, HEAD_TELLS);
    return (tells && strcmp(tells, HEAD_FEATURES) == 0) ||
           (config->scores && config->scores->on && strcmp(config->scores->on, TLEG_SCORES_ON_FEATURES) == 0);
}

int source_read(const struct invocation *call, tleg_context *context, const char *path, const tleg_file *file,
                const struct expansion *expansion, struct source *source) {
    *source = (struct source){.path = path, .config = {.struct_size = sizeof(tleg_config)}};
    int code = latent_scale_find(call, path, file, &source->latent_scale);
    if (code == EXIT_DONE)
        code =
            source_is_gene(file) ? read_gene(call, context, file, source) : read_model(call, context, file, expansion, source);
    source->features = code == EXIT_DONE && source_tells_features(file, &source->config);
    return code;
}

/* Of an index, which holds no tensors itself, those of all that it names. */
bool source_bytes(tleg_context *context, const tleg_file *file, const char *path, uint64_t *bytes) {
    uint64_t tensors = 0, own;
    const char *name;
    for (int64_t i = 0; (name = tleg_file_get_tensor_name(file, i)) != NULL; i++) {
        tleg_tensor_info info = {.struct_size = sizeof info};
        if (tleg_file_get_tensor_info(context, file, name, &info) != TLEG_OK)
            return false;
        tensors += info.bytes;
    }
    if (!report_file_bytes(path, &own))
        return false;
    *bytes = own > tensors ? own : tensors;
    return true;
}

int source_open_as(const struct invocation *call, tleg_context *context, const char *path, const struct expansion *expansion,
                   struct source *source) {
    *source = (struct source){.path = path};
    tleg_file *file = source_file(call, context, path);
    if (!file)
        return EXIT_FAILED;
    const int code = source_read(call, context, path, file, expansion, source);
    tleg_file_free(file);
    return code;
}

int source_open(const struct invocation *call, tleg_context *context, const char *path, struct source *source) {
    return source_open_as(call, context, path, &(struct expansion){0}, source);
}

/* A model's depth and norm are what they are: options may repeat them, not change them. */
static int check_model(const struct invocation *call, const struct expansion *expansion, const struct source *source) {
    const tleg_config *config = &source->config;
    if (expansion->depth && expansion->depth != config->depth)
        return tool_misuse(call, "%s is a model of depth %d; --depth %d is for a learngene", source->path, (int)config->depth,
                           (int)expansion->depth);
    if (expansion->norm && source_draws(config))
        return tool_misuse(call, "%s draws pictures: --norm and --timm are for what tells classes apart", source->path);
    /* where no mean is read, either place is the same, and the published descendants have an eps of their own */
    const bool one_token = config->pool != TLEG_POOL_MEAN && config->pool != TLEG_POOL_MEAN_ALL &&
                           config->pool != TLEG_POOL_MAX && config->pool != TLEG_POOL_MEAN_MAX;
    const bool published = one_token && expansion->norm == TLEG_NORM_AFTER_POOL && config->eps == 1e-6;
    if (expansion->norm && expansion->norm != config->norm && !published)
        return tool_misuse(call, "%s is a model with its norm %s; --norm and --timm are for a learngene", source->path,
                           option_choice_name(option_norms, config->norm));
    return EXIT_DONE;
}

tleg_expander_options expansion_options(const struct expansion *expansion) {
    return (tleg_expander_options){.struct_size = sizeof(tleg_expander_options),
                                   .dtype = expansion->dtype,
                                   .norm = expansion->norm,
                                   .image_size = expansion->image.height,
                                   .image_width = expansion->image.width,
                                   .position_filter = expansion->filter};
}

static int need_depth(const struct invocation *call, int32_t depth, const char *path) {
    return depth ? EXIT_DONE : tool_misuse(call, "%s is a learngene: it needs --depth", path);
}

int source_take_expansion(const struct invocation *call, tleg_context *context, const struct expansion *expansion,
                          struct source *source) {
    if (source->model)
        return check_model(call, expansion, source);
    int code = need_depth(call, expansion->depth, source->path);
    if (code != EXIT_DONE)
        return code;
    const tleg_expander_options options = expansion_options(expansion);
    if (tleg_expander_create(context, source->gene, &options, &source->expander) != TLEG_OK)
        return tool_fail_context(call, context);
    source->config.depth = expansion->depth;
    source->config.dtype = expansion->dtype ? expansion->dtype : TLEG_F32;
    const struct extent image = expansion->image;
    if (image.height) {
        source->config.image_size = image.height;
        source->config.image_width = image.width == image.height ? 0 : image.width;
    }
    return EXIT_DONE;
}

static int read_expander(const struct invocation *call, tleg_context *context, const tleg_file *file,
                         const struct expansion *expansion, struct source *source) {
    const tleg_preparation_options pictures = pictures_say(call->pictures, (struct extent){0});
    const tleg_open_options reading = source_reading(call, &pictures);
    const tleg_expander_options options = expansion_options(expansion);
    if (tleg_expander_read(context, file, &reading, &options, &source->expander) != TLEG_OK)
        return tool_fail_context(call, context);
    tleg_status status = tleg_expander_get_info(context, source->expander, &source->config);
    const tleg_config *config = &source->config;
    source->config.depth = expansion->depth ? expansion->depth : expansion->first;
    if (!config->depth && expansion->learned && config->depth_count)
        source->config.depth = config->depths[config->depth_count - 1];
    return status == TLEG_OK ? need_depth(call, config->depth, source->path)
                             : tool_fail(call, "%s: %s", source->path, tleg_status_name(status));
}

int source_open_kept(const struct invocation *call, tleg_context *context, const char *path, const struct expansion *expansion,
                     struct source *source, tleg_file **file) {
    *source = (struct source){.path = path, .config = {.struct_size = sizeof(tleg_config)}};
    *file = source_file(call, context, path);
    if (!*file)
        return EXIT_FAILED;
    const bool gene = source_is_gene(*file);
    int code = latent_scale_find(call, path, *file, &source->latent_scale);
    if (code == EXIT_DONE)
        code =
            gene ? read_expander(call, context, *file, expansion, source) : read_model(call, context, *file, expansion, source);
    source->features = code == EXIT_DONE && source_tells_features(*file, &source->config);
    return code == EXIT_DONE && !gene ? check_model(call, expansion, source) : code;
}

int source_open_expanded(const struct invocation *call, tleg_context *context, const char *path,
                         const struct expansion *expansion, struct source *source) {
    tleg_file *file;
    const int code = source_open_kept(call, context, path, expansion, source, &file);
    tleg_file_free(file);
    return code;
}

int64_t source_features(const tleg_config *config) {
    const int64_t pooled = config->pool == TLEG_POOL_CLS_MEAN ? 2 * (int64_t)config->dim : config->dim;
    return config->representation ? config->representation : pooled;
}

bool source_draws(const tleg_config *config) {
    return config->kind == TLEG_KIND_DIT;
}

bool source_draws_latents(const struct source *source) {
    const int32_t channels = source->config.channels;
    return source_draws(&source->config) && (source->latent_scale > 0 || (channels != 1 && channels != 3));
}

bool source_scores_answers(const tleg_config *config, const char *on) {
    return !source_draws(config) && strcmp(on, TLEG_SCORES_ON_FEATURES) != 0;
}

const char *source_score_name(const tleg_config *config, const char *on) {
    return source_scores_answers(config, on) ? "top-1" : source_draws(config) ? "noise told" : "told";
}

const char *source_kind(const struct source *source) {
    if (source_draws(&source->config))
        return source->model ? "dit" : "dit_learngene";
    return source->model ? "vit" : "learngene";
}

int source_need_classifier(const struct invocation *call, const struct source *source) {
    if (!source_draws(&source->config))
        return EXIT_DONE;
    return tool_fail(call,
                     "%s: expected a Vision Transformer that tells classes apart, found a generator (a Diffusion Transformer): "
                     "tleg generate draws with it",
                     source->path);
}

int source_need_generator(const struct invocation *call, const struct source *source) {
    if (source_draws(&source->config))
        return EXIT_DONE;
    return tool_fail(call,
                     "%s: expected a generator (a Diffusion Transformer), found a Vision Transformer that tells classes apart: "
                     "tleg classify and tleg run take it",
                     source->path);
}

int source_generator(const struct invocation *call, tleg_context *context, struct source *source, int32_t batch,
                     tleg_generator **generator) {
    const tleg_generator_options options = {.struct_size = sizeof options, .batch = batch};
    int code = source_need_generator(call, source);
    if (code != EXIT_DONE)
        return code;
    const tleg_status status =
        source->model ? tleg_generator_create(context, source->model, &options, generator)
                      : tleg_generator_create_elastic(context, source->expander, source->config.depth, &options, generator);
    return status == TLEG_OK ? EXIT_DONE : tool_fail_context(call, context);
}

int source_session(const struct invocation *call, tleg_context *context, struct source *source, int32_t batch,
                   tleg_session **session) {
    int code = source_need_classifier(call, source);
    if (code != EXIT_DONE)
        return code;
    tleg_session_options options = {.struct_size = sizeof options, .batch = batch};
    tleg_status status = source->model
                             ? tleg_session_create(context, source->model, &options, session)
                             : tleg_session_create_elastic(context, source->expander, source->config.depth, &options, session);
    return status == TLEG_OK ? EXIT_DONE : tool_fail_context(call, context);
}

/* The numbers of one tensor; those of a type that is not a network's are passed over. */
static tleg_status digest_tensor(tleg_context *context, const tleg_file *file, const char *name, uint64_t *digest) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    tleg_tensor *tensor = NULL;
    tleg_status status = tleg_file_get_tensor_info(context, file, name, &info);
    if (status != TLEG_OK || info.dtype == 0)
        return status;
    status = tleg_file_read_tensor(context, file, name, &tensor);
    if (status == TLEG_OK)
        status = tleg_tensor_get_info(context, tensor, &info);
    if (status == TLEG_OK)
        *digest = digest_bytes(digest_text(*digest, name), info.data, (size_t)info.bytes);
    tleg_tensor_free(tensor);
    return status;
}

tleg_status source_digest(tleg_context *context, const tleg_file *file, const tleg_config *config, uint64_t *digest) {
    tleg_status status = TLEG_OK;
    const char *name;
    char text[160];
    snprintf(text, sizeof text, "%d %d %.17g %d %d", (int)config->heads, (int)config->patch_size, config->eps,
             (int)config->pool, (int)config->norm);
    *digest = digest_text(*digest, text);
    if (config->patch_width) {
        snprintf(text, sizeof text, "patch_width %d", (int)config->patch_width);
        *digest = digest_text(*digest, text);
    }
    *digest = digest_bytes(*digest, config->mean, sizeof config->mean);
    *digest = digest_bytes(*digest, config->std, sizeof config->std);
    for (int64_t i = 0; status == TLEG_OK && (name = tleg_file_get_tensor_name(file, i)) != NULL; i++)
        status = digest_tensor(context, file, name, digest);
    return status;
}

bool source_learned(const tleg_config *config, int32_t depth) {
    for (int32_t k = 0; k < config->depth_count; k++)
        if (config->depths[k] == depth)
            return true;
    return config->depth_count == 0;
}

void source_note_depth(const struct invocation *call, const char *path, const tleg_config *config, int32_t depth) {
    char text[DEPTHS_TEXT];
    if (!source_learned(config, depth))
        tool_note(call, "%s was learned at depths %s; at %d it may do much worse", path,
                  depths_text(config->depths, config->depth_count, text), (int)depth);
}

void source_close(struct source *source) {
    tleg_expander_free(source->expander);
    tleg_model_free(source->model);
    tleg_learngene_free(source->gene);
    *source = (struct source){0};
}

static const char *teaching_verb(const struct source *source) {
    return source->model ? "tune" : "learn --from";
}

int source_need_head(const struct invocation *call, const struct source *source) {
    if (source_draws(&source->config))
        return source_need_classifier(call, source);
    if (source->features)
        return tool_fail(call,
                         "%s has a head of %d features of a teacher, not of classes (tleg features, tleg probe): 'tleg %s %s "
                         "--data DIR' learns a head for your classes",
                         source->path, (int)source->config.classes, teaching_verb(source), source->path);
    if (source->config.classes)
        return EXIT_DONE;
    return tool_fail(
        call,
        "%s has no head: it gives features (tleg features, tleg probe); 'tleg %s %s --data DIR' learns a head for your "
        "classes",
        source->path, teaching_verb(source), source->path);
}

tleg_status source_run(tleg_session *session, const float *images, int64_t batch, float *logits, float *features) {
    tleg_session_info info = {.struct_size = sizeof info};
    const tleg_status status = tleg_session_get_info(NULL, session, &info);
    const size_t count = (size_t)batch;
    return status != TLEG_OK
               ? status
               : tleg_session_run(session, batch, images, count * info.image_floats, info.logit_floats ? logits : NULL,
                                  logits ? count * info.logit_floats : 0, features, features ? count * info.feature_floats : 0);
}

int32_t source_guess(const float *logits, int32_t classes) {
    int32_t best = 0;
    for (int32_t i = 0; i < classes; i++) {
        if (!isfinite(logits[i]))
            return -1;
        if (logits[i] > logits[best])
            best = i;
    }
    return best;
}

int32_t source_prefix(const tleg_config *config) {
    return config->class_token + config->distillation_token + config->registers;
}

int64_t source_tokens(const tleg_config *config) {
    const struct extent image = extent_of_image(config), patch = extent_of_patch(config);
    return source_prefix(config) + (int64_t)(image.height / patch.height) * (image.width / patch.width);
}

int32_t source_stored_dtype(tleg_context *context, const tleg_file *file) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    const char *name = tleg_file_get_tensor_name(file, 0);
    if (!name || tleg_file_get_tensor_info(context, file, name, &info) != TLEG_OK)
        return TLEG_F32;
    const int32_t dtype = info.dtype;
    for (int64_t i = 1; (name = tleg_file_get_tensor_name(file, i)) != NULL; i++)
        if (tleg_file_get_tensor_info(context, file, name, &info) != TLEG_OK || info.dtype != dtype)
            return TLEG_F32;
    return dtype == TLEG_BF16 || dtype == TLEG_F16 ? dtype : TLEG_F32;
}
