/* A pass through the network, forward for sessions and trainers, and backward. One spelling for both: what differs, such as
 * where activations lie and whether they are kept for the way back, comes as an argument. */
#ifndef TLEG_LIB_VIT_PASS_H
#define TLEG_LIB_VIT_PASS_H

#include "vit/weights/weights.h"

/* ---- one block, forward (block.c); M = B * N rows ---- */
struct tleg_block_shape {
    int64_t batch, tokens, dim, heads, hidden;
    int64_t attention; /* A: numbers of all heads together */
    int64_t fc1;       /* columns that fc1 gives: hidden, or twice that */
    enum tleg_activation activation;
    int32_t norm_after;
    bool gated, attention_norm, mlp_norm, rotary, rotary_halves, rotary_x_first; /* as in tleg_config */
    int64_t qk_width;        /* numbers that a norm of queries and keys runs over; 0: there is none */
    int64_t prefix;          /* tokens before the patches */
    struct tleg_extent grid; /* of patches */
    const float *angles;     /* of rotary positions, which whoever runs the block sets */
    float eps;
    int32_t dtype; /* what weights are rounded to */
    /* Floats from one image's norms and gates to the next's, where a condition makes them; 0: all images have the same. */
    int64_t modulated;
};
struct tleg_block_shape tleg_block_shape_make(const tleg_config *config, int64_t batch, int64_t tokens, int32_t dtype);

/* Where a block's activations go. */
struct tleg_block_places {
    struct tleg_target qkv;    /* (M, 3A); these three of f32, or narrow for the product that follows */
    struct tleg_target mixed;  /* (M, A): attention's output */
    struct tleg_target hidden; /* (M, fc1): what fc1 gives */
    float *middle;             /* (M, D): between the halves */
    float *unnormed;           /* (2, M, A): queries and keys before their norms; NULL: not kept */
    float *branch;             /* (M, D): a branch before the norm that is after it; NULL: y's place, which is not x */
    bool keep;                 /* hidden before the activation, and all for the way back; else hidden after it */
};
/* For a pass that nobody walks back: hidden lies where qkv and mixed were, and middle is the output. */
size_t tleg_block_activations(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape); /* floats */
void tleg_block_place(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape, float *memory, float *y,
                      struct tleg_block_places *places);
struct tleg_scratch tleg_block_scratch(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape);
/* What each branch of a block is multiplied by, for each image of the batch (stochastic depth); NULL: by 1. */
struct tleg_branch_scales {
    const float *attention, *mlp;
};
/* y = block(x); x, y (B, N, D). y may be x where nothing is kept; NULL: only what is kept is wanted. */
void tleg_block_pass(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     struct tleg_branch_scales scales, const float *x, const struct tleg_block_places *places, float *y);
/* The rows that products read: a half's input x (M, D), through its norm where norms stand before branches; mixed; and
 * hidden (M, fc1), `activated` where it was stored so. */
struct tleg_rows tleg_rows_input(const struct tleg_block_shape *shape, const struct tleg_norm *norm, const float *x);
struct tleg_rows tleg_rows_mixed(const struct tleg_block_shape *shape, const struct tleg_layer *layer, struct tleg_view mixed);
/* Rotary positions, where the block has them: qkv, or its gradient backwards, (M, 3A) of f32. */
void tleg_turn_block(const struct tleg_exec *exec, const struct tleg_block_shape *shape, bool backwards, float *qkv);
struct tleg_rows tleg_rows_hidden(const struct tleg_block_shape *shape, const struct tleg_layer *layer, struct tleg_view hidden,
                                  bool activated);

/* ---- one block, backward (block_backward.c) ---- */
/* What the forward pass keeps. */
struct tleg_kept {
    float *x;        /* (M, D): the block's input; the caller fills it */
    float *qkv;      /* (M, 3A): as attention reads it */
    float *mixed;    /* (M, A) */
    float *middle;   /* (M, D) */
    float *hidden;   /* (M, fc1): before the activation */
    float *unnormed; /* (2, M, A): queries and keys before their norms, where they have some; else NULL */
};
size_t tleg_kept_floats(const struct tleg_block_shape *shape); /* SIZE_MAX when it does not fit */
void tleg_kept_place(const struct tleg_block_shape *shape, float *memory, struct tleg_kept *kept);
/* y = block(kept->x), and fills the rest of kept. y is not kept's memory; NULL: it is not wanted. */
void tleg_block_keep(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     struct tleg_branch_scales scales, const struct tleg_kept *kept, float *y);
struct tleg_layer_gradient {
    struct tleg_gradient weight[TLEG_SITES], bias[TLEG_SITES];
};
/* Floats of scratch, and the kernels' scratch, for both directions. */
size_t tleg_backward_activations(const struct tleg_block_shape *shape);
struct tleg_scratch tleg_backward_scratch(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape);
/* d (M, D): the loss's gradient by the block's output, which becomes that by its input. Gradients are added. */
void tleg_block_backward_pass(const struct tleg_exec *exec, const struct tleg_block_shape *shape,
                              const struct tleg_layer *layer, const struct tleg_weight turned[TLEG_SITES],
                              struct tleg_branch_scales scales, const struct tleg_kept *kept,
                              const struct tleg_layer_gradient *gradient, float *d, float *activations);

