/* A Vision Transformer's weights: as a pass sees them, and where they lie in memory. */
#ifndef TLEG_LIB_VIT_WEIGHTS_H
#define TLEG_LIB_VIT_WEIGHTS_H

#include "config/config.h"
#include "kernels/kernels.h"
#include "tensor/tensor.h"

/* ---- weights as a pass sees them ---- */
struct tleg_norm {
    const float *weight, *bias; /* (D); without a bias it is an RMSNorm */
};
struct tleg_linear {
    struct tleg_weight weight; /* (out, in), packed */
    const float *bias;         /* (out), or NULL */
};
struct tleg_layer { /* each site in one of the two, by its kind; a gate is a norm's weight */
    struct tleg_norm norm[TLEG_SITES];
    struct tleg_linear linear[TLEG_SITES];
};

/* ---- where things lie (place.c) ---- */
/* Reserves count elements at the next multiple of TLEG_ALIGN from *end on and returns their offset. Saturates: once a size does
 * not fit, *end is and stays SIZE_MAX. */
size_t tleg_place(size_t *end, size_t count, size_t element);
size_t tleg_place_rows(size_t *end, size_t rows, size_t columns); /* floats (rows, columns) */

/* ---- packing from wherever numbers come from (pack.c) ----
 * Piece by piece, so that nobody holds a tensor as it is stored beside the same packed. */
/* Elements [first, first + count) of a row-major tensor as f32: where they lie, or read into `room`. */
typedef tleg_status tleg_numbers(tleg_context *context, void *source, size_t first, size_t count, float *room,
                                 const float **numbers);
struct tleg_pack_job {
    const struct tleg_kernels *kernels;
    int32_t rounded; /* the type in whose order W lies */
    int32_t stored;  /* of its elements */
    int64_t n, k;    /* of W */
    tleg_numbers *numbers;
    void *source;
    float *scratch; /* tleg_pack_scratch floats */
};
tleg_status tleg_pack_from(tleg_context *context, const struct tleg_pack_job *job, void *packed);
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
    struct {
        enum tleg_site site;
        bool bias;
    } tensor[2 * TLEG_SITES]; /* those that there are, in file order */
    int32_t tensors;
    size_t names; /* of them: texts of TLEG_LAYER_NAME bytes */
    size_t bytes; /* of a layer; SIZE_MAX when that does not fit */
};
enum { TLEG_LAYER_NAME = 40 };
void tleg_layer_layout(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                       struct tleg_layer_layout *layout);
void tleg_layer_view(const struct tleg_layer_layout *layout, const tleg_config *config, const char *memory,
                     struct tleg_layer *layer);
/* A layer that is being filled. */
struct tleg_layer_at {
    const struct tleg_kernels *kernels;
    const tleg_config *config;
    const struct tleg_layer_layout *layout;
    char *memory;
};
/* Puts a tensor into a layer; `scratch` as for tleg_pack_from. */
tleg_status tleg_layer_read(tleg_context *context, const struct tleg_layer_at *at, enum tleg_site site, bool bias,
                            tleg_numbers *numbers, void *source, float *scratch);
/* Floats of scratch that serve every site. */
size_t tleg_layer_scratch(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype);
/* Puts a row-major f32 tensor into a layer of F32. */
void tleg_layer_put(const struct tleg_layer_at *at, enum tleg_site site, bool bias, const float *values);
/* out = values rounded to dtype, as f32; may be in place. */
void tleg_round_vector(const struct tleg_kernels *kernels, int32_t dtype, size_t count, const float *values, float *out);
/* Packs a row-major W (n, k) as elements of dtype; scratch as above. */
void tleg_pack_as(const struct tleg_kernels *kernels, int32_t dtype, int64_t n, int64_t k, const float *values, float *scratch,
                  void *packed);
/* The inverse, to row-major f32; `scratch` holds the packed count of floats when `stored` is not F32. */
void tleg_unpack_from(const struct tleg_kernels *kernels, const struct tleg_weight *weight, float *scratch, float *values);

