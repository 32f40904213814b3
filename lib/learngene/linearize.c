/* The way back: from the layers of a model to the gene whose layers come closest to them, by least squares.
 *
 * At each place of a site the values y_l of a segment's n layers are to be sums of K tensors' numbers t_k: y = F t, F (n, K)
 * being the factors that coefficients.c gives those layers. With F = Q R, Q's columns orthonormal and R upper triangular, the
 * closest solve R t = z, z = Q^T y, from the last to the first. What the first j tensors alone would explain of y is z_0^2 +
 * ... + z_(j-1)^2, so that one walk over the layers tells it for every j. F's first column is 1: the site's first layer is
 * taken off all layers, and given back to t_0. Where all layers are equal everything else is then exactly 0.
 *
 * Powers and Chebyshev's polynomials are nearly dependent: the closest tensors grow large and cancel each other, and f32 loses
 * what is left. A factor, a tensor's number and their product are each rounded by u = 2^-24 at most, with a variance of u^2/3,
 * so that tensor k is expected to cost the layers u^2 |F_k|^2 t_k^2. More tensors than two are therefore those of the least
 * |z - R t|^2 + sum of u^2 |F_k|^2 t_k^2, which are the closest themselves but for their last bits where little cancels. Below
 * R stand the roots of these weights, one each on the diagonal, and the whole is taken apart as F was: S t = w, w = P^T z. */
#include "learngene/gene.h"
#include "vit/handle/handle.h"
#include <float.h>
#include <math.h>
#include <string.h>
#include <tleg/linearize.h>

/* F of a segment, taken apart. */
struct factors {
    int32_t layers, tensors;
    double q[TLEG_MAX_BASIS][TLEG_MAX_DEPTH];     /* (K, n): the columns of Q */
    double p[TLEG_MAX_BASIS][2 * TLEG_MAX_BASIS]; /* (K, 2 K): those of P, where K is above 2 */
    double r[TLEG_MAX_BASIS][TLEG_MAX_BASIS];     /* S there, else R */
};

/* What one tensor's fit needs, and the sums of a site. */
struct fit {
    const tleg_model *model;
    struct factors *factors;
    int32_t *lengths;                /* of a site's segments at the model's depth */
    double *z, *sum;                 /* (K, count); and of all layers (count) */
    float *first, *values, *scratch; /* the site's first layer, a layer, and what unpacking it needs */
    size_t largest;                  /* numbers that a row of z has room for */
    /* Sums of squares of a site: of its layers, of what their mean over the depth explains, and 1, 2, ... tensors */
    double squares, mean, explained[TLEG_MAX_BASIS];
    void *memory;
    size_t bytes;
};

/* ---- a segment's factors ---- */

static double dot(int32_t n, const double *a, const double *b) {
    double sum = 0;
    for (int32_t l = 0; l < n; l++)
        sum += a[l] * b[l];
    return sum;
}

/* Gram and Schmidt, each column against the former ones twice: once leaves too much where they are nearly dependent. The
 * columns, of n numbers, lie `step` apart and become orthonormal; r, 0 before, what they are made of. */
static void orthogonalise(int32_t n, int32_t columns, double *q, size_t step, double r[][TLEG_MAX_BASIS]) {
    for (int32_t k = 0; k < columns; k++) {
        double *own = q + (size_t)k * step;
        for (int again = 0; again < 2; again++)
            for (int32_t j = 0; j < k; j++) {
                const double *former = q + (size_t)j * step, along = dot(n, former, own);
                r[j][k] += along;
                for (int32_t l = 0; l < n; l++)
                    own[l] -= along * former[l];
            }
        r[k][k] = sqrt(dot(n, own, own));
        for (int32_t l = 0; l < n; l++)
            own[l] /= r[k][k];
    }
}

/* From R to P and S. A column of R is as long as that of F. */
static void weigh_rounding(struct factors *f) {
    memset(f->p, 0, sizeof f->p);
    for (int32_t k = 0; k < f->tensors; k++) {
        for (int32_t j = 0; j <= k; j++)
            f->p[k][j] = f->r[j][k];
        f->p[k][f->tensors + k] = 0x1p-24 * sqrt(dot(f->tensors, f->p[k], f->p[k]));
    }
    memset(f->r, 0, sizeof f->r);
    orthogonalise(2 * f->tensors, f->tensors, f->p[0], 2 * TLEG_MAX_BASIS, f->r);
}

