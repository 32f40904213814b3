/* The tensor handle. */
#include "tensor/tensor.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

const char *tleg_shape_text(int32_t rank, const int64_t *shape, char text[TLEG_SHAPE_TEXT]) {
    size_t length = 0;
    text[length++] = '[';
    for (int32_t i = 0; i < rank; i++) {
        char number[24];
        const int digits = snprintf(number, sizeof(number), "%s%lld", i > 0 ? ", " : "", (long long)shape[i]);
        if (length + (size_t)digits + sizeof(", ...]") > TLEG_SHAPE_TEXT) {
            memcpy(text + length, ", ...", 5);
            length += 5;
            break;
        }
        memcpy(text + length, number, (size_t)digits);
        length += (size_t)digits;
    }
    text[length++] = ']';
    text[length] = '\0';
    return text;
}

static tleg_status check_shape(tleg_context *context, const char *what, int32_t dtype, int32_t rank, const int64_t *shape) {
    if (tleg_dtype_size(dtype) == 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: dtype is %d, expected one of TLEG_F32 to TLEG_U8", what,
                         (int)dtype);
    if (rank < 0 || rank > TLEG_MAX_RANK)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: rank is %d, expected 0 to %d", what, (int)rank, TLEG_MAX_RANK);
    if (rank > 0 && !shape)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: shape is NULL", what);
    for (int32_t i = 0; i < rank; i++)
        if (shape[i] < 0)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: size %d is %lld, expected 0 or more", what, (int)i,
                             (long long)shape[i]);
    return TLEG_OK;
}

tleg_status tleg_tensor_new(tleg_context *context, const char *what, int32_t dtype, int32_t rank, const int64_t *shape,
                            tleg_tensor **tensor) {
    const tleg_status status = check_shape(context, what, dtype, rank, shape);
    if (status != TLEG_OK)
        return status;
    size_t count, bytes;
    if (!tleg_size_product(shape, rank, &count) || !tleg_size_mul(count, tleg_dtype_size(dtype), &bytes))
        return tleg_fail_memory(context, what, SIZE_MAX);
    tleg_tensor *made = tleg_alloc_zero(&context->allocator, sizeof(*made));
    if (!made)
        return tleg_fail_memory(context, what, sizeof(*made));
    atomic_init(&made->references, 1);
    made->allocator = context->allocator;
    made->dtype = dtype;
    made->rank = rank;
    for (int32_t i = 0; i < rank; i++)
        made->shape[i] = shape[i];
    made->count = count;
    made->bytes = bytes;
    *tensor = made;
    return TLEG_OK;
}

tleg_status TLEG_CALL tleg_tensor_create(tleg_context *context, int32_t dtype, int32_t rank, const int64_t *shape,
                                         tleg_tensor **tensor) {
    if (!tensor)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_tensor_create: tensor is NULL");
    *tensor = NULL;
    if (!context)
        return TLEG_ERROR_ARGUMENT;
    tleg_tensor *made;
    const tleg_status status = tleg_tensor_new(context, "tleg_tensor_create", dtype, rank, shape, &made);
    if (status != TLEG_OK)
        return status;
    made->data = tleg_alloc_zero(&made->allocator, made->bytes);
    made->owned = made->data != NULL;
    if (!made->owned) {
        const size_t bytes = made->bytes;
        tleg_tensor_free(made);
        return tleg_fail_memory(context, "tleg_tensor_create", bytes);
    }
    *tensor = made;
    return TLEG_OK;
}

static tleg_status check_data(tleg_context *context, const char *what, const tleg_tensor *tensor, const void *data) {
    if (!data && tensor->count > 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: data is NULL", what);
    if ((uintptr_t)data % tleg_dtype_size(tensor->dtype) != 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: data is not aligned to its element, %s", what,
                         tleg_dtype_name(tensor->dtype));
    return TLEG_OK;
}

static tleg_status wrap(tleg_context *context, const char *what, int32_t dtype, int32_t rank, const int64_t *shape, void *data,
                        tleg_tensor **tensor) {
    if (!tensor)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: tensor is NULL", what);
    *tensor = NULL;
    if (!context)
        return TLEG_ERROR_ARGUMENT;
    tleg_tensor *made;
    tleg_status status = tleg_tensor_new(context, what, dtype, rank, shape, &made);
    if (status != TLEG_OK)
        return status;
    status = check_data(context, what, made, data);
    if (status != TLEG_OK) {
        tleg_tensor_free(made);
        return status;
    }
    made->data = data;
    *tensor = made;
    return TLEG_OK;
}

tleg_status TLEG_CALL tleg_tensor_wrap(tleg_context *context, tleg_dtype dtype, int32_t rank, const int64_t *shape, void *data,
                                       tleg_done_fn release, void *host, tleg_tensor **tensor) {
    const tleg_status status = wrap(context, "tleg_tensor_wrap", dtype, rank, shape, data, tensor);
    if (status == TLEG_OK) {
        (*tensor)->release = release;
        (*tensor)->host = host;
    }
    return status;
}

tleg_status TLEG_CALL tleg_tensor_wrap_const(tleg_context *context, tleg_dtype dtype, int32_t rank, const int64_t *shape,
                                             const void *data, tleg_done_fn release, void *host, tleg_tensor **tensor) {
    const tleg_status status =
        wrap(context, "tleg_tensor_wrap_const", dtype, rank, shape, (void *)(uintptr_t)data, tensor); /* never written */
    if (status == TLEG_OK) {
        (*tensor)->read_only = true;
        (*tensor)->release = release;
        (*tensor)->host = host;
    }
    return status;
}

tleg_status TLEG_CALL tleg_tensor_get_info(tleg_context *context, const tleg_tensor *tensor, tleg_tensor_info *info) {
    if (!tensor)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_tensor_get_info: tensor is NULL");
    tleg_tensor_info own = {.dtype = tensor->dtype, .rank = tensor->rank, .data = tensor->data, .bytes = tensor->bytes};
    own.flags = (tensor->read_only ? TLEG_TENSOR_READ_ONLY : 0u) | (tensor->copied ? TLEG_TENSOR_COPIED : 0u);
    memcpy(own.shape, tensor->shape, sizeof(own.shape));
    return tleg_info_write(context, "tleg_tensor_info", &own, sizeof(own), info, TLEG_LEAST_TENSOR_INFO);
}

void TLEG_CALL tleg_tensor_free(tleg_tensor *tensor) {
    if (!tensor || atomic_fetch_sub_explicit(&tensor->references, 1, memory_order_acq_rel) != 1)
        return;
    const struct tleg_allocator allocator = tensor->allocator;
    if (tensor->owned)
        tleg_release(&allocator, tensor->data, tensor->bytes);
    if (tensor->release)
        tensor->release(tensor->host);
    tleg_release(&allocator, tensor, sizeof(*tensor));
}
