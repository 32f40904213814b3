/* Every kernel level that this machine has, against plain loops in double. */
#include "kernels/table.h"
#include "support/sgemm.h"
#include "tensor/tensor.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LANES = 3, TABLES = 16 };

static const struct tleg_kernels *tables[TABLES];
static int table_count;
static struct tleg_team *team;
static struct tleg_random numbers;

/* Numbers of the sizes that a network holds, a few of them large. */
static float *floats(size_t count) {
    float *x = aligned_alloc(TLEG_ALIGN, tleg_size_align((count ? count : 1) * sizeof *x));
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)tleg_random_normal(&numbers, 4);
    return x;
}

static struct tleg_exec exec_make(const struct tleg_kernels *kernels, struct tleg_scratch need, int32_t lanes) {
    struct tleg_exec exec = {
        .kernels = kernels, .blas = {.sgemm = support_sgemm}, .team = team, .lanes = lanes, .lane_bytes = need.lane};
    exec.shared = need.shared ? aligned_alloc(TLEG_ALIGN, need.shared) : NULL;
    exec.lane = need.lane ? aligned_alloc(TLEG_ALIGN, need.lane * (size_t)lanes) : NULL;
    if (exec.shared) /* what is read before it is written must not pass unseen */
        memset(exec.shared, 0xFF, need.shared);
    if (exec.lane)
        memset(exec.lane, 0xFF, need.lane * (size_t)lanes);
    return exec;
}

static void exec_free(struct tleg_exec *exec) {
    free(exec->shared);
    free(exec->lane);
}

static double gelu_of(double x) {
    return x * 0.5 * erfc(-x / sqrt(2));
}

static void assert_near(const float *got, const double *want, size_t count, double tolerance, const char *what) {
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - want[i]) <= tolerance * (1 + fabs(want[i]))))
            fail_msg("%s: element %zu is %.9g, expected %.9g", what, i, (double)got[i], want[i]);
}

static void assert_same_bits(const void *a, const void *b, size_t bytes, const char *what) {
    if (memcmp(a, b, bytes) != 0)
        fail_msg("%s: bits differ", what);
}

/* ---- products ---- */

struct shape {
    int64_t m, n, k;
};

static struct shape shape_any(void) {
    return (struct shape){1 + (int64_t)(tleg_random_next(&numbers) % 40), 1 + (int64_t)(tleg_random_next(&numbers) % 70),
                          1 + (int64_t)(tleg_random_next(&numbers) % 50)};
}

static void multiply(const struct tleg_kernels *kernels, const struct tleg_gemm *gemm, int32_t lanes) {
    struct tleg_exec exec =
        exec_make(kernels, tleg_gemm_scratch(kernels, gemm->weight->rounded, gemm->m, gemm->weight->n, gemm->weight->k), lanes);
    tleg_gemm(&exec, gemm);
    exec_free(&exec);
}

static float *packed_as(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *w) {
    float *packed = floats(tleg_packed_count(kernels, rounded, n, k));
    tleg_pack(kernels, rounded, n, k, w, packed);
    return packed;
}

static float *packed_of(const struct tleg_kernels *kernels, int64_t n, int64_t k, const float *w) {
    return packed_as(kernels, TLEG_F32, n, k, w);
}

/* residual + act(x w^T + bias) in double; x (m, k) dense. */
static double *product_of(struct shape s, const float *x, const float *w, const float *bias, bool gelu, const float *residual) {
    double *out = malloc((size_t)(s.m * s.n) * sizeof *out);
    for (int64_t r = 0; r < s.m; r++)
        for (int64_t j = 0; j < s.n; j++) {
            double sum = bias ? (double)bias[j] : 0;
            for (int64_t i = 0; i < s.k; i++)
                sum += (double)x[r * s.k + i] * (double)w[j * s.k + i];
            sum = gelu ? gelu_of(sum) : sum;
            out[r * s.n + j] = residual ? (double)residual[r * s.n + j] + sum : sum;
        }
    return out;
}

static void check_product(const struct tleg_kernels *kernels, struct shape s, int epilogue) {
    float *x = floats((size_t)(s.m * s.k)), *w = floats((size_t)(s.n * s.k)), *bias = floats((size_t)s.n);
    float *residual = floats((size_t)(s.m * s.n)), *out = floats((size_t)(s.m * s.n));
    float *packed = packed_of(kernels, s.n, s.k, w);
    struct tleg_weight weight = {.n = s.n, .k = s.k, .basis = tleg_basis_one(packed), .stored = TLEG_F32, .rounded = TLEG_F32};
    struct tleg_gemm gemm = {.m = s.m,
                             .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(x, s.k)},
                             .weight = &weight,
                             .epilogue = {.bias = epilogue & 1 ? bias : NULL,
                                          .activation = epilogue & 2 ? TLEG_ACTIVATION_GELU : TLEG_ACTIVATION_NONE,
                                          .residual = epilogue & 4 ? residual : NULL,
                                          .residual_stride = s.n},
                             .out = tleg_target_f32(out, s.n)};
    double *want = product_of(s, x, w, gemm.epilogue.bias, epilogue & 2, gemm.epilogue.residual);
    multiply(kernels, &gemm, 1);
    assert_near(out, want, (size_t)(s.m * s.n), 3e-6 * sqrt((double)s.k), "product");
    if (epilogue & 4) { /* added in place */
        gemm.out.data = residual;
        multiply(kernels, &gemm, 1);
        assert_same_bits(residual, out, (size_t)(s.m * s.n) * sizeof *out, "residual in place");
    }
    free(want);
    float *all[] = {x, w, bias, residual, out, packed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void products_are_right_at_odd_sizes(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        for (int64_t m = 1; m <= 40; m++)
            check_product(tables[t], (struct shape){m, 33, 17}, (int)(m % 8));
        for (int64_t n = 1; n <= 70; n++)
            check_product(tables[t], (struct shape){15, n, 9}, (int)(n % 8));
        for (int64_t k = 1; k <= 50; k++)
            check_product(tables[t], (struct shape){7, 19, k}, (int)(k % 8));
        for (int i = 0; i < 60; i++)
            check_product(tables[t], shape_any(), i % 8);
        check_product(tables[t], (struct shape){197, 192, 768}, 5);
    }
}