static void find_factors(const struct tleg_segment *segment, int32_t layers, struct factors *f) {
    memset(f->r, 0, sizeof f->r);
    f->layers = layers;
    f->tensors = segment->tensors;
    for (int32_t l = 0; l < layers; l++) {
        double row[TLEG_MAX_BASIS];
        tleg_factors(segment->curve, l, layers, f->tensors, row);
        for (int32_t k = 0; k < f->tensors; k++)
            f->q[k][l] = row[k];
    }
    orthogonalise(layers, f->tensors, f->q[0], TLEG_MAX_DEPTH, f->r);
    if (f->tensors > 2)
        weigh_rounding(f);
}

/* ---- one tensor of a site ---- */

static void get_layer(const struct fit *fit, const struct tleg_gene_place *place, int32_t layer, float *values) {
    struct tleg_model_entry entry = {.layer = layer, .slot = TLEG_SLOT_NONE, .site = place->site, .bias = place->bias};
    tleg_site_spec(&fit->model->config.c, place->site, place->bias, &entry.spec);
    tleg_model_get(fit->model, &entry, fit->scratch, values);
}

/* Adds a layer, the segment's l-th, to z and to the sums. */
static void add_layer(struct fit *fit, int32_t l, size_t count) {
    const struct factors *f = fit->factors;
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = (double)fit->values[i] - (double)fit->first[i];
        fit->sum[i] += d;
        squares += d * d;
    }
    fit->squares += squares;
    for (int32_t k = 0; k < f->tensors; k++) {
        double *z = fit->z + (size_t)k * fit->largest;
        const double q = f->q[k][l];
        for (size_t i = 0; i < count; i++)
            z[i] += q * ((double)fit->values[i] - (double)fit->first[i]);
    }
}

/* z becomes w, at each of the places. */
static void weigh_sums(const struct fit *fit, size_t count) {
    const struct factors *f = fit->factors;
    for (size_t i = 0; i < count; i++) {
        double z[TLEG_MAX_BASIS] = {0};
        for (int32_t k = 0; k < f->tensors; k++)
            z[k] = fit->z[(size_t)k * fit->largest + i];
        for (int32_t k = 0; k < f->tensors; k++)
            fit->z[(size_t)k * fit->largest + i] = dot(f->tensors, f->p[k], z);
    }
}

/* Tensor k of a segment's: in z's row, which is free for it, from the rows after it, where those tensors are already. f32 holds
 * the numbers, unless a weight is not finite or is close to the largest. */
static tleg_status put_tensor(tleg_context *context, const struct fit *fit, int32_t k, const struct tleg_gene_tensor *tensors) {
    const struct factors *f = fit->factors;
    double *t = fit->z + (size_t)k * fit->largest;
    for (int32_t j = k + 1; j < f->tensors; j++)
        for (size_t i = 0; i < tensors->count; i++)
            t[i] -= f->r[k][j] * fit->z[(size_t)j * fit->largest + i];
    for (size_t i = 0; i < tensors->count; i++) {
        t[i] /= f->r[k][k];
        const double number = k == 0 ? t[i] + (double)fit->first[i] : t[i];
        if (!(fabs(number) <= (double)FLT_MAX))
            return tleg_fail(context, TLEG_ERROR_NUMERIC, "%s: expected finite weights in every layer of the model",
                             tensors->spec.name);
        tensors[k].data[i] = (float)number;
    }
    return TLEG_OK;
}

/* What a segment's first tensors explain, by their number. */
static void add_explained(struct fit *fit, size_t count) {
    double sum = 0;
    for (int32_t k = 0; k < TLEG_MAX_BASIS; k++) {
        if (k < fit->factors->tensors) {
            const double *z = fit->z + (size_t)k * fit->largest;
            for (size_t i = 0; i < count; i++)
                sum += z[i] * z[i];
        }
        fit->explained[k] += sum;
    }
}

