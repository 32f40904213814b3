/* Tensors to and from other programs in one process. */
#include "tensor/tensor.h"

#include <string.h>
#include <tleg/dlpack.h>

/* ---- in ---- */

static int32_t dtype_of(DLDataType type) {
    static const struct {
        uint8_t code, bits;
        int32_t dtype;
    } known[] = {{kDLFloat, 32, TLEG_F32}, {kDLFloat, 16, TLEG_F16}, {kDLBfloat, 16, TLEG_BF16}, {kDLFloat, 64, TLEG_F64},
                 {kDLInt, 64, TLEG_I64},   {kDLInt, 32, TLEG_I32},   {kDLUInt, 8, TLEG_U8}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (type.lanes == 1 && known[i].code == type.code && known[i].bits == type.bits)
            return known[i].dtype;
    return 0;
}

static tleg_status check_managed(tleg_context *context, const DLManagedTensorVersioned *managed) {
    if (managed->version.major != 1) /* all else may lie elsewhere */
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "tleg_tensor_from_dlpack: DLPack version is %u.%u, expected 1.x",
                         (unsigned)managed->version.major, (unsigned)managed->version.minor);
    const DLTensor *from = &managed->dl_tensor;
    if (from->device.device_type != kDLCPU)
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "tleg_tensor_from_dlpack: device type is %d, expected 1 (CPU)",
                         (int)from->device.device_type);
    if (dtype_of(from->dtype) == 0)
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED,
                         "tleg_tensor_from_dlpack: element type has code %d, %d bits, %d lanes: no type of this library",
                         (int)from->dtype.code, (int)from->dtype.bits, (int)from->dtype.lanes);
    return TLEG_OK;
}

/* Whether elements lie row-major without gaps. An axis of size 1 may have any stride. */
static bool is_compact(const DLTensor *from, size_t count) {
    int64_t expected = 1;
    if (!from->strides || count == 0)
        return true;
    for (int32_t i = from->ndim - 1; i >= 0; i--) {
        if (from->shape[i] != 1 && from->strides[i] != expected)
            return false;
        expected *= from->shape[i];
    }
    return true;
}

/* The strided elements at `data`, in row-major order. Offsets are modulo 2^64: strides may be negative. */
static void copy_strided(const DLTensor *from, const char *data, size_t size, size_t count, char *out) {
    int64_t index[TLEG_MAX_RANK] = {0};
    uint64_t offset = 0;
    for (size_t n = 0; n < count; n++) {
        memcpy(out + n * size, data + (ptrdiff_t)(offset * size), size);
        for (int32_t axis = from->ndim - 1; axis >= 0; axis--) {
            offset += (uint64_t)from->strides[axis];
            if (++index[axis] < from->shape[axis])
                break;
            offset -= (uint64_t)from->strides[axis] * (uint64_t)from->shape[axis];
            index[axis] = 0;
        }
    }
}

static tleg_status copy_elements(tleg_context *context, tleg_tensor *tensor, const DLTensor *from, const char *data,
                                 bool compact) {
    tensor->data = tleg_alloc(&tensor->allocator, tensor->bytes);
    if (!tensor->data)
        return tleg_fail_memory(context, "tleg_tensor_from_dlpack", tensor->bytes);
    tensor->owned = true;
    tensor->copied = true;
    if (compact)
        memcpy(tensor->data, data, tensor->bytes);
    else
        copy_strided(from, data, tleg_dtype_size(tensor->dtype), tensor->count, tensor->data);
    return TLEG_OK;
}

static tleg_status take_elements(tleg_context *context, tleg_tensor *tensor, const DLManagedTensorVersioned *managed) {
    const DLTensor *from = &managed->dl_tensor;
    if (tensor->count == 0)
        return TLEG_OK;
    if (!from->data)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_tensor_from_dlpack: data is NULL");
    char *data = (char *)from->data + from->byte_offset;
    const bool compact = is_compact(from, tensor->count);
    tensor->read_only = (managed->flags & DLPACK_FLAG_BITMASK_READ_ONLY) != 0;
    if (!compact || (uintptr_t)data % tleg_dtype_size(tensor->dtype) != 0)
        return copy_elements(context, tensor, from, data, compact);
    tensor->data = data;
    return TLEG_OK;
}

