/* The way back: the learngene that comes closest to a model that is there. Not part of <tleg/tleg.h>.
 * EXPERIMENTAL: what this header declares may change in any version. */
#ifndef TLEG_LINEARIZE_H
#define TLEG_LINEARIZE_H

#include <tleg/learngene.h>
#include <tleg/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The gene whose layers come closest to a model's, by least squares: at each place of each site, the straight line over
 * (l-1)/L, l = 1..L, through the model's L values. r2 (r2_count, or NULL and 0) gets, site by site in the order of
 * tleg_site_key, the share of the layers' variance that the lines explain, weights and biases together (1 where the layers do
 * not differ), as many as there are sites and room; the rest of it is 0, and all of it on failure. The gene knows neither
 * depths nor scores: nobody has learned it. Errors: ARGUMENT (a model of
 * depth 1), NUMERIC (a weight that is not finite: the text names it), CANCELLED, MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_learngene_linearize(tleg_context *context, const tleg_model *model, double *r2,
                                                        int32_t r2_count, tleg_learngene **gene);

#ifdef __cplusplus
}
#endif

#endif
