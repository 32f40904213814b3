/* Stochastic gradient descent with momentum, as torch.optim.SGD has it: the decay is coupled, a part of the gradient. */
#include "train/private.h"

struct update {
    const struct tleg_step *step;
    const struct tleg_param *param;
    float rate, decay, momentum;
    bool nesterov;
};

/* g += decay p; b = mu b + g; p -= rate b, or rate (g + mu b) */
static void update_chunk(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct update *u = arg;
    const tleg_trainer *t = u->step->trainer;
    size_t count, at = tleg_step_chunk(u->param, item, &count);
    const float scale = u->step->scale, mu = u->momentum;
    const float *restrict g = t->gradient + at;
    float *restrict p = t->values + at, *restrict b = t->moment1 + at;
    for (size_t i = 0; i < count; i++) {
        float gradient = scale * g[i] + u->decay * p[i];
        b[i] = mu * b[i] + gradient;
        p[i] -= u->rate * (u->nesterov ? gradient + mu * b[i] : b[i]);
    }
    tleg_train_average(t, at, count);
}

void tleg_sgd(const struct tleg_step *step, const struct tleg_param *param) {
    const tleg_trainer_options *o = &step->trainer->options;
    struct update u = {.step = step,
                       .param = param,
                       .rate = (float)tleg_step_rate(step, param),
                       .decay = param->decay ? (float)o->weight_decay : 0,
                       .momentum = (float)o->momentum,
                       .nesterov = o->nesterov > 0};
    tleg_for_each(&step->trainer->exec, tleg_step_chunks(param), update_chunk, &u);
}
