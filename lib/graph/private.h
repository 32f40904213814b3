/* What the files of this room share among themselves.
 *
 * Every value of the graph is given a meaning once, in the order of the nodes: constant numbers, or one of the steps of a
 * Vision Transformer (enum what) with a layout that says which of its axes lies where. Nodes that only move numbers (Reshape,
 * Transpose, Slice ...) change the layout; what computes is recognised by what it is computed from. A node that fits nowhere
 * gives a value without a meaning, and so do those that use it: who asks for such a value hears of the node. */
#ifndef TLEG_LIB_GRAPH_PRIVATE_H
#define TLEG_LIB_GRAPH_PRIVATE_H

#include "graph/graph.h"

struct walk;

/* ---- layouts (layout.c) ---- */
/* AXIS_NUMBER: what a TURN holds of a head. */
enum axis { AXIS_BATCH, AXIS_TOKEN, AXIS_KEY, AXIS_FEATURE, AXIS_NUMBER, AXIS_CHANNEL, AXIS_Y, AXIS_X };
/* Part of an axis: of the axis' index the digit index / stride % size. */
struct atom {
    int32_t axis, size, stride;
};
enum { ATOMS = 12, OPEN_BATCH = 999983 };            /* a prime: as large is a batch that the graph leaves open */
enum { MOST_SIDE = 1 << 20, MOST_PIXELS = 1 << 12 }; /* of an axis, and of a picture's sides: products fit 64 bits */
struct layout {
    int32_t rank;
    int8_t counts[TLEG_MAX_RANK]; /* of each dimension's atoms, the slowest first; none: its size is 1 */
    struct atom atoms[ATOMS];     /* of all dimensions in turn */
};
int64_t tleg_layout_size(const struct layout *layout, int32_t dim);
const struct atom *tleg_layout_atoms(const struct layout *layout, int32_t dim);
/* False when the new dimensions do not cut the atoms cleanly. */
bool tleg_layout_reshape(const struct layout *layout, int32_t rank, const int64_t *shape, struct layout *out);
void tleg_layout_transpose(const struct layout *layout, const int32_t *order, struct layout *out);
/* A dimension made of other atoms (count 0: it has size 1), or, with drop, of none at all any more. */
bool tleg_layout_replace(const struct layout *layout, int32_t dim, const struct atom *atoms, int32_t count, bool drop,
                         struct layout *out);
bool tleg_layout_equal(const struct layout *a, const struct layout *b);
/* Whether dimension `dim` is the whole of an axis of `size` (0: any). */
bool tleg_layout_is(const struct layout *layout, int32_t dim, enum axis axis, int64_t size);
/* Whether b is a, apart from dimensions of size 1. */
bool tleg_layout_broadcasts(const struct layout *a, const struct layout *b);

/* ---- constants (constant.c): numbers of the file, or made here, seen through strides ---- */
struct constant {
    const struct tleg_graph_tensor *tensor; /* NULL: `numbers` alone */
    const double *numbers;                  /* NULL: not read yet */
    bool whole;                             /* integers or truths */
    int32_t rank;
    int64_t shape[TLEG_MAX_RANK], strides[TLEG_MAX_RANK], offset; /* in elements */
};
/* Memory that lives as long as the walk; NULL, with its status, when there is none. */
void *tleg_walk_keep(struct walk *walk, size_t bytes);
/* A number for a constant; 0, with the walk's status, when memory is wanting. */
uint32_t tleg_constant_add(struct walk *walk, const struct constant *constant);
const struct constant *tleg_constant_get(const struct walk *walk, uint32_t constant);
int64_t tleg_constant_count(const struct constant *constant);
/* A tensor of the graph. */
void tleg_constant_of(const struct tleg_graph_tensor *tensor, struct constant *out);
/* Fresh numbers in rows; NULL, with the walk's status, when there would be more than the file can justify. */
double *tleg_constant_make(struct walk *walk, bool whole, int32_t rank, const int64_t *shape, struct constant *out);
/* Reads the numbers, unless they are there. */
bool tleg_constant_load(struct walk *walk, struct constant *constant);
double tleg_constant_at(const struct constant *constant, int64_t index); /* in row-major order, of one that is loaded */
/* The same numbers in other dimensions, copied where strides do not do. */
bool tleg_constant_reshape(struct walk *walk, const struct constant *constant, int32_t rank, const int64_t *shape,
                           struct constant *out);
