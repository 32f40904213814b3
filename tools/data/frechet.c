/* Means, covariances and what they are apart. */
#include "frechet.h"

#include "base/matrix.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Of one cloud. */
struct moments {
    double *mean;   /* (dim) */
    double *factor; /* (rank, dim) in (dim, dim): factor' factor is the covariance */
    double trace;   /* of the covariance */
    size_t rank;
};

/* ---- sums over rows ---- */

enum { TOGETHER = 8 }; /* rows that go into the products at once */

static void find_mean(const struct cloud *cloud, double *mean) {
    memset(mean, 0, cloud->dim * sizeof *mean);
    for (size_t i = 0; i < cloud->count; i++)
        for (size_t d = 0; d < cloud->dim; d++)
            mean[d] += (double)cloud->rows[i * cloud->dim + d];
    for (size_t d = 0; d < cloud->dim; d++)
        mean[d] /= (double)cloud->count;
}

/* Rows from `first` on, less the mean, and zeros after the last: off (TOGETHER, dim). */
static void take_off(const struct cloud *cloud, size_t first, const double *mean, double *off) {
    for (size_t k = 0; k < TOGETHER; k++)
        for (size_t d = 0; d < cloud->dim; d++)
            off[k * cloud->dim + d] =
                first + k < cloud->count ? (double)cloud->rows[(first + k) * cloud->dim + d] - mean[d] : 0;
}

/* The lower half of off' off is added. */
static void add_products(double *restrict sums, const double *restrict off, size_t dim) {
    for (size_t a = 0; a < dim; a++) {
        double *row = sums + a * dim, x[TOGETHER];
        for (size_t k = 0; k < TOGETHER; k++)
            x[k] = off[k * dim + a];
        for (size_t b = 0; b <= a; b++) {
            const double *y = off + b;
            row[b] += ((x[0] * y[0] + x[1] * y[dim]) + (x[2] * y[2 * dim] + x[3] * y[3 * dim])) +
                      ((x[4] * y[4 * dim] + x[5] * y[5 * dim]) + (x[6] * y[6 * dim] + x[7] * y[7 * dim]));
        }
    }
}

static void find_covariance(const struct cloud *cloud, const double *mean, double *off, double *covariance) {
    const size_t dim = cloud->dim;
    memset(covariance, 0, dim * dim * sizeof *covariance);
    for (size_t i = 0; i < cloud->count; i += TOGETHER) {
        take_off(cloud, i, mean, off);
        add_products(covariance, off, dim);
    }
    for (size_t a = 0; a < dim; a++)
        for (size_t b = 0; b <= a; b++)
            covariance[b * dim + a] = covariance[a * dim + b] /= (double)cloud->count - 1;
}

/* covariance (dim, dim) and off (TOGETHER, dim) are scratch. */
static void find_moments(const struct cloud *cloud, double *off, double *covariance, struct moments *moments) {
    find_mean(cloud, moments->mean);
    find_covariance(cloud, moments->mean, off, covariance);
    moments->trace = 0;
    for (size_t d = 0; d < cloud->dim; d++)
        moments->trace += covariance[d * cloud->dim + d];
    moments->rank = matrix_factor(covariance, cloud->dim, moments->factor, off);
}

/* ---- the distance ---- */

/* scratch (dim, dim) */
static int compare(const struct moments *a, const struct moments *b, size_t dim, double *scratch, struct frechet *found) {
    double roots = 0;
    int failed = 0;
    found->means = 0;
    for (size_t d = 0; d < dim; d++)
        found->means += (a->mean[d] - b->mean[d]) * (a->mean[d] - b->mean[d]);
    if (a->rank > 0 && b->rank > 0) { /* neither is one point */
        matrix_product(a->factor, a->rank, b->factor, b->rank, dim, scratch);
        failed = matrix_singular_sum(scratch, a->rank, b->rank, &roots);
    }
    found->traces = a->trace + b->trace;
    found->covariances = fmax(0, found->traces - 2 * roots); /* less than 0 by rounding alone */
    found->distance = found->means + found->covariances;
    return failed;
}

int frechet_distance(const struct cloud *a, const struct cloud *b, struct frechet *found) {
    const size_t dim = a->dim;
    double *lines = calloc(dim, (TOGETHER + 2) * sizeof *lines), *squares[3];
    bool whole = lines != NULL;
    for (int i = 0; i < 3; i++)
        whole &= (squares[i] = dim > SIZE_MAX / sizeof(double) / dim ? NULL : malloc(dim * dim * sizeof(double))) != NULL;
    int failed = whole ? 0 : MATRIX_MEMORY;
    if (whole) {
        struct moments of_a = {.mean = lines, .factor = squares[0]}, of_b = {.mean = lines + dim, .factor = squares[1]};
        find_moments(a, lines + 2 * dim, squares[2], &of_a);
        find_moments(b, lines + 2 * dim, squares[2], &of_b);
        failed = compare(&of_a, &of_b, dim, squares[2], found);
    }
    for (int i = 0; i < 3; i++)
        free(squares[i]);
    free(lines);
    return failed;
}
