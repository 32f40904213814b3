/* The first principal component, from the products of all pairs of vectors. */
#include "component.h"

#include <math.h>
#include <string.h>

enum { PIECE = 64 };

/* gram += the products of one piece, centred: places [from, from + length) of all vectors, length <= PIECE. */
static void add_piece(int32_t count, int64_t from, int64_t length, const float *const *vectors, double *gram) {
    double mean[PIECE] = {0};
    for (int32_t i = 0; i < count; i++)
        for (int64_t k = 0; k < length; k++)
            mean[k] += (double)vectors[i][from + k];
    for (int64_t k = 0; k < length; k++)
        mean[k] /= count;
    for (int32_t i = 0; i < count; i++) {
        double centred[PIECE];
        for (int64_t k = 0; k < length; k++)
            centred[k] = (double)vectors[i][from + k] - mean[k];
        for (int32_t j = 0; j <= i; j++) {
            double sum = 0;
            for (int64_t k = 0; k < length; k++)
                sum += centred[k] * ((double)vectors[j][from + k] - mean[k]);
            gram[i * count + j] += sum;
            if (i != j)
                gram[j * count + i] += sum;
        }
    }
}

void component_add(int32_t count, int64_t length, const float *const *vectors, double *gram) {
    for (int64_t from = 0; from < length; from += PIECE)
        add_piece(count, from, length - from < PIECE ? length - from : PIECE, vectors, gram);
}

/* v = v / |v|; the norm comes back. */
static double normalise(int32_t count, double *v) {
    double square = 0;
    for (int32_t i = 0; i < count; i++)
        square += v[i] * v[i];
    const double norm = sqrt(square);
    for (int32_t i = 0; norm > 0 && i < count; i++)
        v[i] /= norm;
    return norm;
}

static void multiply(int32_t count, const double *gram, const double *v, double *out) {
    for (int32_t i = 0; i < count; i++) {
        out[i] = 0;
        for (int32_t j = 0; j < count; j++)
            out[i] += gram[i * count + j] * v[j];
    }
}

/* The gram matrix has the variance along the component as its largest eigenvalue, and the scores are its eigenvector times the
 * root of that. The power method finds it: v = G v / |G v|, from the longest column of G on, until v stays. */
double component_find(int32_t count, const double *gram, double *scores, double *work) {
    double trace = 0, value = 0, moved = 1, rising = 0;
    int32_t longest = 0;
    for (int32_t i = 0; i < count; i++) {
        trace += gram[i * count + i];
        if (gram[i * count + i] > gram[longest * count + longest])
            longest = i;
    }
    memcpy(scores, gram + longest * count, (size_t)count * sizeof *scores);
    if (!(trace > 0) || normalise(count, scores) == 0) {
        memset(scores, 0, (size_t)count * sizeof *scores);
        return 0;
    }
    for (int step = 0; step < 5000 && moved > 1e-12; step++) {
        multiply(count, gram, scores, work);
        value = normalise(count, work);
        moved = 0;
        for (int32_t i = 0; i < count; i++) {
            moved += fabs(work[i] - scores[i]);
            scores[i] = work[i];
        }
    }
    for (int32_t i = 0; i < count; i++)
        rising += (2 * i - (count - 1)) * scores[i];
    const double length = rising < 0 ? -sqrt(value) : sqrt(value);
    for (int32_t i = 0; i < count; i++)
        scores[i] *= length;
    return value / trace;
}