/* Whether it has a single number, which it gives. */
bool tleg_constant_is_number(struct walk *walk, uint32_t constant, double *value);
/* The whole numbers of a constant of at most `most`; how many, or -1. */
enum { MOST_INTEGERS = 16 };
int tleg_constant_integers(struct walk *walk, uint32_t constant, int64_t values[MOST_INTEGERS]);
/* A constant that is broadcast over `layout`, as one of the axes in `axes` alone (ending with -1): dimensions (axis, axis ...).
 * False when it differs along another. */
bool tleg_constant_align(struct walk *walk, uint32_t constant, const struct layout *layout, const int32_t *axes, uint32_t *out);

/* ---- values ---- */
enum what {
    NOTHING, /* not computed yet */
    BAD,     /* by `node`, which was expected to be something else */
    CONSTANT,
    IMAGES,
    EMBED,       /* tokens before the patches, and patches with or without positions */
    STREAM,      /* EMBED or STREAM `of`, and a branch `other` added to it */
    MEANS,       /* of each token of `of` */
    CENTRED,     /* `of` without its means */
    SQUARES,     /* of such, or, for an RMSNorm, of `of` itself */
    VARIANCE,    /* the mean of squares */
    NORM,        /* LayerNorm, or RMSNorm, of `of` */
    INNER_NORM,  /* LayerNorm within a branch: of MIXED, of an MLP's hidden numbers, of the last LINEAR */
    LINEAR,      /* weight, bias and gate on `of` */
    FUNCTION,    /* of each number of `of`, a LINEAR or a VARIANCE: samples */
    GATED,       /* a FUNCTION `of` of one LINEAR, times another, `other`: SwiGLU and its like */
    TURN,        /* numbers of each head of a LINEAR `of`, on their way to rotary positions */
    EMPTY,       /* no tokens at all */
    ROTATED,     /* a LINEAR, queries or keys, with rotary positions */
    SCORES,      /* `of` by `other`, queries and keys */
    SHARES,      /* the softmax of such scores */
    NOT_NUMBERS, /* whether SHARES are not numbers */
    MIXED,       /* values `third` by such shares */
    POOL_MIXED, /* values `third` by shares of one query `of` and keys `other`: attention pooling; `weight`: the query itself */
    POOLED,     /* a LINEAR `of` of such, and an MLP of its norm, `other`, added to it */
    SUM,        /* of two readouts `of` and `other` */
    LENGTH,     /* of a vector of logits or features `of` */
    MADE        /* of logits or features `of` by what is left off: `expected` says what */
};
/* What is computed of tokens: their mean or the largest of them, both together, half of both, the class token and the mean. */
enum { BY_MEAN = 1, BY_MAX, BY_SUM, BY_MEAN_MAX, BY_CLS_MEAN };
/* Where the norm of a branch stands, in the order of tleg_branch_norm_words. */
enum { NORM_BEFORE, NORM_AFTER, NORM_OF_SUM };
enum { SAMPLES = 16, PREFIXES = 4 };
enum { USES_ERF = 1, USES_TANH = 2, USES_SIGMOID = 4, USES_RELU = 8, USES_OTHER = 16 };
/* Of a TURN or ROTATED: number k of a head is the sum of its terms, each another number of the head, from[k] - 1, or, where it
 * is below 0, the negative of -from[k] - 1, times what a table (tokens, size) has there. */
