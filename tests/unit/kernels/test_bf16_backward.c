/* Gradients in mixed precision: dY, X and W rounded to bf16, against plain loops in double. */
#include "support/narrow_tables.h"

static void differentiate(const struct tleg_kernels *kernels, struct tleg_weight_backward backward, int32_t lanes) {
    backward.rounded = TLEG_BF16;
    struct tleg_exec exec =
        exec_make(kernels, tleg_weight_backward_scratch(kernels, TLEG_BF16, backward.m, backward.n, backward.k), lanes);
    tleg_weight_backward(&exec, &backward);
    exec_free(&exec);
}

/* dW = dY^T X of rounded numbers; the bias's gradient is of dY as it is. */
static void check_gradient(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k, int32_t places) {
    float *dy = floats(m * n), *x = floats(m * k);
    struct places weight = places_make(n * k, places), bias = places_make(n, places);
    double *want = doubles(n * k), *want_bias = doubles(n);
    for (int64_t r = 0; r < m; r++)
        for (int64_t j = 0; j < n; j++) {
            want_bias[j] += (double)dy[r * n + j];
            for (int64_t i = 0; i < k; i++)
                want[j * k + i] += rounded(dy[r * n + j]) * rounded(x[r * k + i]);
        }
    struct tleg_weight_backward backward = {m,        n, k, dy, n, {.x = tleg_view_f32(x, k)}, weight.gradient, bias.gradient,
                                            TLEG_BF16};
    differentiate(kernels, backward, 1);
    places_check(&weight, want, 4e-6 * sqrt((double)m), "dW of bf16");
    places_check(&bias, want_bias, 4e-6 * sqrt((double)m), "dbias");
    for (int32_t lanes = 2; lanes <= LANES; lanes++) {
        struct places other = places_twin(&weight), other_bias = places_twin(&bias);
        backward.weight = other.gradient;
        backward.bias = other_bias.gradient;
        differentiate(kernels, backward, lanes);
        places_same(&weight, &other, "dW of bf16 at several lanes");
        places_same(&bias, &other_bias, "dbias at several lanes");
        places_free(&other);
        places_free(&other_bias);
    }
    places_free(&weight);
    places_free(&bias);
    free(want);
    free(want_bias);
    free(dy);
    free(x);
}

static void weight_gradients_of_rounded_numbers_are_right_at_odd_sizes(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        for (int64_t m = 1; m <= 70; m++)
            check_gradient(tables[t], m, any(40), any(70), places_of((int)m));
        check_gradient(tables[t], 513, 31, 35, 2); /* more rows than a chunk, and than two */
        check_gradient(tables[t], 1101, 15, 9, 1);
    }
}

static void rows_through_gelu_are_folded_behind_it(void **state) {
    (void)state;
    enum { M = 77, N = 21, K = 35 };
    for (int t = 0; t < table_count; t++) {
        float *dy = floats(M * N), *x = floats(M * K), *y = floats(M * K);
        struct places weight = places_make(N * K, 2), other = places_twin(&weight);
        struct tleg_weight_backward backward = {.m = M, .n = N, .k = K, .dy = dy, .dy_stride = N};
        tleg_activate(tables[t], TLEG_ACTIVATION_GELU, M * K, x, y);
        backward.rows =
            (struct tleg_rows){.kind = TLEG_ROWS_ACTIVATION, .activation = TLEG_ACTIVATION_GELU, .x = tleg_view_f32(x, K)};
        backward.weight = weight.gradient;
        differentiate(tables[t], backward, 2);
        backward.rows = (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(y, K)};
        backward.weight = other.gradient;
        differentiate(tables[t], backward, 1);
        places_same(&weight, &other, "GELU");
        places_free(&weight);
        places_free(&other);
        free(dy);
        free(x);
        free(y);
    }
}

/* The transpose packed at once is what packing and rounding the turned matrix gives; multiplied with, it is dY W. */
static void a_transpose_is_packed_as_the_turned_matrix_is(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int i = 0; i < 20; i++) {
            struct product p = product_make(tables[t], any(40), any(70), any(99));
            size_t bytes = 2 * tleg_packed_count(tables[t], TLEG_BF16, p.n, p.k);
            float *turned = floats(p.n * p.k), *packed = floats((int64_t)bytes / 4 + 1);
            for (int64_t j = 0; j < p.n; j++)
                for (int64_t e = 0; e < p.k; e++)
                    turned[e * p.n + j] = p.base[j * p.k + e];
            struct tleg_exec exec = exec_make(tables[t], (struct tleg_scratch){0}, 1 + i % LANES);
            tleg_pack_transposed(&exec, TLEG_BF16, p.k, p.n, turned, packed);
            assert_memory_equal(packed, p.stored, bytes);
            exec_free(&exec);
            free(turned);
            free(packed);
            product_free(&p);
        }
}

static void a_product_goes_on_through_gelu_backward(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        struct product p = product_make(tables[t], 37, 45, 26);
        float *hidden = floats(p.m * p.n), *out = floats(p.m * p.n), *through = copy_of(hidden, p.m * p.n);
        double *want = doubles(p.m * p.n);
        struct tleg_exec exec = exec_make(tables[t], tleg_gemm_scratch(tables[t], TLEG_BF16, p.m, p.n, p.k), 2);
        struct tleg_gemm gemm = {.m = p.m, .rows = plain_rows(&p, p.x), .weight = &p.weight, .out = tleg_target_f32(out, p.n)};
        tleg_gemm(&exec, &gemm);
        gemm.epilogue.hidden = gemm.out.data = through; /* in place */
        gemm.epilogue.activation = TLEG_ACTIVATION_GELU;
        gemm.epilogue.hidden_stride = p.n;
        tleg_gemm(&exec, &gemm);
        for (int64_t i = 0; i < p.m * p.n; i++)
            want[i] = (double)out[i] * gelu_slope_of((double)hidden[i]);
        assert_near(through, want, p.m * p.n, 1e-5, "through GELU");
        exec_free(&exec);
        free(hidden);
        free(out);
        free(through);
        free(want);
        product_free(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weight_gradients_of_rounded_numbers_are_right_at_odd_sizes),
        cmocka_unit_test(rows_through_gelu_are_folded_behind_it),
        cmocka_unit_test(a_transpose_is_packed_as_the_turned_matrix_is),
        cmocka_unit_test(a_product_goes_on_through_gelu_backward),
    };
    return cmocka_run_group_tests(tests, setup_products, teardown);
}
