/* What depths cost, between the files that count, measure and choose. */
#ifndef TLEG_LIB_LEARNGENE_COST_H
#define TLEG_LIB_LEARNGENE_COST_H

#include "learngene/expander.h"

/* Milliseconds of a run: fixed + depth * per_layer. */
struct tleg_timing {
    double fixed, per_layer, spread;
    int32_t runs; /* of each depth */
};
/* Runs at two depths, as many of each. */
struct tleg_runs {
    int32_t depth[2];
    double *ms[2];   /* by the clock, one after the other */
    double least[2]; /* that a run took of the processor itself, which is what counts (measure.c) */
};
void tleg_runs_begin(struct tleg_runs *runs);
/* The run at depth[which] of a turn. */
void tleg_runs_add(struct tleg_runs *runs, int which, int32_t turn, double ms, double of_processor);
/* Of `turns` turns, 1 or more; sorts their times. */
void tleg_timing_fit(struct tleg_runs *runs, int32_t turns, struct tleg_timing *timing);
/* What runs: a materialised model, or an elastic session, which forms each layer as it comes to it. */
enum tleg_form { TLEG_FORM_EXPANDED, TLEG_FORM_ELASTIC, TLEG_FORMS };
/* Measures those that are `wanted`; a timing of all zero is none. */
tleg_status tleg_expander_measure(tleg_context *context, const tleg_expander *expander, int32_t batch,
                                  const bool wanted[TLEG_FORMS], struct tleg_timing timing[TLEG_FORMS]);

/* What a cost says of both forms' timings. */
void tleg_cost_take_timings(const struct tleg_timing timing[TLEG_FORMS], tleg_cost *cost);
/* Counts bytes, and measures the forms that are `wanted`; batch 0 means 1. What depends on the depth is left to set_depth
 * (cost.c). */
tleg_status tleg_cost_make(tleg_context *context, const tleg_expander *expander, int32_t batch, const bool wanted[TLEG_FORMS],
                           tleg_cost *cost);
/* Sets what depends on the depth. */
void tleg_cost_set_depth(const tleg_expander *expander, int32_t depth, tleg_cost *cost);

#endif
