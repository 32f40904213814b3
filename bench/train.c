/* One optimiser step as training runs it, through the public interface: forward, backward and AdamW of the 32 px, patch 4, dim
 * 192, depth 6, batch 64 model. Prints one JSON object, as the PyTorch program beside it does (train_torch.py): the median of 7
 * steps after one, the share of the FMA peak (operations of a step: three times those of a forward pass's blocks), and the
 * memory that the trainer asks for.
 *
 *     bench/bench_train [threads] [recompute] [bf16]     recompute 1: keep each block's input alone */
#include "base/peaks.h"
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <tleg/tleg.h>
#include <tleg/train.h>

enum { STEPS = 7, BATCH = 64, IMAGE = 32, PATCH = 4, DIM = 192, HEADS = 3, DEPTH = 6, CLASSES = 10 };

static void check(tleg_status status, const char *text) {
    if (status) {
        fprintf(stderr, "bench_train: %s: %s\n", tleg_status_name(status), text);
        exit(1);
    }
}

/* Operations of a step: a block has 12 D^2 multiplications a token, and attention 2 N D. */
static double step_operations(void) {
    const double tokens = (double)(IMAGE / PATCH) * (IMAGE / PATCH);
    return 3 * 2 * BATCH * tokens * DEPTH * (12.0 * DIM * DIM + 2 * tokens * DIM);
}

/* In seconds of wall time: PyTorch's program measures that too. */
static double one_step(tleg_trainer *trainer, const tleg_train_batch *batch) {
    double start = measure_seconds();
    check(tleg_trainer_backward(trainer, batch, NULL), tleg_trainer_get_error(trainer));
    check(tleg_trainer_update(trainer, 1e-3), tleg_trainer_get_error(trainer));
    return measure_seconds() - start;
}

static void say(const tleg_context *context, const tleg_context_options *own, const tleg_trainer_options *options,
                double seconds, uint64_t bytes) {
    double gflops = step_operations() / seconds / 1e9;
    double share = gflops / own->workers / peak_gflops(tleg_context_get_level(context, NULL), TLEG_F32);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"peer\":\"tleg\",\"model\":\"cifar-train\",\"dtype\":\"%s\",\"batch\":%d,\"threads\":%d,\"ms\":%.2f,",
           options->dtype == TLEG_BF16 ? "bf16" : "f32", BATCH, (int)own->workers, 1e3 * seconds);
    printf("\"gflops\":%.1f,\"peak_share\":%.3f,\"trainer_bytes\":%llu,\"peak_bytes\":%lld}\n", gflops, share,
           (unsigned long long)bytes, (long long)usage.ru_maxrss * 1024);
}

int main(int argc, char **argv) {
    tleg_context *context;
    tleg_learngene *gene;
    tleg_trainer *trainer;
    const tleg_context_options own = {.struct_size = sizeof own, .workers = argc > 1 ? atoi(argv[1]) : 1};
    const tleg_config config = {
        .struct_size = sizeof config, .image_size = IMAGE, .patch_size = PATCH, .dim = DIM, .heads = HEADS, .classes = CLASSES};
    const tleg_trainer_options options = {.struct_size = sizeof options,
                                          .batch = BATCH,
                                          .depth_least = DEPTH,
                                          .checkpoint = argc > 2 ? atoi(argv[2]) : 0,
                                          .dtype = argc > 3 && !strcmp(argv[3], "bf16") ? TLEG_BF16 : TLEG_F32};
    static float images[BATCH * 3 * IMAGE * IMAGE];
    int64_t labels[BATCH];
    uint64_t bytes;
    check(tleg_context_create(&own, &context), "no context");
    check(tleg_learngene_create(context, &config, 1, &gene), tleg_context_get_error(context));
    check(tleg_trainer_get_memory(context, gene, &options, &bytes), tleg_context_get_error(context));
    check(tleg_trainer_create(context, gene, &options, &trainer), tleg_context_get_error(context));
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        images[i] = (float)rand() / (float)RAND_MAX - 0.5F;
    for (int i = 0; i < BATCH; i++)
        labels[i] = i % CLASSES;
    const tleg_train_batch batch = {.struct_size = sizeof batch, .size = BATCH, .images = images, .labels = labels};
    double seconds[STEPS];
    one_step(trainer, &batch);
    for (int i = 0; i < STEPS; i++)
        seconds[i] = one_step(trainer, &batch);
    say(context, &own, &options, measure_median(seconds, STEPS), bytes);
    tleg_trainer_free(trainer);
    tleg_learngene_free(gene);
    tleg_context_free(context);
    return 0;
}
