/* What the trainer's suites share: the cases whose gradients the reference wrote, a batch of images, and looks at parameters.
 */
#ifndef TLEG_TESTS_TRAINER_H
#define TLEG_TESTS_TRAINER_H

#include "support/support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/train.h>

#define OK_TRAINER(trainer, call) support_ok(call, #call, tleg_trainer_get_error(trainer), __FILE__, __LINE__)

enum { TRAINER_BATCH = GOLDEN_BATCH, TRAINER_CLASSES = GOLDEN_CLASSES, MAX_GRADS = 32 };

/* ---- cases: tests/golden/grads.txt ---- */
struct grad_case {
    char name[40], gene[40];
    int32_t images, depth, timm, image, model;
};

static inline int32_t trainer_cases(struct grad_case cases[MAX_GRADS]) {
    FILE *file = fopen(support_path("grads", ".txt"), "r");
    assert_non_null(file);
    int32_t count = 0;
    struct grad_case *g = cases;
    while (count < MAX_GRADS && fscanf(file, "%39s %39s %d %d %d %d %d", g->name, g->gene, &g->images, &g->depth, &g->timm,
                                       &g->image, &g->model) == 7) {
        g = &cases[++count];
    }
    fclose(file);
    assert_true(count > 0);
    return count;
}

/* An all_reduce of several ranks of which this one alone is there. */
static inline tleg_status TLEG_CALL trainer_reduce_nothing(void *host, float *values, size_t count) {
    (void)host, (void)values, (void)count;
    return TLEG_OK;
}

/* The loss of those cases. */
static inline tleg_trainer_options trainer_options(const struct grad_case *c) {
    return (tleg_trainer_options){.struct_size = sizeof(tleg_trainer_options),
                                  .batch = TRAINER_BATCH,
                                  .depth_least = c->model ? 0 : c->depth,
                                  .norm = c->timm && !c->model ? TLEG_NORM_AFTER_POOL : 0,
                                  .image_size = c->model ? 0 : c->image,
                                  .alpha = 0.4,
                                  .tau = 2,
                                  .smoothing = 0.1};
}

static inline tleg_model *trainer_model(tleg_context *context, const struct grad_case *c) {
    struct golden golden = {.depth = c->depth, .timm = c->timm, .image = c->image};
    strcpy(golden.gene, c->gene);
    tleg_expander *expander = support_expander(context, &golden, TLEG_F32);
    tleg_model *model = NULL;
    OK(context, tleg_expander_expand(context, expander, c->depth, &model));
    tleg_expander_free(expander);
    return model;
}

static inline tleg_trainer *trainer_open(tleg_context *context, const struct grad_case *c,
                                         const tleg_trainer_options *options) {
    tleg_trainer *trainer = NULL;
    tleg_learngene *gene = c->model ? NULL : support_gene(context, c->gene);
    tleg_model *model = c->model ? trainer_model(context, c) : NULL;
    OK(context, gene ? tleg_trainer_create(context, gene, options, &trainer)
                     : tleg_trainer_create_for_model(context, model, options, &trainer));
    tleg_learngene_free(gene);
    tleg_model_free(model);
    return trainer;
}

/* ---- a batch ---- */
struct trainer_data {
    tleg_tensor *tensors[3];
    tleg_train_batch batch; /* five images with labels and a teacher's logits */
};

static inline void trainer_data_open(tleg_context *context, int32_t images, struct trainer_data *data) {
    char name[32];
    static const char *const names[] = {"images", "labels", "teacher_logits"};
    const void *at[3];
    tleg_file *file = NULL;
    snprintf(name, sizeof name, "images-%d", images);
    OK(context, tleg_file_open(context, support_path(name, ".safetensors"), NULL, &file));
    for (int i = 0; i < 3; i++) {
        tleg_tensor_info info = {.struct_size = sizeof info};
        OK(context, tleg_file_read_tensor(context, file, names[i], &data->tensors[i]));
        OK(context, tleg_tensor_get_info(context, data->tensors[i], &info));
        assert_int_equal(info.dtype, i == 1 ? TLEG_I64 : TLEG_F32);
        at[i] = info.data;
    }
    tleg_file_free(file);
    data->batch = (tleg_train_batch){
        .struct_size = sizeof data->batch, .size = TRAINER_BATCH, .images = at[0], .labels = at[1], .teacher_logits = at[2]};
}

static inline void trainer_data_close(struct trainer_data *data) {
    for (int i = 0; i < 3; i++) {
        tleg_tensor_free(data->tensors[i]);
    }
}

/* The images [first, first + size) of a batch. */
static inline tleg_train_batch trainer_part(const tleg_train_batch *batch, int32_t image_size, int32_t first, int32_t size) {
    tleg_train_batch part = *batch;
    part.size = size;
    part.images += first * 3 * image_size * image_size;
    part.labels += first;
    part.teacher_logits += first * TRAINER_CLASSES;
    return part;
}