/* ---- a layer's matrices for the way back (turned.c): each W (n, k) as the packed weight (k, n) of dx = dy W ---- */
struct tleg_turned_layout {
    int32_t dtype;             /* TLEG_F32; or TLEG_BF16 where tleg_multiplies_narrow */
    size_t weight[TLEG_SITES]; /* offsets in bytes; of norms nothing is there */
    size_t bytes;              /* of a layer; SIZE_MAX when that does not fit */
};
void tleg_turned_layout(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                        struct tleg_turned_layout *layout);
/* Packs W (n, k), row-major, of a site that is a matrix. */
void tleg_turned_put(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_turned_layout *layout,
                     char *memory, enum tleg_site site, const float *w);
void tleg_turned_view(const struct tleg_turned_layout *layout, const tleg_config *config, const char *memory,
                      struct tleg_weight turned[TLEG_SITES]);

/* ---- rotary positions (rotary.c) ---- */
size_t tleg_rotary_floats(const tleg_config *config); /* 0: none */
void tleg_rotary_fill(const tleg_config *config, float *angles);
/* The rows of patches in a position embedding (patches, D) as vit-pytorch's SimpleViT computes them: a quarter each for sines
 * and cosines of the column, then of the row; D is at least 8. */
void tleg_places_fill(const tleg_config *config, float *places);

/* ---- everything but the blocks (outer.c) ---- */
struct tleg_attention_pool { /* timm's AttentionPoolLatent */
    const float *latent;     /* (D), of which the query is made */
    struct tleg_norm norm;
    struct tleg_linear linear[TLEG_POOL_MATRICES];
};
struct tleg_generator_weights {           /* of a Diffusion Transformer */
    struct tleg_linear time_in, time_out; /* (D, 2 TLEG_TIME_WAVES), (D, D) */
    const float *labels;                  /* (labels, D) */
    struct tleg_linear last_modulation;   /* (2D, D) */
    struct tleg_linear last;              /* (P*P*channels drawn, D) */
};
enum { TLEG_HEADS = 2 }; /* the most that read features */
struct tleg_outer_weights {
    struct tleg_linear patch;            /* (D, C*P*P) */
    const float *pos;                    /* (placed tokens and patches, D), or NULL */
    const float *angles;                 /* (rows + columns of patches, D/heads/2): of rotary positions, or NULL */
    const float *cls, *dist;             /* (D), or NULL */
    const float *registers;              /* (R, D), or NULL */
    struct tleg_norm patch_norm;         /* of the embedded patches, or NULLs */
    struct tleg_norm before;             /* the blocks, or NULLs */
    struct tleg_norm norm;               /* or NULLs */
    struct tleg_attention_pool pool;     /* or NULLs */
    struct tleg_generator_weights draw;  /* or NULLs */
    struct tleg_linear representation;   /* (R, pooled), whose tanh the head reads, or NULLs */
    struct tleg_linear head[TLEG_HEADS]; /* (C, D); basis.tensor[0] of one that is not there is NULL */
    const char *memory;                  /* where they lie: tleg_outer_bytes, the owner's */
};
/* Numbers of a slot's tensor, as tleg_numbers; matrices are asked for in pieces in rising order, all else whole. */
typedef tleg_status tleg_outer_read(tleg_context *context, void *source, enum tleg_slot slot, size_t first, size_t count,
                                    float *room, const float **numbers);
/* What they take; SIZE_MAX when that does not fit. */
size_t tleg_outer_bytes(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype);
/* Reads them into `memory`, or copies them there. NUMERIC names a tensor with a number that the configuration's F16 does not
 * hold. */
tleg_status tleg_outer_fill(tleg_context *context, const struct tleg_kernels *kernels, const tleg_config *config,
                            tleg_outer_read *read, void *source, char *memory, struct tleg_outer_weights *outer);
void tleg_outer_copy(const struct tleg_kernels *kernels, const tleg_config *config, const struct tleg_outer_weights *from,
                     char *memory, struct tleg_outer_weights *outer);
/* A tensor as row-major f32; `scratch` as for tleg_unpack_from. */
void tleg_outer_get(const struct tleg_kernels *kernels, const tleg_config *config, const struct tleg_outer_weights *outer,
                    enum tleg_slot slot, float *scratch, float *out);

#endif