static void products_write_inside_their_columns_only(void **state) {
    (void)state;
    enum { M = 5, N = 21, K = 11, STRIDE = 30 };
    for (int t = 0; t < table_count; t++) {
        float *x = floats(M * K), *w = floats(N * K), *out = floats(M * STRIDE), *before = floats(M * STRIDE);
        memcpy(before, out, M * STRIDE * sizeof *out);
        float *packed = packed_of(tables[t], N, K, w);
        struct tleg_weight weight = {.n = N, .k = K, .basis = tleg_basis_one(packed), .stored = TLEG_F32, .rounded = TLEG_F32};
        struct tleg_gemm gemm = {
            .m = M, .rows = {.x = tleg_view_f32(x, K)}, .weight = &weight, .out = tleg_target_f32(out, STRIDE)};
        multiply(tables[t], &gemm, 2);
        for (int r = 0; r < M; r++)
            assert_same_bits(out + r * STRIDE + N, before + r * STRIDE + N, (STRIDE - N) * sizeof *out, "behind a row");
        float *all[] = {x, w, out, before, packed};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
    }
}

static void packing_is_a_permutation_with_zeros_behind(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int i = 0; i < 40; i++) {
            struct shape s = shape_any();
            int32_t rounded = i % 2 ? TLEG_BF16 : TLEG_F32;
            size_t count = (size_t)(s.n * s.k), padded = tleg_packed_count(tables[t], rounded, s.n, s.k);
            float *w = floats(count), *back = floats(count), *packed = packed_as(tables[t], rounded, s.n, s.k, w);
            tleg_unpack(tables[t], rounded, s.n, s.k, packed, back);
            assert_same_bits(w, back, count * sizeof *w, "unpacked");
            size_t zeros = 0;
            for (size_t j = 0; j < padded; j++)
                zeros += packed[j] == 0;
            assert_int_equal(zeros, padded - count);
            free(w);
            free(back);
            free(packed);
        }
}

/* One product with everything in it; out (m, n). */
static void full_product(const struct tleg_kernels *kernels, struct shape s, const float *x, const struct tleg_weight *weight,
                         const float *vectors, int32_t lanes, float *out) {
    struct tleg_gemm gemm = {.m = s.m,
                             .rows = {.kind = TLEG_ROWS_LAYERNORM,
                                      .x = tleg_view_f32(x, s.k),
                                      .norm_weight = vectors,
                                      .norm_bias = vectors + s.k,
                                      .eps = 1e-5F},
                             .weight = weight,
                             .epilogue = {.bias = vectors + 2 * s.k, .activation = TLEG_ACTIVATION_GELU},
                             .out = tleg_target_f32(out, s.n)};
    multiply(kernels, &gemm, lanes);
}

static void bits_do_not_depend_on_lanes_or_on_the_other_rows(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int i = 0; i < 24; i++) {
            struct shape s = shape_any();
            if (i == 0)
                s = (struct shape){197, 96, 192};
            if (i == 1) /* more packed rows than one span */
                s = (struct shape){1400, 5, 800};
            size_t bytes = (size_t)(s.m * s.n) * sizeof(float);
            float *x = floats((size_t)(s.m * s.k)), *w = floats((size_t)(s.n * s.k));
            float *vectors = floats((size_t)(2 * s.k + s.n)), *one = floats((size_t)(s.m * s.n)),
                  *other = floats((size_t)(s.m * s.n));
            float *packed = packed_of(tables[t], s.n, s.k, w);
            struct tleg_weight weight = {
                .n = s.n, .k = s.k, .basis = tleg_basis_one(packed), .stored = TLEG_F32, .rounded = TLEG_F32};
            full_product(tables[t], s, x, &weight, vectors, 1, one);
            for (int32_t lanes = 2; lanes <= LANES; lanes++) {
                full_product(tables[t], s, x, &weight, vectors, lanes, other);
                assert_same_bits(one, other, bytes, "lanes");
            }
            /* A BLAS may sum in another order for another number of rows; our kernels may not. */
            if (tables[t] == tleg_kernels_find(tleg_kernels_level(tables[t]), TLEG_GEMM_OWN)) {
                int64_t cut = (int64_t)(tleg_random_next(&numbers) % (uint64_t)s.m);
                struct shape head = {cut, s.n, s.k}, tail = {s.m - cut, s.n, s.k};
                memset(other, 0, bytes);
                full_product(tables[t], head, x, &weight, vectors, 2, other);
                full_product(tables[t], tail, x + cut * s.k, &weight, vectors, 1, other + cut * s.n);
                assert_same_bits(one, other, bytes, "rows in two parts");
            }
            float *all[] = {x, w, vectors, one, other, packed};
            for (size_t j = 0; j < sizeof all / sizeof *all; j++)
                free(all[j]);
        }
}

