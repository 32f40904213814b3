/* Models and sessions from inside. */
#ifndef TLEG_LIB_VIT_HANDLE_H
#define TLEG_LIB_VIT_HANDLE_H

#include "dit/pass/pass.h"
#include <tleg/model.h>
#include <tleg/session.h>

/* ---- plan (plan.c): the one place that lays out a session ---- */
struct tleg_plan {
    struct tleg_block_shape shape;
    size_t x, activations, pooled, logits, condition, vectors, state, shared, lane; /* offsets in bytes */
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

/* A session over a model of any kind. */
tleg_status tleg_session_over(tleg_context *context, const tleg_model *model, const tleg_session_options *options,
                              tleg_session **session);
/* The same of its first `depth` layers alone, for measuring: what it tells is no model's answer. */
tleg_status tleg_session_over_first(tleg_context *context, const tleg_model *model, int32_t depth,
                                    const tleg_session_options *options, tleg_session **session);
/* Forgets former cancellations: a call that computes begins. */
void tleg_session_begin(tleg_session *session);
/* ARGUMENT for a network that draws. */
tleg_status tleg_session_check_kind(struct tleg_error *error, const tleg_config *config);
/* A run, whatever the network: arrays of as many images as batch says, checked by the caller. */
struct tleg_run {
    const float *images;
    struct tleg_asked asked; /* of a network that has conditions */
    float *out;              /* logits, or what is drawn; NULL: not wanted */
    float *features;
    int64_t batch;
};
tleg_status tleg_session_go(tleg_session *session, const struct tleg_run *run);

/* ---- model (model.c) ---- */
struct tleg_model {
    atomic_int references;
    struct tleg_allocator allocator;
    struct tleg_vit_config config;
    const struct tleg_kernels *kernels;
    struct tleg_blas blas;
    struct tleg_outer_weights outer;
    struct tleg_layer_layout layout;
    char *memory; /* outer weights, then depth * layout.bytes */
    size_t bytes, layers_at;
    char outer_names[TLEG_SLOTS][TLEG_LAYER_NAME];
};
/* A model without values: its memory and names are made; its outer weights go to the beginning of `memory`. Takes over *config,
 * on failure too. */
tleg_status tleg_model_make(tleg_context *context, const struct tleg_kernels *kernels, const struct tleg_blas *blas,
                            struct tleg_vit_config *config, tleg_model **model);
char *tleg_model_layer(const tleg_model *model, int32_t layer);
/* The bytes of a model of depth 0, and of each layer more: exactly what it allocates. */
void tleg_model_bytes(const struct tleg_kernels *kernels, const struct tleg_vit_config *config, size_t *fixed, size_t *layer);
tleg_model *tleg_model_share(const tleg_model *model);
void tleg_model_network(const tleg_model *model, struct tleg_network *network);

/* A model's tensors in the order of its file (model_tensors.c). */
struct tleg_model_entry {
    const char *name;
    int32_t layer; /* -1: outside the blocks */
    enum tleg_slot slot;
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
