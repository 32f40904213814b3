/* The tensor handle: owned and borrowed memory, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <tleg/ops.h>

#include "support/counter.h"
#include "tensor/tensor.h"

#include <string.h>

static tleg_context *context;

static int make_context(void **state) {
    (void)state;
    return tleg_context_create(NULL, &context) != TLEG_OK;
}

static int free_context(void **state) {
    (void)state;
    tleg_context_free(context);
    return 0;
}

static tleg_tensor_info info_of(const tleg_tensor *tensor) {
    tleg_tensor_info info = {.struct_size = sizeof(info)};
    assert_int_equal(tleg_tensor_get_info(context, tensor, &info), TLEG_OK);
    return info;
}

static void a_new_tensor_is_zero_aligned_and_says_what_it_is(void **state) {
    (void)state;
    static const int64_t sizes[] = {0, 4, 2, 2, 8, 8, 4, 1};
    for (int32_t dtype = TLEG_F32; dtype <= TLEG_U8; dtype++) {
        const int64_t shape[] = {3, 1, 5};
        tleg_tensor *tensor;
        assert_int_equal(tleg_tensor_create(context, dtype, 3, shape, &tensor), TLEG_OK);
        const tleg_tensor_info info = info_of(tensor);
        assert_int_equal(info.dtype, dtype);
        assert_int_equal(info.rank, 3);
        assert_int_equal(info.shape[0], 3);
        assert_int_equal(info.shape[2], 5);
        assert_int_equal(info.shape[3], 0);
        assert_int_equal(info.bytes, 15 * sizes[dtype]);
        assert_int_equal((uintptr_t)info.data % 64, 0);
        for (uint64_t i = 0; i < info.bytes; i++)
            assert_int_equal(((unsigned char *)info.data)[i], 0);
        tleg_tensor_free(tensor);
    }
    tleg_tensor_free(NULL);
}

static void scalars_empty_tensors_and_the_highest_rank_are_tensors(void **state) {
    (void)state;
    tleg_tensor *tensor;
    assert_int_equal(tleg_tensor_create(context, TLEG_F32, 0, NULL, &tensor), TLEG_OK);
    assert_int_equal(info_of(tensor).bytes, 4);
    tleg_tensor_free(tensor);
    assert_int_equal(tleg_tensor_create(context, TLEG_F64, 2, (int64_t[]){0, INT64_MAX}, &tensor), TLEG_OK);
    assert_int_equal(info_of(tensor).bytes, 0);
    tleg_tensor_free(tensor);
    assert_int_equal(tleg_tensor_create(context, TLEG_U8, 8, (int64_t[]){1, 2, 1, 2, 1, 2, 1, 2}, &tensor), TLEG_OK);
    assert_int_equal(info_of(tensor).bytes, 16);
    assert_int_equal(info_of(tensor).shape[7], 2);
    tleg_tensor_free(tensor);
}

static void refuse(tleg_status status, int32_t dtype, int32_t rank, const int64_t *shape, const char *found) {
    tleg_tensor *tensor = (tleg_tensor *)(uintptr_t)1;
    assert_int_equal(tleg_tensor_create(context, dtype, rank, shape, &tensor), status);
    assert_null(tensor);
    assert_non_null(strstr(tleg_context_get_error(context), found));
}

static void a_shape_that_is_none_is_refused_by_name(void **state) {
    (void)state;
    refuse(TLEG_ERROR_ARGUMENT, 0, 1, (int64_t[]){1}, "dtype is 0");
    refuse(TLEG_ERROR_ARGUMENT, 8, 1, (int64_t[]){1}, "dtype is 8");
    refuse(TLEG_ERROR_ARGUMENT, TLEG_F32, -1, NULL, "rank is -1");
    refuse(TLEG_ERROR_ARGUMENT, TLEG_F32, 9, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, "rank is 9");
    refuse(TLEG_ERROR_ARGUMENT, TLEG_F32, 2, NULL, "shape is NULL");
    refuse(TLEG_ERROR_ARGUMENT, TLEG_F32, 2, (int64_t[]){4, -2}, "-2");
    refuse(TLEG_ERROR_MEMORY, TLEG_F32, 2, (int64_t[]){INT64_MAX, INT64_MAX}, "does not fit");
    refuse(TLEG_ERROR_MEMORY, TLEG_F64, 1, (int64_t[]){INT64_MAX}, "does not fit");
    refuse(TLEG_ERROR_MEMORY, TLEG_U8, 2, (int64_t[]){INT64_MAX, 2}, "out of memory"); /* fits in size_t, in no memory */
}

