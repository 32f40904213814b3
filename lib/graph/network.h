/* What a graph is as a Vision Transformer: found and checked (network.c), before tensors (weights.c) and keys (keys.c) are made
 * of it. */
#ifndef TLEG_LIB_GRAPH_NETWORK_H
#define TLEG_LIB_GRAPH_NETWORK_H

#include "graph/private.h"

/* Half a block: attention's or the MLP's. */
struct half {
    const struct value *sum;  /* STREAM */
    const struct value *norm; /* of the sum, or NULL */
};
struct network {
    struct walk *walk;
    const struct readout *readout;
    struct half *halves; /* the first block's first */
    size_t half_count;
    const struct value *embed, *before; /* before: the NORM between it and the blocks, or NULL */
    const struct value *norm;           /* after the blocks, not the last block's own; NULL: there is none */
    int64_t dim, heads;
    int64_t grid[2];             /* rows and columns of patches */
    const struct value *rotated; /* the first block's queries, or NULL: there are no rotary positions */
    struct tleg_angles angles;
    double eps;
    int32_t activation; /* TLEG_MLP_* */
    int32_t pool;       /* TLEG_POOL_* */
    bool qk_norm;
    bool rms; /* norms are RMSNorms */
};
/* What a walk has read out; UNSUPPORTED names what is not computed. */
tleg_status tleg_network_find(struct walk *walk, const struct readout *readout, struct network *net);
/* That a graph is not computed, and what was expected of a block, or of none where it is below 0. */
tleg_status tleg_network_refuse(const struct network *net, const char *expected, int64_t block);
int64_t tleg_network_prefix(const struct network *net); /* tokens before the patches */
/* Of a block: attention's branch, and the MLP's, with their norms wherever they stand. */
void tleg_network_branches(const struct network *net, int64_t block, struct branch branches[2]);
void tleg_network_qkv(const struct walk *walk, const struct value *mixed, const struct value *qkv[3]);
int64_t tleg_matrix_rows(const struct walk *walk, uint32_t constant);
int64_t tleg_matrix_columns(const struct walk *walk, uint32_t constant);
/* The parts of attention pooling. */
struct pool {
    const struct value *o, *mixed, *q, *k, *v, *norm, *fc1, *fc2, *function;
};

struct pool tleg_pool_parts(const struct walk *walk, const struct value *pooled);

/* The file's own pairs, then what they do not say; FORMAT where they say otherwise. */
tleg_status tleg_network_pairs(const struct network *net, struct tleg_pair **pairs, size_t *count);

#endif
