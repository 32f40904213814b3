/* Operations and bytes of every kernel against what the machine can do: one JSON object a line, for roofline.py to draw. Bytes
 * are those that must move at least: each input, weight and output once. One thread, medians.
 *
 *     bench/bench_roofline [level] >roofline.jsonl */
#include "base/peaks.h"
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 15, TOKENS = 197, WIDEST = 768 };
static const int32_t dims[] = {192, 768};

struct state { /* memory for the widest kernel, reused by all */
    const struct tleg_kernels *kernels;
    struct tleg_exec exec;
    float *x, *y, *z, *w, *v;
    int64_t dim;
    struct tleg_weight weight;
};

/* One kernel: its name, what it does at a dim, and what that costs. */
struct kernel {
    const char *name;
    void (*run)(struct state *state);
    double operations, bytes;
};

static void product_run(struct state *state) {
    tleg_gemm(&state->exec,
              &(struct tleg_gemm){.m = TOKENS,
                                  .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(state->x, state->weight.k)},
                                  .weight = &state->weight,
                                  .epilogue = {.bias = state->v},
                                  .out = tleg_target_f32(state->y, state->weight.n)});
}

static void attention_run(struct state *state) {
    tleg_attention(&state->exec, &(struct tleg_attention){.batch = 1,
                                                          .tokens = TOKENS,
                                                          .dim = state->dim,
                                                          .heads = state->dim / 64,
                                                          .qkv = tleg_view_f32(state->x, 3 * state->dim),
                                                          .out = tleg_target_f32(state->y, state->dim),
                                                          .dtype = TLEG_F32});
}

static void attention_backward_run(struct state *state) {
    tleg_k_attention_backward(&state->exec, &(struct tleg_attention_backward){.batch = 1,
                                                                              .tokens = TOKENS,
                                                                              .dim = state->dim,
                                                                              .heads = state->dim / 64,
                                                                              .qkv = state->x,
                                                                              .dout = state->z,
                                                                              .dqkv = state->y});
}

static void weight_backward_run(struct state *state) {
    int64_t n = 4 * state->dim, k = state->dim;
    tleg_weight_backward(&state->exec,
                         &(struct tleg_weight_backward){.m = TOKENS,
                                                        .n = n,
                                                        .k = k,
                                                        .dy = state->x,
                                                        .dy_stride = n,
                                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(state->z, k)},
                                                        .weight = tleg_gradient_one(state->w)});
}

static void input_backward_run(struct state *state) {
    tleg_input_backward(&state->exec,
                        &(struct tleg_input_backward){
                            .m = TOKENS, .n = 4 * state->dim, .k = state->dim, .dy = state->x, .w = state->w, .dx = state->y});
}

static void layernorm_run(struct state *state) {
    tleg_layernorm(state->kernels, TOKENS, state->dim, state->x, state->v, state->v, 1e-5F, state->y);
}

static void layernorm_backward_run(struct state *state) {
    tleg_k_layernorm_backward(&state->exec, &(struct tleg_layernorm_backward){.rows = TOKENS,
                                                                              .dim = state->dim,
                                                                              .x = state->x,
                                                                              .weight = state->v,
                                                                              .dy = state->z,
                                                                              .eps = 1e-5F,
                                                                              .dx = state->y});
}

static void gelu_run(struct state *state) {
    tleg_activate(state->kernels, TLEG_ACTIVATION_GELU, (size_t)(TOKENS * 4 * state->dim), state->x, state->y);
}

static void expand_run(struct state *state) {
    struct tleg_basis basis = bench_line(state->x, state->w, 0.25F);
    tleg_expand(state->kernels, &basis, 0, (size_t)(4 * state->dim * state->dim), TLEG_F32, state->y);
}

static void expand_half_run(struct state *state) {
    struct tleg_basis basis = bench_line(state->x, state->w, 0.25F);
    tleg_expand(state->kernels, &basis, 0, (size_t)(4 * state->dim * state->dim), TLEG_BF16, state->y);
}

static void report(struct state *state, const struct kernel *kernel) {
    double seconds[REPEATS];
    int rounds = 1;
    for (int i = -1; i < REPEATS; i++) {
        double start = measure_thread_seconds();
        for (int r = 0; r < rounds; r++)
            kernel->run(state);
        double spent = measure_thread_seconds() - start;
        if (i < 0) /* each sample takes some milliseconds */
            rounds = spent < 4e-3 ? (int)(4e-3 / (spent + 1e-7)) + 1 : 1;
        else
            seconds[i] = spent / rounds;
    }
    double t = measure_median(seconds, REPEATS);
    printf("{\"kernel\":\"%s\",\"dim\":%d,\"ms\":%.5f,\"gflops\":%.2f,\"gbytes_per_s\":%.2f,\"operations_per_byte\":%.3f}\n",
           kernel->name, (int)state->dim, 1e3 * t, 1e-9 * kernel->operations / t, 1e-9 * kernel->bytes / t,
           kernel->operations / kernel->bytes);
}

