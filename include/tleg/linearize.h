/* The way back: the learngene that comes closest to a model that is there. Not part of <tleg/tleg.h>.
 * EXPERIMENTAL: what this header declares may change in any version. */
#ifndef TLEG_LINEARIZE_H
#define TLEG_LINEARIZE_H

#include <tleg/learngene.h>
#include <tleg/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What this is for: a measurement, and a start for learning. The layers of a Transformer that was trained without a learngene
 * lie on no line (of 12 layers a line explains what it would of unrelated ones, R^2 about 1/11), and what is expanded from the
 * closest gene answers by chance, until the gene has learned from the model, as its teacher, for some epochs.
 *
 * The gene whose layers come closest to a model's, by least squares: at each place of each site, the straight line over
 * (l-1)/L, l = 1..L, through the model's L values. r2 (r2_count, or NULL and 0) gets, site by site in the order of
 * tleg_site_key, R^2: the share of the layers' squared distance from their mean over depth that the lines explain, weights and
 * biases together (1 where the layers do not differ), as many as there are sites and room; the rest of it is 0, and all of it
 * on failure. The gene knows neither depths nor scores: nobody has learned it. Errors: ARGUMENT (a model of depth 1), NUMERIC
 * (a weight that is not finite: the text names it), CANCELLED, MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_learngene_linearize(tleg_context *context, const tleg_model *model, double *r2,
                                                        int32_t r2_count, tleg_learngene **gene);

/* The same for any schedule (learngene.h), "" or NULL being the lines above: each segment's K tensors are those whose layers
 * come closest to the model's, whose depth is shared out among the segments as at an expansion. r2 (sites, tensors) gets R^2
 * for 1, 2, ..., `tensors` (1 to 16) of a segment's tensors, the later ones left out; segments that have fewer count with all
 * of theirs. Of one segment for all layers the first number is 0: one tensor is the mean. K tensors explain about (K-1)/(L-1)
 * of L unrelated layers, and all of L = K.
 *
 * R^2 is that of exact tensors. A gene holds them in f32 and is expanded in f32: with "cosine" it gives back what R^2 says. The
 * tensors of "power" and "chebyshev" cancel each other the more, the more of them there are and the closer K is to L: what f32
 * loses of more than two is weighed against what they explain, and of 12 unrelated layers 12 tensors give back some 0.9 where
 * R^2 is 1. To know what a gene gives back, expand it and compare.
 * Errors: as above; ARGUMENT also where a segment has fewer layers than tensors, or the model fewer than there are segments;
 * FORMAT and UNSUPPORTED of the schedule, as when it is read from a file.
 *
 *     double r2[6 * 4];
 *     tleg_learngene_fit(context, model, "{\"qkv\":[[12,\"cosine\",4]]}", 4, r2, 6 * 4, &gene); */
TLEG_API tleg_status TLEG_CALL tleg_learngene_fit(tleg_context *context, const tleg_model *model, const char *schedule,
                                                  int32_t tensors, double *r2, int32_t r2_count, tleg_learngene **gene);

#ifdef __cplusplus
}
#endif

#endif