/* A batch of images whose norms and whose factors of the output's columns are their own, as each image alone. */
static void check_images(const struct tleg_kernels *kernels, struct shape s, int64_t images, bool norm, int32_t lanes) {
    int64_t m = images * s.m;
    float *x = floats((size_t)(m * s.k)), *w = floats((size_t)(s.n * s.k)), *bias = floats((size_t)s.n);
    float *norms = floats((size_t)(images * (2 * s.k + 3))), *factors = floats((size_t)(images * (s.n + 5)));
    float *residual = floats((size_t)(m * s.n)), *all = floats((size_t)(m * s.n)), *alone = floats((size_t)(m * s.n));
    float *packed = packed_of(kernels, s.n, s.k, w);
    struct tleg_weight weight = {.n = s.n, .k = s.k, .basis = tleg_basis_one(packed), .stored = TLEG_F32, .rounded = TLEG_F32};
    struct tleg_gemm gemm = {.m = m,
                             .rows = {.kind = norm ? TLEG_ROWS_LAYERNORM : TLEG_ROWS_PLAIN,
                                      .x = tleg_view_f32(x, s.k),
                                      .image_rows = s.m,
                                      .norm_weight = norms,
                                      .norm_bias = norms + s.k,
                                      .norm_stride = 2 * s.k + 3,
                                      .eps = 1e-5F},
                             .weight = &weight,
                             .epilogue = {.bias = bias,
                                          .activation = s.n % 2 ? TLEG_ACTIVATION_GELU : TLEG_ACTIVATION_NONE,
                                          .column_scale = factors,
                                          .column_scale_stride = s.n + 5,
                                          .residual = residual,
                                          .residual_stride = s.n},
                             .out = tleg_target_f32(all, s.n)};
    multiply(kernels, &gemm, lanes);
    gemm.m = s.m;
    gemm.rows.norm_stride = gemm.epilogue.column_scale_stride = 0;
    for (int64_t image = 0; image < images; image++) {
        gemm.rows.x.data = x + image * s.m * s.k;
        gemm.rows.norm_weight = norms + image * (2 * s.k + 3);
        gemm.rows.norm_bias = gemm.rows.norm_weight + s.k;
        gemm.epilogue.column_scale = factors + image * (s.n + 5);
        gemm.epilogue.residual = residual + image * s.m * s.n;
        gemm.out.data = alone + image * s.m * s.n;
        multiply(kernels, &gemm, 1);
    }
    assert_same_bits(all, alone, (size_t)(m * s.n) * sizeof *all, "images with norms and factors of their own");
    float *memory[] = {x, w, bias, norms, factors, residual, all, alone, packed};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        free(memory[i]);
}

static void images_may_differ_in_norms_and_factors(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int i = 0; i < 20; i++)
            check_images(tables[t], (struct shape){1 + i, 1 + (int64_t)(i * 7) % 40, 3 + i}, 1 + i % 5, i % 3 != 0,
                         1 + i % LANES);
}

/* residual + factor of the column * act(x w^T + bias), against plain loops. */
static void factors_multiply_columns_before_the_residual(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int i = 0; i < 40; i++) {
            struct shape s = shape_any();
            float *x = floats((size_t)(s.m * s.k)), *w = floats((size_t)(s.n * s.k)), *vectors = floats((size_t)(2 * s.n));
            float *residual = floats((size_t)(s.m * s.n)), *out = floats((size_t)(s.m * s.n));
            float *packed = packed_of(tables[t], s.n, s.k, w);
            struct tleg_weight weight = {
                .n = s.n, .k = s.k, .basis = tleg_basis_one(packed), .stored = TLEG_F32, .rounded = TLEG_F32};
            struct tleg_gemm gemm = {.m = s.m,
                                     .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(x, s.k)},
                                     .weight = &weight,
                                     .epilogue = {.bias = vectors,
                                                  .activation = i & 1 ? TLEG_ACTIVATION_GELU : TLEG_ACTIVATION_NONE,
                                                  .column_scale = vectors + s.n,
                                                  .residual = i & 2 ? residual : NULL,
                                                  .residual_stride = s.n},
                                     .out = tleg_target_f32(out, s.n)};
            double *want = product_of(s, x, w, vectors, i & 1, NULL);
            for (int64_t e = 0; e < s.m * s.n; e++)
                want[e] = want[e] * (double)vectors[s.n + e % s.n] + (i & 2 ? (double)residual[e] : 0);
            multiply(tables[t], &gemm, 1 + i % LANES);
            assert_near(out, want, (size_t)(s.m * s.n), 3e-6 * sqrt((double)s.k), "factors of columns");
            free(want);
            float *memory[] = {x, w, vectors, residual, out, packed};
            for (size_t j = 0; j < sizeof memory / sizeof *memory; j++)
                free(memory[j]);
        }
}

