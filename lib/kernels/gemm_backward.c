/* The gradients of a product y = x W^T + bias.
 * dx = dY W is an ordinary product whose weight is the transpose of W, packed anew at each call: W changes each step.
 * dW = dY^T X sums over the rows. They are taken in chunks of fixed length, one after the other: a chunk of dY is packed as
 * left sides, [block of columns of dY][rows][columns of the block], one of X as panels, [panel][rows][nr], and every register
 * tile of dW adds its sum over the chunk to the gradient. So no gradient of one layer is ever held, and its bits do not depend
 * on the lanes. */
#include "kernels/table.h"

enum {
    CHUNK = 512, /* rows of a register tile's sum */
    PIECE = 16   /* rows that one task packs */
};

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t parts_of(int64_t count, int64_t part) {
    return (count + part - 1) / part;
}

static bool size_join(size_t *sum, size_t more) {
    if (tleg_size_add(*sum, more, sum))
        return true;
    *sum = SIZE_MAX;
    return false;
}

/* ---- weight and bias ---- */

struct gradients {
    const struct tleg_exec *exec;
    const struct tleg_weight_backward *backward;
    int64_t first, rows;            /* the chunk */
    int64_t blocks, panels, groups; /* of columns of dY, of columns of X, of blocks */
    float *dy, *x, *sums;           /* packed; sums down the columns of each piece of dY */
};

/* Shared scratch, in floats: where x and sums start. */
static size_t layout(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k, int64_t *x, int64_t *sums) {
    int64_t rows = least(m, CHUNK), nr = kernels->nr;
    size_t size = tleg_floats_size(rows, n);
    *x = (int64_t)(size / sizeof(float));
    size_join(&size, tleg_floats_size(rows, parts_of(k, nr) * nr));
    *sums = (int64_t)(size / sizeof(float));
    size_join(&size, tleg_floats_size(parts_of(rows, PIECE) + 1, n));
    return size;
}

static void pack_piece(void *arg, int64_t piece, char *lane) {
    const struct gradients *g = arg;
    const struct tleg_kernels *kernels = g->exec->kernels;
    const struct tleg_weight_backward *backward = g->backward;
    int64_t n = backward->n, k = backward->k, first = piece * PIECE, count = least(g->rows - first, PIECE), stride;
    const float *dy = backward->dy + (g->first + first) * backward->dy_stride;
    if (backward->bias.base)
        kernels->sum_rows(count, n, dy, backward->dy_stride, g->sums + piece * n);
    if (!backward->weight.base)
        return;
    for (int64_t block = 0, column = 0, next; block < g->blocks; block++, column = next) {
        next = tleg_block_start(n, kernels->mr, block + 1);
        kernels->copy(count, next - column, dy + column, backward->dy_stride, 1.0F,
                      g->dy + column * g->rows + first * (next - column), next - column);
    }
    const float *x = tleg_rows_get(kernels, &backward->rows, g->first + first, count, k, (float *)lane, &stride);
    for (int64_t column = 0; column < k; column += kernels->nr)
        kernels->copy(count, least(k - column, kernels->nr), x + column, stride, 1.0F,
                      g->x + column * g->rows + first * kernels->nr, kernels->nr);
}

static void multiply_panel(void *arg, int64_t item, char *lane) {
    const struct gradients *g = arg;
    const struct tleg_kernels *kernels = g->exec->kernels;
    const struct tleg_weight_backward *backward = g->backward;
    int64_t k = backward->k, column = item / g->groups * kernels->nr, group = item % g->groups;
    struct tleg_tile tile = {.k = g->rows,
                             .b = g->x + column * g->rows,
                             .cols = (int32_t)least(k - column, kernels->nr),
                             .out = (float *)lane,
                             .out_stride = kernels->nr};
    int64_t end = (group + 1) * g->blocks / g->groups;
    for (int64_t block = group * g->blocks / g->groups; block < end; block++) {
        int64_t first = tleg_block_start(backward->n, kernels->mr, block);
        struct tleg_gradient gradient = tleg_gradient_at(backward->weight, first * k + column);
        tile.rows = (int32_t)(tleg_block_start(backward->n, kernels->mr, block + 1) - first);
        tile.a = g->dy + first * g->rows;
        tile.a_step = tile.rows;
        tleg_ask_rows(gradient.base, tile.rows, tile.cols, k);
        if (gradient.ilayer)
            tleg_ask_rows(gradient.ilayer, tile.rows, tile.cols, k);
        kernels->tile(&tile);
        kernels->accumulate(tile.rows, tile.cols, tile.out, kernels->nr, gradient, k);
    }
}

