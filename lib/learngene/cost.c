/* What a depth costs, and the deepest depth that a device can afford. */
#include "core/os.h"
#include "learngene/expander.h"

#include <math.h>

/* A materialised model's network, for its session's plan, without a model. */
static void model_network(const tleg_expander *e, struct tleg_network *network) {
    *network = (struct tleg_network){.kernels = e->kernels, .config = &e->config.c};
}

static tleg_status count_bytes(tleg_context *context, const tleg_expander *e, const tleg_session_options *options,
                               tleg_cost *cost) {
    struct tleg_network network;
    struct tleg_plan plan;
    size_t fixed, layer;
    model_network(e, &network);
    tleg_status status = tleg_session_plan(context, &network, options, &plan);
    if (status != TLEG_OK)
        return status;
    tleg_model_bytes(e->kernels, &e->config, &fixed, &layer);
    cost->bytes_fixed = fixed + plan.bytes;
    cost->bytes_per_layer = layer;
    return TLEG_OK;
}

/* ---- time ---- */

static double now_ms(void) {
    return (double)tleg_os_nanoseconds() * 1e-6;
}

enum { RUNS = 5, LAYERS_BETWEEN = 4 };

static double median(double *t) {
    for (int i = 1; i < RUNS; i++)
        for (int j = i; j > 0 && t[j - 1] > t[j]; j--) {
            double swap = t[j];
            t[j] = t[j - 1];
            t[j - 1] = swap;
        }
    return t[RUNS / 2];
}

/* The medians of RUNS runs at two depths, taken in turn, so that a machine whose speed drifts does so for both. */
static tleg_status time_depths(tleg_context *context, tleg_session *session, const float *images, size_t floats, int64_t batch,
                               const int32_t depth[2], double ms[2]) {
    double t[2][RUNS];
    tleg_status status = TLEG_OK;
    for (int run = -1; run < RUNS && status == TLEG_OK; run++) /* run -1 warms up */
        for (int i = 0; i < 2 && status == TLEG_OK; i++) {
            status = tleg_session_set_depth(session, depth[i]);
            double start = now_ms();
            if (status == TLEG_OK)
                status = tleg_session_run(session, batch, images, floats, NULL, 0, NULL, 0);
            if (status == TLEG_OK)
                status = tleg_work_step(context, 1);
            if (run >= 0)
                t[i][run] = now_ms() - start;
        }
    for (int i = 0; i < 2 && status == TLEG_OK; i++)
        ms[i] = median(t[i]);
    return status;
}

static tleg_status measure(tleg_context *context, const tleg_expander *e, const tleg_session_options *options,
                           tleg_cost *cost) {
    const int32_t deeper = e->least_depth + LAYERS_BETWEEN, deepest = TLEG_MAX_DEPTH;
    const int32_t depth[2] = {e->least_depth, deeper < deepest ? deeper : deepest};
    int64_t batch = options->batch;
    size_t floats = 3 * (size_t)e->config.c.image_size * (size_t)e->config.c.image_size, bytes;
    if (!tleg_size_mul(floats * sizeof(float), (size_t)batch, &bytes))
        bytes = SIZE_MAX;
    double ms[2];
    tleg_session *session = NULL;
    float *images = bytes == SIZE_MAX ? NULL : tleg_alloc_zero(&context->allocator, bytes);
    tleg_status status = images ? TLEG_OK : tleg_fail_memory(context, "images to measure with", bytes);
    if (status == TLEG_OK)
        status = tleg_session_create_elastic(context, e, depth[0], options, &session);
    if (status == TLEG_OK)
        status = time_depths(context, session, images, bytes / sizeof(float), batch, depth, ms);
    if (status == TLEG_OK && depth[1] > depth[0]) {
        cost->ms_per_layer = fmax((ms[1] - ms[0]) / (depth[1] - depth[0]), 0);
        cost->ms_fixed = fmax(ms[0] - depth[0] * cost->ms_per_layer, 0);
    }
    tleg_session_free(session);
    tleg_release(&context->allocator, images, bytes);
    return status;
}

/* ---- public ---- */

