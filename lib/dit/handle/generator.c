/* The generator handle: a session whose network draws, and the buffers of a step. */
#include "dit/handle/private.h"

#include "dit/pass/drawing.h"

/* ---- creation ---- */

_Static_assert(sizeof(struct tleg_generator) <= TLEG_DRAWING_HANDLE, "the handle fits in front of the buffers");

static tleg_status check_kind(tleg_context *context, const tleg_config *config) {
    if (tleg_config_draws(config))
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                     "generator: expected a generator (a Diffusion Transformer), found a classifier: a session runs it");
}

static tleg_status read_options(tleg_context *context, const tleg_generator_options *host, int32_t *batch) {
    tleg_generator_options own = {0};
    tleg_status status = TLEG_OK;
    if (host)
        status = tleg_options_read(context, "tleg_generator_options", host, &own, sizeof own, TLEG_LEAST_GENERATOR_OPTIONS);
    if (status == TLEG_OK && own.batch < 0)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "generator: batch is %d, expected 1 or more", own.batch);
    *batch = own.batch > 0 ? own.batch : 1;
    return status;
}

/* What is made, over one of the two. */
struct source {
    const tleg_model *model;
    const tleg_expander *expander;
    int32_t depth; /* over the expander */
};

static const tleg_config *config_of(const struct source *from) {
    return from->model ? &from->model->config.c : &from->expander->config.c;
}

static tleg_status plan(tleg_context *context, const struct source *from, const tleg_generator_options *options, int32_t *batch,
                        struct tleg_drawing_layout *layout) {
    tleg_status status = check_kind(context, config_of(from));
    if (status == TLEG_OK)
        status = read_options(context, options, batch);
    if (status != TLEG_OK)
        return status;
    tleg_drawing_lay_out(config_of(from), *batch, layout);
    return layout->bytes == SIZE_MAX ? tleg_fail_memory(context, "generator", SIZE_MAX) : TLEG_OK;
}

static tleg_status make_session(tleg_context *context, const struct source *from, int32_t batch, tleg_session **session) {
    const tleg_session_options options = {.struct_size = sizeof options, .batch = batch};
    return from->model ? tleg_session_over(context, from->model, &options, session)
                       : tleg_session_over_expander(context, from->expander, from->depth, &options, session);
}

static tleg_status create(tleg_context *context, const struct source *from, const tleg_generator_options *options,
                          tleg_generator **out) {
    int32_t batch;
    struct tleg_drawing_layout layout;
    tleg_session *session = NULL;
    tleg_status status = plan(context, from, options, &batch, &layout);
    if (status == TLEG_OK)
        status = make_session(context, from, batch, &session);
    if (status != TLEG_OK)
        return status;
    tleg_generator *generator = tleg_alloc(&context->allocator, layout.bytes);
    if (!generator) {
        tleg_session_free(session);
        return tleg_fail_memory(context, "generator", layout.bytes);
    }
    char *memory = (char *)generator;
    *generator = (tleg_generator){.allocator = context->allocator,
                                  .session = session,
                                  .config = config_of(from),
                                  .elastic = from->expander != NULL,
                                  .bytes = layout.bytes,
                                  .rows = layout.rows,
                                  .images = (float *)(void *)(memory + layout.images),
                                  .noise = (float *)(void *)(memory + layout.noise),
                                  .times = (int64_t *)(void *)(memory + layout.times),
                                  .labels = (int64_t *)(void *)(memory + layout.labels)};
    *out = generator;
    return TLEG_OK;
}

TLEG_API tleg_status TLEG_CALL tleg_generator_create(tleg_context *context, const tleg_model *model,
                                                     const tleg_generator_options *options, tleg_generator **generator) {
    if (generator)
        *generator = NULL;
    if (!context || !model || !generator)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_generator_create: a pointer is NULL");
    return create(context, &(struct source){.model = model}, options, generator);
}

TLEG_API tleg_status TLEG_CALL tleg_generator_create_elastic(tleg_context *context, const tleg_expander *expander,
                                                             int32_t depth, const tleg_generator_options *options,
                                                             tleg_generator **generator) {
    if (generator)
        *generator = NULL;
    if (!context || !expander || !generator)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_generator_create_elastic: a pointer is NULL");
    return create(context, &(struct source){.expander = expander, .depth = depth}, options, generator);
}