struct term {
    const int32_t *from;
    uint32_t table; /* a constant; 0: none */
};
struct turn {
    int32_t size, head, count; /* numbers, of how many a head has; terms */
    int64_t prefix;            /* of ROTATED: tokens that stay as they are */
    struct term terms[2];      /* of ROTATED: its own numbers, their partners */
};
struct value {
    uint8_t what;
    uint8_t uses;                /* of a FUNCTION */
    bool patches;                /* of EMBED */
    uint8_t mean_before;         /* of NORM: its input is such a one (BY_*) */
    bool rms;                    /* of a norm and its parts: it is an RMSNorm */
    uint8_t mean;                /* what is computed is then taken over tokens (BY_*) */
    uint8_t placed;              /* of STREAM: where the norm of `other` stands (NORM_*) */
    uint32_t halves;             /* of STREAM: how many branches were added, attention's and an MLP's in turn */
    uint32_t id;                 /* the value of the same numbers, in whichever layout */
    uint32_t of, other, third;   /* values; of EMBED, `other`: the NORM of its patches; of FUNCTION, `third`: what it squares */
    uint32_t weight, bias, gate; /* constants; 0: none */
    uint32_t prefix[PREFIXES], places; /* of EMBED: constants (rows, D) */
    uint32_t prefix_count;
    int64_t first, count; /* tokens of the sequence; count 0: all */
    double factor, eps;
    const double *samples;
    const struct turn *turn;
    const struct value *norm; /* of LINEAR, queries or keys: its norm, which comes before rotary positions; of IMAGES, and the
                                 EMBED of them, that of each patch's pixels; or NULL */
    uint32_t part_of; /* of LINEAR: that of which it is a part, numbers [part_first, ...) of each `part_head`; 0: none */
    int32_t part_first, part_head;
    uint32_t node;        /* of BAD: one more than its index; 0: it is used before it is computed */
    const char *expected; /* of BAD; of MADE: what */
    struct layout layout;
};

struct block_memory {
    struct block_memory *next;
    size_t bytes;
};
struct walk {
    tleg_context *context;
    const tleg_file *file;  /* that holds the graph */
    const tleg_file *asked; /* whose metadata count */
    const struct tleg_graph *graph;
    struct tleg_allocator allocator;
    tleg_status status;
    struct block_memory *memory;
    struct value *values; /* by number */
    size_t spare;         /* the first that no node gives: what fused ones compute on their way */
    struct constant *constants;
    size_t constant_count, constant_room;
    uint64_t numbers_left;              /* that may still be made */
    bool *walked;                       /* of each node */
    int64_t sides[2];                   /* of images: height and width in pixels */
    int32_t white;                      /* the largest number of images that the graph prepares itself: 1 or 255; else 0 */
    double tolerance;                   /* of what constants say, relative: more where they have half a word */
    const struct tleg_graph_node *node; /* the one at hand */
};

/* What a node gives, or, as text, what was expected of it instead. */
typedef const char *handler(struct walk *walk, struct value *out);
/* The handler of a type of node. */
struct known_operator {
    const char *type;
    handler *node;
};
/* NULL: the table has no such type. */
handler *tleg_find_operator(const struct known_operator *table, size_t count, const char *type); /* walk.c */

static inline const char *tleg_walk_text(const struct walk *walk, uint32_t text) {
    return walk->graph->text + text;
}
void tleg_walk_step(struct walk *walk, size_t index);
/* Nodes of constants alone, then all others, each after those that give what it reads (order.c). */
void tleg_walk_constants(struct walk *walk);
void tleg_walk_rest(struct walk *walk);
/* Gives the one input that is not a constant its meaning (images.c). */
tleg_status tleg_walk_images(struct walk *walk);
/* Images with a constant number for each channel added, or times one: how a graph prepares them. */
const char *tleg_prepare(struct walk *walk, const char *type, const struct value *images, uint32_t constant, struct value *out);
/* A constant, or where there is none this number, with another: an operation of constants; 0 where it failed. */
uint32_t tleg_fold_pair(struct walk *walk, const char *type, uint32_t constant, double other, uint32_t by);
/* A kernel (dim, channels, height, width) and its bias, for images as they come in place of prepared ones. */
void tleg_unprepare(struct walk *walk, const struct value *images, uint32_t *kernel, uint32_t *bias);
/* Whether the file justifies so many numbers more, which are made or looked at one by one: few of it may stand for many, and
 * many nodes may ask for the same ones. */
