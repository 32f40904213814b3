/* The mathematics, on plain pointers. A kernel table holds one processor level's versions; a handle keeps the table that it
 * was packed with. Nothing here allocates or fails: sizes were checked by the caller, scratch comes in struct tleg_exec. */
#ifndef TLEG_LIB_KERNELS_H
#define TLEG_LIB_KERNELS_H

#include "core/core.h"

struct tleg_kernels; /* one level's versions, and who multiplies: table.h */

/* The table for a context's level and gemm option; UNSUPPORTED with a text when this build or machine has none. */
tleg_status tleg_kernels_of(tleg_context *context, const struct tleg_kernels **kernels);
/* The table of a level, or NULL when this build or this machine lacks it. gemm: TLEG_GEMM_*, with a BLAS at hand. */
const struct tleg_kernels *tleg_kernels_find(int32_t level, int32_t gemm);
int32_t tleg_kernels_level(const struct tleg_kernels *kernels);

/* ---- bases (op/expand.c) ----
 * A layer's elements as a sum over the tensors of a basis: tensor[0] + c[1] * tensor[1] + c[2] * tensor[2] ..., from left to
 * right, each product and each sum rounded to f32, never fused: the same bits at every level. A c[0] that is not 1 multiplies
 * tensor[0] likewise. Of one tensor there is nothing to multiply: it is what is stored, and its c is not read. */
enum { TLEG_MAX_BASIS = 16 };
struct tleg_basis {
    int32_t count;
    const void *tensor[TLEG_MAX_BASIS]; /* f32; of one alone, elements of any type */
    float c[TLEG_MAX_BASIS];
};
static inline struct tleg_basis tleg_basis_one(const void *tensor) {
    return (struct tleg_basis){.count = 1, .tensor = {tensor}, .c = {1}};
}

/* ---- packed weights (packed.c) ----
 * A weight W (n, k) of y = x W^T in the order in which the micro-kernel reads it: panels [ceil(n/nr)][k][nr] (a BLAS: W as it
 * is). A level that multiplies a narrow type takes a weight that is rounded to it some elements
 * of k at a time (2 of bf16), which fill four bytes: panels [ceil(n/nr)][ceil(k/2)][nr][2]. Always a pure permutation of W with
 * zeros behind the last row and the last column. The tensors of a basis have the same order, so that a layer is formed in one
 * flat pass. */
struct tleg_weight {
    int64_t n, k;
    struct tleg_basis basis; /* the weight is its sum, rounded */
    int32_t stored;          /* of the basis' elements: TLEG_F32; or, of one tensor, what `rounded` is */
    int32_t rounded;         /* TLEG_F32, TLEG_F16 or TLEG_BF16: what the formed weight is rounded to before use */
};
/* `rounded` as above: it decides the order. Elements, padding included; SIZE_MAX on overflow. */
size_t tleg_packed_count(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k);
void tleg_pack(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *w, float *packed);
/* W may be packed in pieces of a multiple of so many rows: row r on goes to tleg_packed_count(..., r, k) on. */
int64_t tleg_pack_unit(const struct tleg_kernels *kernels, int32_t rounded);
void tleg_unpack(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *packed, float *w);

/* ---- expansion (op/expand.c) ----
 * out[i] = convert(element first + i of the basis' sum), i < count. dtype: TLEG_F32, TLEG_F16, TLEG_BF16. */
void tleg_expand(const struct tleg_kernels *kernels, const struct tleg_basis *basis, size_t first, size_t count, int32_t dtype,
                 void *out);
/* Elements [first, first + count) of several layers, which go past the caches: the tensors are read once, a piece at a time,
 * and each piece gives that piece of every layer. */
struct tleg_formed {
    struct tleg_basis basis; /* often of the same tensors for all layers */
    void *out;               /* of element 0 */
};
void tleg_expand_layers(const struct tleg_kernels *kernels, const struct tleg_formed *layers, int32_t depth, size_t first,
                        size_t count, int32_t dtype);
/* f32 to elements of a type, as tleg_expand of one tensor. */
void tleg_convert(const struct tleg_kernels *kernels, const float *in, size_t count, int32_t dtype, void *out);
/* Stored elements to f32. */
void tleg_widen(const struct tleg_kernels *kernels, int32_t dtype, const void *in, size_t count, float *out);

