/* The expansion of a learngene: out[i] = convert(base[i] + c * ilayer[i]).
 * One rounding after the product, one after the sum, one in the conversion: the same bits at every level, never an FMA. */
#include "kernels/table.h"
#include "tensor/tensor.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
    CHUNK = 256, /* elements that pass through the stack at once */
    PIECE = 256  /* elements of base and of ilayer that stay in the nearest cache while all layers are made of them */
};

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

void tleg_portable_widen(int32_t dtype, const void *in, size_t count, float *out) {
    tleg_convert_to_f32(dtype, in, out, count);
}

void tleg_expand(const struct tleg_kernels *kernels, const float *base, const float *ilayer, float c, size_t count,
                 int32_t dtype, void *out) {
    kernels->expand(base, ilayer, c, count, dtype, out);
}

/* Makes what was streamed visible before anything that this thread stores later, such as that it is done. */
static void close_stream(void) {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

void tleg_expand_layers(const struct tleg_kernels *kernels, const struct tleg_formed *layers, int32_t depth, size_t first,
                        size_t count, int32_t dtype) {
    void (*expand)(const float *, const float *, float, size_t, int32_t, void *) =
        kernels->stream ? kernels->stream : kernels->expand;
    size_t size = tleg_dtype_size(dtype), end = first + count;
    for (size_t at = first; at < end; at += PIECE) {
        size_t part = end - at < PIECE ? end - at : PIECE;
        for (int32_t l = 0; l < depth; l++) {
            const struct tleg_formed *f = &layers[l];
            expand(f->base + at, f->ilayer ? f->ilayer + at : NULL, f->c, part, dtype, (char *)f->out + at * size);
        }
    }
    close_stream();
}

void tleg_widen(const struct tleg_kernels *kernels, int32_t dtype, const void *in, size_t count, float *out) {
    kernels->widen(dtype, in, count, out);
}

/* out = widen(round(base + c * ilayer)) for a 16-bit type. */
static void form_rounded(const struct tleg_kernels *kernels, const float *base, const float *ilayer, float c, size_t count,
                         int32_t rounded, float *out) {
    for (size_t i = 0; i < count; i += CHUNK) {
        size_t part = count - i < CHUNK ? count - i : CHUNK;
        uint16_t halves[CHUNK];
        kernels->expand(base + i, ilayer ? ilayer + i : NULL, c, part, rounded, halves);
        kernels->widen(rounded, halves, part, out + i);
    }
}

const void *tleg_form_narrow(const struct tleg_kernels *kernels, const struct tleg_weight *weight, size_t first, size_t count,
                             void *scratch) {
    if (weight->stored == TLEG_BF16)
        return (const char *)weight->base + first * sizeof(uint16_t);
    kernels->expand((const float *)weight->base + first, weight->ilayer ? weight->ilayer + first : NULL, weight->c, count,
                    TLEG_BF16, scratch);
    return scratch;
}

const float *tleg_form(const struct tleg_kernels *kernels, const struct tleg_weight *weight, size_t first, size_t count,
                       float *scratch) {
    const float *ilayer = weight->ilayer ? weight->ilayer + first : NULL;
    const float *base = weight->base;
    if (weight->stored == TLEG_F32) {
        base += first;
        if (weight->rounded != TLEG_F32)
            form_rounded(kernels, base, ilayer, weight->c, count, weight->rounded, scratch);
        else if (ilayer)
            kernels->expand(base, ilayer, weight->c, count, TLEG_F32, scratch);
        else
            return base;
        return scratch;
    }
    kernels->widen(weight->stored, (const char *)weight->base + first * tleg_dtype_size(weight->stored), count, scratch);
    if (weight->rounded != TLEG_F32 && weight->rounded != weight->stored)
        form_rounded(kernels, scratch, NULL, 0, count, weight->rounded, scratch);
    return scratch;
}
