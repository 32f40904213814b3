/* The product of rows and a packed weight, on register tiles: of floats, or of a narrow type. A step of a tile is one float or
 * some narrow elements: four bytes of a row, and of a column, either way.
 * Rows are taken in spans that stay in the cache. A span is packed, floats as [block of rows][steps][rows of the block], narrow
 * ones as [row][steps]; rows that are narrow already are used where they lie. Then each task takes one panel of the weight,
 * forms it if need be, and runs it against a group of the span's blocks. Neither spans nor blocks nor who runs them can change
 * a bit: an output is one chain of sums over k. */
#include "kernels/table.h"
#include "tensor/tensor.h"
#include <string.h>

enum { SPAN_BYTES = 4 << 20 }; /* of packed rows; with fewer, weights would be formed more often */

struct product {
    const struct tleg_exec *exec;
    const struct tleg_gemm *gemm;
    const struct tleg_narrow *narrow; /* NULL: floats */
    int64_t mr, nr, steps;
    int64_t span, rows;             /* the span's first row, and how many */
    int64_t blocks, panels, groups; /* of rows, of columns, of blocks */
    float *packed;                  /* the span: a block starts at its first row * steps */
};

static struct product product_of(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k) {
    const struct tleg_narrow *narrow = tleg_narrow_of(kernels, rounded);
    int64_t nr = narrow ? narrow->nr : kernels->nr;
    return (struct product){.narrow = narrow,
                            .mr = narrow ? narrow->mr : kernels->mr,
                            .nr = nr,
                            .steps = narrow ? tleg_narrow_steps(narrow, k) : k,
                            .panels = tleg_ceil_div(n, nr)};
}

/* Rows of a span: all of them, or a whole number of blocks. */
static int64_t span_rows(const struct product *product, int64_t m) {
    int64_t mr = product->mr, most = SPAN_BYTES / (int64_t)sizeof(float) / product->steps / mr * mr;
    most = most > mr ? most : mr;
    return tleg_min64(m, most);
}

/* Rows [first, *end) of a span's block, counted from the span's start. */
static int64_t block_rows(const struct product *product, int64_t block, int64_t *end) {
    *end = tleg_block_start(product->rows, product->mr, block + 1);
    return tleg_block_start(product->rows, product->mr, block);
}

static void pack_block(void *arg, int64_t block, char *lane) {
    const struct product *product = arg;
    const struct tleg_kernels *kernels = product->exec->kernels;
    const struct tleg_gemm *gemm = product->gemm;
    int64_t k = gemm->weight->k, stride, end;
    int64_t first = block_rows(product, block, &end);
    const float *rows = tleg_rows_get(kernels, &gemm->rows, product->span + first, end - first, k, (float *)lane, &stride);
    float *packed = product->packed + first * product->steps;
    if (product->narrow)
        product->narrow->pack(end - first, k, rows, stride, product->steps, packed);
    else
        kernels->transpose(end - first, k, rows, stride, 1.0F, packed, end - first);
}

/* Rows [first, end) of the span as the left side of a tile; the block that they are of starts at `start`. */
static void take_rows(const struct product *product, int64_t start, int64_t first, int64_t end, struct tleg_tile *tile) {
    const struct tleg_view *x = &product->gemm->rows.x;
    const struct tleg_narrow *narrow = product->narrow;
    tile->rows = (int32_t)(end - first);
    if (!narrow) {
        tile->a = product->packed + start * tile->k + (first - start);
    } else if (x->dtype == narrow->dtype) {
        tile->a_row = x->stride / narrow->per_step;
        tile->a = (const float *)x->data + (product->span + first) * tile->a_row;
    } else {
        tile->a_row = product->steps;
        tile->a = product->packed + first * product->steps;
    }
}

