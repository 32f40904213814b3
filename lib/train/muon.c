/* Muon (Jordan et al., 2024, kellerjordan.github.io/posts/muon) as torch.optim.Muon has it:
 *   b = mu b + (1 - mu) g; u = (1 - mu) g + mu b, or b without Nesterov
 *   o = a matrix like u whose singular values are all near 1, by five steps of a Newton-Schulz iteration
 *   p = (1 - rate * weight_decay) p - rate * 0.2 sqrt(max(rows, columns)) o
 * The factor of o makes a step as long as AdamW's usually are (Liu et al., 2025, arXiv 2502.16982), so that rates and weight
 * decays carry over. Each matrix is taken by itself: each tensor of a basis, and of qkv (3D, D) its three parts. There are many
 * and most are small, so each is the work of one thread, in a memory of the thread's own. The iteration's products round their
 * factors to the type that the blocks' products are made in; sums and all else are f32.
 * A matrix is held as x (n, m) with n <= m: turned, if it has more rows than columns. */
#include "train/private.h"

#include <math.h>

enum { ITERATIONS = 5 };

/* x' = (A + B x x^T + C (x x^T)^2) x: rises fastest near 0, and stays between 0.7 and 1.2 near 1. */
static const float A = 3.4445F, B = -4.7750F, C = 2.0315F;

/* ---- memory ---- */

struct most { /* of the largest matrix: floats, and bytes of what is packed */
    size_t matrix, gram, rounded, packed;
    struct tleg_scratch scratch;
};

static void raise(size_t *most, size_t size) {
    *most = size > *most ? size : *most;
}

/* A weight (n, k) of m rows. */
static void see_product(const struct tleg_kernels *kernels, int32_t dtype, int64_t m, int64_t n, int64_t k, struct most *most) {
    const size_t count = tleg_packed_count(kernels, dtype, n, k);
    raise(&most->packed, count * tleg_dtype_size(dtype)); /* the source holds such a matrix: no overflow */
    raise(&most->rounded, dtype == TLEG_F32 ? 0 : count);
    tleg_scratch_join(&most->scratch, tleg_gemm_scratch(kernels, dtype, m, n, k));
}

static struct most find_most(const struct tleg_kernels *kernels, const tleg_config *net, int32_t dtype) {
    struct most most = {0};
    for (int site = 0; site < TLEG_SITES; site++) {
        int64_t height, columns;
        if (!tleg_site_matrix(net, site, &height, &columns))
            continue;
        const int64_t rows = height / tleg_site_matrices(site);
        const int64_t n = tleg_min64(rows, columns), m = rows + columns - n;
        raise(&most.matrix, (size_t)n * (size_t)m);
        raise(&most.gram, (size_t)n * (size_t)n);
        see_product(kernels, dtype, n, n, m, &most);
        see_product(kernels, dtype, n, n, n, &most);
        see_product(kernels, dtype, n, m, n, &most);
    }
    return most;
}

/* With large matrices not every thread gets a memory. */
static int32_t workers_of(int32_t lanes, size_t bytes) {
    enum { MOST_BYTES = 256 << 20 };
    const size_t most = bytes < MOST_BYTES ? MOST_BYTES / bytes : 1;
    return most < (size_t)lanes ? (int32_t)most : lanes;
}

void tleg_muon_place(const struct tleg_kernels *kernels, const tleg_config *net, int32_t dtype, int32_t lanes,
                     struct tleg_muon_layout *layout, size_t *end) {
    const struct most most = find_most(kernels, net, dtype);
    size_t bytes = 0;
    layout->x = tleg_place(&bytes, most.matrix, sizeof(float));
    layout->next = tleg_place(&bytes, most.matrix, sizeof(float));
    layout->gram = tleg_place(&bytes, most.gram, sizeof(float));
    layout->factor = tleg_place(&bytes, most.gram, sizeof(float));
    layout->rounded = tleg_place(&bytes, most.rounded, sizeof(float));
    layout->packed = tleg_place(&bytes, most.packed, 1);
    layout->shared = tleg_place(&bytes, most.scratch.shared, 1);
    layout->lane = tleg_place(&bytes, most.scratch.lane, 1);
    layout->bytes = tleg_size_align(bytes);
    layout->workers = workers_of(lanes, layout->bytes);
    layout->memory = tleg_place(end, (size_t)layout->workers, layout->bytes);
}

/* ---- one matrix ---- */

struct matrix {
    const struct tleg_step *step;
    struct tleg_exec exec; /* one thread */
    int32_t dtype;         /* of products */
    size_t at;             /* of its first number, in the trainer's arrays */
    int64_t rows, columns, n, m;
    int64_t row, column; /* number (r, c) of the parameter's matrix is x[r * row + c * column] */
    float *x, *next, *gram, *factor, *rounded;
    void *packed;
};

/* The momentum goes on, and x becomes u; the sum of its squares. */
static double gather(const struct matrix *u) {
    const tleg_trainer *t = u->step->trainer;
    const float mu = (float)t->options.momentum, rest = 1 - mu, scale = u->step->scale;
    const bool nesterov = t->options.nesterov > 0;
    double sum = 0;
    for (int64_t r = 0; r < u->rows; r++) {
        const float *restrict g = t->gradient + u->at + r * u->columns;
        float *restrict momentum = t->moment1 + u->at + r * u->columns, *restrict x = u->x + r * u->row;
        for (int64_t c = 0; c < u->columns; c++) {
            const float gradient = scale * g[c];
            momentum[c] = mu * momentum[c] + rest * gradient;
            const float value = nesterov ? rest * gradient + mu * momentum[c] : momentum[c];
            x[c * u->column] = value;
            sum += (double)value * value;
        }
    }
    return sum;
}

