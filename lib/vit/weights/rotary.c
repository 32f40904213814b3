/* The angles of rotary positions, as cosines and sines. */
#include "vit/weights/weights.h"

#include <math.h>

size_t tleg_rotary_floats(const tleg_config *config) {
    const int64_t shape[] = {tleg_config_grid(config), tleg_config_grid(config), tleg_config_head(config)};
    size_t count = 0;
    if (config->rotary && !tleg_size_product(shape, 3, &count))
        return SIZE_MAX;
    return count;
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
    const int32_t grid = tleg_config_grid(config), pairs = tleg_config_head(config) / 2, quarter = pairs / 2;
    if (!config->rotary)
        return;
    for (int32_t patch = 0; patch < grid * grid; patch++, angles += 2 * pairs)
        for (int32_t pair = 0; pair < pairs; pair++) {
            const bool column = (pair < quarter) == (config->rotary_x_first != 0);
            const double place = place_of(config, column ? patch % grid : patch / grid);
            const double angle = place * pow(config->rotary_base, -(double)(pair % quarter) / quarter);
            angles[pair] = (float)sin(angle + quarter_turn); /* its cosine, without another function of the C library's */
            angles[pairs + pair] = (float)sin(angle);
        }
}
