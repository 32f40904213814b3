/* The walk's part of generators: a golden learngene that draws, stored and elastic. */
#include "contract/every_call_private.h"

#include <stdlib.h>
#include <string.h>
#include <tleg/generate.h>

enum { COUNT = 2, SIDE = 6, FLOATS = COUNT * SIDE * SIDE, STEPS = 3 };

static int32_t TLEG_CALL on_step(void *host, int32_t step, int32_t steps, int64_t count, const float *images) {
    (void)images;
    ++*(int32_t *)host;
    return step > steps || count != COUNT;
}

/* What a generator finds and draws, in the digest. */
static tleg_status use_generator(struct visit *v, tleg_generator *generator) {
    static const int64_t times[COUNT] = {999, 3}, labels[COUNT] = {1, 2};
    float images[FLOATS], noise[FLOATS], noised[FLOATS], found[FLOATS], drawn[FLOATS];
    tleg_generator_info info = {.struct_size = sizeof(info)};
    int32_t steps = 0;
    MUST(tleg_generator_get_error(generator)[0] == '\0');
    TRY(tleg_generator_get_info(v->context, generator, &info));
    MUST(info.image_floats * COUNT == FLOATS && info.noise_floats == info.image_floats);
    visit_fill(images, FLOATS, 5);
    TRY(tleg_generator_make_noise(v->context, 6, 0, COUNT, FLOATS / COUNT, noise));
    TRY(tleg_generator_add_noise(v->context, COUNT, FLOATS / COUNT, images, noise, times, noised));
    TRY(tleg_generator_run(generator, COUNT, noised, FLOATS, times, labels, found, FLOATS));
    const tleg_sample_options options = {.struct_size = sizeof(options),
                                         .steps = STEPS,
                                         .count = COUNT,
                                         .guidance = 1.5,
                                         .seed = 3,
                                         .labels = labels,
                                         .progress = on_step,
                                         .host = &steps};
    tleg_generator_cancel(generator); /* none is running */
    TRY(tleg_generator_sample(generator, &options, drawn, FLOATS));
    MUST(steps == STEPS);
    visit_digest(v, found, sizeof(found));
    visit_digest(v, drawn, sizeof(drawn));
    return TLEG_OK;
}

/* The generators are v's, which frees them wherever this ends. */
tleg_status visit_generator_calls(struct visit *v) {
    const char *path = TLEG_GOLDEN "/draw-patch.gene.safetensors";
    uint64_t bytes[2] = {0, 0};
    TRY(tleg_expander_open(v->context, path, NULL, NULL, &v->drawing_expander));
    TRY(tleg_expander_expand(v->context, v->drawing_expander, 2, &v->drawing_model));
    TRY(tleg_generator_get_memory(v->context, v->drawing_model, NULL, &bytes[0]));
    TRY(tleg_generator_get_elastic_memory(v->context, v->drawing_expander, NULL, &bytes[1]));
    MUST(bytes[0] > 0 && bytes[1] > bytes[0]);
    TRY(tleg_generator_create(v->context, v->drawing_model, NULL, &v->generator));
    TRY(tleg_generator_create_elastic(v->context, v->drawing_expander, 4, NULL, &v->elastic_generator));
    TRY(tleg_generator_set_depth(v->elastic_generator, 3));
    TRY(use_generator(v, v->generator));
    return use_generator(v, v->elastic_generator);
}
