/* The handles of sessions and blocks, between the files of this room. */
#ifndef TLEG_LIB_VIT_HANDLE_PRIVATE_H
#define TLEG_LIB_VIT_HANDLE_PRIVATE_H

#include "vit/handle/handle.h"
#include <tleg/block.h>

/* ---- the session: one block of memory, laid out by tleg_plan_make, the handle at its start ---- */
struct tleg_session {
    struct tleg_error error;
    struct tleg_allocator allocator;
    atomic_int cancel;
    struct tleg_network network;
    void *owner;
    void (*release)(void *owner);
    int32_t depth;
    struct tleg_plan plan;
    struct tleg_exec exec;
    struct tleg_team_outcome outcome; /* of the run in progress */
    float *x;                         /* (B, N, D) */
    float *activations;               /* of a block */
    float *pooled;                    /* (heads, B, D): what each head reads */
    float *logits;                    /* (B, C) of the second head */
    float *condition;                 /* of a network that has one */
    float *vectors;                   /* of the layer that runs */
    void *state;                      /* of the depth */
};

/* A run of at most plan.shape.batch images through the network; false when cancelled (run.c). */
bool tleg_session_run_chunk(struct tleg_session *session, const struct tleg_run *run);

/* ---- the block: one layer of its own, in the same layout as a model's ---- */
struct tleg_block {
    atomic_int references;
    struct tleg_allocator allocator;
    const struct tleg_kernels *kernels;
    struct tleg_blas blas;
    tleg_config config; /* dim, heads, hidden, eps and the qkv bias alone */
    struct tleg_layer_layout layout;
    char *memory;
};

/* ---- checks ---- */
/* f32 of the shape that a site has in this block; `what` begins the text. */
tleg_status tleg_block_check_tensor(tleg_context *context, const tleg_config *config, const char *what, enum tleg_site site,
                                    bool bias, const tleg_tensor *tensor);
/* f32 (B, N, D), B and N those of x. */
tleg_status tleg_block_check_tokens(tleg_context *context, const tleg_block *block, const char *name, const tleg_tensor *tensor,
                                    const tleg_tensor *x);
tleg_status tleg_block_shape_of(tleg_context *context, const tleg_block *block, int64_t batch, int64_t tokens,
                                struct tleg_block_shape *shape);

/* ---- the workspace of a call: what the direction needs first, then the kernels' scratch ---- */
struct tleg_block_space {
    size_t shared, lane, lane_bytes, bytes;
};
/* Places the scratch after `end`. MEMORY when a size does not fit. */
tleg_status tleg_block_place_scratch(tleg_context *context, struct tleg_scratch scratch, size_t end,
                                     struct tleg_block_space *space);
/* What a host is asked for. */
uint64_t tleg_block_workspace_bytes(const struct tleg_block_space *space);
/* *memory is the first aligned byte of the host's workspace. ARGUMENT when that is too small. */
tleg_status tleg_block_enter(tleg_context *context, const tleg_block *block, const struct tleg_block_space *space,
                             void *workspace, uint64_t bytes, struct tleg_exec *exec, char **memory);

#endif
