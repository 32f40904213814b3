/* The gradients of a product y = x W^T + bias.
 * dx = dY W is an ordinary product whose weight is the transpose of W, packed anew at each call: W changes each step.
 * dW = dY^T X sums over the rows. They are taken in chunks of fixed length, one after the other: a chunk of dY is packed as
 * left sides, [block of columns of dY][rows][columns of the block], one of X as panels, [panel][rows][nr], and every register
 * tile of dW adds its sum over the chunk to the gradient. So no gradient of one layer is ever held, and its bits do not depend
 * on the lanes. In a narrow type a step of these sums is some rows, interleaved. */
#include "kernels/table.h"

enum {
    CHUNK = 512, /* rows of a register tile's sum */
    PIECE = 16   /* rows that one task packs */
};

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
    const struct tleg_narrow *narrow; /* NULL: floats */
    int64_t mr, nr, piece;
    int64_t first, rows, steps;     /* the chunk; a step is a row, or as many as a narrow step holds */
    int64_t blocks, panels, groups; /* of columns of dY, of columns of X, of blocks */
    float *dy, *x, *sums;           /* packed; sums down the columns of each piece of dY */
};

static struct gradients gradients_of(const struct tleg_kernels *kernels, int32_t rounded) {
    const struct tleg_narrow *narrow = tleg_narrow_of(kernels, rounded);
    /* A piece is a whole number of the narrow type's units. */
    return (struct gradients){.narrow = narrow,
                              .mr = narrow ? narrow->mr : kernels->mr,
                              .nr = narrow ? narrow->nr : kernels->nr,
                              .piece =
                                  narrow && narrow->per_step * narrow->unit > PIECE ? narrow->per_step * narrow->unit : PIECE};
}

static int64_t steps_of(const struct gradients *g, int64_t rows) {
    return g->narrow ? tleg_narrow_steps(g->narrow, rows) : rows;
}

/* Shared scratch, in floats (a narrow step takes a float's place): where x and sums start. */
static size_t layout(const struct gradients *g, int64_t m, int64_t n, int64_t k, int64_t *x, int64_t *sums) {
    int64_t rows = tleg_min64(m, CHUNK), steps = steps_of(g, rows), nr = g->nr;
    size_t size = tleg_floats_size(steps, n);
    *x = (int64_t)(size / sizeof(float));
    size_join(&size, tleg_floats_size(steps, tleg_ceil_div(k, nr) * nr));
    *sums = (int64_t)(size / sizeof(float));
    size_join(&size, tleg_floats_size(tleg_ceil_div(rows, g->piece) + 1, n));
    return size;
}

/* out (rows, wide), or as many narrow steps. */
static void put(const struct gradients *g, int64_t rows, int64_t cols, const float *in, int64_t stride, float *out,
                int64_t wide) {
    if (g->narrow)
        g->narrow->interleave_f32(rows, cols, in, stride, tleg_narrow_steps(g->narrow, rows), out, wide);
    else
        g->exec->kernels->copy(rows, cols, in, stride, 1.0F, out, wide);
}

static void pack_piece(void *arg, int64_t piece, char *lane) {
    const struct gradients *g = arg;
    const struct tleg_kernels *kernels = g->exec->kernels;
    const struct tleg_weight_backward *backward = g->backward;
    int64_t n = backward->n, k = backward->k, nr = g->nr, stride;
    int64_t first = piece * g->piece, count = tleg_min64(g->rows - first, g->piece),
            step = g->narrow ? first / g->narrow->per_step : first;
    const float *dy = backward->dy + (g->first + first) * backward->dy_stride;
    if (backward->bias.count > 0)
        kernels->sum_rows(count, n, dy, backward->dy_stride, g->sums + piece * n);
    if (backward->weight.count == 0)
        return;
    for (int64_t block = 0, column = 0, next; block < g->blocks; block++, column = next) {
        next = tleg_block_start(n, g->mr, block + 1);
        put(g, count, next - column, dy + column, backward->dy_stride, g->dy + column * g->steps + step * (next - column),
            next - column);
    }
    const float *x = tleg_rows_get(kernels, &backward->rows, g->first + first, count, k, (float *)lane, &stride);
    for (int64_t column = 0; column < k; column += nr)
        put(g, count, tleg_min64(k - column, nr), x + column, stride, g->x + column * g->steps + step * nr, nr);
}

