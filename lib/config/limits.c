/* The defaults that do not depend on a file. */
#include "config/limits.h"
#include <string.h>
#include <tleg/config.h>

const char *const tleg_mlp_words[] = {"gelu", "quick_gelu", "gelu_tanh", "silu", "relu", NULL};
const char *const tleg_pool_words[] = {"mean",     "cls",      "attention", "patch_attention", "max", "mean_max",
                                       "cls_mean", "mean_all", NULL};
const char *const tleg_branch_norm_words[] = {"before", "after", "sum", NULL};
const char *const tleg_rotary_words[] = {"index", "centred", NULL};
const char *const tleg_interpolation_words[] = {"bicubic", "bilinear", "box", NULL};
const char *const tleg_fit_words[] = {"crop", "squash", "crop_floor", "squash_floor", NULL};

double tleg_default_rotary_base(int32_t rotary) {
    return rotary == TLEG_ROTARY_CENTRED ? 100 : 10000;
}

double tleg_default_crop(struct tleg_extent pixels) {
    return pixels.height <= 32 && pixels.width <= 32 ? 1.0 : 0.875;
}

static bool all_zero(const double values[3]) {
    return values[0] == 0 && values[1] == 0 && values[2] == 0;
}

void tleg_fill_plain_colours(double mean[3], double std[3]) {
    if (!all_zero(std))
        return;
    for (int k = 0; k < 3; k++)
        mean[k] = std[k] = 0.5;
}

void tleg_fill_colours(int32_t channels, double mean[3], double std[3]) {
    static const double imagenet[2][3] = {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
    for (int k = 1; channels == 1 && k < 3; k++) {
        mean[k] = mean[0];
        std[k] = std[0];
    }
    if (!all_zero(std))
        return;
    memcpy(std, imagenet[1], sizeof imagenet[1]);
    if (all_zero(mean))
        memcpy(mean, imagenet[0], sizeof imagenet[0]);
}