static inline bool tleg_walk_spend(struct walk *walk, uint64_t numbers) {
    const bool may = numbers <= walk->numbers_left;
    walk->numbers_left -= may ? numbers : 0;
    return may;
}
/* The input at `index`, or NULL when it is left out. */
const struct value *tleg_walk_in(const struct walk *walk, uint32_t index);
uint32_t tleg_walk_in_number(const struct walk *walk, uint32_t index);
const struct tleg_graph_attribute *tleg_walk_attribute(const struct walk *walk, const char *name);
int64_t tleg_walk_integer(const struct walk *walk, const char *name, int64_t other);
double tleg_walk_real(const struct walk *walk, const char *name, double other);
/* Whole numbers of an attribute, or of an input where that is absent (index 0: none); how many, -1: there are none. */
int tleg_walk_integers(struct walk *walk, const char *name, uint32_t index, int64_t values[MOST_INTEGERS]);
/* A dimension counted from the end when it is below 0; -1 when there is none. */
int32_t tleg_walk_dimension(int64_t axis, int32_t rank);
void tleg_value_constant(struct walk *walk, const struct constant *constant, struct value *out);
static inline bool tleg_is_constant(const struct value *value) {
    return value && value->what == CONSTANT;
}
/* What a branch reads, or the norm before it. */
static inline bool tleg_is_stream(const struct value *value) {
    return value->what == EMBED || value->what == STREAM || value->what == NORM;
}
static inline uint32_t tleg_value_number(const struct walk *walk, const struct value *value) {
    return (uint32_t)(value - walk->values);
}
/* Read out of a sequence: what a head may multiply. */
static inline bool tleg_is_read_out(const struct value *value) {
    const bool one = (value->mean || value->mean_before || value->count == 1) && value->mean != BY_SUM;
    return value->what == POOLED || ((value->what == NORM || value->what == STREAM) && one);
}
/* A matrix and its bias alone. */
static inline bool tleg_is_matrix(const struct value *value) {
    return value->what == LINEAR && !value->gate && !value->norm && value->factor == 1;
}
/* The tanh of a matrix of what was read out: a representation layer, which a head may multiply as well. */
bool tleg_is_represented(const struct walk *walk, const struct value *value);
/* Whether the last dimension holds a patch's pixels, as they come (embed.c). */
bool tleg_is_pixels(const struct value *images);
/* What any LayerNorm reads, one within a branch or at its end as well. */
bool tleg_is_normed(const struct walk *walk, const struct value *value);
/* What a matrix makes of a stream: queries or keys, which may have a norm of their own. */
static inline bool tleg_is_heads(const struct walk *walk, const struct value *value) {
    return value->what == LINEAR && tleg_is_stream(&walk->values[value->of]) && !value->gate && !value->norm &&
           value->factor == 1;
}
/* Their norm, without a weight and a bias as yet (block.c). */
const char *tleg_norm_heads(struct walk *walk, const struct value *in, bool rms, double eps, struct value *out);
/* A norm of `of`. */
static inline uint8_t tleg_norm_of(const struct value *of) {
    return tleg_is_stream(of) ? NORM : INNER_NORM;
}
static inline bool tleg_is_feature(const struct value *value) { /* in its last dimension */
    return value->layout.rank > 0 && tleg_layout_is(&value->layout, value->layout.rank - 1, AXIS_FEATURE, 0);
}

/* ---- what nodes do ---- */
handler tleg_node_constant, tleg_node_shape, tleg_node_fill, tleg_node_range, tleg_node_where, tleg_node_cast, tleg_node_expand,
    tleg_node_tile;                                                                                /* fold.c */
