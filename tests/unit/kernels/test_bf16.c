/* Products of bf16: where a level multiplies pairs, what comes out is what plain loops in double make of the rounded numbers,
 * to the rounding of the sums alone. */
#include "support/narrow_tables.h"

/* Products of two bf16 are exact in f32: what is left to differ is the rounding of k sums. */
static void check_product(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k) {
    struct product p = product_make(kernels, m, n, k);
    float *out = floats(m * n);
    double *want = doubles(m * n);
    for (int64_t r = 0; r < m; r++)
        for (int64_t j = 0; j < n; j++) {
            double sum = (double)p.bias[j];
            for (int64_t i = 0; i < k; i++)
                sum += rounded(p.x[r * k + i]) * rounded(p.base[j * k + i]);
            sum = k % 2 ? gelu_of(sum) : sum;
            want[r * n + j] = n % 2 ? sum : (double)p.residual[r * n + j] + sum;
        }
    run(kernels, &p, plain_rows(&p, p.x), m, 1, out);
    assert_near(out, want, m * n, 3e-6 * sqrt((double)k), "product of bf16");
    free(want);
    free(out);
    product_free(&p);
}

static void products_of_rounded_numbers_are_right_at_odd_sizes(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        for (int64_t m = 1; m <= 40; m++)
            check_product(tables[t], m, 33, 17);
        for (int64_t n = 1; n <= 70; n++)
            check_product(tables[t], 15, n, 10);
        for (int64_t k = 1; k <= 70; k++)
            check_product(tables[t], 7, 19 + k % 2, k);
        for (int i = 0; i < 40; i++)
            check_product(tables[t], any(60), any(70), any(99));
        check_product(tables[t], 197, 96, 769);
    }
}

static void bits_depend_on_no_lane_and_on_no_other_row(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int i = 0; i < 12; i++) {
            struct product p = product_make(tables[t], i ? any(80) : 1400, i ? any(99) : 5, i ? any(99) : 1601);
            float *one = floats(p.m * p.n), *other = floats(p.m * p.n);
            run(tables[t], &p, plain_rows(&p, p.x), p.m, 1, one);
            for (int32_t lanes = 2; lanes <= LANES; lanes++) {
                run(tables[t], &p, plain_rows(&p, p.x), p.m, lanes, other);
                assert_same_bits(one, other, p.m * p.n, "lanes");
            }
            int64_t cut = any(p.m) - 1;
            const float *residual = p.residual;
            run(tables[t], &p, plain_rows(&p, p.x), cut, 2, other);
            p.residual += cut * p.n;
            run(tables[t], &p, plain_rows(&p, p.x + cut * p.k), p.m - cut, 1, other + cut * p.n);
            p.residual -= cut * p.n;
            assert_ptr_equal(p.residual, residual);
            assert_same_bits(one, other, p.m * p.n, "rows in two parts");
            free(one);
            free(other);
            product_free(&p);
        }
}

static void formed_panels_equal_stored_ones(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int i = 0; i < 12; i++) {
            struct product p = product_make(tables[t], any(40), any(70), any(99));
            float *stored = floats(p.m * p.n), *formed = floats(p.m * p.n);
            static const int32_t terms[] = {1, 2, 3, 4, 16};
            struct tleg_basis basis = {.count = terms[i % 5]};
            for (int32_t j = 0; j < basis.count; j++) {
                basis.tensor[j] = p.packed[j % 2];
                basis.c[j] = j == 0 ? 1 : 2.0F / 3 / (float)j;
            }
            tleg_expand(tables[t], &basis, 0, tleg_packed_count(tables[t], TLEG_BF16, p.n, p.k), TLEG_BF16, p.stored);
            run(tables[t], &p, plain_rows(&p, p.x), p.m, 1 + i % LANES, stored);
            p.weight.basis = basis;
            p.weight.stored = TLEG_F32;
            run(tables[t], &p, plain_rows(&p, p.x), p.m, 1 + (i + 1) % LANES, formed);
            assert_same_bits(stored, formed, p.m * p.n, "stored and formed");
            free(stored);
            free(formed);
            product_free(&p);
        }
}

