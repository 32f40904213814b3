/* The product by a BLAS, behind the same seam. The layout is W itself, row-major, so that any run of rows can be formed.
 *
 * Debian's serial OpenBLAS gives wrong results in silence when two threads call it at once, its threaded build crashes with
 * many callers: so every call takes one lock of the whole process. Its number of threads is the host's business. */
#include "core/os.h"
#include "kernels/table.h"

#include <string.h>

enum {
    COLUMNS = 256,      /* of the output at once: what bounds the scratch for formed weights and for sums */
    ROWS = 16,          /* of a task */
    MOST_ROWS = 1 << 30 /* of a call */
};

static struct tleg_os_lock blas_lock = TLEG_OS_LOCK;

struct product {
    const struct tleg_exec *exec;
    const struct tleg_gemm *gemm;
    float *rows, *formed, *sums; /* (m, k), (cols, k), (m, cols) */
    int64_t column, cols;        /* in work */
};

static int64_t columns_of(int64_t n) {
    return tleg_min64(n, COLUMNS);
}

size_t tleg_blas_count(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k) {
    (void)kernels;
    (void)rounded;
    size_t count;
    return k <= INT32_MAX && tleg_size_mul((size_t)n, (size_t)k, &count) ? count : SIZE_MAX; /* a BLAS may count in 32 bits */
}

void tleg_blas_pack(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *w, float *packed) {
    (void)kernels;
    (void)rounded;
    memcpy(packed, w, (size_t)(n * k) * sizeof *w);
}

void tleg_blas_unpack(const struct tleg_kernels *kernels, int32_t rounded, int64_t n, int64_t k, const float *packed,
                      float *w) {
    (void)kernels;
    (void)rounded;
    memcpy(w, packed, (size_t)(n * k) * sizeof *w);
}

struct transposing {
    const struct tleg_exec *exec;
    int64_t n, k;
    const float *w;
    float *packed;
};

static void transpose_columns(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct transposing *t = arg;
    int64_t column = item * ROWS, left = t->k - column;
    t->exec->kernels->transpose(t->n, tleg_min64(left, ROWS), t->w + column, t->k, 1.0F, t->packed + column * t->n, t->n);
}

void tleg_blas_pack_transposed(const struct tleg_exec *exec, int32_t rounded, int64_t n, int64_t k, const float *w,
                               void *packed) {
    (void)rounded;
    struct transposing transposing = {exec, n, k, w, packed};
    tleg_for_each(exec, tleg_ceil_div(k, ROWS), transpose_columns, &transposing);
}

/* The shared scratch, in floats. */
static struct tleg_scratch layout(int64_t m, int64_t n, int64_t k, size_t *formed, size_t *sums) {
    struct tleg_scratch scratch = {.shared = tleg_floats_size(m, k)};
    *formed = scratch.shared / sizeof(float);
    if (!tleg_size_add(scratch.shared, tleg_floats_size(columns_of(n), k), &scratch.shared))
        scratch.shared = SIZE_MAX;
    *sums = scratch.shared / sizeof(float);
    if (!tleg_size_add(scratch.shared, tleg_floats_size(m, columns_of(n)), &scratch.shared))
        scratch.shared = SIZE_MAX;
    return scratch;
}

struct tleg_scratch tleg_blas_scratch(const struct tleg_kernels *kernels, int32_t rounded, int64_t m, int64_t n, int64_t k) {
    (void)kernels;
    (void)rounded;
    size_t formed, sums;
    return layout(m, n, k, &formed, &sums);
}

static int64_t rows_of(int64_t item, int64_t rows) {
    return tleg_min64(rows - item * ROWS, ROWS);
}

static void make_rows(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct product *product = arg;
    const struct tleg_gemm *gemm = product->gemm;
    int64_t k = gemm->weight->k, stride;
    tleg_rows_get(product->exec->kernels, &gemm->rows, item * ROWS, rows_of(item, gemm->m), k, product->rows + item * ROWS * k,
                  &stride);
}

static void form_rows(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct product *product = arg;
    const struct tleg_weight *weight = product->gemm->weight;
    size_t first = (size_t)((product->column + item * ROWS) * weight->k);
    tleg_form(product->exec->kernels, weight, first, (size_t)(rows_of(item, product->cols) * weight->k),
              product->formed + item * ROWS * weight->k);
}

