/* Drawing: DDIM (Song et al., 2021) with eta 0, guided without a classifier (Ho and Salimans, 2022). All images take a step
 * before any takes the next, in parts that the generator's buffers hold. */
#include "dit/handle/private.h"
#include <math.h>
#include <string.h>

/* ---- what a host asks for ---- */

static tleg_status check_options(tleg_generator *g, const tleg_sample_options *o) {
    if (o->steps < 1 || o->steps > TLEG_TIMES)
        return tleg_error_set(&g->error, TLEG_ERROR_ARGUMENT, "tleg_sample_options.steps: expected 1 to %d, found %d",
                              TLEG_TIMES, o->steps);
    if (o->count < 1)
        return tleg_error_set(&g->error, TLEG_ERROR_ARGUMENT, "tleg_sample_options.count: expected 1 or more, found %lld",
                              (long long)o->count);
    if (!isfinite(o->guidance))
        return tleg_error_set(&g->error, TLEG_ERROR_ARGUMENT, "tleg_sample_options.guidance: expected a finite number");
    if (o->guidance != 1 && g->config->no_null_label)
        return tleg_error_set(
            &g->error, TLEG_ERROR_ARGUMENT,
            "tleg_sample_options.guidance: expected 1: this generator has no null label to be guided away from");
    if (o->reserved)
        return tleg_error_set(&g->error, TLEG_ERROR_UNSUPPORTED, "tleg_sample_options.reserved: expected NULL");
    if (o->depths && !g->elastic)
        return tleg_error_set(&g->error, TLEG_ERROR_STATE,
                              "tleg_sample_options.depths: this generator runs a model, whose depth is fixed");
    tleg_generator_info info = {.struct_size = sizeof info};
    tleg_generator_get_info(NULL, g, &info);
    for (int32_t s = 0; o->depths && s < o->steps; s++)
        if (o->depths[s] < info.least_depth || o->depths[s] > info.most_depth)
            return tleg_error_set(&g->error, TLEG_ERROR_ARGUMENT, "tleg_sample_options.depths[%d]: expected %d to %d, found %d",
                                  s, info.least_depth, info.most_depth, o->depths[s]);
    return TLEG_OK;
}

static tleg_status check_arrays(tleg_generator *g, const tleg_sample_options *o, const float *images, size_t image_floats) {
    if (!images)
        return tleg_error_set(&g->error, TLEG_ERROR_ARGUMENT, "sample: images is NULL");
    const tleg_status status = tleg_generator_check_floats(&g->error, "sample: images", images, image_floats, o->count,
                                                           (size_t)tleg_config_image(g->config));
    return status != TLEG_OK
               ? status
               : tleg_generator_check_labels(&g->error, g->config, "tleg_sample_options.labels", o->labels, o->count);
}

/* Where every label is the null label there is nothing to be guided by. */
static bool has_labels(const tleg_generator *g, const tleg_sample_options *o) {
    const int64_t count = o->labels ? o->count : 0;
    int64_t i = 0;
    while (i < count && o->labels[i] == g->config->classes)
        i++;
    return i < count;
}

static void begin(const tleg_generator *g, const tleg_sample_options *o, float *images) {
    const size_t image = (size_t)tleg_config_image(g->config);
    if (o->noise)
        memmove(images, o->noise, (size_t)o->count * image * sizeof(float));
    for (int64_t i = 0; !o->noise && i < o->count; i++)
        tleg_noise_begin(o->seed, i, image, images + (size_t)i * image);
}

/* ---- a step ---- */

/* t_i = round(i * 999 / (steps - 1)), halves to even; of one step 999 */
static int64_t time_of(int32_t i, int32_t steps) {
    if (steps == 1)
        return TLEG_TIMES - 1;
    const int64_t most = TLEG_TIMES - 1, whole = i * most / (steps - 1), rest = i * most % (steps - 1) * 2;
    return whole + (rest > steps - 1 || (rest == steps - 1 && whole % 2 != 0));
}

struct step {
    int64_t time;
    double kept, kept_next; /* of the image's variance, now and after the step */
};

/* x_0 = (x - sqrt(1 - a) e) / sqrt(a), which keeps its noise e at the next time: in double. */
static void move(const struct step *step, size_t count, const float *noise, float *x) {
    const double kept = sqrt(step->kept), lost = sqrt(1 - step->kept), next = sqrt(step->kept_next),
                 next_lost = sqrt(1 - step->kept_next);
    for (size_t i = 0; i < count; i++) {
        const double e = (double)noise[i];
        x[i] = (float)(next * ((double)x[i] - lost * e) / kept + next_lost * e);
    }
}

