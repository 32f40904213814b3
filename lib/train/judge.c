/* How what a pass tells is judged: by labels, by a teacher, and by the deepest pass of the step. */
#include "train/private.h"

#include <math.h>
#include <string.h>

/* ---- of both kinds ---- */

tleg_status tleg_trainer_check_loss(tleg_trainer *t, double loss, const char *against, const char *why) {
    if (isfinite(loss))
        return TLEG_OK;
    return tleg_error_set(&t->error, TLEG_ERROR_NUMERIC, "step %lld: the loss against the %s is not finite (%s)%s",
                          (long long)(t->steps + 1), against, isnan(loss) ? "NaN" : "infinite", why);
}

double tleg_trainer_in_place(const tleg_trainer *t, const struct tleg_slice *slice) {
    return slice->pass->part == TLEG_PASS_FOLLOWS ? t->options.in_place : 0;
}

void tleg_trainer_add_loss(const tleg_trainer *t, const struct tleg_slice *slice, const struct tleg_judged *judged,
                           tleg_train_loss *loss) {
    const double alpha = t->options.alpha, in_place = tleg_trainer_in_place(t, slice);
    const double usual = (alpha < 1 ? (1 - alpha) * judged->labels : 0) + alpha * judged->teacher;
    loss->labels += slice->part * judged->labels;
    loss->teacher += slice->part * judged->teacher;
    loss->in_place += slice->part * judged->deepest;
    loss->total += slice->part * ((1 - in_place) * usual + in_place * judged->deepest);
}

/* ---- a classifier's teacher ---- */

tleg_status tleg_trainer_ask(tleg_trainer *t, tleg_train_batch *batch) {
    if (t->options.alpha <= 0)
        batch->teacher_logits = NULL;
    if (t->options.alpha <= 0 || batch->teacher_logits)
        return TLEG_OK;
    float *own = tleg_trainer_at(t, t->layout.teacher);
    batch->teacher_logits = own;
    const int64_t classes = t->layout.net.classes;
    for (int64_t i = 0; i < batch->size * classes; i++)
        own[i] = NAN; /* what is not written is seen */
    tleg_status status = t->options.teacher(t->options.teacher_host, batch->size, batch->images,
                                            (size_t)(batch->size * tleg_config_image(&t->layout.net)), (int32_t)classes, own);
    return status
               ? tleg_error_set(&t->error, status, "step %lld: the teacher gave status %d", (long long)(t->steps + 1), status)
               : TLEG_OK;
}

/* ---- a classifier's answers ---- */

/* Images whose largest logit (the mean of both heads') is the label, or the largest target. */
static int64_t count_correct(const tleg_trainer *t, const tleg_train_batch *batch) {
    int64_t classes = t->layout.net.classes, correct = 0;
    const float *a = tleg_trainer_at(t, t->layout.logits), *b = a + (tleg_trainer_heads(t) - 1) * batch->size * classes;
    for (int64_t r = 0; r < batch->size && (batch->labels || batch->targets); r++) {
        int64_t best = 0, wanted = batch->labels ? batch->labels[r] : 0;
        for (int64_t c = 1; c < classes; c++) {
            best = a[r * classes + c] + b[r * classes + c] > a[r * classes + best] + b[r * classes + best] ? c : best;
            if (!batch->labels && batch->targets[r * classes + c] > batch->targets[r * classes + wanted])
                wanted = c;
        }
        correct += best == wanted;
    }
    return correct;
}

static bool all_finite(const float *values, int64_t count) {
    int64_t i = 0;
    while (i < count && isfinite(values[i]))
        i++;
    return i == count;
}

/* Labels first: their loss depends on our logits alone, so that what fails after it is the teacher's. */
static tleg_status check_losses(tleg_trainer *t, int64_t rows, const float *teacher, double labels, double taught) {
    tleg_status status = t->options.alpha < 1 ? tleg_trainer_check_loss(t, labels, "labels", "") : TLEG_OK;
    if (status || !teacher)
        return status;
    bool good = all_finite(teacher, rows * t->layout.net.classes);
    return tleg_trainer_check_loss(t, taught, "teacher", good ? "" : ": the teacher's logits are not finite");
}

/* Labels judge the first head. */
static double judge_by_labels(const tleg_trainer *t, const struct tleg_slice *slice, double share) {
    const tleg_train_batch *batch = &slice->batch;
    if (!batch->labels && !batch->targets)
        return 0;
    float *dlogits = tleg_trainer_at(t, t->layout.dlogits);
    return tleg_loss(TLEG_LOSS_CROSS_ENTROPY, &(struct tleg_loss_call){.rows = batch->size,
                                                                       .classes = t->layout.net.classes,
                                                                       .logits = tleg_trainer_at(t, t->layout.logits),
                                                                       .labels = batch->labels,
                                                                       .targets = batch->targets,
                                                                       .smoothing = t->options.smoothing,
                                                                       .class_weights = t->options.class_weights,
                                                                       .weight = slice->part * slice->weight,
                                                                       .scale = share,
                                                                       .dlogits = share > 0 ? dlogits : NULL});
}

