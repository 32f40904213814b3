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
    size_t sizes[] = {tleg_floats_size(tokens, width), tleg_floats_size(tokens, (width + nr - 1) / nr * nr),
                      tleg_floats_size(width, nr), tleg_floats_size(tokens, nr), tleg_floats_size(1, nr)};
    int64_t *const places[] = {&layout->keys, &layout->values, &layout->queries, &layout->scores, &layout->inverse};
    size_t sum = 0;
    for (int i = 0; i < 5; i++) {
        *places[i] = (int64_t)(sum / sizeof(float));
        if (!tleg_size_add(sum, sizes[i], &sum))
            return SIZE_MAX;
    }
    return sum;
}

static void pack_keys(const struct heads *heads, const float *keys, float *packed) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t tokens = heads->attention->tokens, width = heads->width, mr = kernels->mr;
    int64_t stride = 3 * heads->attention->dim;
    for (int64_t first = 0, block = 1; first < tokens; block++) {
        int64_t next = tleg_block_start(tokens, mr, block);
        kernels->transpose(next - first, width, keys + first * stride, stride, 1.0F, packed + first * width, next - first);
        first = next;
    }
}

static void pack_values(const struct heads *heads, const float *values, float *packed) {
    int64_t tokens = heads->attention->tokens, width = heads->width, nr = heads->exec->kernels->nr;
    int64_t stride = 3 * heads->attention->dim;
    for (int64_t column = 0; column < width; column += nr) {
        int64_t cols = width - column < nr ? width - column : nr;
        for (int64_t i = 0; i < tokens; i++, packed += nr) {
            memcpy(packed, values + i * stride + column, (size_t)cols * sizeof *packed);
            if (cols < nr)
                memset(packed + cols, 0, (size_t)(nr - cols) * sizeof *packed);
        }
    }
}

static void pack_queries(const struct heads *heads, const float *queries, int64_t cols, float *packed) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t width = heads->width, nr = kernels->nr;
    if (cols < nr)
        memset(packed, 0, (size_t)(width * nr) * sizeof *packed);
    kernels->transpose(cols, width, queries, 3 * heads->attention->dim, 1.0F / sqrtf((float)width), packed, nr);
}

/* scores[i][j] = key i . query j. */
static void score(const struct heads *heads, const float *keys, const float *queries, int64_t cols, float *scores) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t tokens = heads->attention->tokens;
    struct tleg_tile tile = {.k = heads->width, .b = queries, .cols = (int32_t)cols, .out_stride = kernels->nr};
    for (int64_t first = 0, block = 1; first < tokens; block++) {
        int64_t next = tleg_block_start(tokens, kernels->mr, block);
        tile.rows = (int32_t)(next - first);
        tile.a = keys + first * heads->width;
        tile.a_step = tile.rows;
        tile.out = scores + first * kernels->nr;
        kernels->tile(&tile);
        first = next;
    }
}

/* out[j] = inverse[j] * sum over i of scores[i][j] * value i, for `cols` queries. */
static void weigh(const struct heads *heads, const float *scores, const float *inverse, const float *values, int64_t cols,
                  float *out) {
    const struct tleg_kernels *kernels = heads->exec->kernels;
    int64_t tokens = heads->attention->tokens, dim = heads->attention->dim, nr = kernels->nr;
    struct tleg_tile tile = {.k = tokens, .a_step = nr, .out_stride = dim};
    for (int64_t column = 0; column < heads->width; column += nr) {
        tile.b = values + column * tokens;
        tile.cols = (int32_t)(heads->width - column < nr ? heads->width - column : nr);
        for (int64_t first = 0, block = 1; first < cols; block++) {
            int64_t next = tleg_block_start(cols, kernels->mr, block);
            tile.rows = (int32_t)(next - first);
            tile.a = scores + first;
            tile.scale = inverse + first;
            tile.out = out + first * dim + column;
            kernels->tile(&tile);
            first = next;
        }
    }
}

static void attend(void *arg, int64_t item, char *lane) {
    const struct heads *heads = arg;
    const struct tleg_attention *attention = heads->attention;
    int64_t part = item % heads->parts, head = item / heads->parts % attention->heads;
    int64_t image = item / heads->parts / attention->heads;
    int64_t tokens = attention->tokens, dim = attention->dim, nr = heads->exec->kernels->nr;
    const float *qkv = attention->qkv + image * tokens * 3 * dim + head * heads->width;
    float *out = attention->out + image * tokens * dim + head * heads->width;
    struct layout layout;
    lane_layout(heads->exec->kernels, tokens, heads->width, &layout);
    float *scratch = (float *)lane;
    pack_keys(heads, qkv + dim, scratch + layout.keys);
    pack_values(heads, qkv + 2 * dim, scratch + layout.values);
    int64_t end = (part + 1) * heads->panels / heads->parts;
    for (int64_t panel = part * heads->panels / heads->parts; panel < end; panel++) {
        int64_t first = panel * nr;
        int64_t cols = tokens - first < nr ? tokens - first : nr;
        pack_queries(heads, qkv + first * 3 * dim, cols, scratch + layout.queries);
        score(heads, scratch + layout.keys, scratch + layout.queries, cols, scratch + layout.scores);
        heads->exec->kernels->softmax(tokens, cols, scratch + layout.scores, scratch + layout.inverse);
        weigh(heads, scratch + layout.scores, scratch + layout.inverse, scratch + layout.values, cols, out + first * dim);
    }
}

void tleg_attention(const struct tleg_exec *exec, const struct tleg_attention *attention) {
    int64_t nr = exec->kernels->nr, count = attention->batch * attention->heads;
    struct heads heads = {
        .exec = exec,
        .attention = attention,
        .width = attention->dim / attention->heads,
        .panels = (attention->tokens + nr - 1) / nr,
        .parts = 1,
    };
    if (exec->lanes > 1 && count < 2 * exec->lanes) {
        int64_t parts = (2 * exec->lanes + count - 1) / count;
        heads.parts = parts < heads.panels ? parts : heads.panels;
    }
    tleg_for_each(exec, count * heads.parts, attend, &heads);
}

struct tleg_scratch tleg_attention_scratch(const struct tleg_kernels *kernels, int64_t tokens, int64_t dim, int64_t heads) {
    struct layout layout;
    return (struct tleg_scratch){.shared = 0, .lane = lane_layout(kernels, tokens, dim / heads, &layout)};
}
