/* A Vision Transformer from inside: its weights as a pass sees them, where they lie in memory, and the pass itself. */
#ifndef TLEG_LIB_VIT_H
#define TLEG_LIB_VIT_H

#include "kernels/kernels.h"
#include "vit/config.h"
#include <tleg/model.h>
#include <tleg/session.h>

/* ---- weights as a pass sees them ---- */
struct tleg_norm {
    const float *weight, *bias; /* (D) */
};
struct tleg_linear {
    struct tleg_weight weight; /* (out, in), packed */
    const float *bias;         /* (out), or NULL */
};
struct tleg_layer {
    struct tleg_norm norm1, norm2;
    struct tleg_linear qkv, proj, fc1, fc2;
};
bool tleg_site_is_norm(enum tleg_site site);
struct tleg_norm *tleg_layer_norm(struct tleg_layer *layer, enum tleg_site site);
struct tleg_linear *tleg_layer_linear(struct tleg_layer *layer, enum tleg_site site);

/* ---- where things lie (place.c) ---- */
/* Reserves count elements at a multiple of TLEG_ALIGN behind *end and returns their offset. Saturates: once a size does not
 * fit, *end is and stays SIZE_MAX. */
size_t tleg_place(size_t *end, size_t count, size_t element);

/* ---- packing from wherever numbers come from (pack.c) ----
 * Piece by piece, so that nobody holds a tensor as it is stored beside the same packed. */
/* Elements [first, first + count) of a row-major tensor as f32: where they lie, or read into `room`. */
typedef tleg_status tleg_numbers(tleg_context *context, void *source, size_t first, size_t count, float *room,
                                 const float **numbers);
/* Packs W (n, k) in the order that `rounded` has, as elements of `stored`. */
tleg_status tleg_pack_from(tleg_context *context, const struct tleg_kernels *kernels, int32_t rounded, int32_t stored,
                           int64_t n, int64_t k, tleg_numbers *numbers, void *source, float *scratch, void *packed);
size_t tleg_pack_scratch(const struct tleg_kernels *kernels, int32_t rounded, int32_t stored, int64_t n,
                         int64_t k); /* floats */
/* A vector or table, whole, as f32 rounded to dtype. */
tleg_status tleg_round_from(tleg_context *context, const struct tleg_kernels *kernels, int32_t dtype, size_t count,
                            tleg_numbers *numbers, void *source, float *out);

/* ---- one layer's memory (layer.c) ---- */
/* Matrices are packed elements of `dtype`; vectors are f32, rounded to dtype. */
struct tleg_layer_layout {
    int32_t dtype;
    size_t weight[TLEG_SITES], bias[TLEG_SITES]; /* offsets in bytes */
    size_t packed[TLEG_SITES];                   /* elements of each weight, padding included */
    size_t names;                                /* TLEG_SITES * 2 texts of TLEG_LAYER_NAME bytes */
    size_t bytes;                                /* of a layer; SIZE_MAX when that does not fit */
};
enum { TLEG_LAYER_NAME = 32 };
void tleg_layer_layout(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                       struct tleg_layer_layout *layout);
void tleg_layer_view(const struct tleg_layer_layout *layout, const tleg_config *config, const char *memory,
                     struct tleg_layer *layer);
/* Puts a tensor into a layer; `scratch` as for tleg_pack_from. */
tleg_status tleg_layer_read(tleg_context *context, const struct tleg_kernels *kernels, const tleg_config *config,
                            const struct tleg_layer_layout *layout, char *memory, enum tleg_site site, bool bias,
                            tleg_numbers *numbers, void *source, float *scratch);
/* Floats of scratch that serve every site. */
size_t tleg_layer_scratch(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype);
/* Puts a row-major f32 tensor into a layer; `scratch` holds layout->packed[site] floats (not needed for F32 or vectors). */
void tleg_layer_put(const struct tleg_kernels *kernels, const tleg_config *config, const struct tleg_layer_layout *layout,
                    char *memory, enum tleg_site site, bool bias, const float *values, float *scratch);
/* out = values rounded to dtype, as f32; may be in place. */
void tleg_round_vector(const struct tleg_kernels *kernels, int32_t dtype, size_t count, const float *values, float *out);
/* Packs a row-major W (n, k) as elements of dtype; scratch as above. */
void tleg_pack_as(const struct tleg_kernels *kernels, int32_t dtype, int64_t n, int64_t k, const float *values, float *scratch,
                  void *packed);
/* The inverse, to row-major f32; `scratch` holds the packed count of floats when `stored` is not F32. */
void tleg_unpack_from(const struct tleg_kernels *kernels, const struct tleg_weight *weight, float *scratch, float *values);

/* ---- everything but the blocks (outer.c) ---- */
struct tleg_outer_weights {
    struct tleg_linear patch; /* (D, 3*P*P) */
    const float *pos;         /* (N, D) */
    const float *cls, *dist;  /* (D), or NULL */
    struct tleg_norm norm;
    struct tleg_linear head[2]; /* (C, D); head[1].weight.base is NULL without a distillation token */
    const char *memory;         /* where they lie: tleg_outer_bytes, the owner's */
};
/* Numbers of a slot's tensor, as tleg_numbers; matrices are asked for in pieces in rising order, all else whole. */
typedef tleg_status tleg_outer_read(tleg_context *context, void *source, enum tleg_outer_slot slot, size_t first, size_t count,
                                    float *room, const float **numbers);
