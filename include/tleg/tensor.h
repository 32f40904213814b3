/* Tensors: row-major arrays with a shape and an element type, owned by the library or
 * borrowed from the host, and exchanged with other programs through DLPack.
 *
 * A tensor handle may be read by many threads at once; the library writes into one only
 * where a contract says so (an output), and then no other thread may use it meanwhile. */
#ifndef TLEG_TENSOR_H
#define TLEG_TENSOR_H

#include <tleg/core.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tleg_tensor tleg_tensor;

/* What is special about a tensor. */
enum {
    TLEG_TENSOR_SIGNED = -1,
    TLEG_TENSOR_READ_ONLY = 1, /* it serves as an input alone */
    TLEG_TENSOR_COPIED = 2     /* tleg_tensor_from_dlpack made a copy: what is written to it does not reach the original */
};

typedef struct tleg_tensor_info {
    uint32_t struct_size; /* sizeof(tleg_tensor_info), set by the caller */
    tleg_dtype dtype;     /* TLEG_F32, ... */
    int32_t rank;         /* 0 (a scalar) to TLEG_MAX_RANK */
    uint32_t flags;       /* TLEG_TENSOR_* */
    int64_t shape[TLEG_MAX_RANK];
    uint64_t bytes; /* of all elements */
    void *data;     /* the first element; row-major without gaps. NULL when it does not lie in host memory, or there is none */
    void *reserved; /* NULL */
} tleg_tensor_info;

/* The declaration of DLPack 1.x, in <tleg/dlpack.h> or the host's own <dlpack/dlpack.h>. */
struct DLManagedTensorVersioned;

/* A new tensor with all elements zero, aligned to 64 bytes. shape has rank entries, each
 * >= 0. Errors: ARGUMENT (dtype, rank, a negative size), MEMORY (also when the size overflows). */
TLEG_API tleg_status TLEG_CALL tleg_tensor_create(tleg_context *context, tleg_dtype dtype, int32_t rank, const int64_t *shape,
                                                  tleg_tensor **tensor);

/* A tensor over the host's memory, without a copy. `data` is row-major, aligned to its
 * element, and must stay valid until the tensor is freed; `release` (may be NULL) is then
 * called once with `host`, on the thread that frees. On failure it is not called.
 * Errors: as tleg_tensor_create, and ARGUMENT for data that is NULL (unless there are no
 * elements) or misaligned. */
TLEG_API tleg_status TLEG_CALL tleg_tensor_wrap(tleg_context *context, tleg_dtype dtype, int32_t rank, const int64_t *shape,
                                                void *data, tleg_done_fn release, void *host, tleg_tensor **tensor);

/* The same over memory that may only be read: the tensor serves as an input, is refused as an output, and is lent out through
 * DLPack as read-only. */
TLEG_API tleg_status TLEG_CALL tleg_tensor_wrap_const(tleg_context *context, tleg_dtype dtype, int32_t rank,
                                                      const int64_t *shape, const void *data, tleg_done_fn release, void *host,
                                                      tleg_tensor **tensor);

/* Fills *info up to info->struct_size. `context` may be NULL: there is no text then. Errors: ARGUMENT (NULL, struct_size too
 * small). */
TLEG_API tleg_status TLEG_CALL tleg_tensor_get_info(tleg_context *context, const tleg_tensor *tensor, tleg_tensor_info *info);

/* Takes over a DLPack tensor on the CPU without a copy: honours byte_offset, takes NULL
 * strides as compact. A copy is made when its strides are not row-major or its address is
 * not aligned to its element (TLEG_TENSOR_COPIED in its flags); as an output, such a tensor would not reach the original.
 * A tensor that is marked read-only serves as an input, and is lent out again as read-only.
 * On success the library calls its deleter when the tensor is freed; on failure the caller
 * keeps it. Errors: ARGUMENT, UNSUPPORTED (another device, major version, element type or
 * lanes), MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_tensor_from_dlpack(tleg_context *context, struct DLManagedTensorVersioned *managed,
                                                       tleg_tensor **tensor);

/* Lends a tensor out: *managed shares its memory and holds a reference until the consumer
 * calls its deleter, on any thread. Errors: ARGUMENT, MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_tensor_to_dlpack(tleg_context *context, tleg_tensor *tensor,
                                                     struct DLManagedTensorVersioned **managed);

/* Drops the caller's reference. NULL is allowed. Any thread. */
TLEG_API void TLEG_CALL tleg_tensor_free(tleg_tensor *tensor);

#ifdef __cplusplus
}
#endif

#endif
