/* Tensors to and from other programs: every type, layout and lifetime that DLPack 1.x allows, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/counter.h"
#include "support/skip.h"
#include "tensor/tensor.h"

#include <string.h>
#include <tleg/dlpack.h>

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

/* Another program's tensor: counts how often it is given back. */
struct foreign {
    DLManagedTensorVersioned managed;
    int deleted;
};

static void delete_foreign(DLManagedTensorVersioned *managed) {
    ((struct foreign *)managed->manager_ctx)->deleted++;
}

/* The managed struct's own address is its context: a foreign is passed by pointer from here on. */
static void fill(struct foreign *foreign, void *data, int32_t rank, int64_t *shape, int64_t *strides) {
    *foreign = (struct foreign){
        .managed = {.version = {1, 1},
                    .manager_ctx = foreign,
                    .deleter = delete_foreign,
                    .dl_tensor = {data, {kDLCPU, 0}, rank, {kDLFloat, 32, 1}, shape, strides, 0}},
    };
}

static tleg_tensor *import(struct foreign *foreign) {
    tleg_tensor *tensor;
    assert_int_equal(tleg_tensor_from_dlpack(context, &foreign->managed, &tensor), TLEG_OK);
    return tensor;
}

static void the_structs_lie_as_dlpack_1_lays_them_out(void **state) {
    (void)state;
    if (sizeof(void *) != 8)
        SKIP("the offsets below are those of 64-bit machines");
    assert_int_equal(sizeof(DLDevice), 8);
    assert_int_equal(offsetof(DLDevice, device_id), 4);
    assert_int_equal(sizeof(DLDataType), 4);
    assert_int_equal(offsetof(DLDataType, bits), 1);
    assert_int_equal(offsetof(DLDataType, lanes), 2);
    assert_int_equal(sizeof(DLTensor), 48);
    assert_int_equal(offsetof(DLTensor, device), 8);
    assert_int_equal(offsetof(DLTensor, ndim), 16);
    assert_int_equal(offsetof(DLTensor, dtype), 20);
    assert_int_equal(offsetof(DLTensor, shape), 24);
    assert_int_equal(offsetof(DLTensor, strides), 32);
    assert_int_equal(offsetof(DLTensor, byte_offset), 40);
    assert_int_equal(sizeof(DLManagedTensorVersioned), 80);
    assert_int_equal(offsetof(DLManagedTensorVersioned, version), 0);
    assert_int_equal(offsetof(DLManagedTensorVersioned, manager_ctx), 8);
    assert_int_equal(offsetof(DLManagedTensorVersioned, deleter), 16);
    assert_int_equal(offsetof(DLManagedTensorVersioned, flags), 24);
    assert_int_equal(offsetof(DLManagedTensorVersioned, dl_tensor), 32);
    assert_int_equal(kDLCPU, 1);
    assert_int_equal(kDLBfloat, 4);
    assert_int_equal(DLPACK_FLAG_BITMASK_READ_ONLY, 1);
}

/* ---- in ---- */

static void a_compact_tensor_is_taken_without_a_copy_and_given_back_once(void **state) {
    (void)state;
    float data[6] = {1, 2, 3, 4, 5, 6};
    int64_t shape[] = {2, 1, 3}, strides[] = {3, 77, 1}; /* an axis of 1 may have any stride */
    for (int i = 0; i < 2; i++) {
        struct foreign foreign;
        fill(&foreign, data, 3, shape, i ? strides : NULL);
        tleg_tensor *tensor = import(&foreign);
        const tleg_tensor_info info = info_of(tensor);
        assert_ptr_equal(info.data, data);
        assert_int_equal(info.dtype, TLEG_F32);
        assert_int_equal(info.rank, 3);
        assert_int_equal(info.shape[2], 3);
        assert_int_equal(info.bytes, 24);
        assert_int_equal(foreign.deleted, 0);
        tleg_tensor_free(tensor);
        assert_int_equal(foreign.deleted, 1);
    }
}