/* As many tensors as the i-th basis, say, has. */
static int32_t terms_of(int i) {
    static const int32_t terms[] = {2, 1, 3, 4, 16};
    return terms[i % 5];
}

static void formed_panels_equal_materialised_ones(void **state) {
    (void)state;
    const int32_t types[] = {TLEG_F32, TLEG_F16, TLEG_BF16};
    for (int t = 0; t < table_count; t++)
        for (int i = 0; i < 24; i++) {
            struct shape s = shape_any();
            int32_t type = types[i % 3];
            size_t count = tleg_packed_count(tables[t], type, s.n, s.k), bytes = (size_t)(s.m * s.n) * sizeof(float);
            float *x = floats((size_t)(s.m * s.k)), *w = floats((size_t)(s.n * s.k)), *v = floats((size_t)(s.n * s.k));
            float *base = packed_as(tables[t], type, s.n, s.k, w), *other = packed_as(tables[t], type, s.n, s.k, v);
            float *vectors = floats((size_t)(2 * s.k + s.n)), *formed = floats((size_t)(s.m * s.n)),
                  *whole = floats((size_t)(s.m * s.n));
            char *stored = aligned_alloc(TLEG_ALIGN, tleg_size_align(count * tleg_dtype_size(type)));
            struct tleg_basis basis = {.count = terms_of(i)};
            for (int32_t j = 0; j < basis.count; j++) {
                basis.tensor[j] = j % 2 ? other : base;
                basis.c[j] = j == 0 ? 1 : 2.0F / 3 / (float)j;
            }
            tleg_expand(tables[t], &basis, 0, count, type, stored);
            struct tleg_weight elastic = {.n = s.n, .k = s.k, .basis = basis, .stored = TLEG_F32, .rounded = type};
            struct tleg_weight materialised = {
                .n = s.n, .k = s.k, .basis = tleg_basis_one(stored), .stored = type, .rounded = type};
            full_product(tables[t], s, x, &elastic, vectors, 1 + i % LANES, formed);
            full_product(tables[t], s, x, &materialised, vectors, 1 + (i + 1) % LANES, whole);
            assert_same_bits(formed, whole, bytes, "elastic and materialised");
            /* Weights as learned, rounded as they are used. */
            elastic.basis = tleg_basis_one(base);
            tleg_convert(tables[t], base, count, type, stored);
            full_product(tables[t], s, x, &elastic, vectors, 1, formed);
            full_product(tables[t], s, x, &materialised, vectors, 1, whole);
            assert_same_bits(formed, whole, bytes, "rounded as used and as stored");
            float *all[] = {x, w, v, base, other, vectors, formed, whole, (float *)stored};
            for (size_t j = 0; j < sizeof all / sizeof *all; j++)
                free(all[j]);
        }
}

static void patches_are_read_as_a_convolution_reads_them(void **state) {
    (void)state;
    enum { HIGH = 15, WIDE = 28, TALL = 5, BROAD = 4, COLUMNS = WIDE / BROAD, M = HIGH / TALL * COLUMNS };
    enum { K = 3 * TALL * BROAD, N = 13 };
    struct shape s = {M, N, K};
    for (int t = 0; t < table_count; t++) {
        float *image = floats(3 * HIGH * WIDE), *w = floats(N * K), *out = floats(M * N), *rows = floats(M * K);
        for (int r = 0; r < M; r++)
            for (int i = 0; i < K; i++) {
                int channel = i / (TALL * BROAD), y = r / COLUMNS * TALL + i / BROAD % TALL,
                    x = r % COLUMNS * BROAD + i % BROAD;
                rows[r * K + i] = image[(channel * HIGH + y) * WIDE + x];
            }
        float *packed = packed_of(tables[t], N, K, w);
        struct tleg_weight weight = {.n = N, .k = K, .basis = tleg_basis_one(packed), .stored = TLEG_F32, .rounded = TLEG_F32};
        struct tleg_gemm gemm = {
            .m = M,
            .rows = {.kind = TLEG_ROWS_PATCHES, .x = tleg_view_f32(image, 0), .image = {HIGH, WIDE}, .patch = {TALL, BROAD}},
            .weight = &weight,
            .out = tleg_target_f32(out, N)};
        multiply(tables[t], &gemm, 2);
        double *want = product_of(s, rows, w, NULL, false, NULL);
        assert_near(out, want, M * N, 2e-5, "patches");
        free(want);
        float *all[] = {image, w, out, rows, packed};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            free(all[j]);
    }
}

