/* Factors, singular values, and the distance of two clouds. Compiled with tools/base/matrix.c and tools/data/frechet.c. */
#include "support/support.h"

#include "base/matrix.h"
#include "data/frechet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers in -1 to 1 that look random. */
static double noise(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 33) / (double)(1u << 30) - 1;
}

static void near(double found, double right, double within) {
    if (!(fabs(found - right) <= within))
        fail_msg("found %.17g, expected %.17g within %g", found, right, within);
}

static double *matrix_of(size_t rows, size_t columns, uint64_t seed) {
    double *a = malloc(rows * columns * sizeof *a);
    assert_non_null(a);
    for (size_t i = 0; i < rows * columns; i++)
        a[i] = noise(&seed);
    return a;
}

/* ---- singular values ---- */

/* By Jacobi's rotations of pairs of rows until all are orthogonal: slow, and another way than the tool's. */
static double jacobi_sum(double *a, size_t rows, size_t columns) {
    double sum = 0;
    for (int round = 0; round < 40; round++)
        for (size_t p = 0; p < rows; p++)
            for (size_t q = p + 1; q < rows; q++) {
                double *x = a + p * columns, *y = a + q * columns, xx = 0, yy = 0, xy = 0;
                for (size_t i = 0; i < columns; i++) {
                    xx += x[i] * x[i];
                    yy += y[i] * y[i];
                    xy += x[i] * y[i];
                }
                const double angle = atan2(2 * xy, xx - yy) / 2, c = cos(angle), s = sin(angle);
                for (size_t i = 0; i < columns; i++) {
                    const double old = x[i];
                    x[i] = c * old + s * y[i];
                    y[i] = c * y[i] - s * old;
                }
            }
    for (size_t p = 0; p < rows; p++) {
        double squares = 0;
        for (size_t i = 0; i < columns; i++)
            squares += a[p * columns + i] * a[p * columns + i];
        sum += sqrt(squares);
    }
    return sum;
}

static void singular_values_of_any_shape_sum_up_as_jacobis_do(void **state) {
    (void)state;
    static const size_t shapes[][2] = {{1, 1}, {1, 7}, {7, 1}, {2, 2}, {2, 3}, {3, 2}, {5, 5}, {9, 17}, {17, 9}, {33, 31}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const size_t rows = shapes[i][0], columns = shapes[i][1];
        double *a = matrix_of(rows, columns, i), *again = matrix_of(rows, columns, i), sum;
        assert_int_equal(matrix_singular_sum(a, rows, columns, &sum), 0);
        near(sum, jacobi_sum(again, rows, columns), 1e-13 * sum);
        free(a);
        free(again);
    }
}

static void singular_values_of_low_rank_and_of_zeros(void **state) {
    (void)state;
    double zeros[12] = {0}, ones[20], sum;
    assert_int_equal(matrix_singular_sum(zeros, 4, 3, &sum), 0);
    assert_true(sum == 0);
    for (size_t i = 0; i < 20; i++)
        ones[i] = 1;
    assert_int_equal(matrix_singular_sum(ones, 4, 5, &sum), 0);
    near(sum, sqrt(20), 1e-14);
    double diagonal[9] = {1e12, 0, 0, 0, -1, 0, 0, 0, 1e-3};
    assert_int_equal(matrix_singular_sum(diagonal, 3, 3, &sum), 0);
    near(sum - 1e12, 1.001, 1e-3);
}

static void numbers_that_are_not_finite_end(void **state) {
    (void)state;
    double a[4] = {1, NAN, 2, 3}, sum;
    assert_int_equal(matrix_singular_sum(a, 2, 2, &sum), MATRIX_ENDLESS);
}

/* ---- the factor ---- */

static void a_factor_multiplies_to_its_matrix_and_has_its_rank(void **state) {
    (void)state;
    enum { N = 19 };
    for (size_t rank = 0; rank <= N; rank += rank ? 6 : 1) {
        double *x = matrix_of(rank + 1, N, rank), s[N * N] = {0}, factor[N * N], left[N];
        for (size_t k = 0; k < rank; k++)
            for (size_t i = 0; i < N; i++)
                for (size_t j = 0; j < N; j++)
                    s[i * N + j] += x[k * N + i] * x[k * N + j];
        assert_int_equal(matrix_factor(s, N, factor, left), rank);
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < N; j++) {
                double sum = 0;
                for (size_t k = 0; k < rank; k++)
                    sum += factor[k * N + i] * factor[k * N + j];
                near(sum, s[i * N + j], 1e-13 * N);
            }
        free(x);
    }
}

/* ---- the distance ---- */

enum { DIM = 21 };

/* Pairs of points on the axes at both sides of the mean, turned by a reflection: their covariance has the eigenvalues
 * spread[d]^2, and eigenvectors that no axis has. (2 DIM, DIM) */
