/* LayerNorm over rows of dim: y = (x - mean) / sqrt(var + eps) * weight + bias, var the mean of (x - mean)^2.
 * Backward, with z = (x - mean) / sqrt(var + eps) and g = dy * weight: dx = (g - mean(g) - z * mean(g * z)) / sqrt(var + eps);
 * dweight sums dy * z over the rows, dbias sums dy. */
#include "kernels/table.h"
#include <math.h>
#include <string.h>

enum { PARTS = 16 }; /* sums side by side: faster, and more accurate than one long sum */

static float sum_parts(const float part[PARTS]) {
    float half[PARTS / 2];
    for (int j = 0; j < PARTS / 2; j++)
        half[j] = part[j] + part[j + PARTS / 2];
    return ((half[0] + half[4]) + (half[2] + half[6])) + ((half[1] + half[5]) + (half[3] + half[7]));
}

/* sum of (x - centre)^power, power 1 or 2. */
static float sum_of(int64_t dim, const float *x, float centre, bool squared) {
    float part[PARTS] = {0};
    int64_t i = 0;
    if (squared)
        for (; i + PARTS <= dim; i += PARTS)
            for (int j = 0; j < PARTS; j++)
                part[j] += (x[i + j] - centre) * (x[i + j] - centre);
    else
        for (; i + PARTS <= dim; i += PARTS)
            for (int j = 0; j < PARTS; j++)
                part[j] += x[i + j];
    for (int j = 0; i < dim; i++, j++)
        part[j] += squared ? (x[i] - centre) * (x[i] - centre) : x[i];
    return sum_parts(part);
}

void tleg_portable_layernorm(int64_t rows, int64_t dim, const float *x, int64_t stride, const float *weight, const float *bias,
                             float eps, float *y) {
    for (int64_t r = 0; r < rows; r++, x += stride, y += dim) {
        float mean = sum_of(dim, x, 0, false) / (float)dim;
        float var = sum_of(dim, x, mean, true) / (float)dim;
        float scale = 1.0F / sqrtf(var + eps);
        for (int64_t i = 0; i < dim; i++)
            y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
    }
}

void tleg_standardise(int64_t rows, int64_t dim, float eps, float *x) {
    for (int64_t r = 0; r < rows; r++, x += dim) {
        const float mean = sum_of(dim, x, 0, false) / (float)dim;
        const float scale = 1.0F / sqrtf(sum_of(dim, x, mean, true) / (float)dim + eps);
        for (int64_t i = 0; i < dim; i++)
            x[i] = (x[i] - mean) * scale;
    }
}

void tleg_rmsnorm(int64_t rows, int64_t dim, const float *x, int64_t stride, const float *weight, float eps, float *y) {
    for (int64_t r = 0; r < rows; r++, x += stride, y += dim) {
        const float scale = 1.0F / sqrtf(sum_of(dim, x, 0, true) / (float)dim + eps);
        for (int64_t i = 0; i < dim; i++)
            y[i] = x[i] * scale * weight[i];
    }
}

void tleg_layernorm(const struct tleg_kernels *kernels, int64_t rows, int64_t dim, const float *x, const float *weight,
                    const float *bias, float eps, float *y) {
    tleg_norm_rows(kernels, rows, dim, x, dim, weight, bias, eps, y);
}

/* ---- a branch that is normed after it ---- */

enum { ADDED = 16 }; /* rows of a task */

struct adding {
    const struct tleg_kernels *kernels;
    const struct tleg_add_normed *add;
};

static void add_rows(void *arg, int64_t item, char *lane) {
    const struct adding *adding = arg;
    const struct tleg_add_normed *a = adding->add;
    const int64_t end = tleg_min64(a->rows, (item + 1) * ADDED);
    float *normed = (float *)lane;
    for (int64_t row = item * ADDED; row < end; row++) {
        const float *x = a->x ? a->x + row * a->dim : NULL, scale = a->scale ? a->scale[row / a->image_rows] : 1;
        float *y = a->y + row * a->dim;
        tleg_norm_rows(adding->kernels, 1, a->dim, a->branch + row * a->dim, a->dim, a->weight, a->bias, a->eps, normed);
        for (int64_t i = 0; i < a->dim; i++)
            y[i] = x ? x[i] + scale * normed[i] : scale * normed[i];
    }
}

void tleg_add_normed(const struct tleg_exec *exec, const struct tleg_add_normed *add) {
    tleg_for_each(exec, tleg_ceil_div(add->rows, ADDED), add_rows, &(struct adding){exec->kernels, add});
}

struct tleg_scratch tleg_add_normed_scratch(int64_t dim) {
    return (struct tleg_scratch){.lane = tleg_floats_size(1, dim)};
}

/* ---- parts of rows, in place ---- */

struct norming {
    const struct tleg_kernels *kernels;
    const struct tleg_norm_parts *parts;
};

static void norm_part_rows(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct norming *norming = arg;
    const struct tleg_norm_parts *p = norming->parts;
    const int64_t end = tleg_min64(p->rows, (item + 1) * ADDED);
    for (int64_t row = item * ADDED; row < end; row++) {
        float *x = p->x + row * p->stride;
        if (p->before)
            memcpy(p->before + row * p->dim, x, (size_t)p->dim * sizeof *x);
        tleg_norm_rows(norming->kernels, p->dim / p->width, p->width, x, p->width, p->weight, p->bias, p->eps, x);
    }
}

void tleg_norm_parts(const struct tleg_exec *exec, const struct tleg_norm_parts *parts) {
    tleg_for_each(exec, tleg_ceil_div(parts->rows, ADDED), norm_part_rows, &(struct norming){exec->kernels, parts});
}

