/* What the suites of bf16 share: tables whose products are of pairs, and a product to run. Machines without such instructions
 * run the drivers and the layouts with tiles of plain C; with AVX512-BF16 alone, AMX's tile runs on registers in memory. */
#ifndef TLEG_TESTS_NARROW_TABLES_H
#define TLEG_TESTS_NARROW_TABLES_H

#include "kernels/table.h"
#include "support/gradients.h"
#include "tensor/tensor.h"
#if defined(__x86_64__)
#include "support/amx.h"
#endif

/* ---- pairs in plain C: odd tiles, and sums filled up to a multiple of `unit` pairs ---- */

static float number_of(const void *halves, int64_t place) {
    uint32_t bits = (uint32_t)((const uint16_t *)halves)[place] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void round_to(float x, void *halves, int64_t place) {
    tleg_convert_from_f32(TLEG_BF16, &x, (char *)halves + 2 * place, 1);
}

static void plain_tile(const struct tleg_tile *tile, int32_t nr) {
    for (int32_t r = 0; r < tile->rows; r++)
        for (int32_t j = 0; j < tile->cols; j++) {
            float sum = 0;
            for (int64_t i = 0; i < tile->k; i++)
                for (int e = 0; e < 2; e++)
                    sum += number_of(tile->a, 2 * (i * tile->a_step + r * tile->a_row) + e) *
                           number_of(tile->b, 2 * (i * nr + j) + e);
            sum = sum * (tile->scale ? tile->scale[r] : 1) + (tile->bias ? tile->bias[j] : 0);
            sum = tile->activation != TLEG_ACTIVATION_NONE && !tile->hidden ? (float)gelu_of((double)sum) : sum;
            sum *= tile->column_scale ? tile->column_scale[j] : 1;
            sum += tile->residual ? tile->residual[r * tile->residual_stride + j] : 0;
            if (tile->hidden)
                sum *= (float)gelu_slope_of((double)tile->hidden[r * tile->hidden_stride + j]);
            if (tile->narrow_out)
                round_to(sum, tile->out, r * tile->out_stride + j);
            else
                tile->out[r * tile->out_stride + j] = sum;
        }
}

static void plain_pack(int64_t rows, int64_t k, const float *in, int64_t stride, int64_t steps, void *out) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < 2 * steps; i++)
            round_to(i < k ? in[r * stride + i] : 0, out, 2 * r * steps + i);
}

static void plain_interleave_f32(int64_t rows, int64_t cols, const float *in, int64_t stride, int64_t steps, void *out,
                                 int64_t wide) {
    for (int64_t r = 0; r < 2 * steps; r++)
        for (int64_t c = 0; c < wide; c++)
            round_to(r < rows && c < cols ? in[r * stride + c] : 0, out, r / 2 * 2 * wide + 2 * c + r % 2);
}

static void plain_interleave_narrow(int64_t rows, int64_t cols, const void *in, int64_t stride, int64_t steps, void *out,
                                    int64_t wide) {
    for (int64_t r = 0; r < 2 * steps; r++)
        for (int64_t c = 0; c < wide; c++)
            ((uint16_t *)out)[r / 2 * 2 * wide + 2 * c + r % 2] =
                r < rows && c < cols ? ((const uint16_t *)in)[r * stride + c] : 0;
}

static void plain_transpose_steps(int64_t rows, int64_t cols, const void *in, int64_t in_stride, void *out,
                                  int64_t out_stride) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            memcpy((char *)out + 4 * (c * out_stride + r), (const char *)in + 4 * (r * in_stride + c), 4);
}

static void plain_softmax(int64_t rows, int64_t keys, float scale, const float *s, int64_t stride, int64_t steps, void *p,
                          float *inverse) {
    for (int64_t r = 0; r < rows; r++, s += stride) {
        float top = s[0], sum = 0;
        for (int64_t j = 1; j < keys; j++)
            top = s[j] > top ? s[j] : top;
        for (int64_t j = 0; j < 2 * steps; j++) {
            float e = j < keys ? expf(scale * (s[j] - top)) : 0;
            sum += e;
            round_to(e, p, 2 * r * steps + j);
        }
        inverse[r] = 1 / sum;
    }
}

static void tile_5_7(const struct tleg_tile *tile) {
    plain_tile(tile, 7);
}
static void tile_5_8(const struct tleg_tile *tile) {
    plain_tile(tile, 8);
}
static void tile_34_32(const struct tleg_tile *tile) {
    plain_tile(tile, 32);
}
#define PLAIN_NARROW                                                                                                           \
    .dtype = TLEG_BF16, .per_step = 2, .pack = plain_pack, .interleave_f32 = plain_interleave_f32,                             \
    .interleave_narrow = plain_interleave_narrow, .transpose_steps = plain_transpose_steps, .softmax = plain_softmax