static void chunk_backward(struct gradients *g) {
    const struct tleg_exec *exec = g->exec;
    int64_t n = g->backward->n, pieces = parts_of(g->rows, PIECE);
    tleg_for_each(exec, pieces, pack_piece, g);
    if (g->backward->bias.base) {
        float *all = g->sums + pieces * n;
        exec->kernels->sum_rows(pieces, n, g->sums, n, all);
        exec->kernels->accumulate(1, n, all, n, g->backward->bias, n);
    }
    if (g->backward->weight.base)
        tleg_for_each(exec, g->panels * g->groups, multiply_panel, g);
}

void tleg_weight_backward(const struct tleg_exec *exec, const struct tleg_weight_backward *backward) {
    enum { TASKS_PER_LANE = 4 };
    const struct tleg_kernels *kernels = exec->kernels;
    int64_t x, sums, m = backward->m, wanted = exec->lanes > 1 ? (int64_t)exec->lanes * TASKS_PER_LANE : 1;
    layout(kernels, m, backward->n, backward->k, &x, &sums);
    struct gradients g = {
        .exec = exec,
        .backward = backward,
        .blocks = parts_of(backward->n, kernels->mr),
        .panels = parts_of(backward->k, kernels->nr),
        .dy = (float *)exec->shared,
        .x = (float *)exec->shared + x,
        .sums = (float *)exec->shared + sums,
    };
    g.groups = least(parts_of(wanted, g.panels), g.blocks);
    for (g.first = 0; g.first < m; g.first += CHUNK) {
        g.rows = least(m - g.first, CHUNK);
        chunk_backward(&g);
    }
}

struct tleg_scratch tleg_weight_backward_scratch(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k) {
    int64_t x, sums;
    /* A lane holds a piece's rows, later a tile's sums. */
    struct tleg_scratch scratch = {.shared = layout(kernels, m, n, k, &x, &sums), .lane = tleg_floats_size(PIECE, k)};
    tleg_scratch_join(&scratch, (struct tleg_scratch){.lane = tleg_floats_size(kernels->mr, kernels->nr)});
    return scratch;
}

void tleg_portable_accumulate(int64_t rows, int64_t cols, const float *t, int64_t t_stride, struct tleg_gradient gradient,
                              int64_t stride) {
    for (int64_t r = 0; r < rows; r++, t += t_stride) {
        for (int64_t j = 0; j < cols; j++)
            gradient.base[r * stride + j] += t[j];
        for (int64_t j = 0; gradient.ilayer && j < cols; j++)
            gradient.ilayer[r * stride + j] += gradient.c * t[j];
    }
}

/* ---- input ---- */

void tleg_input_backward(const struct tleg_exec *exec, const struct tleg_input_backward *backward) {
    const struct tleg_kernels *kernels = exec->kernels;
    int64_t n = backward->n, k = backward->k;
    float *packed = (float *)exec->shared;
    struct tleg_exec rest = *exec;
    rest.shared += tleg_size_align(kernels->packed_count(kernels, TLEG_F32, k, n) * sizeof *packed);
    kernels->pack_transposed(exec, n, k, backward->w, packed);
    struct tleg_weight weight = {.n = k, .k = n, .base = packed, .stored = TLEG_F32, .rounded = TLEG_F32};
    tleg_gemm(&rest, &(struct tleg_gemm){.m = backward->m,
                                         .rows = {.kind = TLEG_ROWS_PLAIN, .x = backward->dy, .stride = n},
                                         .weight = &weight,
                                         .epilogue = {.hidden = backward->hidden, .hidden_stride = k},
                                         .out = backward->dx,
                                         .out_stride = k});
}

struct tleg_scratch tleg_input_backward_scratch(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k) {
    struct tleg_scratch scratch = tleg_gemm_scratch(kernels, TLEG_F32, m, k, n);
    size_t bytes;
    if (!tleg_size_mul(kernels->packed_count(kernels, TLEG_F32, k, n), sizeof(float), &bytes))
        bytes = SIZE_MAX;
    size_join(&scratch.shared, tleg_size_align(bytes));
    return scratch;
}