static void rows_pass_through_gelu(void **state) {
    (void)state;
    const struct shape s = {17, 21, 19};
    for (int t = 0; t < table_count; t++) {
        float *x = floats(17 * 19), *through = floats(17 * 19), *w = floats(21 * 19), *out = floats(17 * 21),
              *want = floats(17 * 21);
        float *packed = packed_of(tables[t], s.n, s.k, w);
        struct tleg_weight weight = {
            .n = s.n, .k = s.k, .basis = tleg_basis_one(packed), .stored = TLEG_F32, .rounded = TLEG_F32};
        struct tleg_gemm gemm = {
            .m = s.m,
            .rows = {.kind = TLEG_ROWS_ACTIVATION, .activation = TLEG_ACTIVATION_GELU, .x = tleg_view_f32(x, s.k)},
            .weight = &weight,
            .out = tleg_target_f32(out, s.n)};
        multiply(tables[t], &gemm, 2);
        tleg_activate(tables[t], TLEG_ACTIVATION_GELU, 17 * 19, x, through);
        gemm.rows = (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(through, s.k)};
        gemm.out.data = want;
        multiply(tables[t], &gemm, 1);
        assert_same_bits(out, want, 17 * 21 * sizeof *out, "rows through GELU");
        float *all[] = {x, through, w, out, want, packed};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            free(all[j]);
    }
}

/* ---- attention ---- */

static double *attention_of(int64_t batch, int64_t tokens, int64_t dim, int64_t heads, const float *qkv) {
    double *out = calloc((size_t)(batch * tokens * dim), sizeof *out), *p = malloc((size_t)tokens * sizeof *p);
    int64_t width = dim / heads;
    for (int64_t row = 0; row < batch * tokens * heads; row++) {
        int64_t head = row % heads, i = row / heads, first = i / tokens * tokens;
        const float *q = qkv + i * 3 * dim + head * width;
        double sum = 0, most = -HUGE_VAL;
        for (int64_t j = 0; j < tokens; j++) {
            const float *key = qkv + (first + j) * 3 * dim + dim + head * width;
            p[j] = 0;
            for (int64_t d = 0; d < width; d++)
                p[j] += (double)q[d] * (double)key[d] / sqrt((double)width);
            most = p[j] > most ? p[j] : most;
        }
        for (int64_t j = 0; j < tokens; j++)
            sum += p[j] = exp(p[j] - most);
        for (int64_t j = 0; j < tokens; j++)
            for (int64_t d = 0; d < width; d++)
                out[i * dim + head * width + d] += p[j] / sum * (double)qkv[(first + j) * 3 * dim + 2 * dim + head * width + d];
    }
    free(p);
    return out;
}

static void attend(const struct tleg_kernels *kernels, const struct tleg_attention *attention, int32_t lanes) {
    struct tleg_exec exec = exec_make(
        kernels, tleg_attention_scratch(kernels, attention->dtype, attention->tokens, attention->dim, attention->heads), lanes);
    tleg_attention(&exec, attention);
    exec_free(&exec);
}

static void attention_is_right_and_its_bits_depend_on_no_lane_or_batch(void **state) {
    (void)state;
    const int64_t widths[] = {1, 3, 8, 24, 33, 64}, lengths[] = {1, 2, 5, 16, 30, 65, 197};
    for (int t = 0; t < table_count; t++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
            for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
                int64_t batch = 2, heads = 1 + (int64_t)(w % 3), tokens = lengths[l], dim = heads * widths[w];
                size_t count = (size_t)(batch * tokens * dim), bytes = count * sizeof(float);
                float *qkv = floats(3 * count), *out = floats(count), *other = floats(count);
                double *want = attention_of(batch, tokens, dim, heads, qkv);
                struct tleg_attention attention = {.batch = batch,
                                                   .tokens = tokens,
                                                   .dim = dim,
                                                   .heads = heads,
                                                   .qkv = tleg_view_f32(qkv, 3 * dim),
                                                   .out = tleg_target_f32(out, dim),
                                                   .dtype = TLEG_F32};
                attend(tables[t], &attention, 1);
                assert_near(out, want, count, 1e-5, "attention");
                attention.out.data = other;
                for (int32_t lanes = 2; lanes <= LANES; lanes++) {
                    memset(other, 0, bytes);
                    attend(tables[t], &attention, lanes);
                    assert_same_bits(out, other, bytes, "attention at several lanes");
                }
                attention.batch = 1;
                attention.qkv.data = qkv + 3 * tokens * dim;
                attend(tables[t], &attention, 3);
                assert_same_bits(out + tokens * dim, other, bytes / 2, "attention of one image alone");
                free(want);
                free(qkv);
                free(out);
                free(other);
            }
}

static void a_nan_stays_where_it_is(void **state) {
    (void)state;
    enum { TOKENS = 21, DIM = 24, HEADS = 3, BAD = 17, N = 37 };
    for (int t = 0; t < table_count; t++) {
        float *qkv = floats(2 * TOKENS * 3 * DIM), *out = floats(2 * TOKENS * DIM);
        qkv[BAD * 3 * DIM + 9] = NAN; /* a query of the second head of the first image */
        struct tleg_attention attention = {.batch = 2,
                                           .tokens = TOKENS,
                                           .dim = DIM,
                                           .heads = HEADS,
                                           .qkv = tleg_view_f32(qkv, 3 * DIM),
                                           .out = tleg_target_f32(out, DIM),
                                           .dtype = TLEG_F32};
        attend(tables[t], &attention, 1);
        for (int i = 0; i < 2 * TOKENS * DIM; i++)
            assert_int_equal(isnan(out[i]), i / DIM == BAD && i % DIM / 8 == 1);

        float *x = floats(TOKENS * DIM), *w = floats(N * DIM), *vectors = floats(2 * DIM + N), *y = floats(TOKENS * N);
        x[BAD * DIM + 3] = NAN;
        float *packed = packed_of(tables[t], N, DIM, w);
        struct tleg_weight weight = {
            .n = N, .k = DIM, .basis = tleg_basis_one(packed), .stored = TLEG_F32, .rounded = TLEG_F32};
        full_product(tables[t], (struct shape){TOKENS, N, DIM}, x, &weight, vectors, 1, y);
        for (int i = 0; i < TOKENS * N; i++)
            assert_int_equal(isnan(y[i]), i / N == BAD);
        float *all[] = {qkv, out, x, w, vectors, y, packed};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            free(all[j]);
    }
}