/* label = null + guidance (label - null) */
static void guide(double guidance, size_t count, float *label, const float *null) {
    for (size_t i = 0; i < count; i++)
        label[i] = (float)((double)null[i] + guidance * ((double)label[i] - (double)null[i]));
}

/* `count` images, with their labels, through a step. Guided ones go through the network twice, the second time with the null
 * label. */
static tleg_status step_part(tleg_generator *g, const tleg_sample_options *o, const struct step *step, int64_t count,
                             const int64_t *labels, float *x) {
    const size_t image = (size_t)tleg_config_image(g->config), noise = (size_t)tleg_config_outputs(g->config);
    const int64_t times = o->guidance != 1 ? 2 : 1;
    for (int64_t i = 0; i < times * count; i++) {
        g->times[i] = step->time;
        g->labels[i] = labels && i < count ? labels[i] : g->config->classes;
        memcpy(g->images + (size_t)i * image, x + (size_t)(i % count) * image, image * sizeof(float));
    }
    const tleg_status status = tleg_generator_go(
        g, &(struct tleg_run){.images = g->images, .asked = {g->times, g->labels}, .out = g->noise, .batch = times * count});
    for (int64_t i = 0; i < count && status == TLEG_OK; i++) {
        float *of_label = g->noise + (size_t)i * noise;
        if (times == 2)
            guide(o->guidance, image, of_label, g->noise + (size_t)(count + i) * noise);
        move(step, image, of_label, x + (size_t)i * image);
    }
    return status;
}

static tleg_status step_all(tleg_generator *g, const tleg_sample_options *o, const struct step *step, float *images) {
    const size_t image = (size_t)tleg_config_image(g->config);
    const int64_t most = o->guidance != 1 ? g->rows / 2 : g->rows;
    tleg_status status = TLEG_OK;
    for (int64_t done = 0; done < o->count && status == TLEG_OK; done += most)
        status = step_part(g, o, step, o->count - done < most ? o->count - done : most, o->labels ? o->labels + done : NULL,
                           images + (size_t)done * image);
    return status;
}

/* ---- all steps ---- */

/* What a depth's numbers do not allow is found before an image is touched. */
static tleg_status try_depths(tleg_generator *g, const tleg_sample_options *o) {
    tleg_status status = TLEG_OK;
    for (int32_t s = 0; o->depths && s < o->steps && status == TLEG_OK; s++)
        status = tleg_generator_set_depth(g, o->depths[s]);
    return status;
}

static tleg_status take_steps(tleg_generator *g, const tleg_sample_options *o, float *images) {
    tleg_status status = TLEG_OK;
    for (int32_t s = 0; s < o->steps && status == TLEG_OK; s++) {
        const int32_t i = o->steps - 1 - s;
        const struct step step = {.time = time_of(i, o->steps),
                                  .kept = tleg_noise_kept(time_of(i, o->steps)),
                                  .kept_next = i > 0 ? tleg_noise_kept(time_of(i - 1, o->steps)) : 1};
        if (o->depths)
            status = tleg_generator_set_depth(g, o->depths[s]);
        if (status == TLEG_OK)
            status = step_all(g, o, &step, images);
        if (status == TLEG_OK && o->progress && o->progress(o->host, s + 1, o->steps, o->count, images) != 0 && i > 0)
            status = tleg_error_set(&g->error, TLEG_ERROR_CANCELLED, "sample: the host's progress function stopped it");
    }
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_generator_sample(tleg_generator *generator, const tleg_sample_options *options,
                                                     float *images, size_t image_floats) {
    if (!generator)
        return TLEG_ERROR_ARGUMENT;
    tleg_sample_options own;
    tleg_session_begin(generator->session);
    tleg_status status =
        tleg_struct_read(&generator->error, "tleg_sample_options", options, &own, sizeof own, TLEG_LEAST_SAMPLE_OPTIONS);
    own.guidance = own.guidance == 0 ? 1 : own.guidance;
    if (status == TLEG_OK)
        status = check_options(generator, &own);
    if (status == TLEG_OK)
        status = check_arrays(generator, &own, images, image_floats);
    if (status != TLEG_OK)
        return status;
    if (!has_labels(generator, &own))
        own.guidance = 1;
    tleg_generator_info info = {.struct_size = sizeof info};
    tleg_generator_get_info(NULL, generator, &info);
    status = try_depths(generator, &own);
    if (status == TLEG_OK) {
        begin(generator, &own, images);
        status = take_steps(generator, &own, images);
    }
    if (own.depths) /* its own again */
        (void)tleg_session_set_depth(generator->session, info.depth);
    return status;
}
