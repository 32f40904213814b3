/* Where the time of one Transformer block's backward goes: each operation as training runs it, one thread, medians, and the
 * share of the FMA peak that it reaches.
 *
 *     bench/bench_backward [level] [images] [tokens] [dim] */
#include "base/peaks.h"
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

enum { REPEATS = 15 };

struct block {
    struct tleg_exec exec;
    int64_t images, tokens, m, dim, heads;
    float *x, *wide, *hidden, *dy, *vectors, *w, *gradients;
};

/* One product of a block: y (m, n) = x (m, k) W^T. */
struct product {
    const char *name;
    int64_t n, k;
    enum tleg_rows_kind rows;
    bool through_gelu; /* the input's gradient goes on through GELU */
};

static double work_total, seconds_total, peak;

static void report(const char *name, const char *what, double work, double *seconds) {
    double t = measure_median(seconds, REPEATS);
    printf("%-10s %-8s %8.3f ms", name, what, 1e3 * t);
    if (work > 0)
        printf("   of peak %.3f", work / t / 1e9 / peak);
    printf("\n");
    work_total += work;
    seconds_total += t;
}

/* base += t, ilayer += c * t */
static struct tleg_gradient line(float *base, float *ilayer, float c) {
    return (struct tleg_gradient){.count = 2, .tensor = {base, ilayer}, .c = {1, c}};
}

static void measure_product(const struct block *b, const struct product *p) {
    struct tleg_gradient weight = line(b->gradients, b->gradients + p->n * p->k, 0.5F);
    struct tleg_gradient bias = line(b->vectors, b->vectors + 4 * b->dim, 0.5F);
    struct tleg_weight_backward weights = {.m = b->m,
                                           .n = p->n,
                                           .k = p->k,
                                           .dy = b->dy,
                                           .dy_stride = p->n,
                                           .rows = {.kind = p->rows,
                                                    .x = tleg_view_f32(b->hidden, p->k),
                                                    .norm_weight = b->w,
                                                    .norm_bias = b->w,
                                                    .eps = 1e-5F,
                                                    .activation = TLEG_ACTIVATION_GELU},
                                           .weight = weight,
                                           .bias = bias};
    struct tleg_input_backward inputs = {.m = b->m,
                                         .n = p->n,
                                         .k = p->k,
                                         .dy = b->dy,
                                         .w = b->w,
                                         .hidden = p->through_gelu ? b->hidden : NULL,
                                         .activation = TLEG_ACTIVATION_GELU,
                                         .dx = b->wide};
    double weight_seconds[REPEATS], input_seconds[REPEATS], work = 2.0 * (double)b->m * (double)p->n * (double)p->k;
    for (int i = -1; i < REPEATS; i++) {
        double start = measure_thread_seconds();
        tleg_weight_backward(&b->exec, &weights);
        double middle = measure_thread_seconds();
        tleg_input_backward(&b->exec, &inputs);
        double end = measure_thread_seconds();
        if (i >= 0) {
            weight_seconds[i] = middle - start;
            input_seconds[i] = end - middle;
        }
    }
    report(p->name, "weight", work, weight_seconds);
    report(p->name, "input", work, input_seconds);
}

static void measure_rest(const struct block *b) {
    struct tleg_layernorm_backward norm = {
        .rows = b->m,
        .dim = b->dim,
        .x = b->x,
        .weight = b->w,
        .dy = b->dy,
        .eps = 1e-5F,
        .add = true,
        .dx = b->wide,
        .dweight = tleg_gradient_one(b->vectors),
        .dbias = tleg_gradient_one(b->vectors + b->dim),
    };
    struct tleg_attention_backward attention = {
        .batch = b->images,
        .tokens = b->tokens,
        .dim = b->dim,
        .heads = b->heads,
        .qkv = b->hidden,
        .dout = b->dy,
        .dqkv = b->wide,
    };
    double norm_seconds[REPEATS], attention_seconds[REPEATS];
    for (int i = -1; i < REPEATS; i++) {
        double start = measure_thread_seconds();
        tleg_k_layernorm_backward(&b->exec, &norm);
        tleg_k_layernorm_backward(&b->exec, &norm);
        double middle = measure_thread_seconds();
        tleg_k_attention_backward(&b->exec, &attention);
        double end = measure_thread_seconds();
        if (i >= 0) {
            norm_seconds[i] = middle - start;
            attention_seconds[i] = end - middle;
        }
    }
    report("norms", "both", 0, norm_seconds);
    /* Five products; a forward has two of them, and twice that is what counts as a backward's work. */
    report("attention", "input", 8.0 * (double)b->m * (double)b->tokens * (double)b->dim, attention_seconds);
}

