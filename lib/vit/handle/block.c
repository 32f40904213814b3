/* The block handle: one layer of its own, in the same layout as a model's. */
#include "vit/handle/private.h"
#include <string.h>

/* The options' tensors by site, weight then bias. */
static void list_tensors(const tleg_block_options *o, const tleg_tensor *tensors[TLEG_SITES][2]) {
    const tleg_tensor *list[TLEG_SITES][2] = {
        [TLEG_SITE_NORM1] = {o->norm1_weight, o->norm1_bias}, [TLEG_SITE_NORM2] = {o->norm2_weight, o->norm2_bias},
        [TLEG_SITE_QKV] = {o->qkv_weight, o->qkv_bias},       [TLEG_SITE_PROJ] = {o->proj_weight, o->proj_bias},
        [TLEG_SITE_FC1] = {o->fc1_weight, o->fc1_bias},       [TLEG_SITE_FC2] = {o->fc2_weight, o->fc2_bias},
    };
    memcpy(tensors, list, sizeof list);
}

tleg_status tleg_block_check_tensor(tleg_context *context, const tleg_config *config, const char *what, enum tleg_site site,
                                    bool bias, const tleg_tensor *tensor) {
    struct tleg_spec spec;
    char want[TLEG_SHAPE_TEXT], have[TLEG_SHAPE_TEXT];
    tleg_site_spec(config, site, bias, &spec);
    bool same = tensor->dtype == TLEG_F32 && tensor->rank == spec.rank;
    for (int32_t axis = 0; same && axis < spec.rank; axis++)
        same = tensor->shape[axis] == spec.shape[axis];
    if (same)
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: %s is %s %s, expected F32 %s", what, spec.name,
                     tleg_dtype_name(tensor->dtype), tleg_shape_text(tensor->rank, tensor->shape, have),
                     tleg_shape_text(spec.rank, spec.shape, want));
}

static tleg_status check_weight(tleg_context *context, const tleg_config *config, const struct tleg_parameter *parameter,
                                const tleg_tensor *tensor) {
    if (!tensor)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "block: %s is NULL", parameter->spec.name);
    return tleg_block_check_tensor(context, config, "block", parameter->site, parameter->bias, tensor);
}

static bool matrix_of(const tleg_tensor *tensor) {
    return tensor && tensor->rank == 2 && tensor->shape[0] >= 1 && tensor->shape[1] >= 1 && tensor->shape[0] <= INT32_MAX / 3 &&
           tensor->shape[1] <= INT32_MAX / 3;
}

/* The shape that the options' tensors imply, and whether all of them have it. */
static tleg_status check_options(tleg_context *context, const tleg_block_options *options, tleg_config *config) {
    if (!matrix_of(options->proj_weight) || !matrix_of(options->fc1_weight))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "block: attn.proj.weight and mlp.fc1.weight must be matrices (D, A) and (H, D)");
    *config = (tleg_config){.dim = (int32_t)options->proj_weight->shape[0],
                            .attention_dim = (int32_t)options->proj_weight->shape[1],
                            .heads = options->heads,
                            .hidden = (int32_t)options->fc1_weight->shape[0],
                            .no_qkv_bias = !options->qkv_bias,
                            .eps = options->eps == 0 ? 1e-5 : options->eps};
    if (config->heads < 1 || config->attention_dim % config->heads)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "block: heads is %d, expected a divisor of attention's width, %d",
                         config->heads, config->attention_dim);
    if (!(config->eps > 0 && config->eps < 1))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "block: eps must lie between 0 and 1");
    const tleg_tensor *tensors[TLEG_SITES][2];
    list_tensors(options, tensors);
    tleg_status status = TLEG_OK;
    struct tleg_parameter parameter = {0};
    while (status == TLEG_OK && tleg_each_parameter(config, &parameter))
        status = check_weight(context, config, &parameter, tensors[parameter.site][parameter.bias]);
    return status;
}

