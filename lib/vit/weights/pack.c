/* Weights from a file, or from memory, to their packed form, a piece of rows at a time. */
#include "vit/weights/weights.h"
#include <string.h>

enum { PIECE = 32768 }; /* floats: what is read, packed and converted while it is in the cache */

/* Rows of a piece: whole units, as many as fit. */
static int64_t piece_rows(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k) {
    int64_t unit = tleg_pack_unit(kernels, rounded), units = PIECE / (unit * k), all = (n + unit - 1) / unit;
    if (units < 1)
        units = 1;
    return unit * (units < all ? units : all);
}

/* The piece as it comes, then, where elements are not stored as f32, the piece packed. */
size_t tleg_pack_scratch(const struct tleg_kernels *kernels, int32_t rounded, int32_t stored, int64_t n, int64_t k) {
    int64_t rows = piece_rows(kernels, rounded, n, k);
    size_t raw = (size_t)(rows * k), packed = tleg_packed_count(kernels, rounded, rows, k);
    return stored == TLEG_F32 ? raw : tleg_size_align(raw) + packed;
}

tleg_status tleg_pack_from(tleg_context *context, const struct tleg_pack_job *job, void *packed) {
    const struct tleg_kernels *kernels = job->kernels;
    int64_t n = job->n, k = job->k, rows = piece_rows(kernels, job->rounded, n, k);
    float *piece = job->scratch + tleg_size_align((size_t)(rows * k));
    for (int64_t row = 0; row < n; row += rows) {
        int64_t part = n - row < rows ? n - row : rows;
        const float *w;
        tleg_status status = job->numbers(context, job->source, (size_t)(row * k), (size_t)(part * k), job->scratch, &w);
        if (status != TLEG_OK)
            return status;
        char *at = (char *)packed + tleg_packed_count(kernels, job->rounded, row, k) * tleg_dtype_size(job->stored);
        if (job->stored == TLEG_F32) {
            tleg_pack(kernels, job->rounded, part, k, w, (float *)(void *)at);
            continue;
        }
        tleg_pack(kernels, job->rounded, part, k, w, piece);
        tleg_convert(kernels, piece, tleg_packed_count(kernels, job->rounded, part, k), job->stored, at);
    }
    return TLEG_OK;
}

void tleg_round_vector(const struct tleg_kernels *kernels, int32_t dtype, size_t count, const float *values, float *out) {
    if (dtype == TLEG_F32) {
        if (out != values)
            memcpy(out, values, count * sizeof(float));
        return;
    }
    uint16_t half[256];
    for (size_t i = 0; i < count; i += 256) {
        size_t n = count - i < 256 ? count - i : 256;
        tleg_convert(kernels, values + i, n, dtype, half);
        tleg_widen(kernels, dtype, half, n, out + i);
    }
}

void tleg_pack_as(const struct tleg_kernels *kernels, int32_t dtype, int64_t n, int64_t k, const float *values, float *scratch,
                  void *packed) {
    if (dtype == TLEG_F32) {
        tleg_pack(kernels, TLEG_F32, n, k, values, packed);
        return;
    }
    tleg_pack(kernels, dtype, n, k, values, scratch);
    tleg_convert(kernels, scratch, tleg_packed_count(kernels, dtype, n, k), dtype, packed);
}

void tleg_unpack_from(const struct tleg_kernels *kernels, const struct tleg_weight *weight, float *scratch, float *values) {
    const float *packed = weight->basis.tensor[0];
    if (weight->stored != TLEG_F32) {
        tleg_widen(kernels, weight->stored, weight->basis.tensor[0],
                   tleg_packed_count(kernels, weight->rounded, weight->n, weight->k), scratch);
        packed = scratch;
    }
    tleg_unpack(kernels, weight->rounded, weight->n, weight->k, packed, values);
}

tleg_status tleg_round_from(tleg_context *context, const struct tleg_kernels *kernels, int32_t dtype, size_t count,
                            tleg_numbers *numbers, void *source, float *out) {
    const float *values;
    tleg_status status = numbers(context, source, 0, count, out, &values);
    if (status == TLEG_OK)
        tleg_round_vector(kernels, dtype, count, values, out);
    return status;
}