static void the_byte_offset_is_honoured(void **state) {
    (void)state;
    float data[6] = {1, 2, 3, 4, 5, 6};
    int64_t shape[] = {2}, strides[] = {2};
    struct foreign foreign;
    fill(&foreign, data, 1, shape, NULL);
    foreign.managed.dl_tensor.byte_offset = 12;
    tleg_tensor *tensor = import(&foreign);
    assert_ptr_equal(info_of(tensor).data, data + 3);
    tleg_tensor_free(tensor);
    foreign.managed.dl_tensor.strides = strides;
    tensor = import(&foreign);
    assert_true(((float *)info_of(tensor).data)[0] == 4 && ((float *)info_of(tensor).data)[1] == 6);
    tleg_tensor_free(tensor);
}

static void check_copy(struct foreign *foreign, const float *expected, size_t count) {
    tleg_tensor *tensor = import(foreign);
    const tleg_tensor_info info = info_of(tensor);
    assert_int_equal(info.bytes, count * sizeof(float));
    assert_int_equal((uintptr_t)info.data % 64, 0);
    assert_int_equal(info.flags, TLEG_TENSOR_COPIED);
    for (size_t i = 0; i < count; i++)
        assert_true(((float *)info.data)[i] == expected[i]);
    assert_int_equal(foreign->deleted, 0);
    tleg_tensor_free(tensor);
    assert_int_equal(foreign->deleted, 1);
}

static void other_strides_are_copied_into_rows(void **state) {
    (void)state;
    float data[24];
    for (int i = 0; i < 24; i++)
        data[i] = (float)i;
    struct foreign foreign;
    /* transposed: (4, 3, 2) over (2, 3, 4) */
    fill(&foreign, data, 3, (int64_t[]){4, 3, 2}, (int64_t[]){1, 4, 12});
    check_copy(&foreign, (float[]){0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23}, 24);
    /* every second column of a (2, 4) part */
    fill(&foreign, data, 2, (int64_t[]){2, 2}, (int64_t[]){4, 2});
    check_copy(&foreign, (float[]){0, 2, 4, 6}, 4);
    /* one row repeated */
    fill(&foreign, data, 2, (int64_t[]){3, 2}, (int64_t[]){0, 1});
    check_copy(&foreign, (float[]){0, 1, 0, 1, 0, 1}, 6);
    /* backwards */
    fill(&foreign, data + 5, 2, (int64_t[]){2, 3}, (int64_t[]){-3, -1});
    check_copy(&foreign, (float[]){5, 4, 3, 2, 1, 0}, 6);
}

static void misaligned_elements_are_copied(void **state) {
    (void)state;
    char bytes[16] = {0};
    memcpy(bytes + 1, (float[]){8, 9}, 8);
    struct foreign foreign;
    fill(&foreign, bytes, 1, (int64_t[]){2}, NULL);
    foreign.managed.dl_tensor.byte_offset = 1;
    check_copy(&foreign, (float[]){8, 9}, 2);
}

static void scalars_and_empty_tensors_come_in(void **state) {
    (void)state;
    float data[1] = {3};
    struct foreign foreign;
    fill(&foreign, data, 0, NULL, NULL);
    tleg_tensor *tensor = import(&foreign);
    assert_int_equal(info_of(tensor).rank, 0);
    assert_true(*(float *)info_of(tensor).data == 3);
    tleg_tensor_free(tensor);
    fill(&foreign, NULL, 3, (int64_t[]){2, 0, 3}, (int64_t[]){9, 9, 9});
    tensor = import(&foreign);
    assert_int_equal(info_of(tensor).bytes, 0);
    tleg_tensor_free(tensor);
    assert_int_equal(foreign.deleted, 1);
}

