/* What a trainer has learned: as a learngene, as a model, or tensor by tensor. */
#include "train/private.h"

#include <string.h>

/* The values, or their moving average: there, and worth handing out. */
static tleg_status choose(tleg_context *context, const tleg_trainer *t, bool average, const float **values) {
    *values = average ? t->average : t->values;
    const tleg_status status = tleg_trainer_check_whole(context, t);
    if (status != TLEG_OK)
        return status;
    if (!*values)
        return tleg_fail(context, TLEG_ERROR_STATE, "this trainer keeps no moving average");
    const char *odd = tleg_params_find_odd(t, *values);
    return !odd ? TLEG_OK
                : tleg_fail(context, TLEG_ERROR_NUMERIC, "after step %lld %s%s is not finite", (long long)t->steps,
                            average ? "the average of " : "", odd);
}

/* The configuration of what is handed out. Once a step was made, the depths are those of this training, and what the source
 * scored says nothing about it. */
static tleg_status copy_config(tleg_context *context, const tleg_trainer *t, struct tleg_vit_config *config) {
    const int32_t least = t->is_gene ? t->options.depth_least : t->config.c.depth;
    int32_t depths[TLEG_MAX_DEPTH];
    struct tleg_vit_config from = t->config;
    if (t->steps > 0) {
        from.c.scores = NULL;
        from.c.depths = depths;
        from.c.depth_count = t->layout.depth_most - least + 1;
        for (int32_t k = 0; k < from.c.depth_count; k++)
            depths[k] = least + k;
    }
    return tleg_config_copy(context, &from, config);
}

TLEG_API tleg_status TLEG_CALL tleg_trainer_copy_learngene(tleg_context *context, const tleg_trainer *trainer, int32_t average,
                                                           tleg_learngene **gene) {
    if (gene)
        *gene = NULL;
    if (!context || !trainer || !gene)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_trainer_copy_learngene: a pointer is NULL");
    if (!trainer->is_gene)
        return tleg_fail(context, TLEG_ERROR_STATE, "this trainer trains a model, no learngene");
    const float *values;
    struct tleg_vit_config config = {0};
    tleg_status status = choose(context, trainer, average, &values);
    if (status == TLEG_OK)
        status = copy_config(context, trainer, &config);
    if (status == TLEG_OK)
        status = tleg_learngene_make(context, &config, NULL, gene);
    for (int64_t i = 0; status == TLEG_OK && i < trainer->layout.params.count; i++)
        memcpy((*gene)->tensors[i].data, values + trainer->list[i].at, trainer->list[i].count * sizeof(float));
    return status;
}

struct outer_source {
    const tleg_trainer *trainer;
    const float *values;
};

static tleg_status read_outer(tleg_context *context, void *source, enum tleg_slot slot, size_t first, size_t count, float *room,
                              const float **numbers) {
    (void)context, (void)count, (void)room;
    const struct outer_source *from = source;
    *numbers = from->values + from->trainer->outer[slot] + first;
    return TLEG_OK;
}

static void put_layers(const tleg_trainer *t, const float *values, tleg_model *model) {
    for (int32_t l = 0; l < model->config.c.depth; l++) {
        const struct tleg_layer_at at = {model->kernels, &model->config.c, &model->layout, tleg_model_layer(model, l)};
        for (int32_t i = 0; i < model->layout.tensors; i++) {
            const enum tleg_site site = model->layout.tensor[i].site;
            const bool bias = model->layout.tensor[i].bias;
            const struct tleg_train_segment *segment = &t->segments[site][l];
            tleg_layer_put(&at, site, bias, values + (bias ? segment->bias : segment->weight));
        }
    }
}

TLEG_API tleg_status TLEG_CALL tleg_trainer_copy_model(tleg_context *context, const tleg_trainer *trainer, int32_t average,
                                                       tleg_model **model) {
    if (model)
        *model = NULL;
    if (!context || !trainer || !model)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_trainer_copy_model: a pointer is NULL");
    if (trainer->is_gene)
        return tleg_fail(context, TLEG_ERROR_STATE, "this trainer trains a learngene, no model");
    const float *values;
    const struct tleg_kernels *kernels;
    struct tleg_vit_config config = {0};
    tleg_status status = choose(context, trainer, average, &values);
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status == TLEG_OK)
        status = copy_config(context, trainer, &config);
    if (status != TLEG_OK)
        return status;
    tleg_model *made = NULL;
    status = tleg_model_make(context, kernels, &context->blas, &config, &made);
    if (status == TLEG_OK)
        status = tleg_outer_fill(context, kernels, &made->config.c, read_outer, &(struct outer_source){trainer, values},
                                 made->memory, &made->outer);
    if (status != TLEG_OK) {
        tleg_model_free(made);
        return status;
    }
    put_layers(trainer, values, made);
    *model = made;
    return TLEG_OK;
}

TLEG_API const char *TLEG_CALL tleg_trainer_get_parameter_name(const tleg_trainer *trainer, int64_t index) {
    return trainer && index >= 0 && index < trainer->layout.params.count ? trainer->list[index].name : NULL;
}

TLEG_API tleg_status TLEG_CALL tleg_trainer_copy_gradient(tleg_context *context, const tleg_trainer *trainer, const char *name,
                                                          tleg_tensor **tensor) {
    if (tensor)
        *tensor = NULL;
    if (!context || !trainer || !name || !tensor)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_trainer_copy_gradient: a pointer is NULL");
    tleg_status status = tleg_trainer_check_idle(context, trainer);
    if (status != TLEG_OK)
        return status;
    for (int64_t i = 0; i < trainer->layout.params.count; i++) {
        const struct tleg_param *param = &trainer->list[i];
        if (strcmp(param->name, name))
            continue;
        status = tleg_tensor_create(context, TLEG_F32, param->rank, param->shape, tensor);
        if (status == TLEG_OK)
            memcpy((*tensor)->data, trainer->gradient + param->at, param->count * sizeof(float));
        return status;
    }
    return tleg_fail(context, TLEG_ERROR_NOT_FOUND, "this trainer has no parameter %s", name);
}