/* ---- execution ---- */
/* Who runs a kernel and on which scratch. `lane` holds lanes * lane_bytes; `shared` is one for the call. Both aligned to 64. */
struct tleg_exec {
    const struct tleg_kernels *kernels;
    struct tleg_blas blas; /* which the kernels multiply with, if they are a table of a BLAS */
    struct tleg_team *team;
    int32_t lanes;
    char *shared;
    char *lane;
    size_t lane_bytes;
    struct tleg_team_outcome *outcome; /* gets what a host's pool did wrong; NULL: nobody asks */
};
struct tleg_scratch {    /* what an operation needs: the largest over all operations is what a session plans */
    size_t shared, lane; /* multiples of TLEG_ALIGN; SIZE_MAX when it does not fit */
};
void tleg_scratch_join(struct tleg_scratch *a, struct tleg_scratch b); /* a = max(a, b), by member */
/* Calls fn(arg, item, scratch of the lane) for items 0..count-1, handed out to the lanes as they come free. Results must not
 * depend on who runs an item. */
void tleg_for_each(const struct tleg_exec *exec, int64_t count, void (*fn)(void *arg, int64_t item, char *lane), void *arg);

/* Packs the transpose (k, n) of w (n, k), as tleg_pack would, in elements of type `rounded`: TLEG_F32; or a narrow type
 * where tleg_multiplies_narrow. */
void tleg_pack_transposed(const struct tleg_exec *exec, int32_t rounded, int64_t n, int64_t k, const float *w, void *packed);

/* ---- activations (op/activation.c) ----
 * To add one: a line here; its vectors in op/sigmoid.h, or four_NAME_of and four_NAME_slope in op/four.h and the same at each
 * level; how bf16's tile ends with it (x86/tile_avx512bf16.c); a test. GELU is the exact form, of erf. */
#define TLEG_EACH_ACTIVATION(DO, level)                                                                                        \
    DO(level, GELU, gelu)                                                                                                      \
    DO(level, QUICK_GELU, quick_gelu) DO(level, GELU_TANH, gelu_tanh) DO(level, SILU, silu) DO(level, RELU, relu)
#define TLEG_ACTIVATION(level, NAME, name) TLEG_ACTIVATION_##NAME,
enum tleg_activation { TLEG_ACTIVATION_NONE, TLEG_EACH_ACTIVATION(TLEG_ACTIVATION, ) TLEG_ACTIVATIONS };
#undef TLEG_ACTIVATION

/* ---- rows in memory ----
 * Of f32; or of a narrow type that the level multiplies (tleg_multiplies_narrow), each row filled up with zeros to a stride of
 * tleg_narrow_stride: activations between two products, where the second rounds them to it in any case. */
struct tleg_view {
    const void *data;
    int32_t dtype;  /* TLEG_F32, or the narrow type */
    int64_t stride; /* elements from a row to the next */
};
struct tleg_target { /* the same, to be written */
    void *data;
    int32_t dtype;
    int64_t stride;
};
static inline struct tleg_view tleg_view_f32(const float *data, int64_t stride) {
    return (struct tleg_view){.data = data, .dtype = TLEG_F32, .stride = stride};
}
static inline struct tleg_target tleg_target_f32(float *data, int64_t stride) {
    return (struct tleg_target){.data = data, .dtype = TLEG_F32, .stride = stride};
}
static inline struct tleg_view tleg_view_of(const struct tleg_target *target) {
    return (struct tleg_view){.data = target->data, .dtype = target->dtype, .stride = target->stride};
}
/* Whether this level multiplies elements of the type that weights are rounded to, with sums in f32; else they are widened. */
bool tleg_multiplies_narrow(const struct tleg_kernels *kernels, int32_t rounded);
/* Elements from one row of n such elements to the next: n, filled up as the products want it. */
int64_t tleg_narrow_stride(const struct tleg_kernels *kernels, int32_t rounded, int64_t n);

/* ---- gemm (gemm.c) ---- */
/* out[r][j] = epilogue(sum over i of row_r[i] * W[j][i]), r < m, j < n. Each output is one chain of sums over i = 0..k-1, so
 * its bits do not depend on m, on r or on the number of lanes. Where bf16 is multiplied, rows are rounded to it and sums are
 * f32. */
