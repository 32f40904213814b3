/* The angles of rotary positions, as cosines and sines. */
#include "vit/weights/weights.h"

#include <math.h>

size_t tleg_rotary_floats(const tleg_config *config) {
    return config->rotary ? (size_t)tleg_config_grid(config) * (size_t)(tleg_config_head(config) / 2) : 0;
}

/* Where row or column `index` of the grid is. */
static double place_of(const tleg_config *config, int32_t index) {
    static const double turn = 6.283185307179586477;
    const double grid = tleg_config_grid(config);
    if (config->rotary == TLEG_ROTARY_CENTRED)
        return turn * (2 * (index + 0.5) / grid - 1);
    return (index + config->rotary_offset) * (config->rotary_grid ? config->rotary_grid / grid : 1);
}

void tleg_rotary_fill(const tleg_config *config, float *angles) {
    static const double quarter_turn = 1.57079632679489661923;
    const int32_t grid = tleg_config_grid(config), quarter = tleg_config_head(config) / 4;
    for (int32_t index = 0; index < grid && config->rotary; index++, angles += 2 * quarter)
        for (int32_t k = 0; k < quarter; k++) {
            const double angle = place_of(config, index) * pow(config->rotary_base, -(double)k / quarter);
            angles[k] = (float)sin(angle + quarter_turn); /* its cosine, without another function of the C library's */
            angles[quarter + k] = (float)sin(angle);
        }
}
