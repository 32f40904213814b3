/* PIL's affine transforms (Geometry.c) in its order of operations, which decides on which side of a border a pixel falls. */
#include "augment/private.h"

#include <math.h>
#include <string.h>

/* The cubic through b (d = 0) and c (d = 1) that PIL's BICUBIC draws: a = -1. */
static double cubic(double a, double b, double c, double d, double at) {
    const double p2 = -a + c, p3 = 2 * (a - b) + c - d, p4 = -a + b - c + d;
    return b + at * (p2 + at * (p3 + at * p4));
}

static uint8_t clip(double value) {
    return (uint8_t)(value <= 0 ? 0 : value >= 255 ? 255 : value);
}

static int32_t clamp(int32_t index, int32_t count) {
    return index < 0 ? 0 : index < count ? index : count - 1;
}

/* The values of `taps` columns and rows around a place, edges repeated. */
struct around {
    const uint8_t *row[4];
    size_t column[4]; /* in bytes */
    double dx, dy;    /* from the pixel before */
};

static struct around look_around(const struct tleg_canvas *canvas, double x, double y, int32_t taps) {
    const double left = floor(x - 0.5), top = floor(y - 0.5);
    struct around around = {.dx = x - 0.5 - left, .dy = y - 0.5 - top};
    const size_t stride = (size_t)canvas->width * 3;
    for (int32_t i = 0; i < taps; i++) {
        around.row[i] = canvas->spare + (size_t)clamp((int32_t)top + i + 1 - taps / 2, canvas->height) * stride;
        around.column[i] = (size_t)clamp((int32_t)left + i + 1 - taps / 2, canvas->width) * 3;
    }
    return around;
}

static void bicubic(const struct tleg_canvas *canvas, double x, double y, uint8_t out[3]) {
    const struct around around = look_around(canvas, x, y, 4);
    for (size_t c = 0; c < 3; c++) {
        double v[4];
        for (int i = 0; i < 4; i++) {
            const uint8_t *row = around.row[i] + c;
            v[i] = cubic(row[around.column[0]], row[around.column[1]], row[around.column[2]], row[around.column[3]], around.dx);
        }
        out[c] = clip(cubic(v[0], v[1], v[2], v[3], around.dy));
    }
}

static double linear(double a, double b, double at) {
    return a + (b - a) * at;
}

static void bilinear(const struct tleg_canvas *canvas, double x, double y, uint8_t out[3]) {
    const struct around around = look_around(canvas, x, y, 2);
    for (size_t c = 0; c < 3; c++) {
        double v[2];
        for (int i = 0; i < 2; i++)
            v[i] = linear(around.row[i][around.column[0] + c], around.row[i][around.column[1] + c], around.dx);
        out[c] = clip(linear(v[0], v[1], around.dy));
    }
}

void tleg_affine(const struct tleg_canvas *canvas, const double m[6]) {
    uint8_t *out = canvas->rgb;
    tleg_canvas_keep(canvas);
    for (int32_t row = 0; row < canvas->height; row++)
        for (int32_t column = 0; column < canvas->width; column++, out += 3) {
            const double x = m[0] * (column + 0.5) + m[1] * (row + 0.5) + m[2];
            const double y = m[3] * (column + 0.5) + m[4] * (row + 0.5) + m[5];
            if (!(x >= 0 && x < canvas->width && y >= 0 && y < canvas->height))
                memcpy(out, canvas->fill, 3);
            else if (canvas->filter == TLEG_BICUBIC)
                bicubic(canvas, x, y, out);
            else
                bilinear(canvas, x, y, out);
        }
}

/* One to three turns by 90 degrees, counter-clockwise; an odd number for squares alone. */
static void turn(const struct tleg_canvas *canvas, int32_t quarters) {
    const int32_t width = canvas->width, height = canvas->height;
    uint8_t *out = canvas->rgb;
    tleg_canvas_keep(canvas);
    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < width; x++, out += 3) {
            const int32_t row = quarters == 1 ? x : quarters == 2 ? height - 1 - y : height - 1 - x;
            const int32_t column = quarters == 1 ? width - 1 - y : quarters == 2 ? width - 1 - x : y;
            memcpy(out, canvas->spare + ((size_t)row * (size_t)width + (size_t)column) * 3, 3);
        }
}

/* degrees modulo 360 as Python has it: not negative; every step but the last is exact for a million degrees and less. */
static double wrap(double degrees) {
    const double rest = degrees - 360 * floor(degrees / 360);
    return rest < 0 ? rest + 360 : rest;
}

static double round15(double x) {
    return floor(x * 1e15 + 0.5) / 1e15;
}

void tleg_rotate(const struct tleg_canvas *canvas, double degrees) {
    const double angle = wrap(degrees);
    if (angle == 0)
        return;
    if (angle == 180 || (canvas->width == canvas->height && (angle == 90 || angle == 270))) {
        turn(canvas, (int32_t)angle / 90);
        return;
    }
    const double radians = -(angle * (3.141592653589793 / 180)), x = canvas->width / 2.0, y = canvas->height / 2.0;
    const double cosine = round15(tleg_portable_cos(radians)), sine = round15(tleg_portable_sin(radians));
    double m[] = {cosine, sine, 0, -sine, cosine, 0}; /* and the centre stays where it is */
    m[2] = m[0] * -x + m[1] * -y + x;
    m[5] = m[3] * -x + m[4] * -y + y;
    tleg_affine(canvas, m);
}