/* ---- backward ---- */

/* One row. z is made twice: cheaper than a place to keep it. */
static void row_backward(const struct tleg_layernorm_backward *backward, int64_t row, float *dweight, float *dbias) {
    int64_t dim = backward->dim;
    const float *x = backward->x + row * dim, *dy = backward->dy + row * dim, *weight = backward->weight;
    float *dx = backward->dx + row * dim;
    float mean = sum_of(dim, x, 0, false) / (float)dim;
    float scale = 1.0F / sqrtf(sum_of(dim, x, mean, true) / (float)dim + backward->eps);
    float part_g[PARTS] = {0}, part_gz[PARTS] = {0};
    for (int64_t i = 0; i < dim; i++) {
        float z = (x[i] - mean) * scale, g = dy[i] * weight[i];
        dweight[i] += dy[i] * z;
        dbias[i] += dy[i];
        part_g[i % PARTS] += g;
        part_gz[i % PARTS] += g * z;
    }
    float mean_g = sum_parts(part_g) / (float)dim, mean_gz = sum_parts(part_gz) / (float)dim;
    for (int64_t i = 0; i < dim; i++) {
        float z = (x[i] - mean) * scale, t = (dy[i] * weight[i] - mean_g - z * mean_gz) * scale;
        dx[i] = backward->add ? dx[i] + t : t;
    }
}

/* One row of RMSNorm: with z = x / sqrt(mean(x^2) + eps), dx = (g - z * mean(g * z)) / sqrt(..). */
static void rms_row_backward(const struct tleg_layernorm_backward *backward, int64_t row, float *dweight) {
    const int64_t dim = backward->dim;
    const float *x = backward->x + row * dim, *dy = backward->dy + row * dim, *weight = backward->weight;
    float *dx = backward->dx + row * dim;
    const float scale = 1.0F / sqrtf(sum_of(dim, x, 0, true) / (float)dim + backward->eps);
    float part[PARTS] = {0};
    for (int64_t i = 0; i < dim; i++) {
        const float z = x[i] * scale;
        dweight[i] += dy[i] * z;
        part[i % PARTS] += dy[i] * weight[i] * z;
    }
    const float mean = sum_parts(part) / (float)dim;
    for (int64_t i = 0; i < dim; i++) {
        const float t = (dy[i] * weight[i] - x[i] * scale * mean) * scale;
        dx[i] = backward->add ? dx[i] + t : t;
    }
}

void tleg_portable_layernorm_backward(const struct tleg_layernorm_backward *backward, int64_t first, int64_t rows,
                                      float *sums) {
    for (int64_t r = 0; r < rows; r++)
        row_backward(backward, first + r, sums, sums + backward->dim);
}

/* ---- the driver: chunks of rows, each with sums of its own, which are added up in order ---- */

enum { CHUNK = 64 };

struct chunks {
    const struct tleg_exec *exec;
    const struct tleg_layernorm_backward *backward;
};

static void chunk_backward(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct chunks *chunks = arg;
    const struct tleg_layernorm_backward *backward = chunks->backward;
    int64_t first = item * CHUNK, left = backward->rows - first;
    float *sums = (float *)chunks->exec->shared + item * 2 * backward->dim;
    memset(sums, 0, (size_t)(2 * backward->dim) * sizeof *sums);
    for (int64_t r = 0; r < tleg_min64(left, CHUNK) && backward->rms; r++)
        rms_row_backward(backward, first + r, sums);
    if (!backward->rms)
        chunks->exec->kernels->layernorm_backward(backward, first, tleg_min64(left, CHUNK), sums);
}

/* All rows with the same weights. */
static void rows_backward(const struct tleg_exec *exec, const struct tleg_layernorm_backward *backward) {
    int64_t items = tleg_ceil_div(backward->rows, CHUNK), dim = backward->dim;
    float *sums = (float *)exec->shared, *all = sums + items * 2 * dim;
    if (items == 0)
        return;
    tleg_for_each(exec, items, chunk_backward, &(struct chunks){exec, backward});
    exec->kernels->sum_rows(items, 2 * dim, sums, 2 * dim, all);
    tleg_gradient_add(exec->kernels, 1, dim, all, dim, &backward->dweight, 0, dim);
    tleg_gradient_add(exec->kernels, 1, dim, all + dim, dim, &backward->dbias, 0, dim);
}

void tleg_k_layernorm_backward(const struct tleg_exec *exec, const struct tleg_layernorm_backward *backward) {
    int64_t rows = backward->norm_stride ? backward->image_rows : backward->rows;
    struct tleg_layernorm_backward image = *backward;
    for (int64_t first = 0; first < backward->rows; first += rows) {
        image.rows = tleg_min64(backward->rows - first, rows);
        rows_backward(exec, &image);
        image.x += rows * backward->dim;
        image.dy += rows * backward->dim;
        image.dx += rows * backward->dim;
        image.weight += backward->norm_stride;
        for (int32_t j = 0; j < image.dweight.count; j++)
            image.dweight.tensor[j] += backward->norm_stride;
        for (int32_t j = 0; j < image.dbias.count; j++)
            image.dbias.tensor[j] += backward->norm_stride;
    }
}

struct tleg_scratch tleg_layernorm_backward_scratch(const struct tleg_kernels *kernels, int64_t rows, int64_t dim) {
    (void)kernels;
    /* of each chunk, and of all */
    return (struct tleg_scratch){.shared = tleg_floats_size(tleg_ceil_div(rows, CHUNK) + 1, 2 * dim)};
}
