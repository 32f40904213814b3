/* The public operations around the blocks, both ways: patch embedding, tokens and positions, the mean over the patches. */
#include "ops/private.h"

#include <string.h>
#include <tleg/ops.h>

/* ---- patch embedding ---- */

struct patches {
    int64_t batch, count; /* patches of an image */
    struct tleg_extent image, patch;
    int64_t dim, width; /* width = 3 P Q */
};

static tleg_status read_patches(tleg_context *context, const char *op, const tleg_tensor *images, const tleg_tensor *weight,
                                struct patches *p) {
    char have[TLEG_SHAPE_TEXT];
    if (images->dtype != TLEG_F32 || images->rank != 4 || images->shape[1] != 3 || images->shape[2] < 1 ||
        images->shape[2] > TLEG_MAX_IMAGE || images->shape[3] < 1 || images->shape[3] > TLEG_MAX_IMAGE)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "%s: images is %s %s, expected F32 [B, 3, height, width] with sides from 1 to %d", op,
                         tleg_dtype_name(images->dtype), tleg_shape_text(images->rank, images->shape, have), TLEG_MAX_IMAGE);
    if (weight->dtype != TLEG_F32 || weight->rank != 4 || weight->shape[0] < 1 || weight->shape[1] != 3 ||
        weight->shape[2] < 1 || weight->shape[3] < 1 || images->shape[2] % weight->shape[2] ||
        images->shape[3] % weight->shape[3])
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "%s: weight is %s %s, expected F32 [D, 3, P, Q] where P divides %lld and Q divides %lld", op,
                         tleg_dtype_name(weight->dtype), tleg_shape_text(weight->rank, weight->shape, have),
                         (long long)images->shape[2], (long long)images->shape[3]);
    *p = (struct patches){.batch = images->shape[0],
                          .image = {(int32_t)images->shape[2], (int32_t)images->shape[3]},
                          .patch = {(int32_t)weight->shape[2], (int32_t)weight->shape[3]},
                          .count = images->shape[2] / weight->shape[2] * (images->shape[3] / weight->shape[3]),
                          .dim = weight->shape[0],
                          .width = 3 * weight->shape[2] * weight->shape[3]};
    return TLEG_OK;
}

static struct tleg_rows rows_of_image(const struct patches *p, const tleg_tensor *images, int64_t b) {
    return (struct tleg_rows){.kind = TLEG_ROWS_PATCHES,
                              .x = tleg_view_f32((const float *)images->data + b * 3 * tleg_extent_area(p->image), 0),
                              .image = p->image,
                              .patch = p->patch};
}

static void embed(const struct tleg_exec *exec, const struct patches *p, const tleg_tensor *images, const tleg_tensor *weight,
                  const tleg_tensor *bias, float *packed, float *y) {
    tleg_pack(exec->kernels, TLEG_F32, p->dim, p->width, weight->data, packed);
    struct tleg_weight w = {
        .n = p->dim, .k = p->width, .basis = tleg_basis_one(packed), .stored = TLEG_F32, .rounded = TLEG_F32};
    for (int64_t b = 0; b < p->batch; b++)
        tleg_gemm(exec, &(struct tleg_gemm){.m = p->count,
                                            .rows = rows_of_image(p, images, b),
                                            .weight = &w,
                                            .epilogue = {.bias = tleg_ops_data(bias)},
                                            .out = tleg_target_f32(y + b * p->count * p->dim, p->dim)});
}

TLEG_API tleg_status TLEG_CALL tleg_patch_embed_forward(tleg_context *context, const tleg_tensor *images,
                                                        const tleg_tensor *weight, const tleg_tensor *bias, tleg_tensor *y) {
    if (!context || !images || !weight || !y)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_patch_embed_forward: a pointer is NULL");
    const char *op = "patch embedding";
    struct patches p;
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = read_patches(context, op, images, weight, &p);
    if (status == TLEG_OK)
        status = TLEG_OPS_CHECK(context, op, {"bias", bias, false, 1, {p.dim}}, {"y", y, true, 3, {p.batch, p.count, p.dim}});
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK)
        return status;
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, op, tleg_gemm_scratch(kernels, TLEG_F32, p.count, p.dim, p.width),
                                 tleg_ops_packed_bytes(kernels, p.dim, p.width), &space);
    if (status == TLEG_OK)
        embed(&space.exec, &p, images, weight, bias, (float *)(void *)space.extra, y->data);
    return tleg_ops_space_end(context, &space, status);
}

static void patch_weights(const struct tleg_exec *exec, const struct patches *p, const tleg_tensor *images,
                          const tleg_tensor *dy, const tleg_tensor *dweight, const tleg_tensor *dbias) {
    for (int64_t b = 0; b < p->batch && (dweight || dbias); b++)
        tleg_weight_backward(exec, &(struct tleg_weight_backward){.m = p->count,
                                                                  .n = p->dim,
                                                                  .k = p->width,
                                                                  .dy = (const float *)dy->data + b * p->count * p->dim,
                                                                  .dy_stride = p->dim,
                                                                  .rows = rows_of_image(p, images, b),
                                                                  .weight = tleg_gradient_one(tleg_ops_data(dweight)),
                                                                  .bias = tleg_gradient_one(tleg_ops_data(dbias))});
}

