/* The names and shapes that follow from a configuration. */
#ifndef TLEG_LIB_CONFIG_SPEC_H
#define TLEG_LIB_CONFIG_SPEC_H

#include "kernels/kernels.h"
#include <tleg/config.h>
#include <tleg/tensor.h>

/* ---- the parts of a block: sites (sites.c) ----
 * In the order of the schedule's documentation; tleg_site_key and tleg_site_name are public. */
enum tleg_site {
    TLEG_SITE_NONE = -1,
    TLEG_SITE_NORM1 = 0,
    TLEG_SITE_NORM2,
    TLEG_SITE_QKV,
    TLEG_SITE_PROJ,
    TLEG_SITE_FC1,
    TLEG_SITE_FC2,
    TLEG_SITE_LS1,            /* LayerScale: what the attention's branch is multiplied by */
    TLEG_SITE_LS2,            /* and the MLP's */
    TLEG_SITE_ATTENTION_NORM, /* of attention's output, before proj */
    TLEG_SITE_MLP_NORM,       /* of what fc2 reads */
    TLEG_SITE_MODULATION,     /* of a generator: shifts, scales and gates of a block's two halves, from the condition */
    TLEG_SITE_Q_NORM,         /* of attention's queries */
    TLEG_SITE_K_NORM,         /* and of its keys */
    TLEG_SITES
};
enum tleg_site_kind {
    TLEG_SITE_KIND_NORM,   /* two vectors, weight and bias, of a LayerNorm */
    TLEG_SITE_KIND_MATRIX, /* a matrix (n, k) of y = x W^T, and maybe a bias (n) */
    TLEG_SITE_KIND_GATE    /* one vector, which multiplies a branch */
};
enum tleg_site_kind tleg_site_kind(enum tleg_site site);
bool tleg_site_is_present(const tleg_config *config, enum tleg_site site);
/* Whether a site is a matrix, and present; if so, its sizes. */
bool tleg_site_matrix(const tleg_config *config, enum tleg_site site, int64_t *n, int64_t *k);
/* Whether its weight is a vector: kept as f32, and never packed. */
static inline bool tleg_site_is_vector(enum tleg_site site) {
    return tleg_site_kind(site) != TLEG_SITE_KIND_MATRIX;
}

/* ---- names and shapes (spec.c) ---- */
enum { TLEG_NAME_TEXT = 96 };
struct tleg_spec {
    char name[TLEG_NAME_TEXT];
    int32_t rank;
    int64_t shape[4];
};
/* The matrices of attention pooling, in file order. */
enum tleg_pool_matrix {
    TLEG_POOL_Q,  /* (D, D) */
    TLEG_POOL_KV, /* (2D, D) */
    TLEG_POOL_PROJ,
    TLEG_POOL_FC1, /* (H, D) */
    TLEG_POOL_FC2,
    TLEG_POOL_MATRICES
};
/* Tensors outside the blocks, in file order; a slot that the configuration lacks has an empty name. */
enum tleg_slot {
    TLEG_SLOT_NONE = -1,
    TLEG_SLOT_CLS_TOKEN = 0,
    TLEG_SLOT_DIST_TOKEN,
    TLEG_SLOT_REG_TOKEN, /* registers */
    TLEG_SLOT_POS_EMBED,
    TLEG_SLOT_PATCH_WEIGHT,
    TLEG_SLOT_PATCH_BIAS,
    TLEG_SLOT_PATCH_NORM_WEIGHT, /* patch_embed.norm.* */
    TLEG_SLOT_PATCH_NORM_BIAS,
    TLEG_SLOT_PRE_WEIGHT, /* norm_pre.*, before the blocks */
    TLEG_SLOT_PRE_BIAS,
    TLEG_SLOT_TIME_IN_WEIGHT, /* t_embedder.mlp.*, of a generator: two matrices and a table make the condition */
    TLEG_SLOT_TIME_IN_BIAS,
    TLEG_SLOT_TIME_OUT_WEIGHT,
    TLEG_SLOT_TIME_OUT_BIAS,
    TLEG_SLOT_LABELS,      /* y_embedder.embedding_table.weight: a row a label, then that of the null label */
    TLEG_SLOT_NORM_WEIGHT, /* norm.*, or fc_norm.* when a mean comes before it */
    TLEG_SLOT_NORM_BIAS,
    TLEG_SLOT_POOL_LATENT, /* attn_pool.*: attention pooling */
    TLEG_SLOT_POOL_NORM_WEIGHT,
    TLEG_SLOT_POOL_NORM_BIAS,
    TLEG_SLOT_POOL_Q_WEIGHT, /* its matrices, each with its bias after it: tleg_pool_slot */
    TLEG_SLOT_POOL_LAST = TLEG_SLOT_POOL_Q_WEIGHT + 2 * TLEG_POOL_MATRICES - 1,
    TLEG_SLOT_LAST_MODULATION_WEIGHT, /* final_layer.*, of a generator */
    TLEG_SLOT_LAST_MODULATION_BIAS,
    TLEG_SLOT_LAST_WEIGHT,
    TLEG_SLOT_LAST_BIAS,
    TLEG_SLOT_REPRESENTATION_WEIGHT, /* pre_logits.*, before the head */
    TLEG_SLOT_REPRESENTATION_BIAS,
    TLEG_SLOT_HEAD_WEIGHT, /* heads come last */
    TLEG_SLOT_HEAD_BIAS,
    TLEG_SLOT_HEAD_DIST_WEIGHT,
    TLEG_SLOT_HEAD_DIST_BIAS,
    TLEG_SLOTS
};
static inline enum tleg_slot tleg_pool_slot(enum tleg_pool_matrix matrix, bool bias) {
    return (enum tleg_slot)(TLEG_SLOT_POOL_Q_WEIGHT + 2 * (int)matrix + bias);
}
/* Whether a slot holds a matrix y = x W^T, and is present; if so, its sizes: all beyond the first dimension are k. */
bool tleg_slot_matrix(const tleg_config *config, enum tleg_slot slot, int64_t *n, int64_t *k);
/* A number for each slot's stream of random numbers, which never changes: slots may come in between, and seeds go on to mean
 * the same learngenes. */
