/* Attention per image and head: out = softmax(q k^T / sqrt(d)) v, d = dim / heads.
 * Queries lie side by side in panels of nr: scores = keys x queries^T is (tokens, nr), softmax runs down its columns, and what
 * it leaves is, read by columns, the left side of the product with v. One panel of scores is in memory at a time. */
#include "kernels/table.h"
#include <math.h>
#include <string.h>

struct heads {
    const struct tleg_exec *exec;
    const struct tleg_attention *attention;
    int64_t width;  /* of a head */
    int64_t panels; /* of queries */
    int64_t parts;  /* tasks that share one head's panels */
};

/* A lane's scratch, in floats. */
struct layout {
    int64_t keys;    /* blocks of keys, [block][width][rows of the block] */
    int64_t values;  /* panels of values, [panel][tokens][nr], zeros behind the width */
    int64_t queries; /* a panel of queries, [width][nr] */
    int64_t scores;  /* [tokens][nr] */
    int64_t inverse; /* [nr] */
};

static size_t lane_layout(const struct tleg_kernels *kernels, int64_t tokens, int64_t width, struct layout *layout) {
    int64_t nr = kernels->nr;
    size_t sizes[] = {tleg_floats_size(tokens, width), tleg_floats_size(tokens, tleg_ceil_div(width, nr) * nr),
                      tleg_floats_size(width, nr), tleg_floats_size(tokens, nr), tleg_floats_size(1, nr)};
    int64_t *const places[] = {&layout->keys, &layout->values, &layout->queries, &layout->scores, &layout->inverse};
    return tleg_floats_place(sizes, places, sizeof sizes / sizeof *sizes);
}

static void pack_keys(const struct heads *heads, const float *keys, float *packed) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t tokens = heads->attention->tokens, width = heads->width, stride = heads->attention->qkv.stride;
    for (int64_t first = 0, block = 1, next; first < tokens; first = next, block++) {
        next = tleg_block_start(tokens, kernels->mr, block);
        kernels->transpose(next - first, width, keys + first * stride, stride, 1.0F, packed + first * width, next - first);
    }
}

static void pack_values(const struct heads *heads, const float *values, float *packed) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t tokens = heads->attention->tokens, width = heads->width, nr = kernels->nr, stride = heads->attention->qkv.stride;
    for (int64_t column = 0; column < width; column += nr, packed += tokens * nr)
        kernels->copy(tokens, tleg_min64(width - column, nr), values + column, stride, 1.0F, packed, nr);
}

static void pack_queries(const struct heads *heads, const float *queries, int64_t cols, float *packed) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t width = heads->width, nr = kernels->nr;
    if (cols < nr)
        memset(packed, 0, (size_t)(width * nr) * sizeof *packed);
    kernels->transpose(cols, width, queries, heads->attention->qkv.stride, 1.0F / sqrtf((float)width), packed, nr);
}

/* scores[i][j] = key i . query j; 0 behind the queries, as far as softmax works. */
static void score(const struct heads *heads, const float *keys, const float *queries, int64_t cols, float *scores) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t tokens = heads->attention->tokens;
    struct tleg_tile tile = {.k = heads->width, .b = queries, .out_stride = kernels->nr};
    tile.cols = (int32_t)tleg_vector_columns(kernels, cols);
    for (int64_t first = 0, block = 1, next; first < tokens; first = next, block++) {
        next = tleg_block_start(tokens, kernels->mr, block);
        tile.rows = (int32_t)(next - first);
        tile.a = keys + first * heads->width;
        tile.a_step = tile.rows;
        tile.out = scores + first * kernels->nr;
        kernels->tile(&tile);
    }
}

/* out[j] = inverse[j] * sum over i of scores[i][j] * value i, for `cols` queries. */
static void weigh(const struct heads *heads, const float *scores, const float *inverse, const float *values, int64_t cols,
                  float *out) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t tokens = heads->attention->tokens, stride = heads->attention->out.stride, nr = kernels->nr;
    struct tleg_tile tile = {.k = tokens, .a_step = nr, .out_stride = stride};
    for (int64_t column = 0; column < heads->width; column += nr) {
        tile.b = values + column * tokens;
        tile.cols = (int32_t)tleg_min64(heads->width - column, nr);
        for (int64_t first = 0, block = 1, next; first < cols; first = next, block++) {
            next = tleg_block_start(cols, kernels->mr, block);
            tile.rows = (int32_t)(next - first);
            tile.a = scores + first;
            tile.scale = inverse + first;
            tile.out = out + first * stride + column;
            kernels->tile(&tile);
        }
    }
}

/* The panel of queries that starts at `first`. */
static void attend_panel(const struct heads *heads, const struct layout *layout, float *scratch, int64_t first,
                         const float *qkv, float *out) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t tokens = heads->attention->tokens;
    int64_t cols = tleg_min64(tokens - first, kernels->nr);
    float *scores = scratch + layout->scores, *inverse = scratch + layout->inverse, *queries = scratch + layout->queries;
    pack_queries(heads, qkv + first * heads->attention->qkv.stride, cols, queries);
    score(heads, scratch + layout->keys, queries, cols, scores);
    kernels->softmax(tokens, cols, scores, inverse);
    weigh(heads, scores, inverse, scratch + layout->values, cols, out + first * heads->attention->out.stride);
}

static void attend(void *arg, int64_t item, char *lane) {
    const struct heads *heads = arg;
    const struct tleg_attention *attention = heads->attention;
    int64_t part = item % heads->parts, head = item / heads->parts % attention->heads;
    int64_t image = item / heads->parts / attention->heads, tokens = attention->tokens, dim = attention->dim;
    const float *qkv = (const float *)attention->qkv.data + image * tokens * attention->qkv.stride + head * heads->width;
    float *out = (float *)attention->out.data + image * tokens * attention->out.stride + head * heads->width;
    float *scratch = (float *)lane;
    struct layout layout;
    lane_layout(heads->exec->kernels, tokens, heads->width, &layout);
    pack_keys(heads, qkv + dim, scratch + layout.keys);
    pack_values(heads, qkv + 2 * dim, scratch + layout.values);
    int64_t end = (part + 1) * heads->panels / heads->parts;
    for (int64_t panel = part * heads->panels / heads->parts; panel < end; panel++)
        attend_panel(heads, &layout, scratch, panel * heads->exec->kernels->nr, qkv, out);
}

void tleg_attention(const struct tleg_exec *exec, const struct tleg_attention *attention) {
    const struct tleg_narrow *narrow = tleg_narrow_of(exec->kernels, attention->dtype);
    if (narrow) {
        tleg_attention_narrow(exec, attention, narrow);
        return;
    }
    int64_t nr = exec->kernels->nr, heads_all = attention->batch * attention->heads;
    struct heads heads = {.exec = exec,
                          .attention = attention,
                          .width = attention->dim / attention->heads,
                          .panels = tleg_ceil_div(attention->tokens, nr)};
    heads.parts = tleg_attention_parts(exec->lanes, heads_all, heads.panels);
    tleg_for_each(exec, heads_all * heads.parts, attend, &heads);
}

struct tleg_scratch tleg_attention_scratch(const struct tleg_kernels *kernels, int32_t dtype, int64_t tokens, int64_t dim,
                                           int64_t heads) {
    const struct tleg_narrow *narrow = tleg_narrow_of(kernels, dtype);
    struct layout layout;
    return (struct tleg_scratch){.lane = narrow ? tleg_attention_narrow_lane(narrow, tokens, dim / heads)
                                                : lane_layout(kernels, tokens, dim / heads, &layout)};
}
