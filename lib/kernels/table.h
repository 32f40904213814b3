/* One processor level's versions of every operation, and who multiplies. One constant table per level (and per level with
 * a BLAS); table.c chooses. To add a level: write its functions in a directory of its own and add a table. */
#ifndef TLEG_LIB_KERNELS_TABLE_H
#define TLEG_LIB_KERNELS_TABLE_H

#include "kernels/kernels.h"

/* One register tile: out[r][j] = epilogue(sum over i of a[i * a_step + r] * b[i * nr + j]), r < rows <= mr, j < cols <= nr.
 * Each sum is one chain over i = 0..k-1. b is always nr wide, with zeros (or anything finite) after cols. In a narrow tile a
 * step i is four bytes, which hold several elements (struct tleg_narrow) where a float is else; its rows may lie any way: a[r *
 * a_row + i * a_step]. */
struct tleg_tile {
    /* input */
    int64_t k;
    const float *a;
    int64_t a_step;
    int64_t a_row; /* of a narrow tile */
    const float *b;
    int32_t rows, cols;
    const char *prefetch; /* k cache lines that later tiles read, to be prefetched meanwhile; NULL: none */
    /* epilogue: out = residual + column_scale * act(scale * sum + bias); with hidden,
     * out = (residual + column_scale * (scale * sum + bias)) * act'(hidden) */
    const float *scale; /* (rows); NULL: none */
    const float *bias;  /* (cols); NULL: none */
    enum tleg_activation activation;
    const float *column_scale; /* (cols); NULL: none */
    const float *residual;     /* as out; NULL: none */
    int64_t residual_stride;
    const float *hidden; /* as out, maybe out itself, with an activation alone; NULL: none */
    int64_t hidden_stride;
    /* output */
    float *out;
    int64_t out_stride;
    bool narrow_out; /* of a narrow tile: out is of its type, and out_stride counts that; neither residual nor hidden */
};

/* A tile's `hidden`; a build without training knows that there is none. */
static inline const float *tleg_tile_hidden(const struct tleg_tile *tile) {
    return TLEG_TRAIN ? tile->hidden : NULL;
}

/* Products of a narrow type, with sums in f32. A step is four bytes: `per_step` elements, as one float else. */
struct tleg_narrow {
    int32_t dtype, per_step; /* 2 of bf16 */
    int32_t mr, nr;          /* the register tile; nr <= TLEG_NARROW_NR */
    int32_t unit;            /* steps: k is filled up with zeros to a multiple */
    void (*tile)(const struct tleg_tile *tile);
    /* What follows rounds to the type, or moves it; `steps` steps hold what is given, and zeros after it.
     * Rows: out (rows, steps), each of k numbers. */
    void (*pack)(int64_t rows, int64_t k, const float *in, int64_t in_stride, int64_t steps, void *out);
    /* Steps down the columns, for sums over rows: out (steps, wide), the step (i, c) being in[per_step * i + e][c], e = 0, 1,
     * ...; zeros after `cols` too. */
    void (*interleave_f32)(int64_t rows, int64_t cols, const float *in, int64_t in_stride, int64_t steps, void *out,
                           int64_t wide);
    /* The same from elements of the type; in_stride counts those. */
    void (*interleave_narrow)(int64_t rows, int64_t cols, const void *in, int64_t in_stride, int64_t steps, void *out,
                              int64_t wide);
    /* Steps as they are: out[c * out_stride + r] = in[r * in_stride + c], r < rows, c < cols. */
    void (*transpose_steps)(int64_t rows, int64_t cols, const void *in, int64_t in_stride, void *out, int64_t out_stride);
    /* Rows of scores s (rows, keys): p (rows, steps) = exp(scale * (s - the row's most)), scale > 0; inverse[r] = 1 / the sum
     * of p before it is rounded. */
    void (*softmax)(int64_t rows, int64_t keys, float scale, const float *s, int64_t s_stride, int64_t steps, void *p,
                    float *inverse);
};
enum { TLEG_NARROW_NR = 32 };