static void pack_tensors(tleg_block *block, const tleg_block_options *options) {
    const tleg_tensor *tensors[TLEG_SITES][2];
    list_tensors(options, tensors);
    const struct tleg_layer_at at = {block->kernels, &block->config, &block->layout, block->memory};
    struct tleg_parameter p = {0};
    while (tleg_each_parameter(&block->config, &p))
        tleg_layer_put(&at, p.site, p.bias, tensors[p.site][p.bias]->data);
}

TLEG_API tleg_status TLEG_CALL tleg_block_create(tleg_context *context, const tleg_block_options *options, tleg_block **out) {
    if (out)
        *out = NULL;
    if (!context || !options || !out)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_block_create: a pointer is NULL");
    tleg_block_options own = {0};
    tleg_config config;
    const struct tleg_kernels *kernels;
    tleg_status status = tleg_options_read(context, "tleg_block_options", options, &own, sizeof own, TLEG_LEAST_BLOCK_OPTIONS);
    if (status == TLEG_OK)
        status = check_options(context, &own, &config);
    if (status == TLEG_OK)
        status = tleg_kernels_of(context, &kernels);
    if (status != TLEG_OK)
        return status;
    struct tleg_layer_layout layout;
    tleg_layer_layout(kernels, &config, TLEG_F32, &layout);
    tleg_block *block = tleg_alloc(&context->allocator, sizeof *block);
    char *memory = layout.bytes == SIZE_MAX ? NULL : tleg_alloc(&context->allocator, layout.bytes);
    if (!block || !memory) {
        if (memory)
            tleg_release(&context->allocator, memory, layout.bytes);
        tleg_release(&context->allocator, block, sizeof *block);
        return tleg_fail_memory(context, "block", layout.bytes);
    }
    *block = (struct tleg_block){.allocator = context->allocator,
                                 .kernels = kernels,
                                 .blas = context->blas,
                                 .config = config,
                                 .layout = layout,
                                 .memory = memory};
    atomic_init(&block->references, 1);
    pack_tensors(block, &own);
    *out = block;
    return TLEG_OK;
}

tleg_status tleg_block_shape_of(tleg_context *context, const tleg_block *block, int64_t batch, int64_t tokens,
                                struct tleg_block_shape *shape) {
    const int64_t limit = INT32_MAX;
    if (batch < 1 || tokens < 1 || batch > limit || tokens > limit || batch * tokens > limit)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "block: batch is %lld and tokens %lld, expected 1 or more and a product below 2^31", (long long)batch,
                         (long long)tokens);
    *shape = tleg_block_shape_make(&block->config, batch, tokens, TLEG_F32);
    return TLEG_OK;
}

tleg_status tleg_block_place_scratch(tleg_context *context, struct tleg_scratch scratch, size_t end,
                                     struct tleg_block_space *space) {
    space->shared = tleg_place(&end, scratch.shared, 1);
    space->lane = tleg_place(&end, scratch.lane, (size_t)tleg_team_lanes(context->team));
    space->lane_bytes = scratch.lane;
    space->bytes = end;
    return end == SIZE_MAX ? tleg_fail_memory(context, "block workspace", SIZE_MAX) : TLEG_OK;
}

uint64_t tleg_block_workspace_bytes(const struct tleg_block_space *space) {
    return (uint64_t)space->bytes + TLEG_ALIGN - 1; /* for any address that a host has */
}

tleg_status tleg_block_enter(tleg_context *context, const tleg_block *block, const struct tleg_block_space *space,
                             void *workspace, uint64_t bytes, struct tleg_exec *exec, char **memory) {
    if (bytes < tleg_block_workspace_bytes(space))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "block: the workspace has %llu bytes, expected %llu",
                         (unsigned long long)bytes, (unsigned long long)tleg_block_workspace_bytes(space));
    const size_t past = (size_t)((uintptr_t)workspace % TLEG_ALIGN);
    *memory = (char *)workspace + (past ? TLEG_ALIGN - past : 0);
    *exec = (struct tleg_exec){.kernels = block->kernels,
                               .blas = block->blas,
                               .team = context->team,
                               .lanes = tleg_team_lanes(context->team),
                               .shared = *memory + space->shared,
                               .lane = *memory + space->lane,
                               .lane_bytes = space->lane_bytes,
                               .outcome = tleg_context_begin(context)};
    return TLEG_OK;
}