static void multiply_panel(void *arg, int64_t item, char *lane) {
    const struct gradients *g = arg;
    const struct tleg_kernels *kernels = g->exec->kernels;
    const struct tleg_weight_backward *backward = g->backward;
    int64_t k = backward->k, column = item / g->groups * g->nr, group = item % g->groups;
    struct tleg_tile tile = {.k = g->steps,
                             .b = g->x + column * g->steps,
                             .cols = (int32_t)tleg_min64(k - column, g->nr),
                             .out = (float *)lane,
                             .out_stride = g->nr};
    int64_t end = (group + 1) * g->blocks / g->groups;
    for (int64_t block = group * g->blocks / g->groups; block < end; block++) {
        int64_t first = tleg_block_start(backward->n, g->mr, block);
        int64_t place = first * k + column; /* of the tile in dW */
        tile.rows = (int32_t)(tleg_block_start(backward->n, g->mr, block + 1) - first);
        tile.a = g->dy + first * g->steps;
        tile.a_step = tile.rows;
        tile.a_row = 1;
        for (int32_t j = 0; j < backward->weight.count; j++)
            tleg_prefetch_rows(backward->weight.tensor[j] + place, tile.rows, tile.cols, k);
        if (g->narrow)
            g->narrow->tile(&tile);
        else
            kernels->tile(&tile);
        tleg_gradient_add(kernels, tile.rows, tile.cols, tile.out, g->nr, &backward->weight, place, k);
    }
}

static void chunk_backward(struct gradients *g) {
    const struct tleg_exec *exec = g->exec;
    int64_t n = g->backward->n, pieces = tleg_ceil_div(g->rows, g->piece);
    tleg_for_each(exec, pieces, pack_piece, g);
    if (g->backward->bias.count > 0) {
        float *all = g->sums + pieces * n;
        exec->kernels->sum_rows(pieces, n, g->sums, n, all);
        tleg_gradient_add(exec->kernels, 1, n, all, n, &g->backward->bias, 0, n);
    }
    if (g->backward->weight.count > 0)
        tleg_for_each(exec, g->panels * g->groups, multiply_panel, g);
}

void tleg_weight_backward(const struct tleg_exec *exec, const struct tleg_weight_backward *backward) {
    enum { TASKS_PER_LANE = 4 };
    int64_t x, sums, m = backward->m, wanted = exec->lanes > 1 ? (int64_t)exec->lanes * TASKS_PER_LANE : 1;
    struct gradients g = gradients_of(exec->kernels, backward->rounded);
    layout(&g, m, backward->n, backward->k, &x, &sums);
    g.exec = exec;
    g.backward = backward;
    g.blocks = tleg_ceil_div(backward->n, g.mr);
    g.panels = tleg_ceil_div(backward->k, g.nr);
    g.dy = (float *)exec->shared;
    g.x = (float *)exec->shared + x;
    g.sums = (float *)exec->shared + sums;
    g.groups = tleg_min64(tleg_ceil_div(wanted, g.panels), g.blocks);
    for (g.first = 0; g.first < m; g.first += CHUNK) {
        g.rows = tleg_min64(m - g.first, CHUNK);
        g.steps = steps_of(&g, g.rows);
        chunk_backward(&g);
    }
}

struct tleg_scratch tleg_weight_backward_scratch(const struct tleg_kernels *kernels, int32_t rounded, int64_t m, int64_t n,
                                                 int64_t k) {
    int64_t x, sums;
    struct gradients g = gradients_of(kernels, rounded);
    /* A lane holds a piece's rows, later a tile's sums. */
    struct tleg_scratch scratch = {.shared = layout(&g, m, n, k, &x, &sums), .lane = tleg_floats_size(g.piece, k)};
    tleg_scratch_join(&scratch, (struct tleg_scratch){.lane = tleg_floats_size(g.mr, g.nr)});
    return scratch;
}

void tleg_portable_accumulate(int64_t rows, int64_t cols, const float *t, int64_t t_stride, float c, float *to,
                              int64_t stride) {
    for (int64_t r = 0; r < rows; r++, t += t_stride, to += stride)
        for (int64_t j = 0; j < cols; j++)
            to[j] += c * t[j];
}

/* ---- input ---- */

void tleg_input_backward(const struct tleg_exec *exec, const struct tleg_input_backward *backward) {
    const struct tleg_kernels *kernels = exec->kernels;
    int64_t n = backward->n, k = backward->k;
    float *packed = (float *)exec->shared;
    struct tleg_exec rest = *exec;
    rest.shared += tleg_size_align(kernels->packed_count(kernels, TLEG_F32, k, n) * sizeof *packed);
    kernels->pack_transposed(exec, TLEG_F32, n, k, backward->w, packed);
    struct tleg_weight weight = {.n = k, .k = n, .basis = tleg_basis_one(packed), .stored = TLEG_F32, .rounded = TLEG_F32};
    tleg_gemm(&rest,
              &(struct tleg_gemm){.m = backward->m,
                                  .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(backward->dy, n)},
                                  .weight = &weight,
                                  .epilogue = {.activation = backward->hidden ? backward->activation : TLEG_ACTIVATION_NONE,
                                               .hidden = backward->hidden,
                                               .hidden_stride = k},
                                  .out = tleg_target_f32(backward->dx, k)});
}

struct tleg_scratch tleg_input_backward_scratch(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k) {
    struct tleg_scratch scratch = tleg_gemm_scratch(kernels, TLEG_F32, m, k, n);
    size_t bytes;
    if (!tleg_size_mul(kernels->packed_count(kernels, TLEG_F32, k, n), sizeof(float), &bytes))
        bytes = SIZE_MAX;
    size_join(&scratch.shared, tleg_size_align(bytes));
    return scratch;
}
