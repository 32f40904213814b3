/* The factor between an autoencoder's latents and what a generator learns and draws, whose spread is to be about 1: 0.18215 for
 * those of Stable Diffusion. Files of latents and generators of such latents hold it in their metadata. */
#ifndef TLEG_TOOLS_LATENT_SCALE_H
#define TLEG_TOOLS_LATENT_SCALE_H

#include "tool.h"

#define LATENT_SCALE "latent_scale"
enum { LATENT_SCALE_TEXT = 32 };

/* What a file says; 0: nothing. Returns an exit code: an error where that is not a number above 0. */
int latent_scale_find(const struct invocation *call, const char *path, const tleg_file *file, double *scale);
/* The fewest digits that give the number back. */
const char *latent_scale_text(double scale, char text[LATENT_SCALE_TEXT]);

#endif