enum tleg_rows_kind {
    TLEG_ROWS_PLAIN,      /* row r of x; x alone may be narrow */
    TLEG_ROWS_LAYERNORM,  /* the same through LayerNorm(norm_weight, norm_bias, eps) */
    TLEG_ROWS_ACTIVATION, /* the plain row through `activation`; then, where norm_weight is given, through LayerNorm */
    TLEG_ROWS_GATED,      /* of a row (2k) activation(first half) * second half; then likewise */
    TLEG_ROWS_PATCHES     /* row r = patch r of the image x, its channels one after the other: channel, then y, then x */
};
struct tleg_rows {
    enum tleg_rows_kind kind;
    struct tleg_view x;
    int64_t image_rows; /* of each image of a batch, where something differs from image to image; else 0 */
    enum tleg_activation activation;
    const float *norm_weight, *norm_bias; /* (k) */
    int64_t norm_stride;                  /* from one image's weights to the next's, and biases; 0: all have the same */
    float eps;
    struct tleg_extent image, patch; /* in pixels */
    bool standard;                   /* patches have mean 0 and variance 1 (eps is added to it) */
};
/* out = residual + column_scale * act(sum + bias); with `hidden`, backward:
 * out = (residual + column_scale * (sum + bias)) * act'(hidden). Each part is optional. */
struct tleg_epilogue {
    const float *bias; /* (n) */
    enum tleg_activation activation;
    const float *column_scale;   /* (n): a factor for each column */
    int64_t column_scale_stride; /* from one image's factors (rows.image_rows) to the next's; 0: all have the same */
    const float *residual;       /* may be the output itself */
    int64_t residual_stride;
    const float *hidden; /* may be the output itself */
    int64_t hidden_stride;
};
struct tleg_gemm {
    int64_t m;
    struct tleg_rows rows;
    const struct tleg_weight *weight;
    struct tleg_epilogue epilogue;
    struct tleg_target out; /* not the rows' memory; narrow: zeros after n, and neither residual nor hidden */
};
void tleg_gemm(const struct tleg_exec *exec, const struct tleg_gemm *gemm);
struct tleg_scratch tleg_gemm_scratch(const struct tleg_kernels *kernels, int32_t rounded, int64_t m, int64_t n, int64_t k);

/* ---- attention (attention.c, attention_narrow.c) ----
 * qkv (B, N, 3D) to out (B, N, D): per head softmax(q k^T / sqrt(D/heads)) v. dtype: TLEG_F32; or a type that the level
 * multiplies: q, k, v and the exponentials are rounded to it before the products, and qkv and out may be of it. */
struct tleg_attention {
    int64_t batch, tokens, dim, heads;
    struct tleg_view qkv; /* rows of B * N */
    struct tleg_target out;
    int32_t dtype;
};
void tleg_attention(const struct tleg_exec *exec, const struct tleg_attention *attention);
struct tleg_scratch tleg_attention_scratch(const struct tleg_kernels *kernels, int32_t dtype, int64_t tokens, int64_t dim,
                                           int64_t heads);

/* One query for each image, the same for all of them (op/query.c): q (D), kv (B, N, 2D), a token's key before its value; shares
 * (B, heads, N) = softmax(q k^T / sqrt(D/heads)) over the tokens from `first` on, out (B, D) = shares v. All f32. */
struct tleg_query_attention {
    int64_t batch, tokens, dim, heads, first;
    const float *q, *kv;
    float *shares, *out;
};
void tleg_query_attention(const struct tleg_exec *exec, const struct tleg_query_attention *attention);

/* ---- element-wise and row-wise ---- */
/* y = LayerNorm(x) over rows of dim, x and y contiguous; y may be x (layernorm.c). Here and wherever a norm's bias is NULL:
 * RMSNorm, x / sqrt(mean(x^2) + eps) * weight. */
void tleg_layernorm(const struct tleg_kernels *kernels, int64_t rows, int64_t dim, const float *x, const float *weight,
                    const float *bias, float eps, float *y);
/* y = act(x); y may be x (activation.c). */
void tleg_activate(const struct tleg_kernels *kernels, enum tleg_activation activation, size_t count, const float *x, float *y);
/* An MLP's gate, x (rows, 2k): y (rows, k) = act(first half) * second half, each row contiguous; and back, from dy (rows, k) to
 * dx (rows, 2k) (op/gated.c). */
struct tleg_gated {
    int64_t rows, k;
    enum tleg_activation activation;
    const float *x;
    float *y; /* forward alone */
    const float *dy;
    float *dx;
};
void tleg_gated(const struct tleg_exec *exec, const struct tleg_gated *gated);
void tleg_gated_row(const struct tleg_kernels *kernels, enum tleg_activation activation, int64_t k, const float *x, float *y);
void tleg_gated_backward(const struct tleg_exec *exec, const struct tleg_gated *gated);
/* Rotary positions: of rows qkv (B * N, 3D), in place, the queries and keys of each image's tokens from `first` on, its
 * patches, are turned. Angles (height + width of the grid, d/2), d = D/heads: of each row of patches, then of each column, the
 * cosines of a quarter of a head, then their sines. The first half of a head's pairs, (2i, 2i+1) or, where `halves`, (i, i +
 * d/2), follows the row, or the column where it comes first, the second half the other; backwards by the angles' negatives
 * (op/rotary.c). */
