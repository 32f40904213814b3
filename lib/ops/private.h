/* What the public operations share: checks of their tensors, and the scratch of one call. */
#ifndef TLEG_LIB_OPS_PRIVATE_H
#define TLEG_LIB_OPS_PRIVATE_H

#include "vit/weights/weights.h"

/* ---- checks: op begins the error's text ---- */
/* One tensor of a call, and what it must be: f32 of this shape; an output must not be read-only. A tensor that is NULL is not
 * looked at: those that must be there were. */
struct tleg_operand {
    const char *name;
    const tleg_tensor *tensor;
    bool output;
    int32_t rank;
    int64_t shape[TLEG_MAX_RANK];
};
/* In order, until one is not as expected. */
tleg_status tleg_ops_check(tleg_context *context, const char *op, size_t count, const struct tleg_operand *operands);
#define TLEG_OPS_CHECK(context, op, ...)                                                                                       \
    tleg_ops_check(context, op, sizeof((const struct tleg_operand[]){__VA_ARGS__}) / sizeof(struct tleg_operand),              \
                   (const struct tleg_operand[]){__VA_ARGS__})
/* Of the shape of x; with another last axis. */
struct tleg_operand tleg_operand_like(const char *name, const tleg_tensor *tensor, bool output, const tleg_tensor *x);
struct tleg_operand tleg_operand_last(const char *name, const tleg_tensor *tensor, bool output, const tleg_tensor *x,
                                      int64_t last);
/* x (..., D), D >= 1: its rows and D. */
tleg_status tleg_ops_rows(tleg_context *context, const char *op, const tleg_tensor *x, int64_t *rows, int64_t *dim);
/* weight (out, in), out >= 1. */
tleg_status tleg_ops_weight(tleg_context *context, const char *op, const char *name, const tleg_tensor *weight, int64_t in);
/* qkv (B, N, 3D) whose D the heads divide. */
tleg_status tleg_ops_qkv(tleg_context *context, const char *op, const tleg_tensor *qkv, int32_t heads);
tleg_status tleg_ops_eps(tleg_context *context, const char *op, double eps);

static inline float *tleg_ops_data(const tleg_tensor *tensor) { /* or NULL */
    return tensor ? tensor->data : NULL;
}
static inline struct tleg_gradient tleg_ops_gradient_at(const tleg_tensor *tensor) {
    return tleg_gradient_one(tleg_ops_data(tensor));
}
static inline struct tleg_rows tleg_ops_plain_rows(const float *x, int64_t stride) {
    return (struct tleg_rows){.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(x, stride)};
}

/* ---- scratch of one call ---- */
struct tleg_ops_space {
    struct tleg_exec exec;
    char *memory, *extra; /* extra: the operation's own, aligned to 64 */
    size_t bytes;
};
tleg_status tleg_ops_space_make(tleg_context *context, const char *op, struct tleg_scratch scratch, size_t extra,
                                struct tleg_ops_space *space);
/* Gives the space back, and `status`, or what a host's pool did wrong. */
tleg_status tleg_ops_space_end(tleg_context *context, struct tleg_ops_space *space, tleg_status status);

/* ---- a product of one call ---- */
size_t tleg_ops_packed_bytes(const struct tleg_kernels *kernels, int64_t n, int64_t k); /* SIZE_MAX when it does not fit */
/* out (m, n) = rows w^T + bias [through GELU], w (n, k) row-major, packed first into `packed`. */
struct tleg_ops_product {
    int64_t m, n, k;
    struct tleg_rows rows;
    const float *w, *bias;
    enum tleg_activation activation;
    float *packed, *out;
};
void tleg_ops_multiply(const struct tleg_exec *exec, const struct tleg_ops_product *product);

/* ---- linear maps (linear.c) ---- */
/* out (m, n) = x W^T + bias [through GELU]; packed as in struct tleg_ops_product. */
void tleg_ops_run_linear(const struct tleg_exec *exec, int64_t m, const float *x, const tleg_tensor *weight,
                         const tleg_tensor *bias, enum tleg_activation activation, float *packed, float *out);
/* A linear map on its way back. */
struct tleg_ops_linear { /* y = rows W^T + bias */
    int64_t m, n, k;
    struct tleg_rows rows;
    const float *w, *dy;
};
struct tleg_scratch tleg_ops_linear_scratch(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k);
/* Adds to the gradients that are wanted. */
void tleg_ops_weight_step(const struct tleg_exec *exec, const struct tleg_ops_linear *l, const tleg_tensor *dweight,
                          const tleg_tensor *dbias);
/* dx (m, k) = dy W [times the derivative of GELU at hidden, which may be NULL]. */
void tleg_ops_input_step(const struct tleg_exec *exec, const struct tleg_ops_linear *l, const float *hidden, float *dx);

#endif