/* A segment's tensors, which stand side by side in a gene; the model's layers from `first` on are its. */
static tleg_status fit_segment(tleg_context *context, struct fit *fit, const struct tleg_segment *segment,
                               const struct tleg_gene_tensor *tensors, int32_t first, int32_t layers) {
    const size_t count = tensors->count;
    find_factors(segment, layers, fit->factors);
    for (int32_t k = 0; k < segment->tensors; k++)
        memset(fit->z + (size_t)k * fit->largest, 0, count * sizeof(double));
    for (int32_t l = 0; l < layers; l++) {
        get_layer(fit, &tensors->place, first + l, fit->values);
        add_layer(fit, l, count);
    }
    add_explained(fit, count);
    if (segment->tensors > 2)
        weigh_sums(fit, count);
    tleg_status status = TLEG_OK;
    for (int32_t k = segment->tensors - 1; status == TLEG_OK && k >= 0; k--)
        status = put_tensor(context, fit, k, tensors);
    if (layers == 1) /* the layer itself: sums may have lost its last bits */
        memcpy(tensors->data, fit->values, count * sizeof *fit->values);
    return status;
}

/* The weight of a site, or its bias. */
static tleg_status fit_site(tleg_context *context, struct fit *fit, const tleg_learngene *gene, int site, bool bias) {
    const struct tleg_segment *segments = gene->segments[site];
    const struct tleg_gene_tensor *tensors = bias ? segments[0].bias : segments[0].weight;
    const int32_t depth = fit->model->config.c.depth;
    if (!tensors)
        return TLEG_OK;
    const size_t count = tensors->count;
    get_layer(fit, &tensors->place, 0, fit->first);
    memset(fit->sum, 0, count * sizeof(double));
    tleg_status status = TLEG_OK;
    for (int32_t k = 0, first = 0; status == TLEG_OK && k < gene->segment_count[site]; first += fit->lengths[k++]) {
        tensors = bias ? segments[k].bias : segments[k].weight;
        status = fit_segment(context, fit, &segments[k], tensors, first, fit->lengths[k]);
        if (status == TLEG_OK)
            status = tleg_work_step(context, (uint64_t)segments[k].tensors);
    }
    for (size_t i = 0; i < count; i++)
        fit->mean += fit->sum[i] * fit->sum[i] / depth;
    return status;
}

/* ---- all of them ---- */

static void share_depth(const tleg_learngene *gene, int site, int32_t depth, int32_t *lengths) {
    int32_t learned[TLEG_MAX_DEPTH] = {0}; /* gcc does not see that there is a segment */
    for (int32_t k = 0; k < gene->segment_count[site]; k++)
        learned[k] = gene->segments[site][k].layers;
    tleg_schedule_share(gene->segment_count[site], learned, depth, lengths);
}

/* R^2 of a site for 1, 2, ... tensors. */
static void find_shares(const struct fit *fit, double r2[TLEG_MAX_BASIS]) {
    const double deviation = fit->squares - fit->mean;
    for (int32_t k = 0; k < TLEG_MAX_BASIS; k++) {
        const double share = (fit->explained[k] - fit->mean) / deviation;
        r2[k] = deviation > 0 ? fmin(fmax(share, 0), 1) : 1;
    }
}

static tleg_status check_outer(tleg_context *context, const struct tleg_gene_tensor *tensor) {
    for (size_t i = 0; i < tensor->count; i++)
        if (!isfinite(tensor->data[i]))
            return tleg_fail(context, TLEG_ERROR_NUMERIC, "%s: expected finite weights, found another number",
                             tensor->spec.name);
    return TLEG_OK;
}

static tleg_status fit_all(tleg_context *context, struct fit *fit, const tleg_learngene *gene,
                           double r2[TLEG_SITES][TLEG_MAX_BASIS]) {
    tleg_status status = TLEG_OK;
    for (int slot = 0; slot < TLEG_SLOTS && status == TLEG_OK; slot++) {
        if (!gene->outer[slot])
            continue;
        tleg_outer_get(fit->model->kernels, &fit->model->config.c, &fit->model->outer, (enum tleg_slot)slot, fit->scratch,
                       gene->outer[slot]->data);
        status = check_outer(context, gene->outer[slot]);
        if (status == TLEG_OK)
            status = tleg_work_step(context, 1);
    }
    for (int site = 0; site < TLEG_SITES && status == TLEG_OK; site++) {
        share_depth(gene, site, fit->model->config.c.depth, fit->lengths);
        fit->squares = fit->mean = 0;
        memset(fit->explained, 0, sizeof fit->explained);
        status = fit_site(context, fit, gene, site, false);
        if (status == TLEG_OK)
            status = fit_site(context, fit, gene, site, true);
        find_shares(fit, r2[site]);
    }
    return status;
}

