/* Every activation at every level that this machine has: its values and slopes against double, and products that end with it.
 */
#include "support/gradients.h"

static double sigmoid(double z) {
    return z < 0 ? exp(z) / (1 + exp(z)) : 1 / (1 + exp(-z));
}

static double quick_gelu(double x) {
    return x * sigmoid(1.702 * x);
}

static double silu(double x) {
    return x * sigmoid(x);
}

static double gelu_tanh(double x) {
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

static double relu(double x) {
    return x > 0 ? x : 0;
}

static const struct row {
    const char *name;
    enum tleg_activation activation;
    double (*of)(double x);
    double middle; /* the slope at 0 */
} rows[] = {{"gelu", TLEG_ACTIVATION_GELU, gelu_of, 0.5},
            {"quick_gelu", TLEG_ACTIVATION_QUICK_GELU, quick_gelu, 0.5},
            {"gelu_tanh", TLEG_ACTIVATION_GELU_TANH, gelu_tanh, 0.5},
            {"silu", TLEG_ACTIVATION_SILU, silu, 0.5},
            {"relu", TLEG_ACTIVATION_RELU, relu, 0}};
enum { ROWS = sizeof rows / sizeof *rows, COUNT = 40003 };

static double slope_of(const struct row *row, double x) {
    const double h = 1e-5;
    return row->activation == TLEG_ACTIVATION_RELU ? (double)(x > 0) : (row->of(x + h) - row->of(x - h)) / (2 * h);
}

static void all_of_them_are_looked_at(void **state) {
    (void)state;
    assert_int_equal(ROWS, TLEG_ACTIVATIONS - 1); /* that of NONE is not in the table */
}

static void check_row(const struct tleg_kernels *kernels, const struct row *row) {
    float *x = floats(COUNT), *one = floats(COUNT), *y = floats(COUNT), *dx = floats(COUNT);
    for (int i = 0; i < COUNT; i++) {
        x[i] = ((float)i - COUNT / 2) / 2000; /* -10 to 10 */
        one[i] = 1;
    }
    tleg_activate(kernels, row->activation, COUNT, x, y);
    tleg_activate_backward(kernels, row->activation, COUNT, x, one, dx);
    for (int i = 0; i < COUNT; i++) {
        const double at = (double)x[i], want = row->of(at), slope = slope_of(row, at);
        if (!(fabs((double)y[i] - want) <= 3e-7 * fmax(1, fabs(want))))
            fail_msg("%s(%.9g) is %.9g, expected %.9g", row->name, at, (double)y[i], want);
        if (!(fabs((double)dx[i] - slope) <= 1e-6))
            fail_msg("%s'(%.9g) is %.9g, expected %.9g", row->name, at, (double)dx[i], slope);
    }
    const float special[] = {0, 1000, -1000, 3e38F, -3e38F, 1e19F, -1e19F, 1e-40F, NAN, INFINITY};
    enum { SPECIAL = sizeof special / sizeof *special };
    tleg_activate(kernels, row->activation, SPECIAL, special, y);
    tleg_activate_backward(kernels, row->activation, SPECIAL - 1, special, one, dx);
    assert_true(y[0] == 0 && y[1] == 1000 && y[2] == 0 && y[3] == 3e38F && y[4] == 0 && y[5] == 1e19F && y[6] == 0);
    assert_true(fabsf(y[7]) < 2e-40F && isnan(y[8]) && y[9] == INFINITY);
    assert_true((double)dx[0] == row->middle && dx[1] == 1 && dx[2] == 0 && dx[3] == 1 && dx[4] == 0 && dx[5] == 1 &&
                dx[6] == 0);
    assert_true(isnan(dx[8]));
    float *all[] = {x, one, y, dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void values_and_slopes_are_right_everywhere(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int k = 0; k < ROWS; k++)
            check_row(tables[t], &rows[k]);
}

/* A product, then the activation, or backward its slope at `hidden`, apart from each other. */
static void check_product(const struct tleg_kernels *kernels, enum tleg_activation activation, int64_t m, int64_t n,
                          int64_t k) {
    float *x = floats(m * k), *w = floats(n * k), *bias = floats(n), *hidden = floats(m * n), *out = floats(m * n),
          *want = floats(m * n), *packed = floats((int64_t)tleg_packed_count(kernels, TLEG_F32, n, k));
    tleg_pack(kernels, TLEG_F32, n, k, w, packed);
    const struct tleg_weight weight = {
        .n = n, .k = k, .basis = tleg_basis_one(packed), .stored = TLEG_F32, .rounded = TLEG_F32};
    struct tleg_exec exec = exec_make(kernels, tleg_gemm_scratch(kernels, TLEG_F32, m, n, k), LANES);
    struct tleg_gemm gemm = {.m = m,
                             .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(x, k)},
                             .weight = &weight,
                             .epilogue = {.bias = bias},
                             .out = tleg_target_f32(want, n)};
    tleg_gemm(&exec, &gemm);
    for (int backward = 0; backward < 2; backward++) {
        gemm.out = tleg_target_f32(out, n);
        gemm.epilogue.activation = activation;
        gemm.epilogue.hidden = backward ? hidden : NULL;
        gemm.epilogue.hidden_stride = n;
        tleg_gemm(&exec, &gemm);
        float *then = copy_of(want, m * n);
        if (backward)
            tleg_activate_backward(kernels, activation, (size_t)(m * n), hidden, then, then);
        else
            tleg_activate(kernels, activation, (size_t)(m * n), then, then);
        for (int64_t i = 0; i < m * n; i++)
            if (!(fabs((double)out[i] - (double)then[i]) <= 1e-5 * (1 + fabs((double)then[i]))))
                fail_msg("activation %d%s: element %d is %.9g, expected %.9g", (int)activation, backward ? " backward" : "",
                         (int)i, (double)out[i], (double)then[i]);
        free(then);
    }
    exec_free(&exec);
    float *all[] = {x, w, bias, hidden, out, want, packed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void products_end_with_them(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int k = 0; k < ROWS; k++) {
            check_product(tables[t], rows[k].activation, 7, 19, 5);
            check_product(tables[t], rows[k].activation, 33, 70, 12);
            check_product(tables[t], rows[k].activation, 1, 1, 1);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_them_are_looked_at),
        cmocka_unit_test(values_and_slopes_are_right_everywhere),
        cmocka_unit_test(products_end_with_them),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
