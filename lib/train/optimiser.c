/* The end of a step: all-reduce, clipping, AdamW (Loshchilov and Hutter, 2019, as PyTorch computes it), moving average. */
#include "train/private.h"

#include <errno.h>
#include <math.h>

enum { CHUNK = 8192 }; /* numbers of an item of work: sums over chunks are added in order */

struct update {
    const tleg_trainer *trainer;
    double *sums; /* of squares, by chunk of the piece at hand */
    size_t first;
    float scale;       /* of the gradient: clipping and ranks */
    float rate, decay; /* decay = 1 - rate * weight_decay where the parameter decays */
    float beta1, beta2;
    float correct1, correct2; /* 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
    float epsilon, ema;
    const struct tleg_param *param;
};

/* ---- the gradient's norm ---- */

enum { SUMS = 256 }; /* chunks whose sums are held at once */

static void square_chunk(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct update *u = arg;
    size_t floats = u->trainer->layout.params.floats, begin = u->first + (size_t)item * CHUNK;
    size_t end = floats - begin < CHUNK ? floats : begin + CHUNK;
    double sum = 0;
    for (size_t i = begin; i < end; i++)
        sum += (double)u->trainer->gradient[i] * u->trainer->gradient[i];
    u->sums[item] = sum;
}

static double norm_of_gradient(const tleg_trainer *t) {
    double sums[SUMS], total = 0;
    size_t floats = t->layout.params.floats, piece = (size_t)SUMS * CHUNK;
    for (size_t first = 0; first < floats; first += piece) {
        size_t left = floats - first < piece ? floats - first : piece;
        int64_t chunks = (int64_t)((left + CHUNK - 1) / CHUNK);
        struct update u = {.trainer = t, .sums = sums, .first = first};
        tleg_for_each(&t->exec, chunks, square_chunk, &u);
        for (int64_t i = 0; i < chunks; i++)
            total += sums[i];
    }
    return sqrt(total);
}

/* ---- AdamW ---- */

/* p = decay p; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= rate c1 m / (sqrt(v) c2 + eps) */
static void adam_chunk(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct update *u = arg;
    const tleg_trainer *t = u->trainer;
    size_t begin = (size_t)item * CHUNK, left = u->param->count - begin, count = left < CHUNK ? left : CHUNK;
    size_t at = u->param->at + begin;
    const float *restrict g = t->gradient + at;
    float *restrict p = t->values + at, *restrict m = t->moment1 + at, *restrict v = t->moment2 + at;
    for (size_t i = 0; i < count; i++) {
        float gradient = u->scale * g[i];
        m[i] = u->beta1 * m[i] + (1 - u->beta1) * gradient;
        v[i] = u->beta2 * v[i] + (1 - u->beta2) * gradient * gradient;
        p[i] = u->decay * p[i] - u->rate * u->correct1 * m[i] / (sqrtf(v[i]) * u->correct2 + u->epsilon);
    }
    float *restrict average = t->average ? t->average + at : NULL;
    for (size_t i = 0; average && i < count; i++)
        average[i] = u->ema * average[i] + (1 - u->ema) * p[i];
}

static tleg_status reduce(tleg_trainer *t) {
    if (!t->options.all_reduce)
        return TLEG_OK;
    tleg_status status = t->options.all_reduce(t->options.all_reduce_host, t->gradient, t->layout.params.floats);
    t->undefined = status != TLEG_OK;
    return status != TLEG_OK
               ? tleg_error_set(&t->error, status, "step %lld: all_reduce gave status %d", (long long)(t->steps + 1), status)
               : TLEG_OK;
}

tleg_status tleg_trainer_apply(tleg_trainer *t, double learning_rate) {
    const tleg_trainer_options *o = &t->options;
    tleg_status status = reduce(t);
    if (status != TLEG_OK)
        return status;
    double norm = norm_of_gradient(t) / o->ranks, step = (double)(t->steps + 1);
    if (!isfinite(norm))
        return tleg_error_set(&t->error, TLEG_ERROR_NUMERIC, "step %lld: the gradient's norm is not finite",
                              (long long)(t->steps + 1));
    const int former = errno; /* pow() sets ERANGE once beta^t underflows, after some thousand steps */
    double clip = o->clip > 0 && norm > o->clip ? o->clip / norm : 1;
    struct update u = {.trainer = t,
                       .scale = (float)(clip / o->ranks),
                       .rate = (float)learning_rate,
                       .beta1 = (float)o->beta1,
                       .beta2 = (float)o->beta2,
                       .correct1 = (float)(1 / (1 - pow(o->beta1, step))),
                       .correct2 = (float)(1 / sqrt(1 - pow(o->beta2, step))),
                       .epsilon = (float)o->epsilon,
                       .ema = (float)o->ema};
    errno = former;
    for (int64_t i = 0; i < t->layout.params.count; i++) {
        u.param = &t->list[i];
        u.decay = u.param->decay ? (float)(1 - learning_rate * o->weight_decay) : 1;
        tleg_for_each(&t->exec, (int64_t)((u.param->count + CHUNK - 1) / CHUNK), adam_chunk, &u);
    }
    t->steps++;
    return TLEG_OK;
}