static struct block block_make(const struct tleg_kernels *kernels, int64_t images, int64_t tokens, int64_t dim) {
    struct block b = {.images = images, .tokens = tokens, .m = images * tokens, .dim = dim, .heads = dim / 64};
    b.x = bench_floats((size_t)(b.m * dim), 1);
    b.wide = bench_floats((size_t)(b.m * 4 * dim), 0);
    b.hidden = bench_floats((size_t)(b.m * 4 * dim), 1);
    b.dy = bench_floats((size_t)(b.m * 4 * dim), 0.01);
    b.w = bench_floats((size_t)(4 * dim * dim), 0.02);
    b.gradients = bench_floats((size_t)(8 * dim * dim), 0);
    b.vectors = bench_floats((size_t)(8 * dim), 0);
    struct tleg_scratch need = tleg_attention_backward_scratch(kernels, tokens, dim, b.heads);
    tleg_scratch_join(&need, tleg_layernorm_backward_scratch(kernels, b.m, dim));
    const int64_t shapes[][2] = {{4 * dim, dim}, {dim, 4 * dim}};
    for (int i = 0; i < 2; i++) {
        tleg_scratch_join(&need, tleg_weight_backward_scratch(kernels, TLEG_F32, b.m, shapes[i][0], shapes[i][1]));
        tleg_scratch_join(&need, tleg_input_backward_scratch(kernels, b.m, shapes[i][0], shapes[i][1]));
    }
    b.exec = bench_exec(kernels, need);
    return b;
}

int main(int argc, char **argv) {
    int32_t level = bench_level(argc > 1 ? argv[1] : NULL);
    int64_t images = argc > 2 ? atoi(argv[2]) : 64, tokens = argc > 3 ? atoi(argv[3]) : 64,
            dim = argc > 4 ? atoi(argv[4]) : 192;
    const struct tleg_kernels *kernels = tleg_kernels_find(level, TLEG_GEMM_OWN);
    if (!kernels || images < 1 || tokens < 1 || dim < 64 || dim % 64 != 0) {
        fprintf(stderr, "usage: bench_backward [level] [images] [tokens] [dim, a multiple of 64]\n");
        return 2;
    }
    double peaks[5];
    for (int i = 0; i < 5; i++)
        peaks[i] = peak_gflops(level, TLEG_F32);
    peak = measure_median(peaks, 5);
    printf("level %s, %d images of %d tokens, dim %d, one thread, peak %.0f GFLOP/s\n", tleg_level_name(level), (int)images,
           (int)tokens, (int)dim, peak);
    struct block b = block_make(kernels, images, tokens, dim);
    const struct product products[] = {{"fc2", dim, 4 * dim, TLEG_ROWS_ACTIVATION, true},
                                       {"fc1", 4 * dim, dim, TLEG_ROWS_LAYERNORM, false},
                                       {"proj", dim, dim, TLEG_ROWS_PLAIN, false},
                                       {"qkv", 3 * dim, dim, TLEG_ROWS_LAYERNORM, false}};
    for (int i = 0; i < 4; i++)
        measure_product(&b, &products[i]);
    measure_rest(&b);
    printf("%-19s %8.3f ms   of peak %.3f\n", "all", 1e3 * seconds_total, work_total / seconds_total / 1e9 / peak);
    float *all[] = {b.x, b.wide, b.hidden, b.dy, b.vectors, b.w, b.gradients, (float *)b.exec.shared, (float *)b.exec.lane};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return 0;
}
