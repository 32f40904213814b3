/* Where the time of one Transformer block goes: each operation as a session runs it, one thread, medians; the share of the
 * FMA peak that the block reaches; and the same with weights formed from base and ilayer as they are used.
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
    float *x, *wide, *mixed, *vectors;
    int layers;                              /* 1 when elastic: base and ilayer serve all */
    struct tleg_weight weights[LAYERS][OPS]; /* none for ATTENTION */
    struct tleg_exec exec;
};

static struct tleg_weight weight_make(const struct tleg_kernels *kernels, int64_t n, int64_t k, bool elastic) {
    size_t count = tleg_packed_count(kernels, TLEG_F32, n, k);
    return (struct tleg_weight){
        .n = n,
        .k = k,
        .basis = tleg_basis_line(bench_floats(count, 0.02), elastic ? bench_floats(count, 0.02) : NULL, 0.25F),
        .stored = TLEG_F32,
        .rounded = TLEG_F32};
}

static struct block block_make(const struct tleg_kernels *kernels, int64_t images, int64_t dim, bool elastic) {
    struct block b = {.m = images * TOKENS, .dim = dim, .heads = dim / 64, .images = images};
    b.x = bench_floats((size_t)(b.m * dim), 1);
    b.wide = bench_floats((size_t)(b.m * 4 * dim), 1);
    b.mixed = bench_floats((size_t)(b.m * dim), 1);
    b.vectors = bench_floats((size_t)(4 * dim), 0.02);
    b.layers = elastic ? 1 : LAYERS;
    for (int l = 0; l < b.layers; l++) {
        b.weights[l][QKV] = weight_make(kernels, 3 * dim, dim, elastic);
        b.weights[l][PROJ] = weight_make(kernels, dim, dim, elastic);
        b.weights[l][FC1] = weight_make(kernels, 4 * dim, dim, elastic);
        b.weights[l][FC2] = weight_make(kernels, dim, 4 * dim, elastic);
    }
    struct tleg_scratch need = tleg_attention_scratch(kernels, TLEG_F32, TOKENS, dim, b.heads);
    for (int i = 0; i < OPS; i++)
        if (i != ATTENTION)
            tleg_scratch_join(&need, tleg_gemm_scratch(kernels, TLEG_F32, b.m, b.weights[0][i].n, b.weights[0][i].k));
    b.exec = bench_exec(kernels, need);
    return b;
}

static void block_free(struct block *b) {
    for (int i = 0; i < OPS * b->layers; i++) {
        free((void *)(uintptr_t)b->weights[i / OPS][i % OPS].basis.tensor[0]);
        free((void *)(uintptr_t)b->weights[i / OPS][i % OPS].basis.tensor[1]);
    }
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

/* Milliseconds of a whole block. */
static double report(const struct tleg_kernels *kernels, int64_t images, int64_t dim, bool elastic) {
    struct block b = block_make(kernels, images, dim, elastic);
    double times[OPS][REPEATS], whole[REPEATS], peaks[REPEATS], work = 0;
    for (int r = -LAYERS; r < REPEATS; r++) {
        double seconds[OPS];
        run(&b, r + LAYERS, seconds);
        if (r < 0)
            continue;
        whole[r] = 0;
        for (int i = 0; i < OPS; i++)
            whole[r] += times[i][r] = seconds[i];
        peaks[r] = peak_gflops(tleg_kernels_level(kernels), TLEG_F32);
    }
    double peak = measure_median(peaks, REPEATS), all = measure_median(whole, REPEATS);
    for (int i = 0; i < OPS; i++)
        work += work_of(&b, i);
    printf("dim %4d %s  %8.3f ms  of peak %.3f  ", (int)dim, elastic ? "elastic     " : "materialised", 1e3 * all,
           work / all / 1e9 / peak);
    for (int i = 0; i < OPS; i++) {
        double t = measure_median(times[i], REPEATS);
        printf("  %s %.2f (%.0f %%)", names[i], work_of(&b, i) / t / 1e9 / peak, 100 * t / all);
    }
    printf("\n");
    block_free(&b);
    return all;
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
    for (int64_t dim = 192; dim <= 768; dim *= 2) {
        double whole = report(kernels, images, dim, false);
        double formed = report(kernels, images, dim, true);
        printf("          elastic / materialised %.3f\n", formed / whole);
    }
    return 0;
}