uint64_t tleg_slot_stream(enum tleg_slot slot);
void tleg_outer_spec(const tleg_config *config, enum tleg_slot slot, struct tleg_spec *spec);
uint64_t tleg_outer_numbers(const tleg_config *config); /* of all that is outside the blocks */
/* A block's tensor, without the prefix: "attn.qkv.weight" (3A, D) and so on; an empty name where the configuration has none. */
void tleg_site_spec(const tleg_config *config, enum tleg_site site, bool bias, struct tleg_spec *spec);
/* Fills *info up to its struct_size as a public call does: type and shape, no data. ARGUMENT. */
tleg_status tleg_spec_info(tleg_context *context, const struct tleg_spec *spec, tleg_dtype dtype, tleg_tensor_info *info);
/* The number of elements of a spec; 0 for an empty one. Checked configurations do not overflow. */
size_t tleg_spec_count(const struct tleg_spec *spec);
int32_t tleg_config_attention_dim(const tleg_config *config); /* numbers of all heads together */
int32_t tleg_config_head(const tleg_config *config);          /* of one */
int64_t
tleg_config_qk_width(const tleg_config *config); /* numbers that a norm of queries and keys runs over; 0: there is none */
int32_t tleg_config_pool_heads(const tleg_config *config); /* of attention pooling */
int32_t tleg_config_pool_hidden(const tleg_config *config);
struct tleg_extent tleg_config_pixels(const tleg_config *config); /* of an image */
struct tleg_extent tleg_config_patch(const tleg_config *config);  /* likewise */
struct tleg_extent tleg_config_grid(const tleg_config *config);   /* of patches */
void tleg_config_set_pixels(tleg_config *config, struct tleg_extent pixels);
/* "24x40", height first; of a square "24". */
enum { TLEG_EXTENT_TEXT = 32 };
const char *tleg_extent_text(struct tleg_extent extent, char text[TLEG_EXTENT_TEXT]);
/* How a position embedding of `from` becomes one of `to`. */
struct tleg_resampling tleg_config_resampling(const tleg_config *from, const tleg_config *to, tleg_position_filter filter);
int64_t tleg_config_patches(const tleg_config *config);                 /* of an image */
int64_t tleg_config_image(const tleg_config *config);                   /* numbers of an image: channels * height * width */
int64_t tleg_config_patch_numbers(const tleg_config *config);           /* numbers of a patch, likewise */
tleg_mlp_kind tleg_config_usual_mlp(const tleg_config *config);         /* where nothing is said */
enum tleg_activation tleg_config_activation(const tleg_config *config); /* between fc1 and fc2 */
int64_t tleg_config_fc1(const tleg_config *config);                     /* rows of fc1: hidden, or twice that */
/* Tokens before the patches, in their order: class token, distillation token, registers. */
int32_t tleg_config_prefix(const tleg_config *config);
int32_t tleg_config_placed(const tleg_config *config); /* those that have a row in the position embedding: the first so many */
int64_t tleg_config_tokens(const tleg_config *config); /* prefix and patches */
/* Whether one learned query reads the tokens. */
static inline bool tleg_config_has_attention_pool(const tleg_config *config) {
    return config->pool == TLEG_POOL_ATTENTION || config->pool == TLEG_POOL_PATCH_ATTENTION;
}
/* ---- of a generator ---- */
enum { TLEG_TIME_WAVES = 128, TLEG_TIMES = 1000 }; /* frequencies that a time is spread over; times are 0 to 999 */
static inline bool tleg_config_draws(const tleg_config *config) {
    return config->kind == TLEG_KIND_DIT;
}
int64_t tleg_config_drawn(const tleg_config *config);      /* channels of its output: twice as many with a learned sigma */
int64_t tleg_config_outputs(const tleg_config *config);    /* numbers for an image: what is drawn, or one logit per class */
int64_t tleg_config_label_rows(const tleg_config *config); /* classes, and the null label where there is one */

