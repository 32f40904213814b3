/* Attention's backward per image and head. With p = softmax(s), s = q k^T / sqrt(d), out = p v:
 *     dv = p^T dout,   dp = dout v^T,   ds = p (dp - sum of p dp over a row),   dq = ds k / sqrt(d),   dk = ds^T q / sqrt(d).
 * As in the forward, queries lie side by side in panels of nr, scores are (tokens, nr) and are made again from q and k. Panels
 * are gathered in spans: p and ds of a span, turned around, are the left sides of its share of dv and dk, and spans add up in
 * order. Scratch is linear in tokens. */
#include "kernels/table.h"
#include <math.h>
#include <string.h>

enum { SPAN = 128 }; /* queries, rounded to whole panels: long sums at a time, and yet no square of tokens */

struct heads {
    const struct tleg_exec *exec;
    const struct tleg_attention_backward *backward;
    int64_t width; /* of a head */
    float scale;   /* 1 / sqrt(width) */
};

/* A lane's scratch. Blocks: [block of tokens][width][rows of the block]. Panels: [panel of width][tokens][nr], zeros behind. */
struct places {
    float *key_blocks, *value_blocks;
    float *key_panels, *query_panels, *dout_panels; /* keys and queries divided by sqrt(width) */
    float *query, *dout;                            /* a panel of queries and their dout, [width][nr] */
    float *p, *dp;                                  /* [tokens][nr]; dp becomes ds */
    float *p_turned, *ds_turned;                    /* [block of tokens][queries of the span][rows of the block] */
    float *inverse;                                 /* [nr] */
};

static int64_t span_of(const struct tleg_kernels *kernels, int64_t tokens) {
    int64_t nr = kernels->nr, panels = tleg_ceil_div(tokens, nr);
    return nr * (panels < SPAN / nr ? panels : SPAN / nr);
}

/* The size; where memory is not NULL, `places` are in it. */
static size_t lane_layout(const struct tleg_kernels *kernels, int64_t tokens, int64_t width, float *memory,
                          struct places *places) {
    int64_t nr = kernels->nr, padded = tleg_ceil_div(width, nr) * nr, span = span_of(kernels, tokens);
    const struct {
        float **place;
        int64_t rows, columns;
    } parts[] = {
        {&places->key_blocks, tokens, width},
        {&places->value_blocks, tokens, width},
        {&places->key_panels, tokens, padded},
        {&places->query_panels, tokens, padded},
        {&places->dout_panels, tokens, padded},
        {&places->query, width, nr},
        {&places->dout, width, nr},
        {&places->p, tokens, nr},
        {&places->dp, tokens, nr},
        {&places->p_turned, tokens, span},
        {&places->ds_turned, tokens, span},
        {&places->inverse, 1, nr},
    };
    size_t sum = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i].place = memory ? memory + sum / sizeof *memory : NULL;
        if (!tleg_size_add(sum, tleg_floats_size(parts[i].rows, parts[i].columns), &sum))
            return SIZE_MAX;
    }
    return sum;
}

/* ---- packing ---- */

static void pack_blocks(const struct tleg_kernels *kernels, int64_t tokens, int64_t width, const float *in, int64_t stride,
                        float *packed) {
    for (int64_t first = 0, block = 1, next; first < tokens; first = next, block++) {
        next = tleg_block_start(tokens, kernels->mr, block);
        kernels->transpose(next - first, width, in + first * stride, stride, 1.0F, packed + first * width, next - first);
    }
}

static void pack_panels(const struct tleg_kernels *kernels, int64_t tokens, int64_t width, const float *in, int64_t stride,
                        float scale, float *packed) {
    int64_t nr = kernels->nr;
    for (int64_t column = 0; column < width; column += nr)
        kernels->copy(tokens, tleg_min64(width - column, nr), in + column, stride, scale, packed + column * tokens, nr);
}

/* One panel turned around: [width][nr], zeros behind cols. */
static void pack_panel(const struct tleg_kernels *kernels, int64_t cols, int64_t width, const float *in, int64_t stride,
                       float scale, float *packed) {
    if (cols < kernels->nr)
        memset(packed, 0, (size_t)(width * kernels->nr) * sizeof *packed);
    kernels->transpose(cols, width, in, stride, scale, packed, kernels->nr);
}

/* Columns [0, cols) of a panel of scores become rows [at, at + cols) of the span's left sides. */
static void transpose_into(const struct tleg_kernels *kernels, int64_t tokens, int64_t cols, const float *panel, int64_t span,
                           int64_t at, float *turned) {
    for (int64_t first = 0, block = 1, next; first < tokens; first = next, block++) {
        next = tleg_block_start(tokens, kernels->mr, block);
        kernels->transpose(next - first, cols, panel + first * kernels->nr, kernels->nr, 1.0F,
                           turned + first * span + at * (next - first), next - first);
    }
}

/* ---- products ---- */

/* out (tokens, nr) = blocks x panel, over the width of a head; `cols` columns of it, and zeros as far as softmax works. */
static void score(const struct heads *heads, const float *blocks, const float *panel, int64_t cols, float *out) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t tokens = heads->backward->tokens;
    struct tleg_tile tile = {.k = heads->width, .b = panel, .out_stride = kernels->nr};
    tile.cols = (int32_t)tleg_vector_columns(kernels, cols);
    for (int64_t first = 0, block = 1, next; first < tokens; first = next, block++) {
        next = tleg_block_start(tokens, kernels->mr, block);
        tile.rows = (int32_t)(next - first);
        tile.a = blocks + first * heads->width;
        tile.a_step = tile.rows;
        tile.out = out + first * kernels->nr;
        kernels->tile(&tile);
    }
}

