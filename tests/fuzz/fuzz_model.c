/* Any list of tensors (target.h) as a learngene and as a model: opened, expanded to depth 2, run, and saved. */
#include "fuzz/networks.h"
#include "fuzz/target.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/linearize.h>
#include <tleg/tleg.h>

enum { MOST_TOKENS = 128, MOST_INPUT = 1 << 20 }; /* what is larger is opened, but not run */

static bool is_small(const tleg_config *config) {
    const int64_t height = config->image_size, width = config->image_width ? config->image_width : height;
    const int64_t rows = height / config->patch_size,
                  columns = width / (config->patch_width ? config->patch_width : config->patch_size);
    return rows * columns <= MOST_TOKENS && height * width <= MOST_INPUT;
}

/* What a session gives for an image: the logits, of which there are none without a head, and the features. */
static size_t count_numbers(const tleg_config *config) {
    const int32_t pooled = config->dim * (config->pool == TLEG_POOL_CLS_MEAN ? 2 : 1);
    return (size_t)config->classes + (size_t)(config->representation ? config->representation : pooled);
}

/* Those of one black image, which the caller frees; NULL when memory was refused. */
static float *run(tleg_context *context, tleg_status status, tleg_session *session, const tleg_config *config) {
    fuzz_need_error(context, status);
    if (status != TLEG_OK)
        return NULL;
    tleg_session_info info = {.struct_size = sizeof info};
    fuzz_need(tleg_session_get_info(context, session, &info) == TLEG_OK);
    const size_t pixels = info.image_floats, classes = (size_t)config->classes, features = info.feature_floats;
    fuzz_need(features + classes == count_numbers(config));
    float *image = calloc(pixels, sizeof *image), *numbers = malloc(count_numbers(config) * sizeof *numbers);
    fuzz_need(image && numbers);
    fuzz_need(tleg_session_run(session, 1, image, pixels, classes > 0 ? numbers : NULL, classes, numbers + classes, features) ==
              TLEG_OK);
    tleg_session_free(session);
    free(image);
    return numbers;
}

static float *run_model(tleg_context *context, const tleg_model *model, const tleg_config *config) {
    tleg_session *session;
    const tleg_status status = tleg_session_create(context, model, NULL, &session);
    return run(context, status, session, config);
}

/* Elastic and materialised give the same bits; of a NaN, that it is one. */
static void compare(const float *one, const float *other, size_t count) {
    for (size_t i = 0; one && other && i < count; i++)
        fuzz_need(memcmp(one + i, other + i, sizeof *one) == 0 || (isnan(one[i]) && isnan(other[i])));
}

/* What to expand to, chosen by a number. */
static tleg_expander_options choose(const tleg_config *config, size_t number) {
    static const int32_t dtypes[] = {0, TLEG_F32, TLEG_F16, TLEG_BF16};
    return (tleg_expander_options){.struct_size = sizeof(tleg_expander_options),
                                   .dtype = dtypes[number % 4],
                                   .norm = (int32_t)(number / 4 % 3),
                                   .image_size = config->patch_size * (int32_t)(number / 12 % 5),
                                   .classes = (int32_t)(number / 60 % 4)};
}

/* Without a limit the best depth is one of the scored ones, if this learngene gives any of them. */
static void choose_depth(tleg_context *context, const tleg_expander *expander, const tleg_config *config, int32_t least) {
    const tleg_budget budget = {.struct_size = sizeof budget};
    tleg_best best = {.struct_size = sizeof best};
    const tleg_scores *scores = config->scores;
    const bool any = scores && scores->depths[scores->count - 1] >= least;
    const tleg_status status = tleg_expander_get_best(context, expander, &budget, &best);
    fuzz_need(status == (any ? TLEG_OK : TLEG_ERROR_STATE));
    fuzz_need(!any || (best.cheapest >= least && best.cheapest <= best.depth && best.cheapest_score <= best.score));
}

/* What a model of some depth gives and what an elastic session of that depth does, which must agree. */
static float *expand(tleg_context *context, const tleg_expander *expander) {
    tleg_config config = {.struct_size = sizeof config};
    tleg_cost cost = {.struct_size = sizeof cost};
    tleg_model *model;
    tleg_session *session;
    fuzz_need(tleg_expander_get_info(context, expander, &config) == TLEG_OK);
    if (!is_small(&config) || tleg_expander_get_cost(context, expander, 0, 1, 0, &cost) != TLEG_OK)
        return NULL;
    choose_depth(context, expander, &config, cost.least_depth);
    const int32_t depth = cost.least_depth > 2 ? cost.least_depth : 2;
    tleg_status status = tleg_expander_expand(context, expander, depth, &model);
    fuzz_need_error(context, status);
    float *whole = status == TLEG_OK ? run_model(context, model, &config) : NULL;
    tleg_model_free(model);
    status = tleg_session_create_elastic(context, expander, depth, NULL, &session);
    float *elastic = run(context, status, session, &config);
    compare(whole, elastic, count_numbers(&config));
    free(whole);
    return elastic;
}