int64_t tleg_config_pooled(const tleg_config *config);   /* numbers that pooling gives */
int64_t tleg_config_features(const tleg_config *config); /* numbers that a head reads: those, or of the representation layer */
/* Whether tokens make one row of numbers, which the final norm may stand before or after. */
static inline bool tleg_config_reduces(const tleg_config *config) {
    return config->pool == TLEG_POOL_MEAN || config->pool == TLEG_POOL_MEAN_ALL || config->pool == TLEG_POOL_MAX ||
           config->pool == TLEG_POOL_MEAN_MAX;
}
int64_t tleg_config_first_pooled(const tleg_config *config); /* of the tokens that are made one row: 0, or the first patch */
int tleg_config_readouts(const tleg_config *config);         /* heads that read features: 2 with a distillation token, else 1 */
/* A block's tensors, those that the configuration has, in file order:
 *     struct tleg_parameter parameter = {0};
 *     while (tleg_each_parameter(config, &parameter)) ...
 */
struct tleg_parameter {
    enum tleg_site site;
    bool bias;
    struct tleg_spec spec; /* without the prefix */
    size_t count;
    int next; /* where the walk goes on */
};
bool tleg_each_parameter(const tleg_config *config, struct tleg_parameter *parameter);
/* "blocks.LAYER." + the site's name + ".weight" or ".bias" */
void tleg_layer_name(int32_t layer, enum tleg_site site, bool bias, char name[TLEG_NAME_TEXT]);

/* ---- the segments of a learngene (schedule.h) ----
 * Layer i of a segment's n is the sum of its tensors, the k-th times f_k, and f_0 is 1 (learngene/coefficients.c). */
enum tleg_curve {
    TLEG_CURVE_POWER,     /* f_k = (i/n)^k */
    TLEG_CURVE_CHEBYSHEV, /* T_k(i/n) */
    TLEG_CURVE_COSINE,    /* cos(pi k (i + 1/2) / n) */
    TLEG_CURVES
};
struct tleg_span {  /* as the schedule writes it */
    int32_t layers; /* 0: the one segment of a site that the schedule leaves out; it takes any depth */
    enum tleg_curve curve;
    int32_t count; /* of tensors; 1: the layers share one; 2 of TLEG_CURVE_POWER: base and ilayer of a straight line */
};
/* How many tensors are stored: of a single layer one. */
static inline int32_t tleg_span_tensors(const struct tleg_span *span) {
    return span->layers == 1 ? 1 : span->count;
}
/* Whether they are base and ilayer: of a straight line. */
static inline bool tleg_span_is_line(const struct tleg_span *span) {
    return tleg_span_tensors(span) == 2 && span->curve == TLEG_CURVE_POWER;
}
/* "blocks.block.SITE.instances.SEGMENT.weight", or the bias likewise, and what tells a segment's tensors apart: nothing where
 * there is one, "_base" and "_ilayer" for a straight line, "_basis0" and so on for any other. */
void tleg_segment_name(enum tleg_site site, int32_t segment, bool bias, const struct tleg_span *span, int32_t tensor,
                       char name[TLEG_NAME_TEXT]);

#endif
