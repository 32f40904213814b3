/* Muon (Jordan et al., 2024, kellerjordan.github.io/posts/muon) as torch.optim.Muon has it, in f32 where PyTorch takes bf16:
 *   b = mu b + (1 - mu) g; u = (1 - mu) g + mu b, or b without Nesterov
 *   o = a matrix like u whose singular values are all near 1, by five steps of a Newton-Schulz iteration
 *   p = (1 - rate * weight_decay) p - rate * 0.2 sqrt(max(rows, columns)) o
 * The factor of o makes a step as long as AdamW's usually are (Liu et al., 2025, arXiv 2502.16982), so that rates and weight
 * decays carry over. Each matrix is taken by itself: each tensor of a basis, and of qkv (3D, D) its three parts.
 * A matrix is held as x (n, m) with n <= m: turned, if it has more rows than columns. */
#include "train/private.h"

#include <math.h>

enum {
    BAND = 16, /* rows of an item of work */
    ITERATIONS = 5
};

/* x' = (A + B x x^T + C (x x^T)^2) x: rises fastest near 0, and stays between 0.7 and 1.2 near 1. */
static const float A = 3.4445F, B = -4.7750F, C = 2.0315F;

/* ---- memory ---- */

/* Calls `see` for the matrices of each site: n, m. */
static void each_shape(const tleg_config *net, void (*see)(void *arg, int64_t n, int64_t m), void *arg) {
    for (int site = 0; site < TLEG_SITES; site++) {
        struct tleg_spec spec;
        if (tleg_site_is_vector(site))
            continue;
        tleg_site_spec(net, site, false, &spec);
        const int64_t rows = spec.shape[0] / tleg_site_matrices(site), columns = spec.shape[1];
        see(arg, rows < columns ? rows : columns, rows < columns ? columns : rows);
    }
}

struct most { /* floats of the largest of each */
    const struct tleg_kernels *kernels;
    size_t matrix, gram, packed, rows;
    struct tleg_scratch scratch;
};

static void raise(size_t *most, size_t size) {
    *most = size > *most ? size : *most;
}

static void see_shape(void *arg, int64_t n, int64_t m) {
    struct most *most = arg;
    raise(&most->matrix, (size_t)n * (size_t)m); /* the source holds such a matrix: no overflow */
    raise(&most->gram, (size_t)n * (size_t)n);
    raise(&most->packed, tleg_packed_count(most->kernels, TLEG_F32, n, m));
    raise(&most->packed, tleg_packed_count(most->kernels, TLEG_F32, n, n));
    raise(&most->packed, tleg_packed_count(most->kernels, TLEG_F32, m, n));
    raise(&most->rows, (size_t)m);
    tleg_scratch_join(&most->scratch, tleg_gemm_scratch(most->kernels, TLEG_F32, n, n, m));
    tleg_scratch_join(&most->scratch, tleg_gemm_scratch(most->kernels, TLEG_F32, n, n, n));
    tleg_scratch_join(&most->scratch, tleg_gemm_scratch(most->kernels, TLEG_F32, n, m, n));
}

struct tleg_scratch tleg_muon_scratch(const struct tleg_kernels *kernels, const tleg_config *net) {
    struct most most = {.kernels = kernels};
    each_shape(net, see_shape, &most);
    return most.scratch;
}

void tleg_muon_place(const struct tleg_kernels *kernels, const tleg_config *net, struct tleg_muon_layout *layout, size_t *end) {
    struct most most = {.kernels = kernels};
    each_shape(net, see_shape, &most);
    layout->x = tleg_place(end, most.matrix, sizeof(float));
    layout->next = tleg_place(end, most.matrix, sizeof(float));
    layout->gram = tleg_place(end, most.gram, sizeof(float));
    layout->factor = tleg_place(end, most.gram, sizeof(float));
    layout->packed = tleg_place(end, most.packed, sizeof(float));
    layout->sums = tleg_place(end, most.rows, sizeof(double));
}

/* ---- one matrix ---- */

struct matrix {
    const struct tleg_step *step;
    const struct tleg_exec *exec;
    size_t at; /* of its first number, in the trainer's arrays */
    int64_t rows, columns, n, m;
    bool turned; /* x is the transpose */
    float scale; /* of the whole matrix */
    float decay, length;
    float *x, *next, *gram, *factor;
    float *packed;
    double *sums; /* of squares, by row */
};

static int64_t bands(int64_t rows) {
    return (rows + BAND - 1) / BAND;
}

/* Number (r, c) of the parameter's matrix is x[r * row + c * column]. */
static void strides(const struct matrix *u, int64_t *row, int64_t *column) {
    *row = u->turned ? 1 : u->m;
    *column = u->turned ? u->m : 1;
}

/* The momentum goes on, and x becomes u. */
static void take_band(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct matrix *u = arg;
    const tleg_trainer *t = u->step->trainer;
    const float mu = (float)t->options.momentum, rest = 1 - mu, scale = u->step->scale;
    const bool nesterov = t->options.nesterov > 0;
    const int64_t first = item * BAND, end = tleg_min64(first + BAND, u->rows);
    int64_t row, column;
    strides(u, &row, &column);
    for (int64_t r = first; r < end; r++) {
        const float *restrict g = t->gradient + u->at + r * u->columns;
        float *restrict momentum = t->moment1 + u->at + r * u->columns, *restrict x = u->x + r * row;
        double sum = 0;
        for (int64_t c = 0; c < u->columns; c++) {
            const float gradient = scale * g[c];
            momentum[c] = mu * momentum[c] + rest * gradient;
            const float value = nesterov ? rest * gradient + mu * momentum[c] : momentum[c];
            x[c * column] = value;
            sum += (double)value * value;
        }
        u->sums[r] = sum;
    }
}