static void check_config(const tleg_config *config) {
    fuzz_need(config->image_size > 0 && config->patch_size > 0 && config->image_size >= config->patch_size);
    fuzz_need(config->heads > 0 && config->dim > 0 && config->dim % config->heads == 0);
    fuzz_need(config->classes >= 0 && config->hidden > 0 && config->parameters > 0); /* 0: there is no head */
    for (int32_t i = 0; i < config->label_count; i++)
        fuzz_need(config->labels[i] != NULL);
    for (int64_t i = 0; i < config->ignored_count; i++)
        fuzz_need(config->ignored[i] != NULL);
}

/* ---- both kinds ---- */

/* An expander made of the learngene and one made straight of its file do the same. */
static void expand_both(tleg_context *context, const tleg_learngene *gene, const tleg_expander_options *options,
                        const char *path) {
    tleg_config config = {.struct_size = sizeof config};
    tleg_expander *expanders[2];
    float *numbers[2] = {NULL, NULL};
    fuzz_need_error(context, tleg_expander_create(context, gene, options, &expanders[0]));
    fuzz_need_error(context, tleg_expander_open(context, path, NULL, options, &expanders[1]));
    for (int i = 0; i < 2; i++)
        if (expanders[i]) {
            fuzz_need(tleg_expander_get_info(context, expanders[i], &config) == TLEG_OK);
            numbers[i] = expand(context, expanders[i]);
        }
    compare(numbers[0], numbers[1], count_numbers(&config));
    for (int i = 0; i < 2; i++) {
        free(numbers[i]);
        tleg_expander_free(expanders[i]);
    }
}

static void as_gene(tleg_context *context, const uint8_t *bytes, size_t size) {
    tleg_learngene *gene;
    tleg_config config = {.struct_size = sizeof config};
    const tleg_status status = tleg_learngene_parse(context, bytes, size, NULL, &gene);
    fuzz_need_error(context, status);
    if (status != TLEG_OK)
        return;
    fuzz_need(tleg_learngene_get_info(context, gene, &config) == TLEG_OK);
    check_config(&config);
    fuzz_save_gene(context, gene, &config);
    const tleg_expander_options options = choose(&config, size);
    expand_both(context, gene, &options, fuzz_path(bytes, size));
    tleg_learngene_free(gene);
}

/* The learngene that comes closest to a model can be expanded: base and ilayer, or other tensors. */
static void linearize(tleg_context *context, const tleg_model *model, bool plain) {
    static const char schedule[] = "{\"qkv\":[[1,\"cosine\",2],[1,false]],\"fc1\":[[2,\"chebyshev\",3]],\"norm1\":[[2,false]]}";
    tleg_learngene *gene;
    tleg_expander *expander = NULL;
    const tleg_status status = plain ? tleg_learngene_linearize(context, model, NULL, 0, &gene)
                                     : tleg_learngene_fit(context, model, schedule, 0, NULL, 0, &gene);
    if (status != TLEG_OK)
        return;
    fuzz_need_error(context, tleg_expander_create(context, gene, NULL, &expander));
    tleg_learngene_free(gene);
    if (expander)
        free(expand(context, expander));
    tleg_expander_free(expander);
}

static void as_model(tleg_context *context, const uint8_t *bytes, size_t size) {
    tleg_model *model;
    tleg_config config = {.struct_size = sizeof config};
    const tleg_status status = tleg_model_parse(context, bytes, size, NULL, &model);
    fuzz_need_error(context, status);
    if (status != TLEG_OK)
        return;
    fuzz_need(tleg_model_get_info(context, model, &config) == TLEG_OK);
    check_config(&config);
    fuzz_save_model(context, model, &config);
    if (is_small(&config))
        free(run_model(context, model, &config));
    linearize(context, model, true);
    linearize(context, model, false);
    tleg_model_free(model);
}

int fuzz_input(const uint8_t *data, size_t size) {
    fuzz_networks(data, size, as_gene, as_model);
    return 0;
}
