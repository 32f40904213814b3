/* What a depth costs in bytes and milliseconds. */
#include "learngene/cost.h"

#include "dit/pass/drawing.h"

#include <math.h>

/* The plan of a session over a model that need not be there, and of an elastic one. */
static tleg_status plan_sessions(tleg_context *context, const tleg_expander *e, int32_t batch, struct tleg_plan *stored,
                                 struct tleg_plan *elastic) {
    const tleg_session_options options = {.struct_size = sizeof options, .batch = batch};
    struct tleg_network network = {.kernels = e->kernels, .config = &e->config.c, .ends = tleg_ends_of(&e->config.c)};
    tleg_status status = tleg_session_plan(context, &network, &options, stored);
    tleg_expander_network(e, &network);
    return status == TLEG_OK ? tleg_session_plan(context, &network, &options, elastic) : status;
}

/* Of a generator, what it holds beside its session. */
static size_t drawing_bytes(const tleg_config *config, int32_t batch) {
    struct tleg_drawing_layout layout = {0};
    if (tleg_config_draws(config))
        tleg_drawing_lay_out(config, batch, &layout);
    return layout.bytes;
}

void tleg_cost_take_timings(const struct tleg_timing timing[TLEG_FORMS], tleg_cost *cost) {
    const struct tleg_timing *expanded = &timing[TLEG_FORM_EXPANDED], *elastic = &timing[TLEG_FORM_ELASTIC];
    cost->ms_fixed = expanded->fixed;
    cost->ms_per_layer = expanded->per_layer;
    cost->ms_elastic_fixed = elastic->fixed;
    cost->ms_elastic_per_layer = elastic->per_layer;
    cost->spread = fmax(expanded->spread, elastic->spread);
    cost->runs = !expanded->runs || (elastic->runs && elastic->runs < expanded->runs) ? elastic->runs : expanded->runs;
}

tleg_status tleg_cost_make(tleg_context *context, const tleg_expander *e, int32_t batch, const bool wanted[TLEG_FORMS],
                           tleg_cost *cost) {
    struct tleg_plan stored, elastic;
    struct tleg_timing timing[TLEG_FORMS] = {0};
    size_t fixed, layer;
    *cost = (tleg_cost){.struct_size = sizeof *cost, .least_depth = e->least_depth, .batch = batch ? batch : 1};
    if (batch < 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "cost: batch is %d, expected 1 or more", batch);
    tleg_status status = plan_sessions(context, e, cost->batch, &stored, &elastic);
    if (status == TLEG_OK && (wanted[TLEG_FORM_EXPANDED] || wanted[TLEG_FORM_ELASTIC]))
        status = tleg_expander_measure(context, e, cost->batch, wanted, timing);
    if (status != TLEG_OK)
        return status;
    tleg_model_bytes(e->kernels, &e->config, &fixed, &layer);
    const size_t drawing = drawing_bytes(&e->config.c, cost->batch);
    if (drawing == SIZE_MAX)
        return tleg_fail_memory(context, "generator", SIZE_MAX);
    cost->bytes_fixed = fixed + stored.bytes + drawing;
    cost->bytes_per_layer = layer;
    cost->bytes_elastic = tleg_expander_get_memory(e) + elastic.bytes + drawing;
    tleg_cost_take_timings(timing, cost);
    return TLEG_OK;
}

void tleg_cost_set_depth(const tleg_expander *e, int32_t depth, tleg_cost *cost) {
    size_t fixed, layer;
    tleg_model_bytes(e->kernels, &e->config, &fixed, &layer);
    const uint64_t expanding =
        tleg_expander_get_memory(e) + fixed + (uint64_t)depth * layer + tleg_expansion_layout(e, depth).bytes;
    cost->bytes = cost->bytes_fixed + (uint64_t)depth * cost->bytes_per_layer;
    cost->bytes_peak = expanding > cost->bytes ? expanding : cost->bytes;
    cost->parameters = tleg_expander_parameters(e, depth);
    cost->ms = cost->ms_fixed + depth * cost->ms_per_layer;
    cost->ms_elastic = cost->ms_elastic_fixed + depth * cost->ms_elastic_per_layer;
}

/* ---- public ---- */

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
                                                      int32_t batch, int32_t measure, tleg_cost *cost) {
    if (!context || !expander || !cost)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_get_cost: a pointer is NULL");
    if (depth != 0 && (depth < expander->least_depth || depth > TLEG_MAX_DEPTH))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "depth is %d, expected %d to %d, or 0 for the least", (int)depth,
                         (int)expander->least_depth, TLEG_MAX_DEPTH);
    tleg_cost own;
    const bool wanted[TLEG_FORMS] = {measure != 0, measure != 0};
    const tleg_status status = tleg_cost_make(context, expander, batch, wanted, &own);
    if (status != TLEG_OK)
        return status;
    tleg_cost_set_depth(expander, depth ? depth : expander->least_depth, &own);
    return tleg_info_write(context, "tleg_cost", &own, sizeof own, cost, TLEG_LEAST_COST);
}