static void attention_survives_large_scores(void **state) {
    (void)state;
    enum { TOKENS = 19, DIM = 8 };
    for (int t = 0; t < table_count; t++) {
        float *qkv = floats(TOKENS * 3 * DIM), *out = floats(TOKENS * DIM);
        for (int i = 0; i < TOKENS * 3 * DIM; i++)
            qkv[i] *= i / DIM % 3 == 2 ? 1.0F : 30.0F; /* scores of thousands: most weights are 0 */
        double *want = attention_of(1, TOKENS, DIM, 1, qkv);
        struct tleg_attention attention = {.batch = 1,
                                           .tokens = TOKENS,
                                           .dim = DIM,
                                           .heads = 1,
                                           .qkv = tleg_view_f32(qkv, 3 * DIM),
                                           .out = tleg_target_f32(out, DIM),
                                           .dtype = TLEG_F32};
        attend(tables[t], &attention, 1);
        assert_near(out, want, TOKENS * DIM, 1e-3, "attention with large scores");
        free(want);
        free(qkv);
        free(out);
    }
}

/* ---- row-wise and element-wise ---- */

static void layernorm_is_right(void **state) {
    (void)state;
    enum { ROWS = 3 };
    for (int t = 0; t < table_count; t++)
        for (int64_t dim = 1; dim <= 200; dim += dim < 70 ? 1 : 13) {
            float *x = floats((size_t)(ROWS * dim)), *w = floats((size_t)dim), *b = floats((size_t)dim);
            float *y = floats((size_t)(ROWS * dim));
            double *want = malloc((size_t)(ROWS * dim) * sizeof *want);
            for (int64_t r = 0; r < ROWS; r++) {
                double mean = 0, var = 0;
                for (int64_t i = 0; i < dim; i++)
                    mean += (double)(x[r * dim + i] += 8.0F * (float)r) / (double)dim; /* far from 0: one pass would fail */
                for (int64_t i = 0; i < dim; i++)
                    var += pow((double)x[r * dim + i] - mean, 2) / (double)dim;
                for (int64_t i = 0; i < dim; i++)
                    want[r * dim + i] = ((double)x[r * dim + i] - mean) / sqrt(var + 1e-5) * (double)w[i] + (double)b[i];
            }
            tleg_layernorm(tables[t], ROWS, dim, x, w, b, 1e-5F, y);
            /* With one or two numbers in a row the difference to the mean has few bits. */
            assert_near(y, want, (size_t)(ROWS * dim), dim < 3 ? 2e-2 : 3e-5, "layernorm");
            tleg_layernorm(tables[t], ROWS, dim, x, w, b, 1e-5F, x);
            assert_same_bits(x, y, (size_t)(ROWS * dim) * sizeof *x, "layernorm in place");
            free(x);
            free(w);
            free(b);
            free(y);
            free(want);
        }
}

static void gelu_is_right_everywhere(void **state) {
    (void)state;
    enum { COUNT = 40003 };
    for (int t = 0; t < table_count; t++) {
        float *x = floats(COUNT), *y = floats(COUNT);
        for (int i = 0; i < COUNT; i++)
            x[i] = ((float)i - COUNT / 2) / 2000; /* -10 to 10 */
        tleg_activate(tables[t], TLEG_ACTIVATION_GELU, COUNT, x, y);
        for (int i = 0; i < COUNT; i++) {
            double want = gelu_of((double)x[i]);
            if (!(fabs((double)y[i] - want) <= 1.1e-7 * fmax(1, fabs(want))))
                fail_msg("gelu(%.9g) is %.9g, expected %.9g", (double)x[i], (double)y[i], want);
        }
        const float special[] = {0.0F, -0.0F, 1e-40F, -1e-40F, 3e38F, -3e38F, -100.0F, INFINITY, -INFINITY, NAN};
        enum { SPECIAL = sizeof special / sizeof *special };
        float got[SPECIAL];
        tleg_activate(tables[t], TLEG_ACTIVATION_GELU, SPECIAL, special, got);
        assert_true(got[0] == 0 && got[1] == 0 && signbit(got[1]));
        assert_true(fabsf(got[2]) < 1e-39F && fabsf(got[3]) < 1e-39F);
        assert_true(got[4] == 3e38F && got[5] == 0 && got[6] == 0);
        assert_true(got[7] == INFINITY && isnan(got[8]) && isnan(got[9])); /* as PyTorch: -inf * 0 */
        for (int count = 0; count <= SPECIAL; count++) {                   /* tails: the same bits, nothing behind */
            float part[SPECIAL + 1];
            memset(part, 0x55, sizeof part);
            tleg_activate(tables[t], TLEG_ACTIVATION_GELU, (size_t)count, special, part);
            assert_memory_equal(part, got, (size_t)count * sizeof *part);
            assert_int_equal(((unsigned char *)part)[(size_t)count * sizeof *part], 0x55);
        }
        free(x);
        free(y);
    }
}