static bool has_squares(const tleg_trainer *t) {
    return t->options.teacher_loss == TLEG_TEACHER_LOSS_SQUARES;
}

/* One head's: tau^2 * sum KL(teacher || student) / (B * C), or sum (student - teacher)^2 / (B * C) */
static double judge_by_logits(const tleg_trainer *t, int64_t rows, int head, const float *teacher, double tau, double share) {
    const int64_t classes = t->layout.net.classes;
    return tleg_loss(has_squares(t) ? TLEG_LOSS_SQUARES : TLEG_LOSS_DISTILLATION,
                     &(struct tleg_loss_call){.rows = rows,
                                              .classes = classes,
                                              .logits = tleg_trainer_head(t, t->layout.logits, head, rows, classes),
                                              .targets = teacher,
                                              .tau = tau,
                                              .scale = share,
                                              .dlogits = tleg_trainer_head(t, t->layout.dlogits, head, rows, classes)});
}

/* The deepest pass' logits of a head, for the slice's images; kept as (heads, batch, C). */
static float *deepest_rows(const tleg_trainer *t, const struct tleg_slice *slice, int head) {
    return tleg_trainer_head(t, t->layout.deepest, head, t->options.batch, t->layout.net.classes) +
           slice->first * t->layout.net.classes;
}

static void keep_deepest(const tleg_trainer *t, const struct tleg_slice *slice) {
    const int64_t rows = slice->batch.size, classes = t->layout.net.classes;
    for (int h = 0; h < tleg_trainer_heads(t); h++)
        memcpy(deepest_rows(t, slice, h), tleg_trainer_head(t, t->layout.logits, h, rows, classes),
               (size_t)(rows * classes) * sizeof(float));
}

/* sum KL(deepest || shallower) / B, the mean of the heads': each follows its own. Its temperature is 1, and its size is that of
 * the labels' loss, as universally slimmable networks have it (arXiv 1903.05134). Squares are as large as the teacher's. */
static double judge_by_deepest(const tleg_trainer *t, const struct tleg_slice *slice, double share) {
    const double per = has_squares(t) ? 1 : t->layout.net.classes, heads = tleg_trainer_heads(t);
    double sum = 0;
    for (int h = 0; h < tleg_trainer_heads(t); h++)
        sum += judge_by_logits(t, slice->batch.size, h, deepest_rows(t, slice, h), 1, share * per / heads);
    return sum * per / heads;
}

/* Labels judge the first head, the teacher the last. */
tleg_status tleg_trainer_judge_answers(tleg_trainer *t, const struct tleg_slice *slice, tleg_train_loss *loss) {
    const tleg_train_batch *batch = &slice->batch;
    const double alpha = t->options.alpha, share = slice->pass->share * slice->part; /* of the step's gradient */
    const double in_place = tleg_trainer_in_place(t, slice), usual = 1 - in_place;
    const bool over_images = t->options.teacher_mean == TLEG_TEACHER_MEAN_OVER_IMAGES && !has_squares(t);
    const double per = over_images ? t->layout.net.classes : 1;
    double taught = 0, followed = 0;
    memset(tleg_trainer_at(t, t->layout.dlogits), 0,
           (size_t)(tleg_trainer_heads(t) * batch->size * t->layout.net.classes) * sizeof(float));
    const double labels = judge_by_labels(t, slice, share * usual * (1 - alpha));
    if (batch->teacher_logits)
        taught = per * judge_by_logits(t, batch->size, tleg_trainer_heads(t) - 1, batch->teacher_logits, t->options.tau,
                                       share * usual * alpha * per);
    if (slice->pass->part == TLEG_PASS_TEACHES)
        keep_deepest(t, slice);
    if (slice->pass->part == TLEG_PASS_FOLLOWS)
        followed = judge_by_deepest(t, slice, share * in_place);
    tleg_trainer_add_loss(t, slice, &(struct tleg_judged){labels, taught, followed}, loss);
    loss->correct += count_correct(t, batch);
    const tleg_status status = check_losses(t, batch->size, batch->teacher_logits, labels, taught);
    return status != TLEG_OK ? status : tleg_trainer_check_loss(t, followed, "deepest pass", "");
}

double tleg_trainer_weigh(const tleg_trainer *t, const tleg_train_batch *batch) {
    const double *weights = t->options.class_weights;
    const int64_t classes = t->layout.net.classes;
    double sum = 0;
    for (int64_t r = 0; weights && batch->labels && r < batch->size; r++)
        sum += weights[batch->labels[r]];
    for (int64_t i = 0; weights && batch->targets && i < batch->size * classes; i++)
        sum += weights[i % classes] * batch->targets[i];
    return sum;
}