static void scale_band(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct matrix *u = arg;
    const int64_t end = tleg_min64((item + 1) * BAND, u->n) * u->m;
    for (int64_t i = item * BAND * u->m; i < end; i++)
        u->x[i] *= u->scale;
}

/* x = u / |u|, so that no singular value is above 1. */
static void take(struct matrix *u) {
    double sum = 0;
    tleg_for_each(u->exec, bands(u->rows), take_band, u);
    for (int64_t r = 0; r < u->rows; r++)
        sum += u->sums[r];
    const double norm = sqrt(sum);
    u->scale = (float)(1 / (norm > 1e-7 ? norm : 1e-7));
    tleg_for_each(u->exec, bands(u->n), scale_band, u);
}

static void pack_rows(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct matrix *u = arg;
    const struct tleg_kernels *kernels = u->exec->kernels;
    const int64_t unit = tleg_pack_unit(kernels, TLEG_F32), first = item * unit;
    tleg_pack(kernels, TLEG_F32, tleg_min64(unit, u->n - first), u->m, u->x + first * u->m,
              u->packed + tleg_packed_count(kernels, TLEG_F32, first, u->m));
}

/* out (n, columns) = in (n, k) times the transpose of what is packed (columns, k) */
static void multiply(const struct matrix *u, const float *in, int64_t columns, int64_t k, float *out) {
    const struct tleg_weight weight = {
        .n = columns, .k = k, .basis = tleg_basis_one(u->packed), .stored = TLEG_F32, .rounded = TLEG_F32};
    tleg_gemm(u->exec, &(struct tleg_gemm){.m = u->n,
                                           .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(in, k)},
                                           .weight = &weight,
                                           .out = tleg_target_f32(out, columns)});
}

/* factor = A + B gram + C factor, where factor was gram^2 */
static void combine_band(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct matrix *u = arg;
    const int64_t end = tleg_min64((item + 1) * BAND, u->n);
    for (int64_t r = item * BAND; r < end; r++) {
        const float *restrict gram = u->gram + r * u->n;
        float *restrict factor = u->factor + r * u->n;
        for (int64_t c = 0; c < u->n; c++)
            factor[c] = B * gram[c] + C * factor[c];
        factor[r] += A;
    }
}

static void iterate(struct matrix *u) {
    const int64_t n = u->n, m = u->m, unit = tleg_pack_unit(u->exec->kernels, TLEG_F32);
    float *former = u->x;
    tleg_for_each(u->exec, (n + unit - 1) / unit, pack_rows, u);
    multiply(u, u->x, n, m, u->gram);
    tleg_pack_transposed(u->exec, TLEG_F32, n, n, u->gram, u->packed); /* it is its own transpose */
    multiply(u, u->gram, n, n, u->factor);
    tleg_for_each(u->exec, bands(n), combine_band, u);
    tleg_pack_transposed(u->exec, TLEG_F32, n, m, u->x, u->packed);
    multiply(u, u->factor, m, n, u->next);
    u->x = u->next;
    u->next = former;
}

static void spend_band(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct matrix *u = arg;
    const tleg_trainer *t = u->step->trainer;
    const int64_t first = item * BAND, end = tleg_min64(first + BAND, u->rows);
    const float decay = u->decay, length = u->length;
    int64_t row, column;
    strides(u, &row, &column);
    for (int64_t r = first; r < end; r++) {
        const float *restrict x = u->x + r * row;
        float *restrict p = t->values + u->at + r * u->columns;
        for (int64_t c = 0; c < u->columns; c++)
            p[c] = decay * p[c] - length * x[c * column];
    }
    tleg_train_average(t, u->at + (size_t)(first * u->columns), (size_t)((end - first) * u->columns));
}

/* ---- the parameter ---- */

void tleg_muon(const struct tleg_step *step, const struct tleg_param *param) {
    const tleg_trainer *t = step->trainer;
    const struct tleg_muon_layout *layout = &t->layout.muon;
    const int64_t rows = param->shape[0] / param->matrices, columns = param->shape[1];
    const bool turned = rows > columns;
    struct matrix u = {.step = step,
                       .exec = &t->exec,
                       .rows = rows,
                       .columns = columns,
                       .n = turned ? columns : rows,
                       .m = turned ? rows : columns,
                       .turned = turned,
                       .decay = tleg_step_decay(step, param),
                       .x = tleg_trainer_at(t, layout->x),
                       .next = tleg_trainer_at(t, layout->next),
                       .gram = tleg_trainer_at(t, layout->gram),
                       .factor = tleg_trainer_at(t, layout->factor),
                       .packed = tleg_trainer_at(t, layout->packed),
                       .sums = (double *)(void *)tleg_trainer_at(t, layout->sums)};
    u.length = (float)(tleg_step_rate(step, param) * 0.2 * sqrt((double)u.m));
    for (int32_t i = 0; i < param->matrices; i++) {
        u.at = param->at + (size_t)(i * rows * columns);
        take(&u);
        for (int k = 0; k < ITERATIONS; k++)
            iterate(&u);
        tleg_for_each(u.exec, bands(rows), spend_band, &u);
    }
}
