/* Where the time of one Transformer block goes: each operation as a session runs it, one thread, medians; the share of the
 * FMA peak that the block reaches; and the same with weights formed from 2, 4 and 8 tensors as they are used. Each runs some
 * layers in a row, as a session does, and then the next, so that whatever else the machine does meets all alike.
 *
 *     bench/bench_block [level] [images] */
#include "base/peaks.h"
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

enum { QKV, ATTENTION, PROJ, FC1, FC2, OPS, REPEATS = 36, TOKENS = 197 };
enum { LAYERS = 6 }; /* whose weights are used in turn: no cache holds them all */
static const char *const names[OPS] = {"qkv", "attention", "proj", "fc1", "fc2"};

struct block {
    int64_t m, dim, heads, images;
    int32_t tensors; /* of each weight's basis: 1 when materialised */
    float *x, *wide, *mixed, *vectors;
    int layers;                              /* 1 when elastic: the same tensors serve all */
    struct tleg_weight weights[LAYERS][OPS]; /* none for ATTENTION */
    struct tleg_exec exec;
};

static struct tleg_weight weight_make(const struct tleg_kernels *kernels, int64_t n, int64_t k, int32_t tensors) {
    struct tleg_weight weight = {.n = n, .k = k, .basis = {.count = tensors}, .stored = TLEG_F32, .rounded = TLEG_F32};
    for (int32_t j = 0; j < tensors; j++) {
        weight.basis.tensor[j] = bench_floats(tleg_packed_count(kernels, TLEG_F32, n, k), 0.02);
        weight.basis.c[j] = 1.0F / (float)(1 << j);
    }
    return weight;
}

static struct block block_make(const struct tleg_kernels *kernels, int64_t images, int64_t dim, int32_t tensors) {
    struct block b = {.m = images * TOKENS, .dim = dim, .heads = dim / 64, .images = images, .tensors = tensors};
    b.x = bench_floats((size_t)(b.m * dim), 1);
    b.wide = bench_floats((size_t)(b.m * 4 * dim), 1);
    b.mixed = bench_floats((size_t)(b.m * dim), 1);
    b.vectors = bench_floats((size_t)(4 * dim), 0.02);
    b.layers = tensors > 1 ? 1 : LAYERS;
    for (int l = 0; l < b.layers; l++) {
        b.weights[l][QKV] = weight_make(kernels, 3 * dim, dim, tensors);
        b.weights[l][PROJ] = weight_make(kernels, dim, dim, tensors);
        b.weights[l][FC1] = weight_make(kernels, 4 * dim, dim, tensors);
        b.weights[l][FC2] = weight_make(kernels, dim, 4 * dim, tensors);
    }
    struct tleg_scratch need = tleg_attention_scratch(kernels, TLEG_F32, TOKENS, dim, b.heads);
    for (int i = 0; i < OPS; i++)
        if (i != ATTENTION)
            tleg_scratch_join(&need, tleg_gemm_scratch(kernels, TLEG_F32, b.m, b.weights[0][i].n, b.weights[0][i].k));
    b.exec = bench_exec(kernels, need);
    return b;
}