struct tleg_turning {
    int64_t rows, tokens, first, dim, heads;
    struct tleg_extent grid;
    const float *angles;
    bool halves, column_first, backwards;
    float *qkv;
};
void tleg_turn(const struct tleg_exec *exec, const struct tleg_turning *turning);
/* y = x + scale * LayerNorm(branch), the rows of each of `rows / image_rows` images times its own scale (NULL: 1); y may be x
 * or branch. All (rows, dim) (op/layernorm.c). */
struct tleg_add_normed {
    int64_t rows, dim, image_rows;
    const float *x, *branch, *weight, *bias, *scale;
    float eps;
    float *y;
};
void tleg_add_normed(const struct tleg_exec *exec, const struct tleg_add_normed *add);
struct tleg_scratch tleg_add_normed_scratch(int64_t dim);
/* A norm of each `width` numbers of rows x (rows, dim), `stride` apart, in place; `before` (rows, dim) gets what they were,
 * unless it is NULL (op/layernorm.c). */
struct tleg_norm_parts {
    int64_t rows, dim, width, stride;
    const float *weight, *bias; /* (width) */
    float eps;
    float *x, *before;
};
void tleg_norm_parts(const struct tleg_exec *exec, const struct tleg_norm_parts *parts);
/* y (dim) = mean of `rows` rows of x, summed in rising order (pool.c). */
void tleg_mean_rows(const struct tleg_kernels *kernels, int64_t rows, int64_t dim, const float *x, float *y);
/* A position embedding of one grid, in (prefix + patches of `from`, dim), to that of another, out (prefix + patches of `to`,
 * dim): half-pixel centres; prefix rows are copied (resample.c). Bicubic with a = -0.75, edges repeated, in double; or, with
 * `antialias`, a = -0.5, as wide as the grid shrinks, what lies outside left out. */
struct tleg_resampling {
    int64_t prefix, dim;
    struct tleg_extent from, to;
    bool antialias;
};
void tleg_resample_grid(const struct tleg_resampling *resampling, const float *in, float *out);

/* ---- backward: from row-major weights that change each step, in f32; products of gradients in bf16 where asked for ---- */
/* With a table of a BLAS it multiplies for tleg_input_backward; weights' gradients are the work of the level's own tiles. */
/* Where a gradient t goes: c[j] * t is added to tensor[j], j < count; the product and the sum may be fused. None: not wanted.
 */
struct tleg_gradient {
    int32_t count;
    float *tensor[TLEG_MAX_BASIS];
    float c[TLEG_MAX_BASIS];
};
/* One place with a c of 1; NULL: none. */
static inline struct tleg_gradient tleg_gradient_one(float *tensor) {
    return (struct tleg_gradient){.count = tensor ? 1 : 0, .tensor = {tensor}, .c = {1}};
}
/* y = x W^T + bias, W (n, k): dW += dY^T X and dbias += column sums of dY (gemm_backward.c). Sums over the m rows go in fixed
 * chunks, in order, so that bits do not depend on the lanes. */
struct tleg_weight_backward {
    int64_t m, n, k;
    const float *dy; /* (m, n), rows dy_stride apart */
    int64_t dy_stride;
    struct tleg_rows rows;       /* the m rows x (k), any kind but patches of several images: one image a call */
    struct tleg_gradient weight; /* (n, k) row-major */
    struct tleg_gradient bias;   /* (n) */
    int32_t rounded;             /* a type that tleg_multiplies_narrow: dY and X are rounded to it for dW. Else: f32 */
};
void tleg_weight_backward(const struct tleg_exec *exec, const struct tleg_weight_backward *backward);
struct tleg_scratch tleg_weight_backward_scratch(const struct tleg_kernels *kernels, int32_t rounded, int64_t m, int64_t n,
                                                 int64_t k);
/* dx (m, k) = dY W, W (n, k) row-major; then, where hidden is given, dx *= act'(hidden) element by element, hidden (m, k)
 * contiguous. */
