/* The gradients of LayerNorm, attention, GELU and position embeddings, at every level that this machine has, against plain
 * loops and central differences in double. */
#include "support/gradients.h"

/* ---- LayerNorm ---- */

/* sum of dy * LayerNorm(x) for one row: the function whose gradient is asked for. */
static double norm_product(int64_t dim, const double *x, const double *w, const double *b, const float *dy, double eps) {
    double mean = 0, var = 0, sum = 0;
    for (int64_t i = 0; i < dim; i++)
        mean += x[i] / (double)dim;
    for (int64_t i = 0; i < dim; i++)
        var += (x[i] - mean) * (x[i] - mean) / (double)dim;
    for (int64_t i = 0; i < dim; i++)
        sum += (double)dy[i] * ((x[i] - mean) / sqrt(var + eps) * w[i] + b[i]);
    return sum;
}

/* d norm_product / d *at, at one of x, w or b. */
static double norm_difference(int64_t dim, const double *x, const double *w, const double *b, const float *dy, double eps,
                              double *at) {
    const double step = 1e-5;
    double middle = *at;
    *at = middle + step;
    double above = norm_product(dim, x, w, b, dy, eps);
    *at = middle - step;
    double below = norm_product(dim, x, w, b, dy, eps);
    *at = middle;
    return (above - below) / (2 * step);
}

static void norm_run(const struct tleg_kernels *kernels, const struct tleg_layernorm_backward *backward, int32_t lanes) {
    struct tleg_exec exec = exec_make(kernels, tleg_layernorm_backward_scratch(kernels, backward->rows, backward->dim), lanes);
    tleg_k_layernorm_backward(&exec, backward);
    exec_free(&exec);
}

static void check_norm(const struct tleg_kernels *kernels, int64_t rows, int64_t dim, int32_t places) {
    const double eps = 0.125; /* exact in f32, and large: short rows stay well-conditioned */
    float *x = floats(rows * dim), *w = floats(dim), *dy = floats(rows * dim), *dx = floats(rows * dim);
    double *want = doubles(rows * dim), *row = doubles(3 * dim), *want_w = doubles(dim), *want_b = doubles(dim);
    double *weight = row + dim, *bias = row + 2 * dim;
    for (int64_t i = 0; i < dim; i++)
        weight[i] = (double)w[i];
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < dim; i++)
            row[i] = (double)x[r * dim + i];
        for (int64_t i = 0; i < dim; i++) {
            const float *d = dy + r * dim;
            want[r * dim + i] = norm_difference(dim, row, weight, bias, d, eps, row + i);
            want_w[i] += norm_difference(dim, row, weight, bias, d, eps, weight + i);
            want_b[i] += norm_difference(dim, row, weight, bias, d, eps, bias + i);
        }
    }
    struct places dweight = places_make(dim, places), dbias = places_make(dim, places);
    struct tleg_layernorm_backward backward = {rows,           dim, x, w,    dy, (float)eps, false, dx, dweight.gradient,
                                               dbias.gradient, 0,   0, false};
    norm_run(kernels, &backward, 1);
    assert_near(dx, want, rows * dim, 3e-5, "dx of layernorm");
    places_check(&dweight, want_w, 5e-6 * sqrt((double)rows), "dweight of layernorm");
    places_check(&dbias, want_b, 5e-6 * sqrt((double)rows), "dbias of layernorm");
    for (int32_t lanes = 2; lanes <= LANES; lanes++) { /* dx added to what is there, and in place of dy */
        float *sum = floats(rows * dim), *expected = copy_of(sum, rows * dim), *place = copy_of(dy, rows * dim);
        struct places other = places_twin(&dweight), other_bias = places_twin(&dbias);
        struct tleg_layernorm_backward added = backward, replaced = backward;
        added.add = true;
        added.dx = sum;
        added.dweight = other.gradient;
        added.dbias = other_bias.gradient;
        norm_run(kernels, &added, lanes);
        for (int64_t i = 0; i < rows * dim; i++)
            expected[i] += dx[i];
        assert_same_bits(sum, expected, rows * dim, "dx of layernorm, added");
        places_same(&dweight, &other, "dweight of layernorm at several lanes");
        places_same(&dbias, &other_bias, "dbias of layernorm at several lanes");
        replaced.dy = replaced.dx = place;
        replaced.dweight = replaced.dbias = (struct tleg_gradient){0};
        norm_run(kernels, &replaced, lanes);
        assert_same_bits(place, dx, rows * dim, "dx of layernorm where dy was");
        places_free(&other);
        places_free(&other_bias);
        free(sum);
        free(expected);
        free(place);
    }
    places_free(&dweight);
    places_free(&dbias);
    void *all[] = {x, w, dy, dx, want, row, want_w, want_b};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void layernorm_gradients_equal_central_differences(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        for (int64_t dim = 1; dim <= 70; dim += 1 + dim / 9)
            check_norm(tables[t], any(9), dim, places_of((int)dim));
        check_norm(tables[t], 64, 24, 2);
        check_norm(tables[t], 203, 33, 16);
    }
}