static void mean_of_rows_is_the_mean(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        const float x[] = {1, 2, 3, 5, 7, 1};
        float y[2];
        tleg_mean_rows(tables[t], 3, 2, x, y);
        assert_true(y[0] == 11.0F / 3 && y[1] == 8.0F / 3);
    }
}

/* ---- expansion ---- */

static float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

enum { SUMMED = 1037 }; /* elements of each tensor of a basis */

/* The sum, in plain C; volatile: rounded where the contract says so, whatever the flags. */
static float sum_of_basis(const struct tleg_basis *basis, size_t i) {
    volatile float sum = ((const float *)basis->tensor[0])[i];
    if (basis->count > 1 && basis->c[0] != 1)
        sum = basis->c[0] * sum;
    for (int32_t j = 1; j < basis->count; j++) {
        volatile float product = basis->c[j] * ((const float *)basis->tensor[j])[i];
        sum = sum + product;
    }
    return sum;
}

static void check_expansion(const struct tleg_kernels *kernels, const struct tleg_basis *basis, size_t first, int32_t type) {
    static char out[SUMMED * sizeof(float)], want[SUMMED * sizeof(float)];
    static float wide[SUMMED], widened[SUMMED];
    const size_t count = SUMMED - 2 * first, size = tleg_dtype_size(type);
    for (size_t i = 0; i < count; i++) {
        float value = sum_of_basis(basis, first + i);
        tleg_convert_from_f32(type, &value, want + i * size, 1);
    }
    memset(out, 0x55, sizeof out);
    tleg_expand(kernels, basis, first, count, type, out);
    assert_same_bits(out, want, count * size, "expansion");
    assert_int_equal(count * size < sizeof out ? out[count * size] : 0x55, 0x55);
    tleg_widen(kernels, type, out, count, wide);
    tleg_convert_to_f32(type, out, widened, count);
    assert_same_bits(wide, widened, count * sizeof *wide, "widening");
}

static void expansion_has_the_same_bits_at_every_level(void **state) {
    (void)state;
    const uint32_t special[] = {0x00000000, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0xFFC12345, 0x00000001,
                                0x007FFFFF, 0x33000000, 0x33000001, 0x387FE000, 0x387FF000, 0x477FEFFF, 0x477FF000, 0x7F7FFFFF,
                                0x3F808000, 0x3F818000, 0x3F801000, 0x3F803000, 0x3F801001, 0x7F7F8000, 0x33800000, 0x38000000};
    const int32_t types[] = {TLEG_F32, TLEG_F16, TLEG_BF16};
    float *tensors[TLEG_MAX_BASIS];
    for (int32_t j = 0; j < TLEG_MAX_BASIS; j++) {
        tensors[j] = floats(SUMMED);
        for (size_t i = 0; i < sizeof special / sizeof *special; i++)
            tensors[j][100 + i] = j == 0 ? float_of(special[i]) : 0;
    }
    for (int y = 0; y < 3; y++)
        for (int t = 0; t < table_count; t++)
            for (size_t first = 0; first < 40; first++) {
                struct tleg_basis basis = {.count = terms_of((int)first)};
                for (int32_t j = 0; j < basis.count; j++) {
                    basis.tensor[j] = tensors[j];
                    basis.c[j] = j == 0 ? (first % 3 == 2 ? -0.625F : 1) : (float)(first % 7) / (float)(j % 2 ? 7 : -9);
                }
                check_expansion(tables[t], &basis, first, types[y]);
            }
    for (int32_t j = 0; j < TLEG_MAX_BASIS; j++)
        free(tensors[j]);
}

/* ---- position embedding ---- */

static void resampling_keeps_what_it_must(void **state) {
    (void)state;
    enum { OLD = 5, DIM = 3, PREFIX = 2 };
    float *in = floats((PREFIX + OLD * OLD) * DIM), *out = floats((PREFIX + 81) * DIM);
    struct tleg_resampling how = {.prefix = PREFIX, .dim = DIM, .from = {OLD, OLD}, .to = {OLD, OLD}};
    tleg_resample_grid(&how, in, out);
    assert_same_bits(in, out, (PREFIX + OLD * OLD) * DIM * sizeof *in, "the same grid");
    for (int i = 0; i < OLD * OLD * DIM; i++) /* a slope across x: kept within, and constants everywhere */
        in[PREFIX * DIM + i] = i % DIM == 0 ? 2.5F : (float)(i / DIM % OLD);
    how.to = (struct tleg_extent){9, 9};
    tleg_resample_grid(&how, in, out);
    assert_same_bits(in, out, PREFIX * DIM * sizeof *in, "prefix rows");
    for (int i = 0; i < 81; i++) {
        const float *row = out + (PREFIX + i) * DIM;
        assert_true(fabsf(row[0] - 2.5F) < 1e-6F);
        if (i % 9 >= 3 && i % 9 <= 5) /* the four taps are inside; cubics with a = -0.75 bend a slope by 0.1 at most */
            assert_true(fabsf(row[1] - (((float)(i % 9) + 0.5F) * 5 / 9 - 0.5F)) < 0.1F);
    }
    /* torch.nn.functional.interpolate(torch.tensor([[[[0., 1.], [4., 9.]]]]).double(), size=(3, 3), mode="bicubic") */
    const float two[] = {0, 1, 4, 9};
    const double want[] = {-0.403886959877, -0.0208333333333, 0.36222029321, 1.73958333333, 3.5,
                           5.26041666667,   3.88305362654,    7.02083333333, 10.1586130401};
    float three[9];
    tleg_resample_grid(&(struct tleg_resampling){.dim = 1, .from = {2, 2}, .to = {3, 3}}, two, three);
    assert_near(three, want, 9, 1e-6, "torch's bicubic");
    free(in);
    free(out);
}

