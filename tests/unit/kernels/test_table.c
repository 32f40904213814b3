/* Single kernels of each level against what lib/kernels/table.h promises. Every array ends where memory ends, so that whoever
 * reads or writes behind it is stopped, in an emulator too. */
#include "kernels/table.h"
#include "support/support.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TABLES = 16, ARRAYS = 16 };

static const struct tleg_kernels *tables[TABLES];
static int table_count;
static struct tleg_random numbers;

/* ---- arrays at the end of memory ---- */

static struct {
    void *from;
    size_t bytes;
} arrays[ARRAYS];
static int array_count;

static float *floats(int64_t count) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (size_t)count * sizeof(float);
    size_t bytes = (size + page - 1) / page * page + page;
    char *from = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(from != MAP_FAILED && array_count < ARRAYS);
    assert_int_equal(mprotect(from + bytes - page, page, PROT_NONE), 0);
    arrays[array_count].from = from;
    arrays[array_count++].bytes = bytes;
    float *x = (float *)(void *)(from + bytes - page - size);
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)tleg_random_normal(&numbers, 4);
    return x;
}

static float *copy_of(const float *x, int64_t count) {
    float *copy = floats(count);
    memcpy(copy, x, (size_t)count * sizeof *x);
    return copy;
}

static void free_arrays(void) {
    while (array_count > 0) {
        array_count--;
        munmap(arrays[array_count].from, arrays[array_count].bytes);
    }
}

static int64_t any(int64_t most) {
    return 1 + (int64_t)(tleg_random_next(&numbers) % (uint64_t)most);
}

static void assert_same(const float *got, const float *want, int64_t count, const char *what) {
    for (int64_t i = 0; i < count; i++)
        if (memcmp(got + i, want + i, sizeof *got) != 0)
            fail_msg("%s: element %d is %.9g, expected %.9g", what, (int)i, (double)got[i], (double)want[i]);
}

/* ---- the register tile ---- */

static double gelu_of(double x) {
    return x * 0.5 * erfc(-x / sqrt(2));
}

static double gelu_slope_of(double x) {
    return 0.5 * erfc(-x / sqrt(2)) + x * 0.398942280401432678 * exp(-0.5 * x * x);
}

static double tile_element(const struct tleg_tile *tile, int64_t nr, int64_t r, int64_t j) {
    double sum = 0;
    for (int64_t i = 0; i < tile->k; i++)
        sum += (double)tile->a[i * tile->a_step + r] * (double)tile->b[i * nr + j];
    sum = sum * (tile->scale ? (double)tile->scale[r] : 1) + (tile->bias ? (double)tile->bias[j] : 0);
    sum = tile->activation == TLEG_ACTIVATION_GELU && !tile->hidden ? gelu_of(sum) : sum;
    sum *= tile->column_scale ? (double)tile->column_scale[j] : 1;
    sum += tile->residual ? (double)tile->residual[r * tile->residual_stride + j] : 0;
    return sum * (tile->hidden ? gelu_slope_of((double)tile->hidden[r * tile->hidden_stride + j]) : 1);
}

/* `parts`: a bit for each part of the epilogue. */
static void check_tile(const struct tleg_kernels *kernels, int32_t rows, int32_t cols, int64_t k, int parts) {
    int64_t nr = kernels->nr, step = rows + parts % 3, stride = cols + parts % 4, count = (rows - 1) * stride + cols;
    struct tleg_tile tile = {.k = k,
                             .a = floats((k - 1) * step + rows),
                             .a_step = step,
                             .b = floats(k * nr),
                             .rows = rows,
                             .cols = cols,
                             .out = floats(count),
                             .out_stride = stride,
                             .scale = parts & 1 ? floats(rows) : NULL,
                             .bias = parts & 2 ? floats(cols) : NULL,
                             .residual = parts & 4 ? floats((rows - 1) * (cols + 1) + cols) : NULL,
                             .residual_stride = cols + 1,
                             .hidden = parts & 8 ? floats((rows - 1) * (cols + 2) + cols) : NULL,
                             .hidden_stride = cols + 2,
                             .column_scale = parts & 32 ? floats(cols) : NULL,
                             .activation = parts & (8 | 16) ? TLEG_ACTIVATION_GELU : TLEG_ACTIVATION_NONE};
    const float *before = copy_of(tile.out, count);
    kernels->tile(&tile);
    for (int64_t i = 0; i < count; i++) {
        int64_t r = i / stride, j = i % stride;
        double want = j < cols ? tile_element(&tile, nr, r, j) : (double)before[i], got = (double)tile.out[i];
        if (j < cols ? !(fabs(got - want) <= 2e-5 * (1 + fabs(want))) : got != want)
            fail_msg("%s: %dx%d, %d of k, parts %d: (%d, %d) is %.9g, expected %.9g", kernels->name, (int)rows, (int)cols,
                     (int)k, parts, (int)r, (int)j, got, want);
    }
    free_arrays();
}

static void a_tile_of_any_size_does_each_part_of_its_epilogue(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int32_t rows = 1; rows <= tables[t]->mr; rows++)
            for (int32_t cols = 1; cols <= tables[t]->nr; cols++) {
                check_tile(tables[t], rows, cols, any(9), 0);
                check_tile(tables[t], rows, cols, any(9), (rows * tables[t]->nr + cols) % 64);
            }
}