static void null_pointers_are_refused_not_followed(void **state) {
    (void)state;
    const int64_t shape[] = {1};
    float data[1] = {0};
    tleg_tensor *tensor = (tleg_tensor *)(uintptr_t)1;
    assert_int_equal(tleg_tensor_create(NULL, TLEG_F32, 1, shape, &tensor), TLEG_ERROR_ARGUMENT);
    assert_null(tensor);
    assert_int_equal(tleg_tensor_create(context, TLEG_F32, 1, shape, NULL), TLEG_ERROR_ARGUMENT);
    tensor = (tleg_tensor *)(uintptr_t)1;
    assert_int_equal(tleg_tensor_wrap(NULL, TLEG_F32, 1, shape, data, NULL, NULL, &tensor), TLEG_ERROR_ARGUMENT);
    assert_null(tensor);
    assert_int_equal(tleg_tensor_wrap(context, TLEG_F32, 1, shape, data, NULL, NULL, NULL), TLEG_ERROR_ARGUMENT);
    tleg_tensor_info info = {.struct_size = sizeof(info)};
    assert_int_equal(tleg_tensor_get_info(context, NULL, &info), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_tensor_create(context, TLEG_F32, 1, shape, &tensor), TLEG_OK);
    assert_int_equal(tleg_tensor_get_info(context, tensor, NULL), TLEG_ERROR_ARGUMENT);
    info.struct_size = 8;
    assert_int_equal(tleg_tensor_get_info(context, tensor, &info), TLEG_ERROR_ARGUMENT);
    info.struct_size = 0;
    assert_int_equal(tleg_tensor_get_info(context, tensor, &info), TLEG_ERROR_ARGUMENT);
    tleg_tensor_free(tensor);
}

static void TLEG_CALL count_release(void *host) {
    ++*(int *)host;
}

static void borrowed_memory_is_the_hosts_own_and_given_back_once(void **state) {
    (void)state;
    float data[6] = {1, 2, 3, 4, 5, 6};
    int released = 0;
    tleg_tensor *tensor;
    assert_int_equal(tleg_tensor_wrap(context, TLEG_F32, 2, (int64_t[]){2, 3}, data, count_release, &released, &tensor),
                     TLEG_OK);
    assert_ptr_equal(info_of(tensor).data, data);
    assert_int_equal(released, 0);
    tleg_tensor_free(tensor);
    assert_int_equal(released, 1);
    assert_true(data[5] == 6);
    assert_int_equal(tleg_tensor_wrap(context, TLEG_F32, 2, (int64_t[]){2, 3}, data, NULL, NULL, &tensor), TLEG_OK);
    tleg_tensor_free(tensor);
    assert_int_equal(tleg_tensor_wrap(context, TLEG_F32, 1, (int64_t[]){0}, NULL, count_release, &released, &tensor), TLEG_OK);
    tleg_tensor_free(tensor);
    assert_int_equal(released, 2);
}

static void memory_that_cannot_be_borrowed_stays_with_the_host(void **state) {
    (void)state;
    double data[2] = {0};
    int released = 0;
    tleg_tensor *tensor = (tleg_tensor *)(uintptr_t)1;
    const int64_t shape[] = {1};
    assert_int_equal(tleg_tensor_wrap(context, TLEG_F32, 1, shape, NULL, count_release, &released, &tensor),
                     TLEG_ERROR_ARGUMENT);
    assert_null(tensor);
    assert_non_null(strstr(tleg_context_get_error(context), "data is NULL"));
    assert_int_equal(tleg_tensor_wrap(context, TLEG_F64, 1, shape, (char *)data + 4, count_release, &released, &tensor),
                     TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "F64"));
    assert_int_equal(tleg_tensor_wrap(context, 99, 1, shape, data, count_release, &released, &tensor), TLEG_ERROR_ARGUMENT);
    assert_int_equal(released, 0);
    assert_int_equal(tleg_tensor_wrap(context, TLEG_U8, 1, shape, (char *)data + 3, NULL, NULL, &tensor), TLEG_OK);
    tleg_tensor_free(tensor);
}