static void a_tensor_without_a_deleter_is_taken(void **state) {
    (void)state;
    float data[1] = {3};
    struct foreign foreign;
    fill(&foreign, data, 0, NULL, NULL);
    foreign.managed.deleter = NULL;
    tleg_tensor_free(import(&foreign));
}

static void refuse(struct foreign *foreign, tleg_status status, const char *found) {
    tleg_tensor *tensor = (tleg_tensor *)(uintptr_t)1;
    assert_int_equal(tleg_tensor_from_dlpack(context, &foreign->managed, &tensor), status);
    assert_null(tensor);
    assert_non_null(strstr(tleg_context_get_error(context), found));
    assert_int_equal(foreign->deleted, 0); /* it stays the caller's */
}

static void what_is_not_ours_is_refused_and_stays_the_callers(void **state) {
    (void)state;
    float data[4] = {0};
    int64_t shape[] = {2, 2};
    struct foreign foreign;
    fill(&foreign, data, 2, shape, NULL);
    foreign.managed.version.major = 2;
    refuse(&foreign, TLEG_ERROR_UNSUPPORTED, "version is 2.1");
    foreign.managed.version.major = 0;
    refuse(&foreign, TLEG_ERROR_UNSUPPORTED, "version is 0.1");
    fill(&foreign, data, 2, shape, NULL);
    foreign.managed.dl_tensor.device.device_type = kDLCUDA;
    refuse(&foreign, TLEG_ERROR_UNSUPPORTED, "device type is 2");
    fill(&foreign, data, 2, shape, NULL);
    foreign.managed.dl_tensor.dtype.lanes = 4;
    refuse(&foreign, TLEG_ERROR_UNSUPPORTED, "4 lanes");
    fill(&foreign, data, 2, shape, NULL);
    foreign.managed.dl_tensor.dtype.bits = 8;
    refuse(&foreign, TLEG_ERROR_UNSUPPORTED, "8 bits");
    fill(&foreign, data, 2, shape, NULL);
    foreign.managed.dl_tensor.dtype = (DLDataType){kDLComplex, 64, 1};
    refuse(&foreign, TLEG_ERROR_UNSUPPORTED, "code 5");
    fill(&foreign, data, 9, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, NULL);
    refuse(&foreign, TLEG_ERROR_ARGUMENT, "rank is 9");
    fill(&foreign, data, -1, shape, NULL);
    refuse(&foreign, TLEG_ERROR_ARGUMENT, "rank is -1");
    fill(&foreign, data, 2, NULL, NULL);
    refuse(&foreign, TLEG_ERROR_ARGUMENT, "shape is NULL");
    fill(&foreign, data, 2, (int64_t[]){-1, 2}, NULL);
    refuse(&foreign, TLEG_ERROR_ARGUMENT, "-1");
    fill(&foreign, NULL, 2, shape, NULL);
    refuse(&foreign, TLEG_ERROR_ARGUMENT, "data is NULL");
    fill(&foreign, data, 2, (int64_t[]){INT64_MAX, INT64_MAX}, NULL);
    refuse(&foreign, TLEG_ERROR_MEMORY, "does not fit");
}

