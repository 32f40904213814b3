/* Generators' golden cases: tests/golden/draw-*, written by tests/fixtures/make.sh with the reference arithmetic. */
#ifndef TLEG_TESTS_DRAWN_H
#define TLEG_TESTS_DRAWN_H

#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DRAWN = 8, DRAWN_BATCH = 8, DRAWN_STEPS = 8 };
static const double drawn_guidance = 1.5;

struct drawn {
    char name[40];
    int32_t depth, image, patch, channels, labels, batch, half, sigma;
};

static inline int32_t drawn_cases(struct drawn cases[MAX_DRAWN]) {
    FILE *file = fopen(support_path("drawn", ".txt"), "r");
    assert_non_null(file);
    int32_t count = 0;
    struct drawn *d = cases;
    while (count < MAX_DRAWN && fscanf(file, "%39s %d %d %d %d %d %d %d %d", d->name, &d->depth, &d->image, &d->patch,
                                       &d->channels, &d->labels, &d->batch, &d->half, &d->sigma) == 9) {
        assert_true(d->batch <= DRAWN_BATCH);
        d = &cases[++count];
    }
    fclose(file);
    assert_true(count > 0);
    return count;
}

/* What a case's file of input holds; the images noised as well. */
struct drawn_input {
    tleg_tensor *tensors[2];
    const float *images, *noise;
    float *noised; /* of malloc */
    int64_t times[DRAWN_BATCH], labels[DRAWN_BATCH];
    size_t floats; /* of one image */
};

static inline void drawn_integers(tleg_context *context, const char *path, const char *name, int32_t count, int64_t *out) {
    tleg_file *file = NULL;
    tleg_tensor *tensor = NULL;
    tleg_tensor_info info = {.struct_size = sizeof info};
    OK(context, tleg_file_open(context, path, NULL, &file));
    OK(context, tleg_file_read_tensor(context, file, name, &tensor));
    OK(context, tleg_tensor_get_info(context, tensor, &info));
    assert_int_equal(info.dtype, TLEG_I64);
    assert_int_equal(info.bytes, (size_t)count * sizeof *out);
    memcpy(out, info.data, (size_t)info.bytes);
    tleg_tensor_free(tensor);
    tleg_file_free(file);
}

static inline struct drawn_input drawn_read(tleg_context *context, const struct drawn *drawn) {
    struct drawn_input in = {.floats = (size_t)(drawn->channels * drawn->image * drawn->image)};
    const char *path = support_path(drawn->name, ".in.safetensors");
    size_t count;
    in.tensors[0] = support_tensor(context, path, "images", &in.images, &count);
    assert_int_equal(count, (size_t)drawn->batch * in.floats);
    in.tensors[1] = support_tensor(context, path, "noise", &in.noise, &count);
    assert_int_equal(count, (size_t)drawn->batch * in.floats);
    drawn_integers(context, path, "times", drawn->batch, in.times);
    drawn_integers(context, path, "labels", drawn->batch, in.labels);
    in.noised = malloc(count * sizeof *in.noised);
    assert_non_null(in.noised);
    OK(context, tleg_generator_add_noise(context, drawn->batch, in.floats, in.images, in.noise, in.times, in.noised));
    return in;
}

static inline void drawn_free(struct drawn_input *in) {
    free(in->noised);
    tleg_tensor_free(in->tensors[0]);
    tleg_tensor_free(in->tensors[1]);
}

static inline tleg_expander *drawn_expander(tleg_context *context, const struct drawn *drawn, int32_t dtype) {
    const tleg_expander_options options = {.struct_size = sizeof options, .dtype = dtype};
    tleg_learngene *gene = support_gene(context, drawn->name);
    tleg_expander *expander = NULL;
    OK(context, tleg_expander_create(context, gene, &options, &expander));
    tleg_learngene_free(gene);
    return expander;
}

static inline tleg_model *drawn_model(tleg_context *context, const struct drawn *drawn, int32_t dtype) {
    tleg_expander *expander = drawn_expander(context, drawn, dtype);
    tleg_model *model = NULL;
    OK(context, tleg_expander_expand(context, expander, drawn->depth, &model));
    tleg_expander_free(expander);
    return model;
}

/* A generator that outlives what it is made of. */
static inline tleg_generator *drawn_generator(tleg_context *context, const struct drawn *drawn, int32_t dtype, bool elastic,
                                              int32_t batch) {
    const tleg_generator_options options = {.struct_size = sizeof options, .batch = batch};
    tleg_generator *generator = NULL;
    if (elastic) {
        tleg_expander *expander = drawn_expander(context, drawn, dtype);
        OK(context, tleg_generator_create_elastic(context, expander, drawn->depth, &options, &generator));
        tleg_expander_free(expander);
        return generator;
    }
    tleg_model *model = drawn_model(context, drawn, dtype);
    OK(context, tleg_generator_create(context, model, &options, &generator));
    tleg_model_free(model);
    return generator;
}

static inline tleg_generator_info drawn_info(const tleg_generator *generator) {
    tleg_generator_info info = {.struct_size = sizeof info};
    assert_int_equal(tleg_generator_get_info(NULL, generator, &info), TLEG_OK);
    return info;
}

#define OK_GENERATOR(generator, call) support_ok(call, #call, tleg_generator_get_error(generator), __FILE__, __LINE__)

/* The noise that a generator finds in a case's images, in memory of malloc. */
static inline float *drawn_run(tleg_generator *generator, const struct drawn *drawn, const struct drawn_input *in) {
    const size_t batch = (size_t)drawn->batch, floats = batch * (size_t)drawn_info(generator).noise_floats;
    float *noise = malloc(floats * sizeof *noise);
    assert_non_null(noise);
    memset(noise, 0xff, floats * sizeof *noise); /* NaN: what is not written shows */
    OK_GENERATOR(generator, tleg_generator_run(generator, drawn->batch, in->noised, batch * in->floats, in->times, in->labels,
                                               noise, floats));
    return noise;
}

static inline tleg_sample_options drawn_options(const struct drawn *drawn, const struct drawn_input *in) {
    return (tleg_sample_options){.struct_size = sizeof(tleg_sample_options),
                                 .steps = DRAWN_STEPS,
                                 .count = drawn->batch,
                                 .guidance = drawn_guidance,
                                 .labels = in->labels,
                                 .noise = in->noise};
}

/* What it draws as the options say, in memory of malloc. */
static inline float *drawn_sample(tleg_generator *generator, const tleg_sample_options *options) {
    const size_t floats = (size_t)options->count * (size_t)drawn_info(generator).image_floats;
    float *images = malloc(floats * sizeof *images);
    assert_non_null(images);
    memset(images, 0xff, floats * sizeof *images);
    OK_GENERATOR(generator, tleg_generator_sample(generator, options, images, floats));
    return images;
}

#endif
