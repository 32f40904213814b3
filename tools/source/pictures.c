/* How pictures are prepared: what a call says, what a file says, and what nobody says. */
#include "pictures.h"

#include <stdio.h>
#include <string.h>

/* With it the largest input is the centre of a picture whose sides the library still resizes to. */
static const double least_crop = 1e-4;

static bool has_colours(const struct pictures *pictures) {
    return pictures && pictures->std[0] >= 0;
}

/* Colours go from 0 to 1. A std is that of the colours, or 1 where nothing is divided. */
static bool is_of_bytes(const struct pictures *pictures) {
    enum { LARGEST_STD = 2 };
    bool bytes = false;
    for (int i = 0; i < 3; i++)
        bytes = bytes || pictures->mean[i] > 1 || pictures->std[i] > LARGEST_STD;
    return bytes;
}

static int refuse_bytes(const struct invocation *call, const struct pictures *pictures) {
    const double *mean = pictures->mean, *std = pictures->std;
    return tool_misuse(call,
                       "--mean and --std are of colours from 0 to 1; found --mean %g,%g,%g --std %g,%g,%g; did you mean --mean "
                       "%.3g,%.3g,%.3g --std %.3g,%.3g,%.3g, which are these by 255?",
                       mean[0], mean[1], mean[2], std[0], std[1], std[2], mean[0] / 255, mean[1] / 255, mean[2] / 255,
                       std[0] / 255, std[1] / 255, std[2] / 255);
}

int pictures_settle(struct invocation *call, const struct pictures *pictures) {
    if ((pictures->mean[0] < 0) != (pictures->std[0] < 0))
        return tool_misuse(call, "--mean and --std go together");
    for (int i = 0; i < 3 && has_colours(pictures); i++)
        if (pictures->std[i] <= 0)
            return tool_misuse(call, "--std takes three numbers above 0");
    if (has_colours(pictures) && is_of_bytes(pictures))
        return refuse_bytes(call, pictures);
    if (pictures->crop > 1 || (pictures->crop > 0 && pictures->crop < least_crop))
        return tool_misuse(call, "--crop takes a share from %g to 1, such as 0.875", least_crop);
    call->pictures = pictures;
    return EXIT_DONE;
}

bool pictures_given(const struct pictures *pictures) {
    return pictures && (has_colours(pictures) || pictures->crop > 0 || pictures->interpolation || pictures->fit);
}

void pictures_apply(const struct pictures *pictures, tleg_config *config) {
    const tleg_preparation_options say = pictures_say(pictures, (struct extent){0});
    if (has_colours(pictures)) {
        memcpy(config->mean, say.mean, sizeof config->mean);
        memcpy(config->std, say.std, sizeof config->std);
    }
    config->crop = say.crop > 0 ? say.crop : config->crop;
    config->interpolation = say.interpolation ? say.interpolation : config->interpolation;
    config->fit = say.fit ? say.fit : config->fit;
}

tleg_preparation_options pictures_say(const struct pictures *pictures, struct extent image) {
    tleg_preparation_options say = {.struct_size = sizeof say, .image_size = image.height, .image_width = image.width};
    if (!pictures)
        return say;
    say.crop = pictures->crop;
    say.interpolation = pictures->interpolation;
    say.fit = pictures->fit;
    for (int i = 0; i < 3 && has_colours(pictures); i++) {
        say.mean[i] = pictures->mean[i];
        say.std[i] = pictures->std[i];
    }
    return say;
}

void pictures_note(const struct invocation *call, const char *path, const tleg_config *config) {
    const bool colours = config->assumed & TLEG_ASSUMED_COLOURS, crop = config->assumed & TLEG_ASSUMED_CROP;
    char text[96] = "";
    if (!colours && !crop)
        return;
    if (colours)
        strcat(text, "ImageNet's mean and std");
    if (config->assumed & TLEG_ASSUMED_FILTER)
        strcat(strcat(text, *text ? ", " : ""), option_choice_name(option_interpolations, config->interpolation));
    if (crop)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%scrop %g", *text ? ", " : "", config->crop);
    tool_note(call,
              "%s does not say how its pictures were prepared: taken as %s (--mean, --std, --crop, --interpolation and --fit "
              "say otherwise)",
              path, text);
}
