/* Products of bf16: where a level multiplies pairs, what comes out is what plain loops in double make of the rounded numbers,
 * to the rounding of the sums alone. Machines without such instructions run the driver and the layout with tiles of plain C. */
#include "kernels/table.h"
#include "tensor/tensor.h"
#include "unit/gradients.h"

/* ---- pairs in plain C: odd tiles, and sums filled up to a multiple of `unit` pairs ---- */

static float number_of(const void *pairs, int64_t place) {
    float value;
    tleg_convert_to_f32(TLEG_BF16, (const char *)pairs + 2 * place, &value, 1);
    return value;
}

static void plain_tile(const struct tleg_tile *tile, int32_t nr) {
    for (int32_t r = 0; r < tile->rows; r++)
        for (int32_t j = 0; j < tile->cols; j++) {
            float sum = 0;
            for (int64_t i = 0; i < tile->k; i++)
                for (int e = 0; e < 2; e++)
                    sum += number_of(tile->a, 2 * (i * tile->a_step + r) + e) * number_of(tile->b, 2 * (i * nr + j) + e);
            sum = sum * (tile->scale ? tile->scale[r] : 1) + (tile->bias ? tile->bias[j] : 0);
            sum = tile->gelu ? (float)gelu_of((double)sum) : sum;
            sum += tile->residual ? tile->residual[r * tile->residual_stride + j] : 0;
            if (tile->hidden)
                sum *= (float)gelu_slope_of((double)tile->hidden[r * tile->hidden_stride + j]);
            tile->out[r * tile->out_stride + j] = sum;
        }
}

static void plain_pack(int64_t rows, int64_t k, int64_t padded, const float *in, int64_t stride, void *out) {
    const float nothing = 0;
    for (int64_t i = 0; i < padded; i++)
        for (int64_t r = 0; r < rows; r++)
            tleg_convert_from_f32(TLEG_BF16, i < k ? in + r * stride + i : &nothing,
                                  (char *)out + 2 * (i / 2 * 2 * rows + 2 * r + i % 2), 1);
}

static void plain_fold(int64_t rows, int64_t padded, int64_t cols, const float *in, int64_t stride, void *out, int64_t wide) {
    const float nothing = 0;
    for (int64_t r = 0; r < padded; r++)
        for (int64_t c = 0; c < wide; c++)
            tleg_convert_from_f32(TLEG_BF16, r < rows && c < cols ? in + r * stride + c : &nothing,
                                  (char *)out + 2 * (r / 2 * 2 * wide + 2 * c + r % 2), 1);
}

static void tile_5_7(const struct tleg_tile *tile) {
    plain_tile(tile, 7);
}
static void pack_single(int64_t rows, int64_t k, const float *in, int64_t stride, void *out) {
    plain_pack(rows, k, (k + 1) / 2 * 2, in, stride, out);
}
static void tile_5_8(const struct tleg_tile *tile) {
    plain_tile(tile, 8);
}
static void fold_single(int64_t rows, int64_t cols, const float *in, int64_t stride, void *out, int64_t wide) {
    plain_fold(rows, (rows + 1) / 2 * 2, cols, in, stride, out, wide);
}
static void tile_34_32(const struct tleg_tile *tile) {
    plain_tile(tile, 32);
}
static void pack_sixteen(int64_t rows, int64_t k, const float *in, int64_t stride, void *out) {
    plain_pack(rows, k, (k + 31) / 32 * 32, in, stride, out);
}
static void fold_sixteen(int64_t rows, int64_t cols, const float *in, int64_t stride, void *out, int64_t wide) {
    plain_fold(rows, (rows + 31) / 32 * 32, cols, in, stride, out, wide);
}
static const struct tleg_pairs plain[] = {
    {.mr = 5, .nr = 7, .unit = 1, .tile = tile_5_7, .pack = pack_single},
    {.mr = 5, .nr = 8, .unit = 1, .tile = tile_5_8, .pack = pack_single, .fold = fold_single},
    {.mr = 5, .nr = 8, .unit = 16, .tile = tile_5_8, .pack = pack_sixteen, .fold = fold_sixteen},
    {.mr = 34, .nr = 32, .unit = 16, .tile = tile_34_32, .pack = pack_sixteen}};
