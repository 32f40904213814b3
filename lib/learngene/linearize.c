/* The way back: from the layers of a model to the gene whose lines come closest to them, by least squares.
 *
 * At each place of a site the layers' values y_l lie over x_l = (l-1)/L, l = 1..L. With w_l = 2(l-1) - (L-1), twice the
 * distance of l from the middle layer, the line is slope = 6 sum(w_l y_l) / (L^2 - 1)      intercept = sum(y_l) / L - slope
 * (L-1) / (2L) since x_l - mean(x) = w_l / 2L and sum(w_l^2) = L (L^2 - 1) / 3. The w_l are whole numbers: where all layers are
 * equal both sums are exact in double, so that base is the common value and ilayer 0. */
#include "learngene/gene.h"
#include "vit/handle/handle.h"
#include <float.h>
#include <math.h>
#include <string.h>
#include <tleg/linearize.h>

/* What one tensor's fit needs, and the sums of a site. The layers are unpacked one at a time, twice: once for the lines, once
 * for what they leave over. */
struct fit {
    const tleg_model *model;
    double *slope, *intercept; /* of the lines; in the first walk sum(w y) and sum(y) */
    float *values, *scratch;   /* a layer's tensor, and what unpacking it needs */
    double deviation;          /* of the layers from their mean over depth, squared and summed */
    double residual;           /* of the layers from the lines */
    void *memory;
    size_t bytes;
};

static tleg_status make_fit(tleg_context *context, const tleg_model *model, struct fit *fit) {
    const size_t largest = tleg_model_scratch(model);
    size_t bytes = 0;
    const size_t slope = tleg_place(&bytes, largest, sizeof(double)), intercept = tleg_place(&bytes, largest, sizeof(double));
    const size_t values = tleg_place(&bytes, largest, sizeof(float)), scratch = tleg_place(&bytes, largest, sizeof(float));
    char *memory = bytes == SIZE_MAX ? NULL : tleg_alloc(&context->allocator, bytes);
    if (!memory)
        return tleg_fail_memory(context, "the lines through a model's layers", bytes);
    *fit = (struct fit){.model = model,
                        .slope = (double *)(void *)(memory + slope),
                        .intercept = (double *)(void *)(memory + intercept),
                        .values = (float *)(void *)(memory + values),
                        .scratch = (float *)(void *)(memory + scratch),
                        .memory = memory,
                        .bytes = bytes};
    return TLEG_OK;
}

static void get_layer(const struct fit *fit, const struct tleg_gene_place *place, int32_t layer) {
    struct tleg_model_entry entry = {.layer = layer, .slot = TLEG_SLOT_NONE, .site = place->site, .bias = place->bias};
    tleg_site_spec(&fit->model->config.c, place->site, place->bias, &entry.spec);
    tleg_model_get(fit->model, &entry, fit->scratch, fit->values);
}

static void find_lines(struct fit *fit, const struct tleg_gene_place *place, size_t count) {
    const int32_t depth = fit->model->config.c.depth;
    memset(fit->slope, 0, count * sizeof(double));
    memset(fit->intercept, 0, count * sizeof(double));
    for (int32_t l = 0; l < depth; l++) {
        const double w = 2 * l - (depth - 1);
        get_layer(fit, place, l);
        for (size_t i = 0; i < count; i++) {
            fit->slope[i] += w * (double)fit->values[i];
            fit->intercept[i] += (double)fit->values[i];
        }
    }
    const double n = depth;
    for (size_t i = 0; i < count; i++) {
        fit->slope[i] *= 6 / (n * n - 1);
        fit->intercept[i] = fit->intercept[i] / n - fit->slope[i] * (n - 1) / (2 * n);
    }
}

/* The line's value in the middle of the depth is the mean over the layers. */
static void add_squares(struct fit *fit, const struct tleg_gene_place *place, size_t count) {
    const int32_t depth = fit->model->config.c.depth;
    const double n = depth, middle = (n - 1) / (2 * n);
    for (int32_t l = 0; l < depth; l++) {
        const double x = l / n;
        get_layer(fit, place, l);
        for (size_t i = 0; i < count; i++) {
            const double from_mean = (double)fit->values[i] - (fit->intercept[i] + fit->slope[i] * middle);
            const double from_line = (double)fit->values[i] - (fit->intercept[i] + fit->slope[i] * x);
            fit->deviation += from_mean * from_mean;
            fit->residual += from_line * from_line;
        }
    }
}

