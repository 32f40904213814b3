/* The arithmetic of Pillow's Resample.c: weights in double, normalised, rounded to 22 bits after the point; the horizontal
 * pass first; each pass rounded and cut to 0..255. An axis whose size does not change gets the single weight 1, which copies
 * its pixels, so that nothing is special about it. */
#include "image/resize.h"

#include <math.h>

#include "kernels/filter.h"

enum { PRECISION = 32 - 8 - 2 };

/* How much a source pixel counts at a distance, in pixels of the coarser side, and how far that goes. */
struct filter {
    double support;
    double (*weight)(double x);
};

static double triangle(double x) {
    x = x < 0.0 ? -x : x;
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double box(double x) {
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static const struct filter filters[] = {
    [TLEG_INTERPOLATION_BICUBIC] = {2.0, tleg_filter_cubic},
    [TLEG_INTERPOLATION_BILINEAR] = {1.0, triangle},
    [TLEG_INTERPOLATION_BOX] = {0.5, box},
};

static size_t axis_taps(const struct tleg_axis *axis, const struct filter *filter) {
    return (size_t)ceil(filter->support * tleg_filter_scale(axis->in, axis->resized)) * 2 + 1;
}

static struct tleg_reach axis_reach(const struct tleg_axis *axis, const struct filter *filter, int32_t i) {
    return tleg_filter_reach(filter->support, axis->in, axis->resized, axis->offset + i);
}

static double reach_weight(const struct tleg_reach *reach, const struct filter *filter, int32_t tap) {
    return filter->weight(tleg_reach_distance(reach, tap));
}

/* weights (out, 2 + taps): where the taps begin, how many there are, and their fixed-point weights. */
static void axis_weights(const struct tleg_axis *axis, const struct filter *filter, size_t taps, int32_t *weights) {
    for (int32_t i = 0; i < axis->out; i++, weights += 2 + taps) {
        const struct tleg_reach reach = axis_reach(axis, filter, i);
        double sum = 0.0;
        for (int32_t tap = 0; tap < reach.count; tap++)
            sum += reach_weight(&reach, filter, tap);
        weights[0] = reach.first;
        weights[1] = reach.count;
        for (int32_t tap = 0; tap < reach.count; tap++) {
            double weight = reach_weight(&reach, filter, tap);
            if (sum != 0.0)
                weight /= sum;
            weights[2 + tap] = (int32_t)((weight < 0 ? -0.5 : 0.5) + weight * (1 << PRECISION));
        }
    }
}

static uint8_t clip(int32_t sum) {
    if (sum < 0)
        return 0;
    return (uint8_t)(sum >> PRECISION > 255 ? 255 : sum >> PRECISION);
}

/* One source row, pixels of the host, to out (3, x.out). */
static void resize_colours(const struct tleg_axis *x, size_t taps, const int32_t *weights, const struct tleg_pixels *source,
                           const uint8_t *row, uint8_t *out) {
    const size_t width = (size_t)x->out;
    for (size_t i = 0; i < width; i++, weights += 2 + taps) {
        const uint8_t *pixel = row + (size_t)weights[0] * source->step;
        int32_t red = 1 << (PRECISION - 1), green = red, blue = red;
        for (int32_t tap = 0; tap < weights[1]; tap++, pixel += source->step) {
            red += pixel[source->channel[0]] * weights[2 + tap];
            green += pixel[source->channel[1]] * weights[2 + tap];
            blue += pixel[source->channel[2]] * weights[2 + tap];
        }
        out[i] = clip(red);
        out[width + i] = clip(green);
        out[2 * width + i] = clip(blue);
    }
}

/* The same to out (x.out), in grey. */
static void resize_grey(const struct tleg_axis *x, size_t taps, const int32_t *weights, const struct tleg_pixels *source,
                        const uint8_t *row, uint8_t *out) {
    const size_t width = (size_t)x->out;
    for (size_t i = 0; i < width; i++, weights += 2 + taps) {
        const uint8_t *pixel = row + (size_t)weights[0] * source->step;
        int32_t sum = 1 << (PRECISION - 1);
        for (int32_t tap = 0; tap < weights[1]; tap++, pixel += source->step)
            sum += tleg_pixels_grey(source, pixel) * weights[2 + tap];
        out[i] = clip(sum);
    }
}

/* `count` rows of `width` values, weighted, to one: row by row, so that the compiler can use vectors. */
static void blend_rows(const uint8_t *rows, size_t width, const int32_t *weights, int32_t count, int32_t *restrict sums,
                       uint8_t *restrict out) {
    for (size_t i = 0; i < width; i++)
        sums[i] = 1 << (PRECISION - 1);
    for (int32_t tap = 0; tap < count; tap++, rows += width)
        for (size_t i = 0; i < width; i++)
            sums[i] += rows[i] * weights[tap];
    for (size_t i = 0; i < width; i++)
        out[i] = clip(sums[i]);
}

/* Appends a part of count * size bytes to the scratch; *begin is where it lies. */
static bool append(struct tleg_resize *plan, size_t count, size_t size, size_t *begin) {
    size_t bytes;
    *begin = plan->bytes;
    if (!tleg_size_mul(count, size, &bytes) || bytes > SIZE_MAX - TLEG_ALIGN)
        return false;
    return tleg_size_add(plan->bytes, tleg_size_align(bytes), &plan->bytes);
}

bool tleg_resize_plan(const struct tleg_resizing *how, struct tleg_resize *plan) {
    const struct filter *filter = &filters[how->interpolation];
    const struct tleg_axis *x = &how->x, *y = &how->y;
    const struct tleg_reach top = axis_reach(y, filter, 0), bottom = axis_reach(y, filter, y->out - 1);
    *plan = (struct tleg_resize){
        .how = *how, .first_row = top.first, .x_taps = axis_taps(x, filter), .y_taps = axis_taps(y, filter)};
    plan->rows = bottom.first + bottom.count - top.first;
    const size_t width = (size_t)how->channels * (size_t)x->out;
    return append(plan, (size_t)x->out, (2 + plan->x_taps) * sizeof(int32_t), &plan->x_weights) &&
           append(plan, (size_t)y->out, (2 + plan->y_taps) * sizeof(int32_t), &plan->y_weights) &&
           append(plan, width, sizeof(int32_t), &plan->sums) && append(plan, width, 1, &plan->row) &&
           append(plan, (size_t)plan->rows, width, &plan->middle);
}

void tleg_resize_run(const struct tleg_resize *plan, const struct tleg_pixels *source, char *scratch,
                     void (*emit)(void *arg, int32_t row, const uint8_t *values), void *arg) {
    const struct filter *filter = &filters[plan->how.interpolation];
    const struct tleg_axis *x = &plan->how.x, *y = &plan->how.y;
    const size_t width = (size_t)plan->how.channels * (size_t)x->out;
    int32_t *x_weights = (int32_t *)(void *)(scratch + plan->x_weights);
    int32_t *y_weights = (int32_t *)(void *)(scratch + plan->y_weights);
    int32_t *sums = (int32_t *)(void *)(scratch + plan->sums);
    uint8_t *row = (uint8_t *)scratch + plan->row;
    uint8_t *middle = (uint8_t *)scratch + plan->middle;

    axis_weights(x, filter, plan->x_taps, x_weights);
    axis_weights(y, filter, plan->y_taps, y_weights);
    for (int32_t i = 0; i < plan->rows; i++)
        (plan->how.channels == 1 ? resize_grey : resize_colours)(x, plan->x_taps, x_weights, source,
                                                                 source->pixels + (plan->first_row + i) * source->stride,
                                                                 middle + (size_t)i * width);
    for (int32_t i = 0; i < y->out; i++, y_weights += 2 + plan->y_taps) {
        const uint8_t *rows = middle + (size_t)(y_weights[0] - plan->first_row) * width;
        blend_rows(rows, width, y_weights + 2, y_weights[1], sums, row);
        emit(arg, i, row);
    }
}