/* What they take; SIZE_MAX when that does not fit. */
size_t tleg_outer_bytes(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype);
/* Reads them into `memory`, or copies them there. */
tleg_status tleg_outer_fill(tleg_context *context, const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                            tleg_outer_read *read, void *source, char *memory, struct tleg_outer_weights *outer);
void tleg_outer_copy(const struct tleg_kernels *kernels, const tleg_config *config, const struct tleg_outer_weights *from,
                     char *memory, struct tleg_outer_weights *outer);
/* A tensor as row-major f32; `scratch` as for tleg_unpack_from. */
void tleg_outer_get(const struct tleg_kernels *kernels, const tleg_config *config, const struct tleg_outer_weights *outer,
                    enum tleg_outer_slot slot, float *scratch, float *out);

/* ---- the network: what a session runs, be it a model or an expander. Seam 2 ---- */
struct tleg_network {
    const struct tleg_kernels *kernels;
    const tleg_config *config;
    const struct tleg_outer_weights *outer;
    const void *owner;
    int32_t least_depth, most_depth;
    size_t vectors;     /* floats of scratch that `get` may fill */
    size_t state_bytes; /* what `set_depth` keeps for a depth */
    void (*set_depth)(const void *owner, int32_t depth, void *state);
    /* Layer 0..depth-1. The matrices of an expander come as base, ilayer and coefficient: the product forms them panel by
     * panel. */
    void (*get)(const void *owner, const void *state, int32_t layer, float *vectors, struct tleg_layer *out);
};

/* ---- the pass (forward.c) ---- */
struct tleg_block_shape {
    int64_t batch, tokens, dim, heads, hidden;
    float eps;
    int32_t dtype; /* what weights are rounded to */
};
/* What a block's pass needs besides x: activations (floats) and the kernels' scratch. */
size_t tleg_block_activations(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape);
struct tleg_scratch tleg_block_scratch(const struct tleg_kernels *kernels, const struct tleg_block_shape *shape);
/* The rows of x (M, D) through a norm, for a product. */
struct tleg_rows tleg_rows_norm(const struct tleg_block_shape *shape, const struct tleg_norm *norm, const float *x);
/* y = block(x); x, y (B, N, D); y may be x. */
void tleg_block_pass(const struct tleg_exec *exec, const struct tleg_block_shape *shape, const struct tleg_layer *layer,
                     const float *x, float *y, float *activations);

/* ---- plan (plan.c): the one place that lays out a session. Seam 5 ---- */
struct tleg_plan {
    struct tleg_block_shape shape;
    size_t x, activations, pooled, logits, vectors, state, shared, lane; /* offsets in bytes */
    size_t lane_bytes;
    size_t bytes; /* of everything, the handle first */
};
/* MEMORY when a size does not fit. */
tleg_status tleg_plan_make(tleg_context *context, const struct tleg_network *network, int32_t batch, int32_t lanes,
                           struct tleg_plan *plan);

/* ---- session (session.c) ---- */
/* `owner` is freed by `release` when the session is; on failure the caller keeps it. */
tleg_status tleg_session_make(tleg_context *context, const struct tleg_network *network, int32_t depth,
                              const tleg_session_options *options, void *owner, void (*release)(void *owner),
                              tleg_session **session);
tleg_status tleg_session_plan(tleg_context *context, const struct tleg_network *network, const tleg_session_options *options,
                              struct tleg_plan *plan);
/* The bytes of such a session. */
tleg_status tleg_session_count(tleg_context *context, const struct tleg_network *network, const tleg_session_options *options,
                               uint64_t *bytes);

/* ---- model (model.c) ---- */
struct tleg_model {
    atomic_int references;
    struct tleg_allocator allocator;
    struct tleg_vit_config config;
    const struct tleg_kernels *kernels;
    struct tleg_outer_weights outer;
    struct tleg_layer_layout layout;
    char *memory; /* outer weights, then depth * layout.bytes */
    size_t bytes, layers_at;
    char outer_names[TLEG_OUTER][TLEG_LAYER_NAME];
};
/* A model without values: its memory and names are made; its outer weights go to the beginning of `memory`. Takes over *config,
 * on failure too. */
tleg_status tleg_model_make(tleg_context *context, const struct tleg_kernels *kernels, struct tleg_vit_config *config,
                            tleg_model **model);
char *tleg_model_layer(const tleg_model *model, int32_t layer);
/* The bytes of a model of depth 0, and of each layer more: exactly what it allocates. */
void tleg_model_bytes(const struct tleg_kernels *kernels, const struct tleg_vit_config *config, size_t *fixed, size_t *layer);
tleg_model *tleg_model_share(const tleg_model *model);
void tleg_model_network(const tleg_model *model, struct tleg_network *network);

/* A model's tensors in the order of its file (model_tensors.c). */
struct tleg_model_entry {
    const char *name;
    int32_t layer; /* -1: outside the blocks */
    enum tleg_outer_slot slot;
    enum tleg_site site;
    bool bias;
    struct tleg_spec spec; /* shape alone: the name is `name` */
};
int64_t tleg_model_count(const tleg_model *model);
void tleg_model_entry(const tleg_model *model, int64_t index, struct tleg_model_entry *entry);
/* Row-major f32; `scratch` holds tleg_model_scratch(model) floats. */
void tleg_model_get(const tleg_model *model, const struct tleg_model_entry *entry, float *scratch, float *out);
size_t tleg_model_scratch(const tleg_model *model); /* elements of the largest tensor, padding of matrices included */

#endif