static tleg_status count_bytes(tleg_context *context, const struct source *from, const tleg_generator_options *options,
                               uint64_t *bytes) {
    int32_t batch;
    struct tleg_drawing_layout layout;
    struct tleg_network network;
    tleg_status status = plan(context, from, options, &batch, &layout);
    if (status != TLEG_OK)
        return status;
    if (from->model)
        tleg_model_network(from->model, &network);
    else
        tleg_expander_network(from->expander, &network);
    const tleg_session_options session = {.struct_size = sizeof session, .batch = batch};
    status = tleg_session_count(context, &network, &session, bytes);
    if (status == TLEG_OK)
        *bytes += layout.bytes;
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_generator_get_memory(tleg_context *context, const tleg_model *model,
                                                         const tleg_generator_options *options, uint64_t *bytes) {
    if (bytes)
        *bytes = 0;
    if (!context || !model || !bytes)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_generator_get_memory: a pointer is NULL");
    return count_bytes(context, &(struct source){.model = model}, options, bytes);
}

TLEG_API tleg_status TLEG_CALL tleg_generator_get_elastic_memory(tleg_context *context, const tleg_expander *expander,
                                                                 const tleg_generator_options *options, uint64_t *bytes) {
    if (bytes)
        *bytes = 0;
    if (!context || !expander || !bytes)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_generator_get_elastic_memory: a pointer is NULL");
    return count_bytes(context, &(struct source){.expander = expander}, options, bytes);
}

TLEG_API void TLEG_CALL tleg_generator_free(tleg_generator *generator) {
    if (!generator)
        return;
    struct tleg_allocator allocator = generator->allocator;
    tleg_session_free(generator->session);
    tleg_release(&allocator, generator, generator->bytes);
}

/* ---- what it is ---- */

static tleg_session_info session_info(const tleg_generator *generator) {
    tleg_session_info info = {.struct_size = sizeof info};
    tleg_session_get_info(NULL, generator->session, &info);
    return info;
}

TLEG_API tleg_status TLEG_CALL tleg_generator_get_info(tleg_context *context, const tleg_generator *generator,
                                                       tleg_generator_info *info) {
    if (!generator)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_generator_get_info: generator is NULL");
    const tleg_config *config = generator->config;
    const tleg_session_info session = session_info(generator);
    const tleg_generator_info own = {.elastic = generator->elastic,
                                     .depth = session.depth,
                                     .least_depth = session.least_depth,
                                     .most_depth = session.most_depth,
                                     .batch = session.batch,
                                     .times = TLEG_TIMES,
                                     .labels = config->classes,
                                     .null_label = config->no_null_label ? -1 : config->classes,
                                     .image_floats = (uint64_t)tleg_config_image(config),
                                     .noise_floats = (uint64_t)tleg_config_outputs(config),
                                     .bytes = generator->bytes + session.bytes};
    return tleg_info_write(context, "tleg_generator_info", &own, sizeof own, info, TLEG_LEAST_GENERATOR_INFO);
}

/* Takes over what the session says of a call that failed. */
static tleg_status take_error(tleg_generator *generator, tleg_status status) {
    return status == TLEG_OK ? TLEG_OK
                             : tleg_error_set(&generator->error, status, "%s", tleg_session_get_error(generator->session));
}

TLEG_API tleg_status TLEG_CALL tleg_generator_set_depth(tleg_generator *generator, int32_t depth) {
    if (!generator)
        return TLEG_ERROR_ARGUMENT;
    if (!generator->elastic)
        return tleg_error_set(&generator->error, TLEG_ERROR_STATE, "this generator runs a model: its depth is %d for good",
                              session_info(generator).depth);
    return take_error(generator, tleg_session_set_depth(generator->session, depth));
}

/* ---- a run ---- */

tleg_status tleg_generator_go(tleg_generator *generator, const struct tleg_run *run) {
    return take_error(generator, tleg_session_go(generator->session, run));
}

tleg_status tleg_generator_check_labels(struct tleg_error *error, const tleg_config *config, const char *what,
                                        const int64_t *labels, int64_t count) {
    const int64_t rows = tleg_config_label_rows(config);
    if (!labels && config->no_null_label)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "%s: expected labels: this generator has no null label", what);
    for (int64_t i = 0; labels && i < count; i++)
        if (labels[i] < 0 || labels[i] >= rows)
            return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "%s: label %lld of image %lld: expected 0 to %d%s", what,
                                  (long long)labels[i], (long long)i, (int)(rows - 1),
                                  config->no_null_label ? "" : ", the null label");
    return TLEG_OK;
}

