/* Cholesky with pivots; Householder's reflections to two diagonals, and QR steps from there. Golub and Van Loan, Matrix
 * Computations, 4.2.8, 5.4.8, 8.3.5 and 8.6.1. */
#include "matrix.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Eight sums, so that the compiler can use vectors. */
static double dot(const double *a, const double *b, size_t count) {
    double sums[8] = {0};
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (size_t k = 0; k < 8; k++)
            sums[k] += a[i + k] * b[i + k];
    for (; i < count; i++)
        sums[0] += a[i] * b[i];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/* to += factor * from */
static void add_scaled(double *restrict to, const double *restrict from, double factor, size_t count) {
    for (size_t i = 0; i < count; i++)
        to[i] += factor * from[i];
}

/* ---- a factor ---- */

static size_t largest(const double *values, size_t count) {
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

size_t matrix_factor(const double *matrix, size_t n, double *factor, double *left) {
    size_t rank = 0;
    for (size_t i = 0; i < n; i++)
        left[i] = matrix[i * n + i];
    const double least = (double)n * DBL_EPSILON * left[largest(left, n)];
    for (; rank < n; rank++) {
        const size_t pivot = largest(left, n);
        double *row = factor + rank * n;
        if (!(left[pivot] > least))
            break;
        const double root = sqrt(left[pivot]);
        memcpy(row, matrix + pivot * n, n * sizeof *row);
        for (size_t k = 0; k < rank; k++)
            add_scaled(row, factor + k * n, -factor[k * n + pivot], n);
        for (size_t i = 0; i < n; i++) {
            row[i] = i == pivot ? root : row[i] / root;
            left[i] -= row[i] * row[i];
        }
        left[pivot] = 0;
    }
    return rank;
}

void matrix_product(const double *a, size_t a_rows, const double *b, size_t b_rows, size_t n, double *c) {
    enum { BLOCK = 16 }; /* rows of b that stay in the nearest cache */
    for (size_t first = 0; first < b_rows; first += BLOCK)
        for (size_t i = 0; i < a_rows; i++)
            for (size_t j = first; j < b_rows && j < first + BLOCK; j++)
                c[i * b_rows + j] = dot(a + i * n, b + j * n, n);
}

/* ---- two diagonals ---- */

/* v (n) becomes that of the reflection I - scale v v', which takes what v was to a multiple of the first axis. Returns the
 * multiple. */
static double reflect(double *v, size_t n, double *scale) {
    const double length = sqrt(dot(v, v, n)), end = v[0] > 0 ? -length : length;
    *scale = 0;
    if (length == 0)
        return 0;
    v[0] -= end;
    *scale = -1 / (end * v[0]);
    return end;
}

/* Column j is reflected to its diagonal, and with it what is right of it. v (rows), w (columns). */
static double reflect_column(double *a, size_t rows, size_t columns, size_t j, double *v, double *w) {
    const size_t rest = columns - j - 1;
    double scale;
    for (size_t i = j; i < rows; i++)
        v[i - j] = a[i * columns + j];
    const double end = reflect(v, rows - j, &scale);
    memset(w, 0, rest * sizeof *w);
    for (size_t i = j; i < rows; i++)
        add_scaled(w, a + i * columns + j + 1, v[i - j], rest);
    for (size_t i = j; i < rows; i++)
        add_scaled(a + i * columns + j + 1, w, -scale * v[i - j], rest);
    return end;
}

/* Row j, right of the diagonal, is reflected to its first number, and with it what is below. */
static double reflect_row(double *a, size_t rows, size_t columns, size_t j) {
    const size_t rest = columns - j - 1;
    double *v = a + j * columns + j + 1, scale;
    const double end = reflect(v, rest, &scale);
    for (size_t i = j + 1; i < rows; i++) {
        double *row = a + i * columns + j + 1;
        add_scaled(row, v, -scale * dot(row, v, rest), rest);
    }
    return end;
}

/* ---- singular values ---- */

/* One implicit QR step on rows first to last of a symmetric matrix of three diagonals, with Wilkinson's shift. */
static void step(double *diagonal, double *beside, size_t first, size_t last) {
    const double half = (diagonal[last - 1] - diagonal[last]) / 2, b = beside[last - 1];
    const double shift = diagonal[last] - b * b / (half + copysign(hypot(half, b), half));
    double x = diagonal[first] - shift, z = beside[first];
    for (size_t k = first; k < last; k++) {
        const double length = hypot(x, z), c = length > 0 ? x / length : 1, s = length > 0 ? z / length : 0;
        const double p = diagonal[k], q = beside[k], r = diagonal[k + 1];
        if (k > first)
            beside[k - 1] = length;
        diagonal[k] = c * c * p + 2 * c * s * q + s * s * r;
        diagonal[k + 1] = s * s * p - 2 * c * s * q + c * c * r;
        beside[k] = c * s * (r - p) + (c - s) * (c + s) * q;
        if (k + 1 < last) {
            x = beside[k];
            z = s * beside[k + 1];
            beside[k + 1] *= c;
        }
    }
}

/* The eigenvalues of such a matrix (n, n) end on its diagonal. `tiny` beside the diagonal counts as zero. */
static int find_eigenvalues(double *diagonal, double *beside, size_t n, double tiny) {
    size_t last = n - 1, steps = 0;
    while (last > 0) {
        size_t first = last;
        while (first > 0 && !(fabs(beside[first - 1]) <= tiny))
            first--;
        if (first == last) {
            last--;
            continue;
        }
        if (++steps > 60 * n)
            return MATRIX_ENDLESS;
        step(diagonal, beside, first, last);
    }
    return 0;
}

/* The singular values of a matrix of two diagonals d and e are, with either sign, the eigenvalues of the symmetric one that has
 * d0, e0, d1, e1 ... beside a diagonal of zeros. They are never squared, so that small ones are as exact as large ones. */
int matrix_singular_sum(double *a, size_t rows, size_t columns, double *sum) {
    const size_t count = rows < columns ? rows : columns, size = 2 * count + (rows < columns);
    double *memory = calloc(rows + columns + 2 * size, sizeof *memory), most = 0;
    if (!memory)
        return MATRIX_MEMORY;
    double *w = memory + rows, *diagonal = w + columns, *beside = diagonal + size;
    for (size_t j = 0; j < count; j++) {
        beside[2 * j] = reflect_column(a, rows, columns, j, memory, w);
        if (j + 1 < columns)
            beside[2 * j + 1] = reflect_row(a, rows, columns, j);
    }
    for (size_t i = 0; i + 1 < size; i++)
        most = fmax(most, fabs(beside[i]));
    const int failed = find_eigenvalues(diagonal, beside, size, DBL_EPSILON * most);
    *sum = 0;
    for (size_t i = 0; i < size; i++)
        *sum += fabs(diagonal[i]) / 2;
    free(memory);
    return failed;
}