/* An activation of arrays: y = act(x), y may be x; dx = dy * act'(x), dx may be dy or x. */
struct tleg_activate {
    void (*forward)(size_t count, const float *x, float *y);
    void (*backward)(size_t count, const float *x, const float *dy, float *dx);
};

#include "kernels/ops.def"
#define TLEG_OP_MEMBER(level, name, arguments) void(*name) arguments;
#define TLEG_OP_DECLARE(level, name, arguments) void tleg_##level##_##name arguments;
#define TLEG_OP_ROW(level, name, arguments) .name = tleg_##level##_##name,
#define TLEG_OP_NONE(level, name, arguments)
#define TLEG_OP_BACK_ROW(level, name, arguments) .name = TLEG_BACKWARD(tleg_##level##_##name),

struct tleg_kernels {
    int32_t level, gemm; /* TLEG_LEVEL_*; TLEG_GEMM_OWN or TLEG_GEMM_BLAS */
    const char *name;
    int32_t mr, nr; /* the register tile */

    TLEG_EACH_OP(TLEG_OP_MEMBER, TLEG_OP_MEMBER, TLEG_OP_MEMBER, TLEG_OP_MEMBER, )
    struct tleg_activate activate[TLEG_ACTIVATIONS]; /* of NONE: NULL */

    const struct tleg_narrow *narrow; /* NULL: weights of bf16 are widened */

    /* The packed layout and the product over it: our tiles, or a BLAS. */
    size_t (*packed_count)(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k);
    void (*pack)(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *w, float *packed);
    void (*unpack)(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *packed, float *w);
    /* Packs the transpose (k, n) of w (n, k), in elements of type `rounded`. */
    void (*pack_transposed)(const struct tleg_exec *exec, int32_t rounded, int64_t n, int64_t k, const float *w, void *packed);
    void (*multiply)(const struct tleg_exec *exec, const struct tleg_gemm *gemm);
    struct tleg_scratch (*multiply_scratch)(const struct tleg_kernels *kernels, int32_t rounded, int64_t m, int64_t n,
                                            int64_t k);
};

/* Each level's table, and one whose products are a BLAS's. */
#define LEVEL(NAME, name, ...) extern const struct tleg_kernels tleg_table_##name, tleg_table_##name##_blas;
#include "core/levels.def"
#undef LEVEL

/* What a level has of activations: declarations, and the table's rows. */
#define TLEG_ACTIVATE_DECLARE(level, NAME, name)                                                                               \
    void tleg_##level##_##name(size_t count, const float *x, float *y);                                                        \
    void tleg_##level##_##name##_backward(size_t count, const float *x, const float *dy, float *dx);
