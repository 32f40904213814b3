/* The gradients of products, at every level that this machine has, against plain loops in double. */
#include "support/gradients.h"

/* ---- weight and bias of a product ---- */

struct shape {
    int64_t m, n, k;
};

/* The rows (m, k) that a source stands for. */
static double *rows_of(const struct tleg_rows *rows, int64_t m, int64_t k) {
    double *out = doubles(m * k);
    for (int64_t r = 0; r < m; r++) {
        double mean = 0, var = 0;
        const float *x = rows->kind == TLEG_ROWS_PATCHES ? NULL : (const float *)rows->x.data + r * rows->x.stride;
        for (int64_t i = 0; i < k && rows->kind == TLEG_ROWS_LAYERNORM; i++)
            mean += (double)x[i] / (double)k;
        for (int64_t i = 0; i < k && rows->kind == TLEG_ROWS_LAYERNORM; i++)
            var += pow((double)x[i] - mean, 2) / (double)k;
        for (int64_t i = 0; i < k; i++)
            switch (rows->kind) {
            case TLEG_ROWS_PLAIN:
                out[r * k + i] = (double)x[i];
                break;
            case TLEG_ROWS_ACTIVATION:
                out[r * k + i] = gelu_of((double)x[i]);
                break;
            case TLEG_ROWS_GATED:
                out[r * k + i] = gelu_of((double)x[i]) * (double)x[k + i];
                break;
            case TLEG_ROWS_LAYERNORM:
                out[r * k + i] = ((double)x[i] - mean) / sqrt(var + (double)rows->eps) * (double)rows->norm_weight[i] +
                                 (double)rows->norm_bias[i];
                break;
            case TLEG_ROWS_PATCHES: {
                const int64_t high = rows->patch.height, wide = rows->patch.width, columns = rows->image.width / wide;
                const int64_t y = r / columns * high + i / wide % high, column = r % columns * wide + i % wide;
                const int64_t line = i / (high * wide) * rows->image.height + y;
                out[r * k + i] = (double)((const float *)rows->x.data)[line * rows->image.width + column];
                break;
            }
            }
    }
    return out;
}

static void weight_run(const struct tleg_kernels *kernels, const struct tleg_weight_backward *backward, int32_t lanes) {
    struct tleg_exec exec =
        exec_make(kernels, tleg_weight_backward_scratch(kernels, TLEG_F32, backward->m, backward->n, backward->k), lanes);
    tleg_weight_backward(&exec, backward);
    exec_free(&exec);
}

/* The gradients of one product, right and with the same bits at every number of lanes. */
static void check_weight(const struct tleg_kernels *kernels, struct shape s, struct tleg_rows rows, int32_t places) {
    int64_t stride = s.n + any(3) - 1; /* nothing may be read behind the last row's end */
    float *dy = floats((s.m - 1) * stride + s.n);
    struct places weight = places_make(s.n * s.k, places), bias = places_make(s.n, places);
    double *x = rows_of(&rows, s.m, s.k), *want = doubles(s.n * s.k), *want_bias = doubles(s.n);
    for (int64_t r = 0; r < s.m; r++)
        for (int64_t j = 0; j < s.n; j++) {
            double d = (double)dy[r * stride + j];
            want_bias[j] += d;
            for (int64_t i = 0; i < s.k; i++)
                want[j * s.k + i] += d * x[r * s.k + i];
        }
    struct tleg_weight_backward backward = {s.m, s.n, s.k, dy, stride, rows, weight.gradient, bias.gradient, TLEG_F32};
    weight_run(kernels, &backward, 1);
    double tolerance = (rows.kind == TLEG_ROWS_LAYERNORM && s.k < 3 ? 2e-2 : 4e-6) * sqrt((double)s.m);
    places_check(&weight, want, tolerance, "dW");
    places_check(&bias, want_bias, tolerance, "dbias");
    for (int32_t lanes = 2; lanes <= LANES; lanes++) {
        struct places other = places_twin(&weight), other_bias = places_twin(&bias);
        backward.weight = other.gradient;
        backward.bias = other_bias.gradient;
        weight_run(kernels, &backward, lanes);
        places_same(&weight, &other, "dW at several lanes");
        places_same(&bias, &other_bias, "dbias at several lanes");
        places_free(&other);
        places_free(&other_bias);
    }
    places_free(&weight);
    places_free(&bias);
    free(dy);
    free(x);
    free(want);
    free(want_bias);
}

static void check_weight_of(const struct tleg_kernels *kernels, struct shape s, enum tleg_rows_kind kind, int32_t places) {
    int64_t width = kind == TLEG_ROWS_GATED ? 2 * s.k : s.k, stride = width + any(3) - 1;
    float *x = floats((s.m - 1) * stride + width), *w = floats(s.k), *b = floats(s.k);
    struct tleg_rows rows = {.kind = kind,
                             .x = tleg_view_f32(x, stride),
                             .norm_weight = kind == TLEG_ROWS_LAYERNORM ? w : NULL,
                             .norm_bias = b,
                             .eps = 1e-5F,
                             .activation = TLEG_ACTIVATION_GELU};
    check_weight(kernels, s, rows, places);
    free(x);
    free(w);
    free(b);
}

