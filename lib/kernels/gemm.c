/* The product of rows and a packed weight, on register tiles.
 * First all rows are packed, [block of rows][k][rows of the block], once per call. Then each task takes one panel of the
 * weight, forms it if need be, and runs it against a group of row blocks. Neither the blocks nor who runs them can change a
 * bit: an output is one chain of sums over k. */
#include "kernels/table.h"

struct product {
    const struct tleg_exec *exec;
    const struct tleg_gemm *gemm;
    int64_t blocks, panels, groups; /* of rows, of columns, of blocks */
    float *packed;                  /* the rows: block b starts at its first row * k */
};

static void pack_block(void *arg, int64_t block, char *lane) {
    const struct product *product = arg;
    const struct tleg_kernels *kernels = product->exec->kernels;
    const struct tleg_gemm *gemm = product->gemm;
    int64_t k = gemm->weight->k, stride;
    int64_t first = tleg_block_start(gemm->m, kernels->mr, block);
    int64_t count = tleg_block_start(gemm->m, kernels->mr, block + 1) - first;
    const float *rows = tleg_rows_get(kernels, &gemm->rows, first, count, k, (float *)lane, &stride);
    kernels->transpose(count, k, rows, stride, 1.0F, product->packed + first * k, count);
}

static void multiply_block(const struct product *product, int64_t block, struct tleg_tile *tile, int64_t column) {
    const struct tleg_gemm *gemm = product->gemm;
    int64_t mr = product->exec->kernels->mr;
    int64_t first = tleg_block_start(gemm->m, mr, block);
    tile->rows = (int32_t)(tleg_block_start(gemm->m, mr, block + 1) - first);
    tile->a = product->packed + first * tile->k;
    tile->a_step = tile->rows;
    tile->out = gemm->out + first * gemm->out_stride + column;
    if (gemm->epilogue.residual)
        tile->residual = gemm->epilogue.residual + first * gemm->epilogue.residual_stride + column;
    product->exec->kernels->tile(tile);
}

static void multiply_panel(void *arg, int64_t item, char *lane) {
    const struct product *product = arg;
    const struct tleg_kernels *kernels = product->exec->kernels;
    const struct tleg_gemm *gemm = product->gemm;
    const struct tleg_weight *weight = gemm->weight;
    int64_t panel = item / product->groups, group = item % product->groups;
    int64_t column = panel * kernels->nr;
    int64_t left = weight->n - column;
    size_t size = (size_t)(kernels->nr * weight->k);
    struct tleg_tile tile = {
        .k = weight->k,
        .b = tleg_form(kernels, weight, (size_t)panel * size, size, (float *)lane),
        .cols = left < kernels->nr ? (int32_t)left : kernels->nr,
        .out_stride = gemm->out_stride,
        .bias = gemm->epilogue.bias ? gemm->epilogue.bias + column : NULL,
        .residual_stride = gemm->epilogue.residual_stride,
        .gelu = gemm->epilogue.gelu,
    };
    int64_t end = (group + 1) * product->blocks / product->groups;
    for (int64_t block = group * product->blocks / product->groups; block < end; block++)
        multiply_block(product, block, &tile, column);
}

/* Few panels for the lanes: rows are split too, so that every lane has work. A formed panel is then formed once a group. */
static int64_t groups_of(int64_t lanes, int64_t panels, int64_t blocks) {
    enum { TASKS_PER_LANE = 4 };
    if (lanes <= 1 || panels >= lanes * TASKS_PER_LANE)
        return 1;
    int64_t groups = (lanes * TASKS_PER_LANE + panels - 1) / panels;
    return groups < blocks ? groups : blocks;
}

void tleg_panels_multiply(const struct tleg_exec *exec, const struct tleg_gemm *gemm) {
    int64_t mr = exec->kernels->mr, nr = exec->kernels->nr;
    struct product product = {
        .exec = exec,
        .gemm = gemm,
        .blocks = (gemm->m + mr - 1) / mr,
        .panels = (gemm->weight->n + nr - 1) / nr,
        .packed = (float *)exec->shared,
    };
    product.groups = groups_of(exec->lanes, product.panels, product.blocks);
    tleg_for_each(exec, product.blocks, pack_block, &product);
    tleg_for_each(exec, product.panels * product.groups, multiply_panel, &product);
}

struct tleg_scratch tleg_panels_scratch(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k) {
    (void)n;
    /* A lane holds a block of rows before it is packed, later a formed panel: nr > mr at every level. */
    return (struct tleg_scratch){.shared = tleg_floats_size(m, k), .lane = tleg_floats_size(kernels->nr, k)};
}

void tleg_gemm(const struct tleg_exec *exec, const struct tleg_gemm *gemm) {
    if (gemm->m > 0 && gemm->weight->n > 0)
        exec->kernels->multiply(exec, gemm);
}

struct tleg_scratch tleg_gemm_scratch(const struct tleg_kernels *kernels, int64_t m, int64_t n, int64_t k) {
    return kernels->multiply_scratch(kernels, m, n, k);
}