static void report_product(struct state *state, const char *name, int64_t n, int64_t k) {
    state->weight =
        (struct tleg_weight){.n = n, .k = k, .basis = tleg_basis_one(state->w), .stored = TLEG_F32, .rounded = TLEG_F32};
    double m = TOKENS;
    report(state, &(struct kernel){name, product_run, 2 * m * (double)(n * k), 4 * (m * (double)(n + k) + (double)(n * k))});
}

/* Operations of the element-wise kernels are the arithmetic of the formula, a function such as exp counted as one. */
static void report_all(struct state *state) {
    double m = TOKENS, d = (double)state->dim;
    report_product(state, "qkv", 3 * state->dim, state->dim);
    report_product(state, "proj", state->dim, state->dim);
    report_product(state, "fc1", 4 * state->dim, state->dim);
    report_product(state, "fc2", state->dim, 4 * state->dim);
    const struct kernel rest[] = {
        {"attention", attention_run, 4 * m * m * d, 4 * 4 * m * d},
        {"attention backward", attention_backward_run, 10 * m * m * d, 4 * 7 * m * d},
        {"fc1 weight gradient", weight_backward_run, 8 * m * d * d, 4 * (5 * m * d + 8 * d * d)},
        {"fc1 input gradient", input_backward_run, 8 * m * d * d, 4 * (5 * m * d + 4 * d * d)},
        {"LayerNorm", layernorm_run, 8 * m * d, 8 * m * d},
        {"LayerNorm backward", layernorm_backward_run, 16 * m * d, 12 * m * d},
        {"GELU", gelu_run, 4 * 4 * m * d, 4 * 8 * m * d},
        {"expansion", expand_run, 8 * d * d, 48 * d * d},
        {"expansion to bf16", expand_half_run, 8 * d * d, 40 * d * d},
    };
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        report(state, &rest[i]);
}

int main(int argc, char **argv) {
    int32_t level = bench_level(argc > 1 ? argv[1] : NULL);
    const struct tleg_kernels *kernels = level ? tleg_kernels_find(level, TLEG_GEMM_OWN) : NULL;
    if (!kernels) {
        fprintf(stderr, "no such level here\n");
        return 2;
    }
    struct state state = {.kernels = kernels};
    struct tleg_scratch need = tleg_attention_backward_scratch(kernels, TOKENS, WIDEST, WIDEST / 64);
    tleg_scratch_join(&need, tleg_attention_scratch(kernels, TLEG_F32, TOKENS, WIDEST, WIDEST / 64));
    tleg_scratch_join(&need, tleg_gemm_scratch(kernels, TLEG_F32, TOKENS, 4 * WIDEST, WIDEST));
    tleg_scratch_join(&need, tleg_gemm_scratch(kernels, TLEG_F32, TOKENS, WIDEST, 4 * WIDEST));
    tleg_scratch_join(&need, tleg_weight_backward_scratch(kernels, TLEG_F32, TOKENS, 4 * WIDEST, WIDEST));
    tleg_scratch_join(&need, tleg_input_backward_scratch(kernels, TOKENS, 4 * WIDEST, WIDEST));
    tleg_scratch_join(&need, tleg_layernorm_backward_scratch(kernels, TOKENS, WIDEST));
    state.exec = bench_exec(kernels, need);
    size_t most = (size_t)4 * WIDEST * (WIDEST + 32); /* a whole packed weight; more than TOKENS * 4 * WIDEST */
    state.x = bench_floats(most, 1);
    state.y = bench_floats(most, 0);
    state.z = bench_floats(most, 0.1);
    state.w = bench_floats(most, 0.02);
    state.v = bench_floats(4 * WIDEST, 0.02);
    printf("{\"level\":\"%s\",\"fma_gflops\":%.1f,\"copy_gbytes_per_s\":%.1f,\"threads\":1}\n", tleg_level_name(level),
           peak_gflops(level, TLEG_F32), peak_copy(level));
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        state.dim = dims[i];
        report_all(&state);
    }
    float *all[] = {state.x, state.y, state.z, state.w, state.v, (float *)state.exec.shared, (float *)state.exec.lane};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return 0;
}