static void block_free(struct block *b) {
    for (int i = 0; i < OPS * b->layers; i++)
        for (int32_t j = 0; j < b->tensors; j++)
            free((void *)(uintptr_t)b->weights[i / OPS][i % OPS].basis.tensor[j]);
    float *all[] = {b->x, b->wide, b->mixed, b->vectors, (float *)b->exec.shared, (float *)b->exec.lane};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void multiply(struct block *b, int layer, int op, const float *x, float *out) {
    const struct tleg_weight *weight = &b->weights[layer % b->layers][op];
    bool normed = op == QKV || op == FC1;
    struct tleg_gemm gemm = {.m = b->m,
                             .rows = {.kind = normed ? TLEG_ROWS_LAYERNORM : TLEG_ROWS_PLAIN,
                                      .x = tleg_view_f32(x, weight->k),
                                      .norm_weight = b->vectors,
                                      .norm_bias = b->vectors,
                                      .eps = 1e-5F},
                             .weight = weight,
                             .epilogue = {.bias = b->vectors,
                                          .activation = op == FC1 ? TLEG_ACTIVATION_GELU : TLEG_ACTIVATION_NONE,
                                          .residual = normed ? NULL : out,
                                          .residual_stride = weight->n},
                             .out = tleg_target_f32(out, weight->n)};
    tleg_gemm(&b->exec, &gemm);
}

static void run(struct block *b, int layer, double seconds[OPS]) {
    struct tleg_attention attention = {.batch = b->images,
                                       .tokens = TOKENS,
                                       .dim = b->dim,
                                       .heads = b->heads,
                                       .qkv = tleg_view_f32(b->wide, 3 * b->dim),
                                       .out = tleg_target_f32(b->mixed, b->dim),
                                       .dtype = TLEG_F32};
    double at[OPS + 1];
    at[QKV] = measure_thread_seconds();
    multiply(b, layer, QKV, b->x, b->wide);
    at[ATTENTION] = measure_thread_seconds();
    tleg_attention(&b->exec, &attention);
    at[PROJ] = measure_thread_seconds();
    multiply(b, layer, PROJ, b->mixed, b->x);
    at[FC1] = measure_thread_seconds();
    multiply(b, layer, FC1, b->x, b->wide);
    at[FC2] = measure_thread_seconds();
    multiply(b, layer, FC2, b->wide, b->x);
    at[OPS] = measure_thread_seconds();
    for (int i = 0; i < OPS; i++)
        seconds[i] = at[i + 1] - at[i];
}

/* Multiplications and additions of an operation. */
static double work_of(const struct block *b, int op) {
    if (op == ATTENTION)
        return 4.0 * (double)b->m * TOKENS * (double)b->dim;
    return 2.0 * (double)b->m * (double)b->weights[0][op].n * (double)b->weights[0][op].k;
}

/* What was measured of a block: seconds of each operation and of all, and the peak at that time. */
struct timing {
    double op[OPS][REPEATS], whole[REPEATS], peak[REPEATS];
};

static void time_block(const struct tleg_kernels *kernels, struct block *b, int repeat, struct timing *timing) {
    double seconds[OPS];
    run(b, repeat + LAYERS, seconds); /* from -LAYERS on, to warm up */
    if (repeat < 0)
        return;
    timing->whole[repeat] = 0;
    for (int i = 0; i < OPS; i++)
        timing->whole[repeat] += timing->op[i][repeat] = seconds[i];
    timing->peak[repeat] = peak_gflops(tleg_kernels_level(kernels), TLEG_F32);
}

/* One line for a block; `times`, the median of its time over the materialised one's in the same turn. */
static void report(const struct block *b, struct timing *timing, double times) {
    double peak = measure_median(timing->peak, REPEATS), all = measure_median(timing->whole, REPEATS), work = 0;
    char kind[32] = "materialised";
    if (b->tensors > 1)
        snprintf(kind, sizeof kind, "elastic, %d", (int)b->tensors);
    for (int i = 0; i < OPS; i++)
        work += work_of(b, i);
    printf("dim %4d %-12s  %8.3f ms  x %.3f  of peak %.3f  ", (int)b->dim, kind, 1e3 * all, times, work / all / 1e9 / peak);
    for (int i = 0; i < OPS; i++) {
        double t = measure_median(timing->op[i], REPEATS);
        printf("  %s %.2f (%.0f %%)", names[i], work_of(b, i) / t / 1e9 / peak, 100 * t / all);
    }
    printf("\n");
}

static void compare(const struct tleg_kernels *kernels, int64_t images, int64_t dim) {
    static const int32_t tensors[] = {1, 2, 4, 8};
    enum { KINDS = sizeof tensors / sizeof *tensors };
    static struct timing timings[KINDS];
    struct block blocks[KINDS];
    for (int i = 0; i < KINDS; i++)
        blocks[i] = block_make(kernels, images, dim, tensors[i]);
    for (int pass = -LAYERS; pass < REPEATS; pass += LAYERS)
        for (int i = 0; i < KINDS; i++)
            for (int layer = 0; layer < LAYERS; layer++)
                time_block(kernels, &blocks[i], pass + layer, &timings[i]);
    double times[KINDS];
    for (int i = 0; i < KINDS; i++) {
        double ratios[REPEATS];
        for (int r = 0; r < REPEATS; r++)
            ratios[r] = timings[i].whole[r] / timings[0].whole[r];
        times[i] = measure_median(ratios, REPEATS);
    }
    for (int i = 0; i < KINDS; i++) {
        report(&blocks[i], &timings[i], times[i]);
        block_free(&blocks[i]);
    }
}

int main(int argc, char **argv) {
    int32_t level = bench_level(argc > 1 ? argv[1] : NULL);
    int64_t images = argc > 2 ? atoi(argv[2]) : 1;
    const struct tleg_kernels *kernels = tleg_kernels_find(level, TLEG_GEMM_OWN);
    if (!kernels || images < 1) {
        fprintf(stderr, "usage: bench_block [level] [images]\n");
        return 2;
    }
    printf("level %s, %d image(s) of %d tokens, one thread; in brackets the share of the time\n", tleg_level_name(level),
           (int)images, TOKENS);
    for (int64_t dim = 192; dim <= 768; dim *= 2)
        compare(kernels, images, dim);
    return 0;
}