/* f32 holds the line, unless a weight is not finite or is close to the largest. */
static tleg_status put_line(tleg_context *context, const double *line, const struct tleg_gene_tensor *tensor) {
    for (size_t i = 0; i < tensor->count; i++) {
        if (!(fabs(line[i]) <= (double)FLT_MAX))
            return tleg_fail(context, TLEG_ERROR_NUMERIC, "linearize: %s: expected finite weights in every layer of the model",
                             tensor->spec.name);
        tensor->data[i] = (float)line[i];
    }
    return TLEG_OK;
}

/* base and ilayer of a site's weight or bias: they stand side by side in a gene. */
static tleg_status fit_pair(tleg_context *context, struct fit *fit, const struct tleg_gene_tensor *pair) {
    find_lines(fit, &pair->place, pair->count);
    add_squares(fit, &pair->place, pair->count);
    const tleg_status status = put_line(context, fit->intercept, &pair[0]);
    return status == TLEG_OK ? put_line(context, fit->slope, &pair[1]) : status;
}

static tleg_status fit_all(tleg_context *context, struct fit *fit, const tleg_learngene *gene, double r2[TLEG_SITES]) {
    tleg_status status = TLEG_OK;
    double deviation[TLEG_SITES] = {0}, residual[TLEG_SITES] = {0};
    for (int64_t k = 0; k < gene->tensor_count && status == TLEG_OK; k++) {
        const struct tleg_gene_tensor *tensor = &gene->tensors[k];
        if (tensor->place.slot != TLEG_SLOT_NONE) {
            tleg_outer_get(fit->model->kernels, &fit->model->config.c, &fit->model->outer, tensor->place.slot, fit->scratch,
                           tensor->data);
            status = tleg_work_step(context, 1);
            continue;
        }
        fit->deviation = fit->residual = 0;
        status = fit_pair(context, fit, tensor);
        deviation[tensor->place.site] += fit->deviation;
        residual[tensor->place.site] += fit->residual;
        k++; /* the ilayer */
        if (status == TLEG_OK)
            status = tleg_work_step(context, 2);
    }
    for (int site = 0; site < TLEG_SITES; site++)
        r2[site] = deviation[site] > 0 ? 1 - residual[site] / deviation[site] : 1;
    return status;
}

/* A model's configuration as a gene has it: of any depth, f32, plain, without what a file held besides. */
static tleg_status make_gene(tleg_context *context, const tleg_model *model, tleg_learngene **gene) {
    const tleg_config *from = &model->config.c;
    const struct tleg_config_texts texts = {.labels = from->labels,
                                            .label_count = from->label_count,
                                            .schedule = "",
                                            .pairs = model->config.pairs,
                                            .pair_count = model->config.pair_count};
    struct tleg_vit_config config = {.allocator = context->allocator, .c = *from};
    config.c.depth = 0;
    config.c.dtype = TLEG_F32;
    const tleg_status status = tleg_config_set_texts(context, &config, &texts);
    return status == TLEG_OK ? tleg_learngene_make(context, &config, NULL, gene) : status;
}

static tleg_status linearize(tleg_context *context, const tleg_model *model, double r2[TLEG_SITES], tleg_learngene **out) {
    tleg_learngene *gene = NULL;
    struct fit fit = {.model = model};
    tleg_status status = make_fit(context, model, &fit);
    if (status != TLEG_OK)
        return status;
    status = make_gene(context, model, &gene);
    if (status == TLEG_OK)
        status = tleg_work_begin(context, "linearize", (uint64_t)gene->tensor_count);
    if (status == TLEG_OK)
        status = fit_all(context, &fit, gene, r2);
    status = tleg_work_end(context, status);
    tleg_release(&context->allocator, fit.memory, fit.bytes);
    if (status != TLEG_OK) {
        tleg_learngene_free(gene);
        return status;
    }
    *out = gene;
    return TLEG_OK;
}

tleg_status TLEG_CALL tleg_learngene_linearize(tleg_context *context, const tleg_model *model, double *r2, int32_t r2_count,
                                               tleg_learngene **gene) {
    double shares[TLEG_SITES] = {0};
    if (gene)
        *gene = NULL;
    for (int32_t i = 0; r2 && i < r2_count; i++)
        r2[i] = 0;
    if (!context || !model || !gene)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_linearize: a pointer is NULL");
    if (r2_count < 0 || (!r2 && r2_count > 0))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_linearize: r2 holds %d numbers, expected %s",
                         (int)r2_count, r2 ? "0 or more" : "0 where it is NULL");
    if (model->config.c.depth < 2)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "linearize: the model has depth %d, expected 2 or more: a line needs two layers",
                         (int)model->config.c.depth);
    const tleg_status status = linearize(context, model, shares, gene);
    for (int32_t i = 0; status == TLEG_OK && i < r2_count && i < TLEG_SITES; i++)
        r2[i] = shares[i];
    return status;
}
