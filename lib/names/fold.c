/* A norm of each patch's pixels, as vit-pytorch has it before its patch embedding. Its factors are taken into the matrix after
 * it, W (z * w + b) + c = (W * w) z + (W b + c), so that what is left is a norm without factors: tleg.pixel_norm. */
#include "names/private.h"

#include <string.h>

enum { FACTORS, SHIFTS, MATRIX, BIAS, TENSORS };

static bool find(const tleg_file *file, struct tleg_rule_text prefix, const struct tleg_entry *entries[TENSORS]) {
    static const char *const names[TENSORS] = {"to_patch_embedding.1.weight", "to_patch_embedding.1.bias",
                                               "to_patch_embedding.2.weight", "to_patch_embedding.2.bias"};
    static const struct tleg_capture none;
    char whole[TLEG_NAMES_TEXT];
    bool good = true;
    for (int k = 0; k < TENSORS && good; k++) {
        const struct tleg_rule_text pattern = {names[k], strlen(names[k])};
        entries[k] = tleg_pattern_fill(pattern, prefix, &none, whole) ? tleg_file_find(file, whole) : NULL;
        good = entries[k] && entries[k]->rank == (k == MATRIX ? 2 : 1) && tleg_dtype_is_real(entries[k]->dtype) &&
               entries[k]->shape[0] > 0;
    }
    return good && entries[MATRIX]->shape[1] == entries[FACTORS]->shape[0] &&
           entries[MATRIX]->shape[1] == entries[SHIFTS]->shape[0] && entries[MATRIX]->shape[0] == entries[BIAS]->shape[0];
}

/* Row `d` of the matrix, whose pixels have their channels last, to (C, P, P). */
static void fold_row(const struct tleg_fold *fold, int64_t d, const float *row, const float *factors, const float *shifts) {
    const int64_t pixels = fold->pixels / fold->channels;
    double sum = fold->bias[d];
    for (int64_t i = 0; i < fold->pixels; i++) {
        const int64_t pixel = i / fold->channels, channel = i % fold->channels;
        sum += (double)row[i] * shifts[i];
        fold->matrix[d * fold->pixels + channel * pixels + pixel] = row[i] * factors[i];
    }
    fold->bias[d] = (float)sum;
}

tleg_status tleg_names_fold(tleg_context *context, const tleg_file *file, struct tleg_rule_text prefix,
                            struct tleg_fold *fold) {
    const struct tleg_entry *entries[TENSORS];
    size_t count;
    if (!find(file, prefix, entries))
        return tleg_fail(context, TLEG_ERROR_FORMAT,
                         "%s: to_patch_embedding: expected a norm of a patch's pixels and a matrix with a bias for as many",
                         tleg_file_label(file));
    memcpy(fold->entries, entries, sizeof fold->entries);
    fold->dim = entries[MATRIX]->shape[0];
    fold->pixels = entries[MATRIX]->shape[1];
    if (!tleg_names_patch(fold->pixels, &fold->channels, &fold->side))
        return tleg_fail(context, TLEG_ERROR_FORMAT,
                         "%s: tensor \"%s\": expected 3 or 1 times the pixels of a square patch, found %lld",
                         tleg_file_label(file), entries[MATRIX]->name, (long long)fold->pixels);
    if (!tleg_size_mul((size_t)fold->dim + 3, (size_t)fold->pixels, &count) || /* the matrix, factors, shifts, a row */
        !tleg_size_add(count, (size_t)fold->dim, &count) || !tleg_size_mul(count, sizeof(float), &fold->bytes))
        return tleg_fail_memory(context, "a patch embedding", SIZE_MAX);
    fold->matrix = tleg_alloc(&context->allocator, fold->bytes);
    if (!fold->matrix)
        return tleg_fail_memory(context, "a patch embedding", fold->bytes);
    fold->bias = fold->matrix + fold->dim * fold->pixels;
    float *factors = fold->bias + fold->dim, *shifts = factors + fold->pixels, *row = shifts + fold->pixels;
    tleg_status status = tleg_file_read_f32(context, file, entries[FACTORS], factors);
    if (status == TLEG_OK)
        status = tleg_file_read_f32(context, file, entries[SHIFTS], shifts);
    if (status == TLEG_OK)
        status = tleg_file_read_f32(context, file, entries[BIAS], fold->bias);
    for (int64_t d = 0; d < fold->dim && status == TLEG_OK; d++) {
        status = tleg_file_read_part(context, file, entries[MATRIX], (size_t)(d * fold->pixels), (size_t)fold->pixels, row);
        if (status == TLEG_OK)
            fold_row(fold, d, row, factors, shifts);
    }
    return status;
}
