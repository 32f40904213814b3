/* Speed of the levels whose instructions valgrind does not know, beside fixed plain loops in the same run: chains of FMA on
 * registers, or a bare loop over the same memory. Each piece of work must reach its floor, about half of what was measured on a
 * quiet machine: whoever halves the speed of a kernel fails, and a busy machine does not.
 *
 *     tleg_speed_ratio [REASON]     REASON: why this build is not measured
 *
 * Exit 77: there is nothing to measure. */
#include "../bench/bench.h"
#include "base/peaks.h"
#include <tleg/tleg.h>
#include <tleg/train.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 197, DIM = 384, HEADS = 6, ROWS = 16, COUNT = 1 << 15 };
enum { IMAGE = 32, PATCH = 4, SMALL = 192, BATCH = 8, DEPTH = 2, CLASSES = 10 };
enum { LEAST = 5, MOST = 300 }; /* measurements of a piece of work; they end when the floor is reached */

struct work {
    const struct tleg_kernels *kernels;
    struct tleg_exec exec;
    struct tleg_weight weight, weight_bf16; /* (DIM, DIM) */
    float *x, *y;                           /* (TOKENS, 3 * DIM) each, normal numbers */
    tleg_trainer *trainer;
};

static void check(tleg_status status, const char *text) {
    if (status != TLEG_OK) {
        fprintf(stderr, "tleg_speed_ratio: %s: %s\n", tleg_status_name(status), text);
        exit(1);
    }
}

/* ---- what is measured: each returns its operations (expansion: bytes) ---- */

static double multiply(struct work *w, const struct tleg_weight *weight) {
    tleg_gemm(&w->exec, &(struct tleg_gemm){.m = TOKENS,
                                            .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(w->x, DIM)},
                                            .weight = weight,
                                            .out = tleg_target_f32(w->y, DIM)});
    return 2.0 * TOKENS * DIM * DIM;
}
static double product(struct work *w) {
    return multiply(w, &w->weight);
}
static double product_bf16(struct work *w) {
    return multiply(w, &w->weight_bf16);
}

static double attention(struct work *w) {
    tleg_attention(&w->exec, &(struct tleg_attention){.batch = 1,
                                                      .tokens = TOKENS,
                                                      .dim = DIM,
                                                      .heads = HEADS,
                                                      .qkv = tleg_view_f32(w->x, 3 * DIM),
                                                      .out = tleg_target_f32(w->y, DIM),
                                                      .dtype = TLEG_F32});
    return 4.0 * TOKENS * TOKENS * DIM;
}

/* Some ten operations a number: two sums, a difference, its square, and the line at the end. */
static double layernorm(struct work *w) {
    for (int i = 0; i < 20; i++)
        tleg_layernorm(w->kernels, ROWS, DIM, w->x, w->x, w->x + DIM, 1e-5F, w->y);
    return 20 * 10.0 * ROWS * DIM;
}

/* Some forty a number: an exponential, a polynomial, a division. */
static double gelu(struct work *w) {
    for (int i = 0; i < 20; i++)
        tleg_activate(w->kernels, TLEG_ACTIVATION_GELU, ROWS * DIM, w->x, w->y);
    return 20 * 40.0 * ROWS * DIM;
}

static double expand(struct work *w, int32_t dtype, int size) {
    struct tleg_basis basis = bench_line(w->x, w->x + COUNT, 0.25F);
    for (int i = 0; i < 20; i++)
        tleg_expand(w->kernels, &basis, 0, COUNT, dtype, w->y);
    return 20.0 * COUNT * (8 + size);
}
static double expand_f32(struct work *w) {
    return expand(w, TLEG_F32, 4);
}
static double expand_bf16(struct work *w) {
    return expand(w, TLEG_BF16, 2);
}

/* Forward, backward and AdamW of two blocks. */
static double training(struct work *w) {
    static float images[BATCH * 3 * IMAGE * IMAGE];
    static const int64_t labels[BATCH];
    const tleg_train_batch batch = {.struct_size = sizeof batch, .size = BATCH, .images = images, .labels = labels};
    const double tokens = (double)(IMAGE / PATCH) * (IMAGE / PATCH);
    images[0] = 1;
    check(tleg_trainer_backward(w->trainer, &batch, NULL), tleg_trainer_get_error(w->trainer));
    check(tleg_trainer_update(w->trainer, 1e-3), tleg_trainer_get_error(w->trainer));
    return 3 * 2 * BATCH * DEPTH * tokens * (12.0 * SMALL * SMALL + 2 * tokens * SMALL);
}

/* ---- what it is held against: operations, or bytes, a nanosecond ---- */

static double multiply_add(struct work *w) {
    return peak_gflops(tleg_kernels_level(w->kernels), TLEG_F32);
}

/* As many bytes as expand_f32, moved by the C library. */
static double copy(struct work *w) {
    double start = measure_thread_seconds();
    for (int i = 0; i < 30; i++) {
        memcpy(w->y, w->x, COUNT * sizeof(float));
        __asm__ volatile("" : : "r"(w->y) : "memory"); /* the copy is wanted each time */
    }
    return 30.0 * COUNT * 8 / (measure_thread_seconds() - start) / 1e9;
}