/* ---- choice ---- */

static void a_level_is_found_where_the_machine_has_it(void **state) {
    (void)state;
    assert_int_equal(tleg_kernels_level(tleg_kernels_find(TLEG_LEVEL_PORTABLE, TLEG_GEMM_OWN)), TLEG_LEVEL_PORTABLE);
    assert_non_null(tleg_kernels_find(TLEG_LEVEL_BEST, TLEG_GEMM_AUTO));
    assert_null(tleg_kernels_find(99, TLEG_GEMM_OWN));
    tleg_context_options options = {.struct_size = sizeof options};
    tleg_context *context;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    const struct tleg_kernels *kernels;
    assert_int_equal(tleg_kernels_of(context, &kernels), TLEG_OK);
    assert_ptr_equal(kernels, tleg_kernels_find(TLEG_LEVEL_BEST, TLEG_GEMM_OWN)); /* nobody handed a BLAS over */
    tleg_context_free(context);
}

static void a_blas_serves_who_asks_or_has_portable_kernels_alone(void **state) {
    (void)state;
    const struct tleg_kernels *kernels;
    for (int32_t level = TLEG_LEVEL_BEST; level <= TLEG_LEVEL_PORTABLE; level++)
        for (int32_t gemm = TLEG_GEMM_AUTO; gemm <= TLEG_GEMM_BLAS; gemm++) {
            tleg_context_options options = {
                .struct_size = sizeof options, .level = level, .gemm = gemm, .sgemm = support_sgemm};
            const bool alone = level == TLEG_LEVEL_BEST && tleg_cpu_level(1, NULL) == 0;
            const bool wanted = gemm == TLEG_GEMM_BLAS || (gemm == TLEG_GEMM_AUTO && alone);
            tleg_context *context;
            assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
            assert_int_equal(tleg_kernels_of(context, &kernels), TLEG_OK);
            assert_int_equal(kernels->gemm, wanted ? TLEG_GEMM_BLAS : TLEG_GEMM_OWN);
            tleg_context_free(context);
        }
}

static int setup(void **state) {
    (void)state;
    tleg_random_seed(&numbers, 7, 0);
    tleg_context_options options = {.struct_size = sizeof options, .workers = LANES};
    if (tleg_team_create(NULL, &tleg_default_allocator, &options, &team) != TLEG_OK)
        return -1;
    for (int32_t level = TLEG_LEVEL_PORTABLE; level <= TLEG_LEVEL_NEON; level++) {
        const struct tleg_kernels *own = tleg_kernels_find(level, TLEG_GEMM_OWN);
        const struct tleg_kernels *blas = tleg_kernels_find(level, TLEG_GEMM_BLAS);
        printf("level %s: %s, with cblas: %s\n", tleg_level_name(level), own ? "tested" : "skipped",
               blas ? "tested" : "skipped");
        if (own)
            tables[table_count++] = own;
        if (blas)
            tables[table_count++] = blas;
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tleg_team_free(team);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_right_at_odd_sizes),
        cmocka_unit_test(products_write_inside_their_columns_only),
        cmocka_unit_test(packing_is_a_permutation_with_zeros_behind),
        cmocka_unit_test(bits_do_not_depend_on_lanes_or_on_the_other_rows),
        cmocka_unit_test(formed_panels_equal_materialised_ones),
        cmocka_unit_test(patches_are_read_as_a_convolution_reads_them),
        cmocka_unit_test(images_may_differ_in_norms_and_factors),
        cmocka_unit_test(factors_multiply_columns_before_the_residual),
        cmocka_unit_test(rows_pass_through_gelu),
        cmocka_unit_test(attention_is_right_and_its_bits_depend_on_no_lane_or_batch),
        cmocka_unit_test(a_nan_stays_where_it_is),
        cmocka_unit_test(attention_survives_large_scores),
        cmocka_unit_test(layernorm_is_right),
        cmocka_unit_test(gelu_is_right_everywhere),
        cmocka_unit_test(mean_of_rows_is_the_mean),
        cmocka_unit_test(expansion_has_the_same_bits_at_every_level),
        cmocka_unit_test(resampling_keeps_what_it_must),
        cmocka_unit_test(a_level_is_found_where_the_machine_has_it),
        cmocka_unit_test(a_blas_serves_who_asks_or_has_portable_kernels_alone),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
