/* The expansion of a learngene: out[i] = convert(base[i] + c * ilayer[i]), and the sums over larger bases.
 * One rounding after each product, one after each sum, one in the conversion: the same bits at every level, never an FMA. */
#include "kernels/op/four.h"
#include "kernels/table.h"
#include "tensor/tensor.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
    CHUNK = 256, /* elements that pass through the stack at once */
    PIECE = 256  /* elements of each tensor that stay in the nearest cache while all layers are made of them */
};

static const float *tensor_at(const struct tleg_basis *basis, int32_t j, size_t first) {
    return (const float *)basis->tensor[j] + first;
}

static void expand_f32(const float *base, const float *ilayer, float c, size_t count, float *out) {
    for (size_t i = 0; i < count; i++)
        out[i] = base[i] + c * ilayer[i];
}

void tleg_portable_expand(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, void *out) {
    if (dtype == TLEG_F32 && ilayer) {
        expand_f32(base, ilayer, c, count, out);
        return;
    }
    size_t size = tleg_dtype_size(dtype);
    for (size_t i = 0; i < count; i += CHUNK) {
        size_t part = count - i < CHUNK ? count - i : CHUNK;
        float formed[CHUNK];
        if (ilayer)
            expand_f32(base + i, ilayer + i, c, part, formed);
        tleg_convert_from_f32(dtype, ilayer ? formed : base + i, (char *)out + i * size, part);
    }
}

void tleg_portable_sum(const struct tleg_basis *basis, int32_t tensors, size_t first, size_t count, float *out) {
    enum { SUMS = 4 };
    size_t i = 0;
    for (; i + 4 * SUMS <= count; i += 4 * SUMS) {
        four sum[SUMS];
        for (int w = 0; w < SUMS; w++)
            sum[w] = basis->c[0] * four_load(tensor_at(basis, 0, first + i) + 4 * w);
        for (int32_t j = 1; j < tensors; j++)
            for (int w = 0; w < SUMS; w++)
                sum[w] += basis->c[j] * four_load(tensor_at(basis, j, first + i) + 4 * w);
        for (int w = 0; w < SUMS; w++)
            four_store(out + i + 4 * w, sum[w]);
    }
    for (; i < count; i++) {
        float sum = basis->c[0] * *tensor_at(basis, 0, first + i);
        for (int32_t j = 1; j < tensors; j++)
            sum += basis->c[j] * *tensor_at(basis, j, first + i);
        out[i] = sum;
    }
}

void tleg_portable_widen(int32_t dtype, const void *in, size_t count, float *out) {
    tleg_convert_to_f32(dtype, in, out, count);
}

/* ---- sums over a basis ---- */

typedef void expand_line(const float *base, const float *ilayer, float c, size_t count, int32_t dtype, void *out);

/* Whether it is what a level's kernel makes in one pass. */
static bool is_line(const struct tleg_basis *basis) {
    return basis->count == 1 || (basis->count == 2 && basis->c[0] == 1);
}

static void make_line(expand_line *expand, const struct tleg_basis *basis, size_t first, size_t count, int32_t dtype,
                      void *out) {
    expand(tensor_at(basis, 0, first), basis->count == 1 ? NULL : tensor_at(basis, 1, first), basis->c[1], count, dtype, out);
}

/* At most PIECE elements of any basis: `expand` adds the last tensor, and converts. */
static void make_sum(const struct tleg_kernels *kernels, expand_line *expand, const struct tleg_basis *basis, size_t first,
                     size_t count, int32_t dtype, void *out) {
    float sum[PIECE];
    const int32_t last = basis->count - 1;
    kernels->sum(basis, last, first, count, sum);
    expand(sum, tensor_at(basis, last, first), basis->c[last], count, dtype, out);
}