static void rows_through_layernorm_are_rounded_behind_it(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        struct product p = product_make(tables[t], 37, 21, 51);
        float *normed = floats(p.m * p.k), *through = floats(p.m * p.n), *want = floats(p.m * p.n);
        struct tleg_rows rows = {.kind = TLEG_ROWS_LAYERNORM,
                                 .x = tleg_view_f32(p.x, p.k),
                                 .norm_weight = p.norm,
                                 .norm_bias = p.norm + p.k,
                                 .eps = 1e-5F};
        tleg_layernorm(tables[t], p.m, p.k, p.x, p.norm, p.norm + p.k, 1e-5F, normed);
        run(tables[t], &p, rows, p.m, 2, through);
        run(tables[t], &p, plain_rows(&p, normed), p.m, 1, want);
        assert_same_bits(through, want, p.m * p.n, "LayerNorm");
        free(normed);
        free(through);
        free(want);
        product_free(&p);
    }
}

static void a_nan_stays_in_its_row(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        struct product p = product_make(tables[t], 19, 40, 12);
        float *out = floats(p.m * p.n);
        p.x[4 * p.k + 11] = NAN;
        run(tables[t], &p, plain_rows(&p, p.x), p.m, 1, out);
        for (int64_t i = 0; i < p.m * p.n; i++)
            assert_int_equal(isnan(out[i]) != 0, i / p.n == 4);
        free(out);
        product_free(&p);
    }
}

/* ---- activations of bf16 ---- */

/* count rows of n numbers, `stride` apart, as f32. */
static float *widened(const uint16_t *halves, int64_t count, int64_t n, int64_t stride) {
    float *x = floats(count * n);
    for (int64_t r = 0; r < count; r++)
        tleg_convert_to_f32(TLEG_BF16, halves + r * stride, x + r * n, (size_t)n);
    return x;
}

/* Rows of n numbers, the last of them followed by zeros up to `stride`. */
static void zeros_follow(const uint16_t *halves, int64_t count, int64_t n, int64_t stride) {
    for (int64_t r = 0; r < count; r++)
        for (int64_t i = n; i < stride; i++)
            if (halves[r * stride + i])
                fail_msg("row %d: %d behind its end", (int)r, halves[r * stride + i]);
}

/* What f32 gives, rounded; behind GELU its approximation, whose error is small beside the rounding's. */
static void check_halves(const uint16_t *halves, int64_t stride, const float *want, int64_t m, int64_t n, bool gelu) {
    float *x = widened(halves, m, n, stride);
    for (int64_t i = 0; i < m * n; i++) {
        double off = fabs((double)x[i] - (gelu ? (double)want[i] : rounded(want[i])));
        if (!(off <= (gelu ? fabs((double)want[i]) * 1.05 / 256 + 5e-5 : 0)))
            fail_msg("%g rounded to %g", (double)want[i], (double)x[i]);
    }
    zeros_follow(halves, m, n, stride);
    free(x);
}

/* A product leaves bf16, and the next takes it as it would take the same numbers in f32. */
static void check_chain(const struct tleg_kernels *kernels, int64_t m, int64_t k, int64_t n, bool gelu) {
    struct product first = product_make(kernels, m, n, k), next = product_make(kernels, m, any(50), n);
    int64_t stride = tleg_narrow_stride(kernels, TLEG_BF16, n);
    uint16_t *halves = malloc((size_t)(m * stride) * sizeof *halves);
    assert_non_null(halves);
    memset(halves, 0xFF, (size_t)(m * stride) * sizeof *halves);
    float *out = floats(m * n), *one = floats(m * next.n), *other = floats(m * next.n);
    float *factors = floats(n); /* below 1, so that the room for GELU's error holds for products too */
    for (int64_t j = 0; j < n; j++)
        factors[j] = factors[j] / (1 + fabsf(factors[j]));
    struct tleg_exec exec = exec_make(kernels, tleg_gemm_scratch(kernels, TLEG_BF16, m, n, k), 1 + (int32_t)any(2));
    struct tleg_gemm gemm = {.m = m,
                             .rows = plain_rows(&first, first.x),
                             .weight = &first.weight,
                             .epilogue = {.bias = first.bias,
                                          .activation = gelu ? TLEG_ACTIVATION_GELU : TLEG_ACTIVATION_NONE,
                                          .column_scale = m % 2 ? factors : NULL},
                             .out = tleg_target_f32(out, n)};
    tleg_gemm(&exec, &gemm);
    gemm.out = (struct tleg_target){halves, TLEG_BF16, stride};
    tleg_gemm(&exec, &gemm);
    exec_free(&exec);
    check_halves(halves, stride, out, m, n, gelu);
    float *same = widened(halves, m, n, stride);
    run(kernels, &next, plain_rows(&next, same), m, 1, one);
    run(kernels, &next, (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = {halves, TLEG_BF16, stride}}, m, 2, other);
    assert_same_bits(one, other, m * next.n, "rows of bf16");
    void *all[] = {halves, out, one, other, same, factors};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    product_free(&first);
    product_free(&next);
}

