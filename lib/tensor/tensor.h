/* The tensor handle from inside, and conversions between element types. */
#ifndef TLEG_LIB_TENSOR_H
#define TLEG_LIB_TENSOR_H

#include "core/core.h"
#include <tleg/tensor.h>

/* ---- element types (dtype.c) ---- */
size_t tleg_dtype_size(int32_t dtype);      /* bytes; 0 when unknown */
const char *tleg_dtype_name(int32_t dtype); /* safetensors' name: "F32", "BF16", ...; NULL when unknown */

/* Rounded to nearest, ties to even; NaN stays NaN (quiet, sign and upper payload bits kept, as x86 and ARM do). */
uint16_t tleg_f16_from_f32(float value);
float tleg_f32_from_f16(uint16_t bits);
uint16_t tleg_bf16_from_f32(float value);
float tleg_f32_from_bf16(uint16_t bits);
/* Whether numbers of the type can be read as f32; whether weights may be rounded to it. */
bool tleg_dtype_is_real(int32_t dtype);
bool tleg_dtype_is_of_weights(int32_t dtype);
/* Floating types to f32; `in` need not be aligned; false when dtype is not a floating type. */
bool tleg_convert_to_f32(int32_t dtype, const void *in, float *out, size_t count);
/* f32 to TLEG_F32, TLEG_F16 or TLEG_BF16. */
bool tleg_convert_from_f32(int32_t dtype, const float *in, void *out, size_t count);
/* The largest size of a finite number among them; 0 without one. From 65520 on, half-way beyond its largest, TLEG_F16 makes an
 * infinity of a number. */
float tleg_largest(const float *values, size_t count);
#define TLEG_F16_END 65520.0f
/* NUMERIC where a finite number would become an infinity in TLEG_F16; OK for other types. The text names the tensor, of whose
 * numbers these are `count` from `first` on. */
tleg_status tleg_check_range(tleg_context *context, int32_t dtype, const char *name, size_t first, const float *values,
                             size_t count);

/* ---- handle (tensor.c) ---- */
struct tleg_tensor {
    atomic_int references;
    struct tleg_allocator allocator;
    int32_t dtype, rank;
    int64_t shape[TLEG_MAX_RANK];
    size_t count, bytes;
    void *data;
    bool owned;     /* data, `bytes` long, comes from the allocator */
    bool read_only; /* imported or wrapped read-only: never an output; exported read-only too */
    bool copied;    /* imported by a copy, since its elements did not lie as ours do */
    tleg_done_fn release;
    void *host;
};
/* A handle with its type and shape checked and all else unset, data NULL. Errors: as tleg_tensor_create; `what` begins the
 * text. */
tleg_status tleg_tensor_new(tleg_context *context, const char *what, int32_t dtype, int32_t rank, const int64_t *shape,
                            tleg_tensor **tensor);
/* "[2, 3, 4]" into text, cut when too long; returns text. */
enum { TLEG_SHAPE_TEXT = 128 };
const char *tleg_shape_text(int32_t rank, const int64_t *shape, char text[TLEG_SHAPE_TEXT]);

#endif