enum { PLAIN = sizeof plain / sizeof plain[0] };
static struct tleg_kernels plain_tables[PLAIN];

/* ---- products ---- */

struct product {
    int64_t m, n, k;
    float *x, *bias, *residual, *norm; /* norm: weight, then bias */
    float *base, *ilayer;              /* row-major W */
    struct tleg_weight weight;         /* of bf16 */
    float *packed[2];
    void *stored;
};

static float *packed_of(const struct tleg_kernels *kernels, int64_t n, int64_t k, const float *w) {
    float *packed = floats((int64_t)tleg_packed_count(kernels, TLEG_BF16, n, k));
    tleg_pack(kernels, TLEG_BF16, n, k, w, packed);
    return packed;
}

static struct product product_make(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k) {
    struct product p = {.m = m,
                        .n = n,
                        .k = k,
                        .x = floats(m * k),
                        .bias = floats(n),
                        .residual = floats(m * n),
                        .norm = floats(2 * k),
                        .base = floats(n * k),
                        .ilayer = floats(n * k)};
    p.packed[0] = packed_of(kernels, n, k, p.base);
    p.packed[1] = packed_of(kernels, n, k, p.ilayer);
    size_t count = tleg_packed_count(kernels, TLEG_BF16, n, k);
    p.stored = floats((int64_t)(count + 1) / 2);
    tleg_expand(kernels, p.packed[0], NULL, 0, count, TLEG_BF16, p.stored);
    p.weight = (struct tleg_weight){.n = n, .k = k, .base = p.stored, .stored = TLEG_BF16, .rounded = TLEG_BF16};
    return p;
}