/* Images with weights of their own have gradients of their own, as each image alone. */
static void layernorm_gradients_go_to_the_weights_of_each_image(void **state) {
    (void)state;
    enum { IMAGES = 3, ROWS = 70, DIM = 19, STRIDE = DIM + 4 }; /* more rows than a chunk */
    for (int t = 0; t < table_count; t++) {
        float *x = floats(IMAGES * ROWS * DIM), *dy = floats(IMAGES * ROWS * DIM), *w = floats(IMAGES * STRIDE);
        float *dx = floats(IMAGES * ROWS * DIM), *alone = floats(IMAGES * ROWS * DIM);
        struct places dweight = places_make(IMAGES * STRIDE, 2), dbias = places_make(IMAGES * STRIDE, 1);
        struct places other = places_twin(&dweight), other_bias = places_twin(&dbias);
        struct tleg_layernorm_backward backward = {.rows = IMAGES * ROWS,
                                                   .dim = DIM,
                                                   .x = x,
                                                   .weight = w,
                                                   .dy = dy,
                                                   .eps = 1e-5F,
                                                   .dx = dx,
                                                   .dweight = dweight.gradient,
                                                   .dbias = dbias.gradient,
                                                   .image_rows = ROWS,
                                                   .norm_stride = STRIDE};
        norm_run(tables[t], &backward, 2);
        backward.rows = ROWS;
        backward.norm_stride = 0;
        backward.dx = alone;
        backward.dweight = other.gradient;
        backward.dbias = other_bias.gradient;
        for (int image = 0; image < IMAGES; image++) {
            norm_run(tables[t], &backward, 1);
            backward.x += ROWS * DIM;
            backward.dy += ROWS * DIM;
            backward.dx += ROWS * DIM;
            backward.weight += STRIDE;
            backward.dweight.tensor[0] += STRIDE;
            backward.dweight.tensor[1] += STRIDE;
            backward.dbias.tensor[0] += STRIDE;
        }
        assert_same_bits(dx, alone, IMAGES * ROWS * DIM, "dx of images");
        places_same(&dweight, &other, "dweight of images");
        places_same(&dbias, &other_bias, "dbias of images");
        places_free(&dweight);
        places_free(&dbias);
        places_free(&other);
        places_free(&other_bias);
        float *all[] = {x, dy, w, dx, alone};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
    }
}

/* ---- attention ---- */

