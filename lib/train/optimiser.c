/* The end of a step: all-reduce, clipping, and what the optimiser makes of each parameter. */
#include "train/private.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 8192 }; /* numbers of an item of work: sums over chunks are added in order */

/* ---- the gradient's norm ---- */

enum { SUMS = 256 }; /* chunks whose sums are held at once */

struct squares {
    const tleg_trainer *trainer;
    double *sums; /* by chunk of the piece at hand */
    size_t first;
};

static void square_chunk(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct squares *u = arg;
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
        struct squares u = {.trainer = t, .sums = sums, .first = first};
        tleg_for_each(&t->exec, chunks, square_chunk, &u);
        if (tleg_trainer_pool_failed(t))
            return 0; /* sums are not all written */
        for (int64_t i = 0; i < chunks; i++)
            total += sums[i];
    }
    return sqrt(total);
}

/* ---- the step ---- */

static tleg_status reduce(tleg_trainer *t) {
    if (!t->options.all_reduce)
        return TLEG_OK;
    tleg_status status = t->options.all_reduce(t->options.all_reduce_host, t->gradient, t->layout.params.floats);
    t->undefined = status != TLEG_OK;
    return status != TLEG_OK
               ? tleg_error_set(&t->error, status, "step %lld: all_reduce gave status %d", (long long)(t->steps + 1), status)
               : TLEG_OK;
}

/* Of this step, as TensorFlow's average begins. */
static double decay_of_average(const tleg_trainer *t) {
    const double step = (double)(t->steps + 1), most = (1 + step) / (10 + step);
    return t->options.ema_warmup && most < t->options.ema ? most : t->options.ema;
}

void tleg_train_average(const tleg_trainer *t, size_t at, size_t count) {
    const float ema = (float)decay_of_average(t), *restrict p = t->values + at;
    float *restrict average = t->average ? t->average + at : NULL;
    for (size_t i = 0; average && i < count; i++)
        average[i] = ema * average[i] + (1 - ema) * p[i];
}

/* Muon is for the blocks' matrices: what else there is learns by AdamW. */
static void optimise(const struct tleg_step *step) {
    const tleg_trainer *t = step->trainer;
    const bool muon = t->options.optimiser == TLEG_OPTIMISER_MUON, sgd = t->options.optimiser == TLEG_OPTIMISER_SGD;
    for (int64_t i = 0; i < t->layout.params.count; i++) {
        const struct tleg_param *param = &t->list[i];
        if (param->rate == 0 || (muon && tleg_muon_matrices(param) > 0))
            continue;
        if (sgd)
            tleg_sgd(step, param);
        else
            tleg_adamw(step, param);
    }
    if (muon)
        tleg_muon(step);
}

/* What has a gradient, for those who ask, and yet stays as it is: a generator's positions. */
static void drop_fixed(tleg_trainer *t) {
    for (int64_t i = 0; i < t->layout.params.count; i++)
        if (t->list[i].rate == 0)
            memset(t->gradient + t->list[i].at, 0, t->list[i].count * sizeof *t->gradient);
}

tleg_status tleg_trainer_apply(tleg_trainer *t, double learning_rate) {
    const tleg_trainer_options *o = &t->options;
    drop_fixed(t);
    tleg_status status = reduce(t);
    if (status != TLEG_OK)
        return status;
    double norm = norm_of_gradient(t) / o->ranks, step = (double)(t->steps + 1);
    if (tleg_trainer_pool_failed(t)) { /* no parameter is changed yet; the call's end says what the pool did */
        t->undefined = o->all_reduce;  /* gradients are summed already: not a second time */
        return TLEG_OK;
    }
    if (!isfinite(norm))
        return tleg_error_set(&t->error, TLEG_ERROR_NUMERIC, "step %lld: the gradient's norm is not finite",
                              (long long)(t->steps + 1));
    double clip = o->clip > 0 && norm > o->clip ? o->clip / norm : 1;
    const struct tleg_step now = {.trainer = t, .number = step, .scale = (float)(clip / o->ranks), .rate = learning_rate};
    optimise(&now);
    t->torn = tleg_trainer_pool_failed(t);
    t->steps += !t->torn;
    return TLEG_OK;
}
