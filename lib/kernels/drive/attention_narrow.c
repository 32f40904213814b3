/* Attention per image and head on pairs of bf16: out = softmax(q k^T / sqrt(d)) v, d = dim / heads.
 * A block of queries at a time: its rows against panels of keys give scores (rows, tokens) in f32, softmax makes rows of bf16
 * of them, which are the left side of the product with panels of values. Rows of queries are the left side as they lie; keys
 * are turned into panels, values zipped. */
#include "kernels/table.h"
#include <math.h>
#include <string.h>

enum { PIECE = 32 }; /* tokens that are packed at a time: a multiple of 2 * unit, no fewer than a panel has */

struct heads {
    const struct tleg_exec *exec;
    const struct tleg_attention *attention;
    const struct tleg_narrow *narrow;
    int64_t width;        /* of a head */
    int64_t steps, spans; /* pairs that the width and the tokens fill */
    int64_t blocks;       /* of queries */
    int64_t parts;        /* tasks that share one head's blocks */
};

/* A lane's scratch, in floats; a pair takes a float's place. */
struct layout {
    int64_t rows;    /* of q, k or v where they are not used in place, [PIECE or mr][steps] */
    int64_t keys;    /* panels of keys, [panel][steps][nr] */
    int64_t values;  /* panels of values, [panel][spans][nr] */
    int64_t scores;  /* [mr][tokens, whole panels] */
    int64_t weights; /* [mr][spans] */
    int64_t inverse; /* [mr] */
};

static int64_t whole(int64_t count, int64_t unit) {
    return (count + unit - 1) / unit * unit;
}

static size_t lane_layout(const struct tleg_narrow *narrow, int64_t tokens, int64_t width, struct layout *layout) {
    int64_t mr = narrow->mr, nr = narrow->nr, steps = tleg_narrow_steps(narrow, width),
            spans = tleg_narrow_steps(narrow, tokens);
    size_t sizes[] = {tleg_floats_size(mr > PIECE ? mr : PIECE, steps),
                      tleg_floats_size(whole(tokens, nr), steps),
                      tleg_floats_size(spans, whole(width, nr)),
                      tleg_floats_size(mr, whole(tokens, nr)),
                      tleg_floats_size(mr, spans),
                      tleg_floats_size(1, mr)};
    int64_t *const places[] = {&layout->rows,   &layout->keys,    &layout->values,
                               &layout->scores, &layout->weights, &layout->inverse};
    return tleg_floats_place(sizes, places, sizeof sizes / sizeof *sizes);
}

/* Where a head's q, k or v begin: `column` of all of an image's rows. */
struct source {
    const float *x;
    const uint16_t *halves; /* or NULL */
    int64_t stride;         /* elements */
};

static struct source source_of(const struct heads *heads, int64_t image, int64_t column) {
    const struct tleg_attention *attention = heads->attention;
    struct source source = {.stride = 3 * attention->dim};
    if (attention->qkv_halves) {
        source.stride = tleg_halves_stride(heads->exec->kernels, 3 * attention->dim);
        source.halves = attention->qkv_halves + image * attention->tokens * source.stride + column;
    } else {
        source.x = attention->qkv + image * attention->tokens * source.stride + column;
    }
    return source;
}

/* Rows of pairs, zeros behind the width: where they lie if they lie so, else made in `room`. */
static const uint16_t *rows_get(const struct heads *heads, const struct source *source, int64_t first, int64_t count,
                                float *room, int64_t *stride) {
    int64_t width = heads->width, padded = 2 * heads->steps;
    *stride = padded;
    if (!source->halves) {
        heads->narrow->pack(count, width, source->x + first * source->stride, source->stride, heads->steps, room);
        return (const uint16_t *)room;
    }
    const uint16_t *rows = source->halves + first * source->stride;
    if (width == padded) {
        *stride = source->stride;
        return rows;
    }
    uint16_t *copy = (uint16_t *)room;
    memset(copy, 0, (size_t)(count * padded) * sizeof *copy);
    for (int64_t r = 0; r < count; r++)
        memcpy(copy + r * padded, rows + r * source->stride, (size_t)width * sizeof *copy);
    return copy;
}

static void pack_keys(const struct heads *heads, const struct source *source, float *room, float *keys) {
    int64_t tokens = heads->attention->tokens, nr = heads->narrow->nr, stride;
    for (int64_t first = 0; first < tokens; first += nr, keys += heads->steps * nr) {
        int64_t count = tokens - first < nr ? tokens - first : nr;
        const uint16_t *rows = rows_get(heads, source, first, count, room, &stride);
        if (count < nr)
            memset(keys, 0, (size_t)(heads->steps * nr) * sizeof *keys);
        heads->narrow->transpose_steps(count, heads->steps, rows, stride / 2, keys, nr);
    }
}

static void pack_values(const struct heads *heads, const struct source *source, float *room, float *values) {
    int64_t tokens = heads->attention->tokens, width = heads->width, nr = heads->narrow->nr, stride;
    for (int64_t first = 0; first < tokens; first += PIECE) {
        int64_t count = tokens - first < PIECE ? tokens - first : PIECE;
        const uint16_t *rows = rows_get(heads, source, first, count, room, &stride);
        for (int64_t column = 0; column < width; column += nr)
            heads->narrow->interleave_narrow(count, width - column < nr ? width - column : nr, rows + column, stride,
                                             tleg_narrow_steps(heads->narrow, count),
                                             values + column * heads->spans + first / 2 * nr, nr);
    }
}

