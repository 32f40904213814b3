/* Attention per image and head in a narrow type: out = softmax(q k^T / sqrt(d)) v, d = dim / heads.
 * A block of queries at a time: its rows against panels of keys give scores (rows, tokens) in f32, softmax makes narrow rows
 * of them, which are the left side of the product with panels of values. Rows of queries are the left side as they lie; keys
 * are transposed into panels, values interleaved. */
#include "kernels/table.h"
#include "tensor/tensor.h"
#include <math.h>
#include <string.h>

enum { PIECE = 32 }; /* tokens that are packed at a time: a multiple of per_step * unit, no fewer than a panel has */

struct heads {
    const struct tleg_exec *exec;
    const struct tleg_attention *attention;
    const struct tleg_narrow *narrow;
    int64_t width;        /* of a head */
    int64_t steps, spans; /* steps that the width and the tokens fill */
    int64_t blocks;       /* of queries */
    int64_t parts;        /* tasks that share one head's blocks */
};

/* A lane's scratch, in floats; a narrow step takes a float's place. */
struct layout {
    int64_t rows;    /* of q, k or v where they are not used in place, [PIECE or mr][steps] */
    int64_t keys;    /* panels of keys, [panel][steps][nr] */
    int64_t values;  /* panels of values, [panel][spans][nr] */
    int64_t scores;  /* [mr][tokens, whole panels] */
    int64_t weights; /* [mr][spans] */
    int64_t inverse; /* [mr] */
};

static int64_t whole(int64_t count, int64_t unit) {
    return tleg_ceil_div(count, unit) * unit;
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
static struct tleg_view source_of(const struct heads *heads, int64_t image, int64_t column) {
    struct tleg_view source = heads->attention->qkv;
    int64_t place = image * heads->attention->tokens * source.stride + column;
    source.data = (const char *)source.data + (size_t)place * tleg_dtype_size(source.dtype);
    return source;
}

/* Narrow rows, zeros after the width: where they lie if they lie so, else made in `room`. The stride counts elements. */
static const void *rows_get(const struct heads *heads, const struct tleg_view *source, int64_t first, int64_t count,
                            float *room, int64_t *stride) {
    int64_t width = heads->width, padded = heads->narrow->per_step * heads->steps;
    *stride = padded;
    if (source->dtype == TLEG_F32) {
        const float *rows = (const float *)source->data + first * source->stride;
        heads->narrow->pack(count, width, rows, source->stride, heads->steps, room);
        return room;
    }
    const size_t size = tleg_dtype_size(source->dtype);
    const char *rows = (const char *)source->data + (size_t)(first * source->stride) * size;
    if (width == padded) {
        *stride = source->stride;
        return rows;
    }
    memset(room, 0, (size_t)(count * padded) * size);
    for (int64_t r = 0; r < count; r++)
        memcpy((char *)room + (size_t)(r * padded) * size, rows + (size_t)(r * source->stride) * size, (size_t)width * size);
    return room;
}

static void pack_keys(const struct heads *heads, const struct tleg_view *source, float *room, float *keys) {
    int64_t tokens = heads->attention->tokens, nr = heads->narrow->nr, stride;
    for (int64_t first = 0; first < tokens; first += nr, keys += heads->steps * nr) {
        int64_t count = tleg_min64(tokens - first, nr);
        const void *rows = rows_get(heads, source, first, count, room, &stride);
        if (count < nr)
            memset(keys, 0, (size_t)(heads->steps * nr) * sizeof *keys);
        heads->narrow->transpose_steps(count, heads->steps, rows, stride / heads->narrow->per_step, keys, nr);
    }
}

static void pack_values(const struct heads *heads, const struct tleg_view *source, float *room, float *values) {
    int64_t tokens = heads->attention->tokens, width = heads->width, nr = heads->narrow->nr, stride;
    for (int64_t first = 0; first < tokens; first += PIECE) {
        int64_t count = tleg_min64(tokens - first, PIECE);
        const void *rows = rows_get(heads, source, first, count, room, &stride);
        for (int64_t column = 0; column < width; column += nr)
            heads->narrow->interleave_narrow(count, tleg_min64(width - column, nr),
                                             (const char *)rows + (size_t)column * tleg_dtype_size(heads->narrow->dtype),
                                             stride, tleg_narrow_steps(heads->narrow, count),
                                             values + column * heads->spans + first / heads->narrow->per_step * nr, nr);
    }
}

/* scores[r][j] = query r . key j. */
static void score(const struct heads *heads, const void *queries, int64_t stride, int64_t rows, const float *keys,
                  float *scores) {
    int64_t tokens = heads->attention->tokens, nr = heads->narrow->nr;
    struct tleg_tile tile = {.k = heads->steps,
                             .a = queries,
                             .a_step = 1,
                             .a_row = stride / heads->narrow->per_step,
                             .rows = (int32_t)rows,
                             .out_stride = whole(tokens, nr)};
    for (int64_t key = 0; key < tokens; key += nr) {
        tile.b = keys + key * heads->steps;
        tile.cols = (int32_t)tleg_min64(tokens - key, nr);
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
        tile.cols = (int32_t)tleg_min64(width - column, nr);
        tile.out = (float *)(void *)((char *)out + (size_t)column * tleg_dtype_size(heads->attention->out.dtype));
        heads->narrow->tile(&tile);
    }
}

/* Where queries from `first` on leave their sums. */
static struct tleg_tile place_of(const struct heads *heads, int64_t image, int64_t head, int64_t first) {
    const struct tleg_target *out = &heads->attention->out;
    int64_t place = (image * heads->attention->tokens + first) * out->stride + head * heads->width;
    return (struct tleg_tile){.out = (float *)(void *)((char *)out->data + (size_t)place * tleg_dtype_size(out->dtype)),
                              .out_stride = out->stride,
                              .narrow_out = out->dtype != TLEG_F32};
}

/* Zeros after the last head of narrow rows. */
static void fill_up(const struct heads *heads, const struct tleg_tile *place, int64_t rows) {
    const size_t size = tleg_dtype_size(heads->attention->out.dtype);
    char *padding = (char *)(void *)place->out + (size_t)heads->width * size;
    size_t bytes = (size_t)(place->out_stride - heads->attention->dim) * size;
    for (int64_t r = 0; r < rows && bytes; r++)
        memset(padding + (size_t)(r * place->out_stride) * size, 0, bytes);
}

static void attend_block(const struct heads *heads, const struct layout *layout, float *scratch,
                         const struct tleg_view *queries, int64_t first, int64_t rows, const struct tleg_tile *place) {
    int64_t tokens = heads->attention->tokens, stride;
    const void *block = rows_get(heads, queries, first, rows, scratch + layout->rows, &stride);
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
    struct tleg_view source[3];
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
        if (place.narrow_out && head == attention->heads - 1)
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
                          .blocks = tleg_ceil_div(tokens, narrow->mr)};
    heads.parts = tleg_attention_parts(exec->lanes, all, heads.blocks);
    tleg_for_each(exec, all * heads.parts, attend, &heads);
}

size_t tleg_attention_narrow_lane(const struct tleg_narrow *narrow, int64_t tokens, int64_t width) {
    struct layout layout;
    return lane_layout(narrow, tokens, width, &layout);
}
