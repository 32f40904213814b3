/* The Fréchet distance between two clouds of features, taken as normal distributions. */
#ifndef TLEG_TOOLS_FRECHET_H
#define TLEG_TOOLS_FRECHET_H

#include <stddef.h>

/* Rows of finite features (count, dim), two or more. */
struct cloud {
    const float *rows;
    size_t count, dim;
};

struct frechet {
    double distance;    /* the sum of the two */
    double means;       /* |mean a - mean b|^2 */
    double covariances; /* tr(A + B - 2 (A B)^(1/2)) of the covariances A and B, with count - 1 */
    double traces;      /* tr(A + B) */
};

/* Of two clouds of one dim, in double; tr (A B)^(1/2) is the sum of the singular values of F G' where A = F'F and B = G'G.
 * 0, or MATRIX_* of base/matrix.h. */
int frechet_distance(const struct cloud *a, const struct cloud *b, struct frechet *found);

#endif