static const struct tleg_narrow plain[] = {
    {.mr = 5, .nr = 7, .unit = 1, .tile = tile_5_7, PLAIN_NARROW},
    {.mr = 5, .nr = 8, .unit = 16, .tile = tile_5_8, PLAIN_NARROW},
    {.mr = 34, .nr = 32, .unit = 16, .tile = tile_34_32, PLAIN_NARROW},
#if defined(__x86_64__)
    {.dtype = TLEG_BF16,
     .per_step = 2,
     .mr = 32,
     .nr = 32,
     .unit = 16,
     .tile = emulated_amx_tile,
     .pack = tleg_avx512bf16_pack,
     .interleave_f32 = tleg_avx512bf16_interleave_f32,
     .interleave_narrow = tleg_avx512bf16_interleave_narrow,
     .transpose_steps = tleg_avx512bf16_transpose_steps,
     .softmax = tleg_avx512bf16_softmax},
#endif
};
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

static inline float *packed_of(const struct tleg_kernels *kernels, int64_t n, int64_t k, const float *w) {
    float *packed = floats((int64_t)tleg_packed_count(kernels, TLEG_BF16, n, k));
    tleg_pack(kernels, TLEG_BF16, n, k, w, packed);
    return packed;
}

static inline struct product product_make(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k) {
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
    tleg_convert(kernels, p.packed[0], count, TLEG_BF16, p.stored);
    p.weight =
        (struct tleg_weight){.n = n, .k = k, .basis = tleg_basis_one(p.stored), .stored = TLEG_BF16, .rounded = TLEG_BF16};
    return p;
}

static inline void product_free(struct product *p) {
    void *all[] = {p->x, p->bias, p->residual, p->norm, p->base, p->ilayer, p->packed[0], p->packed[1], p->stored};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static inline void run(const struct tleg_kernels *kernels, const struct product *p, struct tleg_rows rows, int64_t m,
                       int32_t lanes, float *out) {
    struct tleg_exec exec = exec_make(kernels, tleg_gemm_scratch(kernels, TLEG_BF16, m, p->n, p->k), lanes);
    tleg_gemm(&exec, &(struct tleg_gemm){.m = m,
                                         .rows = rows,
                                         .weight = &p->weight,
                                         .epilogue = {.bias = p->bias,
                                                      .activation = p->k % 2 ? TLEG_ACTIVATION_GELU : TLEG_ACTIVATION_NONE,
                                                      .residual = p->n % 2 ? NULL : p->residual,
                                                      .residual_stride = p->n},
                                         .out = tleg_target_f32(out, p->n)});
    exec_free(&exec);
}

static inline struct tleg_rows plain_rows(const struct product *p, const float *x) {
    return (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(x, p->k)};
}

static inline double rounded(float x) {
    uint16_t half = tleg_bf16_from_f32(x);
    return (double)number_of(&half, 0);
}

/* ---- tables ---- */

static inline int setup_products(void **state) {
    (void)state;
    tleg_random_seed(&numbers, 11, 0);
    tleg_context_options options = {.struct_size = sizeof options, .workers = LANES};
    if (tleg_team_create(NULL, &tleg_default_allocator, &options, &team) != TLEG_OK)
        return -1;
    for (int i = 0; i < PLAIN; i++) {
        if (plain[i].pack != plain_pack && !tleg_level_usable(TLEG_LEVEL_AVX512BF16)) {
            SKIP_PART("%s", "AMX's tile on registers in memory needs AVX512-BF16 besides");
            continue;
        }
        plain_tables[i] = *tleg_kernels_find(TLEG_LEVEL_PORTABLE, TLEG_GEMM_OWN);
        plain_tables[i].narrow = &plain[i];
        tables[table_count++] = &plain_tables[i];
    }
    struct backend backends[MAX_BACKENDS];
    int32_t count = support_backends(backends);
    for (int32_t i = 0; i < count; i++) {
        const struct tleg_kernels *kernels = tleg_kernels_find(backends[i].level, backends[i].gemm);
        bool narrow = kernels->narrow && table_count < MAX_BACKENDS;
        printf("level %s: %s\n", backends[i].name, narrow ? "multiplies bf16" : "widens");
        if (narrow)
            tables[table_count++] = kernels;
    }
    return 0;
}

#endif