static void product_free(struct product *p) {
    void *all[] = {p->x, p->bias, p->residual, p->norm, p->base, p->ilayer, p->packed[0], p->packed[1], p->stored};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void run(const struct tleg_kernels *kernels, const struct product *p, struct tleg_rows rows, int64_t m, int32_t lanes,
                float *out) {
    struct tleg_exec exec = exec_make(kernels, tleg_gemm_scratch(kernels, TLEG_BF16, m, p->n, p->k), lanes);
    tleg_gemm(
        &exec,
        &(struct tleg_gemm){
            .m = m,
            .rows = rows,
            .weight = &p->weight,
            .epilogue = {.bias = p->bias, .gelu = p->k % 2, .residual = p->n % 2 ? NULL : p->residual, .residual_stride = p->n},
            .out = out,
            .out_stride = p->n});
    exec_free(&exec);
}

static struct tleg_rows plain_rows(const struct product *p, const float *x) {
    return (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = x, .stride = p->k};
}

static double rounded(float x) {
    uint16_t half = tleg_bf16_from_f32(x);
    float wide;
    tleg_convert_to_f32(TLEG_BF16, &half, &wide, 1);
    return (double)wide;
}

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
            const float c = i % 4 ? 2.0F / 3 : 0;
            const float *ilayer = i % 4 ? p.packed[1] : NULL;
            tleg_expand(tables[t], p.packed[0], ilayer, c, tleg_packed_count(tables[t], TLEG_BF16, p.n, p.k), TLEG_BF16,
                        p.stored);
            run(tables[t], &p, plain_rows(&p, p.x), p.m, 1 + i % LANES, stored);
            p.weight.base = p.packed[0];
            p.weight.ilayer = ilayer;
            p.weight.c = c;
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
                                 .x = p.x,
                                 .stride = p.k,
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

/* ---- attention ---- */

/* Query i of a head against all keys, of rounded q, k and v; the exponentials are not rounded: *room is what that may change.
 */
static double attended(const float *qkv, int64_t tokens, int64_t dim, int64_t width, int64_t i, int64_t d, double *room) {
    double top = -INFINITY, sum = 0, out = 0, size = 0, scores[256];
    const float scale = 1.0F / sqrtf((float)width);
    for (int64_t j = 0; j < tokens; j++) {
        scores[j] = 0;
        for (int64_t e = 0; e < width; e++)
            scores[j] += rounded(qkv[i * 3 * dim + e] * scale) * rounded(qkv[j * 3 * dim + dim + e]);
        top = scores[j] > top ? scores[j] : top;
    }
    for (int64_t j = 0; j < tokens; j++) {
        double p = exp(scores[j] - top), v = rounded(qkv[j * 3 * dim + 2 * dim + d]);
        sum += p;
        out += p * v;
        size += p * fabs(v);
    }
    *room = size / sum / 256 + 1e-6;
    return out / sum;
}

static void attend(const struct tleg_kernels *kernels, struct tleg_attention attention, int32_t lanes, float *out) {
    struct tleg_exec exec = exec_make(
        kernels, tleg_attention_scratch(kernels, attention.dtype, attention.tokens, attention.dim, attention.heads), lanes);
    attention.out = out;
    tleg_attention(&exec, &attention);
    exec_free(&exec);
}

static void attention_of_rounded_numbers_is_right_at_odd_sizes(void **state) {
    (void)state;
    const int64_t widths[] = {1, 3, 8, 33, 64}, lengths[] = {1, 2, 5, 30, 65, 197};
    for (int t = 0; t < table_count; t++)
        for (int i = 0; i < 30 && tables[t]->pairs->fold; i++) {
            int64_t width = widths[i % 5], tokens = lengths[i % 6], heads = 1 + i % 3, dim = heads * width,
                    count = 2 * tokens * dim;
            float *qkv = floats(3 * count), *out = floats(count), *other = floats(count);
            struct tleg_attention attention = {2, tokens, dim, heads, qkv, NULL, TLEG_BF16};
            attend(tables[t], attention, 1, out);
            for (int64_t at = 0; at < count; at++) {
                int64_t image = at / (tokens * dim), row = at / dim % tokens, head = at % dim / width;
                double room,
                    want = attended(qkv + image * tokens * 3 * dim + head * width, tokens, dim, width, row, at % width, &room);
                if (!(fabs((double)out[at] - want) <= room))
                    fail_msg("attention of %d tokens, width %d: %g, expected %g", (int)tokens, (int)width, (double)out[at],
                             want);
            }
            attend(tables[t], attention, 3, other);
            assert_same_bits(out, other, count, "attention at several lanes");
            attention.batch = 1;
            attention.qkv = qkv + 3 * tokens * dim;
            attend(tables[t], attention, 2, other);
            assert_same_bits(out + tokens * dim, other, count / 2, "attention of one image alone");
            free(qkv);
            free(out);
            free(other);
        }
}

/* ---- gradients ---- */

static void differentiate(const struct tleg_kernels *kernels, struct tleg_weight_backward backward, int32_t lanes) {
    backward.rounded = TLEG_BF16;
    struct tleg_exec exec =
        exec_make(kernels, tleg_weight_backward_scratch(kernels, TLEG_BF16, backward.m, backward.n, backward.k), lanes);
    tleg_weight_backward(&exec, &backward);
    exec_free(&exec);
}

/* dW = dY^T X of rounded numbers; the bias's gradient is of dY as it is. */
static void check_gradient(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k, bool ilayer) {
    float *dy = floats(m * n), *x = floats(m * k);
    struct places weight = places_make(n * k, ilayer), bias = places_make(n, ilayer);
    double *want = doubles(n * k), *want_bias = doubles(n);
    for (int64_t r = 0; r < m; r++)
        for (int64_t j = 0; j < n; j++) {
            want_bias[j] += (double)dy[r * n + j];
            for (int64_t i = 0; i < k; i++)
                want[j * k + i] += rounded(dy[r * n + j]) * rounded(x[r * k + i]);
        }
    struct tleg_weight_backward backward = {m, n, k, dy, n, {.x = x, .stride = k}, weight.gradient, bias.gradient, TLEG_BF16};
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
        assert_int_equal(tleg_folds(tables[t]), tables[t]->pairs->fold != NULL);
        for (int64_t m = 1; m <= 70 && tleg_folds(tables[t]); m++)
            check_gradient(tables[t], m, any(40), any(70), m % 2);
        if (tleg_folds(tables[t])) {
            check_gradient(tables[t], 513, 31, 35, true); /* more rows than a chunk, and than two */
            check_gradient(tables[t], 1101, 15, 9, false);
        }
    }
}