/* dq of a panel's `cols` queries = ds k / sqrt(d). ds is read by columns. */
static void query_gradient(const struct heads *heads, const struct places *places, int64_t cols, float *dq) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t tokens = heads->backward->tokens, stride = 3 * heads->backward->dim, nr = kernels->nr;
    struct tleg_tile tile = {.k = tokens, .a_step = nr, .out_stride = stride};
    for (int64_t column = 0; column < heads->width; column += nr) {
        tile.b = places->key_panels + column * tokens;
        tile.cols = (int32_t)tleg_min64(heads->width - column, nr);
        for (int64_t first = 0, block = 1, next; first < cols; first = next, block++) {
            next = tleg_block_start(cols, kernels->mr, block);
            tile.rows = (int32_t)(next - first);
            tile.a = places->dp + first;
            tile.out = dq + first * stride + column;
            kernels->tile(&tile);
        }
    }
}

struct span {
    int64_t first, count, most; /* its queries; how many there is room for */
};

/* out = (or +=) turned x panels, over the queries of a span: dk or dv, rows 3 * dim apart. */
static void key_gradient(const struct heads *heads, const struct span *span, const float *turned, const float *panels,
                         float *out) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t tokens = heads->backward->tokens, stride = 3 * heads->backward->dim, nr = kernels->nr;
    struct tleg_tile tile = {.k = span->count, .out_stride = stride, .residual_stride = stride};
    for (int64_t column = 0; column < heads->width; column += nr) {
        tile.b = panels + column * tokens + span->first * nr;
        tile.cols = (int32_t)tleg_min64(heads->width - column, nr);
        for (int64_t first = 0, block = 1, next; first < tokens; first = next, block++) {
            next = tleg_block_start(tokens, kernels->mr, block);
            tile.rows = (int32_t)(next - first);
            tile.a = turned + first * span->most;
            tile.a_step = tile.rows;
            tile.out = out + first * stride + column;
            tile.residual = span->first > 0 ? tile.out : NULL;
            kernels->tile(&tile);
        }
    }
}

/* ---- the walk ---- */

/* p and ds of the panel of queries that starts at `first`; dq; and both turned into the span. */
static void panel_backward(const struct heads *heads, const struct places *places, const struct span *span, int64_t first,
                           const float *qkv, const float *dout, float *dqkv) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t tokens = heads->backward->tokens, dim = heads->backward->dim, nr = kernels->nr, width = heads->width;
    int64_t left = span->first + span->count - first, cols = tleg_min64(left, nr);
    pack_panel(kernels, cols, width, qkv + first * 3 * dim, 3 * dim, heads->scale, places->query);
    pack_panel(kernels, cols, width, dout + first * dim, dim, 1.0F, places->dout);
    score(heads, places->key_blocks, places->query, cols, places->p);
    kernels->softmax(tokens, cols, places->p, places->inverse);
    score(heads, places->value_blocks, places->dout, cols, places->dp);
    kernels->softmax_backward(tokens, cols, places->inverse, places->p, places->dp);
    query_gradient(heads, places, cols, dqkv + first * 3 * dim);
    transpose_into(kernels, tokens, cols, places->p, span->most, first - span->first, places->p_turned);
    transpose_into(kernels, tokens, cols, places->dp, span->most, first - span->first, places->ds_turned);
}

static void head_backward(void *arg, int64_t item, char *lane) {
    const struct heads *heads = arg;
    const struct tleg_attention_backward *backward = heads->backward;
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t head = item % backward->heads, image = item / backward->heads;
    int64_t tokens = backward->tokens, dim = backward->dim, width = heads->width;
    const float *qkv = backward->qkv + image * tokens * 3 * dim + head * width;
    const float *dout = backward->dout + image * tokens * dim + head * width;
    float *dqkv = backward->dqkv + image * tokens * 3 * dim + head * width;
    struct places places;
    lane_layout(kernels, tokens, width, (float *)lane, &places);
    pack_blocks(kernels, tokens, width, qkv + dim, 3 * dim, places.key_blocks);
    pack_blocks(kernels, tokens, width, qkv + 2 * dim, 3 * dim, places.value_blocks);
    pack_panels(kernels, tokens, width, qkv, 3 * dim, heads->scale, places.query_panels);
    pack_panels(kernels, tokens, width, qkv + dim, 3 * dim, heads->scale, places.key_panels);
    pack_panels(kernels, tokens, width, dout, dim, 1.0F, places.dout_panels);
    struct span span = {.most = span_of(kernels, tokens)};
    for (; span.first < tokens; span.first += span.most) {
        span.count = tleg_min64(tokens - span.first, span.most);
        for (int64_t first = span.first; first < span.first + span.count; first += kernels->nr)
            panel_backward(heads, &places, &span, first, qkv, dout, dqkv);
        key_gradient(heads, &span, places.ds_turned, places.query_panels, dqkv + dim);
        key_gradient(heads, &span, places.p_turned, places.dout_panels, dqkv + 2 * dim);
    }
}

void tleg_k_attention_backward(const struct tleg_exec *exec, const struct tleg_attention_backward *backward) {
    int64_t width = backward->dim / backward->heads;
    struct heads heads = {.exec = exec, .backward = backward, .width = width, .scale = 1.0F / sqrtf((float)width)};
    tleg_for_each(exec, backward->batch * backward->heads, head_backward, &heads);
}

struct tleg_scratch tleg_attention_backward_scratch(const struct tleg_kernels *kernels, int64_t tokens, int64_t dim,
                                                    int64_t heads) {
    struct places places;
    return (struct tleg_scratch){.shared = 0, .lane = lane_layout(kernels, tokens, dim / heads, NULL, &places)};
}