static void null_pointers_are_refused_not_followed(void **state) {
    (void)state;
    float data[1] = {3};
    struct foreign foreign;
    fill(&foreign, data, 0, NULL, NULL);
    tleg_tensor *tensor;
    assert_int_equal(tleg_tensor_from_dlpack(context, NULL, &tensor), TLEG_ERROR_ARGUMENT);
    assert_null(tensor);
    assert_int_equal(tleg_tensor_from_dlpack(context, &foreign.managed, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_tensor_from_dlpack(NULL, &foreign.managed, &tensor), TLEG_ERROR_ARGUMENT);
    assert_null(tensor);
    DLManagedTensorVersioned *managed;
    assert_int_equal(tleg_tensor_to_dlpack(context, NULL, &managed), TLEG_ERROR_ARGUMENT);
    assert_null(managed);
    tensor = import(&foreign);
    assert_int_equal(tleg_tensor_to_dlpack(context, tensor, NULL), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_tensor_to_dlpack(NULL, tensor, &managed), TLEG_ERROR_ARGUMENT);
    assert_null(managed);
    tleg_tensor_free(tensor);
}

/* ---- out ---- */

static void a_tensor_lent_out_shares_memory_and_outlives_its_owner(void **state) {
    (void)state;
    struct counter counter = {0};
    const tleg_context_options options = support_counted(&counter);
    tleg_context *other;
    tleg_tensor *tensor;
    DLManagedTensorVersioned *managed;
    assert_int_equal(tleg_context_create(&options, &other), TLEG_OK);
    assert_int_equal(tleg_tensor_create(other, TLEG_F32, 3, (int64_t[]){2, 3, 4}, &tensor), TLEG_OK);
    float *data = info_of(tensor).data;
    assert_int_equal(tleg_tensor_to_dlpack(other, tensor, &managed), TLEG_OK);
    tleg_context_free(other);
    tleg_tensor_free(tensor);
    const DLTensor *out = &managed->dl_tensor;
    assert_int_equal(managed->version.major, 1);
    assert_int_equal(managed->flags, 0);
    assert_ptr_equal(out->data, data);
    assert_int_equal(out->device.device_type, kDLCPU);
    assert_int_equal(out->ndim, 3);
    assert_int_equal(out->byte_offset, 0);
    assert_int_equal(out->shape[2], 4);
    assert_int_equal(out->strides[0], 12);
    assert_int_equal(out->strides[1], 4);
    assert_int_equal(out->strides[2], 1);
    data[23] = 7; /* alive as long as it is lent */
    managed->deleter(managed);
    assert_int_equal(counter.live, 0);
    assert_int_equal(counter.wrong, 0);
}

static void every_type_goes_out_and_comes_back(void **state) {
    (void)state;
    static const struct {
        int32_t dtype;
        uint8_t code, bits;
    } types[] = {{TLEG_F32, kDLFloat, 32}, {TLEG_F16, kDLFloat, 16}, {TLEG_BF16, kDLBfloat, 16}, {TLEG_F64, kDLFloat, 64},
                 {TLEG_I64, kDLInt, 64},   {TLEG_I32, kDLInt, 32},   {TLEG_U8, kDLUInt, 8}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        tleg_tensor *tensor, *back;
        DLManagedTensorVersioned *managed;
        assert_int_equal(tleg_tensor_create(context, types[i].dtype, 2, (int64_t[]){5, 1}, &tensor), TLEG_OK);
        assert_int_equal(tleg_tensor_to_dlpack(context, tensor, &managed), TLEG_OK);
        assert_int_equal(managed->dl_tensor.dtype.code, types[i].code);
        assert_int_equal(managed->dl_tensor.dtype.bits, types[i].bits);
        assert_int_equal(managed->dl_tensor.dtype.lanes, 1);
        assert_int_equal(tleg_tensor_from_dlpack(context, managed, &back), TLEG_OK);
        assert_int_equal(info_of(back).dtype, types[i].dtype);
        assert_ptr_equal(info_of(back).data, info_of(tensor).data);
        tleg_tensor_free(tensor);
        tleg_tensor_free(back);
    }
}

static void scalars_and_empty_tensors_go_out(void **state) {
    (void)state;
    tleg_tensor *tensor;
    DLManagedTensorVersioned *managed;
    assert_int_equal(tleg_tensor_create(context, TLEG_F32, 0, NULL, &tensor), TLEG_OK);
    assert_int_equal(tleg_tensor_to_dlpack(context, tensor, &managed), TLEG_OK);
    assert_int_equal(managed->dl_tensor.ndim, 0);
    assert_non_null(managed->dl_tensor.data);
    managed->deleter(managed);
    tleg_tensor_free(tensor);
    assert_int_equal(tleg_tensor_create(context, TLEG_F32, 3, (int64_t[]){INT64_MAX, INT64_MAX, 0}, &tensor), TLEG_OK);
    assert_int_equal(tleg_tensor_to_dlpack(context, tensor, &managed), TLEG_OK);
    assert_null(managed->dl_tensor.data); /* as DLPack wants it where there are no elements */
    managed->deleter(managed);
    tleg_tensor_free(tensor);
}

static void what_came_in_read_only_goes_out_read_only(void **state) {
    (void)state;
    float data[3] = {3, 4, 5};
    int64_t shape[] = {2};
    int64_t apart[] = {2}; /* what lies apart is copied */
    for (uint64_t way = 0; way < 8; way++) {
        const uint64_t flags = way % 4;
        struct foreign foreign;
        fill(&foreign, data, 1, shape, way < 4 ? NULL : apart);
        foreign.managed.flags = flags;
        tleg_tensor *tensor = import(&foreign);
        DLManagedTensorVersioned *managed;
        assert_int_equal(tleg_tensor_to_dlpack(context, tensor, &managed), TLEG_OK);
        assert_int_equal(managed->flags & DLPACK_FLAG_BITMASK_READ_ONLY, flags & DLPACK_FLAG_BITMASK_READ_ONLY);
        managed->deleter(managed);
        assert_int_equal(foreign.deleted, 0);
        tleg_tensor_free(tensor);
        assert_int_equal(foreign.deleted, 1);
    }
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    struct counter counter = {0};
    const tleg_context_options options = support_counted(&counter);
    float data[4] = {1, 2, 3, 4};
    tleg_context *other;
    assert_int_equal(tleg_context_create(&options, &other), TLEG_OK);
    const int64_t before = counter.live;
    for (int64_t k = 1; k <= 4; k++) { /* handle, copy, lent struct, none */
        struct foreign foreign;
        tleg_tensor *tensor = NULL;
        DLManagedTensorVersioned *managed = NULL;
        fill(&foreign, data, 2, (int64_t[]){2, 2}, (int64_t[]){1, 2});
        counter.calls = 0;
        counter.fail_at = k;
        tleg_status status = tleg_tensor_from_dlpack(other, &foreign.managed, &tensor);
        assert_int_equal(status, k <= 2 ? TLEG_ERROR_MEMORY : TLEG_OK);
        if (status == TLEG_OK)
            status = tleg_tensor_to_dlpack(other, tensor, &managed);
        assert_int_equal(status, k <= 3 ? TLEG_ERROR_MEMORY : TLEG_OK);
        if (managed)
            managed->deleter(managed);
        tleg_tensor_free(tensor);
        assert_int_equal(foreign.deleted, k > 2);
        assert_int_equal(counter.live, before);
    }
    tleg_context_free(other);
    assert_int_equal(counter.wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_structs_lie_as_dlpack_1_lays_them_out),
        cmocka_unit_test(a_compact_tensor_is_taken_without_a_copy_and_given_back_once),
        cmocka_unit_test(the_byte_offset_is_honoured),
        cmocka_unit_test(other_strides_are_copied_into_rows),
        cmocka_unit_test(misaligned_elements_are_copied),
        cmocka_unit_test(scalars_and_empty_tensors_come_in),
        cmocka_unit_test(a_tensor_without_a_deleter_is_taken),
        cmocka_unit_test(what_is_not_ours_is_refused_and_stays_the_callers),
        cmocka_unit_test(null_pointers_are_refused_not_followed),
        cmocka_unit_test(a_tensor_lent_out_shares_memory_and_outlives_its_owner),
        cmocka_unit_test(every_type_goes_out_and_comes_back),
        cmocka_unit_test(scalars_and_empty_tensors_go_out),
        cmocka_unit_test(what_came_in_read_only_goes_out_read_only),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("dlpack", tests, make_context, free_context);
}
