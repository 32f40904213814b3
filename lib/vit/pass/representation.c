/* The representation layer, between what is pooled and the head: tanh(x W^T + bias), as ViT had it when it was pre-trained
 * (Dosovitskiy et al., 2021). */
#include "vit/pass/pass.h"

#include <math.h>

/* 1 - 2 / (e^2x + 1), to a float's last bit or the one before; near 0, where that loses digits, x itself, and what is not a
 * number as well. */
static float tanh_of(float x) {
    if (!(fabsf(x) >= 0x1p-12F))
        return x;
    return (float)(1 - 2 / (tleg_portable_exp(2.0 * (double)x) + 1));
}

void tleg_represent(const struct tleg_exec *exec, const struct tleg_linear *linear, int64_t batch, const float *x, float *out) {
    const int64_t n = linear->weight.n;
    tleg_gemm(exec, &(struct tleg_gemm){.m = batch,
                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(x, linear->weight.k)},
                                        .weight = &linear->weight,
                                        .epilogue = {.bias = linear->bias},
                                        .out = tleg_target_f32(out, n)});
    for (int64_t i = 0; i < batch * n; i++)
        out[i] = tanh_of(out[i]);
}

void tleg_represent_backward(const struct tleg_exec *exec, const struct tleg_weight *turned, int64_t batch, const float *x,
                             const float *out, float *dout, float *d, const struct tleg_linear_gradient *gradient) {
    const int64_t n = turned->k, k = turned->n;
    for (int64_t i = 0; i < batch * n; i++)
        dout[i] *= 1 - out[i] * out[i];
    tleg_weight_backward(exec, &(struct tleg_weight_backward){.m = batch,
                                                              .n = n,
                                                              .k = k,
                                                              .dy = dout,
                                                              .dy_stride = n,
                                                              .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(x, k)},
                                                              .weight = gradient->weight,
                                                              .bias = gradient->bias});
    tleg_gemm(exec, &(struct tleg_gemm){.m = batch,
                                        .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(dout, n)},
                                        .weight = turned,
                                        .out = tleg_target_f32(d, k)});
}
