/* Attention per image and head: out = softmax(q k^T / sqrt(d)) v, d = dim / heads.
 * Queries lie side by side in panels of nr: scores = keys x queries^T is (tokens, nr), softmax runs down its columns, and what
 * it leaves is, read by columns, the left side of the product with v. One panel of scores is in memory at a time. In bf16 the
 * products are of pairs along d, then along the tokens: what softmax leaves is folded into pairs before. */
#include "kernels/table.h"
#include <math.h>
#include <string.h>

struct heads {
    const struct tleg_exec *exec;
    const struct tleg_attention *attention;
    const struct tleg_pairs *pairs; /* NULL: f32 */
    int64_t mr, nr;
    int64_t width;        /* of a head */
    int64_t steps, spans; /* of a tile's sum over the width, and over the tokens: floats or pairs */
    int64_t panels;       /* of queries */
    int64_t parts;        /* tasks that share one head's panels */
};

static struct heads heads_of(const struct tleg_kernels *kernels, int32_t dtype, int64_t tokens, int64_t width) {
    const struct tleg_pairs *pairs = tleg_pairs_of(kernels, dtype);
    if (pairs && (!pairs->fold || pairs->nr != kernels->nr)) /* softmax has the level's own panels */
        pairs = NULL;
    return (struct heads){.pairs = pairs,
                          .mr = pairs ? pairs->mr : kernels->mr,
                          .nr = kernels->nr,
                          .width = width,
                          .steps = pairs ? tleg_pairs_count(pairs, width) : width,
                          .spans = pairs ? tleg_pairs_count(pairs, tokens) : tokens,
                          .panels = (tokens + kernels->nr - 1) / kernels->nr,
                          .parts = 1};
}

/* A lane's scratch, in floats; a pair takes a float's place. */
struct layout {
    int64_t keys;    /* blocks of keys, [block][steps][rows of the block] */
    int64_t values;  /* panels of values, [panel][spans][nr], zeros behind the width */
    int64_t queries; /* a panel of queries, [width][nr] */
    int64_t scores;  /* [tokens][nr] */
    int64_t inverse; /* [nr] */
    int64_t folded;  /* queries, then scores, as pairs: [max(steps, spans)][nr]; nothing in f32 */
};

static size_t lane_layout(const struct heads *heads, int64_t tokens, struct layout *layout) {
    int64_t nr = heads->nr, width = heads->width, folded = heads->steps > heads->spans ? heads->steps : heads->spans;
    size_t sizes[] = {tleg_floats_size(tokens, heads->steps),
                      tleg_floats_size(heads->spans, (width + nr - 1) / nr * nr),
                      tleg_floats_size(width, nr),
                      tleg_floats_size(tokens, nr),
                      tleg_floats_size(1, nr),
                      tleg_floats_size(heads->pairs ? folded : 0, nr)};
    int64_t *const places[] = {&layout->keys,   &layout->values,  &layout->queries,
                               &layout->scores, &layout->inverse, &layout->folded};
    size_t sum = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *places[i] = (int64_t)(sum / sizeof(float));
        if (!tleg_size_add(sum, sizes[i], &sum))
            return SIZE_MAX;
    }
    return sum;
}

static void run_tile(const struct heads *heads, const struct tleg_tile *tile) {
    if (heads->pairs)
        heads->pairs->tile(tile);
    else
        heads->exec->kernels->tile(tile);
}

static void pack_keys(const struct heads *heads, const float *keys, float *packed) {
    int64_t tokens = heads->attention->tokens, stride = 3 * heads->attention->dim;
    for (int64_t first = 0, block = 1, next; first < tokens; first = next, block++) {
        next = tleg_block_start(tokens, heads->mr, block);
        float *to = packed + first * heads->steps;
        if (heads->pairs)
            heads->pairs->pack(next - first, heads->width, keys + first * stride, stride, to);
        else
            heads->exec->kernels->transpose(next - first, heads->width, keys + first * stride, stride, 1.0F, to, next - first);
    }
}

static void pack_values(const struct heads *heads, const float *values, float *packed) {
    int64_t tokens = heads->attention->tokens, width = heads->width, nr = heads->nr, stride = 3 * heads->attention->dim;
    for (int64_t column = 0; column < width; column += nr, packed += heads->spans * nr) {
        int64_t cols = width - column < nr ? width - column : nr;
        if (heads->pairs)
            heads->pairs->fold(tokens, cols, values + column, stride, packed, nr);
        else
            heads->exec->kernels->copy(tokens, cols, values + column, stride, 1.0F, packed, nr);
    }
}

/* A panel of queries as right sides. */
static const float *pack_queries(const struct heads *heads, const float *queries, int64_t cols, float *packed, float *folded) {
    int64_t width = heads->width, nr = heads->nr;
    if (cols < nr)
        memset(packed, 0, (size_t)(width * nr) * sizeof *packed);
    heads->exec->kernels->transpose(cols, width, queries, 3 * heads->attention->dim, 1.0F / sqrtf((float)width), packed, nr);
    if (!heads->pairs)
        return packed;
    heads->pairs->fold(width, nr, packed, nr, folded, nr);
    return folded;
}

