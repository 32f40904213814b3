/* The defaults that do not depend on a file. */
#include "config/limits.h"
#include <string.h>

double tleg_default_crop(int32_t image_size) {
    return image_size <= 32 ? 1.0 : 0.875;
}

void tleg_default_colours(double mean[3], double std[3]) {
    const double m[3] = {0.485, 0.456, 0.406}, s[3] = {0.229, 0.224, 0.225}; /* ImageNet's */
    memcpy(mean, m, sizeof m);
    memcpy(std, s, sizeof s);
}
