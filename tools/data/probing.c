/* Nearest neighbours and ridge regression, in plain loops. */
#include "probing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t largest(const double *values, int32_t count) {
    int64_t best = 0;
    for (int32_t i = 1; i < count; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

/* ---- nearest neighbours ---- */

/* (count, dim), each row of length 1; NULL if memory ran out. */
static float *unit_rows(const struct rows *rows) {
    float *out = malloc(rows->count * rows->dim * sizeof *out);
    for (size_t i = 0; out && i < rows->count; i++) {
        const float *row = rows->features + i * rows->dim;
        double squares = 0;
        for (size_t d = 0; d < rows->dim; d++)
            squares += (double)row[d] * (double)row[d];
        const double scale = squares > 0 ? 1 / sqrt(squares) : 0;
        for (size_t d = 0; d < rows->dim; d++)
            out[i * rows->dim + d] = (float)((double)row[d] * scale);
    }
    return out;
}

/* Eight sums, so that the compiler can use vectors. */
static float dot(const float *a, const float *b, size_t count) {
    float sums[8] = {0};
    size_t d = 0;
    for (; d + 8 <= count; d += 8)
        for (size_t i = 0; i < 8; i++)
            sums[i] += a[d + i] * b[d + i];
    for (; d < count; d++)
        sums[0] += a[d] * b[d];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

struct neighbour {
    float cosine;
    size_t row;
};

/* The `most` nearest so far, the nearest first; of equals the earlier row. */
static size_t insert(struct neighbour *nearest, size_t count, size_t most, struct neighbour found) {
    size_t at = count;
    if (count == most && !(found.cosine > nearest[most - 1].cosine))
        return count;
    if (count < most)
        count++;
    else
        at = most - 1;
    for (; at > 0 && found.cosine > nearest[at - 1].cosine; at--)
        nearest[at] = nearest[at - 1];
    nearest[at] = found;
    return count;
}

static int64_t vote(const struct rows *learned, const float *units, const float *row, struct neighbour *nearest, size_t most,
                    double tau, double *votes) {
    size_t count = 0;
    for (size_t i = 0; i < learned->count; i++)
        count = insert(nearest, count, most, (struct neighbour){dot(row, units + i * learned->dim, learned->dim), i});
    memset(votes, 0, (size_t)learned->classes * sizeof *votes);
    for (size_t i = 0; i < count; i++)
        votes[learned->labels[nearest[i].row]] +=
            exp((double)(nearest[i].cosine - nearest[0].cosine) / tau); /* never infinite */
    return largest(votes, learned->classes);
}

int64_t probing_neighbours(const struct rows *learned, const struct rows *test, int32_t k, double tau) {
    float *units = unit_rows(learned), *asked = unit_rows(test);
    struct neighbour *nearest = malloc((size_t)k * sizeof *nearest);
    double *votes = malloc((size_t)learned->classes * sizeof *votes);
    const bool room = units && asked && nearest && votes;
    int64_t right = room ? 0 : -1;
    for (size_t i = 0; room && i < test->count; i++)
        right += vote(learned, units, asked + i * test->dim, nearest, (size_t)k, tau, votes) == test->labels[i];
    free(units);
    free(asked);
    free(nearest);
    free(votes);
    return right;
}

/* ---- the linear probe ---- */

struct ridge {
    size_t dim, classes;
    double *mean, *scale; /* (dim): of a feature; scale 0 where it never changes */
    double *gram;         /* (dim, dim): X'X / n, then its lower Cholesky factor */
    double *weight;       /* (dim, classes) */
    double *share;        /* (classes): what each class has of the rows */
    double *row, *scores; /* (dim), (classes) */
};

static void standardise(const struct ridge *r, const float *row) {
    for (size_t d = 0; d < r->dim; d++)
        r->row[d] = ((double)row[d] - r->mean[d]) * r->scale[d];
}

static void find_scales(const struct rows *rows, struct ridge *r) {
    const double n = (double)rows->count;
    for (size_t i = 0; i < rows->count; i++)
        for (size_t d = 0; d < r->dim; d++)
            r->mean[d] += (double)rows->features[i * r->dim + d] / n;
    for (size_t i = 0; i < rows->count; i++)
        for (size_t d = 0; d < r->dim; d++) {
            const double off = (double)rows->features[i * r->dim + d] - r->mean[d];
            r->scale[d] += off * off / n;
        }
    for (size_t d = 0; d < r->dim; d++) /* what is less is the rounding of a feature that never changes */
        r->scale[d] = r->scale[d] > 1e-12 * r->mean[d] * r->mean[d] ? 1 / sqrt(r->scale[d]) : 0;
    for (size_t i = 0; i < rows->count; i++)
        r->share[rows->labels[i]] += 1 / n;
}

/* The lower half of X'X / n, and X'(Y - share) / n. */
static void sum_products(const struct rows *rows, struct ridge *r) {
    const double n = (double)rows->count;
    for (size_t i = 0; i < rows->count; i++) {
        standardise(r, rows->features + i * r->dim);
        for (size_t a = 0; a < r->dim; a++) {
            const double x = r->row[a] / n;
            for (size_t b = 0; b <= a; b++)
                r->gram[a * r->dim + b] += x * r->row[b];
            for (size_t c = 0; c < r->classes; c++)
                r->weight[a * r->classes + c] -= x * r->share[c];
            r->weight[a * r->classes + (size_t)rows->labels[i]] += x;
        }
    }
}

/* False where the matrix has no factor. */
static bool factorise(const struct ridge *r, double ridge) {
    for (size_t a = 0; a < r->dim; a++) {
        double *row = r->gram + a * r->dim;
        row[a] += ridge;
        for (size_t b = 0; b <= a; b++) {
            const double *other = r->gram + b * r->dim;
            double sum = row[b];
            for (size_t k = 0; k < b; k++)
                sum -= row[k] * other[k];
            if (a == b && !(sum > 0))
                return false;
            row[b] = a == b ? sqrt(sum) : sum / other[b];
        }
    }
    return true;
}

/* weight becomes (L L')^-1 weight. */
static void solve(const struct ridge *r) {
    const size_t d = r->dim, c = r->classes;
    for (size_t a = 0; a < d; a++) {
        for (size_t k = 0; k < a; k++)
            for (size_t j = 0; j < c; j++)
                r->weight[a * c + j] -= r->gram[a * d + k] * r->weight[k * c + j];
        for (size_t j = 0; j < c; j++)
            r->weight[a * c + j] /= r->gram[a * d + a];
    }
    for (size_t a = d; a-- > 0;) {
        for (size_t k = a + 1; k < d; k++)
            for (size_t j = 0; j < c; j++)
                r->weight[a * c + j] -= r->gram[k * d + a] * r->weight[k * c + j];
        for (size_t j = 0; j < c; j++)
            r->weight[a * c + j] /= r->gram[a * d + a];
    }
}

static int64_t answer(const struct ridge *r, const float *row) {
    standardise(r, row);
    memcpy(r->scores, r->share, r->classes * sizeof *r->scores);
    for (size_t d = 0; d < r->dim; d++)
        for (size_t c = 0; c < r->classes; c++)
            r->scores[c] += r->row[d] * r->weight[d * r->classes + c];
    return largest(r->scores, (int32_t)r->classes);
}

int64_t probing_linear(const struct rows *learned, const struct rows *test, double ridge) {
    const size_t dim = learned->dim, classes = (size_t)learned->classes;
    double *memory = calloc(dim * (dim + classes + 3) + 2 * classes, sizeof *memory);
    if (!memory)
        return -1;
    struct ridge r = {.dim = dim, .classes = classes, .gram = memory, .weight = memory + dim * dim};
    r.mean = r.weight + dim * classes;
    r.scale = r.mean + dim;
    r.row = r.scale + dim;
    r.share = r.row + dim;
    r.scores = r.share + classes;
    find_scales(learned, &r);
    sum_products(learned, &r);
    int64_t right = factorise(&r, ridge) ? 0 : -2;
    if (right == 0)
        solve(&r);
    for (size_t i = 0; right >= 0 && i < test->count; i++)
        right += answer(&r, test->features + i * dim) == test->labels[i];
    free(memory);
    return right;
}
