/* Matrices of doubles, row-major: a factor of a covariance, products, singular values. */
#ifndef TLEG_TOOLS_MATRIX_H
#define TLEG_TOOLS_MATRIX_H

#include <stddef.h>

enum { MATRIX_MEMORY = -1, MATRIX_ENDLESS = -2 };

/* A factor of a symmetric matrix (n, n) without negative eigenvalues: the first `rank` rows of `factor` (n, n), F'F = matrix.
 * What is left of its diagonal (n) goes to `left`. A pivot that rounding alone can have made, at most n * 2^-52 of the largest
 * element, ends it: rows that a matrix of lower rank does not have are not made up. Returns the rank. */
size_t matrix_factor(const double *matrix, size_t n, double *factor, double *left);

/* c (a_rows, b_rows) = a b', of a (a_rows, n) and b (b_rows, n). */
void matrix_product(const double *a, size_t a_rows, const double *b, size_t b_rows, size_t n, double *c);

/* The sum of the singular values of a (rows, columns), either 1 or more; a is overwritten. The error is that of a few roundings
 * of the largest value for each. 0, or MATRIX_*: out of memory, or no convergence, as with numbers that are not finite. */
int matrix_singular_sum(double *a, size_t rows, size_t columns, double *sum);

#endif