static void scale_row(const struct product *product, int64_t r, float *sum) {
    const struct tleg_epilogue *epilogue = &product->gemm->epilogue;
    int64_t image;
    tleg_image_end(&product->gemm->rows, epilogue->column_scale_stride, r, r + 1, &image);
    const float *factors = epilogue->column_scale + image * epilogue->column_scale_stride + product->column;
    for (int64_t j = 0; j < product->cols; j++)
        sum[j] *= factors[j];
}

static void finish_rows(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct product *product = arg;
    const struct tleg_epilogue *epilogue = &product->gemm->epilogue;
    int64_t end = item * ROWS + rows_of(item, product->gemm->m), cols = product->cols;
    for (int64_t r = item * ROWS; r < end; r++) {
        float *sum = product->sums + r * cols;
        float *out = (float *)product->gemm->out.data + r * product->gemm->out.stride + product->column;
        if (epilogue->bias)
            for (int64_t j = 0; j < cols; j++)
                sum[j] += epilogue->bias[product->column + j];
        if (!epilogue->hidden)
            tleg_activate(product->exec->kernels, epilogue->activation, (size_t)cols, sum, sum);
        if (epilogue->column_scale)
            scale_row(product, r, sum);
        if (epilogue->residual) {
            const float *residual = epilogue->residual + r * epilogue->residual_stride + product->column;
            for (int64_t j = 0; j < cols; j++)
                sum[j] += residual[j];
        }
        if (epilogue->hidden)
            tleg_activate_backward(product->exec->kernels, epilogue->activation, (size_t)cols,
                                   epilogue->hidden + r * epilogue->hidden_stride + product->column, sum, sum);
        memcpy(out, sum, (size_t)cols * sizeof *out);
    }
}

/* c (m, n) = a (m, k), rows `stride` apart, times the transpose of b (n, k). */
static void call(const struct tleg_blas *blas, int64_t m, int64_t n, int64_t k, const float *a, int64_t stride, const float *b,
                 float *c) {
    enum { ROW_MAJOR = 101, AS_IT_IS = 111, TRANSPOSED = 112 }; /* CBLAS's */
    tleg_os_lock_take(&blas_lock);
    if (blas->sgemm64)
        blas->sgemm64(ROW_MAJOR, AS_IT_IS, TRANSPOSED, m, n, k, 1, a, stride, b, k, 0, c, n);
    else
        blas->sgemm(ROW_MAJOR, AS_IT_IS, TRANSPOSED, (int32_t)m, (int32_t)n, (int32_t)k, 1, a, (int32_t)stride, b, (int32_t)k,
                    0, c, (int32_t)n);
    tleg_os_lock_leave(&blas_lock);
}

static void multiply_columns(const struct product *product, const float *rows, int64_t stride, const float *b) {
    const int64_t m = product->gemm->m, k = product->gemm->weight->k;
    for (int64_t row = 0; row < m; row += MOST_ROWS)
        call(&product->exec->blas, tleg_min64(m - row, MOST_ROWS), product->cols, k, rows + row * stride, stride, b,
             product->sums + row * product->cols);
}

void tleg_blas_multiply(const struct tleg_exec *exec, const struct tleg_gemm *gemm) {
    const struct tleg_weight *weight = gemm->weight;
    int64_t m = gemm->m, n = weight->n, k = weight->k, stride = k;
    size_t formed, sums;
    layout(m, n, k, &formed, &sums);
    float *shared = (float *)exec->shared;
    struct product product = {.exec = exec, .gemm = gemm, .rows = shared, .formed = shared + formed, .sums = shared + sums};
    const float *rows = shared;
    if (gemm->rows.kind == TLEG_ROWS_PLAIN)
        rows = tleg_rows_get(exec->kernels, &gemm->rows, 0, m, k, NULL, &stride);
    else
        tleg_for_each(exec, tleg_ceil_div(m, ROWS), make_rows, &product);
    bool in_place = weight->stored == TLEG_F32 && weight->rounded == TLEG_F32 && weight->basis.count == 1;
    for (product.column = 0; product.column < n; product.column += COLUMNS) {
        product.cols = columns_of(n - product.column);
        const float *b = product.formed;
        if (in_place)
            b = (const float *)weight->basis.tensor[0] + product.column * k;
        else
            tleg_for_each(exec, tleg_ceil_div(product.cols, ROWS), form_rows, &product);
        multiply_columns(&product, rows, stride, b);
        tleg_for_each(exec, tleg_ceil_div(m, ROWS), finish_rows, &product);
    }
}