/* out (N, width) of one head of an image whose q, k and v are rows 3 * dim apart; p (N, N) are the probabilities. */
static void head_of(int64_t tokens, int64_t dim, int64_t width, const double *qkv, double *p, double *out) {
    for (int64_t i = 0; i < tokens; i++) {
        double sum = 0, most = -HUGE_VAL;
        for (int64_t j = 0; j < tokens; j++) {
            double s = 0;
            for (int64_t d = 0; d < width; d++)
                s += qkv[i * 3 * dim + d] * qkv[j * 3 * dim + dim + d] / sqrt((double)width);
            p[i * tokens + j] = s;
            most = s > most ? s : most;
        }
        for (int64_t j = 0; j < tokens; j++)
            sum += p[i * tokens + j] = exp(p[i * tokens + j] - most);
        for (int64_t d = 0; d < width; d++)
            out[i * width + d] = 0;
        for (int64_t j = 0; j < tokens; j++) {
            p[i * tokens + j] /= sum;
            for (int64_t d = 0; d < width; d++)
                out[i * width + d] += p[i * tokens + j] * qkv[j * 3 * dim + 2 * dim + d];
        }
    }
}

static void head_gradient(int64_t tokens, int64_t dim, int64_t width, const double *qkv, const float *dout, double *dqkv) {
    double *p = doubles(tokens * tokens), *out = doubles(tokens * width), *dp = doubles(tokens);
    head_of(tokens, dim, width, qkv, p, out);
    for (int64_t i = 0; i < tokens; i++) {
        const float *d_i = dout + i * dim;
        double mean = 0;
        for (int64_t j = 0; j < tokens; j++) {
            dp[j] = 0;
            for (int64_t d = 0; d < width; d++) {
                dp[j] += (double)d_i[d] * qkv[j * 3 * dim + 2 * dim + d];
                dqkv[j * 3 * dim + 2 * dim + d] += p[i * tokens + j] * (double)d_i[d];
            }
            mean += p[i * tokens + j] * dp[j];
        }
        for (int64_t j = 0; j < tokens; j++)
            for (int64_t d = 0; d < width; d++) {
                double ds = p[i * tokens + j] * (dp[j] - mean) / sqrt((double)width);
                dqkv[i * 3 * dim + d] += ds * qkv[j * 3 * dim + dim + d];
                dqkv[j * 3 * dim + dim + d] += ds * qkv[i * 3 * dim + d];
            }
    }
    free(p);
    free(out);
    free(dp);
}

static void attention_run(const struct tleg_kernels *kernels, const struct tleg_attention_backward *backward, int32_t lanes) {
    struct tleg_exec exec =
        exec_make(kernels, tleg_attention_backward_scratch(kernels, backward->tokens, backward->dim, backward->heads), lanes);
    tleg_k_attention_backward(&exec, backward);
    exec_free(&exec);
}

/* d (sum of dout * out) / d qkv[at] by central differences, for one head. */
static double head_difference(int64_t tokens, int64_t dim, int64_t width, double *qkv, const float *dout, int64_t at) {
    const double step = 1e-5;
    double *p = doubles(tokens * tokens), *out = doubles(tokens * width), sums[2] = {0, 0}, middle = qkv[at];
    for (int side = 0; side < 2; side++) {
        qkv[at] = middle + (side ? step : -step);
        head_of(tokens, dim, width, qkv, p, out);
        for (int64_t i = 0; i < tokens; i++)
            for (int64_t d = 0; d < width; d++)
                sums[side] += (double)dout[i * dim + d] * out[i * width + d];
    }
    qkv[at] = middle;
    free(p);
    free(out);
    return (sums[1] - sums[0]) / (2 * step);
}