/* ---- before the blocks and after them ----
 * A session and a trainer reach these through struct tleg_ends alone, so that another family of networks may bring its own. */
struct tleg_linear_gradient {
    struct tleg_gradient weight, bias;
};
/* Where the gradients of what is outside the blocks go. */
struct tleg_outer_gradient {
    struct tleg_gradient patch_weight, patch_bias; /* (D, C*P*P), (D) */
    float *pos; /* (N, D): by every token's place; tokens' own gradients are its first rows */
    struct tleg_gradient patch_norm_weight, patch_norm_bias;       /* (D) */
    struct tleg_gradient before_weight, before_bias;               /* (D): of the norm before the blocks */
    struct tleg_gradient norm_weight, norm_bias;                   /* (D) */
    struct tleg_gradient latent, pool_norm_weight, pool_norm_bias; /* (D): of attention pooling */
    struct tleg_gradient pool_weight[TLEG_POOL_MATRICES], pool_bias[TLEG_POOL_MATRICES];
    struct tleg_gradient head_weight[TLEG_HEADS], head_bias[TLEG_HEADS]; /* (C, D), (C) */
    struct tleg_linear_gradient representation;
    struct tleg_linear_gradient time_in, time_out, last_modulation, last; /* of a generator */
    struct tleg_gradient labels;
};
/* Matrices outside the blocks for the way back, each W (n, k) as the weight (k, n). */
struct tleg_outer_turned {
    struct tleg_weight head[TLEG_HEADS], pool[TLEG_POOL_MATRICES], representation;
    struct tleg_weight time_out, last_modulation, last; /* of a generator */
};
/* What is pooled; `heads` is tleg_config_readouts(config). */
struct tleg_pooled {
    float *out;  /* (heads, B, D): what each head reads */
    float *seen; /* (heads, B, D): what the norm saw, where that is not x itself, for the way back; NULL: not wanted */
    float *rows; /* (patches or tokens, D): scratch; NULL: x is not read again, and its own memory serves */
    float *room; /* tleg_ends.room floats, which the way back reads and writes */
};
/* What the images of a batch are conditioned on (B); NULL: time 0, the last of the labels (the null label, if there is one). */
struct tleg_asked {
    const int64_t *times, *labels;
};
/* Of networks whose blocks a condition modulates, image by image (lib/dit/pass). `memory` holds `floats` of them, from the
 * first call to the last of a batch. The backward ones are NULL in a build without training. */
