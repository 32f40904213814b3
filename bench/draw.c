/* A generator through the public interface: one question of the noise, as each step of drawing asks it, of a stored model and
 * elastic; and one optimiser step. 32 px of 4 channels in patches of 2 (256 tokens), dim 384, 6 heads, depth 12. Prints a JSON
 * object for each, as draw_torch.py does: the median of the runs in a second, and the share of the FMA peak (operations of the
 * blocks; three times those for a step).
 *
 *     bench/bench_draw [threads] [f32|bf16] [batch] */
#include "base/peaks.h"
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/generate.h>
#include <tleg/tleg.h>
#include <tleg/train.h>

enum { IMAGE = 32, PATCH = 2, CHANNELS = 4, DIM = 384, HEADS = 6, DEPTH = 12, LABELS = 10, TRAINED = 16, MOST = 64 };
enum { NUMBERS = CHANNELS * IMAGE * IMAGE };

static void check(tleg_status status, const char *text) {
    if (status != TLEG_OK) {
        fprintf(stderr, "bench_draw: %s: %s\n", tleg_status_name(status), text);
        exit(1);
    }
}

/* Of one image: a block has 12 D^2 multiplications a token, and attention 2 N D. */
static double operations(void) {
    const double tokens = (double)(IMAGE / PATCH) * (IMAGE / PATCH);
    return 2 * tokens * DEPTH * (12.0 * DIM * DIM + 2 * tokens * DIM);
}

struct bench {
    tleg_context *context;
    int32_t threads, batch, dtype;
    float *images, *noise;
    int64_t times[MOST], labels[MOST];
    tleg_generator *generator;
    tleg_trainer *trainer;
};

static double ask_once(const struct bench *b) {
    const double start = measure_seconds();
    const size_t count = (size_t)b->batch * NUMBERS;
    check(tleg_generator_run(b->generator, b->batch, b->images, count, b->times, b->labels, b->noise, count),
          tleg_generator_get_error(b->generator));
    return measure_seconds() - start;
}

static double learn_once(const struct bench *b) {
    const tleg_train_batch batch = {
        .struct_size = sizeof batch, .size = TRAINED, .images = b->images, .labels = b->labels, .times = b->times};
    const double start = measure_seconds();
    check(tleg_trainer_backward(b->trainer, &batch, NULL), tleg_trainer_get_error(b->trainer));
    check(tleg_trainer_update(b->trainer, 1e-4), tleg_trainer_get_error(b->trainer));
    return measure_seconds() - start;
}

/* The median of a second's runs, at least three, after one that does not count. */
static void say(const struct bench *b, const char *what, int32_t batch, double work, double (*run)(const struct bench *)) {
    enum { RUNS = 4096 };
    static double seconds[RUNS];
    double sum = 0;
    int runs = 0;
    run(b);
    while (runs < RUNS && (runs < 3 || sum < 1))
        sum += seconds[runs++] = run(b);
    const double median = measure_median(seconds, (size_t)runs);
    const double peak = peak_gflops(tleg_context_get_level(b->context, NULL), b->dtype) * b->threads;
    printf("{\"peer\":\"tleg\",\"what\":\"%s\",\"dtype\":\"%s\",\"batch\":%d,\"threads\":%d,\"ms\":%.2f,\"peak_share\":%.3f}\n",
           what, b->dtype == TLEG_BF16 ? "bf16" : "f32", (int)batch, (int)b->threads, 1e3 * median,
           work * batch / median / 1e9 / peak);
    fflush(stdout);
}

static void bench_asking(struct bench *b, const tleg_learngene *gene) {
    const tleg_expander_options how = {.struct_size = sizeof how, .dtype = b->dtype};
    const tleg_generator_options options = {.struct_size = sizeof options, .batch = b->batch};
    tleg_expander *expander;
    tleg_model *model;
    check(tleg_expander_create(b->context, gene, &how, &expander), tleg_context_get_error(b->context));
    check(tleg_expander_expand(b->context, expander, DEPTH, &model), tleg_context_get_error(b->context));
    check(tleg_generator_create(b->context, model, &options, &b->generator), tleg_context_get_error(b->context));
    say(b, "noise", b->batch, operations(), ask_once);
    tleg_generator_free(b->generator);
    check(tleg_generator_create_elastic(b->context, expander, DEPTH, &options, &b->generator),
          tleg_context_get_error(b->context));
    say(b, "noise, elastic", b->batch, operations(), ask_once);
    tleg_generator_free(b->generator);
    tleg_model_free(model);
    tleg_expander_free(expander);
}

static void bench_learning(struct bench *b, const tleg_learngene *gene) {
    const tleg_trainer_options options = {
        .struct_size = sizeof options, .batch = TRAINED, .depth_least = DEPTH, .dtype = b->dtype};
    check(tleg_trainer_create(b->context, gene, &options, &b->trainer), tleg_context_get_error(b->context));
    say(b, "step", TRAINED, 3 * operations(), learn_once);
    tleg_trainer_free(b->trainer);
}

int main(int argc, char **argv) {
    struct bench b = {.threads = argc > 1 ? atoi(argv[1]) : 1,
                      .dtype = argc > 2 && strcmp(argv[2], "bf16") == 0 ? TLEG_BF16 : TLEG_F32,
                      .batch = argc > 3 ? atoi(argv[3]) : 1};
    const tleg_context_options own = {.struct_size = sizeof own, .workers = b.threads};
    const tleg_config config = {.struct_size = sizeof config,
                                .kind = TLEG_KIND_DIT,
                                .image_size = IMAGE,
                                .patch_size = PATCH,
                                .channels = CHANNELS,
                                .dim = DIM,
                                .heads = HEADS,
                                .classes = LABELS};
    tleg_learngene *gene;
    if (b.batch < 1 || b.batch > MOST)
        b.batch = 1;
    b.images = bench_floats(MOST * NUMBERS, 1);
    b.noise = bench_floats(MOST * NUMBERS, 1);
    for (int i = 0; i < MOST; i++) {
        b.times[i] = i * 15;
        b.labels[i] = i % LABELS;
    }
    check(tleg_context_create(&own, &b.context), "no context");
    check(tleg_learngene_create(b.context, &config, 1, &gene), tleg_context_get_error(b.context));
    bench_asking(&b, gene);
    if (b.batch == 1)
        bench_learning(&b, gene);
    tleg_learngene_free(gene);
    tleg_context_free(b.context);
    free(b.images);
    free(b.noise);
    return 0;
}