static tleg_status get_cost(tleg_context *context, const tleg_expander *e, int32_t batch, bool with_time, tleg_cost *cost) {
    if (batch < 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "cost: batch is %d, expected 1 or more", batch);
    tleg_session_options options = {.struct_size = sizeof options, .batch = batch ? batch : 1};
    *cost = (tleg_cost){.struct_size = sizeof *cost, .least_depth = e->least_depth};
    tleg_status status = count_bytes(context, e, &options, cost);
    if (status || !with_time)
        return status;
    status = tleg_work_begin(context, "measure", 2 * (RUNS + 1));
    if (status == TLEG_OK)
        status = measure(context, e, &options, cost);
    return tleg_work_end(context, status);
}

TLEG_API tleg_status TLEG_CALL tleg_expander_get_depths(tleg_context *context, const tleg_expander *expander, int32_t *least,
                                                        int32_t *most) {
    if (least)
        *least = 0;
    if (most)
        *most = 0;
    if (!expander)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_get_depths: expander is NULL");
    if (least)
        *least = expander->least_depth;
    if (most)
        *most = TLEG_MAX_DEPTH;
    return TLEG_OK;
}

TLEG_API tleg_status TLEG_CALL tleg_expander_get_cost(tleg_context *context, const tleg_expander *expander, int32_t depth,
                                                      int32_t batch, int32_t measure_time, tleg_cost *cost) {
    if (!context || !expander || !cost)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_get_cost: a pointer is NULL");
    if (depth != 0 && (depth < expander->least_depth || depth > TLEG_MAX_DEPTH))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "depth is %d, expected %d to %d, or 0 for the least", (int)depth,
                         (int)expander->least_depth, TLEG_MAX_DEPTH);
    tleg_cost own = {0};
    tleg_status status = get_cost(context, expander, batch, measure_time != 0, &own);
    const int32_t layers = depth ? depth : expander->least_depth;
    own.bytes = own.bytes_fixed + (uint64_t)layers * own.bytes_per_layer;
    own.ms = own.ms_fixed + layers * own.ms_per_layer;
    if (status == TLEG_OK)
        status = tleg_info_write(context, "tleg_cost", &own, sizeof own, cost, TLEG_LEAST_COST);
    return status;
}

/* The largest depth up to the limit with fixed + depth * each <= budget; 0 when there is none. */
static int32_t deepest_bytes(const tleg_cost *cost, uint64_t budget) {
    if (budget < cost->bytes_fixed)
        return 0;
    uint64_t depth = (budget - cost->bytes_fixed) / cost->bytes_per_layer;
    return depth > TLEG_MAX_DEPTH ? TLEG_MAX_DEPTH : (int32_t)depth;
}

static int32_t deepest_ms(const tleg_cost *cost, double budget) {
    double depth = TLEG_MAX_DEPTH;
    if (budget < cost->ms_fixed)
        return 0;
    if (cost->ms_per_layer > 0)
        depth = fmin(depth, floor((budget - cost->ms_fixed) / cost->ms_per_layer));
    return (int32_t)depth;
}

TLEG_API tleg_status TLEG_CALL tleg_expander_get_deepest(tleg_context *context, const tleg_expander *expander,
                                                         const tleg_budget *budget, int32_t *depth) {
    if (depth)
        *depth = 0;
    if (!context || !expander || !budget || !depth)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_get_deepest: a pointer is NULL");
    tleg_budget own = {0};
    tleg_cost cost;
    tleg_status status = tleg_options_read(context, "tleg_budget", budget, &own, sizeof own, TLEG_LEAST_BUDGET);
    if (status == TLEG_OK && own.bytes == 0 && !(own.milliseconds > 0))
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "budget: give bytes, milliseconds above 0, or both");
    if (status == TLEG_OK)
        status = get_cost(context, expander, own.batch, own.milliseconds > 0, &cost);
    if (status != TLEG_OK)
        return status;
    int32_t by_bytes = own.bytes ? deepest_bytes(&cost, own.bytes) : TLEG_MAX_DEPTH;
    int32_t by_ms = own.milliseconds > 0 ? deepest_ms(&cost, own.milliseconds) : TLEG_MAX_DEPTH;
    int32_t found = by_bytes < by_ms ? by_bytes : by_ms;
    if (found < cost.least_depth) {
        double ms = cost.ms_fixed + cost.least_depth * cost.ms_per_layer;
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED,
                         "no depth fits: %d layers, the least, take %llu bytes and %lld microseconds", cost.least_depth,
                         (unsigned long long)(cost.bytes_fixed + (uint64_t)cost.least_depth * cost.bytes_per_layer),
                         (long long)(ms * 1e3));
    }
    *depth = found;
    return TLEG_OK;
}