static void check_attention(const struct tleg_kernels *kernels, int64_t tokens, int64_t heads, int64_t width) {
    const int64_t batch = 2, dim = heads * width, count = batch * tokens * dim;
    float *qkv = floats(3 * count), *dout = floats(count), *dqkv = floats(3 * count), *other = floats(3 * count);
    double *exact = doubles(3 * count), *want = doubles(3 * count);
    for (int64_t i = 0; i < 3 * count; i++)
        exact[i] = (double)qkv[i];
    for (int64_t i = 0; i < batch * heads; i++) {
        int64_t at = i / heads * tokens * dim, column = i % heads * width;
        head_gradient(tokens, dim, width, exact + 3 * at + column, dout + at + column, want + 3 * at + column);
    }
    for (int i = 0; i < 3; i++) { /* the loops above are held against differences too */
        int64_t place = any(tokens * 3 * dim) - 1, head = place % dim / width, column = head * width;
        double difference = head_difference(tokens, dim, width, exact + column, dout + column, place - column);
        assert_true(fabs(difference - want[place]) < 1e-6 * (1 + fabs(difference)));
    }
    struct tleg_attention_backward backward = {batch, tokens, dim, heads, qkv, dout, dqkv};
    attention_run(kernels, &backward, 1);
    assert_near(dqkv, want, 3 * count, 3e-5, "dqkv");
    backward.dqkv = other;
    for (int32_t lanes = 2; lanes <= LANES; lanes++) {
        attention_run(kernels, &backward, lanes);
        assert_same_bits(dqkv, other, 3 * count, "dqkv at several lanes");
    }
    backward.batch = 1;
    backward.qkv += 3 * tokens * dim;
    backward.dout += tokens * dim;
    attention_run(kernels, &backward, 2);
    assert_same_bits(dqkv + 3 * tokens * dim, other, 3 * tokens * dim, "dqkv of one image alone");
    void *all[] = {qkv, dout, dqkv, other, exact, want};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void attention_gradients_are_right_at_odd_sizes(void **state) {
    (void)state;
    const int64_t widths[] = {1, 3, 16, 33, 64}, lengths[] = {1, 2, 15, 31, 64, 65, 129, 197};
    for (int t = 0; t < table_count; t++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
            for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
                check_attention(tables[t], lengths[l], 1 + (int64_t)((w + l) % 3), widths[w]);
}

static void attention_backward_scratch_is_linear_in_tokens(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        size_t once = tleg_attention_backward_scratch(tables[t], 1 << 14, 192, 3).lane;
        size_t twice = tleg_attention_backward_scratch(tables[t], 1 << 15, 192, 3).lane;
        assert_true(twice <= 2 * once);
    }
}

/* ---- element-wise ---- */

static void gelu_slope_is_right_everywhere(void **state) {
    (void)state;
    enum { COUNT = 40003 };
    for (int t = 0; t < table_count; t++) {
        float *x = floats(COUNT), *one = floats(COUNT), *dx = floats(COUNT), *dy = floats(COUNT), *place;
        for (int i = 0; i < COUNT; i++) {
            x[i] = ((float)i - COUNT / 2) / 2000; /* -10 to 10 */
            one[i] = 1;
        }
        tleg_activate_backward(tables[t], TLEG_ACTIVATION_GELU, COUNT, x, one, dx);
        for (int i = 0; i < COUNT; i++) {
            double h = 1e-5, at = (double)x[i], want = (gelu_of(at + h) - gelu_of(at - h)) / (2 * h);
            if (!(fabs((double)dx[i] - want) <= 4e-7))
                fail_msg("gelu'(%.9g) is %.9g, expected %.9g", at, (double)dx[i], want);
        }
        tleg_activate_backward(tables[t], TLEG_ACTIVATION_GELU, COUNT, x, dy, dx);
        for (int i = 0; i < COUNT; i++)
            assert_true(fabs((double)dx[i] - (double)dy[i] * gelu_slope_of((double)x[i])) <= 1e-6 * (1 + fabs((double)dy[i])));
        place = copy_of(dy, COUNT);
        tleg_activate_backward(tables[t], TLEG_ACTIVATION_GELU, COUNT, x, place, place);
        assert_same_bits(place, dx, COUNT, "where dy was");
        memcpy(place, x, COUNT * sizeof *x);
        tleg_activate_backward(tables[t], TLEG_ACTIVATION_GELU, COUNT, place, dy, place);
        assert_same_bits(place, dx, COUNT, "where x was");
        for (int count = 0; count < 40; count++) { /* tails: the same bits, nothing behind */
            memset(place, 0x55, 41 * sizeof *place);
            tleg_activate_backward(tables[t], TLEG_ACTIVATION_GELU, (size_t)count, x, dy, place);
            assert_same_bits(place, dx, count, "a part");
            assert_int_equal(*(unsigned char *)(place + count), 0x55);
        }
        const float special[] = {1000, -1000, 3e38F, -3e38F, NAN, 0, -0.0F, INFINITY, -INFINITY};
        tleg_activate_backward(tables[t], TLEG_ACTIVATION_GELU, 9, special, one, dx);
        assert_true(dx[0] == 1 && dx[1] == 0 && dx[2] == 1 && dx[3] == 0 && isnan(dx[4]) && dx[5] == 0.5F && dx[6] == 0.5F);
        assert_true(isnan(dx[7]) && isnan(dx[8])); /* as PyTorch has it: x phi(x) is inf * 0 */
        float *all[] = {x, one, dx, dy, place};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
    }
}

static void resampling_backward_is_the_adjoint(void **state) {
    (void)state;
    enum { PREFIX = 2, DIM = 3 };
    static const struct tleg_extent pairs[][2] = {{{1, 1}, {4, 4}}, {{5, 5}, {5, 5}}, {{4, 4}, {7, 7}}, {{7, 7}, {4, 4}},
                                                  {{2, 2}, {9, 9}}, {{3, 5}, {7, 2}}, {{8, 1}, {2, 6}}};
    for (size_t i = 0; i < 2 * sizeof pairs / sizeof *pairs; i++) {
        const struct tleg_resampling how = {
            .prefix = PREFIX, .dim = DIM, .from = pairs[i / 2][0], .to = pairs[i / 2][1], .antialias = i % 2 == 1};
        const int64_t from = (PREFIX + tleg_extent_area(how.from)) * DIM, to = (PREFIX + tleg_extent_area(how.to)) * DIM;
        float *in = floats(from), *out = floats(to), *dout = floats(to), *din = floats(from), *before = copy_of(din, from);
        tleg_resample_grid(&how, in, out);
        tleg_resample_grid_backward(&how, dout, din);
        double left = 0, right = 0, size = 0; /* <dout, R in> = <R^T dout, in> */
        for (int64_t j = 0; j < to; j++) {
            left += (double)dout[j] * (double)out[j];
            size += fabs((double)dout[j] * (double)out[j]);
        }
        for (int64_t j = 0; j < from; j++)
            right += ((double)din[j] - (double)before[j]) * (double)in[j];
        assert_true(fabs(left - right) <= 1e-5 * (1 + size));
        float *all[] = {in, out, dout, din, before};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            free(all[j]);
    }
}

static void sizes_that_do_not_fit_are_told(void **state) {
    (void)state;
    const int64_t huge = (int64_t)1 << 40;
    for (int t = 0; t < table_count; t++) {
        assert_true(tleg_weight_backward_scratch(tables[t], TLEG_F32, 1024, huge << 20, 1).shared == SIZE_MAX);
        assert_true(tleg_input_backward_scratch(tables[t], 1, huge, huge).shared == SIZE_MAX);
        assert_true(tleg_layernorm_backward_scratch(tables[t], huge, huge).shared == SIZE_MAX);
        assert_true(tleg_attention_backward_scratch(tables[t], huge, huge, 1).lane == SIZE_MAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layernorm_gradients_equal_central_differences),
        cmocka_unit_test(layernorm_gradients_go_to_the_weights_of_each_image),
        cmocka_unit_test(attention_gradients_are_right_at_odd_sizes),
        cmocka_unit_test(attention_backward_scratch_is_linear_in_tokens),
        cmocka_unit_test(gelu_slope_is_right_everywhere),
        cmocka_unit_test(resampling_backward_is_the_adjoint),
        cmocka_unit_test(sizes_that_do_not_fit_are_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
