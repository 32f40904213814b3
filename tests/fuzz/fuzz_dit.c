/* Any list of tensors (target.h) as a generator's learngene and as a generator: opened, expanded to depth 2, asked for noise,
 * made to draw, and saved. */
#include "fuzz/networks.h"
#include "fuzz/target.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/generate.h>
#include <tleg/tleg.h>

enum { MOST_TOKENS = 64, MOST_NUMBERS = 1 << 18, IMAGES = 3 }; /* what is larger is opened, but not run */

static bool is_small(const tleg_config *config) {
    const int64_t side = config->image_size / config->patch_size, image = config->image_size;
    return side * side <= MOST_TOKENS && image * image * config->channels <= MOST_NUMBERS;
}

static void check_config(const tleg_config *config) {
    fuzz_need(config->image_size > 0 && config->patch_size > 0 && config->image_size % config->patch_size == 0);
    fuzz_need(config->heads > 0 && config->dim > 0 && config->dim % config->heads == 0);
    fuzz_need(config->classes > 0 && config->channels > 0 && config->hidden > 0 && config->parameters > 0);
    fuzz_need(config->eps > 0 && config->pool == 0 && config->norm == 0 && config->class_token == 0);
    for (int32_t i = 0; i < config->label_count; i++)
        fuzz_need(config->labels[i] != NULL);
}

/* Noise that is told, and pictures that are drawn, in memory that the caller frees; NULL when memory was refused. */
struct answer {
    float *numbers;
    size_t count;
};

static struct answer ask(tleg_context *context, tleg_status status, tleg_generator *generator, const tleg_config *config) {
    fuzz_need_error(context, status);
    if (status != TLEG_OK)
        return (struct answer){NULL, 0};
    tleg_generator_info info = {.struct_size = sizeof info};
    fuzz_need(tleg_generator_get_info(context, generator, &info) == TLEG_OK);
    fuzz_need(info.null_label == (config->no_null_label ? -1 : config->classes));
    const size_t image = (size_t)info.image_floats, noise = (size_t)info.noise_floats, count = IMAGES * (image + noise);
    const int64_t times[IMAGES] = {0, 500, 999}, labels[IMAGES] = {0, config->classes - 1, 0}, beyond[] = {config->classes + 1};
    float *images = calloc(IMAGES * image, sizeof *images), *numbers = calloc(count, sizeof *numbers);
    fuzz_need(images && numbers);
    fuzz_need(tleg_generator_run(generator, IMAGES, images, IMAGES * image, times, labels, numbers, IMAGES * noise) == TLEG_OK);
    fuzz_need(tleg_generator_run(generator, 1, images, image, times, beyond, images, noise) == TLEG_ERROR_ARGUMENT);
    const tleg_sample_options options = {.struct_size = sizeof options,
                                         .steps = 2,
                                         .count = IMAGES,
                                         .guidance = config->no_null_label ? 1 : 1.5,
                                         .seed = 1,
                                         .labels = labels};
    fuzz_need(tleg_generator_sample(generator, &options, numbers + IMAGES * noise, IMAGES * image) == TLEG_OK);
    tleg_generator_free(generator);
    free(images);
    return (struct answer){numbers, count};
}

static struct answer ask_model(tleg_context *context, const tleg_model *model, const tleg_config *config) {
    tleg_generator *generator;
    const tleg_status status = tleg_generator_create(context, model, NULL, &generator);
    return ask(context, status, generator, config);
}

/* Elastic and materialised give the same bits; of a NaN, that it is one. */
static void compare(struct answer one, struct answer other) {
    fuzz_need(!one.numbers || !other.numbers || one.count == other.count);
    for (size_t i = 0; one.numbers && other.numbers && i < one.count; i++)
        fuzz_need(memcmp(one.numbers + i, other.numbers + i, sizeof *one.numbers) == 0 ||
                  (isnan(one.numbers[i]) && isnan(other.numbers[i])));
}

static void expand(tleg_context *context, const tleg_expander *expander) {
    tleg_config config = {.struct_size = sizeof config};
    tleg_cost cost = {.struct_size = sizeof cost};
    tleg_model *model;
    tleg_generator *generator;
    fuzz_need(tleg_expander_get_info(context, expander, &config) == TLEG_OK);
    if (!is_small(&config) || tleg_expander_get_cost(context, expander, 0, 1, 0, &cost) != TLEG_OK)
        return;
    const int32_t depth = cost.least_depth > 2 ? cost.least_depth : 2;
    tleg_status status = tleg_expander_expand(context, expander, depth, &model);
    fuzz_need_error(context, status);
    const struct answer whole = status == TLEG_OK ? ask_model(context, model, &config) : (struct answer){NULL, 0};
    tleg_model_free(model);
    const tleg_generator_options options = {.struct_size = sizeof options, .batch = 4};
    status = tleg_generator_create_elastic(context, expander, depth, &options, &generator);
    const struct answer elastic = ask(context, status, generator, &config);
    compare(whole, elastic);
    free(whole.numbers);
    free(elastic.numbers);
}

static void as_gene(tleg_context *context, const uint8_t *bytes, size_t size) {
    static const int32_t dtypes[] = {0, TLEG_F32, TLEG_F16, TLEG_BF16};
    tleg_learngene *gene;
    tleg_expander *expander;
    tleg_config config = {.struct_size = sizeof config};
    fuzz_need_error(context, tleg_learngene_parse(context, bytes, size, NULL, &gene));
    if (!gene)
        return;
    fuzz_need(tleg_learngene_get_info(context, gene, &config) == TLEG_OK);
    if (config.kind == TLEG_KIND_DIT) {
        check_config(&config);
        fuzz_save_gene(context, gene, &config);
        const tleg_expander_options options = {.struct_size = sizeof options,
                                               .dtype = dtypes[size % 4],
                                               .image_size = config.patch_size * (int32_t)(size / 4 % 5)};
        fuzz_need_error(context, tleg_expander_create(context, gene, &options, &expander));
        if (expander)
            expand(context, expander);
        tleg_expander_free(expander);
    }
    tleg_learngene_free(gene);
}

static void as_model(tleg_context *context, const uint8_t *bytes, size_t size) {
    tleg_model *model;
    tleg_config config = {.struct_size = sizeof config};
    fuzz_need_error(context, tleg_model_parse(context, bytes, size, NULL, &model));
    if (!model)
        return;
    fuzz_need(tleg_model_get_info(context, model, &config) == TLEG_OK);
    if (config.kind == TLEG_KIND_DIT) {
        check_config(&config);
        fuzz_save_model(context, model, &config);
        if (is_small(&config))
            free(ask_model(context, model, &config).numbers);
    }
    tleg_model_free(model);
}

int fuzz_input(const uint8_t *data, size_t size) {
    fuzz_networks(data, size, as_gene, as_model);
    return 0;
}