struct tleg_conditions {
    size_t (*floats)(const tleg_config *config, int64_t batch, bool backward); /* SIZE_MAX when it does not fit */
    /* What all layers and the last one are modulated by. */
    void (*form)(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                 const struct tleg_asked *asked, int64_t batch, float *memory);
    /* A layer's norms and gates, for each image, tleg_block_shape.modulated apart. */
    void (*modulate)(const struct tleg_exec *exec, const tleg_config *config, int64_t batch, float *memory,
                     struct tleg_layer *layer);
    /* out (B, channels drawn, I, I) from the last block's output x (B, N, D); room as tleg_ends.room says. */
    void (*finish)(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                   int64_t batch, float *memory, const float *x, float *room, float *out);
    /* d (B, N, D) from dout, of the latest finish; begins the condition's own gradient. */
    void (*finish_backward)(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_turned *turned,
                            int64_t batch, float *memory, const float *x, const float *dout, float *room, float *d,
                            const struct tleg_outer_gradient *gradient);
    /* Points the gradients of a modulated layer's norms and gates at the condition's memory, and makes them 0. */
    void (*aim)(const tleg_config *config, int64_t batch, float *memory, struct tleg_layer_gradient *gradient);
    /* From there on to the layer's own weights and to the condition. */
    void (*modulate_backward)(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_weight *turned,
                              int64_t batch, float *memory, const struct tleg_layer_gradient *gradient);
    /* And from the condition to what formed it. */
    void (*form_backward)(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_turned *turned,
                          const struct tleg_asked *asked, int64_t batch, float *memory,
                          const struct tleg_outer_gradient *gradient);
};
struct tleg_ends { /* the backward ones are NULL in a build without training */
    /* x (B, N, D) = tokens and patches, plus the position embedding, through the norm that may stand before the blocks; images
     * (B, C, I, I) (embed.c). */
    void (*embed)(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                  const float *images, int64_t batch, float *x);
    /* Adds to the gradients by what gave x, from d (B, N, D), which is overwritten; scratch (B, N, D). */
    void (*embed_backward)(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                           const float *images, int64_t batch, float *d, float *scratch,
                           const struct tleg_outer_gradient *gradient);
    /* What the heads read of the last block's output x (B, N, D) (readout.c). */
    void (*pool)(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer, int64_t batch,
                 float *x, const struct tleg_pooled *pooled);
    /* From dpooled (heads, B, D), which is overwritten, to d (B, N, D); x and pooled as pool had and left them. */
    void (*pool_backward)(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                          const struct tleg_outer_turned *turned, int64_t batch, const float *x,
                          const struct tleg_pooled *pooled, float *dpooled, float *d,
                          const struct tleg_outer_gradient *gradient);
    /* out (B, C) = pooled (B, D) head^T + bias, of head `which` */
    void (*read_out)(const struct tleg_exec *exec, const struct tleg_outer_weights *outer, int which, int64_t batch,
                     const float *pooled, float *out);
    /* dpooled (B, D) = dout (B, C) head, with the head turned; adds to its gradients. */
    void (*read_out_backward)(const struct tleg_exec *exec, const struct tleg_weight *turned, int which, int64_t batch,
                              const float *pooled, const float *dout, float *dpooled,
                              const struct tleg_outer_gradient *gradient);
    /* The kernels' scratch for a batch, in one direction or both. */
    struct tleg_scratch (*scratch)(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype, int64_t batch,
                                   bool backward);
    /* Floats of tleg_pooled.room, or of finish's, for a batch; SIZE_MAX when it does not fit. */
    size_t (*room)(const tleg_config *config, int64_t batch, bool backward);
    const struct tleg_conditions *conditions; /* NULL: nothing modulates the blocks; else it has no pool and read_out */
};
/* Of Vision Transformers that tell classes apart: patches and tokens in, pooled features and logits out. */
extern const struct tleg_ends tleg_classifier_ends;
struct tleg_scratch tleg_ends_scratch(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                                      int64_t batch, bool backward);

/* ---- embed.c, readout.c, attention_pool.c, representation.c: the parts of tleg_classifier_ends ---- */
/* x (prefix, D) = every token, in order, plus its row of pos (placed, D) where it has one. */
void tleg_embed_tokens(const tleg_config *config, const struct tleg_outer_weights *outer, float *x);
void tleg_embed(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                const float *images, int64_t batch, float *x);
void tleg_embed_backward(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                         const float *images, int64_t batch, float *d, float *scratch,
                         const struct tleg_outer_gradient *gradient);
/* out (B, R) = tanh(x W^T + bias) of what was pooled, x (B, P) */
void tleg_represent(const struct tleg_exec *exec, const struct tleg_linear *linear, int64_t batch, const float *x, float *out);
/* d (B, P) from dout (B, R), which is overwritten; x and out as above. */
void tleg_represent_backward(const struct tleg_exec *exec, const struct tleg_weight *turned, int64_t batch, const float *x,
                             const float *out, float *dout, float *d, const struct tleg_linear_gradient *gradient);
/* timm's AttentionPoolLatent after the final norm: out (B, D) of x (B, N, D); its room is tleg_attention_pool_room. */
void tleg_attention_pool(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_outer_weights *outer,
                         int64_t batch, const float *x, float *room, float *out);
/* d (B, N, D) from dout (B, D), which is overwritten. */
void tleg_attention_pool_backward(const struct tleg_exec *exec, const tleg_config *config,
                                  const struct tleg_outer_weights *outer, const struct tleg_weight turned[TLEG_POOL_MATRICES],
                                  int64_t batch, const float *x, float *room, float *dout, float *d,
                                  const struct tleg_outer_gradient *gradient);
size_t tleg_attention_pool_room(const tleg_config *config, int64_t batch,
                                bool backward); /* 0 without; SIZE_MAX: does not fit */
struct tleg_scratch tleg_attention_pool_scratch(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                                                int64_t batch, bool backward);

/* ---- the network: what a session runs, be it a model or an expander ---- */
struct tleg_network {
    const struct tleg_kernels *kernels;
    struct tleg_blas blas;
    const tleg_config *config;
    const struct tleg_outer_weights *outer;
    const struct tleg_ends *ends;
    const void *owner;
    int32_t least_depth, most_depth;
    size_t vectors;     /* floats of scratch that `get` may fill */
    size_t state_bytes; /* what `set_depth` keeps for a depth */
    tleg_status (*set_depth)(struct tleg_error *error, const void *owner, int32_t depth, void *state); /* NULL: of a model */
    /* Layer 0..depth-1. The matrices of an expander come as base, ilayer and coefficient: the product forms them panel by
     * panel. */
    void (*get)(const void *owner, const void *state, int32_t layer, float *vectors, struct tleg_layer *out);
};

#endif
