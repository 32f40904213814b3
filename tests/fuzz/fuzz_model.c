/* Any list of tensors (target.h) as a learngene and as a model: opened, expanded to depth 2 and run. */
#include "fuzz/target.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/tleg.h>

enum { MOST_TOKENS = 128, MOST_INPUT = 1 << 20 }; /* what is larger is opened, but not run */

static bool is_small(const tleg_config *config) {
    const int64_t side = config->image_size / config->patch_size, image = config->image_size;
    return side * side <= MOST_TOKENS && image * image <= MOST_INPUT;
}

/* The logits of one black image, which the caller frees; NULL when memory was refused. */
static float *run(tleg_context *context, tleg_status status, tleg_session *session, const tleg_config *config) {
    fuzz_need_error(context, status);
    if (status != TLEG_OK)
        return NULL;
    const size_t pixels = 3 * (size_t)config->image_size * (size_t)config->image_size;
    float *image = calloc(pixels, sizeof *image), *logits = malloc((size_t)config->classes * sizeof *logits);
    fuzz_need(image && logits);
    fuzz_need(tleg_session_run(session, image, 1, logits, NULL) == TLEG_OK);
    tleg_session_free(session);
    free(image);
    return logits;
}

static float *run_model(tleg_context *context, const tleg_model *model, const tleg_config *config) {
    tleg_session *session;
    const tleg_status status = tleg_session_create(context, model, NULL, &session);
    return run(context, status, session, config);
}

/* Elastic and materialised give the same bits; of a NaN, that it is one. */
static void compare(const float *one, const float *other, int32_t count) {
    for (int32_t i = 0; one && other && i < count; i++)
        fuzz_need(memcmp(one + i, other + i, sizeof *one) == 0 || (isnan(one[i]) && isnan(other[i])));
}

static void expand(tleg_context *context, const tleg_expander *expander) {
    tleg_config config = {.struct_size = sizeof config};
    tleg_cost cost = {.struct_size = sizeof cost};
    tleg_model *model;
    tleg_session *session;
    fuzz_need(tleg_expander_get_info(expander, &config) == TLEG_OK);
    if (!is_small(&config) || tleg_expander_get_cost(context, expander, 1, 0, &cost) != TLEG_OK)
        return;
    const int32_t depth = cost.least_depth > 2 ? cost.least_depth : 2;
    tleg_status status = tleg_expander_expand(context, expander, depth, &model);
    fuzz_need_error(context, status);
    if (status != TLEG_OK)
        return;
    float *whole = run_model(context, model, &config);
    status = tleg_session_create_elastic(context, expander, depth, NULL, &session);
    float *elastic = run(context, status, session, &config);
    compare(whole, elastic, config.classes);
    free(whole);
    free(elastic);
    tleg_model_free(model);
}

static void check_config(const tleg_config *config) {
    fuzz_need(config->image_size > 0 && config->patch_size > 0 && config->image_size % config->patch_size == 0);
    fuzz_need(config->heads > 0 && config->dim > 0 && config->dim % config->heads == 0);
    fuzz_need(config->classes > 0 && config->hidden > 0 && config->parameters > 0);
    for (int32_t i = 0; i < config->label_count; i++)
        fuzz_need(config->labels[i] != NULL);
    for (int64_t i = 0; i < config->ignored_count; i++)
        fuzz_need(config->ignored[i] != NULL);
}

static void as_gene(tleg_context *context, const uint8_t *bytes, size_t size) {
    tleg_learngene *gene;
    tleg_expander *expander, *straight;
    tleg_config config = {.struct_size = sizeof config};
    tleg_status status = tleg_learngene_parse(context, bytes, size, 0, &gene);
    fuzz_need_error(context, status);
    if (status != TLEG_OK)
        return;
    fuzz_need(tleg_learngene_get_info(gene, &config) == TLEG_OK);
    check_config(&config);
    const char *name;
    for (int64_t i = 0; (name = tleg_learngene_name(gene, i)) != NULL; i++) {
        tleg_tensor *tensor;
        fuzz_need_error(context, tleg_learngene_tensor(context, gene, name, &tensor));
        tleg_tensor_free(tensor);
    }
    status = tleg_expander_create(context, gene, NULL, &expander);
    fuzz_need_error(context, status);
    tleg_learngene_free(gene);
    if (expander)
        expand(context, expander);
    tleg_expander_free(expander);
    status = tleg_expander_open(context, fuzz_path(bytes, size), 0, 0, NULL, &straight);
    fuzz_need_error(context, status);
    tleg_expander_free(straight);
}

static void as_model(tleg_context *context, const uint8_t *bytes, size_t size) {
    tleg_model *model;
    tleg_config config = {.struct_size = sizeof config};
    const tleg_status status = tleg_model_parse(context, bytes, size, 0, &model);
    fuzz_need_error(context, status);
    if (status != TLEG_OK)
        return;
    fuzz_need(tleg_model_get_info(model, &config) == TLEG_OK);
    check_config(&config);
    const char *name;
    for (int64_t i = 0; (name = tleg_model_name(model, i)) != NULL; i++) {
        tleg_tensor *tensor;
        fuzz_need_error(context, tleg_model_tensor(context, model, name, &tensor));
        tleg_tensor_free(tensor);
    }
    if (is_small(&config))
        free(run_model(context, model, &config));
    tleg_model_free(model);
}

/* `refused`: which allocation gets nothing. */
static void open_all(const uint8_t *bytes, size_t size, size_t refused) {
    struct fuzz_host host = {.refused = refused};
    tleg_context *context = fuzz_begin(&host);
    as_gene(context, bytes, size);
    as_model(context, bytes, size);
    fuzz_end(context, &host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    size_t bytes;
    uint8_t *file = fuzz_listing(data, size, &bytes);
    open_all(file, bytes, 0);
    open_all(file, bytes, size % 61 + 1);
    free(file);
    return 0;
}