static void rows_through_gelu_are_folded_behind_it(void **state) {
    (void)state;
    enum { M = 77, N = 21, K = 35 };
    for (int t = 0; t < table_count; t++) {
        if (!tleg_folds(tables[t]))
            continue;
        float *dy = floats(M * N), *x = floats(M * K), *y = floats(M * K);
        struct places weight = places_make(N * K, true), other = places_twin(&weight);
        struct tleg_weight_backward backward = {.m = M, .n = N, .k = K, .dy = dy, .dy_stride = N};
        tleg_gelu(tables[t], M * K, x, y);
        backward.rows = (struct tleg_rows){.kind = TLEG_ROWS_GELU, .x = x, .stride = K};
        backward.weight = weight.gradient;
        differentiate(tables[t], backward, 2);
        backward.rows = (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = y, .stride = K};
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
        for (int i = 0; i < 20 && tleg_folds(tables[t]); i++) {
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
        struct tleg_gemm gemm = {.m = p.m, .rows = plain_rows(&p, p.x), .weight = &p.weight, .out = out, .out_stride = p.n};
        tleg_gemm(&exec, &gemm);
        gemm.epilogue.hidden = gemm.out = through; /* in place */
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

/* ---- whole tables ---- */

static void a_level_without_such_products_widens(void **state) {
    (void)state;
    const struct tleg_kernels *portable = tleg_kernels_find(TLEG_LEVEL_PORTABLE, TLEG_GEMM_OWN);
    assert_null(portable->pairs);
    assert_false(tleg_folds(portable));
    assert_int_equal(tleg_packed_count(portable, TLEG_BF16, 9, 7), tleg_packed_count(portable, TLEG_F32, 9, 7));
    const struct tleg_kernels *blas = tleg_kernels_find(TLEG_LEVEL_BEST, TLEG_GEMM_BLAS);
    assert_true(!blas || !blas->pairs);
}

static int setup_products(void **state) {
    (void)state;
    tleg_random_seed(&numbers, 11, 0);
    tleg_context_options options = {.struct_size = sizeof options, .workers = LANES};
    if (tleg_team_create(&tleg_default_allocator, &options, &team) != TLEG_OK)
        return -1;
    for (int i = 0; i < PLAIN; i++) {
        plain_tables[i] = *tleg_kernels_find(TLEG_LEVEL_PORTABLE, TLEG_GEMM_OWN);
        plain_tables[i].pairs = &plain[i];
        tables[table_count++] = &plain_tables[i];
    }
    struct backend backends[MAX_BACKENDS];
    int32_t count = support_backends(backends);
    for (int32_t i = 0; i < count; i++) {
        const struct tleg_kernels *kernels = tleg_kernels_find(backends[i].level, backends[i].gemm);
        bool pairs = kernels->pairs && table_count < MAX_BACKENDS;
        printf("level %s: %s\n", backends[i].name, pairs ? "multiplies bf16" : "widens");
        if (pairs)
            tables[table_count++] = kernels;
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_rounded_numbers_are_right_at_odd_sizes),
        cmocka_unit_test(bits_depend_on_no_lane_and_on_no_other_row),
        cmocka_unit_test(formed_panels_equal_stored_ones),
        cmocka_unit_test(rows_through_layernorm_are_rounded_behind_it),
        cmocka_unit_test(attention_of_rounded_numbers_is_right_at_odd_sizes),
        cmocka_unit_test(a_nan_stays_in_its_row),
        cmocka_unit_test(weight_gradients_of_rounded_numbers_are_right_at_odd_sizes),
        cmocka_unit_test(rows_through_gelu_are_folded_behind_it),
        cmocka_unit_test(a_transpose_is_packed_as_the_turned_matrix_is),
        cmocka_unit_test(a_product_goes_on_through_gelu_backward),
        cmocka_unit_test(a_level_without_such_products_widens),
    };
    return cmocka_run_group_tests(tests, setup_products, teardown);
}
