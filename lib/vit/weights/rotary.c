/* The angles of rotary positions, as cosines and sines; and positions that are computed. */
#include "vit/weights/weights.h"

#include <math.h>

static const double quarter_turn = 1.57079632679489661923;

size_t tleg_rotary_floats(const tleg_config *config) {
    if (!config->rotary)
        return 0;
    const struct tleg_extent grid = tleg_config_grid(config);
    return (size_t)(grid.height + grid.width) * (size_t)(tleg_config_head(config) / 2);
}

/* Where row or column `index` of `grid` is. */
static double place_of(const tleg_config *config, int32_t index, double grid) {
    static const double turn = 6.283185307179586477;
    if (config->rotary == TLEG_ROTARY_CENTRED)
        return turn * (2 * (index + 0.5) / grid - 1);
    return (index + config->rotary_offset) * (config->rotary_grid ? config->rotary_grid / grid : 1);
}

/* Of all rows, or of all columns: `grid` of them. */
static void fill_side(const tleg_config *config, int32_t grid, float *angles) {
    const int32_t quarter = tleg_config_head(config) / 4;
    for (int32_t index = 0; index < grid; index++, angles += 2 * quarter)
        for (int32_t k = 0; k < quarter; k++) {
            const double angle = place_of(config, index, grid) * pow(config->rotary_base, -(double)k / quarter);
            angles[k] = (float)sin(angle + quarter_turn); /* its cosine, without another function of the C library's */
            angles[quarter + k] = (float)sin(angle);
        }
}

void tleg_rotary_fill(const tleg_config *config, float *angles) {
    if (!config->rotary)
        return;
    const struct tleg_extent grid = tleg_config_grid(config);
    fill_side(config, grid.height, angles);
    fill_side(config, grid.width, angles + grid.height * (tleg_config_head(config) / 2));
}

void tleg_places_fill(const tleg_config *config, float *places) {
    const struct tleg_extent grid = tleg_config_grid(config);
    const int32_t quarter = config->dim / 4;
    for (int32_t patch = 0; patch < grid.height * grid.width; patch++, places += config->dim)
        for (int32_t k = 0; k < quarter; k++) {
            const double wave = pow(10000, -(double)k / (quarter - 1));
            const double x = patch % grid.width * wave, y = patch / grid.width * wave;
            places[k] = (float)sin(x);
            places[quarter + k] = (float)sin(x + quarter_turn);
            places[2 * quarter + k] = (float)sin(y);
            places[3 * quarter + k] = (float)sin(y + quarter_turn);
        }
}