static void weight_gradients_are_added_at_odd_sizes(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        for (int i = 0; i < 45; i++)
            check_weight_of(tables[t], (struct shape){any(60), any(70), any(70)}, (enum tleg_rows_kind)(i % 3), places_of(i));
        /* more rows than a chunk, and than two */
        check_weight_of(tables[t], (struct shape){1031, 31, 35}, TLEG_ROWS_ACTIVATION, 2);
        check_weight_of(tables[t], (struct shape){2500, 15, 9}, TLEG_ROWS_LAYERNORM, 16);
        check_weight_of(tables[t], (struct shape){130, 7, 13}, TLEG_ROWS_GATED, 2);
        check_weight_of(tables[t], (struct shape){1, 1, 1}, TLEG_ROWS_PLAIN, 2);
    }
}

static void weight_gradients_reach_through_patches(void **state) {
    (void)state;
    static const struct {
        struct tleg_extent image, patch;
    } shapes[] = {{{15, 15}, {3, 3}}, {{6, 20}, {3, 5}}, {{12, 4}, {2, 4}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct tleg_extent size = shapes[i].image, patch = shapes[i].patch;
        float *image = floats(3 * tleg_extent_area(size));
        struct tleg_rows rows = {.kind = TLEG_ROWS_PATCHES, .x = tleg_view_f32(image, 0), .image = size, .patch = patch};
        const int64_t pixels = tleg_extent_area(patch);
        for (int t = 0; t < table_count; t++)
            check_weight(tables[t], (struct shape){tleg_extent_area(size) / pixels, 13, 3 * pixels}, rows, t & 1);
        free(image);
    }
}

static void gradients_that_nobody_wants_are_left_out(void **state) {
    (void)state;
    enum { M = 37, N = 21, K = 18 };
    for (int t = 0; t < table_count; t++) {
        float *dy = floats(M * N), *x = floats(M * K);
        struct places weight = places_make(N * K, 2), bias = places_make(N, 2);
        struct tleg_weight_backward backward = {
            M, N, K, dy, N, {.x = tleg_view_f32(x, K)}, weight.gradient, bias.gradient, TLEG_F32};
        weight_run(tables[t], &backward, 2);
        struct places other = places_twin(&weight), other_bias = places_twin(&bias);
        backward.weight = other.gradient;
        backward.bias = (struct tleg_gradient){0};
        weight_run(tables[t], &backward, 2);
        places_same(&weight, &other, "the weight alone");
        backward.weight = (struct tleg_gradient){0};
        backward.bias = other_bias.gradient;
        weight_run(tables[t], &backward, 2);
        places_same(&bias, &other_bias, "the bias alone");
        places_reset(&other);
        places_reset(&other_bias);
        backward.m = 0;
        backward.weight = other.gradient;
        weight_run(tables[t], &backward, 2);
        assert_same_bits(other.gradient.tensor[0], weight.before[0], N * K, "no rows");
        assert_same_bits(other_bias.gradient.tensor[0], bias.before[0], N, "no rows");
        places_free(&weight);
        places_free(&bias);
        places_free(&other);
        places_free(&other_bias);
        free(dy);
        free(x);
    }
}

/* ---- input of a product ---- */

static void input_run(const struct tleg_kernels *kernels, const struct tleg_input_backward *backward, int32_t lanes) {
    struct tleg_exec exec =
        exec_make(kernels, tleg_input_backward_scratch(kernels, backward->m, backward->n, backward->k), lanes);
    tleg_input_backward(&exec, backward);
    exec_free(&exec);
}

static void check_input(const struct tleg_kernels *kernels, struct shape s, bool through_gelu) {
    float *dy = floats(s.m * s.n), *w = floats(s.n * s.k), *hidden = floats(s.m * s.k), *dx = floats(s.m * s.k),
          *other = floats(s.m * s.k);
    double *want = doubles(s.m * s.k);
    for (int64_t r = 0; r < s.m; r++)
        for (int64_t i = 0; i < s.k; i++) {
            for (int64_t j = 0; j < s.n; j++)
                want[r * s.k + i] += (double)dy[r * s.n + j] * (double)w[j * s.k + i];
            want[r * s.k + i] *= through_gelu ? gelu_slope_of((double)hidden[r * s.k + i]) : 1;
        }
    struct tleg_input_backward backward = {s.m, s.n, s.k, dy, w, through_gelu ? hidden : NULL, TLEG_ACTIVATION_GELU, dx};
    input_run(kernels, &backward, 1);
    assert_near(dx, want, s.m * s.k, 4e-6 * sqrt((double)s.n), "dx");
    backward.dx = other;
    for (int32_t lanes = 2; lanes <= LANES; lanes++) {
        input_run(kernels, &backward, lanes);
        assert_same_bits(dx, other, s.m * s.k, "dx at several lanes");
    }
    if (through_gelu) {
        backward.dx = hidden;
        input_run(kernels, &backward, LANES);
        assert_same_bits(dx, hidden, s.m * s.k, "dx where hidden was");
    }
    free(want);
    float *all[] = {dy, w, hidden, dx, other};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void input_gradients_are_right_at_odd_sizes(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        for (int i = 0; i < 40; i++)
            check_input(tables[t], (struct shape){any(60), any(70), any(70)}, i & 1);
        check_input(tables[t], (struct shape){70, 300, 290}, true);
        check_input(tables[t], (struct shape){1, 1, 1}, true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weight_gradients_are_added_at_odd_sizes),
        cmocka_unit_test(weight_gradients_reach_through_patches),
        cmocka_unit_test(gradients_that_nobody_wants_are_left_out),
        cmocka_unit_test(input_gradients_are_right_at_odd_sizes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