void tleg_expand(const struct tleg_kernels *kernels, const struct tleg_basis *basis, size_t first, size_t count, int32_t dtype,
                 void *out) {
    if (is_line(basis)) {
        make_line(kernels->expand, basis, first, count, dtype, out);
        return;
    }
    if (dtype == TLEG_F32) {
        kernels->sum(basis, basis->count, first, count, out);
        return;
    }
    size_t size = tleg_dtype_size(dtype);
    for (size_t i = 0; i < count; i += PIECE)
        make_sum(kernels, kernels->expand, basis, first + i, count - i < PIECE ? count - i : PIECE, dtype,
                 (char *)out + i * size);
}

void tleg_convert(const struct tleg_kernels *kernels, const float *in, size_t count, int32_t dtype, void *out) {
    kernels->expand(in, NULL, 0, count, dtype, out);
}

/* Makes what was streamed visible before anything that this thread stores later, such as that it is done. */
static void close_stream(void) {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

static bool all_lines(const struct tleg_formed *layers, int32_t depth) {
    for (int32_t l = 0; l < depth; l++)
        if (!is_line(&layers[l].basis))
            return false;
    return true;
}

void tleg_expand_layers(const struct tleg_kernels *kernels, const struct tleg_formed *layers, int32_t depth, size_t first,
                        size_t count, int32_t dtype) {
    expand_line *expand = kernels->stream ? kernels->stream : kernels->expand;
    const size_t size = tleg_dtype_size(dtype), end = first + count;
    const bool lines = all_lines(layers, depth);
    for (size_t at = first; at < end; at += PIECE) {
        const size_t part = end - at < PIECE ? end - at : PIECE;
        for (int32_t l = 0; l < depth; l++) {
            const struct tleg_basis *basis = &layers[l].basis;
            void *out = (char *)layers[l].out + at * size;
            if (lines || is_line(basis))
                make_line(expand, basis, at, part, dtype, out);
            else
                make_sum(kernels, expand, basis, at, part, dtype, out);
        }
    }
    close_stream();
}

void tleg_widen(const struct tleg_kernels *kernels, int32_t dtype, const void *in, size_t count, float *out) {
    kernels->widen(dtype, in, count, out);
}

/* out = widen(round(sum)) for a 16-bit type. */
static void form_rounded(const struct tleg_kernels *kernels, const struct tleg_basis *basis, size_t first, size_t count,
                         int32_t rounded, float *out) {
    for (size_t i = 0; i < count; i += CHUNK) {
        size_t part = count - i < CHUNK ? count - i : CHUNK;
        uint16_t halves[CHUNK];
        tleg_expand(kernels, basis, first + i, part, rounded, halves);
        kernels->widen(rounded, halves, part, out + i);
    }
}

const void *tleg_form_narrow(const struct tleg_kernels *kernels, const struct tleg_weight *weight, size_t first, size_t count,
                             void *scratch) {
    if (weight->stored != TLEG_F32)
        return (const char *)weight->basis.tensor[0] + first * tleg_dtype_size(weight->stored);
    tleg_expand(kernels, &weight->basis, first, count, weight->rounded, scratch);
    return scratch;
}

const float *tleg_form(const struct tleg_kernels *kernels, const struct tleg_weight *weight, size_t first, size_t count,
                       float *scratch) {
    const struct tleg_basis *basis = &weight->basis;
    if (weight->stored == TLEG_F32) {
        if (weight->rounded != TLEG_F32)
            form_rounded(kernels, basis, first, count, weight->rounded, scratch);
        else if (basis->count > 1)
            tleg_expand(kernels, basis, first, count, TLEG_F32, scratch);
        else
            return tensor_at(basis, 0, first);
        return scratch;
    }
    const char *stored = basis->tensor[0];
    kernels->widen(weight->stored, stored + first * tleg_dtype_size(weight->stored), count, scratch);
    if (weight->rounded != TLEG_F32 && weight->rounded != weight->stored) {
        struct tleg_basis wide = tleg_basis_one(scratch);
        form_rounded(kernels, &wide, 0, count, weight->rounded, scratch);
    }
    return scratch;
}
