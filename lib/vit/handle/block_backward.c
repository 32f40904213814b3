/* The block handle backward: the forward again, keeping what the backward needs, then the backward. */
#include "vit/handle/private.h"

#include <string.h>

struct backward_plan {
    struct tleg_block_shape shape;
    struct tleg_block_space space;
    struct tleg_turned_layout turned;
    size_t kept, activations, matrix, layer; /* offsets: of one matrix row-major, and of all, turned */
};

static tleg_status plan(tleg_context *context, const tleg_block *block, int64_t batch, int64_t tokens,
                        struct backward_plan *p) {
    tleg_status status = tleg_block_shape_of(context, block, batch, tokens, &p->shape);
    if (status != TLEG_OK)
        return status;
    size_t end = 0;
    p->kept = tleg_place(&end, tleg_kept_floats(&p->shape), sizeof(float));
    p->activations = tleg_place(&end, tleg_backward_activations(&p->shape), sizeof(float));
    size_t largest = 0;
    for (int site = 0; site < TLEG_SITES; site++) {
        struct tleg_spec spec;
        tleg_site_spec(&block->config, site, false, &spec);
        largest = tleg_spec_count(&spec) > largest ? tleg_spec_count(&spec) : largest;
    }
    tleg_turned_layout(block->kernels, &block->config, TLEG_F32, &p->turned);
    p->matrix = tleg_place(&end, largest, sizeof(float));
    p->layer = tleg_place(&end, p->turned.bytes, 1);
    return tleg_block_place_scratch(context, tleg_backward_scratch(block->kernels, &p->shape), end, &p->space);
}

TLEG_API tleg_status TLEG_CALL tleg_block_get_backward_memory(tleg_context *context, const tleg_block *block, int64_t batch,
                                                              int64_t tokens, uint64_t *bytes) {
    if (bytes)
        *bytes = 0;
    if (!context || !block || !bytes)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_block_get_backward_memory: a pointer is NULL");
    struct backward_plan p;
    tleg_status status = plan(context, block, batch, tokens, &p);
    if (status == TLEG_OK)
        *bytes = tleg_block_workspace_bytes(&p.space);
    return status;
}

/* ---- where gradients go ---- */

static void list_gradients(const tleg_block_gradients *g, tleg_tensor *tensors[TLEG_SITES][2]) {
    tleg_tensor *const list[TLEG_SITES][2] = {
        [TLEG_SITE_NORM1] = {g->norm1_weight, g->norm1_bias}, [TLEG_SITE_NORM2] = {g->norm2_weight, g->norm2_bias},
        [TLEG_SITE_QKV] = {g->qkv_weight, g->qkv_bias},       [TLEG_SITE_PROJ] = {g->proj_weight, g->proj_bias},
        [TLEG_SITE_FC1] = {g->fc1_weight, g->fc1_bias},       [TLEG_SITE_FC2] = {g->fc2_weight, g->fc2_bias},
    };
    memcpy(tensors, list, sizeof list);
}

static tleg_status check_gradient(tleg_context *context, const tleg_block *block, enum tleg_site site, bool bias,
                                  const tleg_tensor *tensor) {
    if (!tensor)
        return TLEG_OK;
    struct tleg_spec spec;
    tleg_site_spec(&block->config, site, bias, &spec);
    if (!spec.name[0])
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "block gradients: this block has no %s.%s", tleg_site_name(site),
                         bias ? "bias" : "weight");
    if (tensor->read_only)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "block gradients: the tensor for %s is read-only", tleg_site_name(site));
    return tleg_block_check_tensor(context, &block->config, "block gradients", site, bias, tensor);
}