static void a_tensor_outlives_its_context(void **state) {
    (void)state;
    struct counter counter = {0};
    const tleg_context_options options = support_counted(&counter);
    tleg_context *other;
    tleg_tensor *tensor;
    assert_int_equal(tleg_context_create(&options, &other), TLEG_OK);
    assert_int_equal(tleg_tensor_create(other, TLEG_F32, 1, (int64_t[]){100}, &tensor), TLEG_OK);
    tleg_context_free(other);
    assert_true(counter.live_bytes >= 400);
    ((float *)info_of(tensor).data)[99] = 1;
    tleg_tensor_free(tensor);
    assert_int_equal(counter.live, 0);
    assert_int_equal(counter.wrong, 0);
}

static void each_allocation_of_a_tensor_may_fail(void **state) {
    (void)state;
    struct counter counter = {0};
    const tleg_context_options options = support_counted(&counter);
    tleg_context *other;
    assert_int_equal(tleg_context_create(&options, &other), TLEG_OK);
    const int64_t before = counter.live;
    tleg_status status = TLEG_ERROR_MEMORY;
    for (int64_t k = 1; status != TLEG_OK; k++) {
        tleg_tensor *tensor;
        counter.calls = 0;
        counter.fail_at = k;
        status = tleg_tensor_create(other, TLEG_F32, 1, (int64_t[]){100}, &tensor);
        assert_true(status == TLEG_OK ? k == 3 : status == TLEG_ERROR_MEMORY && !tensor);
        assert_true(status == TLEG_OK || strstr(tleg_context_get_error(other), "out of memory"));
        tleg_tensor_free(tensor);
        assert_int_equal(counter.live, before);
    }
    tleg_context_free(other);
    assert_int_equal(counter.wrong, 0);
}

static void shapes_are_written_for_errors(void **state) {
    (void)state;
    char text[TLEG_SHAPE_TEXT];
    assert_string_equal(tleg_shape_text(0, NULL, text), "[]");
    assert_string_equal(tleg_shape_text(1, (int64_t[]){7}, text), "[7]");
    assert_string_equal(tleg_shape_text(3, (int64_t[]){2, 3, 4}, text), "[2, 3, 4]");
    const int64_t large[] = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN};
    tleg_shape_text(8, large, text);
    assert_true(strlen(text) < sizeof(text));
    assert_string_equal(text + strlen(text) - 6, ", ...]");
}

/* Memory that may only be read serves as an input, says so, and is refused as an output. */
static void a_constant_is_an_input_alone(void **state) {
    (void)state;
    static const float table[2] = {1, -2};
    const int64_t shape[] = {2};
    tleg_tensor *constant = NULL, *plain = NULL, *out = NULL;
    tleg_tensor_info info = {.struct_size = sizeof info};
    assert_int_equal(tleg_tensor_wrap_const(context, TLEG_F32, 1, shape, table, NULL, NULL, &constant), TLEG_OK);
    assert_int_equal(tleg_tensor_create(context, TLEG_F32, 1, shape, &plain), TLEG_OK);
    assert_int_equal(tleg_tensor_create(context, TLEG_F32, 1, shape, &out), TLEG_OK);
    assert_int_equal(tleg_tensor_get_info(context, constant, &info), TLEG_OK);
    assert_int_equal(info.flags, TLEG_TENSOR_READ_ONLY);
    assert_ptr_equal(info.data, table);
    assert_int_equal(tleg_tensor_get_info(context, plain, &info), TLEG_OK);
    assert_int_equal(info.flags, 0);
    assert_int_equal(tleg_gelu_forward(context, constant, out), TLEG_OK);
    assert_int_equal(tleg_gelu_forward(context, plain, constant), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "read-only"));
    tleg_tensor_free(constant);
    tleg_tensor_free(plain);
    tleg_tensor_free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_tensor_is_zero_aligned_and_says_what_it_is),
        cmocka_unit_test(scalars_empty_tensors_and_the_highest_rank_are_tensors),
        cmocka_unit_test(a_shape_that_is_none_is_refused_by_name),
        cmocka_unit_test(null_pointers_are_refused_not_followed),
        cmocka_unit_test(borrowed_memory_is_the_hosts_own_and_given_back_once),
        cmocka_unit_test(memory_that_cannot_be_borrowed_stays_with_the_host),
        cmocka_unit_test(a_tensor_outlives_its_context),
        cmocka_unit_test(each_allocation_of_a_tensor_may_fail),
        cmocka_unit_test(shapes_are_written_for_errors),
        cmocka_unit_test(a_constant_is_an_input_alone),
    };
    return cmocka_run_group_tests_name("tensor", tests, make_context, free_context);
}