/* The activations come first. */
static tleg_status plan(tleg_context *context, const tleg_block *block, int64_t batch, int64_t tokens,
                        struct tleg_block_shape *shape, struct tleg_block_space *space) {
    tleg_status status = tleg_block_shape_of(context, block, batch, tokens, shape);
    if (status != TLEG_OK)
        return status;
    size_t end = 0;
    tleg_place(&end, tleg_block_activations(block->kernels, shape), sizeof(float));
    return tleg_block_place_scratch(context, tleg_block_scratch(block->kernels, shape), end, space);
}

TLEG_API tleg_status TLEG_CALL tleg_block_get_memory(tleg_context *context, const tleg_block *block, int64_t batch,
                                                     int64_t tokens, uint64_t *bytes) {
    if (bytes)
        *bytes = 0;
    if (!context || !block || !bytes)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_block_get_memory: a pointer is NULL");
    struct tleg_block_shape shape;
    struct tleg_block_space space;
    tleg_status status = plan(context, block, batch, tokens, &shape, &space);
    if (status == TLEG_OK)
        *bytes = tleg_block_workspace_bytes(&space);
    return status;
}

tleg_status tleg_block_check_tokens(tleg_context *context, const tleg_block *block, const char *name, const tleg_tensor *tensor,
                                    const tleg_tensor *x) {
    char have[TLEG_SHAPE_TEXT];
    if (tensor->dtype == TLEG_F32 && tensor->rank == 3 && tensor->shape[2] == block->config.dim &&
        tensor->shape[0] == x->shape[0] && tensor->shape[1] == x->shape[1])
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_ARGUMENT, "block: %s is %s %s, expected F32 [B, N, %d], the same for all", name,
                     tleg_dtype_name(tensor->dtype), tleg_shape_text(tensor->rank, tensor->shape, have), block->config.dim);
}

static tleg_status check_forward(tleg_context *context, const tleg_block *block, const tleg_tensor *x, const tleg_tensor *y) {
    tleg_status status = tleg_block_check_tokens(context, block, "x", x, x);
    if (status == TLEG_OK)
        status = tleg_block_check_tokens(context, block, "y", y, x);
    if (status == TLEG_OK && y->read_only)
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "block: y is read-only");
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_block_forward(tleg_context *context, const tleg_block *block, const tleg_tensor *x,
                                                  tleg_tensor *y, void *workspace, uint64_t workspace_bytes) {
    if (!context || !block || !x || !y || !workspace)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_block_forward: a pointer is NULL");
    struct tleg_block_shape shape;
    struct tleg_block_space space;
    struct tleg_exec exec;
    char *memory = NULL;
    tleg_status status = check_forward(context, block, x, y);
    if (status == TLEG_OK)
        status = plan(context, block, x->shape[0], x->shape[1], &shape, &space);
    if (status == TLEG_OK)
        status = tleg_block_enter(context, block, &space, workspace, workspace_bytes, &exec, &memory);
    if (status != TLEG_OK)
        return status;
    struct tleg_layer layer;
    tleg_layer_view(&block->layout, &block->config, block->memory, &layer);
    struct tleg_block_places places;
    tleg_block_place(block->kernels, &shape, (float *)(void *)memory, y->data, &places);
    tleg_block_pass(&exec, &shape, &layer, (struct tleg_branch_scales){0}, x->data, &places, y->data);
    return tleg_team_report(&context->error, &context->outcome);
}

TLEG_API void TLEG_CALL tleg_block_free(tleg_block *block) {
    if (!block || atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel) != 1)
        return;
    struct tleg_allocator allocator = block->allocator;
    tleg_release(&allocator, block->memory, block->layout.bytes);
    tleg_release(&allocator, block, sizeof *block);
}