#define TLEG_ACTIVATE_ROW(level, NAME, name)                                                                                   \
    [TLEG_ACTIVATION_##NAME] = {tleg_##level##_##name, TLEG_BACKWARD(tleg_##level##_##name##_backward)},
/* Cases of a switch over an activation that is constant where it stands: a level's inline functions on its vectors. */
#define TLEG_ACTIVATE_CASE(level, NAME, name)                                                                                  \
    case TLEG_ACTIVATION_##NAME:                                                                                               \
        return tleg_##level##_##name##_of(x);
#define TLEG_ACTIVATE_SLOPE_CASE(level, NAME, name)                                                                            \
    case TLEG_ACTIVATION_##NAME:                                                                                               \
        return tleg_##level##_##name##_slope(x);
TLEG_EACH_ACTIVATION(TLEG_ACTIVATE_DECLARE, portable)

/* ---- the portable versions, each in its operation's file ---- */
TLEG_EACH_OP(TLEG_OP_DECLARE, TLEG_OP_DECLARE, TLEG_OP_NONE, TLEG_OP_DECLARE, portable)
enum { TLEG_PORTABLE_MR = 4, TLEG_PORTABLE_NR = 8 };

/* ---- the layout of our tiles (packed.c) and the product over it (gemm.c) ---- */
size_t tleg_panels_count(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k);
void tleg_panels_pack(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *w, float *packed);
void tleg_panels_unpack(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *packed,
                        float *w);
void tleg_panels_pack_transposed(const struct tleg_exec *exec, int32_t rounded, int64_t n, int64_t k, const float *w,
                                 void *packed);
void tleg_panels_multiply(const struct tleg_exec *exec, const struct tleg_gemm *gemm);
struct tleg_scratch tleg_panels_scratch(const struct tleg_kernels *kernels, int32_t rounded, int64_t m, int64_t n, int64_t k);
#define TLEG_PANELS                                                                                                            \
    .gemm = TLEG_GEMM_OWN, .packed_count = tleg_panels_count, .pack = tleg_panels_pack, .unpack = tleg_panels_unpack,          \
    .pack_transposed = TLEG_BACKWARD(tleg_panels_pack_transposed), .multiply = tleg_panels_multiply,                           \
    .multiply_scratch = tleg_panels_scratch

/* ---- the same by the BLAS of struct tleg_exec (blas/gemm_blas.c) ---- */
size_t tleg_blas_count(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k);
void tleg_blas_pack(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *w, float *packed);
void tleg_blas_unpack(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *packed, float *w);
void tleg_blas_pack_transposed(const struct tleg_exec *exec, int32_t rounded, int64_t n, int64_t k, const float *w,
                               void *packed);
void tleg_blas_multiply(const struct tleg_exec *exec, const struct tleg_gemm *gemm);
struct tleg_scratch tleg_blas_scratch(const struct tleg_kernels *kernels, int32_t rounded, int64_t m, int64_t n, int64_t k);
#define TLEG_CBLAS                                                                                                             \
    .gemm = TLEG_GEMM_BLAS, .packed_count = tleg_blas_count, .pack = tleg_blas_pack, .unpack = tleg_blas_unpack,               \
    .pack_transposed = TLEG_BACKWARD(tleg_blas_pack_transposed), .multiply = tleg_blas_multiply,                               \
    .multiply_scratch = tleg_blas_scratch

/* Where `cols` columns of a panel are used, so many may be read and written: no level's vectors are wider than half a panel.
 * What nobody wrote must not get there, were it only because a host may have asked its unit to stop at an invalid operation. */
static inline int64_t tleg_vector_columns(const struct tleg_kernels *kernels, int64_t cols) {
    int64_t half = (kernels->nr / 2 + 3) / 4 * 4;
    return cols <= half ? half : kernels->nr;
}

/* ---- shared by the drivers ---- */
/* m rows in the fewest blocks of at most `most` rows, as even as they come: the first row of a block (block = the number of
 * blocks gives m). Even blocks keep the last tile as busy as the others. */
static inline int64_t tleg_block_start(int64_t m, int64_t most, int64_t block) {
    int64_t blocks = tleg_ceil_div(m, most);
    int64_t extra = m % blocks;
    return block * (m / blocks) + tleg_min64(block, extra);
}

/* Prefetches what is read soon, `offset` floats after x: many processors do not foresee a single stream of reads, or one whose
 * rows lie apart. The place may be past the array's end: a prefetch of an unmapped address does nothing. */
static inline void tleg_prefetch(const float *x, int64_t offset) {
    __builtin_prefetch((const void *)((uintptr_t)x + (uintptr_t)offset * sizeof *x));
}

/* Prefetches a tile's worth of rows. */
static inline void tleg_prefetch_rows(const float *x, int64_t rows, int64_t cols, int64_t stride) {
    enum { LINE = TLEG_ALIGN / sizeof(float) };
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < cols; j += LINE)
            tleg_prefetch(x, r * stride + j);
}

/* What multiplies a weight rounded so; NULL: floats. */
static inline const struct tleg_narrow *tleg_narrow_of(const struct tleg_kernels *kernels, int32_t rounded) {
    return kernels->narrow && kernels->narrow->dtype == rounded ? kernels->narrow : NULL;
}