handler tleg_node_resize;                                                                          /* resize.c */
handler tleg_node_pass, tleg_node_reshape, tleg_node_transpose, tleg_node_slice, tleg_node_gather; /* move.c */
handler tleg_node_concat, tleg_node_conv;                                                          /* embed.c */
handler tleg_node_unary, tleg_node_binary, tleg_node_gelu;                                         /* arithmetic.c */
handler tleg_node_answer;                                                                          /* ends.c */
handler tleg_node_norm, tleg_node_mean, tleg_node_matmul, tleg_node_gemm, tleg_node_softmax, tleg_node_attention; /* block.c */
/* ---- operators that ONNX Runtime's optimiser makes of several (fused.c) ---- */
handler *tleg_find_fused(const char *type);
/* How many values they may compute on their way. */
size_t tleg_count_fused(const struct walk *walk);
/* What the plain ones are made of. */
const char *tleg_value_activate(struct walk *walk, const struct value *in, double (*function)(double, double), double parameter,
                                uint8_t uses, struct value *out);
const char *tleg_value_gelu(struct walk *walk, const struct value *in, bool curve, struct value *out);
const char *tleg_value_norm(struct walk *walk, const struct value *in, const struct value *weight, const struct value *bias,
                            bool rms, struct value *out);
const char *tleg_value_product(struct walk *walk, const struct value *a, const struct value *b, bool turned, struct value *out);
/* Queries, keys and values (images, heads, tokens, head), and what scores are multiplied by. */
const char *tleg_value_attend(struct walk *walk, const struct value *q, const struct value *k, const struct value *v,
                              double own, struct value *out);
const char *tleg_value_reshape(struct walk *walk, const struct value *in, int32_t rank, const int64_t *shape,
                               struct value *out);
const char *tleg_value_slice(struct walk *walk, const struct value *in, int32_t dim, int64_t first, int64_t count,
                             struct value *out);

/* Gives each of a Split's outputs (move.c). */
const char *tleg_node_split(struct walk *walk);

/* Arithmetic of constants alone (fold.c). */
const char *tleg_fold_binary(struct walk *walk, const char *type, const struct value *a, const struct value *b,
                             struct value *out);
const char *tleg_fold_unary(struct walk *walk, const char *type, const struct value *a, struct value *out);
const char *tleg_fold_concat(struct walk *walk, struct value *out);
/* Constants added or multiplied, and values added (block.c, embed.c). */
/* Whether positions may be added to a value: an EMBED, or a norm of the patches alone. */
bool tleg_takes_places(struct walk *walk, const struct value *value, uint32_t constant);
const char *tleg_add_places(struct walk *walk, const struct value *embed, uint32_t constant, struct value *out);
/* Pixels, each patch's in the last dimension, times a matrix (dim, pixels): what a convolution gives (embed.c). */
const char *tleg_embed_pixels(struct walk *walk, const struct value *images, const struct constant *matrix, struct value *out);
const char *tleg_add_vector(struct walk *walk, const struct value *value, uint32_t constant, struct value *out);
const char *tleg_scale_vector(struct walk *walk, const struct value *value, uint32_t constant, struct value *out);
const char *tleg_add_branch(struct walk *walk, const struct value *a, const struct value *b, struct value *out);
/* ---- rotary positions (rotary.c) ---- */
/* Tokens [first, first + count), in dimension `dim`, and numbers of a head, of queries or keys. */
const char *tleg_turn_tokens(struct walk *walk, const struct value *in, int32_t dim, int64_t first, int64_t count,
                             struct value *out);
const char *tleg_turn_slice(struct walk *walk, const struct value *in, int32_t dim, int64_t first, int64_t count, int64_t step,
                            struct value *out);
const char *tleg_turn_gather(struct walk *walk, const struct value *in, int32_t dim, uint32_t places, struct value *out);
const char *tleg_turn_negate(struct walk *walk, const struct value *in, struct value *out);
const char *tleg_turn_scale(struct walk *walk, const struct value *in, uint32_t constant, struct value *out);
const char *tleg_turn_add(struct walk *walk, const struct value *a, const struct value *b, bool minus, struct value *out);
const char *tleg_turn_concat(struct walk *walk, struct value *out);
/* Which rotary positions a ROTATED has (angles.c), of `prefix` tokens before grid * grid patches; false when it is none that
 * the library knows. */