struct scatter {
    const struct patches *p;
    const float *rows;
    float *images;
};

/* One image's patches (n, 3 P Q) back to their places: they do not overlap. */
static void scatter_image(void *arg, int64_t b, char *lane) {
    (void)lane;
    const struct scatter *s = arg;
    const struct patches *p = s->p;
    const float *from = s->rows + b * p->count * p->width;
    const int64_t height = p->patch.height, width = p->patch.width, columns = p->image.width / width;
    float *image = s->images + b * 3 * tleg_extent_area(p->image);
    for (int64_t i = 0; i < p->count; i++)
        for (int64_t row = 0; row < 3 * height; row++, from += width) {
            int64_t channel = row / height, y = i / columns * height + row % height, x = i % columns * width;
            memcpy(image + (channel * p->image.height + y) * p->image.width + x, from, (size_t)width * sizeof *from);
        }
}

static void patch_images(const struct tleg_exec *exec, const struct patches *p, const tleg_tensor *weight,
                         const tleg_tensor *dy, float *rows, float *dimages) {
    tleg_input_backward(
        exec, &(struct tleg_input_backward){
                  .m = p->batch * p->count, .n = p->dim, .k = p->width, .dy = dy->data, .w = weight->data, .dx = rows});
    tleg_for_each(exec, p->batch, scatter_image, &(struct scatter){p, rows, dimages});
}

TLEG_API tleg_status TLEG_CALL tleg_patch_embed_backward(tleg_context *context, const tleg_tensor *images,
                                                         const tleg_tensor *weight, const tleg_tensor *dy, tleg_tensor *dimages,
                                                         tleg_tensor *dweight, tleg_tensor *dbias) {
    if (!context || !images || !weight || !dy)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_patch_embed_backward: a pointer is NULL");
    const char *op = "patch embedding backward";
    struct patches p;
    const struct tleg_kernels *kernels = NULL;
    tleg_status status = read_patches(context, op, images, weight, &p);
    if (status == TLEG_OK)
        status = TLEG_OPS_CHECK(context, op, {"dy", dy, false, 3, {p.batch, p.count, p.dim}},
                                tleg_operand_like("dimages", dimages, true, images),
                                tleg_operand_like("dweight", dweight, true, weight), {"dbias", dbias, true, 1, {p.dim}});
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK || p.batch == 0)
        return status;
    struct tleg_scratch scratch = tleg_weight_backward_scratch(kernels, TLEG_F32, p.count, p.dim, p.width);
    if (dimages)
        tleg_scratch_join(&scratch, tleg_input_backward_scratch(kernels, p.batch * p.count, p.dim, p.width));
    struct tleg_ops_space space;
    status = tleg_ops_space_make(context, op, scratch, dimages ? dimages->bytes : 0, &space);
    if (status == TLEG_OK) {
        patch_weights(&space.exec, &p, images, dy, dweight, dbias);
        if (dimages)
            patch_images(&space.exec, &p, weight, dy, (float *)(void *)space.extra, dimages->data);
    }
    return tleg_ops_space_end(context, &space, status);
}

/* ---- tokens and positions ---- */

static void add(float *to, const float *from, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

static void sum(float *to, const float *a, const float *b, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] = a[i] + b[i];
}

/* tensor (B, N, D), or without an own shape to compare with */
static tleg_status check_images(tleg_context *context, const char *op, const char *name, const tleg_tensor *tensor) {
    char have[TLEG_SHAPE_TEXT];
    if (tensor->dtype == TLEG_F32 && tensor->rank == 3)
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: %s is %s %s, expected F32 [B, N, D]", op, name,
                     tleg_dtype_name(tensor->dtype), tleg_shape_text(tensor->rank, tensor->shape, have));
}

/* Rows of a tensor (rows, D); 0 for NULL, and for what a check refuses later. */
static int64_t rows_of(const tleg_tensor *tensor) {
    return tensor && tensor->rank == 2 ? tensor->shape[0] : 0;
}

TLEG_API tleg_status TLEG_CALL tleg_tokens_forward(tleg_context *context, const tleg_tensor *patches, const tleg_tensor *tokens,
                                                   const tleg_tensor *pos, tleg_tensor *y) {
    if (!context || !patches || !pos || !y)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_tokens_forward: a pointer is NULL");
    const char *op = "tokens";
    tleg_status status = check_images(context, op, "patches", patches);
    if (status != TLEG_OK)
        return status;
    const int64_t first = rows_of(tokens), count = patches->shape[1], dim = patches->shape[2];
    if (first > INT64_MAX - count)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: %lld tokens and %lld patches are too many", op, (long long)first,
                         (long long)count);
    const int64_t all = first + count;
    status = TLEG_OPS_CHECK(context, op, {"tokens", tokens, false, 2, {first, dim}}, {"pos", pos, false, 2, {all, dim}},
                            {"y", y, true, 3, {patches->shape[0], all, dim}});
    if (status != TLEG_OK)
        return status;
    if (all == 0 || dim == 0)
        return TLEG_OK; /* however many images */
    const float *p = pos->data, *from = patches->data;
    float *out = y->data;
    for (int64_t b = 0; b < patches->shape[0]; b++, out += all * dim, from += count * dim) {
        if (tokens)
            sum(out, tokens->data, p, first * dim);
        sum(out + first * dim, from, p + first * dim, count * dim);
    }
    return TLEG_OK;
}