static int32_t most_tensors(const tleg_learngene *gene) {
    int32_t most = 1;
    for (int site = 0; site < TLEG_SITES; site++)
        for (int32_t k = 0; k < gene->segment_count[site]; k++)
            most = gene->segments[site][k].tensors > most ? gene->segments[site][k].tensors : most;
    return most;
}

static tleg_status make_fit(tleg_context *context, const tleg_model *model, const tleg_learngene *gene, struct fit *fit) {
    const size_t largest = tleg_model_scratch(model), tensors = (size_t)most_tensors(gene);
    size_t bytes = 0;
    const size_t factors = tleg_place(&bytes, 1, sizeof(struct factors));
    const size_t lengths = tleg_place(&bytes, TLEG_MAX_DEPTH, sizeof(int32_t));
    const size_t sum = tleg_place(&bytes, largest, sizeof(double));
    const size_t z = tleg_place(&bytes, largest, tensors * sizeof(double));
    const size_t first = tleg_place(&bytes, largest, sizeof(float)), values = tleg_place(&bytes, largest, sizeof(float));
    const size_t scratch = tleg_place(&bytes, largest, sizeof(float));
    char *memory = bytes == SIZE_MAX ? NULL : tleg_alloc(&context->allocator, bytes);
    if (!memory)
        return tleg_fail_memory(context, "the curves through a model's layers", bytes);
    *fit = (struct fit){.model = model,
                        .factors = (struct factors *)(void *)(memory + factors),
                        .lengths = (int32_t *)(void *)(memory + lengths),
                        .z = (double *)(void *)(memory + z),
                        .sum = (double *)(void *)(memory + sum),
                        .first = (float *)(void *)(memory + first),
                        .values = (float *)(void *)(memory + values),
                        .scratch = (float *)(void *)(memory + scratch),
                        .largest = largest,
                        .memory = memory,
                        .bytes = bytes};
    return TLEG_OK;
}

/* A segment needs a layer for each of its tensors. */
static tleg_status check_site(tleg_context *context, const tleg_learngene *gene, int site, int32_t depth) {
    const int32_t count = gene->segment_count[site];
    int32_t lengths[TLEG_MAX_DEPTH];
    if (depth < count)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "the model has depth %d, expected %d or more: the schedule cuts \"%s\" into as many segments",
                         (int)depth, (int)count, tleg_site_key(site));
    share_depth(gene, site, depth, lengths);
    for (int32_t k = 0; k < count; k++)
        if (gene->segments[site][k].tensors > lengths[k])
            return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                             count == 1 ? "the model has depth %d, expected %d or more: a layer for each tensor of \"%s\""
                                        : "%d of the model's layers fall to a segment, expected %d or more: a layer "
                                          "for each tensor of \"%s\", segment %d",
                             (int)lengths[k], (int)gene->segments[site][k].tensors, tleg_site_key(site), (int)k);
    return TLEG_OK;
}

/* A model's configuration as a gene has it: of any depth, f32, plain, without what a file held besides. */
static tleg_status make_gene(tleg_context *context, const tleg_model *model, const char *schedule, tleg_learngene **gene) {
    const tleg_config *from = &model->config.c;
    const struct tleg_config_texts texts = {.labels = from->labels,
                                            .label_count = from->label_count,
                                            .schedule = schedule,
                                            .pairs = model->config.pairs,
                                            .pair_count = model->config.pair_count};
    struct tleg_vit_config config = {.allocator = context->allocator, .c = *from};
    config.c.depth = 0;
    config.c.dtype = TLEG_F32;
    const tleg_status status = tleg_config_set_texts(context, &config, &texts);
    return status == TLEG_OK ? tleg_learngene_make(context, &config, NULL, gene) : status;
}