/* A tile whose output is narrow; after the last column come zeros. */
static void multiply_to_narrow(const struct product *product, struct tleg_tile *tile, int64_t first, int64_t column) {
    const struct tleg_gemm *gemm = product->gemm;
    const size_t size = tleg_dtype_size(gemm->out.dtype);
    const int64_t n = gemm->weight->n, padding = tleg_narrow_stride(product->exec->kernels, gemm->out.dtype, n) - n;
    char *out = (char *)gemm->out.data + (size_t)(first * gemm->out.stride + column) * size;
    tile->narrow_out = true;
    tile->out = (float *)(void *)out;
    product->narrow->tile(tile);
    if (column + tile->cols < n || padding == 0)
        return;
    for (int32_t r = 0; r < tile->rows; r++)
        memset(out + (size_t)(r * gemm->out.stride + tile->cols) * size, 0, (size_t)padding * size);
}

/* A tile whose left side is there: row `first` of the product on. */
static void multiply_rows(const struct product *product, int64_t first, struct tleg_tile *tile, int64_t column) {
    const struct tleg_gemm *gemm = product->gemm;
    const struct tleg_epilogue *epilogue = &gemm->epilogue;
    if (gemm->out.dtype != TLEG_F32) {
        multiply_to_narrow(product, tile, first, column);
        return;
    }
    tile->out = (float *)gemm->out.data + first * gemm->out.stride + column;
    if (epilogue->residual)
        tile->residual = epilogue->residual + first * epilogue->residual_stride + column;
    if (epilogue->hidden && tile->activation != TLEG_ACTIVATION_NONE) {
        tile->hidden = epilogue->hidden + first * epilogue->hidden_stride + column;
        tleg_prefetch_rows(tile->hidden, tile->rows, tile->cols, tile->hidden_stride);
    }
    if (product->narrow)
        product->narrow->tile(tile);
    else
        product->exec->kernels->tile(tile);
}

/* One tile, or one for each image that has rows in the block where images differ in their factors. */
static void multiply_block(const struct product *product, int64_t block, struct tleg_tile *tile, int64_t column) {
    const struct tleg_gemm *gemm = product->gemm;
    const struct tleg_epilogue *epilogue = &gemm->epilogue;
    int64_t end, image, next, start = block_rows(product, block, &end);
    tile->a_step = product->narrow ? 1 : end - start;
    for (int64_t first = start; first < end; first = next) {
        next = tleg_image_end(&gemm->rows, epilogue->column_scale_stride, product->span + first, product->span + end, &image);
        next -= product->span;
        if (epilogue->column_scale)
            tile->column_scale = epilogue->column_scale + image * epilogue->column_scale_stride + column;
        take_rows(product, start, first, next, tile);
        multiply_rows(product, product->span + first, tile, column);
    }
}

static int64_t panel_elements(const struct product *product) {
    return product->nr * product->steps * (product->narrow ? product->narrow->per_step : 1);
}

/* The lines that one block's tile prefetches of the panel that this lane takes next:
 *     tensor[0] of the panel            tensor[1]                       ...
 *     | piece 0 | piece 1 | ... | n-1 | piece n | ...          | 2n-1 | ...
 * a piece being as many lines as the tile has steps. NULL when all is prefetched, or there is no next panel. */
static const char *next_prefetch(const struct product *product, int64_t panel, int64_t piece) {
    const struct tleg_weight *weight = product->gemm->weight;
    int64_t next = panel + (product->groups == 1 ? product->exec->lanes : 1);
    if (next >= product->panels)
        return NULL;
    int64_t bytes = panel_elements(product) * (int64_t)tleg_dtype_size(weight->stored), step = product->steps * TLEG_ALIGN;
    int64_t pieces = tleg_ceil_div(bytes, step), tensor = piece / pieces;
    if (tensor >= weight->basis.count)
        return NULL;
    return (const char *)weight->basis.tensor[tensor] + next * bytes + piece % pieces * step;
}