static const struct piece {
    const char *name;
    int32_t level; /* from this one on */
    double (*run)(struct work *work);
    double (*plain)(struct work *work);
    double floor;
} pieces[] = {
    {"product", TLEG_LEVEL_AVX512, product, multiply_add, 0.45},
    {"product-bf16", TLEG_LEVEL_AVX512BF16, product_bf16, multiply_add, 1},
    {"product-amx", TLEG_LEVEL_AMX, product_bf16, multiply_add, 2},
    {"attention", TLEG_LEVEL_AVX512, attention, multiply_add, 0.36},
    {"layernorm", TLEG_LEVEL_AVX512, layernorm, multiply_add, 0.18},
    {"gelu", TLEG_LEVEL_AVX512, gelu, multiply_add, 0.60},
    {"expansion", TLEG_LEVEL_AVX512, expand_f32, copy, 0.45},
    {"expansion-bf16", TLEG_LEVEL_AVX512, expand_bf16, copy, 0.38},
    {"training", TLEG_LEVEL_AVX512, training, multiply_add, 0.30},
};

/* The best of both sides, measured in turn until the floor is reached or patience ends. */
static double measure(const struct piece *piece, struct work *work) {
    double plain = 0, speed = 0;
    for (int i = 0; i < MOST && (i < LEAST || speed < piece->floor * plain); i++) {
        double found = piece->plain(work), start = measure_thread_seconds();
        double amount = piece->run(work);
        double reached = amount / (measure_thread_seconds() - start) / 1e9;
        plain = found > plain ? found : plain;
        speed = reached > speed ? reached : speed;
    }
    return speed / plain;
}

static void make_trainer(struct work *work, int32_t level) {
    const tleg_context_options own = {.struct_size = sizeof own, .level = level, .gemm = TLEG_GEMM_OWN, .workers = 1};
    const tleg_config config = {
        .struct_size = sizeof config, .image_size = IMAGE, .patch_size = PATCH, .dim = SMALL, .heads = 3, .classes = CLASSES};
    const tleg_trainer_options options = {.struct_size = sizeof options, .batch = BATCH, .depth_least = DEPTH};
    tleg_context *context;
    tleg_learngene *gene;
    check(tleg_context_create(&own, &context), "no context");
    check(tleg_learngene_create(context, &config, 1, &gene), tleg_context_get_error(context));
    check(tleg_trainer_create(context, gene, &options, &work->trainer), tleg_context_get_error(context));
    tleg_learngene_free(gene);
    tleg_context_free(context);
}

static struct tleg_weight weight_make(const struct tleg_kernels *kernels, int32_t dtype) {
    size_t count = tleg_packed_count(kernels, dtype, DIM, DIM);
    float *values = bench_floats(count, 0.02), *stored = bench_floats(count, 0);
    tleg_convert(kernels, values, count, dtype, stored); /* any order does: numbers do not matter */
    free(values);
    return (struct tleg_weight){.n = DIM, .k = DIM, .basis = tleg_basis_one(stored), .stored = dtype, .rounded = dtype};
}

static struct work work_make(int32_t level) {
    struct work w = {.kernels = tleg_kernels_find(level, TLEG_GEMM_OWN)};
    struct tleg_scratch need = tleg_attention_scratch(w.kernels, TLEG_F32, TOKENS, DIM, HEADS);
    tleg_scratch_join(&need, tleg_gemm_scratch(w.kernels, TLEG_F32, TOKENS, DIM, DIM));
    tleg_scratch_join(&need, tleg_gemm_scratch(w.kernels, TLEG_BF16, TOKENS, DIM, DIM));
    w.exec = bench_exec(w.kernels, need);
    w.x = bench_floats(TOKENS * 3 * DIM, 1);
    w.y = bench_floats(TOKENS * 3 * DIM, 1);
    w.weight = weight_make(w.kernels, TLEG_F32);
    w.weight_bf16 = weight_make(w.kernels, TLEG_BF16);
    make_trainer(&w, level);
    return w;
}

static void work_free(struct work *w) {
    tleg_trainer_free(w->trainer);
    free((void *)(uintptr_t)w->weight.basis.tensor[0]);
    free((void *)(uintptr_t)w->weight_bf16.basis.tensor[0]);
    free(w->x);
    free(w->y);
    free(w->exec.shared);
    free(w->exec.lane);
}

/* Whether all pieces of a level reach their floors. */
static bool level_is_fast(int32_t level) {
    struct work work = work_make(level);
    bool fast = true;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        const struct piece *piece = &pieces[i];
        if (piece->level > level)
            continue;
        double share = measure(piece, &work);
        bool good = share >= piece->floor;
        printf("%s %-10s %-14s %.3f of the plain loop, floor %.3f\n", good ? "ok  " : "SLOW", tleg_level_name(level),
               piece->name, share, piece->floor);
        fast = fast && good;
    }
    work_free(&work);
    return fast;
}

int main(int argc, char **argv) {
    if (argc > 1) {
        printf("SKIP speed_ratio: %s\n", argv[1]);
        return 77;
    }
    static const int32_t levels[] = {TLEG_LEVEL_AVX512, TLEG_LEVEL_AVX512BF16, TLEG_LEVEL_AMX};
    bool fast = true;
    int measured = 0;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (tleg_kernels_find(levels[i], TLEG_GEMM_OWN)) {
            fast = level_is_fast(levels[i]) && fast;
            measured++;
        } else {
            printf("SKIP speed_ratio at %s: this build or this machine lacks the level\n", tleg_level_name(levels[i]));
        }
    }
    return !fast ? 1 : measured ? 0 : 77;
}
