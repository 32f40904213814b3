/* How pictures are prepared, as a call says it in place of the file. */
#ifndef TLEG_TOOLS_SOURCE_PICTURES_H
#define TLEG_TOOLS_SOURCE_PICTURES_H

#include "base/options.h"

/* Zero, and a negative first number of mean and std: not given. */
struct pictures {
    double mean[3], std[3], crop;
    int32_t interpolation, fit;
};
#define PICTURES_NONE                                                                                                          \
    {                                                                                                                          \
        .mean = {-1}, .std = { -1 }                                                                                            \
    }

/* The options that fill it, for a verb's table, and their lines in its help. */
#define PICTURES_OPTIONS(p)                                                                                                    \
    {"--mean", OPTION_TRIPLE, (p).mean, 0, 0, NULL}, {"--std", OPTION_TRIPLE, (p).std, 0, 0, NULL},                            \
        {"--crop", OPTION_REAL, &(p).crop, 0, 0, NULL},                                                                        \
        {"--interpolation", OPTION_CHOICE, &(p).interpolation, 0, 0, option_interpolations}, {                                 \
        "--fit", OPTION_CHOICE, &(p).fit, 0, 0, option_fits                                                                    \
    }
#define PICTURES_HELP                                                                                                          \
    "  --mean R,G,B --std R,G,B --crop C --interpolation I --fit F\n"                                                          \
    "                how pictures are prepared, where the file does not say, or says it wrong: colours on a scale of 0\n"      \
    "                to 1 (one number stands for all three, and for grey); the share of the resized picture that the\n"        \
    "                centre crop keeps; bicubic, bilinear or box; crop (the shorter side is resized) or squash (both are),\n"  \
    "                or crop_floor or squash_floor, whose centre is that of Hugging Face's transformers\n"

/* Checks them, and makes what the call opens from here on know them. Returns an exit code. */
int pictures_settle(struct invocation *call, const struct pictures *pictures);
void pictures_apply(const struct pictures *pictures, tleg_config *config); /* what is given, to a fresh learngene's */
bool pictures_given(const struct pictures *pictures);                      /* any of them; NULL: none */
/* The same for the library: members of 0 where nothing was said. */
tleg_preparation_options pictures_say(const struct pictures *pictures, struct extent image);

/* Says what is taken for granted of the file's pictures, where neither the file nor the call says it. */
void pictures_note(const struct invocation *call, const char *path, const tleg_config *config);

#endif
