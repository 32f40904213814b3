/* DLPack 1.x: how programs in one process hand tensors to each other (https://dmlc.github.io/dlpack).
 *
 * What tleg_tensor_from_dlpack and tleg_tensor_to_dlpack need of it, for hosts that have no <dlpack/dlpack.h>, or one from
 * before version 1. It stands beside either: whichever is included first declares, under DLPack's own names and numbers.
 * Include the real one first if you need more than is here. */
#ifndef TLEG_DLPACK_H
#define TLEG_DLPACK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef DLPACK_DLPACK_H_
#define DLPACK_DLPACK_H_

/* Where memory lives. This library takes kDLCPU alone. */
typedef enum {
    kDLCPU = 1,
    kDLCUDA = 2,
    kDLCUDAHost = 3,
    kDLOpenCL = 4,
    kDLVulkan = 7,
    kDLMetal = 8,
    kDLROCM = 10
} DLDeviceType;

/* What the bits of an element mean. */
typedef enum {
    kDLInt = 0,
    kDLUInt = 1,
    kDLFloat = 2,
    kDLOpaqueHandle = 3,
    kDLBfloat = 4,
    kDLComplex = 5,
    kDLBool = 6
} DLDataTypeCode;

typedef struct {
    DLDeviceType device_type;
    int32_t device_id;
} DLDevice;

typedef struct {
    uint8_t code;   /* DLDataTypeCode */
    uint8_t bits;   /* of one lane */
    uint16_t lanes; /* more than 1: vectors */
} DLDataType;

typedef struct {
    void *data; /* the first element lies byte_offset bytes further; NULL when there are no elements */
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape;
    int64_t *strides; /* in elements; NULL: row-major without gaps */
    uint64_t byte_offset;
} DLTensor;
#endif

/* The versioned struct and these macros came with version 1. */
#ifndef DLPACK_MAJOR_VERSION
#define DLPACK_MAJOR_VERSION 1
#define DLPACK_MINOR_VERSION 0
#define DLPACK_FLAG_BITMASK_READ_ONLY (1UL << 0UL)
#define DLPACK_FLAG_BITMASK_IS_COPIED (1UL << 1UL)

typedef struct {
    uint32_t major; /* another one: only the version and the deleter may be looked at */
    uint32_t minor;
} DLPackVersion;

typedef struct DLManagedTensorVersioned {
    DLPackVersion version;
    void *manager_ctx; /* the producer's */
    /* Called once by the consumer when it needs the tensor no more; may be NULL. */
    void (*deleter)(struct DLManagedTensorVersioned *self);
    uint64_t flags; /* DLPACK_FLAG_BITMASK_* */
    DLTensor dl_tensor;
} DLManagedTensorVersioned;
#endif

#ifdef __cplusplus
}
#endif

#endif
