/* What handles say of themselves without a copy: shapes, names, bytes, depths and what a depth costs. */
#include "support/suite_context.h"
#include <string.h>

static void same_shape(const tleg_tensor_info *told, tleg_tensor *copy) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    OK(context, tleg_tensor_get_info(context, copy, &info));
    assert_int_equal(told->dtype, info.dtype);
    assert_int_equal(told->rank, info.rank);
    assert_int_equal(told->bytes, info.bytes);
    assert_memory_equal(told->shape, info.shape, sizeof info.shape);
    assert_null(told->data);
    tleg_tensor_free(copy);
}

static void shapes_are_those_of_the_copies(void **state) {
    (void)state;
    tleg_learngene *gene = support_gene(context, "combo");
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    const tleg_expander_options half = {.struct_size = sizeof half, .dtype = TLEG_F16};
    OK(context, tleg_expander_create(context, gene, &half, &expander));
    OK(context, tleg_expander_expand(context, expander, 5, &model));
    for (int64_t i = 0; i < tleg_learngene_get_tensor_count(gene); i++) {
        tleg_tensor_info info = {.struct_size = sizeof info};
        tleg_tensor *copy = NULL;
        OK(context, tleg_learngene_get_tensor_info(context, gene, tleg_learngene_get_tensor_name(gene, i), &info));
        OK(context, tleg_learngene_copy_tensor(context, gene, tleg_learngene_get_tensor_name(gene, i), &copy));
        same_shape(&info, copy);
    }
    for (int64_t i = 0; i < tleg_model_get_tensor_count(model); i++) {
        tleg_tensor_info info = {.struct_size = sizeof info};
        tleg_tensor *copy = NULL;
        OK(context, tleg_model_get_tensor_info(NULL, model, tleg_model_get_tensor_name(model, i), &info));
        OK(context, tleg_model_copy_tensor(context, model, tleg_model_get_tensor_name(model, i), &copy));
        same_shape(&info, copy);
    }
    assert_null(tleg_learngene_get_tensor_name(gene, tleg_learngene_get_tensor_count(gene)));
    assert_null(tleg_model_get_tensor_name(model, tleg_model_get_tensor_count(model)));
    tleg_tensor_info info = {.struct_size = sizeof info};
    assert_int_equal(tleg_learngene_get_tensor_info(context, gene, "nowhere", &info), TLEG_ERROR_NOT_FOUND);
    assert_int_equal(tleg_model_get_tensor_info(context, model, "nowhere", &info), TLEG_ERROR_NOT_FOUND);
    assert_non_null(strstr(tleg_context_get_error(context), "nowhere"));
    tleg_model_free(model);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
}

/* The bytes that a handle says it holds are those that the host's allocator gave for it. */
static void memory_is_what_the_allocator_gave(void **state) {
    (void)state;
    struct counter counter;
    support_counter(&counter);
    const tleg_context_options options = support_counted(&counter);
    tleg_context *counted = NULL;
    assert_int_equal(tleg_context_create(&options, &counted), TLEG_OK);
    long long before = atomic_load(&counter.live_bytes);
    tleg_learngene *gene = support_gene(counted, "schedule");
    assert_int_equal(tleg_learngene_get_memory(gene), atomic_load(&counter.live_bytes) - before);
    before = atomic_load(&counter.live_bytes);
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    OK(counted, tleg_expander_create(counted, gene, NULL, &expander));
    assert_int_equal(tleg_expander_get_memory(expander), atomic_load(&counter.live_bytes) - before);
    before = atomic_load(&counter.live_bytes);
    OK(counted, tleg_expander_expand(counted, expander, 9, &model));
    assert_int_equal(tleg_model_get_memory(model), atomic_load(&counter.live_bytes) - before);
    tleg_model_free(model);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
    tleg_context_free(counted);
}

static void depths_and_costs_are_those_of_the_models(void **state) {
    (void)state;
    tleg_learngene *gene = support_gene(context, "schedule");
    tleg_expander *expander = NULL;
    int32_t least = 0, most = 0;
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    OK(context, tleg_expander_get_depths(context, expander, &least, &most));
    assert_true(least > 1);
    assert_int_equal(most, TLEG_MAX_DEPTH);
    for (int32_t depth = least; depth < least + 3; depth++) {
        tleg_cost cost = {.struct_size = sizeof cost};
        tleg_model *model = NULL;
        uint64_t session = 0;
        OK(context, tleg_expander_get_cost(context, expander, depth, 2, 0, &cost));
        OK(context, tleg_expander_expand(context, expander, depth, &model));
        const tleg_session_options options = {.struct_size = sizeof options, .batch = 2};
        OK(context, tleg_session_get_memory(context, model, &options, &session));
        assert_int_equal(cost.bytes, tleg_model_get_memory(model) + session);
        assert_int_equal(cost.bytes, cost.bytes_fixed + (uint64_t)depth * cost.bytes_per_layer);
        assert_true(cost.ms == 0);
        tleg_model_free(model);
    }
    tleg_cost cost = {.struct_size = sizeof cost}, first = cost;
    OK(context, tleg_expander_get_cost(context, expander, 0, 2, 0, &cost));
    OK(context, tleg_expander_get_cost(context, expander, least, 2, 0, &first));
    assert_int_equal(cost.bytes, first.bytes); /* 0 is the least */
    assert_int_equal(tleg_expander_get_cost(context, expander, least - 1, 1, 0, &cost), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_expander_get_cost(context, expander, most + 1, 1, 0, &cost), TLEG_ERROR_ARGUMENT);
    tleg_expander *none = NULL;
    const tleg_expander_options compute = {.struct_size = sizeof compute, .compute = 1};
    assert_int_equal(tleg_expander_create(context, gene, &compute, &none), TLEG_ERROR_UNSUPPORTED);
    assert_non_null(strstr(tleg_context_get_error(context), "tleg_expander_options.compute"));
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_those_of_the_copies),
        cmocka_unit_test(memory_is_what_the_allocator_gave),
        cmocka_unit_test(depths_and_costs_are_those_of_the_models),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