/* scores[i][j] = key i . query j; 0 behind the queries, as far as softmax works. */
static void score(const struct heads *heads, const float *keys, const float *queries, int64_t cols, float *scores) {
    int64_t tokens = heads->attention->tokens;
    struct tleg_tile tile = {.k = heads->steps, .b = queries, .out_stride = heads->nr};
    tile.cols = (int32_t)tleg_vector_columns(heads->exec->kernels, cols);
    for (int64_t first = 0, block = 1, next; first < tokens; first = next, block++) {
        next = tleg_block_start(tokens, heads->mr, block);
        tile.rows = (int32_t)(next - first);
        tile.a = keys + first * heads->steps;
        tile.a_step = tile.rows;
        tile.out = scores + first * heads->nr;
        run_tile(heads, &tile);
    }
}

/* out[j] = inverse[j] * sum over i of scores[i][j] * value i, for `cols` queries. */
static void weigh(const struct heads *heads, const float *scores, const float *inverse, const float *values, int64_t cols,
                  float *out) {
    int64_t dim = heads->attention->dim, nr = heads->nr;
    struct tleg_tile tile = {.k = heads->spans, .a_step = nr, .out_stride = dim};
    for (int64_t column = 0; column < heads->width; column += nr) {
        tile.b = values + column * heads->spans;
        tile.cols = (int32_t)(heads->width - column < nr ? heads->width - column : nr);
        for (int64_t first = 0, block = 1, next; first < cols; first = next, block++) {
            next = tleg_block_start(cols, heads->mr, block);
            tile.rows = (int32_t)(next - first);
            tile.a = scores + first;
            tile.scale = inverse + first;
            tile.out = out + first * dim + column;
            run_tile(heads, &tile);
        }
    }
}

/* The panel of queries that starts at `first`. */
static void attend_panel(const struct heads *heads, const struct layout *layout, float *scratch, int64_t first,
                         const float *qkv, float *out) {
    int64_t tokens = heads->attention->tokens, dim = heads->attention->dim, nr = heads->nr;
    int64_t cols = tokens - first < nr ? tokens - first : nr;
    float *scores = scratch + layout->scores, *inverse = scratch + layout->inverse, *folded = scratch + layout->folded;
    const float *queries = pack_queries(heads, qkv + first * 3 * dim, cols, scratch + layout->queries, folded);
    score(heads, scratch + layout->keys, queries, cols, scores);
    heads->exec->kernels->softmax(tokens, cols, scores, inverse);
    if (heads->pairs)
        heads->pairs->fold(tokens, nr, scores, nr, folded, nr);
    weigh(heads, heads->pairs ? folded : scores, inverse, scratch + layout->values, cols, out + first * dim);
}

static void attend(void *arg, int64_t item, char *lane) {
    const struct heads *heads = arg;
    const struct tleg_attention *attention = heads->attention;
    int64_t part = item % heads->parts, head = item / heads->parts % attention->heads;
    int64_t image = item / heads->parts / attention->heads, tokens = attention->tokens, dim = attention->dim;
    const float *qkv = attention->qkv + image * tokens * 3 * dim + head * heads->width;
    float *out = attention->out + image * tokens * dim + head * heads->width, *scratch = (float *)lane;
    struct layout layout;
    lane_layout(heads, tokens, &layout);
    pack_keys(heads, qkv + dim, scratch + layout.keys);
    pack_values(heads, qkv + 2 * dim, scratch + layout.values);
    int64_t end = (part + 1) * heads->panels / heads->parts;
    for (int64_t panel = part * heads->panels / heads->parts; panel < end; panel++)
        attend_panel(heads, &layout, scratch, panel * heads->nr, qkv, out);
}

void tleg_attention(const struct tleg_exec *exec, const struct tleg_attention *attention) {
    int64_t count = attention->batch * attention->heads;
    struct heads heads = heads_of(exec->kernels, attention->dtype, attention->tokens, attention->dim / attention->heads);
    heads.exec = exec;
    heads.attention = attention;
    if (exec->lanes > 1 && count < 2 * exec->lanes) {
        int64_t parts = (2 * exec->lanes + count - 1) / count;
        heads.parts = parts < heads.panels ? parts : heads.panels;
    }
    tleg_for_each(exec, count * heads.parts, attend, &heads);
}

struct tleg_scratch tleg_attention_scratch(const struct tleg_kernels *kernels, int32_t dtype, int64_t tokens, int64_t dim,
                                           int64_t heads) {
    struct layout layout;
    struct heads one = heads_of(kernels, dtype, tokens, dim / heads);
    return (struct tleg_scratch){.shared = 0, .lane = lane_layout(&one, tokens, &layout)};
}