/* The schedule in the form in which it is saved. */
static tleg_status make_scheduled(tleg_context *context, const tleg_model *model, const char *schedule, tleg_learngene **gene) {
    struct tleg_schedule parsed;
    tleg_status status = tleg_schedule_parse(context, "schedule", schedule, &parsed);
    if (status != TLEG_OK)
        return status;
    tleg_schedule_drop_absent(&parsed, &model->config.c);
    size_t bytes;
    char *text;
    status = tleg_schedule_write(context, &parsed, &text, &bytes);
    if (status == TLEG_OK)
        status = make_gene(context, model, text, gene);
    tleg_release(&context->allocator, text, bytes);
    tleg_schedule_free(&parsed);
    return status;
}

static tleg_status fit_gene(tleg_context *context, const tleg_model *model, const tleg_learngene *gene,
                            double r2[TLEG_SITES][TLEG_MAX_BASIS]) {
    struct fit fit = {.model = model};
    tleg_status status = TLEG_OK;
    for (int site = 0; site < TLEG_SITES && status == TLEG_OK; site++)
        if (tleg_site_is_present(&model->config.c, site))
            status = check_site(context, gene, site, model->config.c.depth);
    if (status == TLEG_OK)
        status = make_fit(context, model, gene, &fit);
    if (status != TLEG_OK)
        return status;
    status = tleg_work_begin(context, "linearize", (uint64_t)gene->tensor_count);
    if (status == TLEG_OK)
        status = fit_all(context, &fit, gene, r2);
    tleg_release(&context->allocator, fit.memory, fit.bytes);
    return tleg_work_end(context, status);
}

static tleg_status linearize(tleg_context *context, const tleg_model *model, const char *schedule,
                             double r2[TLEG_SITES][TLEG_MAX_BASIS], tleg_learngene **out) {
    tleg_learngene *gene = NULL;
    tleg_status status = make_scheduled(context, model, schedule, &gene);
    if (status == TLEG_OK)
        status = fit_gene(context, model, gene, r2);
    if (status != TLEG_OK) {
        tleg_learngene_free(gene);
        return status;
    }
    *out = gene;
    return TLEG_OK;
}

/* What both calls refuse; the outputs are emptied before. */
static tleg_status check_call(tleg_context *context, const char *name, const tleg_model *model, double *r2, int32_t r2_count,
                              tleg_learngene **gene) {
    if (gene)
        *gene = NULL;
    for (int32_t i = 0; r2 && i < r2_count; i++)
        r2[i] = 0;
    if (!context || !model || !gene)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: a pointer is NULL", name);
    if (r2_count < 0 || (!r2 && r2_count > 0))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: r2 holds %d numbers, expected %s", name, (int)r2_count,
                         r2 ? "0 or more" : "0 where it is NULL");
    return TLEG_OK;
}

tleg_status TLEG_CALL tleg_learngene_linearize(tleg_context *context, const tleg_model *model, double *r2, int32_t r2_count,
                                               tleg_learngene **gene) {
    double shares[TLEG_SITES][TLEG_MAX_BASIS];
    tleg_status status = check_call(context, "tleg_learngene_linearize", model, r2, r2_count, gene);
    if (status == TLEG_OK)
        status = linearize(context, model, NULL, shares, gene);
    for (int32_t site = 0; status == TLEG_OK && site < r2_count && site < TLEG_SITES; site++)
        r2[site] = shares[site][1];
    return status;
}

tleg_status TLEG_CALL tleg_learngene_fit(tleg_context *context, const tleg_model *model, const char *schedule, int32_t tensors,
                                         double *r2, int32_t r2_count, tleg_learngene **gene) {
    double shares[TLEG_SITES][TLEG_MAX_BASIS];
    tleg_status status = check_call(context, "tleg_learngene_fit", model, r2, r2_count, gene);
    if (status == TLEG_OK && r2_count > 0 && (tensors < 1 || tensors > TLEG_MAX_BASIS))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_fit: r2 for %d tensors, expected 1 to %d",
                           (int)tensors, TLEG_MAX_BASIS);
    if (status == TLEG_OK)
        status = linearize(context, model, schedule, shares, gene);
    for (int32_t i = 0; status == TLEG_OK && i < r2_count && i / tensors < TLEG_SITES; i++)
        r2[i] = shares[i / tensors][i % tensors];
    return status;
}
