/* What `tleg check` computes at every level: one Transformer block, op by op, against plain loops in double precision; and a
 * small learngene of each kind from end to end against the portable level. */
#ifndef TLEG_TOOLS_CHECK_H
#define TLEG_TOOLS_CHECK_H

#include "base/tool.h"

/* Largest difference between `found` and `expected`, relative to the largest expected number; infinite where one is NaN. */
double check_difference(const float *found, const double *expected, size_t count);
/* Numbers from -1 to 1 that are the same on every machine, times `scale`, plus `shift`. */
void check_fill(float *out, size_t count, uint32_t seed, float scale, float shift);

/* ---- one block (block.c; its truth in reference.c) ---- */
enum check_input {
    CHECK_X, /* (B, N, D) */
    CHECK_NORM_WEIGHT,
    CHECK_NORM_BIAS,
    CHECK_QKV_WEIGHT,
    CHECK_QKV_BIAS,
    CHECK_PROJ_WEIGHT,
    CHECK_PROJ_BIAS,
    CHECK_FC1_WEIGHT,
    CHECK_FC1_BIAS,
    CHECK_FC2_WEIGHT,
    CHECK_FC2_BIAS,
    CHECK_INPUTS
};
enum check_result {
    CHECK_LAYERNORM, /* (B, N, D), of x */
    CHECK_LINEAR,    /* (B, N, 3D): qkv of x */
    CHECK_ATTENTION, /* (B, N, D), of that */
    CHECK_GELU,      /* (B, N, 3D), of qkv */
    CHECK_MLP,       /* (B, N, D), of x */
    CHECK_BLOCK,     /* (B, N, D), of x; both norms have the same weights */
    CHECK_RESULTS
};
struct check_block {
    int64_t batch, tokens, dim, heads, hidden;
    tleg_tensor *inputs[CHECK_INPUTS];
    float *data[CHECK_INPUTS]; /* of the tensors */
    double *expected[CHECK_RESULTS];
};
enum { CHECK_EPS_INVERSE = 100000 }; /* eps of the norms is 1e-5 */

size_t check_result_count(const struct check_block *block, enum check_result result);
/* Fills in all but the shape, which the caller sets. check_block_free is right after a failure too. */
tleg_status check_block_create(tleg_context *context, struct check_block *block);
/* Raises *difference to the largest of this context's results. */
tleg_status check_block_compare(tleg_context *context, const struct check_block *block, double *difference);
void check_block_free(struct check_block *block);

/* Fills block->expected, whose memory the caller made; false for lack of memory. */
bool check_reference(const struct check_block *block);

/* ---- a learngene from end to end (gene.c) ---- */
enum { CHECK_DTYPES = 3, CHECK_IMAGES = 3 };
struct check_gene {
    tleg_learngene *gene;
    tleg_config config;
    size_t answer;                    /* numbers that an image gets: logits, or the noise in it */
    float *images;                    /* (CHECK_IMAGES, channels, I, I) */
    float *answers;                   /* (CHECK_IMAGES, answer): workspace */
    float *first;                     /* likewise: the first answer of the level at hand */
    double *expected;                 /* likewise: the portable level's answer in f32 */
    tleg_model *models[CHECK_DTYPES]; /* the portable level's expansions: f32, bf16, f16 */
};
struct check_verdict {
    double difference; /* of all numbers compared */
    bool expansion;    /* every weight has the portable level's bits */
    bool same_bits;    /* at 1, 2 and 3 threads, batch 1 and 3, elastic and materialised */
};

/* context: a portable one; draws: a generator, in place of a classifier. Returns an exit code; check_gene_free is right after a
 * failure too. */
int check_gene_create(const struct invocation *call, tleg_context *context, bool draws, struct check_gene *gene);
/* contexts[i] has i + 1 threads, and there is one at least; count 0 leaves the comparison of bits out, which cblas does not
 * promise. Updates the verdict. */
int check_gene_compare(const struct invocation *call, tleg_context *const *contexts, int count, struct check_gene *gene,
                       struct check_verdict *verdict);
void check_gene_free(struct check_gene *gene);

#endif
