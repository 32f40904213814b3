/* Our packed product, of f32 or of bf16, against cblas_sgemm on the shapes of Vision Transformers: one thread, in turn,
 * medians.
 *
 *     env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS=1 bench/bench_gemm [level [bf16]]
 *
 * Those two variables halve OpenBLAS; start without them. */
#include "base/peaks.h"
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if TLEG_HAVE_BLAS
#include <cblas.h>
#endif

enum { REPEATS = 31 };

struct operands {
    int64_t m, n, k;
    float *x, *w, *out;
    struct tleg_weight weight;
    struct tleg_exec exec;
};

static struct operands operands_make(const struct tleg_kernels *kernels, int32_t dtype, int64_t m, int64_t n, int64_t k) {
    struct operands o = {.m = m, .n = n, .k = k};
    o.x = bench_floats((size_t)(m * k), 1);
    o.w = bench_floats((size_t)(n * k), 0.02);
    o.out = bench_floats((size_t)(m * n), 0);
    size_t count = tleg_packed_count(kernels, dtype, n, k);
    float *packed = bench_floats(count, 0), *stored = bench_floats(count, 0);
    tleg_pack(kernels, dtype, n, k, o.w, packed);
    tleg_convert(kernels, packed, count, dtype, stored);
    free(packed);
    o.weight = (struct tleg_weight){.n = n, .k = k, .basis = tleg_basis_one(stored), .stored = dtype, .rounded = dtype};
    o.exec = bench_exec(kernels, tleg_gemm_scratch(kernels, dtype, m, n, k));
    return o;
}

static void operands_free(struct operands *o) {
    free(o->x);
    free(o->w);
    free(o->out);
    free((void *)(uintptr_t)o->weight.basis.tensor[0]);
    free(o->exec.shared);
    free(o->exec.lane);
}

static double ours(const struct operands *o) {
    struct tleg_gemm gemm = {.m = o->m,
                             .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(o->x, o->k)},
                             .weight = &o->weight,
                             .out = tleg_target_f32(o->out, o->n)};
    double start = measure_thread_seconds();
    tleg_gemm(&o->exec, &gemm);
    return measure_thread_seconds() - start;
}

static double theirs(const struct operands *o) {
    double start = measure_thread_seconds();
#if TLEG_HAVE_BLAS
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)o->m, (int)o->n, (int)o->k, 1, o->x, (int)o->k, o->w, (int)o->k,
                0, o->out, (int)o->n);
#endif
    return measure_thread_seconds() - start;
}

static void shape(const struct tleg_kernels *kernels, int32_t dtype, int64_t m, int64_t n, int64_t k) {
    struct operands o = operands_make(kernels, dtype, m, n, k);
    double own[REPEATS], blas[REPEATS], peak[5], work = 2e-9 * (double)m * (double)n * (double)k;
    ours(&o);
    theirs(&o);
    for (int i = 0; i < REPEATS; i++) {
        own[i] = ours(&o);
        blas[i] = theirs(&o);
    }
    for (int i = 0; i < 5; i++)
        peak[i] = peak_gflops(tleg_kernels_level(kernels), dtype);
    double a = work / measure_median(own, REPEATS), b = work / measure_median(blas, REPEATS), p = measure_median(peak, 5);
    printf("%5d %5d %5d  %8.1f  %6.2f", (int)m, (int)n, (int)k, a, a / p);
    if (TLEG_HAVE_BLAS)
        printf("  %8.1f  %6.2f", b, a / b);
    printf("\n");
    operands_free(&o);
}

int main(int argc, char **argv) {
    int32_t level = bench_level(argc > 1 ? argv[1] : NULL);
    int32_t dtype = argc > 2 && !strcmp(argv[2], "bf16") ? TLEG_BF16 : TLEG_F32;
    const struct tleg_kernels *kernels = tleg_kernels_find(level, TLEG_GEMM_OWN);
    if (!kernels) {
        fprintf(stderr, "no level %s on this machine\n", argc > 1 ? argv[1] : "");
        return 1;
    }
    printf("level %s, %s, one thread\n    m     n     k   GFLOP/s  of peak     cblas    ours/cblas\n", tleg_level_name(level),
           dtype == TLEG_BF16 ? "bf16" : "f32");
    const int64_t dims[] = {192, 384, 768}, rows[] = {196, 197, 8 * 197};
    for (int d = 0; d < 3; d++)
        for (int r = 0; r < 3; r++) {
            shape(kernels, dtype, rows[r], 3 * dims[d], dims[d]);
            shape(kernels, dtype, rows[r], dims[d], dims[d]);
            shape(kernels, dtype, rows[r], 4 * dims[d], dims[d]);
            shape(kernels, dtype, rows[r], dims[d], 4 * dims[d]);
        }
    return 0;
}
