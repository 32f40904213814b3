/* A small learngene and its tensors' values, for the suites that look into them. */
#ifndef TLEG_TESTS_GENE_VALUES_H
#define TLEG_TESTS_GENE_VALUES_H

#include "support/suite_context.h"
#include <string.h>

static inline tleg_config small(void) {
    return (tleg_config){
        .struct_size = sizeof(tleg_config), .image_size = 16, .patch_size = 4, .dim = 24, .heads = 3, .classes = 5};
}

static inline tleg_learngene *create(const tleg_config *config, uint64_t seed) {
    tleg_learngene *gene;
    OK(context, tleg_learngene_create(context, config, seed, &gene));
    return gene;
}

static inline int64_t count_tensors(const tleg_learngene *gene) {
    int64_t count = 0;
    while (tleg_learngene_get_tensor_name(gene, count))
        count++;
    return count;
}

struct values {
    tleg_tensor *tensor;
    const float *data;
    size_t count;
    tleg_tensor_info info;
};
static inline struct values take(const tleg_learngene *gene, const char *name) {
    struct values values = {.info = {.struct_size = sizeof values.info}};
    OK(context, tleg_learngene_copy_tensor(context, gene, name, &values.tensor));
    OK(context, tleg_tensor_get_info(context, values.tensor, &values.info));
    assert_int_equal(values.info.dtype, TLEG_F32);
    values.data = values.info.data;
    values.count = values.info.bytes / sizeof(float);
    return values;
}

static inline void must_be_equal(const tleg_learngene *a, const tleg_learngene *b) {
    const int64_t count = count_tensors(a);
    assert_int_equal(count, count_tensors(b));
    for (int64_t k = 0; k < count; k++) {
        const char *name = tleg_learngene_get_tensor_name(a, k);
        assert_string_equal(name, tleg_learngene_get_tensor_name(b, k));
        struct values x = take(a, name), y = take(b, name);
        assert_int_equal(x.count, y.count);
        assert_memory_equal(x.data, y.data, x.count * sizeof(float));
        tleg_tensor_free(x.tensor);
        tleg_tensor_free(y.tensor);
    }
}

static inline void must_be_constant(const tleg_learngene *gene, const char *name, float value) {
    struct values values = take(gene, name);
    for (size_t i = 0; i < values.count; i++)
        assert_true(values.data[i] == value);
    tleg_tensor_free(values.tensor);
}

#endif