static tleg_status read_gradients(tleg_context *context, const tleg_block *block, const tleg_block_gradients *host,
                                  struct tleg_layer_gradient *gradient) {
    tleg_block_gradients own = {0};
    tleg_tensor *tensors[TLEG_SITES][2];
    tleg_status status =
        host ? tleg_options_read(context, "tleg_block_gradients", host, &own, sizeof own, TLEG_LEAST_BLOCK_GRADIENTS) : TLEG_OK;
    if (status == TLEG_OK)
        status = tleg_check_reserved(context, "tleg_block_gradients.reserved", own.reserved == 0);
    list_gradients(&own, tensors);
    *gradient = (struct tleg_layer_gradient){0};
    for (int site = 0; site < TLEG_SITES; site++)
        for (int bias = 0; bias < 2 && status == TLEG_OK; bias++) {
            tleg_tensor *tensor = tensors[site][bias];
            status = check_gradient(context, block, site, bias, tensor);
            if (tensor)
                *(bias ? &gradient->bias[site] : &gradient->weight[site]) = tleg_gradient_one(tensor->data);
        }
    return status;
}

/* ---- the pass ---- */

static tleg_status check_tensors(tleg_context *context, const tleg_block *block, const tleg_tensor *x, const tleg_tensor *dy,
                                 const tleg_tensor *dx) {
    tleg_status status = tleg_block_check_tokens(context, block, "x", x, x);
    if (status == TLEG_OK)
        status = tleg_block_check_tokens(context, block, "dy", dy, x);
    if (status == TLEG_OK && dx)
        status = tleg_block_check_tokens(context, block, "dx", dx, x);
    if (status == TLEG_OK && dx && dx->read_only)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "block: dx is read-only");
    return status;
}

/* The layer's matrices for the way back. */
static void turn(const struct tleg_exec *exec, const tleg_block *block, const struct backward_plan *p, char *workspace,
                 struct tleg_layer *layer, struct tleg_weight turned[TLEG_SITES]) {
    float *matrix = (float *)(void *)(workspace + p->matrix);
    char *memory = workspace + p->layer;
    for (int site = 0; site < TLEG_SITES; site++) {
        int64_t n, k;
        if (!tleg_site_matrix(&block->config, (enum tleg_site)site, &n, &k))
            continue;
        tleg_unpack_from(block->kernels, &layer->linear[site].weight, NULL, matrix); /* f32: no scratch */
        tleg_turned_put(exec, &block->config, &p->turned, memory, site, matrix);
    }
    tleg_turned_view(&p->turned, &block->config, memory, turned);
}

TLEG_API tleg_status TLEG_CALL tleg_block_backward(tleg_context *context, const tleg_block *block, const tleg_tensor *x,
                                                   const tleg_tensor *dy, tleg_tensor *dx,
                                                   const tleg_block_gradients *gradients, void *workspace,
                                                   uint64_t workspace_bytes) {
    if (!context || !block || !x || !dy || !workspace)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_block_backward: a pointer is NULL");
    struct backward_plan p;
    struct tleg_exec exec;
    char *memory;
    struct tleg_layer_gradient gradient;
    tleg_status status = check_tensors(context, block, x, dy, dx);
    if (status == TLEG_OK)
        status = read_gradients(context, block, gradients, &gradient);
    if (status == TLEG_OK)
        status = plan(context, block, x->shape[0], x->shape[1], &p);
    if (status == TLEG_OK)
        status = tleg_block_enter(context, block, &p.space, workspace, workspace_bytes, &exec, &memory);
    if (status != TLEG_OK)
        return status;
    struct tleg_layer layer;
    struct tleg_weight turned[TLEG_SITES];
    struct tleg_kept kept;
    const struct tleg_branch_scales whole = {0}; /* no stochastic depth */
    tleg_layer_view(&block->layout, &block->config, block->memory, &layer);
    turn(&exec, block, &p, memory, &layer, turned);
    tleg_kept_place(&p.shape, (float *)(void *)(memory + p.kept), &kept);
    float *d = dx ? dx->data : kept.x; /* the input stays where it is: its place is free */
    kept.x = x->data;
    if (d != dy->data)
        memcpy(d, dy->data, dy->bytes);
    tleg_block_keep(&exec, &p.shape, &layer, whole, &kept, NULL);
    tleg_block_backward_pass(&exec, &p.shape, &layer, turned, whole, &kept, &gradient, d,
                             (float *)(void *)(memory + p.activations));
    return tleg_team_report(&context->error, &context->outcome);
}