static void multiply_panel(void *arg, int64_t item, char *lane) {
    const struct product *product = arg;
    const struct tleg_kernels *kernels = product->exec->kernels;
    const struct tleg_gemm *gemm = product->gemm;
    const struct tleg_weight *weight = gemm->weight;
    int64_t panel = item / product->groups, group = item % product->groups;
    int64_t column = panel * product->nr;
    int64_t left = weight->n - column;
    size_t size = (size_t)panel_elements(product), place = (size_t)panel * size;
    struct tleg_tile tile = {
        .k = product->steps,
        .b = product->narrow ? tleg_form_narrow(kernels, weight, place, size, lane)
                             : tleg_form(kernels, weight, place, size, (float *)lane),
        .cols = (int32_t)tleg_min64(left, product->nr),
        .out_stride = gemm->out.stride,
        .bias = gemm->epilogue.bias ? gemm->epilogue.bias + column : NULL,
        .residual_stride = gemm->epilogue.residual_stride,
        .activation = gemm->epilogue.activation,
        .hidden_stride = gemm->epilogue.hidden_stride,
    };
    int64_t end = (group + 1) * product->blocks / product->groups;
    int64_t first = group * product->blocks / product->groups;
    for (int64_t block = first; block < end; block++) {
        tile.prefetch = next_prefetch(product, panel, block - first);
        multiply_block(product, block, &tile, column);
    }
}

/* Few panels for the lanes: rows are split too, so that every lane has work. A formed panel is then formed once a group. */
static int64_t groups_of(int64_t lanes, int64_t panels, int64_t blocks) {
    enum { TASKS_PER_LANE = 4 };
    if (lanes <= 1 || panels >= lanes * TASKS_PER_LANE)
        return 1;
    int64_t groups = tleg_ceil_div(lanes * TASKS_PER_LANE, panels);
    return tleg_min64(groups, blocks);
}

static void multiply_span(struct product *product) {
    const struct tleg_exec *exec = product->exec;
    product->blocks = tleg_ceil_div(product->rows, product->mr);
    product->groups = groups_of(exec->lanes, product->panels, product->blocks);
    if (!product->narrow || product->gemm->rows.x.dtype != product->narrow->dtype) /* narrow rows are used where they lie */
        tleg_for_each(exec, product->blocks, pack_block, product);
    tleg_for_each(exec, product->panels * product->groups, multiply_panel, product);
}

void tleg_panels_multiply(const struct tleg_exec *exec, const struct tleg_gemm *gemm) {
    const struct tleg_weight *weight = gemm->weight;
    struct product product = product_of(exec->kernels, weight->rounded, weight->n, weight->k);
    product.exec = exec;
    product.gemm = gemm;
    product.packed = (float *)exec->shared;
    int64_t most = span_rows(&product, gemm->m);
    int64_t spans = tleg_ceil_div(gemm->m, most);
    for (int64_t span = 0; span < spans; span++) {
        product.span = tleg_block_start(gemm->m, most, span);
        product.rows = tleg_block_start(gemm->m, most, span + 1) - product.span;
        multiply_span(&product);
    }
}

struct tleg_scratch tleg_panels_scratch(const struct tleg_kernels *kernels, int32_t rounded, int64_t m, int64_t n, int64_t k) {
    struct product product = product_of(kernels, rounded, n, k);
    /* A lane holds a block of rows before it is packed, later a formed panel. */
    size_t rows = tleg_floats_size(product.mr, k), panel = tleg_floats_size(product.nr, product.steps);
    return (struct tleg_scratch){.shared = tleg_floats_size(span_rows(&product, m), product.steps),
                                 .lane = rows > panel ? rows : panel};
}

bool tleg_multiplies_narrow(const struct tleg_kernels *kernels, int32_t rounded) {
    return tleg_narrow_of(kernels, rounded) != NULL;
}

int64_t tleg_narrow_stride(const struct tleg_kernels *kernels, int32_t rounded, int64_t n) {
    const struct tleg_narrow *narrow = tleg_narrow_of(kernels, rounded);
    return tleg_narrow_steps(narrow, n) * narrow->per_step;
}

void tleg_gemm(const struct tleg_exec *exec, const struct tleg_gemm *gemm) {
    if (gemm->m > 0 && gemm->weight->n > 0)
        exec->kernels->multiply(exec, gemm);
}

struct tleg_scratch tleg_gemm_scratch(const struct tleg_kernels *kernels, int32_t rounded, int64_t m, int64_t n, int64_t k) {
    return kernels->multiply_scratch(kernels, rounded, m, n, k);
}
