/* AdamW (Loshchilov and Hutter, 2019), as PyTorch computes it. */
#include "train/private.h"

#include <errno.h>
#include <math.h>

struct update {
    const struct tleg_step *step;
    const struct tleg_param *param;
    float rate, decay; /* decay = 1 - rate * weight_decay where the parameter decays */
    float beta1, beta2;
    float correct1, correct2; /* 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
    float epsilon;
};

/* p = decay p; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= rate c1 m / (sqrt(v) c2 + eps) */
static void update_chunk(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct update *u = arg;
    const tleg_trainer *t = u->step->trainer;
    size_t count, at = tleg_step_chunk(u->param, item, &count);
    const float scale = u->step->scale;
    const float *restrict g = t->gradient + at;
    float *restrict p = t->values + at, *restrict m = t->moment1 + at, *restrict v = t->moment2 + at;
    for (size_t i = 0; i < count; i++) {
        float gradient = scale * g[i];
        m[i] = u->beta1 * m[i] + (1 - u->beta1) * gradient;
        v[i] = u->beta2 * v[i] + (1 - u->beta2) * gradient * gradient;
        p[i] = u->decay * p[i] - u->rate * u->correct1 * m[i] / (sqrtf(v[i]) * u->correct2 + u->epsilon);
    }
    tleg_train_average(t, at, count);
}

void tleg_adamw(const struct tleg_step *step, const struct tleg_param *param) {
    const tleg_trainer_options *o = &step->trainer->options;
    const int former = errno; /* pow() sets ERANGE once beta^t underflows, after some thousand steps */
    struct update u = {.step = step,
                       .param = param,
                       .rate = (float)tleg_step_rate(step, param),
                       .decay = tleg_step_decay(step, param),
                       .beta1 = (float)o->beta1,
                       .beta2 = (float)o->beta2,
                       .correct1 = (float)(1 / (1 - pow(o->beta1, step->number))),
                       .correct2 = (float)(1 / sqrt(1 - pow(o->beta2, step->number))),
                       .epsilon = (float)o->epsilon};
    errno = former;
    tleg_for_each(&step->trainer->exec, tleg_step_chunks(param), update_chunk, &u);
}