/* scores[r][j] = query r . key j. */
static void score(const struct heads *heads, const uint16_t *queries, int64_t stride, int64_t rows, const float *keys,
                  float *scores) {
    int64_t tokens = heads->attention->tokens, nr = heads->narrow->nr;
    struct tleg_tile tile = {.k = heads->steps,
                             .a = (const float *)(const void *)queries,
                             .a_step = 1,
                             .a_row = stride / 2,
                             .rows = (int32_t)rows,
                             .out_stride = whole(tokens, nr)};
    for (int64_t key = 0; key < tokens; key += nr) {
        tile.b = keys + key * heads->steps;
        tile.cols = (int32_t)(tokens - key < nr ? tokens - key : nr);
        tile.out = scores + key;
        heads->narrow->tile(&tile);
    }
}

/* out[r] = inverse[r] * sum over i of weights[r][i] * value i. */
static void weigh(const struct heads *heads, const float *weights, const float *inverse, int64_t rows, const float *values,
                  struct tleg_tile tile) {
    int64_t width = heads->width, nr = heads->narrow->nr;
    float *out = tile.out;
    tile.k = tile.a_row = heads->spans;
    tile.a = weights;
    tile.a_step = 1;
    tile.rows = (int32_t)rows;
    tile.scale = inverse;
    for (int64_t column = 0; column < width; column += nr) {
        tile.b = values + column * heads->spans;
        tile.cols = (int32_t)(width - column < nr ? width - column : nr);
        tile.out = tile.halves ? (float *)(void *)((uint16_t *)(void *)out + column) : out + column;
        heads->narrow->tile(&tile);
    }
}

/* Where queries from `first` on leave their sums. */
static struct tleg_tile place_of(const struct heads *heads, int64_t image, int64_t head, int64_t first) {
    const struct tleg_attention *attention = heads->attention;
    int64_t row = image * attention->tokens + first, column = head * heads->width;
    if (!attention->out_halves)
        return (struct tleg_tile){.out = attention->out + row * attention->dim + column, .out_stride = attention->dim};
    int64_t stride = tleg_halves_stride(heads->exec->kernels, attention->dim);
    return (struct tleg_tile){
        .out = (float *)(void *)(attention->out_halves + row * stride + column), .out_stride = stride, .halves = true};
}

/* Zeros behind the last head of rows of bf16. */
static void fill_up(const struct heads *heads, const struct tleg_tile *place, int64_t rows) {
    uint16_t *behind = (uint16_t *)(void *)place->out + heads->width;
    size_t bytes = (size_t)(place->out_stride - heads->attention->dim) * sizeof *behind;
    for (int64_t r = 0; r < rows && bytes; r++)
        memset(behind + r * place->out_stride, 0, bytes);
}

static void attend_block(const struct heads *heads, const struct layout *layout, float *scratch, const struct source *queries,
                         int64_t first, int64_t rows, const struct tleg_tile *place) {
    int64_t tokens = heads->attention->tokens, stride;
    const uint16_t *block = rows_get(heads, queries, first, rows, scratch + layout->rows, &stride);
    float *scores = scratch + layout->scores, *weights = scratch + layout->weights, *inverse = scratch + layout->inverse;
    score(heads, block, stride, rows, scratch + layout->keys, scores);
    heads->narrow->softmax(rows, tokens, 1.0F / sqrtf((float)heads->width), scores, whole(tokens, heads->narrow->nr),
                           heads->spans, weights, inverse);
    weigh(heads, weights, inverse, rows, scratch + layout->values, *place);
}

static void attend(void *arg, int64_t item, char *lane) {
    const struct heads *heads = arg;
    const struct tleg_attention *attention = heads->attention;
    int64_t part = item % heads->parts, head = item / heads->parts % attention->heads;
    int64_t image = item / heads->parts / attention->heads, tokens = attention->tokens, mr = heads->narrow->mr;
    float *scratch = (float *)lane;
    struct layout layout;
    struct source source[3];
    lane_layout(heads->narrow, tokens, heads->width, &layout);
    for (int i = 0; i < 3; i++)
        source[i] = source_of(heads, image, i * attention->dim + head * heads->width);
    pack_keys(heads, &source[1], scratch + layout.rows, scratch + layout.keys);
    pack_values(heads, &source[2], scratch + layout.rows, scratch + layout.values);
    int64_t end = (part + 1) * heads->blocks / heads->parts;
    for (int64_t block = part * heads->blocks / heads->parts; block < end; block++) {
        int64_t first = tleg_block_start(tokens, mr, block), rows = tleg_block_start(tokens, mr, block + 1) - first;
        struct tleg_tile place = place_of(heads, image, head, first);
        attend_block(heads, &layout, scratch, &source[0], first, rows, &place);
        if (place.halves && head == attention->heads - 1)
            fill_up(heads, &place, rows);
    }
}

void tleg_attention_narrow(const struct tleg_exec *exec, const struct tleg_attention *attention,
                           const struct tleg_narrow *narrow) {
    int64_t tokens = attention->tokens, width = attention->dim / attention->heads, all = attention->batch * attention->heads;
    struct heads heads = {.exec = exec,
                          .attention = attention,
                          .narrow = narrow,
                          .width = width,
                          .steps = tleg_narrow_steps(narrow, width),
                          .spans = tleg_narrow_steps(narrow, tokens),
                          .blocks = (tokens + narrow->mr - 1) / narrow->mr};
    heads.parts = tleg_attention_parts(exec->lanes, all, heads.blocks);
    tleg_for_each(exec, all * heads.parts, attend, &heads);
}

size_t tleg_attention_narrow_lane(const struct tleg_narrow *narrow, int64_t tokens, int64_t width) {
    struct layout layout;
    return lane_layout(narrow, tokens, width, &layout);
}