static tleg_status check_times(struct tleg_error *error, const int64_t *times, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (times[i] < 0 || times[i] >= TLEG_TIMES)
            return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "time %lld of image %lld: expected 0 to %d", (long long)times[i],
                                  (long long)i, TLEG_TIMES - 1);
    return TLEG_OK;
}

tleg_status tleg_generator_check_floats(struct tleg_error *error, const char *what, const float *values, size_t floats,
                                        int64_t batch, size_t each) {
    if ((uintptr_t)values % sizeof(float) != 0)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "%s is not aligned to %zu", what, sizeof(float));
    if (floats / each < (uint64_t)batch)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "%s has %zu floats, expected %lld times %zu", what, floats,
                              (long long)batch, each);
    return TLEG_OK;
}

TLEG_API tleg_status TLEG_CALL tleg_generator_run(tleg_generator *generator, int64_t batch, const float *images,
                                                  size_t image_floats, const int64_t *times, const int64_t *labels,
                                                  float *noise, size_t noise_floats) {
    if (!generator)
        return TLEG_ERROR_ARGUMENT;
    struct tleg_error *error = &generator->error;
    tleg_session_begin(generator->session);
    if (!images || !times || !noise || batch < 1)
        return tleg_error_set(error, TLEG_ERROR_ARGUMENT, "run: %s", batch < 1 ? "batch is less than 1" : "a pointer is NULL");
    const tleg_config *config = generator->config;
    tleg_status status =
        tleg_generator_check_floats(error, "run: images", images, image_floats, batch, (size_t)tleg_config_image(config));
    if (status == TLEG_OK)
        status =
            tleg_generator_check_floats(error, "run: noise", noise, noise_floats, batch, (size_t)tleg_config_outputs(config));
    if (status == TLEG_OK)
        status = check_times(error, times, batch);
    if (status == TLEG_OK)
        status = tleg_generator_check_labels(error, config, "run", labels, batch);
    if (status != TLEG_OK)
        return status;
    return tleg_generator_go(generator,
                             &(struct tleg_run){.images = images, .asked = {times, labels}, .out = noise, .batch = batch});
}

TLEG_API tleg_status TLEG_CALL tleg_generator_add_noise(tleg_context *context, int64_t batch, size_t floats,
                                                        const float *images, const float *noise, const int64_t *times,
                                                        float *noised) {
    if (!images || !noise || !times || !noised || batch < 1)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_generator_add_noise: a pointer is NULL, or batch is less than 1");
    struct tleg_error own = {0}, *error = context ? &context->error : &own;
    const tleg_status status = check_times(error, times, batch);
    for (int64_t i = 0; i < batch && status == TLEG_OK; i++, images += floats, noise += floats, noised += floats)
        tleg_noise_add(times[i], floats, images, noise, noised);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_generator_make_noise(tleg_context *context, uint64_t seed, int64_t first, int64_t batch,
                                                         size_t floats, float *noise) {
    if (!noise || first < 0 || batch < 1 || batch - 1 > INT64_MAX - first)
        return tleg_fail(
            context, TLEG_ERROR_ARGUMENT,
            "tleg_generator_make_noise: noise is NULL, first is below 0, batch is less than 1, or the last image's "
            "number is above 2^63 - 1");
    for (int64_t i = 0; i < batch; i++)
        tleg_noise_begin(seed, first + i, floats, noise + (size_t)i * floats);
    return TLEG_OK;
}

TLEG_API const char *TLEG_CALL tleg_generator_get_error(const tleg_generator *generator) {
    return generator ? generator->error.text : "the generator is NULL";
}

TLEG_API void TLEG_CALL tleg_generator_cancel(tleg_generator *generator) {
    if (generator)
        tleg_session_cancel(generator->session);
}