static void activations_of_bf16_go_from_product_to_product(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        for (int64_t n = 1; n <= 70; n++)
            check_chain(tables[t], any(40), any(50), n, n % 3 == 0);
        for (int64_t m = 1; m <= 40; m++)
            check_chain(tables[t], m, any(50), any(99), m % 2);
        check_chain(tables[t], 1400, 3, 1601, false); /* several spans of the second */
    }
}

static void infinities_and_nan_go_through_gelu(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        struct product p = product_make(tables[t], 1, 5, 1);
        const float bias[] = {NAN, INFINITY, 1e30F, -1e30F, -20};
        uint16_t halves[64];
        struct tleg_exec exec = exec_make(tables[t], tleg_gemm_scratch(tables[t], TLEG_BF16, 1, 5, 1), 1);
        tleg_gemm(&exec, &(struct tleg_gemm){.m = 1,
                                             .rows = plain_rows(&p, p.x),
                                             .weight = &p.weight,
                                             .epilogue = {.bias = bias, .activation = TLEG_ACTIVATION_GELU},
                                             .out = {halves, TLEG_BF16, 64}});
        float *x = widened(halves, 1, 5, 64);
        assert_true(isnan(x[0]) && x[1] == INFINITY && fabsf(x[2] / 1e30F - 1) < 1e-2F);
        assert_true(fabsf(x[3]) < 1e-30F && fabsf(x[4]) < 1e-30F);
        free(x);
        exec_free(&exec);
        product_free(&p);
    }
}

/* ---- attention ---- */

/* Query i of a head against all keys, of rounded q, k and v; the exponentials are not rounded: room is what that may change.
 */
static void attended(const float *qkv, int64_t tokens, int64_t dim, int64_t width, int64_t i, double *out, double *room) {
    double top = -INFINITY, sum = 0, p[256];
    for (int64_t j = 0; j < tokens; j++) {
        p[j] = 0;
        for (int64_t e = 0; e < width; e++)
            p[j] += rounded(qkv[i * 3 * dim + e]) * rounded(qkv[j * 3 * dim + dim + e]) / sqrt((double)width);
        top = p[j] > top ? p[j] : top;
    }
    for (int64_t j = 0; j < tokens; j++)
        sum += p[j] = exp(p[j] - top);
    for (int64_t d = 0; d < width; d++) {
        double size = out[d] = 0;
        for (int64_t j = 0; j < tokens; j++) {
            double v = rounded(qkv[j * 3 * dim + 2 * dim + d]);
            out[d] += p[j] / sum * v;
            size += p[j] / sum * fabs(v);
        }
        room[d] = size / 256 + 1e-6;
    }
}

static void check_attended(const float *qkv, int64_t tokens, int64_t dim, int64_t width, const float *out) {
    double want[64], room[64];
    for (int64_t i = 0; i < tokens; i++) {
        attended(qkv, tokens, dim, width, i, want, room);
        for (int64_t d = 0; d < width; d++)
            if (!(fabs((double)out[i * dim + d] - want[d]) <= room[d]))
                fail_msg("attention of %d tokens, width %d: %g, expected %g", (int)tokens, (int)width, (double)out[i * dim + d],
                         want[d]);
    }
}

static void attend(const struct tleg_kernels *kernels, struct tleg_attention attention, int32_t lanes, float *out) {
    struct tleg_exec exec = exec_make(
        kernels, tleg_attention_scratch(kernels, attention.dtype, attention.tokens, attention.dim, attention.heads), lanes);
    if (out)
        attention.out = tleg_target_f32(out, attention.dim);
    tleg_attention(&exec, &attention);
    exec_free(&exec);
}

