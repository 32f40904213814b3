#include "resize.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* One axis: output i is the sum of weights[i * taps + k] * input[first[i] + k]. */
struct axis {
    int32_t in, out, taps;
    int32_t *first;
    double *weights;
};

struct resize {
    struct axis across, down;
    float *middle; /* (rows, out_columns) */
};

struct filter {
    double support; /* it is 0 beyond, in pixels */
    double (*at)(double x);
};

/* Keys' cubic with a = -1/2 */
static double cubic(double x) {
    x = fabs(x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

static double triangle(double x) {
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double box(double x) {
    return x > -0.5 && x <= 0.5;
}

static struct filter filter_of(tleg_interpolation interpolation) {
    return interpolation == TLEG_INTERPOLATION_BILINEAR ? (struct filter){1, triangle}
           : interpolation == TLEG_INTERPOLATION_BOX    ? (struct filter){0.5, box}
                                                        : (struct filter){2, cubic};
}

/* Where the image shrinks, the filter is stretched over as many pixels as fall into one. */
static void weigh(const struct axis *axis, const struct filter *filter, int32_t i) {
    const double scale = (double)axis->in / axis->out, stretch = scale > 1 ? scale : 1;
    const double centre = (i + 0.5) * scale, low = centre - filter->support * stretch + 0.5;
    const int32_t first = low > 0 ? (int32_t)low : 0;
    const int32_t end = (int32_t)fmin(centre + filter->support * stretch + 0.5, axis->in);
    double *weights = axis->weights + (size_t)i * (size_t)axis->taps, sum = 0;
    axis->first[i] = first;
    for (int32_t k = 0; k < axis->taps; k++) {
        weights[k] = first + k < end ? filter->at((first + k + 0.5 - centre) / stretch) : 0;
        sum += weights[k];
    }
    for (int32_t k = 0; k < axis->taps; k++)
        weights[k] /= sum;
}

static bool make_axis(struct axis *axis, int32_t in, int32_t out, tleg_interpolation interpolation) {
    const struct filter filter = filter_of(interpolation);
    const double scale = (double)in / out;
    *axis = (struct axis){.in = in, .out = out, .taps = 2 * (int32_t)ceil(filter.support * (scale > 1 ? scale : 1)) + 1};
    axis->first = malloc((size_t)out * sizeof *axis->first);
    axis->weights = calloc((size_t)out, (size_t)axis->taps * sizeof *axis->weights);
    for (int32_t i = 0; axis->first && axis->weights && i < out; i++)
        weigh(axis, &filter, i);
    return axis->first && axis->weights;
}

struct resize *resize_start(int32_t rows, int32_t columns, int32_t out_rows, int32_t out_columns, tleg_interpolation filter) {
    struct resize *resize = calloc(1, sizeof *resize);
    if (!resize)
        return NULL;
    resize->middle = calloc((size_t)rows, (size_t)out_columns * sizeof *resize->middle);
    if (resize->middle && make_axis(&resize->across, columns, out_columns, filter) &&
        make_axis(&resize->down, rows, out_rows, filter))
        return resize;
    resize_end(resize);
    return NULL;
}

/* Output i of an axis whose inputs lie `step` apart. */
static float sum_of(const struct axis *axis, int32_t i, const float *in, size_t step) {
    const double *weights = axis->weights + (size_t)i * (size_t)axis->taps;
    const int32_t first = axis->first[i];
    const int32_t count = axis->taps < axis->in - first ? axis->taps : axis->in - first;
    double sum = 0;
    for (int32_t k = 0; k < count; k++)
        sum += weights[k] * (double)in[(size_t)(first + k) * step];
    return (float)sum;
}

void resize_plane(struct resize *resize, const float *plane, float *out) {
    const struct axis *across = &resize->across, *down = &resize->down;
    const size_t columns = (size_t)across->in, out_columns = (size_t)across->out;
    for (int32_t y = 0; y < down->in; y++)
        for (int32_t x = 0; x < across->out; x++)
            resize->middle[(size_t)y * out_columns + (size_t)x] = sum_of(across, x, plane + (size_t)y * columns, 1);
    for (int32_t y = 0; y < down->out; y++)
        for (size_t x = 0; x < out_columns; x++)
            out[(size_t)y * out_columns + x] = sum_of(down, y, resize->middle + x, out_columns);
}

void resize_end(struct resize *resize) {
    if (!resize)
        return;
    struct axis *axes[] = {&resize->across, &resize->down};
    for (int a = 0; a < 2; a++) {
        free(axes[a]->first);
        free(axes[a]->weights);
    }
    free(resize->middle);
    free(resize);
}