struct tleg_input_backward {
    int64_t m, n, k;
    const float *dy; /* (m, n) contiguous */
    const float *w;
    const float *hidden; /* or NULL; may be dx itself */
    enum tleg_activation activation;
    float *dx;
};
void tleg_input_backward(const struct tleg_exec *exec, const struct tleg_input_backward *backward);
struct tleg_scratch tleg_input_backward_scratch(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k);
/* dx += (or =) the gradient of LayerNorm's input; x, dy, dx (rows, dim) contiguous; dx may be dy when it does not add. */
struct tleg_layernorm_backward {
    int64_t rows, dim;
    const float *x, *weight, *dy;
    float eps;
    bool add;
    float *dx;
    struct tleg_gradient dweight, dbias; /* (dim), rows summed in fixed chunks */
    int64_t image_rows, norm_stride;     /* as of rows: image i has weight + i * norm_stride, and dweight and dbias there */
    bool rms;                            /* of RMSNorm, which has no bias */
};
void tleg_k_layernorm_backward(const struct tleg_exec *exec, const struct tleg_layernorm_backward *backward);
struct tleg_scratch tleg_layernorm_backward_scratch(const struct tleg_kernels *kernels, int64_t rows, int64_t dim);
/* dqkv (B, N, 3D) from dout (B, N, D) and the forward's qkv; the probabilities are computed again, a block of queries at a
 * time. */
struct tleg_attention_backward {
    int64_t batch, tokens, dim, heads;
    const float *qkv, *dout;
    float *dqkv;
};
void tleg_k_attention_backward(const struct tleg_exec *exec, const struct tleg_attention_backward *backward);
struct tleg_scratch tleg_attention_backward_scratch(const struct tleg_kernels *kernels, int64_t tokens, int64_t dim,
                                                    int64_t heads);
/* dkv (B, N, 2D) and, for each image, dq (B, D), from dout (B, D) and what tleg_query_attention had and gave. */
struct tleg_query_attention_backward {
    struct tleg_query_attention forward;
    const float *dout;
    float *dkv, *dq;
};
void tleg_query_attention_backward(const struct tleg_exec *exec, const struct tleg_query_attention_backward *backward);
/* y = gate * branch, columnwise: dbranch = gate * dy, which may be dy; dgate += sum over the rows of dy * branch, in order
 * (op/gate.c). */
struct tleg_gate_backward {
    int64_t rows, dim;
    const float *gate;   /* (dim) */
    const float *branch; /* (rows, dim); read where dgate is wanted */
    const float *dy;
    float *dbranch;
    struct tleg_gradient dgate; /* (dim) */
};
void tleg_gate_backward(const struct tleg_gate_backward *backward);
/* dx = dy * act'(x); dx may be dy or x. */
void tleg_activate_backward(const struct tleg_kernels *kernels, enum tleg_activation activation, size_t count, const float *x,
                            const float *dy, float *dx);
/* The adjoint of tleg_resample_grid: din += its transpose applied to dout. */
void tleg_resample_grid_backward(const struct tleg_resampling *resampling, const float *dout, float *din);

/* ---- losses of logits, in double (op/loss.c) ----
 * To add one: a value here, a row of the table in op/loss.c, a test. */
enum tleg_loss_kind {
    /* Mean over the rows of -sum_c q_c log softmax(logits)_c, where q is the row of targets or, when that is NULL, of the
     * label: 1 - smoothing there, plus smoothing / classes everywhere. With class_weights w the sum of -w_c q_c log softmax
     * over rows and classes, divided by `weight`, or 0 where that is 0. */
    TLEG_LOSS_CROSS_ENTROPY,
    /* tau^2 * sum over all of KL(softmax(targets / tau) || softmax(logits / tau)) / (rows * classes). */
    TLEG_LOSS_DISTILLATION,
    /* Mean over rows and classes of (logits - targets)^2. */
    TLEG_LOSS_SQUARES,
    TLEG_LOSSES
};
enum tleg_targets_kind {
    TLEG_TARGETS_CLASSES, /* the chance of each class, or labels */
    TLEG_TARGETS_LOGITS   /* another model's logits, or numbers of their kind */
};
struct tleg_loss_call {
    int64_t rows, classes;
    const float *logits;   /* (rows, classes) */
    const float *targets;  /* (rows, classes), of the loss' kind */
    const int64_t *labels; /* (rows): instead of targets that are classes; read where targets is NULL */
    double smoothing, tau;
    const double *class_weights; /* (classes), or NULL */
    double weight;
    double scale;   /* scale * d loss / d logits is added to dlogits */
    float *dlogits; /* (rows, classes); NULL: not wanted */
};
struct tleg_loss_row {
    const char *name;
    enum tleg_targets_kind targets;
    double (*run)(const struct tleg_loss_call *call); /* the loss, and its gradient */
};
const struct tleg_loss_row *tleg_loss_get(enum tleg_loss_kind kind);
/* The loss; adds to dlogits. The caller's errno is preserved. */
double tleg_loss(enum tleg_loss_kind kind, const struct tleg_loss_call *call);

#endif
