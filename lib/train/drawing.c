/* What a generator learns: the noise in images that were noised at times drawn evenly (Ho et al., 2020), with labels dropped
 * now and then, so that it also learns what no label says (Ho and Salimans, 2022). A batch is noised once for all passes of a
 * step. */
#include "dit/pass/noise.h"
#include "train/private.h"

#include <math.h>
#include <string.h>

static int64_t *integers_at(const tleg_trainer *t, size_t offset) {
    return (int64_t *)(void *)tleg_trainer_at(t, offset);
}

struct tleg_drawing tleg_trainer_drawing(const tleg_trainer *t, int64_t first) {
    return (struct tleg_drawing){
        .noised = tleg_trainer_at(t, t->layout.noised) + first * tleg_config_image(&t->layout.net),
        .asked = {.times = integers_at(t, t->layout.times) + first, .labels = integers_at(t, t->layout.labels) + first},
        .first = first};
}

/* An image's label, dropped if so drawn. */
static int64_t label_of(const tleg_trainer *t, const tleg_train_batch *batch, int64_t image, struct tleg_random *random) {
    const int64_t null = t->layout.net.classes;
    if (!batch->labels || (t->options.label_drop > 0 && tleg_random_uniform(random) < t->options.label_drop))
        return null;
    return batch->labels[image];
}

/* Each image has random numbers of its own, which follow from one of the step's: ranks draw the same depths, and other noise.
 */
static void noise_images(tleg_trainer *t, const tleg_train_batch *batch) {
    const int64_t image = tleg_config_image(&t->layout.net);
    const uint64_t seed = tleg_random_next(&t->random);
    float *noise = tleg_trainer_at(t, t->layout.noise), *noised = tleg_trainer_at(t, t->layout.noised);
    int64_t *times = integers_at(t, t->layout.times), *labels = integers_at(t, t->layout.labels);
    for (int64_t i = 0; i < batch->size; i++) {
        struct tleg_random random;
        tleg_random_seed(&random, seed, (uint64_t)t->options.rank * (uint64_t)t->options.batch + (uint64_t)i);
        labels[i] = label_of(t, batch, i, &random);
        times[i] = batch->times ? batch->times[i] : (int64_t)(tleg_random_uniform(&random) * (double)TLEG_TIMES);
        if (batch->noise)
            memcpy(noise + i * image, batch->noise + i * image, (size_t)image * sizeof(float));
        else
            tleg_noise_draw(&random, (size_t)image, noise + i * image);
        tleg_noise_add(times[i], (size_t)image, batch->images + i * image, noise + i * image, noised + i * image);
    }
}

static tleg_status ask_teacher(tleg_trainer *t, const tleg_train_batch *batch) {
    const struct tleg_drawing drawing = tleg_trainer_drawing(t, 0);
    const size_t floats = (size_t)(batch->size * tleg_config_image(&t->layout.net));
    float *told = tleg_trainer_at(t, t->layout.teacher);
    for (size_t i = 0; i < floats; i++)
        told[i] = NAN; /* what is not written is seen */
    const tleg_status status = t->options.noise_teacher(t->options.noise_teacher_host, batch->size, drawing.noised, floats,
                                                        drawing.asked.times, drawing.asked.labels, told);
    return status == TLEG_OK ? TLEG_OK
                             : tleg_error_set(&t->error, status, "step %lld: the noise teacher gave status %d",
                                              (long long)(t->steps + 1), (int)status);
}

tleg_status tleg_trainer_noise(tleg_trainer *t, const tleg_train_batch *batch) {
    noise_images(t, batch);
    return t->options.alpha > 0 ? ask_teacher(t, batch) : TLEG_OK;
}

/* ---- the loss ---- */

/* Of `size` images: what the network gives for each, of which the noise comes first, against targets `apart` floats from one
 * image to the next. Adds share times its gradient. */
static double judge(const tleg_trainer *t, int64_t size, const float *targets, int64_t apart, double share) {
    const int64_t image = tleg_config_image(&t->layout.net), outputs = tleg_config_outputs(&t->layout.net);
    const float *told = tleg_trainer_at(t, t->layout.logits);
    float *dtold = tleg_trainer_at(t, t->layout.dlogits);
    double sum = 0;
    for (int64_t i = 0; i < size; i++)
        sum += tleg_loss(TLEG_LOSS_SQUARES, &(struct tleg_loss_call){.rows = 1,
                                                                     .classes = image,
                                                                     .logits = told + i * outputs,
                                                                     .targets = targets + i * apart,
                                                                     .scale = share / (double)size,
                                                                     .dlogits = share > 0 ? dtold + i * outputs : NULL});
    return sum / (double)size;
}

/* What the deepest pass tells of these images: kept with in_place alone. */
static float *deepest_of(const tleg_trainer *t, const struct tleg_drawing *drawing) {
    return tleg_trainer_at(t, t->layout.deepest) + drawing->first * tleg_config_outputs(&t->layout.net);
}

tleg_status tleg_trainer_judge_noise(tleg_trainer *t, const struct tleg_drawing *drawing, const struct tleg_slice *slice,
                                     tleg_train_loss *loss) {
    const int64_t image = tleg_config_image(&t->layout.net), outputs = tleg_config_outputs(&t->layout.net);
    const int64_t size = slice->batch.size, at = slice->first * image;
    const enum tleg_pass_part part = slice->pass->part;
    const double alpha = t->options.alpha, share = slice->pass->share * slice->part; /* of the step's gradient */
    const double in_place = tleg_trainer_in_place(t, slice), usual = 1 - in_place;
    const size_t floats = (size_t)(size * outputs) * sizeof(float);
    double taught = 0, followed = 0;
    memset(tleg_trainer_at(t, t->layout.dlogits), 0, floats);
    const double noise = judge(t, size, tleg_trainer_at(t, t->layout.noise) + at, image, share * usual * (1 - alpha));
    if (alpha > 0)
        taught = judge(t, size, tleg_trainer_at(t, t->layout.teacher) + at, image, share * usual * alpha);
    if (part == TLEG_PASS_TEACHES)
        memcpy(deepest_of(t, drawing), tleg_trainer_at(t, t->layout.logits), floats);
    if (part == TLEG_PASS_FOLLOWS)
        followed = judge(t, size, deepest_of(t, drawing), outputs, share * in_place);
    tleg_trainer_add_loss(t, slice, &(struct tleg_judged){noise, taught, followed}, loss);
    tleg_status status = tleg_trainer_check_loss(t, noise, "noise", "");
    if (status == TLEG_OK)
        status = tleg_trainer_check_loss(t, taught, "teacher's noise", "");
    return status == TLEG_OK ? tleg_trainer_check_loss(t, followed, "deepest pass", "") : status;
}