/* x = u / |u|, so that no singular value is above 1. */
static void take(const struct matrix *u) {
    const double norm = sqrt(gather(u));
    const float scale = (float)(1 / (norm > 1e-7 ? norm : 1e-7));
    for (int64_t i = 0; i < u->n * u->m; i++)
        u->x[i] *= scale;
}

/* out (n, columns) = in (n, k) times the transpose of what is packed (columns, k) */
static void multiply(const struct matrix *u, const float *in, int64_t columns, int64_t k, float *out) {
    const struct tleg_weight weight = {
        .n = columns, .k = k, .basis = tleg_basis_one(u->packed), .stored = u->dtype, .rounded = u->dtype};
    tleg_gemm(&u->exec, &(struct tleg_gemm){.m = u->n,
                                            .rows = {.kind = TLEG_ROWS_PLAIN, .x = tleg_view_f32(in, k)},
                                            .weight = &weight,
                                            .out = tleg_target_f32(out, columns)});
}

/* factor = A + B gram + C factor, where factor was gram^2 */
static void combine(const struct matrix *u) {
    for (int64_t i = 0; i < u->n * u->n; i++)
        u->factor[i] = B * u->gram[i] + C * u->factor[i];
    for (int64_t r = 0; r < u->n; r++)
        u->factor[r * u->n + r] += A;
}

static void iterate(struct matrix *u) {
    const int64_t n = u->n, m = u->m;
    float *former = u->x;
    tleg_pack_as(u->exec.kernels, u->dtype, n, m, u->x, u->rounded, u->packed);
    multiply(u, u->x, n, m, u->gram);
    tleg_pack_transposed(&u->exec, u->dtype, n, n, u->gram, u->packed); /* it is its own transpose */
    multiply(u, u->gram, n, n, u->factor);
    combine(u);
    tleg_pack_transposed(&u->exec, u->dtype, n, m, u->x, u->packed);
    multiply(u, u->factor, m, n, u->next);
    u->x = u->next;
    u->next = former;
}

static void spend(const struct matrix *u, float decay, float length) {
    const tleg_trainer *t = u->step->trainer;
    for (int64_t r = 0; r < u->rows; r++) {
        const float *restrict x = u->x + r * u->row;
        float *restrict p = t->values + u->at + r * u->columns;
        for (int64_t c = 0; c < u->columns; c++)
            p[c] = decay * p[c] - length * x[c * u->column];
    }
    tleg_train_average(t, u->at, (size_t)(u->rows * u->columns));
}

/* ---- all of them ---- */

static float *room_at(char *lane, size_t offset) {
    return (float *)(void *)(lane + offset);
}

/* Matrix `index` of a parameter, in the memory of a thread. */
static struct matrix open_matrix(const struct tleg_step *step, const struct tleg_param *param, int64_t index, char *lane) {
    const tleg_trainer *t = step->trainer;
    const struct tleg_muon_layout *layout = &t->layout.muon;
    const int64_t rows = param->shape[0] / param->matrices, columns = param->shape[1];
    const bool turned = rows > columns;
    struct tleg_exec alone = t->exec;
    alone.lanes = 1;
    alone.shared = lane + layout->shared;
    alone.lane = lane + layout->lane;
    return (struct matrix){.step = step,
                           .exec = alone,
                           .dtype = t->layout.shape.dtype,
                           .at = param->at + (size_t)(index * rows * columns),
                           .rows = rows,
                           .columns = columns,
                           .n = turned ? columns : rows,
                           .m = turned ? rows : columns,
                           .row = turned ? 1 : columns,
                           .column = turned ? rows : 1,
                           .x = room_at(lane, layout->x),
                           .next = room_at(lane, layout->next),
                           .gram = room_at(lane, layout->gram),
                           .factor = room_at(lane, layout->factor),
                           .rounded = room_at(lane, layout->rounded),
                           .packed = lane + layout->packed};
}

static void update_matrix(void *arg, int64_t item, char *lane) {
    const struct tleg_step *step = arg;
    const struct tleg_param *param = step->trainer->list;
    for (; item >= tleg_muon_matrices(param); param++)
        item -= tleg_muon_matrices(param);
    struct matrix u = open_matrix(step, param, item, lane);
    take(&u);
    for (int k = 0; k < ITERATIONS; k++)
        iterate(&u);
    spend(&u, tleg_step_decay(step, param), (float)(tleg_step_rate(step, param) * 0.2 * sqrt((double)u.m)));
}

void tleg_muon(const struct tleg_step *step) {
    const tleg_trainer *t = step->trainer;
    struct tleg_exec exec = t->exec;
    int64_t count = 0;
    for (int64_t i = 0; i < t->layout.params.count; i++)
        count += tleg_muon_matrices(&t->list[i]);
    exec.lanes = t->layout.muon.workers;
    exec.lane = (char *)tleg_trainer_at(t, t->layout.muon.memory);
    exec.lane_bytes = t->layout.muon.bytes;
    tleg_for_each(&exec, count, update_matrix, (void *)(uintptr_t)step);
}