struct tleg_angles {
    int32_t rotary; /* TLEG_ROTARY_* */
    int32_t grid;   /* in which rows and columns are counted */
    int32_t offset;
    bool halves, x_first;
    double base; /* 0: any will do */
};
bool tleg_angles_find(struct walk *walk, const struct value *rotated, int64_t prefix, int64_t grid, struct tleg_angles *out);
/* Whether another one has the same. */
bool tleg_angles_same(struct walk *walk, const struct value *known, const struct value *other, int64_t prefix, int64_t grid,
                      const struct tleg_angles *angles);

/* ---- attention pooling (pool.c) ---- */
/* A constant query times a matrix (out, in). */
const char *tleg_query_linear(struct walk *walk, const struct value *query, const struct constant *matrix, struct value *out);
/* Whether it is the query of attention pooling: a constant, or what a matrix makes of one. */
bool tleg_is_query(const struct walk *walk, const struct value *value);
/* Scores of a query by keys (.., tokens, head), the value numbered `keys`. */
const char *tleg_pool_score(struct walk *walk, const struct value *q, const struct value *k, uint32_t keys, struct value *out);
const char *tleg_pool_mix(struct walk *walk, const struct value *shares, const struct value *v, struct value *out);
/* o + mlp(norm(o)); false when it is something else. */
bool tleg_pool_add(const struct walk *walk, const struct value *o, const struct value *mlp, struct value *out);

/* What a branch, a LINEAR or an INNER_NORM of one, is made of. */
struct branch {
    const struct value *from;         /* what its first matrices read; NULL: it is not a branch */
    const struct value *norm;         /* with which it ends, or NULL */
    const struct value *linear;       /* its last matrix */
    const struct value *inner;        /* the INNER_NORM before that, or NULL */
    const struct value *mixed;        /* of attention; else NULL */
    const struct value *function;     /* of an MLP */
    const struct value *first, *gate; /* of an MLP: the matrix before the function, and the other of a gated one, or NULL */
};
/* Whether two values are of the same sequence, after the same norm. */
bool tleg_same_tokens(const struct value *a, const struct value *b);
void tleg_branch_of(const struct walk *walk, const struct value *value, struct branch *branch);
/* Tokens [first, first + count) of an embedded sequence, in dimension `dim` (embed.c). */
const char *tleg_embed_slice(struct walk *walk, const struct value *value, int32_t dim, int64_t first, int64_t count,
                             struct value *out);

/* ---- functions of one number, known by their samples (samples.c) ---- */
const double *tleg_sample_points(enum what base);
/* The samples of a value as a function of its base; NULL when it is none. */
const double *tleg_samples_of(struct walk *walk, const struct value *value, uint32_t *base);
/* One of TLEG_MLP_*, or 0. */
int32_t tleg_samples_activation(const struct walk *walk, const struct value *function);
bool tleg_samples_are_tanh(const struct walk *walk, const struct value *function);
/* eps of 1 / sqrt(v + eps), or of sqrt(v + eps) where `root`; below 0 when it is something else. */
double tleg_samples_eps(const double *samples, bool root);
/* The number with the fewest digits that is this f32. */
double tleg_short_number(double value);

/* ---- the whole (ends.c; network.h) ---- */
struct readout {
    const struct value *logits[2], *features[2]; /* LINEARs, or NULL; NORMs, or STREAMs where there is no final norm */
    const struct value *pooled;                  /* POOLED, or NULL */
    const struct value *represented;             /* LINEAR of a representation layer, or NULL */
    int count;
};
/* Whether logits or features are made by a node of a type that is left off, along the last dimension. */
bool tleg_is_answer(const struct walk *walk, const struct value *value);
void tleg_make_answer(const struct walk *walk, const struct value *of, const char *how, struct value *out);
/* Which of the outputs is taken, and what it reads. UNSUPPORTED names the node that does not fit. */
tleg_status tleg_graph_readout(struct walk *walk, struct readout *readout);
tleg_status tleg_graph_derive(struct walk *walk, const struct readout *readout, tleg_file **named);

#endif
