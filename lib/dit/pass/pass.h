/* The passes of a Diffusion Transformer (Peebles and Xie, ICCV 2023): those of a Vision Transformer, whose norms and gates a
 * condition gives, and other ends. */
#ifndef TLEG_LIB_DIT_PASS_H
#define TLEG_LIB_DIT_PASS_H

#include "vit/pass/pass.h"

/* Images that are noised, their times and labels in; their noise out. */
extern const struct tleg_ends tleg_generator_ends;
static inline const struct tleg_ends *tleg_ends_of(const tleg_config *config) {
    return tleg_config_draws(config) ? &tleg_generator_ends : &tleg_classifier_ends;
}

#endif