static void TLEG_CALL release_managed(void *host) {
    DLManagedTensorVersioned *managed = host;
    if (managed->deleter)
        managed->deleter(managed);
}

tleg_status TLEG_CALL tleg_tensor_from_dlpack(tleg_context *context, struct DLManagedTensorVersioned *managed,
                                              tleg_tensor **tensor) {
    if (!tensor)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_tensor_from_dlpack: tensor is NULL");
    *tensor = NULL;
    if (!context || !managed)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_tensor_from_dlpack: managed is NULL");
    tleg_status status = check_managed(context, managed);
    if (status != TLEG_OK)
        return status;
    const DLTensor *from = &managed->dl_tensor;
    tleg_tensor *made;
    status = tleg_tensor_new(context, "tleg_tensor_from_dlpack", dtype_of(from->dtype), from->ndim, from->shape, &made);
    if (status != TLEG_OK)
        return status;
    status = take_elements(context, made, managed);
    if (status != TLEG_OK) {
        tleg_tensor_free(made);
        return status;
    }
    made->release = release_managed;
    made->host = managed;
    *tensor = made;
    return TLEG_OK;
}

/* ---- out ---- */

struct lent {
    DLManagedTensorVersioned managed;
    tleg_tensor *tensor;
    int64_t shape[TLEG_MAX_RANK], strides[TLEG_MAX_RANK];
};

static void return_lent(DLManagedTensorVersioned *managed) {
    if (!managed)
        return;
    struct lent *lent = managed->manager_ctx;
    tleg_tensor *tensor = lent->tensor;
    tleg_release(&tensor->allocator, lent, sizeof(*lent));
    tleg_tensor_free(tensor);
}

static DLDataType type_of(int32_t dtype) {
    const uint8_t code = dtype == TLEG_BF16                       ? kDLBfloat
                         : dtype == TLEG_I64 || dtype == TLEG_I32 ? kDLInt
                         : dtype == TLEG_U8                       ? kDLUInt
                                                                  : kDLFloat;
    return (DLDataType){code, (uint8_t)(8 * tleg_dtype_size(dtype)), 1};
}

static void fill_shape(struct lent *lent, const tleg_tensor *tensor) {
    uint64_t stride = 1; /* modulo 2^64 where a size is 0: such a stride is never used */
    for (int32_t i = tensor->rank - 1; i >= 0; i--) {
        lent->shape[i] = tensor->shape[i];
        lent->strides[i] = (int64_t)stride;
        stride *= (uint64_t)tensor->shape[i];
    }
}

tleg_status TLEG_CALL tleg_tensor_to_dlpack(tleg_context *context, tleg_tensor *tensor,
                                            struct DLManagedTensorVersioned **managed) {
    if (!managed)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_tensor_to_dlpack: managed is NULL");
    *managed = NULL;
    if (!context || !tensor)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_tensor_to_dlpack: tensor is NULL");
    struct lent *lent = tleg_alloc_zero(&tensor->allocator, sizeof(*lent));
    if (!lent)
        return tleg_fail_memory(context, "tleg_tensor_to_dlpack", sizeof(*lent));
    fill_shape(lent, tensor);
    lent->tensor = tensor;
    lent->managed = (DLManagedTensorVersioned){
        .version = {1, 0},
        .manager_ctx = lent,
        .deleter = return_lent,
        .flags = tensor->read_only ? DLPACK_FLAG_BITMASK_READ_ONLY : 0,
        .dl_tensor = {.data = tensor->count > 0 ? tensor->data : NULL,
                      .device = {kDLCPU, 0},
                      .ndim = tensor->rank,
                      .dtype = type_of(tensor->dtype),
                      .shape = lent->shape,
                      .strides = lent->strides},
    };
    atomic_fetch_add_explicit(&tensor->references, 1, memory_order_relaxed);
    *managed = &lent->managed;
    return TLEG_OK;
}
