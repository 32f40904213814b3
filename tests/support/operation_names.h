/* RandAugment's operations under timm's names. */
#ifndef TLEG_TESTS_OPERATION_NAMES_H
#define TLEG_TESTS_OPERATION_NAMES_H

#include "augment/private.h"

static const char *const operation_names[TLEG_OPERATIONS] = {
    [TLEG_AUTO_CONTRAST] = "AutoContrast",
    [TLEG_EQUALIZE] = "Equalize",
    [TLEG_INVERT] = "Invert",
    [TLEG_ROTATE] = "Rotate",
    [TLEG_POSTERIZE] = "Posterize",
    [TLEG_SOLARIZE] = "Solarize",
    [TLEG_SOLARIZE_ADD] = "SolarizeAdd",
    [TLEG_COLOR] = "Color",
    [TLEG_CONTRAST] = "Contrast",
    [TLEG_BRIGHTNESS] = "Brightness",
    [TLEG_SHARPNESS] = "Sharpness",
    [TLEG_SHEAR_X] = "ShearX",
    [TLEG_SHEAR_Y] = "ShearY",
    [TLEG_TRANSLATE_X] = "TranslateX",
    [TLEG_TRANSLATE_Y] = "TranslateY",
};

#endif
