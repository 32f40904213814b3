/* Sums over bases against one number at a time; and several layers made at once, past the caches, against each of them made
 * alone. */
#include "kernels/kernels.h"
#include "support/support.h"
#include "tensor/tensor.h"
#include <stdlib.h>
#include <string.h>

enum { COUNT = 1500, DEPTH = 5, TABLES = 16, MARK = 0x55 };

static const struct tleg_kernels *tables[TABLES];
static int table_count;
static float tensors[TLEG_MAX_BASIS][COUNT];

/* A layer's: of 1, 2, 3, 4 or 16 tensors. */
static struct tleg_basis basis_of(int layer) {
    static const int32_t terms[DEPTH] = {2, 1, 3, 4, 16};
    struct tleg_basis basis = {.count = terms[layer]};
    for (int32_t j = 0; j < basis.count; j++) {
        basis.tensor[j] = tensors[j];
        basis.c[j] = j == 0 ? 1 : (float)layer / DEPTH / (float)j;
    }
    return basis;
}

/* Expands [first, first + count) of DEPTH layers whose memory begins `shift` elements behind a multiple of 64 bytes. */
static void assert_layers(const struct tleg_kernels *kernels, int32_t dtype, size_t shift, size_t first, size_t count) {
    static _Alignas(64) char out[DEPTH][(COUNT + 64) * sizeof(float)];
    char want[(COUNT + 64) * sizeof(float)];
    const size_t size = tleg_dtype_size(dtype);
    struct tleg_formed layers[DEPTH];
    memset(out, MARK, sizeof out);
    for (int l = 0; l < DEPTH; l++)
        layers[l] = (struct tleg_formed){basis_of(l), out[l] + shift * size};
    tleg_expand_layers(kernels, layers, DEPTH, first, count, dtype);
    for (int l = 0; l < DEPTH; l++) {
        memset(want, MARK, sizeof want);
        tleg_expand(kernels, &layers[l].basis, first, count, dtype, want + (shift + first) * size);
        if (memcmp(out[l], want, sizeof want) != 0)
            fail_msg("%s, dtype %d, shift %zu: layer %d of %zu elements from %zu on differs from the layer alone",
                     tleg_level_name(tleg_kernels_level(kernels)), dtype, shift, l, count, first);
    }
}

static void layers_made_together_have_the_bits_of_layers_made_alone(void **state) {
    (void)state;
    static const int32_t types[] = {TLEG_F32, TLEG_F16, TLEG_BF16};
    static const size_t counts[] = {0, 1, 15, 16, 17, 31, 33, 255, 256, 257, 1024, 1333};
    static const size_t firsts[] = {0, 1, 16, 96};
    for (int t = 0; t < table_count; t++)
        for (size_t y = 0; y < sizeof types / sizeof *types; y++)
            for (size_t shift = 0; shift < 33; shift += shift < 2 ? 1 : 5)
                for (size_t f = 0; f < sizeof firsts / sizeof *firsts; f++)
                    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
                        assert_layers(tables[t], types[y], shift, firsts[f], counts[c]);
}

/* Each product and each sum goes through memory, so that it is rounded. */
static float sum_of(const struct tleg_basis *basis, size_t i) {
    volatile float sum = *((const float *)basis->tensor[0] + i);
    if (basis->c[0] != 1)
        sum = basis->c[0] * sum;
    for (int32_t j = 1; j < basis->count; j++) {
        volatile float product = basis->c[j] * *((const float *)basis->tensor[j] + i);
        sum = sum + product;
    }
    return sum;
}

static void a_sum_rounds_each_product_and_each_sum(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, 3, 4, 5, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 257, 1333};
    for (int t = 0; t < table_count; t++)
        for (int layer = 0; layer < DEPTH; layer++)
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
                for (size_t first = 0; first < 20; first += 5) {
                    struct tleg_basis basis = basis_of(layer);
                    if (basis.count > 1 && c % 2)
                        basis.c[0] = -0.3F;
                    float out[COUNT + 1], want[COUNT + 1];
                    memset(out, MARK, sizeof out);
                    memset(want, MARK, sizeof want);
                    for (size_t i = 0; i < counts[c]; i++)
                        want[i] = sum_of(&basis, first + i);
                    tleg_expand(tables[t], &basis, first, counts[c], TLEG_F32, out);
                    if (memcmp(out, want, sizeof out) != 0)
                        fail_msg("%s: %zu elements from %zu on, %d tensors", tleg_level_name(tleg_kernels_level(tables[t])),
                                 counts[c], first, basis.count);
                }
}

static int prepare(void **state) {
    (void)state;
    struct backend backends[MAX_BACKENDS];
    const int32_t found = support_backends(backends);
    for (int32_t i = 0; i < found; i++)
        tables[table_count++] = tleg_kernels_find(backends[i].level, backends[i].gemm);
    struct tleg_random random;
    tleg_random_seed(&random, 3, 0);
    for (int i = 0; i < TLEG_MAX_BASIS * COUNT; i++)
        tensors[i / COUNT][i % COUNT] = (float)tleg_random_normal(&random, 4);
    return table_count > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_sum_rounds_each_product_and_each_sum),
                                       cmocka_unit_test(layers_made_together_have_the_bits_of_layers_made_alone)};
    return cmocka_run_group_tests(tests, prepare, NULL);
}