static void place(float *rows, const double *spread, double mean) {
    double v[DIM], squares = 0;
    for (size_t d = 0; d < DIM; d++) {
        v[d] = 1 + (double)(d % 4);
        squares += v[d] * v[d];
    }
    for (size_t d = 0; d < DIM; d++)
        for (size_t i = 0; i < DIM; i++) {
            const double at = sqrt((2 * DIM - 1) / 2.) * spread[d] * ((d == i) - 2 * v[d] * v[i] / squares);
            rows[2 * d * DIM + i] = (float)(mean + at);
            rows[(2 * d + 1) * DIM + i] = (float)(mean - at);
        }
}

static struct frechet distance_of(const float *a, size_t a_count, const float *b, size_t b_count, size_t dim) {
    const struct cloud of_a = {a, a_count, dim}, of_b = {b, b_count, dim};
    struct frechet found, turned;
    assert_int_equal(frechet_distance(&of_a, &of_b, &found), 0);
    assert_int_equal(frechet_distance(&of_b, &of_a, &turned), 0);
    near(turned.distance, found.distance, 1e-12 * found.traces);
    assert_true(turned.means == found.means && turned.traces == found.traces);
    assert_true(found.distance == found.means + found.covariances);
    return found;
}

/* Where eigenvectors are the same, each adds the square of what its deviations differ by. */
static void distances_that_are_known_in_closed_form(void **state) {
    (void)state;
    float a[2 * DIM * DIM], b[2 * DIM * DIM];
    double of_a[DIM], of_b[DIM], right = 0, traces = 0;
    for (size_t d = 0; d < DIM; d++) {
        of_a[d] = d % 5 == 4 ? 0 : 1 + (double)(d % 3);
        of_b[d] = d % 7 == 3 ? 0 : 1 / (1. + (double)d);
        right += (of_a[d] - of_b[d]) * (of_a[d] - of_b[d]);
        traces += of_a[d] * of_a[d] + of_b[d] * of_b[d];
    }
    place(a, of_a, 0);
    place(b, of_b, .5);
    const struct frechet found = distance_of(a, (size_t)2 * DIM, b, (size_t)2 * DIM, DIM);
    near(found.means, DIM * .25, 1e-6); /* the rows are rounded to floats */
    near(found.covariances, right, 2e-6 * traces);
    near(found.traces, traces, 1e-6 * traces);
    const float narrow[] = {-1, 1}, wide[] = {2, 8, 5}; /* deviations of sqrt 2 and 3 */
    near(distance_of(narrow, 2, wide, 3, 1).distance, 25 + (3 - sqrt(2)) * (3 - sqrt(2)), 1e-12);
    near(distance_of(narrow, 2, wide, 3, 1).means, 25, 1e-12);
}

/* Clouds on lines that meet at a right angle have no root in common. */
static void covariances_without_a_common_direction(void **state) {
    (void)state;
    const float a[] = {-1, 0, 0, 1, 0, 0}, b[] = {0, 3, 0, 0, -3, 0}, point[] = {1, 2, 2, 1, 2, 2};
    near(distance_of(a, 2, b, 2, 3).distance, 2 + 18, 1e-12);
    near(distance_of(a, 2, point, 2, 3).distance, 9 + 2, 1e-12);
    near(distance_of(point, 2, point, 2, 3).distance, 0, 0);
}

/* With more rows than features and with fewer; the mean is far from 0, as features' may be. */
static void a_cloud_is_at_0_from_itself_and_from_itself_in_another_order(void **state) {
    (void)state;
    static const size_t shapes[][2] = {{2, 5}, {9, 40}, {40, 40}, {41, 40}, {200, 40}, {300, 1}, {77, 130}};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        const size_t count = shapes[k][0], dim = shapes[k][1];
        float *rows = malloc(count * dim * sizeof *rows), *turned = malloc(count * dim * sizeof *turned);
        uint64_t seed = k;
        assert_true(rows && turned);
        for (size_t i = 0; i < count * dim; i++)
            rows[i] = (float)(100 + noise(&seed) * pow(.8, (double)(i % dim)));
        for (size_t i = 0; i < count; i++)
            memcpy(turned + i * dim, rows + (count - 1 - i) * dim, dim * sizeof *rows);
        const struct frechet same = distance_of(rows, count, rows, count, dim);
        near(same.distance, 0, 1e-12 * same.traces);
        near(distance_of(rows, count, turned, count, dim).distance, 0, 1e-9 * same.traces);
        free(rows);
        free(turned);
    }
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(singular_values_of_any_shape_sum_up_as_jacobis_do),
        cmocka_unit_test(singular_values_of_low_rank_and_of_zeros),
        cmocka_unit_test(numbers_that_are_not_finite_end),
        cmocka_unit_test(a_factor_multiplies_to_its_matrix_and_has_its_rank),
        cmocka_unit_test(distances_that_are_known_in_closed_form),
        cmocka_unit_test(covariances_without_a_common_direction),
        cmocka_unit_test(a_cloud_is_at_0_from_itself_and_from_itself_in_another_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