/* ---- softmax ---- */

/* The largest score of each column at any key, and far above the others; those are spread this wide. */
static void check_softmax(const struct tleg_kernels *kernels, int64_t keys, int64_t cols, float spread) {
    int64_t nr = kernels->nr;
    float *s = floats(keys * nr), *inverse = floats(nr);
    for (int64_t i = 0; i < keys * nr; i++)
        s[i] *= spread;
    for (int64_t j = 0; j < nr; j++)
        s[(any(keys) - 1) * nr + j] = 9 * spread;
    const float *before = copy_of(s, keys * nr);
    kernels->softmax(keys, cols, s, inverse);
    for (int64_t j = 0; j < cols; j++) {
        double sum = 0;
        float most = before[j];
        for (int64_t i = 1; i < keys; i++)
            most = before[i * nr + j] > most ? before[i * nr + j] : most;
        for (int64_t i = 0; i < keys; i++) {
            double want = exp((double)(before[i * nr + j] - most)), got = (double)s[i * nr + j];
            sum += want;
            if (!(fabs(got - want) <= 2.4e-7 * want + 1.2e-38)) /* 2 to 4 units in the last place; 0 below the normal numbers */
                fail_msg("%s: key %d of %d: %.9g, expected %.9g", kernels->name, (int)i, (int)keys, got, want);
        }
        if (!(fabs((double)inverse[j] * sum - 1) <= 1e-6))
            fail_msg("%s: %d keys: inverse %.9g, sum %.9g", kernels->name, (int)keys, (double)inverse[j], sum);
    }
    free_arrays();
}

static void softmax_is_exact_to_two_units_wherever_the_largest_score_is(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int64_t keys = 1; keys <= 40; keys++)
            for (int64_t cols = 1; cols <= tables[t]->nr; cols++)
                check_softmax(tables[t], keys, cols, 10);
}

/* Weights that grew in a training give such scores: what is far below the largest is 0, and never NaN. */
static void softmax_takes_scores_of_any_size(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (float spread = 1e-3F; spread < 1e37F; spread *= 30)
            check_softmax(tables[t], 9, tables[t]->nr, spread);
}

/* ---- copies and sums of rows ---- */

static void a_copy_is_filled_up_with_zeros(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int64_t wide = 1; wide <= 40; wide++) {
            int64_t rows = any(5), cols = any(wide), stride = cols + any(3) - 1;
            const float *in = floats((rows - 1) * stride + cols);
            float *out = floats(rows * wide), *want = floats(rows * wide);
            for (int64_t i = 0; i < rows * wide; i++)
                want[i] = i % wide < cols ? in[i / wide * stride + i % wide] * 0.75F : 0;
            tables[t]->copy(rows, cols, in, stride, 0.75F, out, wide);
            assert_same(out, want, rows * wide, "copy");
            free_arrays();
        }
}

static void a_transpose_stays_inside_its_columns(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int64_t rows = 1; rows <= 20; rows++)
            for (int64_t cols = 1; cols <= 20; cols++) {
                int64_t in_stride = cols + any(3) - 1, out_stride = rows + any(3) - 1, count = (cols - 1) * out_stride + rows;
                const float *in = floats((rows - 1) * in_stride + cols);
                float *out = floats(count), *want = copy_of(out, count);
                for (int64_t c = 0; c < cols; c++)
                    for (int64_t r = 0; r < rows; r++)
                        want[c * out_stride + r] = in[r * in_stride + c] * 0.75F;
                tables[t]->transpose(rows, cols, in, in_stride, 0.75F, out, out_stride);
                assert_same(out, want, count, "transpose");
                free_arrays();
            }
}

static void rows_are_summed_in_rising_order(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int64_t cols = 1; cols <= 140; cols++) {
            int64_t rows = any(9), stride = cols + any(3) - 1;
            const float *in = floats((rows - 1) * stride + cols);
            float *out = floats(cols), *want = floats(cols);
            for (int64_t c = 0; c < cols; c++) {
                want[c] = in[c];
                for (int64_t r = 1; r < rows; r++)
                    want[c] += in[r * stride + c];
            }
            tables[t]->sum_rows(rows, cols, in, stride, out);
            assert_same(out, want, cols, "sums of rows");
            free_arrays();
        }
}

static int setup(void **state) {
    (void)state;
    tleg_random_seed(&numbers, 11, 0);
    for (int32_t level = TLEG_LEVEL_PORTABLE; level <= TLEG_LEVEL_NEON; level++) {
        const struct tleg_kernels *own = tleg_kernels_find(level, TLEG_GEMM_OWN);
        if (own)
            tables[table_count++] = own;
    }
    return 0;
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tile_of_any_size_does_each_part_of_its_epilogue),
        cmocka_unit_test(softmax_is_exact_to_two_units_wherever_the_largest_score_is),
        cmocka_unit_test(softmax_takes_scores_of_any_size),
        cmocka_unit_test(a_copy_is_filled_up_with_zeros),
        cmocka_unit_test(a_transpose_stays_inside_its_columns),
        cmocka_unit_test(rows_are_summed_in_rising_order),
    };
    support_filter(argc, argv);
    return cmocka_run_group_tests(tests, setup, NULL);
}
