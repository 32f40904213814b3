/* The first principal component of a few long vectors, such as the layers of a model. */
#ifndef TLEG_TOOLS_COMPONENT_H
#define TLEG_TOOLS_COMPONENT_H

#include <stdint.h>

/* Adds the products of `count` vectors, each taken from their mean: gram[i][j] += sum_k (v_i[k] - m[k]) (v_j[k] - m[k]), where
 * m is the mean over the vectors. Called piece by piece, it does not need the vectors whole. */
void component_add(int32_t count, int64_t length, const float *const *vectors, double *gram);

/* Where each vector lies along the first principal component, into scores (count); the share of the vectors' variance that
 * lies along it comes back. work: count numbers. All scores are 0 where the vectors do not differ. Of the two directions the
 * one in which later vectors tend to lie higher is taken. */
double component_find(int32_t count, const double *gram, double *scores, double *work);

#endif