/* Steps that k elements fill, padding included. */
static inline int64_t tleg_narrow_steps(const struct tleg_narrow *narrow, int64_t k) {
    int64_t unit = (int64_t)narrow->per_step * narrow->unit;
    return tleg_ceil_div(k, unit) * narrow->unit;
}

/* Rows of a batch whose images differ, `stride` being what lies between the images' parameters: the image of row `first`, and
 * where the run of its rows ends, at most at `end`. With a stride of 0 all rows are of image 0. */
static inline int64_t tleg_image_end(const struct tleg_rows *rows, int64_t stride, int64_t first, int64_t end, int64_t *image) {
    *image = stride ? first / rows->image_rows : 0;
    int64_t next = stride ? (*image + 1) * rows->image_rows : end;
    return tleg_min64(next, end);
}

/* Elements [first, first + count) of a packed weight as f32: in place where they already are, else formed into `scratch`
 * (expand.c). */
const float *tleg_form(const struct tleg_kernels *kernels, const struct tleg_weight *weight, size_t first, size_t count,
                       float *scratch);
/* The same in the narrow type that the weight is rounded to. */
const void *tleg_form_narrow(const struct tleg_kernels *kernels, const struct tleg_weight *weight, size_t first, size_t count,
                             void *scratch);

/* Attention in a narrow type (attention_narrow.c), and what a lane needs for it. */
void tleg_attention_narrow(const struct tleg_exec *exec, const struct tleg_attention *attention,
                           const struct tleg_narrow *narrow);
size_t tleg_attention_narrow_lane(const struct tleg_narrow *narrow, int64_t tokens, int64_t width);
/* Tasks that share the `pieces` of one head, so that every lane has work where there are few heads. */
static inline int64_t tleg_attention_parts(int64_t lanes, int64_t heads, int64_t pieces) {
    int64_t parts = lanes > 1 && heads < 2 * lanes ? tleg_ceil_div(2 * lanes, heads) : 1;
    return tleg_min64(parts, pieces);
}

/* Rows [first, first + count) of a source (k wide): in place where they already are, else made in `scratch` (count, k);
 * *stride is set (rows.c). */
const float *tleg_rows_get(const struct tleg_kernels *kernels, const struct tleg_rows *rows, int64_t first, int64_t count,
                           int64_t k, float *scratch, int64_t *stride);

/* Rows x (rows, dim) with mean 0 and variance 1, in place (layernorm.c). */
void tleg_standardise(int64_t rows, int64_t dim, float eps, float *x);
/* Rows x, `stride` apart, through LayerNorm, or RMSNorm where there is no bias (layernorm.c), to y (rows, dim), contiguous. */
void tleg_rmsnorm(int64_t rows, int64_t dim, const float *x, int64_t stride, const float *weight, float eps, float *y);
static inline void tleg_norm_rows(const struct tleg_kernels *kernels, int64_t rows, int64_t dim, const float *x, int64_t stride,
                                  const float *weight, const float *bias, float eps, float *y) {
    if (bias)
        kernels->layernorm(rows, dim, x, stride, weight, bias, eps, y);
    else
        tleg_rmsnorm(rows, dim, x, stride, weight, eps, y);
}

/* Adds t (rows, cols) to a gradient from element `offset` on, whose rows are `stride` apart. */
static inline void tleg_gradient_add(const struct tleg_kernels *kernels, int64_t rows, int64_t cols, const float *t,
                                     int64_t t_stride, const struct tleg_gradient *gradient, int64_t offset, int64_t stride) {
    for (int32_t j = 0; j < gradient->count; j++)
        kernels->accumulate(rows, cols, t, t_stride, gradient->c[j], gradient->tensor[j] + offset, stride);
}

/* Floats (count) in bytes, rounded up to TLEG_ALIGN; SIZE_MAX when it does not fit. */
size_t tleg_floats_size(int64_t rows, int64_t columns);
/* Parts of such sizes one behind the other: where each starts, in floats, and the bytes of all; SIZE_MAX likewise. */
size_t tleg_floats_place(const size_t *sizes, int64_t *const *places, size_t count);

#endif