static void attention_of_rounded_numbers_is_right_at_odd_sizes(void **state) {
    (void)state;
    const int64_t widths[] = {1, 3, 8, 33, 64}, lengths[] = {1, 2, 5, 30, 65, 197};
    for (int t = 0; t < table_count; t++)
        for (int i = 0; i < 30; i++) {
            int64_t width = widths[i % 5], tokens = lengths[i % 6], heads = 1 + i % 3, dim = heads * width,
                    count = 2 * tokens * dim;
            float *qkv = floats(3 * count), *out = floats(count), *other = floats(count);
            struct tleg_attention attention = {.batch = 2,
                                               .tokens = tokens,
                                               .dim = dim,
                                               .heads = heads,
                                               .qkv = tleg_view_f32(qkv, 3 * dim),
                                               .dtype = TLEG_BF16};
            attend(tables[t], attention, 1, out);
            for (int64_t at = 0; at < 2 * heads; at++)
                check_attended(qkv + at / heads * tokens * 3 * dim + at % heads * width, tokens, dim, width,
                               out + at / heads * tokens * dim + at % heads * width);
            attend(tables[t], attention, 3, other);
            assert_same_bits(out, other, count, "attention at several lanes");
            attention.batch = 1;
            attention.qkv.data = qkv + 3 * tokens * dim;
            attend(tables[t], attention, 2, other);
            assert_same_bits(out + tokens * dim, other, count / 2, "attention of one image alone");
            free(qkv);
            free(out);
            free(other);
        }
}

/* Attention of numbers that are of bf16 already, from bf16 to bf16, is that from f32 to f32, rounded. */
static void attention_takes_and_leaves_bf16(void **state) {
    (void)state;
    const int64_t widths[] = {1, 3, 16, 33, 64}, lengths[] = {1, 5, 31, 65, 97};
    for (int t = 0; t < table_count; t++)
        for (int i = 0; i < 25; i++) {
            int64_t width = widths[i % 5], tokens = lengths[i / 5], heads = 1 + i % 3, dim = heads * width, rows = 2 * tokens;
            int64_t stride = tleg_narrow_stride(tables[t], TLEG_BF16, dim),
                    wide = tleg_narrow_stride(tables[t], TLEG_BF16, 3 * dim);
            float *numbers_of = floats(rows * wide), *out = floats(rows * dim);
            uint16_t *qkv = calloc((size_t)(rows * wide), sizeof *qkv),
                     *halves = malloc((size_t)(rows * stride) * sizeof *halves);
            assert_true(qkv && halves);
            memset(halves, 0xFF, (size_t)(rows * stride) * sizeof *halves);
            for (int64_t r = 0; r < rows; r++)
                tleg_convert_from_f32(TLEG_BF16, numbers_of + r * wide, qkv + r * wide, (size_t)(3 * dim));
            float *same = widened(qkv, rows, 3 * dim, wide);
            struct tleg_attention attention = {.batch = 2,
                                               .tokens = tokens,
                                               .dim = dim,
                                               .heads = heads,
                                               .qkv = tleg_view_f32(same, 3 * dim),
                                               .dtype = TLEG_BF16};
            attend(tables[t], attention, 1, out);
            attention.qkv = (struct tleg_view){qkv, TLEG_BF16, wide};
            attention.out = (struct tleg_target){halves, TLEG_BF16, stride};
            attend(tables[t], attention, 2, NULL);
            check_halves(halves, stride, out, rows, dim, false);
            void *all[] = {numbers_of, out, qkv, halves, same};
            for (size_t j = 0; j < sizeof all / sizeof *all; j++)
                free(all[j]);
        }
}

/* ---- whole tables ---- */

static void a_level_without_such_products_widens(void **state) {
    (void)state;
    const struct tleg_kernels *portable = tleg_kernels_find(TLEG_LEVEL_PORTABLE, TLEG_GEMM_OWN);
    assert_null(portable->narrow);
    assert_false(tleg_multiplies_narrow(portable, TLEG_BF16));
    assert_int_equal(tleg_packed_count(portable, TLEG_BF16, 9, 7), tleg_packed_count(portable, TLEG_F32, 9, 7));
    const struct tleg_kernels *blas = tleg_kernels_find(TLEG_LEVEL_BEST, TLEG_GEMM_BLAS);
    assert_true(!blas || !blas->narrow);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_rounded_numbers_are_right_at_odd_sizes),
        cmocka_unit_test(bits_depend_on_no_lane_and_on_no_other_row),
        cmocka_unit_test(formed_panels_equal_stored_ones),
        cmocka_unit_test(rows_through_layernorm_are_rounded_behind_it),
        cmocka_unit_test(activations_of_bf16_go_from_product_to_product),
        cmocka_unit_test(infinities_and_nan_go_through_gelu),
        cmocka_unit_test(attention_of_rounded_numbers_is_right_at_odd_sizes),
        cmocka_unit_test(attention_takes_and_leaves_bf16),
        cmocka_unit_test(a_nan_stays_in_its_row),
        cmocka_unit_test(a_level_without_such_products_widens),
    };
    return cmocka_run_group_tests(tests, setup_products, teardown);
}