TLEG_API tleg_status TLEG_CALL tleg_tokens_backward(tleg_context *context, const tleg_tensor *dy, tleg_tensor *dpatches,
                                                    tleg_tensor *dtokens, tleg_tensor *dpos) {
    if (!context || !dy)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_tokens_backward: a pointer is NULL");
    const char *op = "tokens backward";
    tleg_status status = check_images(context, op, "dy", dy);
    if (status != TLEG_OK)
        return status;
    int64_t batch = dy->shape[0], all = dy->shape[1], dim = dy->shape[2], first = rows_of(dtokens);
    if (!dtokens && dpatches && dpatches->rank == 3 && dpatches->shape[1] < all)
        first = all - dpatches->shape[1];
    if (first > all)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: dtokens has %lld rows, expected at most dy's %lld tokens", op,
                         (long long)first, (long long)all);
    status = TLEG_OPS_CHECK(context, op, {"dtokens", dtokens, true, 2, {first, dim}},
                            {"dpatches", dpatches, true, 3, {batch, all - first, dim}}, {"dpos", dpos, true, 2, {all, dim}});
    if (status != TLEG_OK)
        return status;
    if (all == 0 || dim == 0)
        return TLEG_OK; /* however many images */
    const float *from = dy->data;
    for (int64_t b = 0; b < batch; b++, from += all * dim) {
        if (dpos)
            add(dpos->data, from, all * dim);
        if (dtokens)
            add(dtokens->data, from, first * dim);
        if (dpatches)
            memcpy((float *)dpatches->data + b * (all - first) * dim, from + first * dim,
                   (size_t)((all - first) * dim) * sizeof(float));
    }
    return TLEG_OK;
}

/* ---- mean pooling ---- */

/* x (B, N, D), D >= 1, prefix < N, and pooled (B, D) */
static tleg_status check_pool(tleg_context *context, const char *op, const char *name, const tleg_tensor *x, int32_t prefix) {
    tleg_status status = check_images(context, op, name, x);
    if (status == TLEG_OK && (x->shape[2] < 1 || prefix < 0 || prefix >= x->shape[1]))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT,
                           "%s: the prefix is %d, expected 0 to %lld, and D is %lld, expected 1 or more", op, prefix,
                           (long long)x->shape[1] - 1, (long long)x->shape[2]);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_mean_pool_forward(tleg_context *context, const tleg_tensor *x, int32_t prefix,
                                                      tleg_tensor *y) {
    if (!context || !x || !y)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_mean_pool_forward: a pointer is NULL");
    const char *op = "mean pooling";
    const struct tleg_kernels *kernels;
    tleg_status status = check_pool(context, op, "x", x, prefix);
    if (status == TLEG_OK)
        status = TLEG_OPS_CHECK(context, op, {"y", y, true, 2, {x->shape[0], x->shape[2]}});
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK)
        return status;
    int64_t tokens = x->shape[1], dim = x->shape[2];
    for (int64_t b = 0; b < x->shape[0]; b++)
        tleg_mean_rows(kernels, tokens - prefix, dim, (const float *)x->data + (b * tokens + prefix) * dim,
                       (float *)y->data + b * dim);
    return TLEG_OK;
}

TLEG_API tleg_status TLEG_CALL tleg_mean_pool_backward(tleg_context *context, const tleg_tensor *dy, int32_t prefix,
                                                       tleg_tensor *dx) {
    if (!context || !dy || !dx)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_mean_pool_backward: a pointer is NULL");
    const char *op = "mean pooling backward";
    tleg_status status = check_pool(context, op, "dx", dx, prefix);
    if (status == TLEG_OK)
        status = TLEG_OPS_CHECK(context, op, tleg_operand_like("dx", dx, true, dx),
                                {"dy", dy, false, 2, {dx->shape[0], dx->shape[2]}});
    if (status != TLEG_OK)
        return status;
    int64_t tokens = dx->shape[1], dim = dx->shape[2];
    const float *from = dy->data;
    float *to = dx->data;
    for (int64_t b = 0; b < dx->shape[0]; b++, from += dim)
        for (int64_t r = 0; r < tokens; r++, to += dim)
            for (int64_t i = 0; i < dim; i++)
                to[i] = r < prefix ? 0 : from[i] / (float)(tokens - prefix);
    return TLEG_OK;
}