/* ---- parameters and gradients, flat, in the trainer's order. Free with free() ---- */
struct flat {
    float *values;
    size_t count;
};

static inline void flat_add(struct flat *flat, tleg_context *context, tleg_tensor *tensor) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    OK(context, tleg_tensor_get_info(context, tensor, &info));
    size_t count = (size_t)(info.bytes / sizeof(float));
    flat->values = realloc(flat->values, (flat->count + count) * sizeof(float));
    assert_non_null(flat->values);
    memcpy(flat->values + flat->count, info.data, (size_t)info.bytes);
    flat->count += count;
    tleg_tensor_free(tensor);
}

static inline struct flat trainer_gradients(tleg_context *context, const tleg_trainer *trainer) {
    struct flat flat = {0};
    const char *name;
    for (int64_t i = 0; (name = tleg_trainer_get_parameter_name(trainer, i)) != NULL; i++) {
        tleg_tensor *tensor = NULL;
        OK(context, tleg_trainer_copy_gradient(context, trainer, name, &tensor));
        flat_add(&flat, context, tensor);
    }
    return flat;
}

static inline bool trainer_is_gene(tleg_context *context, const tleg_trainer *trainer) {
    tleg_learngene *gene = NULL;
    bool is = tleg_trainer_copy_learngene(context, trainer, 0, &gene) == TLEG_OK;
    tleg_learngene_free(gene);
    return is;
}

/* One tensor of what was learned. */
static inline tleg_tensor *trainer_value(tleg_context *context, const tleg_trainer *trainer, int32_t average,
                                         const char *name) {
    tleg_tensor *tensor = NULL;
    if (trainer_is_gene(context, trainer)) {
        tleg_learngene *gene = NULL;
        OK(context, tleg_trainer_copy_learngene(context, trainer, average, &gene));
        OK(context, tleg_learngene_copy_tensor(context, gene, name, &tensor));
        tleg_learngene_free(gene);
    } else {
        tleg_model *model = NULL;
        OK(context, tleg_trainer_copy_model(context, trainer, average, &model));
        OK(context, tleg_model_copy_tensor(context, model, name, &tensor));
        tleg_model_free(model);
    }
    return tensor;
}

static inline struct flat trainer_values(tleg_context *context, const tleg_trainer *trainer, int32_t average) {
    struct flat flat = {0};
    const char *name;
    for (int64_t i = 0; (name = tleg_trainer_get_parameter_name(trainer, i)) != NULL; i++) {
        flat_add(&flat, context, trainer_value(context, trainer, average, name));
    }
    return flat;
}

static inline bool flat_same(const struct flat *a, const struct flat *b) {
    return a->values && b->values && a->count == b->count && memcmp(a->values, b->values, a->count * sizeof(float)) == 0;
}

static inline double flat_distance(const struct flat *a, const struct flat *b) {
    assert_int_equal(a->count, b->count);
    return support_relative(a->values, b->values, a->count);
}

/* ---- what each suite begins with ---- */
static struct grad_case cases[MAX_GRADS];
static int32_t case_count;
static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;
static tleg_context *plain; /* for what does not depend on the level */

static inline int prepare(void **state) {
    (void)state;
    case_count = trainer_cases(cases);
    backend_count = support_backends(backends);
    return tleg_context_create(NULL, &plain) != TLEG_OK;
}

static inline int clean(void **state) {
    (void)state;
    tleg_context_free(plain);
    support_clean(NULL);
    return 0;
}

/* A case by its name. */
static inline const struct grad_case *find(const char *name) {
    for (int32_t i = 0; i < case_count; i++) {
        if (strcmp(cases[i].name, name) == 0) {
            return &cases[i];
        }
    }
    fail_msg("no case %s", name);
    return NULL;
}

/* ---- steps ---- */

/* Everything that a state must carry: random depths, dropped paths, moments, a moving average. */
static inline tleg_trainer_options trainer_busy_options(const struct grad_case *c) {
    tleg_trainer_options options = trainer_options(c);
    options.drop_path = 0.3;
    options.ema = 0.9;
    options.seed = 5;
    if (!c->model) {
        options.depth_mode = TLEG_DEPTH_RANDOM;
        options.depth_most = options.depth_least + 3;
    }
    return options;
}

static inline void trainer_steps(tleg_trainer *trainer, const tleg_train_batch *batch, int count) {
    for (int i = 0; i < count; i++) {
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, batch, NULL));
        OK_TRAINER(trainer, tleg_trainer_update(trainer, 0.003));
    }
}

static inline void trainer_says(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", text, part);
    }
}

#endif
